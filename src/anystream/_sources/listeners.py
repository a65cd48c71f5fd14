"""Listeners as sources of connections, of which none is lost that has been accepted."""

import socket
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from anyio import CancelScope, create_task_group, wait_readable
from anyio.abc import Listener, SocketAttribute, SocketListener, SocketStream, UNIXSocketStream
from anyio.streams.stapled import MultiListener

from .._core.contracts import Owner, SourceDefaults


class FromListener(SourceDefaults):
    """The connections that come to a listener; those that are not read are closed with it.

    Each is accepted by a call that does not wait, so that no cancellation comes in between, and
    stays here until it is read.
    """

    closes = True
    any_task = False

    def __init__(self, listener: Listener[Any], owner: Owner) -> None:
        self._checkpoint = owner.backend.checkpoint
        self._sockets = [each.extra(SocketAttribute.raw_socket) for each in parts_of(listener)]
        self._listener: Listener[Any] | None = listener
        self._accepted: deque[socket.socket] = deque()
        self._connections: deque[SocketStream] = deque()

    @property
    def holds(self) -> bool:
        return self._listener is not None

    async def batch(self) -> Iterator[Any]:
        await self._checkpoint()
        while not self._connections:
            if not self._accepted:
                await any_readable(self._sockets)
                self._accept()
            await self._connect()
        return self._taken()

    def _accept(self) -> None:
        for each in self._sockets:
            try:
                self._accepted.append(each.accept()[0])
            except (BlockingIOError, ConnectionAbortedError):  # there is none, or none any more
                continue

    async def _connect(self) -> None:
        """Make anyio's connections of what has been accepted; a client may have left by now."""
        with CancelScope(shield=True):
            while self._accepted:
                try:
                    self._connections.append(await connected(self._accepted[0]))
                except (OSError, ValueError):
                    self._accepted[0].close()
                self._accepted.popleft()

    def _taken(self) -> Iterator[Any]:
        while self._connections:
            yield self._connections.popleft()

    async def close(self, owner: Owner) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await owner.release(listener.aclose)
        while self._accepted:
            owner.guard(self._accepted.popleft().close)
        while self._connections:
            await owner.release(self._connections.popleft().aclose)


def parts_of(listener: Listener[Any]) -> Sequence[SocketListener]:
    """The sockets of a listener; one for each family of addresses."""
    parts: Sequence[Any] = listener.listeners if isinstance(listener, MultiListener) else [listener]
    for part in parts:
        if not isinstance(part, SocketListener):
            raise TypeError(
                f"a listener must be one of TCP or UNIX sockets, got {part!r}; for TLS, read the"
                " listener beneath it and wrap each connection with TLSStream.wrap()"
            )
    return parts


async def any_readable(sockets: Sequence[socket.socket]) -> None:
    """Wait until one of these is readable."""
    if len(sockets) == 1:
        await wait_readable(sockets[0])
        return
    async with create_task_group() as tasks:

        async def wait(each: socket.socket) -> None:
            await wait_readable(each)
            tasks.cancel_scope.cancel()

        for each in sockets:
            tasks.start_soon(wait, each)


async def connected(accepted: socket.socket) -> SocketStream:
    accepted.setblocking(False)
    if accepted.family == getattr(socket, "AF_UNIX", None):
        return await UNIXSocketStream.from_socket(accepted)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as anyio does
    return await SocketStream.from_socket(accepted)
