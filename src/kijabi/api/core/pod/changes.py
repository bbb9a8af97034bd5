"""What an update of a pod may change.

Source: "Pod update and replacement" in the documentation; KEP-3838 (directives of gated pods), KEP-277 (ephemeral
containers), KEP-1287 (resize).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kijabi.api import field, metadata, names, resource
from kijabi.api.checks import Errors
from kijabi.api.core import inner
from kijabi.api.core.podspec import annotated, defaults, equality, placement, validation
from kijabi.api.predicates import fit, pods
from kijabi.api.resource import Object

_CHANGEABLE = ",".join(
    (
        "`spec.containers[*].image`",
        "`spec.initContainers[*].image`",
        "`spec.activeDeadlineSeconds`",
        "`spec.tolerations` (only additions to existing tolerations)",
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )
)
_INT32 = 2**31 - 1
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    if spec == before:
        # Nothing but metadata, which is what most updates are about.
        return _metadata(new) + (_annotations(new, old) if _is_told(new, old) else [])
    found = _metadata(new) + validation.pod_and_spec(new, old) + annotation_changes(new, old)
    for kind in ("containers", "initContainers"):
        if len(spec.get(kind) or ()) != len(before.get(kind) or ()):
            return [*found, field.forbidden(f"spec.{kind}", "pod updates may not add or remove containers")]
        for position, container in enumerate(spec.get(kind) or ()):
            found += _image(container.get("image", ""), f"spec.{kind}[{position}].image")
    problems, stop = _deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    found += problems
    if stop:
        return found
    found += _tolerations(spec.get("tolerations") or [], before.get("tolerations") or [])
    found += _gates(spec.get("schedulingGates") or [], before.get("schedulingGates") or [])
    return found + _others(spec, before)


def _is_told(new: Object, old: Object) -> bool:
    return bool(new["metadata"].get("annotations") or old["metadata"].get("annotations"))


def _annotations(new: Object, old: Object) -> Errors:
    told = new["metadata"].get("annotations")
    cost = (old["metadata"].get("annotations") or {}).get(annotated.DELETION_COST)
    return annotated.validate(told, new["spec"], "metadata.annotations", cost) + annotation_changes(new, old)


def _metadata(pod: Object) -> Errors:
    """Upstream looks through the metadata of an update as if it were new, besides; only finalizers are judged by more
    than the rules of updates."""
    if not pod["metadata"].get("finalizers"):
        return []
    return metadata.validate(pod["metadata"], True, metadata.subdomain)


def annotation_changes(new: Object, old: Object) -> Errors:
    told, before = new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {}
    found: Errors = []
    path = "metadata.annotations"
    for key, value in before.items():
        if told.get(key) == value:
            continue
        if key.startswith(annotated.APPARMOR):
            found.append(field.forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations"))
        if key == annotated.MIRROR:
            found.append(field.forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation"))
    for key in told.keys() - before.keys():
        if key.startswith(annotated.APPARMOR):
            found.append(field.forbidden(f"{path}[{key}]", "may not add AppArmor annotations"))
        if key == annotated.MIRROR:
            found.append(field.forbidden(f"{path}[{key}]", "may not add mirror pod annotation"))
    cost = before.get(annotated.DELETION_COST)
    return found + annotated.validate(told, new["spec"], path, cost)


def _image(image: str, path: str) -> Errors:
    found = [] if image else [field.required(path)]
    if image != image.strip():
        found.append(field.invalid(path, image, "must not have leading or trailing whitespace"))
    return found


def _deadline(new: int | None, old: int | None) -> tuple[Errors, bool]:
    """What is wrong, and whether nothing else is worth looking at."""
    path = "spec.activeDeadlineSeconds"
    if new is None:
        text = "must not update from a positive integer to nil value"
        return ([field.invalid(path, None, text)] if old is not None else []), False
    if not 0 <= new <= _INT32:
        return [field.invalid(path, new, names.between(0, _INT32))], True
    if old is not None and old < new:
        return [field.invalid(path, new, "must be less than or equal to previous value")], True
    return [], False


def _tolerations(new: list[Object], old: list[Object]) -> Errors:
    def without_seconds(toleration: Object) -> Object:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    having = [without_seconds(toleration) for toleration in new]
    if any(without_seconds(toleration) not in having for toleration in old):
        text = "existing toleration can not be modified except its tolerationSeconds"
        return [field.forbidden("spec.tolerations", text)]
    return placement.tolerations(new, "spec.tolerations")


def _gates(new: list[Object], old: list[Object]) -> Errors:
    known = {gate.get("name") for gate in old}
    text = "only deletion is allowed, but found new scheduling gate"
    return [
        field.forbidden(f"spec.schedulingGates[{position}].name", f"{text} '{gate.get('name', '')}'")
        for position, gate in enumerate(new)
        if gate.get("name") not in known
    ]


def _others(spec: Object, before: Object) -> Errors:
    """All that may change is set back; what differs then may not."""
    munged = dict(spec)
    for kind in ("containers", "initContainers"):
        if kind in munged:
            munged[kind] = [
                {**container, "image": was.get("image")}
                for container, was in zip(munged[kind], before[kind], strict=True)
            ]
    for key in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        resource.keep(munged, before, key)
    if before.get("terminationGracePeriodSeconds", 0) < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        resource.keep(munged, before, "terminationGracePeriodSeconds")
    found = _narrowed(munged, before) if before.get("schedulingGates") else []
    if not equality.same(munged, before):
        text = f"pod updates may not change fields other than {_CHANGEABLE}"
        found.append(field.forbidden("spec", f"{text}\n{inner.diff('PodSpec', before, munged)}"))
    return found


def _narrowed(munged: Object, before: Object) -> Errors:
    """While gates hold a pod back, where it may run can be narrowed; this is set back too."""
    found: Errors = []
    new, old = munged.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if any(new.get(key) != value for key, value in old.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        found.append(field.invalid("spec.nodeSelector", new or None, text))
    resource.keep(munged, before, "nodeSelector")
    stored = (before.get("affinity") or {}).get("nodeAffinity")
    wanted = (munged.get("affinity") or {}).get("nodeAffinity")
    if stored == wanted:
        return found
    found += _affinity(wanted or {}, stored or {})
    kept = {key: value for key, value in (munged.get("affinity") or {}).items() if key != "nodeAffinity"}
    if stored is not None:
        kept["nodeAffinity"] = stored
    if kept or "affinity" in before:
        munged["affinity"] = kept
    else:
        munged.pop("affinity", None)
    return found


def _affinity(new: Object, old: Object) -> Errors:
    terms = (old.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []
    given = (new.get(_REQUIRED) or {}).get("nodeSelectorTerms")
    wanted = given or []
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    if terms and len(terms) != len(wanted):
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [field.invalid(path, None if given is None else [_shown(term) for term in wanted], text)]
    text = "only additions are allowed (no mutations or deletions)"
    return [
        field.invalid(f"{path}[{position}]", _shown(now), text)
        for position, (now, was) in enumerate(zip(wanted, terms, strict=False))
        if not _only_adds(now, was)
    ]


def _shown(term: Object) -> Object:
    return inner.show("NodeSelectorTerm", term)


def _only_adds(now: Object, was: Object) -> bool:
    parts = [(now.get(key) or [], was.get(key) or []) for key in ("matchExpressions", "matchFields")]
    if not any(old for _, old in parts):
        # A term without expressions matches nothing: with one it would match more.
        return not any(new for new, _ in parts)
    return all(new[: len(old)] == old for new, old in parts)


def take_ephemeral(new: Object, old: Object) -> Errors:
    """``/ephemeralcontainers``: they may be added, never changed or taken away. All else stays as it is stored."""
    defaults.default_pod(new["spec"])
    defaults.default(new["spec"])
    wanted = new["spec"].get("ephemeralContainers") or []
    _as_stored(new, old, {**old["spec"], "ephemeralContainers": wanted})
    found = metadata.validate_update(new["metadata"], old["metadata"]) + validation.pod_and_spec(new, old)
    if annotated.MIRROR in (old["metadata"].get("annotations") or {}):
        return [field.forbidden("[]", "static pods do not support ephemeral containers")]
    path = "spec.ephemeralContainers"
    by_name = {container.get("name"): container for container in wanted}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container.get("name", "")
        kept = by_name.get(name)
        if kept is None:
            found.append(field.forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif not equality.same(kept, container):
            changes = inner.diff("EphemeralContainer", container, kept)
            text = f'existing ephemeral containers "{name}" may not be changed\n{changes}'
            found.append(field.forbidden(path, text))
    return found


def _as_stored(new: Object, old: Object, spec: Object) -> None:
    new["spec"] = spec
    resource.keep(new, old, "status")
    for key in ("labels", "annotations", "finalizers", "ownerReferences"):
        resource.keep(new["metadata"], old["metadata"], key)
    changed = not equality.same(spec, old["spec"])
    resource.count_generation(new, old, changed)


def take_resize(new: Object, old: Object) -> Errors:
    """``/resize``: CPU and memory of containers and of the pod, and what a resize does to a container."""
    spec, before = new["spec"], old["spec"]
    defaults.default_pod(spec)
    defaults.default(spec)
    counts = all(len(spec.get(kind) or ()) == len(before.get(kind) or ()) for kind in ("containers", "initContainers"))
    if counts:
        taken = {
            kind: _resized(spec[kind], before[kind]) for kind in ("containers", "initContainers") if kind in before
        }
        rest = {key: value for key, value in before.items() if key != "resources"}
        if "resources" in spec:
            rest["resources"] = spec["resources"]
        spec = {**rest, **taken}
        _as_stored(new, old, spec)
    found = metadata.validate_update(new["metadata"], old["metadata"]) + validation.pod_and_spec(new, old)
    if annotated.MIRROR in (old["metadata"].get("annotations") or {}):
        return [field.forbidden("[]", "static pods cannot be resized")]
    if (before.get("os") or {}).get("name") == "windows":
        return [field.forbidden("[]", "windows pods cannot be resized")]
    return found + _resize(new, old)


def _resized(wanted: list[Object], stored: list[Object]) -> list[Object]:
    """The stored containers with the resources of those that are wanted; as they are where they have other names."""
    taken = []
    for now, was in zip(wanted, stored, strict=True):
        if now.get("name") != was.get("name"):
            return wanted
        one = {key: value for key, value in was.items() if key not in ("resources", "resizePolicy")}
        for key in ("resources", "resizePolicy"):
            if key in now:
                one[key] = now[key]
        taken.append(one)
    return taken


def _resize(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found: Errors = []
    told = old.get("status") or {}
    if (told.get("qosClass") or pods.qos_class(old)) != pods.qos_class(new):
        shown = (new.get("status") or {}).get("qosClass", "")
        found.append(field.invalid("spec", shown, "Pod QOS Class may not change as a result of resizing"))
    if not _is_supported(told):
        found.append(field.forbidden("spec", "Pod running on node without support for resize"))
    found += _pod_resize(spec, before)
    order = _order(spec, before)
    if order:
        return found + order
    for kind in ("initContainers", "containers"):
        for position, (now, was) in enumerate(zip(spec.get(kind) or (), before.get(kind) or (), strict=True)):
            path = f"spec.{kind}[{position}].resources"
            found += _removed(now.get("resources") or {}, was.get("resources") or {}, path, "resource")
    for now, was in zip(spec["containers"], before["containers"], strict=True):
        if not equality.same(_without_compute(now, was), was):
            found.append(field.forbidden("spec", "only cpu and memory resources are mutable"))
    return found + _init_resize(spec, before) or _rest(spec, before)


def _rest(spec: Object, before: Object) -> Errors:
    parts = ("containers", "initContainers", "resources")
    if equality.same(
        {k: v for k, v in spec.items() if k not in parts}, {k: v for k, v in before.items() if k not in parts}
    ):
        return []
    return [field.forbidden("spec", "only cpu and memory resources are mutable")]


def _is_supported(told: Object) -> bool:
    """Kubelets that can resize report the resources of running containers."""
    for container in told.get("containerStatuses") or ():
        if "running" in (container.get("state") or {}):
            return "resources" in container
    return True


def _pod_resize(spec: Object, before: Object) -> Errors:
    new, old = spec.get("resources"), before.get("resources")
    path = "spec.resources"
    if old is None and new is None:
        return []
    if new is None:
        return [field.forbidden(path, "pod-level resources cannot be removed")]
    found = _removed(new, old, path, "pod-level resource") if old is not None else []
    if not equality.same(_without_compute({"resources": new}, {"resources": old or {}})["resources"], old or {}):
        found.append(field.forbidden("spec", "only cpu and memory resources are mutable at pod-level"))
    return found


def _removed(new: Object, old: Object, path: str, what: str) -> Errors:
    return [
        field.forbidden(f"{path}.{which}", f"{what} {which} cannot be removed")
        for which in ("requests", "limits")
        if (old.get(which) or {}).keys() - (new.get(which) or {}).keys()
    ]


def _order(spec: Object, before: Object) -> Errors:
    found: Errors = []
    for kind in ("containers", "initContainers"):
        new, old = spec.get(kind) or [], before.get(kind) or []
        if len(new) != len(old):
            found.append(field.forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize"))
            continue
        text = f"{kind} may not be renamed or reordered on resize"
        found += [
            field.forbidden(f"spec.{kind}[{position}].name", text)
            for position, (now, was) in enumerate(zip(new, old, strict=True))
            if now.get("name") != was.get("name")
        ]
    return found


def _without_compute(now: Object, was: Object) -> Object:
    """A container with the stored amounts of CPU and memory."""
    stored = was.get("resources") or {}
    wanted: Mapping[str, Any] = now.get("resources") or {}
    set_back: Object = {}
    for which in ("limits", "requests"):
        rest = {name: value for name, value in (wanted.get(which) or {}).items() if name not in ("cpu", "memory")}
        kept = {name: value for name, value in (stored.get(which) or {}).items() if name in ("cpu", "memory")}
        set_back[which] = {**rest, **kept}
    if set_back["limits"] == {} == set_back["requests"]:
        set_back = {}
    return {**now, "resources": set_back}


def _init_resize(spec: Object, before: Object) -> Errors:
    found: Errors = []
    for position, (now, was) in enumerate(
        zip(spec.get("initContainers") or (), before.get("initContainers") or (), strict=True)
    ):
        path = f"spec.initContainers[{position}]"
        if not equality.same(_without_compute(now, was), was):
            text = "only cpu and memory resources for init or sidecar containers are mutable"
            found.append(field.forbidden(path, text))
        if not equality.same(now, was) and not fit.is_sidecar(now):
            text = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
            policies = now.get("resizePolicy") or ()
            found += [field.forbidden(path, text) for p in policies if p.get("restartPolicy") == "RestartContainer"]
    return found
