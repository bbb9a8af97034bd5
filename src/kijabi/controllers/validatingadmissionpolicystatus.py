"""What type checking has to say of ValidatingAdmissionPolicies, in their status.

Source: upstream's validatingadmissionpolicystatus controller.
"""

from __future__ import annotations

from kijabi.api import errors, served
from kijabi.api.cel import typechecking
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract

POLICIES = served.find("admissionregistration.k8s.io/v1", "validatingadmissionpolicies")


def root_of(schemas: Object, gvk: typechecking.Gvk) -> Object | None:
    """The schema of a kind in an OpenAPI document, None where there is none."""
    group, version, kind = gvk
    wanted = {"group": group, "version": version, "kind": kind}
    for name, schema in schemas.items():
        if wanted in (schema.get("x-kubernetes-group-version-kind") or ()):
            return typechecking.resolved(schemas, name)
    return None


class PolicyStatus(contract.KeyedController):
    name = "validatingadmissionpolicy-status-controller"
    account = "validatingadmissionpolicy-status-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._policies = context.informers.of(POLICIES)

    def watch(self) -> list[informer.Informer]:
        self._policies.subscribe(self._changed)
        return [self._policies]

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.enqueue(new)

    async def reconcile(self, key: str) -> float | None:
        policy = self._policies.by_key(key)
        if policy is None:
            return None
        generation = policy["metadata"].get("generation", 0)
        if generation <= (policy.get("status") or {}).get("observedGeneration", 0):
            return None
        warnings = typechecking.check(policy, await self._kinds(policy), await self._params(policy))
        checked = {"expressionWarnings": warnings} if warnings else {}
        status = {**(policy.get("status") or {}), "observedGeneration": generation, "typeChecking": checked}
        await self.client.update(POLICIES, {**policy, "status": status}, subresource="status")
        return None

    async def _kinds(self, policy: Object) -> dict[typechecking.Gvk, Object]:
        rules = (policy["spec"].get("matchConstraints") or {}).get("resourceRules") or []
        found: dict[typechecking.Gvk, Object] = {}
        for group, version, plural in typechecking.named(rules):
            listed = await self._read(_path("", group, version))
            for row in (listed or {}).get("resources") or ():
                gvk = (row.get("group") or group, row.get("version") or version, row["kind"])
                if row["name"] == plural and (schema := await self._schema(gvk)) is not None:
                    found[gvk] = schema
        return found

    async def _params(self, policy: Object) -> Object | None:
        kind = policy["spec"].get("paramKind")
        if kind is None:
            return None
        group, _, version = (kind.get("apiVersion") or "").rpartition("/")
        return await self._schema((group, version, kind.get("kind") or ""))

    async def _schema(self, gvk: typechecking.Gvk) -> Object | None:
        document = await self._read(_path("/openapi/v3", gvk[0], gvk[1]))
        schemas = ((document or {}).get("components") or {}).get("schemas") or {}
        return root_of(schemas, gvk)

    async def _read(self, path: str) -> Object | None:
        """A document, None where there is none: a type that is not known is not checked."""
        try:
            found: Object = await self.client.raw("GET", path)
        except errors.NotFound:
            return None
        return found


def _path(prefix: str, group: str, version: str) -> str:
    return f"{prefix}/apis/{group}/{version}" if group else f"{prefix}/api/{version}"
