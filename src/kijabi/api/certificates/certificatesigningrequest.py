"""CertificateSigningRequests. Who asked is filled in by the API server, from the request's user."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, printing, resource, served, timestamps
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("certificates.k8s.io/v1", "certificatesigningrequests")
COLUMNS = (
    printing.NAME,
    printing.AGE,
    printing.text("SignerName", "Who is to sign."),
    printing.text("Requestor", "Who asks."),
    printing.text("RequestedDuration", "How long it is to be valid."),
    printing.text("Condition", "What has become of it."),
)
_DECISIONS = ("Approved", "Denied", "Failed")


def prepare_create(obj: Object) -> None:
    obj["status"] = {}


def prepare_update(new: Object, old: Object) -> None:
    for key in ("spec", "status"):
        resource.keep(new, old, key)


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    if not spec.get("request"):
        found.append(field.invalid("spec.request", "", "PEM block type must be CERTIFICATE REQUEST"))
    if not spec.get("usages"):
        found.append(field.required("spec.usages"))
    signer = spec.get("signerName", "")
    if not signer:
        found.append(field.required("spec.signerName"))
    else:
        domain, slash, path = signer.partition("/")
        if not slash or not path:
            text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
            found.append(field.invalid("spec.signerName", signer, text))
        else:
            found += checks.word(domain, "spec.signerName", names.dns_subdomain)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < 600:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(field.invalid("spec.expirationSeconds", seconds, text))
    return found


def validate_status(new: Object, old: Object) -> Errors:
    told, before = new.get("status") or {}, old.get("status") or {}
    found: Errors = []
    kinds = [condition.get("type", "") for condition in told.get("conditions") or ()]
    if "Approved" in kinds and "Denied" in kinds:
        text = "Approved and Denied conditions are mutually exclusive"
        found.append(field.invalid("status.conditions", "Denied", text))
    for condition in before.get("conditions") or ():
        if condition.get("type") in _DECISIONS and condition["type"] not in kinds:
            text = f"updates may not remove a condition of type {condition['type']}"
            found.append(field.forbidden("status.conditions", text))
    if before.get("certificate") and told.get("certificate") != before["certificate"]:
        text = "updates may not change certificate content"
        found.append(field.forbidden("status.certificate", text))
    return found


def fields(obj: Object) -> dict[str, str]:
    return {"spec.signerName": (obj.get("spec") or {}).get("signerName", "")}


def _condition(told: Object) -> str:
    kinds = {condition.get("type") for condition in told.get("conditions") or ()}
    shown = next((kind for kind in ("Denied", "Approved") if kind in kinds), "Pending")
    if "Failed" in kinds:
        shown += ",Failed"
    return f"{shown},Issued" if told.get("certificate") else shown


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return [
        printing.name(obj),
        printing.age(obj, now),
        spec.get("signerName") or printing.NONE,
        spec.get("username", ""),
        timestamps.human(seconds) if seconds is not None else printing.NONE,
        _condition(obj.get("status") or {}),
    ]
