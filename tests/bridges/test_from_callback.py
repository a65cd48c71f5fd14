"""Callbacks as streams."""

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from insides import opening_of

from anystream import (
    CleanupTimeoutError,
    Push,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamOverflowError,
    from_callback,
)
from anystream.testing import MODES, every_cut
from bridges import ITEMS


class Emitter:
    """An API with a callback, which keeps count of its registrations."""

    def __init__(self, *, cleanup: float = 0, error: Exception | None = None) -> None:
        self.callbacks: list[Push[Any]] = []
        self.registered = self.ending = self.ended = 0
        self.cleanup = cleanup
        self.error = error

    def register(self, push: Push[Any]) -> Callable[[], object]:
        self.registered += 1
        self.callbacks.append(push)
        return self.end_async if self.cleanup else self.end

    async def register_async(self, push: Push[Any]) -> Callable[[], object]:
        await anyio.sleep(1)
        return self.register(push)

    def end(self) -> None:
        self.ending += 1
        self.ended += 1
        if self.error is not None:
            raise self.error

    async def end_async(self) -> None:
        self.ending += 1
        await anyio.sleep(self.cleanup)
        self.ending -= 1
        self.end()

    def __call__(self, *items: Any) -> list[bool]:
        return [push(item) for push in self.callbacks for item in items]


def all_of(*items: Any) -> Callable[[Push[Any]], None]:
    def register(push: Push[Any]) -> None:
        for item in items:
            push(item)
        push.end()

    return register


async def test_from_callback_gives_what_was_pushed() -> None:
    assert await from_callback(all_of(*ITEMS), buffer=10).collect() == ITEMS
    stream: Stream[int] = from_callback(all_of(*ITEMS), buffer=10)
    assert await stream.map(str).buffer(2).collect() == [*map(str, ITEMS)]
    assert [item async for item in stream] == ITEMS
    assert await from_callback(all_of(), buffer=1).collect() == []
    async with stream as items:
        assert [item async for item in items] == ITEMS
        with pytest.raises(StopAsyncIteration):
            await anext(items)


@pytest.mark.parametrize("form", ["register", "register_async"])
@pytest.mark.parametrize("cleanup", [0, 0.5])
async def test_registered_at_the_first_step_and_ended_once(form: str, cleanup: float) -> None:
    api = Emitter(cleanup=cleanup)
    stream: Stream[int] = from_callback(getattr(api, form), buffer=2)
    async with stream as items:
        await anyio.sleep(5)
        assert api.registered == 0
        with anyio.move_on_after(2):
            await anext(items)
        assert api.registered == 1
        assert api(1, 2) == [True, True]
        assert [await anext(items), await anext(items)] == [1, 2]
        assert api.ended == 0
        source: Any = opening_of(items).bottom
        assert source.holds
    assert not source.holds
    await source.close(opening_of(items))
    assert api.ended == 1
    assert api(3) == [False]
    async with stream:
        pass
    assert api.registered == 1


async def test_what_comes_while_the_reader_waits() -> None:
    api = Emitter()
    got: list[int] = []

    async def read() -> None:
        async with from_callback(api.register, buffer=2) as items:
            async for item in items:
                got.append(item)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        for n in range(5):
            await anyio.sleep(1)
            assert api(2 * n, 2 * n + 1) == [True, True]
            await anyio.sleep(1)
            assert got == [*range(2 * n + 2)]
        api.callbacks[0].end()
        api.callbacks[0].end()
        assert api(0) == [False]
    assert api.ended == 1


async def test_an_error_that_is_pushed_comes_after_the_items_before_it() -> None:
    api = Emitter()
    got: list[int] = []
    error = OSError("pushed")
    async with from_callback(api.register, buffer=5) as items:
        with anyio.move_on_after(1):
            await anext(items)
        api(1, 2)
        api.callbacks[0].fail(error)
        api.callbacks[0].fail(KeyError("too late"))
        api.callbacks[0].end()
        assert api(3) == [False]
        with pytest.raises(OSError, match="pushed") as caught:
            async for item in items:
                got.append(item)
        with pytest.raises(StopAsyncIteration):
            await anext(items)
    assert caught.value is error
    assert got == [1, 2]
    assert api.ended == 1


async def test_a_pushed_stop_is_an_error() -> None:
    for stop in (StopIteration(), StopAsyncIteration()):
        with pytest.raises(RuntimeError, match="raised Stop"):
            await from_callback(lambda push, stop=stop: push.fail(stop), buffer=1).collect()


async def test_a_register_that_fails() -> None:
    def register(push: Push[int]) -> None:
        push(1)
        raise OSError("register")

    with pytest.raises(OSError, match="register"):
        await from_callback(register, buffer=1).collect()


async def test_a_cancelled_register_is_called_again() -> None:
    api = Emitter()
    async with from_callback(api.register_async, buffer=1) as items:
        for _ in range(2):
            with anyio.move_on_after(0.5):
                await anext(items)
        assert api.registered == 0
        with anyio.move_on_after(1.5):
            await anext(items)
        assert api.registered == 1
        api(1)
        assert await anext(items) == 1
    assert api.ended == 1


async def test_errors_of_the_body_and_of_the_hook() -> None:
    api = Emitter(error=OSError("hook"))

    def one(push: Push[int]) -> Callable[[], object]:
        push(1)
        return api.register(push)

    with pytest.raises(OSError, match="hook"):
        async with from_callback(one, buffer=1) as items:
            assert await anext(items) == 1
    with pytest.RaisesGroup(KeyError, OSError):
        async with from_callback(one, buffer=1) as items:
            await anext(items)
            raise KeyError
    api.error = None
    error = KeyError("body")
    with pytest.raises(KeyError) as caught:
        async with from_callback(one, buffer=1) as items:
            await anext(items)
            raise error
    assert caught.value is error
    assert error.__context__ is None
    assert api.ended == 3


async def test_a_hook_that_hangs_is_cut_off() -> None:
    api = Emitter(cleanup=float("inf"))
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        async with from_callback(api.register, buffer=1) as items:
            with anyio.move_on_after(1):
                await anext(items)
    assert anyio.current_time() - start == pytest.approx(2)
    assert (api.ending, api.ended) == (1, 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["register", "register_async"])
async def test_from_callback_cancelled_anywhere(mode: Any, form: str) -> None:
    for cut in every_cut():
        api = Emitter(cleanup=0.5)
        got: list[int] = []

        async def read(api: Emitter = api, got: list[int] = got) -> None:
            stream: Stream[int] = from_callback(getattr(api, form), buffer=2)
            async with stream as items:
                with anyio.move_on_after(2):
                    await anext(items)
                api(1, 2)
                async for item in items:
                    got.append(item)
                    if item == 2:
                        api(3)
                    if item == 3:
                        return

        await cut.run(read(), mode)
        assert got == [1, 2, 3][: len(got)]
        assert cut.cancelled or got == [1, 2, 3]
        assert api.ending == api.registered
        if mode == "scope":
            assert api.ended == api.registered


async def test_a_cancelled_step_over_callbacks_loses_nothing() -> None:
    for cut in every_cut():
        got: list[int] = []
        async with from_callback(all_of(*ITEMS), buffer=10) as items:
            await cut.collect(items, got)
        assert got == ITEMS


# What comes when two wait and three more are pushed.
POLICIES: dict[Any, tuple[list[bool], list[int]]] = {
    "drop_oldest": ([True] * 5, [3, 4]),
    "drop_newest": ([True, True, False, False, False], [0, 1]),
    "error": ([True, True, False, False, False], [0, 1]),
}


@pytest.mark.parametrize("overflow", POLICIES)
async def test_pushed_into_a_full_buffer(overflow: Any) -> None:
    taken, waiting = POLICIES[overflow]
    api = Emitter()
    async with from_callback(api.register, buffer=2, overflow=overflow) as items:
        with anyio.move_on_after(1):
            await anext(items)
        assert api(*range(5)) == taken
        assert [await anext(items), await anext(items)] == waiting
        if overflow == "error":
            with pytest.raises(StreamOverflowError, match=r"the buffer was full \(2 items\)"):
                await anext(items)
        else:
            assert api(5) == [True]
            assert await anext(items) == 5
    assert api.ended == 1


async def test_the_event_loop_cannot_wait_for_room() -> None:
    api = Emitter()
    async with from_callback(api.register, buffer=1, overflow="wait") as items:
        with anyio.move_on_after(1):
            await anext(items)
        assert api(1) == [True]
        with pytest.raises(StreamOverflowError, match='overflow="wait" is for pushes from other'):
            api(2)
        assert await anext(items) == 1
        assert api(3) == [True]
        assert await anext(items) == 3


@pytest.mark.real_time
@pytest.mark.parametrize("buffer", [1, 3, 1000])
async def test_threads_that_push_wait_for_room(buffer: int) -> None:
    most = 0

    def register(push: Push[int]) -> Callable[[], None]:
        def produce(first: int) -> None:
            for n in range(first, first + 200):
                assert push(n)
            if not left.acquire(blocking=False):
                push.end()

        left = threading.Semaphore(2)
        threads = [threading.Thread(target=produce, args=[first]) for first in (0, 200, 400)]
        for thread in threads:
            thread.start()

        def end() -> None:
            for thread in threads:
                thread.join()

        return end

    got: list[int] = []
    async with from_callback(register, buffer=buffer, overflow="wait") as items:
        async for item in items:
            source: Any = opening_of(items).bottom
            most = max(most, len(source.queue))
            got.append(item)
    assert sorted(got) == [*range(600)]
    for first in (0, 200, 400):
        assert [n for n in got if first <= n < first + 200] == [*range(first, first + 200)]
    assert most <= buffer


@pytest.mark.real_time
@pytest.mark.parametrize("way", ["leave", "end", "fail"])
async def test_a_thread_that_waits_for_room_is_let_go(way: str) -> None:
    answers: list[bool] = []
    threads: list[threading.Thread] = []
    full = threading.Event()

    def register(push: Push[int]) -> Callable[[], None]:
        def produce() -> None:
            answers.append(push(1))
            answers.append(push(2))
            full.set()
            answers.append(push(3))
            answers.append(push(4))

        def finish() -> None:
            full.wait()
            time.sleep(0.01)  # until the other thread waits
            push.end() if way == "end" else push.fail(OSError("pushed"))

        threads.append(threading.Thread(target=produce))
        if way != "leave":
            threads.append(threading.Thread(target=finish))
        for thread in threads:
            thread.start()

        def end() -> None:
            for thread in threads:
                thread.join()

        return end

    async with from_callback(register, buffer=1, overflow="wait") as items:
        assert await anext(items) == 1
        await anyio.to_thread.run_sync(full.wait)
        for thread in threads if way != "leave" else []:
            await anyio.to_thread.run_sync(thread.join)
        if way == "fail":
            assert await anext(items) == 2
            with pytest.raises(OSError, match="pushed"):
                await anext(items)
    assert answers == [True, True, False, False]


@pytest.mark.real_time
async def test_pushed_from_other_threads() -> None:
    def register(push: Push[int]) -> Callable[[], None]:
        def produce() -> None:
            for n in range(20_000):
                push(n)
            push.end()

        thread = threading.Thread(target=produce)
        thread.start()
        return thread.join

    stream: Stream[int] = from_callback(register, buffer=20_000)
    assert await stream.collect() == [*range(20_000)]
    async with stream as items:
        assert [await anext(items) for _ in range(10)] == [*range(10)]
    assert await from_callback(register, buffer=10, overflow="drop_oldest").last() == 19_999


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_pushed_when_the_event_loop_has_ended(name: str) -> None:
    pushes: list[Push[int]] = []
    kept: list[Any] = []

    async def main() -> None:
        kept.append(aiter(from_callback(pushes.append, buffer=2)))
        with anyio.move_on_after(0.01):
            await anext(kept[0])

    anyio.run(main, backend=name)
    assert [pushes[0](n) for n in range(3)] == [True, True, False]


async def test_leaving_while_another_task_waits_for_a_callback() -> None:
    api = Emitter()

    async def read(items: Any) -> None:
        with pytest.raises(StreamClosedError):
            await anext(items)

    async with (
        anyio.create_task_group() as tasks,
        from_callback(api.register, buffer=1) as items,
    ):
        tasks.start_soon(read, items)
        await anyio.sleep(1)
        with pytest.raises(StreamBusyError):
            await anext(items)
    assert api.ended == 1


async def test_register_cannot_close_the_stream() -> None:
    async def register(push: Push[int]) -> None:
        await runs[0].aclose()

    runs: list[Any] = []
    async with from_callback(register, buffer=1) as items:
        runs.append(items)
        with pytest.raises(StreamBusyError):
            await anext(items)


async def test_a_registration_that_is_dropped_warns() -> None:
    api = Emitter()
    items = aiter(from_callback(api.register, buffer=1))
    with anyio.move_on_after(1):
        await anext(items)
    # The cancelled step has closed what would be left open.
    assert api.ended == 1
    assert api.callbacks.pop()(1) is False

    async def read() -> None:
        async for _ in from_callback(one, buffer=1):
            break

    def one(push: Push[int]) -> Callable[[], object]:
        push(1)
        return api.register(push)

    with pytest.warns(ResourceWarning, match=r"from_callback\(one, buffer=1\) was dropped"):
        await read()
    assert api.ended == 1


@pytest.mark.real_time
async def test_a_thread_that_waits_for_room_is_let_go_by_a_run_that_is_dropped() -> None:
    answers: list[bool] = []
    full = threading.Event()

    def register(push: Push[int]) -> None:
        def produce() -> None:
            for n in range(4):
                if n == 2:
                    full.set()
                answers.append(push(n))

        thread.append(threading.Thread(target=produce))
        thread[0].start()

    thread: list[threading.Thread] = []
    async for n in from_callback(register, buffer=1, overflow="wait"):
        assert n == 0
        await anyio.to_thread.run_sync(full.wait)
        break
    gc.collect()
    await anyio.to_thread.run_sync(thread[0].join)
    assert answers == [True, True, False, False]


async def test_bad_arguments_of_from_callback() -> None:
    with pytest.raises(TypeError, match="register must be a function"):
        from_callback(5, buffer=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="buffer must be at least 1, got 0"):
        from_callback(all_of(), buffer=0)
    with pytest.raises(ValueError, match="overflow must be one of"):
        from_callback(all_of(), buffer=1, overflow="nonsense")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="register must return a function or None, got 5"):
        await from_callback(lambda _: 5, buffer=1).collect()  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="error must be an exception, got 'no'"):
        await from_callback(lambda push: push.fail("no"), buffer=1).collect()  # type: ignore[arg-type]
