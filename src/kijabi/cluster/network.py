"""Links, addresses and routes of a cluster on this machine.

    host ── kj0 (bridge, 172.29.0.1) ──┬── kj0n1 ═ eth0 172.29.0.2 in node 1's namespace ── pods 10.244.1.0/24
                                       └── kj0n2 ═ eth0 172.29.0.3 in node 2's namespace ── pods 10.244.2.0/24

A node's pods are routed through its address, by the host and by every other node; nodes reach each other over the
bridge without the host routing anything. The Service range is routed from the host through all running nodes, each of
which translates a ClusterIP by itself. What leaves for the outside is masqueraded by one nftables table, which also
keeps out every connection that begins outside.

The decisions are lists of ``ip`` commands, made from plain data; the actor feeds them to ``ip -batch``. Rejected:
pyroute2 here, because importing it takes 0.28 s of ``up`` and one batch takes 3 ms.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from kijabi.cluster import addresses, errors, paths
from kijabi.kit import jsons

_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_CONF = Path("/proc/sys/net/ipv4/conf")
_BRIDGE = re.compile(r"^kj\d+$")
_ALIAS = "kijabi-"
_FORWARDING = "forwarding-links"

# In a node's own namespace: it is a router, and a pod's reply may leave by another link than its request came by.
_NODE_SETTINGS = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv4/conf/all/rp_filter": "0"}


def bridge_name(plan: addresses.Plan) -> str:
    return addresses.link_name("kj", plan.index)


def link_name(plan: addresses.Plan, number: int) -> str:
    return addresses.link_name("kj", plan.index, number)


def table_name(plan: addresses.Plan) -> str:
    return f"kijabi{plan.index}"


def bridge_commands(plan: addresses.Plan, cluster: str, exists: bool) -> list[str]:
    name = bridge_name(plan)
    return [
        *([] if exists else [f"link add {name} type bridge"]),
        # By which ``index_of`` finds it when the cluster's record is lost.
        f"link set {name} alias {_ALIAS}{cluster}",
        f"address replace {plan.bridge_address}/{plan.nodes.prefixlen} dev {name}",
        f"link set {name} up",
    ]


def link_commands(plan: addresses.Plan, number: int, namespace: Path, exists: bool) -> list[str]:
    """On the host: the node's cable."""
    name = link_name(plan, number)
    return [
        *([] if exists else [f"link add {name} type veth peer name eth0 netns {namespace}"]),
        f"link set {name} master {bridge_name(plan)} up",
    ]


def node_commands(plan: addresses.Plan, number: int, others: Iterable[int]) -> list[str]:
    """Inside the node's namespace. ``others`` are all nodes of the cluster; its own number among them does no harm."""
    return [
        "link set lo up",
        f"address replace {plan.node_address(number)}/{plan.nodes.prefixlen} dev eth0",
        "link set eth0 up",
        f"route replace default via {plan.bridge_address}",
        *(
            f"route replace {plan.node_pods(other)} via {plan.node_address(other)}"
            for other in sorted(others)
            if other != number
        ),
    ]


def route_commands(plan: addresses.Plan, running: Sequence[int]) -> list[str]:
    """On the host: pods through their node, Services through every running node (or nobody)."""
    commands = [f"route replace {plan.node_pods(number)} via {plan.node_address(number)}" for number in sorted(running)]
    hops = [f"nexthop via {plan.node_address(number)}" for number in sorted(running)]
    if hops:
        commands.append(f"route replace {plan.services} {' '.join(hops)}")
    return commands


def masquerade_rules(plan: addresses.Plan) -> str:
    """The host's nftables table, replaced whole."""
    table, bridge = f"ip {table_name(plan)}", bridge_name(plan)
    inside = f"{{ {plan.nodes}, {plan.pods}, {plan.services} }}"
    return f"""\
table {table}
delete table {table}
table {table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    iifname "{bridge}" ip saddr {inside} ip daddr != {inside} oifname != "{bridge}" masquerade
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    oifname "{bridge}" iifname != "{bridge}" ct state new drop
  }}
}}
"""


def routed_networks() -> list[addresses.Network]:
    """What this machine routes or has an address in; empty where nobody can tell."""
    try:
        listed = jsons.loads(_run(["ip", "-j", "-4", "route", "show", "table", "all"], b"") or b"[]")
    except errors.ClusterError:
        return []
    found = []
    for route in listed:
        with contextlib.suppress(ValueError):
            found.append(ipaddress.IPv4Network(route["dst"], strict=False))
    return found


def index_of(cluster: str) -> int | None:
    """The index of the cluster whose bridge this machine has, told by the bridge itself."""
    for name in filter(_BRIDGE.match, os.listdir("/sys/class/net")):
        with contextlib.suppress(OSError):
            if Path(f"/sys/class/net/{name}/ifalias").read_text().strip() == f"{_ALIAS}{cluster}":
                return int(name.removeprefix("kj"))
    return None


def make_bridge(plan: addresses.Plan, cluster: str) -> None:
    _ip(bridge_commands(plan, cluster, _has_link(bridge_name(plan))))
    _run(["nft", "-f", "-"], masquerade_rules(plan).encode())
    # Per interface, so that the machine does not start to route between links that are not ours: in from the bridge,
    # and back in from where the default route leads.
    (_CONF / bridge_name(plan) / "forwarding").write_text("1")
    for name in _uplinks():
        if (_CONF / name / "forwarding").read_text().strip() == "0":
            (_CONF / name / "forwarding").write_text("1")
            _note_forwarding(name)


def make_node(plan: addresses.Plan, number: int, place: paths.Node, others: Iterable[int]) -> None:
    """The node's namespace and its cable; whatever is there already is left as it is."""
    if not os.path.ismount(place.namespace):
        place.namespace.parent.mkdir(parents=True, exist_ok=True)
        place.namespace.touch()
        _run(["unshare", f"--net={place.namespace}", "true"], b"")
    _ip(link_commands(plan, number, place.namespace, _has_link(link_name(plan, number))))
    settings = "; ".join(f"echo {value} >/proc/sys/{path}" for path, value in _NODE_SETTINGS.items())
    script = f"{settings}; exec ip -batch -"
    # Only the network is entered: `ip netns exec` would hide the cgroup mounts too, and runc fails without them.
    _run(["nsenter", f"--net={place.namespace}", "sh", "-c", script], _lines(node_commands(plan, number, others)))


def set_routes(plan: addresses.Plan, running: Sequence[int], gone: Iterable[int] = ()) -> None:
    """Routes of the host for exactly the running nodes."""
    _ip(route_commands(plan, running))
    stale = [f"route del {plan.node_pods(number)}" for number in gone]
    _ip([*stale, *([] if running else [f"route del {plan.services}"])], forgiving=True)


def remove_node(plan: addresses.Plan, number: int) -> None:
    """Pull the node's cable out, at both ends and at once."""
    _ip([f"link del {link_name(plan, number)}"], forgiving=True)


def remove_bridge(plan: addresses.Plan) -> None:
    """The bridge, every cable on it (a leftover of a node nobody remembers too), and the table; routes go with it."""
    prefix = link_name(plan, 0)[:-1]
    leftovers = [name for name in os.listdir("/sys/class/net") if name.startswith(prefix)]
    _ip([f"link del {name}" for name in (*leftovers, bridge_name(plan))], forgiving=True)
    table = f"table ip {table_name(plan)}"
    _run(["nft", "-f", "-"], f"{table}\ndelete {table}\n".encode(), forgiving=True)
    if not any(_BRIDGE.match(name) for name in os.listdir("/sys/class/net")):
        _restore_forwarding()


def _note_forwarding(name: str) -> None:
    """Remember that this link forwards because of us. The note is gone with the setting, after a reboot."""
    note = paths.run_root() / _FORWARDING
    known = note.read_text().split() if note.exists() else []
    paths.write(note, "\n".join(dict.fromkeys([*known, name])).encode())


def _restore_forwarding() -> None:
    """The last cluster is gone: its links are as they were found."""
    note = paths.run_root() / _FORWARDING
    for name in note.read_text().split() if note.exists() else ():
        with contextlib.suppress(OSError):
            (_CONF / name / "forwarding").write_text("0")
    note.unlink(missing_ok=True)


def _uplinks() -> list[str]:
    listed = jsons.loads(_run(["ip", "-j", "-4", "route", "show", "default"], b"") or b"[]")
    return [route["dev"] for route in listed if "dev" in route]


def _has_link(name: str) -> bool:
    return os.path.exists(f"/sys/class/net/{name}")


def _lines(commands: Iterable[str]) -> bytes:
    return "".join(f"{command}\n" for command in commands).encode()


def _ip(commands: Sequence[str], forgiving: bool = False) -> None:
    if commands:
        _run(["ip", *(["-force"] if forgiving else []), "-batch", "-"], _lines(commands), forgiving)


def _run(command: list[str], given: bytes, forgiving: bool = False) -> bytes:
    try:
        result = subprocess.run(command, input=given, capture_output=True, check=False, env={**os.environ, **_PATH})
    except FileNotFoundError as error:
        raise errors.ClusterError(f"{command[0]} is missing: install iproute2, nftables and util-linux") from error
    if result.returncode and not forgiving:
        detail = (result.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[0]
        raise errors.ClusterError(f"setting up the network failed at `{' '.join(command)}`: {detail}")
    return result.stdout
