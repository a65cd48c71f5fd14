"""The table of all operators has all of them, and the names that other libraries have for them."""

import inspect
import re
import runpy
from importlib import import_module
from pathlib import Path

import pytest

from anystream import Stream
from anystream._hints import FOREIGN

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "all.md").read_text("utf-8")
ROW = re.compile(r"^\| \[`(\w+)`\]\(([\w.-]+md)(?:#([\w-]+))?\) \| (.+) \| (.+) \|$", re.MULTILINE)
ROWS = {found[1]: found for found in ROW.finditer(PAGE)}
NAME = re.compile(r"`([^`]+)`")


def makers() -> set[str]:
    """The functions whose result is a stream."""
    return {
        name
        for module in map(import_module, ("anystream", "anystream.http", "anystream.net"))
        for name in [*module.__all__, "zip"]
        if inspect.isfunction(made := getattr(module, name, None))
        if "Stream[" in str(inspect.signature(made).return_annotation)
    }


METHODS = {name for name in vars(Stream) if name[0] != "_"}


def test_every_operator_has_one_row() -> None:
    names = [found[1] for found in ROW.finditer(PAGE)]
    assert len(names) == len({*names}) > 80
    assert len(makers()) > 15
    assert {*names} == METHODS | makers() | {"Stream", "stream", "producer", "to_sync"}


def test_no_row_is_malformed() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| [`")]
    assert len(lines) == len(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_a_line_and_foreign_names(name: str) -> None:
    row = ROWS[name]
    assert 0 < len(row[4]) <= 100
    names = row[5].split(", ")
    assert all(NAME.fullmatch(each) for each in names)
    assert len(names) == len({*names})


@pytest.mark.parametrize("name", FOREIGN)
def test_a_name_that_an_error_explains_is_in_its_row(name: str) -> None:
    ours = [each for each in re.findall(r"(\w+)\(", FOREIGN[name]) if each in ROWS]
    assert any(f"`{name}`" in ROWS[each][5] for each in ours)


def test_the_names_of_the_guide_to_migration_are_there() -> None:
    guide = (DOCS / "migration.md").read_text("utf-8").partition("## itertools")[2]
    cells = re.findall(r"^\| ([^|]+) \| ([^|]+)", guide, re.MULTILINE)
    known = {*NAME.findall(PAGE)}
    missing = {
        name
        for cell, here in cells
        if "not here" not in here and "testing.md" not in here
        for name in NAME.findall(cell)
        if name.isidentifier() and name not in known
    }
    assert missing == {"fn"}  # of `until(fn)`


@pytest.mark.parametrize(
    "word",
    [
        *("scan", "concatMap", "amap"),
        *("websocket", "queue", "parallel", "metrics", "pydantic", "Jupyter", "debug"),
    ],
)
def test_a_word_that_people_search_for_is_there(word: str) -> None:
    assert re.search(rf"\b{word}\b", PAGE)


def test_links_lead_to_headings() -> None:
    for row in ROWS.values():
        if row[3]:
            text = (DOCS / row[2]).read_text("utf-8")
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]
            assert row[3] in slugs


def test_operators_have_a_picture() -> None:
    """Each that has a section of its own, which has a timeline."""
    sections = runpy.run_path(str(DOCS / "sections.py"))
    block = runpy.run_path(str(DOCS / "marbles.py"))["Block"]
    drawn: list[str] = []
    fenced = re.compile(r"^```marbles\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for name in ROWS.keys() & sections["SECTIONS"].keys():
        found = fenced.search(sections["section"](name))
        if found:
            drawn.append(name)
            assert 'class="result"' in block(found[1]).thumbnail(name)
    assert len(drawn) > 50
