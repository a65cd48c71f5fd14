"""What tests look at that users do not see."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from anystream import Run
from anystream._core.run import reader_of


def opening_of(run: Run[Any]) -> Any:
    """What a run holds."""
    return reader_of(run).opening


def tasks_of(run: Run[Any]) -> Sequence[Any]:
    """The tasks of its own that run."""
    tasks = opening_of(run)._tasks
    return () if tasks is None else tasks.running


async def turns_of(work: Callable[[], Awaitable[object]]) -> int:
    """How often others have their turn meanwhile."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await work()
        tasks.cancel_scope.cancel()
    return turns
