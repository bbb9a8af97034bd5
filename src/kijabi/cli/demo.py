"""``kijabi demo``."""

from __future__ import annotations

import os
import re

import click

from kijabi.api import errors as api_errors
from kijabi.api.resource import Object
from kijabi.cli import progress, shared
from kijabi.cluster import assembly, direct, errors, kubeconfig, packages, placement, showcase, state


@click.command("demo")
@shared.cluster_name()
@click.option("--nodes", default=2, show_default=True, type=click.IntRange(1, 250), help="How many, at least.")
def command(name: str, nodes: int) -> None:
    """Bring a cluster up, run nginx on it, fetch its page in three ways, and say why each pod is where it is.

    It is left running; `kijabi down` removes it.
    """
    with progress.Steps() as report:
        packages.install(packages.missing(packages.KUBECTL), report)
        cluster = assembly.up(assembly.Wish(name, nodes), report)
        api = direct.Api(cluster.paths.kubeconfig("admin"))
        showcase.provide_images(cluster, report)
        report(f"nginx, {showcase.REPLICAS} replicas behind a Service")
        showcase.deploy(api)
        pages = []
        for way, url in showcase.urls(cluster, api).items():
            report(f"the page through the {way}")
            pages.append((way, url, showcase.fetch(url)))
        report("the page from inside a pod, by DNS name")
        page, url = showcase.fetch_in_pod(api)
        pages.append(("DNS name, in a pod", url, page))
        report("why each pod is where it is")
        placements = [_explain(cluster, pod) for pod in showcase.pods(api)]
    click.echo()
    for way, url, page in pages:
        click.echo(f"{way:<20} {url:<48} {_title(page)}")
    for lines in placements:
        click.echo("\n" + "\n".join(lines))
    _say_next(name, report.seconds)


def _explain(cluster: state.Cluster, pod: Object) -> list[str]:
    meta, spec = pod["metadata"], pod["spec"]
    try:
        return placement.table(placement.fetch(cluster, meta["namespace"], meta["name"]))
    except (api_errors.ApiError, errors.ClusterError):
        # A scheduler that was restarted since does not remember; the pod runs all the same.
        return [f"{meta['name']} was placed on {spec.get('nodeName')} (the scheduler no longer remembers why)"]


def _title(page: str) -> str:
    found = re.search(r"<title>(.*?)</title>", page, re.S)
    return found.group(1).strip() if found else f"{len(page)} characters"


def _say_next(name: str, seconds: float) -> None:
    option = "" if name == state.DEFAULT_NAME else f" --name {name}"
    kubectl = f"kubectl --context {kubeconfig.context_name(name)} -n {showcase.NAMESPACE}"
    click.echo(f"\nDone in {seconds:.1f} s. The cluster keeps running. Type next:")
    kijabi = os.environ.get("KIJABI_COMMAND", "kijabi")
    for line, what in (
        (f"{kubectl} get pods -o wide", "where they are"),
        (f"{kubectl} scale deployment/{showcase.APP} --replicas=5", "more of them"),
        (f"{kijabi} explain pod/NAME -n {showcase.NAMESPACE}{option}", "why one is where it is"),
        (f"{kijabi} node kill node-2{option}", "and see what happens"),
        (f"{kijabi} down{option}", "remove everything"),
    ):
        click.echo(f"  {line:<72} # {what}")
