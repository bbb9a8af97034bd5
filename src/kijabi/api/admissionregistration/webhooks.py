"""What validating and mutating webhook configurations share.

Source: "Dynamic Admission Control" in the documentation.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from kijabi.api import checks, field, names, printing, resource
from kijabi.api.admissionregistration import clients, rules
from kijabi.api.cel import conditions
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

COLUMNS = (
    printing.NAME,
    printing.number("Webhooks", "Webhooks indicates the number of webhooks registered in this configuration"),
    printing.AGE,
)
VERSIONS = ("v1", "v1beta1")
_NO_EFFECTS = ("None", "NoneOnDryRun")


def default(obj: Object) -> None:
    for webhook in obj.get("webhooks") or ():
        webhook.setdefault("failurePolicy", "Fail")
        default_match(webhook)
        webhook.setdefault("timeoutSeconds", 10)
        default_service((webhook.get("clientConfig") or {}).get("service"))
        for rule in webhook.get("rules") or ():
            rule.setdefault("scope", "*")


def default_match(holder: Object) -> None:
    """Which requests it is about; policies have the same fields."""
    holder.setdefault("matchPolicy", "Equivalent")
    holder.setdefault("namespaceSelector", {})
    holder.setdefault("objectSelector", {})


def default_service(service: Object | None) -> None:
    if service is not None:
        service.setdefault("port", 443)


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, (new.get("webhooks") or []) != (old.get("webhooks") or []))


@dataclasses.dataclass(frozen=True, slots=True)
class Allowed:
    """What an object that is already stored may go on with, from before it was forbidden."""

    side_effects: bool = False
    unknown_versions: bool = False
    same_names: bool = False
    conditions: bool = False


def validate_create(obj: Object) -> Errors:
    return _validate(obj, Allowed())


def validate_update(new: Object, old: Object) -> Errors:
    before = old.get("webhooks") or ()
    listed = [one.get("name") for one in before]
    return _validate(
        new,
        Allowed(
            any(one.get("sideEffects") not in _NO_EFFECTS for one in before),
            any(one.get("admissionReviewVersions") and not _knows_version(one) for one in before),
            len(set(listed)) < len(listed),
            _conditions(new) == _conditions(old),
        ),
    )


def _conditions(obj: Object) -> list[Any]:
    return [one.get("matchConditions") or [] for one in obj.get("webhooks") or ()]


def _validate(obj: Object, allowed: Allowed) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, webhook in enumerate(obj.get("webhooks") or ()):
        path = f"webhooks[{position}]"
        name = webhook.get("name", "")
        found += _webhook(webhook, path, allowed)
        found += _versions(webhook, field.child(path, "admissionReviewVersions"), allowed)
        if name and name in seen and not allowed.same_names:
            found.append(field.duplicate(f"{path}.name", name))
        seen.add(name)
    return found


def qualified(name: str, path: str) -> Errors:
    """A name with at least three segments."""
    if not name:
        return [field.required(path)]
    problems = names.dns_subdomain(name)
    if not problems and name.count(".") < 2:
        problems = ["should be a domain with at least three segments separated by dots"]
    return [field.invalid(path, name, ",".join(problems))] if problems else []


def _webhook(webhook: Object, path: str, allowed: Allowed) -> Errors:
    def at(key: str) -> str:
        return field.child(path, key)

    found = qualified(webhook.get("name", ""), at("name"))
    for position, rule in enumerate(webhook.get("rules") or ()):
        found += rules.with_operations(rule, field.index(at("rules"), position))
    found += checks.optional(webhook.get("failurePolicy"), at("failurePolicy"), ("Fail", "Ignore"))
    found += checks.optional(webhook.get("matchPolicy"), at("matchPolicy"), ("Equivalent", "Exact"))
    effects = ("None", "NoneOnDryRun", "Some", "Unknown") if allowed.side_effects else _NO_EFFECTS
    if webhook.get("sideEffects") is None:
        found.append(field.required(at("sideEffects"), f"must specify one of {', '.join(effects)}"))
    elif webhook["sideEffects"] not in effects:
        found.append(field.not_supported(at("sideEffects"), webhook["sideEffects"], effects))
    seconds = webhook.get("timeoutSeconds", 10)
    if not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        found.append(field.invalid(at("timeoutSeconds"), seconds, text))
    for key in ("namespaceSelector", "objectSelector"):
        found += checks.selector(webhook.get(key), at(key))
    found += checks.optional(webhook.get("reinvocationPolicy"), at("reinvocationPolicy"), ("IfNeeded", "Never"))
    found += clients.validate(webhook.get("clientConfig") or {}, at("clientConfig"))
    listed = webhook.get("matchConditions") or ()
    # What was stored stays, even if a later compiler would refuse it.
    return found if allowed.conditions else found + conditions.validate(listed, at("matchConditions"))


def _knows_version(webhook: Object) -> bool:
    return bool(set(webhook.get("admissionReviewVersions") or ()) & set(VERSIONS))


def _versions(webhook: Object, path: str, allowed: Allowed) -> Errors:
    listed = webhook.get("admissionReviewVersions") or []
    if not listed:
        return [field.required(path, f"must specify one of {', '.join(VERSIONS)}")]
    found: Errors = []
    for position, version in enumerate(listed):
        where = field.index(path, position)
        if version in listed[:position]:
            found.append(field.invalid(where, version, "duplicate version"))
            continue
        found += checks.word(version, where, names.dns1035_label)
    if not _knows_version(webhook) and not allowed.unknown_versions:
        found.append(field.invalid(path, listed, f"must include at least one of {', '.join(VERSIONS)}"))
    return found


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), len(obj.get("webhooks") or ()), printing.age(obj, now)]
