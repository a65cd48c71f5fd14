"""Bridges between streams and what is not async, and into anyio's own streams."""

import itertools
import os
import signal
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import closing
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio.streams.stapled import StapledObjectStream
from anyio.streams.text import TextReceiveStream, TextSendStream
from harness import MODES, TrackedSource, every_cut

from anystream import (
    CleanupTimeoutError,
    NeedsTasksError,
    Push,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
    StreamOverflowError,
    async_range,
    chain,
    from_callback,
    from_thread,
    merge,
    to_sync,
)

ITEMS = [3, 0, 1, 2, 5, 4, 7, 1]

Form = Callable[[Stream[int]], Stream[Any]]

FORMS: dict[str, Form] = {
    "no task": lambda s: s,
    "buffer 0": lambda s: s.buffer(0),
    "buffer 3": lambda s: s.buffer(3),
    "merge": lambda s: merge(s, []),
}
FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
BACKEND = pytest.mark.parametrize("backend", ["asyncio", "trio"])

setting: ContextVar[str] = ContextVar("setting", default="unset")


@pytest.fixture(autouse=True)
def no_event_loop_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if "-portal-" in thread.name]


# -- to_sync ---------------------------------------------------------------------------------------


@BACKEND
@FORM
@pytest.mark.parametrize("pause", [None, 0])
def test_to_sync_gives_the_same_items(form: Form, backend: str, pause: float | None) -> None:
    source = TrackedSource(ITEMS, pause=pause)
    with to_sync(form(Stream(source.generator)), backend) as items:
        assert list(items) == ITEMS
        assert list(items) == []
        with pytest.raises(StopIteration):
            next(items)
    with pytest.raises(StopIteration):
        next(items)
    assert source.opened == source.closes_finished == 1


@BACKEND
def test_to_sync_of_many_items(backend: str) -> None:
    with to_sync(async_range(30_000).map(str), backend) as items:
        assert list(items) == [*map(str, range(30_000))]


def test_to_sync_takes_what_a_stream_takes() -> None:
    with to_sync(iter("abc")) as items:
        assert [*items] == ["a", "b", "c"]
    with to_sync(TrackedSource(ITEMS).generator(), "trio") as items:
        assert [*items] == ITEMS


@BACKEND
@FORM
def test_leaving_a_block_early_closes_with_the_cleanup_complete(form: Form, backend: str) -> None:
    for length in range(len(ITEMS) + 1):
        source = TrackedSource(ITEMS, cleanup=0.001)
        with to_sync(form(Stream(source.iterator)), backend) as items:
            assert [next(items) for _ in range(length)] == ITEMS[:length]
        assert source.opened == source.closes_started == source.closes_finished <= 1
        assert source.stepped_by in (set(), {*source.closed_by})
        if length < len(ITEMS):
            with pytest.raises(StreamClosedError, match=r"inside of `with to_sync\("):
                next(items)


@BACKEND
@FORM
def test_an_error_of_the_source_comes_to_the_thread_at_its_place(form: Form, backend: str) -> None:
    for index in range(len(ITEMS) + 1):
        error = OSError(index)
        source = TrackedSource(ITEMS, errors={index: error})
        got: list[int] = []
        with to_sync(form(Stream(source.generator)), backend) as items:
            with pytest.raises(OSError, match=str(index)) as caught:
                got.extend(items)
            assert caught.value is error
            assert error.__context__ is None
            assert [*items] == []
        assert got == ITEMS[:index]
        assert source.open_runs == 0


@BACKEND
def test_the_items_before_an_error_come_first(backend: str) -> None:
    def inverse(n: int) -> float:
        return 1 / (5 - n)

    got: list[float] = []
    with (
        pytest.raises(ZeroDivisionError),
        to_sync(async_range(10).map(inverse), backend) as items,
    ):
        got.extend(items)
        raise AssertionError("this must not run")
    assert got == [*map(inverse, range(5))]


@BACKEND
@FORM
@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, StopIteration])
def test_an_error_of_the_block_comes_out_bare(
    form: Form, backend: str, kind: type[BaseException]
) -> None:
    source = TrackedSource(ITEMS, cleanup=0.001)
    error = kind("body")
    with (
        pytest.raises(kind) as caught,
        to_sync(form(Stream(source.generator)), backend) as items,
    ):
        next(items)
        raise error
    assert caught.value is error
    assert error.__context__ is None
    assert source.opened == source.closes_finished == 1


@BACKEND
def test_an_error_of_the_cleanup_comes_at_the_end_of_the_block(backend: str) -> None:
    source = TrackedSource(ITEMS, cleanup_error=OSError("cleanup"))
    with (
        pytest.raises(OSError, match="cleanup"),
        to_sync(Stream(source.generator), backend) as items,
    ):
        next(items)
    with (
        pytest.RaisesGroup(KeyError, OSError),
        to_sync(Stream(source.generator), backend) as items,
    ):
        next(items)
        raise KeyError


@BACKEND
def test_a_cleanup_that_hangs_does_not_hold_the_thread(backend: str) -> None:
    source = TrackedSource(ITEMS, cleanup=float("inf"))
    with (
        pytest.raises(CleanupTimeoutError),
        to_sync(Stream(source.generator), backend) as items,
    ):
        next(items)


def interrupt_soon(go: threading.Event) -> threading.Thread:
    def interrupt() -> None:
        go.wait()
        time.sleep(0.02)  # until the main thread waits
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


async def waits(
    reached: threading.Event, go_on: threading.Event, *errors: Exception
) -> AsyncGenerator[int, None]:
    yield 1
    try:
        reached.set()
        while not go_on.is_set():  # noqa: ASYNC110  # another thread sets it
            await anyio.sleep(0.001)
        yield 2
        reached.set()
        yield 3
    finally:
        for error in errors:
            raise error


@BACKEND
@FORM
def test_a_keyboard_interrupt_while_waiting_for_an_item(form: Form, backend: str) -> None:
    reached, never = threading.Event(), threading.Event()
    thread = interrupt_soon(reached)
    with (
        pytest.raises(KeyboardInterrupt),
        to_sync(form(Stream(lambda: waits(reached, never))), backend) as items,
    ):
        for _ in items:
            pass
    thread.join()


@BACKEND
@FORM
def test_an_interrupted_step_may_be_repeated(form: Form, backend: str) -> None:
    reached, go_on = threading.Event(), threading.Event()
    thread = interrupt_soon(reached)
    with to_sync(form(Stream(lambda: waits(reached, go_on))), backend) as items:
        assert next(items) == 1
        with pytest.raises(KeyboardInterrupt):
            next(items)
        go_on.set()
        reached.clear()
        assert next(items) == 2
        time.sleep(0.01)
        if "buffer(3)" not in repr(items):
            assert not reached.is_set()  # it has not been asked for more
        assert [*items] == [3]
    thread.join()


@BACKEND
def test_an_error_of_a_step_that_leaving_has_interrupted(backend: str) -> None:
    reached, never = threading.Event(), threading.Event()
    thread = interrupt_soon(reached)
    with (
        pytest.RaisesGroup(KeyboardInterrupt, OSError),
        to_sync(Stream(lambda: waits(reached, never, OSError("step"))), backend) as items,
    ):
        for _ in items:
            pass
    thread.join()


@BACKEND
@FORM
def test_leaving_while_another_thread_waits_for_an_item(form: Form, backend: str) -> None:
    reached, never = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def read(items: Iterator[int]) -> None:
        try:
            for _ in items:
                pass
        except BaseException as exc:
            errors.append(exc)

    with to_sync(form(Stream(lambda: waits(reached, never))), backend) as items:
        threads = [threading.Thread(target=read, args=[items]) for _ in range(3)]
        for thread in threads:
            thread.start()
        reached.wait()
    for thread in threads:
        thread.join()
    assert [*map(type, errors)] == [StreamClosedError] * 3


@BACKEND
def test_threads_share_the_items(backend: str) -> None:
    got: list[int] = []
    with to_sync(async_range(20_000), backend) as items:
        threads = [threading.Thread(target=lambda: got.extend(items)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(got) == [*range(20_000)]


def test_an_opening_for_threads_has_one_block() -> None:
    sync: Any = to_sync(async_range(3))
    with pytest.raises(StreamClosedError, match=r"inside of `with to_sync\(async_range\(3\)\) as"):
        for _ in sync:
            pass
    with sync as items:
        assert next(items) == 0
        with (
            pytest.raises(StreamConsumedError, match="call to_sync again"),
            sync,
        ):
            pass
        assert [*items] == [1, 2]
    with pytest.raises(StreamConsumedError), sync:
        pass


@BACKEND
def test_an_opening_that_fails(backend: str) -> None:
    stream = Stream(iter(ITEMS))
    with to_sync(stream, backend) as items:
        assert [*items] == ITEMS
    with (
        pytest.raises(StreamConsumedError, match="only once"),
        to_sync(stream, backend),
    ):
        raise AssertionError("this must not run")


@BACKEND
def test_a_function_of_the_stream_cannot_iterate_it(backend: str) -> None:
    sync: list[Iterator[int]] = []
    with (
        pytest.raises(StreamBusyError, match="what runs in it"),
        to_sync(async_range(3).map(lambda n: next(sync[0])), backend) as items,
    ):
        sync.append(items)
        next(items)


@BACKEND
@FORM
def test_the_stream_sees_the_context_of_the_thread_that_enters(form: Form, backend: str) -> None:
    token = setting.set("mine")
    try:
        with to_sync(form(async_range(2)).map(lambda _: setting.get()), backend) as items:
            setting.set("later")
            assert [*items] == ["mine", "mine"]
    finally:
        setting.reset(token)


@BACKEND
def test_no_more_than_a_millisecond_is_read_ahead(backend: str) -> None:
    calls: list[int] = []

    def slow(n: int) -> int:
        calls.append(n)
        time.sleep(0.002)
        return n

    with to_sync(async_range(100).map(slow), backend) as items:
        for n in items:
            assert len(calls) <= n + 2  # an item, and the next one before the clock is read
            if n == 10:
                break
    calls.clear()
    with to_sync(async_range(100).buffer(0).map(slow), backend) as items:
        for n in items:
            assert len(calls) == n + 1
            if n == 10:
                break


@BACKEND
def test_what_is_there_comes_over_in_one_go(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A millisecond is ten looks at the clock here, and there are four between two pairs."""
    monkeypatch.setattr("anystream._batches.clock", partial(next, itertools.count(0, 0.0001)))
    sync: Any = to_sync(async_range(100), backend)
    asked = 0
    ask = sync.ask

    def count() -> None:
        nonlocal asked
        asked += 1
        ask()

    sync.ask = count
    with sync as items:
        assert [*items] == [*range(100)]
    assert 10 < asked < 40


@BACKEND
def test_a_cancellation_from_within_is_no_end(backend: str) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        yield 1
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.sleep(1)
            except anyio.get_cancelled_exc_class() as exc:
                cancellation = exc
        raise cancellation

    got: list[int] = []
    with to_sync(Stream(numbers), backend) as items:
        with pytest.raises(StreamInterruptedError, match="something cancelled a step"):
            got.extend(items)
        assert [*items] == []
    assert got == [1]


def test_an_event_loop_that_ends_by_itself() -> None:
    import asyncio

    source = TrackedSource(ITEMS, cleanup=0.001)

    def stop(n: int) -> int:
        asyncio.get_running_loop().stop()
        return n

    with (
        to_sync(Stream(source.generator).map(stop), "asyncio") as items,
        pytest.raises((StreamInterruptedError, StreamClosedError)),
    ):
        while True:
            assert next(items) in ITEMS
    assert source.open_runs == 0


def test_bad_arguments_of_to_sync() -> None:
    with pytest.raises(TypeError, match="source must be"):
        to_sync(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="backend must be one of 'asyncio', 'trio'"):
        to_sync([1], "curio")
    with (
        pytest.raises(TypeError, match="unexpected keyword"),
        to_sync([1], "trio", {"nonsense": 1}),
    ):
        raise AssertionError("this must not run")


# -- from_thread -----------------------------------------------------------------------------------


class Blocking:
    """Makes generators over the same items that are to be read in one thread, and watches them."""

    def __init__(
        self,
        items: Any = ITEMS,
        *,
        errors: dict[int, BaseException] | None = None,
        cleanup_error: BaseException | None = None,
    ) -> None:
        self.items = list(items)
        self.errors = errors or {}
        self.cleanup_error = cleanup_error
        self.blocks: dict[int, threading.Event] = {}  # before the item of an index
        self.blocked = threading.Event()
        self.steps = 0
        self.opened = self.closed = 0
        self.threads: set[int] = set()

    def generator(self) -> Generator[int, None, None]:
        self.opened += 1
        self.threads.add(threading.get_ident())
        try:
            for index in range(len(self.items) + 1):
                self.steps += 1
                self.threads.add(threading.get_ident())
                if index in self.blocks:
                    self.blocked.set()
                    self.blocks[index].wait()
                if index in self.errors:
                    raise self.errors[index]
                if index < len(self.items):
                    yield self.items[index]
        finally:
            self.threads.add(threading.get_ident())
            self.closed += 1
            if self.cleanup_error is not None:
                raise self.cleanup_error

    async def is_blocked(self) -> None:
        await anyio.to_thread.run_sync(self.blocked.wait)


BUFFER = pytest.mark.parametrize("buffer", [0, 1, 3, 100])


@BUFFER
async def test_from_thread_gives_the_same_items(buffer: int) -> None:
    source = Blocking()
    stream = from_thread(source.generator, buffer=buffer)
    for _ in range(2):
        assert await stream.collect() == ITEMS
        assert source.threads.isdisjoint({threading.get_ident()})
        assert len(source.threads) == 1
        source.threads.clear()
    assert source.opened == source.closed == 2
    async with from_thread(ITEMS, buffer=buffer).map(str) as items:
        assert [item async for item in items] == [*map(str, ITEMS)]
        with pytest.raises(StopAsyncIteration):
            await anext(items)


async def test_from_thread_of_many_items() -> None:
    assert await from_thread(range(20_000)).collect() == [*range(20_000)]
    assert await from_thread(range(20_000)).filter(lambda n: n % 2).count() == 10_000


async def test_from_thread_of_nothing() -> None:
    assert await from_thread([]).collect() == []
    async with from_thread(ITEMS):
        pass


async def test_from_thread_of_an_object_that_belongs_to_one_thread() -> None:
    def rows() -> Iterator[Any]:
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("create table numbers (n integer)")
            database.executemany("insert into numbers values (?)", [(n,) for n in ITEMS])
            yield from database.execute("select n from numbers order by n")

    numbers = [n for (n,) in await from_thread(rows, buffer=2).collect()]
    assert numbers == sorted(ITEMS)
    async with from_thread(rows, buffer=2) as items:
        assert await anext(items) == (0,)


async def test_an_iterator_can_be_read_once_and_is_taken_over() -> None:
    source = Blocking()
    stream = from_thread(source.generator())
    async with stream as items:
        assert await anext(items) == ITEMS[0]
    assert source.closed == 1
    with pytest.raises(StreamConsumedError, match="only once"):
        await stream.collect()


async def test_a_generator_that_was_handed_over_is_closed_in_a_thread_though_never_started() -> (
    None
):
    source = Blocking()
    generator = source.generator()
    next(generator)
    assert source.threads == {threading.get_ident()}
    source.threads.clear()
    consumed = Stream(iter([1]))
    await consumed.drain()
    with pytest.raises(StreamConsumedError):
        async with merge(from_thread(generator), from_thread(iter([])), consumed):
            raise AssertionError("this must not run")
    assert source.closed == 1
    assert source.threads.isdisjoint({threading.get_ident()})


@BUFFER
async def test_leaving_early_closes_the_generator_in_its_thread(buffer: int) -> None:
    for length in range(len(ITEMS) + 1):
        source = Blocking()
        async with from_thread(source.generator, buffer=buffer) as items:
            assert [await anext(items) for _ in range(length)] == ITEMS[:length]
        assert source.opened == source.closed <= 1
        assert len(source.threads) <= 1


@BUFFER
async def test_an_error_in_the_thread_keeps_its_place(buffer: int) -> None:
    for index in range(len(ITEMS) + 1):
        error = OSError(index)
        source = Blocking(errors={index: error})
        got: list[int] = []
        async with from_thread(source.generator, buffer=buffer) as items:
            with pytest.raises(OSError, match=str(index)) as caught:
                async for item in items:
                    got.append(item)
            with pytest.raises(StopAsyncIteration):
                await anext(items)
        assert caught.value is error
        assert got == ITEMS[:index]
        assert source.closed == 1


async def test_stop_iteration_in_the_thread_is_an_error_unless_it_is_the_end() -> None:
    def stop() -> Any:
        raise StopIteration

    def numbers() -> Iterator[int]:
        yield 1
        stop()

    for function, items in ((stop, []), (numbers, [1])):
        got: list[int] = []
        with pytest.raises(RuntimeError, match="StopIteration"):
            async with from_thread(function) as stream:
                async for item in stream:
                    got.append(item)
        assert got == items


async def test_a_keyboard_interrupt_in_the_thread_comes_to_the_reader() -> None:
    source = Blocking(errors={2: KeyboardInterrupt()})
    got: list[int] = []
    async with from_thread(source.generator) as items:
        with pytest.raises(KeyboardInterrupt):
            async for item in items:
                got.append(item)
    assert got == ITEMS[:2]


async def test_an_error_of_the_body_comes_out_bare() -> None:
    source = Blocking()
    error = KeyError("body")
    with pytest.raises(KeyError) as caught:
        async with from_thread(source.generator) as items:
            await anext(items)
            raise error
    assert caught.value is error
    assert error.__context__ is None
    assert source.closed == 1


@BUFFER
async def test_an_error_of_the_generators_cleanup(buffer: int) -> None:
    source = Blocking(range(200), cleanup_error=OSError("cleanup"))
    with pytest.raises(OSError, match="cleanup"):
        async with from_thread(source.generator, buffer=buffer) as items:
            await anext(items)
    with pytest.RaisesGroup(KeyError, OSError):
        async with from_thread(source.generator, buffer=buffer) as items:
            await anext(items)
            raise KeyError
    with pytest.raises(OSError, match="cleanup"):
        await from_thread(source.generator, buffer=buffer).drain()
    with pytest.raises(OSError, match="cleanup"):
        async with from_thread(source.generator(), buffer=buffer) as items:
            await anext(items)


async def test_an_error_of_the_thread_and_one_of_its_cleanup() -> None:
    class Both(Generator[int, None, None]):
        def send(self, value: object) -> int:
            raise OSError("step")

        def throw(self, *args: Any) -> int:
            raise args[0]

        def close(self) -> None:
            raise OSError("cleanup")

    with pytest.RaisesGroup(
        pytest.RaisesExc(OSError, match="step"), pytest.RaisesExc(OSError, match="cleanup")
    ):
        await from_thread(Both).drain()


@BUFFER
async def test_the_thread_is_at_most_its_buffer_ahead(buffer: int) -> None:
    source = Blocking(range(30))
    async with from_thread(source.generator, buffer=buffer) as items:
        for read in range(1, 20):
            await anext(items)
            assert source.steps <= read + buffer
            if read % 5 == 0:
                time.sleep(0.002)  # noqa: ASYNC251  # the thread may go on, and nobody reads
                assert source.steps <= read + buffer


@pytest.mark.parametrize("buffer", [1, 3, 7])
async def test_the_thread_reads_ahead_as_far_as_it_may(buffer: int) -> None:
    source = Blocking(range(30))
    async with from_thread(source.generator, buffer=buffer) as items:
        while source.steps < buffer:  # noqa: ASYNC110  # another thread counts
            await anyio.sleep(0.001)
        await anyio.sleep(0.01)
        assert source.steps == buffer
        assert await anext(items) == 0


async def test_items_come_though_the_thread_is_blocked_before_the_next_one() -> None:
    source = Blocking()
    source.blocks[3] = threading.Event()
    async with from_thread(source.generator) as items:
        assert [await anext(items) for _ in range(3)] == ITEMS[:3]
        source.blocks[3].set()
        assert [item async for item in items] == ITEMS[3:]


@pytest.mark.parametrize("buffer", [0, 2])
async def test_h43_a_timed_out_step_over_a_blocked_thread_loses_nothing(buffer: int) -> None:
    source = Blocking()
    source.blocks = {0: threading.Event(), 3: threading.Event()}
    got: list[int] = []
    async with from_thread(source.generator, buffer=buffer) as items:
        for index in (0, 3):
            for _ in range(3):
                with anyio.move_on_after(0.01) as scope:
                    while True:
                        got.append(await anext(items))
                assert scope.cancelled_caught
            assert got == ITEMS[:index]
            source.blocks[index].set()
        got += [item async for item in items]
    assert got == ITEMS
    assert source.closed == 1


@BUFFER
async def test_h43_closing_waits_for_the_item_that_the_thread_is_at(buffer: int) -> None:
    source = Blocking()
    source.blocks[2] = threading.Event()
    async with from_thread(source.generator, buffer=buffer) as items:
        assert [await anext(items) for _ in range(2)] == ITEMS[:2]
        with anyio.move_on_after(0.01):
            await anext(items)
        threading.Timer(0.02, source.blocks[2].set).start()
    assert source.closed == 1
    assert source.steps == 3  # it has not asked for more
    assert len(source.threads) == 1


async def test_h43_a_thread_that_stays_blocked_is_abandoned_after_the_grace() -> None:
    source = Blocking(cleanup_error=OSError("nobody hears of this"))
    source.blocks[1] = threading.Event()
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        async with from_thread(source.generator) as items:
            await anext(items)
            await source.is_blocked()
    assert anyio.current_time() - start >= 1
    assert source.closed == 0
    source.blocks[1].set()
    while not source.closed:  # noqa: ASYNC110  # another thread closes
        await anyio.sleep(0.001)
    assert source.steps == 2
    assert len(source.threads) == 1


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_h43_a_thread_that_outlives_the_event_loop(name: str) -> None:
    source = Blocking()
    source.blocks[1] = threading.Event()

    async def main() -> None:
        async with from_thread(source.generator) as items:
            await anext(items)
            await source.is_blocked()

    with pytest.raises(CleanupTimeoutError):
        anyio.run(main, backend=name)
    source.blocks[1].set()
    while not source.closed:
        time.sleep(0.001)
    assert source.steps == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("buffer", [0, 2])
async def test_from_thread_cancelled_anywhere(mode: Any, buffer: int) -> None:
    for cut in every_cut():
        source = Blocking()
        got: list[int] = []

        async def read(source: Blocking = source, got: list[int] = got) -> None:
            async with from_thread(source.generator, buffer=buffer) as items:
                async for item in items:
                    got.append(item)

        await cut.run(read(), mode)
        assert got == ITEMS[: len(got)]
        assert cut.cancelled or got == ITEMS
        assert source.opened == source.closed
        assert len(source.threads) <= 1


async def test_leaving_while_another_task_is_in_a_function_behind_the_thread() -> None:
    """Nobody reads what the thread has read, but it is told to stop."""
    source = Blocking()

    async def slow(n: int) -> int:
        await anyio.sleep_forever()
        return n

    async with anyio.create_task_group() as tasks:
        with pytest.raises(StreamBusyError):
            async with from_thread(source.generator, buffer=1).map(slow) as items:
                tasks.start_soon(anext, items)
                while source.steps < 2:  # noqa: ASYNC110  # another thread counts
                    await anyio.sleep(0.001)
                await anyio.sleep(0.02)  # until it waits for room
                assert items.pipeline.holds
        assert source.opened == source.closed == 1
        tasks.cancel_scope.cancel()


async def test_a_thread_that_comes_when_all_is_over_reads_nothing() -> None:
    source = Blocking()
    async with from_thread(source.generator) as items:
        box: Any = items.pipeline.bottom
        _, reader, _ = box.pumps[0].body.args
    steps = source.steps
    reader.read()
    assert source.steps == steps


async def test_the_sources_of_a_chain_are_let_go_when_they_have_ended() -> None:
    sources = [Blocking() for _ in range(3)]
    stream = chain(*(from_thread(source.generator()) for source in sources))
    assert await stream.collect() == 3 * ITEMS
    assert [source.closed for source in sources] == [1, 1, 1]


def test_from_thread_needs_tasks() -> None:
    with pytest.raises(NeedsTasksError, match=r"from_thread\(\[1, 2\], buffer=1\) needs tasks"):
        aiter(from_thread([1, 2], buffer=1))


async def test_the_thread_sees_a_copy_of_the_context() -> None:
    def values() -> Iterator[str]:
        yield setting.get()
        setting.set("the thread's")
        yield setting.get()

    token = setting.set("mine")
    stream = from_thread(values)
    assert await stream.collect() == ["mine", "the thread's"]
    assert setting.get() == "mine"
    setting.reset(token)


async def test_from_thread_takes_no_place_of_other_threads() -> None:
    limiter = anyio.to_thread.current_default_thread_limiter()
    async with from_thread(ITEMS) as items:
        await anext(items)
        assert limiter.borrowed_tokens == 0


async def test_bad_arguments_of_from_thread() -> None:
    with pytest.raises(TypeError, match="iterable must be an iterable, or a function"):
        from_thread(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="iterable must be"):
        from_thread(async_range(3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="buffer must be at least 0, got -1"):
        from_thread([1], buffer=-1)
    with pytest.raises(TypeError, match="must return an iterable, got 5"):
        await from_thread(lambda: 5).collect()  # type: ignore[arg-type, return-value]


# -- into and out of anyio's streams ---------------------------------------------------------------


class Target:
    """A send stream that counts."""

    def __init__(
        self, *, fails_at: int | None = None, cleanup: float = 0, error: Exception | None = None
    ) -> None:
        self.sent: list[Any] = []
        self.closing = self.closed = 0
        self.fails_at = fails_at
        self.cleanup = cleanup
        self.error = error

    async def send(self, item: Any) -> None:
        await anyio.sleep(1)
        if len(self.sent) == self.fails_at:
            raise anyio.BrokenResourceError
        self.sent.append(item)

    async def aclose(self) -> None:
        self.closing += 1
        await anyio.sleep(self.cleanup)
        self.closed += 1
        if self.error is not None:
            raise self.error


@FORM
async def test_into_a_memory_object_stream_and_out_of_it(form: Form) -> None:
    send, receive = anyio.create_memory_object_stream[int](2)
    source = TrackedSource(ITEMS)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(form(Stream(source.generator)).into, send)
        assert await Stream(receive).collect() == ITEMS
    assert source.open_runs == 0
    assert receive.statistics().open_send_streams == 0


async def test_into_waits_for_those_who_receive() -> None:
    send, receive = anyio.create_memory_object_stream[int](2)
    source = TrackedSource(ITEMS)
    async with anyio.create_task_group() as tasks, receive:
        tasks.start_soon(Stream(source.iterator).into, send)
        await anyio.sleep(1)
        assert source.steps == 3
        assert await receive.receive() == ITEMS[0]
        await anyio.sleep(1)
        assert source.steps == 4
        tasks.cancel_scope.cancel()


async def test_a_receive_stream_is_closed_by_the_stream_over_it() -> None:
    send, receive = anyio.create_memory_object_stream[int](9)
    for n in range(5):
        send.send_nowait(n)
    with send:
        async with Stream(receive) as items:
            assert await anext(items) == 0
            with anyio.move_on_after(1) as scope:
                for _ in range(5):
                    await anext(items)
            assert scope.cancelled_caught
            send.send_nowait(5)
            assert await anext(items) == 5
        with pytest.raises(anyio.BrokenResourceError):
            await send.send(6)


async def test_through_a_stapled_stream() -> None:
    send, receive = anyio.create_memory_object_stream[int](9)
    both = StapledObjectStream(send, receive)
    await Stream(ITEMS).into(both, close=False)
    await both.send_eof()
    assert await Stream(both).collect() == ITEMS


@pytest.mark.real_time
async def test_through_a_socket() -> None:
    words = ["ah", "be", "ce"] * 3
    got: list[str] = []

    async def serve(connection: Any) -> None:
        await Stream(words).into(TextSendStream(connection))

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        connection = await anyio.connect_tcp("127.0.0.1", port)
        async with Stream(TextReceiveStream(connection)) as texts:
            got = [text async for text in texts]
        with pytest.raises(anyio.ClosedResourceError):
            await connection.receive()
        tasks.cancel_scope.cancel()
    assert "".join(got) == "".join(words)


@pytest.mark.parametrize("close", [True, False])
async def test_into_closes_the_target_unless_told_not_to(close: bool) -> None:
    target = Target()
    await Stream(ITEMS).into(target, close=close)
    assert target.sent == ITEMS
    assert target.closed == close
    with pytest.raises(OSError, match="source"):
        await Stream(TrackedSource(ITEMS, errors={2: OSError("source")}).iterator).into(
            target, close=close
        )
    assert target.sent == ITEMS + ITEMS[:2]
    assert target.closed == 2 * close


@FORM
async def test_into_a_target_that_is_gone(form: Form) -> None:
    source = TrackedSource(ITEMS, cleanup=0.5)
    target = Target(fails_at=3)
    with pytest.raises(anyio.BrokenResourceError):
        await form(Stream(source.generator)).into(target)
    assert target.sent == ITEMS[:3]
    assert source.open_runs == 0
    assert target.closed == 1
    send, receive = anyio.create_memory_object_stream[int](9)
    receive.close()
    with pytest.raises(anyio.BrokenResourceError):
        await form(Stream(source.generator)).into(send)
    with pytest.raises(anyio.ClosedResourceError):
        await form(Stream(source.generator)).into(send)
    assert source.open_runs == 0


async def test_into_closes_the_target_of_a_stream_that_does_not_open() -> None:
    stream = Stream(iter(ITEMS))
    target = Target()
    await stream.drain()
    with pytest.raises(StreamConsumedError):
        await stream.into(target)
    assert target.closed == 1


async def test_into_a_target_that_cannot_be_closed() -> None:
    source = TrackedSource(ITEMS)
    with pytest.raises(OSError, match="close"):
        await Stream(source.generator).into(Target(error=OSError("close")))
    with pytest.RaisesGroup(anyio.BrokenResourceError, OSError):
        await Stream(source.generator).into(Target(fails_at=1, error=OSError("close")))
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        await Stream([]).into(Target(cleanup=float("inf")))
    assert anyio.current_time() - start == pytest.approx(1)
    assert source.open_runs == 0


@FORM
@pytest.mark.parametrize("mode", MODES)
async def test_into_cancelled_anywhere(form: Form, mode: Any) -> None:
    for cut in every_cut():
        source = TrackedSource(ITEMS, cleanup=0.5)
        target = Target(cleanup=0.5)
        await cut.run(form(Stream(source.iterator)).into(target), mode)
        assert target.sent == ITEMS[: len(target.sent)]
        assert cut.cancelled or target.sent == ITEMS
        assert source.opened == source.closes_started
        assert target.closing == 1
        if mode == "scope":  # a native cancellation may come in the middle of a cleanup
            assert source.open_runs == 0
            assert target.closed == 1


async def test_bad_arguments_of_into() -> None:
    send, receive = anyio.create_memory_object_stream[int]()
    with send, receive:
        for wrong in (5, receive):
            with pytest.raises(TypeError, match=r"send_stream must have send\(\) and aclose\(\)"):
                await Stream(ITEMS).into(wrong)  # type: ignore[arg-type]


# -- from_callback ---------------------------------------------------------------------------------


class Emitter:
    """An API with a callback, which keeps count of its registrations."""

    def __init__(self, *, cleanup: float = 0, error: Exception | None = None) -> None:
        self.callbacks: list[Push[Any]] = []
        self.registered = self.ending = self.ended = 0
        self.cleanup = cleanup
        self.error = error

    def register(self, push: Push[Any]) -> Callable[[], object]:
        self.registered += 1
        self.callbacks.append(push)
        return self.end_async if self.cleanup else self.end

    async def register_async(self, push: Push[Any]) -> Callable[[], object]:
        await anyio.sleep(1)
        return self.register(push)

    def end(self) -> None:
        self.ending += 1
        self.ended += 1
        if self.error is not None:
            raise self.error

    async def end_async(self) -> None:
        self.ending += 1
        await anyio.sleep(self.cleanup)
        self.ending -= 1
        self.end()

    def __call__(self, *items: Any) -> list[bool]:
        return [push(item) for push in self.callbacks for item in items]


def all_of(*items: Any) -> Callable[[Push[Any]], None]:
    def register(push: Push[Any]) -> None:
        for item in items:
            push(item)
        push.end()

    return register


async def test_from_callback_gives_what_was_pushed() -> None:
    assert await from_callback(all_of(*ITEMS), buffer=10).collect() == ITEMS
    stream: Stream[int] = from_callback(all_of(*ITEMS), buffer=10)
    assert await stream.map(str).buffer(2).collect() == [*map(str, ITEMS)]
    assert [item async for item in stream] == ITEMS
    assert await from_callback(all_of(), buffer=1).collect() == []
    async with stream as items:
        assert [item async for item in items] == ITEMS
        with pytest.raises(StopAsyncIteration):
            await anext(items)


@pytest.mark.parametrize("form", ["register", "register_async"])
@pytest.mark.parametrize("cleanup", [0, 0.5])
async def test_registered_at_the_first_step_and_ended_once(form: str, cleanup: float) -> None:
    api = Emitter(cleanup=cleanup)
    stream: Stream[int] = from_callback(getattr(api, form), buffer=2)
    async with stream as items:
        await anyio.sleep(5)
        assert api.registered == 0
        with anyio.move_on_after(2):
            await anext(items)
        assert api.registered == 1
        assert api(1, 2) == [True, True]
        assert [await anext(items), await anext(items)] == [1, 2]
        assert api.ended == 0
        source: Any = items.pipeline.bottom
        assert source.holds
    assert not source.holds
    await source.close(items.pipeline)
    assert api.ended == 1
    assert api(3) == [False]
    async with stream:
        pass
    assert api.registered == 1


async def test_what_comes_while_the_reader_waits() -> None:
    api = Emitter()
    got: list[int] = []

    async def read() -> None:
        async with from_callback(api.register, buffer=2) as items:
            async for item in items:
                got.append(item)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        for n in range(5):
            await anyio.sleep(1)
            assert api(2 * n, 2 * n + 1) == [True, True]
            await anyio.sleep(1)
            assert got == [*range(2 * n + 2)]
        api.callbacks[0].end()
        api.callbacks[0].end()
        assert api(0) == [False]
    assert api.ended == 1


async def test_an_error_that_is_pushed_comes_after_the_items_before_it() -> None:
    api = Emitter()
    got: list[int] = []
    error = OSError("pushed")
    async with from_callback(api.register, buffer=5) as items:
        with anyio.move_on_after(1):
            await anext(items)
        api(1, 2)
        api.callbacks[0].fail(error)
        api.callbacks[0].fail(KeyError("too late"))
        api.callbacks[0].end()
        assert api(3) == [False]
        with pytest.raises(OSError, match="pushed") as caught:
            async for item in items:
                got.append(item)
        with pytest.raises(StopAsyncIteration):
            await anext(items)
    assert caught.value is error
    assert got == [1, 2]
    assert api.ended == 1


async def test_a_pushed_stop_is_an_error() -> None:
    for stop in (StopIteration(), StopAsyncIteration()):
        with pytest.raises(RuntimeError, match="raised Stop"):
            await from_callback(lambda push, stop=stop: push.fail(stop), buffer=1).collect()


async def test_a_register_that_fails() -> None:
    def register(push: Push[int]) -> None:
        push(1)
        raise OSError("register")

    with pytest.raises(OSError, match="register"):
        await from_callback(register, buffer=1).collect()


async def test_a_cancelled_register_is_called_again() -> None:
    api = Emitter()
    async with from_callback(api.register_async, buffer=1) as items:
        for _ in range(2):
            with anyio.move_on_after(0.5):
                await anext(items)
        assert api.registered == 0
        with anyio.move_on_after(1.5):
            await anext(items)
        assert api.registered == 1
        api(1)
        assert await anext(items) == 1
    assert api.ended == 1


async def test_errors_of_the_body_and_of_the_hook() -> None:
    api = Emitter(error=OSError("hook"))

    def one(push: Push[int]) -> Callable[[], object]:
        push(1)
        return api.register(push)

    with pytest.raises(OSError, match="hook"):
        async with from_callback(one, buffer=1) as items:
            assert await anext(items) == 1
    with pytest.RaisesGroup(KeyError, OSError):
        async with from_callback(one, buffer=1) as items:
            await anext(items)
            raise KeyError
    api.error = None
    error = KeyError("body")
    with pytest.raises(KeyError) as caught:
        async with from_callback(one, buffer=1) as items:
            await anext(items)
            raise error
    assert caught.value is error
    assert error.__context__ is None
    assert api.ended == 3


async def test_a_hook_that_hangs_is_cut_off() -> None:
    api = Emitter(cleanup=float("inf"))
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        async with from_callback(api.register, buffer=1) as items:
            with anyio.move_on_after(1):
                await anext(items)
    assert anyio.current_time() - start == pytest.approx(2)
    assert (api.ending, api.ended) == (1, 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["register", "register_async"])
async def test_from_callback_cancelled_anywhere(mode: Any, form: str) -> None:
    for cut in every_cut():
        api = Emitter(cleanup=0.5)
        got: list[int] = []

        async def read(api: Emitter = api, got: list[int] = got) -> None:
            stream: Stream[int] = from_callback(getattr(api, form), buffer=2)
            async with stream as items:
                with anyio.move_on_after(2):
                    await anext(items)
                api(1, 2)
                async for item in items:
                    got.append(item)
                    if item == 2:
                        api(3)
                    if item == 3:
                        return

        await cut.run(read(), mode)
        assert got == [1, 2, 3][: len(got)]
        assert cut.cancelled or got == [1, 2, 3]
        assert api.ending == api.registered
        if mode == "scope":
            assert api.ended == api.registered


async def test_a_cancelled_step_over_callbacks_loses_nothing() -> None:
    for cut in every_cut():
        got: list[int] = []
        async with from_callback(all_of(*ITEMS), buffer=10) as items:
            await cut.collect(items, got)
        assert got == ITEMS


# What comes when two wait and three more are pushed.
POLICIES: dict[Any, tuple[list[bool], list[int]]] = {
    "drop_oldest": ([True] * 5, [3, 4]),
    "drop_newest": ([True, True, False, False, False], [0, 1]),
    "error": ([True, True, False, False, False], [0, 1]),
}


@pytest.mark.parametrize("overflow", POLICIES)
async def test_pushed_into_a_full_buffer(overflow: Any) -> None:
    taken, waiting = POLICIES[overflow]
    api = Emitter()
    async with from_callback(api.register, buffer=2, overflow=overflow) as items:
        with anyio.move_on_after(1):
            await anext(items)
        assert api(*range(5)) == taken
        assert [await anext(items), await anext(items)] == waiting
        if overflow == "error":
            with pytest.raises(StreamOverflowError, match="while 2 waited"):
                await anext(items)
        else:
            assert api(5) == [True]
            assert await anext(items) == 5
    assert api.ended == 1


async def test_the_event_loop_cannot_wait_for_room() -> None:
    api = Emitter()
    async with from_callback(api.register, buffer=1, overflow="wait") as items:
        with anyio.move_on_after(1):
            await anext(items)
        assert api(1) == [True]
        with pytest.raises(StreamOverflowError, match='overflow="wait" is for pushes from other'):
            api(2)
        assert await anext(items) == 1
        assert api(3) == [True]
        assert await anext(items) == 3


@pytest.mark.real_time
@pytest.mark.parametrize("buffer", [1, 3, 1000])
async def test_threads_that_push_wait_for_room(buffer: int) -> None:
    most = 0

    def register(push: Push[int]) -> Callable[[], None]:
        def produce(first: int) -> None:
            for n in range(first, first + 200):
                assert push(n)
            if not left.acquire(blocking=False):
                push.end()

        left = threading.Semaphore(2)
        threads = [threading.Thread(target=produce, args=[first]) for first in (0, 200, 400)]
        for thread in threads:
            thread.start()

        def end() -> None:
            for thread in threads:
                thread.join()

        return end

    got: list[int] = []
    async with from_callback(register, buffer=buffer, overflow="wait") as items:
        async for item in items:
            source: Any = items.pipeline.bottom
            most = max(most, len(source.queue))
            got.append(item)
    assert sorted(got) == [*range(600)]
    for first in (0, 200, 400):
        assert [n for n in got if first <= n < first + 200] == [*range(first, first + 200)]
    assert most <= buffer


@pytest.mark.real_time
@pytest.mark.parametrize("way", ["leave", "end", "fail"])
async def test_a_thread_that_waits_for_room_is_let_go(way: str) -> None:
    answers: list[bool] = []
    threads: list[threading.Thread] = []
    full = threading.Event()

    def register(push: Push[int]) -> Callable[[], None]:
        def produce() -> None:
            answers.append(push(1))
            answers.append(push(2))
            full.set()
            answers.append(push(3))
            answers.append(push(4))

        def finish() -> None:
            full.wait()
            time.sleep(0.01)  # until the other thread waits
            push.end() if way == "end" else push.fail(OSError("pushed"))

        threads.append(threading.Thread(target=produce))
        if way != "leave":
            threads.append(threading.Thread(target=finish))
        for thread in threads:
            thread.start()
        return lambda: [thread.join() for thread in threads]

    async with from_callback(register, buffer=1, overflow="wait") as items:
        assert await anext(items) == 1
        await anyio.to_thread.run_sync(full.wait)
        for thread in threads if way != "leave" else []:
            await anyio.to_thread.run_sync(thread.join)
        if way == "fail":
            assert await anext(items) == 2
            with pytest.raises(OSError, match="pushed"):
                await anext(items)
    assert answers == [True, True, False, False]


@pytest.mark.real_time
async def test_pushed_from_other_threads() -> None:
    def register(push: Push[int]) -> Callable[[], None]:
        def produce() -> None:
            for n in range(20_000):
                push(n)
            push.end()

        thread = threading.Thread(target=produce)
        thread.start()
        return thread.join

    stream: Stream[int] = from_callback(register, buffer=20_000)
    assert await stream.collect() == [*range(20_000)]
    async with stream as items:
        assert [await anext(items) for _ in range(10)] == [*range(10)]
    assert await from_callback(register, buffer=10, overflow="drop_oldest").last() == 19_999


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_pushed_when_the_event_loop_has_ended(name: str) -> None:
    pushes: list[Push[int]] = []
    kept: list[Any] = []

    async def main() -> None:
        kept.append(aiter(from_callback(pushes.append, buffer=2)))
        with anyio.move_on_after(0.01):
            await anext(kept[0])

    anyio.run(main, backend=name)
    assert [pushes[0](n) for n in range(3)] == [True, True, False]


async def test_leaving_while_another_task_waits_for_a_callback() -> None:
    api = Emitter()

    async def read(items: Any) -> None:
        with pytest.raises(StreamClosedError):
            await anext(items)

    async with (
        anyio.create_task_group() as tasks,
        from_callback(api.register, buffer=1) as items,
    ):
        tasks.start_soon(read, items)
        await anyio.sleep(1)
        with pytest.raises(StreamBusyError):
            await anext(items)
    assert api.ended == 1


async def test_register_cannot_close_the_stream() -> None:
    async def register(push: Push[int]) -> None:
        await runs[0].aclose()

    runs: list[Any] = []
    async with from_callback(register, buffer=1) as items:
        runs.append(items)
        with pytest.raises(StreamBusyError):
            await anext(items)


async def test_a_registration_that_is_dropped_warns() -> None:
    api = Emitter()
    items = aiter(from_callback(api.register, buffer=1))
    with anyio.move_on_after(1):
        await anext(items)
    # The cancelled step has closed what would be left open.
    assert api.ended == 1
    assert api.callbacks.pop()(1) is False

    async def read() -> None:
        async for _ in from_callback(one, buffer=1):
            break

    def one(push: Push[int]) -> Callable[[], object]:
        push(1)
        return api.register(push)

    with pytest.warns(ResourceWarning, match=r"from_callback\(one, buffer=1\) was dropped"):
        await read()
    assert api.ended == 1


async def test_bad_arguments_of_from_callback() -> None:
    with pytest.raises(TypeError, match="register must be a function"):
        from_callback(5, buffer=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="buffer must be at least 1, got 0"):
        from_callback(all_of(), buffer=0)
    with pytest.raises(ValueError, match="overflow must be one of"):
        from_callback(all_of(), buffer=1, overflow="nonsense")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="register must return a function or None, got 5"):
        await from_callback(lambda _: 5, buffer=1).collect()  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="error must be an exception, got 'no'"):
        await from_callback(lambda push: push.fail("no"), buffer=1).collect()  # type: ignore[arg-type]
