"""``kijabi image``."""

from __future__ import annotations

from pathlib import Path

import click

from kijabi.cli import progress, shared
from kijabi.cluster.images import build as builder
from kijabi.cluster.images import recipe
from kijabi.cluster.nodes import images


@click.group("image")
def command() -> None:
    """Build images from this machine's packages, load them into nodes, list them.

    For sites without a registry: `kijabi image build nginx --load` makes nginx from the distribution's package.
    """


@command.command("build")
@click.argument("names", nargs=-1)
@click.option("--file", "-f", "files", multiple=True, type=click.Path(path_type=Path), help="A recipe of your own.")
@click.option("--load", is_flag=True, help="Load the images into the cluster's nodes too.")
@click.option("--again", is_flag=True, help="Even if they are built already (to take newer packages).")
@shared.cluster_name()
@shared.quiet()
def build(names: tuple[str, ...], files: tuple[Path, ...], load: bool, again: bool, name: str, quiet: bool) -> None:
    """Build images; the archives' paths are printed. NAMES are built-in recipes (all, if none is given)."""
    wanted = [recipe.read(path) for path in files]
    wanted += [recipe.built_in(one) for one in names or (() if files else recipe.built_in_names())]
    with progress.Steps(quiet) as report:
        for one in wanted:
            report(f"building {one.name}")
            path = builder.build(one, again=again)
            if load:
                report(f"loading {one.name}")
                images.load(name, path)
            click.echo(path)


@command.command("load")
@click.argument("archive", type=click.Path(path_type=Path))
@shared.cluster_name()
@shared.quiet()
def load(archive: Path, name: str, quiet: bool) -> None:
    """Load an OCI or docker archive (`docker save`) into every node of a cluster."""
    with progress.Steps(quiet) as report:
        report(f"loading {archive.name}")
        images.load(name, archive)


@command.command("ls")
@shared.cluster_name()
def list_(name: str) -> None:
    """List the images of a cluster's nodes, and on which nodes they are."""
    found = images.by_name(name)
    width = max((len(image) for image in found), default=0)
    for image, nodes in sorted(found.items()):
        click.echo(f"{image:<{width}}  {', '.join(nodes)}")
