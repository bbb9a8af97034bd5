"""``kijabi up``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import click

from kijabi.cli import progress, shared
from kijabi.cluster import assembly, kubeconfig, state


def _arguments(component: str, shown: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    text = f"A flag for the {shown}, under upstream's name; may be repeated."
    return click.option(f"--{component}-arg", multiple=True, metavar="FLAG=VALUE", help=text)


def _read(values: tuple[str, ...]) -> dict[str, str]:
    """Flags by name. A file is meant from where ``up`` was called."""
    found = {}
    for text in values:
        flag, sign, value = text.removeprefix("--").partition("=")
        if not sign:
            raise click.BadParameter(f"{text!r} is not FLAG=VALUE")
        if flag.endswith(("-file", "-config")) and value and Path(value).exists():
            value = str(Path(value).absolute())
        found[flag] = value
    return found


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
@_arguments("kubelet", "kubelets")
@_arguments("scheduler", "scheduler")
@_arguments("controller-manager", "controller manager")
@_arguments("apiserver", "API server")
@shared.quiet()
def command(name: str, nodes: int, runtime: str, store: str, quiet: bool, **arguments: tuple[str, ...]) -> None:
    """Bring a cluster up, or repair and extend the one that is there.

    The context kijabi-NAME is merged into your kubeconfig and becomes the current one. What a component is told by
    its --...-arg is remembered, and replaced by what it is told next time.
    """
    told = {who.removesuffix("_arg").replace("_", "-"): _read(values) for who, values in arguments.items() if values}
    wish = assembly.Wish(name, nodes, cast(state.Runtime, runtime), store, told)
    with progress.Steps(quiet) as report:
        cluster = assembly.up(wish, report)
    if not quiet:
        click.echo(f"Cluster {name} is ready at {cluster.server} after {report.seconds:.1f} s. Try:", err=True)
        click.echo(f"  kubectl --context {kubeconfig.context_name(name)} get nodes -o wide", err=True)
