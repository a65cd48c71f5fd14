"""The rows of what runs in tasks of its own."""

import itertools
from typing import Any

from executors import AtOnce

import anystream
from anystream import (
    Sender,
    Stream,
    chain,
    combine_latest,
    merge,
    producer,
    race,
    ticker,
)

from .row import (
    INNER_WAIT,
    Row,
    alone,
    in_any_order,
    in_order_of_each,
    noted,
    odd,
    same,
    second_of,
    some,
    square,
)

NEVER_STEPPED = "test_what_was_never_stepped_is_closed"
OPENS_NOTHING = "its function opens what it reads, and was not called"


@producer(buffer=2)
async def relayed(sender: Sender[Any], source: Stream[Any]) -> None:
    await source.for_each(sender.send)


@producer
async def relayed_twice(sender: Sender[Any], *sources: Stream[Any]) -> None:
    for source in sources:
        sender.start_soon(lambda sender, each: each.for_each(sender.send), source)


TASKS = (
    Row(
        "producer",
        lambda s, f: relayed(s),
        tasks=True,
        ahead=3,
        skips={NEVER_STEPPED: OPENS_NOTHING},
    ),
    Row(
        "producer of tasks",
        lambda s, f: relayed_twice(s, Stream([])),
        tasks=True,
        ahead=1,
        joins=relayed_twice,
        skips={NEVER_STEPPED: OPENS_NOTHING},
    ),
    Row("buffer 0", lambda s, f: s.buffer(0), tasks=True),
    Row("buffer 1", lambda s, f: s.buffer(1), tasks=True, ahead=1),
    Row("buffer 3", lambda s, f: s.buffer(3), tasks=True, ahead=3),
    Row("buffer 100", lambda s, f: s.buffer(100), tasks=True, ahead=100),
    Row(
        "buffer error",
        lambda s, f: s.buffer(100, "error"),
        tasks=True,
        ahead=100,
        skips={"test_a_source_without_checkpoints_can_be_cancelled": "it overflows before"},
    ),
    Row(
        "buffer drop_oldest",
        lambda s, f: s.buffer(2, "drop_oldest"),
        tasks=True,
        check=some(last=True),
        ahead=None,
    ),
    Row(
        "buffer drop_newest",
        lambda s, f: s.buffer(2, "drop_newest"),
        tasks=True,
        check=some(first=True),
        ahead=None,
    ),
    Row("buffer twice", lambda s, f: s.buffer(2).buffer(0), tasks=True, ahead=2),
    Row(
        "buffer in between",
        lambda s, f: s.map(f(same)).buffer(2).map(f(same)),
        calls=True,
        tasks=True,
        ahead=2,
    ),
    Row(
        "buffer in flatten",
        lambda s, f: Stream([s.buffer(1)]).flatten(),
        tasks=True,
        ahead=1,
        skips={
            "test_the_bare_form_is_refused": "that is not known before the inner stream is there",
            "test_what_was_never_stepped_is_closed": "it is an item that has not come",
            "test_closing_ends_a_step_of_another_task": INNER_WAIT,
            "test_two_readers": INNER_WAIT,
        },
    ),
    Row(
        "buffer in chain",
        lambda s, f: chain([], s.buffer(1)),
        tasks=True,
        ahead=1,
        skips={"test_closing_ends_a_step_of_another_task": INNER_WAIT},
    ),
    Row(
        "Stream of a buffer",
        lambda s, f: Stream(s.buffer(0)),
        tasks=True,
        skips={"test_closing_ends_a_step_of_another_task": INNER_WAIT},
    ),
    Row(
        "map ordered",
        lambda s, f: s.map(f(square), concurrency=3),
        lambda xs: map(square, xs),
        calls=True,
        tasks=True,
        ahead=6,
    ),
    Row(
        "map strict",
        lambda s, f: s.map(f(square), concurrency=3, ahead=0),
        lambda xs: map(square, xs),
        calls=True,
        tasks=True,
        ahead=3,
    ),
    Row(
        "map that sets a context variable",
        lambda s, f: s.map(f(noted), concurrency=3),
        lambda xs: map(square, xs),
        calls=True,
        tasks=True,
        ahead=6,
    ),
    Row(
        "map by one",
        lambda s, f: s.map(f(square), ahead=1),
        lambda xs: map(square, xs),
        calls=True,
        tasks=True,
        ahead=2,
    ),
    Row(
        "map of a buffer",
        lambda s, f: s.buffer(2).map(f(square), concurrency=2),
        lambda xs: map(square, xs),
        calls=True,
        tasks=True,
        ahead=6,
    ),
    Row(
        "map unordered",
        lambda s, f: s.map(f(square), concurrency=3, ordered=False),
        lambda xs: map(square, xs),
        calls=True,
        tasks=True,
        check=in_any_order,
        ahead=6,
    ),
    Row(
        "filter concurrent",
        lambda s, f: s.filter(f(odd), concurrency=3),
        lambda xs: filter(odd, xs),
        calls=True,
        tasks=True,
        ahead=6,
    ),
    Row(
        "filter unordered",
        lambda s, f: s.filter(f(odd), concurrency=3, ordered=False),
        lambda xs: filter(odd, xs),
        calls=True,
        tasks=True,
        check=in_any_order,
        ahead=6,
    ),
    Row(
        "map in an executor",
        lambda s, f: s.map(square, executor=AtOnce(), concurrency=2),
        lambda xs: map(square, xs),
        tasks=True,
        ahead=4,
    ),
    Row(
        "map in an executor, in chunks",
        lambda s, f: s.map(square, executor=AtOnce, concurrency=2, ahead=1, chunk=3, attempts=2),
        lambda xs: map(square, xs),
        tasks=True,
        ahead=9,
    ),
    Row(
        "map in an executor, unordered",
        lambda s, f: s.map(square, executor=AtOnce(), concurrency=2, ordered=False, chunk="auto"),
        lambda xs: map(square, xs),
        tasks=True,
        check=in_any_order,
        ahead=None,
    ),
    Row(
        "map in an executor, with on_error",
        lambda s, f: s.map(
            square, executor=AtOnce(), concurrency=2, ahead=0, chunk=2, on_error="skip"
        ),
        lambda xs: map(square, xs),
        tasks=True,
        ahead=4,
    ),
    Row(
        "filter in an executor",
        lambda s, f: s.filter(odd, executor=AtOnce(), concurrency=2, ahead=0, chunk=2),
        lambda xs: filter(odd, xs),
        tasks=True,
        ahead=4,
    ),
    Row(
        "flat_map that sets a context variable",
        lambda s, f: s.flat_map(f(lambda n: [noted(n)]), concurrency=2),
        lambda xs: map(square, xs),
        calls=True,
        tasks=True,
        check=in_any_order,
        ahead=2,
    ),
    Row(
        "flat_map concurrent",
        lambda s, f: s.flat_map(f(lambda n: [n, n]), concurrency=2),
        lambda xs: (n for n in xs for _ in range(2)),
        calls=True,
        tasks=True,
        check=in_any_order,
        ahead=2,
    ),
    Row(
        "switch_map",
        lambda s, f: s.switch_map(f(alone)),
        calls=True,
        tasks=True,
        check=some(last=True),
        ahead=None,
    ),
    Row(
        "map_latest",
        lambda s, f: s.map_latest(f(square)),
        lambda xs: map(square, xs),
        calls=True,
        tasks=True,
        check=some(last=True),
        ahead=None,
    ),
    Row(
        "merge",
        lambda s, f: s.merge([], buffer=2),
        tasks=True,
        ahead=2,
        joins=lambda s, t: s.merge(t),
    ),
    Row(
        "merge function",
        lambda s, f: merge(s, [50, 51]),
        lambda xs: itertools.chain(xs, [50, 51]),
        tasks=True,
        check=in_order_of_each(lambda n: n // 50),
        joins=lambda s, t: merge(s, t, buffer=1),
    ),
    Row(
        "merge until any",
        lambda s, f: merge(s, ticker(1000), until="any"),
        tasks=True,
        joins=lambda s, t: merge(s, t, until="any"),
    ),
    Row(
        "race",
        lambda s, f: s.race(Stream([1]).filter(lambda n: False)),
        tasks=True,
        joins=lambda s, t: s.race(t),
    ),
    Row(
        "race function",
        lambda s, f: race([], s),
        tasks=True,
        joins=lambda s, t: race(s, t),
    ),
    Row(
        "zip",
        lambda s, f: s.zip(Stream(itertools.count)),
        lambda xs: zip(xs, itertools.count()),
        tasks=True,
        joins=lambda s, t: s.zip(t),
    ),
    Row(
        "zip strict",
        lambda s, f: anystream.zip(s, strict=True),
        lambda xs: ((n,) for n in xs),
        tasks=True,
        joins=lambda s, t: anystream.zip(s, t, strict=True),
    ),
    Row(
        "combine_latest",
        lambda s, f: s.combine_latest([50]),
        lambda xs: ((n, 50) for n in xs),
        tasks=True,
        check=some(last=True),
        ahead=None,
        joins=lambda s, t: s.combine_latest(t),
    ),
    Row(
        "combine_latest function",
        lambda s, f: combine_latest(s),
        lambda xs: ((n,) for n in xs),
        tasks=True,
        joins=lambda s, t: combine_latest(s, t),
    ),
    Row(
        "with_latest_from",
        lambda s, f: s.with_latest_from(),
        lambda xs: ((n,) for n in xs),
        tasks=True,
        joins=lambda s, t: s.with_latest_from(t),
    ),
    Row(
        "with_latest_from another",
        lambda s, f: s.with_latest_from([50]),
        lambda xs: ((n, 50) for n in xs),
        tasks=True,
        check=some(),
        ahead=None,
    ),
    Row(
        "concurrently",
        lambda s, f: s.concurrently(ticker(0.3)),
        tasks=True,
        joins=lambda s, t: s.concurrently(t),
    ),
    Row(
        "group_by",
        lambda s, f: s.group_by(f(odd)).flat_map(second_of, concurrency=2),
        calls=True,
        tasks=True,
        check=in_order_of_each(odd),
        ahead=65,
    ),
)
