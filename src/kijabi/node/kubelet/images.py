"""Getting an image onto the node: pull policies, back-off, credentials.

Source: the documented "Images" page; reasons and texts of upstream's image manager.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kijabi.kit import clock, jsons
from kijabi.node.cri import contract
from kijabi.node.kubelet import configs, pods

BASE, CEILING = 10.0, 300.0

Record = Callable[[str, str, str], None]  # type, reason, message


class Failure(Exception):
    """``reason`` is ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName or ImageInspectError."""

    def __init__(self, reason: str, message: str, retry_at: float = 0.0) -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason
        self.message = message
        self.retry_at = retry_at


@dataclass(slots=True)
class _BackOff:
    delay: float
    until: float
    text: str


class Images:
    """``parallel`` is how many images are pulled side by side."""

    def __init__(self, runtime: contract.Runtime, timepiece: clock.Clock = clock.SYSTEM, *, parallel: int = 4) -> None:
        self._runtime = runtime
        self._clock = timepiece
        self._slots = asyncio.Semaphore(parallel)
        self._back_offs: dict[tuple[str, str], _BackOff] = {}

    async def ensure(
        self,
        pod: pods.Object,
        container: pods.Object,
        secrets: Iterable[dict[str, Any]],
        sandbox: contract.SandboxConfig,
        record: Record,
    ) -> contract.Image:
        """The image of a container, present on the node. ``secrets`` are decoded docker configurations."""
        asked = container.get("image", "")
        try:
            image = configs.default_tag(asked)
        except ValueError as error:
            message = f'Failed to apply default image tag "{asked}": couldn\'t parse image name "{asked}": {error}'
            record("Warning", "InspectFailed", message)
            raise Failure("InvalidImageName", message) from error
        policy = container.get("imagePullPolicy") or ("Always" if image.endswith(":latest") else "IfNotPresent")
        if policy != "Always":
            present = await self._inspect(image, record)
            if present is not None:
                record("Normal", "Pulled", f'Container image "{asked}" already present on machine')
                return present
            if policy == "Never":
                message = f'Container image "{asked}" is not present with pull policy of Never'
                record("Warning", "ErrImageNeverPull", message)
                raise Failure("ErrImageNeverPull", message)
        return await self._pull(pod, asked, image, credentials(image, secrets), sandbox, record)

    async def _inspect(self, image: str, record: Record) -> contract.Image | None:
        try:
            return await self._runtime.image_status(image)
        except contract.RuntimeFailure as error:
            message = f'Failed to inspect image "": {error}'
            record("Warning", "InspectFailed", message)
            raise Failure("ImageInspectError", message) from error

    async def _pull(
        self,
        pod: pods.Object,
        asked: str,
        image: str,
        known: list[contract.Credentials],
        sandbox: contract.SandboxConfig,
        record: Record,
    ) -> contract.Image:
        key = (pods.uid(pod), asked)
        back_off = self._back_offs.get(key)
        now = self._clock.time()
        if back_off is not None and now < back_off.until:
            message = f'Back-off pulling image "{asked}"'
            record("Normal", "BackOff", message)
            raise Failure("ImagePullBackOff", f"{message}: {back_off.text}", back_off.until)
        record("Normal", "Pulling", f'Pulling image "{asked}"')
        began = self._clock.monotonic()
        try:
            async with self._slots:
                pulling = self._clock.monotonic()
                reference = await self._try(image, known, sandbox)
                took = self._clock.monotonic() - pulling
            present = await self._runtime.image_status(reference)
        except contract.RuntimeFailure as error:
            record("Warning", "Failed", f'Failed to pull image "{asked}": {error}')
            delay = BASE if back_off is None or now - back_off.until > CEILING else min(2 * back_off.delay, CEILING)
            at = self._clock.time()
            self._back_offs[key] = _BackOff(delay, at + delay, f"ErrImagePull: {error}")
            raise Failure("ErrImagePull", str(error), at + delay) from error
        self._back_offs.pop(key, None)
        size = present.size if present is not None else 0
        waited = _duration(self._clock.monotonic() - began)
        record(
            "Normal",
            "Pulled",
            f'Successfully pulled image "{asked}" in {_duration(took)} ({waited} including waiting). '
            f"Image size: {size} bytes.",
        )
        return present or contract.Image(reference)

    async def _try(self, image: str, known: list[contract.Credentials], sandbox: contract.SandboxConfig) -> str:
        """With each of the credentials in turn, or with none; the last failure is the one that counts."""
        failure: contract.RuntimeFailure | None = None
        attempts: list[contract.Credentials | None] = [*known] or [None]
        for chosen in attempts:
            try:
                return await self._runtime.pull_image(image, chosen, sandbox)
            except contract.RuntimeFailure as error:
                failure = error
        assert failure is not None
        raise failure

    def forget(self, uid: str) -> None:
        for key in [key for key in self._back_offs if key[0] == uid]:
            del self._back_offs[key]


def _duration(seconds: float) -> str:
    """A Go duration cut to milliseconds: ``320ms``, ``1.5s``, ``1m2s``."""
    millis = int(seconds * 1000)
    if millis < 1000:
        return f"{millis}ms" if millis else "0s"
    minutes, rest = divmod(millis, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{text}s" if minutes else f"{text}s"


def docker_config(secret: dict[str, Any]) -> dict[str, Any]:
    """The ``auths`` of a pull secret of either type; empty when it cannot be read."""
    data = secret.get("data") or {}
    try:
        if secret.get("type") == "kubernetes.io/dockerconfigjson":
            parsed = jsons.loads(base64.b64decode(data.get(".dockerconfigjson", "")))
            return dict(parsed.get("auths") or {}) if isinstance(parsed, dict) else {}
        if secret.get("type") == "kubernetes.io/dockercfg":
            parsed = jsons.loads(base64.b64decode(data.get(".dockercfg", "")))
            return parsed if isinstance(parsed, dict) else {}
    except (binascii.Error, jsons.Malformed):
        return {}
    return {}


def credentials(image: str, secrets: Iterable[dict[str, Any]]) -> list[contract.Credentials]:
    """What the secrets say about the image's registry, the most specific address first."""
    repository = _repository(image)
    found: list[tuple[int, contract.Credentials]] = []
    for secret in secrets:
        for address, entry in docker_config(secret).items():
            wanted = address.removeprefix("https://").removeprefix("http://").rstrip("/")
            for suffix in ("/v1", "/v2"):
                wanted = wanted.removesuffix(suffix)
            if wanted in ("index.docker.io", "registry-1.docker.io"):
                wanted = "docker.io"
            if _matches(wanted, repository):
                found.append((len(wanted), _credentials(entry)))
    return [entry for _, entry in sorted(found, key=lambda pair: -pair[0])]


def _matches(wanted: str, repository: str) -> bool:
    host, _, path = wanted.partition("/")
    actual_host, _, actual_path = repository.partition("/")
    parts, actual = host.split("."), actual_host.split(".")
    if len(parts) != len(actual) or any(one not in ("*", other) for one, other in zip(parts, actual, strict=True)):
        return False
    return not path or actual_path == path or actual_path.startswith(path + "/")


def _repository(image: str) -> str:
    """``nginx`` is ``docker.io/library/nginx``."""
    name = image.split("@")[0]
    first, slash, _ = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        name = f"docker.io/{name}" if slash else f"docker.io/library/{name}"
    head, _, last = name.rpartition("/")
    return f"{head}/{last.split(':')[0]}"


def _credentials(entry: dict[str, Any]) -> contract.Credentials:
    username, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth") and not username:
        try:
            username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            username = password = ""
    return contract.Credentials(
        username=username,
        password=password,
        identity_token=entry.get("identitytoken", ""),
        registry_token=entry.get("registrytoken", ""),
    )
