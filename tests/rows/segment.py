"""The rows of what runs in the reader's task."""

import itertools
import operator
from collections.abc import Iterable, Iterator

from anystream import (
    Stream,
    async_range,
    chain,
    ticker,
)

from .row import Row, in_batches, odd, pairs, small, spread, square, suspending


def split_where_it_falls(items: Iterable[int]) -> Iterator[tuple[int, ...]]:
    run: list[int] = []
    for item in items:
        if run and run[-1] > item:
            yield tuple(run)
            run = []
        run.append(item)
    if run:
        yield tuple(run)


def interspersed(items: Iterable[int]) -> Iterator[int]:
    for number, item in enumerate(items):
        yield from (-1, item) if number else (item,)


SEGMENT = (
    Row("map", lambda s, f: s.map(f(square)), lambda xs: map(square, xs), calls=True),
    Row(
        "starmap",
        lambda s, f: s.map(lambda n: (n, n + 1)).starmap(f(operator.mul)),
        lambda xs: itertools.starmap(operator.mul, pairs(xs)),
        calls=True,
    ),
    Row("tap", lambda s, f: s.tap(f(square)), calls=True),
    Row("filter", lambda s, f: s.filter(f(odd)), lambda xs: filter(odd, xs), calls=True),
    Row("filter None", lambda s, f: s.filter(None), lambda xs: filter(None, xs)),
    Row(
        "take_while",
        lambda s, f: s.take_while(f(small)),
        lambda xs: itertools.takewhile(small, xs),
        calls=True,
    ),
    Row(
        "skip_while",
        lambda s, f: s.skip_while(f(small)),
        lambda xs: itertools.dropwhile(small, xs),
        calls=True,
    ),
    Row("take", lambda s, f: s.take(3), lambda xs: itertools.islice(xs, 3)),
    Row("take 0", lambda s, f: s.take(0), lambda xs: ()),
    Row("skip", lambda s, f: s.skip(2), lambda xs: itertools.islice(xs, 2, None)),
    Row("enumerate", lambda s, f: s.enumerate(7), lambda xs: enumerate(xs, 7)),
    Row(
        "accumulate",
        lambda s, f: s.accumulate(f(operator.add)),
        itertools.accumulate,
        calls=True,
    ),
    Row(
        "accumulate initial",
        lambda s, f: s.accumulate(f(operator.sub), initial=100),
        lambda xs: itertools.accumulate(xs, operator.sub, initial=100),
        calls=True,
    ),
    Row("batched", lambda s, f: s.batched(2), lambda xs: in_batches(xs, 2)),
    Row(
        "pipe",
        lambda s, f: s.pipe(lambda t, n: t.map(f(square)).take(n), 3),
        lambda xs: map(square, itertools.islice(xs, 3)),
        calls=True,
    ),
    Row(
        "chunk_by",
        lambda s, f: s.chunk_by(f(lambda n: n > 2)),
        lambda xs: (tuple(group) for _, group in itertools.groupby(xs, lambda n: n > 2)),
        calls=True,
        ahead=1,
    ),
    Row(
        "split_when",
        lambda s, f: s.split_when(f(operator.gt)),
        split_where_it_falls,
        calls=True,
        ahead=1,
    ),
    Row("intersperse", lambda s, f: s.intersperse(-1), interspersed),
    Row("pairwise", lambda s, f: s.pairwise(), itertools.pairwise),
    Row(
        "flatten",
        lambda s, f: s.map(spread).flatten(),
        lambda xs: itertools.chain.from_iterable(map(spread, xs)),
    ),
    Row(
        "flat_map",
        lambda s, f: s.flat_map(f(spread)),
        lambda xs: itertools.chain.from_iterable(map(spread, xs)),
        calls=True,
    ),
    Row(
        "flat_map streams",
        lambda s, f: s.flat_map(f(lambda n: Stream(spread(n)).map(suspending(square)))),
        lambda xs: map(square, itertools.chain.from_iterable(map(spread, xs))),
        calls=True,
    ),
    Row(
        "chain",
        lambda s, f: s.chain([50, 51], Stream([52]).map(f(square))),
        lambda xs: itertools.chain(xs, [50, 51], [52 * 52]),
        calls=True,
        joins=lambda s, t: s.chain(t),
    ),
    Row(
        "chain function",
        lambda s, f: chain([], s, async_range(50, 52), ticker(1, count=1).map(lambda _: 52)),
        lambda xs: itertools.chain(xs, [50, 51, 52]),
        joins=lambda s, t: chain(s, t),
    ),
    Row("on_close", lambda s, f: s.on_close(f(lambda: None)), calls=True),
    Row("progress", lambda s, f: s.progress("items", 8)),
    Row("named", lambda s, f: s.named("rows")),
    Row("with_grace", lambda s, f: s.with_grace(3), grace=3),
    Row("Stream of a stream", lambda s, f: Stream(s)),
)
