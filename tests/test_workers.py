"""Functions called by several tasks at a time: map, filter, for_each and flat_map."""

import gc
import itertools
import weakref
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import CleanupTimeoutError, Stream, StreamInterruptedError, async_range
from anystream._operators.crew import Hands
from anystream.testing import TrackedSource, every_cut


class Calls:
    """An async function that takes its time, and counts."""

    def __init__(
        self,
        seconds: dict[int, float] | None = None,
        errors: dict[int, BaseException] | None = None,
        cleanup: float = 0,
    ) -> None:
        self.seconds = seconds or {}
        self.errors = errors or {}
        self.cleanup = cleanup
        self.running = self.most = 0
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.cleaned: list[int] = []

    async def __call__(self, n: int) -> int:
        self.begun.append(n)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await anyio.sleep(self.seconds.get(n, 1))
            if n in self.errors:
                raise self.errors[n]
            self.ended.append(n)
            return n * n
        finally:
            self.running -= 1
            if self.cleanup:
                await anyio.sleep(self.cleanup)
                self.cleaned.append(n)


SQUARES = [n * n for n in range(10)]


@pytest.mark.parametrize("operator", ["map", "filter", "for_each", "flat_map"])
async def test_a_container_that_changes_while_it_is_read(operator: str) -> None:
    """Its error comes behind the results of what was taken, as that of any source."""
    numbers = {n: n for n in range(9)}
    done: list[int] = []

    async def change(n: int) -> Any:
        await checkpoint()
        numbers[100 + n] = n
        done.append(n)
        return [n]

    stream = Stream(numbers)
    with pytest.raises(RuntimeError, match="changed size"):
        if operator == "for_each":
            await stream.for_each(change, concurrency=2)
        else:
            await getattr(stream, operator)(change, concurrency=2).drain()
    assert done


@pytest.mark.parametrize("workers", [1, 2, 3, 10, 50])
@pytest.mark.parametrize("ahead", [None, 0, 1])
async def test_results_come_in_order(workers: int, ahead: int | None) -> None:
    calls = Calls({n: (n * 7) % 4 for n in range(10)})
    stream = async_range(10).map(calls, concurrency=workers, ahead=ahead)
    assert await stream.collect() == SQUARES
    assert calls.most <= workers
    assert calls.begun == list(range(10))


async def test_unordered_results_come_as_they_are_ready() -> None:
    calls = Calls({0: 5, 1: 1, 2: 3})
    stream = async_range(3).map(calls, concurrency=3, ordered=False)
    assert await stream.collect() == [1, 4, 0]


async def test_as_many_calls_run_as_were_asked_for() -> None:
    for ordered in (True, False):
        calls = Calls()
        start = anyio.current_time()
        await async_range(10).map(calls, concurrency=5, ordered=ordered).drain()
        assert calls.most == 5
        assert anyio.current_time() - start == pytest.approx(2)


@pytest.mark.parametrize("kind", ["generator", "iterator", "plain"])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("ahead", [None, 0, 2])
async def test_no_more_is_taken_than_workers_and_ahead(
    kind: str, ordered: bool, ahead: int | None
) -> None:
    taken = 0

    def plain() -> Any:
        nonlocal taken
        for n in range(100):
            taken += 1
            yield n

    async def generator() -> AsyncIterator[int]:
        for n in plain():
            yield n

    source = Stream(plain) if kind == "plain" else Stream(generator)
    if kind == "iterator":
        source = source.buffer(0)
    bound = 3 + (3 if ahead is None else ahead)
    async with source.map(Calls(), concurrency=3, ordered=ordered, ahead=ahead) as items:
        await anyio.sleep(20)
        assert taken == bound
        for read in range(1, 20):
            await anext(items)
            await anyio.sleep(5)
            assert taken == bound + read


async def test_a_plain_function_may_be_given() -> None:
    assert await async_range(9).map(str, concurrency=4).collect() == list("012345678")


@pytest.mark.parametrize("ordered", [True, False])
async def test_filter(ordered: bool) -> None:
    async def odd(n: int) -> bool:
        await anyio.sleep(n % 3)
        return n % 2 == 1

    stream = async_range(10).filter(odd, concurrency=4, ordered=ordered)
    assert sorted(await stream.collect()) == [1, 3, 5, 7, 9]
    kept = Stream([0, 3, "", "a"]).filter(None, concurrency=2)
    assert await kept.collect() == [3, "a"]


async def generated(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


each_source = pytest.mark.parametrize(
    "source",
    [async_range, lambda n: Stream(lambda: generated(n)), lambda n: async_range(n, delay=0.1)],
    ids=["range", "generator", "delay"],
)


@each_source
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kept", [(), (5, 20), range(29)], ids=["none", "few", "most"])
async def test_what_a_filter_drops_gives_its_place_back(
    source: Any, ordered: bool, kept: Any
) -> None:
    async def slow_at_first(n: int) -> bool:
        await anyio.sleep(9 if n % 10 == 0 else 1)
        return n in kept

    stream = source(30).filter(slow_at_first, concurrency=3, ordered=ordered, ahead=0)
    with anyio.fail_after(300):
        assert sorted(await stream.collect()) == [*kept]


async def test_the_truth_of_a_result_may_fail_and_names_the_item() -> None:
    class Undecided:
        def __bool__(self) -> bool:
            raise ValueError("which one?")

    async def call(n: int) -> object:
        await checkpoint()
        return Undecided() if n == 3 else n

    with pytest.raises(ValueError, match="which one") as raised:
        await Stream(lambda: generated(9)).filter(call, concurrency=2).collect()
    assert any("item 4" in note for note in raised.value.__notes__)


@each_source
async def test_for_each_keeps_no_results(source: Any) -> None:
    class Result:
        pass

    alive: weakref.WeakSet[Result] = weakref.WeakSet()
    most = 0

    async def call(n: int) -> Result:
        nonlocal most
        await anyio.sleep(n % 3)
        alive.add(result := Result())
        gc.collect()
        most = max(most, len(alive))
        return result

    await source(50).for_each(call, concurrency=5)
    assert most <= 10


@each_source
async def test_an_error_in_for_each_stops_the_others(source: Any) -> None:
    calls = Calls({n: n for n in range(9)}, {4: ValueError("no")}, cleanup=0.5)
    with pytest.raises(ValueError, match="no"):
        await source(100).for_each(calls, concurrency=3)
    assert sorted(calls.cleaned) == sorted(calls.begun)
    assert len(calls.begun) < 9


async def test_for_each() -> None:
    calls = Calls()
    start = anyio.current_time()
    await async_range(10).for_each(calls, concurrency=10)
    assert sorted(calls.ended) == list(range(10))
    assert anyio.current_time() - start == pytest.approx(1)


# -- errors ---------------------------------------------------------------------------------


async def test_an_error_comes_in_its_place_and_stops_what_comes_after_it() -> None:
    error = ValueError("two")
    calls = Calls({0: 5, 1: 4, 2: 1, 3: 100, 4: 100}, {2: error}, cleanup=0.5)
    got: list[int] = []
    with pytest.raises(ValueError, match="two") as caught:
        async with async_range(100).map(calls, concurrency=5) as items:
            async for item in items:
                got.append(item)
    assert caught.value is error
    assert got == [0, 1]
    assert calls.begun == [0, 1, 2, 3, 4]
    assert sorted(calls.ended) == [0, 1]
    assert sorted(calls.cleaned) == [0, 1, 2, 3, 4]
    assert anyio.current_time() < 10


async def test_an_error_does_not_hold_up_items_that_are_on_their_way_to_a_worker() -> None:
    def check(n: int) -> int:
        if n == 10:
            raise ValueError(n)
        return n

    for _ in range(50):  # trio wakes the workers in any order
        handed_out = async_range(100).filter(lambda n: n % 2 == 0).map(check, concurrency=3)
        seen: list[int] = []
        with pytest.raises(ValueError, match="10"):
            await handed_out.for_each(seen.append)
        assert seen == [0, 2, 4, 6, 8]


async def test_the_first_error_in_order_wins() -> None:
    calls = Calls({0: 3, 1: 2, 2: 1}, {0: KeyError(0), 2: ValueError(2)})
    with pytest.raises(KeyError):
        await async_range(3).map(calls, concurrency=3).collect()


async def test_an_unordered_error_stops_the_others() -> None:
    calls = Calls({0: 1, 1: 2, 2: 50, 3: 50}, {1: ValueError("one")}, cleanup=0.5)
    got: list[int] = []
    with pytest.raises(ValueError, match="one"):
        async with async_range(100).map(calls, concurrency=3, ordered=False) as items:
            async for item in items:
                got.append(item)
    assert got == [0]
    assert sorted(calls.cleaned) == sorted(calls.begun)
    assert anyio.current_time() < 10


async def test_an_error_of_a_stopped_call_comes_too() -> None:
    async def call(n: int) -> None:
        try:
            await anyio.sleep(1 if n == 0 else 50)
        finally:
            raise ValueError(n)

    with pytest.raises(ExceptionGroup) as caught:
        await async_range(2).map(call, concurrency=2, ordered=False).collect()
    assert sorted(error.args[0] for error in caught.value.exceptions) == [0, 1]  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["generator", "iterator"])
@pytest.mark.parametrize("ordered", [True, False])
async def test_an_error_of_the_source_comes_after_the_results(kind: str, ordered: bool) -> None:
    error = OSError("source")
    source = TrackedSource(range(10), errors={4: error})
    calls = Calls({0: 5})
    stream = Stream(getattr(source, kind)).map(calls, concurrency=3, ordered=ordered)
    got: list[int] = []
    with pytest.raises(OSError, match="source") as caught:
        async with stream as items:
            async for item in items:
                got.append(item)
    assert caught.value is error
    assert sorted(got) == [0, 1, 4, 9]
    assert source.open_runs == 0


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("fn", [Calls(), lambda n: n * n])
async def test_an_error_of_a_plain_source(workers: int, fn: Any) -> None:
    def numbers() -> Any:
        yield 1
        yield 2
        raise OSError("plain")

    got: list[int] = []
    with pytest.raises(OSError, match="plain"):
        async with Stream(numbers()).map(fn, concurrency=workers, ahead=1) as items:
            async for item in items:
                got.append(item)
    assert got == [1, 4]


async def test_a_cancelled_error_of_the_function_is_no_quiet_end() -> None:
    """A scope or a native cancel in the function that is not ours is told to the reader."""

    async def call(n: int) -> int:
        if n == 1:
            raise anyio.get_cancelled_exc_class()  # as awaiting a cancelled task does on asyncio
        return n

    if anyio.get_cancelled_exc_class().__module__.startswith("trio"):
        pytest.skip("trio lets nobody raise its Cancelled")
    with pytest.raises(StreamInterruptedError):
        await async_range(3).map(call, concurrency=2).collect()


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration])
async def test_an_end_of_iteration_in_the_function_is_an_error(error: type[Exception]) -> None:
    def call(n: int) -> int:
        if n == 2:
            raise error
        return n

    with pytest.raises(RuntimeError):
        await async_range(5).map(call, concurrency=2).collect()


# -- leaving --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["generator", "iterator"])
@pytest.mark.parametrize("ordered", [True, False])
async def test_leaving_interrupts_the_calls_and_closes_the_source(kind: str, ordered: bool) -> None:
    source = TrackedSource(range(100), cleanup=0.5)
    calls = Calls({n: 1 + 10 * (n > 2) for n in range(100)}, cleanup=0.5)
    async with Stream(getattr(source, kind)).map(calls, concurrency=3, ordered=ordered) as items:
        await anext(items)
        await anyio.sleep(1)
    assert source.open_runs == 0
    assert sorted(calls.cleaned) == sorted(calls.begun)
    assert len(source.closed_by) == 1
    assert anyio.current_time() < 4


async def test_a_call_that_hangs_in_its_cleanup_is_cut_off() -> None:
    calls = Calls(cleanup=1000)
    with pytest.raises(CleanupTimeoutError):
        async with async_range(3).map(calls, concurrency=1, ahead=0).open(grace=3):
            await anyio.sleep(0.5)
    assert anyio.current_time() == pytest.approx(3.5)


async def test_workers_are_as_many_tasks_as_were_asked_for() -> None:
    from anystream.testing.tasks import current_task

    tasks = set()

    async def call(n: int) -> None:
        tasks.add(current_task())
        await checkpoint()

    await async_range(200).map(call, concurrency=4).drain()
    assert len(tasks) == 4


def test_bad_arguments() -> None:
    numbers = async_range(3)
    with pytest.raises(ValueError, match="concurrency must be at least 1, got 0"):
        numbers.map(str, concurrency=0)
    with pytest.raises(TypeError, match="concurrency must be an integer, got '2'"):
        numbers.filter(str, concurrency="2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ahead must be at least 0, got -1"):
        numbers.map(str, ahead=-1)
    with pytest.raises(ValueError, match="concurrency must be at least 1, got -1"):
        numbers.flat_map(async_range, concurrency=-1)
    with pytest.raises(TypeError, match="fn must be a function"):
        numbers.map(3, concurrency=2)  # type: ignore[call-overload]


def test_text() -> None:
    numbers = async_range(3)
    assert repr(numbers.map(str, concurrency=2)) == "async_range(3).map(str, concurrency=2)"
    text = "async_range(3).filter(None, concurrency=2, ordered=False, ahead=0)"
    assert repr(numbers.filter(None, concurrency=2, ordered=False, ahead=0)) == text
    assert (
        repr(numbers.flat_map(str, concurrency=2)) == "async_range(3).flat_map(str, concurrency=2)"
    )


# -- flat_map -------------------------------------------------------------------------------


async def test_inner_streams_take_turns() -> None:
    def letters(n: int) -> str:
        return "abcd"[n] * 30

    stream = async_range(4).flat_map(letters, concurrency=2)
    assert sorted(await stream.collect()) == sorted("abcd" * 30)
    async with stream as items:  # which asks for one item at a time
        got = [letter async for letter in items]
    assert sorted(got) == sorted("abcd" * 30)
    assert set(got[:50]) == {"a", "b"}
    assert 15 <= got[:50].count("b") <= 30


@pytest.mark.parametrize("workers", [2, 3, 20])
async def test_so_many_inner_streams_are_open(workers: int) -> None:
    now = most = 0

    async def inner(n: int) -> AsyncIterator[int]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            for k in range(3):
                await anyio.sleep(1)
                yield 10 * n + k
        finally:
            await anyio.sleep(0.5)
            now -= 1

    got = await async_range(10).flat_map(inner, concurrency=workers).collect()
    assert sorted(got) == sorted(10 * n + k for n in range(10) for k in range(3))
    assert most == min(workers, 10)
    assert now == 0


async def test_inner_streams_with_tasks_and_async_functions() -> None:
    async def inner(n: int) -> Stream[int]:
        await anyio.sleep(1)
        return async_range(n).buffer(2)

    got = await async_range(5).flat_map(inner, concurrency=3).collect()
    assert sorted(got) == sorted(k for n in range(5) for k in range(n))


async def test_an_error_of_an_inner_stream_stops_the_others() -> None:
    source = TrackedSource([1, 2, 3], pause=1, cleanup=0.5)
    failing = TrackedSource([1], errors={1: OSError("inner")}, cleanup=0.5)
    with pytest.raises(OSError, match="inner"):
        async with Stream([source, failing, source]).flat_map(
            lambda each: each.generator(), concurrency=2
        ) as items:
            async for _ in items:
                pass
    assert source.open_runs == failing.open_runs == 0


async def test_an_error_of_the_outer_stream_stops_the_inner_ones() -> None:
    outer = TrackedSource([1, 2], errors={2: OSError("outer")})
    inner = TrackedSource(range(100), pause=1, cleanup=0.5)
    with pytest.raises(OSError, match="outer"):
        await Stream(outer.generator).flat_map(lambda _: inner.iterator(), concurrency=3).drain()
    assert inner.open_runs == outer.open_runs == 0


async def test_leaving_closes_the_inner_streams_first() -> None:
    order: list[str] = []

    async def source(name: str) -> AsyncIterator[str]:
        try:
            while True:
                await anyio.sleep(1)
                yield name
        finally:
            await anyio.sleep(0.1)
            order.append(name)

    async with Stream(lambda: source("outer")).flat_map(source, concurrency=2) as items:
        assert await anext(items) == "outer"
    assert order == ["outer"] * len(order)
    assert len(order) >= 2


async def test_a_function_that_gives_no_stream() -> None:
    with pytest.raises(TypeError, match="expected a stream, an async iterable or an iterable"):
        await async_range(3).flat_map(lambda n: n, concurrency=2).collect()  # type: ignore[arg-type,return-value]


async def test_a_cancelled_step_loses_no_result() -> None:
    for cut in every_cut():
        got: list[int] = []
        async with async_range(6).map(Calls({n: n % 3 for n in range(6)}), concurrency=3) as items:
            await cut.collect(items, got)
        assert got == SQUARES[:6]


async def test_leaving_flat_map_while_the_source_waits() -> None:
    source = TrackedSource([1, 2, 3], pause=1000, cleanup=0.5)
    numbers = Stream([1, 2]).chain(source.iterator)
    async with numbers.flat_map(lambda n: [n, n, n], concurrency=2) as items:
        await anext(items)
        await anyio.sleep(1)
    assert anyio.current_time() < 3
    assert source.open_runs == 0


@pytest.mark.parametrize("concurrency", [10, 1_000])
@pytest.mark.parametrize("operator", ["map", "unordered", "flat_map", "for_each"])
async def test_no_more_workers_are_hired_than_there_are_items(
    operator: str, concurrency: int
) -> None:
    async def call(item: int) -> int:
        await anyio.sleep(1)
        tasks.add(len(anyio.get_running_tasks()))
        return item

    async def call_all(item: int) -> list[int]:
        return [await call(item)]

    tasks: set[int] = set()
    items = async_range(3).spaced(0.1)
    before = len(anyio.get_running_tasks())
    if operator == "for_each":
        await items.for_each(call, concurrency=concurrency)
    elif operator == "flat_map":
        await items.flat_map(call_all, concurrency=concurrency).drain()
    else:
        await items.map(call, concurrency=concurrency, ordered=operator == "map").drain()
    assert 3 <= max(tasks) - before <= 5  # one may wait for an item, and one is the source's


async def test_a_plain_function_keeps_one_worker_busy() -> None:
    def call(item: int) -> None:
        tasks.add(len(anyio.get_running_tasks()))

    tasks: set[int] = set()
    before = len(anyio.get_running_tasks())
    await async_range(100).map(call, concurrency=50).drain()
    assert max(tasks) - before <= 4


async def test_nobody_is_hired_when_all_is_over() -> None:
    """By the task that hands out the items, which may not have heard of it."""
    stream = (
        Stream(lambda: itertools.cycle(range(6)))
        .group_by(lambda n: n % 2)
        .flat_map(lambda pair: pair[1], concurrency=2)
    )
    for turns in range(6):
        with anyio.CancelScope() as scope:

            async def cancel(scope: anyio.CancelScope, turns: int) -> None:
                for _ in range(turns):
                    await checkpoint()
                scope.cancel()

            async with anyio.create_task_group() as tasks, stream as items:
                tasks.start_soon(cancel, scope, turns)
                async for _ in items:
                    pass
        assert scope.cancelled_caught


async def test_who_hands_out_waits_for_a_worker_and_a_place_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = 0
    gate = Hands.gate

    def counting(hands: Hands) -> Any:
        nonlocal waits
        waits += 1
        return gate(hands)

    async def work(n: int) -> int:
        await checkpoint()
        return n

    monkeypatch.setattr(Hands, "gate", counting)
    items = TrackedSource(range(100), pause=None).generator()
    assert await Stream(items).map(work, concurrency=2).collect() == list(range(100))
    assert waits < 70  # both workers get an item in one go, and neither wakes it by a result
