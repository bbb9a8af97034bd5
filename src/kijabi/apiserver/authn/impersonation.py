"""Acting as another user by headers: ``Impersonate-User``, ``-Group``, ``-Uid``, ``-Extra-KEY``.

Constrained impersonation asks twice: may the caller act as that user (``impersonate:MODE``), and do this very thing
as somebody else (``impersonate-on:MODE:VERB``)? Which mode there is depends on the user wanted: the caller's own node,
any node, a service account, or anybody else. Where no mode allows it, the older verb ``impersonate`` decides, which
knows no limits. Each part of the user is authorized by itself. Left out: upstream's ten seconds' memory of what was
allowed; only which mode served a caller last is remembered, because the refusal is told in its words.

Source: the Kubernetes documentation, "User impersonation"; KEP-5284.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote

from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.api import names as formats
from kijabi.apiserver import contract
from kijabi.apiserver.authn import names

USER, GROUP, UID, EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-"
_AUTHENTICATION = "authentication.k8s.io"
_NODE, _NODES, _MASTERS = "system:node:", "system:nodes", "system:masters"
_LEGACY = "impersonate"
_ASSOCIATED = "authentication.kubernetes.io/associated-node-keys"
# From so many parts of a kind on, being allowed all of them at once is asked for first.
_MANY = 4
_MOST_REMEMBERED = 10_000


class Denial(Protocol):
    def __call__(self, attributes: contract.Attributes, reason: str) -> errors.Forbidden: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name_only(self) -> bool:
        return not (self.groups or self.uid or self.extra)


@dataclass(frozen=True, slots=True)
class Impersonated:
    """Who the request acts as. ``constraint`` is the verb that allowed it; empty for the older way, and for nobody."""

    user: contract.UserInfo
    constraint: str = ""


def wanted(headers: CIMultiDict[str]) -> Wanted | None:
    """Whom the request wants to act as; None for as itself. Raises BadRequest for parts without a user."""
    user = headers.get(USER, "")
    groups = tuple(headers.getall(GROUP, ()))
    uid = headers.get(UID, "")
    extra: dict[str, tuple[str, ...]] = {}
    for name, value in headers.items():
        if name.lower().startswith(EXTRA.lower()):
            key = unquote(name[len(EXTRA) :].lower())
            extra[key] = (*extra.get(key, ()), value)
    if user:
        return Wanted(user, groups, uid, extra)
    if groups or uid or extra:
        raise errors.BadRequest(f"requested {_shown(uid, groups, extra)} without impersonating a user name")
    return None


def _shown(uid: str, groups: Sequence[str], extra: Mapping[str, Sequence[str]]) -> str:
    """Go's ``%#v`` of a user."""

    def texts(values: Sequence[str]) -> str:
        return "[]string{" + ", ".join(json.dumps(one) for one in values) + "}" if values else "[]string(nil)"

    parts = ", ".join(f"{json.dumps(key)}:{texts(extra[key])}" for key in sorted(extra))
    shown_extra = f"map[string][]string{{{parts}}}" if extra else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{json.dumps(uid)}, Groups:{texts(groups)}, Extra:{shown_extra}}}'


def node_of(username: str) -> str:
    """The node a user name is of, empty for any other."""
    name = username.removeprefix(_NODE)
    return name if username.startswith(_NODE) and not formats.dns_subdomain(name) else ""


# --- the modes


@dataclass(frozen=True, slots=True)
class Mode:
    """``fits`` says whether it is about such a user and such a caller at all."""

    name: str
    fits: Callable[[Wanted, contract.UserInfo], bool]

    @property
    def verb(self) -> str:
        return f"{_LEGACY}:{self.name}" if self.name else _LEGACY

    @property
    def constrained(self) -> bool:
        return bool(self.name)


def _own_node(target: Wanted, caller: contract.UserInfo) -> bool:
    node = node_of(target.user)
    return (
        bool(node)
        and target.name_only
        and names.split_service_account(caller.name) is not None
        and caller.extra.get(names.NODE_NAME) == (node,)
    )


_OWN_NODE = Mode("associated-node", _own_node)
MODES = (
    _OWN_NODE,
    Mode("arbitrary-node", lambda target, caller: target.name_only and bool(node_of(target.user))),
    Mode(
        "serviceaccount",
        lambda target, caller: target.name_only and names.split_service_account(target.user) is not None,
    ),
    Mode(
        "user-info",
        lambda target, caller: not node_of(target.user) and names.split_service_account(target.user) is None,
    ),
    Mode("", lambda target, caller: True),
)


class Impersonation:
    """``impersonate`` is called with the attributes of a request, whose headers are cleared of what is done."""

    def __init__(self, authorizer: contract.Authorizer, denial: Denial) -> None:
        self._authorizer = authorizer
        self._denial = denial
        self._last: OrderedDict[str, Mode] = OrderedDict()

    async def impersonate(self, asked: contract.Attributes, headers: CIMultiDict[str]) -> Impersonated:
        """Raises Forbidden or BadRequest."""
        target = wanted(headers)
        if target is None:
            return Impersonated(asked.user)
        for name in [name for name in headers if name.lower().startswith("impersonate-")]:
            headers.popall(name, None)
        last = self._last.get(asked.user.name)
        ordered = MODES if last is None else (last, *(mode for mode in MODES if mode is not last))
        first: errors.Forbidden | None = None
        for mode in ordered:
            if not mode.fits(target, asked.user):
                continue
            try:
                user = await self._attempt(mode, target, asked)
            except errors.Forbidden as refused:
                first = first or refused
                continue
            self._remember(asked.user.name, mode)
            return Impersonated(user, mode.verb if mode.constrained else "")
        assert first is not None, "the last mode fits everybody"
        raise first

    def _remember(self, caller: str, mode: Mode) -> None:
        self._last[caller] = mode
        self._last.move_to_end(caller)
        if len(self._last) > _MOST_REMEMBERED:
            self._last.popitem(last=False)

    async def _attempt(self, mode: Mode, target: Wanted, asked: contract.Attributes) -> contract.UserInfo:
        caller = asked.user
        if mode is _OWN_NODE:
            # The association has been looked at: what is decided must be the same for the account on every node.
            keys = tuple(sorted(caller.extra))
            caller = dataclasses.replace(caller, extra={_ASSOCIATED: keys})
        if mode.constrained:
            verb = f"{_LEGACY}-on:{mode.name}:{asked.verb}"
            await self._must(dataclasses.replace(asked, user=caller, verb=verb))
        checks = _Checks(mode, caller, target)
        await self._must(checks.username())
        for checked in (*checks.uid(), *checks.groups(), *checks.extra()):
            if checked.wrong:
                raise self._denial(checked.attributes[0], checked.wrong)
            if checked.instead is not None and await self._may(checked.instead):
                continue
            for attributes in checked.attributes:
                await self._must(attributes)
        return becomes(target, mode)

    async def _may(self, attributes: contract.Attributes) -> bool:
        return (await self._authorizer.authorize(attributes)).verdict is contract.Verdict.ALLOW

    async def _must(self, attributes: contract.Attributes) -> None:
        decision = await self._authorizer.authorize(attributes)
        if decision.verdict is not contract.Verdict.ALLOW:
            raise self._denial(attributes, ": ".join(filter(None, (decision.error, decision.reason))))


@dataclass(frozen=True, slots=True)
class _Checked:
    """What must all be allowed, or ``instead`` of it one thing; ``wrong``: cannot be allowed, and why."""

    attributes: list[contract.Attributes]
    instead: contract.Attributes | None = None
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class _Checks:
    mode: Mode
    caller: contract.UserInfo
    target: Wanted

    def _ask(self, resource: str, name: str, namespace: str = "", sub: str = "") -> contract.Attributes:
        # The older verb knows users and groups as if they were resources of the core group.
        core = not self.mode.constrained and resource in ("users", "groups", "serviceaccounts")
        return contract.Attributes(
            self.caller,
            self.mode.verb,
            namespace,
            "" if core else _AUTHENTICATION,
            "v1",
            resource=resource,
            subresource=sub,
            name=name,
        )

    def username(self) -> contract.Attributes:
        account, node = names.split_service_account(self.target.user), node_of(self.target.user)
        if account is not None:
            return self._ask("serviceaccounts", account[1], namespace=account[0])
        if node and self.mode.constrained:
            return self._ask("nodes", "*" if self.mode is _OWN_NODE else node)
        return self._ask("users", self.target.user)

    def uid(self) -> list[_Checked]:
        return [_Checked([self._ask("uids", self.target.uid)])] if self.target.uid else []

    def groups(self) -> list[_Checked]:
        groups = self.target.groups
        if not groups:
            return []
        if self.mode.constrained and "" in groups:
            return [_Checked([self._ask("groups", "")], None, "impersonating the empty string group is not allowed")]
        if self.mode.constrained and _MASTERS in groups:
            text = "impersonating the system:masters group is not allowed"
            return [_Checked([self._ask("groups", _MASTERS)], None, text)]
        every = self._ask("groups", "*") if self.mode.constrained and len(groups) >= _MANY else None
        return [_Checked([self._ask("groups", group) for group in groups], every)]

    def extra(self) -> list[_Checked]:
        extra = self.target.extra
        if not extra:
            return []
        wrong = _wrong_extra(extra) if self.mode.constrained else ""
        if wrong:
            return [_Checked([self._ask("userextras", "")], None, wrong)]
        many = len(extra) >= _MANY or sum(map(len, extra.values())) >= _MANY
        every = self._ask("userextras", "*", sub="*") if self.mode.constrained and many else None
        each = [self._ask("userextras", value, sub=key) for key, values in extra.items() for value in values]
        return [_Checked(each, every)]


def _wrong_extra(extra: Mapping[str, tuple[str, ...]]) -> str:
    for key, values in extra.items():
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        problems = [f'extra.key: Invalid value: "{key}": {text}' for text in formats.domain_prefixed_path(key)]
        if problems:
            shown = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
            return f"impersonating an invalid key in extra is not allowed: {shown}"
        if re.search("[A-Z]", key):
            return f'impersonating a non-lowercase key in extra is not allowed: "{key}"'
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""


def becomes(target: Wanted, mode: Mode) -> contract.UserInfo:
    """The user that results, with the groups that go without saying."""
    groups = target.groups
    account = names.split_service_account(target.user)
    if account and not groups:
        groups = names.service_account_groups(account[0])
    elif mode.constrained and node_of(target.user):
        groups = (_NODES,)
    if target.user == names.ANONYMOUS:
        if names.UNAUTHENTICATED not in groups:
            groups = (*groups, names.UNAUTHENTICATED)
    elif names.AUTHENTICATED not in groups and names.UNAUTHENTICATED not in groups:
        groups = (*groups, names.AUTHENTICATED)
    return contract.UserInfo(target.user, uid=target.uid, groups=groups, extra=target.extra)
