"""Queues as sources, asyncio's and those of threads; what is not read stays in them."""

import sys
from abc import abstractmethod
from collections.abc import Iterator
from itertools import chain
from typing import Any

from .._core.batches import TimeSlicer
from .._core.contracts import Owner, SourceDefaults
from .._labels import whole


class FromQueue(SourceDefaults):
    """A queue, until it is shut down, as CPython's can be since 3.13."""

    __slots__ = ("_checkpoint", "_queue", "_slicer")

    def __init__(self, queue: Any, owner: Owner) -> None:
        self._checkpoint = owner.backend.checkpoint
        self._queue = queue
        self._slicer = TimeSlicer()

    @abstractmethod
    async def batch(self) -> Iterator[Any] | None: ...

    def ready(self) -> Iterator[Any]:
        """What is there without waiting, for about a millisecond."""
        self._slicer.start()
        return chain.from_iterable(self._slicer.pieces(self.taken()))

    @abstractmethod
    def taken(self) -> Iterator[Any]:
        """The items that are there, each of them taken when it is asked for."""


class AsyncioQueue(FromQueue):
    __slots__ = ("_shut_down",)

    def __init__(self, queue: Any, owner: Owner) -> None:
        if not owner.backend.cancelled.__module__.startswith("asyncio"):
            raise TypeError(f"a queue of asyncio's can be read on asyncio only, got {whole(queue)}")
        super().__init__(queue, owner)
        self._shut_down: Any = getattr(sys.modules["asyncio"], "QueueShutDown", ())

    async def batch(self) -> Iterator[Any] | None:
        await self._checkpoint()
        items = self.ready()
        if not self._queue.empty():
            return items
        try:
            return chain((await self._queue.get(),), items)
        except self._shut_down:
            return None

    def taken(self) -> Iterator[Any]:
        while not self._queue.empty():
            yield self._queue.get_nowait()


class ThreadQueue(FromQueue):
    """One of threads, in which other threads put their items, and from which they may take some."""

    __slots__ = ("_nothing",)

    def __init__(self, queue: Any, owner: Owner) -> None:
        super().__init__(queue, owner)
        module = sys.modules["queue"]
        self._nothing: Any = (module.Empty, getattr(module, "ShutDown", module.Empty))

    async def batch(self) -> Iterator[Any] | None:
        await self._checkpoint()
        over = is_shut_down(self._queue)  # asked first: nothing is put in after that
        if self._queue.empty():
            if over:
                return None
            await self.wait()
        return self.ready()

    async def wait(self) -> None:
        """Wait until it may have an item, in a thread that takes none and leaves with the step."""
        from anyio import CapacityLimiter, to_thread  # which take long to import

        waiter = Waiting(self._queue)
        try:
            await to_thread.run_sync(
                waiter.wait, abandon_on_cancel=True, limiter=CapacityLimiter(1)
            )
        finally:
            waiter.leave()

    def taken(self) -> Iterator[Any]:
        while True:
            try:
                item = self._queue.get_nowait()
            except self._nothing:  # another thread may have been faster
                return
            yield item


class Waiting:
    """A thread that waits for an item to be there, as `Queue.get` does before it takes one."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.over = False

    def wait(self) -> None:
        with self.queue.not_empty:
            while not (self.over or self.queue._qsize() or is_shut_down(self.queue)):
                self.queue.not_empty.wait()

    def leave(self) -> None:
        """End the wait; the news of an item that it has heard may be meant for another thread."""
        with self.queue.not_empty:
            self.over = True
            self.queue.not_empty.notify_all()


def is_shut_down(queue: Any) -> bool:
    return getattr(queue, "is_shutdown", False)


def queue_type(value: object) -> type[FromQueue] | None:
    """What reads a queue; nobody has one who has not imported its module."""
    for module, kind in (("asyncio", AsyncioQueue), ("queue", ThreadQueue)):
        if isinstance(value, getattr(sys.modules.get(module), "Queue", ())):
            return kind
    return None
