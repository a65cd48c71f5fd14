"""Who waits for what: the frames of suspended code, and the error that names them all."""

import asyncio
import gc
from collections.abc import Iterable, Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from .tasks import Task, all_tasks, coroutine_of

ATTRIBUTES: dict[type, tuple[str, str]] = {
    AsyncGeneratorType: ("ag_frame", "ag_await"),
    CoroutineType: ("cr_frame", "cr_await"),
    GeneratorType: ("gi_frame", "gi_yieldfrom"),
}
"""Where suspended code says in which frame it is, and what it awaits."""

WRAPPERS = (
    "FutureIter",
    "anext_awaitable",
    "async_generator_asend",
    "async_generator_athrow",
    "coroutine_wrapper",
)
"""Types of CPython's that have no attribute for what they wait for."""

SWEEP = ("anystream.testing.everywhere", "anystream.testing.sweep")
BACKENDS = ("anyio", "asyncio", "contextlib", "trio", *SWEEP)
LIBRARIES = ("anystream", *BACKENDS)
"""Where the reader of a report did not write what waits."""

STARTERS = ("anyio._backends", "anyio._core._tasks")
RUNTIME = ("TestRunner.", "EntryQueue.", "Runner.")
"""Classes of the backends that have tasks of their own."""

SHOWN = 30
"""How many tasks are named; after these it is only said how many more there are."""


class Deadlock(BaseException):
    """Every task is blocked and no timer is pending, so that nothing can ever happen again.

    Raised in virtual time, on asyncio out of the event loop and on trio in each task that waits
    for no child. Its message has a line for each blocked task: its name, the function that it
    runs, the line of yours that waits, and what is waited for.

    No ``Exception``, so that the code under test does not handle it by mistake.

    Example:
        >>> async def forget_to_set() -> None:
        ...     await anyio.Event().wait()
        >>> name, options = backend("asyncio")
        >>> try:
        ...     anyio.run(forget_to_set, backend=name, backend_options=options)
        ... except Deadlock as error:
        ...     print(error)
        every task is blocked and no timer is pending
          ... (forget_to_set): ..., line 2, in forget_to_set, waits in Event.wait
          (a test that waits for a socket, a process or an executor must be marked real_time)
    """

    def __init__(self, blocked: Iterable[str] = ()) -> None:
        lines = [*blocked]
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        title = "every task is blocked and no timer is pending"
        hint = "(a test that waits for a socket, a process or an executor must be marked real_time)"
        super().__init__("\n  ".join([title, *lines[:SHOWN], *more, hint]))

    def __reduce__(self) -> tuple[Any, ...]:
        # As `StreamError`: `BaseException` would call the class with the text.
        return type(self).__new__, (type(self), *self.args), vars(self)


def blocked_tasks() -> list[str]:
    """Say of each task of the current run where it waits, besides those of the runtime itself."""
    looks = [(_name(task), _Look(coroutine_of(task))) for task in all_tasks()]
    return sorted(
        f"{name} ({look.function}): {look.place}" for name, look in looks if not look.is_runtime
    )


def place_of(awaitable: object) -> str:
    """Say in which line a suspended awaitable waits, and for what."""
    return _Look(awaitable).place


class _Look:
    """A look at a suspended awaitable, from the outermost function to the innermost."""

    def __init__(self, awaitable: object) -> None:
        chain = [*_inwards(awaitable)]
        self.frames = [frame for thing in chain if (frame := _frame_of(thing)) is not None]
        self.own = self._frames_outside(LIBRARIES) or self._frames_outside(BACKENDS)
        self.end: Any = chain[-1]

    def _frames_outside(self, packages: tuple[str, ...]) -> list[int]:
        return [n for n, frame in enumerate(self.frames) if not _is_from(packages, frame)]

    @property
    def is_runtime(self) -> bool:
        """Whether it is a task that the code under test has not started."""
        if self.own or not self.frames:
            return False
        served = self.frames[0].f_code.co_qualname.startswith(RUNTIME)
        return served or _is_from(SWEEP, self._without_starters()[0])

    @property
    def function(self) -> str:
        if self.own:
            return self.frames[self.own[0]].f_code.co_qualname
        return self._awaited()

    @property
    def place(self) -> str:
        waits = f"waits in {self._awaited()}"
        if not self.own:
            return waits
        frame = self.frames[self.own[-1]]
        code = frame.f_code
        return f"{code.co_filename}, line {frame.f_lineno}, in {code.co_qualname}, {waits}"

    def _awaited(self) -> str:
        """What the innermost function of one's own has called."""
        beneath = self.frames[self.own[-1] + 1 :] if self.own else self._without_starters()
        if beneath:
            return beneath[0].f_code.co_qualname
        if isinstance(self.end, asyncio.Task):
            return f"task {self.end.get_name()}"  # pyright: ignore[reportUnknownMemberType]
        return type(self.end).__name__

    def _without_starters(self) -> list[FrameType]:
        kept = [frame for frame in self.frames if not _is_from(STARTERS, frame)]
        return kept or self.frames[-1:]


def _is_from(modules: tuple[str, ...], frame: FrameType) -> bool:
    name = f"{frame.f_globals.get('__name__')}."
    return name.startswith(tuple(f"{module}." for module in modules))


def _name(task: Task) -> str:
    return task.get_name() if isinstance(task, asyncio.Task) else task.name


def _inwards(awaitable: object) -> Iterator[object]:
    """Yield a suspended awaitable, what it awaits, what that awaits, and so on."""
    inner: object | None = awaitable
    while inner is not None:
        yield inner
        inner = _awaited_by(inner)


def _awaited_by(thing: object) -> object | None:
    if type(thing).__name__ in WRAPPERS:
        return next(filter(_may_wait, gc.get_referents(thing)), None)
    if type(thing) not in ATTRIBUTES:
        return None
    frame, awaited = (getattr(thing, name) for name in ATTRIBUTES[type(thing)])
    drives = awaited is None and isinstance(thing, GeneratorType)
    return _driven_in(frame) if drives else awaited


def _may_wait(thing: object) -> bool:
    wraps = type(thing).__name__ in WRAPPERS
    return wraps or isinstance(thing, asyncio.Future | AsyncGeneratorType) or _is_suspended(thing)


def _is_suspended(thing: object) -> bool:
    if isinstance(thing, CoroutineType):
        return thing.cr_suspended
    return isinstance(thing, GeneratorType) and thing.gi_suspended


def _driven_in(frame: FrameType) -> object | None:
    """What a generator steps by hand: it is in one of its variables, or in an object there."""
    held = [*frame.f_locals.values()]
    attributes = [value for thing in held for value in getattr(thing, "__dict__", {}).values()]
    return next(filter(_may_be_driven, (*held, *attributes)), None)


def _may_be_driven(thing: object) -> bool:
    return type(thing).__name__ == "coroutine_wrapper" or _is_suspended(thing)


def _frame_of(thing: object) -> FrameType | None:
    names = ATTRIBUTES.get(type(thing))
    return getattr(thing, names[0]) if names else None
