"""Field selectors: ``metadata.name=a,status.phase!=Running``.

Values may escape ``\\``, ``,`` and ``=`` by a backslash. Which fields a kind offers is in its own file.
Source: k8s.io/apimachinery fields; "Field Selectors" in the documentation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


class Malformed(ValueError):
    """The selector cannot be read; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """``negated`` is ``!=``."""

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        return f"{self.field}{'!=' if self.negated else '='}{escape(self.value)}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All requirements must hold; a field that an object does not have is the empty text."""

    requirements: tuple[Requirement, ...] = ()

    @property
    def everything(self) -> bool:
        return not self.requirements

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all((fields.get(r.field, "") == r.value) != r.negated for r in self.requirements)

    def exact(self, field: str) -> str | None:
        """The one value that ``field`` must have, where the selector asks for one (``metadata.name`` mostly)."""
        for requirement in self.requirements:
            if requirement.field == field and not requirement.negated:
                return requirement.value
        return None

    def renamed(self, name: Callable[[str], str]) -> FieldSelector:
        """The same with other names for the fields."""
        return FieldSelector(tuple(Requirement(name(r.field), r.value, r.negated) for r in self.requirements))

    def split(self, fields: Iterable[str]) -> tuple[FieldSelector, FieldSelector]:
        """The part that is about ``fields``, and the rest."""
        known = set(fields)
        ours = tuple(r for r in self.requirements if r.field in known)
        return FieldSelector(ours), FieldSelector(tuple(r for r in self.requirements if r.field not in known))

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = FieldSelector()


@functools.lru_cache(maxsize=1024)
def parse_fields(text: str) -> FieldSelector:
    """``Malformed`` with upstream's message."""
    found = []
    for term in _terms(text):
        if not term:
            continue
        field, operator, value = _split(term)
        if not operator:
            raise Malformed(f"invalid selector: '{text}'; can't understand '{term}'")
        found.append(Requirement(field, unescape(value), operator == "!="))
    return FieldSelector(tuple(sorted(found, key=lambda requirement: requirement.field)))


def _terms(text: str) -> list[str]:
    """Split at commas that no backslash escapes."""
    found, start, escaped = [], 0, False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            found.append(text[start:position])
            start = position + 1
    found.append(text[start:])
    return found


def _split(term: str) -> tuple[str, str, str]:
    for position in range(len(term)):
        for operator in ("!=", "==", "="):
            if term.startswith(operator, position):
                return term[:position], operator, term[position + len(operator) :]
    return "", "", ""


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def unescape(value: str) -> str:
    if "\\" not in value and "," not in value and "=" not in value:
        return value
    result, escaped = [], False
    for character in value:
        if escaped:
            if character not in "\\,=":
                raise Malformed(f"invalid field selector: invalid escape sequence: \\{character}")
            result.append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in ",=":
            raise Malformed(f"invalid field selector: unescaped character in value: {character}")
        else:
            result.append(character)
    if escaped:
        raise Malformed("invalid field selector: invalid escape sequence: \\")
    return "".join(result)


COMMON = ("metadata.name", "metadata.namespace")


def unsupported(selector: FieldSelector, offered: Iterable[str], kind: str) -> str | None:
    """Why this kind cannot be selected so, in upstream's words (a 400), or ``None``. ``offered`` leaves out COMMON."""
    known = set(offered)
    for requirement in selector.requirements:
        name = requirement.field
        if name in COMMON or name in known:
            continue
        if kind == "Job":
            return f'field label "{name}" not supported for Job'
        if kind == "ResourceSlice":
            return f"field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {name}"
        if known:
            return f"field label not supported: {name}"
        return f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return None
