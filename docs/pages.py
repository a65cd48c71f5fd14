"""The text of the pages: those that stand elsewhere, and all of them as Markdown beside the HTML.

A built site has `page.md` for each `page.html`, as a reader or a program can use it, and `llms.txt`
(https://llmstxt.org) with a line for each page.
"""

import inspect
import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent

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
CODE = re.compile(r"<!-- code: (\S+) -->")
"""Where the site has the text of a script; on GitHub a link leads to it."""

COMMENT = re.compile(r"<!--.*?-->\n*", re.DOTALL)
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```\n*", re.MULTILINE | re.DOTALL)
REFERENCE = re.compile(r"^```\{eval-rst\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DIRECTIVE = re.compile(r"^\.\. auto\w+:: ([\w.]+)\S*\n((?:   :.*\n)*)", re.MULTILINE)


def bring_in(app: Any, page: str, source: list[str]) -> None:
    """Read those pages from where they are, and let links to them and in them lead to pages."""
    source[0] = text_of(page)
    file = ELSEWHERE.get(DOCS / f"{page}.md")
    if file is not None:
        scripts = CODE.findall(file.read_text("utf-8"))
        for used in (file, *(file.parent / script for script in scripts)):
            app.env.note_dependency(str(used))


def text_of(page: str) -> str:
    here = DOCS / f"{page}.md"
    file = ELSEWHERE.get(here, here)
    pages = {there.resolve(): made for made, there in ELSEWHERE.items()}

    def led(link: re.Match[str]) -> str:
        target = (file.parent / link[0]).resolve()
        if not target.exists():
            return link[0]
        return os.path.relpath(pages.get(target, target), here.parent)

    text = LINK.sub(led, file.read_text("utf-8"))
    return CODE.sub(lambda script: fenced(file.parent / script[1]), text)


def fenced(script: Path) -> str:
    return f"```python\n{script.read_text('utf-8')}```"


# -- as Markdown ----------------------------------------------------------------------------------


def as_markdown(page: str) -> str:
    """The text without what only the tests and Sphinx need, and with the docstrings."""
    text = TOCTREE.sub("", COMMENT.sub("", text_of(page)))
    return REFERENCE.sub(lambda block: documented(block[1]), text).rstrip() + "\n"


def documented(directives: str) -> str:
    """What autodoc would put in the place of its directives."""
    entries: list[str] = []
    for name, options in DIRECTIVE.findall(directives):
        module, _, short = name.rpartition(".")
        thing = getattr(import_module(module), short)
        entries.append(entry("###", name, thing))
        chosen = re.search(r":members:(.*)", options)
        if chosen:
            listed = re.findall(r"\w+", chosen[1])
            members = listed or [each for each in vars(thing) if each[0] != "_"]
            entries += [entry("####", f"{short}.{each}", getattr(thing, each)) for each in members]
    return "\n\n".join(entries)


def entry(level: str, name: str, thing: Any) -> str:
    try:
        signature = str(inspect.signature(thing)) if callable(thing) else ""
    except ValueError:
        signature = ""
    signature = re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])", "", signature)  # not where a type comes from
    told = inspect.getdoc(thing) or ""
    return f"{level} `{name}{signature}`\n\n{told}".rstrip()


def titled(page: str) -> tuple[str, str]:
    """The heading of a page, and its first sentence."""
    text = COMMENT.sub("", text_of(page))
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    prose = re.search(r"^(?:[A-Z]|`\w|\[)(?:.|\n(?!\n))+?\.(?=\s)", text, re.MULTILINE)
    assert heading
    assert prose
    return heading[1], re.sub(r"\[(.*?)\]\(.*?\)", r"\1", " ".join(prose[0].split()))


def llms_txt() -> str:
    """A map of the site for programs that read it."""
    index = text_of("index")
    title, summary = titled("index")
    parts = [f"# {title}\n\n> {summary}\n"]
    for block in TOCTREE.findall(index):
        caption = re.search(r":caption: (.*)", block)
        assert caption
        lines = [f"## {caption[1]}\n"]
        for page in re.findall(r"^(?:.*<)?([\w/-]+)>?$", block, re.MULTILINE):
            heading, told = titled(page)
            lines.append(f"- [{heading}]({page}.md): {told}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def write_markdown(app: Any, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    for page in app.env.found_docs:
        file = Path(app.outdir) / f"{page}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(as_markdown(page), "utf-8")
    (Path(app.outdir) / "llms.txt").write_text(llms_txt(), "utf-8")


def link_markdown(app: Any, page: str, template: str, context: Any, doctree: Any) -> None:
    """Say in the head of a page where its Markdown is."""
    if page in app.env.found_docs:
        name = page.rpartition("/")[2]
        link = f'<link rel="alternate" type="text/markdown" href="{name}.md">'
        context["metatags"] = context.get("metatags", "") + link


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", bring_in)
    app.connect("html-page-context", link_markdown)
    app.connect("build-finished", write_markdown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
