"""Lines that tell how far runs are, where nothing can be drawn over: in a notebook, or in a pipe.

A thread writes them, since the event loop may be busy. It does not keep a run alive, and it ends
with the last one.
"""

import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from threading import Event, Lock, Thread
from typing import Any, Protocol

QUICK = 0.5
"""Seconds between two updates of a line in a notebook."""

SLOW = 5.0
"""Seconds between two lines in a log."""


class Outlet(Protocol):
    """Where the lines of one run go."""

    seconds: float

    def show(self, text: str) -> None: ...

    def end(self, text: str) -> None:
        """Show the last state."""
        ...


class Log:
    """Standard error: a line now and then, and a last one if there was another before it."""

    def __init__(self) -> None:
        self.seconds = SLOW
        self.stream: Any = sys.stderr
        self.begun = False

    def show(self, text: str) -> None:
        self.begun = True
        if not self.stream.closed:
            with suppress(OSError):  # its reader is gone, or the disk is full; the run continues
                print(text, file=self.stream, flush=True)

    def end(self, text: str) -> None:
        if self.begun:
            self.show(text)


class CellOutput:
    """The output of a cell of a notebook: one line, which is replaced."""

    def __init__(self) -> None:
        display: Any = import_module("IPython.display").display
        self.seconds = QUICK
        self.handle: Any = display({"text/plain": ""}, raw=True, display_id=True)

    def show(self, text: str) -> None:
        self.handle.update({"text/plain": text}, raw=True)

    end = show


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class Line:
    """How far one run is."""

    def __init__(self, run: object, text: Callable[[], str], outlet: Outlet) -> None:
        self.run = weakref.ref(run)
        self.text = text
        self.outlet = outlet


class Lines:
    """Those of one kind of place, and the thread that writes them."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.lines: list[Line] = []
        self.over: Event | None = None  # for the thread that writes these

    def add(self, run: object, text: Callable[[], str], outlet: Outlet) -> Callable[[], None]:
        """Tell of `run` until what this returns is called."""
        line = Line(run, text, outlet)
        with self.lock:
            self.lines.append(line)
            if self.over is None:
                self.start(outlet.seconds)
        return lambda: self.end(line)

    def start(self, seconds: float) -> None:
        over = Event()
        with suppress(RuntimeError):  # there are no threads, as in a browser; the run continues
            Thread(target=self.write, args=(over, seconds), daemon=True).start()
            self.over = over

    def write(self, over: Event, seconds: float) -> None:
        while not over.wait(seconds):
            self.report()

    def report(self) -> None:
        """Write where each of them is, but for those that were dropped."""
        with self.lock:
            for line in self.lines:
                if line.run() is not None:
                    with suppress(Exception):  # of the user's function, for the end to raise
                        line.outlet.show(line.text())
            self.keep([line for line in self.lines if line.run() is not None])

    def end(self, line: Line) -> None:
        with self.lock:
            self.keep([each for each in self.lines if each is not line])
            line.outlet.end(line.text())

    def keep(self, lines: list[Line]) -> None:
        self.lines = lines
        if not lines and self.over is not None:
            self.over.set()
            self.over = None


LOG, OUTPUT = Lines(), Lines()


def begin(run: object, text: Callable[[], str]) -> Callable[[], None]:
    """Tell how far `run` is, in the notebook that this is or else in a log."""
    return OUTPUT.add(run, text, CellOutput()) if in_notebook() else LOG.add(run, text, Log())
