"""Why a pod went where it went: the scheduler's account of its decision, and a table of it.

``GET /explain/NAMESPACE/POD`` at the scheduler's secure port answers ``{pod, node, nodes: [{name, filtered_by, message,
scores: {plugin: {raw, normalized, weighted}}, total}]}``.
"""

from __future__ import annotations

from typing import Any

from kijabi.cluster import direct, state


def fetch(cluster: state.Cluster, namespace: str, pod: str) -> dict[str, Any]:
    """Raises ``api.errors`` (404: no decision remembered) or ``direct.Unreachable``."""
    api = direct.Api(cluster.paths.kubeconfig("admin"))
    scheduler = f"https://{cluster.address}:{cluster.ports['scheduler']}"
    found: dict[str, Any] = api.request("GET", f"/explain/{namespace}/{pod}", server=scheduler)
    return found


def table(decision: dict[str, Any]) -> list[str]:
    """A line per node: its weighted score per plugin and in total, or what kept it out. The best first."""
    nodes = sorted(decision.get("nodes") or (), key=lambda node: (bool(node.get("filtered_by")), -_total(node)))
    plugins = list(dict.fromkeys(plugin for node in nodes for plugin in node.get("scores") or ()))
    head = ["", "NODE", *plugins, "TOTAL"]
    rows = [_row(node, plugins, decision.get("node", "")) for node in nodes]
    kept_out = [node for node in nodes if node.get("filtered_by")]
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *rows)
    ]
    lines += [f"{node['name']}: kept out by {node['filtered_by']}: {node.get('message', '')}" for node in kept_out]
    placed = f"on {decision['node']}" if decision.get("node") else "nowhere"
    return [f"{decision.get('pod', '')} was placed {placed}", *(f"  {line}" for line in lines)]


def _row(node: dict[str, Any], plugins: list[str], chosen: str) -> list[str]:
    scores = node.get("scores") or {}
    cells = [_number(scores[plugin].get("weighted", 0)) if plugin in scores else "-" for plugin in plugins]
    total = "-" if node.get("filtered_by") else _number(_total(node))
    return ["→" if node["name"] == chosen else "", node["name"], *cells, total]


def _total(node: dict[str, Any]) -> float:
    return float(node.get("total") or 0)


def _number(value: float) -> str:
    return f"{value:.0f}"
