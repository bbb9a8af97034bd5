import asyncio
import json
from typing import Any

import pytest

from kijabi.apiserver.watchcache import watcher as watchers

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


async def label(api: Any, name: str, **labels: str | None) -> None:
    assert (await api.patch(f"{MAPS}/{name}", {"metadata": {"labels": labels}})).status == 200


async def test_a_watch_without_a_revision_begins_with_what_is_there(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    watch = await api.watch(f"{MAPS}?watch=true")
    assert await watch.short() == ("ADDED", "a")
    await api.made(MAPS, objects.config_map("b"))
    await label(api, "b", x="1")
    deleted = await api.delete(f"{MAPS}/a")
    assert deleted.status == 200
    assert [await watch.short() for _ in range(3)] == [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a")]


async def test_events_say_their_kind_and_revision(api: Any, objects: Any) -> None:
    watch = await api.watch(f"{MAPS}?watch=true")
    made = await api.made(MAPS, objects.config_map("a"))
    assert await watch.next() == {"type": "ADDED", "object": made}
    await api.delete(f"{MAPS}/a")
    event = await watch.next()
    # A deletion carries the last state at the revision of the deletion.
    assert event["object"]["data"] == made["data"]
    assert int(event["object"]["metadata"]["resourceVersion"]) == int(made["metadata"]["resourceVersion"]) + 1


async def test_a_watch_from_a_revision_repeats_what_came_after_it(api: Any, objects: Any) -> None:
    for name in ("a", "b", "c"):
        await api.made(MAPS, objects.config_map(name))
    watch = await api.watch(f"{MAPS}?watch=true&resourceVersion=1")
    assert [await watch.short(), await watch.short()] == [("ADDED", "b"), ("ADDED", "c")]


async def test_objects_come_into_and_leave_a_selection(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    watch = await api.watch(f"{MAPS}?watch=true&labelSelector=color%3Dred")
    await label(api, "a", other="1")
    await label(api, "a", color="red")
    await label(api, "a", more="1")
    await label(api, "a", color="blue")
    await label(api, "a", color="red")
    await api.delete(f"{MAPS}/a")
    found = [await watch.short() for _ in range(5)]
    assert [kind for kind, _ in found] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]


async def test_watches_of_one_object_and_of_one_node_hear_of_nothing_else(api: Any, objects: Any) -> None:
    by_name = await api.watch(f"{PODS}?watch=true&fieldSelector=metadata.name%3Dq")
    by_path = await api.watch("/api/v1/watch/namespaces/default/pods/q")
    by_node = await api.watch("/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dn1")
    await api.made(PODS, objects.pod("p", "n2"))
    await api.made(PODS, objects.pod("q", "n1"))
    for watch in (by_name, by_path, by_node):
        assert await watch.short() == ("ADDED", "q")


async def test_other_namespaces_are_not_heard(api: Any, objects: Any) -> None:
    here = await api.watch(f"{MAPS}?watch=true")
    everywhere = await api.watch("/api/v1/configmaps?watch=true")
    await api.made("/api/v1/namespaces/other/configmaps", objects.config_map("x"))
    await api.made(MAPS, objects.config_map("a"))
    assert await here.short() == ("ADDED", "a")
    assert await everywhere.short() == ("ADDED", "x")


async def test_initial_events_end_with_a_marked_bookmark(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    watch = await api.watch(f"{MAPS}?{query}")
    assert await watch.short() == ("ADDED", "a")
    end = await watch.next()
    assert end["type"] == "BOOKMARK"
    assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert end["object"]["metadata"]["resourceVersion"] == "1"
    await api.made(MAPS, objects.config_map("b"))
    assert await watch.short() == ("ADDED", "b")


@pytest.mark.parametrize("query", ["", "&resourceVersion=0"], ids=["newest", "any"])
async def test_the_oldest_way_to_ask_for_the_state_marks_its_end_too(api: Any, objects: Any, query: str) -> None:
    await api.made(MAPS, objects.config_map("a"))
    watch = await api.watch(f"{MAPS}?watch=true&allowWatchBookmarks=true{query}")
    assert await watch.short() == ("ADDED", "a")
    assert (await watch.next())["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_from_a_time_to_come_is_silent_until_then(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    watch = await api.watch(f"{MAPS}?watch=true&resourceVersion=3&allowWatchBookmarks=true&timeoutSeconds=100")
    api.deadlines.look(api.clock.monotonic() + 61)
    for name in ("b", "c", "d"):
        await api.made(MAPS, objects.config_map(name))
    assert await watch.short() == ("ADDED", "d")


async def test_the_state_of_a_time_to_come_is_refused_in_the_stream(
    api: Any, objects: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kijabi.apiserver.watchcache.listing.PATIENCE", 0.01)
    await api.made(MAPS, objects.config_map("a"))
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=99"
    watch = await api.watch(f"{MAPS}?{query}")
    event = await watch.next()
    assert event["type"] == "ERROR"
    assert event["object"]["code"] == 504
    assert event["object"]["message"] == "Timeout: Too large resource version: 99, current: 1"
    assert event["object"]["details"]["retryAfterSeconds"] == 1
    assert await watch.next() is None


async def test_a_timeout_below_zero_ends_at_once(api: Any) -> None:
    watch = await api.watch(f"{MAPS}?watch=true&timeoutSeconds=-1")
    api.deadlines.look(api.clock.monotonic())
    assert await watch.next() is None


async def test_no_event_is_a_list(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    headers = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    response = await api.server.handle(api.request("GET", f"{MAPS}?watch=true", headers=headers))
    assert response.status == 200
    assert [chunk async for chunk in response.body] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
async def test_a_watch_is_a_get(api: Any, method: str) -> None:
    response = await api.server.handle(api.request(method, "/api/v1/watch/namespaces/default/configmaps"))
    assert response.status == 405


async def test_bookmarks_come_every_minute_and_before_the_end(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    watch = await api.watch(f"{MAPS}?watch=true&resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=100")
    await api.made(PODS, objects.pod("p"))
    api.deadlines.look(api.clock.monotonic() + 61)
    bookmark = await watch.next()
    assert (bookmark["type"], bookmark["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    # Nothing happened to this kind, but the client may go on from the newest revision.
    assert bookmark["object"]["metadata"]["resourceVersion"] == "2"
    api.deadlines.look(api.clock.monotonic() + 99)
    assert (await watch.next())["type"] == "BOOKMARK"
    api.deadlines.look(api.clock.monotonic() + 101)
    assert await watch.next() is None


async def test_a_watch_from_too_long_ago_is_told_so(api: Any, objects: Any) -> None:
    api.reg.caches["/registry/configmaps/"]._ring_size = 2
    for number in range(5):
        await api.made(MAPS, objects.config_map(f"m{number}"))
    watch = await api.watch(f"{MAPS}?watch=true&resourceVersion=1")
    event = await watch.next()
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"] == "too old resource version: 1 (3)"
    assert await watch.next() is None


async def test_a_client_that_does_not_read_is_cut_off(api: Any, objects: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "LIMIT", 3)
    slow, quick = await api.watch(f"{MAPS}?watch=true"), await api.watch(f"{MAPS}?watch=true")
    for number in range(5):
        await api.made(MAPS, objects.config_map(f"m{number}"))
        assert await quick.short() == ("ADDED", f"m{number}")
    assert [await slow.short() for _ in range(4)] == [("ADDED", "m0"), ("ADDED", "m1"), ("ADDED", "m2"), None]


async def test_the_same_bytes_go_to_every_watcher(api: Any, objects: Any) -> None:
    first, second = [(await api.server.handle(api.request("GET", f"{MAPS}?watch=true"))).body for _ in range(2)]
    await api.made(MAPS, objects.config_map("a"))
    assert await anext(first) is await anext(second)


async def test_an_ended_watch_is_forgotten(api: Any) -> None:
    watch = await api.watch(f"{MAPS}?watch=true&resourceVersion=0")
    waiting = asyncio.ensure_future(watch.next())
    await asyncio.sleep(0)
    cache = api.reg.caches["/registry/configmaps/"]
    assert len(cache.watchers()) == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await watch.close()
    assert cache.watchers() == []


async def test_a_table_watch_names_its_columns_once(api: Any, objects: Any) -> None:
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    response = await api.server.handle(api.request("GET", f"{PODS}?watch=true", headers=headers))
    await api.made(PODS, objects.pod("p"))
    first = json.loads(await anext(response.body))
    await api.made(PODS, objects.pod("q"))
    second = json.loads(await anext(response.body))
    assert first["object"]["kind"] == "Table"
    assert [column["name"] for column in first["object"]["columnDefinitions"]] == ["Name", "Status"]
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"] == ["q", ""]


BAD = {
    "initial events alone": ("sendInitialEvents=true", 422, "sendInitialEvents requires setting resourceVersionMatch"),
    "match alone": ("resourceVersionMatch=NotOlderThan", 422, "is forbidden for watch unless sendInitialEvents"),
    "a page": ("continue=x", 422, "resourceVersionMatch is forbidden when continue is provided"),
    # Upstream blames itself.
    "revision": ("resourceVersion=x", 500, 'resourceVersion: Invalid value: "x": strconv.ParseUint'),
}


@pytest.mark.parametrize(("query", "status", "message"), BAD.values(), ids=BAD)
async def test_bad_options(api: Any, query: str, status: int, message: str) -> None:
    answer = await api.get(f"{MAPS}?watch=true&{query}")
    assert answer.status == status
    assert message in answer.message


async def test_a_watch_in_yaml_is_406(api: Any) -> None:
    answer = await api.get(f"{MAPS}?watch=true", headers={"Accept": "application/yaml"})
    assert answer.status == 406
