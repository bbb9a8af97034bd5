"""The formats of strings that custom resources may name; others are ignored.

Source: apiextensions-apiserver pkg/apiserver/validation/formats.go; kube-openapi's strfmt.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import ipaddress
import re
from collections.abc import Callable
from urllib import parse as urls

from kijabi.api import names

_HEX = "[0-9a-f]"


def _matching(pattern: str, flags: int = 0) -> Callable[[str], bool]:
    compiled = re.compile(pattern, flags | re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _uuid(third: str, fourth: str = f"{_HEX}{{4}}") -> Callable[[str], bool]:
    return _matching(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{third}-?{fourth}-?{_HEX}{{12}}", re.IGNORECASE)


def _ip(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        with contextlib.suppress(ValueError):
            found = ipaddress.ip_address(text)
            return found.version == version and "%" not in text
        return False

    return check


def _cidr(text: str) -> bool:
    if "/" not in text or not text.rpartition("/")[2].isdecimal():
        return False
    with contextlib.suppress(ValueError):
        ipaddress.ip_interface(text)
        return True
    return False


def _uri(text: str) -> bool:
    if not text or any(ord(character) <= 0x20 or ord(character) == 0x7F for character in text):
        return False
    with contextlib.suppress(ValueError):
        parts = urls.urlsplit(text)
        return bool(parts.scheme) or text.startswith("/")
    return False


def _byte(text: str) -> bool:
    with contextlib.suppress(binascii.Error, ValueError):
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
        return True
    return False


def _date(text: str) -> bool:
    with contextlib.suppress(ValueError):
        datetime.date.fromisoformat(text)
        return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) is not None
    return False


_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def _date_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    return found is not None and _date(found.group(1))


_UNITS = r"(?:ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+){_UNITS})+)", re.ASCII)
_SCALA = re.compile(
    r"(\d+) ?(ns|nano|nanosecond|us|µs|micro|microsecond|ms|milli|millisecond|s|sec|second|m|min|minute|h|hr|hour|d|day"
    r"|w|week)s?",
    re.ASCII,
)


def _duration(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None or _SCALA.match(text) is not None


def _digits(text: str) -> list[int]:
    return [
        10 if character in "xX" else int(character) for character in text if character.isdecimal() or character in "xX"
    ]


def _isbn10(text: str) -> bool:
    plain = re.sub(r"[\s-]", "", text)
    if re.fullmatch(r"\d{9}[\dX]", plain, re.ASCII) is None:
        return False
    return sum((10 - place) * digit for place, digit in enumerate(_digits(plain))) % 11 == 0


def _isbn13(text: str) -> bool:
    plain = re.sub(r"[\s-]", "", text)
    if re.fullmatch(r"\d{13}", plain, re.ASCII) is None:
        return False
    return sum((3 if place % 2 else 1) * digit for place, digit in enumerate(_digits(plain))) % 10 == 0


_CARD = re.compile(
    r"(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})",
    re.ASCII,
)


def _credit_card(text: str) -> bool:
    plain = re.sub(r"\D", "", text)
    if _CARD.fullmatch(plain) is None:
        return False
    digits = [int(character) for character in reversed(plain)]
    return sum(d if place % 2 == 0 else sum(divmod(d * 2, 10)) for place, d in enumerate(digits)) % 10 == 0


def _rgb(text: str) -> bool:
    part = r"(?:0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"
    return re.fullmatch(rf"rgb\(\s*{part}\s*,\s*{part}\s*,\s*{part}\s*\)", text, re.ASCII) is not None


_HOST = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
_EMAIL = re.compile(r"(?:[^<>@\s]+@[^<>@\s]+|[^<>]*<[^<>@\s]+@[^<>@\s]+>)")

FORMATS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matching("[0-9a-fA-F]{24}"),
    "uri": _uri,
    "email": lambda text: _EMAIL.fullmatch(text.strip()) is not None,
    "hostname": lambda text: len(text) <= 255 and _HOST.fullmatch(text) is not None,
    "ipv4": _ip(4),
    "ipv6": _ip(6),
    "cidr": _cidr,
    "mac": _matching(
        "(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\\1){4}(?:[0-9a-f]{2})|(?:[0-9a-f]{4}\\.){2}[0-9a-f]{4}", re.I
    ),
    "uuid": _uuid(f"{_HEX}{{4}}"),
    "uuid3": _uuid(f"3{_HEX}{{3}}"),
    "uuid4": _uuid(f"4{_HEX}{{3}}", f"[89ab]{_HEX}{{3}}"),
    "uuid5": _uuid(f"5{_HEX}{{3}}", f"[89ab]{_HEX}{{3}}"),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "creditcard": _credit_card,
    "ssn": _matching(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "hexcolor": _matching("#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _rgb,
    "byte": _byte,
    "password": lambda text: True,
    "date": _date,
    "duration": _duration,
    "datetime": _date_time,
    "k8sshortname": lambda text: not names.dns_label(text),
    "k8slongname": lambda text: not names.dns_subdomain(text),
}


def is_known(name: str) -> bool:
    return name.replace("-", "") in FORMATS


def fits(name: str, text: str) -> bool:
    """Whether a string has the format; true for formats that are not known."""
    check = FORMATS.get(name.replace("-", ""))
    return check is None or check(text)
