import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import scripted as fakes
from kijabi.api import kinds
from kijabi.client import informer, rest, transport
from kijabi.kit import clock

Told = list[tuple[str | None, str | None]]


class Following:
    """An informer against a scripted server, and what its handler was told: (old version, new version)."""

    def __init__(self) -> None:
        self.server = fakes.Scripted()
        self.clock = clock.FakeClock()
        self.informer = informer.Informer(
            rest.Client(self.server),
            kinds.PODS,
            indexes={"app": lambda obj: [obj["metadata"]["labels"].get("app", "")]},
            timepiece=self.clock,
        )
        self.told: Told = []
        self.changed = asyncio.Event()

    def note(self, old: Any, new: Any) -> None:
        def name(obj: Any) -> str | None:
            return None if obj is None else f"{obj['metadata']['name']}@{obj['metadata']['resourceVersion']}"

        self.told.append((name(old), name(new)))
        self.changed.set()

    async def until(self, count: int) -> Told:
        async with asyncio.timeout(5):
            while len(self.told) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.told


@pytest.fixture
async def following() -> AsyncIterator[Following]:
    made = Following()
    made.informer.subscribe(made.note)
    running = asyncio.ensure_future(made.informer.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_list_then_a_watch_are_told_as_one_stream(following: Following) -> None:
    server = following.server
    server.lists.put_nowait(fakes.listed(5, fakes.pod("a", 3, app="x"), token="more"))
    server.lists.put_nowait(fakes.listed(5, fakes.pod("b", 4)))
    await following.until(2)
    assert following.informer.synced
    server.watches.put_nowait(fakes.event("MODIFIED", fakes.pod("a", 6, app="y")))
    server.watches.put_nowait(fakes.event("DELETED", fakes.pod("b", 7)))
    server.watches.put_nowait(fakes.event("ADDED", fakes.pod("c", 8)))
    assert await following.until(5) == [
        (None, "a@3"), (None, "b@4"), ("a@3", "a@6"), ("b@4", None), (None, "c@8"),
    ]  # fmt: skip
    assert [query.get("continue") for _, _, query in server.requests] == [None, "more", None]
    assert server.requests[-1][2]["resourceVersion"] == "5"


async def test_indexes_follow_every_change(following: Following) -> None:
    server, copy = following.server, following.informer
    server.lists.put_nowait(fakes.listed(5, fakes.pod("a", 3, app="x"), fakes.pod("b", 4, app="x")))
    await following.until(2)
    assert sorted(obj["metadata"]["name"] for obj in copy.by_index("app", "x")) == ["a", "b"]
    server.watches.put_nowait(fakes.event("MODIFIED", fakes.pod("a", 6, app="y")))
    server.watches.put_nowait(fakes.event("DELETED", fakes.pod("b", 7, app="x")))
    await following.until(4)
    assert copy.by_index("app", "x") == []
    assert [obj["metadata"]["name"] for obj in copy.by_index("app", "y")] == ["a"]
    assert copy.get("a", "ns") is not None
    assert copy.get("b", "ns") is None
    assert len(copy.items("ns")) == 1
    assert copy.items("other") == []


async def test_a_watch_that_ends_goes_on_from_the_last_event_or_bookmark(following: Following) -> None:
    server = following.server
    server.lists.put_nowait(fakes.listed(5))
    server.watches.put_nowait(fakes.event("ADDED", fakes.pod("a", 6)))
    server.watches.put_nowait({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}})
    server.watches.put_nowait(None)
    server.watches.put_nowait(fakes.event("ADDED", fakes.pod("b", 10)))
    await following.until(2)
    assert [query["resourceVersion"] for verb, _, query in server.requests if verb == "WATCH"] == ["5", "9"]


async def test_a_broken_watch_is_opened_again_after_a_back_off_without_listing(following: Following) -> None:
    server = following.server
    server.lists.put_nowait(fakes.listed(5, fakes.pod("a", 3)))
    server.watches.put_nowait(transport.Unreachable("reset"))
    await following.until(1)
    server.watches.put_nowait(fakes.event("MODIFIED", fakes.pod("a", 6)))
    await following.clock.advance(1)
    assert await following.until(2) == [(None, "a@3"), ("a@3", "a@6")]
    assert [verb for verb, _, _ in server.requests] == ["GET", "WATCH", "WATCH"]


async def test_when_history_is_gone_a_new_list_tells_what_changed_meanwhile(following: Following) -> None:
    server = following.server
    server.lists.put_nowait(fakes.listed(5, *(fakes.pod(name, 3) for name in ("same", "changed", "gone", "remade"))))
    await following.until(4)
    del following.told[:]
    server.lists.put_nowait(
        fakes.listed(
            50, fakes.pod("same", 3), fakes.pod("changed", 40), fakes.pod("remade", 41, uid="another"),
            fakes.pod("new", 42),
        )
    )  # fmt: skip
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    server.watches.put_nowait(fakes.event("ERROR", gone))
    told = await following.until(5)
    assert sorted(told, key=str) == sorted(
        [("gone@3", None), ("changed@3", "changed@40"), ("remade@3", None), (None, "remade@41"), (None, "new@42")],
        key=str,
    )


async def test_a_server_that_refuses_is_asked_again(following: Following) -> None:
    server = following.server
    server.lists.put_nowait({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"})
    server.lists.put_nowait(fakes.listed(5, fakes.pod("a", 3)))
    await following.clock.advance(0)
    assert not following.informer.synced
    await following.clock.advance(1)
    assert await following.until(1) == [(None, "a@3")]


async def test_a_late_subscriber_is_told_of_all_there_is(following: Following) -> None:
    following.server.lists.put_nowait(fakes.listed(5, fakes.pod("a", 3)))
    await following.until(1)
    late: list[Any] = []
    following.informer.subscribe(lambda old, new: late.append((old, new["metadata"]["name"] if new else None)))
    assert late == [(None, "a")]


async def test_a_handler_that_fails_does_not_keep_the_others_from_hearing(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(old: Any, new: Any) -> None:
        raise ZeroDivisionError

    heard: list[Any] = []
    following.informer.subscribe(failing)
    following.informer.subscribe(lambda old, new: heard.append(new))
    following.server.lists.put_nowait(fakes.listed(5, fakes.pod("a", 3)))
    await following.until(1)
    assert len(heard) == 1
    assert "a handler failed on ns/a" in caplog.text
