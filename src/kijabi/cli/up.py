"""``kijabi up``."""

from __future__ import annotations

from typing import cast

import click

from kijabi.cli import progress, shared
from kijabi.cluster import assembly, kubeconfig, state


@click.command("up")
@shared.cluster_name()
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(0, 250), help="How many, at least.")
@click.option(
    "--runtime",
    default="containerd",
    show_default=True,
    type=click.Choice(["containerd", "hollow"]),
    help="Real containers (needs root), or pods without containers.",
)
@click.option(
    "--store",
    default="",
    type=click.Choice(["", "sqlite", "etcd"]),
    metavar="[sqlite|etcd]",
    help="Where objects are; sqlite unless told otherwise.",
)
@shared.quiet()
def command(name: str, nodes: int, runtime: str, store: str, quiet: bool) -> None:
    """Bring a cluster up, or repair and extend the one that is there.

    The context kijabi-NAME is merged into your kubeconfig and becomes the current one.
    """
    wish = assembly.Wish(name, nodes, cast(state.Runtime, runtime), store)
    with progress.Steps(quiet) as report:
        cluster = assembly.up(wish, report)
    if not quiet:
        click.echo(f"Cluster {name} is ready at {cluster.server} after {report.seconds:.1f} s. Try:", err=True)
        click.echo(f"  kubectl --context {kubeconfig.context_name(name)} get nodes -o wide", err=True)
