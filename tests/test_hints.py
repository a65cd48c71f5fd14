"""What is said to who writes what another library has, or an attribute in the wrong place."""

import asyncio
import copy
import gc
import inspect
import re
import time
import types
import typing
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from functools import partial, partialmethod
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import (
    BlockingWarning,
    Retry,
    Run,
    Sender,
    Stream,
    StreamInterruptedError,
    async_range,
    calls,
    chain,
    from_callback,
    from_thread,
    poll,
    producer,
)
from anystream._hints import FOREIGN
from anystream._operators import workers
from anystream.asgi import EventResponse, StreamResponse
from anystream.http import fetch_all_pages

GUIDE = Path(__file__).parents[1] / "docs" / "migration.md"


def cells() -> list[list[str]]:
    lines = GUIDE.read_text(encoding="utf-8").splitlines()
    return [re.split(r"(?<!\\)\|", line)[1:3] for line in lines if line.startswith("|")]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_name_is_answered_with_ours_as_the_guide_has_it(name: str) -> None:
    ours = FOREIGN[name]
    with pytest.raises(AttributeError) as caught:
        getattr(async_range(3), name)
    assert str(caught.value) == f"'Stream' object has no attribute {name!r}: here it is {ours}"
    for method in re.findall(r"(?:^|\.)(\w+)\(", ours):
        assert hasattr(Stream, method), method
    (first, *_) = re.findall(r"\w+", ours)
    rows = [here for there, here in cells() if re.search(rf"[`.]{name}\b", there)]
    assert any(re.search(rf"\b{first}\b", here) for here in rows), rows


def test_each_name_of_the_guide_that_a_method_replaces_is_answered() -> None:
    for there, here in cells():
        ours = re.match(r"\s*`(?:await )?(?:xs\.)?(\w+)", here)
        if ours is not None and hasattr(Stream, ours[1]):
            for name in re.findall(r"`(?:\w+\.)*(\w+)(?:\([^`]*\))?`", there):
                assert name in FOREIGN or hasattr(Stream, name) or name == "fn", (name, here)


async def test_what_is_answered_for_items_to_drop_does_drop_these() -> None:
    names = {"s": async_range(6), "fn": lambda n: n % 2, "n": 2}
    for name, wanted in (("filterfalse", [0, 2, 4]), ("until", [0]), ("skiplast", [0, 1, 2, 3])):
        made: Stream[int] = eval(f"s.{FOREIGN[name]}", names)
        assert await made.collect() == wanted


async def test_operators_of_a_run() -> None:
    async with async_range(3) as items:
        for name, ours in (("map", "map()"), ("scan", "accumulate(fn)"), ("take", "take()")):
            hint = f"has no attribute '{name}': a run only gives items; {ours} belongs to"
            with pytest.raises(AttributeError, match=re.escape(hint)):
                getattr(items, name)
        with pytest.raises(AttributeError, match=r"^'Run' object has no attribute 'colect'$"):
            getattr(items, "colect")  # noqa: B009  # checkers report it
        assert not hasattr(items, "take")


async def test_what_only_gives_streams_when_it_is_entered() -> None:
    holders: list[Any] = [async_range(3).share(), async_range(3).partition(bool)]
    for holder in holders:
        for name in ("collect", "map", "to_list"):
            with pytest.raises(AttributeError, match="open it with `async with`, which gives the"):
                getattr(holder, name)
        with pytest.raises(AttributeError, match=r"attribute 'nothing'$"):
            holder.nothing  # noqa: B018  # asked for
        with pytest.raises(TypeError, match="has no items: open it with `async with`"):
            holder[0]
        with pytest.raises(TypeError, match="has no items: open it with `async with`"):
            _, _ = holder


@pytest.mark.parametrize("make", [lambda: async_range(3), async_range(3).share])
def test_a_with_that_should_be_async(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="is opened with `async with`, not with `with`"), make():
        pytest.fail("entered")


async def test_all_else_is_as_it_was() -> None:
    stream: Any = Stream([1, 2])
    assert not hasattr(stream, "to_list")
    assert getattr(stream, "scan", 5) == 5
    for kind in (Iterable, Awaitable):
        assert not isinstance(stream, kind)
    assert not inspect.isawaitable(stream)
    assert not callable(stream)
    assert "to_list" not in dir(stream)
    assert "scan" not in dir(Stream)
    for each in (stream, stream.map(int).buffer(1), chain(stream, [])):
        assert await copy.copy(each).collect() == await copy.deepcopy(each).collect() == [1, 2]
    assert isinstance(mock.create_autospec(Stream, instance=True), Stream)
    with pytest.raises(AttributeError):
        mock.Mock(spec=Stream).to_list  # noqa: B018  # asked for
    run = stream.open()
    assert {name for name, _ in inspect.getmembers(run)} == {*dir(run)}
    assert "map" not in dir(run)
    assert "peek" in dir(run)
    with pytest.raises(AttributeError, match=r"object has no attribute 'map': a run only"):
        getattr(Run, "map")  # noqa: B009  # checkers report it
    bare = Run.__new__(Run)
    with pytest.raises(AttributeError, match=r"Run' object has no attribute '_reader'$"):
        bare.peek().send(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `__del__` finds nothing there either
        with mock.patch("sys.unraisablehook"):
            del bare
            gc.collect()


# -- functions that give what nobody reads ------------------------------------------------------


async def letters(item: object) -> AsyncIterator[str]:
    yield "a"
    yield "b"


class Letters:
    async def __call__(self, item: object) -> AsyncIterator[str]:
        yield "a"


OPERATORS: dict[str, Callable[[Stream[Any], Any], Any]] = {
    "map": lambda s, fn: s.map(fn),
    "workers": lambda s, fn: s.map(fn, concurrency=2),
    "skip": lambda s, fn: s.map(fn, on_error="skip"),
    "starmap": lambda s, fn: s.starmap(fn),
    "filter": lambda s, fn: s.filter(fn),
    "tap": lambda s, fn: s.tap(fn),
    "filter in workers": lambda s, fn: s.filter(fn, concurrency=2),
    "take_while": lambda s, fn: s.take_while(fn),
    "skip_while": lambda s, fn: s.skip_while(fn),
}


OTHERS: dict[str, Callable[[Stream[Any], Any], Any]] = {
    "accumulate": lambda s, fn: s.accumulate(fn),
    "distinct": lambda s, fn: s.distinct(fn),
    "dedupe": lambda s, fn: s.dedupe(fn),
    "chunk_by": lambda s, fn: s.chunk_by(fn),
    "split_when": lambda s, fn: s.split_when(fn),
    "partition": lambda s, fn: s.partition(fn),
    "group_by": lambda s, fn: s.group_by(fn),
    "on_close": lambda s, fn: s.on_close(fn),
    "max": lambda s, fn: s.max(key=fn).send(None),
    "reduce": lambda s, fn: s.reduce(fn, 0).send(None),
}


@pytest.mark.parametrize("way", [*OPERATORS, *OTHERS])
@pytest.mark.parametrize("fn", [letters, Letters(), partial(letters)], ids=["fn", "object", "part"])
def test_an_async_generator_function_is_refused_at_the_call(way: str, fn: Any) -> None:
    with pytest.raises(TypeError, match=r"(fn|key) gives async generators.*: use flat_map"):
        (OPERATORS | OTHERS)[way](async_range(3), fn)


def twice(*items: object) -> Iterator[object]:
    yield items
    yield items


class Twice:
    def __call__(self, item: object) -> Iterator[object]:
        yield item


MAPS = {"map", "workers", "skip", "starmap"}  # which give on what they get
CALLED: dict[str, Callable[[Stream[Any], Any], Any]] = {
    **{name: made for name, made in OPERATORS.items() if name not in MAPS},
    "for_each": lambda s, fn: s.for_each(fn),
    "for_each in workers": lambda s, fn: s.for_each(fn, concurrency=2),
}


def begun(made: Any) -> Any:
    return made.send(None) if isinstance(made, Coroutine) else made


@pytest.mark.parametrize("way", [*CALLED, *OTHERS])
@pytest.mark.parametrize("fn", [twice, Twice(), partial(twice)], ids=["fn", "object", "part"])
def test_a_generator_function_is_refused_where_nothing_would_run_it(way: str, fn: Any) -> None:
    with pytest.raises(TypeError, match=r"(fn|key) gives generators.*nobody would read"):
        begun((CALLED | OTHERS)[way](async_range(3), fn))


@pytest.mark.parametrize("way", CALLED)
async def test_a_generator_is_refused_as_the_first_result(way: str) -> None:
    with pytest.raises(TypeError, match=r"fn gives generators.*nobody would read.*<lambda>"):
        made = CALLED[way](async_range(3), lambda item: twice(item))
        await (made if isinstance(made, Coroutine) else made.collect())


@pytest.mark.parametrize("way", ["map", "workers"])
async def test_a_generator_is_a_result_of_map(way: str) -> None:
    assert [next(each) async for each in OPERATORS[way](async_range(2), twice).as_generator()] == [
        (0,),
        (1,),
    ]
    assert await async_range(2).map(lambda n: twice(n)).flatten().count() == 4


def method(fn: Any) -> Any:
    class Holder:
        held = fn

    return Holder().held


def with_call(fn: Any) -> Any:
    return type("WithCall", (), {"__call__": fn})()


def with_attribute(fn: Any) -> Any:
    copied = types.FunctionType(fn.__code__, fn.__globals__)
    copied.attribute = 1  # type: ignore[attr-defined]
    return copied


WRAPPED: dict[str, Callable[[Any], Any]] = {
    "partial": partial,
    "partial of a partial": lambda fn: partial(partial(fn), ()),
    "method": method,
    "partial of a method": lambda fn: partial(method(fn)),
    "partialmethod": lambda fn: method(partialmethod(fn)),
    "static method": staticmethod,
    "class method": lambda fn: method(classmethod(fn)),
    "object": with_call,
    "partial of an object": lambda fn: partial(with_call(fn)),
    "object with an object": lambda fn: with_call(with_call(fn)),
    "bound call": lambda fn: with_call(fn).__call__,
    "attribute": with_attribute,
}


async def nothing(*items: object) -> None:
    await checkpoint()


@types.coroutine
def old_style(*items: object) -> Iterator[Any]:
    return (yield from checkpoint().__await__())


@pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
async def test_what_a_function_is_shows_through_what_is_wrapped_around_it(wrapped: Any) -> None:
    for fn in (nothing, old_style):
        assert await async_range(2).tap(wrapped(fn)).collect() == [0, 1]
        with pytest.raises(TypeError, match=r"^into must be a plain function"):
            await async_range(2).collect(wrapped(fn))
    for fn, given in ((twice, "generators"), (letters, "async generators")):
        with pytest.raises(TypeError, match=rf"^fn gives {given}, whose items nobody"):
            async_range(2).tap(wrapped(fn))


def test_a_mock_of_a_coroutine_function_is_async() -> None:
    with pytest.raises(TypeError, match=r"^on must be a plain function"):
        Retry(on=mock.AsyncMock())


@pytest.mark.parametrize("of", [len, twice, nothing, letters, partial(len), [].append, Twice()])
async def test_a_mock_of_a_function_is_called_as_any_other(of: Any) -> None:
    fn = mock.Mock(spec=of, return_value=5)
    assert await async_range(2).map(fn).tap(fn).filter(fn).on_close(fn).collect() == [5, 5]
    assert await async_range(2).max(key=fn) == 0
    assert "map(" in repr(async_range(2).map(fn))
    assert fn.call_count == 9
    EventResponse(fn)


@producer
async def starting(sender: Sender[Any], fn: Any) -> None:
    sender.start_soon(fn)


NEVER_READ: dict[str, Callable[[Any], Any]] = {
    "on": lambda fn: Retry(on=fn),
    "random": lambda fn: Retry(random=fn),
    "hook": lambda fn: Retry(hook=fn),
    "weight": lambda fn: async_range(3).batched(weight=fn, max_weight=1),
    "stop": lambda fn: from_thread([1], stop=fn),
    "description": lambda fn: async_range(3).progress(fn),
    "register": lambda fn: from_callback(fn, buffer=1),
    "next": lambda fn: fetch_all_pages("http://a.example", next=fn),
    "executor": lambda fn: async_range(3).map(str, executor=fn, concurrency=1),
    "background": lambda fn: StreamResponse([], background=fn),
    "fn": lambda fn: starting(fn),
    "what register returned": lambda fn: from_callback(lambda push: fn, buffer=1),
}


@pytest.mark.parametrize("name", NEVER_READ)
@pytest.mark.parametrize("fn", [twice, letters, Twice(), Letters(), partial(letters)])
async def test_a_generator_is_refused_where_no_operator_reads_it(name: str, fn: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name} (gives|must (not )?be)") as raised:
        await NEVER_READ[name](fn).collect()
    assert "flat_map" not in str(raised.value)
    assert f"got {fn!r}" in str(raised.value)


@pytest.mark.parametrize("way", [calls, partial(poll, every=1)])
async def test_a_source_that_calls_a_function_names_it(way: Callable[..., Stream[Any]]) -> None:
    with pytest.raises(TypeError, match=r"^fn gives async generators.*letters"):
        way(partial(letters, None))
    with pytest.raises(TypeError, match=r"^fn gives async generators.*<lambda>"):
        await way(lambda: letters(None)).first()
    results = iter([checkpoint(), "late"])
    with pytest.raises(TypeError, match=r"<lambda>.* returned an awaitable for an earlier item"):
        await poll(lambda: next(results), 1).collect()


@pytest.mark.parametrize("concurrency", [None, 2])
def test_what_is_said_of_on_error_names_it(concurrency: int | None) -> None:
    with pytest.raises(TypeError, match=r"^on_error gives async generators.*letters"):
        async_range(3).map(str, concurrency=concurrency, on_error=letters)


def test_the_newest_of_several_async_generators_is_read_by_another_operator() -> None:
    with pytest.raises(TypeError, match=r"fn gives async generators.*: use switch_map"):
        async_range(3).map_latest(letters)


@pytest.mark.parametrize("way", OPERATORS)
async def test_an_async_generator_is_refused_as_the_first_result(way: str) -> None:
    rows = Stream([(1,), (2,)])
    with pytest.raises(TypeError, match=r"fn gives async generators.*: use flat_map.*<lambda>"):
        await OPERATORS[way](rows, lambda item: letters(item)).collect()


@pytest.mark.parametrize("way", sorted(OPERATORS.keys() - {"skip"}))
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_function_that_raises_a_cancellation_is_named(way: str) -> None:
    async def cancels(*item: object) -> bool:
        raise asyncio.CancelledError

    with pytest.raises(StreamInterruptedError, match="cancels raised a cancellation"):
        await OPERATORS[way](Stream([(1,), (2,)]), cancels).collect()


async def test_async_generators_are_welcome_where_they_are_read() -> None:
    for made in (
        async_range(2).flat_map(letters),
        async_range(2).flat_map(letters, concurrency=1),
        async_range(2).map(lambda n: letters(n)).flatten(),
        async_range(2).map(lambda n: Stream(letters(n))).buffer(1).flatten(),
    ):
        assert await made.collect("".join) == "abab"


# -- how it ended -------------------------------------------------------------------------------


async def endings(use: Callable[[Stream[int]], Any], source: Any = range(3)) -> list[Any]:
    told: list[Any] = []
    stream = Stream(source).on_close(told.append)
    try:
        await use(stream)
    except OSError:
        told.append("raised")
    return told


async def failing() -> AsyncIterator[int]:
    yield 1
    raise OSError


async def test_on_close_hears_how_it_ended() -> None:
    assert await endings(lambda s: s.collect()) == [None]
    assert await endings(lambda s: s.buffer(2).collect()) == [None]
    error, raised = await endings(lambda s: s.collect(), failing)
    assert (type(error), raised) == (OSError, "raised")
    error, raised = await endings(lambda s: s.buffer(1).collect(), failing)
    assert (type(error), raised) == (OSError, "raised")
    (left,) = await endings(lambda s: s.first())
    assert type(left) is GeneratorExit
    (left,) = await endings(lambda s: s.buffer(1).first(), failing)
    assert type(left) is GeneratorExit


async def test_on_close_hears_what_leaves_the_block() -> None:
    async def fail(stream: Stream[int]) -> None:
        async with stream as items:
            await anext(items)
            raise OSError

    async def fail_behind(stream: Stream[int]) -> None:
        async with stream as items:
            async for _ in items:
                pass
            raise OSError

    async def cancelled(stream: Stream[int]) -> None:
        with anyio.CancelScope() as scope:
            async with stream as items:
                await anext(items)
                scope.cancel()
                await checkpoint()

    error, raised = await endings(fail)
    assert (type(error), raised) == (OSError, "raised")
    assert await endings(fail_behind) == [None, "raised"]
    (error,) = await endings(cancelled)
    assert isinstance(error, anyio.get_cancelled_exc_class())
    del error


async def test_on_close_of_a_part_that_is_replaced() -> None:
    told: list[Any] = []
    part = Stream(failing).on_close(told.append)
    assert await part.catch(lambda error: [2]).collect() == [1, 2]
    assert await part.take(1).chain([5]).collect() == [1, 5]
    assert [type(each) for each in told] == [OSError, GeneratorExit]


def no_argument() -> None: ...
def one(error: object) -> None: ...
def two(error: object, other: object) -> None: ...
def optional(error: object = 5) -> None:
    assert error == 5


async def test_the_arity_of_on_close_is_checked_at_the_call() -> None:
    for fn in (no_argument, one, optional, print, [].append, dict[str, Any]().clear, dict):
        await async_range(1).on_close(fn).drain()
    with pytest.raises(TypeError, match=r"^fn must take no argument, or one, got <function two"):
        async_range(1).on_close(two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    unsigned = mock.Mock()
    with mock.patch("inspect.signature", side_effect=ValueError):
        stream = async_range(1).on_close(unsigned)
    await stream.drain()
    unsigned.assert_called_once_with()


# -- what holds the event loop ------------------------------------------------------------------


class Watch:
    """The clock of the workers, which a function that blocks sets forward."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now

    def block(self, item: int) -> int:
        self.now += 0.2
        return item

    def source(self) -> Iterable[int]:
        for n in range(9):
            self.now += 5
            yield n


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(workers, "clock", made)
    return made


async def test_a_function_that_holds_the_event_loop_warns_once(watch: Watch) -> None:
    async def waits(n: int) -> int:
        await checkpoint()
        return n

    sources = (async_range(9), async_range(9).filter(lambda n: True), async_range(9).map(waits))
    for source in sources:
        with pytest.warns(BlockingWarning, match=r"to_thread\.run_sync") as caught:
            assert len(await source.map(watch.block, concurrency=3).collect()) == 9
        (warning,) = caught
        assert "Watch.block has held the event loop for 0.2 s" in str(warning.message)
    with pytest.warns(BlockingWarning):
        await async_range(9).for_each(lambda n: watch.block(n), concurrency=3)
    for method, options in (("map", {"on_error": "skip"}), ("filter", {})):
        with pytest.warns(BlockingWarning, match=r"Watch\.block has held") as caught:
            await getattr(async_range(9), method)(watch.block, concurrency=3, **options).drain()
        assert caught[0].filename == __file__
    fine = partial(watch.block)
    with pytest.warns(BlockingWarning) as caught:
        await async_range(9).map(fine, concurrency=3).drain()
    assert caught[0].filename == workers.__file__


async def test_who_is_not_to_blame_is_not_warned_of(watch: Watch) -> None:
    async def waits(n: int) -> int:
        watch.now += 5
        await checkpoint()
        watch.now += 5
        return n

    assert len(await async_range(9).map(waits, concurrency=3).collect()) == 9
    assert len(await Stream(watch.source).map(str, concurrency=3).collect()) == 9
    async with async_range(90).map(str, concurrency=3) as items:
        async for _ in items:
            watch.now += 5
            await checkpoint()


async def test_a_call_costs_one_look_at_the_clock(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anystream._core.batches.clock", lambda: 0.0)  # no batch ends by its time
    await async_range(1000).map(str, concurrency=3).drain()
    assert 1000 <= watch.looks < 1100


@pytest.mark.real_time
async def test_the_real_clock() -> None:
    def sleep(n: int) -> int:
        time.sleep(0.12)
        return n

    with pytest.warns(BlockingWarning, match="sleep has held the event loop"):
        await async_range(3).map(sleep, concurrency=3).drain()


@pytest.mark.parametrize("kind", [Run, Stream])
def test_no_answer_stands_in_for_a_type(kind: type) -> None:
    """Since Python 3.14, annotations are evaluated when asked for, with the names of the class."""
    for method in filter(inspect.isfunction, vars(kind).values()):
        assert isinstance(inspect.signature(method), inspect.Signature)
    assert typing.get_origin(inspect.signature(Run.collect).return_annotation) is list


@pytest.mark.parametrize("source", [range(4), range(2000)], ids=["short", "long"])
async def test_a_coroutine_that_nobody_would_await_is_an_error(source: range) -> None:
    """Where the function is called for what it does, it would have done nothing."""
    saved: list[int] = []

    async def save(n: int) -> None:
        saved.append(n)

    def sometimes(n: int) -> Awaitable[None] | None:
        return None if n < source[-1] else save(n)

    message = f"sometimes.* returned no awaitable for an earlier item but .*{save.__name__}"
    for call in (Stream(source).for_each, lambda fn: Stream(source).tap(fn).drain()):
        with pytest.raises(TypeError, match=message):
            await call(sometimes)
    assert saved == []
    await Stream(source).for_each(sometimes, concurrency=2)
    assert saved == [source[-1]]
