"""A kubelet writes its own Node, Lease and CSINode, the pods bound to it, and nothing that gives it more power.

What the Node authorizer cannot see (the objects themselves) is decided here.
Source: the Kubernetes documentation, "NodeRestriction"; the texts are upstream's.
"""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from kijabi.api import errors, kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin
from kijabi.apiserver.authz import node, references

Object = contract.Object
Attributes = contract.AdmissionAttributes

_OWN_LABELS = frozenset(
    (
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    )
)
_OWN_LABEL_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_RESTRICTED = "node-restriction.kubernetes.io"
_NODE_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")


class NodeRestriction(plugin.Plugin):
    name = "NodeRestriction"

    def __init__(self, access: contract.Access, authorizer: contract.Authorizer) -> None:
        self._access = access
        self._authorizer = authorizer
        self._by_resource: Mapping[tuple[str, str], Callable[[str, Attributes], Awaitable[None]]] = {
            ("", "pods"): self._pod,
            ("", "nodes"): self._node,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "serviceaccounts"): self._service_account,
            ("coordination.k8s.io", "leases"): self._lease,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("certificates.k8s.io", "certificatesigningrequests"): self._signing_request,
        }

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation != contract.CONNECT and (what.group, what.plural) in self._by_resource

    async def admit(self, attributes: Attributes) -> None:
        name = node.node_name(attributes.user)
        if name is None:
            return
        if not name:
            raise plugin.refused(attributes, f'could not determine node from user "{attributes.user.name}"')
        await self._by_resource[attributes.resource.group, attributes.resource.plural](name, attributes)

    # --- pods

    async def _pod(self, name: str, asked: Attributes) -> None:
        if asked.subresource == "status":
            self._pod_status(name, asked)
        elif asked.subresource == "eviction":
            await self._bound(asked, name, f"node {name} can only evict pods with spec.nodeName set to itself")
        elif asked.subresource:
            raise plugin.refused(
                asked,
                f"unexpected pod subresource \"{asked.subresource}\", only 'status' and 'eviction' are allowed",
            )
        elif asked.operation == contract.CREATE:
            await self._mirror_pod(name, asked)
        elif asked.operation == contract.DELETE:
            await self._bound(asked, name, f'node "{name}" can only delete pods with spec.nodeName set to itself')
        else:
            raise plugin.refused(
                asked,
                f'unexpected operation "{asked.operation}", node "{name}" can only create and delete mirror pods',
            )

    async def _bound(self, asked: Attributes, name: str, why: str) -> None:
        pod = await self._access.get(kinds.PODS, asked.name, asked.namespace)
        if pod is None:
            raise errors.not_found("pods", asked.name)
        if pod["spec"].get("nodeName") != name:
            raise plugin.refused(asked, why)

    def _pod_status(self, name: str, asked: Attributes) -> None:
        new, old = asked.object or {}, asked.old_object or {}
        if asked.operation != contract.UPDATE:
            raise plugin.refused(asked, f'unexpected operation "{asked.operation}"')
        if old["spec"].get("nodeName") != name:
            raise plugin.refused(
                asked, f'node "{name}" can only update pod status for pods with spec.nodeName set to itself'
            )
        if (old["metadata"].get("labels") or {}) != (new["metadata"].get("labels") or {}):
            raise plugin.refused(asked, f'node "{name}" cannot update labels through pod status')
        for key, what in (
            ("resourceClaimStatuses", "resource claim statues"),
            ("extendedResourceClaimStatus", "extended resource claim status"),
        ):
            if (old.get("status") or {}).get(key) != (new.get("status") or {}).get(key):
                raise plugin.refused(asked, f'node "{name}" cannot update {what}')

    async def _mirror_pod(self, name: str, asked: Attributes) -> None:
        pod = asked.object or {}
        why = mirror_problem(name, pod)
        if why:
            raise plugin.refused(asked, why)
        there = await self._access.get(kinds.NODES, name)
        if there is None:
            raise errors.not_found("node", name)
        claimed = pod["metadata"]["ownerReferences"][0].get("uid", "")
        if claimed != there["metadata"].get("uid"):
            raise plugin.refused(
                asked, f"node {name} UID mismatch: expected {claimed} got {there['metadata'].get('uid')}"
            )
        what = api_reference(pod)
        if what:
            raise plugin.refused(asked, f'node "{name}" can not create pods that reference {what}')

    # --- the node's own objects

    async def _node(self, name: str, asked: Attributes) -> None:
        requested = asked.name or ((asked.object or {}).get("metadata") or {}).get("name", "")
        if requested != name:
            raise plugin.refused(asked, f'node "{name}" is not allowed to modify node "{requested}"')
        if asked.operation in (contract.CREATE, contract.UPDATE) and asked.object is not None:
            why = node_problem(name, asked.object, asked.old_object if asked.operation == contract.UPDATE else None)
            if why:
                raise plugin.refused(asked, why)

    async def _lease(self, name: str, asked: Attributes) -> None:
        if asked.namespace != node.NODE_LEASES:
            raise plugin.refused(asked, f'can only access leases in the "{node.NODE_LEASES}" system namespace')
        if _object_name(asked) != name:
            raise plugin.refused(asked, "can only access node lease with the same name as the requesting node")

    async def _csi_node(self, name: str, asked: Attributes) -> None:
        if _object_name(asked) != name:
            raise plugin.refused(asked, "can only access CSINode with the same name as the requesting node")

    async def _slice(self, name: str, asked: Attributes) -> None:
        words = {contract.CREATE: ("create", asked.object), contract.DELETE: ("delete", asked.old_object)}
        if asked.operation not in words:
            return
        word, one = words[asked.operation]
        if ((one or {}).get("spec") or {}).get("nodeName") != name:
            raise plugin.refused(asked, f"can only {word} ResourceSlice with the same NodeName as the requesting node")

    async def _signing_request(self, name: str, asked: Attributes) -> None:
        if asked.operation != contract.CREATE or asked.object is None:
            return
        spec = asked.object.get("spec") or {}
        if spec.get("signerName") not in _NODE_SIGNERS:
            return
        request = parse_request(spec.get("request", ""))
        if isinstance(request, str):
            raise plugin.refused(asked, f"unable to parse csr: {request}")
        common = [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if common != [f"system:node:{name}"]:
            raise plugin.refused(asked, f"can only create a node CSR with CN=system:node:{name}")

    # --- what pods on the node use

    async def _claim(self, name: str, asked: Attributes) -> None:
        if asked.subresource != "status":
            raise plugin.refused(asked, "may only update PVC status")
        if asked.operation != contract.UPDATE:
            raise plugin.refused(asked, f'unexpected operation "{asked.operation}"')
        if _without_kubelets_part(asked.old_object) != _without_kubelets_part(asked.object):
            raise plugin.refused(
                asked,
                f'node "{name}" is not allowed to update fields other than status.quantity and status.conditions',
            )

    async def _service_account(self, name: str, asked: Attributes) -> None:
        if asked.operation != contract.CREATE or asked.subresource != "token" or asked.object is None:
            return
        spec = asked.object.get("spec") or {}
        ref = spec.get("boundObjectRef") or {}
        if (ref.get("apiVersion"), ref.get("kind")) != ("v1", "Pod") or not ref.get("name"):
            raise plugin.refused(asked, "node requested token not bound to a pod")
        if not ref.get("uid"):
            raise plugin.refused(asked, "node requested token with a pod binding without a uid")
        pod = await self._access.get(kinds.PODS, ref["name"], asked.namespace)
        if pod is None:
            raise errors.not_found("pod", ref["name"])
        if ref["uid"] != pod["metadata"].get("uid"):
            raise plugin.refused(
                asked,
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated",
            )
        if pod["spec"].get("nodeName") != name:
            raise plugin.refused(asked, "node requested token bound to a pod scheduled on a different node")
        await self._audience(asked, spec.get("audiences") or [], pod)

    async def _audience(self, asked: Attributes, audiences: list[str], pod: Object) -> None:
        if len(audiences) > 1:
            raise plugin.refused(asked, "node may only request 0 or 1 audiences")
        audience = audiences[0] if audiences else ""
        if await self._pod_uses(audience, pod):
            return
        question = contract.Attributes(
            asked.user,
            "request-serviceaccounts-token-audience",
            namespace=asked.namespace,
            api_version="v1",
            resource=audience,
            name=asked.name,
        )
        decision = await self._authorizer.authorize(question)
        if decision.verdict is not contract.Verdict.ALLOW:
            raise plugin.refused(
                asked,
                f'audience "{audience}" not found in pod spec volume, {asked.user.name} is not authorized to request '
                "tokens for this audience",
            )

    async def _pod_uses(self, audience: str, pod: Object) -> bool:
        for volume in pod["spec"].get("volumes") or ():
            for source in (volume.get("projected") or {}).get("sources") or ():
                token = source.get("serviceAccountToken")
                if token is not None and token.get("audience", "") == audience:
                    return True
            driver = await self._driver(volume, pod)
            for request in ((driver or {}).get("spec") or {}).get("tokenRequests") or ():
                if request.get("audience", "") == audience:
                    return True
        return False

    async def _driver(self, volume: Object, pod: Object) -> Object | None:
        """The CSIDriver behind a volume of a pod, also by way of its claim."""
        name = (volume.get("csi") or {}).get("driver", "")
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
        if "ephemeral" in volume:
            claim = f"{pod['metadata']['name']}-{volume['name']}"
        if claim:
            namespace = pod["metadata"]["namespace"]
            found = await self._access.get(kinds.PERSISTENT_VOLUME_CLAIMS, claim, namespace)
            bound = ((found or {}).get("spec") or {}).get("volumeName", "")
            there = await self._access.get(kinds.PERSISTENT_VOLUMES, bound) if bound else None
            name = (((there or {}).get("spec") or {}).get("csi") or {}).get("driver", "")
        return await self._access.get(_CSI_DRIVERS, name) if name else None


_CSI_DRIVERS = resource.Resource("storage.k8s.io", "v1", "csidrivers", "CSIDriver", False)


def _object_name(asked: Attributes) -> str:
    # The attributes may not have the name of what is only being created.
    if asked.operation == contract.CREATE:
        return str(((asked.object or {}).get("metadata") or {}).get("name", ""))
    return asked.name


def mirror_problem(name: str, pod: Object) -> str:
    """Why a node may not make this pod."""
    meta = pod.get("metadata") or {}
    if references.MIRROR_POD not in (meta.get("annotations") or {}):
        return f'pod does not have "{references.MIRROR_POD}" annotation, node "{name}" can only create mirror pods'
    if (pod.get("spec") or {}).get("nodeName") != name:
        return f'node "{name}" can only create pods with spec.nodeName set to itself'
    owners = meta.get("ownerReferences") or []
    if len(owners) > 1:
        return f'node "{name}" can only create pods with a single owner reference set to itself'
    owner = owners[0] if owners else {}
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", name):
        return f'node "{name}" can only create pods with an owner reference set to itself'
    if not owner.get("controller"):
        return f'node "{name}" can only create pods with a controller owner reference set to itself'
    if owner.get("blockOwnerDeletion"):
        return f'node "{name}" must not set blockOwnerDeletion on an owner reference'
    return ""


_VOLUMES = {
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
}
_PROJECTIONS = {
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}


def api_reference(pod: Object) -> str:
    """What kind of API object a pod refers to; empty for none."""
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        return "serviceaccounts"
    if references.secrets(pod):
        return "secrets"
    if references.config_maps(pod):
        return "configmaps"
    if spec.get("resourceClaims"):
        return "resourceclaims"
    for volume in spec.get("volumes") or ():
        for source, what in _VOLUMES.items():
            if source in volume:
                return what
        for projection in (volume.get("projected") or {}).get("sources") or ():
            for source, what in _PROJECTIONS.items():
                if source in projection:
                    return what
    return ""


def node_problem(name: str, new: Object, old: Object | None) -> str:
    """Why a node may not write itself so; ``old`` is None when it registers."""
    labels = new["metadata"].get("labels") or {}
    if old is None:
        if (new.get("spec") or {}).get("configSource") is not None:
            return f'node "{name}" is not allowed to create pods with a non-nil configSource'
        bad = forbidden_labels(labels, {})
        return f'node "{name}" is not allowed to set the following labels: {", ".join(bad)}' if bad else ""
    new_spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    if new_spec.get("configSource") is not None and new_spec["configSource"] != old_spec.get("configSource"):
        return f'node "{name}" is not allowed to update configSource to a new non-nil configSource'
    if (new_spec.get("taints") or []) != (old_spec.get("taints") or []):
        return f'node "{name}" is not allowed to modify taints'
    if (new["metadata"].get("ownerReferences") or []) != (old["metadata"].get("ownerReferences") or []):
        return f'node "{name}" is not allowed to modify ownerReferences'
    bad = forbidden_labels(labels, old["metadata"].get("labels") or {})
    return f"is not allowed to modify labels: {', '.join(bad)}" if bad else ""


def forbidden_labels(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """Changed labels that a node may not change, sorted."""
    changed = {key for key in {*new, *old} if new.get(key) != old.get(key)}
    return sorted(key for key in changed if _is_forbidden(key))


def _is_forbidden(key: str) -> bool:
    namespace = key.split("/", 1)[0] if "/" in key else ""
    if _within(namespace, _RESTRICTED):
        return True
    if not (_within(namespace, "kubernetes.io") or _within(namespace, "k8s.io")):
        return False
    return key not in _OWN_LABELS and not any(_within(namespace, own) for own in _OWN_LABEL_NAMESPACES)


def _within(namespace: str, domain: str) -> bool:
    return namespace == domain or namespace.endswith("." + domain)


def parse_request(encoded: str) -> x509.CertificateSigningRequest | str:
    """The request in a CertificateSigningRequest's ``spec.request``; a text says why there is none."""
    try:
        return x509.load_pem_x509_csr(base64.b64decode(encoded))
    except (ValueError, binascii.Error):
        return "PEM block type must be CERTIFICATE REQUEST"


def _without_kubelets_part(claim: Object | None) -> Any:
    stripped = copy.deepcopy(claim or {})
    for key in ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"):
        (stripped.get("status") or {}).pop(key, None)
    for key in ("resourceVersion", "managedFields"):
        (stripped.get("metadata") or {}).pop(key, None)
    return stripped
