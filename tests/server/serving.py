"""Opening and closing the server, at two origins."""

import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute, SocketStream

from anystream._cli import server as small
from anystream._cli.server.http import Answer, Conversation, Request
from anystream._cli.server.serving import Talk

from .faults import Faults, Hangup
from .routes import answer_to


@dataclass
class Asked:
    """What the clients have asked for so far, and how often that has failed.

    `requests` has the targets of all requests, `received` the requests themselves, `elsewhere`
    those at the other origin.
    """

    requests: list[str] = field(default_factory=list[str])
    received: list[Request] = field(default_factory=list[Request])
    elsewhere: list[Request] = field(default_factory=list[Request])
    faults: Faults = field(default_factory=Faults)


@dataclass
class Server:
    """A running server, as `serve` gives it; the other origin has the same routes."""

    here: small.Server
    there: small.Server
    asked: Asked

    @property
    def url(self) -> str:
        return self.here.url

    @property
    def other_url(self) -> str:
        return self.there.url

    @property
    def data_port(self) -> int:
        """Where a plain socket sends a few pieces of bytes."""
        return self.here.data_port

    @property
    def requests(self) -> list[str]:
        return self.asked.requests

    @property
    def received(self) -> list[Request]:
        return self.asked.received

    @property
    def elsewhere(self) -> list[Request]:
        return self.asked.elsewhere

    @property
    def open_connections(self) -> int:
        return self.here.open_connections + self.there.open_connections

    async def settled(self, within: float) -> bool:
        """Wait at most `within` seconds until no connection is open, and say whether it is so."""
        with anyio.move_on_after(within):
            return await self.here.settled(within) and await self.there.settled(within)
        return False


def talking(answer: Callable[[Request], Answer]) -> Talk:
    """A conversation in which the server may hang up in the middle, politely or not."""

    async def talk(client: SocketStream) -> None:
        try:
            await Conversation(client).hold(answer)
        except Hangup as hangup:
            if hangup.reset:
                raw = client.extra(SocketAttribute.raw_socket)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return talk


@asynccontextmanager
async def serve() -> AsyncGenerator[Server, None]:
    """Serve on 127.0.0.1 while the block runs, then close every connection.

    async with serve() as server, httpx.AsyncClient(base_url=server.url) as client:
        response = await client.get("/link", params={"size": 2})
    """
    asked = Asked()

    def answer_elsewhere(request: Request) -> Answer:
        asked.elsewhere.append(request)
        return answer_to(request, asked.faults, None)

    async with small.serve(talk=talking(answer_elsewhere)) as there:

        def answer(request: Request) -> Answer:
            asked.requests.append(request.target)
            asked.received.append(request)
            return answer_to(request, asked.faults, there.url)

        async with small.serve(talk=talking(answer)) as here:
            yield Server(here, there, asked)
