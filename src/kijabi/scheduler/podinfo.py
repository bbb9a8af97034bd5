"""A pod, parsed once into what the rules ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kijabi.api import labels as labels_
from kijabi.api.predicates import fit, ports
from kijabi.api.resource import Object

# What LeastAllocated reckons for a container that asks for nothing.
DEFAULT_MILLI_CPU, DEFAULT_MEMORY = 100, 200 * 1024 * 1024

NamespaceLabels = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Term:
    """A pod affinity term: pods that ``matches`` holds for, counted per value of ``topology_key``."""

    topology_key: str
    selector: labels_.Selector
    namespaces: frozenset[str]
    namespace_selector: labels_.Selector | None

    def matches(self, pod: PodInfo, namespace_labels: NamespaceLabels) -> bool:
        if not self.selector.matches(pod.labels):
            return False
        if pod.namespace in self.namespaces:
            return True
        chosen = self.namespace_selector
        return chosen is not None and chosen.matches(namespace_labels(pod.namespace))


@dataclass(frozen=True, slots=True)
class Weighted:
    weight: int
    term: Term


@dataclass(frozen=True, slots=True)
class Spread:
    """A topology spread constraint. ``hard`` ones filter, the others score."""

    topology_key: str
    max_skew: int
    selector: labels_.Selector
    min_domains: int
    hard: bool
    honor_affinity: bool
    honor_taints: bool


@dataclass(slots=True)
class PodInfo:
    """``requests`` are integers: milli for cpu, bytes or counts for the rest. ``reckoned`` are (milli cpu, bytes) with
    the defaults for containers that ask for nothing. ``place`` identifies where the pod may go, apart from what it asks
    for: pods with equal places share masks."""

    object: Object
    key: str
    uid: str
    namespace: str
    labels: Mapping[str, str]
    priority: int
    node_name: str
    terminating: bool
    requests: dict[str, int]
    reckoned: tuple[int, int]
    host_ports: list[ports.HostPort]
    affinity: tuple[Term, ...]
    anti_affinity: tuple[Term, ...]
    preferred: tuple[Weighted, ...]
    spreads: tuple[Spread, ...]
    images: tuple[str, ...]

    @property
    def spec(self) -> Object:
        return self.object["spec"]  # type: ignore[no-any-return]


def of(pod: Object) -> PodInfo:
    meta, spec = pod["metadata"], pod["spec"]
    own_labels = meta.get("labels") or {}
    affinity = (spec.get("affinity") or {}).get("podAffinity") or {}
    anti = (spec.get("affinity") or {}).get("podAntiAffinity") or {}
    return PodInfo(
        object=pod,
        key=f"{meta['namespace']}/{meta['name']}",
        uid=meta["uid"],
        namespace=meta["namespace"],
        labels=own_labels,
        priority=int(spec.get("priority") or 0),
        node_name=spec.get("nodeName") or "",
        terminating=bool(meta.get("deletionTimestamp")),
        requests=_requests(pod),
        reckoned=_reckoned(pod),
        host_ports=ports.host_ports(pod),
        affinity=_required(affinity, pod),
        anti_affinity=_required(anti, pod),
        preferred=(*_preferred(affinity, pod, 1), *_preferred(anti, pod, -1)),
        spreads=tuple(spread(constraint, own_labels) for constraint in spec.get("topologySpreadConstraints") or ()),
        images=tuple(
            _tagged(container["image"])
            for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
            if container.get("image")
        ),
    )


def _requests(pod: Object) -> dict[str, int]:
    asked = fit.pod_requests(pod)
    return {name: amount.milli() if name == "cpu" else amount.value() for name, amount in asked.items() if amount}


def _reckoned(pod: Object) -> tuple[int, int]:
    # The defaults are per container, so they are filled in before the containers are added up.
    spec = pod["spec"]
    if (spec.get("resources") or {}).get("requests"):
        filled = pod
    else:
        filled = {
            **pod,
            "spec": {
                **spec,
                **{
                    name: [_filled(container) for container in spec[name]]
                    for name in ("containers", "initContainers")
                    if spec.get(name)
                },
            },
        }
    asked = fit.pod_requests(filled)
    cpu, memory = asked.get("cpu"), asked.get("memory")
    return (cpu.milli() if cpu is not None else 0, memory.value() if memory is not None else 0)


def _filled(container: Object) -> Object:
    resources = container.get("resources") or {}
    requests = {"cpu": f"{DEFAULT_MILLI_CPU}m", "memory": str(DEFAULT_MEMORY), **(resources.get("requests") or {})}
    return {**container, "resources": {**resources, "requests": requests}}


def _required(affinity: Object, pod: Object) -> tuple[Term, ...]:
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(term(item, pod) for item in terms)


def _preferred(affinity: Object, pod: Object, sign: int) -> Iterable[Weighted]:
    for item in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
        yield Weighted(sign * int(item["weight"]), term(item["podAffinityTerm"], pod))


def term(item: Object, pod: Object) -> Term:
    """A PodAffinityTerm of ``pod``: no namespaces and no selector of them means the pod's own."""
    own = pod["metadata"].get("labels") or {}
    selector = labels_.from_label_selector(item.get("labelSelector"))
    keys = [(name, own[name]) for name in item.get("matchLabelKeys") or () if name in own]
    for name, value in keys:
        selector = _and(selector, labels_.from_set({name: value}))
    namespaces = frozenset(item.get("namespaces") or ())
    chosen = item.get("namespaceSelector")
    if not namespaces and chosen is None:
        namespaces = frozenset({pod["metadata"]["namespace"]})
    return Term(
        item["topologyKey"], selector, namespaces, labels_.from_label_selector(chosen) if chosen is not None else None
    )


def spread(constraint: Object, own_labels: Mapping[str, str]) -> Spread:
    selector = labels_.from_label_selector(constraint.get("labelSelector"))
    for name in constraint.get("matchLabelKeys") or ():
        if name in own_labels:
            selector = _and(selector, labels_.from_set({name: own_labels[name]}))
    return Spread(
        constraint["topologyKey"],
        int(constraint["maxSkew"]),
        selector,
        int(constraint.get("minDomains") or 1),
        constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        (constraint.get("nodeAffinityPolicy") or "Honor") == "Honor",
        (constraint.get("nodeTaintsPolicy") or "Ignore") == "Honor",
    )


def _and(left: labels_.Selector, right: labels_.Selector) -> labels_.Selector:
    if left.nothing or right.nothing:
        return labels_.NOTHING
    return labels_.Selector((*left.requirements, *right.requirements))


def _tagged(image: str) -> str:
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"
