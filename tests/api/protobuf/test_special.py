"""Messages that are something other than an object in JSON."""

from __future__ import annotations

from typing import Any

import pytest

import protobufs
from kijabi.api.protobuf import special, wire

f = protobufs.f

FORMS = {name.rpartition(".")[2]: form for name, form in special.FORMS.items()}
BOTH_WAYS: dict[str, tuple[str, Any, bytes]] = {
    "quantity": ("Quantity", "100m", f(1, "100m")),
    "number": ("IntOrString", 80, f(1, 0) + f(2, 80) + f(3, "")),
    "negative number": ("IntOrString", -1, f(1, 0) + f(2, -1) + f(3, "")),
    "text": ("IntOrString", "50%", f(1, 1) + f(2, 0) + f(3, "50%")),
    "time": ("Time", "2023-11-14T22:13:20Z", f(1, 1_700_000_000) + f(2, 0)),
    "the epoch": ("Time", "1970-01-01T00:00:00Z", f(1, 0) + f(2, 0)),
    "before the epoch": ("Time", "1969-12-31T23:59:59Z", f(1, -1) + f(2, 0)),
    "no time": ("Time", None, b""),
    "micro time": ("MicroTime", "2023-11-14T22:13:20.500000Z", f(1, 1_700_000_000) + f(2, 500_000_000)),
    "no micro time": ("MicroTime", None, b""),
    "fields": ("FieldsV1", {"f:a": {}}, f(1, '{"f:a":{}}')),
    "raw": ("RawExtension", {"a": [1, "b"]}, f(1, '{"a":[1,"b"]}')),
    "nothing raw": ("RawExtension", None, b""),
}


@pytest.mark.parametrize(("form", "value", "data"), BOTH_WAYS.values(), ids=BOTH_WAYS)
def test_values_there_and_back(form: str, value: Any, data: bytes) -> None:
    read, write = FORMS[form]
    assert (read(data), write(value)) == (value, data)


READ: dict[str, tuple[str, bytes, Any]] = {
    "a quantity that was never set": ("Quantity", b"", "0"),
    "an empty int-or-string": ("IntOrString", b"", 0),
    "a time loses its fraction": ("Time", f(1, 60) + f(2, 999), "1970-01-01T00:01:00Z"),
    "Go's zero time": ("Time", f(1, -62135596800), None),
    "the year 1000": ("Time", f(1, -30610224000), "1000-01-01T00:00:00Z"),
    "a micro time loses its nanoseconds": ("MicroTime", f(2, 1999), "1970-01-01T00:00:00.000001Z"),
    "JSON null": ("RawExtension", f(1, "null"), None),
}


@pytest.mark.parametrize(("form", "data", "value"), READ.values(), ids=READ)
def test_values_that_are_written_otherwise(form: str, data: bytes, value: Any) -> None:
    assert FORMS[form][0](data) == value


WRITTEN: dict[str, tuple[str, Any, bytes]] = {
    "no quantity is nought": ("Quantity", None, f(1, "0")),
    "no int-or-string is nought": ("IntOrString", None, f(1, 0) + f(2, 0) + f(3, "")),
    "another time zone": ("Time", "1970-01-01T01:00:00+01:00", f(1, 0) + f(2, 0)),
    "a fraction": ("MicroTime", "1969-12-31T23:59:59.25Z", f(1, -1) + f(2, 250_000_000)),
}


@pytest.mark.parametrize(("form", "value", "data"), WRITTEN.values(), ids=WRITTEN)
def test_values_that_are_read_otherwise(form: str, value: Any, data: bytes) -> None:
    assert FORMS[form][1](value) == data


BAD = {
    "not JSON": ("RawExtension", f(1, "{")),
    "another encoding in raw": ("RawExtension", f(1, b"k8s\x00\x01")),
    "a time after the year 9999": ("Time", f(1, 253402300800)),
    "more than a second of nanoseconds": ("MicroTime", f(2, 1_000_000_000)),
    "a number for a quantity": ("Quantity", f(1, 5)),
}


@pytest.mark.parametrize(("form", "data"), BAD.values(), ids=BAD)
def test_what_cannot_be_read(form: str, data: bytes) -> None:
    with pytest.raises(wire.Malformed):
        FORMS[form][0](data)
