"""The terminal calls against the builtins."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import FORMS, Function

from anystream import EmptyStreamError, Stream, async_range
from anystream.testing import TrackedSource

numbers = st.lists(st.integers(-5, 5), max_size=8)


def of(items: list[int], kind: str) -> Stream[int]:
    return Stream(items) if kind == "plain" else Stream(TrackedSource(items).generator)


@pytest.fixture(params=["plain", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def outcome(fn: Callable[[], Any]) -> Any:
    """What a builtin gives, or the type of what it raises."""
    try:
        return fn()
    except (ValueError, TypeError) as error:
        return type(error)


async def awaited(call: Any) -> Any:
    try:
        return await call
    except EmptyStreamError:
        return ValueError
    except TypeError as error:
        return type(error)


@pytest.mark.parametrize("kind", ["plain", "async"])
@given(items=numbers)
async def test_like_the_builtins(kind: str, items: list[int]) -> None:
    stream = of(items, kind)
    assert await stream.collect() == items
    assert await stream.collect(set) == set(items)
    assert await stream.collect(tuple) == tuple(items)
    assert await stream.enumerate().collect(dict) == dict(enumerate(items))
    assert await stream.map(str).collect("".join) == "".join(map(str, items))
    assert await stream.count() == len(items)
    assert await stream.sum() == sum(items)
    assert await stream.sum(7) == sum(items, 7)
    assert await stream.map(lambda n: [n]).sum([]) == items
    assert await stream.any() == any(items)
    assert await stream.all() == all(items)
    assert await awaited(stream.min()) == outcome(lambda: min(items))
    assert await awaited(stream.max()) == outcome(lambda: max(items))
    assert await stream.min(default=9) == min(items, default=9)
    assert await stream.max(default=None) == max(items, default=None)
    assert await awaited(stream.reduce(operator.sub)) == outcome(
        lambda: functools.reduce(operator.sub, items)
    )
    assert await stream.reduce(operator.sub, 3) == functools.reduce(operator.sub, items, 3)
    assert await awaited(stream.first()) == (items[0] if items else ValueError)
    assert await awaited(stream.last()) == (items[-1] if items else ValueError)
    assert await stream.first(None) == next(iter(items), None)
    assert await stream.last("none") == next(reversed(items), "none")


@pytest.mark.parametrize("form", FORMS)
@given(items=numbers)
async def test_functions_may_be_async(form: Function, items: list[int]) -> None:
    stream = Stream(items)
    by_size = form(abs)
    assert await awaited(stream.min(key=by_size)) == outcome(lambda: min(items, key=abs))
    assert await awaited(stream.max(key=by_size)) == outcome(lambda: max(items, key=abs))
    assert await stream.reduce(form(operator.sub), 3) == functools.reduce(operator.sub, items, 3)
    seen: list[int] = []
    await stream.for_each(form(seen.append))
    assert seen == items


async def test_equal_keys_give_the_first_item(kind: str) -> None:
    items = [3, -1, 1, -3]
    assert await of(items, kind).min(key=abs) == min(items, key=abs) == -1
    assert await of(items, kind).max(key=abs) == max(items, key=abs) == 3


@pytest.mark.parametrize(
    ("call", "steps"),
    [
        (lambda s: s.first(), 1),
        (lambda s: s.any(), 2),
        (lambda s: s.map(operator.not_).all(), 2),
        (lambda s: s.take(3).last(), 3),
        (lambda s: s.drain(), 6),
    ],
    ids=["first", "any", "all", "last", "drain"],
)
async def test_asks_for_no_more_than_it_takes_to_know(call: Any, steps: int) -> None:
    source = TrackedSource([0, 1, 0, 1, 0])
    await call(Stream(source.generator))
    assert source.steps == steps
    assert source.open_runs == 0


async def test_an_error_closes_the_source() -> None:
    source = TrackedSource(range(3))
    with pytest.raises(ZeroDivisionError):
        await Stream(source.iterator).map(lambda n: 1 // (n - 1)).sum()
    assert source.closes_finished == 1


async def test_errors_name_the_call_and_the_stream() -> None:
    with pytest.raises(
        EmptyStreamError, match=r"first\(\) of an empty stream .*: async_range\(0\)$"
    ):
        await async_range(0).first()
    with pytest.raises(EmptyStreamError, match=r"min\(\) of an empty stream .*: async_range\(0\)$"):
        await async_range(0).min()
    with pytest.raises(TypeError, match=r"reduce\(\) of an empty stream .*: async_range\(0\)$"):
        await async_range(0).reduce(operator.add)


async def test_refuses_what_is_no_function() -> None:
    stream: Any = async_range(3)
    for call in (
        stream.reduce(3),
        stream.for_each(3),
        stream.min(key=3),
        stream.max(key=3),
    ):
        with pytest.raises(TypeError, match="must be a function, plain or async, got 3"):
            await call


@pytest.mark.parametrize(
    "fn", [lambda n: n > 1, "".join, "".isdigit, functools.partial(operator.lt, 1)]
)
@pytest.mark.parametrize("call", ["first", "last"])
async def test_a_default_is_no_function_to_choose_by(call: str, fn: Any) -> None:
    with pytest.raises(TypeError, match=rf"^default must not be a function, .*\.{call}\(\)"):
        await getattr(async_range(3), call)(fn)
    assert await getattr(async_range(0).default_if_empty(fn), call)() is fn
    assert await getattr(async_range(0), call)(int) is int


@pytest.mark.parametrize("into", [3, anyio.sleep])
async def test_what_makes_the_result_is_plain(into: Any) -> None:
    with pytest.raises(TypeError, match="into must be a plain function, got "):
        await async_range(3).collect(into)
