"""Marble diagrams: a stream from a timeline, and a timeline from a stream.

    a-b--(cd)-|     one character is one frame of time

`parsed` and `drawn` are each other's inverse, and all of the syntax. Between them and the streams
stand `Timeline`, which gives what a diagram says, and `watched`, which sees what a stream gives.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from math import ceil, inf
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import anyio

from .. import _args as check
from .._core.contracts import SourceDefaults
from .._labels import whole
from .._recipe import Recipe, named_call
from .._stream import Stream

Final: TypeAlias = Literal["|", "#", "!"]
Values: TypeAlias = Mapping[str, object]

FINAL = "|#!"
SYNTAX = "-()" + FINAL

IN_A_GROUP = "it holds items, and | or # as the last one"
GROUP_FAULTS = {
    "(": f"a group in a group; {IN_A_GROUP}",
    "-": f"a frame in a group, but no time passes there; {IN_A_GROUP}",
    "!": "! in a group; a reader leaves before anything else in that instant, so ! stands alone",
}

TOLERANCE = 0.1
"""How far an event may be off, in frames: real clocks are late, and threads take real time."""


class MarbleError(Exception):
    """What `#` stands for in a marble diagram, if nobody has said which error it is.

    >>> async def main():
    ...     try:
    ...         await marbles("#").drain()
    ...     except MarbleError:
    ...         print("failed")
    >>> anyio.run(main)
    failed
    """


class Mark(NamedTuple):
    """What a diagram says: an item's symbol, or one of `FINAL`."""

    frame: int
    symbol: str


class Group(NamedTuple):
    """A group that is not closed yet."""

    place: int  # of its (
    frame: int
    marks: int  # before it


class Happened(NamedTuple):
    """What a reader saw: an item, or why there are no more."""

    frame: float  # as it was, not rounded
    final: Final | None
    item: object = None


# -- the public functions -------------------------------------------------------------------------


@named_call
def marbles(
    diagram: str,
    *,
    frame: float = 1.0,
    values: Mapping[str, object] | None = None,
    error: Exception | None = None,
) -> Stream[Any]:
    """A stream that gives what a marble diagram says, when it says so.

    Each character is one frame, of `frame` seconds:

    - `-` nothing happens;
    - `|` the end;
    - `#` an error: `error`, or else a `MarbleError`;
    - `(ab|)` all of these at the instant of the `(`; a group takes as many frames as it has
      characters, so that diagrams below each other stay aligned;
    - a space is not a frame: it is ignored;
    - any other character is an item: `values[character]`, or the character itself.

    A diagram without `|` and `#` never ends. Each opening starts at frame 0 with its first step.
    An item of frame k is due at start + k * frame, however long the consumer takes: one that is
    late comes at once, and none is lost, nor by a cancelled step.

    Raises `ValueError` that points at what is wrong in the diagram, or if `frame` is not positive.

    >>> async def main():
    ...     print(await marbles("a-(bc)-|", frame=0.001).collect())
    >>> anyio.run(main)
    ['a', 'b', 'c']
    """
    marks, _ = parsed(diagram, source=True)
    seconds = check.seconds("frame", frame, zero=False)
    known = checked(values)
    failure = expected_error(error)
    return Stream(Recipe.source(lambda _: Timeline(marks, seconds, known, failure)))


async def recorded(
    stream: Stream[Any],
    *,
    frame: float = 1.0,
    values: Mapping[str, object] | None = None,
    error: Exception | None = None,
    busy: float = 0.0,
    until: float | None = None,
) -> str:
    """Run a stream to its end and return the marble diagram of what came.

    An item is drawn as the first symbol of `values` whose value equals it, or as its `str` if that
    is a single character. `#` is drawn for `error`, or one of the same type and arguments; without
    `error` for any `MarbleError`. Any other error propagates unchanged, and so does what the
    cleanup of the stream raises.

    The reader spends `busy` seconds on each item, and after `until` seconds it leaves by a
    cancellation, before anything else of that instant: this is drawn as `!`. A stream that never
    ends needs `until`.

    Virtual time makes it quick and exact. On a real clock each event must be within a tenth of a
    frame.

    Raises `ValueError` if something cannot be drawn: an item that has no symbol, an event between
    two frames, or one after a group of which the text takes more frames than the time between
    them. Also if `frame` is not positive, or `busy` or `until` is negative.

    >>> async def main():
    ...     print(await recorded(Stream("abc").map(str.upper)))
    >>> anyio.run(main)
    (ABC|)
    """
    seconds = check.seconds("frame", frame, zero=False)
    known = checked(values)
    events = await watched(
        stream,
        seconds,
        expected_error(error),
        check.seconds("busy", busy),
        None if until is None else check.seconds("until", until),
    )
    return drawn(marks_of(events, seconds, known), seconds)


async def assert_marbles(
    stream: Stream[Any],
    diagram: str,
    *,
    frame: float = 1.0,
    values: Mapping[str, object] | None = None,
    error: Exception | None = None,
    busy: float = 0.0,
) -> None:
    """Assert that a stream gives what a marble diagram says, when it says so.

    The diagram is that of `marbles`, the other arguments are those of `recorded`. Behind it may
    stand a `!`, where the reader leaves by a cancellation, before anything else of that instant. A
    diagram without `|`, `#` and `!` is read as if a `!` stood after it.

    It is the events that are compared, and not the text: `(a)--` is `a----`. An item without an
    entry in `values` is compared by its `str`, so that `1` stands for the number as well.

    Raises `AssertionError` with both diagrams and the first difference. Errors that the diagram
    does not mean propagate unchanged. Raises `ValueError` as `marbles` does.

    >>> async def main():
    ...     await assert_marbles(Stream([1, 2]).chain("ab"), "(12ab|)")
    >>> anyio.run(main)
    """
    __tracebackhide__ = True
    marks, length = parsed(diagram)
    if not ended(marks):
        marks = [*marks, Mark(length, "!")]
    seconds = check.seconds("frame", frame, zero=False)
    known = checked(values)
    last = marks[-1]
    events = await watched(
        stream,
        seconds,
        expected_error(error),
        check.seconds("busy", busy),
        # A stream that continues after its end is left, too: it may do so for ever.
        seconds * (last.frame if last.symbol == "!" else length),
    )
    wrong = difference(marks, events, seconds, known)
    if wrong is not None:
        raise AssertionError(
            f"{stream!r} differs from its diagram, with frames of {seconds:g} s\n"
            f"  expected  {drawn(marks, seconds)}\n"
            f"  got       {sketched(events, seconds, known)}\n"
            f"{wrong}"
        )


# -- diagrams -------------------------------------------------------------------------------------


def parsed(diagram: str, *, source: bool = False) -> tuple[list[Mark], int]:
    """The marks of a diagram, and how many frames it takes."""
    check.text("diagram", diagram)
    marks: list[Mark] = []
    frame = 0
    group: Group | None = None
    for place, char in enumerate(diagram):
        if char == " ":
            continue
        fault = objection(char, marks, group, source)
        if fault is not None:
            raise misdrawn(diagram, place, fault)
        if char == "(":
            group = Group(place, frame, len(marks))
        elif char == ")":
            group = None
        elif char != "-":
            marks.append(Mark(frame if group is None else group.frame, char))
        frame += 1
    if group is not None:
        raise misdrawn(diagram, group.place, "a group that is not closed; it ends with )")
    if not frame:
        raise misdrawn(diagram, 0, "no frames; - is a frame in which nothing happens")
    return marks, frame


def objection(char: str, marks: Sequence[Mark], group: Group | None, source: bool) -> str | None:
    """What is wrong with this character after these marks."""
    if ended(marks) and (group is None or char != ")"):
        allowed = "spaces" if group is None else "the ) of the group"
        return f"only {allowed} may follow {marks[-1].symbol}"
    if char == "!" and source:
        return "! is where a reader leaves, and a source has none; it has items, groups, - | #"
    if group is None:
        fault = "no group to close; ( opens one" if char == ")" else None
    elif char == ")" and len(marks) == group.marks:
        fault = f"an empty group; {IN_A_GROUP}"
    else:
        fault = GROUP_FAULTS.get(char)
    if fault is None and not char.isprintable():
        fault = f"{char!r} cannot be printed; an item is one printable character"
    return fault


def misdrawn(diagram: str, place: int, fault: str) -> ValueError:
    shown = "".join(char if char.isprintable() else "?" for char in diagram)
    return ValueError(f"wrong marble diagram: {fault}\n  {shown}\n  {' ' * place}^")


def ended(marks: Sequence[Mark]) -> bool:
    return bool(marks) and marks[-1].symbol in FINAL


def drawn(marks: Sequence[Mark], frame: float) -> str:
    """The diagram of these marks."""
    pieces = [
        (at, "".join(mark.symbol for mark in together))
        for at, together in groupby(marks, lambda mark: mark.frame)
    ]
    pieces = [(at, text if len(text) == 1 else f"({text})") for at, text in pieces]
    for (at, text), (then, _) in pairwise(pieces):
        if at + len(text) > then:
            raise ValueError(
                f"{text} at frame {at} covers frame {then}, in which something else happens;"
                f" pass frame={frame / room(pieces):g} to make room"
            )
    diagram = ""
    for at, text in pieces:
        diagram = diagram.ljust(at, "-") + text
    return diagram


def room(pieces: Sequence[tuple[int, str]]) -> int:
    """Into how many a frame must be divided."""
    return max(ceil(len(text) / (then - at)) for (at, text), (then, _) in pairwise(pieces))


# -- symbols --------------------------------------------------------------------------------------


def is_symbol(text: object) -> bool:
    return (
        isinstance(text, str) and len(text) == 1 and text.isprintable() and text not in SYNTAX + " "
    )


def checked(values: Values | None) -> Values:
    if values is not None and not isinstance(cast("object", values), Mapping):
        raise TypeError(f"values must be a mapping of symbols to items, got {whole(values)}")
    for symbol in values or {}:
        if not is_symbol(symbol):
            raise ValueError(
                "each symbol in values must be one printable character, and none of"
                f" {' '.join(SYNTAX)}, got {whole(symbol)}"
            )
    return dict(values or {})


def symbol_of(item: object, values: Values) -> str | None:
    for symbol, value in values.items():
        if value == item:
            return symbol
    text = str(item)
    return text if is_symbol(text) and text not in values else None


def stands_for(symbol: str, item: object, values: Values) -> bool:
    if symbol in FINAL:  # an item may look like one
        return False
    return bool(values[symbol] == item) if symbol in values else str(item) == symbol


def expected_error(error: Exception | None) -> Exception | None:
    # Not everybody has a type checker.
    if error is not None and not isinstance(error, Exception):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"error must be an exception, got {whole(error)}")
    return error


def is_expected(error: Exception, expected: Exception | None) -> bool:
    if expected is None:
        return isinstance(error, MarbleError)
    return type(error) is type(expected) and error.args == expected.args


# -- streams --------------------------------------------------------------------------------------


class Timeline(SourceDefaults):
    """What a diagram says, step by step; a cancelled wait is waited for again."""

    def __init__(
        self, marks: Sequence[Mark], frame: float, values: Values, error: Exception | None
    ) -> None:
        self.marks = marks
        self.frame = frame
        self.values = values
        self.error = error
        self.start: float | None = None
        self.next: int = 0

    async def batch(self) -> Iterator[object] | None:
        if self.start is None:
            self.start = anyio.current_time()
        if self.next == len(self.marks):
            await anyio.sleep_forever()
        frame, symbol = self.marks[self.next]
        await anyio.sleep_until(self.start + frame * self.frame)
        if symbol == "|":
            return None
        if symbol == "#":
            raise MarbleError if self.error is None else self.error
        self.next += 1
        return iter((self.values.get(symbol, symbol),))


async def watched(
    stream: Stream[Any],
    frame: float,
    error: Exception | None,
    busy: float,
    until: float | None,
) -> list[Happened]:
    """What comes out of a stream; the last event, and no other, is a final one."""
    if not isinstance(cast("object", stream), Stream):
        raise TypeError(f"stream must be a Stream, got {whole(stream)}")
    events: list[Happened] = []
    start = 0.0

    def saw(final: Final | None, item: object = None) -> None:
        events.append(Happened((anyio.current_time() - start) / frame, final, item))

    # Around the opening, since a generator may hold scopes until the stream is closed.
    with anyio.CancelScope() as scope:
        async with stream as items:
            start = anyio.current_time()
            scope.deadline = inf if until is None else start + until
            try:
                async for item in items:
                    saw(None, item)
                    if busy:
                        await anyio.sleep(busy)
                saw("|")
            except Exception as exc:
                if not is_expected(exc, error):
                    raise
                saw("#")
    if until is None:
        return events
    # Of what is due at the instant of the leaving, chance decides which comes before it.
    left = until / frame
    before = [event for event in events if event.frame < round(left) - TOLERANCE]
    return before if before and before[-1].final else [*before, Happened(left, "!")]


def marks_of(
    events: Sequence[Happened], frame: float, values: Values, unknown: str | None = None
) -> list[Mark]:
    """What to draw, with `unknown` for an item that has no symbol."""
    marks: list[Mark] = []
    for event in events:
        nearest = round(event.frame)
        if abs(event.frame - nearest) > TOLERANCE:
            raise ValueError(
                f"{words(event)} at {moment(event.frame, frame)}, between two frames;"
                " pass a smaller frame"
            )
        symbol = event.final or symbol_of(event.item, values) or unknown
        if symbol is None:
            raise ValueError(
                f"{words(event)} at {moment(event.frame, frame)}, and has no symbol;"
                f" pass values={{'x': {whole(event.item)}}} to give it one"
            )
        marks.append(Mark(nearest, symbol))
    return marks


def difference(
    marks: Sequence[Mark], events: Sequence[Happened], frame: float, values: Values
) -> str | None:
    """The first one in words. Both have a final event as their last one, and no other."""
    for mark, event in zip(marks, events, strict=False):
        if abs(event.frame - mark.frame) <= TOLERANCE and (
            event.final == mark.symbol
            or (event.final is None and stands_for(mark.symbol, event.item, values))
        ):
            continue
        return (
            f"expected {expectation(mark, values)} at {moment(mark.frame, frame)},"
            f" but {words(event)} at {moment(event.frame, frame)}"
        )
    return None


def expectation(mark: Mark, values: Values) -> str:
    item = values.get(mark.symbol, mark.symbol)
    finals = {"|": "the end", "#": "the error", "!": "nothing before the reader leaves"}
    return finals.get(mark.symbol, whole(item))


def words(event: Happened) -> str:
    if event.final is None:
        return f"{whole(event.item)} came"
    return {"|": "the end came", "#": "the error came", "!": "the reader left"}[event.final]


def moment(frame: float, seconds: float) -> str:
    return f"frame {frame:g} ({frame * seconds:g} s)"


def sketched(events: Sequence[Happened], frame: float, values: Values) -> str:
    """A diagram with ? for each item that has no symbol, or in words what cannot be drawn."""
    try:
        return drawn(marks_of(events, frame, values, "?"), frame)
    except ValueError:
        return ", ".join(f"{words(event)} at {moment(event.frame, frame)}" for event in events)
