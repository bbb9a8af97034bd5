"""CertificateSigningRequests. Who asked is filled in by the API server, from the request's user."""

from __future__ import annotations

from typing import Any

from kijabi.api import conditions, field, names, printing, resource, served, timestamps
from kijabi.api.certificates import pem
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.kit import clock

RESOURCE = served.find("certificates.k8s.io/v1", "certificatesigningrequests")
COLUMNS = (
    printing.NAME,
    printing.AGE,
    printing.text("SignerName", "Who is to sign."),
    printing.text("Requestor", "Who asks."),
    printing.text("RequestedDuration", "How long it is to be valid."),
    printing.text("Condition", "What has become of it."),
)


def NAME_RULE(name: str, prefix: bool = False) -> list[str]:
    """Any name that fits into a path."""
    return names.path_segment_prefix(name) if prefix else names.path_segment(name)


_APPROVED, _DENIED, _FAILED = "Approved", "Denied", "Failed"
_USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
_LEGACY = "kubernetes.io/legacy-unknown"
_LONGEST_DOMAIN, _LONGEST_SIGNER = 253, 571


def prepare_create(obj: Object) -> None:
    obj["status"] = {}


def prepare_update(new: Object, old: Object) -> None:
    for key in ("spec", "status"):
        resource.keep(new, old, key)


def prepare_status(new: Object, old: Object) -> None:
    told, before = _conditions(new), _conditions(old)
    # A decision is made through another subresource: where there are as many, they stay as they are.
    for kind in (_APPROVED, _DENIED):
        here = [position for position, one in enumerate(told) if one.get("type") == kind]
        there = [one for one in before if one.get("type") == kind]
        if len(here) == len(there):
            for position, one in zip(here, there, strict=True):
                told[position] = one
    _date(told, before)


def prepare_approval(new: Object, old: Object) -> None:
    """Through ``/approval`` conditions change and nothing else."""
    told = _conditions(new)
    _date(told, _conditions(old))
    resource.keep(new, old, "spec")
    new["status"] = {**(old.get("status") or {}), "conditions": told}
    if not told:
        del new["status"]["conditions"]


def _conditions(obj: Object) -> list[Object]:
    found: list[Object] = (obj.get("status") or {}).get("conditions") or []
    return found


def _date(told: list[Object], before: list[Object]) -> None:
    now = timestamps.format_time(clock.SYSTEM.time())
    for one in told:
        if not one.get("lastUpdateTime"):
            one["lastUpdateTime"] = now
        if not one.get("lastTransitionTime"):
            was = conditions.find(before, one.get("type", "")) or {}
            same = was.get("status") == one.get("status") and was.get("lastTransitionTime")
            one["lastTransitionTime"] = was["lastTransitionTime"] if same else now


def validate_create(obj: Object) -> Errors:
    return _validate(obj, None)


def _validate(obj: Object, old: Object | None) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    problem = pem.request_problem(spec.get("request"))
    if problem:
        found.append(field.invalid("spec.request", spec.get("request"), problem))
    found += _usages(spec.get("usages") or [])
    signer = spec.get("signerName", "")
    if signer == _LEGACY:
        text = "the legacy signerName is not allowed via this API version"
        found.append(field.invalid("spec.signerName", signer, text))
    else:
        found += _signer(signer, "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < 600:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(field.invalid("spec.expirationSeconds", seconds, text))
    found += _conditions_of(_conditions(obj))
    certificate = (obj.get("status") or {}).get("certificate")
    if old is None or certificate != (old.get("status") or {}).get("certificate"):
        problem = pem.certificate_problem(certificate)
        if problem:
            found.append(field.invalid("status.certificate", "<certificate data>", problem))
    return found


def _usages(usages: list[str]) -> Errors:
    found: Errors = [] if usages else [field.required("spec.usages")]
    paths = [field.index("spec.usages", position) for position in range(len(usages))]
    found += [
        field.not_supported(path, one, _USAGES) for path, one in zip(paths, usages, strict=True) if one not in _USAGES
    ]
    for position, one in enumerate(usages):
        if one in usages[:position]:
            found.append(field.duplicate(paths[position], one))
    return found


def _signer(signer: str, path: str) -> Errors:
    if not signer:
        return [field.required(path)]
    if signer.count("/") != 1:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [field.invalid(path, signer, text)]
    domain, name = signer.split("/")
    found: Errors = []
    if len(domain) > _LONGEST_DOMAIN:
        found.append(field.too_long(path, _LONGEST_DOMAIN))
    for label in domain.split("."):
        found += [field.invalid(path, domain, f'validating label "{label}": {text}') for text in names.dns_label(label)]
    if "." not in domain:
        text = "should be a domain with at least two segments separated by dots"
        found.append(field.invalid(path, domain, text))
    for label in name.split("."):
        found += [
            field.invalid(path, name, f'validating label "{label}": {text}') for text in names.dns_subdomain(label)
        ]
    if len(signer) > _LONGEST_SIGNER:
        found.append(field.too_long(path, _LONGEST_SIGNER))
    return found


def _conditions_of(told: list[Object]) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, one in enumerate(told):
        path, kind, status = f"status.conditions[{position}]", one.get("type", ""), one.get("status", "")
        if not kind:
            found.append(field.required(f"{path}.type"))
        choices = ("True",) if kind in (_APPROVED, _DENIED, _FAILED) else ("False", "True", "Unknown")
        if not status:
            found.append(field.required(f"{path}.status"))
        elif status not in choices:
            found.append(field.not_supported(f"{path}.status", status, choices))
        if (kind == _APPROVED and _DENIED in seen) or (kind == _DENIED and _APPROVED in seen):
            text = "Approved and Denied conditions are mutually exclusive"
            found.append(field.invalid("status.conditions", kind, text))
        if kind in seen:
            found.append(field.duplicate(f"{path}.type", kind))
        seen.add(kind)
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return _change(new, old, decides=False, issues=False)


def validate_status(new: Object, old: Object) -> Errors:
    return _change(new, old, decides=False, issues=True)


def validate_approval(new: Object, old: Object) -> Errors:
    return _change(new, old, decides=True, issues=False)


def _change(new: Object, old: Object, *, decides: bool, issues: bool) -> Errors:
    found = _validate(new, old)
    path = "status.conditions"
    counts = {kind: [_count(obj, kind) for obj in (new, old)] for kind in (_APPROVED, _DENIED, _FAILED)}
    for kind, (now, before) in counts.items():
        if now < before:
            found.append(field.forbidden(path, f'updates may not remove a condition of type "{kind}"'))
    for kind in () if decides else (_APPROVED, _DENIED):
        now, before = counts[kind]
        if now > before:
            found.append(field.forbidden(path, f'updates may not add a condition of type "{kind}"'))
    after, was = ((obj.get("status") or {}).get("certificate") or "" for obj in (new, old))
    if after != was and not issues:
        found.append(field.forbidden("status.certificate", "updates may not set certificate content"))
    elif after != was and was:
        found.append(field.forbidden("status.certificate", "updates may not modify existing certificate content"))
    return found


def _count(obj: Object, kind: str) -> int:
    return sum(one.get("type") == kind for one in _conditions(obj))


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
