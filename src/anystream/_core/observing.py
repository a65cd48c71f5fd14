"""Who is told of runs: observers of the whole process, and what they see of a run.

While there is none, an opening asks for `observers` once and a close for its view, and that is all.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from threading import Lock
from time import time
from typing import Literal, Protocol, TypeAlias, TypeVar
from weakref import ref

from .._errors import WrongTaskError
from .._labels import whole
from .backends import Home
from .contracts import Openable, written
from .statistics import Picture, RunStatistics

Ending: TypeAlias = Literal["completed", "left", "failed", "cancelled"]

NOTHING = RunStatistics(stages=(), timed=0.0, caught=0, retried=0)


class Observable(Protocol):
    """An opening, as a view knows it."""

    @property
    def stream(self) -> Openable: ...

    @property
    def over(self) -> bool: ...

    def now(self) -> float: ...

    def statistics(self) -> RunStatistics: ...

    def picture(self) -> Picture: ...


class ObservedRun:
    """What an `Observer` is given of a run. It keeps nothing of it open or alive.

    >>> class Keep(Observer):
    ...     def opened(self, run):
    ...         self.run = run
    >>> async def main():
    ...     with observe(Keep()) as observer:
    ...         async with async_range(9).buffer(3) as items:
    ...             await anext(items)
    ...             print(observer.run.is_open, observer.run.statistics().stages[0].read)
    ...         print(observer.run.is_open, observer.run.name)
    >>> anyio.run(main)
    True 1
    False async_range(9).buffer(3)
    """

    __slots__ = (
        "_age",
        "_ending",
        "_home",
        "_last",
        "_name",
        "_number",
        "_observers",
        "_opened_at",
        "_opening",
        "_since",
    )

    def __init__(self, opening: Observable, observers: "tuple[Observer, ...]") -> None:
        self._name: str = repr(opening.stream)
        self._number: int = next(numbers)
        self._opened_at: float = time()
        self._observers: tuple[Observer, ...] = observers  # those of then
        self._opening: ref[Observable] = ref(opening)
        self._home: Home = Home()
        self._since: float = opening.now()
        self._last: RunStatistics | None = None  # when it is closed
        self._age: float = 0.0  # then
        self._ending: Ending | None = None  # if a step has decided it

    @property
    def id(self) -> int:
        """A number that no other run of the process has."""
        return self._number

    @property
    def name(self) -> str:
        """The `repr` of its stream, of at most 200 characters."""
        return self._name

    @property
    def opened_at(self) -> float:
        """When it was opened, as `time.time()` tells it."""
        return self._opened_at

    @property
    def age(self) -> float:
        """Seconds from its opening until now, or until it was closed, by its event loop.

        Raises `WrongTaskError` outside of that while it is open.
        """
        opening = self._opening()
        if self._last is not None or opening is None:
            return self._age
        self._unless_abroad()
        return opening.now() - self._since

    @property
    def is_open(self) -> bool:
        """Whether it is neither closed nor dropped."""
        opening = self._opening()
        return opening is not None and not opening.over

    def statistics(self) -> RunStatistics:
        """As `Run.statistics`; in the end, the numbers with which it began to close.

        Raises `WrongTaskError` outside of its event loop while it is open.
        """
        opening = self._opening()
        if self._last is not None or opening is None:
            return self._last or NOTHING
        self._unless_abroad()
        return opening.statistics()

    def _unless_abroad(self) -> None:
        if not self._home.is_here():
            raise WrongTaskError(f"{self!r} is of another event loop, and can be asked only there")

    def __repr__(self) -> str:
        return f"<observed run {self._number} of {self._name}>"


class Observer:
    """Is told of all runs that are opened while `observe` has it. Override what you need.

    The methods are called in the task of the run, one after the other, and so must not block. What
    one of them raises is logged, and changes nothing for the run.

    >>> class Print(Observer):
    ...     def opened(self, run):
    ...         print("opened", run.name)
    ...     def closed(self, run, how, error):
    ...         print(how, repr(error))
    >>> async def main():
    ...     with observe(Print()):
    ...         await async_range(3).map(str).collect()
    >>> anyio.run(main)
    opened async_range(3).map(str)
    completed None
    """

    def opened(self, run: ObservedRun) -> None:
        """A run was opened; its tasks begin when this returns."""

    def closed(self, run: ObservedRun, how: Ending, error: BaseException | None) -> None:
        """A run was closed: all that it held is.

        `how` is "completed" if its items had come to their end, "left" if it was left before, and
        "failed" or "cancelled" if an error, which this is given, or a cancellation came out of the
        block or call. A step that has failed in a block that went on counts as well; then the
        error is None.
        """

    def caught(self, run: ObservedRun, error: Exception) -> None:
        """`catch`, `on_error` or the like has dealt with an error."""

    def retried(self, run: ObservedRun, error: Exception) -> None:
        """`retry` has opened its source once more, after this error."""


observers: tuple[Observer, ...] = ()
"""All there are; a new tuple each time, so that no thread sees half of a change."""

changing = Lock()
numbers = count(1)


Watcher = TypeVar("Watcher", bound=Observer)


def observe(observer: Watcher) -> AbstractContextManager[Watcher]:
    """Tell `observer` of all runs of this process that are opened inside the block.

    Several may be there at once. After the block it is told nothing more, also not of those that
    are still open. What counts as a run is what your code opens: a block, a terminal call, a bare
    `async for`, `to_sync`, a `share()`. The streams that operators such as `flat_map` open are
    parts of a run.

    Raises `TypeError` if `observer` is not an `Observer`.

    >>> class Print(Observer):
    ...     def closed(self, run, how, error):
    ...         print(how, run.name, [stage.dropped for stage in run.statistics().stages])
    >>> async def main():
    ...     with observe(Print()):
    ...         async with async_range(9).buffer(2, overflow="drop_oldest") as items:
    ...             print(await anext(items))
    >>> anyio.run(main)
    7
    left async_range(9).buffer(2, 'drop_oldest') [7]
    """
    if not isinstance(observer, Observer):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"observer must be an anystream.Observer, got {whole(observer)}")
    return registered(observer)


@contextmanager
def registered(observer: Watcher) -> Generator[Watcher, None, None]:
    global observers
    with changing:
        observers = (*observers, observer)
    try:
        yield observer
    finally:
        with changing:
            place = next(i for i, each in enumerate(observers) if each is observer)
            observers = observers[:place] + observers[place + 1 :]


class TrackedRun(ObservedRun):
    """The same, as the core has it."""

    __slots__ = ()

    def has_caught(self, error: Exception) -> None:
        self._tell(lambda observer: observer.caught(self, error))

    def has_retried(self, error: Exception) -> None:
        self._tell(lambda observer: observer.retried(self, error))

    def is_ended(self, how: Ending) -> None:
        """A step has ended the run, though the block around it may go on."""
        self._ending: Ending | None = how

    def is_closed(self, at_end: bool, error: BaseException | None, how: Ending) -> None:
        """All is closed: `how` if there is an error, and else as the steps have said."""
        if isinstance(error, GeneratorExit):
            error = None
        if error is None:
            how = self._ending or ("completed" if at_end else "left")
        if self._last is None:
            self._age: float = self.age
            self._last: RunStatistics | None = self.statistics()
            self._tell(lambda observer: observer.closed(self, how, error))

    def _tell(self, call: Callable[[Observer], object]) -> None:
        """Call all who know the run, and are still there."""
        now = observers
        for observer in self._observers:
            if any(observer is each for each in now):
                try:
                    call(observer)
                except Exception:
                    report(observer)

    def is_opened(self) -> None:
        self._tell(lambda observer: observer.opened(self))


def track(opening: Observable) -> TrackedRun:
    """Tell the observers that there are of a new run."""
    run = TrackedRun(opening, observers)
    run.is_opened()
    return run


def text_of(run: ObservedRun) -> object:
    """How the stream of a run was written, in whole; None if the run is gone."""
    opening = run._opening()  # pyright: ignore[reportPrivateUsage]  # hidden from users only
    return None if opening is None else written(opening.stream).text


def picture_of(run: ObservedRun) -> Picture | None:
    """The numbers of an open run, and what tells its stages apart.

    Raises `WrongTaskError` outside of its event loop.
    """
    opening = run._opening()  # pyright: ignore[reportPrivateUsage]  # as above
    if opening is None or opening.over:
        return None
    run._unless_abroad()  # pyright: ignore[reportPrivateUsage]
    return opening.picture()


def report(observer: Observer) -> None:
    """Log what an observer has just raised."""
    from logging import getLogger  # which takes long, and is needed by few [import]

    getLogger("anystream").exception("an observer has failed: %r", observer)
