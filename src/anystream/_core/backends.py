"""The event loop that runs, as the core knows it, and whose a cancellation is."""

from collections.abc import Callable
from math import inf

from anyio import CancelScope, current_effective_deadline, get_cancelled_exc_class

from .. import _labels as label
from .._errors import StreamInterruptedError
from .contracts import Backend

BACKENDS: dict[type[BaseException], Backend] = {}


def backend() -> Backend:
    """That of this moment."""
    known = BACKENDS.get(get_cancelled_exc_class())
    if known is None:
        known = found(get_cancelled_exc_class().__module__.startswith("trio"))
        BACKENDS[get_cancelled_exc_class()] = known
    return known


def found(on_trio: bool) -> Backend:
    if on_trio:
        from .on_trio import ours
    else:
        from .on_asyncio import ours
    return ours()


def clock() -> Callable[[], float]:
    """What gives the time of the event loop that runs, while it does.

    anyio looks for the backend at each call, which costs several times as much [clock-rate-limit].
    """
    return backend().clock()


class Home:
    """The event loop that something was opened in."""

    __slots__ = ("_event_loop", "_loop")

    def __init__(self, of: Backend | None = None) -> None:
        self._event_loop: Callable[[], object] = (of or backend()).event_loop
        self._loop: object = self._event_loop()

    def is_here(self) -> bool:
        try:
            return self._event_loop() is self._loop
        except RuntimeError:  # another backend runs
            return False


def is_from(cancelled: BaseException, scope: CancelScope) -> bool:
    """Whether it is this scope that has cancelled a task on asyncio, as anyio's text says."""
    return f" {id(scope):x}" in str(cancelled)


def is_native(cancelled: BaseException) -> bool:
    """Whether no scope has cancelled this task, but asyncio's `Task.cancel()`."""
    of_asyncio = type(cancelled).__module__.startswith("asyncio")
    return of_asyncio and not str(cancelled).startswith("Cancelled via cancel scope ")


def is_foreign(error: BaseException) -> bool:
    """Whether asyncio has cancelled something else that this task awaits, and not the task.

    For trio no such thing exists.
    """
    if not (
        type(error).__module__.startswith("asyncio")
        and isinstance(error, get_cancelled_exc_class())
    ):
        return False
    from asyncio import current_task

    task = current_task()
    return task is not None and not task.cancelling()


def is_cancelled() -> bool:
    """Whether this task is being cancelled, by a scope around it or by asyncio's `Task.cancel()`.

    So it is also while an error has taken the place of the cancellation.
    """
    return current_effective_deadline() == -inf or is_cancelling()


def is_cancelling() -> bool:
    """Whether asyncio's `Task.cancel()` holds for this task: nothing has taken it back."""
    if not get_cancelled_exc_class().__module__.startswith("asyncio"):
        return False
    from asyncio import current_task

    task = current_task()
    return task is not None and task.cancelling() > 0


def named(error: BaseException, where: object) -> BaseException:
    """`error`, or one that names what has met a foreign cancellation."""
    if not is_foreign(error):
        return error
    interrupted = StreamInterruptedError(
        f"{label.value(where)} raised a cancellation, but its task was not cancelled;"
        " something that it awaited was"
    )
    interrupted.__cause__ = error
    return interrupted


def unless_foreign(error: BaseException, where: object) -> None:
    """Raise the named error of a foreign cancellation."""
    if is_foreign(error):
        raise named(error, where)
