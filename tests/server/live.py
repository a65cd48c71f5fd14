"""Bodies that arrive bit by bit beside those of the demo, and an echo.

`?n=` is how many items there are, `?delay=` how many seconds pass after each of them.
"""

from collections.abc import Iterator
from dataclasses import replace

from anystream._cli.server import routes
from anystream._cli.server.http import TEXT, Answer, Request, as_json
from anystream._cli.server.routes import numbers_of, paced, text_of

from .faults import Hangup


def events(request: Request) -> Answer:
    """The events of the demo; `?retry=` is sent with the first one, `?cut=K` ends after K of them.

    The connection is closed there, unless they were the last ones.
    """
    answer = routes.events(request)
    return answer if isinstance(answer.body, bytes) else replace(answer, body=cut(request))


def cut(request: Request) -> Iterator[bytes | float]:
    if "retry" in request.query:
        yield f"retry: {request.query['retry']}\n".encode()
    ahead = routes.ahead_of(request)
    sent = ahead[: request.number("cut", len(ahead))]
    yield from paced(request, map(routes.event, sent))
    if len(sent) < len(ahead):
        raise Hangup


def lines(request: Request) -> Answer:
    texts = (f"line {number}\n" for number in numbers_of(request))
    return Answer(paced(request, texts), headers=(TEXT,))


def seq(request: Request) -> Answer:
    """JSON texts as RFC 7464 puts them: between a record separator and a line feed."""
    texts = (f"\x1e{text_of(number)}\n" for number in numbers_of(request))
    return Answer(paced(request, texts), headers=(("Content-Type", "application/json-seq"),))


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
