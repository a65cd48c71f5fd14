"""Async comprehensions over every stream: python examples/comprehensions.py [asyncio | trio]"""

import sys
from contextlib import aclosing

import anyio
import httpx

from anystream import Stream, async_range, stream_data, ticker
from anystream.http import PageNumber, fetch_all_pages

PAGES = {"1": ["Ada", "Grace", "Alan"], "2": ["Barbara", "Edsger"]}


def answer(request: httpx.Request) -> httpx.Response:
    """Play the part of a paginated API, without a network."""
    return httpx.Response(200, json={"items": PAGES.get(request.url.params["page"], [])})


class Connection:
    """Play the part of a connection: three pieces of data, and nothing at the end."""

    def __init__(self) -> None:
        self.pieces = ["one ", "two ", "three", ""]

    async def read(self) -> str:
        return self.pieces.pop(0)

    async def aclose(self) -> None:
        print("  (connection closed)")


async def connect() -> Connection:
    return Connection()


async def main() -> None:
    print("list:")
    print(" ", [n * n async for n in async_range(5)])
    print(" ", [piece.upper() async for piece in stream_data(connect)])

    print("with a condition:")
    print(" ", [n async for n in async_range(0, 20, 3) if n % 2])

    print("set:")
    print(" ", sorted({char async for char in Stream("abracadabra")}))

    print("dict:")
    print(" ", {n: char async for n, char in Stream("abc").enumerate(1)})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        names = fetch_all_pages("http://example.test/users", client=client, next=PageNumber())
        print(" ", {name: len(name) async for name in names})

    print("nested:")
    print(" ", [(n, m) async for n in async_range(4) async for m in async_range(n) if n + m == 3])
    print(" ", [[m async for m in async_range(n)] async for n in async_range(4)])

    print("generator expression:")
    start = anyio.current_time()
    late = (round(time - start, 1) async for time in ticker(0.1, count=3))
    print(" ", [f"{seconds} s" async for seconds in late])

    print("generator expression, left early:")
    async with (
        stream_data(connect) as pieces,
        aclosing(piece.strip() async for piece in pieces) as words,
    ):
        async for word in words:
            print(" ", word)
            if word == "two":
                break


if __name__ == "__main__":
    anyio.run(main, backend=sys.argv[1] if len(sys.argv) > 1 else "asyncio")
