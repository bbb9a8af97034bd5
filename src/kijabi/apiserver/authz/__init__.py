"""Whether a request may be made: the Node and RBAC authorizers, asked in the order of ``--authorization-mode``.

Guarantees: a decision is made from memory, without a read of the store; it reflects every RBAC object whose write was
acknowledged before the request came. Members of system:masters are allowed first of all.
Left out: the webhook and ABAC modes, and AuthorizationConfiguration files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.authz import escalation, graph, node, policy, rbac, union
from kijabi.kit import config


@dataclass(frozen=True, slots=True)
class Authorization:
    """``authorizer`` decides; ``rbac`` also lists a user's rules; ``graph`` knows which nodes use what.

    ``hooks`` are the escalation checks, by (group, plural), for the registry.
    """

    authorizer: union.Union
    rbac: rbac.Rbac
    graph: graph.Graph
    hooks: Mapping[tuple[str, str], contract.StorageHook]


class UnknownMode(config.Unusable):
    """A value of ``--authorization-mode`` that is not served."""


def build(access: contract.Access, options: options_.Options) -> Authorization:
    """Subscribes through ``access`` at once. Raises UnknownMode."""
    index, edges = rbac.Index(), graph.Graph()
    decider = rbac.Rbac(index)
    members: list[contract.Authorizer] = [union.Masters()]
    for mode in options.authorization_mode:
        if mode == "RBAC":
            members.append(decider)
        elif mode == "Node":
            members.append(node.NodeAuthorizer(edges, policy.node_rules()))
        elif mode == "AlwaysAllow":
            members.append(union.AlwaysAllow())
        elif mode == "AlwaysDeny":
            members.append(union.AlwaysDeny())
        else:
            raise UnknownMode(f'unknown authorization mode "{mode}"')
    index.watch(access)
    edges.watch(access)
    authorizer = union.Union(members)
    hooks = escalation.hooks(authorizer, decider) if "RBAC" in options.authorization_mode else {}
    return Authorization(authorizer, decider, edges, hooks)
