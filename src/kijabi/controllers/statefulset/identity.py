"""The pod and the claims of an ordinal: pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable

from kijabi.api.resource import Object
from kijabi.controllers import podset, revisions

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"

_NAME = re.compile(r"(.*)-([0-9]+)", re.ASCII)


def parent_and_ordinal(pod: Object) -> tuple[str, int]:
    """("web", 3) of ``web-3``; ("", -1) for a name that no StatefulSet gives."""
    match = _NAME.fullmatch(pod["metadata"]["name"])
    if match is None or int(match[2]) >= 2**31:
        return "", -1
    return match[1], int(match[2])


def ordinal(pod: Object) -> int:
    return parent_and_ordinal(pod)[1]


def is_member(stateful_set: Object, pod: Object) -> bool:
    return bool(parent_and_ordinal(pod)[0] == stateful_set["metadata"]["name"])


def ordinals(stateful_set: Object) -> range:
    """The ordinals that should have a pod."""
    start = int((stateful_set["spec"].get("ordinals") or {}).get("start") or 0)
    replicas = stateful_set["spec"].get("replicas")
    return range(start, start + (1 if replicas is None else int(replicas)))


def revision(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(revisions.HASH_LABEL, ""))


def pod(stateful_set: Object, current: Object, update: Object, number: int) -> Object:
    """The pod to make for an ordinal: of the current revision below the partition, else of the updated one."""
    chosen = current if _stays(stateful_set, number) else update
    name = f"{stateful_set['metadata']['name']}-{number}"
    template = revisions.template(chosen)
    made = podset.from_template(template, stateful_set, stateful_set["metadata"]["namespace"])
    meta, spec = made["metadata"], made["spec"]
    del meta["generateName"]
    meta["name"] = name
    marks = {POD_NAME_LABEL: name, INDEX_LABEL: str(number), revisions.HASH_LABEL: chosen["metadata"]["name"]}
    meta["labels"] = {**(meta.get("labels") or {}), **marks}
    spec["hostname"] = name
    if stateful_set["spec"].get("serviceName"):
        spec["subdomain"] = stateful_set["spec"]["serviceName"]
    claimed = [
        {"name": template_name, "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
        for template_name, claim in claims(stateful_set, number).items()
    ]
    names = {volume["name"] for volume in claimed}
    volumes = claimed + [volume for volume in spec.get("volumes") or () if volume["name"] not in names]
    if volumes:
        spec["volumes"] = volumes
    return made


def _stays(stateful_set: Object, number: int) -> bool:
    update = stateful_set["spec"].get("updateStrategy") or {}
    start = ordinals(stateful_set).start
    rolling = update.get("rollingUpdate")
    if rolling is not None:
        return number < start + int(rolling.get("partition") or 0)
    if update.get("type") != "RollingUpdate":
        return False
    return number < start + int((stateful_set.get("status") or {}).get("currentReplicas") or 0)


def claims(stateful_set: Object, number: int) -> dict[str, Object]:
    """The PersistentVolumeClaims of an ordinal, by the names of their templates."""
    made: dict[str, Object] = {}
    labels = (stateful_set["spec"].get("selector") or {}).get("matchLabels") or {}
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        claim = copy.deepcopy({name: value for name, value in template.items() if name != "status"})
        meta = claim.setdefault("metadata", {})
        made[meta["name"]] = claim
        meta.pop("creationTimestamp", None)
        meta["labels"] = {**(meta.get("labels") or {}), **labels}
        meta["name"] = f"{meta['name']}-{stateful_set['metadata']['name']}-{number}"
        meta["namespace"] = stateful_set["metadata"]["namespace"]
        claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
    return made


def is_labelled(pod: Object) -> bool:
    """Whether the pod carries its own name, by which a Service may select it alone."""
    return bool((pod["metadata"].get("labels") or {}).get(POD_NAME_LABEL) == pod["metadata"]["name"])


def descending(pods: Iterable[Object]) -> list[Object]:
    return sorted(pods, key=ordinal, reverse=True)
