"""What is wrong with a text that is not JSON, in the words of Go's encoding/json.

Clients and their users know these messages, and orjson's are about orjson. The scanner only runs over what a quicker
parser has refused already. Source: encoding/json's scanner, whose errors sigs.k8s.io/json passes on.
"""

from __future__ import annotations

import re

_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]*")
_LITERALS = {0x74: b"true", 0x66: b"false", 0x6E: b"null"}
_ESCAPES = b'bfnrt\\/"'
_HEX = b"0123456789abcdefABCDEF"
# As deep as Go's scanner goes.
_DEEPEST = 10_000


class Fault(Exception):
    pass


def complaint(data: bytes) -> str:
    """The message for bytes that are not JSON; empty where there is nothing to say against them."""
    try:
        _Scan(data).document()
    except Fault as fault:
        return str(fault)
    return ""


def _quoted(letter: int) -> str:
    shown = {0x27: "'\\''", 0x22: "'\"'"}.get(letter)
    if shown is not None:
        return shown
    # The byte as Go's rune of that number.
    return "'" + chr(letter).encode("unicode_escape").decode() + "'" if letter < 0x7F else f"'{chr(letter)}'"


class _Scan:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _next(self) -> int:
        """The next byte that is not white space; not taken. Raises Fault at the end."""
        found = _SPACE.match(self._data, self._at)
        assert found is not None
        self._at = found.end()
        return self._here()

    def _here(self) -> int:
        if self._at >= len(self._data):
            raise Fault("unexpected end of JSON input")
        return self._data[self._at]

    def _fail(self, context: str) -> Fault:
        return Fault(f"invalid character {_quoted(self._data[self._at])} {context}")

    def document(self) -> None:
        # Open containers, innermost last; no recursion, since the depth is the client's choice.
        open_: list[int] = []
        while True:
            self._value(open_)
            while True:
                if not open_:
                    found = _SPACE.match(self._data, self._at)
                    assert found is not None
                    self._at = found.end()
                    if self._at < len(self._data):
                        raise self._fail("after top-level value")
                    return
                if self._goes_on(open_):
                    break

    def _value(self, open_: list[int]) -> None:
        """One scalar, or the way down to the first scalar (or empty container) of nested ones."""
        while True:
            letter = self._next()
            if letter not in b"{[":
                self._scalar(letter)
                return
            self._at += 1
            if len(open_) >= _DEEPEST:
                raise Fault("exceeded max depth")
            closing = b"}"[0] if letter == b"{"[0] else b"]"[0]
            if self._next() == closing:
                self._at += 1
                return
            open_.append(closing)
            if closing == b"}"[0]:
                self._key()

    def _key(self) -> None:
        if self._next() != b'"'[0]:
            raise self._fail("looking for beginning of object key string")
        self._string()
        if self._next() != b":"[0]:
            raise self._fail("after object key")
        self._at += 1

    def _goes_on(self, open_: list[int]) -> bool:
        """After a value inside a container: whether another follows; else the container is closed."""
        letter, closing = self._next(), open_[-1]
        if letter == closing:
            self._at += 1
            open_.pop()
            return False
        if letter != b","[0]:
            raise self._fail("after object key:value pair" if closing == b"}"[0] else "after array element")
        self._at += 1
        if closing == b"}"[0]:
            self._key()
        return True

    def _scalar(self, letter: int) -> None:
        if letter == b'"'[0]:
            self._string()
        elif letter in _LITERALS:
            self._literal(_LITERALS[letter])
        elif letter in b"-0123456789":
            self._number()
        else:
            raise self._fail("looking for beginning of value")

    def _string(self) -> None:
        self._at += 1
        while True:
            found = _STRING.match(self._data, self._at)
            assert found is not None
            self._at = found.end()
            letter = self._here()
            if letter == b'"'[0]:
                self._at += 1
                return
            if letter != b"\\"[0]:
                raise self._fail("in string literal")
            self._at += 1
            self._escape()

    def _escape(self) -> None:
        letter = self._here()
        if letter != b"u"[0]:
            if letter not in _ESCAPES:
                raise self._fail("in string escape code")
            self._at += 1
            return
        for _ in range(4):
            self._at += 1
            if self._here() not in _HEX:
                raise self._fail("in \\u hexadecimal character escape")
        self._at += 1

    def _literal(self, word: bytes) -> None:
        for expected in word:
            if self._here() != expected:
                raise self._fail(f"in literal {word.decode()} (expecting '{chr(expected)}')")
            self._at += 1

    def _number(self) -> None:
        if self._here() == b"-"[0]:
            self._at += 1
            if self._here() not in b"0123456789":
                raise self._fail("in numeric literal")
        if self._here() == b"0"[0]:
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._data[self._at : self._at + 1] == b".":
            self._at += 1
            self._digits("after decimal point in numeric literal")
        if self._data[self._at : self._at + 1] in (b"e", b"E"):
            self._at += 1
            if self._here() in b"+-":
                self._at += 1
            self._digits("in exponent of numeric literal")

    def _digits(self, context: str) -> None:
        if self._here() not in b"0123456789":
            raise self._fail(context)
        found = _DIGITS.match(self._data, self._at)
        assert found is not None
        self._at = found.end()
