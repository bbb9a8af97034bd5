"""Named formats. Source: kubernetes.io "Kubernetes format library"."""

from __future__ import annotations

import base64
import binascii
import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kijabi.api import names
from kijabi.api.cel import functions, instants, types, values
from kijabi.api.cel.library import urls
from kijabi.api.cel.types import STRING

FUNCTIONS = functions.Functions()
TYPE = types.struct("kubernetes.NamedFormat")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Format(values.Opaque):
    """``pattern_size`` is what one check is reckoned to cost: the length of a regular expression doing it."""

    TYPE = TYPE
    name: str
    check: Callable[[str], list[str]]
    pattern_size: int


def _prefixed(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    # A prefix may end in a dash: something will be put behind it.
    return lambda text: check(text[:-1] + "a" if text.endswith("-") and len(text) > 1 else text)


def _uri(text: str) -> list[str]:
    try:
        urls.parse(text)
    except urls.Malformed as malformed:
        return [str(malformed)]
    return []


def _uuid(text: str) -> list[str]:
    return [] if _UUID.fullmatch(text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ["invalid base64"]
    return []


def _date(text: str) -> list[str]:
    try:
        datetime.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        return ["invalid date"]
    return [] if len(text) == 10 else ["invalid date"]


def _datetime(text: str) -> list[str]:
    try:
        instants.parse_time(text)
    except values.Failure:
        return ["invalid datetime"]
    return []


FORMATS = {
    name: Format(label, check, size)
    for name, label, check, size in (
        ("dns1123Label", "DNS1123Label", names.dns_label, 30),
        ("dns1123Subdomain", "DNS1123Subdomain", names.dns_subdomain, 60),
        ("dns1035Label", "DNS1035Label", names.dns1035_label, 30),
        ("qualifiedName", "QualifiedName", names.label_key, 60),
        ("dns1123LabelPrefix", "DNS1123LabelPrefix", _prefixed(names.dns_label), 30),
        ("dns1123SubdomainPrefix", "DNS1123SubdomainPrefix", _prefixed(names.dns_subdomain), 60),
        ("dns1035LabelPrefix", "DNS1035LabelPrefix", _prefixed(names.dns1035_label), 30),
        ("labelValue", "LabelValue", names.label_value, 40),
        ("uri", "URI", _uri, 1024),
        ("uuid", "uuid", _uuid, 90),
        ("byte", "byte", _byte, 84),
        ("date", "date", _date, 89),
        ("datetime", "datetime", _datetime, 89),
    )
}


def _validate(wanted: Format, text: str) -> values.Optional:
    problems = wanted.check(text)
    return values.Optional(problems, True) if problems else values.NONE


def _named(name: str) -> values.Optional:
    return values.Optional(FORMATS[name], True) if name in FORMATS else values.NONE


def _cost(args: Any, result: Any) -> int:
    text: int = math.ceil((1.0 + len(args[1])) * functions.STRING_COST)
    pattern: int = math.ceil(args[0].pattern_size * functions.REGEX_COST)
    return text * pattern


def _declare() -> None:
    for name, wanted in FORMATS.items():
        FUNCTIONS.add(f"format.{name}", f"format.{name}", (), TYPE, lambda wanted=wanted: wanted)
    FUNCTIONS.add("format.named", "format-named", (STRING,), types.optional(TYPE), _named)
    result = types.optional(types.list_of(STRING))
    FUNCTIONS.member("validate", "format-validate", (TYPE, STRING), result, _validate, _cost)


_declare()
