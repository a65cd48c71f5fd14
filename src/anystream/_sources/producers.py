"""`producer`: a stream from async functions that send its items, each in a task of its own."""

import inspect
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any, Concatenate, Generic, ParamSpec, TypeAlias, TypeVar, final, overload

from anyio.lowlevel import checkpoint_if_cancelled

from .. import _args as check
from .. import _labels as label
from .. import _layouts as layouts
from .._core.channel import Channel, Lane
from .._core.contracts import Backend, Owner, Slot, Source
from .._core.driver import is_awaitable
from .._core.interrupts import protected
from .._core.producer import LaneProducer
from .._errors import StreamClosedError
from .._recipe import Recipe
from .._stream import Stream
from .builders import returning_stream

P = ParamSpec("P")
T = TypeVar("T")


@final
class Sender(Generic[T]):
    """What a `producer` function sends its items with.

    >>> @producer
    ... async def numbers(sender: Sender[int]) -> None:
    ...     await sender.send(1)
    ...     sender.start_soon(more, 2)
    >>> async def more(sender: Sender[int], number: int) -> None:
    ...     await sender.send(number)
    >>> anyio.run(numbers().collect)
    [1, 2]
    """

    __slots__ = ("_send", "_start")

    def __init__(
        self,
        send: Callable[[T], Awaitable[None]],
        start: "Callable[[Callable[[Sender[T]], Awaitable[object]]], None]",
    ) -> None:
        self._send: Callable[[T], Awaitable[None]] = send
        self._start: Callable[[Callable[[Sender[T]], Awaitable[object]]], None] = start

    async def send(self, item: T, /) -> None:
        """Hand an item over to the reader, as soon as there is room.

        A cancellation is looked for even where there is room. A call that is cancelled has not
        handed the item over. Several tasks may wait in it. Raises `StreamClosedError` where the
        stream has ended, or is closed and the task is not cancelled for that.
        """
        await self._send(item)

    def start_soon(
        self,
        fn: "Callable[Concatenate[Sender[T], P], Awaitable[object]]",
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Call `fn(sender, *args, **kwargs)` in another task, with a sender of its own.

        The stream ends when all of its functions have returned. The first that fails stops the
        others, and its error is that of the stream. Once the stream has ended or is closed, nothing
        is started.
        The task begins with a copy of the context of the caller.
        """
        check.called_function("fn", fn, "")
        self._start(lambda sender: fn(sender, *args, **kwargs))


SendingFunction: TypeAlias = Callable[[Sender[Any]], Awaitable[object]]


@overload
def producer(
    fn: Callable[Concatenate[Sender[T], P], Awaitable[object]], /
) -> Callable[P, Stream[T]]: ...
@overload
def producer(
    *, buffer: int = 0
) -> Callable[[Callable[Concatenate[Sender[T], P], Awaitable[object]]], Callable[P, Stream[T]]]: ...
def producer(fn: Callable[..., Any] | None = None, /, *, buffer: int = 0) -> Any:
    """Make an async function that sends items return a `Stream` of them.

    The first argument of the function is a `Sender`, the others are those of the call. Each
    opening calls the function in a task of its own. `await sender.send(item)` waits for room: at
    most `buffer` items of each task wait for the reader, and with 0 it waits until the reader asks.
    `sender.start_soon(fn, *args)` calls another function that sends, in one more task. The stream
    ends when all of them have returned. An error of one comes out after the items that were sent,
    and stops the others.

    When the stream is closed early, each function is cancelled where it waits. Its cleanup may
    await, shielded from the cancellation, for as long as the grace period.

    Raises `TypeError` if `fn` is not a function or is a generator function, `ValueError` if
    `buffer` is negative, and at a call what a wrong call of the function raises.

    >>> @producer
    ... async def countdown(sender, n):
    ...     for number in range(n, 0, -1):
    ...         await sender.send(number)
    >>> async def main():
    ...     print(await countdown(3).map(str).collect())
    >>> anyio.run(main)
    ['3', '2', '1']
    """
    size = check.integer("buffer", buffer, 0)
    return decorated(size) if fn is None else decorated(size)(fn)


def decorated(size: int) -> Callable[[Callable[..., Any]], Callable[..., Stream[Any]]]:
    def decorate(fn: Callable[..., Any]) -> Callable[..., Stream[Any]]:
        check_sending(fn)

        def make(text: label.Label, call: SendingFunction) -> Stream[Any]:
            def open_source(owner: Owner) -> Source:
                channel = Sent(owner.backend)
                Sending(owner, call).begin(channel, size)
                return channel

            return Stream(Recipe.combine(open_source, text, [], layouts.SENDING, size))

        return returning_stream(fn, make, None)

    return decorate


def check_sending(fn: Any) -> None:
    """`fn` must be a function of a Sender, and async, as far as that can be told before."""
    generator = check.is_async_generator(fn) or check.is_generator(fn)
    if not callable(fn) or generator or not takes_sender(fn):
        raise TypeError(
            "@producer needs an async function whose first argument is a Sender, got"
            f" {label.whole(fn)}; @stream is for async generator functions"
        )
    first = next(iter(inspect.signature(fn).parameters))
    if first in ("self", "cls"):
        name = getattr(fn, "__name__", "method")
        raise TypeError(
            f"@producer needs a function whose first argument is a Sender, got {label.whole(fn)},"
            f" whose first one is {first}; call producer({first}.{name}) in another method"
        )


def takes_sender(fn: Callable[..., Any]) -> bool:
    """Whether there is an argument for it."""
    try:
        inspect.signature(fn).bind_partial(None)
    except (TypeError, ValueError):  # some of those in C have no signature, and are not async
        return False
    return True


class Sent(Channel):
    """What functions send, until all have returned.

    A sender outlives its function, and this. So a lane that is over takes items while another
    function runs, and a call of `send` that waits there is told of the end.
    """

    __slots__ = ("complete", "held_up")

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.complete = False  # whether all functions have returned
        self.held_up: set[Slot] = set()  # of calls of `send` that wait for room

    @property
    def takes(self) -> bool:
        """Whether anything may still be sent or started."""
        return self.is_open and not self.complete

    def read_whole(self, *, kept: bool) -> None:
        self.spare(kept)

    def asker(self) -> Callable[[int], None] | None:
        return self.ask_for if self._on_demand else None

    def finished(self, lane: Lane, error: BaseException | None) -> None:
        super().finished(lane, error)
        if self.is_open and self.ended():
            self.complete = True
            self.stop()

    def stop(self) -> None:
        super().stop()
        self.wake_all([*self.held_up])


class Sending(LaneProducer):
    """A task that calls a function, which sends the items."""

    __slots__ = ("call", "caller", "channel", "held_up")

    channel: Sent

    def __init__(self, reader: Owner, call: SendingFunction, caller: Context | None = None) -> None:
        super().__init__(reader)
        self.call = call
        self.caller = caller  # the context of another one, which has started it
        self.held_up = 0  # calls of `send` that wait for room

    @property
    def waits_for(self) -> str | None:
        return "room" if self.held_up else None

    def context(self) -> Context:
        return super().context() if self.caller is None else self.caller

    def begin(self, channel: Sent, size: int) -> None:
        self.channel = channel
        self.fill(channel.lane(size))

    @protected
    def start_another(self, call: SendingFunction) -> None:
        if self.channel.takes:  # what stops it stops the tasks of this moment
            another = Sending(self._reader, call, copy_context())
            another.begin(self.channel, self.lane.bound)

    async def produce(self) -> None:
        given = self.call(Sender(self.send, self.start_another))
        if not is_awaitable(given):
            raise TypeError(
                f"a function of {self.stream!r} must be async, but it returned {label.whole(given)}"
            )
        await given

    def ended(self, reported: bool) -> None:
        super().ended(reported)
        self.channel.forget(self.lane, self)

    @protected
    async def send(self, item: Any) -> None:
        await checkpoint_if_cancelled()
        while not (self.channel.takes and self.lane.takes()):
            if not self.channel.takes:
                raise self.too_late()
            await self._woken()
        self.lane.put(item)

    def too_late(self) -> StreamClosedError:
        if self.channel.complete:
            return StreamClosedError(
                f"{self.stream!r} has ended: all of its functions have returned"
            )
        return self.refused()

    async def _woken(self) -> None:
        """Wait for room, which another task may take first."""
        lane, channel = self.lane, self.channel
        slot = lane.gate()
        channel.held_up.add(slot)
        self.held_up += 1
        if channel.timing is not None:
            channel.timing.room.begin()
        try:
            await slot
            await checkpoint_if_cancelled()  # a stop wakes it as well, and then interrupts it
        except BaseException:
            lane.taken()  # what this was woken for is for the next
            raise
        finally:
            self.held_up -= 1
            channel.held_up.discard(slot)
            if channel.timing is not None:
                channel.timing.room.end()
            lane.leave_gate(slot)
