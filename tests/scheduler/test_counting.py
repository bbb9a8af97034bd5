"""Whatever happens to nodes and pods, what is kept incrementally equals a count from scratch."""

from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies

from kijabi.api import labels
from kijabi.scheduler import cluster, columns, podinfo
from kijabi.scheduler.plugins import noderesourcesfit

NODES = [f"n{number}" for number in range(4)]
LABELS = [{}, {"app": "a"}, {"app": "b"}]
SELECTOR = labels.from_set({"app": "a"})
ANTI = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "a"}}}
        ]
    }
}

steps = strategies.lists(
    strategies.one_of(
        strategies.tuples(
            strategies.just("node"), strategies.sampled_from(NODES), strategies.sampled_from(["x", "y", ""])
        ),
        strategies.tuples(strategies.just("no node"), strategies.sampled_from(NODES)),
        strategies.tuples(
            strategies.just("pod"),
            strategies.integers(0, 5),
            strategies.sampled_from(NODES),
            strategies.sampled_from(LABELS),
            strategies.integers(0, 3),
            strategies.booleans(),
        ),
        strategies.tuples(strategies.just("no pod"), strategies.integers(0, 5)),
    ),
    max_size=40,
)


def node(name: str, zone: str) -> dict[str, Any]:
    marks = {"zone": zone} if zone else {}
    room = {"cpu": "8", "memory": "8Gi", "pods": "10"}
    return {"metadata": {"name": name, "labels": marks}, "spec": {}, "status": {"allocatable": room}}


def pod(number: int, where: str, marks: dict[str, str], cpu: int, leaving: bool) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": f"p{number}", "namespace": "default", "uid": f"u{number}", "labels": marks}
    if leaving:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    requests = {"cpu": str(cpu)} if cpu else {}
    spec = {"nodeName": where, "containers": [{"name": "c", "resources": {"requests": requests}}]}
    if cpu == 3:
        spec["affinity"] = ANTI
    return {"metadata": meta, "spec": spec}


def takes(info: podinfo.PodInfo) -> bool:
    return not info.terminating and SELECTOR.matches(info.shape.labels)


def free(seen: cluster.Cluster) -> np.ndarray[Any, Any]:
    strategy = noderesourcesfit.Strategy()
    return seen.columns.loaded(
        "least",
        lambda rows, arithmetic: noderesourcesfit.allocated(seen.columns, strategy, (500, 1 << 30), rows, arithmetic),
    )


def look(seen: cluster.Cluster) -> dict[str, Any]:
    """All that is kept, by names instead of rows."""
    table = seen.columns
    rows = table.row_of
    zone = table.topology("zone")
    tally = seen.tallies.of("app", takes)
    repelling = seen.tallies.carriers("anti", podinfo.of(pod(9, "", {"app": "a"}, 0, False)), lambda name: {})
    per_zone = tally.per_domain("zone", zone)
    scores = free(seen)
    return {
        "used": {name: table.used[:4, row].tolist() for name, row in rows.items()},
        "reckoned": {name: table.reckoned[:, row].tolist() for name, row in rows.items()},
        "pods": {name: sorted(table.pods[row]) for name, row in rows.items()},
        "tally": {name: int(tally.counts[row]) for name, row in rows.items()},
        "zones": {name: int(per_zone[zone.numbers[row]]) for name, row in rows.items()},
        "scores": {name: int(scores[row]) for name, row in rows.items()},
        "repelling": {name: sum(int(c.tally.counts[row]) for c in repelling) for name, row in rows.items()},
        "dead": int(np.abs(table.used[:, ~table.alive]).sum() + tally.counts[~table.alive].sum()),
    }


@hypothesis.given(steps, strategies.booleans())
@hypothesis.settings(max_examples=150, deadline=None)
def test_counts_kept_equal_counts_made_anew(sequence, looked_before):
    kept = cluster.Cluster()
    nodes: dict[str, Any] = {}
    pods: dict[int, Any] = {}
    for step in sequence:
        if looked_before:
            # Memories that exist must be kept up to date, not only be right when first made.
            look(kept)
        match step:
            case ("node", name, zone):
                kept.node(nodes.get(name), node(name, zone))
                nodes[name] = node(name, zone)
            case ("no node", name):
                if name in nodes:
                    kept.node(nodes.pop(name), None)
            case ("pod", number, where, marks, cpu, leaving):
                # A pod never moves, and its name is not given again while it is there.
                where = pods[number]["spec"]["nodeName"] if number in pods else where
                pods[number] = pod(number, where, marks, cpu, leaving)
                kept.assigned(pods[number])
            case ("no pod", number):
                if number in pods:
                    kept.gone(pods.pop(number)["metadata"]["uid"])
    fresh = cluster.Cluster()
    for each in pods.values():
        fresh.assigned(each)
    for each in nodes.values():
        fresh.node(None, each)
    found, wanted = look(kept), look(fresh)
    assert found == wanted


numbers = strategies.integers(0, 20_000)


@hypothesis.given(
    numbers,
    numbers,
    strategies.integers(0, 16_000),
    numbers,
    strategies.sampled_from([noderesourcesfit.LEAST, noderesourcesfit.MOST, noderesourcesfit.RATIO]),
)
@hypothesis.settings(max_examples=200, deadline=None)
def test_a_formula_says_the_same_of_one_row_and_of_many(used, asked, capacity, memory, kind):
    table = columns.Columns()
    table.allocatable[0, :3], table.allocatable[1, :3] = capacity, 9_000
    table.reckoned[0, :3], table.reckoned[1, :3] = used, memory
    strategy = noderesourcesfit.Strategy(kind, (("cpu", 2), ("memory", 3)), ((0, 0), (40, 100), (90, 30)))
    one = noderesourcesfit.allocated(table, strategy, (asked, 7), 1, columns.NUMBERS)
    many = noderesourcesfit.allocated(table, strategy, (asked, 7), np.arange(3), columns.ARRAYS)
    assert many.tolist() == [one] * 3
