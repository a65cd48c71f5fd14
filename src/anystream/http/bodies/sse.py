"""A stream of server-sent events that connects again when its connection has gone."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from ... import _checks as check
from ... import _labels as label
from ..._lines import MAX
from ..._operators.recover import in_except
from ..._operators.transform import Flatten
from ..._retry import Backoff, Retry
from ..._run import Host
from ..._steps import EMPTY
from ..._stream import Stream
from .._clients import Client, place
from .._errors import BodyCutError, BodyTypeError, is_of_the_connection
from .chunks import BodyChunks, refused
from .events import Decoder, Event
from .lines import live
from .requests import BodyRequest, is_response

if TYPE_CHECKING:
    import httpx

RECONNECT = Retry(times=10, first=1.0)
"""The policy if none is given, and only for requests that may be sent again unasked."""


def sse(
    what: "str | httpx.URL | httpx.Request | httpx.Response",
    *,
    client: "httpx.AsyncClient | None" = None,
    method: str = "GET",
    headers: Any = None,
    content: Any = None,
    json: Any = None,
    last_event_id: str = "",
    retry: Retry | None = RECONNECT,
    read_timeout: float | None = None,
    max_event: int = MAX,
) -> Stream[Event]:
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

    Everything runs in a task of its own, from the opening on and up to eight chunks ahead: a
    cancelled step may be repeated, loses no event and shortens no pause. The stream needs
    `async with` or a terminal call.

    Raises as `lines` does, and `TypeError` if `last_event_id` is no text or `retry` no `Retry`,
    `ValueError` if `max_event` is less than 1. A step raises `BodyStatusError` for any other status
    than 200 and 204, `BodyTypeError` for another content type than `text/event-stream`, and
    `RecordSizeError` for an event whose data, or a line of which, has more than `max_event`
    characters. None of these is tried again.

    >>> from anystream.http import sse
    >>> async def main():
    ...     async with sse("https://example.com/events") as events:
    ...         async for event in events:
    ...             print(event.type, event.json())
    """
    most = check.integer("max_event", max_event, 1)
    check.text("last_event_id", last_event_id)
    given_retry: Any = retry
    if not isinstance(given_retry, (Retry, type(None))):
        raise TypeError(f"retry must be a Retry, got {retry!r}")
    call = BodyRequest(what, method, headers, content, json, read_timeout)
    call.check("sse", client)
    given = label.options(
        last_event_id=(last_event_id, ""), retry=(retry, RECONNECT), max_event=(most, MAX)
    )
    text = label.call("sse", place(what), **call.written(), **given)
    is_once = is_response(what) or (retry is RECONNECT and not call.repeatable)
    policy = None if is_once else retry

    def open_it(response: Any, host: Host) -> EventSource:
        decoder = Decoder(place(what), most, last_event_id)
        return EventSource(call, Client(client), policy, decoder, response, host)

    return live(open_it, call, text, Flatten)


class EventSource:
    """Lists of events, over as many connections as it takes."""

    closes = True
    busy = False
    any_task = False

    def __init__(
        self,
        call: BodyRequest,
        client: Client,
        policy: Retry | None,
        decoder: Decoder,
        response: Any,
        host: Host,
    ) -> None:
        self.call = call
        self.client = client
        self.policy = policy
        self.decoder = decoder
        self.host = host
        self.body: BodyChunks | None = self.connection(response)
        self.chunks: Iterator[bytes] = EMPTY
        self.delivered = False  # whether this connection has given an event
        self.backoff = Backoff(RECONNECT if policy is None else policy)
        self.due = 0.0  # when to connect again
        self.over = False

    @property
    def holds(self) -> bool:
        return self.client.own is not None or (self.body is not None and self.body.holds)

    async def batch(self) -> Iterator[list[Event]] | None:
        while not self.over:
            if self.decoder.failed is not None:
                raise self.decoder.failed
            if self.body is None:
                await self.connect()
            try:
                chunk = await self.chunk()
            except Exception as error:
                await self.lost(error)
                continue
            if chunk is None:
                await self.lost(None)
            elif events := self.decoder.feed(chunk):
                self.delivered = True
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
        await anyio.sleep_until(self.due)
        self.decoder.connect()
        self.delivered = False
        self.body = self.connection()

    def connection(self, response: Any = None) -> BodyChunks:
        return BodyChunks(partial(self.call.send, self.client, self.prepare), self.accept, response)

    def prepare(self, request: Any) -> None:
        headers = request.headers
        if headers.get("Accept", "*/*") == "*/*":  # which is what a client sends by itself
            headers["Accept"] = "text/event-stream"
        headers.setdefault("Cache-Control", "no-store")
        if last_id := self.decoder.last_id.strip(" \t"):
            if not last_id.isascii():
                headers.encoding = "utf-8"
            headers["Last-Event-ID"] = last_id

    def accept(self, response: Any) -> None:
        if response.status_code == 204:
            self.over = True
            return
        if response.status_code != 200:
            raise refused(response)
        kind = response.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != "text/event-stream":
            problem = f"the content type is {kind!r}, and not text/event-stream"
            raise BodyTypeError(problem, place(response))

    async def lost(self, error: Exception | None) -> None:
        """The connection has gone: close it, and decide when to connect again, if ever."""
        if self.over or self.policy is None:
            self.over = True
            if error is not None:
                raise error
            return
        pause = self.decide(error, self.policy)
        body, self.body, self.chunks = self.body, None, EMPTY
        assert body is not None
        await body.close(self.host)
        self.host.settle(error)
        if error is not None and self.policy.hook is not None:
            await in_except(error, self.policy.hook, self.backoff.number, error, pause)
        self.due = anyio.current_time() + pause

    def decide(self, error: Exception | None, policy: Retry) -> float:
        """How many seconds to pause; raises the error if nothing more is to be tried."""
        backoff = self.backoff
        if self.delivered and policy.reset:
            backoff.reset()
        if error is not None:
            if not is_broken(error):
                raise error
            backoff.grant(error)
        elif self.delivered:  # this is no failure, so the next pause is the first one again
            backoff.reset()
        else:
            backoff.number += 1
        asked = self.decoder.retry
        return backoff.pause(asked, asked or 0.0)

    async def close(self, host: Host) -> None:
        self.over = True
        self.chunks = EMPTY
        if self.body is not None:
            await self.body.close(host)
        await self.client.close(host)


def is_broken(error: Exception) -> bool:
    """Whether the stream of events was cut off, which another connection may mend."""
    return is_of_the_connection(error) or isinstance(error, (OSError, BodyCutError))
