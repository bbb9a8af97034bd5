"""Match conditions: any false decides, failures are told, and the authorizer is asked."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.api.cel import admission, conditions
from kijabi.api.cel.library import authz

REQUEST = {
    "operation": "CREATE",
    "namespace": "shop",
    "name": "web",
    "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
    "userInfo": {"username": "ann", "groups": ["dev"]},
}


def given(asked: list[authz.Check] | None = None, **more: Any) -> admission.Input:
    async def ask(check: authz.Check) -> authz.Decision:
        if asked is not None:
            asked.append(check)
        return authz.Decision(check.verb == "get", "because")

    parts: dict[str, Any] = {"object": {"metadata": {"name": "web"}, "spec": {"replicas": 3}}, "old_object": None}
    return admission.Input(request=REQUEST, user=authz.User("ann"), ask=ask, **(parts | more))


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        ([], True),
        (["request.operation == 'CREATE'"], True),
        (["object.spec.replicas > 5"], False),
        (["object.spec.missing > 5", "1 > 2"], False),
        (["oldObject == null"], True),
        (["!('dev' in request.userInfo.groups)"], False),
        (["authorizer.group('apps').resource('deployments').check('get').allowed()"], True),
        (["authorizer.requestResource.check('delete').allowed()"], False),
        (["authorizer.path('/healthz').check('post').reason() == 'because'"], True),
    ],
)
async def test_all_must_be_true(expressions: list[str], expected: bool) -> None:
    made = conditions.Conditions([{"name": f"c{at}", "expression": text} for at, text in enumerate(expressions)])
    assert made.problems == []
    assert await made.matches(given()) is expected


async def test_failures_are_told_where_nothing_is_false() -> None:
    listed = [{"name": "a", "expression": "object.spec.none == 1"}, {"name": "b", "expression": "object.nope == 1"}]
    answer = await conditions.Conditions(listed).matches(given())
    assert answer == conditions.Errored(
        "[expression 'object.spec.none == 1' resulted in error: no such key: none, "
        "expression 'object.nope == 1' resulted in error: no such key: nope]"
    )


async def test_request_resource_and_service_account_say_whom_and_what_they_ask_for() -> None:
    asked: list[authz.Check] = []
    text = "!authorizer.requestResource.check('update').allowed() && "
    text += "!authorizer.serviceAccount('ns', 'sa').group('').resource('pods').namespace('x').check('list').allowed()"
    assert await conditions.Conditions([{"name": "a", "expression": text}]).matches(given(asked)) is True
    groups = ("system:serviceaccounts", "system:serviceaccounts:ns")
    assert asked == [
        authz.Check(authz.User("ann"), "update", group="apps", resource="deployments", namespace="shop", name="web"),
        authz.Check(authz.User("system:serviceaccount:ns:sa", "", groups), "list", resource="pods", namespace="x"),
    ]


async def test_asking_too_much_is_out_of_budget() -> None:
    text = " && ".join(f"!authorizer.path('/{at}').check('post').allowed()" for at in range(8))
    answer = await conditions.Conditions([{"name": "a", "expression": text}]).matches(given())
    assert isinstance(answer, conditions.Errored)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"name": "a", "expression": "true"}, []),
        ({"name": "a", "expression": " "}, ["matchConditions[0].expression: Required value"]),
        ({"expression": "true"}, ["matchConditions[0].name: Required value"]),
        (
            {"name": "a", "expression": "1"},
            ['matchConditions[0].expression: Invalid value: "1": must evaluate to bool but got int'],
        ),
        (
            {"name": "a", "expression": "object.x in [1, 2"},
            [
                'matchConditions[0].expression: Invalid value: "object.x in [1, 2": compilation failed: '
                "ERROR: <input>:1:18: Syntax error: mismatched input '<EOF>' expecting ']'\n | object.x in [1, 2\n"
                " | .................^"
            ],
        ),
    ],
)
def test_what_is_refused(condition: dict[str, Any], expected: list[str]) -> None:
    assert [str(problem) for problem in conditions.validate([condition], "matchConditions")] == expected
