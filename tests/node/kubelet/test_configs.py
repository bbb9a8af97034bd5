"""Resources, security contexts, names and sandbox options."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from kijabi.node.cri import contract
from kijabi.node.kubelet import admission, cgroups, configs, environment, images, names, options, resources, security
from kijabi.node.kubelet.probes import state

MACHINE = resources.Machine(8 * 2**30)


def make_pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "a-b"},
        "spec": {"containers": [{"name": "main", "image": "x", **(container or {})}], **spec},
    }


def limits(requests: dict[str, str] | None = None, limit: dict[str, str] | None = None) -> dict[str, Any]:
    return {"resources": {"requests": requests or {}, "limits": limit or {}}}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        pytest.param({}, (2, 0, 0, 1000), id="best effort"),
        pytest.param(
            limits({"cpu": "250m"}, {"cpu": "500m", "memory": "64Mi"}), (256, 50000, 2**26, 999), id="burstable"
        ),
        pytest.param(limits(None, {"cpu": "2", "memory": "1Gi"}), (2048, 200000, 2**30, -997), id="guaranteed"),
        pytest.param(limits({"memory": "4Gi"}), (2, 0, 0, 500), id="half the memory"),
        pytest.param(limits({"cpu": "1m"}, {"cpu": "1m"}), (2, 1000, 0, 999), id="tiny"),
    ],
)
def test_container_resources(container: dict[str, Any], expected: tuple[int, int, int, int]) -> None:
    pod = make_pod(container)
    made = resources.container_resources(pod, pod["spec"]["containers"][0], MACHINE)
    assert (made.cpu_shares, made.cpu_quota, made.memory_limit_in_bytes, made.oom_score_adj) == expected


@pytest.mark.parametrize(
    ("container", "driver", "root", "expected"),
    [
        ({}, "cgroupfs", "", "/kubepods/besteffort/poda-b"),
        (limits({"cpu": "1"}), "cgroupfs", "/kijabi/n1", "/kijabi/n1/kubepods/burstable/poda-b"),
        (limits(None, {"cpu": "1", "memory": "1Gi"}), "cgroupfs", "", "/kubepods/poda-b"),
        ({}, "systemd", "", "kubepods-besteffort-poda_b.slice"),
    ],
)
def test_cgroup_parent(container: dict[str, Any], driver: str, root: str, expected: str) -> None:
    assert resources.cgroup_parent(make_pod(container), driver, root) == expected


def test_pod_limits_on_both_kinds_of_cgroups() -> None:
    pod = make_pod(limits({"cpu": "500m"}, {"cpu": "1", "memory": "64Mi"}))
    found = resources.pod_limits(pod)
    assert cgroups.v1_writes(found) == {
        "cpu.shares": "512",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "100000",
        "memory.limit_in_bytes": str(2**26),
    }
    assert cgroups.v2_writes(found) == {"cpu.weight": "20", "cpu.max": "100000 100000", "memory.max": str(2**26)}


def test_pod_cgroup_is_made_and_removed(tmp_path: Path) -> None:
    for name in ("cpu", "memory"):
        (tmp_path / name).mkdir()
    made = cgroups.Cgroups("cgroupfs", "/test", cgroups.detect(tmp_path))
    made.prepare(make_pod())
    assert (tmp_path / "cpu/test/kubepods/besteffort/poda-b").is_dir()
    made.remove(make_pod())
    assert not (tmp_path / "memory/test/kubepods/besteffort/poda-b").exists()


@pytest.mark.parametrize(
    ("context", "image", "message"),
    [
        ({"runAsNonRoot": True, "runAsUser": 0}, None, "container's runAsUser breaks non-root policy"),
        ({"runAsNonRoot": True}, contract.Image("i"), "container has runAsNonRoot and image will run as root"),
        (
            {"runAsNonRoot": True},
            contract.Image("i", username="nginx"),
            r"image has non-numeric user \(nginx\), cannot verify user is non-root",
        ),
    ],
)
def test_non_root(context: dict[str, Any], image: contract.Image | None, message: str) -> None:
    pod = make_pod({"securityContext": context})
    with pytest.raises(environment.ConfigError, match=message):
        security.verify_non_root(pod, pod["spec"]["containers"][0], image)


def test_security_context() -> None:
    container = {
        "securityContext": {
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    }
    pod = make_pod(container, securityContext={"runAsUser": 7, "fsGroup": 5, "supplementalGroups": [6]}, hostPID=True)
    made = security.container_context(pod, pod["spec"]["containers"][0], None)
    assert made.capabilities == contract.Capability(["NET_ADMIN"], ["ALL"])
    assert (made.no_new_privs, made.readonly_rootfs, made.run_as_user) == (True, True, 7)
    assert made.supplemental_groups == [5, 6]
    assert made.namespace_options.pid == "NODE"
    assert made.seccomp == contract.SecurityProfile("RuntimeDefault")
    assert "/proc/kcore" in made.masked_paths


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {},
            (["10.96.0.10"], "shop.svc.cluster.local svc.cluster.local cluster.local corp", ["ndots:5"]),
            id="cluster",
        ),
        pytest.param({"dnsPolicy": "Default"}, (["192.0.2.53"], "corp", ["rotate"]), id="the node's"),
        pytest.param({"hostNetwork": True}, (["192.0.2.53"], "corp", ["rotate"]), id="host network"),
        pytest.param(
            {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["9.9.9.9"], "options": [{"name": "ndots", "value": "2"}]},
            },
            (["9.9.9.9"], "", ["ndots:2"]),
            id="own",
        ),
        pytest.param(
            {"dnsConfig": {"searches": ["more"], "options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}]}},
            (
                ["10.96.0.10"],
                "shop.svc.cluster.local svc.cluster.local cluster.local corp more",
                ["ndots:1", "edns0"],
            ),
            id="merged",
        ),
    ],
)
def test_dns(spec: dict[str, Any], expected: tuple[list[str], str, list[str]]) -> None:
    resolver = names.Resolver(
        ("10.96.0.10",), "cluster.local", contract.DnsConfig(["192.0.2.53"], ["corp"], ["rotate"])
    )
    made, warnings = names.pod_dns(make_pod(**spec), resolver)
    assert (made.servers, " ".join(made.searches), made.options) == expected
    assert warnings == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "web"),
        ({"hostname": "own"}, "own"),
        ({"subdomain": "sub", "setHostnameAsFQDN": True}, "web.sub.shop.svc.cluster.local"),
        ({"hostNetwork": True}, ""),
    ],
)
def test_hostname(spec: dict[str, Any], expected: str) -> None:
    assert names.kernel_hostname(make_pod(**spec), "cluster.local") == expected


def test_hosts_file() -> None:
    pod = make_pod(subdomain="sub", hostAliases=[{"ip": "10.1.1.1", "hostnames": ["a", "b"]}])
    text = names.hosts_file(pod, ["10.0.0.2"], "cluster.local")
    assert "10.0.0.2\tweb.sub.shop.svc.cluster.local\tweb\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n10.1.1.1\ta\tb\n")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx", "nginx:latest"),
        ("nginx:1", "nginx:1"),
        ("localhost:5000/nginx", "localhost:5000/nginx:latest"),
        ("nginx@sha256:abc", "nginx@sha256:abc"),
    ],
)
def test_default_tag(image: str, expected: str) -> None:
    assert configs.default_tag(image) == expected


def _pull_secret(auths: str) -> dict[str, Any]:
    text = base64.b64encode(auths.encode()).decode()
    return {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": text}}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx:1", ["hub"]),
        ("example.com/team/app:1", ["team", "example"]),
        ("example.com/other/app", ["example"]),
        ("x.cloud.example/app", ["wild"]),
        ("elsewhere.example/app", []),
    ],
)
def test_pull_credentials(image: str, expected: list[str]) -> None:
    secret = _pull_secret(
        '{"auths":{"https://index.docker.io/v1/":{"username":"hub"},"example.com":{"username":"example"},'
        '"example.com/team":{"username":"team"},"*.cloud.example":{"auth":"d2lsZDpwdw=="}}}'
    )
    assert [found.username for found in images.credentials(image, [secret])] == expected


@pytest.mark.parametrize(
    ("results", "verdicts"),
    [
        ([True], [True]),
        ([False, False, False], [None, None, False]),
        ([False, False, True, False], [None, None, True, None]),
        ([True, False, True], [True, None, True]),
    ],
)
def test_probe_thresholds(results: list[bool], verdicts: list[bool | None]) -> None:
    progress = state.State(state.Spec.of({"failureThreshold": 3}))
    assert [progress.observe(result) for result in results] == verdicts


NODE = {
    "metadata": {"name": "n", "labels": {"kubernetes.io/os": "linux", "disk": "ssd"}},
    "spec": {"taints": [{"key": "k", "effect": "NoExecute"}]},
    "status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "2"}},
}
TOLERANT = [{"operator": "Exists"}]


@pytest.mark.parametrize(
    ("pod", "others", "expected"),
    [
        pytest.param(make_pod(tolerations=TOLERANT), [], None, id="fits"),
        pytest.param(make_pod(), [], "TaintToleration", id="taint"),
        pytest.param(make_pod(nodeSelector={"disk": "hdd"}, tolerations=TOLERANT), [], "NodeAffinity", id="selector"),
        pytest.param(make_pod(limits({"cpu": "2"}), tolerations=TOLERANT), [], "OutOfcpu", id="cpu"),
        pytest.param(make_pod(limits({"memory": "2Gi"}), tolerations=TOLERANT), [], "OutOfmemory", id="memory"),
        pytest.param(make_pod(tolerations=TOLERANT), [{}, {}], "OutOfpods", id="pods"),
        pytest.param(make_pod(tolerations=TOLERANT, os={"name": "windows"}), [], "PodOSNotSupported", id="windows"),
        pytest.param(
            make_pod({"ports": [{"containerPort": 80, "hostPort": 80}]}, tolerations=TOLERANT),
            [{}],
            "NodePorts",
            id="ports",
        ),
    ],
)
def test_admission(pod: dict[str, Any], others: list[dict[str, Any]], expected: str | None) -> None:
    taken = admission.Taken()
    for index, _ in enumerate(others):
        container = {"name": "c", "ports": [{"hostPort": 80}]}
        taken.add({"metadata": {"name": f"o{index}", "uid": f"o{index}"}, "spec": {"containers": [container]}})
    found = admission.admit(pod, NODE, taken)
    assert (found.reason if found else None) == expected


def test_configuration_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nclusterDNS: [10.96.0.10]\n"
        "maxPods: 20\nnodeStatusUpdateFrequency: 5s\nauthentication:\n  anonymous: {enabled: true}\n"
    )
    made = options.with_file(options.Options(config=str(path), max_pods=5))
    assert (made.cluster_dns, made.max_pods, made.node_status_update_frequency, made.anonymous_auth) == (
        ("10.96.0.10",),
        5,
        5.0,
        True,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b:NoSchedule", ({"key": "a", "value": "b", "effect": "NoSchedule"},)),
        (
            "a:NoExecute,b=c:PreferNoSchedule",
            ({"key": "a", "effect": "NoExecute"}, {"key": "b", "value": "c", "effect": "PreferNoSchedule"}),
        ),
        ("", ()),
    ],
)
def test_taint_flags(text: str, expected: tuple[dict[str, str], ...]) -> None:
    assert options.parse_taints(text) == expected


def test_what_a_pod_held_is_free_again() -> None:
    taken = admission.Taken()
    first = make_pod(limits({"cpu": "800m"}), tolerations=TOLERANT)
    second = {**first, "metadata": {"name": "second", "uid": "second"}}
    taken.add(first)
    refused = admission.admit(second, NODE, taken)
    assert refused is not None
    assert refused.message == "Node didn't have enough resource: cpu, requested: 800, used: 800, capacity: 1000"
    taken.remove("a-b")
    assert admission.admit(second, NODE, taken) is None
