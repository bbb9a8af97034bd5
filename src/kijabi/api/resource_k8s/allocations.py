"""The status of a claim: what was allocated, for whom it is kept, and what drivers say of the devices."""

from __future__ import annotations

import re
from typing import Any

from kijabi.api import addresses, checks, conditions, field, names
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import placement
from kijabi.api.resource import Object
from kijabi.api.resource_k8s import parts

_MOST_CONSUMERS, _MOST_RESULTS, _MOST_CONDITIONS, _MOST_ADDRESSES = 256, 32, 8, 16
_LONGEST_INTERFACE, _LONGEST_HARDWARE = 256, 128
_SOURCES = ("FromClaim", "FromClass")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def default(told: Object) -> None:
    """What upstream shows of a status even when it is empty."""
    if told.get("allocation") is not None:
        told["allocation"].setdefault("devices", {})
    for device in told.get("devices") or ():
        device["conditions"] = device.get("conditions") or None


def validate(new: Object, old: Object) -> Errors:
    told, before = new.get("status") or {}, old.get("status") or {}
    allocation, was = told.get("allocation"), before.get("allocation")
    consumers = told.get("reservedFor") or []
    path = "status.reservedFor"
    found = parts.distinct(consumers, _MOST_CONSUMERS, path, _consumer, lambda one: one.get("uid", ""))
    allocated = [_device_id(one) for one in ((allocation or {}).get("devices") or {}).get("results") or ()]

    def reported(one: Object, where: str) -> Errors:
        return _device(one, where, allocated)

    found += parts.distinct(told.get("devices") or [], -1, "status.devices", reported, _device_id)
    if consumers and allocation is None:
        found.append(field.forbidden(path, "may not be specified when `allocated` is not set"))
    elif new["metadata"].get("deletionTimestamp") and any(
        one not in (before.get("reservedFor") or []) for one in consumers
    ):
        text = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        found.append(field.forbidden(path, text))
    if allocation is not None and was is not None:
        found += checks.immutable(allocation, was, "status.allocation")
    elif allocation is not None:
        found += _allocation(allocation, "status.allocation", parts.requests_of(new["spec"]))
    return found


def _consumer(one: Object, path: str) -> Errors:
    return [field.required(field.child(path, key)) for key in ("resource", "name", "uid") if not one.get(key)]


def _device_id(one: Object) -> Object:
    share = one.get("shareID") or ""
    return {
        "Driver": one.get("driver", ""),
        "Pool": one.get("pool", ""),
        "Device": one.get("device", ""),
        "ShareID": share,
    }


def _names(one: Object, path: str) -> Errors:
    found = parts.driver_name(one.get("driver"), field.child(path, "driver"))
    found += parts.pool_name(one.get("pool", ""), field.child(path, "pool"))
    return found + checks.word(one.get("device", ""), field.child(path, "device"), names.dns_label)


def _share(one: Object, path: str) -> Errors:
    share, where = one.get("shareID"), field.child(path, "shareID")
    if share is None or _UUID.fullmatch(share):
        return []
    text = (
        "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal "
        "characters"
    )
    if not _UUID.fullmatch(share.lower()):
        text = f"error validating uid: invalid UUID length: {len(share)}"
    return [field.invalid(where, share, text)]


def _allocation(allocation: Object, path: str, known: parts.Requests) -> Errors:
    devices, where = allocation.get("devices") or {}, field.child(path, "devices")
    results, at = devices.get("results") or [], field.child(where, "results")
    found: Errors = []
    if len(results) > _MOST_RESULTS:
        found.append(field.too_many(at, len(results), _MOST_RESULTS))
    else:
        for position, one in enumerate(results):
            found += _result(one, field.index(at, position), known)

    def configured(one: Object, place: str) -> Errors:
        source = checks.one_of(one.get("source"), field.child(place, "source"), _SOURCES)
        return source + parts.references(one, place, known) + parts.configuration(one, place)

    found += parts.configurations(devices.get("config") or [], field.child(where, "config"), configured, times=2)
    chosen = allocation.get("nodeSelector")
    return found + (placement.node_selector(chosen, field.child(path, "nodeSelector")) if chosen is not None else [])


def _result(one: Object, path: str, known: parts.Requests) -> Errors:
    found = parts.reference(one.get("request", ""), field.child(path, "request"), known)
    return found + _names(one, path) + parts.binding(one, path) + _share(one, path)


def _device(one: Object, path: str, allocated: list[Object]) -> Errors:
    found = _names(one, path) + _share(one, path)
    if _device_id(one) not in allocated:
        found.append(field.invalid(path, _device_id(one), "must be an allocated device in the claim"))
    told, where = one.get("conditions") or [], field.child(path, "conditions")
    if len(told) > _MOST_CONDITIONS:
        found.append(field.too_many(where, len(told), _MOST_CONDITIONS))
    found += conditions.validate(told, where)
    if one.get("data") is not None:
        found += parts.data(one["data"], field.child(path, "data"))
    return found + _network(one.get("networkData") or {}, field.child(path, "networkData"))


def _network(told: Object, path: str) -> Errors:
    found: Errors = []
    for key, longest in (("interfaceName", _LONGEST_INTERFACE), ("hardwareAddress", _LONGEST_HARDWARE)):
        if len(told.get(key, "").encode()) > longest:
            found.append(field.too_long(field.child(path, key), longest))
    return found + parts.distinct(
        told.get("ips") or [], _MOST_ADDRESSES, field.child(path, "ips"), _address, lambda text: text
    )


def _address(text: str, path: str) -> Errors:
    address, slash, length = text.partition("/")
    parsed = addresses.parse(address)
    if parsed is None or not slash or not length.isdecimal() or int(length) > parsed.max_prefixlen:
        why = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"
        return [field.invalid(path, text, why)]
    plain: Any = f"{parsed}/{int(length)}"
    return [] if plain == text else [field.invalid(path, text, f'must be in canonical form ("{plain}")')]
