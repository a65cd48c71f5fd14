"""The responses. Where Starlette is installed they are responses of its kind as well."""

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from .. import _args as check
from .._labels import whole
from .._recipe import Items
from .._stream import Stream
from ..http.bodies.events import Comment, Event
from .encoding import Dumps, as_bytes, as_event, as_line, compact
from .exchange import Exchange, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from starlette.background import BackgroundTask
    from starlette.responses import Response as Base
else:
    try:
        from starlette.responses import Response as Base  # which FastAPI looks for
    except ImportError:
        Base = object

PING = Comment("ping").encode()


class StreamResponse(Base):
    """A response whose body is a stream of bytes or str: an ASGI application.

    It is also a response of Starlette, if that is installed, for the routes of Starlette and
    FastAPI. The arguments are those of its responses; `content` is a stream, an async iterable or
    an iterable.

    The stream is opened in the task that sends. Nothing is sent before its first item, so an error
    until then is raised, and the framework answers with a status of its own. Each item is sent
    before the next one is asked for. A client that leaves cancels the stream, which closes within
    its grace period, and then nothing is raised; middleware gets the status 499 if that was before
    the first item. An error after the first item is raised as well, so that the server cuts the
    response; the end is sent when the stream has closed. HEAD gets the headers alone, and opens
    nothing.

    Raises `TypeError` if `content` is none of these, or another argument of another type, and
    `ValueError` if `status_code` is less than 100. A call raises `ValueError` for another scope
    than that of an HTTP request.

    >>> import httpx
    >>> from anystream.asgi import StreamResponse
    >>> async def main():
    ...     app = StreamResponse(async_range(3).map(str), media_type="text/plain")
    ...     async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
    ...         print((await client.get("http://example.com")).text)
    >>> anyio.run(main)
    012
    """

    media_type: str | None = None

    def __init__(
        self,
        content: Items[bytes | str],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: "BackgroundTask | None" = None,
    ) -> None:
        self._prepare(content, status_code, headers, media_type, background)

    def _prepare(
        self,
        content: Items[Any],
        status_code: int,
        headers: Mapping[str, str] | None,
        media_type: str | None,
        background: "BackgroundTask | None",
    ) -> None:
        self._source: Stream[Any] = Stream(content)
        self.status_code: int = check.integer("status_code", status_code, 100)
        if media_type is not None:
            check.text("media_type", media_type)
            self.media_type = media_type
        if background is not None:
            check.called_function("background", background, "")
        self.background: BackgroundTask | None = background
        self.raw_headers: list[tuple[bytes, bytes]] = raw(headers, self._own_headers())

    def _own_headers(self) -> dict[str, str]:
        """Those that are sent unless others of their names are given."""
        kind = self.media_type
        if kind is None:
            return {}
        if kind.startswith("text/") and "charset=" not in kind.lower():
            kind += "; charset=utf-8"
        return {"content-type": kind}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(
                f"{type(self).__name__} answers HTTP requests, and this is a scope of the type"
                f" {scope['type']!r}: call it from a route, or from an application that handles"
                " the others"
            )
        start: Message = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        exchange = Exchange(start, receive, send)
        if scope["method"] == "HEAD":
            await exchange.run(nothing, self._last_words)
        else:
            await exchange.run(partial(self._pieces, scope), self._last_words)
        if self.background is not None:
            await self.background()

    async def _pieces(self, scope: Scope) -> Stream[bytes]:
        return self._source.map(as_bytes)

    async def _last_words(self, error: Exception) -> bytes:
        """What is sent after an error in the middle."""
        return b""


class JSONLinesResponse(StreamResponse):
    """A response with a line of JSON for each item of a stream, which is also called NDJSON.

    `dumps` gives the JSON of an item, as str or bytes of one line. The default writes what `json`
    knows, dataclasses and the models of pydantic, and no `NaN`.

    All else is as with `StreamResponse`. A step raises what `dumps` raises, and `ValueError` if
    that gives several lines.

    >>> import httpx
    >>> from anystream.asgi import JSONLinesResponse
    >>> async def main():
    ...     app = JSONLinesResponse(async_range(2).map(lambda n: {"n": n}))
    ...     async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
    ...         print((await client.get("http://example.com")).text, end="")
    >>> anyio.run(main)
    {"n":0}
    {"n":1}
    """

    media_type: str | None = "application/x-ndjson"

    def __init__(
        self,
        content: Items[Any],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: "BackgroundTask | None" = None,
        *,
        dumps: Callable[[Any], str | bytes] = compact,
    ) -> None:
        check.called_plain("dumps", dumps)
        self._dumps: Dumps = dumps
        self._prepare(content, status_code, headers, media_type, background)

    async def _pieces(self, scope: Scope) -> Stream[bytes]:
        return self._source.map(partial(as_line, dumps=self._dumps))


def internal(error: Exception) -> Event:
    """What a client may know of an error."""
    return Event("error", "Internal Server Error")


class EventResponse(StreamResponse):
    """A response of server-sent events.

    An item is an `Event` or a `Comment` of `anystream.http`, another object with `encode()`, bytes
    of whole events, FastAPI's `ServerSentEvent`, a str, which is sent as the data of a message, or
    anything else, which `dumps` makes JSON for the data. The default for it is that of
    `JSONLinesResponse`.

    Instead of a stream, `content` may be a function that returns one for the `Last-Event-ID` of the
    request, which is empty if there is none; plain or async.

    Whenever nothing has come for `heartbeat` seconds a comment is sent; None switches that off. The
    status is sent with the first item or comment, so that the connection of a quiet stream is
    opened as well.

    After an error in the middle, what `on_error`, plain or async, gives for it is sent as the last
    item, or nothing if that is None, and then the error is raised. The default is an event of the
    type `error` that tells nothing else. All else is as with `StreamResponse`.

    Raises `ValueError` if `heartbeat` is not positive, and `TypeError` if `content` is a function
    that does not take the one argument.

    >>> import httpx
    >>> from anystream.asgi import EventResponse
    >>> async def main():
    ...     app = EventResponse(["a", {"b": 1}])
    ...     async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
    ...         print((await client.get("http://example.com")).content)
    >>> anyio.run(main)
    b'data: a\\n\\ndata: {"b":1}\\n\\n'
    """

    media_type: str | None = "text/event-stream"

    def __init__(
        self,
        content: "Items[Any] | Callable[[str], Items[Any] | Awaitable[Items[Any]]]",
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: "BackgroundTask | None" = None,
        *,
        heartbeat: float | None = 15,
        dumps: Callable[[Any], str | bytes] = compact,
        on_error: Callable[[Exception], object] = internal,
    ) -> None:
        check.called_plain("dumps", dumps)
        check.called_function("on_error", on_error, "")
        if heartbeat is not None:
            check.seconds("heartbeat", heartbeat, zero=False)
        self._dumps: Dumps = dumps
        self._heartbeat: float | None = heartbeat
        self._on_error: Callable[[Exception], object] = on_error
        self._make: Callable[[str], Any] | None = maker(content)
        items = cast("Items[Any]", content) if self._make is None else ()
        self._prepare(items, status_code, headers, media_type, background)

    def _own_headers(self) -> dict[str, str]:
        return {
            **super()._own_headers(),
            "cache-control": "no-store",
            "x-accel-buffering": "no",  # nginx would hold back what it has not enough of
        }

    async def _pieces(self, scope: Scope) -> Stream[bytes]:
        source = self._source
        if self._make is not None:
            made = self._make(last_event_id(scope))
            source = made_of(await made if inspect.isawaitable(made) else made)
        events = source.map(self._encode)
        return events if self._heartbeat is None else events.heartbeat(self._heartbeat, PING)

    def _encode(self, item: Any) -> bytes:
        return as_event(item, self._dumps)

    async def _last_words(self, error: Exception) -> bytes:
        event = self._on_error(error)
        if inspect.isawaitable(event):
            event = await event
        return b"" if event is None else self._encode(event)


def maker(content: Any) -> Callable[[str], Any] | None:
    """The function that makes the stream, if this is no stream."""
    if callable(content) and not isinstance(content, (AsyncIterable, Iterable)):
        check_takes_id(content)
        return cast("Callable[[str], Any]", content)
    return None


def check_takes_id(content: Any) -> None:
    """A function of a stream for `Stream` takes no argument, and one of a response this one."""
    try:
        signature = inspect.signature(content)
    except (TypeError, ValueError):  # of mocks, and of some that are written in C
        return
    try:
        signature.bind("")
    except TypeError:
        raise TypeError(
            f"content must be a function of one argument, the Last-Event-ID, got {whole(content)}"
        ) from None


def made_of(given: Any) -> Stream[Any]:
    """What a function has given, as a stream that closes it."""
    if isinstance(given, Stream):  # which may need tasks
        return given  # pyright: ignore[reportUnknownVariableType]
    return Stream(lambda: given)


async def nothing() -> Stream[bytes]:
    return Stream[bytes](())


def raw(given: Mapping[str, str] | None, own: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """The headers as ASGI has them."""
    check_headers(given)
    headers = own | {name.lower(): value for name, value in (given or {}).items()}
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def check_headers(headers: Any) -> None:
    """`headers` must be names and values; what these are is not shown, as it may be a secret."""
    if headers is None:
        return
    given: Any = headers
    is_mapping = isinstance(headers, Mapping)
    if not is_mapping or not all(isinstance(each, str) for pair in given.items() for each in pair):
        kind: str = given.__class__.__name__
        raise TypeError(f"headers must be a mapping of str to str, got a {kind} that is not one")


def last_event_id(scope: Scope) -> str:
    """That of a request, which browsers send as UTF-8."""
    values = [value for name, value in scope["headers"] if name.lower() == b"last-event-id"]
    return str(values[-1], "utf-8", "replace") if values else ""
