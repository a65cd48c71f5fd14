"""JSON documents out of lines, and the texts of a JSON text sequence out of chunks of bytes."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ._batches import Operator
from ._lines import RecordDataError, RecordSizeError, Row, as_bytes, line_row
from ._operators.transform import Flatten

SEPARATOR = b"\x1e"

BLANK = " \t\r\n"
"""What JSON takes for white space; `str.isspace` knows more."""

AROUND = 20
"""How many characters of a bad text an error shows before and behind the place."""


def refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


decoder = json.JSONDecoder(parse_constant=refuse)
decode = decoder.raw_decode


def loads(text: str) -> Any:
    """A JSON document; `ValueError` whatever is wrong with it."""
    try:
        return decoder.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def invalid(
    what: str, number: int, source: str, text: str, error: ValueError | RecursionError
) -> RecordDataError:
    """What is wrong with a JSON text, with the place and what stands there."""
    if isinstance(error, json.JSONDecodeError):
        problem, at = error.msg, error.pos
    else:  # too many digits, or nested too deep
        problem, at = str(error), 0
    excerpt = text[max(0, at - AROUND) : at + AROUND]
    problem = f"invalid JSON, {problem} at column {at + 1}, in {excerpt!r}"
    return RecordDataError(what, number, source, problem, at + 1)


class Documents(Operator):
    """From lines to the JSON documents in them."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.number = 0  # of the lines so far

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for line in batch:
            self.number += 1
            if line.strip(BLANK):
                yield self.document(line)

    def document(self, line: str) -> Any:
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise invalid("line", self.number, self.source, line, exc) from exc


class Tokens(Operator):
    """From chunks to lists of what stands between record separators, and the separators."""

    def __call__(self, batch: Iterator[Any]) -> Iterator[list[bytes]]:
        return map(re.compile(b"(" + SEPARATOR + b")").split, map(as_bytes, batch))


class Texts(Operator):
    """From tokens to the JSON texts of a sequence, by RFC 7464."""

    def __init__(self, source: str, limit: int) -> None:
        self.source = source
        self.limit = limit
        self.number = 0  # of the texts that have been given
        self.begun = False  # whether there was a separator
        self.clear()

    def clear(self) -> None:
        self.pieces: list[bytes] = []  # of the text that is being read
        self.size = 0
        self.tried = 0  # the size at which it was looked at and not complete
        self.given = 0  # characters of it, if it has been given already

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for token in batch:
            if token == SEPARATOR:
                yield from self.finish()
                self.begun = True
            elif token:
                yield from self.add(token)

    def add(self, piece: bytes) -> Iterator[Any]:
        self.pieces.append(piece)
        self.size += len(piece)
        if self.size > self.limit:
            limit = f"{self.limit} bytes"
            raise RecordSizeError("text", self.number + (not self.given), self.source, limit)
        # A line feed may be the end of the text, and then nobody should have to wait for the next
        # one. It may also stand inside: to look again only at twice the size keeps that cheap.
        if piece.endswith(b"\n") and self.begun and not self.given and self.size >= 2 * self.tried:
            yield from self.look()

    def look(self) -> Iterator[Any]:
        """Give the text if it is complete, and keep what comes behind it."""
        self.tried = self.size
        data = b"".join(self.pieces)
        self.pieces = [data]
        try:
            text = data.decode()
            value, end = decode(text, self.start(text))
        except (ValueError, RecursionError):
            return
        self.pieces = [text[end:].encode()]
        self.given = end
        self.number += 1
        yield value

    @staticmethod
    def start(text: str) -> int:
        return len(text) - len(text.lstrip(BLANK))

    def finish(self) -> Iterator[Any]:
        """The text that ends here, unless it has been given already or there is none."""
        data, given = b"".join(self.pieces), self.given
        self.clear()
        try:
            text = data.decode()
        except UnicodeDecodeError as exc:
            at = exc.start + 1
            raise self.bad(f"invalid UTF-8 at byte {at}", at) from None
        start = self.start(text)
        if start == len(text):
            return
        if not self.begun:
            raise self.bad("no record separator (0x1E) stands before it", 1)
        if given:
            raise self.excess(text, given)
        try:
            value, end = decode(text, start)
        except (ValueError, RecursionError) as exc:
            raise invalid("text", self.number + 1, self.source, text, exc) from exc
        rest = text[end:]
        if not rest and not isinstance(value, (dict, list, str)):
            problem = f"nothing stands behind {text[start:][:AROUND]!r}, it may be cut short"
            raise self.bad(problem, end + 1)
        self.number += 1
        yield value
        if rest.strip(BLANK):
            raise self.excess(rest, end)

    def excess(self, rest: str, before: int) -> RecordDataError:
        problem = f"something stands behind it, {rest.strip(BLANK)[:AROUND]!r}"
        position = before + self.start(rest) + 1
        return RecordDataError("text", self.number, self.source, problem, position)

    def bad(self, problem: str, position: int) -> RecordDataError:
        return RecordDataError("text", self.number + 1, self.source, problem, position)

    def tail(self) -> Iterable[Any]:
        return self.finish() if self.pieces else ()


def document_row(source: str, limit: int) -> Row:
    """The operators that make JSON documents of chunks with a line for each."""
    return (*line_row(source, limit), lambda _: Documents(source))


def text_row(source: str, limit: int) -> Row:
    """The operators that make JSON texts of the chunks of a sequence."""
    return (lambda _: Tokens(), Flatten, lambda _: Texts(source, limit))
