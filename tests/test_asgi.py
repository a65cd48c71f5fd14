"""`anystream.asgi` against the protocol: all that a server does, without sockets."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import orjson
import pydantic
import pytest
from fastapi.sse import ServerSentEvent
from sse_starlette import ServerSentEvent as OtherEvent
from starlette.background import BackgroundTask
from starlette.responses import Response

from anystream import CleanupTimeoutError, Stream, merge, stream
from anystream.asgi import EventResponse, JSONLinesResponse, StreamResponse
from anystream.http import Comment, Event
from anystream.testing import MODES, TrackedSource, cancel_everywhere, marbles

FORMS: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "no task": lambda s: s,
    "buffer": lambda s: s.buffer(2),
    "merge": lambda s: merge(s, []),
}
FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
LEAVING = pytest.mark.parametrize("noticed", ["receive", "send"])


class Client:
    """One client of an application, as the application sees it."""

    def __init__(self, app: Any, *, method: str = "GET", headers: Mapping[str, str] = {}) -> None:
        self.app = app
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "path": "/",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        self.messages: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.asked = False
        self.gone = anyio.Event()
        self.silent = False  # whether its leaving shows by `send` alone
        self.busy = 0.0  # seconds that it takes for each message
        self.leaves_at: int | None = None  # in the middle of the message with this number
        self.sending = 0
        self.refused = 0  # messages to a client that has gone
        self.start = anyio.current_time()

    async def run(self) -> None:
        await self.app(self.scope, self.receive, self.send)

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self.silent:
            await anyio.sleep_forever()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sending += 1
        assert self.sending == 1, "two sends at a time"
        try:
            if self.leaves_at == len(self.messages):
                self.gone.set()
                if not self.silent:
                    await anyio.sleep_forever()
            if self.gone.is_set():
                self.refused += 1
                raise OSError("the client has gone")
            await anyio.sleep(self.busy)
        finally:
            self.sending -= 1
        self.messages.append(message)
        self.times.append(anyio.current_time() - self.start)

    @property
    def status(self) -> int | None:
        return self.messages[0]["status"] if self.messages else None

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def parts(self) -> list[str]:
        return [each["body"].decode() for each in self.messages[1:] if each["body"]]

    @property
    def ended(self) -> bool:
        """Whether the body is complete."""
        assert [message["type"] for message in self.messages] == [
            "http.response.start",
            *["http.response.body"] * (len(self.messages) - 1),
        ][: len(self.messages)]
        ends = [not message["more_body"] for message in self.messages[1:]]
        assert not any(ends[:-1])
        return any(ends)


async def answer(app: Any, **options: Any) -> Client:
    client = Client(app, **options)
    await client.run()
    return client


def tracked(source: TrackedSource[Any], form: Any = FORMS["no task"]) -> StreamResponse:
    return StreamResponse(form(Stream(source.generator)))


# -- what is sent -----------------------------------------------------------------------------


@FORM
async def test_each_item_is_sent_and_then_the_end(form: Any) -> None:
    source = TrackedSource(["a", b"b", bytearray(b"c"), memoryview(b"d"), "é"], cleanup=0.5)
    client = await answer(tracked(source, form))
    assert (client.status, client.parts, client.ended) == (200, ["a", "b", "c", "d", "é"], True)
    assert client.headers == {}
    assert source.open_runs == 0


async def test_an_empty_stream_is_an_empty_body() -> None:
    for app in (StreamResponse([]), JSONLinesResponse([]), EventResponse([])):
        client = await answer(app)
        assert (client.status, client.parts, client.ended) == (200, [], True)
        assert len(client.messages) == 2


async def test_an_empty_item_is_not_sent_but_opens_the_response() -> None:
    @stream
    async def pieces() -> Any:
        yield b""
        await anyio.sleep(1)
        yield b"a"

    client = await answer(StreamResponse(pieces()))
    assert (client.parts, client.times) == (["a"], [0, 1, 1])


async def test_status_and_headers() -> None:
    app = StreamResponse(["a"], 201, {"X-One": "1", "Content-Type": "a/b"}, "text/plain")
    client = await answer(app)
    assert (client.status, client.headers) == (201, {"x-one": "1", "content-type": "a/b"})
    client = await answer(StreamResponse(["a"], media_type="text/csv"))
    assert client.headers == {"content-type": "text/csv; charset=utf-8"}
    client = await answer(StreamResponse(["a"], media_type="text/csv; charset=ascii"))
    assert client.headers == {"content-type": "text/csv; charset=ascii"}
    client = await answer(JSONLinesResponse([1]))
    assert client.headers == {"content-type": "application/x-ndjson"}
    client = await answer(EventResponse([1], headers={"Cache-Control": "no-cache"}))
    assert client.headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }


async def test_it_is_a_response_of_starlette() -> None:
    app = EventResponse(["a"])
    assert isinstance(app, Response)
    app.headers["X-One"] = "1"
    app.set_cookie("name", "value")
    client = await answer(app)
    assert client.headers["x-one"] == "1"
    assert client.headers["set-cookie"].startswith("name=value;")


@dataclass
class Point:
    x: int
    y: Any


class Model(pydantic.BaseModel):
    name: str


async def test_lines_of_json() -> None:
    items = [
        1,
        "a\nb",
        None,
        {"k": ["é"]},
        Point(1, Point(2, 3)),
        Model(name="n"),
        [Model(name="m")],
    ]
    client = await answer(JSONLinesResponse(items))
    assert client.parts == [
        "1\n",
        '"a\\nb"\n',
        "null\n",
        '{"k":["é"]}\n',
        '{"x":1,"y":{"x":2,"y":3}}\n',
        '{"name":"n"}\n',
        '[{"name":"m"}]\n',
    ]
    client = await answer(JSONLinesResponse([{"a": 1}], dumps=orjson.dumps))
    assert client.parts == ['{"a":1}\n']
    client = await answer(JSONLinesResponse([{"a": 1}], dumps=json.dumps))
    assert client.parts == ['{"a": 1}\n']


@pytest.mark.parametrize(
    ("app", "kind", "text"),
    [
        (StreamResponse([1]), TypeError, r"^StreamResponse sends bytes and str, got 1;"),  # type: ignore[list-item]
        (JSONLinesResponse([{1}]), TypeError, r"\{1\} is not JSON: convert it, or pass dumps="),
        (JSONLinesResponse([Point]), TypeError, r"is not JSON"),
        (JSONLinesResponse([float("nan")]), ValueError, r"not JSON compliant"),
        (
            JSONLinesResponse([{"a": 1}], dumps=lambda item: json.dumps(item, indent=1)),
            ValueError,
            r"^dumps must give one line for each item",
        ),
        (EventResponse([{1}]), TypeError, r"is not JSON"),
        (EventResponse([Event("a\n")]), ValueError, r"^type must not contain"),
    ],
)
async def test_an_item_that_cannot_be_sent(app: Any, kind: Any, text: str) -> None:
    client = Client(app)
    with pytest.raises(kind, match=text):
        await client.run()
    assert client.status is None


async def test_events() -> None:
    items = {
        "text": "data: text\n\n",
        "two\nlines": "data: two\ndata: lines\n\n",
        "a\r\nb\rc": "data: a\ndata: b\ndata: c\n\n",
        Event("delta", "x", "7"): "event: delta\nid: 7\ndata: x\n\n",
        Comment("here"): ": here\n\n",
        b"data: raw\n\n": "data: raw\n\n",
        7: "data: 7\n\n",
        None: "data: null\n\n",
    }
    client = await answer(EventResponse([*items]))
    assert client.parts == [*items.values()]
    others: list[Any] = [
        {"a": 1},
        Model(name="n"),
        OtherEvent(data="x", event="delta", id="7", sep="\n"),
        ServerSentEvent(data={"a": 1}, event="delta", id="7", retry=100),
        ServerSentEvent(raw_data="x"),
        ServerSentEvent(comment="here"),
    ]
    client = await answer(EventResponse(others))
    assert client.parts == [
        'data: {"a":1}\n\n',
        'data: {"name":"n"}\n\n',
        "id: 7\nevent: delta\ndata: x\n\n",
        'event: delta\ndata: {"a":1}\nid: 7\nretry: 100\n\n',
        "data: x\n\n",
        ": here\n\n",
    ]
    client = await answer(EventResponse([{"a": 1}], dumps=lambda item: json.dumps(item, indent=1)))
    assert client.parts == ['data: {\ndata:  "a": 1\ndata: }\n\n']
    client = await answer(EventResponse([{"a": 1}], dumps=orjson.dumps))
    assert client.parts == ['data: {"a":1}\n\n']


def one_by_one(given: Any) -> Iterator[Any]:
    yield given


async def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^heartbeat must be"):
        EventResponse([], heartbeat=0)
    for kind in (JSONLinesResponse, EventResponse):
        with pytest.raises(TypeError, match=r"^dumps must be"):
            kind([], dumps=1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"^dumps must be a plain function, got <"):
            kind([], dumps=anyio.sleep)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^on_error must be"):
        EventResponse([], on_error=1)  # type: ignore[arg-type]
    for content in (lambda: [1], lambda a, b: [], partial(one_by_one, 1)):
        with pytest.raises(TypeError, match=r"^content must be a function of one argument, the La"):
            EventResponse(content)  # type: ignore[arg-type]
    assert EventResponse(dict).status_code == 200  # which does not tell what it takes
    with pytest.raises(TypeError, match=r"^on_error gives generators, whose items nobody would"):
        EventResponse([], on_error=one_by_one)
    with pytest.raises(TypeError, match=r"^dumps must not be a generator function, got <"):
        JSONLinesResponse([], dumps=one_by_one)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    for kind in (StreamResponse, JSONLinesResponse, EventResponse):
        with pytest.raises(TypeError):
            kind(1)  # type: ignore[arg-type]
        for headers in (1, ["a: b"], {"a": 1}, {1: "b"}):
            with pytest.raises(TypeError, match=r"^headers must be a mapping of str to str, got a"):
                kind([], headers=headers)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"^status_code must be an integer, got '404'$"):
            kind([], "404")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"^status_code must be at least 100, got 0$"):
            kind([], 0)
        with pytest.raises(TypeError, match=r"^media_type must be a str, got b'text/plain'$"):
            kind([], media_type=b"text/plain")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_other_scopes_are_refused(kind: str) -> None:
    client = Client(EventResponse([]))
    client.scope["type"] = kind
    with pytest.raises(ValueError, match=rf"^EventResponse answers HTTP requests, .* '{kind}'"):
        await client.run()
    assert client.messages == []


async def test_head_gets_the_headers_and_opens_nothing() -> None:
    source = TrackedSource(["a"])
    client = await answer(StreamResponse(source.iterator(), media_type="a/b"), method="HEAD")
    assert (client.status, client.headers) == (200, {"content-type": "a/b"})
    assert (client.parts, client.ended, source.steps) == ([], True, 0)


async def test_one_response_answers_many_requests() -> None:
    app = StreamResponse(TrackedSource(["a", "b"]).generator())
    app = StreamResponse(Stream(TrackedSource(["a", "b"]).generator))
    for _ in range(2):
        assert (await answer(app)).parts == ["a", "b"]


# -- the first item, heartbeats and the last event --------------------------------------------


async def test_the_status_waits_for_the_first_item() -> None:
    client = await answer(StreamResponse(marbles("-----a---b|")))
    assert client.times == [5, 5, 9, 10]


@FORM
@pytest.mark.parametrize("kind", [StreamResponse, JSONLinesResponse, EventResponse])
async def test_an_error_before_the_first_item_comes_before_the_status(form: Any, kind: Any) -> None:
    source = TrackedSource([], pause=1, errors={0: OSError("no source")}, cleanup=0.5)
    client = Client(kind(form(Stream(source.generator))))
    with pytest.raises(OSError, match=r"^no source(\n|$)"):
        await client.run()
    assert (client.messages, source.open_runs) == ([], 0)


async def test_comments_while_nothing_comes() -> None:
    client = await answer(EventResponse(marbles("---a------b-|"), heartbeat=4))
    assert client.parts == ["data: a\n\n", ": ping\n\n", "data: b\n\n"]
    assert client.times == [3, 3, 7, 10, 12]


async def test_a_comment_opens_the_response_of_a_quiet_stream() -> None:
    client = await answer(EventResponse(marbles("----------a|"), heartbeat=4))
    assert client.times == [4, 4, 8, 10, 11]
    client = await answer(EventResponse(marbles("----------a|"), heartbeat=None))
    assert client.times == [10, 10, 11]


async def test_no_comment_while_the_client_is_slow() -> None:
    client = Client(EventResponse(["a", "b", "c"], heartbeat=1))
    client.busy = 10
    await client.run()
    assert client.parts == ["data: a\n\n", "data: b\n\n", "data: c\n\n"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_function_gets_the_id_of_the_last_event(is_async: bool) -> None:
    def after(last_event_id: str) -> list[Event]:
        first = int(last_event_id or 0)
        return [Event("message", "x", str(number)) for number in range(first + 1, 4)]

    async def after_a_while(last_event_id: str) -> list[Event]:
        await anyio.sleep(1)
        return after(last_event_id)

    app = EventResponse(after_a_while if is_async else after)
    assert len((await answer(app)).parts) == 3
    client = await answer(app, headers={"last-event-id": "2"})
    assert client.parts == ["id: 3\ndata: x\n\n"]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("leaves_at", [None, 1, 2])
async def test_what_a_function_has_made_is_closed(leaves_at: int | None, is_async: bool) -> None:
    class Reply:
        closed = False

        async def __aiter__(self) -> AsyncIterator[str]:
            yield "a"
            yield "b"

        async def close(self) -> None:
            await anyio.sleep(0.1)
            self.closed = True

    reply = Reply()

    async def asked(last_event_id: str) -> Reply:
        return reply

    client = Client(EventResponse(asked if is_async else lambda _: reply, heartbeat=None))
    client.leaves_at = leaves_at
    await client.run()
    assert reply.closed


async def test_a_function_may_return_a_stream_with_tasks() -> None:
    app = EventResponse(lambda _: merge(["a"], ["b"]).buffer(1))
    assert sorted((await answer(app)).parts) == ["data: a\n\n", "data: b\n\n"]


async def test_the_id_is_utf_8_and_an_error_of_the_function_comes_before_the_status() -> None:
    def known(last_event_id: str) -> Any:
        raise LookupError(last_event_id)

    client = Client(EventResponse(known), headers={"Last-Event-ID": "é"})
    with pytest.raises(LookupError, match=r"^é(\n|$)"):
        await client.run()
    assert client.messages == []


# -- errors in the middle ---------------------------------------------------------------------


@FORM
async def test_an_error_in_the_middle_is_no_clean_end(form: Any) -> None:
    source = TrackedSource(["a", "b"], errors={1: OSError("lost")}, cleanup=0.5)
    client = Client(tracked(source, form))
    with pytest.raises(OSError, match=r"^lost(\n|$)"):
        await client.run()
    assert (client.parts, client.ended, source.open_runs) == (["a"], False, 0)


@FORM
async def test_an_error_of_the_cleanup_is_no_clean_end(form: Any) -> None:
    source = TrackedSource(["a"] * 9, cleanup_error=OSError("lost"))
    client = Client(StreamResponse(form(Stream(source.generator)).take(1)))
    with pytest.raises(OSError, match=r"^lost(\n|$)"):
        await client.run()
    assert (client.parts, client.ended) == (["a"], False)


@FORM
async def test_an_error_in_the_middle_of_events_is_an_event(form: Any) -> None:
    source = TrackedSource(["a", "b"], errors={1: OSError("password")}, cleanup=0.5)
    client = Client(EventResponse(form(Stream(source.generator))))
    with pytest.raises(OSError, match=r"^password(\n|$)"):
        await client.run()
    assert client.parts == ["data: a\n\n", "event: error\ndata: Internal Server Error\n\n"]
    assert (client.ended, source.open_runs) == (False, 0)


async def test_what_is_told_of_an_error() -> None:
    source = TrackedSource(["a", "b"], errors={1: OSError("lost")})
    told = EventResponse(Stream(source.generator), on_error=lambda error: {"error": str(error)})
    client = Client(told)
    with pytest.raises(OSError, match=r"^lost(\n|$)"):
        await client.run()
    assert client.parts == ["data: a\n\n", 'data: {"error":"lost"}\n\n']
    client = Client(EventResponse(Stream(source.generator), on_error=lambda error: None))
    with pytest.raises(OSError, match=r"^lost(\n|$)"):
        await client.run()
    assert client.parts == ["data: a\n\n"]

    def fails(error: Exception) -> None:
        raise LookupError("of on_error")

    client = Client(EventResponse(Stream(source.generator), on_error=fails))
    with pytest.raises(LookupError, match=r"^of on_error(\n|$)") as raised:
        await client.run()
    assert isinstance(raised.value.__context__, OSError)


async def test_what_is_told_of_an_error_may_have_to_be_waited_for() -> None:
    source = TrackedSource(["a", "b"], errors={1: OSError("lost")})

    async def told(error: Exception) -> str:
        await anyio.sleep(1)
        return f"sorry: {error}"

    client = Client(EventResponse(Stream(source.generator), on_error=told))
    with pytest.raises(OSError, match=r"^lost(\n|$)"):
        await client.run()
    assert client.parts == ["data: a\n\n", "data: sorry: lost\n\n"]
    assert anyio.current_time() - client.start == 1


async def test_a_client_that_leaves_while_that_is_waited_for() -> None:
    source = TrackedSource(["a", "b"], errors={1: OSError("lost")})
    client: Client

    async def told(error: Exception) -> None:
        client.gone.set()
        await anyio.sleep_forever()

    client = Client(EventResponse(Stream(source.generator), on_error=told))
    with pytest.raises(OSError, match=r"^lost(\n|$)"):
        await client.run()
    assert client.parts == ["data: a\n\n"]


@LEAVING
async def test_an_error_is_raised_even_if_the_client_leaves_with_it(noticed: str) -> None:
    source = TrackedSource(["a", "b"], errors={1: OSError("lost")})
    client = Client(EventResponse(Stream(source.generator)))
    client.silent, client.leaves_at = noticed == "send", 2
    with pytest.raises(OSError, match=r"^lost(\n|$)"):
        await client.run()
    assert client.parts == ["data: a\n\n"]


async def test_a_receive_that_never_waits_holds_nothing_up() -> None:
    """As tests of others write it, and tools that call an application once."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    app = StreamResponse(["a", "b"])
    await app(Client(app).scope, receive, send)
    assert [message.get("body") for message in sent] == [None, b"a", b"b", b""]


async def test_an_error_of_receive() -> None:
    source = TrackedSource(["a"] * 9, pause=1, cleanup=0.5)
    client = Client(tracked(source))

    async def receive() -> dict[str, Any]:
        await anyio.sleep(2.5)
        raise LookupError("of receive")

    with pytest.raises(LookupError, match=r"^of receive(\n|$)"):
        await client.app(client.scope, receive, client.send)
    assert (client.parts, source.open_runs) == (["a", "a"], 0)


# -- the client leaves ------------------------------------------------------------------------


@FORM
@LEAVING
@pytest.mark.parametrize("kind", [StreamResponse, EventResponse])
@pytest.mark.parametrize("at", range(5))
async def test_a_client_leaves_at_each_send(form: Any, noticed: str, kind: Any, at: int) -> None:
    source = TrackedSource(["a", "b", "c"], cleanup=0.5)
    client = Client(kind(form(Stream(source.iterator))))
    client.silent, client.leaves_at = noticed == "send", at
    await client.run()
    assert (len(client.messages), client.refused) == (at, noticed == "send")
    assert (client.ended, source.opened, source.open_runs) == (False, 1, 0)


@FORM
@pytest.mark.parametrize("after", [0, 1.5])
async def test_a_client_leaves_while_nothing_comes(form: Any, after: float) -> None:
    source = TrackedSource(["a", "b"], pause=1, cleanup=0.5)
    client = Client(tracked(source, form))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run)
        await anyio.sleep(after)
        client.gone.set()
    assert (client.ended, source.open_runs) == (False, 0)
    assert anyio.current_time() - client.start < 2.5


@FORM
@pytest.mark.parametrize("kind", [StreamResponse, EventResponse])
@pytest.mark.parametrize("refuses", [False, True])
async def test_a_client_that_leaves_before_the_status_has_a_response(
    form: Any, kind: Any, refuses: bool
) -> None:
    """Which a server does not send, and middleware waits for."""
    source = TrackedSource(["a"], pause=3, cleanup=0.5)
    client, messages = Client(kind(form(Stream(source.generator)), 201, {"x-one": "1"})), []

    async def send(message: Any) -> None:
        assert source.open_runs == 0
        messages.append(dict(message))
        message["headers"] = [(b"x-two", b"2")]  # as middleware does
        if refuses:
            raise OSError("the client has gone")

    for _ in range(2):
        client.gone.set()
        await client.app(client.scope, client.receive, send)
        start, end = messages
        assert start == {"type": "http.response.start", "status": 499, "headers": []}
        assert end == {"type": "http.response.body", "body": b"", "more_body": False}
        messages.clear()
    assert source.opened == 2


async def test_a_cleanup_that_hangs_is_raised_to_the_server() -> None:
    source = TrackedSource(["a", "b"], cleanup=float("inf"))
    client = Client(StreamResponse(Stream(source.generator).with_grace(3)))
    client.leaves_at = 2
    with pytest.raises(CleanupTimeoutError):
        await client.run()
    assert anyio.current_time() - client.start == 3


async def test_a_client_that_has_gone_is_told_of_no_error() -> None:
    source = TrackedSource(["a", "b"], cleanup_error=OSError("lost"))
    told: list[Exception] = []
    client = Client(EventResponse(Stream(source.generator), on_error=told.append))
    client.leaves_at = 2
    with pytest.raises(OSError, match=r"^lost(\n|$)"):
        await client.run()
    assert told == []


async def test_a_heartbeat_finds_out_that_a_client_has_gone() -> None:
    source = TrackedSource(["a"], pause=3600, cleanup=0.5)
    client = Client(EventResponse(Stream(source.generator)))
    client.silent = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run)
        await anyio.sleep(20)
        client.gone.set()
        await anyio.sleep(15)
        assert source.open_runs == 0


async def test_the_server_is_cancelled() -> None:
    source = TrackedSource(["a"] * 9, pause=1, cleanup=0.5)
    client = Client(tracked(source))
    with anyio.move_on_after(2.5) as scope:
        await client.run()
    assert scope.cancelled_caught
    assert (client.parts, client.ended, source.open_runs) == (["a", "a"], False, 0)


async def test_a_slow_client_holds_up_the_source() -> None:
    source = TrackedSource(["a"] * 9)
    client = Client(tracked(source))
    client.busy = 10
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run)
        await anyio.sleep(25)  # two messages are sent, and one is on its way
        assert source.steps == 2
        await anyio.sleep(10)
        assert source.steps == 3
        client.gone.set()


@pytest.mark.parametrize("leaves_at", [None, 1])
async def test_what_is_to_be_done_after_the_response(leaves_at: int | None) -> None:
    source, open_runs = TrackedSource(["a"]), list[int]()

    async def note() -> None:
        open_runs.append(source.open_runs)

    client = Client(StreamResponse(Stream(source.generator), background=BackgroundTask(note)))
    client.leaves_at = leaves_at
    await client.run()
    assert open_runs == [0]


@FORM
@pytest.mark.parametrize("anywhere", [False, True])
def test_it_may_be_cancelled_everywhere(form: Any, anywhere: bool) -> None:
    async def program() -> None:
        source = TrackedSource(["a", "b"], cleanup=0.1)
        client = Client(StreamResponse(form(Stream(source.iterator))))
        client.busy = 0.1
        try:
            await client.run()
            assert client.ended
        finally:
            assert "ab".startswith("".join(client.parts))
            assert source.open_runs == 0

    # Task.cancel() cuts a cleanup in its own task.
    modes = ("scope",) if form is FORMS["no task"] else MODES
    assert cancel_everywhere(program, anywhere=anywhere, modes=modes) > 10
