"""What `Stream.explain` gives: a pipeline as segments in their tasks, and the channels between.

It is made of what was noted down when the stream was built: nothing is opened or called.
"""

import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from ._core.channel import StageOrigin
from ._core.contracts import Openable, needs_tasks
from ._core.statistics import Picture, RunStatistics, StageStatistics
from ._errors import StreamDepthError
from ._labels import Label, in_a_line
from ._layouts import AGAIN, Layout
from ._recipe import recipe_of

WIDTH = 80
NARROWEST = 30
"""Columns that are left for the text, at least, however deep the tree is."""

OPENING = ("flatten", "flat_map")
"""The calls that open streams inside a segment."""

ONE, PERHAPS, NONE = (1, 1), (0, 1), (0, 0)
"""How many tasks run a segment, at the least and at the most."""


class Stage(NamedTuple):
    """What a segment reads from, if that is made of other streams."""

    layout: Layout
    call: Label  # by which it came about
    inputs: Sequence[Openable]
    bound: int  # how many items may wait in a lane; 0: none is asked for before it is wanted
    workers: int


@dataclass
class DrawnSegment:
    """A row of calls, and what it reads: a channel that others fill, or parts in its own task."""

    role: str
    tasks: tuple[int, int]
    row: list[str]
    channel: str | None = None
    feeders: list["DrawnSegment"] = field(default_factory=list["DrawnSegment"])
    opens: bool = False  # streams that nobody knows yet
    renews: bool = False  # starts tasks again and again
    name: str = ""  # of the stage that fills the channel
    origin: StageOrigin | None = None  # of that
    numbers: StageStatistics | None = None  # of that, if it is open
    slowest: bool = False  # whether it holds up the others

    def calls(self) -> list[str]:
        """Its row as it was written, a call each."""
        first, *others = self.row or ["(reads)"]
        return [first, *(f".{call}" for call in others)]

    def beside(self) -> str:
        """What there is to say of the channel."""
        if self.numbers is None:
            return self.channel or ""
        return f"{self.channel}: {now(self.numbers)}{', the slowest' * self.slowest}"

    def everything(self) -> Iterator["DrawnSegment"]:
        yield self
        for feeder in self.feeders:
            yield from feeder.everything()


def explained(stream: Openable, format: str, picture: Picture | None = None) -> str:
    """A drawing of `stream`, with the numbers of a run of it."""
    try:
        return drawing(stream, format, picture)
    except RecursionError:
        raise StreamDepthError(
            f"{stream!r} has too many streams one inside the other to be drawn with a recursion"
            f" limit of {sys.getrecursionlimit()}: draw one of those, or raise the limit with"
            " sys.setrecursionlimit()"
        ) from None


def drawing(stream: Openable, format: str, picture: Picture | None) -> str:
    segment = segment_of(stream, "caller's task", NONE)
    if picture is None:
        last = summary(segment, needs_tasks(stream))
    else:
        last = in_a_line(with_numbers(segment, picture.numbers, picture.origins))
    for each in segment.everything():
        each.name = in_a_line(each.name)
    return DRAWINGS[format](segment, last)


def with_numbers(segment: DrawnSegment, numbers: RunStatistics, origins: list[StageOrigin]) -> str:
    """Put the numbers of each stage where it is drawn; what there is to say of the others."""
    by_origin = defaultdict[StageOrigin | None, deque[StageStatistics]](deque)
    for origin, stage in zip(origins, numbers.stages, strict=True):
        by_origin[origin].append(stage)
    slowest = numbers.slowest
    for each in segment.everything():
        if each.channel is not None and by_origin[each.origin]:
            each.numbers = by_origin[each.origin].popleft()
            each.slowest = each.numbers is slowest
    inner = [stage.name for left in by_origin.values() for stage in left]
    return held_up_by(numbers) + (f"; in inner streams: {', '.join(inner)}" if inner else "")


def held_up_by(numbers: RunStatistics) -> str:
    if not (numbers.timed and numbers.stages):
        return "what holds up the others is not known yet"
    return f"the slowest is {'the reader' if (slow := numbers.slowest) is None else slow.name}"


def now(stage: StageStatistics) -> str:
    """The numbers of a stage, in words."""
    items = [(stage.passed, "passed"), (stage.waiting, "waiting"), (stage.dropped, "dropped")]
    tasks = [
        (stage.working, "working"),
        (stage.waiting_for_room, "held up"),
        (stage.waiting_for_items, "idle"),
    ]
    there = ", ".join(f"{number:,} {word}" for number, word in items if number or word != "dropped")
    doing = ", ".join(f"{number} {word}" for number, word in tasks if number) or "none runs"
    return f"{there}; {stage.tasks} task{'s' * (stage.tasks != 1)}: {doing}"


# -- what there is --------------------------------------------------------------------------


def segment_of(stream: Openable, role: str, tasks: tuple[int, int]) -> DrawnSegment:
    recipe = recipe_of(stream)
    stage = None if recipe.provenance is None else Stage(*recipe.provenance)
    calls, source = unwound(recipe.text, None if stage is None else stage.call)
    segment = DrawnSegment(role, tasks, [in_a_line(call.alone()) for call in calls])
    segment.opens = any(call.name in OPENING for call in calls)
    if stage is None:
        segment.row.insert(0, in_a_line(str(source)))
    elif stage.layout.kind == "in turn":
        read_in_turn(segment, stage)
    else:
        read_channel(segment, stage)
    return segment


def unwound(text: object, head: Label | None) -> tuple[list[Label], object]:
    """The calls behind a source, and how that is written; one made of others has a `head`."""
    calls: list[Label] = []
    while isinstance(text, Label) and text is not head and text.before is not None:
        calls.append(text)
        text = text.before
    return calls[::-1], text


def read_in_turn(segment: DrawnSegment, stage: Stage) -> None:
    layout = stage.layout
    segment.row.insert(0, without_inputs(stage))
    segment.feeders = inputs_of(stage, layout.note, NONE)
    segment.opens = segment.opens or layout.opens
    segment.renews = layout.note == AGAIN and number(segment)[1] > 0


def read_channel(segment: DrawnSegment, stage: Stage) -> None:
    layout = stage.layout
    call = in_a_line(stage.call.alone())
    segment.channel = amount(stage.bound, layout.unit) + layout.note
    segment.name, segment.origin = stage.call.short(), StageOrigin(stage.call, False)
    match layout.kind:
        case "workers":
            feeders = inputs_of(stage, "up to 1 task", PERHAPS)
            channel = "on demand; none if the tasks can take items in turn" if feeders else None
            number = stage.workers
            role = f"{number} tasks" if number > 1 else "task"
            workers = DrawnSegment(role, (number, number), [call], channel, feeders, layout.opens)
            workers.name, workers.origin = f"{segment.name} source", StageOrigin(stage.call, True)
            segment.feeders = [workers]
        case "newest":
            inner = DrawnSegment(
                "up to 1 task", PERHAPS, [layout.inner], opens=layout.opens, renews=True
            )
            feeders = inputs_of(stage, "task", ONE)
            channel = "at most 1 item, the newest"
            switch = DrawnSegment("task", ONE, [call], channel, feeders)
            switch.name, switch.origin = f"{segment.name} source", StageOrigin(stage.call, True)
            segment.feeders = [inner, switch]
        case "distributor" | "subscription":
            segment.feeders = inputs_of(stage, "task", ONE)
            segment.feeders[0].row.append(call)
            if layout.kind == "subscription":
                leave_to(stage.call.name, segment.feeders[0])
        case "thread":
            segment.feeders = [DrawnSegment("task, thread", ONE, [call])]
        case "sender":
            segment.feeders = [DrawnSegment("task", ONE, [call], opens=True)]
        case "callback":
            segment.feeders = [DrawnSegment("any thread", NONE, [call])]
        case _:
            perhaps = layout.kind == "perhaps"
            role, tasks = ("up to 1 task", PERHAPS) if perhaps else ("task", ONE)
            segment.feeders = inputs_of(stage, role, tasks)
            if not is_of_one_call(stage):
                segment.channel = f"{without_inputs(stage)}: {segment.channel}"


def inputs_of(stage: Stage, role: str, tasks: tuple[int, int]) -> list[DrawnSegment]:
    return [segment_of(stream, role, tasks) for stream in stage.inputs]


def leave_to(owner: str, segment: DrawnSegment) -> None:
    """Say that this is a part of another run, where its tasks are counted."""
    for each in segment.everything():
        if each.tasks != NONE:
            each.role = f"{owner}'s {each.role}"
        each.tasks, each.opens, each.renews = NONE, False, False


def without_inputs(stage: Stage) -> str:
    """The call that has made one stream of others, without those: they are drawn below."""
    takes_them = stage.call.before is None or len(stage.inputs) > 1
    return in_a_line(stage.call.alone(shown=not takes_them))


def is_of_one_call(stage: Stage) -> bool:
    """Whether the user has written just one call for what is on both sides of the channel."""
    return any(recipe_of(stream).text is stage.call for stream in stage.inputs)


def amount(bound: int, unit: str) -> str:
    return f"at most {bound} {unit}{'s' * (bound > 1)}" if bound else "on demand"


def number(segment: DrawnSegment) -> tuple[int, int]:
    """How many tasks there are, at the least and at the most."""
    least, most = zip(*(each.tasks for each in segment.everything()), strict=True)
    return sum(least), sum(most)


def summary(segment: DrawnSegment, needs: bool) -> str:
    least, most = number(segment)
    everything = [*segment.everything()]
    opens = any(each.opens for each in everything)
    text = f"{'up to ' * (least < most)}{most or 'no'} task{'s' * (most != 1)}"
    if any(each.renews for each in everything):
        text += " at a time"
    if opens:
        text += f"{',' if most else ''} {'and' if most else 'but'} those of inner streams"
    if needs:
        return f"{text}: open it with `async with` or a terminal call"
    return f"{text}: a bare `async for` will do{' if they need none' * opens}"


# -- as text --------------------------------------------------------------------------------


def text(segment: DrawnSegment, last: str) -> str:
    rows = [*drawn(segment)]
    width = max(len(left) for left, _ in rows) + 2
    lines: list[str] = []
    for left, pieces in rows:
        for line in folded(pieces, max(WIDTH - width, NARROWEST)):
            lines.append(f"{left:{width}}{line}")
            left = "".join(char if char == "|" else " " for char in left)
    return "\n".join([*lines, *folded(words(last), WIDTH)])


def drawn(segment: DrawnSegment) -> Iterator[tuple[str, list[str]]]:
    """Rows of two columns: what it is, and the pieces of what there is to say of it."""
    yield segment.role, segment.calls()
    if segment.channel is not None:
        yield "  ^ channel", words(segment.beside())
        if len(segment.feeders) == 1:
            yield from drawn(segment.feeders[0])
            return
    for feeder in segment.feeders:
        mark, below = "  +- ", "     " if feeder is segment.feeders[-1] else "  |  "
        for left, pieces in drawn(feeder):
            yield mark + left, pieces
            mark = below


def words(text: str) -> list[str]:
    return [f"{word} " for word in text.split(" ")]


def folded(pieces: list[str], room: int) -> Iterator[str]:
    """Lines of no more than `room` columns, as far as the pieces allow for it."""
    line = ""
    for piece in pieces:
        if line and len(line + piece.rstrip()) > room:
            yield line.rstrip()
            line = ""
        line += piece
    yield line.rstrip()


# -- as a flowchart -------------------------------------------------------------------------


def mermaid(segment: DrawnSegment, last: str) -> str:
    chart = Chart()
    chart.task(segment)
    title = last.replace("\\", "\\\\").replace('"', '\\"')  # as YAML has it
    return "\n".join(["---", f'title: "{title}"', "---", "flowchart LR", *chart.lines])


class Chart:
    """A subgraph for each task, or for several that do the same, and a node for each channel."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.numbers = count(1)

    def task(self, segment: DrawnSegment) -> str:
        """Draw what runs in a task and all behind it; the name of the node that items come from."""
        name = f"s{next(self.numbers)}"
        boxes: list[tuple[str, DrawnSegment]] = []
        self.lines.append(f"  subgraph {name}t[{quoted(segment.role)}]")
        self.node(name, segment, boxes)
        self.lines.append("  end")
        for reader, read in boxes:
            self.channel(reader, read)
        return name

    def node(self, name: str, segment: DrawnSegment, boxes: list[tuple[str, DrawnSegment]]) -> None:
        """Draw a segment, and those whose turn comes in the same task."""
        row = "<br>".join(map(escaped, segment.calls()))
        self.lines.append(f'    {name}["{row}"]')
        if segment.channel is not None:
            boxes.append((name, segment))
            return
        for feeder in segment.feeders:
            part = f"s{next(self.numbers)}"
            self.node(part, feeder, boxes)
            self.lines.append(f"    {part} -->|{quoted(feeder.role)}| {name}")

    def channel(self, reader: str, segment: DrawnSegment) -> None:
        self.lines.append(f"  {reader}m([{quoted(segment.beside())}]) --> {reader}")
        if segment.slowest:
            self.lines.append(f"  style {reader}m stroke-width:4px")
        for feeder in segment.feeders:
            self.lines.append(f"  {self.task(feeder)} --> {reader}m")


def quoted(text: str) -> str:
    return f'"{escaped(text)}"'


def escaped(text: str) -> str:
    """In the form in which Mermaid takes any text."""
    return "".join(f"#{ord(char)};" if char in SPECIAL else char for char in text)


SPECIAL = '#&<>"`\\'


def svg(segment: DrawnSegment, last: str) -> str:
    from ._picture import picture

    return picture(segment, last)


DRAWINGS: dict[str, Callable[[DrawnSegment, str], str]] = {
    "text": text,
    "mermaid": mermaid,
    "svg": svg,
}
