"""Calls in processes, beside `map` of the pool."""

import os
from collections.abc import Generator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from time import perf_counter

from measure import Case

from anystream import async_range


def spin(seconds: float, n: int) -> int:
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass
    return n


@contextmanager
def processes() -> Generator[Executor, None, None]:
    """Two, on all processors, though what measures them is pinned to one."""
    cores = os.sched_setaffinity, (0, range(os.cpu_count() or 1))
    with ProcessPoolExecutor(2, get_context("forkserver"), *cores) as pool:
        list(pool.map(partial(spin, 0.01), range(20)))
        yield pool


def computed(name: str, seconds: float, chunk: int, items: int) -> Case:
    fn = partial(spin, seconds)

    async def ours(n: int, pool: Executor) -> int:
        return await async_range(n).map(fn, executor=pool, concurrency=4, chunk=chunk).sum()

    async def pool_map(n: int, pool: Executor) -> int:
        return sum(pool.map(fn, range(n), chunksize=chunk))

    what = f"map in 2 processes, {seconds * 1e6:g} us each, {chunk} items a call"
    sides, limits = {"anystream": ours, "pool.map": pool_map}, {"pool.map": 1.1}
    return Case(
        name, what, "workers", items, sides, limits, items // 4, perf_counter, "ns", processes
    )


CASES = [computed("executor-10us", 1e-5, 500, 20_000), computed("executor-1ms", 1e-3, 10, 400)]
