"""LimitRanges: default requests and limits for containers, and bounds on containers, pods and claims.

Source: the Kubernetes documentation, "Limit Ranges"; the texts are upstream's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from kijabi.api import kinds, quantity, resource
from kijabi.api.predicates import fit
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

ANNOTATION = "kubernetes.io/limit-ranger"

Object = contract.Object
Amounts = Mapping[str, quantity.Quantity]


class LimitRanger(plugin.Plugin):
    name = "LimitRanger"

    def __init__(self, access: contract.Access) -> None:
        self._ranges = plugin.Watched(access, kinds.LIMIT_RANGES)

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        if plugin.is_kind(what, kinds.PODS):
            return (operation, subresource) in ((contract.CREATE, ""), (contract.UPDATE, "resize"))
        if plugin.is_kind(what, kinds.PERSISTENT_VOLUME_CLAIMS):
            return operation in (contract.CREATE, contract.UPDATE) and not subresource
        return False

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.object is None or not plugin.is_kind(attributes.resource, kinds.PODS):
            return
        for one in self._applying(attributes):
            set_defaults(attributes.object, one)

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        obj = attributes.object
        if obj is None:
            return
        check = pod_problems if plugin.is_kind(attributes.resource, kinds.PODS) else claim_problems
        for one in self._applying(attributes):
            problems = list(dict.fromkeys(check(obj, one)))
            if problems:
                raise plugin.refused(attributes, problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")

    def _applying(self, attributes: contract.AdmissionAttributes) -> list[Object]:
        old = attributes.old_object
        if old is not None and old["metadata"].get("deletionTimestamp"):
            return []
        return list(self._ranges.items(attributes.namespace))


def _limits(limit_range: Object, kind: str) -> Iterator[Object]:
    for limit in (limit_range.get("spec") or {}).get("limits") or ():
        if limit.get("type") == kind:
            yield limit


def set_defaults(pod: Object, limit_range: Object) -> None:
    """Fill in requests and limits of containers, and note in an annotation what was set."""
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for limit in _limits(limit_range, "Container"):
        requests.update(limit.get("defaultRequest") or {})
        limits.update(limit.get("default") or {})
    notes = []
    for key, label in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(key) or ():
            notes += _default_container(container, label, requests, limits)
    if notes:
        annotations = pod["metadata"].get("annotations") or {}
        pod["metadata"]["annotations"] = {**annotations, ANNOTATION: "LimitRanger plugin set: " + "; ".join(notes)}


def _default_container(
    container: Object, label: str, requests: Mapping[str, str], limits: Mapping[str, str]
) -> list[str]:
    notes = []
    for field, word, defaults in (("requests", "request", requests), ("limits", "limit", limits)):
        resources = container.get("resources") or {}
        there = resources.get(field) or {}
        added = sorted(name for name in defaults if name not in there)
        if added:
            container["resources"] = {**resources, field: {**there, **{name: defaults[name] for name in added}}}
            notes.append(f"{', '.join(added)} {word} for {label} {container.get('name', '')}")
    return notes


def pod_problems(pod: Object, limit_range: Object) -> Iterator[str]:
    for limit in _limits(limit_range, "Container"):
        for key in ("containers", "initContainers"):
            for container in pod["spec"].get(key) or ():
                resources = container.get("resources") or {}
                requested = quantity.resource_list(resources.get("requests"))
                limited = quantity.resource_list(resources.get("limits"))
                yield from _problems("Container", limit, requested, limited)
    for limit in _limits(limit_range, "Pod"):
        yield from _problems("Pod", limit, _with_overhead_off(pod, fit.pod_requests), fit.pod_limits(pod))


def _with_overhead_off(pod: Object, amounts: Callable[[Object], Amounts]) -> Amounts:
    # What a runtime adds is not what the user asks for.
    spec = {key: value for key, value in pod["spec"].items() if key != "overhead"}
    return amounts({**pod, "spec": spec})


def claim_problems(claim: Object, limit_range: Object) -> Iterator[str]:
    requested = quantity.resource_list((claim["spec"].get("resources") or {}).get("requests"))
    kind = "PersistentVolumeClaim"
    for limit in _limits(limit_range, kind):
        for name, least in quantity.resource_list(limit.get("min")).items():
            yield from _below(kind, name, least, requested, {})
        for name, most in quantity.resource_list(limit.get("max")).items():
            if name not in requested:
                yield f"maximum {name} usage per {kind} is {most}.  No request is specified"
            elif requested[name] > most:
                yield f"maximum {name} usage per {kind} is {most}, but request is {requested[name]}"


def _problems(kind: str, limit: Object, requested: Amounts, limited: Amounts) -> Iterator[str]:
    for name, least in quantity.resource_list(limit.get("min")).items():
        yield from _below(kind, name, least, requested, limited)
    for name, most in quantity.resource_list(limit.get("max")).items():
        yield from _above(kind, name, most, requested, limited)
    for name, ratio in quantity.resource_list(limit.get("maxLimitRequestRatio")).items():
        yield from _ratio(kind, name, ratio, requested, limited)


def _below(kind: str, name: str, least: quantity.Quantity, requested: Amounts, limited: Amounts) -> Iterator[str]:
    if name not in requested:
        yield f"minimum {name} usage per {kind} is {least}.  No request is specified"
    elif requested[name] < least:
        yield f"minimum {name} usage per {kind} is {least}, but request is {requested[name]}"
    elif name in limited and limited[name] < least:
        yield f"minimum {name} usage per {kind} is {least}, but limit is {limited[name]}"


def _above(kind: str, name: str, most: quantity.Quantity, requested: Amounts, limited: Amounts) -> Iterator[str]:
    if name not in limited:
        yield f"maximum {name} usage per {kind} is {most}.  No limit is specified"
    elif limited[name] > most:
        yield f"maximum {name} usage per {kind} is {most}, but limit is {limited[name]}"
    elif name in requested and requested[name] > most:
        yield f"maximum {name} usage per {kind} is {most}, but request is {requested[name]}"


def _ratio(kind: str, name: str, most: quantity.Quantity, requested: Amounts, limited: Amounts) -> Iterator[str]:
    head = f"{name} max limit to request ratio per {kind} is {most}, but "
    if not requested.get(name):
        yield head + "no request is specified or request is 0"
    elif not limited.get(name):
        yield head + "no limit is specified or limit is 0"
    else:
        ratio = float(limited[name]) / float(requested[name])
        if ratio > float(most):
            yield f"{head}provided ratio is {ratio:f}"
