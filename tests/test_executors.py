"""Functions called in an executor: how many, of how many items, and what of them fails.

The executors run in the event loop, so that time is virtual; `test_pools.py` has real ones.
"""

import asyncio
import itertools
import pickle
from collections.abc import AsyncIterator
from concurrent.futures import BrokenExecutor, Future
from functools import partial
from typing import Any

import anyio
import pytest
from executors import KILLER, ODD, AtOnce, Timed, bad, odd_error, square

from anystream import (
    CleanupTimeoutError,
    RemoteError,
    Stream,
    StreamInterruptedError,
    async_range,
)
from anystream._operators.remote import FoundSize, Turns
from anystream._remote import Failed, call


def one_second(items: list[Any]) -> float:
    return 1


async def aquare(n: int) -> int:
    return n * n


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is ready be all that is: no batch ends because its time is over."""
    monkeypatch.setattr("anystream._core.batches.QUANTUM", 1000)
    monkeypatch.setattr("anystream._core.channel.QUANTUM", 1000)


# -- how many -------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("chunk", [1, 4])
async def test_no_more_calls_are_submitted_than_concurrency(ordered: bool, chunk: int) -> None:
    async with anyio.create_task_group() as group:
        pool = Timed(group, 2, lambda items: 1 + items[0] % 3)
        squares = async_range(30).map(
            square, executor=pool, concurrency=5, ordered=ordered, chunk=chunk
        )
        found = await squares.collect()
    assert pool.most == 5
    assert sorted(found) == [n * n for n in range(30)]
    assert not ordered or found == sorted(found)


@pytest.mark.parametrize("kind", ["plain", "generator", "buffer"])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("ahead", [None, 0, 2])
@pytest.mark.parametrize("chunk", [1, 3, 10])
async def test_no_more_items_are_taken_than_calls_and_ahead_in_chunks(
    kind: str, ordered: bool, ahead: int | None, chunk: int
) -> None:
    """Also what is left of the chunk that is being read counts."""
    taken = 0

    def plain() -> Any:
        nonlocal taken
        for n in itertools.count():
            taken += 1
            yield n

    async def generator() -> AsyncIterator[int]:
        for n in plain():
            yield n

    source = Stream(generator) if kind == "generator" else Stream(plain)
    if kind == "buffer":
        source = source.buffer(0)
    bound = (3 + (3 if ahead is None else ahead)) * chunk
    async with anyio.create_task_group() as group:
        pool = Timed(group, 3, one_second)
        async with source.map(
            square, executor=pool, concurrency=3, ordered=ordered, ahead=ahead, chunk=chunk
        ) as items:
            await anyio.sleep(50)
            if kind == "buffer":
                assert taken <= bound
            else:
                assert taken == bound
            for read in range(1, 5 * chunk):
                await anext(items)
                await anyio.sleep(20)
                assert taken <= bound + read
            await anext(items)
            await anyio.sleep(20)
            if kind != "buffer":
                assert taken == bound + 5 * chunk


async def test_a_chunk_is_what_is_ready() -> None:
    async def bursts() -> AsyncIterator[int]:
        for n in range(12):
            if n in (1, 4):
                await anyio.sleep(10)
            yield n

    async with anyio.create_task_group() as group:
        pool = Timed(group, 9, one_second)
        await Stream(bursts).map(square, executor=pool, concurrency=9, chunk=5).drain()
    assert sorted(pool.chunks) == [[0], [1], [2, 3], [4], [5, 6, 7, 8, 9], [10, 11]]


async def test_calls_take_place_together() -> None:
    start = anyio.current_time()
    async with anyio.create_task_group() as group:
        pool = Timed(group, 5, one_second)
        await async_range(20).for_each(square, executor=pool, concurrency=5, chunk=2)
    assert anyio.current_time() - start == pytest.approx(2)


@pytest.mark.parametrize("method", ["map", "filter", "for_each"])
async def test_an_executor_that_is_false_is_one(method: str) -> None:
    class Idle(Timed):
        def __len__(self) -> int:
            return 0

    async with anyio.create_task_group() as group:
        pool = Idle(group, 5, one_second)
        made = getattr(async_range(4), method)(square, executor=pool, concurrency=2)
        await (made if method == "for_each" else made.drain())
    assert sorted(pool.chunks) == [[0], [1], [2], [3]]


async def test_unordered_results_come_as_they_are_ready() -> None:
    async with anyio.create_task_group() as group:
        pool = Timed(group, 9, lambda items: 9 - items[0])
        squares = async_range(6).map(square, executor=pool, concurrency=3, chunk=2, ordered=False)
        assert await squares.collect() == [16, 25, 4, 9, 0, 1]


async def test_filter() -> None:
    stream = async_range(8).filter(square, executor=AtOnce(), concurrency=2, chunk=3)
    assert await stream.collect() == [1, 2, 3, 4, 5, 6, 7]
    kept = Stream([0, 3, "", "a"]).filter(None, executor=AtOnce(), concurrency=2)
    assert await kept.collect() == [3, "a"]


def test_a_size_is_found_as_joblib_does() -> None:
    size = FoundSize()
    seconds = 0.001
    sizes = list[int]()
    for _ in range(12):
        sizes.append(size.size)
        size.learn(size.size, size.size * seconds)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 256]
    size.learn(100, 100)  # of another size
    assert size.size == 256
    size.learn(256, 3)
    assert size.size == 34
    size.learn(34, 1000)
    assert size.size == 1
    size.learn(1, 1000)
    assert size.size == 1
    size.learn(1, 0)
    assert size.size == 2


async def test_a_size_that_is_found_is_used() -> None:
    pool = AtOnce()
    chunks = list[int]()

    class Noting(AtOnce):
        def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
            chunks.append(len(args[1]))
            return pool.submit(fn, *args)

    await (
        Stream(list(range(99))).map(square, executor=Noting(), concurrency=1, chunk="auto").drain()
    )
    assert chunks[:3] == [1, 2, 4]


# -- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 4, 10])
@pytest.mark.parametrize("seconds", [0, 1])
async def test_an_error_comes_at_its_item(chunk: int, seconds: int) -> None:
    called = list[int]()

    def noted(n: int) -> int:
        called.append(n)
        return bad(n)

    got = list[int]()
    async with anyio.create_task_group() as group:
        # Later calls are the faster ones.
        pool = Timed(group, 9, lambda items: seconds * (50 - items[0]))
        with pytest.raises(ValueError, match="bad item 5"):
            async with async_range(40).map(
                noted, executor=pool, concurrency=3, chunk=chunk
            ) as items:
                async for item in items:
                    got.append(item)
        group.cancel_scope.cancel()
    assert got == [0, 1, 2, 3, 4]
    assert not {6, 7} & set(called) or chunk == 1


async def test_what_comes_before_an_error_of_the_source_is_called() -> None:
    def source() -> Any:
        yield from range(5)
        raise OSError("lost")

    got = list[int]()
    with pytest.raises(OSError, match="lost"):
        await (
            Stream(source)
            .map(square, executor=AtOnce(), concurrency=2, chunk=3)
            .for_each(got.append)
        )
    assert got == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("chunk", [1, 4])
async def test_on_error(chunk: int) -> None:
    numbers = async_range(8)
    run = partial(numbers.map, bad, executor=AtOnce(), concurrency=2, chunk=chunk)
    assert await run(on_error="skip").collect() == [0, 1, 2, 3, 4, 6, 7]
    assert await run(on_error=lambda error, n: -n).collect() == [0, 1, 2, 3, 4, -5, 6, 7]

    async def awaited(error: Exception, n: int) -> str:
        await anyio.sleep(1)
        return f"{error}!"

    assert await run(on_error=awaited).collect() == [0, 1, 2, 3, 4, "bad item 5!", 6, 7]

    def fail(error: Exception, n: int) -> int:
        raise KeyError(n)

    got = list[int]()
    with pytest.raises(KeyError, match="5"):
        await run(on_error=fail).for_each(got.append)
    assert got == [0, 1, 2, 3, 4]


async def test_calls_that_fail_at_one_instant_raise_the_first() -> None:
    def fail(n: int) -> int:
        raise ValueError(n)

    async with anyio.create_task_group() as group:
        pool = Timed(group, 9, one_second)
        with pytest.raises(ValueError, match="0") as caught:
            await async_range(9).map(fail, executor=pool, concurrency=4).drain()
    assert str(caught.value) == "0"


async def test_the_error_of_the_executor_tells_of_the_item() -> None:
    class Refusing:
        def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
            raise RuntimeError("cannot schedule new futures after shutdown")

    with pytest.raises(RuntimeError, match="after shutdown") as caught:
        await async_range(9).map(square, executor=Refusing(), concurrency=2, chunk=4).drain()
    assert caught.value.__notes__[0] == "in the call for items 0 to 3"


class Pickling:
    """An executor that sends what comes of a call as a process does."""

    def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
        future = Future[Any]()
        future.set_result(pickle.loads(pickle.dumps(fn(*args))))
        return future


def not_about_five(error: Exception, n: int) -> int:
    raise KeyError(n)


@pytest.mark.parametrize("chunk", [1, 4, 10])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    ("fn", "options", "number"),
    [
        (bad, {}, 6),
        (bad, {"on_error": not_about_five}, 6),
        (odd_error, {}, 4),  # in the place of which comes a RemoteError
    ],
)
async def test_the_error_of_a_function_tells_of_the_item(
    chunk: int, ordered: bool, fn: Any, options: Any, number: int
) -> None:
    numbers = async_range(9).map(
        fn, executor=Pickling(), concurrency=1, ordered=ordered, chunk=chunk, **options
    )
    with pytest.raises((ValueError, KeyError, RemoteError)) as caught:
        await numbers.drain()
    (note,) = caught.value.__notes__
    assert note.startswith(f"in map({fn.__name__}, ")
    assert note.endswith(f", operator 1 of 1 on async_range(9), at item {number}")


async def test_a_cancellation_that_a_function_raises_names_it(anyio_backend_name: str) -> None:
    def cancels(n: int) -> int:
        raise asyncio.CancelledError

    error = StreamInterruptedError if anyio_backend_name == "asyncio" else asyncio.CancelledError
    with pytest.raises(error) as caught:
        await async_range(9).map(cancels, executor=AtOnce(), concurrency=2).drain()
    assert error is asyncio.CancelledError or "cancels raised" in str(caught.value)


async def agen(n: int) -> AsyncIterator[int]:
    yield n


def sometimes_awaited(n: int) -> Any:
    return aquare(10 // (2 - n))  # and an error for the third


@pytest.mark.parametrize("method", ["map", "filter", "for_each"])
@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (lambda n: aquare(n), "plain function"),
        (sometimes_awaited, "plain function"),
        (lambda n: agen(n), "use flat_map"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"chunk": 4}, {"on_error": "skip"}])
async def test_what_only_an_event_loop_can_call_is_refused_by_its_result(
    method: str, fn: Any, text: str, options: Any
) -> None:
    if method != "map" and "on_error" in options:
        pytest.skip("it has none")
    made = getattr(async_range(9), method)(fn, executor=AtOnce(), concurrency=1, **options)
    with pytest.raises(TypeError, match=text):
        await (made if method == "for_each" else made.drain())


async def test_a_submit_that_returns_no_future() -> None:
    class Wrong:
        def submit(self, fn: Any, /, *args: Any) -> Any:
            return 3

    with pytest.raises(TypeError, match=r"submit\(\) of an executor must return a"):
        await async_range(9).map(square, executor=Wrong(), concurrency=2).drain()


async def test_an_error_is_packed_so_that_it_can_be_read() -> None:
    (failed,), _ = call(bad, [5], False, None)
    rebuild, parts = failed.__reduce__()
    error = rebuild(*parts).error
    assert type(error) is ValueError
    assert str(error) == "bad item 5"
    assert "in bad" in str(error.__cause__)
    assert isinstance(failed, Failed)


@pytest.mark.parametrize("place", range(len(ODD)), ids=[type(error).__name__ for error in ODD])
async def test_an_error_that_cannot_be_read_is_packed_as_text(place: int) -> None:
    (failed,), _ = call(odd_error, [3 + place], False, None)
    error = pickle.loads(pickle.dumps(failed)).error
    name = type(ODD[place]).__name__
    text = "its text cannot be shown" if name in ("Silent", "Interrupting") else "odd text"
    assert type(error) is RemoteError
    assert str(error) == f"executors.{name}: {text}"
    assert "in odd_error" in str(error.__cause__)


@pytest.mark.parametrize(
    "data", [b"no pickle", pickle.dumps("no error"), pickle.dumps(ODD[7])], ids=range(3)
)
async def test_an_error_that_can_be_read_in_the_worker_alone(data: bytes) -> None:
    (failed,), _ = call(bad, [5], False, None)
    rebuild, parts = failed.__reduce__()
    error = rebuild(data, *parts[1:]).error
    assert type(error) is RemoteError
    assert str(error) == "builtins.ValueError: bad item 5"
    assert "in bad" in str(error.__cause__)


# -- executors that break -------------------------------------------------------------------


async def test_an_executor_that_was_given_and_breaks_is_an_error() -> None:
    got = list[int]()
    async with anyio.create_task_group() as group:
        pool = Timed(group, 9, one_second)
        with pytest.raises(BrokenExecutor, match="a worker was killed") as caught:
            await (
                Stream([0, 1, 2, 3, KILLER, 5])
                .map(square, executor=pool, concurrency=2)
                .for_each(got.append)
            )
    assert got == [0, 1, 4, 9]
    assert caught.value.__notes__[0] == "item 4, -1: its worker died or was killed"
    assert not pool.shut


async def test_an_executor_that_was_given_and_has_broken_before_is_an_error() -> None:
    class Gone:
        def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
            raise BrokenExecutor("a worker was killed")

    with pytest.raises(BrokenExecutor, match="a worker was killed"):
        await Stream([1]).map(square, executor=Gone(), concurrency=2).drain()


class BreakingIn(AtOnce):
    """Breaks while it takes its first call, and stumbles over that."""

    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls
        self.broken = False

    def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("a worker was killed")
        self.calls.append(args)
        if len(self.calls) > 1:
            return super().submit(fn, *args)
        self.broken = True
        raise OSError("handle is closed")


async def test_an_executor_that_was_given_and_breaks_while_it_takes_a_call() -> None:
    stream = Stream([1, 2]).map(square, executor=BreakingIn([]), concurrency=1)
    with pytest.raises(BrokenExecutor, match="a worker was killed") as caught:
        await stream.drain()
    assert caught.value.__notes__[0] == "item 0, 1: its worker died or was killed"
    assert isinstance(caught.value.__cause__, OSError)


async def test_an_executor_that_is_whole_and_refuses_a_call() -> None:
    class Picky(AtOnce):
        def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
            if args:
                raise OSError("not this one")
            return super().submit(fn)

    with pytest.raises(OSError, match="not this one") as caught:
        await Stream([1]).map(square, executor=Picky, concurrency=1, attempts=3).drain()
    assert caught.value.__notes__[0] == "in the call for item 0, 1"


async def test_a_call_while_which_an_executor_breaks_is_an_attempt() -> None:
    """It may have begun."""
    calls = list[Any]()
    stream = Stream([1, 2]).map(square, executor=lambda: BreakingIn(calls), concurrency=1)
    with pytest.raises(BrokenExecutor):
        await stream.drain()
    calls.clear()
    stream = Stream([1, 2]).map(
        square, executor=lambda: BreakingIn(calls), concurrency=1, attempts=2
    )
    assert await stream.collect() == [1, 4]
    assert len(calls) == 3


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("chunk", [1, 3])
async def test_an_executor_is_made_anew(ordered: bool, chunk: int) -> None:
    pools = list[Timed]()
    async with anyio.create_task_group() as group:

        def make() -> Timed:
            pools.append(Timed(group, 9, one_second))
            if len(pools) < 4:
                group.start_soon(kill, pools[-1])
            return pools[-1]

        async def kill(pool: Timed) -> None:
            await anyio.sleep(1.5)
            pool.kill()

        stream = async_range(30).map(
            square, executor=make, concurrency=3, attempts=4, ordered=ordered, chunk=chunk
        )
        async with stream as items:
            found = [item async for item in items]
            retried = items.statistics()
    assert sorted(found) == [n * n for n in range(30)]
    assert not ordered or found == sorted(found)
    assert len(pools) == 4
    assert [pool.shut for pool in pools] == [[False], [False], [False], [True]]
    assert sum(stage.retried for stage in retried.stages) > 0


@pytest.mark.parametrize("attempts", [1, 2, 4])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("chunk", [1, 4])
async def test_an_item_that_always_kills_is_named(attempts: int, ordered: bool, chunk: int) -> None:
    """Those that are called beside it are spared, since its last attempt is made alone."""
    begun = list[int]()
    got = list[int]()
    async with anyio.create_task_group() as group:

        class Noting(Timed):
            def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
                future = super().submit(fn, *args)
                begun.extend(args[1])
                return future

        numbers = [*range(20), KILLER, *range(21, 40)]
        with pytest.raises(BrokenExecutor) as caught:
            await (
                Stream(numbers)
                .map(
                    square,
                    executor=lambda: Noting(group, 9, one_second),
                    concurrency=3,
                    attempts=attempts,
                    ordered=ordered,
                    chunk=chunk,
                )
                .for_each(got.append)
            )
    others = ("at the same time", "in map(")
    (note,) = [note for note in caught.value.__notes__ if not note.startswith(others)]
    if attempts > 1:
        assert note == f"item 20, -1: its worker died {attempts} times"
        assert not ordered or got == [n * n for n in range(20)]
    elif chunk == 1:
        assert note.endswith("its worker died or was killed")
    assert max(begun.count(n) for n in range(40)) <= attempts
    assert begun.count(KILLER) == attempts


async def test_a_call_that_gives_up_its_turn_alone_lets_the_others_in() -> None:
    turns = Turns(anyio.Event)
    await turns.enter(alone=False)
    with anyio.move_on_after(1) as left:
        await turns.enter(alone=True)
    assert left.cancelled_caught
    with anyio.fail_after(1):
        await turns.enter(alone=False)


async def test_an_executor_that_breaks_at_once_is_made_no_more_than_that_often() -> None:
    made = list[Any]()

    class Broken:
        def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
            raise BrokenExecutor("no worker begins")

    def make() -> Broken:
        made.append(Broken())
        return made[-1]

    with pytest.raises(BrokenExecutor, match="no worker begins"):
        await Stream([1]).map(square, executor=make, concurrency=1, attempts=3).drain()
    assert len(made) <= 6


# -- leaving --------------------------------------------------------------------------------


async def test_what_is_queued_never_starts_after_the_stream_is_left() -> None:
    async with anyio.create_task_group() as group:
        pool = Timed(group, 2, lambda items: 5)
        start = anyio.current_time()
        async with async_range(99).map(square, executor=pool, concurrency=6) as items:
            await anext(items)
        assert anyio.current_time() - start == pytest.approx(5)  # which it does not wait for
    assert len(pool.chunks) in (3, 4)


async def test_an_own_executor_is_made_by_the_run_and_shut_down_with_it() -> None:
    pools = list[Timed]()
    async with anyio.create_task_group() as group:

        def make() -> Timed:
            pools.append(Timed(group, 9, one_second))
            return pools[-1]

        stream = async_range(9).map(square, executor=make, concurrency=2)
        assert not pools
        for run in (1, 2):
            async with stream as items:
                await anext(items)
                assert len(pools) == run
                assert not pools[-1].shut
            assert pools[-1].shut == [True]
        await Stream([]).map(square, executor=make, concurrency=2).drain()
        assert len(pools) == 2


async def test_what_an_own_executor_raises_at_its_end_is_raised() -> None:
    class Failing(AtOnce):
        def shutdown(self, wait: bool = True) -> None:
            raise OSError("no end")

    got = list[int]()
    with pytest.raises(OSError, match="no end"):
        await async_range(3).map(square, executor=Failing, concurrency=2).for_each(got.append)
    assert got == [0, 1, 4]


@pytest.mark.parametrize("how", ["kill_workers", "loky", "not at all"])
async def test_an_executor_that_does_not_end_is_killed_if_it_can_be(how: str) -> None:
    import threading

    release = threading.Event()
    killed = list[str]()

    class Stuck(AtOnce):
        def shutdown(self, wait: bool = True) -> None:
            release.wait()

    class Killable(Stuck):
        def kill_workers(self) -> None:
            killed.append("kill_workers")
            release.set()

    class Loky(Stuck):
        def shutdown(self, wait: bool = True, kill_workers: bool = False) -> None:
            if kill_workers:
                killed.append("loky")
                release.set()
            super().shutdown()

    make = {"kill_workers": Killable, "loky": Loky, "not at all": Stuck}[how]
    with pytest.raises(CleanupTimeoutError) as caught:
        await async_range(3).map(square, executor=make, concurrency=2).drain()
    assert caught.value.complete == (how != "not at all")
    assert killed == ([] if how == "not at all" else [how])
    release.set()


async def test_what_a_function_makes_must_be_an_executor() -> None:
    with pytest.raises(TypeError, match="or a function that makes one, got 3"):
        await async_range(3).map(square, executor=lambda: 3, concurrency=2).drain()  # type: ignore[call-overload]


# -- arguments ------------------------------------------------------------------------------


class ClientExecutor(AtOnce):
    """One of Dask's, as far as its options are concerned."""

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs


class Client(AtOnce):
    def get_executor(self) -> None: ...


class Callable_:
    async def __call__(self, n: int) -> int:
        return n


async def async_make() -> AtOnce:
    return AtOnce()


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({}, TypeError, "executor needs concurrency"),
        ({"concurrency": 0}, ValueError, "concurrency must be at least 1"),
        ({"concurrency": 1, "ahead": -1}, ValueError, "ahead must be at least 0"),
        ({"concurrency": 1, "chunk": 0}, ValueError, "chunk must be at least 1"),
        ({"concurrency": 1, "chunk": "best"}, ValueError, "chunk must be one of 'auto'"),
        ({"concurrency": 1, "chunk": 1.5}, TypeError, "chunk must be an integer"),
        ({"concurrency": 1, "attempts": 0}, ValueError, "attempts must be at least 1"),
        ({"concurrency": 1, "attempts": 2}, TypeError, "attempts needs a function"),
        ({"concurrency": 1, "executor": 3}, TypeError, "executor must be a concurrent"),
        ({"concurrency": 1, "executor": async_make}, TypeError, "made by a plain function"),
        ({"concurrency": 1, "executor": Client()}, TypeError, r"get_executor\(pure=False\)"),
        ({"concurrency": 1, "executor": ClientExecutor()}, ValueError, r"pure=False"),
        ({"concurrency": 1, "executor": ClientExecutor(pure=True)}, ValueError, r"pure=False"),
        ({"concurrency": 1, "fn": aquare}, TypeError, "fn must be a plain function"),
        ({"concurrency": 1, "fn": partial(aquare, 2)}, TypeError, "fn must be a plain function"),
        ({"concurrency": 1, "fn": Callable_()}, TypeError, "fn must be a plain function"),
        ({"concurrency": 1, "fn": 3}, TypeError, "fn must be a function"),
        ({"concurrency": 1, "executor": None, "chunk": 2}, TypeError, "chunk needs executor"),
        ({"concurrency": 1, "executor": None, "attempts": 2}, TypeError, "attempts needs executor"),
    ],
)
@pytest.mark.parametrize("method", ["map", "filter"])
def test_bad_arguments(method: str, given: Any, error: type[Exception], text: str) -> None:
    arguments = {"fn": square, "executor": AtOnce(), **given}
    fn = arguments.pop("fn")
    with pytest.raises(error, match=text):
        getattr(async_range(3), method)(fn, **arguments)


async def test_bad_arguments_of_for_each() -> None:
    with pytest.raises(TypeError, match="executor needs concurrency"):
        await async_range(3).for_each(square, executor=AtOnce())
    with pytest.raises(TypeError, match="chunk needs executor"):
        await async_range(3).for_each(square, chunk=2)


async def test_dasks_executor_that_makes_each_call() -> None:
    pool = ClientExecutor(pure=False)
    assert await async_range(3).map(square, executor=pool, concurrency=2).collect() == [0, 1, 4]


def test_text() -> None:
    stream = async_range(3).map(square, executor=AtOnce, concurrency=2, chunk="auto")
    text = "async_range(3).map(square, concurrency=2, executor=AtOnce, chunk='auto')"
    assert repr(stream) == text
    assert "at most 4 chunks in work or to be read, in order" in stream.explain()
    stream = async_range(3).map(square, executor=AtOnce, concurrency=2, chunk=5, ordered=False)
    assert "at most 20 items in work or to be read, as they are ready" in stream.explain()
