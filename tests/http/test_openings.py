"""What a body's errors say, and when a server that refuses is asked again."""

import io
import json
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from clients import Reply, Server, client_of
from sockets import serving

from anystream import Retry, Stream, StreamConsumedError
from anystream.http import (
    BodyStatusError,
    BodyTypeError,
    ErrorResponse,
    PageStatusError,
    fetch_all_pages,
    json_seq,
    lines,
    ndjson,
    sse,
)

READERS = [lines, ndjson, json_seq, sse]
BODIES = {"sse": b"data: 1\n\n", "json_seq": b"\x1e[1]\n"}
FIXED = Retry(times=2, first=1, factor=2, cap=5, jitter=False)
JSON = "application/json"


def good(read: Any) -> Reply:
    return Reply(BODIES.get(read.__name__, b"1\n"))


def no(status: int, body: Any = None, **headers: str) -> Reply:
    data = b"" if body is None else json.dumps(body).encode()
    return Reply(data, status=status, kind=JSON, **headers)


async def count(read: Any, server: Server, what: Any = "http://test/", **options: Any) -> int:
    """How many items come; events only up to the first one, since the next would be asked for."""
    stream = read(what, client=server.client, **options)
    return await (stream.take(1) if read is sse else stream).count()


async def error_of(read: Any, server: Server, **options: Any) -> BodyStatusError:
    with pytest.raises(BodyStatusError) as raised:
        await count(read, server, **options)
    assert server.open == 0
    return raised.value


# -- what an error says -------------------------------------------------------------------------


@pytest.mark.parametrize("read", READERS)
async def test_an_error_has_the_reason_and_the_response(library: Any, read: Any) -> None:
    body = {"error": {"message": "Rate limit reached for s3cr3t\x1b"}}
    server = Server(library, [no(429, body, retry_after="3", x_id="5")])
    headers = {"Authorization": "Bearer s3cr3t"}
    error = await error_of(read, server, headers=headers, retry=None)
    assert str(error) == (
        r"http://test/: status 429 Too Many Requests: Rate limit reached for ***\x1b"
    )
    assert (error.status, error.retry_after) == (429, 3)
    assert isinstance(error.response, ErrorResponse)
    assert error.response.headers["x-id"] == "5"
    assert json.loads(error.response.text) == body


@pytest.mark.real_time
@pytest.mark.parametrize("read", [fetch_all_pages, *READERS])
async def test_a_status_line_that_acts_on_a_terminal(library: Any, read: Any) -> None:
    async def answer(stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 404 No \x1b]0;PWNED\x07\x7f\r\nContent-Length: 0\r\n\r\n")

    async with serving(no=answer) as server, client_of(library) as client:
        with pytest.raises((PageStatusError, BodyStatusError)) as raised:
            await read(f"{server.url}/no", client=client).drain()
    assert str(raised.value).endswith(rf"{server.url}/no: status 404 No \x1b]0;PWNED\x07\x7f")


async def test_a_content_type_that_acts_on_a_terminal(library: Any) -> None:
    server = Server(library, [Reply(b"", kind="\x1b]0;PWNED\x07\x7f")])
    with pytest.raises(
        BodyTypeError, match=r"'\\x1b]0;PWNED\\x07\\x7f', not text/event-stream"
    ) as raised:
        await sse("http://test/", client=server.client).drain()
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_says_where_to(library: Any, status: int) -> None:
    server = Server(library, [no(status, location="/there/?token=s3cr3t")])
    error = await error_of(lines, server)
    assert str(error).partition(";")[2] == (
        " it redirects to http://test/there/?token=***; a client with follow_redirects=True"
        " would follow it"
    )
    assert len(server.requests) == 1


async def test_a_redirect_to_nowhere(library: Any) -> None:
    error = await error_of(lines, Server(library, [no(302)]))
    assert str(error) == "http://test/: status 302 Found"
    error = await error_of(lines, Server(library, [no(302, location="/" + "x" * 5000)]))
    assert len(str(error)) < 400


async def test_another_content_type_has_the_reason(library: Any) -> None:
    page = Reply(b"<title>Log in</title>", kind="text/html")
    server = Server(library, [page])
    with pytest.raises(BodyTypeError) as raised:
        await sse("http://test/", client=server.client).drain()
    assert str(raised.value) == (
        "http://test/: the content type is 'text/html', not text/event-stream: Log in"
    )
    assert raised.value.response is not None
    assert raised.value.response.text == "<title>Log in</title>"
    assert server.open == 0


async def test_a_response_made_by_hand(library: Any) -> None:
    with pytest.raises(BodyStatusError, match=r"404 Not Found\]>: status 404 Not Found: no$"):
        await lines(library.Response(404, json={"message": "no"})).drain()


# -- asking again -------------------------------------------------------------------------------

PASSING = {
    "429": no(429),
    "503": no(503),
    "another with Retry-After": no(500, retry_after="1"),
    "in milliseconds": no(408, retry_after_ms="1000"),
    "in milliseconds, by Azure": no(408, x_ms_retry_after_ms="1000"),
    "a limit that is used up": no(403, x_ratelimit_remaining="0", x_ratelimit_reset="1"),
}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", PASSING)
async def test_what_may_pass_is_asked_for_again(library: Any, read: Any, name: str) -> None:
    server = Server(library, [PASSING[name], good(read)])
    assert await count(read, server, retry=FIXED) == 1
    assert server.pauses == [1]
    assert server.open == 0


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 500, 502])
async def test_what_will_not_pass_is_not(library: Any, read: Any, status: int) -> None:
    limit = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1"} if status != 403 else {}
    server = Server(library, [no(status, **limit)])
    await error_of(read, server, retry=FIXED)
    assert len(server.requests) == 1


@pytest.mark.parametrize("read", READERS)
async def test_the_pause_is_the_one_that_is_asked_for(library: Any, read: Any) -> None:
    answers = [no(429, retry_after="30"), no(503, retry_after="0.5"), good(read)]
    server = Server(library, answers)
    assert await count(read, server, retry=FIXED) == 1
    assert server.pauses == [30, 5]  # the cap of the policy


@pytest.mark.parametrize("read", READERS)
async def test_a_pause_that_is_too_long_is_an_error(library: Any, read: Any) -> None:
    server = Server(library, [no(429, {"message": "slow down"}, retry_after="300")])
    error = await error_of(read, server)
    assert str(error) == (
        "http://test/: status 429 Too Many Requests: slow down; the server asks for a pause of"
        " 300 s, but max_retry_after allows 120 s"
    )
    assert error.retry_after == 300
    server = Server(library, [no(429, retry_after="300"), good(read)])
    assert await count(read, server, max_retry_after=300) == 1
    assert server.pauses[0] >= 300


@pytest.mark.parametrize("read", READERS)
async def test_the_last_error_comes_out(library: Any, read: Any) -> None:
    server = Server(library, [no(503)] * 3)
    error = await error_of(read, server, retry=FIXED)
    assert error.__notes__ == ["retry gave up after 3 attempts"]
    assert server.pauses == [1, 2]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_request_that_may_change_something_is_not_repeated(
    library: Any, read: Any, method: str
) -> None:
    for answer, kind in (
        (no(429, retry_after="1"), BodyStatusError),
        (library.ConnectError("refused"), library.ConnectError),
    ):
        server = Server(library, [answer])
        with pytest.raises(kind) as raised:
            await count(read, server, method=method, json={})
        assert len(server.requests) == 1
        assert "max_retry_after" not in str(raised.value)
        server = Server(library, [answer, good(read)])
        assert await count(read, server, method=method, json={}, retry=FIXED) == 1
        assert [request.read() for request in server.requests] == [b"{}"] * 2


@pytest.mark.parametrize("read", READERS)
async def test_without_a_policy_there_is_one_attempt(library: Any, read: Any) -> None:
    server = Server(library, [no(429, retry_after="500")])
    error = await error_of(read, server, retry=None)
    assert str(error) == "http://test/: status 429 Too Many Requests"
    assert len(server.requests) == 1


@pytest.mark.parametrize("read", [lines, ndjson, json_seq])
async def test_a_connection_that_fails_is_made_again(library: Any, read: Any) -> None:
    told: list[tuple[int, float]] = []
    policy = Retry(first=1, jitter=False, hook=lambda *of: told.append((of[0], of[2])))
    error = library.ConnectError("refused")
    server = Server(library, [error, library.ReadTimeout("late"), good(read)])
    assert await count(read, server, retry=policy) == 1
    assert server.pauses == [1, 2]
    assert told == [(1, 1), (2, 2)]


@pytest.mark.parametrize("read", [lines, ndjson, json_seq])
async def test_a_body_that_has_begun_is_not_asked_for_again(library: Any, read: Any) -> None:
    reply = Reply(library.ReadError("gone"))
    server = Server(library, [reply])
    with pytest.raises(library.ReadError, match="gone"):
        await count(read, server, retry=FIXED)
    assert len(server.requests) == 1


@pytest.mark.parametrize("read", READERS)
async def test_a_certificate_that_is_not_trusted_stays_so(library: Any, read: Any) -> None:
    server = Server(library, [library.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]")])
    with pytest.raises(library.ConnectError):
        await count(read, server, retry=Retry(times=None))
    assert len(server.requests) == 1


@pytest.mark.parametrize("read", READERS)
async def test_a_response_is_not_asked_for_again(library: Any, read: Any) -> None:
    server = Server(library, [no(503)])
    request = server.client.build_request("GET", "http://test/")
    with pytest.raises(BodyStatusError):
        await read(await server.client.send(request, stream=True), retry=FIXED).drain()
    assert len(server.requests) == 1
    assert server.open == 0


@pytest.mark.parametrize("read", READERS)
async def test_a_timed_out_step_shortens_no_pause(library: Any, read: Any) -> None:
    server = Server(library, [no(503, retry_after="10"), good(read)])
    found: list[Any] = []
    async with read("http://test/", client=server.client, retry=FIXED) as items:
        while not found:
            with anyio.move_on_after(0.3):
                found.append(await anext(items))
    assert server.pauses == [10]


async def test_leaving_in_a_pause(library: Any) -> None:
    server = Server(library, [no(503, retry_after="10")])
    async with lines("http://test/", client=server.client):
        await anyio.sleep(1)
    assert len(server.requests) == 1
    assert server.open == 0


async def test_a_stream_of_events_outlasts_a_server_that_restarts(library: Any) -> None:
    answers = [Reply(b"id: 1\ndata: 1\n\n"), no(503), no(503, retry_after="9"), good(sse)]
    server = Server(library, [*answers, Reply(status=204)])
    stream = sse("http://test/", client=server.client, retry=FIXED)
    assert [event.data for event in await stream.collect()] == ["1", "1"]
    assert server.pauses == [1, 1, 9, 1]
    assert server.ids == [None, "1", "1", "1", "1"]


@pytest.mark.parametrize("read", [lines, ndjson, json_seq])
@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"retry": 3}, TypeError, "retry must be a Retry or None, got 3"),
        ({"max_retry_after": "5"}, TypeError, "max_retry_after must be a number of seconds"),
        ({"max_retry_after": -1}, ValueError, "max_retry_after must be finite and at least 0"),
    ],
)
def test_arguments_are_checked(read: Any, options: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        read("http://test/", **options)


def test_how_it_is_written() -> None:
    stream = lines("http://test/", retry=None, max_retry_after=5)
    assert repr(stream) == "lines('http://test/', retry=None, max_retry_after=5)"


# -- content that can be read only once ---------------------------------------------------------


async def parts() -> AsyncGenerator[bytes, None]:
    yield b"a"
    yield b"b"


class Parts:
    """An async iterator, and no generator."""

    def __init__(self) -> None:
        self.rest = [b"a", b"b"]

    def __aiter__(self) -> "Parts":
        return self

    async def __anext__(self) -> bytes:
        if not self.rest:
            raise StopAsyncIteration
        return self.rest.pop(0)


@pytest.fixture(params=["generator", "iterator", "file"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Any]:
    path = tmp_path / "content"
    path.write_bytes(b"ab")
    with path.open("rb") as file:
        kinds = {"generator": parts, "iterator": Parts, "file": lambda: anyio.wrap_file(file)}
        yield kinds[request.param]()


def for_url(library: Any, content: Any) -> dict[str, Any]:
    return {"what": "http://test/", "method": "PUT", "content": content}


def whole(library: Any, content: Any) -> dict[str, Any]:
    return {"what": library.Request("PUT", "http://test/", content=content)}


def wrapped(library: Any, content: Any) -> dict[str, Any]:
    class Counted(library.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.parts = content
            self.count = 0

        async def __aiter__(self) -> AsyncGenerator[bytes, None]:
            async for part in self.parts:
                self.count += len(part)
                yield part

    headers = {"transfer-encoding": "chunked"}
    return {"what": library.Request("PUT", "http://test/", stream=Counted(), headers=headers)}


SENDING = pytest.mark.parametrize("sending", [for_url, whole, wrapped])


def sent(server: Server) -> list[bytes]:
    return [request.content for request in server.requests]


@pytest.mark.real_time
@SENDING
@pytest.mark.parametrize("read", READERS)
async def test_content_that_is_used_up_is_not_sent_again(
    library: Any, read: Any, sending: Any, content: Any
) -> None:
    server = Server(library, [no(503), good(read)])
    error = await error_of(read, server, **sending(library, content), retry=FIXED)
    assert error.status == 503
    assert sent(server) == [b"ab"]


@pytest.mark.real_time
@SENDING
@pytest.mark.parametrize("read", READERS)
async def test_another_opening_sends_no_empty_content(
    library: Any, read: Any, sending: Any, content: Any
) -> None:
    server = Server(library, [good(read), good(read)])
    stream = read(client=server.client, **sending(library, content))
    assert await stream.count() == 1
    with pytest.raises(StreamConsumedError, match="content can be read only once"):
        await stream.count()
    assert sent(server) == [b"ab"]


@pytest.mark.real_time
@SENDING
async def test_a_redirect_sends_no_empty_content(library: Any, sending: Any, content: Any) -> None:
    came: list[bytes] = []

    class Transport(library.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            came.append(b"".join([part async for part in request.stream]))
            return library.Response(307, headers={"location": "/there"})

    async with library.AsyncClient(transport=Transport(), follow_redirects=True) as client:
        with pytest.raises(StreamConsumedError, match="content can be read only once"):
            await lines(client=client, **sending(library, content)).drain()
    assert came == [b"ab"]


@SENDING
async def test_events_end_with_the_body_where_the_content_is_used_up(
    library: Any, sending: Any
) -> None:
    server = Server(library, [good(sse), good(sse)])
    events = sse(client=server.client, **sending(library, parts()), retry=FIXED)
    assert await events.count() == 1
    assert sent(server) == [b"ab"]


@SENDING
@pytest.mark.parametrize("read", READERS)
async def test_content_that_was_not_begun_is_sent_by_the_next_attempt(
    library: Any, read: Any, sending: Any
) -> None:
    server = Server(library, [good(read)])
    fails = iter([library.ConnectError("no")])

    class Transport(library.MockTransport):  # type: ignore[misc, name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            for error in fails:
                raise error
            return await super().handle_async_request(request)

    server.client = library.AsyncClient(transport=Transport(server.answer))
    assert await count(read, server, **sending(library, parts()), retry=FIXED) == 1
    assert sent(server) == [b"ab"]


@pytest.mark.parametrize("sending", [for_url, whole])
@pytest.mark.parametrize("content", [b"ab", "ab", Stream(parts)], ids=["bytes", "text", "stream"])
@pytest.mark.parametrize("read", READERS)
async def test_other_content_is_sent_whole_each_time(
    library: Any, read: Any, sending: Any, content: Any
) -> None:
    server = Server(library, [no(503), good(read), good(read)])
    stream = read(client=server.client, **sending(library, content), retry=FIXED).take(1)
    assert [await stream.count(), await stream.count()] == [1, 1]
    assert sent(server) == [b"ab"] * 3


@pytest.mark.parametrize("is_pipe", [False, True])
async def test_a_form_with_a_pipe_is_not_sent_again(library: Any, is_pipe: bool) -> None:
    server = Server(library, [no(503), good(lines)])

    class File(io.BytesIO):
        def seekable(self) -> bool:
            return not is_pipe

    form = library.Request("PUT", "http://test/", files={"file": File(b"ab")}, data={"a": "1"})
    if is_pipe:
        await error_of(lines, server, what=form, retry=FIXED)
    else:
        assert await count(lines, server, form, retry=FIXED) == 1
    assert [b"\r\nab\r\n" in body for body in sent(server)] == [True] * (1 if is_pipe else 2)
