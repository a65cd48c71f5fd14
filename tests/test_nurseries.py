"""A source that is stopped inside of task groups and scopes of its own."""

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from functools import wraps
from importlib.metadata import version
from typing import Any

import anyio
import pytest
from anyio import create_task_group, get_cancelled_exc_class, sleep, sleep_forever

from anystream import CleanupTimeoutError, Stream, StreamInterruptedError
from anystream.testing import cancel_everywhere

Log = list[str]
Source = Callable[[Log], AsyncIterator[int]]

OLD_ANYIO = tuple(map(int, version("anyio").split(".")[:2])) < (4, 16)
"""Its scopes on asyncio take a cancellation for their own when a shield goes up around them."""


@pytest.fixture(autouse=True)
def not_with_old_anyio(request: pytest.FixtureRequest) -> None:
    asyncio = "anyio_backend" in request.fixturenames and "asyncio" in request.node.name
    if OLD_ANYIO and asyncio:
        pytest.skip("the scopes of this anyio catch what is not theirs")


on_trio = pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)


async def stopped(source: Source, grace: float = 5) -> Log:
    """What the source has logged, that is left a second after its first item."""
    log: Log = []
    async with Stream(lambda: source(log)).buffer(1).open(grace=grace) as items:
        await anext(items)
        await sleep(1)
    return log


def waiting(wait: Callable[[Log], Awaitable[object]]) -> Source:
    """A source that waits after its first item, in scopes of its own, and then cleans up."""

    @wraps(wait)
    async def source(log: Log) -> AsyncIterator[int]:
        yield 1
        try:
            await wait(log)
            log.append("went on")
        finally:
            await sleep(1)
            log.append("closed")

    return source


@waiting
async def left_by_the_body(log: Log) -> None:
    async with create_task_group():
        await sleep_forever()


@waiting
async def left_by_the_body_after_cleanup(log: Log) -> None:
    async with create_task_group():
        try:
            await sleep_forever()
        finally:
            await sleep(1)


@waiting
async def left_by_the_children(log: Log) -> None:
    async with create_task_group() as tasks:
        tasks.start_soon(sleep_forever)
        tasks.start_soon(sleep_forever)


@waiting
async def left_through_two(log: Log) -> None:
    async with create_task_group() as outer:
        outer.start_soon(sleep_forever)
        async with create_task_group() as inner:
            inner.start_soon(sleep_forever)
        log.append("went on inside")


@waiting
async def past_its_deadline(log: Log) -> None:
    with anyio.move_on_after(2):
        try:
            await sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await sleep(2)


@waiting
async def cut_short_by_its_deadline(log: Log) -> None:
    with anyio.fail_after(2):
        try:
            await sleep_forever()
        finally:
            with anyio.move_on_after(3):
                await sleep(4)
            log.append("cleaned up")


async def with_scopes_in_its_cleanup(log: Log) -> AsyncIterator[int]:
    yield 1
    try:
        await sleep_forever()
    finally:
        with anyio.move_on_after(1):
            await sleep(2)
        async with create_task_group() as tasks:
            tasks.start_soon(sleep_forever)
            await sleep(1)
            tasks.cancel_scope.cancel()
        log.append("closed")


@pytest.mark.parametrize(
    "source",
    [
        left_by_the_body,
        left_by_the_body_after_cleanup,
        left_by_the_children,
        left_through_two,
        past_its_deadline,
        cut_short_by_its_deadline,
        with_scopes_in_its_cleanup,
    ],
)
async def test_a_stop_goes_through_the_scopes_of_a_source(source: Source) -> None:
    for _ in range(8):  # trio takes the tasks in any order
        assert await stopped(source) == ["closed"]


@on_trio
async def test_a_cleanup_in_a_nursery_outlasts_the_children() -> None:
    """They are interrupted as well, and their end cancels the nursery."""
    import trio

    async def source(log: Log) -> AsyncIterator[int]:
        yield 1
        async with trio.open_nursery() as tasks:
            tasks.start_soon(sleep_forever)
            try:
                await sleep_forever()
            finally:
                await sleep(1)
                log.append("cleaned up")
        log.append("went on")

    for _ in range(8):
        assert await stopped(source) == ["cleaned up"]


@on_trio
async def test_a_nursery_cancels_what_it_is_given_in_a_cleanup() -> None:
    """At its end, though its scope may have been cancelled before."""
    import trio

    async def source(log: Log, cancels: bool) -> AsyncIterator[int]:
        yield 1
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as outer, trio.open_nursery() as inner:
                scopes = scope, outer.cancel_scope, inner.cancel_scope
                try:
                    await sleep_forever()
                finally:
                    for each in scopes if cancels else ():
                        each.cancel()
                    with trio.CancelScope(shield=True):
                        await sleep(1)
                    for nursery in (outer, inner):
                        nursery.start_soon(sleep_forever)
                    log.append("started")
        log.append("went on")

    assert await stopped(lambda log: source(log, False)) == ["started"]
    assert await stopped(lambda log: source(log, True)) == ["started"]


@on_trio
async def test_a_stream_that_a_source_reads_is_stopped_like_any_other() -> None:
    """Its tasks live in a nursery of the source's."""
    import trio

    async def inner(log: Log) -> AsyncIterator[int]:
        yield 1
        async with trio.open_nursery() as tasks:
            tasks.start_soon(sleep_forever)
            try:
                await sleep_forever()
            finally:
                await sleep(0.5)
                log.append("inner")
        log.append("went on")

    async def outer(log: Log) -> AsyncIterator[int]:
        with anyio.CancelScope():
            async with Stream(lambda: inner(log)).buffer(1) as items:
                async for item in items:
                    yield item
            log.append("went on")
        log.append("went on")

    for _ in range(8):
        assert await stopped(outer) == ["inner"]


@on_trio
async def test_children_that_a_cleanup_cancels_and_waits_for() -> None:
    """Its nursery stays cancelled as long as there are any."""
    import trio

    async def child(ended: trio.Event) -> None:
        try:
            with trio.CancelScope(shield=True):
                await sleep(2)
            await sleep_forever()
        finally:
            ended.set()

    async def source(log: Log) -> AsyncIterator[int]:
        yield 1
        ended = trio.Event()
        async with trio.open_nursery() as tasks:
            scope = tasks.cancel_scope
            tasks.start_soon(child, ended)
            try:
                await sleep_forever()
            finally:
                scope.cancel()
                with trio.CancelScope(shield=True):
                    await sleep(0.5)
                    await ended.wait()
                log.append("ended")
        log.append("went on")

    assert await stopped(source) == ["ended"]


@on_trio
async def test_the_end_of_a_child_does_not_tell_its_parent() -> None:
    """Which goes on once more with what it has waited for, and is told after that."""
    import trio

    for _ in range(16):
        ready = trio.Event()
        log: Log = []

        async def source(ready: trio.Event = ready, log: Log = log) -> AsyncIterator[int]:
            yield 1
            async with trio.open_nursery() as tasks:
                tasks.start_soon(sleep_forever)
                await ready.wait()
                log.append("ready")
                await sleep_forever()
            log.append("went on")

        async with Stream(source).buffer(1) as items:
            await anext(items)
            await sleep(1)
            ready.set()
        assert log == ["ready"]


async def test_a_stop_that_comes_to_a_close_does_not_end_what_it_waits_for() -> None:
    """The end of a sleep is a cancellation, too, and not ours."""

    def closing(name: str, log: Log) -> Callable[[], AsyncIterator[int]]:
        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
                await sleep_forever()
            finally:
                await sleep(0.5)
                log.append(name)

        return numbers

    for _ in range(16):
        log: Log = []
        inner = Stream(closing("inner", log))

        def begun(_: int, inner: Stream[int] = inner) -> Stream[int]:
            return inner

        async with Stream(closing("outer", log)).switch_map(begun) as items:
            await anext(items)
            await anyio.wait_all_tasks_blocked()
        assert log == ["inner", "outer"]


@on_trio
async def test_a_nursery_without_errors_is_no_cancellation() -> None:
    """Whoever is stopped while it leaves one is told at its next wait."""
    import trio

    async def ends(log: Log) -> None:
        try:
            await sleep_forever()
        except trio.Cancelled:
            log.append("child")

    async def source(log: Log) -> AsyncIterator[int]:
        yield 1
        async with trio.open_nursery() as tasks:
            tasks.start_soon(ends, log)
        try:
            await sleep_forever()
        finally:
            await sleep(1)
            log.append("told")

    assert await stopped(source) == ["child", "told"]


@on_trio
async def test_a_cleanup_begins_with_any_checkpoint() -> None:
    """A look whether this is cancelled and the wait behind it have the same answer."""
    import trio

    async def source(log: Log) -> AsyncIterator[int]:
        sender, receiver = trio.open_memory_channel[str](1)
        yield 1
        with sender, receiver:
            try:
                await trio.sleep_forever()
            finally:
                await sender.send("bye")
                await trio.lowlevel.checkpoint()
                log.append(await receiver.receive())

    assert await stopped(source) == ["bye"]


@on_trio
async def test_a_stop_at_a_checkpoint() -> None:
    """Which has a scope of its own, that is cancelled."""
    import trio

    turns = 0

    async def source(log: Log) -> AsyncIterator[int]:
        nonlocal turns
        yield 1
        async with trio.open_nursery():
            while turns < 1000:
                turns += 1
                await trio.lowlevel.checkpoint()
        log.append("went on")

    log: Log = []
    async with Stream(lambda: source(log)).buffer(1) as items:
        await anext(items)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
    assert log == []
    assert turns < 100


@on_trio
@pytest.mark.real_time
async def test_a_stop_of_a_connection_attempt() -> None:
    import trio

    with ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())

        async def source() -> AsyncIterator[int]:
            yield 1
            await trio.open_tcp_stream(*full.getsockname())

        async with Stream(source).buffer(1) as items:
            assert await anext(items) == 1
            with anyio.move_on_after(0.05) as scope:
                await anext(items)
            assert scope.cancelled_caught


async def test_errors_beside_the_cancellation_are_kept() -> None:
    async def failing() -> None:
        try:
            await sleep_forever()
        finally:
            raise OSError("child")

    async def source(log: Log) -> AsyncIterator[int]:
        yield 1
        async with create_task_group() as tasks:
            tasks.start_soon(failing)
            tasks.start_soon(sleep_forever)
            await sleep_forever()
        log.append("went on")

    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="child")):
        await stopped(source)


@pytest.mark.parametrize("inside", [False, True])
async def test_a_cleanup_that_hangs_in_a_group_is_cut_off(inside: bool) -> None:
    async def source(log: Log) -> AsyncIterator[int]:
        yield 1
        try:
            async with create_task_group():
                try:
                    await sleep_forever()
                finally:
                    if inside:
                        await sleep_forever()
        finally:
            log.append("left")
            await sleep_forever()

    log: Log = []
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError, match="within 5 s"):
        async with Stream(lambda: source(log)).buffer(1).open(grace=5) as items:
            await anext(items)
            await sleep(1)
    assert anyio.current_time() - start == 6
    assert log == ["left"]


@pytest.mark.parametrize("buffered", [False, True])
async def test_a_group_across_a_yield_whose_cleanup_hangs(buffered: bool) -> None:
    async def source() -> AsyncGenerator[int]:
        async with create_task_group() as tasks:
            tasks.start_soon(sleep_forever)
            try:
                while True:
                    yield 1
            finally:
                await sleep_forever()

    stream = Stream(source).buffer(1) if buffered else Stream(source)
    with pytest.raises(CleanupTimeoutError, match="within 5 s"):
        async with stream.open(grace=5) as items:
            await anext(items)
            await sleep(1)


async def test_an_error_after_the_grace_period_is_reported_with_it() -> None:
    async def source(log: Log) -> AsyncIterator[int]:
        yield 1
        try:
            await sleep_forever()
        finally:
            try:
                await sleep_forever()
            except get_cancelled_exc_class() as exc:
                raise BaseExceptionGroup("both", [exc, OSError("late")]) from None

    with pytest.raises(BaseExceptionGroup) as caught:
        await stopped(source)
    assert caught.group_contains(CleanupTimeoutError)
    assert caught.group_contains(OSError, match="late")
    assert not caught.group_contains(get_cancelled_exc_class())


@pytest.mark.parametrize("others", [[], [OSError("other")]])
async def test_a_group_with_a_cancellation_that_nobody_asked_for(others: list[OSError]) -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        lost: list[BaseException] = []
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await sleep(1)
            except get_cancelled_exc_class() as exc:
                lost.append(exc)
        raise BaseExceptionGroup("group", [*lost, *others])

    wanted: Any = pytest.raises(StreamInterruptedError)
    if others:
        wanted = pytest.RaisesGroup(pytest.RaisesExc(OSError, match="other"))
    async with Stream(source).buffer(1) as items:
        assert await anext(items) == 1
        with wanted:
            await anext(items)


async def stop_in_a_group() -> None:
    done: list[int] = []
    left: list[int] = []

    async def source() -> AsyncIterator[int]:
        for n in range(2):
            with anyio.move_on_after(9):
                async with create_task_group() as tasks:
                    tasks.start_soon(sleep, 1)
                    await sleep(2)
                    done.append(n)
                left.append(n)
            yield n

    got: list[int] = []
    try:
        async with Stream(source).buffer(1) as items:
            async for n in items:
                got.append(n)
        assert got == [0, 1]
    finally:
        assert left == done[: len(left)]


def test_a_source_with_groups_can_be_cancelled_anywhere() -> None:
    backends = ["trio"] if OLD_ANYIO else None
    assert cancel_everywhere(stop_in_a_group, anywhere=True, seeds=range(2), backends=backends) > 20
