"""Executors that run in the event loop, in virtual time, and functions for real ones."""

import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from typing import Any

import anyio
from anyio.abc import TaskGroup


def outcome(future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        future.set_result(fn(*args))
    except BaseException as error:
        future.set_exception(error)


class AtOnce:
    """An executor that has made a call when `submit` returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future = Future[Any]()
        outcome(future, fn, args)
        return future


class Timed:
    """An executor of so many workers, each call of which takes its time, and that can be killed."""

    def __init__(
        self, group: TaskGroup, workers: float, seconds: Callable[[list[Any]], float]
    ) -> None:
        self.group = group
        self.limit = anyio.Semaphore(int(min(workers, 1000)))
        self.seconds = seconds
        self.chunks: list[list[Any]] = []  # that were begun
        self.open: set[Future[Any]] = set()  # futures that are submitted and not finished
        self.most = 0
        self.broken = False
        self.shut: list[bool] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("it is broken")
        future = Future[Any]()
        self.open.add(future)
        self.most = max(self.most, len(self.open))
        self.group.start_soon(self._run, future, fn, args)
        return future

    async def _run(
        self, future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        async with self.limit:
            if future.set_running_or_notify_cancel():
                items = list(args[1])
                self.chunks.append(items)
                await anyio.sleep(self.seconds(items))
                if KILLER in items:
                    self.kill()
                if not future.done():
                    outcome(future, fn, args)
            self.open.discard(future)

    def kill(self) -> None:
        """A worker dies: all that is there is lost."""
        self.broken = True
        error = BrokenExecutor("a worker was killed")
        for future in list(self.open):
            if not future.done():
                future.set_exception(error)
        self.open.clear()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.shut.append(wait)


KILLER = -1
"""An item of which each call kills the worker."""


# -- functions of a module, which real workers can be given ---------------------------------


def square(n: int) -> int:
    return n * n


def bad(n: int) -> int:
    if n == 5:
        raise ValueError(f"bad item {n}")
    return n


def die(n: int) -> int:
    if n == KILLER:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    return n


def worker(_: int) -> int:
    return os.getpid()


class Odd(Exception):
    """One that pickles, and cannot be read again."""

    def __init__(self, one: object, two: object) -> None:
        super().__init__("odd text")


class Silent(Odd):
    """One that cannot be shown, either."""

    def __str__(self) -> str:
        raise ValueError("nothing to say")


class Interrupting(Odd):
    """One whose text is a `KeyboardInterrupt`."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


class Text(Exception):
    """One that is read as something else."""

    def __reduce__(self) -> tuple[Any, ...]:
        return str, ("no error",)


class Nothing(Exception):
    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


class Kind(Exception):
    def __reduce__(self) -> str:
        return "Kind"  # the class itself


class Pretender:
    """What says that it is an exception."""

    @property
    def __class__(self) -> Any:
        return ValueError


class Pretending(Exception):
    def __reduce__(self) -> tuple[Any, ...]:
        return Pretender, ()


class Leaving(Exception):
    """One whose reading leaves the process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.exit, (3,)


class Unwritable(Exception):
    """One whose writing does."""

    def __reduce__(self) -> tuple[Any, ...]:
        sys.exit(3)


class Causeless(Exception):
    """One that allows no cause."""

    @property
    def __cause__(self) -> None:  # type: ignore[override]
        return None


class BadText(str):
    def __reduce__(self) -> tuple[Any, ...]:
        return sys.exit, (3,)


class Wordy(Odd):
    """One whose text cannot be read again, either."""

    def __str__(self) -> str:
        return BadText("odd text")


ODD: list[BaseException] = [
    Odd(1, 2),
    Silent(1, 2),
    Interrupting(1, 2),
    Text("odd text"),
    Nothing("odd text"),
    Kind("odd text"),
    Pretending("odd text"),
    Leaving("odd text"),
    Unwritable("odd text"),
    Causeless("odd text"),
    Wordy(1, 2),
]
"""Exceptions that do not survive pickling."""


def odd_error(n: int) -> int:
    """Raise an odd one for each number from 3 on."""
    if n >= 3:
        raise ODD[n - 3]
    return n
