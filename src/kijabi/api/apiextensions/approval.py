"""Groups of the Kubernetes community, whose APIs must have been approved.

Source: apiextensions-apiserver pkg/apihelpers; KEP-1111.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib import parse as urls

ANNOTATION = "api-approved.kubernetes.io"
INVALID, APPROVED, BYPASSED, MISSING = "Invalid", "Approved", "Bypassed", "Missing"
_MORE = "see https://github.com/kubernetes/enhancements/pull/1111"


def is_protected(group: str) -> bool:
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def state(annotations: Mapping[str, str] | None) -> tuple[str, str]:
    """The state, and the reason for it in upstream's words."""
    given = (annotations or {}).get(ANNOTATION, "")
    if not given:
        return MISSING, f'protected groups must have approval annotation "{ANNOTATION}", {_MORE}'
    if given.startswith("unapproved"):
        return BYPASSED, f'not approved: "{given}"'
    try:
        parts = urls.urlsplit(given)
    except ValueError:
        parts = urls.urlsplit("")
    if parts.scheme and parts.netloc:
        return APPROVED, f"approved in {given}"
    text = f'protected groups must have approval annotation "{ANNOTATION}" with either a URL or a reason starting with '
    return INVALID, f'{text}"unapproved", {_MORE}'
