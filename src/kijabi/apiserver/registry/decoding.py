"""From a request's body to an object of the kind its path names.

Unknown and duplicate fields are reported as ``fieldValidation`` says: refused (Strict), warned of (Warn), dropped
silently (Ignore). Wrong types are always refused.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import errors, field, resource, schema, served
from kijabi.api.protobuf import compiled, wire
from kijabi.apiserver import negotiation, params
from kijabi.apiserver.registry import traits
from kijabi.apiserver.registry.registry import Typing
from kijabi.kit import http, jsons, yamls

Object = resource.Object

_KINDS = frozenset((row.api_version, row.kind) for row in served.RESOURCES)
# Kinds of the machinery, which have no resource.
_OF_ALL = frozenset(("v1", kind) for kind in ("Status", "List", "APIGroup", "APIResourceList", "DeleteOptions"))


def parse(body: bytes, media: str, gvk: tuple[str, str, str]) -> Any:
    """The body as plain data. Raises BadRequest."""
    try:
        return _parse(body, media, gvk)
    except jsons.Malformed as error:
        raise _unrecognized(gvk[2], f"couldn't get version/kind; json parse error: {error}", body) from error
    except (yamls.Malformed, wire.Malformed) as error:
        raise _unrecognized(gvk[2], str(error), body) from error


def _parse(body: bytes, media: str, gvk: tuple[str, str, str]) -> Any:
    """Raises what the form's own reader raises."""
    if media == negotiation.JSON:
        return jsons.loads(body)
    protobuf = compiled.load() if media == negotiation.PROTOBUF else None
    return protobuf.decode(body, gvk) if protobuf is not None else yamls.loads(body)


def _unrecognized(kind: str, why: str, body: bytes) -> errors.BadRequest:
    subject = f"the object provided is unrecognized (must be of type {kind})"
    return errors.BadRequest(f"{subject}: {why} ({_summary(body)})")


def _summary(body: bytes, longest: int = 30) -> str:
    if not body:
        return "<empty>"
    shown = body[:longest].decode(errors="replace") if body[:1] == b"{" else body[:longest].hex()
    if body[:1] != b"{":
        shown = body.hex()[:longest] if len(body) > longest else body.hex()
    return shown + " ..." if len(body) > longest else shown


def delete_options(request: http.Request) -> Any:
    """The body of a deletion as plain data. Raises BadRequest or UnsupportedMediaType."""
    try:
        return _parse(request.body, negotiation.options_type(request), ("", "v1", "DeleteOptions"))
    except (jsons.Malformed, yamls.Malformed) as error:
        raise errors.BadRequest(f"couldn't get version/kind; json parse error: {error}") from error
    except wire.Malformed as error:
        raise errors.BadRequest(str(error)) from error


def body_object(
    request: http.Request,
    gvk: tuple[str, str, str],
    schemas: Typing | None,
    directive: str,
    warnings: list[str],
) -> Object:
    """The checked object in the body; its kind and apiVersion are filled in where it names none."""
    media = negotiation.body_type(request)
    obj = parse(request.body, media, gvk)
    if obj is None:
        obj = {}
    if not isinstance(obj, dict):
        why = f"couldn't get version/kind; json parse error: {params.no_object(obj)}"
        raise _unrecognized(gvk[2], why, request.body)
    duplicates: list[str] = []
    if directive != "Ignore" and media == negotiation.JSON:
        duplicates = find_duplicates(request.body, obj)
    check_type(obj, gvk, request.body)
    check(obj, gvk, schemas, directive, warnings, duplicates, request.body)
    return obj


def check_type(obj: Object, gvk: tuple[str, str, str], body: bytes = b"") -> None:
    """Raises BadRequest where the body says it is something else than the path names.

    Built-in kinds may leave out both; custom resources, sent to their own path in a ``body``, may not.
    """
    group, version, kind = gvk
    expected = f"{group}/{version}" if group else version
    if not traits.is_builtin(group) and body:
        _check_custom(obj, gvk, expected, body)
        return
    given_kind, given = obj.get("kind") or kind, obj.get("apiVersion") or expected
    if not isinstance(given_kind, str) or not isinstance(given, str):
        raise errors.BadRequest("couldn't get version/kind; json parse error: json: cannot unmarshal into a string")
    if given_kind != kind or (given != expected and traits.is_builtin(group) and (given, kind) not in _KINDS):
        raise _another_kind(given_kind, given, gvk)
    if given != expected:
        raise errors.BadRequest(
            f"the API version in the data ({given}) does not match the expected API version ({expected})"
        )
    obj["kind"], obj["apiVersion"] = kind, expected


def _check_custom(obj: Object, gvk: tuple[str, str, str], expected: str, body: bytes) -> None:
    kind, given = obj.get("kind"), obj.get("apiVersion", "")
    if not kind or not isinstance(kind, str):
        shown = body.decode(errors="replace").strip()
        raise _unrecognized(gvk[2], f"Object 'Kind' is missing in '{shown}'", body)
    if given != expected:
        raise errors.BadRequest(
            f"the API version in the data ({given}) does not match the expected API version ({expected})"
        )
    must_be(obj, gvk)


def must_be(obj: Object, gvk: tuple[str, str, str]) -> None:
    """What a custom resource says it is. Raises Invalid."""
    group, version, kind = gvk
    problems = [
        field.invalid(name, obj.get(name), f"must be {wanted}")
        for name, wanted in (("kind", kind), ("apiVersion", f"{group}/{version}"))
        if obj.get(name) != wanted
    ]
    if problems:
        name = (obj.get("metadata") or {}).get("name", "")
        raise errors.invalid(str(obj.get("kind") or ""), name, problems, group)


def _another_kind(kind: str, api_version: str, wanted: tuple[str, str, str]) -> errors.BadRequest:
    version = api_version.rpartition("/")[2]
    if traits.is_builtin(wanted[0]) and (
        (api_version, kind.removesuffix("List")) in _KINDS or (version, kind) in _OF_ALL
    ):
        own = f"{wanted[0].partition('.')[0] or 'core'}.{wanted[2]}"
        why = f"converting ({version}.{kind}) to ({own}): unknown conversion"
    else:
        why = (
            f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )
    return errors.BadRequest(f'{kind} in version "{version}" cannot be handled as a {wanted[2]}: {why}')


def find_duplicates(body: bytes, obj: Object) -> list[str]:
    """Texts for keys that stand twice in one JSON object.

    Finding them takes a second, slower parse; it is only done where the body has another number of ``":`` than the
    object written out again, which is what a lost key leaves behind.
    """
    if body.count(b'":') + body.count(b'" :') == jsons.dumps(obj).count(b'":'):
        return []
    return [f'duplicate field "{path}"' for path in jsons.duplicate_keys(body)]


def check(
    obj: Object,
    gvk: tuple[str, str, str],
    schemas: Typing | None,
    directive: str,
    warnings: list[str],
    duplicates: list[str],
    body: bytes = b"",
    touched: frozenset[str] | None = None,
) -> None:
    """Check against the schema, which also drops unknown fields and nulls. Raises BadRequest.

    ``body`` is the JSON that duplicates were found in. ``touched`` are the only fields of an object out of the store
    that may not be as they were.
    """
    strict = list(duplicates)
    if schemas is not None and not _is_settled(obj, gvk, schemas, touched):
        problems = schemas.check(gvk, obj)
        fatal = [str(problem) for problem in problems if problem.fatal]
        if fatal:
            raise schema.refuse(gvk, fatal[:1])
        strict += [str(problem) for problem in problems]
        if duplicates and problems and body and schemas.merge_info(gvk) is not None:
            # Go's decoder of built-in kinds reports in the order of the text; that of others in two passes.
            strict = _in_order(strict, body)
    if strict and directive == "Strict":
        raise schema.refuse(gvk, strict, strict=True)
    if directive == "Warn":
        warnings.extend(strict)


def _is_settled(obj: Object, gvk: tuple[str, str, str], schemas: Typing, touched: frozenset[str] | None) -> bool:
    if touched is None or not isinstance(schemas, schema.Schemas):
        return False
    return schemas.is_settled(gvk, {key: obj[key] for key in touched if key in obj})


def _in_order(texts: list[str], body: bytes) -> list[str]:
    seen: dict[str, list[int]] = {}
    for place, path in enumerate(jsons.key_paths(body)):
        seen.setdefault(path, []).append(place)

    def place_of(text: str) -> int:
        kind, _, path = text.partition(' field "')
        places = seen.get(path.removesuffix('"'), [len(body)])
        return places[-1 if kind == "duplicate" else 0]

    return sorted(texts, key=place_of)


def as_any_object(
    obj: Any,
    default: tuple[str, str, str],
    schemas: Typing | None,
    directive: str,
    warnings: list[str],
) -> Object:
    """A parsed body of the kind it says it is (else ``default``), checked against its schema. Raises BadRequest."""
    if not isinstance(obj, dict):
        raise errors.BadRequest("couldn't get version/kind; json parse error: not an object")
    group, version, kind = default
    expected = f"{group}/{version}" if group else version
    obj["kind"], obj["apiVersion"] = obj.get("kind") or kind, obj.get("apiVersion") or expected
    if not isinstance(obj["kind"], str) or not isinstance(obj["apiVersion"], str):
        raise errors.BadRequest("couldn't get version/kind; json parse error: not a string")
    group, _, version = obj["apiVersion"].rpartition("/")
    check(obj, (group, version, obj["kind"]), schemas, directive, warnings, [])
    return obj
