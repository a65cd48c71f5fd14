"""A run whose task is over may be closed by any other one: cells of notebooks, parts of fixtures.

Only bare tasks of asyncio end with a scope open. On trio, and in a task group, none can.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import anyio
import pytest
from contract import ON_ASYNCIO

from anystream import (
    CleanupTimeoutError,
    Run,
    Stream,
    StreamBusyError,
    WrongTaskError,
    async_range,
    merge,
)
from anystream.testing import TrackedSource, backend
from anystream.testing.tasks import running_tasks

FORMS: dict[str, Callable[[Stream[int]], Stream[Any]]] = {
    "no task": lambda s: s,
    "buffer": lambda s: s.buffer(2),
    "merge": lambda s: merge(s, []),
    "workers": lambda s: s.map(lambda n: n, concurrency=2),
}
FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


async def close_run(manager: Any, run: Run[Any]) -> None:
    await run.aclose()


async def leave(manager: Any, run: Run[Any]) -> None:
    await manager.__aexit__(None, None, None)


CLOSES = pytest.mark.parametrize("close", [close_run, leave])


async def entered(manager: Any) -> Run[Any]:
    """Enter it in a task of its own, which is over then."""
    run: Run[Any] = await asyncio.create_task(manager.__aenter__())
    return run


def in_a_task(work: Awaitable[Any]) -> Awaitable[Any]:
    async def task() -> Any:
        return await work

    return asyncio.create_task(task())


@ON_ASYNCIO
@CLOSES
@pytest.mark.parametrize("opens", [lambda s: s, lambda s: s.open()], ids=["stream", "run"])
@FORM
async def test_another_task_closes_it(form: Any, opens: Any, close: Any) -> None:
    source = TrackedSource(range(100), cleanup=0.5)
    before = running_tasks()
    manager = opens(form(Stream(source.generator)))
    run = await entered(manager)
    assert [await in_a_task(anext(run)), await anext(run)] == [0, 1]
    start = anyio.current_time()
    await in_a_task(close(manager, run))
    assert (source.open_runs, anyio.current_time() - start) == (0, 0.5)
    assert running_tasks() == before
    with anyio.move_on_after(1) as scope:
        await anyio.sleep(2)
    assert scope.cancelled_caught


@ON_ASYNCIO
@FORM
async def test_a_cleanup_without_a_scope_is_shielded(form: Any) -> None:
    source = TrackedSource(range(100), cleanup=0.5)
    manager = form(Stream(source.generator))
    run = await entered(manager)
    await anext(run)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await manager.__aexit__(None, None, None)
    assert source.open_runs == 0


@ON_ASYNCIO
@CLOSES
@FORM
async def test_the_cleanup_has_its_grace_period(form: Any, close: Any) -> None:
    source = TrackedSource(range(100), cleanup=float("inf"))
    manager = form(Stream(source.generator))
    run = await entered(manager)
    await anext(run)
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        await close(manager, run)
    assert anyio.current_time() - start == 1


@ON_ASYNCIO
@FORM
async def test_the_errors_of_the_block_and_of_the_cleanup(form: Any) -> None:
    source = TrackedSource(range(100), cleanup_error=OSError("of the cleanup"))
    manager = form(Stream(source.generator))
    await anext(await entered(manager))
    with pytest.raises(ExceptionGroup) as raised:
        async with AsyncExitStack() as stack:
            stack.push_async_exit(manager)
            raise ValueError("of the block")
    assert {str(error) for error in raised.value.exceptions} == {"of the block", "of the cleanup"}


@ON_ASYNCIO
async def test_not_while_its_task_runs() -> None:
    numbers = async_range(9).buffer(1)
    runs: list[Run[int]] = []

    async def block() -> None:
        async with numbers as run:
            runs.append(run)
            await anyio.sleep(1)

    task = asyncio.create_task(block())
    await anyio.sleep(0.5)
    for close in (close_run, leave):
        with pytest.raises(WrongTaskError, match="as long as that runs"):
            await close(numbers, runs[0])
    await task


@ON_ASYNCIO
@FORM
async def test_not_in_the_middle_of_a_step(form: Any) -> None:
    source = TrackedSource(range(100), pause=5)
    manager = form(Stream(source.generator))
    run = await entered(manager)
    step = asyncio.create_task(run.__anext__())  # type: ignore[arg-type]
    await anyio.sleep(1)
    has_tasks = form is not FORMS["no task"]
    if has_tasks:
        await manager.__aexit__(None, None, None)
    else:
        with pytest.raises(StreamBusyError):
            await manager.__aexit__(None, None, None)
    with suppress(Exception):
        await step
    await run.aclose()
    assert source.open_runs == 0


@ON_ASYNCIO
async def test_which_one_of_several_is_not_known() -> None:
    numbers = async_range(9).buffer(1)
    first, second = await entered(numbers), await entered(numbers)
    with pytest.raises(WrongTaskError):
        await numbers.__aexit__(None, None, None)
    for run in (first, second):
        assert await anext(run) == 0
        await run.aclose()
    before = running_tasks()
    async with numbers as items:
        assert await anext(items) == 0
    assert running_tasks() == before


@ON_ASYNCIO
async def test_the_block_of_share() -> None:
    source = TrackedSource(range(9))
    owner = Stream(source.generator).share()
    shared: Any = await asyncio.create_task(owner.__aenter__())  # type: ignore[arg-type]
    assert await in_a_task(shared.take(3).collect()) == [0, 1, 2]
    await in_a_task(owner.__aexit__(None, None, None))
    assert source.open_runs == 0


async def test_a_stream_that_holds_nothing_in_a_group() -> None:
    numbers = async_range(9)
    runs: list[Run[int]] = []

    async def enter() -> None:
        runs.append(await numbers.__aenter__())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter)
    assert await anext(runs[0]) == 0
    await numbers.__aexit__(None, None, None)
    with pytest.raises(WrongTaskError):
        await numbers.__aexit__(None, None, None)


def test_not_in_another_event_loop() -> None:
    numbers = async_range(9).buffer(1)
    runs: list[Run[int]] = []

    async def enter() -> None:
        runs.append(await numbers.__aenter__())
        assert await anext(runs[0]) == 0

    async def close() -> None:
        for way in (close_run, leave):
            with pytest.raises(WrongTaskError, match="another event loop"):
                await way(numbers, runs[0])

    name, options = backend("asyncio")
    for work in (enter, close):
        anyio.run(work, backend=name, backend_options=options)
