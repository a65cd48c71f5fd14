"""What the HTML of Sphinx and of the theme lacks for readers who do not see it, or do not point.

`tests/built_site.py` looks at the result with axe.
"""

import re
from pathlib import Path
from typing import Any

REPLACED = {
    'role="heading"><span class="caption-text">': (
        'role="heading" aria-level="2"><span class="caption-text">'
    ),
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    '<div id="search-results">': '<h1>Search</h1><div id="search-results">',
}
SIGNATURE = re.compile(r'<dt class="sig sig-object py".*?</dt>', re.DOTALL)
LIST = re.compile(r"<(/?)(d[ld])>")


def in_span(tag: re.Match[str]) -> str:
    return "</span>" if tag[1] else f'<span class="sig-{tag[2]}">'


def accessible(html: str) -> str:
    for written, better in REPLACED.items():
        html = html.replace(written, better)
    # A list of parameters is no list of definitions.
    return SIGNATURE.sub(lambda entry: LIST.sub(in_span, entry[0]), html)


def rewrite(app: Any, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        for file in Path(app.outdir).rglob("*.html"):
            file.write_text(accessible(file.read_text("utf-8")), "utf-8")


def setup(app: Any) -> dict[str, bool]:
    app.connect("build-finished", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
