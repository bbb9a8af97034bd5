"""Objects from protobuf and to it: bytes written by hand, and what comes back of whatever goes in."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import protobufs
from kijabi.api.protobuf import codec, messages, special, wire
from kijabi.api.protobuf.messages import Field, Label

f, enveloped = protobufs.f, protobufs.enveloped

# A Go client writes every field that is no pointer, also when it is zero.
META = f(1, "web") + f(3, "default") + f(8, b"")
NOUGHT = f(1, 0) + f(2, 0) + f(3, "")
LIMITS = f(9, f(1, "cpu") + f(2, f(1, "1"))) + f(9, f(1, "memory") + f(2, f(1, "1Gi")))
VOLUME = f(3, f(1, "v") + f(2, f(2, f(1, ""))))
SPEC = f(1, 3) + VOLUME + f(5, 0) + f(7, 1) + f(8, NOUGHT) + LIMITS + f(10, 7) + f(10, -7) + f(11, b"") + f(13, b"")
DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "apiVersion": "apps/v1",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "volumes": [{"name": "v", "emptyDir": {}}],
        "paused": True,
        "port": 0,
        "limits": {"memory": "1Gi", "cpu": "1"},
        "groups": [7, -7],
    },
}
EMPTY_META = f(1, f(1, "") + f(3, "") + f(8, b""))
EMPTY_SPEC = f(2, f(5, 0) + f(7, 0) + f(8, NOUGHT) + f(11, b"") + f(13, b""))

BOTH_WAYS: dict[str, tuple[dict[str, Any], bytes]] = {
    "a bit of everything": (DEPLOYMENT, f(1, META) + f(2, SPEC)),
    "a pointer to zero": (
        {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0},
        f(1, 0),
    ),
    "bytes in a map": (
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}, "binaryData": {"a": "AP8=", "b": ""}},
        EMPTY_META + f(3, f(1, "a") + f(2, b"\x00\xff")) + f(3, f(1, "b") + f(2, b"")),
    ),
    "a list in a map": (
        {
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {},
            "extra": {"scopes": ["a", "b"], "z": []},
        },
        EMPTY_META + f(3, f(1, "scopes") + f(2, f(1, "a") + f(1, "b"))) + f(3, f(1, "z") + f(2, b"")),
    ),
    "a list of objects": (
        {
            "kind": "ConfigMapList",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "7"},
            "items": [{"metadata": {}}],
        },
        f(1, f(2, "7")) + f(2, EMPTY_META),
    ),
    "a status": (
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404},
        f(1, f(2, "")) + f(2, "Failure") + f(3, "") + f(4, "") + f(6, 404),
    ),
}


@pytest.mark.parametrize(("obj", "raw"), BOTH_WAYS.values(), ids=BOTH_WAYS)
def test_objects_there_and_back(obj: dict[str, Any], raw: bytes) -> None:
    data = enveloped(obj["apiVersion"], obj["kind"], raw)
    assert protobufs.CODEC.decode(data) == obj
    assert protobufs.CODEC.encode(obj) == data


SPECS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "an unknown field is passed over": (f(900, "x") + f(1, 5), {"replicas": 5}),
    "packed numbers": (f(10, b"\x01\x02"), {"groups": [1, 2]}),
    "a required name that was not sent": (f(3, b""), {"volumes": [{"name": ""}]}),
    "the last number counts": (f(1, 5) + f(1, 6), {"replicas": 6}),
    "a zero without a pointer is nothing": (f(5, 7) + f(5, 0), {}),
    "a map's entry without its value": (f(9, f(1, "cpu")), {"limits": {"cpu": "0"}}),
    "a double": (wire.double_field(12, 0.5), {"share": 0.5}),
    "bytes": (f(14, b"\x00"), {"token": "AA=="}),
    "32 bits of 64": (f(1, (1 << 32) + 2), {"replicas": 2}),
    "not UTF-8": (f(3, f(1, b"\xff")), {"volumes": [{"name": "\ufffd"}]}),
}


@pytest.mark.parametrize(("raw", "spec"), SPECS.values(), ids=SPECS)
def test_what_go_would_have_written_otherwise(raw: bytes, spec: dict[str, Any]) -> None:
    assert protobufs.CODEC.decode(enveloped("apps/v1", "Deployment", f(2, raw)))["spec"] == spec


def test_a_message_in_pieces_is_merged() -> None:
    data = enveloped("apps/v1", "Deployment", f(2, f(1, 5)) + f(2, f(7, 1)))
    assert protobufs.CODEC.decode(data)["spec"] == {"replicas": 5, "paused": True}


def test_what_is_not_set_is_written_as_zero() -> None:
    obj = {"kind": "Deployment", "apiVersion": "apps/v1"}
    assert protobufs.CODEC.encode(obj) == enveloped("apps/v1", "Deployment", EMPTY_META + EMPTY_SPEC)


def test_an_envelope_may_leave_the_kind_to_the_path() -> None:
    data = codec.MAGIC + f(2, f(1, 7))
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 7}
    assert protobufs.CODEC.decode(data, ("", "v1", "DeleteOptions")) == options


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [("meta.k8s.io/v1", "Table"), ("apps.example.com/v1", "Deployment"), ("apps.k8s.io/v2", "Deployment"), ("", "")],
)
def test_kinds_without_a_protobuf_form(api_version: str, kind: str) -> None:
    assert protobufs.CODEC.encode({"apiVersion": api_version, "kind": kind}) is None


GROUPS = {"": ("v1", True), "apps": ("v1", True), "authentication.k8s.io": ("v1", True), "example.com": ("v1", False)}


@pytest.mark.parametrize(("group", "expected"), GROUPS.items(), ids=GROUPS)
def test_which_groups_have_a_protobuf_form(group: str, expected: tuple[str, bool]) -> None:
    assert protobufs.CODEC.has(group, expected[0]) is expected[1]


def test_a_watch_event_is_a_frame() -> None:
    assert codec.watch_event("ADDED", b"k8s\x00") == b"\x00\x00\x00\x0f" + f(1, "ADDED") + f(2, f(1, b"k8s\x00"))


BAD = {
    "nothing": (b"", "empty data"),
    "no envelope": (b"{}", "does not appear to be a protobuf message"),
    "an empty envelope": (codec.MAGIC, "empty body"),
    "cut off": (enveloped("apps/v1", "Deployment", b"\x0a\x7f"), "unexpected EOF"),
    "a number for a message": (enveloped("apps/v1", "Deployment", f(2, 5)), "wrong wireType = 0 for field Spec"),
    "a text for a number": (
        enveloped("apps/v1", "Deployment", f(2, f(1, "x"))),
        "wrong wireType = 2 for field Replicas",
    ),
    "a number for a text": (enveloped("apps/v1", "Deployment", f(1, f(1, 5))), "wrong wireType = 0 for field Name"),
    "an unknown kind": (enveloped("v1", "Gadget", b""), 'no kind "Gadget" is registered for version "v1"'),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_read(data: bytes, message: str) -> None:
    with pytest.raises(wire.Malformed, match=message):
        protobufs.CODEC.decode(data)


class Objects:
    """Random objects of a table's kinds, as reading gives them: no nulls, no zeros that Go would leave out."""

    def __init__(self, table: messages.Table, seed: int) -> None:
        self.table, self.random = table, random.Random(seed)

    def any(self) -> dict[str, Any]:
        name = self.random.choice(sorted(self.table.kinds))
        package, _, kind = name.rpartition(".")
        folder, version = package.rsplit("/", 2)[-2:]
        groups = {"core": "", "rbac": "rbac.authorization.k8s.io", "flowcontrol": "flowcontrol.apiserver.k8s.io"}
        groups |= {"apiserverinternal": "internal.apiserver.k8s.io"}
        plain = ("apps", "autoscaling", "batch", "extensions", "policy")
        group = groups.get(folder, folder if folder in plain else f"{folder}.k8s.io")
        api_version = f"{group}/{version}" if group else version
        return {
            "kind": kind,
            "apiVersion": "meta.k8s.io/" + version if folder == "meta" else api_version,
        } | self.message(name, 0)

    def message(self, name: str, depth: int) -> Any:
        simple = name.rpartition(".")[2]
        if name in special.FORMS:
            return self.special(simple)
        if name in self.table.lists:
            return [self.scalar(self.table.messages[name][0].type) for _ in range(self.random.randint(1, 2))]
        out: dict[str, Any] = {}
        for field in self.table.messages[name]:
            value = self.field(field, depth + 1)
            if not field.name:
                out |= value
            elif value is not None and not (field.omitzero and value == {}):
                out[field.name] = value
        return out

    def field(self, field: Field, depth: int) -> Any:
        chosen = self.random.random() < (0.5 if depth < 4 else 0.1)
        if field.label == Label.MAP:
            keys = self.random.sample(("a", "b.c/d", "é"), self.random.randint(1, 2))
            return {key: self.value(field, depth) for key in keys} if chosen else None
        if field.label == Label.LIST:
            return [self.value(field, depth) for _ in range(self.random.randint(1, 2))] if chosen else None
        if field.label == Label.POINTER:
            return self.value(field, depth) if chosen else None
        if field.type == messages.MESSAGE:
            droppable = field.message in self.table.lists or field.message.endswith(
                ("Time", "RawExtension", "FieldsV1")
            )
            return self.value(field, depth) if chosen or not droppable else None
        if field.type == messages.BYTES:
            return self.value(field, depth) if chosen else None
        zero: Any = {messages.STRING: "", messages.BOOL: False}.get(field.type, 0)
        value = self.value(field, depth) if chosen else zero
        return None if field.omitempty and not value else value

    def value(self, field: Field, depth: int) -> Any:
        return self.message(field.message, depth) if field.type == messages.MESSAGE else self.scalar(field.type)

    def scalar(self, type_: str) -> Any:
        return self.random.choice(
            {
                messages.STRING: ("x", "한국어", "a" * 200),
                messages.BYTES: ("AA==", base64.b64encode(bytes(range(150))).decode()),
                messages.BOOL: (True, False),
                messages.INT32: (0, 1, -1, 2**31 - 1, -(2**31)),
                messages.INT64: (0, 1, -1, 2**63 - 1, -(2**63)),
                messages.DOUBLE: (0.0, 0.25, -1e300),
            }[type_]
        )

    def special(self, name: str) -> Any:
        choices: dict[str, tuple[Any, ...]] = {
            "Quantity": ("0", "100m", "1Gi"),
            "IntOrString": (0, -1, 2**31 - 1, "50%", ""),
            "Time": ("2026-01-02T03:04:05Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            "MicroTime": ("2026-01-02T03:04:05.000006Z", "1969-12-31T23:59:59.999999Z"),
            "FieldsV1": ({"f:a": {".": {}}}, {}),
            "RawExtension": ({"a": [1, None]}, {}),
        }
        return self.random.choice(choices[name])


TABLES = protobufs.tables()


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(min_value=0))
def test_what_is_written_is_read_as_it_was(table: messages.Table, seed: int) -> None:
    spoken = codec.Codec(table)
    obj = Objects(table, seed).any()
    data = spoken.encode(obj)
    assert data is not None
    assert spoken.decode(data) == obj
    assert spoken.encode(spoken.decode(data)) == data


def _read_or_refuse(spoken: codec.Codec, data: bytes) -> None:
    try:
        obj = spoken.decode(data)
    except wire.Malformed:
        return
    assert obj["kind"]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(min_value=0), cut=st.floats(0, 1), noise=st.binary(max_size=4))
def test_garbage_is_refused_in_one_way(table: messages.Table, seed: int, cut: float, noise: bytes) -> None:
    spoken = codec.Codec(table)
    data = spoken.encode(Objects(table, seed).any()) or b""
    place = int(cut * len(data))
    _read_or_refuse(spoken, data[:place])
    _read_or_refuse(spoken, data[:place] + noise + data[place + len(noise) :])
    _read_or_refuse(spoken, codec.MAGIC + noise)
