"""What the benchmarks call by hand works as what it is compared with: else its figures are lost."""

import itertools
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import Stream

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("trio")
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from cases import guarded  # pyright: ignore[reportMissingImports]

    return guarded


async def numbers(count: int = 20) -> AsyncGenerator[int, None]:
    for number in range(count):
        await checkpoint()
        yield number


async def twice(number: int) -> int:
    await checkpoint()
    return 2 * number


WAYS: dict[
    str, tuple[Callable[[Any], AsyncIterator[Any]], Callable[[Stream[int]], Stream[Any]]]
] = {
    "rendezvous": (lambda g: g.rendezvous(numbers()), lambda s: s.buffer(0)),
    "buffered": (lambda g: g.buffered(numbers(), 4), lambda s: s.buffer(4)),
    "crew": (lambda g: g.crew(numbers(), twice, 3), lambda s: s.map(twice, concurrency=3)),
    "spread": (
        lambda g: g.spread(numbers(), numbers, 3, 2),
        lambda s: s.flat_map(numbers, concurrency=3),
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_it_gives_the_same_items(guarded: Any, way: str) -> None:
    by_hand, ours = WAYS[way]
    async with by_hand(guarded) as run:
        items = [item async for item in run]
    assert sorted(items) == sorted(await ours(Stream(numbers)).collect())


@pytest.mark.parametrize("way", WAYS)
async def test_a_step_that_is_cancelled_loses_nothing(guarded: Any, way: str) -> None:
    by_hand, ours = WAYS[way]
    items: list[int] = []
    async with by_hand(guarded) as run:
        for cancelled in itertools.cycle((True, False)):
            item = -1
            with anyio.CancelScope() as scope:
                if cancelled:
                    scope.cancel()
                item = await anext(run, None)
            if item is None:
                break
            items += [item] if item >= 0 else []
    assert sorted(items) == sorted(await ours(Stream(numbers)).collect())


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_left_early(guarded: Any, way: str) -> None:
    async with WAYS[way][0](guarded) as run:
        assert await anext(run) == 0


async def test_it_opens_and_closes(guarded: Any) -> None:
    await guarded.opened(3)
    assert await guarded.first_of_generator(3) == 0


async def test_a_generator_alone(guarded: Any) -> None:
    async with guarded.Alone(numbers) as run:
        assert [item async for item in run] == [*range(20)]
    async with guarded.Alone(numbers) as run:
        assert await anext(run) == 0
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(run)
        with pytest.raises(RuntimeError, match="ended the generator"):
            await anext(run)
