"""What a case is, and how its sides are timed: side by side, in rounds, on each backend."""

import gc
import os
import re
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any, cast

import anyio
import anyio.lowlevel

BACKENDS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
"""The arguments of `anyio.run` for each."""

OURS = "anystream"
BY_HAND = "by hand"
"""The side that keeps the same promises without the library."""
PATIENCE = 60.0
"""Seconds after which a side that has never run is given up."""
Pace = tuple[int, int, float]
"""The least and the most rounds of a case, and the seconds after which no more is begun."""
FULL, QUICK, BRIEF = (5, 25, 6.0), (2, 3, 0.2), (3, 15, 0.3)

Version = tuple[int, int]
Limit = float | Mapping[Version, float] | tuple[float, ...]
Limits = Mapping[str, Limit]
Clock = Callable[[], float]
Work = Callable[[int], Awaitable[object]]
"""One side of a case: does something with so many items, and returns what came of it."""


@dataclass(frozen=True)
class Measured:
    """What a side has measured by itself, in place of the time of its whole run.

    `value` is in seconds, or in the unit of the case; `result` is what has come of the work.
    """

    value: float
    result: object = None


@dataclass(frozen=True)
class Case:
    """A row of the table.

    `sides` has `OURS` first, or what the others are compared with. Each one is tried once before
    anything is timed: one that raises, or has another result, is shown with what was seen. `limits`
    are the most that the figure of the first, divided by that of a side, may be: one for all, each
    from a version of Python on, or one for each of `BACKENDS`.

    `items` is for a full run, a quick one has `quick`. `shared` is opened around all rounds, and
    what it gives is the second argument of each side.
    """

    name: str
    what: str
    family: str
    items: int
    sides: Mapping[str, Callable[..., Awaitable[object]]]
    limits: Limits = field(default_factory=dict[str, Limit])
    quick: int | None = None
    clock: Clock = process_time
    unit: str = "ns"  # a time for each item, or what `Measured.value` is in
    shared: Callable[[], AbstractContextManager[Any]] | None = None
    backends: tuple[str, ...] = tuple(BACKENDS)
    most: float | None = None  # of our own figure, in the unit of the case
    remark: str = ""

    def limits_on(self, backend: str) -> dict[str, float]:
        """The limits that hold there, by side."""
        limits: dict[str, float] = {}
        for side, limit in self.limits.items():
            if isinstance(limit, tuple):
                limits[side] = limit[list(BACKENDS).index(backend)]
            elif isinstance(limit, Mapping):
                known = [version for version in limit if version <= sys.version_info[:2]]
                limits |= {side: limit[max(known)]} if known else {}
            else:
                limits[side] = limit
        return limits


@dataclass
class Result:
    """What a case has given: samples by backend and side, in step; and why a side has none."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict[str, Any])
    missing: dict[str, dict[str, str]] = field(default_factory=dict[str, Any])


@contextmanager
def no_garbage_collector() -> Generator[None, None, None]:
    """So that one side does not pay for the other's litter; it catches up between the runs."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def pin() -> str:
    """Keep this process on one processor, where that is allowed; says which."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned"
    try:
        processor = max(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processor})
    except OSError as error:
        return f"not pinned ({error})"
    return f"pinned to processor {processor}"


class Rounds:
    """The rounds of one case: in each of them every backend runs every side once, in turn."""

    def __init__(self, case: Case, backends: list[str], pace: Pace = FULL) -> None:
        self.case = case
        self.backends = [backend for backend in backends if backend in case.backends]
        self.items = case.items
        if pace is QUICK:
            self.items = case.quick or max(1, case.items // 10)
        self.least, self.most, self.budget = pace
        self.result = Result()
        self.sides: dict[str, list[str]] = {}  # those that can be run, by backend

    def run(self) -> Result:
        shared = nullcontext() if self.case.shared is None else self.case.shared()
        with shared as what:
            self.given = () if self.case.shared is None else (what,)
            for backend in self.backends:
                self.sides[backend] = self.warm_up(backend)
                self.result.samples[backend] = {side: [] for side in self.sides[backend]}
            began = perf_counter()
            for number in range(self.most):
                if number >= self.least and perf_counter() - began > self.budget:
                    break
                self.round(number)
        return self.result

    def warm_up(self, backend: str) -> list[str]:
        """Run each side once; those that do the same as the first one."""
        seen: dict[str, object] = {}
        missing: dict[str, str] = {}
        first = next(iter(self.case.sides))
        for side in self.case.sides:
            try:
                seen[side] = self.once(backend, side)[1]
            except Exception as error:
                if side == first:
                    raise
                missing[side] = in_words(error)
            else:
                if seen[side] != seen[first]:
                    del seen[side]
                    missing[side] = "its result is another one"
        self.result.missing[backend] = missing
        return list(seen)

    def once(self, backend: str, side: str) -> tuple[float, object]:
        async def attempt() -> tuple[float, object]:
            with anyio.fail_after(PATIENCE):
                return await self.sample(side)

        return anyio.run(attempt, **BACKENDS[backend])

    def round(self, number: int) -> None:
        for backend in rotated(self.backends, number):
            sides = rotated(self.sides[backend], number)
            for side, value in anyio.run(self.samples, sides, **BACKENDS[backend]).items():
                self.result.samples[backend][side].append(value)

    async def samples(self, sides: list[str]) -> dict[str, float]:
        """A sample of each side, one right after the other in one event loop."""
        return {side: (await self.sample(side))[0] for side in sides}

    async def sample(self, side: str) -> tuple[float, object]:
        work = self.case.sides[side]
        await settle()
        with no_garbage_collector():
            start = self.case.clock()
            result = await work(self.items, *self.given)
            took = self.case.clock() - start
        if isinstance(result, Measured):
            return result.value, result.result
        return took / self.items * 1e9, result


async def settle() -> None:
    """Let what the last side has left behind come to its end: some peers drop open generators."""
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()


def rotated(names: list[str], by: int) -> list[str]:
    """So that no side always goes first, or always after the same one."""
    at = by % len(names) if names else 0
    turned = names[at:] + names[:at]
    return turned[::-1] if by // max(1, len(names)) % 2 else turned


def in_words(error: Any) -> str:
    """What was seen, in one line; a group says what its first error says."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("Any", error).exceptions[0]
    text = re.sub(" at 0x[0-9a-f]+", "", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:100]}".rstrip(": ")
