"""Streams in code that is not async."""

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from functools import partial
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint

from anystream import (
    CleanupTimeoutError,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
    async_range,
    to_sync,
)
from anystream.testing import TrackedSource
from bridges import FORM, ITEMS, Form, setting

BACKEND = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture(autouse=True)
def no_event_loop_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if "to_sync" in thread.name]


@BACKEND
@FORM
@pytest.mark.parametrize("pause", [None, 0])
def test_to_sync_gives_the_same_items(form: Form, backend: str, pause: float | None) -> None:
    source = TrackedSource(ITEMS, pause=pause)
    with to_sync(form(Stream(source.generator)), backend) as items:
        assert list(items) == ITEMS
        assert list(items) == []
        with pytest.raises(StopIteration):
            next(items)
    with pytest.raises(StopIteration):
        next(items)
    assert source.opened == source.closes_finished == 1


@BACKEND
def test_to_sync_of_a_share_enters_it(backend: str) -> None:
    shared: Any = async_range(3).share()
    with to_sync(shared, backend) as items:
        assert list(items) == [0, 1, 2]


@BACKEND
def test_to_sync_of_many_items(backend: str) -> None:
    with to_sync(async_range(30_000).map(str), backend) as items:
        assert list(items) == [*map(str, range(30_000))]


def test_to_sync_takes_what_a_stream_takes() -> None:
    with to_sync(iter("abc")) as items:
        assert [*items] == ["a", "b", "c"]
    with to_sync(TrackedSource(ITEMS).generator(), "trio") as items:
        assert [*items] == ITEMS


@BACKEND
@FORM
def test_leaving_a_block_early_closes_with_the_cleanup_complete(form: Form, backend: str) -> None:
    for length in range(len(ITEMS) + 1):
        source = TrackedSource(ITEMS, cleanup=0.001)
        with to_sync(form(Stream(source.iterator)), backend) as items:
            assert [next(items) for _ in range(length)] == ITEMS[:length]
        assert source.opened == source.closes_started == source.closes_finished <= 1
        assert source.stepped_by in (set(), {*source.closed_by})
        if length < len(ITEMS):
            with pytest.raises(StreamClosedError, match=r"inside `with to_sync\("):
                next(items)


@BACKEND
@FORM
def test_an_error_of_the_source_comes_to_the_thread_at_its_place(form: Form, backend: str) -> None:
    for index in range(len(ITEMS) + 1):
        error = OSError(index)
        source = TrackedSource(ITEMS, errors={index: error})
        got: list[int] = []
        with to_sync(form(Stream(source.generator)), backend) as items:
            with pytest.raises(OSError, match=str(index)) as caught:
                got.extend(items)
            assert caught.value is error
            assert error.__context__ is None
            assert [*items] == []
        assert got == ITEMS[:index]
        assert source.open_runs == 0


class NoErrors(Exception):
    """One that is empty, and so is false."""

    def __len__(self) -> int:
        return 0


@BACKEND
def test_an_error_that_is_false_is_one_as_any_other(backend: str) -> None:
    told: list[Any] = []

    def failing() -> Iterator[int]:
        yield 1
        raise NoErrors

    with pytest.raises(NoErrors), to_sync(Stream(failing).on_close(told.append), backend) as items:
        assert next(items) == 1
        next(items)
    assert [type(each) for each in told] == [NoErrors]


@BACKEND
def test_the_items_before_an_error_come_first(backend: str) -> None:
    def inverse(n: int) -> float:
        return 1 / (5 - n)

    got: list[float] = []
    with (
        pytest.raises(ZeroDivisionError),
        to_sync(async_range(10).map(inverse), backend) as items,
    ):
        got.extend(items)
        raise AssertionError("this must not run")
    assert got == [*map(inverse, range(5))]


@BACKEND
@FORM
@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, StopIteration])
def test_an_error_of_the_block_comes_out_bare(
    form: Form, backend: str, kind: type[BaseException]
) -> None:
    source = TrackedSource(ITEMS, cleanup=0.001)
    error = kind("body")
    with (
        pytest.raises(kind) as caught,
        to_sync(form(Stream(source.generator)), backend) as items,
    ):
        next(items)
        raise error
    assert caught.value is error
    assert error.__context__ is None
    assert source.opened == source.closes_finished == 1


@BACKEND
def test_an_error_of_the_cleanup_comes_at_the_end_of_the_block(backend: str) -> None:
    source = TrackedSource(ITEMS, cleanup_error=OSError("cleanup"))
    with (
        pytest.raises(OSError, match="cleanup"),
        to_sync(Stream(source.generator), backend) as items,
    ):
        next(items)
    with (
        pytest.RaisesGroup(KeyError, OSError),
        to_sync(Stream(source.generator), backend) as items,
    ):
        next(items)
        raise KeyError


@BACKEND
def test_a_cleanup_that_hangs_does_not_hold_the_thread(backend: str) -> None:
    source = TrackedSource(ITEMS, cleanup=float("inf"))
    with (
        pytest.raises(CleanupTimeoutError),
        to_sync(Stream(source.generator).with_grace(0.1), backend) as items,
    ):
        next(items)


def interrupt_soon(go: threading.Event) -> threading.Thread:
    def interrupt() -> None:
        go.wait()
        time.sleep(0.02)  # until the main thread waits
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


async def waits(
    reached: threading.Event, go_on: threading.Event, *errors: Exception
) -> AsyncGenerator[int, None]:
    yield 1
    try:
        reached.set()
        while not go_on.is_set():  # noqa: ASYNC110  # another thread sets it
            await anyio.sleep(0.001)
        yield 2
        reached.set()
        yield 3
    finally:
        for error in errors:
            raise error


@BACKEND
@FORM
def test_a_keyboard_interrupt_while_waiting_for_an_item(form: Form, backend: str) -> None:
    reached, never = threading.Event(), threading.Event()
    thread = interrupt_soon(reached)
    with (
        pytest.raises(KeyboardInterrupt),
        to_sync(form(Stream(lambda: waits(reached, never))), backend) as items,
    ):
        for _ in items:
            pass
    thread.join()


class SlowToOpen:
    """Blocks its event loop as it opens."""

    def __init__(self) -> None:
        self.source = TrackedSource(ITEMS)
        self.reached = threading.Event()

    def __aiter__(self) -> AsyncGenerator[int, None]:
        self.reached.set()
        time.sleep(0.1)
        return self.source.generator()


@BACKEND
def test_a_keyboard_interrupt_while_it_opens(backend: str) -> None:
    rows = SlowToOpen()
    thread = interrupt_soon(rows.reached)
    with pytest.raises(KeyboardInterrupt), to_sync(rows, backend):
        raise AssertionError("this must not run")
    thread.join()


@BACKEND
@FORM
def test_an_interrupted_step_may_be_repeated(form: Form, backend: str) -> None:
    reached, go_on = threading.Event(), threading.Event()
    thread = interrupt_soon(reached)
    with to_sync(form(Stream(lambda: waits(reached, go_on))), backend) as items:
        assert next(items) == 1
        with pytest.raises(KeyboardInterrupt):
            next(items)
        go_on.set()
        reached.clear()
        assert next(items) == 2
        time.sleep(0.01)
        if "buffer(3)" not in repr(items):
            assert not reached.is_set()  # it has not been asked for more
        assert [*items] == [3]
    thread.join()


@BACKEND
def test_an_error_of_a_step_that_leaving_has_interrupted(backend: str) -> None:
    reached, never = threading.Event(), threading.Event()
    thread = interrupt_soon(reached)
    with (
        pytest.RaisesGroup(KeyboardInterrupt, OSError),
        to_sync(Stream(lambda: waits(reached, never, OSError("step"))), backend) as items,
    ):
        for _ in items:
            pass
    thread.join()


@BACKEND
@FORM
def test_leaving_while_another_thread_waits_for_an_item(form: Form, backend: str) -> None:
    reached, never = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def read(items: Iterator[int]) -> None:
        try:
            for _ in items:
                pass
        except BaseException as exc:
            errors.append(exc)

    with to_sync(form(Stream(lambda: waits(reached, never))), backend) as items:
        threads = [threading.Thread(target=read, args=[items]) for _ in range(3)]
        for thread in threads:
            thread.start()
        reached.wait()
    for thread in threads:
        thread.join()
    assert [*map(type, errors)] == [StreamClosedError] * 3


@BACKEND
def test_threads_share_the_items(backend: str) -> None:
    got: list[int] = []
    with to_sync(async_range(20_000), backend) as items:
        threads = [threading.Thread(target=lambda: got.extend(items)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(got) == [*range(20_000)]


def test_an_opening_for_threads_has_one_block() -> None:
    sync: Any = to_sync(async_range(3))
    with pytest.raises(StreamClosedError, match=r"inside `with to_sync\(async_range\(3\)\) as"):
        for _ in sync:
            pass
    with sync as items:
        assert next(items) == 0
        with (
            pytest.raises(StreamConsumedError, match="call to_sync again"),
            sync,
        ):
            pass
        assert [*items] == [1, 2]
    with pytest.raises(StreamConsumedError), sync:
        pass


@BACKEND
def test_an_opening_that_fails(backend: str) -> None:
    stream = Stream(iter(ITEMS))
    with to_sync(stream, backend) as items:
        assert [*items] == ITEMS
    with (
        pytest.raises(StreamConsumedError, match="only once"),
        to_sync(stream, backend),
    ):
        raise AssertionError("this must not run")


@BACKEND
def test_a_function_of_the_stream_cannot_iterate_it(backend: str) -> None:
    sync: list[Iterator[int]] = []
    with (
        pytest.raises(StreamBusyError, match="in its own event loop"),
        to_sync(async_range(3).map(lambda n: next(sync[0])), backend) as items,
    ):
        sync.append(items)
        next(items)


@BACKEND
@FORM
def test_the_stream_sees_the_context_of_the_thread_that_enters(form: Form, backend: str) -> None:
    token = setting.set("mine")
    try:
        with to_sync(form(async_range(2)).map(lambda _: setting.get()), backend) as items:
            setting.set("later")
            assert [*items] == ["mine", "mine"]
    finally:
        setting.reset(token)


@BACKEND
@pytest.mark.parametrize("around", ["asyncio", "trio"])
def test_a_thread_with_an_event_loop_waits_as_well(backend: str, around: str) -> None:
    async def main() -> list[int]:
        with to_sync(async_range(3).buffer(1), backend) as items:
            return [*items]

    assert anyio.run(main, backend=around) == [0, 1, 2]


@BACKEND
def test_no_more_than_a_millisecond_is_read_ahead(backend: str) -> None:
    calls: list[int] = []

    def slow(n: int) -> int:
        calls.append(n)
        time.sleep(0.002)
        return n

    with to_sync(async_range(100).map(slow), backend) as items:
        for n in items:
            assert len(calls) <= n + 2  # an item, and the next one before the clock is read
            if n == 10:
                break
    calls.clear()
    with to_sync(async_range(100).buffer(0).map(slow), backend) as items:
        for n in items:
            assert len(calls) == n + 1
            if n == 10:
                break


@BACKEND
def test_no_call_is_made_ahead(backend: str) -> None:
    """An async function is called for the items that the thread asks for, and for no other."""
    called: list[int] = []

    async def call(number: int) -> int:
        called.append(number)
        return number

    for stream in (async_range(9).map(call), Stream(async_range(9).map(call)).filter(None)):
        called.clear()
        with to_sync(stream, backend) as items:
            first = next(items)
            assert called == [*range(first + 1)]


@BACKEND
def test_no_step_of_an_inner_generator_is_made_ahead(backend: str) -> None:
    steps: list[int] = []

    async def inner(number: int) -> AsyncIterator[int]:
        steps.append(number)
        yield number
        await checkpoint()
        steps.append(number)

    def every_other(number: int) -> list[int] | AsyncIterator[int]:
        return [number] if number % 2 else inner(number)

    with to_sync(async_range(9).flat_map(every_other), backend) as items:
        assert [next(items), next(items)] == [0, 1]
        assert steps == [0, 0]
        assert [next(items), next(items)] == [2, 3]
        assert steps == [0, 0, 2, 2]


@BACKEND
def test_what_is_there_comes_over_in_one_go(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A millisecond is ten looks at the clock here, and there are four between two pairs."""
    monkeypatch.setattr("anystream._core.batches.clock", partial(next, itertools.count(0, 0.0001)))
    sync: Any = to_sync(async_range(100), backend)
    asked = 0
    ask = sync.ask

    def count() -> None:
        nonlocal asked
        asked += 1
        ask()

    sync.ask = count
    with sync as items:
        assert [*items] == [*range(100)]
    assert 10 < asked < 40


@BACKEND
def test_a_cancellation_from_within_is_no_end(backend: str) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        yield 1
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.sleep(1)
            except anyio.get_cancelled_exc_class() as exc:
                cancellation = exc
        raise cancellation

    got: list[int] = []
    with to_sync(Stream(numbers), backend) as items:
        with pytest.raises(StreamInterruptedError, match="cancell"):
            got.extend(items)
        assert [*items] == []
    assert got == [1]


def test_an_event_loop_that_ends_by_itself() -> None:
    import asyncio

    source = TrackedSource(ITEMS, cleanup=0.001)

    def stop(n: int) -> int:
        asyncio.get_running_loop().stop()
        return n

    with (
        to_sync(Stream(source.generator).map(stop), "asyncio") as items,
        pytest.raises((StreamInterruptedError, StreamClosedError)),
    ):
        while True:
            assert next(items) in ITEMS
    assert source.open_runs == 0


PROGRAM = """
import os, sys, threading
import anyio
from anystream import Stream, to_sync

async def numbers():
    try:
        yield 1
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.01)
        print("closed")

def left():
    with to_sync(Stream(numbers).buffer(1), {backend!r}) as items:
        yield from items
"""


def run(code: str, backend: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(backend=backend) + code
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


@BACKEND
@pytest.mark.parametrize(
    ("code", "status", "last_words"),
    [
        ("items = left(); next(items)", 0, ""),
        ("items = left(); next(items); raise ValueError('of the program')", 1, "of the program"),
        ("items = left(); next(items); sys.exit(3)", 3, ""),
        # A block that no generator leaves, and one of a thread that has ended.
        ("items = to_sync(numbers).__enter__(); next(items)", 0, ""),
        (
            "items = left()\n"
            "thread = threading.Thread(target=next, args=(items,))\n"
            "thread.start()\n",
            0,
            "",
        ),
    ],
)
def test_what_nobody_leaves_is_closed_at_the_exit(
    code: str, status: int, last_words: str, backend: str
) -> None:
    done = run(code, backend)
    assert (done.returncode, done.stdout) == (status, "closed\n")
    assert done.stderr.strip().endswith(last_words)
    assert bool(done.stderr) == bool(last_words)


@BACKEND
def test_nothing_is_kept_for_the_exit_of_what_was_left(backend: str) -> None:
    run = to_sync([1], backend)
    with run as items:
        assert [*items] == [1]
    ref = weakref.ref(run)
    del run, items
    gc.collect()
    assert ref() is None


@BACKEND
def test_a_thread_that_still_reads_at_the_exit_is_left_alone(backend: str) -> None:
    code = (
        "read = threading.Event()\n"
        "def reads():\n"
        "    for item in left(): read.set()\n"
        "threading.Thread(target=reads, daemon=True).start()\n"
        "read.wait()\n"
    )
    done = run(code, backend)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@BACKEND
def test_an_error_of_the_cleanup_at_the_exit_is_told_of_and_all_are_closed(backend: str) -> None:
    code = (
        "async def fails():\n"
        "    try: yield 1\n"
        "    finally: raise ValueError('of the cleanup')\n"
        "kept = left(), to_sync(fails).__enter__(), left()\n"
        "for items in kept: next(items)\n"
    )
    done = run(code, backend)
    assert (done.returncode, done.stdout) == (0, "closed\n" * 2)
    assert done.stderr.count("ValueError: of the cleanup") == 1


@BACKEND
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_process_that_was_forked_closes_nothing_at_the_exit(backend: str) -> None:
    code = (
        "items = to_sync(numbers).__enter__(); next(items)\n"
        "if not os.fork(): sys.exit()\n"
        "print(os.wait()[1])\n"
    )
    done = run(code, backend)
    assert (done.returncode, done.stdout) == (0, "0\nclosed\n")


@BACKEND
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
@pytest.mark.parametrize("asking", [False, True])  # another thread, when it is forked
def test_a_process_that_was_forked_has_no_event_loop_to_ask(backend: str, asking: bool) -> None:
    code = (
        "with to_sync(numbers) as items:\n"
        "    next(items)\n"
        f"    {asking} and items.lock.acquire()\n"
        "    if not os.fork():\n"
        "        list(items)\n"
        "    print(os.wait()[1] >> 8)\n"
    )
    done = run(code, backend)
    assert (done.returncode, done.stdout) == (0, "1\nclosed\n")
    assert "StreamClosedError: the event loop of to_sync(" in done.stderr


def test_bad_arguments_of_to_sync() -> None:
    with pytest.raises(TypeError, match="source must be"):
        to_sync(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="backend must be one of 'asyncio', 'trio'"):
        to_sync([1], "curio")
    with (
        pytest.raises(TypeError, match="unexpected keyword"),
        to_sync([1], "trio", {"nonsense": 1}),
    ):
        raise AssertionError("this must not run")
