"""The table of all operators has all of them, and the names that other libraries have for them."""

import inspect
import re
import runpy
from collections.abc import Callable
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
SECTION = re.compile(r"^#+ (.+)\n((?:(?!^#).*\n?)*)", re.MULTILINE)
uses: Callable[[str, str], dict[str, str]] = runpy.run_path(str(DOCS / "sections.py"))["uses"]


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


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def part(page: str, anchor: str | None) -> tuple[str, str]:
    """The heading to which a link leads, and what stands below it up to the next one."""
    text = re.sub(
        r"^```.*?^```$", "", (DOCS / page).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    parts: list[tuple[str, str]] = SECTION.findall(text)
    found = [each for each in parts if slug(each[0]) == anchor] if anchor else parts
    assert found, f"{page} has no heading for #{anchor}"
    return found[0]


@pytest.mark.parametrize("name", ROWS)
def test_a_section_says_when_one_needs_its_operator(name: str) -> None:
    heading, text = part(ROWS[name][2], ROWS[name][3])
    assert uses(text, heading)[name]


def test_a_section_with_a_timeline_says_when_one_needs_it() -> None:
    """That of `map` with `concurrency` as well, which has no row of its own."""
    told = [
        (page.name, heading)
        for page in sorted(DOCS.glob("*.md"))
        for heading, text in SECTION.findall(page.read_text("utf-8"))
        if "```marbles\n" in text and not uses(text, heading)
    ]
    assert [each for each in told if each[0] != "testing.md"] == []


@pytest.mark.parametrize(
    "sentence",
    [
        "**Use it.**",
        "**Use it** always.",
        "**Use it** for a search box",
        "**Use** it for a search box.",
        "Use it for a search box.",
    ],
)
def test_what_does_not_say_when_is_no_such_sentence(sentence: str) -> None:
    good = "**Use it** for a search box."
    assert uses(f"{sentence}\n\n{good}", "map") == {"map": good}


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
