"""Validation of what decides where a pod runs: tolerations, affinity, topology spread."""

from __future__ import annotations

from kijabi.api import checks, field, metadata, names
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def tolerations(listed: list[Object], path: str) -> Errors:
    found: Errors = []
    for position, toleration in enumerate(listed):
        where = field.index(path, position)
        key, operator = toleration.get("key", ""), toleration.get("operator", "")
        if key:
            found += checks.word(key, field.child(where, "key"), names.label_key)
        if not key and operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            found.append(field.invalid(field.child(where, "operator"), operator, text))
        effect = toleration.get("effect", "")
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            found.append(field.invalid(field.child(where, "effect"), effect, text))
        found += _operator(operator, toleration.get("value", ""), field.child(where, "operator"))
        found += checks.listed(effect, field.child(where, "effect"), EFFECTS) if effect else []
    return found


def _operator(operator: str, value: str, path: str) -> Errors:
    if operator in ("", "Equal"):
        complaints = names.label_value(value)
        return [field.invalid(path, value, ";".join(complaints))] if complaints else []
    if operator == "Exists":
        return [field.invalid(path, value, "value must be empty when `operator` is 'Exists'")] if value else []
    choices = ("Equal", "Exists", "Lt", "Gt") if operator in ("Lt", "Gt") else ("Equal", "Exists")
    return [field.not_supported(path, operator, choices, ordered=True)]


def affinity(value: Object | None, path: str) -> Errors:
    if value is None:
        return []
    found: Errors = []
    if "nodeAffinity" in value:
        found += _node_affinity(value["nodeAffinity"], field.child(path, "nodeAffinity"))
    for key in ("podAffinity", "podAntiAffinity"):
        if key in value:
            found += _pod_affinity(value[key], field.child(path, key))
    return found


def _node_affinity(value: Object, path: str) -> Errors:
    found: Errors = []
    if _REQUIRED in value:
        found += node_selector(value[_REQUIRED], field.child(path, _REQUIRED))
    for position, term in enumerate(value.get(_PREFERRED) or ()):
        where = field.index(field.child(path, _PREFERRED), position)
        found += _weight(term, where)
        # Values that no label can have were let in once: they are warned of.
        found += _term(term.get("preference") or {}, field.child(where, "preference"), any_value=True)
    return found


def _weight(term: Object, path: str) -> Errors:
    weight = term.get("weight", 0)
    return (
        [] if 1 <= weight <= 100 else [field.invalid(field.child(path, "weight"), weight, "must be in the range 1-100")]
    )


def node_selector(value: Object, path: str) -> Errors:
    where = field.child(path, "nodeSelectorTerms")
    terms = value.get("nodeSelectorTerms")
    if not terms:
        return [field.required(where, "must have at least one node selector term")]
    return [problem for position, term in enumerate(terms) for problem in _term(term, field.index(where, position))]


def _term(term: Object, path: str, any_value: bool = False) -> Errors:
    found: Errors = []
    for position, expression in enumerate(term.get("matchExpressions") or ()):
        where = field.index(field.child(path, "matchExpressions"), position)
        found += _expression(expression, where)
        for number, value in enumerate(() if any_value else expression.get("values") or ()):
            found += checks.word(value, f"{where}.values[{number}]", names.label_value)
    for position, expression in enumerate(term.get("matchFields") or ()):
        found += _match_field(expression, field.index(field.child(path, "matchFields"), position))
    return found


def _expression(expression: Object, path: str) -> Errors:
    found: Errors = []
    operator, values = expression.get("operator", ""), expression.get("values") or ()
    where = field.child(path, "values")
    if operator in ("In", "NotIn"):
        if not values:
            found.append(field.required(where, "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            found.append(field.forbidden(where, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            found.append(field.required(where, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
    else:
        found.append(field.invalid(field.child(path, "operator"), operator, "not a valid selector operator"))
    return found + checks.word(expression.get("key", ""), field.child(path, "key"), names.label_key)


def _match_field(expression: Object, path: str) -> Errors:
    found: Errors = []
    operator, values = expression.get("operator", ""), expression.get("values") or ()
    if operator in ("In", "NotIn"):
        if len(values) != 1:
            text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            found.append(field.required(field.child(path, "values"), text))
    else:
        found.append(field.invalid(field.child(path, "operator"), operator, "not a valid selector operator"))
    if expression.get("key") != "metadata.name":
        text = "not a valid field selector key"
        found.append(field.invalid(field.child(path, "key"), expression.get("key", ""), text))
        return found
    for position, value in enumerate(values):
        found += checks.word(value, f"{path}.values[{position}]", names.dns_subdomain)
    return found


def _pod_affinity(value: Object, path: str) -> Errors:
    found: Errors = []
    for position, term in enumerate(value.get(_REQUIRED) or ()):
        found += _pod_term(term, field.index(field.child(path, _REQUIRED), position))
    for position, weighted in enumerate(value.get(_PREFERRED) or ()):
        where = field.index(field.child(path, _PREFERRED), position)
        found += _weight(weighted, where)
        found += _pod_term(weighted.get("podAffinityTerm") or {}, field.child(where, "podAffinityTerm"))
    return found


def _pod_term(term: Object, path: str) -> Errors:
    found = checks.selector(term.get("labelSelector"), field.child(path, "labelSelector"))
    found += checks.selector(term.get("namespaceSelector"), field.child(path, "namespaceSelector"))
    for name in term.get("namespaces") or ():
        found += checks.word(name, field.child(path, "namespace"), names.dns_label)
    found += _label_keys(term, path)
    where = field.child(path, "topologyKey")
    if not term.get("topologyKey"):
        found.append(field.required(where, "can not be empty"))
    return found + checks.word(term.get("topologyKey", ""), where, names.label_key)


def _label_keys(holder: Object, path: str) -> Errors:
    """``matchLabelKeys`` and ``mismatchLabelKeys``, which only add to a selector."""
    found: Errors = []
    matched, mismatched = holder.get("matchLabelKeys") or [], holder.get("mismatchLabelKeys") or []
    selector = holder.get("labelSelector")
    for key, listed in (("matchLabelKeys", matched), ("mismatchLabelKeys", mismatched)):
        if listed and selector is None:
            text = "must not be specified when labelSelector is not set"
            found.append(field.forbidden(f"{path}.{key}", text))
        elif listed:
            for position, name in enumerate(listed):
                found += checks.word(name, f"{path}.{key}[{position}]", names.label_key)
    if matched and selector is not None:
        found += _selected_twice(matched, selector, path)
    for position, name in enumerate(matched):
        if name in mismatched:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            found.append(field.invalid(f"{path}.matchLabelKeys[{position}]", name, text))
    return found


def _selected_twice(matched: list[str], selector: Object, path: str) -> Errors:
    # The server itself has added one expression for each key: only a second one is the client's.
    known = set(selector.get("matchLabels") or ())
    found: Errors = []
    for expression in selector.get("matchExpressions") or ():
        key = expression.get("key", "")
        if key in matched and key in known:
            text = "exists in both matchLabelKeys and labelSelector"
            position = len(matched) - 1 - matched[::-1].index(key)
            found.append(field.invalid(f"{path}[{position}]", key, text))
        known.add(key)
    return found


def spread(constraints: list[Object], path: str) -> Errors:
    found: Errors = []
    actions = ("DoNotSchedule", "ScheduleAnyway")
    pairs = [(one.get("topologyKey", ""), one.get("whenUnsatisfiable", "")) for one in constraints]
    for position, constraint in enumerate(constraints):
        where = field.index(path, position)
        skew = constraint.get("maxSkew", 0)
        if skew <= 0:
            found.append(field.invalid(field.child(where, "maxSkew"), skew, "must be greater than zero"))
        key, action = pairs[position]
        if not key:
            found.append(field.required(field.child(where, "topologyKey"), "can not be empty"))
        if action not in actions:
            found.append(field.not_supported(field.child(where, "whenUnsatisfiable"), action, actions))
        if (key, action) in pairs[position + 1 :]:
            found.append(field.duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
        domains = constraint.get("minDomains")
        if domains is not None:
            found += _domains(domains, action, field.child(where, "minDomains"))
        for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            found += checks.pointer(constraint, policy, where, ("Honor", "Ignore"))
        found += _label_keys(constraint, where)
        found += checks.selector(constraint.get("labelSelector"), field.child(where, "labelSelector"))
    return found


def _domains(domains: int, action: str, path: str) -> Errors:
    found = [] if domains > 0 else [field.invalid(path, domains, "must be greater than zero")]
    if action != "DoNotSchedule":
        text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        found.append(field.invalid(path, domains, text))
    return found


def node_labels(labels: dict[str, str] | None, path: str) -> Errors:
    return metadata.validate_labels(labels, path)
