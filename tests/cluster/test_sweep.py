from pathlib import Path

import pytest

from kijabi.cluster.nodes import sweep

NODE = Path("/run/kijabi/clusters/a/nodes/node-1")
OURS, THEIRS = (4, 1), (4, 2)


def process(pid: int, parent: int, *arguments: str, network: tuple[int, int] = THEIRS) -> sweep.Process:
    return sweep.Process(pid, parent, arguments, network)


SHIM = process(10, 1, "/usr/bin/containerd-shim-runc-v2", "-address", f"{NODE}/containerd.sock")


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        pytest.param([SHIM], {10}, id="a shim"),
        pytest.param([SHIM, process(11, 10, "nginx"), process(12, 11, "nginx")], {10, 11, 12}, id="its containers"),
        pytest.param([process(20, 1, "kubelet", network=OURS)], {20}, id="who is in the node's namespace"),
        pytest.param([process(30, 1, "tail", "-f", f"{NODE}/x.log")], set(), id="who only reads a file there"),
        pytest.param(
            [process(40, 1, "containerd-shim", "-address", f"{NODE}0/containerd.sock")], set(), id="node-10's shim"
        ),
        pytest.param([process(50, 1, "containerd", "--config", "/etc/containerd")], set(), id="the machine's own"),
    ],
)
def test_a_nodes_processes_are_found_and_no_others(processes: list[sweep.Process], expected: set[int]) -> None:
    assert sweep.belongs(processes, [NODE], {OURS}) == expected


def test_mounts_are_undone_in_reverse_order() -> None:
    mountinfo = "\n".join(
        f"1 1 0:1 / {point} rw - tmpfs tmpfs rw"
        for point in ("/", NODE, f"{NODE}/a\\040b", f"{NODE}0", f"{NODE}/a\\040b/c")
    )
    assert sweep.mounts_below(mountinfo, [NODE]) == [f"{NODE}/a b/c", f"{NODE}/a b", str(NODE)]
