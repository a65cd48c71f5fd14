"""The entries of the reference: what autodoc makes of them, and what we add."""

import dataclasses
import re
import sys
from importlib import import_module
from inspect import isclass, isroutine, unwrap
from operator import attrgetter
from typing import Any

from docutils import nodes
from sections import MARBLES, SECTIONS, section, uses
from since import since
from sphinx import addnodes

FACTS = re.compile(
    r"^- \*\*(?:Ends|Errors|Cancellation|Costs).*?(?=^- |^$|\Z)", re.MULTILINE | re.DOTALL
)
OWNERS = re.compile(r"~(?:\w+\.)*~?")  # of a type, where autodoc does not know how to leave it out
REPRS = {
    "<class 'Exception'>": "Exception",
    "<function evenly>": "random.random",
}
CONSTANT = re.compile(r"(?:\w+\.)?[A-Z][A-Z_]+")


def add_facts(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Append when one needs an operator, its timelines and facts in the guides, and since when."""
    owner, _, short = name.rpartition(".")
    if owner in ("anystream", "anystream.Stream") and short in SECTIONS:
        page, heading = SECTIONS[short]
        text = section(short)
        use = uses(text, heading)
        lines += [use[short].replace("**", ""), ""] if short in use else []
        for marbles in MARBLES.findall(text):
            block = [f"   {line}".rstrip() for line in marbles.splitlines()]
            lines += [".. code-block:: marbles", "", *block, ""]
        for fact in FACTS.findall(text):
            lines += re.sub(r"\[(.*?)\]\(.*?\)", r"\1", fact, flags=re.DOTALL).splitlines()
        lines += ["", f":ref:`More of it in the guide <{page}:{heading}>`", ""]
    if isroutine(obj) or isclass(obj):
        lines += ["", ".. container:: since", "", f"   Since {since(name)}", ""]


def without_owners(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: Any
) -> tuple[str, Any] | None:
    """Write types with the parameters of functions as people write them."""
    if signature is None or "~" not in signature:
        return None
    short = OWNERS.sub("", signature)
    for shown, written in REPRS.items():
        short = short.replace(shown, written)
    return re.sub(r"\[\[(Concatenate\[.*?\])\]", r"[\1", short), returned


def shorten(app: Any, domain: str, kind: str, content: addnodes.desc_content) -> None:
    """Show the values of defaults, and of more than three signatures the first and the last."""
    signatures = [node for node in content.parent if isinstance(node, addnodes.desc_signature)]
    for node in signatures:
        for default in node.findall(nodes.inline):
            if "default_value" in default["classes"] and CONSTANT.fullmatch(default.astext()):
                default.children = [nodes.Text(value_of(node, default.astext()))]
    if len(signatures) > 3:
        for node in signatures[1:-1]:
            content.parent.remove(node)
        more = f"  and {len(signatures) - 2} more overloads, for type checkers"
        signatures[-1] += nodes.emphasis("", more, classes=["overloads"])


def value_of(signature: addnodes.desc_signature, name: str) -> str:
    """What stands behind the name of a constant; three dots if that can only be left out."""
    entry = attrgetter(signature["fullname"])(import_module(signature["module"]))
    value = vars(sys.modules[unwrap(entry).__module__]).get(name)
    if isinstance(value, int) and value >= 10_000:
        return f"{value:_}"
    if isinstance(value, (int, float, str, tuple, range)):
        return repr(value)
    if dataclasses.is_dataclass(value):
        changed = [
            f"{field.name}={getattr(value, field.name)!r}"
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != field.default
        ]
        return f"{type(value).__name__}({', '.join(changed)})"
    return "..."


def setup(app: Any) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", add_facts)
    app.connect("autodoc-process-signature", without_owners)
    app.connect("object-description-transform", shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
