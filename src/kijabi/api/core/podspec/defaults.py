"""Defaults of the pod spec.

``default`` is for every pod spec; ``default_pod`` is what only pods themselves get, not templates (limits that become
requests, service links, host ports).
Source: "Pod" in the API reference, and the defaults that v1.36 fills in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kijabi.api import quantity
from kijabi.api.core.podspec import images
from kijabi.api.predicates import fit
from kijabi.api.resource import Object

DEFAULT_MODE = 0o644
GRACE_PERIOD_SECONDS = 30


def every_container(spec: Object) -> Iterator[Object]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(kind) or ()


def default_template(template: Object) -> None:
    """A ``PodTemplateSpec``."""
    default(template.setdefault("spec", {}))


def default(spec: Object) -> None:
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", GRACE_PERIOD_SECONDS)
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    mirror_service_account(spec)
    for volume in spec.get("volumes") or ():
        _volume(volume)
    for container in every_container(spec):
        _container(container)
    _round(spec.get("overhead"))
    _round_resources(spec.get("resources"))


def mirror_service_account(spec: Object) -> None:
    """``serviceAccount`` is the old name of ``serviceAccountName``; the API shows both."""
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def default_pod(spec: Object) -> None:
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            resources = container.get("resources")
            if resources and "limits" in resources:
                requests = resources.setdefault("requests", {})
                for name, limit in resources["limits"].items():
                    requests.setdefault(name, limit)
            if spec.get("hostNetwork"):
                for port in container.get("ports") or ():
                    if not port.get("hostPort"):
                        port["hostPort"] = port.get("containerPort", 0)
    _pod_level(spec)
    spec.setdefault("enableServiceLinks", True)


def _pod_level(spec: Object) -> None:
    """Pod-level requests default to what the containers ask for, then to the pod-level limits."""
    resources = spec.get("resources")
    if not resources or not resources.get("limits"):
        return
    requests = dict(resources.get("requests") or {})
    asked = fit.pod_requests(
        {"spec": {key: value for key, value in spec.items() if key not in ("resources", "overhead")}}
    )
    for name in ("cpu", "memory"):
        if name in asked:
            requests.setdefault(name, str(asked[name]))
    for name, limit in resources["limits"].items():
        requests.setdefault(name, limit)
    resources["requests"] = requests


def _container(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = images.pull_policy(container.get("image", ""))
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    # Resources is not a pointer upstream, so it is always shown.
    resources = container.setdefault("resources", {})
    if resources:
        _round_resources(resources)
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            _field_reference(reference)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict) and "httpGet" in handler:
            _http_get(handler["httpGet"])


_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def _probe(probe: Object) -> None:
    for name, value in _PROBE.items():
        if not probe.get(name):
            probe[name] = value
    if "httpGet" in probe:
        _http_get(probe["httpGet"])
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _http_get(action: Object) -> None:
    if not action.get("path"):
        action["path"] = "/"
    if not action.get("scheme"):
        action["scheme"] = "HTTP"


def _field_reference(reference: Object) -> None:
    if not reference.get("apiVersion"):
        reference["apiVersion"] = "v1"


def _volume(volume: Object) -> None:
    if not any(key != "name" for key in volume):
        volume["emptyDir"] = {}
        return
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", DEFAULT_MODE)
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        if "fieldRef" in item:
            _field_reference(item["fieldRef"])
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            if "fieldRef" in item:
                _field_reference(item["fieldRef"])
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    if "image" in volume and not volume["image"].get("pullPolicy"):
        volume["image"]["pullPolicy"] = images.pull_policy(volume["image"].get("reference", ""))
    claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec")
    if claim is not None:
        claim.setdefault("volumeMode", "Filesystem")
    default_volume_source(volume)


_NETWORK_SOURCES: dict[str, dict[str, Any]] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def default_volume_source(holder: Object) -> None:
    """The sources that pods and PersistentVolumes have in common."""
    for kind, values in _NETWORK_SOURCES.items():
        if kind in holder:
            for name, value in values.items():
                holder[kind].setdefault(name, value)


def _round_resources(resources: Object | None) -> None:
    if resources:
        _round(resources.get("requests"))
        _round(resources.get("limits"))


def _round(amounts: Object | None) -> None:
    """Nothing is counted finer than a thousandth."""
    for name, value in (amounts or {}).items():
        text = str(value)
        if text[-1:] in ("n", "u") or "e-" in text:
            parsed = quantity.parse(text)
            amounts[name] = str(quantity.from_milli(parsed.milli(), parsed.family))  # type: ignore[index]
