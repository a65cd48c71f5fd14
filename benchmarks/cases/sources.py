"""Sources: what items come from when no operator has made them, read with `async for`."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta
from functools import cache
from typing import Any

import anyio
from measure import Case

from anystream import Stream, async_range, poll, ticker

from . import connections
from .connections import source
from .plain import each, numbers, peer, total

AT_ONCE = 1e-9
"""An interval that is over before anybody can wait for it: what is left is the cost of a tick."""


async def generator_itself(n: int) -> int:
    return await total(numbers(n))


@cache
def ready(n: int) -> list[int]:
    return list(range(n))


async def sent(n: int) -> int:
    """A range in a task of its own, which is what a memory object stream is for."""

    async def produce() -> None:
        async with send:
            for k in range(n):
                await send.send(k)

    result = 0
    send, receive = anyio.create_memory_object_stream[int](0)
    async with anyio.create_task_group() as group, receive:
        group.start_soon(produce)
        result += await total(receive)
    return result


@cache
def safe_channel() -> Callable[[int], Any]:
    import trio

    async def produced(n: int) -> AsyncGenerator[int, None]:
        for k in range(n):
            yield k

    return trio.as_safe_channel(produced)


async def safely_sent(n: int) -> int:
    async with safe_channel()(n) as items:
        return await total(items)


# -- ticks -----------------------------------------------------------------------------------------


async def number_of(items: Any) -> int:
    number = 0
    async for _ in items:
        number += 1
    return number


async def our_ticks(n: int) -> int:
    return await number_of(ticker(AT_ONCE, n))


async def ticks_by_hand(n: int) -> int:
    number = 0
    start = anyio.current_time()
    for k in range(n):
        await anyio.sleep_until(start + k * AT_ONCE)
        number += 1
    return number


async def ticks(n: int) -> AsyncGenerator[float, None]:
    start = anyio.current_time()
    for k in range(n):
        await anyio.sleep_until(start + k * AT_ONCE)
        yield anyio.current_time()


async def ticks_in_generator(n: int) -> int:
    async with aclosing(ticks(n)) as items:
        return await number_of(items)


async def ticks_of_aiostream(n: int) -> int:
    async with peer("aiostream").stream.range(n, interval=AT_ONCE).stream() as items:
        return await number_of(items)


def reading() -> int:
    return 1


async def our_polls(n: int) -> int:
    return await total(poll(reading, AT_ONCE, count=n))


async def polls_by_hand(n: int) -> int:
    result = 0
    start = anyio.current_time()
    for k in range(n):
        await anyio.sleep_until(start + k * AT_ONCE)
        result += reading()
    return result


async def polls(n: int) -> AsyncGenerator[int, None]:
    start = anyio.current_time()
    for k in range(n):
        await anyio.sleep_until(start + k * AT_ONCE)
        yield reading()


async def polls_in_generator(n: int) -> int:
    async with aclosing(polls(n)) as items:
        return await total(items)


async def polls_of_streamable(n: int) -> int:
    calls = peer("streamable").stream(reading).throttle(1, per=timedelta(microseconds=1))
    return await total(calls.take(n))


CASES: list[Case] = [
    source(
        "range",
        "async_range",
        {
            "anystream": async_range,
            "floor": range,
            "generators": numbers,
            "aiostream": lambda n, a: a.stream.range(n),
            "streamable": lambda n, s: s.stream(range(n)),
            "asyncstdlib": lambda n, a: a.iter(range(n)),
            "aioitertools": lambda n, a: a.iter(range(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)),
        },
        20_000,
        5_000,
        limits={"generators": {(3, 13): 0.8}},
    ),
    source(
        "range-in-turns",
        "async_range, and what gives the event loop a turn for each item",
        {
            "anystream": async_range,
            "floor": range,
            "anyio.itertools": lambda n, a: a.islice(a.count(), n),
            "memory stream": sent,
            "as_safe_channel": safely_sent,
        },
        3_000,
        300,
    ),
    source(
        "list",
        "a list",
        {
            "anystream": lambda n: Stream(ready(n)),
            "floor": ready,
            "generators": lambda n: each(ready(n)),
            "aiostream": lambda n, a: a.stream.iterate(ready(n)),
            "streamable": lambda n, s: s.stream(ready(n)),
            "asyncstdlib": lambda n, a: a.iter(ready(n)),
            "aioitertools": lambda n, a: a.iter(ready(n)),
            "anyio.itertools": lambda n, a: a.chain(each(ready(n))),
            "reactivex": lambda n, r: r.from_iterable(ready(n)),
        },
        20_000,
        2_000,
    ),
    source(
        "generator",
        "a user's async generator",
        {
            "anystream": lambda n: Stream(lambda: numbers(n)),
            "floor": generator_itself,
            "generators": numbers,
            "aiostream": lambda n, a: a.stream.iterate(numbers(n)),
            "streamable": lambda n, s: s.stream(numbers(n)),
            "as_safe_channel": safely_sent,
        },
        3_000,
        500,
        held=True,
    ),
    source(
        "ticker",
        "ticks that are due at once",
        {
            "anystream": our_ticks,
            "floor": ticks_by_hand,
            "generators": ticks_in_generator,
            "aiostream": ticks_of_aiostream,
        },
        3_000,
        300,
    ),
    source(
        "poll",
        "calls that are due at once",
        {
            "anystream": our_polls,
            "floor": polls_by_hand,
            "generators": polls_in_generator,
            "streamable": polls_of_streamable,
        },
        3_000,
        300,
    ),
    *connections.CASES,
]
