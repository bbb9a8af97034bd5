"""ClusterRoleBindings."""

from __future__ import annotations

from kijabi.api import metadata, served
from kijabi.api.checks import Errors
from kijabi.api.rbac import rules
from kijabi.api.resource import Object

RESOURCE = served.find("rbac.authorization.k8s.io/v1", "clusterrolebindings")
NAME_RULE = metadata.segment
COLUMNS = rules.BINDING_COLUMNS
columns = rules.binding_columns
default = rules.default_binding


def validate_create(obj: Object) -> Errors:
    return rules.validate_binding(obj, ("ClusterRole",), namespaced=False)


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new) + rules.validate_binding_update(new, old)
