"""Draw the ticks of several markets in the terminal, while they come in, with rich.

    python examples/dashboard.py [asyncio | trio] [SECONDS]

A few hundred ticks come each second, from one stream for each market. The table is drawn ten times
a second, from what has come until then: the ticks never wait for the terminal.
"""

import operator
import random
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from anystream import Stream, merge, ticker

START = {"Amber": 120.0, "Cotton": 31.5, "Indigo": 77.25, "Saffron": 940.0}
BARS = "▁▂▃▄▅▆▇█"


class Tick(NamedTuple):
    market: str
    price: float


def market(name: str, price: float, interval: float) -> Stream[Tick]:
    """Play the part of a feed: a price that goes up and down by chance, again and again."""
    changes = ticker(interval).map(lambda _: random.gauss(1, 0.002))
    return changes.accumulate(operator.mul, initial=price).map(lambda now: Tick(name, now))


@dataclass
class Row:
    """What the table shows of a market."""

    first: float
    last: float
    ticks: int = 0
    history: deque[float] = field(default_factory=lambda: deque[float](maxlen=20))

    def add(self, price: float) -> None:
        self.last = price
        self.ticks += 1
        self.history.append(price)

    def cells(self, name: str) -> list[str | Text]:
        change = (self.last - self.first) / self.first
        color = "green" if change >= 0 else "red"
        return [
            name,
            f"{self.last:,.2f}",
            Text(f"{change:+.2%}", color),
            f"{self.ticks:,}",
            self.chart(),
        ]

    def chart(self) -> str:
        low, high = min(self.history), max(self.history)
        height = (high - low) or 1
        return "".join(BARS[int((price - low) / height * 7)] for price in self.history)


class Board:
    """The rows of all markets, which each tick changes."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(self, tick: Tick) -> None:
        row = self.rows.setdefault(tick.market, Row(tick.price, tick.price))
        row.add(tick.price)

    def table(self) -> Table:
        table = Table("market")
        for title in ("price", "change", "ticks"):
            table.add_column(title, justify="right")
        table.add_column("last 20", min_width=20)
        for name, row in sorted(self.rows.items()):
            table.add_row(*row.cells(name))
        return table


async def show(ticks: Stream[Tick], console: Console, every: float = 0.1) -> None:
    """Draw a table of all ticks, once in `every` seconds if there is something new."""
    board = Board()
    with Live(console=console, auto_refresh=False) as live:
        # `sample` lets the ticks pass as fast as they come, and gives one when it is time to draw.
        frames = ticks.tap(board.add).sample(every)
        await frames.for_each(lambda _: live.update(board.table(), refresh=True))


async def main(seconds: float) -> None:
    markets = [market(name, price, 0.01) for name, price in START.items()]
    await show(merge(*markets).take_until(seconds), Console())


if __name__ == "__main__":
    backend = sys.argv[1] if len(sys.argv) > 1 else "asyncio"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    anyio.run(main, seconds, backend=backend)
