"""Validation of a definition's spec and status.

Upstream validates an internal form in which what all versions have in common stands above them; error paths show it
(``spec.validation.openAPIV3Schema``). ``Internal`` is that form. Source: apiextensions-apiserver's
pkg/apis/apiextensions/validation and v1/conversion.go.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from dataclasses import field as data_field

from kijabi.api import checks, conditions, field, names
from kijabi.api.apiextensions import approval, conversion, fieldpaths, openapischema
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.structural import schema as structural

MOST_SELECTABLE = 8
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
# Upstream's names of schema fields that may stand at the root where status is a subresource.
_AT_ROOT = (
    *("Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum"),
    *("MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required", "Items"),
    *("Properties", "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations"),
)
_AT_ROOT_KEYS = {name[0].lower() + name[1:] for name in _AT_ROOT} | {
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}
_SHARED = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")


@dataclass(frozen=True, slots=True)
class Options:
    """What an update of a stored definition is spared."""

    strict: openapischema.Strictness = data_field(default_factory=openapischema.Strictness)
    recognized_review: bool = True
    immutable_names: bool = False
    allow_bad_bundle: bool = True
    # Versions whose too many selectable fields were there before.
    many_fields: frozenset[str] = frozenset()
    # Versions whose schemas are as they were.
    unchanged: frozenset[str] = frozenset()


def versions(spec: Object) -> list[Object]:
    return [version or {} for version in spec.get("versions") or ()]


def schema_of(version: Object) -> Object | None:
    """``openAPIV3Schema`` of a version."""
    found = (version.get("schema") or {}).get("openAPIV3Schema")
    return found if isinstance(found, dict) else None


def storage_version(spec: Object) -> str:
    return next((version.get("name", "") for version in versions(spec) if version.get("storage")), "")


def options_for_update(new: Object, old: Object) -> Options:
    before = versions(old["spec"])
    established = conditions.is_true(old, "Established")
    strict = openapischema.strictness([schema_of(version) for version in before])
    if not new["spec"].get("preserveUnknownFields"):
        # Pruning needs to know what every field is.
        strict = dataclasses.replace(strict, structural=True)
    stored = (old["spec"].get("conversion") or {}).get("webhook") or {}
    bundle = (stored.get("clientConfig") or {}).get("caBundle")
    was_bad = bundle is not None and bool(conversion.ca_bundle(bundle, "caBundle"))
    many = {
        version.get("name", "")
        for version in before
        if len(version.get("selectableFields") or ()) > MOST_SELECTABLE
        and any(
            one.get("name") == version.get("name") and one.get("selectableFields") == version["selectableFields"]
            for one in versions(new["spec"])
        )
    }
    return Options(
        strict,
        conversion.has_known_version(old["spec"].get("conversion")),
        established,
        not established or was_bad,
        frozenset(many),
        frozenset(
            name
            for version in versions(new["spec"])
            for name in [version.get("name", "")]
            if any(one.get("name") == name and one.get("schema") == version.get("schema") for one in before)
        ),
    )


def validate(crd: Object, options: Options) -> Errors:
    """Everything but metadata."""
    spec, status = crd["spec"], crd.get("status") or {}
    found = validate_spec(spec, options)
    found += validate_names(status.get("acceptedNames") or {}, "status.acceptedNames")
    found += stored_versions(status.get("storedVersions") or [], spec)
    if spec.get("preserveUnknownFields"):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        found.append(field.invalid("spec.preserveUnknownFields", True, text))
    return found


def validate_approval(new: Object, old: Object | None) -> Errors:
    if not approval.is_protected(new["spec"].get("group", "")):
        return []
    annotations = new["metadata"].get("annotations") or {}
    state, reason = approval.state(annotations)
    if old is not None and approval.state(old["metadata"].get("annotations"))[0] == state:
        return []
    where = field.key("metadata.annotations", approval.ANNOTATION)
    if state == approval.INVALID:
        return [field.invalid(where, annotations.get(approval.ANNOTATION, ""), reason)]
    return [field.required(where, reason)] if state == approval.MISSING else []


def stored_versions(stored: list[str], spec: Object) -> Errors:
    path = "status.storedVersions"
    if not stored:
        return [field.invalid(path, stored, "must have at least one stored version")]
    found: Errors = []
    known = {version.get("name", "") for version in versions(spec)}
    for version in versions(spec):
        if version.get("storage") and version.get("name") not in stored:
            found.append(field.invalid(path, stored, f"must have the storage version {version.get('name', '')}"))
    for position, name in enumerate(stored):
        if name not in known:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            found.append(field.invalid(field.index(path, position), name, text))
    return found


# --- spec


def validate_spec(spec: Object, options: Options, path: str = "spec") -> Errors:
    group = spec.get("group", "")
    found = checks.required_word(group, f"{path}.group", names.dns_subdomain)
    if group and not found and "." not in group:
        found.append(field.invalid(f"{path}.group", group, "should be a domain with at least one dot"))
    found += checks.one_of(spec.get("scope"), f"{path}.scope", ("Cluster", "Namespaced"))
    listed = versions(spec)
    found += _missing_schemas(listed, options, path)
    found += _versions(listed, options, path)
    called = spec.get("names") or {}
    for key in ("plural", "singular", "kind", "listKind"):
        if not called.get(key):
            found.append(field.required(f"{path}.names.{key}"))
    found += validate_names(called, f"{path}.names")
    return found + conversion.validate(
        spec.get("conversion"), f"{path}.conversion", options.recognized_review, options.allow_bad_bundle
    )


def _missing_schemas(listed: list[Object], options: Options, path: str) -> Errors:
    found: Errors = []
    for position, version in enumerate(listed):
        where = f"{path}.versions[{position}].schema.openAPIV3Schema"
        if schema_of(version) is None and (options.strict.schema or version.get("served")):
            text = "" if options.strict.schema else "because otherwise all fields are pruned"
            found.append(field.required(where, text))
    return found


def _versions(listed: list[Object], options: Options, path: str) -> Errors:
    found: Errors = []
    # What all versions have in common is validated once, above them.
    shared = {key for key in _SHARED if listed and all(one.get(key) == listed[0].get(key) for one in listed)}
    has_status = [_has_status(version) for version in listed]
    for position, version in enumerate(listed):
        where = f"{path}.versions[{position}]"
        name = version.get("name", "")
        found += [
            field.invalid(f"{where}.name", name, ",".join(complaints))
            for complaints in [names.dns1035_label(name)]
            if complaints
        ]
        found += _deprecation(version, where)
        own = {key: value for key, value in version.items() if key not in shared}
        found += _parts(own, where, "schema", has_status[position], options, name)
    seen = [version.get("name") for version in listed]
    if len(set(seen)) < len(seen):
        found.append(field.invalid(f"{path}.versions", listed, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in listed) != 1:
        text = "must have exactly one version marked as storage version"
        found.append(field.invalid(f"{path}.versions", listed, text))
    above = {key: listed[0][key] for key in shared if listed[0].get(key) is not None}
    name = listed[0].get("name", "") if listed else ""
    return found + _parts(above, path, "validation", any(has_status), options, name)


def _has_status(version: Object) -> bool:
    return (version.get("subresources") or {}).get("status") is not None


def _deprecation(version: Object, path: str) -> Errors:
    warning, where = version.get("deprecationWarning"), f"{path}.deprecationWarning"
    if warning is None:
        return []
    if not version.get("deprecated"):
        return [field.invalid(where, warning, "can only be set for deprecated versions")]
    found: Errors = []
    if len(warning) > 256:
        found.append(field.invalid(where, warning, "must be <= 256 characters long"))
    if not warning:
        found.append(field.invalid(where, warning, "must not be an empty string"))
    for position, character in enumerate(warning):
        if not character.isprintable():
            text = "must only contain printable UTF-8 characters; non-printable character found at index "
            found.append(field.invalid(where, warning, f"{text}{len(warning[:position].encode())}"))
            break
    return found


def _parts(version: Object, path: str, called: str, has_status: bool, options: Options, name: str) -> Errors:
    """What may stand in a version or above all of them. ``called``: what the schema's field is called there."""
    found: Errors = []
    raw = schema_of(version)
    if raw is not None:
        where = f"{path}.{called}.openAPIV3Schema"
        if has_status:
            found += _root_with_status(raw, where)
        found += openapischema.validate(raw, where, options.strict, name in options.unchanged)
    found += _subresources(version.get("subresources") or {}, f"{path}.subresources")
    for position, column in enumerate(version.get("additionalPrinterColumns") or ()):
        found += _column(column, f"{path}.additionalPrinterColumns[{position}]")
    selectable = version.get("selectableFields") or []
    if selectable and raw is not None:
        found += _selectable(selectable, structural.parse(raw), f"{path}.selectableFields", name in options.many_fields)
    return found


def _root_with_status(raw: Object, path: str) -> Errors:
    if raw.get("type") and raw["type"] != "object":
        text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        return [field.invalid(f"{path}.type", raw["type"], text)]
    if any(value not in (None, False, [], {}, "") and key not in _AT_ROOT_KEYS for key, value in raw.items()):
        listed = " ".join(_AT_ROOT)
        text = f"only [{listed}] fields are allowed at the root of the schema if the status subresource is enabled"
        return [field.invalid(path, raw, text)]
    return []


def _subresources(below: Object, path: str) -> Errors:
    scale = below.get("scale")
    if scale is None:
        return []
    found: Errors = []
    for key, root in (("specReplicasPath", "spec"), ("statusReplicasPath", "status")):
        given, where = scale.get(key) or "", f"{path}.scale.{key}"
        if not given:
            found.append(field.required(where))
        elif not given.startswith("."):
            found.append(field.invalid(where, given, "must be a simple json path starting with ."))
        elif not given.startswith(f".{root}."):
            found.append(field.invalid(where, given, f"should be a json path under .{root}"))
    given, where = scale.get("labelSelectorPath") or "", f"{path}.scale.labelSelectorPath"
    if given and not given.startswith("."):
        found.append(field.invalid(where, given, "must be a simple json path starting with ."))
    elif given and not given.startswith((".spec.", ".status.")):
        found.append(field.invalid(where, given, "should be a json path under either .spec or .status"))
    return found


def _column(column: Object, path: str) -> Errors:
    found: Errors = []
    if not column.get("name"):
        found.append(field.required(f"{path}.name"))
    text = f"must be one of {','.join(_COLUMN_TYPES)}"
    type_, format_, place = column.get("type"), column.get("format"), column.get("jsonPath")
    if not type_:
        found.append(field.required(f"{path}.type", text))
    elif type_ not in _COLUMN_TYPES:
        found.append(field.invalid(f"{path}.type", type_, text))
    if format_ and format_ not in _COLUMN_FORMATS:
        found.append(field.invalid(f"{path}.format", format_, f"must be one of {','.join(_COLUMN_FORMATS)}"))
    if not place:
        found.append(field.required(f"{path}.JSONPath"))
    elif not place.startswith("."):
        found.append(field.invalid(f"{path}.JSONPath", place, "must be a simple json path starting with ."))
    return found


def _selectable(listed: list[Object], root: structural.Schema, path: str, many: bool) -> Errors:
    found: Errors = []
    seen: set[tuple[str, ...]] = set()
    for position, one in enumerate(listed):
        where, given = f"{path}[{position}].jsonPath", one.get("jsonPath") or ""
        if not given:
            found.append(field.required(where))
            continue
        try:
            steps, schema = fieldpaths.resolve(given, root, brackets=False)
        except fieldpaths.Malformed as error:
            found.append(field.invalid(where, given, f"is an invalid path: {error}"))
            continue
        if steps[:1] == ["metadata"]:
            found.append(field.invalid(where, given, "must not point to fields in metadata"))
        if schema.type not in ("string", "boolean", "integer"):
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats "
                "are allowed."
            )
            found.append(field.invalid(where, given, text))
        if tuple(steps) in seen:
            found.append(field.duplicate(where, given))
        seen.add(tuple(steps))
    if len(seen) > MOST_SELECTABLE and not many:
        found.append(field.too_many(path, len(seen), MOST_SELECTABLE))
    return found


def validate_names(called: Object, path: str) -> Errors:
    """The form of names; whether they are free is the naming controller's to say."""
    found: Errors = []
    mixed = "may have mixed case, but should otherwise match: "
    for key in ("plural", "singular", "kind", "listKind"):
        given = called.get(key) or ""
        complaints = names.dns1035_label(given.lower() if "ind" in key else given) if given else []
        if complaints:
            text = (mixed if "ind" in key else "") + ",".join(complaints)
            found.append(field.invalid(f"{path}.{key}", given, text))
    for key in ("shortNames", "categories"):
        for position, name in enumerate(called.get(key) or ()):
            complaints = names.dns1035_label(name)
            if complaints:
                found.append(field.invalid(f"{path}.{key}[{position}]", name, ",".join(complaints)))
    kind = called.get("kind")
    if kind and kind == called.get("listKind"):
        found.append(field.invalid(f"{path}.listKind", kind, "kind and listKind may not be the same"))
    return found
