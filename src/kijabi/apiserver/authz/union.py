"""Several authorizers asked in turn, the rules they know of, and the two that need no policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kijabi.apiserver import configfiles, contract, tally
from kijabi.apiserver.authz import rules

MASTERS = "system:masters"


@dataclass(slots=True)
class Rules:
    """What a user may do in a namespace, as far as it can be told: ``incomplete`` says it cannot all be, ``problems``
    why not."""

    found: list[rules.Rule] = field(default_factory=list)
    incomplete: bool = False
    problems: list[str] = field(default_factory=list)


class RuleResolver(Protocol):
    def resolve_rules(self, user: contract.UserInfo, namespace: str) -> Rules: ...


class Masters:
    """Members of system:masters may do anything; asked first, as upstream's privileged-group authorizer."""

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        return contract.ALLOW if MASTERS in attributes.user.groups else contract.NO_OPINION


class AlwaysAllow:
    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        return contract.ALLOW

    def resolve_rules(self, user: contract.UserInfo, namespace: str) -> Rules:
        return Rules(list(rules.FULL_AUTHORITY))


class AlwaysDeny:
    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        return contract.Decision(contract.Verdict.NO_OPINION, "Everything is forbidden.")

    def resolve_rules(self, user: contract.UserInfo, namespace: str) -> Rules:
        return Rules()


class Union:
    """The first that allows or denies decides; when none does, the reasons of all are told, one a line."""

    def __init__(
        self,
        members: Sequence[contract.Authorizer],
        names: Sequence[tuple[str, str]] = (),
        counts: tally.Tally | None = None,
    ) -> None:
        """``names`` are type and name of each member, for counting; an empty type is not counted."""
        self.members = tuple(members)
        self._names = tuple(names) or (("", ""),) * len(self.members)
        self._counts = counts or tally.Tally()

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        reasons = []
        problems = []
        for position, member in enumerate(self.members):
            decision = await member.authorize(attributes)
            if decision.verdict is not contract.Verdict.NO_OPINION:
                kind, name = self._names[position]
                if kind:
                    allowed = decision.verdict is contract.Verdict.ALLOW
                    self._counts.add(tally.DECISIONS, kind, name, "allowed" if allowed else "denied")
                return decision
            if decision.reason:
                reasons.append(decision.reason)
            if decision.error:
                problems.append(decision.error)
        return contract.Decision(
            contract.Verdict.NO_OPINION, "\n".join(reasons), configfiles.aggregated(problems) if problems else ""
        )

    def resolve_rules(self, user: contract.UserInfo, namespace: str) -> Rules:
        """What all members know together, in their order."""
        total = Rules()
        for member in self.members:
            if isinstance(member, Masters):
                continue
            part = member.resolve_rules(user, namespace)  # type: ignore[attr-defined]  # all but Masters resolve
            total.found += part.found
            total.incomplete = total.incomplete or part.incomplete
            total.problems += part.problems
        return total


class Reloadable:
    """A union that can be replaced by another while requests are decided."""

    def __init__(self, first: Union) -> None:
        self.current = first

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        return await self.current.authorize(attributes)

    def resolve_rules(self, user: contract.UserInfo, namespace: str) -> Rules:
        return self.current.resolve_rules(user, namespace)
