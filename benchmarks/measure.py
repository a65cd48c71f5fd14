"""How a figure is come by: pairs of runs side by side, or single runs one after the other."""

import gc
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter, process_time, thread_time
from types import coroutine
from typing import Any

BACKENDS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
"""The arguments of `anyio.run` for each."""

Version = tuple[int, int]
Work = Callable[[int], Awaitable[object]]
"""One side of a case: does something with so many items, and returns what came of it."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Figure:
    """What was measured, one sample for each pair or run, and a remark on it."""

    samples: list[float]
    remark: str = ""

    @property
    def middle(self) -> float:
        return median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        if len(self.samples) == 1:
            return self.middle, self.middle
        low, _, high = quantiles(self.samples, method="inclusive")
        return low, high


@dataclass(frozen=True)
class Case:
    """A row of the table. `measure(backend, quick)` is run by that backend."""

    name: str
    what: str
    against: str
    limits: Mapping[Version, float]  # each from this Python on, up to the next one
    measure: Callable[[str, bool], Awaitable[Figure]]
    unit: str = ""
    backends: tuple[str, ...] = tuple(BACKENDS)

    @property
    def limit(self) -> float:
        return self.limits[max(version for version in self.limits if version <= sys.version_info)]


def same(ours: object, theirs: object) -> None:
    if ours != theirs:
        raise AssertionError(f"the two sides differ: {ours!r} and {theirs!r}")


@contextmanager
def no_garbage_collector() -> Generator[None, None, None]:
    """So that one side does not pay for the other's litter; it catches up between the runs."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def seconds(work: Work, items: int, clock: Clock) -> float:
    """The time that one run of `work` takes."""
    with no_garbage_collector():
        start = clock()
        await work(items)
        return clock() - start


async def compare(
    ours: Work, theirs: Work, items: int, pairs: int, clock: Clock = process_time
) -> Figure:
    """Our time divided by theirs, of pairs of runs that take turns in going first.

    Both have run once before, which warms them up and shows that they do the same work. The clock
    is that of the processor time of this process, unless another one is given.
    """
    same(await ours(items), await theirs(items))
    times: list[tuple[float, float]] = []
    for pair in range(pairs):
        if pair % 2:
            their_time = await seconds(theirs, items, clock)
            our_time = await seconds(ours, items, clock)
        else:
            our_time = await seconds(ours, items, clock)
            their_time = await seconds(theirs, items, clock)
        times.append((our_time, their_time))
    per_item = (f"{median(side) / items * 1e9:,.0f}" for side in zip(*times, strict=True))
    return Figure([a / b for a, b in times], " / ".join(per_item) + " ns an item")


def ratio(
    ours: Work, theirs: Work, items: int, clock: Clock = process_time
) -> Callable[[str, bool], Awaitable[Figure]]:
    """A measurement of two sides that need nothing but the number of items."""

    async def measure(backend: str, quick: bool) -> Figure:
        few, pairs = (items // 4, 9) if quick else (items, 21)
        return await compare(ours, theirs, few, pairs, clock)

    return measure


@dataclass
class Longest:
    """The longest time for which a coroutine has kept the event loop from its turn, in seconds."""

    wall: float = 0.0
    cpu: float = 0.0

    @coroutine
    def watch(self, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Await `work`, which gives the event loop its turn whenever it yields."""
        answer: Any = None
        while True:
            wall, cpu = perf_counter(), thread_time()
            try:
                trap = work.send(answer)
            except StopIteration as end:
                return end.value
            finally:
                self.wall = max(self.wall, perf_counter() - wall)
                self.cpu = max(self.cpu, thread_time() - cpu)
            answer = yield trap


async def longest_steps(
    work: Callable[[int], Coroutine[Any, Any, object]], expected: object, items: int, runs: int
) -> Figure:
    """The longest step of each run, in milliseconds of processor time; a shorter run warms up.

    On a quiet machine that is also the time which passes; on a busy one, a step from which the
    processor was taken away says nothing about the work.
    """
    await work(items // 100)
    longest = [Longest() for _ in range(runs)]
    for each in longest:
        with no_garbage_collector():
            same(await each.watch(work(items)), expected)
    wall = median(each.wall for each in longest)
    return Figure([each.cpu * 1000 for each in longest], f"{wall * 1000:.2f} ms on the wall clock")
