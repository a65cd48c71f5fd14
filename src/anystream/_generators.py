"""`Stream.as_generator`: an async generator over a run that a task of its own holds open.

That task alone enters and leaves the run, and any task may end the generator. The task is in no
group of its reader's, since the reader may be gone for long when the run closes.
"""

from collections.abc import AsyncGenerator
from math import inf
from typing import Any, TypeVar

from ._core.backends import Home, backend
from ._core.contracts import AsyncEvent, Backend, Openable
from ._core.owner import until
from ._core.run import Run, reader_of

T = TypeVar("T")


class Held:
    """A run, and the task that holds it open."""

    def __init__(self, stream: Openable) -> None:
        self.backend: Backend = backend()
        self.home: Home = Home()
        self.run: Run[Any] = Run(stream)
        self.opened: AsyncEvent = self.backend.new_event()
        self.left: AsyncEvent = self.backend.new_event()
        self.closed: AsyncEvent = self.backend.new_event()
        self.error: BaseException | None = None  # that propagates through the generator
        self.failure: BaseException | None = None  # of opening or closing

    async def hold(self) -> None:
        """The whole life of the task; it raises nothing but a cancellation from outside."""
        try:
            await reader_of(self.run).enter()
            self.opened.set()
            try:
                await self.left.wait()
            finally:
                await reader_of(self.run).leave(self.error)
        except self.backend.cancelled:
            raise
        except BaseException as exc:
            self.failure = exc
        finally:
            self.opened.set()
            self.closed.set()

    async def leave(self, error: BaseException | None) -> None:
        """Have the run closed, and raise what comes of that; `error` is propagating.

        An error of who steps it in another event loop ends the generator there, and the run with
        its own event loop.
        """
        if not self.home.is_here():
            return
        self.error = error
        self.left.set()
        await until(inf, self.closed.wait, shield=True)  # each source closes in time
        self.error = None
        failure, self.failure = self.failure, None
        try:
            if failure is not None:
                raise failure
        finally:
            del error, failure  # which refer to this frame


async def generated(stream: Openable) -> AsyncGenerator[Any, None]:
    """The items of `stream`, which is opened with the first step."""
    held = Held(stream)
    error: BaseException | None = None
    held.backend.start_alone(held.hold)
    try:
        await held.opened.wait()
        if held.failure is None:
            async for item in held.run:
                yield item
    except BaseException as exc:
        error = exc
        raise
    finally:
        try:
            await held.leave(error)
        finally:
            del error  # which refers to this frame
