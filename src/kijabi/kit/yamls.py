"""YAML 1.2 scalars on PyYAML's C loader, as Kubernetes clients write and expect them.

PyYAML speaks YAML 1.1, where ``1:20`` is a number, ``2020-01-01`` a date and ``1_000`` an integer. Those resolvers are
replaced. Two habits of 1.1 stay because manifests rely on them: ``0644`` is octal, and ``yes``/``no``/``on``/``off``
are booleans (sigs.k8s.io/yaml does the same).
"""

from __future__ import annotations

import re
from typing import Any

import yaml


class Malformed(ValueError):
    """The text is not YAML."""


class _Loader(yaml.CSafeLoader):
    pass


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _rebuild_resolvers() -> None:
    replaced = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp"}
    _Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rules if tag not in replaced]
        for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:int",
        re.compile(r"^[-+]?(?:0b[01]+|0o?[0-7]+|0x[0-9a-fA-F]+|0|[1-9][0-9]*)$"),
        list("-+0123456789"),
    )
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(
            r"^[-+]?(?:\.inf|\.Inf|\.INF|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)$|^\.(?:nan|NaN|NAN)$"
        ),
        list("-+.0123456789"),
    )


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits.startswith(("0b", "0x", "0o")):
        return sign * int(digits, 0)
    if len(digits) > 1 and digits.startswith("0"):
        return sign * int(digits, 8)
    return sign * int(digits)


def _real(loader: Any, node: Any) -> float:
    text = loader.construct_scalar(node).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_rebuild_resolvers()
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _real)


def loads(text: bytes | str) -> Any:
    """The one document in ``text`` (None when empty)."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error


def loads_all(text: bytes | str) -> list[Any]:
    """Every document in ``text``, empty ones left out."""
    try:
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error


def dumps(value: Any, *, ordered: bool = False) -> str:
    """``ordered``: by key, as Go writes it; else as the mappings stand."""
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=ordered)
