"""How a task closes what its segments hold: under a shield, in time, with errors collected."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import suppress
from math import inf
from types import coroutine
from typing import Any

from anyio import CancelScope, current_time

from .._errors import CleanupTimeoutError, StreamClosedError
from .backends import is_native, named
from .batches import Segment
from .contracts import GRACE, Openable, Owner, Source, Task
from .driver import iterate
from .locating import hide_frames, locate
from .observing import TrackedRun
from .siblings import attach, is_of_cleanup, mark_as_of_cleanup, parted
from .statistics import waited_for


def without(
    known: BaseException | None, errors: Sequence[BaseException]
) -> tuple[BaseException, ...]:
    """These errors, each once, since several readers may hear of one, and not what is `known`."""
    group: Any = known
    seen = [known, *(group.exceptions if isinstance(known, BaseExceptionGroup) else ())]
    fresh: list[BaseException] = []
    for error in errors:
        if not any(error is each for each in (*seen, *fresh)):
            fresh.append(error)
    return tuple(fresh)


def is_complete(error: BaseException) -> bool:
    """Whether a cleanup has only taken too long."""
    return isinstance(error, CleanupTimeoutError) and error.complete


async def until(time: float, wait: Callable[[], Awaitable[object]], shield: bool = False) -> bool:
    """Await `wait()`; False if it was cancelled because it was `time`, by the loop's clock."""
    with CancelScope(deadline=time, shield=shield):
        await wait()
        return True
    return False


async def shielded(close: Callable[[], Awaitable[object]]) -> None:
    """Await `close()` despite any cancellation, for as long as a cleanup may take."""
    await until(current_time() + GRACE, close, shield=True)


class TaskOwner(Owner):
    """What the two kinds of owners have in common."""

    __slots__ = (
        "_caught",
        "_errors",
        "_late",
        "_retried",
        "_shield",
        "_unread",
        "_waited",
    )

    def __init__(self) -> None:
        self._shield: CancelScope | None = None  # for all of the cleanup that is under way
        self._errors: tuple[BaseException, ...] = ()  # of cleanup
        self._unread: tuple[BaseException, ...] = ()  # others, which the reader has not come to
        self._late: BaseException | None = None  # a native cancel that arrived during cleanup
        self._caught: int = 0
        self._retried: int = 0
        self._waited: float = 0.0  # seconds, for items of parts that are closed

    # -- what the kinds differ in -------------------------------------------------------------

    @property
    @abstractmethod
    def stream(self) -> Openable:
        """What was opened."""

    @property
    @abstractmethod
    def grace(self) -> float:
        """Seconds that a source may take to close."""

    @property
    @abstractmethod
    def view(self) -> TrackedRun | None:
        """What observers have of the run, if there are any."""

    @property
    @abstractmethod
    def is_timed(self) -> bool:
        """Whether waits are timed: from the first call of `statistics` on."""

    @abstractmethod
    def refused(self) -> StreamClosedError:
        """What to raise in the place of something that begins when it is over."""

    @abstractmethod
    def forget(self) -> None:
        """Keep only those of the sources handed over that there is something to close of."""

    @abstractmethod
    async def close_lost(self, owner: Owner) -> None:
        """Close what was open of something that did not open, and so was never stepped."""

    def now(self) -> float:
        """The time of the event loop."""
        return self.backend.now()

    def closing_shield(self) -> CancelScope | None:
        """The scope, entered before the first step, that shields what is closed now."""
        return self._shield

    # -- errors -------------------------------------------------------------------------------

    @property
    def errors(self) -> Sequence[BaseException]:
        return self._errors

    def locate(
        self, error: BaseException, source: Source | None, stream: Openable | None = None
    ) -> None:
        if isinstance(source, Segment):
            source.has_failed(error)
        if isinstance(error, Exception):
            with suppress(Exception):  # of what is only said, and must not take the place of it
                locate(error, source, stream, self.stream)
            hide_frames(error)

    def add_error(self, error: BaseException) -> None:
        self._errors += (error,)

    def leave_unread(self, error: BaseException) -> None:
        if is_of_cleanup(error):
            self.add_error(error)
        else:
            self._unread += (error,)

    def take_errors(self) -> tuple[tuple[BaseException, ...], tuple[BaseException, ...]]:
        """The errors of the cleanup, and those that nobody has read; they are not kept."""
        taken = self._errors, self._unread
        self._errors = self._unread = ()
        return taken

    @property
    def caught(self) -> int:
        """How many errors were dealt with here."""
        return self._caught

    @property
    def retried(self) -> int:
        """How many attempts were made again here."""
        return self._retried

    def has_caught(self, error: Exception) -> None:
        self._caught += 1
        if self.view is not None:
            self.view.has_caught(error)

    def has_retried(self, error: Exception) -> None:
        self._retried += 1
        if self.view is not None:
            self.view.has_retried(error)

    def unless_over(self) -> None:
        if self.over:
            raise self.refused()

    def recovers(self) -> bool:
        return not self.over

    def shelter(self, early: bool) -> Callable[[], None] | None:
        return None

    def stands(self, cancelled: BaseException) -> bool:
        return False

    # -- closing ------------------------------------------------------------------------------

    async def finish(self, part: Source) -> None:
        if self.is_timed:
            self._waited += waited_for(part)
        await part.close(self)
        self.forget()
        self.raise_collected(None)

    async def replace(self, part: Source | None, error: Exception | None) -> None:
        if part is not None:
            if self.is_timed:
                self._waited += waited_for(part)
            await part.close(self)
            await self.close_lost(self)
            self.forget()
            self.raise_collected(error)

    def guard(self, close: Callable[[], object]) -> None:
        try:
            close()
        except BaseException as exc:
            self.add_error(exc)

    def release(
        self,
        close: Callable[[], Awaitable[object]],
        *,
        scopes: bool = False,
    ) -> Awaitable[None]:
        shield, grace = self.closing_shield(), self.grace
        if shield is None and scopes:
            return self._close_part(close, grace)
        if shield is None or shield.cancel_called:  # by a close that hung
            return self._close_shielded(close, grace)
        return self._attempt(close, shield, grace)

    async def _close_shielded(self, close: Callable[[], Awaitable[object]], grace: float) -> None:
        with self.backend.new_scope(shield=True) as fresh:
            await self._attempt(close, fresh, grace)

    async def _close_part(self, close: Callable[[], Awaitable[object]], grace: float) -> None:
        """Close what may hold scopes, in the middle of a run."""
        await self._attempt(close, None, grace)

    async def _attempt(
        self, close: Callable[[], Awaitable[object]], shield: CancelScope | None, grace: float
    ) -> None:
        try:
            if shield is None:
                await close()
                return
            steps = iterate(close())
            try:
                trap = steps.send(None)
            except StopIteration:  # without a wait, as most
                return
            await self._in_time(steps, trap, shield, grace)
        except BaseException as exc:
            cut = shield is not None and shield.cancel_called
            self._collect(named(exc, self.stream), grace if cut else None)

    @coroutine
    def _in_time(
        self, steps: Generator[Any, Any, Any], trap: Any, shield: CancelScope, grace: float
    ) -> Generator[Any, Any, None]:
        """Await a close that has to wait, as `trap` says: its time begins now."""
        shield.deadline = self.now() + grace
        try:
            while True:
                try:
                    answer = yield trap
                except BaseException as exc:
                    trap = steps.throw(exc)
                else:
                    trap = steps.send(answer)
        except StopIteration:
            return
        finally:
            shield.deadline = inf

    def _collect(self, error: BaseException, exceeded: float | None) -> None:
        """Collect what a close has raised, which was cut off if it `exceeded` its time.

        A generator that holds a task group across its yields gives back in a group its own
        GeneratorExit, and on trio a cancellation.
        """
        cancelled, rest = parted(error, self.backend.cancelled)
        if rest is not None and not isinstance(rest, GeneratorExit):
            rest = parted(rest, GeneratorExit)[1]
        if rest is not None:
            self.add_error(rest)
        if cancelled is None:
            return
        if exceeded is None:
            self._late = cancelled
        else:
            self.add_error(self.hung(exceeded))

    def hung(self, grace: float) -> CleanupTimeoutError:
        """The error of a close that has taken longer than `grace` seconds."""
        return CleanupTimeoutError(f"{self.stream!r} did not close within {grace:g} s")

    def failure(self, error: BaseException | None = None) -> BaseException | None:
        """What cleanup has left, and `error` before it: one error bare, several as a group."""
        of_cleanup, self._errors = without(error, self._errors), ()
        if not of_cleanup:
            return error
        errors = of_cleanup if error is None else (error, *of_cleanup)
        group = errors[0] if len(errors) == 1 else self._grouped(errors)
        mark_as_of_cleanup(group)
        return group

    def _grouped(self, errors: Sequence[BaseException]) -> BaseException:
        group = BaseExceptionGroup(f"{self.stream!r} failed, and so did its cleanup", errors)
        group.__suppress_context__ = True
        return group

    def raise_collected(self, error: BaseException | None) -> None:
        """Raise any errors collected during cleanup.

        `error`, if given, is already propagating, and continues if this returns.

        A native cancellation that arrived during the cleanup is passed on, with the rest as its
        cause. What is raised, or propagates, tells of the errors that nobody has read.
        """
        if error is not None and self._errors:
            self._give_way(error)
        if error is not None and isinstance(error, (self.backend.cancelled, GeneratorExit)):
            error = None
        if not self._errors and self._late is None:
            if error is not None and self._unread:
                self.tell(error)
            return
        late, self._late = self._late, None
        failure = self.failure(error)
        if failure is not None:
            self.tell(failure)
            hide_frames(failure)
        try:
            if late is not None:
                raise late from failure
            if isinstance(failure, StopAsyncIteration):
                raise RuntimeError("closing a source raised StopAsyncIteration") from failure
            assert failure is not None
            raise failure
        finally:
            del error, late, failure  # which refer to this frame, once raised

    def _give_way(self, error: BaseException) -> None:
        """Let what propagates do so unchanged, if cleanup has left no more than a delay.

        Ctrl-C comes to asyncio as a native cancellation.
        """
        hung = all(isinstance(each, CleanupTimeoutError) for each in self._errors)
        if hung and (isinstance(error, (KeyboardInterrupt, SystemExit)) or is_native(error)):
            attach(error, self._errors, "its cleanup")
            self._errors = ()
        elif isinstance(error, self.backend.cancelled):
            self._errors = tuple(each for each in self._errors if not is_complete(each))

    def tell(self, error: BaseException) -> None:
        """Attach to `error` what nobody has read."""
        unread, self._unread = self._unread, ()
        attach(error, unread)

    def tell_of_unread(self, failure: BaseException | None) -> None:
        """Attach what nobody has read to the error that has stopped this, if there is one."""
        if self._unread and failure is not None:
            self.tell(failure)

    def clear_deadline(self) -> None:
        """No close is in progress; clear the cleanup deadline."""
        if self._shield is not None and self._shield.deadline != inf:
            self._shield.deadline = inf

    async def stop(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            task.interrupt()
        await self.wait_for(tasks)

    async def wait_for(self, tasks: Iterable[Task]) -> None:
        if all(task.done for task in tasks):
            return
        self.clear_deadline()
        with CancelScope(shield=True):  # without a deadline: each task has its own
            for task in tasks:
                while not task.done:
                    try:
                        await task.join()
                    except self.backend.cancelled as exc:
                        self._late = exc
