from collections.abc import AsyncIterator

import pytest

from kijabi import testing


@pytest.fixture
async def cluster() -> AsyncIterator[testing.InProcess]:
    async with testing.InProcess(nodes=3) as made:
        yield made
