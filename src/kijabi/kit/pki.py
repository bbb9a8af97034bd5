"""Certificates and keys: authorities, leaf certificates, signing requests, TLS contexts.

Keys are ECDSA on P-256. Certificates start five minutes before now, because clocks differ.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BACKDATED = datetime.timedelta(minutes=5)

# The usages of certificates.k8s.io/v1 that become extended key usages; the rest are bits of KeyUsage.
_EXTENDED = {
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}


class UnsuitableRequest(ValueError):
    """A signing request that does not parse, or whose signature is not its key's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def cert_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return key_pem(self.key)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def create_ca(common_name: str, *, days: int = 3650) -> Pair:
    """A self-signed authority."""
    key = new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = _builder(subject, subject, key.public_key(), datetime.timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue(
    ca: Pair,
    common_name: str,
    *,
    organizations: Sequence[str] = (),
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
    client: bool = False,
    server: bool = False,
    days: int = 365,
) -> Pair:
    """A leaf certificate: ``organizations`` are the user's groups, ``dns`` and ``ips`` the server's names."""
    key = new_key()
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usages = [usage for usage, wanted in (("server auth", server), ("client auth", client)) if wanted]
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in ips]
    lifetime = datetime.timedelta(days=days)
    return Pair(_sign(ca, subject, key.public_key(), alternatives, usages, lifetime), key)


def sign_csr(ca: Pair, csr_pem: bytes, *, usages: Sequence[str], seconds: int) -> bytes:
    """The PEM certificate for a signing request, with its own subject and names. Raises UnsuitableRequest."""
    try:
        request = x509.load_pem_x509_csr(csr_pem)
    except ValueError as error:
        raise UnsuitableRequest(str(error)) from error
    if not request.is_signature_valid:
        raise UnsuitableRequest("the request is not signed by its own key")
    try:
        alternatives = list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        alternatives = []
    lifetime = datetime.timedelta(seconds=seconds)
    certificate = _sign(ca, request.subject, request.public_key(), alternatives, usages, lifetime)
    return certificate.public_bytes(serialization.Encoding.PEM)


def _sign(
    ca: Pair,
    subject: x509.Name,
    public: object,
    alternatives: list[x509.GeneralName],
    usages: Sequence[str],
    lifetime: datetime.timedelta,
) -> x509.Certificate:
    builder = _builder(subject, ca.certificate.subject, public, lifetime)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(), critical=True)
    extended = [_EXTENDED[usage] for usage in usages if usage in _EXTENDED]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    issuer = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)
    builder = builder.add_extension(authority, critical=False)
    return builder.sign(ca.key, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, public: object, lifetime: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)  # type: ignore[arg-type]  # every kind of key that a request can carry
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _key_usage(signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def write_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step, so that a reader or a crash sees the old or the new one whole."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def write(pair: Pair, directory: Path, name: str) -> None:
    """``NAME.crt`` and ``NAME.key`` (mode 0600)."""
    directory.mkdir(parents=True, exist_ok=True)
    write_file(directory / f"{name}.key", pair.key_pem)
    write_file(directory / f"{name}.crt", pair.cert_pem, 0o644)


def read(directory: Path, name: str) -> Pair:
    certificate = x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())
    key = serialization.load_pem_private_key((directory / f"{name}.key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{directory / name}.key is not an ECDSA key")
    return Pair(certificate, key)


def server_context(cert_path: Path, key_path: Path, client_ca_path: Path | Sequence[Path] | None) -> ssl.SSLContext:
    """TLS 1.2 and up. With a client CA, a certificate is asked for but not required: tokens are another way in.

    Of several it may be from any; whom each of them speaks for is for the program to find out.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_path, key_path)
    for path in [client_ca_path] if isinstance(client_ca_path, Path) else client_ca_path or ():
        context.load_verify_locations(path)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(
    ca_path: Path | None, cert_path: Path | None = None, key_path: Path | None = None, *, ca_pem: bytes = b""
) -> ssl.SSLContext:
    """Trusts the given authority (the system's where none is given) and shows a client certificate where one is."""
    context = ssl.create_default_context()
    if ca_path is not None or ca_pem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca_path, cadata=ca_pem.decode() or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_path is not None:
        context.load_cert_chain(cert_path, key_path)
    return context


def throwaway_server_context(client_ca_path: Path | None) -> ssl.SSLContext:
    """A server context with a certificate that nobody vouches for, for a program that was given none."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        own = issue(create_ca("self-signed-ca"), "localhost", dns=["localhost"], ips=["127.0.0.1"], server=True)
        write(own, place, "serving")
        return server_context(place / "serving.crt", place / "serving.key", client_ca_path)
