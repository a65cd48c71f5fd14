"""Functions called in real pools: threads, processes however they are started, and loky."""

import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import anyio
import anyio.to_thread
import pytest
from executors import KILLER, ODD, bad, die, odd_error, square, worker

from anystream import RemoteError, Stream, async_range

pytestmark = pytest.mark.real_time

GRACE = 30
"""Seconds: a pool that has just begun to spawn its workers ends when they are there."""

STARTS = multiprocessing.get_all_start_methods()


def processes(start: str, workers: int = 2) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(start))


def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2)


def loky() -> Any:
    from loky.process_executor import ProcessPoolExecutor

    return ProcessPoolExecutor(2)


MAKERS: dict[str, Callable[[], Any]] = {
    "threads": threads,
    "loky": loky,
    **{start: partial(processes, start) for start in STARTS if start != "fork"},
}
WITHOUT_LOKY = pytest.mark.skipif(find_spec("loky") is None, reason="loky is not installed")
NAMES = [pytest.param(name, marks=[WITHOUT_LOKY] * (name == "loky")) for name in MAKERS]
OF_PROCESSES = NAMES[1:]


@pytest.fixture(scope="module", params=NAMES)
def pool(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with MAKERS[request.param]() as executor:
        yield executor


@pytest.fixture(scope="module", params=OF_PROCESSES)
def process_pool(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with MAKERS[request.param]() as executor:
        yield executor


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("chunk", [1, 7, "auto"])
async def test_every_item_comes(pool: Executor, ordered: bool, chunk: Any) -> None:
    squares = async_range(200).map(
        square, executor=pool, concurrency=4, ordered=ordered, chunk=chunk
    )
    found = await squares.collect()
    assert sorted(found) == [n * n for n in range(200)]
    assert not ordered or found == sorted(found)


@pytest.mark.parametrize("chunk", [1, 4])
async def test_an_error_comes_at_its_item_with_its_traceback(pool: Executor, chunk: int) -> None:
    got = list[int]()
    with pytest.raises(ValueError, match="bad item 5") as caught:
        await (
            async_range(40).map(bad, executor=pool, concurrency=3, chunk=chunk).for_each(got.append)
        )
    assert got == [0, 1, 2, 3, 4]
    if isinstance(pool, ThreadPoolExecutor):
        assert caught.traceback[-1].name == "bad"
    else:
        assert "in bad" in str(caught.value.__cause__)


@pytest.mark.parametrize("chunk", [1, 4])
async def test_an_error_that_cannot_be_read_breaks_no_pool(
    process_pool: Executor, chunk: int
) -> None:
    for place, odd in enumerate(ODD, 3):
        pairs = Stream([0, place]).map(odd_error, executor=process_pool, concurrency=1, chunk=chunk)
        with pytest.raises(RemoteError, match=f"^executors.{type(odd).__name__}: ") as caught:
            await pairs.drain()
        assert "in odd_error" in str(caught.value.__cause__)
    assert await async_range(3).map(square, executor=process_pool, concurrency=2).collect() == [
        0,
        1,
        4,
    ]


class Wrapped:
    """As wrapt makes one of a function that is decorated."""

    def __call__(self, n: int) -> int:
        raise AssertionError("nobody calls it")

    def __reduce__(self) -> NoReturn:
        raise NotImplementedError("object proxy must define __reduce__()")


async def test_a_function_that_cannot_be_sent_to_a_process_pool() -> None:
    with processes("spawn") as executor:
        for fn in (lambda n: n, Wrapped()):
            stream = async_range(3).map(fn, executor=executor, concurrency=2, chunk=2)
            with pytest.raises(pickle.PicklingError, match="give a function of a module") as caught:
                await stream.drain()
            assert caught.value.__cause__ is not None
        lock = threading.Lock()
        with pytest.raises(TypeError, match="cannot pickle") as refused:
            await Stream([lock]).map(square, executor=executor, concurrency=2).drain()
        assert "in the call for item 0, <unlocked" in refused.value.__notes__[0]


async def test_a_killed_worker_of_a_pool_that_was_given() -> None:
    # CPython 3.11 waits without end for a second worker that begins while the first one dies.
    with processes("spawn", workers=1) as executor:
        stream = Stream([0, 1, KILLER, 3]).map(die, executor=executor, concurrency=1)
        got = list[int]()
        with pytest.raises(BrokenExecutor) as caught:
            await stream.for_each(got.append)
    assert got == [0, 1]
    assert caught.value.__notes__[0] == "item 2, -1: its worker died or was killed"


@pytest.mark.parametrize("maker", OF_PROCESSES)
async def test_an_item_that_always_kills_is_named(maker: str) -> None:
    numbers = [*range(7), KILLER, *range(8, 20)]
    got = list[int]()
    with pytest.raises(BrokenExecutor) as caught:
        await (
            Stream(numbers)
            .map(die, executor=MAKERS[maker], concurrency=3, chunk=2, attempts=2)
            .with_grace(GRACE)
            .for_each(got.append)
        )
    assert got == [0, 1, 2, 3, 4, 5, 6]
    assert caught.value.__notes__[0] == "item 7, -1: its worker died 2 times"


def kill_one(folder: Path, chance: random.Random) -> None:
    """Kill one of the workers that have begun a call, if there is one by now."""
    workers = [*folder.iterdir()]
    for each in workers:  # all of a broken pool end
        each.unlink()
    if workers:
        with suppress(ProcessLookupError):
            os.kill(int(chance.choice(workers).name), signal.SIGKILL)


def slow(n: int, folder: str) -> int:
    Path(folder, str(os.getpid())).touch()
    time.sleep(0.02)
    return n * n


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("maker", OF_PROCESSES)
@pytest.mark.parametrize("chunk", [1, 5])
async def test_every_item_comes_in_order_although_workers_are_killed(
    maker: str, chunk: int, tmp_path: Path
) -> None:
    kills = 3
    chance = random.Random(chunk)

    async def kill() -> None:
        for _ in range(kills):
            await anyio.sleep(chance.uniform(0.1, 0.4))
            await anyio.to_thread.run_sync(kill_one, tmp_path, chance)

    async with anyio.create_task_group() as group:
        group.start_soon(kill)
        squares = (
            async_range(100)
            .map(
                partial(slow, folder=str(tmp_path)),
                executor=MAKERS[maker],
                concurrency=4,
                chunk=chunk,
                attempts=kills + 1,
            )
            .with_grace(GRACE)
        )
        assert await squares.collect() == [n * n for n in range(100)]
        group.cancel_scope.cancel()


async def test_leaving_waits_for_no_call_of_a_pool_that_was_given() -> None:
    release = threading.Event()

    def wait(n: int) -> int:
        if n:
            release.wait()
        return n

    with threads() as executor:
        async with async_range(99).map(wait, executor=executor, concurrency=4) as items:
            assert await anext(items) == 0
        assert not release.is_set()
        release.set()


CTRL_C = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import anyio
from anystream import async_range

def nap(n):
    print(os.getpid(), flush=True)
    try:
        time.sleep(0.05)
    except KeyboardInterrupt:
        print("in a worker", flush=True)
    return n

def make():
    return ProcessPoolExecutor(2, mp_context=get_context(sys.argv[2]))

async def main():
    await async_range(10**6).map(nap, executor=make, concurrency=4).drain()

if __name__ == "__main__":
    try:
        anyio.run(main, backend=sys.argv[1])
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups there")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("start", STARTS)
def test_ctrl_c(backend: str, start: str, tmp_path: Path) -> None:
    """It comes to the workers too, which ignore it."""
    program = tmp_path / "program.py"
    program.write_text(CTRL_C)
    process = subprocess.Popen(
        [sys.executable, str(program), backend, start],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    workers = set[str]()
    while len(workers) < 2:  # of which each has begun a call
        workers.add(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert "interrupted" in out.splitlines()
    assert "in a worker" not in out
    assert "Traceback" not in errors


def test_a_worker_imports_no_more_than_it_needs() -> None:
    code = """
import sys
import anystream._remote
new = {name.partition(".")[0] for name in sys.modules}
assert not new & {"anyio", "trio", "asyncio", "httpx", "concurrent"}, new
ours = {name for name in sys.modules if name.startswith("anystream")}
assert ours == {"anystream", "anystream._remote", "anystream._errors"}, ours
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


async def test_calls_are_made_in_the_workers(process_pool: Executor) -> None:
    found = await async_range(20).map(worker, executor=process_pool, concurrency=4).collect()
    assert os.getpid() not in found
