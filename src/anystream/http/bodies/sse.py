"""A stream of server-sent events that connects again when its connection has gone."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, overload

from anyio import current_time
from anyio.lowlevel import checkpoint

from ... import _args as check
from ..._core.contracts import QUANTUM, Owner, clock
from ..._core.driver import EMPTY, Attempt
from ..._labels import whole
from ..._operators.transform import FlattenLists
from ..._records.lines import MAX
from ..._retry import Retry
from ..._stream import Stream
from .._clients import Client, place
from .._errors import BodyDataError
from .events import Comment, Decoder, Event
from .live import Connected, live
from .openings import MAX_PAUSE, SHOWN, Openings, checked_policy, other_type
from .requests import BodyRequest, named_request

if TYPE_CHECKING:
    import httpx

RECONNECT = Retry(times=10, first=1.0)
"""The policy if none is given, and only for requests that may be sent again unasked."""

LASTING = 30.0
"""Seconds after which a connection has worked, though it breaks: proxies cut quiet ones."""


@overload
def sse(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    last_event_id: str = "",
    retry: Retry | None = RECONNECT,
    max_retry_after: float = MAX_PAUSE,
    max_event: int = MAX,
    comments: Literal[False] = False,
) -> Stream[Event]: ...
@overload
def sse(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    last_event_id: str = "",
    retry: Retry | None = RECONNECT,
    max_retry_after: float = MAX_PAUSE,
    max_event: int = MAX,
    comments: bool,
) -> Stream[Event | Comment]: ...
@named_request
def sse(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str | None = None,
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    read_timeout: float | None = None,
    last_event_id: str = "",
    retry: Retry | None = RECONNECT,
    max_retry_after: float = MAX_PAUSE,
    max_event: int = MAX,
    comments: bool = False,
) -> Stream[Any]:
    """The server-sent events of a URL, an `EventSource` that follows the standard to the letter.

    `what`, `client` and the arguments of the request are those of `lines`. When the connection
    breaks, or the body ends, a GET or HEAD request is sent again after a pause, with the id of the
    last event as `Last-Event-ID`, `last_event_id` at first. The status 204 ends the stream; it is
    how a server says that there will be nothing more.

    A request with another method, such as the POST of an LLM API, is sent once: the end of the body
    is the end of the stream, and an error of the connection comes out. It is sent again only if
    `retry` is given.

    `retry` is the policy of the pauses, and of how many attempts in a row may fail; the last error
    comes out then. Its `first` gives way to the time that the server asks for, and no pause is
    shorter than that. After a body that has ended properly it is one `first`, growing only if
    there was no event in it. With None no request is sent again, and a response that is handed over
    cannot be.

    With `comments` the stream gives those of the server as well, each as a `Comment`; servers send
    them to keep a connection open, so they tell that it is.

    Everything runs in a task of its own, from the opening on and up to eight chunks ahead: a
    cancelled step may be repeated, loses no event and shortens no pause. The stream needs
    `async with` or a terminal call.

    A status that may pass is a failure as well: 429, 503, and any with `Retry-After`, which the
    pause keeps to. If the server asks for more than `max_retry_after` seconds, that is an error.

    Raises as `lines` does, and `TypeError` if `last_event_id` is not a `str` or `retry` not a
    `Retry`, `ValueError` if `max_event` is less than 1 or no header can hold `last_event_id`. A
    step raises `BodyStatusError` for any other status than 200 and 204, `BodyTypeError` for another
    content type than `text/event-stream`, and `RecordSizeError` for an event whose data, or a line
    of which, has more than `max_event` characters. None of these is tried again.

    >>> from anystream.http import sse
    >>> async def main():
    ...     async with sse("https://example.com/events") as events:
    ...         async for event in events:
    ...             print(event.type, event.json())
    """
    most = check.integer("max_event", max_event, 1)
    check.text("last_event_id", last_event_id)
    if not is_sendable(last_event_id):
        raise ValueError(
            f"last_event_id must not contain control characters, got {whole(last_event_id)}"
        )
    check.flag("comments", comments)
    request = BodyRequest(what, method, headers, content, json, read_timeout)
    request.check("sse", client)
    policy = checked_policy(request, retry, RECONNECT)
    longest = check.seconds("max_retry_after", max_retry_after)

    def open_it(response: Any, owner: Owner) -> EventSource:
        decoder = Decoder(place(what), most, last_event_id, comments=comments)
        openings = Openings(request, policy, longest, owner)
        return EventSource(request, Client(client), openings, decoder, response)

    return live(open_it, request, lambda _: FlattenLists())


class EventSource(Connected):
    """Lists of events, over as many connections as it takes."""

    def __init__(
        self,
        request: BodyRequest,
        client: Client,
        openings: Openings,
        decoder: Decoder,
        response: Any = None,
    ) -> None:
        super().__init__(request, client, openings, response)
        self.decoder = decoder
        self.chunks: Iterator[bytes] = EMPTY
        self.delivered: bool = False  # whether this connection has given an event
        self.since: float = math.inf  # when it was answered
        self.over: bool = False
        self.turn: float = 0.0  # when others get theirs

    async def batch(self) -> Iterator[list[Event | Comment]] | None:
        while not self.over:
            if self.decoder.failed is not None:
                raise self.decoder.failed
            if self.body is None:
                await self.connect()
            if clock() >= self.turn:  # there may be much without an event in it
                await checkpoint()
                self.turn = clock() + QUANTUM
            attempt = Attempt()
            try:
                chunk = await attempt.wait(self.chunk())
            except Exception as error:
                if attempt.was_cancelled:
                    raise
                await self.lost(error)
                continue
            if chunk is None:
                await self.lost(None)
            elif events := self.decoder.feed(chunk):
                self.delivered |= not self.decoder.comments or has_event(events)
                return iter((events,))
        return None

    async def chunk(self) -> bytes | None:
        assert self.body is not None
        while True:
            for chunk in self.chunks:
                return chunk
            batch = await self.body.batch()
            if batch is None or self.over:
                return None
            self.chunks = batch

    async def connect(self) -> None:
        await self.openings.wait()
        self.decoder.connect()
        self.delivered, self.since = False, math.inf
        self.body = self.connection()

    def prepare(self, request: Any) -> None:
        headers = request.headers
        if headers.get("Accept", "*/*") == "*/*":  # which is what a client sends by itself
            headers["Accept"] = "text/event-stream"
        headers.setdefault("Cache-Control", "no-cache")
        if last_id := self.decoder.last_id.strip(" \t"):
            if not is_sendable(last_id):
                problem = (
                    f"the id of the last event, {last_id[:SHOWN]!r}, cannot be sent in a header"
                )
                raise BodyDataError(problem, place(request))
            if not last_id.isascii():
                headers.encoding = "utf-8"
            headers["Last-Event-ID"] = last_id

    async def accept(self, response: Any) -> None:
        if response.status_code == 204:
            self.over = True
            return
        if response.status_code != 200:
            raise await self.openings.refused(response)
        if media_type(response.headers.get("content-type", "")) != "text/event-stream":
            raise await other_type(response, "text/event-stream")
        self.since = current_time()

    async def lost(self, error: Exception | None) -> None:
        """The connection has gone: close it, and decide when to connect again, if ever."""
        if self.over or self.openings.policy is None:
            self.over = True
            if error is not None:
                raise error
            return
        pause = self.pause(error, self.openings.policy)
        body, self.body, self.chunks = self.body, None, EMPTY
        assert body is not None
        await self.openings.leave(body, error, pause)

    def pause(self, error: Exception | None, policy: Retry) -> float:
        """How many seconds to pause; raises the error if nothing more is to be tried."""
        backoff, least = self.openings.backoff, self.decoder.retry or 0.0
        ended = error is None  # which is no failure, not even without an event
        has_worked = self.delivered or current_time() - self.since >= LASTING
        if policy.reset and (has_worked or ended):
            backoff.number = 0
        if has_worked and (policy.reset or ended):
            backoff.longest = 0.0
        if error is not None:
            least = max(least, self.openings.granted(error))
        pause = backoff.pause(self.decoder.retry, least)
        if has_worked and ended:
            backoff.longest = 0.0  # so that the first failure has the first pause again
        return pause

    async def close(self, owner: Owner) -> None:
        self.over = True
        self.chunks = EMPTY
        await super().close(owner)


def is_sendable(last_id: str) -> bool:
    """Whether a header can hold it."""
    return not any((char < " " and char != "\t") or char == "\x7f" for char in last_id)


def media_type(value: str) -> str:
    """That of a `Content-Type`; where a proxy has added another one, the last, as in browsers."""
    kinds = [each.partition(";")[0].strip().lower() for each in value.split(",")]
    return next((kind for kind in reversed(kinds) if "/" in kind), "")


def has_event(items: list[Event | Comment]) -> bool:
    return any(isinstance(item, Event) for item in items)
