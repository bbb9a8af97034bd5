"""The plugins that --enable-admission-plugins adds, and PodResizeValidator."""

import pytest

from kijabi.api import errors, kinds, resource
from kijabi.apiserver import admission, contract, options
from kijabi.apiserver.admission import (
    always,
    always_pull_images,
    anti_affinity,
    extended_resources,
    external_ips,
    namespaces,
    node_selector,
    owner_references,
    pod_resize,
)

ANN = contract.UserInfo("ann")


def asked(what, obj, old=None, subresource=""):
    operation = contract.UPDATE if old is not None else contract.CREATE
    return contract.AdmissionAttributes(operation, what, subresource, "x", "ns", obj, old, {}, ANN)


def pod(**spec):
    return {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "a"}], **spec}}


class Some:
    """Allows just these (verb, resource, subresource)."""

    def __init__(self, *allowed):
        self.allowed = allowed

    async def authorize(self, attributes):
        key = (attributes.verb, attributes.resource, attributes.subresource)
        return contract.ALLOW if key in self.allowed else contract.NO_OPINION


def test_which_plugins_there_are(access):
    def names(**flags):
        return [one.name for one in admission.build(access, options.Options(**flags), Some())]

    plain = names()
    assert "PodResizeValidator" in plain
    assert "AlwaysPullImages" not in plain
    more = names(enable_admission_plugins=("AlwaysPullImages", "AlwaysDeny"))
    assert more.index("AlwaysPullImages") == more.index("PodSecurity") - 1
    assert more[-1] == "AlwaysDeny"
    with pytest.raises(admission.UnknownPlugin, match='unknown admission plugin "Nothing"'):
        names(enable_admission_plugins=("Nothing",))


async def test_everything_is_denied():
    with pytest.raises(errors.Forbidden, match="admission control is denying all modifications"):
        await always.AlwaysDeny().admit(asked(kinds.PODS, pod()))


async def test_images_are_always_pulled():
    one = always_pull_images.AlwaysPullImages()
    made = pod(volumes=[{"name": "v", "image": {"reference": "b"}}], initContainers=[{"name": "i", "image": "c"}])
    attributes = asked(kinds.PODS, made)
    with pytest.raises(errors.Forbidden, match=r"spec.initContainers\[0\].imagePullPolicy: Unsupported value"):
        await one.validate(attributes)
    await one.admit(attributes)
    await one.validate(attributes)
    assert made["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert made["spec"]["volumes"][0]["image"]["pullPolicy"] == "Always"
    unchanged = pod()
    await one.admit(asked(kinds.PODS, unchanged, pod()))
    assert "imagePullPolicy" not in unchanged["spec"]["containers"][0]


async def test_a_namespace_is_made_when_it_is_needed(access):
    one = namespaces.NamespaceAutoProvision(access)
    dry = asked(kinds.PODS, pod())
    dry.dry_run = True
    await one.admit(dry)
    assert access.get_nowait(kinds.NAMESPACES, "ns") is None
    for _ in range(2):
        await one.admit(asked(kinds.PODS, pod()))
    assert access.get_nowait(kinds.NAMESPACES, "ns") is not None


async def test_a_namespace_must_be_there(access):
    one = namespaces.NamespaceExists(access)
    with pytest.raises(errors.NotFound, match='namespaces "ns" not found'):
        await one.validate(asked(kinds.PODS, pod()))
    access.add(kinds.NAMESPACES, "ns")
    await one.validate(asked(kinds.PODS, pod()))


@pytest.mark.parametrize(("key", "good"), [("kubernetes.io/hostname", True), ("zone", False)])
async def test_anti_affinity_keeps_to_nodes(key, good):
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": key}]}
    attributes = asked(kinds.PODS, pod(affinity={"podAntiAffinity": terms}))
    one = anti_affinity.LimitPodHardAntiAffinityTopology()
    if good:
        await one.validate(attributes)
        return
    with pytest.raises(errors.Forbidden, match="has TopologyKey zone but only key kubernetes"):
        await one.validate(attributes)


async def test_who_asks_for_a_device_tolerates_its_taint():
    made = pod(tolerations=[{"key": "k"}])
    made["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1", "b.com/gpu": "1", "a.com/x": "1"}}
    for _ in range(2):
        await extended_resources.ExtendedResourceToleration().admit(asked(kinds.PODS, made))
    assert [one["key"] for one in made["spec"]["tolerations"]] == ["k", "a.com/x", "b.com/gpu"]


@pytest.mark.parametrize(
    ("new", "old", "good"),
    [
        ([], None, True),
        (["1.1.1.1"], None, False),
        (["1.1.1.1"], ["1.1.1.1", "2.2.2.2"], True),
        (["3.3.3.3"], [], False),
    ],
)
async def test_no_new_external_addresses(new, old, good):
    before = None if old is None else {"metadata": {"name": "x"}, "spec": {"externalIPs": old}}
    attributes = asked(kinds.SERVICES, {"metadata": {"name": "x"}, "spec": {"externalIPs": new}}, before)
    one = external_ips.DenyServiceExternalIPs()
    if good:
        await one.validate(attributes)
    else:
        with pytest.raises(errors.Forbidden, match="Use of external IPs is denied by admission control"):
            await one.validate(attributes)


@pytest.mark.parametrize(
    ("annotation", "selector", "outcome"),
    [
        (None, {}, {"zone": "default"}),
        ("zone=a", {"disk": "ssd"}, {"zone": "a", "disk": "ssd"}),
        ("zone=a", {"zone": "b"}, "pod node label selector conflicts with its namespace node label selector"),
        ("zone=a", {"other": "x"}, "pod node label selector labels conflict with its namespace whitelist"),
    ],
)
async def test_a_namespace_chooses_nodes(access, annotation, selector, outcome):
    told = {"scheduler.alpha.kubernetes.io/node-selector": annotation} if annotation is not None else {}
    access.add(kinds.NAMESPACES, "ns", metadata={"annotations": told})
    allowed = {"clusterDefaultNodeSelector": "zone=default", "ns": "zone=a,disk=ssd" if annotation else ""}
    one = node_selector.PodNodeSelector(access, {"podNodeSelectorPluginConfig": allowed})
    made = pod(nodeSelector=selector)
    if isinstance(outcome, str):
        with pytest.raises(errors.Forbidden, match=outcome):
            await one.admit(asked(kinds.PODS, made))
    else:
        await one.admit(asked(kinds.PODS, made))
        assert made["spec"]["nodeSelector"] == outcome


@pytest.mark.parametrize(
    ("cpu", "labels", "told"),
    [
        ("2", {}, None),
        ("3", {}, "node didn't have enough allocatable resources: cpu, requested: 3000, allocatable: 2000"),
        ("1", {"kubernetes.io/os": "windows"}, 'pod resize is only supported on linux nodes, node "n" is "windows"'),
    ],
)
async def test_no_pod_is_resized_beyond_its_node(access, cpu, labels, told):
    access.add(kinds.NODES, "n", metadata={"labels": labels}, status={"allocatable": {"cpu": "2", "memory": "1Gi"}})
    new, old = pod(nodeName="n"), pod(nodeName="n")
    new["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    one = pod_resize.PodResizeValidator(access)
    assert one.handles(contract.UPDATE, kinds.PODS, "resize")
    if told is None:
        await one.validate(asked(kinds.PODS, new, old, "resize"))
        return
    with pytest.raises(errors.Forbidden) as caught:
        await one.validate(asked(kinds.PODS, new, old, "resize"))
    assert told in caught.value.message
    assert caught.value.details["causes"][0]["reason"] in ("NodeCapacity", "UnsupportedPlatform")


def owned(**more):
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", **more}
    return {"metadata": {"name": "x", "ownerReferences": [reference]}}


BARE = {"metadata": {"name": "x"}}
MAY_DELETE, MAY_FINALIZE = ("delete", "configmaps", ""), ("update", "replicasets", "finalizers")


@pytest.mark.parametrize(
    ("new", "old", "rights", "told"),
    [
        pytest.param(owned(), None, (), None, id="created with an owner"),
        pytest.param(owned(), BARE, (), "cannot set an ownerRef on a resource you can't delete", id="added"),
        pytest.param(owned(), BARE, (MAY_DELETE,), None, id="added by who may delete"),
        pytest.param(owned(blockOwnerDeletion=True), None, (), "a resource you can't set finalizers on", id="blocking"),
        pytest.param(owned(blockOwnerDeletion=True), None, (MAY_FINALIZE,), None, id="blocking by who may"),
        pytest.param(
            owned(blockOwnerDeletion=True), owned(blockOwnerDeletion=True, name="s"), (MAY_DELETE,), None, id="blocked"
        ),
        pytest.param(
            owned(blockOwnerDeletion=True, kind="Nothing"), None, (), "cannot find RESTMapping", id="unknown owner"
        ),
    ],
)
async def test_owners_are_named_by_who_may(access, new, old, rights, told):
    known = resource.Strategy(kinds.REPLICA_SETS)
    access.by_kind = lambda group, version, kind: known if kind == "ReplicaSet" else None
    one = owner_references.OwnerReferencesPermissionEnforcement(access, Some(*rights))
    attributes = asked(kinds.CONFIG_MAPS, new, old)
    if told is None:
        await one.validate(attributes)
    else:
        with pytest.raises(errors.Forbidden, match=told):
            await one.validate(attributes)
