"""How a bootstrap RBAC object that is already there is brought up to date: additions only, and only where wanted.

What an administrator added stays; what he took away comes back. Source: the Kubernetes documentation, "Using RBAC
Authorization", auto-reconciliation.
"""

from __future__ import annotations

import copy

from kijabi.apiserver import contract
from kijabi.apiserver.authz import policy, rules

Object = contract.Object


def protected(there: Object) -> bool:
    """Whether the administrator has switched auto-update off for this object."""
    return (there["metadata"].get("annotations") or {}).get(policy.AUTOUPDATE) == "false"


def reconciled(there: Object, wanted: Object) -> Object | None:
    """``there`` with what it lacks; None when it lacks nothing. A binding to another role gives ``wanted`` itself."""
    if protected(there):
        return None
    if "roleRef" in wanted and there.get("roleRef") != wanted["roleRef"]:
        return wanted
    made = copy.deepcopy(there)
    for key in ("labels", "annotations"):
        made["metadata"][key] = {**wanted["metadata"][key], **(made["metadata"].get(key) or {})}
    if "roleRef" in wanted:
        _add_subjects(made, wanted)
    elif "aggregationRule" in wanted:
        _add_selectors(made, wanted)
    else:
        made["rules"] = [*(made.get("rules") or ()), *_lacking_rules(made, wanted)]
    return made if made != _plain(there) else None


def _plain(there: Object) -> Object:
    # The copy above writes out what may be absent; absent and empty are the same.
    same = copy.deepcopy(there)
    for key in ("labels", "annotations"):
        same["metadata"].setdefault(key, {})
    if "roleRef" not in same and "aggregationRule" not in same:
        same["rules"] = same.get("rules") or []
    return same


def _lacking_rules(there: Object, wanted: Object) -> list[rules.Rule]:
    owned = there.get("rules") or []
    return [rule for rule in wanted.get("rules") or () if rules.missing(owned, [rule])]


def _add_subjects(made: Object, wanted: Object) -> None:
    subjects = made.get("subjects") or []
    more = [subject for subject in wanted.get("subjects") or () if subject not in subjects]
    if more:
        made["subjects"] = [*subjects, *more]


def _add_selectors(made: Object, wanted: Object) -> None:
    # The rules of an aggregated role are the aggregation controller's; they are made here only once, with the role.
    selectors = (made.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    more = [one for one in wanted["aggregationRule"]["clusterRoleSelectors"] if one not in selectors]
    if more:
        made["aggregationRule"] = {"clusterRoleSelectors": [*selectors, *more]}
