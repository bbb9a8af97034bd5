"""PriorityLevelConfigurations."""

from __future__ import annotations

import math
from typing import Any

from kijabi.api import field, printing, served
from kijabi.api.checks import Errors
from kijabi.api.flowcontrol import defaults, flowschema
from kijabi.api.resource import Object

RESOURCE = served.find("flowcontrol.apiserver.k8s.io/v1", "prioritylevelconfigurations")
GENERATION = True
_PRESERVE_ZERO = "flowcontrol.k8s.io/preserve-zero-concurrency-shares"
_MOST_QUEUES = 10_000_000
# A flow's hash must tell every hand that can be dealt.
_HASH_BITS = 60
COLUMNS = (
    printing.NAME,
    printing.text("Type", "Whether requests are limited."),
    printing.text("NominalConcurrencyShares", "Its part of the server."),
    printing.text("Queues", "How many queues requests wait in."),
    printing.text("HandSize", "How many of them a flow may use."),
    printing.text("QueueLengthLimit", "How many requests a queue holds."),
    printing.AGE,
)


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    limited, exempt = spec.get("limited"), spec.get("exempt")
    if exempt is not None:
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    if limited is None:
        return
    limited.setdefault("nominalConcurrencyShares", 30)
    limited.setdefault("lendablePercent", 0)
    queuing = (limited.get("limitResponse") or {}).get("queuing")
    if queuing is not None:
        for key, value in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
            if not queuing.get(key):
                queuing[key] = value


prepare_status = flowschema.prepare_status


def validate_create(obj: Object) -> Errors:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    kind = spec.get("type", "")
    found: Errors = []
    if _PRESERVE_ZERO in (obj["metadata"].get("annotations") or {}):
        found.append(field.forbidden("metadata.annotations", f"annotation '{_PRESERVE_ZERO}' is forbidden"))
    if (name == defaults.EXEMPT) != (kind == "Exempt"):
        found.append(field.invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'"))
    limited, exempt = spec.get("limited"), spec.get("exempt")
    if kind == "Exempt":
        if limited is not None:
            found.append(field.forbidden("spec.limited", "must be nil if the type is not Limited"))
        found += _shares(exempt or {}, "spec.exempt")
    elif kind == "Limited":
        if exempt is not None:
            found.append(field.forbidden("spec.exempt", "must be nil if the type is Limited"))
        if limited is None:
            found.append(field.required("spec.limited", "must not be empty when type is Limited"))
        else:
            found += _limited(limited, "spec.limited")
    else:
        found.append(field.not_supported("spec.type", kind, ("Exempt", "Limited")))
    return found + _mandatory(spec, name) + flowschema.validate_conditions(obj)


def _shares(part: Object, path: str) -> Errors:
    found: Errors = []
    shares, lendable = part.get("nominalConcurrencyShares", 0), part.get("lendablePercent", 0)
    if shares < 0:
        found.append(field.invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    if not 0 <= lendable <= 100:
        found.append(field.invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive"))
    return found


def _limited(limited: Object, path: str) -> Errors:
    found = _shares(limited, path)
    borrowed = limited.get("borrowingLimitPercent") or 0
    if borrowed < 0:
        text = "if specified, must be a non-negative integer"
        found.append(field.invalid(f"{path}.borrowingLimitPercent", borrowed, text))
    response = limited.get("limitResponse") or {}
    kind, queuing, where = response.get("type", ""), response.get("queuing"), f"{path}.limitResponse"
    if kind == "Reject":
        if queuing is not None:
            text = "must be nil if limited.limitResponse.type is not Limited"
            found.append(field.forbidden(f"{where}.queuing", text))
    elif kind == "Queue":
        if queuing is None:
            text = "must not be empty if limited.limitResponse.type is Limited"
            found.append(field.required(f"{where}.queuing", text))
        else:
            found += _queuing(queuing, f"{where}.queuing")
    else:
        found.append(field.not_supported(f"{where}.type", kind, ("Queue", "Reject")))
    return found


def _queuing(queuing: Object, path: str) -> Errors:
    queues, hand, length = (queuing.get(key, 0) for key in ("queues", "handSize", "queueLengthLimit"))
    found: Errors = []
    if length <= 0:
        found.append(field.invalid(f"{path}.queueLengthLimit", length, "must be positive"))
    if queues <= 0:
        found.append(field.invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > _MOST_QUEUES:
        found.append(field.invalid(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}"))
    if hand <= 0:
        found.append(field.invalid(f"{path}.handSize", hand, "must be positive"))
    elif hand > queues:
        found.append(field.invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})"))
    else:
        bits = math.ceil(math.log2(queues) * hand)
        if bits > _HASH_BITS:
            sizes = f"deckSize {queues} and handSize {hand}"
            text = f"required entropy bits of {sizes} should not be greater than {_HASH_BITS}"
            found.append(field.invalid(f"{path}.handSize", hand, text))
    return found


def _mandatory(spec: Object, name: str) -> Errors:
    fixed = defaults.fixed_spec(RESOURCE.kind, name)
    if fixed is None:
        return []
    if name == defaults.EXEMPT:
        if {**spec, "exempt": None} == {**fixed, "exempt": None}:
            return []
        text = f"spec of '{name}' except the 'spec.exempt' field must equal the fixed value"
        return [field.invalid("spec", spec, text)]
    if spec == fixed:
        return []
    return [field.invalid("spec", spec, f"spec of '{name}' must equal the fixed value")]


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def validate_status(new: Object, old: Object) -> Errors:
    return flowschema.validate_conditions(new)


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    part = spec.get("limited") or spec.get("exempt") or {}
    queuing = ((spec.get("limited") or {}).get("limitResponse") or {}).get("queuing") or {}
    return [
        printing.name(obj),
        spec.get("type", ""),
        part.get("nominalConcurrencyShares", printing.NONE),
        *(queuing.get(key, printing.NONE) for key in ("queues", "handSize", "queueLengthLimit")),
        printing.age(obj, now),
    ]
