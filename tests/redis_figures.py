"""How fast, and how large: `python tests/redis_figures.py` prints the figures of docs/redis.md.

The loop of the bare client and ours take turns in one process, slice by slice, and their ratio is
the median of the pairs, by the time that the process itself has used.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count

import anyio
import coredis
from redis_server import redis_server

from anystream import async_range, redis

BATCH = 500
MANY = 1_000_000
SLICE = 10_000
ROUNDS = 40
GROUPS = (f"{os.getpid()}-{number}" for number in count())


async def fill(url: str, messages: int) -> None:
    await async_range(messages).map(lambda n: {"n": n}).into(redis.sink("orders", url=url))


async def bare(client: "coredis.Redis[bytes]", messages: int) -> None:
    """What one would write with the client alone."""
    group = f"bare{next(GROUPS)}"
    await client.xgroup_create("orders", group, "0")
    seen = 0
    while seen < messages:
        found = await client.xreadgroup(group, "a", streams={"orders": ">"}, count=BATCH)
        assert found
        for entries in found.values():
            seen += len(entries)
            await client.xack("orders", group, [entry.identifier for entry in entries])


async def items(url: str, messages: int) -> None:
    stream = redis.group("orders", group=f"items{next(GROUPS)}", url=url, prefetch=BATCH)
    async with stream.take(messages) as found:
        async for message in found:
            message.ack()


async def batches(url: str, messages: int) -> None:
    stream = redis.group("orders", group=f"batches{next(GROUPS)}", url=url, prefetch=2 * BATCH)
    await stream.take(messages).batched(BATCH).for_each(redis.ack)


async def timed(run: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    began = time.process_time(), time.perf_counter()
    await run()
    return time.process_time() - began[0], time.perf_counter() - began[1]


async def compare(url: str, backend: str) -> None:
    times: dict[str, list[tuple[float, float]]] = {"bare": [], "items": [], "batches": []}
    async with coredis.Redis.from_url(url) as client:
        runs = {
            "bare": lambda: bare(client, SLICE),
            "items": lambda: items(url, SLICE),
            "batches": lambda: batches(url, SLICE),
        }
        for _ in range(ROUNDS):
            for name, run in runs.items():
                times[name].append(await timed(run))
            await client.delete(["orders"])
            await fill(url, SLICE)
    for name, own in times.items():
        ratios = [a[0] / b[0] for a, b in zip(times["bare"], own, strict=True)]
        low, median, high = statistics.quantiles(ratios, n=4)
        rate = SLICE / statistics.median(wall for _, wall in own)
        print(
            f"{backend} {name}: {rate:,.0f}/s, {median:.2f} of the bare loop"
            f" (quartiles {low:.2f} to {high:.2f})",
            flush=True,
        )


async def many(url: str, backend: str) -> None:
    _, wall = await timed(lambda: items(url, MANY))
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{backend} {MANY:,} messages: {MANY / wall:,.0f}/s, {size:.0f} MiB at most", flush=True)


PARTS = {"compare": compare, "many": many}


def main() -> None:
    with redis_server() as server:
        for part, messages in (("compare", SLICE), ("many", MANY)):
            anyio.run(fill, server.socket_url, messages)
            for backend in ("asyncio", "trio"):
                process = [sys.executable, __file__, part, server.socket_url, backend]
                subprocess.run(process, check=True)
            server.ask("DEL", "orders")


if __name__ == "__main__":
    if sys.argv[1:]:
        part, url, backend = sys.argv[1:]
        anyio.run(PARTS[part], url, backend, backend=backend)
    else:
        main()
