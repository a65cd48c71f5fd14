"""The charts, as small SVG that reads well on light and on dark pages."""

from collections.abc import Iterable
from html import escape
from math import floor, log10
from pathlib import Path
from statistics import median

from report import Report, Row

INK = "var(--ink)"
DARK = "@media (prefers-color-scheme: dark) {.chart {--ink: #9ea7b3}}"
FAINT = ' opacity=".25"'
COLORS = {  # to be told apart by everybody
    "asyncio": "#3f8fd2",
    "uvloop": "#d08700",
    "trio": "#0f9d8a",
}


def draw(report: Report, folder: Path) -> None:
    families = report.families()
    (folder / "backends.svg").write_text(beside(list(report.rows.values())))
    for family in ("operators", "terminals", "tasks"):
        if family in families:
            (folder / f"{family}.svg").write_text(bars(families[family]))
    if "scaling" in families:
        (folder / "scaling.svg").write_text(curves(families["scaling"]))


def svg(width: float, height: float, parts: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" font-family="sans-serif" font-size="12"'
        f' class="chart"><style>.chart {{--ink: #57606a}} {DARK}</style>'
    )
    return "\n".join((head, *parts, "</svg>", ""))


def text(x: float, y: float, words: str, anchor: str = "start", color: str = INK) -> str:
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{color}">{escape(words)}</text>'


def line(points: Iterable[tuple[float, float]], color: str = INK, more: str = "") -> str:
    path = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{color}"{more}/>'


def strokes(places: Iterable[tuple[float, float, float]], color: str, width: int) -> str:
    """Level lines, each from one place along to another, at some height."""
    path = "".join(f"M{start:.0f},{y:.0f}H{stop:.0f}" for start, stop, y in places)
    return f'<path d="{path}" stroke="{color}" stroke-width="{width}"/>'


class Axis:
    """A logarithmic one from one place to another, with its ticks."""

    def __init__(self, values: Iterable[float], start: float, stop: float) -> None:
        logs = [log10(value) for value in values]
        self.low, self.high = min(logs) - 0.05, max(logs) + 0.05
        self.start, self.scale = start, (stop - start) / (self.high - self.low)
        digits = (1, 2, 5) if self.high - self.low < 2.5 else (1,)
        powers = range(floor(self.low), floor(self.high) + 1)
        ticks = [digit * 10.0**power for power in powers for digit in digits]
        self.ticks = [tick for tick in ticks if self.low <= log10(tick) <= self.high]

    def __call__(self, value: float) -> float:
        return self.start + (log10(value) - self.low) * self.scale


def bars(rows: list[Row]) -> str:
    """Our time on each backend as a part of that of what people write by hand, or of the floor."""
    rows = [row for row in rows if row.unit == "ns" and row.sides()]
    ratios = {
        (n, backend): median(row.ratios(backend, yardstick(row)))
        for n, row in enumerate(rows)
        for backend in row.samples
        if yardstick(row) in row.samples[backend]
    }
    words = "our time divided by theirs: left of 1 we are faster"
    labels = [f"{row.name} / {yardstick(row)}" for row in rows]
    return lanes(labels, ratios, words, 8)


def beside(rows: list[Row]) -> str:
    """Each case on the other backends as a part of asyncio: ours, and its floor as a line in it."""
    rows = [row for row in rows if row.of_asyncio("trio", row.first)]
    ours, floors = (
        {
            (n, backend): ratio
            for n, row in enumerate(rows)
            for backend in ("uvloop", "trio")
            if (ratio := row.of_asyncio(backend, row.floor if floor else row.first))
        }
        for floor in (False, True)
    )
    words = "time divided by that on asyncio: left of 1 faster; thin lines: the floor"
    return lanes([row.name for row in rows], ours, words, 6, floors)


Ratios = dict[tuple[int, str], float]
"""By the number of the row and the backend."""


def lanes(
    labels: list[str], ratios: Ratios, words: str, thick: int, thin: Ratios | None = None
) -> str:
    """A lane for each label, with a bar from 1 to the ratio for each backend."""
    backends = list(dict.fromkeys(backend for _, backend in ratios))
    high = thick * (len(backends) + 1)
    bottom = high * len(labels) + 60
    axis = Axis((1, *ratios.values(), *(thin or {}).values()), 240, 700)
    parts = [text(240 + 90 * n, 14, b, color=COLORS[b]) for n, b in enumerate(backends)]
    for tick in axis.ticks:
        parts.append(line([(axis(tick), 54), (axis(tick), bottom)], more=FAINT * (tick != 1)))
        parts += [text(axis(tick), y, f"{tick:g}", "middle") for y in (50, bottom + 16)]
    for n, label in enumerate(labels):
        parts.append(text(232, high * (n + 0.5) + 60, label, "end"))
    for place, backend in enumerate(backends):
        for kind, width, color in (ratios, thick - 1, COLORS[backend]), (thin or {}, 1, INK):
            bars = [
                (axis(1), axis(ratio), high * n + 60 + thick * (place + 0.5))
                for (n, name), ratio in kind.items()
                if name == backend
            ]
            parts.append(strokes(bars, color, width))
    return svg(720, bottom + 24, [*parts, text(470, 32, words, "middle")])


def yardstick(row: Row) -> str:
    """What people would write by hand, if that is there, and otherwise the first other side."""
    return "generators" if "generators" in row.sides() else row.sides()[0]


PALETTE = ["#0f9d8a", "#d08700", "#c2569b", "#3f8fd2", "#8a6fd1", "#d1603d", "#b08d57", "#a0524e"]
PALETTE += ["#5b8c2a", INK]


def curves(rows: list[Row]) -> str:
    """What a unit costs by what it costs when there are fewest, against their number."""
    shown = [backend for backend in ("asyncio", "trio") if backend in rows[0].samples]
    lines = {
        (row.name, backend): [
            (int(side.replace(",", "")), value / row.value(backend, list(by)[-1]))
            for side in by
            for value in (row.value(backend, side),)
        ]
        for row in rows
        for backend, by in row.samples.items()
        if backend in shown
    }
    points = [point for line in lines.values() for point in line]
    up = Axis((1, *(cost for _, cost in points)), 330, 30)
    parts: list[str] = []
    for at, backend in enumerate(shown):
        left, right = 54 + 390 * at, 394 + 390 * at
        along = Axis((number for number, _ in points), left, right)
        for y, what in (16, f"{backend}: cost of one, by that of the fewest"), (364, "how many"):
            parts.append(text((left + right) / 2, y, what, "middle"))
        for tick in up.ticks:
            parts.append(line([(left, up(tick)), (right, up(tick))], more=FAINT * (tick != 1)))
            parts.append(text(left - 4, up(tick) + 4, f"{tick:,g}", "end"))
        for tick in along.ticks:
            parts.append(line([(along(tick), 30), (along(tick), 330)], more=FAINT))
            parts.append(text(along(tick), 346, f"{tick:,g}", "middle"))
        for n, row in enumerate(rows):
            curve = [(along(number), up(cost)) for number, cost in lines[row.name, backend]]
            parts.append(line(curve, PALETTE[n], ' stroke-width="2"'))
    for n, row in enumerate(rows):
        parts.append(text(60 + 148 * (n % 5), 386 + 16 * (n // 5), row.name, color=PALETTE[n]))
    return svg(800, 420, parts)
