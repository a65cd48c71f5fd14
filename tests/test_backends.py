"""What the core takes from asyncio and from trio in the place of anyio's."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import Stream, merge
from anystream._core import on_asyncio
from anystream._core.backends import backend, clock
from anystream.testing import TrackedSource

ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def test_the_clock_and_the_task_are_those_of_anyio() -> None:
    assert clock()() == anyio.current_time()
    await anyio.sleep(3)
    assert clock()() == anyio.current_time()
    assert backend().task_id() == anyio.get_current_task().id
    assert backend().now() == anyio.current_time()
    assert backend().cancelled is anyio.get_cancelled_exc_class()


class OwnTime(asyncio.SelectorEventLoop):
    def time(self) -> float:
        return super().time() + 1000


def changed() -> asyncio.SelectorEventLoop:
    loop = asyncio.SelectorEventLoop()
    loop.time = lambda: 1000.0  # type: ignore[method-assign]
    return loop


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, OwnTime, changed])
def test_the_clock_is_that_of_the_event_loop(
    make: Callable[[], asyncio.SelectorEventLoop],
) -> None:
    async def ask() -> tuple[float, float, float]:
        return asyncio.get_running_loop().time(), clock()(), backend().now()

    with asyncio.Runner(loop_factory=make) as runner:
        before, told, now = runner.run(ask())
    assert before <= told <= now < before + 1


async def test_the_tasks_without_a_parent_are_among_those_that_are_told() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 1)
        there = anyio.get_running_tasks()
        told = backend().parentless()
        assert {task.id for task in there if task.parent_id is None} <= told
        assert told <= {task.id for task in there}


async def test_a_checkpoint_is_a_turn_of_the_event_loop_and_cancellable() -> None:
    turns = []

    async def other() -> None:
        turns.append(1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        while not turns:  # trio runs tasks in any order
            await backend().checkpoint()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await backend().checkpoint()
    assert scope.cancelled_caught


async def test_an_event_wakes_all_who_wait_but_for_who_has_left() -> None:
    event = backend().new_event()
    woken: list[str] = []
    scopes = {name: anyio.CancelScope() for name in ("first", "second", "third", "fourth")}

    async def wait(name: str) -> None:
        with scopes[name]:
            await event.wait()
            woken.append(name)

    async with anyio.create_task_group() as tasks:
        for name in scopes:
            tasks.start_soon(wait, name)
        await anyio.wait_all_tasks_blocked()
        scopes["first"].cancel()
        scopes["third"].cancel()
        await anyio.wait_all_tasks_blocked()
        assert not event.is_set()
        event.set()
        event.set()
    assert event.is_set()
    assert sorted(woken) == ["fourth", "second"]
    await event.wait()


async def test_a_slot_gives_its_first_answer() -> None:
    slot, early = backend().new_slot(), backend().new_slot()
    got: list[object] = []

    async def wait() -> None:
        got.append(await slot)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert not slot.done()
        backend().answer(slot, "first")
        backend().answer(slot, "second")
    backend().answer(early)
    assert slot.done()
    assert early.done()
    assert got == ["first"]
    assert await early is None


class Interrupted(asyncio.Future[None]):
    """What Ctrl-C cancels between the look and the answer."""

    def done(self) -> bool:
        self.cancel()
        return False


@ON_ASYNCIO
async def test_a_slot_may_be_cancelled_at_the_very_answer() -> None:
    slot = Interrupted()
    on_asyncio.answer(slot)
    assert slot.cancelled()


async def test_a_slot_may_be_answered_when_its_task_has_left() -> None:
    slot = backend().new_slot()

    async def wait(scope: anyio.CancelScope) -> None:
        with scope:
            await slot

    async with anyio.create_task_group() as tasks:
        scope = anyio.CancelScope()
        tasks.start_soon(wait, scope)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        backend().answer(slot, "late")
    assert scope.cancelled_caught


class Given:
    done = False

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    async def run(self) -> None:
        try:
            await self.function()
        finally:
            self.done = True


def given(function: Callable[[], Any]) -> Any:
    """All of a task that a group looks at."""
    return Given(function)


async def test_a_group_waits_for_its_tasks() -> None:
    ended: list[int] = []

    async def task() -> None:
        await anyio.sleep(2)
        ended.append(1)

    async with backend().new_group() as _:
        pass
    group = backend().new_group()
    async with group:
        group.start(given(task), name="a task")
        group.start(given(task), name="a task")
        assert backend().is_innermost(group.cancel_scope)
        with anyio.CancelScope():  # noqa: ASYNC100  # only to be there
            assert not backend().is_innermost(group.cancel_scope)
    assert ended == [1, 1]


async def test_an_error_of_a_task_comes_out_of_its_group() -> None:
    """Which none of the library has."""

    async def fail() -> None:
        await checkpoint()
        raise ZeroDivisionError

    group = backend().new_group()
    with pytest.raises(ExceptionGroup) as caught:
        async with group:
            group.start(given(fail), name="a task")
    assert caught.group_contains(ZeroDivisionError)


async def test_a_group_that_is_cancelled_while_it_waits() -> None:
    ended: list[int] = []

    async def task() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2)
        ended.append(1)

    with anyio.CancelScope() as scope:
        group = backend().new_group()
        async with group:
            group.start(given(task), name="a task")
            await anyio.sleep(1)
            scope.cancel()
    assert ended == [1]


Make = Callable[..., asyncio.Task[Any]]


@contextmanager
def task_factory(make: Make) -> Iterator[list[Any]]:
    """What `make` is called with, meanwhile; a wrapper, which anyio does not know."""
    made: list[Any] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        made.append(coro)
        return make(coro, loop=loop, **kwargs)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        yield made
    finally:
        loop.set_task_factory(None)


def eager_task(coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coro, eager_start=True, **kwargs)  # type: ignore[call-arg]


@ON_ASYNCIO
@pytest.mark.parametrize("make", [asyncio.Task, eager_task])
async def test_a_task_factory_of_ones_own_makes_the_tasks(make: Make) -> None:
    if make is eager_task and sys.version_info < (3, 12):
        pytest.skip("asyncio has had eager tasks since Python 3.12")
    with task_factory(make) as made:
        assert await merge([1], [2]).collect() == [1, 2]
        assert len(made) == 2
        source = TrackedSource([1, 2], pause=1, cleanup=0.1)
        async with Stream(source.generator).map(str, concurrency=2) as items:
            assert await anext(items) == "1"
        with anyio.move_on_after(1.5) as scope:
            await Stream(source.generator).buffer(0).drain()
        assert scope.cancelled_caught
        assert (source.opened, source.open_runs) == (2, 0)


@ON_ASYNCIO
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("of_its_own", [False, True], ids=["plain task", "task factory"])
async def test_a_task_that_is_cancelled_before_it_begins_is_told_at_its_first_wait(
    times: int, of_its_own: bool
) -> None:
    seen: list[str] = []

    async def task() -> None:
        seen.append("begun")
        try:
            await anyio.sleep(1)
        except asyncio.CancelledError:
            seen.append("cancelled")

    def cancel_new() -> None:
        for each in asyncio.all_tasks() - before:
            each.cancel()

    before = asyncio.all_tasks()
    with task_factory(asyncio.Task) if of_its_own else nullcontext():
        group = backend().new_group()
        async with group:
            group.start(given(task), name="a task")
            cancel_new()
            if times == 2:
                asyncio.get_running_loop().call_soon(cancel_new)
        backend().start_alone(task)
        cancel_new()
        await anyio.sleep(2)
    assert seen == ["begun", "cancelled"] * 2


@ON_ASYNCIO
async def test_a_cancelled_task_that_waits_for_nothing_runs_once() -> None:
    ran: list[int] = []

    async def task() -> None:
        ran.append(1)

    before = asyncio.all_tasks()
    group = backend().new_group()
    async with group:
        group.start(given(task), name="a task")
        backend().start_alone(task)
        for each in asyncio.all_tasks() - before:
            each.cancel()
        await anyio.sleep(1)
    assert ran == [1, 1]


@ON_ASYNCIO
async def test_without_what_anyio_keeps_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the error of who leaves in the wrong order is anyio's then."""
    monkeypatch.setattr(on_asyncio, "states", {})
    closed: list[int] = []

    async def rows() -> AsyncIterator[int]:
        try:
            yield 0
            await anyio.sleep(10)
        finally:
            await anyio.sleep(0.01)
            closed.append(1)

    for stream in (Stream(rows), Stream(rows).buffer(0)):
        with anyio.move_on_after(0.05):
            async with stream as items:
                async for _ in items:
                    pass
    assert closed == [1, 1]
    outer = Stream([1]).buffer(1).open()
    await outer.__aenter__()
    with anyio.CancelScope(), pytest.raises(RuntimeError, match="cancel scope"):
        await outer.__aexit__(None, None, None)


async def test_a_group_whose_scope_is_cancelled_ends_there() -> None:
    ended: list[int] = []

    async def task() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)
        ended.append(1)

    group = backend().new_group()
    async with group:
        group.start(given(task), name="a task")
        await checkpoint()
        group.cancel_scope.cancel()
        await anyio.sleep(0.5)
    assert ended == [1]


async def test_a_shield_inside_of_a_scope() -> None:
    """trio tells by the outcome that resumes a task, and nobody asks."""
    on_asyncio_only = backend().cancelled is asyncio.CancelledError
    with anyio.CancelScope() as outer, anyio.CancelScope() as inner:
        await checkpoint()
        assert not backend().is_shielded(outer)
        inner.shield = True
        assert backend().is_shielded(outer) is on_asyncio_only
        assert not backend().is_shielded(inner)


@ON_ASYNCIO
async def test_a_group_waits_through_all_of_asyncios_own_cancellations() -> None:
    ended: list[int] = []

    async def task() -> None:
        await anyio.sleep(3)
        ended.append(1)

    async def wait() -> None:
        group = backend().new_group()
        async with group:
            group.start(given(task), name="a task")

    waiting = asyncio.ensure_future(wait())
    for _ in range(2):
        await anyio.sleep(1)
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == [1]
