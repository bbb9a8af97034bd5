"""What is refused in pods, in upstream's paths and words."""

from typing import Any

import pytest

from kijabi.api import addresses
from kijabi.api.core.podspec import defaults, images, validation

Object = dict[str, Any]


def problems(spec: Object, **meta: Any) -> list[str]:
    pod = {"metadata": {"name": "p", "namespace": "ns", **meta}, "spec": spec}
    spec.setdefault("containers", [{"name": "c", "image": "i"}])
    spec.setdefault("serviceAccountName", "default")
    defaults.default_pod(spec)
    defaults.default(spec)
    return [str(problem) for problem in validation.validate_pod(pod)]


def container(**fields: Any) -> Object:
    return {"containers": [{"name": "c", "image": "i", **fields}]}


def volume(**source: Any) -> Object:
    return {"volumes": [{"name": "v", **source}]}


C, V = "spec.containers[0]", "spec.volumes[0]"
REFUSED: list[tuple[Object, str]] = [
    ({"dnsPolicy": "x"}, 'spec.dnsPolicy: Unsupported value: "x": supported values: "ClusterFirstWithHostNet", '),
    ({"dnsPolicy": "None"}, "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
    ({"dnsConfig": {"searches": ["A!"]}}, "spec.dnsConfig.searches[0]: Invalid value"),
    ({"hostUsers": False, "hostPID": True}, "spec.HostPID: Forbidden: when `hostUsers` is false"),
    ({"hostPID": True, "shareProcessNamespace": True}, "spec.securityContext.shareProcessNamespace: Invalid value"),
    ({"hostnameOverride": "h", "hostNetwork": True}, "spec.hostnameOverride: Forbidden: may not be specified when"),
    ({"os": {"name": "x"}}, 'spec.os: Unsupported value: "x"'),
    ({"os": {"name": "windows"}, "hostIPC": True}, "spec.hostIPC: Forbidden: cannot be set for a windows pod"),
    ({"overhead": {"cpu": "-1"}}, "spec.overhead.limits[cpu]: Invalid value"),
    ({"hostAliases": [{"ip": "01.2.3.4"}]}, 'spec.hostAliases[0].ip: Invalid value: "01.2.3.4": must not have leading'),
    ({"securityContext": {"sysctls": [{"name": "A!"}]}}, "spec.securityContext.sysctls[0].name: Invalid value"),
    (
        {"hostNetwork": True, "securityContext": {"sysctls": [{"name": "net/ipv4/x", "value": "1"}]}},
        "spec.securityContext.sysctls[0].name: Invalid value: \"net/ipv4/x\": may not be specified when 'hostNetwork'",
    ),
    ({"securityContext": {"seccompProfile": {}}}, "spec.securityContext.seccompProfile.type: Required value: type is"),
    (
        {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "../a"}}},
        "spec.securityContext.seccompProfile.localhostProfile: Invalid value: \"../a\": must not contain '..'",
    ),
    (
        {"securityContext": {"windowsOptions": {"runAsUserName": "a\\b\\c"}}},
        "spec.securityContext.windowsOptions.runAsUserName: Invalid value",
    ),
    (
        {"tolerations": [{"key": "a", "effect": "x"}]},
        'spec.tolerations[0].effect: Unsupported value: "x": supported values: "NoSchedule", "PreferNoSchedule"',
    ),
    ({"resourceClaims": [{"name": "a"}]}, "spec.resourceClaims[0]: Invalid value: "),
    ({"resources": {"limits": {"ephemeral-storage": "1"}}}, "spec.resources.limits[ephemeral-storage]: Unsupported"),
    (
        {"resources": {"requests": {"cpu": "1"}}, **container(resources={"requests": {"cpu": "2"}})},
        'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container',
    ),
    (container(env=[{"name": "a", "valueFrom": {}}]), f"{C}.env[0].valueFrom: Invalid value"),
    (
        container(env=[{"name": "a", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "5m"}}}]),
        f"{C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value",
    ),
    (
        container(env=[{"name": "a", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "K"}}}]),
        f"{C}.env[0].valueFrom.fileKeyRef.volumeName: Not found",
    ),
    (container(resources={"limits": {"hugepages-2Mi": "2Mi"}}), f"{C}.resources: Forbidden: HugePages require cpu"),
    (container(resources={"claims": [{"name": "x"}]}), f'{C}.resources.claims[0]: Not found: "x": must be one of'),
    (container(resizePolicy=[{"resourceName": "memory"}]), f"{C}.resizePolicy: Required value"),
    (container(restartPolicyRules=[]), ""),
    (container(restartPolicy="Never", restartPolicyRules=[{"action": "Restart"}]), f"{C}.restartPolicyRules[0].exitC"),
    (container(securityContext={"procMount": "Unmasked"}), f"{C}.securityContext.procMount: Invalid value"),
    (container(volumeDevices=[{"name": "x", "devicePath": "/d"}]), f"{C}.volumeDevices[0].name: Not found"),
    (container(terminationMessagePolicy="x"), f'{C}.terminationMessagePolicy: Unsupported value: "x": supported val'),
    (container(livenessProbe={"tcpSocket": {}}), f"{C}.livenessProbe.tcpSocket.port: Invalid value: 0: must be"),
    (container(lifecycle={"preStop": {"sleep": {"seconds": 50}}}), f"{C}.lifecycle.preStop.sleep: Invalid value: 50"),
    (
        {**container(), "initContainers": [{"name": "i", "image": "i", "livenessProbe": {"tcpSocket": {"port": 1}}}]},
        "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy",
    ),
    (volume(gcePersistentDisk={}), f"{V}.persistentDisk.pdName: Required value"),
    (volume(iscsi={"targetPortal": "t", "iqn": "x", "lun": 0}), f"{V}.iscsi.iqn: Invalid value"),
    (volume(emptyDir={}, cephfs={"monitors": ["a"]}), f"{V}.cephFS: Forbidden: may not specify more than 1 volume"),
    (volume(csi={"driver": "D!"}), f"{V}.csi.driver: Invalid value"),
    (volume(image={}), f"{V}.image.reference: Required value"),
    (
        volume(projected={"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]}),
        f"{V}.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify",
    ),
    (
        volume(ephemeral={"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}),
        f"{V}.ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
    ),
]


@pytest.mark.parametrize(("spec", "start"), REFUSED, ids=[start[:70] or "fine" for _, start in REFUSED])
def test_refused_pods(spec: Object, start: str) -> None:
    found = problems(spec)
    assert len(found) == 1 and found[0].startswith(start) if start else found == [], found


@pytest.mark.parametrize(
    ("annotations", "start"),
    [
        ({"kubernetes.io/config.mirror": "x"}, "metadata.annotations[kubernetes.io/config.mirror]: Invalid value"),
        ({"controller.kubernetes.io/pod-deletion-cost": "01"}, "metadata.annotations[controller.kubernetes.io/pod-del"),
        ({"controller.kubernetes.io/pod-deletion-cost": "-1"}, ""),
        ({"seccomp.security.alpha.kubernetes.io/pod": "x"}, "metadata.annotations.seccomp.security.alpha.kubernetes"),
        ({"container.apparmor.security.beta.kubernetes.io/z": "unconfined"}, "metadata.annotations[container.apparmor"),
    ],
    ids=["mirror", "cost with a zero", "cost", "seccomp", "apparmor"],
)
def test_annotations_that_mean_something(annotations: Object, start: str) -> None:
    found = problems({}, annotations=annotations)
    assert len(found) == 1 and found[0].startswith(start) if start else found == [], found


def test_a_claim_made_for_a_pod_is_not_another_volumes() -> None:
    template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    listed = [
        {"name": "a", "ephemeral": {"volumeClaimTemplate": template}},
        {"name": "b", "persistentVolumeClaim": {"claimName": "p-a"}},
    ]
    (found,) = problems({"volumes": listed})
    assert found.startswith("spec.volumes[1].persistentVolumeClaim.claimName: Invalid value")


def test_fields_behind_gates_are_dropped() -> None:
    spec: Object = container(lifecycle={"stopSignal": "SIGUSR1"}, stdin=False)
    spec |= {"hostNetwork": False, "schedulingGroup": {"podGroupName": "g"}}
    assert problems(spec) == []
    assert not {"schedulingGroup", "hostNetwork"} & spec.keys()
    assert not {"lifecycle", "stdin"} & spec["containers"][0].keys()


@pytest.mark.parametrize(
    ("reference", "policy"),
    [("nginx", "Always"), ("nginx:1", "IfNotPresent"), ("r:5000/a/b", "Always"), ("a b", "IfNotPresent")],
)
def test_pull_policies(reference: str, policy: str) -> None:
    assert images.pull_policy(reference) == policy


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("10.0.0.0/8", ""),
        ("fd00::/64", ""),
        ("10.0.0.1/8", "must not have bits set beyond the prefix length"),
        ("010.0.0.0/8", "must not have leading 0s in IP or prefix length"),
        ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
        ("::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"),
        ("10.0.0.0/33", "must be a valid CIDR value"),
        ("10.0.0.0", "must be a valid CIDR value"),
    ],
)
def test_ranges(text: str, complaint: str) -> None:
    found = addresses.cidr(text, "p")
    assert found[0].detail.startswith(complaint) if complaint else found == []
    assert addresses.cidr(text, "p", [text]) == []


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("10.0.0.1", []),
        ("010.0.0.1", ['p: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"']),
        ("::ffff:10.0.0.1", ['p: non-standard IP address "::ffff:10.0.0.1" is invalid: use "10.0.0.1"']),
        ("FD00::1", ['p: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")']),
    ],
)
def test_addresses_are_warned_of(text: str, advice: list[str]) -> None:
    assert addresses.ip_warnings(text, "p") == advice
