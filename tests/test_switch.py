"""switch_map and map_latest: a new item ends what the last one has started."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from test_joins import timed

from anystream import CleanupTimeoutError, Stream, async_range
from anystream.testing import TrackedSource

LETTERS = timed((1, "a"), (4, "b"), (5, "c"))


async def test_a_new_item_cancels_the_inner_stream() -> None:
    inner = TrackedSource(range(3), pause=1.25, cleanup=0.25)

    def pairs(letter: str) -> Stream[tuple[str, int]]:
        return Stream(inner.generator).map(lambda n: (letter, n))

    got = await LETTERS.switch_map(pairs).collect()
    assert got == [("a", 0), ("a", 1), ("c", 0), ("c", 1), ("c", 2)]
    assert inner.opened == 3
    assert inner.open_runs == 0


async def test_the_old_stream_has_closed_before_the_new_one_begins() -> None:
    log: list[str] = []

    async def inner(letter: str) -> AsyncIterator[str]:
        log.append(f"begin {letter}")
        try:
            await anyio.sleep(2.5)
            yield letter
        finally:
            await anyio.sleep(0.5)
            log.append(f"end {letter}")

    assert await LETTERS.switch_map(inner).collect() == ["a", "c"]
    assert log == ["begin a", "end a", "begin b", "end b", "begin c", "end c"]


async def test_only_the_last_of_the_items_that_are_there() -> None:
    async def upper(letter: str) -> str:
        return letter.upper()

    assert await Stream("abc").switch_map(str).collect() == ["c"]
    assert await Stream("abc").map_latest(upper).collect() == ["C"]
    assert await Stream("").switch_map(str).collect() == []
    assert await Stream("").map_latest(str).collect() == []


async def test_map_latest() -> None:
    cancelled: list[str] = []

    async def slow(letter: str) -> str:
        try:
            await anyio.sleep(2)
        except BaseException:
            cancelled.append(letter)
            raise
        return letter.upper()

    assert await LETTERS.map_latest(slow).collect() == ["A", "C"]
    assert cancelled == ["b"]


async def test_a_result_that_nobody_has_read_is_dropped_for_a_newer_one() -> None:
    async with LETTERS.map_latest(str.upper) as items:
        await anyio.sleep(10)
        assert [item async for item in items] == ["C"]


@pytest.mark.parametrize("operator", ["switch_map", "map_latest"])
async def test_errors(operator: str) -> None:
    def fail(letter: str) -> Any:
        raise OSError(letter)

    source = TrackedSource("ab", pause=2, cleanup=0.5)
    with pytest.raises(OSError, match="a"):
        await getattr(Stream(source.generator), operator)(fail).collect()
    assert source.open_runs == 0
    failing = TrackedSource("ab", pause=2, errors={2: OSError("outer")})
    got: list[Any] = []
    with pytest.raises(OSError, match="outer"):
        async with getattr(Stream(failing.generator), operator)(str) as items:
            async for item in items:
                got.append(item)
    assert got == ["a", "b"]


async def test_an_error_of_a_cancelled_inner_stream_comes_at_the_end() -> None:
    inner = TrackedSource(range(3), pause=2, cleanup_error=OSError("inner"))
    with pytest.raises(OSError, match="inner"):
        async with timed((1, inner.generator), (2, list)).switch_map(lambda make: make()) as items:
            assert [item async for item in items] == []


async def test_an_inner_cleanup_that_hangs() -> None:
    inner = TrackedSource(range(3), pause=2, cleanup=1000)
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        await timed((1, inner.generator), (2, list)).switch_map(lambda make: make()).collect()
    assert anyio.current_time() - start == pytest.approx(3)


async def test_leaving_closes_both() -> None:
    outer = TrackedSource(range(9), pause=1.5, cleanup=0.25)
    inner = TrackedSource(range(99), pause=1, cleanup=0.25)
    async with Stream(outer.iterator).switch_map(lambda _: inner.generator()) as items:
        assert await anext(items) == 0
        await anyio.sleep(0.25)
    assert outer.open_runs == inner.open_runs == 0


async def test_an_error_of_the_source_stops_the_inner_stream() -> None:
    outer = TrackedSource([1], errors={1: OSError("outer")})
    inner = TrackedSource(range(99), pause=1, cleanup=0.25)
    with pytest.raises(OSError, match="outer"):
        await Stream(outer.generator).switch_map(lambda _: inner.generator()).collect()
    assert inner.open_runs == 0


async def test_inner_streams_with_tasks() -> None:
    got = await LETTERS.switch_map(lambda letter: async_range(2, delay=0.5).buffer(1)).collect()
    assert got == [0, 1, 0, 0, 1] or got == [0, 1, 0, 1, 0, 1]


async def test_a_function_that_gives_no_stream() -> None:
    with pytest.raises(TypeError, match="expected a stream, an async iterable or an iterable"):
        await async_range(3).switch_map(lambda n: n).collect()  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="fn must be a function"):
        async_range(3).switch_map(3)  # type: ignore[call-overload]


@pytest.mark.parametrize("steps", range(16))
async def test_leaving_while_the_next_item_is_begun(steps: int) -> None:
    class Numbers:
        n = 0

        def __aiter__(self) -> "Numbers":
            return self

        async def __anext__(self) -> int:
            self.n += 1
            await checkpoint()
            return self.n

    inner = TrackedSource(range(3), cleanup=0.1)
    async with Stream(Numbers).switch_map(lambda _: inner.generator()):
        for _ in range(steps):
            await checkpoint()
    assert inner.open_runs == 0


@pytest.mark.parametrize("steps", range(12))
async def test_leaving_while_the_source_waits_in_a_step(steps: int) -> None:
    """What was begun in a batch is gone on with, or cancelled, before the source is closed."""
    outer = TrackedSource(range(999), pause=0, cleanup=0.1)
    async with Stream(outer.generator).switch_map(lambda n: async_range(3, delay=1)):
        for _ in range(steps):
            await checkpoint()
    assert outer.open_runs == 0


async def scoped() -> AsyncIterator[int]:
    with anyio.CancelScope():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            for item in range(4):
                await checkpoint()
                yield item
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("steps", range(4))
async def test_a_source_that_holds_scopes(steps: int) -> None:
    assert (await Stream(scoped).switch_map(lambda n: [n]).collect())[-1] == 3
    async with Stream(scoped).switch_map(lambda n: [n]):
        for _ in range(steps):
            await checkpoint()
