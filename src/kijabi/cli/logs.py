"""``kijabi logs``."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from kijabi.cli import shared
from kijabi.cluster import errors, state


@click.command("logs")
@click.argument("component")
@click.option("--follow", "-f", is_flag=True, help="Go on as it grows.")
@click.option("--tail", default=-1, help="Only the last so many lines.")
@shared.cluster_name()
def command(component: str, follow: bool, tail: int, name: str) -> None:
    """Print a component's log: apiserver, scheduler, controller-manager, supervisor, kubelet-NODE, containerd-NODE …"""
    directory = state.must_load(name).paths.logs
    path = directory / f"{component}.log"
    # A path is no component.
    if os.sep in component or not path.exists():
        there = ", ".join(sorted(entry.stem for entry in directory.glob("*.log"))) or "none yet"
        raise errors.Unknown(f"there is no log of {component}: there are {there}")
    _print(path, follow, tail)


def _print(path: Path, follow: bool, tail: int) -> None:
    with path.open(errors="replace") as file:
        lines = file.readlines()
        click.echo("".join(lines if tail < 0 else lines[len(lines) - min(tail, len(lines)) :]), nl=False)
        while follow:
            text = file.read()
            if text:
                click.echo(text, nl=False)
            else:
                time.sleep(0.2)
