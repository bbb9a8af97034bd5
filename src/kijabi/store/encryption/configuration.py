"""``--encryption-provider-config``: reading it, and what is wrong with it in upstream's words.

Source: the reference of apiserver.config.k8s.io/v1 EncryptionConfiguration.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from kijabi.api import field as fields
from kijabi.kit import clock, config, yamls
from kijabi.store.encryption import ciphers, kms
from kijabi.store.encryption.providers import PLAIN, Identity, Keyed, Provider, Providers

API_VERSION, KIND = "apiserver.config.k8s.io/v1", "EncryptionConfiguration"

_AES = (16, 24, 32)
_NAMES = {"kms": "KMS", "aesgcm": "AESGCM", "aescbc": "AESCBC", "secretbox": "Secretbox", "identity": "Identity"}
# By provider: sizes of keys in bytes, the cipher, what upstream calls it when no key fits.
_KEYED: dict[str, tuple[tuple[int, ...], Callable[[bytes], ciphers.Cipher], str]] = {
    "aesgcm": (_AES, ciphers.AesGcm, "AES"),
    "aescbc": (_AES, ciphers.AesCbc, "AES"),
    "secretbox": ((32,), ciphers.Secretbox, "Secretbox"),
}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Problems = Iterator[fields.Error]
# (group, resource); ``*`` for all.
GroupResource = tuple[str, str]


@dataclass(slots=True)
class Configuration:
    """``rules`` in the order of the file; ``digest`` tells two files apart."""

    rules: dict[GroupResource, Providers] = field(default_factory=dict)
    plugins: list[kms.Kms] = field(default_factory=list)
    digest: str = ""

    def providers(self, group: str, resource: str) -> Providers:
        """Of one resource: its own rule, else that of its group, else that of all."""
        for rule in ((group, resource), (group, "*"), ("*", "*")):
            if rule in self.rules:
                return self.rules[rule]
        return PLAIN


def load(path: Path, timepiece: clock.Clock = clock.SYSTEM) -> Configuration:
    """Raises config.Unusable. No plugin is asked yet."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unusable(
            f'error while loading file: error reading encryption provider configuration file "{path}": {error}'
        ) from error
    if not data:
        raise _unusable(f'error while loading file: encryption provider configuration file "{path}" is empty')
    parsed = _parse(data, path)
    problems = list(validate(parsed))
    if problems:
        text = ", ".join(str(problem) for problem in problems)
        raise _unusable(f"[{text}]" if len(problems) > 1 else text)
    made = build(parsed, timepiece)
    made.digest = hashlib.sha256(data).hexdigest()
    return made


def _unusable(why: str) -> config.Unusable:
    return config.Unusable(f"error while parsing file: {why}")


def _parse(data: bytes, path: Path) -> dict[str, Any]:
    what = f'error decoding encryption provider configuration file "{path}"'
    try:
        parsed = yamls.loads(data)
    except (yaml.YAMLError, ValueError) as error:
        raise _unusable(f"{what}: {error}") from error
    if not isinstance(parsed, dict) or not parsed.get("kind"):
        raise _unusable(f"{what}: Object 'Kind' is missing")
    if (parsed.get("apiVersion"), parsed.get("kind")) != (API_VERSION, KIND):
        raise _unusable(
            f'{what}: no kind "{parsed.get("kind")}" is registered for version "{parsed.get("apiVersion")}"'
        )
    unknown = [f'unknown field "{place}"' for place in _unknown(parsed)]
    if unknown:
        raise _unusable(f"{what}: strict decoding error: {', '.join(unknown)}")
    return parsed


def _unknown(parsed: dict[str, Any]) -> Iterator[str]:
    yield from (key for key in parsed if key not in ("apiVersion", "kind", "resources"))
    for i, rule in enumerate(parsed.get("resources") or ()):
        yield from (f"resources[{i}].{key}" for key in rule if key not in ("resources", "providers"))
        for j, provider in enumerate(rule.get("providers") or ()):
            yield from (f"resources[{i}].providers[{j}].{key}" for key in provider if key not in _NAMES)


def parse_resource(text: str) -> GroupResource:
    """``deployments.apps`` is a resource of a group, ``secrets`` one of the core group, ``*.`` all of that."""
    resource, _, group = text.partition(".")
    return group, resource


# --- validation


def validate(parsed: dict[str, Any]) -> Problems:
    """What upstream would say of a decoded file."""
    rules = parsed.get("resources") or []
    if not rules:
        yield fields.required("resources", "at least one resources is required")
    names: set[str] = set()
    for i, rule in enumerate(rules):
        resources, providers = f"resources[{i}].resources", f"resources[{i}].providers"
        if not rule.get("resources"):
            yield fields.required(resources, f"at least one {resources} is required")
        yield from _overlaps(rule.get("resources") or [], resources)
        for j, name in enumerate(rule.get("resources") or ()):
            why = _complaint(name)
            if why:
                yield fields.invalid(f"{resources}[{j}]", name, why)
        if not rule.get("providers"):
            yield fields.required(providers, f"at least one {providers} is required")
        for j, provider in enumerate(rule.get("providers") or ()):
            yield from _validate_provider(provider, f"{providers}[{j}]", names)


def _overlaps(resources: list[str], path: str) -> Problems:
    parsed = [parse_resource(text) for text in resources]
    if len(set(parsed)) < len(parsed):
        yield fields.invalid(path, resources, "the same resource cannot be specified multiple times")
    others = len(set(parsed))
    groups_with_all = {group for group, resource in parsed if resource == "*"}
    overlapping = others > 1 and (
        ("*", "*") in parsed or any(group in groups_with_all and resource != "*" for group, resource in parsed)
    )
    if overlapping:
        text = (
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they "
            "will be masked"
        )
        yield fields.invalid(path, resources, text)


def _complaint(name: str) -> str:
    group, resource = parse_resource(name)
    if name.lower() != name:
        return "resource name should not contain capital letters"
    if name == "*":
        return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
    if name in ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations"):
        return "resources which do not have REST API/s cannot be encrypted"
    if group == "events.k8s.io":
        return (
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the "
            "config file"
        )
    if group == "extensions":
        return "'extensions' group has been removed and cannot be used for encryption"
    if group == "*" and resource != "*":
        return "encrypting the same resource across groups is not supported"
    return ""


def _masked(rules: list[dict[str, Any]]) -> str:
    """What a rule says of a resource that an earlier one has said all of; empty for nothing."""
    seen: set[GroupResource] = set()
    for rule in rules:
        for name in rule["resources"]:
            group, _ = parse_resource(name)
            for earlier, words in (((group, "*"), f"*.{group}"), (("*", "*"), "*.*")):
                if earlier in seen:
                    return f'resource "{name}" is masked by earlier rule "{words}"'
            seen.add(parse_resource(name))
    return ""


def _validate_provider(provider: dict[str, Any], path: str, names: set[str]) -> Problems:
    # ``identity: {}`` is a provider, ``identity:`` alone is none.
    chosen = [name for name in _NAMES if provider.get(name) is not None]
    if not chosen:
        listed = ", ".join(_NAMES.values())
        text = f"provider does not contain any of the expected providers: {listed}"
        yield fields.invalid(path, provider, text)
        return
    if len(chosen) > 1:
        text = "more than one provider specified in a single element, should split into different list elements"
        yield fields.invalid(path, sorted(chosen), text)
    name = chosen[0]
    if name == "kms":
        yield from _validate_kms(provider["kms"], f"{path}.kms", names)
        names.add(provider["kms"].get("name", ""))
    elif name in _KEYED:
        yield from _validate_keys(provider[name].get("keys") or [], f"{path}.{name}.keys", _KEYED[name][0])


def _validate_keys(keys: list[dict[str, Any]], path: str, sizes: tuple[int, ...]) -> Problems:
    if not keys:
        yield fields.required(path, "at least one keys is required")
    for i, key in enumerate(keys):
        if not key.get("name"):
            yield fields.required(f"{path}[{i}].name", "name is a mandatory field for a key")
        where = f"{path}[{i}].secret"
        if not key.get("secret"):
            yield fields.required(where, "secret is a mandatory field for a secret")
            continue
        try:
            size = len(_secret(key))
        except (binascii.Error, ValueError):
            yield fields.invalid(where, "REDACTED", "secrets must be base64 encoded")
            continue
        if size not in sizes:
            listed = " ".join(map(str, sizes))
            text = f"secret is not of the expected length, got {size}, expected one of [{listed}]"
            yield fields.invalid(where, "REDACTED", text)


def _secret(key: dict[str, Any]) -> bytes:
    return base64.b64decode(key["secret"], validate=True)


def _validate_kms(kms_: dict[str, Any], path: str, names: set[str]) -> Problems:
    name, version = kms_.get("name") or "", kms_.get("apiVersion") or "v1"
    if not name:
        yield fields.required(f"{path}.name", "name is a mandatory field for a provider")
    if version != "v1":
        if ":" in name:
            yield fields.invalid(f"{path}.name", name, f"invalid KMS provider name {name}, must not contain ':'")
        if name in names:
            text = f"duplicate KMS provider name {name}, names must be unique"
            yield fields.invalid(f"{path}.name", name, text)
    seconds = _seconds(kms_.get("timeout"))
    if seconds is None or seconds <= 0:
        yield fields.invalid(f"{path}.timeout", kms_.get("timeout"), "timeout should be a positive value")
    endpoint = kms_.get("endpoint") or ""
    if not endpoint:
        yield fields.invalid(f"{path}.endpoint", "", "endpoint is a mandatory field for a kms")
    elif urlsplit(endpoint).scheme != "unix":
        scheme = urlsplit(endpoint).scheme
        text = f'unsupported scheme "{scheme}" for KMS provider, only unix is supported'
        yield fields.invalid(f"{path}.endpoint", endpoint, text)
    if version != "v1" and kms_.get("cachesize") is not None:
        yield fields.invalid(f"{path}.cachesize", kms_["cachesize"], "cachesize is not supported in v2")
    if version not in ("v1", "v2"):
        text = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported"
        yield fields.invalid(f"{path}.apiVersion", version, text)


def _seconds(text: Any) -> float | None:
    """Go's way to write a duration; three seconds where nothing is said."""
    if text is None:
        return 3.0
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", str(text))
    if not parts or "".join(number + unit for number, unit in parts) != str(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


# --- building


def build(parsed: dict[str, Any], timepiece: clock.Clock) -> Configuration:
    """Of a file without problems. Raises config.Unusable for KMS v1, and for rules that never apply."""
    masked = _masked(parsed["resources"])
    if masked:
        raise config.Unusable(f"error while building transformers: {masked}")
    made = Configuration()
    listed: dict[GroupResource, list[Provider]] = {}
    for rule in parsed["resources"]:
        providers = [_provider(provider, made, timepiece) for provider in rule["providers"]]
        for name in rule["resources"]:
            # A later rule for the same resource adds providers that read.
            listed.setdefault(parse_resource(name), []).extend(providers)
    made.rules = {resource: Providers(providers) for resource, providers in listed.items()}
    return made


def _provider(provider: dict[str, Any], made: Configuration, timepiece: clock.Clock) -> Provider:
    for name, (_, cipher, words) in _KEYED.items():
        if provider.get(name) is not None:
            keys = [(key["name"], cipher(_secret(key))) for key in provider[name]["keys"]]
            return Keyed(f"k8s:enc:{name}:v1:".encode(), keys, words)
    if provider.get("kms") is None:
        return Identity()
    kms_ = provider["kms"]
    if (kms_.get("apiVersion") or "v1") == "v1":
        raise config.Unusable(
            "error while building transformers: KMSv1 is deprecated and will only receive security updates going "
            "forward. Use KMSv2 instead.  Set --feature-gates=KMSv1=true to use the deprecated KMSv1 feature."
        )
    plugin = kms.Plugin(kms_["endpoint"], _seconds(kms_.get("timeout")) or 3.0)
    made.plugins.append(kms.Kms(kms_["name"], plugin, timepiece))
    return made.plugins[-1]
