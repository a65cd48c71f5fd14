"""Clients of both libraries over a transport in memory, whose bodies come in piece by piece."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import anyio
import anyio.lowlevel


def client_of(library: Any, **options: Any) -> Any:
    """A client for the loopback server; certificates take their time to be loaded."""
    return library.AsyncClient(trust_env=False, verify=False, **options)


class Reply:
    """An answer: a status, headers, and a body in chunks with a pause before each.

    An exception among the chunks is raised in its place; so the body breaks off.
    """

    def __init__(
        self,
        *chunks: bytes | Exception,
        status: int = 200,
        kind: str = "text/event-stream",
        pause: float = 0,
        **headers: str,
    ) -> None:
        self.chunks = chunks
        self.status = status
        self.pause = pause
        self.headers = {"content-type": kind}
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}


class Body:
    """The body of a reply, as a library wants it; it counts in `server.open` until it is closed."""

    def __init__(self, server: "Server", reply: Reply) -> None:
        self.server = server
        self.reply = reply
        self.closed = False
        server.open += 1

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.reply.chunks:
            await anyio.sleep(self.reply.pause)
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):  # as httpcore does
            await anyio.lowlevel.checkpoint()
        self.server.open -= not self.closed
        self.closed = True


class Server:
    """Gives one reply after the other, and remembers what it was asked, and when."""

    def __init__(self, package: Any, replies: Iterable[Reply | Exception]) -> None:
        self.package = package
        self.replies = iter(replies)
        self.requests: list[Any] = []
        self.times: list[float] = []
        self.open = 0  # bodies
        self.client = package.AsyncClient(transport=package.MockTransport(self.answer))

    async def answer(self, request: Any) -> Any:
        self.requests.append(request)
        self.times.append(anyio.current_time())
        await anyio.lowlevel.checkpoint()
        reply = next(self.replies)
        if isinstance(reply, Exception):
            raise reply
        stream = type("LibraryBody", (Body, self.package.AsyncByteStream), {})(self, reply)
        return self.package.Response(reply.status, headers=reply.headers, stream=stream)

    @property
    def ids(self) -> list[str | None]:
        """The `Last-Event-ID` of each request."""
        return [request.headers.get("last-event-id") for request in self.requests]

    @property
    def pauses(self) -> list[float]:
        """Seconds between the requests."""
        return [b - a for a, b in zip(self.times, self.times[1:], strict=False)]
