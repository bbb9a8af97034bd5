"""String functions: CEL's extension of version 2 and Kubernetes' regular expressions.

Source: cel-go ext "Strings", kubernetes.io "Kubernetes regex library".
"""

from __future__ import annotations

import re
from typing import Any

from kijabi.api.cel import functions, instants, operators, patterns, types, values
from kijabi.api.cel.types import DYN, INT, STRING
from kijabi.api.cel.values import Failure

FUNCTIONS = functions.Functions()
PATCH_FUNCTIONS = functions.Functions()
_STRINGS = types.list_of(STRING)
_WHOLE, _TWICE = functions.traverse(), functions.traverse(2 * functions.STRING_COST)
# What Go takes for white space; Python's own idea has four control characters more.
_SPACE = " \t\n\r\f\v\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_UPPER = {code: code - 32 for code in range(97, 123)}
_LOWER = {code: code + 32 for code in range(65, 91)}
_VERB = re.compile(r"%(?:\.(\d+))?(.)", re.DOTALL)


def _char_at(text: str, index: int) -> str:
    if index == len(text):
        return ""
    if 0 <= index < len(text):
        return text[index]
    raise Failure(f"index out of range: {index}")


def _index_of(text: str, part: str, start: int = 0) -> int:
    if part == "":
        return start
    if not 0 <= start < len(text):
        if not text:
            return -1
        raise Failure(f"index out of range: {start}")
    return text.find(part, start)


def _last_index_of(text: str, part: str, start: int | None = None) -> int:
    if start is None:
        return len(text) if part == "" else text.rfind(part)
    if part == "":
        return start
    if not 0 <= start < len(text):
        if not text:
            return -1
        raise Failure(f"index out of range: {start}")
    return text.rfind(part, 0, start + len(part))


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        if not 0 <= start <= len(text):
            raise Failure(f"index out of range: {start}")
        return text[start:]
    if start > end:
        raise Failure(f"invalid substring range. start: {start}, end: {end}")
    if start < 0 or start > len(text):
        raise Failure(f"index out of range: {start}")
    if end < 0 or end > len(text):
        raise Failure(f"index out of range: {end}")
    return text[start:end]


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator == "":
        letters = list(text)
        return letters if limit < 0 or len(letters) <= limit else [*letters[: limit - 1], "".join(letters[limit - 1 :])]
    return text.split(separator, limit - 1 if limit > 0 else -1)


def _join(items: list[Any], separator: str = "") -> str:
    for item in items:
        if not isinstance(item, str):
            raise Failure(values.OVERLOAD)
    return separator.join(items)


def _quote(text: str) -> str:
    special = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}
    special |= {"\\": "\\\\", '"': '\\"'}
    return '"' + "".join(special.get(letter, letter) for letter in text) + '"'


def _format(text: str, args: list[Any]) -> str:
    """%s %d %f %e %b %x %X %o and %%. Raises Failure in upstream's words."""
    taken = iter(args)
    count = 0

    def clause(match: re.Match[str]) -> str:
        nonlocal count
        precision, verb = match.groups()
        if verb == "%":
            return "%"
        if verb not in "sdfebxXo":
            raise Failure(f'could not parse formatting clause: unrecognized formatting clause "{verb}"')
        try:
            value = next(taken)
        except StopIteration:
            raise Failure(f"index {count} out of range") from None
        count += 1
        return _clause(verb, value, int(precision) if precision is not None else 6)

    shown = _VERB.sub(clause, text)
    if count < len(args):
        raise Failure("too many arguments supplied for format string")
    return shown


def _clause(verb: str, value: Any, precision: int) -> str:
    kind = values.kind_of(value)
    if verb == "s":
        return _plain(value, outer=True)
    if verb == "d" and kind in ("int", "uint", "double"):
        return operators.number_text(value) if kind == "double" else str(int(value))
    if verb in "fe" and kind in ("int", "uint", "double"):
        return f"{float(value):.{precision}{verb}}"
    if verb == "b" and kind in ("int", "uint", "bool"):
        return f"{int(value):b}"
    if verb == "o" and kind in ("int", "uint"):
        return f"{int(value):o}"
    if verb in "xX":
        if kind in ("int", "uint"):
            return f"{int(value):{verb}}"
        if kind in ("string", "bytes"):
            digits = (value.encode() if isinstance(value, str) else value).hex()
            return digits.upper() if verb == "X" else digits
    words = {"d": "decimal clause can only be used on", "f": "fixed-point clause can only be used on"}
    raise Failure(f"error during formatting: {words.get(verb, f'clause %{verb} cannot be used on')} {kind}")


def _plain(value: Any, *, outer: bool = False) -> str:
    if isinstance(value, str):
        return value if outer else f'"{value}"'
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return operators.number_text(value)
    if isinstance(value, list):
        return f"[{', '.join(_plain(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = sorted((_plain(key), _plain(item)) for key, item in value.items())
        return "{" + ", ".join(f"{key}:{item}" for key, item in pairs) + "}"
    if isinstance(value, values.Timestamp):
        return instants.time_text(value) if outer else f'timestamp("{instants.time_text(value)}")'
    if isinstance(value, values.Duration):
        return instants.span_text(value) if outer else f'duration("{instants.span_text(value)}")'
    if isinstance(value, values.TypeValue):
        return value.name
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(int(value)) if isinstance(value, int) else str(value)


def _find(text: str, pattern: str) -> str:
    match = patterns.search(pattern).search(text)
    return match.group() if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group() for match in patterns.search(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


def _escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _declare() -> None:
    add = FUNCTIONS.member
    text = (STRING, STRING)
    add("charAt", "string_char_at_int", (STRING, INT), STRING, _char_at)
    add("indexOf", "string_index_of_string", text, INT, _index_of, functions.deep)
    add("indexOf", "string_index_of_string_int", (*text, INT), INT, _index_of, functions.deep)
    add("lastIndexOf", "string_last_index_of_string", text, INT, _last_index_of, functions.deep)
    add("lastIndexOf", "string_last_index_of_string_int", (*text, INT), INT, _last_index_of, functions.deep)
    add("lowerAscii", "string_lower_ascii", (STRING,), STRING, lambda value: value.translate(_LOWER), _WHOLE)
    add("upperAscii", "string_upper_ascii", (STRING,), STRING, lambda value: value.translate(_UPPER), _WHOLE)
    add("replace", "string_replace_string_string", (*text, STRING), STRING, _replace, _TWICE)
    add("replace", "string_replace_string_string_int", (*text, STRING, INT), STRING, _replace, _TWICE)
    add("split", "string_split_string", text, _STRINGS, _split, _TWICE)
    add("split", "string_split_string_int", (*text, INT), _STRINGS, _split, _TWICE)
    add("substring", "string_substring_int", (STRING, INT), STRING, _substring, _WHOLE)
    add("substring", "string_substring_int_int", (STRING, INT, INT), STRING, _substring, _WHOLE)
    add("trim", "string_trim", (STRING,), STRING, lambda value: value.strip(_SPACE), _WHOLE)
    made = functions.traverse_result(2 * functions.STRING_COST)
    add("join", "list_join", (_STRINGS,), STRING, _join, made)
    add("join", "list_join_string", (_STRINGS, STRING), STRING, _join, made)
    add("format", "string_format", (STRING, types.list_of(DYN)), STRING, _format, _WHOLE)
    FUNCTIONS.add("strings.quote", "strings_quote", (STRING,), STRING, _quote, _WHOLE)
    add("find", "string_find_string", text, STRING, _find, functions.regex)
    add("findAll", "string_find_all_string", text, _STRINGS, _find_all, functions.regex)
    add("findAll", "string_find_all_string_int", (*text, INT), _STRINGS, _find_all, functions.regex)
    PATCH_FUNCTIONS.add(
        "jsonpatch.escapeKey", "string_jsonpatch_escapeKey_string", (STRING,), STRING, _escape_key, _WHOLE
    )


_declare()
