"""A deadlock says of each task who waits, in which line, and for what."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from anystream import Stream
from anystream.testing import Deadlock, TrackedSource, backend
from anystream.testing.sweep import drive
from anystream.testing.waits import SHOWN, place_of

pytest_plugins = ["pytester"]

BACKENDS = pytest.mark.parametrize("name", ["asyncio", "trio"])


def report(program: Callable[[], Awaitable[object]], name: str) -> list[str]:
    """Run into a deadlock; what it says of the tasks, with `LINE` for lines of this file."""
    name, options = backend(name)
    with pytest.raises(BaseException) as raised:  # noqa: PT011
        anyio.run(program, backend=name, backend_options=options)
    deadlock = raised.value
    while isinstance(deadlock, BaseExceptionGroup):
        deadlock = deadlock.exceptions[0]
    assert isinstance(deadlock, Deadlock)
    title, *lines, hint = str(deadlock).splitlines()
    assert title == "every task is blocked and no timer is pending"
    assert "real_time" in hint
    return [line.strip() for line in lines]


def waits(name: str, function: str, line: str, inner: str, awaited: str) -> str:
    """The report on a task that waits in the line of this file with the text `line`."""
    text = Path(__file__).read_text().splitlines()
    numbers = [n for n, code in enumerate(text, 1) if code.endswith(f"  # {line}")]
    assert len(numbers) == 1
    return f"{name} ({function}): {__file__}, line {numbers[0]}, in {inner}, waits in {awaited}"


async def an_event() -> None:
    await anyio.Event().wait()  # event


async def deeper() -> None:
    await an_event()


async def items() -> AsyncGenerator[int, None]:
    yield 1
    await anyio.Event().wait()  # in a generator


async def a_generator() -> None:
    async for _ in items():
        pass


async def an_item_or_none() -> None:
    numbers = items()
    assert await anext(numbers, None) == 1
    await anext(numbers, None)


async def a_close() -> None:
    async def slow_to_close() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await anyio.Event().wait()  # noqa: ASYNC102  # in a close

    numbers = slow_to_close()
    await anext(numbers)
    await numbers.aclose()


async def a_context() -> None:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[None, None]:
        await anyio.Event().wait()  # in a context
        yield

    async with opened():
        pass


class Ready:
    """An awaitable that is no coroutine, but gives the steps of one."""

    def __await__(self) -> Generator[Any, Any, None]:
        return an_event().__await__()


async def an_awaitable() -> None:
    await Ready()


async def what_is_driven() -> None:
    await drive(an_event(), int)


async def a_stream() -> None:
    async with Stream(items).map(str) as numbers:
        async for _ in numbers:
            pass


@BACKENDS
@pytest.mark.parametrize(
    ("program", "line", "inner"),
    [
        (an_event, "event", "an_event"),
        (deeper, "event", "an_event"),
        (a_generator, "in a generator", "items"),
        (an_item_or_none, "in a generator", "items"),
        (a_close, "in a close", "a_close.<locals>.slow_to_close"),
        (a_context, "in a context", "a_context.<locals>.opened"),
        (an_awaitable, "event", "an_event"),
        (what_is_driven, "event", "an_event"),
        (a_stream, "in a generator", "items"),
    ],
)
def test_the_innermost_line_of_ones_own_is_named(
    program: Callable[[], Awaitable[None]], line: str, inner: str, name: str
) -> None:
    task = f"{program.__module__}.{program.__name__}"
    assert report(program, name) == [waits(task, program.__name__, line, inner, "Event.wait")]


@BACKENDS
def test_each_task_is_named(name: str) -> None:
    async def two() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(an_event, name="left")
            tasks.start_soon(a_generator, name="right")
            tasks.start_soon(anyio.sleep_forever, name="sleeper")
            tasks.start_soon(anyio.Event().wait, name="waiter")
            await anyio.sleep(1)  # the group

    group, *others = sorted(report(two, name), key=lambda line: "__aexit__" not in line)
    assert "two): " in group
    assert others == [
        waits("left", "an_event", "event", "an_event", "Event.wait"),
        waits("right", "a_generator", "in a generator", "items", "Event.wait"),
        "sleeper (sleep_forever): waits in sleep_forever",
        "waiter (Event.wait): waits in Event.wait",
    ]


@BACKENDS
def test_the_tasks_of_a_stream_are_seen_through(name: str) -> None:
    async def buffered() -> None:
        await Stream(items).buffer(3).collect()  # the reader

    async def mapped() -> None:
        await Stream([1]).map(never, concurrency=2).collect()

    async def never(_: int) -> None:
        await anyio.Event().wait()  # in a function

    inner = "test_the_tasks_of_a_stream_are_seen_through.<locals>."
    reader, producer = sorted(report(buffered, name), key=lambda line: "buffer(3)" in line)
    assert reader.startswith(f"{__name__}.{inner}buffered ")
    assert reader.endswith(f"in {inner}buffered, waits in Stream.collect")
    assert producer == waits("buffer(3)", "items", "in a generator", "items", "Event.wait")
    never_name = f"{inner}never"
    assert waits(
        "map(never, concurrency=2) 1/2",
        never_name,
        "in a function",
        never_name,
        "Event.wait",
    ) in report(mapped, name)


@BACKENDS
def test_what_only_the_library_has_called_is_named_all_the_same(name: str) -> None:
    """Nobody reads it, so the task of the buffer is parked, in the library's own code."""

    async def unread() -> None:
        async with Stream(TrackedSource(range(9)).iterator).buffer(1):
            await anyio.Event().wait()

    lines = [line for line in report(unread, name) if line.startswith("buffer(1) ")]
    assert len(lines) == 1
    assert "anystream" in lines[0].partition("): ")[2]


def test_tasks_of_asyncio_that_wait_for_a_future_or_a_task() -> None:
    async def a_future() -> None:
        await asyncio.get_running_loop().create_future()  # a future

    async def a_task() -> None:
        other = asyncio.create_task(a_future(), name="other")
        await other  # a task

    function = "test_tasks_of_asyncio_that_wait_for_a_future_or_a_task.<locals>."
    assert report(a_task, "asyncio") == [
        waits("other", f"{function}a_future", "a future", f"{function}a_future", "Future"),
        waits(
            f"{__name__}.{function}a_task",
            f"{function}a_task",
            "a task",
            f"{function}a_task",
            "task other",
        ),
    ]


class Opaque(Coroutine[Any, Any, None]):
    """A coroutine that tells nothing of itself, as compiled ones do."""

    def __init__(self) -> None:
        self.steps = an_event()

    def send(self, value: Any) -> Any:
        return self.steps.send(value)

    def throw(self, *args: Any) -> Any:
        return self.steps.throw(*args)

    def close(self) -> None:
        self.steps.close()

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self.steps.__await__()


def test_a_task_without_frames() -> None:
    async def wait_for_it() -> None:
        task = asyncio.create_task(Opaque(), name="compiled")
        await task

    assert "compiled (Opaque): waits in Opaque" in report(wait_for_it, "asyncio")


@BACKENDS
def test_of_many_tasks_some_are_named(name: str) -> None:
    async def many() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(SHOWN + 2):
                tasks.start_soon(an_event)

    lines = report(many, name)
    assert len(lines) == SHOWN + 1
    assert lines[-1] == "and 3 more"


def test_the_test_runner_is_not_named(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["anystream.testing.plugin"]')
    pytester.makepyfile(
        """
        import anyio

        async def test_deadlock():
            await anyio.Event().wait()
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    lines = [line for line in result.outlines if line.startswith("E ") and "waits in" in line]
    assert len(lines) == 2
    for line in lines:
        assert "(test_deadlock): " in line
        assert ", line 4, in test_deadlock, waits in Event.wait" in line


async def test_the_place_of_something_suspended() -> None:
    program = deeper()
    places = list[str]()
    with anyio.move_on_after(1):
        await drive(program, lambda: places.append(place_of(program)))
    assert {place.partition("line ")[2].partition(", ")[2] for place in places} == {
        "in an_event, waits in Event.wait"
    }
