"""Nodes, pods and a small world of them, for tests of decisions."""

import itertools
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from kijabi.api import labels
from kijabi.scheduler import columns, cycle, plugins, podinfo, tallies
from kijabi.scheduler.plugins import contract

Object = dict[str, Any]
_uids = itertools.count(1)


def make_node(name: str, *, zone: str = "", taints: list[Object] | None = None, **more: Any) -> Object:
    """``more``: cpu, memory, pods, extra (resources), labels, unschedulable, images {name: bytes}."""
    marks = {"kubernetes.io/hostname": name, **(more.get("labels") or {})}
    if zone:
        marks["topology.kubernetes.io/zone"] = zone
    room = {"cpu": more.get("cpu", "4"), "memory": more.get("memory", "8Gi"), "pods": str(more.get("pods", 110))}
    room.update(more.get("extra") or {})
    images = [{"names": [image], "sizeBytes": size} for image, size in (more.get("images") or {}).items()]
    spec: Object = {"taints": taints} if taints else {}
    if more.get("unschedulable"):
        spec["unschedulable"] = True
    return {
        "metadata": {"name": name, "labels": {k: v for k, v in marks.items() if v is not None}},
        "spec": spec,
        "status": {"allocatable": room, "images": images},
    }


def make_pod(name: str, *, cpu: str = "", memory: str = "", namespace: str = "default", **more: Any) -> Object:
    """``more``: labels, priority, extra (requests), status, meta, containers; the rest goes into the spec."""
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v}
    requests.update(more.pop("extra", {}))
    container: Object = {"name": "c", "image": more.pop("image", "app")}
    if requests:
        container["resources"] = {"requests": requests}
    if "ports" in more:
        container["ports"] = more.pop("ports")
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{next(_uids)}", "labels": more.pop("labels", {})}
    meta.update(more.pop("meta", {}))
    status = more.pop("status", {})
    spec = {"schedulerName": "default-scheduler", "containers": more.pop("containers", [container]), **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


class World:
    """Columns and tallies in step, with upstream's default rules unless told otherwise."""

    def __init__(self) -> None:
        self.columns = columns.Columns()
        self.tallies = tallies.Tallies(self.columns)
        self.namespaces: dict[str, dict[str, str]] = {}
        self.selector: labels.Selector | None = None
        self.rules = cycle.Rules(plugins.FILTERS, plugins.SCORES)
        self.chance = random.Random(1)

    def add(self, *nodes: Object) -> "World":
        for node in nodes:
            for pod in self.columns.set_node(node):
                self.tallies.place(self.columns.row_of[node["metadata"]["name"]], pod)
        return self

    def remove(self, name: str) -> None:
        row = self.columns.row_of.get(name, -1)
        for pod in self.columns.remove_node(name):
            self.tallies.remove(row, pod)

    def place(self, node: str, *pods: Object) -> "World":
        for pod in pods:
            parsed = podinfo.of(pod)
            row = self.columns.add_pod(node, parsed)
            if row is not None:
                self.tallies.place(row, parsed)
        return self

    def unplace(self, node: str, uid: str) -> None:
        removed = self.columns.remove_pod(node, uid)
        if removed is not None:
            self.tallies.remove(*removed)

    def view(self, pod: Object) -> contract.View:
        return contract.View(
            podinfo.of(pod),
            self.columns,
            self.tallies,
            lambda name: self.namespaces.get(name, {}),
            lambda info: self.selector,
        )

    def decide(self, pod: Object, nominated: Any = ()) -> cycle.Decision:
        return cycle.decide(self.view(pod), self.rules, self.chance, nominated)

    def where(self, pod: Object) -> str | None:
        decision = self.decide(pod)
        return self.columns.name(decision.row) if decision.row is not None else None

    def feasible(self, pod: Object) -> set[str]:
        view = self.view(pod)
        cycle.feasible_rows(view, self.rules.filters)
        return {self.columns.name(row) for row in view.rows.tolist()}

    def reasons(self, pod: Object) -> dict[str, list[tuple[str, str, bool]]]:
        """Per refused node (rule, reason, hopeless)."""
        decision = self.decide(pod)
        found: dict[str, list[tuple[str, str, bool]]] = {}
        for rule, refusal in decision.refusals():
            for row in refusal.rows.tolist():
                found.setdefault(self.columns.name(row), []).append((rule.name, refusal.reason, refusal.hopeless))
        return found

    def scores(self, pod: Object, rule: str) -> Mapping[str, tuple[int, int]]:
        """Per feasible node (its own number, the same normalized)."""
        decision = self.decide(pod)
        if rule not in decision.scores:
            return {}
        found = {}
        for position, row in enumerate(decision.view.rows.tolist()):
            score = decision.of_row(position)[rule]
            found[self.columns.name(row)] = (score.raw, score.normalized)
        return found


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def node() -> Callable[..., Object]:
    return make_node


@pytest.fixture
def pod() -> Callable[..., Object]:
    return make_pod
