"""MutatingWebhookConfigurations."""

from __future__ import annotations

from kijabi.api import served
from kijabi.api.admissionregistration import webhooks
from kijabi.api.resource import Object

RESOURCE = served.find("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations")
GENERATION = True
COLUMNS = webhooks.COLUMNS
prepare_update = webhooks.prepare_update
validate_create = webhooks.validate_create
validate_update = webhooks.validate_update
columns = webhooks.columns


def default(obj: Object) -> None:
    webhooks.default(obj)
    for webhook in obj.get("webhooks") or ():
        webhook.setdefault("reinvocationPolicy", "Never")
