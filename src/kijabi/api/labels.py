"""Label selectors: the text of ``-l`` (``a=b,c!=d,e in (x,y),!f``) and the ``LabelSelector`` of specs.

A selector is a tuple of requirements, all of which must hold. ``EVERYTHING`` has none; ``NOTHING`` never matches, and
is what a missing LabelSelector means.
Source: k8s.io/apimachinery labels and meta/v1 helpers; "Labels and Selectors" in the documentation.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kijabi.api import field, names

EQUALS, DOUBLE_EQUALS, NOT_EQUALS, IN, NOT_IN = "=", "==", "!=", "in", "notin"
EXISTS, NOT_EXISTS, GREATER, LESS = "exists", "!", "gt", "lt"

Labels = Mapping[str, str]


class Malformed(ValueError):
    """The selector cannot be read; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """``values`` are sorted and without doubles."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        if not _INTEGER.fullmatch(value):
            return False
        if self.operator == GREATER:
            return int(value) > int(self.values[0])
        return int(value) < int(self.values[0])

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == GREATER else '<'}{self.values[0]}"
        return f"{self.key}{self.operator}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Hashable, so that it can be a key for what is counted per selector. ``str`` is the canonical text."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @property
    def everything(self) -> bool:
        return not self.requirements and not self.nothing

    def matches(self, labels: Labels | None) -> bool:
        if self.nothing:
            return False
        having = labels or {}
        return all(requirement.matches(having) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_TOKEN = re.compile(r"[ \t\r\n]*(?:(?P<word>[^=!(),<> \t\r\n]+)|(?P<symbol>==|!=|[=!(),<>])|(?P<end>$))")
_BINARY = {"=": EQUALS, "==": DOUBLE_EQUALS, "!=": NOT_EQUALS, ">": GREATER, "<": LESS, "in": IN, "notin": NOT_IN}
_EXPECTED_OPERATORS = "in, notin, =, ==, !=, gt, lt"


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """The selector in ``text``; the empty text selects everything. ``Malformed`` with upstream's message."""
    return _ordered(_Parser(text).parse())


def _ordered(requirements: Iterable[Requirement]) -> Selector:
    return Selector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))


class _Parser:
    """Recursive descent over the tokens; the last one is the empty text."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        while match := _TOKEN.match(text, position):
            position = match.end()
            self._tokens.append(match["word"] or match["symbol"] or "")
            if match["end"] is not None:
                break
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._tokens[self._at]
        # Never past the end: the empty token is what every look-ahead then sees.
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    @staticmethod
    def _is_word(token: str) -> bool:
        return bool(token) and token not in ("=", "==", "!=", "!", "(", ")", ",", "<", ">")

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            token = self._peek()
            if not token:
                return found
            if not self._is_word(token) and token != "!":
                raise Malformed(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except Malformed as error:
                raise Malformed(f"unable to parse requirement: {error}") from error
            following = self._take()
            if not following:
                return found
            if following != ",":
                raise Malformed(f"found '{following}', expected: ',' or 'end of string'")
            if not self._is_word(self._peek()) and self._peek() != "!":
                raise Malformed(f"found '{self._peek()}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._take()
        key = self._take()
        if not self._is_word(key):
            raise Malformed(f"found '{key}', expected: identifier")
        complaints = names.label_key(key)
        if complaints:
            raise Malformed(str(field.invalid("<nil>", key, "; ".join(complaints))))
        if negated:
            return requirement(key, NOT_EXISTS, ())
        if self._peek() in ("", ","):
            return requirement(key, EXISTS, ())
        token = self._take()
        operator = _BINARY.get(token)
        if operator is None:
            raise Malformed(f"found '{token}', expected: {_EXPECTED_OPERATORS}")
        values = self._values() if operator in (IN, NOT_IN) else [self._exact()]
        return requirement(key, operator, values)

    def _exact(self) -> str:
        if self._peek() in ("", ","):
            return ""
        token = self._take()
        if not self._is_word(token):
            raise Malformed(f"found '{token}', expected: identifier")
        return token

    def _values(self) -> list[str]:
        token = self._take()
        if token != "(":
            raise Malformed(f"found '{token}' expected: '('")
        first = self._peek()
        if first == ")":
            self._take()
            return [""]
        if not self._is_word(first) and first != ",":
            raise Malformed(f"found '{first}', expected: ',', ')' or identifier")
        values: list[str] = []
        while True:
            # An empty place between commas is the empty value.
            values.append(self._take() if self._is_word(self._peek()) else "")
            token = self._take()
            if token == ")":
                return values
            if token != ",":
                raise Malformed(f"found '{token}', expected: ',' or ')'")


def requirement(key: str, operator: str, values: Iterable[str], path: str = "") -> Requirement:
    """A checked requirement. ``Malformed`` with the aggregate of upstream's field errors."""
    listed = tuple(sorted(set(values)))
    problems = [str(problem) for problem in _problems(key, operator, listed, path)]
    if problems:
        unique = list(dict.fromkeys(problems))
        raise Malformed(unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")
    return Requirement(key, operator, listed)


def _problems(key: str, operator: str, values: tuple[str, ...], path: str) -> Iterable[field.Error]:
    complaints = names.label_key(key)
    if complaints:
        yield field.invalid(field.child(path, "key"), key, "; ".join(complaints))
    where = field.child(path, "values")
    if operator in (IN, NOT_IN) and not values:
        yield field.invalid(where, list(values), "for 'in', 'notin' operators, values set can't be empty")
    elif operator in (EXISTS, NOT_EXISTS) and values:
        yield field.invalid(where, list(values), "values set must be empty for exists and does not exist")
    elif operator in (GREATER, LESS):
        for position, value in enumerate(values):
            if not _INTEGER.fullmatch(value):
                yield field.invalid(
                    field.index(where, position), value, "for 'Gt', 'Lt' operators, the value must be an integer"
                )
    for position, value in enumerate(values):
        complaints = names.label_value(value)
        if complaints:
            yield field.invalid(f"{where}[{position}][{key}]", value, "; ".join(complaints))


_SPEC_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS}


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """The ``LabelSelector`` of a spec. ``None`` matches nothing, an empty one everything. ``Malformed`` if invalid."""
    if selector is None:
        return NOTHING
    found = [requirement(key, EQUALS, (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _SPEC_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise Malformed(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        found.append(requirement(expression.get("key", ""), operator, expression.get("values") or ()))
    return _ordered(found)


def from_set(labels: Labels | None) -> Selector:
    """Exactly these labels, without validation: the ``selector`` map of Services and ReplicationControllers."""
    return _ordered(Requirement(key, EQUALS, (value,)) for key, value in (labels or {}).items())


def format_label_selector(selector: Mapping[str, Any] | None) -> str:
    """As ``kubectl`` and scale subresources print it; ``<none>`` for none, ``<error>`` for an invalid one."""
    try:
        return str(from_label_selector(selector)) or "<none>"
    except Malformed:
        return "<error>"
