"""The options of a request: CreateOptions, UpdateOptions, PatchOptions, DeleteOptions, ListOptions, GetOptions.

Values that cannot be read are 400, values that are read and not allowed are 422, both in upstream's words.
Source: the "Common parameters" page of the API reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kijabi.api import errors, field
from kijabi.api.resource import Object
from kijabi.kit import http

META = "meta.k8s.io"
VERSION = "resourceVersion"
_INTEGER = re.compile(r"[+-]?[0-9]+")
_POLICIES = ("Foreground", "Background", "Orphan", "nil")
_DIRECTIVES = ("", "Ignore", "Strict", "Warn")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What CREATE, UPDATE and PATCH have in common. ``field_validation`` is Ignore, Warn (the default) or Strict."""

    kind: str = "CreateOptions"
    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = "Warn"
    # Only of an apply: take fields over from other managers.
    force: bool = False

    @property
    def object(self) -> Object:
        """As admission sees them."""
        options: Object = {"kind": self.kind, "apiVersion": "meta.k8s.io/v1"}
        if self.dry_run:
            options["dryRun"] = ["All"]
        if self.field_manager:
            options["fieldManager"] = self.field_manager
        options["fieldValidation"] = self.field_validation
        return options


@dataclass(frozen=True, slots=True)
class ListOptions:
    """``resource_version`` None: not given. ``send_initial_events`` None: not given. ``timeout`` 0: not given."""

    watch: bool = False
    label_selector: str = ""
    field_selector: str = ""
    resource_version: int | None = None
    resource_version_match: str = ""
    limit: int = 0
    continue_: str = ""
    timeout: int = 0
    bookmarks: bool = False
    send_initial_events: bool | None = None


_PLAIN_LIST = ListOptions()
_WRITES = {kind: WriteOptions(kind) for kind in ("CreateOptions", "UpdateOptions", "PatchOptions")}


def _boolean(request: http.Request, name: str) -> bool:
    value = request.param(name)
    # Upstream reads a parameter without a value, and any word but false and 0, as true.
    return name in request.query and value.lower() not in ("false", "0")


def _integer(request: http.Request, name: str) -> int:
    value = request.param(name)
    if not value:
        return 0
    if not _INTEGER.fullmatch(value):
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    if len(value) > 20 or not -(1 << 63) <= int(value) < 1 << 63:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{value}": value out of range')
    return int(value)


def _revision(value: str, *, of_list: bool = False) -> int | None:
    if not value:
        return None
    wrong = "" if value.isascii() and value.isdecimal() else "invalid syntax"
    if not wrong and (len(value) > 20 or int(value) >= 1 << 64):
        wrong = "value out of range"
    if wrong:
        problem = str(field.invalid("resourceVersion", value, f'strconv.ParseUint: parsing "{value}": {wrong}'))
        if of_list:
            raise errors.BadRequest(f"invalid resource version: {problem}")
        # Upstream blames itself for this one, without a reason, in reads of one object and in watches.
        error = errors.ApiError(problem)
        error.reason = ""
        raise error
    return int(value)


def revision(request: http.Request) -> int | None:
    """``resourceVersion`` of a read of one object. Raises ApiError where it is no number."""
    return _revision(request.param("resourceVersion")) if request.query_string else None


def writing(request: http.Request, kind: str, apply: bool = False) -> WriteOptions:
    """Raises Invalid (422) for values that are not allowed."""
    if not request.query_string and not apply:
        return _WRITES[kind]
    dry_run = request.query.get("dryRun", [])
    manager, validation = request.param("fieldManager"), request.param("fieldValidation")
    problems: list[field.Error] = []
    if kind == "PatchOptions" and "force" in request.query and not apply:
        problems.append(field.forbidden("force", "may not be specified for non-apply patch"))
    if apply and not manager:
        problems.append(field.required("fieldManager", "is required for apply patch"))
    if len(manager.encode()) > 128:
        problems.append(field.too_long("fieldManager", 128))
    for place, letter in enumerate(manager):
        if not letter.isprintable():
            name = f"U+{ord(letter):04X}"
            problems.append(field.invalid("fieldManager", manager, f"invalid character {name} (at position {place})"))
    problems.extend(_check_dry_run(dry_run))
    if validation not in _DIRECTIVES:
        problems.append(field.not_supported("fieldValidation", validation, _DIRECTIVES))
    if problems:
        raise errors.invalid(kind, "", problems, META)
    return WriteOptions(kind, bool(dry_run), manager, validation or "Warn", apply and _boolean(request, "force"))


def _check_dry_run(values: list[str]) -> list[field.Error]:
    if all(value == "All" for value in values):
        return []
    return [field.not_supported("dryRun", values, ["All"])]


def listing(request: http.Request) -> ListOptions:
    """Raises BadRequest for what cannot be read and Invalid for what does not go together."""
    if not request.query_string:
        return _PLAIN_LIST
    initial = _boolean(request, "sendInitialEvents") if "sendInitialEvents" in request.query else None
    watch, match, version = _boolean(request, "watch"), request.param("resourceVersionMatch"), request.param(VERSION)
    if watch and initial is None and not match and version in ("", "0"):
        # The oldest way to ask for the state first is taken for the newest.
        initial, match = True, "NotOlderThan"
    options = ListOptions(
        watch=watch,
        label_selector=request.param("labelSelector"),
        field_selector=request.param("fieldSelector"),
        resource_version=_revision(version, of_list=not watch),
        resource_version_match=match,
        limit=max(0, _integer(request, "limit")),
        continue_=request.param("continue"),
        timeout=_integer(request, "timeoutSeconds"),
        bookmarks=_boolean(request, "allowWatchBookmarks"),
        send_initial_events=initial,
    )
    problems = _check_watch(options) if options.watch else _check_list(options)
    if problems:
        raise errors.invalid("ListOptions", "", problems, META)
    return options


def _check_list(options: ListOptions) -> list[field.Error]:
    found: list[field.Error] = []
    match, path = options.resource_version_match, "resourceVersionMatch"
    if match:
        if options.resource_version is None:
            found.append(field.forbidden(path, f"{path} is forbidden unless resourceVersion is provided"))
        if options.continue_:
            found.append(field.forbidden(path, f"{path} is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            found.append(field.not_supported(path, match, ["Exact", "NotOlderThan", ""], ordered=True))
        if match == "Exact" and options.resource_version == 0:
            found.append(field.forbidden(path, f'{path} "exact" is forbidden for resourceVersion "0"'))
    if options.send_initial_events is not None:
        found.append(field.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return found


def _check_watch(options: ListOptions) -> list[field.Error]:
    found: list[field.Error] = []
    match, path = options.resource_version_match, "resourceVersionMatch"
    if options.send_initial_events is not None and match != "NotOlderThan":
        found.append(field.forbidden(path, f"sendInitialEvents requires setting {path} to NotOlderThan"))
    if match:
        if options.send_initial_events is None:
            found.append(field.forbidden(path, f"{path} is forbidden for watch unless sendInitialEvents is provided"))
        if match != "NotOlderThan":
            found.append(field.not_supported(path, match, ["NotOlderThan"]))
        if options.continue_:
            found.append(field.forbidden(path, f"{path} is forbidden when continue is provided"))
    return found


def deletion(request: http.Request, decode: Callable[[http.Request], Any]) -> Object:
    """A DeleteOptions object, from the body where there is one, else from the query. Raises BadRequest or Invalid."""
    options = decode(request) if request.body.strip() else _query_deletion(request)
    if options is None:
        options = {}
    if not isinstance(options, dict):
        raise errors.BadRequest(f"couldn't get version/kind; json parse error: {no_object(options)}")
    kind = options.get("kind") or "DeleteOptions"
    if kind != "DeleteOptions":
        version = options.get("apiVersion") or "meta.k8s.io/v1"
        raise errors.BadRequest(f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"')
    _check_types(options)
    problems = _check_deletion(options)
    if problems:
        raise errors.invalid("DeleteOptions", "", problems, META)
    return {**options, "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}


def no_object(value: Any) -> str:
    """Go's complaint about JSON that is no object."""
    return f"json: cannot unmarshal {JSON_NAMES.get(type(value), 'object')} into Go value of type {HEAD}"


def _query_deletion(request: http.Request) -> Object:
    if not request.query_string:
        return {}
    options: Object = {}
    if "gracePeriodSeconds" in request.query:
        if not request.param("gracePeriodSeconds"):
            raise errors.BadRequest('strconv.ParseInt: parsing "": invalid syntax')
        options["gracePeriodSeconds"] = _integer(request, "gracePeriodSeconds")
    if "propagationPolicy" in request.query:
        options["propagationPolicy"] = request.param("propagationPolicy")
    if "orphanDependents" in request.query:
        options["orphanDependents"] = _boolean(request, "orphanDependents")
    if "dryRun" in request.query:
        options["dryRun"] = request.query["dryRun"]
    return options


# Both are upstream's, and clients see them.
HEAD = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_SCHEME = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"
_TYPES: dict[str, tuple[type, str]] = {
    "gracePeriodSeconds": (int, "int64"),
    "propagationPolicy": (str, "v1.DeletionPropagation"),
    "orphanDependents": (bool, "bool"),
    "dryRun": (list, "[]string"),
    "preconditions": (dict, "v1.Preconditions"),
}
JSON_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


def _check_types(options: Object) -> None:
    for name, (wanted, go_type) in _TYPES.items():
        _check_type(options.get(name), wanted, f"DeleteOptions.{name}", go_type)
    grace = options.get("gracePeriodSeconds")
    if grace is not None and not -(1 << 63) <= grace < 1 << 63:
        raise _mistyped(f"number {grace}", "DeleteOptions.gracePeriodSeconds", "int64")
    for value in options.get("dryRun") or ():
        _check_type(value, str, "DeleteOptions.dryRun", "string")
    for name, go_type in (("uid", "types.UID"), ("resourceVersion", "string")):
        value = (options.get("preconditions") or {}).get(name)
        _check_type(value, str, f"Preconditions.preconditions.{name}", go_type)


def _check_type(value: Any, wanted: type, place: str, go_type: str) -> None:
    if value is not None and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))):
        was = JSON_NAMES.get(type(value), "object")
        raise _mistyped(f"number {value}" if wanted is int and was == "number" else was, place, go_type)


def _mistyped(what: str, place: str, go_type: str) -> errors.BadRequest:
    return errors.BadRequest(f"json: cannot unmarshal {what} into Go struct field {place} of type {go_type}")


def _check_deletion(options: Object) -> list[field.Error]:
    found: list[field.Error] = []
    policy, orphan = options.get("propagationPolicy"), options.get("orphanDependents")
    if orphan is not None and policy is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        found.append(field.invalid("propagationPolicy", policy, why))
    if policy is not None and policy not in _POLICIES[:3]:
        found.append(field.not_supported("propagationPolicy", policy, _POLICIES, ordered=True))
    return found + _check_dry_run(options.get("dryRun") or [])
