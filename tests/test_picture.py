"""The drawing of a pipeline as SVG, and the drawings of an open run."""

import itertools
import re
from typing import Any
from xml.etree import ElementTree

import anyio
import pytest
from contract import EVERY
from rows import Row

from anystream import Run, Stream, async_range, merge, ticker

SVG = "{http://www.w3.org/2000/svg}"


async def fetch(n: Any) -> Any:
    await anyio.sleep(1)
    return n


def boxes(drawing: str) -> list[tuple[float, float, float, float]]:
    """The left, the top, the right and the bottom of each box, without those of the channels."""
    rectangles = ElementTree.fromstring(drawing).findall(f"{SVG}rect")
    sides = [
        [float(each.get(name, "")) for name in ("x", "y", "width", "height")] for each in rectangles
    ]
    return [(x, y, x + width, y + height) for x, y, width, height in sides]


def texts(drawing: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(drawing).iter(f"{SVG}text")]


def one_over_the_other(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@EVERY
def test_no_box_stands_over_another_one(row: Row) -> None:
    stream = row.over(Stream(range(3)))
    if not isinstance(stream, Stream):
        pytest.skip("what it gives is no stream")
    drawing = stream.explain(format="svg")
    pairs = itertools.combinations(boxes(drawing), 2)
    assert [pair for pair in pairs if one_over_the_other(*pair)] == []
    size = ElementTree.fromstring(drawing)
    width, height = (float(size.get(name, "")) for name in ("width", "height"))
    for left, top, right, bottom in boxes(drawing):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_the_drawing_of_twenty_sources_is_readable() -> None:
    stream = merge(*(ticker(n + 1) for n in range(20))).map(fetch, concurrency=4)
    drawing = stream.explain(format="svg")
    assert len(boxes(drawing)) == 23
    assert {f"ticker({n + 1})" for n in range(20)} < {*texts(drawing)}
    assert len(repr(stream)) <= 200
    assert repr(stream).startswith("merge(ticker(1), ")
    assert repr(stream).endswith(".map(fetch, concurrency=4)")


def test_a_drawing_loads_nothing_and_escapes_what_is_written() -> None:
    drawing = Stream(["<script>&"]).map(str).buffer(1).explain(format="svg")
    assert "<script>" not in drawing
    assert "href" not in drawing
    assert any("<script>&" in text for text in texts(drawing))


def test_a_notebook_shows_the_drawing() -> None:
    stream: Any = async_range(3).buffer(1)
    assert stream._repr_svg_() == stream.explain(format="svg")


def test_the_format_is_checked() -> None:
    with pytest.raises(ValueError, match="format must be"):
        async_range(3).explain("dot")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- with numbers -----------------------------------------------------------------------------


async def running(items: Run[Any]) -> None:
    items.statistics()
    for _ in range(4):
        await anext(items)
    await anyio.sleep(0.5)


SLOW = ticker(0.3).buffer(2, overflow="drop_oldest").named("left").map(fetch, concurrency=2)


async def test_the_numbers_stand_in_the_text() -> None:
    async with SLOW.named("fetch").buffer(3) as items:
        assert "not known yet" in items.explain()
        await running(items)
        assert items.explain() == "\n".join(
            [
                "caller's task  (reads)",
                "  ^ channel    buffer(3): at most 3 items: 4 passed, 0 waiting; 1 task: 1 idle",
                "task           (reads)",
                "  ^ channel    at most 4 items in work or to be read, in order: 4 passed, 0",
                "               waiting; 2 tasks: 2 working, the slowest",
                "2 tasks        map(fetch, concurrency=2).named('fetch')",
                "  ^ channel    on demand; none if the tasks can take items in turn",
                "up to 1 task   (reads)",
                "  ^ channel    buffer(2, 'drop_oldest').named('left'): at most 2 items: 10",
                "               passed, 2 waiting, 2 dropped; 1 task: 1 working",
                "task           ticker(0.3)",
                "the slowest is fetch",
            ]
        )


async def test_the_numbers_stand_in_the_flowchart_and_in_the_drawing() -> None:
    async with SLOW.named("fetch").buffer(3) as items:
        await running(items)
        chart = items.explain("mermaid")
        assert "10 passed, 2 waiting, 2 dropped" in chart
        assert re.search(r"style s\d+m stroke-width", chart)
        drawing = items.explain("svg")
        assert items._repr_svg_() == drawing
        assert {"2/2 10 passed", "2 dropped", "fetch", "the slowest is fetch"} < {*texts(drawing)}
        assert drawing.count('class="box slow"') == 1
        assert drawing.count('class="full"') == 1


async def test_the_reader_may_be_the_slowest() -> None:
    async with async_range(9).buffer(1) as items:
        items.statistics()
        await anext(items)
        await anyio.sleep(1)
        assert items.explain().endswith("the slowest is the reader")


async def test_inner_streams_are_named() -> None:
    async with async_range(2).flat_map(lambda _: ticker(1).buffer(1)) as items:
        items.statistics()
        await anext(items)
        assert items.explain().endswith("; in inner streams: buffer(1)")


async def test_who_runs_no_tasks_any_more() -> None:
    async with async_range(2).buffer(5) as items:
        assert [item async for item in items] == [0, 1]
        assert "0 tasks: none" in items.explain()
