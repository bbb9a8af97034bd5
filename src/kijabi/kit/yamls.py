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
    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Keys are texts, as in JSON: ``1: a`` is ``"1": "a"``."""
        made = super().construct_mapping(node, deep)
        if all(type(key) is str for key in made):
            return made
        return {_key(key): value for key, value in made.items()}

    def construct_by_shape(self, node: Any) -> Any:
        """What an unknown tag stands before, without the tag."""
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_scalar(node)


def _key(key: Any) -> str:
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return key if isinstance(key, str) else format(key, "g") if isinstance(key, float) else str(key)


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


def _boolean(loader: Any, node: Any) -> bool:
    return loader.construct_scalar(node).lower() in ("y", "yes", "true", "on")


_rebuild_resolvers()
# The one letter forms are YAML 1.1's, but not PyYAML's.
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))
# What would be read as something else than text is written in quotes; readers of YAML 1.1 see dates and more in texts.
_Dumper.yaml_implicit_resolvers = {
    first: [*_Loader.yaml_implicit_resolvers.get(first, ()), *yaml.CSafeDumper.yaml_implicit_resolvers.get(first, ())]
    for first in _Loader.yaml_implicit_resolvers.keys() | yaml.CSafeDumper.yaml_implicit_resolvers.keys()
}
_Loader.add_constructor("tag:yaml.org,2002:bool", _boolean)
_Loader.add_constructor(None, _Loader.construct_by_shape)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _real)


def loads(text: bytes | str) -> Any:
    """The first document in ``text`` (None when empty)."""
    try:
        return next(iter(yaml.load_all(text, Loader=_Loader)), None)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(_complaint(error)) from error


def _complaint(error: Exception) -> str:
    """In the words of Go's parser, which comes from the same C library."""
    problem = getattr(error, "problem", None)
    if problem is None:
        return f"yaml: {error}"
    mark = getattr(error, "problem_mark", None)
    line = mark.line if mark is not None else 0
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1
    return f"yaml: line {line}: {problem}" if line else f"yaml: {problem}"


def loads_all(text: bytes | str) -> list[Any]:
    """Every document in ``text``, empty ones left out."""
    try:
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error


def dumps(value: Any, *, ordered: bool = False) -> str:
    """``ordered``: by key, as Go writes it; else as the mappings stand."""
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=ordered)
