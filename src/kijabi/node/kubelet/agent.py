"""The kubelet as one object: its parts, wired together, and the pods handed to their workers.

Nothing is started before three things are known: what runs (a first relist, so that containers are adopted), what
should run (a first list of this node's pods), and the Node itself. Pods that run but are in no list are stopped.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from typing import Any

from kijabi.api import kinds
from kijabi.client import events, informer, rest
from kijabi.kit import clock, tasks
from kijabi.node.cri import contract
from kijabi.node.kubelet import (
    admission,
    cgroups,
    conditions,
    configs,
    hooks,
    images,
    killing,
    labels,
    names,
    objects,
    observed,
    options,
    pleg,
    pods,
    resources,
    rotation,
    security,
    starting,
    static,
    status_writer,
    tokens,
    worker,
)
from kijabi.node.kubelet.node import heartbeat, machine
from kijabi.node.kubelet.probes import check, prober
from kijabi.node.kubelet.volumes import setup

log = logging.getLogger(__name__)

_HOUSEKEEPING = 2.0


class Kubelet:
    """``run`` works until cancelled. ``runtime`` is the caller's to close."""

    def __init__(
        self,
        client: rest.Client,
        runtime: contract.Runtime,
        chosen: options.Options,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self.client = client
        self.runtime = runtime
        self.options = chosen
        self.clock = timepiece
        self.node_name = chosen.node_name
        self._nursery = tasks.Nursery(f"kubelet {self.node_name}", timepiece)
        self._recorder = events.Recorder(client, "kubelet", self.node_name, timepiece)
        self.pleg = pleg.Pleg(runtime, self._wake, timepiece)
        self.checker = check.Checker(runtime)
        self.prober = prober.Prober(self.checker, self._nursery, self.record, self._wake, timepiece)
        self.heartbeat = heartbeat.Heartbeat(client, runtime, chosen, self.pleg, self._record_node, timepiece)
        select = rest.Selection(fields=f"spec.nodeName={self.node_name}")
        self.pods = informer.Informer(client, kinds.PODS, select, timepiece=timepiece)
        self._services = informer.Informer(client, kinds.SERVICES, timepiece=timepiece)
        only = rest.Selection(fields=f"metadata.name={self.node_name}")
        self._nodes = informer.Informer(client, kinds.NODES, only, timepiece=timepiece)
        self.static = static.StaticPods(
            client, chosen.pod_manifest_path, self.node_name, chosen.file_check_frequency, self._static, timepiece
        )
        self.writer = status_writer.StatusWriter(client, self._nursery, self._status_target, timepiece)
        self.workers: dict[str, worker.Worker] = {}
        self.ready = asyncio.Event()
        self._taken = admission.Taken()
        self._orphans: set[str] = set()
        self._mirrors = asyncio.Event()
        self._parts = self._build()

    def _build(self) -> worker.Parts:
        chosen, runtime = self.options, self.runtime
        hierarchy = cgroups.detect()
        host = machine.read(chosen.root_dir)
        resolver = names.Resolver(chosen.cluster_dns, chosen.cluster_domain, _resolv_conf(chosen.resolv_conf))
        node = starting.Node(
            client=self.client,
            runtime=runtime,
            images=images.Images(runtime, self.clock, parallel=chosen.max_parallel_image_pulls),
            hooks=hooks.Hooks(runtime, self.checker, self.clock),
            objects=objects.Objects(
                self.client,
                self._nursery,
                strategy=chosen.detection_strategy if runtime.on_disk else objects.GET,
                timepiece=self.clock,
                on_change=self._wake,
            ),
            volumes=setup.Volumes(
                Path(chosen.root_dir),
                self.client,
                tokens.Tokens(self.client, self.clock),
                runtime.on_disk,
                self.heartbeat.allocatable(),
            ),
            configs=configs.Node(
                Path(chosen.pod_logs_dir),
                resources.Machine(host.memory, chosen.cpu_cfs_quota, hierarchy.v2),
                resolver,
                chosen.cgroup_driver,
                chosen.cgroup_root,
                chosen.cgroups_per_qos,
                security.SeccompProfiles(f"{chosen.root_dir}/seccomp", chosen.seccomp_default),
            ),
            record=self.record,
            services=lambda: self._services.items() if self._services.synced else None,
            node_name=self.node_name,
            host_ips=lambda: self.heartbeat.addresses,
            allocatable=self.heartbeat.allocatable,
        )
        own_cgroups = runtime.on_disk and chosen.cgroups_per_qos
        return worker.Parts(
            node=node,
            pleg=self.pleg,
            prober=self.prober,
            killer=killing.Killer(node, self.clock),
            writer=self.writer,
            cgroups=cgroups.Cgroups(chosen.cgroup_driver, chosen.cgroup_root, hierarchy) if own_cgroups else None,
            nursery=self._nursery,
            clock=self.clock,
            on_stopped=self._taken.remove,
            on_end=self._ended,
        )

    @property
    def runtime_name(self) -> str:
        return self._parts.runtime_name

    def record(self, pod: pods.Object, container: str, type_: str, reason: str, message: str) -> None:
        shown = self.static.mirror_of(pod) or pod if pods.is_static(pod) else pod
        self._recorder.record(pods.reference(shown, container), type_, reason, message)

    def _record_node(self, type_: str, reason: str, message: str) -> None:
        # Upstream refers to its node by name in place of a uid.
        about = {"kind": "Node", "name": self.node_name, "uid": self.node_name, "apiVersion": "v1"}
        self._recorder.record(about, type_, reason, message)

    async def run(self) -> None:
        nursery = self._nursery
        try:
            nursery.keep(self._recorder.run, "events")
            nursery.keep(self.pleg.run, "pleg")
            nursery.keep(self.pleg.follow_exits, "exits")
            nursery.keep(self.heartbeat.run, "node status")
            nursery.keep(self.heartbeat.renew_lease, "lease")
            for source in (self.pods, self._services, self._nodes):
                nursery.keep(source.run, str(source.resource))
            self._nodes.subscribe(lambda old, new: self.heartbeat.seen(new))
            await self._wait_known()
            self._seed()
            self.pods.subscribe(self._pod_changed)
            if self.options.pod_manifest_path:
                nursery.keep(self.static.run, "static pods")
                nursery.keep(self._mirror_loop, "mirror pods")
            nursery.keep(self._housekeeping, "housekeeping")
            if self.runtime.on_disk:
                nursery.keep(self._rotate_logs, "log rotation")
            self.ready.set()
            await asyncio.Event().wait()
        finally:
            await nursery.aclose()
            await self.checker.close()

    async def _wait_known(self) -> None:
        await self.heartbeat.wait_registered()
        await self.pods.wait_synced()
        while self.pleg.relisted_at < 0:
            await self.clock.sleep(0.05)
        version = await self._runtime_version()
        if version is not None:
            self._parts.runtime_name = version.runtime_name

    async def _runtime_version(self) -> contract.Version | None:
        try:
            return await self.runtime.version()
        except contract.RuntimeFailure:
            return None

    def _seed(self) -> None:
        """Containers found running keep what the previous kubelet told of their probes."""
        for pod in self.pods.items():
            told = pod.get("status") or {}
            for entry in [*(told.get("containerStatuses") or ()), *(told.get("initContainerStatuses") or ())]:
                container_id = str(entry.get("containerID", "")).rpartition("://")[2]
                if container_id and "running" in (entry.get("state") or {}):
                    self.prober.seed(container_id, bool(entry.get("started")), bool(entry.get("ready")))

    # Pods come and go.

    def _pod_changed(self, old: pods.Object | None, new: pods.Object | None) -> None:
        shown = new or old
        assert shown is not None
        if pods.is_mirror(shown):
            self.static.seen(shown, gone=new is None)
            self._mirror_changed(shown, appeared=old is None)
            return
        uid = pods.uid(shown)
        if new is None:
            self._removed(uid, shown)
        elif uid not in self.workers:
            self._begin(new)
        elif old is None or _matters(old, new):
            self.workers[uid].update(new)
        else:
            self.workers[uid].pod = new

    def _begin(self, pod: pods.Object) -> None:
        uid = pods.uid(pod)
        rejected = None
        # What has run before, here, was admitted then.
        if not self.pleg.get(uid).containers and not pods.is_terminal(pod) and not pods.is_deleted(pod):
            node = self.heartbeat.node
            rejected = admission.admit(pod, node, self._taken) if node is not None else None
        if rejected is None and not pods.is_terminal(pod):
            self._taken.add(pod)
        started = worker.Worker(self._parts, pod, rejected)
        if pods.is_deleted(pod):
            started.stop()
        self.workers[uid] = started
        self._nursery.start(started.run(), pods.describe(pod))

    def _removed(self, uid: str, last: pods.Object | None = None) -> None:
        found = self.workers.get(uid)
        if found is not None:
            found.removed(last)

    def _ended(self, uid: str) -> None:
        self._taken.remove(uid)
        self.workers.pop(uid, None)

    def _wake(self, uid: str) -> None:
        found = self.workers.get(uid)
        if found is not None:
            found.wake()

    def _static(self, uid: str, pod: pods.Object | None) -> None:
        if pod is None:
            self._removed(uid)
        else:
            self._begin(pod)
        self._mirrors.set()

    def _mirror_changed(self, shown: pods.Object, appeared: bool) -> None:
        pod = next(
            (
                each
                for each in self.static.pods.values()
                if (pods.namespace(each), pods.name(each)) == (pods.namespace(shown), pods.name(shown))
            ),
            None,
        )
        if pod is not None and appeared:
            self.writer.mirror_appeared(pod, shown)
        self._mirrors.set()

    async def _mirror_loop(self) -> None:
        while True:
            await self._mirrors.wait()
            self._mirrors.clear()
            await self.static.reconcile_mirrors(self.heartbeat.node)

    def _status_target(self, pod: pods.Object) -> pods.Object | None:
        return self.static.mirror_of(pod) if pods.is_static(pod) else pod

    # Leftovers.

    async def _housekeeping(self) -> None:
        while True:
            for uid in self.pleg.uids():
                if uid not in self.workers and uid not in self._orphans and uid not in self.static.pods:
                    self._orphans.add(uid)
                    self._nursery.start(self._bury(uid), f"orphan {uid}")
            if self.runtime.on_disk:
                await self._clear_directories()
            await self.clock.sleep(_HOUSEKEEPING)

    async def _rotate_logs(self) -> None:
        rule = rotation.Rule(self.options.container_log_max_size, self.options.container_log_max_files)
        while True:
            await self.clock.sleep(rotation.PERIOD)
            for uid in self.pleg.uids():
                for found in self.pleg.get(uid).running():
                    await rotation.rotate(self.runtime, found, rule, self.clock.time())

    async def _bury(self, uid: str) -> None:
        """Stop and remove a pod that is in no list, by what its labels say."""
        try:
            runtime = await self.pleg.look(uid)
            pod = restored(runtime)
            log.info("stopping %s, which is not in the API", pods.describe(pod))
            await self._parts.killer.pod(pod, runtime)
            await self._parts.killer.remove(await self.pleg.look(uid))
            self.pleg.forget(uid)
            if self.runtime.on_disk:
                path = labels.pod_log_directory(Path(self.options.pod_logs_dir), pod)
                await asyncio.to_thread(shutil.rmtree, path, True)
                if self._parts.cgroups is not None:
                    self._parts.cgroups.remove_uid(uid)
        except contract.RuntimeFailure as error:
            log.warning("orphan %s: %s", uid, error)
        finally:
            self._orphans.discard(uid)

    async def _clear_directories(self) -> None:
        """Directories of pods that are neither known nor running: a kubelet was killed while it cleaned up."""
        root = Path(self.options.root_dir) / "pods"
        known = {*self.workers, *self._orphans, *self.pleg.uids(), *self.static.pods}
        for name in await asyncio.to_thread(_list, root):
            if name not in known and name not in self.workers:
                try:
                    await asyncio.to_thread(setup.remove_tree, root / name)
                except OSError as error:
                    log.warning("cannot clear %s: %s", root / name, error)


def _list(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir()] if directory.is_dir() else []


def restored(runtime: observed.PodRuntime) -> pods.Object:
    """As much of a pod as is needed to stop it, from its sandbox and containers."""
    return {
        "metadata": {
            "name": runtime.name,
            "namespace": runtime.namespace,
            "uid": runtime.uid,
            "deletionGracePeriodSeconds": runtime.grace_seconds,
        },
        "spec": {"containers": [{"name": name} for name in sorted({found.name for found in runtime.containers})]},
    }


def _resolv_conf(path: str) -> contract.DnsConfig:
    if not path:
        return contract.DnsConfig(["127.0.0.1"], ["."])
    try:
        return names.parse_resolv_conf(Path(path).read_text())
    except OSError as error:
        log.warning("%s: %s", path, error)
        return contract.DnsConfig()


def _matters(old: pods.Object, new: pods.Object) -> bool:
    """Whether a change is more than the echo of a status that this kubelet told."""

    def essence(pod: pods.Object) -> tuple[Any, ...]:
        meta = pod["metadata"]
        given = [
            condition
            for condition in (pod.get("status") or {}).get("conditions") or ()
            if condition.get("type") not in conditions.OWNED
        ]
        return (
            pod["spec"],
            meta.get("deletionTimestamp"),
            meta.get("deletionGracePeriodSeconds"),
            meta.get("labels"),
            meta.get("annotations"),
            meta.get("generation"),
            given,
            pods.is_terminal(pod),
        )

    return essence(old) != essence(new)
