"""A node for kubelet tests: a network namespace, a containerd of its own in it, and a busybox image."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

CONFIG = """
version = 2
root = "{root}/containerd"
state = "{root}/state"
[grpc]
  address = "{root}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/kbt/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{root}/cni"
"""
APPLETS = (
    "sh",
    "sleep",
    "cat",
    "echo",
    "true",
    "false",
    "ls",
    "id",
    "hostname",
    "httpd",
    "nc",
    "env",
    "stat",
    "wc",
    "head",
    "printf",
    "tr",
    "stty",
    "touch",
    "mkdir",
    "date",
    "wget",
    "seq",
    "kill",
    "readlink",
    "sync",
    "dd",
)


def image(name: str, entrypoint: list[str]) -> bytes:
    """A docker-archive of the machine's static busybox."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for directory in ("bin", "tmp", "etc", "dev", "proc", "sys", "var", "www"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(entry)
        program = Path("/bin/busybox").read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        for applet in APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    data = layer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Entrypoint": entrypoint},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    listed = {"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in (
            ("layer.tar", data),
            ("config.json", config),
            ("manifest.json", json.dumps([listed]).encode()),
        ):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class Node:
    """``start`` brings containerd up; ``stop`` leaves nothing behind."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self.socket = f"unix://{root}/containerd.sock"
        self.cgroup_root = f"/{name}"
        self._containerd: subprocess.Popen[bytes] | None = None

    def _enter(self) -> list[str]:
        return ["nsenter", f"--net=/var/run/netns/{self.name}"]

    def run(self, *command: str, data: bytes | None = None) -> bytes:
        return subprocess.run([*self._enter(), *command], input=data, check=True, capture_output=True).stdout

    def start(self) -> None:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip", "link", "set", "lo", "up")
        (self.root / "cni").mkdir(parents=True)
        (self.root / "config.toml").write_text(CONFIG.format(root=self.root, snapshotter="overlayfs"))
        log = open(self.root / "containerd.log", "wb")  # noqa: SIM115  # handed to the child
        self._containerd = subprocess.Popen(
            [*self._enter(), "containerd", "--config", str(self.root / "config.toml")], stdout=log, stderr=log
        )
        log.close()

    def load_images(self) -> None:
        pause = image("localhost/kbt/pause:1", ["/bin/sleep", "2147483647"])
        self._import(pause)
        self._import(image("localhost/kbt/busybox:1", []))

    def _import(self, archive: bytes) -> None:
        path = self.root / "image.tar"
        path.write_bytes(archive)
        self.run("ctr", "-a", f"{self.root}/containerd.sock", "-n", "k8s.io", "images", "import", str(path))

    def stop(self) -> None:
        if self._containerd is not None:
            self._containerd.send_signal(signal.SIGTERM)
            self._containerd.wait(20)
        self._kill_shims()
        self._clear_cgroups()
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            point = line.split()[1]
            if point.startswith(f"{self.root}/"):
                subprocess.run(["umount", "-l", point], check=False)
        subprocess.run(["ip", "netns", "del", self.name], check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    def _kill_shims(self) -> None:
        """Processes whose command line names this node's socket: its shims, nobody else's."""
        mark = f"{self.root}/containerd.sock".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if b"containerd-shim" in (entry / "cmdline").read_bytes() and mark in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)

    def _clear_cgroups(self) -> None:
        """What runs in this node's cgroups is its containers: end it, and remove them."""
        roots = [path for path in Path("/sys/fs/cgroup").glob(f"*{self.cgroup_root}") if path.is_dir()]
        for root in roots:
            for procs in root.rglob("cgroup.procs"):
                for pid in procs.read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
        deadline = time.monotonic() + 5
        while any(root.exists() for root in roots) and time.monotonic() < deadline:
            # A cgroup is busy until the kernel has buried its processes.
            for root in roots:
                for base, _, _ in os.walk(root, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(base)
            time.sleep(0.05)


async def answered(node: Node) -> None:
    """Until containerd's socket is there."""
    async with asyncio.timeout(20):
        while not (node.root / "containerd.sock").exists():  # noqa: ASYNC110  # another process makes it
            await asyncio.sleep(0.02)
