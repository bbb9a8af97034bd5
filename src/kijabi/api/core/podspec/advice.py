"""What a pod or a template is warned of: fields that do nothing any more, and what is likely not meant.

Source: the warnings that v1.36 gives; see "Deprecated API Migration Guide" and the fields' own documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kijabi.api import addresses, field, names
from kijabi.api.core import claims
from kijabi.api.core.podspec import annotated, overlaps, security, sound
from kijabi.api.resource import Object

# Labels of nodes that other labels, or nothing, took the place of.
_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_SYSCTLS = 'non-functional in v1.11+; use the "sysctls" field instead'
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": _SYSCTLS,
    "security.alpha.kubernetes.io/unsafe-sysctls": _SYSCTLS,
}
# Sources of volumes: (deprecated in, what became of them).
SOURCES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_SPELLED = {"storageos": "storageOS"}
_NO_SELECTOR = "a null labelSelector results in matching no pod"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def of_pod(pod: Object) -> list[str]:
    """Most pods are like one before, of which it is known that there is nothing to say."""
    spec, told = pod["spec"], pod["metadata"].get("annotations")
    mark = sound.mark_again(spec)
    known = sound.warnings(mark)
    if known is None:
        known = tuple(_of_spec(spec, "spec"))
        sound.remember_warnings(mark, known)
    found = list(known)
    return found + _of_annotations(spec, told, "", False) if told else found


def of_template(template: Object | None, path: str) -> list[str]:
    """``path`` is the template's."""
    if template is None:
        return []
    spec, meta = template.get("spec") or {}, template.get("metadata") or {}
    found = _of_spec(spec, field.child(path, "spec"))
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{path}.spec.terminationGracePeriodSeconds: {text}")
    return found + _of_annotations(spec, meta.get("annotations"), path, True)


def hostname(name: str, used: str) -> list[str]:
    """``used`` says what the name of an object becomes part of."""
    complaints = names.dns_label(name)
    if not complaints:
        return []
    listed = "[" + " ".join(complaints) + "]"
    text = f"this is used in {used}, which can result in surprising behavior; a DNS label is recommended: {listed}"
    return [f"metadata.name: {text}"]


def _of_annotations(spec: Object, told: Mapping[str, str] | None, path: str, template: bool) -> list[str]:
    if not told:
        return []
    where = field.child(path, "metadata.annotations")
    found = [f"{where}[{key}]: {text}" for key, text in _ANNOTATIONS.items() if key in told]
    text = 'non-functional in v1.27+; use the "seccompProfile" field instead'
    pod = spec.get("securityContext") or {}
    if "seccompProfile" not in pod and annotated.SECCOMP_POD in told:
        found.append(f"{where}[{annotated.SECCOMP_POD}]: {text}")
    for container, _ in security.every_container(spec, ""):
        own = container.get("securityContext") or {}
        key = annotated.SECCOMP_CONTAINER + container.get("name", "")
        if "seccompProfile" not in own and key in told:
            found.append(f"{where}[{key}]: {text}")
        key = annotated.APPARMOR + container.get("name", "")
        if key in told and _is_old_way(told[key], own, pod, template):
            found.append(f'{where}[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead')
    return found


def _is_old_way(annotation: str, own: Object, pod: Object, template: bool) -> bool:
    said = annotated.apparmor_field(annotation)
    if template:
        return "appArmorProfile" not in own and (said is None or said != pod.get("appArmorProfile"))
    # A pod's fields have been filled in from its annotations by now.
    return said is None or said == own.get("appArmorProfile")


def _of_spec(spec: Object, path: str) -> list[str]:
    found = [f"{path}.nodeSelector[{key}]: {_LABELS[key]}" for key in spec.get("nodeSelector") or () if key in _LABELS]
    affinity = spec.get("affinity") or {}
    if affinity.get("nodeAffinity"):
        found += _node_affinity(affinity["nodeAffinity"], f"{path}.affinity.nodeAffinity")
    for position, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        where = f"{path}.topologySpreadConstraints[{position}]"
        key = constraint.get("topologyKey", "")
        if key in _LABELS:
            found.append(f"{where}.topologyKey: {key} is {_LABELS[key]}")
        if constraint.get("labelSelector") is None:
            found.append(f"{where}.labelSelector: {_NO_SELECTOR}")
    found += _volumes(spec.get("volumes") or [], f"{path}.volumes")
    found += _duplicates(spec, path)
    for name in ("memory", "ephemeral-storage"):
        found += claims.fractional((spec.get("overhead") or {}).get(name), f"{path}.overhead[{name}]")
    for container, where in security.every_container(spec, path):
        found += _container(container, where)
    found += _ports(spec, path) + _port_names(spec, path)
    for kind in ("podAffinity", "podAntiAffinity"):
        if affinity.get(kind):
            found += _pod_affinity(affinity[kind], f"{path}.affinity.{kind}")
    for position, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        found += addresses.ip_warnings(server, f"{path}.dnsConfig.nameservers[{position}]")
    for position, alias in enumerate(spec.get("hostAliases") or ()):
        found += addresses.ip_warnings(alias.get("ip", ""), f"{path}.hostAliases[{position}].ip")
    return found


def _node_affinity(affinity: Object, path: str) -> list[str]:
    found: list[str] = []
    required = affinity.get(_REQUIRED) or {}
    for position, term in enumerate(required.get("nodeSelectorTerms") or ()):
        found += node_term(term, f"{path}.{_REQUIRED}.nodeSelectorTerms[{position}]", False)
    for position, term in enumerate(affinity.get(_PREFERRED) or ()):
        found += node_term(term.get("preference") or {}, f"{path}.{_PREFERRED}[{position}].preference", True)
    return found


def node_term(term: Object, path: str, values: bool = False) -> list[str]:
    """A node selector term, which PersistentVolumes have too; ``values`` are looked at where nobody refuses them."""
    found: list[str] = []
    for position, expression in enumerate(term.get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{position}]"
        key = expression.get("key", "")
        if key in _LABELS:
            found.append(f"{where}.key: {key} is {_LABELS[key]}")
        for number, value in enumerate(expression.get("values") or () if values else ()):
            texts = names.label_value(value)
            found += [f"{where}.values[{number}]: {value} is invalid, {text}" for text in texts]
    return found


def _pod_affinity(affinity: Object, path: str) -> list[str]:
    required = [(term, f"[{n}]") for n, term in enumerate(affinity.get(_REQUIRED) or ())]
    preferred = [
        (weighted.get("podAffinityTerm") or {}, f"[{n}].podAffinityTerm")
        for n, weighted in enumerate(affinity.get(_PREFERRED) or ())
    ]
    return [
        f"{path}.{key}{where}.labelSelector: {_NO_SELECTOR}"
        for key, terms in ((_REQUIRED, required), (_PREFERRED, preferred))
        for term, where in terms
        if term.get("labelSelector") is None
    ]


def _volumes(volumes: list[Object], path: str) -> list[str]:
    found: list[str] = []
    for position, volume in enumerate(volumes):
        where = f"{path}[{position}]"
        for kind, text in SOURCES.items():
            if kind in volume:
                found.append(f"{where}.{_SPELLED.get(kind, kind)}: {text}")
        template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if template:
            spec = template.get("spec") or {}
            found += claims.spec_warnings(spec, f"{where}.ephemeral.volumeClaimTemplate.spec")
    return found + overlaps.find(volumes)


def _duplicates(spec: Object, path: str) -> list[str]:
    found: list[str] = []
    taken: set[Any] = set()
    for position, alias in enumerate(spec.get("hostAliases") or ()):
        if alias.get("ip", "") in taken:
            found.append(f'{path}.hostAliases[{position}].ip: duplicate ip "{alias.get("ip", "")}"')
        taken.add(alias.get("ip", ""))
    taken = set()
    secrets = spec.get("imagePullSecrets") or ()
    for position, secret in enumerate(secrets):
        if secret.get("name", "") in taken:
            found.append(f'{path}.imagePullSecrets[{position}].name: duplicate name "{secret.get("name", "")}"')
        taken.add(secret.get("name", ""))
    for position, secret in enumerate(secrets):
        if not secret.get("name"):
            found.append(f'{path}.imagePullSecrets[{position}].name: invalid empty name ""')
    return found


def _container(container: Object, path: str) -> list[str]:
    found: list[str] = []
    resources = container.get("resources")
    if resources:
        for name in ("memory", "ephemeral-storage"):
            for which in ("limits", "requests"):
                amount = (resources.get(which) or {}).get(name)
                found += claims.fractional(amount, f"{path}.resources.{which}[{name}]")
    variables = container.get("env") or ()
    taken: set[str] = set()
    for position, variable in enumerate(variables):
        name, value = variable.get("name", ""), variable.get("value", "")
        itself = f"$({name})"
        if name in taken and ("valueFrom" in variable or value == itself or itself not in value):
            text = f'hides previous definition of "{name}", which may be dropped when using apply'
            found.append(f"{path}.env[{position}]: {text}")
        taken.add(name)
    return found


def _ports(spec: Object, path: str) -> list[str]:
    found: list[str] = []
    known: dict[tuple[int, str], list[tuple[str, Object]]] = {}
    for container, where in security.every_container(spec, path):
        for position, port in enumerate(container.get("ports") or ()):
            place = f"{where}.ports[{position}]"
            if port.get("hostIP") and not port.get("hostPort"):
                found.append(f"{place}: hostIP set without hostPort: {_shown(port)}")
            others = known.setdefault((port.get("containerPort", 0), port.get("protocol", "")), [])
            for other_place, other in others:
                how = _clash(port, other)
                if how:
                    found.append(f"{place}: {how} port definition with {other_place}")
            others.append((place, port))
    return found


def _clash(port: Object, other: Object) -> str:
    here, there = (port.get("hostIP", ""), port.get("hostPort", 0)), (other.get("hostIP", ""), other.get("hostPort", 0))
    if here == there:
        return "duplicate"
    if not here[1] or not there[1]:
        return "overlapping"
    return "dangerously ambiguous" if here[1] == there[1] and bool(here[0]) != bool(there[0]) else ""


def _shown(port: Object) -> str:
    parts = (
        f"Name:{port.get('name', '')}",
        f"HostPort:{port.get('hostPort', 0)}",
        f"ContainerPort:{port.get('containerPort', 0)}",
        f"Protocol:{port.get('protocol', '')}",
        f"HostIP:{port.get('hostIP', '')}",
    )
    return "{" + " ".join(parts) + "}"


def _port_names(spec: Object, path: str) -> list[str]:
    found: list[str] = []
    known: dict[str, str] = {}
    for container, where in security.every_container(spec, path):
        for position, port in enumerate(container.get("ports") or ()):
            name, place = port.get("name"), f"{where}.ports[{position}]"
            if name and name in known:
                first = known[name]
                text = f"services and probes that select ports by name will use {first}"
                found.append(f'{place}: duplicate port name "{name}" with {first}, {text}')
            elif name:
                known[name] = place
    return found
