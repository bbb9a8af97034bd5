"""ValidatingAdmissionWebhook: all hooks concerned are asked at the same time, and any of them may refuse."""

from __future__ import annotations

import asyncio
import logging

from kijabi.api import errors, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin
from kijabi.apiserver.admission.webhooks import calling, configuration, metrics
from kijabi.apiserver.admission.webhooks.conditions import Conditions
from kijabi.apiserver.admission.webhooks.matching import Invocation, Kind, Matcher
from kijabi.apiserver.admission.webhooks.subject import Subject

log = logging.getLogger(__name__)

_TYPE = "validating"


class ValidatingWebhooks(plugin.Plugin):
    name = "ValidatingAdmissionWebhook"

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
        self._hooks = configuration.Hooks(access, configuration.VALIDATING)

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return not configuration.is_exempt(what)

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        hooks = self._hooks.all
        if not hooks:
            return
        concerned: list[tuple[Invocation, Subject]] = []
        subjects: dict[Kind, Subject] = {}
        for hook in hooks:
            invocation = self._matcher.find(hook, attributes, attributes.object, attributes.old_object)
            if invocation is None:
                continue
            subject = subjects.get(invocation.kind)
            if subject is None:
                subject = subjects[invocation.kind] = Subject(self._access, self._matcher, attributes)
                await subject.see(invocation)
            if not await self._conditions.hold(invocation, attributes, subject):
                continue
            concerned.append((invocation, subject))
        if not concerned:
            return
        # In the order in which they come: the first refusal is the answer.
        refused: list[errors.ApiError] = []
        await asyncio.gather(
            *(
                self._ask(invocation, index, attributes, subject, refused)
                for index, (invocation, subject) in enumerate(concerned)
            )
        )
        if refused:
            raise refused[0]

    async def _ask(
        self,
        invocation: Invocation,
        index: int,
        attributes: contract.AdmissionAttributes,
        subject: Subject,
        refused: list[errors.ApiError],
    ) -> None:
        hook = invocation.hook
        try:
            with calling.Measured(self._counts, hook, _TYPE, attributes):
                question = calling.question_for(hook, invocation, subject.requested, attributes, *_encoded(subject))
                await calling.ask(self._caller, question, mutating=False)
        except calling.Failure as failure:
            if not hook.ignores:
                log.warning("Failed calling webhook, failing closed %s: %s", hook.name, failure)
                refused.append(failure.error)
                return
            log.warning("Failed calling webhook, failing open %s: %s", hook.name, failure)
            self._counts.failed_open(hook.name, _TYPE)
            key = f"failed-open.validating.webhook.admission.k8s.io/round_0_index_{index}"
            attributes.annotate(key, hook.name)
        except calling.Rejection as rejection:
            refused.append(rejection.error)
        except errors.ApiError as error:
            refused.append(error)


def _encoded(subject: Subject) -> tuple[object, object]:
    return subject.encoded("object"), subject.encoded("old")
