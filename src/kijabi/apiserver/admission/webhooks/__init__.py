"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: asking servers outside about a write.

``configuration`` keeps the hooks as their objects say, in upstream's order, and changes with them at once; ``matching``
decides whether a hook is to be asked, and about which version of the object; ``review`` is what goes over the wire;
``calling`` asks one; ``mutating`` and ``validating`` are the plugins. With no configuration a write costs two calls
of a function. Configurations and policies themselves are never sent anywhere, so that a broken one can be removed.

Source: "Dynamic Admission Control"; k8s.io/apiserver admission/plugin/webhook. Left out: configurations from manifest
files, and credentials for webhooks (both need an admission configuration file).
"""

from kijabi.apiserver.admission.webhooks.mutating import MutatingWebhooks
from kijabi.apiserver.admission.webhooks.validating import ValidatingWebhooks

__all__ = ["MutatingWebhooks", "ValidatingWebhooks"]
