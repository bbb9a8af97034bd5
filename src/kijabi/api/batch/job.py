"""Jobs. The selector and the labels that carry it are the server's unless ``manualSelector`` is set."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, conditions, field, labels, names, printing, served, timestamps
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import defaults, validation
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
_MOST_INDEXED = 100_000


def default_spec(spec: Object) -> None:
    """Also the spec inside a CronJob."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", _INT32 if spec.get("backoffLimitPerIndex") is not None else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"
    defaults.default_template(spec.setdefault("template", {}))


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default_spec(spec)
    spec.setdefault("manualSelector", False)
    told = (spec["template"].get("metadata") or {}).get("labels")
    if told and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(told)


def prepare_create(obj: Object) -> None:
    obj.pop("status", None)
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector"):
        return
    own = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for key in NAME_LABELS:
        own.setdefault(key, meta.get("name", ""))
    for key in UID_LABELS:
        own.setdefault(key, meta.get("uid", ""))
    chosen = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    chosen.setdefault(UID_LABELS[1], meta.get("uid", ""))


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    # The name becomes part of a host name where pods are indexed.
    found: Errors = []
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is not None:
        longest = f"{obj['metadata'].get('name', '')}-{max(spec['completions'] - 1, 0)}"
        for text in names.dns_label(longest):
            found.append(field.invalid("metadata.name", obj["metadata"].get("name", ""), text))
    found += validate_spec(spec, "spec")
    chosen = spec.get("selector")
    if chosen is None:
        return [*found, field.required("spec.selector")]
    found += checks.selector(chosen, "spec.selector")
    told = (spec["template"].get("metadata") or {}).get("labels")
    try:
        if not labels.from_label_selector(chosen).matches(told):
            text = "`selector` does not match template `labels`"
            found.append(field.invalid("spec.template.metadata.labels", told, text))
    except labels.Malformed:
        pass  # said above
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
    if spec.get("managedBy"):
        where = field.child(path, "managedBy")
        found += checks.word(spec["managedBy"], where, names.domain_prefixed_path)
        if len(spec["managedBy"]) > 63:
            found.append(field.too_long(where, 63))
    found += _indexes(spec, path)
    choices = ("Failed",) if "podFailurePolicy" in spec else ("Failed", "TerminatingOrFailed")
    found += checks.optional(spec.get("podReplacementPolicy"), field.child(path, "podReplacementPolicy"), choices)
    template = spec.get("template") or {}
    found += validation.validate_template(template, field.child(path, "template"))
    return found + _restart(spec, template, field.child(path, "template", "spec", "restartPolicy"))


def _indexes(spec: Object, path: str) -> Errors:
    mode = spec.get("completionMode")
    found = checks.optional(mode, field.child(path, "completionMode"), ("Indexed", "NonIndexed"))
    if mode == "Indexed":
        if spec.get("completions") is None:
            found.append(field.required(field.child(path, "completions"), "when completion mode is Indexed"))
        elif spec.get("maxFailedIndexes", 0) > spec["completions"]:
            text = "must be less than or equal to completions"
            found.append(field.invalid(field.child(path, "maxFailedIndexes"), spec["maxFailedIndexes"], text))
        if spec.get("parallelism", 0) > _MOST_INDEXED:
            text = f"must be less than or equal to {_MOST_INDEXED} when completion mode is Indexed"
            found.append(field.invalid(field.child(path, "parallelism"), spec["parallelism"], text))
        return found
    for key in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
        if spec.get(key) is not None:
            found.append(field.invalid(field.child(path, key), spec[key], "requires indexed completion mode"))
    return found


def _restart(spec: Object, template: Object, path: str) -> Errors:
    policy = (template.get("spec") or {}).get("restartPolicy", "")
    if policy in ("", "Always"):
        return [field.required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [field.not_supported(path, policy, ("OnFailure", "Never"))]
    if "podFailurePolicy" in spec and policy != "Never":
        text = 'only "Never" is supported when podFailurePolicy is specified'
        return [field.invalid(path, policy, text)]
    return []


_IMMUTABLE = (
    "selector",
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found = validate_create(new)
    found += _completions(spec, before)
    for key in _IMMUTABLE:
        found += checks.immutable(spec.get(key), before.get(key), f"spec.{key}")
    return found + _template(new, old)


def _completions(spec: Object, before: Object) -> Errors:
    path = "spec.completions"
    if spec.get("completions") == before.get("completions"):
        return []
    if before.get("completionMode") != "Indexed" or spec.get("completions") is None:
        return checks.immutable(spec.get("completions"), before.get("completions"), path)
    if spec["completions"] != spec.get("parallelism"):
        text = "can only be modified in tandem with spec.parallelism"
        return [field.invalid(path, spec["completions"], text)]
    return []


# A job that waits to be started for the first time may still be told where to run.
_SCHEDULING = ("affinity", "nodeSelector", "tolerations", "schedulingGates")


def _template(new: Object, old: Object) -> Errors:
    template, before = new["spec"].get("template") or {}, old["spec"].get("template") or {}
    if template == before:
        return []
    if old["spec"].get("suspend") and not (old.get("status") or {}).get("startTime"):
        after, was = _without_scheduling(template), _without_scheduling(before)
        if after == was:
            return []
    return [field.immutable("spec.template", template)]


def _without_scheduling(template: Object) -> Object:
    inner = {key: value for key, value in (template.get("spec") or {}).items() if key not in _SCHEDULING}
    return {"spec": inner}


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
