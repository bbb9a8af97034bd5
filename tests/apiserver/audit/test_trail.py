"""Through a whole server: what the log says of requests that went well, badly, long, and as somebody else."""

import orjson
import pytest

from kijabi.api import kinds
from kijabi.apiserver import contract, options, program
from kijabi.client import rest, transport
from kijabi.kit import pki
from kijabi.store import memory

ADMIN = contract.UserInfo("ann", groups=("system:masters", "system:authenticated"))
POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- level: None
  users: ["system:apiserver"]
- level: RequestResponse
  resources: [{group: "", resources: [configmaps]}]
- level: Metadata
"""


@pytest.fixture
async def assembly(tmp_path):
    (tmp_path / "sa.key").write_bytes(pki.key_pem(pki.new_key()))
    (tmp_path / "policy.yaml").write_text(POLICY)
    flags = options.Options(
        service_account_signing_key_file=str(tmp_path / "sa.key"),
        audit_policy_file=str(tmp_path / "policy.yaml"),
        audit_log_path=str(tmp_path / "audit.log"),
    )
    made = program.build(flags, memory.MemoryStore())
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def events(tmp_path):
    def read():
        return [orjson.loads(line) for line in (tmp_path / "audit.log").read_bytes().splitlines()]

    return read


def config_map(name):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


async def test_a_creation_with_its_request_and_response(assembly, events):
    client = rest.Client(transport.Local(assembly.api.handle, ADMIN, "tester/1"))
    await client.create(kinds.CONFIG_MAPS, config_map("a"))
    received, complete = events()
    assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
    assert received["auditID"] == complete["auditID"]
    assert "requestObject" not in received
    assert complete["level"] == "RequestResponse"
    assert complete["verb"] == "create"
    assert complete["user"] == {"username": "ann", "groups": ["system:masters", "system:authenticated"]}
    assert complete["objectRef"] == {
        "resource": "configmaps",
        "namespace": "default",
        "name": "a",
        "apiVersion": "v1",
    }
    assert complete["responseStatus"] == {"metadata": {}, "code": 201}
    assert complete["requestObject"]["metadata"]["name"] == "a"
    assert complete["responseObject"]["metadata"]["uid"]
    assert "managedFields" not in complete["responseObject"]["metadata"]
    assert complete["annotations"]["authorization.k8s.io/decision"] == "allow"


async def test_a_refusal_is_told_with_its_reason(assembly, events):
    nobody = transport.Local(assembly.api.handle, contract.UserInfo("bob", groups=("system:authenticated",)))
    answer = await nobody.request("GET", "/api/v1/namespaces/default/secrets/x")
    assert answer.status == 403
    last = events()[-1]
    assert last["level"] == "Metadata"
    assert last["responseStatus"]["reason"] == "Forbidden"
    assert last["responseStatus"]["code"] == 403
    assert last["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert "responseObject" not in last


async def test_a_watch_has_a_start_and_an_end(assembly, events):
    local = transport.Local(assembly.api.handle, ADMIN)
    client = rest.Client(local)
    await client.create(kinds.CONFIG_MAPS, config_map("a"))
    async with local.stream("GET", "/api/v1/configmaps", query={"watch": "1"}) as reply:
        await anext(aiter(reply.chunks))
        assert [event["stage"] for event in events()[2:]] == ["RequestReceived", "ResponseStarted"]
    assert [event["stage"] for event in events()[4:]] == ["ResponseComplete"]


async def test_somebody_who_is_not_known(assembly, events):
    stranger = transport.Local(assembly.api.handle, None)
    answer = await stranger.request("GET", "/api/v1/pods", headers={"Authorization": "Bearer nonsense"})
    assert answer.status == 401
    (event,) = events()
    assert event["stage"] == "ResponseStarted"
    assert event["user"] == {}
    told = {"metadata": {}, "message": "Authentication failed, attempted: bearer", "code": 401}
    assert event["responseStatus"] == told


async def test_somebody_who_speaks_for_another(assembly, events):
    local = transport.Local(assembly.api.handle, ADMIN)
    await local.request("GET", "/api/v1/pods", headers={"Impersonate-User": "eve"})
    last = events()[-1]
    assert last["user"]["username"] == "ann"
    assert last["impersonatedUser"] == {"username": "eve", "groups": ["system:authenticated"]}


async def test_the_servers_own_user_is_not_kept(assembly, events):
    await rest.Client(transport.Local(assembly.api.handle, contract.SYSTEM)).list(kinds.PODS)
    assert events() == []


async def test_counters_are_shown(assembly):
    local = transport.Local(assembly.api.handle, ADMIN)
    await local.request("GET", "/version")
    text = (await local.request("GET", "/metrics")).body.decode()
    assert "apiserver_audit_event_total" in text
    assert 'apiserver_audit_level_total{level="Metadata"}' in text
