"""The rules, one file each. ``contract`` says what a rule is; ``FILTERS`` and ``SCORES`` are upstream's defaults.

Order matters for filters: a node is refused by the first one that says no. Source: the scheduler configuration
reference (default plugins and weights).
"""

from __future__ import annotations

from kijabi.scheduler.plugins import (
    balancedallocation,
    contract,
    imagelocality,
    interpodaffinity,
    nodeaffinity,
    nodename,
    nodeports,
    noderesourcesfit,
    nodeunschedulable,
    podtopologyspread,
    tainttoleration,
)

FILTERS: tuple[contract.Filter, ...] = (
    nodeunschedulable.NodeUnschedulable(),
    nodename.NodeName(),
    tainttoleration.TaintToleration(),
    nodeaffinity.NodeAffinity(),
    nodeports.NodePorts(),
    noderesourcesfit.NodeResourcesFit(),
    podtopologyspread.PodTopologySpread(),
    interpodaffinity.InterPodAffinity(),
)

SCORES: tuple[tuple[contract.Score, int], ...] = (
    (tainttoleration.TaintToleration(), 3),
    (nodeaffinity.NodeAffinity(), 2),
    (noderesourcesfit.NodeResourcesFit(), 1),
    (podtopologyspread.PodTopologySpread(), 2),
    (interpodaffinity.InterPodAffinity(), 2),
    (balancedallocation.BalancedAllocation(), 1),
    (imagelocality.ImageLocality(), 1),
)
