"""Operators that space their items or gather them, beyond the table of rows."""

import itertools
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd import Byte
from recovering import outcome
from timed import INF, NAN, lasting, polled

from anystream import (
    Stream,
    async_range,
)
from anystream.testing import TrackedSource, marbles

# -- delay ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [1, 2, 3, 9])
@pytest.mark.parametrize("pause", [None, 0, 0.3])
async def test_so_many_items_wait_for_their_time_and_no_more(
    bound: int, pause: float | None
) -> None:
    source = TrackedSource(range(20), pause=pause)
    for kind in (source.iterator, source.generator):
        before, ahead, given = source.steps, 0, 0
        async with Stream(kind).delay(5, buffer=bound) as items:
            await anyio.sleep(4.9)
            assert source.steps - before == bound
            while given < 20:
                assert await anext(items) == given
                ahead = max(ahead, min(source.steps - before, 20) - given)
                given += 1
                await anyio.sleep(0.01)
            assert bound <= ahead <= bound + 1, "the one that is given counts, too"


async def test_the_bound_of_a_delay_for_a_batch() -> None:
    made: list[int] = []
    async with async_range(20).tap(made.append).delay(5, buffer=4) as items:
        await anyio.sleep(1)
        assert made == [0, 1, 2, 3]
        assert [item async for item in items] == [*range(20)]


async def test_a_delay_can_be_left_before_anything_is_due() -> None:
    source = TrackedSource(range(20))
    async with lasting(1), Stream(source.generator).delay(60) as items:
        with anyio.move_on_after(1):
            await anext(items)
    assert source.open_runs == 0


# -- spaced and rate_limit ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["spaced", "rate_limit"])
async def test_a_wait_that_is_cancelled_keeps_its_item(name: str) -> None:
    stream = async_range(5)
    paced = stream.spaced(1) if name == "spaced" else stream.rate_limit(1)
    async with lasting(4):
        assert await polled(paced, 0.3) == [0, 1, 2, 3, 4]


async def test_a_wait_is_taken_up_where_it_was_cancelled() -> None:
    async with async_range(2).spaced(10) as items:
        assert await anext(items) == 0
        with anyio.move_on_after(4):
            await anext(items)
        await anyio.sleep(4)
        async with lasting(2):
            assert await anext(items) == 1


async def test_pacing_behind_what_awaits_and_before_it() -> None:
    async def later(n: int) -> int:
        await anyio.sleep(0.25)
        return n

    async with lasting(3.5):
        assert await async_range(4).map(later).spaced(1).map(later).collect() == [0, 1, 2, 3]


async def test_two_of_them_in_one_segment() -> None:
    async with lasting(5):
        assert await async_range(6).rate_limit(2, per=2, burst=3).spaced(1).count() == 6
    async with lasting(6):
        assert await async_range(3).spaced(1).spaced(3).count() == 3


async def test_an_error_does_not_wait_for_its_turn() -> None:
    source = TrackedSource("a", errors={1: OSError("gone")})
    async with lasting(0):
        with pytest.raises(OSError, match="gone"):
            await Stream(source.generator).spaced(60).collect()


@given(
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 6),
    st.lists(st.integers(0, 12), max_size=25),
    st.lists(st.integers(0, 12), max_size=25),
)
async def test_no_more_than_so_many_in_any_window(
    n: int, interval: int, burst: int, pauses: list[int], busy: list[int]
) -> None:
    """Whatever the times at which items come and the reader asks for them."""
    per = n * interval
    times: list[float] = []
    stream = Stream(pauses).tap(anyio.sleep).rate_limit(n, per=per, burst=burst)
    reader = itertools.chain(busy, itertools.repeat(0))
    async with stream as items:
        async for pause in items:
            times.append(anyio.current_time())
            assert pause == pauses[len(times) - 1]
            await anyio.sleep(next(reader))
    assert len(times) == len(pauses)
    for start in times:
        assert sum(start <= time < start + per for time in times) <= n + burst - 1


async def test_a_sum_that_is_rounded_asks_for_no_second_wait() -> None:
    """The time that is slept until is the time at which the item passes, to the last digit."""
    gaps = [0.5, 0, 0.5, 0, 0, 0.5, 0.125, 0.75, 1.25, 0.25, 1.125, 0.25, 0.375]
    stream = Stream(gaps).tap(anyio.sleep).rate_limit(3, per=1.625, burst=3)
    assert await stream.collect() == gaps


# -- batched --------------------------------------------------------------------------------


async def test_one_batch_gathers_while_the_reader_is_busy_and_no_more() -> None:
    source = TrackedSource(range(20))
    async with Stream(source.iterator).batched(3, within=1) as items:
        for turn in range(5):
            assert await anext(items) == tuple(range(3 * turn, 3 * turn + 3))
            await anyio.sleep(60)
            assert source.steps == 3 * turn + 6
    assert source.closes_finished == 1


async def test_one_batch_by_weight_gathers_and_what_did_not_fit() -> None:
    source = TrackedSource([2, 3, 1, 4, 5, 1, 1, 1])
    stream = Stream(source.iterator).batched(weight=lambda n: n, max_weight=6, within=1)
    async with stream as items:
        assert await anext(items) == (2, 3, 1)
        await anyio.sleep(60)
        assert source.steps == 5
        assert [batch async for batch in items] == [(4,), (5,), (1, 1, 1)]


WITHIN = pytest.mark.parametrize("within", [{}, {"within": 60}], ids=["reader", "task"])


@WITHIN
@pytest.mark.parametrize(
    ("items", "n", "most", "wanted"),
    [
        ([1, 9, 1], None, 5, [(1,), (9,), (1,)]),
        ([9, 9], None, 5, [(9,), (9,)]),
        ([9, 1, 1], None, 5, [(9,), (1, 1)]),
        ([5, 5], None, 5, [(5,), (5,)]),
        ([2, 3, 2, 3], None, 5, [(2, 3), (2, 3)]),
        ([0, 0, 5, 0], None, 5, [(0, 0, 5), (0,)]),
        ([0, 0, 0], None, 5, [(0, 0, 0)]),
        ([1, 1, 1, 4, 1, 1], 2, 5, [(1, 1), (1, 4), (1, 1)]),
        ([4, 4, 1, 1], 2, 5, [(4,), (4, 1), (1,)]),
        ([INF, 1, INF], 2, 5, [(INF,), (1,), (INF,)]),
        ([9, 9, 9], 1, 5, [(9,), (9,), (9,)]),
        ([], None, 5, []),
    ],
)
async def test_by_number_and_weight(
    within: Any, items: list[float], n: int | None, most: float, wanted: Any
) -> None:
    source = TrackedSource(items)
    for given_items in (items, source.generator):
        stream = Stream(given_items)
        batches = stream.batched(n, weight=lambda item: item, max_weight=most, **within)
        assert await batches.collect() == wanted


@WITHIN
@pytest.mark.parametrize("kind", [Byte, Decimal, Fraction])
async def test_weights_of_any_kind_of_number(within: Any, kind: Callable[[int], Any]) -> None:
    stream = Stream([60, 200, 20, 30, 50]).batched(weight=kind, max_weight=99.5, **within)
    assert await stream.collect() == [(60,), (200,), (20, 30), (50,)]


@WITHIN
@pytest.mark.parametrize("wrong", [-1, -0.001, NAN, -INF])
async def test_a_weight_must_be_a_number_that_is_not_negative(within: Any, wrong: float) -> None:
    stream = Stream([1, 2, wrong]).batched(weight=lambda n: n, max_weight=9, **within)
    got, error = await outcome(stream)
    assert got == ([(1, 2)] if within else [])
    assert isinstance(error, ValueError)
    assert str(error) == f"weight must return a number of at least 0, got {wrong!r}"


@WITHIN
@pytest.mark.parametrize("wrong", [None, "1", [1]])
async def test_a_weight_must_be_a_number(within: Any, wrong: Any) -> None:
    stream = Stream([1, 2, wrong]).batched(weight=lambda n: n, max_weight=9, **within)
    got, error = await outcome(stream)
    assert got == ([(1, 2)] if within else [])
    assert isinstance(error, TypeError)
    assert str(error) == f"weight must return a number of at least 0, got {wrong!r}"


@WITHIN
async def test_an_error_of_the_weight_is_one_of_the_stream(within: Any) -> None:
    source = TrackedSource(["a", "bb", "?"])
    weights = {"a": 1, "bb": 2}
    stream = Stream(source.generator).batched(weight=weights.__getitem__, max_weight=9, **within)
    got, error = await outcome(stream)
    assert got == ([("a", "bb")] if within else [])
    assert isinstance(error, KeyError)
    assert source.opened == source.closes_finished == 1


async def test_what_did_not_fit_comes_before_an_error_too() -> None:
    gone = OSError("gone")
    source = TrackedSource([3, 4, 5], errors={3: gone})
    stream = Stream(source.generator).batched(weight=lambda n: n, max_weight=6, within=60)
    assert await outcome(stream) == ([(3,), (4,), (5,)], gone)


async def test_the_time_of_what_did_not_fit_begins_when_it_comes() -> None:
    """And not when the batch before it has been read."""
    weights = {"a": 2, "b": 2, "c": 2, "d": 0.5}
    stream = marbles("-ab------c-d----|").batched(
        weight=weights.__getitem__, max_weight=3, within=4
    )
    got: list[tuple[float, tuple[str, ...]]] = []
    async with stream as items:
        start = anyio.current_time()
        async for batch in items:
            got.append((anyio.current_time() - start, batch))
    assert got == [(2, ("a",)), (6, ("b",)), (13, ("c", "d"))]


# -- timestamp and elapsed ------------------------------------------------------------------


async def test_a_timestamp_is_by_the_clock_of_the_event_loop() -> None:
    start = anyio.current_time()
    pairs = await async_range(3, delay=2).timestamp().collect()
    assert pairs == [(start + 2, 0), (start + 4, 1), (start + 6, 2)]


async def test_each_opening_measures_from_its_own_beginning() -> None:
    stream = async_range(2, delay=2).elapsed()
    for _ in range(2):
        assert await stream.collect() == [(2, 0), (2, 1)]
        await anyio.sleep(10)


# -- rates that are finer than timers -----------------------------------------------------------

FINE = 10_000  # items a second


async def test_a_fine_rate_is_kept_within_a_millisecond() -> None:
    start = anyio.current_time()
    times = await async_range(1_000).rate_limit(FINE).map(lambda _: anyio.current_time()).collect()
    early = [number / FINE - (time - start) for number, time in enumerate(times)]
    assert -1e-9 <= min(early) <= max(early) <= 0.001 + 1e-9
    assert len(set(times)) <= 101  # those of a millisecond come together


async def test_a_fine_rate_makes_up_for_late_timers() -> None:
    start = anyio.current_time()
    async with async_range(200).rate_limit(FINE) as items:
        async for n in items:
            if n % 20 == 19:
                await anyio.sleep(0.0019)
    assert anyio.current_time() - start < 0.025


async def test_a_coarse_rate_is_never_early() -> None:
    start = anyio.current_time()
    times = await async_range(5).rate_limit(1_000).map(lambda _: anyio.current_time()).collect()
    assert [time - start for time in times] == pytest.approx([0, 0.001, 0.002, 0.003, 0.004])
    assert all(time - start >= n / 1_000 - 1e-9 for n, time in enumerate(times))


async def test_a_batch_may_have_one_item() -> None:
    assert await async_range(3).batched(1).collect() == [(0,), (1,), (2,)]


# -- batches of what has come -----------------------------------------------------------------


async def test_a_batch_within_no_time_is_what_is_there() -> None:
    source = TrackedSource([1, 2, 3], pause=1)
    assert await Stream(source.iterator).batched(9, within=0).collect() == [(1,), (2,), (3,)]
    assert await async_range(5).batched(2, within=0).collect() == [(0, 1), (2, 3), (4,)]
    assert await Stream(()).batched(2, within=0).collect() == []


async def test_a_batch_within_no_time_is_what_has_come_meanwhile() -> None:
    source = TrackedSource(range(7), pause=1)
    async with Stream(source.iterator).batched(3, within=0) as batches:
        got = [await anext(batches)]
        await anyio.sleep(4.5)
        got += [await anext(batches), await anext(batches)]
        await anyio.sleep(0.5)
        got.append(await anext(batches))
    assert got == [(0,), (1, 2, 3), (4,), (5,)]


async def test_what_was_there_before_an_error_comes_first() -> None:
    source = TrackedSource([1, 2], pause=None, errors={2: ZeroDivisionError()})
    got: list[tuple[int, ...]] = []
    with pytest.raises(ZeroDivisionError):
        async with Stream(source.generator).batched(9, within=0) as batches:
            async for batch in batches:
                got.append(batch)
    assert got == [(1, 2)]


async def test_a_weight_within_no_time() -> None:
    stream = Stream([3, 1, 1, 2, 5]).batched(weight=lambda n: n, max_weight=4, within=0)
    assert await stream.collect() == [(3, 1), (1, 2), (5,)]
