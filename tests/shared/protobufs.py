"""A table of a few messages for tests, in the shape of the compiled one, and the wire format written by hand."""

from __future__ import annotations

from typing import Any

from kijabi.api.protobuf import codec, compiled, messages
from kijabi.api.protobuf.messages import BOOL, BYTES, DOUBLE, INT32, INT64, MESSAGE, STRING, Field, Label

VALUE, POINTER, LIST, MAP = Label.VALUE, Label.POINTER, Label.LIST, Label.MAP
_META, _CORE, _APPS = "k8s.io/apimachinery/pkg/apis/meta/v1.", "k8s.io/api/core/v1.", "k8s.io/api/apps/v1."
_AUTH = "k8s.io/api/authentication/v1."
_QUANTITY, _PORT = "k8s.io/apimachinery/pkg/api/resource.Quantity", "k8s.io/apimachinery/pkg/util/intstr.IntOrString"
_RAW = "k8s.io/apimachinery/pkg/runtime.RawExtension"


def _field(number: int, name: str, type_: str, label: Label, message: str = "", keep: bool = False) -> Field:
    """``keep``: without omitempty."""
    return Field(number, name, type_, label, message, omitempty=not keep)


def _meta(number: int = 1) -> Field:
    return _field(number, "metadata", MESSAGE, VALUE, _META + "ObjectMeta")


# Each stands for a rule: what is zero, absent, repeated, inlined, or special in JSON.
TABLE = messages.Table(
    {
        _META + "ObjectMeta": [
            _field(1, "name", STRING, VALUE),
            _field(3, "namespace", STRING, VALUE),
            Field(8, "creationTimestamp", MESSAGE, VALUE, _META + "Time", omitempty=True, omitzero=True),
            _field(10, "deletionGracePeriodSeconds", INT64, POINTER),
            _field(11, "labels", STRING, MAP),
            _field(14, "finalizers", STRING, LIST),
            _field(17, "managedFields", MESSAGE, LIST, _META + "ManagedFieldsEntry"),
        ],
        _META + "ListMeta": [_field(2, "resourceVersion", STRING, VALUE)],
        _META + "ManagedFieldsEntry": [
            _field(1, "manager", STRING, VALUE),
            _field(4, "time", MESSAGE, POINTER, _META + "Time"),
            _field(7, "fieldsV1", MESSAGE, POINTER, _META + "FieldsV1"),
        ],
        _META + "Status": [
            _field(1, "metadata", MESSAGE, VALUE, _META + "ListMeta"),
            _field(2, "status", STRING, VALUE),
            _field(3, "message", STRING, VALUE),
            _field(4, "reason", STRING, VALUE),
            _field(6, "code", INT32, VALUE),
        ],
        _META + "DeleteOptions": [
            _field(1, "gracePeriodSeconds", INT64, POINTER),
            _field(4, "propagationPolicy", STRING, POINTER),
        ],
        _CORE + "ConfigMap": [
            _meta(),
            _field(2, "data", STRING, MAP),
            _field(3, "binaryData", BYTES, MAP),
            _field(4, "immutable", BOOL, POINTER),
        ],
        _CORE + "ConfigMapList": [
            _field(1, "metadata", MESSAGE, VALUE, _META + "ListMeta"),
            _field(2, "items", MESSAGE, LIST, _CORE + "ConfigMap", keep=True),
        ],
        _APPS + "Deployment": [
            _meta(),
            _field(2, "spec", MESSAGE, VALUE, _APPS + "DeploymentSpec"),
        ],
        _APPS + "DeploymentSpec": [
            _field(1, "replicas", INT32, POINTER),
            _field(3, "volumes", MESSAGE, LIST, _CORE + "Volume"),
            _field(5, "minReadySeconds", INT32, VALUE),
            _field(7, "paused", BOOL, VALUE),
            _field(8, "port", MESSAGE, VALUE, _PORT),
            _field(9, "limits", MESSAGE, MAP, _QUANTITY),
            _field(10, "groups", INT64, LIST),
            _field(11, "raw", MESSAGE, VALUE, _RAW),
            _field(12, "share", DOUBLE, POINTER),
            _field(13, "at", MESSAGE, VALUE, _META + "MicroTime"),
            _field(14, "token", BYTES, VALUE),
        ],
        _CORE + "Volume": [
            _field(1, "name", STRING, VALUE, keep=True),
            _field(2, "", MESSAGE, VALUE, _CORE + "VolumeSource", keep=True),
        ],
        _CORE + "VolumeSource": [_field(2, "emptyDir", MESSAGE, POINTER, _CORE + "EmptyDirVolumeSource")],
        _CORE + "EmptyDirVolumeSource": [
            _field(1, "medium", STRING, VALUE),
            _field(2, "sizeLimit", MESSAGE, POINTER, _QUANTITY),
        ],
        _AUTH + "TokenReview": [_meta(), _field(3, "extra", MESSAGE, MAP, _AUTH + "ExtraValue")],
        _AUTH + "ExtraValue": [Field(1, "items", STRING, LIST)],
        **{
            special: [] for special in (_META + "Time", _META + "MicroTime", _META + "FieldsV1", _QUANTITY, _PORT, _RAW)
        },
    },
    {
        *(_META + kind for kind in ("Status", "DeleteOptions")),
        *(_CORE + kind for kind in ("ConfigMap", "ConfigMapList")),
        _APPS + "Deployment",
        _AUTH + "TokenReview",
    },
    {_AUTH + "ExtraValue"},
)
CODEC = codec.Codec(TABLE)


def tables() -> dict[str, messages.Table]:
    """By name: the table above and, where it was compiled, upstream's."""
    found = {"by-hand": TABLE}
    if compiled.TARGET.exists():
        found["compiled"] = compiled.unpack(compiled.TARGET.read_bytes())
    return found


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def f(number: int, value: Any) -> bytes:
    """One field: an int as a varint, text and bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def enveloped(api_version: str, kind: str, raw: bytes) -> bytes:
    return codec.MAGIC + f(1, f(1, api_version) + f(2, kind)) + f(2, raw) + f(3, "") + f(4, "")
