"""What `--next` says, as the scheme of `fetch_all_pages` that it stands for."""

from __future__ import annotations

import ast
import re
import shlex
from argparse import ArgumentTypeError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from .values import as_option, integer

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping

FORMS = """\
link[:REL]            the Link header, the link with rel="next" or that REL
url:PATH              the URL in the body at PATH, whole or relative;
                      links[rel=next].href looks into a list
cursor:PATH=PARAM     the cursor in the body at PATH
header:NAME=PARAM     the token in the response's header NAME
params:PATH           the parameters in the object at PATH
page[:PARAM[=START]]  page numbers, sent as PARAM (page), from START (1)
offset[:PARAM[=START]]
                      the number of items so far, sent as PARAM (offset)
last:KEY=PARAM        the KEY of the last item, while has_more is true;
                      KEY+1 sends one more than that number
keyset:KEY=PARAM      the same up to a page without items
graphql:PATH          pageInfo beside the items at PATH, sent as the variable after
PARAM is a parameter of the query, or body:FIELD for a field of the JSON body
(not for header), or header:NAME for a header of the request (cursor, header)."""

CLASSES = {
    "link": "LinkHeader",
    "url": "NextURL",
    "cursor": "Cursor",
    "header": "HeaderCursor",
    "params": "NextParams",
    "page": "PageNumber",
    "offset": "Offset",
    "last": "LastItem",
    "keyset": "LastItem",
    "graphql": "GraphQL",
}

PLACES = {
    "link": ("rel",),
    "header": ("header",),
    **dict.fromkeys(("url", "cursor", "params", "graphql"), ("path",)),
    **dict.fromkeys(("last", "keyset"), ("key",)),
    **dict.fromkeys(("page", "offset"), ()),
}
"""The argument that each kind has first."""

SENT = {"param": "", "body": "body:", "to_header": "header:", "header": "header:"}
"""Arguments that say where the next request has it, and how `--next` writes that."""

OTHERS = {
    "total_pages": ("total_pages", ("page",)),
    "total": ("total", ("page", "offset")),
    "end_status": ("end_statuses", ("page",)),
    "template": ("template", ("page", "offset")),
    "more": ("more", ("url", "cursor", "params", "last")),
    "base": ("base", ("url",)),
    "next_url": ("url", ("cursor",)),
}
"""Other options that say something of a scheme: its argument, and the kinds that have it."""


class Given(NamedTuple):
    """A scheme, but for what other options say about it. `text` is what was given."""

    text: str
    kind: str
    place: str = ""
    arguments: Mapping[str, Any] = MappingProxyType({})


def scheme(text: str) -> Given:
    kind, colon, rest = text.partition(":")
    if kind not in CLASSES or (colon and not rest):
        *names, last = CLASSES
        raise ArgumentTypeError(
            f"{text!r} must begin with {', '.join(names)} or {last}; --help shows the forms"
        )
    if kind in ("link", "url", "params", "graphql"):
        if (kind == "link" and "=" in rest) or (kind != "link" and not rest):
            raise unlike(text, kind)
        return Given(text, kind, rest)
    if kind in ("page", "offset"):
        name, equals, start = rest.partition("=")
        if equals and not name:
            raise unlike(text, kind)
        arguments = sent_as(text, kind, name) if name else {}
        return Given(
            text, kind, "", {**arguments, **({"start": integer(0)(start)} if equals else {})}
        )
    place, _, name = rest.rpartition("=")
    if not (place and name):
        raise unlike(text, kind)
    arguments = sent_as(text, kind, name)
    if kind in ("last", "keyset"):
        number = re.fullmatch(r"(.+)\+([0-9]{1,9})", place)
        if number:
            place, arguments["add"] = number[1], int(number[2])
    if kind == "keyset":
        arguments["more"] = None
    return Given(text, kind, place, arguments)


def sent_as(text: str, kind: str, name: str) -> dict[str, Any]:
    """Where the next request has it: the argument for that, with the name."""
    if name.startswith("body:") and kind != "header":
        argument = "body"
    elif name.startswith("header:") and kind in ("cursor", "header"):
        argument = "header" if kind == "cursor" else "to_header"
    else:
        return {"param": name}
    name = name.partition(":")[2]
    if not name:
        raise unlike(text, kind)
    return {argument: name}


def unlike(text: str, kind: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"{text!r} must be {form(kind)}")


def form(kind: str) -> str:
    """The form of that kind, as the help has it."""
    return next(line.split()[0] for line in FORMS.splitlines() if line.startswith(kind))


def arguments(
    given: Given, options: Namespace, size: str | None = None
) -> tuple[str, list[str], dict[str, Any]]:
    """The class of the scheme and its arguments; `size` is the parameter for `page_size`."""
    keywords = dict(given.arguments)
    for option, (keyword, _) in OTHERS.items():
        value = getattr(options, option)
        if value:
            keywords[keyword] = READ.get(option, lambda same: same)(value)
    if size is not None:
        keywords["size"] = size
    return CLASSES[given.kind], [given.place] if given.place else [], keywords


def place(text: str) -> Any:
    """A path in the body, or `header:NAME`."""
    from ..http import Header

    name = text.removeprefix("header:")
    return text if name == text else Header(name)


READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("total_pages", "total", "more"), place),
    "end_status": tuple,
}


def build(given: Given, options: Namespace, size: str | None = None) -> Any:
    """The scheme, with what other options say."""
    from .. import http

    name, places, keywords = arguments(given, options, size)
    return getattr(http, name)(*places, **keywords)


def form_of(call: str) -> str:
    """A scheme as it is written in Python, `Cursor('a', param='b')`, as options: `cursor:a=b`."""
    name = call.partition("(")[0]
    if name == "Numbering":  # what is tried where nothing says how to continue
        return "page"
    kind = next((kind for kind, each in CLASSES.items() if each == name), None)
    if kind is None:
        return call
    said = arguments_of(call, [*PLACES[kind], "param", "start"])
    if said.get("more", "") is None:
        kind = "keyset"
    if kind == "url":
        said.setdefault("path", "next")
    places = [said.pop(key) for key in PLACES[kind] if key in said]
    sent = [prefix + said.pop(key) for key, prefix in SENT.items() if key in said]
    if kind in ("page", "offset"):
        start = [str(said["start"])] if "start" in said else []
        places, sent = sent or [kind] * len(start), start
    elif "add" in said:
        places[0] += f"+{said['add']}"
    form = f"{kind}:{'='.join([*places, *sent])}" if places else kind
    others = [
        f" {as_option(option)} {shlex.quote(said[keyword])}"
        for option, (keyword, _) in OTHERS.items()
        if isinstance(said.get(keyword), str)
    ]
    return shlex.quote(form) + "".join(others)


def arguments_of(call: str, names: list[str]) -> dict[str, Any]:
    """What a class is called with; `names` are those of the arguments that have none."""
    tree: Any = ast.parse(call, mode="eval").body
    named = ((each.arg, each.value) for each in tree.keywords)
    return {name: plain(value) for name, value in (*zip(names, tree.args, strict=False), *named)}


def plain(value: ast.expr) -> Any:
    """A constant, or the header that is meant, as `place` has it."""
    if isinstance(value, ast.Call):
        return f"header:{plain(value.args[0])}"
    return ast.literal_eval(value)
