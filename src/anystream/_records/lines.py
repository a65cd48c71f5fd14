"""Chunks of bytes cut into lines, and what can be wrong with a line or another record.

Lines end at a line feed and at nothing else. `str.splitlines` and what is built on it also split at
characters that may stand inside a line, such as U+2028, and a decoder that replaces bad bytes
loses them without a word.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .. import _labels as label
from .._core.contracts import Operator, Owner
from .._errors import StreamError
from .._operators.transform import FlattenLists

MAX = 1_048_576
"""Bytes of a line or a text by default."""

PIECE = 65_536
"""Bytes that are read at a time, at most."""

BUFFERS: Any = (bytearray, memoryview)

Row = tuple[Callable[[Owner], Operator], ...]


class RecordError(StreamError):
    """A line, a JSON text or an event cannot be read; those before it have been delivered.

    `number` is that of the line, text or event, and counts from 1.
    """

    __module__ = "anystream.net"

    def __init__(self, what: str, number: int, source: str, problem: str) -> None:
        super().__init__(label.visible(f"{what} {number} of {source}: {problem}"))
        self.number = number


class RecordSizeError(RecordError):
    """It is longer than was allowed."""

    __module__ = "anystream.net"

    def __init__(self, what: str, number: int, source: str, limit: str) -> None:
        super().__init__(what, number, source, f"longer than {limit}")


class RecordDataError(RecordError):
    """It is not UTF-8, not JSON, or cut short.

    `position` is where that was noticed: the byte in bad UTF-8, otherwise the character. It counts
    from 1 as well.
    """

    __module__ = "anystream.net"

    def __init__(self, what: str, number: int, source: str, problem: str, position: int) -> None:
        super().__init__(what, number, source, problem)
        self.position = position


def as_bytes(chunk: Any) -> bytes:
    """A chunk as bytes; sources give bytes, and now and then a bytearray or a memoryview."""
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, BUFFERS):
        return bytes(chunk)
    text = isinstance(chunk, str)
    hint = "open a file in binary mode" if text else "wrap data in a list, e.g. lines([data])"
    raise TypeError(f"source must yield bytes, got {label.value(chunk)}; {hint}")


def pieces(chunks: Iterable[Any]) -> Iterator[bytes]:
    """The chunks as bytes, a long one in parts: the event loop gets its turn between them."""
    for chunk in chunks:
        data = as_bytes(chunk)
        if len(data) <= PIECE:
            yield data
        else:
            yield from (data[at : at + PIECE] for at in range(0, len(data), PIECE))


class LineSplitter(Operator):
    """From chunks of bytes to lists of lines, or of what is made of them."""

    def __init__(self, source: str, limit: int) -> None:
        self.source = source
        self.limit = limit
        self.number = 0  # of the lines so far
        self.pieces: list[bytes] = []  # of the line that has not ended yet
        self.size = 0  # of these together

    def __call__(self, batch: Iterator[Any]) -> Iterator[list[Any]]:
        for piece in pieces(batch):
            yield from self.split(piece)

    def split(self, chunk: bytes) -> Iterator[list[Any]]:
        end = chunk.rfind(b"\n") + 1
        if end:
            block = b"".join((*self.pieces, chunk[:end]))
            self.pieces, self.size = [], 0
            chunk = chunk[end:]
            if chunk:
                self.keep(chunk)
            yield from self.lines(block)
        elif chunk:
            self.keep(chunk)
        if self.size > self.limit + 1 or (
            self.size > self.limit and self.pieces[-1][-1:] != b"\r"  # which may be part of the end
        ):
            raise self.too_long()

    def keep(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size += len(piece)

    def lines(self, block: bytes) -> Iterator[list[Any]]:
        """What becomes of the lines of a block, and then the error of the first bad one."""
        error: RecordError | None = None
        if len(block) > self.limit:
            good = self.within_limit(block)
            if good < len(block):
                block = block[:good]
                error = self.too_long(block.count(b"\n"))
        found, bad = self.cut(block)
        self.number += len(found)
        if found:
            yield from self.made(found)
        first = bad or error
        if first is not None:
            raise first

    def cut(self, block: bytes) -> tuple[list[Any], RecordError | None]:
        """The lines of what ends with a line feed, up to the first bad one."""
        error = None
        try:
            text = block.decode()
        except UnicodeDecodeError as exc:
            start = block.rfind(b"\n", 0, exc.start) + 1
            error = self.bad(exc.start - start + 1, block.count(b"\n", 0, start))
            text = block[:start].decode()
        found = text.replace("\r\n", "\n").split("\n")
        found.pop()
        return found, error

    def made(self, found: list[Any]) -> Iterable[list[Any]]:
        """What is given for lines, the last of which is `number`."""
        return (found,)

    def within_limit(self, block: bytes) -> int:
        """How many bytes of `block` come before the first line that is too long."""
        start = 0
        while start < len(block):
            end = block.index(b"\n", start)
            if end - start - (block[start:end][-1:] == b"\r") > self.limit:
                break
            start = end + 1
        return start

    def too_long(self, before: int = 0) -> RecordSizeError:
        number = self.number + before + 1
        return RecordSizeError("line", number, self.source, f"{self.limit} bytes")

    def bad(self, position: int, before: int) -> RecordDataError:
        number, problem = self.number + before + 1, f"invalid UTF-8 at byte {position}"
        return RecordDataError("line", number, self.source, problem, position)

    def tail(self) -> Iterable[list[Any]]:
        if not self.pieces:
            return ()
        pieces, self.pieces = self.pieces, []
        last = b"".join(pieces)
        # A carriage return without a line feed is not part of an end: give it one of its own.
        return self.lines(last + (b"\r\n" if last.endswith(b"\r") else b"\n"))


def line_row(source: str, limit: int) -> Row:
    """The operators that make lines of chunks."""
    return (lambda _: LineSplitter(source, limit), lambda _: FlattenLists())
