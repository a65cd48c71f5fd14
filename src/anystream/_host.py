"""A task that segments run in: what they hold is opened, stepped and closed there.

It is either the caller's (`_run.Pipeline`) or one behind a mailbox (`_pump.Pump`).
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from anyio import CancelScope, Event, current_time, get_cancelled_exc_class

from ._batches import GRACE, Source
from ._errors import CleanupTimeoutError
from ._siblings import attach, is_of_cleanup, mark_as_of_cleanup
from ._steps import foreign, is_foreign
from ._unwinding import parted

if TYPE_CHECKING:
    from ._pump import Pump
    from ._run import Pipeline


class Backend(NamedTuple):
    """What is the backend's own: to ask anyio for it asks which it is, every time."""

    new_event: type[Event]
    new_scope: type[CancelScope]
    event_loop: Callable[[], object]
    """The one that is running; RuntimeError where none of this backend is."""


BACKENDS: dict[type[BaseException], Backend] = {}


def backend() -> Backend:
    """That of this moment."""
    known = BACKENDS.get(get_cancelled_exc_class())
    if known is None:
        known = Backend(type(Event()), type(CancelScope()), loops())
        BACKENDS[get_cancelled_exc_class()] = known
    return known


class Home:
    """The event loop that something was opened in."""

    __slots__ = ("event_loop", "loop")

    def __init__(self) -> None:
        self.event_loop: Callable[[], object] = backend().event_loop
        self.loop: object = self.event_loop()

    def is_here(self) -> bool:
        try:
            return self.event_loop() is self.loop
        except RuntimeError:  # another backend runs
            return False


def loops() -> Callable[[], object]:
    if get_cancelled_exc_class().__module__.startswith("asyncio"):
        from asyncio import get_running_loop

        return get_running_loop
    from trio.lowlevel import current_trio_token

    return current_trio_token


def is_from(cancelled: BaseException, scope: CancelScope) -> bool:
    """Whether it is this scope that has cancelled a task on asyncio, as anyio's text says."""
    return f" {id(scope):x}" in str(cancelled)


def is_native(cancelled: BaseException) -> bool:
    """Whether no scope has cancelled this task, but asyncio's `Task.cancel()`."""
    of_asyncio = type(cancelled).__module__.startswith("asyncio")
    return of_asyncio and not str(cancelled).startswith("Cancelled via cancel scope ")


def without(
    known: BaseException | None, errors: Sequence[BaseException]
) -> tuple[BaseException, ...]:
    """These errors, each once, since several readers may hear of one, and not what is `known`."""
    seen = [known, *getattr(known, "exceptions", ())]
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
    """Await `close()` whatever is cancelled meanwhile, for as long as a cleanup may take."""
    await until(current_time() + GRACE, close, shield=True)


class Host(ABC):
    """A task that segments run in: what they hold is opened, stepped and closed there."""

    __slots__ = ("errors", "late", "shield", "unread")

    shield: CancelScope | None  # for all of the cleanup that is under way
    errors: tuple[BaseException, ...]  # of cleanup
    unread: tuple[BaseException, ...]  # others, which the reader has not come to
    late: BaseException | None  # a native cancel that arrived during cleanup

    def __init__(self) -> None:
        self.shield = self.late = None
        self.errors = self.unread = ()

    def add_error(self, error: BaseException) -> None:
        """Keep an error of the cleanup, for who closes next."""
        self.errors += (error,)

    def leave_unread(self, error: BaseException) -> None:
        """Keep an error that the reader has not come to."""
        if is_of_cleanup(error):
            self.add_error(error)
        else:
            self.unread += (error,)

    @property
    @abstractmethod
    def pipeline(self) -> "Pipeline": ...

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether this, or what reads from it, has been told to stop: nothing begins any more."""

    def unless_over(self) -> None:
        if self.over:
            raise self.pipeline.refused()

    def shelter(self) -> "Pipeline | None":
        """A step in this task was cancelled: let it await, until what this returns is exposed.

        None if it cannot; a task behind a mailbox sees to that by itself.
        """
        return None

    def stands(self, cancelled: BaseException) -> bool:
        """Whether something that is not the user's, and waits here, may go on in spite of that.

        So it is in a task behind a mailbox if the cancellation is of a scope that a generator holds
        across its yields: it is the generator's, and hits it when it waits itself.
        """
        return False

    async def finish(self, part: Source) -> None:
        """Close one part of the pipeline that has ended, while the rest goes on."""
        await part.close(self)
        self.pipeline.forget()
        self.settle(None)

    def guard(self, close: Callable[[], object]) -> None:
        """Call `close()` and keep what it raises for `settle`."""
        try:
            close()
        except BaseException as exc:
            self.add_error(exc)

    async def release(
        self,
        close: Callable[[], Awaitable[object]],
        grace: float | None = None,
        *,
        scopes: bool = False,
    ) -> None:
        """Await `close()` for at most `grace` seconds and keep what it raises for `settle`.

        Without `grace` it is that of the pipeline.

        What may hold `scopes` itself, as an async generator does across its yields, must not be
        closed in a scope that was entered after them. So it goes without one in the middle of a
        run, where no scope from before its first step is to be had.
        """
        shield = self.closing_shield()
        if grace is None:
            grace = self.pipeline.grace
        if shield is None and scopes:
            await self.attempt(close, None, grace)
        elif shield is None or shield.cancel_called:  # by a close that hung
            with CancelScope(shield=True) as fresh:
                await self.attempt(close, fresh, grace)
        else:
            await self.attempt(close, shield, grace)

    def closing_shield(self) -> CancelScope | None:
        """The scope, entered before the first step, that shields what is closed now."""
        return self.shield

    @staticmethod
    async def unwind(step: Callable[[], Awaitable[object]]) -> None:
        """Await `step()`, which is cancelled at once wherever it waits.

        That is how a row of async generators that read each other is ended from its innermost one.
        To close the outermost one leaves those behind it to the garbage collector, unless each of
        them closes what it reads, and a client's own may not.
        """
        with CancelScope() as scope:
            scope.cancel()
            await step()

    async def attempt(
        self, close: Callable[[], Awaitable[object]], shield: CancelScope | None, grace: float
    ) -> None:
        if shield is not None:
            shield.deadline = current_time() + grace
        try:
            await close()
        except BaseException as exc:
            if is_foreign(exc):
                exc = foreign(exc, self.pipeline.stream)
            self.keep(exc, None if shield is None or not shield.cancel_called else grace)

    def keep(self, error: BaseException, exceeded: float | None) -> None:
        """Keep for `settle` what a close has raised, which was cut off if it `exceeded` its time.

        A generator that holds a task group across its yields gives back in a group its own
        GeneratorExit, and on trio a cancellation.
        """
        cancelled, rest = parted(error, get_cancelled_exc_class())
        if rest is not None and not isinstance(rest, GeneratorExit):
            rest = parted(rest, GeneratorExit)[1]
        if rest is not None:
            self.add_error(rest)
        if cancelled is None:
            return
        if exceeded is None:
            self.late = cancelled
        else:
            self.add_error(self.pipeline.hung(exceeded))

    def failure(self, error: BaseException | None = None) -> BaseException | None:
        """What cleanup has left, and `error` before it: one error bare, several as a group."""
        of_cleanup, self.errors = without(error, self.errors), ()
        if not of_cleanup:
            return error
        errors = of_cleanup if error is None else (error, *of_cleanup)
        group = errors[0] if len(errors) == 1 else self.grouped(errors)
        mark_as_of_cleanup(group)
        return group

    def grouped(self, errors: Sequence[BaseException]) -> BaseException:
        group = BaseExceptionGroup(
            f"{self.pipeline.stream!r} failed, and so did its cleanup", errors
        )
        group.__suppress_context__ = True
        return group

    def settle(self, error: BaseException | None) -> None:
        """Raise what cleanup has left; `error` is on its way already and goes on if this returns.

        A native cancellation that arrived during the cleanup is passed on, with the rest as its
        cause. What is raised, or on its way, tells of the errors that nobody has read.
        """
        if error is not None and self.errors:
            self.give_way(error)
        if isinstance(error, (get_cancelled_exc_class(), GeneratorExit)):
            error = None
        if not self.errors and self.late is None:
            if error is not None and self.unread:
                self.tell(error)
            return
        late, self.late = self.late, None
        failure = self.failure(error)
        if failure is not None:
            self.tell(failure)
        try:
            if late is not None:
                raise late from failure
            if isinstance(failure, StopAsyncIteration):
                raise RuntimeError("closing a source raised StopAsyncIteration") from failure
            assert failure is not None
            raise failure
        finally:
            del error, late, failure  # which refer to this frame, once raised

    def give_way(self, error: BaseException) -> None:
        """Let what is on its way come out as it is, if cleanup has left no more than a delay.

        Ctrl-C comes to asyncio as a native cancellation.
        """
        hung = all(isinstance(each, CleanupTimeoutError) for each in self.errors)
        if hung and (isinstance(error, (KeyboardInterrupt, SystemExit)) or is_native(error)):
            attach(error, self.errors, "its cleanup")
            self.errors = ()
        elif isinstance(error, get_cancelled_exc_class()):
            self.errors = tuple(each for each in self.errors if not is_complete(each))

    def tell(self, error: BaseException) -> None:
        """Attach to `error` what nobody has read."""
        unread, self.unread = self.unread, ()
        attach(error, unread)

    def rest(self) -> None:
        """Nothing closes now that has a time for it."""
        if self.shield is not None:
            self.shield.deadline = inf

    async def stop(self, pumps: "Iterable[Pump]") -> None:
        """Stop pumps and wait until they have closed what they hold, whatever comes."""
        for pump in pumps:
            pump.interrupt()
        await self.stopped(pumps)

    async def stopped(self, pumps: "Iterable[Pump]") -> None:
        """Wait until pumps that have been stopped have closed what they hold, whatever comes."""
        if all(pump.done for pump in pumps):
            return
        self.rest()
        with CancelScope(shield=True):  # without a deadline: each pump has its own grace period
            for pump in pumps:
                while not pump.done:
                    try:
                        await pump.join()
                    except get_cancelled_exc_class() as exc:
                        self.late = exc
