"""Start a component: fork, leave everything of the daemon behind, enter the namespace, run."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import traceback
from pathlib import Path

from kijabi.cluster import programs
from kijabi.cluster.supervisor import plan
from kijabi.kit import logs

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def start(component: plan.Component) -> int:
    """The new process's id. The component's code is loaded here, before the fork, so that it is shared."""
    program = programs.load(component.program) if component.program else None
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _leave(component, parent)
        if program is None:
            os.execvpe(component.command[0], component.command, {**os.environ, **component.environment})
        os.environ.update(component.environment)
        logs.configure(logging.INFO)
        programs.serve(program, programs.options(program, component.options))
        code = 0
    except BaseException:  # noqa: BLE001 - the end of this process's root; nothing above may run in the child
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _leave(component: plan.Component, parent: int) -> None:
    """From the daemon's child to a process of its own."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # the daemon died before the kernel knew to tell us
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    _redirect(component.log)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    _LIBC.prctl(_PR_SET_NAME, component.name.encode()[:15], 0, 0, 0)
    if component.namespace:
        _enter(component.namespace)


def _redirect(log: str) -> None:
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _enter(namespace: str) -> None:
    descriptor = os.open(namespace, os.O_RDONLY)
    if _LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {namespace}")
    os.close(descriptor)
