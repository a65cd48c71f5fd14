"""Programs that some cases run in processes of their own.

python benchmarks/cases/programs.py serve                   HTTP, until its standard input ends
python benchmarks/cases/programs.py items BACKEND COUNT     reads items, and prints its peak memory
python benchmarks/cases/programs.py pages BACKEND URL       the same for all pages from there
"""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

MIB = 2**20


@contextmanager
def unpinned() -> Generator[None, None, None]:
    """Processes that are started meanwhile may run on every processor, unlike this one."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    pinned = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, pinned)


@contextmanager
def bytecode_cache() -> Generator[dict[str, str], None, None]:
    """An environment in which modules are compiled once, as those are that pip has installed."""
    with TemporaryDirectory() as cache:
        env = os.environ | {"NO_PROXY": "127.0.0.1", "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        yield env


@contextmanager
def server() -> Generator[str, None, None]:
    """The address of a server in a process of its own."""
    pipe = subprocess.PIPE
    with unpinned():
        process = subprocess.Popen(program("serve"), stdin=pipe, stdout=pipe, text=True)
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the server has not started")
        yield url


def program(*arguments: str) -> list[str]:
    return [sys.executable, __file__, *arguments]


GROWTHS: dict[tuple[str, str], float] = {}


async def growth(what: str, few: str, many: str, env: dict[str, str]) -> float:
    """The peak memory of a program that does much, above that of one that does little, in MiB.

    It is about the same each time, and takes long: so it is measured once on each backend.
    """
    backend = running_backend()
    if (what, backend) not in GROWTHS:
        await peak(what, backend, few, env)  # compiles what is imported, which takes memory
        low = await peak(what, backend, few, env)
        GROWTHS[what, backend] = await peak(what, backend, many, env) - low
    return GROWTHS[what, backend]


async def peak(what: str, backend: str, argument: str, env: dict[str, str]) -> float:
    done = await anyio.run_process(program(what, backend, argument), stderr=None, env=env)
    return int(done.stdout) / MIB


def running_backend() -> str:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return "trio"
    return "uvloop" if type(loop).__module__.startswith("uvloop") else "asyncio"


async def serve() -> None:
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from server import serve

    async with serve() as here:
        print(here.url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


async def read_items(count: str) -> None:
    from anystream import async_range

    async with async_range(int(count)).map(lambda n: n + 1).filter(lambda n: n % 2) as items:
        async for _ in items:
            pass


async def read_pages(url: str) -> None:
    import httpx

    from anystream.http import PageNumber, fetch_all_pages

    async with httpx.AsyncClient(trust_env=False) as client:
        await fetch_all_pages(url, client=client, next=PageNumber()).drain()


def own_peak() -> int:
    """The most bytes of memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where `ru_maxrss` begins with what the parent process had
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def main(what: str, backend: str = "asyncio", *arguments: str) -> None:
    uses_uvloop = backend == "uvloop"
    options: dict[str, Any] = {"use_uvloop": True} if uses_uvloop else {}
    run: Any = {"serve": serve, "items": read_items, "pages": read_pages}[what]
    name = "asyncio" if uses_uvloop else backend
    anyio.run(run, *arguments, backend=name, backend_options=options)
    if what != "serve":
        print(own_peak())


if __name__ == "__main__":
    main(*sys.argv[1:])
