"""API servers in this process, on an etcd that others use too."""

import contextlib
import dataclasses

from kijabi.apiserver import contract, program
from kijabi.apiserver.options import Options
from kijabi.client import rest, transport
from kijabi.kit import clock
from kijabi.store.etcd import store as etcd

ADMIN = contract.UserInfo("admin", groups=("system:masters", "system:authenticated"))


@dataclasses.dataclass
class Server:
    assembly: program.Assembly
    store: etcd.EtcdStore
    client: rest.Client


@contextlib.asynccontextmanager
async def serving(cluster, timepiece=clock.SYSTEM, **more):
    """An API server on the cluster; ``more`` are options."""
    wanted = {
        "endpoint_reconciler_type": "none",
        "disable_admission_plugins": ("ServiceAccount",),
        "service_cluster_ip_range": "10.0.0.0/24",
        **more,
    }
    store = await etcd.open_store(cluster.config())
    try:
        assembly = program.build(Options(**wanted), store, program.More(clock=timepiece))
        try:
            await assembly.start()
            yield Server(assembly, store, rest.Client(transport.Local(assembly.api.handle, ADMIN)))
        finally:
            await assembly.close()
    finally:
        await store.close()
