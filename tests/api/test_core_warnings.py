"""What objects of the core group are warned of, in upstream's words."""

from typing import Any

import pytest

from kijabi.api import catalog

Object = dict[str, Any]
CATALOG = catalog.default_catalog()


def warnings(plural: str, obj: Object) -> list[str]:
    strategy = CATALOG.by_path("", "v1", plural)
    assert strategy is not None
    made = {"apiVersion": "v1", **obj, "metadata": {"name": "x", "namespace": "ns", **obj.get("metadata", {})}}
    strategy.default(made)
    strategy.prepare_create(made)
    strategy.validate_create(made)
    return strategy.warn_create(made)


def pod(spec: Object | None = None, **container: Any) -> Object:
    return {"spec": {"containers": [{"name": "c", "image": "i", **container}], **(spec or {})}}


PODS = [
    ("plain", pod(), []),
    (
        "old label",
        pod({"nodeSelector": {"beta.kubernetes.io/os": "linux"}}),
        ["spec.nodeSelector[beta.kubernetes.io/os]"],
    ),
    (
        "no selector",
        pod({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway"}]}),
        ["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"],
    ),
    (
        "no selector in affinity",
        pod({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a"}]}}}),
        ["requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: a null labelSelector"],
    ),
    (
        "dead volume",
        pod({"volumes": [{"name": "v", "cephfs": {"monitors": ["a"]}}]}),
        ["spec.volumes[0].cephfs: deprecated in v1.28, non-functional in v1.31+"],
    ),
    (
        "overlap",
        pod(
            {
                "volumes": [
                    {
                        "name": "v",
                        "projected": {
                            "sources": [
                                {"configMap": {"name": "m", "items": [{"key": "k", "path": "a"}]}},
                                {"secret": {"name": "s", "items": [{"key": "k", "path": "a/b"}]}},
                            ]
                        },
                    }
                ]
            }
        ),
        ['volume "v" (Projected): overlapping paths: "a/b" (Secret "s") with "a" (ConfigMap "m")'],
    ),
    (
        "secrets",
        pod({"imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}]}),
        ['[1].name: duplicate name "a"', '[2].name: invalid empty name ""'],
    ),
    (
        "half bytes",
        pod(resources={"limits": {"memory": "100m"}}),
        ['limits[memory]: fractional byte value "100m" is invalid', "requests[memory]"],
    ),
    (
        "hidden variable",
        pod(env=[{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]),
        ['spec.containers[0].env[1]: hides previous definition of "a", which may be dropped when using apply'],
    ),
    ("own value", pod(env=[{"name": "a", "value": "1"}, {"name": "a", "value": "$(a):2"}]), []),
    (
        "duplicate port",
        pod(ports=[{"containerPort": 80}, {"containerPort": 80}]),
        ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"],
    ),
    (
        "overlapping port",
        pod(ports=[{"containerPort": 80}, {"containerPort": 80, "hostPort": 80}]),
        ["ports[1]: overlapping port definition"],
    ),
    (
        "ambiguous port",
        pod(
            ports=[
                {"containerPort": 80, "hostPort": 80},
                {"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"},
            ]
        ),
        ["ports[1]: dangerously ambiguous port definition"],
    ),
    ("name with dots", {**pod(), "metadata": {"name": "a.b"}}, ["metadata.name: this is used in the Pod's hostname"]),
    (
        "old annotation",
        {**pod(), "metadata": {"annotations": {"scheduler.alpha.kubernetes.io/critical-pod": ""}}},
        ["metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+"],
    ),
]

OTHERS = [
    (
        "services",
        {"spec": {"ports": [{"port": 80}], "externalIPs": ["1.2.3.4"]}},
        ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"],
    ),
    (
        "services",
        {"spec": {"ports": [{"port": 80}], "trafficDistribution": "PreferClose"}},
        ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'],
    ),
    ("services", {"spec": {"ports": [{"port": 80}], "externalName": "a"}}, ["spec.externalName is ignored when"]),
    (
        "persistentvolumes",
        {"spec": {"hostPath": {"path": "/x"}, "persistentVolumeReclaimPolicy": "Recycle"}},
        ["spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated."],
    ),
    (
        "persistentvolumeclaims",
        {"spec": {"resources": {"requests": {"storage": "1500m"}}}},
        ['spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer'],
    ),
    ("nodes", {"spec": {"externalID": "x"}}, ["spec.externalID: this field is deprecated"]),
    (
        "nodes",
        {"spec": {"podCIDR": "FD00::/64"}},
        ['spec.podCIDRs[0]: IPv6 CIDR value "FD00::/64" should be in RFC 5952 canonical format ("fd00::/64")'],
    ),
    (
        "resourcequotas",
        {"spec": {"hard": {"requests.cpu": "2", "limits.cpu": "1"}}},
        ["ResourceQuota requests.cpu (2) should be less than limits.cpu (1)"],
    ),
    (
        "serviceaccounts",
        {"metadata": {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}},
        ["metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+"],
    ),
    (
        "secrets",
        {"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}},
        ["tls: failed to find any PEM data in certificate input"],
    ),
    (
        "endpoints",
        {"subsets": [{"addresses": [{"ip": "FD00::1"}]}]},
        ['subsets[0].addresses[0].ip: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")'],
    ),
]


def matches(found: list[str], wanted: list[str]) -> bool:
    return len(found) == len(wanted) and all(part in text for part, text in zip(wanted, found, strict=True))


@pytest.mark.parametrize(("obj", "wanted"), [case[1:] for case in PODS], ids=[case[0] for case in PODS])
def test_what_pods_are_warned_of(obj: Object, wanted: list[str]) -> None:
    found = warnings("pods", obj)
    assert matches(found, wanted), found


@pytest.mark.parametrize(("plural", "obj", "wanted"), OTHERS, ids=[f"{c[0]}: {c[2][0][:40]}" for c in OTHERS])
def test_what_other_kinds_are_warned_of(plural: str, obj: Object, wanted: list[str]) -> None:
    found = warnings(plural, obj)
    assert matches(found, wanted), found


def test_the_next_pod_like_one_that_was_warned_of_is_warned_too() -> None:
    made = pod({"imagePullSecrets": [{}]})
    assert warnings("pods", made) == warnings("pods", pod({"imagePullSecrets": [{}]})) != []


def test_templates_are_warned_with_their_own_path() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, **pod({"nodeSelector": {"beta.kubernetes.io/arch": "x"}})}
    found = warnings("replicationcontrollers", {"spec": {"template": template}})
    assert matches(found, ["spec.template.spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14"]), found
