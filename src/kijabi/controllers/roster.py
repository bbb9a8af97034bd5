"""Every controller there is, by upstream's names; and which of them ``--controllers`` chooses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from kijabi.controllers import (
    clusterroleaggregation,
    contract,
    endpoints,
    legacytokens,
    namespace,
    nodeipam,
    nodelifecycle,
    podgc,
    protection,
    replicaset,
    rootca,
    serviceaccount,
    serviceaccounttokens,
    servicecidrs,
    tainteviction,
    ttlafterfinished,
    validatingadmissionpolicystatus,
)
from kijabi.controllers.bootstraptokens import cleaner as token_cleaner
from kijabi.controllers.bootstraptokens import signer as bootstrap_signer
from kijabi.controllers.certificates import approver, cleaner, signer
from kijabi.controllers.cronjob import controller as cronjob
from kijabi.controllers.daemonset import controller as daemonset
from kijabi.controllers.deployment import controller as deployment
from kijabi.controllers.disruption import controller as disruption
from kijabi.controllers.endpointslice import controller as endpointslice
from kijabi.controllers.garbage import controller as garbage
from kijabi.controllers.job import controller as job
from kijabi.controllers.quota import controller as quota
from kijabi.controllers.statefulset import controller as statefulset
from kijabi.kit import config


class Make(Protocol):
    """A controller's class: its account is known before there is a client for it."""

    account: str

    def __call__(self, context: contract.Context) -> contract.Controller: ...


ALL: dict[str, Make] = {
    "serviceaccount-token-controller": serviceaccounttokens.ServiceAccountTokens,
    "serviceaccount-controller": serviceaccount.ServiceAccounts,
    "root-ca-certificate-publisher-controller": rootca.RootCaPublisher,
    "node-ipam-controller": nodeipam.NodeIpam,
    "node-lifecycle-controller": nodelifecycle.NodeLifecycle,
    "taint-eviction-controller": tainteviction.TaintEviction,
    "resourcequota-controller": quota.ResourceQuotas,
    "namespace-controller": namespace.Namespaces,
    "garbage-collector-controller": garbage.GarbageCollector,
    "pod-garbage-collector-controller": podgc.PodGarbage,
    "endpoints-controller": endpoints.Endpoints,
    "endpointslice-controller": endpointslice.EndpointSlices,
    "replicationcontroller-controller": replicaset.ReplicationControllers,
    "replicaset-controller": replicaset.ReplicaSets,
    "deployment-controller": deployment.Deployments,
    "daemonset-controller": daemonset.DaemonSets,
    "statefulset-controller": statefulset.StatefulSets,
    "job-controller": job.Jobs,
    "cronjob-controller": cronjob.CronJobs,
    "ttl-after-finished-controller": ttlafterfinished.TtlAfterFinished,
    "disruption-controller": disruption.Disruption,
    "certificatesigningrequest-signing-controller": signer.Signer,
    "certificatesigningrequest-approving-controller": approver.Approver,
    "certificatesigningrequest-cleaner-controller": cleaner.Cleaner,
    "bootstrap-signer-controller": bootstrap_signer.BootstrapSigner,
    "token-cleaner-controller": token_cleaner.TokenCleaner,
    "clusterrole-aggregation-controller": clusterroleaggregation.ClusterRoleAggregation,
    "validatingadmissionpolicy-status-controller": validatingadmissionpolicystatus.PolicyStatus,
    "legacy-serviceaccount-token-cleaner-controller": legacytokens.LegacyTokenCleaner,
    "service-cidr-controller": servicecidrs.ServiceCidrs,
    "persistentvolumeclaim-protection-controller": protection.ClaimProtection,
    "persistentvolume-protection-controller": protection.VolumeProtection,
}


class Unknown(config.Unusable):
    """A name in ``--controllers`` that is no controller's."""


def chosen(names: Iterable[str]) -> dict[str, Make]:
    """The controllers that the flag's values choose: ``*`` for all, ``foo`` for one, ``-foo`` to leave one out."""
    listed = list(names)
    for name in listed:
        if name != "*" and name.removeprefix("-") not in ALL:
            raise Unknown(f'"{name.removeprefix("-")}" is not in the list of known controllers')
    everything = "*" in listed
    return {name: make for name, make in ALL.items() if name in listed or (everything and f"-{name}" not in listed)}
