"""Functions called on a cluster of Dask's: one on this machine, and one of two hosts."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from executors import bad, odd_error, square

from anystream import RemoteError, Stream, async_range

distributed = pytest.importorskip(
    "distributed", reason="Dask is not installed: nox -s cluster does that"
)

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.leaks_expected("logged", "unawaited"),
    pytest.mark.filterwarnings("default"),  # those of Dask are not ours
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address=None, worker_dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("chunk", [1, 20, "auto"])
async def test_every_item_comes(client: Any, ordered: bool, chunk: Any) -> None:
    executor = client.get_executor(pure=False)
    squares = async_range(100).map(
        square, executor=executor, concurrency=8, ordered=ordered, chunk=chunk
    )
    found = await squares.collect()
    assert sorted(found) == [n * n for n in range(100)]
    assert not ordered or found == sorted(found)


async def test_equal_items_are_each_called(client: Any, tmp_path: Path) -> None:
    numbers = [1, 1, 1, 2, 2, 1]
    executor = client.get_executor(pure=False)
    await Stream([(n, str(tmp_path)) for n in numbers]).for_each(
        note, executor=executor, concurrency=4
    )
    assert noted_in(tmp_path) == len(numbers)


def note(item: tuple[int, str]) -> None:
    number, folder = item
    Path(folder, f"{number} {time.time_ns()} {os.urandom(4).hex()}").touch()


def noted_in(folder: Path) -> int:
    return len([*folder.iterdir()])


@pytest.mark.parametrize("options", [{}, {"pure": True}])
def test_calls_that_would_be_made_once_are_refused(client: Any, options: Any) -> None:
    executor = client.get_executor(**options)
    with pytest.raises(ValueError, match=r"give client.get_executor\(pure=False\)"):
        async_range(9).map(square, executor=executor, concurrency=2)
    with pytest.raises(TypeError, match=r"give client.get_executor\(pure=False\)"):
        async_range(9).map(square, executor=client, concurrency=2)


@pytest.mark.parametrize("chunk", [1, 4])
async def test_an_error_comes_at_its_item_with_its_traceback(client: Any, chunk: int) -> None:
    executor = client.get_executor(pure=False)
    got = list[int]()
    with pytest.raises(ValueError, match="bad item 5") as caught:
        await (
            async_range(40)
            .map(bad, executor=executor, concurrency=3, chunk=chunk)
            .for_each(got.append)
        )
    assert got == [0, 1, 2, 3, 4]
    assert "in bad" in str(caught.value.__cause__)
    with pytest.raises(RemoteError, match="Odd: odd text"):
        await async_range(9).map(odd_error, executor=executor, concurrency=2).drain()


async def test_leaving_cancels_what_is_queued(client: Any, tmp_path: Path) -> None:
    executor = client.get_executor(pure=False)
    items = [(n, str(tmp_path)) for n in range(999)]
    async with Stream(items).map(noted_slowly, executor=executor, concurrency=50) as results:
        await anext(results)
    await anyio.sleep(2)
    assert noted_in(tmp_path) < 50


def noted_slowly(item: tuple[int, str]) -> None:
    note(item)
    time.sleep(0.5)


# -- two hosts ------------------------------------------------------------------------------

NET = f"10.177.{os.getpid() % 250}"  # of its own, if several of these tests run at a time
HERE, THERE = f"{NET}.1", f"{NET}.2"
LINK = SPACE = f"hosts{os.getpid()}"
HOSTS = Path(__file__).parent


def ip(*args: str, check: bool = True) -> None:
    subprocess.run(["ip", *args], check=check, capture_output=not check)


def can_have_two_hosts() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    made = subprocess.run(["ip", "netns", "add", f"{SPACE}-try"], capture_output=True)
    if made.returncode == 0:
        ip("netns", "delete", f"{SPACE}-try")
    return made.returncode == 0


@pytest.fixture
def two_hosts() -> Iterator[str]:
    """A scheduler and a worker here, and a worker in a network namespace: the address."""
    if not can_have_two_hosts():
        pytest.skip("a second host is a network namespace of Linux, which takes root and `ip`")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(HOSTS)])}
    address = f"tcp://{HERE}:8786"
    scheduler = ["scheduler", "--host", HERE, "--port", "8786", "--no-dashboard"]
    worker = ["worker", address, "--nthreads", "4", "--no-nanny", "--no-dashboard"]
    with ExitStack() as stack:

        def start(prefix: list[str], command: list[str]) -> None:
            program = [sys.executable, "-m", f"distributed.cli.dask_{command[0]}"]
            process = subprocess.Popen(
                [*prefix, *program, *command[1:]],
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)

        ip("netns", "delete", SPACE, check=False)
        ip("netns", "add", SPACE)
        stack.callback(ip, "netns", "delete", SPACE)
        ip("link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", SPACE)
        stack.callback(ip, "link", "delete", LINK, check=False)
        ip("address", "add", f"{HERE}/24", "dev", LINK)
        ip("link", "set", LINK, "up")
        there = ["ip", "netns", "exec", SPACE]
        for command in (
            ["address", "add", f"{THERE}/24", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
            ["link", "set", "lo", "up"],
        ):
            subprocess.run([*there, "ip", *command], check=True)
        start([], scheduler)
        start([], [*worker, "--host", HERE, "--name", "here"])
        start(there, [*worker, "--host", THERE, "--name", "there"])
        yield address


def where(n: int) -> tuple[int, str]:
    time.sleep(0.02)
    return n, distributed.get_worker().name


def connected(address: str) -> Any:
    client = distributed.Client(address, timeout=30)
    with suppress(BaseException):
        client.wait_for_workers(2, timeout=60)
    return client


async def test_two_hosts_and_a_link_that_is_cut(two_hosts: str) -> None:
    client = await anyio.to_thread.run_sync(connected, two_hosts)
    assert len(client.scheduler_info()["workers"]) == 2
    client.upload_file(__file__)

    async def cut() -> None:
        await anyio.to_thread.run_sync(ip, "link", "set", LINK, "down")
        await anyio.sleep(3)
        await anyio.to_thread.run_sync(ip, "link", "set", LINK, "up")

    found = list[tuple[int, str]]()
    try:
        executor = client.get_executor(pure=False)
        async with anyio.create_task_group() as group:
            results = async_range(300).map(where, executor=executor, concurrency=16, chunk=2)
            async with results as items:
                async for item in items:
                    found.append(item)
                    if len(found) == 100:
                        group.start_soon(cut)
    finally:
        await anyio.to_thread.run_sync(client.close)
    assert [n for n, _ in found] == [*range(300)]
    assert set(Counter(host for _, host in found)) == {"here", "there"}
