"""Listeners as sources of connections, of which none is lost that has been accepted."""

import socket
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

from anyio import CancelScope, create_task_group, wait_readable
from anyio.abc import Listener, SocketAttribute, SocketListener, SocketStream, UNIXSocketStream
from anyio.streams.stapled import MultiListener

from .._core.contracts import Owner, SourceDefaults
from .._labels import whole


class FromListener(SourceDefaults):
    """The connections that come to a listener; those that are not read are closed with it.

    Each is accepted by a call that does not wait, so that no cancellation comes in between, and
    stays here until it is read.
    """

    closes = True
    any_task = False

    def __init__(self, listener: Listener[Any], owner: Owner) -> None:
        self._checkpoint = owner.backend.checkpoint
        parts = parts_of(listener)
        self._sockets = deque(part.extra(SocketAttribute.raw_socket) for part in parts)
        self._listener: Listener[Any] | None = listener
        self._connections: deque[SocketStream] = deque()

    @property
    def holds(self) -> bool:
        return self._listener is not None

    async def batch(self) -> Iterator[Any]:
        await self._checkpoint()
        while not self._connections:
            accepted = self._accept()
            if accepted is None:
                await any_readable(self._sockets)
            else:
                await self._connect(accepted)
        return self._taken()

    def _accept(self) -> socket.socket | None:
        """A client that waits, of each address in turn."""
        for each in tuple(self._sockets):
            self._sockets.rotate(-1)
            with suppress(BlockingIOError, ConnectionAbortedError):
                return each.accept()[0]
        return None

    async def _connect(self, accepted: socket.socket) -> None:
        """Make a connection of anyio's, unless the client has left by now."""
        try:
            with CancelScope(shield=True):
                self._connections.append(await connected(accepted))
        except (OSError, ValueError):
            accepted.close()

    def _taken(self) -> Iterator[Any]:
        while self._connections:
            yield self._connections.popleft()

    async def close(self, owner: Owner) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await owner.release(listener.aclose)
        while self._connections:
            await owner.release(self._connections.popleft().aclose)


def parts_of(listener: Listener[Any]) -> Sequence[SocketListener]:
    """The sockets of a listener; one for each family of addresses."""
    parts: Sequence[Any] = listener.listeners if isinstance(listener, MultiListener) else [listener]
    for part in parts:
        if not isinstance(part, SocketListener):
            raise TypeError(
                f"a listener must be one of TCP or UNIX sockets, got {whole(part)}; for TLS, read"
                " the listener beneath it and wrap each connection with TLSStream.wrap()"
            )
    return parts


async def any_readable(sockets: Collection[socket.socket]) -> None:
    """Wait until one of these is readable."""
    if len(sockets) == 1:
        await wait_readable(next(iter(sockets)))
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
