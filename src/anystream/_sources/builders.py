"""The functions that make a stream from nothing: async_range, ticker, poll, stream_data, ..."""

import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial, wraps
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

import anyio
from anyio.abc import ByteReceiveStream
from anyio.lowlevel import checkpoint

from .. import _args as check
from .. import _labels as label
from .._core.contracts import Owner, SourceDefaults
from .._core.driver import resolved, sheltered
from .._core.interrupts import interruptible
from .._operators.calls import instead_of
from .._operators.transform import Map
from .._recipe import Recipe, named_call
from .._stream import Stream
from .of_asyncio import in_bytes, reader_of
from .origins import FromAsync, FromIterable, OneShot, advice, is_maker

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@overload
def stream(fn: Callable[P, AsyncIterator[T]], /) -> Callable[P, Stream[T]]: ...
@overload
def stream(
    *, buffer: int | None = None
) -> Callable[[Callable[P, AsyncIterator[T]]], Callable[P, Stream[T]]]: ...
def stream(fn: Callable[..., Any] | None = None, /, *, buffer: int | None = None) -> Any:
    """Make an async generator function return a `Stream` with everything that one can do.

    Each opening calls the function again, with the arguments of the call. It runs in the caller's
    task; with `@stream(buffer=n)` it has one of its own, as `Stream.buffer` gives it, and may hold
    cancel scopes and task groups across its yields.

    Raises `TypeError` if `fn` is not an async generator function, `ValueError` if `buffer` is
    negative, and at a call what a wrong call of the function raises.

    >>> @stream
    ... async def countdown(n):
    ...     while n:
    ...         yield n
    ...         n -= 1
    >>> async def main():
    ...     print(await countdown(5).map(str).collect())
    >>> anyio.run(main)
    ['5', '4', '3', '2', '1']
    """
    size = None if buffer is None else check.integer("buffer", buffer, 0)
    return decorated(size) if fn is None else decorated(size)(fn)


def decorated(size: int | None) -> Callable[[Callable[..., Any]], Callable[..., Stream[Any]]]:
    def decorate(fn: Callable[..., Any]) -> Callable[..., Stream[Any]]:
        if not inspect.isasyncgenfunction(fn):
            raise TypeError(
                f"@stream needs an async generator function, got {label.whole(fn)}; for another"
                " function that returns an async generator, such as a decorated one, use"
                " Stream(lambda: fn(...))"
            )

        def make(text: label.Label, call: Callable[[], Any]) -> Stream[Any]:
            items = Stream(Recipe.source(lambda owner: FromAsync(call(), owner), text=text))
            return items if size is None else items.buffer(size)

        return returning_stream(fn, make)

    return decorate


def returning_stream(
    fn: Callable[..., Any],
    make: Callable[[label.Label, Callable[..., Any]], Stream[Any]],
    *given: Any,
) -> Callable[..., Stream[Any]]:
    """A function with the arguments of `fn`, after those `given`, which returns a stream.

    That is what `make` makes of the text of the call and of `fn` with its arguments. A wrong call
    is an error at once.
    """
    signature = inspect.signature(fn)
    interruptible((fn,))

    @wraps(fn)
    def function(*args: Any, **kwargs: Any) -> Stream[Any]:
        signature.bind(*given, *args, **kwargs)
        text = label.call_of(fn, *args, **kwargs)
        return make(text, lambda *first: fn(*first, *args, **kwargs))

    if given:
        cast("Any", function).__signature__ = without_first(signature, len(given))
    return function


def without_first(signature: inspect.Signature, count: int) -> inspect.Signature:
    """What is left to be given, which `help` shows and frameworks look at."""
    first, rest = [*signature.parameters.values()][:count], [*signature.parameters.values()][count:]
    kept = [each for each in first if each.kind is each.VAR_POSITIONAL]
    return signature.replace(parameters=[*kept, *rest])


@overload
def async_range(stop: int, /, *, delay: float = 0) -> Stream[int]: ...
@overload
def async_range(start: int, stop: int, step: int = 1, /, *, delay: float = 0) -> Stream[int]: ...
@named_call
def async_range(*args: int, delay: float = 0) -> Stream[int]:
    """The integers of `range`, as a stream.

    Takes the arguments of `range` and raises its errors. `delay` is the number of seconds to wait
    before each item.

    >>> async def main():
    ...     print([n async for n in async_range(10, 0, -3)])
    >>> anyio.run(main)
    [10, 7, 4, 1]
    """
    numbers = range(*args)
    delay = check.seconds("delay", delay)
    if delay:
        return Stream(Recipe.source(lambda _: Delayed(numbers, delay)))
    return Stream(Recipe.source(lambda owner: FromIterable(numbers, owner)))


class Delayed(SourceDefaults):
    """A range with a pause before each item; a cancelled pause starts again."""

    def __init__(self, numbers: range, delay: float) -> None:
        self.numbers = numbers
        self.delay = delay

    async def batch(self) -> Iterator[int] | None:
        if not self.numbers:
            return None
        await anyio.sleep(self.delay)
        first, self.numbers = self.numbers[:1], self.numbers[1:]
        return iter(first)


@named_call
def ticker(
    interval: float, count: int | None = None, *, missed: Literal["skip", "burst"] = "skip"
) -> Stream[float]:
    """The time of the event loop's clock, every `interval` seconds, `count` times or for ever.

    The first tick comes one interval after the first step. Tick k is due at start + k * interval,
    however long the consumer takes, so a ticker does not drift. If the consumer is late for a
    tick, that tick comes at once. If it has missed several, `missed` says what becomes of them:
    with `"skip"` the latest of them comes and the others are dropped; with `"burst"` they all
    come, one after the other, without waiting. `count` counts the ticks that come.

    Raises `ValueError` if `interval` is not positive, `count` is negative, or `missed` is none of
    the two.

    >>> async def main():
    ...     start = anyio.current_time()
    ...     print([round(time - start, 1) async for time in ticker(0.1, count=3)])
    >>> anyio.run(main)
    [0.1, 0.2, 0.3]
    """
    interval = check.seconds("interval", interval, zero=False)
    ticks = None if count is None else check.integer("count", count, 0)
    check.choice("missed", missed, ("skip", "burst"))
    return Stream(Recipe.source(lambda _: Ticks(interval, ticks, missed == "skip")))


@overload
def poll(
    fn: Callable[[], Awaitable[T]], every: float, *, count: int | None = None
) -> Stream[T]: ...
@overload
def poll(fn: Callable[[], T], every: float, *, count: int | None = None) -> Stream[T]: ...
@named_call
def poll(fn: Callable[[], Any], every: float, *, count: int | None = None) -> Stream[Any]:
    """The result of `fn()`, at once and then every `every` seconds, `count` times or for ever.

    `fn` is plain or async. Call k is due at start + k * every, so the rate is steady. Calls never
    overlap: one that takes longer, or a consumer that does, lets the calls fall out that it has
    missed but for the latest one, which is made at once; this is `ticker(missed="skip")`.

    An error of `fn` ends the stream; `poll(fn, every).retry(policy)` starts again after one. A call
    that is cancelled is made again by the next step.

    Raises `ValueError` if `every` is not positive, or `count` is negative.

    >>> async def temperature():
    ...     return next(readings)
    >>> readings = iter([20.5, 20.5, 21.0])
    >>> print(anyio.run(poll(temperature, 0.01, count=3).dedupe().collect))
    [20.5, 21.0]
    """
    check.result_function("fn", fn)
    every = check.seconds("every", every, zero=False, why="calls(fn) has no pauses")
    calls = None if count is None else check.integer("count", count, 0)

    def call(time: float) -> Any:
        return fn()

    ticks = Recipe.source(
        lambda _: Ticks(every, calls, True, first=0), lambda _: Map(instead_of(fn, call))
    )
    return Stream(ticks)


class Ticks(SourceDefaults):
    def __init__(self, interval: float, left: int | None, skip: bool, first: int = 1) -> None:
        self.interval = interval
        self.left = left
        self.skip = skip
        self.start: float | None = None
        self.tick = first  # the next one

    async def batch(self) -> Iterator[float] | None:
        if self.left == 0:
            return None
        if self.start is None:
            self.start = anyio.current_time()
        await anyio.sleep_until(self.start + self.tick * self.interval)
        now = anyio.current_time()
        if self.skip:
            due = min((now - self.start) / self.interval, sys.maxsize)  # may overflow to infinity
            self.tick = max(self.tick, int(due))
        self.tick += 1
        if self.left is not None:
            self.left -= 1
        return iter((now,))


class Readable(Protocol[T_co]):
    """What `stream_data` reads from: `read()` gives the next data, and nothing at the end."""

    def read(self) -> Awaitable[T_co]: ...


class Receivable(Protocol[T_co]):
    """The same for anyio's streams: `receive()` gives the next data, or raises `EndOfStream`."""

    def receive(self) -> Awaitable[T_co]: ...


Connection: TypeAlias = Readable[T] | Receivable[T]
Opening: TypeAlias = Awaitable[Connection[T]] | AbstractAsyncContextManager[Connection[T]]
Pair: TypeAlias = "tuple[StreamReader, StreamWriter]"


@overload
def stream_data(
    connect: "Callable[[], Awaitable[Pair]] | Pair", *, grace: float | None = None
) -> Stream[bytes]: ...
@overload
def stream_data(
    connect: Callable[[], Opening[T]] | AbstractAsyncContextManager[Connection[T]],
    *,
    grace: float | None = None,
) -> Stream[T]: ...
@named_call
def stream_data(connect: Any, *, grace: float | None = None) -> Stream[Any]:
    """Open a connection, yield what it reads until that is empty, and always close it.

    `connect` is an async function that returns a connection, or a function that returns an async
    context manager for one. A connection has `read()`, whose empty result is the end, or is an
    anyio byte stream with `receive()`, or the pair that `asyncio.open_connection` gives. It is
    closed by its context manager, its `aclose()` or its `close()`. Instead of a function `connect`
    may be a context manager, a byte stream or a pair itself; then the stream can be opened only
    once.

    The connection is opened by the first step. However the stream is left, the close is awaited,
    shielded from cancellation, for at most `grace` seconds; a close that takes longer is cancelled
    and a `CleanupTimeoutError` raised. The default is a second; `grace` is the same as a
    `with_grace` behind it. A cancelled read is made again by the next step.

    Raises `TypeError` if `connect` is neither a callable nor an async context manager, or, at the
    first step, if the connection has none of these methods.

    >>> class Connection:
    ...     def __init__(self):
    ...         self.pieces = [b"one", b"two", b""]
    ...
    ...     async def read(self):
    ...         return self.pieces.pop(0)
    ...
    ...     async def aclose(self):
    ...         print("closed")
    >>> async def connect():
    ...     return Connection()
    >>> async def main():
    ...     async with stream_data(connect) as pieces:
    ...         async for piece in pieces:
    ...             print(piece)
    >>> anyio.run(main)
    b'one'
    b'two'
    closed
    """
    seconds = None if grace is None else check.seconds("grace", grace, zero=False)
    if is_maker(connect):
        return Stream(Recipe.source(lambda owner: Data(connect, owner), grace=seconds))
    given = reader_of(connect)
    if given is None and not hasattr(connect, "__aenter__"):
        raise TypeError(
            "connect must be a function that opens a connection, or an async context manager,"
            f" got {advice(connect)}"
        )
    handed_over = given or connect

    def data(_: object, owner: Owner) -> Data:
        return Data(lambda: handed_over, owner, handed_over)

    return Stream(Recipe.source(OneShot(connect, data), grace=seconds))


class Data(SourceDefaults):
    """A connection that is opened by the first batch; each batch is one read."""

    closes = True
    any_task = False

    def __init__(self, connect: Callable[[], Any], owner: Owner, handed_over: Any = None) -> None:
        self.connect = connect
        self.owner = owner
        self.read: Callable[[], Any] | None = None
        self.leave = closer(handed_over)
        self.managed = False  # whether a context manager closes it
        self.gives_way = False  # whether each read is a checkpoint by itself
        self.over = False

    @property
    def holds(self) -> bool:
        return self.leave is not None

    async def batch(self) -> Iterator[Any] | None:
        if self.over:
            return None
        if not self.gives_way:
            await checkpoint()
        if self.read is None:
            self.read = await self.open()
        try:
            data = await resolved(self.read(), self.owner)
        except anyio.EndOfStream:
            data = None
        self.over = not data
        return iter((data,) if data else ())

    async def open(self) -> Callable[[], Any]:
        connection = self.connect()
        if hasattr(connection, "__aenter__"):
            manager = connection
            connection = await sheltered(manager.__aenter__(), self.owner)
            self.leave = partial(manager.__aexit__, None, None, None)
            self.managed = True
        else:
            connection = await resolved(connection, self.owner)
            connection = in_bytes(connection)
            self.leave = closer(connection)
        self.gives_way = isinstance(connection, ByteReceiveStream)
        read = getattr(connection, "read", None) or getattr(connection, "receive", None)
        if read is None or self.leave is None:
            raise TypeError(
                "a connection needs read() or receive(), and aclose() or close(),"
                f" got {label.whole(connection)}"
            )
        return cast("Callable[[], Any]", read)

    async def close(self, owner: Owner) -> None:
        self.over = True
        if self.leave is not None:
            leave, self.leave = self.leave, None
            await owner.release(lambda: resolved(leave()), scopes=self.managed)


def closer(connection: Any) -> Callable[[], Any] | None:
    return getattr(connection, "aclose", None) or getattr(connection, "close", None)
