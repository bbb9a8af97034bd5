"""What special handlers share: the answer of a creation that leaves no object, and admission of what is below one."""

from __future__ import annotations

from kijabi.api import resource
from kijabi.apiserver import contract
from kijabi.kit import http

Object = contract.Object


def success(context: contract.RequestContext) -> http.Response:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    return context.access.respond(context, status, 201)


async def admit(
    context: contract.RequestContext, what: resource.Resource, subresource: str, name: str, obj: Object | None
) -> None:
    """Run admission for the creation of ``obj`` below the object ``name``. Raises what plugins raise."""
    options: Object = {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
    if context.dry_run:
        options["dryRun"] = ["All"]
    await context.access.admit(
        contract.AdmissionAttributes(
            contract.CREATE,
            what,
            subresource,
            name,
            context.info.namespace,
            obj,
            None,
            options,
            context.user,
            context.dry_run,
            context.warnings,
        )
    )
