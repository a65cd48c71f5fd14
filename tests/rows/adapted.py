"""The rows of what is no method from stream to stream, given as one: also the terminal calls."""

import builtins
import itertools
import math
import operator
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel

import anystream
from anystream import (
    Push,
    Stream,
    async_range,
    from_callback,
    merge,
    stream_data,
    ticker,
)

from .row import (
    Function,
    Row,
    first_of,
    in_order_of_each,
    odd,
    ordered,
)


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

INSIDE = (
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
        skips={
            "test_the_wrong_task_is_named": OWN_BLOCK,
            "test_ctrl_c_at_every_moment_of_a_block": "it may hit the generator around the block",
            **OF_ADAPTER,
        },
    ),
    Row("open", lambda s, f: s.open(grace=3), grace=3),
    Row(
        "stream",
        lambda s, f: generated(s),
        tasks=True,
        skips={"test_what_was_never_stepped_is_closed": OPENED_LATE},
    ),
    Row(
        "as_generator",
        lambda s, f: Stream(s.as_generator).buffer(0),
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
