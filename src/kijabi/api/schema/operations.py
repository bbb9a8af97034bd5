"""The HTTP operations of every served resource, as OpenAPI describes them.

Only what clients read is here: the paths, actions, kinds, parameters and bodies. kubectl looks for the kind of a path,
and whether PATCH takes ``dryRun`` and ``fieldValidation``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kijabi.api import resource, served
from kijabi.api.resource import Resource

# Name → (type, description).
_PRETTY = ("string", "If 'true', then the output is pretty printed.")
_PARAMETERS = {
    "dryRun": ("string", "'All' processes every stage and stores nothing."),
    "fieldManager": ("string", "The name of the actor that makes these changes."),
    "fieldValidation": ("string", "What becomes of unknown and duplicate fields: Ignore, Warn or Strict."),
    "force": ("boolean", "Take fields over from other managers; for apply requests alone."),
    "gracePeriodSeconds": ("integer", "Seconds before the object is deleted; zero deletes immediately."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "propagationPolicy": ("string", "What becomes of dependents: Orphan, Background or Foreground."),
    "allowWatchBookmarks": ("boolean", "Ask for events of type BOOKMARK."),
    "continue": ("string", "Where a list goes on, as the former part of it said."),
    "fieldSelector": ("string", "Restrict the objects by their fields. Defaults to everything."),
    "labelSelector": ("string", "Restrict the objects by their labels. Defaults to everything."),
    "limit": ("integer", "The most objects to return at once."),
    "resourceVersion": ("string", "A constraint on the resource versions a request may be served from."),
    "resourceVersionMatch": ("string", "How resourceVersion is applied to lists."),
    "sendInitialEvents": ("boolean", "Begin a watch with what there is."),
    "timeoutSeconds": ("integer", "The longest a list or watch may take."),
    "watch": ("boolean", "Stream changes as they happen."),
    "pretty": _PRETTY,
    "shardSelector": ("string", "Restrict the objects to one shard of them; only where that feature is on."),
    "ignoreStoreReadErrorWithClusterBreakingPotential": (
        "boolean",
        "Delete what cannot be read from the store, without its finalizers; only where that feature is on.",
    ),
    "command": ("string", "What to run, without a shell."),
    "container": ("string", "Which container; the only one where there is but one."),
    "follow": ("boolean", "Go on with what is logged from now on."),
    "insecureSkipTLSVerifyBackend": ("boolean", "Do not verify the kubelet's certificate."),
    "limitBytes": ("integer", "The most bytes to return."),
    "path": ("string", "The path to ask for there."),
    "ports": ("integer", "The ports to forward to."),
    "previous": ("boolean", "The log of the container that ran before."),
    "sinceSeconds": ("integer", "How far back the log begins."),
    "stderr": ("boolean", "Connect the standard error."),
    "stdin": ("boolean", "Connect the standard input."),
    "stdout": ("boolean", "Connect the standard output."),
    "stream": ("string", "Which stream of the log: All, Stdout or Stderr."),
    "tailLines": ("integer", "How many of the last lines."),
    "timestamps": ("boolean", "Begin each line with its time."),
    "tty": ("boolean", "Whether the process has a terminal."),
}
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_DELETE = (
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
)
_LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
)
_STREAMS = ("container", "stderr", "stdin", "stdout", "tty")
# Subresources that are connections → (methods, parameters).
_CONNECTIONS = {
    "attach": (("get", "post"), _STREAMS),
    "exec": (("get", "post"), ("command", *_STREAMS)),
    "portforward": (("get", "post"), ("ports",)),
    "proxy": (("delete", "get", "head", "options", "patch", "post", "put"), ("path",)),
}
_LOG = (
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "stream",
    "tailLines",
    "timestamps",
)
PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
# Verb → (method, action, parameters, on a collection).
_VERBS = {
    "list": ("get", "list", _LIST, True),
    "create": ("post", "post", _WRITE, True),
    "deletecollection": ("delete", "deletecollection", (*_DELETE, *_LIST[1:-1]), True),
    "get": ("get", "get", (), False),
    "update": ("put", "put", _WRITE, False),
    "patch": ("patch", "patch", (*_WRITE, "force"), False),
    "delete": ("delete", "delete", _DELETE, False),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """``gvk`` is the kind on the wire, as (group, version, kind). ``collection`` answers a list.

    ``body`` is empty where there is none, ``optional`` or ``required``.
    """

    path: str
    method: str
    action: str
    id: str
    tag: str
    gvk: tuple[str, str, str]
    parameters: tuple[Parameter, ...]
    path_parameters: tuple[Parameter, ...]
    body: str
    collection: bool


def parameter(name: str) -> Parameter:
    kind, description = _PARAMETERS[name]
    return Parameter(name, "query", kind, description)


def of(row: Resource) -> Iterator[Operation]:
    """All operations of a resource and its subresources."""
    for verb in row.verbs:
        if verb not in _VERBS:
            continue
        method, action, names, collection = _VERBS[verb]
        path, inside = _paths(row, "" if collection else "{name}")
        gvk = (row.group, row.version, row.kind)
        yield _operation(row, path, inside, method, action, names, gvk, "", collection)
        if verb == "list" and row.namespaced:
            yield _operation(row, f"{row.root}/{row.plural}", (), method, action, names, gvk, "ForAllNamespaces", True)
    for name in row.subresources:
        yield from _sub(row, name)


def _sub(row: Resource, name: str) -> Iterator[Operation]:
    sub = served.subresource(row, name)
    if sub is None:
        return
    path, inside = _paths(row, "{name}")
    if name in _CONNECTIONS:
        yield from _connections(row, sub, f"{path}/{name}", inside)
        return
    gvk = (sub.group or row.group, sub.version or row.version, sub.kind)
    methods = {
        "get": ("get", _LOG if name == "log" else ()),
        "update": ("put", _WRITE),
        "patch": ("patch", (*_WRITE, "force")),
    }
    methods |= {"create": ("post", _WRITE), "delete": ("delete", ())}
    for verb in sub.verbs:
        method, names = methods[verb]
        yield _operation(row, f"{path}/{name}", inside, method, method, names, gvk, name.capitalize(), False)


def _connections(
    row: Resource, sub: served.Subresource, path: str, inside: tuple[Parameter, ...]
) -> Iterator[Operation]:
    methods, names = _CONNECTIONS[sub.name]
    group = row.group.partition(".")[0] or "core"
    scope = "Namespaced" if row.namespaced else ""
    for method in methods:
        identifier = (
            f"connect{group.capitalize()}{row.version.capitalize()}{method.capitalize()}{scope}{row.kind}"
            f"{sub.name.capitalize()}"
        )
        gvk = (sub.group or row.group, sub.version or row.version, sub.kind)
        made = Operation(
            path,
            method,
            "connect",
            identifier,
            f"{group}_{row.version}",
            gvk,
            tuple(map(parameter, names)),
            inside,
            "",
            False,
        )
        yield made
        if sub.name == "proxy":
            below = (*inside, _PATH)
            yield replace(made, path=f"{path}/{{path}}", id=f"{identifier}WithPath", path_parameters=below)


_PATH = Parameter("path", "path", "string", "path to the resource")
_NAME = Parameter("name", "path", "string", "name of the object")
_NAMESPACE = Parameter("namespace", "path", "string", "object name and auth scope, such as for teams and projects")


def _paths(row: Resource, name: str) -> tuple[str, tuple[Parameter, ...]]:
    inside = ((_NAME,) if name else ()) + ((_NAMESPACE,) if row.namespaced else ())
    return row.path("{namespace}" if row.namespaced else "", name), inside


def _operation(
    row: Resource,
    path: str,
    inside: tuple[Parameter, ...],
    method: str,
    action: str,
    names: tuple[str, ...],
    gvk: tuple[str, str, str],
    suffix: str,
    collection: bool,
) -> Operation:
    group = row.group.partition(".")[0] or "core"
    scope = "Namespaced" if inside and _NAMESPACE in inside else ""
    verb = {"post": "create", "put": "replace", "get": "read", "deletecollection": "delete"}.get(action, action)
    all_of = "Collection" if action == "deletecollection" else ""
    identifier = f"{verb}{group.capitalize()}{row.version.capitalize()}{all_of}{scope}{row.kind}{suffix}"
    return Operation(
        path,
        method,
        action,
        identifier,
        f"{group}_{row.version}",
        gvk,
        tuple(map(parameter, (*names, "pretty"))),
        inside,
        "optional" if method == "delete" else "" if method == "get" else "required",
        collection and action == "list",
    )


def all_operations(rows: tuple[resource.Resource, ...] = served.RESOURCES) -> Iterator[Operation]:
    for row in rows:
        yield from of(row)
