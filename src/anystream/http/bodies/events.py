"""Server-sent events out of the chunks of a body, by the rules of the HTML standard.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import codecs
from collections.abc import Callable
from typing import Any, NamedTuple

from ... import _args as check
from ... import _labels as label
from ..._records.lines import RecordSizeError
from ..._records.strict import loads


class Event(NamedTuple):
    """A server-sent event.

    Attributes:
        type: its name; `"message"` if the server has given none.
        data: its text; lines are separated by line feeds.
        id: the id of the last event that had one, this one included; empty if there was none.

    >>> from anystream.http import Event
    >>> Event("message", '{"a": 1}', "7").json()
    {'a': 1}
    """

    type: str = "message"
    data: str = ""
    id: str = ""

    def json(self) -> Any:
        """The data, read as JSON. Raises `ValueError` if it is not JSON."""
        return loads(self.data)

    def encode(self) -> bytes:
        """The event as a server sends it, which `sse` reads back as the same one.

        An event without an id keeps that of the event before it, and is sent without one.

        Raises `TypeError` if a field is not a str, and `ValueError` if `type` is empty or a field
        holds what no event can: a line end in `type` or `id`, a carriage return in `data` (encode
        that as JSON), NUL in `id`, or a lone surrogate anywhere.

        >>> from anystream.http import Event
        >>> Event("delta", "two\\nlines", "7").encode()
        b'event: delta\\nid: 7\\ndata: two\\ndata: lines\\n\\n'
        """
        lines = [b"data: " + line for line in encoded("data", self.data, "\r").split(b"\n")]
        if self.id != "":
            lines.insert(0, b"id: " + encoded("id", self.id, "\r\n\0"))
        if self.type != "message":
            if self.type == "":
                raise ValueError("type must not be empty: an event without one is a 'message'")
            lines.insert(0, b"event: " + encoded("type", self.type, "\r\n"))
        return b"\n".join((*lines, b"", b""))


class Comment(NamedTuple):
    """A comment in a stream of server-sent events, which servers send to keep it open.

    Attributes:
        text: what stands after the colon, but for one space.

    >>> from anystream.http import Comment
    >>> Comment("still there").encode()
    b': still there\\n\\n'
    """

    text: str = ""

    def encode(self) -> bytes:
        """The comment as a server sends it. Raises as `Event.encode` does."""
        return b": " + encoded("text", self.text, "\r\n") + b"\n\n"


def encoded(name: str, value: Any, banned: str) -> bytes:
    """A field as UTF-8, without characters that would end it or change it."""
    check.text(name, value)
    for char in banned:
        if char in value:
            raise ValueError(f"{name} must not contain {char!r}, got {label.value(value)}")
    try:
        return bytes(value, "utf-8")
    except UnicodeEncodeError as exc:
        char = value[exc.start]
        raise ValueError(f"{name} must not contain {char!r}, a lone surrogate") from None


FIELDS = frozenset(("data", "event", "id", "retry"))


class Decoder:
    """From the chunks of one connection after the other to events."""

    def __init__(
        self, source: str, limit: int, last_id: str = "", *, comments: bool = False
    ) -> None:
        self.source = source
        self.limit = limit
        self.comments = comments  # whether these are given as well
        self.number: int = 0  # of the events so far
        self.last_id: str = last_id  # of the last event
        self.retry: float | None = None  # seconds that the server asks to wait
        self.failed: RecordSizeError | None = None
        self.connect()

    def connect(self) -> None:
        """Forget what has come of an event: a new connection begins with a new one."""
        self.decode: Callable[[bytes], str] = codecs.getincrementaldecoder("utf-8")(
            "replace"
        ).decode
        self.at_start: bool = True  # where a byte order mark may be
        self.after_return: bool = False  # a line feed that comes now belongs to it
        self.pieces: list[str] = []  # of the line that has not ended yet
        self.size: int = 0  # of these together
        self.type: str = ""
        self.id: str = self.last_id
        self.data: list[str] = []
        self.counted: int = 0  # how many of these are in `held`
        self.held: int = 0  # characters, with a line feed for each

    def feed(self, chunk: bytes) -> list[Event | Comment]:
        """The events that are complete now; what is wrong after them is `failed`."""
        text = self.decode(chunk)
        if text and self.at_start:
            self.at_start = False
            text = text.removeprefix("\ufeff")
        if self.after_return and text:
            self.after_return = False
            text = text.removeprefix("\n")
        if "\r" in text:
            self.after_return = text.endswith("\r")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        tight = self.held + self.size + len(text) > self.limit
        *lines, rest = text.split("\n")
        if lines and self.pieces:
            lines[0] = "".join((*self.pieces, lines[0]))
            self.pieces, self.size = [], 0
        if rest:
            self.pieces.append(rest)
            self.size += len(rest)
        return self.events(lines, tight)

    def events(self, lines: list[str], tight: bool) -> list[Event | Comment]:
        """The events that end with these lines; `tight` if something may be too long."""
        events: list[Event | Comment] = []
        comments = 0  # how many of these are none
        make = Event._make  # twice as fast as the class itself [sse]
        data, kind, last_id = self.data, self.type, self.id
        for line in lines:
            if tight and len(line) > self.limit:
                self.too_long(len(events) - comments)
                break
            if not line:
                self.last_id = last_id
                if data:
                    text = data[0] if len(data) == 1 else "\n".join(data)
                    if tight and len(text) > self.limit:
                        self.too_long(len(events) - comments)
                        break
                    events.append(make((kind or "message", text, last_id)))
                    data = []
                kind = ""
                continue
            name, _, value = line.partition(": ")  # as nearly everybody writes it
            if name not in FIELDS:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "event":
                kind = value
            elif name == "id":
                if "\0" not in value:
                    last_id = value
            elif not name and self.comments:
                events.append(Comment(value))
                comments += 1
            elif name == "retry" and value.isascii() and value.isdigit():
                self.retry = milliseconds(value)
        self.type, self.id = kind, last_id
        self.number += len(events) - comments
        self.hold(data)
        return events

    def hold(self, data: list[str]) -> None:
        """Keep what has come of an event, unless it is too much."""
        if data is not self.data:
            self.data, self.counted, self.held = data, 0, 0
        if len(data) > self.counted:
            fresh = data[self.counted :]
            self.held += sum(map(len, fresh)) + len(fresh)
            self.counted = len(data)
        if self.size > self.limit or self.held - 1 > self.limit:
            self.too_long(0)

    def too_long(self, before: int) -> None:
        if self.failed is None:
            number, limit = self.number + before + 1, f"{self.limit} characters"
            self.failed = RecordSizeError("event", number, self.source, limit)


def milliseconds(digits: str) -> float:
    """Seconds; what is longer than thirty thousand years is no longer than that."""
    digits = digits.lstrip("0")
    return int(digits or "0") / 1000 if len(digits) < 16 else 1e12
