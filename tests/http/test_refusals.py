"""What a server says when it refuses: how much is read, what is shown, and what never is."""

import gzip
import json
import logging
import pickle
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio.streams.tls import TLSListener
from clients import Reply, Server, client_of
from hypothesis import example, given
from hypothesis import strategies as st
from sockets import HEAD, cut, endless, serving, silent, whole

from anystream.http import ErrorResponse
from anystream.http._refusals import LIMIT, is_certificate_error, read_refusal, reason
from anystream.testing import cancel_everywhere

# -- how it is read -----------------------------------------------------------------------------


async def refused(library: Any, reply: Reply) -> ErrorResponse:
    server = Server(library, [reply])
    request = server.client.build_request("GET", "http://test/")
    response = await read_refusal(await server.client.send(request, stream=True))
    assert server.open == 0
    return response


async def test_a_response_is_read(library: Any) -> None:
    response = await refused(
        library, Reply(b"slow ", b"down", status=429, Retry_After="5", pause=1)
    )
    assert (response.status, response.body, response.text) == (429, b"slow down", "slow down")
    assert response.headers["retry-after"] == "5"
    assert repr(response) == "ErrorResponse(status=429)"
    assert pickle.loads(pickle.dumps(response)) == response


@pytest.mark.parametrize("content", [b"no", b"x" * 100_000])
async def test_a_response_that_has_been_read(library: Any, content: bytes) -> None:
    server = Server(library, [Reply(content, status=400)])
    response = await read_refusal(await server.client.get("http://test/"))
    assert response.body == content[:LIMIT]
    assert (await read_refusal(library.Response(400, content=content))).body == content[:LIMIT]


async def test_a_response_whose_stream_is_gone(library: Any) -> None:
    server = Server(library, [Reply(b"x", status=400)])
    request = server.client.build_request("GET", "http://test/")
    response = await server.client.send(request, stream=True)
    assert [chunk async for chunk in response.aiter_raw()] == [b"x"]
    assert (await read_refusal(response)).body == b""


async def test_the_first_of_a_long_body(library: Any) -> None:
    response = await refused(library, Reply(*[b"x" * 1000] * 100, status=400))
    assert response.body == b"x" * LIMIT


async def test_a_body_of_nothing_has_an_end(library: Any) -> None:
    async def body() -> AsyncIterator[bytes]:
        while True:
            await anyio.lowlevel.checkpoint()
            yield gzip.compress(b"")

    headers = {"content-encoding": "gzip"}
    response = library.Response(400, headers=headers, content=body())
    assert (await read_refusal(response)).body == b""


async def test_what_has_come_before_an_error(library: Any) -> None:
    response = await refused(library, Reply(b"no", library.ReadError("gone"), status=400))
    assert response.body == b"no"


async def test_what_has_come_in_time(library: Any) -> None:
    start = anyio.current_time()
    response = await refused(library, Reply(*[b"x"] * 100, status=400, pause=2))
    assert (response.body, anyio.current_time() - start) == (b"xx", 5)


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
async def test_a_packed_body(library: Any, coding: str) -> None:
    data = gzip.compress(b"no")
    packed = gzip.compress(data) if "," in coding else data
    assert (await refused(library, Reply(packed, content_encoding=coding))).body == b"no"
    bad = Reply(packed + b"bad", content_encoding=coding)
    assert (await refused(library, bad)).body == b"no"
    assert (await refused(library, Reply(b"bad bad", content_encoding=coding))).body == b""
    too_often = ", ".join([coding] * 6)
    assert (await refused(library, Reply(packed, content_encoding=too_often))).body == b""


async def test_a_bomb_costs_little(library: Any) -> None:
    packed = gzip.compress(bytes(100_000_000))
    reply = Reply(packed, content_encoding="gzip")
    tracemalloc.start()
    try:
        assert (await refused(library, reply)).body == bytes(LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


async def test_an_error_of_the_closing_is_not_heard_of() -> None:
    class Stream(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"no"

        async def aclose(self) -> None:
            raise httpx.CloseError("gone")

    assert (await read_refusal(httpx.Response(400, stream=Stream()))).body == b"no"


async def test_a_close_that_waits_is_not_cut_off() -> None:
    closed = False

    class Stream(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await anyio.sleep(100)
            yield b"no"

        async def aclose(self) -> None:
            nonlocal closed
            await anyio.sleep(0.5)
            closed = True

    with anyio.move_on_after(1) as scope:
        await read_refusal(httpx.Response(400, stream=Stream()))
    assert scope.cancelled_caught
    assert closed


async def read_some() -> None:
    server = Server(httpx, [Reply(b"a", b"b", status=400, pause=1)])
    request = server.client.build_request("GET", "http://test/")
    response = await server.client.send(request, stream=True)
    try:
        assert (await read_refusal(response)).body == b"ab"
    finally:
        assert server.open == 0


def test_it_can_be_cancelled_everywhere() -> None:
    """But for a native cancellation of the very close, which the client does not begin again."""
    assert cancel_everywhere(read_some, modes=["scope"]) > 3


def failing(answer: Any) -> Any:
    """The same bytes, as the body of an error."""

    async def answered(stream: Any) -> None:
        class Changed:
            async def send(self, data: bytes) -> None:
                await stream.send(data.replace(HEAD[:15], b"HTTP/1.1 503 No"))

            receive = stream.receive

        await answer(Changed())

    return answered


@pytest.mark.real_time
async def test_over_sockets_nothing_is_left(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anystream.http._refusals.PATIENCE", 0.05)
    answers = {
        "whole": whole(b"no", b"way"),
        "flood": endless(b"no" * 5000),
        "silent": silent(b"no"),
        "tiny": silent(*[b"n", b"o"] * 3000),
        "cut": cut(b"no"),
    }
    async with (
        serving(**{name: failing(answer) for name, answer in answers.items()}) as server,
        client_of(library) as client,
    ):
        for name in answers:
            request = client.build_request("GET", f"{server.url}/{name}")
            response = await read_refusal(await client.send(request, stream=True))
            assert response.status == 503
            assert response.body.startswith(b"no")
            assert len(client._transport._pool.connections) == (name == "whole")
        assert await server.all_closed()


# -- why ----------------------------------------------------------------------------------------

JSON, TEXT, HTML = "application/json", "text/plain", "text/html; charset=utf-8"
GET = httpx.Request("GET", "http://test/")


def said(body: Any, kind: str = JSON, request: Any = GET) -> str:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return reason(ErrorResponse(400, {"content-type": kind}, data), request)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "Bad credentials", "documentation_url": "x"}, "Bad credentials"),
        ({"error": "invalid_grant"}, "invalid_grant"),
        ({"error": "invalid_grant", "error_description": "gone"}, "invalid_grant: gone"),
        ({"error_description": "gone"}, "gone"),
        ({"error": {"message": "Rate limit", "type": "x"}}, "Rate limit"),
        ({"type": "error", "error": {"type": "x", "message": "Overloaded"}}, "Overloaded"),
        ({"ok": False, "error": "missing_scope"}, "missing_scope"),
        ({"error": True, "message": "no"}, "no"),
        ({"error": 5, "detail": "no"}, "no"),
        ({"title": "Bad Request", "detail": "too many", "status": 400}, "too many"),
        ({"title": "Bad Request"}, "Bad Request"),
        ({"errors": ["first", "second"]}, "first"),
        ({"errors": [{"message": "first"}]}, "first"),
        ({"errors": [{"detail": "first"}]}, "first"),
        ({"errors": [{"title": "first"}]}, "first"),
        ({"errors": []}, ""),
        ({"msg": "no"}, "no"),
        ({"Message": "no"}, "no"),
        ([{"errorCode": "x", "message": "no"}], "no"),
        (
            {"detail": [{"loc": ["query", "n", 0], "msg": "too big", "type": "x"}]},
            "query.n.0: too big",
        ),
        ({"detail": [{"loc": "n", "msg": "too big"}]}, "n: too big"),
        ("not allowed", "not allowed"),
        ({"message": "  "}, ""),
        ({"message": ""}, ""),
        ({"other": "x"}, ""),
        ({}, ""),
        ([], ""),
        (None, ""),
        (5, ""),
        ({"error": {"error": {"error": {"error": {"error": "deep"}}}}}, ""),
        (b"[" * 5000, ""),
        (b'{"message": ' + b"9" * 5000 + b"}", ""),
        (b'{"message": "cut', ""),
        (b"", ""),
    ],
)
def test_the_reason_in_json(body: Any, text: str) -> None:
    assert said(body) == text
    if body and not isinstance(body, str):
        assert said(body, "application/problem+json") == text


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"no such thing\nat all", TEXT, "no such thing"),
        (b"\r\n no \n", TEXT, "no"),
        (b"no", "", "no"),
        (b'{"message": "no"}', TEXT, "no"),
        (b"[error] no", TEXT, "[error] no"),
        (b"\xff\xfe", "application/octet-stream", ""),
        ("é".encode(), TEXT, "é"),
        ("é".encode("latin-1"), TEXT, "\ufffd"),
        ("é".encode("latin-1"), "text/plain; charset=ISO-8859-1", "é"),
        ("é".encode("latin-1"), 'text/plain; charset="windows-1252"; x=y', "é"),
        ("é".encode(), "text/plain; charset=rot13", "é"),
        ("é".encode(), "text/plain; charset=iso-8859-99", ""),
        (b"<html><head><title>502 Bad\n  Gateway</title>", HTML, "502 Bad Gateway"),
        (b"<HTML><TITLE lang=en>A &amp; B</TITLE>", HTML, "A & B"),
        (b"<!doctype html><title>no</title>", TEXT, "no"),
        (b"<html><title>cut", HTML, ""),
        (b"<html><body>no", HTML, ""),
        (
            b"<Error><Code>X</Code><Message>Access Denied</Message></Error>",
            "application/xml",
            "Access Denied",
        ),
    ],
)
def test_the_reason_in_a_text(body: bytes, kind: str, text: str) -> None:
    assert said(body, kind) == text


def test_a_long_page_is_looked_through_once() -> None:
    assert said(b"<title" * 10_000, HTML) == said(b"<title>" * 9_000, HTML) == ""


def test_a_long_reason_is_cut() -> None:
    assert said({"message": "x" * 200}) == "x" * 200
    assert said({"message": "x" * 201}) == "x" * 197 + "..."
    assert len(said({"message": "\0" * 300})) == 200


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc\r", r"a\nb\tc"),
        ("\0a\x7f\x80\x9bb", r"\x00a\x7f\x80\x9bb"),
        ("a\u202eb\u2066c\u200bd\ufeff", r"a\u202eb\u2066c\u200bd\ufeff"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("a\ud800b", r"a\ud800b"),
        ("\U000e0001", r"\U000e0001"),
        ("é 漢 🙂", "é 漢 🙂"),
    ],
)
def test_what_acts_on_a_terminal_is_shown(text: str, shown: str) -> None:
    assert said({"message": text}) == shown


SECRETS: list[tuple[str, dict[str, str], str, str]] = [
    ("http://test/", {"Authorization": "Bearer s3cr3t"}, "key s3cr3t is bad", "key *** is bad"),
    ("http://test/", {"Authorization": "Bearer s3cr3t"}, "Bearer s3cr3t?", "***?"),
    ("http://test/", {"Authorization": "s3cr3t"}, "s3cr3t?", "***?"),
    ("http://test/", {"Authorization": "Basic bWU6cHc="}, "bWU6cHc= is me:pw", "*** is me:***"),
    ("http://test/", {"Authorization": "Basic bWUhISE6cHc="}, "me!!! pw", "*** ***"),
    ("http://test/", {"Authorization": "Basic ???"}, "x ??? y", "x *** y"),
    ("http://test/", {"Authorization": "Bearer "}, "empty", "empty"),
    ("http://test/", {"X-Api-Key": "k"}, "key k", "***ey ***"),
    ("http://test/", {"Cookie": "a=1; session=s3cr3t"}, "1 s3cr3t", "1 ***"),
    ("http://test/", {"X-Tenant": "acme-corp"}, "no acme-corp", "no ***"),
    ("http://test/", {"X-Debug": "yes"}, "yes", "yes"),
    ("http://test/", {"User-Agent": "anystream"}, "no anystream", "no anystream"),
    ("http://test/?a=word&token=s3%2Fcr3t", {}, "word s3/cr3t s3%2Fcr3t", "word *** ***"),
    ("http://test/?api%5Fkey=a+b", {}, "a b a+b", "*** ***"),
    ("http://test/?page_token=abcd", {}, "abcd", "abcd"),
    ("http://test/?token=", {}, "x", "x"),
    ("http://sk_live%21:p%21w@test/", {}, "sk_live! sk_live%21 p!w", "*** *** ***"),
    ("http://test/", {"Authorization": "Bearer abc", "X-Key": "abcdef"}, "abcdef abc", "*** ***"),
]


@pytest.mark.parametrize(("url", "headers", "text", "shown"), SECRETS)
def test_what_the_request_keeps_secret_is_not_shown(
    url: str, headers: dict[str, str], text: str, shown: str
) -> None:
    request = httpx.Request("GET", url, headers=headers)
    assert said({"message": text}, request=request) == shown
    assert said(text.encode(), TEXT, request) == shown


def test_a_secret_is_not_cut_into_what_is_shown() -> None:
    request = httpx.Request("GET", "http://test/", headers={"X-Key": "s3cr3t" * 5})
    assert "s3cr3t" not in said({"message": "x" * 190 + "s3cr3t" * 5}, request=request)


def test_without_a_request_nothing_is_known_to_be_secret() -> None:
    assert said({"message": "no"}, request=None) == "no"


@given(
    st.binary(max_size=60), st.sampled_from([JSON, TEXT, HTML, "", "text/plain; charset=utf-16"])
)
@example(b"\xff\xfe\x00\xd8", "text/plain; charset=utf-16")
def test_no_body_is_an_error(body: bytes, kind: str) -> None:
    shown = said(body, kind)
    assert len(shown) <= 200
    shown.encode()


# -- certificates -------------------------------------------------------------------------------

PEM = Path(__file__).with_name("localhost.pem")


@pytest.mark.real_time
async def test_a_certificate_that_is_not_trusted(
    library: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # the server's side of the refusal, which it logs if it sees it before it is cancelled
    caplog.set_level(logging.CRITICAL, "anyio.streams.tls")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(PEM)
    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = tcp.extra(anyio.abc.SocketAttribute.local_port)
    async with TLSListener(tcp, context) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, lambda stream: stream.aclose())
        async with library.AsyncClient(trust_env=False) as client:
            with pytest.raises(library.ConnectError) as raised:
                await client.get(f"https://127.0.0.1:{port}/")
        tasks.cancel_scope.cancel()
    assert is_certificate_error(raised.value)


def test_what_is_another_error() -> None:
    assert not is_certificate_error(httpx.ConnectError("refused"))
    assert not is_certificate_error(httpx.ReadError("CERTIFICATE_VERIFY_FAILED"))
    assert is_certificate_error(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"))
    around = httpx.ConnectError("a")
    around.__cause__ = OSError("b")
    around.__cause__.__context__ = around
    assert not is_certificate_error(around)
    around.__cause__.__context__ = ssl.SSLCertVerificationError()
    assert is_certificate_error(around)
