"""Server-sent events and lines against the usual clients, over the same bytes out of memory."""

import json
from collections.abc import AsyncIterator
from functools import cache

import httpx
from anyio.lowlevel import checkpoint
from httpx_sse import EventSource
from measure import Case, Figure, compare

from anystream.http import lines, sse

EVENTS = 40_000
CHUNK = 65_536


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
                left = CHUNK
            left -= len(chunk)
            yield chunk


def response(events: int, size: int) -> httpx.Response:
    headers = {"content-type": "text/event-stream"}
    request = httpx.Request("GET", "http://test/")
    return httpx.Response(200, headers=headers, stream=Bytes(events, size), request=request)


async def compare_events(size: int, events: int, quick: bool) -> Figure:
    async def ours(number: int) -> int:
        total = 0
        async with sse(response(number, size)) as items:
            async for event in items:
                total += len(event.data) + len(event.id)
        return total

    async def theirs(number: int) -> int:
        total = 0
        async for event in EventSource(response(number, size)).aiter_sse():
            total += len(event.data) + len(event.id)
        return total

    few, pairs = (events // 4, 9) if quick else (events, 15)
    return await compare(ours, theirs, few, pairs)


async def compare_full_chunks(backend: str, quick: bool) -> Figure:
    return await compare_events(CHUNK, EVENTS, quick)


async def compare_single_events(backend: str, quick: bool) -> Figure:
    """Each chunk is about one event, as a server sends them that has one now and then."""
    return await compare_events(100, EVENTS // 4, quick)


async def compare_lines(backend: str, quick: bool) -> Figure:
    async def ours(number: int) -> int:
        total = 0
        async with lines(response(number, CHUNK)) as items:
            async for line in items:
                total += len(line)
        return total

    async def theirs(number: int) -> int:
        total = 0
        async for line in response(number, CHUNK).aiter_lines():
            total += len(line)
        return total

    few, pairs = (EVENTS // 4, 9) if quick else (EVENTS, 15)
    return await compare(ours, theirs, few, pairs)


CASES = (
    Case(
        "sse",
        "server-sent events, in chunks of 64 KiB",
        "httpx-sse over the same bytes",
        {(3, 11): 0.667},
        compare_full_chunks,
    ),
    Case(
        "sse-single",
        "the same, an event in each chunk",
        "httpx-sse over the same bytes",
        {(3, 11): 2.0},
        compare_single_events,
    ),
    Case(
        "lines",
        "the lines of a body, in chunks of 64 KiB",
        "httpx's aiter_lines",
        {(3, 11): 1.2},
        compare_lines,
    ),
)
