"""Who owns the claims of a StatefulSet, and so with whom they go: pure.

| whenScaled | whenDeleted | owner of the claim of a pod in range | of a pod that is scaled away |
|------------|-------------|--------------------------------------|------------------------------|
| Retain     | Retain      | nobody                               | nobody                       |
| Retain     | Delete      | the StatefulSet                      | the StatefulSet              |
| Delete     | Retain      | nobody                               | the pod                      |
| Delete     | Delete      | the StatefulSet                      | the pod                      |

Source: KEP-1847.
"""

from __future__ import annotations

from typing import Any

from kijabi.api.resource import Object
from kijabi.controllers import contract
from kijabi.controllers.statefulset import identity


def owners(stateful_set: Object, pod: Object, claim: Object) -> list[Object] | None:
    """The owner references that the claim should have; None where they are right, or not ours to touch."""
    there: list[Object] = claim["metadata"].get("ownerReferences") or []
    if is_stale(claim, stateful_set) or is_stale(claim, pod):
        return None
    kept = [reference for reference in there if not (_means(reference, stateful_set) or _means(reference, pod))]
    wanted = _owner(stateful_set, pod)
    if _retains(stateful_set):
        return kept if len(kept) != len(there) else None
    if any(reference.get("controller") for reference in kept):
        # Somebody else's by now.
        return kept if len(kept) != len(there) else None
    ours = [reference for reference in there if reference not in kept]
    uid = wanted["uid"] if wanted is not None else None
    if len(ours) == (1 if uid else 0) and all(one["uid"] == uid and one.get("controller") for one in ours):
        return None
    return [*kept, wanted] if wanted is not None else kept


def policy(stateful_set: Object) -> tuple[str, str]:
    """(whenScaled, whenDeleted)"""
    chosen: dict[str, Any] = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return chosen.get("whenScaled") or "Retain", chosen.get("whenDeleted") or "Retain"


def _retains(stateful_set: Object) -> bool:
    return policy(stateful_set) == ("Retain", "Retain")


def _owner(stateful_set: Object, pod: Object) -> Object | None:
    scaled, deleted = policy(stateful_set)
    if scaled == "Delete" and identity.ordinal(pod) not in identity.ordinals(stateful_set):
        return contract.owner_reference({"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]})
    if deleted == "Delete":
        return contract.owner_reference(stateful_set)
    return None


def first_owner(stateful_set: Object) -> Object | None:
    """The owner of a claim that is made for a pod in range."""
    return contract.owner_reference(stateful_set) if policy(stateful_set)[1] == "Delete" else None


def _means(reference: Object, obj: Object) -> bool:
    kind, version = obj.get("kind", "Pod"), obj.get("apiVersion", "v1")
    return (reference.get("apiVersion"), reference.get("kind"), reference.get("name")) == (
        version,
        kind,
        obj["metadata"]["name"],
    )


def is_stale(claim: Object, obj: Object) -> bool:
    """Whether the claim belongs to an earlier object of the same name: the garbage collector will take it."""
    return any(
        _means(reference, obj) and reference.get("uid") != obj["metadata"].get("uid")
        for reference in claim["metadata"].get("ownerReferences") or ()
    )
