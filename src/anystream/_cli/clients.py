"""The HTTP client of a command, and what its options say about every request."""

from __future__ import annotations

from argparse import Namespace
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import anyio.to_thread

from .. import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx

    from .values import Pair


@asynccontextmanager
async def client(seconds: float) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client without credentials, which the streams send themselves where they belong.

    `seconds` is for how long it waits at most for a connection, or for data.
    """

    def make() -> httpx.AsyncClient:
        """Takes a tenth of a second or more, most of it for the certificates."""
        import httpx

        return httpx.AsyncClient(
            timeout=seconds,
            follow_redirects=True,
            headers={"User-Agent": f"anystream/{__version__}"},
        )

    async with await anyio.to_thread.run_sync(make) as made:
        yield made


def headers(options: Namespace, authorization: list[Pair]) -> dict[str, str]:
    """The headers that were asked for; one that was given twice has both values."""
    merged: dict[str, tuple[str, str]] = {}
    for name, value in [*options.header, *authorization]:
        first, before = merged.get(name.lower(), (name, ""))
        merged[name.lower()] = first, f"{before}, {value}" if before else value
    return dict(merged.values())


def with_query(url: str, query: list[Pair]) -> str:
    """The URL with these parameters behind those that it has."""
    parts = urlsplit(url)
    joined = "&".join(filter(None, [parts.query, urlencode(query)]))
    return parts._replace(query=joined, fragment="").geturl()
