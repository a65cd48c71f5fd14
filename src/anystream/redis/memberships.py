"""One connection of a consumer: what is read by it, kept by it, and told by it."""

import random
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio

from .._core.backends import is_native
from .errors import interrupted, is_of_a_group_that_is_there
from .holdings import Holdings
from .links import Link
from .messages import Message, Raw
from .plans import AT_ONCE, RELEASED, GroupPlan
from .scripts import ALL, KEEP, LEAVE, digest

SOON = 0.02
"""Seconds that an acknowledgement may wait for others."""

KEEPS = 6
"""How often in a lease it is renewed, and others' messages are looked for."""

EARLIER = 10
"""How much sooner that is while a message is in its last attempt, for which others may wait."""

AGAIN = 0.01
"""Seconds between two looks at a read that is to end."""


class Membership:
    """The two connections of a consumer, one of which waits for messages."""

    def __init__(self, holdings: Holdings, reading: Link, telling: Link) -> None:
        self.holdings = holdings
        self.plan: GroupPlan = holdings.plan
        self.reading = reading
        self.telling = telling
        self.is_reading: bool = False
        self.is_telling: bool = False
        self.cursor: Any = "0-0"

    async def tell(self, *command: Any) -> Any:
        return await self.telling.call(*command, timeout=self.plan.patience)

    async def serve(self) -> None:
        """Until the consumer is closed, which this sees to the end of."""
        holdings = self.holdings
        async with anyio.create_task_group() as tasks:
            for loop in (self.read_on, self.tell_on):
                tasks.start_soon(self.run, loop, name=loop.__qualname__)
            await holdings.stopping.wait()
            await self.end_reading()
            await holdings.closing.wait()
            tasks.cancel_scope.cancel()
        await self.leave()

    async def run(self, loop: Callable[[], Awaitable[None]]) -> None:
        """In a task, whose native cancellation would end the loop alone, and tell nobody."""
        try:
            await loop()
        except CancelledError as exc:
            if is_native(exc):
                raise interrupted(self.plan.place) from exc  # noqa: ASYNC104  # it is no scope's
            raise

    async def join(self) -> None:
        """Be a consumer of the group, with what was pending for it before."""
        plan = self.plan
        for script in ALL:
            await self.tell(b"SCRIPT", b"LOAD", script)
        try:
            await self.tell(b"XGROUP", b"CREATE", plan.stream, plan.group, plan.start, b"MKSTREAM")
        except Exception as error:
            if not is_of_a_group_that_is_there(error):
                raise
        await self.keep()

    # -- reading -------------------------------------------------------------------------------

    async def read_on(self) -> None:
        """Read, renew the lease, and take over what others have left, by turns.

        So what is asked for and what is taken over are never more together than there is room for.
        The times of many consumers that have connected at one instant go apart.
        """
        holdings = self.holdings
        every = self.plan.lease / KEEPS
        due = holdings.time() + every * random.random()
        while True:
            left = due - holdings.time()
            if left <= 0:
                await self.keep()
                until_next = every / EARLIER if holdings.has_last() else every
                due = holdings.time() + until_next * random.uniform(0.75, 1.25)
            elif count := self.count():
                await self.read(count, left)
            else:
                with anyio.move_on_after(left):
                    await holdings.room.wait()

    def count(self) -> int:
        """How many may be read now."""
        holdings = self.holdings
        room = self.plan.prefetch - len(holdings.held)
        is_told = not holdings.outbox and not self.is_telling
        enough = room >= holdings.many() or (holdings.hungry and is_told)
        return room if enough and not holdings.stopping.is_set() else 0

    async def read(self, count: int, longest: float) -> None:
        plan, holdings = self.plan, self.holdings
        self.is_reading = True
        reply: dict[bytes, Sequence[tuple[bytes, Raw]]] | None = await self.reading.call(
            *(b"XREADGROUP", b"GROUP", plan.group, holdings.consumer, b"COUNT", count),
            *(b"BLOCK", max(1, round(longest * 1000)), b"STREAMS", plan.stream, b">"),
            timeout=longest + plan.patience,
        )
        self.is_reading = False
        for entries in (reply or {}).values():
            holdings.came([self.message(id, 1, fields) for id, fields in entries])

    def message(self, id: bytes, attempt: int, fields: Raw) -> Message[Any]:
        return Message(id.decode(), attempt, fields, self.plan.decode, self.holdings)

    async def keep(self) -> None:
        plan, holdings = self.plan, self.holdings
        since = holdings.time()
        stopped = holdings.stopping.is_set()
        room = 0 if stopped else max(0, plan.prefetch - len(holdings.held))
        lost, cursor, found = await self.reading.call(
            *(b"EVALSHA", digest(KEEP), 2, plan.stream, plan.dead, plan.group, holdings.consumer),
            *(plan.lease_ms, plan.most_attempts, room, self.cursor, RELEASED, *holdings.held),
            timeout=plan.patience,
        )
        self.cursor = cursor
        holdings.lost([each.decode() for each in lost])
        holdings.renewed = since
        holdings.came([self.message(id, times, fields) for id, times, fields in found])

    async def end_reading(self) -> None:
        """Let the read that waits return, with what has come to it."""
        while self.is_reading:
            await self.unblock()
            await anyio.sleep(AGAIN)

    async def unblock(self) -> None:
        await self.tell(b"CLIENT", b"UNBLOCK", self.reading.number)

    # -- telling -------------------------------------------------------------------------------

    async def tell_on(self) -> None:
        holdings = self.holdings
        while True:
            while not holdings.outbox:
                await holdings.due.wait()
            with anyio.move_on_after(SOON):
                while not self.is_due():
                    await holdings.due.wait()
            await self.flush()

    def is_due(self) -> bool:
        holdings = self.holdings
        return (
            len(holdings.outbox) >= holdings.many() or holdings.hungry or holdings.stopping.is_set()
        )

    async def flush(self) -> None:
        """Tell the server all that was decided."""
        holdings = self.holdings
        parcel = holdings.outbox.taken(holdings.held)
        self.is_telling = True
        try:
            answers = [
                self.telling.call(*command, timeout=self.plan.patience)
                for command in parcel.commands()
            ]
            for answer in answers:
                await answer
            self.is_telling = False
        finally:
            if self.is_telling:
                holdings.outbox.put_back(parcel)
        holdings.forget(parcel.messages())

    # -- leaving -------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Tell the rest, and let others have what is held, also if the rest is refused."""
        try:
            if self.holdings.outbox:
                await self.flush()
        finally:
            await self.give_back()

    async def give_back(self) -> None:
        plan, holdings = self.plan, self.holdings
        await self.tell(
            *(b"EVALSHA", digest(LEAVE), 1, plan.stream, plan.group, holdings.consumer, RELEASED),
            *(AT_ONCE, int(plan.consumer is None), *holdings.held),
        )
