"""Every store there is, each opened fresh for a test. All tests share one etcd, each below a prefix of its own."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import etcds
from kijabi.store import contract, memory, sqlite
from kijabi.store.encryption import ciphers, configuration, providers
from kijabi.store.encryption import store as encrypted
from kijabi.store.etcd import store as etcd

_prefixes = itertools.count()


def _sealing() -> configuration.Configuration:
    cipher = providers.Keyed(b"k8s:enc:aesgcm:v1:", [("k", ciphers.AesGcm(bytes(32)))], "AES")
    return configuration.Configuration({("*", "*"): providers.Providers([cipher])})


@pytest.fixture(scope="session")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[etcds.Cluster]:
    cluster = etcds.Cluster(tmp_path_factory.mktemp("etcd"))
    for one in cluster.members:
        one.start()
    yield cluster
    cluster.close()


@pytest.fixture(params=["memory", "sqlite", "etcd", "encrypted"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[contract.Store]:
    opened: contract.Store
    if request.param == "memory":
        opened = memory.MemoryStore()
    elif request.param == "sqlite":
        opened = await sqlite.open_store(tmp_path / "state.db")
    elif request.param == "encrypted":
        opened = encrypted.EncryptedStore(memory.MemoryStore(), _sealing(), lambda key: ("", "any"))
    else:
        cluster: etcds.Cluster = request.getfixturevalue("member")
        opened = await etcd.open_store(cluster.config(f"/test-{next(_prefixes)}"))
    yield opened
    await opened.close()


@pytest.fixture
async def base(store: contract.Store) -> int:
    """The revision before the test's first write."""
    return await store.revision()
