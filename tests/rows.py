"""The table: every operator, function and terminal call, and what it makes of a list.

`test_contract.py` takes each row through every guarantee that the package gives, and
`test_sweep.py` cuts it at every step of any task. A new operator is a new row.
"""

import builtins
import functools
import itertools
import math
import operator
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel

import anystream
from anystream import (
    Push,
    Stream,
    async_range,
    chain,
    combine_latest,
    from_callback,
    merge,
    race,
    stream_data,
    ticker,
)

Function = Callable[..., Any]

# -- forms of a function --------------------------------------------------------------------


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

# -- verdicts -------------------------------------------------------------------------------

Check: TypeAlias = Callable[[list[Any], list[Any], bool], None]
"""Says what a reader may have received, of everything there is, and whether it saw the end."""


def in_order(received: list[Any], everything: list[Any], ended: bool) -> None:
    """A prefix, and nothing less than everything if the stream has ended."""
    assert received == everything[: len(received)]
    assert not ended or len(received) == len(everything), "ended quietly, with items missing"


def in_any_order(received: list[Any], everything: list[Any], ended: bool) -> None:
    assert Counter(received) <= Counter(everything)
    assert not ended or len(received) == len(everything), "ended quietly, with items missing"


def in_order_of_each(of: Callable[[Any], Any]) -> Check:
    """A prefix of what has come from each source, or of each key: `of(item)` tells them apart."""

    def check(received: list[Any], everything: list[Any], ended: bool) -> None:
        for key in {of(item) for item in [*received, *everything]}:
            of_key = [item for item in everything if of(item) == key]
            in_order([item for item in received if of(item) == key], of_key, ended)

    return check


def some(*, first: bool = False, last: bool = False) -> Check:
    """Items may be dropped, but none comes twice or out of order, and one of them must come."""

    def check(received: list[Any], everything: list[Any], ended: bool) -> None:
        rest = iter(everything)
        assert all(item in rest for item in received)
        if ended and first:
            assert received[:1] == everything[:1]
        if ended and last:
            assert received[-1:] == everything[-1:]

    return check


# -- rows -----------------------------------------------------------------------------------

Reading: TypeAlias = AbstractAsyncContextManager[AsyncIterator[Any]]
Apply: TypeAlias = Callable[[Stream[Any], Callable[[Function], Function]], Any]


@dataclass(frozen=True)
class Row:
    """An operator, or whatever else reads a stream.

    Attributes:
        name: begins with the public name; a row of a function that is no method says so.
        apply: takes the stream and the form in which to give it its functions; returns a `Stream`,
            or another async context manager that gives an iterator.
        oracle: what the items of a list become.
        calls: whether it takes a function.
        tasks: whether the stream runs in another task than the reader's, which a cancelled step
            of the reader does not come to.
        check: the verdict on what was received; by default the oracle's items in their order.
        ahead: how many items it may have taken beyond what the oracle needs; None is any number.
        joins: it over two streams, if it is one that joins streams.
        grace: seconds that its source may take to close.
        skips: the tests of `test_contract.py` that do not apply, and why.
    """

    name: str
    apply: Apply
    oracle: Callable[[Iterable[int]], Iterable[Any]] = iter
    calls: bool = False
    tasks: bool = False
    check: Check = in_order
    ahead: int | None = 0
    joins: Callable[[Stream[Any], Stream[Any]], Stream[Any]] | None = None
    grace: float = 1
    skips: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return self.name

    def over(self, stream: Stream[Any], form: Callable[[Function], Function] = suspending) -> Any:
        return self.apply(stream, form)

    def wanted(self, items: Iterable[int]) -> list[Any]:
        return list(self.oracle(items))


def odd(n: int) -> bool:
    return n % 2 == 1


def small(n: int) -> bool:
    return n < 3


def square(n: int) -> int:
    return n * n


def spread(n: int) -> list[int]:
    return [n] * (n % 4)


def same(item: Any) -> Any:
    return item


def always(item: Any) -> bool:
    return True


def alone(item: Any) -> list[Any]:
    return [item]


first_of = operator.itemgetter(0)
second_of = operator.itemgetter(1)


def ordered(items: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(items))


def pairs(items: Iterable[int]) -> Iterator[tuple[int, int]]:
    return ((n, n + 1) for n in items)


def in_batches(items: Iterable[Any], n: int) -> Iterator[tuple[Any, ...]]:
    """`itertools.batched`, which Python 3.11 does not have."""
    rest = iter(items)
    return iter(lambda: tuple(itertools.islice(rest, n)), ())


INNER_WAIT = "the step waits inside of an inner stream, in the task of the reader"

from rows_recover import (  # noqa: E402  # which needs all of the above
    RECOVERING,
    RECOVERING_IN_TASKS,
    RECOVERING_INSIDE,
)

IN_A_SEGMENT = (
    *RECOVERING,
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
    Row("with_grace", lambda s, f: s.with_grace(3), grace=3),
    Row("Stream of a stream", lambda s, f: Stream(s)),
)

IN_TASKS = (
    *RECOVERING_IN_TASKS,
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


ROWS_OF_TIME = (
    Row("timeout", lambda s, f: s.timeout(1000), tasks=True),
    Row("deadline", lambda s, f: s.deadline(100_000), tasks=True),
    Row("heartbeat", lambda s, f: s.heartbeat(100_000, None), tasks=True),
    Row("delay", lambda s, f: s.delay(0.5, buffer=2), tasks=True, ahead=2),
    Row("delay 0", lambda s, f: s.delay(0), tasks=True, ahead=1024),
    Row("spaced", lambda s, f: s.spaced(0.5)),
    Row("rate_limit", lambda s, f: s.rate_limit(2, burst=2)),
    Row("throttle", lambda s, f: s.throttle(0.03), tasks=True, check=some(first=True), ahead=None),
    Row(
        "throttle trailing",
        lambda s, f: s.throttle(0.03, "trailing"),
        tasks=True,
        check=some(last=True),
        ahead=None,
    ),
    Row(
        "throttle both",
        lambda s, f: s.throttle(0.03, "both"),
        tasks=True,
        check=some(last=True),
        ahead=None,
    ),
    Row("debounce", lambda s, f: s.debounce(0.03), tasks=True, check=some(last=True), ahead=None),
    Row(
        "debounce max_wait",
        lambda s, f: s.debounce(0.03, max_wait=0.05),
        tasks=True,
        check=some(last=True),
        ahead=None,
    ),
    Row("sample", lambda s, f: s.sample(0.03), tasks=True, check=some(last=True), ahead=None),
    Row(
        "batched weight",
        lambda s, f: s.batched(weight=lambda n: 1, max_weight=2),
        lambda xs: in_batches(xs, 2),
        ahead=1,
    ),
    Row(
        "batched within",
        lambda s, f: s.batched(3, within=0.25).flatten(),
        tasks=True,
        ahead=None,
    ),
    Row("timestamp", lambda s, f: s.timestamp().map(second_of)),
    Row("elapsed", lambda s, f: s.elapsed().map(second_of)),
    Row(
        "take_until",
        lambda s, f: s.take_until(100_000),
        tasks=True,
        joins=lambda s, t: s.take_until(t.filter(None).skip(100)),
    ),
    Row(
        "skip_until",
        lambda s, f: s.skip_until(0),
        tasks=True,
        joins=lambda s, t: s.skip_until(t),
    ),
    Row(
        "pause_while",
        lambda s, f: s.pause_while([True, False]),
        tasks=True,
        joins=lambda s, t: s.pause_while(t),
    ),
)

# -- what is no method from stream to stream, given as one ------------------------------------


@asynccontextmanager
async def shared(stream: Stream[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    async with stream.share() as reader, reader as items:
        yield items


@asynccontextmanager
async def parted(stream: Stream[Any], fn: Function) -> AsyncIterator[AsyncIterator[Any]]:
    async with stream.partition(fn) as parts, merge(*parts) as items:
        yield items


def generated(stream: Stream[Any]) -> Stream[Any]:
    @anystream.stream(buffer=0)
    async def again() -> AsyncIterator[Any]:
        async with stream as items:
            async for item in items:
                yield item

    return again()


class Connection:
    def __init__(self, items: AsyncIterator[Any]) -> None:
        self.items = items

    async def read(self) -> list[Any]:
        return [item] if (item := await anext(self.items, None)) is not None else []


def received(stream: Stream[Any]) -> Stream[Any]:
    """In a task, since the connection holds a scope from one step to the others."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[Connection]:
        async with stream as items:
            yield Connection(items)

    return stream_data(connect).map(first_of).buffer(0)


def result(call: Callable[[], Awaitable[Any]]) -> Stream[Any]:
    """A terminal call, as a stream of the one thing that it returns."""

    async def alone() -> list[Any]:
        return [await call()]

    return Stream(alone)


async def sent(stream: Stream[Any]) -> tuple[Any, ...]:
    send, receive = anyio.create_memory_object_stream[Any](math.inf)
    with receive:
        await stream.into(send)
        return tuple([item async for item in receive])


def pushed(n: int) -> Stream[int]:
    def register(push: Push[int]) -> None:
        push(n)
        push.end()

    return from_callback(register, buffer=1)


async def seen_by_each(stream: Stream[Any], form: Function, concurrency: int) -> tuple[Any, ...]:
    seen: list[Any] = []
    await stream.for_each(form(seen.append), concurrency=concurrency)
    return tuple(sorted(seen))


OWN_BLOCK = "its block is that of a context manager of the tests"
OF_ADAPTER = {"test_the_bare_form_is_refused": "it is no stream"}
ONE_READER = {"test_two_readers": "each reader has a run of its own"}
OPENED_LATE = "what opens the stream has not begun yet"

ADAPTED = (
    *RECOVERING_INSIDE,
    Row(
        "share",
        lambda s, f: shared(s),
        tasks=True,
        ahead=16,
        skips={"test_the_wrong_task_is_named": OWN_BLOCK, **OF_ADAPTER, **ONE_READER},
    ),
    Row(
        "partition",
        lambda s, f: parted(s, f(odd)),
        calls=True,
        tasks=True,
        check=in_order_of_each(odd),
        ahead=65,
        skips={"test_the_wrong_task_is_named": OWN_BLOCK, **OF_ADAPTER},
    ),
    Row("open", lambda s, f: s.open(grace=3), grace=3),
    Row(
        "stream",
        lambda s, f: generated(s),
        tasks=True,
        skips={"test_what_was_never_stepped_is_closed": OPENED_LATE},
    ),
    Row(
        "stream_data",
        lambda s, f: received(s),
        tasks=True,
        skips={"test_what_was_never_stepped_is_closed": OPENED_LATE},
    ),
    Row(
        "async_range",
        lambda s, f: s.flat_map(f(async_range)),
        lambda xs: itertools.chain.from_iterable(map(range, xs)),
        calls=True,
    ),
    Row("from_callback", lambda s, f: s.flat_map(f(pushed)), calls=True),
    Row(
        "ticker",
        lambda s, f: s.flat_map(f(lambda n: ticker(1, n % 3).map(lambda _: n))),
        lambda xs: (n for n in xs for _ in range(n % 3)),
        calls=True,
    ),
)


def terminal(
    name: str,
    call: Callable[[Stream[Any], Function], Awaitable[Any]],
    oracle: Callable[[Iterable[int]], Any],
    calls: bool = False,
) -> Row:
    closed = "it has closed the stream when it returns"
    return Row(
        name,
        lambda s, f: result(lambda: call(s, f)),
        lambda xs: (oracle(xs) for _ in range(1)),
        calls,
        skips={
            "test_what_was_never_stepped_is_closed": OPENED_LATE,
            "test_errors_of_the_body_and_of_the_cleanup_come_together": closed,
        },
    )


TERMINAL = (
    terminal("collect", lambda s, f: s.collect(tuple), tuple),
    terminal("drain", lambda s, f: s.drain(), lambda xs: [*xs].clear()),
    terminal("for_each", lambda s, f: seen_by_each(s, f, 1), ordered, calls=True),
    terminal("for_each concurrent", lambda s, f: seen_by_each(s, f, 3), ordered, calls=True),
    terminal("into", lambda s, f: sent(s), tuple),
    terminal("reduce", lambda s, f: s.reduce(f(operator.add), 0), sum, calls=True),
    terminal("first", lambda s, f: s.first(None), lambda xs: next(iter(xs), None)),
    terminal("last", lambda s, f: s.last(None), lambda xs: [None, *xs][-1]),
    terminal("count", lambda s, f: s.count(), lambda xs: len([*xs])),
    terminal("sum", lambda s, f: s.sum(), sum),
    terminal(
        "min",
        lambda s, f: s.min(key=f(operator.neg), default=None),
        lambda xs: builtins.max(xs, default=None),
        calls=True,
    ),
    terminal(
        "max",
        lambda s, f: s.max(key=f(operator.neg), default=None),
        lambda xs: builtins.min(xs, default=None),
        calls=True,
    ),
    terminal("any", lambda s, f: s.any(), any),
    terminal("all", lambda s, f: s.all(), all),
)

ROWS = (*IN_A_SEGMENT, *IN_TASKS, *ROWS_OF_TIME, *ADAPTED, *TERMINAL)

CASES = [(row, form) for row in ROWS for form in (FORMS if row.calls else FORMS[:1])]
IDS = [f"{row}-{form.__name__}" for row, form in CASES]


def through(rows: Iterable[Row], stream: Stream[Any], form: Function) -> Stream[Any]:
    return functools.reduce(lambda s, row: row.apply(s, form), rows, stream)


def expected(rows: Iterable[Row], items: Iterable[Any]) -> list[Any]:
    return list(functools.reduce(lambda xs, row: row.oracle(xs), rows, items))
