"""Which authorizers there are, in which order: an AuthorizationConfiguration, or the flags that say the same.

Source: kubernetes.io "Configuring the API server using an authorization config file"; upstream's texts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kijabi.api import field as fields
from kijabi.api import names
from kijabi.apiserver import configfiles, contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.authz import conditions
from kijabi.kit import config

MODES = ("ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")
VERSIONS = ("v1", "v1beta1", "v1alpha1")
_SHAPE: Mapping[str, Any] = {
    "authorizers": [
        {
            "type": str,
            "name": str,
            "webhook": {
                "authorizedTTL": str,
                "cacheAuthorizedRequests": bool,
                "unauthorizedTTL": str,
                "cacheUnauthorizedRequests": bool,
                "timeout": str,
                "subjectAccessReviewVersion": str,
                "matchConditionSubjectAccessReviewVersion": str,
                "failurePolicy": str,
                "connectionInfo": {"type": str, "kubeConfigFile": str},
                "matchConditions": [{"expression": str}],
            },
        }
    ]
}
_IN_CLUSTER, _KUBECONFIG = "InClusterConfig", "KubeConfigFile"


class Unusable(config.Unusable):
    """Flags or a file that make no chain of authorizers."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook. Times in seconds, 0 for answers that are not kept. An empty ``kubeconfig`` means in the cluster."""

    kubeconfig: str
    version: str
    timeout: float
    authorized: float
    unauthorized: float
    on_error: contract.Verdict
    conditions: conditions.Conditions = field(default_factory=lambda: conditions.Conditions(()))


@dataclass(frozen=True, slots=True)
class Member:
    type: str
    name: str
    webhook: Hook | None = None


def of_flags(options: options_.Options) -> list[Member]:
    """Raises Unusable."""
    problems = list(_flag_problems(options))
    if problems:
        raise Unusable(configfiles.aggregated(problems))
    members = []
    for mode in options.authorization_mode:
        if mode != "Webhook":
            members.append(Member(mode, mode.lower()))
            continue
        hook = Hook(
            options.authorization_webhook_config_file,
            options.authorization_webhook_version,
            30.0,
            options.authorization_webhook_cache_authorized_ttl,
            options.authorization_webhook_cache_unauthorized_ttl,
            contract.Verdict.NO_OPINION,
        )
        if hook.version not in ("v1", "v1beta1"):
            raise Unusable(
                f'unsupported webhook authorizer version "{hook.version}", supported versions are "v1", "v1beta1"'
            )
        members.append(Member(mode, "default", hook))
    return members


def _flag_problems(options: options_.Options) -> list[str]:
    modes, found = options.authorization_mode, []
    if not modes:
        found.append("at least one authorization-mode must be passed")
    for mode in modes:
        if mode not in MODES:
            found.append(f'authorization-mode "{mode}" is not a valid mode')
        if mode == "ABAC" and not options.authorization_policy_file:
            found.append("authorization-mode ABAC's authorization policy file not passed")
        if mode == "Webhook" and not options.authorization_webhook_config_file:
            found.append("authorization-mode Webhook's authorization config file not passed")
    if options.authorization_policy_file and "ABAC" not in modes:
        found.append("cannot specify --authorization-policy-file without mode ABAC")
    if options.authorization_webhook_config_file and "Webhook" not in modes:
        found.append("cannot specify --authorization-webhook-config-file without mode Webhook")
    if len(set(modes)) != len(modes):
        listed = " ".join(f'"{mode}"' for mode in modes)
        found.append(f"authorization-mode [{listed}] has mode specified more than once")
    return found


def of_file(data: bytes, required: Collection[str] = ()) -> list[Member]:
    """``required`` are the types that must stay when a file is read again. Raises configfiles.Unusable."""
    try:
        read = configfiles.read(data, "AuthorizationConfiguration", VERSIONS, _SHAPE)
        listed: Sequence[dict[str, Any]] = read.get("authorizers") or ()
        timed = [_timed(one) for one in listed]
    except configfiles.Unusable as error:
        raise configfiles.Unusable(f"failed to load AuthorizationConfiguration from file: {error}") from error
    problems = validate(timed)
    if problems:
        raise configfiles.Unusable(configfiles.aggregated(problems))
    wrong = [
        f"expected name {one['type'].lower()} for authorizer {one['type']} instead of {one['name']}"
        for one in listed
        if one["type"] != "Webhook" and one["name"] != one["type"].lower()
    ]
    missing = sorted(set(required) - {one["type"] for one in listed})
    if missing:
        wrong.append(f"missing required types: [{' '.join(missing)}]")
    if wrong:
        raise configfiles.Unusable(configfiles.aggregated(wrong))
    return [_member(one) for one in timed]


def read_file(path: str) -> tuple[bytes, list[Member]]:
    """Raises configfiles.Unusable, OSError."""
    data = Path(path).read_bytes()
    return data, of_file(data)


def _timed(one: dict[str, Any]) -> dict[str, Any]:
    """An authorizer with durations as seconds and upstream's defaults."""
    hook = one.get("webhook")
    if not hook:
        return one
    spans = {key: configfiles.seconds(hook.get(key) or "") for key in ("authorizedTTL", "unauthorizedTTL", "timeout")}
    spans["authorizedTTL"] = spans["authorizedTTL"] or 300.0
    spans["unauthorizedTTL"] = spans["unauthorizedTTL"] or 30.0
    return {**one, "webhook": {**hook, **spans}}


def _member(one: dict[str, Any]) -> Member:
    hook = one.get("webhook")
    if not hook:
        return Member(one["type"], one["name"])
    made, _ = conditions.compile_all(hook.get("matchConditions") or (), "")
    deny = hook["failurePolicy"] == "Deny"
    return Member(
        one["type"],
        one["name"],
        Hook(
            hook["connectionInfo"].get("kubeConfigFile") or "",
            hook["subjectAccessReviewVersion"],
            hook["timeout"],
            hook["authorizedTTL"] if hook.get("cacheAuthorizedRequests") is not False else 0.0,
            hook["unauthorizedTTL"] if hook.get("cacheUnauthorizedRequests") is not False else 0.0,
            contract.Verdict.DENY if deny else contract.Verdict.NO_OPINION,
            made,
        ),
    )


def validate(listed: Sequence[dict[str, Any]]) -> list[fields.Error]:
    """What upstream refuses. Durations are in seconds here."""
    if not listed:
        return [fields.required("authorizers", "at least one authorization mode must be defined")]
    found: list[fields.Error] = []
    types: set[str] = set()
    seen: set[str] = set()
    for position, one in enumerate(listed):
        path, kind = fields.index("authorizers", position), one.get("type") or ""
        if not kind:
            found.append(fields.required(f"{path}.type"))
            continue
        if kind not in MODES:
            found.append(fields.not_supported(f"{path}.type", kind, MODES))
            continue
        if kind in types and kind != "Webhook":
            found.append(fields.duplicate(f"{path}.type", kind))
            continue
        types.add(kind)
        found += _name(one.get("name") or "", f"{path}.name", seen)
        found += _of_type(one, kind, path)
    return found


def _name(name: str, path: str, seen: set[str]) -> list[fields.Error]:
    if not name:
        return [fields.required(path)]
    if name in seen:
        return [fields.duplicate(path, name)]
    seen.add(name)
    wrong = names.dns_subdomain(name)
    return [fields.invalid(path, name, f"authorizer name is invalid: {', '.join(wrong)}")] if wrong else []


def _of_type(one: dict[str, Any], kind: str, path: str) -> list[fields.Error]:
    hook = one.get("webhook")
    if kind != "Webhook":
        if hook is None:
            return []
        return [fields.invalid(f"{path}.webhook", "non-null", "may only be specified when type=Webhook")]
    if hook is None:
        return [fields.required(f"{path}.webhook", "required when type=Webhook")]
    # Upstream's paths leave the "webhook" out, and so do ours.
    return [
        *_times(hook, path),
        *_versions(hook, path),
        *_connection(hook.get("connectionInfo") or {}, f"{path}.connectionInfo"),
        *conditions.compile_all(hook.get("matchConditions") or (), f"{path}.matchConditions")[1],
    ]


def _times(hook: dict[str, Any], path: str) -> list[fields.Error]:
    found = []
    timeout = hook.get("timeout") or 0.0
    if not timeout:
        found.append(fields.required(f"{path}.timeout"))
    elif not 0 < timeout <= 30:
        found.append(fields.invalid(f"{path}.timeout", configfiles.shown(timeout), "must be > 0s and <= 30s"))
    for key in ("authorizedTTL", "unauthorizedTTL"):
        if (hook.get(key) or 0) < 0:
            found.append(fields.invalid(f"{path}.{key}", configfiles.shown(hook[key]), "must be > 0s"))
    return found


def _versions(hook: dict[str, Any], path: str) -> list[fields.Error]:
    found = []
    version = hook.get("subjectAccessReviewVersion") or ""
    if not version:
        found.append(fields.required(f"{path}.subjectAccessReviewVersion"))
    elif version not in ("v1", "v1beta1"):
        found.append(fields.not_supported(f"{path}.subjectAccessReviewVersion", version, ("v1", "v1beta1")))
    where, version = (
        f"{path}.matchConditionSubjectAccessReviewVersion",
        hook.get("matchConditionSubjectAccessReviewVersion") or "",
    )
    if not version:
        if hook.get("matchConditions"):
            found.append(fields.required(where, "required if match conditions are specified"))
    elif version != "v1":
        found.append(fields.not_supported(where, version, ("v1",)))
    policy = hook.get("failurePolicy") or ""
    if not policy:
        found.append(fields.required(f"{path}.failurePolicy"))
    elif policy not in ("NoOpinion", "Deny"):
        found.append(fields.not_supported(f"{path}.failurePolicy", policy, ("NoOpinion", "Deny")))
    return found


def _connection(info: dict[str, Any], path: str) -> list[fields.Error]:
    kind, file = info.get("type") or "", info.get("kubeConfigFile")
    where = f"{path}.kubeConfigFile"
    if not kind:
        return [fields.required(f"{path}.type")]
    if kind == _IN_CLUSTER:
        return [] if file is None else [fields.invalid(where, file, "can only be set when type=KubeConfigFile")]
    if kind != _KUBECONFIG:
        return [fields.not_supported(f"{path}.type", info, (_IN_CLUSTER, _KUBECONFIG))]
    if not file:
        return [fields.required(where)]
    if not file.startswith("/"):
        return [fields.invalid(where, file, "must be an absolute path")]
    if not Path(file).exists():
        missing = f"error loading file: stat {file}: no such file or directory"
        return [fields.invalid(where, file, missing)]
    return [] if Path(file).is_file() else [fields.invalid(where, file, "must be a regular file")]
