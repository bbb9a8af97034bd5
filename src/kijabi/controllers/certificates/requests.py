"""What a request asks for, and whether a signer of Kubernetes' own may grant it: pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from kijabi.api import conditions, timestamps
from kijabi.api.resource import Object

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"

_CLIENT_USAGES = frozenset(("client auth", "digital signature", "key encipherment"))
_SERVING_USAGES = frozenset(("digital signature", "key encipherment", "server auth"))
_NODES, _NODE = "system:nodes", "system:node:"

# Seconds until the cleaner takes a request, by what has become of it.
PENDING, DENIED, APPROVED = 24 * 3600.0, 3600.0, 3600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """The subject and the alternative names of a request."""

    common_name: str
    organizations: tuple[str, ...]
    dns: bool = False
    ips: bool = False
    emails: bool = False
    uris: bool = False


def read(obj: Object) -> Asked | None:
    """None for a request that cannot be read."""
    try:
        parsed = x509.load_pem_x509_csr(base64.b64decode(obj["spec"]["request"]))
    except ValueError:
        return None
    names = [str(item.value) for item in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = parsed.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    try:
        others = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        others = x509.SubjectAlternativeName([])
    found = {type(name) for name in others}
    return Asked(
        names[0] if names else "",
        tuple(str(item.value) for item in organizations),
        x509.DNSName in found,
        x509.IPAddress in found,
        x509.RFC822Name in found,
        x509.UniformResourceIdentifier in found,
    )


def refusal(signer: str, asked: Asked, usages: Iterable[str]) -> str | None:
    """Why a signer may not grant it; empty if it may, None if the signer is not one of ours."""
    wanted = set(usages)
    if signer == LEGACY:
        return ""
    if signer == CLIENT:
        return _client(wanted)
    if signer == KUBELET_CLIENT:
        return _kubelet_client(asked, wanted)
    return _kubelet_serving(asked, wanted) if signer == KUBELET_SERVING else None


def _client(usages: set[str]) -> str:
    for usage in sorted(usages - _CLIENT_USAGES):
        return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def _kubelet_client(asked: Asked, usages: set[str]) -> str:
    if asked.organizations != (_NODES,):
        return "subject organization is not system:nodes"
    for there, word in ((asked.dns, "DNS"), (asked.emails, "Email"), (asked.ips, "IP"), (asked.uris, "URI")):
        if there:
            return f"{word} subjectAltNames are not allowed"
    if not asked.common_name.startswith(_NODE):
        return "subject common name does not begin with system:node:"
    return _exactly(usages, _CLIENT_USAGES)


def _kubelet_serving(asked: Asked, usages: set[str]) -> str:
    if asked.organizations != (_NODES,):
        return "subject organization is not system:nodes"
    if not asked.dns and not asked.ips:
        return "DNS or IP subjectAltName is required"
    for there, word in ((asked.emails, "Email"), (asked.uris, "URI")):
        if there:
            return f"{word} subjectAltNames are not allowed"
    if why := _exactly(usages, _SERVING_USAGES):
        return why
    return "" if asked.common_name.startswith(_NODE) else "subject common name does not begin with system:node:"


def _exactly(usages: set[str], wanted: frozenset[str]) -> str:
    # Only RSA keys encipher.
    if usages in (wanted, wanted - {"key encipherment"}):
        return ""
    return f"usages did not match [{' '.join(sorted(wanted))}]"


def has(obj: Object, kind: str) -> bool:
    found = conditions.get(obj, kind)
    return found is not None and found.get("status", "True") in ("", "True")


def is_issued(obj: Object) -> bool:
    return bool((obj.get("status") or {}).get("certificate"))


def is_outdated(obj: Object, now: float) -> bool:
    """Whether the cleaner may take it."""
    listed = (obj.get("status") or {}).get("conditions") or []
    if not listed:
        return now - timestamps.parse(obj["metadata"]["creationTimestamp"]) > PENDING
    patience = {"Denied": DENIED, "Failed": DENIED, "Approved": APPROVED if is_issued(obj) else PENDING}
    for condition in listed:
        since = condition.get("lastUpdateTime")
        limit = patience.get(condition["type"])
        if since and limit is not None and now - timestamps.parse(since) > limit:
            return True
    return is_issued(obj) and _expired(obj["status"]["certificate"], now)


def _expired(encoded: str, now: float) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(encoded))
    except ValueError:
        return False
    return certificate.not_valid_after_utc.timestamp() < now


def seconds(obj: Object, longest: float) -> float:
    """How long the certificate is to be valid: as asked, at least ten minutes and at most ``longest``."""
    asked = obj["spec"].get("expirationSeconds")
    return longest if asked is None else min(max(float(asked), 600.0), longest)
