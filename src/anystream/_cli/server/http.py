"""The conversation over one connection: requests in, answers out."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

import anyio
import h11
from anyio.abc import SocketStream

Headers = tuple[tuple[str, str], ...]

JSON = ("Content-Type", "application/json")
TEXT = ("Content-Type", "text/plain; charset=utf-8")


@dataclass(frozen=True)
class Request:
    """What a client has asked for. The names of `headers` are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @cached_property
    def path(self) -> str:
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def number(self, name: str, default: int) -> int:
        """The parameter `name`, which must be an integer."""
        return int(self.query.get(name, default))

    def seconds(self, name: str, default: float) -> float:
        """The parameter `name` as a time to wait: at least 0, or infinite."""
        return max(0.0, float(self.query.get(name, default)))  # in this order it catches NaN too

    def target_with(self, **changed: object) -> str:
        """The path with the same query but for what has changed: `None` leaves a parameter out."""
        query = {**self.query, **changed}
        kept = urlencode({name: value for name, value in query.items() if value is not None})
        return f"{self.path}?{kept}" if kept else self.path


@dataclass(frozen=True)
class Answer:
    """A status, headers and a body, which may come bit by bit.

    An iterator in the place of the body gives bytes to send and numbers of seconds to wait.
    Without a Content-Length among the `headers` it is sent in chunks.
    """

    body: bytes | Iterator[bytes | float] = b""
    status: int = HTTPStatus.OK
    headers: Headers = (JSON,)
    delay: float = 0  # seconds


def as_json(content: object, status: int = HTTPStatus.OK) -> Answer:
    return Answer(json.dumps(content).encode(), status)


# It has no body, so that it is right for HEAD as well.
_BAD_REQUEST = Answer(status=HTTPStatus.BAD_REQUEST, headers=(("Connection", "close"),))


class Conversation:
    """One connection, as the server sees it."""

    def __init__(self, client: SocketStream) -> None:
        self.client = client
        self.protocol = h11.Connection(h11.SERVER)

    async def hold(self, answer_to: Callable[[Request], Answer]) -> None:
        """Answer one request after the other, until one of the two sides wants no more."""
        try:
            while True:
                answer = answer_to(await self.request())
                if answer.delay:
                    await self.pause(answer.delay)
                await self.send(answer)
                if self.protocol.our_state is h11.MUST_CLOSE:
                    return
                self.protocol.start_next_cycle()
        except h11.RemoteProtocolError:
            await self.send(_BAD_REQUEST)

    async def request(self) -> Request:
        head = await self.event()
        assert isinstance(head, h11.Request)  # h11 begins a cycle with nothing else
        body = bytearray()
        while isinstance(event := await self.event(), h11.Data):
            body += event.data
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        return Request(head.method.decode(), head.target.decode(), headers, bytes(body))

    async def event(self) -> object:
        while (event := self.protocol.next_event()) is h11.NEED_DATA:
            self.protocol.receive_data(await self.client.receive())
        return event

    async def pause(self, seconds: float) -> None:
        """Sleep, but listen meanwhile: a client that leaves ends the pause and the connection."""
        with anyio.move_on_after(seconds):
            while True:
                self.protocol.receive_data(await self.client.receive())

    async def send(self, answer: Answer) -> None:
        if isinstance(answer.body, bytes):
            length = ("Content-Length", str(len(answer.body)))
            await self.client.send(self.head(answer, length) + self.data(answer.body) + self.end())
            return
        await self.client.send(self.head(answer))
        for part in answer.body:
            if isinstance(part, bytes):
                await self.client.send(self.data(part))
            else:
                await self.pause(part)
        await self.client.send(self.end())

    def head(self, answer: Answer, *more: tuple[str, str]) -> bytes:
        phrase = HTTPStatus(answer.status).phrase.encode()
        head = h11.Response(
            status_code=answer.status, reason=phrase, headers=[*answer.headers, *more]
        )
        return self.protocol.send(head) or b""

    def data(self, part: bytes) -> bytes:
        return self.protocol.send(h11.Data(part)) or b""

    def end(self) -> bytes:
        return self.protocol.send(h11.EndOfMessage()) or b""
