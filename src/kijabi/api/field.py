"""Field errors, as validation reports them: a path, what is wrong, and upstream's wording of it.

A path is a plain string (``spec.containers[0].name``); ``index`` and ``key`` build the bracketed forms.
Source: k8s.io/apimachinery util/validation/field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kijabi.kit import jsons

(
    REQUIRED,
    DUPLICATE,
    INVALID,
    NOT_SUPPORTED,
    FORBIDDEN,
    TOO_LONG,
    TOO_MANY,
    TYPE_INVALID,
    NOT_FOUND,
    INTERNAL,
    TOO_FEW,
) = (
    "FieldValueRequired",
    "FieldValueDuplicate",
    "FieldValueInvalid",
    "FieldValueNotSupported",
    "FieldValueForbidden",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
    "FieldValueNotFound",
    "InternalError",
    "FieldValueTooFew",
)

_WORDS = {
    REQUIRED: "Required value",
    DUPLICATE: "Duplicate value",
    INVALID: "Invalid value",
    NOT_SUPPORTED: "Unsupported value",
    FORBIDDEN: "Forbidden",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    TYPE_INVALID: "Invalid value",
    NOT_FOUND: "Not found",
    INTERNAL: "Internal error",
    TOO_FEW: "Too few",
}

_WITHOUT_VALUE = {REQUIRED, FORBIDDEN, TOO_LONG, INTERNAL}
# A value that is not worth showing: the message says only what kind of problem it is.
OMITTED: Any = object()


@dataclass(frozen=True, slots=True)
class Error:
    """One thing wrong with one field. ``str()`` is the message with the path in front of it."""

    type: str
    path: str
    value: Any
    detail: str

    @property
    def body(self) -> str:
        word = _WORDS[self.type]
        if self.type in _WITHOUT_VALUE or self.value is OMITTED:
            text = word
        else:
            text = f"{word}: {_show(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def cause(self) -> dict[str, str]:
        return {"reason": self.type, "message": self.body, "field": self.path}

    def __str__(self) -> str:
        return f"{self.path}: {self.body}"


def _show(value: Any) -> str:
    # Go prints strings quoted, numbers and booleans bare, and everything else as JSON.
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str) and not value.isprintable():
        return quoted(value)
    return jsons.dumps(value).decode()


_ESCAPES = {'"': '\\"', "\\": "\\\\"} | {chr(7 + place): f"\\{letter}" for place, letter in enumerate("abtnvfr")}


def quoted(text: str) -> str:
    """As Go quotes a text (``%q``): what cannot be printed is escaped."""
    return '"' + "".join(letter if _is_plain(letter) else _escaped(letter) for letter in text) + '"'


def _is_plain(letter: str) -> bool:
    return letter.isprintable() and letter not in _ESCAPES


def _escaped(letter: str) -> str:
    code = ord(letter)
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def child(path: str, *names: str) -> str:
    return ".".join([path, *names]) if path else ".".join(names)


def index(path: str, position: int) -> str:
    return f"{path}[{position}]"


def key(path: str, name: str) -> str:
    return f"{path}[{name}]"


def required(path: str, detail: str = "") -> Error:
    return Error(REQUIRED, path, "", detail)


def invalid(path: str, value: Any, detail: str) -> Error:
    return Error(INVALID, path, value, detail)


def duplicate(path: str, value: Any) -> Error:
    return Error(DUPLICATE, path, value, "")


def not_supported(path: str, value: Any, supported: Iterable[str], *, ordered: bool = False) -> Error:
    """``ordered``: the choices are told as they come; most of upstream's lists are sorted."""
    listed = ", ".join(f'"{choice}"' for choice in (supported if ordered else sorted(supported)))
    return Error(NOT_SUPPORTED, path, value, f"supported values: {listed}" if listed else "")


def forbidden(path: str, detail: str) -> Error:
    return Error(FORBIDDEN, path, "", detail)


def not_found(path: str, value: Any) -> Error:
    return Error(NOT_FOUND, path, value, "")


def too_long(path: str, maximum: int) -> Error:
    return Error(TOO_LONG, path, "", f"may not be more than {maximum} bytes")


def too_many(path: str, actual: int, maximum: int) -> Error:
    return Error(TOO_MANY, path, actual, f"must have at most {maximum} items")


def type_invalid(path: str, value: Any, detail: str) -> Error:
    return Error(TYPE_INVALID, path, value, detail)


def immutable(path: str, value: Any) -> Error:
    return Error(INVALID, path, value, "field is immutable")
