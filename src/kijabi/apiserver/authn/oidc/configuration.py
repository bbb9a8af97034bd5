"""AuthenticationConfiguration: reading one, what is wrong with one in upstream's words, and the flags that say it too.

Source: kubernetes.io "Using Authentication Configuration"; k8s.io/apiserver apis/apiserver/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from kijabi.api import cel, names
from kijabi.api import field as fields
from kijabi.api.cel import types
from kijabi.apiserver import configfiles
from kijabi.apiserver import options as options_
from kijabi.apiserver.authn.oidc import claims, provider
from kijabi.kit import config

VERSIONS = ("v1", "v1beta1", "v1alpha1")
_MOST = 64
_SOURCE = {"claim": str, "prefix": str, "expression": str}
_SHAPE: Mapping[str, Any] = {
    "jwt": [
        {
            "issuer": {
                "url": str,
                "discoveryURL": str,
                "certificateAuthority": str,
                "audiences": [str],
                "audienceMatchPolicy": str,
                "egressSelectorType": str,
            },
            "claimValidationRules": [{"claim": str, "requiredValue": str, "expression": str, "message": str}],
            "claimMappings": {
                "username": _SOURCE,
                "groups": _SOURCE,
                "uid": {"claim": str, "expression": str},
                "extra": [{"key": str, "valueExpression": str}],
            },
            "userValidationRules": [{"expression": str, "message": str}],
        }
    ],
    "anonymous": {"enabled": bool, "conditions": [{"path": str}]},
}
_EMAIL_VERIFIED = (
    "claims.email_verified must be used in claimMappings.username.expression or "
    "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in "
    "claimMappings.username.expression"
)

Errors = list[fields.Error]


class Unusable(config.Unusable):
    """Flags or a file that configure no authenticators."""


@dataclass(frozen=True, slots=True)
class Authenticator:
    """One issuer, and what its tokens' claims mean."""

    issuer: provider.Issuer
    mapper: claims.Mapper


@dataclass(frozen=True, slots=True)
class Anonymous:
    """``paths`` are those where a request may be nobody's; none: everywhere."""

    enabled: bool
    paths: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Configuration:
    authenticators: tuple[Authenticator, ...] = ()
    anonymous: Anonymous | None = None


@dataclass(slots=True)
class _Reading:
    """What is found while one authenticator is read."""

    problems: Errors = field(default_factory=list)
    uses_email: bool = False
    uses_verified: bool = False

    def compile(
        self, expression: str, path: str, environment: cel.Environment = claims.OF_CLAIMS, *, truth: bool = False
    ) -> cel.Program | None:
        made = cel.compile(expression, environment)
        if isinstance(made, str):
            self.problems.append(fields.invalid(path, expression, f"compilation failed: {made}"))
            return None
        if truth and made.type != types.BOOL:
            self.problems.append(fields.invalid(path, expression, "must evaluate to bool"))
            return None
        return made

    def verifies(self, program: cel.Program) -> None:
        self.uses_verified = self.uses_verified or claims.uses(program.root, "claims", "email_verified")


def of_file(data: bytes, disallowed: Sequence[str] = ()) -> Configuration:
    """``disallowed`` are issuers that must not be named: our own. Raises config.Unusable."""
    if not data:
        raise configfiles.Unusable("empty config data")
    return of_object(configfiles.read(data, "AuthenticationConfiguration", VERSIONS, _SHAPE), disallowed)


def read_file(path: str, disallowed: Sequence[str] = ()) -> tuple[bytes, Configuration]:
    """Raises config.Unusable, OSError."""
    data = Path(path).read_bytes()
    try:
        return data, of_file(data, disallowed)
    except configfiles.Unusable as error:
        raise Unusable(f'failed to load authentication configuration from file "{path}": {error}') from error


def of_flags(options: options_.Options) -> Configuration:
    """Raises Unusable, OSError."""
    plain = options_.Options()
    chosen = (name for name in type(plain).__slots__ if name.startswith("oidc_"))
    given = any(getattr(options, name) != getattr(plain, name) for name in chosen)
    if options.authentication_config:
        if given:
            raise Unusable("authentication-config file and oidc-* flags are mutually exclusive")
        return Configuration()
    if not given:
        return Configuration()
    if not options.oidc_issuer_url or not options.oidc_client_id:
        raise Unusable("oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set")
    for algorithm in options.oidc_signing_algs:
        if algorithm not in provider.ALGORITHMS:
            raise Unusable(f'oidc: unsupported signing alg: "{algorithm}"')
    return of_object({"jwt": [_as_object(options)]}, options.service_account_issuer, options.oidc_signing_algs)


def _as_object(options: options_.Options) -> dict[str, Any]:
    prefix = options.oidc_username_prefix
    if not prefix and options.oidc_username_claim != "email":
        # Claims of different issuers must not be taken for each other.
        prefix = f"{options.oidc_issuer_url}#"
    elif prefix == "-":
        prefix = ""
    made: dict[str, Any] = {
        "issuer": {"url": options.oidc_issuer_url, "audiences": [options.oidc_client_id]},
        "claimMappings": {"username": {"claim": options.oidc_username_claim, "prefix": prefix}},
        "claimValidationRules": [
            {"claim": claim, "requiredValue": value} for claim, value in options.oidc_required_claim.items()
        ],
    }
    if options.oidc_groups_claim:
        made["claimMappings"]["groups"] = {"claim": options.oidc_groups_claim, "prefix": options.oidc_groups_prefix}
    if options.oidc_ca_file:
        made["issuer"]["certificateAuthority"] = Path(options.oidc_ca_file).read_text()
    return made


def of_object(
    said: Mapping[str, Any], disallowed: Sequence[str] = (), algorithms: Sequence[str] = provider.ALGORITHMS
) -> Configuration:
    """Raises Unusable."""
    listed: Sequence[dict[str, Any]] = said.get("jwt") or ()
    if len(listed) > _MOST:
        raise Unusable(f"invalid authentication configuration: {fields.too_many('jwt', len(listed), _MOST)}")
    problems: Errors = []
    made: list[Authenticator] = []
    seen: tuple[set[str], set[str]] = (set(), set())
    for position, one in enumerate(listed):
        path = fields.index("jwt", position)
        reading = _Reading()
        made.append(_authenticator(one, path, reading, disallowed, tuple(algorithms)))
        problems += reading.problems
        issuer = one.get("issuer") or {}
        for key, known in (("url", seen[0]), ("discoveryURL", seen[1])):
            value = issuer.get(key) or ""
            if value in known:
                problems.append(fields.duplicate(f"{path}.issuer.{key}", value))
            elif value or key == "url":
                known.add(value)
    anonymous = _anonymous(said.get("anonymous"), problems)
    if problems:
        raise Unusable(f"invalid authentication configuration: {configfiles.aggregated(problems)}")
    return Configuration(tuple(made), anonymous)


def _anonymous(said: dict[str, Any] | None, problems: Errors) -> Anonymous | None:
    if said is None:
        return None
    enabled, conditions = said.get("enabled") is True, said.get("conditions") or []
    if conditions and not enabled:
        text = "enabled should be set to true when conditions are defined"
        problems.append(fields.invalid("anonymous.conditions", conditions, text))
    return Anonymous(enabled, frozenset(one.get("path") or "" for one in conditions))


def _authenticator(
    said: dict[str, Any], path: str, reading: _Reading, disallowed: Sequence[str], algorithms: tuple[str, ...]
) -> Authenticator:
    issuer = said.get("issuer") or {}
    reading.problems += _issuer(issuer, f"{path}.issuer", disallowed)
    required, claim_rules = _claim_rules(
        said.get("claimValidationRules") or (), f"{path}.claimValidationRules", reading
    )
    mappings, where = said.get("claimMappings") or {}, f"{path}.claimMappings"
    username = _source(mappings.get("username") or {}, f"{where}.username", reading, required=True)
    if username.program is not None:
        reading.uses_email = claims.uses(username.program.root, "claims", "email")
        reading.verifies(username.program)
    groups = _source(mappings.get("groups") or {}, f"{where}.groups", reading)
    uid = _uid(mappings.get("uid") or {}, f"{where}.uid", reading)
    extra = _extra(mappings.get("extra") or (), f"{where}.extra", reading)
    if reading.uses_email and not reading.uses_verified:
        expression = mappings["username"]["expression"]
        reading.problems.append(fields.invalid(f"{where}.username.expression", expression, _EMAIL_VERIFIED))
    user_rules = _user_rules(said.get("userValidationRules") or (), f"{path}.userValidationRules", reading)
    return Authenticator(
        provider.Issuer(
            issuer.get("url") or "",
            tuple(issuer.get("audiences") or ()),
            issuer.get("discoveryURL") or "",
            issuer.get("certificateAuthority") or "",
            algorithms,
        ),
        claims.Mapper(username, groups, uid, extra, required, claim_rules, user_rules),
    )


# --- the issuer


def _issuer(said: dict[str, Any], path: str, disallowed: Sequence[str]) -> Errors:
    url, discovery = said.get("url") or "", said.get("discoveryURL") or ""
    found = _url(url, f"{path}.url", disallowed) if url else [fields.required(f"{path}.url")]
    if discovery:
        where = f"{path}.discoveryURL"
        if url and url.rstrip("/") == discovery.rstrip("/"):
            found.append(fields.invalid(where, discovery, "discoveryURL must be different from URL"))
        found += _url(discovery, where)
    found += _audiences(said, path)
    authority = said.get("certificateAuthority") or ""
    if authority and not _certificates(authority):
        text = "data does not contain any valid RSA or ECDSA certificates"
        found.append(fields.invalid(f"{path}.certificateAuthority", "<omitted>", text))
    egress = said.get("egressSelectorType") or ""
    if egress:
        text = (
            f'oidc: egress lookup required with egress selector type "{egress}"'
            if egress in ("controlplane", "cluster")
            else "egress selector must be either controlplane or cluster"
        )
        found.append(fields.invalid(f"{path}.egressSelectorType", egress, text))
    return found


def _url(text: str, path: str, disallowed: Sequence[str] = ()) -> Errors:
    found = []
    if text in disallowed:
        listed = " ".join(sorted(disallowed))
        found.append(fields.invalid(path, text, f"URL must not overlap with disallowed issuers: [{listed}]"))
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        return [*found, fields.invalid(path, text, f'parse "{text}": {error}')]
    if parts.scheme != "https":
        found.append(fields.invalid(path, text, "URL scheme must be https"))
    if parts.username is not None:
        found.append(fields.invalid(path, text, "URL must not contain a username or password"))
    if parts.query:
        found.append(fields.invalid(path, text, "URL must not contain a query"))
    if parts.fragment:
        found.append(fields.invalid(path, text, "URL must not contain a fragment"))
    return found


def _audiences(said: dict[str, Any], path: str) -> Errors:
    listed, policy = said.get("audiences") or [], said.get("audienceMatchPolicy") or ""
    if not listed:
        return [fields.required(f"{path}.audiences", f"at least one {path}.audiences is required")]
    found = []
    for position, one in enumerate(listed):
        where = fields.index(f"{path}.audiences", position)
        if not one:
            found.append(fields.required(where))
        if one in listed[:position]:
            found.append(fields.duplicate(where, one))
    where = f"{path}.audienceMatchPolicy"
    if len(listed) > 1 and policy != "MatchAny":
        text = "audienceMatchPolicy must be MatchAny for multiple audiences"
        found.append(fields.invalid(where, policy, text))
    if len(listed) == 1 and policy not in ("", "MatchAny"):
        text = "audienceMatchPolicy must be empty or MatchAny for single audience"
        found.append(fields.invalid(where, policy, text))
    return found


def _certificates(pem: str) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(pem.encode()))
    except ValueError:
        return False


# --- rules and mappings


def _claim_rules(
    listed: Sequence[dict[str, Any]], path: str, reading: _Reading
) -> tuple[dict[str, str], list[claims.Rule]]:
    required: dict[str, str] = {}
    made: list[claims.Rule] = []
    expressions: set[str] = set()
    for position, one in enumerate(listed):
        where = fields.index(path, position)
        claim, expression = one.get("claim") or "", one.get("expression") or ""
        if claim and expression:
            reading.problems.append(fields.invalid(where, claim, "claim and expression can't both be set"))
        elif claim:
            if one.get("message"):
                text = "may not be specified when claim is set"
                reading.problems.append(fields.invalid(f"{where}.message", one["message"], text))
            if claim in required:
                reading.problems.append(fields.duplicate(f"{where}.claim", claim))
            required[claim] = one.get("requiredValue") or ""
        elif not expression:
            reading.problems.append(fields.required(where, "claim or expression is required"))
        else:
            if one.get("requiredValue"):
                text = "may not be specified when expression is set"
                reading.problems.append(fields.invalid(f"{where}.requiredValue", one["requiredValue"], text))
            program = _rule(expression, f"{where}.expression", expressions, reading, claims.OF_CLAIMS)
            if program is not None:
                reading.verifies(program)
                made.append(claims.Rule(program, one.get("message") or ""))
    return required, made


def _user_rules(listed: Sequence[dict[str, Any]], path: str, reading: _Reading) -> list[claims.Rule]:
    made = []
    seen: set[str] = set()
    for position, one in enumerate(listed):
        where, expression = f"{fields.index(path, position)}.expression", one.get("expression") or ""
        if not expression:
            reading.problems.append(fields.required(where))
            continue
        program = _rule(expression, where, seen, reading, claims.OF_USER)
        if program is not None:
            made.append(claims.Rule(program, one.get("message") or ""))
    return made


def _rule(
    expression: str, path: str, seen: set[str], reading: _Reading, environment: cel.Environment
) -> cel.Program | None:
    if expression in seen:
        reading.problems.append(fields.duplicate(path, expression))
        return None
    seen.add(expression)
    return reading.compile(expression, path, environment, truth=True)


def _source(said: dict[str, Any], path: str, reading: _Reading, *, required: bool = False) -> claims.Source:
    claim, expression, prefix = said.get("claim") or "", said.get("expression") or "", said.get("prefix")
    if claim and expression:
        reading.problems.append(fields.invalid(path, "", "claim and expression can't both be set"))
    elif expression:
        if prefix is not None:
            text = "may not be specified when expression is set"
            reading.problems.append(fields.invalid(f"{path}.prefix", prefix, text))
        return claims.Source(program=reading.compile(expression, f"{path}.expression"))
    elif claim:
        if prefix is None:
            text = "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
            reading.problems.append(fields.required(f"{path}.prefix", text))
        return claims.Source(claim, prefix or "")
    elif required:
        reading.problems.append(fields.required(path, "claim or expression is required"))
    return claims.Source()


def _uid(said: dict[str, Any], path: str, reading: _Reading) -> claims.Source:
    claim, expression = said.get("claim") or "", said.get("expression") or ""
    if claim and expression:
        reading.problems.append(fields.invalid(path, "", "claim and expression can't both be set"))
    elif expression:
        return claims.Source(program=reading.compile(expression, f"{path}.expression"))
    return claims.Source(claim)


def _extra(listed: Sequence[dict[str, Any]], path: str, reading: _Reading) -> list[tuple[str, cel.Program]]:
    made = []
    seen: set[str] = set()
    for position, one in enumerate(listed):
        where, key, expression = fields.index(path, position), one.get("key") or "", one.get("valueExpression") or ""
        reading.problems += _key(key, f"{where}.key")
        if key in seen:
            reading.problems.append(fields.duplicate(f"{where}.key", key))
            continue
        seen.add(key)
        if not expression:
            reading.problems.append(fields.required(f"{where}.valueExpression"))
            continue
        program = reading.compile(expression, f"{where}.valueExpression")
        if program is not None:
            reading.verifies(program)
            made.append((key, program))
    return made


def _key(key: str, path: str) -> Errors:
    if not key:
        return [fields.required(path)]
    found = [fields.invalid(path, key, text) for text in names.domain_prefixed_path(key)]
    if key != key.lower():
        found.append(fields.invalid(path, key, "must be lowercase"))
    domain = key.partition("/")[0] if "/" in key else ""
    if any(domain == own or domain.endswith(f".{own}") for own in ("kubernetes.io", "k8s.io")):
        text = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
        found.append(fields.invalid(path, key, text))
    return found
