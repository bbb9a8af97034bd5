"""The kinds of dynamic resource allocation."""

from __future__ import annotations

from typing import Any

import pytest

GROUP = "resource.k8s.io/v1"
CLAIM: dict[str, Any] = {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}}
REQUEST, DEVICES = "spec.devices.requests[0]", "spec.devices"


def alternative(name: str) -> dict[str, str]:
    return {"name": name, "deviceClassName": "c"}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            REQUEST,
            {"name": "r"},
            [f"{REQUEST}: Required value: exactly one of `exactly` or `firstAvailable` is required"],
        ),
        (REQUEST, {"name": "r", "firstAvailable": [alternative("a")]}, []),
        (
            REQUEST,
            {"name": "r", "firstAvailable": [alternative("a"), alternative("a")]},
            [f'{REQUEST}.firstAvailable[1]: Duplicate value: "a"'],
        ),
        (f"{REQUEST}.exactly.count", -1, [f"{REQUEST}.exactly.count: Invalid value: -1: must be greater than zero"]),
        (
            f"{REQUEST}.exactly.tolerations",
            [{"key": "a", "operator": "Exists", "value": "b"}],
            [f'{REQUEST}.exactly.tolerations[0].value: Invalid value: "b": must be empty for operator `Exists`'],
        ),
        (
            f"{DEVICES}.constraints",
            [{"requests": ["other"], "matchAttribute": "example.com/a"}],
            [
                f'{DEVICES}.constraints[0].requests[0]: Invalid value: "other": must be the name of a request in the '
                "claim or the name of a request and a subrequest separated by '/'"
            ],
        ),
        (
            f"{DEVICES}.constraints",
            [{"matchAttribute": "a"}],
            [
                f'{DEVICES}.constraints[0].matchAttribute: Invalid value: "a": a fully qualified name must be a domain '
                "and a name separated by a slash"
            ],
        ),
        (
            f"{DEVICES}.config",
            [{"opaque": {"driver": "a.com", "parameters": 5}}],
            [
                f'{DEVICES}.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object',
            ],
        ),
    ],
)
def test_claims(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial(GROUP, "ResourceClaim", CLAIM).create((path, value)) == expected


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("device.driver == 'a.com' && device.attributes['a.com'].model == 'x'", ""),
        ("device.capacity['a.com'].memory.compareTo(quantity('1Gi')) >= 0", ""),
        ("cel.bind(d, device.driver, d == 'a.com')", ""),
        ("1", "must evaluate to bool or the unknown type, not int"),
        ("device.colour == 'red'", "undefined field 'colour'"),
    ],
)
def test_selectors_of_devices(trial: Any, expression: str, problem: str) -> None:
    found = trial(GROUP, "DeviceClass", {}).create(("spec.selectors", [{"cel": {"expression": expression}}]))
    assert [problem in text and text.startswith("spec.selectors[0].cel.expression") for text in found] == (
        [True] if problem else []
    )


def test_a_claim_stays_what_it_asked_for(trial: Any) -> None:
    [found] = trial(GROUP, "ResourceClaim", CLAIM).update((f"{REQUEST}.name", "s"))
    assert found.startswith(
        'spec: Invalid value: {"Devices":{"Requests":[{"Name":"s","Exactly":{"DeviceClassName":"c",'
    )
    assert found.endswith("field is immutable")


RESULT = {"request": "r", "driver": "a.com", "pool": "p", "device": "d"}
ALLOCATED = {"devices": {"results": [RESULT]}}
CONSUMER = {"resource": "pods", "name": "p", "uid": "u"}
REPORT = {"driver": "a.com", "pool": "p", "device": "d"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"allocation": ALLOCATED, "reservedFor": [CONSUMER], "devices": [REPORT]}, []),
        (
            {"reservedFor": [CONSUMER]},
            ["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"],
        ),
        (
            {"allocation": ALLOCATED, "reservedFor": [CONSUMER, CONSUMER]},
            ['status.reservedFor[1]: Duplicate value: "u"'],
        ),
        (
            {"allocation": ALLOCATED, "devices": [{**REPORT, "device": "e"}]},
            [
                'status.devices[0]: Invalid value: {"Driver":"a.com","Pool":"p","Device":"e","ShareID":""}: must be an '
                "allocated device in the claim"
            ],
        ),
    ],
)
def test_what_became_of_a_claim(trial: Any, status: Any, expected: list[str]) -> None:
    assert trial(GROUP, "ResourceClaim", CLAIM).status(("status", status)) == expected


def test_an_allocation_ends_but_does_not_change(trial: Any) -> None:
    case, before = trial(GROUP, "ResourceClaim", CLAIM), (("status", {"allocation": ALLOCATED}),)
    assert case.status(("status.allocation", {"devices": {"results": []}}), before=before) != []
    assert case.status(("status", {}), before=before) == []


SLICE: dict[str, Any] = {
    "spec": {
        "driver": "a.com",
        "nodeName": "n",
        "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": "d"}],
    }
}
DEVICE = "spec.devices[0]"
WHERE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "spec.allNodes",
            True,
            [f'spec: Invalid value: "{{`nodeName`, `allNodes`}}": {WHERE}, but multiple fields are set'],
        ),
        (
            "spec.pool.generation",
            -1,
            ["spec.pool.generation: Invalid value: -1: must be greater than or equal to zero"],
        ),
        ("spec.devices[1]", {"name": "d"}, ['spec.devices[1]: Duplicate value: "d"']),
        (f"{DEVICE}.attributes", {"model": {"string": "x"}, "a.com/v": {"version": "1.2.3"}}, []),
        (
            f"{DEVICE}.attributes",
            {"v": {"version": "1.2"}},
            [
                f'{DEVICE}.attributes[v].version: Invalid value: "1.2": must be a string compatible with semver.org '
                "spec 2.0.0"
            ],
        ),
        (
            f"{DEVICE}.attributes",
            {"v": {}},
            [f'{DEVICE}.attributes[v]: Invalid value: "": exactly one value must be specified'],
        ),
        (
            f"{DEVICE}.nodeName",
            "m",
            [
                f"{DEVICE}: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if "
                "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
            ],
        ),
        (
            f"{DEVICE}.capacity",
            {"m": {"value": "1Gi", "requestPolicy": {"default": "1Gi"}}},
            [f"{DEVICE}.capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true"],
        ),
        (
            DEVICE,
            {
                "name": "d",
                "allowMultipleAllocations": True,
                "capacity": {
                    "m": {
                        "value": "10",
                        "requestPolicy": {"default": "5", "validRange": {"min": "2", "max": "12", "step": "2"}},
                    }
                },
            },
            [
                f'{DEVICE}.capacity[m].requestPolicy.validRange.max: Invalid value: "12": max is larger than capacity '
                "value: 10",
                f'{DEVICE}.capacity[m].requestPolicy.validRange.step: Invalid value: "5": value is not a multiple of a '
                "given step (2) from (2)",
            ],
        ),
    ],
)
def test_slices(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial(GROUP, "ResourceSlice", SLICE).create((path, value)) == expected


def test_a_template_says_no_more_of_claims_than_labels_and_annotations(trial: Any) -> None:
    case = trial(GROUP, "ResourceClaimTemplate", {"spec": CLAIM})
    assert case.create(("spec.metadata", {"labels": {"a": "b"}})) == []
    assert case.create(("spec.metadata", {"name": "n"})) == ["spec.metadata.name: Forbidden: cannot be set"]
