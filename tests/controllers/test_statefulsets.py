"""StatefulSets decided by tables."""

from typing import Any

import pytest

import pods as p
from kijabi.controllers import revisions
from kijabi.controllers.statefulset import identity, plan, retention

CLAIM = {"metadata": {"name": "data"}, "spec": {}}


def revision(name: str) -> p.Object:
    return {"metadata": {"name": name}, "revision": 1, "data": revisions.data(p.owner("StatefulSet"))}


def stateful(replicas: int = 3, policy: str = "OrderedReady", rolling: p.Object | None = None, **spec: Any) -> p.Object:
    update: p.Object = {"type": "RollingUpdate", "rollingUpdate": rolling or {"partition": 0}}
    return p.owner("StatefulSet", replicas=replicas, podManagementPolicy=policy, **{"updateStrategy": update, **spec})


def member(number: int, of: str = "new", **more: Any) -> p.Object:
    name = f"web-{number}"
    return p.pod(name, labels={revisions.HASH_LABEL: of, identity.POD_NAME_LABEL: name}, **more)


def steps(of: p.Object, *there: p.Object, claims: dict[str, p.Object] | None = None) -> list[str]:
    view = plan.View(of, revision("old"), revision("new"), there, claims or {}, p.NOW)
    signs = {plan.Create: "+", plan.Delete: "-", plan.Label: "#", plan.Claims: "c"}
    return [
        f"~{step.claim['metadata']['name']}"
        if isinstance(step, plan.Own)
        else f"{signs[type(step)]}{step.pod['metadata']['name']}"
        for step in plan.plan(view)
    ]


@pytest.mark.parametrize(
    ("of", "there", "expected"),
    [
        (stateful(), [], ["+web-0"]),
        (stateful(), [member(0, ready=False)], []),
        (stateful(), [member(0)], ["+web-1"]),
        (stateful(), [member(0), member(2)], ["+web-1"]),
        (stateful(policy="Parallel"), [], ["+web-0", "+web-1", "+web-2"]),
        (stateful(policy="Parallel"), [member(1, ready=False)], ["+web-0", "+web-2"]),
        (stateful(), [member(0, phase="Failed"), member(1), member(2)], ["-web-0"]),
        (stateful(), [member(0, phase="Succeeded", going=True)], []),
        (stateful(1), [member(0), member(1), member(2)], ["-web-2"]),
        (stateful(1), [member(0), member(1), member(2, going=True)], []),
        (stateful(1), [member(0), member(1, ready=False), member(2)], ["-web-2"]),
        (stateful(1), [member(0), member(1, ready=False), member(2, ready=False)], []),
        (stateful(1, "Parallel"), [member(0), member(1), member(2)], ["-web-2", "-web-1"]),
        (stateful(2, ordinals={"start": 1}), [member(0), member(1), member(2)], ["-web-0"]),
        (stateful(minReadySeconds=60), [member(0, ready_for=30)], []),
        (stateful(), [member(0, "old"), member(1, "old"), member(2, "old")], ["-web-2"]),
        (stateful(), [member(0, "old"), member(1, "old"), member(2, ready=False)], []),
        (stateful(), [member(0, "old"), member(1, "old"), member(2)], ["-web-1"]),
        (stateful(rolling={"partition": 2}), [member(0, "old"), member(1, "old"), member(2)], []),
        (
            stateful(rolling={"partition": 0, "maxUnavailable": 2}),
            [member(0, "old"), member(1, "old"), member(2, "old")],
            ["-web-2", "-web-1"],
        ),
        (
            stateful(updateStrategy={"type": "OnDelete"}),
            [member(0, "old"), member(1, "old"), member(2, "old")],
            [],
        ),
    ],
)
def test_the_next_steps(of: p.Object, there: list[p.Object], expected: list[str]) -> None:
    assert steps(of, *there) == expected


def test_a_pod_that_lost_its_name_label_gets_it_back() -> None:
    bare = p.pod("web-0", labels={revisions.HASH_LABEL: "new"})
    assert steps(stateful(1), bare) == ["#web-0"]


def test_a_pending_pod_gets_the_claims_it_lacks() -> None:
    assert steps(stateful(1, volumeClaimTemplates=[CLAIM]), member(0, phase="Pending")) == ["cweb-0"]


@pytest.mark.parametrize(
    ("scaled", "deleted", "in_range", "beyond"),
    [
        ("Retain", "Retain", [], []),
        ("Retain", "Delete", ["web"], ["web"]),
        ("Delete", "Retain", [], ["web-5"]),
        ("Delete", "Delete", ["web"], ["web-5"]),
    ],
)
def test_who_owns_a_claim(scaled: str, deleted: str, in_range: list[str], beyond: list[str]) -> None:
    of = stateful(persistentVolumeClaimRetentionPolicy={"whenScaled": scaled, "whenDeleted": deleted})
    for number, expected in ((0, in_range), (5, beyond)):
        claim: p.Object = {"metadata": {"name": "c"}}
        found = retention.owners(of, member(number), claim)
        assert [item["name"] for item in found or []] == expected
        claim["metadata"]["ownerReferences"] = found or []
        assert retention.owners(of, member(number), claim) is None


def test_a_claim_of_an_earlier_pod_is_waited_for() -> None:
    of = stateful(1, volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy={"whenScaled": "Delete"})
    stale = {"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": "before", "controller": True}
    claims = {"data-web-0": {"metadata": {"name": "data-web-0", "ownerReferences": [stale]}}}
    assert steps(of, claims=claims) == []
    assert steps(of) == ["+web-0"]


@pytest.mark.parametrize(
    ("name", "expected"), [("web-3", ("web", 3)), ("a-1-2", ("a-1", 2)), ("web", ("", -1)), ("web-x", ("", -1))]
)
def test_names_tell_the_ordinal(name: str, expected: tuple[str, int]) -> None:
    assert identity.parent_and_ordinal({"metadata": {"name": name}}) == expected
