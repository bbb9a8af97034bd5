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
    template.setdefault("metadata", {})
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
    spec.pop("schedulingGroup", None)
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key) is False:
            del spec[key]
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
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
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
    """Pod-level limits of huge pages default to the containers' sum; requests to that sum, then to the limits."""
    resources = spec.get("resources")
    if not resources or not (resources.get("limits") or resources.get("requests")):
        return
    alone = {"spec": {key: spec[key] for key in ("containers", "initContainers") if key in spec}}
    limits, requests = dict(resources.get("limits") or {}), dict(resources.get("requests") or {})
    for name, amount in fit.pod_limits(alone).items():
        if name.startswith("hugepages-") and name not in requests:
            limits.setdefault(name, str(amount))
    if limits:
        resources["limits"] = limits
        asked = fit.pod_requests(alone)
        for name in ("cpu", "memory"):
            if name in asked:
                requests.setdefault(name, str(asked[name]))
        for name, limit in limits.items():
            if name in ("cpu", "memory") or name.startswith("hugepages-"):
                requests.setdefault(name, limit)
    if requests:
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
    for mount in container.get("volumeMounts") or ():
        if mount.get("readOnly") is False:
            del mount["readOnly"]
    for key in ("stdin", "stdinOnce", "tty"):
        if container.get(key) is False:
            del container[key]
    for variable in container.get("env") or ():
        source = variable.get("valueFrom")
        if source:
            _references(source)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    if "lifecycle" in container:
        _lifecycle(container)


def _lifecycle(container: Object) -> None:
    lifecycle = container["lifecycle"] or {}
    # Behind a gate that is off.
    if lifecycle.pop("stopSignal", None) is not None and not lifecycle:
        del container["lifecycle"]
    for handler in lifecycle.values():
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


def _references(holder: Object) -> None:
    reference = holder.get("fieldRef")
    if reference is not None and not reference.get("apiVersion"):
        reference["apiVersion"] = "v1"
    if holder.get("resourceFieldRef") is not None:
        holder["resourceFieldRef"].setdefault("divisor", "0")
    if holder.get("fileKeyRef") is not None:
        holder["fileKeyRef"].setdefault("optional", False)


def _volume(volume: Object) -> None:
    if not any(key != "name" for key in volume):
        volume["emptyDir"] = {}
        return
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", DEFAULT_MODE)
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _references(item)
    if "projected" in volume and not volume["projected"].get("sources"):
        volume["projected"]["sources"] = None
    for source in (volume.get("projected") or {}).get("sources") or ():
        for gated in ("clusterTrustBundle", "podCertificate"):
            source.pop(gated, None)
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _references(item)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    if "image" in volume and not volume["image"].get("pullPolicy"):
        volume["image"]["pullPolicy"] = images.pull_policy(volume["image"].get("reference", ""))
    template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if template is not None:
        template.setdefault("metadata", {})
        template.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
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
