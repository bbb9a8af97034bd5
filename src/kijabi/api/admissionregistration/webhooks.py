"""What validating and mutating webhook configurations share.

Source: "Dynamic Admission Control" in the documentation.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, printing, resource
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

COLUMNS = (
    printing.NAME,
    printing.number("Webhooks", "Webhooks indicates the number of webhooks registered in this configuration"),
    printing.AGE,
)
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")


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


def validate_create(obj: Object) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, webhook in enumerate(obj.get("webhooks") or ()):
        path = f"webhooks[{position}]"
        name = webhook.get("name", "")
        found += _webhook(webhook, path)
        if name in seen:
            found.append(field.duplicate(f"{path}.name", name))
        seen.add(name)
    return found


def _webhook(webhook: Object, path: str) -> Errors:
    name = webhook.get("name", "")
    found = checks.required_word(name, field.child(path, "name"), names.dns_subdomain)
    if name and not found and name.count(".") < 2:
        text = "should be a domain with at least three segments separated by dots"
        found.append(field.invalid(field.child(path, "name"), name, text))
    if not set(webhook.get("admissionReviewVersions") or ()) & {"v1", "v1beta1"}:
        where = field.child(path, "admissionReviewVersions")
        if not webhook.get("admissionReviewVersions"):
            found.append(field.required(where, "must specify one of v1, v1beta1"))
        else:
            text = "must include at least one of v1, v1beta1"
            found.append(field.invalid(where, webhook["admissionReviewVersions"], text))
    for position, rule in enumerate(webhook.get("rules") or ()):
        found += _rule(rule, field.index(field.child(path, "rules"), position))
    found += checks.optional(webhook.get("failurePolicy"), field.child(path, "failurePolicy"), ("Fail", "Ignore"))
    found += checks.optional(webhook.get("matchPolicy"), field.child(path, "matchPolicy"), ("Equivalent", "Exact"))
    effects = ("None", "NoneOnDryRun")
    found += checks.one_of(webhook.get("sideEffects"), field.child(path, "sideEffects"), effects)
    again = ("IfNeeded", "Never")
    found += checks.optional(webhook.get("reinvocationPolicy"), field.child(path, "reinvocationPolicy"), again)
    seconds = webhook.get("timeoutSeconds", 10)
    if not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        found.append(field.invalid(field.child(path, "timeoutSeconds"), seconds, text))
    for key in ("namespaceSelector", "objectSelector"):
        found += checks.selector(webhook.get(key), field.child(path, key))
    return found + _client(webhook.get("clientConfig") or {}, field.child(path, "clientConfig"))


def _rule(rule: Object, path: str) -> Errors:
    found: Errors = []
    for key in ("apiGroups", "apiVersions", "resources", "operations"):
        listed, where = rule.get(key) or [], field.child(path, key)
        if not listed:
            found.append(field.required(where))
        if len(listed) > 1 and "*" in listed:
            text = "if '*' is present, must not specify other values"
            found.append(field.invalid(where, listed, text))
    for position, operation in enumerate(rule.get("operations") or ()):
        found += checks.optional(operation, field.index(field.child(path, "operations"), position), _OPERATIONS)
    return found + checks.optional(rule.get("scope"), field.child(path, "scope"), ("*", "Cluster", "Namespaced"))


def _client(config: Object, path: str) -> Errors:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [field.required(path, "exactly one of url or service is required")]
    if url is not None:
        where = field.child(path, "url")
        text = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
        return [] if url.startswith("https://") else [field.invalid(where, url.partition(":")[0], text)]
    where = field.child(path, "service")
    return [field.required(field.child(where, key)) for key in ("name", "namespace") if not (service or {}).get(key)]


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), len(obj.get("webhooks") or ()), printing.age(obj, now)]
