"""Drawing the timelines of the guides: each block of the language `marbles` becomes SVG.

The text stays the source: `tests/test_timelines.py` says how it is written, and holds it true.

    horizontal      time, one grid line for each frame
    below another   items of one instant, in their order, first the topmost
    bar             the end
    cross           an error
    hollow arrow    the reader leaves
    arrow           no end
    outlined        an item of a source; those of the results are filled
    dashed axis     a source that is opened in the middle of another: time 0 is its opening
    thick axis      the reader spends this time on the item

Each item has the colour of the first source that has it, in either case of letters; one that no
source has is grey. With `group_by` each key has a colour. A tuple is a box with a cell for each
member.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from anystream.testing.diagrams import FINAL, parsed

COLUMNS = re.compile(r"(\S.*?) {2,}(\S.*)$")
SETTINGS = ("frame", "busy", "values", "opened")

PITCH = 28  # from one frame to the next, if the items leave room
SIZE = 22  # of an item with one character
LETTER = 7
LANE = SIZE + 4  # from one item to the next of the same instant
MARGIN = 7  # above and below them
WIDTHS = {"|": 4, "#": 12, "!": 14}
FINALS = {"|": "the end", "#": "an error", "!": "the reader leaves"}


class Item(NamedTuple):
    """What is written into an item, and whose colours it has."""

    cells: tuple[tuple[str, str], ...]
    boxed: bool  # a tuple

    @property
    def widths(self) -> list[int]:
        if self.boxed:
            return [len(text) * LETTER + 7 for text, _ in self.cells]
        return [max(SIZE, len(text) * LETTER + 10) for text, _ in self.cells]

    @property
    def width(self) -> int:
        return sum(self.widths)

    @property
    def words(self) -> str:
        texts = ", ".join(text for text, _ in self.cells)
        return f"({texts})" if self.boxed else texts


class Instant(NamedTuple):
    """What happens in a frame."""

    frame: int
    items: list[Item]
    final: str

    @property
    def width(self) -> int:
        return max([item.width for item in self.items] + [WIDTHS.get(self.final, 0)])

    @property
    def lanes(self) -> int:
        return len(self.items) + (self.final in ("#", "!"))  # an end is a line behind the items

    @property
    def words(self) -> str:
        parts = [item.words for item in self.items]
        if self.final:
            parts.append(FINALS[self.final])
        return f"{' and '.join(parts)} at {self.frame}"


class Row(NamedTuple):
    """A timeline."""

    label: str
    kind: str  # source, inner or result
    names: set[str]  # that the expression uses
    instants: list[Instant]
    length: int
    busy: float

    @property
    def last(self) -> int:
        """Where the axis ends."""
        return self.instants[-1].frame if self.ended else self.length

    @property
    def ended(self) -> bool:
        return bool(self.instants and self.instants[-1].final)

    @property
    def height(self) -> int:
        lanes = max([1, *(instant.lanes for instant in self.instants)])
        return lanes * LANE - LANE + SIZE + 2 * MARGIN

    @property
    def words(self) -> str:
        parts = [instant.words for instant in self.instants] + ["no end"] * (not self.ended)
        return "; ".join(parts)


class Block:
    """What stands between two fences."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        self.notes = [line.lstrip("# ") for line in lines if line.startswith("#")]
        columns = [columns_of(line) for line in lines if not line.startswith("#")]
        self.settings = {left: right for left, right in columns if left in SETTINGS}
        self.frame = float(self.settings.get("frame", 1))
        self.busy = float(self.settings.get("busy", 0)) / self.frame
        self.values = values_of(self.settings.get("values", ""))
        timelines = [column for column in columns if column[0] not in SETTINGS]
        if not timelines:
            raise ValueError("a block without a timeline")
        inputs = [(left, right) for left, right in timelines if left.isidentifier()]
        self.colours: dict[str, int] = {}
        groups = any(".group_by(" in left for left, _ in timelines)
        for number, (_, right) in enumerate(inputs):
            for mark in parsed(right)[0]:
                # A group has a colour of its own: that of its key.
                new = len(self.colours) if groups else number
                key = mark.symbol.lower() if groups else mark.symbol
                self.colours.setdefault(key, new % 4)
        used = [name for left, _ in timelines for name in inner_names(left)]
        self.rows = [self.row(left, right, {*used}) for left, right in timelines]
        self.pitch = max([PITCH, *(pitch_of(row.instants) for row in self.rows)])
        first = [row.instants[0].width for row in self.rows if row.instants]
        self.start = max([SIZE, *first]) // 2
        self.frames, self.width = self.extent(self.rows)

    def row(self, left: str, right: str, inner: set[str]) -> Row:
        marks, length = parsed(right)
        instants: list[Instant] = []
        for frame, together in groupby(marks, lambda mark: mark.frame):
            symbols = [mark.symbol for mark in together]
            final = symbols.pop() if symbols[-1] in FINAL else ""
            instants.append(Instant(frame, [self.item(symbol) for symbol in symbols], final))
        kind = ("inner" if left in inner else "source") if left.isidentifier() else "result"
        busy = self.busy if kind == "result" else 0
        return Row(left, kind, names_in(left), instants, length, busy)

    def extent(self, rows: Sequence[Row]) -> tuple[int, int]:
        """How many frames they take, and how many pixels."""
        frames = max(row.last + (not row.ended) for row in rows)
        last = max([SIZE, *(row.instants[-1].width for row in rows if row.instants)])
        return frames, self.start + frames * self.pitch + last // 2 + 4

    def item(self, symbol: str) -> Item:
        value = self.values.get(symbol, symbol)
        if isinstance(value, tuple):
            members = [f"{each:g}" if isinstance(each, float) else str(each) for each in value]
            cells = [(text, self.colour(text)) for text in members] or [(" ", "made")]
            return Item(tuple(cells), boxed=True)
        return Item(((str(value), self.colour(symbol)),), boxed=False)

    def colour(self, symbol: str) -> str:
        for same in (symbol, symbol.lower(), symbol.upper()):
            if same in self.colours:
                return f"of-{self.colours[same]}"
        return "made"

    def at(self, frame: float) -> float:
        return self.start + 1 + frame * self.pitch

    # -- pictures ---------------------------------------------------------------------------------

    def figure(self) -> str:
        """All of it, as HTML: names that wrap beside a picture for each timeline."""
        parts = ['<div class="marbles">']
        parts += [f'<p class="marbles-note">{words}</p>' for words in self.captions()]
        parts.append('<div class="marbles-rows" role="group" aria-label="Timelines">')
        owned = self.settings.get("opened", "").partition("=")[0]
        for row in self.rows:
            kind = f"{row.kind} reader" if owned and owned in row.names else row.kind
            parts.append(
                f'<div class="marbles-row {kind}"><code>{escape(row.label)}</code>'
                f"{self.picture([row], row.label, self.frames, self.width)}</div>"
            )
        parts += [f'<div class="marbles-row"><span></span>{self.scale()}</div>', "</div></div>"]
        return "".join(parts)

    def captions(self) -> Iterator[str]:
        yield from map(escape, self.notes)
        if "opened" in self.settings:
            name, _, made = self.settings["opened"].partition("=")
            yield f"<code>{escape(made)}</code> is open, and gives <code>{escape(name)}</code>:"
        if self.busy:
            yield f"The reader spends {self.busy * self.frame:g} s on each item."

    def thumbnail(self, name: str) -> str:
        """The first result that the operator or source gives, with the sources that it has."""
        results = [row for row in self.rows if row.kind == "result"]
        named = re.compile(rf"(?:^|\.){name}\(")
        opened = bool(named.search(self.settings.get("opened", "")))
        row = next((row for row in results if opened or named.search(row.label)), results[0])
        owner = names_in(self.settings.get("opened", "").partition("=")[2] or "0")
        names = row.names | owner
        rows = [*(each for each in self.rows if each.label in names), row]
        return self.picture(rows, row.label, *self.extent(rows), scale=0.6)

    def picture(
        self, rows: Sequence[Row], title: str, frames: int, width: int, scale: float = 1
    ) -> str:
        """The timelines below each other."""
        height = sum(row.height for row in rows)
        parts = [self.grid(frames, height)]
        top = 0
        for row in rows:
            parts.append(f'<g class="{row.kind}" transform="translate(0 {top})">')
            parts += [*self.axis(row), *self.marks(row), "</g>"]
            top += row.height
        words = [row.words if len(rows) == 1 else f"{row.label}: {row.words}" for row in rows]
        head = f"<title>{escape(title)}</title><desc>{escape('. '.join(words))}</desc>"
        return svg(width, height, head + "".join(parts), 'role="img"', scale)

    def grid(self, frames: int, height: int) -> str:
        lines = "".join(f"M{self.at(frame):g} 0V{height}" for frame in range(frames + 1))
        return f'<path class="grid" d="{lines}"/>'

    def scale(self) -> str:
        """The seconds, as many as have room."""
        step = 1 if self.frames < 10 else 5
        texts = [
            text(self.at(frame), 12, f"{frame * self.frame:g}{'' if frame else ' s'}")
            for frame in range(0, self.frames + 1, step)
        ]
        return svg(self.width, 16, f'<g class="scale">{"".join(texts)}</g>', 'aria-hidden="true"')

    def axis(self, row: Row) -> Iterator[str]:
        middle = MARGIN + SIZE / 2
        end = self.at(row.last)
        yield f'<path class="axis" d="M{self.at(0):g} {middle:g}H{end:g}"/>'
        if not row.ended:
            yield f'<path class="on" d="M{end - 5:g} {middle - 5:g}l6 5l-6 5"/>'
        if row.busy:
            for instant in row.instants:
                stop = min(instant.frame + row.busy * len(instant.items), row.last)
                if stop > instant.frame and instant.items:
                    along = f"M{self.at(instant.frame):g} {middle:g}H{self.at(stop):g}"
                    yield f'<path class="busy" d="{along}"/>'

    def marks(self, row: Row) -> Iterator[str]:
        middle = MARGIN + SIZE / 2
        for instant in row.instants:
            x, count = self.at(instant.frame), len(instant.items)
            bottom = middle + LANE * max(0, instant.lanes - 1)
            if instant.final == "|":
                reach = 9 if count == 0 else 17
                yield f'<path class="end" d="M{x:g} {middle - reach:g}V{bottom + reach:g}"/>'
            if instant.lanes > 1:
                yield f'<path class="together" d="M{x:g} {middle:g}V{bottom:g}"/>'
            for number, item in enumerate(instant.items):
                yield drawn(item, x, MARGIN + LANE * number)
            if instant.final == "#":
                yield f'<path class="error" d="M{x - 6:g} {bottom - 6:g}l12 12m0-12l-12 12"/>'
            if instant.final == "!":
                yield f'<path class="left" d="M{x - 6:g} {bottom - 5:g}h12l-6 11z"/>'


def columns_of(line: str) -> tuple[str, str]:
    columns = COLUMNS.search(line)
    if columns is None:
        raise ValueError(f"no two columns with spaces between them: {line}")
    return columns[1], columns[2].rstrip()


def values_of(written: str) -> dict[str, Any]:
    call = ast.parse(f"dict({written})", mode="eval").body
    assert isinstance(call, ast.Call)
    return {word.arg or "": ast.literal_eval(word.value) for word in call.keywords}


def names_in(expression: str) -> set[str]:
    nodes_in = ast.walk(ast.parse(expression, mode="eval"))
    return {node.id for node in nodes_in if isinstance(node, ast.Name)}


def inner_names(expression: str) -> set[str]:
    """What is opened in the middle: the names in functions and dictionaries."""
    return {
        node.id
        for part in ast.walk(ast.parse(expression, mode="eval"))
        if isinstance(part, ast.Lambda | ast.Dict)
        for node in ast.walk(part)
        if isinstance(node, ast.Name)
    }


def pitch_of(instants: Iterable[Instant]) -> int:
    """How far apart the frames have to be for the items of two instants not to touch."""
    return max(
        (
            -(-((one.width + two.width) // 2 + 4) // (two.frame - one.frame))
            for one, two in pairwise(instants)
        ),
        default=0,
    )


def drawn(item: Item, x: float, y: float) -> str:
    """One item, in cells if it stands for several."""
    parts: list[str] = []
    left = x - item.width / 2
    radius = 3 if item.boxed else SIZE / 2
    for (words, colour), width in zip(item.cells, item.widths, strict=True):
        parts.append(
            f'<g class="item {colour}"><rect x="{left:g}" y="{y:g}" width="{width}"'
            f' height="{SIZE}" rx="{radius:g}"/>{text(left + width / 2, y + 15.5, words)}</g>'
        )
        left += width
    return "".join(parts)


def text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:g}" y="{y:g}">{escape(words)}</text>'


def svg(width: float, height: float, inside: str, more: str, scale: float = 1) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="marble" width="{width * scale:g}"'
        f' height="{height * scale:g}" viewBox="0 0 {width:g} {height:g}" {more}>{inside}</svg>'
    )
