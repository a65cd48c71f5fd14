"""A server in this process, and in virtual time, with the rules of consumer groups.

It keeps what decides who gets a message: what is pending, for whom and since when, how often it
was delivered, and who waits. An entry is a number: that is its id and its field.
`test_redis_simulation` compares what it answers with the answers of a real server.
"""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from coredis import exceptions as of_client

from anystream.redis.errors import StreamPlace, named
from anystream.redis.links import Connect, Link
from anystream.redis.plans import RELEASED
from anystream.redis.scripts import KEEP, LEAVE, PUBLISH, RELEASE, digest


class Pending:
    """A message that was delivered, and is not acknowledged."""

    __slots__ = ("consumer", "since", "times")

    def __init__(self, consumer: str, since: float) -> None:
        self.consumer = consumer
        self.since = since
        self.times = 1


def number_of(id: Any) -> int:
    text = id.decode() if isinstance(id, bytes) else id
    return int(text.partition("-")[0])


def entry(number: int) -> tuple[bytes, list[bytes]]:
    return b"%d-0" % number, [b"n", b"%d" % number]


class StandIn:
    """One stream and one group of it."""

    def __init__(self, clock: Callable[[], float], latency: float = 0.001) -> None:
        self.clock = clock
        self.latency = latency
        self.added = 0  # entries, of which the first is number 1
        self.delivered = 0
        self.pending: dict[int, Pending] = {}
        self.of_consumers: dict[str, dict[int, None]] = {}
        self.order: list[int] = []  # what is pending, and some that is not, from the oldest on
        self.commands = Counter[str]()
        self.connections = Counter[int]()  # attempts in each tenth of a second
        self.results: list[int] = []
        self.dead: list[int] = []
        self.waiting: deque[anyio.Event] = deque()
        self.epoch = 0  # how often it was started again
        self.is_down = False
        self.has_last = False  # whether `consumer` of `keep` has one in its last attempt
        self.acked = 0
        self.late: dict[str, float] = {}  # how long the answer to a script is on its way

    # -- what happens to it ----------------------------------------------------------------------

    def add(self, number: int) -> None:
        self.added += number
        self.wake()

    def wake(self) -> None:
        while self.waiting and self.delivered < self.added:
            self.waiting.popleft().set()
            return

    def break_down(self) -> None:
        self.is_down = True
        self.epoch += 1
        waiting, self.waiting = self.waiting, deque()
        for event in waiting:
            event.set()

    def come_up(self) -> None:
        self.is_down = False

    # -- commands --------------------------------------------------------------------------------

    def own(self, consumer: str) -> dict[int, None]:
        return self.of_consumers.setdefault(consumer, {})

    def read(self, consumer: str, count: int) -> Any:
        first = self.delivered + 1
        last = min(self.added, self.delivered + count)
        now = self.clock()
        own = self.own(consumer)
        for number in range(first, last + 1):
            self.pending[number] = Pending(consumer, now)
            own[number] = None
            self.order.append(number)
        self.delivered = max(last, self.delivered)
        found = [entry(number) for number in range(first, last + 1)]
        return {b"orders": found} if found else None

    def ack(self, ids: Sequence[Any]) -> int:
        done = 0
        for number in map(number_of, ids):
            found = self.pending.pop(number, None)
            if found is not None:
                del self.of_consumers[found.consumer][number]
                done += 1
        self.acked += done
        if len(self.order) > 2 * len(self.pending) + 1000:
            self.order = [*self.pending]  # which were added in this order
        return done

    def move(self, number: int, consumer: str, idle: float = 0.0) -> Pending:
        found = self.pending[number]
        del self.of_consumers[found.consumer][number]
        self.own(consumer)[number] = None
        found.consumer, found.since = consumer, self.clock() - idle
        return found

    def keep(self, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        _, consumer, lease, attempts, room, cursor, _, *held = args
        mine, lost, found = self.own(consumer), [], []
        kept = {*map(number_of, held)}
        self.has_last = False
        for number in kept:
            if number in mine:
                self.has_last |= self.move(number, consumer).times >= attempts
            else:
                lost.append(b"%d-0" % number)
        own = [number for number in sorted(mine) if number not in kept][:room]
        for number in own:
            self.take(number, consumer, lease / 1000, attempts, found)
        left = room - len(own)
        if left > 0:
            cursor = self.claim(consumer, lease / 1000, attempts, left, number_of(cursor), found)
        return [lost, cursor, found]

    def claim(
        self, consumer: str, lease: float, attempts: int, room: int, cursor: int, found: list[Any]
    ) -> bytes:
        """As XAUTOCLAIM does: ten times as many are looked at, from the cursor on."""
        now, left, looks = self.clock(), room, room * 10
        order = self.order
        for at in range(bisect_left(order, cursor), len(order)):
            number = order[at]
            pending = self.pending.get(number)
            if pending is None:
                continue
            if not left or not looks:
                return b"%d-0" % number
            looks -= 1
            if now - pending.since >= lease:
                left -= 1
                self.take(number, consumer, lease, attempts, found)
        return b"0-0"

    def take(
        self, number: int, consumer: str, lease: float, attempts: int, found: list[Any]
    ) -> None:
        taken = self.move(number, consumer)
        taken.times += 1
        if attempts and taken.times > attempts:
            self.dead.append(number)
            self.ack([f"{number}-0"])
        elif attempts > 1 and taken.times == attempts and self.has_last:
            self.move(number, RELEASED, lease).times -= 1
        else:
            self.has_last |= taken.times == attempts
            id, fields = entry(number)
            found.append([id, taken.times, fields])

    def publish(self, keys: Sequence[Any], args: Sequence[Any]) -> int:
        _, _, *rest = args
        done = 0
        while rest:
            id, count = rest[:2]
            if number_of(id) in self.pending:
                self.results.append(number_of(id))
                done += self.ack([id])
            rest = rest[2 + count :]
        return done

    def release(self, keys: Sequence[Any], args: Sequence[Any]) -> None:
        _, consumer, to, *rest = args
        for id, idle, times in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            if number_of(id) in self.own(consumer):
                self.move(number_of(id), to, idle / 1000).times = times

    def leave(self, keys: Sequence[Any], args: Sequence[Any]) -> None:
        _, consumer, to, idle, forget, *handed = args
        kept = {*map(number_of, handed)}
        for number in [*self.own(consumer)]:
            self.move(number, to, idle / 1000).times -= number not in kept
        if forget:
            del self.of_consumers[consumer]

    def execute(self, command: Sequence[Any]) -> Any:
        """A command that does not wait."""
        name, *args = command
        if name == b"EVALSHA":
            script, keys, *rest = args
            of_script = {KEEP: self.keep, PUBLISH: self.publish, RELEASE: self.release}
            of_script[LEAVE] = self.leave
            called = {digest(each): fn for each, fn in of_script.items()}[script]
            return called(rest[:keys], rest[keys:])
        if name == b"XACK":
            return self.ack(args[2:])
        if name == b"CLIENT":
            waiting, self.waiting = self.waiting, deque()
            for event in waiting:
                event.set()
        return None


class Host:
    """What a consumer runs on; when it is dead nothing comes from it any more."""

    def __init__(self, server: StandIn) -> None:
        self.server = server
        self.is_dead = False

    def connector(self) -> Connect:
        server = self.server

        @asynccontextmanager
        async def connect(number: int) -> AsyncGenerator[list[Link], None]:
            if self.is_dead:
                await anyio.sleep_forever()
            await anyio.sleep(server.latency)
            server.connections[int(server.clock() * 10)] += 1
            try:
                if server.is_down:
                    raise of_client.ConnectionError("refused")
                yield [Wire(self) for _ in range(number)]
            except Exception as exc:
                raise named(exc, StreamPlace("here", "orders", "g")) from exc

        return connect


class Wire:
    """A connection to it."""

    number = 1

    def __init__(self, host: Host) -> None:
        self.host = host
        self.epoch = host.server.epoch

    def call(self, *command: Any, timeout: float | None = None) -> "Answer":
        return Answer(self, command, timeout)

    def check(self) -> None:
        if self.host.server.is_down or self.epoch != self.host.server.epoch:
            raise of_client.ConnectionError("lost")

    async def answer(self, command: Sequence[Any], patience: float | None) -> Any:
        server = self.host.server
        await anyio.sleep(server.latency)
        if self.host.is_dead:
            await anyio.sleep(patience or 0)
            raise TimeoutError
        self.check()
        server.commands[command[0].decode()] += 1
        if command[0] == b"XREADGROUP":
            return await self.read(command[3], command[5], command[7] / 1000)
        found = server.execute(command)
        if command[1:2] and command[1] in server.late:
            await anyio.sleep(server.late[command[1]])
            self.check()
        return found

    async def read(self, consumer: str, count: int, block: float) -> Any:
        server = self.host.server
        found = server.read(consumer, count)
        if found is None:
            event = anyio.Event()
            server.waiting.append(event)
            with anyio.move_on_after(block):
                await event.wait()
            if not event.is_set():
                server.waiting.remove(event)
            self.check()
            found = None if self.host.is_dead else server.read(consumer, count)
            server.wake()
        return found


class Answer:
    """What a command is answered, once."""

    def __init__(self, wire: Wire, command: Sequence[Any], timeout: float | None) -> None:
        self.wire = wire
        self.command = command
        self.timeout = timeout

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.wire.answer(self.command, self.timeout).__await__()


__all__ = ["RELEASED", "Host", "StandIn", "entry", "number_of"]
