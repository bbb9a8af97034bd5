"""Admission: what a write is made into, and whether it may be, after authorization and before storage.

One plugin a file, run in upstream's order; which are on by default is upstream's choice, and NodeRestriction, which
upstream's own deployers always add. Left out: EventRateLimit, ImagePolicyWebhook and PodTolerationRestriction, which
are off by default, and NodeDeclaredFeatureValidator.
"""

from __future__ import annotations

from collections.abc import Callable

from kijabi.apiserver import contract, outbound
from kijabi.apiserver import options as options_
from kijabi.apiserver.admission import (
    always,
    always_pull_images,
    anti_affinity,
    certificates,
    configuration,
    default_tolerations,
    extended_resources,
    external_ips,
    ingress_class,
    limit_ranger,
    namespace_lifecycle,
    namespaces,
    node_restriction,
    node_selector,
    owner_references,
    pod_resize,
    pod_topology_labels,
    podsecurity,
    policies,
    priority,
    resource_quota,
    runtime_class,
    service_account,
    storage,
    taint_nodes,
    webhooks,
)
from kijabi.apiserver.admission.podsecurity import configuration as podsecurity_configuration
from kijabi.apiserver.admission.webhooks import metrics
from kijabi.kit import clock, config

# Off unless --enable-admission-plugins names them.
_OFF = frozenset(
    (
        "AlwaysAdmit",
        "AlwaysDeny",
        "AlwaysPullImages",
        "DenyServiceExternalIPs",
        "ExtendedResourceToleration",
        "LimitPodHardAntiAffinityTopology",
        "NamespaceAutoProvision",
        "NamespaceExists",
        "OwnerReferencesPermissionEnforcement",
        "PodNodeSelector",
    )
)


class UnknownPlugin(config.Unusable):
    """A name in ``--enable-admission-plugins`` or ``--disable-admission-plugins`` that no plugin has."""


def build(
    access: contract.Access,
    options: options_.Options,
    authorizer: contract.Authorizer,
    *,
    timepiece: clock.Clock = clock.SYSTEM,
    outside: outbound.Outbound | None = None,
    counts: metrics.Metrics | None = None,
    checks: policies.Metrics | None = None,
) -> contract.AdmissionChain:
    """The plugins in order. Raises UnknownPlugin, and config.Unusable for files that cannot be used."""
    caller = (outside or outbound.build(access)).webhooks
    counted = counts or metrics.Metrics()
    checked = checks or policies.Metrics()
    told = configuration.load(options.admission_control_config_file)
    standards = podsecurity_configuration.read(told.get("PodSecurity"))
    makers: list[tuple[str, Callable[[], contract.Admission]]] = [
        ("AlwaysAdmit", always.AlwaysAdmit),
        ("NamespaceAutoProvision", lambda: namespaces.NamespaceAutoProvision(access)),
        ("NamespaceLifecycle", lambda: namespace_lifecycle.NamespaceLifecycle(access)),
        ("NamespaceExists", lambda: namespaces.NamespaceExists(access)),
        ("LimitPodHardAntiAffinityTopology", anti_affinity.LimitPodHardAntiAffinityTopology),
        ("LimitRanger", lambda: limit_ranger.LimitRanger(access)),
        ("ServiceAccount", lambda: service_account.ServiceAccount(access, timepiece)),
        ("NodeRestriction", lambda: node_restriction.NodeRestriction(access, authorizer)),
        ("TaintNodesByCondition", taint_nodes.TaintNodesByCondition),
        ("AlwaysPullImages", always_pull_images.AlwaysPullImages),
        ("PodSecurity", lambda: podsecurity.PodSecurity(access, standards)),
        ("PodNodeSelector", lambda: node_selector.PodNodeSelector(access, told.get("PodNodeSelector"))),
        ("Priority", lambda: priority.Priority(access)),
        ("DefaultTolerationSeconds", default_tolerations.DefaultTolerationSeconds),
        ("ExtendedResourceToleration", extended_resources.ExtendedResourceToleration),
        ("DefaultStorageClass", lambda: storage.DefaultStorageClass(access)),
        ("StorageObjectInUseProtection", storage.StorageObjectInUseProtection),
        (
            "OwnerReferencesPermissionEnforcement",
            lambda: owner_references.OwnerReferencesPermissionEnforcement(access, authorizer),
        ),
        ("PersistentVolumeClaimResize", lambda: storage.PersistentVolumeClaimResize(access)),
        ("RuntimeClass", lambda: runtime_class.RuntimeClass(access)),
        ("CertificateApproval", lambda: certificates.CertificateApproval(authorizer)),
        ("CertificateSigning", lambda: certificates.CertificateSigning(authorizer)),
        ("CertificateSubjectRestriction", certificates.CertificateSubjectRestriction),
        ("DefaultIngressClass", lambda: ingress_class.DefaultIngressClass(access)),
        ("DenyServiceExternalIPs", external_ips.DenyServiceExternalIPs),
        ("PodTopologyLabels", lambda: pod_topology_labels.PodTopologyLabels(access)),
        ("PodResizeValidator", lambda: pod_resize.PodResizeValidator(access)),
        ("MutatingAdmissionPolicy", lambda: policies.MutatingPolicies(access, authorizer, checked)),
        ("MutatingAdmissionWebhook", lambda: webhooks.MutatingWebhooks(access, caller, counted, authorizer)),
        ("ValidatingAdmissionPolicy", lambda: policies.ValidatingPolicies(access, authorizer, checked)),
        ("ValidatingAdmissionWebhook", lambda: webhooks.ValidatingWebhooks(access, caller, counted, authorizer)),
        ("ResourceQuota", lambda: resource_quota.ResourceQuota(access)),
        ("AlwaysDeny", always.AlwaysDeny),
    ]
    known = {name for name, _ in makers}
    for name in (*options.enable_admission_plugins, *options.disable_admission_plugins):
        if name not in known:
            raise UnknownPlugin(f'unknown admission plugin "{name}"')
    # Who is named in both is on, as upstream.
    off = (_OFF | set(options.disable_admission_plugins)) - set(options.enable_admission_plugins)
    return [make() for name, make in makers if name not in off]
