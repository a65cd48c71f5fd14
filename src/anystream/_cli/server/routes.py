"""What the server answers.

| route | |
|---|---|
| `/users` | five pages of users, by `?page=`, and then empty ones |
| `/users/broken`, `/users/slow` | the same, but page 3 is a 500; each takes `?delay=` seconds |
| `/items` | `?n=25` items, `?size=10` of them a page, which names the next one |
| `/ndjson`, `/events` | these items, bit by bit: `?delay=` seconds pass after each of them |
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from itertools import islice
from typing import TypeAlias

from .http import TEXT, Answer, Request, as_json

Route: TypeAlias = Callable[[Request], Answer]

NAMES = (
    *("Ada", "Grace", "Alan", "Barbara", "Edsger", "Frances", "Donald", "Radia"),
    *("Dennis", "Margaret", "Ken", "Hedy", "Tim", "Katherine", "Guido"),
)
USERS = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
OF_A_PAGE = 3

AT_ONCE = 1000
"""How many items are sent together if no time passes between them."""


def page_of(request: Request) -> int:
    return request.number("page", 1)


def users(request: Request) -> Answer:
    page = page_of(request)
    shown = USERS[OF_A_PAGE * (page - 1) : OF_A_PAGE * page] if page > 0 else []
    return as_json({"page": page, "items": shown})


def broken(request: Request) -> Answer:
    failed = Answer(b"page 3 is broken\n", HTTPStatus.INTERNAL_SERVER_ERROR, (TEXT,))
    return failed if page_of(request) == 3 else users(request)


def slow(request: Request) -> Answer:
    return replace(users(request), delay=request.seconds("delay", 0.5))


def items(request: Request) -> Answer:
    start, size = request.number("start", 0), request.number("size", 10)
    numbers = numbers_of(request)
    end = start + size
    found = [item(number) for number in numbers[start:end]]
    following = request.target_with(start=end) if end < len(numbers) else None
    return as_json({"count": len(numbers), "next": following, "results": found})


def numbers_of(request: Request) -> range:
    """The numbers of the items."""
    return range(1, request.number("n", 25) + 1)


def item(number: int) -> dict[str, object]:
    return {"id": number, "name": f"item {number}"}


def text_of(number: int) -> str:
    return json.dumps(item(number))


def ndjson(request: Request) -> Answer:
    texts = (f"{text_of(number)}\n" for number in numbers_of(request))
    return Answer(paced(request, texts), headers=(("Content-Type", "application/x-ndjson"),))


def events(request: Request) -> Answer:
    """Server-sent events from the one after `Last-Event-ID`, and no content after the last one."""
    ahead = ahead_of(request)
    if not ahead:
        return Answer(status=HTTPStatus.NO_CONTENT, headers=())
    headers = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"))
    return Answer(paced(request, map(event, ahead)), headers=headers)


def ahead_of(request: Request) -> range:
    """The numbers of the events that the client has not seen."""
    return numbers_of(request)[int(request.headers.get("last-event-id", "0")) :]


def event(number: int) -> str:
    return f"id: {number}\ndata: {text_of(number)}\n\n"


def paced(request: Request, texts: Iterable[str]) -> Iterator[bytes | float]:
    delay = request.seconds("delay", 0)
    rest = iter(texts)
    while piece := "".join(islice(rest, 1 if delay else AT_ONCE)):
        yield piece.encode()
        if delay:
            yield delay


def missing(request: Request) -> Answer:
    return as_json({"error": "no such path"}, HTTPStatus.NOT_FOUND)


ROUTES: Mapping[str, Route] = {
    "/users": users,
    "/users/broken": broken,
    "/users/slow": slow,
    "/items": items,
    "/ndjson": ndjson,
    "/events": events,
}


def answer_to(request: Request) -> Answer:
    if request.method != "GET":  # without a body, so that it is right for HEAD as well
        return Answer(status=HTTPStatus.NOT_IMPLEMENTED, headers=(TEXT,))
    try:
        route = ROUTES.get(request.path, missing)
        return route(request)
    except ValueError as error:
        return as_json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
