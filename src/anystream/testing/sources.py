"""Sources that count what is done to them."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from math import inf
from typing import Generic, Protocol, TypeVar

import anyio

from .. import _args as check
from .tasks import Task, current_task

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class TrackedSource(Generic[T]):
    """Makes async generators and async iterators over the same items, and counts for all of them.

    Both ``source.generator`` and ``source.iterator`` are functions that return a fresh run. A run
    of the iterator survives a cancelled step, which may be repeated; a generator is over then, as
    always in Python.

    Args:
        items: what each run yields.
        pause: seconds to sleep before each item; 0 is a checkpoint, None does not suspend.
        errors: what is raised in place of an item, by its index; the index ``len(items)`` means
            after the last one.
        cleanup: seconds that the cleanup awaits; 0 is a checkpoint, infinity hangs.
        cleanup_error: what is raised at the end of the cleanup.

    Attributes:
        opened: runs that were begun: an iterator when it is made, a generator by its first step,
            since before that there is nothing that it could clean up.
        steps: items asked for.
        closes_started: how often a cleanup has begun: a generator's when it ends or is closed, an
            iterator's with each call of ``aclose()``.
        closes_finished: how many of them were not cut short.
        stepped_by: the tasks that asked for items.
        closed_by: the tasks that began a cleanup, in order.
        open_runs: runs that were begun and not closed to the end.

    Raises:
        TypeError: if ``items`` is not an iterable, or an argument is not of its type.
        ValueError: if ``pause`` or ``cleanup`` is negative, or ``pause`` is not finite.

    Example:
        >>> source = TrackedSource(range(100))
        >>> anyio.run(Stream(source.generator).take(2).collect)
        [0, 1]
        >>> source.opened, source.steps, source.open_runs
        (1, 2, 0)
    """

    def __init__(
        self,
        items: Iterable[T],
        *,
        pause: float | None = 0,
        errors: Mapping[int, BaseException] | None = None,
        cleanup: float = 0,
        cleanup_error: BaseException | None = None,
    ) -> None:
        check.iterable("items", items)
        if pause is not None:
            check.seconds("pause", pause)
        if cleanup != inf:
            check.seconds("cleanup", cleanup)
        if errors is not None:
            check.mapping("errors", errors)
            for index, error in errors.items():
                check.integer("an index in errors", index, 0)
                check.exception("an error in errors", error)
        if cleanup_error is not None:
            check.exception("cleanup_error", cleanup_error)
        self._items = list(items)
        self._pause = pause
        self._errors = errors or {}
        self._cleanup = cleanup
        self._cleanup_error = cleanup_error
        self.opened: int = 0
        self.steps: int = 0
        self.closes_started: int = 0
        self.closes_finished: int = 0
        self.stepped_by: set[Task] = set()
        self.closed_by: list[Task] = []

    @property
    def open_runs(self) -> int:
        """Runs that were begun and not closed to the end."""
        return self.opened - self.closes_finished

    async def generator(self) -> AsyncGenerator[T, None]:
        """Make a run that is a real async generator with an awaiting ``finally``."""
        self.opened += 1
        try:
            for index, item in enumerate(self._items):
                await self._reach(index)
                yield item
            await self._reach(len(self._items))
        finally:
            await self._close()  # noqa: ASYNC102  # to be cut short is what it is for

    def iterator(self) -> "ClosableIterator[T]":
        """Make a run that is an object with ``__anext__`` and ``aclose``."""
        self.opened += 1
        return TrackedIterator(self._items, self._reach, self._close)

    async def _reach(self, index: int) -> None:
        self.steps += 1
        self.stepped_by.add(current_task())
        if self._pause is not None:
            await anyio.sleep(self._pause)
        if index in self._errors:
            raise self._errors[index]

    async def _close(self) -> None:
        self.closes_started += 1
        self.closed_by.append(current_task())
        await anyio.sleep(self._cleanup)
        self.closes_finished += 1
        if self._cleanup_error is not None:
            raise self._cleanup_error


class ClosableIterator(Protocol[T_co]):
    """An async iterator that `contextlib.aclosing` takes as well."""

    def __aiter__(self) -> AsyncIterator[T_co]: ...
    async def __anext__(self) -> T_co: ...
    async def aclose(self) -> None: ...


class TrackedIterator(AsyncIterator[T]):
    """A run that the interpreter does not know as a generator."""

    def __init__(
        self,
        items: list[T],
        reach: Callable[[int], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._items = items
        self._reach = reach
        self._close = close
        self._index = 0
        self._closed = False

    async def __anext__(self) -> T:
        if self._closed:
            raise anyio.ClosedResourceError
        await self._reach(self._index)
        if self._index == len(self._items):
            raise StopAsyncIteration
        self._index += 1
        return self._items[self._index - 1]

    async def aclose(self) -> None:
        self._closed = True
        await self._close()
