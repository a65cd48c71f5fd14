"""Opening and closing the server."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio.abc import Listener, SocketAttribute, SocketStream

from .faults import Faults
from .http import Answer, Conversation, Request
from .routes import answer_to

PIECES = (b"streams ", b"arrive ", b"in ", b"pieces\n")
"""What the plain socket sends, one after the other."""


@dataclass
class Server:
    """A running server, as `serve` gives it.

    `port` is where HTTP is spoken, `other_port` where it is spoken at another origin, `data_port`
    where the pieces are sent. `requests` has the targets of all requests so far, `received` the
    requests themselves, `elsewhere` those at the other origin, and `open_connections` says how many
    connections of any kind are open.
    """

    port: int
    data_port: int
    other_port: int
    requests: list[str] = field(default_factory=list[str])
    received: list[Request] = field(default_factory=list[Request])
    elsewhere: list[Request] = field(default_factory=list[Request])
    open_connections: int = 0
    _faults: Faults = field(default_factory=Faults, init=False, repr=False)
    _one_closed: anyio.Event = field(default_factory=anyio.Event, init=False, repr=False)

    @property
    def url(self) -> str:
        """The root of the HTTP side, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def other_url(self) -> str:
        """The same for the other origin, which has the same routes."""
        return f"http://127.0.0.1:{self.other_port}"

    async def settled(self, within: float) -> bool:
        """Wait at most `within` seconds until no connection is open, and say whether it is so."""
        with anyio.move_on_after(within):
            while self.open_connections:
                await self._one_closed.wait()
        return not self.open_connections

    @contextmanager
    def counting(self) -> Generator[None, None, None]:
        """Count one more connection as open while the block runs."""
        self.open_connections += 1
        try:
            yield
        finally:
            self.open_connections -= 1
            self._one_closed.set()
            self._one_closed = anyio.Event()

    def answer(self, request: Request) -> Answer:
        self.requests.append(request.target)
        self.received.append(request)
        return answer_to(request, self._faults, self.other_url)

    def answer_elsewhere(self, request: Request) -> Answer:
        self.elsewhere.append(request)
        return answer_to(request, self._faults, None)


@asynccontextmanager
async def serve(port: int = 0) -> AsyncGenerator[Server, None]:
    """Serve on 127.0.0.1 while the block runs, then close every connection.

    HTTP is spoken on `port`, by default a free one; the other two are free ones always. An error
    raised in the block leaves it as it is, in no exception group.

        async with serve() as server, httpx.AsyncClient(base_url=server.url) as client:
            response = await client.get("/users", params={"page": 2})
    """
    failure: Exception | None = None
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port) as web,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as data,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as other,
        anyio.create_task_group() as tasks,
    ):
        server = Server(_port(web), _port(data), _port(other))
        for listener, talk in (
            (web, partial(_talk_http, server.answer)),
            (data, _send_pieces),
            (other, partial(_talk_http, server.answer_elsewhere)),
        ):
            tasks.start_soon(listener.serve, partial(_attend, server, talk))
        try:
            yield server
        except Exception as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _port(listener: Listener[SocketStream]) -> int:
    return listener.extra(SocketAttribute.local_port)


async def _attend(
    server: Server, talk: Callable[[SocketStream], Awaitable[None]], client: SocketStream
) -> None:
    """Look after one connection, whose client may leave whenever it likes."""
    with server.counting(), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        try:
            await talk(client)
        finally:
            # Some releases of anyio, cancelled here, would go on sending what is not yet read.
            with anyio.CancelScope(shield=True):
                await client.aclose()


async def _talk_http(answer_to: Callable[[Request], Answer], client: SocketStream) -> None:
    await Conversation(client).hold(answer_to)


async def _send_pieces(client: SocketStream) -> None:
    await client.send(PIECES[0])
    for piece in PIECES[1:]:
        await anyio.sleep(0.01)
        await client.send(piece)
