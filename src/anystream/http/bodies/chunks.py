"""One response and its body: what is wrong with it, how it is read and left."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any

from anyio.lowlevel import checkpoint

from ..._core.contracts import QUANTUM, Owner, SourceDefaults, clock
from ..._core.orphans import close_row
from ..._core.siblings import add_notes
from .._clients import place
from .._packing import Packing, chunks_of


class BodyChunks(SourceDefaults):
    """The body of one response, unpacked; each batch is one chunk of what comes in."""

    closes = True
    any_task = False

    def __init__(
        self,
        send: Callable[[], Awaitable[Any]],
        check: Callable[[Any], Awaitable[None]],
        response: Any = None,
    ) -> None:
        self.send = send
        self.check = check  # raises if the body is not to be read
        self.response: Any = response
        self.chunks: AsyncGenerator[bytes, None] | None = None
        self.packing: Packing | None = None
        self.over: bool = False
        self.turn: float = 0.0  # when others get theirs

    @property
    def holds(self) -> bool:
        return self.response is not None

    async def batch(self) -> Iterator[bytes] | None:
        if self.over:
            return None
        if not self.is_open:
            await self.open()
        if clock() >= self.turn:  # a client that never waits must not hold the event loop
            await checkpoint()
            self.turn = clock() + QUANTUM
        assert self.chunks is not None
        assert self.packing is not None
        try:
            chunk = await anext(self.chunks)
        except StopAsyncIteration:
            self.over = True
            return self.packing.end()
        except Exception as exc:
            add_notes(exc, f"while reading {place(self.response)}")
            raise
        return self.packing.feed(chunk)

    @property
    def is_open(self) -> bool:
        return self.chunks is not None

    async def open(self) -> None:
        """Send the request, if that has not been done, and look at what has come."""
        if self.response is None:
            self.response = await self.send()
        response = self.response
        await self.check(response)
        self.chunks, self.packing = chunks_of(response, place(response))

    async def close(self, owner: Owner) -> None:
        self.over = True
        chunks, self.chunks = self.chunks, None
        response, self.response = self.response, None
        if response is not None:
            await owner.release(response.aclose)
        if chunks is not None:
            await close_row(chunks, owner.release, response)
