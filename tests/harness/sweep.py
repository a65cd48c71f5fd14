"""A program cancelled at each of its suspensions in turn.

Example::

    for cut in every_cut():
        source = TrackedSource(range(5))
        received: list[int] = []
        await cut.run(copy(source.generator(), received))
        assert received == list(range(len(received)))
        assert source.open_runs == 0

The first cut hits the first suspension, the next one the second, until a run ends without having
been hit. A suspension is one of the task that runs the program; tasks that it starts are not cut.
"""

import asyncio
import itertools
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Literal, TypeAlias, TypeVar, cast

import anyio
import pytest
import trio

from .tasks import Task, running_tasks, task_name

T = TypeVar("T")

Mode: TypeAlias = Literal["scope", "native"]
MODES: tuple[Mode, ...] = ("scope", "native")


@types.coroutine
def drive(awaitable: Awaitable[T], hook: Callable[[], object]) -> Generator[Any, Any, T]:
    """Await something in the current task and call ``hook`` at each of its suspensions.

    The hook is called when the awaitable is suspended already and the task is not yet.
    """
    steps = awaitable.__await__()
    resume: Callable[[Any], Any] = steps.send
    argument: Any = None
    while True:
        try:
            request = resume(argument)
        except StopIteration as end:
            return cast("T", end.value)
        hook()
        try:
            resume, argument = steps.send, (yield request)
        except BaseException as interruption:  # noqa: ASYNC103  # raised in ``steps``
            resume, argument = steps.throw, interruption


async def count_suspensions(program: Awaitable[object]) -> int:
    """Run a program undisturbed and return how often it suspended."""
    count = 0

    def hook() -> None:
        nonlocal count
        count += 1

    await drive(program, hook)
    return count


def every_cut() -> Iterator["Cut"]:
    """Yield one cut after the other, up to and including the first one that hits nothing."""
    for at in itertools.count(1):
        cut = Cut(at)
        yield cut
        if not cut.used:
            raise RuntimeError(f"{cut} was not used, so the sweep would end too early")
        if not cut.hit:
            return


class Cut:
    """A cancellation at the n-th suspension.

    Attributes:
        at: the suspension that is meant, counted from 1.
        hit: whether the program got that far.
        cancelled: whether the cancellation took effect, that is, the program or the step did
            not go on as if nothing had happened.
    """

    def __init__(self, at: int) -> None:
        self.at = at
        self.used = self.hit = self.cancelled = False
        self._seen = 0

    def __repr__(self) -> str:
        return f"<Cut at={self.at} hit={self.hit} cancelled={self.cancelled}>"

    async def run(self, program: Awaitable[T], mode: Mode = "scope") -> T | None:
        """Run a whole program and cut it: its result, or None if it was cancelled.

        Args:
            program: what to run. Its errors are raised here.
            mode: "scope" cancels an anyio scope around the program; "native" runs it in a task
                of its own and calls the ``cancel()`` of that task, which only asyncio has (the
                test is skipped on trio).
        """
        tasks_before = running_tasks()
        if mode == "scope":
            result = await self._run_in_scope(program)
        else:
            result = await self._run_in_native_task(program)
        await assert_sound(tasks_before)
        return result

    async def collect(self, iterator: AsyncIterator[T], into: list[T]) -> None:
        """Step an iterator to its end and cut one of the steps, which is then asked for again.

        Each step has a scope of its own, so it is the step that is cancelled and nothing else.
        """
        tasks_before = running_tasks()
        while True:
            try:
                item = await self._step(iterator)
            except StopAsyncIteration:
                break
            into.extend(item)
        await assert_sound(tasks_before)

    async def _step(self, iterator: AsyncIterator[T]) -> list[T]:
        with anyio.CancelScope() as scope:
            return [await drive(anext(iterator), self._hook(scope.cancel))]
        self.cancelled = True
        return []

    async def _run_in_scope(self, program: Awaitable[T]) -> T | None:
        with anyio.CancelScope() as scope:
            return await drive(program, self._hook(scope.cancel))
        self.cancelled = True
        return None

    async def _run_in_native_task(self, program: Awaitable[T]) -> T | None:
        async def body() -> T:
            return await drive(program, self._hook(task.cancel))

        if trio.lowlevel.in_trio_run():
            pytest.skip("only asyncio has Task.cancel()")
        task = asyncio.create_task(body())
        await asyncio.wait([task])
        self.cancelled = task.cancelled()
        return None if self.cancelled else task.result()

    def _hook(self, action: Callable[[], object]) -> Callable[[], None]:
        def hook() -> None:
            self._seen += 1
            if self._seen == self.at:
                self.hit = True
                action()

        self.used = True
        return hook


async def assert_sound(tasks_before: AbstractSet[Task]) -> None:
    """Assert that the runtime has come through unharmed.

    No cancellation is pending, a new scope times out as it should, and no task has been left
    behind besides ``tasks_before`` (from ``running_tasks()``).
    """
    with anyio.move_on_after(0.001) as scope:
        await anyio.sleep(1)
    assert scope.cancelled_caught, "a scope of a millisecond did not time out"
    left = [task_name(task) for task in running_tasks() - tasks_before]
    assert not left, f"tasks were left behind: {left}"
    if not trio.lowlevel.in_trio_run():
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0, "a native cancellation was left pending"
