"""Admission: what a write is made into, and whether it may be, after authorization and before storage.

One plugin a file, run in upstream's order; which are on by default is upstream's choice, and NodeRestriction, which
upstream's own deployers always add. Left out: the plugins that are off by default.
"""

from __future__ import annotations

from collections.abc import Callable

from kijabi.apiserver import contract, outbound
from kijabi.apiserver import options as options_
from kijabi.apiserver.admission import (
    certificates,
    configuration,
    default_tolerations,
    ingress_class,
    limit_ranger,
    namespace_lifecycle,
    node_restriction,
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
        ("NamespaceLifecycle", lambda: namespace_lifecycle.NamespaceLifecycle(access)),
        ("LimitRanger", lambda: limit_ranger.LimitRanger(access)),
        ("ServiceAccount", lambda: service_account.ServiceAccount(access, timepiece)),
        ("NodeRestriction", lambda: node_restriction.NodeRestriction(access, authorizer)),
        ("TaintNodesByCondition", taint_nodes.TaintNodesByCondition),
        ("PodSecurity", lambda: podsecurity.PodSecurity(access, standards)),
        ("Priority", lambda: priority.Priority(access)),
        ("DefaultTolerationSeconds", default_tolerations.DefaultTolerationSeconds),
        ("DefaultStorageClass", lambda: storage.DefaultStorageClass(access)),
        ("StorageObjectInUseProtection", storage.StorageObjectInUseProtection),
        ("PersistentVolumeClaimResize", lambda: storage.PersistentVolumeClaimResize(access)),
        ("RuntimeClass", lambda: runtime_class.RuntimeClass(access)),
        ("CertificateApproval", lambda: certificates.CertificateApproval(authorizer)),
        ("CertificateSigning", lambda: certificates.CertificateSigning(authorizer)),
        ("CertificateSubjectRestriction", certificates.CertificateSubjectRestriction),
        ("DefaultIngressClass", lambda: ingress_class.DefaultIngressClass(access)),
        ("PodTopologyLabels", lambda: pod_topology_labels.PodTopologyLabels(access)),
        ("MutatingAdmissionPolicy", lambda: policies.MutatingPolicies(access, authorizer, checked)),
        ("MutatingAdmissionWebhook", lambda: webhooks.MutatingWebhooks(access, caller, counted, authorizer)),
        ("ValidatingAdmissionPolicy", lambda: policies.ValidatingPolicies(access, authorizer, checked)),
        ("ValidatingAdmissionWebhook", lambda: webhooks.ValidatingWebhooks(access, caller, counted, authorizer)),
        ("ResourceQuota", lambda: resource_quota.ResourceQuota(access)),
    ]
    known = {name for name, _ in makers}
    for name in (*options.enable_admission_plugins, *options.disable_admission_plugins):
        if name not in known:
            raise UnknownPlugin(f'unknown admission plugin "{name}"')
    disabled = set(options.disable_admission_plugins)
    return [make() for name, make in makers if name not in disabled]
