"""Many consumers in virtual time, by a stand-in for the server; and whether it keeps the rules."""

import json
import random
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from redis_server import NEEDED, RedisServer, redis_server
from redis_simulation import LEASE, Simulation, simulate
from redis_stand_in import RELEASED, StandIn

from anystream.redis import memberships
from anystream.redis.scripts import ALL, KEEP, LEAVE, PUBLISH, RELEASE, digest
from anystream.testing import backend


# Trio takes ten times as long for it.
@pytest.mark.parametrize("anyio_backend", [pytest.param(backend("asyncio"), id="asyncio")])
async def test_more_consumers_cost_no_more_for_a_message() -> None:
    """Nothing is lost when the server is away and when a consumer dies, and nobody is held up."""
    few, many = await simulate(6, 700), await simulate(24, 700)
    for found in (few, many):
        assert (found.lost, found.twice) == (0, 0)
        assert 0.5 < found.takeover <= 2
        assert found.slow < 700 / 2
    assert many.commands < few.commands * 1.1
    # All would come within a tenth of a second, and of half a second if that is chosen by chance.
    assert many.busiest < 0.5


@pytest.mark.parametrize("lost", [None, "before it comes again", "after it has come again"])
async def test_a_late_answer_is_not_about_what_has_come_since(
    lost: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that was given back comes again before the answer to that, which may be lost."""
    monkeypatch.setattr(memberships, "random", random.Random(1))  # it looks for messages at 0.7 s
    trial = Simulation(1, 1)
    server = trial.server
    server.late[digest(RELEASE)] = 10.0
    async with trial.stream(trial.hosts[0], 0) as messages:
        server.add(1)
        (await anext(messages)).release()
        if lost == "before it comes again":
            await anyio.sleep(0.1)
            assert server.own(RELEASED)
            server.break_down()
            server.come_up()
        again = await anext(messages)
        if lost == "after it has come again":
            server.break_down()
            server.come_up()
        with anyio.move_on_after(3 * LEASE) as scope:
            await anext(messages)
        assert scope.cancelled_caught
        assert (again.attempt, server.pending[1].times) == (2, 2)
        assert server.pending[1].consumer == "w0"
        again.ack()
    assert not server.pending


class Both:
    """A real server and the stand-in, which are asked the same."""

    def __init__(self, server: RedisServer, link: Any, chance: random.Random) -> None:
        self.server = server
        self.link = link
        self.chance = chance
        self.stand_in = StandIn(anyio.current_time)
        self.cursor = b"0-0"

    async def script(self, script: str, keys: Sequence[str], *args: Any) -> Any:
        command = [b"EVALSHA", digest(script), len(keys), *keys, *args]
        real = await self.link.call(*command)
        found = self.stand_in.execute(command)
        if script == KEEP:
            self.cursor = real[1]
            real = [sorted(real[0]), real[1], sorted(real[2])]
            found = [sorted(found[0]), found[1], sorted([a, b, c] for a, b, c in found[2])]
        assert found == real
        return real

    def own(self, consumer: str) -> list[str]:
        return [f"{number}-0" for number in self.stand_in.own(consumer)]

    def some(self, ids: list[str]) -> list[str]:
        return self.chance.sample(ids, self.chance.randint(0, len(ids)))

    async def step(self) -> None:
        chance, consumer = self.chance, self.chance.choice("abc")
        kind = chance.choice(["add", "read", "ack", "keep", "keep", "release", "publish", "leave"])
        if kind == "add":
            for number in range(self.stand_in.added + 1, self.stand_in.added + 6):
                await self.link.call(b"XADD", "orders", f"{number}-0", "n", number)
            self.stand_in.add(5)
        elif kind == "read":
            count = chance.randint(1, 8)
            real = await self.link.call(
                *(b"XREADGROUP", b"GROUP", "g", consumer, b"COUNT", count),
                *(b"STREAMS", "orders", b">"),
            )
            found = self.stand_in.read(consumer, count)
            assert (real or None) == (found and {b"orders": [[*each] for each in found[b"orders"]]})
        elif kind == "ack":
            ids = self.some(self.own(consumer))
            if ids:
                command = (b"XACK", "orders", "g", *ids)
                assert await self.link.call(*command) == self.stand_in.execute(command)
        elif kind == "keep":
            lease, attempts = chance.choice([0, 10**9]), chance.choice([0, 3])
            held = self.some([*self.own(consumer), "1-0", "2-0"])
            keys, room = ("orders", "dead"), chance.randint(0, 4)
            await self.script(
                *(KEEP, keys, "g", consumer, lease, attempts, room, self.cursor, RELEASED),
                *dict.fromkeys(held),
            )
        elif kind == "release":
            given = [part for id in self.some(self.own("a")) for part in (id, 1000, 2)]
            await self.script(RELEASE, ("orders",), "g", consumer, RELEASED, *given)
        elif kind == "publish":
            entries = [part for id in self.some(self.own("b")) for part in (id, 2, "n", id)]
            await self.script(PUBLISH, ("orders", "out"), "g", "", *entries)
        else:
            handed = self.some(self.own(consumer))
            await self.script(LEAVE, ("orders",), "g", consumer, RELEASED, 1000, 1, *handed)

    def compare(self) -> None:
        """What is pending, for whom, and how often it was delivered."""
        text = self.server.ask("--json", "XPENDING", "orders", "g", "-", "+", "10000")
        found = {
            f"{number}-0": (pending.consumer, pending.times)
            for number, pending in self.stand_in.pending.items()
        }
        assert {id: (name, times) for id, name, _, times in json.loads(text)} == found
        assert int(self.server.ask("XLEN", "out")) == len(self.stand_in.results)
        assert int(self.server.ask("XLEN", "dead")) == len(self.stand_in.dead)


@NEEDED
@pytest.mark.real_time
@pytest.mark.parametrize("seed", [1, 2])
async def test_the_stand_in_answers_as_the_server_does(seed: int) -> None:
    with redis_server() as server:
        async with server.connect() as (link,):
            for script in ALL:
                await link.call(b"SCRIPT", b"LOAD", script)
            await link.call(b"XGROUP", b"CREATE", "orders", "g", "0", b"MKSTREAM")
            both = Both(server, link, random.Random(seed))
            for number in range(400):
                await both.step()
                if number % 20 == 0:
                    both.compare()
            assert both.stand_in.acked > 50
            assert both.stand_in.dead
