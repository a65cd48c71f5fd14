"""A task behind a mailbox, and how it is stopped."""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import coroutine
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, Event, current_time, get_cancelled_exc_class

from ._batches import Source
from ._errors import StreamInterruptedError
from ._host import Host, is_from, is_native
from ._steps import foreign, is_foreign
from ._unwinding import Unwinding, is_told, parted

if TYPE_CHECKING:
    from ._run import Pipeline


class Pump(Host):
    """A task behind a mailbox: it runs a segment, or calls functions, and fills a lane.

    Two scopes are entered before its first step and left after its last close. The outer one is
    shielded, so that a cancellation of the reader does not come here. To stop a pump that is
    parked, it is woken. Wherever else it waits, the outer scope is cancelled. That interrupts once:
    then the inner one is shielded, for what has been interrupted to clean up and for the segment
    to be closed. A pump that awaits nothing of the user's has nothing to protect, and does without.
    """

    __slots__ = (
        "awaited",
        "awaits",
        "begun",
        "body",
        "done",
        "inner",
        "interrupting",
        "outer",
        "parked",
        "reader",
        "stopping",
        "told",
        "unwinding",
        "whole",
    )

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.reader: Host = host
        self.whole: Pipeline = host.pipeline
        self.outer: CancelScope = self.whole.new_scope(shield=True)
        self.inner: CancelScope | None = None
        self.done: bool = False  # whether all is closed
        self.awaited: Event | None = None  # set then, if somebody waits for it
        self.begun: bool = False
        self.parked: Event | None = None  # if it waits for nothing but room
        self.stopping: bool = False
        self.told: bool = False  # whether the interruption has come to what it waits for
        self.interrupting: bool = False  # whether the trampoline has something to look for
        self.unwinding: Unwinding | None = None
        self.body: Callable[[], Coroutine[Any, Any, None]]
        self.awaits: bool  # something of the user's

    @property
    def pipeline(self) -> "Pipeline":
        return self.whole

    @property
    def over(self) -> bool:
        return self.stopping or self.reader.over

    def start(self, body: Callable[[], Coroutine[Any, Any, None]], awaits: bool = True) -> None:
        self.body = body
        self.awaits = awaits
        self.pipeline.start(self)

    async def join(self) -> None:
        """Wait until all is closed; what has never got a task is closed here."""
        if self not in self.whole.pumps and not self.done:
            await self.body()
            self.finished()
        while not self.done:
            if self.awaited is None:
                self.awaited = self.whole.new_event()
            await self.awaited.wait()

    def interrupt(self) -> None:
        """Stop it, unless it has been: once."""
        if not self.stopping:
            self.stopping = True
            if self.parked is not None:
                self.parked.set()
            elif self.begun:
                self.interrupting = self.inner is not None and not self.inner.shield
                self.outer.cancel()

    def protect(self) -> None:
        """From here on nothing interrupts."""
        self.interrupting = self.unwinding is not None  # which has to see what comes
        if self.inner is not None:
            self.inner.shield = True

    def unless_stopped(self, error: BaseException) -> BaseException | None:
        """The error that ended the body, for the reader; our own interruption is none.

        The second cancellation of a pump that is stopped is the end of the grace period. One that
        is not ours comes from a scope that a generator holds across a `yield`, or from an event
        loop that shuts down.
        """
        cancelled, rest = parted(error, get_cancelled_exc_class())
        if cancelled is None:
            return rest
        if self.stopping and self.inner is not None and self.inner.cancel_called:
            if rest is not None:
                self.add_error(rest)
            return self.pipeline.hung(self.pipeline.grace)
        if self.stopping or rest is not None:
            return rest
        if is_foreign(error):
            return foreign(error, self.pipeline.stream)
        lost = StreamInterruptedError(
            f"something cancelled a task behind {self.pipeline.stream!r} between two items"
        )
        lost.__cause__ = error
        return lost

    def stands(self, cancelled: BaseException) -> bool:
        return not (self.stopping or is_native(cancelled))

    @staticmethod
    async def undisturbed(wait: Callable[[], Awaitable[object]]) -> None:
        """Await `wait()` behind a shield, which only something of the library's own may do."""
        with CancelScope(shield=True):
            await wait()

    def unheard(self, error: BaseException) -> None:
        """Keep what ended the body and nobody will read.

        It is an error of the cleanup if the interruption came first.
        """
        if self.told:
            self.add_error(error)
        else:
            self.leave_unread(error)

    async def close(self, segment: Source) -> None:
        """Close the segment that ran here; errors are kept, for who comes next."""
        self.begin_closing()
        await segment.close(self)

    def begin_closing(self) -> None:
        self.protect()
        self.shield: CancelScope | None = self.inner

    def closing_shield(self) -> CancelScope | None:
        if self.stopping and self.shield is None:  # the interruption may be still on its way
            self.begin_closing()
        return self.shield

    async def run(self) -> None:
        try:
            with self.outer:
                self.begun = True
                if self.stopping and self.awaits:  # before it has begun
                    self.interrupting = True
                    self.outer.cancel()
                if self.awaits:
                    with CancelScope() as self.inner:
                        await self.once(self.body(), self.inner)
                else:
                    await self.body()
        finally:
            self.finished()

    def finished(self) -> None:
        """All is closed: tell who waits, and leave the errors to who closes the pipeline."""
        refusal = self.pipeline.refusal
        self.pipeline.errors += tuple(error for error in self.errors if error is not refusal)
        self.pipeline.unread += tuple(error for error in self.unread if error is not refusal)
        self.pipeline.pumps.discard(self)
        self.done = True
        if self.awaited is not None:
            self.awaited.set()

    @coroutine
    def once(
        self, body: Coroutine[Any, Any, None], inner: CancelScope
    ) -> Generator[Any, Any, None]:
        """Await `body`, and raise the shield behind the first interruption.

        It wraps the whole body, which costs one generator and two tests for each suspension. On
        asyncio the shield goes up when the interrupted code suspends again, not before it is told:
        a scope inside of ours that is cancelled as well would take our cancellation for its own if
        ours were shielded already. On trio it goes up at once, since code that is told of a
        cancellation and does not find it at its next look comes to an assertion of trio's; and
        `Unwinding` sees to the scopes.
        """
        send = body.send
        try:
            trap = send(None)
            while True:
                try:
                    value = yield trap
                except BaseException as exc:  # asyncio throws
                    hit = self.interrupting and isinstance(exc, get_cancelled_exc_class())
                    self.told = self.told or (hit and is_from(exc, self.outer))
                    trap = body.throw(exc)
                    if hit:
                        self.protect()
                        self.begin_grace(inner)
                else:  # trio sends an outcome, and asyncio nothing
                    if self.interrupting and value is not None:
                        trap = self.unwind_on(send, value, inner)
                    else:
                        trap = send(value)
        except StopIteration:
            return

    def begin_grace(self, inner: CancelScope) -> None:
        """The interrupted body has suspended again, and not for a close."""
        if self.shield is None:
            inner.deadline = current_time() + self.pipeline.grace

    def unwind_on(self, send: Callable[[Any], Any], outcome: Any, inner: CancelScope) -> Any:
        """Let an interrupted body on trio go on until it suspends again; what it waits for."""
        unwinding = self.unwinding
        first = unwinding is None
        if unwinding is None:
            if not is_told(outcome, get_cancelled_exc_class()):
                return send(outcome)
            unwinding = self.unwinding = Unwinding()
            self.told = True
            self.protect()
        if not inner.cancel_called:
            unwinding.goes_on()
        trap = send(outcome)
        unwinding.suspends()
        if first:
            self.begin_grace(inner)
        return trap
