"""Regular expressions in RE2's notation, run by Python's engine.

The notations agree but for a few letters (``\\z``, ``\\pN`` classes, ``\\Q…\\E``), translated here. What RE2 refuses
(look-around, back-references, possessive and atomic groups) is refused too: besides being upstream's answer, these are
what makes a backtracking engine slowest.
"""

from __future__ import annotations

import functools
import re

from kijabi.api.cel.values import Failure

_FOREIGN = re.compile(r"(?<!\\)(?:\\\\)*(?:\(\?(?:=|!|<=|<!|>|\()|\\[1-9]|[*+?}]\+)")
_POSIX = {
    "[:alpha:]": "a-zA-Z", "[:digit:]": "0-9", "[:alnum:]": "a-zA-Z0-9", "[:upper:]": "A-Z", "[:lower:]": "a-z",
    "[:space:]": r"\s", "[:punct:]": r"!-/:-@\[-`{-~", "[:xdigit:]": "0-9a-fA-F", "[:word:]": r"\w",
    "[:blank:]": r" \t",
}  # fmt: skip
_CLASSES = {"L": "^\\W\\d_", "Lu": "A-ZÀ-ÖØ-Þ", "Ll": "a-zß-öø-ÿ", "N": "\\d", "Nd": "\\d"}


class Illegal(ValueError):
    """The pattern is none; the message is RE2's."""


@functools.lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Raises Illegal."""
    foreign = _FOREIGN.search(pattern)
    if foreign is not None:
        raise Illegal(f"error parsing regexp: invalid or unsupported Perl syntax: `{foreign.group()[:3]}`")
    text = pattern.replace(r"\z", r"\Z")
    for name, letters in _POSIX.items():
        text = text.replace(name, letters)
    text = re.sub(r"\\Q(.*?)(?:\\E|$)", lambda match: re.escape(match[1]), text)
    text = re.sub(r"\\p\{?(\w+)\}?", lambda match: f"[{_CLASSES.get(match[1], '')}]", text)
    text = re.sub(r"\(\?P?<(\w+)>", r"(?P<\1>", text)
    # In RE2 $ is the very end; in Python it is also before a last line feed.
    text = re.sub(r"(?<!\\)((?:\\\\)*)\$(?=\)|\||$)", r"\1\\Z", text) if "(?m" not in text else text
    try:
        return re.compile(text, re.ASCII)
    except (re.error, RecursionError, OverflowError) as wrong:
        raise Illegal(f"error parsing regexp: {wrong}: `{pattern}`") from wrong


def search(pattern: str) -> re.Pattern[str]:
    """As ``compiled``, with CEL's error."""
    try:
        return compiled(pattern)
    except Illegal as illegal:
        raise Failure(str(illegal)) from None


def matches(text: str, pattern: str) -> bool:
    return search(pattern).search(text) is not None
