"""Several authorizers asked in turn, and the two that need no policy."""

from __future__ import annotations

from collections.abc import Sequence

from kijabi.apiserver import contract

MASTERS = "system:masters"


class Masters:
    """Members of system:masters may do anything; asked first, as upstream's privileged-group authorizer."""

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        return contract.ALLOW if MASTERS in attributes.user.groups else contract.NO_OPINION


class AlwaysAllow:
    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        return contract.ALLOW


class AlwaysDeny:
    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        return contract.Decision(contract.Verdict.NO_OPINION, "Everything is forbidden.")


class Union:
    """The first that allows or denies decides; when none does, the reasons of all are told, one a line."""

    def __init__(self, members: Sequence[contract.Authorizer]) -> None:
        self.members = tuple(members)

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        reasons = []
        for member in self.members:
            decision = await member.authorize(attributes)
            if decision.verdict is not contract.Verdict.NO_OPINION:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return contract.Decision(contract.Verdict.NO_OPINION, "\n".join(reasons))
