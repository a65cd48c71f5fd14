"""Streams as responses by real frameworks and servers, over sockets.

The server is uvicorn on asyncio, and hypercorn on trio.
"""

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Any

import anyio
import django.conf
import httpx
import hypercorn.trio
import pytest
import uvicorn
from contract import ON_ASYNCIO
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from fastapi import Depends, FastAPI
from fastapi.sse import EventSourceResponse as FastAPIEventSource
from hypercorn.config import Config
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from anystream import Run, Stream, chain
from anystream.asgi import EventResponse, JSONLinesResponse, StreamResponse
from anystream.http import Event, ndjson, sse
from anystream.testing import TrackedSource

pytestmark = [pytest.mark.real_time, pytest.mark.leaks_expected("logged")]

PATIENCE = 1
"""Seconds that a server which stops gives to open responses."""

Make = Callable[[], Stream[str]]


class UpstreamError(Exception):
    """What has answered with 429."""


async def slow_down(request: Request, error: Exception) -> Response:
    return PlainTextResponse("slow down", 429)


HANDLERS: Any = {UpstreamError: slow_down}


@asynccontextmanager
async def served(app: Any, backend: str) -> AsyncIterator[str]:
    """Serve an application on this machine while the block runs; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with anyio.create_task_group() as tasks:
        if backend == "asyncio":
            options = uvicorn.Config(
                app, log_config=None, lifespan="off", timeout_graceful_shutdown=PATIENCE
            )
            server = uvicorn.Server(options)
            tasks.start_soon(server.serve, [listener])
            yield url
            server.should_exit = True
        else:
            config, stop = Config(), anyio.Event()
            config.loglevel = "CRITICAL"
            config.graceful_timeout = PATIENCE
            config.bind = [f"fd://{listener.detach()}"]
            serve = partial(hypercorn.trio.serve, app, config, shutdown_trigger=stop.wait)
            tasks.start_soon(serve)
            yield url
            stop.set()


# -- what a user writes -----------------------------------------------------------------------


def starlette(respond: Callable[[], Awaitable[Response]]) -> Starlette:
    async def endpoint(request: Request) -> Response:
        return await respond()

    return Starlette(routes=[Route("/", endpoint)], exception_handlers=HANDLERS)


def returned(kind: type[StreamResponse]) -> Callable[[Make], Any]:
    def app(make: Make) -> Any:
        async def respond() -> Response:
            return kind(make())

        return starlette(respond)

    return app


def behind_middleware(make: Make) -> Any:
    async def passed_on(request: Request, call_next: Any) -> Response:
        return await call_next(request)  # type: ignore[no-any-return]

    app = returned(StreamResponse)(make)
    app.add_middleware(BaseHTTPMiddleware, dispatch=passed_on)
    return app


def of_fastapi(kind: type[StreamResponse]) -> Callable[[Make], Any]:
    def app(make: Make) -> Any:
        api = FastAPI(exception_handlers=HANDLERS)

        @api.get("/")
        async def endpoint() -> kind:  # type: ignore[valid-type]
            return kind(make())

        return api

    return app


def yielded(kind: Any) -> Callable[[Make], Any]:
    def app(make: Make) -> Any:
        api = FastAPI(exception_handlers=HANDLERS)

        @api.get("/", response_class=kind)
        async def endpoint() -> AsyncGenerator[str, None]:
            async for item in make().as_generator():
                yield item

        return api

    return app


def by_generator(kind: Any) -> Callable[[Make], Any]:
    """A response that iterates, over what has given its first item."""

    def app(make: Make) -> Any:
        async def respond() -> Response:
            return kind(await peeked(make()))  # type: ignore[no-any-return]

        return starlette(respond)

    return app


async def peeked(stream: Stream[str]) -> AsyncGenerator[str, None]:
    items = stream.as_generator()
    first = await anext(items)
    return chain([first], items).as_generator()


def by_dependency(make: Make) -> Any:
    api = FastAPI(exception_handlers=HANDLERS)

    async def opened() -> AsyncGenerator[Run[str], None]:
        async with make() as items:
            yield items

    @api.get("/")
    async def endpoint(items: Annotated[Run[str], Depends(opened)]) -> Response:
        first = await anext(items)

        async def body() -> AsyncGenerator[str, None]:
            yield first
            async for item in items:
                yield item

        return StreamingResponse(body())

    return api


async def as_it_is(stream: Stream[str]) -> Stream[str]:
    return stream


def by_django(make: Make, given: Callable[[Stream[str]], Awaitable[Any]] = peeked) -> Any:
    async def view(request: Any) -> Any:
        try:
            items = await given(make())
        except UpstreamError:
            return HttpResponse("slow down", status=429)
        return StreamingHttpResponse(items)

    if not django.conf.settings.configured:
        django.conf.settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="x")
    django.conf.settings.ROOT_URLCONF = (path("", view),)
    return get_asgi_application()


FORMS: dict[str, Callable[[Make], Any]] = {
    "StreamResponse": returned(StreamResponse),
    "EventResponse": returned(EventResponse),
    "JSONLinesResponse": returned(JSONLinesResponse),
    "StreamResponse behind a middleware": behind_middleware,
    "FastAPI, EventResponse": of_fastapi(EventResponse),
    "FastAPI, yield in an EventResponse": yielded(EventResponse),
    "StreamingResponse": by_generator(StreamingResponse),
    "FastAPI, a dependency": by_dependency,
}
ASYNCIO_ONLY = {
    "sse-starlette": by_generator(EventSourceResponse),
    "Django": by_django,
}
WATCHED = pytest.mark.leaks_expected("logged", "abandoned", "task")
"""sse-starlette has a task for each event loop that waits for a signal."""
APPS = pytest.mark.parametrize(
    ("anyio_backend", "form"),
    [
        *(
            pytest.param(name, form, id=f"{name}-{at}")
            for name in ("asyncio", "trio")
            for at, form in FORMS.items()
        ),
        *(pytest.param("asyncio", form, id=at, marks=WATCHED) for at, form in ASYNCIO_ONLY.items()),
    ],
    indirect=["anyio_backend"],
)


def texts(body: str) -> list[str]:
    """The items, whatever they are wrapped in."""
    return [letter for letter in body.replace("data", "") if letter in "abc"]


async def closed(source: TrackedSource[Any]) -> None:
    with anyio.fail_after(10):
        while source.open_runs:  # noqa: ASYNC110  # it tells nobody
            await anyio.sleep(0.01)


@APPS
async def test_all_of_it(form: Any, anyio_backend_name: str) -> None:
    source = TrackedSource("abc")
    app = form(lambda: Stream(source.generator).buffer(1))
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(url)
        assert (response.status_code, texts(response.text)) == (200, ["a", "b", "c"])
        await closed(source)
        assert source.opened == 1


@APPS
@WATCHED
async def test_a_client_leaves(form: Any, anyio_backend_name: str) -> None:
    source = TrackedSource("a" * 1000, pause=0.02, cleanup=0.01)
    app = form(lambda: Stream(source.generator).buffer(1))
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        async with client.stream("GET", url) as response:
            async for piece in response.aiter_text():
                if "a" in piece.replace("data", ""):
                    break
        await closed(source)
        assert source.opened == 1
    assert source.steps < 1000


@APPS
async def test_an_error_before_the_first_item_has_a_status(
    form: Any, anyio_backend_name: str
) -> None:
    source = TrackedSource("", errors={0: UpstreamError()})
    app = form(lambda: Stream(source.generator).buffer(1))
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(url)
        assert (response.status_code, response.text) == (429, "slow down")
        await closed(source)


@APPS
async def test_an_error_in_the_middle_cuts_the_response(form: Any, anyio_backend_name: str) -> None:
    if form is behind_middleware:
        pytest.skip("its end is sent by the middleware")
    source = TrackedSource("abc", errors={2: UpstreamError()})
    app = form(lambda: Stream(source.generator).buffer(1))
    got = ""
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", url) as response:
                async for piece in response.aiter_text():
                    got += piece
        await closed(source)
    assert texts(got.partition("event: error")[0]) == ["a", "b"]


# -- what our own clients read of it ----------------------------------------------------------


async def test_events_that_go_on_where_they_were(anyio_backend_name: str) -> None:
    async def endpoint(request: Request) -> Response:
        def after(last_event_id: str) -> Stream[Event]:
            first = int(last_event_id or 0) + 1
            source = TrackedSource(range(first, first + 3), errors={2: OSError("lost")})
            sources.append(source)
            return Stream(source.iterator).map(lambda n: Event("message", "x", str(n)))

        return EventResponse(after)

    sources: list[TrackedSource[int]] = []
    app = Starlette(routes=[Route("/", endpoint)])
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        events = sse(url, client=client).filter(lambda event: event.type == "message")
        ids = await events.map(lambda event: int(event.id)).take(5).collect()
        assert ids == [1, 2, 3, 4, 5]
        for source in sources:
            await closed(source)
        assert len(sources) == 3


async def test_lines_of_json(anyio_backend_name: str) -> None:
    app = JSONLinesResponse([{"n": n} for n in range(100)])
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        assert await ndjson(url, client=client).count() == 100


@pytest.mark.leaks_expected("logged", "abandoned")
async def test_a_client_that_does_not_read_holds_up_the_source(anyio_backend_name: str) -> None:
    source = TrackedSource([b"x" * 1_000_000] * 100)
    app = StreamResponse(Stream(source.generator))
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        async with client.stream("GET", url):
            seen = -1
            with anyio.fail_after(20):
                while seen != source.steps:  # until nothing moves
                    seen = source.steps
                    await anyio.sleep(0.3)
            assert source.steps < 50
        await closed(source)


async def test_a_server_that_stops_closes_the_stream(anyio_backend_name: str) -> None:
    source = TrackedSource("a" * 10_000, pause=0.02, cleanup=0.01)
    app = StreamResponse(Stream(source.generator).buffer(1))
    async with httpx.AsyncClient(trust_env=False) as client, anyio.create_task_group() as tasks:

        async def read() -> None:
            with suppress(httpx.RemoteProtocolError, httpx.ReadError):
                async with client.stream("GET", url) as response:
                    async for _ in response.aiter_raw():
                        begun.set()

        begun = anyio.Event()
        async with served(app, anyio_backend_name) as url:
            tasks.start_soon(read)
            await begun.wait()
        await closed(source)
    assert source.opened == 1
    assert source.steps < 10_000


async def test_head(anyio_backend_name: str) -> None:
    source = TrackedSource("abc")
    app = returned(EventResponse)(lambda: Stream(source.generator))
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        response = await client.head(url)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert source.opened == 0


async def test_a_client_leaves_before_the_status_behind_a_middleware(
    anyio_backend_name: str,
) -> None:
    statuses = list[int]()

    async def noted(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        statuses.append(response.status_code)
        return response

    source = TrackedSource("abc", pause=30)
    app = returned(StreamResponse)(lambda: Stream(source.generator))
    app.add_middleware(BaseHTTPMiddleware, dispatch=noted)
    async with served(app, anyio_backend_name) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as connection:
            await connection.send(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            with anyio.fail_after(10):
                while not source.open_runs:  # noqa: ASYNC110  # it tells nobody
                    await anyio.sleep(0.01)
        await closed(source)
        with anyio.fail_after(10):
            while not statuses:  # noqa: ASYNC110  # nor does the middleware
                await anyio.sleep(0.01)
    assert statuses == [499]


# -- what does not work, and says so ----------------------------------------------------------


async def test_a_middleware_of_starlette_ends_what_was_cut(anyio_backend_name: str) -> None:
    """The page of the docs warns of it; when this fails, it need not any more."""
    source = TrackedSource("abc", errors={2: ValueError("lost")})
    app = behind_middleware(lambda: Stream(source.generator))
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).text == "ab"
        await closed(source)


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_hypercorn_cuts_no_response_of_http_2(anyio_backend_name: str) -> None:
    """The page of the docs warns of it; when this fails, it need not any more."""
    source = TrackedSource("abc", errors={2: ValueError("lost")})
    app = returned(StreamResponse)(lambda: Stream(source.generator))
    http_2: dict[str, Any] = {"http1": False, "http2": True, "trust_env": False, "timeout": 0.5}
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(**http_2) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url)
        assert source.open_runs == 0


@WATCHED
@pytest.mark.parametrize(
    "kind",
    [StreamingResponse, FastAPIEventSource, EventSourceResponse],
    ids=["Starlette", "FastAPI", "sse-starlette"],
)
@ON_ASYNCIO
async def test_a_framework_iterates_a_stream_with_tasks(kind: Any, anyio_backend_name: str) -> None:
    """It has no block to open it in, and would have sent the status before it hears of that."""
    source = TrackedSource("abc")

    async def respond() -> Response:
        return kind(Stream(source.generator).buffer(1))  # type: ignore[no-any-return]

    app = starlette(respond)
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(url)).text
        assert [letter for letter in text if letter in "bc"] == ["b", "c"]
        await closed(source)


@WATCHED
@ON_ASYNCIO
async def test_django_iterates_a_stream_with_tasks(anyio_backend_name: str) -> None:
    source = TrackedSource("abc")
    app = by_django(lambda: Stream(source.generator).buffer(1), as_it_is)
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).text == "abc"
        await closed(source)


@WATCHED
@pytest.mark.parametrize("kind", [StreamingResponse, EventSourceResponse])
@ON_ASYNCIO
async def test_a_client_leaves_a_framework_that_iterates_a_stream_with_tasks(
    kind: Any, anyio_backend_name: str
) -> None:
    source = TrackedSource("a" * 10_000, pause=0.01, cleanup=0.01)

    async def respond() -> Response:
        return kind(Stream(source.generator).buffer(1))  # type: ignore[no-any-return]

    app = starlette(respond)
    async with served(app, anyio_backend_name) as url, httpx.AsyncClient(trust_env=False) as client:
        async with client.stream("GET", url) as response:
            async for _ in response.aiter_raw():
                break
        await closed(source)
    assert source.steps < 10_000
