"""The store as the server's flags ask for it, and what is done for it in the background: compaction, asking
whether it still answers, and keeping the keys of its encryption current."""

from __future__ import annotations

import asyncio
import functools
import logging
from pathlib import Path

from kijabi.api import catalog
from kijabi.apiserver.options import Options
from kijabi.apiserver.registry import traits
from kijabi.kit import clock, config
from kijabi.store import contract, memory, sqlite
from kijabi.store.encryption import configuration, kms
from kijabi.store.encryption import store as encrypted
from kijabi.store.etcd import endpoints
from kijabi.store.etcd import store as etcd

log = logging.getLogger(__name__)

COMPACT_KEY = "compact_rev_key"

# Seconds between two questions of the health check, and how long it waits for an answer.
ASK_EVERY = 5.0
ASK_WITHIN = 2.0


async def open_store(options: Options) -> contract.Store:
    """etcd where ``--etcd-servers`` names some, else ``--store``: ``memory:`` or ``sqlite:///path``.

    Raises config.Unusable for what is none of these or does not open, OSError for files that cannot be read.
    """
    try:
        store = await _open(options)
    except (ValueError, contract.StoreError) as error:
        raise config.Unusable(str(error)) from error
    try:
        return await encrypt(store, options)
    except BaseException:
        await store.close()
        raise


async def _open(options: Options) -> contract.Store:
    if options.etcd_servers:
        return await etcd.open_store(
            endpoints.Config(
                tuple(options.etcd_servers),
                options.etcd_cafile,
                options.etcd_certfile,
                options.etcd_keyfile,
                options.etcd_prefix,
            )
        )
    return await open_local(options.store)


async def open_local(where: str) -> contract.Store:
    """``memory:`` or ``sqlite:///path``. Raises ValueError for anything else."""
    if where in ("memory:", "memory://"):
        return memory.MemoryStore()
    if where.startswith("sqlite:///"):
        return await sqlite.open_store(Path(where.removeprefix("sqlite://")))
    raise ValueError(f"unknown store {where!r}: memory: and sqlite:///path are known, and --etcd-servers")


class Compaction:
    """Forgets what is older than one interval. Of the servers that share a store one does it, and no agreement is
    needed who: the key ``compact_rev_key`` moves by compare-and-swap, and who loses knows the interval has been served.

    Source: the protocol of upstream's storage/etcd3 compactor, which may take part beside this one.
    """

    def __init__(self, store: contract.Store, interval: float, timepiece: clock.Clock) -> None:
        self._store = store
        self._interval = interval
        self._clock = timepiece
        # The state of the key as last seen here, and the store's revision at that time.
        self._seen = 0
        self._then = 0

    async def run(self) -> None:
        """For ever. An interval of 0 means never, as upstream's ``--etcd-compaction-interval=0``."""
        while self._interval > 0:
            await self._clock.sleep(self._interval)
            try:
                await self.turn()
            except contract.StoreError as error:
                log.warning("the store could not be compacted: %s", error)

    async def turn(self) -> None:
        """One interval is over."""
        now = await self._store.revision()
        then, self._then = self._then, now
        if self._store.shared and not await self._is_ours(then):
            return
        if then:
            await self._store.compact(then)

    async def _is_ours(self, revision: int) -> bool:
        try:
            self._seen = await self._store.put(COMPACT_KEY, str(revision).encode(), expect=self._seen)
        except contract.Conflict as conflict:
            self._seen = conflict.current.revision if conflict.current else 0
            return False
        return True


class Heartbeat:
    """Whether a shared store answers: ``problem`` is empty while it does."""

    def __init__(self, store: contract.Store, timepiece: clock.Clock) -> None:
        self._store = store
        self._clock = timepiece
        self.problem = ""

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ASK_WITHIN):
                    await self._store.revision()
                self.problem = ""
            except (contract.StoreError, TimeoutError) as error:
                self.problem = f"the store does not answer: {error or 'timed out'}"
            await self._clock.sleep(ASK_EVERY)


class Encryption:
    """Keeps an encrypted store's keys current: asks KMS plugins for their status, and reads the configuration anew
    when it has changed (``--encryption-provider-config-automatic-reload``)."""

    def __init__(self, store: encrypted.EncryptedStore, options: Options, timepiece: clock.Clock) -> None:
        self._store = store
        self._path = Path(options.encryption_provider_config)
        self._reloads = options.encryption_provider_config_automatic_reload
        self._clock = timepiece
        self._asked = timepiece.monotonic()

    @property
    def problem(self) -> str:
        """What the health check ``kms-providers`` says."""
        plugins = self._store.configuration.plugins
        found = [f"kms-provider-{place}: {one.problem}" for place, one in enumerate(plugins) if one.problem]
        return found[0] if len(found) < 2 and found else f"[{', '.join(found)}]" if found else ""

    @property
    def has_plugins(self) -> bool:
        return self._reloads or bool(self._store.configuration.plugins)

    async def run(self) -> None:
        while True:
            await self._clock.sleep(kms.UNWELL)
            await self.turn()

    async def turn(self) -> None:
        """Ask who is due: all every minute, those that were unwell now."""
        due = self._clock.monotonic() - self._asked >= kms.WELL
        if due:
            self._asked = self._clock.monotonic()
        for plugin in self._store.configuration.plugins:
            if due or plugin.problem:
                was = plugin.problem
                await plugin.poll()
                if was and not plugin.problem:
                    self._store.retry()
        if due and self._reloads:
            await self.reload()

    async def reload(self) -> None:
        """Take the file's configuration where it is another; one that is wrong changes nothing."""
        try:
            made = await asyncio.to_thread(configuration.load, self._path, self._clock)
        except config.Unusable as error:
            log.error("the encryption configuration is not reloaded: %s", error)
            return
        before = self._store.configuration
        if made.digest == before.digest:
            return
        for plugin in made.plugins:
            await plugin.poll()
            if plugin.problem:
                log.error("the encryption configuration is not reloaded: %s", plugin.problem)
                return
        self._store.use(made)
        log.info("the encryption configuration was reloaded")
        for plugin in before.plugins:
            await plugin.close()


async def encrypt(inner: contract.Store, options: Options) -> contract.Store:
    """``inner`` with its values encrypted as ``--encryption-provider-config`` says. Raises config.Unusable."""
    if not options.encryption_provider_config:
        return inner
    made = configuration.load(Path(options.encryption_provider_config))
    for plugin in made.plugins:
        await plugin.poll()
    return encrypted.EncryptedStore(inner, made, resource_of)


def resource_of(key: str) -> tuple[str, str] | None:
    """The (group, resource) of an object's key; None for what is none, such as ``/registry/masterleases/…``."""
    parts = key.split("/", 4)
    if len(parts) < 4 or parts[1] != "registry":
        return None
    # A prefix is one segment or two, as in the feed's caches; a group's name has dots, and no resource's has.
    known = _prefixes()
    found = known.get(f"/registry/{parts[2]}/") or known.get(f"/registry/{parts[2]}/{parts[3]}/")
    if found is None and "." in parts[2]:
        return parts[2], parts[3]
    return found


@functools.cache
def _prefixes() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for strategy in catalog.default_catalog().strategies():
        what = strategy.extra.get("stored", strategy.resource)
        found[traits.prefix(what)] = what.group, what.plural
    return found


def encryption_of(store: contract.Store, options: Options, timepiece: clock.Clock) -> Encryption | None:
    """None where values are stored as they are."""
    return Encryption(store, options, timepiece) if isinstance(store, encrypted.EncryptedStore) else None
