"""`fetch_all_pages` against a hand-written loop, with the server in a process of its own.

As a program: python benchmarks/pages.py serves until its standard input ends.
"""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import httpx
from measure import Case, Figure, Work, compare

from anystream._cli.server import serve
from anystream.http import fetch_all_pages

PAGES = 200
SIZE = 100


def address(url: str, items: int) -> str:
    return f"{url}/big?pages={items // SIZE}&size={SIZE}"


def streamed(client: httpx.AsyncClient, url: str) -> Work:
    async def work(items: int) -> int:
        total = 0
        async with fetch_all_pages(address(url, items), client=client) as stream:
            async for item in stream:
                total += item["id"]
        return total

    return work


def by_hand(client: httpx.AsyncClient, url: str) -> Work:
    async def work(items: int) -> int:
        total = 0
        page = 1
        base = address(url, items)
        while True:
            response = await client.get(f"{base}&page={page}")
            response.raise_for_status()
            items_of_page = response.json()["items"]
            if not items_of_page:
                return total
            for item in items_of_page:
                total += item["id"]
            page += 1

    return work


async def compare_pages(backend: str, quick: bool) -> Figure:
    """Both with one and the same client, so that neither pays for opening a connection."""
    with server() as url:
        async with httpx.AsyncClient(trust_env=False) as client:
            pages, pairs = (PAGES // 4, 9) if quick else (PAGES, 15)
            return await compare(streamed(client, url), by_hand(client, url), pages * SIZE, pairs)


@contextmanager
def server() -> Generator[str, None, None]:
    command = [sys.executable, __file__]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


CASES = (
    Case(
        "pages",
        "fetch_all_pages, 200 pages of 100 items",
        "a hand-written httpx loop",
        {(3, 11): 1.05},
        compare_pages,
    ),
)


async def main() -> None:
    async with serve() as here:
        print(here.url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    anyio.run(main)
