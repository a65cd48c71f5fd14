"""Bodies that arrive bit by bit, and an echo.

`?n=` is how many items there are, `?delay=` how many seconds pass after each of them.
"""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from itertools import islice

from .http import TEXT, Answer, Hangup, Request, as_json
from .items import count_of, text_of

_PIECE = 1000
"""How many items are sent together if nothing is between them."""


def _paced(request: Request, texts: Iterable[str]) -> Iterator[bytes | float]:
    delay = request.seconds("delay", 0)
    rest = iter(texts)
    while piece := "".join(islice(rest, 1 if delay else _PIECE)):
        yield piece.encode()
        if delay:
            yield delay


def _numbers(request: Request) -> range:
    return range(1, count_of(request) + 1)


def events(request: Request) -> Answer:
    """Server-sent events 1 to `n`, from the one after `Last-Event-ID`.

    `?retry=` is sent with the first event. `?cut=K` closes the connection after K events, unless
    they were the last ones. There is no content after the last one.
    """
    ahead = _numbers(request)[int(request.headers.get("last-event-id", "0")) :]
    if not ahead:
        return Answer(status=HTTPStatus.NO_CONTENT, headers=())
    headers = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"))
    return Answer(_events(request, ahead), headers=headers)


def _events(request: Request, ahead: range) -> Iterator[bytes | float]:
    if "retry" in request.query:
        yield f"retry: {request.query['retry']}\n".encode()
    sent = ahead[: request.number("cut", len(ahead))]
    yield from _paced(request, (f"id: {n}\ndata: {text_of(n)}\n\n" for n in sent))
    if len(sent) < len(ahead):
        raise Hangup


def ndjson(request: Request) -> Answer:
    texts = (f"{text_of(n)}\n" for n in _numbers(request))
    return Answer(_paced(request, texts), headers=(("Content-Type", "application/x-ndjson"),))


def lines(request: Request) -> Answer:
    texts = (f"line {n}\n" for n in _numbers(request))
    return Answer(_paced(request, texts), headers=(TEXT,))


def seq(request: Request) -> Answer:
    """JSON texts as RFC 7464 puts them: between a record separator and a line feed."""
    texts = (f"\x1e{text_of(n)}\n" for n in _numbers(request))
    return Answer(_paced(request, texts), headers=(("Content-Type", "application/json-seq"),))


def echo(request: Request) -> Answer:
    """What was asked for."""
    return as_json(
        {
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            "body": request.body.decode("utf-8", "replace"),
        }
    )
