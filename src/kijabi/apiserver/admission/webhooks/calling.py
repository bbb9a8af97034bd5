"""Asking one hook: the rule for dry runs, the call, the answer's warnings and annotations, and what a no means."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from kijabi.api import errors
from kijabi.apiserver import contract
from kijabi.apiserver.admission.webhooks import metrics, review
from kijabi.apiserver.admission.webhooks.configuration import Hook
from kijabi.apiserver.outbound import webhooks

Object = contract.Object


class Caller(Protocol):
    async def post(self, config: Mapping[str, Any], body: bytes | Mapping[str, Any], seconds: float = 30.0) -> Any:
        """Raises webhooks.Failed."""
        ...


class Failure(Exception):
    """A hook could not be asked, which its failurePolicy may let pass. ``code`` is for the metrics."""

    def __init__(self, hook: Hook, reason: str, code: int) -> None:
        super().__init__(f'failed calling webhook "{hook.name}": {reason}')
        self.code = code

    @property
    def error(self) -> errors.ApiError:
        text = str(self)
        return errors.InternalError(f"Internal error occurred: {text}", details={"causes": [{"message": text}]})


class Rejection(Exception):
    """A hook said no."""

    def __init__(self, error: errors.ApiError) -> None:
        super().__init__(error.message)
        self.error = error


async def ask(caller: Caller, question: review.Question, *, mutating: bool) -> review.Answer:
    """An answer that allows. Raises Failure, Rejection, or BadRequest where a dry run cannot be asked about."""
    hook, attributes = question.invocation.hook, question.attributes
    if attributes.dry_run and hook.effects not in ("None", "NoneOnDryRun"):
        raise errors.BadRequest(f'admission webhook "{hook.name}" does not support dry run')
    try:
        answered = await caller.post(hook.client, review.encode(question), hook.seconds)
    except webhooks.Unusable as error:
        raise Failure(hook, f"could not get REST client: {error.message}", error.code) from error
    except webhooks.Failed as error:
        raise Failure(hook, f"failed to call webhook: {error.message}", error.code) from error
    try:
        answer = review.read(answered, question, mutating=mutating)
    except review.Invalid as error:
        raise Failure(hook, f"received invalid webhook response: {error}", 503) from error
    for key, text in answer.annotations.items():
        attributes.annotate(f"{hook.name}/{key}", text)
    attributes.warnings.extend(answer.warnings)
    if not answer.allowed:
        raise Rejection(refusal(hook.name, answer.status))
    return answer


def question_for(
    hook: Hook, invocation: Any, requested: Any, attributes: contract.AdmissionAttributes, obj: Any, old: Any
) -> review.Question:
    """Raises Failure where the hook speaks no version known here."""
    version = review.version_for(hook.versions)
    if version is None:
        why = "webhook does not accept known AdmissionReview versions (v1, v1beta1)"
        raise Failure(hook, f"could not create admission objects: {why}", 400)
    return review.Question(str(uuid.uuid4()), version, invocation, requested, attributes, obj, old)


def refusal(name: str, status: Mapping[str, Any] | None) -> errors.ApiError:
    """The hook's own Status as the request's answer, never with a code of success."""
    given = status or {}
    denied = f'admission webhook "{name}" denied the request'
    why = given.get("message") or given.get("reason")
    code = int(given.get("code") or 0)
    error = errors.ApiError(f"{denied}: {why}" if why else f"{denied} without explanation", code=max(code, 400))
    error.reason = str(given.get("reason") or "")
    error.details = given.get("details") or None
    return error


class Measured:
    """``async with`` around one call, counted however it ends."""

    def __init__(
        self, counts: metrics.Metrics, hook: Hook, kind: str, attributes: contract.AdmissionAttributes
    ) -> None:
        self._counts = counts
        self._hook = hook
        self._kind = kind
        self._operation = attributes.operation
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, type_: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        code, why = 200, ""
        if isinstance(error, Failure):
            code, why = error.code, "" if self._hook.ignores else metrics.CALLING
        elif isinstance(error, Rejection):
            code, why = error.error.code, metrics.NO_ERROR
        elif isinstance(error, Exception):
            code, why = 0, metrics.INTERNAL
        elif error is not None:
            # The request was given up: that says nothing about the hook.
            return
        call = metrics.Call(self._hook.name, self._kind, self._operation)
        self._counts.called(call, code, why, time.perf_counter() - self._began)
