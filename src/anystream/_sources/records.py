"""Lines and JSON documents out of bytes, as streams: the functions of `anystream.net`."""

import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from anyio import AsyncFile
from anyio.abc import ByteReceiveStream, Process

from .. import _args as check
from .. import _labels as label
from .._recipe import Recipe, named_call
from .._records.chunks import chunks
from .._records.json import checked_loads, document_row, text_row
from .._records.lines import MAX, Row, line_row
from .._stream import Stream

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from asyncio.subprocess import Process as AsyncioProcess

T = TypeVar("T")

OfAsyncio: TypeAlias = "StreamReader | tuple[StreamReader, StreamWriter] | AsyncioProcess"
Chunks: TypeAlias = (
    ByteReceiveStream
    | Process
    | AsyncFile[bytes]
    | AsyncIterable[bytes]
    | Iterable[bytes]
    | str
    | os.PathLike[str]
)
Bytes: TypeAlias = (
    "Chunks | OfAsyncio | Callable[[], Chunks | OfAsyncio | Awaitable[Chunks | OfAsyncio]]"
)
"""What can be read; a function makes it again for each opening."""


@named_call
def lines(source: Bytes, *, max_line: int = MAX) -> Stream[str]:
    """The lines of bytes, without their ends.

    `source` is an anyio byte stream (a socket, the `stdout` of a process), an anyio `Process`,
    whose output is read, or an anyio file in binary mode. Of asyncio it takes a `StreamReader`, the
    pair that `open_connection` gives, and a process. It may also be the path of a file, or any
    iterable or async iterable of bytes. Or it is a function that returns one of these, plain or
    async: then the stream can be opened again and again. The stream closes what the function makes
    or what is handed over, however it is left. A process that still runs then is terminated.

    A line ends at a line feed, with or without a carriage return before it, and at nothing else.
    What stands after the last line feed is a line as well. Each line must be UTF-8.

    It holds at most `max_line` bytes of a line that has not ended, and one chunk. A cancelled step
    may be repeated and loses nothing, unless the source is an async generator.

    Raises `TypeError` if `source` is none of these, `ValueError` if `max_line` is less than 1.
    After the lines before it, a step raises `RecordDataError` for a line that is not UTF-8, and
    `RecordSizeError` for one of more than `max_line` bytes without its end. At the end of the
    output of a process that has failed, it raises `ProcessExitError`.

    >>> from anystream.net import lines
    >>> async def main():
    ...     chunks = [b"one\\ntw", b"o\\r\\nthree"]
    ...     print(await lines(chunks).collect())
    >>> anyio.run(main)
    ['one', 'two', 'three']
    """
    return assembled(source, line_row, "max_line", max_line)


@overload
def ndjson(source: Bytes, *, max_line: int = MAX, loads: None = None) -> Stream[Any]: ...
@overload
def ndjson(source: Bytes, *, max_line: int = MAX, loads: Callable[[bytes], T]) -> Stream[T]: ...
@named_call
def ndjson(
    source: Bytes, *, max_line: int = MAX, loads: Callable[[bytes], Any] | None = None
) -> Stream[Any]:
    """The JSON documents of bytes that have one in each line; blank lines are passed over.

    Takes what `lines` takes, and raises what it raises. A line that is not JSON is a
    `RecordDataError` with its number, the column and what stands there, after the documents before.

    `loads` is a function that makes a document of the bytes of a line, such as `orjson.loads` or
    `msgspec.json.decode`; an error that it raises is the cause of a `RecordDataError`. It is called
    for up to 64 lines at a time, once for each. Without it `NaN` and `Infinity`, which are not
    JSON, are errors; `json.loads` takes them. Raises `TypeError` if it is not a function.

    >>> from anystream.net import ndjson
    >>> async def main():
    ...     print(await ndjson([b'{"a": 1}\\n\\n[2', b']\\n']).collect())
    >>> anyio.run(main)
    [{'a': 1}, [2]]
    """
    return assembled(source, document_row, "max_line", max_line, loads)


@overload
def json_seq(source: Bytes, *, max_text: int = MAX, loads: None = None) -> Stream[Any]: ...
@overload
def json_seq(source: Bytes, *, max_text: int = MAX, loads: Callable[[bytes], T]) -> Stream[T]: ...
@named_call
def json_seq(
    source: Bytes, *, max_text: int = MAX, loads: Callable[[bytes], Any] | None = None
) -> Stream[Any]:
    """The texts of a JSON text sequence (RFC 7464, `application/json-seq`).

    Before each text stands a record separator, 0x1E, and after it a line feed, at which it is
    delivered; there may be further ones inside it. Takes what `lines` takes, and `loads` as
    `ndjson` does; it is also called for what may not be all of a text yet.

    Raises `ValueError` if `max_text` is less than 1. After the texts before it, a step raises
    `RecordSizeError` for a text of more than `max_text` bytes, and `RecordDataError` with its
    number for one that is not UTF-8, not JSON or cut short. A number, `true`, `false` or `null`
    with nothing after it counts as cut short, since more of it may be missing.

    >>> from anystream.net import json_seq
    >>> async def main():
    ...     print(await json_seq([b'\\x1e{"a": 1}\\n', b'\\x1e[2,\\n3]\\n']).collect())
    >>> anyio.run(main)
    [{'a': 1}, [2, 3]]
    """
    return assembled(source, text_row, "max_text", max_text, loads)


def assembled(
    source: Any, row: Callable[..., Row], option: str, limit: int, loads: Any = None
) -> Stream[Any]:
    most = check.integer(option, limit, 1)
    fn = checked_loads(loads)
    extra = () if fn is None else (fn,)
    return Stream(Recipe.source(chunks(source), *row(label.value(source), most, *extra)))
