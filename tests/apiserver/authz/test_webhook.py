import pytest
from aiohttp import web

from kijabi.apiserver import contract, tally
from kijabi.apiserver.authz import conditions, webhook
from kijabi.apiserver.outbound import remote
from kijabi.kit import clock

ANN = contract.UserInfo("ann", "u7", ("dev", "ops"), {"scopes": ("a", "b")})


def asked(verb="list", **more):
    return contract.Attributes(ANN, verb, **{"namespace": "ns", "api_version": "v1", "resource": "pods", **more})


@pytest.fixture
def now():
    return clock.FakeClock()


@pytest.fixture
def counts():
    return tally.Tally()


@pytest.fixture
async def make(elsewhere, now, counts):
    made = []

    def build(**settings):
        compiled, problems = conditions.compile_all(
            [{"expression": one} for one in settings.pop("conditions", ())], "c"
        )
        assert not problems
        server = remote.Remote(elsewhere.kubeconfig("/authorize"), now)
        settings_ = webhook.Settings("w", conditions=compiled, **settings)
        made.append(webhook.Webhook(settings_, server, now, counts))
        return made[-1]

    yield build
    for one in made:
        await one.close()


def says(elsewhere, **status):
    elsewhere.answers["/authorize"] = lambda body: {"kind": "SubjectAccessReview", "status": status}


@pytest.mark.parametrize(
    ("version", "groups"), [pytest.param("v1", "groups", id="v1"), pytest.param("v1beta1", "group", id="v1beta1")]
)
async def test_the_question_is_a_subject_access_review(elsewhere, make, version, groups):
    says(elsewhere, allowed=True, reason="because")
    decision = await make(version=version).authorize(
        asked(field_selector="spec.nodeName=n,a!=b", label_selector="app in (x,y),!z")
    )
    assert decision == contract.Decision(contract.Verdict.ALLOW, "because")
    path, review = elsewhere.asked[0]
    assert (path, review["apiVersion"]) == ("/authorize", f"authorization.k8s.io/{version}")
    assert review["spec"] == {
        "resourceAttributes": {
            "namespace": "ns",
            "verb": "list",
            "version": "v1",
            "resource": "pods",
            "fieldSelector": {
                "requirements": [
                    {"key": "a", "operator": "NotIn", "values": ["b"]},
                    {"key": "spec.nodeName", "operator": "In", "values": ["n"]},
                ]
            },
            "labelSelector": {
                "requirements": [
                    {"key": "app", "operator": "In", "values": ["x", "y"]},
                    {"key": "z", "operator": "DoesNotExist"},
                ]
            },
        },
        "user": "ann",
        groups: ["dev", "ops"],
        "extra": {"scopes": ["a", "b"]},
        "uid": "u7",
    }


async def test_a_path_that_is_no_resource(elsewhere, make):
    says(elsewhere, allowed=False)
    await make().authorize(contract.Attributes(ANN, "get", path="/metrics", is_resource=False))
    assert elsewhere.asked[0][1]["spec"]["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}


@pytest.mark.parametrize(
    ("status", "verdict", "error"),
    [
        pytest.param({"allowed": True}, contract.Verdict.ALLOW, "", id="allowed"),
        pytest.param({"allowed": False}, contract.Verdict.NO_OPINION, "", id="not-allowed-is-no-opinion"),
        pytest.param({"allowed": False, "denied": True}, contract.Verdict.DENY, "", id="denied"),
        pytest.param(
            {"allowed": True, "denied": True},
            contract.Verdict.DENY,
            "webhook subject access review returned both allow and deny response",
            id="both",
        ),
    ],
)
async def test_what_an_answer_means(elsewhere, make, status, verdict, error):
    says(elsewhere, reason="r", **status)
    assert await make().authorize(asked()) == contract.Decision(verdict, "r", error)


@pytest.mark.parametrize(
    ("allowed", "kept"), [pytest.param(True, 300, id="allowed"), pytest.param(False, 30, id="not-allowed")]
)
async def test_answers_are_kept_for_their_time(elsewhere, make, now, allowed, kept):
    says(elsewhere, allowed=allowed)
    hook = make()
    for later, questions in ((0, 1), (kept - 1, 1), (2, 2)):
        now._now += later
        await hook.authorize(asked())
        assert len(elsewhere.asked) == questions
    await hook.authorize(asked("get"))
    assert len(elsewhere.asked) == 3


@pytest.mark.parametrize("ttl", [pytest.param({"authorized": 0.0}, id="switched-off")])
async def test_answers_need_not_be_kept(elsewhere, make, ttl):
    says(elsewhere, allowed=True)
    hook = make(**ttl)
    await hook.authorize(asked())
    await hook.authorize(asked())
    assert len(elsewhere.asked) == 2


async def test_a_very_long_question_is_never_kept(elsewhere, make):
    says(elsewhere, allowed=True)
    hook = make()
    for _ in range(2):
        await hook.authorize(asked(name="n" * 10_000))
    assert len(elsewhere.asked) == 2


@pytest.mark.parametrize("verdict", [contract.Verdict.NO_OPINION, contract.Verdict.DENY])
async def test_who_cannot_be_asked_decides_as_configured(elsewhere, make, verdict):
    elsewhere.answers["/authorize"] = lambda body: web.Response(status=403, text="go away")
    decision = await make(on_error=verdict).authorize(asked())
    assert decision == contract.Decision(verdict, "", "go away")


async def test_a_server_in_trouble_is_asked_five_times(elsewhere, make, now):
    elsewhere.answers["/authorize"] = lambda body: web.Response(status=500, text="oops")
    hook = make()

    class Hurried(clock.FakeClock):
        async def sleep(self, seconds):
            self.slept = [*getattr(self, "slept", []), seconds]

    hook._server._clock = hurried = Hurried()
    decision = await hook.authorize(asked())
    assert "has prevented the request from succeeding" in decision.error
    assert len(elsewhere.asked) == 5
    assert [low <= got <= low * 1.2 for low, got in zip((0.5, 0.75, 1.125, 1.6875), hurried.slept, strict=True)] == [
        True
    ] * 4


@pytest.mark.parametrize(
    ("conditions_", "asks", "error"),
    [
        pytest.param(["request.user == 'ann'", "'dev' in request.groups"], True, "", id="all-true"),
        pytest.param(["request.user == 'bob'"], False, "", id="one-false"),
        pytest.param(
            ["has(request.resourceAttributes) && request.resourceAttributes.namespace == 'ns'"], True, "", id="resource"
        ),
        pytest.param(["has(request.nonResourceAttributes)"], False, "", id="not-a-path"),
        pytest.param(
            ["request.nonResourceAttributes.path == '/x'", "request.user == 'bob'"], False, "", id="false-beats-failure"
        ),
        pytest.param(
            ["request.nonResourceAttributes.path == '/x'"],
            False,
            "cel evaluation error: expression 'request.nonResourceAttributes.path == '/x'' resulted in error: "
            "no such key: nonResourceAttributes",
            id="failure",
        ),
        pytest.param(["request.resourceAttributes.name == ''"], True, "", id="what-is-empty-is-there"),
        pytest.param(["request.extra['scopes'].exists(s, s == 'b')"], True, "", id="extra"),
    ],
)
async def test_match_conditions_say_who_is_asked(elsewhere, make, conditions_, asks, error):
    says(elsewhere, allowed=True)
    decision = await make(conditions=conditions_, on_error=contract.Verdict.DENY).authorize(asked())
    assert len(elsewhere.asked) == int(asks)
    assert decision.error == error
    expected = contract.Verdict.ALLOW if asks else contract.Verdict.DENY if error else contract.Verdict.NO_OPINION
    assert decision.verdict is expected


async def test_what_is_counted(elsewhere, make, counts):
    says(elsewhere, allowed=True)
    await make(conditions=["request.user == 'bob'"]).authorize(asked())
    await make(conditions=["request.nonResourceAttributes.path == ''"]).authorize(asked())
    await make().authorize(asked())
    elsewhere.answers["/authorize"] = lambda body: web.Response(status=403)
    await make().authorize(asked())
    assert counts.of(tally.EXCLUSIONS, "Webhook", "w") == counts.of(tally.MATCH_ERRORS, "Webhook", "w") == 1
    assert counts.of(tally.EVALUATIONS, "w", "success") == counts.of(tally.EVALUATIONS, "w", "error") == 1
    assert counts.of(tally.FAIL_OPEN, "w", "error") == 1
    told = {family.name: family.samples for family in counts.collect()}
    assert told["apiserver_authorization_match_condition_exclusions"][0].labels == {"type": "Webhook", "name": "w"}
    assert told["serviceaccount_valid_tokens"][0].value == 0
