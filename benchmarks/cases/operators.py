"""Every operator that runs in its caller's task, over items that are ready, with `async for`."""

import operator
from collections.abc import AsyncIterable, Iterable
from itertools import accumulate, dropwhile, islice, starmap, takewhile
from time import monotonic

import anyio
from measure import Case

from anystream import Stream, async_range

from . import wider
from .byhand import (
    aaccumulate,
    adedupe,
    adistinct,
    aearly,
    aelapsed,
    aenumerate,
    anatural,
    aodd,
    aplus,
    askip,
    askip_while,
    atake,
    atake_while,
    atap,
    awaited,
    dedupe,
    distinct,
    early,
    look,
    looked,
    natural,
    odd,
    pairs,
    plus,
    recurring,
    runs,
)
from .plain import (
    TALLY,
    Fold,
    afilter,
    ainc,
    amap,
    amap_async,
    each,
    even,
    inc,
    numbers,
)
from .plain import (
    operator_case as row,
)

# -- items with their times: only the items can be compared ----------------------------------------


async def second_total(items: AsyncIterable[tuple[float, int]]) -> int:
    result = 0
    async for _, item in items:
        result += item
    return result


def plain_second_total(items: Iterable[tuple[float, int]]) -> int:
    result = 0
    for _, item in items:
        result += item
    return result


SECOND = Fold(second_total, plain_second_total, plain_second_total)


def measured(n: int) -> Iterable[tuple[float, int]]:
    before = monotonic()
    for k in range(n):
        now = monotonic()
        yield now - before, k
        before = now


# -- the table -------------------------------------------------------------------------------------

CASES: list[Case] = [
    row(
        "loop",
        "range, map, filter",
        {
            "anystream": lambda n: async_range(n).map(inc).filter(even),
            "floor": lambda n: filter(even, map(inc, range(n))),
            "generators": lambda n: afilter(even, amap(inc, numbers(n))),
            "aiostream": lambda n, a: a.stream.range(n) | a.pipe.map(inc) | a.pipe.filter(even),
            "streamable": lambda n, s: s.stream(range(n)).map(inc).filter(even),
            "asyncstdlib": lambda n, a: a.filter(even, a.map(inc, range(n))),
            "aioitertools": lambda n, a: a.filterfalse(odd, a.map(inc, range(n))),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(
                r.operators.map(inc), r.operators.filter(even)
            ),
        },
        limits={"generators": {(3, 11): 0.85, (3, 13): 0.5}, "aiostream": 0.06},
        items=20_000,
        quick=3_000,
    ),
    row(
        "map",
        "map, a plain function",
        {
            "anystream": lambda n: async_range(n).map(inc),
            "floor": lambda n: map(inc, range(n)),
            "generators": lambda n: amap(inc, numbers(n)),
            "aiostream": lambda n, a: a.stream.map(numbers(n), inc),
            "streamable": lambda n, s: s.stream(range(n)).map(inc),
            "asyncstdlib": lambda n, a: a.map(inc, range(n)),
            "aioitertools": lambda n, a: a.map(inc, range(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(r.operators.map(inc)),
        },
    ),
    row(
        "map-async",
        "map, an async function that does not wait",
        {
            "anystream": lambda n: async_range(n).map(ainc),
            "floor": awaited,
            "generators": lambda n: amap_async(ainc, numbers(n)),
            "aiostream": lambda n, a: a.stream.map(numbers(n), ainc, task_limit=1),
            "streamable": lambda n, s: s.stream(range(n)).map(ainc),
            "asyncstdlib": lambda n, a: a.map(ainc, range(n)),
            "aioitertools": lambda n, a: a.map(ainc, range(n)),
        },
        items=2_000,
        quick=500,
    ),
    row(
        "filter",
        "filter, half of the items",
        {
            "anystream": lambda n: async_range(n).filter(even),
            "floor": lambda n: filter(even, range(n)),
            "generators": lambda n: afilter(even, numbers(n)),
            "aiostream": lambda n, a: a.stream.filter(numbers(n), even),
            "streamable": lambda n, s: s.stream(range(n)).filter(even),
            "asyncstdlib": lambda n, a: a.filter(even, range(n)),
            "aioitertools": lambda n, a: a.filterfalse(odd, range(n)),
            "anyio.itertools": lambda n, a: a.filterfalse(aodd, numbers(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(r.operators.filter(even)),
        },
    ),
    row(
        "starmap",
        "starmap over pairs",
        {
            "anystream": lambda n: Stream(pairs(n)).starmap(plus),
            "floor": lambda n: starmap(plus, pairs(n)),
            "generators": lambda n: (plus(*pair) async for pair in each(pairs(n))),
            "aiostream": lambda n, a: a.stream.starmap(each(pairs(n)), plus),
            "asyncstdlib": lambda n, a: a.starmap(plus, pairs(n)),
            "aioitertools": lambda n, a: a.starmap(plus, pairs(n)),
            "anyio.itertools": lambda n, a: a.starmap(aplus, each(pairs(n))),
            "reactivex": lambda n, r: r.from_iterable(pairs(n)).pipe(r.operators.starmap(plus)),
        },
        items=4_000,
        quick=500,
    ),
    row(
        "enumerate",
        "enumerate",
        {
            "anystream": lambda n: async_range(n).enumerate(),
            "floor": lambda n: enumerate(range(n)),
            "generators": lambda n: aenumerate(numbers(n)),
            "aiostream": lambda n, a: a.stream.enumerate(numbers(n)),
            "asyncstdlib": lambda n, a: a.enumerate(range(n)),
            "aioitertools": lambda n, a: a.enumerate(range(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(
                r.operators.map_indexed(lambda item, k: (k, item))
            ),
        },
        TALLY,
    ),
    row(
        "accumulate",
        "running totals",
        {
            "anystream": lambda n: async_range(n).accumulate(),
            "floor": lambda n: accumulate(range(n)),
            "generators": lambda n: aaccumulate(numbers(n)),
            "aiostream": lambda n, a: a.stream.accumulate(numbers(n)),
            "asyncstdlib": lambda n, a: a.accumulate(range(n)),
            "aioitertools": lambda n, a: a.accumulate(range(n)),
            "anyio.itertools": lambda n, a: a.accumulate(numbers(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(
                r.operators.scan(operator.add)
            ),
        },
    ),
    row(
        "tap",
        "a function that only looks at each item",
        {
            "anystream": lambda n: async_range(n).tap(look),
            "floor": looked,
            "generators": lambda n: atap(look, numbers(n)),
            "aiostream": lambda n, a: a.stream.action(numbers(n), look),
            "streamable": lambda n, s: s.stream(range(n)).do(look),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(r.operators.do_action(look)),
        },
    ),
    row(
        "timestamp",
        "each item with the time",
        {
            "anystream": lambda n: async_range(n).timestamp(),
            "floor": lambda n: ((monotonic(), k) for k in range(n)),
            "generators": lambda n: ((anyio.current_time(), k) async for k in numbers(n)),
        },
        SECOND,
    ),
    row(
        "elapsed",
        "each item with the time since the one before",
        {
            "anystream": lambda n: async_range(n).elapsed(),
            "floor": measured,
            "generators": lambda n: aelapsed(numbers(n)),
        },
        SECOND,
    ),
    row(
        "take",
        "the first half",
        {
            "anystream": lambda n: async_range(2 * n).take(n),
            "floor": lambda n: islice(range(2 * n), n),
            "generators": lambda n: atake(numbers(2 * n), n),
            "aiostream": lambda n, a: a.stream.take(numbers(2 * n), n),
            "streamable": lambda n, s: s.stream(range(2 * n)).take(n),
            "asyncstdlib": lambda n, a: a.islice(range(2 * n), n),
            "aioitertools": lambda n, a: a.islice(range(2 * n), n),
            "anyio.itertools": lambda n, a: a.islice(numbers(2 * n), n),
            "reactivex": lambda n, r: r.from_iterable(range(2 * n)).pipe(r.operators.take(n)),
        },
    ),
    row(
        "skip",
        "all but the first half",
        {
            "anystream": lambda n: async_range(n).skip(n // 2),
            "floor": lambda n: islice(range(n), n // 2, None),
            "generators": lambda n: askip(numbers(n), n // 2),
            "aiostream": lambda n, a: a.stream.skip(numbers(n), n // 2),
            "streamable": lambda n, s: s.stream(range(n)).skip(n // 2),
            "asyncstdlib": lambda n, a: a.islice(range(n), n // 2, None),
            "aioitertools": lambda n, a: a.islice(range(n), n // 2, None),
            "anyio.itertools": lambda n, a: a.islice(numbers(n), n // 2, None),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(r.operators.skip(n // 2)),
        },
    ),
    row(
        "take-while",
        "take_while, all items",
        {
            "anystream": lambda n: async_range(n).take_while(natural),
            "floor": lambda n: takewhile(natural, range(n)),
            "generators": lambda n: atake_while(natural, numbers(n)),
            "aiostream": lambda n, a: a.stream.takewhile(numbers(n), natural),
            "streamable": lambda n, s: s.stream(range(n)).take(until=lambda k: k < 0),
            "asyncstdlib": lambda n, a: a.takewhile(natural, range(n)),
            "aioitertools": lambda n, a: a.takewhile(natural, range(n)),
            "anyio.itertools": lambda n, a: a.takewhile(anatural, numbers(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(
                r.operators.take_while(natural)
            ),
        },
    ),
    row(
        "skip-while",
        "skip_while, 100 items",
        {
            "anystream": lambda n: async_range(n).skip_while(early),
            "floor": lambda n: dropwhile(early, range(n)),
            "generators": lambda n: askip_while(early, numbers(n)),
            "aiostream": lambda n, a: a.stream.dropwhile(numbers(n), early),
            "streamable": lambda n, s: s.stream(range(n)).skip(until=lambda k: k >= 100),
            "asyncstdlib": lambda n, a: a.dropwhile(early, range(n)),
            "aioitertools": lambda n, a: a.dropwhile(early, range(n)),
            "anyio.itertools": lambda n, a: a.dropwhile(aearly, numbers(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(r.operators.skip_while(early)),
        },
    ),
    row(
        "distinct",
        "distinct, 100 different items",
        {
            "anystream": lambda n: Stream(recurring(n)).distinct(),
            "floor": lambda n: distinct(recurring(n)),
            "generators": lambda n: adistinct(each(recurring(n))),
            "reactivex": lambda n, r: r.from_iterable(recurring(n)).pipe(r.operators.distinct()),
        },
        items=5_000,
        quick=1_000,
    ),
    row(
        "dedupe",
        "dedupe, runs of four",
        {
            "anystream": lambda n: Stream(runs(n)).dedupe(),
            "floor": lambda n: dedupe(runs(n)),
            "generators": lambda n: adedupe(each(runs(n))),
            "reactivex": lambda n, r: r.from_iterable(runs(n)).pipe(
                r.operators.distinct_until_changed()
            ),
        },
    ),
    *wider.CASES,
]
