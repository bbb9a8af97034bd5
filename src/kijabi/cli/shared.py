"""Options that several verbs have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from kijabi.cluster import state

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def cluster_name(help: str = "The cluster's name.") -> Decorator:
    return click.option("--name", default=state.DEFAULT_NAME, show_default=True, help=help)


def quiet() -> Decorator:
    return click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")
