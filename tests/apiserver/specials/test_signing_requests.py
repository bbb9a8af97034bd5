"""The user of a signing request is who asked, not who the request says it is."""

import base64

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from kijabi import testing
from kijabi.api import kinds
from kijabi.apiserver import contract
from kijabi.kit import pki


def request(name: str) -> dict[str, object]:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    pem = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(pki.new_key(), hashes.SHA256())
    encoded = base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode()
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": encoded,
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
            "username": "system:node:node-1",
            "groups": ["system:masters"],
            "uid": "stolen",
        },
    }


async def test_what_a_client_says_of_itself_is_overwritten_and_stays_so() -> None:
    async with testing.InProcess(nodes=0, controllers=(), scheduler=False) as cluster:
        extra = {"scopes": ("a", "b")}
        user = contract.UserInfo("jane", "7", ("system:masters", "system:authenticated"), extra)
        made = await cluster.client_of(user).create(kinds.CERTIFICATE_SIGNING_REQUESTS, request("one"))
        asked = {name: made["spec"].get(name) for name in ("username", "uid", "groups", "extra")}
        assert asked == {
            "username": "jane",
            "uid": "7",
            "groups": ["system:masters", "system:authenticated"],
            "extra": {"scopes": ["a", "b"]},
        }
        made["spec"]["username"] = "system:node:node-1"
        kept = await cluster.client.update(kinds.CERTIFICATE_SIGNING_REQUESTS, made)
        assert kept["spec"]["username"] == "jane"
