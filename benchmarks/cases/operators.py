"""Sources, operators in their caller's task, rows of them, and terminal calls."""

import operator
from collections.abc import Callable
from contextlib import aclosing
from inspect import isawaitable
from itertools import islice
from time import perf_counter
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
from measure import Case, Limits, Work

from anystream import from_thread

from . import byhand
from .table import (
    KINDS,
    NO_LIMITS,
    SOURCES,
    TERMINAL,
    Make,
    Makes,
    Row,
    Rows,
    cases,
    even,
    inc,
    library,
    numbers,
    odd,
    plain_total,
    total,
)


async def ainc(n: int) -> int:
    """An async function that does not wait."""
    return n + 1


async def listed(items: Any) -> list[Any]:
    return [item async for item in items]


# -- floors that are no builtin --------------------------------------------------------------------


async def awaited(n: int) -> int:
    result = 0
    for k in range(n):
        result += await ainc(k)
    return result


# -- operators -------------------------------------------------------------------------------------

MAP: dict[str, Make] = {
    "anystream, streamable, fpstreams, grugstream": lambda s, _, __: s.map(inc),
    "floor, generators, asyncstdlib, aioitertools": lambda s, m, _: m.map(inc, s),
    "aiostream": lambda s, a, _: a.map(s, inc),
}
LOOP: dict[str, Make] = {
    "anystream, streamable, fpstreams, grugstream": lambda s, _, __: s.map(inc).filter(even),
    "floor, generators, asyncstdlib": lambda s, m, _: m.filter(even, m.map(inc, s)),
    "aiostream": lambda s, a, _: a.filter(a.map(s, inc), even),
    "aioitertools": lambda s, a, _: a.filterfalse(odd, a.map(inc, s)),
}


def over_generators(name: str, what: str, step: Callable[[int], int], makes: Makes) -> Rows:
    """The same over a generator that is ready, and one that waits; the floor is a loop."""

    def looped(of: Callable[[int], Any]) -> Work:
        async def work(n: int) -> int:
            result = 0
            async with aclosing(of(n)) as items:
                async for item in items:
                    result += step(item)
            return result

        return work

    rows: Rows = {}
    for kind, (words, of) in KINDS.items():
        if kind:
            row = Row(f"{name}{kind}", what + words, 5_000, 800, of, held=True)
            rows[row] = {**makes, "floor": looped(of)}
    return rows


LEAST = {"generators": {(3, 11): 0.85, (3, 13): 0.5}, "aiostream": 0.06}
SAME = {"streamable": 1.05}
OPERATORS: Rows = {
    Row("loop", "range, map, filter", 20_000, 3_000, limits=LEAST): LOOP,
    **over_generators("loop", "map, filter", lambda n: 0 if n % 2 == 0 else n + 1, LOOP),
    Row("map", "map, a plain function"): MAP,
    **over_generators("map", "map, a plain function", inc, MAP),
    Row("map-async", "map, an async function that never waits", 2_000, 500, limits=SAME): {
        "anystream, streamable, fpstreams": lambda s, _, __: s.map(ainc),
        "grugstream": lambda s, _, __: s.map_async(ainc),
        "floor": awaited,
        "generators": lambda s, m, _: m.map_async(ainc, s),
        "aiostream": lambda s, a, _: a.map(s, ainc, task_limit=1),
        "asyncstdlib, aioitertools": lambda s, m, _: m.map(ainc, s),
    },
}

# -- rows of maps ----------------------------------------------------------------------------------


def in_a_row(depth: int, makes: dict[str, Make]) -> dict[str, Make | Work]:
    def deep(make: Make) -> Make:
        def nested(source: Any, module: Any, n: int) -> Any:
            for _ in range(depth):
                source = make(source, module, n)
            return source

        return nested

    return {sides: deep(make) for sides, make in makes.items()}


def depth(
    number: int, items: int, limits: Limits = NO_LIMITS, more: str = "", of: Any = range
) -> Rows:
    what = f"maps in a row: {number}, {items:,} items{' of a generator' * (of is numbers)}"
    row = Row(f"depth-{number}{more}", what, items, items // 8, of, held=True, limits=limits)
    makes = in_a_row(number, MAP)
    return {row: makes if of is range else {**makes, "floor": None}}


TEN = {"generators": {(3, 11): 0.5, (3, 13): 0.35}}
DEPTH: Rows = (
    depth(1, 20_000)
    | depth(10, 3_000, more="-short")
    | depth(10, 30_000, TEN)
    | depth(10, 8_000, {"generators": {(3, 11): 0.8, (3, 13): 0.5}}, "-generator", numbers)
    | depth(100, 1_000, {"generators": {(3, 13): 0.3}})
)

# -- terminal calls --------------------------------------------------------------------------------

LONG = 1_000_000_000


def many(firsts: dict[str, Callable[[Any, Any], Any]]) -> dict[str, Work]:
    """The first of a long stream, so many times."""

    def of(side: str, first: Callable[[Any, Any], Any]) -> Work:
        async def work(n: int) -> int:
            source, module = SOURCES[side], library(side)
            result = 0
            for k in range(n):
                item = first(source(range(k, LONG)), module)
                result += await item if isawaitable(item) else item
            return result

        return work

    return {side: of(side, first) for side, first in firsts.items()}


TERMINALS: Rows = {
    Row(
        "terminal",
        "range, map, filter, summed in a terminal call",
        50_000,
        6_000,
        fold=TERMINAL,
        limits={"floor": 1.2},
    ): {
        "anystream, fpstreams, grugstream": lambda s, _, __: s.map(inc).filter(even).sum(),
        "floor, asyncstdlib": lambda s, m, _: m.sum(m.filter(even, m.map(inc, s))),
        "generators": lambda s, m, _: m.ended(total, m.filter(even, m.map(inc, s))),
        "aiostream": lambda s, a, _: a.reduce(a.filter(a.map(s, inc), even), operator.add),
        "streamable": lambda s, _, __: total(s.map(inc).filter(even)),
        "aioitertools": lambda s, a, _: a.sum(a.filterfalse(odd, a.map(inc, s))),
    },
    Row("first", "the first item of a stream of a billion", 300, 50): many(
        {
            "anystream": lambda s, _: s.first(),
            "floor": lambda s, _: next(iter(s)),
            "generators": lambda s, _: byhand.ended(anext, s),
            "aiostream": lambda s, a: a.take(s, 1),
            "streamable": lambda s, _: anext(aiter(s)),
            "asyncstdlib": lambda s, a: byhand.ended(a.anext, a.iter(s)),
            "aioitertools": lambda s, a: byhand.ended(a.next, a.iter(s)),
        }
    ),
}

# -- sources --------------------------------------------------------------------------------------


def in_a_thread(each: int, room: int) -> Work:
    """A worker that hands over so many items at a time, in a list."""

    async def work(n: int) -> int:
        send, receive = anyio.create_memory_object_stream[list[int]](room)

        def fill() -> None:
            items = iter(range(n))
            while chunk := list(islice(items, each)):
                anyio.from_thread.run(send.send, chunk)
            anyio.from_thread.run_sync(send.close)

        result = 0
        async with anyio.create_task_group() as group, receive:
            group.start_soon(anyio.to_thread.run_sync, fill)
            async for chunk in receive:
                result += plain_total(chunk)
        return result

    return work


ITSELF: dict[str, Make] = {
    "anystream, streamable, fpstreams, grugstream": lambda s, _, __: s,
    "aiostream": lambda s, a, _: a.iterate(s),
}
READ: Rows = {
    **over_generators("itself", "a user's generator without an operator", int, ITSELF),
    Row("range", "async_range", 20_000, 5_000, limits={"generators": {(3, 13): 0.8}}): {
        "anystream, floor, generators, streamable, fpstreams": lambda s, _, __: s,
        "aiostream": lambda _, a, n: a.range(n),
        "asyncstdlib, aioitertools": lambda s, m, _: m.iter(s),
    },
    Row("thread", "an iterable in a thread", 1_000, 60, held=True, clock=perf_counter): {
        "anystream": lambda s, _, n: from_thread(range(n)),
        "floor": in_a_thread(256, 1),
        "memory stream": in_a_thread(1, 256),
    },
}

CASES: list[Case] = [
    *cases("operators", OPERATORS),
    *cases("terminals", TERMINALS),
    *cases("sources", READ),
    *cases("depth", DEPTH),
]
