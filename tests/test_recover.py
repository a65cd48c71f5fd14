"""What goes on after an error or an end, and what lets single items go."""

import gc
import itertools
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import FrozenInstanceError
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st
from rows import FORMS, Function, plain, ready, suspending

from anystream import (
    NeedsTasksError,
    Retry,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
    async_range,
    chain,
    merge,
    poll,
)
from anystream.testing import TrackedSource

WRONG: Any = "nothing of the kind"

SECONDS = {"first": 1.0, "jitter": False}


def steady(times: int | None = 3, **given: Any) -> Retry:
    return Retry(times, **{**SECONDS, **given})


class Log(list[tuple[float, Any]]):
    """What has happened, and how many seconds after the log was begun."""

    def __init__(self) -> None:
        self.start = anyio.current_time()

    def note(self, what: Any) -> None:
        self.append((anyio.current_time() - self.start, what))

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self]


def openings(*makers: Callable[[], Any]) -> Stream[Any]:
    """A stream whose n-th opening gives what the n-th function makes, and the last one for ever."""
    following = itertools.chain(makers, itertools.repeat(makers[-1]))
    return Stream(lambda: next(following)())


def raising(error: BaseException | type[BaseException], *items: Any) -> Callable[[], Iterator[Any]]:
    def make() -> Iterator[Any]:
        yield from items
        raise error

    return make


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


# -- catch ----------------------------------------------------------------------------------


async def letters() -> AsyncIterator[str]:
    await checkpoint()
    yield "x"
    yield "y"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (lambda: ["x", "y"], ["x", "y"]),
        (lambda: Stream("xy"), ["x", "y"]),
        (lambda: Stream("xy").buffer(1), ["x", "y"]),
        (letters, ["x", "y"]),
        (lambda: None, []),
        (lambda: (), []),
    ],
    ids=["list", "stream", "tasks", "generator", "none", "empty"],
)
async def test_the_rest_is_replaced(form: Function, made: Callable[[], Any], wanted: Any) -> None:
    error = OSError("gone")
    seen: list[Exception] = []

    def handler(caught: Exception) -> Any:
        seen.append(caught)
        return made()

    in_a_step = TrackedSource("ab", errors={2: error})
    in_a_batch = openings(raising(error, "a", "b"))
    for stream in (Stream(in_a_step.generator), Stream(in_a_step.iterator), in_a_batch):
        assert await outcome(stream.catch(form(handler))) == (["a", "b", *wanted], None)
        assert await stream.take(2).catch(form(handler)).collect() == ["a", "b"]
    assert seen == [error] * 3
    assert in_a_step.open_runs == 0


async def test_an_error_of_a_function_in_the_middle_of_a_batch_is_caught() -> None:
    stream = async_range(5).map(lambda n: 10 // (3 - n))
    for form in (plain, suspending):
        assert await stream.tap(form(int)).catch(lambda error: [0]).collect() == [3, 5, 10, 0]


@pytest.mark.parametrize("types", [OSError, (KeyError, OSError)])
async def test_only_errors_of_the_types_are_caught(types: Any) -> None:
    gone, other = FileNotFoundError("gone"), ValueError("other")
    for source in (
        TrackedSource[int]([], errors={0: other}),
        TrackedSource([1], errors={1: other}),
    ):
        stream = Stream(source.iterator).catch(lambda error: [7], types)
        assert (await outcome(stream))[1] is other
        assert source.open_runs == 0
    assert await openings(raising(gone, 1)).catch(lambda error: [7], types).collect() == [1, 7]
    got, error = await outcome(openings(raising(other, 1)).catch(lambda error: [7], types))
    assert got == [1]
    assert error is other


async def test_no_types_catch_nothing() -> None:
    assert (await outcome(openings(raising(OSError())).catch(lambda error: [7], ())))[0] == []


async def test_errors_of_the_replacement_are_not_caught() -> None:
    """Neither in its first batch nor in a later one."""
    second = OSError("second")
    failing = TrackedSource([2, 3], pause=1, errors={2: second})
    for replacement in (raising(second, 2, 3), failing.generator):
        once = openings(raising(OSError("first"), 1)).catch(lambda error: replacement())  # noqa: B023
        assert await outcome(once.take(9)) == ([1, 2, 3], second)
        assert await once.catch(lambda error: [4]).take(9).collect() == [1, 2, 3, 4]


async def test_the_failed_source_has_closed_before_the_handler_is_called() -> None:
    log = Log()

    async def numbers(name: str, fails: bool) -> AsyncIterator[str]:
        try:
            log.note(f"open {name}")
            yield name
            if fails:
                raise OSError
            yield name
        finally:
            await anyio.sleep(1)
            log.note(f"closed {name}")

    def handler(error: Exception) -> AsyncIterator[str]:
        log.note("handler")
        return numbers("b", fails=False)

    stream = Stream(lambda: numbers("a", fails=True)).tap(log.note).catch(handler)
    assert await stream.collect() == ["a", "b", "b"]
    assert log == [
        (0, "open a"),
        (0, "a"),
        (1, "closed a"),
        (1, "handler"),
        (1, "open b"),
        (2, "closed b"),
    ]


async def test_a_source_whose_function_has_failed_has_closed_before_the_handler_is_called() -> None:
    source = TrackedSource(range(3), cleanup=0.5)
    for kind in (source.generator, source.iterator):

        def handler(error: Exception) -> list[int]:
            assert source.open_runs == 0
            return [7]

        stream = Stream(kind).map(lambda n: 1 // (1 - n)).catch(handler)
        assert await stream.collect() == [1, 7]


async def test_an_error_of_the_cleanup_comes_together_with_what_was_caught() -> None:
    source = TrackedSource([1], errors={1: KeyError("a")}, cleanup_error=OSError("cleanup"))
    called: list[Exception] = []
    stream = Stream(source.iterator).catch(called.append)
    with pytest.RaisesGroup(pytest.RaisesExc(KeyError), pytest.RaisesExc(OSError, match="cleanup")):
        await stream.collect()
    assert not called
    assert source.closes_started == 1


async def test_a_cleanup_that_fails_with_the_replacement_open_comes_bare() -> None:
    source = TrackedSource([2, 3], cleanup_error=OSError("cleanup"))
    stream = openings(raising(KeyError(), 1)).catch(lambda error: source.iterator())
    with pytest.raises(OSError, match="cleanup"):
        async with stream as items:
            assert [await anext(items), await anext(items)] == [1, 2]
    assert source.closes_finished == 1


async def test_the_handler_runs_as_in_an_except_block() -> None:
    error = OSError("first")
    seen: list[BaseException | None] = []

    async def look(caught: Exception) -> None:
        await checkpoint()
        seen.append(sys.exception())

    def raise_again(caught: Exception) -> None:
        raise

    def raise_another(caught: Exception) -> None:
        raise KeyError

    failing = openings(raising(error))
    assert await failing.catch(look).collect() == []
    assert seen == [error]
    assert (await outcome(failing.catch(raise_again)))[1] is error
    _, another = await outcome(failing.catch(raise_another))
    assert isinstance(another, KeyError)
    assert another.__context__ is error


async def test_a_cancelled_handler_is_called_once_more() -> None:
    error = OSError()
    calls: list[Exception] = []

    async def handler(caught: Exception) -> list[int]:
        calls.append(caught)
        await anyio.sleep(1 if len(calls) > 2 else 9)
        return [7]

    got: list[int] = []
    async with openings(raising(error, 1)).catch(handler) as items:
        while True:
            with anyio.move_on_after(2):
                item = await anext(items, None)
                if item is None:
                    break
                got.append(item)
    assert got == [1, 7]
    assert calls == [error] * 3


async def test_a_replacement_with_tasks() -> None:
    stream = openings(raising(OSError(), 1)).catch(lambda error: merge([2], [3]))
    assert sorted(await stream.collect()) == [1, 2, 3]
    got: list[int] = []
    with pytest.raises(NeedsTasksError):
        async for n in stream:
            got.append(n)
    assert got == [1]


@pytest.mark.parametrize("made", [5, object()])
async def test_a_handler_that_gives_nothing_of_the_kind(made: Any) -> None:
    with pytest.raises(TypeError, match="expected a stream"):
        await openings(raising(OSError())).catch(lambda error: made).collect()


@pytest.mark.parametrize(
    "types", [5, "OSError", BaseException, KeyboardInterrupt, (OSError, GeneratorExit), [OSError]]
)
def test_what_cannot_be_caught(types: Any) -> None:
    with pytest.raises(TypeError, match="types must be a class derived from Exception"):
        async_range(3).catch(lambda error: None, types)
    with pytest.raises(TypeError, match="handler must be a function"):
        async_range(3).catch(WRONG)


async def test_a_cancellation_is_not_caught() -> None:
    stream = Stream(TrackedSource([1], pause=9).iterator).catch(lambda error: [7])
    with anyio.move_on_after(1) as scope:
        await stream.collect()
    assert scope.cancelled_caught


async def test_a_caught_error_leaves_no_cycle_behind() -> None:
    """Neither that nor one that is not."""

    async def once(stream: Stream[Any]) -> None:
        with suppress(LookupError):
            await stream.drain()

    failing = openings(raising(OSError, 1))
    policy = steady(2, on=OSError)
    streams = [
        failing.catch(lambda error: [2]),
        failing.catch(lambda error: [2], KeyError).catch(lambda error: None),
        openings(raising(KeyError)).catch(lambda error: [2], OSError),
        openings(raising(OSError), lambda: [2]).retry(policy),
        openings(raising(KeyError)).retry(policy),
        openings(raising(OSError), raising(KeyError)).retry(policy),
    ]
    for stream in streams:
        await once(stream)
    gc.collect()
    gc.disable()
    try:
        for stream in streams:
            await once(stream)
        assert gc.collect() == 0
    finally:
        gc.enable()


async def test_an_error_that_is_dealt_with_when_the_run_is_left_leaves_no_cycle_behind() -> None:
    async def once(stream: Stream[Any]) -> None:
        async with stream as items:
            with anyio.move_on_after(1):
                await anext(items)

    failing = openings(raising(OSError))
    streams = [failing.catch(slow_handler), failing.retry(steady(first=10))]
    for stream in streams:
        await once(stream)
    for stream in streams:
        gc.collect()
        gc.disable()
        try:
            await once(stream)
            kinds = {type(found).__module__ for found in garbage()}
        finally:
            gc.enable()
        assert not [kind for kind in kinds if kind.startswith("anystream")]


def garbage() -> list[Any]:
    """What nothing but cycles has kept."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return gc.garbage[:]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


# -- retry ----------------------------------------------------------------------------------


async def test_the_pauses_grow_up_to_the_cap_and_the_last_error_has_a_note() -> None:
    log = Log()
    errors = [OSError(n) for n in range(6)]
    left = iter(errors)

    def source() -> list[int]:
        log.note("open")
        raise next(left)

    got, error = await outcome(Stream(source).retry(steady(5, cap=5)))
    assert got == []
    assert error is errors[-1]
    assert error.__notes__ == ["retry gave up after 6 attempts"]
    assert error.__cause__ is None
    assert log.times == [0, 1, 3, 7, 12, 17]
    assert not hasattr(errors[0], "__notes__")


async def test_a_pause_lasts_for_a_random_part_of_its_length() -> None:
    parts = iter([0.5, 0.0, 0.75])
    pauses: list[float] = []
    policy = Retry(first=1, random=lambda: next(parts), hook=lambda *told: pauses.append(told[2]))
    await outcome(openings(raising(OSError())).retry(policy))
    assert pauses == [0.5, 0, 3]


async def test_the_jitter_is_drawn_between_nothing_and_the_whole() -> None:
    pauses: list[float] = []
    policy = Retry(500, first=1, factor=1, hook=lambda *told: pauses.append(told[2]))
    await outcome(openings(raising(OSError())).retry(policy))
    assert all(0 <= pause <= 1 for pause in pauses)
    assert len(set(pauses)) > 450


async def test_pauses_without_end_do_not_overflow() -> None:
    attempts = itertools.count(1)

    def source() -> list[int]:
        if next(attempts) <= 3000:
            raise OSError
        return [1]

    assert await Stream(source).retry(steady(None, cap=2, factor=1e300)).collect() == [1]
    assert next(attempts) == 3002


@pytest.mark.parametrize(("times", "note"), [(0, "1 attempt"), (1, "2 attempts")])
async def test_a_number_is_a_policy(times: int, note: str) -> None:
    _, error = await outcome(openings(raising(OSError())).retry(times))
    assert error is not None
    assert error.__notes__ == [f"retry gave up after {note}"]


@pytest.mark.parametrize(
    "on",
    [OSError, (OSError, KeyError), lambda error: isinstance(error, OSError) and "yes"],
    ids=["class", "tuple", "function"],
)
async def test_only_errors_that_are_worth_it_are_retried(on: Any) -> None:
    log = Log()

    def source(error: Exception) -> Callable[[], Any]:
        def make() -> Any:
            log.note(error)
            raise error

        return make

    other = ValueError()
    stream = openings(source(OSError()), source(other)).retry(steady(5, on=on))
    assert (await outcome(stream))[1] is other
    assert log.times == [0, 1]
    assert not hasattr(other, "__notes__")


@pytest.mark.parametrize("form", FORMS)
async def test_the_hook_is_called_before_each_pause(form: Function) -> None:
    log = Log()
    error = OSError()
    source = openings(raising(error), raising(error), lambda: [log.note("item")])
    await source.retry(steady(hook=form(lambda *told: log.note(told)))).drain()
    assert log == [(0, (1, error, 1)), (1, (2, error, 2)), (3, "item")]


async def test_the_hook_runs_as_in_an_except_block_and_its_error_ends_the_stream() -> None:
    error = OSError()

    def hook(number: int, caught: Exception, pause: float) -> None:
        assert sys.exception() is error
        raise KeyError

    _, another = await outcome(openings(raising(error)).retry(steady(hook=hook)))
    assert isinstance(another, KeyError)
    assert another.__context__ is error


async def test_a_cancelled_hook_is_called_once_more_with_the_same() -> None:
    told: list[Any] = []

    async def hook(*args: Any) -> None:
        told.append(args)
        await anyio.sleep(1)

    source = openings(raising(OSError()), lambda: [1])
    async with source.retry(Retry(first=1, hook=hook)) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        assert await anext(items) == 1
    assert len(told) == 2
    assert told[0] == told[1]


@pytest.mark.parametrize(("reset", "wanted"), [(True, [1, 1, 1, 2]), (False, [1, 1, 1])])
async def test_an_item_resets_the_count_if_the_policy_says_so(
    reset: bool, wanted: list[int]
) -> None:
    error = OSError()
    log = Log()
    source = openings(*[raising(error, 1)] * 3, lambda: [2])
    policy = steady(2, reset=reset, hook=lambda *told: log.note(told[2]))
    got, _ = await outcome(source.retry(policy))
    assert got == wanted
    assert log == ([(0, 1), (1, 1), (2, 1)] if reset else [(0, 1), (1, 2)])


async def test_failures_without_an_item_do_not_reset_the_count() -> None:
    error = OSError()
    fails = raising(error)
    source = openings(fails, raising(error, 1), fails, fails)
    assert (await outcome(source.retry(steady(2))))[0] == [1]


async def test_items_come_again_without_resume() -> None:
    source = openings(raising(OSError(), 1, 2), lambda: async_range(1, 5))
    assert await source.retry(steady()).collect() == [1, 2, 1, 2, 3, 4]


@pytest.mark.parametrize("form", FORMS)
async def test_resume_goes_on_after_the_last_item(form: Function) -> None:
    """Each opening delivers two items, one or none, and fails; nothing is lost or repeated."""
    lengths = itertools.cycle([2, 1, 0])
    asked: list[int] = []

    def after(last: int) -> Stream[int]:
        asked.append(last)
        return begin(last + 1)

    def begin(start: int) -> Stream[int]:
        end = min(start + next(lengths), 10)
        numbers = async_range(start, end).map(form(int))
        return numbers if end == 10 else chain(numbers, openings(raising(OSError())))

    stream = begin(0).retry(steady(2), resume=form(after))
    assert await stream.collect() == [*range(10)]
    assert asked == [1, 2, 2, 4, 5, 5, 7, 8, 8]


async def test_what_has_delivered_nothing_is_opened_anew_and_not_resumed() -> None:
    source = openings(raising(OSError()), raising(OSError(), 1))
    assert await source.retry(steady(), resume=lambda last: [last + 1]).collect() == [1, 2]


async def test_a_failing_resume_is_retried() -> None:
    log = Log()
    outcomes = iter([raising(OSError()), raising(OSError()), lambda: [2]])

    async def resume(last: int) -> list[int]:
        log.note(last)
        return [*next(outcomes)()]

    source = openings(raising(OSError(), 1))
    assert await source.retry(steady(), resume=resume).collect() == [1, 2]
    assert log == [(1, 1), (3, 1), (7, 1)]


async def test_resume_may_need_tasks() -> None:
    source = openings(raising(OSError(), 1))
    stream = source.retry(steady(), resume=lambda last: Stream([2]).buffer(1))
    assert await stream.collect() == [1, 2]


async def test_resume_is_the_remedy_for_a_generator_that_a_timeout_has_ended() -> None:
    async def numbers(start: int) -> AsyncIterator[int]:
        for n in range(start, 6):
            await anyio.sleep(2 if n % 2 else 1)
            yield n

    stream = Stream(lambda: numbers(0))
    policy = steady(on=StreamInterruptedError, first=0)
    got: list[int] = []
    async with stream.retry(policy, resume=lambda last: numbers(last + 1)) as items:
        for seconds in itertools.cycle([1.5, None]):
            with anyio.move_on_after(seconds or 100):
                item = await anext(items, None)
                if item is None:
                    break
                got.append(item)
    assert got == [*range(6)]


@pytest.mark.parametrize("needs_tasks", [False, True])
async def test_what_can_be_read_only_once_says_so(needs_tasks: bool) -> None:
    error = OSError("first")

    def fail(n: int) -> int:
        raise error

    numbers = Stream(iter([1, 2]))
    whole = merge(async_range(9, delay=1), numbers) if needs_tasks else numbers
    _, consumed = await outcome(whole.map(fail).retry(steady()))
    assert isinstance(consumed, StreamConsumedError)
    assert "give a function that makes it" in str(consumed)
    assert consumed.__cause__ is error


async def test_tasks_of_what_could_not_be_opened_do_not_start_with_those_of_what_can() -> None:
    numbers = merge(async_range(9, delay=1), Stream(iter([1, 2])))
    failing = numbers.map(lambda n: n // 0).retry(steady())
    stream = failing.catch(lambda error: Stream([7]).buffer(1), StreamConsumedError)
    assert await stream.collect() == [7]


async def test_a_cancelled_pause_goes_on_where_it_was() -> None:
    log = Log()
    async with openings(raising(OSError()), lambda: [1]).retry(steady(first=10)) as items:
        for _ in range(3):
            with anyio.move_on_after(3) as scope:
                await anext(items)
            assert scope.cancelled_caught
        assert await anext(items) == 1
        log.note("item")
    assert log.times == [10]


async def test_a_pause_that_is_over_between_two_steps_is_not_waited_for() -> None:
    log = Log()
    async with openings(raising(OSError()), lambda: [1]).retry(steady(first=10)) as items:
        with anyio.move_on_after(3):
            await anext(items)
        await anyio.sleep(20)
        assert await anext(items) == 1
        log.note("item")
    assert log.times == [23]


@pytest.mark.parametrize("tasks", [False, True])
async def test_the_failed_source_has_closed_before_the_pause(tasks: bool) -> None:
    log = Log()

    async def numbers() -> AsyncIterator[int]:
        log.note("open")
        try:
            yield 1
            if len(log) < 3:
                raise OSError
        finally:
            log.note("closed")

    stream = Stream(numbers).buffer(1) if tasks else Stream(numbers)
    assert await stream.retry(steady()).collect() == [1, 1]
    assert log == [(0, "open"), (0, "closed"), (1, "open"), (1, "closed")]


async def test_an_error_of_the_cleanup_comes_together_with_what_was_retried() -> None:
    source = TrackedSource([1], errors={1: KeyError("a")}, cleanup_error=OSError("cleanup"))
    with pytest.RaisesGroup(pytest.RaisesExc(KeyError), pytest.RaisesExc(OSError, match="cleanup")):
        await Stream(source.iterator).retry(steady()).collect()
    assert source.opened == source.closes_started == 1


async def test_a_retry_in_a_bare_loop() -> None:
    source = TrackedSource(range(2), errors={1: OSError()})
    stream = Stream(source.iterator).retry(steady(1, reset=False))
    got: list[int] = []
    with pytest.raises(OSError):  # noqa: PT011  # it has no text
        async for n in stream:
            got.append(n)
    assert got == [0, 0]
    assert source.open_runs == 0
    with anyio.move_on_after(0.5):
        async for _ in stream:
            pass
    assert source.open_runs == 0


async def test_a_run_that_is_left_during_a_pause_is_closed_at_once() -> None:
    source = TrackedSource(range(3), errors={1: OSError()})
    for stream in (Stream(source.generator), Stream(source.generator).buffer(1)):
        start = anyio.current_time()
        with anyio.move_on_after(5):
            await stream.retry(steady(first=100, cap=100)).drain()
        assert anyio.current_time() - start == 5
        assert source.open_runs == 0


async def test_a_pause_in_a_task_is_interrupted() -> None:
    source = TrackedSource(range(3), errors={1: OSError()})
    start = anyio.current_time()
    async with Stream(source.iterator).retry(steady(first=100, cap=100)).buffer(3) as items:
        assert await anext(items) == 0
        await anyio.sleep(5)
    assert anyio.current_time() - start == 5
    assert source.open_runs == 0


@pytest.mark.parametrize(
    "stream",
    [
        lambda source: source.retry(steady(first=10)),
        lambda source: source.catch(lambda error: [2]).repeat(pause=10),
        lambda source: source.catch(slow_handler),
    ],
    ids=["retry", "repeat", "catch"],
)
async def test_nothing_is_opened_in_a_run_that_another_task_has_left(
    stream: Callable[[Stream[int]], Stream[int]],
) -> None:
    opened = 0

    def source() -> Iterator[int]:
        nonlocal opened
        opened += 1
        return raising(OSError(), 1)()

    async def read(items: Any) -> None:
        with pytest.raises(StreamClosedError, match="was closed while it was read"):
            async for _ in items:
                pass

    async with anyio.create_task_group() as tasks:
        with pytest.raises(StreamBusyError):
            async with stream(Stream(source).buffer(1)) as items:
                tasks.start_soon(read, items)
                await anyio.sleep(1)
    assert opened == 1


async def slow_handler(error: Exception) -> Stream[int]:
    await anyio.sleep(10)
    return async_range(3)


async def test_runs_of_one_stream_count_for_themselves() -> None:
    fails = raising(OSError())
    stream = openings(fails, lambda: [1], fails, lambda: [2]).retry(steady(1))
    assert [await stream.first() for _ in range(2)] == [1, 2]


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"times": -1}, ValueError, "times must be at least 0"),
        ({"times": "3"}, TypeError, "times must be an integer"),
        ({"on": KeyboardInterrupt}, TypeError, "on must be a class derived from Exception"),
        ({"on": (OSError, 5)}, TypeError, "on must be a class derived from Exception"),
        ({"on": 5}, TypeError, "on must be a function"),
        ({"first": -1}, ValueError, "first must be finite and at least 0"),
        ({"cap": float("inf")}, ValueError, "cap must be finite"),
        ({"factor": 0.5}, ValueError, "factor must be finite and at least 1"),
        ({"factor": float("nan")}, ValueError, "factor must be finite and at least 1"),
        ({"factor": "2"}, TypeError, "factor must be a number"),
        ({"factor": True}, TypeError, "factor must be a number"),
        ({"hook": 5}, TypeError, "hook must be a function"),
        ({"random": 0.5}, TypeError, "random must be a function"),
    ],
)
def test_wrong_policies(given: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Retry(**given)


def test_wrong_arguments_of_retry() -> None:
    with pytest.raises(TypeError, match="policy must be an integer"):
        async_range(3).retry(WRONG)
    with pytest.raises(ValueError, match="policy must be at least 0"):
        async_range(3).retry(-1)
    with pytest.raises(TypeError, match="resume must be a function"):
        async_range(3).retry(resume=WRONG)


def test_a_policy_is_a_value() -> None:
    policy = Retry(5, jitter=False)
    assert policy == Retry(times=5, jitter=False) != Retry(5)
    assert hash(policy) == hash(Retry(5, jitter=False))
    assert repr(policy) == "Retry(times=5, jitter=False)"
    assert repr(Retry()) == "Retry()"
    with pytest.raises(FrozenInstanceError):
        setattr(policy, "times", 3)  # noqa: B010  # it is a mistake


def test_how_they_are_written_down() -> None:
    numbers = async_range(3)
    stream = numbers.catch(print).retry().repeat().distinct().dedupe().window(2)
    assert repr(stream).endswith("catch(print).retry().repeat().distinct().dedupe().window(2)")
    stream = (
        numbers.catch(print, OSError)
        .retry(2, resume=str)
        .repeat(2, pause=1)
        .distinct(int, remember=5)
    )
    end = "catch(print, OSError).retry(Retry(times=2), resume=str).repeat(2, pause=1.0)"
    assert repr(stream) == f"async_range(3).{end}.distinct(int, remember=5)"
    assert repr(numbers.default_if_empty(1).window(2, 3, partial=True).dedupe(int)) == (
        "async_range(3).default_if_empty(1).window(2, 3, partial=True).dedupe(int)"
    )
    assert repr(numbers.map(int, on_error="skip")) == "async_range(3).map(int, on_error='skip')"
    assert repr(poll(print, 2)) == "poll(print, 2.0)"
    assert repr(poll(print, 2, count=3)) == "poll(print, 2.0, count=3)"


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


@pytest.mark.parametrize("on_error", ["drop", None, 5])
def test_wrong_on_error(on_error: Any) -> None:
    with pytest.raises(ValueError, match="on_error must be one of 'raise', 'skip'"):
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
    with pytest.raises(ValueError, match="every must be finite and more than 0"):
        poll(print, 0)
    with pytest.raises(ValueError, match="count must be at least 0"):
        poll(print, 1, count=-1)
