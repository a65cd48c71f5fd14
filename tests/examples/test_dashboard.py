"""examples/dashboard.py: what is on the terminal, in virtual time."""

import io
import re

import anyio
import pytest
from rich.console import Console

from anystream import Stream
from anystream.testing import TrackedSource, marbles
from dashboard import Tick, market, show

SHOW_CURSOR = "\x1b[?25h"
TICKS = {
    "a": Tick("Amber", 100),
    "b": Tick("Amber", 150),
    "c": Tick("Amber", 50),
    "x": Tick("Indigo", 2000),
}


def terminal() -> tuple[Console, io.StringIO]:
    output = io.StringIO()
    return Console(file=output, force_terminal=True, color_system=None, width=80), output


def tables(output: io.StringIO) -> list[list[list[str]]]:
    """The cells of each row of each table that was drawn."""
    drawn = output.getvalue().split("┏")[1:]
    rows = [re.findall("^│(.*)│", table, re.MULTILINE) for table in drawn]
    return [[[cell.strip() for cell in row.split("│")] for row in table] for table in rows]


async def test_each_table_has_the_last_prices() -> None:
    console, output = terminal()
    ticks = marbles("a-bx-c---b----x|", frame=0.25, values=TICKS)
    await show(ticks, console, every=1)
    indigo = ["Indigo", "2,000.00", "+0.00%"]
    assert tables(output)[:4] == [
        [["Amber", "150.00", "+50.00%", "2", "▁█"], [*indigo, "1", "▁"]],
        [["Amber", "50.00", "-50.00%", "3", "▄█▁"], [*indigo, "1", "▁"]],
        [["Amber", "150.00", "+50.00%", "4", "▄█▁█"], [*indigo, "1", "▁"]],
        [["Amber", "150.00", "+50.00%", "4", "▄█▁█"], [*indigo, "2", "▁▁"]],
    ]


async def test_many_ticks_are_few_tables() -> None:
    console, output = terminal()
    start = anyio.current_time()
    await show(market("Amber", 100, 0.005).take(2_001), console, every=1)
    assert anyio.current_time() - start == pytest.approx(10)
    ((_, _, _, ticks, chart),) = tables(output)[-1]
    assert (ticks, len(chart)) == ("2,001", 20)
    assert len(tables(output)) <= 12


async def test_a_failure_leaves_the_last_table_and_the_cursor() -> None:
    console, output = terminal()
    source = TrackedSource([TICKS["a"], TICKS["b"]], pause=0.4, errors={1: OSError("no feed")})
    with pytest.raises(OSError, match="no feed"):
        await show(Stream(source.generator), console, every=10)
    assert tables(output)[-1] == [["Amber", "100.00", "+0.00%", "1", "▁"]]
    assert output.getvalue().endswith(SHOW_CURSOR)
    assert source.open_runs == 0


async def test_prices_begin_where_they_are_told_to_and_stay_above_nothing() -> None:
    ticks = await market("Amber", 100, 60).take(1000).collect()
    assert ticks[0] == Tick("Amber", 100)
    assert {tick.market for tick in ticks} == {"Amber"}
    assert all(tick.price > 0 for tick in ticks)
    assert len({tick.price for tick in ticks}) > 900
