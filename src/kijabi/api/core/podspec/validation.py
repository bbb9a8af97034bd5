"""Validation of pods and pod templates, in upstream's order.

Left out, because the features behind them are off by default: scheduling groups, cluster trust bundles and pod
certificates in projected volumes, stop signals (``defaults`` drops them all).
"""

from __future__ import annotations

from kijabi.api import checks, field, metadata, names
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import (
    annotated,
    containers,
    environment,
    network,
    placement,
    requirements,
    security,
    sound,
    volumes,
)
from kijabi.api.resource import Object

RESTART_POLICIES = ("Always", "OnFailure", "Never")
_INT32 = 2**31 - 1


def validate_pod(pod: Object) -> Errors:
    """A pod that is created; its metadata is validated elsewhere."""
    spec, told = pod["spec"], pod["metadata"].get("annotations")
    found = pod_and_spec(pod)
    if spec.get("ephemeralContainers"):
        found.append(field.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        text = "cannot be set until all schedulingGates have been cleared"
        found.append(field.forbidden("spec.nodeName", text))
    return found + annotated.agree(told, spec, "spec") if told else found


def pod_and_spec(pod: Object, before: Object | None = None) -> Errors:
    """What holds of a pod at every write; ``before`` is the stored one."""
    spec, meta = pod["spec"], pod["metadata"]
    found: Errors = []
    if meta.get("annotations"):
        stored = (before or {}).get("metadata", {}).get("annotations") or {}
        cost = stored.get(annotated.DELETION_COST)
        found += annotated.validate(meta["annotations"], spec, "metadata.annotations", cost)
        if spec.get("resourceClaims") and annotated.MIRROR in meta["annotations"]:
            found.append(field.forbidden("[]", "static pods do not support resource claims"))
    return found + validate(spec, "spec", of_pod=True) + _only_pods(spec, meta.get("name", ""))


def _only_pods(spec: Object, name: str) -> Errors:
    """What is asked of pods but not of templates."""
    listed = spec.get("volumes") or []
    found = volumes.claims_of(listed, name, "spec.volumes") if listed else []
    if not spec.get("serviceAccountName"):
        for position, volume in enumerate(listed):
            for number, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
                if "serviceAccountToken" in source:
                    path = f"spec.volumes[{position}].projected.sources[{number}].serviceAccountToken"
                    found.append(field.forbidden(path, "must not be specified when serviceAccountName is not set"))
    for kind in ("containers", "initContainers"):
        for position, container in enumerate(spec.get(kind) or ()):
            found += containers.trimmed_image(container, f"spec.{kind}[{position}]")
    return found


def validate_template(template: Object, path: str) -> Errors:
    """A ``PodTemplateSpec``: labels, annotations and spec."""
    meta = template.get("metadata") or {}
    told = meta.get("annotations")
    spec = template.get("spec") or {}
    # Upstream's paths leave the metadata out.
    found = metadata.validate_labels(meta.get("labels"), field.child(path, "labels"))
    found += metadata.validate_annotations(told, field.child(path, "annotations"))
    found += annotated.validate(told, spec, field.child(path, "annotations"))
    where = field.child(path, "spec")
    found += validate(spec, where) + annotated.agree(told, spec, where)
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        found.append(field.forbidden(field.child(where, "ephemeralContainers"), text))
    return found


def validate(spec: Object, path: str, *, of_pod: bool = False) -> Errors:
    """What is wrong with a spec. One that was without fault before is not looked through again (``sound``)."""
    mark = sound.judged(spec, of_pod)
    if sound.is_known(mark):
        return []
    found = _validate(spec, path, of_pod)
    if not found:
        sound.remember(mark)
    return found


def _validate(spec: Object, path: str, of_pod: bool) -> Errors:
    claims = spec.get("resourceClaims") or []
    mountable, found = volumes.validate(spec.get("volumes") or [], f"{path}.volumes", of_pod)
    found += requirements.pod_claims(claims, f"{path}.resourceClaims")
    around = containers.Around(
        mountable,
        frozenset(claim["name"] for claim in claims if claim.get("name")),
        spec.get("terminationGracePeriodSeconds"),
        spec.get("restartPolicy"),
        spec.get("hostUsers") is not False,
    )
    found += _containers(spec, around, path)
    found += requirements.validate_pod(spec, around.claims, path)
    found += network.host_ports(spec, of_pod, path)
    found += checks.listed(spec.get("restartPolicy"), f"{path}.restartPolicy", RESTART_POLICIES)
    found += network.dns_policy(spec, path)
    found += metadata.validate_labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    found += security.shared_processes(spec, f"{path}.securityContext")
    found += security.validate_pod(spec, f"{path}.securityContext")
    found += placement.affinity(spec.get("affinity"), f"{path}.affinity")
    found += network.dns_config(spec, f"{path}.dnsConfig")
    found += _gates(spec, path)
    found += placement.spread(spec.get("topologySpreadConstraints") or [], f"{path}.topologySpreadConstraints")
    found += security.host_processes(spec, path)
    found += security.host_users(spec, path)
    found += network.hostname_override(spec, f"{path}.hostnameOverride")
    found += _names(spec, path)
    found += security.operating_system(spec, path)
    return found + environment.file_references(spec, path)


def _containers(spec: Object, around: containers.Around, path: str) -> Errors:
    main, init = spec.get("containers") or [], spec.get("initContainers") or []
    found = containers.validate(main, around, f"{path}.containers")
    found += containers.validate_init(init, main, around, f"{path}.initContainers")
    extra = spec.get("ephemeralContainers") or []
    return found + containers.validate_ephemeral(extra, [*main, *init], around, f"{path}.ephemeralContainers")


def _gates(spec: Object, path: str) -> Errors:
    found: Errors = []
    for position, gate in enumerate(spec.get("readinessGates") or ()):
        where = f"{path}.readinessGates[{position}].conditionType"
        found += checks.word(gate.get("conditionType", ""), where, names.label_key)
    taken: set[str] = set()
    for position, gate in enumerate(spec.get("schedulingGates") or ()):
        where = f"{path}.schedulingGates[{position}]"
        name = gate.get("name", "")
        found += checks.word(name, where, names.label_key)
        if name in taken:
            found.append(field.duplicate(where, name))
        taken.add(name)
    return found


def _names(spec: Object, path: str) -> Errors:
    found = _name(spec, "serviceAccountName", path) + _name(spec, "nodeName", path)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _INT32:
        found.append(field.invalid(f"{path}.activeDeadlineSeconds", deadline, names.between(1, _INT32)))
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            found += checks.word(spec[key], f"{path}.{key}", names.dns_label)
    found += placement.tolerations(spec.get("tolerations") or [], f"{path}.tolerations")
    found += network.host_aliases(spec.get("hostAliases") or [], f"{path}.hostAliases")
    found += _name(spec, "priorityClassName", path)
    if spec.get("runtimeClassName") is not None:
        found += checks.word(spec["runtimeClassName"], f"{path}.runtimeClassName", names.dns_subdomain)
    if spec.get("preemptionPolicy") is not None:
        policies = ("PreemptLowerPriority", "Never")
        found += checks.listed(spec["preemptionPolicy"], f"{path}.preemptionPolicy", policies)
    if spec.get("overhead") is not None:
        found += requirements.validate({"limits": spec["overhead"]}, (), f"{path}.overhead")
    return found


def _name(spec: Object, key: str, path: str) -> Errors:
    return checks.word(spec[key], f"{path}.{key}", names.dns_subdomain) if spec.get(key) else []
