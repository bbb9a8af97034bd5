"""DaemonSets decided by tables."""

from typing import Any

import pytest

import pods as p
from kijabi.controllers import revisions
from kijabi.controllers.daemonset import nodes, plan, status

TAINT = {"key": "dedicated", "value": "x", "effect": "NoSchedule"}


def daemon(surge: Any = 0, unavailable: Any = 1, pod: p.Object | None = None) -> p.Object:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    made = p.owner("DaemonSet", updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    made["spec"]["template"]["spec"] |= pod or {}
    return made


def node(name: str = "n1", labels: dict[str, str] | None = None, *taints: p.Object) -> p.Object:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": list(taints)}}


@pytest.mark.parametrize(
    ("pod", "there", "run", "stay"),
    [
        ({}, node(), True, True),
        ({"nodeSelector": {"a": "b"}}, node(), False, False),
        ({"nodeSelector": {"a": "b"}}, node("n1", {"a": "b"}), True, True),
        ({"nodeName": "n2"}, node(), False, False),
        ({}, node("n1", {}, TAINT), False, True),
        ({}, node("n1", {}, {**TAINT, "effect": "NoExecute"}), False, False),
        ({"tolerations": [{"operator": "Exists"}]}, node("n1", {}, {**TAINT, "effect": "NoExecute"}), True, True),
        ({}, node("n1", {}, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}), True, True),
        ({}, node("n1", {}, {"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}), False, True),
        (
            {"hostNetwork": True},
            node("n1", {}, {"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}),
            True,
            True,
        ),
    ],
)
def test_which_nodes_fit(pod: p.Object, there: p.Object, run: bool, stay: bool) -> None:
    assert nodes.fit(nodes.template(daemon(pod=pod)), there) == nodes.Fit(run, stay)


def test_a_pod_is_pinned_to_its_node_and_found_by_it() -> None:
    pinned = nodes.pinned(nodes.template(daemon(), "h"), "n7")
    assert pinned["metadata"]["labels"][revisions.HASH_LABEL] == "h"
    assert nodes.target({"metadata": {}, "spec": pinned["spec"]}) == "n7"


def new(name: str, **more: Any) -> p.Object:
    return p.pod(name, labels={revisions.HASH_LABEL: "h"}, **more)


def old(name: str, **more: Any) -> p.Object:
    return p.pod(name, labels={revisions.HASH_LABEL: "g"}, **more)


def decide(of: p.Object, pods: dict[str, list[p.Object]], **fits: nodes.Fit) -> tuple[list[str], list[str]]:
    everywhere = {name: nodes.Fit(True, True) for name in ("a", "b", "c")}
    made = plan.plan(plan.View(of, "h", {**everywhere, **fits}, pods, p.NOW))
    return made.create, sorted(pod["metadata"]["name"] for pod in made.delete)


FULL = {"a": [old("pa")], "b": [old("pb")], "c": [old("pc")]}


@pytest.mark.parametrize(
    ("of", "pods", "create", "delete"),
    [
        (daemon(), {}, ["a", "b", "c"], []),
        (daemon(), {**FULL, "a": [new("pa"), new("twin")]}, [], ["twin"]),
        (daemon(), {**FULL, "a": [new("pa", phase="Failed")]}, [], ["pa"]),
        (daemon(), {**FULL, "a": [new("pa", phase="Succeeded")]}, [], ["pa"]),
        (daemon(), FULL, [], ["pa"]),
        (daemon(unavailable=2), FULL, [], ["pa", "pb"]),
        (daemon(unavailable="50%"), FULL, [], ["pa", "pb"]),
        (daemon(), {**FULL, "a": [new("pa", ready=False)]}, [], []),
        (daemon(), {**FULL, "a": [new("pa")]}, [], ["pb"]),
        (daemon(), {**FULL, "b": [old("pb", ready=False)]}, [], ["pb"]),
        (daemon(surge=1, unavailable=0), FULL, ["a"], []),
        (daemon(surge=1, unavailable=0), {**FULL, "a": [old("pa"), new("na", ready=False)]}, [], []),
        (daemon(surge=1, unavailable=0), {**FULL, "a": [old("pa"), new("na")]}, [], ["pa"]),
        (daemon(surge=1, unavailable=0), {**FULL, "b": [old("pb", ready=False)]}, ["b", "a"], []),
        (daemon(), {**FULL, "gone": [old("px", node="", phase="Pending")]}, [], ["px"]),
    ],
    ids=[
        "one on each node",
        "only one on each node",
        "a failed one makes room",
        "so does one that ended",
        "an old one at a time",
        "or two",
        "or half of them rounded up",
        "not while a new one starts",
        "the next when it is available",
        "broken ones first",
        "a surge comes first",
        "and is waited for",
        "then the old one goes",
        "broken ones are replaced beyond the surge",
        "pinned to a node that is gone",
    ],
)
def test_what_is_made_and_deleted(of: p.Object, pods: Any, create: list[str], delete: list[str]) -> None:
    assert decide(of, pods) == (create, delete)


def test_a_node_that_fits_no_more_loses_its_pod() -> None:
    pods = {**FULL, "a": [new("pa")], "b": [new("pb")], "c": [new("pc")]}
    assert decide(daemon(), pods, a=nodes.Fit(False, True), b=nodes.NOWHERE) == ([], ["pb"])


def test_nodes_are_counted() -> None:
    fits = {"a": nodes.Fit(True, True), "b": nodes.Fit(True, True), "c": nodes.NOWHERE, "d": nodes.Fit(True, True)}
    pods = {"a": [new("pa")], "b": [old("pb", ready=False)], "c": [old("pc")]}
    assert status.status(plan.View(daemon(), "h", fits, pods, p.NOW), 0) == {
        "desiredNumberScheduled": 3,
        "currentNumberScheduled": 2,
        "numberMisscheduled": 1,
        "numberReady": 1,
        "numberAvailable": 1,
        "updatedNumberScheduled": 1,
        "numberUnavailable": 2,
        "observedGeneration": 1,
    }
