"""Who asks for a certificate is written by the server, whatever the request says: approvers trust these fields.

Source: "Certificate Signing Requests" in the documentation; ``spec.username``, ``uid``, ``groups`` and ``extra``.
"""

from __future__ import annotations

from kijabi.apiserver import contract

_OURS = ("username", "uid", "groups", "extra")


class SigningRequestHook:
    """Fills in the requesting user when a request is made. An update cannot change it: the spec is kept."""

    async def before_create(self, context: contract.RequestContext, obj: contract.Object) -> None:
        user = context.user
        spec = {name: value for name, value in (obj.get("spec") or {}).items() if name not in _OURS}
        spec["username"] = user.name
        if user.uid:
            spec["uid"] = user.uid
        if user.groups:
            spec["groups"] = list(user.groups)
        if user.extra:
            spec["extra"] = {name: list(values) for name, values in user.extra.items()}
        obj["spec"] = spec

    async def after_create(self, context: contract.RequestContext, obj: contract.Object) -> None:
        return None

    async def after_failed_create(self, context: contract.RequestContext, obj: contract.Object) -> None:
        return None

    async def before_update(self, context: contract.RequestContext, new: contract.Object, old: contract.Object) -> None:
        return None

    async def after_update(self, context: contract.RequestContext, new: contract.Object, old: contract.Object) -> None:
        return None

    async def after_failed_update(
        self, context: contract.RequestContext, new: contract.Object, old: contract.Object
    ) -> None:
        return None

    async def after_delete(self, context: contract.RequestContext, obj: contract.Object) -> None:
        return None
