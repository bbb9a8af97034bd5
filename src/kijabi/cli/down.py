"""``kijabi down``."""

from __future__ import annotations

import click

from kijabi.cli import progress, shared
from kijabi.cluster import assembly, state


@click.command("down")
@shared.cluster_name()
@click.option("--all", "everything", is_flag=True, help="Every cluster of yours.")
@shared.quiet()
def command(name: str, everything: bool, quiet: bool) -> None:
    """Remove a cluster and everything it made: processes, containers, namespaces, links, routes, files.

    That there is no such cluster is no error.
    """
    for one in state.names() if everything else [name]:
        with progress.Steps(quiet) as report:
            found = assembly.down(one, report)
        if not quiet:
            click.echo(f"Cluster {one} is gone." if found else f"There is no cluster {one}.", err=True)
