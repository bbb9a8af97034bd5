"""The 403 of a request that nobody allowed.

Source: apiserver endpoints/handlers/responsewriters, ForbiddenStatusError.
"""

from __future__ import annotations

from kijabi.api import errors
from kijabi.apiserver import contract


class Undecided(Exception):
    """No authorizer allowed the request, and one of them could not be asked: answered 500, in plain text."""

    def __init__(self, uri: str, why: str) -> None:
        super().__init__(f'Internal Server Error: "{uri}": {why}'.translate(_SANITIZED))


# The text may be shown by a browser: nothing in it may look like markup.
_SANITIZED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def forbidden(attributes: contract.Attributes, reason: str = "") -> errors.Forbidden:
    """``User "x" cannot list resource "pods" in API group "" in the namespace "y"``, and the authorizer's reason."""
    why = _what(attributes).translate(_SANITIZED)
    if reason:
        why = f"{why}: {reason}"
    return errors.forbidden(attributes.resource, attributes.name, why, attributes.api_group)


def _what(attributes: contract.Attributes) -> str:
    user = attributes.user.name
    if not attributes.is_resource:
        return f'User "{user}" cannot {attributes.verb} path "{attributes.path}"'
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    scope = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
    return f'User "{user}" cannot {attributes.verb} resource "{resource}" in API group "{attributes.api_group}" {scope}'
