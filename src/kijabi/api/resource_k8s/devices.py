"""Devices as a ResourceSlice tells of them, and the counters that they use up together."""

from __future__ import annotations

import re

from kijabi.api import checks, field, names, quantity
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import placement
from kijabi.api.resource import Object
from kijabi.api.resource_k8s import parts

_MOST_FACTS, _MOST_TAINTS, _MOST_CONSUMED, _MOST_COUNTERS = 32, 16, 2, 32
_LONGEST_VALUE = 64
_MOST_OPTIONS = 10
_NUMBER, _BUILD = r"(0|[1-9]\d*)", "[0-9a-zA-Z-]+"
_BEFORE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_BEFORE}(\.{_BEFORE})*)?(\+{_BUILD}(\.{_BUILD})*)?", re.ASCII)
_PLACES = ("nodeName", "nodeSelector", "allNodes")


def validate(device: Object, path: str, placed: bool) -> Errors:
    """``placed``: the slice leaves it to its devices to say where they are."""
    found = checks.word(device.get("name", ""), field.child(path, "name"), names.dns_label)
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    if len(attributes) + len(capacity) > _MOST_FACTS:
        text = f"the total number of attributes and capacities must not exceed {_MOST_FACTS}"
        found.append(field.invalid(path, len(attributes) + len(capacity), text))
    where = field.child(path, "attributes")
    for name, attribute in attributes.items():
        found += parts.qualified_name(name, where) + _attribute(attribute, field.key(where, name))
    where, many = field.child(path, "capacity"), bool(device.get("allowMultipleAllocations"))
    for name, one in capacity.items():
        found += parts.qualified_name(name, where) + _capacity(one, field.key(where, name), many)
    taints, where = device.get("taints") or [], field.child(path, "taints")
    if len(taints) > _MOST_TAINTS:
        found.append(field.too_many(where, len(taints), _MOST_TAINTS))
    else:
        found += [error for n, one in enumerate(taints) for error in parts.taint(one, field.index(where, n))]
    where = field.child(path, "consumesCounters")
    consumed = device.get("consumesCounters") or []
    found += parts.distinct(consumed, _MOST_CONSUMED, where, _consumption, lambda one: one.get("counterSet", ""))
    return found + _place(device, path, placed) + parts.binding(device, path)


def _attribute(attribute: Object, path: str) -> Errors:
    given = [key for key in ("bool", "int", "string", "version") if attribute.get(key) is not None]
    found: Errors = []
    if "string" in given and len(attribute["string"].encode()) > _LONGEST_VALUE:
        found.append(field.too_long(field.child(path, "string"), _LONGEST_VALUE))
    if "version" in given:
        version, where = attribute["version"], field.child(path, "version")
        if not _SEMVER.fullmatch(version):
            text = "must be a string compatible with semver.org spec 2.0.0"
            found.append(field.invalid(where, version, text))
        if len(version.encode()) > _LONGEST_VALUE:
            found.append(field.too_long(where, _LONGEST_VALUE))
    if len(given) != 1:
        shown = {
            f"{name}{many}": None if many else attribute.get(key)
            for many in ("", "s")
            for name, key in (
                ("IntValue", "int"),
                ("BoolValue", "bool"),
                ("StringValue", "string"),
                ("VersionValue", "version"),
            )
        }
        found.append(field.invalid(path, shown if given else "", "exactly one value must be specified"))
    return found


def _capacity(one: Object, path: str, many: bool) -> Errors:
    policy, where = one.get("requestPolicy"), field.child(path, "requestPolicy")
    if policy is None:
        return []
    if not many:
        return [field.forbidden(where, "allowMultipleAllocations must be true")]
    values, span = policy.get("validValues") or [], policy.get("validRange")
    if values and span is not None:
        text = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        return [field.forbidden(where, text)]
    kind = "validValues" if values else "validRange"
    if (values or span is not None) and policy.get("default") is None:
        return [field.required(field.child(where, "default"), f"required when {kind} is defined")]
    most = quantity.of(one.get("value", "0"))
    if values:
        return _options(values, policy["default"], most, field.child(where, "validValues"))
    return _range(span, quantity.of(policy["default"]), most, field.child(where, "validRange")) if span else []


def _options(values: list[str], usual: str, most: quantity.Quantity, path: str) -> Errors:
    parsed, found = [quantity.of(value) for value in values], list[field.Error]()
    for position in range(1, len(parsed)):
        if parsed[position - 1] > parsed[position]:
            text = "values must be sorted in ascending order"
            found.append(field.invalid(field.index(path, position), str(parsed[position]), text))
    if len(parsed) > _MOST_OPTIONS:
        return [*found, field.too_many(path, len(parsed), _MOST_OPTIONS)]
    for position, value in enumerate(parsed):
        if value > most:
            text = f"option is larger than capacity value: {most}"
            found.append(field.invalid(field.index(path, position), str(value), text))
    if quantity.of(usual) not in parsed:
        text = "default value is not valid according to the requestPolicy"
        found.append(field.invalid(path, str(quantity.of(usual)), text))
    return found


def _range(span: Object, usual: quantity.Quantity, most: quantity.Quantity, path: str) -> Errors:
    least, highest, step = (
        quantity.of(span[key]) if span.get(key) is not None else None for key in ("min", "max", "step")
    )
    low, high, steps = (field.child(path, key) for key in ("min", "max", "step"))
    if least is None:
        return [field.required(low, "required when validRange is defined")]
    wrong: list[tuple[bool, str, quantity.Quantity, str]] = [
        (least > most, low, least, f"min is larger than capacity value: {most}"),
        (usual < least, low, usual, f"default is less than min: {least}"),
    ]
    if highest is not None:
        wrong += [
            (least > highest, high, least, f"min is larger than max: {highest}"),
            (highest > most, high, highest, f"max is larger than capacity value: {most}"),
            (usual > highest, high, usual, f"default is more than max: {highest}"),
        ]
    if step is not None:
        wrong.append(
            (least + step > most, steps, step, f"one step {least + step} is larger than capacity value: {most}")
        )
        text = f"value is not a multiple of a given step ({step}) from ({least})"
        for value in (usual, highest):
            if value is not None and step.nanos:
                wrong.append(((value.nanos - least.nanos) % step.nanos != 0, steps, value, text))
    return [field.invalid(where, str(value), text) for bad, where, value, text in wrong if bad]


def _consumption(one: Object, path: str) -> Errors:
    where = field.child(path, "counterSet")
    return checks.required_word(one.get("counterSet"), where, names.dns_label) + _counters(one, path)


def counter_set(one: Object, path: str) -> Errors:
    return checks.required_word(one.get("name"), field.child(path, "name"), names.dns_label) + _counters(one, path)


def _counters(one: Object, path: str) -> Errors:
    counters, where = one.get("counters") or {}, field.child(path, "counters")
    if not counters:
        return [field.required(where)]
    if len(counters) > _MOST_COUNTERS:
        return [field.too_many(where, len(counters), _MOST_COUNTERS)]
    return [error for name in counters for error in checks.word(name, where, names.dns_label)]


def _place(device: Object, path: str, placed: bool) -> Errors:
    if not placed:
        if all(device.get(key) is None for key in _PLACES):
            return []
        text = (
            "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in "
            "the ResourceSlice spec"
        )
        return [field.invalid(path, None, text)]
    found, given = places(device, path, "must not be empty")
    text = (
        "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to "
        "true in the ResourceSlice spec"
    )
    if not given:
        found.append(field.required(path, text))
    elif len(given) > 1:
        found.append(field.invalid(path, "{" + ", ".join(f"`{key}`" for key in given) + "}", text))
    return found


def places(holder: Object, path: str, nameless: str) -> tuple[Errors, list[str]]:
    """What is wrong with the fields that say where, and which of them do."""
    found: Errors = []
    given: list[str] = []
    name, chosen = holder.get("nodeName"), holder.get("nodeSelector")
    if name:
        given.append("nodeName")
        found += checks.word(name, field.child(path, "nodeName"), names.dns_subdomain)
    elif name is not None:
        found.append(field.invalid(field.child(path, "nodeName"), name, nameless))
    if chosen is not None:
        given.append("nodeSelector")
        found += placement.node_selector(chosen, field.child(path, "nodeSelector"))
    if holder.get("allNodes"):
        given.append("allNodes")
    elif holder.get("allNodes") is not None:
        text = "must be either unset or set to true"
        found.append(field.invalid(field.child(path, "allNodes"), False, text))
    return found, given
