"""Tabs: the blocks of code below a comment are variants, of which the site shows one.

    <!-- tabs: pip, uv -->

Elsewhere they stand below each other. There is no script: the tabs are radio buttons.
"""

import re
from html import escape
from typing import Any

from docutils import nodes
from sphinx.errors import SphinxError
from sphinx.transforms import SphinxTransform

COMMENT = re.compile(r"<!-- tabs: (.*?) -->")


class Tabs(nodes.container):
    """Blocks with their names."""


class FindTabs(SphinxTransform):
    default_priority = 390  # before the blocks are drawn

    def apply(self, **kwargs: Any) -> None:
        marks = [node for node in self.document.findall(nodes.raw) if tabs_of(node)]
        for number, mark in enumerate(marks):
            names = tabs_of(mark)
            place = mark.parent.index(mark) + 1
            blocks = mark.parent.children[place : place + len(names)]
            if not all(isinstance(block, nodes.literal_block) for block in blocks):
                raise SphinxError(f"{self.env.docname}: {mark.astext()} needs {len(names)} blocks")
            tabs = Tabs(names=[], labels=names, number=number)
            for block in blocks:
                mark.parent.remove(block)
            tabs += [nodes.container("", block, classes=["tab"]) for block in blocks]
            mark.replace_self(tabs)


def tabs_of(node: nodes.raw) -> list[str]:
    found = COMMENT.fullmatch(node.astext().strip())
    return found[1].split(", ") if found else []


def visit(translator: Any, node: Tabs) -> None:
    parts = ['<div class="tabs" role="radiogroup" aria-label="Variants">']
    for place, label in enumerate(node["labels"]):
        name = f"tabs-{node['number']}"
        checked = "" if place else " checked"
        parts.append(f'<input type="radio" name="{name}" id="{name}-{place}"{checked}>')
        parts.append(f'<label for="{name}-{place}">{escape(label)}</label>')
    translator.body.append("".join(parts))


def depart(translator: Any, node: Tabs) -> None:
    translator.body.append("</div>")


def setup(app: Any) -> dict[str, bool]:
    app.add_node(Tabs, html=(visit, depart))
    app.add_transform(FindTabs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
