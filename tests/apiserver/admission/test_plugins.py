import base64
import copy

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kijabi.api import errors, kinds
from kijabi.apiserver import admission, contract, options
from kijabi.apiserver.admission import (
    certificates,
    default_tolerations,
    ingress_class,
    limit_ranger,
    namespace_lifecycle,
    node_restriction,
    pod_topology_labels,
    priority,
    runtime_class,
    service_account,
    storage,
    taint_nodes,
)
from kijabi.kit import clock

ANN = contract.UserInfo("ann")
NODE = contract.UserInfo("system:node:one", groups=("system:nodes",))


class Deny:
    async def authorize(self, attributes):
        return contract.NO_OPINION


class Allow:
    async def authorize(self, attributes):
        return contract.ALLOW


def write(what, obj, *, operation=contract.CREATE, sub="", old=None, user=ANN, name=None, namespace=None):
    meta = (obj or old or {}).get("metadata", {})
    return contract.AdmissionAttributes(
        operation,
        what,
        sub,
        meta.get("name", "") if name is None else name,
        meta.get("namespace", "") if namespace is None else namespace,
        obj,
        old,
        {},
        user,
    )


def pod(name="p", namespace="ns", **spec):
    meta = {"name": name, "namespace": namespace, **spec.pop("metadata", {})}
    return {"metadata": meta, "spec": {"containers": [{"name": "c"}], **spec}}


async def run(one, attributes):
    """As the chain does: only what the plugin handles."""
    assert one.handles(attributes.operation, attributes.resource, attributes.subresource)
    await one.admit(attributes)
    await one.validate(attributes)
    return attributes.object


async def refused(one, attributes, message, kind=errors.Forbidden):
    with pytest.raises(kind) as caught:
        await run(one, attributes)
    assert caught.value.message == message
    return caught.value


# --- namespaces


async def test_nothing_is_made_where_there_is_no_namespace(access):
    one = namespace_lifecycle.NamespaceLifecycle(access)
    await refused(one, write(kinds.PODS, pod()), 'namespaces "ns" not found', errors.NotFound)


async def test_nothing_new_in_a_namespace_that_ends(access):
    access.add(kinds.NAMESPACES, "ns", status={"phase": "Terminating"})
    one = namespace_lifecycle.NamespaceLifecycle(access)
    error = await refused(
        one,
        write(kinds.PODS, pod()),
        'pods "p" is forbidden: unable to create new content in namespace ns because it is being terminated',
    )
    assert error.details["causes"][0]["reason"] == "NamespaceTerminating"
    assert await run(one, write(kinds.PODS, pod(), operation=contract.UPDATE, old=pod())) == pod()


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_some_namespaces_stay(access, name):
    one = namespace_lifecycle.NamespaceLifecycle(access)
    attributes = write(kinds.NAMESPACES, None, operation=contract.DELETE, name=name)
    await refused(one, attributes, f'namespaces "{name}" is forbidden: this namespace may not be deleted')


# --- service accounts


async def test_a_pod_gets_the_default_account_and_its_token(access):
    access.add(kinds.SERVICE_ACCOUNTS, "default", "ns", imagePullSecrets=[{"name": "pull"}])
    made = await run(service_account.ServiceAccount(access), write(kinds.PODS, pod(initContainers=[{"name": "i"}])))
    spec = made["spec"]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert len(volume["name"]) == len("kube-api-access-") + 5
    sources = volume["projected"]["sources"]
    assert sources[0] == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    assert sources[1]["configMap"]["name"] == "kube-root-ca.crt"
    assert sources[2]["downwardAPI"]["items"][0]["path"] == "namespace"
    mount = {
        "name": volume["name"],
        "readOnly": True,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    }
    assert spec["containers"][0]["volumeMounts"] == spec["initContainers"][0]["volumeMounts"] == [mount]


@pytest.mark.parametrize(
    ("account", "spec", "mounted"),
    [
        ({}, {}, True),
        ({"automountServiceAccountToken": False}, {}, False),
        ({"automountServiceAccountToken": False}, {"automountServiceAccountToken": True}, True),
        ({}, {"automountServiceAccountToken": False}, False),
        (
            {},
            {"containers": [{"name": "c", "volumeMounts": [{"name": "x", "mountPath": service_account.MOUNT_PATH}]}]},
            False,
        ),
    ],
)
async def test_who_wants_a_token(access, account, spec, mounted):
    access.add(kinds.SERVICE_ACCOUNTS, "default", "ns", **account)
    made = await run(service_account.ServiceAccount(access), write(kinds.PODS, pod(**spec)))
    assert bool(made["spec"].get("volumes")) is mounted


async def test_a_pod_waits_a_little_for_the_default_account_only(access):
    class Late(clock.FakeClock):
        async def sleep(self, seconds):
            access.add(kinds.SERVICE_ACCOUNTS, "default", "ns")

    one = service_account.ServiceAccount(access, Late())
    await refused(
        one,
        write(kinds.PODS, pod(name="", serviceAccountName="robot", metadata={"generateName": "web-"})),
        'pods "web-" is forbidden: error looking up service account ns/robot: serviceaccount "robot" not found',
    )
    assert (await run(one, write(kinds.PODS, pod())))["spec"]["serviceAccountName"] == "default"


async def test_mountable_secrets_are_enforced_on_request(access):
    access.add(
        kinds.SERVICE_ACCOUNTS,
        "default",
        "ns",
        metadata={"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
        secrets=[{"name": "mine"}],
    )
    one = service_account.ServiceAccount(access)
    mine, other = ({"volumes": [{"name": "v", "secret": {"secretName": name}}]} for name in ("mine", "other"))
    await run(one, write(kinds.PODS, pod(**mine)))
    await refused(
        one,
        write(kinds.PODS, pod(**other)),
        'pods "p" is forbidden: volume with secret.secretName="other" is not allowed because service account default '
        "does not reference that secret",
    )


# --- limits


RANGE = {
    "spec": {
        "limits": [
            {
                "type": "Container",
                "default": {"cpu": "1", "memory": "1Gi"},
                "defaultRequest": {"cpu": "100m"},
                "max": {"memory": "2Gi"},
                "min": {"cpu": "50m"},
                "maxLimitRequestRatio": {"cpu": "10"},
            },
            {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "5Gi"}},
        ]
    }
}


async def test_containers_get_default_resources_and_a_note(access):
    access.add(kinds.LIMIT_RANGES, "l", "ns", **RANGE)
    made = await run(limit_ranger.LimitRanger(access), write(kinds.PODS, pod()))
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container c; "
        "cpu, memory limit for container c"
    }


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        ({"requests": {"cpu": "10m"}}, "minimum cpu usage per Container is 50m, but request is 10m"),
        ({"limits": {"memory": "4Gi"}}, "maximum memory usage per Container is 2Gi, but limit is 4Gi"),
        (
            {"requests": {"cpu": "50m"}, "limits": {"cpu": "2"}},
            "cpu max limit to request ratio per Container is 10, but provided ratio is 40.000000",
        ),
    ],
)
async def test_a_pod_outside_its_limits_is_refused(access, resources, why):
    access.add(kinds.LIMIT_RANGES, "l", "ns", **RANGE)
    one = pod(containers=[{"name": "c", "resources": resources}])
    await refused(
        limit_ranger.LimitRanger(access), write(kinds.PODS, one), f'pods "p" is forbidden: {_two(resources, why)}'
    )


def _two(resources, why):
    # 10m of CPU against the default limit of 1 breaks the ratio as well.
    if resources.get("requests", {}).get("cpu") != "10m":
        return why
    return f"[{why}, cpu max limit to request ratio per Container is 10, but provided ratio is 100.000000]"


def claim(size, **more):
    return {
        "metadata": {"name": "c", "namespace": "ns"},
        "spec": {"resources": {"requests": {"storage": size}}, **more.pop("spec", {})},
        **more,
    }


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ("512Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi"),
        ("6Gi", "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"),
    ],
)
async def test_a_claim_outside_its_limits_is_refused(access, size, why):
    access.add(kinds.LIMIT_RANGES, "l", "ns", **RANGE)
    await refused(
        limit_ranger.LimitRanger(access),
        write(kinds.PERSISTENT_VOLUME_CLAIMS, claim(size)),
        f'persistentvolumeclaims "c" is forbidden: {why}',
    )


# --- priorities, tolerations, taints


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ("", 0, "PreemptLowerPriority")),
        ({"priorityClassName": "high"}, ("high", 100, "Never")),
        ({"priorityClassName": "high", "priority": 100}, ("high", 100, "Never")),
    ],
)
async def test_a_pod_gets_the_number_of_its_class(access, spec, expected):
    access.add(kinds.PRIORITY_CLASSES, "high", value=100, preemptionPolicy="Never")
    made = (await run(priority.Priority(access), write(kinds.PODS, pod(**spec))))["spec"]
    assert (made.get("priorityClassName", ""), made["priority"], made["preemptionPolicy"]) == expected


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priorityClassName": "none"}, "no PriorityClass with name none was found"),
        (
            {"priority": 7},
            "the integer value of priority (7) must not be provided in pod spec; priority admission controller "
            "computed 0 from the given PriorityClass name",
        ),
    ],
)
async def test_a_priority_of_ones_own_is_refused(access, spec, why):
    await refused(priority.Priority(access), write(kinds.PODS, pod(**spec)), f'pods "p" is forbidden: {why}')


async def test_there_is_one_default_class(access):
    one = priority.Priority(access)
    access.add(kinds.PRIORITY_CLASSES, "usual", value=5, globalDefault=True)
    made = await run(one, write(kinds.PODS, pod()))
    assert (made["spec"]["priorityClassName"], made["spec"]["priority"]) == ("usual", 5)
    await refused(
        one,
        write(kinds.PRIORITY_CLASSES, {"metadata": {"name": "second"}, "globalDefault": True}),
        'priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass usual is already marked as default. '
        "Only one default can exist",
    )


@pytest.mark.parametrize(
    ("there", "keys"),
    [
        ([], ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]),
        ([{"operator": "Exists"}], [None]),
        (
            [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
            ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"],
        ),
    ],
)
async def test_default_tolerations(there, keys):
    made = await run(default_tolerations.DefaultTolerationSeconds(), write(kinds.PODS, pod(tolerations=there)))
    assert [one.get("key") for one in made["spec"]["tolerations"]] == keys


async def test_a_new_node_is_not_ready():
    made = await run(taint_nodes.TaintNodesByCondition(), write(kinds.NODES, {"metadata": {"name": "n"}}))
    assert made["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    again = await run(taint_nodes.TaintNodesByCondition(), write(kinds.NODES, made))
    assert len(again["spec"]["taints"]) == 1


async def test_topology_of_the_node_becomes_the_pods(access):
    zone = {"topology.kubernetes.io/zone": "a", "other": "b"}
    access.add(kinds.NODES, "n", metadata={"labels": zone})
    binding = {"metadata": {"name": "p", "namespace": "ns"}, "target": {"kind": "Node", "name": "n"}}
    made = await run(pod_topology_labels.PodTopologyLabels(access), write(kinds.PODS, binding, sub="binding"))
    assert made["metadata"]["labels"] == {"topology.kubernetes.io/zone": "a"}


# --- classes and finalizers


@pytest.mark.parametrize(
    ("more", "name"),
    [({}, "new"), ({"spec": {"storageClassName": ""}}, ""), ({"spec": {"storageClassName": "x"}}, "x")],
)
async def test_the_newest_default_storage_class(access, more, name):
    for made, stamp in (("old", "2024-01-01T00:00:00Z"), ("new", "2024-02-01T00:00:00Z")):
        annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
        access.add(kinds.STORAGE_CLASSES, made, metadata={"annotations": annotations, "creationTimestamp": stamp})
    one = storage.DefaultStorageClass(access)
    made = await run(one, write(kinds.PERSISTENT_VOLUME_CLAIMS, claim("1Gi", **copy.deepcopy(more))))
    assert made["spec"].get("storageClassName") == name


async def test_storage_in_use_is_protected_once():
    one = storage.StorageObjectInUseProtection()
    made = await run(one, write(kinds.PERSISTENT_VOLUME_CLAIMS, claim("1Gi")))
    again = await run(one, write(kinds.PERSISTENT_VOLUME_CLAIMS, made))
    assert again["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


@pytest.mark.parametrize(
    ("phase", "expandable", "why"),
    [
        ("Bound", True, None),
        ("Pending", True, "Only bound persistent volume claims can be expanded"),
        (
            "Bound",
            False,
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
            "support resize",
        ),
    ],
)
async def test_claims_grow_where_their_class_allows(access, phase, expandable, why):
    access.add(kinds.STORAGE_CLASSES, "s", allowVolumeExpansion=expandable)
    one = storage.PersistentVolumeClaimResize(access)
    spec = {"storageClassName": "s"}
    old = claim("1Gi", spec=spec, status={"phase": phase})
    attributes = write(kinds.PERSISTENT_VOLUME_CLAIMS, claim("2Gi", spec=spec), operation=contract.UPDATE, old=old)
    if why is None:
        await run(one, attributes)
    else:
        await refused(one, attributes, f'persistentvolumeclaims "c" is forbidden: {why}')


@pytest.mark.parametrize(
    ("annotations", "spec", "name"),
    [({}, {}, "web"), ({"kubernetes.io/ingress.class": "x"}, {}, None), ({}, {"ingressClassName": "y"}, "y")],
)
async def test_the_default_ingress_class(access, annotations, spec, name):
    marked = {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    access.add(ingress_class.INGRESS_CLASSES, "web", metadata=marked)
    ingress = {"metadata": {"name": "i", "namespace": "ns", "annotations": annotations}, "spec": dict(spec)}
    made = await run(ingress_class.DefaultIngressClass(access), write(ingress_class.INGRESSES, ingress))
    assert made["spec"].get("ingressClassName") == name


async def test_a_runtime_class_brings_overhead_and_place(access):
    access.add(
        runtime_class.RUNTIME_CLASSES,
        "vm",
        overhead={"podFixed": {"cpu": "250m"}},
        scheduling={"nodeSelector": {"vm": "yes"}, "tolerations": [{"key": "vm"}]},
    )
    one = runtime_class.RuntimeClass(access)
    made = await run(one, write(kinds.PODS, pod(runtimeClassName="vm")))
    assert made["spec"]["overhead"] == {"cpu": "250m"}
    assert made["spec"]["nodeSelector"] == {"vm": "yes"}
    assert made["spec"]["tolerations"] == [{"key": "vm"}]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        (
            {"overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
    ],
)
async def test_a_runtime_class_that_does_not_fit(access, spec, why):
    await refused(runtime_class.RuntimeClass(access), write(kinds.PODS, pod(**spec)), f'pods "p" is forbidden: {why}')


# --- nodes


def mirror(**more):
    owner = {"apiVersion": "v1", "kind": "Node", "name": "one", "uid": "uid-one", "controller": True}
    meta = {"annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [owner], **more.pop("metadata", {})}
    return pod(metadata=meta, nodeName="one", **more)


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        pytest.param(write(kinds.PODS, mirror(), user=NODE), None, id="mirror"),
        pytest.param(write(kinds.PODS, pod(), user=ANN), None, id="not-a-node"),
        pytest.param(
            write(kinds.PODS, pod(nodeName="one"), user=NODE),
            'pod does not have "kubernetes.io/config.mirror" annotation, node "one" can only create mirror pods',
            id="plain-pod",
        ),
        pytest.param(
            write(kinds.PODS, mirror(metadata={"ownerReferences": []}), user=NODE),
            'node "one" can only create pods with an owner reference set to itself',
            id="no-owner",
        ),
        pytest.param(
            write(kinds.PODS, mirror(volumes=[{"name": "v", "secret": {"secretName": "s"}}]), user=NODE),
            'node "one" can not create pods that reference secrets',
            id="mirror-with-secret",
        ),
        pytest.param(
            write(kinds.PODS, None, operation=contract.DELETE, user=NODE, name="theirs", namespace="ns"),
            'node "one" can only delete pods with spec.nodeName set to itself',
            id="foreign-pod",
        ),
        pytest.param(
            write(
                kinds.PODS, pod("theirs"), operation=contract.UPDATE, sub="status", old=pod(nodeName="two"), user=NODE
            ),
            'node "one" can only update pod status for pods with spec.nodeName set to itself',
            id="foreign-status",
        ),
        pytest.param(
            write(kinds.NODES, {"metadata": {"name": "two"}}, user=NODE),
            'node "one" is not allowed to modify node "two"',
            id="other-node",
        ),
        pytest.param(
            write(
                kinds.NODES,
                {"metadata": {"name": "one", "labels": {"kubernetes.io/hostname": "one", "x": "y"}}},
                user=NODE,
            ),
            None,
            id="own-labels",
        ),
        pytest.param(
            write(kinds.NODES, {"metadata": {"name": "one", "labels": {"a.kubernetes.io/b": "c"}}}, user=NODE),
            'node "one" is not allowed to set the following labels: a.kubernetes.io/b',
            id="forbidden-label",
        ),
        pytest.param(
            write(
                kinds.NODES,
                {"metadata": {"name": "one"}, "spec": {}},
                operation=contract.UPDATE,
                old={"metadata": {"name": "one"}, "spec": {"taints": [{"key": "x"}]}},
                user=NODE,
            ),
            'node "one" is not allowed to modify taints',
            id="taints",
        ),
        pytest.param(
            write(kinds.LEASES, {"metadata": {"name": "two", "namespace": "kube-node-lease"}}, user=NODE),
            "can only access node lease with the same name as the requesting node",
            id="other-lease",
        ),
        pytest.param(
            write(kinds.SERVICE_ACCOUNTS, {"spec": {}}, sub="token", user=NODE, name="sa", namespace="ns"),
            "node requested token not bound to a pod",
            id="token-without-pod",
        ),
        pytest.param(
            write(
                kinds.SERVICE_ACCOUNTS,
                {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "mine", "uid": "uid-mine"}}},
                sub="token",
                user=NODE,
                name="sa",
                namespace="ns",
            ),
            None,
            id="token-for-own-pod",
        ),
        pytest.param(
            write(
                kinds.SERVICE_ACCOUNTS,
                {
                    "spec": {
                        "audiences": ["vault"],
                        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "mine", "uid": "uid-mine"},
                    }
                },
                sub="token",
                user=NODE,
                name="sa",
                namespace="ns",
            ),
            'audience "vault" not found in pod spec volume, system:node:one is not authorized to request tokens for '
            "this audience",
            id="token-for-other-audience",
        ),
    ],
)
async def test_a_node_writes_its_own(access, attributes, why):
    access.add(kinds.NODES, "one")
    access.add(kinds.PODS, "theirs", "ns", spec={"nodeName": "two"})
    token = [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]
    access.add(kinds.PODS, "mine", "ns", spec={"nodeName": "one", "volumes": token})
    one = node_restriction.NodeRestriction(access, Deny())
    if why is None:
        await run(one, attributes)
        return
    with pytest.raises(errors.Forbidden) as caught:
        await run(one, attributes)
    assert caught.value.message.endswith(f" is forbidden: {why}")


# --- certificates


def signing_request(signer, organization="dev", common="ann"):
    subject = [(NameOID.COMMON_NAME, common), (NameOID.ORGANIZATION_NAME, organization)]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    signed = x509.CertificateSigningRequestBuilder().subject_name(name)
    pem = signed.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    spec = {"signerName": signer, "request": base64.b64encode(pem).decode()}
    return {"metadata": {"name": "csr"}, "spec": spec}


@pytest.mark.parametrize(
    ("signer", "organization", "good"),
    [
        ("kubernetes.io/kube-apiserver-client", "dev", True),
        ("kubernetes.io/kube-apiserver-client", "system:masters", False),
        ("example.com/signer", "system:masters", True),
    ],
)
async def test_nobody_becomes_a_master_by_the_api(signer, organization, good):
    one = certificates.CertificateSubjectRestriction()
    attributes = write(kinds.CERTIFICATE_SIGNING_REQUESTS, signing_request(signer, organization))
    if good:
        await run(one, attributes)
    else:
        await refused(
            one,
            attributes,
            'certificatesigningrequests.certificates.k8s.io "csr" is forbidden: use of '
            "kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
        )


@pytest.mark.parametrize("authorizer", [Allow(), Deny()], ids=["may", "may-not"])
async def test_approval_is_for_who_may(authorizer):
    old = signing_request("example.com/signer")
    attributes = write(kinds.CERTIFICATE_SIGNING_REQUESTS, old, operation=contract.UPDATE, sub="approval", old=old)
    one = certificates.CertificateApproval(authorizer)
    if isinstance(authorizer, Allow):
        await run(one, attributes)
    else:
        await refused(
            one,
            attributes,
            'certificatesigningrequests.certificates.k8s.io "csr" is forbidden: user not permitted to approve '
            'requests with signerName "example.com/signer"',
        )


# --- the chain


def test_the_chain_is_in_upstreams_order(access):
    names = [one.name for one in admission.build(access, options.Options(), Deny())]
    assert names[:4] == ["NamespaceLifecycle", "LimitRanger", "ServiceAccount", "NodeRestriction"]
    assert names[-1] == "ResourceQuota"


def test_plugins_are_switched_off_by_name(access):
    chosen = admission.build(access, options.Options(disable_admission_plugins=("Priority",)), Deny())
    assert "Priority" not in [one.name for one in chosen]
    with pytest.raises(admission.UnknownPlugin):
        admission.build(access, options.Options(enable_admission_plugins=("Nonsense",)), Deny())
