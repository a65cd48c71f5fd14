"""The format of server-sent events: the rules of the standard, and writing them."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splits import in_chunks, one_by_one
from sse_reference import events as reference

from anystream.http import Comment, Event
from anystream.http.bodies.events import Decoder


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


# -- comments -----------------------------------------------------------------------------------

COMMENTS = {
    "empty": (b":\n", [Comment("")]),
    "one space goes": (b": a\n:b\n:  c\n", [Comment("a"), Comment("b"), Comment(" c")]),
    "in the middle of an event": (
        b"data: a\n: x\ndata: b\n\n",
        [Comment("x"), Event("message", "a\nb", "")],
    ),
    "with a colon": (b"::\n: data: a\n", [Comment(":"), Comment("data: a")]),
    "other fields are none": (b"x: a\n y\n", []),
}


@pytest.mark.parametrize("name", COMMENTS)
def test_comments(name: str) -> None:
    data, expected = COMMENTS[name]
    for chunks in ([data], one_by_one(data)):
        decoder = Decoder("a test", 1000, comments=True)
        assert [item for chunk in chunks for item in decoder.feed(chunk)] == expected


def test_comments_do_not_count_as_events() -> None:
    decoder = Decoder("a test", 8, comments=True)
    found = decoder.feed(b": x\ndata:1\n\n: y\ndata:6789\n\n")
    assert found == [Comment("x"), Event("message", "1", ""), Comment("y")]
    assert str(decoder.failed) == "event 2 of a test: longer than 8 characters"
    decoder = Decoder("a test", 8, comments=True)
    decoder.feed(b": x\ndata:1\n\n")
    decoder.feed(b"data:6789\n\n")
    assert str(decoder.failed) == "event 2 of a test: longer than 8 characters"


# -- writing them -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (Event(), b"data: \n\n"),
        (Event(data="a"), b"data: a\n\n"),
        (Event("message", "a", "7"), b"id: 7\ndata: a\n\n"),
        (Event("delta", "a\nb\n", "7"), b"event: delta\nid: 7\ndata: a\ndata: b\ndata: \n\n"),
        (Event("\0", "\0é\u2028", " "), "event: \0\nid:  \ndata: \0é\u2028\n\n".encode()),
        (Comment(), b": \n\n"),
        (Comment("a: b"), b": a: b\n\n"),
    ],
)
def test_how_they_are_sent(event: Event | Comment, data: bytes) -> None:
    assert event.encode() == data


@pytest.mark.parametrize(
    ("event", "error", "text"),
    [
        (Event(data="a\rb"), ValueError, r"data must not contain '\\r', got 'a\\rb'"),
        (Event(data="a\ud800"), ValueError, r"data must not contain '\\ud800', a lone surrogate"),
        (Event(id="a\0"), ValueError, r"id must not contain '\\x00'"),
        (Event(id="a\n"), ValueError, r"id must not contain '\\n'"),
        (Event(id="a\r"), ValueError, r"id must not contain '\\r'"),
        (Event(type="a\n"), ValueError, r"type must not contain '\\n'"),
        (Event(type="a\r"), ValueError, r"type must not contain '\\r'"),
        (Event(type=""), ValueError, "type must not be empty"),
        (Event(type="\udfff"), ValueError, r"type must not contain '\\udfff', a lone surrogate"),
        (Event(data=5), TypeError, "data must be a str, got 5"),  # type: ignore[arg-type]
        (Event(id=None), TypeError, "id must be a str, got None"),  # type: ignore[arg-type]
        (Event(type=b""), TypeError, "type must be a str, got b''"),  # type: ignore[arg-type]
        (Comment("a\nb"), ValueError, r"text must not contain '\\n'"),
        (Comment("a\rb"), ValueError, r"text must not contain '\\r'"),
    ],
)
def test_what_no_event_can_hold(event: Event | Comment, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        event.encode()


characters = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
words = characters.filter(lambda text: "\n" not in text)
sent = st.builds(
    Event, words.filter(bool), characters, words.filter(lambda text: "\0" not in text)
) | st.builds(Comment, words)


@given(st.lists(sent, max_size=5), st.data())
@settings(max_examples=200)
def test_what_is_sent_is_read_back(items: list[Event | Comment], data: st.DataObject) -> None:
    chunks = data.draw(in_chunks(b"".join(item.encode() for item in items)))
    decoder = Decoder("a test", 1000, comments=True)
    found = [item for chunk in chunks for item in decoder.feed(chunk)]
    last_id = ""
    expected: list[Event | Comment] = []
    for item in items:
        if isinstance(item, Event):
            last_id = item.id or last_id
            item = item._replace(id=last_id)
        expected.append(item)
    assert found == expected


@given(sent)
def test_each_is_read_back_alone(item: Event | Comment) -> None:
    assert Decoder("a test", 1000, comments=True).feed(item.encode()) == [item]


def test_the_data_of_an_event_as_json() -> None:
    assert Event(data='{"a": [1]}').json() == {"a": [1]}
    for data, text in {
        "x": "Expecting value",
        "NaN": "NaN is not JSON",
        "-Infinity": "-Infinity is not JSON",
        "9" * 5000: "integer string conversion",
        "[" * 100_000: "nested too deep",
    }.items():
        with pytest.raises(ValueError, match=text):
            Event(data=data).json()
