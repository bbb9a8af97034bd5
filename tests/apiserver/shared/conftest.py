"""Two API servers on one etcd."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import etcds
import pairs


@pytest.fixture
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[etcds.Cluster]:
    """Of one member; a test that wants more says so by an indirect parameter."""
    made = etcds.Cluster(tmp_path, size=getattr(request, "param", 1))
    try:
        await made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
async def pair(cluster: etcds.Cluster) -> AsyncIterator[tuple[pairs.Server, pairs.Server]]:
    async with pairs.serving(cluster) as one, pairs.serving(cluster) as other:
        yield one, other
