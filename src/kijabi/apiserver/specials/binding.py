"""Bindings: a pod goes to a node, once. ``pods/NAME/binding``, and ``bindings`` as it was before subresources.

Source: the API reference, "Binding"; upstream's texts.
"""

from __future__ import annotations

from kijabi.api import conditions, errors, field, kinds
from kijabi.apiserver import contract
from kijabi.apiserver.specials import answers
from kijabi.kit import clock, http

Object = contract.Object


class Binding:
    def __init__(self, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._clock = timepiece

    async def bind(self, context: contract.RequestContext) -> http.Response:
        """POST below a pod."""
        binding = context.access.decode(context)
        if (binding.get("metadata") or {}).get("name", "") != context.info.name:
            raise errors.BadRequest("name in URL does not match name in Binding object")
        return await self._bind(context, context.info.name, binding)

    async def bind_any(self, context: contract.RequestContext) -> http.Response:
        """POST to the collection of bindings: the pod is the one the binding is named for."""
        binding = context.access.decode(context)
        return await self._bind(context, (binding.get("metadata") or {}).get("name", ""), binding)

    async def _bind(self, context: contract.RequestContext, name: str, binding: Object) -> http.Response:
        found = problems(binding)
        if found:
            texts = [str(one) for one in found]
            # Upstream reports it as an error that is no Status: 500 without a reason.
            error = errors.ApiError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
            error.reason = ""
            raise error
        await answers.admit(context, kinds.PODS, "binding", name, binding)
        await context.access.mutate(
            kinds.PODS,
            name,
            context.info.namespace,
            lambda pod: assign(pod, binding, self._clock.time()),
            user=context.user,
            subresource="binding",
            dry_run=context.dry_run,
        )
        return answers.success(context)


def problems(binding: Object) -> list[field.Error]:
    target = binding.get("target") or {}
    found = []
    if target.get("kind") and target["kind"] != "Node":
        found.append(field.not_supported("target.kind", target["kind"], ["Node", "<empty>"]))
    if not target.get("name"):
        found.append(field.required("target.name"))
    return found


def assign(pod: Object, binding: Object, now: float) -> None:
    """Put the pod on the binding's node, in place. Raises Conflict where it cannot go there."""
    meta, asked = pod["metadata"], binding.get("metadata") or {}
    name, spec = meta["name"], pod["spec"]
    _check_preconditions(meta, asked)
    why = ""
    if meta.get("deletionTimestamp"):
        why = f"pod {name} is being deleted, cannot be assigned to a host"
    elif spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    elif spec.get("schedulingGates"):
        why = f"pod {name} has non-empty .spec.schedulingGates"
    if why:
        raise errors.conflict("pods/binding", name, why=why)
    spec["nodeName"] = binding["target"]["name"]
    (pod.get("status") or {}).pop("nominatedNodeName", None)
    for key in ("annotations", "labels"):
        if asked.get(key):
            meta[key] = {**(meta.get(key) or {}), **asked[key]}
    conditions.put(pod, {"type": "PodScheduled", "status": "True"}, now)


def _check_preconditions(meta: Object, asked: Object) -> None:
    for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if asked.get(key) and asked[key] != meta.get(key):
            raise errors.conflict(
                "pods",
                meta["name"],
                why=f"Precondition failed: {word} in precondition: {asked[key]}, "
                f"{word} in object meta: {meta.get(key)}",
            )
