"""How Sphinx makes the site: nox -s docs"""

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

DOCS = Path(__file__).parent
PYPROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))
REPOSITORY = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]

project = "anystream"
author = project_copyright = "the anystream authors"
release = version = PYPROJECT["project"]["version"]
html_title = f"anystream {version}"

extensions = [
    "entries",
    "pages",
    "pictures",
    "accessible",
    "tabs",
    "playground",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosectionlabel",
    "sphinx.ext.napoleon",  # for "Args:" and the like
    "sphinx.ext.viewcode",
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
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 76
add_module_names = False
toc_object_entries_show_parents = "hide"
python_display_short_literal_types = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = "_static/favicon.svg"
html_theme_options = {"light_css_variables": {"color-code-background": "#f6f8fa"}}
if REPOSITORY:
    html_theme_options |= {
        "source_repository": REPOSITORY,
        "source_branch": "main",
        "source_directory": "docs/",
    }
html_copy_source = False
html_show_sourcelink = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "github-dark"
