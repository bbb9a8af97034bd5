"""Roles."""

from __future__ import annotations

from kijabi.api import metadata, served
from kijabi.api.checks import Errors
from kijabi.api.rbac import rules
from kijabi.api.resource import Object

RESOURCE = served.find("rbac.authorization.k8s.io/v1", "roles")
NAME_RULE = metadata.segment
COLUMNS = rules.ROLE_COLUMNS
columns = rules.role_columns
default = rules.default_role


def validate_create(obj: Object) -> Errors:
    return rules.validate_rules(obj.get("rules"), namespaced=True)


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)
