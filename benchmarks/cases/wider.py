"""Operators that see more than one item or one source, and those that mind errors and the end."""

from collections.abc import Callable
from itertools import chain, pairwise, repeat
from typing import Any

from measure import Case

from anystream import Stream, async_range

from .byhand import (
    acaught,
    achain,
    adefault,
    afinished,
    apairwise,
    aretried,
    awindows,
    azip,
    caught,
    defaulted,
    finished,
    hundred,
    nothing,
    row_of_calls,
    windows,
)
from .plain import TALLY, Make, amap, each, inc, nested, numbers
from .plain import operator_case as row


def ranges(n: int) -> list[range]:
    return [range(100)] * (n // 100)


def generated(n: int) -> Stream[int]:
    return Stream(lambda: numbers(n))


def maps(depth: int) -> dict[str, Make]:
    """A user's async generator, and so many maps behind it."""

    def of(wrap: Callable[..., Any]) -> Make:
        return lambda n, *module: nested(depth, numbers(n), lambda s: wrap(s, *module))

    return {
        "anystream": lambda n: nested(depth, generated(n), lambda s: s.map(inc)),
        "floor": row_of_calls(depth),
        "generators": of(lambda s: amap(inc, s)),
        "aiostream": of(lambda s, a: a.stream.map(s, inc)),
        "streamable": lambda n, m: nested(depth, m.stream(numbers(n)), lambda s: s.map(inc)),
        "asyncstdlib": of(lambda s, a: a.map(inc, s)),
        "aioitertools": of(lambda s, a: a.map(inc, s)),
    }


CASES: tuple[Case, ...] = (
    row(
        "pairwise",
        "pairs of neighbours",
        {
            "anystream": lambda n: async_range(n).pairwise(),
            "floor": lambda n: pairwise(range(n)),
            "generators": lambda n: apairwise(numbers(n)),
            "asyncstdlib": lambda n, a: a.pairwise(range(n)),
            "anyio.itertools": lambda n, a: a.pairwise(numbers(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(r.operators.pairwise()),
        },
        TALLY,
    ),
    row(
        "window",
        "windows of three",
        {
            "anystream": lambda n: async_range(n).window(3),
            "floor": lambda n: windows(range(n), 3),
            "generators": lambda n: awindows(numbers(n), 3),
        },
        TALLY,
    ),
    row(
        "flatten",
        "flatten, ranges of 100",
        {
            "anystream": lambda n: Stream(ranges(n)).flatten(),
            "floor": lambda n: chain.from_iterable(ranges(n)),
            "generators": lambda n: (k async for part in each(ranges(n)) for k in part),
            "aiostream": lambda n, a: a.stream.concat(
                (each(part) async for part in each(ranges(n))), task_limit=1
            ),
            "streamable": lambda n, s: s.stream(ranges(n)).flatten(),
            "asyncstdlib": lambda n, a: a.chain.from_iterable(ranges(n)),
            "aioitertools": lambda n, a: a.chain.from_iterable(ranges(n)),
            "anyio.itertools": lambda n, a: a.chain.from_iterable(
                each(part) async for part in each(ranges(n))
            ),
            "reactivex": lambda n, r: r.from_iterable(map(r.from_iterable, ranges(n))).pipe(
                r.operators.concat_all()
            ),
        },
    ),
    row(
        "flat-map",
        "flat_map, 100 items each",
        {
            "anystream": lambda n: async_range(n // 100).flat_map(hundred),
            "floor": lambda n: chain.from_iterable(map(hundred, range(n // 100))),
            "generators": lambda n: (k async for part in numbers(n // 100) for k in hundred(part)),
            "aiostream": lambda n, a: a.stream.concatmap(
                numbers(n // 100), lambda _: numbers(100), task_limit=1
            ),
            "streamable": lambda n, s: s.stream(range(n // 100)).map(hundred).flatten(),
            "asyncstdlib": lambda n, a: a.chain.from_iterable(a.map(hundred, range(n // 100))),
            "aioitertools": lambda n, a: a.chain.from_iterable(map(hundred, range(n // 100))),
            "anyio.itertools": lambda n, a: a.chain.from_iterable(
                numbers(100) for _ in range(n // 100)
            ),
            "reactivex": lambda n, r: r.from_iterable(range(n // 100)).pipe(
                r.operators.concat_map(lambda _: r.from_iterable(range(100)))
            ),
        },
    ),
    row(
        "chain",
        "two streams, one after the other",
        {
            "anystream": lambda n: async_range(n // 2).chain(async_range(n // 2)),
            "floor": lambda n: chain(range(n // 2), range(n // 2)),
            "generators": lambda n: achain(numbers(n // 2), numbers(n // 2)),
            "aiostream": lambda n, a: a.stream.chain(numbers(n // 2), numbers(n // 2)),
            "streamable": lambda n, s: s.stream(range(n // 2)) + range(n // 2),
            "asyncstdlib": lambda n, a: a.chain(range(n // 2), range(n // 2)),
            "aioitertools": lambda n, a: a.chain(range(n // 2), range(n // 2)),
            "anyio.itertools": lambda n, a: a.chain(numbers(n // 2), numbers(n // 2)),
            "reactivex": lambda n, r: r.concat(
                r.from_iterable(range(n // 2)), r.from_iterable(range(n // 2))
            ),
        },
    ),
    row(
        "repeat",
        "a hundred items again and again",
        {
            "anystream": lambda n: async_range(100).repeat(n // 100),
            "floor": lambda n: chain.from_iterable(repeat(range(100), n // 100)),
            "generators": lambda n: (k for _ in range(n // 100) async for k in numbers(100)),
            "aiostream": lambda n, a: a.stream.range(100) | a.pipe.cycle() | a.pipe.take(n),
            "asyncstdlib": lambda n, a: a.islice(a.cycle(range(100)), n),
            "aioitertools": lambda n, a: a.islice(a.cycle(range(100)), n),
            "anyio.itertools": lambda n, a: a.islice(a.cycle(numbers(100)), n),
            "reactivex": lambda n, r: r.from_iterable(range(100)).pipe(
                r.operators.repeat(n // 100)
            ),
        },
    ),
    row(
        "zip",
        "two streams in step",
        {
            "anystream": lambda n: async_range(n).zip(async_range(n)),
            "floor": lambda n: zip(range(n), range(n), strict=False),
            "generators": lambda n: azip(numbers(n), numbers(n)),
            "aiostream": lambda n, a: a.stream.zip(numbers(n), numbers(n)),
            "asyncstdlib": lambda n, a: a.zip(range(n), range(n)),
            "aioitertools": lambda n, a: a.zip(range(n), range(n)),
            "anyio.itertools": lambda n, a: a.zip_longest(numbers(n), numbers(n)),
            "reactivex": lambda n, r: r.zip(r.from_iterable(range(n)), r.from_iterable(range(n))),
        },
        TALLY,
        held=True,
        items=2_000,
        quick=300,
    ),
    row(
        "catch",
        "catch, no error comes",
        {
            "anystream": lambda n: async_range(n).catch(lambda _: [-1], ValueError),
            "floor": caught,
            "generators": lambda n: acaught(numbers(n)),
            "streamable": lambda n, s: s.stream(range(n)).catch(
                ValueError, replace=lambda _: -1, stop=True
            ),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(
                r.operators.catch(lambda _, source: r.of(-1))
            ),
        },
    ),
    row(
        "retry",
        "retry, no error comes",
        {
            "anystream": lambda n: async_range(n).retry(3),
            "floor": caught,
            "generators": lambda n: aretried(lambda: numbers(n), 3),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(r.operators.retry(3)),
        },
    ),
    row(
        "on-close",
        "on_close",
        {
            "anystream": lambda n: async_range(n).on_close(nothing),
            "floor": finished,
            "generators": lambda n: afinished(nothing, numbers(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(
                r.operators.finally_action(nothing)
            ),
        },
        held=True,
    ),
    row(
        "default-if-empty",
        "default_if_empty, of a stream that is not",
        {
            "anystream": lambda n: async_range(n).default_if_empty(-1),
            "floor": lambda n: defaulted(-1, range(n)),
            "generators": lambda n: adefault(-1, numbers(n)),
            "reactivex": lambda n, r: r.from_iterable(range(n)).pipe(
                r.operators.default_if_empty(-1)
            ),
        },
    ),
    row(
        "generator-two-maps",
        "a user's async generator, two maps",
        maps(2),
        held=True,
        limits={"generators": {(3, 11): 2.0, (3, 13): 1.2}},
        items=10_000,
        quick=2_000,
    ),
    row(
        "generator-ten-maps",
        "a user's async generator, ten maps",
        maps(10),
        held=True,
        limits={"generators": {(3, 11): 0.8, (3, 13): 0.5}},
        items=8_000,
        quick=1_000,
    ),
)
