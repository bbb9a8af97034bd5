"""The nftables script that takes the table from one content to another, in one transaction."""

from __future__ import annotations

from kijabi.node.proxy.rules import TABLE, Content, skeleton


def load(wanted: Content) -> str:
    """Replace the whole table, whatever was in it."""
    return f"add table {TABLE}\ndelete table {TABLE}\n{skeleton()}\n{change(Content(), wanted)}"


def change(now: Content, wanted: Content) -> str:
    """Only what differs; empty when nothing does.

    The order matters: chains exist before rules name them, elements go before the chains they point at.
    """
    lines: list[str] = []
    for name, timeout in wanted.affinity.items():
        if now.affinity.get(name) != timeout:
            if name in now.affinity:
                # A timeout cannot be changed in place; those who had an endpoint keep it no longer.
                lines.append(f"flush set {TABLE} {name}")
            kind = f"type ipv4_addr; flags dynamic,timeout; timeout {timeout}s;"
            lines.append(f"add set {TABLE} {name} {{ {kind} }}")
    new = [name for name, rules in wanted.chains.items() if now.chains.get(name) != rules]
    lines += [f"add chain {TABLE} {name}" for name in new]
    for name in new:
        if name in now.chains:
            lines.append(f"flush chain {TABLE} {name}")
        lines += [f"add rule {TABLE} {name} {rule}" for rule in wanted.chains[name]]
    for name in wanted.maps.keys() | now.maps.keys():
        lines += _elements(name, now.maps.get(name, {}), wanted.maps.get(name, {}))
    for name in wanted.sets.keys() | now.sets.keys():
        lines += _members(name, now.sets.get(name, set()), wanted.sets.get(name, set()))
    gone = [name for name in now.chains if name not in wanted.chains]
    lines += [f"flush chain {TABLE} {name}" for name in gone]
    lines += [f"delete chain {TABLE} {name}" for name in gone]
    lines += [f"delete set {TABLE} {name}" for name in now.affinity if name not in wanted.affinity]
    return "\n".join(lines) + "\n" if lines else ""


def _elements(name: str, now: dict[str, str], wanted: dict[str, str]) -> list[str]:
    gone = [key for key, verdict in now.items() if wanted.get(key) != verdict]
    new = [f"{key} : {verdict}" for key, verdict in wanted.items() if now.get(key) != verdict]
    lines = [f"delete element {TABLE} {name} {{ {', '.join(gone)} }}"] if gone else []
    return lines + ([f"add element {TABLE} {name} {{ {', '.join(new)} }}"] if new else [])


def _members(name: str, now: set[str], wanted: set[str]) -> list[str]:
    gone, new = sorted(now - wanted), sorted(wanted - now)
    lines = [f"delete element {TABLE} {name} {{ {', '.join(gone)} }}"] if gone else []
    return lines + ([f"add element {TABLE} {name} {{ {', '.join(new)} }}"] if new else [])
