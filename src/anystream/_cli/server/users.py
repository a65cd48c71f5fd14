"""The routes that the demo reads: users, in pages of three, good ones and bad ones; and big pages.

`?param=` renames the parameter with the number of the page, `?list=` the list of the items.
"""

from dataclasses import replace
from functools import cache, partial
from http import HTTPStatus

from .http import TEXT, Answer, Request, as_json

_NAMES = (
    ("Ada", "Grace", "Alan"),
    ("Barbara", "Edsger", "Frances"),
    ("Donald", "Radia", "Dennis"),
    ("Margaret", "Ken", "Hedy"),
    ("Tim", "Katherine", "Guido"),
)
_USERS = {
    page: [{"id": number, "name": name} for number, name in enumerate(names, 3 * page - 2)]
    for page, names in enumerate(_NAMES, 1)
}
_BROKEN = Answer(b"page 3 is broken\n", HTTPStatus.INTERNAL_SERVER_ERROR, (TEXT,))
_GARBLED = Answer(b'{"page": 2, "items": [{"id": 4, "na')
_LISTLESS = as_json({"page": 2, "items": {"id": 4, "name": "Barbara"}})


def page_of(request: Request) -> int:
    return request.number(request.query.get("param", "page"), 1)


def _list_of(request: Request) -> str:
    return request.query.get("list", "items")


def users(request: Request) -> Answer:
    page = page_of(request)
    known = ("param", "list", request.query.get("param", "page"))
    others = {name: value for name, value in request.query.items() if name not in known}
    return as_json({"page": page, _list_of(request): _USERS.get(page, []), "query": others})


def slow(request: Request) -> Answer:
    return replace(users(request), delay=request.seconds("delay", 0.5))


def _users_but(page: int, answer: Answer, request: Request) -> Answer:
    """The users, but this answer in the place of that page."""
    return answer if page_of(request) == page else users(request)


broken = partial(_users_but, 3, _BROKEN)
garbled = partial(_users_but, 2, _GARBLED)
listless = partial(_users_but, 2, _LISTLESS)


def big(request: Request) -> Answer:
    page, pages, size = page_of(request), request.number("pages", 100), request.number("size", 100)
    answer = _big_page(page, pages, size if 1 <= page <= pages else 0, _list_of(request))
    return replace(answer, delay=request.seconds("delay", 0))


@cache  # a benchmark asks for the same pages again and again, and means to measure the client
def _big_page(page: int, pages: int, size: int, list_name: str) -> Answer:
    numbers = range((page - 1) * size + 1, page * size + 1)
    items = [{"id": n, "name": f"item {n}"} for n in numbers]
    return as_json({"page": page, "pages": pages, list_name: items})
