"""Who a request comes from: client certificates, front proxies, tokens of many kinds, nobody.

Tokens are those of service accounts (bound, or kept in Secrets), bootstrap tokens, those of OpenID Connect issuers, a
static file's, and whatever a webhook knows. Guarantees: algorithms are fixed by the key, never by the token; a token is
held against the live objects it is bound to (an accepted one is trusted for ten seconds before it is looked at again);
bad credentials are refused and never taken for anonymous; each authority vouches only for what it is there for; what
is asked of others elsewhere never stands in the way of what is known here. Basic authentication is ignored, as
upstream does since 1.19. Left out: an external signer of service account tokens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kijabi.apiserver import configfiles, contract, tally
from kijabi.apiserver import options as options_
from kijabi.apiserver.authn import (
    bearer,
    bootstraptokens,
    certificates,
    frontproxy,
    keys,
    legacytokens,
    oidc,
    serviceaccounts,
    tokenfile,
    tokens,
    tracking,
    union,
    webhook,
)
from kijabi.apiserver.authn.oidc import configuration, issuers
from kijabi.apiserver.outbound import remote
from kijabi.kit import clock

__all__ = ["Authentication", "build", "oidc"]

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Authentication:
    """``known`` is for TokenReview, ``issuer`` (None: no signing key) for TokenRequest; ``documents`` by path.

    ``jobs`` are to be kept running; ``closers`` are awaited at the end.
    """

    authenticator: union.Union
    known: bearer.Tokens
    issuer: tokens.Issuer | None
    audiences: tuple[str, ...]
    documents: Mapping[str, keys.Document]
    # Whether a certificate's holder may name others in headers.
    is_proxy: Callable[[bytes], bool] = lambda certificate: False
    jobs: Mapping[str, Job] = field(default_factory=dict)
    closers: Sequence[Job] = ()


@dataclass(slots=True)
class _Parts:
    """What is being put together."""

    access: contract.Access
    options: options_.Options
    clock: clock.Clock
    audiences: tuple[str, ...]
    counts: tally.Tally
    jobs: dict[str, Job] = field(default_factory=dict)
    closers: list[Job] = field(default_factory=list)


def build(
    access: contract.Access,
    options: options_.Options,
    *,
    static_tokens: Mapping[str, contract.UserInfo] | None = None,
    timepiece: clock.Clock = clock.SYSTEM,
    counts: tally.Tally | None = None,
) -> Authentication:
    """Reads the files of ``options``; raises OSError, keys.UnsuitableKey or config.Unusable."""
    issuer, verifiers = _keys(options)
    audiences = tuple(options.api_audiences or options.service_account_issuer)
    parts = _Parts(access, options, timepiece, audiences, counts or tally.Tally())
    # Those known here first: the others ask elsewhere.
    members: list[bearer.TokenAuthenticator] = [bearer.Static(static_tokens or {})]
    if options.token_auth_file:
        members.append(bearer.Static(tokenfile.read(options.token_auth_file)))
    members += _service_accounts(parts, verifiers)
    if options.enable_bootstrap_token_auth:
        members.append(bootstraptokens.BootstrapTokens(access, timepiece))
    known_issuers, anonymous = _issuers(parts)
    members.append(known_issuers)
    if options.authentication_token_webhook_config_file:
        members.append(_webhook(parts))
    known = bearer.Tokens(members, audiences, timepiece)
    proxy = frontproxy.build(options, timepiece)
    # Two authorities are told apart by who signed; one alone was asked by the TLS layer.
    clients = frontproxy.authorities(options.client_ca_file) if proxy is not None else None
    holders = certificates.Certificates(timepiece, clients)
    first: list[contract.Authenticator] = [proxy] if proxy is not None else []
    return Authentication(
        union.Union([*first, holders, known], anonymous=anonymous.enabled, paths=anonymous.paths),
        known,
        issuer,
        audiences,
        _documents(options, verifiers),
        proxy.vouches if proxy is not None else lambda certificate: False,
        parts.jobs,
        parts.closers,
    )


def _service_accounts(parts: _Parts, verifiers: Sequence[keys.Verifier]) -> list[bearer.TokenAuthenticator]:
    options = parts.options
    parts.jobs["legacy-token-tracking"] = tracking.Tracking(parts.access, parts.clock).run
    legacy = tokens.Reader((legacytokens.ISSUER,), verifiers)
    bound = tokens.Reader(options.service_account_issuer, verifiers)
    return [
        legacytokens.LegacyTokens(
            parts.access,
            legacy,
            parts.audiences,
            parts.clock,
            lookup=options.service_account_lookup,
            counts=parts.counts,
        ),
        serviceaccounts.ServiceAccounts(parts.access, bound, parts.audiences, parts.clock, parts.counts),
    ]


def _issuers(parts: _Parts) -> tuple[issuers.Issuers, configuration.Anonymous]:
    """The issuers elsewhere, and who may be nobody."""
    options, own = parts.options, parts.options.service_account_issuer
    said = configuration.of_flags(options)
    data = b""
    if options.authentication_config:
        data, said = configuration.read_file(options.authentication_config, own)
    known = issuers.Issuers(said, parts.clock)
    parts.closers.append(known.close)
    if said.authenticators or data:
        parts.jobs["oidc"] = known.run
    if data:
        reload = issuers.Reload(known, said, own, parts.counts)
        watched = configfiles.Watched(options.authentication_config, data, reload, parts.clock)
        parts.jobs["authentication-config"] = watched.run
    # Upstream: whoever allows everything must at least know to whom.
    allowed = options.anonymous_auth and "AlwaysAllow" not in options.authorization_mode
    if said.anonymous is not None and not options.anonymous_auth:
        raise configuration.Unusable(
            "anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is configured in "
            "authentication configuration file"
        )
    return known, said.anonymous or configuration.Anonymous(allowed)


def _webhook(parts: _Parts) -> webhook.WebhookTokens:
    options = parts.options
    made = webhook.WebhookTokens(
        remote.Remote(options.authentication_token_webhook_config_file, parts.clock),
        options.authentication_token_webhook_version,
        parts.audiences,
        options.authentication_token_webhook_cache_ttl,
        parts.clock,
    )
    parts.closers.append(made.close)
    return made


def _keys(options: options_.Options) -> tuple[tokens.Issuer | None, Sequence[keys.Verifier]]:
    verifiers = [one for path in options.service_account_key_file for one in keys.read_verifiers(Path(path))]
    if not options.service_account_signing_key_file:
        return None, verifiers
    signer = keys.read_signer(Path(options.service_account_signing_key_file))
    if signer.verifier.id not in {one.id for one in verifiers}:
        verifiers.append(signer.verifier)
    return tokens.Issuer(options.service_account_issuer[0], signer), verifiers


def _documents(options: options_.Options, verifiers: Sequence[keys.Verifier]) -> dict[str, keys.Document]:
    host = options.advertise_address or options.bind_address
    host = f"[{host}]" if ":" in host else host
    uri = options.service_account_jwks_uri or f"https://{host}:{options.secure_port}{keys.JWKS_PATH}"
    return keys.documents(options.service_account_issuer[0], verifiers, uri) if options.service_account_issuer else {}
