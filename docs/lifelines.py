"""Drawing what a program has printed as the life of its source: blocks of the language `lifeline`.

    opened
    row 0
    next line
    closed

Each line is something that the program did, and time runs down. The source is open from `opened`
to `closed`; from the line after the last `row` on it is open for too long. The text stays the
source: it is what the block of Python above it prints, which the tests run.
"""

from html import escape
from typing import NamedTuple

STEP = 30  # from one line to the next
TOP = 24
BAR = 150  # where the bar of the source stands
WIDTH = 300


class Life(NamedTuple):
    """When the source is opened, when its reader has what it wants, and when it is closed."""

    steps: list[str]
    opened: int
    left: int
    closed: int

    @classmethod
    def of(cls, text: str) -> "Life":
        steps = text.split("\n")
        rows = [place for place, step in enumerate(steps) if step.startswith("row")]
        if not rows or not {"opened", "closed"} <= {*steps}:
            raise ValueError(f"a life has the lines opened, row ..., closed, and not {steps}")
        return cls(steps, steps.index("opened"), rows[-1], steps.index("closed"))

    @property
    def late(self) -> list[str]:
        """What the program does while the source is still open, and need not be."""
        return self.steps[self.left + 1 : self.closed]

    @property
    def words(self) -> str:
        if self.late:
            end = f"while it is still open comes: {', '.join(self.late)}; then it is closed."
        else:
            after = ", ".join(self.steps[self.closed + 1 :])
            end = f"it is closed before: {after}."
        read = ", ".join(self.steps[self.opened + 1 : self.left + 1])
        return f"The source is opened, and read: {read}; {end}"


def picture(text: str) -> str:
    life = Life.of(text.strip())
    height = TOP + len(life.steps) * STEP
    middle = [TOP + (place + 0.5) * STEP for place in range(len(life.steps))]
    parts = [
        f'<text class="soft" x="{BAR - 20}" y="14" text-anchor="end">your code</text>',
        f'<text class="soft" x="{BAR + 15}" y="14">its source</text>',
    ]
    closed = middle[life.closed]
    late = middle[life.left] + STEP / 2 if life.late else closed
    parts.append(bar("open", middle[life.opened], late))
    if life.late:
        parts.append(bar("late", late, closed))
        parts.append(words("late", BAR + 15, middle[life.left + 1], "still open"))
    for place, step in enumerate(life.steps):
        if place in (life.opened, life.closed):
            parts.append(f'<circle cx="{BAR}" cy="{middle[place]:g}" r="5"/>')
            parts.append(words("", BAR + 15, middle[place], step))
        else:
            parts.append(words("", BAR - 20, middle[place], step, "end"))
    head = (
        f'<svg class="lifeline" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(life.words)}">'
    )
    return "\n".join((head, *parts, "</svg>"))


def bar(kind: str, start: float, stop: float) -> str:
    return f'<path class="{kind}" d="M{BAR} {start:g}V{stop:g}"/>'


def words(kind: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    place = f'x="{x:g}" y="{y + 4:g}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'
