"""Lines, JSON documents and JSON texts out of a body while it comes in."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

from ... import _args as check
from ..._core.contracts import Owner
from ..._records.json import checked_loads, document_row, text_row
from ..._records.lines import MAX, Row, line_row
from ..._retry import Retry
from ..._stream import Stream
from .._clients import Client, place
from .live import Body, live
from .openings import MAX_PAUSE, Openings, checked_policy
from .requests import BodyRequest, named_request

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

OPENING = Retry(times=3, first=0.5, cap=MAX_PAUSE)
"""The policy if none is given, and only for requests that may be sent again unasked."""


@named_request
def lines(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    retry: Retry | None = OPENING,
    max_retry_after: float = MAX_PAUSE,
    max_line: int = MAX,
) -> Stream[str]:
    """The lines of the body of a response, as they come in.

    `what` is a URL or an httpx request, which each opening sends, or a response that has been sent
    for with `stream=True`, which can be opened once. The other arguments are those of the request
    to a URL: `method` is by default GET, or POST if there is `content` or `json`; `read_timeout` is
    the number of seconds after which a silent server counts as gone, None is never. Without a
    `client` the stream makes one for each run. What has been opened is closed however the stream is
    left: the connection goes back to the pool if the body was read to its end, and is closed
    otherwise.

    `retry` is the policy of further attempts to have the response, of which nothing has come yet:
    after an error of the connection, and after a status that may pass, which is 429, 503 and any
    with `Retry-After`. The pause is as long as the server asks for, unless that is more than
    `max_retry_after` seconds, which is an error. Other methods than GET and HEAD are tried again
    only if a policy is given; with None nothing is. Once the body has begun, no error is made good.
    `content` that can be read only once, such as an async generator, is never sent again: to open
    the stream again is a `StreamConsumedError` in its step then.

    A line is what `anystream.net.lines` takes for one. The body is read in a task of its own, from
    the opening on and up to eight chunks ahead, so a cancelled step may be repeated and loses
    nothing; the stream needs `async with` or a terminal call.

    Raises `TypeError` or `ValueError` if an argument is of another type, out of range, or not
    allowed with `what`, and `ImportError` if there is no client and httpx is not installed.

    A step raises `BodyStatusError` for a status that is not one of success, with what the server
    says. After the lines before, it raises `RecordDataError` and `RecordSizeError` as
    `anystream.net.lines` does, and `BodyCutError` or `BodyDataError` if the body is packed and
    cannot be unpacked. Errors of the client propagate unchanged. A body without a length that is
    not packed may end too early unnoticed: that is how HTTP is.

    >>> from anystream.http import lines
    >>> async def main():
    ...     async with lines("https://example.com/log") as log:
    ...         async for line in log:
    ...             print(line)
    """
    request = BodyRequest(what, method, headers, content, json, read_timeout)
    given = Options(client, retry, max_retry_after, max_line)
    return body("lines", request, given, "max_line", line_row)


@overload
def ndjson(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    retry: Retry | None = OPENING,
    max_retry_after: float = MAX_PAUSE,
    max_line: int = MAX,
    loads: None = None,
) -> Stream[Any]: ...
@overload
def ndjson(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    retry: Retry | None = OPENING,
    max_retry_after: float = MAX_PAUSE,
    max_line: int = MAX,
    loads: Callable[[bytes], T],
) -> Stream[T]: ...
@named_request
def ndjson(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    retry: Retry | None = OPENING,
    max_retry_after: float = MAX_PAUSE,
    max_line: int = MAX,
    loads: Callable[[bytes], Any] | None = None,
) -> Stream[Any]:
    """The JSON documents of a body that has one in each line; blank lines are passed over.

    Takes the arguments of `lines`, and raises what it raises. A line that is not JSON is a
    `RecordDataError` with its number, the column and what stands there, after the documents before.
    `loads` is a function such as `orjson.loads`, as `anystream.net.ndjson` takes it.

    >>> from anystream.http import ndjson
    >>> async def main():
    ...     async with ndjson("https://example.com/changes") as changes:
    ...         async for change in changes:
    ...             print(change["id"])
    """
    request = BodyRequest(what, method, headers, content, json, read_timeout)
    given = Options(client, retry, max_retry_after, max_line, loads)
    return body("ndjson", request, given, "max_line", document_row)


@overload
def json_seq(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    retry: Retry | None = OPENING,
    max_retry_after: float = MAX_PAUSE,
    max_text: int = MAX,
    loads: None = None,
) -> Stream[Any]: ...
@overload
def json_seq(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    retry: Retry | None = OPENING,
    max_retry_after: float = MAX_PAUSE,
    max_text: int = MAX,
    loads: Callable[[bytes], T],
) -> Stream[T]: ...
@named_request
def json_seq(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    retry: Retry | None = OPENING,
    max_retry_after: float = MAX_PAUSE,
    max_text: int = MAX,
    loads: Callable[[bytes], Any] | None = None,
) -> Stream[Any]:
    """The texts of a body that is a JSON text sequence (RFC 7464, `application/json-seq`).

    Takes the arguments of `lines`, with `max_text` in the place of `max_line`, and treats the texts
    as `anystream.net.json_seq` does, with `loads` if that is given.

    >>> from anystream.http import json_seq
    >>> async def main():
    ...     async with json_seq("https://example.com/readings") as readings:
    ...         async for reading in readings:
    ...             print(reading)
    """
    request = BodyRequest(what, method, headers, content, json, read_timeout)
    given = Options(client, retry, max_retry_after, max_text, loads)
    return body("json_seq", request, given, "max_text", text_row)


class Options(NamedTuple):
    """What the three functions have in common, beside the request."""

    client: Any
    retry: Any
    max_retry_after: Any
    limit: Any
    loads: Any = None


def body(
    name: str, request: BodyRequest, given: Options, option: str, row: Callable[..., Row]
) -> Stream[Any]:
    most = check.integer(option, given.limit, 1)
    request.check(name, given.client)
    policy = checked_policy(request, given.retry, OPENING)
    longest = check.seconds("max_retry_after", given.max_retry_after)
    fn = checked_loads(given.loads)

    def open_it(response: Any, owner: Owner) -> Body:
        openings = Openings(request, policy, longest, owner)
        return Body(request, Client(given.client), openings, response)

    extra = () if fn is None else (fn,)
    return live(open_it, request, *row(place(request.what), most, *extra))
