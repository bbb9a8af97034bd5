"""The components as programs: where each is, and how one is run in a process of its own.

A component's room has a module ``program`` with a dataclass ``Options`` (upstream's flag names as fields) and
``async def run(options, stop)``. They are looked up by name when wanted, so that a verb or the supervisor loads only
the rooms it runs.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import importlib
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import uvloop

from kijabi.cluster import errors, flags

MODULES: Mapping[str, str] = {
    "apiserver": "kijabi.apiserver.program",
    "scheduler": "kijabi.scheduler.program",
    "controller-manager": "kijabi.controllers.program",
    "kubelet": "kijabi.node.kubelet.program",
    "hollow-kubelet": "kijabi.cluster.hollow",
    "proxy": "kijabi.node.proxy.program",
    "dns": "kijabi.node.dns.program",
}


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    options: type[Any]
    run: Callable[[Any, asyncio.Event], Awaitable[None]]


_loaded: dict[str, Program] = {}


def load(name: str) -> Program:
    """The program, imported once. What is imported stays for good, so the collector need not look at it again."""
    if name not in _loaded:
        module = importlib.import_module(MODULES[name])
        _loaded[name] = Program(name, module.Options, module.run)
        # Frozen objects also keep their pages shared with the processes forked from here.
        gc.collect()
        gc.freeze()
    return _loaded[name]


def options(program: Program, values: Mapping[str, Any]) -> Any:
    """``values`` by field name. A field the program does not have is a mistake of the assembly, and said so.

    Under ``flags.ARGUMENTS`` are flags as text, which count for more than the rest.
    """
    told = read_arguments(program, values.get(flags.ARGUMENTS) or {})
    chosen = {name: value for name, value in values.items() if name != flags.ARGUMENTS}
    known = {field.name for field in dataclasses.fields(program.options)}
    unknown = sorted(set(chosen) - known)
    if unknown:
        raise errors.ClusterError(f"{program.name} has no option --{unknown[0].replace('_', '-')}")
    return program.options(**{**chosen, **told})


def read_arguments(program: Program, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Values by field name. Raises ClusterError."""
    try:
        return flags.read(program.options, arguments)
    except ValueError as error:
        raise errors.ClusterError(f"{program.name}: {error}") from error


def serve(program: Program, chosen: Any) -> None:
    """Run until it ends, or until SIGTERM or SIGINT asks it to; a second signal ends it at once."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(program, chosen))


async def _until_told(program: Program, chosen: Any) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(program.run(chosen, stop))

    def told() -> None:
        if stop.is_set():
            work.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    try:
        await work
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
