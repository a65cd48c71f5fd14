"""Streams of other packages' clients, over sockets: however they are left, all of it is closed."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from types import ModuleType
from typing import Any, NamedTuple

import anyio
import httpx
import httpx2
import pytest
from clients import client_of
from contract import ON_ASYNCIO
from leaving import by_a_break, by_an_error, unread
from sockets import HEAD, Answer, chunk, serving

from anystream import Stream

pytestmark = pytest.mark.real_time

PAUSE = 0.001


async def by_a_timeout_of_a_step(items: Any) -> None:
    await anext(items)
    with anyio.move_on_after(0.05):
        async for _ in items:  # the server is silent
            pass


async def by_a_timeout_between_steps(items: Any) -> None:
    await anext(items)
    with anyio.move_on_after(0.01):
        await anyio.sleep_forever()


WAYS = (by_a_break, by_an_error, by_a_timeout_of_a_step, by_a_timeout_between_steps, unread)

# -- servers --------------------------------------------------------------------------------------


def event(data: object, kind: str = "message") -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def after(first: bytes, then: Answer) -> Answer:
    """What begins with `first`, and continues with the chunks of another answer."""

    async def answer(stream: Any) -> None:
        await stream.send(HEAD + chunk(first))
        await then(stream)

    return answer


def goes_on(data: bytes) -> Answer:
    async def answer(stream: Any) -> None:
        while True:
            await stream.send(chunk(data))
            await anyio.sleep(PAUSE)

    return answer


async def is_silent(stream: Any) -> None:
    await stream.receive()  # the rest of the request, or the end


CHOICE = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
TOKEN = event(
    {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [CHOICE]}
)
EMPTY_MESSAGE = {
    "id": "1",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "m",
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
DELTA = {"type": "text_delta", "text": "word "}
TEXT = {"type": "text", "text": ""}
START = event({"type": "message_start", "message": EMPTY_MESSAGE}, "message_start")
START += event(
    {"type": "content_block_start", "index": 0, "content_block": TEXT}, "content_block_start"
)
WORD = event({"type": "content_block_delta", "index": 0, "delta": DELTA}, "content_block_delta")


class Replies(NamedTuple):
    begin: bytes
    more: bytes

    def answer(self, way: Any) -> Answer:
        is_quiet = way is by_a_timeout_of_a_step
        return after(self.begin, is_silent if is_quiet else goes_on(self.more))


REPLIES = {
    "chat/completions": Replies(TOKEN, TOKEN),
    "v1/messages": Replies(START, WORD),
    "lines": Replies(b"a\n", b"b\n"),
}

# -- clients --------------------------------------------------------------------------------------

ASKED: Any = [{"role": "user", "content": "What are streams?"}]
Make = Callable[[str], AbstractAsyncContextManager[Callable[[], Awaitable[Stream[Any]]]]]


def openai_client(url: str) -> Any:
    openai = pytest.importorskip("openai")
    http = client_of(httpx2)
    return openai.AsyncOpenAI(api_key="key", base_url=url, max_retries=0, http_client=http)


def anthropic_client(url: str) -> Any:
    anthropic = pytest.importorskip("anthropic")
    http = client_of(httpx2)
    return anthropic.AsyncAnthropic(api_key="key", base_url=url, max_retries=0, http_client=http)


Called = Callable[[Any], Any]


def of_openai(client: Any) -> Any:
    return client.chat.completions.create(model="m", messages=ASKED, stream=True)


ASKED_OF_ANTHROPIC = {"model": "m", "max_tokens": 9, "messages": ASKED}


def of_anthropic(client: Any) -> Any:
    return client.messages.create(**ASKED_OF_ANTHROPIC, stream=True)


def managed_by_anthropic(client: Any) -> Any:
    return client.messages.stream(**ASKED_OF_ANTHROPIC)


def read_from(client_at: Called, call: Called, awaited: bool = False) -> Make:
    """What a call of a client gives, `awaited` before it is handed over or made by the stream."""

    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Any]:
        async with client_at(url) as client:

            async def make() -> Stream[Any]:
                return Stream(await call(client)) if awaited else Stream(lambda: call(client))

            yield make

    return opened


def lines_of(library: ModuleType) -> Make:
    @asynccontextmanager
    async def lines(url: str) -> AsyncIterator[Any]:
        async with client_of(library) as client:

            async def make() -> Stream[Any]:
                request = client.build_request("GET", f"{url}/lines")
                return Stream((await client.send(request, stream=True)).aiter_lines())

            yield make

    return lines


LINES = {"httpx": lines_of(httpx), "httpx2": lines_of(httpx2)}
CLIENTS: dict[str, Make] = {
    "openai awaited": read_from(openai_client, of_openai, awaited=True),
    "openai called": read_from(openai_client, of_openai),
    "anthropic called": read_from(anthropic_client, of_anthropic),
    "anthropic managed": read_from(anthropic_client, managed_by_anthropic),
    **LINES,
}

ROWS: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "plain": lambda s: s,
    "buffer": lambda s: s.map(lambda item: item).buffer(0),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_all_of_it_is_closed(client: str, way: Any, row: str) -> None:
    if way is unread and client in LINES:
        pytest.skip("a generator that has not begun has nothing to close")
    answers = {path: replies.answer(way) for path, replies in REPLIES.items()}
    async with serving(**answers) as server, CLIENTS[client](server.url) as make:
        stream = ROWS[row](await make())
        with suppress(ZeroDivisionError):
            async with stream as items:
                await way(items)
        assert await server.all_closed()


# -- clients of asyncio ----------------------------------------------------------------------------


@ON_ASYNCIO
@pytest.mark.parametrize("way", WAYS)
async def test_the_content_of_aiohttp(way: Any) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    answers = {path: replies.answer(way) for path, replies in REPLIES.items()}
    async with serving(**answers) as server, aiohttp.ClientSession() as session:
        with suppress(ZeroDivisionError):
            async with (
                session.get(f"{server.url}/lines") as response,
                Stream(response.content) as lines,
            ):
                await way(lines)
        assert await server.all_closed()


@asynccontextmanager
async def websocket(is_quiet: bool) -> AsyncIterator[tuple[str, anyio.Event]]:
    """The URL of a server, and what it sets when its one connection is closed."""
    server = pytest.importorskip("websockets.asyncio.server")
    closed = anyio.Event()

    async def talk(socket: Any) -> None:
        await socket.send("first")
        with suppress(Exception):  # the connection is closed
            while not is_quiet:
                await socket.send("more")
                await anyio.sleep(PAUSE)
        await socket.wait_closed()
        closed.set()

    async with server.serve(talk, "127.0.0.1", 0) as running:
        port = running.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}", closed


@ON_ASYNCIO
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("way", [way for way in WAYS if way is not unread])
async def test_a_connection_of_websockets(way: Any, row: str) -> None:
    websockets = pytest.importorskip("websockets")
    async with websocket(way is by_a_timeout_of_a_step) as (url, closed):
        with suppress(ZeroDivisionError):
            async with ROWS[row](Stream(lambda: websockets.connect(url, proxy=None))) as messages:
                await way(messages)
        with anyio.fail_after(5):
            await closed.wait()


@ON_ASYNCIO
async def test_a_connection_that_was_handed_over_stays_open() -> None:
    websockets = pytest.importorskip("websockets")
    async with websocket(is_quiet=False) as (url, closed):
        async with websockets.connect(url, proxy=None) as socket:
            assert await Stream(socket).take(2).collect() == ["first", "more"]
            assert await socket.recv() == "more"
        with anyio.fail_after(5):
            await closed.wait()
