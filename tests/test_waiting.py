"""Operators that know how long their reader has waited, beyond the table of rows."""

import asyncio
import itertools
from typing import Any

import anyio
import pytest
from contract import the
from recovering import outcome
from rows.clock import CLOCKED, ClockRow
from timed import (
    EACH_IDLE,
    GIVE_UP,
    IDLE,
    INF,
    Apply,
    lasting,
    polled,
)

from anystream import (
    CleanupTimeoutError,
    Stream,
    ticker,
)
from anystream.testing import TrackedSource, assert_marbles, marbles

# -- timeout and deadline -------------------------------------------------------------------


async def test_what_the_errors_say() -> None:
    with pytest.raises(TimeoutError, match=r"^ticker\(60\) yielded nothing for 0\.5 s\n"):
        await ticker(60).timeout(0.5).collect()
    with pytest.raises(TimeoutError, match=r"^ticker\(60\) did not end within 90 s\n"):
        await ticker(60).deadline(90).collect()


@GIVE_UP
async def test_giving_up_closes_the_source_at_once(apply: Apply) -> None:
    source = TrackedSource(range(3), pause=60, cleanup=0.5)
    async with apply(Stream(source.generator)) as items:
        async with lasting(2):
            with pytest.raises(TimeoutError):
                await anext(items)
        await anyio.sleep(0.6)
        assert source.steps == source.closes_finished == 1
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(items)


@GIVE_UP
async def test_a_cleanup_that_fails_comes_together_with_the_timeout(apply: Apply) -> None:
    source = TrackedSource(range(3), pause=60, cleanup_error=OSError("cleanup"))
    with pytest.raises(ExceptionGroup) as caught:
        await apply(Stream(source.generator)).collect()
    assert [type(error) for error in caught.value.exceptions] == [TimeoutError, OSError]


@GIVE_UP
async def test_a_cleanup_that_hangs_comes_together_with_the_timeout(apply: Apply) -> None:
    source = TrackedSource(range(3), pause=60, cleanup=INF)
    async with lasting(2 + 5):
        with pytest.raises(ExceptionGroup) as caught:
            await apply(Stream(source.generator).with_grace(5)).collect()
    assert [type(error) for error in caught.value.exceptions] == [TimeoutError, CleanupTimeoutError]
    assert source.closes_started == 1


@pytest.mark.parametrize("cleanup", ["fails", "hangs"])
@pytest.mark.parametrize("name", ["timeout", "deadline"])
async def test_a_bad_cleanup_is_heard_of_though_a_timeout_is_only_the_end(
    name: str, cleanup: str
) -> None:
    wanted: Any = {"fails": OSError, "hangs": CleanupTimeoutError}[cleanup]
    seconds, error = (0, OSError()) if cleanup == "fails" else (INF, None)
    source = TrackedSource(range(3), pause=60, cleanup=seconds, cleanup_error=error)
    with pytest.raises(wanted):
        await getattr(Stream(source.generator), name)(2, on_timeout="end").collect()


async def test_after_the_end_for_lack_of_time_nothing_comes() -> None:
    source = TrackedSource(range(3), pause=60)
    for stream in (
        Stream(source.generator).timeout(2, on_timeout="end"),
        Stream(source.generator).deadline(2, on_timeout="end"),
    ):
        async with stream as items:
            for _ in range(2):
                with pytest.raises(StopAsyncIteration):
                    await anext(items)
            await anyio.sleep(1)
            assert source.open_runs == 0


@GIVE_UP
async def test_the_time_goes_on_over_a_step_that_is_cancelled_and_repeated(apply: Apply) -> None:
    source = TrackedSource(range(3), pause=60)
    async with apply(Stream(source.iterator)) as items, lasting(2):
        with anyio.move_on_after(1) as scope:
            await anext(items)
        assert scope.cancelled_caught
        await anyio.sleep(0.5)
        with pytest.raises(TimeoutError):
            await anext(items)
    assert source.steps == 1


async def test_the_time_is_over_while_the_reader_is_away() -> None:
    source = TrackedSource(range(3), pause=60)
    async with Stream(source.iterator).timeout(2) as items:
        with anyio.move_on_after(1):
            await anext(items)
        await anyio.sleep(30)
        async with lasting(0):
            with pytest.raises(TimeoutError):
                await anext(items)


@EACH_IDLE
async def test_what_has_come_while_the_reader_was_away_has_come_in_time(row: ClockRow) -> None:
    source = TrackedSource(range(3), pause=2)
    async with row.called(Stream(source.iterator), 5) as items:
        with anyio.move_on_after(1):
            await anext(items)
        await anyio.sleep(30)
        assert await anext(items) == 0
        if row.name == "deadline":
            with pytest.raises(TimeoutError):
                await anext(items)
            assert source.steps == 1, "nothing more is asked for"
        else:
            assert [item async for item in items] == [1, 2]


@the(row for row in IDLE if row.name != "deadline")
async def test_a_step_in_a_cancelled_scope_does_not_begin_the_wait(row: ClockRow) -> None:
    """Nothing is asked for in such a step."""
    source = TrackedSource(range(3), pause=1)
    async with row.called(Stream(source.iterator), 5) as items:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(items)
        await anyio.sleep(30)
        assert source.steps == 0
        assert [item async for item in items] == [0, 1, 2]


@EACH_IDLE
@pytest.mark.parametrize("turn", range(4))
async def test_what_comes_at_the_very_instant_comes_in_time_for_who_polls(
    row: ClockRow, turn: int
) -> None:
    """The step before is cancelled at the same instant; on trio chance decides who is first."""
    assert await polled(row.called(marbles("---a|"), 3).take(1), 1) == ["a"]


async def test_a_timeout_in_a_shorter_and_in_a_longer_scope() -> None:
    source = TrackedSource(range(2), pause=3)
    stream = Stream(source.iterator)
    async with lasting(2), stream.timeout(5) as items:
        with pytest.raises(TimeoutError, match=r"^$"), anyio.fail_after(2):
            await anext(items)
    async with lasting(2), stream.timeout(2) as items:
        with pytest.raises(TimeoutError, match="yielded nothing for"), anyio.fail_after(5):
            await anext(items)
    async with lasting(9), stream.timeout(5) as items:
        with anyio.move_on_after(2) as scope:
            await anext(items)
        assert scope.cancelled_caught
        assert [item async for item in items] == [0, 1]
    async with lasting(2), stream.timeout(2) as items:
        with pytest.raises(TimeoutError), anyio.fail_after(2):
            await anext(items)
    assert source.open_runs == 0


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@the(row for row in CLOCKED if row in IDLE or row.name in ("debounce", "delay"))
async def test_a_native_cancel_loses_nothing(row: ClockRow) -> None:
    """It may come before the item, at its instant, or when the time is over."""
    seconds = 0.15 if row.name == "heartbeat" else 5
    for when in (0.05, 0.1, 0.15):
        source = TrackedSource(range(3), pause=0.1)
        async with row.called(Stream(source.iterator), seconds) as items:
            step = asyncio.ensure_future(anext(items))
            await anyio.sleep(when)
            cancelled = step.cancel()
            await asyncio.wait([step])
            got = [] if step.cancelled() else [step.result()]
            assert cancelled or got
            got += [item async for item in items]
            if row.sieve:
                assert got == [2]
            else:
                assert [item for item in got if item != "beat"] == [0, 1, 2]
        assert source.open_runs == 0


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@GIVE_UP
async def test_a_native_cancel_when_the_time_is_over(apply: Apply) -> None:
    """Whichever of the two comes out, the source is closed and the next step is no surprise."""
    source = TrackedSource(range(3), pause=60)
    async with apply(Stream(source.iterator)) as items:
        step = asyncio.ensure_future(anext(items))
        await anyio.sleep(2)
        step.cancel()
        await asyncio.wait([step])
        if step.cancelled():
            with pytest.raises(TimeoutError):
                await anext(items)
        else:
            assert isinstance(step.exception(), TimeoutError)
    assert source.open_runs == 0


async def test_a_deadline_for_a_source_that_is_always_ready() -> None:
    source = Stream(itertools.count).tap(lambda n: anyio.sleep(1))
    assert await source.deadline(3.5, on_timeout="end").collect() == [0, 1, 2]
    async with Stream(itertools.count).deadline(3, on_timeout="end") as items:
        assert await anext(items) == 0
        await anyio.sleep(3)
        assert [item async for item in items] == []


# -- heartbeat ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["generator", "iterator"])
async def test_one_step_of_the_source_lasts_over_many_beats(kind: str) -> None:
    source = TrackedSource("ab", pause=10)
    async with Stream(getattr(source, kind)).heartbeat(3, "beat") as items:
        for _ in range(3):
            assert await anext(items) == "beat"
            assert source.steps == 1
        assert [item async for item in items] == ["a", *["beat"] * 3, "b", *["beat"] * 3]
    assert source.closes_finished == 1


async def test_the_value_may_be_made_anew_for_each_beat() -> None:
    numbers = itertools.count()
    stream = marbles("-------a|", frame=1).heartbeat(2, lambda: next(numbers))
    assert await stream.collect() == [0, 1, 2, "a"]
    assert next(numbers) == 3


@pytest.mark.parametrize("error", [OSError("beat"), KeyError("beat")])
async def test_an_error_of_the_value_is_one_of_the_stream(error: Exception) -> None:
    def fail() -> str:
        raise error

    source = TrackedSource("ab", pause=10)
    got, caught = await outcome(Stream(source.generator).heartbeat(3, fail))
    assert got == []
    assert caught is error
    assert source.opened == source.closes_finished == 1


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration])
async def test_the_value_cannot_end_the_stream(error: type[Exception]) -> None:
    def fail() -> str:
        raise error

    with pytest.raises(RuntimeError):
        await ticker(60).heartbeat(3, fail).collect()


async def test_the_end_and_an_error_come_instead_of_a_beat() -> None:
    for _ in range(4):
        await assert_marbles(marbles("---|").heartbeat(3, "x"), "---|")
        await assert_marbles(marbles("---#").heartbeat(3, "x"), "---#")
