"""How a stream is written down: by the call that the user has made."""

import inspect
import reprlib
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from anystream import (
    Retry,
    Stream,
    async_range,
    from_callback,
    from_thread,
    merge,
    poll,
    stream,
    ticker,
)
from anystream.http import fetch_all_pages, json_seq, lines, ndjson, sse
from anystream.testing import marbles

Call = Callable[[], object]

WRITTEN: list[tuple[Call, str]] = [
    # A name is not shown where the position tells what it is, ...
    (lambda: async_range(9).take(n=3), "async_range(9).take(3)"),
    (lambda: async_range(9).enumerate(start=1), "async_range(9).enumerate(1)"),
    (lambda: async_range(9).buffer(overflow="error", size=2), "async_range(9).buffer(2, 'error')"),
    (lambda: ticker(count=3, interval=1), "ticker(1, 3)"),
    (lambda: poll(every=1, fn=print), "poll(print, 1)"),
    # ... but is, where several arguments with a position may be left out, ...
    (lambda: async_range(9).share(4), "async_range(9).share(buffer=4)"),
    (lambda: async_range(9).share(overflow="error"), "async_range(9).share(overflow='error')"),
    (lambda: async_range(9).partition(bool, 4), "async_range(9).partition(bool, buffer=4)"),
    # ... and where it has to be written; in the order of the signature.
    (lambda: from_thread([1], buffer=2), "from_thread([1], buffer=2)"),
    (lambda: from_callback(print, buffer=2), "from_callback(print, buffer=2)"),
    (
        lambda: async_range(9).map(str, ahead=1, ordered=False, concurrency=2),
        "async_range(9).map(str, concurrency=2, ordered=False, ahead=1)",
    ),
    (lambda: Stream("a").merge([3], "b", buffer=1), "Stream('a').merge([3], 'b', buffer=1)"),
    (lambda: merge([3], "ab", until="any"), "merge([3], 'ab', until='any')"),
    # What is the default is not shown, ...
    (lambda: async_range(3, delay=0.0), "async_range(3)"),
    (lambda: async_range(9).window(2, 1, partial=False), "async_range(9).window(2)"),
    (lambda: async_range(9).map(str, concurrency=None, ahead=None), "async_range(9).map(str)"),
    (lambda: async_range(9).retry(3).repeat(None), "async_range(9).retry().repeat()"),
    (lambda: async_range(9).catch(print, Exception), "async_range(9).catch(print)"),
    (lambda: lines("http://t/", retry=Retry(first=0.5, cap=120)), "lines('http://t/')"),
    # ... and everything else is as it was written.
    (lambda: async_range(9).retry(Retry(3)), "async_range(9).retry(Retry())"),
    (lambda: async_range(9).repeat(2, pause=1), "async_range(9).repeat(2, pause=1)"),
    (lambda: marbles("a|", values={}), "marbles('a|', values={})"),
]


@pytest.mark.parametrize(("call", "text"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_a_call_is_shown_as_it_was_written(call: Call, text: str) -> None:
    assert repr(call()) == text


@stream
async def users(name: str, self: int = 0) -> AsyncIterator[str]:
    yield name


async def test_an_argument_may_have_any_name() -> None:
    made = users(name="x")
    assert repr(made) == "users(name='x')"
    assert await made.buffer(1).collect() == ["x"]
    assert repr(users("x", self=2)) == "users('x', self=2)"


class Incomparable:
    """Notes when it is written down."""

    def __init__(self) -> None:
        self.written = 0

    def __eq__(self, other: object) -> bool:
        raise AssertionError(f"compared with {other!r}")

    def __repr__(self) -> str:
        self.written += 1
        return "?"


def test_an_argument_is_written_down_when_somebody_asks() -> None:
    value: Any = Incomparable()
    stream = async_range(3).accumulate(max, initial=value).heartbeat(1, value)
    assert value.written == 0
    assert repr(stream) == "async_range(3).accumulate(max, initial=?).heartbeat(1, ?)"
    assert value.written == 2


@pytest.mark.parametrize("call", [lines, ndjson, json_seq, sse])
def test_what_is_sent_with_a_request_is_not_shown(call: Any) -> None:
    for option in ("content", "json"):
        sent = {"headers": {"token": "s3cret"}, option: "s3cret"}
        stream = call("http://me:s3cret@t/?token=s3cret", method="POST", **sent)
        assert repr(stream) == f"{call.__name__}('http://t/?token=***', method='POST')"


def test_what_is_sent_for_pages_is_not_shown() -> None:
    sent: Any = {name: {"token": "s3cret"} for name in ("params", "headers", "json")}
    stream = fetch_all_pages("http://me:s3cret@t/?token=s3cret", page_size=None, **sent)
    assert repr(stream) == "fetch_all_pages('http://t/?token=***')"


def test_a_call_is_documented_and_has_a_signature() -> None:
    assert Stream.take.__doc__ == inspect.unwrap(Stream.take).__doc__
    assert Stream.take.__qualname__ == "Stream.take"
    assert str(inspect.signature(Stream.take)) == "(self, n: int) -> 'Stream[T_co]'"
    assert str(inspect.signature(async_range(3).take)) == "(n: int) -> 'Stream[T_co]'"


@pytest.mark.parametrize("wrong", [(), (1, 2)])
def test_a_wrong_call_names_the_method(wrong: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match=r"^Stream\.take\(\) (missing|takes) "):
        async_range(3).take(*wrong)


@pytest.mark.parametrize("kind", [bytes, bytearray])
@pytest.mark.parametrize("data", [b"", b"a" * 60, b"\x00" * 60, b"ab" * 61, b"\r\n" * 500])
def test_bytes_are_shown_as_everything_else(kind: Any, data: bytes) -> None:
    short = reprlib.Repr()
    short.maxother = 60
    assert repr(Stream([kind(data)])) == f"Stream({short.repr([kind(data)])})"


def test_the_text_of_all_of_the_bytes_is_never_made() -> None:
    data = [bytes(1_000_000)]
    tracemalloc.start()
    assert "\\x00" in repr(Stream(data))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
