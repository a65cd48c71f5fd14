"""The cleanup of a step of the reader's own task that is cancelled from outside of the block."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from contract import ON_ASYNCIO

from anystream import (
    CleanupTimeoutError,
    Retry,
    Stream,
    StreamInterruptedError,
    async_range,
    chain,
    from_callback,
    merge,
    stream,
    stream_data,
)
from anystream._core import on_asyncio
from anystream.net import lines


class Rows:
    """What a database has: a cursor that has to be given back, by several awaits."""

    def __init__(self, cleanup: float = 0.5) -> None:
        self.cleanup = cleanup
        self.held = 0
        self.after: list[str] = []

    async def __call__(self) -> AsyncIterator[int]:
        self.held += 1
        try:
            for n in range(10):
                await anyio.sleep(1)
                yield n
        finally:
            await self.give_back()

    async def ask(self, *_: Any) -> Any:
        self.held += 1
        try:
            await anyio.sleep(2)
        finally:
            await self.give_back()

    async def give_back(self) -> None:
        await anyio.lowlevel.checkpoint()
        await anyio.sleep(self.cleanup)
        await anyio.lowlevel.checkpoint_if_cancelled()
        await anyio.lowlevel.cancel_shielded_checkpoint()
        await anyio.lowlevel.checkpoint()
        self.held -= 1


async def block(items: Stream[Any]) -> None:
    async with items as run:
        async for _ in run:
            pass


@stream
async def in_another(rows: Rows) -> AsyncIterator[int]:
    async with Stream(rows) as items:
        async for item in items:
            yield item


FORMS: dict[str, Callable[[Rows], Awaitable[Any]]] = {
    "collect": lambda rows: Stream(rows).collect(),
    "first": lambda rows: Stream(rows).skip(2).first(),
    "block": lambda rows: block(Stream(rows)),
    "operators": lambda rows: Stream(rows).map(str).take(3).collect(),
    "retry": lambda rows: Stream(rows).retry().drain(),
    "catch": lambda rows: Stream(rows).catch(lambda error: []).drain(),
    "chain": lambda rows: chain([1], Stream(rows)).drain(),
    "flat_map": lambda rows: Stream([1]).flat_map(lambda _: Stream(rows)).drain(),
    "decorated": lambda rows: stream(rows.__call__)().drain(),
    "with tasks": lambda rows: Stream([1]).buffer(1).flat_map(lambda _: Stream(rows)).drain(),
    "in another": lambda rows: in_another(rows).drain(),
    "in a task": lambda rows: Stream(rows).buffer(0).drain(),
}


class Asking:
    """A connection that is entered, and read, by asking."""

    def __init__(self, rows: Rows, entered: bool = False) -> None:
        self.rows = rows
        self.entered = entered

    async def __aenter__(self) -> Any:
        return self if self.entered else await self.rows.ask()

    async def __aexit__(self, *_: object) -> None:
        pass

    async def read(self) -> Any:
        return await self.rows.ask()

    aclose = __aexit__


@stream
async def failing() -> AsyncIterator[int]:
    yield 1
    raise OSError


FUNCTIONS: dict[str, Callable[[Rows], Stream[Any]]] = {
    "source": lambda rows: Stream(rows.ask),
    "later source": lambda rows: Stream([1]).flat_map(lambda _: Stream(rows.ask)),
    "lines": lambda rows: lines(rows.ask),
    "connect": lambda rows: stream_data(rows.ask),
    "read": lambda rows: stream_data(lambda: Asking(rows, entered=True)),
    "entering a connection": lambda rows: stream_data(lambda: Asking(rows)),
    "entering": lambda rows: Stream(lambda: Asking(rows)),
    "register": lambda rows: from_callback(rows.ask, buffer=1),
    "catch": lambda rows: failing().catch(rows.ask),
    "hook": lambda rows: failing().retry(Retry(hook=rows.ask, first=0)),
    "resume": lambda rows: failing().retry(Retry(first=0), resume=rows.ask),
}


async def timeout(call: Callable[[], Awaitable[Any]], after: float) -> None:
    with anyio.move_on_after(after) as scope:
        await call()
    assert scope.cancelled_caught


async def outer_timeout(call: Callable[[], Awaitable[Any]], after: float) -> None:
    with anyio.move_on_after(after) as scope, anyio.move_on_after(100), anyio.CancelScope():
        await call()
    assert scope.cancelled_caught


async def sibling(call: Callable[[], Awaitable[Any]], after: float) -> None:
    with pytest.raises(ExceptionGroup):
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await anyio.sleep(after)
            raise EOFError


@pytest.mark.parametrize("after", [0.5, 1.5])
@pytest.mark.parametrize("how", [timeout, outer_timeout, sibling])
@pytest.mark.parametrize("form", FORMS)
async def test_it_may_await(form: str, how: Callable[..., Awaitable[None]], after: float) -> None:
    rows = Rows()
    start = anyio.current_time()
    await how(lambda: FORMS[form](rows), after)
    assert rows.held == 0
    assert anyio.current_time() - start == pytest.approx(after + 0.5)


@pytest.mark.parametrize("how", [timeout, outer_timeout, sibling])
@pytest.mark.parametrize("form", FUNCTIONS)
async def test_functions_that_a_step_calls_may_await(
    form: str, how: Callable[..., Awaitable[None]]
) -> None:
    rows = Rows()
    start = anyio.current_time()
    await how(FUNCTIONS[form](rows).drain, 1)
    assert rows.held == 0
    assert anyio.current_time() - start == pytest.approx(1.5)


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
@pytest.mark.parametrize("form", FORMS)
async def test_it_may_begin_with_a_look_for_a_cancellation(form: str) -> None:
    """Code that trio has cancelled, and that finds itself not to be, comes to an assertion."""

    class Looking(Rows):
        async def __call__(self) -> AsyncIterator[int]:
            self.held += 1
            try:
                await anyio.sleep(1)
                yield 0
            finally:
                await anyio.lowlevel.checkpoint_if_cancelled()
                await anyio.sleep(self.cleanup)
                self.held -= 1

    rows = Looking()
    start = anyio.current_time()
    await timeout(lambda: FORMS[form](rows), 0.5)
    assert rows.held == 0
    assert anyio.current_time() - start == pytest.approx(1)


@pytest.mark.parametrize("form", ["collect", "block", "operators", "flat_map", "with tasks"])
async def test_it_has_the_grace_period(form: str) -> None:
    rows = Rows(cleanup=10)
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError, match="within 1 s"), anyio.move_on_after(0.5):
        await FORMS[form](rows)
    assert anyio.current_time() - start == pytest.approx(1.5)


async def test_the_block_itself_is_not_sheltered() -> None:
    async def stubborn() -> AsyncIterator[int]:
        try:
            await anyio.sleep(10)
        except anyio.get_cancelled_exc_class():
            await anyio.sleep(0.25)
        yield 1

    start = anyio.current_time()
    with anyio.move_on_after(0.5):
        async with Stream(stubborn) as items:
            assert await anext(items) == 1
            await anyio.sleep(10)
    assert anyio.current_time() - start == pytest.approx(0.75)


async def test_a_scope_around_one_step_is_not_kept_off() -> None:
    rows = Rows()
    async with Stream(rows) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        assert rows.held == 1, "buffer(0) behind the generator is the remedy"
        with pytest.raises(StreamInterruptedError):
            await anext(items)
        await anyio.sleep(5)  # no deadline is left behind


async def test_a_timeout_of_the_generator_itself_is_its_own() -> None:
    async def patient() -> AsyncIterator[str]:
        with anyio.move_on_after(1):
            await anyio.sleep(10)
        yield "gave up"
        await anyio.sleep(5)
        yield "went on"

    assert await Stream(patient).collect() == ["gave up", "went on"]


async def test_both_at_one_instant() -> None:
    rows = Rows()

    async def twice() -> AsyncIterator[int]:
        with anyio.move_on_after(0.5):
            async for item in rows():
                yield item

    with anyio.move_on_after(0.5) as scope:
        await Stream(twice).drain()
        await anyio.sleep(1)
    assert scope.cancelled_caught


async def test_a_step_by_another_task_is_not_under_the_scope() -> None:
    rows = Rows()
    async with Stream(rows) as items:
        async with anyio.create_task_group() as group:

            async def step() -> None:
                with anyio.move_on_after(0.5):
                    await anext(items)

            group.start_soon(step)
        await anyio.sleep(5)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_native_cancel_needs_no_shelter() -> None:
    rows = Rows(cleanup=5)
    task = asyncio.create_task(Stream(rows).drain())
    await anyio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows.held == 0


class Stubborn:
    """Gives an item in the place of a cancellation."""

    def __aiter__(self) -> "Stubborn":
        return self

    async def __anext__(self) -> str:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return "in spite of it"
        raise AssertionError("unreachable")


async def test_a_step_may_answer_a_cancellation_with_an_item() -> None:
    async with Stream(Stubborn()) as items:
        with anyio.move_on_after(1):
            assert await anext(items) == "in spite of it"


async def in_a_lock() -> None:
    async with anyio.Lock():
        await anyio.sleep(0.1)


async def in_a_semaphore() -> None:
    async with anyio.Semaphore(1):
        await anyio.sleep(0.1)


async def over_a_memory_stream() -> None:
    send, receive = anyio.create_memory_object_stream[int](1)
    with send, receive:
        await send.send(1)
        await receive.receive()


CLEANUPS = pytest.mark.parametrize(
    "cleanup",
    [in_a_lock, in_a_semaphore, over_a_memory_stream, anyio.lowlevel.checkpoint_if_cancelled],
)
PLACES: dict[str, Callable[[Callable[[], AsyncIterator[int]]], Stream[int]]] = {
    "reader": Stream,
    "buffer": lambda rows: Stream(rows).buffer(0),
    "workers": lambda rows: Stream(rows).map(lambda n: n, concurrency=2),
    "merge": lambda rows: merge(Stream(rows), async_range(3, delay=1)),
}


class Looking:
    """A source whose cleanup begins with a look for a cancellation, as locks and streams do."""

    def __init__(self, cleanup: Callable[[], Awaitable[None]]) -> None:
        self.cleanup = cleanup
        self.closed = False

    async def __call__(self) -> AsyncIterator[int]:
        try:
            await anyio.sleep(5)
            yield 1
        finally:
            await self.cleanup()
            self.closed = True


@CLEANUPS
@pytest.mark.parametrize("place", PLACES)
async def test_a_cleanup_may_begin_with_a_look_for_a_cancellation(
    cleanup: Callable[[], Awaitable[None]], place: str
) -> None:
    """On asyncio that lasts until the cancellation comes, which a shield keeps away."""
    rows = Looking(cleanup)
    with anyio.move_on_after(0.1):
        await PLACES[place](rows).drain()
    assert rows.closed
    assert anyio.current_time() < 1


@ON_ASYNCIO
@CLEANUPS
@pytest.mark.parametrize("place", PLACES)
async def test_the_same_after_a_native_cancellation(
    cleanup: Callable[[], Awaitable[None]], place: str
) -> None:
    rows = Looking(cleanup)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await PLACES[place](rows).drain()
    assert rows.closed


async def by_a_task(step: Callable[[], Awaitable[None]]) -> None:
    await asyncio.ensure_future(step())


async def by_a_group(step: Callable[[], Awaitable[None]]) -> None:
    await asyncio.gather(step(), step())


class Delegating:
    """A source whose steps, and so its cleanup, are made by another task, as in LangChain."""

    def __init__(self, way: Callable[[Any], Awaitable[None]], cleanup: float = 0.5) -> None:
        self.way = way
        self.cleanup = cleanup
        self.closed = 0

    async def __call__(self) -> AsyncIterator[int]:
        await self.way(self.step)
        yield 1

    async def step(self) -> None:
        try:
            await anyio.sleep(5)
        finally:
            await anyio.sleep(self.cleanup)
            await anyio.lowlevel.checkpoint()
            self.closed += 1


DELEGATES = pytest.mark.parametrize("way", [by_a_task, by_a_group])


async def until_late(work: Awaitable[object]) -> None:
    with anyio.move_on_after(0.1):
        await work


async def until_timeout(work: Awaitable[object]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await work


async def until_a_task_ends(work: Awaitable[object]) -> None:
    task = asyncio.ensure_future(work)
    await anyio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@ON_ASYNCIO
@DELEGATES
@pytest.mark.parametrize("end", [until_late, until_timeout, until_a_task_ends])
@pytest.mark.parametrize("place", [place for place in PLACES if place != "reader"])
async def test_another_task_that_is_awaited_is_told_once(way: Any, end: Any, place: str) -> None:
    rows = Delegating(way)
    await end(PLACES[place](rows).drain())
    assert rows.closed == (2 if way is by_a_group else 1)
    assert anyio.current_time() == 0.6


@ON_ASYNCIO
@DELEGATES
async def test_another_task_has_the_grace_period(way: Any) -> None:
    rows = Delegating(way, cleanup=9)
    with pytest.raises(CleanupTimeoutError):
        await until_late(Stream(rows).buffer(0).drain())
    assert (rows.closed, anyio.current_time()) == (0, 1.1)


@ON_ASYNCIO
@DELEGATES
async def test_a_group_of_tasks_around_it_ends(way: Any) -> None:
    @stream(buffer=0)
    async def rows() -> AsyncIterator[int]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            await way(anyio.sleep_forever)
            yield 1

    await until_late(rows().drain())
    assert anyio.current_time() == 0.1


@ON_ASYNCIO
@DELEGATES
async def test_without_what_anyio_keeps_of_a_task_another_one_is_told_more_often(
    way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By anyio, which ends its cleanup; all else ends as it does otherwise."""
    monkeypatch.setattr(on_asyncio, "states", {})
    rows = Delegating(way)
    await until_late(Stream(rows).buffer(0).drain())
    assert (rows.closed, anyio.current_time()) == (0, 0.1)


@ON_ASYNCIO
async def test_what_names_no_task_is_not_passed_on() -> None:
    class Scope:
        """One of an anyio that has other names."""

    scope: Any = Scope()
    assert not on_asyncio.is_passed_on(scope)
    scope._host_task = object()
    assert not on_asyncio.is_passed_on(scope)
