"""How Sphinx makes the site: nox -s docs"""

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from sections import SECTIONS, section

project = "anystream"
author = "the anystream authors"
html_title = "anystream"

extensions = [
    "pictures",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosectionlabel",
    "sphinx.ext.napoleon",  # for "Args:" and the like
]
exclude_patterns = ["_build"]
suppress_warnings = ["autosectionlabel.*"]  # two headings of one text, to which nothing refers
autosectionlabel_prefix_document = True
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

smartquotes = False
default_role = "py:obj"  # single backquotes in docstrings
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the guides show what is passed, and type checkers know the overloads
add_module_names = False
toc_object_entries_show_parents = "hide"
python_display_short_literal_types = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
pygments_style = "tango"
pygments_dark_style = "github-dark"

DOCS = Path(__file__).parent


FACTS = re.compile(
    r"^- \*\*(?:Ends|Errors|Cancellation|Costs).*?(?=^- |^$|\Z)", re.MULTILINE | re.DOTALL
)
MARBLES = re.compile(r"^```marbles\n(.*?)^```", re.MULTILINE | re.DOTALL)


def add_facts(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Append to the docstring of an operator the timelines and facts that the guides have."""
    owner, _, short = name.rpartition(".")
    if owner not in ("anystream", "anystream.Stream") or short not in SECTIONS:
        return
    text = section(short)
    for marbles in MARBLES.findall(text):
        block = [f"   {line}".rstrip() for line in marbles.splitlines()]
        lines += [".. code-block:: marbles", "", *block, ""]
    for fact in FACTS.findall(text):
        lines += re.sub(r"\[(.*?)\]\(.*?\)", r"\1", fact, flags=re.DOTALL).splitlines()
    page, heading = SECTIONS[short]
    lines += ["", f":ref:`More of it in the guide <{page}:{heading}>`", ""]


ELSEWHERE = {
    DOCS / f"{page}.md": DOCS.parent / file
    for page, file in {
        "architecture": "ARCHITECTURE.md",
        "changelog": "CHANGELOG.md",
        "contributing": "CONTRIBUTING.md",
        "examples": "examples/README.md",
        "measuring": "benchmarks/README.md",
        "figures": "benchmarks/results/README.md",
    }.items()
}
"""Pages that are files beside this folder; on GitHub they say no more than where it is."""

LINK = re.compile(r"(?<=\]\()[^)#:\s]+")


def bring_in(app: Any, page: str, source: list[str]) -> None:
    """Read those pages from where they are, and let links to them and in them lead to pages."""
    here = DOCS / f"{page}.md"
    file = ELSEWHERE.get(here, here)
    pages = {there.resolve(): made for made, there in ELSEWHERE.items()}

    def led(link: re.Match[str]) -> str:
        target = (file.parent / link[0]).resolve()
        if not target.exists():
            return link[0]
        return os.path.relpath(pages.get(target, target), here.parent)

    source[0] = LINK.sub(led, file.read_text("utf-8"))


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", add_facts)
    app.connect("source-read", bring_in)
