"""Admission of what connects: the request's query as the options object that plugins and webhooks are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kijabi.api import errors, resource
from kijabi.apiserver import contract

Object = contract.Object

_FLAGS = ("stdin", "stdout", "stderr", "tty")
_KINDS = {
    "exec": "PodExecOptions",
    "attach": "PodAttachOptions",
    "portforward": "PodPortForwardOptions",
}
_PROXIED = {"pods": "PodProxyOptions", "services": "ServiceProxyOptions", "nodes": "NodeProxyOptions"}


def options(what: resource.Resource, subresource: str, query: Mapping[str, Sequence[str]], path: str = "") -> Object:
    """``path`` is what a proxied request goes to below the object."""
    made: Object = {"kind": _KINDS.get(subresource) or _PROXIED[what.plural], "apiVersion": "v1"}
    if subresource == "portforward":
        ports = [int(port) for text in query.get("ports") or () for port in text.split(",") if port.isdecimal()]
        return {**made, "ports": ports} if ports else made
    if subresource == "proxy":
        return {**made, "path": path} if path else made
    for name in _FLAGS:
        values = query.get(name)
        if values and values[0].lower() not in ("false", "0"):
            made[name] = True
    if query.get("container"):
        made["container"] = query["container"][0]
    if subresource == "exec":
        made["command"] = list(query.get("command") or ())
    return made


async def admit(context: contract.RequestContext, what: resource.Resource, path: str = "") -> None:
    """Raises what plugins raise, BadRequest for a dry run."""
    info, query = context.info, context.request.query
    if "dryRun" in query:
        raise errors.BadRequest("dryRun is not supported")
    await context.access.admit(
        contract.AdmissionAttributes(
            contract.CONNECT,
            what,
            info.subresource,
            info.name,
            info.namespace,
            options(what, info.subresource, query, path),
            None,
            {},
            context.user,
            False,
            context.warnings,
        )
    )
