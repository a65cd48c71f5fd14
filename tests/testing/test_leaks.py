"""Each kind of leak is found, on both backends and both clocks."""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

from anystream.testing import LeakWatch, backend

kept: list[object] = []


async def numbers(cleanup_error: Exception | None = None) -> AsyncGenerator[int, None]:
    try:
        yield 1
        yield 2
    finally:
        if cleanup_error is not None:
            raise cleanup_error
        await anyio.lowlevel.checkpoint()  # noqa: ASYNC102


async def abandon_a_generator() -> None:
    async for _ in numbers():
        break


async def abandon_a_failing_generator() -> None:
    async for _ in numbers(ValueError("cannot close")):
        break


async def abandon_a_generator_in_a_cycle() -> None:
    cycle: list[object] = []
    agen = numbers()
    cycle += [cycle, agen]
    await anext(agen)


async def abandon_a_generator_that_takes_long_to_close() -> None:
    async def slow() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)

    async for _ in slow():
        break
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


async def leave_a_generator_open() -> None:
    agen = numbers()
    kept.append(agen)
    await anext(agen)


def spawn(function: Callable[..., Coroutine[Any, Any, object]], *args: object) -> None:
    if trio.lowlevel.in_trio_run():
        trio.lowlevel.spawn_system_task(function, *args)
    else:
        kept.append(asyncio.create_task(function(*args)))


async def leave_a_task() -> None:
    spawn(anyio.sleep_forever)


async def leave_a_task_that_is_about_to_end() -> None:
    spawn(anyio.lowlevel.checkpoint)


async def leave_a_chain_of_tasks(length: int = 50) -> None:
    """Each but the first one lives for no longer than it waits for its start."""
    if length:
        spawn(leave_a_chain_of_tasks, length - 1)


async def leave_a_coroutine() -> None:
    kept.append(anyio.sleep(1))


async def leave_a_coroutine_in_a_cycle() -> None:
    cycle: list[object] = []
    cycle += [cycle, anyio.sleep(1)]


async def log_an_error() -> None:
    logging.getLogger("asyncio").error("something is wrong")


async def leave_nothing() -> None:
    assert [number async for number in numbers()] == [1, 2]
    agen = numbers()
    await anext(agen)
    await agen.aclose()
    async with anyio.create_task_group() as tg:
        for _ in range(2):
            tg.start_soon(anyio.sleep, 0.001)
    logging.getLogger("asyncio").warning("no error")


@pytest.mark.parametrize("name", ["asyncio", "trio"])
@pytest.mark.parametrize("real_time", [False, True], ids=["virtual", "real"])
@pytest.mark.parametrize(
    ("program", "kinds"),
    [
        (abandon_a_generator, ["abandoned"]),
        (abandon_a_failing_generator, ["abandoned", "logged"]),
        (abandon_a_generator_in_a_cycle, ["abandoned"]),
        (abandon_a_generator_that_takes_long_to_close, ["abandoned"]),
        (leave_a_generator_open, ["open"]),
        (leave_a_task, ["task"]),
        (leave_a_task_that_is_about_to_end, []),
        (leave_a_chain_of_tasks, ["task"]),
        (leave_a_coroutine, ["unawaited"]),
        (leave_a_coroutine_in_a_cycle, ["unawaited"]),
        (log_an_error, ["logged"]),
        (leave_nothing, []),
    ],
)
def test_each_leak_is_found(
    program: Callable[[], Awaitable[None]], kinds: list[str], name: str, real_time: bool
) -> None:
    async def watched() -> list[str]:
        with LeakWatch() as watch:
            await program()
            return [leak.kind for leak in await watch.leaks()]

    name, options = backend(name, real_time=real_time)
    try:
        assert anyio.run(watched, backend=name, backend_options=options) == kinds
    finally:
        kept.clear()


class Lazy:
    """As the settings of Django are before they are configured."""

    @property
    def __class__(self) -> Any:
        raise LookupError("not configured")


async def test_a_lazy_object_is_left_alone() -> None:
    with LeakWatch() as watch:
        lazy = Lazy()
        assert await watch.leaks() == []
        del lazy


async def test_what_was_there_before_is_no_leak() -> None:
    coroutine, agen = anyio.sleep(1), numbers()
    await anext(agen)
    async with anyio.create_task_group() as tg:
        tg.start_soon(anyio.sleep_forever)
        with LeakWatch() as watch:
            assert await watch.leaks() == []
        tg.cancel_scope.cancel()
    coroutine.close()
    await agen.aclose()


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_watches_leave_no_trace(name: str) -> None:
    async def watched() -> None:
        loop = {} if trio.lowlevel.in_trio_run() else vars(asyncio.get_running_loop())

        def state() -> list[object]:
            return [sys.get_asyncgen_hooks(), loop.copy(), logging.getLogger().handlers.copy()]

        unwatched = state()
        with LeakWatch():
            watched = state()
            with LeakWatch():
                assert state() != watched != unwatched
            assert state() == watched
        assert state() == unwatched
        assert gc.get_freeze_count() == 0

    name, options = backend(name)
    anyio.run(watched, backend=name, backend_options=options)
