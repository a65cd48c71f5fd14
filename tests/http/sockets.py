"""A server of a few lines that answers over real sockets, byte for byte as it is told."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream

Answer = Callable[[SocketStream], Awaitable[None]]


class Sockets:
    """What is open, and how many connections there have been."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.url = ""
        self.connections = 0
        self.open = 0
        self.one_closed = anyio.Event()

    async def talk(self, stream: SocketStream) -> None:
        self.connections += 1
        self.open += 1
        try:
            async with stream:
                with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    while True:
                        await self.answer(stream)
        finally:
            self.open -= 1
            self.one_closed.set()
            self.one_closed = anyio.Event()

    async def answer(self, stream: SocketStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await stream.receive()
        path = request.split()[1].decode()
        await self.answers[path](stream)

    async def all_closed(self) -> bool:
        """Wait a while until no connection is open, and say whether it is so."""
        with anyio.move_on_after(5):
            while self.open:
                await self.one_closed.wait()
        return not self.open


@asynccontextmanager
async def serving(**answers: Answer) -> AsyncIterator[Sockets]:
    """Serve on a free port; the name of each answer is its path."""
    sockets = Sockets({f"/{name}": answer for name, answer in answers.items()})
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        sockets.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, sockets.talk)
            try:
                yield sockets
            finally:
                tasks.cancel_scope.cancel()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def whole(*chunks: bytes) -> Answer:
    """A body that is there at once, and complete."""

    async def answer(stream: SocketStream) -> None:
        await stream.send(HEAD + b"".join(map(chunk, chunks)) + END)

    return answer


def endless(data: bytes, pause: float = 0) -> Answer:
    """A body that goes on until nobody listens any more."""

    async def answer(stream: SocketStream) -> None:
        await stream.send(HEAD)
        while True:
            await stream.send(chunk(data))
            await anyio.sleep(pause)

    return answer


def silent(*chunks: bytes) -> Answer:
    """A body of which no more comes."""

    async def answer(stream: SocketStream) -> None:
        await stream.send(HEAD + b"".join(map(chunk, chunks)))
        await stream.receive()  # the end, when the other side has closed

    return answer


def cut(*chunks: bytes) -> Answer:
    """A body in the middle of which the connection is closed."""

    async def answer(stream: SocketStream) -> None:
        await stream.send(HEAD + b"".join(map(chunk, chunks)))
        raise anyio.EndOfStream

    return answer
