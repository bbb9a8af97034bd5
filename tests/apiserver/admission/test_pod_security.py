import copy

import pytest

from kijabi.api import errors, kinds
from kijabi.apiserver import contract
from kijabi.apiserver.admission import pod_security, pod_security_checks

GOOD = {
    "metadata": {"name": "p"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "c",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}


def pod(context=None, pod_context=None, annotations=None, container=None, **spec):
    one = {"name": "c", **(container or {})}
    if context is not None:
        one["securityContext"] = context
    made = {"metadata": {"annotations": annotations or {}}, "spec": {"containers": [one], **spec}}
    if pod_context is not None:
        made["spec"]["securityContext"] = pod_context
    return made


BASELINE = [
    (pod(), ""),
    (pod({"privileged": True}), 'privileged (container "c" must not set securityContext.privileged=true)'),
    (pod(hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)"),
    (pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
    (pod(container={"ports": [{"hostPort": 80}]}), 'hostPort (container "c" uses hostPort 80)'),
    (
        pod({"capabilities": {"add": ["NET_ADMIN", "KILL"]}}),
        'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
    ),
    (
        pod({"procMount": "Unmasked"}),
        'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ),
    (
        pod(pod_context={"seccompProfile": {"type": "Unconfined"}}),
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    (pod(pod_context={"sysctls": [{"name": "kernel.msgmax"}]}), "forbidden sysctls (kernel.msgmax)"),
    (
        pod({"seLinuxOptions": {"type": "spc_t", "user": "u"}}),
        'seLinuxOptions (container "c" set forbidden securityContext.seLinuxOptions: type "spc_t"; '
        "user may not be set)",
    ),
    (
        pod({"appArmorProfile": {"type": "Unconfined"}}),
        'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
    ),
    (
        pod(container={"livenessProbe": {"httpGet": {"host": "example.com"}}}),
        'probe or lifecycle host (container "c" uses probe or lifecycle host "example.com")',
    ),
    (
        pod({"windowsOptions": {"hostProcess": True}}),
        'hostProcess (container "c" must not set securityContext.windowsOptions.hostProcess=true)',
    ),
]


@pytest.mark.parametrize(("one", "found"), BASELINE)
def test_baseline(one, found):
    assert pod_security_checks.violations(one, "baseline") == found
    assert pod_security_checks.violations(one, "privileged") == ""


def test_a_plain_pod_is_not_restricted():
    assert pod_security_checks.violations(pod(), "restricted") == (
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")'
    )


def test_a_careful_pod_is():
    assert pod_security_checks.violations(GOOD, "restricted") == ""


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (
            {"volumes": [{"name": "v", "nfs": {}}, {"name": "w", "hostPath": {}}]},
            'restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")',
        ),
        (
            {"securityContext": {**GOOD["spec"]["securityContext"], "runAsUser": 0}},
            "runAsUser=0 (pod must not set runAsUser=0)",
        ),
        ({"securityContext": {"runAsUser": 0, "seccompProfile": {"type": "Localhost"}}, "hostUsers": False}, ""),
    ],
)
def test_restricted(spec, found):
    one = copy.deepcopy(GOOD)
    one["spec"].update(spec)
    assert pod_security_checks.violations(one, "restricted") == found


def attributes(what, obj):
    return contract.AdmissionAttributes(contract.CREATE, what, "", "p", "ns", obj, None, {}, contract.UserInfo("ann"))


async def test_namespaces_enforce_and_warn(access):
    labels = {
        "pod-security.kubernetes.io/enforce": "baseline",
        "pod-security.kubernetes.io/enforce-version": "v1.30",
        "pod-security.kubernetes.io/warn": "restricted",
    }
    access.add(kinds.NAMESPACES, "ns", metadata={"labels": labels})
    one = pod_security.PodSecurity(access)
    with pytest.raises(errors.Forbidden) as caught:
        await one.validate(attributes(kinds.PODS, pod(hostNetwork=True)))
    assert caught.value.message == (
        'pods "p" is forbidden: violates PodSecurity "baseline:v1.30": host namespaces (hostNetwork=true)'
    )
    allowed = attributes(kinds.PODS, pod())
    await one.validate(allowed)
    assert allowed.warnings[0].startswith('would violate PodSecurity "restricted:latest": allowPrivilegeEscalation')


async def test_templates_are_warned_of_and_not_refused(access):
    labels = dict.fromkeys(("pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/warn"), "baseline")
    access.add(kinds.NAMESPACES, "ns", metadata={"labels": labels})
    asked = attributes(kinds.DEPLOYMENTS, {"spec": {"template": pod(hostPID=True)}})
    await pod_security.PodSecurity(access).validate(asked)
    assert asked.warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']


@pytest.mark.parametrize(
    ("labels", "found"),
    [({}, ("privileged", "latest")), ({"pod-security.kubernetes.io/enforce": "typo"}, ("restricted", "latest"))],
)
def test_what_labels_ask_for(labels, found):
    assert pod_security.policy(labels, "enforce") == found
