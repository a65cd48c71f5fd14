"""Context variables: who sees what has been set, and where."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from odd import Array

from anystream import Sender, Stream, async_range, chain, producer

REQUEST: ContextVar[str] = ContextVar("REQUEST", default="none")


async def ready(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def waiting(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await checkpoint()
        yield number


SOURCES: dict[str, Callable[[int], Any]] = {
    "range": range,
    "generator": ready,
    "generator that waits": waiting,
}

CALLS: dict[str, Callable[[Stream[int], Any], Awaitable[object]]] = {
    "map": lambda s, fn: s.map(fn, concurrency=2).collect(),
    "map unordered": lambda s, fn: s.map(fn, concurrency=2, ordered=False).collect(),
    "filter": lambda s, fn: s.filter(fn, concurrency=2).collect(),
    "for_each": lambda s, fn: s.for_each(fn, concurrency=2),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("operator", CALLS)
async def test_no_call_sees_what_another_one_has_set(operator: str, source: str) -> None:
    seen: list[str] = []

    async def handle(number: int) -> int:
        seen.append(REQUEST.get())
        REQUEST.set(f"request {number}")
        await checkpoint()
        assert REQUEST.get() == f"request {number}"
        return number

    REQUEST.set("block")
    await CALLS[operator](Stream(SOURCES[source](20)), handle)
    assert seen == ["block"] * 20
    assert REQUEST.get() == "block"


@pytest.mark.parametrize("source", SOURCES)
async def test_no_inner_stream_sees_what_another_one_has_set(source: str) -> None:
    seen: list[str] = []

    async def handle(number: int) -> AsyncIterator[int]:
        seen.append(REQUEST.get())
        REQUEST.set(f"request {number}")
        await checkpoint()
        yield number

    got = await Stream(SOURCES[source](20)).flat_map(handle, concurrency=2).collect()
    assert sorted(got) == [*range(20)]
    assert seen == ["none"] * 20


@pytest.mark.parametrize("operator", ["map", "flat_map"])
async def test_workers_stay_where_what_was_set_is_taken_back(operator: str) -> None:
    tasks: dict[int, Any] = {}  # which keeps them, so that no number comes twice

    async def handle(number: int) -> list[int]:
        task = anyio.get_current_task()
        tasks[task.id] = task
        token = REQUEST.set(f"request {number}")
        try:
            await checkpoint()
            return [number]
        finally:
            REQUEST.reset(token)

    await getattr(async_range(30), operator)(handle, concurrency=3).drain()
    assert len(tasks) == 3


ANYTHING: ContextVar[Any] = ContextVar("ANYTHING", default=None)


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("operator", [*CALLS, "flat_map"])
@pytest.mark.parametrize("make", [Array, list[int], lambda: 10**30], ids=["array", "list", "int"])
async def test_values_are_not_compared(
    operator: str, source: str, make: Any, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot be compared is no error, and one that is equal is another one still.

    So it is also where Python does not show what changes with a context.
    """
    monkeypatch.setattr("anystream._core.contexts.shows_root", shown)
    calls = {**CALLS, "flat_map": lambda s, fn: s.flat_map(fn, concurrency=2).collect()}
    seen: list[Any] = []

    async def handle(number: int) -> list[int]:
        seen.append(ANYTHING.get())
        ANYTHING.set(make())
        await checkpoint()
        return [number]

    ANYTHING.set(given := make())
    await calls[operator](Stream(SOURCES[source](9)), handle)
    assert len(seen) == 9
    assert all(each is given for each in seen)


def rows(first: int, last: int) -> Iterator[str]:
    token = REQUEST.set("rows")
    try:
        for number in range(first, last):
            yield f"{number} {REQUEST.get()}"
    finally:
        REQUEST.reset(token)


class Rows:
    def __iter__(self) -> Iterator[str]:
        return rows(0, 9)


class Counter:
    """Counts in a variable, which each step sets."""

    def __init__(self) -> None:
        self.number = -1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number += 1
        if self.number == 9:
            raise StopIteration
        REQUEST.set("rows")
        return f"{self.number} {REQUEST.get()}"


PLAIN: dict[str, Callable[[], Stream[str]]] = {
    "a generator": lambda: Stream(rows(0, 9)),
    "a function": lambda: Stream(lambda: rows(0, 9)),
    "an iterable": lambda: Stream(Rows()),
    "an iterator": lambda: Stream(Counter()),
    "itertools": lambda: Stream(itertools.chain(rows(0, 4), rows(4, 9))),
    "map": lambda: Stream(map(str, rows(0, 9))),
    "a chain": lambda: chain(rows(0, 4), rows(4, 9)),
    "repeat": lambda: Stream(Rows()).repeat(1),
    "a row": lambda: Stream(rows(0, 9)).take(20),
}


@pytest.mark.parametrize("operator", ["map", "filter", "flat_map"])
@pytest.mark.parametrize("source", PLAIN)
async def test_a_plain_source_has_a_context_of_its_own(source: str, operator: str) -> None:
    """Its steps are made in one task, whatever it sets, and no call sees that."""
    seen: list[str] = []

    async def handle(row: str) -> Any:
        seen.append(REQUEST.get())
        await checkpoint()
        return [row] if operator == "flat_map" else row

    REQUEST.set("block")
    found = getattr(PLAIN[source](), operator)(handle, concurrency=2)
    assert sorted(await found.collect()) == [f"{number} rows" for number in range(9)]
    assert seen == ["block"] * 9
    if source not in ("itertools", "map"):  # of which nobody closes the generators inside
        async with getattr(PLAIN[source](), operator)(handle, concurrency=2) as items:
            assert str(await anext(items)).endswith("rows")


async def test_results_and_errors_keep_their_places() -> None:
    async def handle(number: int) -> int:
        REQUEST.set(f"request {number}")
        await anyio.sleep(number % 3)
        if number == 7:
            raise OSError(number)
        return number

    got: list[int] = []
    with pytest.raises(OSError, match="7"):
        async with async_range(20).map(handle, concurrency=3) as items:
            async for item in items:
                got.append(item)
    assert got == [*range(7)]


async def test_a_task_that_begins_later_has_the_context_of_the_opening() -> None:
    async def slow(number: int) -> str:
        await anyio.sleep(1)
        return REQUEST.get()

    REQUEST.set("opening")
    async with Stream(waiting(8)).map(slow, concurrency=4) as items:
        REQUEST.set("reading")
        assert [item async for item in items] == ["opening"] * 8


async def test_share_runs_in_the_context_of_its_block() -> None:
    async def feed() -> AsyncIterator[str]:
        for _ in range(3):
            await checkpoint()
            yield REQUEST.get()

    got: list[str] = []

    async def client(name: str, items: Stream[str]) -> None:
        REQUEST.set(name)
        got.extend(await items.collect())

    REQUEST.set("lifespan")
    async with Stream(feed).share() as items, anyio.create_task_group() as clients:
        clients.start_soon(client, "client 1", items)
        clients.start_soon(client, "client 2", items)
    assert set(got) == {"lifespan"}


async def test_what_a_sender_starts_has_the_context_of_the_caller() -> None:
    async def more(sender: Sender[str]) -> None:
        await sender.send(REQUEST.get())

    @producer
    async def both(sender: Sender[str]) -> None:
        await sender.send(REQUEST.get())
        REQUEST.set("producer")
        sender.start_soon(more)

    REQUEST.set("opening")
    assert await both().collect() == ["opening", "producer"]
