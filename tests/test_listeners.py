"""Listeners as streams of connections."""

import socket
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.stapled import MultiListener
from anyio.streams.tls import TLSListener

from anystream import Stream, StreamConsumedError, merge
from anystream.testing import every_cut

pytestmark = pytest.mark.real_time


def port_of(listener: Any) -> int:
    port: int = listener.extra(SocketAttribute.local_port)
    return port


async def is_closed(client: SocketStream) -> bool:
    """Whether the other side has closed its connection, or does so now."""
    with anyio.fail_after(5):
        try:
            await client.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return True
    return False


async def echo(connection: SocketStream) -> bytes:
    async with connection:
        data = await connection.receive()
        await connection.send(data.upper())
        return data


async def test_the_connections_that_come() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = port_of(listener)
    async with Stream(listener) as connections, AsyncExitStack() as stack:
        for text in (b"one", b"two"):
            client = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
            await client.send(text)
            assert await echo(await anext(connections)) == text
            assert await client.receive() == text.upper()
    with pytest.raises(OSError, match=r"."):
        await anyio.connect_tcp("127.0.0.1", port)


async def two_sockets() -> tuple[MultiListener[SocketStream], list[int]]:
    """A listener at two ports, as one at two addresses is."""
    parts = [await anyio.create_tcp_listener(local_host="127.0.0.1") for _ in range(2)]
    ports = [port_of(part) for part in parts]
    return MultiListener(parts), ports


async def test_each_socket_of_several() -> None:
    listener, ports = await two_sockets()

    async def ask(port: int) -> None:
        await anyio.sleep(0.02)  # until the reader waits
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(b"one")
            assert await client.receive() == b"ONE"

    async with Stream(listener) as connections:
        for port in (*ports, ports[0]):
            with anyio.move_on_after(0.01) as scope:
                await anext(connections)
            assert scope.cancelled_caught
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, port)
                assert await echo(await anext(connections)) == b"one"


async def test_no_socket_keeps_the_others_waiting() -> None:
    listener, ports = await two_sockets()
    async with Stream(listener) as connections, AsyncExitStack() as stack:
        for port in (ports[0], ports[0], ports[1]):
            await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
        got = [await stack.enter_async_context(await anext(connections)) for _ in range(3)]
        assert sorted(map(port_of, got[:2])) == sorted(ports)


async def test_a_bare_loop_that_is_cancelled() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = port_of(listener)
    with anyio.move_on_after(0.05):
        async for _ in Stream(listener):
            raise AssertionError("this must not run")
    with pytest.raises(OSError, match=r"."):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_over_unix_sockets(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with Stream(await anyio.create_unix_listener(path)) as connections:
        with anyio.move_on_after(0.01) as scope:
            await anext(connections)
        assert scope.cancelled_caught
        async with await anyio.connect_unix(path) as client:
            await client.send(b"one")
            assert await echo(await anext(connections)) == b"one"
            assert await client.receive() == b"ONE"
    with pytest.raises(OSError, match=r"."):
        await anyio.connect_unix(path)


async def test_a_server_of_few_clients_at_a_time() -> None:
    listener = await anyio.create_tcp_listener()
    port, served = port_of(listener), list[bytes]()

    async def handle(connection: SocketStream) -> None:
        served.append(await echo(connection))

    async def ask(number: int) -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(b"a%d" % number)
            assert await client.receive() == b"A%d" % number

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(ask, number)
        await Stream(listener).take(20).for_each(handle, concurrency=3)
    assert sorted(served) == sorted(b"a%d" % number for number in range(20))


async def test_a_connection_that_nobody_has_read_is_closed() -> None:
    listener = await anyio.create_tcp_listener()
    async with AsyncExitStack() as stack:
        clients = []
        async with Stream(listener) as connections:
            for host in ("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"):
                connecting = anyio.connect_tcp(host, port_of(listener))
                clients.append(await stack.enter_async_context(await connecting))
            read = await anext(connections)
            await read.aclose()
        for client in clients:
            assert await is_closed(client)


async def test_one_that_comes_when_the_reader_of_a_task_waits_no_longer() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = port_of(listener)
    async with AsyncExitStack() as stack:
        async with Stream(listener).buffer(0) as connections:
            with anyio.move_on_after(0.01):
                await anext(connections)
            first = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
            await anyio.sleep(0.02)
            read = await anext(connections)
            await read.aclose()
            with anyio.move_on_after(0.01):
                await anext(connections)
            second = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
            await anyio.sleep(0.02)
        assert await is_closed(first)
        assert await is_closed(second)


async def test_an_error_of_the_body_closes_it() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with await anyio.connect_tcp("127.0.0.1", port_of(listener)) as client:
        with pytest.raises(KeyError):
            async with Stream(listener):
                raise KeyError
        assert await is_closed(client)


@pytest.mark.parametrize("mode", ["scope", "native"])
async def test_cancelled_anywhere(mode: Any) -> None:
    """Each client that has connected is served by the reader, or closed by the stream."""
    for cut in every_cut():
        listener = await anyio.create_tcp_listener()
        async with listener, AsyncExitStack() as stack:
            clients = []
            for host in ("127.0.0.1", "127.0.0.1", "127.0.0.1"):
                connecting = anyio.connect_tcp(host, port_of(listener))
                clients.append(await stack.enter_async_context(await connecting))

            async def serve(listener: Any = listener) -> None:
                async with Stream(listener) as connections:
                    for _ in range(3):
                        async with await anext(connections):
                            pass

            await cut.run(serve(), mode)
            for client in clients:
                assert await is_closed(client)


async def test_a_cancelled_step_loses_no_client() -> None:
    for cut_here in every_cut():
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with await anyio.connect_tcp("127.0.0.1", port_of(listener)) as client:
            got: list[SocketStream] = []
            async with Stream(listener).take(1) as connections:
                await cut_here.collect(connections, got)
            assert len(got) == 1
            await client.send(b"one")
            assert await echo(got[0]) == b"one"


async def test_a_client_that_has_left_is_passed_over() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    address = ("127.0.0.1", port_of(listener))
    with socket.create_connection(address) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    async with Stream(listener) as connections, await anyio.connect_tcp(*address) as other:
        await other.send(b"one")
        connection = await anext(connections)
        with_data = connection.extra(SocketAttribute.remote_port)
        assert with_data == other.extra(SocketAttribute.local_port)
        assert await echo(connection) == b"one"


async def test_it_can_be_read_once_and_a_function_again() -> None:
    stream = Stream(await anyio.create_tcp_listener())
    async with stream:
        pass
    with pytest.raises(StreamConsumedError):
        async with stream:
            pass
    ports = Stream(anyio.create_tcp_listener)
    for _ in range(2):
        async with ports.buffer(0):
            pass


async def test_two_listeners_in_a_merge() -> None:
    listener = await anyio.create_tcp_listener()
    both = merge(Stream(listener), Stream(anyio.create_tcp_listener))
    async with both as connections:
        with anyio.move_on_after(0.01):
            await anext(connections)
        async with await anyio.connect_tcp("127.0.0.1", port_of(listener)) as client:
            await client.send(b"one")
            assert await echo(await anext(connections)) == b"one"


async def test_tls_has_its_own_way() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    tls = TLSListener(listener, ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    for source in (tls, lambda: tls):
        with pytest.raises(
            TypeError,
            match=r"wrap each connection with TLSStream\.wrap\(\)(\nin Stream\(<lambda>\))?$",
        ):
            await Stream(source).drain()
    await tls.aclose()
