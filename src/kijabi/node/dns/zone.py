"""The cluster's zone: records by name and type, in the form in which they are sent.

Every record belongs to a source (a Service, or the zone itself), so that a changed Service replaces its own records and
nobody else's: a pod's address may have a PTR record of each headless Service that selects it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from kijabi.node.dns import records, wire

# kubeadm's Corefile. Short, because what a name means changes with every pod.
TTL = 30


@dataclass(frozen=True, slots=True)
class Found:
    """``answers`` are packed with a pointer to the question as their owner; all three are complete records.

    ``alias`` is the target of the CNAME record when that is the answer to a question for something else.
    """

    code: int
    answers: list[bytes]
    authorities: list[bytes]
    additional: list[bytes]
    alias: bytes = b""


class Zone:
    """``domain`` as text. Namespaces count because a name below an existing one is empty rather than unknown."""

    def __init__(self, domain: str) -> None:
        self.domain = domain.strip(".")
        self.apex = wire.name(self.domain)
        self._services = wire.name(f"svc.{self.domain}")
        self._pods = wire.name(f"pod.{self.domain}")
        self._namespaces: set[bytes] = set()
        self._by_source: dict[str, list[records.Record]] = {}
        self._data: dict[tuple[bytes, int], list[bytes]] = {}
        # How many records are at or below a name.
        self._names: Counter[bytes] = Counter()
        self._packed: dict[tuple[bytes, int], Found] = {}
        self._turn = itertools.count()
        self._serial = 1

    def set(self, source: str, wanted: Iterable[records.Record]) -> None:
        """What the source has from now on; nothing removes it."""
        old, new = self._by_source.get(source, []), list(wanted)
        if old == new:
            return
        for record in old:
            self._data[record.owner, record.type].remove(record.data)
            self._count(record.owner, -1)
        for record in new:
            self._data.setdefault((record.owner, record.type), []).append(record.data)
            self._count(record.owner, 1)
        for record in old:
            if not self._data.get((record.owner, record.type), True):
                del self._data[record.owner, record.type]
        if new:
            self._by_source[source] = new
        else:
            self._by_source.pop(source, None)
        self._changed()

    def set_namespaces(self, names: Iterable[str]) -> None:
        self._namespaces = {name.encode() for name in names}
        self._changed()

    def covers(self, name: bytes) -> bool:
        """Whether the name is in the zone (the question of every query; a suffix test at a label's border)."""
        if not name.endswith(self.apex):
            return False
        border = len(name) - len(self.apex)
        at = 0
        while at < border:
            at += name[at] + 1
        return at == border

    def has_pointer(self, name: bytes) -> bool:
        return (name, wire.PTR) in self._data

    def find(self, name: bytes, kind: int) -> Found:
        """The answer to a question for a name that is ``covered`` (or has a pointer)."""
        key = (name, kind)
        found = self._packed.get(key)
        if found is None:
            found = self._find(name, kind)
            if found.code == wire.NOERROR and found.answers:
                self._packed[key] = found
        if len(found.answers) > 1 and found.answers[-1].startswith(wire.TO_QUESTION):
            # Each asker gets another one first, which is what spreads the load of a headless Service; an alias stays
            # before what it leads to.
            first = next(self._turn) % len(found.answers)
            answers = found.answers[first:] + found.answers[:first]
            return Found(found.code, answers, found.authorities, found.additional, found.alias)
        return found

    def _find(self, name: bytes, kind: int) -> Found:
        kinds = {kind} if kind != wire.ANY else {one for owner, one in self._data if owner == name}
        data = [(one, value) for one in sorted(kinds) for value in self._data.get((name, one), ())]
        if data:
            answers = [wire.record(wire.TO_QUESTION, one, TTL, value) for one, value in data]
            return Found(wire.NOERROR, answers, [], self._addresses_of_targets(data))
        alias = self._data.get((name, wire.CNAME))
        if alias:
            return self._follow(alias[0], kind)
        if name == self.apex and kind in (wire.SOA, wire.ANY):
            soa = wire.record(wire.TO_QUESTION, wire.SOA, TTL, self._authority())
            return Found(wire.NOERROR, [soa], [], [])
        pod = self._pod(name)
        if pod is not None and kind in (pod.type, wire.ANY):
            return Found(wire.NOERROR, [wire.record(wire.TO_QUESTION, pod.type, TTL, pod.data)], [], [])
        code = wire.NOERROR if pod is not None or self._exists(name) else wire.NXDOMAIN
        return Found(code, [], [wire.record(self.apex, wire.SOA, TTL, self._authority())], [])

    def _follow(self, target: bytes, kind: int) -> Found:
        alias = wire.record(wire.TO_QUESTION, wire.CNAME, TTL, target)
        if not self.covers(target):
            return Found(wire.NOERROR, [alias], [], [], target)
        there = [wire.record(target, kind, TTL, value) for value in self._data.get((target, kind), ())]
        return Found(wire.NOERROR, [alias, *there], [], [])

    def _addresses_of_targets(self, data: list[tuple[int, bytes]]) -> list[bytes]:
        """For SRV answers: the addresses of the names in them, so that nobody has to ask again."""
        targets = dict.fromkeys(value[6:] for kind, value in data if kind == wire.SRV)
        return [
            wire.record(target, kind, TTL, value)
            for target in targets
            for kind in (wire.A, wire.AAAA)
            for value in self._data.get((target, kind), ())
        ]

    def _pod(self, name: bytes) -> records.Record | None:
        """The record of ``a-b-c-d.NAMESPACE.pod``, which exists by its name alone (CoreDNS's ``pods insecure``)."""
        if not name.endswith(self._pods):
            return None
        labels = wire.labels(name[: len(name) - len(self._pods)] + b"\0")
        if len(labels) != 2 or labels[1] not in self._namespaces:
            return None
        return records.of_pod(labels)

    def _exists(self, name: bytes) -> bool:
        """Whether the name has records of another type, or anything below it."""
        if self._names[name] or name in (self.apex, self._services, self._pods):
            return True
        # A namespace exists below svc and pod even with nothing in it.
        return wire.parent(name) in (self._services, self._pods) and wire.labels(name)[0] in self._namespaces

    def _count(self, owner: bytes, by: int) -> None:
        name = owner
        while len(name) > 1:
            self._names[name] += by
            if not self._names[name]:
                del self._names[name]
            name = wire.parent(name)

    def _authority(self) -> bytes:
        return records.start_of_authority(self.domain, self._serial, TTL)

    def _changed(self) -> None:
        self._serial += 1
        # All of it: an answer may hold the addresses of other names. It is filled again by the next few questions.
        self._packed.clear()
