"""Context variables: who sees what has been set, and where."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import Sender, Stream, async_range, producer

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
