"""The plain patches of PATCH as functions that make a new object from the stored one; ``applying`` is the fourth."""

from __future__ import annotations

from typing import Any

from kijabi.api import errors, patch
from kijabi.api import field as fields
from kijabi.api.patch import strategic_merge
from kijabi.apiserver import negotiation, params
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.registry import decoding, traits
from kijabi.apiserver.registry.registry import Object, Typing
from kijabi.kit import http, jsons

JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH = negotiation.PATCH_TYPES
_MOST_OPERATIONS = 10_000


def patch_type(request: http.Request) -> str:
    """The media type of a patch. Raises UnsupportedMediaType."""
    type_ = request.headers.get("Content-Type", "").partition(";")[0]
    if type_ in negotiation.PATCH_TYPES and type_ != STRATEGIC_MERGE_PATCH:
        return type_
    is_custom = negotiation.spoken(request) == negotiation.SUPPORTED
    if type_ == STRATEGIC_MERGE_PATCH and not is_custom:
        return type_
    if is_custom:
        # They have no merge keys.
        raise negotiation.unsupported((JSON_PATCH, MERGE_PATCH, APPLY_PATCH))
    raise errors.UnsupportedMediaType("415: Unsupported Media Type", details={})


class Patcher:
    """Applies one patch, perhaps several times. ``gvk`` is what the patched object is (a Scale, under ``/scale``)."""

    def __init__(
        self, context: RequestContext, gvk: tuple[str, str, str], schemas: Typing | None, directive: str
    ) -> None:
        self._type = patch_type(context.request)
        self._gvk = gvk
        self._schemas = schemas
        self._directive = directive
        self._warnings = context.warnings
        self._body = context.request.body
        self._patch = self._parse(self._body)
        self._strict = self._duplicates(self._body) if directive != "Ignore" else []
        self._touched = self._fields()

    def _parse(self, body: bytes) -> Any:
        try:
            parsed = jsons.loads(body)
        except jsons.Malformed as error:
            raise errors.BadRequest(f"error decoding patch: {error}") from error
        if self._type == JSON_PATCH:
            if parsed is None:
                return []
            if not isinstance(parsed, list):
                was = params.JSON_NAMES.get(type(parsed), "object")
                raise errors.BadRequest(
                    f"error decoding patch: json: cannot unmarshal {was} into Go value of type []handlers.jsonPatchOp"
                )
            if len(parsed) > _MOST_OPERATIONS:
                raise errors.TooLarge(
                    f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(parsed)}"
                )
        elif parsed is None and self._type == MERGE_PATCH:
            raise errors.BadRequest("Invalid JSON Patch")
        elif parsed is None:
            return {}
        elif not isinstance(parsed, dict):
            prefix = "error decoding patch: " if self._type == MERGE_PATCH else ""
            was = params.JSON_NAMES[type(parsed)]
            raise errors.BadRequest(
                f"{prefix}json: cannot unmarshal {was} into Go value of type map[string]interface {{}}"
            )
        return parsed

    def _fields(self) -> frozenset[str] | None:
        """The fields of the object that the patch is about; None where it may be about any."""
        if self._type == JSON_PATCH:
            return None
        return None if any(key[:1] == "$" for key in self._patch) else frozenset(self._patch)

    def _duplicates(self, body: bytes) -> list[str]:
        prefix = "json patch " if self._type == JSON_PATCH else ""
        return [prefix + text for text in decoding.find_duplicates(body, self._patch)]

    def __call__(self, current: Object) -> Object:
        """``current`` patched and checked; ``current`` itself may be changed. Raises ApiErrors."""
        new = self._apply(current)
        if not isinstance(new, dict):
            was = "array" if isinstance(new, list) else "string" if isinstance(new, str) else "number"
            text = f"json: cannot unmarshal {was} into Go value of type {self._gvk[1]}.{self._gvk[2]}"
            raise self._refused(new, errors.BadRequest(text))
        warned: list[str] = []
        if self._type == STRATEGIC_MERGE_PATCH:
            # It is made on the typed object, which has no kind to change.
            new["kind"] = self._gvk[2]
            new["apiVersion"] = "/".join(part for part in self._gvk[:2] if part)
        try:
            if traits.is_builtin(self._gvk[0]):
                decoding.check_type(new, self._gvk)
            else:
                decoding.must_be(new, self._gvk)
            decoding.check(new, self._gvk, self._schemas, self._directive, warned, self._strict, touched=self._touched)
        except errors.BadRequest as error:
            raise self._refused(new, error) from error
        self._warnings.extend(text for text in warned if text not in self._warnings)
        return new

    def _apply(self, current: Object) -> Any:
        if self._type == JSON_PATCH:
            return patch.json(current, self._patch)
        if self._type == MERGE_PATCH:
            return patch.merge(current, self._patch)
        info = self._schemas.merge_info(self._gvk) if self._schemas is not None else None
        if info is None:
            # Custom resources have no merge keys.
            raise negotiation.unsupported((JSON_PATCH, MERGE_PATCH, APPLY_PATCH))
        # Parsing the patch again is quicker than copying it, and ``current`` is ours.
        return patch.strategic_into(current, jsons.loads(self._body), info)

    def _refused(self, new: Any, error: errors.BadRequest) -> errors.Invalid:
        text = error.message.partition(f"cannot be handled as a {self._gvk[2]}: ")[2] or error.message
        strategic = self._type == STRATEGIC_MERGE_PATCH
        shown = strategic_merge.printed(self._patch) if strategic else jsons.dumps(new).decode()
        problem = fields.invalid("patch", shown, text)
        refused = errors.invalid("", "", [problem])
        refused.message = f' "" is invalid: {problem}'
        return refused
