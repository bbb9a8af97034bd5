"""What counts as a name: DNS labels and subdomains, label keys and values, ports, variables, path segments.

Each function takes the text and gives the list of complaints, empty when it is fine; the wording is upstream's.
Source: k8s.io/apimachinery util/validation and api/validate/content; "Object Names and IDs" in the documentation.
"""

from __future__ import annotations

import functools
import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_UNDERSCORED_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORED = rf"{_UNDERSCORED_LABEL}(\.{_UNDERSCORED_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_ENV = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_HEADER = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_ALNUM = "must start and end with an alphanumeric character"
_LABEL_TEXT = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and {_ALNUM}"
_SUBDOMAIN_TEXT = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and {_ALNUM}"
)
_UNDERSCORED_TEXT = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and {_ALNUM}"
)
_DNS1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)
_KEY_TEXT = f"must consist of alphanumeric characters, '-', '_' or '.', and {_ALNUM}"
_VALUE_TEXT = (
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and {_ALNUM}"
)
_WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_ENV_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_CONFIG_KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_C_IDENTIFIER_TEXT = (
    "a valid C identifier must start with alphabetic character or '_', "
    "followed by a string of alphanumeric characters or '_'"
)
_HEADER_TEXT = "a valid HTTP header must consist of alphanumeric characters or '-'"
_PERCENT_TEXT = "a valid percent string must be a numeric string followed by an ending '%'"

NON_EMPTY = "must be non-empty"


def _regex(text: str, pattern: str, *examples: str) -> str:
    if not examples:
        return f"{text} (regex used for validation is '{pattern}')"
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {listed}regex used for validation is '{pattern}')"


def _too_long(limit: int, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


def between(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_IS_LABEL, _IS_SUBDOMAIN, _IS_DNS1035 = _compile(_LABEL), _compile(_SUBDOMAIN), _compile(_DNS1035)
_IS_KEY, _IS_VALUE, _IS_WILDCARD = _compile(_KEY), _compile(_VALUE), _compile(_WILDCARD)
_IS_UNDERSCORED = _compile(_UNDERSCORED)
_IS_CONFIG_KEY, _IS_HEADER = _compile(_CONFIG_KEY), _compile(_HEADER)
_IS_C, _IS_PERCENT, _IS_HTTP_PATH = _compile(_C_IDENTIFIER), _compile(_PERCENT), _compile(_HTTP_PATH)


def dns_label(value: str) -> list[str]:
    found = [_too_long(63)] if len(value) > 63 else []
    if not _IS_LABEL.fullmatch(value):
        if _IS_SUBDOMAIN.fullmatch(value):
            found.append("must not contain dots")
        else:
            found.append(_regex(_LABEL_TEXT, _LABEL, "my-name", "123-abc"))
    return found


def dns_subdomain(value: str) -> list[str]:
    found = [_too_long(253)] if len(value) > 253 else []
    if not _IS_SUBDOMAIN.fullmatch(value):
        found.append(_regex(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return found


def dns_subdomain_with_underscore(value: str) -> list[str]:
    """What a DNS search path may be, for the sake of names such as ``_tcp.example.com``."""
    found = [_too_long(253)] if len(value) > 253 else []
    if not _IS_UNDERSCORED.fullmatch(value):
        found.append(_regex(_UNDERSCORED_TEXT, _UNDERSCORED, "example.com"))
    return found


def dns1035_label(value: str) -> list[str]:
    found = [_too_long(63)] if len(value) > 63 else []
    if not _IS_DNS1035.fullmatch(value):
        found.append(_regex(_DNS1035_TEXT, _DNS1035, "my-name", "abc-123"))
    return found


def wildcard_subdomain(value: str) -> list[str]:
    found = [_too_long(253)] if len(value) > 253 else []
    if not _IS_WILDCARD.fullmatch(value):
        found.append(_regex(_WILDCARD_TEXT, _WILDCARD, "*.example.com"))
    return found


def path_segment(value: str) -> list[str]:
    """The least any name must be: one piece of a URL's path."""
    found = [f"may not be '{value}'"] if value in (".", "..") else []
    return found + path_segment_prefix(value)


def path_segment_prefix(value: str) -> list[str]:
    return [f"may not contain '{bad}'" for bad in ("/", "%") if bad in value]


@functools.lru_cache(maxsize=4096)
def _label_key(value: str) -> tuple[str, ...]:
    parts = value.split("/")
    if len(parts) > 2:
        text = _regex(_KEY_TEXT, _KEY, "MyName", "my.name", "123-abc")
        return (f"a valid label key {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    found = []
    if len(parts) == 2:
        if not parts[0]:
            found.append(f"prefix part {NON_EMPTY}")
        else:
            found += [f"prefix part {text}" for text in dns_subdomain(parts[0])]
    name = parts[-1]
    if not name:
        found.append(f"name part {NON_EMPTY}")
    elif len(name) > 63:
        found.append(f"name part {_too_long(63, 'bytes')}")
    if not _IS_KEY.fullmatch(name):
        found.append(f"name part {_regex(_KEY_TEXT, _KEY, 'MyName', 'my.name', '123-abc')}")
    return tuple(found)


def label_key(value: str) -> list[str]:
    """A qualified name: ``name`` or ``prefix.example.com/name``."""
    return list(_label_key(value))


def label_value(value: str) -> list[str]:
    found = [_too_long(63, "bytes")] if len(value) > 63 else []
    if not _IS_VALUE.fullmatch(value):
        found.append(_regex(_VALUE_TEXT, _VALUE, "MyValue", "my_value", "12345"))
    return found


def port_number(port: int) -> list[str]:
    return [] if 1 <= port <= 65535 else [between(1, 65535)]


def port_name(name: str) -> list[str]:
    """An IANA service name of at most 15 characters."""
    found = [_too_long(15)] if len(name) > 15 else []
    if not re.fullmatch("[-a-z0-9]+", name):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", name):
        found.append("must contain at least one letter (a-z)")
    if "--" in name:
        found.append("must not contain consecutive hyphens")
    if name and (name[0] == "-" or name[-1] == "-"):
        found.append("must not begin or end with a hyphen")
    return found


def env_name(name: str) -> list[str]:
    """Relaxed rule of v1.34 and later: any printable ASCII but ``=``."""
    found = [f"environment variable name {NON_EMPTY}"] if not name else []
    if any(not " " <= character <= "~" or character == "=" for character in name):
        found.append(_ENV_TEXT)
    return found


def c_identifier(name: str) -> list[str]:
    if _IS_C.fullmatch(name):
        return []
    return [_regex(_C_IDENTIFIER_TEXT, _C_IDENTIFIER, "my_name", "MY_NAME", "MyName")]


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret."""
    found = [_too_long(253)] if len(value) > 253 else []
    if not _IS_CONFIG_KEY.fullmatch(value):
        found.append(_regex(_CONFIG_KEY_TEXT, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value in (".", ".."):
        found.append(f"must not be '{value}'")
    elif value.startswith(".."):
        found.append("must not start with '..'")
    return found


def http_header(name: str) -> list[str]:
    return [] if _IS_HEADER.fullmatch(name) else [_regex(_HEADER_TEXT, _HEADER, "X-Header-Name")]


def percent(value: str) -> list[str]:
    return [] if _IS_PERCENT.fullmatch(value) else [_regex(_PERCENT_TEXT, _PERCENT, "1%", "93%")]


def user_id(value: int) -> list[str]:
    """A user or group ID that containers can have."""
    return [] if 0 <= value <= 2**31 - 1 else [between(0, 2**31 - 1)]


def domain_prefixed_path(value: str) -> list[str]:
    """``acme.io/foo``."""
    host, slash, path = value.partition("/")
    if not slash or not host or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    found = dns_subdomain(host)
    if not _IS_HTTP_PATH.fullmatch(path):
        found.append(_regex("Invalid path", _HTTP_PATH))
    return found
