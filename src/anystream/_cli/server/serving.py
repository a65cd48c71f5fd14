"""Opening and closing the server."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import anyio
from anyio.abc import Listener, SocketAttribute, SocketStream

from .http import Conversation
from .routes import answer_to

PIECES = (b"streams ", b"arrive ", b"in ", b"pieces\n")
"""What the plain socket sends, one after the other."""

Talk: TypeAlias = Callable[[SocketStream], Awaitable[None]]
"""What is said over one connection, whose client may leave whenever it likes."""


@dataclass
class Server:
    """A running server: HTTP is spoken on `port`, and the pieces are sent on `data_port`."""

    port: int
    data_port: int
    open_connections: int = 0  # of either kind

    @property
    def url(self) -> str:
        """The root of the HTTP side, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    async def settled(self, within: float, rest: int = 0) -> bool:
        """Wait at most `within` seconds until `rest` connections are open, or fewer: are they?"""
        with anyio.move_on_after(within):
            while self.open_connections > rest:  # noqa: ASYNC110 - they end without an event
                await anyio.sleep(0.005)
        return self.open_connections <= rest

    async def attend(self, talk: Talk, client: SocketStream) -> None:
        """Look after one connection."""
        self.open_connections += 1
        try:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await talk(client)
        finally:
            # Some releases of anyio, cancelled here, would continue to send what is not yet read.
            with anyio.CancelScope(shield=True):
                await client.aclose()
            self.open_connections -= 1


async def talk_http(client: SocketStream) -> None:
    await Conversation(client).hold(answer_to)


async def send_pieces(client: SocketStream) -> None:
    for piece in PIECES:
        await client.send(piece)
        await anyio.sleep(0.01)


@asynccontextmanager
async def serve(port: int = 0, talk: Talk = talk_http) -> AsyncGenerator[Server, None]:
    """Serve on 127.0.0.1 while the block runs, then close every connection.

    HTTP is spoken on `port`, by default a free one. An error raised in the block leaves it as it
    is, in no exception group.
    """
    failure: Exception | None = None
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port) as web,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as data,
        anyio.create_task_group() as tasks,
    ):
        server = Server(port_of(web), port_of(data))
        tasks.start_soon(web.serve, partial(server.attend, talk))
        tasks.start_soon(data.serve, partial(server.attend, send_pieces))
        try:
            yield server
        except Exception as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def port_of(listener: Listener[SocketStream]) -> int:
    return listener.extra(SocketAttribute.local_port)
