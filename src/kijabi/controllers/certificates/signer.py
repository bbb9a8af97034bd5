"""Signs approved requests to the signers that Kubernetes itself keeps, with the cluster's authority."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kijabi.api import kinds, timestamps
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract
from kijabi.controllers.certificates import requests
from kijabi.kit import pki


def authority(certificate: str, key: str) -> pki.Pair:
    """The pair in two files. Raises ValueError for a key that is not ECDSA."""
    loaded = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key} is not an ECDSA key")
    return pki.Pair(x509.load_pem_x509_certificate(Path(certificate).read_bytes()), loaded)


class Signer(contract.KeyedController):
    name = "certificatesigningrequest-signing-controller"
    account = "certificate-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._requests = context.informers.of(kinds.CERTIFICATE_SIGNING_REQUESTS)

    def watch(self) -> list[informer.Informer]:
        self._requests.subscribe(lambda old, new: self.enqueue(new) if new is not None else None)
        return [self._requests]

    async def run(self) -> None:
        options = self.context.options
        if not options.cluster_signing_cert_file or not options.cluster_signing_key_file:
            # Nothing to sign with (upstream does not start this controller either).
            await asyncio.Event().wait()
        await super().run()

    async def reconcile(self, key: str) -> float | None:
        request = self._requests.by_key(key)
        if request is None or requests.is_issued(request) or not requests.has(request, "Approved"):
            return None
        if requests.has(request, "Denied") or requests.has(request, "Failed"):
            return None
        asked, spec = requests.read(request), request["spec"]
        if asked is None:
            return None
        why = requests.refusal(spec["signerName"], asked, spec.get("usages") or ())
        if why is None:
            return None
        status = {**(request.get("status") or {})}
        if why:
            status["conditions"] = [*(status.get("conditions") or ()), self._failure(why)]
        else:
            status["certificate"] = base64.b64encode(await self._sign(request)).decode()
        fresh = {**request, "status": status}
        await self.client.update(kinds.CERTIFICATE_SIGNING_REQUESTS, fresh, subresource="status")
        return None

    def _failure(self, why: str) -> Object:
        stamp = timestamps.format_time(self.clock.time())
        return {
            "type": "Failed",
            "status": "True",
            "reason": "SignerValidationFailure",
            "message": why,
            "lastUpdateTime": stamp,
            "lastTransitionTime": stamp,
        }

    async def _sign(self, request: Object) -> bytes:
        options, spec = self.context.options, request["spec"]
        # Read each time: the files are replaced when the authority is renewed.
        pair = await asyncio.to_thread(authority, options.cluster_signing_cert_file, options.cluster_signing_key_file)
        lifetime = requests.seconds(request, options.cluster_signing_duration)
        usages = spec.get("usages") or []
        return pki.sign_csr(pair, base64.b64decode(spec["request"]), usages=usages, seconds=int(lifetime))
