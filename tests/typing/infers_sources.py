"""What a user's code infers of the functions that make a stream.

Checked by pyright and mypy, never run. A line with an ignore must fail: both report an ignore that
is not needed.
"""

import asyncio
import queue
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TypeVar, assert_type

import anyio
from anyio.abc import SocketListener, SocketStream
from given import make_list, numbers, text

import anystream
from anystream import (
    Push,
    Sender,
    Stream,
    async_range,
    calls,
    chain,
    combine_latest,
    from_callback,
    from_thread,
    merge,
    poll,
    producer,
    race,
    signals,
    stream,
    stream_data,
    ticker,
    to_sync,
)

T = TypeVar("T")


class Connection:
    async def read(self) -> bytes:
        return b""

    async def aclose(self) -> None: ...


async def connect() -> Connection:
    return Connection()


async def connect_tcp() -> anyio.abc.SocketStream:
    return await anyio.connect_tcp("localhost", 80)


@producer
async def spelt(sender: Sender[str], text: str, pause: float = 0) -> None:
    await sender.send(text)
    await sender.send(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert_type(sender.start_soon(more, 3), None)
    sender.start_soon(more, count=3)
    sender.start_soon(more, "3")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def more(sender: Sender[str], count: int) -> None:
    assert_type(await sender.send("a"), None)


@producer
async def audited(sender: Sender[T], source: Stream[T], seconds: float) -> None:
    await source.for_each(sender.send)


def producers(ints: Stream[int]) -> None:
    assert_type(spelt("a"), Stream[str])
    assert_type(spelt("a", pause=1), Stream[str])
    spelt(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert_type(audited(ints, 0.5), Stream[int])
    producer(more, buffer=2)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]


def sources(ints: Stream[int], strings: Stream[str], floats: Stream[float]) -> None:
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
    assert_type(Stream(strings).chain(ints), Stream[str | int])
    assert_type(merge(ints, ints, until="any"), Stream[int])
    assert_type(combine_latest(ints, strings), Stream[tuple[int, str]])
    assert_type(combine_latest(ints, ints, ints, ints), Stream[tuple[int, int, int, int]])
    assert_type(race(ints, ints), Stream[int])
    assert_type(anystream.zip(ints, strings), Stream[tuple[int, str]])
    assert_type(anystream.zip(ints, strings, "ab"), Stream[tuple[int, str, str]])
    assert_type(
        anystream.zip(ints, strings, floats, ints, strings, floats),
        Stream[tuple[int, str, float, int, str, float]],
    )
    assert_type(anystream.zip("", "", "", "", "", "", ""), Stream[tuple[str, ...]])
    assert_type(merge(ints, strings), Stream[int | str])
    assert_type(merge(ints, strings, floats, [b""], buffer=2), Stream[int | str | float | bytes])
    assert_type(chain(ints, strings, [b""]), Stream[int | str | bytes])
    assert_type(race(ints, strings, [b""], [None]), Stream[int | str | bytes | None])
    assert_type(combine_latest(ints, strings, floats), Stream[tuple[int, str, float]])
    assert_type(poll(make_list, 1), Stream[list[str]])
    assert_type(poll(lambda: 5, 1, count=3), Stream[int])
    poll(5, 1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    chain(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    merge([1], until="some")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    race(text(1))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    anystream.zip(ints, 5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    combine_latest(ints, 5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    poll(make_list)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    stream_data(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    stream_data(text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Stream(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async_range()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    async_range(1.5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    ticker(1, missed="drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@asynccontextmanager
async def run_stream() -> AsyncGenerator[AsyncIterator[str], None]:
    yield aiter(Stream("ab"))


async def later() -> list[bytes]:
    return [b""]


def next_number() -> int | None:
    return None


def what_people_have(
    jobs: queue.Queue[str], mine: asyncio.Queue[int], listener: SocketListener
) -> None:
    assert_type(Stream(jobs), Stream[str])
    assert_type(Stream(mine), Stream[int])
    assert_type(Stream(lambda: jobs), Stream[str])
    assert_type(Stream(run_stream), Stream[str])
    assert_type(Stream(run_stream()), Stream[str])
    assert_type(Stream(later), Stream[bytes])
    assert_type(Stream(listener), Stream[SocketStream])
    assert_type(Stream(anyio.create_tcp_listener), Stream[SocketStream])
    assert_type(Stream(lambda: anyio.create_unix_listener("path")), Stream[SocketStream])
    Stream(later())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Stream(queue.SimpleQueue[str]())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(calls(later), Stream[list[bytes]])
    assert_type(calls(next_number, until=None), Stream[int | None])
    assert_type(calls(mine.get, end_on=asyncio.QueueEmpty), Stream[int])
    assert_type(calls(jobs.get_nowait, end_on=(queue.Empty, OSError)), Stream[str])
    calls(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    calls(later, end_on="EOFError")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert_type(signals(signal.SIGTERM, signal.SIGINT), Stream[signal.Signals])
    signals(15)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(stream_data(lambda: asyncio.open_connection("localhost", 80)), Stream[bytes])


@stream
async def letters(word: str, *, times: int = 1) -> AsyncIterator[str]:
    yield word * times


@stream(buffer=1)
async def counted(n: int) -> AsyncGenerator[int, None]:
    yield n


def decorated() -> None:
    assert_type(letters("a", times=2), Stream[str])
    assert_type(counted(1), Stream[int])
    stream(make_list)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream(buffer="1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    letters(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    counted()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def register(push: Push[int]) -> Callable[[], None]:
    assert_type(push(1), bool)
    assert_type(push.end(), None)
    assert_type(push.fail(KeyError()), None)
    push("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    push.fail("error")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    push.fail(KeyError)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return push.end


async def register_later(push: Push[str]) -> None: ...


async def register_and_end_later(push: Push[str]) -> Callable[[], object]:
    return connect


def takes_objects(push: Push[object]) -> Push[int]:
    return push


def takes_bools(push: Push[bool]) -> Push[int]:
    return push  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def generate() -> Iterator[str]:
    yield "a"


def bridges(ints: Stream[int], jobs: asyncio.Queue[str]) -> None:
    assert_type(from_thread([1, 2]), Stream[int])
    assert_type(Stream(jobs), Stream[str])
    assert_type(from_thread(generate), Stream[str])
    assert_type(from_thread(generate, stop=print), Stream[str])
    assert_type(from_thread(generate(), buffer=0), Stream[str])
    assert_type(from_callback(register, buffer=1), Stream[int])
    assert_type(from_callback(register_later, buffer=1, overflow="wait"), Stream[str])
    assert_type(from_callback(register_and_end_later, buffer=1), Stream[str])
    assert_type(to_sync(ints), AbstractContextManager[Iterator[int]])
    assert_type(to_sync(numbers(), "trio"), AbstractContextManager[Iterator[int]])
    with to_sync(ints.map(str), backend_options={"debug": True}) as strings:
        assert_type(strings, Iterator[str])
        assert_type(next(strings), str)
    from_thread(numbers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    from_thread([1], 5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    from_callback(register)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    from_callback(register, buffer=1, overflow="drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    from_callback(text, buffer=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    to_sync(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    for _ in to_sync(ints):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass
