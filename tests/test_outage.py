"""Several tasks that fail at one instant: one error, bare, which tells of the others."""

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import islice
from types import FrameType
from typing import Any

import anyio
import pytest
from contract import ON_ASYNCIO

import anystream
from anystream import Retry, Stream, combine_latest, merge, net, race
from anystream._core.siblings import attach, siblings


class Line:
    """What is up until it is cut, and then fails in every place at once."""

    def __init__(self, errors: dict[int, type[Exception]] | None = None) -> None:
        self.cut = anyio.Event()
        self.errors = errors or {}
        self.opened = 0
        self.repaired = False

    async def fetch(self, number: int, *_: Any) -> int:
        if not self.repaired:
            await self.cut.wait()
            raise self.errors.get(number, ConnectionError)(number)
        return number

    async def connect(self, number: int) -> AsyncIterator[int]:
        self.opened += 1
        yield number
        await self.fetch(number)

    def connection(self, number: int) -> Stream[int]:
        return Stream(lambda: self.connect(number))

    def answer(self, number: int) -> Stream[int]:
        async def ask() -> list[int]:
            return [await self.fetch(number)]

        return Stream(ask)


WAYS: dict[str, Callable[[Line], Stream[Any]]] = {
    "merge": lambda line: merge(*map(line.connection, range(8))),
    "map": lambda line: Stream(range(8)).map(line.fetch, concurrency=8),
    "map unordered": lambda line: Stream(range(8)).map(line.fetch, concurrency=8, ordered=False),
    "filter": lambda line: Stream(range(8)).filter(line.fetch, concurrency=8),
    "map ahead": lambda line: Stream(range(8)).map(line.fetch, concurrency=8, ahead=0),
    "flat_map": lambda line: Stream(range(8)).flat_map(line.connection, concurrency=8),
    "flat_map of calls": lambda line: Stream(range(8)).flat_map(line.answer, concurrency=8),
    "zip": lambda line: anystream.zip(*map(line.connection, range(8))),
    "combine_latest": lambda line: combine_latest(*map(line.connection, range(8))),
    "race": lambda line: race(*map(line.answer, range(8))),
    "with_latest_from": lambda line: line.connection(0).with_latest_from(line.connection(1)),
    "concurrently": lambda line: line.connection(0).concurrently(line.connection(1)),
    "take_until": lambda line: line.connection(0).take_until(line.answer(1)),
    "skip_until": lambda line: line.connection(0).skip_until(line.answer(1)),
    "pause_while": lambda line: line.connection(0).pause_while(line.answer(1)),
    "source and calls": lambda line: line.connection(0).map(line.fetch, concurrency=8),
    "nested": lambda line: merge(
        merge(*map(line.connection, range(4))), merge(*map(line.connection, range(4, 8))).buffer(0)
    ),
    "buffers": lambda line: merge(line.connection(0).buffer(2), line.connection(1).delay(0)),
    "switch_map": lambda line: merge(
        Stream([0]).switch_map(line.connection), Stream([1]).map_latest(line.fetch)
    ),
    "group_by": lambda line: merge(line.connection(0).group_by(str), line.connection(1)),
}


async def in_an_outage(line: Line, call: Callable[[], Awaitable[Any]]) -> Any:
    async def cut() -> None:
        await anyio.sleep(1)
        line.cut.set()

    async with anyio.create_task_group() as group:
        group.start_soon(cut)
        try:
            return await call()
        except Exception as error:  # out of the task group, which would put it into another one
            return error


@pytest.mark.parametrize("way", WAYS)
async def test_the_first_error_comes_bare_and_tells_of_the_others(way: str) -> None:
    line = Line()
    error = await in_an_outage(line, WAYS[way](line).drain)
    assert type(error) is ConnectionError
    others = getattr(error, "__siblings__", ())
    assert {type(other) for other in others} <= {ConnectionError}
    assert len({id(each) for each in (error, *others)}) == 1 + len(others)
    notes = [note for note in error.__notes__ if not note.startswith("in ")]
    assert notes == [f"at the same time: {each!r}" for each in others]


@pytest.mark.parametrize("way", ["merge", "map", "map unordered", "flat_map", "zip", "nested"])
async def test_none_is_lost(way: str) -> None:
    line = Line()
    error = await in_an_outage(line, WAYS[way](line).drain)
    assert sorted(each.args[0] for each in (error, *error.__siblings__)) == [*range(8)]


@pytest.mark.parametrize("way", ["map", "filter", "map ahead"])
async def test_the_first_in_order_is_the_error(way: str) -> None:
    line = Line()
    error = await in_an_outage(line, WAYS[way](line).drain)
    assert error.args == (0,)


@pytest.mark.parametrize("way", WAYS)
async def test_the_block_and_for_each(way: str) -> None:
    line = Line()

    async def read() -> None:
        async with WAYS[way](line) as items:
            async for _ in items:
                pass

    assert type(await in_an_outage(line, read)) is ConnectionError
    line = Line()
    call = Stream(range(8)).for_each(line.fetch, concurrency=8)
    assert type(await in_an_outage(line, lambda: call)) is ConnectionError


@pytest.mark.parametrize("way", WAYS)
async def test_an_outage_is_caught(way: str) -> None:
    line = Line()
    caught: list[Exception] = []

    def handler(error: Exception) -> list[Any]:
        caught.append(error)
        return ["mended"]

    stream = WAYS[way](line).catch(handler, ConnectionError)
    assert (await in_an_outage(line, stream.collect))[-1:] == ["mended"]
    assert [type(error) for error in caught] == [ConnectionError]


@pytest.mark.parametrize("way", WAYS)
async def test_an_outage_is_survived(way: str) -> None:
    line = Line()

    def repair(number: int, error: Exception, pause: float) -> None:
        line.repaired = True

    policy = Retry(1, on=ConnectionError, first=1, jitter=False, hook=repair)
    got = await in_an_outage(line, WAYS[way](line).retry(policy).collect)
    assert isinstance(got, list)
    assert line.repaired


IN_A_TASK = pytest.mark.parametrize("task", [False, True], ids=["in the reader", "in a task"])


@IN_A_TASK
@pytest.mark.parametrize("bug", [0, 3, 7])
@pytest.mark.parametrize("way", ["merge", "map", "map unordered", "flat_map", "zip", "nested"])
async def test_a_bug_does_not_hide_behind_an_outage(way: str, bug: int, task: bool) -> None:
    line = Line({bug: TypeError})
    for stream in (
        WAYS[way](line).catch(lambda error: [], ConnectionError),
        WAYS[way](line).retry(Retry(on=ConnectionError)),
        WAYS[way](line).retry(Retry(on=lambda error: isinstance(error, ConnectionError))),
    ):
        line.cut = anyio.Event()
        error = await in_an_outage(line, (stream.buffer(0) if task else stream).drain)
        assert type(error) is TypeError
        assert ConnectionError in {type(other) for other in error.__siblings__}


@IN_A_TASK
async def test_a_bug_does_not_hide_behind_an_outage_that_waits_for_its_turn(task: bool) -> None:
    """The first call to fail waits for the one before it."""

    line = Line({3: TypeError})

    async def call(number: int) -> int:
        if number == 0:
            await anyio.sleep(3)
            return 0
        return await line.fetch(number)

    stream = Stream(range(4)).map(call, concurrency=4).catch(lambda error: [], ConnectionError)
    error = await in_an_outage(line, (stream.buffer(0) if task else stream).drain)
    assert type(error) is TypeError


async def test_timeouts_at_one_instant() -> None:
    async def fetch(number: int) -> None:
        with anyio.fail_after(1):
            await anyio.sleep(10)

    for ordered in (True, False):
        stream = Stream(range(8)).map(fetch, concurrency=8, ordered=ordered)
        with pytest.raises(TimeoutError):
            await stream.drain()
        assert await stream.catch(lambda error: [1], TimeoutError).collect() == [1]


@ON_ASYNCIO
async def test_timeouts_of_asyncio_at_one_instant() -> None:
    """The task of the second one is interrupted when the timeout has cancelled it already."""

    async def fetch(number: int) -> None:
        async with asyncio.timeout(1):
            await anyio.sleep(10)

    for ordered in (True, False):
        stream = Stream(range(8)).map(fetch, concurrency=8, ordered=ordered)
        with pytest.raises(TimeoutError) as caught:
            await stream.drain()
        assert len(caught.value.__siblings__) == 7  # type: ignore[attr-defined]
        assert await stream.catch(lambda error: [1], TimeoutError).collect() == [1]


async def test_an_error_of_a_cleanup_comes_in_a_group() -> None:
    async def failing() -> AsyncIterator[int]:
        await anyio.sleep(1)
        yield 0
        raise ConnectionError

    async def bad_close() -> AsyncIterator[int]:
        try:
            await anyio.sleep(10)
            yield 1
        finally:
            raise OSError("close failed")

    with pytest.raises(ExceptionGroup, match="and so did its cleanup") as caught:
        await merge(failing(), bad_close()).retry(Retry(on=OSError)).drain()
    assert [type(error) for error in caught.value.exceptions] == [ConnectionError, OSError]


async def test_an_early_failure_of_a_later_item_is_dropped() -> None:
    async def call(number: int) -> int:
        await anyio.sleep(5 - number)
        raise (ConnectionError if number == 0 else TypeError)(number)

    with pytest.raises(ConnectionError) as caught:
        await Stream(range(4)).map(call, concurrency=4).drain()
    assert not hasattr(caught.value, "__siblings__")
    stream = Stream(range(4)).map(call, concurrency=4).catch(lambda error: [7], ConnectionError)
    assert await stream.collect() == [7]


async def test_an_error_that_allows_no_attributes_tells_of_others_too() -> None:
    class Frozen(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(name)

    line = Line(dict.fromkeys(range(8), Frozen))
    error = await in_an_outage(line, WAYS["merge"](line).drain)
    assert type(error) is Frozen
    assert len(error.__siblings__) == len(error.__notes__[1:]) == 7


def calls_to_attach(count: int) -> int:
    """How many functions of Python are called, or continued, to attach errors one by one."""
    error, calls = ValueError(), 0

    def see(frame: FrameType, event: str, arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(see)
    try:
        for number in range(count):
            attach(error, (ValueError(number),))
    finally:
        sys.setprofile(None)
    assert [str(each) for each in siblings(error)] == [*map(str, range(count))]
    return calls


def test_each_of_many_errors_costs_the_same() -> None:
    before = sys.getprofile()
    few, many = calls_to_attach(10), calls_to_attach(1000)
    sys.setprofile(before)
    assert many < 200 * few  # and not 10,000: a hundred times as many, and what finalisers call


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_the_first_of_many_errors_have_a_note_and_the_others_are_counted(at_once: int) -> None:
    error = ValueError()
    error.add_note("of the user")
    numbers = iter(range(1000))
    while some := tuple(ValueError(number) for number in islice(numbers, at_once)):
        attach(error, some)
    assert len(siblings(error)) == 1000
    assert error.__notes__ == [
        "of the user",
        *(f"at the same time: ValueError({number})" for number in range(15)),
        "and 985 more errors in __siblings__",
    ]


async def test_a_long_text_of_another_error_is_cut() -> None:
    line = Line()
    line.fetch = partial(fail_at_once, line.cut)  # type: ignore[method-assign]
    error = await in_an_outage(line, WAYS["map"](line).drain)
    assert len(error.__siblings__) == 7
    assert max(map(len, error.__notes__)) < 500


async def fail_at_once(cut: anyio.Event, number: int, *_: Any) -> int:
    await cut.wait()
    raise ValueError("x" * 100_000)


class GivesNone(ConnectionError):
    def __getattr__(self, name: str) -> None:
        return None


class RaisesKeyError(ConnectionError):
    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


class HasNoText(ConnectionError):
    def __repr__(self) -> str:
        raise ValueError


@pytest.mark.parametrize("kind", [GivesNone, RaisesKeyError, HasNoText])
@pytest.mark.parametrize("way", WAYS)
async def test_an_error_with_odd_methods_comes_as_any_other(
    way: str, kind: type[Exception]
) -> None:
    line = Line(dict.fromkeys(range(8), kind))
    error = await in_an_outage(line, WAYS[way](line).drain)
    assert type(error) is kind
    assert any(note.startswith("in ") for note in error.__notes__)


@pytest.mark.parametrize("kind", [GivesNone, RaisesKeyError, HasNoText])
async def test_an_error_with_odd_methods_is_dealt_with(kind: type[Exception]) -> None:
    def fail(_: int) -> int:
        raise kind

    for stream in (Stream([1]), Stream([1]).buffer(5)):
        assert await stream.map(fail).catch(lambda _: [0]).collect() == [0]
        for failing in (stream.map(fail), stream.map(fail, concurrency=2)):
            with pytest.raises(kind):
                await failing.retry(Retry(1, first=0)).buffer(2).collect()


# -- what was read ahead --------------------------------------------------------------------


async def failing_after(*items: int, pause: float) -> AsyncIterator[int]:
    for item in items:
        yield item
    await anyio.sleep(pause)
    raise ConnectionError


@pytest.mark.parametrize("pause", [0, 0.5, 1])
async def test_what_was_read_ahead_and_never_reached_is_dropped(pause: float) -> None:
    """The same before the reader leaves and at that very instant."""
    async with Stream(lambda: failing_after(1, 2, pause=pause)).buffer(5) as items:
        assert await anext(items) == 1
        await anyio.sleep(1)


@pytest.mark.parametrize("pause", [0, 0.5])
async def test_what_was_never_reached_is_attached_to_what_is_raised(pause: float) -> None:
    with pytest.raises(KeyError) as caught:
        async with Stream(lambda: failing_after(1, 2, pause=pause)).buffer(5) as items:
            assert await anext(items) == 1
            await anyio.sleep(1)
            raise KeyError
    assert [type(error) for error in caught.value.__siblings__] == [ConnectionError]  # type: ignore[attr-defined]


async def test_a_background_that_fails_first_is_told_of_by_a_cleanup() -> None:
    async def bad_close() -> AsyncIterator[int]:
        try:
            for n in range(9):
                yield n
                await anyio.sleep(0.4)
        finally:
            raise OSError("close failed")

    stream = Stream(bad_close).concurrently(failing_after(pause=0.5)).buffer(5)
    with pytest.raises(OSError, match="close failed"):
        async with stream as items:
            assert await anext(items) == 0
            await anyio.sleep(1)


# -- over sockets ---------------------------------------------------------------------------

GONE = (OSError, anyio.BrokenResourceError)  # the connection is reset, or cannot be made
RESET = struct.pack("ii", 1, 0)


class Exchange:
    """A server that resets its first connections, all at once, and serves those after them."""

    def __init__(self, listener: socket.socket, first: int) -> None:
        self.listener = listener
        self.first = first
        self.accepted = 0

    def connect(self) -> Awaitable[anyio.abc.SocketStream]:
        host, port = self.listener.getsockname()
        return anyio.connect_tcp(host, port)

    async def serve(self) -> None:
        held: list[socket.socket] = []
        while True:
            await anyio.wait_readable(self.listener)
            connection, _ = self.listener.accept()
            self.accepted += 1
            connection.sendall(b"up\n")
            if self.accepted > self.first:
                connection.close()
                continue
            held.append(connection)
            if self.accepted == self.first:
                for each in held:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    each.close()


async def at_an_exchange(count: int, read: Callable[[Stream[str]], Awaitable[Any]]) -> Any:
    """What `read` makes of as many connections, and how many were accepted, all told."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        exchange = Exchange(listener, count)
        async with anyio.create_task_group() as group:
            group.start_soon(exchange.serve)
            lines = merge(*[net.lines(exchange.connect) for _ in range(count)])
            try:
                result = await read(lines)
            except Exception as error:  # out of the task group, which would put it into another one
                result = error
            group.cancel_scope.cancel()
    return result, exchange.accepted


@pytest.mark.real_time
@pytest.mark.parametrize("count", [2, 8])
async def test_a_reset_of_all_connections_is_one_error(count: int) -> None:
    error, accepted = await at_an_exchange(count, Stream.drain)
    assert isinstance(error, GONE)
    assert accepted == count


@pytest.mark.real_time
@pytest.mark.parametrize("count", [2, 8])
async def test_a_reset_of_all_connections_is_survived(count: int) -> None:
    policy = Retry(3, on=GONE, first=0.001)
    got, accepted = await at_an_exchange(count, lambda lines: lines.retry(policy).collect())
    assert isinstance(got, list)
    assert set(got) == {"up"}
    assert count <= len(got) <= 2 * count  # what came before the reset may have been read
    assert accepted == 2 * count
