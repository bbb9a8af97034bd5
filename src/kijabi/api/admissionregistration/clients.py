"""Where a webhook is: a URL or a Service, for webhooks of admission and of conversion.

Source: k8s.io/apiserver util/webhook validation.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from kijabi.api import field, names
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_FORM = "; desired format: https://host[/path]"


def validate(config: Object, path: str) -> Errors:
    address, service = config.get("url"), config.get("service")
    if (address is None) == (service is None):
        return [field.required(path, "exactly one of url or service is required")]
    if service is None:
        return url(str(address), field.child(path, "url"))
    return reference(service, field.child(path, "service"))


def url(text: str, path: str) -> Errors:
    try:
        parsed = urlsplit(text)
        host = parsed.netloc.rpartition("@")[2]
        # Reading it finds a port that is none.
        _ = parsed.port
    except ValueError as error:
        return [field.required(path, f'url must be a valid URL: parse "{text}": {error}{_FORM}')]
    found: Errors = []
    if parsed.scheme != "https":
        found.append(field.invalid(path, parsed.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    if not host:
        found.append(field.invalid(path, host, f"host must be specified{_FORM}"))
    return found + _extras(parsed, path)


def _extras(parsed: SplitResult, path: str) -> Errors:
    found: Errors = []
    user, at, _ = parsed.netloc.rpartition("@")
    if at:
        found.append(field.invalid(path, user, "user information is not permitted in the URL"))
    if parsed.fragment:
        found.append(field.invalid(path, parsed.fragment, "fragments are not permitted in the URL"))
    if parsed.query:
        found.append(field.invalid(path, parsed.query, "query parameters are not permitted in the URL"))
    return found


def reference(service: Object, path: str) -> Errors:
    # Upstream mixes these two up, and clients see it: it is the namespace that is missing where it says name.
    found = [
        field.required(field.child(path, said))
        for said, meant in (("name", "namespace"), ("namespace", "name"))
        if not service.get(meant)
    ]
    port = service.get("port", 443)
    problems = names.port_number(port)
    if problems:
        found.append(field.invalid(field.child(path, "port"), port, f"port is not valid: {', '.join(problems)}"))
    return found + _path(service.get("path") or "/", field.child(path, "path"))


def _path(text: str, path: str) -> Errors:
    if text == "/":
        return []
    if text == "//":
        return [field.invalid(path, text, "segment[0] may not be empty")]
    found: Errors = []
    if not text.startswith("/"):
        found.append(field.invalid(path, text, "must start with a '/'"))
    for position, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            found.append(field.invalid(path, text, f"segment[{position}] may not be empty"))
            continue
        found += [field.invalid(path, text, f"segment[{position}]: {why}") for why in names.dns_subdomain(step)]
    return found
