"""A source that is opened again after an error."""

import itertools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import FrozenInstanceError
from typing import Any

import anyio
import pytest
from recovering import WRONG, Log, openings, outcome, raising, slow_handler, steady
from rows import FORMS, Function

from anystream import (
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
    assert error.__notes__ == ["in Stream(source), the source", "retry gave up after 6 attempts"]
    assert error.__cause__ is None
    assert log.times == [0, 1, 3, 7, 12, 17]
    assert errors[0].__notes__ == ["in Stream(source), the source"]


class Fixed(OSError):
    """An error of which nothing can be set."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


async def test_an_error_that_takes_no_attribute_is_raised_with_its_note() -> None:
    _, error = await outcome(openings(raising(Fixed())).retry(steady(1)))
    assert isinstance(error, Fixed)
    assert error.__notes__[-1] == "retry gave up after 2 attempts"


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
    assert error.__notes__ == ["in Stream(<lambda>), the source", f"retry gave up after {note}"]


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
    assert other.__notes__ == ["in Stream(<lambda>), the source"]


class Later:
    def __await__(self) -> Iterator[Any]:
        yield from ()


async def never(error: Exception) -> bool:
    return False


@pytest.mark.parametrize("answer", [never, lambda error: Later()], ids=["coroutine", "awaitable"])
async def test_a_function_that_turns_out_to_be_async_does_not_choose_errors(answer: Any) -> None:
    stream = openings(raising(OSError)).retry(steady(5, on=lambda error: answer(error)))
    error = (await outcome(stream))[1]
    assert str(error).startswith("on must be a plain function, but it returned <")


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
    assert "pass a function that makes it" in str(consumed)
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
        with pytest.raises(StreamClosedError, match="was closed while it was being read"):
            async for _ in items:
                pass

    async with anyio.create_task_group() as tasks:
        with pytest.raises(StreamBusyError):
            async with stream(Stream(source).buffer(1)) as items:
                tasks.start_soon(read, items)
                await anyio.sleep(1)
    assert opened == 1


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
        ({"on": [OSError]}, TypeError, "on must be a class.* classes, or a plain function, got"),
        ({"on": 5}, TypeError, "on must be a class.* classes, or a plain function, got 5"),
        ({"first": -1}, ValueError, "first must be finite and at least 0"),
        ({"cap": float("inf")}, ValueError, "cap must be finite"),
        ({"factor": 0.5}, ValueError, "factor must be finite and at least 1"),
        ({"factor": float("nan")}, ValueError, "factor must be finite and at least 1"),
        ({"factor": "2"}, TypeError, "factor must be a number"),
        ({"factor": True}, TypeError, "factor must be a number"),
        ({"hook": 5}, TypeError, "hook must be a function"),
        ({"jitter": 0.5}, TypeError, "jitter must be True or False, got 0.5"),
        ({"reset": 60}, TypeError, "reset must be True or False, got 60"),
        ({"random": 0.5}, TypeError, "random must be a plain function, got 0.5"),
        ({"random": anyio.sleep_forever}, TypeError, "random must be a plain function, got <"),
    ],
)
def test_wrong_policies(given: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Retry(**given)


def test_wrong_arguments_of_retry() -> None:
    with pytest.raises(TypeError, match="policy must be a Retry or an integer"):
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
    end = "catch(print, OSError).retry(2, resume=str).repeat(2, pause=1)"
    assert repr(stream) == f"async_range(3).{end}.distinct(int, remember=5)"
    assert repr(numbers.default_if_empty(1).window(2, 3, partial=True).dedupe(int)) == (
        "async_range(3).default_if_empty(1).window(2, 3, partial=True).dedupe(int)"
    )
    assert repr(numbers.map(int, on_error="skip")) == "async_range(3).map(int, on_error='skip')"
    assert repr(poll(print, 2)) == "poll(print, 2)"
    assert repr(poll(print, 2, count=3)) == "poll(print, 2, count=3)"


async def test_no_pause_is_longer_than_the_cap_not_even_the_first() -> None:
    heard: list[float] = []
    policy = Retry(
        times=2, first=10, cap=3, jitter=False, hook=lambda _, __, pause: heard.append(pause)
    )
    failing = Stream(lambda: raising_now())
    with pytest.raises(OSError, match="now"):
        await failing.retry(policy).drain()
    assert heard == [3, 3]


def raising_now() -> Any:
    raise OSError("now")
