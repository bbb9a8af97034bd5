"""``--admission-control-config-file``: what plug-ins are told beside flags.

Source: the reference of apiserver.config.k8s.io/v1, AdmissionConfiguration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kijabi.apiserver.contract import Object
from kijabi.kit import config, yamls

_VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1alpha1"))


class Unusable(config.Unusable):
    """The file, or one that it names, cannot be used."""


def load(path: str) -> Mapping[str, Object]:
    """The configuration of each plug-in that the file names. Raises Unusable."""
    if not path:
        return {}
    given = _read(Path(path))
    if given.get("kind") != "AdmissionConfiguration" or given.get("apiVersion") not in _VERSIONS:
        raise Unusable(f"{path}: no AdmissionConfiguration of apiserver.config.k8s.io/v1")
    found: dict[str, Object] = {}
    for one in given.get("plugins") or ():
        inline, other = one.get("configuration"), one.get("path")
        if inline and other:
            raise Unusable(f"{path}: {one.get('name')}: a configuration and a path exclude each other")
        # A path is relative to the file that names it.
        found[one.get("name", "")] = _read(Path(path).parent / other) if other else inline or {}
    return found


def _read(path: Path) -> Object:
    try:
        given = yamls.loads(path.read_bytes())
    except (OSError, yamls.Malformed) as error:
        raise Unusable(f'unable to read admission control configuration from "{path}" [{error}]') from error
    if not isinstance(given, dict):
        raise Unusable(f"{path}: not an object")
    return given
