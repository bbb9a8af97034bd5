"""What each kind fills in, refuses and shows."""

import copy
import datetime
from typing import Any

import pytest

from kijabi.api import catalog, resource
from kijabi.api.autoscaling import horizontalpodautoscaler_v1 as hpa_v1
from kijabi.api.batch import schedules
from kijabi.api.events import event as new_event

CATALOG = catalog.default_catalog()
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
SELECTOR = {"matchLabels": {"a": "b"}}
META = {"name": "x", "namespace": "default"}


def strategy(group: str, kind: str, version: str = "v1") -> resource.Strategy:
    found = CATALOG.by_kind(group, version, kind)
    assert found is not None
    return found


def create(group: str, kind: str, obj: dict[str, Any], version: str = "v1") -> tuple[dict[str, Any], list[str]]:
    how = strategy(group, kind, version)
    meta = dict(META) if how.resource.namespaced else {"name": "x"}
    made = {"metadata": meta, **copy.deepcopy(obj)}
    how.default(made)
    how.prepare_create(made)
    return made, [str(problem) for problem in how.validate_create(made)]


def update(group: str, kind: str, old: dict[str, Any], change: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    how = strategy(group, kind)
    old["metadata"].update(uid="1", resourceVersion="1")
    new = {**copy.deepcopy(old), **copy.deepcopy(change)}
    how.default(new)
    how.prepare_update(new, old)
    return new, [str(problem) for problem in how.validate_update(new, old)]


def test_deployment_defaults() -> None:
    made, problems = create(
        "apps", "Deployment", {"spec": {"selector": SELECTOR, "template": TEMPLATE}, "status": {"replicas": 5}}
    )
    assert problems == []
    spec = made["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert "enableServiceLinks" not in spec["template"]["spec"]
    assert not made["status"]


WORKLOADS: list[tuple[str, str, dict[str, Any], str]] = [
    ("apps", "Deployment", {"template": TEMPLATE}, "spec.selector: Required value"),
    ("apps", "Deployment", {"selector": {}, "template": TEMPLATE}, "empty selector is invalid for deployment"),
    (
        "apps",
        "ReplicaSet",
        {"selector": {"matchLabels": {"z": "z"}}, "template": TEMPLATE},
        'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
    ),
    (
        "apps",
        "Deployment",
        {"selector": SELECTOR, "template": TEMPLATE, "strategy": {"type": "Recreate", "rollingUpdate": {}}},
        "may not be specified when strategy `type` is 'Recreate'",
    ),
    (
        "apps",
        "Deployment",
        {
            "selector": SELECTOR,
            "template": TEMPLATE,
            "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
        },
        "may not be 0 when `maxSurge` is 0",
    ),
    (
        "apps",
        "StatefulSet",
        {"selector": SELECTOR, "template": TEMPLATE, "podManagementPolicy": "Odd"},
        "must be 'OrderedReady' or 'Parallel'",
    ),
    (
        "apps",
        "DaemonSet",
        {"selector": SELECTOR, "template": TEMPLATE, "updateStrategy": {"rollingUpdate": {"maxSurge": 1}}},
        "may not be set when maxUnavailable is non-zero",
    ),
    (
        "batch",
        "Job",
        {"template": TEMPLATE},
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ),
    (
        "batch",
        "CronJob",
        {"schedule": "x", "jobTemplate": {"spec": {"template": TEMPLATE}}},
        "expected exactly 5 fields, found 1: [x]",
    ),
    (
        "batch",
        "CronJob",
        {"schedule": "* * * * *", "timeZone": "Mars/Base", "jobTemplate": {"spec": {"template": TEMPLATE}}},
        "unknown time zone Mars/Base",
    ),
]


@pytest.mark.parametrize(
    ("group", "kind", "spec", "message"), WORKLOADS, ids=[f"{k}-{m[:40]}" for _, k, _, m in WORKLOADS]
)
def test_bad_workloads_are_refused(group: str, kind: str, spec: dict[str, Any], message: str) -> None:
    _, problems = create(group, kind, {"spec": spec})
    assert any(message in problem for problem in problems), problems


def test_generation_counts_changes_of_the_spec_alone() -> None:
    made, _ = create("apps", "ReplicaSet", {"spec": {"selector": SELECTOR, "template": TEMPLATE}})
    made["metadata"]["generation"] = 1
    same, _ = update("apps", "ReplicaSet", made, {"status": {"replicas": 3}})
    assert same["metadata"]["generation"] == 1
    assert same["status"] == {"replicas": 0}
    more, problems = update("apps", "ReplicaSet", made, {"spec": {**made["spec"], "replicas": 5}})
    assert (more["metadata"]["generation"], problems) == (2, [])


def test_selectors_are_immutable() -> None:
    made, _ = create("apps", "Deployment", {"spec": {"selector": SELECTOR, "template": TEMPLATE}})
    other = {"matchLabels": {"a": "b", "c": "d"}}
    template = {**TEMPLATE, "metadata": {"labels": {"a": "b", "c": "d"}}}
    _, problems = update(
        "apps", "Deployment", made, {"spec": {**made["spec"], "selector": other, "template": template}}
    )
    assert [p for p in problems if p.startswith("spec.selector")] == [
        'spec.selector: Invalid value: {"matchLabels":{"a":"b","c":"d"}}: field is immutable'
    ]


def test_jobs_get_their_selector() -> None:
    spec = {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}  # type: ignore[dict-item]
    made, problems = create("batch", "Job", {"metadata": {**META, "uid": "u"}, "spec": spec})
    assert problems == []
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}
    assert made["spec"]["template"]["metadata"]["labels"] == {
        "job-name": "x",
        "batch.kubernetes.io/job-name": "x",
        "controller-uid": "u",
        "batch.kubernetes.io/controller-uid": "u",
    }
    assert (made["spec"]["completions"], made["spec"]["parallelism"], made["spec"]["backoffLimit"]) == (1, 1, 6)


def test_daemon_sets_count_template_generations() -> None:
    made, _ = create("apps", "DaemonSet", {"spec": {"selector": SELECTOR, "template": TEMPLATE}})
    key = "deprecated.daemonset.template.generation"
    assert made["metadata"]["annotations"][key] == "1"
    template = copy.deepcopy(made["spec"]["template"])
    template["spec"]["containers"][0]["image"] = "y:2"
    new, problems = update("apps", "DaemonSet", made, {"spec": {**made["spec"], "template": template}})
    assert (new["metadata"]["annotations"][key], problems) == ("2", [])


SCHEDULES = [
    ("*/15 * * * *", 0, 900),
    ("30 2 * * *", 0, 9000),
    ("0 0 1 * *", 0, 31 * 86400),
    ("0 0 * * 5", 0, 86400),
    ("0 0 13 * 5", 0, 86400),
    ("@hourly", 1, 3600),
    ("@every 90s", 10, 100),
    ("0 0 30 2 *", 0, None),
]


@pytest.mark.parametrize(("text", "after", "expected"), SCHEDULES, ids=[text for text, _, _ in SCHEDULES])
def test_the_next_time_of_a_schedule(text: str, after: float, expected: float | None) -> None:
    assert schedules.parse(text).next_after(after, datetime.UTC) == expected


@pytest.mark.parametrize("text", ["60 * * * *", "* * * * 8", "*/0 * * * *", "5-1 * * * *", "@often", "a * * * *"])
def test_bad_schedules_are_refused(text: str) -> None:
    with pytest.raises(schedules.Malformed):
        schedules.parse(text)


def test_namespaces_are_active_labelled_and_finalized() -> None:
    made, problems = create("", "Namespace", {"status": {"phase": "Terminating"}})
    assert problems == []
    assert made["status"] == {"phase": "Active"}
    assert made["spec"] == {"finalizers": ["kubernetes"]}
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
    new, _ = update("", "Namespace", made, {"spec": {}})
    assert new["spec"] == {"finalizers": ["kubernetes"]}


SERVICE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"ports": [{"port": 80}]}, {"type": "ClusterIP", "internalTrafficPolicy": "Cluster", "sessionAffinity": "None"}),
    ({"ports": [{"port": 80}], "type": "NodePort"}, {"externalTrafficPolicy": "Cluster"}),
    ({"ports": [{"port": 80}], "type": "LoadBalancer"}, {"allocateLoadBalancerNodePorts": True}),
    (
        {"ports": [{"port": 80}], "sessionAffinity": "ClientIP"},
        {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}},
    ),
    ({"ports": [{"port": 80}]}, {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}),
    ({"clusterIP": "10.0.0.1", "ports": [{"port": 1}]}, {"clusterIPs": ["10.0.0.1"]}),
]


@pytest.mark.parametrize(("spec", "expected"), SERVICE, ids=[str(expected)[:50] for _, expected in SERVICE])
def test_service_defaults(spec: dict[str, Any], expected: dict[str, Any]) -> None:
    made, problems = create("", "Service", {"spec": spec})
    assert problems == []
    assert {key: made["spec"].get(key) for key in expected} == expected


BAD_SERVICES: list[tuple[dict[str, Any], str]] = [
    ({}, "spec.ports: Required value"),
    ({"ports": [{"port": 0}]}, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
    ({"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name: Required value"),
    ({"ports": [{"port": 1, "nodePort": 30000}]}, "may not be used when `type` is 'ClusterIP'"),
    ({"type": "ExternalName"}, "spec.externalName: Required value"),
    (
        {"type": "NodePort", "clusterIP": "None", "ports": [{"port": 1}]},
        "may not be set to 'None' for NodePort services",
    ),
    ({"type": "Other", "ports": [{"port": 1}]}, 'spec.type: Unsupported value: "Other"'),
]


@pytest.mark.parametrize(("spec", "message"), BAD_SERVICES, ids=[message[:40] for _, message in BAD_SERVICES])
def test_bad_services_are_refused(spec: dict[str, Any], message: str) -> None:
    _, problems = create("", "Service", {"spec": spec})
    assert any(message in problem for problem in problems), problems


def test_services_keep_what_they_were_given() -> None:
    spec = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}], "clusterIP": "10.0.0.1"}
    made, _ = create("", "Service", {"spec": spec})
    new, problems = update("", "Service", made, {"spec": {"type": "NodePort", "ports": [{"port": 80}]}})
    assert problems == []
    assert new["spec"]["clusterIP"] == "10.0.0.1"
    assert new["spec"]["ports"][0]["nodePort"] == 30080
    plain, problems = update("", "Service", made, {"spec": {**made["spec"], "type": "ClusterIP"}})
    assert problems == []
    assert "nodePort" not in plain["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in plain["spec"]


def test_cluster_ips_do_not_change() -> None:
    made, _ = create("", "Service", {"spec": {"ports": [{"port": 80}], "clusterIP": "10.0.0.1"}})
    _, problems = update("", "Service", made, {"spec": {**made["spec"], "clusterIP": "10.0.0.2"}})
    assert any("may not change once set" in problem for problem in problems)


def test_string_data_goes_into_data() -> None:
    made, problems = create("", "Secret", {"stringData": {"k": "hi"}})
    assert (made["data"], made["type"], problems) == ({"k": "aGk="}, "Opaque", [])
    assert "stringData" not in made


def test_immutable_secrets_and_config_maps_stay() -> None:
    for kind in ("Secret", "ConfigMap"):
        made, _ = create("", kind, {"data": {"a": "aGk="}, "immutable": True})
        _, problems = update("", kind, made, {"data": {"a": "bm8="}})
        assert problems == ["data: Forbidden: field is immutable when `immutable` is set"]


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("kubernetes.io/tls", "data[tls.crt]: Required value"),
        ("kubernetes.io/ssh-auth", "data[ssh-privatekey]: Required value"),
    ],
)
def test_typed_secrets_have_their_keys(kind: str, missing: str) -> None:
    _, problems = create("", "Secret", {"type": kind})
    assert missing in problems


def test_bindings_default_their_groups_and_keep_their_role() -> None:
    reference = {"kind": "Role", "name": "r"}
    made, problems = create(
        "rbac.authorization.k8s.io", "RoleBinding", {"roleRef": reference, "subjects": [{"kind": "User", "name": "u"}]}
    )
    assert problems == []
    assert made["roleRef"]["apiGroup"] == made["subjects"][0]["apiGroup"] == "rbac.authorization.k8s.io"
    _, problems = update(
        "rbac.authorization.k8s.io", "RoleBinding", made, {"roleRef": {**made["roleRef"], "name": "s"}}
    )
    shown = '{"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"s"}'
    assert problems == [f"roleRef: Invalid value: {shown}: cannot change roleRef"]


def test_nodes_show_their_state_and_roles() -> None:
    node = {
        "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.36.0"}},
    }
    how = strategy("", "Node")
    assert how.columns is not None
    assert how.columns(node, 0.0)[:5] == ["n", "Ready,SchedulingDisabled", "worker", "<unknown>", "v1.36.0"]


def test_node_taints_are_unique_and_valid() -> None:
    taint = {"key": "a", "effect": "NoSchedule"}
    _, problems = create("", "Node", {"spec": {"taints": [taint, taint, {"key": "b", "effect": "Nap"}]}})
    assert any("taints must be unique by key and effect pair" in problem for problem in problems)
    assert any('Unsupported value: "Nap"' in problem for problem in problems)


def test_endpoint_slices_check_their_addresses() -> None:
    endpoint = {"addresses": ["10.0.0.1"]}
    made, problems = create(
        "discovery.k8s.io", "EndpointSlice", {"addressType": "IPv6", "endpoints": [endpoint], "ports": [{"port": 80}]}
    )
    assert problems == ['endpoints[0].addresses: Invalid value: "10.0.0.1": must be an IPv6 address']
    assert made["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]


def test_both_versions_of_an_autoscaler_show_the_same_object() -> None:
    v1 = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "x", "annotations": {"keep": "me"}},
        "spec": {
            "minReplicas": 2,
            "maxReplicas": 5,
            "scaleTargetRef": {"kind": "Deployment", "name": "d"},
            "targetCPUUtilizationPercentage": 50,
        },
        "status": {"currentReplicas": 2, "currentCPUUtilizationPercentage": 30},
    }
    stored = hpa_v1.to_stored(v1)
    assert stored["spec"]["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 50}
    shown = hpa_v1.from_stored(stored)
    assert shown["spec"] == v1["spec"]
    assert shown["status"] == {**v1["status"], "desiredReplicas": 0}
    # The share has a field; the amount that was measured has none.
    measured = (
        '[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":30,"currentAverageValue":"0"}}]'
    )
    told = {"keep": "me", "autoscaling.alpha.kubernetes.io/current-metrics": measured}
    assert shown["metadata"]["annotations"] == told
    stored = hpa_v1.to_stored(shown)
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    stored["spec"]["metrics"].insert(0, memory)
    again = hpa_v1.to_stored(hpa_v1.from_stored(stored))
    assert again == stored


def test_both_groups_of_events_show_the_same_object() -> None:
    core = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "x", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "message": "hello",
        "count": 2,
        "source": {"component": "kubelet"},
    }
    shown = new_event.from_stored(core)
    assert (shown["note"], shown["deprecatedCount"], shown["regarding"]["name"]) == ("hello", 2, "p")
    assert new_event.to_stored(shown) == core


def test_events_are_in_the_namespace_of_what_they_are_about() -> None:
    _, problems = create("", "Event", {"involvedObject": {"namespace": "other"}})
    assert problems == ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']


OTHERS: list[tuple[str, str, dict[str, Any], str]] = [
    ("policy", "PodDisruptionBudget", {"spec": {"minAvailable": 1, "maxUnavailable": 1}}, "cannot be both set"),
    (
        "scheduling.k8s.io",
        "PriorityClass",
        {"value": 2_000_000_000},
        "maximum allowed value of a user defined priority",
    ),
    ("storage.k8s.io", "StorageClass", {}, "provisioner: Required value"),
    ("networking.k8s.io", "Ingress", {}, "either `defaultBackend` or `rules` must be specified"),
    ("networking.k8s.io", "NetworkPolicy", {"spec": {"ingress": [{"from": [{}]}]}}, "must specify a peer"),
    ("networking.k8s.io", "ServiceCIDR", {"spec": {"cidrs": ["10.0.0.0/x"]}}, "must be a valid CIDR value"),
    ("certificates.k8s.io", "CertificateSigningRequest", {"spec": {}}, "spec.signerName: Required value"),
    ("coordination.k8s.io", "Lease", {"spec": {"leaseDurationSeconds": 0}}, "must be greater than 0"),
    ("", "PersistentVolumeClaim", {"spec": {}}, "at least 1 access mode is required"),
    (
        "",
        "PersistentVolume",
        {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}},
        "must specify a volume type",
    ),
    ("", "ResourceQuota", {"spec": {"scopes": ["Odd"]}}, "unsupported scope"),
    (
        "",
        "LimitRange",
        {"spec": {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}},
        "min value 2 is greater than max value 1",
    ),
    (
        "rbac.authorization.k8s.io",
        "Role",
        {"rules": [{"apiGroups": [""], "resources": ["pods"]}]},
        "verbs must contain at least one value",
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition", {"spec": {"group": "x.y"}}, "spec.scope: Required value"),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        {"webhooks": [{"name": "a"}]},
        "at least three segments",
    ),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", {"spec": {}}, "must reference a priority level"),
]


@pytest.mark.parametrize(("group", "kind", "obj", "message"), OTHERS, ids=[kind for _, kind, _, _ in OTHERS])
def test_other_kinds_refuse_what_is_wrong(group: str, kind: str, obj: dict[str, Any], message: str) -> None:
    _, problems = create(group, kind, obj)
    assert any(message in problem for problem in problems), problems
