"""Which group versions are served elsewhere, and by which Service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kijabi.api import conditions, served
from kijabi.apiserver import contract
from kijabi.apiserver.outbound import services

Object = contract.Object
API_SERVICES = served.find("apiregistration.k8s.io/v1", "apiservices")

# (old, new) names of what changed; for who must act upon it.
Listener = Callable[[Object | None, Object | None], None]


@dataclass(frozen=True, slots=True)
class Remote:
    """One APIService with a Service."""

    name: str
    group: str
    version: str
    namespace: str
    service: str
    port: int = 443
    bundle: str = ""
    insecure: bool = False
    available: bool = False
    group_priority: int = 0
    version_priority: int = 0

    @property
    def host(self) -> str:
        return services.host_of(self.namespace, self.service)

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


def remote_of(api_service: Object) -> Remote | None:
    """None for one that is served here."""
    spec = api_service.get("spec") or {}
    service = spec.get("service")
    if service is None:
        return None
    return Remote(
        api_service["metadata"]["name"],
        spec.get("group") or "",
        spec["version"],
        service.get("namespace") or "",
        service.get("name") or "",
        int(service.get("port") or 443),
        spec.get("caBundle") or "",
        bool(spec.get("insecureSkipTLSVerify")),
        conditions.is_true(api_service, "Available"),
        int(spec.get("groupPriorityMinimum") or 0),
        int(spec.get("versionPriority") or 0),
    )


class Remotes:
    """``by_version`` is empty in most clusters, which makes asking it free."""

    def __init__(self, access: contract.Access) -> None:
        self.by_version: dict[tuple[str, str], Remote] = {}
        # Every APIService as last seen, local ones among them. Shared: not to be changed.
        self.objects: dict[str, Object] = {}
        self._listeners: list[Listener] = []
        access.subscribe(API_SERVICES, self._changed)

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None:
            self.objects.pop(old["metadata"]["name"], None)
            before = remote_of(old)
            if before is not None:
                self.by_version.pop((before.group, before.version), None)
        if new is not None:
            self.objects[new["metadata"]["name"]] = new
            now = remote_of(new)
            if now is not None:
                self.by_version[now.group, now.version] = now
        for listener in self._listeners:
            listener(old, new)
