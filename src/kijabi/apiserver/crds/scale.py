"""Where a custom resource keeps what its ``scale`` subresource shows.

Source: apiextensions-apiserver pkg/registry/customresource (etcd.go's ScaleREST, validator.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kijabi.api import errors, field
from kijabi.api.resource import Object

_MOST = 2**31 - 1
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Paths:
    """Simple paths (``.spec.replicas``); ``selector`` may be empty."""

    replicas: str
    status_replicas: str
    selector: str = ""

    @staticmethod
    def of(version: Object) -> Paths | None:
        """Those of a version of a definition; None where it has no such subresource."""
        scale = (version.get("subresources") or {}).get("scale")
        if scale is None:
            return None
        return Paths(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath") or "")

    def scale(self, obj: Object) -> Object:
        """The Scale's ``spec`` and ``status``. Raises InternalError where there are no replicas."""
        replicas = _found(obj, self.replicas)
        if replicas is _MISSING:
            raise errors.InternalError(
                f'Internal error occurred: the spec replicas field "{self.replicas}" does not exist'
            )
        made: Object = {"spec": {}, "status": {"replicas": _or_zero(_found(obj, self.status_replicas))}}
        if replicas:
            made["spec"]["replicas"] = replicas
        selector = _found(obj, self.selector) if self.selector else _MISSING
        if isinstance(selector, str) and selector:
            made["status"]["selector"] = selector
        return made

    @property
    def steps(self) -> list[str]:
        """The names along the path of the replicas."""
        return _steps(self.replicas)

    def set(self, obj: Object, replicas: int) -> None:
        steps = _steps(self.replicas)
        holder = obj
        for step in steps[:-1]:
            holder = holder.setdefault(step, {})
        holder[steps[-1]] = replicas

    def validate_spec(self, obj: Object) -> list[field.Error]:
        return _replicas(obj, self.replicas)

    def validate_status(self, obj: Object) -> list[field.Error]:
        found = _replicas(obj, self.status_replicas)
        given = _found(obj, self.selector) if self.selector else _MISSING
        if given is not _MISSING and not isinstance(given, str):
            text = f"{self.selector} accessor error: {given!r} is of the type {type(given).__name__}, expected string"
            found.append(field.invalid(self.selector, "", text))
        return found


def _steps(path: str) -> list[str]:
    return path.removeprefix(".").split(".")


def _found(obj: Any, path: str) -> Any:
    for step in _steps(path):
        if not isinstance(obj, dict) or step not in obj:
            return _MISSING
        obj = obj[step]
    return obj


def _or_zero(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _replicas(obj: Object, path: str) -> list[field.Error]:
    given = _found(obj, path)
    if given is _MISSING:
        return []
    if not isinstance(given, int) or isinstance(given, bool):
        text = f"{path} accessor error: {given!r} is of the type {type(given).__name__}, expected int64"
        return [field.invalid(path, 0, text)]
    if given < 0:
        return [field.invalid(path, given, "should be a non-negative integer")]
    return [field.invalid(path, given, f"should be less than or equal to {_MOST}")] if given > _MOST else []
