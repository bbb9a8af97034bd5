"""ClusterRoles."""

from __future__ import annotations

from kijabi.api import checks, field, metadata, served
from kijabi.api.checks import Errors
from kijabi.api.rbac import rules
from kijabi.api.resource import Object

RESOURCE = served.find("rbac.authorization.k8s.io/v1", "clusterroles")
NAME_RULE = metadata.segment
COLUMNS = rules.ROLE_COLUMNS
columns = rules.role_columns
default = rules.default_role


def validate_create(obj: Object) -> Errors:
    found = rules.validate_rules(obj.get("rules"), namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None:
        path = "aggregationRule.clusterRoleSelectors"
        selectors = aggregation.get("clusterRoleSelectors") or ()
        if not selectors:
            text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            found.append(field.required(path, text))
        for position, selector in enumerate(selectors):
            where = field.index(path, position)
            problems = checks.selector(selector, where)
            if problems:
                problems.append(field.invalid(where, None, "invalid label selector."))
            found += problems
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)
