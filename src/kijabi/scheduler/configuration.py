"""The configuration file: ``KubeSchedulerConfiguration`` of ``kubescheduler.config.k8s.io/v1``.

Profiles, plugins that are enabled, disabled and weighed, and the arguments of those that are built here. What upstream
has and this scheduler does not (extenders, volumes, resource claims) may be named in ``plugins``, and does nothing;
``extenders`` are refused, for to ignore them would place pods where they must not be.
Source: "Scheduler Configuration"; the API reference of kube-scheduler-config.v1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kijabi.api import labels
from kijabi.api.resource import Object
from kijabi.kit import config, yamls
from kijabi.scheduler import cycle, preemption
from kijabi.scheduler.options import Options
from kijabi.scheduler.plugins import (
    balancedallocation,
    imagelocality,
    interpodaffinity,
    nodeaffinity,
    nodename,
    nodeports,
    noderesourcesfit,
    nodeunschedulable,
    podtopologyspread,
    tainttoleration,
)
from kijabi.scheduler.podinfo import Spread
from kijabi.scheduler.profiles import DEFAULT_NAME, Configuration, Profile

API_VERSION, KIND = "kubescheduler.config.k8s.io/v1", "KubeSchedulerConfiguration"


class Unusable(config.Unusable):
    """The configuration cannot be used; the message says where and why."""


PREEMPTION = "DefaultPreemption"
# In upstream's order, with its weights.
_DEFAULTS: tuple[tuple[str, int], ...] = (
    ("SchedulingGates", 0),
    ("PrioritySort", 0),
    ("NodeUnschedulable", 0),
    ("NodeName", 0),
    ("TaintToleration", 3),
    ("NodeAffinity", 2),
    ("NodePorts", 0),
    ("NodeResourcesFit", 1),
    ("VolumeRestrictions", 0),
    ("NodeVolumeLimits", 0),
    ("VolumeBinding", 0),
    ("VolumeZone", 0),
    ("PodTopologySpread", 2),
    ("InterPodAffinity", 2),
    (PREEMPTION, 0),
    ("NodeResourcesBalancedAllocation", 1),
    ("ImageLocality", 1),
    ("DefaultBinder", 0),
)
_KNOWN = frozenset(name for name, _ in _DEFAULTS) | {
    "NodeDeclaredFeatures", "DynamicResources", "GangScheduling", "PodGroupPodsCount", "TopologyPlacementGenerator",
}  # fmt: skip

Args = Mapping[str, Any]


def resolve(options: Options) -> tuple[Options, Configuration]:
    """What the flags say; or, where they name a file, the file, which then also says how to connect and lead."""
    if not options.config:
        return options, Configuration((Profile(name=options.scheduler_name),))
    document = read(Path(options.config))
    return leadership(options, document), of(document)


def read(path: Path) -> Object:
    try:
        document = yamls.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Unusable(f"{path}: {error}") from error
    if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) != (API_VERSION, KIND):
        raise Unusable(f"{path}: not a {KIND} of {API_VERSION}")
    return document


def leadership(options: Options, document: Object) -> Options:
    """The options with what the file says of the connection and of leading."""
    leading = document.get("leaderElection") or {}
    changes: dict[str, Any] = {}
    if "leaderElect" in leading:
        changes["leader_elect"] = bool(leading["leaderElect"])
    for key, name in (("leaseDuration", "lease_duration"), ("renewDeadline", "renew_deadline"),
                      ("retryPeriod", "retry_period")):  # fmt: skip
        if leading.get(key):
            changes[f"leader_elect_{name}"] = seconds(leading[key])
    kubeconfig = (document.get("clientConnection") or {}).get("kubeconfig")
    if kubeconfig and not options.kubeconfig:
        changes["kubeconfig"] = kubeconfig
    return dataclasses.replace(options, **changes)


def seconds(text: str) -> float:
    """A duration of a few units, as these files have them: ``15s``, ``1m``, ``500ms``."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit():
            return float(number) * factor
    raise Unusable(f'time: invalid duration "{text}"')


def of(document: Object) -> Configuration:
    """The configuration in a document that ``read`` has given."""
    if document.get("extenders"):
        raise Unusable("extenders: Forbidden: extenders are not supported")
    given = document.get("profiles") or [{}]
    profiles = [_profile(each, f"profiles[{number}]", len(given) == 1) for number, each in enumerate(given)]
    _unique([profile.name for profile in profiles])
    initial = document.get("podInitialBackoffSeconds", 1)
    most = document.get("podMaxBackoffSeconds", 10)
    if initial <= 0:
        raise Unusable(f"podInitialBackoffSeconds: Invalid value: {initial}: must be greater than 0")
    if most < initial:
        raise Unusable(
            f"podMaxBackoffSeconds: Invalid value: {most}: must be greater than or equal to PodInitialBackoffSeconds"
        )
    return Configuration(tuple(profiles), float(initial), float(most))


def _unique(names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise Unusable(f'profiles[{number}].schedulerName: Duplicate value: "{name}"')


def _profile(given: Object, where: str, alone: bool) -> Profile:
    name = given.get("schedulerName") or (DEFAULT_NAME if alone else "")
    if not name:
        raise Unusable(f"{where}.schedulerName: Required value")
    args: dict[str, Args] = {}
    for number, each in enumerate(given.get("pluginConfig") or ()):
        if each["name"] in args:
            raise Unusable(f'{where}.pluginConfig[{number}]: Duplicate value: "{each["name"]}"')
        args[each["name"]] = each.get("args") or {}
    sets = given.get("plugins") or {}
    made = {name: make(args.get(name, {})) for name, make in _PLUGINS.items()}
    filters = [made[plugin] for plugin, _ in _enabled(sets, "filter", where) if hasattr(made.get(plugin), "filter")]
    scores = [
        (made[plugin], weight or 1)
        for plugin, weight in _enabled(sets, "score", where)
        if hasattr(made.get(plugin), "score")
    ]
    return Profile(
        name,
        cycle.Rules(tuple(filters), tuple(scores)),
        preempts=any(plugin == PREEMPTION for plugin, _ in _enabled(sets, "postFilter", where)),
        limits=_limits(args.get(PREEMPTION, {})),
    )


def _enabled(sets: Object, point: str, where: str) -> list[tuple[str, int]]:
    """The plugins of an extension point with their weights, in order: those of all points that this one gives anew,
    then the others of all points, then those of this one alone."""
    everywhere = _merged(_DEFAULTS, sets.get("multiPoint") or {}, where)
    own = sets.get(point) or {}
    off = {each["name"] for each in own.get("disabled") or ()}
    here = [(each["name"], int(each.get("weight") or 0)) for each in own.get("enabled") or ()]
    _check((name for name, _ in here), where)
    known, named = {name for name, _ in everywhere}, {name for name, _ in here}
    rest = [(name, w) for name, w in everywhere if name not in named and name not in off and "*" not in off]
    again = [(name, weight) for name, weight in here if name in known]
    return [*again, *rest, *(each for each in here if each[0] not in known)]


def _merged(defaults: Iterable[tuple[str, int]], given: Object, where: str) -> list[tuple[str, int]]:
    off = {each["name"] for each in given.get("disabled") or ()}
    new = {each["name"]: int(each.get("weight") or 0) for each in given.get("enabled") or ()}
    _check(new, where)
    kept = [(name, weight) for name, weight in defaults if name not in off and "*" not in off]
    replaced = [(name, new.pop(name, weight)) for name, weight in kept]
    return [*replaced, *new.items()]


def _check(names: Iterable[str], where: str) -> None:
    for name in names:
        if name not in _KNOWN:
            raise Unusable(f'{where}.plugins: "{name}" does not exist')


def _limits(args: Args) -> preemption.Limits:
    percentage = int(args.get("minCandidateNodesPercentage", 10))
    least = int(args.get("minCandidateNodesAbsolute", 100))
    if not 0 <= percentage <= 100 or least < 0 or percentage == least == 0:
        raise Unusable(f"{PREEMPTION}: minCandidateNodesPercentage and minCandidateNodesAbsolute are out of range")
    return preemption.Limits(percentage, least)


def _fit(args: Args) -> noderesourcesfit.NodeResourcesFit:
    given = args.get("scoringStrategy") or {}
    kind = given.get("type") or noderesourcesfit.LEAST
    if kind not in (noderesourcesfit.LEAST, noderesourcesfit.MOST, noderesourcesfit.RATIO):
        raise Unusable(f"NodeResourcesFit: scoring strategy {kind} is not supported")
    shape = (given.get("requestedToCapacityRatio") or {}).get("shape") or ()
    points = tuple((int(point["utilization"]), int(point["score"]) * 10) for point in shape)
    if kind == noderesourcesfit.RATIO:
        _check_shape(points)
    strategy = noderesourcesfit.Strategy(kind, _resources(given.get("resources")), points)
    ignored = frozenset((*(args.get("ignoredResources") or ()), *(args.get("ignoredResourceGroups") or ())))
    return noderesourcesfit.NodeResourcesFit(strategy, ignored)


def _check_shape(points: Sequence[tuple[int, int]]) -> None:
    if not points:
        raise Unusable("NodeResourcesFit: requestedToCapacityRatio.shape: at least one point must be specified")
    before = -1
    for utilization, score in points:
        if not 0 <= utilization <= 100 or utilization <= before:
            raise Unusable("NodeResourcesFit: utilization values must be sorted in increasing order, from 0 to 100")
        if not 0 <= score <= 100:
            raise Unusable("NodeResourcesFit: scores must be from 0 to 10")
        before = utilization


def _resources(given: Sequence[Object] | None) -> tuple[tuple[str, int], ...]:
    named = [(each["name"], int(each.get("weight") or 1)) for each in given or ()]
    for name, weight in named:
        if not 1 <= weight <= 100:
            raise Unusable(f"resource weight of {name} not in valid range [1, 100]")
    return tuple(named) or (("cpu", 1), ("memory", 1))


def _balanced(args: Args) -> balancedallocation.BalancedAllocation:
    return balancedallocation.BalancedAllocation(tuple(name for name, _ in _resources(args.get("resources"))))


def _spread(args: Args) -> podtopologyspread.PodTopologySpread:
    constraints = args.get("defaultConstraints") or ()
    if (args.get("defaultingType") or "System") == "System":
        if constraints:
            raise Unusable("PodTopologySpread: when .defaultingType is System, .defaultConstraints must be empty")
        return podtopologyspread.PodTopologySpread()
    if any(each.get("labelSelector") for each in constraints):
        raise Unusable("PodTopologySpread: constraint must not define a selector, as they deduced for each pod")
    defaults = tuple(
        Spread(
            each["topologyKey"],
            int(each["maxSkew"]),
            labels.NOTHING,
            int(each.get("minDomains") or 1),
            hard=each.get("whenUnsatisfiable") == "DoNotSchedule",
            honor_affinity=(each.get("nodeAffinityPolicy") or "Honor") == "Honor",
            honor_taints=(each.get("nodeTaintsPolicy") or "Ignore") == "Honor",
        )
        for each in constraints
    )
    return podtopologyspread.PodTopologySpread(defaults, lenient=False)


def _affinity(args: Args) -> interpodaffinity.InterPodAffinity:
    weight = int(args.get("hardPodAffinityWeight", 1))
    if not 0 <= weight <= 100:
        raise Unusable(f"InterPodAffinity: hardPodAffinityWeight: Invalid value: {weight}: not in valid range [0-100]")
    ignore = bool(args.get("ignorePreferredTermsOfExistingPods"))
    return interpodaffinity.InterPodAffinity(weight, ignore_preferred=ignore)


_PLUGINS: dict[str, Callable[[Args], Any]] = {
    "NodeUnschedulable": lambda args: nodeunschedulable.NodeUnschedulable(),
    "NodeName": lambda args: nodename.NodeName(),
    "TaintToleration": lambda args: tainttoleration.TaintToleration(),
    "NodeAffinity": lambda args: nodeaffinity.NodeAffinity(args.get("addedAffinity")),
    "NodePorts": lambda args: nodeports.NodePorts(),
    "NodeResourcesFit": _fit,
    "PodTopologySpread": _spread,
    "InterPodAffinity": _affinity,
    "NodeResourcesBalancedAllocation": _balanced,
    "ImageLocality": lambda args: imagelocality.ImageLocality(),
}
