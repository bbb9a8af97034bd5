"""Names of controllers and the like: a domain, a slash and a path, ``acme.io/foo``."""

from __future__ import annotations

from kijabi.api import field, names

Errors = list[field.Error]


def validate(name: str | None, path: str, longest: int | None = None) -> Errors:
    """Each complaint is about its half of the name."""
    if not name:
        return [field.required(path)]
    host, _, rest = name.partition("/")
    found: Errors = []
    if not host or not rest:
        found.append(field.invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    else:
        found += [field.invalid(path, host, text) for text in names.dns_subdomain(host)]
        for text in names.domain_prefixed_path(f"a/{rest}"):
            found.append(field.invalid(path, rest, text))
    if longest is not None and len(name) > longest:
        found.append(field.too_long(path, longest))
    return found
