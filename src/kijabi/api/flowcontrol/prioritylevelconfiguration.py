"""PriorityLevelConfigurations."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("flowcontrol.apiserver.k8s.io/v1", "prioritylevelconfigurations")
GENERATION = True
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


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    kind = spec.get("type")
    found = checks.one_of(kind, "spec.type", ("Exempt", "Limited"))
    if kind == "Limited" and spec.get("limited") is None:
        found.append(field.required("spec.limited", "must not be empty when type is Limited"))
    if kind == "Exempt" and spec.get("limited") is not None:
        found.append(field.forbidden("spec.limited", "must be nil if the type is not Limited"))
    if kind == "Limited" and spec.get("exempt") is not None:
        found.append(field.forbidden("spec.exempt", "must be nil if the type is Limited"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


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
