import asyncio

import pytest
from aiohttp import web

from kijabi.apiserver import contract
from kijabi.apiserver.authn import bearer, webhook
from kijabi.apiserver.outbound import remote
from kijabi.kit import clock

ANN = {"username": "ann", "uid": "7", "groups": ["dev"], "extra": {"k": ["v"]}}


@pytest.fixture
def now():
    return clock.FakeClock()


@pytest.fixture
async def make(elsewhere, now):
    made = []

    def build(version="v1", seconds=120.0):
        server = remote.Remote(elsewhere.kubeconfig("/authenticate"), now)
        made.append(webhook.WebhookTokens(server, version, ("api",), seconds, now))
        return made[-1]

    yield build
    for one in made:
        await one.close()


def says(elsewhere, **status):
    elsewhere.answers["/authenticate"] = lambda body: {"kind": "TokenReview", "status": status}


@pytest.mark.parametrize("version", webhook.VERSIONS)
async def test_the_question_is_a_token_review(elsewhere, make, version):
    says(elsewhere, authenticated=True, user=ANN)
    found = await make(version).authenticate("t", ("api",))
    assert found.user == contract.UserInfo("ann", "7", ("dev",), {"k": ("v",)})
    ((path, review),) = elsewhere.asked
    assert (path, review["apiVersion"], review["kind"]) == (
        "/authenticate",
        f"authentication.k8s.io/{version}",
        "TokenReview",
    )
    assert review["spec"] == {"token": "t", "audiences": ["api"]}


def test_a_version_that_nobody_speaks(elsewhere, make):
    with pytest.raises(webhook.UnknownVersion) as refused:
        make("v2")
    assert str(refused.value) == (
        'unsupported authentication webhook version "v2", supported versions are "v1", "v1beta1"'
    )


@pytest.mark.parametrize(
    ("status", "wanted", "audiences"),
    [
        pytest.param({"authenticated": True}, ("api",), ("api",), id="silent-about-audiences"),
        pytest.param({"authenticated": True, "audiences": ["x", "b"]}, ("a", "b"), ("b",), id="those-both-know"),
        pytest.param({"authenticated": True}, ("other",), None, id="silent-and-not-for-us"),
        pytest.param({"authenticated": True, "audiences": ["x"]}, ("api",), None, id="for-others"),
        pytest.param({"authenticated": False}, ("api",), None, id="unknown"),
    ],
)
def test_what_an_answer_means(status, wanted, audiences):
    found = webhook.read({"user": ANN, **status}, wanted, ("api",))
    assert (found and found.audiences) == audiences


@pytest.mark.parametrize("authenticated", [True, False])
async def test_answers_are_kept_for_their_time(elsewhere, make, now, authenticated):
    says(elsewhere, authenticated=authenticated, user=ANN)
    one = make()
    for later, questions in ((0, 1), (119, 1), (2, 2)):
        now._now += later
        assert (await one.authenticate("t", ("api",)) is not None) is authenticated
        assert len(elsewhere.asked) == questions
    await one.authenticate("t", ("other",))
    await one.authenticate("u", ("api",))
    assert len(elsewhere.asked) == 4


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(lambda body: {"status": {"authenticated": False, "error": "why"}}, "why", id="its-reason"),
        pytest.param(lambda body: web.Response(status=403, text="go away"), "go away", id="refused"),
        pytest.param(lambda body: web.Response(text="<html>"), "json parse error", id="no-json"),
    ],
)
async def test_failures_are_told_and_not_kept(elsewhere, make, answer, text):
    elsewhere.answers["/authenticate"] = answer
    one = make()
    for _ in range(2):
        with pytest.raises(bearer.Rejected, match=text):
            await one.authenticate("t", ("api",))
    assert len(elsewhere.asked) == 2


async def test_many_with_the_same_token_ask_once(elsewhere, make):
    says(elsewhere, authenticated=True, user=ANN)
    one = make(seconds=0.0)
    leaving = asyncio.create_task(one.authenticate("t", ("api",)))
    staying = [asyncio.create_task(one.authenticate("t", ("api",))) for _ in range(3)]
    await asyncio.sleep(0)
    leaving.cancel()
    assert [(await task).user.name for task in staying] == ["ann"] * 3
    assert len(elsewhere.asked) == 1
