"""Through the whole server, in process: what only the pipeline can show."""

import asyncio

import pytest

from kijabi.api import errors, kinds, served
from kijabi.apiserver import contract, options, program
from kijabi.client import rest, transport
from kijabi.kit import pki
from kijabi.store import memory

EVENTS_V1 = served.find("events.k8s.io/v1", "events")
ANN = contract.UserInfo("ann", groups=("system:authenticated",))


@pytest.fixture
async def assembly(tmp_path):
    (tmp_path / "sa.key").write_bytes(pki.key_pem(pki.new_key()))
    flags = options.Options(service_account_signing_key_file=str(tmp_path / "sa.key"), advertise_address="192.168.1.5")
    made = program.build(flags, memory.MemoryStore())
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def client(assembly):
    def as_user(user=contract.SYSTEM):
        return rest.Client(transport.Local(assembly.api.handle, user))

    return as_user


def pod(name="p", **spec):
    metadata = {"name": name, "namespace": "default"}
    containers = [{"name": "c", "image": "nginx"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def service(name, **spec):
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def account(client):
    metadata = {"name": "default", "namespace": "default"}
    await client.create(kinds.SERVICE_ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})


async def test_a_pod_from_creation_to_eviction(client):
    admin = client()
    await account(admin)
    await admin.create(kinds.NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    made = await admin.create(kinds.PODS, pod())
    assert made["spec"]["serviceAccountName"] == "default"
    assert made["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3607
    target = {"kind": "Node", "name": "n"}
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p", "namespace": "default"},
        "target": target,
    }
    await admin.create(kinds.PODS, binding, name="p", subresource="binding")
    with pytest.raises(errors.Conflict, match='already assigned to node "n"'):
        await admin.create(kinds.PODS, binding, name="p", subresource="binding")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"}}
    await admin.create(kinds.PODS, eviction, name="p", subresource="eviction")
    assert (await admin.get(kinds.PODS, "p", "default"))["metadata"]["deletionTimestamp"]


async def test_a_kubelet_gets_tokens_for_its_own_pods_only(assembly, client):
    admin = client()
    await account(admin)
    await admin.create(kinds.NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    made = await admin.create(kinds.PODS, pod(nodeName="n"))
    ref = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": made["metadata"]["uid"]}
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3607, "boundObjectRef": ref},
    }
    node, other = (
        client(contract.UserInfo(f"system:node:{name}", groups=("system:nodes", "system:authenticated")))
        for name in ("n", "m")
    )
    more = {"namespace": "default", "name": "default", "subresource": "token"}
    answer = await node.create(kinds.SERVICE_ACCOUNTS, request, **more)
    with pytest.raises(errors.Forbidden, match="no relationship found between node 'm' and this object"):
        await other.create(kinds.SERVICE_ACCOUNTS, request, **more)
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": answer["status"]["token"]},
    }
    reviewed = await admin.create(kinds.TOKEN_REVIEWS, review)
    assert reviewed["status"]["user"]["username"] == "system:serviceaccount:default:default"


async def test_an_ordinary_user_may_only_ask_about_himself(client):
    ann = client(ANN)
    with pytest.raises(errors.Forbidden) as caught:
        await ann.list(kinds.PODS, rest.Selection("default"))
    assert caught.value.message == (
        'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default"'
    )
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await ann.raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
    assert answer["status"]["userInfo"] == {"username": "ann", "groups": ["system:authenticated"]}


RBAC = "rbac.authorization.k8s.io/v1"


def role(name, **rule):
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": RBAC, "kind": "Role", "metadata": metadata, "rules": [{"apiGroups": [""], **rule}]}


def binding(name, role_name):
    return {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": "default"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role_name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}],
    }


async def test_nobody_grants_what_he_does_not_hold(client):
    await client().create(kinds.ROLE_BINDINGS, binding("admin", "admin"))
    ann = client(ANN)
    await ann.create(kinds.ROLES, role("reader", resources=["pods"], verbs=["get"]))
    with pytest.raises(errors.Forbidden) as caught:
        await ann.create(kinds.ROLES, role("more", resources=["nodes"], verbs=["get", "list"]))
    assert caught.value.message == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "ann" (groups=["system:authenticated"]) is '
        'attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["nodes"], '
        'Verbs:["get" "list"]}'
    )
    with pytest.raises(errors.Forbidden, match="is attempting to grant RBAC permissions not currently held"):
        await ann.create(kinds.ROLE_BINDINGS, binding("root", "cluster-admin"))
    await ann.create(kinds.ROLE_BINDINGS, binding("view", "view"))


async def test_services_are_addressed_and_free_what_they_give_back(client):
    admin = client()
    made = await admin.create(kinds.SERVICES, service("w", type="NodePort", ports=[{"port": 80}]))
    port = made["spec"]["ports"][0]["nodePort"]
    plain = await admin.patch(kinds.SERVICES, "w", "default", {"spec": {"type": "ClusterIP"}})
    assert "nodePort" not in plain["spec"]["ports"][0]
    await admin.create(kinds.SERVICES, service("x", type="NodePort", ports=[{"port": 80, "nodePort": port}]))
    with pytest.raises(errors.Invalid, match="provided IP is already allocated"):
        await admin.create(kinds.SERVICES, service("y", clusterIP="10.96.0.1", ports=[{"port": 80}]))
    await admin.delete(kinds.SERVICES, "w", "default")
    await admin.create(kinds.SERVICES, service("z", clusterIP=made["spec"]["clusterIP"], ports=[{"port": 80}]))


async def test_concurrent_writes_stay_within_a_quota(assembly, client):
    admin = client()
    hard = {"count/configmaps": "5"}
    metadata = {"name": "q", "namespace": "default"}
    await admin.create(
        kinds.RESOURCE_QUOTAS,
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}},
    )
    status = {"hard": hard, "used": {"count/configmaps": "0"}}
    await assembly.access.mutate(
        kinds.RESOURCE_QUOTAS, "q", "default", lambda obj: obj.update(status=status), subresource="status"
    )
    maps = (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{index}", "namespace": "default"}}
        for index in range(12)
    )
    results = await asyncio.gather(*(admin.create(kinds.CONFIG_MAPS, one) for one in maps), return_exceptions=True)
    assert sum(isinstance(result, dict) for result in results) == 5
    assert all("exceeded quota: q" in result.message for result in results if not isinstance(result, dict))
    left = await admin.get(kinds.RESOURCE_QUOTAS, "q", "default")
    assert left["status"]["used"] == {"count/configmaps": "5"}


async def test_requests_for_a_pods_kubelet_need_a_node(client):
    admin = client()
    await account(admin)
    await admin.create(kinds.PODS, pod())
    with pytest.raises(errors.BadRequest, match="pod p does not have a host assigned"):
        await admin.raw("POST", "/api/v1/namespaces/default/pods/p/exec", query={"command": "sh"})


async def test_events_are_selected_by_the_field_names_of_either_version(assembly, client):
    admin = client()
    await admin.create(
        EVENTS_V1,
        {
            "metadata": {"name": "e", "namespace": "default"},
            "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "example.com/doer",
            "reportingInstance": "doer-1",
            "action": "Do",
            "reason": "Done",
            "type": "Normal",
        },
    )
    for what, selector, found in (
        (EVENTS_V1, "reportingController=example.com/doer,regarding.name=p", 1),
        (EVENTS_V1, "regarding.name=q", 0),
        (kinds.EVENTS, "reportingComponent=example.com/doer,involvedObject.name=p", 1),
    ):
        page = await admin.list(what, rest.Selection("default", fields=selector))
        assert len(page["items"]) == found, selector
    with pytest.raises(errors.BadRequest, match="field label not supported: source"):
        await admin.list(EVENTS_V1, rest.Selection("default", fields="source=x"))


async def test_a_review_is_not_shown_as_a_table(assembly):
    admin = transport.Local(assembly.api.handle, contract.SYSTEM)
    body = b'{"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}'
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    for accept, status in ((table, 406), (f"{table},application/json", 201)):
        answer = await admin.request("POST", path, body=body, headers={"Accept": accept})
        assert answer.status == status
