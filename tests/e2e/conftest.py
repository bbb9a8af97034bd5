"""One real cluster for all tests that need one, and kubectl in every version at hand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

import pytest

import kubectls
import machine
from kijabi.cluster import assembly, packages, state
from kijabi.cluster.images import build, recipe
from kijabi.cluster.nodes import images

IS_ROOT = os.geteuid() == 0
_left_out = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without root there is nothing to try here: the tests are left out, and the report says so in one line."""
    here = Path(__file__).parent
    mine = [item for item in items if here in item.path.parents]
    if mine and not IS_ROOT:
        config.hook.pytest_deselected(items=mine)
        items[:] = [item for item in items if here not in item.path.parents]
        config.stash[_left_out] = len(mine)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    count = config.stash.get(_left_out, 0)
    if count:
        terminalreporter.write_line(f"{count} tests of real containers were left out: they need root")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kubectl" in metafunc.fixturenames:
        metafunc.parametrize("kubectl", [*kubectls.found()] if IS_ROOT else ["kubectl"], indirect=True, scope="module")


@dataclass(frozen=True, slots=True)
class Cluster:
    name: str
    root: Path
    config: Path

    def kubectl(self, which: str = "") -> kubectls.Kubectl:
        binaries = kubectls.found()
        binary = binaries[which] if which else next(iter(binaries.values()))
        return kubectls.Kubectl(binary, self.config, self.root / f"home-{which}")

    @property
    def record(self) -> state.Cluster:
        return state.must_load(self.name)


@pytest.fixture(scope="session")
def e2e_cluster() -> Iterator[Cluster]:
    yield from bring_up("e2e")


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """For tests that break things."""
    yield from bring_up("own")


def bring_up(purpose: str) -> Iterator[Cluster]:
    """Two nodes with busybox and nginx, under a state directory and a kubeconfig of their own; gone without a trace."""
    # Short: a socket's path must fit into 107 bytes.
    cluster = Cluster(f"{purpose}-{os.getpid()}", Path(f"/tmp/kj-{purpose}-{os.getpid()}"), Path())
    cluster = Cluster(cluster.name, cluster.root, cluster.root / "kubeconfig")
    packages.install(packages.missing({**packages.FOR_NODES, **packages.KUBECTL}))
    index = -1
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIJABI_STATE", str(cluster.root))
        patch.setenv("KUBECONFIG", str(cluster.config))
        try:
            index = assembly.up(assembly.Wish(cluster.name, 2), lambda step: None).index
            assert machine.traces_of(cluster.name, index)
            with futures.ThreadPoolExecutor() as pool:
                for archive in pool.map(lambda name: build.build(recipe.built_in(name)), ("busybox", "nginx")):
                    images.load(cluster.name, archive)
            yield cluster
        finally:
            assembly.down(cluster.name, lambda step: None)
            left = [*state.names(), *machine.remains(cluster.root), *machine.traces_of(cluster.name, index)]
            shutil.rmtree(cluster.root, ignore_errors=True)
        assert left == []


@pytest.fixture(scope="module")
def kubectl(request: pytest.FixtureRequest, e2e_cluster: Cluster) -> Iterator[kubectls.Kubectl]:
    """In a namespace of its own for each file of tests and each version."""
    made = e2e_cluster.kubectl(request.param)
    theme = request.path.stem.removeprefix("test_").replace("_", "-")
    namespace = f"{theme}-{made.version[0]}-{made.version[1]}"
    made("create", "namespace", namespace)
    yield made.within(namespace)
    made("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def admin(request: pytest.FixtureRequest, e2e_cluster: Cluster) -> Iterator[kubectls.Kubectl]:
    """For tests in which kubectl is only the tool: any version, a namespace for each file of tests."""
    made = e2e_cluster.kubectl()
    namespace = request.path.stem.removeprefix("test_").replace("_", "-")
    made("create", "namespace", namespace)
    yield made.within(namespace)
    made("delete", "namespace", namespace, "--wait=false")
