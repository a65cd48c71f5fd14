"""The event loop as other threads see it, and calls in a thread."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from anyio.lowlevel import current_token


class Loop:
    """The running event loop, for other threads."""

    def __init__(self) -> None:
        native: Any = current_token().native_token
        self.post: Callable[..., object] = (
            getattr(native, "call_soon_threadsafe", None) or native.run_sync_soon
        )
        self.thread: int = threading.get_ident()

    @property
    def here(self) -> bool:
        """Whether this is called in the thread of the event loop."""
        return threading.get_ident() == self.thread

    def soon(self, function: Callable[[], object]) -> None:
        """Have `function` called by the event loop, without waiting for it."""
        with suppress(RuntimeError):  # the event loop has ended
            self.post(function)


class WakeUp:
    """Has a function called by the event loop soon, once for all who have asked since."""

    def __init__(self, loop: Loop) -> None:
        self.loop: Loop = loop
        self.pending: bool = False

    def soon(self, function: Callable[[], object]) -> None:
        """Ask for it, in any thread; what it is to find must be there by now."""
        if not self.pending:
            self.pending = True
            self.loop.soon(partial(self.run, function))

    def run(self, function: Callable[[], object]) -> None:
        self.pending = False  # first: what comes from here on may not be found
        function()


async def in_a_thread(function: Callable[[], object]) -> None:
    """Call `function` in a worker thread that nobody else waits for; cancelling abandons it."""
    limiter = anyio.CapacityLimiter(1)
    await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=limiter)
