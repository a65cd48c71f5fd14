"""`Stream` itself: what it takes, what it refuses, how it is written down."""

import functools
import itertools
import math
import operator
import sys
import types
from collections.abc import AsyncIterator, Generator
from typing import Any, NamedTuple
from unittest.mock import ANY

import anyio
import pytest
from anyio.lowlevel import checkpoint
from insides import turns_of
from odd import Array
from rows import FORMS, Function, suspending

from anystream import (
    EmptyStreamError,
    Stream,
    async_range,
    calls,
    chain,
    from_thread,
    stream_data,
    ticker,
)
from anystream._recipe import recipe_of


async def agen() -> AsyncIterator[int]:
    yield 1
    yield 2


class Reiterable:
    def __aiter__(self) -> AsyncIterator[int]:
        return agen()


@pytest.mark.parametrize(
    "source",
    [[1, 2], (1, 2), range(1, 3), {1: "a", 2: "b"}, agen, Reiterable(), Reiterable, Stream([1, 2])],
    ids=["list", "tuple", "range", "dict", "generator", "object", "class", "stream"],
)
async def test_sources_that_can_be_opened_again(source: Any) -> None:
    stream = Stream(source)
    assert await stream.collect() == [1, 2]
    assert [n async for n in stream] == [1, 2]


@pytest.mark.parametrize("source", [None, 5, 1.5, object()])
def test_refuses_other_sources(source: Any) -> None:
    with pytest.raises(TypeError, match="source must be an async iterable, an iterable, or a func"):
        Stream(source)


@pytest.mark.parametrize(
    "name",
    ["map", "starmap", "filter", "flat_map", "accumulate", "take_while", "skip_while", "tap"],
)
def test_refuses_what_is_no_function(name: str) -> None:
    with pytest.raises(TypeError, match="fn must be a function, plain or async, got 3"):
        getattr(async_range(3), name)(3)


@pytest.mark.parametrize(("name", "least"), [("take", 0), ("skip", 0), ("batched", 1)])
def test_refuses_bad_counts(name: str, least: int) -> None:
    operator_of = getattr(async_range(3), name)
    with pytest.raises(ValueError, match=f"n must be at least {least}, got {least - 1}"):
        operator_of(least - 1)
    for value in (1.5, "2"):
        with pytest.raises(TypeError, match="n must be an integer, got"):
            operator_of(value)


class HasNoText:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("name", ["take", "timeout", "debounce", "map", "named"])
def test_a_bad_argument_is_shown_in_short_if_it_can_be(name: str) -> None:
    operator_of = getattr(async_range(3), name)
    for value in (b"x" * 100_000, [*range(100_000)], -(10**5000), HasNoText()):
        with pytest.raises((TypeError, ValueError), match=r"(n|seconds|fn|name) must be") as raised:
            operator_of(value)
        assert len(str(raised.value)) < 500


def test_refuses_a_bad_start_and_bad_parts() -> None:
    with pytest.raises(TypeError, match="start must be an integer, got 'a'"):
        async_range(3).enumerate("a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="source must be"):
        async_range(3).chain(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="source must be"):
        chain(5)  # type: ignore[arg-type]


def test_enumerate_may_start_anywhere() -> None:
    assert anyio.run(Stream("ab").enumerate(-1).collect) == [(-1, "a"), (0, "b")]


async def test_operators_leave_their_stream_as_it_is() -> None:
    stream = async_range(4)
    stream.take(1)
    stream.map(str).filter(None)
    assert await stream.collect() == [0, 1, 2, 3]
    assert repr(stream) == "async_range(4)"


async def connect() -> Any:
    raise AssertionError


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (Stream([1, 2]), "Stream([1, 2])"),
        (Stream(list(range(100))), "Stream([0, 1, 2, 3, 4, 5, ...])"),
        (async_range(3), "async_range(3)"),
        (async_range(0, 10, 2, delay=0.5), "async_range(0, 10, 2, delay=0.5)"),
        (ticker(1), "ticker(1)"),
        (ticker(0.5, 3, missed="burst"), "ticker(0.5, 3, missed='burst')"),
        (stream_data(connect), "stream_data(connect)"),
        (stream_data(connect, grace=3), "stream_data(connect, grace=3)"),
        (chain(async_range(1), "ab"), "chain(async_range(1), 'ab')"),
        (
            async_range(9).map(str).filter(None).take(3).batched(2),
            "async_range(9).map(str).filter(None).take(3).batched(2)",
        ),
        (
            async_range(9).map(functools.partial(pow, exp=2)).filter(lambda n: n > 1),
            "async_range(9).map(partial(pow, exp=2)).filter(<lambda>)",
        ),
        (
            async_range(9).enumerate().enumerate(1).starmap(operator.add).tap(print),
            "async_range(9).enumerate().enumerate(1).starmap(add).tap(print)",
        ),
        (
            async_range(9).accumulate().accumulate(operator.mul, initial=2).pairwise(),
            "async_range(9).accumulate().accumulate(mul, initial=2).pairwise()",
        ),
        (
            Stream("ab").flat_map(str.split).flatten().skip(1).chain("c", [1]),
            "Stream('ab').flat_map(str.split).flatten().skip(1).chain('c', [1])",
        ),
        (
            async_range(9).take_while(bool).skip_while(bool),
            "async_range(9).take_while(bool).skip_while(bool)",
        ),
    ],
)
def test_repr_is_the_pipeline_as_it_was_written(stream: Stream[Any], text: str) -> None:
    assert repr(stream) == text


def stop_iteration(n: int) -> int:
    if n == 1:
        raise StopIteration
    return n


def stop_async_iteration(n: int) -> int:
    if n == 1:
        raise StopAsyncIteration
    return n


@pytest.mark.parametrize("fn", [stop_iteration, stop_async_iteration])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["map", "filter", "tap", "take_while", "skip_while"])
async def test_a_function_cannot_end_the_stream(name: str, form: Function, fn: Function) -> None:
    """`StopIteration` and its like are errors, on the first item as on a later one."""
    for items in ([1, 2], [2, 1, 3]):
        stream = getattr(Stream(items), name)(form(fn))
        with pytest.raises(RuntimeError):
            await stream.collect()
        with pytest.raises(RuntimeError):
            async for _ in stream:
                pass


async def test_a_function_that_raises_stop_iteration_behind_an_awaiting_one() -> None:
    """The end of a batch that an await has cut is no cover for it."""
    stream = async_range(3).map(suspending(abs)).map(stop_iteration)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await stream.collect()


async def test_a_function_must_stay_plain_or_async() -> None:
    def changing(n: int) -> Any:
        return checkpoint() if n == 0 else n

    with pytest.raises(
        TypeError, match="returned an awaitable for an earlier item but 1 for this one"
    ):
        await async_range(3).map(changing).collect()


async def test_a_cancelled_call_is_made_again_with_the_same_item() -> None:
    calls: list[int] = []

    async def slow(n: int) -> int:
        calls.append(n)
        await anyio.sleep(1)
        return n

    async with async_range(3).map(slow) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        assert [n async for n in items] == [0, 1, 2]
    assert calls == [0, 0, 1, 2]


async def test_others_get_their_turn_while_a_source_never_waits() -> None:
    """A batch is cut by the clock, also inside of one long inner iterable."""
    for stream in (
        Stream(itertools.count),
        Stream([itertools.count()]).flatten(),
        Stream(itertools.count).flat_map(lambda _: ()),
        Stream(itertools.count).flat_map(lambda _: nothing()),
        Stream(itertools.count).flat_map(lambda _: endless()),
        Stream([endless()]).flatten(),
        Stream(endless).flat_map(lambda _: endless()),
        Stream(endless),
        Stream(itertools.count).filter(lambda n: False),
        Stream(itertools.count).map(just),
    ):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_soon, scope)
                await stream.drain()
        assert scope.cancelled_caught


async def cancel_soon(scope: anyio.CancelScope) -> None:
    for _ in range(3):
        await checkpoint()
    scope.cancel()


async def nothing() -> AsyncIterator[int]:
    return
    yield


async def endless() -> AsyncIterator[int]:
    while True:
        yield 1


async def test_inner_generators_that_are_ready_take_no_turns() -> None:
    """They are read as lists are, without a checkpoint for each."""

    async def inner() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def read() -> None:
        async with async_range(100).flat_map(lambda _: inner()) as items:
            assert sum([n async for n in items]) == 300

    assert await turns_of(read) < 50


async def just(n: int) -> int:
    return n


async def test_what_a_stream_is_made_of_is_read_like_a_stream() -> None:
    recipe = recipe_of(async_range(3).map(str))
    assert [item async for item in recipe] == ["0", "1", "2"]
    assert repr(recipe) == "async_range(3).map(str)"


async def test_a_run_says_of_what_it_is() -> None:
    async with async_range(3) as items:
        assert repr(items) == "<run of async_range(3)>"


@pytest.mark.parametrize("first", [1, 5])
async def test_what_comes_behind_the_first_item_that_is_not_skipped_is_not_asked_about(
    first: int,
) -> None:
    asked: list[int] = []

    def small(number: int) -> bool:
        asked.append(number)
        return number < 3

    async def slowly(number: int) -> bool:
        return small(number)

    for fn in (small, slowly):
        asked.clear()
        rest = [5, 0, 1] if first == 1 else [5, 5, 0, 1]
        assert await Stream([first, 5, 0, 1]).skip_while(fn).collect() == rest
        assert asked == ([1, 5] if first == 1 else [5])


async def test_what_equals_everything_is_an_item_as_any_other() -> None:
    array = Array()
    for source in (Stream([ANY, 1, ANY, 2]), Stream([ANY, ANY])):
        assert len(await source.dedupe().collect()) == 1
        assert len(await source.dedupe(lambda item: item).collect()) == 1
    assert await Stream([array, array]).dedupe().collect() == [array]
    assert await Stream([array]).dedupe(lambda item: item).collect() == [array]
    results = iter([1, math.nan, 2])
    assert await calls(lambda: next(results), until=math.nan).collect() == [1]


async def test_an_error_of_a_function_of_reduce_is_its_own() -> None:
    async def first_of_none(*_: int) -> int:
        return await Stream[int]([]).first()

    for stream in (Stream([1, 2]), Stream([1, 2]).map(first_of_none)):
        with pytest.raises(EmptyStreamError, match="first"):
            await stream.reduce(first_of_none, 0)
    with pytest.raises(TypeError, match="reduce"):
        await Stream[int]([]).reduce(operator.add)
    assert await Stream[int]([]).reduce(operator.add, 5) == 5


class Candle(NamedTuple):
    """A record with a field of the name of a method."""

    open: int
    close: int
    aclose: int = 3


@pytest.mark.parametrize(
    "make",
    [
        lambda candle: Stream(lambda: candle),
        lambda candle: Stream([1]).flat_map(lambda _: candle),
        lambda candle: Stream([1]).flat_map(lambda _: candle, concurrency=2),
        lambda candle: Stream([1]).switch_map(lambda _: candle),
        lambda candle: Stream([candle]).flatten(),
        lambda candle: from_thread(lambda: candle),
        lambda candle: Stream(fail).catch(lambda _: candle),
    ],
    ids=["function", "flat_map", "at once", "switch_map", "flatten", "thread", "catch"],
)
async def test_a_field_is_not_called_to_close_it(make: Any) -> None:
    assert await make(Candle(1, 2)).collect() == [1, 2, 3]


def fail() -> list[int]:
    raise OSError


class Reader:
    """Its instances give items, and it does not."""

    def __init__(self, number: int) -> None:
        self.number = number

    async def __call__(self) -> AsyncIterator[int]:
        yield self.number


async def test_a_class_is_a_function_of_what_it_makes() -> None:
    made = await Stream([1]).map(Reader).collect()
    assert made[0].number == 1
    with pytest.raises(TypeError, match="gives async generators"):
        Stream([1]).map(made[0])


@pytest.mark.parametrize("number", [sys.maxsize + 1, 10**400], ids=["1", "many"])
async def test_a_number_that_is_too_large(number: int) -> None:
    with pytest.raises(ValueError, match=f"size must be at most {sys.maxsize}, got "):
        Stream([1]).buffer(number)
    with pytest.raises(ValueError, match=f"must be at most {sys.maxsize}"):
        Stream([1]).skip(number)
    assert await Stream([1]).enumerate(number).collect() == [(number, 1)]


def test_a_time_that_is_too_large() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        Stream([1]).timeout(10**400)


async def test_a_generator_that_is_a_coroutine_is_called_for_what_it_does() -> None:
    called: list[int] = []

    @types.coroutine
    def note(number: int) -> Generator[Any, Any, None]:
        yield from checkpoint().__await__()
        called.append(number)

    await async_range(3).tap(note).for_each(note)
    assert called == [0, 0, 1, 1, 2, 2]
