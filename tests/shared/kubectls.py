"""kubectl as tests drive it: which ones there are, one run, and a conversation with one that goes on running."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 30.0
_CACHE = Path.home() / ".cache/kijabi/kubernetes-client"


@functools.cache
def found() -> dict[str, Path]:
    """Test id → binary: the one on PATH, and Debian's where it is another and apt can get it."""
    binaries = {}
    on_path = shutil.which("kubectl")
    if on_path:
        binaries["kubectl"] = Path(on_path)
    debian = _debian()
    if debian is not None and (not on_path or version(debian) != version(Path(on_path))):
        binaries["debian"] = debian
    return binaries


def _debian() -> Path | None:
    """The distribution's package, unpacked beside the user's caches, not installed."""
    binary = _CACHE / "usr/bin/kubectl"
    if binary.exists():
        return binary
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return None
    _CACHE.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(["apt-get", "download", "kubernetes-client"], cwd=_CACHE, capture_output=True, check=False)
    archives = sorted(_CACHE.glob("kubernetes-client_*.deb"))
    if fetched.returncode or not archives:
        return None
    subprocess.run(["dpkg-deb", "-x", str(archives[-1]), str(_CACHE)], check=True)
    for archive in archives:
        archive.unlink()
    return binary


@functools.cache
def version(binary: Path) -> tuple[int, int]:
    told = subprocess.run([binary, "version", "--client", "-o", "json"], capture_output=True, text=True, check=True)
    client = json.loads(told.stdout)["clientVersion"]
    return int(client["major"]), int(client["minor"].rstrip("+"))


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One binary with a kubeconfig and a namespace; ``home`` keeps its discovery cache."""

    binary: Path
    config: Path
    home: Path
    namespace: str = "default"

    @property
    def version(self) -> tuple[int, int]:
        return version(self.binary)

    def within(self, namespace: str) -> Kubectl:
        return Kubectl(self.binary, self.config, self.home, namespace)

    def command(self, *arguments: str) -> list[str]:
        return [str(self.binary), "--namespace", self.namespace, *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return {**plain, "KUBECONFIG": str(self.config), "HOME": str(self.home), **more}

    def run(self, *arguments: str, stdin: str = "", timeout: float = 60.0, **environment: str) -> Result:
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=self.environment(**environment),
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def __call__(self, *arguments: str, stdin: str = "", timeout: float = 60.0, **environment: str) -> str:
        """Standard output; it must succeed. One argument with spaces is split as a shell would."""
        words = shlex.split(arguments[0]) if len(arguments) == 1 else list(arguments)
        result = self.run(*words, stdin=stdin, timeout=timeout, **environment)
        assert result.code == 0, f"kubectl {shlex.join(words)}: {result.code}\n{result.out}{result.err}"
        return result.out

    def fails(self, *arguments: str, code: int = 1, stdin: str = "") -> str:
        """Standard error; it must end with ``code``."""
        words = shlex.split(arguments[0]) if len(arguments) == 1 else list(arguments)
        result = self.run(*words, stdin=stdin)
        assert result.code == code, f"kubectl {shlex.join(words)}: {result.code}\n{result.out}{result.err}"
        return result.err

    def apply(self, *objects: Any) -> None:
        self("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def get(self, what: str, path: str = "") -> Any:
        """The object as JSON, or what a jsonpath of it (``.status.phase``) prints."""
        words = shlex.split(what)
        if path:
            return self("get", *words, "-o", f"jsonpath={{{path}}}")
        return json.loads(self("get", *words, "-o", "json"))

    def wait_ready(self, *names: str) -> None:
        self("wait", "--for=condition=Ready", "--timeout=30s", *(f"pod/{name}" for name in names))

    @contextlib.contextmanager
    def talk(self, *arguments: str, terminal: bool = False) -> Iterator[Conversation]:
        """kubectl that goes on running; ended with the block."""
        conversation = Conversation(self.command(*arguments), self.environment(), terminal)
        try:
            yield conversation
        finally:
            conversation.end()


class Conversation:
    """A process whose output (both streams) is waited for, with a terminal or with pipes."""

    def __init__(self, command: list[str], environment: dict[str, str], terminal: bool) -> None:
        self.text = ""
        self._seen = 0
        if terminal:
            self._output, theirs = pty.openpty()
            self._input = self._output
            self._process = subprocess.Popen(
                command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, preexec_fn=_own_terminal
            )
            os.close(theirs)
        else:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
            )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()

    def expect(self, pattern: str, patience: float = PATIENCE) -> re.Match[str]:
        """The first match after what was matched before."""
        deadline = time.monotonic() + patience
        while True:
            match = re.compile(pattern, re.M).search(self.text, self._seen)
            if match:
                self._seen = match.end()
                return match
            assert self._read(deadline), f"{pattern!r} is not in {self.text!r}"

    def poll(self, text: str) -> bool:
        """Whether it has been printed by now."""
        while self._read(time.monotonic()):
            pass
        return text in self.text

    def send(self, text: str) -> None:
        os.write(self._input, text.encode())

    def close_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit code, after reading all there is."""
        deadline = time.monotonic() + patience
        while self._read(deadline):
            pass
        return self._process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._output], [], [], max(0.0, deadline - time.monotonic()))
        try:
            data = os.read(self._output, 65536) if ready else b""
        except OSError:
            data = b""  # a terminal whose other end is closed
        self.text += data.decode(errors="replace")
        return bool(data)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        else:
            os.close(self._output)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


BUSYBOX = "docker.io/library/busybox:stable"
NGINX = "docker.io/library/nginx:stable"
# PID 1 ignores SIGTERM unless it says otherwise.
OBEDIENT = "trap 'exit 0' TERM; while true; do sleep 1 & wait $!; done"


def pod(name: str, script: str = OBEDIENT, *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A busybox pod whose only container ``main`` runs ``script``; fields of ``container`` go to the container."""
    container = {"name": "main", "image": BUSYBOX, "command": ["sh", "-c", script], **spec.pop("container", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 2, "containers": [container], **spec},
    }


def deployment(name: str, replicas: int, template: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A Deployment of a pod made by ``pod``."""
    labels = template["metadata"]["labels"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
            **spec,
        },
    }


def nginx(name: str, **container: Any) -> dict[str, Any]:
    """An nginx pod that is ready when it serves."""
    probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}
    made = {"name": "nginx", "image": NGINX, "ports": [{"containerPort": 80}], "readinessProbe": probe, **container}
    template = pod(name)
    template["spec"]["containers"] = [made]
    return template


def service(name: str, app: str, port: int, target: int | str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": port, "targetPort": target}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": app}, "ports": ports, **spec},
    }
