"""Evictions: a pod is deleted if its disruption budget has room, and the room is taken in the same step.

Source: the Kubernetes documentation, "API-initiated Eviction"; upstream's texts and causes.
"""

from __future__ import annotations

import copy

from kijabi.api import conditions, errors, field, kinds, labels, timestamps
from kijabi.api.predicates import pods
from kijabi.apiserver import contract
from kijabi.apiserver.specials import answers
from kijabi.kit import clock, http

Object = contract.Object

VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
MANY = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_MOST_DISRUPTED = 2000
_RETRY_SECONDS = 10
_TRIES = 20


class Eviction:
    def __init__(self, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._clock = timepiece

    async def evict(self, context: contract.RequestContext) -> http.Response:
        eviction = context.access.decode(context)
        name = context.info.name
        if (eviction.get("metadata") or {}).get("name", "") != name:
            raise errors.BadRequest("name in URL does not match name in Eviction object")
        options = delete_options(eviction, context)
        await answers.admit(context, kinds.PODS, "eviction", name, eviction)
        pod = await self._evict_unguarded(context, name, options)
        if pod is not None:
            await self._evict_guarded(context, pod, options)
        return answers.success(context)

    async def _evict_unguarded(self, context: contract.RequestContext, name: str, options: Object) -> Object | None:
        """Delete a pod that needs no room of any budget; a pod that does is given back, untouched."""
        named_version = "resourceVersion" in (options.get("preconditions") or {})
        for attempt in range(1, _TRIES + 1):
            pod = await context.access.get(kinds.PODS, name, context.info.namespace)
            if pod is None:
                raise errors.not_found("pods", name)
            if not ignores_budget(pod):
                return pod
            try:
                await self._delete(context, name, options if is_over(pod) else _exactly(pod, options))
            except errors.Conflict:
                # The pod changed between the look and the deletion: look again. Who named a version is told.
                if named_version or attempt == _TRIES:
                    raise
                continue
            break
        return None

    async def _evict_guarded(self, context: contract.RequestContext, pod: Object, options: Object) -> None:
        name = pod["metadata"]["name"]
        # Seen before room is taken for it, a wrong uid costs nobody anything.
        _check(pod, {"uid": (options.get("preconditions") or {}).get("uid")})
        budgets = await self._budgets(context, pod)
        if len(budgets) > 1:
            raise errors.ApiError(MANY)
        if not budgets or not may_go_unhealthy(pod, budgets[0]):
            if budgets:
                await self._take(context, budgets[0], name)
            await self._delete(context, name, options)
            return
        try:
            await self._delete(context, name, _exactly(pod, options))
        except errors.Conflict as error:
            if "resourceVersion" in (options.get("preconditions") or {}):
                raise
            # It may have become healthy since.
            raise too_many(VIOLATES, _RETRY_SECONDS, _processing(budgets[0])) from error

    async def _budgets(self, context: contract.RequestContext, pod: Object) -> list[Object]:
        listed = await context.access.list(kinds.POD_DISRUPTION_BUDGETS, pod["metadata"]["namespace"])
        return [budget for budget in listed if selects(budget, pod)]

    async def _take(self, context: contract.RequestContext, budget: Object, name: str) -> None:
        now = self._clock.time()
        if context.dry_run:
            take(budget, name, now)
            return
        meta = budget["metadata"]
        await context.access.mutate(
            kinds.POD_DISRUPTION_BUDGETS,
            meta["name"],
            meta["namespace"],
            lambda current: take(current, name, now),
            subresource="status",
        )

    async def _delete(self, context: contract.RequestContext, name: str, options: Object) -> None:
        namespace = context.info.namespace
        options = copy.deepcopy(options)
        preconditions = options.get("preconditions") or {}

        def mark(pod: Object) -> None:
            _check(pod, preconditions)
            wanted = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting",
            }
            conditions.put(pod, wanted, self._clock.time())

        if not context.dry_run:
            marked = await context.access.mutate(kinds.PODS, name, namespace, mark, subresource="status")
            if "resourceVersion" in preconditions:
                # It was we who moved it.
                preconditions["resourceVersion"] = marked["metadata"]["resourceVersion"]
        await context.access.delete(kinds.PODS, name, namespace, options=options, dry_run=context.dry_run)


def delete_options(eviction: Object, context: contract.RequestContext) -> Object:
    """The DeleteOptions of an eviction; its dry run and the request's are one. Raises BadRequest, Invalid."""
    options: Object = dict(eviction.get("deleteOptions") or {})
    if options.get("ignoreStoreReadErrorWithClusterBreakingPotential"):
        path = "deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential"
        text = "can not be set for pod eviction, try after removing the option"
        raise errors.invalid("Eviction", context.info.name, [field.invalid(path, True, text)], "policy")
    inside = options.get("dryRun") or []
    if context.dry_run and inside and inside != ["All"]:
        raise errors.BadRequest(f"Non-matching dry-run options in request and content: [All] and [{' '.join(inside)}]")
    if inside or context.dry_run:
        options["dryRun"] = ["All"]
        context.dry_run = True
    return options


def _exactly(pod: Object, options: Object) -> Object:
    """The options, good only for the version of the pod that was looked at, unless they name one."""
    preconditions = {"resourceVersion": pod["metadata"]["resourceVersion"], **(options.get("preconditions") or {})}
    return {**options, "preconditions": preconditions}


def is_over(pod: Object) -> bool:
    return pods.is_terminal(pod) or bool(pod["metadata"].get("deletionTimestamp"))


def ignores_budget(pod: Object) -> bool:
    """A pod that does not run (any more, or yet) disrupts nothing."""
    return is_over(pod) or pods.phase(pod) == "Pending"


def selects(budget: Object, pod: Object) -> bool:
    try:
        selector = labels.from_label_selector((budget.get("spec") or {}).get("selector"))
    except ValueError:
        # A selector that cannot be read selects nothing.
        return False
    return selector.matches(pod["metadata"].get("labels") or {})


def may_go_unhealthy(pod: Object, budget: Object) -> bool:
    """Whether a pod that is not ready may go without taking room."""
    if pods.is_ready(pod):
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    return bool(status.get("currentHealthy", 0) >= desired > 0)


def take(budget: Object, pod_name: str, now: float) -> None:
    """Take room for one disruption, in place. Raises TooManyRequests or Forbidden where there is none."""
    name = budget["metadata"]["name"]
    status = budget.setdefault("status", {})
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise too_many(VIOLATES, _RETRY_SECONDS, _processing(budget))
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise errors.forbidden("poddisruptionbudget", name, "pdb disruptions allowed is negative", "policy")
    if len(status.get("disruptedPods") or {}) > _MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden("poddisruptionbudget", name, why, "policy")
    if allowed == 0:
        raise too_many(VIOLATES, 0, _no_room(budget))
    status["disruptionsAllowed"] = allowed - 1
    if allowed == 1:
        generation = budget["metadata"].get("generation", 0)
        none_left = {
            "type": "DisruptionAllowed",
            "status": "False",
            "reason": "InsufficientPods",
            "message": "",
            "observedGeneration": generation,
        }
        conditions.put(budget, none_left, now)
    status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod_name: timestamps.format_time(now)}


def _processing(budget: Object) -> str:
    return f"The disruption budget {budget['metadata']['name']} is still being processed by the server."


def _no_room(budget: Object) -> str:
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    condition = conditions.get(budget, "DisruptionAllowed") or {}
    refused = condition.get("status") == "False" and condition.get("message")
    head = f"The disruption budget {name} does not allow evicting pods currently"
    desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    if refused and condition.get("reason") == "SyncFailed":
        return f"{head} because it failed sync: {condition['message']}"
    if current <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
    return f"{head} ({condition.get('reason')}): {condition['message']}" if refused else head


def too_many(message: str, retry_after: int, cause: str) -> errors.TooManyRequests:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    return errors.TooManyRequests(message, details=details)


def _check(pod: Object, preconditions: Object) -> None:
    meta = pod["metadata"]
    for key, word, tail in (
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ):
        wanted = preconditions.get(key)
        if wanted and wanted != meta.get(key):
            raise errors.conflict(
                "Pod",
                meta["name"],
                why=f"the {word} in the precondition ({wanted}) does not match the {word} in record "
                f"({meta.get(key)}). The object might have been {tail}",
            )
