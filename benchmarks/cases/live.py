"""Server-sent events and lines of a body, and a progress that is shown."""

import io
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import cache
from operator import itemgetter

import httpx
import orjson
from anyio.lowlevel import checkpoint
from measure import Case

from anystream import Stream
from anystream.http import lines, sse
from anystream.net import ndjson

# -- events and lines ------------------------------------------------------------------------------

FULL = 65_536
SINGLE = 100  # about one event, as a server sends them that has one now and then


@cache
def body(events: int) -> bytes:
    """What a chat completion or a feed of changes looks like."""
    parts: list[str] = []
    for number in range(events):
        data = json.dumps({"id": number, "delta": {"role": "assistant", "content": f"w{number} "}})
        parts.append(f"event: delta\nid: {number}\ndata: {data}\n\n")
    return "".join(parts).encode()


class Bytes(httpx.AsyncByteStream):
    """A body in chunks of some size, with a wait for each 64 KiB as a socket has it."""

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


def response(events: int, size: int) -> httpx.Response:
    headers = {"content-type": "text/event-stream"}
    request = httpx.Request("GET", "http://test/")
    return httpx.Response(200, headers=headers, stream=Bytes(events, size), request=request)


Read = Callable[[httpx.Response], Awaitable[int]]


def over(size: int, read: Read) -> Callable[[int], Awaitable[int]]:
    async def work(events: int) -> int:
        return await read(response(events, size))

    return work


async def events(body: httpx.Response) -> int:
    total = 0
    async with sse(body) as items:
        async for event in items:
            total += len(event.data) + len(event.id)
    return total


async def events_of_httpx_sse(body: httpx.Response) -> int:
    from httpx_sse import EventSource

    total = 0
    async for event in EventSource(body).aiter_sse():
        total += len(event.data) + len(event.id)
    return total


async def all_lines(body: httpx.Response) -> int:
    total = 0
    async with lines(body) as items:
        async for line in items:
            total += len(line)
    return total


async def lines_of_httpx(body: httpx.Response) -> int:
    total = 0
    async for line in body.aiter_lines():
        total += len(line)
    return total


# -- documents -------------------------------------------------------------------------------------


@cache
def document_chunks(documents: int) -> list[bytes]:
    rows = [
        json.dumps({"id": n, "delta": {"role": "assistant", "content": f"w{n} "}})
        for n in range(documents)
    ]
    data = ("\n".join(rows) + "\n").encode()
    return [data[at : at + FULL] for at in range(0, len(data), FULL)]


async def waiting(documents: int) -> AsyncIterator[bytes]:
    for chunk in document_chunks(documents):
        await checkpoint()
        yield chunk


Loads = Callable[[bytes], dict[str, int]]


def ready_documents(loads: Loads | None) -> Callable[[int], Awaitable[int]]:
    async def work(documents: int) -> int:
        found = ndjson(document_chunks(documents), loads=loads)
        return await found.map(itemgetter("id")).sum()

    return work


def waiting_documents(loads: Loads | None) -> Callable[[int], Awaitable[int]]:
    async def work(documents: int) -> int:
        found = ndjson(waiting(documents), loads=loads)
        return await found.map(itemgetter("id")).sum()

    return work


def plain_loop(loads: Loads) -> Callable[[int], Awaitable[int]]:
    """What it cannot cost less than: the lines of all chunks together, each read by a call."""

    async def work(documents: int) -> int:
        total = 0
        for line in b"".join(document_chunks(documents)).split(b"\n"):
            if line:
                total += loads(line)["id"]
        return total

    return work


# -- progress --------------------------------------------------------------------------------------

LINES = [json.dumps({"id": n, "name": f"item {n}", "tags": ["a", "b"]}) for n in range(1000)]


class Terminal(io.StringIO):
    """One that nobody sees."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


@contextmanager
def terminal() -> Generator[None, None, None]:
    stderr, sys.stderr = sys.stderr, Terminal()
    try:
        yield
    finally:
        sys.stderr = stderr


def read(items: int) -> Stream[dict[str, int]]:
    """What is read out of so many lines of JSON."""
    return Stream(lambda: (line for _ in range(items // 1000) for line in LINES)).map(json.loads)


async def shown(items: int) -> int:
    with terminal():
        return await read(items).progress("lines", items).map(itemgetter("id")).sum()


async def quiet(items: int) -> int:
    return await read(items).map(itemgetter("id")).sum()


CASES = (
    Case(
        "sse",
        "server-sent events, in chunks of 64 KiB",
        "http",
        10_000,
        {"anystream": over(FULL, events), "httpx-sse": over(FULL, events_of_httpx_sse)},
        {"httpx-sse": 0.667},
        quick=4_000,
    ),
    Case(
        "sse-single",
        "the same, an event in each chunk",
        "http",
        5_000,
        {"anystream": over(SINGLE, events), "httpx-sse": over(SINGLE, events_of_httpx_sse)},
        {"httpx-sse": 2.0},
        quick=1_000,
    ),
    Case(
        "lines",
        "the lines of a body, in chunks of 64 KiB",
        "http",
        10_000,
        {"anystream": over(FULL, all_lines), "httpx": over(FULL, lines_of_httpx)},
        {"httpx": 1.2},
        quick=4_000,
    ),
    Case(
        "ndjson",
        "JSON documents of lines that are ready",
        "http",
        20_000,
        {"anystream": ready_documents(None), "json.loads": plain_loop(json.loads)},
        {"json.loads": 0.8},
        quick=5_000,
    ),
    Case(
        "ndjson-orjson",
        "the same with orjson",
        "http",
        20_000,
        {
            "anystream": ready_documents(orjson.loads),
            "anystream, json.loads": ready_documents(json.loads),
            "orjson.loads": plain_loop(orjson.loads),
        },
        {"orjson.loads": 2.5},
        quick=5_000,
    ),
    Case(
        "ndjson-waiting",
        "the same over a source that waits for each chunk",
        "http",
        20_000,
        {
            "anystream": waiting_documents(orjson.loads),
            "orjson.loads": plain_loop(orjson.loads),
        },
        {"orjson.loads": 2.5},
        quick=5_000,
    ),
    Case(
        "progress",
        "json.loads of lines, with a progress that is shown",
        "http",
        300_000,
        {"anystream": shown, "without": quiet},
        {"without": 1.03},
        quick=50_000,
    ),
)
