"""`signals`: the signals of the operating system, as a stream."""

import signal
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast
from weakref import finalize

from anyio import Event

from .._core.contracts import Owner, SourceDefaults
from .._core.threads import Loop, WakeUp
from .._labels import whole
from .._recipe import Recipe, named_call
from .._stream import Stream


@named_call
def signals(*numbers: signal.Signals) -> Stream[signal.Signals]:
    """The signals of these numbers that come to the process, from the opening on.

    While the stream is open they do nothing else: `SIGTERM` does not end the process. It never ends
    by itself. `stream.take_until(signals(SIGTERM))` ends a stream by one. Signals that come between
    two steps are not lost, but the operating system may make one of several equal ones.

    Each of several open streams gets every signal of its numbers. When the last one of a number is
    closed, in any order, the handler from before the first is restored. A signal that none of them
    has read is delivered again, and then ends the process if it would have done so before.

    Raises `TypeError` if there are no numbers or one is none of `signal.Signals`. Opening it raises
    `ValueError` in another thread than the main one, and `OSError` if a signal cannot be caught.

    >>> import signal
    >>> async def main():
    ...     async with signals(signal.SIGTERM, signal.SIGHUP) as received:
    ...         signal.raise_signal(signal.SIGHUP)
    ...         print((await anext(received)).name)
    >>> anyio.run(main)
    SIGHUP
    """
    if not numbers:
        raise TypeError("signals needs at least one, such as signals(signal.SIGTERM)")
    for each in cast("tuple[object, ...]", numbers):
        if not isinstance(each, signal.Signals):
            raise TypeError(f"numbers must be of signal.Signals, got {whole(each)}")
    return Stream(Recipe.source(lambda owner: Received(numbers, owner)))


class Received(SourceDefaults):
    """The signals that have come to the process since the opening."""

    closes = True
    any_task = False

    def __init__(self, numbers: tuple[signal.Signals, ...], owner: Owner) -> None:
        self._checkpoint = owner.backend.checkpoint
        self._inbox = Inbox()
        self._leave = finalize(self, self._inbox.leave)
        try:
            for number in dict.fromkeys(numbers):
                self._inbox.listen(number)
        except BaseException:
            self._leave()
            raise
        owner.has_opened(self)

    @property
    def holds(self) -> bool:
        return self._leave.alive

    async def batch(self) -> Iterator[Any]:
        await self._checkpoint()
        await self._inbox.filled()
        return self._inbox.taken()

    async def close(self, owner: Owner) -> None:
        owner.guard(self._leave)


class Arrival:
    """A signal that has come once, and the number of inboxes that have not given it back unread."""

    __slots__ = ("inboxes", "number")

    def __init__(self, number: signal.Signals, inboxes: int) -> None:
        self.number = number
        self.inboxes = inboxes


class Inbox:
    """The signals for one stream, which the handler of the process puts here.

    The handler may run between any two lines of the main thread.
    """

    def __init__(self) -> None:
        self._arrivals: deque[Arrival] = deque()
        self._numbers: list[signal.Signals] = []
        self._wake_up = WakeUp(Loop())
        self._news = Event()

    def listen(self, number: signal.Signals) -> None:
        """Get the signals of this number, too."""
        others = LISTENING.get(number, ())
        LISTENING[number] = (*others, self)  # first: a signal may come as soon as it is caught
        try:
            previous = signal.signal(number, deliver)
        except BaseException:
            LISTENING[number] = others
            raise
        # One that was not set from Python is None, and cannot be set again from there.
        PREVIOUS.setdefault(number, signal.SIG_DFL if previous is None else previous)
        self._numbers.append(number)

    def put(self, arrival: Arrival) -> None:
        self._arrivals.append(arrival)
        self._wake_up.soon(self._wake)

    def _wake(self) -> None:
        self._news.set()

    async def filled(self) -> None:
        """Wait until a signal is there."""
        while not self._arrivals:
            self._news = Event()
            await self._news.wait()

    def taken(self) -> Iterator[signal.Signals]:
        while self._arrivals:
            yield self._arrivals.popleft().number

    def leave(self) -> None:
        """Get no more signals, and deliver those again that no stream has read or can read."""
        for number in self._numbers:
            others = tuple(each for each in LISTENING[number] if each is not self)
            if not others:
                signal.signal(number, PREVIOUS.pop(number))
            LISTENING[number] = others
        with ExitStack() as again:  # all of them, also if a handler raises
            while self._arrivals:
                arrival = self._arrivals.pop()
                arrival.inboxes -= 1
                if not arrival.inboxes:
                    again.callback(signal.raise_signal, arrival.number)


# The handlers of signals belong to the process, and so do these.
LISTENING: dict[int, tuple[Inbox, ...]] = {}
PREVIOUS: dict[int, Any] = {}


def deliver(number: int, _frame: object) -> None:
    """The handler of every signal that a stream listens to."""
    inboxes = LISTENING[number]
    arrival = Arrival(signal.Signals(number), len(inboxes))
    for inbox in inboxes:
        inbox.put(arrival)
