"""A server for the page alone, on this machine."""

import re
import socket
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from logging import getLogger
from typing import Any

import anyio
from anyio.abc import TaskStatus

from .. import _args as check
from .._core.backends import backend
from .runs import watching
from .web import ENDING, app, plain

HOST = "127.0.0.1"
LOCAL = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:\d*)?", re.IGNORECASE)
PORT = 8765
HIGHEST = 65535

PATIENCE = 1
"""Seconds that open pages may take to close at the end."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
Run = Callable[[socket.socket, anyio.Event], Awaitable[None]]


async def serve(
    port: int = PORT, *, task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Watch, and serve the page on this machine until it is cancelled.

    Start it in a task group of yours: `tasks.start_soon(watch.serve)`, or for another port, of
    which 0 is a free one, `url = await tasks.start(watch.serve, 0)`. It listens on 127.0.0.1 only,
    and answers nobody who has come by the name of another host. The server is uvicorn on asyncio
    and hypercorn on trio.

    Raises `ImportError` if that is not installed, `OSError` if the port is taken, and `TypeError`
    or `ValueError` if `port` is not an integer from 0 to 65535.

    >>> import httpx
    >>> from anystream import watch
    >>> async def main():
    ...     async with anyio.create_task_group() as tasks:
    ...         url = await tasks.start(watch.serve, 0)
    ...         async with httpx.AsyncClient() as client:
    ...             print((await client.get(url)).status_code)
    ...         tasks.cancel_scope.cancel()
    >>> anyio.run(main)
    200
    """
    check.integer("port", port, 0, HIGHEST)
    on_asyncio = backend().cancelled.__module__.startswith("asyncio")
    run = (by_uvicorn if on_asyncio else by_hypercorn)()
    with watching(), socket.create_server((HOST, port)) as listener:
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shielded, run, listener, stop)
            task_status.started(f"http://{HOST}:{listener.getsockname()[1]}/")
            try:
                await anyio.sleep_forever()
            finally:
                stop.set()


async def shielded(run: Run, listener: socket.socket, stop: anyio.Event) -> None:
    """The server ends by itself when it is told to, and so do the pages that it has open."""
    ENDING.set(stop)
    with anyio.CancelScope(shield=True):
        await run(listener, stop)


async def local(scope: Scope, receive: Receive, send: Send) -> None:
    """The application, for those who have asked for this machine by a name of its own.

    A page of another host may be given this address by a name service, and would read all.
    """
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    answer = app if is_local(scope) else plain("Misdirected Request", 421)
    await answer(scope, receive, send)


async def live(receive: Receive, send: Send) -> None:
    """Answer a server that says when it starts and stops; it complains of who does not."""
    for moment in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{moment}.complete"})


def is_local(scope: Scope) -> bool:
    hosts = [value for name, value in scope.get("headers", ()) if name.lower() == b"host"]
    return len(hosts) == 1 and LOCAL.fullmatch(hosts[0]) is not None


def missing(name: str) -> ImportError:
    return ImportError(f"anystream.watch.serve needs {name} here: pip install {name}", name=name)


def by_uvicorn() -> Run:
    try:
        import uvicorn
    except ImportError:
        raise missing("uvicorn") from None

    class QuietServer(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            yield  # they are the program's

    async def run(listener: socket.socket, stop: anyio.Event) -> None:
        # Its loggers are those of all servers in the process, and stay as the program has them.
        config = uvicorn.Config(
            local, log_config=None, timeout_graceful_shutdown=PATIENCE, lifespan="off"
        )
        server = QuietServer(config)

        async def heed() -> None:
            await stop.wait()
            server.should_exit = True

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heed)
            await server.serve([listener])

    return run


def by_hypercorn() -> Run:
    try:
        from hypercorn.config import Config

        by: Any = import_module("hypercorn.trio").serve  # whose types are partly unknown
    except ImportError:
        raise missing("hypercorn") from None

    async def run(listener: socket.socket, stop: anyio.Event) -> None:
        config = Config()
        config.errorlog = getLogger("anystream")  # else it changes the one that all have
        config.graceful_timeout = PATIENCE
        config.bind = [f"fd://{listener.dup().detach()}"]
        await by(local, config, shutdown_trigger=stop.wait)

    return run
