"""Streams that are opened inside of a plain async generator, which anyone may end."""

import gc
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest

from anystream import GeneratorWarning, NeedsTasksError, Stream, WrongTaskError, stream
from anystream.testing import backend


class Rows:
    """A source whose cleanup awaits."""

    def __init__(self) -> None:
        self.open = 0

    async def __call__(self) -> AsyncIterator[int]:
        self.open += 1
        try:
            for n in range(9):
                await anyio.sleep(0.1)
                yield n
        finally:
            await anyio.sleep(0.1)
            self.open -= 1


async def with_block(items: Stream[int]) -> AsyncIterator[int]:
    async with items as run:
        async for item in run:
            yield item


async def with_open(items: Stream[int]) -> AsyncIterator[int]:
    async with items.open() as run:
        async for item in run:
            yield item


async def with_stack(items: Stream[int]) -> AsyncIterator[int]:
    async with AsyncExitStack() as stack:
        async for item in await stack.enter_async_context(items):
            yield item


async def with_manager(items: Stream[int]) -> AsyncIterator[int]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with items as run:
            yield run

    async with opened() as run:
        async for item in run:
            yield item


HELPERS = pytest.mark.parametrize("helper", [with_block, with_open, with_stack, with_manager])
WITHOUT_TASKS: dict[str, Callable[[Stream[int]], Stream[int]]] = {
    "plain": lambda rows: rows,
    "flat_map": lambda rows: rows.flat_map(lambda n: [n, n]),
    "flat_map of streams": lambda rows: rows.flat_map(lambda n: Stream([n, n])),
    "flatten": lambda rows: rows.batched(1).flatten(),
    "catch": lambda rows: rows.catch(lambda error: []),
    "resume": lambda rows: rows.retry(resume=lambda last: rows),
}


@pytest.mark.filterwarnings("error::anystream.GeneratorWarning")
@pytest.mark.filterwarnings("ignore:Async generator .* was garbage collected")  # trio's, of any
@pytest.mark.parametrize("name", ["asyncio", "trio"])
@pytest.mark.parametrize("form", WITHOUT_TASKS)
@HELPERS
def test_one_that_is_left_by_break_is_closed_like_any_generator(
    helper: Any, form: str, name: str
) -> None:
    """Not by an async test, whose check for leaks would tell of it."""
    rows = Rows()

    async def main() -> None:
        with anyio.CancelScope():
            async for item in helper(WITHOUT_TASKS[form](Stream(rows))):
                assert item == 0
                break
            gc.collect()
            await anyio.sleep(1)
            assert rows.open == 0
        await anyio.sleep(1)

    anyio.run(main, backend=name, backend_options=backend(name)[1])


@HELPERS
async def test_it_is_closed_with_the_generator(helper: Any) -> None:
    rows = Rows()
    async with aclosing(helper(Stream(rows))) as items:
        assert await anext(items) == 0
    assert rows.open == 0
    assert [item async for item in helper(Stream(rows))] == [*range(9)]
    assert rows.open == 0


@HELPERS
async def test_a_cancellation_between_two_items(helper: Any) -> None:
    rows = Rows()
    with anyio.move_on_after(0.5):
        async with aclosing(helper(Stream(rows))) as items:
            async for _ in items:
                await anyio.sleep(10)
    assert rows.open == 0


async def test_one_stream_inside_and_outside() -> None:
    rows = Rows()
    numbers = Stream(rows)
    async with numbers as outer:
        async with aclosing(with_block(numbers)) as inner, aclosing(with_block(numbers)) as other:
            assert (await anext(inner), await anext(outer), await anext(other)) == (0, 0, 0)
        assert rows.open == 1
        assert await anext(outer) == 1
    assert rows.open == 0


@HELPERS
async def test_one_with_tasks_warns_where_it_is_opened(helper: Any) -> None:
    rows = Rows()
    with pytest.warns(GeneratorWarning, match=r"@stream\(buffer=0\)") as caught:
        async with aclosing(helper(Stream(rows).buffer(1))) as items:
            assert await anext(items) == 0
    assert [warning.filename for warning in caught] == [__file__]
    assert rows.open == 0


@HELPERS
async def test_a_part_that_needs_tasks_later_has_none(helper: Any) -> None:
    rows = Rows()
    parts: list[Callable[[int], Stream[Any]]] = [
        lambda _: Stream(rows).buffer(1),
        lambda _: Stream(rows).group_by(bool),
    ]
    for part in parts:
        with pytest.raises(NeedsTasksError, match=r"@stream\(buffer=0\)"):
            async with aclosing(helper(Stream(rows).flat_map(part))) as items:
                await anext(items)
        assert rows.open == 0


@pytest.mark.parametrize(
    "tasks", [lambda s: s.buffer(1), lambda s: s.group_by(bool)], ids=["buffer", "group_by"]
)
async def test_what_a_function_gives_cannot_start_tasks(tasks: Any) -> None:
    rows = Rows()
    with pytest.raises(NeedsTasksError, match="a function given to Stream"):
        await Stream(lambda: tasks(Stream(rows))).drain()
    flat = Stream([1]).flat_map(lambda _: Stream(rows))
    with pytest.raises(NeedsTasksError, match="a function given to Stream"):
        async with Stream(lambda: tasks(flat)) as items:
            await anext(items)
    with pytest.raises(NeedsTasksError, match="a bare `async for`"):
        async for _ in Stream([1]).flat_map(lambda _: tasks(Stream(rows))):
            pass
    assert await Stream([1]).flat_map(lambda _: tasks(Stream(rows))).count() > 0
    assert rows.open == 0


async def test_a_stack_that_somebody_else_closes() -> None:
    rows = Rows()
    stack = AsyncExitStack()

    async def numbers() -> AsyncGenerator[int, None]:
        async for item in await stack.enter_async_context(Stream(rows)):
            yield item

    async with aclosing(numbers()) as items:
        assert await anext(items) == 0
        await stack.aclose()
        assert rows.open == 0


async def test_what_is_ended_in_its_place_does_not_warn() -> None:
    rows = Rows()
    numbers = Stream(rows).buffer(1)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with numbers as items:
            yield items

    @stream(buffer=0)
    async def decorated() -> AsyncIterator[int]:
        async with numbers as items:
            async for item in items:
                yield item

    async def terminal() -> AsyncIterator[int]:
        yield await numbers.count()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with opened() as items:
            assert await anext(items) == 0
        async with AsyncExitStack() as stack:
            items = await stack.enter_async_context(opened())
            assert await anext(items) == 0
        assert await decorated().take(2).collect() == [0, 1]
        assert [count async for count in terminal()] == [9]
    assert rows.open == 0


async def test_a_block_in_a_coroutine_has_to_be_left_by_its_task() -> None:
    numbers = Stream(Rows())
    async with numbers as items, anyio.create_task_group() as group:

        async def leave() -> None:
            for entered in (numbers, items):
                with pytest.raises(WrongTaskError, match=r"another task.*@stream\(buffer=0\)"):
                    await entered.__aexit__(None, None, None)

        group.start_soon(leave)


async def test_an_iterator_without_tasks_may_be_closed_by_another_task() -> None:
    """As fixtures are, which some plugins begin and end in two tasks."""
    rows = Rows()
    items = aiter(Stream(rows))
    assert await anext(items) == 0
    async with anyio.create_task_group() as group:
        group.start_soon(items.aclose)
    assert rows.open == 0
