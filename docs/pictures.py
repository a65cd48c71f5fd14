"""What the site draws, for Sphinx. Builders other than that for HTML write the text instead."""

from html import escape
from pathlib import Path
from typing import Any

import bars
import lifelines
from docutils import nodes
from marbles import Block
from pipelines import COMMENT, drawing
from sections import MARBLES, SECTIONS, section
from sphinx.errors import SphinxError
from sphinx.transforms import SphinxTransform


class Drawn(nodes.literal_block):
    """A block of text with its picture."""


DRAWN = {
    "marbles": lambda text: Block(text).figure(),
    "lifeline": lifelines.picture,
    "bars": bars.picture,
}
"""What the blocks of these languages become."""


class DrawBlocks(SphinxTransform):
    """Draw what has a language of its own; if that cannot be the build ends, with or without -W."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        for node in list(self.document.findall(nodes.literal_block)):
            if node.get("language") in DRAWN:
                node.replace_self(Drawn("", node.astext(), picture=self.picture(node)))
        if self.env.docname == "all":
            for row in self.document.findall(nodes.row):
                self.add_thumbnail(row)

    def picture(self, node: nodes.literal_block) -> str:
        try:
            return DRAWN[node["language"]](node.astext())
        except (ValueError, SyntaxError) as error:
            where = f"{node.source or self.env.docname}:{node.line}"
            raise SphinxError(f"{where}: this block cannot be drawn: {error}") from error

    def add_thumbnail(self, row: nodes.row) -> None:
        """Show the first timeline of an operator below its name."""
        cell = row[0]
        name = cell.astext()
        blocks = MARBLES.findall(section(name)) if name in SECTIONS else []
        if blocks:
            cell += Drawn("", "", picture=Block(blocks[0]).thumbnail(name))


class DrawPipelines(SphinxTransform):
    """Draw the pipelines, and write out the text of those for Mermaid, which GitHub draws."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        for node in list(self.document.findall(nodes.raw)):
            if found := COMMENT.fullmatch(node.astext().strip()):
                node.replace_self(Drawn("", "", picture=drawing(found[1])))
        for block in self.document.findall(nodes.literal_block):
            if block.get("language") == "mermaid":
                block["language"] = "text"


class InlineCharts(SphinxTransform):
    """Put the charts into the page, so that they follow its theme."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        for node in list(self.document.findall(nodes.image)):
            file = Path(self.env.doc2path(self.env.docname)).parent / node["uri"]
            if file.suffix == ".svg" and "benchmarks" in file.parts:
                words = f'role="img" aria-label="{escape(node["alt"])}" '
                chart = file.read_text("utf-8").replace("<svg ", f"<svg {words}", 1)
                picture = f'<div class="wide" role="group" aria-label="Chart">{chart}</div>'
                node.replace_self(Drawn("", "", picture=picture))
                self.env.note_dependency(str(file))


def visit(translator: Any, node: Drawn) -> None:
    translator.body.append(node["picture"])
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    app.add_node(Drawn, html=(visit, None))
    for transform in (DrawBlocks, DrawPipelines, InlineCharts):
        app.add_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
