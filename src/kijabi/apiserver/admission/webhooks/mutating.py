"""MutatingAdmissionWebhook: hooks asked one after the other, each seeing what those before it made of the object."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import orjson

from kijabi.api import errors, patch, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin
from kijabi.apiserver.admission.webhooks import calling, configuration, metrics, review
from kijabi.apiserver.admission.webhooks.conditions import Conditions
from kijabi.apiserver.admission.webhooks.matching import Invocation, Matcher
from kijabi.apiserver.admission.webhooks.subject import Subject

log = logging.getLogger(__name__)

Object = contract.Object
_TYPE = "admit"


@dataclass(slots=True)
class Rounds:
    """Who is asked once more: hooks that wish it, when the object changed after they saw it."""

    asked: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)
    left: bytes = b""

    def object_changed(self) -> None:
        self.again |= self.asked
        self.asked = set()


class MutatingWebhooks(plugin.Plugin):
    name = "MutatingAdmissionWebhook"

    def __init__(
        self,
        access: contract.Access,
        caller: calling.Caller,
        counts: metrics.Metrics,
        authorizer: contract.Authorizer | None = None,
    ) -> None:
        self._access = access
        self._caller = caller
        self._counts = counts
        self._matcher = Matcher(access)
        self._conditions = Conditions(authorizer, counts, _TYPE)
        self._hooks = configuration.Hooks(access, configuration.MUTATING)

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return not configuration.is_exempt(what)

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        hooks = self._hooks.all
        if not hooks:
            return
        rounds: Rounds = attributes.remembered(self.name, Rounds)
        if attributes.second_round and rounds.left != _image(attributes.object):
            # The plugins before this one have changed it.
            rounds.object_changed()
        subject: Subject | None = None
        for index, hook in enumerate(hooks):
            seen = (subject.object, subject.old) if subject else (attributes.object, attributes.old_object)
            invocation = self._matcher.find(hook, attributes, *seen)
            if invocation is None or (attributes.second_round and hook.uid not in rounds.again):
                continue
            subject = subject or Subject(self._access, self._matcher, attributes)
            await subject.see(invocation)
            if not await self._conditions.hold(invocation, attributes, subject):
                continue
            if await self._ask(invocation, index, attributes, subject):
                rounds.object_changed()
                attributes.again = True
            if hook.reinvoked:
                rounds.asked.add(hook.uid)
        if subject is not None:
            await subject.write_back()
        if rounds.asked or rounds.again:
            rounds.left = _image(attributes.object)

    async def _ask(
        self, invocation: Invocation, index: int, attributes: contract.AdmissionAttributes, subject: Subject
    ) -> bool:
        """Whether the object is another now. Raises ApiError."""
        hook, place = invocation.hook, f"round_{int(attributes.second_round)}_index_{index}"
        changed = False
        try:
            with calling.Measured(self._counts, hook, _TYPE, attributes):
                changed = await self._mutate(invocation, place, attributes, subject)
        except calling.Failure as failure:
            if not hook.ignores:
                log.warning("Failed calling webhook, failing closed %s: %s", hook.name, failure)
                raise failure.error from failure
            log.warning("Failed calling webhook, failing open %s: %s", hook.name, failure)
            self._counts.failed_open(hook.name, _TYPE)
            attributes.annotate(f"failed-open.mutation.webhook.admission.k8s.io/{place}", hook.name)
        except calling.Rejection as rejection:
            raise rejection.error from rejection
        finally:
            told = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
            attributes.annotate(f"mutation.webhook.admission.k8s.io/{place}", orjson.dumps(told).decode())
        return changed

    async def _mutate(
        self, invocation: Invocation, place: str, attributes: contract.AdmissionAttributes, subject: Subject
    ) -> bool:
        hook = invocation.hook
        question = calling.question_for(
            hook, invocation, subject.requested, attributes, subject.encoded("object"), subject.encoded("old")
        )
        answer = await calling.ask(self._caller, question, mutating=True)
        if not answer.patch:
            return False
        try:
            operations = review.operations(answer.patch)
        except review.Undecodable as error:
            raise calling.Failure(hook, f"received undecodable patch in webhook response: {error}", 503) from error
        if not operations:
            return False
        if subject.object is None:
            why = "attempted to modify the object, which is not supported for this operation"
            raise _internal(f'admission webhook "{hook.name}" {why}')
        if answer.patch_type != "JSONPatch":
            raise calling.Failure(hook, f'unsupported patch type "{answer.patch_type}"', 400)
        told = {"configuration": hook.configuration, "webhook": hook.name, "patch": operations}
        note = orjson.dumps({**told, "patchType": answer.patch_type}).decode()
        changed = _apply(operations, subject)
        attributes.annotate(f"patch.webhook.admission.k8s.io/{place}", note, "Request")
        return changed


def _apply(operations: list[object], subject: Subject) -> bool:
    before = subject.object
    try:
        patched: Object = patch.json(before, operations)
        if not isinstance(patched, dict):
            raise errors.BadRequest("json: cannot unmarshal into Go value of type struct")
        subject.replace(patched)
    except errors.ApiError as error:
        raise _internal(error.message if error.__cause__ is None else str(error.__cause__)) from error
    return patched != before


def _internal(why: str) -> errors.InternalError:
    return errors.InternalError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})


def _image(obj: Object | None) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS) if obj is not None else b""
