"""Once something has been told to stop nothing begins any more, and what is raised comes out."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import CleanupTimeoutError, Retry, Stream, StreamClosedError, chain, merge
from anystream.testing import TrackedSource

SLOW = 0.25
"""Seconds of a cleanup."""


class Reset:
    """Fails at its first item, and takes its time to close."""

    def __aiter__(self) -> "Reset":
        return self

    async def __anext__(self) -> Any:
        await anyio.sleep(0.1)
        raise OSError("reset")

    async def aclose(self) -> None:
        await anyio.sleep(SLOW)


async def failing_close() -> AsyncIterator[int]:
    """Fails when it is interrupted."""
    try:
        await anyio.sleep(10)
        yield 0
    finally:
        raise OSError("close failed")


class Swallowing:
    """Ends quietly when it is cancelled."""

    def __init__(self, opened: list[Any]) -> None:
        opened.append(self)

    def __aiter__(self) -> "Swallowing":
        return self

    async def __anext__(self) -> Any:
        try:
            await anyio.sleep(10)
        except anyio.get_cancelled_exc_class():
            pass
        raise StopAsyncIteration


class HandedOver:
    """Notes whether it was stepped and closed."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __aiter__(self) -> "HandedOver":
        return self

    async def __anext__(self) -> Any:
        self.seen.append("step")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.seen.append("close")


class Calls(list[Any]):
    """Handlers and hooks, none of which may be called."""

    def handler(self, error: Exception, *_: Any) -> list[Any]:
        self.append(error)
        return []

    def hook(self, number: int, error: Exception, pause: float) -> None:
        self.append(error)


def recoveries(calls: Calls) -> list[Callable[[Stream[Any]], Stream[Any]]]:
    policy = Retry(first=5, jitter=False, hook=calls.hook)
    return [
        lambda s: s.catch(calls.handler),
        lambda s: s.retry(policy),
        lambda s: s.retry(policy, resume=lambda last: []),
        lambda s: s.catch(calls.handler).retry(policy),
        lambda s: s.repeat(pause=5).retry(policy),
    ]


async def nap() -> None:
    await anyio.sleep(0.5)


WAYS: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "buffer": lambda s: s.buffer(0),
    "workers": lambda s: s.buffer(2).map(anyio.sleep, concurrency=2),
    "merge": lambda s: merge(s, []),
    "slow": lambda s: s.on_close(nap).buffer(0).on_close(nap).buffer(0),
    "inner": lambda s: Stream([1]).flat_map(lambda _: s, concurrency=2),
    "switch": lambda s: Stream([1]).switch_map(lambda _: s),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", range(5))
async def test_leaving_in_a_step_raises_what_the_source_raises_at_once(
    way: str, number: int
) -> None:
    calls = Calls()
    start = anyio.current_time()
    with pytest.raises(OSError, match="close failed"):
        async with WAYS[way](recoveries(calls)[number](Stream(failing_close))) as items:
            with anyio.move_on_after(0.1):
                await anext(items)
    assert calls == []
    assert anyio.current_time() - start < 1.5, "it waited for a pause"


@pytest.mark.parametrize("number", range(5))
async def test_a_timeout_while_the_failed_source_closes_is_a_timeout(number: int) -> None:
    calls = Calls()
    start = anyio.current_time()
    with anyio.move_on_after(0.2) as scope:
        await recoveries(calls)[number](Stream(Reset)).buffer(0).drain()
    assert scope.cancelled_caught
    assert calls == []
    assert anyio.current_time() - start == pytest.approx(0.1 + SLOW)


async def test_repeat_behind_workers_can_be_left_anywhere() -> None:
    async def call(item: int) -> int:
        return item

    pipelines: list[Callable[[Stream[int]], Stream[Any]]] = [
        lambda s: s.repeat().map(call, concurrency=2).buffer(2),
        lambda s: s.repeat().map(call, concurrency=4).buffer(0),
        lambda s: s.repeat().map(call, concurrency=2).buffer(10),
        lambda s: s.repeat().filter(call, concurrency=3).delay(0.001),
        lambda s: s.repeat(pause=0.0001).map(call, concurrency=2).buffer(2),
        lambda s: s.repeat().flat_map(lambda n: [n, n], concurrency=2).buffer(1),
    ]
    for pipeline, length in itertools.product(pipelines, range(0, 60, 7)):
        async with pipeline(Stream([1, 2])) as items:
            for _ in range(length):
                assert await anext(items) in (1, 2)


@pytest.mark.parametrize("way", WAYS)
async def test_there_is_no_other_round(way: str) -> None:
    opened: list[Any] = []
    start = anyio.current_time()
    async with WAYS[way](Stream(lambda: Swallowing(opened)).repeat(pause=5)) as items:
        with anyio.move_on_after(0.1):
            await anext(items)
    assert len(opened) == 1
    assert anyio.current_time() - start < (1.5 if way == "slow" else 0.5), "it waited for a pause"


NEXT: dict[str, Callable[[Callable[[], Any], Callable[[], Any]], Stream[Any]]] = {
    "chain": lambda first, second: chain(Stream(first), Stream(second)),
    "flat_map": lambda first, second: Stream([first, second]).flat_map(lambda make: make()),
    "flat_map of streams": lambda first, second: Stream([first, second]).flat_map(Stream),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", NEXT)
async def test_there_is_no_next_part(form: str, way: str) -> None:
    opened: list[Any] = []
    closing = TrackedSource([], cleanup=0.5)
    parts = NEXT[form](closing.iterator, lambda: Swallowing(opened))
    async with WAYS[way](parts) as items:
        with anyio.move_on_after(0.1):
            await anext(items)
    assert opened == []
    assert closing.open_runs == 0


@pytest.mark.parametrize("number", range(5))
async def test_a_part_that_is_stopped_while_the_rest_goes_on(number: int) -> None:
    calls = Calls()
    with pytest.raises(OSError, match="close failed"):
        async with recoveries(calls)[number](Stream(failing_close)).take_until(0.1) as items:
            assert [item async for item in items] == []
    assert calls == []


@pytest.mark.parametrize("number", range(5))
async def test_a_part_that_fails_while_what_reads_it_closes(number: int) -> None:
    """Nobody has come to the error of something that was read ahead, so it is dropped."""
    calls = Calls()
    ahead = recoveries(calls)[number](Stream(Reset)).buffer(0)
    async with ahead.map(anyio.sleep, concurrency=2).on_close(nap).take_until(0.05) as items:
        assert [item async for item in items] == []
    assert calls == []


async def test_what_a_handler_gives_too_late_is_closed_and_not_stepped() -> None:
    given = HandedOver()

    async def handler(error: Exception) -> HandedOver:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.5)
        return given

    with anyio.move_on_after(0.5) as scope:
        await Stream(Reset).catch(handler).buffer(0).drain()
    assert scope.cancelled_caught
    assert given.seen == ["close"]


@pytest.mark.parametrize("tasks", [False, True])
async def test_what_a_function_makes_too_late_is_closed_and_not_stepped(tasks: bool) -> None:
    given = HandedOver()

    async def make() -> Any:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.5)
        return Stream(given).buffer(0) if tasks else given

    with anyio.move_on_after(0.2) as scope:
        await Stream(make).buffer(0).drain()
    assert scope.cancelled_caught
    assert given.seen == ["close"]


async def test_what_a_function_makes_after_another_task_has_closed_the_run_is_closed() -> None:
    given = HandedOver()

    async def make() -> HandedOver:
        await anyio.sleep(1)
        return given

    async def read(items: AsyncIterator[Any]) -> None:
        with pytest.raises(StreamClosedError, match="closed while it was being read"):
            await anext(items)

    stream = Stream([1]).buffer(0).flat_map(lambda _: Stream(make))
    async with stream as items, anyio.create_task_group() as group:
        group.start_soon(read, items)
        await anyio.sleep(0.5)
        await items.aclose()
    assert given.seen == ["close"]


async def test_a_refusal_to_go_on_is_no_error_of_the_cleanup() -> None:
    async def hook(*_: object) -> None:
        try:
            await anyio.sleep(10)
        except anyio.get_cancelled_exc_class():
            pass

    async with Stream(Reset).retry(Retry(first=5, hook=hook)).buffer(0) as items:
        with anyio.move_on_after(1):
            await anext(items)


async def test_a_refusal_to_go_on_is_not_told_of() -> None:
    with pytest.raises(KeyError) as caught:
        async with Stream(Reset).catch(Calls().handler).buffer(0) as items:
            with anyio.move_on_after(0.2):
                await anext(items)
            raise KeyError
    assert not hasattr(caught.value, "__siblings__")


class Over(Reset):
    """Ends at its first step, and takes its time to close."""

    async def __anext__(self) -> Any:
        raise StopAsyncIteration


async def test_there_is_no_pause_after_another_task_has_closed_the_run() -> None:
    async def read(items: AsyncIterator[Any]) -> None:
        with pytest.raises(StreamClosedError, match="closed while it was being read"):
            await anext(items)
        assert anyio.current_time() - start == pytest.approx(SLOW), "it waited for a pause"

    start = anyio.current_time()
    stream = Stream([1]).buffer(0).flat_map(lambda _: Stream(Over).repeat(pause=5))
    async with stream as items, anyio.create_task_group() as group:
        group.start_soon(read, items)
        await anyio.sleep(0.1)
        await items.aclose()


@pytest.mark.parametrize("action", ["skip", "handler"])
async def test_an_error_of_an_interrupted_function_is_not_mended(action: str) -> None:
    calls = Calls()
    on_error: Any = calls.handler if action == "handler" else "skip"

    async def fetch(item: int) -> int:
        try:
            await anyio.sleep(10)
            return item
        finally:
            raise OSError("close failed")

    for stream in (
        Stream([1]).map(fetch, on_error=on_error, concurrency=2),
        Stream([1]).map(fetch, on_error=on_error).buffer(0),
    ):
        with pytest.raises(OSError, match="close failed"):
            async with stream as items:
                with anyio.move_on_after(0.1):
                    await anext(items)
    assert calls == []


@pytest.mark.parametrize("seconds", [1, 1.25, 1.5, 2, 2.25, 3.5])
@pytest.mark.parametrize("cleanup", [0, 0.5])
async def test_a_close_after_the_stop_is_complete_although_the_interruption_is_on_its_way(
    seconds: float, cleanup: float
) -> None:
    """At one instant the inner stream has an item, and the outermost scope is cancelled."""

    async def rows(_: int) -> AsyncIterator[int]:
        open_rows.append(1)
        try:
            for number in range(9):
                await anyio.sleep(1)
                yield number
        finally:
            await anyio.sleep(cleanup)
            open_rows.pop()

    open_rows: list[int] = []
    outer = TrackedSource(range(3), pause=0.25)
    with anyio.move_on_after(seconds):
        await Stream(outer.iterator).flat_map(rows, concurrency=3).drain()
    assert open_rows == []


READ_AHEAD: dict[str, Callable[[Stream[int]], Stream[int]]] = {
    "flat_map": lambda items: Stream([0]).flat_map(lambda _: items, concurrency=2),
    "chain": lambda items: chain(items, [5, 6]).buffer(9),
    "switch_map": lambda items: Stream([0]).switch_map(lambda _: items),
    "repeat": lambda items: items.repeat(2).buffer(9),
    "workers": lambda items: chain(items, [5]).map(lambda n: n, concurrency=2),
}


@pytest.mark.parametrize("name", READ_AHEAD)
async def test_an_error_of_a_cleanup_is_raised_although_nobody_has_come_to_it(name: str) -> None:
    source = TrackedSource([1, 2], cleanup_error=OSError("cleanup"))
    items = READ_AHEAD[name](Stream(source.iterator).take(2))
    with pytest.raises(OSError, match="cleanup"):
        async with items as run:
            assert await anext(run) == 1
            await anyio.sleep(5)
    with pytest.RaisesGroup(KeyError, OSError):
        async with items as run:
            await anext(run)
            await anyio.sleep(5)
            raise KeyError


async def failing_call(_: int) -> int:
    try:
        await anyio.sleep(10)
    finally:
        raise OSError("cleanup failed")
    return 0


RECOVERING: dict[str, Callable[[list[Any]], Stream[Any]]] = {
    "retry": lambda _: Stream(failing_close).retry(Retry(3, first=0.01)),
    "catch": lambda seen: Stream(failing_close).catch(seen.append),
    "on_error skip": lambda _: Stream([1]).map(failing_call, on_error="skip"),
    "on_error": lambda seen: Stream([1]).map(
        failing_call, on_error=lambda error, item: seen.append(error)
    ),
    "in a part": lambda seen: chain([0], Stream(failing_close).catch(seen.append)).buffer(0),
    "of what is made": lambda seen: Stream(partial(failing_call, 1)).catch(seen.append),
    "of what is made behind": lambda seen: chain([], Stream(partial(failing_call, 1))).catch(
        seen.append
    ),
    "retry of what is made": lambda _: Stream(partial(failing_call, 1)).retry(Retry(3, first=0.01)),
}


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", RECOVERING)
async def test_nothing_recovers_from_an_error_in_the_place_of_a_cancellation(
    name: str, native: bool, anyio_backend_name: str
) -> None:
    """It is the error of a cleanup, which says nothing against the cancellation."""
    seen: list[Any] = []
    raised: list[BaseException] = []

    async def read() -> None:
        try:
            await RECOVERING[name](seen).drain()
        except OSError as error:
            raised.append(error)

    if native and anyio_backend_name == "trio":
        pytest.skip("trio has no cancellation of tasks")
    if native:
        task = asyncio.create_task(read())
        await anyio.sleep(0.1)
        task.cancel()
        await task
    else:
        with anyio.move_on_after(0.1):
            await read()
    assert (len(raised), seen) == (1, [])


async def test_an_error_of_its_own_is_recovered_from_after_a_cancelled_step() -> None:
    class Once:
        """Fails after its second step, the first of which is cancelled."""

        steps = 0

        def __aiter__(self) -> "Once":
            return self

        async def __anext__(self) -> int:
            self.steps += 1
            await anyio.sleep(1)
            raise OSError("reset")

    async with Stream(Once).catch(lambda error: [7]) as items:
        with anyio.move_on_after(0.1):
            await anext(items)
        assert await anext(items) == 7


async def test_a_step_that_waits_for_nothing_recovers_although_one_before_was_cancelled() -> None:
    """Its error cannot be that of a cleanup, and the cancellation comes with its next wait."""
    calls: list[int] = []

    def fail() -> list[int]:
        calls.append(1)
        raise OSError("reset")

    async with chain(TrackedSource([1], pause=1).iterator, Stream(fail)).catch(
        lambda error: [7]
    ) as items:
        with anyio.move_on_after(0.1):
            await anext(items)
        assert await anext(items) == 1
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(items)
        assert scope.cancelled_caught
        assert [item async for item in items] == [7]
    assert calls == [1]


async def test_a_time_limit_of_the_source_itself_is_retried() -> None:
    attempts: list[int] = []

    async def slow() -> AsyncIterator[int]:
        attempts.append(1)
        with anyio.fail_after(0.1):
            if len(attempts) == 1:
                await anyio.sleep(5)
        yield len(attempts)

    policy = Retry(3, on=TimeoutError, first=0.01)
    assert await Stream(slow).retry(policy).collect() == [2]


BEHIND: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "buffer(0)": lambda s: s.buffer(0),
    "buffer": lambda s: s.buffer(4),
    "map": lambda s: s.map(str, concurrency=2),
    "merge": lambda s: merge(s, []),
    "switch_map": lambda s: s.switch_map(lambda item: [item]),
    "in flat_map": lambda s: Stream([0]).flat_map(lambda _: s, concurrency=2),
    "in switch_map": lambda s: Stream([0]).switch_map(lambda _: s),
    "group_by": lambda s: s.group_by(str),
}


@pytest.mark.parametrize("name", BEHIND)
async def test_a_stop_at_the_instant_at_which_a_function_returns(name: str) -> None:
    """The function has ended before its task hears of the stop, and so the next step begins."""
    closed: list[int] = []

    async def rows() -> AsyncIterator[int]:
        try:
            yield 0
            await anyio.sleep(10)  # a step that nothing says beforehand to wait
        finally:
            await anyio.sleep(SLOW)
            closed.append(1)

    async def refuse(_: int) -> bool:
        await anyio.sleep(1)
        return False

    async with BEHIND[name](Stream(rows).filter(refuse)) as items:
        with anyio.move_on_after(1):
            await anext(items)
    assert closed


async def test_a_scope_that_cancels_itself_behind_a_shield_is_not_the_stop() -> None:
    """It hears nothing of the stop, which comes when the shield is left."""
    leaves = anyio.Event()
    went_on: list[str] = []

    async def rows() -> AsyncIterator[int]:
        yield 1
        with anyio.CancelScope(shield=True):
            await leaves.wait()
            with anyio.CancelScope() as scope:
                scope.cancel()
                await checkpoint()
            went_on.append("behind the scope")
        await anyio.sleep(100)
        went_on.append("behind the shield")

    start = anyio.current_time()
    async with anyio.create_task_group() as tasks:

        async def leave() -> None:
            await anyio.sleep(2)
            leaves.set()

        tasks.start_soon(leave)
        async with Stream(rows).buffer(2) as items:
            assert await anext(items) == 1
            await anyio.sleep(1)
    assert anyio.current_time() - start == 2
    assert went_on == ["behind the scope"]


PARTS: dict[str, Callable[[Any], Stream[int]]] = {
    "repeat": lambda make: Stream(make).take(1).repeat(2),
    "chain": lambda make: chain(Stream(make).take(1), Stream(make)),
    "flat_map": lambda make: Stream([1, 2]).flat_map(lambda _: Stream(make).take(1)),
}
"""What closes one part in the middle of the run, and goes on with another."""


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_that_is_being_closed_is_closed_to_its_end(name: str) -> None:
    source = TrackedSource([1, 2], cleanup=2)
    start = anyio.current_time()
    async with PARTS[name](source.generator).buffer(3).open(grace=5) as items:
        assert await anext(items) == 1
        await anyio.sleep(1)
    assert anyio.current_time() - start == 2
    assert (source.opened, source.closes_started, source.closes_finished) == (1, 1, 1)


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_that_hangs_while_it_is_closed_has_its_time(name: str) -> None:
    source = TrackedSource([1, 2], cleanup=math.inf)
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError, match="did not close within 3 s"):
        async with PARTS[name](source.generator).buffer(3).open(grace=3) as items:
            assert await anext(items) == 1
            await anyio.sleep(10)
    assert anyio.current_time() - start == 13
    assert source.opened == 1


@pytest.mark.parametrize("holds_scope", [False, True])
@pytest.mark.parametrize("name", [*PARTS, "retry"])
async def test_a_part_in_the_readers_own_task_is_closed_to_its_end(
    name: str, holds_scope: bool
) -> None:
    source = TrackedSource([1, 2], cleanup=2)

    async def scoped() -> AsyncIterator[int]:
        with anyio.CancelScope():
            async with aclosing(source.generator()) as items:
                async for item in items:
                    yield item

    def fail(item: int) -> int:
        raise OSError

    generator = scoped if holds_scope else source.generator
    stream = (
        Stream(generator).map(fail).retry(Retry(2, first=0.1))
        if name == "retry"
        else PARTS[name](generator)
    )
    start = anyio.current_time()
    with anyio.move_on_after(1) as scope:
        await stream.with_grace(5).drain()
    assert scope.cancelled_caught
    assert anyio.current_time() - start == 2
    assert (source.opened, source.closes_started, source.closes_finished) == (1, 1, 1)


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_in_the_readers_own_task_has_its_time(name: str) -> None:
    source = TrackedSource([1, 2], cleanup=math.inf)
    with pytest.raises(CleanupTimeoutError, match="did not close within 3 s"):
        await PARTS[name](source.generator).with_grace(3).drain()
    assert anyio.current_time() == 3
    assert source.opened == 1
