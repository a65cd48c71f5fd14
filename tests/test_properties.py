"""Random rows of operators over random lists give what the same rows of itertools give."""

from collections.abc import Callable
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st
from rows import FORMS, IN_A_SEGMENT, Function, Row, expected, through

from anystream import Stream
from anystream.testing import TrackedSource

Reader = Callable[[Stream[Any], list[bool]], Any]

# What these make is no integer, so that only the last operator of a row may be one of them.
OPAQUE = {"enumerate", "batched", "chunk_by", "pairwise", "split_when"}
INNER = [row for row in IN_A_SEGMENT if row.name not in OPAQUE]

items = st.lists(st.integers(-3, 9), max_size=12)
rows = st.tuples(st.lists(st.sampled_from(INNER), max_size=4), st.sampled_from(IN_A_SEGMENT)).map(
    lambda drawn: [*drawn[0], drawn[1]]
)
cancellations = st.lists(st.booleans(), max_size=30)


async def by_terminal_call(stream: Stream[Any], _: list[bool]) -> list[Any]:
    return await stream.collect()


async def by_async_for(stream: Stream[Any], _: list[bool]) -> list[Any]:
    return [item async for item in stream]


async def by_step(stream: Stream[Any], cancelled: list[bool]) -> list[Any]:
    """Item by item, with steps that are cancelled before they can do anything in between."""
    got: list[Any] = []
    plan = iter(cancelled)
    async with stream as run:
        while True:
            with anyio.CancelScope() as scope:
                if next(plan, False):
                    scope.cancel()
                try:
                    got.append(await anext(run))
                except StopAsyncIteration:
                    return got


READERS: tuple[Reader, ...] = (by_terminal_call, by_async_for, by_step)


@given(items, rows, st.sampled_from(FORMS), st.sampled_from(READERS), cancellations)
async def test_over_a_list(
    items: list[int], row: list[Row], form: Function, read: Reader, cancelled: list[bool]
) -> None:
    assert await read(through(row, Stream(items), form), cancelled) == expected(row, items)


@given(
    items,
    rows,
    st.sampled_from(FORMS),
    st.sampled_from(READERS),
    cancellations,
    st.sampled_from([None, 0, 1]),
)
async def test_over_an_async_iterator(
    items: list[int],
    row: list[Row],
    form: Function,
    read: Reader,
    cancelled: list[bool],
    pause: float | None,
) -> None:
    source = TrackedSource(items, pause=pause)
    assert await read(through(row, Stream(source.iterator), form), cancelled) == expected(
        row, items
    )
    assert source.open_runs == 0


@given(items, rows, st.sampled_from(FORMS), st.sampled_from([by_terminal_call, by_async_for]))
async def test_over_a_generator_that_suspends_now_and_then(
    items: list[int], row: list[Row], form: Function, read: Reader
) -> None:
    async def numbers() -> Any:
        for n in items:
            if n % 3 == 0:
                await checkpoint()
            yield n

    assert await read(through(row, Stream(numbers), form), []) == expected(row, items)


@given(items, rows, st.sampled_from(FORMS), st.integers(0, 30))
async def test_leaving_early(items: list[int], row: list[Row], form: Function, length: int) -> None:
    """The items before the break are right, and the source has closed behind it."""
    wanted = expected(row, items)
    length = min(length, len(wanted))
    source = TrackedSource(items)
    got: list[Any] = []
    async with through(row, Stream(source.generator), form) as run:
        while len(got) < length:
            got.append(await anext(run))
    assert got == wanted[:length]
    assert source.open_runs == 0
