"""`fetch_all_pages` and `anystream pages`, with the server in a process of its own.

As a program: python benchmarks/pages.py serves until its standard input ends;
python benchmarks/pages.py URL BACKEND reads all pages and prints the peak of memory, in bytes.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, contextmanager
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import anyio
import httpx
from measure import BACKENDS, Case, Clock, Figure, Work, compare, same
from memory import own_peak

from anystream._cli.server import serve
from anystream.http import PageNumber, fetch_all_pages

PAGES = 50
SIZE = 100
WAIT = 0.005
"""Seconds of latency, and of work for a page."""

Pages = Callable[[httpx.AsyncClient, str], Work]


def address(url: str, items: int, delay: float = 0) -> str:
    return f"{url}/big?pages={items // SIZE}&size={SIZE}" + (f"&delay={delay}" if delay else "")


def streamed(delay: float = 0, work: float = 0, **options: Any) -> Pages:
    """With so many seconds of latency, and of work after each page."""

    def pages(client: httpx.AsyncClient, url: str) -> Work:
        async def run(items: int) -> int:
            total = 0
            source = address(url, items, delay)
            numbered = PageNumber(total_pages="pages" if "concurrency" in options else None)
            async with fetch_all_pages(source, client=client, next=numbered, **options) as stream:
                async for item in stream:
                    total += item["id"]
                    if work and item["id"] % SIZE == 0:
                        await anyio.sleep(work)
            return total

        return run

    return pages


def by_hand(delay: float = 0, work: float = 0) -> Pages:
    def pages(client: httpx.AsyncClient, url: str) -> Work:
        async def run(items: int) -> int:
            total = 0
            page = 1
            base = address(url, items, delay)
            while True:
                response = await client.get(f"{base}&page={page}")
                response.raise_for_status()
                items_of_page = response.json()["items"]
                if not items_of_page:
                    return total
                for item in items_of_page:
                    total += item["id"]
                if work:
                    await anyio.sleep(work)
                page += 1

        return run

    return pages


def by_generator(client: httpx.AsyncClient, url: str) -> Work:
    async def items(base: str) -> AsyncGenerator[dict[str, int], None]:
        page = 1
        while True:
            response = await client.get(f"{base}&page={page}")
            response.raise_for_status()
            items_of_page = response.json()["items"]
            if not items_of_page:
                return
            for item in items_of_page:
                yield item
            page += 1

    async def run(items_wanted: int) -> int:
        total = 0
        async with aclosing(items(address(url, items_wanted))) as found:
            async for item in found:
                total += item["id"]
        return total

    return run


def against(ours: Pages, theirs: Pages, *clock: Clock) -> Callable[[str, bool], Awaitable[Figure]]:
    """Both with one and the same client, so that neither pays for opening a connection."""

    async def measure(backend: str, quick: bool) -> Figure:
        with server() as url:
            async with httpx.AsyncClient(trust_env=False) as client:
                pages, pairs = (PAGES, 9) if quick else (PAGES, 61)
                sides = ours(client, url), theirs(client, url)
                return await compare(*sides, pages * SIZE, pairs, *clock)

    return measure


# -- memory -------------------------------------------------------------------------------------


async def growth(backend: str, quick: bool) -> Figure:
    """Of 10,000 pages over 100, in MiB, each in a process of its own."""
    many = 1_000 if quick else 10_000
    with server() as url:
        pairs = [(await peak(url, backend, many), await peak(url, backend, 100)) for _ in range(3)]
    remark = " / ".join(f"{max(side) / 2**20:.1f}" for side in zip(*pairs, strict=True))
    return Figure([(a - b) / 2**20 for a, b in pairs], f"{remark} MiB")


async def peak(url: str, backend: str, pages: int) -> int:
    command = [sys.executable, __file__, address(url, pages * SIZE), backend]
    done = await anyio.run_process(command, stderr=None)
    return int(done.stdout)


async def read_all(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        await fetch_all_pages(url, client=client, next=PageNumber()).drain()


# -- the command --------------------------------------------------------------------------------


def command_against(theirs: Callable[[str, int], str], size: int, most: int) -> Any:
    """`anystream pages` against a pipe of other programs, in seconds that pass, as one run each."""

    async def measure(backend: str, quick: bool) -> Figure:
        if not (shutil.which("curl") and shutil.which("jq")):
            return Figure([0.0], "curl or jq is not here")
        items = 100_000 if quick else most
        with server() as url, bytecode_cache() as env:
            pages = f"{url}/big?pages={items // size}&size={size}"
            ours = [sys.executable, "-m", "anystream", "pages", f"{pages}", "--backend", backend]
            ours += ["--next", "page", "--total-pages", "pages"]
            shell = ["bash", "-o", "pipefail", "-c", theirs(pages, items // size)]
            for command in (ours, shell):  # the server makes the pages, and keeps them
                timed(command, env)
            pairs = [(timed(ours, env), timed(shell, env)) for _ in range(5)]
        times = [tuple(run[0] for run in pair) for pair in pairs]
        for (_, our_lines), (_, their_lines) in pairs:
            same(our_lines, their_lines)
        remark = " / ".join(f"{median(side):.2f}" for side in zip(*times, strict=True))
        return Figure([a / b for a, b in times], f"{remark} s for {items:,} items")

    return measure


def timed(command: list[str], env: dict[str, str]) -> tuple[float, int]:
    """The seconds that a command takes, and how many lines it writes."""
    start = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        lines = 0
        while piece := process.stdout.read(1 << 20):
            lines += piece.count(b"\n")
    if process.returncode:
        raise RuntimeError(f"{command} has failed with {process.returncode}")
    return perf_counter() - start, lines


@contextmanager
def bytecode_cache() -> Generator[dict[str, str], None, None]:
    """An environment in which modules are compiled once, as those are that pip has installed."""
    with TemporaryDirectory() as cache:
        env = os.environ | {"NO_PROXY": "127.0.0.1", "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        yield env


def one_curl(url: str, pages: int) -> str:
    """The pages that curl counts by itself, over one connection."""
    return f"curl -sS '{url}&page=[1-{pages}]' | jq -c '.items[]'"


def curl_for_each(url: str, pages: int) -> str:
    """As a script has to do it where each page names the next one."""
    return (
        f"page=1; while body=$(curl -sSf '{url}&page='$page);"
        ' [ "$(jq \'.items | length\' <<<"$body")" != 0 ];'
        " do jq -c '.items[]' <<<\"$body\"; page=$((page + 1)); done"
    )


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
        "fetch_all_pages, 50 pages of 100 items",
        "a hand-written httpx loop",
        {(3, 11): 1.05},
        against(streamed(), by_hand()),
    ),
    Case(
        "pages-generator",
        "the same",
        "a hand-written async generator",
        {(3, 11): 1.05},
        against(streamed(), by_generator),
    ),
    Case(
        "pages-prefetch",
        "the same, prefetch=1, 5 ms latency, 5 ms work a page",
        "the loop (wall clock)",
        {(3, 11): 0.6},
        against(streamed(WAIT, WAIT, prefetch=1), by_hand(WAIT, WAIT), perf_counter),
    ),
    Case(
        "pages-parallel",
        "the same, concurrency=8, 5 ms latency",
        "the loop (wall clock)",
        {(3, 11): 0.3},
        against(streamed(WAIT, concurrency=8), by_hand(WAIT), perf_counter),
    ),
    Case(
        "pages-memory",
        "peak memory over 10,000 pages",
        "over 100 pages",
        {(3, 11): 2.0},
        growth,
        unit="MiB",
    ),
    Case(
        "pages-command",
        "anystream pages, 2 million items, 1,000 a page",
        "one curl, jq -c '.items[]'",
        {(3, 11): 1.0},
        command_against(one_curl, 1_000, 2_000_000),
        backends=("asyncio", "trio"),
    ),
    Case(
        "pages-script",
        "the same, 200 thousand items",
        "a script with a curl for each page",
        {(3, 11): 1.0},
        command_against(curl_for_each, 1_000, 200_000),
        backends=("asyncio", "trio"),
    ),
)


async def main() -> None:
    async with serve() as here:
        print(here.url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    if sys.argv[1:]:
        anyio.run(read_all, sys.argv[1], **BACKENDS[sys.argv[2]])
        print(own_peak())
    else:
        anyio.run(main)
