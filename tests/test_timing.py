"""What the operators with a clock have in common, and those that drop items."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from contract import the
from recovering import outcome
from rows.clock import CLOCKED, ClockRow
from timed import (
    EACH,
    EACH_IN_TASKS,
    EACH_SIEVE,
    OPERATORS,
    SIEVES,
    Apply,
    at_once,
    lasting,
    polled,
    slow,
)

from anystream import (
    Stream,
    async_range,
    merge,
    ticker,
    to_sync,
)
from anystream.testing import TrackedSource, assert_marbles, marbles

# -- errors and the end ---------------------------------------------------------------------


@EACH
async def test_the_error_of_a_source_comes_behind_its_items(apply: Apply) -> None:
    gone = OSError("gone")
    for kind in ("generator", "iterator"):
        source = TrackedSource(range(9), pause=0.02, errors={3: gone})
        got, error = await outcome(apply(Stream(getattr(source, kind))))
        assert error is gone
        assert got == [0, 1, 2]
        assert source.open_runs == 0


@EACH
async def test_an_error_of_the_body_comes_bare_and_the_source_is_closed(apply: Apply) -> None:
    source = TrackedSource(range(9), pause=0.02, cleanup=0.5)
    with pytest.raises(KeyError, match="body"):
        async with apply(Stream(source.generator)) as items:
            async for _ in items:
                raise KeyError("body")
    assert source.opened == source.closes_finished == 1


@EACH
async def test_a_cleanup_that_fails_is_heard_of_when_the_reader_leaves(apply: Apply) -> None:
    source = TrackedSource(range(9), pause=0.02, cleanup_error=OSError("cleanup"))
    with pytest.raises(OSError, match="cleanup"):
        async with apply(Stream(source.iterator)) as items:
            await anext(items)
    with pytest.raises(OSError, match="cleanup"):
        await apply(Stream(source.generator)).collect()
    assert source.open_runs == 0


async def test_a_failed_cleanup_that_is_not_due_yet_is_heard_of_when_the_reader_leaves() -> None:
    source = TrackedSource([1], cleanup_error=OSError("cleanup"))
    with pytest.raises(OSError, match="cleanup"):
        async with Stream(source.iterator).delay(60):
            await anyio.sleep(30)
            assert source.closes_finished == 1


async def test_a_delayed_error_is_raised_once() -> None:
    source = TrackedSource([1], cleanup_error=OSError("cleanup"))
    async with Stream(source.iterator).delay(5) as items:
        assert await anext(items) == 1
        with pytest.raises(OSError, match="cleanup"):
            await anext(items)


@EACH
async def test_each_lets_everything_through_that_comes_in_time(apply: Apply) -> None:
    assert await apply(slow()).collect() == [0, 1, 2, 3]
    assert await apply(Stream([])).collect() == []


@EACH
async def test_inside_of_a_flat_map(apply: Apply) -> None:
    for concurrency in (1, 2):
        stream = async_range(2).flat_map(lambda n: apply(slow()), concurrency=concurrency)
        assert sorted(await stream.collect()) == [0, 0, 1, 1, 2, 2, 3, 3]


@EACH
async def test_behind_a_share_and_before_it(apply: Apply) -> None:
    for stream, reader in ((slow(), apply), (apply(slow()), Stream[Any])):
        got: list[list[int]] = []

        async def read(branch: Stream[int], got: list[list[int]] = got) -> None:
            got.append(await branch.collect())

        async with stream.share(9) as shared, anyio.create_task_group() as tasks:
            tasks.start_soon(read, reader(shared))
            tasks.start_soon(read, shared)
        assert got == [[0, 1, 2, 3]] * 2


@EACH
async def test_in_a_merge(apply: Apply) -> None:
    assert await merge(apply(slow()), apply(slow())).collect(sorted) == [0, 0, 1, 1, 2, 2, 3, 3]


@EACH
async def test_behind_each_other(apply: Apply) -> None:
    for other in OPERATORS.values():
        assert await apply(other(slow()).map(int)).collect() == [0, 1, 2, 3]


async def test_a_debounce_of_a_throttle() -> None:
    source = marbles("abcdefgh------i|")
    await assert_marbles(source.throttle(3), "a--d--g-------i|")
    await assert_marbles(source.throttle(3).debounce(4), "----------g----(i|)")
    await assert_marbles(source.throttle(3).debounce(2), "--a--d--g------(i|)")
    await assert_marbles(source.debounce(4).throttle(3, "trailing"), "--------------h(i|)")


@EACH_IN_TASKS
async def test_polling_loses_nothing(apply: Apply) -> None:
    """Steps are cancelled at any time, and also at the very instant of an item."""
    for seconds in (0.003, 0.005, 0.01, 0.02, 0.03):
        assert await polled(apply(slow()), seconds) == [0, 1, 2, 3]


# -- throttle, debounce, sample -------------------------------------------------------------


@EACH_SIEVE
async def test_the_source_never_waits_for_a_slow_reader(apply: Apply) -> None:
    """It runs to its end, and the newest two of what came through are kept."""
    source = TrackedSource(range(10), pause=2)
    async with apply(Stream(source.iterator)) as items:
        assert await anext(items) == 0
        await anyio.sleep(60)
        assert source.steps == 11
        assert source.closes_finished == 1
        assert [item async for item in items] == [8, 9]


@EACH_SIEVE
async def test_what_has_come_through_while_the_source_waits_counts_as_well(apply: Apply) -> None:
    """Nothing has come since, so that only the reader can see that the last item is due."""
    numbers = async_range(5, delay=2).chain(ticker(90, 1))
    async with apply(numbers) as items:
        assert await anext(items) == 0
        await anyio.sleep(60)
        async with lasting(0):
            assert [await anext(items), await anext(items)] == [3, 4]


@EACH_SIEVE
async def test_an_error_waits_behind_the_newest_two(apply: Apply) -> None:
    source = TrackedSource(range(10), pause=2, errors={5: OSError("gone")})
    async with apply(Stream(source.iterator)) as items:
        await anyio.sleep(60)
        assert await anext(items) == 3
        assert await anext(items) == 4
        with pytest.raises(OSError, match="gone"):
            await anext(items)


FIRST = {"throttle(1)": 0, "throttle(1, 'both', keep='first')": 1}
"""Of those that do not give the last item: the last that they give of many at one instant."""


@EACH_SIEVE
async def test_a_source_that_never_waits_does_not_fill_the_memory(apply: Apply) -> None:
    latest: deque[int] = deque(maxlen=1)
    async with apply(async_range(5000).tap(latest.append)) as items:
        await anyio.sleep(60)
        rest = [item async for item in items]
    assert len(rest) <= 2
    assert latest[0] == 4999
    assert rest[-1] == FIRST.get(repr(apply(Stream([]))).partition(".")[2], 4999)


async def test_what_is_held_comes_before_the_end_and_before_an_error_at_once() -> None:
    for apply in (SIEVES[name] for name in SIEVES.keys() - {"throttle", "throttle first"}):
        got = await apply(async_range(5)).collect()
        assert got[-1] == 4
        gone = OSError("gone")
        source = TrackedSource(range(9), errors={5: gone})
        async with lasting(0):
            got, error = await outcome(apply(Stream(source.generator)))
        assert got[-1] == 4
        assert error is gone


async def test_a_signal_while_the_reader_is_busy_ends_what_has_come_since_the_last() -> None:
    """Both signals come while the reader holds an earlier batch."""
    signals = Stream([1.5, 1, 0.5]).tap(anyio.sleep)
    items = Stream([1, 0, 0, 0.5, 1.5, 0]).tap(anyio.sleep).enumerate().map(lambda pair: pair[0])
    got: list[tuple[int, ...]] = []
    async with items.batched(until=signals) as batches:
        async for batch in batches:
            got.append(batch)
            await anyio.sleep(10)
    assert [item for batch in got for item in batch] == [0, 1, 2, 3, 4, 5]


async def test_what_comes_at_the_instant_of_a_signal_is_for_the_next_one() -> None:
    """If the signal is heard first, the source waits with its item until the reader is back."""

    async def signals() -> AsyncIterator[None]:
        await anyio.sleep(0.75)
        await anyio.sleep(0.25)  # begins after that of the item, which asyncio wakes first
        yield
        await anyio.sleep(1)
        yield

    items = Stream([0.5, 0.5, 8]).tap(anyio.sleep).enumerate().map(lambda pair: pair[0])
    async with items.batched(until=Stream(signals)) as batches:
        await anyio.sleep(3)
        got = [batch async for batch in batches]
    assert got in ([(0,), (1,), (2,)], [(0,), (1, 2)])


async def test_a_sample_is_taken_at_ticks_that_count_from_the_opening() -> None:
    await assert_marbles(marbles("-a---b---|").sample(3), "---a--b--|")
    await assert_marbles(marbles("-ab---c----d|").sample(3), "---b-----c--(d|)")


async def test_a_sample_at_an_interval_so_short_that_no_number_counts_the_ticks() -> None:
    assert await async_range(3, delay=1).sample(5e-324).collect() == [0, 1, 2]


# -- on real clocks -------------------------------------------------------------------------


@asynccontextmanager
async def at_least(seconds: float) -> AsyncGenerator[None]:
    """A block that takes so long; clocks are not finer than some milliseconds everywhere."""
    start = anyio.current_time()
    yield
    assert seconds - 0.02 < anyio.current_time() - start < seconds + 30


def check_all_came(row: ClockRow, got: list[int], count: int) -> None:
    """So many items, but for those that a machine which is late has brought together."""
    everything = [*range(count)]
    if row.sieve:
        assert got
        assert got == sorted({*got} & {*everything})
    else:
        assert got == everything


@pytest.mark.real_time
async def test_each_in_real_time() -> None:
    async def check(row: ClockRow) -> None:
        async with at_least(0.08):
            got = await row.lets_all_pass(slow()).collect()
        check_all_came(row, got, 4)

    await at_once(*(partial(check, row) for row in CLOCKED))


@pytest.mark.real_time
@the(row for row in CLOCKED if row.gives_up)
async def test_giving_up_in_real_time(row: ClockRow) -> None:
    source = TrackedSource(range(3), pause=3600)
    async with at_least(0.05):
        with pytest.raises(TimeoutError):
            await row.called(Stream(source.generator), 0.05).collect()
    assert source.opened == source.closes_finished == 1


@pytest.mark.real_time
async def test_a_heartbeat_in_real_time() -> None:
    async with at_least(0.2):
        got = await async_range(1, delay=0.2).heartbeat(0.01, "beat").collect()
    assert got[-1] == 0
    assert 1 <= got.count("beat") <= 20
    assert set(got) == {"beat", 0}


@pytest.mark.real_time
async def test_a_delay_in_real_time() -> None:
    async with at_least(0.2):
        assert await async_range(3).delay(0.2).collect() == [0, 1, 2]


@pytest.mark.real_time
async def test_pacing_in_real_time() -> None:
    async with at_least(0.2):
        assert await async_range(5).spaced(0.05).collect() == [*range(5)]
    async with at_least(0.2):
        assert await async_range(7).rate_limit(1, per=0.05, burst=3).collect() == [*range(7)]


@pytest.mark.real_time
async def test_a_batch_in_real_time() -> None:
    async with at_least(0.1), Stream("ab").chain(ticker(3600)).batched(9, within=0.1) as items:
        assert await anext(items) == ("a", "b")


@pytest.mark.real_time
async def test_sieves_in_real_time() -> None:
    """Of a burst the first or the last, or both; then one for each that comes alone."""
    burst = Stream("abc").chain(Stream("d").tap(lambda _: anyio.sleep(0.5)))

    async def check(stream: Stream[str], *wanted: str) -> None:
        assert await stream.collect() == [*wanted]

    await at_once(
        partial(check, burst.throttle(0.2), "a", "d"),
        partial(check, burst.throttle(0.2, "trailing"), "c", "d"),
        partial(check, burst.throttle(0.2, "both"), "a", "c", "d"),
        partial(check, burst.debounce(0.2), "c", "d"),
        partial(check, burst.sample(0.2), "c", "d"),
    )


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_code_that_is_not_async(backend: str) -> None:
    for row in CLOCKED:
        with to_sync(row.lets_all_pass(slow(2)), backend) as items:
            check_all_came(row, list(items), 2)
    with to_sync(ticker(3600).timeout(0.05), backend) as items, pytest.raises(TimeoutError):
        next(items)
    with to_sync(ticker(3600).heartbeat(0.01, "beat"), backend) as items:
        assert [next(items), next(items)] == ["beat", "beat"]


@pytest.mark.parametrize(
    "watch",
    [lambda s: s.timeout(1), lambda s: s.heartbeat(1, None)],
    ids=["timeout", "heartbeat"],
)
async def test_to_watch_what_never_waits_starts_no_task(watch: Apply) -> None:
    before = {task.id for task in anyio.get_running_tasks()}

    def others(_: int) -> int:
        return len({task.id for task in anyio.get_running_tasks()} - before)

    plain = watch(async_range(3))
    async with plain as items:
        assert [others(n) async for n in items] == [0, 0, 0]
    async with watch(async_range(3, delay=0.5)) as items:
        assert [others(n) async for n in items] == [1, 1, 1]
