"""Pod Security: a namespace's labels say which of the standards its pods must keep, and which only to warn of.

Every version is judged as the latest. Left out: audit annotations, exemptions, and warnings about pods that are already
there when a namespace's labels change. Source: the Kubernetes documentation, "Pod Security Admission".
"""

from __future__ import annotations

import re

from kijabi.api import kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin, pod_security_checks

Object = contract.Object

PREFIX = "pod-security.kubernetes.io/"
_LEVELS = ("privileged", "baseline", "restricted")
_VERSION = re.compile(r"latest|v1\.\d+")

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


class PodSecurity(plugin.Plugin):
    name = "PodSecurity"

    def __init__(self, access: contract.Access) -> None:
        self._access = access

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        if plugin.is_kind(what, kinds.PODS):
            return (operation, subresource) in ((contract.CREATE, ""), (contract.UPDATE, "ephemeralcontainers"))
        writes = operation in (contract.CREATE, contract.UPDATE)
        return writes and not subresource and (what.group, what.plural) in _TEMPLATES

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        namespace = self._access.peek(kinds.NAMESPACES, attributes.namespace)
        labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
        is_pod = plugin.is_kind(attributes.resource, kinds.PODS)
        pod = attributes.object if is_pod else _template(attributes)
        if pod is None:
            return
        if is_pod:
            level, version = policy(labels, "enforce")
            found = pod_security_checks.violations(pod, level)
            if found:
                raise plugin.refused(attributes, f'violates PodSecurity "{level}:{version}": {found}')
        level, version = policy(labels, "warn")
        found = pod_security_checks.violations(pod, level)
        if found:
            attributes.warnings.append(f'would violate PodSecurity "{level}:{version}": {found}')


def policy(labels: dict[str, str], mode: str) -> tuple[str, str]:
    """(level, version) that a namespace asks for. A level nobody knows is taken for the strictest, as upstream."""
    level = labels.get(PREFIX + mode, "privileged")
    version = labels.get(f"{PREFIX}{mode}-version", "latest")
    return (
        level if level in _LEVELS else "restricted",
        version if _VERSION.fullmatch(version) else "latest",
    )


def _template(attributes: contract.AdmissionAttributes) -> Object | None:
    found: Object | None = attributes.object
    for key in _TEMPLATES[attributes.resource.group, attributes.resource.plural]:
        found = (found or {}).get(key)
    return found
