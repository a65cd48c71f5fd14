"""The pictures that the site makes of the timelines."""

import re
import runpy
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MARBLES = runpy.run_path(str(DOCS / "marbles.py"))
Block: Any = MARBLES["Block"]
FENCED = re.compile(r"^```marbles\n(.*?)^```", re.MULTILINE | re.DOTALL)

BLOCKS = [
    pytest.param(found[1], id=f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}")
    for page in sorted([*DOCS.glob("*.md"), *DOCS.glob("[!_]*/*.md")])  # not of docs/_build
    for text in [page.read_text("utf-8")]
    for found in FENCED.finditer(text)
]


def figure(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(Block(text).figure())


def pictures(tree: ElementTree.Element) -> list[ElementTree.Element]:
    """One for each timeline, without the scale of the time."""
    plain = "{http://www.w3.org/2000/svg}"
    for part in tree.iter():
        part.tag = part.tag.removeprefix(plain)
    return [part for part in tree.iter("svg") if part.get("role") == "img"]


def places(picture: ElementTree.Element) -> list[tuple[float, float, float]]:
    """Left, right and top of what stands for items."""
    boxes = picture.findall(".//rect")
    lefts = [float(box.get("x", "")) for box in boxes]
    rights = [left + float(box.get("width", "")) for left, box in zip(lefts, boxes, strict=True)]
    return list(zip(lefts, rights, [float(box.get("y", "")) for box in boxes], strict=True))


def count(picture: ElementTree.Element, kind: str) -> int:
    return len(picture.findall(f".//path[@class='{kind}']"))


def described(picture: ElementTree.Element) -> tuple[str | None, str | None]:
    return picture.findtext("title"), picture.findtext("desc")


def test_there_are_blocks() -> None:
    assert len(BLOCKS) > 100


@pytest.mark.parametrize("text", BLOCKS)
def test_a_block_of_the_guides_is_drawn(text: str) -> None:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    timelines = [line for line in lines if line.split()[0] not in MARBLES["SETTINGS"]]
    drawn = pictures(figure(text))
    assert [described(picture)[0] for picture in drawn] == [
        re.split(" {2,}", line)[0] for line in timelines
    ]
    for line, picture in zip(timelines, drawn, strict=True):
        diagram = re.split(" {2,}", line)[1]
        assert count(picture, "end") == diagram.count("|")
        assert count(picture, "error") == diagram.count("#")
        assert len(picture.findall(".//text")) >= len(re.findall(r"[^-()|#!]", diagram))
        assert {part.get("class") for part in picture.iter("path")} >= {"grid", "axis"}


@pytest.mark.parametrize("text", BLOCKS)
def test_no_item_covers_another(text: str) -> None:
    for picture in pictures(figure(text)):
        for one, two in combinations(places(picture), 2):
            assert one[2] != two[2] or one[1] <= two[0] or two[1] <= one[0]


@pytest.mark.parametrize("text", BLOCKS)
def test_nothing_is_cut_off(text: str) -> None:
    for picture in pictures(figure(text)):
        width, height = (float(picture.get(side, "")) for side in ("width", "height"))
        for left, right, top in places(picture):
            assert left >= 0
            assert right <= width
            assert top + MARBLES["SIZE"] <= height


def test_the_same_instant_is_the_same_place_in_every_row() -> None:
    one, two = pictures(figure("a  --a-b|\na.skip(1)  ----b|"))
    assert places(one)[1][:2] == places(two)[0][:2]


def test_items_of_one_instant_stand_below_each_other() -> None:
    (picture,) = pictures(figure("Stream('abc')  -(abc)"))
    middles = {(left + right) / 2 for left, right, _ in places(picture)}
    tops = [top for *_, top in places(picture)]
    assert len(middles) == 1
    assert tops == sorted({*tops})
    assert count(picture, "together") == 1


@pytest.mark.parametrize(
    ("diagram", "drawn", "words"),
    [
        ("a-|", {"end"}, "a at 0; the end at 2"),
        ("-(a|)", {"end"}, "a and the end at 1"),
        ("(a#)", {"error", "together"}, "a and an error at 0"),
        ("#", {"error"}, "an error at 0"),
        ("a-!", {"left"}, "a at 0; the reader leaves at 2"),
        ("a--", {"on"}, "a at 0; no end"),
        ("---", {"on"}, "no end"),
    ],
)
def test_ends_are_told_apart(diagram: str, drawn: set[str], words: str) -> None:
    (picture,) = pictures(figure(f"ticker(1)  {diagram}"))
    kinds = {part.get("class") for part in picture.iter("path")}
    assert kinds - {"grid", "axis"} == drawn
    assert described(picture) == ("ticker(1)", words)


def test_an_error_stands_below_the_items_of_its_instant() -> None:
    (picture,) = pictures(figure("ticker(1)  (a#)"))
    cross = picture.find(".//path[@class='error']")
    assert cross is not None
    place = re.match(r"M[\d.]+ ([\d.]+)", cross.get("d", ""))
    assert place
    assert float(place[1]) >= places(picture)[0][2] + MARBLES["SIZE"]


def test_a_slow_reader_is_drawn_where_it_reads() -> None:
    tree = figure("busy  2\n\na  abc|\na.take(2)  a-b-|")
    source, result = pictures(tree)
    assert (count(source, "busy"), count(result, "busy")) == (0, 2)
    assert "".join(tree.find("p").itertext()) == "The reader spends 2 s on each item."  # type: ignore[union-attr]


def test_frames_are_told_in_seconds() -> None:
    tree = figure("frame  0.5\nbusy  1\n\na  a-b|\na.take(2)  a-b-|")
    assert "1 s on each item" in "".join(tree.itertext())
    assert count(pictures(tree)[1], "busy") == 2
    assert "0.5" in [text.text for text in tree.iter() if text.tag.endswith("text")]


def test_inner_streams_are_told_from_others() -> None:
    text = 'a  a-|\nb  x|\nc  y|\na.flat_map({"a": b}.get)  x-|\na.catch(lambda error: c)  a-|'
    kinds = [picture.find("g").get("class") for picture in pictures(figure(text))]  # type: ignore[union-attr]
    assert kinds == ["source", "inner", "inner", "result", "result"]


def test_an_item_has_the_colour_of_its_source() -> None:
    text = 'values  x=("a", "b")\n\na  a--|\nb  -b|\n'
    text += "zip(a, b)  -x-|\na.map(str.upper)  A--|\na.map(len)  1--|"
    colours = [
        [item.get("class") for item in picture.iter("g") if "item" in item.get("class", "")]
        for picture in pictures(figure(text))
    ]
    assert colours == [
        ["item of-0"],
        ["item of-1"],
        ["item of-0", "item of-1"],
        ["item of-0"],
        ["item made"],
    ]


def test_groups_have_colours() -> None:
    tree = figure("a  A-b-a|\na.group_by(str.lower).flat_map(items)  A-b-a|")
    colours = [item.get("class") for item in pictures(tree)[1].iter("g")][1:]
    assert colours == ["item of-0", "item of-1", "item of-0"]


def test_readers_of_one_opening_are_marked() -> None:
    tree = figure("opened  s=a.share()\n\na  a|\ns.take(1)  (a|)\na.skip(1)  -|")
    rows = [
        part.get("class", "").split() for part in tree.iter("div") if "row" in part.get("class", "")
    ]
    assert [("reader" in row) for row in rows] == [False, False, True, False, False]


def test_a_thumbnail_shows_one_result_and_its_sources() -> None:
    block = Block("a  a-|\nb  b-|\nc  c-|\na.chain(c)  a-(c|)\nb.skip(1)  --|")
    tree = ElementTree.fromstring(block.thumbnail("skip"))
    (picture,) = pictures(tree)
    assert [part.get("class") for part in picture.findall("g")] == ["source", "result"]
    assert described(picture)[0] == "b.skip(1)"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "a block without a timeline"),
        ("a a|", "no two columns"),
        ("a  (a|", "a group that is not closed"),
        ("a  a|\na.take(  a|", "was never closed"),
    ],
)
def test_what_cannot_be_drawn_says_why(text: str, fault: str) -> None:
    with pytest.raises((ValueError, SyntaxError), match=fault):
        Block(text)
