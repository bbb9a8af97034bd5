"""Steps with their times on standard error: one line each, rewritten in place only on a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

import click


class Steps:
    """``with Steps() as report: report("keys")``: a step ends when the next begins, or with the block."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._began = time.monotonic()
        self._since = self._began
        self._step = ""

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end(failed=error is not None)

    def __call__(self, step: str) -> None:
        self._end(failed=False)
        self._step, self._since = step, time.monotonic()
        if not self._quiet and sys.stderr.isatty():
            click.echo(f" • {step} …", err=True, nl=False)

    @property
    def seconds(self) -> float:
        """Since the first step."""
        return time.monotonic() - self._began

    def _end(self, *, failed: bool) -> None:
        if not self._step or self._quiet:
            return
        took = f"{time.monotonic() - self._since:.1f} s"
        again = "\r" if sys.stderr.isatty() else ""
        click.echo(f"{again} {'✗' if failed else '✓'} {self._step} ({took})  ", err=True)
        self._step = ""
