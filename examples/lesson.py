"""The lesson's five streams, on asyncio or on trio: python examples/lesson.py [asyncio | trio]"""

import sys

import anyio
import httpx

from anystream import async_range, stream_data, ticker
from anystream._cli.server import Server, serve  # a small API on this machine, made for the demo
from anystream.http import fetch_all_pages


async def a_range() -> None:
    async for number in async_range(3, delay=0.1):  # holds nothing: the bare loop is fine
        print("number", number)


async def pages(server: Server, client: httpx.AsyncClient) -> None:
    users = fetch_all_pages(f"{server.url}/users", client=client)
    async with users as items:
        async for user in items:
            print("user", user["id"], user["name"])
            if user["name"] == "Barbara":
                break

    print("all users", await users.count())  # a stream can be read again


async def comprehensions(server: Server, client: httpx.AsyncClient) -> None:
    print("squares of odd numbers", [n * n async for n in async_range(10) if n % 2])

    users = fetch_all_pages(f"{server.url}/users", client=client)
    print("initials", sorted({user["name"][0] async for user in users}))

    print("nested", {n: [m async for m in async_range(n)] async for n in async_range(4)})


async def data(server: Server) -> None:
    async with stream_data(lambda: anyio.connect_tcp("127.0.0.1", server.data_port)) as pieces:
        async for piece in pieces:
            print("received", piece)


async def ticks() -> None:
    start = anyio.current_time()
    async with ticker(0.1) as times:  # endless
        async for time in times:
            print(f"tick after {time - start:.1f} s")
            if time > start + 0.25:
                break


async def main(client: httpx.AsyncClient) -> None:
    await a_range()
    async with client, serve() as server:
        await pages(server, client)
        await comprehensions(server, client)
        await data(server)
    await ticks()


if __name__ == "__main__":
    # Without a client of yours the stream opens one, which would use the proxy that you may have.
    direct = httpx.AsyncClient(trust_env=False)
    anyio.run(main, direct, backend=sys.argv[1] if len(sys.argv) > 1 else "asyncio")
