"""The body of a response while it comes in: lines, JSON documents and JSON texts."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from ... import _checks as check
from ... import _labels as label
from ... import _stages as stages
from ..._batches import Operator, Source
from ..._json import document_row, text_row
from ..._lines import MAX, Row, line_row
from ..._operators.concurrent import merged
from ..._origins import Around, OneShot
from ..._run import Host
from ..._stream import Stream, behind, joined, made
from .._clients import Client, place
from .chunks import BodyChunks, successful
from .requests import BodyRequest, is_response

if TYPE_CHECKING:
    import httpx


AHEAD = 8
"""Chunks that are read before they are asked for, so that not each of them wakes a reader."""


def lines(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str = "GET",
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    max_line: int = MAX,
) -> Stream[str]:
    """The lines of the body of a response, as they come in.

    `what` is a URL or an httpx request, which each opening sends, or a response that has been sent
    for with `stream=True`, which can be opened once. The other arguments are those of the request
    to a URL; `read_timeout` is the number of seconds after which a silent server counts as gone,
    None is never. Without a `client` the stream makes one for each run. What has been opened is
    closed however the stream is left: the connection goes back to the pool if the body was read to
    its end, and is closed otherwise.

    A line is what `anystream.net.lines` takes for one. The body is read in a task of its own, from
    the opening on and up to eight chunks ahead, so a cancelled step may be repeated and loses
    nothing; the stream needs `async with` or a terminal call.

    Raises `TypeError` or `ValueError` if an argument is nothing of the kind or does not go with
    `what`, and `ImportError` if there is no client and httpx is not installed. A step raises
    `BodyStatusError` for a status that is not one of success; after the lines before,
    `RecordDataError` and `RecordSizeError` as `anystream.net.lines` does, and `BodyCutError` or
    `BodyDataError` if the body is packed and cannot be unpacked; and whatever the client raises.
    A body without a length that is not packed may end too early unnoticed: that is how HTTP is.

    >>> from anystream.http import lines
    >>> async def main():
    ...     async with lines("https://example.com/log") as log:
    ...         async for line in log:
    ...             print(line)
    """
    call = BodyRequest(what, method, headers, content, json, read_timeout)
    return body("lines", call, client, line_row, "max_line", max_line)


def ndjson(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str = "GET",
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    max_line: int = MAX,
) -> Stream[Any]:
    """The JSON documents of a body that has one in each line; blank lines are passed over.

    Takes the arguments of `lines`, and raises what it raises. A line that is no JSON is a
    `RecordDataError` with its number, the column and what stands there, after the documents before.

    >>> from anystream.http import ndjson
    >>> async def main():
    ...     async with ndjson("https://example.com/changes") as changes:
    ...         async for change in changes:
    ...             print(change["id"])
    """
    call = BodyRequest(what, method, headers, content, json, read_timeout)
    return body("ndjson", call, client, document_row, "max_line", max_line)


def json_seq(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str = "GET",
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    max_text: int = MAX,
) -> Stream[Any]:
    """The texts of a body that is a JSON text sequence (RFC 7464, `application/json-seq`).

    Takes the arguments of `lines`, with `max_text` in the place of `max_line`, and treats the texts
    as `anystream.net.json_seq` does.

    >>> from anystream.http import json_seq
    >>> async def main():
    ...     async with json_seq("https://example.com/readings") as readings:
    ...         async for reading in readings:
    ...             print(reading)
    """
    call = BodyRequest(what, method, headers, content, json, read_timeout)
    return body("json_seq", call, client, text_row, "max_text", max_text)


def body(
    name: str,
    call: BodyRequest,
    client: Any,
    row: Callable[[str, int], Row],
    option: str,
    limit: int,
) -> Stream[Any]:
    most = check.integer(option, limit, 1)
    call.check(name, client)
    options = call.written() | label.options(**{option: (most, MAX)})
    text = label.call(name, place(call.what), **options)
    return live(
        lambda response, _: Body(call, Client(client), response),
        call,
        text,
        *row(place(call.what), most),
    )


def live(
    open_it: Callable[[Any, Host], Source],
    call: BodyRequest,
    text: label.Label,
    *row: Callable[[Host], Operator],
) -> Stream[Any]:
    """A stream whose source runs in a task of its own, and is opened with the response if any."""
    origin: Callable[[Host], Source] = partial(open_it, None)
    if is_response(call.what):
        origin = OneShot(call.what, open_it)
    chunks = made(origin, text)
    buffered = joined(merged([chunks], AHEAD), text, [chunks], stages.CHUNKS, AHEAD)
    return Stream(behind(buffered, *row))


class Body(Around):
    """The chunks of a body, and the client that has asked for it."""

    def __init__(self, call: BodyRequest, client: Client, response: Any) -> None:
        self.client = client
        self.source: Source | None = BodyChunks(lambda: call.send(client), successful, response)

    @property
    def holds(self) -> bool:
        return super().holds or self.client.own is not None

    async def batch(self) -> Iterator[bytes] | None:
        assert self.source is not None
        return await self.source.batch()

    async def close(self, host: Host) -> None:
        await super().close(host)
        await self.client.close(host)
