"""A playground: readers run the blocks of a page in their browser, and see what comes out.

It is there if the environment variable PYODIDE names the folder of the npm package `pyodide`, which
is CPython as WebAssembly. That, this package and what it needs are copied into the site, and loaded
when a reader presses "Run". `blocks.py` says which blocks can be run.

    browser/loops.py     what asyncio and trio need of the system
    browser/running.py   runs a block, in virtual time
    browser/worker.mjs   Python in a worker
    _static/playground.js    the buttons
"""

import json
import os
import shutil
from collections.abc import Iterator
from html import escape
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from blocks import Block, Page, timelines_fit
from docutils import nodes
from packaging.requirements import Requirement
from pictures import Drawn
from sphinx.errors import SphinxError
from sphinx.transforms import SphinxTransform

import anystream

DOCS = Path(__file__).parent
PACKAGE = Path(anystream.__file__).parent
OF_PYODIDE = (
    *("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json"),
    "python_stdlib.zip",
)
SCRIPT = '<script type="application/json" id="playground-code">{}</script>'


class Runnable(nodes.container):
    """A block that gets a button."""


class MarkRunnable(SphinxTransform):
    default_priority = 410  # behind the pictures

    def apply(self, **kwargs: Any) -> None:
        text = Path(self.env.doc2path(self.env.docname)).read_text("utf-8")
        code = Page(text, self.env.docname).for_the_browser()
        left = [*enumerate(code)]
        found = False
        for node in [*self.document.findall(nodes.literal_block)]:
            attributes = self.attributes(node, left)
            if attributes:
                found = True
                block = Runnable(attributes=attributes)
                node.replace_self(block)
                block += node
        if found:
            self.document += nodes.raw("", in_script(code), format="html")

    def attributes(self, node: nodes.literal_block, left: list[tuple[int, Block]]) -> str:
        """What the button has to know, or nothing if there is none."""
        if isinstance(node, Drawn):
            text = node.astext()
            return f'data-timelines="{escape(text)}"' if text and timelines_fit(text) else ""
        for place, (number, block) in enumerate(left):
            if not block.hidden and block.code.strip() == node.astext().strip():
                del left[: place + 1]
                return f'data-number="{number}"'
        return ""


def in_script(code: list[Block]) -> str:
    asked = [{"code": block.code, "expected": block.output} for block in code]
    return SCRIPT.format(json.dumps(asked).replace("</", "<\\/"))


def visit(translator: Any, node: Runnable) -> None:
    translator.body.append(f'<div class="runnable" {node["attributes"]}>')


def depart(translator: Any, node: Runnable) -> None:
    translator.body.append("</div>")


# -- what is copied -------------------------------------------------------------------------------


def copy(app: Any, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    folder = Path(app.outdir, "_static", "playground")
    folder.mkdir(parents=True, exist_ok=True)
    for name in OF_PYODIDE:
        shutil.copy(Path(app.config.playground, name), folder)
    shutil.copy(DOCS / "browser" / "worker.mjs", folder)
    with ZipFile(folder / "packages.zip", "w", ZIP_DEFLATED) as archive:
        for path, name in packed():
            archive.write(path, name)


def packed() -> Iterator[tuple[Path, str]]:
    """What is put on Python's path in the browser: this package, what it needs, what runs it."""
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            yield path, path.relative_to(PACKAGE.parent).as_posix()
    for name in sorted(needed("anystream[trio]") - {"anystream"}):
        for file in distribution(name).files or ():
            if file.suffix != ".pyc" and "_tests" not in file.parts and ".." not in file.parts:
                yield Path(str(file.locate())), file.as_posix()
    for path in (DOCS / "marbles.py", *(DOCS / "browser").glob("*.py")):
        yield path, path.name


def needed(requirement: str) -> set[str]:
    """A distribution, and those that it depends on."""
    wanted = Requirement(requirement)
    found = {wanted.name}
    for text in distribution(wanted.name).requires or ():
        marker = Requirement(text).marker
        extras = [*wanted.extras, ""]
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            found |= needed(text)
    return found


def setup(app: Any) -> dict[str, bool]:
    folder = os.environ.get("PYODIDE", "")
    app.add_config_value("playground", folder, "env")
    if folder:
        if missing := [name for name in OF_PYODIDE if not Path(folder, name).is_file()]:
            raise SphinxError(f"PYODIDE={folder} has no {missing[0]}: npm install pyodide")
        app.add_node(Runnable, html=(visit, depart))
        app.add_transform(MarkRunnable)
        app.add_js_file("playground.js", defer="defer")
        app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
