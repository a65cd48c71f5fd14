"""Pages, events, lines and documents over HTTP, the command, and a progress that is shown."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import aclosing, contextmanager, redirect_stderr
from functools import cache, partial
from operator import itemgetter
from time import perf_counter, process_time
from typing import Any, cast

import anyio
import httpx
import orjson
from anyio.lowlevel import checkpoint
from measure import Case, Clock, Measured, Work

from anystream import Stream
from anystream.http import PageNumber, fetch_all_pages, lines, sse
from anystream.net import ndjson

from .programs import bytecode_cache, growth, running_backend, server, unpinned
from .table import peer

SIZE = 100
WAIT = 0.005
"""Seconds of latency, and of work for a page."""
FEW = 100  # pages of the run whose memory is compared with

Shared = tuple[str, dict[str, str]]
"""The address of the server, and an environment for processes."""
Read = Callable[[httpx.AsyncClient, str], Awaitable[int]]


@contextmanager
def server_and_cache() -> Generator[Shared, None, None]:
    with server() as url, bytecode_cache() as env:
        yield url, env


def address(url: str, items: int, delay: float = 0) -> str:
    return f"{url}/big?pages={items // SIZE}&size={SIZE}" + (f"&delay={delay}" if delay else "")


def timed(read: Read, delay: float = 0, clock: Clock = process_time) -> Callable[..., Any]:
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


async def page_of(client: httpx.AsyncClient, url: str, number: int) -> list[dict[str, int]]:
    response = await client.get(f"{url}&page={number}")
    response.raise_for_status()
    return cast("list[dict[str, int]]", response.json()["items"])


def by_hand(work: float = 0) -> Read:
    async def read(client: httpx.AsyncClient, url: str) -> int:
        total = 0
        page = 1
        while items := await page_of(client, url, page):
            for item in items:
                total += item["id"]
            if work:
                await anyio.sleep(work)
            page += 1
        return total

    return read


async def by_generator(client: httpx.AsyncClient, url: str) -> int:
    async def items_of() -> AsyncGenerator[dict[str, int], None]:
        page = 1
        while items := await page_of(client, url, page):
            for item in items:
                yield item
            page += 1

    total = 0
    async with aclosing(items_of()) as found:
        async for item in found:
            total += item["id"]
    return total


def pages(
    name: str, what: str, limit: float, quick: int, reads: dict[str, Read], delay: float = 0
) -> Case:
    """50 pages of 100 items."""
    clock = perf_counter if delay else process_time
    sides = {side: timed(read, delay, clock) for side, read in reads.items()}
    limits = dict.fromkeys(list(sides)[1:], limit)
    return Case(name, what, "http", 50 * SIZE, sides, limits, quick=quick, shared=server)


async def grown(pages: int, shared: Shared) -> Measured:
    url, env = shared
    few, many = address(url, FEW * SIZE), address(url, pages * SIZE)
    with unpinned():
        return Measured(await growth("pages", few, many, env))


BIG = 1_000  # items of a page
Command = Callable[[str, int], list[str]]
"""One for the address of the first page, and the number of pages."""


def running(command: Command) -> Callable[..., Awaitable[Measured]]:
    """The wall time of a command over so many items, in seconds, and how many lines it writes."""

    async def work(items: int, shared: Shared) -> Measured:
        url, env = shared
        words = command(f"{url}/big?pages={items // BIG}&size={BIG}", items // BIG)
        return await anyio.to_thread.run_sync(partial(run, words, env))

    return work


def run(command: list[str], env: dict[str, str]) -> Measured:
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(command[0])
    start = perf_counter()
    with unpinned():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
    lines = 0
    with process:
        while piece := process.stdout.read(1 << 20) if process.stdout else b"":
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


def command(name: str, items: int, side: str, command: Command, backends: tuple[str, ...]) -> Case:
    return Case(
        name,
        "anystream pages, 1,000 items a page",
        "http",
        items,
        {"anystream": running(anystream_pages), side: running(command)},
        {side: 1.0},
        quick=BIG,
        unit="s",
        shared=server_and_cache,
        backends=backends,
        remark="a quick run is little but the start of each process",
    )


FULL = 65_536
SINGLE = 100  # about one event, as a server sends them that has one now and then


@cache
def documents(number: int) -> list[str]:
    """What a chat completion or a feed of changes looks like."""
    return [
        json.dumps({"id": n, "delta": {"role": "assistant", "content": f"w{n} "}})
        for n in range(number)
    ]


@cache
def body(events: int) -> bytes:
    parts = [f"event: delta\nid: {n}\ndata: {d}\n\n" for n, d in enumerate(documents(events))]
    return "".join(parts).encode()


class Body(httpx.AsyncByteStream):
    """Events in chunks of some size, with a wait for each 64 KiB as a socket has it."""

    def __init__(self, events: int, size: int) -> None:
        data = body(events)
        self.chunks = [data[at : at + size] for at in range(0, len(data), size)]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = 0
        for chunk in self.chunks:
            if left <= 0:
                await checkpoint()
                left = FULL
            left -= len(chunk)
            yield chunk


async def event_lengths(events: Any) -> int:
    total = 0
    async for event in events:
        total += len(event.data) + len(event.id)
    return total


async def line_lengths(lines: Any) -> int:
    total = 0
    async for line in lines:
        total += len(line)
    return total


def over(
    size: int, make: Callable[[httpx.Response], Any], read: Callable[[Any], Awaitable[int]]
) -> Work:
    async def work(events: int) -> int:
        request = httpx.Request("GET", "http://test/")
        headers = {"content-type": "text/event-stream"}
        body = Body(events, size)
        made = make(httpx.Response(200, headers=headers, stream=body, request=request))
        if make not in (sse, lines):
            return await read(made)
        async with made as items:
            return await read(items)

    return work


def httpx_sse(body: httpx.Response) -> Any:
    return peer("httpx_sse").EventSource(body).aiter_sse()


def httpx_lines(body: httpx.Response) -> AsyncIterator[str]:
    return body.aiter_lines()


def events_in(size: int) -> dict[str, Work]:
    sides: dict[str, Callable[..., Any]] = {"anystream": sse, "httpx-sse": httpx_sse}
    return {side: over(size, make, event_lengths) for side, make in sides.items()}


Loads = Callable[[bytes], Any]


@cache
def ready(number: int) -> list[bytes]:
    data = ("\n".join(documents(number)) + "\n").encode()
    return [data[at : at + FULL] for at in range(0, len(data), FULL)]


async def waiting(number: int) -> AsyncIterator[bytes]:
    for chunk in ready(number):
        await checkpoint()
        yield chunk


def ids(chunks: Callable[[int], Any], loads: Loads | None = None) -> Work:
    async def work(number: int) -> int:
        return await ndjson(chunks(number), loads=loads).map(itemgetter("id")).sum()

    return work


def plain_loop(loads: Loads) -> Work:
    """What it cannot cost less than: the lines of all chunks together, each read by a call."""

    async def work(number: int) -> int:
        total = 0
        for line in b"".join(ready(number)).split(b"\n"):
            if line:
                total += loads(line)["id"]
        return total

    return work


def read_by_orjson(chunks: Callable[[int], Any]) -> dict[str, Work]:
    return {"anystream": ids(chunks, orjson.loads), "orjson.loads": plain_loop(orjson.loads)}


LINES = [json.dumps({"id": n, "name": f"item {n}", "tags": ["a", "b"]}) for n in range(1000)]


class Terminal(io.StringIO):
    """One that nobody sees."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


def read(items: int) -> Stream[dict[str, int]]:
    """What is read out of so many lines of JSON."""
    return Stream(lambda: (line for _ in range(items // 1000) for line in LINES)).map(json.loads)


async def shown(items: int) -> int:
    with redirect_stderr(Terminal()):
        return await read(items).progress("lines", items).map(itemgetter("id")).sum()


async def quiet(items: int) -> int:
    return await read(items).map(itemgetter("id")).sum()


def http(name: str, what: str, items: int, limit: float, sides: dict[str, Work]) -> Case:
    """The limit is that of the second side."""
    limits = {list(sides)[1]: limit}
    return Case(name, what, "http", items, sides, limits, quick=items // 4)


CASES = [
    pages(
        "pages",
        "fetch_all_pages, 50 pages of 100 items",
        1.05,
        2_500,
        {"anystream": streamed(), "httpx loop": by_hand(), "generators": by_generator},
    ),
    pages(
        "pages-prefetch",
        "the same, prefetch=1, 5 ms latency, 5 ms work a page (wall clock)",
        0.6,
        800,
        {"anystream": streamed(WAIT, prefetch=1), "httpx loop": by_hand(WAIT)},
        WAIT,
    ),
    pages(
        "pages-parallel",
        "the same, concurrency=8, 5 ms latency (wall clock)",
        0.3,
        800,
        {"anystream": streamed(concurrency=8), "httpx loop": by_hand()},
        WAIT,
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
    # It takes a minute and a half.
    command("pages-command", 2_000_000, "curl and jq", one_curl, ("asyncio",)),
    command("pages-script", 20_000, "a curl for each page", curl_for_each, ("asyncio", "trio")),
    http("sse", "server-sent events, in chunks of 64 KiB", 10_000, 0.667, events_in(FULL)),
    http("sse-single", "the same, an event in each chunk", 5_000, 2.0, events_in(SINGLE)),
    http(
        "lines",
        "the lines of a body, in chunks of 64 KiB",
        10_000,
        1.2,
        {
            "anystream": over(FULL, lines, line_lengths),
            "httpx": over(FULL, httpx_lines, line_lengths),
        },
    ),
    http(
        "ndjson",
        "JSON documents of lines that are ready",
        20_000,
        0.8,
        {"anystream": ids(ready), "json.loads": plain_loop(json.loads)},
    ),
    http("ndjson-orjson", "the same with orjson", 20_000, 2.5, read_by_orjson(ready)),
    http(
        "ndjson-waiting",
        "the same over a source that waits for each chunk",
        20_000,
        2.5,
        read_by_orjson(waiting),
    ),
    http(
        "progress",
        "json.loads of lines, with a progress that is shown",
        300_000,
        1.03,
        {"anystream": shown, "without": quiet},
    ),
]
