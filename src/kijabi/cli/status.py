"""``kijabi status``."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from typing import Any

import click

from kijabi.api import errors as api_errors
from kijabi.api import kinds
from kijabi.cli import shared
from kijabi.cluster import authority, direct, errors, state, waiting
from kijabi.cluster.supervisor import control
from kijabi.kit import jsons


@click.command("status")
@shared.cluster_name("The cluster's name; all of yours when it is left out.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_context
def command(ctx: click.Context, name: str, output: str) -> None:
    """Say what runs. Exit code 0: everything does; 3: there is no such cluster, or not all of it runs."""
    is_default = ctx.get_parameter_source("name") is click.core.ParameterSource.DEFAULT
    names = state.names() if is_default else [name]
    found = [inspect(state.must_load(one)) for one in names]
    if output == "json":
        click.echo(jsons.dumps(found))
    elif not found:
        click.echo("There is no cluster: make one with `kijabi up`.")
    else:
        for document in found:
            _print(document)
    if not found or not all(document["healthy"] for document in found):
        sys.exit(3)


def inspect(cluster: state.Cluster) -> dict[str, Any]:
    """What is known of a cluster, as a document."""
    processes: list[control.Status] = []
    with contextlib.suppress(errors.NotRunning):
        processes = control.Control(cluster.paths).status()
    ready = _ready_nodes(cluster) if processes else {}
    nodes = [
        {
            "name": node.name,
            "address": authority.node_address(cluster, node),
            "pods": str(cluster.plan.node_pods(node.number)),
            "state": "stopped" if node.stopped else "Ready" if ready.get(node.name) else "NotReady",
        }
        for node in cluster.nodes
    ]
    healthy = bool(processes) and all(one.phase == "running" for one in processes)
    return {
        "name": cluster.name,
        "runtime": cluster.runtime,
        "server": cluster.server,
        "services": str(cluster.plan.services),
        "healthy": healthy and all(node["state"] != "NotReady" for node in nodes),
        "nodes": nodes,
        "components": [{**dataclasses.asdict(one), "log": str(one.log)} for one in processes],
    }


def _ready_nodes(cluster: state.Cluster) -> dict[str, bool]:
    try:
        listed = direct.Api(cluster.paths.kubeconfig("admin")).list(kinds.NODES)
    except (errors.ClusterError, api_errors.ApiError):
        return {}
    return {node["metadata"]["name"]: waiting.is_ready(node) for node in listed}


def _print(document: dict[str, Any]) -> None:
    runs = "runs" if document["components"] else "does not run"
    click.echo(f"{document['name']}: {runs}, {document['runtime']}, {document['server']}")
    for node in document["nodes"]:
        click.echo(f"  {node['name']:<24} {node['state']:<9} {node['address']:<15} pods {node['pods']}")
    for one in document["components"]:
        line = f"  {one['name']:<24} {one['phase']:<9} pid {one['pid']:<8} {one['seconds']:.0f} s"
        if one["restarts"]:
            line += f", {one['restarts']} restarts (last: {one['last_exit']})"
        click.echo(line)
