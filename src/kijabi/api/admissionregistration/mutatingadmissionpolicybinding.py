"""MutatingAdmissionPolicyBindings."""

from __future__ import annotations

from kijabi.api import resource, served
from kijabi.api.admissionregistration import policies
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("admissionregistration.k8s.io/v1", "mutatingadmissionpolicybindings")
GENERATION = True
COLUMNS = policies.BINDING_COLUMNS
default = policies.default_binding
columns = policies.binding_columns


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    return policies.validate_binding(obj)


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)
