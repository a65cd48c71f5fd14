"""What can go wrong on demand, on any route, by parameters of the query.

`fault=KIND` is what, `at=K` on which page (where there are none: at which request), by default the
second, `times=N` how many times in a row, where 0 is always. Each server counts them by the path
and the parameter `run`, or without one by the path and the query. By default a fault of the
transport happens once, one of the content always.

| of the transport | |
|---|---|
| `404`, `503`, ... | this status; `retry_after=SECONDS`, or `date:SECONDS` for a date then; \
`ratelimit=SECONDS` for `x-ratelimit-remaining: 0` and `x-ratelimit-reset` so far ahead |
| `cut`, `cut-chunked` | the connection is closed in the middle of the body, which has a length, \
or is sent in chunks |
| `cut-gzip` | a compressed body, whose last 12 bytes are missing and whose length is right |
| `slow` | the answer takes `delay=SECONDS`, by default 0.5 |
| `reset` | the connection is reset instead of an answer |
| `redirect-origin` | a redirect to the same page at the other origin |

| of the content | |
|---|---|
| `garbled`, `utf8` | half of the body; bytes that are no UTF-8 |
| `errors` | errors of GraphQL with the status 200 |
| `listless`, `two` | no list where the items should be; a second list beside it |
| `empty` | a page without its items, and with a next one |
| `total` | the total is larger by 5 from this page on |
| `loop` | a step back by `back=PAGES`, by default 1 |
| `origin` | the next page is at the other origin |
"""

import gzip
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.utils import formatdate

from anystream._cli.server.http import Answer, Headers, Request, as_json

_CONTENT = ("garbled", "utf8", "errors", "listless", "two", "empty", "total", "loop", "origin")
_ELSEWHERE = ("origin", "redirect-origin")
_LOST = 12
_ERRORS = b'{"data": null, "errors": [{"message": "something went wrong", "type": "INTERNAL"}]}'


class Hangup(Exception):
    """The server closes the connection here and now, politely or not."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


@dataclass
class Faults:
    """The faults of a server so far."""

    requests: Counter[str] = field(default_factory=Counter[str])
    done: Counter[str] = field(default_factory=Counter[str])

    def due(
        self, request: Request, page_of: Callable[[Request], int] | None, other: str | None
    ) -> "Fault | None":
        """The fault that is due in the answer to this request."""
        kind = request.query.get("fault")
        if kind is None or (kind in _ELSEWHERE and other is None):
            return None
        if not (kind in {*_SPOILED, *_CONTENT, *_ELSEWHERE} or kind.isdecimal()):
            raise ValueError(f"no such fault: {kind}")
        run = f"{request.path} {request.query.get('run') or request.target}"
        self.requests[run] += 1
        number = page_of(request) if page_of else self.requests[run]
        at, times = request.number("at", 2), request.number("times", int(kind not in _CONTENT))
        begun = number >= at if kind == "total" or not page_of else number == at
        if not begun or (times and self.done[run] == times):
            return None
        self.done[run] += 1
        return Fault(kind, other or "")


@dataclass(frozen=True)
class Fault:
    kind: str
    other: str  # the other origin

    def spoil(self, request: Request, answer: Answer) -> Answer:
        """What is sent in the place of this answer."""
        if self.kind.isdecimal():
            return _status(request, int(self.kind))
        if self.kind == "redirect-origin":
            return Answer(b"", 302, (("Location", self.other + request.target),))
        spoiled = _SPOILED.get(self.kind)
        return spoiled(request, answer) if spoiled else answer


def _whole(answer: Answer) -> bytes:
    if isinstance(answer.body, bytes):
        return answer.body
    return b"".join(part for part in answer.body if isinstance(part, bytes))


def _status(request: Request, status: int) -> Answer:
    answer = as_json({"error": f"status {status} on demand"}, status)
    return replace(answer, headers=(*answer.headers, *_advice(request)))


def _advice(request: Request) -> Headers:
    """What the client is told about when to come back."""
    advice: Headers = ()
    if after := request.query.get("retry_after"):
        kind, _, seconds = after.rpartition(":")
        later = formatdate(time.time() + float(seconds), usegmt=True) if kind else seconds
        advice = (("Retry-After", later),)
    if pause := request.query.get("ratelimit"):
        reset = math.ceil(time.time() + float(pause))
        advice += (("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", str(reset)))
    return advice


def _cut(request: Request, answer: Answer) -> Answer:
    body = _whole(answer)
    length = ("Content-Length", str(len(body)))
    return replace(answer, body=_half(body), headers=(*answer.headers, length))


def _cut_chunked(request: Request, answer: Answer) -> Answer:
    return replace(answer, body=_half(_whole(answer)))


def _half(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise Hangup


def _cut_gzip(request: Request, answer: Answer) -> Answer:
    body = gzip.compress(_whole(answer))[:-_LOST]
    return replace(answer, body=body, headers=(*answer.headers, ("Content-Encoding", "gzip")))


def _slow(request: Request, answer: Answer) -> Answer:
    return replace(answer, delay=request.seconds("delay", 0.5))


def _reset(request: Request, answer: Answer) -> Answer:
    raise Hangup(reset=True)


def _garbled(request: Request, answer: Answer) -> Answer:
    body = _whole(answer)
    return replace(answer, body=body[: len(body) // 2])


def _no_utf8(request: Request, answer: Answer) -> Answer:
    return replace(answer, body=_whole(answer).replace(b'"item ', b'"\xff\xfeitem '))


def _errors(request: Request, answer: Answer) -> Answer:
    return replace(answer, body=_ERRORS)


_SPOILED: dict[str, Callable[[Request, Answer], Answer]] = {
    "cut": _cut,
    "cut-chunked": _cut_chunked,
    "cut-gzip": _cut_gzip,
    "slow": _slow,
    "reset": _reset,
    "garbled": _garbled,
    "utf8": _no_utf8,
    "errors": _errors,
}
