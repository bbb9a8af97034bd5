"""What must be in a volume made of API objects: pure. A volume that cannot be made raises ``Missing``.

Source: the documented volume types configMap, secret, downwardAPI and projected; upstream's texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kijabi.node.kubelet import downward, pods
from kijabi.node.kubelet.volumes import atomic

Payload = dict[str, atomic.File]
_TOKEN_SECONDS = 3600


class Missing(Exception):
    """What the volume refers to is not there (yet); the text is upstream's."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    audience: str
    seconds: int


@dataclass(slots=True)
class Sources:
    """``config_map`` and ``secret`` give an object's data as bytes, None where there is none in the namespace.

    ``token`` gives a bound token for the pod that is already at hand.
    """

    config_map: Callable[[str], Mapping[str, bytes] | None]
    secret: Callable[[str], Mapping[str, bytes] | None]
    token: Callable[[TokenRequest], str]
    allocatable: Mapping[str, str] = field(default_factory=dict)


def payload(pod: pods.Object, volume: dict[str, Any], sources: Sources) -> Payload:
    """The files of a configMap, secret, downwardAPI or projected volume."""
    if "configMap" in volume:
        source = volume["configMap"]
        return _config_map(pod, source, source.get("name", ""), source.get("defaultMode"), sources)
    if "secret" in volume:
        source = volume["secret"]
        return _secret(pod, source, source.get("secretName", ""), source.get("defaultMode"), sources)
    if "downwardAPI" in volume:
        source = volume["downwardAPI"]
        return _downward(pod, source, source.get("defaultMode"), sources)
    return _projected(pod, volume["projected"], sources)


def tokens(volume: dict[str, Any]) -> list[TokenRequest]:
    """The service account tokens that the volume needs."""
    return [
        _request(source["serviceAccountToken"])
        for source in (volume.get("projected") or {}).get("sources") or ()
        if source.get("serviceAccountToken")
    ]


def _request(source: dict[str, Any]) -> TokenRequest:
    return TokenRequest(source.get("audience", ""), int(source.get("expirationSeconds") or _TOKEN_SECONDS))


def _projected(pod: pods.Object, projected: dict[str, Any], sources: Sources) -> Payload:
    mode = projected.get("defaultMode")
    made: Payload = {}
    for source in projected.get("sources") or ():
        if source.get("configMap"):
            made.update(_config_map(pod, source["configMap"], source["configMap"].get("name", ""), mode, sources))
        elif source.get("secret"):
            made.update(_secret(pod, source["secret"], source["secret"].get("name", ""), mode, sources))
        elif source.get("downwardAPI"):
            made.update(_downward(pod, source["downwardAPI"], mode, sources))
        elif source.get("serviceAccountToken"):
            wanted = source["serviceAccountToken"]
            made[wanted["path"]] = _token(pod, sources.token(_request(wanted)), mode)
        elif source:
            raise Missing(f"projected source {next(iter(source))} is not supported by this kubelet")
    return made


def _token(pod: pods.Object, token: str, mode: int | None) -> atomic.File:
    """Readable by whoever the pod runs as, and by nobody else where that is known (KEP-1205's file permissions)."""
    outer = pod["spec"].get("securityContext") or {}
    if outer.get("fsGroup") is not None:
        return atomic.File(token.encode(), 0o600)
    users = {
        (container.get("securityContext") or {}).get("runAsUser", outer.get("runAsUser"))
        for container, _ in pods.every_container(pod)
    }
    only = users.pop() if len(users) == 1 else None
    if only is not None:
        return atomic.File(token.encode(), 0o600, uid=only)
    return atomic.File(token.encode(), 0o644 if mode is None else mode)


def _config_map(pod: pods.Object, source: dict[str, Any], name: str, mode: int | None, sources: Sources) -> Payload:
    data = sources.config_map(name)
    if data is None:
        if source.get("optional"):
            return {}
        raise Missing(f'configmap "{name}" not found')
    return _items(data, source, mode, "configmap references non-existent config key: ")


def _secret(pod: pods.Object, source: dict[str, Any], name: str, mode: int | None, sources: Sources) -> Payload:
    data = sources.secret(name)
    if data is None:
        if source.get("optional"):
            return {}
        raise Missing(f'secret "{name}" not found')
    return _items(data, source, mode, "references non-existent secret key: ")


def _items(data: Mapping[str, bytes], source: dict[str, Any], mode: int | None, complaint: str) -> Payload:
    default = 0o644 if mode is None else mode
    items = source.get("items")
    if not items:
        return {key: atomic.File(value, default) for key, value in data.items()}
    made: Payload = {}
    for item in items:
        if item["key"] not in data:
            if source.get("optional"):
                continue
            raise Missing(f"{complaint}{item['key']}")
        own = item.get("mode")
        made[item["path"]] = atomic.File(data[item["key"]], default if own is None else own)
    return made


def _downward(pod: pods.Object, source: dict[str, Any], mode: int | None, sources: Sources) -> Payload:
    made: Payload = {}
    for item in source.get("items") or ():
        own = item.get("mode")
        chosen = (0o644 if mode is None else mode) if own is None else own
        if item.get("fieldRef"):
            value = downward.field_value(pod, item["fieldRef"]["fieldPath"])
            if value is None:
                raise Missing(f"unsupported fieldPath: {item['fieldRef']['fieldPath']}")
        else:
            reference = item["resourceFieldRef"]
            found = pods.container(pod, reference.get("containerName", ""))
            if found is None:
                raise Missing(f"container {reference.get('containerName')} not found")
            value = downward.resource(reference, found[0], sources.allocatable)
        made[item["path"]] = atomic.File(value.encode(), chosen)
    return made
