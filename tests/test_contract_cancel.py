"""Every row of the table when it is cancelled, and in the company of other tasks and runtimes."""

import asyncio
import itertools
import sys
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from contract import (
    EACH_KIND,
    EVERY,
    IN_FORM,
    IN_TASKS,
    IN_THE_READER,
    ITEMS,
    NOTHING,
    ON_ASYNCIO,
    UNHARMED,
    at_its_own_end,
    before_an_error,
    over,
)
from rows import Function, Row, in_any_order, in_order, plain

from anystream import Stream, StreamBusyError, StreamClosedError, StreamInterruptedError
from anystream.testing import MODES, Cut, TrackedSource, every_cut
from anystream.testing.clock import VirtualClockLoop
from anystream.testing.sweep import assert_sound
from anystream.testing.tasks import running_tasks

# -- cuts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES, ids="{} cancel".format)
@EACH_KIND
@IN_FORM
async def test_cancelled_anywhere(row: Row, form: Function, kind: str, mode: Any) -> None:
    """What runs in a task cleans up, even if it was waiting inside of a step."""
    wanted = row.wanted(ITEMS)
    for cut in every_cut():
        source = TrackedSource(ITEMS, pause=int(row.tasks), cleanup=0.5 * row.tasks)
        got: list[Any] = []

        async def read(source: TrackedSource[int] = source, got: list[Any] = got) -> None:
            async with row.over(over(source, kind), form) as items:
                async for item in items:
                    got.append(item)

        await cut.run(read(), mode)
        row.check(got, wanted, not cut.cancelled)
        assert source.closes_started == source.opened
        if row.tasks:
            assert at_its_own_end(source, kind) or source.open_runs == 0
        else:
            # It may hit the cleanup itself, if that is a part of the step, or is native.
            assert kind == "generator" or mode == "native" or source.open_runs == 0


@UNHARMED
async def test_a_cancelled_step_loses_nothing(row: Row, form: Function, kind: str) -> None:
    """Behind a task not even over a generator: the cancellation does not come to it."""
    for cut in every_cut():
        source = TrackedSource(ITEMS, pause=int(row.tasks))
        got: list[Any] = []
        async with row.over(over(source, kind), form) as items:
            await cut.collect(items, got)
        row.check(got, row.wanted(ITEMS), True)
        assert source.open_runs == 0


@IN_THE_READER
async def test_a_step_that_kills_the_generator_is_loud(row: Row) -> None:
    for cut in every_cut():
        source = TrackedSource(ITEMS)
        got: list[Any] = []
        loud = False
        async with row.over(Stream(source.generator)) as items:
            try:
                await cut.collect(items, got)
            except StreamInterruptedError:
                loud = True
                with pytest.raises(StopAsyncIteration):
                    await anext(items)
        row.check(got, row.wanted(ITEMS), not loud)
        assert cut.cancelled or not loud
        assert source.closes_started == source.opened


@EVERY
async def test_a_source_without_checkpoints_can_be_cancelled(row: Row) -> None:
    ended = False
    with anyio.CancelScope() as scope:

        async def cancel() -> None:
            await checkpoint()
            scope.cancel()

        stream = row.over(Stream(lambda: itertools.cycle(ITEMS)), plain)
        async with anyio.create_task_group() as tasks, stream as items:
            tasks.start_soon(cancel)
            async for _ in items:
                pass
            ended = True
    assert scope.cancelled_caught or ended


# -- asyncio's own ways to cancel -------------------------------------------------------------


@EVERY
@ON_ASYNCIO
async def test_a_native_timeout(row: Row) -> None:
    for seconds in (0, 0.5, 3.5, 100):
        source = TrackedSource(ITEMS, pause=1, cleanup=0.5)
        got: list[Any] = []
        before = running_tasks()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                async with row.over(Stream(source.iterator)) as items:
                    async for item in items:
                        got.append(item)
                    await anyio.sleep(1000)
        row.check(got, row.wanted(ITEMS), seconds == 100)
        assert source.open_runs == 0
        await assert_sound(before)


@EVERY
@ON_ASYNCIO
async def test_steps_with_native_timeouts(row: Row) -> None:
    """Up to Python 3.11 each of them is a step in another task."""
    source = TrackedSource(ITEMS, pause=1)
    got: list[Any] = []
    timeouts = itertools.cycle((0.5, None))
    async with row.over(Stream(source.iterator)) as items:
        while True:
            try:
                got.append(await asyncio.wait_for(anext(items), next(timeouts)))
            except TimeoutError:
                continue
            except StopAsyncIteration:
                break
    row.check(got, row.wanted(ITEMS), True)
    assert source.open_runs == 0
    await assert_sound(running_tasks())


@EVERY
@ON_ASYNCIO
async def test_a_native_cancel_during_the_cleanup_is_passed_on(row: Row) -> None:
    source = TrackedSource(ITEMS, pause=1, cleanup=0.5)

    async def read() -> None:
        async with row.over(Stream(source.iterator())) as items:
            await anext(items, None)

    task = asyncio.create_task(read())
    while not source.closes_started:  # noqa: ASYNC110  # the source tells nobody
        await anyio.sleep(0.125)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closes_started == 1
    assert source.closes_finished == 1 or not row.tasks


# -- sources with scopes ----------------------------------------------------------------------


async def scoped() -> AsyncGenerator[int, None]:
    with anyio.CancelScope():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            for item in ITEMS:
                with anyio.move_on_after(1000):
                    await checkpoint()
                    yield item
            tasks.cancel_scope.cancel()


@EVERY
async def test_a_generator_may_hold_scopes(row: Row) -> None:
    wanted = row.wanted(ITEMS)
    async with row.over(Stream(scoped)) as items:
        row.check([item async for item in items], wanted, True)
    for length in range(3):
        got: list[Any] = []
        async with row.over(Stream(scoped)) as items:
            while len(got) < length and (item := await anext(items, NOTHING)) is not NOTHING:
                got.append(item)
        row.check(got, wanted, len(got) < length)
    await assert_sound(running_tasks())


@IN_TASKS
async def test_scopes_of_a_generator_and_of_its_reader_do_not_meet(row: Row) -> None:
    got: list[list[Any]] = [[], []]
    ended = 0
    async with row.over(Stream(scoped)) as first, row.over(Stream(scoped)) as second:
        for ended, items in itertools.cycle(enumerate((first, second))):
            with anyio.move_on_after(1000):
                if (item := await anext(items, NOTHING)) is NOTHING:
                    break
                got[ended].append(item)
    for number in range(2):  # those that drop items may end in either order
        row.check(got[number], row.wanted(ITEMS), number == ended)


@EVERY
async def test_a_child_of_the_generator_fails(row: Row) -> None:
    """A group of the user's is not unwrapped."""

    async def fail() -> None:
        await anyio.sleep(1)
        raise OSError("child")

    async def numbers() -> AsyncGenerator[int, None]:
        async with anyio.create_task_group() as tasks:
            for item in ITEMS[:2]:
                yield item
            tasks.start_soon(fail)
            await anyio.sleep_forever()

    got: list[Any] = []
    caught = False
    async with row.over(Stream(numbers)) as items:
        try:
            async for item in items:
                got.append(item)
        except BaseExceptionGroup as error:
            caught = pytest.RaisesGroup(OSError).matches(error)
    assert caught == before_an_error(row, 2)[1]
    row.check(got, row.wanted(ITEMS), False)


# -- other tasks ----------------------------------------------------------------------------


@EVERY
async def test_two_readers(row: Row) -> None:
    """They share the items where a task can serve both, and it is an error where none can."""
    source = TrackedSource(ITEMS, pause=1)
    got: list[Any] = []
    busy: list[StreamBusyError] = []

    async def read(items: Any) -> None:
        try:
            async for item in items:
                got.append(item)
                await checkpoint()
        except StreamBusyError as error:
            busy.append(error)

    async with row.over(Stream(source.iterator)) as items, anyio.create_task_group() as tasks:
        tasks.start_soon(read, items)
        tasks.start_soon(read, items)
    assert len(busy) <= (0 if row.tasks else 1)
    in_any_order(got, row.wanted(ITEMS), row.check is in_order)
    assert source.open_runs == 0


@IN_TASKS
async def test_closing_ends_a_step_of_another_task(row: Row) -> None:
    source = TrackedSource(ITEMS, pause=10, cleanup=0.5)

    async def read(items: Any) -> None:
        with pytest.raises(StreamClosedError):
            async for _ in items:
                pass

    async with anyio.create_task_group() as tasks, row.over(Stream(source.iterator)) as items:
        tasks.start_soon(read, items)
        await anyio.sleep(1)
        await items.aclose()
        assert source.open_runs == 0


@ON_ASYNCIO
@pytest.mark.parametrize("number", [0, 1, None], ids=["first", "second", "all"])
@EACH_KIND
@IN_TASKS
async def test_a_task_that_is_cancelled_before_its_first_step(
    row: Row, kind: str, number: int | None
) -> None:
    """By `Task.cancel()`; the reader hears that it was, or gets all if that one was not needed."""
    source = TrackedSource(ITEMS, pause=1, cleanup=0.5)
    before = asyncio.all_tasks()
    got: list[Any] = []
    async with row.over(Stream(getattr(source, kind))) as items:
        new = sorted(asyncio.all_tasks() - before, key=asyncio.Task.get_name)
        for task in new if number is None else new[number : number + 1]:
            task.cancel()
        try:
            async for item in items:
                got.append(item)
        except StreamInterruptedError as error:
            assert "was cancelled from outside" in str(error)  # noqa: PT017
        else:
            row.check(got, row.wanted(ITEMS), True)
    assert source.open_runs == 0
    assert asyncio.all_tasks() == before


# -- context variables ----------------------------------------------------------------------

setting: ContextVar[int] = ContextVar("setting", default=0)


@EVERY
async def test_which_context_a_source_runs_in(row: Row) -> None:
    """That of the task that steps it; a task has a copy from the opening."""
    seen: list[int] = []
    current: list[int] = []
    value = 0

    def change() -> None:
        nonlocal value
        value += 1
        setting.set(value)

    async def numbers() -> AsyncGenerator[int, None]:
        for item in ITEMS:
            seen.append(setting.get())
            current.append(value)
            await checkpoint()
            yield item

    change()
    async with row.over(Stream(numbers)) as items:
        change()
        async for _ in items:
            change()
    if row.tasks:
        assert set(seen) == {1}
    else:
        assert seen == current
    assert setting.get() == value


# -- runtimes -------------------------------------------------------------------------------


class EagerLoop(VirtualClockLoop):
    def __init__(self) -> None:
        super().__init__()
        factory: Any = vars(asyncio)["eager_task_factory"]
        self.set_task_factory(factory)


class DebugLoop(VirtualClockLoop):
    def __init__(self) -> None:
        super().__init__()
        self.set_debug(True)


EAGER = pytest.param(
    EagerLoop, marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
)


@EVERY
@pytest.mark.parametrize("loop", [EAGER, DebugLoop])
def test_other_event_loops(row: Row, loop: Callable[[], Any]) -> None:
    wanted = row.wanted(ITEMS)

    async def main() -> None:
        before = running_tasks()
        source = TrackedSource(ITEMS, cleanup=0.5)
        async with row.over(Stream(source.generator)) as items:
            row.check([item async for item in items], wanted, True)
        async with row.over(Stream(source.generator)) as items:
            await anext(items, None)
        for at in (1, 4):
            await Cut(at).run(read(source))
        assert source.closes_started == source.opened
        await assert_sound(before)

    async def read(source: TrackedSource[int]) -> None:
        async with row.over(Stream(source.generator)) as items:
            async for _ in items:
                await checkpoint()

    anyio.run(main, backend_options={"loop_factory": loop})
