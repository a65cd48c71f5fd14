"""What readers run in their browser: which blocks, and what the page shows of it.

`tests/built_site.py` presses the buttons of the built site in Chromium.
"""

import json
import re
from pathlib import Path
from typing import Any

import anyio
import pytest
import running
from blocks import Page, timelines_fit
from running import Program, answer, timelines

DOCS = Path(__file__).parents[1] / "docs"
FENCED = re.compile(r"^( *)```marbles\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SOURCES = {path.stem: path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))}


def code(text: str) -> list[str]:
    """The shown blocks of a page that can be run, by their first lines."""
    fit = Page(text, "page.md").for_the_browser()
    return [block.code.splitlines()[0] for block in fit if not block.hidden]


def fenced(*blocks: str) -> str:
    return "\n".join(f"```python\n{block}\n```\n" for block in blocks)


# -- which blocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        "import httpx",
        "from anystream.http import sse",
        "from anystream import net",
        "import anyio.to_thread",
        "import threading",
        "from concurrent.futures import Future",
        "for line in open('file'): pass",
        "from_thread(rows)",
        "numbers.progress()",
        "url = fixture('server').url",
    ],
)
def test_what_a_browser_lacks(block: str) -> None:
    assert code(fenced("import anyio", block, "import trio")) == ["import anyio", "import trio"]


def test_what_is_like_it_and_is_there() -> None:
    blocks = ["import anyio, trio, asyncio, itertools", "async with rows.open(grace=1): pass"]
    blocks.append("from anystream.testing import marbles")
    assert code(fenced(*blocks)) == blocks


def test_what_needs_a_name_of_such_a_block() -> None:
    blocks = ["import httpx as client", "def ask(): client.get()", "ask()", "ask = len", "ask('')"]
    assert code(fenced(*blocks)) == ["ask = len", "ask('')"]


def test_a_page_in_real_time_has_none() -> None:
    assert code("<!-- real time: a socket is read -->\n" + fenced("import anyio")) == []


def test_a_block_that_is_not_run_has_none() -> None:
    assert code("<!-- not run: it never ends -->\n" + fenced("import anyio")) == []


def test_timelines() -> None:
    assert timelines_fit("a             a|\na.take(1)     (a|)\n")
    assert not timelines_fit("a             a|\na.progress()  a|\n")


def test_whole_guides_can_be_run() -> None:
    for guide in ("cleanup", "tasks", "own-operators", "migration"):
        page = Page(SOURCES[guide], guide)
        assert page.for_the_browser() == page.blocks


# -- what they give -------------------------------------------------------------------------------


@pytest.mark.parametrize("page", SOURCES)
def test_the_timelines_of_a_page(page: str) -> None:
    for block in FENCED.finditer(SOURCES[page]):
        ran = timelines(block[2])
        assert ran.same, ran.text
        assert ran.picture.startswith('<div class="marbles">')


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of what the lesson does not close
@pytest.mark.parametrize("page", SOURCES)
@pytest.mark.parametrize("on", ["asyncio", "trio"])
def test_the_code_of_a_page(page: str, on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "ON", on)
    program = Program()
    for block in Page(SOURCES[page], page).for_the_browser():
        ran = program.run(block.code, block.output)
        assert ran.same, f"{page}:{block.line} gives {ran.text}"


@pytest.mark.parametrize(
    ("written", "came"),
    [
        ("a.take(1)  a-|", "a.take(1)  (a|)"),
        ("a.skip(1)  ----", "a.skip(1)  --b-"),
        ("a.skip(1)  --c-|", "a.skip(1)  --b-|"),
        ("a.delay(1)  -a-b|", "a.delay(1)  -a-b-|"),
    ],
)
def test_what_is_not_true(written: str, came: str) -> None:
    ran = timelines(f"a{' ' * written.index('  ')} a-b-|\n{written}")
    assert ran.text.splitlines()[1] == came
    assert not ran.same


def test_what_never_ends_is_left_when_the_longest_timeline_ends() -> None:
    ran = timelines("a          a-b----\na.take(5)  a-b|")
    assert ran.text.splitlines()[1] == "a.take(5)  a-b----"
    assert not ran.same


def asked(**question: Any) -> dict[str, Any]:
    answered: dict[str, Any] = json.loads(answer(json.dumps(question)))
    return answered


def test_a_question_with_an_error_is_answered() -> None:
    told = asked(timelines="a        a|\nnope(a)  a|")
    error = "NameError: name 'nope' is not defined"
    assert told == {"text": error, "picture": "", "same": False}
    told = asked(timelines="a a|")
    assert told["text"].startswith("ValueError: no two columns with spaces between them")


def test_code_with_an_error_shows_its_own_lines() -> None:
    told = asked(code="print('so far')\n1 / 0\n", expected=None)
    assert told["text"] == (
        "so far\nTraceback (most recent call last):\n"
        '  File "block", line 2, in <module>\nZeroDivisionError: division by zero\n'
    )
    assert not told["same"]
    told = asked(code="await anyio.sleep(\n", expected=None)
    assert "SyntaxError" in told["text"]
    told = asked(code="raise SystemExit", expected=None)
    assert "SystemExit" in told["text"]


def test_code_is_compared_with_what_is_expected() -> None:
    assert asked(code="print(1)", expected="1\n")["same"]
    assert not asked(code="print(1)", expected="2\n")["same"]
    assert asked(code="print(1)", expected=None)["same"]
    assert not asked(code="pass", expected="1\n")["same"]


def test_code_is_in_virtual_time_and_leaves_anyio_as_it_was() -> None:
    original = anyio.run
    program = Program()
    program.run("import anyio")
    ran = program.run("await anyio.sleep(3600); print(anyio.current_time())", "3600.0\n")
    assert ran.same
    assert program.run("anyio.run(anyio.sleep, 3600)").same
    assert anyio.run is original
