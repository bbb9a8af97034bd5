"""``serviceaccounts/NAME/token``: a token for an account, bound to what the request names.

Source: the API reference, "TokenRequest"; KEP-1205; upstream's texts.
"""

from __future__ import annotations

from dataclasses import dataclass

from kijabi.api import errors, field, kinds, timestamps
from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.authn import tokens
from kijabi.apiserver.specials import answers
from kijabi.kit import clock, http

Object = contract.Object

# What the projected volume that admission adds asks for: these tokens live a year and are warned of after the hour, so
# that clients which never read the file again go on for a while.
EXTENDED_FOR = 3607
EXTENDED_SECONDS = 365 * 24 * 60 * 60
_LEAST, _MOST = 600, 1 << 32
_KIND = "TokenRequest"
_GROUP = "authentication.k8s.io"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token will be bound to; at most one, and the pod's node beside it."""

    uid: str = ""
    pod: tokens.Reference | None = None
    secret: tokens.Reference | None = None
    node: tokens.Reference | None = None


class TokenRequests:
    def __init__(
        self,
        issuer: tokens.Issuer | None,
        audiences: tuple[str, ...],
        options: options_.Options,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._issuer = issuer
        self._audiences = audiences
        self._options = options
        self._clock = timepiece

    async def create(self, context: contract.RequestContext) -> http.Response:
        if self._issuer is None:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
        request = context.access.decode(context)
        name, namespace = context.info.name, context.info.namespace
        # Before audiences are filled in: what a node may ask for depends on whether it named one.
        await answers.admit(context, kinds.SERVICE_ACCOUNTS, "token", name, request)
        check_names(request, name, namespace)
        account = await context.access.get(kinds.SERVICE_ACCOUNTS, name, namespace)
        if account is None:
            raise errors.not_found("serviceaccounts", name)
        now = self._clock.time()
        complete(request, account, self._audiences, now)
        spec = request["spec"]
        found = problems(spec)
        if found:
            raise errors.invalid(_KIND, "", found, _GROUP)
        bound = await self._bound(context, name, spec.get("boundObjectRef"))
        most = self._options.service_account_max_token_expiration
        if 0 < most < spec["expirationSeconds"]:
            context.warnings.append(
                f"requested expiration of {spec['expirationSeconds']} seconds shortened to {most} seconds"
            )
            spec["expirationSeconds"] = most
        subject = tokens.Subject(
            namespace,
            tokens.Reference(name, account["metadata"]["uid"]),
            pod=bound.pod,
            secret=bound.secret,
            node=bound.node,
        )
        # Always shown, and null where there is none.
        spec.setdefault("boundObjectRef", None)
        seconds, warn = self._lifetime(spec, bound)
        said = tokens.claims(subject, spec["audiences"], now, seconds, warn)
        if (trail := contract.TRAIL.get()) is not None:
            trail.annotate("authentication.kubernetes.io/issued-credential-id", f"JTI={said['jti']}")
        request["status"] = {
            "token": self._issuer.sign(said),
            "expirationTimestamp": timestamps.format_time(int(now) + spec["expirationSeconds"]),
        }
        return context.access.respond(context, request, 201)

    def _lifetime(self, spec: Object, bound: Bound) -> tuple[int, int]:
        """Seconds until the token ends, and until its use is warned of (0: never)."""
        asked = spec["expirationSeconds"]
        ours = set(spec["audiences"]) <= set(self._audiences)
        if self._options.service_account_extend_token_expiration and bound.pod and asked == EXTENDED_FOR and ours:
            # Whatever the flag for the longest time says: upstream's too ignores it here.
            return EXTENDED_SECONDS, asked
        return asked, 0

    async def _bound(self, context: contract.RequestContext, account: str, ref: Object | None) -> Bound:
        if ref is None:
            return Bound()
        version, kind, name = ref.get("apiVersion", ""), ref.get("kind", ""), ref.get("name", "")
        group, _, short = version.rpartition("/")
        if group or kind not in ("Pod", "Node", "Secret"):
            raise errors.BadRequest(f"cannot bind token to object of type {group}/{short}, Kind={kind}")
        what = {"Pod": kinds.PODS, "Node": kinds.NODES, "Secret": kinds.SECRETS}[kind]
        namespace = context.info.namespace if what.namespaced else ""
        found = await context.access.get(what, name, namespace)
        if found is None:
            raise errors.not_found(what.plural, name)
        uid = found["metadata"]["uid"]
        if ref.get("uid") and ref["uid"] != uid:
            raise errors.conflict(
                kind,
                name,
                why=f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated",
            )
        it = tokens.Reference(name, uid)
        if kind == "Secret":
            return Bound(uid, secret=it)
        if kind == "Node":
            return Bound(uid, node=it)
        if found["spec"].get("serviceAccountName") != account:
            raise errors.BadRequest(
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
        return Bound(uid, pod=it, node=await _node_of(context, found))


async def _node_of(context: contract.RequestContext, pod: Object) -> tokens.Reference | None:
    name = pod["spec"].get("nodeName", "")
    if not name:
        return None
    found = await context.access.get(kinds.NODES, name)
    # The name alone is worth telling where the node is not there (yet).
    return tokens.Reference(name, found["metadata"]["uid"] if found else "")


def check_names(request: Object, name: str, namespace: str) -> None:
    """Name and namespace in the body, where given, are those of the path. Raises Invalid."""
    meta = request.get("metadata") or {}
    for key, wanted in (("name", name), ("namespace", namespace)):
        if meta.get(key) and meta[key] != wanted:
            text = f"must match the service account {key} if specified"
            raise errors.invalid(_KIND, name, [field.invalid(f"metadata.{key}", meta[key], text)], _GROUP)


def complete(request: Object, account: Object, audiences: tuple[str, ...], now: float) -> None:
    """Fill in what the request leaves open. Raises Conflict for another account's uid."""
    meta, there = request.setdefault("metadata", {}), account["metadata"]
    if meta.get("uid") and meta["uid"] != there["uid"]:
        raise errors.conflict(
            _KIND,
            there["name"],
            _GROUP,
            f"the UID in the token request ({meta['uid']}) does not match the UID of the service account "
            f"({there['uid']})",
        )
    meta.update(name=there["name"], namespace=there["namespace"], uid=there["uid"])
    meta["creationTimestamp"] = timestamps.format_time(now)
    spec = request.setdefault("spec", {})
    if not spec.get("audiences"):
        spec["audiences"] = list(audiences)
    if spec.get("expirationSeconds") is None:
        spec["expirationSeconds"] = 3600


def problems(spec: Object) -> list[field.Error]:
    seconds, path = spec["expirationSeconds"], "spec.expirationSeconds"
    if seconds < _LEAST:
        return [field.invalid(path, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > _MOST:
        return [field.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []
