"""`fetch_all_pages` and `anystream pages`, with the server in a process of its own."""

import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partial
from time import perf_counter, process_time
from typing import Any

import anyio
import httpx
from measure import Case, Clock, Measured

from anystream.http import PageNumber, fetch_all_pages

from .programs import bytecode_cache, growth, running_backend, server, unpinned

SIZE = 100
WAIT = 0.005
"""Seconds of latency, and of work for a page."""

Shared = tuple[str, dict[str, str]]
"""The address of the server, and an environment for processes."""

Read = Callable[[httpx.AsyncClient, str], Awaitable[int]]
Work = Callable[[int, str], Awaitable[Measured]]


@contextmanager
def server_and_cache() -> Generator[Shared, None, None]:
    with server() as url, bytecode_cache() as env:
        yield url, env


def address(url: str, items: int, delay: float = 0) -> str:
    return f"{url}/big?pages={items // SIZE}&size={SIZE}" + (f"&delay={delay}" if delay else "")


def timed(read: Read, delay: float = 0, clock: Clock = process_time) -> Work:
    """What reading takes for each item, over a client that has its connection already."""

    async def work(items: int, url: str) -> Measured:
        pages = address(url, items, delay)
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.get(f"{pages}&page=1")).raise_for_status()
            start = clock()
            result = await read(client, pages)
            return Measured((clock() - start) / items * 1e9, result)

    return work


def streamed(work: float = 0, **options: Any) -> Read:
    """With so many seconds of work after each page."""

    async def read(client: httpx.AsyncClient, url: str) -> int:
        total = 0
        numbered = PageNumber(total_pages="pages" if "concurrency" in options else None)
        async with fetch_all_pages(url, client=client, next=numbered, **options) as stream:
            async for item in stream:
                total += item["id"]
                if work and item["id"] % SIZE == 0:
                    await anyio.sleep(work)
        return total

    return read


def by_hand(work: float = 0) -> Read:
    async def read(client: httpx.AsyncClient, url: str) -> int:
        total = 0
        page = 1
        while True:
            response = await client.get(f"{url}&page={page}")
            response.raise_for_status()
            items = response.json()["items"]
            if not items:
                return total
            for item in items:
                total += item["id"]
            if work:
                await anyio.sleep(work)
            page += 1

    return read


async def by_generator(client: httpx.AsyncClient, url: str) -> int:
    total = 0
    async with aclosing(items_of(client, url)) as found:
        async for item in found:
            total += item["id"]
    return total


async def items_of(client: httpx.AsyncClient, url: str) -> AsyncGenerator[dict[str, int], None]:
    page = 1
    while True:
        response = await client.get(f"{url}&page={page}")
        response.raise_for_status()
        items = response.json()["items"]
        if not items:
            return
        for item in items:
            yield item
        page += 1


# -- memory ----------------------------------------------------------------------------------------

FEW = 100


async def grown(pages: int, shared: Shared) -> Measured:
    url, env = shared
    few, many = address(url, FEW * SIZE), address(url, pages * SIZE)
    with unpinned():
        return Measured(await growth("pages", few, many, env))


# -- the command -----------------------------------------------------------------------------------

BIG = 1_000  # items of a page

Command = Callable[[str, int], list[str]]
"""One for the address of the first page, and the number of pages."""


def running(command: Command) -> Callable[[int, Shared], Awaitable[object]]:
    """The wall time of a command over so many items, in seconds, and how many lines it writes."""

    async def work(items: int, shared: Shared) -> Measured:
        url, env = shared
        pages = items // BIG
        words = command(f"{url}/big?pages={pages}&size={BIG}", pages)
        return await anyio.to_thread.run_sync(partial(run, words, env))

    return work


def run(command: list[str], env: dict[str, str]) -> Measured:
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(command[0])
    start = perf_counter()
    with unpinned():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
    with process:
        assert process.stdout is not None
        lines = 0
        while piece := process.stdout.read(1 << 20):
            lines += piece.count(b"\n")
    took = perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{command} has failed with {process.returncode}")
    return Measured(took, lines)


def anystream_pages(url: str, pages: int) -> list[str]:
    command = [sys.executable, "-m", "anystream", "pages", url, "--backend", running_backend()]
    return [*command, "--next", "page", "--total-pages", "pages"]


def shell(script: str) -> list[str]:
    return ["bash", "-o", "pipefail", "-c", script]


def one_curl(url: str, pages: int) -> list[str]:
    """The pages that curl counts by itself, over one connection."""
    return shell(f"curl -sS '{url}&page=[1-{pages}]' | jq -c '.items[]'")


def curl_for_each(url: str, pages: int) -> list[str]:
    """As a script has to do it where each page names the next one."""
    return shell(
        f"page=1; while body=$(curl -sSf '{url}&page='$page);"
        ' [ "$(jq \'.items | length\' <<<"$body")" != 0 ];'
        " do jq -c '.items[]' <<<\"$body\"; page=$((page + 1)); done"
    )


def pages_case(name: str, what: str, limit: float, quick: int, sides: dict[str, Work]) -> Case:
    """50 pages of 100 items."""
    limits = {side: limit for side in sides if side != "anystream"}
    return Case(name, what, "http", 50 * SIZE, sides, limits, quick=quick, shared=server)


def waiting(name: str, what: str, limit: float, ours: Read, theirs: Read) -> Case:
    sides = {
        "anystream": timed(ours, WAIT, perf_counter),
        "httpx loop": timed(theirs, WAIT, perf_counter),
    }
    return pages_case(name, f"{what} (wall clock)", limit, 800, sides)


def command_case(name: str, what: str, items: int, side: str, command: Command) -> Case:
    return Case(
        name,
        f"anystream pages, {what}",
        "http",
        items,
        {"anystream": running(anystream_pages), side: running(command)},
        {side: 1.0},
        quick=BIG,
        unit="s",
        shared=server_and_cache,
        backends=("asyncio", "trio"),
        remark="a quick run is little but the start of each process",
    )


CASES = (
    pages_case(
        "pages",
        "fetch_all_pages, 50 pages of 100 items",
        1.05,
        2_500,
        {
            "anystream": timed(streamed()),
            "httpx loop": timed(by_hand()),
            "generators": timed(by_generator),
        },
    ),
    waiting(
        "pages-prefetch",
        "the same, prefetch=1, 5 ms latency, 5 ms work a page",
        0.6,
        streamed(WAIT, prefetch=1),
        by_hand(WAIT),
    ),
    waiting(
        "pages-parallel",
        "the same, concurrency=8, 5 ms latency",
        0.3,
        streamed(concurrency=8),
        by_hand(),
    ),
    Case(
        "pages-memory",
        "peak memory over 10,000 pages above that over 100",
        "http",
        10_000,
        {"anystream": grown},
        quick=150,
        unit="MiB",
        shared=server_and_cache,
        most=2.0,
        remark="measured once",
    ),
    replace(
        command_case("pages-command", "1,000 items a page", 2_000_000, "curl and jq", one_curl),
        backends=("asyncio",),  # it takes a minute and a half
    ),
    command_case("pages-script", "the same", 20_000, "a curl for each page", curl_for_each),
)
