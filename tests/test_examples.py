"""Every example runs clean, as its docstring says, on both backends, and prints what is recorded.

`examples/README.md` has what each has printed once, which the site shows.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Generator
from importlib import import_module
from itertools import groupby
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).parents[1].joinpath("examples").glob("*.py"))
SECONDS = {"dashboard": "0.5", "sensors": "1.1"}
"""For those that would go on for longer than a test needs."""

SERVED = ("lesson",)
"""Those that read what `anystream demo --serve` serves."""


@pytest.fixture(scope="module")
def url() -> Generator[str, None, None]:
    command = [sys.executable, "-m", "anystream", "demo", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout
        yield served.stdout.readline().split()[2].removesuffix(",")
        served.kill()


README = EXAMPLES[0].with_name("README.md").read_text("utf-8")
RECORDED = dict(
    re.findall(r"^## (\w+)\n.*?^```text\n(.*?)\n```$", README, re.DOTALL | re.MULTILINE)
)
CHANGING = {
    r"127\.0\.0\.1:\d+": "HOST",
    r"\d+\.\d+ s\b": "SECONDS",
    r"'\nreceived b'": "",  # a socket cuts where it likes
}
BY_CHANCE = {
    r"[\u2581-\u2588]+": "BARS",
    r"[-+]?[\d,]+(\.\d+)?": "NUMBER",
    r"([ \u2500-\u257f])\1*": r"\1",
}
ANY_ORDER = ("crawler",)
SOME_OF_IT = ("dashboard", "sensors", "sse_relay", "tail")
"""Those whose figures are drawn by chance, or depend on the time."""


def masked(text: str, masks: dict[str, str]) -> list[str]:
    """The lines of a text, without what differs from run to run."""
    for pattern, mask in masks.items():
        text = re.sub(pattern, mask, text)
    return [line.rstrip() for line, _ in groupby(text.strip().split("\n"))]


def is_recorded(name: str, printed: str) -> bool:
    masks = CHANGING | BY_CHANCE if name in SOME_OF_IT else CHANGING
    now, recorded = masked(printed, masks), masked(RECORDED[name], masks)
    if name in SOME_OF_IT:
        return {*now} <= {*recorded}
    return sorted(now) == sorted(recorded) if name in ANY_ORDER else now == recorded


def test_all_of_them_are_in_the_list() -> None:
    assert [example.name for example in EXAMPLES if f"]({example.name})" not in README] == []
    assert {*RECORDED} == {example.stem for example in EXAMPLES} | {"workers"}


@pytest.mark.parametrize("script", [*EXAMPLES, *EXAMPLES[0].parent.glob("workers/*.py")])
def test_only_what_is_public_is_used(script: Path) -> None:
    """`redis` is a public module, and not among the names of `anystream`."""
    used: set[str] = set()
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("anystream"):
            public = {*import_module(str(node.module)).__all__, "redis"}
            used |= {name.name for name in node.names}
            assert {name.name for name in node.names} <= public
        elif isinstance(node, ast.Import):
            assert not any(name.name.startswith("anystream") for name in node.names)
    assert used


def test_another_output_is_not_what_is_recorded() -> None:
    for name, recorded in RECORDED.items():
        assert is_recorded(name, recorded)
        assert not is_recorded(name, recorded + "\nand more")
    assert is_recorded("crawler", "\n".join(reversed(RECORDED["crawler"].split("\n"))))
    assert not is_recorded("pages_to_sqlite", RECORDED["pages_to_sqlite"].replace("350", "349"))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path, backend: str, url: str) -> None:
    command = [sys.executable, "-W", "error", "-X", "dev", str(example), backend]
    command += [SECONDS[example.stem]] if example.stem in SECONDS else []
    command += [url] if example.stem in SERVED else []
    ran = subprocess.run(command, capture_output=True, text=True)
    # asyncio tells of each step that has taken more than 0.1 s, and a busy machine may do so.
    errors = [line for line in ran.stderr.splitlines() if not line.startswith("Executing <")]
    assert (ran.returncode, errors) == (0, [])
    assert is_recorded(example.stem, ran.stdout), ran.stdout
