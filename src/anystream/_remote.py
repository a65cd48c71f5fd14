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
from typing import Any

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
            readable(error),
            f"{kind.__module__}.{kind.__qualname__}",
            shown(error),
            trace,
        )


def readable(error: BaseException) -> bytes | None:
    """It pickled, if it can be read from that."""
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return None
    return data


def shown(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "its text cannot be shown"


def received(data: bytes | None, kind: str, text: str, trace: str) -> Failed:
    """What comes of it in the parent."""
    error: BaseException = RemoteError(f"{kind}: {text}")
    if data is not None:
        try:
            error = pickle.loads(data)
        except Exception:  # it does in the worker alone
            error = RemoteError(f"{kind}: {text}")
    # Past the `__setattr__` of the error itself, which may allow nothing.
    object.__setattr__(error, "__cause__", RemoteTraceback(trace))
    return Failed(error)


class RemoteTraceback(Exception):
    """Where an error was raised in a worker, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'
