"""The verbs that run one component in the foreground, with upstream's flags."""

from __future__ import annotations

import logging
import sys
from typing import Any

import click

from kijabi.cli import flags
from kijabi.cluster import programs
from kijabi.kit import config, logs


def verb(name: str, help: str) -> click.Command:
    """A command for the program of this name."""
    program = programs.load(name)

    @click.command(name, help=help)
    @click.option("--v", "verbosity", type=int, default=0, help="Log level; 4 and above is for debugging.")
    @click.option("--logging-format", type=click.Choice(["text", "json"]), default="text", help="How to log.")
    @flags.options(program.options)
    def command(verbosity: int, logging_format: str, **values: Any) -> None:
        logs.configure(logging.DEBUG if verbosity >= 4 else logging.INFO, logging_format)
        chosen = flags.given(program.options, values)
        try:
            programs.serve(program, chosen)
        except (OSError, config.Unusable) as error:
            # A port in use, a file that is not there or makes no sense: the operator's to repair, and no traceback.
            click.echo(f"{name}: {error}", err=True)
            sys.exit(1)

    return command
