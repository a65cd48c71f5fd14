"""The HTTP client of a command, and what its options say about every request."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import anyio.to_thread

from .. import __version__
from .endings import UsageError
from .values import hidden

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncGenerator, Generator

    import httpx

    from .values import Pair


@asynccontextmanager
async def client(options: Namespace) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client without credentials, which the streams send themselves where they belong.

    Raises `UsageError` if it needs a package that is not there.
    """

    def make() -> httpx.AsyncClient:
        """Takes a tenth of a second or more, most of it for the certificates."""
        import httpx

        verify = options.cacert or httpx.create_ssl_context(verify=not options.insecure)
        try:
            with importing_for(options.backend):
                return httpx.AsyncClient(
                    timeout=options.timeout,
                    follow_redirects=True,
                    headers={"User-Agent": f"anystream/{__version__}"},
                    verify=verify,  # one context, also for every proxy in the environment
                    proxy=options.proxy,
                )
        except ImportError:
            raise UsageError(
                "a SOCKS proxy needs another package: pip install 'httpx[socks]'"
            ) from None

    async with await anyio.to_thread.run_sync(make) as made:
        yield made


@contextmanager
def importing_for(backend: str) -> Generator[None, None, None]:
    """While this is open, trio looks as if it were not installed, unless it is the backend.

    httpx's transport imports it wherever it is installed, and that takes longer than all of ours.
    """
    modules: dict[str, Any] = sys.modules
    if backend == "trio" or "trio" in modules:
        yield
        return
    modules["trio"] = None
    try:
        yield
    finally:
        del modules["trio"]


def proxy_for(options: Namespace, url: str) -> str:
    """The proxy between us and this URL, without its password; "" if there is none."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    if options.proxy:
        return hidden(options.proxy)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    proxies = getproxies()
    return hidden(proxies.get(parts.scheme) or proxies.get("all") or "")


def method(options: Namespace) -> str:
    given: str | None = options.method
    return given or ("GET" if options.data is None else "POST")


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
