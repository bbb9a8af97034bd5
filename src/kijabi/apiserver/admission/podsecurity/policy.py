"""What a namespace's labels ask for: a level and a version for each of three modes. Pure.

Source: the documentation, "Pod Security Admission", labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kijabi.api import field
from kijabi.apiserver.admission.podsecurity.standards import LATEST, LEVELS, PRIVILEGED, RESTRICTED

PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"v1\.(0|[1-9]\d*)")
_WRONG_LEVEL = "must be one of " + ", ".join(LEVELS)
_WRONG_VERSION = 'must be "latest" or "v1.x"'


@dataclass(frozen=True, slots=True)
class Asked:
    """``minor`` is LATEST or the x of v1.x."""

    level: str = PRIVILEGED
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"

    @property
    def strictness(self) -> int:
        return LEVELS.index(self.level)


@dataclass(frozen=True, slots=True)
class Policy:
    enforce: Asked = Asked()
    audit: Asked = Asked()
    warn: Asked = Asked()

    @property
    def is_privileged(self) -> bool:
        return self.enforce.level == self.audit.level == self.warn.level == PRIVILEGED


NONE = Policy()


def level(text: str) -> str | None:
    return text if text in LEVELS else None


def version(text: str) -> int | None:
    if text == "latest":
        return LATEST
    match = _VERSION.fullmatch(text)
    return int(match[1]) if match else None


def read(labels: Mapping[str, str], defaults: Policy = NONE) -> tuple[Policy, list[field.Error]]:
    """The policy, and what is wrong with the labels.

    What cannot be read is enforced at its strictest, and neither audited nor warned of. Who enforces more than he
    warns of is warned of all he enforces.
    """
    found: list[field.Error] = []
    enforce = _mode(labels, "enforce", defaults.enforce, RESTRICTED, found)
    audit = _mode(labels, "audit", defaults.audit, PRIVILEGED, found)
    warn = _mode(labels, "warn", defaults.warn, PRIVILEGED, found)
    chosen = labels.get(PREFIX + "enforce", "") in LEVELS
    if chosen and PREFIX + "warn" not in labels and enforce.strictness > warn.strictness:
        minor = warn.minor if PREFIX + "warn-version" in labels else enforce.minor
        warn = Asked(enforce.level, minor)
    return Policy(enforce, audit, warn), found


def _mode(labels: Mapping[str, str], mode: str, asked: Asked, otherwise: str, found: list[field.Error]) -> Asked:
    key = PREFIX + mode
    if key in labels:
        told = level(labels[key])
        if told is None:
            found.append(field.invalid(f"metadata.labels[{key}]", labels[key], _WRONG_LEVEL))
        asked = replace(asked, level=told or otherwise)
    key += "-version"
    if key in labels:
        minor = version(labels[key])
        if minor is None:
            found.append(field.invalid(f"metadata.labels[{key}]", labels[key], _WRONG_VERSION))
        asked = replace(asked, minor=LATEST if minor is None else minor)
    return asked
