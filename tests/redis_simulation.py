"""Many consumers of one group, in virtual time: `python tests/redis_simulation.py 10 100 1000`.

Each number of consumers has a thousand messages for each of them, which come at 0.8 of what they
can handle. In the course of it the server is away for five seconds, and later one consumer of a
hundred dies without a word. One handles its messages ten times as slowly as the others.
"""

import random
import sys
import time
from dataclasses import dataclass
from functools import partial

import anyio
from redis_stand_in import Host, StandIn

from anystream import Retry
from anystream.redis import GroupStream
from anystream.redis.errors import StreamPlace
from anystream.redis.messages import texts
from anystream.redis.plans import GroupPlan
from anystream.testing import backend

LEASE = 30.0
PACE = 0.05
"""Seconds that a message takes."""

AT_ONCE = 20
"""Messages between two pauses of a consumer, since a timer for each would take long here."""

LOAD = 0.8
EACH = 1000
AWAY = 20.0, 25.0
DEATH = 40.0


@dataclass
class Figures:
    """What came of one simulation."""

    consumers: int
    messages: int
    lost: int
    twice: int
    commands: float  # for each message
    seconds: float  # until the last was handled
    busiest: float  # connections in a tenth of a second after the server was away, of the consumers
    takeover: float  # seconds from a death to the last message of the dead, in leases
    slow: int  # how many the slow one has handled


class Simulation:
    def __init__(self, consumers: int, each: int) -> None:
        self.consumers = consumers
        self.messages = consumers * each
        self.handled = bytearray(self.messages + 1)
        self.last: dict[int, float] = {}  # when each of those was handled that the dead had
        self.slow = 0
        self.start = anyio.current_time()
        self.server = StandIn(self.now)
        self.hosts = [Host(self.server) for _ in range(consumers)]
        self.died_at = 0.0

    def now(self) -> float:
        return anyio.current_time() - self.start

    def stream(self, host: Host, number: int) -> "GroupStream[dict[str, str]]":
        place = StreamPlace("here", "orders", "g")
        connect = host.connector()
        retry = Retry(times=None, first=min(0.5, LEASE / 12), cap=LEASE / 3)
        return GroupStream(
            GroupPlan(
                *(place, connect, "orders", "g", f"w{number}", 2 * AT_ONCE, LEASE, None),
                *("dead", "0", texts, retry),
            )
        )

    async def work(self, number: int) -> None:
        host = self.hosts[number]
        pace = PACE * AT_ONCE * (10 if number == 0 else 1)
        await anyio.sleep(random.random())
        async with self.stream(host, number) as messages:
            count = 0
            async for message in messages:
                if host.is_dead:
                    await anyio.sleep_forever()
                at = int(message.id.partition("-")[0])
                self.handled[at] += 1
                if at in self.last:
                    self.last[at] = self.now()
                self.slow += number == 0
                message.ack()
                count += 1
                if count % AT_ONCE == 0:
                    await anyio.sleep(pace)

    async def produce(self) -> None:
        step, rate = 0.01, LOAD * self.consumers / PACE
        added = 0.0
        while self.server.added < self.messages:
            added = min(self.messages, added + rate * step)
            if not self.server.is_down:
                self.server.add(int(added) - self.server.added)
            await anyio.sleep(step)

    async def disturb(self) -> None:
        await anyio.sleep(AWAY[0])
        self.server.break_down()
        await anyio.sleep(AWAY[1] - AWAY[0])
        self.server.come_up()
        await anyio.sleep(DEATH - AWAY[1])
        self.died_at = self.now()
        for number in range(1, 1 + max(1, self.consumers // 100)):
            self.hosts[number].is_dead = True
            self.last.update(dict.fromkeys(self.server.own(f"w{number}"), self.died_at))

    async def run(self) -> Figures:
        async with anyio.create_task_group() as tasks:
            for number in range(self.consumers):
                tasks.start_soon(self.work, number)
            tasks.start_soon(self.produce)
            tasks.start_soon(self.disturb)
            while self.server.acked < self.messages and self.now() < 1000:  # noqa: ASYNC110
                await anyio.sleep(0.5)
            seconds = self.now()
            commands = self.server.commands.total()
            tasks.cancel_scope.cancel()
        after = [n for at, n in self.server.connections.items() if at >= AWAY[1] * 10]
        return Figures(
            self.consumers,
            self.messages,
            lost=self.handled[1:].count(0),
            twice=sum(self.handled) - self.messages + self.handled[1:].count(0),
            commands=commands / self.messages,
            seconds=seconds,
            busiest=max(after) / self.consumers,
            takeover=(max(self.last.values(), default=self.died_at) - self.died_at) / LEASE,
            slow=self.slow,
        )


async def simulate(consumers: int, each: int = EACH) -> Figures:
    return await Simulation(consumers, each).run()


if __name__ == "__main__":
    for size in sys.argv[1:] or ("10", "100", "1000", "10000"):
        began = time.perf_counter()
        name, options = backend("asyncio")
        found = anyio.run(partial(simulate, int(size)), backend=name, backend_options=options)
        print(found, f"{time.perf_counter() - began:.0f} s here", flush=True)
