"""Sources, operators in their caller's task, rows of them, and terminal calls."""

import operator
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from itertools import islice
from time import perf_counter, thread_time
from types import coroutine
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.abc import ObjectReceiveStream
from measure import Case, Measured, Work

from anystream import async_range, from_thread

from . import byhand
from .table import (
    NO_LIMITS,
    SOURCES,
    TERMINAL,
    Limit,
    Limits,
    Make,
    Row,
    Rows,
    cases,
    each,
    even,
    ignoring,
    inc,
    library,
    numbers,
    odd,
    peer,
    plain_total,
    plus,
    total,
)


async def ainc(n: int) -> int:
    """An async function that does not wait."""
    return n + 1


async def listed(items: Any) -> list[Any]:
    return [item async for item in items]


def negative(n: int) -> bool:
    return n < 0


def natural(n: int) -> bool:
    return n >= 0


async def anatural(n: int) -> bool:
    return n >= 0


async def aodd(n: int) -> bool:
    return n % 2 == 1


def ranges(n: int) -> list[range]:
    return [range(100)] * (n // 100)


# -- floors that are no builtin --------------------------------------------------------------------


async def awaited(n: int) -> int:
    result = 0
    for k in range(n):
        result += await ainc(k)
    return result


# -- operators -------------------------------------------------------------------------------------

MAP: dict[str, Make] = {
    "anystream, streamable": lambda s, _, __: s.map(inc),
    "floor, generators, asyncstdlib, aioitertools": lambda s, m, _: m.map(inc, s),
    "aiostream": lambda s, a, _: a.map(s, inc),
}
PUSHED_MAP: dict[str, Make] = {"reactivex": lambda s, r, _: s.pipe(r.map(inc))}

OPERATORS: Rows = {
    Row(
        "loop",
        "range, map, filter",
        20_000,
        3_000,
        limits={"generators": {(3, 11): 0.85, (3, 13): 0.5}, "aiostream": 0.06},
    ): {
        "anystream, streamable": lambda s, _, __: s.map(inc).filter(even),
        "floor, generators, asyncstdlib": lambda s, m, _: m.filter(even, m.map(inc, s)),
        "aiostream": lambda _, a, n: a.filter(a.map(a.range(n), inc), even),
        "aioitertools": lambda s, a, _: a.filterfalse(odd, a.map(inc, s)),
        "reactivex": lambda s, r, _: s.pipe(r.map(inc), r.filter(even)),
    },
    Row("map", "map, a plain function"): MAP | PUSHED_MAP,
    Row("map-async", "map, an async function that does not wait", 2_000, 500): {
        "anystream, streamable": lambda s, _, __: s.map(ainc),
        "floor": awaited,
        "generators": lambda s, m, _: m.map_async(ainc, s),
        "aiostream": lambda s, a, _: a.map(s, ainc, task_limit=1),
        "asyncstdlib, aioitertools": lambda s, m, _: m.map(ainc, s),
    },
    Row("filter", "filter, half of the items"): {
        "anystream, streamable": lambda s, _, __: s.filter(even),
        "floor, generators, asyncstdlib": lambda s, m, _: m.filter(even, s),
        "aiostream": lambda s, a, _: a.filter(s, even),
        "aioitertools": lambda s, a, _: a.filterfalse(odd, s),
        "anyio.itertools": lambda s, a, _: a.filterfalse(aodd, s),
        "reactivex": lambda s, r, _: s.pipe(r.filter(even)),
    },
    Row("accumulate", "running totals"): {
        "anystream": lambda s, _, __: s.accumulate(),
        "floor, generators, aiostream, asyncstdlib, aioitertools, anyio.itertools": (
            lambda s, m, _: m.accumulate(s)
        ),
        "reactivex": lambda s, r, _: s.pipe(r.scan(operator.add)),
    },
    Row("take", "the first half", of=lambda n: range(2 * n)): {
        "anystream, streamable": lambda s, _, n: s.take(n),
        "floor, generators, asyncstdlib, aioitertools, anyio.itertools": (
            lambda s, m, n: m.islice(s, n)
        ),
        "aiostream": lambda s, a, n: a.take(s, n),
        "reactivex": lambda s, r, n: s.pipe(r.take(n)),
    },
    Row("take-while", "take_while, all items"): {
        "anystream": lambda s, _, __: s.take_while(natural),
        "floor, generators, asyncstdlib, aioitertools": lambda s, m, _: m.takewhile(natural, s),
        "aiostream": lambda s, a, _: a.takewhile(s, natural),
        "streamable": lambda s, _, __: s.take(until=negative),
        "anyio.itertools": lambda s, a, _: a.takewhile(anatural, s),
        "reactivex": lambda s, r, _: s.pipe(r.take_while(natural)),
    },
    Row("flatten", "flatten, ranges of 100", of=ranges): {
        "anystream, streamable": lambda s, _, __: s.flatten(),
        "floor, asyncstdlib, aioitertools": lambda s, m, _: m.chain.from_iterable(s),
        "generators": lambda s, _, __: (k async for part in s for k in part),
        "aiostream": lambda s, a, _: a.concat((each(part) async for part in s), task_limit=1),
        "anyio.itertools": lambda s, a, _: a.chain.from_iterable(each(part) async for part in s),
        "reactivex": lambda s, r, _: s.pipe(r.map(SOURCES["reactivex"]), r.concat_all()),
    },
    Row("catch", "catch, no error comes"): {
        "anystream": lambda s, _, __: s.catch(ignoring(lambda: [-1]), ValueError),
        "generators": lambda s, m, _: m.catch(s),
        "streamable": lambda s, _, __: s.catch(ValueError, replace=negative, stop=True),
        "reactivex": lambda s, r, _: s.pipe(r.catch(peer("reactivex").of(-1))),
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


def depth(number: int, items: int, limits: Limits = NO_LIMITS) -> Rows:
    what = f"maps in a row: {number}"
    row = Row(f"depth-{number}", what, items, items // 8, held=True, limits=limits)
    return {row: in_a_row(number, MAP | PUSHED_MAP)}


def generator(name: str, number: int, items: int, quick: int, limit: Limit) -> Rows:
    """A user's async generator, and so many maps behind it."""
    what = f"a user's async generator, {name} maps"
    limits = {"generators": limit}
    row = Row(f"generator-{name}-maps", what, items, quick, numbers, held=True, limits=limits)
    return {row: {**in_a_row(number, MAP), "floor": None}}


DEPTH: Rows = (
    depth(1, 20_000)
    | depth(2, 15_000)
    | depth(5, 8_000)
    | depth(10, 15_000, {"generators": {(3, 11): 0.5, (3, 13): 0.35}})
    | depth(20, 3_000)
    | depth(50, 1_200)
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


called = partial(Row, items=20_000, quick=2_000, fold=TERMINAL)

TERMINALS: Rows = {
    Row(
        "terminal",
        "range, map, filter, summed in a terminal call",
        50_000,
        6_000,
        fold=TERMINAL,
        limits={"floor": 1.2},
    ): {
        "anystream": lambda s, _, __: s.map(inc).filter(even).sum(),
        "floor, asyncstdlib": lambda s, m, _: m.sum(m.filter(even, m.map(inc, s))),
        "generators": lambda s, m, _: m.ended(total, m.filter(even, m.map(inc, s))),
        "aiostream": lambda s, a, _: a.reduce(a.filter(a.map(s, inc), even), operator.add),
        "streamable": lambda s, _, __: total(s.map(inc).filter(even)),
        "aioitertools": lambda s, a, _: a.sum(a.filterfalse(odd, a.map(inc, s))),
        "reactivex": lambda s, r, _: s.pipe(r.map(inc), r.filter(even), r.sum()),
    },
    called("collect", "map, collected in a list"): {
        "anystream": lambda s, _, __: s.map(inc).collect(),
        "floor, asyncstdlib, aioitertools": lambda s, m, _: m.list(m.map(inc, s)),
        "generators": lambda s, m, _: m.ended(listed, m.map(inc, s)),
        "aiostream": lambda s, a, _: a.list(a.map(s, inc)),
        "streamable": lambda s, _, __: listed(s.map(inc)),
        "reactivex": lambda s, r, _: s.pipe(r.map(inc), r.to_list()),
    },
    called("sum", "sum of a range"): {
        "anystream": lambda s, _, __: s.sum(),
        "floor, asyncstdlib, aioitertools": lambda s, m, _: m.sum(s),
        "generators": lambda s, m, _: m.ended(total, s),
        "aiostream": lambda s, a, _: a.reduce(s, operator.add),
        "reactivex": lambda s, r, _: s.pipe(r.sum()),
    },
    called("reduce", "reduce, by a function in Python"): {
        "anystream": lambda s, _, __: s.reduce(plus),
        "floor, asyncstdlib": lambda s, m, _: m.reduce(plus, s),
        "generators": lambda s, m, _: m.ended(partial(m.reduced, plus), s),
        "aiostream": lambda s, a, _: a.reduce(s, plus),
        "reactivex": lambda s, r, _: s.pipe(r.reduce(plus)),
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


# -- sources --------------------------------------------------------------------------------------


async def passed_on(n: int) -> int:
    return await total(numbers(n))


async def safely_sent(n: int) -> int:
    async with peer("trio").as_safe_channel(numbers)(n) as items:
        return await total(items)


def filled(n: int) -> ObjectReceiveStream[int]:
    """One with all its items, and nobody who sends any more."""
    send, receive = anyio.create_memory_object_stream[int](n)
    with send:
        for k in range(n):
            send.send_nowait(k)
    return receive


async def memory_stream_itself(n: int) -> int:
    async with filled(n) as items:
        return await total(items)


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


READ: Rows = {
    Row("range", "async_range", 20_000, 5_000, limits={"generators": {(3, 13): 0.8}}): {
        "anystream, floor, generators, streamable, reactivex": lambda s, _, __: s,
        "aiostream": lambda _, a, n: a.range(n),
        "asyncstdlib, aioitertools": lambda s, m, _: m.iter(s),
    },
    Row("generator", "a user's async generator", 3_000, 500, numbers, held=True): {
        "anystream, streamable": lambda s, _, __: s,
        "floor": passed_on,
        "aiostream": lambda s, a, _: a.iterate(s),
        "as_safe_channel": safely_sent,
    },
    Row(
        "memory-object-stream", "a memory object stream that is full", 3_000, 300, filled, held=True
    ): {
        "memory stream": memory_stream_itself,
        "anystream, streamable": lambda s, _, __: s,
        "generators": lambda s, m, _: m.forwarded(s),
        "aiostream": lambda s, a, _: a.iterate(s),
    },
    Row("thread", "an iterable in a thread", 1_000, 60, held=True, clock=perf_counter): {
        "anystream": lambda s, _, n: from_thread(range(n)),
        "floor": in_a_thread(256, 1),
        "memory stream": in_a_thread(1, 256),
    },
}

CASES: list[Case] = [
    *cases("operators", OPERATORS),
    *cases("operators", generator("two", 2, 10_000, 2_000, {(3, 11): 2.0, (3, 13): 1.2})),
    *cases("operators", generator("ten", 10, 8_000, 1_000, {(3, 11): 0.8, (3, 13): 0.5})),
    *cases("terminals", TERMINALS),
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
    *cases("sources", READ),
    *cases("depth", DEPTH),
]
