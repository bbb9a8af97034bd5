"""Services, EndpointSlices and Namespaces, from informers into the zone."""

from __future__ import annotations

from kijabi.api import kinds
from kijabi.api.resource import Object
from kijabi.client import informer, rest
from kijabi.kit import tasks
from kijabi.node.dns import records, zone

SERVICE_NAME = "kubernetes.io/service-name"
_BY_SERVICE = "service"
# Whose address is that of the zone's name server.
_OWN_SERVICE = "kube-system/kube-dns"
_ZONE = "zone"


class Watch:
    """Keeps a zone equal to what the API server says. A change of a Service touches that Service's records alone."""

    def __init__(self, client: rest.Client, names: zone.Zone) -> None:
        self._zone = names
        self._services = informer.Informer(client, kinds.SERVICES)
        self._slices = informer.Informer(client, kinds.ENDPOINT_SLICES, indexes={_BY_SERVICE: _service_of})
        self._namespaces = informer.Informer(client, kinds.NAMESPACES)
        self._services.subscribe(self._service_changed)
        self._slices.subscribe(self._slice_changed)
        self._namespaces.subscribe(self._namespace_changed)
        self._zone.set(_ZONE, records.of_zone(names.domain, ""))

    @property
    def synced(self) -> bool:
        return self._services.synced and self._slices.synced and self._namespaces.synced

    def start(self, owner: tasks.Nursery) -> None:
        for name, one in (("services", self._services), ("slices", self._slices), ("namespaces", self._namespaces)):
            owner.keep(one.run, name)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        self._refresh(informer.key_of(new or old or {}))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for key in {*_service_of(old or {}), *_service_of(new or {})}:
            self._refresh(key)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None:
            self._zone.set_namespaces(one["metadata"]["name"] for one in self._namespaces.items())

    def _refresh(self, key: str) -> None:
        service = self._services.by_key(key)
        if key == _OWN_SERVICE:
            address = (service or {}).get("spec", {}).get("clusterIP", "")
            self._zone.set(_ZONE, records.of_zone(self._zone.domain, address if address != "None" else ""))
        slices = self._slices.by_index(_BY_SERVICE, key)
        self._zone.set(key, records.of_service(service, slices, self._zone.domain) if service else [])


def _service_of(one: Object) -> list[str]:
    """The key of the Service that a slice is of."""
    meta = one.get("metadata") or {}
    name = (meta.get("labels") or {}).get(SERVICE_NAME)
    return [f"{meta.get('namespace', '')}/{name}"] if name else []
