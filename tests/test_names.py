"""What the tasks behind a stream are called, and the name that a user gives to a stage."""

from collections.abc import AsyncIterator
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import (
    Sender,
    Stream,
    StreamConsumedError,
    async_range,
    combine_latest,
    from_thread,
    merge,
    producer,
    ticker,
    zip,
)


async def fetch(n: int) -> int:
    await anyio.sleep(1)
    return n


async def even(n: int) -> bool:
    return (await fetch(n)) % 2 == 0


async def rows() -> AsyncIterator[int]:
    for number in range(99):
        await checkpoint()
        yield number


@producer
async def sent(sender: Sender[int]) -> None:
    await sender.send(1)
    sender.start_soon(sent_too)
    await anyio.sleep(9)


async def sent_too(sender: Sender[int]) -> None:
    await anyio.sleep(9)


MAPPED = "map(fetch, concurrency=3)"
NAMES: dict[str, tuple[Stream[Any], list[str]]] = {
    "buffer": (Stream(rows).buffer(2), ["buffer(2)"]),
    "map": (
        Stream(rows).map(fetch, concurrency=3),
        [f"{MAPPED} 1/3", f"{MAPPED} 2/3", f"{MAPPED} 3/3", f"{MAPPED} source"],
    ),
    "map of a range": (
        async_range(9).map(fetch, concurrency=2),
        ["map(fetch, concurrency=2) 1/2", "map(fetch, concurrency=2) 2/2"],
    ),
    "one worker": (
        Stream(rows).map(fetch, ahead=2),
        ["map(fetch, ahead=2)", "map(fetch, ahead=2) source"],
    ),
    "filter": (
        async_range(9).filter(even, concurrency=2),
        ["filter(even, concurrency=2) 1/2", "filter(even, concurrency=2) 2/2"],
    ),
    "merge": (
        merge(ticker(1), ticker(2)),
        ["merge(...) 1/2", "merge(...) 2/2"],
    ),
    "zip": (
        zip(ticker(1), ticker(2)),
        ["zip(...) 1/2", "zip(...) 2/2"],
    ),
    "take_until": (ticker(1).take_until(50.0), ["take_until(50.0)", "take_until(50.0) trigger"]),
    "concurrently": (
        ticker(1).concurrently(ticker(50)),
        ["concurrently(...)", "concurrently(...) background"],
    ),
    "switch_map": (
        ticker(1).switch_map(lambda _: ticker(0.25)),
        ["switch_map(<lambda>)", "switch_map(<lambda>) source", "switch_map(<lambda>) newest"],
    ),
    "group_by": (ticker(1).group_by(round), ["group_by(round)"]),
    "producer": (sent(), ["sent()", "sent() 2/2"]),
    "from_thread": (from_thread(range(9), buffer=1), ["from_thread(range(0, 9), buffer=1)"]),
    "named": (
        async_range(9).map(fetch, concurrency=2).named("orders"),
        ["orders 1/2", "orders 2/2"],
    ),
    "named before others": (
        ticker(1).buffer(3).named("ticks").map(str).timeout(9),
        ["ticks", "timeout(9)"],
    ),
}


def of_streams(before: set[int]) -> list[str]:
    tasks = [task for task in anyio.get_running_tasks() if task.id not in before]
    names = [str(task.name) for task in tasks]
    others = ("<", "anystream._bridges", "Task-")  # of the backend, and calls out of a thread
    return sorted(name for name in names if not name.startswith(others))


@pytest.mark.parametrize("kind", NAMES)
async def test_a_task_is_called_by_its_label(kind: str) -> None:
    stream, names = NAMES[kind]
    before = {task.id for task in anyio.get_running_tasks()}
    async with stream as items:
        await anext(items)
        await anyio.sleep(0.5)
        assert of_streams(before) == sorted(names)


async def test_the_tasks_of_share_and_of_inner_streams_are_named_too() -> None:
    before = {task.id for task in anyio.get_running_tasks()}
    async with ticker(1).share() as shared, shared as items:
        await anext(items)
        assert of_streams(before) == ["share()"]
    inner = async_range(3).flat_map(lambda n: ticker(1).buffer(n + 1), concurrency=2)
    async with inner as items:
        await anext(items)
        assert {"buffer(1)", "buffer(2)"} < {*of_streams(before)}


async def test_the_name_of_a_task_does_not_grow_with_the_number_of_streams() -> None:
    names: list[str] = []

    async def own() -> AsyncIterator[int]:
        names.append(str(anyio.get_current_task().name))
        yield 1

    lists = [[n] for n in range(1000)]
    for join in (merge, combine_latest):
        await join(own, *lists).drain()
    await Stream(own).buffer(1).named("n" * 1000).drain()
    assert len(names) == 3
    assert max(map(len, names)) < 250
    assert names[0].startswith("merge(")


class Stop(BaseException):
    """Such as Ctrl-C."""


class Odd:
    """A value whose text, or whose attributes, cannot be had."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        raise self.error(name)

    def __repr__(self) -> str:
        raise self.error


def given(value: Any) -> Stream[int]:
    return Stream([1]).map(partial(add, name=value), concurrency=2)


async def add(number: int, name: Any) -> int:
    return number


async def test_a_task_has_a_name_whatever_the_arguments_are() -> None:
    for value in ("n", Odd(RuntimeError), 10**5000, [Odd(ValueError)], {1: 10**5000}):
        assert await given(value).collect() == [1]
        assert repr(given(value)).startswith("Stream([1]).map(partial(add, name=")
        assert await ticker(1).heartbeat(5, value).first() > 0
    assert "[<Odd instance at " in repr(given([Odd(ValueError)]))


async def test_what_a_text_raises_that_nothing_may_hide_corrupts_nothing() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1

    stream = Stream(numbers()).buffer(1).map(partial(add, name=Odd(Stop)), concurrency=2)
    with anyio.fail_after(9):
        with pytest.raises(Stop):
            async with stream:
                pytest.fail("it is not entered")
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1)
    with pytest.raises(StreamConsumedError):
        await stream.collect()


CHANGED: ContextVar[int] = ContextVar("CHANGED")


async def test_a_worker_that_takes_the_place_of_another_has_its_name() -> None:
    async def changing(n: int) -> int:
        CHANGED.set(n)
        return await fetch(n)

    before = {task.id for task in anyio.get_running_tasks()}
    async with async_range(9).map(changing, concurrency=2) as items:
        for _ in range(4):
            await anext(items)
            assert of_streams(before) == [
                "map(changing, concurrency=2) 1/2",
                "map(changing, concurrency=2) 2/2",
            ]


def test_a_name_stands_in_the_text_and_in_the_drawing() -> None:
    stream = async_range(9).map(fetch, concurrency=2).named("orders").filter(None).named("real")
    assert repr(stream) == (
        "async_range(9).map(fetch, concurrency=2).named('orders').filter(None).named('real')"
    )
    drawing = stream.explain()
    assert "filter(None).named('real')" in drawing
    assert "map(fetch, concurrency=2).named('orders')" in drawing
    again = stream.named("else")
    assert repr(again).endswith(".filter(None).named('else')")
    assert repr(stream).endswith(".named('real')")


async def test_a_long_name_is_written_in_whole() -> None:
    name = "n" * 70
    assert repr(async_range(4).named(name)) == f"async_range(4).named('{name}')"
    async with async_range(4).group_by(str) as groups:
        _, group = await anext(groups)
        assert repr(group.named(name)).endswith(f"['0'].named('{name}')")


async def test_a_name_of_what_has_no_call() -> None:
    async with async_range(4).group_by(lambda n: n % 2) as groups:
        key, group = await anext(groups)
        text = repr(group)
        assert repr(group.named("even")) == f"{text}.named('even')"
        assert key == 0
        assert await group.named("even").collect() == [0, 2]


@pytest.mark.parametrize(("name", "error"), [(5, TypeError), ("", ValueError)])
def test_a_name_is_checked(name: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="name must"):
        async_range(3).named(name)
