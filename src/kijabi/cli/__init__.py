"""The command line: one file per verb.

Guarantees: ``kijabi --help`` imports no room (the verb's module is imported when the verb runs), an error the user can
act on is one line on standard error, and exit codes are for scripts: 0 done, 1 failed, 2 wrong usage, 3 what was asked
about does not exist or does not run, 4 needs root.
"""

from __future__ import annotations

import importlib
import sys

import click

from kijabi import KUBERNETES_VERSION, VERSION
from kijabi.api import errors as api_errors
from kijabi.cluster import errors

# Verb → what `kijabi --help` says about it. The module is kijabi.cli.VERB, its click command is called `command`.
CLUSTER_VERBS = {
    "up": "Bring a cluster up, or repair it.",
    "down": "Remove a cluster and everything it made.",
    "status": "Say what runs, and where.",
    "demo": "Set up, deploy nginx, show it served and why it was placed so.",
    "kubeconfig": "Print a cluster's kubeconfig.",
    "node": "Add, stop, start, kill or remove a node.",
    "image": "Build, load or list images.",
    "explain": "Say why a pod was placed where it is.",
    "logs": "Print a component's log.",
    "test": "Check and test this checkout.",
}
COMPONENT_VERBS = {
    "apiserver": "Run the API server.",
    "scheduler": "Run the scheduler.",
    "controller-manager": "Run the controllers.",
    "kubelet": "Run a node agent.",
    "proxy": "Run the service proxy of a node.",
    "dns": "Run the cluster DNS agent of a node.",
}


class Verbs(click.Group):
    """Imports a verb's module only when that verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*CLUSTER_VERBS, *COMPONENT_VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in CLUSTER_VERBS and cmd_name not in COMPONENT_VERBS:
            return None
        module = importlib.import_module(f"kijabi.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in (("Clusters", CLUSTER_VERBS), ("Components", COMPONENT_VERBS)):
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, message=f"kijabi {VERSION} (Kubernetes {KUBERNETES_VERSION})")
def kijabi() -> None:
    """A complete Kubernetes on this machine."""


def main() -> None:
    try:
        kijabi(prog_name="kijabi")
    except errors.ClusterError as error:
        click.echo(f"kijabi: {error}", err=True)
        sys.exit(error.exit_code)
    except api_errors.ApiError as error:
        click.echo(f"kijabi: the API server refused: {error}", err=True)
        sys.exit(1)
