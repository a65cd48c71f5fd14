"""Relay server-sent events: one connection to their source, for any number of clients of our own.

    python examples/sse_relay.py [asyncio | trio]

runs a source, the relay and two clients on this machine, for a moment. To relay something else,
write `app = relay(sse("https://..."))`, and run that by any ASGI server, such as uvicorn.
"""

import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module

import anyio
import httpx
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from anystream import Stream, ticker
from anystream.asgi import EventResponse
from anystream.http import Event, sse


def relay(source: Stream[Event], heartbeat: float = 15) -> Starlette:
    """An app that sends the events of `source` at `/events` to every client that asks for them.

    The source is opened for the first client and closed with the last one. A client gets the events
    from then on, and a comment whenever none has come for `heartbeat` seconds. One that is more
    than 100 events behind misses the oldest of these, and nobody waits for it.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[dict[str, Stream[Event]], None]:
        async with source.share(100, "drop_oldest") as shared:
            yield {"events": shared}

    async def events(request: Request) -> Response:
        return EventResponse(request.state.events, heartbeat=heartbeat)

    return Starlette(routes=[Route("/events", events)], lifespan=lifespan)


@asynccontextmanager
async def serving(app: Starlette, backend: str) -> AsyncGenerator[str, None]:
    """Serve an app on this machine while the block runs; gives its URL."""
    config, stop = Config(), anyio.Event()
    config.loglevel = "WARNING"
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config.bind = [f"fd://{listener.detach()}"]
    serve_app = import_module(f"hypercorn.{backend}").serve
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve_app, app, config, shutdown_trigger=stop.wait))
        yield url
        stop.set()


def counted() -> Stream[Event]:
    """Play the part of a source: a number every 0.05 s."""
    return ticker(0.05).enumerate(1).map(lambda tick: Event("message", f"tick {tick[0]}", ""))


async def main(backend: str) -> None:
    async with (
        httpx.AsyncClient(trust_env=False) as client,  # past the proxy that you may have
        serving(relay(counted()), backend) as origin,
        serving(relay(sse(f"{origin}/events", client=client), heartbeat=0.02), backend) as url,
        anyio.create_task_group() as tasks,
    ):
        relayed = sse(f"{url}/events", client=client)
        tasks.start_soon(relayed.take(5).for_each, partial(print, "first"))
        await anyio.sleep(0.2)
        tasks.start_soon(relayed.take(5).for_each, partial(print, "second"))


if __name__ == "__main__":
    backend = sys.argv[1] if len(sys.argv) > 1 else "asyncio"
    anyio.run(main, backend, backend=backend)
