"""The drawing of a pipeline as SVG: a box for each task, from the sources to the reader.

Between the boxes stand the channels, each filled as far as items wait in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Protocol

LETTER, LINE = 7.3, 17.0
"""Pixels of a letter and of a line, in the font of `STYLE`."""

PAD, GAP, BETWEEN = 10.0, 160.0, 22.0
"""Pixels around a text, from one column to the next, and from one box to that below it."""

WIDEST = 34
"""Letters of a line in a box."""

BAR, NAME = 120.0, 17
"""Pixels of a channel, and letters of its name."""

STYLE = """
svg { --ink: #1b1f24; --soft: #57606a; --fill: #f6f8fa; --line: #8c959f; --full: #bf8700;
  --some: #2da44e; --slow: #cf222e }
@media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --soft: #9ea7b3; --fill: #161b22;
  --line: #6e7681; --full: #d29922; --some: #3fb950; --slow: #ff7b72 } }
text { font: 12px ui-monospace, monospace; fill: var(--ink) }
.soft { fill: var(--soft) } .box { fill: var(--fill); stroke: var(--line) }
.slow { stroke: var(--slow); stroke-width: 3 } .edge { stroke: var(--line); fill: none }
.some { fill: var(--some) } .full { fill: var(--full) } .lost { fill: var(--slow) }
"""


class Numbers(Protocol):
    """What is drawn of the numbers of a stage."""

    @property
    def passed(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def bound(self) -> int: ...


class Drawn(Protocol):
    """What is drawn of a segment."""

    @property
    def role(self) -> str: ...
    @property
    def row(self) -> "list[str]": ...
    @property
    def channel(self) -> str | None: ...
    @property
    def name(self) -> str: ...
    @property
    def numbers(self) -> Numbers | None: ...
    @property
    def slowest(self) -> bool: ...
    @property
    def feeders(self) -> "Sequence[Drawn]": ...

    def calls(self) -> list[str]: ...

    def beside(self) -> str: ...


@dataclass
class Box:
    """A segment, and where it stands: the first column is that of the reader, at the right."""

    segment: Drawn
    column: int
    feeders: "list[Box]"
    slow: bool
    lines: list[str]
    top: float = 0.0
    left: float = 0.0

    @property
    def width(self) -> float:
        return 2 * PAD + LETTER * max(map(len, self.lines))

    @property
    def height(self) -> float:
        return 2 * PAD + LINE * len(self.lines)

    @property
    def middle(self) -> float:
        return self.top + self.height / 2

    def everything(self) -> "Iterator[Box]":
        yield self
        for feeder in self.feeders:
            yield from feeder.everything()


def picture(segment: Drawn, last: str) -> str:
    """The drawing as a document of its own, which loads nothing."""
    reader = box_of(segment, 0, False)
    boxes = [*reader.everything()]
    height = stack(reader, PAD) + LINE + PAD
    width = set_columns(boxes)
    shapes = [shape for box in boxes for shape in (*edges(box), *shapes_of(box))]
    says = escape(f"{' '.join(segment.row)}: {last}" if segment.row else last)
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{says}" {size}>',
            f"<style>{STYLE}</style>",
            *shapes,
            text(PAD, height - PAD, last, "soft"),
            "</svg>",
        ]
    )


def box_of(segment: Drawn, column: int, slow: bool) -> Box:
    calls = [line for call in segment.calls() for line in wrap(call, WIDEST) or [""]]
    feeders = [box_of(feeder, column + 1, segment.slowest) for feeder in segment.feeders]
    return Box(segment, column, feeders, slow, [segment.role, *calls])


def stack(box: Box, top: float) -> float:
    """Set the boxes one below the other, each beside what it reads; where the next one may be."""
    bottom = top
    for feeder in box.feeders:
        bottom = stack(feeder, bottom)
    if box.feeders:
        box.top = (box.feeders[0].middle + box.feeders[-1].middle - box.height) / 2
        lower = top - box.top
        if lower > 0:
            for each in box.everything():
                each.top += lower
            bottom += lower
    else:
        box.top = top
    return max(bottom, box.top + box.height + BETWEEN)


def set_columns(boxes: list[Box]) -> float:
    """Set the columns from right to left; the width of all."""
    widest: dict[int, float] = {}
    for box in boxes:
        widest[box.column] = max(widest.get(box.column, 0.0), box.width)
    left: dict[int, float] = {}
    at = PAD
    for column in sorted(widest, reverse=True):
        left[column] = at
        at += widest[column] + GAP
    for box in boxes:
        box.left = left[box.column]
    return at - GAP + PAD


def shapes_of(box: Box) -> Iterator[str]:
    kind = "box slow" if box.slow else "box"
    yield (
        f'<rect class="{kind}" x="{box.left:.0f}" y="{box.top:.0f}" rx="6"'
        f' width="{box.width:.0f}" height="{box.height:.0f}"/>'
    )
    for number, line in enumerate(box.lines):
        at = box.top + PAD + LINE * (number + 0.75)
        yield text(box.left + PAD, at, line, "soft" if number == 0 else "")


def edges(box: Box) -> Iterator[str]:
    """What comes into a box: through its channel, or in the same task."""
    end = box.left
    if box.segment.channel is not None:
        end -= BAR + PAD
        yield line(end + BAR, box.middle, box.left, box.middle)
        yield from channel(end, box.middle, box.segment)
    for feeder in box.feeders:
        yield line(feeder.left + feeder.width, feeder.middle, end, box.middle)


def channel(left: float, middle: float, segment: Drawn) -> Iterator[str]:
    """A bar, filled as far as items wait, between its name and its numbers."""
    numbers = segment.numbers
    frame = f'x="{left:.0f}" y="{middle - 8:.0f}" height="16" rx="8"'
    yield f"<g><title>{escape(segment.beside())}</title>"
    yield f'<rect class="box" {frame} width="{BAR:.0f}"/>'
    if numbers is not None:
        share = min(1.0, numbers.waiting / numbers.bound) if numbers.bound else 0.0
        kind = "full" if share == 1 else "some"
        yield f'<rect class="{kind}" {frame} width="{BAR * share:.0f}"/>'
        there = f"{numbers.waiting}/{numbers.bound} " if numbers.bound else ""
        yield text(left, middle + 22, f"{there}{numbers.passed:,} passed", "soft")
        if numbers.dropped:
            yield text(left, middle + 38, f"{numbers.dropped:,} dropped", "lost")
    name = segment.name if len(segment.name) <= NAME else f"{segment.name[: NAME - 3]}..."
    yield text(left, middle - 13, name, "soft")
    yield "</g>"


def line(x: float, y: float, to_x: float, to_y: float) -> str:
    bend = (to_x - x) / 2
    return (
        f'<path class="edge" d="M{x:.0f} {y:.0f}C{x + bend:.0f} {y:.0f}'
        f' {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"/>'
    )


def text(x: float, y: float, what: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(what)}</text>'
