"""Conversion between the versions of a custom resource, by its webhook or by exchanging the apiVersion.

Building and checking reviews are pure functions; only ``Webhook.convert`` speaks to anybody. Source:
apiextensions-apiserver pkg/apiserver/conversion; "Webhook conversion" in the documentation.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kijabi.api import errors, metadata
from kijabi.api.apiextensions import conversion
from kijabi.api.resource import Object
from kijabi.apiserver.outbound import webhooks

# Sends a ConversionReview to a webhook's clientConfig and gives the review that came back. May raise anything.
Caller = Callable[[Object, Object], Awaitable[Object]]


class Converter(Protocol):
    async def convert(self, objects: Sequence[Object], desired: str) -> list[Object]:
        """The objects in ``desired`` (an apiVersion), in the same order. Raises InternalError."""
        ...


class Refused(ValueError):
    """A webhook's answer cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """The webhook of one definition: all objects of one call go in one review."""

    config: Object
    review_versions: tuple[str, ...]
    call: Caller

    async def convert(self, objects: Sequence[Object], desired: str) -> list[Object]:
        waiting = [obj for obj in objects if obj.get("apiVersion") != desired]
        if not waiting:
            return list(objects)
        subject = f"conversion webhook for {waiting[0].get('apiVersion')}, Kind={waiting[0].get('kind')}"
        identity = str(uuid.uuid4())
        try:
            answer = await self.call(self.config, review(self.review_versions, waiting, desired, identity))
            converted = iter(answered(answer, identity, waiting, desired))
        except Refused as error:
            raise errors.InternalError(f"{subject} {error}") from error
        except errors.ApiError as error:
            raise errors.InternalError(f"{subject} failed: {error.message}") from error
        except (webhooks.Failed, OSError, ValueError, TimeoutError) as error:
            raise errors.InternalError(f"{subject} failed: {error}") from error
        return [obj if obj.get("apiVersion") == desired else next(converted) for obj in objects]


def review(versions: Sequence[str], objects: Sequence[Object], desired: str, identity: str) -> Object:
    """A ConversionReview in the first version that is known here. Raises Refused."""
    version = next((one for one in versions if one in conversion.REVIEW_VERSIONS), None)
    if version is None:
        raise Refused("failed: no supported conversion review versions")
    return {
        "kind": "ConversionReview",
        "apiVersion": f"apiextensions.k8s.io/{version}",
        "request": {"uid": identity, "desiredAPIVersion": desired, "objects": list(objects)},
    }


def answered(answer: Object, identity: str, objects: Sequence[Object], desired: str) -> list[Object]:
    """The converted objects out of a review that came back, and what they keep. Raises Refused."""
    response = answer.get("response")
    if answer.get("apiVersion") == "apiextensions.k8s.io/v1" and response and response.get("uid") != identity:
        raise Refused(f'failed: expected response.uid="{identity}", got "{response.get("uid", "")}"')
    if not response:
        raise Refused("failed: no response provided")
    result = response.get("result") or {}
    if result.get("status") != "Success":
        text = result.get("message") or f"response.result.status was '{result.get('status', '')}', not 'Success'"
        raise Refused(f"failed: {text}")
    converted = response.get("convertedObjects") or []
    if len(converted) != len(objects):
        raise Refused(f"returned {len(converted)} objects, expected {len(objects)}")
    return [_checked(old, new, at, desired) for at, (old, new) in enumerate(zip(objects, converted, strict=True))]


def _checked(old: Object, new: Any, position: int, desired: str) -> Object:
    start = f"returned invalid converted object at index {position}"
    if not isinstance(new, dict):
        raise Refused(f"{start}: not an object")
    if new.get("apiVersion") != desired:
        text = f"invalid groupVersion (expected {desired}, received {new.get('apiVersion', '')})"
        raise Refused(f"{start}: {text}")
    if new.get("kind") != old.get("kind"):
        raise Refused(f"{start}: invalid kind (expected {old.get('kind')}, received {new.get('kind', '')})")
    meta, before = new.get("metadata"), old.get("metadata") or {}
    if not isinstance(meta, dict):
        problem = "missing metadata in converted object"
        raise Refused(f"returned invalid metadata in object at index {position}: {problem}")
    for key, called in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        if (meta.get(key) or "") != (before.get(key) or ""):
            problem = f"must have the same {called}: {before.get(key, '')} != {meta.get(key, '')}"
            raise Refused(f"{start}: {problem}")
    return {**new, "metadata": _restored(before, meta, position)}


def _restored(before: Object, meta: Object, position: int) -> Object:
    """A webhook may only change labels and annotations."""
    made: Object = copy.deepcopy(before)
    for key in ("labels", "annotations"):
        given = meta.get(key)
        if given is None:
            made.pop(key, None)
            continue
        start = f"returned invalid metadata in object at index {position}"
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise Refused(f"{start}: metadata.{key} must be strings in converted object")
        if given != made.get(key):
            rule = metadata.validate_labels if key == "labels" else metadata.validate_annotations
            found = rule(given, f"metadata.{key}")
            if found:
                raise Refused(f"{start}: {'; '.join(map(str, found))}")
        made[key] = given
    return made
