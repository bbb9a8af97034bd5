import asyncio
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from kijabi.kit import pki


def request_for(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str, *names: str) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("key", [pki.new_key(), rsa.generate_private_key(65537, 2048)], ids=["ecdsa", "rsa"])
def test_a_request_is_signed_with_its_own_names_and_the_wanted_usages(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
) -> None:
    ca = pki.create_ca("test")
    pem = pki.sign_csr(ca, request_for(key, "me", "a.example"), usages=["client auth", "digital signature"], seconds=60)
    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(ca.certificate)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [usage.dotted_string for usage in usages] == ["1.3.6.1.5.5.7.3.2"]
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() == 360


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(pki.UnsuitableRequest):
        pki.sign_csr(pki.create_ca("test"), b"not a request", usages=[], seconds=60)


async def test_a_server_knows_its_client_by_the_certificate(tmp_path: Path) -> None:
    ca = pki.create_ca("test")
    pki.write(ca, tmp_path, "ca")
    pki.write(pki.issue(ca, "server", dns=["localhost"], ips=["127.0.0.1"], server=True), tmp_path, "server")
    pki.write(pki.issue(ca, "me", organizations=["us"], client=True), tmp_path, "me")
    assert (tmp_path / "me.key").stat().st_mode & 0o777 == 0o600
    assert pki.read(tmp_path, "me").cert_pem == (tmp_path / "me.crt").read_bytes()
    seen: list[bytes | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("ssl_object").getpeercert(True))
        writer.write(b"ok\n")
        await writer.drain()
        writer.close()

    tls = pki.server_context(tmp_path / "server.crt", tmp_path / "server.key", tmp_path / "ca.crt")
    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    for certificate in (tmp_path / "me.crt", None):
        context = pki.client_context(tmp_path / "ca.crt", certificate, tmp_path / "me.key" if certificate else None)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert await reader.readline() == b"ok\n"
        writer.close()
    listener.close()
    await listener.wait_closed()
    assert seen[0] is not None
    assert x509.load_der_x509_certificate(seen[0]).subject.rfc4514_string() == "CN=me,O=us"
    assert seen[1] is None
