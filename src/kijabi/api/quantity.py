"""Resource quantities: exact numbers with a suffix family, written as Go's ``resource.Quantity`` writes them.

A quantity is an integer number of nano units plus the family it was written in, so arithmetic is exact and ``str``
gives the canonical text: ``0.5`` is ``500m``, ``1024Mi`` is ``1Gi``, ``1.5Gi`` is ``1536Mi``, ``1e3`` stays ``1e3``.
Values finer than a nano are rounded away from zero, as upstream does.

Source: k8s.io/apimachinery api/resource, and "Quantity" in the API reference.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

DECIMAL_SI = "DecimalSI"
BINARY_SI = "BinarySI"
DECIMAL_EXPONENT = "DecimalExponent"

NANO = 1_000_000_000
_MAX = 2**63 - 1

FORMAT_WRONG = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"  # the API's own text
)
SUFFIX_WRONG = "unable to parse quantity's suffix"

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()} | {0: ""}

_SHAPE = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)


class Malformed(ValueError):
    """The text is not a quantity; the message is the one API clients see."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """``nanos`` is the value times 10**9; ``family`` decides how ``str`` writes it, never what it is worth."""

    nanos: int = 0
    family: str = DECIMAL_SI

    def value(self) -> int:
        """Whole units, rounded up (away from zero)."""
        return _scaled(self.nanos, NANO)

    def milli(self) -> int:
        """Thousandths, rounded up (away from zero)."""
        return _scaled(self.nanos, NANO // 1000)

    def __float__(self) -> float:
        return self.nanos / NANO

    def __bool__(self) -> bool:
        return self.nanos != 0

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self.family if self.nanos else other.family)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos - other.nanos, self.family if self.nanos else other.family)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nanos, self.family)

    def __mul__(self, times: int) -> Quantity:
        return Quantity(self.nanos * times, self.family)

    # Equality is by worth: 1 == 1000m, whatever the family.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nanos == other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __lt__(self, other: Quantity) -> bool:
        return self.nanos < other.nanos

    def __le__(self, other: Quantity) -> bool:
        return self.nanos <= other.nanos

    def __gt__(self, other: Quantity) -> bool:
        return self.nanos > other.nanos

    def __ge__(self, other: Quantity) -> bool:
        return self.nanos >= other.nanos

    def __str__(self) -> str:
        if not self.nanos:
            return "0"
        if self.family == BINARY_SI and self.nanos % NANO == 0 and abs(self.nanos) >= 1024 * NANO:
            return _binary(self.nanos // NANO)
        return _decimal(self.nanos, self.family == DECIMAL_EXPONENT)


ZERO = Quantity()


def _scaled(nanos: int, unit: int) -> int:
    return -(-nanos // unit) if nanos >= 0 else nanos // unit


def _binary(units: int) -> str:
    power = 0
    while power < 60 and units % 1024 == 0:
        units //= 1024
        power += 10
    return f"{units}{_BINARY_SUFFIX[power]}"


def _decimal(nanos: int, exponent_form: bool) -> str:
    power = -9
    # Suffixes end at E (10**18); the exponent form has no end.
    while nanos % 1000 == 0 and (exponent_form or power < 18):
        nanos //= 1000
        power += 3
    if exponent_form:
        return f"{nanos}e{power}" if power else str(nanos)
    return f"{nanos}{_DECIMAL_SUFFIX[power]}"


@functools.lru_cache(maxsize=8192)
def parse(text: str) -> Quantity:
    """``Malformed`` where upstream refuses the text."""
    shape = _SHAPE.fullmatch(text) if text else None
    if shape is None:
        raise Malformed(FORMAT_WRONG)
    sign, whole, fraction, suffix = shape.groups()
    fraction = fraction or ""
    power, base, family = _suffix(suffix)
    digits = int(whole + fraction or "0")
    top, bottom = digits * NANO, 10 ** len(fraction)
    if base == 2:
        top <<= power
    elif power >= 0:
        # Nothing a cluster counts needs more; without a bound "1e999999999" would eat the memory.
        top *= 10 ** min(power, 1000)
    else:
        bottom *= 10 ** min(-power, 1000)
    nanos = -(-top // bottom)
    if family == BINARY_SI:
        nanos = min(nanos, _MAX * NANO)
        if 0 < nanos < NANO:
            family = DECIMAL_SI
    return Quantity(-nanos if sign == "-" else nanos, family)


def _suffix(suffix: str) -> tuple[int, int, str]:
    """(power, base, family) of a suffix."""
    if suffix in _DECIMAL:
        return _DECIMAL[suffix], 10, DECIMAL_SI
    if suffix in _BINARY:
        return _BINARY[suffix], 2, BINARY_SI
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None:
        raise Malformed(SUFFIX_WRONG)
    return int(exponent[1]), 10, DECIMAL_EXPONENT


def of(value: Any) -> Quantity:
    """The quantity of a JSON value: text or a bare number, which the API takes too."""
    if type(value) is str:
        return parse(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Malformed(FORMAT_WRONG)
    return parse(repr(value))


@functools.lru_cache(maxsize=8192)
def canonical(text: str) -> str:
    """The text as the API server gives it back."""
    return str(parse(text))


def from_value(units: int, family: str = DECIMAL_SI) -> Quantity:
    return Quantity(units * NANO, family)


def from_milli(thousandths: int, family: str = DECIMAL_SI) -> Quantity:
    return Quantity(thousandths * (NANO // 1000), family)


def total(amounts: dict[str, Quantity], more: dict[str, Quantity]) -> dict[str, Quantity]:
    """The sum of two resource lists, name by name."""
    result = dict(amounts)
    for name, amount in more.items():
        result[name] = result[name] + amount if name in result else amount
    return result


def resource_list(resources: dict[str, Any] | None) -> dict[str, Quantity]:
    """A ``ResourceList`` dict parsed."""
    return {name: of(value) for name, value in (resources or {}).items()}


def texts(amounts: dict[str, Quantity]) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}
