import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kijabi import testing
from kijabi.api import kinds
from kijabi.client import events, rest

NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "u"}}


@pytest.fixture
async def cluster() -> AsyncIterator[testing.InProcess]:
    async with testing.InProcess(nodes=0, controllers=(), scheduler=False) as made:
        yield made


async def written(cluster: testing.InProcess, count: int) -> list[dict[str, Any]]:
    """The events as soon as their counts add up."""
    async with asyncio.timeout(10):
        while True:
            listed = await cluster.client.list(kinds.EVENTS)
            if sum(item["count"] for item in listed["items"]) >= count:
                return list(listed["items"])
            version = listed["metadata"]["resourceVersion"]
            async for _ in cluster.client.watch(kinds.EVENTS, resource_version=version, bookmarks=False):
                break


async def test_an_event_names_its_object_and_source_and_repeats_raise_its_count(cluster: testing.InProcess) -> None:
    recorder = events.Recorder(cluster.client, "me", "here")
    running = asyncio.ensure_future(recorder.run())
    for _ in range(3):
        recorder.record(NODE, events.WARNING, "Broken", "it is broken")
    recorder.record(NODE, events.NORMAL, "Mended", "it is well")
    repeated, other = sorted(await written(cluster, 4), key=lambda item: str(item["reason"]))
    running.cancel()
    assert (repeated["reason"], repeated["count"], repeated["type"]) == ("Broken", 3, "Warning")
    assert repeated["involvedObject"] == {"kind": "Node", "apiVersion": "v1", "name": "n", "uid": "u"}
    assert repeated["source"] == {"component": "me", "host": "here"}
    assert (other["reason"], other["count"], other["metadata"]["namespace"]) == ("Mended", 1, "default")


async def test_an_event_that_was_deleted_is_written_anew(cluster: testing.InProcess) -> None:
    recorder = events.Recorder(cluster.client, "me")
    running = asyncio.ensure_future(recorder.run())
    recorder.record(NODE, events.NORMAL, "Same", "again")
    (first,) = await written(cluster, 1)
    await cluster.client.delete_collection(kinds.EVENTS, rest.Selection("default"))
    recorder.record(NODE, events.NORMAL, "Same", "again")
    (second,) = await written(cluster, 1)
    running.cancel()
    assert (second["count"], second["metadata"]["name"] != first["metadata"]["name"]) == (1, True)


async def test_an_event_that_is_refused_is_dropped_and_the_next_one_written(cluster: testing.InProcess) -> None:
    recorder = events.Recorder(cluster.client, "me")
    running = asyncio.ensure_future(recorder.run())
    lost = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "nowhere"}}
    recorder.record(lost, events.NORMAL, "Lost", "its namespace is gone")
    recorder.record(NODE, events.NORMAL, "Kept", "fine")
    (only,) = await written(cluster, 1)
    running.cancel()
    assert only["reason"] == "Kept"
