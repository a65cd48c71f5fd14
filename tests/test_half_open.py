"""What was open of something that failed to open is closed, whenever that is."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

import anystream
from anystream import NeedsTasksError, Retry, Stream, StreamConsumedError, chain, merge


class Pool:
    """Gives connections, each of which fails at its first step."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def __aiter__(self) -> "Connection":
        self.log.append("open")
        return Connection(self.log)


class Connection:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def __aiter__(self) -> "Connection":
        return self

    async def __anext__(self) -> Any:
        raise OSError("reset")

    async def aclose(self) -> None:
        await anyio.sleep(0.1)
        self.log.append("close")


Opener = Callable[[Any, Any], Stream[Any]]

JOINED: dict[str, Opener] = {
    "merge": lambda pool, used: merge(pool, used),
    "chain": lambda pool, used: chain(pool, used),
    "zip": lambda pool, used: anystream.zip(pool, used),
    "race": lambda pool, used: anystream.race(pool, used),
    "combine_latest": lambda pool, used: anystream.combine_latest(pool, used),
    "with_latest_from": lambda pool, used: Stream(pool).with_latest_from(used),
    "concurrently": lambda pool, used: Stream(pool).concurrently(used),
    "skip_until": lambda pool, used: merge(Stream(pool).skip_until(1), used),
    "buffer": lambda pool, used: merge(Stream(pool).buffer(2), used),
    "map": lambda pool, used: merge(Stream(pool).map(str, concurrency=3), used),
    "flat_map": lambda pool, used: merge(Stream(pool).flat_map(alone, concurrency=3), used),
    "switch_map": lambda pool, used: merge(Stream(pool).switch_map(alone), used),
    "timeout": lambda pool, used: merge(Stream(pool).timeout(3).debounce(1), used),
    "group_by": lambda pool, used: merge(Stream(pool).group_by(str), used),
    "group_by of a buffer": lambda pool, used: merge(Stream(pool).buffer(1).group_by(str), used),
    "catch": lambda pool, used: merge(Stream(pool).catch(alone), used),
    "retry": lambda pool, used: merge(Stream(pool).buffer(1).retry(), used),
}


def alone(item: Any) -> list[Any]:
    return [item]


INSIDE: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "at first": lambda s: s,
    "flat_map": lambda s: Stream([1]).flat_map(lambda _: s),
    "flat_map concurrent": lambda s: Stream([1]).flat_map(lambda _: s, concurrency=2),
    "switch_map": lambda s: Stream([1]).switch_map(lambda _: s),
    "function": lambda s: Stream(lambda: s),
    "catch": lambda s: Stream(fail).catch(lambda _: s),
    "buffer": lambda s: Stream(lambda: s).buffer(0),
}


def fail() -> Any:
    raise EOFError


async def used_up() -> Stream[Any]:
    stream = Stream(iter([1]))
    await stream.drain()
    return stream


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("joined", JOINED)
async def test_what_was_open_is_closed(joined: str, inside: str) -> None:
    pool = Pool()
    stream = INSIDE[inside](JOINED[joined](pool, await used_up()))
    with pytest.raises(StreamConsumedError):
        async with stream as items:
            await anext(items)
    assert pool.log == ["open", "close"]


@pytest.mark.parametrize("joined", JOINED)
@pytest.mark.parametrize("inside", ["flat_map", "function", "catch"])
async def test_without_tasks(joined: str, inside: str) -> None:
    pool = Pool()
    with pytest.raises(OSError if joined == "chain" else NeedsTasksError):
        async for _ in INSIDE[inside](JOINED[joined](pool, [2])):
            break
    assert pool.log == ["open", "close"]


async def test_a_stream_that_comes_to_one_without_tasks() -> None:
    pool = Pool()
    with pytest.raises(NeedsTasksError):
        async with Stream(lambda: merge(pool, [2])) as items:
            await anext(items)
    assert pool.log == ["open", "close"]


BEFORE: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "source": lambda s: s,
    "buffer": lambda s: s.buffer(1),
    "group_by": lambda s: s.group_by(str),
}


@pytest.mark.parametrize("before", BEFORE)
async def test_what_is_before_an_operator_that_cannot_be_made(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There was no terminal when it was called."""

    def shown() -> bool:
        raise ImportError("progress on a terminal needs rich")

    pool = Pool()
    stream = BEFORE[before](Stream(pool)).progress()
    monkeypatch.setattr("anystream._operators.progress.shown", shown)
    with pytest.raises(ImportError):
        await stream.drain()
    assert pool.log == ["open", "close"]


async def test_each_attempt_is_closed_before_the_next_one() -> None:
    pool = Pool()
    used = await used_up()
    attempts = iter([chain(pool, used), merge(pool, used), chain(pool, used), Stream([1])])
    policy = Retry(first=0.1, jitter=False)
    stream = Stream([0]).flat_map(lambda _: Stream(lambda: next(attempts)).retry(policy))
    async with stream as items:
        assert await anext(items) == 1
        assert pool.log == ["open", "close"] * 3


async def test_the_second_attempt_of_what_can_be_read_once() -> None:
    pool = Pool()
    with pytest.raises(StreamConsumedError) as caught:
        await merge(pool, Stream(iter([1, 2]))).retry(Retry(2, first=0.01)).drain()
    assert isinstance(caught.value.__cause__, OSError)
    assert pool.log == ["open", "close"] * 2


async def test_an_error_of_the_close_comes_with_that_of_the_opening() -> None:
    class Bad(Pool):
        def __aiter__(self) -> Connection:
            return Failing(self.log)

    class Failing(Connection):
        async def aclose(self) -> None:
            raise OSError("close failed")

    with pytest.raises(ExceptionGroup) as caught:
        await chain(Bad(), await used_up()).drain()
    assert [type(error) for error in caught.value.exceptions] == [StreamConsumedError, OSError]


@pytest.mark.parametrize("parts", [False, True])
async def test_a_reader_that_comes_after_the_block_of_its_hub(parts: bool) -> None:
    numbers = Stream([1, 2]).buffer(1)
    if parts:
        async with numbers.partition(bool) as (reader, _):
            run = aiter(reader)
    else:
        async with numbers.share() as reader:
            run = aiter(reader)
    with pytest.raises(anystream.StreamClosedError):
        await anext(run)
    await run.aclose()
