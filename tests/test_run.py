"""What one opening of a stream does: stepping, closing, cancelling, failing."""

import copy
import gc
import itertools
import pickle
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

import anystream
from anystream import (
    CleanupTimeoutError,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
    WrongTaskError,
    async_range,
    chain,
)
from anystream.testing import TrackedSource, every_cut

# -- the ways to open a stream ------------------------------------------------------------------


async def test_a_stream_can_be_open_several_times_at_once() -> None:
    source = TrackedSource(range(3))
    stream = Stream(source.generator)
    async with stream as outer:
        assert await anext(outer) == 0
        async with stream as inner:
            assert [n async for n in inner] == [0, 1, 2]
        assert [n async for n in outer] == [1, 2]
    assert source.opened == 2
    assert source.open_runs == 0


async def test_tasks_that_share_a_stream_close_their_own_runs() -> None:
    """The first to enter is the first to leave, which a plain stack would get wrong."""
    stream = async_range(3)
    entered, left = anyio.Event(), anyio.Event()

    async def first() -> None:
        async with stream as items:
            await entered.wait()
            assert [n async for n in items] == [0, 1, 2]
        left.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await checkpoint()
        async with stream as items:
            entered.set()
            await left.wait()
            assert [n async for n in items] == [0, 1, 2]


class Other(threading.Thread):
    """Opens a stream in an event loop of its own, when it is told to."""

    def __init__(self, stream: Stream[int], backend: str) -> None:
        super().__init__()
        self.stream = stream
        self.backend = backend
        self.enter, self.entered = threading.Event(), threading.Event()
        self.leave, self.left = threading.Event(), threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            anyio.run(self.main, backend=self.backend)
        except BaseException as error:  # which the thread would keep to itself
            self.error = error

    async def main(self) -> None:
        self.enter.wait()
        async with self.stream:
            self.entered.set()
            self.leave.wait()
        self.left.set()

    def comes(self) -> None:
        self.enter.set()
        self.entered.wait(0.05)  # it cannot where the other thread holds a lock

    def goes(self) -> None:
        self.leave.set()
        self.left.wait(0.05)

    def comes_and_goes(self) -> None:
        self.leave.set()
        self.enter.set()
        self.left.wait(0.05)

    def finish(self) -> None:
        self.enter.set()
        self.leave.set()
        self.join()


class Preemption:
    """Calls a function before one of the instructions with which a stream notes down its runs."""

    def __init__(self, point: int, act: Callable[[], None]) -> None:
        self.left = point
        self.act = act

    def __call__(self, frame: Any, event: str, arg: object) -> Any:
        if frame.f_globals is vars(anystream._stream):  # pyright: ignore[reportPrivateUsage]
            frame.f_trace_opcodes = True
            return self.trace
        return None

    def trace(self, frame: object, event: str, arg: object) -> Any:
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                self.act()
        return self.trace


@pytest.mark.parametrize("of_other", ["asyncio", "trio"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("what", ["comes", "goes", "comes_and_goes"])
def test_a_stream_may_be_opened_in_several_threads(what: str, backend: str, of_other: str) -> None:
    """Whatever the one is about to do when the other one opens it, or closes its run."""
    for point in itertools.count(1):
        stream = async_range(2)
        other = Other(stream, of_other)
        preemption = Preemption(point, getattr(other, what))

        async def main(stream: Stream[int] = stream, trace: Any = preemption) -> None:
            before = sys.gettrace()
            sys.settrace(trace)
            try:
                async with stream:
                    pass
            finally:
                sys.settrace(before)

        other.start()
        if what == "goes":
            other.comes()
        try:
            anyio.run(main, backend=backend)
        finally:
            other.finish()
        assert other.error is None
        assert not stream._runs  # pyright: ignore[reportPrivateUsage]
        if preemption.left > 0:  # there are no more instructions
            break


async def test_aclosing() -> None:
    source = TrackedSource(range(5))
    async with aclosing(aiter(Stream(source.generator))) as items:
        async for _ in items:
            break
    assert source.closes_finished == 1


async def test_aclosing_an_iterator_without_a_step() -> None:
    """What was handed over is closed even if it was never started."""
    source = TrackedSource(range(5))
    async with aclosing(aiter(Stream(source.iterator()))):
        pass
    assert source.closes_finished == 1


async def test_exit_stack() -> None:
    source = TrackedSource(range(5))
    async with AsyncExitStack() as stack:
        items = await stack.enter_async_context(Stream(source.generator))
        assert await anext(items) == 0
    assert source.closes_finished == 1


async def test_leaving_in_another_task_is_named() -> None:
    stream = async_range(3)
    await stream.__aenter__()

    async def leave() -> None:
        with pytest.raises(WrongTaskError, match=r"async_range\(3\)"):
            await stream.__aexit__(None, None, None)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
    await stream.__aexit__(None, None, None)


async def test_closing_twice_is_fine() -> None:
    source = TrackedSource(range(5))
    items = aiter(Stream(source.generator))
    assert await anext(items) == 0
    await items.aclose()
    await items.aclose()
    assert source.closes_started == 1


async def test_a_run_that_was_closed_early_says_so() -> None:
    async with async_range(5) as items:
        await anext(items)
    with pytest.raises(StreamClosedError, match="before its end"):
        await anext(items)


async def test_a_run_that_has_ended_stays_ended() -> None:
    async with async_range(1) as items:
        assert [n async for n in items] == [0]
        with pytest.raises(StopAsyncIteration):
            await anext(items)
    with pytest.raises(StopAsyncIteration):
        await anext(items)


# -- bare async for -----------------------------------------------------------------------------


async def test_the_bare_form_closes_at_the_end() -> None:
    source = TrackedSource(range(2))
    async for _ in Stream(source.iterator):
        assert source.closes_started == 0
    assert source.closes_finished == 1


async def test_the_bare_form_closes_on_an_error() -> None:
    source = TrackedSource(range(2), errors={1: OSError("source")})
    with pytest.raises(OSError, match="source"):
        async for _ in Stream(source.iterator):
            pass
    assert source.closes_finished == 1


async def test_the_bare_form_closes_on_an_error_of_a_function() -> None:
    source = TrackedSource(range(2))
    with pytest.raises(ZeroDivisionError):
        async for _ in Stream(source.iterator).map(lambda n: 1 // n):
            pass
    assert source.closes_finished == 1


async def test_the_bare_form_closes_on_a_cancelled_step_and_then_is_loud() -> None:
    source = TrackedSource(range(3), pause=1, cleanup=0.5)
    items = aiter(Stream(source.iterator))
    with anyio.move_on_after(0.5):
        await anext(items)
    assert source.closes_finished == 1
    with pytest.raises(StreamInterruptedError, match="async with"):
        await anext(items)
    with pytest.raises(StopAsyncIteration):
        await anext(items)


async def test_a_run_that_nobody_has_entered_closes_as_the_bare_form_does() -> None:
    source = TrackedSource(range(2))
    assert [n async for n in Stream(source.iterator).open(grace=5)] == [0, 1]
    assert source.closes_finished == 1


@pytest.mark.parametrize("form", [aiter, Stream.open])
async def test_a_run_that_was_entered_is_not_bare(form: Any) -> None:
    source = TrackedSource(range(3), pause=1)
    async with form(Stream(source.iterator)) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        assert [n async for n in items] == [0, 1, 2]
        assert source.closes_started == 0
    assert source.closes_finished == 1


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("form", [aiter, Stream.open])
async def test_a_run_that_was_read_cannot_be_entered(form: Any, fails: bool) -> None:
    """Its source would be opened once more."""
    source = TrackedSource(range(3), errors={1: OSError("source")})
    items: Any = form(Stream(source.iterator))
    assert await anext(items) == 0
    if fails:
        with pytest.raises(OSError, match="source"):
            await anext(items)
    with pytest.raises(StreamBusyError, match=r"read before it was entered|entered only once"):
        async with items:
            raise AssertionError("this must not run")
    await items.aclose()
    assert source.opened == source.closes_finished == 1


async def test_the_bare_form_over_nothing_to_close_survives_a_cancelled_step() -> None:
    items = aiter(async_range(3, delay=1))
    with anyio.move_on_after(0.5):
        await anext(items)
    assert [n async for n in items] == [0, 1, 2]


async def test_break_out_of_the_bare_form_over_nothing_to_close_is_silent() -> None:
    async for _ in async_range(3).map(str):
        break
    gc.collect()


@pytest.mark.leaks_expected("abandoned", "open", "logged")
async def test_dropping_an_open_run_warns() -> None:
    source = TrackedSource(range(3))
    stream = Stream(source.iterator).map(str)
    items = aiter(stream)
    await anext(items)
    with pytest.warns(ResourceWarning, match=r"Stream\(.*\)\.map\(str\) was dropped.*async with"):
        del items
        gc.collect()


async def test_dropping_a_closed_run_does_not_warn() -> None:
    source = TrackedSource(range(3))
    items = aiter(Stream(source.iterator))
    await anext(items)
    await items.aclose()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del items
        gc.collect()


# -- ownership ----------------------------------------------------------------------------------


async def test_an_iterator_can_be_opened_once() -> None:
    stream = Stream(iter([1, 2]))
    assert await stream.collect() == [1, 2]
    with pytest.raises(StreamConsumedError, match="only once"):
        await stream.map(str).collect()


async def test_a_stream_that_did_not_open_closes_what_it_was_given() -> None:
    first = TrackedSource(range(3))
    second = Stream(iter([1]))
    await second.drain()
    with pytest.raises(StreamConsumedError):
        async with chain(first.iterator(), second):
            raise AssertionError("this must not run")
    assert first.closes_finished == 1


async def test_sources_that_were_never_reached_are_closed() -> None:
    sources = [TrackedSource(range(2)) for _ in range(3)]
    async with chain(*(source.iterator() for source in sources)) as items:
        assert await anext(items) == 0
    assert [source.closes_finished for source in sources] == [1, 1, 1]


async def test_a_function_is_not_called_for_a_part_that_is_never_reached() -> None:
    calls: list[int] = []

    def make() -> list[int]:
        calls.append(1)
        return [7]

    assert await chain([1], Stream(make)).take(1).collect() == [1]
    assert calls == []
    assert await chain([1], Stream(make)).collect() == [1, 7]


async def test_each_part_of_a_chain_is_closed_before_the_next_one_opens() -> None:
    events: list[str] = []

    async def part(name: str) -> AsyncGenerator[str, None]:
        events.append(f"open {name}")
        try:
            yield name
        finally:
            await checkpoint()
            events.append(f"close {name}")

    streams = [Stream(lambda name=name: part(name)) for name in "ab"]
    assert await chain(*streams).collect() == ["a", "b"]
    assert events == ["open a", "close a", "open b", "close b"]


async def test_downstream_is_closed_before_upstream() -> None:
    events: list[str] = []

    async def numbers(name: str) -> AsyncGenerator[int, None]:
        try:
            for n in range(3):
                yield n
        finally:
            await checkpoint()
            events.append(name)

    stream = Stream(lambda: numbers("outer")).flat_map(lambda _: numbers("inner"))
    async with stream as items:
        await anext(items)
    assert events == ["inner", "outer"]


async def test_an_inner_stream_that_ends_early_is_closed_at_once() -> None:
    source = TrackedSource(range(3), cleanup=0.5)
    opened: list[int] = []

    def inner(n: int) -> Stream[int]:
        opened.append(source.open_runs)
        return Stream(source.generator).take(1)

    assert await async_range(3).flat_map(inner).collect() == [0, 0, 0]
    assert opened == [0, 0, 0]
    assert source.closes_finished == 3


async def test_a_synchronous_generator_is_closed_too() -> None:
    closed: list[int] = []

    def numbers() -> Any:
        try:
            yield from range(5)
        finally:
            closed.append(1)

    keep = [numbers(), numbers()]
    async with Stream(keep[0]) as items:
        await anext(items)
    assert closed == [1]
    async with Stream([keep[1]]).flatten() as items:
        await anext(items)
    assert closed == [1, 1]


async def test_an_object_receive_stream() -> None:
    send, receive = anyio.create_memory_object_stream[int](3)
    async with send:
        for n in range(3):
            send.send_nowait(n)
    stream = Stream(receive)
    assert await stream.collect() == [0, 1, 2]
    with pytest.raises(anyio.ClosedResourceError):
        receive.receive_nowait()
    with pytest.raises(StreamConsumedError):
        await stream.collect()


async def test_an_async_function_that_makes_the_source() -> None:
    async def make() -> list[int]:
        await checkpoint()
        return [1, 2]

    stream = Stream(make)
    assert await stream.collect() == [1, 2]
    assert await stream.collect() == [1, 2]


async def test_a_function_that_makes_something_else() -> None:
    with pytest.raises(TypeError, match="expected a stream, an async iterable or an iterable"):
        await Stream(lambda: 5).collect()  # type: ignore[arg-type,return-value]


async def test_an_iterator_whose_step_is_some_other_awaitable() -> None:
    """`__anext__` need not be a coroutine function."""

    class Answer:
        def __init__(self, value: int) -> None:
            self.value = value

        def __await__(self) -> Any:
            yield from checkpoint().__await__()
            if self.value > 2:
                raise StopAsyncIteration
            return self.value

    class Numbers(AsyncIterator[int]):
        def __init__(self) -> None:
            self.n = 0

        def __anext__(self) -> Any:
            self.n += 1
            return Answer(self.n)

    assert await Stream(Numbers).collect() == [1, 2]
    assert await async_range(3).map(Answer).collect() == [0, 1, 2]


# -- one step at a time -------------------------------------------------------------------------


async def test_two_tasks_in_one_step() -> None:
    async with async_range(2, delay=1) as items, anyio.create_task_group() as tasks:
        tasks.start_soon(anext, items)
        await checkpoint()
        await checkpoint()
        with pytest.raises(StreamBusyError, match=r"another task.*\.buffer\(n\)"):
            await anext(items)
        with pytest.raises(StreamBusyError, match="another task"):
            await items.aclose()


async def test_stepping_in_another_task() -> None:
    got: list[int] = []

    async def step(items: AsyncIterator[int]) -> None:
        got.append(await anext(items))

    source = TrackedSource(range(3))
    async with Stream(source.generator) as items:
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(step, items)
    assert got == [0, 1, 2]
    assert source.open_runs == 0


async def test_what_another_task_has_stepped_is_closed_by_the_one_that_entered() -> None:
    tasks: list[int] = []

    class Numbers:
        def __aiter__(self) -> "Numbers":
            return self

        async def __anext__(self) -> int:
            tasks.append(anyio.get_current_task().id)
            return 1

        async def aclose(self) -> None:
            tasks.append(anyio.get_current_task().id)

    async with Stream(Numbers) as items, anyio.create_task_group() as group:
        group.start_soon(items.__anext__)
    stepped, closed = tasks
    assert closed == anyio.get_current_task().id != stepped


async def test_a_generator_may_hold_a_scope_across_its_yields() -> None:
    """The library's own scope lies outside of it, so that both can be left in order."""

    async def numbers() -> AsyncGenerator[int, None]:
        with anyio.CancelScope():
            async with anyio.create_task_group():
                for n in range(5):
                    yield n

    async with Stream(numbers) as items:
        assert await anext(items) == 0
    assert await Stream(numbers).take(2).collect() == [0, 1]


async def test_an_interrupted_batch_is_loud() -> None:
    """A KeyboardInterrupt inside of a plain function loses its item."""

    def interrupt(n: int) -> int:
        if n == 1:
            raise KeyboardInterrupt
        return n

    async with async_range(3).map(interrupt) as items:
        assert await anext(items) == 0
        with pytest.raises(KeyboardInterrupt):
            await anext(items)
        with pytest.raises(StreamInterruptedError, match="KeyboardInterrupt"):
            await anext(items)
        with pytest.raises(StopAsyncIteration):
            await anext(items)


async def test_an_interrupted_step_of_an_iterator_may_be_repeated() -> None:
    """Even if the interruption came without a suspension."""
    raised = False

    class Numbers(AsyncIterator[int]):
        async def __anext__(self) -> int:
            nonlocal raised
            if not raised:
                raised = True
                raise KeyboardInterrupt
            return 1

    async with Stream(Numbers) as items:
        with pytest.raises(KeyboardInterrupt):
            await anext(items)
        with pytest.raises(StreamInterruptedError):
            await anext(items)


# -- cleanup ------------------------------------------------------------------------------------


async def test_cleanup_is_shielded_from_the_cancellation_that_caused_it() -> None:
    source = TrackedSource(range(3), cleanup=0.5)
    with anyio.move_on_after(1) as scope:
        async with Stream(source.iterator) as items:
            await anext(items)
            await anyio.sleep(5)
    assert scope.cancelled_caught
    assert source.closes_finished == 1


async def test_cleanup_that_hangs_is_cut_off() -> None:
    source = TrackedSource(range(3), cleanup=float("inf"))
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError, match=r"within 1 s"):
        async with Stream(source.generator) as items:
            await anext(items)
    assert anyio.current_time() - start == pytest.approx(1, abs=0.01)
    assert source.closes_started == 1


async def test_a_hanging_cleanup_does_not_spare_the_others() -> None:
    hanging = TrackedSource(range(3), cleanup=float("inf"))
    other = TrackedSource(range(3), cleanup=0.5)
    with pytest.raises(CleanupTimeoutError):
        async with Stream(other.iterator).flat_map(lambda _: hanging.iterator()) as items:
            await anext(items)
    assert hanging.closes_started == 1
    assert other.closes_finished == 1


async def test_an_error_of_the_cleanup_alone_comes_bare() -> None:
    error = OSError("cleanup")
    source = TrackedSource(range(3), cleanup_error=error)
    with pytest.raises(OSError, match="cleanup") as caught:
        async with Stream(source.generator) as items:
            await anext(items)
    assert caught.value is error


async def test_errors_of_the_body_and_the_cleanup_come_together() -> None:
    body, cleanup = KeyError("body"), OSError("cleanup")
    source = TrackedSource(range(3), cleanup_error=cleanup)
    with pytest.raises(ExceptionGroup) as caught:
        async with Stream(source.generator) as items:
            await anext(items)
            raise body
    assert caught.value.exceptions == (body, cleanup)


async def test_errors_of_the_step_and_the_cleanup_come_together_in_the_bare_form() -> None:
    step, cleanup = KeyError("step"), OSError("cleanup")
    source = TrackedSource(range(3), errors={1: step}, cleanup_error=cleanup)
    with pytest.raises(ExceptionGroup) as caught:
        async for _ in Stream(source.iterator):
            pass
    assert caught.value.exceptions == (step, cleanup)


async def test_an_error_of_the_cleanup_at_the_end_keeps_the_code_after_the_loop_from_running() -> (
    None
):
    source = TrackedSource(range(2), cleanup_error=OSError("cleanup"))
    got: list[int] = []
    with pytest.raises(OSError, match="cleanup"):
        async for item in Stream(source.iterator):
            got.append(item)
    assert got == [0, 1]


async def test_an_error_in_closing_a_part_comes_before_the_next_part() -> None:
    source = TrackedSource(range(2), cleanup_error=OSError("cleanup"))
    got: list[int] = []
    with pytest.raises(OSError, match="cleanup"):
        async with chain(source.iterator(), [7]) as items:
            async for item in items:
                got.append(item)
    assert got == [0, 1]


async def test_an_error_in_closing_a_synchronous_generator() -> None:
    def numbers() -> Any:
        try:
            yield from range(5)
        finally:
            raise OSError("cleanup")

    with pytest.raises(OSError, match="cleanup"):
        async with Stream(numbers) as items:
            await anext(items)


async def test_keyboard_interrupt_is_not_lost_behind_an_error_of_the_cleanup() -> None:
    source = TrackedSource(range(3), cleanup_error=OSError("cleanup"))
    with pytest.raises(BaseExceptionGroup) as caught:
        async with Stream(source.generator) as items:
            await anext(items)
            raise KeyboardInterrupt
    assert [type(error) for error in caught.value.exceptions] == [KeyboardInterrupt, OSError]


async def test_a_generator_exit_that_comes_back_in_a_group_is_dropped() -> None:
    class Source(AsyncIterator[int]):
        def __init__(self, *others: Exception) -> None:
            self.others = others

        async def __anext__(self) -> int:
            return 1

        async def aclose(self) -> None:
            raise BaseExceptionGroup("group", [GeneratorExit(), *self.others])

    async with Stream(Source()) as items:
        await anext(items)
    with pytest.raises(ExceptionGroup) as caught:
        async with Stream(Source(OSError("other"))) as items:
            await anext(items)
    assert caught.group_contains(OSError, match="other")


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_native_cancel_during_the_cleanup_is_passed_on() -> None:
    """It interrupts the close that is under way, the others follow, and then it goes on."""
    import asyncio

    first = TrackedSource(range(3), cleanup=0.5)
    second = TrackedSource(range(3), cleanup=0.25)

    async def read(error: Exception | None) -> None:
        async with Stream(first.iterator).flat_map(lambda _: second.iterator()) as items:
            await anext(items)
            if error is not None:
                raise error

    for error in (None, KeyError("body")):
        task = asyncio.create_task(read(error))
        await anyio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert task.cancelled()
        assert error is None or caught.value is not None
    assert (first.closes_finished, second.closes_finished) == (2, 0)


async def test_cancelled_anywhere_in_the_bare_form() -> None:
    for cut in every_cut():
        source = TrackedSource(range(4))
        got: list[str] = []

        async def read(source: TrackedSource[int] = source, got: list[str] = got) -> None:
            async for item in Stream(source.iterator).map(str):
                got.append(item)

        await cut.run(read())
        assert got == list("0123")[: len(got)]
        assert cut.cancelled or len(got) == 4
        assert source.open_runs == 0


async def test_a_closed_run_leaves_nothing_for_the_garbage_collector() -> None:
    async def odd(n: int) -> bool:
        return n % 2 == 1

    source = TrackedSource(range(9))
    stream = Stream(source.generator).map(str).map(int).filter(odd).flat_map(async_range).take(5)
    await stream.drain()
    gc.collect()
    gc.disable()
    try:
        await stream.drain()
        async with stream as items:
            await anext(items)
        del items
        assert gc.collect() == 0
    finally:
        gc.enable()


async def test_the_error_for_a_killed_generator_names_the_remedy() -> None:
    source = TrackedSource(range(3), pause=1)
    async with Stream(source.generator) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        with pytest.raises(StreamInterruptedError, match=r"generator object.*buffer\(0\)"):
            await anext(items)
    async with Stream(source.generator).buffer(0) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        assert [n async for n in items] == [0, 1, 2]


# -- peek and collect -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["generator", "iterator"])
async def test_to_peek_takes_nothing(kind: str) -> None:
    source = TrackedSource([1, 2, 3])
    async with Stream(getattr(source, kind)) as items:
        got: list[int] = []
        for _ in range(3):
            first = await items.peek()
            assert await items.peek() == first
            got.append(await anext(items))
            assert got[-1] == first
        assert got == [1, 2, 3]
        assert await items.peek("none") == "none"
        with pytest.raises(StopAsyncIteration):
            await items.peek()
    assert source.closes_started == source.opened


async def test_to_peek_at_each_item_of_a_long_batch() -> None:
    """What is put back does not pile up."""
    count = 100_000
    async with async_range(count) as items:
        for n in range(count):
            assert await items.peek() == n
            assert await anext(items) == n
        assert await items.collect() == []


async def test_what_was_peeked_at_is_read_with_the_rest() -> None:
    async with async_range(5).buffer(2) as items:
        assert await items.peek() == 0
        assert await items.collect() == [0, 1, 2, 3, 4]
        assert await items.peek(None) is None


async def test_an_error_comes_out_of_peek_once() -> None:
    source = TrackedSource([1], errors={1: ZeroDivisionError()})
    async with Stream(source.generator) as items:
        assert await items.peek() == await anext(items) == 1
        with pytest.raises(ZeroDivisionError):
            await items.peek()
        with pytest.raises(StopAsyncIteration):
            await items.peek()


async def test_an_error_in_a_batch_comes_out_of_peek() -> None:
    async with Stream([1, 0]).map(lambda n: 1 // n) as items:
        assert await items.peek() == await anext(items) == 1
        with pytest.raises(ZeroDivisionError):
            await items.peek()
        assert await items.collect() == []


async def test_a_peek_that_is_cancelled_loses_nothing() -> None:
    source = TrackedSource([1, 2, 3], pause=1)
    async with Stream(source.iterator) as items:
        with anyio.move_on_after(0.5):
            await items.peek()
        assert await items.peek() == 1
        assert await items.collect() == [1, 2, 3]


async def test_collect_gives_what_is_left() -> None:
    async with async_range(5) as items:
        assert await anext(items) == 0
        assert await items.collect() == [1, 2, 3, 4]
        assert await items.collect() == []


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, pickle.dumps])
async def test_it_cannot_be_copied(make: Callable[[object], object]) -> None:
    """The end of a copy would be that of the run, and half of one would be an error of its own."""
    async with Stream(TrackedSource([1, 2]).generator).buffer(1) as items:
        with pytest.raises(TypeError, match=r"^<run of .*> cannot be copied or pickled; open the"):
            make(items)
        assert await items.collect() == [1, 2]
