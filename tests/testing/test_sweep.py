"""The sweep hits every suspension or step, and tells a safe program from an unsafe one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
import anyio.lowlevel
import pytest
import trio

from anystream.testing import MODES, Cut, Mode, TrackedSource, every_cut, every_cut_anywhere
from anystream.testing._trio import scheduled
from anystream.testing.sweep import assert_sound, count_suspensions, drive, steps_watched
from anystream.testing.tasks import running_tasks

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


@pytest.mark.parametrize("sweep", [every_cut, every_cut_anywhere])
async def test_a_cut_must_be_used(sweep: Callable[[], Iterator[Cut]]) -> None:
    with pytest.raises(RuntimeError, match="was not used"):
        for _ in sweep():
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


# -- at steps of any task -------------------------------------------------------------------------


async def wait_for_five_steps_elsewhere(log: list[int]) -> str:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(five_suspensions, log)
    return "done"


@both_modes
async def test_cuts_anywhere_hit_the_steps_of_other_tasks(mode: Mode) -> None:
    hits = 0
    for cut in every_cut_anywhere(seeds=[0]):
        log: list[int] = []
        result = await cut.run(wait_for_five_steps_elsewhere(log), mode)
        assert cut.cancelled or result == "done"
        assert cut.hit or log == [0, 1, 2, 3, 4]
        hits += cut.hit
    # The program itself waits only for the group: once for all of them, and once to leave it.
    assert await count_suspensions(wait_for_five_steps_elsewhere([])) <= 2
    assert hits > 5


async def test_cuts_anywhere_come_once_for_each_seed() -> None:
    if not trio.lowlevel.in_trio_run():
        pytest.skip("asyncio has only one schedule")
    seeds: list[int | None] = []
    for cut in every_cut_anywhere(seeds=[3, 8]):
        await cut.run(five_suspensions([]))
        if not cut.hit:
            seeds.append(cut.seed)
        assert repr(cut).startswith(f"<Cut at={cut.at} anywhere seed={cut.seed} ")
    assert seeds == [3, 8]


async def order_of_turns() -> list[int]:
    turns: list[int] = []

    async def take_turns(number: int) -> None:
        for _ in range(3):
            turns.append(number)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(take_turns, number)
    return turns


async def test_a_seed_decides_on_the_schedule() -> None:
    """This fails when trio changes the private names that ``scheduled`` relies on."""
    if not trio.lowlevel.in_trio_run():
        pytest.skip("asyncio has only one schedule")
    orders: list[tuple[int, ...]] = []
    for seed in range(10):
        repeats: set[tuple[int, ...]] = set()
        for _ in range(3):
            with scheduled(seed):
                repeats.add(tuple(await order_of_turns()))
        assert len(repeats) == 1
        orders += repeats
    assert len({*orders}) == len(orders)


async def test_behind_a_seed_chance_decides_again() -> None:
    if not trio.lowlevel.in_trio_run():
        pytest.skip("asyncio has only one schedule")
    orders: set[tuple[int, ...]] = set()
    for _ in range(20):
        with scheduled(1):
            await anyio.lowlevel.checkpoint()
        orders.add(tuple(await order_of_turns()))
    assert len(orders) > 1


async def test_steps_after_the_watch_are_not_watched() -> None:
    steps: list[int] = []
    async with anyio.create_task_group() as tasks:
        with steps_watched(lambda: steps.append(0)):
            tasks.start_soon(anyio.lowlevel.checkpoint)
    assert steps == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_native_cancel_between_the_wake_up_and_the_woken() -> None:
    """What is given to a waiting task may come too late; its suspensions alone do not show that."""

    async def give(given: list[int], come: anyio.Event) -> None:
        await anyio.sleep(1)
        given.append(1)
        come.set()

    async def program(given: list[int], received: list[int]) -> None:
        come = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(give, given, come)
            await come.wait()
            received += given

    lost: list[int] = []
    for cuts in (every_cut(), every_cut_anywhere()):
        outcomes: list[bool] = []
        for cut in cuts:
            given: list[int] = []
            received: list[int] = []
            await cut.run(program(given, received), "native")
            outcomes.append(given != received)
        lost.append(sum(outcomes))
    assert lost == [0, 2]  # just before and just after it was given


async def test_the_middle_of_what_goes_on_elsewhere() -> None:
    """The program is cut in its one long wait, at the one moment that matters."""

    async def elsewhere(state: list[str]) -> None:
        await anyio.sleep(1)
        state.append("begun")
        await anyio.sleep(1)
        state.append("done")
        await anyio.sleep(1)

    async def program(state: list[str]) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(elsewhere, state)

    found: list[set[int]] = []
    for cuts in (every_cut(), every_cut_anywhere()):
        lengths: set[int] = set()
        for cut in cuts:
            state: list[str] = []
            await cut.run(program(state))
            lengths.add(len(state))
        found.append(lengths)
    assert found == [{0, 2}, {0, 1, 2}]


async def test_a_cancelled_step_anywhere() -> None:
    """A step is cancelled while another task works for it, and asked for again."""
    steps_elsewhere: set[int] = set()
    for cut in every_cut_anywhere(seeds=[0, 1]):
        log: list[int] = []
        received: list[int] = []
        source = TrackedSource([0, 1, 2], pause=3)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(five_suspensions, log)
            await cut.collect(source.iterator(), received)
        assert received == [0, 1, 2]
        steps_elsewhere.add(cut.at)
    assert len(steps_elsewhere) > await count_suspensions(drain(TrackedSource([0, 1, 2])))


async def drain(source: TrackedSource[int]) -> None:
    async for _ in source.iterator():
        pass


# -- soundness ------------------------------------------------------------------------------------


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
