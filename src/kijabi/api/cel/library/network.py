"""IP addresses and ranges. Source: kubernetes.io "Kubernetes IP address library" and "Kubernetes CIDR library"."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from typing import Any

from kijabi.api.cel import functions, types, values
from kijabi.api.cel.types import BOOL, INT, STRING
from kijabi.api.cel.values import Failure

FUNCTIONS = functions.Functions()
IP, CIDR = types.Type("opaque", "net.IP"), types.Type("opaque", "net.CIDR")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Ip(values.Opaque):
    TYPE = IP
    address: _Address


@dataclass(frozen=True, slots=True)
class Cidr(values.Opaque):
    TYPE = CIDR
    address: _Address
    bits: int

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network((self.address, self.bits), strict=False)


def parse_ip(text: str) -> _Address:
    """Raises Failure in upstream's words."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        why = "unable to parse IP"
        raise Failure(
            f'IP Address "{text}" parse error during conversion from string: ParseAddr("{text}"): {why}'
        ) from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise Failure(f'IP address "{text}" with zone value is not allowed')
        if address.ipv4_mapped is not None:
            raise Failure(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return address


def parse_cidr(text: str) -> Cidr:
    """Raises Failure in upstream's words."""
    host, slash, bits = text.partition("/")
    prefix = "network address parse error during conversion from string: netip.ParsePrefix"
    if not slash:
        raise Failure(f"{prefix}({_quoted(text)}): no '/'")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise Failure(f"{prefix}({_quoted(text)}): ParseAddr({_quoted(host)}): unable to parse IP") from None
    if not (bits.isascii() and bits.isdigit()) or (len(bits) > 1 and bits[0] == "0"):
        raise Failure(f"{prefix}({_quoted(text)}): bad bits after slash: {_quoted(bits)}")
    if int(bits) > address.max_prefixlen:
        raise Failure(f"{prefix}({_quoted(text)}): prefix length out of range")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise Failure(f"IPv4-mapped IPv6 address {_quoted(text)} is not allowed")
    return Cidr(address, int(bits))


def _quoted(text: str) -> str:
    return f'"{text}"'


def _holds(text: str, parse: Any) -> bool:
    try:
        parse(text)
    except Failure:
        return False
    return True


def text_of(address: _Address) -> str:
    return str(address)


def _is_canonical(text: str) -> bool:
    return text_of(parse_ip(text)) == text


def _global(address: _Address) -> bool:
    limited = address == ipaddress.IPv4Address("255.255.255.255")
    plain = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not (plain or limited)


def _contains(cidr: Cidr, address: _Address) -> bool:
    return cidr.address.version == address.version and address in cidr.network


def _contains_cidr(cidr: Cidr, other: Cidr) -> bool:
    same = cidr.address.version == other.address.version
    return same and cidr.bits <= other.bits and other.address in cidr.network


def _link_local_multicast(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address in ipaddress.ip_network("ff02::/16")


def _containing(*, text: bool, whole: bool) -> functions.Cost:
    def cost(args: Any, result: Any) -> int:
        # Opaque values have a size of one to the tracker.
        total = math.ceil(2 * functions.STRING_COST)
        if whole:
            total += math.ceil(functions.STRING_COST) + 1
        if text:
            total += math.ceil(len(args[1]) * functions.STRING_COST)
        return total

    return cost


def _declare() -> None:
    whole = functions.traverse()
    FUNCTIONS.add("ip", "string_to_ip", (STRING,), IP, lambda text: Ip(parse_ip(text)), whole)
    FUNCTIONS.add("isIP", "is_ip", (STRING,), BOOL, lambda text: _holds(text, parse_ip), whole)
    FUNCTIONS.add("ip.isCanonical", "ip_is_canonical", (STRING,), BOOL, _is_canonical, functions.traverse(0.2))
    FUNCTIONS.add("string", "ip_to_string", (IP,), STRING, lambda ip: text_of(ip.address))
    add = FUNCTIONS.member
    add("family", "ip_family", (IP,), INT, lambda ip: ip.address.version)
    add("isUnspecified", "ip_is_unspecified", (IP,), BOOL, lambda ip: ip.address.is_unspecified)
    add("isLoopback", "ip_is_loopback", (IP,), BOOL, lambda ip: ip.address.is_loopback)
    linked = "ip_is_link_local_multicast"
    add("isLinkLocalMulticast", linked, (IP,), BOOL, lambda ip: _link_local_multicast(ip.address))
    add("isLinkLocalUnicast", "ip_is_link_local_unicast", (IP,), BOOL, lambda ip: ip.address.is_link_local)
    add("isGlobalUnicast", "ip_is_global_unicast", (IP,), BOOL, lambda ip: _global(ip.address))
    FUNCTIONS.add("cidr", "string_to_cidr", (STRING,), CIDR, parse_cidr, whole)
    FUNCTIONS.add("isCIDR", "is_cidr", (STRING,), BOOL, lambda text: _holds(text, parse_cidr), whole)
    FUNCTIONS.add("string", "cidr_to_string", (CIDR,), STRING, lambda cidr: f"{text_of(cidr.address)}/{cidr.bits}")
    by_text, by_ip = _containing(text=True, whole=False), _containing(text=False, whole=False)
    add("containsIP", "cidr_contains_ip_string", (CIDR, STRING), BOOL, lambda c, s: _contains(c, parse_ip(s)), by_text)
    add("containsIP", "cidr_contains_ip_ip", (CIDR, IP), BOOL, lambda c, ip: _contains(c, ip.address), by_ip)
    by_text, by_cidr = _containing(text=True, whole=True), _containing(text=False, whole=True)
    named = "cidr_contains_cidr_string"
    add("containsCIDR", named, (CIDR, STRING), BOOL, lambda c, s: _contains_cidr(c, parse_cidr(s)), by_text)
    add("containsCIDR", "cidr_contains_cidr", (CIDR, CIDR), BOOL, _contains_cidr, by_cidr)
    add("ip", "cidr_ip", (CIDR,), IP, lambda cidr: Ip(cidr.address))
    add("prefixLength", "cidr_prefix_length", (CIDR,), INT, lambda cidr: cidr.bits)
    add("masked", "cidr_masked", (CIDR,), CIDR, lambda cidr: Cidr(cidr.network.network_address, cidr.bits))


_declare()
