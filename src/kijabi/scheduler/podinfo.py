"""A pod, parsed once into what the rules ask of it.

Pods made from one template share a ``Shape``; only what differs between them is kept per pod. Rules look at shapes
alone, so whatever they find out about one pod holds for all pods of its shape.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kijabi.api import labels as labels_
from kijabi.api.predicates import fit, ports
from kijabi.api.resource import Object
from kijabi.kit import jsons

# What LeastAllocated reckons for a container that asks for nothing.
DEFAULT_MILLI_CPU, DEFAULT_MEMORY = 100, 200 * 1024 * 1024

SHAPES = 8192
# What of a spec and of a container goes into a shape.
_SHAPING = (
    "nodeSelector", "affinity", "tolerations", "topologySpreadConstraints", "priority", "overhead", "resources",
)  # fmt: skip
_CONTAINER = ("resources", "ports", "image", "restartPolicy")

NamespaceLabels = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Term:
    """A pod affinity term: pods that ``matches`` holds for, counted per value of ``topology_key``."""

    topology_key: str
    selector: labels_.Selector
    namespaces: frozenset[str]
    namespace_selector: labels_.Selector | None

    def matches(self, pod: Shape, namespace_labels: NamespaceLabels) -> bool:
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


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What the pods of one template have in common: all that rules may look at. Compared by identity.

    ``requests`` are (resource, amount) as integers: milli for cpu, bytes or counts for the rest. ``reckoned`` are
    (milli cpu, bytes) with the defaults for containers that ask for nothing. ``place_key`` stands for the node
    selector, node affinity and tolerations: shapes with equal keys share masks. ``example`` is the first pod seen.
    """

    namespace: str
    labels: Mapping[str, str]
    priority: int
    place_key: bytes
    requests: tuple[tuple[str, int], ...]
    reckoned: tuple[int, int]
    host_ports: tuple[ports.HostPort, ...]
    affinity: tuple[Term, ...]
    anti_affinity: tuple[Term, ...]
    preferred: tuple[Weighted, ...]
    spreads: tuple[Spread, ...]
    images: tuple[str, ...]
    containers: int
    example: Object

    @property
    def tolerations(self) -> Sequence[Object]:
        return self.example["spec"].get("tolerations") or ()

    def asks(self, resource: str) -> int:
        return dict(self.requests).get(resource, 0)


@dataclass(slots=True)
class PodInfo:
    """A pod and its shape. ``node_name`` is where it is bound, ``nominated`` where room is being made for it."""

    object: Object
    key: str
    uid: str
    node_name: str
    nominated: str
    terminating: bool
    shape: Shape

    @property
    def namespace(self) -> str:
        return self.shape.namespace

    @property
    def priority(self) -> int:
        return self.shape.priority

    @property
    def spec(self) -> Object:
        return self.object["spec"]  # type: ignore[no-any-return]


def of(pod: Object) -> PodInfo:
    meta, spec = pod["metadata"], pod["spec"]
    return PodInfo(
        pod,
        f"{meta['namespace']}/{meta['name']}",
        meta["uid"],
        spec.get("nodeName") or "",
        (pod.get("status") or {}).get("nominatedNodeName") or "",
        bool(meta.get("deletionTimestamp")),
        _shape_of(pod),
    )


# Shapes by all that goes into them. Parsing takes ten times as long as finding a shape that is known.
_shapes: OrderedDict[bytes, Shape] = OrderedDict()


def _shape_of(pod: Object) -> Shape:
    meta, spec = pod["metadata"], pod["spec"]
    # Not the whole spec: names of token volumes, host names and bound nodes differ between pods of one template.
    parts = [
        meta["namespace"],
        meta.get("labels"),
        [spec.get(name) for name in _SHAPING],
        [[container.get(name) for name in _CONTAINER] for container in spec.get("containers") or ()],
        [[container.get(name) for name in _CONTAINER] for container in spec.get("initContainers") or ()],
        [volume["image"] for volume in spec.get("volumes") or () if "image" in volume],
    ]
    key = jsons.dumps(parts)
    known = _shapes.get(key)
    if known is None:
        known = _shapes[key] = _parsed(pod)
        if len(_shapes) > SHAPES:
            _shapes.popitem(last=False)
    return known


def _parsed(pod: Object) -> Shape:
    meta, spec = pod["metadata"], pod["spec"]
    own_labels = meta.get("labels") or {}
    every = spec.get("affinity") or {}
    affinity, anti = every.get("podAffinity") or {}, every.get("podAntiAffinity") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    images = [container.get("image") for container in containers]
    images += [volume["image"].get("reference") for volume in spec.get("volumes") or () if volume.get("image")]
    return Shape(
        namespace=meta["namespace"],
        labels=own_labels,
        priority=int(spec.get("priority") or 0),
        place_key=jsons.dumps([spec.get("nodeSelector"), every.get("nodeAffinity"), spec.get("tolerations")]),
        requests=tuple(sorted(_requests(pod).items())),
        reckoned=_reckoned(pod),
        host_ports=tuple(ports.host_ports(pod)),
        affinity=_required(affinity, pod),
        anti_affinity=_required(anti, pod),
        preferred=(*_preferred(affinity, pod, 1), *_preferred(anti, pod, -1)),
        spreads=tuple(spread(constraint, own_labels) for constraint in spec.get("topologySpreadConstraints") or ()),
        images=tuple(_tagged(image) for image in images if image),
        containers=len(containers),
        example=pod,
    )


def _requests(pod: Object) -> dict[str, int]:
    asked = fit.pod_requests(pod)
    return {name: amount.milli() if name == "cpu" else amount.value() for name, amount in asked.items() if amount}


def _reckoned(pod: Object) -> tuple[int, int]:
    # The defaults are per container, so they are filled in before the containers are added up.
    spec = pod["spec"]
    lists = {name: [_filled(c) for c in spec[name]] for name in ("containers", "initContainers") if spec.get(name)}
    asked = fit.pod_requests({**pod, "spec": {**spec, **lists}})
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
    for name in item.get("matchLabelKeys") or ():
        if name in own:
            selector = _and(selector, labels_.from_set({name: own[name]}))
    for name in item.get("mismatchLabelKeys") or ():
        if name in own:
            selector = _and(selector, labels_.Selector((labels_.Requirement(name, labels_.NOT_IN, (own[name],)),)))
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
