"""What an image is made of, as its author writes it.

name: nginx
tags: [docker.io/library/nginx:latest]
packages: [nginx, libc6]          # of this machine's distribution
take: [/usr/sbin/nginx]           # shell patterns; the libraries that programs need follow on their own
applets: {/bin/busybox: /bin}     # a multi-call program → where the links to it go
directories: {/tmp: {mode: "1777", owner: "0:0"}}
files: {/etc/hello: "text"}
links: {/var/log/nginx/access.log: /dev/stdout}
config: {entrypoint: [], cmd: [nginx], env: {A: b}, workdir: /, user: "", ports: [80/tcp], stop_signal: SIGQUIT}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kijabi.cluster import errors
from kijabi.kit import yamls

BUILT_IN = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class Directory:
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Config:
    """How a container of the image runs, in the OCI image configuration's terms."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    ports: tuple[str, ...] = ()
    stop_signal: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    tags: tuple[str, ...]
    packages: tuple[str, ...] = ()
    take: tuple[str, ...] = ()
    applets: dict[str, str] = field(default_factory=dict)
    directories: dict[str, Directory] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    config: Config = field(default_factory=Config)


def parse(text: bytes | str, origin: str) -> Recipe:
    """``origin`` is named in the error when the text is no recipe."""
    try:
        document = yamls.loads(text)
        if not isinstance(document, dict):
            raise TypeError("a mapping is expected")
        return _recipe(document)
    except (yamls.Malformed, TypeError, ValueError, KeyError, AttributeError) as error:
        raise errors.ClusterError(f"{origin} is not an image recipe: {error}") from error


def read(path: Path) -> Recipe:
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise errors.ClusterError(f"cannot read the recipe {path}: {error.strerror}") from error


def built_in(name: str) -> Recipe:
    path = BUILT_IN / f"{name}.yaml"
    if not path.exists():
        raise errors.Unknown(f"there is no recipe {name}: there are {', '.join(built_in_names())}")
    return read(path)


def built_in_names() -> list[str]:
    return sorted(path.stem for path in BUILT_IN.glob("*.yaml"))


def _recipe(document: dict[str, Any]) -> Recipe:
    unknown = set(document) - set(Recipe.__dataclass_fields__)
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
    return Recipe(
        name=str(document["name"]),
        tags=tuple(familiar(tag) for tag in document["tags"]),
        packages=tuple(document.get("packages") or ()),
        take=tuple(document.get("take") or ()),
        applets=dict(document.get("applets") or {}),
        directories={path: _directory(value or {}) for path, value in (document.get("directories") or {}).items()},
        files=dict(document.get("files") or {}),
        links=dict(document.get("links") or {}),
        config=_config(document.get("config") or {}),
    )


def _config(value: dict[str, Any]) -> Config:
    fields: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
    return Config(**fields)


def _directory(value: dict[str, str]) -> Directory:
    user, _, group = str(value.get("owner", "0:0")).partition(":")
    return Directory(int(str(value.get("mode", "755")), 8), (int(user), int(group or user)))


def familiar(reference: str) -> str:
    """A short name made whole, as every client does: ``nginx`` → ``docker.io/library/nginx:latest``."""
    host, slash, _ = reference.partition("/")
    is_host = bool(slash) and ("." in host or ":" in host or host == "localhost")
    if not is_host:
        reference = f"docker.io/{reference if slash else f'library/{reference}'}"
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"
