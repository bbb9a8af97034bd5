"""When names are looked at: at once, regularly, and again after a failure."""

from __future__ import annotations

import asyncio

from kijabi.apiserver.aggregation import rounds
from kijabi.kit import clock


class Looker:
    def __init__(self) -> None:
        self.clock = clock.FakeClock()
        self.rounds = rounds.Rounds(self.clock, 30.0)
        self.seen: list[str] = []
        self.well = True
        self.everyone: list[str] = []

    async def look(self, name: str) -> bool:
        self.seen.append(name)
        if name == "broken":
            raise ValueError(name)
        return self.well

    async def run(self) -> None:
        await self.rounds.run(self.look, lambda: self.everyone)


async def test_names_are_looked_at_when_added_and_all_of_them_regularly() -> None:
    looker = Looker()
    looker.everyone = ["a", "b"]
    task = asyncio.ensure_future(looker.run())
    await looker.clock.advance(0)
    assert looker.seen == ["a", "b"]
    looker.rounds.add("b")
    looker.rounds.add("b")
    await looker.clock.advance(0)
    assert looker.seen == ["a", "b", "b"]
    await looker.clock.advance(30)
    assert looker.seen == ["a", "b", "b", "a", "b"]
    task.cancel()


async def test_what_fails_is_looked_at_again_ever_later_and_keeps_nobody_from_it() -> None:
    looker = Looker()
    task = asyncio.ensure_future(looker.run())
    looker.rounds.add("broken")
    looker.rounds.add("fine")
    await looker.clock.advance(0)
    assert looker.seen == ["broken", "fine"]
    await looker.clock.advance(10)
    early = looker.seen.count("broken")
    assert 3 <= early <= 8
    assert looker.seen.count("fine") == 1
    await looker.clock.advance(300)
    assert looker.seen.count("broken") < early + 20
    task.cancel()
