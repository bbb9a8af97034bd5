"""Pods: the template of a kind, in a folder because their rules are many.

``status`` makes the cells of ``kubectl get pods``; ``changes`` says what an update may change. What pods share with
pod templates is in ``core.podspec``.
"""

from __future__ import annotations

from kijabi.api import conditions, field, resource, served, zeros
from kijabi.api.core.pod import changes, reported, skew, status
from kijabi.api.core.podspec import advice, defaults, equality, validation
from kijabi.api.predicates import pods
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "pods")
GENERATION = True
COLUMNS = status.COLUMNS
columns = status.columns
validate_update = changes.validate_update
validate_status = reported.validate
take_ephemeral = changes.take_ephemeral
take_resize = changes.take_resize


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    # In upstream's order: host ports and requests depend on defaults of the spec in no way, and come first.
    defaults.default_pod(spec)
    defaults.default(spec)


def prepare_create(obj: Object) -> None:
    spec = obj["spec"]
    # Admission may have named the service account.
    defaults.mirror_service_account(spec)
    obj["metadata"]["generation"] = 1
    obj["status"] = {"phase": "Pending", "qosClass": pods.qos_class(obj)}
    if spec.get("schedulingGates"):
        obj["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": conditions.FALSE,
                "lastProbeTime": None,
                "lastTransitionTime": obj["metadata"].get("creationTimestamp"),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    labels = obj["metadata"].get("labels") or {}
    skew.merge_label_keys(spec, labels)
    if obj["metadata"].get("annotations"):
        skew.apparmor_fields(spec, obj["metadata"]["annotations"])


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    defaults.mirror_service_account(new["spec"])
    resource.count_generation(new, old, not equality.same(new["spec"], old["spec"]))


def prepare_status(new: Object, old: Object) -> None:
    """Spec, owners and the deletion stay the server's; the class and the observed generations are kept if left out."""
    resource.keep(new["metadata"], old["metadata"], "ownerReferences")
    told, before = new.setdefault("status", {}), old.get("status") or {}
    if not told.get("qosClass") and "qosClass" in before:
        told["qosClass"] = before["qosClass"]
    reported.keep_generations(told, before)
    reported.mirror_addresses(told)
    reported.drop_disabled(told)
    zeros.conditions(told, "lastProbeTime", "lastTransitionTime")
    reported.fill(told)


def validate_create(obj: Object) -> list[field.Error]:
    return validation.validate_pod(obj)


def warn_create(obj: Object) -> list[str]:
    return advice.hostname(obj["metadata"].get("name", ""), "the Pod's hostname") + advice.of_pod(obj)


def warn_status(new: Object, old: Object) -> list[str]:
    return reported.warnings(new)


def fields(obj: Object) -> dict[str, str]:
    spec, told = obj.get("spec") or {}, obj.get("status") or {}
    addresses = told.get("podIPs") or ()
    return {
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": told.get("phase", ""),
        "status.podIP": addresses[0].get("ip", "") if addresses else told.get("podIP", ""),
        # Asked for by old clients; what it says is never compared.
        "status.podIPs": "",
        "status.nominatedNodeName": told.get("nominatedNodeName", ""),
    }


def grace_period(obj: Object, asked: int | None) -> int:
    """Seconds between DELETE and the end; 0 deletes at once. ``asked`` is the request's gracePeriodSeconds."""
    seconds = asked if asked is not None else obj["spec"].get("terminationGracePeriodSeconds", 0)
    # Nobody is there to stop it, or it has stopped.
    if not pods.node_name(obj) or pods.is_terminal(obj):
        return 0
    return 1 if seconds < 0 else int(seconds)
