"""Users by service account token: the claims held against the live objects.

A token dies with its account, and with the pod, secret or node it is bound to: when the object is gone, is another of
the same name (its uid differs), or has been deleted for more than a minute.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from kijabi.api import kinds, resource
from kijabi.apiserver import contract, tally
from kijabi.apiserver.authn import bearer, names, tokens
from kijabi.kit import clock

_STALE = "authentication.k8s.io/stale-token"
_INVALIDATED = "service account token has been invalidated"


def user(said: tokens.Claims) -> contract.UserInfo:
    """The user a token stands for."""
    subject = said.subject
    extra: dict[str, tuple[str, ...]] = {}
    if subject.pod is not None:
        extra[names.POD_NAME] = (subject.pod.name,)
        extra[names.POD_UID] = (subject.pod.uid,)
    if said.id:
        extra[names.CREDENTIAL_ID] = (f"JTI={said.id}",)
    if subject.node is not None:
        extra[names.NODE_NAME] = (subject.node.name,)
        if subject.node.uid:
            extra[names.NODE_UID] = (subject.node.uid,)
    return contract.UserInfo(
        names.service_account(subject.namespace, subject.account.name),
        uid=subject.account.uid,
        groups=names.service_account_groups(subject.namespace),
        extra=extra,
    )


class ServiceAccounts:
    """A token authenticator. ``audiences`` a token says are met with those the caller wants."""

    def __init__(
        self,
        access: contract.Access,
        reader: tokens.Reader,
        audiences: Sequence[str],
        timepiece: clock.Clock,
        counts: tally.Tally | None = None,
    ) -> None:
        self._counts = counts or tally.Tally()
        self._access = access
        self._reader = reader
        self._implicit = tuple(audiences)
        self._clock = timepiece

    async def authenticate(self, token: str, audiences: Sequence[str]) -> bearer.Authenticated | None:
        try:
            said = self._reader.read(token)
            if said is None:
                return None
            meant = tokens.meant(said.audiences, audiences, self._implicit)
            tokens.check_dates(said, self._clock.time())
            self._check_objects(said.subject)
        except tokens.Invalid as error:
            raise bearer.Rejected(str(error)) from error
        return bearer.Authenticated(user(said), meant, said.expires, self._notes(said))

    def _notes(self, said: tokens.Claims) -> tuple[tuple[str, str], ...]:
        """A token whose client should long have read the file again."""
        late = int(self._clock.time()) - int(said.warn_after)
        if not said.warn_after or late <= 0:
            self._counts.add(tally.VALID)
            return ()
        self._counts.add(tally.STALE)
        who = names.service_account(said.subject.namespace, said.subject.account.name)
        return ((_STALE, f"subject: {who}, seconds after warning threshold: {late}"),)

    def _check_objects(self, subject: tokens.Subject) -> None:
        namespace, account = subject.namespace, subject.account
        found = self._access.get_nowait(kinds.SERVICE_ACCOUNTS, account.name, namespace)
        if found is None:
            raise tokens.Invalid(f'serviceaccounts "{account.name}" not found')
        if found["metadata"].get("uid") != account.uid:
            raise tokens.Invalid(
                f"service account UID ({found['metadata'].get('uid')}) does not match claim ({account.uid})"
            )
        if self._long_deleted(found):
            raise tokens.Invalid(f"service account {namespace}/{account.name} has been deleted")
        self._check_bound(kinds.SECRETS, subject.secret, namespace)
        self._check_bound(kinds.PODS, subject.pod, namespace)
        # The node of a pod-bound token is information; the pod is what it is bound to.
        if subject.pod is None:
            self._check_bound(kinds.NODES, subject.node, "")

    def _check_bound(self, what: resource.Resource, ref: tokens.Reference | None, namespace: str) -> None:
        if ref is None:
            return
        found = self._access.get_nowait(what, ref.name, namespace)
        if found is None or self._long_deleted(found):
            raise tokens.Invalid(_INVALIDATED)
        uid = found["metadata"].get("uid")
        if uid != ref.uid:
            word = what.kind.lower()
            raise tokens.Invalid(f"{word} UID ({uid}) does not match service account {word} ref claim ({ref.uid})")

    def _long_deleted(self, obj: contract.Object) -> bool:
        stamp = obj["metadata"].get("deletionTimestamp")
        if not stamp:
            return False
        deleted = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
        return deleted < self._clock.time() - tokens.LEEWAY
