"""What comes in the place of a failed rest."""

import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from recovering import WRONG, Log, openings, outcome, raising, slow_handler, steady
from rows import FORMS, Function, plain, suspending

from anystream import (
    NeedsTasksError,
    Stream,
    async_range,
    merge,
)
from anystream.testing import TrackedSource


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


async def test_an_error_is_caught_though_a_scope_was_cancelled_that_no_step_has_heard_of() -> None:
    """It has not taken the place of the cancellation, which comes with the next wait."""
    called: list[Exception] = []
    with anyio.CancelScope() as scope:

        def fail(n: int) -> int:
            scope.cancel()
            raise ZeroDivisionError

        def handle(error: Exception) -> list[int]:
            called.append(error)
            return [2]

        await Stream([1]).map(fail).catch(handle, ZeroDivisionError).drain()
    assert scope.cancelled_caught
    assert len(called) == 1
