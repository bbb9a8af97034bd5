"""Query bytes in, answer bytes out, or the word that somebody else must be asked. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from kijabi.node.dns import wire, zone

_QUERY = 0
# A TCP message carries its length in two bytes.
TCP_LIMIT = 65535


@dataclass(frozen=True, slots=True)
class Forward:
    """Ask the resolvers. ``target`` differs from the question where an alias leads out of the zone; the answer to it
    goes behind ``before``."""

    query: wire.Query
    target: bytes
    before: tuple[bytes, ...] = ()


def limit_of(query: wire.Query, tcp: bool) -> int:
    return TCP_LIMIT if tcp else max(wire.PLAIN_UDP, query.udp_size)


def answer(data: bytes, names: zone.Zone, *, synced: bool, tcp: bool) -> bytes | Forward | None:
    """None: say nothing, it was no question."""
    try:
        query = wire.parse(data)
    except wire.Malformed:
        return wire.bare_error(data, wire.FORMERR)
    refusal = _refusal(query)
    if refusal is not None:
        return error(query, refusal)
    is_ours = names.covers(query.name)
    if not is_ours and not (query.type in (wire.PTR, wire.ANY) and names.has_pointer(query.name)):
        return Forward(query, query.name)
    if not synced:
        # Half a list would make names unknown that exist, and resolvers remember that.
        return error(query, wire.SERVFAIL)
    found = names.find(query.name, query.type)
    if found.alias and query.type in (wire.A, wire.AAAA):
        return Forward(query, found.alias, tuple(found.answers))
    return wire.reply(query, found.code, found.answers, found.authorities, found.additional, limit_of(query, tcp))


def error(query: wire.Query, code: int) -> bytes:
    return wire.reply(query, code, [], [], [], wire.PLAIN_UDP, authoritative=False)


def _refusal(query: wire.Query) -> int | None:
    if query.opcode != _QUERY:
        return wire.NOTIMP
    if query.edns_version > 0:
        return wire.BADVERS
    if query.class_ != wire.IN:
        return wire.REFUSED
    return None
