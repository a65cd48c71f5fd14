"""Bytes cut into chunks, and a byte stream that gives them."""

from collections.abc import Iterable
from itertools import pairwise

import anyio
from anyio.abc import ByteReceiveStream
from hypothesis import strategies as st


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """`data` in chunks that end at `places`, some of which may be empty."""
    return [data[a:b] for a, b in pairwise([0, *sorted(places), len(data)])]


def in_chunks(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """`data` cut anywhere."""
    return st.lists(st.integers(0, len(data)), max_size=8).map(lambda places: cut(data, places))


class Wire(ByteReceiveStream):
    """A byte stream in memory, with a pause before each chunk."""

    def __init__(self, chunks: Iterable[bytes], pause: float = 0) -> None:
        self.chunks = [*chunks]
        self.pause = pause
        self.closed = 0

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        await anyio.sleep(self.pause)
        if not self.chunks:
            raise anyio.EndOfStream
        return self.chunks.pop(0)

    async def aclose(self) -> None:
        self.closed += 1
