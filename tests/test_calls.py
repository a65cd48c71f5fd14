"""`calls`: a function that is called again and again."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from anystream import Stream, calls

PIECES = [b"one", b"two", b"three"]


def pieces() -> Callable[[], bytes]:
    rest = iter([*PIECES, b"", b"never"])
    return lambda: next(rest)


def later(fn: Callable[[], Any], seconds: float = 1) -> Callable[[], Any]:
    async def call() -> Any:
        await anyio.sleep(seconds)
        return fn()

    return call


def mixed(fn: Callable[[], Any]) -> Callable[[], Any]:
    """Plain at first, and awaitable later."""
    turns = iter([fn, fn])
    return lambda: next(turns, later(fn))()


WAYS = pytest.mark.parametrize("way", [lambda fn: fn, later, mixed])


@WAYS
async def test_a_result_is_the_end(way: Any) -> None:
    assert await calls(way(pieces()), until=b"").collect() == PIECES
    async with calls(way(pieces()), until=b"") as items:
        assert [item async for item in items] == PIECES
        assert [item async for item in items] == []
    assert [
        item async for item in calls(way(pieces()), until=b"").buffer(1).as_generator()
    ] == PIECES


@WAYS
async def test_an_error_is_the_end_or_an_error(way: Any) -> None:
    def failing() -> Callable[[], bytes]:
        give = pieces()
        return lambda: give() or fail()

    for end_on in (EOFError, (KeyError, EOFError)):
        assert await calls(way(failing()), end_on=end_on).collect() == PIECES
    for kinds in ((), KeyError):
        got: list[bytes] = []
        with pytest.raises(EOFError):
            await calls(way(failing()), end_on=kinds).for_each(got.append)
        assert got == PIECES


def fail() -> Any:
    raise EOFError


async def test_it_goes_on_for_ever_but_gives_others_their_turn() -> None:
    assert await calls(lambda: 5).take(3).collect() == [5, 5, 5]
    with anyio.CancelScope() as scope:

        async def stop() -> None:
            scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop)
            await calls(lambda: 5).drain()
    assert scope.cancelled_caught


async def test_none_is_a_result_as_any_other() -> None:
    results: Iterator[Any] = iter([None, 0, "", ()])
    assert await calls(lambda: next(results), until=()).collect() == [None, 0, ""]


async def test_what_does_not_compare_is_not_compared() -> None:
    class Array:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous")

        __hash__ = None  # type: ignore[assignment]

    assert len(await calls(Array).take(2).collect()) == 2
    frames: Iterator[Any] = iter([Array(), Array(), None])
    assert await calls(lambda: next(frames), until=None).count() == 2


async def test_a_call_that_is_cancelled_is_made_again() -> None:
    made = 0
    give = pieces()

    async def call() -> bytes:
        nonlocal made
        made += 1
        await anyio.sleep(1)
        return give()

    got: list[bytes] = []
    async with calls(call, until=b"") as items:
        for _ in range(3):
            with anyio.move_on_after(0.5):
                await anext(items)
            got.append(await anext(items))
        assert [item async for item in items] == []
    assert (got, made) == (PIECES, 7)


async def test_behind_a_task_a_cancelled_step_leaves_the_call_alone() -> None:
    made = 0

    async def call() -> int:
        nonlocal made
        made += 1
        await anyio.sleep(1)
        return made

    async with calls(call).buffer(0) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        assert await anext(items) == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_methods_of_a_queue() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    for n in range(3):
        queue.put_nowait(n)
    empty = asyncio.QueueEmpty
    assert await calls(queue.get_nowait, end_on=empty).collect() == [0, 1, 2]
    async with calls(queue.get).map(str, concurrency=2) as items:
        with anyio.move_on_after(1):
            await anext(items)
        queue.put_nowait(5)
        assert await anext(items) == "5"


async def test_an_async_iterator_step_by_step() -> None:
    step = aiter(Stream("ab")).__anext__
    assert await calls(step, end_on=StopAsyncIteration).collect() == ["a", "b"]


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="fn must be a function, plain or async, got 5"):
        calls(5)  # type: ignore[call-overload]
    for wrong in (BaseException, "EOFError", (EOFError, 5)):
        with pytest.raises(TypeError, match="end_on must be a class derived from Exception"):
            calls(fail, end_on=wrong)  # type: ignore[call-overload]


def test_how_it_is_written_down() -> None:
    assert repr(calls(fail, until=b"", end_on=EOFError)).startswith(
        "calls(fail, until=b'', end_on="
    )
    assert repr(calls(fail)) == "calls(fail)"
