"""What a consumer holds, and what becomes of each message.

Each task that waits has its own bell:

| bell | who waits | who rings |
|---|---|---|
| `news` | the reader, for messages | messages have come; the end, an error |
| `room` | the loop that reads | fewer messages are held; the reader has none left |
| `due` | the loop that tells the server | there is something to tell; it is time |
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .. import _args as check
from .. import _labels as label
from .._core.contracts import AsyncEvent, Backend
from .messages import HANDED, LOST, SETTLED, WAITING, Message, Raw, unless_closed
from .outbox import Entry, Outbox, Returned
from .plans import AT_ONCE, GroupPlan
from .scripts import MOST

ERROR = 500
"""Characters of an error that a dead message tells."""


class Bell:
    """An event that may happen again and again, for one task that waits."""

    def __init__(self, backend: Backend) -> None:
        self.new_event: Callable[[], AsyncEvent] = backend.new_event
        self.event: AsyncEvent = self.new_event()

    def ring(self) -> None:
        event, self.event = self.event, self.new_event()
        event.set()

    async def wait(self) -> None:
        await self.event.wait()


class Holdings:
    """The messages of one consumer that the server counts as pending for it."""

    def __init__(self, plan: GroupPlan, consumer: str, backend: Backend) -> None:
        self.plan = plan
        self.consumer = consumer
        self.backend: Backend = backend
        self.time: Callable[[], float] = backend.clock()
        self.outbox: Outbox = Outbox(plan, consumer)
        self.held: dict[str, Message[Any]] = {}
        self.waiting: deque[Message[Any]] = deque()
        self.renewed: float = 0.0  # when all that is held was known to be ours
        self.hungry: bool = False  # whether the reader waits, and nothing is there for it
        self.news: Bell = Bell(backend)
        self.room: Bell = Bell(backend)
        self.due: Bell = Bell(backend)
        self.stopping: AsyncEvent = backend.new_event()  # nothing more is read
        self.closing: AsyncEvent = backend.new_event()
        self.lingers: bool = False  # until nothing is held any more

    # -- for the reader ------------------------------------------------------------------------

    def has_some(self) -> bool:
        """Whether there is a message, and no other consumer can have it by now."""
        return bool(self.waiting) and self.time() < self.renewed + self.plan.lease

    async def wait(self) -> None:
        """Wait for news; the reader has nothing left."""
        self.hungry = True
        self.room.ring()
        if self.outbox:
            self.due.ring()
        await self.news.wait()

    def handed(self) -> Iterator[Message[Any]]:
        while self.has_some():
            message = self.waiting.popleft()
            message.state = HANDED
            yield message

    def stop(self) -> None:
        """Read nothing more; give back what the reader has not had."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        while self.waiting:
            self.put_back(self.waiting.popleft())
        for bell in (self.news, self.room, self.due):
            bell.ring()

    # -- what becomes of messages --------------------------------------------------------------

    def acknowledge(self, message: Message[Any]) -> None:
        if self.settles(message):
            self.outbox.acked.append(message)
            self.told()

    def give_back(self, message: Message[Any], after: float) -> None:
        lease = self.plan.lease
        if not (check.is_number(after) and 0 <= after <= lease):
            raise ValueError(
                f"after must be between 0 and the lease, {lease:g} s, got {label.whole(after)}"
            )
        if self.settles(message):
            self.release(message, after, message.attempt)

    def put_back(self, message: Message[Any]) -> None:
        """Give back a message that nobody has tried to handle."""
        message.state = SETTLED
        self.release(message, 0.0, message.attempt - 1)

    def release(self, message: Message[Any], after: float, times: int) -> None:
        idle = self.plan.lease_ms - round(after * 1000) if after else AT_ONCE
        self.outbox.given.append(Returned(message, idle, times))
        self.told()

    def publish(self, message: Message[Any], fields: Raw, target: str, longest: int | None) -> None:
        """Acknowledge it with an entry in another stream."""
        if self.settles(message):
            self.outbox.entries.append(Entry(target, longest, message, fields))
            self.told()

    def has_failed(self, message: Message[Any], error: Exception) -> None:
        """It comes again after the lease, or is dead."""
        plan = self.plan
        if plan.attempts is None or message.attempt < plan.attempts:
            self.give_back(message, plan.lease)
            return
        about = {
            "dead:stream": plan.stream,
            "dead:group": plan.group,
            "dead:id": message.id,
            "dead:attempts": str(message.attempt),
            "dead:error": label.visible(f"{type(error).__name__}: {error}"[:ERROR]),
        }
        more = [part.encode() for pair in about.items() for part in pair]
        fields = message.raw if len(message.raw) <= MOST else ()
        self.publish(message, [*fields, *more], plan.dead, None)

    def settles(self, message: Message[Any]) -> bool:
        """Whether this is the first that is decided about it."""
        if message.state is SETTLED:
            return False
        unless_closed(message, self.closing.is_set())
        message.state = SETTLED
        return True

    def told(self) -> None:
        """There is one thing more to tell the server: the first, or the one that makes it due."""
        if len(self.outbox) in (1, self.many()) or self.hungry:
            self.due.ring()

    def many(self) -> int:
        return max(1, self.plan.prefetch // 2)

    # -- for the task -----------------------------------------------------------------------

    def came(self, messages: list[Message[Any]]) -> None:
        for message in messages:
            self.held[message.id] = message
            if self.stopping.is_set():
                self.put_back(message)
            else:
                self.waiting.append(message)
        if self.waiting:
            self.hungry = False
            self.news.ring()

    def lost(self, ids: list[str]) -> None:
        """Other consumers have these by now."""
        for id in ids:
            message = self.held.pop(id, None)
            if message is not None and message.state is WAITING:
                self.waiting.remove(message)
                message.state = LOST
        self.has_less()

    def has_last(self) -> bool:
        """Whether one of them is here for the last time."""
        most = self.plan.most_attempts
        return most > 1 and any(message.attempt >= most for message in self.held.values())

    def forget(self, messages: list[Message[Any]]) -> None:
        """The server knows what was decided about these, and not about what has come since."""
        for message in messages:
            if self.held.get(message.id) is message:
                del self.held[message.id]
        self.has_less()

    def linger(self) -> None:
        """Close when the server knows what was decided about all that the reader has had."""
        self.lingers = True
        self.has_less()

    def has_less(self) -> None:
        self.room.ring()
        if self.lingers and not self.held:
            self.closing.set()
