"""Bodies of a client that never waits: they can be cancelled, and do not hold the event loop."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from anystream import Retry
from anystream.http import json_seq, lines, ndjson, sse

AT_ONCE = Retry(times=None, first=0, cap=0)
EVENTS = {"content-type": "text/event-stream"}
TEXTS = b"\x1e1\n"


class Ready(httpx.AsyncByteStream):
    """The same chunk again and again, without waiting and without an end."""

    def __init__(self, chunk: bytes) -> None:
        self.chunk = chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield self.chunk


def client_of(answer: Any) -> Any:
    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


def endless(chunk: bytes) -> Any:
    return client_of(lambda _: httpx.Response(200, headers=EVENTS, stream=Ready(chunk)))


PACKED = EVENTS | {"content-encoding": "gzip"}


def packed_comments(_: httpx.Request) -> httpx.Response:
    """A small body, which comes in one piece, and is much to read."""
    return httpx.Response(200, headers=PACKED, content=gzip.compress(b":\n" * 20_000_000, 1))


def refusing(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


CASES = {
    "lines": (lines, endless(b"1\n" * 100)),
    "a line without an end": (lines, endless(b"1")),
    "documents": (ndjson, endless(b"1\n")),
    "blank lines": (ndjson, endless(b"\n" * 100)),
    "texts": (json_seq, endless(TEXTS)),
    "events": (sse, endless(b"data: 1\n\n")),
    "comments": (sse, endless(b":\n")),
    "packed comments": (sse, client_of(packed_comments)),
    "a line of an event without an end": (sse, endless(b"data: x")),
    "empty bodies": (sse, client_of(lambda _: httpx.Response(200, headers=EVENTS, content=b""))),
    "refusals": (sse, client_of(lambda _: httpx.Response(503))),
    "refusals of lines": (lines, client_of(lambda _: httpx.Response(503))),
    "no connection": (sse, client_of(refusing)),
    "no connection for lines": (lines, client_of(refusing)),
}


@pytest.mark.real_time  # since nothing waits, virtual time would stand still
@pytest.mark.leaks_expected("abandoned")  # httpx: nothing can end its generators one by one
@pytest.mark.parametrize("name", CASES)
async def test_a_timeout_comes_and_others_get_their_turn(name: str) -> None:
    read, client = CASES[name]
    limit = {sse: "max_event", json_seq: "max_text"}.get(read, "max_line")
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take_turns)
        with anyio.move_on_after(0.05) as scope:
            stream = read("http://test/", client=client, retry=AT_ONCE, **{limit: 10**9})
            await stream.drain()
        tasks.cancel_scope.cancel()
    assert scope.cancelled_caught
    assert turns > 1


async def test_a_long_chunk_is_taken_in_pieces() -> None:
    data = b"data: 1\n\n" * 30_000
    client = client_of(lambda _: httpx.Response(200, headers=EVENTS, content=data))
    assert await lines("http://test/", client=client).count() == 60_000
    assert await sse("http://test/", client=client, retry=None).count() == 30_000
