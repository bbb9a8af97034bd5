"""Real etcd members on loopback, for tests: each a process of its own, found or fetched, and gone with the test."""

import asyncio
import contextlib
import signal
import socket
import subprocess
from pathlib import Path

import grpc
import grpc.aio

from kijabi.cluster import etcd
from kijabi.store import protobufs
from kijabi.store.etcd import endpoints, wire

STATUS = protobufs.messages(
    "etcdstatus",
    {"ResponseHeader": "member_id:uint64=2", "StatusResponse": "header:ResponseHeader=1 leader:uint64=4"},
)["StatusResponse"]


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Member:
    """One etcd process. ``pause`` stops it in its tracks (SIGSTOP), ``kill`` is SIGKILL."""

    def __init__(self, name, directory, client, peer, cluster):
        self.name = name
        self.url = f"http://127.0.0.1:{client}"
        self._directory = Path(directory) / name
        own = f"http://127.0.0.1:{peer}"
        self._command = [
            str(etcd.program()),
            *("--name", name, "--data-dir", str(self._directory)),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", own, "--initial-advertise-peer-urls", own),
            *("--initial-cluster", cluster, "--initial-cluster-state", "new"),
            # Quick elections, and with them short leases: the shortest etcd grants is one and a half of them.
            *("--heartbeat-interval", "50", "--election-timeout", "500", "--logger", "zap", "--log-level", "error"),
        ]
        self._log = None
        self.process = None

    def secure(self, authority, certificate, key):
        """Let in only who has a certificate of ``authority``."""
        plain, self.url = self.url, self.url.replace("http:", "https:")
        self._command = [self.url if part == plain else part for part in self._command]
        self._command += ["--client-cert-auth", "--trusted-ca-file", authority]
        self._command += ["--cert-file", certificate, "--key-file", key]

    def start(self):
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        self._log = (self._directory.parent / f"{self.name}.log").open("ab")
        self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self._log is not None:
            self._log.close()


class Cluster:
    def __init__(self, directory, size=1):
        ports = free_ports(2 * size)
        names = [f"m{number}" for number in range(size)]
        cluster = ",".join(f"{name}=http://127.0.0.1:{ports[size + i]}" for i, name in enumerate(names))
        self.members = [Member(name, directory, ports[i], ports[size + i], cluster) for i, name in enumerate(names)]

    @property
    def urls(self):
        return tuple(member.url for member in self.members)

    def config(self, prefix="/registry"):
        return endpoints.Config(self.urls, prefix=prefix)

    async def start(self):
        for member in self.members:
            member.start()
        probe = endpoints.Endpoints(self.config())
        try:
            async with asyncio.timeout(30):
                await probe.call(wire.RANGE, wire.RangeRequest(key=b"\0"))
        finally:
            await probe.close()

    async def leader(self):
        """The member that leads, by asking one that runs."""
        for member in self.members:
            if member.process.poll() is None:
                status = await _status(member.url)
                if status is not None and status[0] == status[1]:
                    return member
        raise LookupError("no member leads")

    def close(self):
        for member in self.members:
            member.close()


async def _status(url):
    """(the member's id, its leader's id)."""
    async with grpc.aio.insecure_channel(url.removeprefix("http://")) as channel:
        call = channel.unary_unary("/etcdserverpb.Maintenance/Status", lambda _: b"", STATUS.FromString)
        try:
            answer = await call(None, timeout=2)
        except grpc.aio.AioRpcError:
            return None
        return answer.header.member_id, answer.leader
