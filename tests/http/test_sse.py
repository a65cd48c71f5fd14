"""Server-sent events: the rules of the standard, and connecting again."""

import random
from typing import Any, NamedTuple

import anyio
import httpx
import httpx2
import pytest
from clients import Reply, Server
from hypothesis import given, settings
from hypothesis import strategies as st
from splits import in_chunks, one_by_one
from sse_reference import events as reference

from anystream import NeedsTasksError, Retry, StreamConsumedError
from anystream.http import BodyStatusError, BodyTypeError, Event, RecordSizeError, sse
from anystream.http.bodies.events import Decoder
from anystream.testing import cancel_everywhere, every_cut

# -- the format ---------------------------------------------------------------------------------


class Case(NamedTuple):
    data: bytes
    events: list[tuple[str, str, str]]


def message(data: str, last_id: str = "") -> tuple[str, str, str]:
    return "message", data, last_id


CASES = {
    "nothing": Case(b"", []),
    "one line of data": Case(b"data: a\n\n", [message("a")]),
    "several lines of data": Case(b"data: a\ndata\ndata:b\n\n", [message("a\n\nb")]),
    "several events": Case(b"data: a\n\ndata: b\n\n", [message("a"), message("b")]),
    "a type": Case(b"event: x\ndata: a\n\ndata: b\n\n", [("x", "a", ""), message("b")]),
    "the last type counts": Case(b"event: x\nevent: y\ndata: a\n\n", [("y", "a", "")]),
    "an empty type": Case(b"event: x\nevent\ndata: a\n\n", [message("a")]),
    "a type without data is forgotten": Case(b"event: x\n\ndata: a\n\n", [message("a")]),
    "no data, no event": Case(b"event: x\nid: 1\n\n\n\n", []),
    "an empty line of data is data": Case(b"data\n\ndata:\n\n", [message(""), message("")]),
    "two empty lines of data": Case(b"data\ndata\n\n", [message("\n")]),
    "one space goes": Case(b"data:a\ndata: b\ndata:  c\n\n", [message("a\nb\n c")]),
    "only a space goes": Case(b"data:\ta\n\n", [message("\ta")]),
    "spaces at the end stay": Case(b"data: a \n\n", [message("a ")]),
    "a colon in the value": Case(b"data:a:b: c\n\n", [message("a:b: c")]),
    "line feeds": Case(b"data: a\ndata: b\n\n", [message("a\nb")]),
    "carriage returns": Case(b"data: a\rdata: b\r\r", [message("a\nb")]),
    "both": Case(b"data: a\r\ndata: b\r\n\r\n", [message("a\nb")]),
    "a mixture": Case(
        b"data: a\rdata: b\ndata: c\r\n\rdata: d\n\r", [message("a\nb\nc"), message("d")]
    ),
    "two ends, not three": Case(b"data: a\r\n\ndata: b\n\r\n", [message("a"), message("b")]),
    "a comment": Case(b": x\ndata: a\n:data: b\n:\n\n", [message("a")]),
    "comments only": Case(b": x\n\n:\n\n", []),
    "a comment splits nothing": Case(b"data: a\n: x\ndata: b\n\n", [message("a\nb")]),
    "unknown fields": Case(
        b"foo: x\ndatum: y\nDATA: z\n data: u\ndata : v\ndata: a\n\n", [message("a")]
    ),
    "an id": Case(b"id: 1\ndata: a\n\n", [message("a", "1")]),
    "an id stays": Case(b"id: 1\ndata: a\n\ndata: b\n\n", [message("a", "1"), message("b", "1")]),
    "an id without data stays": Case(b"id: 1\n\ndata: a\n\n", [message("a", "1")]),
    "an empty id": Case(b"id: 1\ndata: a\n\nid\ndata: b\n\n", [message("a", "1"), message("b")]),
    "the last id counts": Case(b"id: 1\nid: 2\ndata: a\n\n", [message("a", "2")]),
    "an id with NUL is none": Case(b"id: 1\nid: 2\0\ndata: a\n\n", [message("a", "1")]),
    "NUL elsewhere": Case(b"event: \0\ndata: \0\n\n", [("\0", "\0", "")]),
    "an id and blank lines": Case(b"id: 1\ndata: a\n\n\n\n:\n\n", [message("a", "1")]),
    "a byte order mark": Case(b"\xef\xbb\xbfdata: a\n\n", [message("a")]),
    "a second one": Case(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [message("b")]),
    "one later": Case(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [message("a")]),
    "UTF-8": Case("data: é€𝄞\u2028\x85\n\n".encode(), [message("é€𝄞\u2028\x85")]),
    "bad bytes": Case(b"data: \xff\xe2\x82b\xc3\n\n", [message("\ufffd\ufffdb\ufffd")]),
    "an event that does not end": Case(b"data: a\n\ndata: b\n", [message("a")]),
    "a line that does not end": Case(b"data: a\n\ndata: b", [message("a")]),
    "retry is no event": Case(b"retry: 5\n\n", []),
}


def fed(chunks: list[bytes], **options: Any) -> list[tuple[str, str, str]]:
    decoder = Decoder("a test", **{"limit": 1000} | options)
    found = [event for chunk in chunks for event in decoder.feed(chunk)]
    assert decoder.failed is None
    return [tuple(event) for event in found]


@pytest.mark.parametrize("name", CASES)
def test_the_format(name: str) -> None:
    data, expected = CASES[name]
    assert reference(data) == expected
    assert fed([data]) == expected
    assert fed(one_by_one(data)) == expected
    assert fed([b"", *one_by_one(data), b""]) == expected


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (b"retry: 5", 0.005),
        (b"retry:1500", 1.5),
        (b"retry: 0", 0),
        (b"retry: 0007", 0.007),
        (b"retry: 000000000000000000000007", 0.007),
        (b"retry: 99999999999999999999999", 1e12),
        (b"retry: +5", None),
        (b"retry: -5", None),
        (b"retry: 1_000", None),
        (b"retry: 5 ", None),
        (b"retry: 1.5", None),
        ("retry: ٣".encode(), None),
        ("retry: ²".encode(), None),
        (b"retry:", None),
        (b"retry", None),
        (b"Retry: 5", None),
    ],
)
def test_retry_is_digits(line: bytes, seconds: float | None) -> None:
    decoder = Decoder("a test", 1000)
    decoder.feed(line)
    assert decoder.retry is None
    decoder.feed(b"\n")  # it counts without an event
    assert decoder.retry == seconds


def test_a_bad_retry_leaves_the_last_good_one() -> None:
    decoder = Decoder("a test", 1000)
    decoder.feed(b"retry: 5\nretry: x\n")
    assert decoder.retry == 0.005


def test_an_event_is_there_at_its_last_byte() -> None:
    for end in (b"\n\n", b"\r\r", b"\r\n\r"):
        decoder = Decoder("a test", 1000)
        assert not decoder.feed(b"data: a" + end[:-1])
        assert decoder.feed(end[-1:]) == [Event("message", "a", "")]


SYNTAX = [b"data", b"event", b"id", b"retry", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"data: "]
TEXT = [b"a", b"7", b"\0", "€".encode(), b"\xe2", b"\x82", b"\xff", b"\xef\xbb\xbf", b"\xf0\x9d"]
streams = st.lists(st.sampled_from([*SYNTAX, *TEXT]), max_size=40).map(b"".join)


@given(streams.flatmap(in_chunks))
@settings(max_examples=200)
def test_it_agrees_with_the_standard_in_any_chunks(chunks: list[bytes]) -> None:
    assert fed(chunks) == reference(b"".join(chunks))


LIMITED = {
    "just as long": (b"data:678\ndata:678\ndata\n\n", ["678\n678\n"], False),
    "an event too long": (b"data:1\n\ndata:678\ndata:678\ndata:1\n\n", ["1"], True),
    "a line too long": (b"data:1\n\ndata:6789\n\n", ["1"], True),
    "an event that does not end": (b"data:1\n\ndata:678\ndata:678\ndata:1\n", ["1"], True),
    "a line that does not end": (b"data:1\n\ndata:6789", ["1"], True),
    "a comment too long": (b"data:1\n\n:23456789\n", ["1"], True),
    "comments do not add up": (b":\n:234567\n" * 9 + b"data:1\n\n", ["1"], False),
    "empty lines of data do": (b"data\n" * 10 + b"\n", [], True),
}


@pytest.mark.parametrize("name", LIMITED)
def test_the_size_of_an_event_is_limited(name: str) -> None:
    data, texts, fails = LIMITED[name]
    limit = 8
    for chunks in ([data], one_by_one(data)):
        decoder = Decoder("a test", limit)
        found = [event.data for chunk in chunks for event in decoder.feed(chunk)]
        assert found[: len(texts)] == texts
        assert (decoder.failed is not None) == fails
        if decoder.failed is not None:
            number = len(texts) + 1
            assert str(decoder.failed) == f"event {number} of a test: longer than 8 characters"
            assert decoder.failed.number == number


# -- the stream ---------------------------------------------------------------------------------

FIXED = Retry(times=2, first=1, factor=2, cap=5, jitter=False)
"""Pauses of 1, 2 and 4 seconds, and of 5 from then on."""


def one(number: int, extra: bytes = b"") -> bytes:
    return b"id: %d\ndata: %d\n%s\n" % (number, number, extra)


END = Reply(status=204)


async def texts(stream: Any) -> list[str]:
    return await stream.map(lambda event: event.data).collect()


async def test_events_come_as_they_are_sent(library: Any) -> None:
    server = Server(library, [Reply(one(1), b"data: x", b"\n\n" + one(2), pause=1)])
    async with sse("http://test/", client=server.client, retry=None) as events:
        start = anyio.current_time()
        got = [(event.data, anyio.current_time() - start) async for event in events]
    assert got == [("1", 1), ("x", 3), ("2", 3)]
    assert server.open == 0


async def test_what_is_asked_for(library: Any) -> None:
    server = Server(library, [END] * 3)
    await sse("http://test/", client=server.client).drain()
    headers = {"Accept": "text/*", "Cache-Control": "max-age=5", "X-Key": "k"}
    await sse("http://test/", client=server.client, headers=headers, last_event_id="7").drain()
    await sse(
        "http://test/", client=server.client, method="POST", json={"a": 1}, read_timeout=5
    ).drain()
    first, second, third = server.requests
    assert first.method == "GET"
    assert first.headers["accept"] == "text/event-stream"
    assert first.headers["cache-control"] == "no-store"
    assert "last-event-id" not in first.headers
    assert first.extensions["timeout"]["read"] is None
    assert second.headers["accept"] == "text/*"
    assert second.headers["cache-control"] == "max-age=5"
    assert second.headers["x-key"] == "k"
    assert second.headers["last-event-id"] == "7"
    assert (third.method, third.read()) == ("POST", b'{"a":1}')
    assert third.extensions["timeout"] == {"connect": 5, "read": 5, "write": 5, "pool": 5}


async def test_it_connects_again_after_the_last_event(library: Any) -> None:
    replies = [
        Reply(one(1), one(2), b"id: 3\ndata: 3\n"),  # which does not end
        Reply(one(3), library.ReadError("gone")),
        library.ConnectError("refused"),
        Reply(b"data: 4\n\n"),  # the id stays
        Reply(b"id\ndata: 5\n\n"),  # and goes
        END,
    ]
    server = Server(library, replies)
    stream = sse("http://test/?a=1", client=server.client, retry=FIXED)
    assert await texts(stream) == ["1", "2", "3", "4", "5"]
    assert server.ids == [None, "2", "3", "3", "3", None]
    assert {str(request.url) for request in server.requests} == {"http://test/?a=1"}
    assert server.open == 0


async def test_the_id_outlasts_the_connection(library: Any) -> None:
    server = Server(library, [Reply(one(1)), Reply(b"data: x\n\n"), END])
    events = await sse("http://test/", client=server.client, retry=FIXED).collect()
    assert [tuple(event) for event in events] == [message("1", "1"), message("x", "1")]


async def test_an_id_that_has_not_been_dispatched_is_not_sent(library: Any) -> None:
    server = Server(library, [Reply(one(1), b"id: 2\ndata: 2\n"), END])
    await sse("http://test/", client=server.client, retry=FIXED).drain()
    assert server.ids == [None, "1"]


async def test_an_id_in_other_letters(library: Any) -> None:
    server = Server(library, [Reply("id:  é€ \ndata: 1\n\n".encode()), END])
    await sse("http://test/", client=server.client, retry=FIXED).drain()
    sent = dict(server.requests[1].headers.raw)
    assert sent[b"Last-Event-ID"] == "é€".encode()


async def test_a_new_connection_begins_anew(library: Any) -> None:
    """With an event that has not ended, half a character, a return and a byte order mark."""
    replies = [Reply(one(1), b"event: x\ndata: 2\n\xe2"), Reply(b"\xef\xbb\xbf" + one(3, b"\r"))]
    replies += [Reply(b"\ndata: 4\n\n"), END]
    server = Server(library, replies)
    events = await sse("http://test/", client=server.client, retry=FIXED).collect()
    assert events == [message("1", "1"), message("3", "3"), message("4", "3")]


async def test_the_pauses_grow_with_the_failures_in_a_row(library: Any) -> None:
    def refused() -> Exception:
        return library.ConnectError("refused")

    replies = [Reply(one(1)), refused(), refused(), Reply(one(2)), Reply()]
    replies += [Reply(one(3), library.ReadError("gone")), refused(), refused()]
    server = Server(library, replies)
    got: list[Event] = []
    with pytest.raises(library.ConnectError, match="refused") as raised:
        await sse("http://me:pw@test/", client=server.client, retry=FIXED).for_each(got.append)
    assert raised.value.__notes__ == [
        "while asking for http://test/",
        "retry gave up after 3 attempts",
    ]
    assert [event.data for event in got] == ["1", "2", "3"]
    assert server.pauses == [1, 1, 2, 1, 1, 1, 2]


async def test_bodies_without_events_are_asked_for_more_and_more_seldom(library: Any) -> None:
    server = Server(library, [Reply(b": nothing\n\n")] * 6 + [END])
    await sse("http://test/", client=server.client, retry=FIXED).drain()
    assert server.pauses == [1, 2, 4, 5, 5, 5]


async def test_the_time_that_the_server_asks_for(library: Any) -> None:
    error = library.ConnectError("refused")
    replies = [
        Reply(b"retry: 3000\n"),
        error,
        Reply(one(1)),
        Reply(one(2, b"retry: 9000\n")),
        error,
        END,
    ]
    server = Server(library, replies)
    await sse("http://test/", client=server.client, retry=FIXED).drain()
    assert server.pauses == [3, 5, 3, 9, 9]


async def test_jitter_never_shortens_the_time_that_the_server_asks_for(library: Any) -> None:
    error = library.ConnectError("refused")
    replies = [Reply(), error, Reply(b"retry: 2000\n"), error, END]
    half = Retry(times=None, first=1, factor=2, cap=30, random=lambda: 0.5)
    server = Server(library, replies)
    await sse("http://test/", client=server.client, retry=half).drain()
    assert server.pauses == [0.5, 1, 3, 5]  # half of 1 and 2, then 2 and half of 4 - 2, 8 - 2


async def test_the_attempts_of_a_whole_run(library: Any) -> None:
    gone = library.ReadError("gone")
    policy = Retry(times=2, first=1, jitter=False, reset=False)
    server = Server(library, [Reply(one(number), gone) for number in range(9)])
    got: list[Event] = []
    with pytest.raises(library.ReadError):
        await sse("http://test/", client=server.client, retry=policy).for_each(got.append)
    assert len(got) == 3


async def test_the_hook_is_told_of_each_error(library: Any) -> None:
    told: list[tuple[int, str, float]] = []

    async def hook(number: int, error: Exception, pause: float) -> None:
        told.append((number, str(error), pause))

    error = library.ConnectError("refused")
    server = Server(library, [error, error, Reply(one(1)), END])
    policy = Retry(first=1, jitter=False, hook=hook)
    await sse("http://test/", client=server.client, retry=policy).drain()
    assert told == [(1, "refused", 1), (2, "refused", 2)]


async def test_what_is_not_worth_another_attempt(library: Any) -> None:
    bad = [
        library.UnsupportedProtocol("ftp"),
        ZeroDivisionError("a bug"),
        library.ReadError("gone"),
    ]
    for error in bad:
        policy = Retry(on=library.ConnectError)
        server = Server(library, [error])
        with pytest.raises(type(error), match=str(error)):
            await sse("http://test/", client=server.client, retry=policy).drain()


async def test_without_a_policy_it_never_connects_again(library: Any) -> None:
    server = Server(library, [Reply(one(1)), Reply(one(2), library.ReadError("gone"))])
    stream = sse("http://test/", client=server.client, retry=None)
    assert await texts(stream) == ["1"]
    with pytest.raises(library.ReadError, match="gone") as raised:
        await stream.drain()
    assert raised.value.__notes__ == ["while reading http://test/"]
    assert server.open == 0


@pytest.mark.parametrize("status", [201, 301, 404, 502])
async def test_any_other_status_ends_it(library: Any, status: int) -> None:
    server = Server(library, [Reply(one(1)), Reply(one(2), status=status)])
    got: list[Event] = []
    with pytest.raises(BodyStatusError, match=f"http://test/: status {status}") as raised:
        stream = sse("http://me:secret@test/", client=server.client, retry=FIXED)
        await stream.for_each(got.append)
    assert [event.data for event in got] == ["1"]
    assert raised.value.status == status
    assert raised.value.url == "http://test/"
    assert "secret" not in repr(stream)
    assert server.open == 0


@pytest.mark.parametrize("kind", ["text/plain", "", "text/event-streams"])
async def test_another_content_type_ends_it(library: Any, kind: str) -> None:
    server = Server(library, [Reply(one(1), kind=kind)])
    with pytest.raises(BodyTypeError, match=f"the content type is '{kind}', and not text/event"):
        await sse("http://test/", client=server.client).drain()


@pytest.mark.parametrize("kind", ["text/event-stream;charset=latin-1", " Text/Event-Stream ; x=y"])
async def test_it_is_utf_8_whatever_the_content_type_says(library: Any, kind: str) -> None:
    server = Server(library, [Reply("data: é\n\n".encode(), kind=kind)])
    assert await texts(sse("http://test/", client=server.client, retry=None)) == ["é"]


async def test_an_event_too_long_comes_behind_those_before_it(library: Any) -> None:
    server = Server(library, [Reply(one(1) + b"data: 12345\n\n" + one(2))])
    got: list[Event] = []
    with pytest.raises(RecordSizeError, match="event 2 of http://test/: longer than 10 charact"):
        stream = sse("http://test/", client=server.client, max_event=10)
        await stream.for_each(got.append)
    assert [event.data for event in got] == ["1"]


# -- what is sent once --------------------------------------------------------------------------


def sent_by(library: Any, method: str, way: str, replies: list[Any], **options: Any) -> Any:
    """A server, and the events of a request to it with the method."""
    server = Server(library, replies)
    if way == "url":
        return server, sse("http://test/", client=server.client, method=method, **options)
    request = server.client.build_request(method, "http://test/")
    return server, sse(request, client=server.client, **options)


@pytest.mark.parametrize("way", ["url", "request"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post"])
async def test_a_request_that_may_change_something_is_sent_once(
    library: Any, method: str, way: str
) -> None:
    server, events = sent_by(library, method, way, [Reply(one(1), one(2), b"id: 3\ndata: 3\n")])
    assert await texts(events) == ["1", "2"]
    assert len(server.requests) == 1
    got: list[Event] = []
    for error in (library.ReadError("gone"), library.ConnectError("refused")):
        answer = error if isinstance(error, library.ConnectError) else Reply(one(1), error)
        server, events = sent_by(library, method, way, [answer])
        with pytest.raises(type(error)):
            await events.for_each(got.append)
        assert len(server.requests) == 1
        assert server.open == 0
    assert [event.data for event in got] == ["1"]


@pytest.mark.parametrize("way", ["url", "request"])
async def test_a_policy_holds_for_every_method(library: Any, way: str) -> None:
    replies = [Reply(one(1)), library.ConnectError("refused"), Reply(one(2)), END]
    like_the_default = Retry(times=10, first=1.0)
    server, events = sent_by(library, "POST", way, replies, retry=like_the_default)
    assert await texts(events) == ["1", "2"]
    assert server.ids == [None, "1", "1", "2"]
    assert [request.method for request in server.requests] == ["POST"] * 4


@pytest.mark.parametrize("way", ["url", "request"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "get"])
async def test_what_changes_nothing_is_sent_again(library: Any, method: str, way: str) -> None:
    server, events = sent_by(library, method, way, [Reply(one(1)), END])
    await events.drain()
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [307, 308])
async def test_only_a_client_that_follows_redirects_sends_a_body_on(
    library: Any, status: int
) -> None:
    there = Reply(status=status, location="http://test/there")
    for follows in (False, True):
        server = Server(library, [there, Reply(one(1))])
        server.client.follow_redirects = follows
        events = sse("http://test/", client=server.client, method="POST", json={"q": 1})
        if follows:
            assert await texts(events) == ["1"]
        else:
            with pytest.raises(BodyStatusError):
                await events.drain()
        assert [request.read() for request in server.requests] == [b'{"q":1}'] * (1 + follows)


# -- steps and leaving --------------------------------------------------------------------------


async def test_a_timed_out_step_loses_nothing_and_shortens_no_pause(library: Any) -> None:
    policy = Retry(first=10, jitter=False)
    server = Server(library, [Reply(one(1), one(2), pause=1), Reply(one(3), pause=1), END])
    got: list[str] = []
    async with sse("http://test/", client=server.client, retry=policy) as events:
        over = False
        while not over:
            with anyio.move_on_after(0.3):
                async for event in events:
                    got.append(event.data)
                over = True
    assert got == ["1", "2", "3"]
    assert server.pauses == [12, 11]


async def test_a_cancelled_step_may_be_repeated() -> None:
    for cut in every_cut():
        replies = [Reply(one(1), one(2) + one(3)), Reply(one(4)), END]
        server = Server(httpx, replies)
        got: list[Event] = []
        async with sse("http://test/", client=server.client, retry=FIXED) as events:
            await cut.collect(events, got)
        assert [event.data for event in got] == ["1", "2", "3", "4"]


async def read_events() -> None:
    server = Server(httpx2, [Reply(one(1), one(2)), Reply(one(3), httpx2.ReadError("")), END])
    got: list[str] = []
    try:
        async with sse("http://test/", client=server.client, retry=FIXED) as events:
            async for event in events:
                got.append(event.data)
        assert got == ["1", "2", "3"]
    finally:
        assert got == ["1", "2", "3"][: len(got)]
        assert server.open == 0


def test_it_can_be_cancelled_everywhere() -> None:
    assert cancel_everywhere(read_events) > 10


async def test_it_reads_ahead_from_the_opening_on_but_not_far(library: Any) -> None:
    given = 0

    def counted() -> Any:
        nonlocal given
        while True:
            given += 1
            yield one(given)

    reply = Reply()
    reply.chunks = counted()
    server = Server(library, [reply])
    async with sse("http://test/", client=server.client) as events:
        await anyio.sleep(10)
        assert given == 8
        assert [(await anext(events)).data for _ in range(3)] == ["1", "2", "3"]
        await anyio.sleep(10)
        assert given <= 3 + 8
    assert server.open == 0


async def test_leaving_in_a_pause(library: Any) -> None:
    server = Server(library, [Reply(one(1))])
    async with sse("http://test/", client=server.client, retry=FIXED) as events:
        await anext(events)
        with anyio.move_on_after(0.5):
            await anext(events)
    assert len(server.requests) == 1


async def test_the_bare_form_is_refused(library: Any) -> None:
    server = Server(library, [])
    with pytest.raises(NeedsTasksError):
        async for _ in sse("http://test/", client=server.client):
            pass


# -- what it is given ---------------------------------------------------------------------------


async def test_a_request_is_sent_anew_each_time(library: Any) -> None:
    server = Server(library, [Reply(one(1)), END, END])
    request = server.client.build_request("POST", "http://test/", content=b"x", headers={"a": "b"})
    before = dict(request.headers)
    stream = sse(request, client=server.client, retry=FIXED)
    assert await texts(stream) == ["1"]
    await stream.drain()
    assert server.ids == [None, "1", None]
    assert [request.headers["a"] for request in server.requests] == ["b"] * 3
    assert [await request.aread() for request in server.requests] == [b"x"] * 3
    assert dict(request.headers) == before


async def test_a_response_is_read_once(library: Any) -> None:
    server = Server(library, [Reply(one(1), one(2), pause=1)])
    request = server.client.build_request("GET", "http://test/")
    stream = sse(await server.client.send(request, stream=True))
    assert await texts(stream) == ["1", "2"]
    assert len(server.requests) == 1
    with pytest.raises(StreamConsumedError):
        await stream.drain()


async def test_a_response_that_breaks(library: Any) -> None:
    server = Server(library, [Reply(one(1), library.ReadError("gone"))])
    request = server.client.build_request("GET", "http://test/")
    with pytest.raises(library.ReadError, match="gone"):
        await sse(await server.client.send(request, stream=True)).drain()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"last_event_id": None}, TypeError, "last_event_id must be a str, got None"),
        ({"retry": 3}, TypeError, "retry must be a Retry or None, got 3"),
        ({"max_event": 0}, ValueError, "max_event must be at least 1, got 0"),
        ({"max_retry_after": -1}, ValueError, "max_retry_after must be finite and at least 0"),
        ({"read_timeout": 0}, ValueError, "read_timeout must be finite and more than 0"),
    ],
)
def test_arguments_are_checked(options: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        sse("http://test/", **options)


def test_how_it_is_written() -> None:
    assert repr(sse("http://me:pw@test/?a=1")) == "sse('http://test/?a=1')"
    stream = sse(
        httpx.URL("http://test/"),
        method="POST",
        headers={"k": "secret"},
        last_event_id="1",
        retry=None,
        read_timeout=5,
        max_event=9,
    )
    assert repr(stream) == (
        "sse('http://test/', method='POST', read_timeout=5, last_event_id='1', retry=None,"
        " max_event=9)"
    )


def test_the_data_of_an_event_as_json() -> None:
    assert Event(data='{"a": [1]}').json() == {"a": [1]}
    with pytest.raises(ValueError, match="Expecting value"):
        Event(data="x").json()


def test_jitter_is_drawn_between_what_the_server_asks_and_the_longest() -> None:
    assert 0 <= Retry().random() < 1
    assert random.random is Retry().random
