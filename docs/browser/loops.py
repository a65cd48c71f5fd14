"""What the event loops of asyncio and trio need of the system, where it has no sockets.

A pair of sockets, by which a loop is woken, is made of pipes, and the kqueue of trio of `poll`.
"""

import asyncio
import errno
import os
import select
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

READ, WRITE = -1, -2
ADD, DELETE, ONESHOT = 1, 2, 16
EVENTS = {READ: select.POLLIN, WRITE: select.POLLOUT}


class End:
    """An end of a pipe, as one of a pair of sockets: a loop reads the first, and is woken there."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def recv(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def send(self, data: bytes) -> int:
        return os.write(self._descriptor, data)

    def setblocking(self, blocking: bool) -> None:
        assert not blocking

    def setsockopt(self, *options: int) -> None:
        """Leave the size of the buffer, which is all that trio sets."""

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def socketpair() -> tuple[End, End]:
    reads, writes = os.pipe()
    return End(reads), End(writes)


class Event(NamedTuple):
    """`select.kevent`."""

    ident: Any
    filter: int
    flags: int

    @property
    def key(self) -> tuple[int, int]:
        return getattr(self.ident, "fileno", lambda: self.ident)(), self.filter


class Queue:
    """`select.kqueue`."""

    def __init__(self) -> None:
        self._flags: dict[tuple[int, int], int] = {}

    def control(
        self, changes: Sequence[Event], most: int, timeout: float | None = None
    ) -> list[Event]:
        for change in changes:
            if change.flags & ADD:
                self._flags[change.key] = change.flags
            elif self._flags.pop(change.key, None) is None:
                raise OSError(errno.ENOENT, "no such event")
        return self._ready(timeout) if most else []

    def _ready(self, timeout: float | None) -> list[Event]:
        poll = select.poll()
        for descriptor in {descriptor for descriptor, _ in self._flags}:
            wanted = [EVENTS[way] for of, way in self._flags if of == descriptor]
            poll.register(descriptor, sum(wanted))
        ready = dict(poll.poll(None if timeout is None else timeout * 1000))
        events: list[Event] = []
        for (descriptor, way), flags in [*self._flags.items()]:
            if ready.get(descriptor, 0) & (EVENTS[way] | select.POLLHUP | select.POLLERR):
                events.append(Event(descriptor, way, flags))
                if flags & ONESHOT:
                    del self._flags[descriptor, way]
        return events

    def close(self) -> None:
        self._flags.clear()


async def no_threads(loop: asyncio.BaseEventLoop, *_: object) -> None:
    """`shutdown_default_executor`, where none has a thread, and asyncio would start one for it."""


def install() -> None:
    """Let asyncio and trio run as elsewhere, and block, instead of the loop of the browser."""
    socket.socketpair = socketpair  # type: ignore[assignment]
    names = {"kqueue": Queue, "kevent": Event, "KQ_FILTER_READ": READ, "KQ_FILTER_WRITE": WRITE}
    flags = {"KQ_EV_ADD": ADD, "KQ_EV_DELETE": DELETE, "KQ_EV_ONESHOT": ONESHOT}
    vars(select).update(names | flags)
    asyncio.BaseEventLoop.shutdown_default_executor = no_threads
    asyncio.run = asyncio.run.__wrapped__
    asyncio.events._set_event_loop_policy(None)
    asyncio._set_running_loop(None)
