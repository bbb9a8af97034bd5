"""Whether a request may be made: authorizers asked in the order of ``--authorization-mode``, or of a file.

Node, RBAC, ABAC, webhooks, and the two that need no policy. Guarantees: Node and RBAC decide from memory, without a
read of the store, and reflect every RBAC object whose write was acknowledged before the request came; members of
system:masters are allowed first of all; a configuration file that has changed is in force a second later, and one that
cannot be used changes nothing. Left out: webhooks by ``InClusterConfig``, which upstream's server does not know either.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from kijabi.apiserver import configfiles, contract, tally
from kijabi.apiserver import options as options_
from kijabi.apiserver.authz import abac, configuration, escalation, graph, node, policy, rbac, union, webhook
from kijabi.apiserver.outbound import remote
from kijabi.kit import clock

log = logging.getLogger(__name__)

UnknownMode = configuration.Unusable


@dataclass(frozen=True, slots=True)
class Authorization:
    """``authorizer`` decides, and also lists a user's rules; ``graph`` knows which nodes use what.

    ``hooks`` are the escalation checks, by (group, plural), for the registry; ``jobs`` are to be kept running.
    """

    authorizer: union.Union | union.Reloadable
    rbac: rbac.Rbac
    graph: graph.Graph
    hooks: Mapping[tuple[str, str], contract.StorageHook]
    jobs: Mapping[str, Callable[[], Awaitable[None]]]
    close: Callable[[], Awaitable[None]]


class Maker:
    """Makes chains of authorizers out of what lives as long as the server, and of webhooks, which do not."""

    def __init__(self, options: options_.Options, timepiece: clock.Clock, counts: tally.Tally) -> None:
        self.index, self.edges = rbac.Index(), graph.Graph()
        self.rbac = rbac.Rbac(self.index)
        self.counts = counts
        self._options = options
        self._clock = timepiece
        self._lasting: dict[str, contract.Authorizer] = {}
        self._hooks: list[webhook.Webhook] = []

    def chain(self, members: Sequence[configuration.Member]) -> union.Union:
        """Raises config.Unusable, OSError."""
        hooks: list[webhook.Webhook] = []
        chosen: list[contract.Authorizer] = [union.Masters()]
        for member in members:
            if member.webhook is None:
                chosen.append(self._one(member.type))
            else:
                hooks.append(self._webhook(member.name, member.webhook))
                chosen.append(hooks[-1])
        # Those of the chain before may still be answering; they are closed with the server.
        self._hooks += hooks
        names = [("", ""), *((member.type, member.name) for member in members)]
        return union.Union(chosen, names, self.counts)

    def _one(self, kind: str) -> contract.Authorizer:
        found = self._lasting.get(kind)
        if found is None:
            found = self._lasting[kind] = self._made(kind)
        return found

    def _made(self, kind: str) -> contract.Authorizer:
        match kind:
            case "RBAC":
                return self.rbac
            case "Node":
                return node.NodeAuthorizer(self.edges, policy.node_rules())
            case "ABAC":
                if not self._options.authorization_policy_file:
                    raise configuration.Unusable("authorization-mode ABAC's authorization policy file not passed")
                return abac.read(self._options.authorization_policy_file)
            case "AlwaysAllow":
                return union.AlwaysAllow()
        return union.AlwaysDeny()

    def _webhook(self, name: str, hook: configuration.Hook) -> webhook.Webhook:
        if not hook.kubeconfig:
            raise configuration.Unusable(f"authorizer {name}: connectionInfo.type InClusterConfig is not supported")
        settings = webhook.Settings(
            name, hook.version, hook.authorized, hook.unauthorized, hook.on_error, hook.conditions
        )
        server = remote.Remote(hook.kubeconfig, self._clock, hook.timeout)
        return webhook.Webhook(settings, server, self._clock, self.counts)

    async def close(self) -> None:
        for hook in self._hooks:
            await hook.close()


class Reload:
    """Puts a changed AuthorizationConfiguration in force. Types that need the server's memory must stay in it."""

    def __init__(self, maker: Maker, live: union.Reloadable, first: Sequence[configuration.Member]) -> None:
        self._maker = maker
        self._live = live
        self._required = frozenset(member.type for member in first if member.webhook is None)

    def __call__(self, data: bytes) -> None:
        try:
            members = configuration.of_file(data, self._required)
            added = {member.type for member in members if member.webhook is None} - self._required
            for kind in sorted(added & {"Node", "RBAC", "ABAC"}):
                raise configuration.Unusable(
                    f"authorizer type {kind} is not allowed if it was not enabled at initial server startup"
                )
            self._live.current = self._maker.chain(members)
        except (ValueError, OSError) as error:
            log.error("reloading authorization config: %s", error)
            self._maker.counts.reloaded(tally.AUTHORIZATION_RELOADS, False)
            return
        self._maker.counts.reloaded(tally.AUTHORIZATION_RELOADS, True)
        log.info("reloaded authz config")


def build(
    access: contract.Access,
    options: options_.Options,
    timepiece: clock.Clock = clock.SYSTEM,
    counts: tally.Tally | None = None,
) -> Authorization:
    """Subscribes through ``access`` at once. Raises config.Unusable, OSError."""
    maker = Maker(options, timepiece, counts or tally.Tally())
    jobs: dict[str, Callable[[], Awaitable[None]]] = {}
    authorizer: union.Union | union.Reloadable
    if options.authorization_config:
        if (
            options.authorization_mode != options_.Options().authorization_mode
            or options.authorization_webhook_config_file
        ):
            raise configuration.Unusable(
                "--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* "
                "flags are defined"
            )
        data, members = configuration.read_file(options.authorization_config)
        authorizer = union.Reloadable(maker.chain(members))
        reload = Reload(maker, authorizer, members)
        jobs["authorization-config"] = configfiles.Watched(options.authorization_config, data, reload, timepiece).run
    else:
        members = configuration.of_flags(options)
        authorizer = maker.chain(members)
    maker.index.watch(access)
    maker.edges.watch(access)
    with_rbac = any(member.type == "RBAC" for member in members)
    hooks = escalation.hooks(authorizer, maker.rbac) if with_rbac else {}
    return Authorization(authorizer, maker.rbac, maker.edges, hooks, jobs, maker.close)
