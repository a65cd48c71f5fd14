"""Runs in odd places: closed from inside, by other tasks, half-opened, interrupted twice."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from types import coroutine
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from insides import opening_of

from anystream import (
    Retry,
    Stream,
    StreamBusyError,
    StreamConsumedError,
    WrongTaskError,
    async_range,
    chain,
    stream_data,
)
from anystream.testing import TrackedSource


async def assert_scopes_work() -> None:
    with anyio.move_on_after(1) as scope:
        await anyio.sleep(2)
    assert scope.cancelled_caught


async def test_nothing_is_awaited_before_a_step_that_has_suspended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even if the time for the batch is over: what it waits for must find it waiting."""
    now = 0.0

    def clock() -> float:
        return now

    monkeypatch.setattr("anystream._core.batches.clock", clock)

    for _ in range(20):  # trio deals the turns by chance
        event, waiting = anyio.Event(), anyio.Event()

        async def slow(n: int, event: anyio.Event = event, waiting: anyio.Event = waiting) -> int:
            nonlocal now
            now += 0.0008
            if n == 3:
                waiting.set()
                await event.wait()
            return n

        async def wake(event: anyio.Event = event, waiting: anyio.Event = waiting) -> None:
            await waiting.wait()
            event.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wake)
            stream = Stream([0]).flat_map(lambda _, slow=slow: async_range(6).map(slow))
            assert await stream.collect() == [0, 1, 2, 3, 4, 5]


async def test_closing_inside_of_another_scope() -> None:
    source = TrackedSource(range(3))
    async with Stream(source.iterator) as items:
        with anyio.CancelScope():
            await anext(items)
            await items.aclose()
        await assert_scopes_work()
    assert source.closes_finished == 1
    await assert_scopes_work()


async def test_only_the_task_that_entered_may_close() -> None:
    source = TrackedSource(range(3))

    async def close(items: Any) -> None:
        with pytest.raises(WrongTaskError):
            await items.aclose()

    async with Stream(source.iterator) as items:
        await anext(items)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close, items)
        assert await anext(items) == 1
    assert source.closes_finished == 1


async def test_leaving_while_another_task_steps_leaves_the_scope() -> None:
    source = TrackedSource(range(3), pause=1)
    async with anyio.create_task_group() as tasks:
        with pytest.raises(StreamBusyError):
            async with Stream(source.iterator) as items:
                tasks.start_soon(anext, items)
                await anyio.sleep(0.5)
    await assert_scopes_work()
    await items.aclose()
    assert source.closes_finished == 1


async def consumed() -> Stream[int]:
    stream = Stream(iter([1]))
    await stream.drain()
    return stream


@pytest.mark.parametrize("kind", ["inner", "made"])
async def test_an_inner_stream_that_did_not_open_closes_what_it_was_given(kind: str) -> None:
    source, used = TrackedSource(range(3)), await consumed()

    def make(_: object = None) -> Stream[int]:
        return chain(source.iterator(), used)

    stream = Stream(make) if kind == "made" else Stream([0]).flat_map(make)
    with pytest.raises(StreamConsumedError):
        async for _ in stream:
            pass
    assert source.closes_finished == 1


async def test_aclosing_a_stream_that_does_not_open() -> None:
    source, used = TrackedSource(range(3)), await consumed()
    with pytest.raises(StreamConsumedError):
        async with aclosing(aiter(chain(source.iterator(), used))):
            pass
    assert source.closes_finished == 1


async def test_inner_streams_that_have_ended_are_forgotten() -> None:
    async def numbers(n: int) -> AsyncIterator[int]:
        yield n

    async with async_range(100).flat_map(lambda n: Stream(numbers(n))) as items:
        assert [n async for n in items] == list(range(100))
        assert len(opening_of(items)._owned) == 0


async def fail(n: int) -> int:
    await checkpoint()
    return 1 // (n - 1)


@pytest.mark.parametrize("fn", [fail, lambda n: 1 // (n - 1)], ids=["async", "plain"])
@pytest.mark.parametrize("cleanup_error", [None, OSError("cleanup")])
async def test_a_run_that_failed_leaves_nothing_for_the_garbage_collector(
    fn: Any, cleanup_error: Exception | None
) -> None:
    async def read() -> None:
        source = TrackedSource(range(3), cleanup_error=cleanup_error)
        async with Stream(source.iterator).map(fn) as items:
            async for _ in items:
                pass

    async def caught() -> None:
        with suppress(ZeroDivisionError, ExceptionGroup):
            await read()

    await caught()
    gc.collect()
    gc.disable()
    try:
        await caught()
        assert gc.collect() == 0
    finally:
        gc.enable()


async def test_an_exit_in_closing_a_synchronous_generator_spares_the_others() -> None:
    def numbers() -> Iterator[int]:
        try:
            yield from range(5)
        finally:
            raise SystemExit

    keep = numbers()
    source = TrackedSource(range(3))
    with pytest.raises(SystemExit):
        async with Stream(source.iterator).flat_map(lambda _: keep) as items:
            await anext(items)
    assert source.closes_finished == 1


class Raising(AsyncIterator[int]):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def __anext__(self) -> int:
        return 1

    async def aclose(self) -> None:
        await checkpoint()
        raise self.error


async def test_two_interruptions_of_the_cleanup_are_both_raised() -> None:
    first, second = KeyboardInterrupt(), SystemExit()
    with pytest.raises(BaseExceptionGroup) as caught:
        async with Stream(Raising(second)).flat_map(lambda _: Raising(first)) as items:
            await anext(items)
    assert caught.value.exceptions == (first, second)


async def test_a_cleanup_cannot_end_the_loop_quietly() -> None:
    class Source(Raising):
        async def __anext__(self) -> int:
            raise StopAsyncIteration

    with pytest.raises(RuntimeError, match="StopAsyncIteration"):
        async for _ in Stream(lambda: Source(StopAsyncIteration())):
            pass


@pytest.mark.parametrize("pause", [None, 1])
@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("call", [anext, lambda items: items.aclose()], ids=["step", "close"])
async def test_a_function_cannot_step_or_close_its_own_run(
    call: Any, bare: bool, pause: float | None
) -> None:
    source = TrackedSource(range(3), cleanup=0.5)
    runs: list[Any] = []

    async def again(_: int) -> Any:
        if pause:
            await anyio.sleep(pause)
        return await call(runs[0])

    stream = Stream(source.iterator).map(again)
    if bare:
        runs.append(aiter(stream))
        with pytest.raises(StreamBusyError):
            await anext(runs[0])
    else:
        async with stream as items:
            runs.append(items)
            with pytest.raises(StreamBusyError):
                await anext(items)
    runs.clear()
    assert source.closes_finished == 1
    await assert_scopes_work()


# -- generators that hold a scope across their yields --------------------------------------------


async def scoped() -> AsyncIterator[int]:
    async with Stream(TrackedSource(range(5)).generator) as items:
        with anyio.move_on_after(60):
            async for item in items:
                yield item


async def test_an_inner_stream_that_holds_a_scope_may_end_early() -> None:
    stream = async_range(2).flat_map(lambda _: Stream(scoped).take(1))
    assert await stream.collect() == [0, 0]
    assert [n async for n in stream] == [0, 0]
    await assert_scopes_work()


async def test_a_bare_run_over_a_generator_that_holds_a_scope_may_fail() -> None:
    with pytest.raises(ZeroDivisionError):
        async for _ in Stream(scoped).map(lambda n: 1 // (n - 1)):
            pass
    assert [n async for n in Stream(scoped).take(2)] == [0, 1]
    await assert_scopes_work()


async def test_a_run_over_a_generator_that_holds_a_scope_may_be_closed_in_its_block() -> None:
    async with Stream(scoped) as items:
        await anext(items)
        await items.aclose()
    await assert_scopes_work()


# -- what a bare run holds -------------------------------------------------------------------------


async def test_a_cancelled_step_of_a_bare_run_closes_what_a_part_of_it_holds() -> None:
    source = TrackedSource(range(3), pause=1, cleanup=0.5)

    class Connection:
        read = staticmethod(anyio.sleep_forever)
        closed = 0

        async def aclose(self) -> None:
            await anyio.sleep(0.5)
            self.closed += 1

    connection = Connection()

    async def connect() -> Any:
        return connection

    for stream in (chain([], source.iterator()), stream_data(connect)):
        with anyio.move_on_after(0.5) as scope:
            async for _ in stream:
                raise AssertionError("no item comes in time")
        assert scope.cancelled_caught
    assert source.closes_finished == connection.closed == 1


async def test_a_condition_that_holds_to_the_end() -> None:
    assert await async_range(5).take_while(lambda n: n < 9).collect() == [0, 1, 2, 3, 4]
    assert await async_range(5).skip_while(lambda n: n < 9).collect() == []


class Steps:
    """What `await` takes, and no coroutine: its steps are a plain iterator."""

    def __await__(self) -> Any:
        return iter(())


async def test_an_awaitable_whose_steps_are_a_plain_iterator() -> None:
    def fail(_: Any) -> int:
        raise ValueError("number")

    numbers = Stream([1, 2])
    assert await numbers.map(lambda _: Steps()).collect() == [None, None]
    assert await numbers.map(lambda _: Steps(), concurrency=2).collect() == [None, None]
    assert await numbers.filter(lambda _: Steps()).collect() == []
    assert await numbers.tap(lambda _: Steps()).collect() == [1, 2]
    assert await numbers.map(fail).catch(lambda _: Steps()).collect() == []
    hooked = numbers.map(fail).retry(Retry(1, first=0, hook=lambda *_: Steps()))
    with pytest.raises(ValueError, match="number"):
        await hooked.collect()
    with pytest.raises(TypeError, match="got None"):
        await Stream(lambda: Steps()).collect()


async def test_a_coroutine_that_is_a_generator_may_give_what_is_read() -> None:
    @coroutine
    def numbers(*_: object) -> Any:
        yield from checkpoint().__await__()
        return [1, 2]

    assert await Stream(numbers).collect() == [1, 2]
    assert await Stream([0]).flat_map(numbers).collect() == [1, 2]
    assert await Stream([0]).flat_map(numbers, concurrency=2).collect() == [1, 2]
    with pytest.raises(TypeError, match=r"^on must be a plain function, got <function "):
        Retry(on=numbers)
