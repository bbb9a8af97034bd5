"""APIServices of what is served here."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.api.apiregistration import apiservice
from kijabi.apiserver.aggregation import registration
from kijabi.apiserver.aggregation.registration import ALWAYS, LABEL, ON_START, Action, decide, wanted

PATH = "/apis/apiregistration.k8s.io/v1/apiservices"


def current(managed: str = "", **spec: Any) -> dict[str, Any]:
    made = wanted("g.io", "v1", 1000, 100, managed)
    made["spec"].update(spec)
    return made


@pytest.mark.parametrize(
    ("desired", "there", "synced", "at_start", "action"),
    [
        pytest.param(None, None, False, False, Action.NOTHING, id="neither"),
        pytest.param(ON_START, None, False, False, Action.CREATE, id="once, missing"),
        pytest.param(ON_START, None, True, False, Action.NOTHING, id="once, deleted since"),
        pytest.param(ALWAYS, None, True, False, Action.CREATE, id="always, deleted since"),
        pytest.param(ALWAYS, current(""), False, True, Action.NOTHING, id="somebody's own"),
        pytest.param(ON_START, current(ON_START, versionPriority=1), False, True, Action.UPDATE, id="once, changed"),
        pytest.param(ON_START, current(ON_START, versionPriority=1), True, True, Action.NOTHING, id="once, done"),
        pytest.param(ALWAYS, current(ALWAYS, versionPriority=1), True, True, Action.UPDATE, id="always, changed"),
        pytest.param(ALWAYS, current(ALWAYS), True, True, Action.NOTHING, id="always, as it should be"),
        pytest.param(None, current(ALWAYS), True, False, Action.DELETE, id="no longer served"),
        pytest.param(None, current(ON_START), False, True, Action.DELETE, id="from an earlier version"),
        pytest.param(None, current(ON_START), False, False, Action.NOTHING, id="made by another server"),
    ],
)
def test_what_is_done(desired: str | None, there: Any, synced: bool, at_start: bool, action: Action) -> None:
    want = wanted("g.io", "v1", 1000, 100, desired) if desired else None
    assert decide(want, there, synced=synced, at_start=at_start) is action


async def test_a_new_server_has_one_for_every_built_in_version(two: Any) -> None:
    _, listed = await two.send("GET", PATH)
    by_name = {one["metadata"]["name"]: one for one in listed["items"]}
    assert "v1.apiregistration.k8s.io" not in by_name
    core, scaling = by_name["v1."], by_name["v2.autoscaling"]
    assert core["spec"] == {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}
    assert (scaling["spec"]["groupPriorityMinimum"], scaling["spec"]["versionPriority"]) == (17500, 30)
    assert core["metadata"]["labels"] == {LABEL: ON_START}
    [condition] = core["status"]["conditions"]
    assert condition.pop("lastTransitionTime")
    assert condition == apiservice.LOCAL


def test_custom_resources_are_served_in_the_versions_that_say_so() -> None:
    versions = [{"name": "v1", "served": True}, {"name": "v0", "served": False}]
    assert registration.versions_of({"spec": {"group": "g.io", "versions": versions}}) == [("g.io", "v1")]


def api_service(name: str = "v1.g.io", **spec: Any) -> dict[str, Any]:
    base = {"group": "g.io", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10}
    return {"metadata": {"name": name}, "spec": {**base, **spec}}


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        pytest.param(api_service(), "", id="sound"),
        pytest.param(
            api_service("x"),
            'metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "v1.g.io"',
            id="name",
        ),
        pytest.param(
            api_service("v2.", group="", version="v2"),
            "spec.group: Required value: only v1 may have an empty group and it better be legacy kube",
            id="no group",
        ),
        pytest.param(
            api_service(groupPriorityMinimum=0),
            "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
            id="priority",
        ),
        pytest.param(
            api_service(caBundle="YWJj"),
            'spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle',
            id="bundle of a local one",
        ),
        pytest.param(
            api_service(
                service={"name": "s", "namespace": "n", "port": 443}, caBundle="YQ==", insecureSkipTLSVerify=True
            ),
            "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
            id="bundle that would not be looked at",
        ),
        pytest.param(
            api_service(service={"name": "s", "namespace": "n", "port": 0}),
            "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
            id="port",
        ),
    ],
)
def test_validation(obj: dict[str, Any], problem: str) -> None:
    assert [str(one) for one in apiservice.validate_create(obj)] == ([problem] if problem else [])
