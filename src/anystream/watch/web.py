"""The page, as an ASGI application: HTML that shows what `/events` sends."""

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Any

from anyio import Event

from .._sources.builders import ticker
from .._sources.joins import chain
from ..asgi import EventResponse, StreamResponse
from .runs import OURS, WATCH

INTERVAL = 0.5
"""Seconds between two pictures."""

MOST = 100
"""Runs that are shown; to look at thousands holds the event loop."""

ENDING: ContextVar[Event | None] = ContextVar("the end of the server", default=None)
"""What ends the open pages, where the server is one of ours."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
        " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@cache
def page() -> str:
    return files("anystream.watch").joinpath("page.html").read_text("utf-8")


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """An ASGI application that shows what is watched, to mount in yours.

    `/` is a page, and `/events` what it reads. Who may see it is for your application to decide:
    it shows how pipelines are written, without texts and other values, and numbers.

    Raises `ValueError` for another scope than that of an HTTP request.

    >>> import httpx
    >>> from anystream import watch
    >>> async def main():
    ...     async with httpx.AsyncClient(transport=httpx.ASGITransport(watch.app)) as client:
    ...         print((await client.get("http://example.com/")).headers["content-type"])
    >>> anyio.run(main)
    text/html; charset=utf-8
    """
    token = OURS.set(True)
    try:
        await response(scope)(scope, receive, send)
    finally:
        OURS.reset(token)


def response(scope: MutableMapping[str, Any]) -> StreamResponse:
    path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
    if scope.get("method") not in (None, "GET", "HEAD"):
        return plain("Method Not Allowed", 405)
    if path in ("", "/"):
        return StreamResponse([page()], headers=HEADERS, media_type="text/html")
    if path == "/events":
        pictures = chain([0.0], ticker(INTERVAL)).map(news)
        ending = ENDING.get()
        return EventResponse(
            pictures if ending is None else pictures.take_until(ending), headers=HEADERS
        )
    return plain("Not Found", 404)


def plain(text: str, status: int) -> StreamResponse:
    return StreamResponse([text], status, HEADERS, "text/plain")


def news(tick: float) -> dict[str, Any]:
    """What the page draws."""
    runs = [
        {**run._asdict(), "stages": [stage._asdict() for stage in run.stages]}
        for run in WATCH.runs.pictures(MOST)
    ]
    return {"watching": WATCH.users > 0, "open": len(WATCH.runs.open), "runs": runs}
