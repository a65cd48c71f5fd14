"""Terminal calls, which take all the items themselves, against what others have for that."""

import operator
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import cache, partial, reduce
from inspect import isawaitable
from typing import Any

from measure import Case, Version

from anystream import Stream, async_range

from .byhand import odd, plus
from .plain import PEERS, Make, Side, afilter, amap, each, even, inc, listed, numbers, peer, total

LONG = 1_000_000_000


def awaited(name: str, make: Make) -> Side:
    """What `make` gives is awaited, if it can be."""

    async def work(n: int) -> object:
        made = make(n, peer(name)) if name in PEERS else make(n)
        return await made if isawaitable(made) else made

    return work


def row(
    name: str,
    what: str,
    makes: Mapping[str, Make],
    items: int = 20_000,
    quick: int = 2_000,
    limits: Mapping[str, float | Mapping[Version, float]] | None = None,
) -> Case:
    sides = {side: awaited(side, make) for side, make in makes.items()}
    return Case(name, what, "terminals", items, sides, limits or {}, quick=quick)


# -- lists, made once ------------------------------------------------------------------------------


@cache
def zeros(n: int) -> list[int]:
    return [0] * n


@cache
def mixed(n: int) -> list[int]:
    return [k * 7919 % 10_007 for k in range(n)]


# -- loops by hand ---------------------------------------------------------------------------------


async def ended(take: Callable[[Any], Awaitable[Any]], items: Any) -> Any:
    """What `take` makes of a generator, which is closed in any case."""
    async with aclosing(items):
        return await take(items)


def counted(n: int) -> int:
    number = 0
    for _ in range(n):
        number += 1
    return number


async def acount(items: AsyncIterator[Any]) -> int:
    number = 0
    async for _ in items:
        number += 1
    return number


async def areduce(items: AsyncIterator[int]) -> int:
    result = await anext(items)
    async for item in items:
        result = plus(result, item)
    return result


async def alast(items: AsyncIterator[Any]) -> Any:
    last = None
    async for last in items:  # noqa: B007  # it is returned
        pass
    return last


async def amin(items: AsyncIterator[int]) -> int:
    least = await anext(items)
    async for item in items:
        if item < least:
            least = item
    return least


async def aany(items: AsyncIterator[Any]) -> bool:
    async for item in items:
        if item:
            return True
    return False


async def adrain(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


async def dropped(call: Awaitable[Any]) -> None:
    await call


async def each_appended(given: Callable[[Callable[[int], object]], Any]) -> int:
    """How many items have come to the function that is called with each of them."""
    seen: list[int] = []
    made = given(seen.append)
    if isawaitable(made):
        await made
    return len(seen)


def appended(n: int) -> int:
    seen: list[int] = []
    for k in range(n):
        seen.append(k)  # noqa: PERF402  # any function could stand here
    return len(seen)


async def acalled(fn: Callable[[int], object], items: AsyncIterator[int]) -> None:
    async for item in items:
        fn(item)


def pushed(observable: Any) -> Any:
    """The last item that is pushed."""
    found: list[Any] = []
    observable.subscribe(found.append)
    return found[-1]


def many(first: Callable[..., Any]) -> Callable[..., Any]:
    """The first of a long stream, so many times."""

    async def work(n: int, *module: Any) -> int:
        result = 0
        for k in range(n):
            item = first(k, *module)
            result += await item if isawaitable(item) else item
        return result

    return work


def long_range(k: int) -> range:
    return range(k, LONG)


CASES: list[Case] = [
    row(
        "terminal",
        "range, map, filter, summed in a terminal call",
        {
            "anystream": lambda n: async_range(n).map(inc).filter(even).sum(),
            "floor": lambda n: sum(filter(even, map(inc, range(n)))),
            "generators": lambda n: ended(total, afilter(even, amap(inc, numbers(n)))),
            "aiostream": lambda n, a: (
                a.stream.iterate(numbers(n))
                | a.pipe.map(inc)
                | a.pipe.filter(even)
                | a.pipe.reduce(operator.add)
            ),
            "streamable": lambda n, s: total(s.stream(range(n)).map(inc).filter(even)),
            "asyncstdlib": lambda n, a: a.sum(a.filter(even, a.map(inc, range(n)))),
            "aioitertools": lambda n, a: a.sum(a.filterfalse(odd, a.map(inc, range(n)))),
            "reactivex": lambda n, r: pushed(
                r.from_iterable(range(n)).pipe(
                    r.operators.map(inc), r.operators.filter(even), r.operators.sum()
                )
            ),
        },
        items=50_000,
        quick=6_000,
        limits={"floor": 1.2},
    ),
    row(
        "collect",
        "map, collected in a list",
        {
            "anystream": lambda n: async_range(n).map(inc).collect(),
            "floor": lambda n: list(map(inc, range(n))),
            "generators": lambda n: ended(listed, amap(inc, numbers(n))),
            "aiostream": lambda n, a: a.stream.list(a.stream.map(numbers(n), inc)),
            "streamable": lambda n, s: listed(s.stream(range(n)).map(inc)),
            "asyncstdlib": lambda n, a: a.list(a.map(inc, range(n))),
            "aioitertools": lambda n, a: a.list(a.map(inc, range(n))),
            "reactivex": lambda n, r: pushed(
                r.from_iterable(range(n)).pipe(r.operators.map(inc), r.operators.to_list())
            ),
        },
    ),
    row(
        "sum",
        "sum of a range",
        {
            "anystream": lambda n: async_range(n).sum(),
            "floor": lambda n: sum(range(n)),
            "generators": lambda n: ended(total, numbers(n)),
            "aiostream": lambda n, a: a.stream.reduce(numbers(n), operator.add),
            "asyncstdlib": lambda n, a: a.sum(range(n)),
            "aioitertools": lambda n, a: a.sum(range(n)),
            "reactivex": lambda n, r: pushed(r.from_iterable(range(n)).pipe(r.operators.sum())),
        },
    ),
    row(
        "reduce",
        "reduce, by a function in Python",
        {
            "anystream": lambda n: async_range(n).reduce(plus),
            "floor": lambda n: reduce(plus, range(n)),
            "generators": lambda n: ended(areduce, numbers(n)),
            "aiostream": lambda n, a: a.stream.reduce(numbers(n), plus),
            "asyncstdlib": lambda n, a: a.reduce(plus, range(n)),
            "reactivex": lambda n, r: pushed(
                r.from_iterable(range(n)).pipe(r.operators.reduce(plus))
            ),
        },
    ),
    row(
        "count",
        "count",
        {
            "anystream": lambda n: async_range(n).count(),
            "floor": counted,
            "generators": lambda n: ended(acount, numbers(n)),
            "reactivex": lambda n, r: pushed(r.from_iterable(range(n)).pipe(r.operators.count())),
        },
    ),
    row(
        "first",
        "the first item of a stream of a billion",
        {
            "anystream": many(lambda k: async_range(k, LONG).first()),
            "floor": many(lambda k: next(iter(long_range(k)))),
            "generators": many(lambda k: ended(anext, each(long_range(k)))),
            "aiostream": many(lambda k, a: a.stream.take(each(long_range(k)), 1)),
            "streamable": many(lambda k, s: anext(aiter(s.stream(long_range(k))))),
            "asyncstdlib": many(lambda k, a: ended(a.anext, a.iter(long_range(k)))),
            "aioitertools": many(lambda k, a: ended(a.next, a.iter(long_range(k)))),
        },
        items=300,
        quick=50,
    ),
    row(
        "last",
        "the last item",
        {
            "anystream": lambda n: async_range(n).last(),
            "floor": lambda n: deque(range(n), 1)[0],
            "generators": lambda n: ended(alast, numbers(n)),
            "aiostream": lambda n, a: a.stream.iterate(numbers(n)),
            "reactivex": lambda n, r: pushed(r.from_iterable(range(n)).pipe(r.operators.last())),
        },
    ),
    row(
        "for-each",
        "for_each, with list.append",
        {
            "anystream": lambda n: each_appended(lambda fn: async_range(n).for_each(fn)),
            "floor": appended,
            "generators": lambda n: each_appended(
                lambda fn: ended(partial(acalled, fn), numbers(n))
            ),
            "aiostream": lambda n, a: each_appended(lambda fn: a.stream.action(numbers(n), fn)),
            "streamable": lambda n, s: each_appended(lambda fn: s.stream(range(n)).do(fn)),
            "reactivex": lambda n, r: each_appended(
                lambda fn: r.from_iterable(range(n)).subscribe(fn)
            ),
        },
    ),
    row(
        "min",
        "the least item",
        {
            "anystream": lambda n: Stream(mixed(n)).min(),
            "floor": lambda n: min(mixed(n)),
            "generators": lambda n: ended(amin, each(mixed(n))),
            "aiostream": lambda n, a: a.stream.reduce(each(mixed(n)), min),
            "asyncstdlib": lambda n, a: a.min(mixed(n)),
            "aioitertools": lambda n, a: a.min(mixed(n)),
            "reactivex": lambda n, r: pushed(
                r.from_iterable(mixed(n)).pipe(r.operators.min(), r.operators.map(int))
            ),
        },
    ),
    row(
        "any",
        "any, of items that are all false",
        {
            "anystream": lambda n: Stream(zeros(n)).any(),
            "floor": lambda n: any(zeros(n)),
            "generators": lambda n: ended(aany, each(zeros(n))),
            "asyncstdlib": lambda n, a: a.any(zeros(n)),
            "aioitertools": lambda n, a: a.any(zeros(n)),
            "reactivex": lambda n, r: pushed(
                r.from_iterable(zeros(n)).pipe(r.operators.some(bool))
            ),
        },
    ),
    row(
        "drain",
        "map, and nothing is kept",
        {
            "anystream": lambda n: async_range(n).map(inc).drain(),
            "floor": lambda n: deque(map(inc, range(n)), 0).clear(),
            "generators": lambda n: ended(adrain, amap(inc, numbers(n))),
            "aiostream": lambda n, a: dropped(a.stream.map(numbers(n), inc)),
            "streamable": lambda n, s: dropped(s.stream(range(n)).map(inc)),
        },
    ),
]
