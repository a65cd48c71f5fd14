"""The table of operators: each with arguments, and what it makes of a list."""

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio.lowlevel

from anystream import Stream

Function = Callable[..., Any]


def plain(fn: Function) -> Function:
    return fn


def ready(fn: Function) -> Function:
    """An async function that never suspends."""

    async def call(*args: Any) -> Any:
        return fn(*args)

    return call


def suspending(fn: Function) -> Function:
    async def call(*args: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return fn(*args)

    return call


FORMS = (plain, ready, suspending)


@dataclass(frozen=True)
class Row:
    """An operator. `apply` takes the stream and the form in which to give it its functions."""

    name: str
    apply: Callable[[Stream[int], Callable[[Function], Function]], Stream[Any]]
    oracle: Callable[[Iterable[int]], Iterable[Any]]
    calls: bool = True  # whether it takes a function

    def __str__(self) -> str:
        return self.name


def odd(n: int) -> bool:
    return n % 2 == 1


def small(n: int) -> bool:
    return n < 3


def square(n: int) -> int:
    return n * n


def spread(n: int) -> list[int]:
    return [n] * (n % 4)


def pairs(items: Iterable[int]) -> Iterator[tuple[int, int]]:
    return ((n, n + 1) for n in items)


def in_batches(items: Iterable[Any], n: int) -> Iterator[tuple[Any, ...]]:
    """`itertools.batched`, which Python 3.11 does not have."""
    rest = iter(items)
    return iter(lambda: tuple(itertools.islice(rest, n)), ())


ROWS = (
    Row("map", lambda s, f: s.map(f(square)), lambda xs: map(square, xs)),
    Row(
        "starmap",
        lambda s, f: s.map(lambda n: (n, n + 1)).starmap(f(operator.mul)),
        lambda xs: itertools.starmap(operator.mul, pairs(xs)),
    ),
    Row("tap", lambda s, f: s.tap(f(square)), lambda xs: xs),
    Row("filter", lambda s, f: s.filter(f(odd)), lambda xs: filter(odd, xs)),
    Row("filter None", lambda s, f: s.filter(None), lambda xs: filter(None, xs), calls=False),
    Row(
        "take_while", lambda s, f: s.take_while(f(small)), lambda xs: itertools.takewhile(small, xs)
    ),
    Row(
        "skip_while", lambda s, f: s.skip_while(f(small)), lambda xs: itertools.dropwhile(small, xs)
    ),
    Row("take", lambda s, f: s.take(3), lambda xs: itertools.islice(xs, 3), calls=False),
    Row("take 0", lambda s, f: s.take(0), lambda xs: (), calls=False),
    Row("skip", lambda s, f: s.skip(2), lambda xs: itertools.islice(xs, 2, None), calls=False),
    Row("enumerate", lambda s, f: s.enumerate(7), lambda xs: enumerate(xs, 7), calls=False),
    Row(
        "accumulate",
        lambda s, f: s.accumulate(f(operator.add)),
        lambda xs: itertools.accumulate(xs),
    ),
    Row(
        "accumulate initial",
        lambda s, f: s.accumulate(f(operator.sub), initial=100),
        lambda xs: itertools.accumulate(xs, operator.sub, initial=100),
    ),
    Row("batched", lambda s, f: s.batched(2), lambda xs: in_batches(xs, 2), calls=False),
    Row("pairwise", lambda s, f: s.pairwise(), itertools.pairwise, calls=False),
    Row(
        "flatten",
        lambda s, f: s.map(spread).flatten(),
        lambda xs: itertools.chain.from_iterable(map(spread, xs)),
        calls=False,
    ),
    Row(
        "flat_map",
        lambda s, f: s.flat_map(f(spread)),
        lambda xs: itertools.chain.from_iterable(map(spread, xs)),
    ),
    Row(
        "flat_map streams",
        lambda s, f: s.flat_map(f(lambda n: Stream(spread(n)).map(suspending(square)))),
        lambda xs: map(square, itertools.chain.from_iterable(map(spread, xs))),
    ),
    Row(
        "chain",
        lambda s, f: s.chain([50, 51], Stream([52]).map(f(square))),
        lambda xs: itertools.chain(xs, [50, 51], [52 * 52]),
    ),
)

CASES = [(row, form) for row in ROWS for form in (FORMS if row.calls else FORMS[:1])]
IDS = [f"{row}-{form.__name__}" for row, form in CASES]


def through(rows: Iterable[Row], stream: Stream[Any], form: Function) -> Stream[Any]:
    return functools.reduce(lambda s, row: row.apply(s, form), rows, stream)


def expected(rows: Iterable[Row], items: Iterable[Any]) -> list[Any]:
    return list(functools.reduce(lambda xs, row: row.oracle(xs), rows, items))
