"""The server of the demo, over real sockets."""

import logging
import math
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from anystream._cli.server import Server, serve
from anystream._cli.server.serving import PIECES

pytestmark = pytest.mark.real_time

FOREVER = "/users/slow?delay=inf"
LARGE = "/items?n=500000&size=500000"


@asynccontextmanager
async def serving() -> AsyncGenerator[tuple[Server, httpx.AsyncClient], None]:
    """A server and a client that asks it directly, whatever proxy the environment names."""
    async with (
        serve() as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as client,
    ):
        yield server, client


async def connect(port: int) -> SocketStream:
    return await anyio.connect_tcp("127.0.0.1", port)


def request(target: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: test", *headers, "", ""]).encode()


LAST = request("/users", "Connection: close")


async def read_all(stream: SocketStream) -> bytes:
    return b"".join([piece async for piece in stream])


async def closed_by_server(stream: SocketStream) -> bytes:
    """Wait until the server has closed the connection, politely or not: what came until then?"""
    received = bytearray()
    with anyio.fail_after(5), suppress(anyio.BrokenResourceError):
        async for piece in stream:
            received += piece
    return bytes(received)


async def exchange(server: Server, *sent: bytes) -> bytes:
    """Send this over one connection, and read until the server closes it."""
    async with await connect(server.port) as stream:
        for piece in sent:
            await stream.send(piece)
        return await read_all(stream)


async def get_json(client: httpx.AsyncClient, url: str, **params: str | int) -> Any:
    response = await client.get(url, params=params or None)  # an empty dict drops the query
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


async def test_five_pages_of_three_users_and_then_empty_ones() -> None:
    async with serving() as (_, client):
        pages = [await get_json(client, "/users", page=n) for n in range(1, 8)]
    assert [page["page"] for page in pages] == [1, 2, 3, 4, 5, 6, 7]
    assert [len(page["items"]) for page in pages] == [3, 3, 3, 3, 3, 0, 0]
    users = [user for page in pages for user in page["items"]]
    assert users[0] == {"id": 1, "name": "Ada"}
    assert [user["id"] for user in users] == list(range(1, 16))
    assert len({user["name"] for user in users}) == 15


@pytest.mark.parametrize("page", [0, -1])
async def test_pages_before_the_first_are_empty(page: int) -> None:
    async with serving() as (_, client):
        assert (await get_json(client, "/users", page=page))["items"] == []


async def test_without_a_number_it_is_the_first_page() -> None:
    async with serving() as (_, client):
        assert await get_json(client, "/users") == await get_json(client, "/users", page=1)


@pytest.mark.parametrize("delay", ["0.01", "0", "-1", "nan"])
async def test_slow_pages_are_the_same_pages(delay: str) -> None:
    async with serving() as (_, client):
        usual = await get_json(client, "/users", page=2, delay=delay)
        assert await get_json(client, "/users/slow", page=2, delay=delay) == usual


async def test_a_slow_page_makes_the_client_wait() -> None:
    async with serving() as (_, client):
        for url in ("/users/slow", FOREVER):
            with pytest.raises(httpx.ReadTimeout):
                await client.get(url, timeout=httpx.Timeout(5, read=0.1))


async def test_the_broken_route_fails_on_page_3() -> None:
    async with serving() as (_, client):
        responses = [await client.get("/users/broken", params={"page": n}) for n in range(1, 5)]
    assert [response.status_code for response in responses] == [200, 200, 500, 200]
    assert responses[2].reason_phrase == "Internal Server Error"
    assert responses[2].headers["Content-Type"].startswith("text/plain")
    assert responses[2].text == "page 3 is broken\n"
    assert responses[3].json()["items"][0]["id"] == 10


async def test_items_name_the_next_page() -> None:
    async with serving() as (_, client):
        pages = [await get_json(client, "/items?n=5&size=2")]
        while pages[-1]["next"]:
            pages.append(await get_json(client, pages[-1]["next"]))
    assert [page["count"] for page in pages] == [5, 5, 5]
    assert pages[0]["next"] == "/items?n=5&size=2&start=2"
    items = [item for page in pages for item in page["results"]]
    assert items == [{"id": number, "name": f"item {number}"} for number in range(1, 6)]


@pytest.mark.parametrize("target", ["/", "/nothing", "/users/", "/users/nothing?page=1"])
async def test_an_unknown_path_is_a_404_in_json(target: str) -> None:
    async with serving() as (_, client):
        response = await client.get(target)
    assert response.status_code == 404
    assert response.json() == {"error": "no such path"}


@pytest.mark.parametrize(
    "target", ["/users?page=two", "/users/slow?delay=long", "/items?size=", "http://[/users"]
)
async def test_a_value_that_cannot_be_read_is_a_400_and_the_connection_lives_on(
    target: str,
) -> None:
    async with serve() as server:
        received = await exchange(server, request(target), LAST)
    first, second = received.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"400 Bad Request\r\n")
    assert b'{"error": ' in first
    assert second.startswith(b"200 OK\r\n")


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "CONNECT"])
async def test_other_methods_are_refused_and_the_connection_lives_on(method: str) -> None:
    async with serve() as server:
        received = await exchange(server, request("/users", method=method), LAST)
    first, second = received.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"501 Not Implemented\r\n")
    assert first.endswith(b"\r\n\r\n")
    assert second.startswith(b"200 OK\r\n")


async def test_the_body_of_a_request_is_read_and_forgotten() -> None:
    async with serving() as (server, client):
        assert (await client.post("/users", content=b"x" * 100_000)).status_code == 501
        assert (await client.request("GET", "/users", content=b"x")).status_code == 200
        assert server.open_connections == 1


async def test_a_connection_serves_many_requests() -> None:
    async with serving() as (server, client):
        for _ in range(3):
            await get_json(client, "/users")
            assert server.open_connections == 1


async def test_requests_sent_together_are_answered_in_order() -> None:
    async with serve() as server:
        received = await exchange(server, request("/users") + request("/nothing") + LAST)
    assert [answer[:3] for answer in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]


async def test_a_request_sent_during_a_slow_answer_waits_for_its_turn() -> None:
    async with serve() as server, await connect(server.port) as stream:
        await stream.send(request("/users") + request("/users/slow?delay=0.05"))
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 OK")
        await stream.send(request("/nothing", "Connection: close"))
        received = await read_all(stream)
    assert [answer[:3] for answer in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404"]


@pytest.mark.parametrize(
    "last", [LAST, b"GET /users HTTP/1.0\r\n\r\n"], ids=["Connection: close", "HTTP/1.0"]
)
async def test_a_client_can_ask_for_the_connection_to_be_closed(last: bytes) -> None:
    async with serve() as server:
        assert b"\r\nConnection: close\r\n" in await exchange(server, last)
        assert await server.settled(5)


@pytest.mark.parametrize(
    "garbage",
    [
        b"this is not HTTP\r\n\r\n",
        request("/users", "no colon in this header"),
        request("/users", "Content-Length: many"),
        request("/users", "Transfer-Encoding: chunked", method="HEAD") + b"no size\r\n",
        request("/users", "X: " + 20_000 * "x").rstrip(),  # a header without an end
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
    ],
    ids=["request line", "header", "length", "chunk", "size", "TLS"],
)
async def test_what_is_no_http_is_a_400_and_the_end_of_the_connection(garbage: bytes) -> None:
    async with serve() as server:
        received = await exchange(server, request("/users") + garbage)
        first, second = received.split(b"HTTP/1.1 ")[1:]
        assert first.startswith(b"200 OK\r\n")
        assert second.startswith(b"400 Bad Request\r\n")
        assert b"\r\nConnection: close\r\n" in second
        assert await server.settled(5)


async def test_the_plain_socket_sends_its_pieces_and_closes() -> None:
    async with serve() as server:
        async with await connect(server.data_port) as stream:
            assert await stream.receive() == PIECES[0]
            assert server.open_connections == 1
            assert await read_all(stream) == b"".join(PIECES[1:])
        assert await server.settled(5)


async def leave_at_once(stream: SocketStream) -> None:
    await stream.aclose()


async def leave_with_a_reset(stream: SocketStream) -> None:
    raw = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


@pytest.mark.parametrize("leave", [leave_at_once, leave_with_a_reset])
@pytest.mark.parametrize(
    "target",
    [FOREVER, LARGE],
    ids=["before the answer", "during the answer"],
)
async def test_a_client_may_leave_in_the_middle(
    leave: Callable[[SocketStream], Awaitable[None]],
    target: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serve() as server:
        stream = await connect(server.port)
        await stream.send(request("/users") + request(target))
        assert (await stream.receive(1000)).startswith(b"HTTP/1.1 200 OK")
        assert server.open_connections == 1
        await leave(stream)
        assert await server.settled(5)
        assert await exchange(server, LAST)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_client_may_leave_in_the_middle_of_the_pieces() -> None:
    async with serve() as server:
        stream = await connect(server.data_port)
        assert await stream.receive() == PIECES[0]
        await leave_with_a_reset(stream)
        assert await server.settled(5)


async def test_many_clients_may_come_and_go() -> None:
    async def come_and_go(server: Server) -> None:
        for leave in (leave_at_once, leave_with_a_reset) * 5:
            for port in (server.port, server.data_port):
                await leave(await connect(port))

    async with serve() as server:
        async with anyio.create_task_group() as clients:
            for _ in range(10):
                clients.start_soon(come_and_go, server)
        assert (await exchange(server, LAST)).startswith(b"HTTP/1.1 200 OK")
        assert await server.settled(5)


async def test_settled_says_at_once_that_nothing_is_open() -> None:
    async with serve() as server:
        assert await server.settled(0)


async def test_settled_says_that_something_stayed_open() -> None:
    async with serving() as (server, client):
        await get_json(client, "/users")
        assert not await server.settled(0.01)


async def test_settled_sleeps_until_the_last_connection_is_closed() -> None:
    async def wait(open_still: int) -> None:
        assert await server.settled(math.inf, open_still)
        closed.append(f"all but {open_still}")

    closed: list[str] = []
    async with serving() as (server, client), anyio.create_task_group() as tasks:
        await get_json(client, "/users")
        async with await connect(server.port) as stream:
            await stream.send(request("/users"))
            await stream.receive()
            for open_still in (0, 1):
                tasks.start_soon(wait, open_still)
            await exchange(server, LAST)
            assert closed == []
        await anyio.sleep(0.1)
        assert closed == ["all but 1"]
        await client.aclose()
    assert closed == ["all but 1", "all but 0"]


async def test_leaving_the_block_closes_everything() -> None:
    async with AsyncExitStack() as clients:
        async with serve() as server:
            idle, slow, stuck, listening = [
                await clients.enter_async_context(await connect(port))
                for port in [server.port] * 3 + [server.data_port]
            ]
            await idle.send(request("/users"))
            await slow.send(request("/users") + request(FOREVER))
            await stuck.send(request(LARGE))
            for stream in (idle, slow, stuck, listening):
                await stream.receive(1000)
            assert server.open_connections == 4
        assert server.open_connections == 0
        for stream in (idle, slow, listening):
            await closed_by_server(stream)
        assert not (await closed_by_server(stuck)).endswith(b"}]}")
    for port in (server.port, server.data_port):
        with pytest.raises(OSError, match="connect"):
            await connect(port)


async def test_an_error_of_the_block_comes_out_bare() -> None:
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:
        await fail_while_serving(error)
    assert caught.value is error


async def fail_while_serving(error: Exception) -> None:
    async with serve() as server, await connect(server.data_port) as stream:
        await stream.receive()
        raise error


async def test_a_cancelled_block_closes_everything() -> None:
    connections: list[tuple[Server, SocketStream]] = []
    async with AsyncExitStack() as clients:
        with anyio.CancelScope() as scope:
            async with serve() as server:
                stream = await clients.enter_async_context(await connect(server.port))
                await stream.send(request("/users") + request(FOREVER))
                await stream.receive()
                connections.append((server, stream))
                scope.cancel()
                await anyio.sleep_forever()
        [(server, stream)] = connections
        assert server.open_connections == 0
        await closed_by_server(stream)
