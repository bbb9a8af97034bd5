"""Managed fields on the road to the store: through which view a write looks, and under what name.

``api/managed`` computes; here is found out with what. A view is made once per endpoint and subresource, since types and
reset fields are the same for every request.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import managed, schema
from kijabi.api.managed import resets, shapes
from kijabi.apiserver import params
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.registry.registry import Endpoint, Object, Registry

# What the server's own writes are recorded under, as upstream's are by its loopback client's user agent.
SERVER = "kube-apiserver"
_LONGEST = 128
_CHANGED_BY_ADMISSION = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating "
    "admission controller; please fix your requests: {why}"
)

_SCALE = ("autoscaling", "v1", "Scale")
# The shapes of built-in kinds, which never change.
_BUILT_IN = managed.Shapes()


def writer(context: RequestContext, options: params.WriteOptions) -> str:
    """The manager of a write: as the request says, else the program in its user agent."""
    if options.field_manager:
        return options.field_manager
    request = context.request
    if not request.method:
        return SERVER
    program = request.headers.get("User-Agent", "").partition("/")[0]
    if program.isascii() and program.isprintable() and len(program) <= _LONGEST:
        return program
    return _bounded(program)


def _bounded(program: str) -> str:
    kept, size = [], 0
    for letter in program:
        if not letter.isprintable():
            continue
        size += len(letter.encode())
        if size > _LONGEST:
            break
        kept.append(letter)
    return "".join(kept)


def view(reg: Registry, endpoint: Endpoint, subresource: str) -> managed.View:
    found = endpoint.views.get(subresource)
    if found is None:
        found = endpoint.views[subresource] = _view(reg, endpoint, subresource)
    return found


def _view(reg: Registry, endpoint: Endpoint, subresource: str) -> managed.View:
    what = endpoint.resource
    custom = not isinstance(endpoint.schemas, schema.Schemas | None)

    def convert(obj: Object, version: str) -> tuple[shapes.Shape, Object] | None:
        return _in_version(reg, endpoint, obj, version)

    return managed.View(
        _shape(endpoint),
        what.api_version,
        what.kind,
        subresource,
        resets.of(what, subresource, custom),
        convert,
        changeable=custom,
    )


def scale_view(reg: Registry) -> managed.View:
    """How a write looks at the Scale of whatever."""
    kind = reg.parts.schemas.type_of(_SCALE) if reg.parts.schemas is not None else None
    return managed.View(_BUILT_IN.of(kind), "autoscaling/v1", "Scale", "scale")


def _shape(endpoint: Endpoint) -> shapes.Shape:
    schemas = endpoint.schemas
    if schemas is None:
        return shapes.FREE
    made = _BUILT_IN if isinstance(schemas, schema.Schemas) else managed.Shapes()
    return made.of(schemas.type_of(endpoint.gvk))


def _in_version(reg: Registry, endpoint: Endpoint, obj: Object, version: str) -> tuple[shapes.Shape, Object] | None:
    """An object of any version of this resource as another version has it; None where that is not served."""
    served = {one.resource.api_version: one for one in reg.endpoints.values() if one.cache is endpoint.cache}
    source, target = served.get(obj.get("apiVersion", ""), endpoint), served.get(version)
    if target is None:
        return None
    shape = view(reg, target, "").shape
    meta = obj.get("metadata")
    if not meta:
        return shape, {}
    if source.remote is not None or target.remote is not None:
        # A webhook cannot be waited for here. Fields that kept their place keep their owners.
        return shape, {**obj, "apiVersion": version}
    converted = target.codec.decode(source.codec.encode(obj), 0)
    if "resourceVersion" in meta:
        converted["metadata"]["resourceVersion"] = meta["resourceVersion"]
    return shape, converted


def created(reg: Registry, endpoint: Endpoint, obj: Object, manager: str) -> None:
    """Record a new object's fields, before admission adds those that are nobody's."""
    managed.update(view(reg, endpoint, ""), {}, obj, manager, reg.clock.time())


def updated(reg: Registry, endpoint: Endpoint, subresource: str, old: Object, new: Object, manager: str) -> None:
    managed.update(view(reg, endpoint, subresource), old, new, manager, reg.clock.time())


def admitted(obj: Object, before: Any, warnings: list[str]) -> None:
    """After admission: managed fields that cannot be read any more are put back as they were."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict):
        return
    after = meta.get("managedFields")
    if after is before or not after:
        return
    why = managed.fits(after)
    if why:
        warnings.append(_CHANGED_BY_ADMISSION.format(why=why))
        if before:
            meta["managedFields"] = before
        else:
            del meta["managedFields"]


def keep_times(new: Object, old: Object) -> None:
    """Where nothing but times of managed fields changed, nothing changed."""
    mine, theirs = new["metadata"].get("managedFields"), old["metadata"].get("managedFields")
    if not mine or not theirs or len(mine) != len(theirs) or mine == theirs:
        return
    for one, other in zip(mine, theirs, strict=True):
        if one is not other and {**one, "time": None} != {**other, "time": None}:
            return
    if {**new, "metadata": None} != {**old, "metadata": None}:
        return
    if {**new["metadata"], "managedFields": None} == {**old["metadata"], "managedFields": None}:
        new["metadata"]["managedFields"] = theirs
