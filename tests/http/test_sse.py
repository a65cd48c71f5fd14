"""Server-sent events over connections: what is asked for, connecting again, and leaving."""

from typing import Any

import anyio
import httpx
import httpx2
import pytest
from clients import Reply, Server

from anystream import NeedsTasksError, Retry, StreamConsumedError
from anystream.http import (
    BodyDataError,
    BodyStatusError,
    BodyTypeError,
    Comment,
    Event,
    RecordSizeError,
    sse,
)
from anystream.testing import cancel_everywhere, every_cut

# -- the stream ---------------------------------------------------------------------------------

FIXED = Retry(times=2, first=1, factor=2, cap=5, jitter=False)
"""Pauses of 1, 2 and 4 seconds, and of 5 from then on."""


def message(data: str, last_id: str = "") -> tuple[str, str, str]:
    return "message", data, last_id


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
    await sse("http://test/", client=server.client, json={"a": 1}, read_timeout=5).drain()
    first, second, third = server.requests
    assert first.method == "GET"
    assert first.headers["accept"] == "text/event-stream"
    assert first.headers["cache-control"] == "no-cache"
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


@pytest.mark.parametrize("last_id", ["a\x0bb", "\x01", "a\x7f", "\x0cb"])
async def test_an_id_that_no_header_can_hold(library: Any, last_id: str) -> None:
    server = Server(library, [Reply(f"id: {last_id}\ndata: 1\n\n".encode())])
    got: list[Event] = []
    with pytest.raises(BodyDataError, match=r"of the last event, '.*x.*', cannot be sent in"):
        await sse("http://test/", client=server.client, retry=FIXED).for_each(got.append)
    assert [event.id for event in got] == [last_id]


async def test_an_id_with_a_tab(library: Any) -> None:
    server = Server(library, [Reply(b"id: a\tb\ndata: 1\n\n"), END])
    await sse("http://test/", client=server.client, retry=FIXED).drain()
    assert server.ids == [None, "a\tb"]


async def test_comments_that_are_asked_for(library: Any) -> None:
    replies = [
        Reply(b":\n\n: x\n", one(1), b":  y", b"z\n", pause=1),
        Reply(b": nothing\n"),
        Reply(b": nothing\n"),
        Reply(b": last\n" + one(2) + b": n\n"),
        END,
    ]
    server = Server(library, replies)
    stream = sse("http://test/", client=server.client, retry=FIXED, comments=True)
    assert await stream.collect() == [
        *(Comment(""), Comment("x"), message("1", "1"), Comment(" yz")),
        *(Comment("nothing"), Comment("nothing"), Comment("last"), message("2", "2")),
        Comment("n"),
    ]
    assert server.pauses == [5, 1, 2, 1]  # 4 of these while it comes; a comment is no event


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


async def test_bodies_without_events_are_no_failures(library: Any) -> None:
    nothing = Reply(b": nothing\n\n")
    gone = library.ReadError("gone")
    server = Server(library, [nothing, gone, gone, nothing, nothing, nothing, gone, gone, gone])
    with pytest.raises(library.ReadError) as raised:
        await sse("http://test/", client=server.client, retry=FIXED).drain()
    assert raised.value.__notes__[-1] == "retry gave up after 3 attempts"
    assert server.pauses == [1, 2, 4, 5, 5, 5, 5, 5]


async def test_a_quiet_connection_that_a_proxy_cuts_starts_the_count_again(library: Any) -> None:
    cut = library.RemoteProtocolError("cut")
    quiet, short = Reply(cut, pause=30), Reply(cut, pause=29)
    server = Server(library, [short, quiet, quiet, quiet, short, quiet, short, short])
    with pytest.raises(library.RemoteProtocolError):
        await sse("http://test/", client=server.client, retry=FIXED).drain()
    assert server.pauses == [29 + 1, 30 + 1, 30 + 1, 30 + 1, 29 + 2, 30 + 1, 29 + 2]


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


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "text/event-streams", "text/event-stream, text/html"]
)
async def test_another_content_type_ends_it(library: Any, kind: str) -> None:
    server = Server(library, [Reply(one(1), kind=kind)])
    with pytest.raises(BodyTypeError, match=f"the content type is '{kind}', not text/event"):
        await sse("http://test/", client=server.client).drain()


@pytest.mark.parametrize(
    "kind", ["text/event-stream, text/event-stream", "text/html, text/event-stream; a=b, x"]
)
async def test_of_several_content_types_the_last_is_taken(library: Any, kind: str) -> None:
    server = Server(library, [Reply(one(1), kind=kind), Reply(status=204)])
    assert await sse("http://test/", client=server.client).count() == 1


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
        ({"last_event_id": "a\r\nX: y"}, ValueError, "last_event_id must not contain control "),
        ({"comments": 1}, TypeError, "comments must be True or False, got 1"),
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
        comments=True,
    )
    assert repr(stream) == (
        "sse('http://test/', method='POST', read_timeout=5, last_event_id='1', retry=None,"
        " max_event=9, comments=True)"
    )
