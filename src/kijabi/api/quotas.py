"""How much of a quota an object uses, and which quotas look at it: pure.

Source: the Kubernetes documentation, "Resource Quotas"; the constraints' texts are upstream's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kijabi.api import quantity, resource
from kijabi.api.predicates import fit, pods
from kijabi.api.resource import Object

Amounts = dict[str, quantity.Quantity]

ONE = quantity.from_value(1)

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_HUGE = "hugepages-"
_REQUESTS = "requests."
_MUST_BE_SET = frozenset(("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))
_CLASS_SUFFIX = ".storageclass.storage.k8s.io/"

_POD_RESOURCES = frozenset(
    ("count/pods", "pods", *_COMPUTE, *(f"requests.{one}" for one in _COMPUTE), *(f"limits.{one}" for one in _COMPUTE))
)
_SERVICE_RESOURCES = frozenset(("count/services", "services", "services.nodeports", "services.loadbalancers"))
_CLAIM_RESOURCES = frozenset(("persistentvolumeclaims", "requests.storage"))
# Counted under their plain names since before there was "count/".
_PLAIN_COUNTS = frozenset(("replicationcontrollers", "resourcequotas", "secrets", "configmaps"))

IGNORED = frozenset(
    (
        ("", "bindings"),
        ("", "componentstatuses"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "localsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("", "events"),
        ("events.k8s.io", "events"),
    )
)


def count_name(what: resource.Resource) -> str:
    return f"count/{what.qualified}"


def usage(what: resource.Resource, obj: Object) -> Amounts:
    """What an object uses of each quota resource. A pod that has ended uses nothing but its count."""
    if what.group:
        return {count_name(what): ONE}
    if what.plural == "pods":
        return _pod(obj)
    if what.plural == "services":
        return _service(obj)
    if what.plural == "persistentvolumeclaims":
        return _claim(obj)
    counted = {count_name(what): ONE}
    if what.plural in _PLAIN_COUNTS:
        counted[what.plural] = ONE
    return counted


def _pod(pod: Object) -> Amounts:
    if pods.is_terminal(pod):
        return {"count/pods": ONE}
    return {"count/pods": ONE, **_compute(fit.pod_requests(pod), fit.pod_limits(pod))}


def _compute(requests: Mapping[str, quantity.Quantity], limits: Mapping[str, quantity.Quantity]) -> Amounts:
    used: Amounts = {"pods": ONE}
    for name in _COMPUTE:
        if name in requests:
            used[name] = used[_REQUESTS + name] = requests[name]
        if name in limits:
            used[f"limits.{name}"] = limits[name]
    for name, amount in requests.items():
        if name.startswith(_HUGE):
            used[name] = used[_REQUESTS + name] = amount
        elif _is_extended(name):
            used[_REQUESTS + name] = amount
    return used


def _is_extended(name: str) -> bool:
    domain, slash, _ = name.partition("/")
    return bool(slash) and domain != "kubernetes.io" and not domain.endswith(".kubernetes.io")


def _service(service: Object) -> Amounts:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or []
    kind = spec.get("type", "ClusterIP")
    node_ports = len(ports) if kind in ("NodePort", "LoadBalancer") else 0
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        node_ports = sum(1 for port in ports if port.get("nodePort"))
    return {
        "count/services": ONE,
        "services": ONE,
        "services.nodeports": quantity.from_value(node_ports),
        "services.loadbalancers": quantity.from_value(1 if kind == "LoadBalancer" else 0),
    }


def _claim(claim: Object) -> Amounts:
    spec = claim.get("spec") or {}
    used: Amounts = {"count/persistentvolumeclaims": ONE, "persistentvolumeclaims": ONE}
    annotations = (claim.get("metadata") or {}).get("annotations") or {}
    name = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get("storageClassName") or ""
    requested = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    allocated = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage")
    sizes = [quantity.of(one) for one in (requested, allocated) if one is not None]
    if name:
        used[f"{name}{_CLASS_SUFFIX}persistentvolumeclaims"] = ONE
    if requested is not None:
        used["requests.storage"] = max(sizes)
        if name:
            used[f"{name}{_CLASS_SUFFIX}requests.storage"] = max(sizes)
    return used


def watched_resources(what: resource.Resource, names: Iterable[str]) -> set[str]:
    """Those of a quota's resource names that objects of this kind can use."""
    count = count_name(what)
    if (what.group, what.plural) == ("", "pods"):
        return {
            name
            for name in names
            if name in _POD_RESOURCES
            or name.startswith((_HUGE, _REQUESTS + _HUGE))
            or (name.startswith(_REQUESTS) and _is_extended(name.removeprefix(_REQUESTS)))
        }
    if (what.group, what.plural) == ("", "services"):
        return {name for name in names if name in _SERVICE_RESOURCES}
    if (what.group, what.plural) == ("", "persistentvolumeclaims"):
        suffixes = tuple(_CLASS_SUFFIX + one for one in _CLAIM_RESOURCES)
        return {name for name in names if name == count or name in _CLAIM_RESOURCES or name.endswith(suffixes)}
    plain = what.plural if not what.group and what.plural in _PLAIN_COUNTS else count
    return {name for name in names if name in (count, plain)}


def lacking(pod: Object, required: Iterable[str]) -> str:
    """``must specify limits.cpu for: a,b``: what a quota needs said and a container leaves out; empty when none."""
    wanted = set(required) & _MUST_BE_SET
    if pod["spec"].get("resources"):
        return ""
    missing: dict[str, set[str]] = {}
    for key in ("containers", "initContainers"):
        for container in pod["spec"].get(key) or ():
            resources = container.get("resources") or {}
            said = _compute(
                quantity.resource_list(resources.get("requests")), quantity.resource_list(resources.get("limits"))
            )
            for name in wanted - said.keys():
                missing.setdefault(name, set()).add(container.get("name", ""))
    parts = [f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing)]
    return "must specify " + "; ".join(parts) if parts else ""


def in_scope(quota: Object, what: resource.Resource, obj: Object) -> bool:
    """Whether every scope of the quota holds for the object; a quota with scopes is about pods alone."""
    spec = quota.get("spec") or {}
    selectors = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    selectors += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    if not selectors:
        return True
    return (what.group, what.plural) == ("", "pods") and all(_scope_holds(one, obj) for one in selectors)


def _scope_holds(selector: Object, pod: Object) -> bool:
    scope = selector.get("scopeName")
    spec = pod.get("spec") or {}
    deadline = spec.get("activeDeadlineSeconds")
    terminating = (deadline is not None and deadline >= 0) or bool((pod.get("metadata") or {}).get("deletionTimestamp"))
    if scope == "Terminating":
        return terminating
    if scope == "NotTerminating":
        return not terminating
    if scope == "BestEffort":
        return pods.qos_class(pod) == "BestEffort"
    if scope == "NotBestEffort":
        return pods.qos_class(pod) != "BestEffort"
    if scope == "PriorityClass":
        return _class_holds(selector, spec.get("priorityClassName", ""))
    if scope == "CrossNamespacePodAffinity":
        return _crosses_namespaces(spec)
    return False


def _class_holds(selector: Object, name: str) -> bool:
    operator, values = selector.get("operator"), selector.get("values") or ()
    if operator == "Exists":
        return bool(name)
    if operator == "DoesNotExist":
        return not name
    if operator == "In":
        return name in values
    return operator == "NotIn" and name not in values


def _crosses_namespaces(spec: Object) -> bool:
    affinity = spec.get("affinity") or {}
    terms: list[Object] = []
    for key in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(key) or {}
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for weighted in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            terms.append(weighted.get("podAffinityTerm") or {})
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)
