"""Every operator has a section in the guides, with its timeline and what is to be known of it."""

import inspect
import re
import runpy
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from anystream import Stream

DOCS = Path(__file__).parents[1] / "docs"
section: Callable[[str], str] = runpy.run_path(str(DOCS / "sections.py"))["section"]
JOINS = ("chain", "merge", "race", "zip", "combine_latest")
FACTS = ("Ends", "Errors", "Cancellation", "Costs")


def operators() -> list[str]:
    """The methods of `Stream` that give a stream, or a block that does, and the joins."""
    returned = {
        name: str(inspect.signature(method).return_annotation)
        for name, method in vars(Stream).items()
        if name[0] != "_"
    }
    streams = re.compile(r"'?(AbstractAsyncContextManager\[(tuple\[)?)?Stream\[")
    methods = [name for name, annotation in returned.items() if streams.match(annotation)]
    return list(dict.fromkeys([*methods, *JOINS]))


@pytest.mark.parametrize("name", operators())
def test_an_operator_has_its_section(name: str) -> None:
    text = section(name)
    assert "```marbles\n" in text
    assert [fact for fact in FACTS if f"\n- **{fact}" not in text] == []


def test_the_operators_are_found() -> None:
    found = operators()
    assert len(found) > 45
    assert {"map", "share", "partition", "combine_latest", "with_grace"} <= {*found}
    assert not {"collect", "open", "into"} & {*found}


REFERENCE = "".join(page.read_text("utf-8") for page in DOCS.glob("reference/*.md"))


@pytest.mark.parametrize(
    "module",
    ["anystream", "anystream.asgi", "anystream.http", "anystream.net", "anystream.testing"],
)
def test_every_public_name_is_in_the_reference(module: str) -> None:
    names = import_module(module).__all__
    directive = rf"^\.\. auto\w+:: {re.escape(module)}\.(\w+)(?:\(\))?$"
    shown = re.findall(directive, REFERENCE, re.MULTILINE)
    unstarred = ["zip"] if module == "anystream" else []
    assert sorted(shown) == sorted([*names, *unstarred])


@pytest.mark.parametrize("name", ["guarantees", "promises"])
def test_the_guarantees_name_tests_that_there_are(name: str) -> None:
    tests = "".join(path.read_text("utf-8") for path in DOCS.parent.glob("tests/**/test_*.py"))
    there = {*re.findall(r"def (test_\w+)", tests)}
    page = (DOCS / f"{name}.md").read_text("utf-8")
    assert {*re.findall(r"`(test_\w+)`", page)} - there == set()
    files = re.findall(r"`(tests/\S+)`", page)
    assert [file for file in files if not (DOCS.parent / file).exists()] == []
    hazards = re.findall(r"\b(h\d+b?)\b", page)
    assert [name for name in hazards if f"def test_{name}_" not in tests] == []


def test_each_promise_has_a_test() -> None:
    page = (DOCS / "promises.md").read_text("utf-8")
    rows = re.findall(r"^\| (.+) \| (.+) \|$", page, re.MULTILINE)
    promises = [row for row in rows if row[0] != "Promise"]
    assert len(promises) > 300
    assert [row for row in promises if not row[0].endswith(".") or "`test_" not in row[1]] == []


def test_the_map_names_every_module() -> None:
    """The table of ARCHITECTURE.md, but for the server of the demo, which it names as a whole."""
    root = DOCS.parent
    named = {*re.findall(r"`([\w.]+)`", (root / "ARCHITECTURE.md").read_text("utf-8"))}
    modules = [
        path
        for path in root.joinpath("src", "anystream").rglob("*.py")
        if path.stem != "__init__" and path.parent.name != "server"
    ]
    assert len(modules) > 90
    assert [str(path) for path in modules if not {path.stem, path.name} & named] == []


README = DOCS.with_name("README.md")
text_of: Callable[[str], str] = runpy.run_path(str(DOCS / "pages.py"))["text_of"]
PAGES = sorted(
    page.relative_to(DOCS).with_suffix("").as_posix()
    for page in [*DOCS.glob("*.md"), *DOCS.glob("[!_]*/*.md")]  # not of docs/_build
)
NO_PROSE = re.compile(
    r"^```.*?^```|<!--.*?-->|`[^`]*`|\]\([^)]*\)|^[|#!].*?$", re.DOTALL | re.MULTILINE
)
"""Code, comments, the targets of links, tables, headings and images."""


def paragraphs(text: str) -> list[str]:
    """Those of a page, and its list items, without what is no prose."""
    return [part for part in re.split(r"\n\s*\n|\n- ", NO_PROSE.sub("", text)) if part.strip()]


def long(parts: list[str]) -> list[str]:
    sentences = [text for part in parts for text in re.split(r"\.\s", part)]
    return [text for text in sentences if len(re.findall(r"[\w'-]+", text)) > 30]


def test_the_readme_has_short_sentences() -> None:
    assert long(paragraphs(README.read_text("utf-8"))) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_what_its_reader_can_do_then(page: str) -> None:
    first = paragraphs(text_of(page))[0]
    assert re.search(r"(?:^|\.\s)\s*(?:After this page|Here) you\s", first)
    assert long([first]) == []
