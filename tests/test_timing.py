"""The operators with a clock: what they refuse, how they fail, and what else they keep.

When they give which item is drawn in docs/time.md, and checked by the timelines there.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystream import (
    CleanupTimeoutError,
    NeedsTasksError,
    Stream,
    async_range,
    merge,
    ticker,
    to_sync,
)
from anystream.testing import TrackedSource, assert_marbles, marbles

Apply = Callable[[Stream[Any]], Stream[Any]]

NAN, INF = float("nan"), float("inf")
WRONG: Any = "1"

IN_TASKS: dict[str, Apply] = {
    "timeout": lambda s: s.timeout(1000),
    "deadline": lambda s: s.deadline(1000),
    "heartbeat": lambda s: s.heartbeat(1000, "beat"),
    "delay": lambda s: s.delay(0.01),
    "throttle": lambda s: s.throttle(0.005),
    "throttle trailing": lambda s: s.throttle(0.005, "trailing"),
    "throttle both": lambda s: s.throttle(0.005, "both"),
    "debounce": lambda s: s.debounce(0.005),
    "debounce max_wait": lambda s: s.debounce(0.009, max_wait=0.005),
    "sample": lambda s: s.sample(0.005),
    "batched within": lambda s: s.batched(3, within=0.005).flatten(),
    "take_until": lambda s: s.take_until(1000),
    "skip_until": lambda s: s.skip_until(0),
    "pause_while": lambda s: s.pause_while([True, False]),
}
IN_THE_READER: dict[str, Apply] = {
    "spaced": lambda s: s.spaced(0.005),
    "rate_limit": lambda s: s.rate_limit(1, per=0.005, burst=2),
    "timestamp": lambda s: s.timestamp().map(lambda pair: pair[1]),
    "elapsed": lambda s: s.elapsed().map(lambda pair: pair[1]),
    "batched weight": lambda s: s.batched(weight=lambda n: 1, max_weight=1).flatten(),
}
"""Each of them lets all items through that come every 0.02 s."""

OPERATORS = IN_TASKS | IN_THE_READER
EACH = pytest.mark.parametrize("apply", OPERATORS.values(), ids=OPERATORS.keys())
EACH_IN_TASKS = pytest.mark.parametrize("apply", IN_TASKS.values(), ids=IN_TASKS.keys())

UP: dict[str, Apply] = {"timeout": lambda s: s.timeout(2), "deadline": lambda s: s.deadline(2)}
GIVE_UP = pytest.mark.parametrize("apply", UP.values(), ids=UP.keys())

SIEVES: dict[str, Apply] = {
    "throttle": lambda s: s.throttle(1),
    "throttle both": lambda s: s.throttle(1, "both"),
    "debounce": lambda s: s.debounce(1),
    "sample": lambda s: s.sample(1),
}
EACH_SIEVE = pytest.mark.parametrize("apply", SIEVES.values(), ids=SIEVES.keys())


def slow(items: int = 4) -> Stream[int]:
    return async_range(items, delay=0.02)


@asynccontextmanager
async def lasting(seconds: float) -> AsyncGenerator[None]:
    """A block that takes exactly so long, by the clock of the event loop."""
    start = anyio.current_time()
    yield
    assert anyio.current_time() - start == pytest.approx(seconds)


async def outcome(stream: Stream[Any]) -> tuple[list[Any], BaseException | None]:
    """All items, and the error at their end."""
    got: list[Any] = []
    try:
        async with stream as items:
            async for item in items:
                got.append(item)
    except Exception as error:
        return got, error
    return got, None


async def polled(stream: Stream[Any], seconds: float) -> list[Any]:
    """All items, by steps that are cancelled after so many seconds, and repeated."""
    got: list[Any] = []
    async with stream as items:
        while True:
            with anyio.move_on_after(seconds):
                try:
                    got.append(await anext(items))
                except StopAsyncIteration:
                    return got


# -- arguments ------------------------------------------------------------------------------

SECONDS: list[tuple[str, Callable[[Any], Any], bool]] = [
    ("seconds", async_range(3).timeout, False),
    ("seconds", async_range(3).deadline, False),
    ("every", lambda value: async_range(3).heartbeat(value, None), False),
    ("seconds", async_range(3).delay, True),
    ("seconds", async_range(3).spaced, False),
    ("per", lambda value: async_range(3).rate_limit(1, per=value), False),
    ("seconds", async_range(3).throttle, False),
    ("seconds", async_range(3).debounce, False),
    ("max_wait", lambda value: async_range(3).debounce(1, max_wait=value), False),
    ("interval", async_range(3).sample, False),
    ("within", lambda value: async_range(3).batched(2, within=value), False),
    ("trigger", async_range(3).take_until, True),
    ("trigger", async_range(3).skip_until, True),
]


@pytest.mark.parametrize(("name", "call", "zero"), SECONDS, ids=range(len(SECONDS)))
def test_refuses_bad_seconds(name: str, call: Callable[[Any], Any], zero: bool) -> None:
    least = "at least 0" if zero else "more than 0"
    for value in (-1, -0.5, NAN, INF, -INF, *([] if zero else [0, 0.0])):
        with pytest.raises(ValueError, match=rf"^{name} must be finite and {least} seconds, got "):
            call(value)
    if zero:
        call(0)
    if name != "trigger":
        for value in ("1", True, [1], object(), 1j):
            with pytest.raises(TypeError, match=rf"^{name} must be a number of seconds, got "):
                call(value)


COUNTS: list[tuple[str, Callable[[Any], Any]]] = [
    ("buffer", lambda value: async_range(3).delay(1, buffer=value)),
    ("n", async_range(3).rate_limit),
    ("burst", lambda value: async_range(3).rate_limit(1, burst=value)),
    ("n", lambda value: async_range(3).batched(value, within=1)),
    ("n", lambda value: async_range(3).batched(value, weight=abs, max_weight=1)),
]


def test_refuses_bad_counts() -> None:
    for name, call in COUNTS:
        for value in (0, -1):
            with pytest.raises(ValueError, match=rf"^{name} must be at least 1, got {value}$"):
                call(value)
        for wrong in (1.5, "2"):
            with pytest.raises(TypeError, match=rf"^{name} must be an integer, got {wrong!r}$"):
                call(wrong)


def test_refuses_other_choices() -> None:
    for method in (async_range(3).timeout, async_range(3).deadline):
        with pytest.raises(
            ValueError, match=r"^on_timeout must be one of 'raise', 'end', got '1'$"
        ):
            method(1, on_timeout=WRONG)
    allowed = "'leading', 'trailing', 'both'"
    edges: list[Any] = ["last", None]
    for edge in edges:
        with pytest.raises(ValueError, match=rf"^edge must be one of {allowed}, got {edge!r}$"):
            async_range(3).throttle(1, edge)


def test_refuses_bad_weights() -> None:
    def batched(weight: Any, max_weight: Any) -> Any:
        return Stream("ab").batched(2, weight=weight, max_weight=max_weight)

    for wrong in (0, -1, NAN, INF):
        with pytest.raises(ValueError, match=r"^max_weight must be finite and more than 0, got "):
            batched(len, wrong)
    for wrong in ("1", True, [1]):
        with pytest.raises(TypeError, match=r"^max_weight must be a number, got "):
            batched(len, wrong)
    with pytest.raises(TypeError, match=r"^weight must be a function, plain or async, got '1'$"):
        batched(WRONG, 1)
    for pair in ((len, None), (None, 1)):
        with pytest.raises(TypeError, match=r"^weight and max_weight belong together: give both"):
            batched(*pair)
    bounds: list[dict[str, Any]] = [{}, {"within": 1}]
    for given_within in bounds:
        with pytest.raises(TypeError, match=r"^batched\(\) needs n, or weight and max_weight$"):
            Stream("ab").batched(**given_within)


def beat() -> str:
    return "beat"


WRITTEN: list[tuple[Stream[Any], str]] = [
    (async_range(3).timeout(1), "timeout(1)"),
    (async_range(3).timeout(0.5, on_timeout="end"), "timeout(0.5, on_timeout='end')"),
    (async_range(3).deadline(60), "deadline(60)"),
    (async_range(3).deadline(60, on_timeout="end"), "deadline(60, on_timeout='end')"),
    (async_range(3).heartbeat(1, "beat"), "heartbeat(1, 'beat')"),
    (async_range(3).heartbeat(1, beat), "heartbeat(1, beat)"),
    (async_range(3).delay(0), "delay(0)"),
    (async_range(3).delay(2, buffer=1024), "delay(2)"),
    (async_range(3).delay(2, buffer=5), "delay(2, buffer=5)"),
    (async_range(3).spaced(0.1), "spaced(0.1)"),
    (async_range(3).rate_limit(5), "rate_limit(5)"),
    (async_range(3).rate_limit(5, per=60, burst=2), "rate_limit(5, per=60, burst=2)"),
    (async_range(3).throttle(1), "throttle(1)"),
    (async_range(3).throttle(1, "both"), "throttle(1, 'both')"),
    (async_range(3).debounce(1), "debounce(1)"),
    (async_range(3).debounce(1, max_wait=3), "debounce(1, max_wait=3)"),
    (async_range(3).sample(1), "sample(1)"),
    (async_range(3).batched(2, within=3), "batched(2, within=3)"),
    (
        Stream("ab").batched(2, within=3, weight=len, max_weight=4),
        "batched(2, within=3, weight=len, max_weight=4)",
    ),
    (Stream("ab").batched(weight=len, max_weight=4), "batched(weight=len, max_weight=4)"),
    (async_range(3).timestamp(), "timestamp()"),
    (async_range(3).elapsed(), "elapsed()"),
]


@pytest.mark.parametrize(("stream", "text"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_repr_is_the_call_as_it_was_written(stream: Stream[Any], text: str) -> None:
    assert repr(stream).partition(".")[2] == text


def test_heartbeat_refuses_an_async_function() -> None:
    async def value() -> int:
        return 1

    with pytest.raises(TypeError, match="value must be a plain function or what comes, got"):
        async_range(3).heartbeat(1, value)


async def test_a_bare_loop_will_do_where_no_task_is_needed() -> None:
    for apply in IN_THE_READER.values():
        assert [item async for item in apply(async_range(3))] == [0, 1, 2]
    for apply in IN_TASKS.values():
        with pytest.raises(NeedsTasksError):
            async for _ in apply(async_range(3)):
                pass


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


# -- timeout and deadline -------------------------------------------------------------------


async def test_what_the_errors_say() -> None:
    with pytest.raises(TimeoutError, match=r"^ticker\(60\.0\) gave nothing for 0\.5 s$"):
        await ticker(60).timeout(0.5).collect()
    with pytest.raises(TimeoutError, match=r"^ticker\(60\.0\) has not ended within 90 s$"):
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


@pytest.mark.parametrize("name", ["timeout", "deadline", "heartbeat"])
async def test_what_has_come_while_the_reader_was_away_has_come_in_time(name: str) -> None:
    source = TrackedSource(range(3), pause=2)
    stream = Stream(source.iterator)
    more = {"heartbeat": ["beat"]}.get(name, [])
    async with getattr(stream, name)(5, *more) as items:
        with anyio.move_on_after(1):
            await anext(items)
        await anyio.sleep(30)
        assert await anext(items) == 0
        if name == "deadline":
            with pytest.raises(TimeoutError):
                await anext(items)
            assert source.steps == 1, "nothing more is asked for"
        else:
            assert [item async for item in items] == [1, 2]


@pytest.mark.parametrize("name", ["timeout", "heartbeat"])
async def test_a_step_in_a_cancelled_scope_does_not_begin_the_wait(name: str) -> None:
    """Nothing is asked for in such a step."""
    source = TrackedSource(range(3), pause=1)
    stream = Stream(source.iterator)
    more = {"heartbeat": ["beat"]}.get(name, [])
    async with getattr(stream, name)(5, *more) as items:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(items)
        await anyio.sleep(30)
        assert source.steps == 0
        assert [item async for item in items] == [0, 1, 2]


@pytest.mark.parametrize("name", ["timeout", "deadline", "heartbeat"])
@pytest.mark.parametrize("turn", range(4))
async def test_what_comes_at_the_very_instant_comes_in_time_for_who_polls(
    name: str, turn: int
) -> None:
    """The step before is cancelled at the same instant; on trio chance decides who is first."""
    more = {"heartbeat": ["beat"]}.get(name, [])
    stream = getattr(marbles("---a|"), name)(3, *more).take(1)
    assert await polled(stream, 1) == ["a"]


async def test_a_timeout_in_a_shorter_and_in_a_longer_scope() -> None:
    source = TrackedSource(range(2), pause=3)
    stream = Stream(source.iterator)
    async with lasting(2), stream.timeout(5) as items:
        with pytest.raises(TimeoutError, match=r"^$"), anyio.fail_after(2):
            await anext(items)
    async with lasting(2), stream.timeout(2) as items:
        with pytest.raises(TimeoutError, match="gave nothing for"), anyio.fail_after(5):
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
@pytest.mark.parametrize("name", ["timeout", "deadline", "heartbeat", "debounce", "delay"])
async def test_a_native_cancel_loses_nothing(name: str) -> None:
    """It may come before the item, at its instant, or when the time is over."""
    more = {"heartbeat": ["beat"]}.get(name, [])
    for when in (0.05, 0.1, 0.15):
        source = TrackedSource(range(3), pause=0.1)
        stream = Stream(source.iterator)
        async with getattr(stream, name)(0.15 if name == "heartbeat" else 5, *more) as items:
            step = asyncio.ensure_future(anext(items))
            await anyio.sleep(when)
            cancelled = step.cancel()
            await asyncio.wait([step])
            got = [] if step.cancelled() else [step.result()]
            assert cancelled or got
            got += [item async for item in items]
            if name == "debounce":
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
@pytest.mark.parametrize("wrong", [-1, -0.001, NAN, -INF])
async def test_a_weight_must_be_a_number_that_is_not_negative(within: Any, wrong: float) -> None:
    stream = Stream([1, 2, wrong]).batched(weight=lambda n: n, max_weight=9, **within)
    got, error = await outcome(stream)
    assert got == ([(1, 2)] if within else [])
    assert isinstance(error, ValueError)
    assert str(error) == f"weight() must give a number of at least 0, gave {wrong!r}"


@WITHIN
@pytest.mark.parametrize("wrong", [None, "1", [1]])
async def test_a_weight_must_be_a_number(within: Any, wrong: Any) -> None:
    stream = Stream([1, 2, wrong]).batched(weight=lambda n: n, max_weight=9, **within)
    got, error = await outcome(stream)
    assert got == ([(1, 2)] if within else [])
    assert isinstance(error, TypeError)
    assert str(error) == f"weight() must give a number of at least 0, gave {wrong!r}"


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
async def test_an_error_waits_behind_the_newest_two(apply: Apply) -> None:
    source = TrackedSource(range(10), pause=2, errors={5: OSError("gone")})
    async with apply(Stream(source.iterator)) as items:
        await anyio.sleep(60)
        assert await anext(items) == 3
        assert await anext(items) == 4
        with pytest.raises(OSError, match="gone"):
            await anext(items)


@EACH_SIEVE
async def test_a_source_that_never_waits_does_not_fill_the_memory(apply: Apply) -> None:
    latest: deque[int] = deque(maxlen=1)
    async with apply(async_range(5000).tap(latest.append)) as items:
        await anyio.sleep(60)
        rest = [item async for item in items]
    assert len(rest) <= 2
    assert latest[0] == 4999
    assert rest[-1] == (4999 if "throttle(1)" not in repr(apply(Stream([]))) else 0)


async def test_what_is_held_comes_before_the_end_and_before_an_error_at_once() -> None:
    sieves = (SIEVES["throttle both"], SIEVES["debounce"], SIEVES["sample"])
    for apply in sieves:
        got = await apply(async_range(5)).collect()
        assert got[-1] == 4
        gone = OSError("gone")
        source = TrackedSource(range(9), errors={5: gone})
        async with lasting(0):
            got, error = await outcome(apply(Stream(source.generator)))
        assert got[-1] == 4
        assert error is gone


async def test_a_sample_is_taken_at_ticks_that_count_from_the_opening() -> None:
    await assert_marbles(marbles("-a---b---|").sample(3), "---a--b--|")
    await assert_marbles(marbles("-ab---c----d|").sample(3), "---b-----c--(d|)")


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


# -- on real clocks -------------------------------------------------------------------------


@asynccontextmanager
async def at_least(seconds: float) -> AsyncGenerator[None]:
    """A block that takes so long; clocks are not finer than some milliseconds everywhere."""
    start = anyio.current_time()
    yield
    assert seconds - 0.02 < anyio.current_time() - start < seconds + 30


@pytest.mark.real_time
@EACH
async def test_each_in_real_time(apply: Apply) -> None:
    async with at_least(0.08):
        assert await apply(slow()).collect() == [0, 1, 2, 3]


@pytest.mark.real_time
@pytest.mark.parametrize("name", ["timeout", "deadline"])
async def test_giving_up_in_real_time(name: str) -> None:
    source = TrackedSource(range(3), pause=3600)
    async with at_least(0.05):
        with pytest.raises(TimeoutError):
            await getattr(Stream(source.generator), name)(0.05).collect()
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
    assert await burst.throttle(0.2).collect() == ["a", "d"]
    assert await burst.throttle(0.2, "trailing").collect() == ["c", "d"]
    assert await burst.throttle(0.2, "both").collect() == ["a", "c", "d"]
    assert await burst.debounce(0.2).collect() == ["c", "d"]
    assert await burst.sample(0.2).collect() == ["c", "d"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_code_that_is_not_async(backend: str) -> None:
    for apply in OPERATORS.values():
        with to_sync(apply(slow(2)), backend) as items:
            assert list(items) == [0, 1]
    with to_sync(ticker(3600).timeout(0.05), backend) as items, pytest.raises(TimeoutError):
        next(items)
    with to_sync(ticker(3600).heartbeat(0.01, "beat"), backend) as items:
        assert [next(items), next(items)] == ["beat", "beat"]
