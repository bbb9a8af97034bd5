"""The messages of apiextensions.k8s.io and apiregistration.k8s.io, which kubectl's type data does not hold.

One line per message: its name, then ``number:name:type`` per field. A type is a scalar or another message; ``[]``
before it is a list, ``{}`` a map, ``?`` a pointer; ``~`` behind the name is ``omitempty``.
Source: the generated.proto files of both APIs.
"""

from __future__ import annotations

from typing import Any

from kijabi.api.protobuf import messages, special
from kijabi.api.protobuf.messages import Field, Label

_EXTENSIONS = "k8s.io/api/apiextensions/v1"
_REGISTRATION = "k8s.io/api/apiregistration/v1"
_META = "k8s.io/apimachinery/pkg/apis/meta/v1"

_MESSAGES = {
    _EXTENSIONS: """
CustomResourceDefinition 1:metadata~:ObjectMeta 2:spec:Spec 3:status~:DefinitionStatus
CustomResourceDefinitionList 1:metadata~:ListMeta 2:items:[]CustomResourceDefinition
Spec 1:group:string 3:names:Names 4:scope:string 7:versions:[]Version 9:conversion~:?Conversion \
    10:preserveUnknownFields~:bool
Names 1:plural:string 2:singular~:string 3:shortNames~:[]string 4:kind:string 5:listKind~:string 6:categories~:[]string
Version 1:name:string 2:served:bool 3:storage:bool 4:schema~:?Validation 5:subresources~:?Subresources \
    6:additionalPrinterColumns~:[]Column 7:deprecated~:bool 8:deprecationWarning~:?string \
    9:selectableFields~:[]Selectable
Selectable 1:jsonPath:string
Column 1:name:string 2:type:string 3:format~:string 4:description~:string 5:priority~:int32 6:jsonPath:string
Conversion 1:strategy:string 2:webhook~:?Webhook
Webhook 2:clientConfig~:?ClientConfig 3:conversionReviewVersions:[]string
ClientConfig 1:service~:?Service 2:caBundle~:bytes 3:url~:?string
Service 1:namespace:string 2:name:string 3:path~:?string 4:port~:?int32
DefinitionStatus 1:conditions:[]Condition 2:acceptedNames:Names 3:storedVersions:[]string 4:observedGeneration~:int64
Condition 1:type:string 2:status:string 3:lastTransitionTime~:Time 4:reason~:string 5:message~:string \
    6:observedGeneration~:int64
Validation 1:openAPIV3Schema~:?Schema
Subresources 1:status~:?StatusSubresource 2:scale~:?ScaleSubresource
StatusSubresource
ScaleSubresource 1:specReplicasPath:string 2:statusReplicasPath:string 3:labelSelectorPath~:?string
Schema 1:id~:string 2:$schema~:string 3:$ref~:?string 4:description~:string 5:type~:string 6:format~:string \
    7:title~:string 8:default~:?JSON 9:maximum~:?double 10:exclusiveMaximum~:bool 11:minimum~:?double \
    12:exclusiveMinimum~:bool 13:maxLength~:?int64 14:minLength~:?int64 15:pattern~:string 16:maxItems~:?int64 \
    17:minItems~:?int64 18:uniqueItems~:bool 19:multipleOf~:?double 20:enum~:[]JSON 21:maxProperties~:?int64 \
    22:minProperties~:?int64 23:required~:[]string 24:items~:?OrArray 25:allOf~:[]Schema 26:oneOf~:[]Schema \
    27:anyOf~:[]Schema 28:not~:?Schema 29:properties~:{}Schema 30:additionalProperties~:?OrBool \
    31:patternProperties~:{}Schema 32:dependencies~:{}OrStrings 33:additionalItems~:?OrBool 34:definitions~:{}Schema \
    35:externalDocs~:?Documentation 36:example~:?JSON 37:nullable~:bool \
    38:x-kubernetes-preserve-unknown-fields~:?bool 39:x-kubernetes-embedded-resource~:bool \
    40:x-kubernetes-int-or-string~:bool 41:x-kubernetes-list-map-keys~:[]string 42:x-kubernetes-list-type~:?string \
    43:x-kubernetes-map-type~:?string 44:x-kubernetes-validations~:[]Rule
Rule 1:rule:string 2:message~:string 3:messageExpression~:string 4:reason~:?string 5:fieldPath~:string \
    6:optionalOldSelf~:?bool
OrArray 1:schema~:?Schema 2:schemas~:[]Schema
OrBool 1:allows~:bool 2:schema~:?Schema
OrStrings 1:schema~:?Schema 2:property~:[]string
Documentation 1:description~:string 2:url~:string
JSON 1:raw~:bytes
""",
    _REGISTRATION: """
APIService 1:metadata~:ObjectMeta 2:spec~:Spec 3:status~:ServiceStatus
APIServiceList 1:metadata~:ListMeta 2:items:[]APIService
Spec 1:service~:?Reference 2:group~:string 3:version~:string 4:insecureSkipTLSVerify~:bool 5:caBundle~:bytes \
    7:groupPriorityMinimum:int32 8:versionPriority:int32
Reference 1:namespace~:string 2:name~:string 3:port~:?int32
ServiceStatus 1:conditions~:[]Condition
Condition 1:type:string 2:status:string 3:lastTransitionTime~:Time 4:reason~:string 5:message~:string
""",
}
_KINDS = {
    _EXTENSIONS: ("CustomResourceDefinition", "CustomResourceDefinitionList"),
    _REGISTRATION: ("APIService", "APIServiceList"),
}
_SCALARS = {
    messages.STRING,
    messages.BYTES,
    messages.BOOL,
    messages.INT32,
    messages.INT64,
    messages.DOUBLE,
}
_LABELS = {"[]": Label.LIST, "{}": Label.MAP}


def add(table: messages.Table) -> messages.Table:
    """The table with these messages in it."""
    for package, text in _MESSAGES.items():
        for line in filter(None, text.split("\n")):
            name, *written = line.split()
            table.messages[f"{package}.{name}"] = [_field(one, package) for one in written]
        table.kinds |= {f"{package}.{kind}" for kind in _KINDS[package]}
    special.FORMS[f"{_EXTENSIONS}.JSON"] = (special.read_json, special.write_json)
    return table


def _field(written: str, package: str) -> Field:
    number, name, type_ = written.split(":")
    label = Label.VALUE
    if type_[:2] in _LABELS:
        label, type_ = _LABELS[type_[:2]], type_[2:]
    elif type_[0] == "?":
        label, type_ = Label.POINTER, type_[1:]
    message = ""
    if type_ not in _SCALARS:
        message = f"{_META if type_ in ('ObjectMeta', 'ListMeta', 'Time') else package}.{type_}"
        type_ = messages.MESSAGE
    return Field(int(number), name.removesuffix("~"), type_, label, message, name.endswith("~"))


# --- messages that stand for one of several things


def _unwrap_array(value: dict[str, Any]) -> Any:
    return value["schema"] if "schema" in value else value.get("schemas", [])


def _wrap_array(value: Any) -> dict[str, Any]:
    return {"schemas": value} if isinstance(value, list) else {"schema": value}


def _unwrap_bool(value: dict[str, Any]) -> Any:
    return value.get("schema", value.get("allows", False))


def _wrap_bool(value: Any) -> dict[str, Any]:
    # Go sets both where there is a schema.
    return {"allows": value} if isinstance(value, bool) else {"allows": True, "schema": value}


def _unwrap_strings(value: dict[str, Any]) -> Any:
    return value.get("schema", value.get("property", []))


def _wrap_strings(value: Any) -> dict[str, Any]:
    return {"property": value} if isinstance(value, list) else {"schema": value}


CHOICES = {
    f"{_EXTENSIONS}.OrArray": (_unwrap_array, _wrap_array),
    f"{_EXTENSIONS}.OrBool": (_unwrap_bool, _wrap_bool),
    f"{_EXTENSIONS}.OrStrings": (_unwrap_strings, _wrap_strings),
}
