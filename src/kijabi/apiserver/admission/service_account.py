"""Every pod runs as a service account of its namespace and gets that account's token as a projected volume."""

from __future__ import annotations

import random
from typing import Any

from kijabi.api import kinds, metadata, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin
from kijabi.apiserver.authz import references
from kijabi.kit import clock

DEFAULT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 3607
ENFORCE_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"

# A new namespace's default account is made by a controller; the first pods may come before it.
_TRIES = 10

Object = contract.Object


class ServiceAccount(plugin.Plugin):
    name = "ServiceAccount"

    def __init__(self, access: contract.Access, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._access = access
        self._clock = timepiece

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return plugin.is_kind(what, kinds.PODS) and (operation, subresource) in (
            (contract.CREATE, ""),
            (contract.UPDATE, "ephemeralcontainers"),
        )

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        pod = attributes.object
        if pod is None or attributes.operation != contract.CREATE or _is_mirror(pod):
            return
        spec = pod["spec"]
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = DEFAULT
        # The deprecated name of the same field is always shown beside it.
        spec["serviceAccount"] = spec["serviceAccountName"]
        account = await self._account(attributes, spec["serviceAccountName"])
        if _automounts(account, spec):
            mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [{"name": ref.get("name", "")} for ref in account["imagePullSecrets"]]

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        pod = attributes.object
        if pod is None:
            return
        if attributes.operation == contract.CREATE and _is_mirror(pod):
            why = mirror_problem(pod)
            if why:
                raise plugin.refused(attributes, why)
            return
        name = pod["spec"].get("serviceAccountName")
        if not name:
            home = f"{attributes.namespace}/{pod['metadata'].get('name', '')}"
            raise plugin.refused(attributes, f"no service account specified for pod {home}")
        account = await self._account(attributes, name)
        if (account["metadata"].get("annotations") or {}).get(ENFORCE_MOUNTABLE) == "true":
            why = unmountable(account, pod, attributes.operation == contract.CREATE)
            if why:
                raise plugin.refused(attributes, why)

    async def _account(self, attributes: contract.AdmissionAttributes, name: str) -> Object:
        pause = random.uniform(0.1, 0.2)
        for attempt in range(_TRIES if name == DEFAULT else 1):
            if attempt:
                await self._clock.sleep(pause)
            found = self._access.peek(kinds.SERVICE_ACCOUNTS, name, attributes.namespace)
            if found is not None:
                return found
        raise plugin.refused(
            attributes,
            f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found',
        )


def _is_mirror(pod: Object) -> bool:
    return references.MIRROR_POD in (pod["metadata"].get("annotations") or {})


def _automounts(account: Object, spec: Object) -> bool:
    for holder in (spec, account):
        wish = holder.get("automountServiceAccountToken")
        if wish is not None:
            return bool(wish)
    return True


def mount_token(spec: Object) -> None:
    """Mount the token volume in every container that has nothing at its path, making the volume where it lacks."""
    volumes = spec.get("volumes") or []
    there = next((one["name"] for one in volumes if one.get("name", "").startswith(VOLUME_PREFIX)), "")
    name = there or metadata.generate_name(VOLUME_PREFIX)
    mounted = False
    for key in ("initContainers", "containers"):
        for container in spec.get(key) or ():
            mounts = container.get("volumeMounts") or []
            if any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
                continue
            container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
            mounted = True
    if mounted and not there:
        spec["volumes"] = [*volumes, {"name": name, "projected": _token_source()}]


def _token_source() -> dict[str, Any]:
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                    ]
                }
            },
        ],
        "defaultMode": 0o644,
    }


def mirror_problem(pod: Object) -> str:
    """Why a mirror pod may not be: it stands for a pod that a kubelet runs without the API."""
    if pod["spec"].get("serviceAccountName"):
        return "a mirror pod may not reference service accounts"
    if references.secrets(pod):
        return "a mirror pod may not reference secrets"
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""


def unmountable(account: Object, pod: Object, whole: bool) -> str:
    """Which secret a pod uses that its account does not list; of ephemeral containers alone unless ``whole``."""
    mountable = {ref.get("name") for ref in account.get("secrets") or ()}
    name = account["metadata"]["name"]
    tail = f"is not allowed because service account {name} does not reference that secret"
    spec = pod["spec"]
    if not whole:
        return _container_problem(spec, "ephemeralContainers", "ephemeral container", mountable, tail)
    for volume in spec.get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName")
        if secret is not None and secret not in mountable:
            return f'volume with secret.secretName="{secret}" {tail}'
    for key, label in (("initContainers", "init container"), ("containers", "container")):
        why = _container_problem(spec, key, label, mountable, tail)
        if why:
            return why
    pullable = {ref.get("name") for ref in account.get("imagePullSecrets") or ()}
    for index, ref in enumerate(spec.get("imagePullSecrets") or ()):
        if ref.get("name") not in pullable:
            return (
                f'imagePullSecrets[{index}].name="{ref.get("name")}" is not allowed because service account {name} '
                "does not reference that imagePullSecret"
            )
    return ""


def _container_problem(spec: Object, key: str, label: str, mountable: set[str | None], tail: str) -> str:
    for container in spec.get(key) or ():
        head = f"{label} {container.get('name', '')} with"
        for variable in container.get("env") or ():
            secret = ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")
            if secret is not None and secret not in mountable:
                return f'{head} envVar {variable.get("name")} referencing secret.secretName="{secret}" {tail}'
        for source in container.get("envFrom") or ():
            secret = (source.get("secretRef") or {}).get("name")
            if secret is not None and secret not in mountable:
                return f'{head} envFrom referencing secret.secretName="{secret}" {tail}'
    return ""
