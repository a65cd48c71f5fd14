"""The sources count right, and misbehave where they are told to."""

import math
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from anystream.testing import TrackedSource
from anystream.testing.sweep import count_suspensions
from anystream.testing.tasks import current_task

both_kinds = pytest.mark.parametrize("kind", ["generator", "iterator"])


def opened(source: TrackedSource[int], kind: str) -> Any:
    return aclosing(getattr(source, kind)())


@both_kinds
async def test_a_source_counts_what_is_done_to_it(kind: str) -> None:
    source = TrackedSource(range(5), pause=2, cleanup=3)
    start = anyio.current_time()
    async with opened(source, kind) as items:
        assert [await anext(items), await anext(items)] == [0, 1]
        assert (source.opened, source.steps, source.open_runs) == (1, 2, 1)
    assert anyio.current_time() - start == pytest.approx(2 * 2 + 3)
    assert (source.closes_started, source.closes_finished, source.open_runs) == (1, 1, 0)
    assert source.stepped_by == {current_task()}
    assert source.closed_by == [current_task()]
    async with opened(source, kind) as items:
        assert [item async for item in items] == list(range(5))
    assert (source.opened, source.steps, source.closes_finished) == (2, 2 + 6, 2)


@both_kinds
async def test_a_source_fails_where_it_is_told_to(kind: str) -> None:
    boom, bang = ValueError("boom"), OSError("bang")
    source = TrackedSource(range(5), errors={2: boom}, cleanup_error=bang)
    with pytest.raises(OSError, match="bang") as raised:
        async with opened(source, kind) as items:
            assert [await anext(items), await anext(items)] == [0, 1]
            await anext(items)
    assert raised.value.__context__ is boom
    assert source.closes_finished == 1


@both_kinds
async def test_a_source_that_does_not_suspend(kind: str) -> None:
    async with opened(TrackedSource(range(5), pause=None), kind) as items:
        assert await count_suspensions(anext(items)) == 0


@both_kinds
async def test_a_cleanup_that_hangs_is_seen_as_unfinished(kind: str) -> None:
    source = TrackedSource(range(5), cleanup=math.inf)
    with anyio.move_on_after(10) as scope:
        async with opened(source, kind) as items:
            await anext(items)
    assert scope.cancelled_caught
    assert (source.closes_started, source.closes_finished, source.open_runs) == (1, 0, 1)


async def test_an_iterator_is_not_stepped_after_its_close() -> None:
    iterator = TrackedSource(range(5)).iterator()
    await iterator.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await anext(iterator)
