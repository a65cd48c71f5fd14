"""What a user's code infers. Checked by pyright, never run.

A line with an ignore must fail: pyright reports an ignore that is not needed.
"""

import asyncio
import operator
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing
from typing import Any, Literal, assert_type

import anyio

import anystream
from anystream import (
    Push,
    Retry,
    Run,
    Stream,
    async_range,
    chain,
    combine_latest,
    from_callback,
    from_thread,
    merge,
    poll,
    race,
    stream,
    stream_data,
    ticker,
    to_sync,
)
from anystream.http import PageStream, fetch_all_pages


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


def digits(error: ValueError) -> list[str]:
    return [str(error)]


async def stored(error: Exception) -> Stream[str] | None:
    return None


async def ignored(error: OSError) -> None: ...


async def described(error: Exception, n: int) -> str:
    return str(error)


def waits_for(number: int, error: Exception, pause: float) -> None: ...


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
    assert_type(fetch_all_pages("https://example.com"), PageStream[Any])
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
    assert_type(ints.progress("ints", 3), Stream[int])
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
    assert_type(ints.on_close(print), Stream[int])
    assert_type(ints.with_grace(3), Stream[int])
    ints.map(3)  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.take("3")  # pyright: ignore[reportArgumentType]
    ints.flatten()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    strings.map(operator.neg)  # pyright: ignore[reportArgumentType, reportCallIssue]


def tasks(ints: Stream[int], strings: Stream[str], floats: Stream[float]) -> None:
    assert_type(ints.buffer(3, "drop_oldest"), Stream[int])
    assert_type(ints.map(text, concurrency=3), Stream[str])
    assert_type(ints.map(words, concurrency=3, ordered=False, ahead=0), Stream[list[str]])
    assert_type(ints.filter(is_odd, concurrency=3), Stream[int])
    assert_type(ints.flat_map(words, concurrency=3), Stream[str])
    assert_type(ints.flat_map(later_words, concurrency=3), Stream[str])
    assert_type(ints.switch_map(words), Stream[str])
    assert_type(ints.switch_map(later_words), Stream[str])
    assert_type(ints.map_latest(text), Stream[str])
    assert_type(ints.map_latest(str), Stream[str])
    assert_type(ints.merge(strings, until="any"), Stream[int | str])
    assert_type(ints.race(strings), Stream[int | str])
    assert_type(race(ints, ints), Stream[int])
    assert_type(ints.zip(strings), Stream[tuple[int, str]])
    assert_type(ints.zip(strings, floats, strict=True), Stream[tuple[int, str, float]])
    assert_type(ints.zip(strings, floats, ints), Stream[tuple[Any, ...]])
    assert_type(anystream.zip(ints, strings), Stream[tuple[int, str]])
    assert_type(anystream.zip(ints, strings, "ab"), Stream[tuple[int, str, str]])
    assert_type(anystream.zip(ints, ints, ints, ints), Stream[tuple[int, ...]])
    assert_type(ints.combine_latest(strings), Stream[tuple[int, str]])
    assert_type(combine_latest(ints, strings, floats), Stream[tuple[int, str, float]])
    assert_type(ints.with_latest_from(strings), Stream[tuple[int, str]])
    assert_type(ints.concurrently(strings), Stream[int])
    ints.buffer(3, "drop")  # pyright: ignore[reportArgumentType]
    ints.merge(strings, until="some")  # pyright: ignore[reportArgumentType]
    ints.switch_map(text(3))  # pyright: ignore[reportArgumentType, reportCallIssue]


def recovery(ints: Stream[int]) -> None:
    assert_type(ints.catch(lambda error: ["x"]), Stream[int | str])
    assert_type(ints.catch(lambda error: [0]), Stream[int])
    assert_type(ints.catch(lambda error: None), Stream[int])
    assert_type(ints.catch(lambda error: print(error.errno), OSError), Stream[int])
    assert_type(ints.catch(digits, ValueError), Stream[int | str])
    assert_type(ints.catch(stored), Stream[int | str])
    assert_type(ints.catch(stored, (OSError, ValueError)), Stream[int | str])
    assert_type(ints.catch(ignored, OSError), Stream[int])
    assert_type(ints.retry(), Stream[int])
    assert_type(ints.retry(5), Stream[int])
    assert_type(ints.retry(Retry(None, on=(OSError, KeyError), hook=waits_for)), Stream[int])
    assert_type(ints.retry(Retry(on=lambda error: "later" in str(error))), Stream[int])
    assert_type(ints.retry(resume=words), Stream[int | str])
    assert_type(ints.retry(2, resume=later_words), Stream[int | str])
    assert_type(ints.retry(2, resume=async_range), Stream[int])
    assert_type(ints.repeat(), Stream[int])
    assert_type(ints.repeat(3, pause=0.5), Stream[int])
    assert_type(ints.default_if_empty(None), Stream[int | None])
    assert_type(ints.default_if_empty(0), Stream[int])
    assert_type(ints.distinct().distinct(str, remember=None).distinct(text), Stream[int])
    assert_type(ints.dedupe().dedupe(str).dedupe(text), Stream[int])
    assert_type(ints.window(3), Stream[tuple[int, ...]])
    assert_type(ints.window(3, 2, partial=True), Stream[tuple[int, ...]])
    assert_type(ints.map(text, on_error="skip"), Stream[str])
    assert_type(ints.map(str, on_error="skip", concurrency=2), Stream[str])
    assert_type(ints.map(str, on_error=lambda error, n: n), Stream[str | int])
    assert_type(ints.map(text, on_error=lambda error, n: None), Stream[str | None])
    assert_type(ints.map(text, on_error=described, concurrency=2), Stream[str])
    assert_type(ints.map(lambda n: n, on_error=described), Stream[int | str])
    assert_type(poll(make_list, 1), Stream[list[str]])
    assert_type(poll(lambda: 5, 1, count=3), Stream[int])
    ints.catch(digits)  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.catch(digits, OSError)  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.catch(stored, KeyboardInterrupt)  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.catch(lambda error: 5)  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.retry("3")  # pyright: ignore[reportArgumentType]
    ints.retry(resume=str.upper)  # pyright: ignore[reportArgumentType]
    Retry(on="OSError")  # pyright: ignore[reportArgumentType]
    Retry(hook=print, times=1.5)  # pyright: ignore[reportArgumentType]
    ints.map(str, on_error="drop")  # pyright: ignore[reportArgumentType, reportCallIssue]
    poll(5, 1)  # pyright: ignore[reportArgumentType, reportCallIssue]


def clocks(ints: Stream[int], strings: Stream[str]) -> None:
    assert_type(ints.timeout(1), Stream[int])
    assert_type(ints.timeout(0.5, on_timeout="end"), Stream[int])
    assert_type(ints.deadline(60, on_timeout="raise"), Stream[int])
    assert_type(ints.heartbeat(1, None), Stream[int | None])
    assert_type(ints.heartbeat(1, "beat"), Stream[int | str])
    assert_type(ints.heartbeat(1, 0), Stream[int])
    assert_type(ints.heartbeat(1, lambda: "beat"), Stream[int | str])
    assert_type(ints.heartbeat(1, anyio.current_time), Stream[int | float])
    assert_type(ints.delay(1, buffer=5), Stream[int])
    assert_type(ints.spaced(0.1), Stream[int])
    assert_type(ints.rate_limit(5, per=60, burst=2), Stream[int])
    assert_type(ints.throttle(1).throttle(1, "both"), Stream[int])
    assert_type(ints.debounce(1, max_wait=5), Stream[int])
    assert_type(ints.sample(1), Stream[int])
    assert_type(ints.batched(3), Stream[tuple[int, ...]])
    assert_type(ints.batched(3, within=0.5), Stream[tuple[int, ...]])
    assert_type(strings.batched(weight=len, max_weight=9), Stream[tuple[str, ...]])
    assert_type(ints.timestamp(), Stream[tuple[float, int]])
    assert_type(strings.elapsed(), Stream[tuple[float, str]])
    ints.timeout("1")  # pyright: ignore[reportArgumentType]
    ints.timeout(1, on_timeout="stop")  # pyright: ignore[reportArgumentType]
    ints.timeout(1, "end")  # pyright: ignore[reportCallIssue]
    ints.heartbeat(1)  # pyright: ignore[reportCallIssue]
    ints.rate_limit(0.5)  # pyright: ignore[reportArgumentType]
    ints.throttle(1, "last")  # pyright: ignore[reportArgumentType]
    ints.batched(weight=len, max_weight=9)  # pyright: ignore[reportArgumentType]
    ints.batched(3, weight=text, max_weight=9)  # pyright: ignore[reportArgumentType]


class HasWait:
    """Nearly an event."""

    def wait(self) -> Awaitable[None]:
        return anyio.sleep(1)


def triggered(ints: Stream[int], event: anyio.Event, native: asyncio.Event) -> None:
    assert_type(ints.take_until(5), Stream[int])
    assert_type(ints.take_until(event).take_until(native), Stream[int])
    assert_type(ints.take_until(text(1)), Stream[int])
    assert_type(ints.take_until(numbers()), Stream[int])
    assert_type(ints.skip_until(ints.map(str)), Stream[int])
    assert_type(ints.skip_until(event), Stream[int])
    assert_type(ints.pause_while(ints.map(str)), Stream[int])
    assert_type(ints.pause_while([True, False]), Stream[int])
    ints.take_until("5")  # pyright: ignore[reportArgumentType]
    ints.take_until(numbers)  # pyright: ignore[reportArgumentType]
    ints.take_until(threading.Event())  # pyright: ignore[reportArgumentType]
    ints.skip_until(HasWait())  # pyright: ignore[reportArgumentType]
    ints.pause_while(5)  # pyright: ignore[reportArgumentType]
    ints.pause_while(event)  # pyright: ignore[reportArgumentType]


async def readers(ints: Stream[int]) -> None:
    async with ints.share(3, replay=1) as shared:
        assert_type(shared, Stream[int])
    async with ints.partition(is_odd) as (odd, even):
        assert_type(odd, Stream[int])
        assert_type(even, Stream[int])
    assert_type(ints.group_by(str), Stream[tuple[str, Stream[int]]])
    assert_type(ints.group_by(text), Stream[tuple[str, Stream[int]]])


def register(push: Push[int]) -> Callable[[], None]:
    assert_type(push(1), bool)
    assert_type(push.end(), None)
    push("1")  # pyright: ignore[reportArgumentType]
    push.fail("error")  # pyright: ignore[reportArgumentType]
    push.fail(KeyError)  # pyright: ignore[reportArgumentType]
    return push.end


async def register_later(push: Push[str]) -> None: ...


async def register_and_end_later(push: Push[str]) -> Callable[[], object]:
    return connect


def takes_objects(push: Push[object]) -> Push[int]:
    return push


def takes_bools(push: Push[bool]) -> Push[int]:
    return push  # pyright: ignore[reportReturnType]


def generate() -> Iterator[str]:
    yield "a"


def bridges(ints: Stream[int]) -> None:
    assert_type(from_thread([1, 2]), Stream[int])
    assert_type(from_thread(generate), Stream[str])
    assert_type(from_thread(generate(), buffer=0), Stream[str])
    assert_type(from_callback(register, buffer=1), Stream[int])
    assert_type(from_callback(register_later, buffer=1, overflow="wait"), Stream[str])
    assert_type(from_callback(register_and_end_later, buffer=1), Stream[str])
    assert_type(to_sync(ints), AbstractContextManager[Iterator[int]])
    assert_type(to_sync(numbers(), "trio"), AbstractContextManager[Iterator[int]])
    with to_sync(ints.map(str), backend_options={"debug": True}) as strings:
        assert_type(strings, Iterator[str])
        assert_type(next(strings), str)
    from_thread(numbers)  # pyright: ignore[reportArgumentType]
    from_thread([1], 5)  # pyright: ignore[reportCallIssue]
    from_callback(register)  # pyright: ignore[reportCallIssue]
    from_callback(register, buffer=1, overflow="drop")  # pyright: ignore[reportArgumentType]
    from_callback(text, buffer=1)  # pyright: ignore[reportArgumentType]
    to_sync(5)  # pyright: ignore[reportArgumentType]
    for _ in to_sync(ints):  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass


async def into_streams(ints: Stream[int], send: anyio.abc.ObjectSendStream[int]) -> None:
    sink, received = anyio.create_memory_object_stream[float](1)
    assert_type(await ints.into(send), None)
    await ints.into(sink, close=False)
    await ints.map(str).into(send)  # pyright: ignore[reportArgumentType]
    await ints.into(received)  # pyright: ignore[reportArgumentType]
    await ints.into(send, False)  # pyright: ignore[reportCallIssue]


@stream
async def letters(word: str, *, times: int = 1) -> AsyncIterator[str]:
    yield word * times


@stream(buffer=1)
async def counted(n: int) -> AsyncGenerator[int, None]:
    yield n


def decorated() -> None:
    assert_type(letters("a", times=2), Stream[str])
    assert_type(counted(1), Stream[int])
    letters(1)  # pyright: ignore[reportArgumentType]
    counted()  # pyright: ignore[reportCallIssue]


async def opening(ints: Stream[int]) -> None:
    async with ints as items:
        assert_type(items, Run[int])
        assert_type(await anext(items), int)
    async with ints.open(grace=3) as items:
        assert_type(items, Run[int])
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
