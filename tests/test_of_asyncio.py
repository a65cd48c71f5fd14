"""What asyncio has for bytes: readers, connections and processes."""

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from anystream import CleanupTimeoutError, Stream, StreamConsumedError, chain, stream_data
from anystream.net import ProcessExitError, lines, ndjson
from anystream.testing import every_cut

pytestmark = [pytest.mark.real_time, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

LONG = "print('x' * 200_000); print('hello', flush=True)"
"""Its first line is longer than the 64 KiB of a line that asyncio's readers can give."""


async def python(code: str, **options: Any) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", code, **{"stdin": DEVNULL, "stdout": PIPE, **options}
    )


# -- readers --------------------------------------------------------------------------------------


async def test_lines_that_are_too_long_for_asyncio() -> None:
    process = await python(LONG)
    assert process.stdout is not None
    assert await lines(process.stdout).map(len).collect() == [200_000, 5]
    assert await process.wait() == 0


async def test_a_stream_of_a_reader_has_its_bytes_as_they_come() -> None:
    reader = asyncio.StreamReader()
    for made in (Stream(reader), Stream(lambda: reader), chain([], reader)):
        async with made as items:
            for data in (b"one\nt", b"x" * 200_000 + b"\n"):
                reader.feed_data(data)
                got = b""
                while len(got) < len(data):
                    got += await anext(items)
                assert got == data
    reader.feed_eof()
    assert await Stream(reader).collect() == []


async def test_a_stream_of_a_connection_closes_it() -> None:
    async with serving(stays=True) as (connect, closed):
        pairs = Stream([await connect()])
        inner = pairs.flatten(), Stream([1]).flat_map(lambda _: connect())
        for made in (Stream(connect), Stream(await connect()), *inner):
            async with made as items:
                assert await anext(items)
        await are_closed(closed, 4)


async def test_a_reader_can_be_read_once() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b'{"a": 1}\n[2]')
    reader.feed_eof()
    documents = ndjson(reader)
    assert await documents.collect() == [{"a": 1}, [2]]
    with pytest.raises(StreamConsumedError):
        await documents.collect()
    assert await lines(lambda: reader).collect() == []


@pytest.mark.parametrize("form", ["lines", "stream_data"])
async def test_a_cancelled_step_loses_nothing(form: str) -> None:
    reader = asyncio.StreamReader()
    stream: Stream[Any] = lines(reader) if form == "lines" else stream_data(reader)  # type: ignore[call-overload]
    async with stream as items:
        for text in (b"one", b"two"):
            with anyio.move_on_after(0.01):
                await anext(items)
            reader.feed_data(text + b"\n")
            assert await anext(items) == (text.decode() if form == "lines" else text + b"\n")
        reader.feed_eof()
        assert [item async for item in items] == []


# -- connections ----------------------------------------------------------------------------------

TEXT = b"one\n" + b"x" * 200_000 + b"\nlast"


@asynccontextmanager
async def serving(text: bytes = TEXT, stays: bool = False) -> AsyncIterator[Any]:
    """A function that connects, and what each connection has come to."""
    closed: list[bool] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        if not stays:
            writer.write_eof()
        try:
            closed.append(await reader.read() == b"")
        except ConnectionError:
            closed.append(True)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield lambda: asyncio.open_connection("127.0.0.1", port), closed
    server.close()


async def are_closed(closed: list[bool], count: int) -> None:
    with anyio.fail_after(5):
        while len(closed) < count:  # noqa: ASYNC110  # the server has to hear of it
            await anyio.sleep(0.001)
    assert all(closed)


async def test_a_connection() -> None:
    async with serving() as (connect, closed):
        assert b"".join(await stream_data(connect).collect()) == TEXT
        assert await lines(connect).map(len).collect() == [3, 200_000, 4]
        assert await lines(await connect()).map(len).collect() == [3, 200_000, 4]
        given = stream_data(await connect())
        assert b"".join(await given.collect()) == TEXT
        with pytest.raises(StreamConsumedError):
            await given.collect()
        await are_closed(closed, 4)


async def test_a_connection_that_is_left_early_is_closed() -> None:
    async with serving(stays=True) as (connect, closed):
        async with stream_data(connect) as pieces:
            await anext(pieces)
        with pytest.raises(KeyError):
            async with lines(connect) as texts:
                await anext(texts)
                raise KeyError
        with anyio.move_on_after(0.05):
            await stream_data(connect).drain()
        async with stream_data(await connect()), lines(await connect()):
            pass  # neither is read
        await are_closed(closed, 5)


async def test_a_connection_that_is_cut() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"one\n")
        await writer.drain()
        await reader.read(1)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, *[0] * 7]))  # a reset
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with lines((reader, writer)) as texts:
        assert await anext(texts) == "one"
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await anext(texts)
    server.close()


class Writer:
    """One whose other side does not answer."""

    def __init__(self) -> None:
        self.transport = self
        self.log: list[str] = []

    def close(self) -> None:
        self.log.append("close")

    async def wait_closed(self) -> None:
        await anyio.sleep_forever()

    def abort(self) -> None:
        self.log.append("abort")


async def test_a_connection_that_does_not_close_is_aborted() -> None:
    writer: Any = Writer()
    with pytest.raises(CleanupTimeoutError):
        async with stream_data((asyncio.StreamReader(), writer), grace=0.01):
            pass
    assert writer.log == ["close", "abort"]


# -- processes ------------------------------------------------------------------------------------


async def test_a_process() -> None:
    process = await python(LONG)
    assert await lines(process).map(len).collect() == [200_000, 5]
    assert process.returncode == 0
    made = lines(lambda: python(LONG)).map(len)
    assert await made.collect() == await made.collect() == [200_000, 5]


async def test_a_process_that_fails() -> None:
    got: list[str] = []
    with pytest.raises(ProcessExitError, match=r"exited with code 3") as raised:
        await lines(lambda: python("print('one'); raise SystemExit(3)")).for_each(got.append)
    assert (got, raised.value.returncode) == (["one"], 3)


async def test_a_process_is_terminated_when_its_output_is_left() -> None:
    process = await python("import time; print('one', flush=True); time.sleep(60)", stdin=PIPE)
    async with lines(process) as texts:
        assert await anext(texts) == "one"
        assert process.returncode is None
    assert process.returncode == -15


async def test_a_process_that_writes_on_and_on_is_terminated() -> None:
    process = await python("while True: print('one')", stderr=PIPE)
    assert await lines(process).first() == "one"
    assert process.returncode == -15


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('one', flush=True)
time.sleep(60)
"""


async def test_a_process_that_does_not_end_is_killed() -> None:
    process = await python(STUBBORN)
    with pytest.raises(CleanupTimeoutError):
        async with lines(process).open(grace=0.05) as texts:
            assert await anext(texts) == "one"
    assert process.returncode == -9


async def test_a_process_that_has_gone_meanwhile() -> None:
    process = await python("")
    await process.wait()
    async with lines(process):
        pass
    again = await python("print('one')")
    again.terminate = gone  # type: ignore[method-assign]
    async with lines(again) as texts:
        assert await anext(texts) == "one"
    assert again.returncode == 0


def gone() -> None:
    raise ProcessLookupError


async def test_cancelled_anywhere() -> None:
    for cut in every_cut():
        process = await python("print('one')")

        async def read(process: Process = process) -> None:
            async with lines(process) as texts:
                assert [text async for text in texts] == ["one"]

        await cut.run(read(), "scope")
        assert process.returncode is not None


async def test_a_process_without_a_pipe_is_refused() -> None:
    process = await python("", stdout=DEVNULL)
    with pytest.raises(TypeError, match="stdout is a pipe"):
        lines(process)
    wrong: Any = process
    with pytest.raises(TypeError, match=r"read by anystream\.net\.lines\(process\)$"):
        Stream(wrong)
    await process.wait()
