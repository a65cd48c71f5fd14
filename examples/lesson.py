"""The lesson's five streams, on asyncio or on trio.

    anystream demo --serve --port 8000 &
    python examples/lesson.py [asyncio | trio] [URL]

URL is where the server of the demo is, by default http://127.0.0.1:8000.
"""

import sys
from functools import partial
from urllib.parse import urlsplit

import anyio
import httpx
from anyio.abc import SocketStream

from anystream import async_range, stream_data, ticker
from anystream.http import fetch_all_pages


async def a_range() -> None:
    async for number in async_range(3, delay=0.1):  # holds nothing: the bare loop is fine
        print("number", number)


async def pages(url: str, client: httpx.AsyncClient) -> None:
    users = fetch_all_pages(f"{url}/users", client=client)
    async with users as items:
        async for user in items:
            print("user", user["id"], user["name"])
            if user["name"] == "Barbara":
                break

    print("all users", await users.count())  # a stream can be read again


async def comprehensions(url: str, client: httpx.AsyncClient) -> None:
    print("squares of odd numbers", [n * n async for n in async_range(10) if n % 2])

    users = fetch_all_pages(f"{url}/users", client=client)
    print("initials", sorted({user["name"][0] async for user in users}))

    print("nested", {n: [m async for m in async_range(n)] async for n in async_range(4)})


async def connect(url: str) -> SocketStream:
    """A connection that gives three lines, one after the other, behind the head of a response."""
    place = urlsplit(url)
    connection = await anyio.connect_tcp(str(place.hostname), place.port or 80)
    await connection.send(b"GET /ndjson?n=3&delay=0.05 HTTP/1.0\r\n\r\n")
    return connection


async def data(url: str) -> None:
    async with stream_data(partial(connect, url)) as pieces:
        async for piece in pieces:
            print("received", piece)


async def ticks() -> None:
    start = anyio.current_time()
    async with ticker(0.1) as times:  # endless
        async for time in times:
            print(f"tick after {time - start:.1f} s")
            if time > start + 0.25:
                break


async def main(url: str) -> None:
    await a_range()
    # Without a client of yours the stream opens one, which would use the proxy that you may have.
    async with httpx.AsyncClient(trust_env=False) as client:
        await pages(url, client)
        await comprehensions(url, client)
    await data(url)
    await ticks()


if __name__ == "__main__":
    backend = sys.argv[1] if len(sys.argv) > 1 else "asyncio"
    url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000"
    anyio.run(main, url, backend=backend)
