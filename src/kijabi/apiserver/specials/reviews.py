"""Reviews: virtual resources that answer a question and keep nothing. Who is this token, who am I, who may what.

Source: the API reference, authentication.k8s.io/v1 and authorization.k8s.io/v1; upstream's texts.
"""

from __future__ import annotations

from kijabi.api import errors, field, names, timestamps
from kijabi.apiserver import configfiles, contract
from kijabi.apiserver.authn import bearer
from kijabi.apiserver.authz import union
from kijabi.apiserver.specials import review_selectors
from kijabi.kit import clock, http

Object = contract.Object

_AUTHORIZATION = "authorization.k8s.io"
_OPERATORS = ("In", "NotIn")


class TokenReviews:
    """POST tokenreviews."""

    def __init__(self, known: bearer.Tokens) -> None:
        self._known = known

    async def create(self, context: contract.RequestContext) -> http.Response:
        review = context.access.decode(context)
        spec = review.get("spec") or {}
        if not spec.get("token"):
            raise errors.BadRequest("token is required for TokenReview in authentication")
        try:
            found = await self._known.authenticate_token(spec["token"], spec.get("audiences") or ())
        except errors.Unauthorized as error:
            review["status"] = {"user": {}, "error": error.message}
        else:
            review["status"] = {
                "authenticated": True,
                "user": user_info(found.user),
                "audiences": list(found.audiences),
            }
        review.setdefault("metadata", {})
        return context.access.respond(context, review, 201)


class SelfSubjectReviews:
    """POST selfsubjectreviews: ``kubectl auth whoami``."""

    def __init__(self, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._clock = timepiece

    async def create(self, context: contract.RequestContext) -> http.Response:
        context.access.decode(context)
        answer = {
            "kind": "SelfSubjectReview",
            "apiVersion": f"authentication.k8s.io/{context.info.api_version}",
            "metadata": {"creationTimestamp": timestamps.format_time(self._clock.time())},
            "status": {"userInfo": user_info(context.user)},
        }
        return context.access.respond(context, answer, 201)


class AccessReviews:
    """POST to the three kinds of access review, and to selfsubjectrulesreviews."""

    def __init__(self, authorizer: contract.Authorizer, resolver: union.RuleResolver) -> None:
        self._authorizer = authorizer
        self._resolver = resolver

    async def review(self, context: contract.RequestContext) -> http.Response:
        """SubjectAccessReview: may this user do that?"""
        review = context.access.decode(context)
        # Its namespace is nobody's: the kind has none.
        (review.get("metadata") or {}).pop("namespace", None)
        self._check(review, about_others=True)
        return await self._answer(context, review, subject(review["spec"]))

    async def review_local(self, context: contract.RequestContext) -> http.Response:
        """LocalSubjectAccessReview: the same within one namespace."""
        review = context.access.decode(context)
        spec = review.get("spec") or {}
        namespace = context.info.namespace
        meta = review.get("metadata") or {}
        if meta.get("namespace") and meta["namespace"] != namespace:
            raise errors.BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        review.setdefault("metadata", {})["namespace"] = namespace
        self._check(review, about_others=True, local=True)
        return await self._answer(context, review, subject(spec))

    async def review_self(self, context: contract.RequestContext) -> http.Response:
        """SelfSubjectAccessReview: ``kubectl auth can-i``."""
        review = context.access.decode(context)
        (review.get("metadata") or {}).pop("namespace", None)
        self._check(review, about_others=False)
        return await self._answer(context, review, context.user)

    async def rules(self, context: contract.RequestContext) -> http.Response:
        """SelfSubjectRulesReview: ``kubectl auth can-i --list``."""
        review = context.access.decode(context)
        namespace = (review.get("spec") or {}).get("namespace", "")
        if not namespace:
            raise errors.BadRequest("no namespace on request")
        answer = {
            "kind": "SelfSubjectRulesReview",
            "apiVersion": f"{_AUTHORIZATION}/{context.info.api_version}",
            "metadata": {},
            "spec": {},
            "status": self._rules(context.user, namespace),
        }
        return context.access.respond(context, answer, 201)

    def _rules(self, user: contract.UserInfo, namespace: str) -> Object:
        told = self._resolver.resolve_rules(user, namespace)
        status: Object = {
            "resourceRules": [
                _part(rule, "apiGroups", "resources", "resourceNames") for rule in told.found if rule.get("resources")
            ],
            "nonResourceRules": [_part(rule, "nonResourceURLs") for rule in told.found if rule.get("nonResourceURLs")],
            "incomplete": told.incomplete,
        }
        if told.problems:
            status["evaluationError"] = configfiles.aggregated(told.problems)
        return status

    def _check(self, review: Object, *, about_others: bool, local: bool = False) -> None:
        found = problems(review, about_others=about_others, local=local)
        if found:
            # Upstream does not name the kind.
            raise errors.invalid("", "", found, _AUTHORIZATION)

    async def _answer(self, context: contract.RequestContext, review: Object, user: contract.UserInfo) -> http.Response:
        decision = await self._authorizer.authorize(attributes(review["spec"], user))
        status: Object = {"allowed": decision.verdict is contract.Verdict.ALLOW}
        if decision.verdict is contract.Verdict.DENY:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        problems_ = [decision.error, *selector_problems(review["spec"])]
        if any(problems_):
            status["evaluationError"] = "; ".join(filter(None, problems_))
        review["status"] = status
        review.setdefault("metadata", {})
        return context.access.respond(context, review, 201)


def user_info(user: contract.UserInfo) -> Object:
    """A user as the API shows one, without what is empty."""
    shown: Object = {"username": user.name}
    if user.uid:
        shown["uid"] = user.uid
    if user.groups:
        shown["groups"] = list(user.groups)
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra.items()}
    return shown


def _part(rule: Object, *keys: str) -> Object:
    return {key: rule[key] for key in ("verbs", *keys) if rule.get(key)}


def subject(spec: Object) -> contract.UserInfo:
    """Whom a review is about."""
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    return contract.UserInfo(
        spec.get("user", ""), uid=spec.get("uid", ""), groups=tuple(spec.get("groups") or ()), extra=extra
    )


def attributes(spec: Object, user: contract.UserInfo) -> contract.Attributes:
    """What a review asks, as an authorizer is asked."""
    asked = spec.get("resourceAttributes")
    if asked is None:
        other = spec["nonResourceAttributes"]
        return contract.Attributes(user, other.get("verb", ""), path=other.get("path", ""), is_resource=False)
    return contract.Attributes(
        user,
        asked.get("verb", ""),
        asked.get("namespace", ""),
        asked.get("group", ""),
        asked.get("version") or "*",
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("name", ""),
        field_selector=review_selectors.read(asked, "fieldSelector")[0],
        label_selector=review_selectors.read(asked, "labelSelector")[0],
    )


def selector_problems(spec: Object) -> list[str]:
    asked = spec.get("resourceAttributes") or {}
    return [review_selectors.read(asked, key)[1] for key in ("fieldSelector", "labelSelector") if asked.get(key)]


def problems(review: Object, *, about_others: bool, local: bool = False) -> list[field.Error]:
    spec = review.get("spec") or {}
    asked, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    found = []
    if asked is not None and other is not None:
        text = "cannot be specified in combination with resourceAttributes"
        found.append(field.invalid("spec.nonResourceAttributes", _shown(other), text))
    if asked is None and other is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        found.append(field.invalid("spec.resourceAttributes", None, text))
    if about_others and not spec.get("user") and not spec.get("groups"):
        found.append(field.invalid("spec.user", "", "at least one of user or group must be specified"))
    for key in ("fieldSelector", "labelSelector"):
        found += _selector((asked or {}).get(key), f"spec.resourceAttributes.{key}", key == "labelSelector")
    return found + _metadata(review.get("metadata") or {}, local) + (_local(review) if local else [])


def _shown(other: Object) -> Object:
    """With the names of Go's fields, as messages show it."""
    return {"Path": other.get("path", ""), "Verb": other.get("verb", "")}


def _local(review: Object) -> list[field.Error]:
    spec = review.get("spec") or {}
    asked, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    found = []
    if asked is not None and asked.get("namespace", "") != review["metadata"]["namespace"]:
        text = "must match metadata.namespace"
        found.append(field.invalid("spec.resourceAttributes.namespace", asked.get("namespace", ""), text))
    if other is not None:
        text = "disallowed on this kind of request"
        found.append(field.invalid("spec.nonResourceAttributes", _shown(other), text))
    return found


def _metadata(meta: Object, local: bool) -> list[field.Error]:
    ignored = ("managedFields", "creationTimestamp", *(("namespace",) if local else ()))
    if not any(value for key, value in meta.items() if key not in ignored):
        return []
    return [field.invalid("metadata", meta, "must be empty except for namespace" if local else "must be empty")]


def _selector(selector: Object | None, path: str, labelled: bool) -> list[field.Error]:
    """Operators that nobody knows are let pass: they widen the question, and newer servers may know them."""
    if selector is None:
        return []
    raw, requirements = selector.get("rawSelector"), selector.get("requirements") or []
    where = field.child(path, "requirements")
    found = []
    if raw and requirements:
        text = "may not specified at the same time as requirements"
        found.append(field.invalid(field.child(path, "rawSelector"), raw, text))
    if not raw and not requirements:
        text = f"when {path} is specified, requirements or rawSelector is required"
        found.append(field.required(where, text))
    for position, one in enumerate(requirements):
        found += _requirement(one, field.index(where, position), labelled)
    return found


def _requirement(one: Object, path: str, labelled: bool) -> list[field.Error]:
    key, operator, values = one.get("key", ""), one.get("operator"), one.get("values") or []
    where, named = field.child(path, "values"), field.child(path, "key")
    found = []
    if not labelled and not key:
        found.append(field.required(named, "must be specified"))
    if operator in ("In", "NotIn") and not values:
        found.append(field.required(where, "must be specified when `operator` is 'In' or 'NotIn'"))
    if operator in ("Exists", "DoesNotExist") and values:
        found.append(field.forbidden(where, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    if labelled:
        found += [field.invalid(named, key, text) for text in names.label_key(key)]
        for position, value in enumerate(values):
            found += [field.invalid(field.index(where, position), value, text) for text in names.label_value(value)]
    return found
