"""Files of apiserver.config.k8s.io: reading one strictly, and noticing that one has changed.

``shape`` says what a file may hold: a mapping of field names to shapes, a list with one shape for all elements, or the
type of a scalar. Durations are text as Go writes them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kijabi.kit import clock, config, yamls

GROUP = "apiserver.config.k8s.io"
# How often a file is looked at, in seconds. A look is one stat.
LOOK_EVERY = 1.0

Shape = Any
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_WORDS = {str: "string", bool: "bool"}


class Unusable(config.Unusable):
    """The file cannot be read, or says what it must not."""


def read(data: bytes, kind: str, versions: Iterable[str], shape: Mapping[str, Shape]) -> dict[str, Any]:
    """The file's content, of one of ``versions``. Raises Unusable."""
    try:
        found = yamls.loads(data)
    except yamls.Malformed as error:
        raise Unusable(f"error converting YAML to JSON: {error}") from error
    if not isinstance(found, dict):
        raise Unusable("couldn't get version/kind; json parse error: json: cannot unmarshal into Go value")
    version, said = found.get("apiVersion") or "", found.get("kind") or ""
    if not said:
        raise Unusable(f"Object 'Kind' is missing in '{data.decode(errors='replace')}'")
    if not version:
        raise Unusable(f"Object 'apiVersion' is missing in '{data.decode(errors='replace')}'")
    if said != kind or version not in {f"{GROUP}/{one}" for one in versions}:
        raise Unusable(f'no kind "{said}" is registered for version "{version}"')
    problems = list(_problems(found, {**shape, "apiVersion": str, "kind": str}, ""))
    if problems:
        raise Unusable(f"strict decoding error: {', '.join(problems)}")
    return found


def _problems(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if value is None:
        return
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            yield f"json: cannot unmarshal value into Go struct field {path or '.'} of type struct"
            return
        for key, below in value.items():
            where = f"{path}.{key}" if path else str(key)
            if key in shape:
                yield from _problems(below, shape[key], where)
            else:
                yield f'unknown field "{where}"'
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"json: cannot unmarshal value into Go struct field {path} of type []"
            return
        for position, one in enumerate(value):
            yield from _problems(one, shape[0], f"{path}[{position}]")
    elif not isinstance(value, shape):
        yield f"json: cannot unmarshal value into Go struct field {path} of type {_WORDS.get(shape, shape)}"


def seconds(text: str) -> float:
    """``1m30s`` → 90.0; the empty text is 0. Raises Unusable."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest in ("", "0"):
        return 0.0
    parts = _SPAN.findall(rest)
    if "".join(number + unit for number, unit in parts) != rest:
        raise Unusable(f'time: invalid duration "{text}"')
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return -total if text.startswith("-") else total


def shown(span: float) -> str:
    """Seconds as Go shows a duration: ``1m30s``, ``500ms``."""
    if span == 0:
        return "0s"
    if span < 0:
        return f"-{shown(-span)}"
    if span < 1:
        return f"{span * 1000:g}ms"
    minutes, rest = divmod(span, 60)
    hours, minutes = divmod(int(minutes), 60)
    head = f"{hours}h" if hours else ""
    return f"{head}{minutes}m{rest:g}s" if hours or minutes else f"{rest:g}s"


def aggregated(problems: Iterable[Any]) -> str:
    """Several problems as one text: each once, in brackets where there are more than one."""
    unique = list(dict.fromkeys(str(one) for one in problems))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]" if unique else ""


class Watched:
    """A file whose content is given to ``changed`` when it is another than the last time."""

    def __init__(self, path: str, data: bytes, changed: Callable[[bytes], Any], timepiece: clock.Clock) -> None:
        self._path = Path(path)
        self._data = data
        self._changed = changed
        self._clock = timepiece
        self._mark: tuple[int, int, int] | None = None

    async def run(self) -> None:
        """For ever. ``changed`` may be a coroutine function; what it raises, but for Unusable, ends the run."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        try:
            stat = os.stat(self._path)
            mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if mark == self._mark:
                return
            data = self._path.read_bytes()
        except OSError:
            # Between two versions of a file there may be none for a moment.
            return
        if data != self._data:
            answer = self._changed(data)
            if hasattr(answer, "__await__"):
                answer = await answer
            if answer is False:
                # To be tried again: what was in the way may go.
                return
            self._data = data
        self._mark = mark
