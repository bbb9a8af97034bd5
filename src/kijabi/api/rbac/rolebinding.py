"""RoleBindings."""

from __future__ import annotations

from kijabi.api import metadata, served
from kijabi.api.checks import Errors
from kijabi.api.rbac import rules
from kijabi.api.resource import Object

RESOURCE = served.find("rbac.authorization.k8s.io/v1", "rolebindings")
NAME_RULE = metadata.segment
COLUMNS = rules.BINDING_COLUMNS
columns = rules.binding_columns
default = rules.default_binding


def validate_create(obj: Object) -> Errors:
    return rules.validate_binding(obj, ("Role", "ClusterRole"), namespaced=True)


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new) + rules.validate_binding_update(new, old)
