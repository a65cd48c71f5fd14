"""What looking at the clock costs, how exact a ticker is, and many timers at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from anyio import Event, current_time, fail_after, sleep
from measure import Measured, Work

from anystream import Stream, ticker

from .table import TOTAL, Fold, Row, Rows, cases, in_tasks, peer, total
from .tasks import memory_stream

SECOND = timedelta(seconds=1)


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


def the_first(so_far: object, _: object) -> object:
    return so_far


def reactive(apply: Callable[[Any, Any], list[Any]]) -> Work:
    """A range through operators with a scheduler of asyncio, up to the last item."""

    async def work(count: int) -> object:
        clock = peer("reactivex.scheduler.eventloop").AsyncIOScheduler(asyncio.get_running_loop())
        items = peer("reactivex").from_iterable(range(count))
        return await items.pipe(*apply(peer("reactivex.operators"), clock))

    return work


def clock(name: str, what: str, limit: float | None = None, fold: Fold = TOTAL) -> Row:
    return Row(
        f"clock-{name}",
        f"a range through {what}",
        5_000,
        1_250,
        fold=fold,
        held=True,
        limits={"memory stream": limit} if limit else {},
        remark="the memory stream has no clock: it is one hop between tasks",
    )


HOPS = {"memory stream": memory_stream(64, total)}
CLOCKS: Rows = {
    clock("rate-limit", "rate_limit, far from its limit", 0.3): {
        **HOPS,
        "anystream": lambda s, _, __: s.rate_limit(10**9),
        "aiostream": lambda _, a, n: a.spaceout(a.range(n), 1e-9),
        "streamable": lambda s, _, __: s.throttle(10**9, per=SECOND),
    },
    clock("throttle", "throttle(1)", 0.3, Fold(first)): {
        "anystream": lambda s, _, __: s.throttle(1),
        "memory stream": memory_stream(64, first),
        "reactivex": reactive(lambda r, clock: [r.throttle_first(1, clock), r.reduce(the_first)]),
    },
    clock("batched", "batched(100, within=1)", 0.3, Fold(batch_total)): {
        **HOPS,
        "anystream": lambda s, _, __: s.batched(100, within=1),
        "streamable": lambda s, _, __: s.group(100, within=SECOND),
        "reactivex": reactive(
            lambda r, clock: [r.buffer_with_time_or_count(1, 100, clock), r.sum(sum)]
        ),
    },
    clock("debounce", "debounce(1)", 0.3, Fold(last)): {
        "anystream": lambda s, _, __: s.debounce(1),
        "memory stream": memory_stream(64, last),
        "reactivex": reactive(lambda r, clock: [r.debounce(1, clock)]),
    },
    clock("sample", "sample(1)", 0.3, Fold(last)): {
        "anystream": lambda s, _, __: s.sample(1),
        "memory stream": memory_stream(64, last),
    },
    clock("delay", "delay(0)", 0.4): {
        **HOPS,
        "anystream": lambda s, _, __: s.delay(0),
        "reactivex": reactive(lambda r, clock: [r.delay(0, clock), r.sum()]),
    },
    clock("timeout", "timeout(1)"): {
        **HOPS,
        "anystream": lambda s, _, __: s.timeout(1),
        "generators": lambda s, m, _: m.within(1, s),
        "aiostream": lambda _, a, n: a.timeout(a.range(n), 1),
        "reactivex": reactive(lambda r, clock: [r.timeout(1, scheduler=clock), r.sum()]),
    },
    clock("heartbeat", "heartbeat(1, 0)"): {
        **HOPS,
        "anystream": lambda s, _, __: s.heartbeat(1, 0),
    },
}

TICK = 0.001  # seconds


async def lateness(ticks: AsyncIterable[object]) -> Measured:
    """The milliseconds by which the last tick was late, and how many ticks there were."""
    start = current_time()
    count = 0
    async for _ in ticks:
        count += 1
    return Measured((current_time() - start - count * TICK) * 1000, count)


async def sleeps(count: int) -> AsyncGenerator[int, None]:
    for n in range(count):
        await sleep(TICK)
        yield n


TICKER: Rows = {
    Row(
        "clock-ticker",
        "by how much the last of 300 ticks was late, one each ms",
        300,
        50,
        fold=Fold(lateness),
        unit="ms",
        most=2.0,
        remark="the generator sleeps a ms before each tick, so it drifts",
    ): {
        "anystream": lambda _, __, n: ticker(TICK, n, missed="burst"),
        "generators": lambda _, __, n: sleeps(n),
        # Its first one comes at once.
        "aiostream": lambda _, a, n: a.skip(a.range(n + 1, interval=TICK), 1),
    }
}

HOUR = 3600
Silent = Callable[[], AsyncGenerator[int, None]]


def held(wait: Callable[[Silent], Awaitable[int]], groups: int = 1) -> Work:
    """So many timers that are pending at a time, or a part of them after the other."""

    async def at_once(count: int) -> int:
        over = Event()
        waiting = result = 0

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

        await in_tasks(child, count)
        return result

    async def work(count: int) -> int:
        return sum([await at_once(count // groups) for _ in range(groups)])

    return work


async def stream_timeout(silent: Silent) -> int:
    async with Stream(silent).timeout(HOUR) as items:
        return await anext(items)


async def scope_timeout(silent: Silent) -> int:
    async with aclosing(silent()) as items:
        with fail_after(HOUR):
            return await anext(items)


TIMERS: Rows = {
    Row(
        "clock-timers",
        "10,000 streams with a pending timer at once",
        10_000,
        300,
        limits={"in tenths": 1.3},
        remark="the floor is a generator and a cancel scope with a deadline in each task",
    ): {
        "anystream": held(stream_timeout),
        "in tenths": held(stream_timeout, 10),
        "floor": held(scope_timeout),
    }
}

CASES = cases("timing", CLOCKS | TICKER | TIMERS)
