"""Streams that something else ends, starts or holds up: take_until, skip_until, pause_while.

When they give which item is drawn in docs/time.md, and checked by the timelines there.
"""

import asyncio
import gc
import multiprocessing
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from timed import at_once

from anystream import (
    CleanupTimeoutError,
    Stream,
    StreamConsumedError,
    async_range,
    chain,
    merge,
    poll,
    ticker,
)
from anystream.testing import TrackedSource, assert_marbles, marbles

INF = float("inf")
WRONG: Any = object()
EMPTY: Stream[str] = Stream([])
NAMES = ("take_until", "skip_until")
BOTH = pytest.mark.parametrize("name", NAMES)
ALL = pytest.mark.parametrize("name", [*NAMES, "pause_while"])


def with_trigger(name: str, source: Stream[Any], trigger: Any) -> Stream[Any]:
    stream: Stream[Any] = getattr(source, name)(trigger)
    return stream


def seconds(n: int = 6) -> Stream[int]:
    """0 after one second, 1 after two, and so on."""
    return async_range(n, delay=1)


def wanted(name: str, time: int, n: int = 6) -> list[int]:
    """What comes of `seconds(n)` with a trigger after so many seconds, and a half."""
    return [*range(time)] if name == "take_until" else [*range(time, n)]


async def after(time: float, error: BaseException | None = None) -> str:
    await anyio.sleep(time)
    if error is not None:
        raise error
    return "trigger"


class Later:
    """An awaitable that is no coroutine, and can be awaited again and again."""

    def __init__(self, time: float) -> None:
        self.time = time

    def __await__(self) -> Generator[Any, Any, str]:
        return after(self.time).__await__()


class Flag:
    """An event of somebody else's."""

    def __init__(self, time: float) -> None:
        self.time = time

    def is_set(self) -> bool:
        return False

    def wait(self) -> Awaitable[object]:
        return anyio.sleep(self.time)


async def one_at(time: float) -> AsyncIterator[str]:
    await anyio.sleep(time)
    yield "trigger"


TRIGGERS: dict[str, Callable[[float], Any]] = {
    "seconds": lambda time: time,
    "whole seconds": lambda time: int(time + 1),
    "coroutine": after,
    "awaitable": Later,
    "event": Flag,
    "generator": one_at,
    "stream": lambda time: Stream(lambda: one_at(time)),
    "stream with tasks": lambda time: Stream(lambda: one_at(time)).buffer(1).map(str, ahead=1),
    "ticker": ticker,
}

# -- arguments ------------------------------------------------------------------------------


@BOTH
def test_refuses_what_is_no_trigger(name: str) -> None:
    text = "^trigger must be a number of seconds, an event, an awaitable or a stream, got "
    half = SimpleNamespace(is_set=lambda: True)  # of an event
    for wrong in (None, "1", True, WRONG, [1], print, 1j, half):
        with pytest.raises(TypeError, match=text):
            with_trigger(name, async_range(3), wrong)


def test_a_pause_needs_a_stream() -> None:
    for wrong in (None, 1, Flag(1)):
        with pytest.raises(TypeError, match=r"^trigger must be a stream, an async iterable or an"):
            with_trigger("pause_while", async_range(3), wrong)


def test_repr_is_the_call_as_it_was_written() -> None:
    for stream, text in [
        (async_range(3).skip_until(ticker(2)), "skip_until(ticker(2))"),
        (async_range(3).skip_until(EMPTY.buffer(1)), "skip_until(Stream([]).buffer(1))"),
        (async_range(3).pause_while(EMPTY.map(str)), "pause_while(Stream([]).map(str))"),
    ]:
        assert repr(stream) == f"async_range(3).{text}"
    flag = Flag(1)
    assert repr(async_range(3).take_until(flag)).startswith("async_range(3).take_until(<test_trig")


# -- forms of a trigger ---------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("make", TRIGGERS.values(), ids=TRIGGERS.keys())
async def test_each_form_of_a_trigger(name: str, make: Callable[[float], Any]) -> None:
    assert await with_trigger(name, seconds(), make(3.5)).collect() == wanted(name, 3)


@BOTH
@pytest.mark.parametrize("make", TRIGGERS.values(), ids=TRIGGERS.keys())
async def test_the_stream_may_end_or_be_left_before_the_trigger(
    name: str, make: Callable[[float], Any]
) -> None:
    await with_trigger(name, seconds(2), make(60)).collect()
    async with with_trigger(name, seconds(), make(60)) as items:
        with anyio.move_on_after(1.5):
            await anext(items)
            await anext(items)


@BOTH
async def test_an_event_that_is_set_by_somebody(name: str) -> None:
    event = anyio.Event()
    got: list[int] = []

    async def read() -> None:
        got.extend(await with_trigger(name, seconds(), event).collect())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.sleep(3.5)
        event.set()
    assert got == wanted(name, 3)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_an_event_and_a_future_of_asyncio() -> None:
    loop = asyncio.get_running_loop()
    event, future = asyncio.Event(), loop.create_future()
    loop.call_later(3.5, event.set)
    loop.call_later(3.5, future.set_result, None)
    assert await seconds().take_until(event).collect() == [0, 1, 2]
    assert await seconds().take_until(event).collect() == []
    assert await seconds().skip_until(future).collect() == [*range(6)]


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_an_event_of_trio() -> None:
    import trio

    event = trio.Event()

    async def set_later() -> None:
        await trio.sleep(3.5)
        event.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(set_later)
        assert await seconds().take_until(event).collect() == [0, 1, 2]
        assert await seconds().take_until(event).collect() == []


def that_is_set() -> anyio.Event:
    event = anyio.Event()
    event.set()
    return event


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("make", [that_is_set, int], ids=["event", "time"])
async def test_of_a_trigger_that_has_come_already(make: Callable[[], Any], turn: int) -> None:
    """Nothing comes before it, so that the source is not even asked."""
    source = TrackedSource(range(3))
    for kind in (source.iterator, source.generator):
        assert await Stream(kind).take_until(make()).collect() == []
        assert source.steps == 0
        assert source.open_runs == 0
    assert await Stream(source.iterator).skip_until(make()).collect() == [0, 1, 2]


@pytest.mark.parametrize("turn", range(8))
async def test_a_total_that_comes_before_all_items_comes_at_the_instant_of_the_opening(
    turn: int,
) -> None:
    """Nobody has to wait for it, but it comes no earlier than a trigger of that instant."""
    totals = Stream([1, 2]).accumulate(initial=0)
    event = anyio.Event()
    event.set()
    for trigger in (0, event, Stream("t"), async_range(1), marbles("t|")):
        assert await totals.take_until(trigger).collect() == []
        assert await totals.skip_until(trigger).collect() == [0, 1, 3]


async def test_seconds_count_from_the_opening() -> None:
    stream = seconds().take_until(3.5)
    for _ in range(2):
        await anyio.sleep(10)
        assert await stream.collect() == [0, 1, 2]


@BOTH
async def test_an_awaitable_can_be_used_once(name: str) -> None:
    for awaitable in (after(3.5), Later(3.5)):
        stream = with_trigger(name, seconds(), awaitable)
        assert await stream.collect() == wanted(name, 3)
        with pytest.raises(StreamConsumedError, match="can be read only once, and has been opened"):
            await stream.collect()
        source = TrackedSource(range(3))
        with pytest.raises(StreamConsumedError):
            await with_trigger(name, Stream(source.iterator), stream).collect()
        assert source.open_runs == 0


@BOTH
async def test_a_coroutine_that_has_never_begun_is_closed(name: str) -> None:
    """Else Python would warn of it."""
    async with with_trigger(name, EMPTY, after(3)):
        pass
    used = Stream(after_nothing())
    assert await used.collect() == []
    with pytest.raises(StreamConsumedError):
        await with_trigger(name, used, after(3)).collect()
    gc.collect()


async def after_nothing() -> AsyncIterator[int]:
    for n in ():
        yield n


# -- errors ---------------------------------------------------------------------------------


def failing(time: float, error: Exception) -> Stream[str]:
    return Stream(TrackedSource("a", pause=time, errors={0: error}).generator)


FAILING: dict[str, Callable[[float, Exception], Any]] = {
    "coroutine": after,
    "generator": failing,
    "chain": lambda time, error: chain(EMPTY, failing(time, error)),
    "tasks": lambda time, error: failing(time, error).buffer(1),
}


@BOTH
@pytest.mark.parametrize("make", FAILING.values(), ids=FAILING.keys())
async def test_an_error_of_the_trigger_is_one_of_the_stream(
    name: str, make: Callable[[float, Exception], Any]
) -> None:
    gone = OSError("gone")
    source = TrackedSource(range(9), pause=1)
    got: list[int] = []
    with pytest.raises(OSError, match="gone") as caught:
        async with with_trigger(name, Stream(source.iterator), make(2.5, gone)) as items:
            async for item in items:
                got.append(item)
    assert caught.value is gone
    assert got == ([0, 1] if name == "take_until" else [])
    assert source.opened == source.closes_finished == 1


@ALL
async def test_an_error_of_the_source(name: str) -> None:
    gone = OSError("gone")
    source = TrackedSource(range(9), pause=1, errors={2: gone})
    trigger = TrackedSource([False], pause=60 if name == "take_until" else 0.5)
    got: list[int] = []
    with pytest.raises(OSError, match="gone") as caught:
        async with with_trigger(name, Stream(source.generator), Stream(trigger.generator)) as items:
            async for item in items:
                got.append(item)
    assert caught.value is gone
    assert got == [0, 1]
    assert source.open_runs == trigger.open_runs == 0


@ALL
async def test_an_error_of_the_body(name: str) -> None:
    source = TrackedSource(range(9), pause=1)
    trigger = TrackedSource([False], pause=60 if name == "take_until" else 0.4)
    with pytest.raises(KeyError, match="body"):
        async with with_trigger(name, Stream(source.generator), Stream(trigger.generator)) as items:
            with anyio.move_on_after(3):
                await anext(items)
            raise KeyError("body")
    assert source.open_runs == trigger.open_runs == 0


@ALL
async def test_cleanups_that_fail_or_hang(name: str) -> None:
    for side in ("source", "trigger"):
        failing = TrackedSource([False] * 3, pause=1, cleanup_error=OSError(side))
        hanging = TrackedSource([False] * 3, pause=1, cleanup=INF)
        fine = TrackedSource([False] * 3, pause=1.5)
        for bad, error in ((failing, OSError), (hanging, CleanupTimeoutError)):
            pair = [Stream(bad.iterator), Stream(fine.iterator)]
            source, trigger = pair if side == "source" else reversed(pair)
            with pytest.raises(error):
                await with_trigger(name, source, trigger).collect()
            assert bad.closes_started
            assert fine.open_runs == 0


# -- what becomes of the two ----------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("kind", ["generator", "iterator"])
async def test_a_trigger_is_asked_once_and_closed_at_once(name: str, kind: str) -> None:
    trigger = TrackedSource(range(9), pause=1.5)
    source = TrackedSource(range(4), pause=1)
    stream = with_trigger(name, Stream(source.iterator), Stream(getattr(trigger, kind)))
    async with stream as items:
        got = [await anext(items)]
        await anyio.sleep(1)
        if name == "take_until":
            with pytest.raises(StopAsyncIteration):
                await anext(items)
        else:
            assert got == [1]
        assert trigger.steps == trigger.closes_finished == 1


async def test_at_the_trigger_the_source_is_closed_though_the_reader_is_busy() -> None:
    source = TrackedSource(range(4), pause=1)
    async with Stream(source.iterator).take_until(3.5) as items:
        assert await anext(items) == 0
        with anyio.move_on_after(0.5):
            await anext(items)
        await anyio.sleep(0.9)
        assert await anext(items) == 1
        await anyio.sleep(1.5)
        assert source.closes_finished == 1
        with pytest.raises(StopAsyncIteration):
            await anext(items)


async def test_what_has_come_before_the_trigger_is_read_after_it() -> None:
    release = anyio.Event()

    async def items_in_time() -> AsyncIterator[str]:
        await release.wait()
        yield "a"
        yield "b"

    async with Stream(items_in_time).take_until(3.5) as items, anyio.create_task_group() as tasks:

        async def read() -> None:
            assert await anext(items) == "a"
            await anyio.sleep(10)
            with pytest.raises(StopAsyncIteration):
                await anext(items)

        tasks.start_soon(read)
        await anyio.sleep(1)
        release.set()


async def test_a_source_that_fails_after_the_trigger_is_not_heard_of() -> None:
    """It has been stopped before."""
    source = TrackedSource("a", pause=5, errors={0: OSError("gone")})
    async with Stream(source.generator).take_until(3) as items:
        with anyio.move_on_after(1):
            await anext(items)
        await anyio.sleep(10)
        assert [item async for item in items] == []
    assert source.steps == source.closes_finished == 1


async def test_only_the_first_item_of_a_trigger_is_looked_at() -> None:
    made: list[int] = []
    trigger = async_range(1000).tap(made.append)
    assert await seconds().skip_until(trigger).collect() == [*range(6)]
    assert made == [0]


async def test_a_trigger_that_never_comes() -> None:
    for never in (EMPTY, Stream(after_nothing), Stream("abc").filter(lambda _: False)):
        assert await seconds(3).take_until(never).collect() == [0, 1, 2]
        assert await seconds(3).skip_until(never).collect() == []
        assert await seconds(3).pause_while(never).collect() == [0, 1, 2]


@ALL
async def test_polling_loses_nothing(name: str) -> None:
    source = TrackedSource(range(5), pause=1)
    trigger: Any = {"take_until": 60, "skip_until": 0.5}.get(name, [True, False])
    got: list[int] = []
    async with with_trigger(name, Stream(source.iterator), trigger) as items:
        while True:
            with anyio.move_on_after(0.3):
                try:
                    got.append(await anext(items))
                except StopAsyncIteration:
                    break
    assert got == [0, 1, 2, 3, 4]


# -- pause_while ----------------------------------------------------------------------------

PAUSED: dict[str, object] = {"t": 1, "f": 0}


async def test_one_item_is_asked_for_in_a_pause() -> None:
    source = TrackedSource(range(5))
    trigger = marbles("(t)--f", values=PAUSED)
    async with Stream(source.iterator).pause_while(trigger) as items:
        with anyio.move_on_after(2):
            await anext(items)
        assert source.steps == 1
        assert [item async for item in items] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("ending", ["|", "#", "f"])
async def test_what_ends_a_pause(ending: str) -> None:
    trigger = marbles("-t---" + ending, values=PAUSED)
    wanted = {"|": "a----b--|", "f": "a----b--|", "#": "a----(b#)"}[ending]
    await assert_marbles(marbles("a-b-----|").pause_while(trigger), wanted)


async def test_an_error_of_the_stream_ends_a_pause_behind_its_item() -> None:
    source = TrackedSource(range(5), pause=1, errors={1: OSError("gone")})
    async with merge(Stream(source.generator), until="any").pause_while(
        chain([True], ticker(60))
    ) as items:
        with anyio.move_on_after(10):
            await anext(items)
            pytest.fail("nothing comes in a pause")
    assert source.open_runs == 0


async def test_the_end_of_the_stream_waits_for_no_pause() -> None:
    trigger = chain([True], ticker(60))
    start = anyio.current_time()
    assert await Stream(after_nothing).pause_while(trigger).collect() == []
    assert anyio.current_time() == start


async def test_what_is_true_is_what_python_thinks_so() -> None:
    class Undecided:
        def __bool__(self) -> bool:
            raise ValueError("neither")

    values: Iterable[object] = ["", "x", 0, [0], None]
    assert await seconds(3).pause_while(values).collect() == [0, 1, 2]
    with pytest.raises(ValueError, match="neither"):
        await seconds(3).pause_while([Undecided()]).collect()


# -- on real clocks -------------------------------------------------------------------------

REAL = {name: TRIGGERS[name] for name in ("seconds", "coroutine", "stream with tasks")}


@pytest.mark.real_time
async def test_each_in_real_time() -> None:
    """With an item long before the trigger, and one long after it."""

    async def check(name: str, make: Callable[[float], Any]) -> None:
        later = 60 if name == "take_until" else 1
        source = Stream("a").chain(Stream("b").tap(lambda _: anyio.sleep(later)))
        start = anyio.current_time()
        got = await with_trigger(name, source, make(0.3)).collect()
        assert got == (["a"] if name == "take_until" else ["b"])
        assert anyio.current_time() - start > 0.25

    await at_once(*(partial(check, name, make) for name in NAMES for make in REAL.values()))


@pytest.mark.real_time
async def test_a_pause_in_real_time() -> None:
    start = anyio.current_time()
    pause = chain([True], ticker(0.2, 1).map(lambda _: False))
    assert await async_range(3).pause_while(pause).collect() == [0, 1, 2]
    assert anyio.current_time() - start > 0.15
    await checkpoint()


@pytest.mark.parametrize(
    "make", [threading.Event, multiprocessing.Event], ids=["threads", "processes"]
)
async def test_an_event_of_threads_has_its_own_way(make: Any) -> None:
    event = make()
    for method in (Stream([1]).take_until, Stream([1]).skip_until):
        with pytest.raises(TypeError, match=r"use poll\(event\.is_set, 0\.1\)\.filter\(None\)$"):
            method(event)
    event.set()
    trigger = poll(event.is_set, 0.1).filter(None)
    assert await ticker(1).take_until(trigger).collect() == []
