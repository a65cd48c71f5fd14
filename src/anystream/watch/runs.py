"""The runs that are open now, and pictures of them: numbers and names, and no items."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import NamedTuple

from .. import _labels as label
from .._core.channel import StageOrigin
from .._core.observing import ObservedRun, Observer, observe, picture_of, text_of
from .._core.threads import Loop
from .._errors import WrongTaskError

OURS: ContextVar[bool] = ContextVar("of anystream.watch", default=False)
"""Whether a run that is opened now only shows the others."""

SPAN = 0.5
"""Seconds that a rate is measured over, at least."""


class StagePicture(NamedTuple):
    name: str
    depth: int
    rate: float | None
    read: int
    waiting: int
    bound: int
    dropped: int
    tasks: int
    waiting_for_room: int
    waiting_for_items: int
    working: int
    caught: int
    retried: int
    slow: bool


class RunPicture(NamedTuple):
    id: int
    name: str
    age: float
    caught: int
    retried: int
    stages: tuple[StagePicture, ...]


class Watched:
    """One open run, and what it was at the last look."""

    def __init__(self, run: ObservedRun) -> None:
        self.run = run
        self.name: str = name_of(text_of(run))
        self.loop: Loop = Loop()
        self.base: tuple[float, dict[int, int]] = 0.0, {}  # an earlier time, what was read by then
        self.rates: dict[int, float] = {}  # by the number of the stage
        self.picture: RunPicture | None = None

    def look(self) -> None:
        try:
            self.take()
        except WrongTaskError:  # it is for its own event loop to look, for the next time
            self.loop.soon(self.take)

    def take(self) -> None:
        run, picture = self.run, picture_of(self.run)
        if picture is None:
            return
        age, numbers = run.age, picture.numbers
        read = [stage.read for stage in numbers.stages]
        self.measure(age, dict(zip(picture.ids, read, strict=True)))
        stages = [
            StagePicture(
                name=stage_name(origin),
                depth=stage.depth,
                rate=self.rates.get(number),
                read=stage.read,
                waiting=stage.waiting,
                bound=stage.bound,
                dropped=stage.dropped,
                tasks=stage.tasks,
                waiting_for_room=stage.waiting_for_room,
                waiting_for_items=stage.waiting_for_items,
                working=stage.working,
                caught=stage.caught,
                retried=stage.retried,
                slow=stage is numbers.slowest,
            )
            for stage, origin, number in zip(numbers.stages, *picture[1:], strict=True)
        ]
        self.picture = RunPicture(
            run.id, self.name, age, numbers.caught, numbers.retried, tuple(stages)
        )

    def measure(self, age: float, read: dict[int, int]) -> None:
        """Items a second since the base, which is replaced when it is old enough.

        A stage that is opened once more, as by `retry`, is another one, and has no rate at first.
        """
        since, before = self.base
        if before and age - since < SPAN:
            return
        self.rates = {
            number: (now - before[number]) / (age - since)
            for number, now in read.items()
            if number in before
        }
        self.base = age, read


class Runs(Observer):
    """Those that are open."""

    def __init__(self) -> None:
        self.open: dict[int, Watched] = {}

    def opened(self, run: ObservedRun) -> None:
        if not OURS.get():
            self.open[run.id] = Watched(run)

    def closed(self, run: ObservedRun, how: str, error: BaseException | None) -> None:
        self.open.pop(run.id, None)

    def pictures(self, most: int | None = None) -> list[RunPicture]:
        """All of them, or the oldest, as far as their event loops have looked by now."""
        for watched in [*self.open.values()]:
            if not watched.run.is_open:  # it was dropped
                self.open.pop(watched.run.id, None)
        shown = [*self.open.values()][:most]
        for watched in shown:
            watched.look()
        return [watched.picture for watched in shown if watched.picture is not None]


class Watch:
    """The one observer of all who watch."""

    def __init__(self) -> None:
        self.lock: Lock = Lock()
        self.users: int = 0
        self.runs: Runs = Runs()
        self.observing: AbstractContextManager[Runs]

    def begin(self) -> None:
        with self.lock:
            if not self.users:
                self.observing = observe(self.runs)
                self.observing.__enter__()
            self.users += 1

    def end(self) -> None:
        with self.lock:
            self.users -= 1
            if not self.users:
                self.observing.__exit__(None, None, None)
                self.runs.open.clear()


WATCH = Watch()


def watching() -> AbstractContextManager[None]:
    """Keep in view what runs are open, for `app` and `table`, until the block is left.

    Those count that are opened inside the block, by any code of the process.

    >>> from anystream import watch
    >>> async def main():
    ...     with watch.watching():
    ...         async with async_range(9).buffer(3) as items:
    ...             await anext(items)
    ...             print(watch.table().row_count)
    >>> anyio.run(main)
    2
    """
    return kept()


@contextmanager
def kept() -> Generator[None, None, None]:
    WATCH.begin()
    try:
        yield
    finally:
        WATCH.end()


# -- names ------------------------------------------------------------------------------------


def name_of(text: object) -> str:
    """The name that the user has given to a call, or how the row of calls is written."""
    title = text.title if isinstance(text, label.Label | label.Item) else None
    return readable(label.without_values(text) if title is None else title)


def stage_name(origin: StageOrigin) -> str:
    """The same of a call alone."""
    call = origin.call
    name = call.plain() if isinstance(call, label.Label) else "anystream"
    return readable(f"{name} source" if origin.feeds else name)


def readable(name: str) -> str:
    return label.visible(label.shortened(name))
