"""What a user's code infers of an opening, of its errors and of the terminal calls.

Checked by pyright and mypy, never run. A line with an ignore must fail: both report an ignore that
is not needed.
"""

import operator
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing
from typing import Literal, assert_type

import anyio
from given import add, found, is_odd, is_text, text

from anystream import (
    BlockingWarning,
    CleanupTimeoutError,
    EmptyStreamError,
    GeneratorWarning,
    NeedsTasksError,
    ObservedRun,
    Observer,
    RemoteError,
    Run,
    RunStatistics,
    StageStatistics,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamDeadlockError,
    StreamDepthError,
    StreamError,
    StreamInterruptedError,
    StreamOverflowError,
    WrongOrderError,
    WrongTaskError,
    observe,
)


async def opening(ints: Stream[int]) -> None:
    async with ints as items:
        assert_type(items, Run[int])
        assert_type(await anext(items), int)
        assert_type(await items.peek(), int)
        assert_type(await items.peek(None), int | None)
        assert_type(await items.collect(), list[int])
        assert_type(items.statistics(), RunStatistics)
        assert_type(items.explain("svg"), str)
        assert_type(items.statistics().stages, tuple[StageStatistics, ...])
        assert_type(items.statistics().slowest, StageStatistics | None)
    async with ints.open(grace=3) as items:
        assert_type(items, Run[int])
    async for item in ints:
        assert_type(item, int)
    async with aclosing(aiter(ints)) as closing:
        assert_type(closing, Run[int])
    assert_type([item async for item in ints], list[int])
    assert_type(ints.explain(), str)
    assert_type(ints.explain(format="mermaid"), str)
    ints.explain("dot")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(ints.as_generator(), AsyncGenerator[int, None])
    run = ints.open()
    assert_type(await run.aclose(), None)
    ints.open(3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    for _ in ints:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass


async def readers(ints: Stream[int]) -> None:
    async with ints.share(3, replay=1) as shared:
        assert_type(shared, Stream[int])
    async with ints.partition(is_odd) as (odd, even):
        assert_type(odd, Stream[int])
        assert_type(even, Stream[int])
    assert_type(await ints.share().__aenter__(), Stream[int])
    assert_type(await ints.partition(bool).__aenter__(), tuple[Stream[int], Stream[int]])
    ints.share(replay="all")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.share(overflow="drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.partition(None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    async with ints.map(text).map(found).partition(is_text) as (texts, rest):
        assert_type(texts, Stream[str])
        assert_type(rest, Stream[str | None])


async def into_streams(ints: Stream[int], send: anyio.abc.ObjectSendStream[int]) -> None:
    sink, received = anyio.create_memory_object_stream[float](1)
    assert_type(await ints.into(send), None)
    await ints.into(sink, close=False)
    await ints.map(str).into(send)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await ints.into(received)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await ints.into(send, False)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def first_of(items: list[int]) -> int:
    return items[0]


async def sinks(ints: Stream[int], things: Stream[object], pairs: Stream[tuple[str, int]]) -> None:
    assert_type(await ints.collect(), list[int])
    assert_type(await ints.collect(set), set[int])
    assert_type(await ints.collect(tuple), tuple[int, ...])
    assert_type(await ints.collect(sum), int)
    assert_type(await ints.collect(len), int)
    assert_type(await ints.collect(lambda items: items[0]), int)
    assert_type(await ints.collect(first_of), int)
    assert_type(await pairs.collect(dict), dict[str, int])
    assert_type(await ints.map(str).collect("".join), str)
    assert_type(await ints.first(), int)
    assert_type(await ints.first(None), int | None)
    assert_type(await ints.last("none"), int | str)
    assert_type(await ints.count(), int)
    assert_type(await ints.sum(), int)
    assert_type(await ints.map(float).sum(), float | Literal[0])
    assert_type(await ints.min(), int)
    assert_type(await ints.max(key=text, default=None), int | None)
    assert_type(await ints.any(), bool)
    assert_type(await ints.all(), bool)
    assert_type(await ints.reduce(operator.add), int)
    assert_type(await ints.reduce(add, 0.5), float)
    assert_type(await ints.drain(), None)
    assert_type(await ints.for_each(text), None)
    assert_type(await ints.collect(frozenset), frozenset[int])
    assert_type(await ints.collect(sorted), list[int])
    assert_type(await ints.sum("none"), int | str)
    await ints.collect(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await ints.collect("".join)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await ints.first(default=None, key=str)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await ints.last(None, 5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await ints.count(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await ints.sum("a", "b")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await ints.min(str)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await ints.max(key="length")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await things.min()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await things.max(default=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await things.sum()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert_type(await things.min(key=id), object)
    await ints.any(bool)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await ints.all(bool)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await ints.reduce(add)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await ints.drain(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await ints.for_each(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wider(bools: Stream[bool]) -> Stream[int]:
    return bools


def narrower(ints: Stream[int]) -> Stream[bool]:
    return ints  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def wider_run(bools: Run[bool]) -> Run[int]:
    return bools


WARNINGS: list[type[RuntimeWarning]] = [BlockingWarning, GeneratorWarning]

ERRORS: list[type[StreamError]] = [
    NeedsTasksError,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamDeadlockError,
    StreamDepthError,
    StreamInterruptedError,
    RemoteError,
    StreamOverflowError,
    WrongOrderError,
    WrongTaskError,
]


def empty(error: EmptyStreamError) -> tuple[StreamError, ValueError]:
    return error, error


def late(error: CleanupTimeoutError) -> tuple[StreamError, TimeoutError]:
    return error, error


class Told(Observer):
    def opened(self, run: ObservedRun) -> None:
        assert_type(run.id, int)
        assert_type(run.name, str)
        assert_type(run.opened_at, float)
        assert_type(run.age, float)
        assert_type(run.is_open, bool)
        assert_type(run.statistics(), RunStatistics)

    def closed(self, run: ObservedRun, how: str, error: BaseException | None) -> None: ...


def observing_runs(run: ObservedRun) -> None:
    assert_type(observe(Told()), AbstractContextManager[Told])
    with observe(Told()) as told:
        assert_type(told, Told)
    observe(print)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    assert_type(told.opened(run), None)
    assert_type(told.closed(run, "left", None), None)
    assert_type(told.caught(run, ValueError()), None)
    assert_type(told.retried(run, ValueError()), None)
