"""Kubeconfig files (``v1 Config``): reading one into a transport, and making one.

Source: the client authentication and kubeconfig reference (kubernetes.io, "Organizing Cluster Access Using kubeconfig
Files"). Exec plugins and auth providers are not run by components, only by kubectl.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kijabi.client import rest, transport
from kijabi.kit import config, pki, yamls

Config = dict[str, Any]


class Unusable(config.Unusable):
    """The file is missing, does not parse, or lacks what the chosen context names."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one context says: where the server is, whom to trust, who we are."""

    server: str
    cluster: Config
    user: Config
    namespace: str
    base: Path


def read(path: str | Path) -> Config:
    try:
        config = yamls.loads(Path(path).read_bytes())
    except (OSError, yamls.Malformed) as error:
        raise Unusable(f"kubeconfig {path}: {error}") from error
    if not isinstance(config, dict):
        raise Unusable(f"kubeconfig {path}: not a Config")
    return config


def access(path: str | Path, context: str = "") -> Access:
    config = read(path)
    chosen = context or config.get("current-context") or ""
    entry = _named(config, "contexts", "context", chosen, path)
    cluster = _named(config, "clusters", "cluster", entry.get("cluster", ""), path)
    user = _named(config, "users", "user", entry.get("user", ""), path)
    return Access(cluster.get("server", ""), cluster, user, entry.get("namespace", ""), Path(path).parent)


def _named(config: Config, section: str, key: str, name: str, path: str | Path) -> Config:
    for entry in config.get(section) or ():
        if entry.get("name") == name:
            return entry.get(key) or {}
    raise Unusable(f"kubeconfig {path}: no {key} named {name!r}")


def load(path: str | Path, context: str = "", *, user_agent: str = "kijabi") -> transport.Http:
    """A transport as the context says."""
    chosen = access(path, context)
    tls = _tls(chosen) if chosen.server.startswith("https") else None
    return transport.Http(chosen.server, tls=tls, token=_token(chosen), user_agent=user_agent)


def load_with_token(path: str | Path, token: Callable[[], str], *, user_agent: str) -> transport.Http:
    """A transport to the current context's server for somebody else: no certificate is shown, only the token."""
    chosen = access(path)
    anonymous = Access(chosen.server, chosen.cluster, {}, chosen.namespace, chosen.base)
    tls = _tls(anonymous) if chosen.server.startswith("https") else None
    return transport.Http(chosen.server, tls=tls, token=token, user_agent=f"{user_agent}/kijabi")


def connect(path: str | Path, context: str = "", *, component: str = "kijabi") -> rest.Client:
    """A client that names itself ``component`` to the server and as the manager of the fields it writes."""
    return rest.Client(load(path, context, user_agent=f"{component}/kijabi"), component)


def _tls(chosen: Access) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if chosen.cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        authority = _bytes(chosen, chosen.cluster, "certificate-authority")
        if authority:
            context.load_verify_locations(cadata=authority.decode())
        else:
            context.load_default_certs()
    certificate, key = (_bytes(chosen, chosen.user, name) for name in ("client-certificate", "client-key"))
    if certificate and key:
        _load_pair(context, certificate, key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # ssl reads a chain from a file only; this one is ours alone and gone at once.
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


def _bytes(chosen: Access, section: Config, name: str) -> bytes:
    """An inline ``NAME-data`` or the content of the file that ``NAME`` points at."""
    if section.get(f"{name}-data"):
        return base64.b64decode(section[f"{name}-data"])
    if section.get(name):
        return Path(chosen.base / str(section[name])).read_bytes()
    return b""


def _token(chosen: Access) -> Callable[[], str] | None:
    path = chosen.user.get("tokenFile")
    if path:
        file = chosen.base / path
        return lambda: file.read_text().strip()
    token = chosen.user.get("token")
    if token:
        return lambda: str(token)
    return None


def build(
    server: str, ca_pem: bytes, cert_pem: bytes, key_pem: bytes, *, user: str, cluster: str, context: str = ""
) -> Config:
    """A Config with one cluster, one user with a client certificate, and the context of both."""
    context = context or f"{user}@{cluster}"

    def inline(data: bytes) -> str:
        return base64.b64encode(data).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"certificate-authority-data": inline(ca_pem), "server": server}}],
        "users": [
            {
                "name": user,
                "user": {"client-certificate-data": inline(cert_pem), "client-key-data": inline(key_pem)},
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
        "current-context": context,
        "preferences": {},
    }


def default_path() -> Path:
    """The file that kubectl writes to: the first of ``$KUBECONFIG``, or ``~/.kube/config``."""
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return Path(listed[0]) if listed else Path.home() / ".kube" / "config"


def write(config: Config, path: Path) -> None:
    """Write a Config that only its owner may read, replacing what was there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pki.write_file(path, yamls.dumps(config).encode())
