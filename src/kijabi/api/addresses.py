"""IP addresses and ranges as fields take them: what is refused, and what is taken with a warning.

Old releases took forms that programs read in different ways: octets with leading zeros, IPv4 addresses written as IPv6
ones, ranges with bits set beyond their prefix. They are refused in what is new and kept where they are stored.

Source: KEP-4858 (strict IP and CIDR validation), k8s.io/apimachinery util/validation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from kijabi.api import field

Errors = list[field.Error]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Range = ipaddress.IPv4Network | ipaddress.IPv6Network

NOT_AN_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NOT_A_RANGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def parse(text: str) -> Address | None:
    """The address, leading zeros in octets read as decimals; a zone is no part of one."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    if "." not in text:
        return None
    head, colon, tail = text.rpartition(":")
    plain = ".".join(octet.lstrip("0") or "0" if octet.isdecimal() else octet for octet in tail.split("."))
    try:
        return ipaddress.ip_address(head + colon + plain)
    except ValueError:
        return None


def is_mapped(found: Address) -> bool:
    """An IPv4 address in IPv6's clothes."""
    return isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None


def _is_strict(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def ip(text: str, path: str, kept: Collection[str] = ()) -> Errors:
    """``kept``: addresses that are stored already, which may stay whatever they look like."""
    if text in kept:
        return []
    found = parse(text)
    if found is None:
        return [field.invalid(path, text, NOT_AN_ADDRESS)]
    if not _is_strict(text):
        return [field.invalid(path, text, "must not have leading 0s")]
    if is_mapped(found):
        return [field.invalid(path, text, "must not be an IPv4-mapped IPv6 address")]
    return []


def _parse_range(text: str) -> tuple[Address, Range] | None:
    address, slash, prefix = text.partition("/")
    found = parse(address)
    if found is None or not slash or not (prefix.isascii() and prefix.isdecimal()):
        return None
    length = int(prefix)
    return (found, ipaddress.ip_network((found, length), strict=False)) if length <= found.max_prefixlen else None


def cidr(text: str, path: str, kept: Collection[str] = ()) -> Errors:
    if text in kept:
        return []
    found = _parse_range(text)
    if found is None:
        return [field.invalid(path, text, _NOT_A_RANGE)]
    address, whole = found
    written, _, prefix = text.partition("/")
    if not _is_strict(written) or (len(prefix) > 1 and prefix[0] == "0"):
        return [field.invalid(path, text, "must not have leading 0s in IP or prefix length")]
    if is_mapped(address):
        return [field.invalid(path, text, "must not have an IPv4-mapped IPv6 address")]
    if address != whole.network_address:
        return [field.invalid(path, text, "must not have bits set beyond the prefix length")]
    return []


def endpoint(text: str, path: str) -> Errors:
    """An address that traffic can be sent to from elsewhere."""
    found = parse(text)
    if found is None:
        return [field.invalid(path, text, "must be a valid IP address")]
    problems: Errors = []
    if found.is_unspecified:
        problems.append(field.invalid(path, text, f"may not be unspecified ({text})"))
    if found.is_loopback:
        problems.append(field.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if found.is_link_local:
        problems.append(field.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if found in _MULTICAST[found.version]:
        why = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        problems.append(field.invalid(path, text, why))
    return problems


_MULTICAST: dict[int, Range] = {4: ipaddress.ip_network("224.0.0.0/24"), 6: ipaddress.ip_network("ff02::/16")}


def is_dual(texts: Collection[str]) -> bool:
    """One of each family at least. False where one is no address at all."""
    return {found.version if (found := parse(text)) is not None else 0 for text in texts} == {4, 6}


def _plain(found: Address) -> str:
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def ip_warnings(text: str, path: str) -> list[str]:
    found = parse(text)
    if found is None:
        return []
    if is_mapped(found) or not _is_strict(text):
        return [f'{path}: non-standard IP address "{text}" is invalid: use "{_plain(found)}"']
    if found.version == 6 and str(found) != text:
        return [f'{path}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{found}")']
    return []


def cidr_warnings(text: str, path: str) -> list[str]:
    found = _parse_range(text)
    if found is None:
        return []
    address, whole = found
    warnings: list[str] = []
    if address != whole.network_address:
        one = f"{_plain(address)}/{address.max_prefixlen}"
        warnings.append(f'{path}: CIDR value "{text}" is ambiguous in this context (should be "{whole}" or "{one}"?)')
    if cidr(text, path) and not warnings:
        warnings.append(f'{path}: non-standard CIDR value "{text}" is invalid: use "{whole}"')
    if not warnings and address.version == 6 and f"{address}/{whole.prefixlen}" != text:
        warnings.append(f'{path}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{whole}")')
    return warnings
