"""The RBAC authorizer: who is bound to which rules, indexed by subject and compiled per user.

The index follows Roles, ClusterRoles and their bindings through the watch cache. For each user and namespace the rules
that apply are compiled once into a table keyed by (verb, group, resource), so a decision is at most twelve dictionary
look-ups; any change of an RBAC object drops the compiled tables (changes are rare, decisions are not).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kijabi.api import kinds, labels
from kijabi.apiserver import contract
from kijabi.apiserver.authz import rules, union

Object = contract.Object

_SERVICE_ACCOUNT = "system:serviceaccount:"
# Compiled tables are dropped all at once when there are this many: a scan of distinct users must not grow memory.
_MAX_COMPILED = 4096


@dataclass(frozen=True, slots=True)
class Grant:
    """A rule that applies to a user, and the sentence that says through which binding."""

    rule: rules.Rule
    source: str


@dataclass(slots=True)
class _Compiled:
    # (verb, group, resource) -> object name ("" for all) -> why
    resources: dict[tuple[str, str, str], dict[str, str]] = field(default_factory=dict)
    urls: list[Grant] = field(default_factory=list)
    problems: str = ""


class Index:
    """Roles by name and bindings by subject. ``watch`` subscribes; until then it is empty."""

    def __init__(self) -> None:
        self._roles: dict[tuple[str, str], Object] = {}
        self._cluster_roles: dict[str, Object] = {}
        # subject key -> namespace ("" for cluster bindings) -> binding's name -> (binding, subject)
        self._bound: defaultdict[str, defaultdict[str, dict[str, tuple[Object, Object]]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._compiled: dict[tuple[str, tuple[str, ...], str], _Compiled] = {}

    def watch(self, access: contract.Access) -> None:
        access.subscribe(kinds.ROLES, self.role_changed)
        access.subscribe(kinds.CLUSTER_ROLES, self.cluster_role_changed)
        access.subscribe(kinds.ROLE_BINDINGS, self.binding_changed)
        access.subscribe(kinds.CLUSTER_ROLE_BINDINGS, self.binding_changed)

    def role_changed(self, old: Object | None, new: Object | None) -> None:
        self._compiled.clear()
        for role in filter(None, (old,)):
            self._roles.pop((role["metadata"]["namespace"], role["metadata"]["name"]), None)
        for role in filter(None, (new,)):
            self._roles[role["metadata"]["namespace"], role["metadata"]["name"]] = role

    def cluster_role_changed(self, old: Object | None, new: Object | None) -> None:
        self._compiled.clear()
        if old is not None:
            self._cluster_roles.pop(old["metadata"]["name"], None)
        if new is not None:
            self._cluster_roles[new["metadata"]["name"]] = new

    def binding_changed(self, old: Object | None, new: Object | None) -> None:
        self._compiled.clear()
        for binding in filter(None, (old,)):
            namespace = binding["metadata"].get("namespace", "")
            for subject in binding.get("subjects") or ():
                self._bound[subject_key(subject, namespace)][namespace].pop(binding["metadata"]["name"], None)
        for binding in filter(None, (new,)):
            namespace = binding["metadata"].get("namespace", "")
            for subject in binding.get("subjects") or ():
                bound = self._bound[subject_key(subject, namespace)][namespace]
                bound.setdefault(binding["metadata"]["name"], (binding, subject))

    def grants(self, user: contract.UserInfo, namespace: str) -> tuple[list[Grant], list[str]]:
        """All that applies to the user in a namespace (empty: cluster-wide only), and what could not be resolved."""
        found: list[Grant] = []
        problems: list[str] = []
        for scope in ("", namespace) if namespace else ("",):
            for binding, subject in self._bindings(user, scope):
                ref = binding.get("roleRef") or {}
                resolved = self.resolve(ref, scope)
                if isinstance(resolved, str):
                    problems.append(resolved)
                    continue
                source = _describe(binding, ref, subject, scope)
                found += [Grant(rule, source) for rule in resolved]
        return found, problems

    def resolve(self, ref: Mapping[str, str], namespace: str) -> list[rules.Rule] | str:
        """The rules of a roleRef, or why there are none."""
        kind, name = ref.get("kind"), ref.get("name", "")
        role: Object | None
        if kind == "ClusterRole":
            role = self._cluster_roles.get(name)
        elif kind == "Role":
            role = self._roles.get((namespace, name))
        else:
            return f'unsupported role reference kind: "{kind}"'
        if role is None:
            return f'{kind.lower()}.rbac.authorization.k8s.io "{name}" not found'
        return self._all_rules(role, frozenset()) if kind == "ClusterRole" else role.get("rules") or []

    def _all_rules(self, role: Object, above: frozenset[str]) -> list[rules.Rule]:
        """A cluster role's rules with those it gathers by label from others, which may gather in turn.

        A controller writes these into the role; authorization does not wait for it. ``above`` breaks circles.
        """
        found: list[rules.Rule] = list(role.get("rules") or ())
        above |= {role["metadata"]["name"]}
        for one in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            try:
                selector = labels.from_label_selector(one)
            except ValueError:
                # Validation lets none through; one that is stored all the same selects nothing.
                continue
            for name, source in sorted(self._cluster_roles.items()):
                if name not in above and selector.matches(source["metadata"].get("labels") or {}):
                    found += [rule for rule in self._all_rules(source, above) if rule not in found]
        return found

    def compiled(self, user: contract.UserInfo, namespace: str) -> _Compiled:
        key = (user.name, user.groups, namespace)
        table = self._compiled.get(key)
        if table is None:
            if len(self._compiled) >= _MAX_COMPILED:
                self._compiled.clear()
            table = self._compiled[key] = _compile(*self.grants(user, namespace))
        return table

    def _bindings(self, user: contract.UserInfo, scope: str) -> Iterator[tuple[Object, Object]]:
        seen = set()
        for key in subject_keys(user):
            scopes = self._bound.get(key)
            if not scopes:
                continue
            for name, pair in sorted((scopes.get(scope) or {}).items()):
                if name not in seen:
                    seen.add(name)
                    yield pair


def subject_key(subject: Mapping[str, str], namespace: str) -> str:
    """One text per subject; a ServiceAccount without a namespace takes the binding's."""
    kind, name = subject.get("kind", ""), subject.get("name", "")
    if kind == "ServiceAccount":
        home = subject.get("namespace") or namespace
        # Without any namespace a ServiceAccount is nobody, and "User:" cannot be a user's name either.
        return f"User:{_SERVICE_ACCOUNT}{home}:{name}" if home else "User:"
    return f"{kind}:{name}"


def subject_keys(user: contract.UserInfo) -> Iterable[str]:
    yield f"User:{user.name}"
    for group in user.groups:
        yield f"Group:{group}"


def _describe(binding: Object, ref: Mapping[str, str], subject: Mapping[str, str], namespace: str) -> str:
    name = binding["metadata"]["name"]
    kind, full = ("RoleBinding", f"{name}/{namespace}") if namespace else ("ClusterRoleBinding", name)
    who = subject.get("name", "")
    if subject.get("kind") == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or namespace}"
    return f'{kind} "{full}" of {ref.get("kind")} "{ref.get("name")}" to {subject.get("kind")} "{who}"'


def _compile(grants: Iterable[Grant], problems: list[str]) -> _Compiled:
    table = _Compiled(problems=_aggregate(problems))
    for grant in grants:
        rule = grant.rule
        if rule.get("nonResourceURLs"):
            table.urls.append(grant)
        names = rule.get("resourceNames") or ("",)
        for verb in rule.get("verbs") or ():
            for group in rule.get("apiGroups") or ():
                for resource in rule.get("resources") or ():
                    cell = table.resources.setdefault((verb, group, resource), {})
                    for name in names:
                        cell.setdefault(name, grant.source)
    return table


def _aggregate(problems: list[str]) -> str:
    unique = list(dict.fromkeys(problems))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]" if unique else ""


class Rbac:
    def __init__(self, index: Index) -> None:
        self.index = index

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        return self.decide(attributes)

    def decide(self, attributes: contract.Attributes) -> contract.Decision:
        table = self.index.compiled(attributes.user, attributes.namespace)
        source = _allowed(table, attributes)
        if source is not None:
            return contract.Decision(contract.Verdict.ALLOW, f"RBAC: allowed by {source}")
        if table.problems:
            return contract.Decision(contract.Verdict.NO_OPINION, f"RBAC: {table.problems}")
        return contract.NO_OPINION

    def resolve_rules(self, user: contract.UserInfo, namespace: str) -> union.Rules:
        found, problems = self.rules_for(user, namespace)
        return union.Rules(found, False, [problems] if problems else [])

    def rules_for(self, user: contract.UserInfo, namespace: str) -> tuple[list[rules.Rule], str]:
        """Every rule that applies, and a note on what could not be resolved."""
        grants, problems = self.index.grants(user, namespace)
        return [grant.rule for grant in grants], _aggregate(problems)


def _allowed(table: _Compiled, attributes: contract.Attributes) -> str | None:
    if not attributes.is_resource:
        return next((grant.source for grant in table.urls if rules.allows(grant.rule, attributes)), None)
    names = rules.resource_names(attributes.resource, attributes.subresource)
    for verb in (attributes.verb, "*"):
        for group in (attributes.api_group, "*"):
            for resource in names:
                cell = table.resources.get((verb, group, resource))
                if cell is None:
                    continue
                source = cell.get("") or cell.get(attributes.name)
                if source is not None:
                    return source
    return None
