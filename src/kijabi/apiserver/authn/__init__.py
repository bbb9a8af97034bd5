"""Who a request comes from: client certificates, service account and bootstrap tokens, nobody.

Guarantees: algorithms are fixed by the key, never by the token; a token is held against the live objects it is bound to
(an accepted one is trusted for ten seconds before it is looked at again); bad credentials are refused and never taken
for anonymous; each authority vouches only for what it is there for. Left out: OIDC and webhook authentication, and
legacy secret tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.authn import (
    bearer,
    bootstraptokens,
    certificates,
    frontproxy,
    keys,
    serviceaccounts,
    tokens,
    union,
)
from kijabi.kit import clock


@dataclass(frozen=True, slots=True)
class Authentication:
    """``known`` is for TokenReview, ``issuer`` (None: no signing key) for TokenRequest; ``documents`` by path."""

    authenticator: union.Union
    known: bearer.Tokens
    issuer: tokens.Issuer | None
    audiences: tuple[str, ...]
    documents: Mapping[str, keys.Document]
    # Whether a certificate's holder may name others in headers.
    is_proxy: Callable[[bytes], bool] = lambda certificate: False


def build(
    access: contract.Access,
    options: options_.Options,
    *,
    static_tokens: Mapping[str, contract.UserInfo] | None = None,
    timepiece: clock.Clock = clock.SYSTEM,
) -> Authentication:
    """Reads the key files of ``options``; raises OSError or keys.UnsuitableKey."""
    issuer, verifiers = _keys(options)
    audiences = options.api_audiences or options.service_account_issuer
    reader = tokens.Reader(options.service_account_issuer, verifiers)
    members: list[bearer.TokenAuthenticator] = [bearer.Static(static_tokens or {})]
    members.append(serviceaccounts.ServiceAccounts(access, reader, audiences, timepiece))
    if options.enable_bootstrap_token_auth:
        members.append(bootstraptokens.BootstrapTokens(access, timepiece))
    known = bearer.Tokens(members, audiences, timepiece)
    # Upstream: whoever allows everything must at least know to whom.
    anonymous = options.anonymous_auth and "AlwaysAllow" not in options.authorization_mode
    proxy = frontproxy.build(options, timepiece)
    # Two authorities are told apart by who signed; one alone was asked by the TLS layer.
    clients = frontproxy.authorities(options.client_ca_file) if proxy is not None else None
    holders = certificates.Certificates(timepiece, clients)
    first: list[contract.Authenticator] = [proxy] if proxy is not None else []
    return Authentication(
        union.Union([*first, holders, known], anonymous=anonymous),
        known,
        issuer,
        tuple(audiences),
        _documents(options, verifiers),
        proxy.vouches if proxy is not None else lambda certificate: False,
    )


def _keys(options: options_.Options) -> tuple[tokens.Issuer | None, Sequence[keys.Verifier]]:
    verifiers = [keys.read_verifier(Path(path)) for path in options.service_account_key_file]
    if not options.service_account_signing_key_file:
        return None, verifiers
    signer = keys.read_signer(Path(options.service_account_signing_key_file))
    if signer.verifier.id not in {one.id for one in verifiers}:
        verifiers.append(signer.verifier)
    return tokens.Issuer(options.service_account_issuer[0], signer), verifiers


def _documents(options: options_.Options, verifiers: Sequence[keys.Verifier]) -> dict[str, keys.Document]:
    host = options.advertise_address or options.bind_address
    host = f"[{host}]" if ":" in host else host
    uri = f"https://{host}:{options.secure_port}{keys.JWKS_PATH}"
    return keys.documents(options.service_account_issuer[0], verifiers, uri) if options.service_account_issuer else {}
