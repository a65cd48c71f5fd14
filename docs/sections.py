"""Where the guides describe each operator and source, for `conf.py` and for the tests."""

import re
from pathlib import Path

DOCS = Path(__file__).parent
HEADING = re.compile(r"^#{2,3} (\w+(?:, \w+)*)$", re.MULTILINE)
MARBLES = re.compile(r"^```marbles\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""The timelines of a text."""

USE = re.compile(
    r"\*\*Use (?:it|`@?(?P<name>\w+)`)\*\* (?:for|to|when) "
    r"(?:[^.`]|\.(?=\w)|`[^`]+`)+\.(?=$| \*\*Use )"
)
"""A sentence that says when one needs an operator."""

PAGES = ("operators", "tasks", "time", "recover", "sources", "threads", "sinks")


def sections() -> dict[str, tuple[str, str]]:
    """The page and the heading under which each operator and source is described."""
    found: dict[str, tuple[str, str]] = {}
    for page in PAGES:
        for heading in HEADING.findall((DOCS / f"{page}.md").read_text("utf-8")):
            for name in heading.split(", "):
                found.setdefault(name, (page, heading))
    return found


SECTIONS = sections()


def section(name: str) -> str:
    """What the guides say of an operator or source."""
    page, heading = SECTIONS[name]
    text = (DOCS / f"{page}.md").read_text("utf-8")
    found = re.search(rf"^(#+) {heading}\n(.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE)
    assert found
    return found[2]


def uses(text: str, heading: str) -> dict[str, str]:
    """The sentences of a section that say when one needs an operator: `**Use it** for ...`.

    `it` is what the heading names; where it is something else, the sentence names that.
    """
    paragraphs = (" ".join(each.split()) for each in text.split("\n\n"))
    return {
        found["name"] or heading: found[0]
        for each in paragraphs
        if each.startswith("**Use ")
        for found in USE.finditer(each)
    }
