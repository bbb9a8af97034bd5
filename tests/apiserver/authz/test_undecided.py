"""A whole server whose authorizer cannot be asked."""

import pytest
from aiohttp import web

from kijabi.apiserver import contract, options, program
from kijabi.kit import http, jsons
from kijabi.store import memory

ANN = contract.UserInfo("ann", groups=("system:authenticated",))
ADMIN = contract.UserInfo("admin", groups=("system:masters",))


@pytest.fixture
async def ask(elsewhere):
    elsewhere.answers["/authorize"] = lambda body: web.Response(status=403, text="<no>")
    chosen = options.Options(
        authorization_mode=("RBAC", "Webhook"),
        authorization_webhook_config_file=elsewhere.kubeconfig("/authorize"),
        authorization_webhook_version="v1",
        endpoint_reconciler_type="none",
    )
    store = memory.MemoryStore()
    assembly = program.build(chosen, store)
    await assembly.start()

    async def send(user, method, path, body=None):
        path, _, query = path.partition("?")
        data = jsons.dumps(body) if body is not None else b""
        answer = await assembly.api.handle(http.Request(method, path, path, query, body=data, identity=user))
        return answer.status, answer.headers["Content-Type"], await http.read_all(answer.body)

    yield send
    await assembly.close()
    await store.close()


async def test_a_request_that_nobody_could_decide_on_is_a_500_in_plain_text(ask):
    status, kind, body = await ask(ANN, "GET", "/api/v1/pods?limit=1")
    assert (status, kind) == (500, "text/plain; charset=utf-8")
    assert body == b'Internal Server Error: "/api/v1/pods?limit=1": &lt;no&gt;\n'


async def test_who_is_allowed_before_is_not_kept_waiting(ask, elsewhere):
    assert (await ask(ADMIN, "GET", "/api/v1/pods"))[0] == 200
    assert (await ask(ANN, "GET", "/api"))[0] == 200
    assert elsewhere.asked == []


async def test_a_review_tells_what_went_wrong(ask):
    spec = {"user": "ann", "resourceAttributes": {"verb": "list", "resource": "pods"}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    status, _, body = await ask(ADMIN, "POST", path, {"spec": spec})
    assert status == 201
    assert jsons.loads(body)["status"] == {"allowed": False, "evaluationError": "<no>"}
