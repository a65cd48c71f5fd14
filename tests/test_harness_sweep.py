"""The sweep hits every suspension and tells a safe program from an unsafe one."""

import asyncio
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest
import trio
from harness import (
    MODES,
    Cut,
    Mode,
    TrackedSource,
    assert_sound,
    count_suspensions,
    drive,
    every_cut,
    running_tasks,
)

both_modes = pytest.mark.parametrize("mode", MODES)


async def five_suspensions(log: list[int]) -> str:
    for i in range(5):
        log.append(i)
        await anyio.sleep(i % 2)
    return "done"


async def test_suspensions_are_counted() -> None:
    assert await count_suspensions(five_suspensions([])) == 5


async def test_drive_passes_results_and_errors_through() -> None:
    assert await drive(five_suspensions([]), lambda: None) == "done"
    source = TrackedSource([1], errors={1: ValueError("boom")})
    iterator = source.iterator()
    assert await drive(anext(iterator), lambda: None) == 1
    with pytest.raises(ValueError, match="boom"):
        await drive(anext(iterator), lambda: None)


@both_modes
async def test_a_sweep_hits_each_suspension_once(mode: Mode) -> None:
    results: list[str | None] = []
    last_steps: list[int] = []
    for cut in every_cut():
        log: list[int] = []
        results.append(await cut.run(five_suspensions(log), mode))
        last_steps.append(log[-1])
        assert cut.hit == cut.cancelled
    assert results == [None] * 5 + ["done"]
    assert last_steps == [0, 1, 2, 3, 4, 4]


@both_modes
async def test_a_program_that_swallows_its_cancellation_was_hit_but_not_cancelled(
    mode: Mode,
) -> None:
    async def stubborn() -> str:
        try:
            await anyio.sleep(1)
        except anyio.get_cancelled_exc_class():  # noqa: ASYNC103
            return "no"  # noqa: ASYNC104
        return "yes"

    outcomes = [(await cut.run(stubborn(), mode), cut.hit, cut.cancelled) for cut in every_cut()]
    assert outcomes == [("no", True, False), ("yes", False, False)]


@both_modes
async def test_errors_of_the_program_are_raised(mode: Mode) -> None:
    async def broken() -> None:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await Cut(1).run(broken(), mode)


async def test_a_cut_must_be_used() -> None:
    with pytest.raises(RuntimeError, match="was not used"):
        for _ in every_cut():
            pass


class Forgetful(AsyncIterator[int]):
    """Drops the item that it holds when it is cancelled before it hands it over."""

    def __init__(self, source: AsyncIterator[int]) -> None:
        self.source = source

    async def __anext__(self) -> int:
        item = await anext(self.source)
        await anyio.lowlevel.checkpoint()
        return item


class Careful(Forgetful):
    """Keeps the item until it has been handed over."""

    held: int | None = None

    async def __anext__(self) -> int:
        if self.held is None:
            self.held = await anext(self.source)
        await anyio.lowlevel.checkpoint()
        item, self.held = self.held, None
        return item


async def losses(kind: type[Forgetful]) -> list[int]:
    """The suspensions at which a cancelled step loses an item."""
    lost: list[int] = []
    for cut in every_cut():
        received: list[int] = []
        await cut.collect(kind(TrackedSource([0, 1, 2]).iterator()), received)
        assert cut.cancelled == cut.hit
        if received != [0, 1, 2]:
            lost.append(cut.at)
    return lost


async def test_cancelled_steps_tell_a_safe_iterator_from_an_unsafe_one() -> None:
    assert await losses(Forgetful) == [2, 4, 6]
    assert await losses(Careful) == []


async def test_a_task_left_behind_is_not_sound() -> None:
    before = running_tasks()
    async with anyio.create_task_group() as tg:
        tg.start_soon(anyio.sleep_forever)
        with pytest.raises(AssertionError, match="left behind"):
            await assert_sound(before)
        tg.cancel_scope.cancel()
    await assert_sound(before)


async def test_a_cut_that_leaves_a_task_behind_is_an_error() -> None:
    async def spawn() -> None:
        tg.start_soon(anyio.sleep_forever)

    async def spawning() -> AsyncIterator[int]:
        yield 1
        await spawn()

    async with anyio.create_task_group() as tg:
        with pytest.raises(AssertionError, match="left behind"):
            await Cut(1).collect(spawning(), [])
        with pytest.raises(AssertionError, match="left behind"):
            await Cut(1).run(spawn())
        tg.cancel_scope.cancel()


async def test_a_scope_left_open_is_not_sound() -> None:
    scope = anyio.CancelScope()
    with pytest.raises(anyio.get_cancelled_exc_class()):
        scope.__enter__()
        scope.cancel()
        await assert_sound(running_tasks())
    scope.__exit__(None, None, None)
    await assert_sound(running_tasks())


async def test_a_pending_native_cancellation_is_not_sound() -> None:
    if trio.lowlevel.in_trio_run():
        pytest.skip("only asyncio has Task.cancel()")
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await anyio.sleep(1)
    with pytest.raises(AssertionError, match="native cancellation"):
        await assert_sound(running_tasks())
    task.uncancel()
