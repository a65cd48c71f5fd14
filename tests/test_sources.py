"""async_range, ticker and stream_data, in virtual time."""

import itertools
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from anystream import (
    CleanupTimeoutError,
    NeedsTasksError,
    Stream,
    StreamConsumedError,
    async_range,
    poll,
    stream,
    stream_data,
    ticker,
)
from anystream.testing import every_cut

# -- async_range --------------------------------------------------------------------------------

integers = st.integers(-20, 20)


@given(
    st.one_of(
        st.tuples(integers), st.tuples(integers, integers), st.tuples(integers, integers, integers)
    )
)
async def test_async_range_is_range(args: tuple[int, ...]) -> None:
    try:
        wanted = list(range(*args))
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            async_range(*args)
        return
    assert await async_range(*args).collect() == wanted
    assert [n async for n in async_range(*args)] == wanted
    assert await async_range(*args, delay=1).collect() == wanted


@pytest.mark.parametrize("args", [(), (1, 2, 3, 4), (1.5,), ("3",), (None,)])
def test_async_range_has_the_errors_of_range(args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError) as wanted:
        range(*args)
    with pytest.raises(TypeError) as got:
        async_range(*args)
    assert str(got.value) == str(wanted.value)


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf")])
def test_async_range_refuses_a_delay(delay: float) -> None:
    with pytest.raises(
        ValueError, match=f"delay must be finite and at least 0 seconds, got {delay}"
    ):
        async_range(3, delay=delay)


@pytest.mark.parametrize("delay", ["1", None, True])
def test_async_range_refuses_a_delay_of_another_type(delay: Any) -> None:
    with pytest.raises(TypeError, match="delay must be a number of seconds"):
        async_range(3, delay=delay)


async def test_async_range_waits_before_each_item_and_not_after_the_last() -> None:
    start = anyio.current_time()
    times = [anyio.current_time() - start async for _ in async_range(3, delay=0.1)]
    assert times == pytest.approx([0.1, 0.2, 0.3])
    assert anyio.current_time() - start == pytest.approx(0.3)


# -- ticker -------------------------------------------------------------------------------------


async def ticks(stream: Stream[float], busy: list[float]) -> tuple[list[float], list[float]]:
    """The values of the ticks and the times at which they came, from the start on."""
    values: list[float] = []
    times: list[float] = []
    start = anyio.current_time()
    pauses = itertools.chain(busy, itertools.repeat(0))
    async for value in stream:
        values.append(round(value - start, 6))
        times.append(round(anyio.current_time() - start, 6))
        await anyio.sleep(next(pauses))
    return values, times


async def test_ticker_gives_the_clock_at_regular_intervals() -> None:
    values, times = await ticks(ticker(2, 4), [])
    assert values == times == [2, 4, 6, 8]


async def test_ticker_does_not_drift() -> None:
    consumer = random.Random(1)
    busy = [consumer.uniform(0, 0.009) for _ in range(10_000)]
    values, _ = await ticks(ticker(0.01, 10_000), busy)
    assert abs(values[-1] - 100) <= 0.01
    assert values == pytest.approx([0.01 * k for k in range(1, 10_001)])


async def test_a_late_tick_comes_at_once_and_the_next_one_on_time() -> None:
    for missed in ("skip", "burst"):
        values, _ = await ticks(ticker(1, 4, missed=missed), [1.5])
        assert values == [1, 2.5, 3, 4]


async def test_missed_ticks_are_skipped() -> None:
    values, _ = await ticks(ticker(1, 5), [3.5, 0, 2])
    assert values == [1, 4.5, 5, 7, 8]


async def test_missed_ticks_come_in_a_burst() -> None:
    values, _ = await ticks(ticker(1, 6, missed="burst"), [3.5])
    assert values == [1, 4.5, 4.5, 4.5, 5, 6]


async def test_a_burst_is_fair() -> None:
    """Ticks that are overdue come without waiting, but others get their turn in between."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    async with ticker(1, 100, missed="burst") as items, anyio.create_task_group() as tasks:
        await anext(items)
        await anyio.sleep(100)
        tasks.start_soon(other)
        await checkpoint()
        before = turns
        assert [n async for n in items][-1] == anyio.current_time()
        tasks.cancel_scope.cancel()
        assert turns - before > 50  # trio deals the turns by chance


async def test_a_cancelled_wait_for_a_tick_loses_nothing() -> None:
    start = anyio.current_time()
    async with ticker(1, 3) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        assert [round(t - start, 6) async for t in items] == [1, 2, 3]


async def test_ticker_without_a_tick() -> None:
    assert await ticker(1, 0).collect() == []


@pytest.mark.parametrize("interval", [0, -1, float("inf"), float("nan")])
def test_ticker_refuses_an_interval(interval: float) -> None:
    with pytest.raises(ValueError, match="interval must be finite and more than 0 seconds"):
        ticker(interval)


@pytest.mark.parametrize("missed", ["skip", "burst"])
async def test_an_interval_so_short_that_no_number_counts_the_ticks(missed: Any) -> None:
    values, _ = await ticks(ticker(5e-324, 3, missed=missed), [1, 2])
    assert values == [0, 1, 3]
    assert await poll(lambda: 1, 5e-324, count=3).collect() == [1, 1, 1]


def test_ticker_refuses_other_arguments() -> None:
    with pytest.raises(ValueError, match="count must be at least 0, got -1"):
        ticker(1, -1)
    with pytest.raises(TypeError, match="count must be an integer"):
        ticker(1, 1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="missed must be one of 'skip', 'burst', got 'drop'"):
        ticker(1, missed="drop")  # type: ignore[arg-type]


# -- stream_data --------------------------------------------------------------------------------


class Connection:
    """Gives three pieces, then nothing; closing it takes time."""

    def __init__(self, *, closing: float = 0.5, error: Exception | None = None) -> None:
        self.pieces = [b"one", b"two", b"three", b""]
        self.closing = closing
        self.error = error
        self.closes = self.closed = 0

    async def read(self) -> bytes:
        await anyio.sleep(1)
        if self.error is not None and len(self.pieces) == 2:
            raise self.error
        return self.pieces.pop(0)

    async def aclose(self) -> None:
        self.closes += 1
        await anyio.sleep(self.closing)
        self.closed += 1


PIECES = [b"one", b"two", b"three"]


class Connections:
    """Opens connections and remembers them."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.made: list[Connection] = []

    async def connect(self) -> Connection:
        await anyio.sleep(0.5)
        self.made.append(Connection(**self.options))
        return self.made[-1]

    @asynccontextmanager
    async def manage(self) -> AsyncIterator[Connection]:
        connection = await self.connect()
        try:
            yield connection
        finally:
            await connection.aclose()

    def all_closed(self) -> bool:
        return all(made.closes == made.closed == 1 for made in self.made)


@pytest.fixture(params=["connect", "manage"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_stream_data_reads_to_the_end_and_closes(form: str) -> None:
    connections = Connections()
    stream = stream_data(getattr(connections, form))
    assert connections.made == []
    assert await stream.collect() == PIECES
    assert [piece async for piece in stream] == PIECES
    async with stream as pieces:
        assert [piece async for piece in pieces] == PIECES
    assert len(connections.made) == 3
    assert connections.all_closed()


async def test_stream_data_closes_on_break(form: str) -> None:
    connections = Connections()
    async with stream_data(getattr(connections, form)) as pieces:
        async for _ in pieces:
            break
    assert connections.all_closed()


async def test_stream_data_closes_on_an_error_of_the_body(form: str) -> None:
    connections = Connections()
    with pytest.raises(KeyError):
        async with stream_data(getattr(connections, form)) as pieces:
            async for _ in pieces:
                raise KeyError
    assert connections.all_closed()


async def test_stream_data_closes_on_an_error_of_read(form: str) -> None:
    connections = Connections(error=OSError("lost"))
    got: list[bytes] = []
    with pytest.raises(OSError, match="lost"):
        async for piece in stream_data(getattr(connections, form)):
            got.append(piece)
    assert got == PIECES[:2]
    assert connections.all_closed()


@pytest.mark.parametrize("mode", ["scope", "native"])
async def test_stream_data_closes_on_cancellation_anywhere(form: str, mode: Any) -> None:
    for cut in every_cut():
        connections = Connections()

        async def read(connections: Connections = connections) -> list[bytes]:
            async with stream_data(getattr(connections, form)) as pieces:
                return [piece async for piece in pieces]

        assert await cut.run(read(), mode) in (None, PIECES)
        if mode == "scope":
            assert connections.all_closed()
        assert all(made.closes == 1 for made in connections.made)


async def test_a_cancelled_read_is_made_again() -> None:
    connections = Connections()
    async with stream_data(connections.connect) as pieces:
        with anyio.move_on_after(0.25):
            await anext(pieces)
        with anyio.move_on_after(1):
            await anext(pieces)
        assert [piece async for piece in pieces] == PIECES
    assert len(connections.made) == 1
    assert connections.all_closed()


async def test_a_close_that_hangs_is_cut_off_after_the_grace(form: str) -> None:
    connections = Connections(closing=60)
    with pytest.raises(CleanupTimeoutError, match=r"within 3 s"):
        async with stream_data(getattr(connections, form), grace=3) as pieces:
            await anext(pieces)
            start = anyio.current_time()
    assert anyio.current_time() - start == pytest.approx(3, abs=0.01)


async def test_the_grace_of_a_connection_is_that_of_its_stream(form: str) -> None:
    connections = Connections(closing=60)
    plain = stream_data(getattr(connections, form))
    stream = stream_data(getattr(connections, form), grace=3)
    for opened, seconds in (
        (plain.open(), 1),
        (plain.with_grace(5).open(), 5),
        (plain.open(grace=2), 2),
        (stream.with_grace(0.5).open(), 0.5),
        (stream.open(grace=4), 4),
        (stream.chain([]).open(), 3),
        (Stream([0]).flat_map(lambda _: stream).open(), 3),
        (Stream([0]).flat_map(lambda _: plain).with_grace(0.5).open(), 0.5),
    ):
        with pytest.raises(CleanupTimeoutError, match=f"within {seconds} s"):
            async with opened as pieces:
                await anext(pieces)


async def test_a_longer_grace_lets_a_slow_close_finish() -> None:
    connections = Connections(closing=5)
    with anyio.move_on_after(2):
        async with stream_data(connections.connect, grace=6) as pieces:
            async for _ in pieces:
                pass
    assert connections.all_closed()


class Bytes(anyio.abc.ByteReceiveStream):
    """A byte stream of anyio's."""

    def __init__(self) -> None:
        self.pieces = list(PIECES)
        self.closed = 0

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await checkpoint()
        if not self.pieces:
            raise anyio.EndOfStream
        return self.pieces.pop(0)

    async def aclose(self) -> None:
        await checkpoint()
        self.closed += 1


async def test_stream_data_of_a_byte_stream() -> None:
    stream = Bytes()
    data = stream_data(stream)
    assert await data.collect() == PIECES
    assert stream.closed == 1
    with pytest.raises(StreamConsumedError):
        await data.collect()


async def test_stream_data_of_a_function_that_opens_a_byte_stream() -> None:
    streams: list[Bytes] = []

    async def connect() -> Bytes:
        streams.append(Bytes())
        return streams[-1]

    data = stream_data(connect)
    assert await data.collect() == PIECES
    assert await data.take(1).collect() == PIECES[:1]
    assert [stream.closed for stream in streams] == [1, 1]


async def test_a_byte_stream_that_was_never_read_is_closed() -> None:
    stream = Bytes()
    async with stream_data(stream):
        pass
    assert stream.closed == 1


async def test_a_connection_with_synchronous_methods() -> None:
    class Plain:
        def __init__(self) -> None:
            self.pieces = [*PIECES, b""]
            self.closed = 0

        def read(self) -> bytes:
            return self.pieces.pop(0)

        def close(self) -> None:
            self.closed += 1

    plain = Plain()
    assert await stream_data(lambda: plain).collect() == PIECES  # type: ignore[arg-type,return-value]
    assert plain.closed == 1


class Closeable:
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


class ReadOnly:
    async def read(self) -> bytes:
        return b""


@pytest.mark.parametrize("make", [Closeable, ReadOnly])
async def test_a_connection_that_lacks_a_method(make: Any) -> None:
    connection = make()
    with pytest.raises(TypeError, match=r"read\(\) or receive\(\), and aclose\(\) or close\(\)"):
        await stream_data(lambda: connection).collect()
    assert not isinstance(connection, Closeable) or connection.closed == 1


def test_stream_data_refuses_bad_arguments() -> None:
    with pytest.raises(TypeError, match="connect must be a function"):
        stream_data(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="grace must be finite"):
        stream_data(Connections().connect, grace=-1)
    with pytest.raises(ValueError, match="grace must be finite and more than 0 seconds, got 0"):
        stream_data(Connections().connect, grace=0)


# -- @stream --------------------------------------------------------------------------------


async def test_a_decorated_function_makes_streams() -> None:
    @stream
    async def countdown(n: int, *, step: int = 1) -> AsyncIterator[int]:
        """Counts down."""
        while n > 0:
            yield n
            n -= step

    numbers = countdown(3)
    assert await numbers.collect() == await numbers.collect() == [3, 2, 1]
    assert await countdown(5, step=2).map(str).collect() == ["5", "3", "1"]
    assert repr(countdown(5, step=2).map(str)) == "countdown(5, step=2).map(str)"
    assert countdown.__doc__ == "Counts down."
    with pytest.raises(TypeError, match="missing a required argument: 'n'"):
        countdown()  # type: ignore[call-arg]


async def test_a_decorated_function_with_a_task_of_its_own() -> None:
    @stream(buffer=0)
    async def children() -> AsyncIterator[int]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1)
            yield 1
            yield 2

    async with children() as items:
        assert await anext(items) == 1
    with pytest.raises(NeedsTasksError):
        aiter(children())
    assert repr(children()) == "children().buffer(0)"


async def test_a_decorated_method() -> None:
    class Device:
        @stream
        async def readings(self, n: int) -> AsyncIterator[int]:
            for k in range(n):
                yield k

    assert await Device().readings(3).collect() == [0, 1, 2]


def test_what_cannot_be_decorated() -> None:
    with pytest.raises(TypeError, match="@stream needs an async generator function, got <built-in"):
        stream(len)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="buffer must be at least 0, got -1"):
        stream(buffer=-1)


async def test_a_generator_that_was_decorated_before() -> None:
    def traced(fn: Callable[[int], AsyncIterator[int]]) -> Callable[[int], AsyncIterator[int]]:
        @wraps(fn)
        def call(n: int) -> AsyncIterator[int]:
            return fn(n)

        return call

    @traced
    async def numbers(n: int) -> AsyncIterator[int]:
        for k in range(n):
            yield k

    with pytest.raises(TypeError, match=r"use Stream\(lambda: fn\(\.\.\.\)\)"):
        stream(numbers)
    assert await Stream(lambda: numbers(3)).collect() == [0, 1, 2]


@pytest.mark.parametrize("form", ["bare", "chain", "flat_map"])
async def test_a_context_manager_that_holds_scopes_may_close_in_the_middle(form: str) -> None:
    @asynccontextmanager
    async def managed() -> AsyncIterator[Any]:
        connection = Pieces([b"one", b""])
        async with anyio.create_task_group():
            yield connection

    pieces = stream_data(managed)
    if form == "bare":
        assert [piece async for piece in pieces] == [b"one"]
    elif form == "chain":
        assert await pieces.chain([b"two"]).collect() == [b"one", b"two"]
    else:
        assert await pieces.flat_map(lambda _: stream_data(managed)).collect() == [b"one"]


class Pieces:
    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    async def read(self) -> bytes:
        return self.pieces.pop(0)
