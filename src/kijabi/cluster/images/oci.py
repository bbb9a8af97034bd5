"""The OCI image format (https://github.com/opencontainers/image-spec): blobs named by digest, an index on top."""

from __future__ import annotations

import hashlib
import io
import platform
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kijabi.cluster.images import recipe, tree
from kijabi.kit import jsons

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_INDEX = "application/vnd.oci.image.index.v1+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}


@dataclass(frozen=True, slots=True)
class Image:
    """``manifest`` describes it; ``blobs`` are all of its parts, the manifest included, by hexadecimal digest."""

    manifest: dict[str, Any]
    blobs: dict[str, bytes]


def architecture() -> str:
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def image(layer: bytes, config: recipe.Config) -> Image:
    """An image of one layer (an uncompressed tar)."""
    blobs: dict[str, bytes] = {}
    packed = _descriptor(_LAYER, tree.compress(layer), blobs)
    document = {
        "architecture": architecture(),
        "os": "linux",
        "config": _runtime_config(config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _descriptor(_CONFIG, jsons.dumps(document), blobs),
        "layers": [packed],
    }
    return Image(_descriptor(_MANIFEST, jsons.dumps(manifest), blobs), blobs)


def archive(built: Image, tags: Iterable[str]) -> bytes:
    """An OCI layout in a tar, one entry of the index per tag: that is how containerd learns an image's names."""
    manifests = [
        {
            **built.manifest,
            "platform": {"architecture": architecture(), "os": "linux"},
            "annotations": {"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": tag},
        }
        for tag in tags
    ]
    files = {f"blobs/sha256/{digest}": data for digest, data in built.blobs.items()}
    files["oci-layout"] = jsons.dumps({"imageLayoutVersion": "1.0.0"})
    files["index.json"] = jsons.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, data in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _descriptor(media_type: str, data: bytes, blobs: dict[str, bytes]) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _runtime_config(config: recipe.Config) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "Env": [f"{name}={value}" for name, value in config.env.items()],
        "WorkingDir": config.workdir,
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.ports},
        "StopSignal": config.stop_signal,
    }
    return {name: value for name, value in fields.items() if value}
