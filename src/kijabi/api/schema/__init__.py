"""What upstream's schema says of every kind: field names, types, merge keys, descriptions.

Purpose: checking decoded objects, strategic merge patch, server-side apply and the OpenAPI documents. The data is
compiled out of the package ``kubernetes-validate`` (see ``compile``) and holds minor versions 1.25 to 1.37.
Left out: defaults, enumerations and value rules, which are in the kinds' own files.
"""

from __future__ import annotations

import functools
from typing import Any

import orjson

from kijabi.api import errors, served
from kijabi.api.schema import check, compile, openapi, protobuf, types
from kijabi.api.schema.check import Problem

__all__ = ["CURRENT", "NotCompiled", "Problem", "Schemas", "refuse"]

CURRENT = "1.36"

Kind = tuple[str, str, str]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_COMMON = (
    *(_META + name for name in ("ObjectMeta", "ListMeta", "Status", "Patch", "DeleteOptions")),
    "io.k8s.api.autoscaling.v1.Scale",
)


class NotCompiled(RuntimeError):
    """There is no compiled file and the package to compile it from is missing, or the minor version is unknown."""


class Schemas:
    """The schemas of one minor version. Objects of this class are shared; get one through ``load``."""

    def __init__(self, minor: str, definitions: dict[str, Any]) -> None:
        self.minor = minor
        self.graph = types.Graph(definitions)
        self._tests = check.Tests()

    @staticmethod
    @functools.cache
    def load(minor: str = CURRENT) -> Schemas:
        """Compiles the file when it is missing. ``NotCompiled`` where that cannot be done."""
        if not compile.TARGET.exists():
            try:
                compile.compile_all()
            except compile.SourceMissing as error:
                raise NotCompiled(str(error)) from error
        try:
            return Schemas(minor, compile.read(minor, "types"))
        except KeyError as error:
            raise NotCompiled(f"there is no schema of Kubernetes {minor}") from error

    def type_of(self, gvk: Kind) -> types.Type | None:
        """``gvk`` is (group, version, kind), the group of core being empty. ``None`` where it is no built-in kind."""
        name = self.graph.by_kind.get(gvk)
        return self.graph.definition(name) if name is not None else None

    def merge_info(self, gvk: Kind) -> types.Type | None:
        """The same type, whose fields carry merge strategies, merge keys and list types."""
        return self.type_of(gvk)

    def check(self, gvk: Kind, obj: dict[str, Any]) -> list[Problem]:
        """Problems in upstream's words, fatal ones first; empty for kinds without a schema.

        The object is put into the form in which it is stored: unknown fields and nulls are dropped, quantities and
        times are canonical. Where a problem is fatal the object is left half done and must not be used.
        """
        kind = self.type_of(gvk)
        if kind is None or self._tests.of(kind)(obj):
            return []
        return check.Walk().run(kind, obj)

    def is_settled(self, gvk: Kind, part: dict[str, Any]) -> bool:
        """Whether some fields of an object are exactly as they are stored: ``check`` would find and change nothing."""
        kind = self.type_of(gvk)
        return kind is None or self._tests.of(kind)(part)

    def _documents(self) -> openapi.Documents:
        # Read anew for each of the three forms, and not kept: with all descriptions it is larger than the rest of an
        # idle server.
        return openapi.Documents(self.minor, compile.read(self.minor, "full"))

    @functools.cached_property
    def common_definitions(self) -> dict[str, Any]:
        """What documents of custom resources refer to, in version 2's form: metadata, Status, Scale and the like."""
        return self._documents().closure(list(_COMMON))

    @functools.cached_property
    def _v2(self) -> bytes:
        return orjson.dumps(self._documents().v2())

    @functools.cached_property
    def _v2_protobuf(self) -> bytes:
        return protobuf.document(self._documents().v2())

    @functools.cached_property
    def _v3(self) -> dict[str, bytes]:
        versions = dict.fromkeys(row.api_version for row in served.RESOURCES)
        documents = self._documents()
        return {version: orjson.dumps(documents.v3(version)) for version in versions}

    def openapi_v2(self) -> bytes:
        """The document of ``/openapi/v2`` as JSON."""
        return self._v2

    def openapi_v2_protobuf(self) -> bytes:
        """The same as ``protobuf.MEDIA_TYPE``, the only form old kubectls read."""
        return self._v2_protobuf

    def openapi_v3_index(self) -> bytes:
        """The document of ``/openapi/v3``: where each group and version is, with hashes."""
        return openapi.index(self._v3)

    def openapi_v3(self, group_version: str) -> bytes | None:
        """The document of one group and version, named ``v1`` or ``apps/v1``, or as the index does (``apis/apps/v1``).

        ``None`` where there is none.
        """
        return self._v3.get(group_version.removeprefix("apis/").removeprefix("api/"))


def refuse(gvk: Kind, problems: list[str], *, strict: bool = False) -> errors.BadRequest:
    """The 400 that says why an object could not be decoded (``strict``: because of unknown or duplicate fields)."""
    _, version, kind = gvk
    text = ", ".join(problems)
    if strict:
        text = f"strict decoding error: {text}"
    return errors.BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: {text}')
