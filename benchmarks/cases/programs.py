"""Programs that some cases run in processes of their own.

python benchmarks/cases/programs.py    serves HTTP, until its standard input ends
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio


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
        process = subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True)
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the server has not started")
        yield url


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


if __name__ == "__main__":
    anyio.run(serve)
