"""One response and its body: what is wrong with it, how it is read, unpacked and left."""

import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from .._run import Host
from .._steps import EMPTY
from ._clients import place
from ._errors import BodyCutError, BodyDataError, BodyStatusError

PIECE = 65_536
"""Bytes that are unpacked at a time, at most: a small body may unpack to a very long one."""

TRIES = 65_536
"""How many chunks a client may have ready, at most, before it has to wait for the next one."""


def successful(response: Any) -> None:
    """Raise unless the response has a status of success."""
    if not 200 <= response.status_code < 300:
        raise refused(response)


def refused(response: Any) -> BodyStatusError:
    return BodyStatusError(response.status_code, response.reason_phrase, place(response))


class Chunks:
    """The body of one response, unpacked; each batch is one chunk of what comes in."""

    closes = True
    busy = False
    any_task = False

    def __init__(
        self,
        send: Callable[[], Awaitable[Any]],
        check: Callable[[Any], None],
        response: Any = None,
    ) -> None:
        self.send = send
        self.check = check  # raises if the body is not to be read
        self.response = response
        self.chunks: AsyncGenerator[bytes, None] | None = None
        self.unpacker: Unpacker | None = None
        self.over = False

    @property
    def holds(self) -> bool:
        return self.response is not None

    async def batch(self) -> Iterator[bytes] | None:
        if self.over:
            return None
        if self.chunks is None:
            await self.open()
        assert self.chunks is not None
        try:
            chunk = await anext(self.chunks)
        except StopAsyncIteration:
            self.over = True
            return None if self.unpacker is None else self.unpacker.end()
        except Exception as exc:
            exc.add_note(f"while reading {place(self.response)}")
            raise
        return iter((chunk,)) if self.unpacker is None else self.unpacker.feed(chunk)

    async def open(self) -> None:
        """Send the request, if that has not been done. To ask for a body again asks anew."""
        if self.response is None:
            self.response = await self.send()
        response = self.response
        self.check(response)
        coding = response.headers.get("content-encoding", "").strip().lower()
        packed = coding in PACKED and response.headers.get("content-length") != "0"
        if packed and not response.is_stream_consumed:
            # A client unpacks as well, but takes a body that has been cut for a whole one.
            self.unpacker = Unpacker(PACKED[coding], place(response))
            self.chunks = response.aiter_raw()
        else:
            self.chunks = response.aiter_bytes()

    async def close(self, host: Host) -> None:
        self.over = True
        chunks, self.chunks = self.chunks, None
        response, self.response = self.response, None
        if response is not None:
            await host.release(response.aclose)
        if chunks is not None:  # only now: what closes the connection must not be cancelled
            await host.release(lambda: host.unwind(lambda: exhaust(chunks)))


async def exhaust(chunks: AsyncGenerator[bytes, None]) -> None:
    """Read on until that has to wait, which ends it; see `Host.unwind`."""
    with suppress(Exception):  # nobody asks any more what becomes of the rest
        for _ in range(TRIES):
            await anext(chunks)
    await chunks.aclose()  # of a client that never waits


PACKED = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""The content codings of which we can tell whether they were cut, as zlib knows them."""


class Unpacker:
    """Unpacks what is packed by gzip or deflate, and knows whether that has come to its end."""

    def __init__(self, form: int, url: str) -> None:
        self.form = form
        self.url = url
        self.head = b""  # until there is enough to tell zlib's own format from the bare one
        self.zlib: Any = None  # which unpacks, once that is known

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self.zlib is None:
            self.head = data = self.head + data
            if len(data) < 2:
                return
            self.zlib = self.begin(data)
        try:
            while True:
                if self.zlib.eof:
                    data = data.lstrip(b"\0")  # which may pad it
                    if not data:
                        return
                    self.zlib = self.begin(data)  # the next part: gzip allows for several
                piece = self.zlib.decompress(data, PIECE)
                if piece:
                    yield piece
                data = self.zlib.unconsumed_tail or self.zlib.unused_data
                if not data and len(piece) < PIECE:
                    return
        except zlib.error as exc:
            raise BodyDataError(f"it cannot be unpacked, {exc}", self.url) from None

    def begin(self, data: bytes) -> Any:
        bare = self.form == zlib.MAX_WBITS and (
            data[0] & 15 != zlib.DEFLATED or int.from_bytes(data[:2]) % 31
        )
        return zlib.decompressobj(-zlib.MAX_WBITS if bare else self.form)

    def end(self) -> Iterator[bytes]:
        if self.zlib is None or not self.zlib.eof:
            raise BodyCutError("it ends before its packing does, so a part is missing", self.url)
        return EMPTY
