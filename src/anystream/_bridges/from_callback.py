"""from_callback: from an API with callbacks to a stream, over a channel that any thread fills."""

import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from anyio.lowlevel import checkpoint

from .. import _args as check
from .. import _layouts as layouts
from .._core.channel import OVERFLOWS, Channel, Counts
from .._core.contracts import QUANTUM, Owner, clock
from .._core.driver import resolved
from .._core.interrupts import protected
from .._core.threads import Loop, WakeUp
from .._errors import StreamOverflowError
from .._labels import Label, whole
from .._recipe import Recipe, named_call
from .._stream import Stream

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Push(Generic[T_contra]):
    """What `from_callback` gives to `register`: call it with an item, from any thread.

    `push(item)` returns whether the stream takes the item: False if it is dropped, or comes after
    the end or after the stream was closed, when nothing is taken any more. `push.end()` ends the
    stream after the items that wait, and `push.fail(error)` makes it raise `error` there; the
    first of these counts. None of them waits for the event loop.

    >>> def register(push):
    ...     push("an item")
    ...     push.end()
    ...     print(push("too late"))
    >>> async def main():
    ...     print(await from_callback(register, buffer=10).collect())
    >>> anyio.run(main)
    False
    ['an item']
    """

    def __init__(
        self,
        push: Callable[[T_contra], bool],
        finish: Callable[[BaseException | None], object],
    ) -> None:
        self._push = push
        self._finish = finish

    def __call__(self, item: T_contra) -> bool:
        return self._push(item)

    def end(self) -> None:
        """Nothing more will come."""
        self._finish(None)

    def fail(self, error: BaseException) -> None:
        """Nothing more will come but this error."""
        check.exception("error", error)
        self._finish(error)


Hook: TypeAlias = Callable[[], object] | None


@named_call
def from_callback(
    register: Callable[[Push[T]], Hook | Awaitable[Hook]],
    *,
    buffer: int,
    overflow: Literal["wait", "drop_oldest", "drop_newest", "error"] = "error",
) -> Stream[T]:
    """The items that an API gives to a callback, from any thread.

    `register`, a plain or async function, is called with a `Push` at the first step, in the task
    that makes it. It hands that, or a callback that calls it, over to the API. It may return a
    function, plain or async, that ends the registration. This is called once, however the stream is
    left, shielded from cancellation and for as long as any cleanup may take. An async `register`
    that is cancelled is called again by the next step.

    At most `buffer` items wait to be read. `overflow` says what happens to an item for which there
    is no room. With `"error"` the stream raises `StreamOverflowError` after those that wait.
    `"drop_oldest"` drops the first of them, and `"drop_newest"` the item itself. `"wait"` blocks
    the thread that pushes until there is room or the stream is closed. The event loop's own thread
    cannot be blocked: a push there that finds no room is itself a `StreamOverflowError`.

    A cancelled step loses nothing. Many pushes cost one wake-up of the event loop. Raises
    `TypeError` if `register` is not a function, or is a generator function, or, at the first step,
    if it returns something else, and `ValueError` if `buffer` is less than 1 or `overflow` is none
    of these.

    >>> import threading
    >>> def register(push):
    ...     timer = threading.Timer(0.01, push, ["tick"])
    ...     timer.start()
    ...     return timer.cancel
    >>> async def main():
    ...     print(await from_callback(register, buffer=1).first())
    >>> anyio.run(main)
    tick
    """
    check.called_function("register", register, "")
    bound = check.integer("buffer", buffer, 1)
    check.choice("overflow", overflow, OVERFLOWS)
    call = Label()
    note = layouts.CALLBACK, call, (), bound, 0
    return Stream(
        Recipe.source(
            lambda owner: Callbacks(owner, register, bound, overflow), text=call, note=note
        )
    )


class Callbacks(Channel):
    """A channel without lanes and tasks: any thread puts items into it."""

    __slots__ = (
        "_busy",
        "blocked",
        "bound",
        "changed",
        "hook",
        "loop",
        "over",
        "overflow",
        "owner",
        "queue",
        "register",
        "wake_up",
    )

    any_task = False  # what `register` does belongs to one

    def __init__(
        self, owner: Owner, register: Callable[[Push[Any]], object], bound: int, overflow: str
    ) -> None:
        super().__init__(owner.backend)
        self.owner = owner
        self.register: Callable[[Push[Any]], object] | None = register
        self.hook: Callable[[], object] | None = None
        self.bound = bound
        self.overflow = overflow
        self.queue: deque[Any] = deque(maxlen=bound)
        self.changed = threading.Condition()
        self.blocked = 0  # threads that wait for room
        self.over = False
        self._busy = False
        self._open_lanes = 1
        self.loop = Loop()
        self.wake_up = WakeUp(self.loop)

    @property
    def holds(self) -> bool:
        return self.hook is not None

    @property
    def busy(self) -> bool:
        return self._busy

    # -- in the event loop

    def capacity(self) -> int:
        return self.bound

    def counts(self) -> Counts:
        with self.changed:
            return Counts(self.passed, len(self.queue), self.dropped)

    async def batch(self) -> Iterator[Any] | None:
        if self.register is not None:
            await checkpoint()
            await self.begin(self.register)
        return await super().batch()

    async def begin(self, register: Callable[[Push[Any]], object]) -> None:
        self._busy = True
        try:
            hook: Any = await resolved(register(Push(self.push, self.finish)), self.owner)
        finally:
            self._busy = False
        self.register = None  # it may lead to the callbacks, and these lead here
        if hook is not None and not callable(hook):
            raise TypeError(f"register must return a function or None, got {whole(hook)}")
        if hook is not None:
            check.called_function("what register returned", hook, "")
        self.hook = hook

    def available(self) -> bool:
        return bool(self.queue)

    def items(self) -> Iterator[Any]:
        due = clock() + QUANTUM
        while self.queue:
            with self.changed:
                item = self.queue.popleft()
                if self.blocked:
                    self.changed.notify()
            yield item
            if clock() > due:
                return

    def abandon(self) -> None:
        """Let go of the threads that wait for room."""
        with self.changed:
            self.over = True
            self.changed.notify_all()

    async def close(self, owner: Owner) -> None:
        self.abandon()
        self.cut()
        self.stop()
        hook, self.hook = self.hook, None
        if hook is not None:
            await owner.release(lambda: resolved(hook()))

    # -- in any thread

    @protected
    def push(self, item: Any) -> bool:
        with self.changed:
            if not self.takes():
                self.drop(1)
                return False
            self.lose(self.overflow == "drop_oldest" and self.full())
            self.came(1)
            self.queue.append(item)
            self.wake_up.soon(self.wake)
            return True

    def takes(self) -> bool:
        """Whether one more item may be put in; with "drop_oldest" the deque makes room for it."""
        while self.overflow == "wait" and self.full() and not self.over:
            self.wait_for_room()
        if self.over or not self.full() or self.overflow == "drop_oldest":
            return not self.over
        if self.overflow == "error":
            self.finish(
                StreamOverflowError(
                    f"an item arrived while the buffer was full ({self.bound} items); read faster,"
                    " or choose a larger buffer or another overflow policy"
                )
            )
        return False

    def full(self) -> bool:
        return len(self.queue) == self.bound

    def wait_for_room(self) -> None:
        if self.loop.here:
            raise StreamOverflowError(
                f"the buffer is full ({self.bound} items), and the event loop cannot wait for"
                ' itself to read them; overflow="wait" is for pushes from other threads'
            )
        self.blocked += 1
        try:
            self.changed.wait()
        finally:
            self.blocked -= 1

    def finish(self, error: BaseException | None = None) -> None:
        with self.changed:
            if self.over:
                return
            self.over = True
            self.changed.notify_all()
            self.loop.soon(self.end if error is None else partial(self.fail, error))
