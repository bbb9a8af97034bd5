"""Every store there is, each opened fresh for a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kijabi.store import contract, memory, sqlite


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[contract.Store]:
    opened: contract.Store
    if request.param == "memory":
        opened = memory.MemoryStore()
    else:
        opened = await sqlite.open_store(tmp_path / "state.db")
    yield opened
    await opened.close()
