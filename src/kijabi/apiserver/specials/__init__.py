"""What the generic verbs do not answer: bindings, evictions, tokens, reviews, and the addresses of Services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kijabi.apiserver import authn, authz, contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.specials import (
    binding,
    claims,
    components,
    device_claims,
    eviction,
    ledger,
    repair,
    reviews,
    services,
    signing_requests,
    token,
)
from kijabi.kit import clock
from kijabi.store import contract as store_contract


@dataclass(frozen=True, slots=True)
class Specials:
    """``handlers`` for the router, ``hooks`` by (group, plural) for the registry; ``repair`` runs in the background."""

    handlers: Mapping[contract.SpecialKey, contract.Special]
    hooks: Mapping[tuple[str, str], contract.StorageHook]
    repair: repair.Repair


def build(
    access: contract.Access,
    options: options_.Options,
    authentication: authn.Authentication,
    authorization: authz.Authorization,
    *,
    store: store_contract.Store | None = None,
    timepiece: clock.Clock = clock.SYSTEM,
) -> Specials:
    binder, evictor = binding.Binding(timepiece), eviction.Eviction(timepiece)
    issuing = token.TokenRequests(authentication.issuer, authentication.audiences, options, timepiece)
    access_reviews = reviews.AccessReviews(authorization.authorizer, authorization.authorizer)
    posts: dict[tuple[str, str, str], contract.Special] = {
        ("", "bindings", ""): binder.bind_any,
        ("", "pods", "binding"): binder.bind,
        ("", "pods", "eviction"): evictor.evict,
        ("", "serviceaccounts", "token"): issuing.create,
        ("authentication.k8s.io", "tokenreviews", ""): reviews.TokenReviews(authentication.known).create,
        ("authentication.k8s.io", "selfsubjectreviews", ""): reviews.SelfSubjectReviews(timepiece).create,
        ("authorization.k8s.io", "subjectaccessreviews", ""): access_reviews.review,
        ("authorization.k8s.io", "localsubjectaccessreviews", ""): access_reviews.review_local,
        ("authorization.k8s.io", "selfsubjectaccessreviews", ""): access_reviews.review_self,
        ("authorization.k8s.io", "selfsubjectrulesreviews", ""): access_reviews.rules,
    }
    known, claimed = ledger.Ledger(access, options.service_cluster_ip_range), claims.Claims(access, store)
    hook = services.ServiceHook(known, claimed, options.service_node_port_range)
    mending = repair.Repair(access, known, claimed, options.service_node_port_range, timepiece)
    handlers = {contract.SpecialKey(*key, "POST"): handler for key, handler in posts.items()}
    for method in ("GET", "HEAD"):
        key = contract.SpecialKey("", "componentstatuses", "", method)
        handlers[key] = components.ComponentStatuses(timepiece).serve
    hooks: dict[tuple[str, str], contract.StorageHook] = {
        ("", "services"): hook,
        ("certificates.k8s.io", "certificatesigningrequests"): signing_requests.SigningRequestHook(),
        ("resource.k8s.io", "resourceclaims"): device_claims.AdminAccessHook("ResourceClaim", False),
        ("resource.k8s.io", "resourceclaimtemplates"): device_claims.AdminAccessHook("ResourceClaimTemplate", True),
    }
    return Specials(handlers, hooks, mending)
