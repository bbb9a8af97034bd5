"""What upstream's schema says of every kind: field names, types, merge keys, descriptions.

Purpose: checking decoded objects, strategic merge patch, server-side apply and the OpenAPI documents. The data is
compiled out of the package ``kubernetes-validate`` (see ``compile``) and holds minor versions 1.25 to 1.37.
Left out: defaults, enumerations and value rules, which are in the kinds' own files.
"""

from __future__ import annotations

import functools
from typing import Any

from kijabi.api import errors
from kijabi.api.schema import check, compile, types
from kijabi.api.schema.check import Problem

__all__ = ["CURRENT", "NotCompiled", "Problem", "Schemas", "refuse"]

CURRENT = "1.36"

Kind = tuple[str, str, str]


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


def refuse(gvk: Kind, problems: list[str], *, strict: bool = False) -> errors.BadRequest:
    """The 400 that says why an object could not be decoded (``strict``: because of unknown or duplicate fields)."""
    _, version, kind = gvk
    text = ", ".join(problems)
    if strict:
        text = f"strict decoding error: {text}"
    return errors.BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: {text}')
