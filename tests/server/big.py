"""Numbered pages of any size, which are made once: who asks for them again measures the client."""

from dataclasses import replace
from functools import cache

from anystream._cli.server.http import Answer, Request, as_json

PARAMETERS = (("page", 1), ("pages", 100), ("size", 100))


def big(request: Request) -> Answer:
    """`?pages=` of `?size=` items, and then empty ones; each takes `?delay=` seconds."""
    page, pages, size = (
        request.number(name, default)
        for name, default in (("page", 1), ("pages", 100), ("size", 100))
    )
    answer = big_page(page, pages, size if 1 <= page <= pages else 0)
    return replace(answer, delay=request.seconds("delay", 0))


@cache
def big_page(page: int, pages: int, size: int) -> Answer:
    numbers = range((page - 1) * size + 1, page * size + 1)
    items = [{"id": n, "name": f"item {n}"} for n in numbers]
    return as_json({"page": page, "pages": pages, "items": items})
