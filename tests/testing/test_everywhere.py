"""A program is cancelled at each point, and what goes wrong at any of them is told."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

from anystream import Stream
from anystream.testing import Cut, TrackedSource, cancel_everywhere, check_operator
from anystream.testing.tasks import in_trio

outcomes = Counter[str]()


@pytest.fixture(autouse=True)
def no_outcomes() -> None:
    outcomes.clear()


async def three_sleeps() -> None:
    """Suspends three times, and counts where it was cancelled."""
    backend = "trio" if in_trio() else "asyncio"
    for n in range(3):
        try:
            await anyio.sleep(100)
        except BaseException:
            outcomes[f"{backend} {n}"] += 1
            raise
    outcomes[f"{backend} done"] += 1


async def sleep_beside_others() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(three_sleeps)
        tasks.start_soon(three_sleeps)


def complaints(raised: pytest.ExceptionInfo[AssertionError]) -> list[str]:
    return [line.strip() for line in str(raised.value).splitlines()]


def test_each_suspension_is_swept_on_each_backend_in_each_mode() -> None:
    assert cancel_everywhere(three_sleeps) == 9
    on_asyncio, on_trio = (
        {f"{name} {where}": count for where in (0, 1, 2, "done")}
        for name, count in (("asyncio", 2), ("trio", 1))
    )
    assert outcomes == on_asyncio | on_trio


def test_a_mode_and_a_backend() -> None:
    assert cancel_everywhere(three_sleeps, modes=["native"]) == 3
    assert cancel_everywhere(three_sleeps, backends=["trio"]) == 3
    assert cancel_everywhere(three_sleeps, backends=["trio"], modes=["native"]) == 0


def test_each_step_of_any_task_is_swept() -> None:
    def swept(name: str, *seeds: int) -> int:
        return cancel_everywhere(sleep_beside_others, backends=[name], anywhere=True, seeds=seeds)

    alone = cancel_everywhere(sleep_beside_others, backends=["trio"])
    assert swept("trio", 7) > 2 * alone
    assert swept("trio", 7, 8) == swept("trio", 7) + swept("trio", 8)
    assert swept("asyncio") > 2 * alone


async def closes_only_if_it_comes_to_the_end() -> None:
    source = TrackedSource(range(2), pause=1)
    items = source.iterator()
    try:
        assert await anext(items) == 0
        assert await anext(items) == 1  # the second
        await items.aclose()
    finally:
        assert source.open_runs == 0, "it is open"


def test_each_bad_point_is_named_with_its_line_and_its_error() -> None:
    with pytest.raises(AssertionError) as raised:
        cancel_everywhere(closes_only_if_it_comes_to_the_end, backends=["asyncio"])
    title, first, *others = complaints(raised)
    assert title == "6 of 8 runs failed"
    line = closes_only_if_it_comes_to_the_end.__code__.co_firstlineno + 4
    function = "closes_only_if_it_comes_to_the_end"
    place = f"{__file__}, line {line}, in {function}, waits in TrackedIterator.__anext__"
    assert first == f"asyncio, scope, cancelled at point 1 ({place}): AssertionError: it is open"
    assert [other.split(" (")[0] for other in others] == [
        "asyncio, scope, cancelled at point 2",
        "asyncio, scope, cancelled at point 3",
        "asyncio, native, cancelled at point 1",
        "asyncio, native, cancelled at point 2",
        "asyncio, native, cancelled at point 3",
    ]
    assert isinstance(raised.value.__cause__, AssertionError)
    assert str(raised.value.__cause__).startswith("it is open")


def test_a_bad_step_elsewhere_is_named_with_its_seed() -> None:
    async def fragile() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails_if_cancelled)

    async def fails_if_cancelled() -> None:
        try:
            await anyio.sleep(1)
        except BaseException:
            raise ValueError("cancelled") from None

    with pytest.raises(AssertionError) as raised:
        cancel_everywhere(fragile, backends=["trio"], anywhere=True, seeds=[3])
    _, *lines = complaints(raised)
    for line in lines:
        assert line.startswith("trio, scope, seed 3, cancelled at point ")
        assert line.endswith("waits in TaskGroup.__aexit__): ValueError: cancelled")


def test_a_program_that_is_wrong_in_itself() -> None:
    async def broken() -> None:
        raise ValueError("boom")

    with pytest.raises(AssertionError) as raised:
        cancel_everywhere(broken)
    _, *lines = complaints(raised)
    assert lines == [
        f"{kind}, not cancelled: ValueError: boom"
        for kind in ("asyncio, scope", "asyncio, native", "trio, scope, seed 0")
    ]


async def leaves_a_task() -> None:
    if in_trio():
        trio.lowlevel.spawn_system_task(anyio.sleep_forever)
    else:
        kept.append(asyncio.ensure_future(anyio.sleep_forever()))
    await anyio.lowlevel.checkpoint()


async def leaves_a_generator() -> None:
    items = TrackedSource(range(2)).generator()
    kept.append(items)
    await anext(items)


async def logs_an_error() -> None:
    logging.getLogger("program").error("it is wrong")


async def hangs_when_it_is_cancelled() -> None:
    try:
        await anyio.sleep(1)
    finally:
        with anyio.CancelScope(shield=True):
            if anyio.current_time() < 1:
                await anyio.sleep_forever()


kept: list[object] = []


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        (leaves_a_task, "AssertionError: tasks were left behind"),
        (leaves_a_generator, "AssertionError: it left behind open: TrackedSource.generator"),
        (logs_an_error, "AssertionError: it left behind logged: program: it is wrong"),
        (hangs_when_it_is_cancelled, "Deadlock: every task is blocked"),
    ],
)
@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_leaks_and_hangs_are_bad(
    program: Callable[[], Coroutine[Any, Any, None]], complaint: str, name: str
) -> None:
    try:
        with pytest.raises(AssertionError) as raised:
            cancel_everywhere(program, backends=[name])
    finally:
        kept.clear()
    assert complaint in complaints(raised)[1]


@pytest.mark.parametrize("name", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(), pytest.skip.Exception("not today")], ids=repr
)
def test_an_interruption_of_the_sweep_ends_it(error: BaseException, name: str) -> None:
    async def interrupted() -> None:
        async with anyio.create_task_group():
            outcomes["runs"] += 1
            raise error

    with pytest.raises(BaseExceptionGroup) as raised:
        cancel_everywhere(interrupted, backends=[name])
    assert raised.value.exceptions == (error,)
    assert outcomes["runs"] == 1


async def test_it_is_not_called_in_an_event_loop() -> None:
    with pytest.raises(RuntimeError, match="Already running"):
        cancel_everywhere(three_sleeps)


def test_a_program_has_no_parameters() -> None:
    program: Any = anyio.sleep
    with pytest.raises(TypeError, match="delay"):
        cancel_everywhere(program)


async def generates() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("program", [None, generates, dict, list])
def test_a_program_is_an_async_function(program: Any) -> None:
    message = "program must be an async function without parameters, got "
    with pytest.raises(TypeError, match=re.escape(f"{message}{program!r}")):
        cancel_everywhere(program)


def test_backends_are_several() -> None:
    checks: list[Callable[..., object]] = [
        partial(cancel_everywhere, three_sleeps),
        partial(check_operator, lambda s: s, [1], [1]),
    ]
    for check in checks:
        with pytest.raises(TypeError, match=r"several names, such as \['trio'\], got 'trio'$"):
            check(backends="trio")


def test_modes_are_some_of_the_two() -> None:
    one: Any = "native"
    with pytest.raises(TypeError, match=r"^modes must be several names, such as \['native'\], got"):
        cancel_everywhere(three_sleeps, modes=one)
    wrong: Any = ["scopes"]
    with pytest.raises(ValueError, match=r"^mode must be one of 'scope', 'native', got 'scopes'$"):
        cancel_everywhere(three_sleeps, modes=wrong)


async def test_the_mode_of_a_cut_is_one_of_the_two() -> None:
    wrong: Any = "scopes"
    sleep = three_sleeps()
    with pytest.raises(ValueError, match=r"^mode must be one of 'scope', 'native', got 'scopes'$"):
        await Cut(1).run(sleep, wrong)
    sleep.close()


def test_a_stream_survives_it() -> None:
    async def program() -> None:
        source = TrackedSource(range(3), pause=1)
        received = list[int]()
        try:
            async with Stream(source.iterator).buffer(1) as items:
                async for item in items:
                    received.append(item)
            assert received == [0, 1, 2]
        finally:
            assert received == [*range(len(received))]
            assert source.open_runs == 0

    assert cancel_everywhere(program) > 9
    assert cancel_everywhere(program, anywhere=True, seeds=[1]) > 30
