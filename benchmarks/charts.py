"""The charts, as SVG that reads well on light and on dark pages."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from measure import OURS
from report import Report, Row

mpl.use("svg")

TICKS = [digit * 10.0**power for power in range(-5, 5) for digit in (1, 2, 3, 5)]
INK = "#808890"  # to be read on white as well as on black
COLORS = {  # to be told apart by everybody
    OURS: "#0f9d8a",
    "floor": "#808890",
    "generators": "#d08700",
    "aiostream": "#c2569b",
    "streamable": "#3f8fd2",
    "asyncstdlib": "#8a6fd1",
    "aioitertools": "#d1603d",
    "anyio.itertools": "#5b9a3c",
    "memory stream": "#b08d57",
    "reactivex": "#a0524e",
    "as_safe_channel": "#5f7fa8",
    "aiometer": "#7d8f2f",
}
BACKEND_COLORS = {"asyncio": "#3f8fd2", "uvloop": "#d08700", "trio": "#0f9d8a"}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "anystream",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def draw(report: Report, folder: Path) -> None:
    families = report.families()
    with mpl.rc_context(STYLE):
        for family, rows in families.items():
            against = [
                row for row in rows if row.unit == "ns" and any(map(row.rivals, row.samples))
            ]
            if against:
                save(bars(against), folder / f"{family}.svg")
        if "depth" in families:
            label = "operators in a row"
            save(curves(families["depth"], label), folder / "cost-by-depth.svg")
        if "concurrency" in families:
            merges = [row for row in families["concurrency"] if row.name.startswith("merge-of-")]
            save(curves(merges, "streams at once"), folder / "cost-by-concurrency.svg")


def save(figure: Any, path: Path) -> None:
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)


def bars(rows: list[Row]) -> Any:
    """Our time on each backend as a part of that of what people write by hand, or of the floor."""
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.42 * len(rows)))
    backends = list(dict.fromkeys(backend for row in rows for backend in row.samples))
    thickness = 0.8 / len(backends)
    for at, backend in enumerate(backends):
        known = [(n, row) for n, row in enumerate(rows) if row.rivals(backend)]
        axes.barh(
            [n + at * thickness for n, _ in known],
            [median(row.ratios(backend, yardstick(row, backend))) for _, row in known],
            thickness,
            label=backend,
            color=BACKEND_COLORS[backend],
        )
    names = [f"{row.name}\nagainst {yardstick(row, next(iter(row.samples)))}" for row in rows]
    axes.set_yticks([n + 0.4 - thickness / 2 for n in range(len(rows))], names, fontsize=7)
    axes.invert_yaxis()
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = [tick for tick in TICKS if low < tick < high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])  # and no powers of ten
    axes.minorticks_off()
    axes.set_xlabel("our time divided by theirs: left of the line we are faster")
    axes.grid(visible=True, axis="x")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.9 / len(rows)), ncols=3)
    return figure


def yardstick(row: Row, backend: str) -> str:
    """What people would write by hand, if that is there, and otherwise the first other side."""
    rivals = row.rivals(backend)
    return "generators" if "generators" in rivals else rivals[0]


def curves(rows: list[Row], label: str) -> Any:
    """What an item costs against a number that is the last part of each name."""
    figure, plots = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    numbers = [int(row.name.rpartition("-")[2]) for row in rows]
    for axes, backend in zip(plots, ("asyncio", "trio"), strict=True):
        for side in sides(rows, backend):
            points = [
                (number, row.value(backend, side))
                for number, row in zip(numbers, rows, strict=True)
                if side in row.samples.get(backend, {})
            ]
            axes.plot(
                *zip(*points, strict=True),
                marker="o",
                markersize=3,
                linewidth=2.5 if side == OURS else 1.2,
                color=COLORS.get(side, INK),
                label=side,
            )
        axes.set(xscale="log", yscale="log", xlabel=label, title=backend)
        axes.grid(visible=True)
    plots[0].set_ylabel("nanoseconds for an item")
    plots[0].legend(fontsize=8)
    return figure


def sides(rows: Iterable[Row], backend: str) -> list[str]:
    return list(dict.fromkeys(side for row in rows for side in row.samples.get(backend, ())))
