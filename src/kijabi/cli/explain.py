"""``kijabi explain``."""

from __future__ import annotations

import click

from kijabi.api import errors as api_errors
from kijabi.cli import shared
from kijabi.cluster import errors, placement, state
from kijabi.kit import jsons


@click.command("explain")
@click.argument("pod")
@click.option("--namespace", "-n", default="default", show_default=True, help="The pod's namespace.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@shared.cluster_name()
def command(pod: str, namespace: str, output: str, name: str) -> None:
    """Say why a pod was placed where it is: per node the filter that said no, per plugin the score.

    POD is pod/NAME or NAME.
    """
    kind, slash, rest = pod.rpartition("/")
    if slash and kind not in ("pod", "pods", "po"):
        raise errors.ClusterError(f"only pods are placed, not a {kind}: `kijabi explain pod/NAME`")
    cluster = state.must_load(name)
    try:
        decision = placement.fetch(cluster, namespace, rest)
    except api_errors.ApiError as error:
        if error.code == 404:
            raise errors.Unknown(f"the scheduler remembers no decision about {namespace}/{rest}") from error
        raise errors.ClusterError(f"the scheduler: {error}") from error
    if output == "json":
        click.echo(jsons.dumps(decision))
        return
    for line in placement.table(decision):
        click.echo(line)
