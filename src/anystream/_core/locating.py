"""Where an error was raised: the note that names the operator, its place in the row, and the item.

Nothing is kept for this while all is well. When an error comes out of a row, its traceback is read.
An operator that is a generator leaves a frame there if the error passes through it; one that is an
iterator of C leaves none, so several of these may be suspects. If the function that failed is
written in Python, its frame tells which of them has called it. If it is written in C, as
`str.upper` is, and more than one suspect has such a function, the note names all of these.
"""

import dis
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from inspect import CO_COROUTINE, CO_ITERABLE_COROUTINE
from itertools import chain, islice
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple

from .. import _labels as label
from .._errors import RemoteError, StreamError
from .batches import Segment
from .contracts import Openable, Operator, Source, written
from .siblings import add_notes, attribute, is_of_cleanup

LOCATED = "__located__"
"""On an error that has been looked at, whether a note came of it or not."""

ITEM = "__item__"
"""On an error of a worker, until it is looked at: the number of its item."""

SHOWN = 60
"""Characters of a source that a note shows."""

PACKAGE = __name__.partition(".")[0]

HIDDEN = "__tracebackhide__"
"""IPython and pytest show no frame that has a true local variable of this name."""

LONG = range(sys.maxsize + 1)
KINDS: tuple[Iterable[Any], ...] = ([], (), range(0), LONG, "", "\xff", b"")
COUNTED = tuple({type(iter(kind)) for kind in KINDS})
"""Iterators of C that say how many items they have given, and cannot fail."""

FRAMES = 1000
"""As many as a task has, by default. An object that is raised again has those of before as well."""

# Before Python 3.13 the local variables of a frame are a copy that the frame keeps. It would keep
# alive what the frame has let go of, such as the error itself.
FORGET: Callable[[Any], object] = dict[str, Any].clear if sys.version_info < (3, 13) else id


class Place(NamedTuple):
    """An operator of a row, or its source."""

    part: Operator | Source
    call: object  # the label of the call that it came from
    source: Source  # of its row
    stream: Openable | None  # that its row was opened from

    @property
    def speaks(self) -> bool:
        """Whether its errors say where they come from: those of `http` do."""
        return type(self.part).__module__.startswith(f"{PACKAGE}.http.")

    @property
    def function(self) -> object:
        """What an iterator of C calls for it, or steps."""
        part = self.part
        return part.function if isinstance(part, Operator) else getattr(part, "_items", None)

    def draws_by(self, instruction: str) -> bool:
        """Whether it asks what is before it for an item by this instruction."""
        part = self.part
        drawing = ("FOR_ITER", "SEND")
        return isinstance(part, Operator) and (part.draws_by_call or instruction in drawing)

    @property
    def leaves_frame(self) -> bool:
        part = self.part
        return part.leaves_frame if isinstance(part, Operator) else self.function is None


class Trace(NamedTuple):
    """What the traceback of an error tells, up to the first frame of the user's."""

    selves: dict[int, tuple[int, TracebackType]]  # the last frame of each object's, and its depth
    codes: set[CodeType]
    combines: bool  # whether a terminal call was in the middle of what it does with the items


def locate(
    error: Exception, source: Source | None, stream: Openable | None, whole: Openable
) -> None:
    """Let `error`, which came out of `source`, tell where in `whole` it was raised.

    `stream` is what was opened as `source`, if that is known. One note is enough: the first is made
    in the task in which the error was raised.
    """
    if source is None or not is_new(error):
        return
    found = suspects([*places(source, stream)], trace(error))[::-1]
    calls = list(dict.fromkeys(each.call for each in found if each.call is not None))
    if found and found[0].speaks:
        object.__setattr__(error, LOCATED, True)
    elif calls:
        place = placed(calls, whole) or placed(calls, found[0].stream)
        note(
            error,
            f"{listed(map(label.alone, calls), 'or')}{place}{item_of(error, found[0].source)}",
        )


def locate_in(error: Exception, stream: Openable, place: int) -> None:
    """Let `error` tell that the operator of `stream` at this place has raised it."""
    if is_new(error):
        call = written(stream).row[place]
        note(error, label.alone(call) + placed([call], stream))


def is_new(error: Exception) -> bool:
    """Whether it is of the user's, or stands for one that is, and without a note yet."""
    known = attribute(error, LOCATED, False) or is_of_cleanup(error)
    return not known and (isinstance(error, RemoteError) or not isinstance(error, StreamError))


def note(error: Exception, where: str) -> None:
    object.__setattr__(error, LOCATED, True)
    add_notes(error, f"in {where}")


def item_of(error: Exception, source: Source) -> str:
    """Which item it was, if that can be known."""
    number = attribute(error, ITEM, None)
    if number is not None:
        return f", at item {number}"
    number = taken(source)
    return f", at item {number} of the source" if number else ""


def at_item(error: BaseException, number: int) -> None:
    """Note down which item of its operator has raised `error`."""
    if not attribute(error, LOCATED, False):
        object.__setattr__(error, ITEM, number)


# -- the row ----------------------------------------------------------------------------------


def places(source: Source, stream: Openable | None) -> Iterator[Place]:
    """What `source` is made of in this task, from its reader up to where its items come from."""
    if not isinstance(source, Segment):
        call = None if stream is None else written(stream).source
        yield from inner_places(source, call, source)
        yield Place(source, call, source, stream)
        return
    calls = written(source.stream).row
    operators = source.operators  # none, once it is closed
    for step, call in zip(reversed(operators), reversed(calls), strict=False):
        yield from inner_places(step, call, source.source)
        yield Place(step, call, source.source, source.stream)
    for inner, stream in source.draws_from():
        yield from places(inner, stream)


def inner_places(part: Source | Operator, call: object, row: Source) -> Iterator[Place]:
    """What a part opens by itself; without a label of its own it is of the same call and row."""
    for source, stream in part.draws_from():
        for place in places(source, stream):
            yield place if place.call is not None else place._replace(call=call, source=row)


# -- the traceback ----------------------------------------------------------------------------


def trace(error: Exception) -> Trace:
    selves: dict[int, tuple[int, TracebackType]] = {}
    codes: set[CodeType] = set()
    combines = False
    stop = error.__cause__  # which Python or this library has put an error in the place of
    stopped = entries(stop) if isinstance(stop, (StopIteration, StopAsyncIteration)) else ()
    for depth, entry in enumerate(chain(entries(error), stopped)):
        codes.add(entry.tb_frame.f_code)
        if not is_ours(entry.tb_frame):
            break
        combines = is_combining(entry.tb_frame)
        if (owner := self_of(entry.tb_frame)) is not None:
            selves[id(owner)] = depth, entry
    return Trace(selves, codes, combines)


def entries(error: BaseException) -> Iterator[TracebackType]:
    entry = error.__traceback__
    while entry is not None:
        yield entry
        entry = entry.tb_next


def is_ours(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__"))
    return name.startswith(f"{PACKAGE}.") and not name.startswith(f"{PACKAGE}.testing.")


def is_combining(frame: FrameType) -> bool:
    """Whether a function of C draws the items here which may fail by itself, such as `sum`."""
    name = frame.f_globals.get("__name__")
    return name == f"{PACKAGE}._terminals" and frame.f_code.co_name != "consume"


def self_of(frame: FrameType) -> object:
    """The object whose method this is."""
    if frame.f_code.co_varnames[:1] != ("self",):
        return None
    known: Any = frame.f_locals
    found: object = known.get("self")
    FORGET(known)
    return found


def suspects(row: Sequence[Place], trace: Trace) -> list[Place]:
    """Those of a row that may have raised the error, one if the traceback tells."""
    found: list[Place] = []
    seen = [at for at, place in enumerate(row) if id(place.part) in trace.selves]
    if seen:
        last = max(seen, key=lambda at: trace.selves[id(row[at].part)][0])
        place, row = row[last], row[last + 1 :]
        instruction = failed_in(trace.selves[id(place.part)][1])
        if not place.draws_by(instruction):
            return [place]
        if instruction != "FOR_ITER" and place.function is not None:
            found.append(place)
        if instruction == "SEND" and (
            inner := [*inner_places(place.part, place.call, place.source)]
        ):
            row = inner
    for place in row:
        if place.leaves_frame:
            break
        if place.function is not None and not isinstance(place.function, COUNTED):
            found.append(place)
    return told_apart(found, trace)


def failed_in(entry: TracebackType) -> str:
    """The instruction of a frame that has failed; nothing for an `await`."""
    code = entry.tb_frame.f_code
    names = (dis.opname[code.co_code[at]] for at in range(entry.tb_lasti, -1, -2))
    name = next(name for name in names if name != "CACHE")  # which Python 3.12 points to
    return "" if code.co_flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE) and name == "SEND" else name


def told_apart(found: list[Place], trace: Trace) -> list[Place]:
    """Those whose function is in the traceback, or else those whose function cannot be."""
    written_in_python = [codes_of(place.function) for place in found]
    called = [s for s, own in zip(found, written_in_python, strict=True) if own & trace.codes]
    in_c = [s for s, own in zip(found, written_in_python, strict=True) if not own]
    return called or ([] if trace.combines else in_c or found)


def codes_of(function: Any) -> set[CodeType]:
    """The code that a call of `function` may begin with, or a step; empty if it is written in C."""
    called: Any = function
    while isinstance(called, partial):
        called = called.func
    called = getattr(called, "__func__", called)
    kind: Any = type(called)  # pyright: ignore[reportUnknownVariableType]
    names = ("__init__", "__new__", "__post_init__") if isinstance(called, type) else ()
    begins = [called, *(getattr(kind, name, None) for name in ("__call__", "__next__"))]
    begins += [getattr(called, name, None) for name in (*names, "__wrapped__")]
    codes = [getattr(each, name, None) for each in begins for name in ("__code__", "gi_code")]
    return {code for code in codes if isinstance(code, CodeType)}


def taken(source: Source) -> int | None:
    """How many items were taken from what a row reads, if that can be known."""
    items: Any = getattr(source, "_items", None)
    if not isinstance(items, COUNTED):
        return None
    reduced: Any = items.__reduce__()  # what `copy` and `pickle` need
    _, (rest, *_), *state = reduced
    number: int | None = state[0] if state else None
    whole: range | None = getattr(source, "whole", None)
    if whole is None:
        return number
    gone: int = (rest.start - whole.start) // whole.step  # since Python 3.12, and before it 0
    return gone + (number or 0)


# -- words ------------------------------------------------------------------------------------


def placed(calls: Sequence[object], stream: Openable | None) -> str:
    """The places of calls in the row that `stream` is; nothing if they are not all in there."""
    return "" if stream is None else placed_in(calls, written(stream).text)


def placed_in(calls: Sequence[object], text: object) -> str:
    source, *operators = label.row_of(text)
    if calls == [source]:
        return ", the source" if operators else ""
    numbers = [str(at) for at, call in enumerate(operators, 1) if call in calls]
    if len(numbers) != len(calls):  # they may be of what has given the source
        return placed_in(calls, source.call) if isinstance(source, label.Item) else ""
    text = label.alone(source)
    text = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
    many = "s" * (len(numbers) > 1)
    return f", operator{many} {listed(numbers, 'and')} of {len(operators)} on {text}"


def listed(texts: Iterable[str], word: str) -> str:
    *most, last = texts
    return f"{', '.join(most)} {word} {last}" if most else last


# -- frames -----------------------------------------------------------------------------------


def hide_frames(error: BaseException) -> None:
    """Let IPython and pytest leave out the frames of the library.

    It is done to a frame once it has failed, and to those that have called it, so that no function
    has to assign a variable for it.
    """
    for entry in islice(entries(error), FRAMES):
        hide(entry.tb_frame)
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # documented
    while frame is not None and is_ours(frame):
        hide(frame)
        frame = frame.f_back


def hide(frame: FrameType) -> None:
    if is_ours(frame):
        known: Any = frame.f_locals
        FORGET(known)
        known[HIDDEN] = True
