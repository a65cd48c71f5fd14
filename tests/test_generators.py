"""`as_generator`: whoever ends the generator, and however, the run closes as any other does."""

import asyncio
import contextvars
import gc
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from contract import BACKENDS, ON_ASYNCIO

from anystream import (
    CleanupTimeoutError,
    NeedsTasksError,
    Stream,
    StreamClosedError,
    StreamConsumedError,
    WrongTaskError,
    merge,
    stream,
)
from anystream.testing import TrackedSource, backend, cancel_everywhere
from anystream.testing.tasks import all_tasks, current_task, running_tasks

FORMS: dict[str, Callable[[Stream[int]], Stream[int]]] = {
    "no task": lambda s: s,
    "buffer": lambda s: s.buffer(2),
    "merge": lambda s: merge(s, []),
    "workers": lambda s: s.map(lambda n: n, concurrency=2),
}
FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


def opened(source: TrackedSource[int], form: Any = FORMS["no task"]) -> AsyncGenerator[int, None]:
    generator: AsyncGenerator[int, None] = form(Stream(source.generator)).as_generator()
    return generator


@FORM
async def test_it_gives_the_items_and_is_closed_at_its_end(form: Any) -> None:
    source = TrackedSource(range(5), cleanup=0.5)
    generator = opened(source, form)
    assert source.opened == 0  # before the first step
    assert [item async for item in generator] == [0, 1, 2, 3, 4]
    assert (source.opened, source.open_runs) == (1, 0)
    with pytest.raises(StopAsyncIteration):
        await anext(generator)


@FORM
async def test_closing_it_waits_for_the_cleanup(form: Any) -> None:
    source = TrackedSource(range(100), cleanup=0.5)
    generator = opened(source, form)
    async for item in generator:
        if item == 3:
            break
    assert source.open_runs == 1
    start = anyio.current_time()
    await generator.aclose()
    assert (source.open_runs, anyio.current_time() - start) == (0, 0.5)
    assert current_task() not in source.stepped_by


@FORM
async def test_another_task_may_close_it(form: Any) -> None:
    source = TrackedSource(range(100), cleanup=0.5)
    generator = opened(source, form)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anext, generator)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(generator.aclose)
    assert source.open_runs == 0
    assert {*source.closed_by} <= source.stepped_by


@FORM
@pytest.mark.leaks_expected("abandoned")
async def test_the_garbage_collector_may_close_it(form: Any) -> None:
    source = TrackedSource(range(100), cleanup=0.5)
    generator = opened(source, form)
    async for _ in generator:
        break
    del generator
    gc.collect()
    assert source.closes_finished == 0
    await anyio.sleep(1)
    assert source.open_runs == 0


@pytest.mark.leaks_expected("abandoned")
async def test_the_garbage_collector_may_close_one_that_nothing_else_refers_to() -> None:
    closed: list[bool] = []

    @stream
    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            await anyio.sleep(0.5)
            closed.append(True)

    cycle: list[Any] = [numbers().as_generator()]
    await anext(cycle[0])
    cycle.append(cycle)
    del cycle
    gc.collect()
    await anyio.sleep(1)
    assert closed == [True]


@BACKENDS
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
def test_an_error_of_a_cleanup_that_nobody_waits_for_is_logged(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        source = TrackedSource(range(100), cleanup_error=OSError("lost"))
        generator = opened(source)
        await anext(generator)
        del generator
        gc.collect()
        await anyio.sleep(1)
        gc.collect()
        assert source.open_runs == 0

    anyio.run(main, backend=name, backend_options=backend(name)[1])
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["lost"]


@FORM
@BACKENDS
def test_the_event_loop_may_end_before_it(name: str, form: Any) -> None:
    source = TrackedSource(range(100), cleanup=0.5)
    kept: list[AsyncGenerator[int, None]] = []

    async def main() -> None:
        kept.append(opened(source, form))
        assert await anext(kept[0]) == 0
        await anyio.sleep(1)  # asyncio cancels all tasks, and what is in a step has to hear of it

    anyio.run(main, backend=name, backend_options=backend(name)[1])
    assert (source.opened, source.open_runs) == (1, 0)
    assert kept[0].ag_frame is None  # type: ignore[attr-defined]


@FORM
async def test_a_cancelled_step_closes_it(form: Any) -> None:
    source = TrackedSource(range(100), pause=1, cleanup=0.5)
    generator = opened(source, form)
    with anyio.move_on_after(1.5) as scope:
        async for _ in generator:
            pass
    assert scope.cancelled_caught
    assert (source.opened, source.open_runs) == (1, 0)


async def test_nothing_is_read_ahead() -> None:
    source = TrackedSource(range(100))
    async with aclosing(opened(source)) as generator:
        for steps in (1, 2, 3):
            await anext(generator)
            await anyio.sleep(1)
            assert source.steps == steps


@FORM
async def test_an_error_keeps_its_place(form: Any) -> None:
    source = TrackedSource(range(5), errors={2: OSError("lost")})
    got: list[int] = []
    with pytest.raises(OSError, match=r"^lost\n"):
        async for item in opened(source, form):
            got.append(item)
    assert (got, source.open_runs) == ([0, 1], 0)


async def test_an_error_of_the_opening() -> None:
    once = Stream(iter(range(3)))
    await once.drain()
    with pytest.raises(StreamConsumedError):
        await anext(once.as_generator())


async def test_an_error_of_the_cleanup() -> None:
    source = TrackedSource(range(5), cleanup_error=OSError("lost"))
    generator = opened(source)
    await anext(generator)
    with pytest.raises(OSError, match=r"^lost$"):
        await generator.aclose()

    generator = opened(source)
    await anext(generator)
    with pytest.raises(ExceptionGroup) as raised:
        await generator.athrow(ValueError("thrown"))
    assert [str(error) for error in raised.value.exceptions] == ["thrown", "lost"]


async def test_a_cleanup_that_hangs() -> None:
    source = TrackedSource(range(5), cleanup=float("inf"))
    generator = Stream(source.generator).with_grace(3).as_generator()
    await anext(generator)
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        await generator.aclose()
    assert anyio.current_time() - start == 3


async def test_the_source_may_hold_a_group() -> None:
    @stream
    async def grouped() -> AsyncGenerator[int, None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            try:
                yield 1
            finally:
                tasks.cancel_scope.cancel()

    async with aclosing(grouped().as_generator()) as generator:
        assert await anext(generator) == 1
        with anyio.move_on_after(1):
            await anyio.sleep(2)


SETTING = contextvars.ContextVar[str]("SETTING", default="unset")


async def test_the_context_is_that_of_the_first_step() -> None:
    @stream
    async def settings() -> AsyncGenerator[str, None]:
        yield SETTING.get()
        SETTING.set("inside")
        yield SETTING.get()

    SETTING.set("outside")
    assert [setting async for setting in settings().as_generator()] == ["outside", "inside"]
    assert SETTING.get() == "outside"


async def test_an_item_at_a_time_for_each_of_several_generators() -> None:
    numbers = Stream(range(3))
    first, second = numbers.as_generator(), numbers.as_generator()
    async with aclosing(first), aclosing(second):
        assert [await anext(first), await anext(second), await anext(first)] == [0, 0, 1]


@ON_ASYNCIO
async def test_the_task_behind_it_is_cancelled_from_outside() -> None:
    source = TrackedSource(range(100), cleanup=0.5)
    before = running_tasks()
    generator = opened(source)
    await anext(generator)
    for task in running_tasks() - before:
        task.cancel()  # type: ignore[union-attr, call-arg]
    await anyio.sleep(1)
    assert source.open_runs == 0
    with pytest.raises(StreamClosedError):
        await anext(generator)


def test_another_event_loop_may_not_step_it() -> None:
    source = TrackedSource(range(3))
    with asyncio.Runner() as home, asyncio.Runner() as other:
        generator = opened(source)
        home.run(step(generator))
        with pytest.raises(WrongTaskError):
            other.run(step(generator))
        assert source.open_runs == 1
    assert source.open_runs == 0


async def step(generator: AsyncGenerator[Any, None]) -> Any:
    return await anext(generator)


async def test_no_task_is_there_before_the_first_step() -> None:
    before = all_tasks()
    generator = Stream(range(3)).as_generator()
    await anyio.lowlevel.checkpoint()
    assert all_tasks() == before
    await generator.aclose()


def test_what_iterates_for_others_is_told_of_it() -> None:
    with pytest.raises(NeedsTasksError, match=r"stream\.as_generator\(\)"):
        aiter(Stream([1]).buffer(1))


@FORM
@pytest.mark.parametrize("anywhere", [False, True])
def test_it_may_be_cancelled_everywhere(form: Any, anywhere: bool) -> None:
    async def program() -> None:
        source = TrackedSource(range(3), cleanup=0.1)
        got: list[int] = []
        try:
            async with aclosing(form(Stream(source.iterator)).as_generator()) as generator:
                async for item in generator:
                    got.append(item)
        finally:
            assert got == [*range(len(got))]
            assert source.open_runs == 0

    assert cancel_everywhere(program, anywhere=anywhere) > 10
