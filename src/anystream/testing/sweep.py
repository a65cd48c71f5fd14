"""A program cancelled at each of its suspensions, or at each step of any task, in turn.

The first cut hits the first suspension, the next one the second, until a run ends without having
been hit. A suspension is one of the task that runs the program.

``every_cut_anywhere()`` does the same before each step of any task. That is what finds out about
the moments between a wake-up and what is woken, and about the middle of what goes on elsewhere
while the program waits once and for long. What is cancelled is the same: the program, or its step.
On trio, which deals the lock by chance, the sweep is done with each of ten schedules.
"""

import asyncio
import itertools
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar, cast

import anyio

from .. import _args as check
from .tasks import Task, in_trio, running_tasks, task_name

T = TypeVar("T")

Mode: TypeAlias = Literal["scope", "native"]
MODES: tuple[Mode, ...] = ("scope", "native")

SEEDS = range(10)
"""Of the schedules that ``every_cut_anywhere`` tries on trio."""


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


@contextmanager
def steps_watched(hook: Callable[[], object]) -> Generator[None]:
    """Call ``hook`` before each step of any task.

    On asyncio these are the steps that are scheduled from now on.
    """
    if in_trio():
        from . import _trio

        with _trio.steps_watched(hook):
            yield
        return
    watch = _AsyncioWatch(asyncio.get_running_loop(), hook)
    try:
        yield
    finally:
        watch.stop()


class _AsyncioWatch:
    """Stands before ``call_soon``, through which tasks schedule their steps."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hook: Callable[[], object]) -> None:
        self._attributes = vars(loop)
        self._schedule: Callable[..., asyncio.Handle] = loop.call_soon
        self._hook: Callable[[], object] | None = hook
        self._attributes["call_soon"] = self._call_soon

    def stop(self) -> None:
        self._hook = None  # some steps may be scheduled still
        del self._attributes["call_soon"]

    def _call_soon(self, callback: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
        if isinstance(getattr(callback, "__self__", None), asyncio.Task):
            return self._schedule(self._step, callback, *args, **kwargs)
        return self._schedule(callback, *args, **kwargs)

    def _step(self, callback: Callable[..., object], *args: Any) -> None:
        if self._hook is not None:
            self._hook()
        callback(*args)


def every_cut() -> Iterator["Cut"]:
    """Yield one cut after the other, up to and including the first one that hits nothing.

    Each must be used before the next is asked for, with ``run`` or ``collect``. For a loop in an
    async function, on whichever backend runs that.

    Raises:
        RuntimeError: if a cut was not used.

    Example:
        >>> async def main() -> None:
        ...     for cut in every_cut():
        ...         received = []
        ...         async with Stream(TrackedSource(range(3)).iterator) as items:
        ...             await cut.collect(items, received)
        ...         assert received == [0, 1, 2]
        >>> anyio.run(main)
    """
    return _sweep(Cut)


def every_cut_anywhere(seeds: Iterable[int] = SEEDS) -> Iterator["Cut"]:
    """Yield cuts at steps of any task in the same way as ``every_cut``.

    Args:
        seeds: of the schedules on trio, each of which is swept.

    Raises:
        RuntimeError: if a cut was not used.
        TypeError: if ``seeds`` is not an iterable.

    Example:
        >>> async def main() -> int:
        ...     return len([await cut.run(anyio.sleep(1)) for cut in every_cut_anywhere()])
        >>> anyio.run(main)  # it has one point, and then there is the run that is not cut
        2
    """
    check.iterable("seeds", seeds)
    schedules: Iterable[int | None] = seeds if in_trio() else (None,)
    return itertools.chain.from_iterable(
        _sweep(partial(Cut, anywhere=True, seed=seed)) for seed in schedules
    )


def _sweep(make: Callable[[int], "Cut"]) -> Iterator["Cut"]:
    at, hit = 0, True
    while hit:
        at += 1
        cut = make(at)
        yield cut
        if not cut.used:
            raise RuntimeError(f"{cut} was not used, so the sweep would end too early")
        hit = cut.hit


class Cut:
    """A cancellation at the n-th suspension, or before the n-th step of any task.

    Args:
        at: which one is meant, counted from 1.
        anywhere: whether steps of any task are counted, and not the program's suspensions.
        seed: of the schedule, on trio.

    Raises:
        TypeError: if ``at`` or ``seed`` is not an integer, or ``anywhere`` is not a bool.
        ValueError: if ``at`` is less than 1.

    Attributes:
        hit: whether the program got that far.
        on_hit: what to call then, just before the cancellation.
        cancelled: whether the cancellation took effect, that is, the program or the step did
            not continue as if nothing had happened.

    Example:
        >>> async def main() -> None:
        ...     cut = Cut(1)
        ...     assert await cut.run(anyio.sleep(1)) is None
        ...     assert cut.hit and cut.cancelled
        >>> anyio.run(main)
    """

    def __init__(self, at: int, *, anywhere: bool = False, seed: int | None = None) -> None:
        self.at: int = check.integer("at", at, 1)
        check.flag("anywhere", anywhere)
        if seed is not None:
            check.integer("seed", seed)
        self.anywhere = anywhere
        self.seed = seed
        self.used: bool = False
        self.hit: bool = False
        self.cancelled: bool = False
        self.on_hit: Callable[[], object] = int
        self._seen = 0
        self._cancel: Callable[[], object] | None = None

    def __repr__(self) -> str:
        where = "" if not self.anywhere else " anywhere"
        where += "" if self.seed is None else f" seed={self.seed}"
        return f"<Cut at={self.at}{where} hit={self.hit} cancelled={self.cancelled}>"

    async def run(self, program: Awaitable[T], mode: Mode = "scope") -> T | None:
        """Run a whole program and cut it: its result, or None if it was cancelled.

        Args:
            program: what to run. Its errors are raised here.
            mode: "scope" cancels an anyio scope around the program; "native" runs it in a task
                of its own and calls the ``cancel()`` of that task, which only asyncio has (the
                test is skipped on trio).

        Raises:
            ValueError: if ``mode`` is neither of the two.
        """
        check.choice("mode", mode, MODES)
        tasks_before = running_tasks()
        with self._watching():
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
        with self._watching():
            while True:
                try:
                    item = await self._step(iterator)
                except StopAsyncIteration:
                    break
                into.extend(item)
        await assert_sound(tasks_before)

    async def _step(self, iterator: AsyncIterator[T]) -> list[T]:
        with anyio.CancelScope() as scope:
            return [await self._cuttable(anext(iterator), scope.cancel)]
        self.cancelled = True
        return []

    async def _run_in_scope(self, program: Awaitable[T]) -> T | None:
        with anyio.CancelScope() as scope:
            return await self._cuttable(program, scope.cancel)
        self.cancelled = True
        return None

    async def _run_in_native_task(self, program: Awaitable[T]) -> T | None:
        async def body() -> T:
            return await self._cuttable(program, task.cancel)

        if in_trio():
            import pytest

            pytest.skip("only asyncio has Task.cancel()")
        task = asyncio.create_task(body())
        await asyncio.wait([task])
        self.cancelled = task.cancelled()
        return None if self.cancelled else task.result()

    async def _cuttable(self, awaitable: Awaitable[T], cancel: Callable[[], object]) -> T:
        self.used = True
        self._cancel = cancel
        try:
            return await (awaitable if self.anywhere else drive(awaitable, self._count))
        finally:
            self._cancel = None

    def _count(self) -> None:
        if self._cancel is not None:
            self._seen += 1
            if self._seen == self.at:
                self.hit = True
                self.on_hit()
                self._cancel()

    @contextmanager
    def _watching(self) -> Generator[None]:
        with ExitStack() as stack:
            if self.seed is not None:
                from . import _trio

                stack.enter_context(_trio.scheduled(self.seed))
            if self.anywhere:
                stack.enter_context(steps_watched(self._count))
            yield


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
    if not in_trio():
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0, "a native cancellation was left pending"
