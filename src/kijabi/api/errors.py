"""The error tree: one class per ``Status`` reason, raised by the server and raised again by the client.

    ApiError
    ├── BadRequest 400            ├── Conflict 409 (ServerConflict)
    ├── Unauthorized 401          ├── AlreadyExists 409
    ├── Forbidden 403             ├── Gone 410, Expired 410
    ├── NotFound 404              ├── TooLarge 413
    ├── MethodNotAllowed 405      ├── UnsupportedMediaType 415
    ├── NotAcceptable 406         ├── Invalid 422
    ├── TooManyRequests 429       ├── InternalError 500
    └── ServiceUnavailable 503    └── Timeout 504 (ServerTimeout 500)

Source: the API conventions' "Response Status Kind", and the messages of k8s.io/apimachinery's api/errors package.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kijabi.api import field


class ApiError(Exception):
    """A failed request as the API reports it. ``status`` is the ``Status`` object that goes over the wire."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, details: dict[str, Any] | None = None, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if code is not None:
            self.code = code

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"

    def __init__(self, message: str = "Unauthorized", **more: Any) -> None:
        super().__init__(message, **more)


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Gone(ApiError):
    code, reason = 410, "Gone"


class Expired(ApiError):
    code, reason = 410, "Expired"


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    code, reason = 500, "InternalError"


class ServerTimeout(ApiError):
    code, reason = 500, "ServerTimeout"


class ServiceUnavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    code, reason = 504, "Timeout"


def _about(group: str, kind: str, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    return details


def qualified(plural: str, group: str) -> str:
    """``deployments.apps``, ``pods``: how messages name a resource."""
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, name: str, group: str = "") -> NotFound:
    shown = f'"{name}"' if name.isprintable() and '"' not in name else field.quoted(name)
    return NotFound(f"{qualified(plural, group)} {shown} not found", details=_about(group, plural, name))


def already_exists(plural: str, name: str, group: str = "") -> AlreadyExists:
    return AlreadyExists(f'{qualified(plural, group)} "{name}" already exists', details=_about(group, plural, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(plural: str, name: str, group: str = "", why: str = MODIFIED) -> Conflict:
    return Conflict(
        f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}',
        details=_about(group, plural, name),
    )


def forbidden(plural: str, name: str, why: str, group: str = "") -> Forbidden:
    subject = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    message = f"{subject} is forbidden: {why}" if plural else f"forbidden: {why}"
    return Forbidden(message, details=_about(group, plural, name))


def invalid(kind: str, name: str, problems: Iterable[field.Error], group: str = "") -> Invalid:
    """422 with one cause per field error, aggregated as upstream does (same texts once, in brackets when several)."""
    listed = list(problems)
    details = _about(group, kind, name)
    details["causes"] = [problem.cause for problem in listed]
    texts = list(dict.fromkeys(str(problem) for problem in listed))
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    subject = f"{kind}.{group}" if group else kind
    return Invalid(f'{subject} "{name}" is invalid: {joined}', details=details)


def method_not_allowed(plural: str, verb: str, group: str = "") -> MethodNotAllowed:
    return MethodNotAllowed(
        f"{verb} is not supported on resources of kind {qualified(plural, group)!r}".replace("'", '"'),
        details=_about(group, plural, ""),
    )


def too_many_requests(message: str, retry_after: int) -> TooManyRequests:
    return TooManyRequests(message, details={"retryAfterSeconds": retry_after})


def expired(message: str = "The resourceVersion for the provided watch is too old.") -> Expired:
    return Expired(message)


_BY_REASON: dict[str, type[ApiError]] = {
    cls.reason: cls
    for cls in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        NotAcceptable,
        Conflict,
        AlreadyExists,
        Gone,
        Expired,
        TooLarge,
        UnsupportedMediaType,
        Invalid,
        TooManyRequests,
        InternalError,
        ServerTimeout,
        ServiceUnavailable,
        Timeout,
    )
}
_BY_CODE: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    406: NotAcceptable,
    409: Conflict,
    410: Expired,
    413: TooLarge,
    415: UnsupportedMediaType,
    422: Invalid,
    429: TooManyRequests,
    503: ServiceUnavailable,
    504: Timeout,
}


def from_status(status: dict[str, Any], code: int = 500) -> ApiError:
    """The exception for a ``Status`` that came over the wire (``code`` where the body has none)."""
    code = int(status.get("code") or code)
    cls = _BY_REASON.get(status.get("reason", "")) or _BY_CODE.get(code, InternalError)
    return cls(status.get("message") or f"the server answered {code}", details=status.get("details"), code=code)
