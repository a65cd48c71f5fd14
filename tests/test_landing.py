"""The pictures of the landing page tell what runs, and the figures that are published."""

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = (DOCS / "index.md").read_text("utf-8")
LIFELINES = runpy.run_path(str(DOCS / "lifelines.py"))
BARS = runpy.run_path(str(DOCS / "bars.py"))


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [block.strip("\n") for block in found]


def labelled(picture: str) -> str:
    """What a picture tells to those who do not see it."""
    svg = ElementTree.fromstring(picture)
    assert svg.get("role") == "img"
    return svg.get("aria-label") or ""


# -- when a source is open; tests/test_blocks.py runs the programs, which print these blocks -------


def test_the_generator_is_open_too_long_and_the_stream_is_not() -> None:
    plain, stream = (LIFELINES["Life"].of(block) for block in blocks("lifeline"))
    assert plain.late == ["next line"]
    assert stream.late == []
    assert stream.steps.index("closed") < stream.steps.index("next line")


def test_a_picture_says_it_in_words_and_in_colour() -> None:
    plain, stream = map(LIFELINES["picture"], blocks("lifeline"))
    assert "while it is still open comes: next line; then it is closed" in labelled(plain)
    assert "it is closed before: next line" in labelled(stream)
    assert 'class="late"' in plain
    assert 'class="late"' not in stream
    for step in ("opened", "row 0", "next line", "closed"):
        assert f">{step}</text>" in plain
        assert f">{step}</text>" in stream


@pytest.mark.parametrize("text", ["opened\nrow 0\n", "row 0\nclosed", "opened\nclosed"])
def test_what_is_no_life_is_not_drawn(text: str) -> None:
    with pytest.raises(ValueError, match="a life has the lines opened, row"):
        LIFELINES["picture"](text)


# -- what it costs -------------------------------------------------------------------------------

CASES = {
    "an item through `map` and `filter`": "loop",
    "the same, if each item has to be waited for": "loop-waiting",
    "open, take one item, close": "first",
}
SIDES = {
    "the least possible": "floor",
    "anystream": "anystream",
    "generators by hand": "generators",
}
UNITS = {"ns": 0.001, "us": 1.0}


def published(case: str) -> dict[str, float]:
    """The microseconds of each side on asyncio, in the results of the benchmarks."""
    text = (ROOT / "benchmarks/results/README.md").read_text("utf-8")
    tables = re.findall(r"^\|case\|backend\|(.+)\|\n\|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    for header, rows in tables:
        for row in rows.splitlines():
            name, backend, *cells = row[1:-1].split("|")
            if name.startswith(f"**{case}**") and backend == "asyncio":
                value, unit = cells[0].split()
                ours = float(value.replace(",", "")) * UNITS[unit]
                told = dict(zip(header.split("|"), cells, strict=True))
                ratios = {
                    side: float(cell.split()[0]) for side, cell in told.items() if "(" in cell
                }
                return {"anystream": ours} | {side: ours / ratio for side, ratio in ratios.items()}
    raise AssertionError(f"no figures of {case}")


@pytest.mark.parametrize("title", CASES)
def test_the_figures_are_those_that_are_published(title: str) -> None:
    shown = BARS["groups"](blocks("bars")[0])[title]
    results = published(CASES[title])
    assert shown == {name: (float(f"{results[side]:.2g}"), "µs") for name, side in SIDES.items()}


def test_no_figure_is_without_its_case() -> None:
    assert {*BARS["groups"](blocks("bars")[0])} == {*CASES}


def test_bars_are_as_long_as_their_figures() -> None:
    picture = BARS["picture"]("wait\n  anystream  2 µs\n  by hand  1,000 µs\n\nopen\n  a  5 µs\n")
    figures = ElementTree.fromstring(picture).findall("figure")
    assert [figure.findtext("figcaption") for figure in figures] == ["wait", "open"]
    svg = figures[0].find("svg")
    assert svg is not None
    assert svg.get("aria-label") == "wait: anystream 2 µs, by hand 1,000 µs"
    widths = [bar.get("width") for bar in svg.iter("rect") if bar.get("class") != "all"]
    assert widths == ["0.4", "220.0"]
    assert [group.get("class") for group in svg.findall("g")] == ["ours", None]


@pytest.mark.parametrize("text", ["  a  5 µs", "wait\n  a 5 µs", "wait\n  a  many µs"])
def test_what_has_no_figure_is_not_drawn(text: str) -> None:
    with pytest.raises(ValueError, match="no figure, or no title before it"):
        BARS["picture"](text)


def test_words_are_escaped() -> None:
    picture = BARS["picture"]("a <b> & `c`\n  x < y  1 µs")
    figure = ElementTree.fromstring(picture)[0]
    assert figure[1].get("aria-label") == "a <b> & c: x < y 1 µs"
