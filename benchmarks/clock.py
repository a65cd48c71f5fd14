"""Cases with a clock: what looking at it costs, how exact a ticker is, and many timers at once."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from statistics import quantiles
from typing import Any

from anyio import Event, create_task_group, current_time, sleep
from measure import Case, Figure, Work, ratio
from tasks import memory_stream

from anystream import Stream, async_range, ticker

# -- a ready range -------------------------------------------------------------------------------


async def drained(items: AsyncIterable[object]) -> None:
    async for _ in items:
        pass


def through(apply: Callable[[Stream[int]], Stream[Any]]) -> Work:
    async def work(stop: int) -> None:
        async with apply(async_range(stop)) as items:
            await drained(items)

    return work


HOP = memory_stream(64, drained)


def clocked(
    name: str, what: str, apply: Callable[[Stream[int]], Stream[Any]], limit: float = 0.3
) -> Case:
    return Case(
        name,
        f"a range through {what}",
        "a memory object stream (64)",
        {(3, 11): limit},
        ratio(through(apply), HOP, 10_000),
    )


# -- a ticker ------------------------------------------------------------------------------------

TICK = 0.001  # seconds
US = 1e6


async def lateness(times: AsyncIterator[float], start: float) -> list[float]:
    return [time - start - number * TICK async for number, time in Stream(times).enumerate(1)]


async def sleeps(count: int) -> AsyncIterator[float]:
    for _ in range(count):
        await sleep(TICK)
        yield current_time()


def percentiles(late: list[float]) -> str:
    cuts = quantiles(late, n=100)
    return " ".join(f"{cuts[at - 1] * US:,.0f}" for at in (50, 90, 99)) + f" {late[-1] * US:,.0f}"


async def punctuality(backend: str, quick: bool) -> Figure:
    """Milliseconds by which the last tick was late."""
    count = 500 if quick else 5_000
    start = current_time()
    ticks = await lateness(aiter(ticker(TICK, count, missed="burst")), start)
    start = current_time()
    naps = await lateness(sleeps(count), start)
    remark = (
        f"us late, p50 p90 p99 last: {percentiles(ticks)}; sleep in a loop: {percentiles(naps)}"
    )
    return Figure([ticks[-1] * 1000], remark)


# -- many timers ---------------------------------------------------------------------------------


async def held(count: int) -> None:
    """So many streams with a pending timer at a time, opened, waiting, and closed."""
    over = Event()
    waiting = 0

    async def silent() -> AsyncIterator[int]:
        nonlocal waiting
        waiting += 1
        if waiting == count:
            over.set()
        await over.wait()
        yield 1

    async def wait() -> None:
        async with Stream(silent).timeout(3600) as items:
            await anext(items)

    async with create_task_group() as group:
        for _ in range(count):
            group.start_soon(wait)


async def held_in_tenths(count: int) -> None:
    for _ in range(10):
        await held(count // 10)


CASES = (
    clocked("clock-rate-limit", "rate_limit, far from its limit", lambda s: s.rate_limit(10**9)),
    clocked("clock-throttle", "throttle(1)", lambda s: s.throttle(1)),
    clocked("clock-batched", "batched(100, within=1)", lambda s: s.batched(100, within=1)),
    clocked("clock-debounce", "debounce(1)", lambda s: s.debounce(1)),
    clocked("clock-sample", "sample(1)", lambda s: s.sample(1)),
    clocked("clock-delay", "delay(0)", lambda s: s.delay(0), 0.4),
    Case(
        "clock-ticker",
        "the last of 5,000 ticks, one each ms",
        "the time at which it was due",
        {(3, 11): 2.0},
        punctuality,
        unit="ms",
    ),
    Case(
        "clock-timers",
        "10,000 streams with a pending timer at once",
        "ten times 1,000 of them",
        {(3, 11): 1.3},
        ratio(held, held_in_tenths, 10_000),
    ),
)
