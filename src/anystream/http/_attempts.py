"""One page over its attempts: what is worth another one, and when."""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from anyio import current_time, sleep_until

from .._operators.recover import in_except
from .._retry import Backoff
from ._contents import Contents
from ._errors import (
    PageStatusError,
    RetryAfterError,
    TruncatedPage,
    is_named,
    is_of_the_connection,
    told,
)
from ._page import Page, Step
from ._requests import Requests

SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


class Fetch:
    """The fetching of one page. A cancelled call may be repeated, and waits no less for that."""

    def __init__(self, requests: Requests, contents: Contents, step: Step, number: int) -> None:
        self.requests = requests
        self.contents = contents
        self.step = step
        try:
            self.url = requests.url(step)
        except Exception as exc:
            raise told(exc, step.get("url", requests.ask.url), number) from exc.__cause__
        self.number = number
        self.backoff: Backoff | None = None  # from the first failure on
        self.due: float | None = None  # when the pause is over
        self.turn: float | None = None  # when the rate allows the next attempt
        self.failed: tuple[Exception, int, float] | None = None  # what the hook has to hear of

    @property
    def key(self) -> int:
        """A hash of what is asked for."""
        body = self.step.get("json")
        return hash(self.url) if body is None else hash((self.url, repr(body)))

    async def page(self) -> Page[Any]:
        while True:
            if self.due is not None:
                await self.wait(self.due)
            if self.requests.ask.interval:
                await self.take_turn()
            try:
                response = await self.requests.response(self.step, self.url, self.number)
                if not 200 <= response.status_code < 300:
                    return self.past_the_end(response)
                return await self.contents.read(response, self.step, self.number)
            except Exception as exc:
                self.again(told(exc, self.url, self.number))

    async def wait(self, due: float) -> None:
        """Tell the hook of the policy, and pause; the pause counts from the failure on."""
        hook = self.requests.ask.retry.hook
        if self.failed is not None and hook is not None:
            error, number, pause = self.failed
            await in_except(error, hook, number, error, pause)
        self.failed = None
        await sleep_until(due)
        self.due = None

    async def take_turn(self) -> None:
        if self.turn is None:
            self.turn = self.requests.slot(current_time())
        await sleep_until(self.turn)

    def past_the_end(self, response: Any) -> Page[Any]:
        """No more items, if the status means that; otherwise it is raised."""
        scheme = self.contents.scheme
        if scheme and response.status_code in scheme.end_statuses and self.step != scheme.first():
            return self.contents.empty(response, self.step, self.number)
        raise self.refused(response)

    def refused(self, response: Any) -> PageStatusError:
        """The error for a status that is not one of success."""
        after = wanted_pause(response.headers)
        limit = self.requests.ask.max_retry_after
        status, reason = response.status_code, response.reason_phrase
        limited = response.headers.get("x-ratelimit-remaining") == "0"
        limited = limited or (after is not None and status == 403)
        too_long = after is not None and after > limit and may_pass(status, limited)
        kind = RetryAfterError if too_long else PageStatusError
        return kind(status, reason, response.url, self.number, retry_after=after, limited=limited)

    def again(self, error: Exception) -> None:
        """Decide when the next attempt is made; raises the `error` if there is none."""
        ask = self.requests.ask
        try:
            if ask.method not in ask.retry_methods or not is_transient(error):
                raise error
            if self.backoff is None:
                self.backoff = Backoff(ask.retry)
            self.backoff.grant(error)
            wanted: float = getattr(error, "retry_after", None) or 0.0
            pause = max(self.backoff.pause(), wanted)
            self.failed = error, self.backoff.number, pause
            self.due = current_time() + pause
            self.turn = None
        finally:
            del error  # which refers to this frame, once raised


def is_transient(error: Exception) -> bool:
    """Whether another attempt may go better."""
    if isinstance(error, RetryAfterError):
        return False
    if isinstance(error, PageStatusError):
        return may_pass(error.status, error.limited)
    if isinstance(error, TruncatedPage):
        return True
    return is_of_the_connection(error) or is_named(error, "DecodingError")


def may_pass(status: int, limited: bool) -> bool:
    """Whether a server that answers with this status may answer otherwise later."""
    return status in (408, 429) or status >= 500 or (status == 403 and limited)


def wanted_pause(headers: Mapping[str, str]) -> float | None:
    """The seconds for which a server asks to be left alone, if it does."""
    value = headers.get("retry-after", "").strip()
    if SECONDS.fullmatch(value):
        return float(value)
    until = timestamp(value)
    if until is None and headers.get("x-ratelimit-remaining") == "0":
        reset = headers.get("x-ratelimit-reset", "").strip()
        until = float(reset) if SECONDS.fullmatch(reset) else None
        if until is not None and until < 1e9:  # seconds from now on, and not since 1970
            return until
    if until is None:
        return None
    now = timestamp(headers.get("date", ""))  # by the server's own clock, if it tells the time
    return max(0.0, until - (time.time() if now is None else now))


def timestamp(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
