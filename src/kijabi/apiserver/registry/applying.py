"""Server-side apply as a function that makes a new object from the stored one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import yaml

from kijabi.api import errors, managed
from kijabi.apiserver import params
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.registry import decoding, metadata
from kijabi.apiserver.registry.registry import Object, Typing
from kijabi.kit import jsons, yamls

Kind = tuple[str, str, str]


class Applier:
    """Applies one configuration, perhaps several times. ``gvk`` is what it is of (a Scale, under ``/scale``)."""

    def __init__(
        self,
        context: RequestContext,
        gvk: Kind,
        schemas: Typing | None,
        options: params.WriteOptions,
        now: Callable[[], float],
    ) -> None:
        self._gvk = gvk
        self._schemas = schemas
        self._options = options
        self._now = now
        self._warnings = context.warnings
        self._applied = _parse(context.request.body)
        self._duplicates = "" if options.field_validation == "Ignore" else duplicates(context.request.body)
        self._check()

    def _check(self) -> None:
        """Raises BadRequest."""
        applied, (group, version, kind) = self._applied, self._gvk
        given_version, given_kind = applied.get("apiVersion") or "", applied.get("kind") or ""
        if (given_version, given_kind) != (f"{group}/{version}" if group else version, kind):
            shown = given_version if "/" in str(given_version) else f"/{given_version}"
            raise errors.BadRequest(f"invalid object type: {shown}, Kind={given_kind}")
        meta = applied.get("metadata")
        if isinstance(meta, dict) and isinstance(meta.get("managedFields"), list):
            raise errors.BadRequest("metadata.managedFields must be nil")

    def __call__(self, view: managed.View, current: Object) -> Object:
        """``current`` (``{}`` where there is none) with the configuration merged into it, checked. Raises ApiErrors."""
        options = self._options
        try:
            new = managed.apply(view, current, self._applied, options.field_manager, options.force, self._now())
        except managed.Unusable as error:
            raise plain(str(error)) from error
        self._say_duplicates()
        metadata.of(new)
        if self._schemas is not None:
            fatal = [problem for problem in self._schemas.check(self._gvk, new) if problem.fatal]
            if fatal:
                raise plain(f"failed to convert new object ({_about(new)}) to proper version: {fatal[0]}")
        return new

    def _say_duplicates(self) -> None:
        if not self._duplicates:
            return
        if self._options.field_validation == "Strict":
            raise errors.BadRequest(f"error strict decoding YAML: {self._duplicates}")
        if self._duplicates not in self._warnings:
            self._warnings.append(self._duplicates)


def plain(message: str) -> errors.ApiError:
    """What upstream reports as an error that is no Status: 500 without a reason, though the client is to blame."""
    error = errors.ApiError(message)
    error.reason = ""
    return error


def _about(obj: Object) -> str:
    meta = obj.get("metadata") or {}
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}; {group}/{version}, Kind={obj.get('kind', '')}"


def _parse(body: bytes) -> Object:
    """JSON, which is YAML too and what most clients send, is read as such. Raises BadRequest."""
    try:
        applied: Any = jsons.loads(body) if body[:1] == b"{" else None
    except jsons.Malformed:
        applied = None
    if applied is None:
        try:
            applied = yamls.loads(body)
        except yamls.Malformed as error:
            raise errors.BadRequest(f"error decoding YAML: error converting YAML to JSON: {error}") from error
    if applied is None:
        return {}
    if not isinstance(applied, dict):
        raise errors.BadRequest(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
            f"{'array' if isinstance(applied, list) else 'string'} into Go value of type map[string]interface {{}}"
        )
    return applied


def duplicates(body: bytes) -> str:
    """Upstream's text about keys that stand twice in one map; empty where none do."""
    if body[:1] == b"{":
        try:
            if not decoding.find_duplicates(body, orjson.loads(body)):
                return ""
        except orjson.JSONDecodeError:
            pass
    lines: list[str] = []
    # Only the first document counts; what stands behind it need not even be YAML.
    loader = yaml.CSafeLoader(body)
    try:
        _find(loader.get_node() if loader.check_node() else None, lines)
    finally:
        loader.dispose()
    if not lines:
        return ""
    return "\n  ".join(["error converting YAML to JSON: yaml: unmarshal errors:", *lines])


def _find(node: Any, lines: list[str]) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                lines.append(f'line {key.start_mark.line + 1}: key "{name}" already set in map')
            seen.add(name)
            _find(value, lines)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _find(item, lines)
