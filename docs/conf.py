"""How Sphinx makes the site: nox -s docs"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from sections import SECTIONS, section

DOCS = Path(__file__).parent
PYPROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))
REPOSITORY = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]

project = "anystream"
author = project_copyright = "the anystream authors"
release = version = PYPROJECT["project"]["version"]
html_title = f"anystream {version}"

extensions = [
    "pages",
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
html_js_files = [("copy.js", {"defer": "defer"})]
html_favicon = "_static/favicon.svg"
html_theme_options = (
    {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}
    if REPOSITORY
    else {}
)
html_copy_source = False
html_show_sourcelink = False
pygments_style = "tango"
pygments_dark_style = "github-dark"

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


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", add_facts)
