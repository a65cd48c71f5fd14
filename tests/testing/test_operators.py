"""`check_operator`: what it refuses, and how it says so."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from anystream import Stream, stream
from anystream.testing import check_operator


@stream
async def careless(items: Stream[int]) -> AsyncIterator[int]:
    """Leaves the source open when it is left."""
    iterator = aiter(items)
    async for item in iterator:
        yield item


@stream(buffer=0)
async def deaf(items: Stream[int]) -> AsyncIterator[int]:
    """Takes an error for the end."""
    async with items as open_items:
        try:
            async for item in open_items:
                yield item
        except Exception:
            pass


@stream(buffer=0)
async def wrapping(items: Stream[int]) -> AsyncIterator[int]:
    try:
        async with items as open_items:
            async for item in open_items:
                yield item
    except Exception as error:
        raise RuntimeError("wrapped") from error


@stream
async def impatient(items: Stream[int]) -> AsyncIterator[int]:
    """Is over when a step is cancelled."""
    async with items as open_items:
        async for item in open_items:
            yield item


class Once:
    """Remembers what it has seen from one opening to the next."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def __call__(self, items: Stream[int]) -> Stream[int]:
        return items.filter(lambda n: not (n in self.seen or self.seen.add(n)))


@stream(buffer=0)
async def leaving_a_task(items: Stream[int]) -> AsyncIterator[int]:
    import asyncio

    forgotten.append(asyncio.ensure_future(asyncio.sleep(1000)))
    async with items as open_items:
        async for item in open_items:
            yield item


forgotten: list[Any] = []


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (careless, "left after 1 items, over an async generator on asyncio: .* was left open"),
        (deaf, "source that fails after 0, .*: nothing was raised instead of the error of the"),
        (wrapping, r"source that fails after 0, .*RuntimeError\('wrapped'\) was raised instead"),
        (impatient, "with each step cancelled first, over an async iterator on asyncio"),
        (Once(), r"read to its end, .* it gave \[\] when it was opened again, not \[1, 2\]"),
        (lambda s: s.map(str), r"read to its end, .* it gave \['1', '2'\], not \[1, 2\]"),
        (lambda s: s.chain([3]), r"it gave \[1, 2, 3\], not \[1, 2\]"),
        (leaving_a_task, "read to its end, .* it left behind task: "),
        (lambda s: [1, 2], r"operator must return a stream, got \[1, 2\]"),
        (lambda s: s.share(), r"operator must return a stream, got .*share\(\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*was dropped:ResourceWarning")
def test_an_operator_that_breaks_the_contract_is_named(operator: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message) as caught:
        check_operator(operator, [1, 2], [1, 2])
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("pause", [None, 0, 2.5])
def test_an_operator_that_keeps_it_passes(pause: float | None) -> None:
    cases = check_operator(lambda s: s.buffer(1).map(str), [1, 2], ["1", "2"], pause=pause)
    assert cases > 40


def test_an_operator_in_the_task_of_the_reader_passes() -> None:
    assert check_operator(lambda s: s.map(str), [1, 2, 3], ["1", "2", "3"]) > 60


def test_it_can_be_asked_for_one_backend() -> None:
    every = check_operator(lambda s: s.map(str), [1], ["1"])
    one = check_operator(lambda s: s.map(str), [1], ["1"], backends=["trio"])
    assert 0 < one < every


async def test_it_needs_a_test_that_is_not_async() -> None:
    with pytest.raises(RuntimeError):
        check_operator(lambda s: s, [1], [1])
    await checkpoint()
