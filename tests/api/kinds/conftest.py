"""One object of a kind, changed in one place: what is said of it."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

from kijabi.api import catalog, resource

Object = dict[str, Any]
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
GONE = object()


def put(obj: Object, path: str, value: Any) -> None:
    """``path`` is one of field errors: ``spec.rules[0].host``. ``GONE`` removes."""
    steps = [int(index) if index else name for index, name in _STEP.findall(path)]
    here: Any = obj
    for step, following in itertools.pairwise(steps):
        if isinstance(here, dict):
            here = here.setdefault(step, [] if isinstance(following, int) else {})
        else:
            here = here[step]
    if value is GONE:
        del here[steps[-1]]
    elif isinstance(here, list) and steps[-1] == len(here):
        here.append(value)
    else:
        here[steps[-1]] = value


class Trial:
    """``base`` is a valid object without metadata. Changes are given as pairs of path and value."""

    def __init__(self, strategy: resource.Strategy, base: Object) -> None:
        self.strategy, self._base = strategy, base

    def made(self, *changes: tuple[str, Any]) -> Object:
        meta = {"name": "x", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
        if self.strategy.resource.namespaced:
            meta["namespace"] = "default"
        obj = {"metadata": meta, **copy.deepcopy(self._base)}
        for path, value in changes:
            put(obj, path, value)
        self.strategy.default(obj)
        self.strategy.prepare_create(obj)
        return obj

    def create(self, *changes: tuple[str, Any]) -> list[str]:
        return [str(error) for error in self.strategy.validate_create(self.made(*changes))]

    def update(self, *changes: tuple[str, Any], before: tuple[tuple[str, Any], ...] = ()) -> list[str]:
        """``before`` is put into the stored object."""
        new, old = self._pair(changes, before)
        self.strategy.default(new)
        self.strategy.prepare_update(new, old)
        return [str(error) for error in self.strategy.validate_update(new, old)]

    def status(self, *changes: tuple[str, Any], before: tuple[tuple[str, Any], ...] = ()) -> list[str]:
        new, old = self._pair(changes, before)
        self.strategy.prepare_status(new, old)
        return [str(error) for error in self.strategy.validate_status(new, old)]

    def _pair(self, changes: tuple[tuple[str, Any], ...], before: tuple[tuple[str, Any], ...]) -> tuple[Object, Object]:
        old = self.made()
        old["metadata"]["resourceVersion"] = "1"
        for path, value in before:
            put(old, path, value)
        new = copy.deepcopy(old)
        for path, value in changes:
            put(new, path, value)
        return new, old


Make = Callable[..., Trial]


@pytest.fixture
def trial() -> Make:
    def make(api_version: str, kind: str, base: Object) -> Trial:
        group, _, version = api_version.rpartition("/")
        found = catalog.default_catalog().by_kind(group, version, kind)
        assert found is not None
        return Trial(found, base)

    return make
