"""What a piece of async code leaves open behind it, on asyncio and on trio alike."""

import gc
import logging
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import anyio

from .server import Server

SETTLE = 3.0
"""Seconds in which the server has to see that its connections were closed."""


class Watch(logging.Handler):
    """What has come to light while `watching`; `leftovers` gives it in words."""

    def __init__(self, server: Server) -> None:
        super().__init__(logging.ERROR)
        self.server = server
        self.connections_before = server.open_connections
        self.tasks_before = {task.id for task in anyio.get_running_tasks()}
        self.generators = WeakSet[Any]()
        self.dropped: list[str] = []
        self.logged: list[str] = []
        self.warned: list[warnings.WarningMessage] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.logged.append(record.getMessage())

    def connections(self) -> int:
        return self.server.open_connections - self.connections_before

    def tasks(self) -> list[str]:
        now = anyio.get_running_tasks()
        return [task.name or "?" for task in now if task.id not in self.tasks_before]

    async def leftovers(self) -> list[str]:
        """Give the server the time to settle, and list what is still open."""
        gc.collect()
        with anyio.move_on_after(SETTLE):
            while self.connections() or self.tasks():  # noqa: ASYNC110 - tasks end without an event
                await anyio.sleep(0.005)
        generators = [each.__qualname__ for each in self.generators if each.ag_frame is not None]
        return [
            *(["a connection to the server"] * self.connections()),
            *(f"task {name}" for name in self.tasks()),
            *(f"async generator {name}" for name in generators),
            *(f"dropped async generator {name}" for name in self.dropped),
            *(f"{each.category.__name__}: {each.message}" for each in self.warned),
            *(f"logged error: {message}" for message in self.logged),
        ]


@contextmanager
def watching(server: Server) -> Generator[Watch, None, None]:
    """Watch what is started, dropped, warned of and logged while the block runs.

    To be entered inside the event loop, whose hooks for async generators are in place then; they
    go on to be told.
    """
    watch = Watch(server)
    tell_started, tell_dropped = sys.get_asyncgen_hooks()
    assert tell_started is not None
    assert tell_dropped is not None

    def started(generator: Any) -> None:
        watch.generators.add(generator)
        tell_started(generator)

    def dropped(generator: Any) -> None:
        watch.dropped.append(generator.__qualname__)
        tell_dropped(generator)

    root = logging.getLogger()
    with warnings.catch_warnings(record=True) as watch.warned:
        warnings.simplefilter("ignore")  # a deprecation, say, leaves nothing open
        warnings.simplefilter("always", ResourceWarning)
        warnings.simplefilter("always", RuntimeWarning)  # "was never awaited"
        root.addHandler(watch)
        sys.set_asyncgen_hooks(started, dropped)
        gc.freeze()  # what was there before need not be looked through for garbage
        try:
            yield watch
        finally:
            gc.unfreeze()
            sys.set_asyncgen_hooks(tell_started, tell_dropped)
            root.removeHandler(watch)
