"""Regular expressions in RE2's syntax, as Go reads them, by way of Python's ``re``.

What RE2 has and ``re`` has not is rewritten; what ``re`` has and RE2 has not (look-around, back-references, atomic
groups, possessive repetition) is refused. Source: github.com/google/re2/wiki/Syntax; Go's regexp/syntax.

Left out: Unicode scripts (``\\p{Greek}``); general categories are there.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}


class Malformed(ValueError):
    """Go's regexp would not take it; the message is Go's."""


@functools.lru_cache(maxsize=1024)
def compile(pattern: str) -> re.Pattern[str]:
    """Raises Malformed."""
    flags = ""
    lead = re.match(r"\(\?([ims]+)\)", pattern)
    body = pattern
    if lead is not None:
        flags, body = lead.group(0), pattern[lead.end() :]
    try:
        return re.compile(flags + _Translation(body).run(), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise Malformed(f"error parsing regexp: {_in_go(str(error))}: `{pattern}`") from error


def matches(pattern: str, text: str) -> bool:
    """Whether it matches anywhere. Raises Malformed."""
    return compile(pattern).search(text) is not None


def _in_go(error: str) -> str:
    if "unterminated subpattern" in error:
        return "missing closing )"
    if "unbalanced parenthesis" in error:
        return "unexpected )"
    if "unterminated character set" in error:
        return "missing closing ]"
    if "nothing to repeat" in error:
        return "missing argument to repetition operator"
    if "bad character range" in error:
        return "invalid character class range"
    if "bad escape" in error:
        return "invalid escape sequence"
    return error


class _Translation:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._out: list[str] = []

    def run(self) -> str:
        pattern = self._pattern
        while self._at < len(pattern):
            character = pattern[self._at]
            if character == "\\":
                self._out.append(self._escape(False))
            elif character == "[":
                self._out.append(self._class())
            elif character == "(":
                self._out.append(self._group())
            elif character == "$":
                # Python's $ also matches before a last line break; Go's does not.
                self._out.append("\\Z")
                self._at += 1
            elif character in "*+?}" and pattern[self._at + 1 : self._at + 2] == "+":
                raise Malformed(
                    f"error parsing regexp: invalid nested repetition operator: `{character}+`: `{pattern}`"
                )
            else:
                self._out.append(character)
                self._at += 1
        return "".join(self._out)

    def _refuse(self, what: str, shown: str) -> Malformed:
        return Malformed(f"error parsing regexp: {what}: `{shown}`")

    def _escape(self, inside: bool) -> str:
        pattern, start = self._pattern, self._at
        if start + 1 >= len(pattern):
            raise Malformed("error parsing regexp: trailing backslash at end of expression: ``")
        letter = pattern[start + 1]
        self._at += 2
        if letter in "pP":
            return self._category(letter == "P", inside)
        if letter == "x" and pattern[self._at : self._at + 1] == "{":
            end = pattern.index("}", self._at)
            code = int(pattern[self._at + 1 : end], 16)
            self._at = end + 1
            return re.escape(chr(code))
        if letter == "Q":
            end = pattern.find("\\E", self._at)
            quoted = pattern[self._at : end if end >= 0 else len(pattern)]
            self._at = end + 2 if end >= 0 else len(pattern)
            return re.escape(quoted)
        if letter == "z":
            return "\\Z"
        if letter == "C":
            return "."
        if letter in "123456789" or letter in "Zk":
            raise self._refuse("invalid escape sequence", pattern[start : start + 2])
        if letter.isalnum() and letter not in "AbBdDsSwWafnrtvx0":
            raise self._refuse("invalid escape sequence", pattern[start : start + 2])
        return pattern[start : start + 2]

    def _category(self, negated: bool, inside: bool) -> str:
        pattern = self._pattern
        if pattern[self._at : self._at + 1] == "{":
            end = pattern.find("}", self._at)
            name = pattern[self._at + 1 : end]
            self._at = end + 1
        else:
            name = pattern[self._at : self._at + 1]
            self._at += 1
        if name.startswith("^"):
            negated, name = not negated, name[1:]
        ranges = _ranges(name)
        if not ranges:
            raise self._refuse("invalid character class range", f"\\p{{{name}}}")
        if inside:
            return _complement(ranges) if negated else _written(ranges)
        return f"[{'^' if negated else ''}{_written(ranges)}]"

    def _class(self) -> str:
        pattern = self._pattern
        out = ["["]
        self._at += 1
        if pattern[self._at : self._at + 1] == "^":
            out.append("^")
            self._at += 1
        first = True
        while self._at < len(pattern):
            character = pattern[self._at]
            if character == "]" and not first:
                out.append("]")
                self._at += 1
                return "".join(out)
            first = False
            named = re.match(r"\[:(\^?)(\w+):\]", pattern[self._at :])
            if named is not None:
                out.append(self._posix(named))
            elif character == "\\":
                out.append(self._escape(True))
            else:
                # An opening bracket, and what could be a set operation to come, mean themselves.
                out.append("\\" + character if character in "[&~|]" else character)
                self._at += 1
        raise self._refuse("missing closing ]", pattern)

    def _posix(self, named: re.Match[str]) -> str:
        ranges = _POSIX.get(named.group(2))
        if ranges is None or named.group(1):
            raise self._refuse("invalid character class range", named.group(0))
        self._at += named.end()
        return ranges

    def _group(self) -> str:
        pattern, start = self._pattern, self._at
        self._at += 1
        if pattern[self._at : self._at + 1] != "?":
            return "("
        named = re.match(r"\(\?P?<(\w+)>", pattern[start:])
        if named is not None:
            self._at = start + named.end()
            return f"(?P<{named.group(1)}>"
        plain = re.match(r"\(\?[imsU-]*:", pattern[start:])
        if plain is not None:
            self._at = start + plain.end()
            return plain.group(0).replace("U", "")
        raise self._refuse("invalid or unsupported Perl syntax", pattern[start : start + 3])


@functools.lru_cache(maxsize=64)
def _ranges(category: str) -> tuple[tuple[int, int], ...]:
    """Code points of a general category (``L``, ``Lu``), as ranges."""
    found: list[tuple[int, int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)).startswith(category) and len(category) <= 2:
            if found and found[-1][1] == code - 1:
                found[-1] = (found[-1][0], code)
            else:
                found.append((code, code))
    return tuple(found)


def _written(ranges: tuple[tuple[int, int], ...]) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def _complement(ranges: tuple[tuple[int, int], ...]) -> str:
    out, start = [], 0
    for first, last in ranges:
        if start < first:
            out.append((start, first - 1))
        start = last + 1
    if start <= sys.maxunicode:
        out.append((start, sys.maxunicode))
    return _written(tuple(out))
