import copy

import pytest

from kijabi.api import errors, kinds
from kijabi.apiserver import contract
from kijabi.apiserver.admission import configuration as files
from kijabi.apiserver.admission import podsecurity
from kijabi.apiserver.admission.podsecurity import configuration, policy, standards
from kijabi.kit import config

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


def violations(one, level, minor=standards.LATEST):
    found = standards.violations(one, level, minor)
    return found.details if found else ""


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
    assert violations(one, "baseline") == found
    assert violations(one, "privileged") == ""


def test_a_plain_pod_is_not_restricted():
    assert violations(pod(), "restricted") == (
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")'
    )


def test_a_careful_pod_is():
    assert violations(GOOD, "restricted") == ""


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
    assert violations(one, "restricted") == found


def attributes(what, obj):
    return contract.AdmissionAttributes(contract.CREATE, what, "", "p", "ns", obj, None, {}, contract.UserInfo("ann"))


async def test_namespaces_enforce_and_warn(access):
    labels = {
        "pod-security.kubernetes.io/enforce": "baseline",
        "pod-security.kubernetes.io/enforce-version": "v1.30",
        "pod-security.kubernetes.io/warn": "restricted",
    }
    access.add(kinds.NAMESPACES, "ns", metadata={"labels": labels})
    one = podsecurity.PodSecurity(access)
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
    await podsecurity.PodSecurity(access).validate(asked)
    assert asked.warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']


PREFIX = "pod-security.kubernetes.io/"


@pytest.mark.parametrize(
    ("labels", "asked", "wrong"),
    [
        pytest.param({}, ("privileged:latest", "privileged:latest", "privileged:latest"), 0, id="nothing"),
        pytest.param(
            {"enforce": "typo"}, ("restricted:latest", "privileged:latest", "privileged:latest"), 1, id="typo"
        ),
        pytest.param(
            {"enforce": "baseline", "enforce-version": "v1.20"},
            ("baseline:v1.20", "privileged:latest", "baseline:v1.20"),
            0,
            id="warned of what is enforced",
        ),
        pytest.param(
            {"enforce": "restricted", "warn": "baseline", "audit": "x", "audit-version": "1.3"},
            ("restricted:latest", "privileged:latest", "baseline:latest"),
            2,
            id="own warning",
        ),
        pytest.param(
            {"enforce": "restricted", "warn-version": "v1.9"},
            ("restricted:latest", "privileged:latest", "restricted:v1.9"),
            0,
            id="own version of the warning",
        ),
    ],
)
def test_what_labels_ask_for(labels, asked, wrong):
    found, problems = policy.read({PREFIX + key: value for key, value in labels.items()})
    assert (str(found.enforce), str(found.audit), str(found.warn)) == asked
    assert len(problems) == wrong


@pytest.mark.parametrize(
    ("one", "level", "first_bad", "last_bad"),
    [
        pytest.param(
            pod(pod_context={"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}), "baseline", 0, 31, id="a sysctl made safe"
        ),
        pytest.param(pod({"seLinuxOptions": {"type": "container_engine_t"}}), "baseline", 0, 30, id="an SELinux type"),
        pytest.param(
            pod(container={"livenessProbe": {"tcpSocket": {"host": "1.2.3.4"}}}), "baseline", 34, 99, id="probe host"
        ),
        pytest.param(pod(pod_context={"seccompProfile": {"type": "Unconfined"}}), "baseline", 19, 99, id="seccomp"),
        pytest.param(
            pod(annotations={"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}),
            "baseline",
            0,
            18,
            id="seccomp by annotation",
        ),
        pytest.param(pod({"procMount": "Unmasked"}, hostUsers=False), "baseline", 0, 34, id="own users"),
    ],
)
def test_versions(one, level, first_bad, last_bad):
    bad = [minor for minor in range(100) if violations(one, level, minor)]
    assert (bad[0], bad[-1]) == (first_bad, last_bad)
    assert bad == list(range(first_bad, last_bad + 1))


def test_restricted_keeps_the_proc_mount_of_pods_with_their_own_users():
    one = copy.deepcopy(GOOD)
    one["spec"]["hostUsers"] = False
    one["spec"]["containers"][0]["securityContext"]["procMount"] = "Unmasked"
    assert violations(one, "restricted", 36).startswith("procMount (")
    assert violations(one, "baseline", 36) == ""


def namespace(**labels):
    named = {PREFIX + key.replace("_", "-"): value for key, value in labels.items()}
    return {"metadata": {"name": "ns", "labels": named}}


def change(new, old):
    operation = contract.UPDATE if old else contract.CREATE
    user = contract.UserInfo("ann")
    return contract.AdmissionAttributes(operation, kinds.NAMESPACES, "", "ns", "ns", new, old, {}, user)


async def test_labels_of_a_namespace_must_be_good(access):
    one = podsecurity.PodSecurity(access)
    with pytest.raises(errors.Invalid) as caught:
        await one.validate(change(namespace(enforce="x"), None))
    assert caught.value.message == (
        'Namespace "ns" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "x": '
        "must be one of privileged, baseline, restricted"
    )
    # What was bad before and is not touched is let be.
    await one.validate(change(namespace(enforce="x"), namespace(enforce="x")))
    with pytest.raises(errors.Invalid):
        await one.validate(change(namespace(enforce="x", warn="y"), namespace(enforce="x")))


async def test_a_stricter_policy_tells_which_pods_it_hits(access):
    for name, host in (("a", True), ("b", True), ("c", False)):
        access.add(kinds.PODS, name, "ns", spec=pod(hostNetwork=host)["spec"])
    one = podsecurity.PodSecurity(access)
    asked = change(namespace(enforce="baseline"), namespace())
    await one.validate(asked)
    assert asked.warnings == [
        'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 1 other pod): host namespaces",
    ]
    relaxed = change(namespace(enforce="baseline"), namespace(enforce="restricted"))
    await one.validate(relaxed)
    assert relaxed.warnings == []


async def test_the_exempt(access):
    given = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": {"enforce": "restricted", "enforce-version": "v1.30"},
        "exemptions": {"namespaces": ["free"], "usernames": ["bob"], "runtimeClasses": ["box"]},
    }
    one = podsecurity.PodSecurity(access, configuration.read(given))
    access.add(kinds.NAMESPACES, "ns")
    with pytest.raises(errors.Forbidden, match=r'violates PodSecurity "restricted:v1\.30"'):
        await one.validate(attributes(kinds.PODS, pod()))
    by_class = attributes(kinds.PODS, pod(runtimeClassName="box"))
    by_user = attributes(kinds.PODS, pod())
    by_user.user = contract.UserInfo("bob")
    by_namespace = attributes(kinds.PODS, pod())
    by_namespace.namespace = "free"
    for exempt, why in ((by_class, "runtimeClass"), (by_user, "user"), (by_namespace, "namespace")):
        await one.validate(exempt)
        assert exempt.annotations[PREFIX + "exempt"] == ("Metadata", why)


async def test_what_is_only_audited_goes_into_the_log(access):
    access.add(kinds.NAMESPACES, "ns", metadata={"labels": {PREFIX + "audit": "baseline"}})
    asked = attributes(kinds.PODS, pod(hostPID=True))
    await podsecurity.PodSecurity(access).validate(asked)
    assert asked.annotations[PREFIX + "enforce-policy"][1] == "privileged:latest"
    told = asked.annotations[PREFIX + "audit-violations"][1]
    assert told == 'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    assert asked.warnings == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "Other"}, 'no kind "Other" is registered'),
        ({"defaults": {"warn": "x"}}, 'defaults.warn: Invalid value: "x": must be one of'),
        ({"defaults": {"audit-version": "1"}}, "defaults.audit-version: Invalid value"),
        ({"exemptions": {"namespaces": ["a", "a"]}}, 'exemptions.namespaces[1]: Duplicate value: "a"'),
        ({"exemptions": {"usernames": [""]}}, "username must not be empty"),
    ],
)
def test_a_configuration_that_cannot_be_used(given, told):
    head = {"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration"}
    with pytest.raises(config.Unusable) as caught:
        configuration.read({**head, **given})
    assert told in str(caught.value)


def test_plugins_are_configured_in_a_file_or_beside_it(tmp_path):
    (tmp_path / "other.yaml").write_text("kind: Other\n")
    path = tmp_path / "admission.yaml"
    path.write_text(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n"
        "- {name: PodSecurity, configuration: {kind: X}}\n- {name: Other, path: other.yaml}\n"
    )
    assert files.load(str(path)) == {"PodSecurity": {"kind": "X"}, "Other": {"kind": "Other"}}
    assert files.load("") == {}
    for text in ("kind: Pod\n", "[", "apiVersion: v1"):
        path.write_text(text)
        with pytest.raises(config.Unusable):
            files.load(str(path))
