"""Jobs. The selector and the labels that carry it are the server's unless ``manualSelector`` is set."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, conditions, field, labels, names, prefixed, printing, served, timestamps, zeros
from kijabi.api.apps import workload
from kijabi.api.batch import jobstatus, policies
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import advice, defaults, validation
from kijabi.api.resource import Object

RESOURCE = served.find("batch/v1", "jobs")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Status", "Status of the job."),
    printing.text("Completions", "Pods that have succeeded, of those wanted."),
    printing.text("Duration", "Time required to complete the job."),
    printing.AGE,
    printing.CONTAINERS,
    printing.IMAGES,
    printing.SELECTOR,
)
NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_INT32 = 2**31 - 1
# Above so many completions what has failed per index cannot all be remembered.
_MANY, _FEW = 100_000, 10_000


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", _INT32 if spec.get("backoffLimitPerIndex") is not None else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    policies.default(spec)
    defaults.default_template(spec.setdefault("template", {}))
    spec.setdefault("manualSelector", False)
    told = (spec["template"].get("metadata") or {}).get("labels")
    if told and not obj["metadata"].get("labels"):
        # The same labels, not equal ones: those that are made for the template become the job's too.
        obj["metadata"]["labels"] = told


def prepare_create(obj: Object) -> None:
    obj["status"] = {}
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector"):
        return
    own = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    shared = not meta.get("labels") or meta["labels"] is own
    for key in NAME_LABELS:
        own.setdefault(key, meta.get("name", ""))
    for key in UID_LABELS:
        own.setdefault(key, meta.get("uid", ""))
    if shared:
        meta["labels"] = dict(own)
    chosen = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    chosen.setdefault(UID_LABELS[1], meta.get("uid", ""))


def prepare_status(new: Object, old: Object) -> None:
    zeros.conditions(new.get("status"), "lastProbeTime", "lastTransitionTime")
    zeros.hide(new.get("status"), "active", "succeeded", "failed", "completedIndexes")


def _validate(obj: Object) -> Errors:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    found = _generated(obj) + _with_selector(spec)
    if spec.get("completionMode") == "Indexed" and (spec.get("completions") or 0) > 0:
        # The name becomes part of the host names of pods.
        longest = f"{name}-{spec['completions'] - 1}"
        if names.dns_label(longest):
            text = f"will not able to create pod with invalid DNS label: {longest}"
            found.append(field.invalid("metadata.name", name, text))
    return found


def validate_create(obj: Object) -> Errors:
    return _validate(obj)


def _generated(obj: Object) -> Errors:
    """The selector and labels that a client leaves to the server, or has copied from there."""
    spec, meta = obj["spec"], obj["metadata"]
    chosen = spec.get("selector")
    if spec.get("manualSelector") or chosen is None:
        return []
    uid, name = meta.get("uid", ""), meta.get("name", "")
    wanted = {UID_LABELS[0]: uid, NAME_LABELS[0]: name, UID_LABELS[1]: uid, NAME_LABELS[1]: name}
    own = (spec["template"].get("metadata") or {}).get("labels") or {}
    found: Errors = []
    for key, value in wanted.items():
        path = field.key("spec.template.metadata.labels", key)
        if key not in own:
            found.append(field.required(path, f"must be '{value}'"))
        elif own[key] != value:
            found.append(field.invalid(path, dict(sorted(own.items())), f"must be '{value}'"))
    if _matches(chosen, wanted) is False:
        found.append(field.invalid("spec.selector", chosen, "`selector` not auto-generated"))
    return found


def _matches(chosen: Object | None, told: dict[str, str] | None) -> bool | None:
    """``None`` where the selector cannot be read."""
    try:
        return labels.from_label_selector(chosen).matches(told)
    except labels.Malformed:
        return None


def _with_selector(spec: Object) -> Errors:
    found = validate_spec(spec, "spec")
    chosen = spec.get("selector")
    found += checks.selector(chosen, "spec.selector") if chosen is not None else [field.required("spec.selector")]
    told = (spec["template"].get("metadata") or {}).get("labels")
    if _matches(chosen, told) is False:
        text = "`selector` does not match template `labels`"
        shown = dict(sorted(told.items())) if told else None
        found.append(field.invalid("spec.template.metadata.labels", shown, text))
    return found


_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)


def validate_spec(spec: Object, path: str) -> Errors:
    """What holds of a Job's spec with or without a selector."""
    found = checks.not_negative(spec, path, *_COUNTS)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        text = "when maxFailedIndexes is specified"
        found.append(field.required(field.child(path, "backoffLimitPerIndex"), text))
    if spec.get("managedBy") is not None:
        found += prefixed.validate(spec["managedBy"], field.child(path, "managedBy"), 63)
    found += _indexed(spec, path)
    if spec.get("podFailurePolicy") is not None:
        found += policies.failure(spec, field.child(path, "podFailurePolicy"))
    if spec.get("successPolicy") is not None:
        where = field.child(path, "successPolicy")
        if spec.get("completionMode") == "Indexed":
            found += policies.success(spec, where)
        else:
            shown = policies.shown_success(spec["successPolicy"])
            found.append(field.invalid(where, shown, "requires indexed completion mode"))
    choices = ("Failed",) if "podFailurePolicy" in spec else ("Failed", "TerminatingOrFailed")
    if spec.get("podReplacementPolicy", choices[0]) not in choices:
        where = field.child(path, "podReplacementPolicy")
        found.append(field.not_supported(where, spec["podReplacementPolicy"], choices))
    template = spec.get("template") or {}
    found += validation.validate_template(template, field.child(path, "template"))
    return found + _restart(spec, template, field.child(path, "template", "spec", "restartPolicy"))


def _indexed(spec: Object, path: str) -> Errors:
    mode, where = spec.get("completionMode"), field.child(path, "completionMode")
    found: Errors = []
    if mode not in (None, "NonIndexed", "Indexed"):
        found.append(field.not_supported(where, mode, ("NonIndexed", "Indexed"), ordered=True))
    if mode == "Indexed":
        return found + _limits(spec, path)
    if mode in (None, "NonIndexed"):
        for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(key) is not None:
                found.append(field.invalid(field.child(path, key), spec[key], "requires indexed completion mode"))
    return found


def _limits(spec: Object, path: str) -> Errors:
    completions, most_failed = spec.get("completions"), spec.get("maxFailedIndexes")
    side_by_side = spec.get("parallelism") or 0
    parallelism, failed = field.child(path, "parallelism"), field.child(path, "maxFailedIndexes")
    found: Errors = []
    if completions is None:
        found.append(field.required(field.child(path, "completions"), "when completion mode is Indexed"))
    if side_by_side > _MANY:
        text = f"must be less than or equal to {_MANY} when completion mode is Indexed"
        found.append(field.invalid(parallelism, side_by_side, text))
    if completions is not None and most_failed is not None and most_failed > completions:
        found.append(field.invalid(failed, most_failed, "must be less than or equal to completions"))
    if most_failed is not None and most_failed > _MANY:
        found.append(field.invalid(failed, most_failed, f"must be less than or equal to {_MANY}"))
    if completions is None or completions <= _MANY or spec.get("backoffLimitPerIndex") is None:
        return found
    text = (
        f"must be less than or equal to {_FEW} when completions are above {_MANY} and used with backoff limit per index"
    )
    if most_failed is None:
        found.append(field.required(failed, f"must be specified when completions is above {_MANY}"))
    if side_by_side > _FEW:
        found.append(field.invalid(parallelism, side_by_side, text))
    if most_failed is not None and most_failed > _FEW:
        found.append(field.invalid(failed, most_failed, text))
    return found


def _restart(spec: Object, template: Object, path: str) -> Errors:
    policy = (template.get("spec") or {}).get("restartPolicy", "")
    if policy in ("", "Always"):
        return [field.required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [field.not_supported(path, policy, ("OnFailure", "Never"), ordered=True)]
    if "podFailurePolicy" in spec and policy != "Never":
        text = 'only "Never" is supported when podFailurePolicy is specified'
        return [field.invalid(path, policy, text)]
    return []


_IMMUTABLE = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy")


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found = _validate(new) + _with_selector(spec)
    found += _completions(spec, before)
    found += checks.immutable(spec.get("selector"), before.get("selector"), "spec.selector")
    found += _template(new, old)
    for key in _IMMUTABLE:
        found += checks.immutable(spec.get(key), before.get(key), f"spec.{key}")
    policy = spec.get("successPolicy")
    if policy != before.get("successPolicy"):
        shown = policies.shown_success(policy) if policy is not None else None
        found.append(field.immutable("spec.successPolicy", shown))
    return found


def _completions(spec: Object, before: Object) -> Errors:
    path, wanted = "spec.completions", spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        return checks.immutable(wanted, before.get("completions"), path)
    if wanted == before.get("completions") or wanted is None or wanted == spec.get("parallelism"):
        return []
    return [field.invalid(path, wanted, "can only be modified in tandem with spec.parallelism")]


# A suspended job that runs no pods may still be told where to run, and with what.
_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates")


def _template(new: Object, old: Object) -> Errors:
    template, before = new["spec"].get("template") or {}, old["spec"].get("template") or {}
    told = old.get("status") or {}
    resting = not told.get("startTime") or conditions.is_true(old, "Suspended")
    if not old["spec"].get("suspend") or not resting or told.get("active"):
        return checks.immutable(template, before, "spec.template")
    pod, was = _fixed(template.get("spec") or {}), _fixed(before.get("spec") or {})
    return [field.immutable("spec.template.spec", template.get("spec"))] if pod != was else []


def _fixed(pod: Object) -> Object:
    """What of a pod's spec cannot change even then."""
    kept = {key: value for key, value in pod.items() if key not in _SCHEDULING}
    affinity = {key: value for key, value in (pod.get("affinity") or {}).items() if key != "nodeAffinity"}
    kept["affinity"] = affinity
    for key in ("containers", "initContainers"):
        kept[key] = [{k: v for k, v in c.items() if k != "resources"} for c in pod.get(key) or ()]
    return kept


def validate_status(new: Object, old: Object) -> Errors:
    return jobstatus.validate(new, old)


def warn_spec(spec: Object, path: str) -> list[str]:
    """Also of the jobs that a CronJob makes."""
    told = advice.of_template(spec.get("template"), field.child(path, "template"))
    many = spec.get("completions") or 0
    if spec.get("completionMode") != "Indexed" or many <= _MANY or (spec.get("parallelism") or 0) <= _FEW:
        return told
    return [
        f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
        "Kubernetes might not be able to track completedIndexes when a big number of indexes fail",
        *told,
    ]


def warn_create(obj: Object) -> list[str]:
    return workload.name_warnings(obj) + warn_spec(obj["spec"], "spec")


def warn_update(new: Object, old: Object) -> list[str]:
    changed = new["metadata"].get("generation") != old["metadata"].get("generation")
    return warn_spec(new["spec"], "spec") if changed else []


def fields(obj: Object) -> dict[str, str]:
    return {"status.successful": str((obj.get("status") or {}).get("succeeded", 0))}


_WORDS = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")


def _status(obj: Object) -> str:
    for word in _WORDS[:2]:
        if conditions.is_true(obj, word):
            return word
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((word for word in _WORDS[2:] if conditions.is_true(obj, word)), "Running")


def _completed(spec: Object, told: Object) -> str:
    done = told.get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    side_by_side = spec.get("parallelism", 0)
    return f"{done}/1 of {side_by_side}" if side_by_side > 1 else f"{done}/1"


def _duration(told: Object, now: float) -> str:
    if not told.get("startTime"):
        return ""
    end = timestamps.parse(told["completionTime"]) if told.get("completionTime") else now
    return timestamps.human(end - timestamps.parse(told["startTime"]))


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj["spec"], obj.get("status") or {}
    return [
        printing.name(obj),
        _status(obj),
        _completed(spec, told),
        _duration(told, now),
        printing.age(obj, now),
        *printing.containers((spec.get("template") or {}).get("spec") or {}),
        labels.format_label_selector(spec.get("selector")),
    ]
