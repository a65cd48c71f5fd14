"""Blocking iterables, read in a thread."""

import queue
import sqlite3
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint
from insides import opening_of

from anystream import (
    CleanupTimeoutError,
    NeedsTasksError,
    Stream,
    StreamBusyError,
    StreamConsumedError,
    async_range,
    chain,
    from_thread,
    merge,
)
from anystream._core.threads import WakeUp
from anystream.testing import MODES, every_cut
from bridges import ITEMS, setting


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
        async with from_thread(source.generator).open(grace=0.1) as items:
            await anext(items)
            await source.is_blocked()
    assert anyio.current_time() - start >= 0.1
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
        async with from_thread(source.generator).open(grace=0.1) as items:
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
                assert opening_of(items).holds
        assert source.opened == source.closed == 1
        tasks.cancel_scope.cancel()


async def test_a_thread_that_comes_when_all_is_over_reads_nothing() -> None:
    source = Blocking()
    async with from_thread(source.generator) as items:
        box: Any = opening_of(items).bottom
        reader = box.tasks[0].reader
    steps = source.steps
    reader.read()
    assert source.steps == steps


async def test_the_sources_of_a_chain_are_let_go_when_they_have_ended() -> None:
    sources = [Blocking() for _ in range(3)]
    stream = chain(*(from_thread(source.generator()) for source in sources))
    assert await stream.collect() == 3 * ITEMS
    assert [source.closed for source in sources] == [1, 1, 1]


def test_what_is_read_in_other_ways() -> None:
    wrong: Any = queue.Queue()
    with pytest.raises(TypeError, match=r"Stream\(queue\) reads it$"):
        from_thread(wrong)
    with pytest.raises(TypeError, match="pass the function, checkpoint, or lambda"):
        from_thread(checkpoint())  # type: ignore[arg-type]


async def test_an_async_function_is_not_for_threads() -> None:
    with pytest.raises(TypeError, match=r"^iterable must be .* Stream takes async functions$"):
        from_thread(checkpoint)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Stream takes async functions\nin from_thread\(<lambda>"):
        await from_thread(lambda: checkpoint()).collect()  # type: ignore[arg-type, return-value]


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


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("kind", ["own iterator", "iterator of its own", "no iterable"])
async def test_what_the_function_has_made_is_closed_in_its_thread(kind: str, fails: bool) -> None:
    threads: list[int] = []

    class Made:
        def __init__(self) -> None:
            threads.append(threading.get_ident())

        def close(self) -> None:
            threads.append(threading.get_ident())
            if fails:
                raise OSError("of the close")

    class Cursor(Made):
        def __iter__(self) -> Any:
            return self

        def __next__(self) -> int:
            return 1

    class Table(Made):
        def __iter__(self) -> Any:
            return iter(range(9))

    make: Any = {"own iterator": Cursor, "iterator of its own": Table, "no iterable": Made}[kind]
    errors: list[Any] = [OSError] * fails + [TypeError] * (kind == "no iterable")
    with pytest.RaisesGroup(*errors, allow_unwrapped=len(errors) == 1) if errors else nullcontext():
        assert await from_thread(make, buffer=1).take(2).count() == 2
    assert len(threads) == 2
    assert threads[0] == threads[1] != threading.get_ident()
    given = Cursor()
    await from_thread(given).take(2).drain()
    assert len(threads) == 3


async def test_what_has_only_a_cancel_is_cancelled_if_it_is_left_early() -> None:
    """As a call of gRPC is, which the server goes on with otherwise."""
    threads: list[int] = []

    class Call:
        def __iter__(self) -> Any:
            threads.append(threading.get_ident())
            return iter(range(9))

        def cancel(self) -> None:
            threads.append(threading.get_ident())

    assert await from_thread(Call, buffer=1).take(2).count() == 2
    assert len(threads) == 2
    assert threads[0] == threads[1] != threading.get_ident()
    assert await from_thread(Call, buffer=1).count() == 9
    assert await from_thread(Call(), buffer=1).take(2).count() == 2
    assert len(threads) == 4


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


# -- stop -------------------------------------------------------------------------------------


@BUFFER
async def test_stop_ends_a_next_that_blocks(buffer: int) -> None:
    numbers = queue.Queue[int | None]()
    numbers.put(1)
    stops: list[int] = []

    def stop() -> None:
        stops.append(threading.get_ident())
        numbers.put(None)

    stream = from_thread(lambda: iter(numbers.get, None), buffer=buffer, stop=stop)
    for leaving in (True, False):
        async with stream.open(grace=60) as items:
            assert await anext(items) == 1
            with anyio.move_on_after(0.01):
                await anext(items)
            if not leaving:
                numbers.put(None)
                assert [item async for item in items] == []
        assert len(stops) == 1  # and not where it has ended by itself
        assert numbers.empty()
        numbers.put(1)
    assert threading.get_ident() not in stops


async def test_what_comes_of_a_next_that_was_stopped_is_dropped() -> None:
    cancelled = threading.Event()

    def rows() -> Iterator[int]:
        yield 1
        cancelled.wait()
        raise ConnectionError("the query was cancelled")

    async with from_thread(rows, stop=cancelled.set).open(grace=60) as items:
        assert await anext(items) == 1
        with anyio.move_on_after(0.01):
            await anext(items)


async def test_stop_is_not_called_for_a_thread_that_waits_for_room() -> None:
    stops: list[int] = []
    async with from_thread(ITEMS, buffer=0, stop=lambda: stops.append(1)) as items:
        assert await anext(items) == ITEMS[0]
    assert stops == []


async def test_an_error_of_stop_comes_out() -> None:
    source = Blocking()
    source.blocks[1] = threading.Event()

    def stop() -> None:
        source.blocks[1].set()
        raise OSError("no such query")

    with pytest.raises(OSError, match="no such query"):
        async with from_thread(source.generator, stop=stop) as items:
            await anext(items)
            await source.is_blocked()
    assert source.closed == 1


async def test_a_thread_between_two_items_when_the_reader_leaves_begins_no_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would block, and nobody would stop it."""
    left = threading.Event()
    soon = WakeUp.soon

    def slowly(wake_up: WakeUp, function: Any) -> None:
        soon(wake_up, function)
        left.wait(5)

    monkeypatch.setattr(WakeUp, "soon", slowly)
    jobs: queue.Queue[int] = queue.Queue()
    jobs.put(1)
    stream = from_thread(lambda: iter(jobs.get, None), stop=lambda: jobs.put(2))
    async with stream as items:
        assert await anext(items) == 1
        releasing = threading.Timer(0.1, left.set)  # the block is left by then
        releasing.start()
    releasing.join()
    assert jobs.empty()


def test_stop_must_be_a_function() -> None:
    for wrong in (5, checkpoint):
        with pytest.raises(TypeError, match="stop must be a plain function, which a thread calls"):
            from_thread([1], stop=wrong)  # type: ignore[arg-type]
