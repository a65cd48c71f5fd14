"""What grows: rows of maps, batches, and the time for which a long run keeps the event loop."""

from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass
from itertools import islice
from time import thread_time
from types import coroutine
from typing import Any

from measure import Case, Measured, Version

from anystream import async_range

from .plain import TALLY, TOTAL, Make, amap, even, inc, nested, numbers, sides

Limits = Mapping[str, float | Mapping[Version, float]]

# -- maps in a row ---------------------------------------------------------------------------------


def maps(depth: int) -> dict[str, Make]:
    """So many maps behind a range."""

    def rows(source: Callable[[int], Any], wrap: Callable[..., Any]) -> Make:
        return lambda n, *module: nested(depth, source(n), lambda s: wrap(s, *module))

    return {
        "anystream": rows(async_range, lambda s: s.map(inc)),
        "floor": rows(range, lambda s: map(inc, s)),
        "generators": rows(numbers, lambda s: amap(inc, s)),
        "aiostream": rows(numbers, lambda s, a: a.stream.map(s, inc)),
        "streamable": lambda n, m: nested(depth, m.stream(range(n)), lambda s: s.map(inc)),
        "asyncstdlib": rows(range, lambda s, a: a.map(inc, s)),
        "aioitertools": rows(range, lambda s, a: a.map(inc, s)),
        "reactivex": lambda n, r: nested(
            depth, r.from_iterable(range(n)), lambda s: s.pipe(r.operators.map(inc))
        ),
    }


def deep(depth: int, items: int, limits: Limits | None = None) -> Case:
    makes = sides(TOTAL, maps(depth), held=True)
    what = f"maps in a row: {depth}"
    return Case(f"depth-{depth}", what, "depth", items, makes, limits or {}, quick=items // 8)


# -- batches ---------------------------------------------------------------------------------------


def batches(items: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    iterator = iter(items)
    while batch := tuple(islice(iterator, size)):
        yield batch


async def abatches(source: AsyncIterator[Any], size: int) -> AsyncIterator[list[Any]]:
    batch: list[Any] = []
    async for item in source:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def batched(size: int, items: int) -> Case:
    makes: dict[str, Make] = {
        "anystream": lambda n: async_range(n).batched(size),
        "floor": lambda n: batches(range(n), size),
        "generators": lambda n: abatches(numbers(n), size),
        "aiostream": lambda n, a: a.stream.chunks(numbers(n), size),
        "streamable": lambda n, s: s.stream(range(n)).group(size),
        "asyncstdlib": lambda n, a: a.batched(range(n), size),
        "aioitertools": lambda n, a: a.batched(range(n), size),
        "anyio.itertools": lambda n, a: a.batched(numbers(n), size),
        "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(
            r.operators.buffer_with_count(size)
        ),
    }
    what = f"batches of {size:,}"
    row = sides(TALLY, makes)
    return Case(f"batches-{size}", what, "batches", items, row, quick=items // 10)


# -- the event loop's turn -------------------------------------------------------------------------


@dataclass
class Longest:
    """The longest time for which a coroutine has kept the event loop from its turn, in seconds.

    It is processor time: a step from which the processor was taken away says nothing about it.
    """

    time: float = 0.0

    @coroutine
    def watch(self, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Await `work`, which gives the event loop its turn whenever it yields."""
        answer: Any = None
        while True:
            start = thread_time()
            try:
                trap = work.send(answer)
            except StopIteration as end:
                return end.value
            finally:
                self.time = max(self.time, thread_time() - start)
            answer = yield trap


async def turns(n: int) -> Measured:
    longest = Longest()
    result = await longest.watch(async_range(n).map(inc).filter(even).sum())
    if result != n // 2 * (n // 2 + 1):
        raise AssertionError(f"the sum is {result}")
    return Measured(longest.time * 1000, result)


CASES: list[Case] = [
    deep(1, 20_000),
    deep(2, 15_000),
    deep(5, 8_000),
    deep(10, 15_000, {"generators": {(3, 11): 0.5, (3, 13): 0.35}}),
    deep(20, 3_000),
    deep(50, 1_200),
    deep(100, 1_000, {"generators": {(3, 13): 0.3}}),
    batched(1, 4_000),
    batched(10, 10_000),
    batched(100, 20_000),
    batched(1_000, 20_000),
    batched(10_000, 20_000),
    Case(
        "turns",
        "longest time between two checkpoints of a terminal call over 5 million items",
        "terminals",
        5_000_000,
        {"anystream": turns},
        quick=200_000,
        unit="ms",
        most=2.0,
    ),
]
