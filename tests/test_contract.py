"""Every row of the table through every guarantee, on both backends.

What a row is exempt from it says itself, with the reason. `test_sweep.py` cuts the same rows at
the steps of any task.
"""

import itertools
import types
from typing import Any, cast

import anyio
import pytest
import test_contract_cancel
import test_interrupts
from anyio.lowlevel import checkpoint
from contract import (
    BACKENDS,
    BOUNDED,
    CALLING,
    EACH_KIND,
    EVERY,
    IN_EVERY_FORM,
    IN_TASKS,
    ITEMS,
    JOINING,
    BlockedSource,
    at_its_own_end,
    before_an_error,
    first_items,
    needed,
    over,
    pausing,
)
from rows import FORMS, ROWS, Function, Row, in_order

from anystream import (
    CleanupTimeoutError,
    NeedsTasksError,
    Stream,
    StreamConsumedError,
    WrongTaskError,
    chain,
)
from anystream._core.batches import QUANTUM
from anystream.testing import TrackedSource, backend

# -- the table ------------------------------------------------------------------------------


def test_no_two_rows_have_the_same_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_what_rows_are_exempt_from_exists() -> None:
    exemptions = {name for row in ROWS for name in row.skips}
    assert exemptions <= {*globals(), *vars(test_contract_cancel), *vars(test_interrupts)}


# -- the items ------------------------------------------------------------------------------


@pausing(None, 0, 1)
@EACH_KIND
@IN_EVERY_FORM
async def test_same_items(row: Row, form: Function, kind: str, pause: int | None) -> None:
    wanted = row.wanted(ITEMS)
    source = TrackedSource(ITEMS, pause=pause)
    stream = row.over(over(source, kind), form)
    async with stream as items:
        row.check([item async for item in items], wanted, True)
        with pytest.raises(StopAsyncIteration):
            await anext(items)
    if isinstance(stream, Stream):
        row.check(await stream.collect(), wanted, True)
        if not row.tasks:
            row.check([item async for item in stream], wanted, True)
    assert source.open_runs == 0
    assert len(source.closed_by) == source.opened


@IN_EVERY_FORM
async def test_plain_iterable(row: Row, form: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any time for a batch each one ends as soon as it can, in the middle of anything."""
    for quantum in (QUANTUM, 0):
        monkeypatch.setattr("anystream._core.batches.QUANTUM", quantum)
        monkeypatch.setattr("anystream._core.channel.QUANTUM", quantum)
        async with row.over(Stream(ITEMS), form) as items:
            row.check([item async for item in items], row.wanted(ITEMS), True)


@EACH_KIND
@EVERY
async def test_empty_source(row: Row, kind: str) -> None:
    source = TrackedSource[int]([])
    async with row.over(over(source, kind)) as items:
        row.check([item async for item in items], row.wanted([]), True)
    assert source.open_runs == 0


@IN_TASKS
def test_the_bare_form_is_refused(row: Row) -> None:
    stream = row.over(Stream(ITEMS))
    with pytest.raises(NeedsTasksError, match=r"needs tasks.*async with stream as items"):
        aiter(stream)


# -- leaving --------------------------------------------------------------------------------


@pausing(0, 1)
@EACH_KIND
@EVERY
async def test_leaving_early_closes_with_the_cleanup_complete(
    row: Row, kind: str, pause: int
) -> None:
    wanted = row.wanted(ITEMS)
    for length in range(len(wanted) + 1):
        source = TrackedSource(ITEMS, pause=pause, cleanup=0.5)
        async with row.over(over(source, kind)) as items:
            got = await first_items(items, length)
            await anyio.sleep(0.25)
            steps = source.steps
        row.check(got, wanted, len(got) < length)
        assert source.closes_started == source.opened
        assert (row.tasks and at_its_own_end(source, kind)) or source.open_runs == 0
        assert source.stepped_by in (set(), set(source.closed_by))
        assert source.steps == steps, "closing asked for more items"


@EVERY
async def test_leaving_does_not_wait_for_the_source(row: Row) -> None:
    """Whatever its tasks are waiting for."""
    for length, blocked in itertools.product(range(3), range(4)):
        start = anyio.current_time()
        with anyio.move_on_after(1):
            async with row.over(Stream(BlockedSource(blocked))) as items:
                await first_items(items, length)
                await anyio.sleep_forever()
        assert anyio.current_time() - start == pytest.approx(1, abs=0.001)


@EVERY
async def test_what_was_never_stepped_is_closed(row: Row) -> None:
    source = TrackedSource(ITEMS)
    async with row.over(Stream(source.iterator())):
        pass
    assert source.closes_finished == 1


@EVERY
async def test_a_part_that_does_not_open_closes_the_others(row: Row) -> None:
    first = TrackedSource(ITEMS)
    second = Stream(iter(ITEMS))
    await second.drain()
    with pytest.raises(StreamConsumedError):
        async with row.over(chain(first.iterator(), second)) as items:
            await anext(items)
            raise AssertionError("this must not run")
    assert first.closes_finished == 1


@EVERY
async def test_a_cleanup_that_hangs_is_cut_off(row: Row) -> None:
    source = TrackedSource(ITEMS, pause=0.01, cleanup=float("inf"))
    left_at = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        async with row.over(Stream(source.iterator())) as items:
            await anext(items, None)
            left_at = anyio.current_time()
    assert anyio.current_time() - left_at == pytest.approx(row.grace, abs=0.1)


@EVERY
async def test_the_wrong_task_is_named(row: Row) -> None:
    stream = row.over(Stream(ITEMS))

    async def leave() -> None:
        with pytest.raises(WrongTaskError):
            await stream.__aexit__(None, None, None)

    async with stream as items:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leave)
        row.check([item async for item in items], row.wanted(ITEMS), True)


# -- errors ---------------------------------------------------------------------------------


@EACH_KIND
@EVERY
async def test_an_error_of_the_body_comes_out_bare(row: Row, kind: str) -> None:
    source = TrackedSource(ITEMS, pause=1, cleanup=0.5)
    error = KeyError("body")
    with pytest.raises(KeyError) as caught:
        async with row.over(over(source, kind)) as items:
            await anext(items, None)
            raise error
    assert caught.value is error
    assert error.__context__ is None
    assert source.open_runs == 0


@EACH_KIND
@EVERY
async def test_an_error_of_the_body_survives_a_cancelled_scope_around_it(
    row: Row, kind: str
) -> None:
    source = TrackedSource(ITEMS, pause=1, cleanup=0.5)
    with pytest.raises(KeyError):
        with anyio.CancelScope() as scope:
            async with row.over(over(source, kind)) as items:
                await anext(items, None)
                scope.cancel()
                raise KeyError("body")
    assert source.open_runs == 0


@EACH_KIND
@EVERY
async def test_an_error_of_the_source_keeps_its_place(row: Row, kind: str) -> None:
    """And it comes once."""
    for index in range(len(ITEMS) + 1):
        error = OSError(index)
        source = TrackedSource(ITEMS, errors={index: error})
        before, comes = before_an_error(row, index)
        got: list[Any] = []
        caught: OSError | None = None
        async with row.over(over(source, kind)) as items:
            try:
                async for item in items:
                    got.append(item)
            except OSError as raised:
                caught = raised
            with pytest.raises(StopAsyncIteration):
                await anext(items)
        row.check(got, row.wanted(ITEMS), not comes)
        assert caught is (error if comes else None)
        assert got == before or row.check is not in_order
        assert source.open_runs == 0


@EVERY
async def test_an_error_of_the_source_comes_out_of_the_block_bare(row: Row) -> None:
    error = OSError("source")
    source = TrackedSource(ITEMS, errors={1: error})
    if before_an_error(row, 1)[1]:
        with pytest.raises(OSError, match="source") as caught:
            async with row.over(Stream(source.generator)) as items:
                async for _ in items:
                    pass
                raise AssertionError("the loop ended as if nothing was wrong")
        assert caught.value is error
    assert source.open_runs == 0


@EVERY
async def test_an_error_of_the_cleanup_alone_comes_bare(row: Row) -> None:
    for length in (1, 99):
        source = TrackedSource(ITEMS, pause=1, cleanup_error=OSError("cleanup"))
        with pytest.raises(OSError, match="cleanup"):
            async with row.over(Stream(source.iterator())) as items:
                await first_items(items, length)
        assert source.open_runs == 0


@EVERY
async def test_errors_of_the_body_and_of_the_cleanup_come_together(row: Row) -> None:
    source = TrackedSource(ITEMS, pause=1, cleanup_error=OSError("cleanup"))
    with pytest.RaisesGroup(KeyError, OSError):
        async with row.over(Stream(source.iterator())) as items:
            await anext(items, None)
            raise KeyError("body")


@CALLING
async def test_a_coroutine_that_is_a_generator_is_awaited(row: Row) -> None:
    def form(fn: Function) -> Function:
        @types.coroutine
        def call(*args: Any) -> Any:
            yield from checkpoint().__await__()
            return fn(*args)

        return call

    async with row.over(Stream(ITEMS), form) as items:
        row.check([item async for item in items], row.wanted(ITEMS), True)


@CALLING
async def test_a_function_cannot_end_the_stream_by_a_stop(row: Row) -> None:
    for form, error in itertools.product(FORMS, (StopIteration, StopAsyncIteration)):

        def failing(
            fn: Function, form: Function = form, error: type[Exception] = error
        ) -> Function:
            def call(*args: Any) -> Any:
                raise error

            return cast("Function", form(call))

        source = TrackedSource(ITEMS)
        with pytest.raises(RuntimeError):
            async with row.over(Stream(source.iterator), failing) as items:
                async for _ in items:
                    pass
        assert source.open_runs == 0


@EVERY
@BACKENDS
def test_a_keyboard_interrupt_comes_bare(row: Row, name: str) -> None:
    """In a run of its own: asyncio stops the whole event loop for it."""
    for place in ("source", "body"):
        errors = {1: KeyboardInterrupt()} if place == "source" else {}
        source = TrackedSource(ITEMS, errors=errors)

        async def main(source: TrackedSource[int] = source, place: str = place) -> None:
            async with row.over(Stream(source.iterator)) as items:
                if place == "source" and before_an_error(row, 1)[1]:
                    async for _ in items:
                        pass
                await anext(items, None)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            anyio.run(main, backend=name, backend_options=backend(name)[1])
        assert source.open_runs == 0


@JOINING
async def test_one_failure_stops_the_other_stream(row: Row) -> None:
    assert row.joins is not None
    for failing in (0, 1):
        sources = [
            TrackedSource(
                range(4),
                pause=1 + n / 8,
                cleanup=0.5,
                errors={3: OSError("one")} if n == failing else {},
            )
            for n in range(2)
        ]
        caught = False
        async with row.joins(*(Stream(source.iterator()) for source in sources)) as items:
            try:
                async for _ in items:
                    pass
            except OSError:
                caught = True
            await anyio.sleep(1)
            assert not (caught and row.tasks) or all(s.open_runs == 0 for s in sources)
        assert caught == (sources[failing].steps > 3)
        assert all(s.open_runs == 0 and s.closes_started == 1 for s in sources)


# -- demand ---------------------------------------------------------------------------------


@BOUNDED
async def test_no_more_is_read_ahead_than_was_said(row: Row) -> None:
    assert row.ahead is not None
    source = TrackedSource(ITEMS)
    steps: list[int] = []
    async with row.over(Stream(source.generator)) as items:
        async for _ in items:
            await anyio.sleep(0.1)
            steps.append(min(source.steps, len(ITEMS)))
    for step, least in zip(steps, needed(row), strict=True):
        assert step <= least + row.ahead
        assert step >= least or row.check is not in_order


@BOUNDED
async def test_a_cancelled_step_takes_its_demand_back(row: Row) -> None:
    assert row.ahead is not None
    source = TrackedSource(ITEMS, pause=1)
    async with row.over(Stream(source.iterator)) as items:
        for _ in range(5):
            with anyio.move_on_after(0.05) as scope:
                await anext(items, None)
            if not scope.cancelled_caught:
                return  # what comes first is no item of the source
            await anyio.sleep(20)
            # Where no task goes on with a step, the next one begins it anew.
            assert not row.tasks or source.steps <= max(needed(row)[0] + row.ahead, 1)
