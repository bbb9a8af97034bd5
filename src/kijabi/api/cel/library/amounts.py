"""Quantities and semantic versions. Source: kubernetes.io "Kubernetes quantity library" and "… semver library"."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from kijabi.api import quantity
from kijabi.api.cel import functions, types, values
from kijabi.api.cel.types import BOOL, DOUBLE, INT, STRING
from kijabi.api.cel.values import Failure

FUNCTIONS = functions.Functions()
QUANTITY, SEMVER = types.struct("kubernetes.Quantity"), types.struct("kubernetes.Semver")
_NUMERIC = re.compile(r"0|[1-9]\d*", re.ASCII)
_IDENTIFIERS = re.compile(r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quantity(values.Opaque):
    TYPE = QUANTITY
    amount: quantity.Quantity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount.nanos == other.amount.nanos

    def __hash__(self) -> int:
        return hash(self.amount.nanos)


def _parse(text: str) -> Quantity:
    try:
        return Quantity(quantity.parse(text))
    except quantity.Malformed as malformed:
        raise Failure(str(malformed)) from None


def _is_quantity(text: str) -> bool:
    try:
        quantity.parse(text)
    except quantity.Malformed:
        return False
    return True


def _integer(value: Quantity) -> int:
    whole, rest = divmod(value.amount.nanos, quantity.NANO)
    if rest or not values.INT_MIN <= whole <= values.INT_MAX:
        raise Failure("cannot convert value to integer")
    return whole


def _is_integer(value: Quantity) -> bool:
    whole, rest = divmod(value.amount.nanos, quantity.NANO)
    return not rest and values.INT_MIN <= whole <= values.INT_MAX


def _plus(left: Quantity, nanos: int) -> Quantity:
    return Quantity(quantity.Quantity(left.amount.nanos + nanos, left.amount.family))


def _sign(left: int, right: int) -> int:
    return (left > right) - (left < right)


@functools.total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Semver(values.Opaque):
    TYPE = SEMVER
    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()

    @property
    def _key(self) -> Any:
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        # A version with pre-release parts comes before the one without.
        return (self.major, self.minor, self.patch, not self.pre, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self._key == other._key

    def __lt__(self, other: Semver) -> bool:
        return bool(self._key < other._key)

    def __hash__(self) -> int:
        return hash(self._key)


def parse_semver(text: str, normalize: bool = False) -> Semver:
    """Raises Failure in upstream's words. ``normalize``: a leading v, missing parts and leading zeros are mended."""
    if normalize:
        text = _normalized(text)
    if not text:
        raise Failure("Version string empty")
    core = re.split(r"[-+]", text, maxsplit=1)[0]
    numbers = core.split(".")
    if len(numbers) != 3:
        raise Failure("No Major.Minor.Patch elements found")
    for number in numbers:
        if not number.isascii() or not number.isdigit():
            raise Failure(f'Invalid character(s) found in number "{number}"')
        if _NUMERIC.fullmatch(number) is None:
            raise Failure(f'Number must not contain leading zeroes "{number}"')
    rest, _, build = text[len(core) :].partition("+")
    pre = tuple(rest[1:].split(".")) if rest else ()
    if (rest and _IDENTIFIERS.fullmatch(rest[1:]) is None) or (build and _IDENTIFIERS.fullmatch(build) is None):
        raise Failure(f'Invalid character(s) found in prerelease "{rest[1:]}"')
    for part in pre:
        if part.isdigit() and len(part) > 1 and part[0] == "0":
            raise Failure(f'Numeric PreRelease version must not contain leading zeroes "{part}"')
    major, minor, patch = map(int, numbers)
    return Semver(major, minor, patch, pre)


def _normalized(text: str) -> str:
    text = text.removeprefix("v")
    parts = text.split(".", 2)
    tail = ""
    if len(parts) < 3:
        cut = re.search(r"[-+]", parts[-1])
        if cut is not None:
            raise Failure("Short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    else:
        cut = re.search(r"[-+]", parts[2])
        if cut is not None:
            parts[2], tail = parts[2][: cut.start()], parts[2][cut.start() :]
    return ".".join(part.lstrip("0") or ("0" if part else "") for part in parts) + tail


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        parse_semver(text, normalize)
    except Failure:
        return False
    return True


def _declare() -> None:
    whole = functions.traverse()
    pair = (QUANTITY, QUANTITY)
    FUNCTIONS.add("quantity", "string_to_quantity", (STRING,), QUANTITY, _parse, whole)
    FUNCTIONS.add("isQuantity", "is_quantity_string", (STRING,), BOOL, _is_quantity, whole)
    add = FUNCTIONS.member
    add("sign", "quantity_sign", (QUANTITY,), INT, lambda value: _sign(value.amount.nanos, 0))
    greater, less = "quantity_is_greater_than", "quantity_is_less_than"
    add("isGreaterThan", greater, pair, BOOL, lambda x, y: x.amount.nanos > y.amount.nanos)
    add("isLessThan", less, pair, BOOL, lambda x, y: x.amount.nanos < y.amount.nanos)
    add("compareTo", "quantity_compare_to", pair, INT, lambda x, y: _sign(x.amount.nanos, y.amount.nanos))
    add("asApproximateFloat", "quantity_get_float", (QUANTITY,), DOUBLE, lambda value: float(value.amount))
    add("asInteger", "quantity_get_int", (QUANTITY,), INT, _integer)
    add("isInteger", "quantity_is_integer", (QUANTITY,), BOOL, _is_integer)
    add("add", "quantity_add", pair, QUANTITY, lambda x, y: _plus(x, y.amount.nanos))
    add("add", "quantity_add_int", (QUANTITY, INT), QUANTITY, lambda x, y: _plus(x, y * quantity.NANO))
    add("sub", "quantity_sub", pair, QUANTITY, lambda x, y: _plus(x, -y.amount.nanos))
    add("sub", "quantity_sub_int", (QUANTITY, INT), QUANTITY, lambda x, y: _plus(x, -y * quantity.NANO))
    versions = (SEMVER, SEMVER)
    FUNCTIONS.add("semver", "string_to_semver", (STRING,), SEMVER, parse_semver, whole)
    FUNCTIONS.add("semver", "string_bool_to_semver", (STRING, BOOL), SEMVER, parse_semver, whole)
    FUNCTIONS.add("isSemver", "is_semver_string", (STRING,), BOOL, _is_semver, whole)
    FUNCTIONS.add("isSemver", "is_semver_string_bool", (STRING, BOOL), BOOL, _is_semver, whole)
    add("isGreaterThan", "semver_is_greater_than", versions, BOOL, lambda x, y: x > y)
    add("isLessThan", "semver_is_less_than", versions, BOOL, lambda x, y: x < y)
    add("compareTo", "semver_compare_to", versions, INT, lambda x, y: (x > y) - (x < y))
    for part in ("major", "minor", "patch"):
        add(part, f"semver_{part}", (SEMVER,), INT, lambda value, part=part: getattr(value, part))


_declare()
