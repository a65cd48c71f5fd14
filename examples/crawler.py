"""Visit the pages of a site, each once, several at a time, by the links that turn up on the way.

    python examples/crawler.py [asyncio | trio]

crawls a small site that it serves itself. Pages that have been visited lead to links, and links to
pages that are to be visited: a stream that feeds itself, and ends when nothing is left.
"""

import math
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

import anyio
import httpx
from anyio.abc import SocketAttribute, SocketStream

from anystream import Stream, stream


class Link(NamedTuple):
    url: str
    depth: int  # how many links lead there, on the way from the start that was found first


@dataclass
class Page:
    link: Link
    status: str
    urls: list[str] = field(default_factory=list[str])  # where its links lead


class Anchors(HTMLParser):
    """Gathers the URLs that the links of a page lead to."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (target := dict(attrs).get("href")):
            with suppress(ValueError):  # what is no URL leads nowhere
                self.page.urls.append(urldefrag(urljoin(self.page.link.url, target)).url)


async def visit(client: httpx.AsyncClient, link: Link) -> Page:
    """Get one page; one that fails is a page without links, and does not end the crawl."""
    try:
        response = await client.get(link.url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Page(link, type(error).__name__)
    page = Page(link, str(response.status_code))
    if response.next_request:  # of a redirect, which the client does not follow
        page.urls.append(str(response.next_request.url))
    elif response.headers.get("content-type", "").startswith("text/html"):
        Anchors(page).feed(response.text)
    return page


@stream(buffer=0)  # in a task of its own, since it holds an open stream while it yields
async def crawl(
    client: httpx.AsyncClient, start: str, depth: int = 3, concurrency: int = 8
) -> AsyncIterator[Page]:
    """The pages of the host of `start` that at most `depth` links lead to, as they are visited."""
    host = urlsplit(start).netloc
    known = {start}
    waiting = 1  # links that have been sent, and have not come back as a page yet
    # Everything in there is in `known` as well, so a bound would save nothing.
    send, receive = anyio.create_memory_object_stream[Link](math.inf)
    send.send_nowait(Link(start, 0))
    pages = Stream(receive).map(
        lambda link: visit(client, link), concurrency=concurrency, ordered=False
    )
    async with send, pages as visited:
        async for page in visited:
            if page.link.depth < depth:
                for url in page.urls:
                    if url not in known and urlsplit(url).netloc == host:
                        known.add(url)
                        waiting += 1
                        send.send_nowait(Link(url, page.link.depth + 1))
            yield page  # noqa: ASYNC119  # `stream` closes what is left
            waiting -= 1
            if not waiting:
                send.close()  # which ends `visited`


SITE = {
    "/": '<a href="/about">about</a> <a href="list/1">list</a> <a href="http://example.com/">x</a>',
    "/about": '<a href="/">home</a> <a href="#team">team</a> <a href="/missing">?</a>',
    "/list/1": '<a href="/">home</a> <a href="2">next</a> <a href="/item/1">one</a>',
    "/list/2": '<a href="1">previous</a> <a href="3">next</a> <a href="/item/2">two</a>',
    "/list/3": '<a href="2">previous</a> <a href="4">next</a> <a href="/item/3">three</a>',
} | {f"/item/{number}": '<a href="/">home</a>' for number in (1, 2, 3)}


async def answer(client: SocketStream) -> None:
    """Serve one request, by as much of HTTP as it takes."""
    async with client:
        path = (await client.receive()).split()[1].decode()
        status = "200 OK" if path in SITE else "404 Not Found"
        head = f"HTTP/1.0 {status}\r\nContent-Type: text/html\r\n\r\n"
        await client.send((head + SITE.get(path, "")).encode())


async def main(client: httpx.AsyncClient) -> None:
    async with (
        client,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, answer)
        url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/"
        async with crawl(client, url) as pages:
            async for page in pages:
                print(page.link.depth, page.status, page.link.url)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    direct = httpx.AsyncClient(trust_env=False)  # past the proxy that you may have
    anyio.run(main, direct, backend=sys.argv[1] if len(sys.argv) > 1 else "asyncio")
