"""What looking at the clock costs, how exact a ticker is, and many timers at once."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from anyio import Event, create_task_group, current_time, fail_after, sleep
from measure import Case, Measured, Work

from anystream import Stream, async_range, ticker

from .carriers import memory_stream, of_aiostream, opened
from .plain import numbers, total

SECOND = timedelta(seconds=1)
Read = Callable[[AsyncIterable[Any]], Awaitable[object]]

# -- a ready range -------------------------------------------------------------------------------


async def first(items: AsyncIterable[Any]) -> object:
    """The first of them, when all have been read."""
    found: list[object] = []
    async for item in items:
        found = found or [item]
    return found[0]


async def last(items: AsyncIterable[Any]) -> object:
    item = None
    async for item in items:  # noqa: B007  # the last one is wanted
        pass
    return item


async def batch_total(batches: AsyncIterable[Any]) -> int:
    result = 0
    async for batch in batches:
        result += sum(batch)
    return result


async def pair_total(pairs: AsyncIterable[tuple[float, int]]) -> int:
    result = 0
    async for _, item in pairs:
        result += item
    return result


def the_first(so_far: object, _: object) -> object:
    return so_far


def value_of(pair: Any) -> Any:
    return pair.value


def reactive(apply: Callable[[Any, Any], Any]) -> Work:
    """A range through operators with a scheduler of asyncio, up to the last item."""

    async def work(count: int) -> object:
        import asyncio

        from reactivex import from_iterable, operators
        from reactivex.scheduler.eventloop import AsyncIOScheduler

        scheduler = AsyncIOScheduler(asyncio.get_running_loop())
        return await from_iterable(range(count)).pipe(*apply(operators, scheduler))

    return work


def clocked(
    name: str,
    what: str,
    apply: Callable[[Stream[int]], Stream[Any]],
    read: Read = total,
    limit: float | None = 0.3,
    ours: Read | None = None,
    **others: Any,
) -> Case:
    """A range through `apply`; what `read` makes of it is what it makes of the range by itself."""
    return Case(
        f"clock-{name}",
        f"a range through {what}",
        "timing",
        5_000,
        {
            "anystream": opened(lambda count: apply(async_range(count)), ours or read),
            "memory stream": memory_stream(64, read),
            **others,
        },
        {} if limit is None else {"memory stream": limit},
        quick=1_250,
        remark="the memory stream has no clock: it is one hop between tasks",
    )


async def aiostream_spaced(count: int) -> object:
    from aiostream import pipe, stream

    return await of_aiostream(stream.range(count) | pipe.spaceout(1e-9), total)


async def streamable_throttled(count: int) -> object:
    from streamable import stream

    return await total(stream(range(count)).throttle(10**9, per=SECOND))


async def streamable_batched(count: int) -> int:
    from streamable import stream

    return await batch_total(stream(range(count)).group(100, within=SECOND))


async def aiostream_timeout(count: int) -> object:
    from aiostream import pipe, stream

    return await of_aiostream(stream.range(count) | pipe.timeout(1), total)


async def timeout_by_hand(count: int) -> int:
    result = 0
    async with aclosing(within(aiter(numbers(count)))) as items:
        async for item in items:
            result += item
    return result


async def within(items: AsyncIterator[int]) -> AsyncGenerator[int, None]:
    while True:
        try:
            with fail_after(1):
                item = await anext(items)
        except StopAsyncIteration:
            return
        yield item


async def elapsed_by_hand(count: int) -> int:
    async def elapsed() -> AsyncGenerator[tuple[float, int], None]:
        before = current_time()
        async for n in numbers(count):
            now = current_time()
            yield now - before, n
            before = now

    async with aclosing(elapsed()) as pairs:
        return await pair_total(pairs)


# -- a ticker ------------------------------------------------------------------------------------

TICK = 0.001  # seconds


async def lateness(ticks: AsyncIterable[object], start: float) -> Measured:
    """The milliseconds by which the last tick was late, and how many ticks there were."""
    count = 0
    async for _ in ticks:
        count += 1
    return Measured((current_time() - start - count * TICK) * 1000, count)


async def ticked(count: int) -> Measured:
    start = current_time()
    return await lateness(ticker(TICK, count, missed="burst"), start)


async def slept(count: int) -> Measured:
    async def sleeps() -> AsyncGenerator[int, None]:
        for n in range(count):
            await sleep(TICK)
            yield n

    start = current_time()
    async with aclosing(sleeps()) as ticks:
        return await lateness(ticks, start)


async def aiostream_ticked(count: int) -> object:
    from aiostream import stream

    start = current_time() - TICK  # its first one comes at once
    return await of_aiostream(
        stream.range(count, interval=TICK), lambda ticks: lateness(ticks, start)
    )


# -- many timers ---------------------------------------------------------------------------------

HOUR = 3600
Wait = Callable[[Callable[[], AsyncGenerator[int, None]]], Awaitable[int]]


def held(wait: Wait, groups: int = 1) -> Work:
    """So many timers that are pending at a time, or a part of them after the other."""

    async def work(count: int) -> int:
        return sum([await held_at_once(wait, count // groups) for _ in range(groups)])

    return work


async def held_at_once(wait: Wait, count: int) -> int:
    over = Event()
    waiting = 0
    result = 0

    async def silent() -> AsyncGenerator[int, None]:
        nonlocal waiting
        waiting += 1
        if waiting == count:
            over.set()
        await over.wait()
        yield 1

    async def child() -> None:
        nonlocal result
        got = await wait(silent)
        result += got

    async with create_task_group() as group:
        for _ in range(count):
            group.start_soon(child)
    return result


async def stream_timeout(silent: Callable[[], AsyncGenerator[int, None]]) -> int:
    async with Stream(silent).timeout(HOUR) as items:
        return await anext(items)


async def scope_timeout(silent: Callable[[], AsyncGenerator[int, None]]) -> int:
    async with aclosing(silent()) as items:
        with fail_after(HOUR):
            return await anext(items)


CASES = (
    clocked(
        "rate-limit",
        "rate_limit, far from its limit",
        lambda s: s.rate_limit(10**9),
        aiostream=aiostream_spaced,
        streamable=streamable_throttled,
    ),
    clocked(
        "throttle",
        "throttle(1)",
        lambda s: s.throttle(1),
        first,
        reactivex=reactive(
            lambda ops, clock: [ops.throttle_first(1, clock), ops.reduce(the_first)]
        ),
    ),
    clocked(
        "batched",
        "batched(100, within=1)",
        lambda s: s.batched(100, within=1),
        ours=batch_total,
        streamable=streamable_batched,
        reactivex=reactive(
            lambda ops, clock: [ops.buffer_with_time_or_count(1, 100, clock), ops.sum(sum)]
        ),
    ),
    clocked(
        "debounce",
        "debounce(1)",
        lambda s: s.debounce(1),
        last,
        reactivex=reactive(lambda ops, clock: [ops.debounce(1, clock)]),
    ),
    clocked("sample", "sample(1)", lambda s: s.sample(1), last),
    clocked(
        "delay",
        "delay(0)",
        lambda s: s.delay(0),
        limit=0.4,
        reactivex=reactive(lambda ops, clock: [ops.delay(0, clock), ops.sum()]),
    ),
    clocked(
        "timeout",
        "timeout(1)",
        lambda s: s.timeout(1),
        limit=None,
        generators=timeout_by_hand,
        aiostream=aiostream_timeout,
        reactivex=reactive(lambda ops, clock: [ops.timeout(1, scheduler=clock), ops.sum()]),
    ),
    clocked("heartbeat", "heartbeat(1, 0)", lambda s: s.heartbeat(1, 0), limit=None),
    clocked(
        "elapsed",
        "elapsed()",
        lambda s: s.elapsed(),
        limit=None,
        ours=pair_total,
        generators=elapsed_by_hand,
        reactivex=reactive(lambda ops, clock: [ops.time_interval(clock), ops.sum(value_of)]),
    ),
    Case(
        "clock-ticker",
        "by how much the last of 300 ticks was late, one each ms",
        "timing",
        300,
        {
            "anystream": ticked,
            "generators": slept,
            "aiostream": aiostream_ticked,
        },
        quick=50,
        unit="ms",
        most=2.0,
        remark="the generator sleeps a ms before each tick, so it drifts",
    ),
    Case(
        "clock-timers",
        "10,000 streams with a pending timer at once",
        "timing",
        10_000,
        {
            "anystream": held(stream_timeout),
            "in tenths": held(stream_timeout, 10),
            "floor": held(scope_timeout),
        },
        {"in tenths": 1.3},
        quick=300,
        remark="the floor is a generator and a cancel scope with a deadline in each task",
    ),
)
