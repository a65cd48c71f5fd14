"""What asyncio has for bytes, read by bytes: iterated, its readers give lines of 64 KiB at most."""

import sys
from contextlib import suppress
from typing import Any

from anyio import CancelScope

CHUNK = 65_536


class AsyncioReader:
    """A `StreamReader`, as an iterator and as a connection; with its writer it can be closed."""

    def __init__(self, reader: Any, writer: Any = None) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> bytes:
        data: bytes = await self.reader.read(CHUNK)
        return data

    def __aiter__(self) -> "AsyncioReader":
        return self

    async def __anext__(self) -> bytes:
        data = await self.read()
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Close the connection, whether or not the other side answers in time."""
        if self.writer is None:
            return
        self.writer.close()
        try:
            with suppress(OSError):  # it is closed all the same
                await self.writer.wait_closed()
        except BaseException:
            self.writer.transport.abort()
            raise


def reader_of(value: Any) -> AsyncioReader | None:
    """What reads a `StreamReader`, or the pair that `asyncio.open_connection` gives."""
    kind: Any = getattr(sys.modules.get("asyncio"), "StreamReader", ())
    if isinstance(value, kind):
        return AsyncioReader(value)
    pair: Any = value
    if isinstance(value, tuple) and len(pair) == 2 and isinstance(pair[0], kind):
        return AsyncioReader(*pair)
    return None


def in_bytes(value: Any) -> Any:
    """What reads that by its bytes, or else the value itself, as nearly always."""
    return reader_of(value) or value


def is_process(value: object) -> bool:
    """Whether it is one of asyncio's."""
    subprocess = sys.modules.get("asyncio.subprocess")
    return isinstance(value, getattr(subprocess, "Process", ()))


async def end_process(process: Any) -> None:
    """Ask it to end, and wait; if that takes too long, kill it."""
    transport = process._transport  # nothing public closes the pipes, one of which may be full
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
    for number in range(3):
        if (pipe := transport.get_pipe_transport(number)) is not None:
            pipe.close()
    try:
        await process.wait()
    finally:
        transport.close()  # which kills what still runs
        with CancelScope(shield=True):
            await process.wait()
