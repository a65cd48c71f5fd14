"""What a user's code infers of `anystream.net`.

Checked by pyright and mypy, never run. A line with an ignore must fail: both report an ignore that
is not needed.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, assert_type

import anyio
from anyio.abc import Process, SocketStream
from given import numbers

from anystream import Stream, StreamError
from anystream.net import (
    ProcessExitError,
    RecordDataError,
    RecordError,
    RecordSizeError,
    json_seq,
    lines,
    ndjson,
)


async def chunks() -> AsyncIterator[bytes]:
    yield b""


async def connect() -> SocketStream:
    return await anyio.connect_tcp("localhost", 80)


def number_of(line: bytes) -> int:
    return int(line)


async def sources(socket: SocketStream, process: Process) -> None:
    assert_type(lines(socket), Stream[str])
    assert_type(lines(connect, max_line=80), Stream[str])
    assert_type(lines(process), Stream[str])
    assert_type(lines("a file"), Stream[str])
    assert_type(lines(Path("a file")), Stream[str])
    assert_type(lines([b"one", b"two"]), Stream[str])
    assert_type(lines(chunks()), Stream[str])
    assert_type(lines(chunks), Stream[str])
    assert_type(lines(await anyio.open_file("a file", "rb")), Stream[str])
    assert_type(ndjson(process), Stream[Any])
    assert_type(json_seq(socket, max_text=80), Stream[Any])
    lines(await anyio.open_file("a file"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lines(["text"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    lines(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lines(numbers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(ndjson(process, loads=number_of), Stream[int])
    assert_type(json_seq(socket, loads=number_of), Stream[int])
    assert_type(ndjson(process, loads=json.loads), Stream[Any])
    assert_type(json_seq(socket, loads=None, max_text=80), Stream[Any])
    ndjson(socket, max_text=80)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    json_seq(socket, 80)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    ndjson(socket, loads=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def of_asyncio(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, process: asyncio.subprocess.Process
) -> None:
    assert_type(lines(reader), Stream[str])
    assert_type(lines((reader, writer)), Stream[str])
    assert_type(lines(process), Stream[str])
    assert_type(lines(lambda: asyncio.create_subprocess_exec("ls")), Stream[str])
    assert_type(lines(lambda: asyncio.open_connection("localhost", 80)), Stream[str])
    lines(writer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def errors(items: Stream[str]) -> None:
    try:
        await items.drain()
    except RecordDataError as error:
        assert_type(error.number, int)
        assert_type(error.position, int)
        base: RecordError = error
    except RecordSizeError as error:
        base = error
        root: StreamError = base
    except ProcessExitError as error:
        assert_type(error.returncode, int)
        root = error
        print(root)
