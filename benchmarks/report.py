"""What the figures say: on the terminal, in Markdown, and what has changed between two results."""

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

from cases.causes import cause_of
from measure import BACKENDS, BY_HAND, OURS, Case, Result

PACKAGES = [
    *("anystream", "anyio", "trio", "uvloop", "httpx", "aiostream", "streamable", "asyncstdlib"),
    *("aioitertools", "fpstreams", "grugstream", "httpx-sse"),
]
LESS = {
    "memory stream": "is one hop, whose end, errors and closing are yours to see to",
    "asyncio.Queue": "reads one item more ahead, and has no end and no errors",
    "trio channel": "is one hop, whose errors and closing are yours to see to",
    "asyncstdlib": "gives the event loop no turn; its tee keeps all that the slowest has not had",
    "streamable": "closes nothing, and gives the event loop no turn of its own",
    "httpx-sse": "ends with a step that is cancelled, and does not connect again",
    "httpx loop": "is the loop written where its items are used; it checks nothing of what it gets",
    "curl and jq": "are written in C; they keep no state and check nothing of what they get",
}
"""What the sides do less, of those that are faster somewhere, besides what `abilities` shows."""
NOT_RIVALS = ("floor", "generators", "without", "workers", BY_HAND)
"""Sides that show what the work itself costs."""
LEAST_CHANGE = 0.03
"""What is less than that is never called a change: where code lies in memory makes as much."""


@dataclass
class Row:
    """A case with its samples."""

    name: str
    family: str
    what: str
    unit: str
    limits: dict[str, dict[str, float]]  # by backend, of our figure divided by that of a side
    most: float | None
    remark: str
    samples: dict[str, dict[str, list[float]]]
    missing: dict[str, dict[str, str]]

    def value(self, backend: str, side: str) -> float:
        return median(self.samples[backend][side])

    @property
    def first(self) -> str:
        """The side whose figure is shown: ours, or the primitive of anyio."""
        return next(iter(next(iter(self.samples.values()))))

    @property
    def floor(self) -> str:
        return "floor" if "floor" in self.sides() else "memory stream"

    def ours(self, backend: str) -> str:
        return in_unit(self.value(backend, self.first), self.unit)

    def rivals(self, backend: str) -> list[str]:
        return [side for side in self.samples.get(backend, ()) if side != self.first]

    def sides(self) -> list[str]:
        found = (side for backend in self.samples for side in self.rivals(backend))
        return list(dict.fromkeys(found))

    def ratios(self, backend: str, side: str) -> list[float]:
        """Our figure divided by that of a side, round by round."""
        samples = self.samples[backend]
        return [a / b for a, b in zip(samples[self.first], samples[side], strict=True)]

    def least(self, backend: str, side: str) -> str:
        """What the same promises cost by hand, as a part of the time of a side, if it is known."""
        samples = self.samples[backend]
        hand = BY_HAND if BY_HAND in samples else "generators"
        if hand not in samples or hand == side:
            return ""
        factors = [a / b for a, b in zip(samples[hand], samples[side], strict=True)]
        return f"; by hand it is {median(factors):.2f}"

    def of_asyncio(self, backend: str, side: str) -> float | None:
        """A side's figure on a backend divided by its own on asyncio, round by round."""
        here, there = (self.samples.get(name, {}).get(side) for name in (backend, "asyncio"))
        if not here or not there or self.unit != "ns":
            return None
        return median(a / b for a, b in zip(here, there, strict=True))

    def missed(self) -> Iterator[str]:
        for backend, sides in self.samples.items():
            for side, limit in self.limits[backend].items():
                if side in sides and (ratio := median(self.ratios(backend, side))) > limit:
                    low, high = quartiles(self.ratios(backend, side))
                    yield (
                        f"{self.name} on {backend}: {ratio:.3f} ({low:.3f}-{high:.3f}) of {side},"
                        f" and at most {limit:.3g} is wanted{self.least(backend, side)}"
                    )
            if self.most is not None and self.value(backend, self.first) > self.most:
                figure, most = self.ours(backend), in_unit(self.most, self.unit)
                yield f"{self.name} on {backend}: {figure}, and at most {most} is wanted"


@dataclass
class Report:
    """The rows of one run, and the surroundings in which they were measured."""

    environment: dict[str, str]
    rows: dict[str, Row] = field(default_factory=dict[str, Row])

    @classmethod
    def new(cls, backends: list[str], pinned: str, *, quick: bool) -> "Report":
        return cls(
            {
                "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
                "machine": f"{platform.platform()}, {os.cpu_count()} CPUs, {processor()}, {pinned}",
                "python": f"{platform.python_implementation()} {platform.python_version()}",
                "packages": ", ".join(f"{name} {installed(name)}" for name in PACKAGES),
                "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
                "backends": ", ".join(backends),
                "command": f"python {' '.join(sys.argv)}",
                "kind": "quick" if quick else "full",
            }
        )

    @classmethod
    def load(cls, path: Path) -> "Report":
        stored = json.loads(path.read_text())
        rows = {name: Row(**row) for name, row in stored["rows"].items()}
        return cls(stored["environment"], rows)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, default=rounded) + "\n")

    def add(self, case: Case, result: Result) -> None:
        limits = {backend: case.limits_on(backend) for backend in result.samples}
        self.rows[case.name] = Row(
            case.name,
            case.family,
            case.what,
            case.unit,
            limits,
            case.most,
            case.remark,
            {
                backend: {side: [rounded(value) for value in values] for side, values in by.items()}
                for backend, by in result.samples.items()
            },
            result.missing,
        )

    def families(self) -> dict[str, list[Row]]:
        families: dict[str, list[Row]] = {}
        for row in self.rows.values():
            families.setdefault(row.family, []).append(row)
        return families


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def quartiles(samples: list[float]) -> tuple[float, float]:
    low, _, high = quantiles(samples if samples[1:] else samples * 2, method="inclusive")
    return low, high


def in_unit(value: float, unit: str) -> str:
    """A figure with its unit, and times in one that suits them."""
    if unit == "ns":
        for larger, factor in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
            if value >= factor * 10:
                return f"{value / factor:,.3g} {larger}"
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits} {unit}"


# -- on the terminal --------------------------------------------------------------------------


def heading(report: Report) -> str:
    surroundings = "\n".join(f"{name}: {value}" for name, value in report.environment.items())
    return (
        f"{surroundings}\n\nThe time of {OURS}, and in which part of the time of each other side:"
    )


def line(report: Report, name: str) -> str:
    row = report.rows[name]
    lines: list[str] = []
    for backend in row.samples:
        parts = [f"{row.ours(backend):>10}"]
        for side in row.rivals(backend):
            limit, ratio = row.limits[backend].get(side), median(row.ratios(backend, side))
            mark = ""
            if limit is not None and report.environment["kind"] != "quick":
                mark = f" (<= {limit:.3g}{' MISSED' * (ratio > limit)})"
            parts.append(f"{side} {ratio:.2f}{mark}")
        lines.append(f"{row.name:22} {backend:8} {'  '.join(parts)}")
    return "\n".join(lines)


def missed(report: Report) -> list[str]:
    return [line for row in report.rows.values() for line in row.missed()]


# -- in Markdown --------------------------------------------------------------------------------


def markdown(report: Report, abilities: list[list[str]]) -> str:
    """The tables of all families, with what was missing and why."""
    parts = [
        "# Figures",
        "",
        "Here you find what each case of the benchmarks has cost in one run, on each backend.",
        "",
        *(f"- {name}: {value}" for name, value in report.environment.items()),
        "",
        f"Each figure is what {OURS} needs for an item, and behind it in which part of the time of"
        " each other side that is: the median of all rounds, with its quartiles. Below 1 we are"
        " faster. x: could not do it.",
        "",
        "## The backends beside each other",
        "",
        "The time on uvloop and on trio as a ratio to that on asyncio: ours, and that of the floor,"
        " or of a memory stream. What differs by more than a fifth has the number of its cause.",
        "",
        "![The time of each case on uvloop and trio as a ratio to asyncio](backends.svg)",
        "",
        *beside(report, bordered),
    ]
    for family, rows in report.families().items():
        parts += ["", f"## {family.capitalize()}", "", *bordered(table(rows)), *notes(rows)]
    parts += ["", "## What the libraries do", "", *bordered(abilities)]
    parts += ["", "## Where others are faster", "", *others_first(report)]
    parts += [
        "",
        "## Limits that this run has missed",
        "",
        *(f"- {each}" for each in missed(report)),
    ]
    return "\n".join(parts) + "\n"


LEAST_DIFFERENCE = 1.2
"""Backends that differ by less need no cause."""


def differs(row: Row) -> bool:
    """Whether ours costs another backend a fifth more or less than asyncio."""
    factors = [row.of_asyncio(backend, row.first) or 1 for backend in BACKENDS]
    return max(factors) > LEAST_DIFFERENCE or min(factors) < 1 / LEAST_DIFFERENCE


def beside(report: Report, shown: Callable[[list[list[str]]], list[str]]) -> list[str]:
    """The table of the backends, and the causes of what differs by more than a fifth."""
    rows = [row for row in report.rows.values() if row.of_asyncio("trio", row.first) is not None]
    causes = list(dict.fromkeys(cause_of(row.name) for row in rows if differs(row)))
    return [
        *shown(backends_table(rows, causes)),
        "",
        *(f"{number}. {cause}" for number, cause in enumerate(causes, 1)),
    ]


def backends_table(rows: list[Row], causes: list[str]) -> list[list[str]]:
    lines = [
        ["case", "ours, asyncio", "uvloop", "trio", "floor, asyncio", "uvloop", "trio", "cause"],
        ["---", *["--:"] * 7],
    ]
    for row in rows:
        cells = [row.name]
        for side in (row.first, row.floor):
            there = row.samples["asyncio"].get(side)
            cells.append(in_unit(median(there), row.unit) if there else "")
            for backend in ("uvloop", "trio"):
                ratio = row.of_asyncio(backend, side)
                cells.append("" if ratio is None else f"{ratio:.2f}")
        cells.append(str(causes.index(cause_of(row.name)) + 1) if differs(row) else "")
        lines.append(cells)
    return lines


def bordered(lines: list[list[str]]) -> list[str]:
    return [f"|{'|'.join(cells)}|" for cells in lines]


def aligned(lines: list[list[str]]) -> list[str]:
    """The same for a terminal, which needs no line under the head."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.rjust, line, widths)) for line in lines[:1] + lines[2:]]


def others_first(report: Report) -> list[str]:
    """The sides that are faster somewhere, beyond their noise, and what they do less."""
    lines: dict[str, list[str]] = {}
    for row in report.rows.values():
        for side in row.sides() if row.first == OURS and row.family != "scaling" else ():
            factors = [
                f"{median(ratios):.2f} on {backend}"
                for backend in row.samples
                if side in row.samples[backend]
                and (ratios := row.ratios(backend, side))
                and quartiles(ratios)[0] > 1
            ]
            if factors and side not in NOT_RIVALS:
                lines.setdefault(side, []).append(f"  - {row.name}: {', '.join(factors)}")
    return [
        "Our time divided by theirs, where three quarters of the rounds agree.",
        "",
        *chain.from_iterable(
            (f"- **{side}** {LESS.get(side, 'does less where the table above says so')}:", *cases)
            for side, cases in lines.items()
        ),
    ]


def table(rows: list[Row]) -> list[list[str]]:
    sides = list(dict.fromkeys(side for row in rows for side in row.sides()))
    first = rows[0].first
    if rows[0].family == "scaling":
        first, sides = "the most", sorted(sides, key=lambda side: int(side.replace(",", "")))
    lines = [
        ["case", "backend", first, *sides],
        ["---", "---", *["--:"] * (len(sides) + 1)],
    ]
    for row in rows:
        for number, backend in enumerate(row.samples):
            cells = [f"**{row.name}**: {row.what}" if number == 0 else "", backend]
            cells += [row.ours(backend), *(cell(row, backend, side) for side in sides)]
            lines.append(cells)
    return lines


def cell(row: Row, backend: str, side: str) -> str:
    if side not in row.samples[backend]:
        return "x" if side in row.missing.get(backend, {}) else ""
    ratios = row.ratios(backend, side)
    low, high = quartiles(ratios)
    return f"{median(ratios):.2f} ({low:.2f}-{high:.2f})"


def notes(rows: list[Row]) -> list[str]:
    """What has to be known of some cases, and why a side has an x, each once."""
    notes: dict[str, list[str]] = {}
    for row in rows:
        found = [row.remark] if row.remark else []
        for backend, missing in row.missing.items():
            found += [f"x of {side} on {backend}: `{why}`" for side, why in missing.items()]
        for note in found:
            notes.setdefault(note, []).append(row.name)
    return ["", *(f"- {', '.join(names)}: {note}" for note, names in notes.items())]


# -- what has changed ---------------------------------------------------------------------------


def changes(base: Report, new: Report) -> list[str]:
    """Those cases whose figure differs by more than the noise of both runs.

    A figure is our time divided by that of the first other side that both runs have, since that
    does not depend on the machine; where there is none, it is our time alone.
    """
    lines: list[str] = []
    for name in base.rows.keys() & new.rows.keys():
        old_row, new_row = base.rows[name], new.rows[name]
        for backend in old_row.samples.keys() & new_row.samples.keys():
            line = changed(old_row, new_row, backend)
            if line is not None:
                lines.append(line)
    lines.sort()
    only = base.rows.keys() ^ new.rows.keys()
    return lines + [f"{name}: only in one of the two" for name in sorted(only)]


def changed(old: Row, new: Row, backend: str) -> str | None:
    shared = [side for side in old.rivals(backend) if side in new.rivals(backend)]
    if shared:
        against = shared[0]
        before, after = old.ratios(backend, against), new.ratios(backend, against)
    else:
        against = "the clock alone"
        before, after = old.samples[backend][old.first], new.samples[backend][old.first]
    factor = median(after) / median(before)
    noise = (spread(before) + spread(after)) / median(before)
    if abs(factor - 1) <= max(noise, LEAST_CHANGE):
        return None
    kind = "slower" if factor > 1 else "faster"
    return (
        f"{old.name} on {backend}: {kind}, {median(before):.3g} to {median(after):.3g} of {against}"
        f" ({factor - 1:+.0%}, noise {noise:.0%})"
    )


def spread(samples: list[float]) -> float:
    """Half the width of the notch of a box plot: where a median may well lie by chance."""
    low, high = quartiles(samples)
    return float(1.57 * (high - low) / len(samples) ** 0.5)
