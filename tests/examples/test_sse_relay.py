"""examples/sse_relay.py: what its clients get, by a server of virtual time and by a real one."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from server import serve
from starlette.applications import Starlette

from anystream import Stream
from anystream.http import Event, sse
from anystream.testing import TrackedSource, marbles
from sse_relay import relay, serving

BEAT = ": ping\n\n"
FAILED = "event: error\ndata: Internal Server Error\n\n"
EVENTS = {letter: Event("message", letter, str(number)) for number, letter in enumerate("abcdef")}
EVENTS["x"] = Event("delta", "two\nlines", "x")

SPEC_VERSIONS = ["2.3", "2.4"]
"""Of ASGI; before 2.4 the app waits for `http.disconnect`, and since then `send` raises."""


def text(letter: str) -> str:
    return f"id: {EVENTS[letter].id}\ndata: {letter}\n\n"


class Client:
    """One client of the app, as the app sees it: all that a server does, without sockets."""

    def __init__(self, app: Starlette, state: Mapping[str, Any], spec_version: str = "2.3") -> None:
        self.app = app
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": spec_version},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/events",
            "query_string": b"",
            "headers": [],
            "state": dict(state),
        }
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: list[tuple[float, str]] = []  # and when they came
        self.ended = False
        self.asked = False
        self.gone = anyio.Event()
        self.busy = 0.0  # seconds that it takes for each part

    async def run(self) -> None:
        self.start = anyio.current_time()
        await self.app(self.scope, self.receive, self.send)

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        await anyio.sleep(self.busy)
        if self.gone.is_set():
            raise OSError("the client has gone")
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["body"]:
            self.parts.append((anyio.current_time() - self.start, message["body"].decode()))
        self.ended = not message.get("more_body", True)

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.parts]


@asynccontextmanager
async def running(app: Starlette) -> AsyncGenerator[Mapping[str, Any], None]:
    """The app between its startup and its shutdown."""
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        yield state


async def test_events_come_at_once_and_comments_in_between() -> None:
    app = relay(marbles("a--b------x|", values=EVENTS), heartbeat=2)
    async with running(app) as state:
        client = Client(app, state)
        await client.run()
    assert (client.status, client.ended) == (200, True)
    assert client.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert client.headers["cache-control"] == "no-store"
    assert client.parts == [
        (0, text("a")),
        (2, BEAT),
        (3, text("b")),
        (5, BEAT),
        (7, BEAT),
        (9, BEAT),
        (10, "event: delta\nid: x\ndata: two\ndata: lines\n\n"),
    ]


async def test_one_source_for_all_clients_from_the_first_to_the_last() -> None:
    source = TrackedSource([*EVENTS.values()], pause=1)
    app = relay(Stream(source.generator))
    async with running(app) as state, anyio.create_task_group() as tasks:
        first, second = Client(app, state), Client(app, state)
        await anyio.sleep(5)
        assert source.opened == 0  # for nobody

        tasks.start_soon(first.run)
        await anyio.sleep(1.5)
        tasks.start_soon(second.run)
        await anyio.sleep(1)
        first.gone.set()
        await anyio.sleep(1)
        assert (first.texts, second.texts) == (
            [text("a"), text("b")],
            [text("b"), text("c")],
        )
        assert (source.opened, source.open_runs) == (1, 1)

        second.gone.set()
        await anyio.sleep(0.1)
        assert (source.opened, source.open_runs) == (1, 0)

        third = Client(app, state)
        await third.run()
        assert third.texts[:2] == [text("a"), text("b")]
        assert len(third.texts) == len(EVENTS)
        assert (source.opened, source.open_runs) == (2, 0)


@pytest.mark.parametrize("spec_version", SPEC_VERSIONS)
async def test_a_comment_finds_out_that_a_client_has_gone(spec_version: str) -> None:
    source = TrackedSource([EVENTS["a"], EVENTS["b"]], pause=3600)
    app = relay(Stream(source.generator), heartbeat=15)
    async with running(app) as state, anyio.create_task_group() as tasks:
        client = Client(app, state, spec_version)
        tasks.start_soon(client.run)
        await anyio.sleep(20)
        assert source.open_runs == 1
        client.gone.set()
        await anyio.sleep(15)
        assert source.open_runs == 0
    assert client.texts == [BEAT]


async def test_nobody_waits_for_a_slow_client() -> None:
    events = [Event("message", "", str(number)) for number in range(300)]
    app = relay(Stream(TrackedSource(events, pause=1).generator), heartbeat=3600)
    async with running(app) as state, anyio.create_task_group() as tasks:
        fast, slow = Client(app, state), Client(app, state)
        slow.busy = 10
        tasks.start_soon(slow.run)
        await fast.run()
    assert [time for time, _ in fast.parts] == [*range(1, 301)]
    numbers = [int(text.split()[1]) for text in slow.texts]
    assert numbers == sorted({*numbers})
    assert 100 < len(numbers) < 200
    assert numbers[-100:] == [*range(200, 300)]


async def test_a_failure_of_the_source_comes_to_every_client() -> None:
    source = TrackedSource([EVENTS["a"], EVENTS["b"]], pause=1, errors={1: OSError("no source")})
    app = relay(Stream(source.generator))
    async with running(app) as state:
        first, second = Client(app, state), Client(app, state)
        with pytest.raises(ExceptionGroup) as raised:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first.run)
                tasks.start_soon(second.run)
        assert raised.group_contains(OSError, match="no source")
    assert (
        first.texts == second.texts == [text("a"), "event: error\ndata: Internal Server Error\n\n"]
    )
    assert (first.ended, second.ended) == (False, False)


@pytest.mark.real_time
async def test_over_sockets(anyio_backend_name: str) -> None:
    async def read(number: int) -> list[int]:
        """The ids of so many events, read by a client of its own."""
        events = sse(f"{url}/events", client=client).take(number)
        return await events.map(lambda event: int(event.id)).collect()

    async with (
        httpx.AsyncClient(trust_env=False, verify=False) as client,
        serve() as server,
        serving(
            relay(sse(f"{server.url}/events?n=1000&delay=0.01", client=client)), anyio_backend_name
        ) as url,
    ):
        events = sse(f"{url}/events", client=client).map(lambda event: int(event.id))
        async with events as first:
            assert [await anext(first) for _ in range(3)] == [1, 2, 3]
            second = await read(5)
            assert second == [*range(second[0], second[0] + 5)]
            assert second[0] > 3
            assert [await anext(first) for _ in range(20)] == [*range(4, 24)]
            assert len(server.requests) == 1
        assert await server.settled(within=10)  # nobody listens, so nothing is asked for
        assert await read(3) == [1, 2, 3]
        assert len(server.requests) == 2
