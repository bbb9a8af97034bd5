"""The audit log: who asked for what, when, and what came of it.

A policy decides by its first matching rule how much of a request is kept (``policy``); a trail collects it while the
request is on its way (``trail``); backends write it to a file or send it to a webhook (``backends``). Without a policy
and a backend nothing of this is there, and a request pays for one comparison.

Source: "Auditing" in the documentation; the reference of audit.k8s.io/v1. Left out: truncation of large events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.audit import backends, policy, trail
from kijabi.apiserver.contract import RequestInfo, UserInfo
from kijabi.kit import clock, http, tasks


@dataclass(slots=True)
class Auditor:
    """``begin`` per request; ``run`` keeps batches going and ``close`` writes what is left of them."""

    policy: policy.Policy
    sinks: list[backends.Backend]
    clock: clock.Clock
    counters: trail.Counters

    def begin(
        self, request: http.Request, info: RequestInfo, user: UserInfo, identity: str, received: float
    ) -> trail.Trail | None:
        """None where the policy keeps nothing of this request. ``received`` is in seconds since the epoch."""
        decided = self.policy.decide(contract.attributes_of(user, info))
        self.counters.levels[decided.level] = self.counters.levels.get(decided.level, 0) + 1
        if decided.level == policy.NONE:
            return None
        return trail.Trail(decided, request, info, user, identity, received, self._emit, self.clock)

    async def _emit(self, event: trail.Event) -> bool:
        self.counters.events += 1
        kept = [await sink.take(event) for sink in self.sinks]
        if all(kept):
            return True
        self.counters.errors += 1
        return False

    def start(self, nursery: tasks.Nursery) -> None:
        for sink in self.sinks:
            sink.start(nursery)

    async def close(self) -> None:
        for sink in self.sinks:
            await sink.close()


def build(
    options: options_.Options,
    *,
    timepiece: clock.Clock = clock.SYSTEM,
    open_webhook: Callable[[str], backends.Post] = backends.webhook,
) -> Auditor | None:
    """None without a policy or without a backend. Raises config.Unusable."""
    if not options.audit_policy_file:
        return None
    rules = policy.load(options.audit_policy_file)
    sinks: list[backends.Backend] = []
    if options.audit_log_path:
        rotation = backends.Rotation(
            options.audit_log_maxsize, options.audit_log_maxage, options.audit_log_maxbackup, options.audit_log_compress
        )
        file = backends.open_log(options.audit_log_path, rotation, timepiece)
        write = backends.Log(file, backends.form(options.audit_log_format))
        batch = backends.Batch(size=1)
        sinks.append(backends.in_mode(options.audit_log_mode, "log", write, batch, timepiece))
    if options.audit_webhook_config_file:
        send = backends.Webhook(
            open_webhook(options.audit_webhook_config_file), options.audit_webhook_initial_backoff, timepiece
        )
        batch = backends.Batch(
            options.audit_webhook_batch_buffer_size,
            options.audit_webhook_batch_max_size,
            options.audit_webhook_batch_max_wait,
        )
        sinks.append(backends.in_mode(options.audit_webhook_mode, "webhook", send, batch, timepiece))
    return Auditor(rules, sinks, timepiece, trail.Counters()) if sinks else None
