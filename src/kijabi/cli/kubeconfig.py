"""``kijabi kubeconfig``."""

from __future__ import annotations

import click

from kijabi.cli import shared
from kijabi.cluster import authority, state
from kijabi.kit import yamls


@click.command("kubeconfig")
@shared.cluster_name()
def command(name: str) -> None:
    """Print the administrator's kubeconfig of a cluster."""
    cluster = state.must_load(name)
    click.echo(yamls.dumps(authority.for_user(cluster)), nl=False)
