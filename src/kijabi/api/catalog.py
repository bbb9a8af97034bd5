"""Finds the behaviour of a kind: by the path of its resource, or by group, version and kind.

The list of modules below is explicit on purpose: what is served can be read here, and nothing is found by scanning.
Kinds of the table in ``served`` that have no file behave generically: metadata is validated, and where there is a
status it is kept apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from kijabi.api import field, metadata, resource, served
from kijabi.api.admissionregistration import (
    mutatingadmissionpolicy,
    mutatingadmissionpolicybinding,
    mutatingwebhookconfiguration,
    validatingadmissionpolicy,
    validatingadmissionpolicybinding,
    validatingwebhookconfiguration,
)
from kijabi.api.apiextensions import customresourcedefinition
from kijabi.api.apiregistration import apiservice
from kijabi.api.apps import controllerrevision, daemonset, deployment, replicaset, statefulset
from kijabi.api.autoscaling import horizontalpodautoscaler, horizontalpodautoscaler_v1
from kijabi.api.batch import cronjob, job
from kijabi.api.certificates import certificatesigningrequest
from kijabi.api.coordination import lease
from kijabi.api.core import (
    componentstatus,
    configmap,
    endpoints,
    event,
    limitrange,
    namespace,
    node,
    persistentvolume,
    persistentvolumeclaim,
    pod,
    podtemplate,
    replicationcontroller,
    resourcequota,
    secret,
    service,
    serviceaccount,
)
from kijabi.api.discovery import endpointslice
from kijabi.api.events import event as events_event
from kijabi.api.flowcontrol import flowschema, prioritylevelconfiguration
from kijabi.api.networking import ingress, ingressclass, ipaddress, networkpolicy, servicecidr
from kijabi.api.node import runtimeclass
from kijabi.api.policy import poddisruptionbudget
from kijabi.api.rbac import clusterrole, clusterrolebinding, role, rolebinding
from kijabi.api.resource import Object, Resource, Strategy
from kijabi.api.resource_k8s import deviceclass, resourceclaim, resourceclaimtemplate, resourceslice
from kijabi.api.scheduling import priorityclass
from kijabi.api.storage import (
    csidriver,
    csinode,
    csistoragecapacity,
    storageclass,
    volumeattachment,
    volumeattributesclass,
)

_MODULES: tuple[ModuleType, ...] = (
    componentstatus,
    configmap,
    endpoints,
    event,
    limitrange,
    namespace,
    node,
    persistentvolume,
    persistentvolumeclaim,
    pod,
    podtemplate,
    replicationcontroller,
    resourcequota,
    secret,
    service,
    serviceaccount,
    controllerrevision,
    daemonset,
    deployment,
    replicaset,
    statefulset,
    cronjob,
    job,
    mutatingadmissionpolicy,
    mutatingadmissionpolicybinding,
    mutatingwebhookconfiguration,
    validatingadmissionpolicy,
    validatingadmissionpolicybinding,
    validatingwebhookconfiguration,
    customresourcedefinition,
    apiservice,
    horizontalpodautoscaler,
    horizontalpodautoscaler_v1,
    certificatesigningrequest,
    lease,
    endpointslice,
    flowschema,
    prioritylevelconfiguration,
    ingress,
    ingressclass,
    ipaddress,
    networkpolicy,
    servicecidr,
    runtimeclass,
    poddisruptionbudget,
    clusterrole,
    clusterrolebinding,
    role,
    rolebinding,
    priorityclass,
    csidriver,
    csinode,
    storageclass,
    volumeattachment,
    events_event,
    csistoragecapacity,
    volumeattributesclass,
    deviceclass,
    resourceclaim,
    resourceclaimtemplate,
    resourceslice,
)

# Groups whose objects may have finalizers without a domain.
_ANY_FINALIZER = (
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "coordination.k8s.io",
)

NAME_AND_CREATED = (
    resource.Column("Name", format="name", description="Name must be unique within a namespace."),
    resource.Column("Created At", "date", description="CreationTimestamp is the server's time of creation."),
)


@dataclass(frozen=True, slots=True)
class Group:
    """``versions`` stand in order of preference, the preferred one first."""

    name: str
    versions: tuple[str, ...]

    @property
    def preferred(self) -> str:
        return self.versions[0]


class Catalog:
    """An immutable set of strategies. Custom resources are not in it."""

    def __init__(self, strategies: Iterable[Strategy]) -> None:
        self._strategies = tuple(strategies)
        self._by_path = {(s.resource.group, s.resource.version, s.resource.plural): s for s in self._strategies}
        self._by_kind = {(s.resource.group, s.resource.version, s.resource.kind): s for s in self._strategies}

    def by_path(self, group: str, version: str, plural: str) -> Strategy | None:
        return self._by_path.get((group, version, plural))

    def by_kind(self, group: str, version: str, kind: str) -> Strategy | None:
        return self._by_kind.get((group, version, kind))

    def strategies(self) -> tuple[Strategy, ...]:
        return self._strategies

    def groups(self) -> tuple[Group, ...]:
        """In discovery's order, core (the empty name) first."""
        versions: dict[str, list[str]] = {}
        for strategy in self._strategies:
            listed = versions.setdefault(strategy.resource.group, [])
            if strategy.resource.version not in listed:
                listed.append(strategy.resource.version)
        return tuple(Group(name, tuple(listed)) for name, listed in versions.items())


@functools.cache
def default_catalog() -> Catalog:
    """What upstream v1.36 serves by default."""
    modules = {module.RESOURCE: module for module in _MODULES}
    return Catalog(_strategy(row, modules.get(row)) for row in served.RESOURCES)


def _strategy(row: Resource, module: ModuleType | None) -> Strategy:
    def own(name: str, default: Any) -> Any:
        return getattr(module, name, default)

    status_apart = "status" in row.subresources
    counted = own("GENERATION", False)
    stored = "get" in row.verbs and "create" in row.verbs
    rule: metadata.NameRule = own("NAME_RULE", metadata.subdomain)
    generic = Strategy(row)
    return Strategy(
        row,
        default=own("default", generic.default),
        prepare_create=own("prepare_create", _drop_status if status_apart else generic.prepare_create),
        prepare_update=own("prepare_update", _updating(status_apart, counted)),
        prepare_status=own("prepare_status", generic.prepare_status),
        validate_create=_creation(row, rule, own("validate_create", None))
        if stored
        else own("validate_create", generic.validate_create),
        validate_update=_change(row, own("validate_update", None)),
        validate_status=_change(row, own("validate_status", None)),
        warn_create=own("warn_create", generic.warn_create),
        warn_update=own("warn_update", generic.warn_update),
        warn_status=own("warn_status", generic.warn_status),
        column_names=own("COLUMNS", NAME_AND_CREATED),
        columns=own("columns", _name_and_created),
        fields=own("fields", generic.fields),
        generation=counted,
        grace_period=own("grace_period", None),
        extra=own("EXTRA", {}),
    )


def _drop_status(obj: Object) -> None:
    # Upstream's status is a struct, and Go writes a struct even where nothing is in it; clients count on that.
    obj["status"] = {}


def _updating(status_apart: bool, counted: bool) -> Callable[[Object, Object], None]:
    def prepare_update(new: Object, old: Object) -> None:
        if status_apart:
            resource.keep(new, old, "status")
        if counted:
            resource.count_generation(new, old, resource.is_changed(new, old))

    return prepare_update


def _creation(
    row: Resource, rule: metadata.NameRule, own: Callable[[Object], list[field.Error]] | None
) -> Callable[[Object], list[field.Error]]:
    strict = row.group not in _ANY_FINALIZER

    def validate_create(obj: Object) -> list[field.Error]:
        meta = obj.get("metadata") or {}
        found = metadata.validate(meta, row.namespaced, rule)
        if strict and meta.get("finalizers"):
            found += metadata.validate_standard_finalizers(meta)
        return found + own(obj) if own is not None else found

    return validate_create


def _change(
    row: Resource,
    own: Callable[[Object, Object], list[field.Error]] | None,
) -> Callable[[Object, Object], list[field.Error]]:
    strict = row.group not in _ANY_FINALIZER

    def validate_update(new: Object, old: Object) -> list[field.Error]:
        found = metadata.validate_update(new["metadata"], old["metadata"])
        if strict and new["metadata"].get("finalizers"):
            found += metadata.validate_standard_finalizers(new["metadata"])
        return found + own(new, old) if own is not None else found

    return validate_update


def _name_and_created(obj: Object, now: float) -> list[Any]:
    meta = obj["metadata"]
    return [meta.get("name", ""), meta.get("creationTimestamp")]
