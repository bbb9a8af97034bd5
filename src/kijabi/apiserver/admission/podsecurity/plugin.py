"""The plugin: refuses pods that a namespace's policy forbids, warns of others, and tells of what a new policy hits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kijabi.api import errors, kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin
from kijabi.apiserver.admission.podsecurity import policy, standards
from kijabi.apiserver.admission.podsecurity.configuration import Configuration

Object = contract.Object

# Of a namespace whose policy changes, so many pods are looked at.
_MOST_PODS = 3000

# Where in an object that makes pods their template is.
_TEMPLATES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "replicationcontrollers"): ("spec", "template"),
    ("", "podtemplates"): ("template",),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}
# Pods may be changed through these; all their other subresources leave the spec alone.
_POD_PARTS = ("", "ephemeralcontainers", "resize")


class PodSecurity(plugin.Plugin):
    name = "PodSecurity"

    def __init__(self, access: contract.Access, configuration: Configuration | None = None) -> None:
        self._access = access
        self._configuration = configuration or Configuration()

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        if operation not in (contract.CREATE, contract.UPDATE):
            return False
        if plugin.is_kind(what, kinds.PODS):
            return subresource == "" if operation == contract.CREATE else subresource in _POD_PARTS
        return not subresource and (plugin.is_kind(what, kinds.NAMESPACES) or (what.group, what.plural) in _TEMPLATES)

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.object is None:
            return
        if plugin.is_kind(attributes.resource, kinds.NAMESPACES):
            await self._namespace(attributes, attributes.object)
            return
        exempt = self._exempt(attributes)
        if exempt:
            attributes.annotate(policy.PREFIX + "exempt", exempt)
            return
        namespace = self._access.peek(kinds.NAMESPACES, attributes.namespace)
        labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
        asked, wrong = policy.read(labels, self._configuration.defaults)
        if asked.is_privileged and not wrong:
            if plugin.is_kind(attributes.resource, kinds.PODS):
                attributes.annotate(f"{policy.PREFIX}enforce-policy", str(asked.enforce))
            return
        if wrong:
            shown = str(wrong[0]) if len(wrong) == 1 else f"[{', '.join(map(str, wrong))}]"
            attributes.annotate(policy.PREFIX + "error", f"Failed to parse policy: {shown}")
        self._pods(attributes, attributes.object, asked)

    # --- pods and what makes them

    def _exempt(self, attributes: contract.AdmissionAttributes) -> str:
        if attributes.namespace in self._configuration.namespaces:
            return "namespace"
        return "user" if attributes.user.name in self._configuration.users else ""

    def _pods(self, attributes: contract.AdmissionAttributes, obj: Object, asked: policy.Policy) -> None:
        enforced = plugin.is_kind(attributes.resource, kinds.PODS)
        pod: Object | None = obj if enforced else template(attributes.resource, obj)
        old = attributes.old_object
        if not pod or (enforced and old is not None and not is_significant(pod, old)):
            return
        if (pod.get("spec") or {}).get("runtimeClassName") in self._configuration.runtime_classes:
            attributes.annotate(policy.PREFIX + "exempt", "runtimeClass")
            return
        refusal = self._violation(pod, asked.enforce) if enforced else None
        if enforced:
            attributes.annotate(f"{policy.PREFIX}enforce-policy", str(asked.enforce))
        audited = self._violation(pod, asked.audit)
        if audited is not None:
            attributes.annotate(f"{policy.PREFIX}audit-violations", f"would {audited}")
        if refusal is not None:
            raise plugin.refused(attributes, refusal.replace("violate", "violates", 1))
        warned = self._violation(pod, asked.warn)
        if warned is not None:
            attributes.warnings.append(f"would {warned}")

    def _violation(self, pod: Object, asked: policy.Asked) -> str | None:
        found = standards.violations(pod, asked.level, asked.minor)
        return f'violate PodSecurity "{asked}": {found.details}' if found is not None else None

    # --- namespaces

    async def _namespace(self, attributes: contract.AdmissionAttributes, obj: Object) -> None:
        labels = obj["metadata"].get("labels") or {}
        asked, wrong = policy.read(labels, self._configuration.defaults)
        old = attributes.old_object
        before, old_wrong = asked, wrong
        if old is not None:
            before, old_wrong = policy.read(old["metadata"].get("labels") or {}, self._configuration.defaults)
        name = obj["metadata"].get("name", "")
        if wrong and (old is None or wrong != old_wrong):
            raise errors.invalid("Namespace", name, wrong)
        if old is not None and not _is_stricter(asked.enforce, before.enforce):
            return
        if name in self._configuration.namespaces:
            attributes.warnings += _exempt_warning(name, asked, labels, self._configuration.defaults)
        elif old is not None:
            pods = await self._access.list(kinds.PODS, name)
            attributes.warnings += self._hit(name, pods, asked.enforce)

    def _hit(self, namespace: str, pods: list[Object], asked: policy.Asked) -> Iterator[str]:
        """What those who change a namespace's policy are told of the pods that are there."""
        chosen = list(self._in_order(pods))
        by_reason: dict[str, list[str]] = {}
        for pod in chosen[:_MOST_PODS]:
            found = standards.violations(pod, asked.level, asked.minor)
            if found is not None:
                by_reason.setdefault(found.reasons, []).append(pod["metadata"]["name"])
        if len(chosen) > _MOST_PODS:
            checked = f"the first {_MOST_PODS} of {len(chosen)} existing pods"
            yield f"new PodSecurity enforce level only checked against {checked}"
        if by_reason:
            yield f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{asked}"'
        yield from sorted(f"{min(names)}{_others(len(names) - 1)}: {why}" for why, names in by_reason.items())

    def _in_order(self, pods: Iterable[Object]) -> Iterator[Object]:
        """One pod of each owner first: its siblings are most likely alike."""
        siblings: list[Object] = []
        owners: set[str] = set()
        for pod in pods:
            if pod["spec"].get("runtimeClassName") in self._configuration.runtime_classes:
                continue
            references = pod["metadata"].get("ownerReferences") or ()
            owner = next((one["uid"] for one in references if one.get("controller")), "")
            if owner in owners:
                siblings.append(pod)
                continue
            if owner:
                owners.add(owner)
            yield pod
        yield from siblings


def _others(count: int) -> str:
    if not count:
        return ""
    return " (and 1 other pod)" if count == 1 else f" (and {count} other pods)"


def _is_stricter(asked: policy.Asked, before: policy.Asked) -> bool:
    if asked == before or asked.level == standards.PRIVILEGED:
        return False
    return asked.minor != before.minor or asked.strictness > before.strictness


def _exempt_warning(name: str, asked: policy.Policy, labels: dict[str, str], defaults: policy.Policy) -> Iterator[str]:
    if asked.is_privileged or asked == defaults:
        return
    modes = {"enforce": asked.enforce, "audit": asked.audit, "warn": asked.warn}
    told = ", ".join(
        f"{mode}={one}"
        for mode, one in modes.items()
        if one.level != standards.PRIVILEGED and not labels.keys().isdisjoint(_keys(mode))
    )
    yield f'namespace "{name}" is exempt from Pod Security, and the policy ({told}) will be ignored'


def _keys(mode: str) -> tuple[str, str]:
    return policy.PREFIX + mode, f"{policy.PREFIX}{mode}-version"


def template(what: resource.Resource, obj: Object) -> Object | None:
    """The template of pods within an object that makes them; None where it has none."""
    found: Object | None = obj
    for key in _TEMPLATES[what.group, what.plural]:
        found = (found or {}).get(key)
    return found


def is_significant(new: Object, old: Object) -> bool:
    """Whether an update changes anything that the standards look at: images, and containers that come."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    for key in ("containers", "initContainers"):
        ours, theirs = spec.get(key) or [], before.get(key) or []
        if len(ours) != len(theirs):
            return True
        if any(one.get("image") != other.get("image") for one, other in zip(ours, theirs, strict=True)):
            return True
    known = {one.get("name"): one.get("image") for one in before.get("ephemeralContainers") or ()}
    return any(
        one.get("name") not in known or known[one.get("name")] != one.get("image")
        for one in spec.get("ephemeralContainers") or ()
    )
