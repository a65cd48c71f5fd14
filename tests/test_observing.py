"""Who is told of runs: `observe`."""

import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any

import anyio
import anyio.to_thread
import pytest
from contract import IN_TASKS, ITEMS
from rows import Row

import anystream
from anystream import (
    EmptyStreamError,
    ObservedRun,
    Observer,
    Stream,
    WrongTaskError,
    async_range,
    merge,
    observe,
    to_sync,
)
from anystream._core import observing
from anystream.testing import TrackedSource


class Log(Observer):
    """What was told, in words."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.runs: list[ObservedRun] = []

    def opened(self, run: ObservedRun) -> None:
        self.runs.append(run)
        self.told.append("opened")

    def closed(self, run: ObservedRun, how: str, error: BaseException | None) -> None:
        assert run in self.runs
        self.told.append(how if error is None else f"{how} {type(error).__name__}")

    def caught(self, run: ObservedRun, error: Exception) -> None:
        self.told.append(f"caught {error!r}")

    def retried(self, run: ObservedRun, error: Exception) -> None:
        self.told.append(f"retried {error!r}")


async def fails() -> AsyncIterator[int]:
    yield 1
    raise ValueError("lost")


async def fails_at_once() -> AsyncIterator[int]:
    raise ValueError("lost")
    yield 1


async def hangs() -> AsyncIterator[int]:
    yield 1
    await anyio.sleep_forever()


FORMS: dict[str, Callable[[Any], Stream[Any]]] = {
    "a segment": lambda source: Stream(source).map(str),
    "a task": lambda source: Stream(source).map(str).buffer(2),
    "several": lambda source: merge(Stream(source), []).map(str, concurrency=2),
}
FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


# -- how a run ends -----------------------------------------------------------------------------


async def to_the_end(make: Callable[[Any], Stream[Any]]) -> None:
    async with make(range(3)) as items:
        async for _ in items:
            pass


async def collected(make: Callable[[Any], Stream[Any]]) -> None:
    await make(range(3)).collect()


async def closed_at_the_end(make: Callable[[Any], Stream[Any]]) -> None:
    async with make(range(3)) as items:
        await items.collect()
        await items.aclose()
        await items.aclose()


async def first(make: Callable[[Any], Stream[Any]]) -> None:
    await make(range(3)).first()


async def broken_off(make: Callable[[Any], Stream[Any]]) -> None:
    async with make(range(3)) as items:
        async for _ in items:
            break


async def closed_early(make: Callable[[Any], Stream[Any]]) -> None:
    async with make(range(3)) as items:
        await anext(items)
        await items.aclose()
        with suppress(ValueError):  # which comes when it is closed
            raise ValueError


async def left_by_a_generator(make: Callable[[Any], Stream[Any]]) -> None:
    async with aclosing(make(range(3)).as_generator()) as items:
        async for _ in items:
            break


async def failed(make: Callable[[Any], Stream[Any]]) -> None:
    with pytest.raises(ValueError, match="lost"):
        await make(fails).collect()


async def failed_in_its_block(make: Callable[[Any], Stream[Any]]) -> None:
    with pytest.raises(LookupError):
        async with make(range(3)) as items:
            await anext(items)
            raise LookupError


async def failed_and_went_on(make: Callable[[Any], Stream[Any]]) -> None:
    async with make(fails) as items:
        with pytest.raises(ValueError, match="lost"):
            await items.collect()


async def failed_when_closed(make: Callable[[Any], Stream[Any]]) -> None:
    def fail() -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        async with make(Stream(range(3)).on_close(fail)) as items:
            await anext(items)


async def cancelled(make: Callable[[Any], Stream[Any]]) -> None:
    with anyio.move_on_after(1):
        await make(hangs).collect()


async def cancelled_in_its_block(make: Callable[[Any], Stream[Any]]) -> None:
    with anyio.move_on_after(1):
        async with make(range(3)):
            await anyio.sleep_forever()


async def a_step_was_cancelled(make: Callable[[Any], Stream[Any]]) -> None:
    async with make(hangs) as items:
        await anext(items)
        with anyio.move_on_after(1):
            await anext(items)


async def of_nothing(make: Callable[[Any], Stream[Any]]) -> None:
    with pytest.raises(EmptyStreamError):
        await make([]).first()


async def the_last_of_nothing(make: Callable[[Any], Stream[Any]]) -> None:
    with pytest.raises(EmptyStreamError):
        await make([]).last()


async def the_least_of_nothing(make: Callable[[Any], Stream[Any]]) -> None:
    with pytest.raises(EmptyStreamError):
        await make([]).min()


ENDS: dict[Callable[..., Awaitable[None]], str] = {
    to_the_end: "completed",
    collected: "completed",
    closed_at_the_end: "completed",
    first: "left",
    broken_off: "left",
    closed_early: "left",
    left_by_a_generator: "left",
    failed: "failed ValueError",
    failed_in_its_block: "failed LookupError",
    failed_and_went_on: "failed",
    failed_when_closed: "failed OSError",
    of_nothing: "failed EmptyStreamError",
    the_last_of_nothing: "failed EmptyStreamError",
    the_least_of_nothing: "failed EmptyStreamError",
    cancelled: "cancelled",
    cancelled_in_its_block: "cancelled",
    a_step_was_cancelled: "left",
}


@FORM
@pytest.mark.parametrize(("end", "how"), ENDS.items(), ids=lambda end: getattr(end, "__name__", ""))
async def test_how_a_run_was_closed(
    form: Callable[[Any], Stream[Any]], end: Callable[..., Awaitable[None]], how: str
) -> None:
    with observe(Log()) as log:
        await end(form)
    told = [each.replace(" CancelledError", "").replace(" Cancelled", "") for each in log.told]
    assert told == ["opened", how]
    assert not log.runs[0].is_open


async def test_a_generator_that_is_closed_leaves_its_run() -> None:
    async def outer() -> AsyncIterator[int]:
        async with async_range(3) as items:
            async for item in items:
                yield item

    with observe(Log()) as log:
        async with aclosing(outer()) as items:
            await anext(items)
    assert log.told == ["opened", "left"]


# -- what counts as a run -----------------------------------------------------------------------


async def test_a_bare_loop() -> None:
    with observe(Log()) as log:
        async for _ in async_range(3):
            pass
        with pytest.raises(ValueError, match="lost"):
            async for _ in Stream(fails):
                pass
    assert log.told == ["opened", "completed", "opened", "failed ValueError"]


async def test_a_bare_loop_that_is_left_is_not_closed_by_anybody() -> None:
    with observe(Log()) as log:
        async for _ in async_range(3):
            break
        gc.collect()
    (run,) = log.runs
    assert (log.told, run.is_open, run.age) == (["opened"], False, 0)
    assert run.statistics().stages == ()


async def test_a_run_that_is_closed_before_its_first_step() -> None:
    with observe(Log()) as log:
        await aiter(async_range(3)).aclose()
    assert log.told == ["opened", "left"]


async def test_parts_of_a_run_are_no_runs() -> None:
    with observe(Log()) as log:
        for tasks in (1, 2):
            await async_range(3).flat_map(async_range, concurrency=tasks).collect()
        await async_range(3).switch_map(async_range).collect()
        await async_range(1).chain(async_range(1)).buffer(1).collect()
    assert log.told == ["opened", "completed"] * 4


async def test_a_share_is_a_run_and_so_are_its_readers() -> None:
    with observe(Log()) as log:
        async with async_range(3).share() as shared:
            assert log.told == ["opened"]
            assert await shared.count() == 3
    assert [run.name for run in log.runs] == ["async_range(3).share()"] * 2


@pytest.mark.parametrize("kind", ["share", "partition"])
@pytest.mark.parametrize("end", ["completed", "failed", "left"])
async def test_a_share_ends_as_its_items_do(kind: str, end: str) -> None:
    def source() -> Iterator[int]:
        yield from range(99 if end == "left" else 4)
        if end == "failed":
            raise OSError

    with observe(Log()) as log:
        stream = Stream(source)
        if kind == "share":
            async with stream.share(9) as shared, shared as reader:
                await read(reader, end)
        else:
            async with stream.partition(lambda n: n < 99, buffer=9) as (true, _), true as reader:
                await read(reader, end)
    assert log.told == ["opened", "opened", end, end]


async def read(items: AsyncIterator[int], end: str) -> None:
    with suppress(OSError):
        async for _ in items:
            if end == "left":
                break


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_to_sync(backend: str) -> None:
    with observe(Log()) as log, to_sync(async_range(3), backend=backend) as items:
        assert list(items) == [0, 1, 2]
    assert log.told == ["opened", "completed"]


async def test_what_cannot_be_opened_is_no_run() -> None:
    deep: Stream[int] = async_range(3)
    for _ in range(1000):
        deep = deep.map(abs)
    with observe(Log()) as log, pytest.raises(anystream.StreamDepthError):
        await deep.collect()
    assert log.told == []


# -- errors that are dealt with -----------------------------------------------------------------


@FORM
async def test_errors_that_were_caught(form: Callable[[Any], Stream[Any]]) -> None:
    with observe(Log()) as log:
        await form(Stream(fails).catch(lambda error: [5])).collect()
        await form([1, 0]).map(lambda item: 1 / int(item), on_error="skip").collect()
    assert log.told == [
        *("opened", "caught ValueError('lost')", "completed", "opened"),
        "caught ZeroDivisionError('division by zero')",
        "completed",
    ]


@FORM
async def test_attempts(form: Callable[[Any], Stream[Any]]) -> None:
    with observe(Log()) as log, pytest.raises(ValueError, match="lost"):
        await form(Stream(fails_at_once).retry(2)).collect()
    again = "retried ValueError('lost')"
    assert log.told == ["opened", again, again, "failed ValueError"]


# -- what an observer sees ----------------------------------------------------------------------


async def test_the_view_of_a_run() -> None:
    with observe(Log()) as log:
        async with async_range(9).buffer(2, overflow="drop_oldest") as items:
            (run,) = log.runs
            await anyio.sleep(2)
            assert (run.is_open, run.age) == (True, 2)
            assert run.statistics() == items.statistics()
            assert run.statistics().stages[0].waiting == 2
            assert repr(run) == f"<observed run {run.id} of {run.name}>"
        await anyio.sleep(2)
    assert (run.is_open, run.age) == (False, 2)
    assert run.statistics().stages[0].dropped == 7
    assert run.name == repr(async_range(9).buffer(2, overflow="drop_oldest"))


async def test_the_final_numbers_are_there_when_the_close_is_told() -> None:
    class Dropped(Observer):
        def closed(self, run: ObservedRun, how: str, error: BaseException | None) -> None:
            found.append(sum(stage.dropped for stage in run.statistics().stages))

    found: list[int] = []
    with observe(Dropped()):
        async with async_range(9).buffer(2, overflow="drop_oldest") as items:
            await anext(items)
    assert found == [7]


async def test_names_and_numbers() -> None:
    with observe(Log()) as log:
        await Stream(["x" * 50] * 6).collect()
        await async_range(1).collect()
    assert len(log.runs[0].name) == 200
    assert log.runs[0].id < log.runs[1].id
    assert log.runs[0].opened_at <= log.runs[1].opened_at


async def test_a_view_keeps_nothing_alive() -> None:
    with observe(Log()) as log:
        run = async_range(3).buffer(2).open()
        await run.__aenter__()
        assert log.runs[0].is_open
        await run.__aexit__(None, None, None)
        alive = weakref.ref(run)
        del run
    assert alive() is None


@pytest.mark.leaks_expected("abandoned", "open")
async def test_a_handle_that_is_dropped_is_noticed_though_it_is_observed() -> None:
    with observe(Log()), pytest.warns(ResourceWarning, match="was dropped before it was closed"):
        items = aiter(Stream(hangs))
        await anext(items)
        del items
        gc.collect()


@pytest.mark.real_time
async def test_another_thread_may_look_when_it_is_closed() -> None:
    with observe(Log()) as log:
        async with async_range(9).buffer(2) as items:
            await anext(items)
            (run,) = log.runs
            for look in (run.statistics, lambda: run.age):
                with pytest.raises(WrongTaskError, match="is of another event loop"):
                    await anyio.to_thread.run_sync(look)
    assert (await anyio.to_thread.run_sync(run.statistics)).stages[0].read == 1
    assert await anyio.to_thread.run_sync(lambda: run.age) >= 0


@IN_TASKS
async def test_what_a_row_gives_is_the_same(row: Row) -> None:
    made = row.over(Stream(TrackedSource(ITEMS).iterator))
    if not isinstance(made, Stream):
        pytest.skip("what it gives is no stream")
    with observe(Log()) as log:
        async with made as items:
            async for _ in items:
                log.runs[0].statistics()
    assert log.told.count("opened") == len(log.runs) > 0  # the row, and what its functions open
    assert log.told.count("completed") == len(log.runs)


# -- who is told --------------------------------------------------------------------------------


async def test_nobody_is_told_when_nobody_is_there() -> None:
    log = Log()
    async with async_range(3) as items:
        with observe(log):
            await anext(items)
    assert log.told == []
    with observe(log):
        async with async_range(3).open() as items:
            await anext(items)
    assert log.told == ["opened", "left"]


async def test_who_has_left_is_told_nothing_more() -> None:
    log, other = Log(), Log()
    with observe(other):
        with observe(log):
            run = async_range(3).open()
            await run.__aenter__()
        await run.__aexit__(None, None, None)
    assert (log.told, other.told) == (["opened"], ["opened", "left"])


async def test_one_twice_at_once() -> None:
    log = Log()
    with observe(log):
        with observe(log):
            await async_range(3).drain()
        await async_range(3).drain()
    assert log.told == [*["opened"] * 2, *["completed"] * 2, "opened", "completed"]


@pytest.mark.leaks_expected("logged")
async def test_an_observer_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Observer):
        def opened(self, run: ObservedRun) -> None:
            raise OSError("no disk")

        closed = caught = retried = opened  # type: ignore[assignment]

        def __repr__(self) -> str:
            return "<broken>"

    with observe(Broken()), observe(Log()) as log:
        await Stream(fails_at_once).retry(1).catch(lambda error: [5]).collect()
    assert len(log.told) == 4
    assert [record.name for record in caplog.records] == ["anystream"] * 4
    assert caplog.records[0].getMessage() == "an observer has failed: <broken>"
    assert "no disk" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


async def test_an_interruption_in_an_observer_goes_through() -> None:
    class Interrupted(Observer):
        def opened(self, run: ObservedRun) -> None:
            raise KeyboardInterrupt

    source = TrackedSource(range(3))
    with observe(Interrupted()), pytest.raises(KeyboardInterrupt):
        await Stream(source.iterator()).buffer(2).collect()


async def test_an_observer_that_does_nothing() -> None:
    with observe(Observer()):
        await Stream(fails_at_once).retry(1).catch(lambda error: [5]).collect()


def test_threads_may_come_and_go() -> None:
    def come_and_go() -> None:
        for _ in range(200):
            with observe(Log()):
                pass

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert observing.observers == ()


def test_only_an_observer_is_one() -> None:
    with pytest.raises(TypeError, match=r"^observer must be an anystream.Observer, got <built-in"):
        observe(print)  # type: ignore[type-var]
