"""Users that a front proxy names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import options
from kijabi.apiserver.authn import certificates, frontproxy
from kijabi.kit import http, pki


class Keys:
    def __init__(self, place: Path) -> None:
        self.proxies, self.clients = pki.create_ca("front-proxy-ca"), pki.create_ca("client-ca")
        pki.write(self.proxies, place, "front-proxy-ca")
        self.place = place

    def der(self, authority: pki.Pair, name: str, **more: Any) -> bytes:
        pair = pki.issue(authority, name, client=True, **more)
        return pair.certificate.public_bytes(serialization.Encoding.DER)

    def build(self, *allowed: str) -> frontproxy.FrontProxy:
        chosen = options.Options(
            requestheader_client_ca_file=str(self.place / "front-proxy-ca.crt"), requestheader_allowed_names=allowed
        )
        made = frontproxy.build(chosen)
        assert made is not None
        return made


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


HEADERS = (
    ("X-Remote-User", "jane"),
    ("x-remote-group", "a"),
    ("X-Remote-Group", "b"),
    ("X-Remote-Extra-Example.com%2fTeam", "t"),
    ("Accept", "*/*"),
)


def request(der: bytes | None, *headers: tuple[str, str]) -> http.Request:
    return http.Request("GET", "/", headers=CIMultiDict(headers), peer_certificate=der)


async def test_the_headers_say_who_and_are_gone_then(keys: Keys) -> None:
    asked = request(keys.der(keys.proxies, "front"), *HEADERS)
    user = await keys.build().authenticate(asked)
    assert user is not None
    assert (user.name, user.groups, dict(user.extra)) == ("jane", ("a", "b"), {"example.com/team": ("t",)})
    assert list(asked.headers.items()) == [("Accept", "*/*")]


async def test_without_a_name_there_is_nobody(keys: Keys) -> None:
    der = keys.der(keys.proxies, "front")
    assert await keys.build("front").authenticate(request(der, *HEADERS[1:])) is None


async def test_only_certificates_of_the_proxies_authority_count(keys: Keys) -> None:
    proxy = keys.build()
    assert await proxy.authenticate(request(None, *HEADERS)) is None
    der = keys.der(keys.clients, "front")
    assert await proxy.authenticate(request(der, *HEADERS)) is None
    assert not proxy.vouches(der)
    assert proxy.vouches(keys.der(keys.proxies, "front"))


async def test_only_allowed_names_may_speak_for_others(keys: Keys) -> None:
    der = keys.der(keys.proxies, "mallory")
    with pytest.raises(errors.Unauthorized, match="subject with cn=mallory is not allowed"):
        await keys.build("front").authenticate(request(der, *HEADERS))


async def test_a_proxys_certificate_is_no_users(keys: Keys) -> None:
    holders = certificates.Certificates(authorities=[keys.clients.certificate])
    admin = keys.der(keys.proxies, "admin", organizations=["system:masters"])
    assert await holders.authenticate(request(admin)) is None
    user = await holders.authenticate(request(keys.der(keys.clients, "jane")))
    assert user is not None
    assert user.name == "jane"
