"""Approves the client certificates of kubelets whose user may have one."""

from __future__ import annotations

from kijabi.api import kinds, timestamps
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract
from kijabi.controllers.certificates import requests

_RECOGNIZED = (
    ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview."),
    ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."),
)


class Approver(contract.KeyedController):
    name = "certificatesigningrequest-approving-controller"
    account = "certificate-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._requests = context.informers.of(kinds.CERTIFICATE_SIGNING_REQUESTS)

    def watch(self) -> list[informer.Informer]:
        self._requests.subscribe(lambda old, new: self.enqueue(new) if new is not None else None)
        return [self._requests]

    async def reconcile(self, key: str) -> float | None:
        request = self._requests.by_key(key)
        if request is None or requests.is_issued(request):
            return None
        if requests.has(request, "Approved") or requests.has(request, "Denied"):
            return None
        asked, spec = requests.read(request), request["spec"]
        if asked is None or spec["signerName"] != requests.KUBELET_CLIENT:
            return None
        if requests.refusal(requests.KUBELET_CLIENT, asked, spec.get("usages") or ()):
            return None
        for subresource, message in _RECOGNIZED:
            if subresource == "selfnodeclient" and spec.get("username") != asked.common_name:
                continue
            if await self._may(spec, subresource):
                await self._approve(request, message)
                return None
        return None

    async def _may(self, spec: Object, subresource: str) -> bool:
        who = {"user": spec.get("username", ""), "uid": spec.get("uid", ""), "groups": spec.get("groups") or []}
        what = {
            "group": kinds.CERTIFICATE_SIGNING_REQUESTS.group,
            "resource": kinds.CERTIFICATE_SIGNING_REQUESTS.plural,
            "verb": "create",
            "subresource": subresource,
            "version": "*",
        }
        review = {
            "apiVersion": kinds.SUBJECT_ACCESS_REVIEWS.api_version,
            "kind": kinds.SUBJECT_ACCESS_REVIEWS.kind,
            "metadata": {},
            "spec": {**who, "extra": spec.get("extra") or {}, "resourceAttributes": what},
        }
        answer = await self.client.create(kinds.SUBJECT_ACCESS_REVIEWS, review)
        return bool((answer.get("status") or {}).get("allowed"))

    async def _approve(self, request: Object, message: str) -> None:
        stamp = timestamps.format_time(self.clock.time())
        approved = {
            "type": "Approved",
            "status": "True",
            "reason": "AutoApproved",
            "message": message,
            "lastUpdateTime": stamp,
            "lastTransitionTime": stamp,
        }
        status = request.get("status") or {}
        fresh = {**request, "status": {**status, "conditions": [*(status.get("conditions") or ()), approved]}}
        await self.client.update(kinds.CERTIFICATE_SIGNING_REQUESTS, fresh, subresource="approval")
