"""The pytest plugin: the fixture that a project gets by installing Kijabi.

def test_my_operator(kijabi_cluster):
    kijabi_cluster.create({"apiVersion": "v1", "kind": "ConfigMap", ...})
    api = kubernetes.client.CoreV1Api(kijabi_cluster.kubernetes_client())
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kijabi.testing.cluster import Cluster


@pytest.fixture
def kijabi_cluster() -> Iterator[Cluster]:
    """A fresh cluster with one hollow node, controllers and scheduler; made in well under a second."""
    # Loaded here and not above: projects that never use the fixture should not pay for it at every start of pytest.
    with importlib.import_module("kijabi.testing.cluster").Cluster() as cluster:
        yield cluster
