"""Through a whole server: the objects, how answers are marked, and what changing the objects does."""

import asyncio

import pytest

from kijabi.api import errors, kinds
from kijabi.api.flowcontrol import defaults
from kijabi.apiserver import contract, options, program
from kijabi.apiserver.fairness import configuration
from kijabi.client import rest, transport
from kijabi.kit import pki
from kijabi.store import memory

ANN = contract.UserInfo("ann", groups=("system:authenticated",))


@pytest.fixture
async def assembly(tmp_path):
    (tmp_path / "sa.key").write_bytes(pki.key_pem(pki.new_key()))
    flags = options.Options(service_account_signing_key_file=str(tmp_path / "sa.key"))
    made = program.build(flags, memory.MemoryStore())
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def admin(assembly):
    return rest.Client(transport.Local(assembly.api.handle, contract.SYSTEM))


async def until(client, what, name, holds):
    """The object, once ``holds`` of it."""
    async with asyncio.timeout(5):
        async for event in client.watch(what, rest.Selection(fields=f"metadata.name={name}"), resource_version="0"):
            if event.type in ("ADDED", "MODIFIED") and holds(event.object):
                return event.object
    raise AssertionError("the watch has ended")


def condition(obj):
    found = [one for one in (obj.get("status") or {}).get("conditions") or () if one["type"] == "Dangling"]
    return (found[0]["status"], found[0]["reason"]) if found else None


def schema(name, level):
    rule = {
        "subjects": [{"kind": "User", "user": {"name": "ann"}}],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/version"]}],
    }
    spec = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": 50, "rules": [rule]}
    return {"metadata": {"name": name}, "spec": spec}


async def test_the_objects_of_a_new_cluster(admin):
    schemas = (await admin.list(kinds.FLOW_SCHEMAS))["items"]
    levels = (await admin.list(kinds.PRIORITY_LEVELS))["items"]
    assert len(schemas) == 11
    assert len(levels) == 8
    told = await until(admin, kinds.FLOW_SCHEMAS, "probes", condition)
    assert condition(told) == ("False", "Found")


async def test_an_answer_says_how_its_request_was_classified(assembly, admin):
    ann = transport.Local(assembly.api.handle, ANN)
    answer = await ann.request("GET", "/version")
    default = await admin.get(kinds.FLOW_SCHEMAS, "global-default")
    level = await admin.get(kinds.PRIORITY_LEVELS, "global-default")
    assert answer.headers["X-Kubernetes-PF-FlowSchema-UID"] == default["metadata"]["uid"]
    assert answer.headers["X-Kubernetes-PF-PriorityLevel-UID"] == level["metadata"]["uid"]
    refused = await ann.request("GET", "/api/v1/secrets")
    assert refused.status == 403
    assert refused.headers["X-Kubernetes-PF-FlowSchema-UID"] == default["metadata"]["uid"]


async def test_a_schema_counts_at_once_and_dangles_without_its_level(assembly, admin):
    made = await admin.create(kinds.FLOW_SCHEMAS, schema("mine", "nowhere"))
    told = await until(admin, kinds.FLOW_SCHEMAS, "mine", condition)
    assert condition(told) == ("True", "NotFound")
    limited = {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}
    await admin.create(
        kinds.PRIORITY_LEVELS, {"metadata": {"name": "nowhere"}, "spec": {"type": "Limited", "limited": limited}}
    )
    answer = await transport.Local(assembly.api.handle, ANN).request("GET", "/version")
    assert answer.headers["X-Kubernetes-PF-FlowSchema-UID"] == made["metadata"]["uid"]
    await until(admin, kinds.FLOW_SCHEMAS, "mine", lambda obj: condition(obj) == ("False", "Found"))


async def test_what_is_mandatory_comes_back(admin):
    await admin.delete(kinds.FLOW_SCHEMAS, "catch-all")
    back = await until(admin, kinds.FLOW_SCHEMAS, "catch-all", lambda obj: True)
    assert back["spec"]["matchingPrecedence"] == 10000


async def test_a_mandatory_spec_cannot_be_changed(admin):
    there = await admin.get(kinds.PRIORITY_LEVELS, "catch-all")
    there["spec"]["limited"]["nominalConcurrencyShares"] = 50
    with pytest.raises(errors.Invalid, match="spec of 'catch-all' must equal the fixed value"):
        await admin.update(kinds.PRIORITY_LEVELS, there)


@pytest.mark.parametrize(
    ("annotation", "generation", "follows"),
    [("true", 2, True), ("false", 1, False), (None, 1, True), (None, 2, False), ("maybe", 2, False)],
)
def test_a_suggested_object_follows_while_it_may(annotation, generation, follows):
    wanted = defaults.SUGGESTED_LEVELS[0]
    annotations = {defaults.AUTO_UPDATE: annotation} if annotation else {}
    there = {
        "metadata": {"name": "system", "generation": generation, "annotations": annotations},
        "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 1}},
    }
    made = configuration.revised(there, wanted, mandatory=False) or there
    assert (made["spec"] == wanted["spec"]) is follows
    assert configuration.revised({**made, "metadata": {**made["metadata"]}}, wanted, mandatory=False) is None


async def test_dumps_and_metrics(assembly):
    local = transport.Local(assembly.api.handle, contract.SYSTEM)
    text = (await local.request("GET", "/debug/api_priority_and_fairness/dump_priority_levels")).body.decode()
    assert text.splitlines()[0].startswith("PriorityLevelName,")
    assert any(line.startswith("workload-low,") for line in text.splitlines())
    for name in ("dump_queues", "dump_requests"):
        assert (await local.request("GET", f"/debug/api_priority_and_fairness/{name}")).status == 200
    metrics = (await local.request("GET", "/metrics")).body.decode()
    assert 'apiserver_flowcontrol_nominal_limit_seats{priority_level="system"} 74.0' in metrics
    assert 'apiserver_flowcontrol_dispatched_requests_total{flow_schema="exempt",priority_level="exempt"}' in metrics
