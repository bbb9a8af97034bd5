"""Counters of authentication and authorization, under upstream's names.

Counting touches two dictionaries; metrics are only made of it when somebody asks.
Source: "Kubernetes Metrics Reference".
"""

from __future__ import annotations

import hashlib
import socket
from collections import Counter
from collections.abc import Iterable

from prometheus_client import core

_AUTHORIZATION = "apiserver_authorization_"
DECISIONS = f"{_AUTHORIZATION}decisions"
EVALUATIONS = f"{_AUTHORIZATION}webhook_evaluations"
FAIL_OPEN = f"{_AUTHORIZATION}webhook_evaluations_fail_open"
MATCH_ERRORS = f"{_AUTHORIZATION}match_condition_evaluation_errors"
EXCLUSIONS = f"{_AUTHORIZATION}match_condition_exclusions"
AUTHORIZATION_RELOADS = f"{_AUTHORIZATION}config_controller_automatic_reloads"
AUTHENTICATION_RELOADS = "apiserver_authentication_config_controller_automatic_reloads"
LEGACY, MANUAL, GENERATED, INVALIDATED, VALID, STALE = (
    f"serviceaccount_{name}"
    for name in (
        "legacy_tokens",
        "legacy_manual_token_uses",
        "legacy_auto_token_uses",
        "invalid_legacy_auto_token_uses",
        "valid_tokens",
        "stale_tokens",
    )
)

_TOLD: dict[str, tuple[str, tuple[str, ...]]] = {
    DECISIONS: (
        "Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.",
        ("type", "name", "decision"),
    ),
    EVALUATIONS: ("Round-trips to authorization webhooks.", ("name", "result")),
    FAIL_OPEN: ("NoOpinion results due to webhook timeout or error.", ("name", "result")),
    MATCH_ERRORS: (
        "Total number of errors when an authorization webhook encounters a match condition error split by authorizer "
        "type and name.",
        ("type", "name"),
    ),
    EXCLUSIONS: (
        "Total number of exclusions when an authorization webhook is skipped because match conditions exclude it.",
        ("type", "name"),
    ),
    AUTHORIZATION_RELOADS: (
        "Total number of automatic reloads of authorization configuration split by status and apiserver identity.",
        ("status", "apiserver_id_hash"),
    ),
    AUTHENTICATION_RELOADS: (
        "Total number of automatic reloads of authentication configuration split by status and apiserver identity.",
        ("status", "apiserver_id_hash"),
    ),
    LEGACY: ("Cumulative legacy service account tokens used", ()),
    MANUAL: ("Cumulative manually created legacy tokens used", ()),
    GENERATED: ("Cumulative auto-generated legacy tokens used", ()),
    INVALIDATED: ("Cumulative invalid auto-generated legacy tokens used", ()),
    VALID: ("Cumulative valid projected service account tokens used", ()),
    STALE: ("Cumulative stale projected service account tokens used", ()),
}


class Tally:
    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in _TOLD}
        self._identity = f"sha256:{hashlib.sha256(socket.gethostname().encode()).hexdigest()}"

    def add(self, name: str, *labels: str) -> None:
        self._counts[name][labels] += 1

    def reloaded(self, name: str, good: bool) -> None:
        self.add(name, "success" if good else "failure", self._identity)

    def of(self, name: str, *labels: str) -> int:
        return self._counts[name][labels]

    def collect(self) -> Iterable[core.Metric]:
        for name, (told, labels) in _TOLD.items():
            family = core.CounterMetricFamily(name, told, labels=labels)
            # A counter without labels is there from the start.
            counted = dict(self._counts[name]) or ({} if labels else {(): 0})
            for values, count in counted.items():
                family.add_metric(values, count)
            yield family
