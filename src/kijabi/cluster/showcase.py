"""What ``kijabi demo`` puts into a cluster, and how it looks at it.

Three nginx replicas behind a NodePort Service in a namespace of their own, and a pod that fetches the page by the
Service's DNS name. Everything can be run again: objects are brought to the same state, the fetching pod is a new one.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent import futures
from typing import Any

from kijabi.api import errors as api_errors
from kijabi.api import kinds
from kijabi.api.resource import Object
from kijabi.cluster import authority, direct, errors, state
from kijabi.cluster.images import build, recipe, registries
from kijabi.cluster.nodes import containers

NAMESPACE = "demo"
APP = "nginx"
REPLICAS = 3
IMAGES = {"nginx": "docker.io/library/nginx:stable", "busybox": "docker.io/library/busybox:stable"}
GREETING = "Welcome to nginx!"
_PATIENCE = 60.0
_POLL = 0.05


def objects() -> list[tuple[Any, Object]]:
    """Resource and object, in the order they are made."""
    labels = {"app": APP}
    container = {
        "name": APP,
        "image": IMAGES["nginx"],
        # Present on the nodes when no registry can be asked.
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": 80}],
        "resources": {"requests": {"cpu": "50m", "memory": "16Mi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": APP, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": APP, "namespace": NAMESPACE, "labels": labels},
        "spec": {"type": "NodePort", "selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 80}]},
    }
    return [(kinds.NAMESPACES, namespace), (kinds.DEPLOYMENTS, deployment), (kinds.SERVICES, service)]


def fetcher(name: str, url: str) -> Object:
    """A pod that fetches ``url`` and ends."""
    container = {
        "name": "wget",
        "image": IMAGES["busybox"],
        "imagePullPolicy": "IfNotPresent",
        # Not with -T: Debian's static busybox crashes on it.
        "command": ["wget", "-q", "-O", "-", url],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 20,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        },
    }


def provide_images(cluster: state.Cluster, report: Callable[[str], None]) -> None:
    """Nothing where they are there or can be pulled; else built from packages and loaded."""
    running = [cluster.paths.node(node.name) for node in cluster.nodes if not node.stopped]
    missing = [
        (name, [place for place in running if not containers.has_image(place, tag)]) for name, tag in IMAGES.items()
    ]
    if not any(places for _, places in missing) or registries.answers():
        return
    for name, places in missing:
        if places:
            report(f"no registry answers: {name} from the distribution's packages")
            archive = build.build(recipe.built_in(name))
            with futures.ThreadPoolExecutor(max_workers=4) as pool:
                list(pool.map(lambda place, archive=archive: containers.load(place, archive), places))


def deploy(api: direct.Api) -> None:
    """Returns when every replica is available."""
    for resource, wanted in objects():
        api.ensure(resource, wanted)

    def is_rolled_out() -> bool:
        deployment = api.get(kinds.DEPLOYMENTS, APP, NAMESPACE) or {}
        status = deployment.get("status") or {}
        return (
            status.get("observedGeneration") == deployment.get("metadata", {}).get("generation")
            and status.get("updatedReplicas") == status.get("availableReplicas") == REPLICAS
            and status.get("replicas") == REPLICAS
        )

    _until(is_rolled_out, f"deployment {APP} is not available", f"kubectl -n {NAMESPACE} describe pods")


def pods(api: direct.Api) -> list[Object]:
    """The replicas, the gone ones left out, by name."""
    found = api.list(kinds.PODS, NAMESPACE, labels=f"app={APP}")
    return sorted(
        (pod for pod in found if "deletionTimestamp" not in pod["metadata"]),
        key=lambda pod: str(pod["metadata"]["name"]),
    )


def urls(cluster: state.Cluster, api: direct.Api) -> dict[str, str]:
    """How the Service is reached from this machine: ``ClusterIP`` and ``NodePort``."""
    spec = (api.get(kinds.SERVICES, APP, NAMESPACE) or {})["spec"]
    node = next(node for node in cluster.nodes if not node.stopped)
    return {
        "ClusterIP": f"http://{spec['clusterIP']}/",
        "NodePort": f"http://{authority.node_address(cluster, node)}:{spec['ports'][0]['nodePort']}/",
    }


def fetch(url: str) -> str:
    """The page, from this machine. A proxy of the environment is not for these addresses."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    problem = ""
    page = ""

    def is_served() -> bool:
        nonlocal page, problem
        try:
            with opener.open(url, timeout=2) as answer:
                page = answer.read().decode(errors="replace")
        except (urllib.error.URLError, OSError) as error:
            problem = str(error)
        return GREETING in page

    _until(is_served, f"{url} does not serve the page", "kijabi status", detail=lambda: problem, patience=15.0)
    return page


def fetch_in_pod(api: direct.Api) -> tuple[str, str]:
    """The page as a pod gets it by DNS name; also the URL it asked."""
    url = f"http://{APP}.{NAMESPACE}.svc.{authority.DOMAIN}/"
    name = f"fetch-{int(time.time())}"
    api.ensure(kinds.PODS, fetcher(name, url))
    phase = ""

    def has_ended() -> bool:
        nonlocal phase
        phase = ((api.get(kinds.PODS, name, NAMESPACE) or {}).get("status") or {}).get("phase", "")
        return phase in ("Succeeded", "Failed")

    hint = f"kubectl -n {NAMESPACE} describe pod {name}"
    _until(has_ended, f"pod {name} does not end", hint, detail=lambda: phase)
    page = str(api.request("GET", f"{kinds.PODS.path(NAMESPACE, name)}/log"))
    if GREETING not in page:
        raise errors.ClusterError(f"pod {name} did not get the page from {url} ({page.strip()[:200]}): {hint}")
    api.delete(kinds.PODS, name, NAMESPACE)
    return page, url


def _until(
    condition: Callable[[], bool],
    what: str,
    hint: str,
    *,
    detail: Callable[[], str] = lambda: "",
    patience: float = _PATIENCE,
) -> None:
    deadline = time.monotonic() + patience
    problem = ""
    while True:
        try:
            if condition():
                return
        except (api_errors.ApiError, direct.Unreachable) as error:
            problem = str(error)
        if time.monotonic() > deadline:
            why = detail() or problem
            raise errors.ClusterError(f"{what} after {patience:.0f} s{f' ({why})' if why else ''}: see `{hint}`")
        time.sleep(_POLL)
