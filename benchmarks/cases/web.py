"""Pages, events, lines and documents over HTTP, the command."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import aclosing, contextmanager
from functools import cache, partial
from operator import itemgetter
from time import perf_counter, process_time
from typing import Any, cast

import anyio
import httpx
import orjson
from anyio.lowlevel import checkpoint
from measure import BY_HAND, Case, Clock, Limits, Measured, Work

from anystream.http import PageNumber, fetch_all_pages, sse
from anystream.net import ndjson

from .programs import bytecode_cache, running_backend, server, unpinned
from .table import peer

SIZE = 100
WAIT = 0.005  # seconds of latency

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


def streamed(**options: Any) -> Read:
    async def read(client: httpx.AsyncClient, url: str) -> int:
        total = 0
        numbered = PageNumber(total_pages="pages" if "concurrency" in options else None)
        async with fetch_all_pages(url, client=client, next=numbered, **options) as stream:
            async for item in stream:
                total += item["id"]
        return total

    return read


async def page_of(client: httpx.AsyncClient, url: str, number: int) -> list[dict[str, int]]:
    response = await client.get(f"{url}&page={number}")
    response.raise_for_status()
    return cast("list[dict[str, int]]", response.json()["items"])


async def by_hand(client: httpx.AsyncClient, url: str) -> int:
    total = 0
    page = 1
    while items := await page_of(client, url, page):
        for item in items:
            total += item["id"]
        page += 1
    return total


def pages(
    name: str, what: str, limit: float, quick: int, reads: dict[str, Read], delay: float = 0
) -> Case:
    """50 pages of 100 items."""
    clock = perf_counter if delay else process_time
    sides = {side: timed(read, delay, clock) for side, read in reads.items()}
    limits = dict.fromkeys(list(sides)[1:], limit)
    return Case(name, what, "http", 50 * SIZE, sides, limits, quick=quick, shared=server)


BIG = 1_000  # items of a page, at most
Command = Callable[[str, int], list[str]]
"""One for the address of the first page, and the number of pages."""


def running(command: Command, clock: Clock) -> Callable[..., Awaitable[Measured]]:
    """The seconds of a command over so many items, and how many lines it writes."""

    async def work(items: int, shared: Shared) -> Measured:
        url, env = shared
        size = min(items, BIG)
        words = command(f"{url}/big?pages={items // size}&size={size}", items // size)
        return await anyio.to_thread.run_sync(partial(run, words, env, clock))

    return work


def of_children() -> float:
    """The processor time of all processes that have ended."""
    return sum(os.times()[2:4])


def run(command: list[str], env: dict[str, str], clock: Clock) -> Measured:
    start = clock()
    with unpinned():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
    lines = 0
    with process:
        while piece := process.stdout.read(1 << 20) if process.stdout else b"":
            lines += piece.count(b"\n")
    if process.returncode:
        raise RuntimeError(f"{command} has failed with {process.returncode}")
    return Measured(clock() - start, lines)


def anystream_pages(url: str, pages: int) -> list[str]:
    command = [sys.executable, "-m", "anystream", "pages", url, "--backend", running_backend()]
    return [*command, "--next", "page", "--total-pages", "pages"]


SCRIPT = """
import json, sys
import anyio, httpx

async def main(url, pages):
    async with httpx.AsyncClient() as client:
        for page in range(1, int(pages) + 1):
            response = await client.get(f"{url}&page={page}")
            response.raise_for_status()
            for item in response.json()["items"]:
                sys.stdout.write(json.dumps(item) + "\\n")

anyio.run(main, *sys.argv[1:])
"""


def httpx_script(url: str, pages: int) -> list[str]:
    """The pages that a script counts, and nothing else."""
    return [sys.executable, "-c", SCRIPT, url, str(pages)]


def curl_and_jq(url: str, pages: int) -> list[str]:
    """The pages that curl counts by itself, over one connection."""
    script = f"curl -sS '{url}&page=[1-{pages}]' | jq -c '.items[]'"
    return ["bash", "-o", "pipefail", "-c", script]


def command(items: int, clock: Clock, limits: Limits, most: float | None = None) -> Case:
    kind = "wall clock" if clock is perf_counter else "processor time"
    return Case(
        f"pages-command-{items}",
        f"anystream pages, {items:,} items, {kind}",
        "http",
        items,
        {
            "anystream": running(anystream_pages, clock),
            "curl and jq": running(curl_and_jq, clock),
            BY_HAND: running(httpx_script, clock),
        },
        limits,
        quick=min(items, BIG),
        unit="s",
        shared=server_and_cache,
        backends=("asyncio",),
        most=most,
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


def events(size: int, opened: Callable[[httpx.Response], Any]) -> Work:
    async def work(events: int) -> int:
        request = httpx.Request("GET", "http://test/")
        headers = {"content-type": "text/event-stream"}
        body = Body(events, size)
        total = 0
        response = httpx.Response(200, headers=headers, stream=body, request=request)
        async with opened(response) as found:
            async for event in found:
                total += len(event.data) + len(event.id)
        return total

    return work


def httpx_sse(body: httpx.Response) -> Any:
    return aclosing(peer("httpx_sse").EventSource(body).aiter_sse())


def events_in(size: int) -> dict[str, Work]:
    return {"anystream": events(size, sse), "httpx-sse": events(size, httpx_sse)}


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
    by_hand, by_default = plain_loop(orjson.loads), ids(chunks)
    return {
        "anystream": ids(chunks, orjson.loads),
        "orjson.loads": by_hand,
        "without loads": by_default,
    }


def http(name: str, what: str, items: int, limits: Limits, sides: dict[str, Work]) -> Case:
    return Case(name, what, "http", items, sides, limits, quick=items // 4)


ONE_PAGE = {"anystream": streamed(), "httpx loop": by_hand}
AT_ONCE = {"anystream": streamed(concurrency=8), "httpx loop": by_hand}
JSON = {"anystream": ids(ready), "json.loads": plain_loop(json.loads)}
ORJSON = {"orjson.loads": 2.5, "without loads": 0.4}
CASES = [
    pages("pages", "fetch_all_pages, 50 pages of 100 items", 1.05, 2_500, ONE_PAGE),
    pages("pages-parallel", "8 at once, 5 ms latency, wall clock", 0.3, 800, AT_ONCE, WAIT),
    command(60, of_children, {}, 0.2),
    command(6_000, of_children, {}),
    command(2_000_000, perf_counter, {"curl and jq": 1.0}),  # takes a minute and a half
    http("sse", "server-sent events, 64 KiB chunks", 10_000, {"httpx-sse": 0.667}, events_in(FULL)),
    http("sse-single", "one event in a chunk", 5_000, {"httpx-sse": 2.0}, events_in(SINGLE)),
    http("ndjson", "JSON documents of lines that are ready", 20_000, {"json.loads": 0.8}, JSON),
    http("ndjson-orjson", "the same with orjson", 20_000, ORJSON, read_by_orjson(ready)),
    http("ndjson-waiting", "the same, waiting for chunks", 20_000, ORJSON, read_by_orjson(waiting)),
]
