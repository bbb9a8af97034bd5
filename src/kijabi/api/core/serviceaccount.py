"""ServiceAccounts."""

from __future__ import annotations

from typing import Any

from kijabi.api import metadata, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "serviceaccounts")
COLUMNS = (printing.NAME, printing.AGE)


_ENFORCE = "kubernetes.io/enforce-mountable-secrets"


def prepare_create(obj: Object) -> None:
    """Secrets are of the account's own namespace: only their names count."""
    for secret in obj.get("secrets") or ():
        for key in secret.keys() - {"name"}:
            del secret[key]


def prepare_update(new: Object, old: Object) -> None:
    prepare_create(new)


def validate_update(new: Object, old: Object) -> Errors:
    return metadata.validate(new["metadata"], True, metadata.subdomain)


def warn_create(obj: Object) -> list[str]:
    if _ENFORCE not in (obj["metadata"].get("annotations") or {}):
        return []
    text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"metadata.annotations[{_ENFORCE}]: {text}"]


def warn_update(new: Object, old: Object) -> list[str]:
    return [] if _ENFORCE in (old["metadata"].get("annotations") or {}) else warn_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), printing.age(obj, now)]
