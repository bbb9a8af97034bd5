"""The rules in CEL of a schema (``x-kubernetes-validations``): where their compiler is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from kijabi.api import field


class Rules(Protocol):
    """What came out of compiling all rules of one schema."""

    @property
    def problems(self) -> Sequence[tuple[str, str]]:
        """(path below the schema, message) for each rule that cannot be compiled or would cost too much."""
        ...

    def validate(self, path: str, new: Any, old: Any | None) -> list[field.Error]: ...


Compile = Callable[[Mapping[str, Any]], Rules]

KEY = "x-kubernetes-validations"


def mentioned(raw: Any) -> bool:
    """Whether there is any rule at all."""
    if isinstance(raw, Mapping):
        return bool(raw.get(KEY)) or any(mentioned(value) for value in raw.values())
    return isinstance(raw, list) and any(mentioned(item) for item in raw)
