"""Validation of pods and pod templates, in upstream's order.

Left out, because the features behind them are off by default or not of Linux: Windows host process containers,
checkpoint and scheduling-group fields.
"""

from __future__ import annotations

from kijabi.api import checks, field, metadata, names
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import containers, placement, sound, volumes
from kijabi.api.resource import Object

RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_INT32 = 2**31 - 1


def validate_pod(pod: Object) -> Errors:
    """A pod that is created; its metadata is validated elsewhere."""
    spec = pod["spec"]
    found = validate(spec, "spec") + only_pods(spec)
    if spec.get("ephemeralContainers"):
        found.append(field.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        text = "cannot be set until all schedulingGates have been cleared"
        found.append(field.forbidden("spec.nodeName", text))
    return found


def only_pods(spec: Object) -> Errors:
    """What is asked of pods but not of templates."""
    found: Errors = []
    if not spec.get("serviceAccountName"):
        for position, volume in enumerate(spec.get("volumes") or ()):
            for number, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
                if "serviceAccountToken" in source:
                    path = f"spec.volumes[{position}].projected.sources[{number}].serviceAccountToken"
                    found.append(field.forbidden(path, "must not be specified when serviceAccountName is not set"))
    for kind in ("containers", "initContainers"):
        for position, container in enumerate(spec.get(kind) or ()):
            image = container.get("image", "")
            if image != image.strip():
                path = f"spec.{kind}[{position}].image"
                found.append(field.invalid(path, image, "must not have leading or trailing whitespace"))
    return found


def validate_template(template: Object, path: str) -> Errors:
    """A ``PodTemplateSpec``: labels, annotations and spec."""
    meta = template.get("metadata") or {}
    where = field.child(path, "metadata")
    found = metadata.validate_labels(meta.get("labels"), field.child(where, "labels"))
    found += metadata.validate_annotations(meta.get("annotations"), field.child(where, "annotations"))
    spec = template.get("spec") or {}
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        found.append(field.forbidden(field.child(path, "spec", "ephemeralContainers"), text))
    return found + validate(spec, field.child(path, "spec"))


def validate(spec: Object, path: str) -> Errors:
    """What is wrong with a spec. One that was without fault before is not looked through again (``sound``)."""
    mark = sound.digest(spec)
    if sound.is_known(mark):
        return []
    found = _validate(spec, path)
    if not found:
        sound.remember(mark)
    return found


def _validate(spec: Object, path: str) -> Errors:
    grace = spec.get("terminationGracePeriodSeconds")
    mountable, found = volumes.validate(spec.get("volumes") or [], field.child(path, "volumes"))
    main, init = spec.get("containers") or [], spec.get("initContainers") or []
    found += containers.validate(main, mountable, grace, field.child(path, "containers"))
    found += containers.validate_init(init, main, mountable, grace, field.child(path, "initContainers"))
    extra = spec.get("ephemeralContainers") or []
    if extra:
        where = field.child(path, "ephemeralContainers")
        found += containers.validate_ephemeral(extra, [*main, *init], mountable, where)
    found += _network(spec, path)
    found += checks.one_of(spec.get("restartPolicy"), field.child(path, "restartPolicy"), RESTART_POLICIES)
    found += checks.one_of(spec.get("dnsPolicy"), field.child(path, "dnsPolicy"), _DNS_POLICIES)
    if spec.get("nodeSelector"):
        found += metadata.validate_labels(spec["nodeSelector"], field.child(path, "nodeSelector"))
    if spec.get("securityContext"):
        found += _security(spec["securityContext"], field.child(path, "securityContext"))
    if "affinity" in spec:
        found += placement.affinity(spec["affinity"], field.child(path, "affinity"))
    found += _dns(spec, path)
    found += _gates(spec, path)
    if "topologySpreadConstraints" in spec:
        where = field.child(path, "topologySpreadConstraints")
        found += placement.spread(spec["topologySpreadConstraints"], where)
    found += _names(spec, path)
    if spec.get("tolerations"):
        found += placement.tolerations(spec["tolerations"], field.child(path, "tolerations"))
    return found + _rest(spec, path)


def _network(spec: Object, path: str) -> Errors:
    if not spec.get("hostNetwork"):
        return []
    found: Errors = []
    for kind in ("containers", "initContainers"):
        for position, container in enumerate(spec.get(kind) or ()):
            for number, port in enumerate(container.get("ports") or ()):
                if port.get("hostPort", 0) and port["hostPort"] != port.get("containerPort"):
                    where = f"{path}.{kind}[{position}].ports[{number}].containerPort"
                    text = "must match `hostPort` when `hostNetwork` is true"
                    found.append(field.invalid(where, port.get("containerPort", 0), text))
    return found


def _security(context: Object, path: str) -> Errors:
    found: Errors = []
    for key in ("fsGroup", "runAsUser", "runAsGroup"):
        if context.get(key) is not None:
            texts = names.user_id(context[key])
            found += [field.invalid(field.child(path, key), context[key], text) for text in texts]
    for position, group in enumerate(context.get("supplementalGroups") or ()):
        where = field.index(field.child(path, "supplementalGroups"), position)
        found += [field.invalid(where, group, text) for text in names.user_id(group)]
    seen: set[str] = set()
    for position, sysctl in enumerate(context.get("sysctls") or ()):
        where = field.child(field.index(field.child(path, "sysctls"), position), "name")
        name = sysctl.get("name", "")
        if not name:
            found.append(field.required(where))
        elif name in seen:
            found.append(field.duplicate(where, name))
        seen.add(name)
    policy = context.get("fsGroupChangePolicy")
    found += checks.optional(policy, field.child(path, "fsGroupChangePolicy"), ("Always", "OnRootMismatch"))
    found += containers.profile(context.get("seccompProfile"), field.child(path, "seccompProfile"))
    return found + containers.profile(context.get("appArmorProfile"), field.child(path, "appArmorProfile"))


def _dns(spec: Object, path: str) -> Errors:
    config = spec.get("dnsConfig") or {}
    where = field.child(path, "dnsConfig")
    servers, searches = config.get("nameservers") or (), config.get("searches") or ()
    found: Errors = []
    if spec.get("dnsPolicy") == "None" and not servers:
        text = f"must provide at least one DNS nameserver when `dnsPolicy` is {spec['dnsPolicy']}"
        found.append(field.required(field.child(where, "nameservers"), text))
    if len(servers) > 3:
        text = "must not have more than 3 nameservers"
        found.append(field.invalid(field.child(where, "nameservers"), list(servers), text))
    for position, server in enumerate(servers):
        found += checks.ip(server, field.index(field.child(where, "nameservers"), position))
    if len(searches) > 32:
        text = "must not have more than 32 search paths"
        found.append(field.invalid(field.child(where, "searches"), list(searches), text))
    for position, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            found.append(field.required(field.index(field.child(where, "options"), position), "must not be empty"))
    return found


def _gates(spec: Object, path: str) -> Errors:
    found: Errors = []
    for position, gate in enumerate(spec.get("readinessGates") or ()):
        where = field.child(field.index(field.child(path, "readinessGates"), position), "conditionType")
        found += checks.word(gate.get("conditionType", ""), where, names.label_key)
    seen: set[str] = set()
    for position, gate in enumerate(spec.get("schedulingGates") or ()):
        where = field.index(field.child(path, "schedulingGates"), position)
        name = gate.get("name", "")
        found += checks.word(name, where, names.label_key)
        if name in seen:
            found.append(field.duplicate(where, name))
        seen.add(name)
    return found


_NAMES = (
    ("serviceAccountName", names.dns_subdomain),
    ("nodeName", names.dns_subdomain),
    ("hostname", names.dns_label),
    ("subdomain", names.dns_label),
    ("priorityClassName", names.dns_subdomain),
    ("runtimeClassName", names.dns_subdomain),
)


def _names(spec: Object, path: str) -> Errors:
    found: Errors = []
    for key, rule in _NAMES:
        if spec.get(key):
            found += checks.word(spec[key], field.child(path, key), rule)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _INT32:
        where = field.child(path, "activeDeadlineSeconds")
        found.append(field.invalid(where, deadline, names.between(1, _INT32)))
    return found


def _rest(spec: Object, path: str) -> Errors:
    found: Errors = []
    for position, alias in enumerate(spec.get("hostAliases") or ()):
        where = field.index(field.child(path, "hostAliases"), position)
        found += checks.ip(alias.get("ip", ""), field.child(where, "ip"))
        for number, name in enumerate(alias.get("hostnames") or ()):
            found += checks.word(name, field.index(field.child(where, "hostnames"), number), names.dns_subdomain)
    policies = ("Never", "PreemptLowerPriority")
    found += checks.optional(spec.get("preemptionPolicy"), field.child(path, "preemptionPolicy"), policies)
    if spec.get("overhead"):
        found += checks.amounts(spec["overhead"], field.child(path, "overhead"))
    system = spec.get("os")
    if system is not None:
        found += checks.one_of(system.get("name"), field.child(path, "os", "name"), ("linux", "windows"))
    return found
