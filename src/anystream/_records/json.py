"""JSON documents out of lines, and the texts of a JSON text sequence out of chunks of bytes."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .. import _args as check
from .._core.contracts import Operator
from .._operators.transform import FlattenLists
from .lines import LineSplitter, RecordDataError, RecordError, RecordSizeError, Row, pieces
from .strict import decode, document

SEPARATOR = b"\x1e"

BLANK = " \t\r\n"
"""What JSON takes for white space; `str.isspace` knows more."""

AROUND = 20
"""How many characters of a bad text an error shows before and behind the place."""

AT_ONCE = 64
"""Documents that are read before the first of them is asked for, at most."""

Loads = Callable[[bytes], Any]


def checked_loads(value: Any) -> Loads | None:
    if value is not None:
        check.called_plain("loads", value, " from bytes to a value")
    found: Loads | None = value
    return found


def invalid(what: str, number: int, source: str, text: str, error: Exception) -> RecordDataError:
    """What is wrong with a JSON text, with the place and what stands there."""
    if isinstance(error, UnicodeDecodeError):  # of a function that was given bytes
        at = error.start + 1
        return RecordDataError(what, number, source, f"invalid UTF-8 at byte {at}", at)
    if isinstance(error, json.JSONDecodeError):
        problem, at = error.msg, error.pos
    else:  # too many digits, nested too deeply, or an error of the user's function
        problem, at = " ".join(str(error).split()) or repr(error), 0
    excerpt = text[max(0, at - AROUND) : at + AROUND]
    problem = f"invalid JSON, {problem} at column {at + 1}, in {excerpt!r}"
    return RecordDataError(what, number, source, problem, at + 1)


class Documents(LineSplitter):
    """From chunks of bytes to lists of the JSON documents in their lines."""

    fn: Callable[[Any], Any] = staticmethod(document)
    strip: Callable[[Any], Any] = staticmethod(str.strip)
    blank: Any = BLANK
    mark: Any = "\ufeff"

    def made(self, found: list[Any]) -> Iterator[list[Any]]:
        first = self.number - len(found) + 1
        if first == 1:  # where Windows may have put a byte order mark
            found[0] = found[0].removeprefix(self.mark)
        for start in range(0, len(found), AT_ONCE):
            yield from self.documents(found[start : start + AT_ONCE], first + start)

    def documents(self, lines: list[Any], first: int) -> Iterator[list[Any]]:
        """Those in the lines, the first of which has a number, up to the first bad one."""
        numbers: Sequence[int] = range(first, first + len(lines))
        if len([*filter(self.strip, lines)]) < len(lines):  # perhaps a blank one
            full = [pair for pair in zip(numbers, lines, strict=True) if pair[1].strip(self.blank)]
            numbers, lines = [number for number, _ in full], [line for _, line in full]
        values: list[Any] = []
        try:
            values.extend(map(self.fn, lines))
            if len(values) < len(lines):
                raise RuntimeError("loads raised StopIteration")
        except Exception as exc:
            # What has come before the error is in the list, so nothing is read twice.
            yield values
            line = lines[len(values)]
            text = line if isinstance(line, str) else line.decode(errors="replace")
            raise invalid("line", numbers[len(values)], self.source, text, exc) from exc
        yield values


class LoadedDocuments(Documents):
    """The same with a function of the user's, which is given the bytes of each line."""

    strip = staticmethod(bytes.strip)
    blank = BLANK.encode()
    mark = BOM_UTF8

    def __init__(self, source: str, limit: int, fn: Loads) -> None:
        super().__init__(source, limit)
        self.fn = fn

    def cut(self, block: bytes) -> tuple[list[Any], RecordError | None]:
        found = block.replace(b"\r\n", b"\n").split(b"\n")
        found.pop()
        return found, None


class Tokens(Operator):
    """From chunks to lists of what stands between record separators, and the separators."""

    leaves_frame = False

    def __call__(self, batch: Iterator[Any]) -> Iterator[list[bytes]]:
        return map(re.compile(b"(" + SEPARATOR + b")").split, pieces(batch))


class Texts(Operator):
    """From tokens to the JSON texts of a sequence, by RFC 7464."""

    def __init__(self, source: str, limit: int, fn: Loads | None = None) -> None:
        self.source = source
        self.limit = limit
        self.fn = fn
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
            value, end = self.read(text, self.start(text))
        except Exception:
            return
        self.pieces = [text[end:].encode()]
        self.given = end
        self.number += 1
        yield value

    def read(self, text: str, start: int) -> tuple[Any, int]:
        """The value that begins there, and where it ends."""
        if self.fn is None:
            return decode(text, start)
        end = len(text.rstrip(BLANK))
        return self.fn(text[start:end].encode()), end

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
            raise self.bad("no record separator (0x1E) before it", 1)
        if given:
            raise self.excess(text, given)
        try:
            value, end = self.read(text, start)
        except Exception as exc:
            raise invalid("text", self.number + 1, self.source, text, exc) from exc
        rest = text[end:]
        if not rest and not isinstance(value, (dict, list, str)):
            problem = f"nothing follows {text[start:][:AROUND]!r}, so it may be cut short"
            raise self.bad(problem, end + 1)
        self.number += 1
        yield value
        if rest.strip(BLANK):
            raise self.excess(rest, end)

    def excess(self, rest: str, before: int) -> RecordDataError:
        problem = f"unexpected text after it, {rest.strip(BLANK)[:AROUND]!r}"
        position = before + self.start(rest) + 1
        return RecordDataError("text", self.number, self.source, problem, position)

    def bad(self, problem: str, position: int) -> RecordDataError:
        return RecordDataError("text", self.number + 1, self.source, problem, position)

    def tail(self) -> Iterable[Any]:
        return self.finish() if self.pieces else ()


def document_row(source: str, limit: int, fn: Loads | None = None) -> Row:
    """The operators that make JSON documents of chunks with a line for each."""
    if fn is None:
        return (lambda _: Documents(source, limit), lambda _: FlattenLists())
    return (lambda _: LoadedDocuments(source, limit, fn), lambda _: FlattenLists())


def text_row(source: str, limit: int, fn: Loads | None = None) -> Row:
    """The operators that make JSON texts of the chunks of a sequence."""
    return (lambda _: Tokens(), lambda _: FlattenLists(), lambda _: Texts(source, limit, fn))
