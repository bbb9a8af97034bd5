"""Signing requests: who may approve and sign for a signer, and no certificate for system:masters by the API."""

from __future__ import annotations

from cryptography.x509.oid import NameOID

from kijabi.api import kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import node_restriction, plugin

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
MASTERS = "system:masters"
_GROUP = "certificates.k8s.io"


async def may(authorizer: contract.Authorizer, user: contract.UserInfo, verb: str, signer: str) -> bool:
    """Whether a user has ``verb`` on a signer, by its name or by its domain (``example.com/*``)."""
    domain = signer.split("/", 1)[0]
    for name in (signer, f"{domain}/*"):
        decision = await authorizer.authorize(
            contract.Attributes(user, verb, api_group=_GROUP, api_version="*", resource="signers", name=name)
        )
        if decision.verdict is contract.Verdict.ALLOW:
            return True
    return False


class CertificateApproval(plugin.Plugin):
    name = "CertificateApproval"

    def __init__(self, authorizer: contract.Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        ours = plugin.is_kind(what, kinds.CERTIFICATE_SIGNING_REQUESTS)
        return operation == contract.UPDATE and ours and subresource == "approval"

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        # By the old object: the request itself could name another signer.
        signer = ((attributes.old_object or {}).get("spec") or {}).get("signerName", "")
        if not await may(self._authorizer, attributes.user, "approve", signer):
            raise plugin.refused(attributes, f'user not permitted to approve requests with signerName "{signer}"')


class CertificateSigning(plugin.Plugin):
    name = "CertificateSigning"

    def __init__(self, authorizer: contract.Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        ours = plugin.is_kind(what, kinds.CERTIFICATE_SIGNING_REQUESTS)
        return operation == contract.UPDATE and ours and subresource == "status"

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        old = (attributes.old_object or {}).get("status") or {}
        new = (attributes.object or {}).get("status") or {}
        if all(old.get(key) == new.get(key) for key in ("certificate", "conditions")):
            return
        signer = ((attributes.old_object or {}).get("spec") or {}).get("signerName", "")
        if not await may(self._authorizer, attributes.user, "sign", signer):
            raise plugin.refused(attributes, f'user not permitted to sign requests with signerName "{signer}"')


class CertificateSubjectRestriction(plugin.Plugin):
    name = "CertificateSubjectRestriction"

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        ours = plugin.is_kind(what, kinds.CERTIFICATE_SIGNING_REQUESTS)
        return operation == contract.CREATE and ours and not subresource

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        spec = (attributes.object or {}).get("spec") or {}
        if spec.get("signerName") != CLIENT_SIGNER:
            return
        request = node_restriction.parse_request(spec.get("request", ""))
        if isinstance(request, str):
            raise plugin.refused(attributes, f"failed to parse CSR: {request}")
        groups = [one.value for one in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        if MASTERS in groups:
            raise plugin.refused(attributes, f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed")
