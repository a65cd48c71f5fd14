"""What runs in a worker of an executor, be it a thread, a process or another machine.

A spawned worker imports this, so it imports nothing that is slow, and nothing that is not there.
"""

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable
from time import perf_counter as clock
from traceback import format_exception
from typing import Any, cast

from ._errors import RemoteError


def call(
    fn: Callable[[Any], Any], items: Iterable[Any], every: bool, home: int | None
) -> tuple[list[Any], float]:
    """The results of `fn(item)`, and how many seconds they took.

    The first item for which `fn` raises is the last, unless `every` one is to be called. `home` is
    the process whose Ctrl-C is no affair of this one's.
    """
    if home is not None:
        ignore_interrupts(home)
    results: list[Any] = []
    began = clock()
    for item in items:
        try:
            results.append(fn(item))
        except BaseException as error:
            # Without this frame, which refers to the error in turn.
            trace = error.__traceback__
            results.append(Failed(error.with_traceback(trace and trace.tb_next)))
            del trace
            if not (every and isinstance(error, Exception)):
                break  # noqa: ASYNC104  # it is sent to who waits
    return results, clock() - began


def ignore_interrupts(home: int) -> None:
    """Let Ctrl-C, which the terminal sends to workers too, be the affair of their parent alone."""
    if os.getpid() != home and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class Failed:
    """In the place of a result: the function has raised `error`.

    On its way to another process it is packed so that reading it cannot fail there: an exception
    that pickles and does not unpickle would break the whole pool.
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error = self.error
        trace = "".join(format_exception(error))
        kind = type(error)
        return received, (
            readable(error, trace),
            f"{kind.__module__}.{kind.__qualname__}",
            shown(error),
            trace,
        )


def readable(error: BaseException, trace: str) -> bytes | None:
    """It pickled, if the same step that the parent takes makes an exception of that."""
    try:
        data = pickle.dumps(error)
    except BaseException:
        return None  # noqa: ASYNC104  # nothing is cancelled in a worker
    return None if rebuilt(data, trace) is None else data


def rebuilt(data: bytes, trace: str) -> BaseException | None:
    """The exception in `data`; None if that is none, or if reading it raises, be it `SystemExit`.

    Its type is asked, and `object` sets its cause: the error itself may tell and allow anything.
    """
    try:
        error = pickle.loads(data)
        if not issubclass(type(error), BaseException):
            return None
        object.__setattr__(error, "__cause__", RemoteTraceback(trace))
    except BaseException:
        return None  # noqa: ASYNC104  # as above
    return cast("BaseException", error)


def shown(error: BaseException) -> str:
    try:
        return "".join([str(error)])  # of `str` itself, and of no class that has to be unpickled
    except BaseException:
        return "its text cannot be shown"  # noqa: ASYNC104  # as above


def received(data: bytes | None, kind: str, text: str, trace: str) -> Failed:
    """What comes of it in the parent."""
    error = None if data is None else rebuilt(data, trace)
    if error is None:
        error = RemoteError(f"{kind}: {text}")
        error.__cause__ = RemoteTraceback(trace)
    return Failed(error)


class RemoteTraceback(Exception):
    """Where an error was raised in a worker, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'
