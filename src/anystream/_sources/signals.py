"""`signals`: the signals of the operating system, as a stream."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

from anyio import open_signal_receiver

from .._core.contracts import Owner, SourceDefaults
from .._recipe import Recipe, named_call
from .._stream import Stream


@named_call
def signals(*numbers: signal.Signals) -> Stream[signal.Signals]:
    """The signals of these numbers that come to the process, from the opening on.

    While the stream is open they do nothing else: `SIGTERM` does not end the process. It never ends
    by itself. `stream.take_until(signals(SIGTERM))` ends a stream by one. Signals that come between
    two steps are not lost, but the operating system, or trio, may make one of several equal ones.
    What nobody has read when the stream is closed is delivered again on trio, and then ends the
    process if it would have done so before; on asyncio it is dropped.

    Raises `TypeError` if there are no numbers or one is none of `signal.Signals`. It has to be
    opened in the main thread; what the event loop raises where it cannot be, comes out.

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
            raise TypeError(f"numbers must be of signal.Signals, got {each!r}")
    return Stream(Recipe.source(lambda owner: Received(numbers, owner)))


class Received(SourceDefaults):
    """The signals that a receiver of anyio's gets, which is there from the opening on."""

    closes = True
    any_task = False

    def __init__(self, numbers: tuple[signal.Signals, ...], owner: Owner) -> None:
        self._open = ExitStack()
        self._signals = self._open.enter_context(open_signal_receiver(*numbers))
        self._holds = True
        owner.has_opened(self)

    @property
    def holds(self) -> bool:
        return self._holds

    async def batch(self) -> Iterator[Any]:
        return iter((await anext(self._signals),))

    async def close(self, owner: Owner) -> None:
        self._holds = False
        owner.guard(self._open.close)
