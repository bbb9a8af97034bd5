"""What the API server's rooms agree on: who asks (UserInfo), what for (RequestInfo, Attributes), and who may join in.

The pipeline (``chain``) knows only these shapes. Authenticators, authorizers, admission plugins, special handlers
(virtual resources and subresources) and storage hooks are given to it by the assembly in ``program``; each of those
packages exposes ``build(access, options)``. None of them opens the store: they read and write through ``Access``.
"""

from __future__ import annotations

import contextvars
import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kijabi.api import errors, resource
from kijabi.api.managed import shapes
from kijabi.kit import http

Object = resource.Object

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Who a request comes from. ``extra`` values are tuples so that a user can be a dictionary key by parts."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS = UserInfo("system:anonymous", groups=("system:unauthenticated",))
# The server's own identity (upstream's loopback client); it bypasses nothing but is allowed everything by its group.
SYSTEM = UserInfo("system:apiserver", groups=("system:masters", "system:authenticated"))


@dataclass(slots=True)
class RequestInfo:
    """What a URL and method mean. ``verb`` is upstream's: get list watch create update patch delete deletecollection,
    for a path that is no resource the method in lower case. ``parts`` start at the resource: ``[pods, x, log]``.

    Source: k8s.io/apiserver endpoints/request RequestInfo.
    """

    is_resource: bool
    path: str
    verb: str
    api_prefix: str = ""
    api_group: str = ""
    api_version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    field_selector: str = ""
    label_selector: str = ""


@dataclass(slots=True)
class Attributes:
    """What an authorizer decides on: the flat form of user and request."""

    user: UserInfo
    verb: str
    namespace: str = ""
    api_group: str = ""
    api_version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    path: str = ""
    is_resource: bool = True
    field_selector: str = ""
    label_selector: str = ""


def attributes_of(user: UserInfo, info: RequestInfo) -> Attributes:
    """What a request asks for, as authorizers and the audit policy read it."""
    return Attributes(
        user,
        info.verb,
        info.namespace,
        info.api_group,
        info.api_version,
        info.resource,
        info.subresource,
        info.name,
        info.path,
        info.is_resource,
        info.field_selector,
        info.label_selector,
    )


class Verdict(enum.Enum):
    ALLOW = "allow"
    DENY = "deny"
    NO_OPINION = "no opinion"


@dataclass(frozen=True, slots=True)
class Decision:
    """``error`` says what went wrong on the way to an answer; without an ALLOW the request then ends with a 500."""

    verdict: Verdict
    reason: str = ""
    error: str = ""


ALLOW = Decision(Verdict.ALLOW)
NO_OPINION = Decision(Verdict.NO_OPINION)


# The kind of a request's note that the caller is to hear of. Every other kind is the key of an audit annotation.
WARNING = "warning"


class Authenticator(Protocol):
    async def authenticate(self, request: http.Request) -> UserInfo | None:
        """None: no credentials of a kind known here. Raises errors.Unauthorized for bad ones.

        ``request.identity`` (a UserInfo) is accepted by the chain before any authenticator is asked. A user found by
        client certificate alone is remembered per connection, so this is called once per connection for them.
        """
        ...


class Authorizer(Protocol):
    async def authorize(self, attributes: Attributes) -> Decision: ...


@dataclass(slots=True)
class RequestContext:
    """One request on its way: handed to special handlers, admission (through its attributes) and storage hooks.

    ``strategy`` is None where the path names no resource of the catalog. ``warnings`` become Warning headers.
    """

    request: http.Request
    info: RequestInfo
    user: UserInfo
    access: Access
    strategy: resource.Strategy | None = None
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)


class Decided(Protocol):
    @property
    def has_request(self) -> bool: ...


class Trail(Protocol):
    """What the audit log keeps of the request under way (``audit.trail``)."""

    impersonated: UserInfo | None
    # The verb that allowed it, where that was a constrained one.
    constraint: str

    @property
    def decision(self) -> Decided: ...

    def annotate(self, key: str, value: str) -> None: ...


# The trail of the request that the running task works on; None where nothing is kept of it.
TRAIL: contextvars.ContextVar[Trail | None] = contextvars.ContextVar("trail", default=None)


@dataclass(slots=True)
class AdmissionAttributes:
    """One write, as admission sees it. ``object`` is mutated in place by ``admit`` (None for DELETE and some CONNECT);
    ``old_object`` must not be. ``name`` is empty for a creation with generateName."""

    operation: str
    resource: resource.Resource
    subresource: str
    name: str
    namespace: str
    object: Object | None
    old_object: Object | None
    options: Object
    user: UserInfo
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)
    # What plugins say to the audit log: key → (level from which it is written, text).
    annotations: dict[str, tuple[str, str]] | None = None
    # A plugin that changed the object late asks for a second round of them all; there is no third.
    again: bool = False
    second_round: bool = False
    # What a plugin remembers from the first round to the second, by its name.
    memory: dict[str, Any] | None = None

    def annotate(self, key: str, text: str, level: str = "Metadata") -> None:
        """Upstream's AddAnnotationWithLevel: the first text of a key stays."""
        if self.annotations is None:
            self.annotations = {}
        self.annotations.setdefault(key, (level, text))
        trail = TRAIL.get()
        if trail is not None and (level == "Metadata" or trail.decision.has_request):
            trail.annotate(key, text)

    def remembered(self, name: str, fresh: Callable[[], Any]) -> Any:
        if self.memory is None:
            self.memory = {}
        if name not in self.memory:
            self.memory[name] = fresh()
        return self.memory[name]


async def indifferent(plugin: Any, attributes: AdmissionAttributes) -> None:
    """The ``admit`` or ``validate`` of a plugin that has none; nobody calls it."""


class Admission(Protocol):
    name: str

    def handles(self, operation: str, resource: resource.Resource, subresource: str) -> bool:
        """Asked once per combination and remembered: must not depend on anything that changes."""
        ...

    async def admit(self, attributes: AdmissionAttributes) -> None:
        """Mutate ``attributes.object`` in place, or raise an ApiError. Runs before validation."""
        ...

    async def validate(self, attributes: AdmissionAttributes) -> None:
        """Raise an ApiError to refuse. Runs when the kind's own validation has passed."""
        ...


Special = Callable[[RequestContext], Awaitable[http.Response]]


@dataclass(frozen=True, slots=True)
class SpecialKey:
    """``method`` is HTTP's (``POST``). ``subresource`` is empty for a virtual resource such as tokenreviews."""

    group: str
    resource: str
    subresource: str
    method: str


class StorageHook(Protocol):
    """What must happen with the storage of one kind (a Service's addresses). ``context.dry_run`` must be honoured.

    ``before_*`` may change ``obj`` in place and may raise an ApiError. After ``before_create``/``before_update``
    succeeded exactly one of ``after_*`` and ``after_failed_*`` is called.
    """

    async def before_create(self, context: RequestContext, obj: Object) -> None: ...

    async def after_create(self, context: RequestContext, obj: Object) -> None: ...

    async def after_failed_create(self, context: RequestContext, obj: Object) -> None: ...

    async def before_update(self, context: RequestContext, new: Object, old: Object) -> None: ...

    async def after_update(self, context: RequestContext, new: Object, old: Object) -> None: ...

    async def after_failed_update(self, context: RequestContext, new: Object, old: Object) -> None: ...

    async def after_delete(self, context: RequestContext, obj: Object) -> None: ...


Subscriber = Callable[[Object | None, Object | None], None]


class Forms(Protocol):
    """An object's other shapes: its other versions, its Scale; and itself, made sound after somebody changed it."""

    def equivalents(self, what: resource.Resource) -> Sequence[resource.Resource]:
        """Other versions of a resource under which the same objects are served, those of other groups among them."""
        ...

    async def convert(self, obj: Object, source: resource.Resource, target: resource.Resource) -> Object:
        """A copy of ``obj`` as another version of itself. Raises ApiError."""
        ...

    def settle(self, what: resource.Resource, kind: tuple[str, str, str], obj: Object) -> None:
        """Check types, drop what is unknown, fill in defaults, in place. ``kind`` is the object's own, which differs
        from the resource's below it (an Eviction). Raises BadRequest."""
        ...

    def scale(self, what: resource.Resource, obj: Object) -> Object: ...

    def shape(self, what: resource.Resource, subresource: str) -> shapes.Shape:
        """How apply merges such an object."""
        ...


class Access(Protocol):
    """Reads and writes inside the server. Objects given out are the caller's own (but by ``peek``): free to keep and
    to change.

    Reads come from the watch cache and are as fresh as the last acknowledged write. Writes go through the registry
    (defaults, admission, validation, preconditions) as ``user``; authorization is not asked.
    """

    @property
    def forms(self) -> Forms: ...

    def strategy(self, group: str, version: str, plural: str) -> resource.Strategy | None: ...

    def by_kind(self, group: str, version: str, kind: str) -> resource.Strategy | None:
        """What is served under a kind's name, custom resources among it."""
        ...

    def get_nowait(self, what: resource.Resource, name: str, namespace: str = "") -> Object | None: ...

    def peek(self, what: resource.Resource, name: str, namespace: str = "") -> Object | None:
        """The same for who only looks: the object is shared, and decoded once as long as it does not change."""
        ...

    async def get(self, what: resource.Resource, name: str, namespace: str = "") -> Object | None:
        """None where there is no such object."""
        ...

    async def list(self, what: resource.Resource, namespace: str = "", label_selector: str = "") -> list[Object]: ...

    def subscribe(self, what: resource.Resource, handler: Subscriber) -> None:
        """Call ``handler(old, new)`` for every object there is and every change, in order, before the write returns.

        The handler must not block. Objects handed to several subscribers are shared: not to be changed.
        """
        ...

    async def create(
        self, what: resource.Resource, obj: Object, *, user: UserInfo = SYSTEM, dry_run: bool = False
    ) -> Object: ...

    async def mutate(
        self,
        what: resource.Resource,
        name: str,
        namespace: str,
        change: Callable[[Object], None],
        *,
        user: UserInfo = SYSTEM,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Read, ``change`` in place, write; again from the read when another writer was quicker.

        ``change`` may raise an ApiError to give up. With a ``subresource`` that has no rules of its own (``binding``)
        the kind's update validation is not run, only what ``change`` made is stored. Raises NotFound.
        """
        ...

    async def delete(
        self,
        what: resource.Resource,
        name: str,
        namespace: str = "",
        *,
        options: Object | None = None,
        user: UserInfo = SYSTEM,
        dry_run: bool = False,
    ) -> Object:
        """Delete as the DELETE verb does (``options`` is a DeleteOptions); gives the object or Status answered."""
        ...

    async def admit(self, attributes: AdmissionAttributes) -> None:
        """Run every admission plugin that handles this, mutating ones first. For CONNECT and subresources."""
        ...

    def decode(self, context: RequestContext) -> Object:
        """The body of ``context.request`` as an object of any kind (JSON or YAML by Content-Type).

        Raises BadRequest or UnsupportedMediaType. Field validation follows the request's ``fieldValidation``.
        """
        ...

    def respond(self, context: RequestContext, obj: Object, status: int = 200) -> http.Response:
        """``obj`` encoded as the request's Accept asks, with the context's warnings."""
        ...


def refused(attributes: AdmissionAttributes, why: str) -> errors.Forbidden:
    """403 in the words of a refusing admission plugin."""
    return errors.forbidden(attributes.resource.plural, attributes.name, why, attributes.resource.group)


AdmissionChain = Sequence[Admission]
