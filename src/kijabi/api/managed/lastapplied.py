"""The annotation that client-side apply leaves behind, and server-side apply takes over from."""

from __future__ import annotations

import orjson

from kijabi.api import metadata
from kijabi.api.managed import comparing, sets, validating
from kijabi.api.managed.entries import Object, View
from kijabi.api.managed.sets import Set

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def fields(view: View, live: Object) -> Set | None:
    """What was applied by the client and is still so; None where nothing was, or it cannot be read."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    if not text:
        return None
    try:
        applied = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(applied, dict) or applied.get("apiVersion") != view.api_version:
        return None
    if validating.problems(view.shape, applied):
        return None
    changed, removed = comparing.compare(view.shape, applied, live)
    return sets.difference(sets.difference(comparing.collect(view.shape, applied), changed), removed)


def refresh(obj: Object, applied: Object) -> None:
    """Keep the annotation true where there is one, for clients that still apply on their side."""
    annotations = dict((obj.get("metadata") or {}).get("annotations") or {})
    if not annotations.get(ANNOTATION):
        return
    # The map itself may be that of the object before.
    obj["metadata"]["annotations"] = annotations
    meta = dict(applied.get("metadata") or {})
    kept = {key: value for key, value in (meta.get("annotations") or {}).items() if key != ANNOTATION}
    meta["annotations"] = kept
    if not kept:
        del meta["annotations"]
    text = orjson.dumps({**applied, "metadata": meta}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    annotations[ANNOTATION] = text
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items())
    if size > metadata.ANNOTATIONS_LIMIT:
        del annotations[ANNOTATION]
