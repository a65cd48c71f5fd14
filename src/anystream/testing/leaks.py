"""What a piece of code left behind, on either backend.

asyncio warns of none of these, and trio only of abandoned generators:

abandoned  an async generator that was left to the garbage collector
open       an async generator that is still suspended
task       a task that still runs
unawaited  a coroutine that was kept and not awaited (Python itself warns of dropped ones)
logged     a record of level ERROR, such as trio's about a generator that it could not close
"""

import asyncio
import gc
import inspect
import itertools
import logging
import sys
import warnings
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType
from typing import Any, Self, TypeGuard

import anyio.lowlevel

from .tasks import all_tasks, coroutine_of, in_trio, running_tasks, task_name

KINDS = ("abandoned", "open", "task", "unawaited", "logged")

_watches = itertools.count(1)
# PyPy has neither: there all garbage is collected instead, which takes longer.
freeze: Callable[[], object] = getattr(gc, "freeze", gc.collect)
unfreeze: Callable[[], object] = getattr(gc, "unfreeze", gc.collect)
_LOOP_HOOKS = ("_asyncgen_firstiter_hook", "_asyncgen_finalizer_hook")


@dataclass(frozen=True)
class Leak:
    """Something that was left behind: its kind, and what it is.

    The kinds are "abandoned" and "open" (async generators), "task", "unawaited" (coroutines) and
    "logged" (errors).

    Example:
        >>> str(Leak("open", "numbers"))
        'open: numbers'
    """

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


class LeakWatch:
    """A block in an async function, after which ``await watch.leaks()`` says what was left behind.

    Only what was begun in the block counts. The kinds are those of ``Leak``. Asking collects the
    garbage of the block, which takes about a millisecond, and gives tasks that are about to end a
    few steps for it; it may be cancelled and repeated.

    Example:
        >>> async def numbers() -> AsyncGenerator[int, None]:
        ...     yield 1
        >>> async def main() -> list[str]:
        ...     generator = numbers()
        ...     with LeakWatch() as watch:
        ...         await anext(generator)
        ...         leaks = await watch.leaks()
        ...     await generator.aclose()
        ...     return [str(leak) for leak in leaks]
        >>> anyio.run(main)
        ['open: numbers']
    """

    def __enter__(self) -> Self:
        self._tasks_before = running_tasks()
        self._started: weakref.WeakSet[AsyncGeneratorType[Any, Any]] = weakref.WeakSet()
        self._abandoned: list[str] = []
        self._log = _ErrorLog()
        logging.getLogger().addHandler(self._log)
        self._install_hooks()
        if next(_watches) % 200 == 0:
            gc.collect()  # Python starts no full collection of its own while leaks() forestalls it
        # The collector leaves alone what is frozen: to collect the rest is cheap, and finds nothing
        # that an earlier test is to blame for.
        freeze()
        return self

    def __exit__(self, *_: object) -> None:
        unfreeze()
        self._remove_hooks()
        logging.getLogger().removeHandler(self._log)

    async def leaks(self) -> list[Leak]:
        """Return what has been left behind so far.

        Coroutines among it are closed, so that Python does not warn of them as well.
        """
        if self._new_task_names():
            await _settle()
        tasks = self._new_task_names()
        unawaited = _close_unawaited()
        gc.collect()
        if self._abandoned:
            await _settle()
        still_open = [agen.__qualname__ for agen in self._started if agen.ag_frame is not None]
        found = {
            "abandoned": self._abandoned,
            "open": still_open,
            "task": tasks,
            "unawaited": unawaited,
            "logged": self._log.messages,
        }
        return [Leak(kind, what) for kind, names in found.items() for what in names]

    def _new_task_names(self) -> list[str]:
        return sorted(task_name(task) for task in running_tasks() - self._tasks_before)

    def _install_hooks(self) -> None:
        before: Any = sys.get_asyncgen_hooks()  # each backend has both
        self._hooks_before = before

        def first_iteration(agen: Any) -> None:
            self._started.add(agen)
            before.firstiter(agen)

        def finalize(agen: Any) -> None:
            self._abandoned.append(agen.__qualname__)
            with warnings.catch_warnings():
                # trio's own warning would be a second report of the same thing
                warnings.simplefilter("ignore", ResourceWarning)
                before.finalizer(agen)

        sys.set_asyncgen_hooks(first_iteration, finalize)
        # A loop makes its own methods the hooks whenever it is run again, and the test runner
        # runs it once for each fixture and once for the test.
        self._loop = {} if in_trio() else vars(asyncio.get_running_loop())
        self._loop_before = {name: self._loop[name] for name in _LOOP_HOOKS if name in self._loop}
        self._loop.update(zip(_LOOP_HOOKS, (first_iteration, finalize), strict=True))

    def _remove_hooks(self) -> None:
        sys.set_asyncgen_hooks(*self._hooks_before)
        for name in _LOOP_HOOKS:
            del self._loop[name]
        self._loop.update(self._loop_before)


def _is_coroutine(thing: object) -> "TypeGuard[CoroutineType[Any, Any, Any]]":
    """The same as `inspect.iscoroutine`, which would ask a lazy object for its class."""
    return type(thing) is CoroutineType


def _close_unawaited() -> list[str]:
    """Close new coroutines that were never started, so Python does not warn; return their names."""
    of_tasks = {id(coroutine_of(task)) for task in all_tasks()}
    names: list[str] = []
    for thing in gc.get_objects():
        if (
            _is_coroutine(thing)
            and inspect.getcoroutinestate(thing) == inspect.CORO_CREATED
            and id(thing) not in of_tasks
        ):
            names.append(thing.__qualname__)
            thing.close()
    return names


async def _settle() -> None:
    """Let those end that need no more than a few steps."""
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


async def leaving_nothing(work: Callable[[], Awaitable[object]]) -> None:
    """Await `work()`, which must leave nothing behind."""
    __tracebackhide__ = True
    with LeakWatch() as watch:
        await work()
        leaks = [str(leak) for leak in await watch.leaks()]
    assert not leaks, f"it left behind {', '.join(leaks)}"


class _ErrorLog(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.name}: {record.getMessage()}")
