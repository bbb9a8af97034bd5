"""AdmissionReview, v1 and v1beta1: the question as bytes, and what an answer says.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from kijabi.apiserver import contract
from kijabi.apiserver.admission.webhooks.matching import Invocation, Kind
from kijabi.kit import jsons

GROUP = "admission.k8s.io"
KNOWN = ("v1", "v1beta1")

# Objects are encoded once however many hooks are asked.
NOTHING = orjson.Fragment(b"null")


class Invalid(Exception):
    """An answer that upstream would not take; the message is upstream's."""


class Undecodable(Exception):
    """A patch that is none."""


@dataclass(slots=True)
class Answer:
    allowed: bool
    status: Mapping[str, Any] | None = None
    patch: bytes = b""
    patch_type: str = ""
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """``obj`` and ``old`` are encoded, as objects of the invocation's kind. ``requested`` is what was asked for."""

    uid: str
    version: str
    invocation: Invocation
    requested: Kind
    attributes: contract.AdmissionAttributes
    obj: orjson.Fragment = NOTHING
    old: orjson.Fragment = NOTHING


def version_for(versions: tuple[str, ...]) -> str | None:
    """The first that both sides know."""
    return next((version for version in versions if version in KNOWN), None)


def encode(question: Question) -> bytes:
    request = request_of(question.invocation, question.requested, question.attributes)
    request["uid"] = question.uid
    request["object"], request["oldObject"] = question.obj, question.old
    review = {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{question.version}", "request": request}
    return orjson.dumps(review, option=orjson.OPT_NON_STR_KEYS)


def request_of(invocation: Invocation, requested: Kind, attributes: contract.AdmissionAttributes) -> dict[str, Any]:
    """An AdmissionRequest without its uid and its objects."""
    seen, asked = invocation.resource, attributes.resource
    request: dict[str, Any] = {
        "uid": "",
        "kind": _kind(invocation.kind),
        "resource": {"group": seen.group, "version": seen.version, "resource": seen.plural},
        "subResource": attributes.subresource,
        "requestKind": _kind(requested),
        "requestResource": {"group": asked.group, "version": asked.version, "resource": asked.plural},
        "requestSubResource": attributes.subresource,
        "name": attributes.name,
        "namespace": attributes.namespace,
        "operation": attributes.operation,
        "userInfo": _user(attributes.user),
        "dryRun": attributes.dry_run,
        "options": attributes.options or None,
    }
    for key in ("subResource", "requestSubResource", "name", "namespace"):
        if not request[key]:
            del request[key]
    return request


def _kind(kind: Kind) -> dict[str, str]:
    group, version, name = kind
    return {"group": group, "version": version, "kind": name}


def _user(user: contract.UserInfo) -> dict[str, Any]:
    shown: dict[str, Any] = {"username": user.name}
    if user.uid:
        shown["uid"] = user.uid
    if user.groups:
        shown["groups"] = list(user.groups)
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra.items()}
    return shown


def read(review: Any, question: Question, *, mutating: bool) -> Answer:
    """Raises Invalid."""
    response = review.get("response") if isinstance(review, dict) else None
    if not isinstance(response, dict):
        raise Invalid("webhook response was absent")
    patch, kind = _patch(response), response.get("patchType")
    if question.version == "v1":
        _verify(review, response, question)
        _verify_patch(patch, kind, mutating=mutating)
    elif patch:
        # Version v1beta1 knew one type of patch only.
        kind = "JSONPatch"
    return Answer(
        bool(response.get("allowed")),
        response.get("status") or None,
        patch if mutating else b"",
        kind or "",
        [str(text) for text in response.get("warnings") or ()],
        {str(key): str(text) for key, text in (response.get("auditAnnotations") or {}).items()},
    )


def _patch(response: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(response.get("patch") or "", validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Invalid("illegal base64 data in response.patch") from error


def _verify(review: dict[str, Any], response: dict[str, Any], question: Question) -> None:
    if response.get("uid") != question.uid:
        raise Invalid(f'expected response.uid="{question.uid}", got "{response.get("uid") or ""}"')
    given, kind = review.get("apiVersion") or "/", review.get("kind") or ""
    if given != f"{GROUP}/v1" or kind != "AdmissionReview":
        wanted = f"{GROUP}/v1, Kind=AdmissionReview"
        raise Invalid(f"expected webhook response of {wanted}, got {given}, Kind={kind}")


def _verify_patch(patch: bytes, kind: str | None, *, mutating: bool) -> None:
    if not mutating:
        if patch:
            raise Invalid("validating webhook may not return response.patch")
        if kind is not None:
            raise Invalid("validating webhook may not return response.patchType")
        return
    if patch and kind is None:
        raise Invalid("webhook returned response.patch but not response.patchType")
    if not patch and kind is not None:
        raise Invalid("webhook returned response.patchType but not response.patch")
    if kind is not None and not kind:
        raise Invalid(f'webhook returned invalid response.patchType of "{kind}"')


def operations(patch: bytes) -> list[Any]:
    """The operations of a JSON patch. Raises Undecodable."""
    try:
        found = jsons.loads(patch)
    except jsons.Malformed as error:
        raise Undecodable(str(error)) from error
    if not isinstance(found, list):
        raise Undecodable("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    return found
