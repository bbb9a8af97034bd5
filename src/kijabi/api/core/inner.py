"""Objects as upstream's server holds them, for the messages that show how two of them differ.

Some refusals end in a unified diff of two internal structs as JSON: every field is there, in the order of the struct
and under its Go name, unset ones as null or zero. ``diff`` makes the same text from our dictionaries. Structs that
are not in the table below are shown with the fields they have.
"""

from __future__ import annotations

import difflib
import json
from typing import Any

from kijabi.api.resource import Object

# A field's sign: none is a text, # a number, ! a truth value, ? anything that may be null and is shown as it is;
# *Struct may be null, :Struct may not, []Struct is a list of them.
_CONTAINER = (
    "Name Image Command? Args? WorkingDir Ports[]ContainerPort EnvFrom[]EnvFromSource Env[]EnvVar "
    "Resources:ResourceRequirements ResizePolicy[]ContainerResizePolicy RestartPolicy? "
    "RestartPolicyRules[]ContainerRestartRule VolumeMounts[]VolumeMount VolumeDevices[]VolumeDevice "
    "LivenessProbe*Probe ReadinessProbe*Probe StartupProbe*Probe Lifecycle*Lifecycle TerminationMessagePath "
    "TerminationMessagePolicy ImagePullPolicy SecurityContext*SecurityContext Stdin! StdinOnce! TTY!"
)
_HANDLERS = "Exec*ExecAction HTTPGet*HTTPGetAction TCPSocket*TCPSocketAction "
_STRUCTS = {
    "PodSpec": (
        "Volumes[]Volume InitContainers[]Container Containers[]Container EphemeralContainers[]EphemeralContainer "
        "RestartPolicy TerminationGracePeriodSeconds? ActiveDeadlineSeconds? DNSPolicy NodeSelector? "
        "ServiceAccountName AutomountServiceAccountToken? NodeName SecurityContext*PodSecurityContext "
        "ImagePullSecrets[]LocalObjectReference Hostname Subdomain SetHostnameAsFQDN? Affinity*Affinity SchedulerName "
        "Tolerations[]Toleration HostAliases[]HostAlias PriorityClassName Priority? PreemptionPolicy? "
        "DNSConfig*PodDNSConfig ReadinessGates[]PodReadinessGate RuntimeClassName? Overhead? EnableServiceLinks? "
        "TopologySpreadConstraints[]TopologySpreadConstraint OS*PodOS SchedulingGates[]PodSchedulingGate "
        "ResourceClaims[]PodResourceClaim Resources*ResourceRequirements HostnameOverride? SchedulingGroup?"
    ),
    "PodSecurityContext": (
        "HostNetwork! HostPID! HostIPC! ShareProcessNamespace? HostUsers? SELinuxOptions*SELinuxOptions "
        "WindowsOptions*WindowsSecurityContextOptions RunAsUser? RunAsGroup? RunAsNonRoot? SupplementalGroups? "
        "SupplementalGroupsPolicy? FSGroup? FSGroupChangePolicy? Sysctls[]Sysctl SeccompProfile*Profile "
        "AppArmorProfile*Profile SELinuxChangePolicy?"
    ),
    "Container": _CONTAINER,
    "EphemeralContainer": f"{_CONTAINER} TargetContainerName",
    "ContainerPort": "Name HostPort# ContainerPort# Protocol HostIP",
    "EnvFromSource": "Prefix ConfigMapRef*NamedSource SecretRef*NamedSource",
    "NamedSource": "Name Optional?",
    "EnvVar": "Name Value ValueFrom*EnvVarSource",
    "EnvVarSource": (
        "FieldRef*ObjectFieldSelector ResourceFieldRef*ResourceFieldSelector ConfigMapKeyRef*KeySelector "
        "SecretKeyRef*KeySelector FileKeyRef*FileKeySelector"
    ),
    "ObjectFieldSelector": "APIVersion FieldPath",
    "ResourceFieldSelector": "ContainerName Resource Divisor?",
    "KeySelector": "Name Key Optional?",
    "FileKeySelector": "VolumeName Path Key Optional?",
    "ResourceRequirements": "Limits? Requests? Claims[]ResourceClaim",
    "ResourceClaim": "Name Request",
    "ContainerResizePolicy": "ResourceName RestartPolicy",
    "VolumeMount": "Name ReadOnly! RecursiveReadOnly? MountPath SubPath MountPropagation? SubPathExpr",
    "VolumeDevice": "Name DevicePath",
    "Probe": (
        f"{_HANDLERS}GRPC*GRPCAction InitialDelaySeconds# TimeoutSeconds# PeriodSeconds# SuccessThreshold# "
        "FailureThreshold# TerminationGracePeriodSeconds?"
    ),
    "Lifecycle": "PostStart*LifecycleHandler PreStop*LifecycleHandler StopSignal?",
    "LifecycleHandler": f"{_HANDLERS}Sleep*SleepAction",
    "ExecAction": "Command?",
    "HTTPGetAction": "Path Port? Host Scheme HTTPHeaders[]Pair",
    "TCPSocketAction": "Port? Host",
    "GRPCAction": "Port# Service?",
    "SleepAction": "Seconds#",
    "Pair": "Name Value",
    "Sysctl": "Name Value",
    "SecurityContext": (
        "Capabilities*Capabilities Privileged? SELinuxOptions*SELinuxOptions "
        "WindowsOptions*WindowsSecurityContextOptions RunAsUser? RunAsGroup? RunAsNonRoot? ReadOnlyRootFilesystem? "
        "AllowPrivilegeEscalation? ProcMount? SeccompProfile*Profile AppArmorProfile*Profile"
    ),
    "Capabilities": "Add? Drop?",
    "SELinuxOptions": "User Role Type Level",
    "WindowsSecurityContextOptions": "GMSACredentialSpecName? GMSACredentialSpec? RunAsUserName? HostProcess?",
    "Profile": "Type LocalhostProfile?",
    "Toleration": "Key Operator Value Effect TolerationSeconds?",
    "LocalObjectReference": "Name",
    "HostAlias": "IP Hostnames?",
    "PodReadinessGate": "ConditionType",
    "PodSchedulingGate": "Name",
    "PodOS": "Name",
    "PodDNSConfig": "Nameservers? Searches? Options[]PodDNSConfigOption",
    "PodDNSConfigOption": "Name Value?",
    "PodResourceClaim": "Name ResourceClaimName? ResourceClaimTemplateName?",
    "Affinity": "NodeAffinity*NodeAffinity PodAffinity*PodAffinity PodAntiAffinity*PodAffinity",
    "NodeAffinity": (
        "RequiredDuringSchedulingIgnoredDuringExecution*NodeSelector "
        "PreferredDuringSchedulingIgnoredDuringExecution[]PreferredSchedulingTerm"
    ),
    "NodeSelector": "NodeSelectorTerms[]NodeSelectorTerm",
    "PreferredSchedulingTerm": "Weight# Preference:NodeSelectorTerm",
    "NodeSelectorTerm": "MatchExpressions[]NodeSelectorRequirement MatchFields[]NodeSelectorRequirement",
    "NodeSelectorRequirement": "Key Operator Values?",
    "PodAffinity": (
        "RequiredDuringSchedulingIgnoredDuringExecution[]PodAffinityTerm "
        "PreferredDuringSchedulingIgnoredDuringExecution[]WeightedPodAffinityTerm"
    ),
    "WeightedPodAffinityTerm": "Weight# PodAffinityTerm:PodAffinityTerm",
    "PodAffinityTerm": ("LabelSelector? Namespaces? TopologyKey NamespaceSelector? MatchLabelKeys? MismatchLabelKeys?"),
    "TopologySpreadConstraint": (
        "MaxSkew# TopologyKey WhenUnsatisfiable LabelSelector? MinDomains? NodeAffinityPolicy? NodeTaintsPolicy? "
        "MatchLabelKeys?"
    ),
    "Volume": (
        "Name HostPath*HostPath EmptyDir*EmptyDir GCEPersistentDisk*Any AWSElasticBlockStore*Any GitRepo*Any "
        "Secret*Secret NFS*NFS ISCSI*Any Glusterfs*Any PersistentVolumeClaim*Claim RBD*Any Quobyte*Any FlexVolume*Any "
        "Cinder*Any CephFS*Any Flocker*Any DownwardAPI*DownwardAPI FC*Any AzureFile*Any ConfigMap*ConfigMap "
        "VsphereVolume*Any AzureDisk*Any PhotonPersistentDisk*Any Projected*Projected PortworxVolume*Any ScaleIO*Any "
        "StorageOS*Any CSI*Any Ephemeral*Any Image*Any"
    ),
    "PersistentVolumeSource": (
        "GCEPersistentDisk*Any AWSElasticBlockStore*Any HostPath*HostPath Glusterfs*Any NFS*NFS RBD*Any Quobyte*Any "
        "ISCSI*Any FlexVolume*Any Cinder*Any CephFS*Any FC*Any Flocker*Any AzureFile*Any VsphereVolume*Any "
        "AzureDisk*Any PhotonPersistentDisk*Any PortworxVolume*Any ScaleIO*Any Local*Local StorageOS*Any "
        "CSI*PersistentCSI"
    ),
    "VolumeNodeAffinity": "Required*NodeSelector",
    "HostPath": "Path Type?",
    "EmptyDir": "Medium SizeLimit?",
    "NFS": "Server Path ReadOnly!",
    "Local": "Path FSType?",
    "Claim": "ClaimName ReadOnly!",
    "Secret": "SecretName Items[]KeyToPath DefaultMode? Optional?",
    "ConfigMap": "Name Items[]KeyToPath DefaultMode? Optional?",
    "KeyToPath": "Key Path Mode?",
    "DownwardAPI": "Items[]DownwardFile DefaultMode?",
    "DownwardFile": "Path FieldRef*ObjectFieldSelector ResourceFieldRef*ResourceFieldSelector Mode?",
    "Projected": "Sources[]Projection DefaultMode?",
    "Projection": (
        "Secret*NamedItems DownwardAPI*DownwardItems ConfigMap*NamedItems ServiceAccountToken*Token "
        "ClusterTrustBundle? PodCertificate?"
    ),
    "NamedItems": "Name Items[]KeyToPath Optional?",
    "DownwardItems": "Items[]DownwardFile",
    "Token": "Audience ExpirationSeconds# Path",
    "PersistentCSI": (
        "Driver VolumeHandle ReadOnly! FSType VolumeAttributes? ControllerPublishSecretRef*SecretReference "
        "NodeStageSecretRef*SecretReference NodePublishSecretRef*SecretReference "
        "ControllerExpandSecretRef*SecretReference NodeExpandSecretRef*SecretReference"
    ),
    "SecretReference": "Name Namespace",
    "PersistentVolumeClaimSpec": (
        "AccessModes? Selector? Resources:VolumeResources VolumeName StorageClassName? VolumeMode? "
        "DataSource*LocalReference DataSourceRef*Reference VolumeAttributesClassName?"
    ),
    "VolumeResources": "Limits? Requests?",
    "LocalReference": "APIGroup? Kind Name",
    "Reference": "APIGroup? Kind Name Namespace?",
}
_KEYS = {
    "DNSPolicy": "dnsPolicy",
    "DNSConfig": "dnsConfig",
    "OS": "os",
    "TTY": "tty",
    "HTTPGet": "httpGet",
    "TCPSocket": "tcpSocket",
    "GRPC": "grpc",
    "HTTPHeaders": "httpHeaders",
    "APIVersion": "apiVersion",
    "APIGroup": "apiGroup",
    "SELinuxOptions": "seLinuxOptions",
    "SELinuxChangePolicy": "seLinuxChangePolicy",
    "FSGroup": "fsGroup",
    "FSGroupChangePolicy": "fsGroupChangePolicy",
    "FSType": "fsType",
    "IP": "ip",
    "GMSACredentialSpec": "gmsaCredentialSpec",
    "GMSACredentialSpecName": "gmsaCredentialSpecName",
    "GCEPersistentDisk": "gcePersistentDisk",
    "AWSElasticBlockStore": "awsElasticBlockStore",
    "NFS": "nfs",
    "ISCSI": "iscsi",
    "RBD": "rbd",
    "CephFS": "cephfs",
    "FC": "fc",
    "StorageOS": "storageos",
    "CSI": "csi",
}
# Fields of the pod spec that upstream keeps in the security context.
_IN_SECURITY = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_ZEROS: dict[str, Any] = {"": "", "#": 0, "!": False, "?": None}


def diff(struct: str, before: Object, after: Object) -> str:
    """The unified diff of two structs, three lines of context around each change."""
    old, new = (_lines(struct, value) for value in (before, after))
    hunks = list(difflib.unified_diff(old, new, n=3))
    return "".join(hunks[2:])


def _lines(struct: str, value: Object) -> list[str]:
    text = json.dumps(show(struct, value), indent=1, ensure_ascii=False)
    return [line + "\n" for line in text.split("\n")]


def show(struct: str, value: Object) -> Object:
    """``value`` with all the fields of the struct."""
    if struct == "Any":
        return {key[:1].upper() + key[1:]: own for key, own in value.items()}
    if struct == "PodSpec":
        moved = {key: value[key] for key in _IN_SECURITY if key in value}
        value = {**value, "securityContext": {**(value.get("securityContext") or {}), **moved}}
    shown: Object = {}
    for word in _STRUCTS[struct].split():
        name = word.rstrip("#!?")
        for sign in ("[]", "*", ":"):
            name = name.partition(sign)[0]
        own = value.get(_KEYS.get(name) or name[:1].lower() + name[1:])
        shown[name] = _field(word[len(name) :], own)
    return shown


def _field(sign: str, value: Any) -> Any:
    if sign in _ZEROS:
        # Go sorts the keys of maps.
        value = dict(sorted(value.items())) if isinstance(value, dict) else value
        return _ZEROS[sign] if value is None else value
    if sign.startswith("[]"):
        struct = sign[2:]
        return None if value is None else [show(struct if struct in _STRUCTS else "Any", item) for item in value]
    return None if value is None and sign[0] == "*" else show(sign[1:], value or {})
