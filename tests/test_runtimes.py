"""Pipelines with tasks in other runtimes than those of all the other tests, and an interrupt there.

Each test starts a run of its own, on the real clock of the runtime.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import anyio
import pytest
import trio
from anyio.lowlevel import checkpoint
from chaos import eager_loop

import anystream
from anystream import (
    Sender,
    Stream,
    WrongTaskError,
    async_range,
    chain,
    from_thread,
    merge,
    producer,
)
from anystream._core.backends import backend
from anystream._core.interrupts import given, interruptible, protected
from anystream._operators.share import Holder
from anystream.testing import TrackedSource
from anystream.testing.sweep import assert_sound
from anystream.testing.tasks import running_tasks

ITEMS = [0, 1, 2, 3, 4]
CLEANUP = 0.001


class Runtime(NamedTuple):
    backend: str
    options: dict[str, Any]
    needs: Callable[[], object] = int  # skips where it is not to be had

    def run(self, program: Callable[[], Awaitable[None]]) -> None:
        self.needs()
        anyio.run(program, backend=self.backend, backend_options=self.options)


def python_312() -> None:
    if sys.version_info < (3, 12):
        pytest.skip("asyncio has had eager tasks since Python 3.12")


def uvloop() -> None:
    pytest.importorskip("uvloop", reason="an alternative event loop, which need not be installed")


RUNTIMES = {
    "asyncio": Runtime("asyncio", {}),
    "debug mode": Runtime("asyncio", {"debug": True}),
    "eager tasks": Runtime(
        "asyncio", {"loop_factory": partial(eager_loop, asyncio.new_event_loop)}, python_312
    ),
    "uvloop": Runtime("asyncio", {"use_uvloop": True}, uvloop),
    "trio": Runtime("trio", {}),
}
everywhere = pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES.keys())


async def ends() -> None:
    source = TrackedSource(ITEMS, cleanup=CLEANUP)
    for size in (0, 1, 10):
        assert await Stream(source.generator).buffer(size).map(str).collect() == list("01234")
    inner = Stream(source.generator).buffer(1)
    assert await async_range(2).flat_map(lambda _: inner).buffer(1).collect() == ITEMS * 2
    assert (source.opened, source.open_runs) == (5, 0)


async def is_left() -> None:
    for pause in (0, 60):
        source = TrackedSource(ITEMS, pause=pause, cleanup=CLEANUP)
        async with chain([7], Stream(source.generator).buffer(1)) as items:
            assert await anext(items) == 7
            await anyio.sleep(0.01)
        assert (source.opened, source.open_runs) == (1, 0)


async def merges_and_fails() -> None:
    sources = [TrackedSource(ITEMS, pause=60, cleanup=CLEANUP) for _ in range(3)]
    failing = TrackedSource(ITEMS, errors={3: OSError("one")}, cleanup=CLEANUP)
    streams = [Stream(source.generator) for source in (*sources, failing)]
    with pytest.raises(OSError, match="one"):
        await merge(*streams, buffer=1).drain()
    assert all(source.open_runs == 0 for source in (*sources, failing))


async def holds_scopes() -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep_forever)
                for item in ITEMS:
                    await checkpoint()
                    yield item
                tasks.cancel_scope.cancel()

    stream = Stream(numbers).buffer(0)
    assert await stream.collect() == ITEMS
    async with stream as first, stream as second:
        for item in ITEMS[:3]:
            with anyio.fail_after(60):
                assert await anext(first) == await anext(second) == item


async def is_timed_out() -> None:
    source = TrackedSource(ITEMS, pause=0.02, cleanup=CLEANUP)
    got: list[int] = []
    async with Stream(source.generator).buffer(0) as items:
        while len(got) < 3:
            with anyio.move_on_after(0.005):
                got.append(await anext(items))
    assert got == [0, 1, 2]
    assert source.open_runs == 0


async def is_cancelled() -> None:
    source = TrackedSource(ITEMS, pause=60, cleanup=CLEANUP)
    stream = merge(Stream(source.generator), Stream(source.generator))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.drain)
        while source.opened < 2:
            await checkpoint()
        tasks.cancel_scope.cancel()
    assert source.open_runs == 0


async def is_a_generator() -> None:
    source = TrackedSource(ITEMS, cleanup=CLEANUP)
    generator = Stream(source.generator).buffer(1).as_generator()
    async for item in generator:
        if item == 2:
            break
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(generator.aclose)
    assert source.open_runs == 0
    assert [item async for item in Stream(source.generator).as_generator()] == ITEMS


PROGRAMS = [
    ends,
    is_left,
    merges_and_fails,
    holds_scopes,
    is_timed_out,
    is_cancelled,
    is_a_generator,
]


@everywhere
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_pipeline_with_tasks(
    runtime: Runtime, program: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        before = running_tasks()
        await program()
        await assert_sound(before)

    runtime.run(main)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def interrupt(item: int) -> int:
    if item == 1:
        signal.raise_signal(signal.SIGINT)
    return item


async def never_mind(item: int) -> int:
    await checkpoint()
    return item


@everywhere
@pytest.mark.parametrize(
    "make",
    [
        lambda s: s.map(interrupt).map(never_mind),
        lambda s: s.buffer(1).map(interrupt).map(never_mind),
        lambda s: s.map(interrupt).buffer(1),
        lambda s: s.map(interrupt).map(never_mind).buffer(0).map(never_mind).buffer(1),
        lambda s: merge(s, s.map(interrupt)),
    ],
    ids=["segment", "segment behind a task", "task", "task of two", "one of the merged"],
)
def test_an_interrupt_comes_bare_with_every_source_closed(
    runtime: Runtime, make: Callable[[Stream[int]], Stream[int]]
) -> None:
    source = TrackedSource(ITEMS)
    left: list[str] = []

    async def main() -> None:
        try:
            async with make(Stream(source.iterator)) as items:
                async for _ in items:
                    pass
                await anyio.sleep(1)  # asyncio tells the main task at its next step
            left.append("as if nothing had happened")
        finally:
            left.append("closed" if source.open_runs == 0 else "open")

    with pytest.raises(KeyboardInterrupt):
        runtime.run(main)
    assert left == ["closed"]


@everywhere
@pytest.mark.skipif(os.name == "nt", reason="has no signals from one thread to another")
def test_an_interrupt_while_a_thread_is_blocked(runtime: Runtime) -> None:
    """The thread is left alone, and the delay is no reason to say anything else."""
    released = threading.Event()

    def blocking() -> Iterator[int]:
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT]).start()
        yield 1
        released.wait(10)

    async def main() -> None:
        try:
            await from_thread(blocking).with_grace(0.1).drain()
        finally:
            released.set()

    with pytest.raises(KeyboardInterrupt):
        runtime.run(main)


@everywhere
@pytest.mark.parametrize("buffered", [False, True])
def test_an_interrupt_while_a_cleanup_hangs(runtime: Runtime, buffered: bool) -> None:
    source = TrackedSource(ITEMS, cleanup=10)

    async def main() -> None:
        items = Stream(source.generator).with_grace(0.05)
        async with items.buffer(0) if buffered else items as run:
            await anext(run)
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        runtime.run(main)
    assert source.open_runs == 1


@everywhere
@pytest.mark.skipif(os.name == "nt", reason="has no signals from one thread to another")
def test_an_interrupt_while_the_tasks_clean_up(runtime: Runtime) -> None:
    """The cleanup is complete, and the interrupt comes out bare."""
    closed: list[str] = []

    async def source() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            threading.Timer(0.02, os.kill, [os.getpid(), signal.SIGINT]).start()
            await anyio.sleep(0.1)
            closed.append("source")

    async def main() -> None:
        async with Stream(source).buffer(0) as items:
            await anext(items)
        await anyio.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        runtime.run(main)
    assert closed == ["source"]


async def busy(n: int) -> int:
    signal.raise_signal(signal.SIGINT)
    reached.append(n)
    return n


async def busy_generator() -> AsyncIterator[int]:
    yield await busy(1)


@producer
async def busy_sender(sender: Sender[int]) -> None:
    await sender.send(await busy(1))


reached: list[int] = []
BUSY: dict[str, Callable[[], Stream[int]]] = {
    "function": lambda: Stream([1]).map(busy),
    "partial": lambda: Stream([1]).map(partial(busy)),
    "function in a task": lambda: Stream([1]).map(busy, concurrency=2),
    "generator function": lambda: Stream(busy_generator).buffer(1),
    "generator": lambda: Stream(busy_generator()),
    "decorated generator": lambda: anystream.stream(busy_generator)().buffer(1),
    "producer": busy_sender,
}


@pytest.mark.parametrize("name", BUSY)
def test_a_function_of_the_users_is_interrupted_at_once(name: str) -> None:
    """It might block for ever; on asyncio the second Ctrl-C is for that."""
    reached.clear()
    with pytest.raises(KeyboardInterrupt):
        trio.run(lambda: BUSY[name]().drain())
    assert reached == []


def test_a_function_need_not_be_of_a_module() -> None:
    names: dict[str, Any] = {"Stream": Stream, "__builtins__": {"__import__": __import__}}
    exec("async def numbers():\n    yield 1\n", names)
    stream = eval("Stream(numbers()).map(lambda n: -n).map((-1).__mul__)", names)
    assert trio.run(stream.collect) == [1]


def test_a_function_that_its_author_has_protected_is_not() -> None:
    @trio.lowlevel.enable_ki_protection
    def critical(n: int) -> int:
        signal.raise_signal(signal.SIGINT)
        reached.append(n)
        return n

    reached.clear()
    with pytest.raises(KeyboardInterrupt):
        trio.run(lambda: Stream([1]).map(critical).drain())
    assert reached == [1]


@pytest.mark.parametrize("own", [anyio.sleep, trio.Event.set, vars(Holder)["__aenter__"]])
def test_what_knows_itself_what_may_be_interrupted_is_left_as_it_is(own: Any) -> None:
    interruptible((own, partial(own, 1)))
    assert id(own.__code__) not in given


def test_a_generator_that_is_over_is_left_as_it_is() -> None:
    async def none() -> AsyncIterator[int]:
        yield 1

    over: Any = none()
    trio.run(over.aclose)
    interruptible((over,))
    assert id(over.ag_code) not in given


def test_what_is_imported_when_trio_runs_is_protected_too() -> None:
    async def main() -> bool:
        await Stream([1]).collect()

        @protected
        def later() -> bool:
            return trio.lowlevel.currently_ki_protected()

        return later()

    assert trio.run(main)


@pytest.mark.parametrize("other", ["asyncio", "trio"])
@everywhere
def test_a_step_in_another_event_loop_is_an_error(runtime: Runtime, other: str) -> None:
    """Its tasks are in the one that it was opened in, and could not wake it."""
    source = TrackedSource(ITEMS, pause=0.001)

    async def main() -> None:
        elsewhere = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
        stream = Stream(source.generator).buffer(2)
        leave = partial(stream.__aexit__, None, None, None)
        async with stream as items:
            with pytest.raises(WrongTaskError, match="another event loop"):
                await elsewhere(lambda: anyio.run(items.__anext__, backend=other))
            with pytest.raises(WrongTaskError, match="was entered in another task"):
                await elsewhere(lambda: anyio.run(leave, backend=other))
            assert await anext(items) == 0
        async with Stream(source.generator).share() as shared:
            with pytest.raises(WrongTaskError, match="another event loop"):
                await elsewhere(lambda: anyio.run(shared.first, backend=other))
            assert await shared.first() == 0

    runtime.run(main)
    assert source.open_runs == 0


class Refusing(asyncio.SelectorEventLoop):
    """Takes no timer for a time that is over."""

    def call_at(self, when: float, *arguments: Any, **context: Any) -> asyncio.TimerHandle:
        if when < self.time():
            raise ValueError("Can't schedule in the past")
        return super().call_at(when, *arguments, **context)


ALARMED = RUNTIMES | {"Pyodide": Runtime("asyncio", {"loop_factory": Refusing})}


@pytest.mark.parametrize("runtime", ALARMED.values(), ids=ALARMED.keys())
def test_an_alarm_that_is_late(runtime: Runtime) -> None:
    """uvloop does not tell of a timer without a delay when it is due; Pyodide refuses it."""

    async def main() -> None:
        loop = backend()
        slots = [loop.new_slot() for _ in range(2)]

        def ring() -> None:
            for slot in slots:
                loop.answer(slot)

        now = loop.clock()()
        due = iter([now - 1, now - 2])
        alarm = loop.new_alarm(partial(next, due, 0.0), ring)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for slot in slots:
                    tasks.start_soon(alarm.wait, slot)
        alarm.stop()

    runtime.run(main)


@everywhere
def test_an_interrupt_of_the_body(runtime: Runtime) -> None:
    source = TrackedSource(ITEMS, cleanup=CLEANUP)

    async def main() -> None:
        async with Stream(source.generator).buffer(1).buffer(0) as items:
            await anext(items)
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        runtime.run(main)
    assert (source.opened, source.open_runs) == (1, 0)
