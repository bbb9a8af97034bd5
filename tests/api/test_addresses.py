"""IPAddresses and ServiceCIDRs: only canonical forms, and what may change."""

import pytest

from kijabi.api.networking import ipaddress, servicecidr


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("10.0.0.1", ""),
        ("fd00::1", ""),
        ("10.0.0", "must be a valid IP address"),
        ("10.0.0.01", "must not have leading 0s"),
        ("fd00:0::1", 'must be in canonical form ("fd00::1")'),
        ("::ffff:10.0.0.1", "must not be an IPv4-mapped"),
        ("10.0.0.1/32", "must be a valid IP address"),
    ],
)
def test_names_of_addresses(name: str, complaint: str) -> None:
    found = ipaddress.NAME_RULE(name)
    assert found[0].startswith(complaint) if complaint else found == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("10.0.0.0/24", ""),
        ("fd00::/64", ""),
        ("10.0.0.1/24", "must not have bits set beyond the prefix length"),
        ("10.0.00.0/24", "must not have leading 0s in IP or prefix length"),
        ("10.0.0.0/024", "must not have leading 0s in IP or prefix length"),
        ("fd00:0::/64", 'must be in canonical form ("fd00::/64")'),
        ("10.0.0.0", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
        ("10.0.0.0/255.0.0.0", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    ],
)
def test_networks_in_text(text: str, complaint: str) -> None:
    assert servicecidr.complaint(text) == complaint


def cidrs(*texts: str) -> dict[str, object]:
    return {"metadata": {"name": "x"}, "spec": {"cidrs": list(texts)}}


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (["10.0.0.0/24"], ["10.0.0.0/24"], ""),
        (["10.0.0.0/24"], ["10.0.0.0/24", "fd00::/64"], ""),
        (["10.0.0.0/24"], ["10.1.0.0/24"], "spec.cidrs[0]"),
        (["10.0.0.0/24", "fd00::/64"], ["10.0.0.0/24"], "spec.cidrs"),
        (["10.0.0.0/24"], ["10.0.0.0/24", "10.1.0.0/24"], "spec.cidrs"),
    ],
    ids=["the same", "a second family", "another network", "a family less", "the same family twice"],
)
def test_a_second_family_may_come_and_nothing_else_change(old: list[str], new: list[str], field: str) -> None:
    found = servicecidr.validate_update(cidrs(*new), cidrs(*old))
    assert [error.path for error in found] == ([field] if field else [])
