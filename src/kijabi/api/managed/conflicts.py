"""Conflicts of an apply, in upstream's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kijabi.api import errors
from kijabi.api.managed import elements
from kijabi.api.managed.entries import UPDATE, Entry


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that ``owner`` has and the apply would change."""

    owner: Entry
    path: tuple[str, ...]

    @property
    def manager(self) -> str:
        shown = elements.plain(self.owner.manager)
        if self.owner.subresource:
            shown += f" with subresource {elements.plain(self.owner.subresource)}"
        # Upstream forgets the time on the way here.
        return f"{shown} using {self.owner.api_version}" if self.owner.operation == UPDATE else shown

    @property
    def field(self) -> str:
        return elements.show_path(self.path)


class ApplyConflict(errors.Conflict):
    """409 with a cause for every field."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        self.conflicts = sorted(conflicts, key=lambda conflict: conflict.owner.identity)
        super().__init__(_message(self.conflicts), details={"causes": [_cause(one) for one in self.conflicts]})


def _cause(conflict: Conflict) -> dict[str, Any]:
    return {
        "reason": "FieldManagerConflict",
        "message": f"conflict with {conflict.manager}",
        "field": conflict.field,
    }


def _message(conflicts: list[Conflict]) -> str:
    if len(conflicts) == 1:
        return f"Apply failed with 1 conflict: conflict with {conflicts[0].manager}: {conflicts[0].field}"
    lines: list[str] = []
    last = None
    for conflict in conflicts:
        if conflict.owner is not last:
            last = conflict.owner
            lines.append(f"conflicts with {conflict.manager}:")
        lines.append(f"- {conflict.field}")
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
