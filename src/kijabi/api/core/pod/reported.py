"""What writers of a pod's status may say.

Source: "Pod Lifecycle" in the documentation; KEP-5307 (container restart rules), KEP-5067 (observed generation).
"""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api import addresses, checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.core.pod import changes
from kijabi.api.resource import Object

_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
_SYSTEM = ("PodScheduled", "Ready", "Initialized")
_HEALTHS = ("Healthy", "Unhealthy", "Unknown")
_NOT_NEGATIVE = "must be a non-negative integer"
_LONGEST_MESSAGE = 1024


def keep_generations(status: Object, before: Object) -> None:
    """``observedGeneration``, of the status and of each condition, stays where an old writer leaves it out."""
    if not status.get("observedGeneration") and "observedGeneration" in before:
        status["observedGeneration"] = before["observedGeneration"]
    known = {
        c.get("type"): c["observedGeneration"] for c in before.get("conditions") or () if "observedGeneration" in c
    }
    for condition in status.get("conditions") or ():
        if not condition.get("observedGeneration") and condition.get("type") in known:
            condition["observedGeneration"] = known[condition["type"]]


def mirror_addresses(status: Object) -> None:
    """``podIP`` is the first of ``podIPs``; old writers give only the one, and where the two differ it counts."""
    one, many = status.get("podIP"), status.get("podIPs")
    if one and (not many or many[0].get("ip") != one):
        status["podIPs"] = [{"ip": one}]
    elif many and not one:
        status["podIP"] = many[0].get("ip", "")


def drop_disabled(status: Object) -> None:
    """What is behind gates that are off."""
    status.pop("nodeAllocatableResourceClaimStatuses", None)
    for kind in _STATUSES:
        for container in status.get(kind) or ():
            for mount in container.get("volumeMounts") or ():
                mount.pop("volumeStatus", None)


def fill(status: Object) -> None:
    """States of containers that are always written, and times in them that nobody told."""
    for kind in _STATUSES:
        for container in status.get(kind) or ():
            for key in ("state", "lastState"):
                state = container.setdefault(key, {})
                for name, times in (("running", ("startedAt",)), ("terminated", ("startedAt", "finishedAt"))):
                    if state.get(name) is not None:
                        for time in times:
                            state[name].setdefault(time, None)


def validate(new: Object, old: Object) -> Errors:
    told, before = new.get("status") or {}, old.get("status") or {}
    found: Errors = []
    if new["metadata"].get("annotations") != old["metadata"].get("annotations"):
        found += changes.annotation_changes(new, old)
    found += _conditions(told.get("conditions") or [])
    found += _nominated(told.get("nominatedNodeName", ""), before.get("nominatedNodeName", ""), old["spec"])
    if told.get("observedGeneration", 0) < 0:
        found.append(field.invalid("status.observedGeneration", told["observedGeneration"], _NOT_NEGATIVE))
    found += checks.immutable(told.get("qosClass", ""), before.get("qosClass", ""), "status.qosClass")
    found += _no_resurrection(told, before, old["spec"])
    if told.get("resourceClaimStatuses"):
        found += _claims(told["resourceClaimStatuses"], new["spec"])
    found += _addresses(told, before)
    for kind in _STATUSES:
        for position, container in enumerate(told.get(kind) or ()):
            if "user" in container or "allocatedResourcesStatus" in container:
                found += _container(container, kind, new["spec"], f"status.{kind}[{position}]")
    return found


def warnings(new: Object) -> list[str]:
    told = new.get("status") or {}
    return [
        text
        for kind in ("podIPs", "hostIPs")
        for position, one in enumerate(told.get(kind) or ())
        for text in addresses.ip_warnings(one.get("ip", ""), f"status.{kind}[{position}].ip")
    ]


def _conditions(conditions: list[Object]) -> Errors:
    found: Errors = []
    for position, condition in enumerate(conditions):
        where = f"status.conditions[{position}]"
        if condition.get("observedGeneration", 0) < 0:
            value = condition["observedGeneration"]
            found.append(field.invalid(f"{where}.observedGeneration", value, _NOT_NEGATIVE))
        if condition.get("type") not in _SYSTEM:
            found += checks.word(condition.get("type", ""), f"{where}.Type", names.label_key)
    return found


def _nominated(name: str, before: str, spec: Object) -> Errors:
    if not name or name == before:
        return []
    path = "status.nominatedNodeName"
    found = checks.word(name, path, names.dns_subdomain)
    if spec.get("nodeName"):
        found.append(field.forbidden(path, "may not be set on pods that are already bound to a node"))
    return found


def _no_resurrection(told: Object, before: Object, spec: Object) -> Errors:
    """A container that will not be restarted stays ended."""
    found: Errors = []
    for kind, part in zip(_STATUSES, ("containers", "initContainers", ""), strict=True):
        ended = [(n, one) for n, one in enumerate(before.get(kind) or ()) if "terminated" in (one.get("state") or {})]
        if not ended or (part and _all_restart(spec)):
            continue
        states = {one.get("name"): one.get("state") or {} for one in told.get(kind) or ()}
        containers = {one.get("name"): one for one in (spec.get(part) or ()) if part}
        for position, one in ended:
            state = states.get(one.get("name"))
            if state is None or "terminated" in state:
                continue
            container = containers.get(one.get("name"))
            code = one["state"]["terminated"].get("exitCode", 0)
            if container is None or not _should_restart(container, spec, code):
                where = f"status.{kind}[{position}].state"
                found.append(field.forbidden(where, "may not be transitioned to non-terminated state"))
    return found


def _all_restart(spec: Object) -> bool:
    """A rule of any container may start them all again."""
    return any(
        rule.get("action") == "RestartAllContainers"
        for kind in ("containers", "initContainers")
        for container in spec.get(kind) or ()
        for rule in container.get("restartPolicyRules") or ()
    )


def _should_restart(container: Object, spec: Object, code: int) -> bool:
    """By the first rule that is about this exit code, else by the container's policy, else by the pod's."""
    own = container.get("restartPolicy")
    if own is not None:
        for rule in container.get("restartPolicyRules") or ():
            codes = rule.get("exitCodes") or {}
            if (code in (codes.get("values") or ())) is (codes.get("operator") == "In"):
                return True
    policy = own or spec.get("restartPolicy")
    return code != 0 if policy == "OnFailure" else policy != "Never"


def _claims(statuses: list[Object], spec: Object) -> Errors:
    found: Errors = []
    known = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    taken: set[str] = set()
    for position, status in enumerate(statuses):
        where = f"status.resourceClaimStatuses[{position}]"
        name = status.get("name", "")
        if name not in known:
            text = "must match the name of an entry in `spec.resourceClaims`"
            found.append(field.invalid(f"{where}.name", name, text))
        if name in taken:
            found.append(field.duplicate(f"{where}.name", name))
        taken.add(name)
        if status.get("resourceClaimName") is not None:
            found += checks.word(status["resourceClaimName"], f"{where}.resourceClaimName", names.dns_subdomain)
    return found


def _addresses(told: Object, before: Object) -> Errors:
    found: Errors = []
    hosts = told.get("hostIPs") or ()
    if hosts and told.get("hostIP", "") != hosts[0].get("ip", ""):
        found.append(field.invalid("status.hostIPs[0].ip", hosts[0].get("ip", ""), "must be equal to `hostIP`"))
    for kind in ("podIPs", "hostIPs"):
        listed = [one.get("ip", "") for one in told.get(kind) or ()]
        if listed == [one.get("ip", "") for one in before.get(kind) or ()]:
            continue
        kept = {one.get("ip", "") for one in before.get(kind) or ()}
        for position, text in enumerate(listed):
            found += addresses.ip(text, f"status.{kind}[{position}]", kept)
        if len(listed) > 1 and (len(listed) > 2 or not addresses.is_dual(listed)):
            shown = [{"IP": text} for text in listed]
            text = "may specify no more than one IP for each IP family"
            found.append(field.invalid(f"status.{kind}", shown, text))
    return found


def _container(status: Object, kind: str, spec: Object, path: str) -> Errors:
    found: Errors = []
    user = (status.get("user") or {}).get("linux")
    if user is not None and (spec.get("os") or {}).get("name") == "windows":
        found.append(field.forbidden(f"{path}.user.linux", "cannot be set for a windows pod"))
    elif user is not None:
        found += _user(user, f"{path}.user.linux")
    devices = status.get("allocatedResourcesStatus") or ()
    where = f"{path}.allocatedResourcesStatus"
    if devices and kind == "ephemeralContainerStatuses":
        return [*found, field.forbidden(where, "must not be specified in container status")]
    part = spec.get(kind.removesuffix("Statuses") + "s") or ()
    container = next((one for one in part if one.get("name") == status.get("name")), None)
    for position, device in enumerate(devices):
        if container is not None:
            found += _allocated(device.get("name", ""), container, f"{where}[{position}].name")
        found += _health(device.get("resources") or (), f"{where}[{position}].resources")
    return found


def _user(user: Object, path: str) -> Errors:
    found: Errors = []
    ids = [(user.get(key, 0), f"{path}.{key}") for key in ("uid", "gid")]
    ids += [(group, f"{path}.supplementalGroups[{n}]") for n, group in enumerate(user.get("supplementalGroups") or ())]
    for value, where in ids:
        found += [field.invalid(where, value, text) for text in names.user_id(value)]
    return found


def _allocated(name: str, container: Object, path: str) -> Errors:
    resources = container.get("resources") or {}
    if not name.startswith("claim:"):
        if name in (resources.get("requests") or {}):
            return []
        return [field.invalid(path, name, "must match one of the container's resource requests")]
    for claim in resources.get("claims") or ():
        request = claim.get("request")
        if name == f"claim:{claim.get('name', '')}" + (f"/{request}" if request else ""):
            return []
    text = (
        "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' "
        "or 'claim:<claimName>' if request is empty"
    )
    return [field.invalid(path, name, text)]


def _health(resources: Iterable[Object], path: str) -> Errors:
    found: Errors = []
    taken: set[str] = set()
    for position, one in enumerate(resources):
        where = f"{path}[{position}]"
        if one.get("health") not in _HEALTHS:
            found.append(field.not_supported(f"{where}.health", one.get("health", ""), _HEALTHS))
        message = one.get("message")
        if message == "":
            found.append(field.required(f"{where}.message", "must be non-empty if specified"))
        elif message is not None and len(message) > _LONGEST_MESSAGE:
            found.append(field.too_long(f"{where}.message", _LONGEST_MESSAGE))
        if one.get("resourceID", "") in taken:
            found.append(field.duplicate(f"{where}.resourceID", one.get("resourceID", "")))
        taken.add(one.get("resourceID", ""))
    return found
