"""The cluster's parts on the running event loop, with clients that call the API server directly."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from kijabi.api import conditions, kinds
from kijabi.api.resource import Object, Resource
from kijabi.apiserver import contract, program, server
from kijabi.apiserver import options as apiserver_options
from kijabi.client import informer, kubeconfig, rest, transport
from kijabi.controllers import nodeipam, roster
from kijabi.controllers import options as controller_options
from kijabi.controllers import program as controllers
from kijabi.kit import clock, pki, tasks
from kijabi.node.cri import hollow
from kijabi.node.kubelet import agent
from kijabi.node.kubelet import options as kubelet_options
from kijabi.scheduler import program as scheduling
from kijabi.scheduler import scheduler as scheduler_
from kijabi.store import contract as store_contract
from kijabi.store import memory

ADMIN = contract.UserInfo("kubernetes-admin", groups=("system:masters", "system:authenticated"))
POD_NETWORK = "10.244.0.0/16"
SERVICE_ACCOUNT_GROUPS = ("system:serviceaccounts", "system:serviceaccounts:kube-system")


def component(name: str, *groups: str) -> contract.UserInfo:
    return contract.UserInfo(name, groups=(*groups, "system:authenticated"))


class InProcess:
    """``async with InProcess() as cluster:`` — ready when entered: every node is Ready.

    ``controllers`` are names as for ``--controllers``; ``nodes`` is how many hollow nodes there are. Leave the
    scheduler out to place pods by hand.
    """

    def __init__(
        self,
        *,
        nodes: int = 1,
        controllers: Sequence[str] = ("*",),
        scheduler: bool = True,
        store: store_contract.Store | None = None,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._wanted_nodes = nodes
        self._controllers = list(controllers)
        self._schedules = scheduler
        self._store = store or memory.MemoryStore()
        self._clock = timepiece
        self._nursery = tasks.Nursery("cluster", timepiece)
        self._place = tempfile.TemporaryDirectory(prefix="kijabi-")
        self._listener: server.SocketServer | None = None
        self._authority: pki.Pair | None = None
        self.directory = Path(self._place.name)
        self.runtimes: dict[str, hollow.Hollow] = {}
        self.kubelets: dict[str, agent.Kubelet] = {}
        self.scheduler: scheduler_.Scheduler | None = None
        self._addressed: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()

    async def _start(self) -> None:
        await asyncio.to_thread(self._write_keys)
        signing = str(self.directory / "sa.key")
        chosen = apiserver_options.Options(
            service_account_signing_key_file=signing,
            service_account_key_file=(signing,),
            endpoint_reconciler_type="none",
            advertise_address="127.0.0.1",
        )
        self.assembly = program.build(chosen, self._store, program.More(clock=self._clock))
        await self.assembly.start()
        self.client = self.client_of(ADMIN)
        if self._controllers:
            self._nursery.keep(self._control, "controllers")
        if self._schedules:
            self._start_scheduler()
        for number in range(self._wanted_nodes):
            self.add_node(f"node-{number + 1}")
        for name in self.kubelets:
            await self.wait_node_ready(name)
            await self._addressed[name].wait()

    def _write_keys(self) -> None:
        self._authority = pki.create_ca("kubernetes")
        pki.write(self._authority, self.directory, "ca")
        (self.directory / "sa.key").write_bytes(pki.key_pem(pki.new_key()))

    def client_of(self, user: contract.UserInfo) -> rest.Client:
        """A client that acts as ``user``; authorization applies to it."""
        return rest.Client(transport.Local(self.assembly.api.handle, user), user.name)

    async def _control(self) -> None:
        chosen = controller_options.Options(
            controllers=self._controllers,
            root_ca_file=str(self.directory / "ca.crt"),
            service_account_private_key_file=str(self.directory / "sa.key"),
            cluster_signing_cert_file=str(self.directory / "ca.crt"),
            cluster_signing_key_file=str(self.directory / "ca.key"),
            allocate_node_cidrs=True,
            cluster_cidr=POD_NETWORK,
        )
        client = self.client_of(component("system:kube-controller-manager"))
        await controllers.lead(client, chosen, self._account, self._clock)

    def _account(self, name: str) -> rest.Client:
        user = component(f"system:serviceaccount:kube-system:{name}", *SERVICE_ACCOUNT_GROUPS)
        return rest.Client(transport.Local(self.assembly.api.handle, user), "kube-controller-manager")

    def _start_scheduler(self) -> None:
        client = self.client_of(component("system:kube-scheduler"))
        informers = informer.Informers(client, self._clock)
        placing = self.scheduler = scheduler_.Scheduler(client, informers, timepiece=self._clock)
        self._nursery.start(scheduling.lead(placing, informers, self._clock), "scheduler")

    def add_node(self, name: str, **more: object) -> agent.Kubelet:
        """Start another hollow node; ``more`` are options of its kubelet (``capacity``, ``node_labels``…)."""
        chosen = kubelet_options.Options(
            hostname_override=name,
            node_ip=f"192.0.2.{len(self.kubelets) + 1}",
            root_dir=str(self.directory / name),
            port=0,
            **more,  # type: ignore[arg-type]  # names of options
        )
        runtime = hollow.Hollow(timepiece=self._clock)
        client = self.client_of(component(f"system:node:{name}", "system:nodes"))
        node = agent.Kubelet(client, runtime, chosen, self._clock)
        self.runtimes[name], self.kubelets[name] = runtime, node
        self._addressed[name] = asyncio.Event()
        self._nursery.start(node.run(), f"kubelet {name}")
        self._nursery.start(self._address(name), f"addresses of {name}")
        return node

    async def _address(self, name: str) -> None:
        """Give the node's pods addresses of its own range, as a network plugin would."""
        if self._gives_ranges():
            node = await self.wait(kinds.NODES, name, lambda node: bool((node.get("spec") or {}).get("podCIDR")))
            self.runtimes[name].set_pod_cidr(node["spec"]["podCIDR"])
        self._addressed[name].set()

    def _gives_ranges(self) -> bool:
        return nodeipam.NodeIpam.name in roster.chosen(self._controllers)

    async def wait_node_ready(self, name: str, seconds: float = 30.0) -> Object:
        return await self.wait(kinds.NODES, name, lambda node: conditions.is_true(node, "Ready"), seconds=seconds)

    async def wait(
        self,
        resource: Resource,
        name: str,
        holds: Callable[[Object], bool],
        namespace: str = "",
        *,
        seconds: float = 30.0,
    ) -> Object:
        """The object as soon as ``holds`` for it; TimeoutError (with its last form) after ``seconds``."""
        last: Object | None = None
        select = rest.Selection(namespace, fields=f"metadata.name={name}")
        try:
            async with asyncio.timeout(seconds):
                while True:
                    async for event in self.client.watch(resource, select, bookmarks=False):
                        last = event.object if event.type != rest.DELETED else None
                        if last is not None and holds(last):
                            return last
        except TimeoutError as error:
            raise TimeoutError(f"{resource} {namespace}/{name} did not get there in {seconds} s: {last}") from error

    async def wait_gone(self, resource: Resource, name: str, namespace: str = "", *, seconds: float = 30.0) -> None:
        select = rest.Selection(namespace, fields=f"metadata.name={name}")
        async with asyncio.timeout(seconds):
            while True:
                listed = await self.client.list(resource, select)
                if not listed["items"]:
                    return
                version = listed["metadata"]["resourceVersion"]
                async for event in self.client.watch(resource, select, resource_version=version):
                    if event.type == rest.DELETED:
                        return

    async def listen(self) -> Path:
        """Serve on a port of the loopback interface; gives a kubeconfig of the administrator for it."""
        path = self.directory / "admin.conf"
        if self._listener is None:
            authority = self._authority
            if authority is None:
                raise RuntimeError("the cluster has not been started")
            serving = pki.issue(authority, "kube-apiserver", dns=["localhost"], ips=["127.0.0.1"], server=True)
            pki.write(serving, self.directory, "apiserver")
            tls = pki.server_context(
                self.directory / "apiserver.crt", self.directory / "apiserver.key", self.directory / "ca.crt"
            )
            self._listener = server.SocketServer(self.assembly.api.handle)
            await self._listener.listen("127.0.0.1", 0, tls)
            port = self._listener.address[1]
            user = pki.issue(authority, ADMIN.name, organizations=["system:masters"], client=True)
            config = kubeconfig.build(
                f"https://127.0.0.1:{port}",
                authority.cert_pem,
                user.cert_pem,
                user.key_pem,
                user=ADMIN.name,
                cluster="kijabi",
            )
            kubeconfig.write(config, path)
        return path

    async def close(self) -> None:
        await self._nursery.aclose()
        assembly: program.Assembly | None = getattr(self, "assembly", None)
        if assembly is not None:
            await assembly.stop_serving()
        if self._listener is not None:
            await self._listener.close()
        if assembly is not None:
            await assembly.close()
        await self._store.close()
        self._place.cleanup()
