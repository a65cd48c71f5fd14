"""An API in memory: what a test answers, and what it was asked."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import anyio
import httpx


class API:
    """Answers requests with what `answer(request)` gives, each after `latency` seconds.

    That is a status, a response, or a JSON body with headers if there are any, as a pair.
    """

    def __init__(self, answer: Callable[[httpx.Request], Any], latency: float = 0.0) -> None:
        self.answer = answer
        self.latency = latency
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self.running = self.most = 0

    def client(self, **options: Any) -> httpx.AsyncClient:
        transport = httpx.MockTransport(self.handle)
        return httpx.AsyncClient(transport=transport, **options)

    @property
    def asked(self) -> list[str]:
        """The paths and queries of the requests."""
        return [request.url.raw_path.decode() for request in self.requests]

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(anyio.current_time())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await anyio.sleep(self.latency)
            return response(self.answer(request))
        finally:
            self.running -= 1


def response(answer: Any) -> httpx.Response:
    if isinstance(answer, httpx.Response):
        return answer
    if isinstance(answer, int):
        return httpx.Response(answer)
    body, headers = answer if isinstance(answer, tuple) else (answer, {})
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(200, content=content, headers=headers)


def query(request: httpx.Request) -> dict[str, str]:
    return dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))


def number(request: httpx.Request, name: str = "page", default: int = 1) -> int:
    return int(query(request).get(name, default))


def numbered(pages: list[list[Any]]) -> Callable[[httpx.Request], Any]:
    """`?page=1`, ...: these lists under "items", with their number under "pages"."""

    def answer(request: httpx.Request) -> Mapping[str, Any]:
        page = number(request)
        items = pages[page - 1] if page <= len(pages) else []
        return {"pages": len(pages), "items": items}

    return answer


def linked(pages: list[list[Any]]) -> Callable[[httpx.Request], Any]:
    """The same with the URL of the next page under "next"."""

    def answer(request: httpx.Request) -> Mapping[str, Any]:
        page = number(request)
        following = f"?page={page + 1}" if page < len(pages) else None
        return {"items": pages[page - 1], "next": following}

    return answer


def sliced(items: list[Any], *sizes: int) -> list[list[Any]]:
    """`items` in pages of these sizes, the last of them again and again."""
    pages: list[list[Any]] = []
    rest = list(items)
    while rest:
        size = sizes[min(len(pages), len(sizes) - 1)]
        pages.append(rest[:size])
        rest = rest[size:]
    return pages
