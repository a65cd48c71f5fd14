"""What a user's code infers of `anystream.testing`.

Checked by pyright and mypy, never run. A line with an ignore must fail: both report an ignore that
is not needed.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Literal, assert_type

import anyio
from given import make_list, numbers, text

from anystream import Stream
from anystream.testing import (
    MODES,
    Cut,
    Deadlock,
    Leak,
    LeakWatch,
    MarbleError,
    Mode,
    TrackedSource,
    assert_marbles,
    backend,
    cancel_everywhere,
    check_operator,
    every_cut,
    every_cut_anywhere,
    marbles,
    recorded,
)


async def diagrams() -> None:
    assert_type(marbles("a-b|", frame=0.1, values={"a": 1}), Stream[Any])
    assert_type(marbles("#", error=MarbleError()), Stream[Any])
    assert_type(await recorded(Stream("ab"), busy=1, until=5), str)
    assert_type(await assert_marbles(Stream([1]), "(1|)"), None)
    marbles("a", 0.1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    marbles("#", error="failed")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await recorded("ab")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await assert_marbles(Stream([1]))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def sources(tracked: TrackedSource[int]) -> None:
    assert_type(TrackedSource(range(3), pause=None, errors={1: KeyError()}), TrackedSource[int])
    assert_type(tracked.generator(), AsyncGenerator[int, None])
    assert_type(Stream(tracked.generator), Stream[int])
    assert_type(Stream(tracked.iterator), Stream[int])
    assert_type(Stream(tracked.iterator()), Stream[int])
    assert_type(tracked.open_runs, int)
    assert_type(tracked.opened, int)
    assert_type(tracked.steps, int)
    assert_type(tracked.closes_started, int)
    assert_type(tracked.closes_finished, int)
    TrackedSource(numbers())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TrackedSource([1], 0.1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def cuts(items: AsyncIterator[int], into: list[int], texts: list[str]) -> None:
    assert_type(MODES, tuple[Mode, ...])
    assert_type(every_cut(), Iterator[Cut])
    assert_type(every_cut_anywhere(range(3)), Iterator[Cut])
    cut = Cut(1, anywhere=True, seed=5)
    assert_type(await cut.run(text(1)), str | None)
    assert_type(await cut.run(text(1), "native"), str | None)
    assert_type(await cut.collect(items, into), None)
    assert_type(cut.hit, bool)
    assert_type(cut.cancelled, bool)
    Cut("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    every_cut_anywhere(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await cut.run(text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await cut.run(text(1), "step")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await cut.collect(items, texts)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]


def sweeps() -> None:
    assert_type(cancel_everywhere(make_list, modes=["scope"], backends=["trio"]), int)
    cancel_everywhere(make_list())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cancel_everywhere(make_list, modes=["step"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    cancel_everywhere(text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def leaks() -> None:
    with LeakWatch() as watch:
        assert_type(watch, LeakWatch)
        assert_type(await watch.leaks(), list[Leak])
    leak = Leak("task", "numbers")
    assert_type(leak.kind, str)
    assert_type(leak.what, str)
    leak.kind = "open"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def operators(ints: Stream[int]) -> None:
    assert_type(check_operator(lambda s: s.map(str), [1, 2], ["1", "2"], pause=None), int)
    check_operator(ints, [1], [1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def run_on(name: Literal["asyncio", "trio"]) -> None:
    assert_type(backend(name, real_time=True), tuple[str, dict[str, Any]])
    try:
        anyio.run(make_list)
    except Deadlock as error:
        assert_type(error, Deadlock)
    except MarbleError as error:
        assert_type(error, MarbleError)
    backend(name, True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
