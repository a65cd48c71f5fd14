"""What a user's code infers. Checked by pyright, never run.

A line with an ignore must fail: pyright reports an ignore that is not needed.
"""

import operator
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Literal, assert_type

import anyio

from anystream import Run, Stream, async_range, chain, merge, stream_data, ticker
from anystream.http import fetch_all_pages


async def numbers() -> AsyncIterator[int]:
    yield 1


async def make_list() -> list[str]:
    return []


async def text(n: int) -> str:
    return str(n)


async def is_odd(n: int) -> bool:
    return n % 2 == 1


async def add(total: float, n: int) -> float:
    return total + n


def words(n: int) -> list[str]:
    return [str(n)]


async def later_words(n: int) -> list[str]:
    return words(n)


class Connection:
    async def read(self) -> bytes:
        return b""

    async def aclose(self) -> None: ...


async def connect() -> Connection:
    return Connection()


async def connect_tcp() -> anyio.abc.SocketStream:
    return await anyio.connect_tcp("localhost", 80)


def sources() -> None:
    assert_type(Stream([1, 2]), Stream[int])
    assert_type(Stream(numbers()), Stream[int])
    assert_type(Stream(numbers), Stream[int])
    assert_type(Stream(make_list), Stream[str])
    assert_type(Stream({"a": 1}), Stream[str])
    assert_type(async_range(3), Stream[int])
    assert_type(async_range(0, 3, 2, delay=0.1), Stream[int])
    assert_type(ticker(1), Stream[float])
    assert_type(stream_data(connect), Stream[bytes])
    assert_type(stream_data(connect_tcp), Stream[bytes])
    assert_type(chain([1], async_range(3)), Stream[int])
    assert_type(merge([1], async_range(3), buffer=2), Stream[int])
    assert_type(fetch_all_pages("https://example.com"), Stream[Any])
    Stream(5)  # pyright: ignore[reportArgumentType]
    async_range()  # pyright: ignore[reportCallIssue]
    async_range(1.5)  # pyright: ignore[reportArgumentType]
    ticker(1, missed="drop")  # pyright: ignore[reportArgumentType]


def operators(ints: Stream[int], strings: Stream[str]) -> None:
    assert_type(ints.map(str), Stream[str])
    assert_type(ints.map(lambda n: n / 2), Stream[float])
    assert_type(ints.map(text), Stream[str])
    assert_type(ints.enumerate().starmap(operator.add), Stream[int])
    assert_type(ints.enumerate().starmap(lambda count, n: str(count + n)), Stream[str])
    assert_type(ints.enumerate().starmap(add), Stream[float])
    assert_type(ints.tap(print), Stream[int])
    assert_type(ints.tap(text), Stream[int])
    assert_type(ints.filter(None), Stream[int])
    assert_type(ints.filter(lambda n: n > 1), Stream[int])
    assert_type(ints.filter(is_odd), Stream[int])
    assert_type(ints.take(1).skip(1).take_while(is_odd).skip_while(bool), Stream[int])
    assert_type(ints.enumerate(), Stream[tuple[int, int]])
    assert_type(ints.accumulate(), Stream[int])
    assert_type(ints.accumulate(operator.add), Stream[int])
    assert_type(ints.accumulate(add, initial=0.5), Stream[float])
    assert_type(ints.batched(2), Stream[tuple[int, ...]])
    assert_type(ints.pairwise(), Stream[tuple[int, int]])
    assert_type(ints.map(words).flatten(), Stream[str])
    assert_type(ints.map(async_range).flatten(), Stream[int])
    assert_type(ints.flat_map(words), Stream[str])
    assert_type(ints.flat_map(later_words), Stream[str])
    assert_type(ints.flat_map(async_range), Stream[int])
    assert_type(ints.chain(strings, ["a"]), Stream[int | str])
    assert_type(ints.buffer(3), Stream[int])
    assert_type(ints.merge(strings), Stream[int | str])
    ints.map(3)  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.take("3")  # pyright: ignore[reportArgumentType]
    ints.flatten()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    strings.map(operator.neg)  # pyright: ignore[reportArgumentType, reportCallIssue]


async def opening(ints: Stream[int]) -> None:
    async with ints as items:
        assert_type(items, Run[int])
        assert_type(await anext(items), int)
    async for item in ints:
        assert_type(item, int)
    async with aclosing(aiter(ints)) as closing:
        assert_type(closing, Run[int])
    assert_type([item async for item in ints], list[int])


async def sinks(ints: Stream[int], pairs: Stream[tuple[str, int]]) -> None:
    assert_type(await ints.collect(), list[int])
    assert_type(await ints.collect(set), set[int])
    assert_type(await ints.collect(tuple), tuple[int, ...])
    assert_type(await ints.collect(sum), int)
    assert_type(await pairs.collect(dict), dict[str, int])
    assert_type(await ints.map(str).collect("".join), str)
    assert_type(await ints.first(), int)
    assert_type(await ints.first(None), int | None)
    assert_type(await ints.last("none"), int | str)
    assert_type(await ints.count(), int)
    assert_type(await ints.sum(), int)
    assert_type(await ints.map(float).sum(), float | Literal[0])
    assert_type(await ints.min(), int)
    assert_type(await ints.max(key=text, default=None), int | None)
    assert_type(await ints.any(), bool)
    assert_type(await ints.all(), bool)
    assert_type(await ints.reduce(operator.add), int)
    assert_type(await ints.reduce(add, 0.5), float)
    assert_type(await ints.drain(), None)
    assert_type(await ints.for_each(text), None)


def variance(bools: Stream[bool]) -> Stream[int]:
    return bools
