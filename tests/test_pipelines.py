"""The pictures of pipelines and the charts, as the site shows them."""

import re
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
PIPELINES = runpy.run_path(str(ROOT / "docs" / "pipelines.py"))
drawing: Any = PIPELINES["drawing"]
stream_of: Any = PIPELINES["stream_of"]

DRAWN = [
    pytest.param(page, found[1], id=f"{page.name}:{found[1]}")
    for page in sorted(ROOT.glob("docs/*.md"))
    for found in PIPELINES["COMMENT"].finditer(page.read_text("utf-8"))
]
CHARTS = sorted(ROOT.glob("benchmarks/results/*.svg"))


def test_there_are_some() -> None:
    assert len(DRAWN) > 3
    assert len(CHARTS) > 3


@pytest.mark.parametrize(("page", "expression"), DRAWN)
def test_a_pipeline_is_drawn(page: Path, expression: str) -> None:
    picture = ElementTree.fromstring(drawing(expression))[0]
    boxes = [part for part in picture.iter() if part.get("class") == "box"]
    assert len(boxes) > 2
    assert picture.get("role") == "img"
    assert "style" not in drawing(expression)  # it would hold for the whole page


@pytest.mark.parametrize(("page", "expression"), DRAWN)
def test_the_page_has_the_pipeline_that_is_drawn(page: Path, expression: str) -> None:
    """Where the page prints it, too, the text is that of the picture."""
    before = page.read_text("utf-8").partition(f"<!-- pipeline: {expression} -->")[0]
    sources = re.findall(r"(?:ticker|async_range)\([^()]*\)", expression)
    assert sources
    assert [source for source in sources if source not in before] == []
    printed = [stream_of(expression).explain(format=kind) for kind in ("text", "mermaid")]
    if before.endswith("```\n\n") and re.search(r"```(text|mermaid)\n[^`]*task", before[-1500:]):
        assert any(text in before for text in printed)


@pytest.mark.parametrize("wrong", ["5", "merge(1)", "unknown(3)"])
def test_what_is_no_stream_is_not_drawn(wrong: str) -> None:
    with pytest.raises((TypeError, NameError)):
        drawing(wrong)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_has_an_axis_and_follows_the_theme(chart: Path) -> None:
    text = chart.read_text("utf-8")
    picture = ElementTree.fromstring(text)
    words = ["".join(part.itertext()) for part in picture if part.tag.endswith("text")]
    assert "prefers-color-scheme: dark" in text
    assert "1" in words
    assert [line for line in words if re.search(r"left of 1|by that of the fewest", line)]
    strong = [part for part in picture if "points" in part.attrib and not part.get("opacity")]
    assert strong  # the line at 1
