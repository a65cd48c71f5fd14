"""What goes on after an end, what lets single items go, and what asks again and again."""

import gc
import itertools
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st
from recovering import WRONG, Log, openings, outcome, raising, steady
from rows import FORMS, Function, ready, suspending

from anystream import (
    Stream,
    StreamConsumedError,
    async_range,
    chain,
    poll,
)
from anystream.testing import TrackedSource

# -- repeat ---------------------------------------------------------------------------------


@pytest.mark.parametrize("times", range(4))
@pytest.mark.parametrize("buffer", [None, 0, 2])
async def test_repeated_so_many_times(times: int, buffer: int | None) -> None:
    source = TrackedSource("ab", cleanup=0.5)
    for kind in (source.generator, source.iterator):
        stream = Stream(kind) if buffer is None else Stream(kind).buffer(buffer)
        assert await stream.repeat(times).collect("".join) == "ab" * times
        assert source.open_runs == 0


@pytest.mark.parametrize("buffer", [None, 0, 2])
async def test_rounds_that_several_workers_step(buffer: int | None) -> None:
    numbers = Stream([1, 2]) if buffer is None else Stream([1, 2]).buffer(buffer)
    stream = numbers.repeat(3, pause=10).map(suspending(int), concurrency=3)
    assert await stream.collect() == [1, 2] * 3
    start = anyio.current_time()
    async with stream as items:
        assert [await anext(items), await anext(items)] == [1, 2]
        await anyio.sleep(5)
    assert anyio.current_time() - start == 5


async def test_repeated_for_ever() -> None:
    assert await Stream("ab").repeat().take(5).collect("".join) == "ababa"
    assert await async_range(1).repeat().enumerate().skip(2000).first() == (2000, 0)


async def test_what_was_handed_over_is_closed_though_it_is_never_read() -> None:
    source = TrackedSource("ab")
    assert await Stream(source.iterator()).repeat(0).collect() == []
    assert source.closes_finished == 1


async def test_the_pause_is_between_the_close_and_the_next_opening() -> None:
    log = Log()

    async def numbers() -> AsyncIterator[int]:
        log.note("open")
        try:
            yield 1
        finally:
            await anyio.sleep(2)
            log.note("closed")

    await Stream(numbers).repeat(2, pause=10).drain()
    assert log == [(0, "open"), (2, "closed"), (12, "open"), (14, "closed")]


async def test_a_cancelled_pause_of_repeat_goes_on_where_it_was() -> None:
    log = Log()
    async with Stream([1]).repeat(pause=10) as items:
        assert await anext(items) == 1
        for _ in range(3):
            with anyio.move_on_after(3):
                await anext(items)
        assert await anext(items) == 1
        log.note("item")
    assert log.times == [10]


@pytest.mark.parametrize("empty", [async_range(0), async_range(3).take(0), Stream(list)])
async def test_what_is_empty_is_repeated_without_keeping_others_from_running(
    empty: Stream[Any],
) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                await checkpoint()
                scope.cancel()

            tasks.start_soon(cancel)
            await empty.repeat().drain()
    assert scope.cancelled_caught


async def test_a_second_round_of_what_can_be_read_only_once() -> None:
    got, error = await outcome(Stream(iter("ab")).repeat(2))
    assert got == ["a", "b"]
    assert isinstance(error, StreamConsumedError)


async def test_an_error_ends_a_repeated_stream() -> None:
    error = OSError()
    assert await outcome(openings(lambda: [1], raising(error, 2)).repeat()) == ([1, 2], error)


async def test_an_error_of_the_cleanup_ends_a_repeated_stream() -> None:
    source = TrackedSource("ab", cleanup_error=OSError("cleanup"))
    got, error = await outcome(Stream(source.iterator).repeat())
    assert got == ["a", "b"]
    assert isinstance(error, OSError)
    assert source.opened == 1


def test_wrong_arguments_of_repeat() -> None:
    with pytest.raises(ValueError, match="times must be at least 0"):
        async_range(3).repeat(-1)
    with pytest.raises(ValueError, match="pause must be finite"):
        async_range(3).repeat(pause=-1)


# -- distinct, dedupe, window, default_if_empty ------------------------------------------------

numbers = st.lists(st.integers(-3, 9), max_size=30)
kinds = st.sampled_from(["list", "generator", "iterator"])
forms = st.sampled_from(FORMS)


def over(items: list[int], kind: str) -> Stream[int]:
    source = TrackedSource(items)
    return Stream(items) if kind == "list" else Stream(getattr(source, kind))


async def test_the_windows_that_are_not_full_are_made_one_by_one() -> None:
    async with Stream(range(500)).window(500, partial=True) as windows:
        await anext(windows)
        await anext(windows)
        made = [each for each in gc.get_objects() if type(each) is tuple and each[-1:] == (499,)]
    assert len(made) < 10


@given(numbers, kinds, st.integers(1, 5), st.integers(1, 5), st.booleans())
async def test_windows(items: list[int], kind: str, n: int, step: int, partial: bool) -> None:
    wanted = [
        tuple(items[start : start + n])
        for start in range(0, len(items), step)
        if partial or start + n <= len(items)
    ]
    assert await over(items, kind).window(n, step, partial=partial).collect() == wanted


@given(numbers, kinds, forms, st.sampled_from([None, 2, 3]))
async def test_deduped(items: list[int], kind: str, form: Function, modulus: int | None) -> None:
    key = None if modulus is None else form(lambda n: n % modulus)
    wanted = [
        next(group)
        for _, group in itertools.groupby(items, None if modulus is None else lambda n: n % modulus)
    ]
    assert await over(items, kind).dedupe(key).collect() == wanted


@given(numbers, kinds, forms, st.sampled_from([None, 5]), st.sampled_from([None, 1, 2, 3]))
async def test_distinct(
    items: list[int], kind: str, form: Function, modulus: int | None, remember: int | None
) -> None:
    """Against the definition: new is what has not come since `remember` other keys."""

    def key(n: int) -> int:
        return n if modulus is None else n % modulus

    keys = [*map(key, items)]
    wanted: list[int] = []
    for place, item in enumerate(items):
        before = [*dict.fromkeys(reversed(keys[:place]))][:remember]
        if keys[place] not in before:
            wanted.append(item)
    given_key = None if modulus is None else form(key)
    stream = over(items, kind).distinct(given_key, remember=remember)
    assert await stream.collect() == wanted


@given(numbers, kinds)
async def test_default_if_empty(items: list[int], kind: str) -> None:
    wanted: list[Any] = items or ["none"]
    assert await over(items, kind).default_if_empty("none").collect() == wanted


async def test_a_default_is_not_for_a_stream_that_fails() -> None:
    error = OSError()
    assert await outcome(openings(raising(error)).default_if_empty(1)) == ([], error)


async def test_windows_come_with_their_last_item() -> None:
    source = TrackedSource(range(9))
    async with Stream(source.iterator).window(3, 2) as items:
        assert await anext(items) == (0, 1, 2)
        assert source.steps == 3
        assert await anext(items) == (2, 3, 4)
        assert source.steps == 5


async def test_neighbours_need_not_be_hashable_and_are_compared_as_by_groupby() -> None:
    nan = float("nan")
    assert await Stream([[1], [1], [2]]).dedupe().collect() == [[1], [2]]
    assert await Stream([nan, nan, float("nan"), 1]).dedupe().map(str).collect() == [
        "nan",
        "nan",
        "1",
    ]
    assert await Stream([None, None, 0]).dedupe(lambda item: [item]).collect() == [None, 0]


async def test_distinct_keys_have_to_be_hashable() -> None:
    got, error = await outcome(Stream([1, [2], 3]).distinct())
    assert got == [1]
    assert isinstance(error, TypeError)


async def test_each_run_remembers_for_itself() -> None:
    for stream in (Stream("aab").distinct(), Stream("aab").dedupe(), Stream("aab").dedupe(str)):
        assert [await stream.collect("".join) for _ in range(2)] == ["ab", "ab"]


async def test_by_default_a_hundred_thousand_are_remembered() -> None:
    numbers = chain(range(100_000), [0], [100_000], [0, 1])
    assert await numbers.distinct().skip(100_000).collect() == [100_000, 1]


def test_wrong_arguments() -> None:
    numbers = async_range(3)
    with pytest.raises(ValueError, match="remember must be at least 1"):
        numbers.distinct(remember=0)
    with pytest.raises(TypeError, match="key must be a function"):
        numbers.distinct(WRONG)
    with pytest.raises(TypeError, match="key must be a function"):
        numbers.dedupe(WRONG)
    for arguments in ((0,), (1, 0)):
        with pytest.raises(ValueError, match="must be at least 1"):
            numbers.window(*arguments)


# -- map(on_error=) -------------------------------------------------------------------------


def reciprocal(n: int) -> float:
    return 6 / n


CONCURRENT: list[dict[str, Any]] = [{}, {"concurrency": 3}, {"concurrency": 2, "ordered": False}]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("given", CONCURRENT)
async def test_an_item_is_skipped(form: Function, given: dict[str, Any]) -> None:
    for items, wanted in (([1, 0, 2], [6, 3]), ([0, 1], [6]), ([0], []), ([], [])):
        got = await Stream(items).map(form(reciprocal), on_error="skip", **given).collect()
        assert Counter(got) == Counter(wanted)
        assert got == wanted or given.get("ordered") is False


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("error_form", FORMS)
@pytest.mark.parametrize("given", CONCURRENT)
async def test_an_item_is_replaced(
    form: Function, error_form: Function, given: dict[str, Any]
) -> None:
    def instead(error: Exception, item: int) -> str:
        assert sys.exception() is error
        return f"{type(error).__name__} for {item}"

    for items in ([1, 0, 2], [0, 1, 0], [0, 0], []):
        stream = Stream(items).map(form(reciprocal), on_error=error_form(instead), **given)
        wanted = [6 / n if n else "ZeroDivisionError for 0" for n in items]
        got = await stream.collect()
        assert Counter(got) == Counter(wanted)
        assert got == wanted or given.get("ordered") is False


@pytest.mark.parametrize("items", ["x1", "1x2", "xx1x"])
@pytest.mark.parametrize("form", [ready, suspending])
async def test_a_function_may_fail_before_it_gives_an_awaitable(form: Function, items: str) -> None:
    """Such as a lambda whose arguments fail."""
    reciprocal_of = form(reciprocal)
    fn = lambda text: reciprocal_of(int(text))  # noqa: E731
    wanted = [6 / int(text) for text in items if text != "x"]
    assert await Stream(items).map(fn, on_error="skip").collect() == wanted
    replaced = await Stream(items).map(fn, on_error=lambda error, text: text).collect()
    assert replaced == [text if text == "x" else 6 / int(text) for text in items]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("given", CONCURRENT)
async def test_an_error_of_on_error_ends_the_stream(form: Function, given: dict[str, Any]) -> None:
    def instead(error: Exception, item: int) -> float:
        raise KeyError(item)

    _, error = await outcome(Stream([1, 0, 2]).map(reciprocal, on_error=form(instead), **given))
    assert isinstance(error, KeyError)
    assert isinstance(error.__context__, ZeroDivisionError)


async def test_errors_of_the_source_are_not_those_of_an_item() -> None:
    error = OSError()
    stream = openings(raising(error, 1)).map(reciprocal, on_error="skip")
    assert await outcome(stream) == ([6], error)


@pytest.mark.parametrize("given", CONCURRENT)
async def test_a_cancellation_is_no_error_of_an_item(given: dict[str, Any]) -> None:
    called = 0

    async def slow(n: int) -> int:
        nonlocal called
        called += 1
        await anyio.sleep(10)
        return n

    with anyio.move_on_after(1) as scope:
        await Stream([1]).map(slow, on_error="skip", **given).collect()
    assert scope.cancelled_caught
    assert called == 1


async def test_a_cancelled_on_error_calls_the_function_once_more() -> None:
    calls: list[int] = []

    def fn(n: int) -> int:
        calls.append(n)
        raise OSError

    async def instead(error: Exception, n: int) -> int:
        await anyio.sleep(1)
        return -n

    async with Stream([1, 2]).map(fn, on_error=instead) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        assert [n async for n in items] == [-1, -2]
    assert calls == [1, 1, 2]


async def test_a_class_of_errors_is_no_function_for_them() -> None:
    stream: Any = async_range(3)
    with pytest.raises(TypeError, match=r"^handler must be a function.*OSError.*said by types$"):
        stream.catch(OSError)
    with pytest.raises(TypeError, match=r"^on_error must be a function.*OSError.*to end it$"):
        stream.map(str, on_error=OSError)


@pytest.mark.parametrize("on_error", ["drop", None, 5])
def test_wrong_on_error(on_error: Any) -> None:
    with pytest.raises(ValueError, match="one of 'raise', 'skip', or a function, got"):
        async_range(3).map(str, on_error=on_error)


# -- poll -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
async def test_polled_at_a_steady_rate(form: Function) -> None:
    log = Log()

    def look() -> int:
        log.note("call")
        return len(log)

    assert await poll(form(look), 2, count=4).collect() == [1, 2, 3, 4]
    assert log.times == [0, 2, 4, 6]
    assert await poll(form(look), 2, count=0).collect() == []


async def test_the_time_that_a_call_takes_is_no_drift_and_calls_do_not_overlap() -> None:
    """The one that takes 2.5 s misses two, of which the latest is made at once."""
    log = Log()
    durations = iter([0.25, 2.5, 0.25, 0.25])
    running = 0

    async def look() -> None:
        nonlocal running
        running += 1
        assert running == 1
        log.note("begin")
        await anyio.sleep(next(durations))
        running -= 1

    await poll(look, 1, count=4).drain()
    assert log.times == [0, 1, 3.5, 4]


async def test_a_slow_consumer_misses_calls() -> None:
    log = Log()
    async with poll(lambda: log.note("call"), 1, count=3) as items:
        async for _ in items:
            await anyio.sleep(1.75)
    assert log.times == [0, 1.75, 3.5]


async def test_a_cancelled_call_is_made_again() -> None:
    log = Log()

    async def look() -> int:
        log.note("call")
        await anyio.sleep(2)
        return len(log)

    async with poll(look, 10) as items:
        with anyio.move_on_after(1):
            await anext(items)
        assert await anext(items) == 2
        assert await anext(items) == 3
    assert log.times == [0, 1, 10]


async def test_a_failed_poll_may_begin_anew() -> None:
    outcomes = iter([raising(OSError()), lambda: [1], lambda: [2]])
    stream = poll(lambda: [*next(outcomes)()], 1, count=2)
    assert await stream.retry(steady(on=OSError)).collect() == [[1], [2]]


def test_wrong_arguments_of_poll() -> None:
    with pytest.raises(TypeError, match="fn must be a function"):
        poll(WRONG, 1)
    with pytest.raises(
        ValueError, match=r"every must be finite and more than 0 .*: calls\(fn\) has no pauses"
    ):
        poll(print, 0)
    with pytest.raises(ValueError, match="count must be at least 0"):
        poll(print, 1, count=-1)
