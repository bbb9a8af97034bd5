"""PEM texts of signing requests and certificates: what is wrong with them, in upstream's words where it has its own."""

from __future__ import annotations

import base64
import binascii
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature

_BLOCK = re.compile(rb"-----BEGIN ([^\r\n]*?)-----\r?\n(.*?)-----END \1-----[ \t]*(?:\r?\n|$)", re.DOTALL)
_REQUEST, _CERTIFICATE = b"CERTIFICATE REQUEST", b"CERTIFICATE"


def _decoded(value: str | None) -> bytes:
    try:
        return base64.b64decode(value or "")
    except binascii.Error:
        return b""


def request_problem(value: str | None) -> str:
    """Of the field ``spec.request``; empty where it is a request with a good signature."""
    data = _decoded(value)
    block = _BLOCK.search(data)
    if block is None or block[1] != _REQUEST:
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        request = x509.load_pem_x509_csr(block[0])
        if not request.is_signature_valid:
            return "x509: signature of the certificate request cannot be verified"
    except (ValueError, InvalidSignature):
        return "x509: malformed certificate request"
    return ""


def certificate_problem(value: str | None) -> str:
    """Of the field ``status.certificate``; empty where it holds certificates alone, or nothing."""
    data = _decoded(value)
    if not data:
        return ""
    blocks = _BLOCK.findall(data)
    if not blocks:
        return "must contain at least one CERTIFICATE PEM block"
    for kind, body in blocks:
        if kind != _CERTIFICATE:
            return f'only CERTIFICATE PEM blocks are allowed, found "{kind.decode(errors="replace")}"'
        if b":" in body:
            return "no PEM block headers are permitted"
        try:
            x509.load_der_x509_certificate(base64.b64decode(body))
        except ValueError:
            return "x509: malformed certificate"
    return ""
