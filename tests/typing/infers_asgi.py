"""What a user's code may give to the responses, and where it may return them.

Checked by pyright and mypy, never run. A line with an ignore must fail: both report an ignore that
is not needed.
"""

from collections.abc import AsyncGenerator
from typing import Any, assert_type

from fastapi import FastAPI
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from anystream import Stream
from anystream.asgi import EventResponse, JSONLinesResponse, StreamResponse
from anystream.http import Event


def bodies(texts: Stream[str], pieces: Stream[bytes], ints: Stream[int]) -> None:
    assert_type(StreamResponse(texts), StreamResponse)
    StreamResponse(pieces, 201, {"x-one": "1"}, "text/plain", BackgroundTask(print))
    StreamResponse(["a", b"b"], status_code=200)
    StreamResponse(ints)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(JSONLinesResponse(ints, dumps=str), JSONLinesResponse)
    JSONLinesResponse(ints, dumps=int)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def events(made: Stream[Event], ints: Stream[int]) -> None:
    assert_type(EventResponse(made), EventResponse)
    EventResponse(ints, heartbeat=None, on_error=lambda error: str(error))
    EventResponse(lambda last_event_id: made if last_event_id.isdigit() else ints)
    EventResponse(resumed)
    EventResponse(made, heartbeat="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    EventResponse(lambda: made)  # type: ignore[arg-type, misc]  # pyright: ignore[reportArgumentType]


async def resumed(last_event_id: str) -> Stream[int]:
    return Stream([int(last_event_id)])


async def endpoint(request: Request) -> Response:
    response = EventResponse(["a"])
    response.set_cookie("name", "value")
    return response


api = FastAPI()
application: ASGIApp = StreamResponse(["a"])


@api.get("/", response_class=EventResponse)
async def yielding() -> AsyncGenerator[Any, None]:
    yield 1
