"""Deployments decided by tables."""

import copy
from typing import Any

import pytest

import pods as p
from kijabi.controllers.deployment import plan, status, view


def deployment(replicas: int = 10, surge: Any = 3, unavailable: Any = 2, **spec: Any) -> p.Object:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return p.owner("Deployment", replicas=replicas, **{"strategy": rolling, **spec})


def replica_set(
    name: str,
    size: int,
    *,
    available: int | None = None,
    image: str = "old",
    desired: int = 10,
    most: int = 13,
    revision: int = 1,
    age: float = 100.0,
) -> p.Object:
    made = p.owner("ReplicaSet", name, replicas=size)
    made["metadata"]["creationTimestamp"] = p.stamp(age)
    made["metadata"]["annotations"] = {
        view.DESIRED: str(desired),
        view.MAXIMUM: str(most),
        view.REVISION: str(revision),
    }
    made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    shown = size if available is None else available
    made["status"] = {"replicas": size, "readyReplicas": shown, "availableReplicas": shown, "observedGeneration": 1}
    return made


def new(size: int, **more: Any) -> p.Object:
    return replica_set("new", size, image="i", revision=9, age=1.0, **more)


def sizes(of: p.Object, *sets: p.Object, old_running: bool = False) -> dict[str, int]:
    """What the plan resizes, by name; a new one as ``+``."""
    made = plan.plan(view.of(of, sets), old_running)
    found = {}
    for step in made:
        if isinstance(step, plan.Create):
            found["+"] = step.replica_set["spec"]["replicas"]
        elif isinstance(step, plan.Update) and step.replica_set["spec"]["replicas"] != step.before:
            found[step.replica_set["metadata"]["name"]] = step.replica_set["spec"]["replicas"]
    return found


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ([], {"+": 10}),
        ([replica_set("old", 10)], {"+": 3}),
        ([replica_set("old", 10), new(3, available=0)], {"old": 8}),
        ([replica_set("old", 8), new(3, available=0)], {"new": 5}),
        ([replica_set("old", 8), new(5, available=5)], {"old": 3}),
        ([replica_set("old", 8, available=6), new(5, available=0)], {}),
        ([replica_set("old", 10, available=5), new(3, available=3)], {"old": 5}),
        ([replica_set("a", 4), replica_set("b", 4, age=50), new(5, available=5)], {"a": 0, "b": 3}),
        ([replica_set("old", 0), new(10)], {}),
        ([new(13)], {"new": 10}),
    ],
    ids=[
        "the first",
        "surge",
        "two old ones may go",
        "room for two more",
        "available new ones let old ones go",
        "nothing to spare",
        "unhealthy old ones go first",
        "rollover in the middle of a rollout",
        "done",
        "too large",
    ],
)
def test_a_rolling_update_keeps_within_its_fences(sets: list[p.Object], expected: dict[str, int]) -> None:
    assert sizes(deployment(), *sets) == expected


@pytest.mark.parametrize(
    ("replicas", "sets", "expected"),
    [
        (20, [replica_set("old", 8), new(5)], {"old": 14, "new": 9}),
        (5, [replica_set("old", 8), new(5)], {"old": 5, "new": 3}),
        (0, [replica_set("old", 8), new(5)], {"old": 0, "new": 0}),
        (15, [new(10)], {"new": 15}),
    ],
    ids=["up by share", "down by share", "to nothing", "only one"],
)
def test_resizing_in_a_rollout_is_spread_by_share(replicas: int, sets: list[p.Object], expected: p.Object) -> None:
    assert sizes(deployment(replicas), *sets) == expected


@pytest.mark.parametrize(
    ("sets", "running", "expected"),
    [
        ([replica_set("old", 3)], True, {"old": 0}),
        ([replica_set("old", 0)], True, {}),
        ([replica_set("old", 0)], False, {"+": 10}),
        ([replica_set("old", 0), new(4)], False, {"new": 10}),
    ],
)
def test_recreate_waits_for_the_last_old_pod(sets: list[p.Object], running: bool, expected: p.Object) -> None:
    made = deployment(strategy={"type": "Recreate"})
    for item in sets:
        item["metadata"]["annotations"][view.MAXIMUM] = "10"
    assert sizes(made, *sets, old_running=running) == expected


def test_a_paused_deployment_makes_nothing_new_but_follows_its_size() -> None:
    assert sizes(deployment(paused=True), replica_set("old", 10)) == {}
    assert sizes(deployment(12, paused=True), replica_set("old", 10)) == {"old": 12}


def test_the_name_follows_from_the_template_and_from_collisions() -> None:
    first = plan.new_replica_set(view.of(deployment(), ()), 1)
    again = plan.new_replica_set(view.of(deployment(), ()), 1)
    collided = deployment()
    collided["status"] = {"collisionCount": 1}
    other = plan.new_replica_set(view.of(collided, ()), 1)
    assert first["metadata"]["name"] == again["metadata"]["name"] != other["metadata"]["name"]
    digest = first["metadata"]["labels"][view.HASH_LABEL]
    assert first["spec"]["selector"]["matchLabels"][view.HASH_LABEL] == digest
    assert first["metadata"]["name"] == f"web-{digest}"


def test_going_back_numbers_the_old_template_anew() -> None:
    old = replica_set("back", 0, image="i", revision=1)
    other = replica_set("now", 10, revision=2)
    made = plan.plan(view.of(deployment(), [old, other]), False)
    (step,) = [
        step for step in made if isinstance(step, plan.Update) and step.replica_set["metadata"]["name"] == "back"
    ]
    notes = step.replica_set["metadata"]["annotations"]
    assert (notes[view.REVISION], notes[view.HISTORY]) == ("3", "1")


def test_history_beyond_the_limit_goes_when_the_rollout_is_complete() -> None:
    made = deployment(revisionHistoryLimit=1)
    made["status"] = {"updatedReplicas": 10, "replicas": 10, "availableReplicas": 10, "observedGeneration": 1}
    sets = [replica_set(f"r{n}", 0, image=f"i{n}", revision=n) for n in (1, 2, 3)]
    steps = plan.plan(view.of(made, [*sets, new(10)]), False)
    gone = [step.replica_set["metadata"]["name"] for step in steps if isinstance(step, plan.Delete)]
    assert gone == ["r1", "r2"]


def conditions(of: p.Object, *sets: p.Object, now: float = p.NOW) -> dict[str, tuple[str, str]]:
    told = status.status(view.of(of, sets), now)
    return {item["type"]: (item["status"], item["reason"]) for item in told["conditions"]}


@pytest.mark.parametrize(
    ("sets", "available", "progressing"),
    [
        ([new(10)], ("True", "MinimumReplicasAvailable"), ("True", "NewReplicaSetAvailable")),
        (
            [replica_set("old", 8), new(3, available=0)],
            ("True", "MinimumReplicasAvailable"),
            ("True", "ReplicaSetUpdated"),
        ),
        ([new(10, available=7)], ("False", "MinimumReplicasUnavailable"), ("True", "ReplicaSetUpdated")),
    ],
)
def test_conditions_say_how_far_it_is(sets: list[p.Object], available: Any, progressing: Any) -> None:
    made = conditions(deployment(progressDeadlineSeconds=600), *sets)
    assert made == {"Available": available, "Progressing": progressing}


def test_a_rollout_without_progress_fails_at_its_deadline_and_recovers() -> None:
    made = deployment(progressDeadlineSeconds=600)
    stuck = [replica_set("old", 8), new(3, available=0)]
    made["status"] = status.status(view.of(made, stuck), p.NOW - 700)
    assert conditions(made, *stuck, now=p.NOW - 101)["Progressing"] == ("True", "ReplicaSetUpdated")
    late = copy.deepcopy(made)
    late["status"] = status.status(view.of(made, stuck), p.NOW)
    assert conditions(late, *stuck)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert conditions(late, replica_set("old", 8), new(3, available=1))["Progressing"] == ("True", "ReplicaSetUpdated")
