"""The template of a kind: what a resource declares, and the functions its file may define.

A kind's file reads, top to bottom::

    RESOURCE = resource.Resource(group="apps", version="v1", plural="deployments", kind="Deployment", ...)

    def default(obj: Object) -> None                                   # fill in what the client left out, in place
    def prepare_create(obj: Object) -> None                            # drop status, set generation, derived fields
    def prepare_update(new: Object, old: Object) -> None               # keep status, count generation
    def validate_create(obj: Object) -> list[field.Error]
    def validate_update(new: Object, old: Object) -> list[field.Error]
    def warn_create(obj: Object) -> list[str]                          # Warning headers of a create that is valid
    def warn_update(new: Object, old: Object) -> list[str]
    def columns(obj: Object, now: float) -> list[Any]                  # the cells of `kubectl get`; COLUMNS names them
    def fields(obj: Object) -> dict[str, str]                          # selectable beyond metadata.name/namespace

Besides these a file may say ``GENERATION = True`` (metadata.generation is kept), ``NAME_RULE`` (see ``metadata``),
``COLUMNS``, ``prepare_status``, ``validate_status``, ``warn_status`` and ``grace_period``. Metadata is validated by the
catalog for every kind, before the kind's own validation.

``catalog`` wraps the file as a ``Strategy``; a kind without a file gets the row in ``served`` and generic behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kijabi.api import field as fields_

Object = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a server-side table. ``priority`` 0 is always shown, 1 only with ``-o wide``."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Resource:
    """What discovery says of a resource, and all a client needs to address it.

    ``group`` is empty for core. ``subresources`` lists names (``status``, ``scale``, ``exec``…) that exist below an
    object. ``storage_version`` differs from ``version`` where several versions share what is stored.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """``deployments.apps``; just ``pods`` for core."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """``/api/v1`` or ``/apis/apps/v1``."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of a collection, an object or a subresource."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def __str__(self) -> str:
        return self.qualified


def _nothing(obj: Object) -> None:
    return None


def _nothing2(new: Object, old: Object) -> None:
    return None


def _valid(obj: Object) -> list[fields_.Error]:
    return []


def _valid2(new: Object, old: Object) -> list[fields_.Error]:
    return []


def _silent(obj: Object) -> list[str]:
    return []


def _silent2(new: Object, old: Object) -> list[str]:
    return []


def _no_fields(obj: Object) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Strategy:
    """A kind's behaviour, gathered from its file by ``catalog``; what the file leaves out is generic.

    ``reset_on_status`` lists nothing here: an update through ``/status`` takes only ``status`` (and upstream's few
    exceptions, which ``prepare_status`` handles) from the request, all else from the stored object.
    """

    resource: Resource
    default: Callable[[Object], None] = _nothing
    prepare_create: Callable[[Object], None] = _nothing
    prepare_update: Callable[[Object, Object], None] = _nothing2
    prepare_status: Callable[[Object, Object], None] = _nothing2
    validate_create: Callable[[Object], list[fields_.Error]] = _valid
    validate_update: Callable[[Object, Object], list[fields_.Error]] = _valid2
    validate_status: Callable[[Object, Object], list[fields_.Error]] = _valid2
    warn_create: Callable[[Object], list[str]] = _silent
    warn_update: Callable[[Object, Object], list[str]] = _silent2
    warn_status: Callable[[Object, Object], list[str]] = _silent2
    column_names: tuple[Column, ...] = ()
    columns: Callable[[Object, float], list[Any]] | None = None
    fields: Callable[[Object], dict[str, str]] = _no_fields
    # Whether metadata.generation is kept, and whether DELETE without options waits a grace period (pods).
    generation: bool = False
    grace_period: Callable[[Object, int | None], int] | None = None
    # ``stored`` (a Resource), ``from_stored`` and ``to_stored``, where several versions share what is stored.
    extra: Mapping[str, Any] = field(default_factory=dict)


def keep(new: Object, old: Object, key: str) -> None:
    """Make ``new[key]`` what it is in ``old``: nothing where ``old`` has none."""
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)


def keep_metadata(new: Object, old: Object) -> None:
    """For a status whose update leaves even the metadata as it was."""
    for key in ("labels", "annotations", "finalizers", "ownerReferences"):
        keep(new["metadata"], old["metadata"], key)


def is_changed(new: Object, old: Object, key: str = "spec") -> bool:
    """Whether a part differs, a missing one being as good as an empty one."""
    return (new.get(key) or {}) != (old.get(key) or {})


def count_generation(new: Object, old: Object, changed: bool) -> None:
    """``metadata.generation`` goes up by one when the desired state changes, and otherwise stays."""
    generation = old["metadata"].get("generation", 0)
    if changed:
        generation += 1
    if generation:
        new["metadata"]["generation"] = generation
