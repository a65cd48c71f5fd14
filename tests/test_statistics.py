"""What a run says of itself while it runs: `run.statistics()`."""

import builtins
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint
from contract import IN_TASKS, ITEMS
from rows import Row

from anystream import (
    Retry,
    RunStatistics,
    Sender,
    StageStatistics,
    Stream,
    StreamOverflowError,
    WrongTaskError,
    async_range,
    from_callback,
    from_thread,
    merge,
    producer,
    ticker,
    zip,
)
from anystream.testing import TrackedSource, every_cut

Run = Any


async def source(count: int, pause: float = 0) -> AsyncIterator[int]:
    for number in range(count):
        await anyio.sleep(pause)
        yield number


def waits(seconds: float) -> Callable[[Any], Any]:
    async def work(item: Any) -> Any:
        await anyio.sleep(seconds)
        return item

    return work


def consistent(numbers: RunStatistics) -> None:
    for stage in numbers.stages:
        assert stage.passed == stage.read + stage.waiting + stage.dropped
        assert min(stage.read, stage.waiting, stage.dropped) >= 0
        states = stage.waiting_for_room, stage.waiting_for_items, stage.working
        assert stage.tasks == sum(states)
        assert min(states) >= 0
        assert min(stage.room_seconds, stage.items_seconds, stage.reader_seconds) >= 0
        assert stage.age >= 0


# -- every row ------------------------------------------------------------------------------


def opened(row: Row, pause: float | None) -> Stream[Any]:
    stream = row.over(Stream(TrackedSource(ITEMS, pause=pause).iterator))
    if not isinstance(stream, Stream):
        pytest.skip("what it gives is no stream")
    return stream


@pytest.mark.parametrize("pause", [None, 0, 1])
@IN_TASKS
async def test_the_numbers_are_consistent_at_every_moment(row: Row, pause: float | None) -> None:
    async def look(items: Run) -> None:
        while True:
            consistent(items.statistics())
            await anyio.sleep(0.25)

    stream = opened(row, pause)
    async with anyio.create_task_group() as tasks, stream as items:
        tasks.start_soon(look, items)
        async for _ in items:
            consistent(items.statistics())
            await checkpoint()
            consistent(items.statistics())
        tasks.cancel_scope.cancel()


@IN_TASKS
async def test_the_numbers_are_consistent_wherever_a_step_is_cancelled(row: Row) -> None:
    for cut in every_cut():
        async with opened(row, 0.5) as items:
            consistent(items.statistics())
            await cut.collect(items, [])
            consistent(items.statistics())
        consistent(items.statistics())


# -- items ----------------------------------------------------------------------------------


def counts(items: Run, name: str) -> tuple[int, int, int, int]:
    """Of the stage with this name."""
    stage = {stage.name: stage for stage in items.statistics().stages}[name]
    consistent(items.statistics())
    return stage.passed, stage.read, stage.waiting, stage.dropped


COUNTED: dict[str, tuple[Callable[[], Stream[Any]], str, int, tuple[int, int, int, int]]] = {
    # what is read, the stage, how many items are read first, and its numbers five seconds later
    "buffer": (lambda: async_range(9).buffer(3), "buffer(3)", 2, (5, 2, 3, 0)),
    "buffer on demand": (lambda: async_range(9).buffer(0), "buffer(0)", 2, (2, 2, 0, 0)),
    "buffer to the end": (lambda: async_range(9).buffer(3), "buffer(3)", 9, (9, 9, 0, 0)),
    "a large buffer": (lambda: async_range(99).buffer(70), "buffer(70)", 99, (99, 99, 0, 0)),
    "drop_oldest": (
        lambda: ticker(1).buffer(2, overflow="drop_oldest"),
        "buffer(2, overflow='drop_oldest')",
        1,
        (6, 1, 2, 3),
    ),
    "drop_oldest at once": (
        lambda: async_range(9).buffer(2, overflow="drop_oldest"),
        "buffer(2, overflow='drop_oldest')",
        1,
        (9, 1, 1, 7),
    ),
    "drop_newest": (
        lambda: ticker(1).buffer(2, overflow="drop_newest"),
        "buffer(2, overflow='drop_newest')",
        1,
        (6, 1, 2, 3),
    ),
    "drop_newest at once": (
        lambda: async_range(9).buffer(2, overflow="drop_newest"),
        "buffer(2, overflow='drop_newest')",
        1,
        (9, 1, 1, 7),
    ),
    "map": (
        lambda: async_range(9).map(waits(1), concurrency=2, ahead=1),
        "map(work, concurrency=2, ahead=1)",
        1,
        (4, 1, 3, 0),
    ),
    "filter": (
        lambda: async_range(9).filter(waits(1), concurrency=2, ahead=1),
        "filter(work, concurrency=2, ahead=1)",
        1,
        (5, 2, 3, 0),
    ),
    "merge": (
        lambda: merge(async_range(3), async_range(4), buffer=2),
        "merge(..., buffer=2)",
        7,
        (7, 7, 0, 0),
    ),
    "throttle": (
        lambda: ticker(1).throttle(2, keep="last"),
        "throttle(2, keep='last')",
        1,
        (6, 1, 2, 3),
    ),
    "debounce": (lambda: async_range(5).debounce(1), "debounce(1)", 1, (5, 1, 0, 4)),
    "sample": (lambda: ticker(1).sample(2.5), "sample(2.5)", 1, (7, 1, 2, 4)),
    "skip_until": (lambda: ticker(1).skip_until(2.5), "skip_until(2.5)", 1, (3, 1, 0, 2)),
    "batched": (
        lambda: ticker(1).batched(3, within=9),
        "batched(3, within=9)",
        1,
        (6, 3, 3, 0),
    ),
    "delay": (lambda: async_range(9).delay(1, buffer=4), "delay(1, buffer=4)", 1, (4, 1, 3, 0)),
    "from_thread": (
        lambda: from_thread(range(9), buffer=3),
        "from_thread(range(0, 9), buffer=3)",
        9,
        (9, 9, 0, 0),
    ),
    "switch_map": (
        lambda: async_range(1).switch_map(lambda _: async_range(5)),
        "switch_map(<lambda>)",
        2,
        (2, 2, 0, 0),
    ),
    "flat_map": (
        lambda: async_range(3).flat_map(lambda n: [n, n], concurrency=2),
        "flat_map(<lambda>, concurrency=2)",
        6,
        (6, 6, 0, 0),
    ),
}


@pytest.mark.parametrize("kind", COUNTED)
async def test_items_are_counted(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anystream._core.batches.clock", lambda: 0.0)  # no batch ends by its time
    make, name, read, numbers = COUNTED[kind]
    async with make() as items:
        for _ in range(read):
            await anext(items)
        await anyio.sleep(5.25)
        assert counts(items, name) == numbers


async def test_pushes_are_counted() -> None:
    pushed: list[Any] = []

    async with from_callback(pushed.append, buffer=2, overflow="drop_oldest") as items:
        with anyio.move_on_after(1):
            await anext(items)
        for number in range(5):
            pushed[0](number)
        assert await anext(items) == 3
        name = items.statistics().stages[0].name
        assert counts(items, name) == (5, 1, 1, 3)
        assert items.statistics().stages[0].bound == 2


async def test_a_rejected_item_is_counted() -> None:
    async with ticker(1).buffer(1, overflow="error") as items:
        await anyio.sleep(2.5)
        assert counts(items, "buffer(1, overflow='error')") == (2, 0, 1, 1)
        await anext(items)
        with pytest.raises(StreamOverflowError):
            await anext(items)


async def test_every_reader_of_share_has_numbers_of_its_own() -> None:
    async with async_range(9).share(4) as shared, shared as first, shared as second:
        assert [await anext(first), await anext(first)] == [0, 1]
        assert await anext(second) == 0
        await checkpoint()
        assert counts(first, "share(4)")[1] == 2
        assert counts(second, "share(4)")[1] == 1
        assert first.statistics().stages[0].tasks == 1


# -- stages ---------------------------------------------------------------------------------


def drawn(items: Run) -> list[tuple[int, str]]:
    return [(stage.depth, stage.name) for stage in items.statistics().stages]


async def test_the_stages_are_those_of_explain() -> None:
    left = Stream(lambda: source(9)).buffer(2).named("left")
    stream = merge(left, ticker(1)).map(waits(1), concurrency=2).named("work").chain([1]).take(9)
    async with stream as items:
        await anext(items)
        assert drawn(items) == [(0, "work"), (1, "merge(...)"), (2, "left")]
    async with left.map(waits(1), concurrency=2).buffer(1) as items:
        await anext(items)
        assert [name for _, name in drawn(items)] == [
            "buffer(1)",
            "map(work, concurrency=2)",
            "left",
        ]
    async with Stream(lambda: source(9)).map(waits(1), concurrency=2).named("work") as items:
        assert drawn(items) == [(0, "work"), (1, "work source")]


async def test_the_stages_of_inner_streams_come_and_go() -> None:
    async with async_range(2).flat_map(lambda n: async_range(3).buffer(n + 1)) as items:
        assert drawn(items) == []
        await anext(items)
        assert drawn(items) == [(0, "buffer(1)")]
        for _ in range(3):
            await anext(items)
        assert drawn(items) == [(0, "buffer(2)")]


async def test_what_has_no_tasks_has_no_stages() -> None:
    async with async_range(3).map(str) as items:
        await anext(items)
        assert items.statistics() == RunStatistics(stages=(), timed=0, caught=0, retried=0)
        assert items.statistics().slowest is None


async def test_nothing_is_open_before_the_first_step_of_a_bare_run() -> None:
    items = aiter(async_range(3))
    assert items.statistics().stages == ()
    await items.aclose()


async def test_sources_of_a_zip_without_tasks_are_no_stages() -> None:
    async with zip("ab", "cd").buffer(2) as items:
        assert await anext(items) == ("a", "c")
        assert [stage.name for stage in items.statistics().stages] == ["buffer(2)"]


async def test_a_closed_run_keeps_the_numbers_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anystream._core.batches.clock", lambda: 0.0)  # no batch ends by its time
    async with async_range(9).buffer(3) as asked, async_range(9).buffer(3) as not_asked:
        asked.statistics()
        await anext(asked)
        await anext(not_asked)
        await anyio.sleep(1)
    assert counts(asked, "buffer(3)") == (3, 1, 2, 0)
    assert not_asked.statistics().stages == ()


# -- tasks ----------------------------------------------------------------------------------


def states(items: Run) -> dict[str, tuple[int, int, int, bool]]:
    return {
        stage.name: (
            stage.waiting_for_room,
            stage.waiting_for_items,
            stage.working,
            stage.reader_waits,
        )
        for stage in items.statistics().stages
    }


async def test_who_waits_for_whom() -> None:
    work = Stream(lambda: source(99)).buffer(2).map(waits(1), concurrency=3).named("work")
    async with work.buffer(2).named("last") as items:
        for _ in range(3):
            await anext(items)
        await anyio.sleep(0.5)
        assert states(items) == {
            "last": (0, 1, 0, False),
            "work": (0, 0, 3, True),
            "buffer(2)": (1, 0, 0, False),
        }
        await anyio.sleep(9)
        assert states(items) == {
            "last": (1, 0, 0, False),
            "work": (3, 0, 0, False),
            "buffer(2)": (1, 0, 0, False),
        }
    async with Stream(lambda: source(99, 2)).map(waits(1), concurrency=2).named("work") as items:
        await anext(items)
        await anyio.sleep(0.5)
        assert states(items) == {"work": (0, 2, 0, False), "work source": (0, 0, 1, False)}


async def test_a_sender_and_a_thread_wait_for_room() -> None:
    @producer(buffer=1)
    async def sent(sender: Sender[int]) -> None:
        for number in range(9):
            await sender.send(number)

    for stream in (sent(), from_thread(range(9), buffer=1)):
        async with stream as items:
            items.statistics()
            await anext(items)
            await anyio.sleep(2)
            stage = items.statistics().stages[0]
            assert (stage.waiting_for_room, stage.working) == (1, 0)
            assert stage.room_seconds > 1.5
            await anext(items)


async def test_a_task_that_has_ended_is_not_counted() -> None:
    async with merge(async_range(1), ticker(1)) as items:
        await anext(items)
        await anext(items)
        assert items.statistics().stages[0].tasks == 1


# -- time -----------------------------------------------------------------------------------


async def test_waits_are_timed_from_the_first_question_on() -> None:
    async with Stream(lambda: source(9, 1)).buffer(1) as items:
        await anext(items)
        await anext(items)
        assert items.statistics().stages[0].reader_seconds == 0
        assert items.statistics().timed == 0
        await anext(items)
        assert items.statistics().stages[0].reader_seconds == 1
        with anyio.move_on_after(0.5):
            await anext(items)
        numbers = items.statistics()
        assert numbers.stages[0].reader_seconds == 1.5
        assert numbers.timed == 1.5
        assert numbers.stages[0].age == 3.5


async def test_a_wait_that_goes_on_is_timed() -> None:
    async with Stream(lambda: source(9)).buffer(1) as items:
        await anext(items)
        await anyio.sleep(1)
        items.statistics()
        await anyio.sleep(2)
        assert items.statistics().stages[0].room_seconds == 2


PAUSES = {"source": (3, 0, 0), "work": (0, 3, 0), "reader": (0, 0, 3)}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("slow", PAUSES)
async def test_the_slow_stage_is_found(slow: str, workers: int) -> None:
    source_pause, work_pause, reader_pause = (workers * pause for pause in PAUSES[slow])
    rows = Stream(lambda: source(99, source_pause)).buffer(2).named("source")
    mapped = rows.map(waits(work_pause), concurrency=workers, ahead=1).named("work").buffer(2)
    async with mapped as items:
        assert items.statistics().slowest is None
        for _ in range(9):
            await anext(items)
            await anyio.sleep(reader_pause)
        slowest = items.statistics().slowest
        assert (slowest.name if slowest else "reader") == slow


async def test_a_stage_whose_tasks_are_over_is_not_the_slow_one() -> None:
    async with async_range(3).buffer(9) as items:
        items.statistics()
        await anext(items)
        await anyio.sleep(5)
        await anext(items)
        numbers = items.statistics()
    assert numbers.stages[0].tasks == 0
    assert numbers.slowest is None


# -- errors ---------------------------------------------------------------------------------


async def test_errors_are_counted() -> None:
    def negative(n: int) -> float:
        return 1 / (n - 2)

    attempts: Iterator[int] = iter(range(9))

    async def failing() -> AsyncIterator[int]:
        yield 1
        if next(attempts) < 3:
            raise OSError

    retried = Stream(failing).retry(Retry(5, first=1, jitter=False))
    async with retried as items:
        assert len([item async for item in items]) == 4
        assert (items.statistics().caught, items.statistics().retried) == (0, 3)
    attempts = iter(range(9))
    async with Stream(failing).retry(Retry(5, first=1)).buffer(1) as items:
        assert len([item async for item in items]) == 4
        assert items.statistics().stages[0].retried == 3
    async with async_range(5).map(negative, on_error="skip") as items:
        assert len([item async for item in items]) == 4
        assert items.statistics().caught == 1
    async with async_range(5).map(waits(1)).map(negative, on_error="skip").buffer(1) as items:
        assert len([item async for item in items]) == 4
        assert items.statistics().stages[0].caught == 1
    async with async_range(5).map(negative).catch(lambda _: [7], ZeroDivisionError) as items:
        assert [item async for item in items][2:] == [7]
        assert items.statistics().caught == 1
    recovered = async_range(5).map(negative, on_error="skip", concurrency=2)
    async with recovered as items:
        assert len([item async for item in items]) == 4
        assert items.statistics().stages[0].caught == 1


def test_a_stage_is_a_value() -> None:
    assert StageStatistics.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert RunStatistics.__dataclass_params__.frozen  # type: ignore[attr-defined]


# -- parts that are replaced ----------------------------------------------------------------


def once_a_second() -> Stream[int]:
    """Three items, which come through a channel."""
    return ticker(1).map(lambda _: 1).take(3).buffer(2)


def failing_at_the_end() -> Stream[int]:
    return once_a_second().chain(Stream([0])).map(lambda n: 1 // n)


REPLACED: dict[str, Callable[[], Stream[Any]]] = {
    "retry": lambda: failing_at_the_end().retry(Retry(None, first=1, jitter=False)),
    "repeat": lambda: once_a_second().repeat(),
    "catch": lambda: failing_at_the_end().catch(lambda _: once_a_second().repeat()),
    "chain": lambda: once_a_second().chain(once_a_second(), once_a_second()),
    "flat_map": lambda: async_range(9).flat_map(lambda _: once_a_second()),
    "flat_map in two tasks": (
        lambda: async_range(9).flat_map(lambda _: once_a_second(), concurrency=2)
    ),
    "switch_map": lambda: ticker(4).switch_map(lambda _: once_a_second()),
    "workers": lambda: ticker(1).buffer(2).map(waits(0.5), concurrency=3),
}


@pytest.mark.parametrize("kind", REPLACED)
async def test_what_has_been_counted_stays(kind: str) -> None:
    """Also of parts that are over, and at the end."""
    seen = list[list[float]]()
    async with REPLACED[kind]().buffer(1).take(9).buffer(1) as items:
        items.statistics()
        async for _ in items:
            first, second, *_ = items.statistics().stages
            seen.append([first.items_seconds, second.items_seconds, second.retried])
            assert first.items_seconds == pytest.approx(second.reader_seconds)
            await anyio.sleep(0.25)
        assert items.statistics().stages[0].items_seconds >= seen[-1][0]
    for numbers in builtins.zip(*seen, strict=True):
        assert [*numbers] == sorted(numbers)
    assert seen[-1][1] > 2


async def test_a_wait_is_counted_once() -> None:
    """The workers take turns at the channel before them, and all of them wait."""
    async with ticker(1).buffer(3).map(waits(0), concurrency=2) as items:
        items.statistics()
        for _ in range(5):
            await anext(items)
        await anyio.sleep(0.5)
        workers, _ = items.statistics().stages
        assert workers.items_seconds == pytest.approx(5.5 + 4.5)  # the second came with an item


@pytest.mark.parametrize("kind", ["switch_map", "flat_map"])
async def test_errors_that_were_caught_in_inner_streams_stay_counted(kind: str) -> None:
    def inner(_: object) -> Stream[Any]:
        return Stream([0, 1]).map(lambda n: 1 // n, on_error="skip").chain(ticker(9))

    outer = ticker(1).take(4)
    stream = (
        outer.switch_map(inner) if kind == "switch_map" else outer.flat_map(inner, concurrency=4)
    )
    async with stream as items:
        for caught in range(1, 5):
            await anext(items)
            assert items.statistics().stages[0].caught == caught


async def test_a_stage_that_opens_later_is_timed_from_then_on() -> None:
    async with once_a_second().repeat() as items:
        items.statistics()
        for _ in range(8):
            await anext(items)
        (stage,) = items.statistics().stages
        assert stage.reader_seconds == pytest.approx(2)


async def test_the_reader_is_not_blamed_for_a_young_stage() -> None:
    async with once_a_second().repeat() as items:
        for _ in range(30):
            slowest = items.statistics().slowest
            await anext(items)
            await anyio.sleep(0.25)
        assert slowest is not None


async def test_another_thread_cannot_look() -> None:
    async with async_range(9).buffer(3) as items:
        for ask in (items.statistics, items.explain):
            with pytest.raises(WrongTaskError, match="ask for its numbers, in the event loop that"):
                await anyio.to_thread.run_sync(ask)
        asked = partial(anyio.from_thread.run_sync, items.statistics)
        assert len((await anyio.to_thread.run_sync(asked)).stages) == 1
    assert len((await anyio.to_thread.run_sync(items.statistics)).stages) == 1
