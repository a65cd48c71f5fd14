"""Every operator, in every form of its function, through every guarantee of a single segment."""

from typing import Any

import pytest
from harness import MODES, TrackedSource, every_cut
from rows import CASES, IDS, Function, Row

from anystream import Stream, StreamInterruptedError
from anystream._batches import QUANTUM

pytestmark = pytest.mark.parametrize(("row", "form"), CASES, ids=IDS)

ITEMS = [3, 0, 1, 2, 5, 4, 7, 1]
SOURCES = ("iterator", "generator")


def expect(row: Row, items: list[int]) -> list[Any]:
    return list(row.oracle(items))


@pytest.fixture(params=SOURCES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def stream_over(source: TrackedSource[int], kind: str) -> Stream[int]:
    return Stream(getattr(source, kind))


async def test_same_items_in_every_way_of_reading(row: Row, form: Function, kind: str) -> None:
    for pause in (None, 0):
        source = TrackedSource(ITEMS, pause=pause)
        stream = row.apply(stream_over(source, kind), form)
        wanted = expect(row, ITEMS)
        assert await stream.collect() == wanted
        assert [item async for item in stream] == wanted
        async with stream as items:
            assert [item async for item in items] == wanted
            with pytest.raises(StopAsyncIteration):
                await anext(items)
        assert source.open_runs == 0
        assert len(source.closed_by) == source.opened


@pytest.mark.parametrize("quantum", [QUANTUM, 0])
async def test_plain_iterable(
    row: Row, form: Function, quantum: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any time for a batch each one ends as soon as it can, in the middle of anything."""
    monkeypatch.setattr("anystream._batches.QUANTUM", quantum)
    stream = row.apply(Stream(ITEMS), form)
    assert await stream.collect() == expect(row, ITEMS)
    assert [item async for item in stream] == expect(row, ITEMS)


async def test_empty_source(row: Row, form: Function, kind: str) -> None:
    source = TrackedSource[int]([])
    stream = row.apply(stream_over(source, kind), form)
    assert await stream.collect() == expect(row, [])
    assert source.open_runs == 0


async def test_leaving_early_closes(row: Row, form: Function, kind: str) -> None:
    wanted = expect(row, ITEMS)
    for length in range(len(wanted) + 1):
        source = TrackedSource(ITEMS, cleanup=0.5)
        got: list[Any] = []
        async with row.apply(stream_over(source, kind), form) as items:
            while len(got) < length:
                got.append(await anext(items))
            steps = source.steps
        assert got == wanted[:length]
        assert source.open_runs == 0
        assert source.steps == steps, "closing asked for more items"


async def test_an_error_of_the_body_comes_out_bare(row: Row, form: Function, kind: str) -> None:
    source = TrackedSource(ITEMS)
    error = KeyError("body")
    with pytest.raises(KeyError) as caught:
        async with row.apply(stream_over(source, kind), form) as items:
            async for _ in items:
                break
            raise error
    assert caught.value is error
    assert error.__context__ is None
    assert source.open_runs == 0


async def test_an_error_of_the_source_keeps_its_place(row: Row, form: Function, kind: str) -> None:
    for index in range(len(ITEMS) + 1):
        error = OSError(index)
        source = TrackedSource(ITEMS, errors={index: error})
        got: list[Any] = []
        caught: OSError | None = None
        async with row.apply(stream_over(source, kind), form) as items:
            try:
                async for item in items:
                    got.append(item)
            except OSError as raised:
                caught = raised
            with pytest.raises(StopAsyncIteration):
                await anext(items)
        wanted = expect(row, ITEMS)
        if source.steps > index:
            assert caught is error
            assert got == wanted[: len(got)]
        else:
            assert got == wanted
        assert source.open_runs == 0


async def test_nothing_is_read_ahead(row: Row, form: Function) -> None:
    """A step of the stream takes as many items of the source as a step of the builtins."""
    taken = 0

    def counted() -> Any:
        nonlocal taken
        for item in ITEMS:
            taken += 1
            yield item

    needed: list[int] = []
    for _ in row.oracle(counted()):
        needed.append(taken)
    source = TrackedSource(ITEMS)
    got: list[int] = []
    async with row.apply(stream_over(source, "generator"), form) as items:
        async for _ in items:
            got.append(min(source.steps, len(ITEMS)))
    assert got == needed


@pytest.mark.parametrize("mode", MODES)
async def test_cancelled_anywhere(row: Row, form: Function, kind: str, mode: Any) -> None:
    wanted = expect(row, ITEMS)
    for cut in every_cut():
        source = TrackedSource(ITEMS)
        got: list[Any] = []

        async def read(source: TrackedSource[int] = source, got: list[Any] = got) -> None:
            async with row.apply(stream_over(source, kind), form) as items:
                async for item in items:
                    got.append(item)

        await cut.run(read(), mode)
        assert got == wanted[: len(got)]
        assert cut.cancelled or got == wanted
        assert source.closes_started == source.opened
        # A cancellation may hit the cleanup itself, if that is a part of the step, or is native.
        assert kind == "generator" or mode == "native" or source.open_runs == 0


async def test_a_cancelled_step_loses_nothing(row: Row, form: Function) -> None:
    for cut in every_cut():
        source = TrackedSource(ITEMS)
        got: list[Any] = []
        async with row.apply(stream_over(source, "iterator"), form) as items:
            await cut.collect(items, got)
        assert got == expect(row, ITEMS)
        assert source.open_runs == 0


async def test_a_step_that_kills_the_generator_is_loud(row: Row, form: Function) -> None:
    for cut in every_cut():
        source = TrackedSource(ITEMS)
        got: list[Any] = []
        loud = False
        async with row.apply(stream_over(source, "generator"), form) as items:
            try:
                await cut.collect(items, got)
            except StreamInterruptedError:
                loud = True
                with pytest.raises(StopAsyncIteration):
                    await anext(items)
        wanted = expect(row, ITEMS)
        assert got == (wanted[: len(got)] if loud else wanted)
        assert cut.cancelled or not loud
        assert source.closes_started == source.opened
