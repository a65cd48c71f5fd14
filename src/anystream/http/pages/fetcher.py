"""Getting one page: its request, its attempts, and what is worth another one."""

from functools import cached_property, partial
from typing import Any

from anyio import current_time, sleep_until
from anyio.lowlevel import checkpoint

from ..._core.driver import Attempt
from ..._core.orphans import close_row
from ..._core.owner import shielded
from ..._core.siblings import add_notes
from ..._operators.recover import in_except
from ..._retry import Backoff
from .._clients import REDIRECTS, answered, follow, send_bare
from .._errors import (
    BodyCutError,
    PageDataError,
    PageSizeError,
    PageStatusError,
    RetryAfterError,
    TruncatedPage,
    is_named,
    is_of_the_connection,
    told,
)
from .._packing import chunks_of
from .._pauses import is_spent, wanted_pause
from .._refusals import is_certificate_error, read_refusal, reason
from .._urls import safe
from .page import Page, Step
from .reading import PageReader
from .requests import Pacer, Requests

SLICE = 4
"""Requests, or pieces of `PIECE` bytes, after which other tasks have their turn."""

PIECE = 16_384


class Fetcher:
    """What fetches the pages of a run: requests are built, paced, sent, and their answers read."""

    def __init__(self, requests: Requests, reader: PageReader, pacer: Pacer) -> None:
        self.requests = requests
        self.reader = reader
        self.pacer = pacer
        self.exhausted: RetryAfterError | None = None  # what the next request is not worth
        self.held: int = SLICE  # how much was done since other tasks have had their turn

    async def turn(self) -> None:
        """Wait for the turn of a request; a client that answers at once lets nobody else in."""
        if self.exhausted is not None:
            raise self.exhausted
        if self.held >= SLICE:
            self.held = 0
            await checkpoint()
        self.held += 1
        await self.pacer.turn()

    async def response(self, step: Step, url: str, number: int) -> Any:
        """The response to a step, read to its end, behind redirects if the client follows them."""
        request = self.requests.request(step, url)
        trusted = self.requests.is_trusted(step, url) or self.requests.at_home(request, number)
        client = self.requests.client
        send = client.send if trusted else partial(send_bare, client)
        response = await answered(send, request)
        try:
            if response.next_request is not None:
                at_home = partial(self.requests.at_home, number=number)
                response = await follow(client, response, at_home)
                if response is None:
                    raise PageDataError(f"more than {REDIRECTS} redirects", url, number)
            if 200 <= response.status_code < 300:
                response = await whole(response, self.requests.ask.max_page_bytes, number)
                self.held += len(response.content) // PIECE
        except BaseException:
            if response is not None:
                await shielded(response.aclose)
            raise
        return response


async def whole(response: Any, limit: int, number: int) -> Any:
    """The response with all of its body, which is at most `limit` bytes long when unpacked."""
    headers = response.headers
    length = headers.get("content-length", "")
    if response.is_stream_consumed:
        if len(response.content) > limit:
            raise too_large(limit, response, number)
        return response
    if length.isdecimal() and "content-encoding" not in headers:
        if int(length) > limit:
            raise too_large(limit, response, number)
        await response.aread()
        return response
    return loaded(response, await unpacked(response, limit, number))


async def unpacked(response: Any, limit: int, number: int) -> bytes:
    """The body, looked at while it is unpacked piece by piece."""
    chunks, packing = chunks_of(response, str(response.url))
    pieces: list[bytes] = []
    size = 0
    try:
        async for chunk in chunks:
            for piece in packing.feed(chunk):
                size += len(piece)
                if size > limit:
                    raise too_large(limit, response, number)
                pieces.append(piece)
        packing.end()
    except PageSizeError:
        await shielded(response.aclose)
        await close_row(chunks, shielded, response)
        raise
    await response.aclose()
    return b"".join(pieces)


def loaded(response: Any, content: bytes) -> Any:
    """The same response with this content, which is not packed any more."""
    packed = ("content-encoding", "content-length", "transfer-encoding")
    raw = [pair for pair in response.headers.raw if pair[0].decode("ascii").lower() not in packed]
    copy = type(response)(
        response.status_code,
        headers=raw,
        content=content,
        request=response.request,
        extensions={name: each for name, each in response.extensions.items() if name != "stream"},
        history=response.history,
    )
    copy.next_request = response.next_request
    return copy


def too_large(limit: int, response: Any, number: int) -> PageSizeError:
    return PageSizeError(f"the body is larger than max_page_bytes={limit}", response.url, number)


class Fetch:
    """The fetching of one page. A cancelled call may be repeated, and waits no less for that."""

    def __init__(self, fetcher: Fetcher, step: Step, number: int) -> None:
        self.fetcher = fetcher
        self.step = step
        requests = fetcher.requests
        try:
            self.url: str = requests.url(step)
        except Exception as exc:
            raise told(exc, step.get("url", requests.ask.url), number) from exc.__cause__
        self.key: int = requests.key(step, self.url)
        self.number = number
        self.due: float | None = None  # when the pause is over
        self.failed: tuple[Exception, int, float] | None = None  # what the hook has to hear of

    @cached_property
    def backoff(self) -> Backoff:
        return Backoff(self.fetcher.requests.ask.retry)

    @cached_property
    def quota(self) -> Backoff:
        """Of refusals, which use up no attempt."""
        return Backoff(self.fetcher.requests.ask.retry)

    async def page(self) -> Page[Any]:
        while True:
            if self.due is not None:
                await self.wait(self.due)
            await self.fetcher.turn()
            attempt = Attempt()
            try:
                return await attempt.wait(self.attempt())
            except Exception as exc:
                if attempt.was_cancelled:
                    raise
                self.again(told(exc, self.url, self.number))
            finally:
                self.fetcher.pacer.landed()

    async def attempt(self) -> Page[Any]:
        fetcher, step, number = self.fetcher, self.step, self.number
        response = await fetcher.response(step, self.url, number)
        if not 200 <= response.status_code < 300:
            return await self.past_the_end(response)
        fetcher.pacer.answered(self.spent(response))
        return await fetcher.reader.read(response, step, number)

    async def wait(self, due: float) -> None:
        """Tell the hook of the policy, and pause; the pause counts from the failure on."""
        hook = self.fetcher.requests.ask.retry.hook
        if self.failed is not None and hook is not None:
            error, number, pause = self.failed
            await in_except(error, hook, number, error, pause)
        self.failed = None
        await sleep_until(due)
        self.due = None

    def spent(self, response: Any) -> float | None:
        """For how long no other request is welcome, since this one was the last of a quota."""
        if not any(b"imit" in name for name, _ in response.headers.raw):
            return None
        pause = wanted_pause(response.headers) if is_spent(response.headers) else None
        limit = self.fetcher.requests.ask.max_retry_after
        if pause is not None and pause > limit:
            self.fetcher.exhausted = RetryAfterError(
                response.status_code,
                response.reason_phrase,
                response.url,
                self.number,
                retry_after=pause,
                limited=True,
                more=f"; the rate limit is used up{longer(pause, limit)}",
            )
            return None
        return pause

    async def past_the_end(self, response: Any) -> Page[Any]:
        """No more items, if the status means that; otherwise it is raised."""
        reader = self.fetcher.reader
        scheme, first = reader.given, self.fetcher.requests.ask.first
        if scheme and response.status_code in scheme.end_statuses and self.step != first:
            await response.aclose()
            return reader.empty(response, self.step, self.number)
        raise await self.refused(response)

    async def refused(self, response: Any) -> PageStatusError:
        """The error for a status that is not one of success."""
        given = await read_refusal(response)
        after, spent = wanted_pause(given.headers), is_spent(given.headers)
        status = response.status_code
        limited = status == 429 or spent or (after is not None and status == 403)
        limit = self.fetcher.requests.ask.max_retry_after
        more = f": {said}" if (said := reason(given, response.request)) else ""
        if response.next_request is not None:
            target = safe(str(response.next_request.url))
            more = f"{more}, to {target}; a client with follow_redirects=True would follow it"
        kind = PageStatusError
        if after is not None and after > limit and may_pass(status, limited):
            kind, more = RetryAfterError, more + longer(after, limit)
        return kind(
            status,
            response.reason_phrase,
            response.url,
            self.number,
            retry_after=after,
            limited=limited,
            response=given,
            more=more,
        )

    def again(self, error: Exception) -> None:
        """Decide when the next attempt is made; raises the `error` if there is none."""
        ask = self.fetcher.requests.ask
        try:
            method = self.step.get("method", ask.method)
            if method not in ask.retry_methods or not is_transient(error):
                raise error
            if is_quota(error):
                self.later(error, ask.max_retry_after)
                return
            self.backoff.grant(error)
            self.rest(error, self.backoff.pause())
        finally:
            del error  # which refers to this frame, once raised

    @property
    def attempts(self) -> int:
        """How many were made in total."""
        return self.backoff.number + self.quota.number

    def later(self, error: Exception, limit: float) -> None:
        """Pause the whole run, since the server wants it; that is not a failure of this page."""
        try:
            if self.quota.policy.times == 0 or not self.quota.wants(error):
                raise error
            self.quota.number += 1
            wanted: float = getattr(error, "retry_after", None) or 0.0
            pause = max(self.quota.pause(), wanted, LEAST)
            limited: bool = getattr(error, "limited", False)
            if not self.fetcher.pacer.refused(pause, limited=limited):
                add_notes(
                    error,
                    f"the server has answered no request for {limit:g} s, which is max_retry_after",
                )
                raise error
            self.rest(error, pause)
        finally:
            del error

    def rest(self, error: Exception, pause: float) -> None:
        """Begin a pause of `pause` seconds, and tell the hook."""
        self.failed = error, self.attempts, pause
        self.due = current_time() + pause


def longer(pause: float, limit: float) -> str:
    return f"; the server asks for a pause of {pause:g} s, but max_retry_after allows {limit:g} s"


LEAST = 0.05
"""Seconds of the shortest pause after a refusal, however short the server wants it."""


def is_quota(error: Exception) -> bool:
    """Whether the server would have answered if less had been asked for."""
    return isinstance(error, PageStatusError) and (error.limited or error.retry_after is not None)


def is_transient(error: Exception) -> bool:
    """Whether another attempt may go better."""
    if isinstance(error, RetryAfterError):
        return False
    if isinstance(error, PageStatusError):
        return may_pass(error.status, error.limited)
    if isinstance(error, TruncatedPage | BodyCutError):
        return True
    if is_certificate_error(error):
        return False
    return is_of_the_connection(error) or is_named(error, "DecodingError")


def may_pass(status: int, limited: bool) -> bool:
    """Whether a server that answers with this status may answer otherwise later."""
    return status in (408, 429) or status >= 500 or (status == 403 and limited)
