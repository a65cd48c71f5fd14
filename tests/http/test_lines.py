"""The lines and JSON documents of bodies, as they come in, and how a body is left."""

import gzip
import io
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
import httpx
import httpx2
import leaving
import pytest
import sockets
from clients import Reply, Server, client_of
from sockets import serving
from splits import one_by_one

from anystream import NeedsTasksError, Retry, Stream, StreamConsumedError, StreamError
from anystream.http import (
    BodyStatusError,
    RecordDataError,
    RecordSizeError,
    json_seq,
    lines,
    ndjson,
    sse,
)
from anystream.http._clients import Client
from anystream.http.bodies.events import Decoder
from anystream.http.bodies.live import Body
from anystream.http.bodies.openings import Openings
from anystream.http.bodies.requests import BodyRequest
from anystream.http.bodies.sse import EventSource
from anystream.testing import cancel_everywhere, every_cut


def text(*chunks: bytes | Exception, **options: Any) -> Reply:
    return Reply(*chunks, kind="text/plain", **options)


def from_reply(library: Any, reply: Reply, **options: Any) -> Stream[str]:
    return lines("http://test/", client=Server(library, [reply]).client, **options)


# -- what comes ---------------------------------------------------------------------------------


async def test_lines_come_as_they_are_sent(library: Any) -> None:
    reply = text(b"a\r\nb", "\u2028c\nd\n".encode(), b"e", pause=1)
    async with from_reply(library, reply) as items:
        start = anyio.current_time()
        got = [(line, anyio.current_time() - start) async for line in items]
    assert got == [("a", 1), ("b\u2028c", 2), ("d", 2), ("e", 3)]


async def test_documents(library: Any) -> None:
    server = Server(library, [text(b'{"a":', b" 1}\n\n2\n"), text(b"1\nx\n")])
    stream = ndjson("http://test/a", client=server.client)
    assert await stream.collect() == [{"a": 1}, 2]
    with pytest.raises(RecordDataError, match="line 2 of http://test/a: invalid JSON"):
        await stream.drain()


async def test_texts(library: Any) -> None:
    server = Server(library, [text(b'\x1e{"a":', b" 1}\n\x1e2\n"), text(b"\x1e1\n\x1e2")])
    stream = json_seq("http://test/", client=server.client)
    assert await stream.collect() == [{"a": 1}, 2]
    with pytest.raises(RecordDataError, match="text 2 of http://test/: nothing follows"):
        await stream.drain()


async def test_limits(library: Any) -> None:
    with pytest.raises(RecordSizeError, match="line 2 of http://test/: longer than 3 bytes"):
        await from_reply(library, text(b"a\nabcd\n"), max_line=3).drain()


async def test_a_body_that_breaks_off(library: Any) -> None:
    got: list[str] = []
    with pytest.raises(library.ReadError) as raised:
        await from_reply(library, text(b"a\nb", library.ReadError("gone"))).for_each(got.append)
    assert got == ["a"]
    assert raised.value.__notes__ == ["while reading http://test/"]


@pytest.mark.parametrize("status", [304, 404, 500])
async def test_a_status_that_is_no_success(library: Any, status: int) -> None:
    server = Server(library, [text(b"an excuse\n", status=status)])
    with pytest.raises(BodyStatusError, match=f"http://test/: status {status}") as raised:
        await lines("http://test/", client=server.client).drain()
    assert isinstance(raised.value, StreamError)
    assert raised.value.status == status
    assert server.open == 0


@pytest.mark.parametrize("status", [200, 206])
async def test_a_status_of_success(library: Any, status: int) -> None:
    assert await from_reply(library, text(b"a\n", status=status)).collect() == ["a"]


async def test_no_content(library: Any) -> None:
    assert await from_reply(library, text(status=204)).collect() == []


# -- what is asked for --------------------------------------------------------------------------


async def test_the_request(library: Any) -> None:
    server = Server(library, [text(b"a\n")] * 2)
    stream = lines(
        "http://test/?a=1", client=server.client, method="PUT", headers={"x": "y"}, content=b"data"
    )
    assert await stream.collect() == await stream.collect() == ["a"]
    for request in server.requests:
        assert (request.method, request.headers["x"]) == ("PUT", "y")
        assert request.read() == b"data"
        assert request.extensions["timeout"]["read"] is None


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({}, "GET"),
        ({"content": b"a"}, "POST"),
        ({"json": {"a": 1}}, "POST"),
        ({"json": {"a": 1}, "method": "get"}, "GET"),
        ({"content": b"a", "method": "report"}, "REPORT"),
    ],
)
async def test_the_method_unless_it_is_given(
    library: Any, options: dict[str, Any], method: str
) -> None:
    server = Server(library, [text(b"a\n"), Reply(status=204)])
    await lines("http://test/", client=server.client, **options).drain()
    await sse("http://test/", client=server.client, **options).drain()
    assert [request.method for request in server.requests] == [method, method]


async def test_the_query_of_the_url_and_of_the_client_are_kept(library: Any) -> None:
    server = Server(library, [text(b"")] * 2)
    server.client.params = {"team": "blue", "q": "client"}
    await lines(library.URL("http://test/?q=a%2Bb&empty="), client=server.client).drain()
    await lines("http://test/", client=server.client).drain()
    sent = [dict(request.url.params) for request in server.requests]
    assert sent == [{"team": "blue", "q": "a+b", "empty": ""}, {"team": "blue", "q": "client"}]


async def test_a_request_of_your_own(library: Any) -> None:
    server = Server(library, [text(b"a\n")] * 2)
    request = server.client.build_request("POST", "http://test/", json=[1])
    stream = lines(request, client=server.client)
    assert await stream.collect() == await stream.collect() == ["a"]
    assert [request.read() for request in server.requests] == [b"[1]"] * 2
    assert repr(stream) == "lines('http://test/')"


async def response_of(library: Any, reply: Reply) -> tuple[Server, Any]:
    server = Server(library, [reply])
    request = server.client.build_request("GET", "http://test/")
    return server, await server.client.send(request, stream=True)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_response_of_your_own(library: Any, coding: str) -> None:
    data = gzip.compress(b"a\nb\n") if coding == "gzip" else b"a\nb\n"
    server, response = await response_of(library, text(data, content_encoding=coding))
    stream = lines(response)
    assert await stream.collect() == ["a", "b"]
    assert server.open == 0
    with pytest.raises(StreamConsumedError):
        await stream.drain()


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_response_that_has_been_read_already(library: Any, coding: str) -> None:
    data = gzip.compress(b"a\nb\n") if coding == "gzip" else b"a\nb\n"
    _, response = await response_of(library, text(data, content_encoding=coding))
    await response.aread()
    assert await lines(response).collect() == ["a", "b"]


async def test_a_response_that_is_not_read_is_closed(library: Any) -> None:
    server, response = await response_of(library, text(b"a\n"))
    async with lines(response):
        assert server.open == 1
    assert server.open == 0


async def test_a_response_that_was_made_by_hand(library: Any) -> None:
    with pytest.raises(
        BodyStatusError, match=r"<Response \[404 Not Found\]>: status 404 Not Found"
    ):
        await lines(library.Response(404, content=b"a\n")).drain()


CLIENT = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(200)))
REQUEST = httpx.Request("GET", "http://test/")
RESPONSE = httpx.Response(200, request=REQUEST)


@pytest.mark.parametrize("call", [lines, ndjson, json_seq, sse])
@pytest.mark.parametrize(
    ("what", "options", "problem"),
    [
        (5, {}, "needs a URL, a request or a response, got 5"),
        (b"http://test/", {}, "needs a URL, a request or a response"),
        (REQUEST, {}, "client must be given to send a request"),
        (
            REQUEST,
            {"client": CLIENT, "method": "POST"},
            "method can be given only with a URL: a req",
        ),
        (REQUEST, {"client": CLIENT, "headers": {}}, "headers can be given only with a URL"),
        (
            REQUEST,
            {"client": CLIENT, "read_timeout": 5},
            "read_timeout can be given only with a URL",
        ),
        (RESPONSE, {"client": CLIENT}, "client can be given only with a URL: a response"),
        (RESPONSE, {"content": b""}, "content can be given only with a URL: a response"),
        (RESPONSE, {"json": 1}, "json can be given only with a URL: a response"),
    ],
)
def test_what_does_not_go_together(call: Any, what: Any, options: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        call(what, **options)


PAIRS = "headers must be a mapping of str to str, or a list of such pairs, got a "


@pytest.mark.parametrize("call", [lines, ndjson, json_seq, sse])
@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"client": 5}, TypeError, "client must be an httpx.AsyncClient or have the same in"),
        ({"client": httpx.Client()}, TypeError, "client must be an httpx.AsyncClient or have t"),
        ({"headers": ["a"]}, TypeError, PAIRS + "list that is neither"),
        ({"headers": [("a", "b", "c")]}, TypeError, PAIRS + "list that is neither"),
        ({"headers": {"a": 5}}, TypeError, PAIRS + "dict that is neither"),
        ({"headers": "a: b"}, TypeError, PAIRS + "str that is neither"),
        ({"headers": 5}, TypeError, PAIRS + "int that is neither"),
        ({"method": 5}, TypeError, "method must be a str, got 5"),
        (
            {"method": ""},
            ValueError,
            "method must be an HTTP method such as 'GET' or 'POST', got ''",
        ),
        ({"method": "GET /"}, ValueError, "method must be an HTTP method .* got 'GET /'"),
        ({"content": b"a", "json": 1}, ValueError, "give content or json, not both"),
        (
            {"content": [b"a"]},
            TypeError,
            "content must be str, bytes or an async iterable of bytes",
        ),
        ({"content": io.BytesIO()}, TypeError, "an async iterable of bytes, got BytesIO"),
    ],
)
def test_what_is_none_of_a_request(
    call: Any, options: Any, error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        call("http://test/", **options)


@pytest.mark.parametrize(
    "headers", [{"a": "b"}, {"a": b"b"}, [("a", "b")], (("a", "b"),), httpx.Headers({"a": "b"})]
)
async def test_headers_in_every_form(library: Any, headers: Any) -> None:
    server = Server(library, [text(b"x")])
    await lines("http://test/", client=server.client, headers=headers).drain()
    assert server.requests[0].headers["a"] == "b"


@pytest.mark.parametrize(
    ("call", "option"), [(lines, "max_line"), (ndjson, "max_line"), (json_seq, "max_text")]
)
def test_limits_are_checked(call: Any, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be at least 1, got 0"):
        call("http://test/", **{option: 0})
    assert repr(call("http://me:pw@test/", **{option: 5})).endswith(f"('http://test/', {option}=5)")
    assert repr(call("/relative")) == f"{call.__name__}('/relative')"


async def test_the_bare_form_is_refused(library: Any) -> None:
    with pytest.raises(NeedsTasksError):
        async for _ in from_reply(library, text()):
            pass


def test_without_httpx_the_error_names_the_extra() -> None:
    code = """
import sys
sys.modules["httpx"] = None
from anystream.http import lines, sse
class Client: build_request = send = None
sse("http://test/", client=Client())
try:
    lines("http://test/")
except ImportError as error:
    assert "lines needs httpx" in str(error) and "anystream[http]" in str(error), error
else:
    raise AssertionError("no error")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


# -- cancellation -------------------------------------------------------------------------------


async def test_a_timed_out_step_loses_nothing(library: Any) -> None:
    got: list[str] = []
    async with from_reply(library, text(*one_by_one(b"a\nbc\nd"), pause=1)) as items:
        over = False
        while not over:
            with anyio.move_on_after(0.7):
                async for line in items:
                    got.append(line)
                over = True
    assert got == ["a", "bc", "d"]


async def test_a_cancelled_step_may_be_repeated() -> None:
    for cut in every_cut():
        got: list[str] = []
        async with from_reply(httpx, text(b"a\nb", b"c\nd", pause=1)) as items:
            await cut.collect(items, got)
        assert got == ["a", "bc", "d"]


async def read_lines() -> None:
    server = Server(httpx2, [text(b"a\nb", b"c\nd", pause=1)])
    got: list[str] = []
    try:
        async with lines("http://test/", client=server.client) as items:
            async for line in items:
                got.append(line)
        assert got == ["a", "bc", "d"]
    finally:
        assert got == ["a", "bc", "d"][: len(got)]
        assert server.open == 0


def test_it_can_be_cancelled_everywhere() -> None:
    assert cancel_everywhere(read_lines) > 10


class Eager:
    """A body that never waits, and never ends."""

    given = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.given += 1
        return b"a\n"


@pytest.mark.leaks_expected("abandoned")  # httpx: nothing can end its generators one by one
async def test_leaving_a_body_that_never_waits(library: Any) -> None:
    body = Eager()
    async with lines(library.Response(200, content=body)) as items:
        assert await anext(items) == "a"
        assert 0 < body.given <= 8


async def test_leaving_does_not_wait_for_the_rest(library: Any) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"a\n"
        await anyio.sleep(1000)  # which would be too long for the cleanup

    async with lines(library.Response(200, content=body())) as items:
        assert await anext(items) == "a"
        await anyio.sleep(1)


# -- a client of its own ------------------------------------------------------------------------


@pytest.mark.real_time
async def test_its_own_client_is_closed(own_clients: list[httpx.AsyncClient]) -> None:
    events = sockets.whole(b"data: 1\n\ndata: 2\n\n")
    answers = {"whole": sockets.whole(b"a\nb\n"), "silent": sockets.silent(b"a\n"), "e": events}
    async with serving(**answers) as server:
        assert await lines(f"{server.url}/whole").collect() == ["a", "b"]
        async with lines(f"{server.url}/silent") as items:
            assert await anext(items) == "a"
        async with lines(f"{server.url}/whole"):
            pass
        assert await sse(f"{server.url}/e", retry=Retry(first=0)).take(3).count() == 3
        with anyio.move_on_after(0.05):
            await lines(f"{server.url}/silent").drain()
        assert await server.all_closed()
    assert [client.is_closed for client in own_clients] == [True] * 4
    assert all(client.follow_redirects for client in own_clients)


# -- leaving, over real sockets -----------------------------------------------------------------


async def while_it_waits(items: Any) -> None:
    await anext(items)
    with anyio.move_on_after(0.02):
        async for _ in items:
            pass


BODIES = {
    "silent": sockets.silent(b"data: a\n\n"),
    "slow": sockets.endless(b"data: a\n\n", pause=0.005),
    "flood": sockets.endless(b"data: a\n\n" * 1000),
    "tiny": sockets.silent(b"data: a\n\n", *[b"d", b":", b"\n"] * 1000),
}


def pool_of(client: Any) -> list[Any]:
    return client._transport._pool.connections


@pytest.mark.real_time
@pytest.mark.parametrize("leave", [while_it_waits, *leaving.WAYS])
async def test_a_body_that_is_left_early_is_closed(library: Any, leave: Any) -> None:
    async with serving(**BODIES) as server, client_of(library) as client:
        for name in BODIES:
            for read in (lines, sse):
                try:
                    async with read(f"{server.url}/{name}", client=client) as items:
                        await leave(items)
                except ZeroDivisionError:
                    assert leave is leaving.by_an_error
                assert not pool_of(client)
        assert await server.all_closed()


@pytest.mark.real_time
async def test_a_body_that_is_read_to_its_end_gives_the_connection_back(library: Any) -> None:
    data = b"data: a\n\n" * 10
    answer = sockets.whole(*one_by_one(data))
    async with serving(whole=answer) as server, client_of(library) as client:
        url = f"{server.url}/whole"
        for _ in range(2):
            assert await lines(url, client=client).count() == 20
            assert await sse(url, client=client, retry=None).count() == 10
            request = client.build_request("GET", url)
            assert await lines(await client.send(request, stream=True)).count() == 20
        (connection,) = pool_of(client)
        assert connection.is_idle()
        assert server.connections == 1


@pytest.mark.real_time
async def test_a_response_of_ones_own_that_is_left_early_is_closed(library: Any) -> None:
    async with serving(**BODIES) as server, client_of(library) as client:
        for name in ("silent", "flood"):
            request = client.build_request("GET", f"{server.url}/{name}")
            async with lines(await client.send(request, stream=True)) as items:
                assert await anext(items) == "data: a"
            assert not pool_of(client)
        assert await server.all_closed()


@pytest.mark.real_time
async def test_a_body_that_is_cut_is_an_error_or_a_reason_to_connect_again(library: Any) -> None:
    answer = sockets.cut(b"data: a\n\nda")
    async with serving(cut=answer) as server, client_of(library) as client:
        url = f"{server.url}/cut"
        with pytest.raises(library.RemoteProtocolError):
            await lines(url, client=client).drain()
        assert await sse(url, client=client, retry=Retry(first=0)).take(3).count() == 3
        assert not pool_of(client)


@pytest.mark.real_time
async def test_silence_is_an_error_if_it_lasts_too_long(library: Any) -> None:
    async with serving(silent=sockets.silent(b"a\n")) as server, client_of(library) as client:
        got: list[str] = []
        with pytest.raises(library.ReadTimeout):
            stream = lines(f"{server.url}/silent", client=client, read_timeout=0.02)
            await stream.for_each(got.append)
        assert got == ["a"]


def test_what_holds_a_connection() -> None:
    client, request = Client(None), BodyRequest("http://test/", "GET", None, None, None, None)
    openings = Openings(request, None, 0, cast("Any", None))
    for response in (None, RESPONSE):
        body = Body(request, client, openings, response)
        events = EventSource(request, client, openings, Decoder("a test", 1), response)
        assert body.holds == events.holds == (response is not None)
