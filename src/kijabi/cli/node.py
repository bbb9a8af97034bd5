"""``kijabi node``."""

from __future__ import annotations

import click

from kijabi.cli import progress, shared
from kijabi.cluster import membership


@click.group("node")
def command() -> None:
    """Add, stop, start, kill or remove a node."""


@command.command("add")
@click.argument("node", default="")
@shared.cluster_name()
@shared.quiet()
def add(node: str, name: str, quiet: bool) -> None:
    """Add a node, and wait until it is Ready. Its name is printed."""
    with progress.Steps(quiet) as report:
        made = membership.add_node(name, node, report)
    click.echo(made.name)


@command.command("start")
@click.argument("node")
@shared.cluster_name()
@shared.quiet()
def start(node: str, name: str, quiet: bool) -> None:
    """Start a stopped or killed node, and wait until it is Ready."""
    with progress.Steps(quiet) as report:
        membership.start_node(name, node, report)


@command.command("stop")
@click.argument("node")
@shared.cluster_name()
@shared.quiet()
def stop(node: str, name: str, quiet: bool) -> None:
    """Shut a node down. Its Node object stays and becomes NotReady."""
    with progress.Steps(quiet) as report:
        membership.stop_node(name, node, report)


@command.command("kill")
@click.argument("node")
@shared.cluster_name()
@shared.quiet()
def kill(node: str, name: str, quiet: bool) -> None:
    """Cut a node's cable and kill everything on it, as a loss of power does."""
    with progress.Steps(quiet) as report:
        membership.stop_node(name, node, report, kill=True)


@command.command("rm")
@click.argument("node")
@shared.cluster_name()
@shared.quiet()
def remove(node: str, name: str, quiet: bool) -> None:
    """Remove a node, its Node object and its files."""
    with progress.Steps(quiet) as report:
        membership.remove_node(name, node, report)
