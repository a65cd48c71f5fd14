"""Signals of the operating system as a stream."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import permutations
from typing import Any

import anyio
import pytest

from anystream import Stream, StreamConsumedError, chain, merge, signals, ticker
from anystream.testing import MODES, every_cut

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGUSR1"),
    pytest.mark.real_time,
]

ONE, OTHER = signal.SIGUSR1, signal.SIGUSR2


def harmless(*_: object) -> None:
    """What gets the signals that nobody has read."""


def is_caught(number: signal.Signals) -> bool:
    return signal.getsignal(number) is not harmless


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    for number in (ONE, OTHER):
        signal.signal(number, harmless)
    yield
    assert not is_caught(ONE)
    assert not is_caught(OTHER)
    for number in (ONE, OTHER):
        signal.signal(number, signal.SIG_DFL)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


async def test_those_that_come_from_the_opening_on() -> None:
    async with signals(ONE, OTHER) as received:
        send(ONE)  # before the first step
        assert await anext(received) is ONE
        send(OTHER)
        assert await anext(received) is OTHER


async def test_a_cancelled_step_loses_none() -> None:
    async with signals(ONE) as received:
        for _ in range(3):
            with anyio.move_on_after(0.01) as scope:
                await anext(received)
            assert scope.cancelled_caught
            send(ONE)
            assert await anext(received) is ONE


@pytest.mark.parametrize("mode", MODES)
async def test_cancelled_anywhere(mode: Any) -> None:
    for cut in every_cut():

        async def read() -> None:
            async with signals(ONE).take(2).buffer(1) as received:
                for _ in range(2):
                    if is_caught(ONE):  # it has not been stopped
                        send(ONE)
                    await anext(received)

        await cut.run(read(), mode)
        assert not is_caught(ONE)


async def test_the_handler_is_gone_however_it_is_left() -> None:
    with pytest.raises(KeyError):
        async with signals(ONE):
            assert is_caught(ONE)
            raise KeyError
    assert not is_caught(ONE)
    consumed = Stream(iter([1]))
    await consumed.drain()
    with pytest.raises(StreamConsumedError):
        async with merge(signals(ONE), consumed):
            raise AssertionError("this must not run")
    assert not is_caught(ONE)
    async with signals(ONE) as received:
        await received.aclose()
        assert not is_caught(ONE)


async def test_a_bare_loop_that_is_cancelled() -> None:
    with anyio.move_on_after(0.05):
        async for _ in signals(ONE):
            raise AssertionError("this must not run")
    assert not is_caught(ONE)


async def test_every_open_stream_gets_each_signal() -> None:
    async with signals(ONE) as first, signals(ONE, OTHER) as second, signals(OTHER) as third:
        send(ONE)
        send(OTHER)
        assert await anext(first) is ONE
        assert [await anext(second), await anext(second)] == [ONE, OTHER]
        assert await anext(third) is OTHER


async def test_a_stream_gets_no_signal_from_before_its_opening() -> None:
    async with signals(ONE, OTHER) as first:
        send(ONE)
        async with signals(ONE, OTHER) as second:
            send(OTHER)
            assert await anext(second) is OTHER
        assert [await anext(first), await anext(first)] == [ONE, OTHER]


async def test_readers_that_wait_at_once_get_one_signal() -> None:
    got = list[str]()

    async def read(name: str) -> None:
        got.append(f"{name} {await signals(ONE).first()!r}")

    async with anyio.create_task_group() as tasks:
        for name in "ab":
            tasks.start_soon(read, name)
        await anyio.wait_all_tasks_blocked()
        send(ONE)
    assert sorted(got) == [f"a {ONE!r}", f"b {ONE!r}"]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_they_are_closed_in_any_order(order: tuple[int, ...]) -> None:
    streams = [signals(ONE), signals(ONE, OTHER), signals(ONE, ONE)]
    async with AsyncExitStack() as stack:
        runs = [await stack.enter_async_context(each) for each in streams]
        for position, number in enumerate(order):
            await runs[number].aclose()
            left = [runs[each] for each in order[position + 1 :]]
            assert is_caught(ONE) == bool(left)
            assert is_caught(OTHER) == (runs[1] in left)
            if left:
                send(ONE)
            for run in left:
                assert await anext(run) is ONE


class Heard:
    """A handler of the process's own."""

    def __init__(self) -> None:
        self.numbers = list[int]()

    def __call__(self, number: int, _: object) -> None:
        self.numbers.append(number)


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    for number in (ONE, OTHER):
        signal.signal(number, heard)
    yield heard
    for number in (ONE, OTHER):
        assert signal.getsignal(number) is heard
        signal.signal(number, harmless)


async def test_what_nobody_has_read_is_delivered_again(heard: Heard) -> None:
    async with signals(ONE, OTHER) as first:
        async with signals(ONE):
            for number in (OTHER, ONE, ONE):
                send(number)
        assert heard.numbers == []  # the first stream can still read them
        assert await anext(first) is OTHER
    assert heard.numbers == [ONE, ONE]


async def test_what_another_stream_has_read_is_not_delivered_again(heard: Heard) -> None:
    for closed_first in (0, 1):
        async with signals(ONE) as first, signals(ONE) as second:
            send(ONE)
            assert await anext(second) is ONE
            await (first, second)[closed_first].aclose()
        assert heard.numbers == []


async def test_each_is_delivered_again_though_a_handler_raises() -> None:
    heard = Heard()

    def fails(number: int, _: object) -> None:
        heard(number, _)
        raise KeyError(number)

    signal.signal(ONE, fails)
    signal.signal(OTHER, heard)
    try:
        with pytest.raises(KeyError):
            async with signals(ONE, OTHER):
                send(ONE)
                send(OTHER)
        assert heard.numbers == [ONE, OTHER]
    finally:
        signal.signal(ONE, harmless)
        signal.signal(OTHER, harmless)


async def test_an_opening_that_fails_leaves_no_handler(heard: Heard) -> None:
    try:
        async with signals(ONE, OTHER, signal.SIGKILL):
            raise AssertionError("this must not run")
    except OSError:  # whose traceback keeps what has been opened
        assert signal.getsignal(ONE) is heard
        assert signal.getsignal(OTHER) is heard


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_stream_that_is_dropped_catches_no_more() -> None:
    run = await signals(ONE).__aenter__()
    assert is_caught(ONE)
    del run
    gc.collect()
    assert not is_caught(ONE)


async def test_it_ends_another_stream() -> None:
    numbers = ticker(0.01).tap(lambda _: send(ONE)).take_until(signals(ONE))
    assert len(await numbers.collect()) < 100
    first = chain(signals(ONE).take(1), [5])
    async with first as items:
        send(ONE)
        assert [item async for item in items] == [ONE, 5]


PROGRAM = """
import signal, sys
import anyio
from anystream import signals, ticker

async def main():
    async with ticker(0.01).take_until(signals(signal.SIGTERM)) as ticks:
        print("ready", flush=True)
        async for _ in ticks:
            pass
    print("clean")

anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_program_ends_in_order(backend: str) -> None:
    command = [sys.executable, "-c", PROGRAM, backend]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.terminate()
        assert program.stdout.read() == "clean\n"
    assert program.returncode == 0


async def test_only_in_the_main_thread(anyio_backend_name: str) -> None:
    from anyio.to_thread import run_sync

    async def read() -> None:
        async with signals(ONE):
            raise AssertionError("this must not run")

    def other_thread() -> None:
        with pytest.raises(ValueError, match="main thread"):
            anyio.run(read, backend=anyio_backend_name)

    await run_sync(other_thread)
    async with signals(ONE):  # which is the only one
        assert is_caught(ONE)
    assert not is_caught(ONE)


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="signals needs at least one"):
        signals()
    for wrong in (15, "SIGTERM", signal):
        with pytest.raises(TypeError, match=r"numbers must be of signal\.Signals"):
            signals(wrong)  # type: ignore[arg-type]


def test_how_it_is_written_down() -> None:
    assert "SIGUSR1" in repr(signals(ONE).take(1))


async def test_a_handler_that_was_not_set_from_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as None, which cannot be set again."""
    set_by_python = signal.signal

    def set_handler(number: Any, handler: Any) -> Any:
        set_by_python(number, handler)

    with monkeypatch.context() as patched:
        patched.setattr(signal, "signal", set_handler)
        async with signals(ONE):
            pass
    assert signal.getsignal(ONE) == signal.SIG_DFL
    signal.signal(ONE, harmless)
