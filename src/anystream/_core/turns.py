"""The queue of tasks that want to step one thing, each in its turn."""

from collections.abc import Callable

from .contracts import AsyncEvent, NewEvent


class FairQueue:
    """Tasks that wait for their turn, first come, first served.

    A task that ends its turn wakes the next one, since to wake them all costs several times as
    much.
    """

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events: list[AsyncEvent] = []

    def __len__(self) -> int:
        """How many wait."""
        return len(self._events)

    def wake(self) -> None:
        """Wake the task that has waited longest."""
        for event in self._events[:1]:
            event.set()

    async def wait(self, new_event: NewEvent, taken: Callable[[], bool]) -> None:
        """Wait until it is worth looking again: the turn is free, or there are items."""
        event = new_event()
        self._events.append(event)
        try:
            await event.wait()
        finally:
            self._events.remove(event)
            if event.is_set() and not taken():
                self.wake()
