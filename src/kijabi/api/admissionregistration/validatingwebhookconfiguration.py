"""ValidatingWebhookConfigurations."""

from __future__ import annotations

from kijabi.api import served
from kijabi.api.admissionregistration import webhooks

RESOURCE = served.find("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations")
GENERATION = True
COLUMNS = webhooks.COLUMNS
default = webhooks.default
prepare_update = webhooks.prepare_update
validate_create = webhooks.validate_create
validate_update = webhooks.validate_update
columns = webhooks.columns
