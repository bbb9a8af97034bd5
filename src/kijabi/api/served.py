"""The table of what is served: every group, version and resource that upstream v1.36 serves by default.

One line per resource: plural, kind, scope, then optional ``key=value`` words for short names, categories, verbs and
subresources. Groups stand in upstream's order of priority, which discovery shows and kubectl relies on when a short
name is ambiguous. Beta and alpha versions are off by default upstream, so they are not here.

Source: the discovery documents of v1.36 (``kubectl get --raw /apis``).
"""

from __future__ import annotations

from dataclasses import dataclass

from kijabi.api import resource

READ_WRITE = ("get", "patch", "update")
PROXY_VERBS = ("create", "delete", "get", "patch", "update")
STREAM_VERBS = ("create", "get")

_TABLE = """
:v1
bindings                          Binding                          ns       verbs=create
componentstatuses                 ComponentStatus                  cluster  short=cs verbs=get,list
configmaps                        ConfigMap                        ns       short=cm
endpoints                         Endpoints                        ns       short=ep
events                            Event                            ns       short=ev
limitranges                       LimitRange                       ns       short=limits
namespaces                        Namespace                        cluster  \
    short=ns subs=finalize,status verbs=create,delete,get,list,patch,update,watch
nodes                             Node                             cluster  short=no subs=proxy,status
persistentvolumeclaims            PersistentVolumeClaim            ns       short=pvc subs=status
persistentvolumes                 PersistentVolume                 cluster  short=pv subs=status
pods                              Pod                              ns       \
    short=po categories=all subs=attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize,status
podtemplates                      PodTemplate                      ns
replicationcontrollers            ReplicationController            ns       short=rc categories=all subs=scale,status
resourcequotas                    ResourceQuota                    ns       short=quota subs=status
secrets                           Secret                           ns
serviceaccounts                   ServiceAccount                   ns       short=sa subs=token
services                          Service                          ns       short=svc categories=all subs=proxy,status
apiregistration.k8s.io:v1
apiservices                       APIService                       cluster  categories=api-extensions subs=status
apps:v1
controllerrevisions               ControllerRevision               ns
daemonsets                        DaemonSet                        ns       short=ds categories=all subs=status
deployments                       Deployment                       ns       \
    short=deploy categories=all subs=scale,status
replicasets                       ReplicaSet                       ns       short=rs categories=all subs=scale,status
statefulsets                      StatefulSet                      ns       short=sts categories=all subs=scale,status
events.k8s.io:v1
events                            Event                            ns       short=ev
authentication.k8s.io:v1
selfsubjectreviews                SelfSubjectReview                cluster  verbs=create
tokenreviews                      TokenReview                      cluster  verbs=create
authorization.k8s.io:v1
localsubjectaccessreviews         LocalSubjectAccessReview         ns       verbs=create
selfsubjectaccessreviews          SelfSubjectAccessReview          cluster  verbs=create
selfsubjectrulesreviews           SelfSubjectRulesReview           cluster  verbs=create
subjectaccessreviews              SubjectAccessReview              cluster  verbs=create
autoscaling:v2
horizontalpodautoscalers          HorizontalPodAutoscaler          ns       short=hpa categories=all subs=status
autoscaling:v1
horizontalpodautoscalers          HorizontalPodAutoscaler          ns       short=hpa categories=all subs=status
batch:v1
cronjobs                          CronJob                          ns       short=cj categories=all subs=status
jobs                              Job                              ns       categories=all subs=status
certificates.k8s.io:v1
certificatesigningrequests        CertificateSigningRequest        cluster  short=csr subs=approval,status
networking.k8s.io:v1
ingressclasses                    IngressClass                     cluster
ingresses                         Ingress                          ns       short=ing subs=status
ipaddresses                       IPAddress                        cluster  short=ip
networkpolicies                   NetworkPolicy                    ns       short=netpol
servicecidrs                      ServiceCIDR                      cluster  subs=status
policy:v1
poddisruptionbudgets              PodDisruptionBudget              ns       short=pdb subs=status
rbac.authorization.k8s.io:v1
clusterrolebindings               ClusterRoleBinding               cluster
clusterroles                      ClusterRole                      cluster
rolebindings                      RoleBinding                      ns
roles                             Role                             ns
storage.k8s.io:v1
csidrivers                        CSIDriver                        cluster
csinodes                          CSINode                          cluster
csistoragecapacities              CSIStorageCapacity               ns
storageclasses                    StorageClass                     cluster  short=sc
volumeattachments                 VolumeAttachment                 cluster  subs=status
volumeattributesclasses           VolumeAttributesClass            cluster  short=vac
admissionregistration.k8s.io:v1
mutatingadmissionpolicies         MutatingAdmissionPolicy          cluster  categories=api-extensions
mutatingadmissionpolicybindings   MutatingAdmissionPolicyBinding   cluster  categories=api-extensions
mutatingwebhookconfigurations     MutatingWebhookConfiguration     cluster  categories=api-extensions
validatingadmissionpolicies       ValidatingAdmissionPolicy        cluster  categories=api-extensions subs=status
validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding cluster  categories=api-extensions
validatingwebhookconfigurations   ValidatingWebhookConfiguration   cluster  categories=api-extensions
apiextensions.k8s.io:v1
customresourcedefinitions         CustomResourceDefinition         cluster  \
    short=crd,crds categories=api-extensions subs=status
scheduling.k8s.io:v1
priorityclasses                   PriorityClass                    cluster  short=pc
coordination.k8s.io:v1
leases                            Lease                            ns
node.k8s.io:v1
runtimeclasses                    RuntimeClass                     cluster
discovery.k8s.io:v1
endpointslices                    EndpointSlice                    ns
resource.k8s.io:v1
deviceclasses                     DeviceClass                      cluster
resourceclaims                    ResourceClaim                    ns       subs=status
resourceclaimtemplates            ResourceClaimTemplate            ns
resourceslices                    ResourceSlice                    cluster
flowcontrol.apiserver.k8s.io:v1
flowschemas                       FlowSchema                       cluster  subs=status
prioritylevelconfigurations       PriorityLevelConfiguration       cluster  subs=status
"""


@dataclass(frozen=True, slots=True)
class Subresource:
    """What discovery says of a subresource: the kind that goes over the wire there, its group and version where they
    differ from the parent's (empty otherwise), and its verbs."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


# Those that do not simply get, patch and update the parent's own kind.
_SUBRESOURCES = {
    ("namespaces", "finalize"): Subresource("finalize", "Namespace", ("update",)),
    ("nodes", "proxy"): Subresource("proxy", "NodeProxyOptions", PROXY_VERBS),
    ("pods", "attach"): Subresource("attach", "PodAttachOptions", STREAM_VERBS),
    ("pods", "binding"): Subresource("binding", "Binding", ("create",)),
    ("pods", "eviction"): Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
    ("pods", "exec"): Subresource("exec", "PodExecOptions", STREAM_VERBS),
    ("pods", "log"): Subresource("log", "Pod", ("get",)),
    ("pods", "portforward"): Subresource("portforward", "PodPortForwardOptions", STREAM_VERBS),
    ("pods", "proxy"): Subresource("proxy", "PodProxyOptions", PROXY_VERBS),
    ("serviceaccounts", "token"): Subresource("token", "TokenRequest", ("create",), "authentication.k8s.io", "v1"),
    ("services", "proxy"): Subresource("proxy", "ServiceProxyOptions", PROXY_VERBS),
}


def subresource(parent: resource.Resource, name: str) -> Subresource | None:
    """``None`` where the parent has no such subresource."""
    if name not in parent.subresources:
        return None
    if name == "scale":
        return Subresource("scale", "Scale", READ_WRITE, "autoscaling", "v1")
    return _SUBRESOURCES.get((parent.plural, name)) or Subresource(name, parent.kind, READ_WRITE)


def _parse(line: str, group: str, version: str) -> resource.Resource:
    plural, kind, scope, *words = line.split()
    more = {key: tuple(value.split(",")) for key, _, value in (word.partition("=") for word in words)}
    return resource.Resource(
        group,
        version,
        plural,
        kind,
        scope == "ns",
        singular=kind.lower(),
        short_names=more.get("short", ()),
        categories=more.get("categories", ()),
        verbs=more.get("verbs", resource.ALL_VERBS),
        subresources=more.get("subs", ()),
    )


def _load() -> tuple[resource.Resource, ...]:
    found = []
    group = version = ""
    for line in _TABLE.split("\n"):
        if ":" in line:
            group, _, version = line.partition(":")
        elif line:
            found.append(_parse(line, group, version))
    return tuple(found)


RESOURCES = _load()


def find(api_version: str, plural: str) -> resource.Resource:
    """The row of the table: ``find("apps/v1", "deployments")``. ``KeyError`` where there is none."""
    return _BY_PATH[api_version, plural]


_BY_PATH = {(row.api_version, row.plural): row for row in RESOURCES}
