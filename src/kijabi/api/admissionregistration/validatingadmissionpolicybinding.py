"""ValidatingAdmissionPolicyBindings."""

from __future__ import annotations

from kijabi.api import checks, field, resource, served
from kijabi.api.admissionregistration import policies
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings")
GENERATION = True
COLUMNS = policies.BINDING_COLUMNS
default = policies.default_binding
columns = policies.binding_columns


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    found = policies.validate_binding(obj)
    actions = (obj.get("spec") or {}).get("validationActions") or ()
    if not actions:
        found.append(field.required("spec.validationActions", "at least one validation action is required"))
    for position, action in enumerate(actions):
        where = field.index("spec.validationActions", position)
        found += checks.optional(action, where, ("Audit", "Deny", "Warn"))
        if action in actions[:position]:
            found.append(field.duplicate(where, action))
    if "Deny" in actions and "Warn" in actions:
        text = "must not contain both Deny and Warn (repeating the same validation failure information in the API "
        text += "response and headers serves no purpose)"
        found.append(field.invalid("spec.validationActions", list(actions), text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)
