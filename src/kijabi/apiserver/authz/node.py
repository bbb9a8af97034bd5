"""The Node authorizer: what a kubelet may do, narrowed to its own node and the pods bound to it.

Source: the Kubernetes documentation, "Using Node Authorization"; the reasons are upstream's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kijabi.apiserver import contract
from kijabi.apiserver.authz import graph, rules, union

PREFIX = "system:node:"
GROUP = "system:nodes"
NODE_LEASES = "kube-node-lease"

_OWN_WRITES = ("get", "create", "update", "patch", "delete")


def node_name(user: contract.UserInfo) -> str | None:
    """The node a user is, or None. A user ``system:node:`` outside the group system:nodes is none."""
    if user.name.startswith(PREFIX) and GROUP in user.groups:
        return user.name.removeprefix(PREFIX)
    return None


def _no(reason: str = "") -> contract.Decision:
    return contract.Decision(contract.Verdict.NO_OPINION, reason) if reason else contract.NO_OPINION


class NodeAuthorizer:
    """``node_rules`` is the role system:node: what is not narrowed here is decided by it."""

    def __init__(self, edges: graph.Graph, node_rules: Sequence[rules.Rule]) -> None:
        self.graph = edges
        self._rules = node_rules
        self._by_resource: Mapping[tuple[str, str], Callable[[str, contract.Attributes], contract.Decision]] = {
            ("", "secrets"): self._read_namespaced,
            ("", "configmaps"): self._read_namespaced,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._get,
            ("", "serviceaccounts"): self._service_account,
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
            ("resource.k8s.io", "resourceclaims"): self._get,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("storage.k8s.io", "volumeattachments"): self._get,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("coordination.k8s.io", "leases"): self._lease,
        }

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        return self.decide(attributes)

    def decide(self, attributes: contract.Attributes) -> contract.Decision:
        node = node_name(attributes.user)
        if node is None:
            return contract.NO_OPINION
        if not node:
            return _no(f'unknown node for user "{attributes.user.name}"')
        if attributes.is_resource:
            narrow = self._by_resource.get((attributes.api_group, attributes.resource))
            if narrow is not None:
                return narrow(node, attributes)
            if attributes.api_group == "certificates.k8s.io" and attributes.resource == "podcertificaterequests":
                return contract.NO_OPINION
        allowed = any(rules.allows(rule, attributes) for rule in self._rules)
        return contract.ALLOW if allowed else contract.NO_OPINION

    def resolve_rules(self, user: contract.UserInfo, namespace: str) -> union.Rules:
        """What a node may do depends on what runs there: it cannot be listed."""
        if node_name(user) is None:
            return union.Rules()
        return union.Rules([], True, ["node authorizer does not support user rule resolution"])

    def _related(self, node: str, asked: contract.Attributes) -> contract.Decision:
        if not asked.name:
            return _no("No Object name found")
        if self.graph.related(node, asked.resource, asked.namespace, asked.name):
            return contract.ALLOW
        return _no(f"no relationship found between node '{node}' and this object")

    def _get(self, node: str, asked: contract.Attributes) -> contract.Decision:
        if asked.verb != "get":
            return _no("can only get individual resources of this type")
        if asked.subresource:
            return _no("cannot get subresource")
        return self._related(node, asked)

    def _read_namespaced(self, node: str, asked: contract.Attributes) -> contract.Decision:
        if asked.verb not in ("get", "list", "watch"):
            return _no("can only read resources of this type")
        if asked.subresource:
            return _no("cannot read subresource")
        if not asked.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, asked)

    def _claim(self, node: str, asked: contract.Attributes) -> contract.Decision:
        if asked.subresource != "status":
            return self._get(node, asked)
        if asked.verb not in ("update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, asked)

    def _service_account(self, node: str, asked: contract.Attributes) -> contract.Decision:
        if asked.verb == "get" and not asked.subresource:
            return self._read_namespaced(node, asked)
        if asked.verb != "create" or not asked.name:
            return _no("can only create tokens for individual service accounts")
        if asked.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._related(node, asked)

    def _lease(self, node: str, asked: contract.Attributes) -> contract.Decision:
        if asked.verb not in _OWN_WRITES:
            return _no("can only get, create, update, patch, or delete a node lease")
        if asked.namespace != NODE_LEASES:
            return _no(f'can only access leases in the "{NODE_LEASES}" system namespace')
        # The name of what is created is not known yet: NodeRestriction sees to it.
        if asked.verb != "create" and asked.name != node:
            return _no("can only access node lease with the same name as the requesting node")
        return contract.ALLOW

    def _csi_node(self, node: str, asked: contract.Attributes) -> contract.Decision:
        if asked.verb not in _OWN_WRITES:
            return _no("can only get, create, update, patch, or delete a CSINode")
        if asked.subresource:
            return _no("cannot authorize CSINode subresources")
        if asked.verb != "create" and asked.name != node:
            return _no("can only access CSINode with the same name as the requesting node")
        return contract.ALLOW

    def _slice(self, node: str, asked: contract.Attributes) -> contract.Decision:
        if asked.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        if asked.verb == "create":
            return contract.ALLOW
        if asked.verb in ("get", "update", "patch", "delete"):
            return self._related(node, asked)
        if asked.verb in ("watch", "list", "deletecollection"):
            if _selects(asked.field_selector, "spec.nodeName", node):
                return contract.ALLOW
            return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
        return _no(
            "only the following verbs are allowed for a ResourceSlice: "
            "get, watch, list, create, update, patch, delete, deletecollection"
        )

    def _node(self, node: str, asked: contract.Attributes) -> contract.Decision:
        if asked.subresource == "status" and asked.verb in ("update", "patch"):
            return contract.ALLOW
        if asked.subresource:
            return contract.NO_OPINION
        if asked.verb in ("create", "update", "patch"):
            return contract.ALLOW
        if asked.verb not in ("get", "list", "watch"):
            return contract.NO_OPINION
        # By name, not by the graph: a kubelet asks for its Node before there is one.
        if asked.name == node:
            return contract.ALLOW
        if not asked.name:
            return _no(f"node '{node}' cannot read all nodes, only its own Node object")
        return _no(f"node '{node}' cannot read '{asked.name}', only its own Node object")

    def _pod(self, node: str, asked: contract.Attributes) -> contract.Decision:
        what = (asked.subresource, asked.verb)
        if what == ("", "get"):
            return self._get(node, asked)
        if what in (("", "list"), ("", "watch")):
            if _selects(asked.field_selector, "spec.nodeName", node):
                return contract.ALLOW
            if asked.name:
                return self._related(node, asked)
            return _no("can only list/watch pods with spec.nodeName field selector")
        # That these are the node's own (mirror) pods is NodeRestriction's to see to.
        own = {("", "create"), ("", "delete"), ("status", "update"), ("status", "patch"), ("eviction", "create")}
        return contract.ALLOW if what in own else contract.NO_OPINION


def _selects(selector: str, field: str, value: str) -> bool:
    """Whether the field selector's terms hold ``field`` to ``value``."""
    for term in selector.split(","):
        name, equals, wanted = term.partition("=")
        if equals and name.strip() == field and wanted.removeprefix("=").strip() == value:
            return True
    return False
