"""How a definition says that objects are converted between its versions.

Source: apiextensions-apiserver's validateCustomResourceConversion; apiserver pkg/util/webhook.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib import parse as urls

from cryptography import x509

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors

Object = dict[str, Any]

REVIEW_VERSIONS = ("v1", "v1beta1")
_FORM = "; desired format: https://host[/path]"


def validate(conversion: Object | None, path: str, recognized: bool, allow_bad_bundle: bool) -> Errors:
    """``recognized``: one of the review versions must be known here. Paths are those of upstream's internal form."""
    if conversion is None:
        return []
    strategy = conversion.get("strategy")
    found = checks.one_of(strategy, field.child(path, "strategy"), ("None", "Webhook"))
    webhook = conversion.get("webhook") or {}
    config, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions")
    where, listed = field.child(path, "webhookClientConfig"), field.child(path, "conversionReviewVersions")
    if strategy != "Webhook":
        text = "should not be set when strategy is not set to Webhook"
        found += [field.forbidden(place, text) for place, given in ((where, config), (listed, versions)) if given]
        return found
    if config is None:
        found.append(field.required(where, "required when strategy is set to Webhook"))
    else:
        found += client_config(config, where)
        if config.get("caBundle") and not allow_bad_bundle:
            found += ca_bundle(config["caBundle"], field.child(where, "caBundle"))
    return found + review_versions(versions or [], listed, recognized)


def client_config(config: Object, path: str) -> Errors:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [field.required(path, "exactly one of url or service is required")]
    if url is not None:
        return _url(url, field.child(path, "url"))
    return _service(service or {}, field.child(path, "service"))


def _url(url: str, path: str) -> Errors:
    try:
        parts = urls.urlsplit(url)
    except ValueError as error:
        return [field.required(path, f"url must be a valid URL: {error}{_FORM}")]
    found: Errors = []
    if parts.scheme != "https":
        found.append(field.invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    if not parts.netloc:
        found.append(field.invalid(path, "", f"host must be specified{_FORM}"))
    user = parts.netloc.rpartition("@")[0]
    for what, given in (
        ("user information is", user),
        ("fragments are", parts.fragment),
        ("query parameters are", parts.query),
    ):
        if given:
            found.append(field.invalid(path, given, f"{what} not permitted in the URL"))
    return found


def _service(service: Object, path: str) -> Errors:
    found = [field.required(field.child(path, key)) for key in ("name", "namespace") if not service.get(key)]
    port, place = service.get("port", 443), service.get("path")
    complaints = names.port_number(port)
    if complaints:
        found.append(field.invalid(field.child(path, "port"), port, "port is not valid: " + ", ".join(complaints)))
    if place is None or place in ("", "/"):
        return found
    where = field.child(path, "path")
    if place == "//":
        return [*found, field.invalid(where, place, "segment[0] may not be empty")]
    if not place.startswith("/"):
        found.append(field.invalid(where, place, "must start with a '/'"))
    for position, step in enumerate(place[1:].removesuffix("/").split("/")):
        if not step:
            found.append(field.invalid(where, place, f"segment[{position}] may not be empty"))
            continue
        for complaint in names.dns_subdomain(step):
            found.append(field.invalid(where, place, f"segment[{position}]: {complaint}"))
    return found


def ca_bundle(bundle: str, path: str) -> Errors:
    """``bundle`` is base64 of PEM."""
    try:
        pem = base64.b64decode(bundle)
        if x509.load_pem_x509_certificates(pem):
            return []
    except (ValueError, binascii.Error):
        pass
    text = "unable to load root certificates: unable to parse bytes as PEM block"
    return [field.invalid(path, bundle, text)]


def has_known_version(conversion: Object | None) -> bool:
    """Whether a stored definition names a review version that is known here, or none at all."""
    versions = ((conversion or {}).get("webhook") or {}).get("conversionReviewVersions") or []
    return not versions or any(version in REVIEW_VERSIONS for version in versions)


def review_versions(versions: list[str], path: str, recognized: bool) -> Errors:
    if not versions:
        return [field.required(path)]
    found: Errors = []
    seen: set[str] = set()
    for position, version in enumerate(versions):
        where = field.index(path, position)
        if version in seen:
            found.append(field.invalid(where, version, "duplicate version"))
            continue
        seen.add(version)
        found += [field.invalid(where, version, complaint) for complaint in names.dns1035_label(version)]
    if recognized and not seen & set(REVIEW_VERSIONS):
        found.append(field.invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}"))
    return found
