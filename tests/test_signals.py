"""Signals of the operating system as a stream."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from anystream import Stream, StreamConsumedError, chain, merge, signals, ticker
from anystream.testing import MODES, every_cut

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="asyncio has no handlers of signals there"),
    pytest.mark.real_time,
]

ONE, OTHER = signal.SIGUSR1, signal.SIGUSR2


def harmless(*_: object) -> None:
    """What trio delivers signals to that nobody has read."""


def is_caught(number: signal.Signals) -> bool:
    return signal.getsignal(number) not in (harmless, signal.SIG_DFL)


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
        with pytest.raises((RuntimeError, ValueError), match="main thread"):
            anyio.run(read, backend=anyio_backend_name)

    await run_sync(other_thread)


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="signals needs at least one"):
        signals()
    for wrong in (15, "SIGTERM", signal):
        with pytest.raises(TypeError, match=r"numbers must be of signal\.Signals"):
            signals(wrong)  # type: ignore[arg-type]


def test_how_it_is_written_down() -> None:
    assert "SIGUSR1" in repr(signals(ONE).take(1))
