"""A small HTTP/1.1 server on the loopback interface: what the demo and the tests talk to.

It answers GET requests with pages of JSON, good ones and bad ones, keeps connections alive, and
runs on asyncio and on trio. Beside it a plain TCP socket sends a few pieces of bytes and closes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import anyio
import h11
from anyio.abc import SocketAttribute, SocketStream

PIECES = (b"streams ", b"arrive ", b"in ", b"pieces\n")
"""What the plain socket sends, one after the other."""


@dataclass
class Server:
    """A running server, as `serve` gives it.

    `port` is where HTTP is spoken, `data_port` where the pieces are sent, `requests` the targets
    of all requests so far, and `open_connections` how many connections of either kind are open.
    """

    port: int
    data_port: int
    requests: list[str] = field(default_factory=list[str])
    open_connections: int = 0
    _one_closed: anyio.Event = field(default_factory=anyio.Event, init=False, repr=False)

    @property
    def url(self) -> str:
        """The root of the HTTP side, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

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


@asynccontextmanager
async def serve() -> AsyncGenerator[Server, None]:
    """Serve on two free ports of 127.0.0.1 while the block runs, then close every connection.

    An error raised in the block leaves it as it is, in no exception group.

        async with serve() as server, httpx.AsyncClient(base_url=server.url) as client:
            response = await client.get("/users", params={"page": 2})
    """
    failure: Exception | None = None
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as web,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as data,
        anyio.create_task_group() as tasks,
    ):
        port, data_port = (each.extra(SocketAttribute.local_port) for each in (web, data))
        server = Server(port, data_port)
        tasks.start_soon(web.serve, partial(_attend, server, partial(_talk_http, server.requests)))
        tasks.start_soon(data.serve, partial(_attend, server, _send_pieces))
        try:
            yield server
        except Exception as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


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


async def _send_pieces(client: SocketStream) -> None:
    await client.send(PIECES[0])
    for piece in PIECES[1:]:
        await anyio.sleep(0.01)
        await client.send(piece)


async def _talk_http(requests: list[str], client: SocketStream) -> None:
    """Answer one request after the other, until one of the two sides wants no more."""
    protocol = h11.Connection(h11.SERVER)
    try:
        while True:
            request = await _next_request(protocol, client)
            requests.append(request.target.decode())
            answer = _answer(request)
            if answer.delay:
                await _pause(answer.delay, protocol, client)
            await client.send(_encode(protocol, answer))
            if protocol.our_state is h11.MUST_CLOSE:
                return
            protocol.start_next_cycle()
    except h11.RemoteProtocolError:
        await client.send(_encode(protocol, _BAD_REQUEST))


async def _next_request(protocol: h11.Connection, client: SocketStream) -> h11.Request:
    request = await _next_event(protocol, client)
    assert isinstance(request, h11.Request)  # h11 begins a cycle with nothing else
    while not isinstance(await _next_event(protocol, client), h11.EndOfMessage):
        pass  # no route has a use for a body
    return request


async def _next_event(protocol: h11.Connection, client: SocketStream) -> object:
    while (event := protocol.next_event()) is h11.NEED_DATA:
        protocol.receive_data(await client.receive())
    return event


async def _pause(seconds: float, protocol: h11.Connection, client: SocketStream) -> None:
    """Sleep, but listen meanwhile: a client that leaves ends the pause and the connection."""
    with anyio.move_on_after(seconds):
        while True:
            protocol.receive_data(await client.receive())


@dataclass(frozen=True)
class _Answer:
    body: bytes = b""
    status: HTTPStatus = HTTPStatus.OK
    header: tuple[str, str] = ("Content-Type", "application/json")
    delay: float = 0  # seconds


def _encode(protocol: h11.Connection, answer: _Answer) -> bytes:
    headers = [answer.header, ("Content-Length", str(len(answer.body)))]
    head = h11.Response(
        status_code=answer.status, reason=answer.status.phrase.encode(), headers=headers
    )
    events = (head, h11.Data(answer.body), h11.EndOfMessage())
    return b"".join(protocol.send(event) or b"" for event in events)


def _json(content: Mapping[str, object], status: HTTPStatus = HTTPStatus.OK) -> _Answer:
    return _Answer(json.dumps(content).encode(), status)


@dataclass(frozen=True)
class _Query:
    """What a request asks for: which page, the name of its list, and the other parameters."""

    page: int
    list_name: str
    others: dict[str, str]


def _parse(query: str) -> _Query:
    others = dict(parse_qsl(query, keep_blank_values=True))
    page = int(others.pop(others.pop("param", "page"), "1"))
    return _Query(page, others.pop("list", "items"), others)


def _answer(request: h11.Request) -> _Answer:
    if request.method != b"GET":
        return _NOT_IMPLEMENTED
    try:
        target = urlsplit(request.target.decode())
        route = _ROUTES.get(target.path)
        return route(_parse(target.query)) if route else _NOT_FOUND
    except ValueError as error:
        return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)


_NAMES = (
    ("Ada", "Grace", "Alan"),
    ("Barbara", "Edsger", "Frances"),
    ("Donald", "Radia", "Dennis"),
    ("Margaret", "Ken", "Hedy"),
    ("Tim", "Katherine", "Guido"),
)
_USERS = {
    page: [{"id": number, "name": name} for number, name in enumerate(names, 3 * page - 2)]
    for page, names in enumerate(_NAMES, 1)
}


def _users(query: _Query) -> _Answer:
    users = _USERS.get(query.page, [])
    return _json({"page": query.page, query.list_name: users, "query": query.others})


def _slow_users(query: _Query) -> _Answer:
    delay = float(query.others.get("delay", "0.5"))
    return replace(_users(query), delay=max(0.0, delay))  # in this order it catches NaN too


def _users_but(page: int, answer: _Answer, query: _Query) -> _Answer:
    """The users, but this answer in the place of that page."""
    return answer if query.page == page else _users(query)


def _big(query: _Query) -> _Answer:
    pages, size = (int(query.others.get(name, "100")) for name in ("pages", "size"))
    return _big_page(query.page, size if 1 <= query.page <= pages else 0, query.list_name)


@cache  # a benchmark asks for the same pages again and again, and means to measure the client
def _big_page(page: int, size: int, list_name: str) -> _Answer:
    numbers = range((page - 1) * size + 1, page * size + 1)
    return _json({"page": page, list_name: [{"id": n, "name": f"item {n}"} for n in numbers]})


_TEXT = ("Content-Type", "text/plain; charset=utf-8")
# These two have no body, so that they are right for HEAD as well.
_BAD_REQUEST = _Answer(status=HTTPStatus.BAD_REQUEST, header=("Connection", "close"))
_NOT_IMPLEMENTED = _Answer(status=HTTPStatus.NOT_IMPLEMENTED, header=_TEXT)
_NOT_FOUND = _json({"error": "no such path"}, HTTPStatus.NOT_FOUND)
_BROKEN = _Answer(b"page 3 is broken\n", HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT)
_GARBLED = _Answer(b'{"page": 2, "items": [{"id": 4, "na')
_LISTLESS = _json({"page": 2, "items": {"id": 4, "name": "Barbara"}})

_ROUTES: Mapping[str, Callable[[_Query], _Answer]] = {
    "/users": _users,
    "/users/slow": _slow_users,
    "/users/broken": partial(_users_but, 3, _BROKEN),
    "/users/garbled": partial(_users_but, 2, _GARBLED),
    "/users/listless": partial(_users_but, 2, _LISTLESS),
    "/big": _big,
}
