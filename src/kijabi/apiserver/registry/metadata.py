"""What the server does with metadata: system fields, namespaces, owner references.

Source: k8s.io/apiserver registry/rest, meta.go and create.go.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

from kijabi.api import errors, resource, timestamps

Object = resource.Object

_SYSTEM_FIELDS = ("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
_DUPLICATES = (
    ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may "
    "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {uids}"
)


def of(obj: Object) -> Object:
    """The object's metadata, made where it is missing."""
    meta = obj.get("metadata")
    if meta is None:
        meta = obj["metadata"] = {}
    return meta


def wipe(meta: Object) -> None:
    """Forget what only the server may say."""
    for name in _SYSTEM_FIELDS:
        meta.pop(name, None)


def fill(meta: Object, now: float) -> None:
    # Not uuid4: a UID must be unique, not secret, and asking the kernel for every one costs more than storing it. The
    # generator is seeded by the kernel, in forked processes anew.
    meta["uid"] = str(uuid.UUID(int=random.getrandbits(128), version=4))
    meta["creationTimestamp"] = timestamps.format_time(now)


def ensure_namespace(meta: Object, namespace: str) -> None:
    """Default the namespace to the request's. Raises BadRequest where the object names another."""
    given = meta.get("namespace", "")
    if given == namespace:
        return
    if not given:
        meta["namespace"] = namespace
    elif not namespace:
        meta.pop("namespace", None)
    else:
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the request")


def check_name(meta: Object, name: str) -> None:
    """The name in the body must be the one in the URL. Raises BadRequest."""
    given = meta.get("name", "")
    if not given:
        raise errors.BadRequest(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise errors.BadRequest(f"the name of the object ({given}) does not match the name on the URL ({name})")


def dedup_owners(meta: Object, warnings: list[str], after_admission: bool) -> None:
    owners = meta.get("ownerReferences")
    if not owners or len(owners) < 2:
        return
    kept: list[Any] = []
    duplicates: list[str] = []
    for owner in owners:
        if owner in kept:
            duplicates.append(owner.get("uid", ""))
        else:
            kept.append(owner)
    if duplicates:
        meta["ownerReferences"] = kept
        when = " after mutating admission happens" if after_admission else ""
        warnings.append(_DUPLICATES.format(when=when, uids=", ".join(duplicates)))
