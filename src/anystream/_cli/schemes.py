"""What `--next` says, as the scheme of `fetch_all_pages` that it stands for."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .values import integer

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

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

OTHERS = {
    "total_pages": ("total_pages", ("page",)),
    "total": ("total", ("page", "offset")),
    "end_status": ("end_statuses", ("page",)),
    "template": ("template", ("page", "offset")),
    "more": ("more", ("url", "cursor", "last")),
    "base": ("base", ("url",)),
    "next_url": ("url", ("cursor",)),
}
"""Other options that say something of a scheme: its argument, and the kinds that have it."""


@dataclass(frozen=True)
class Given:
    """A scheme, but for what other options say about it. `text` is what was given."""

    text: str
    kind: str
    place: str = ""
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])


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


READ: dict[str, Callable[[Any], Any]] = {"total_pages": place, "total": place, "end_status": tuple}


def build(given: Given, options: Namespace, size: str | None = None) -> Any:
    """The scheme, with what other options say."""
    from .. import http

    name, places, keywords = arguments(given, options, size)
    return getattr(http, name)(*places, **keywords)


def form_of(scheme: Any) -> str:
    """A scheme that was detected, as `--next` has it."""
    match type(scheme).__name__:
        case "LinkHeader":
            return "link"
        case "NextURL":
            return f"url:{scheme.path}"
        case "PageNumber":
            return f"page:{scheme.param}={scheme.start}"
        case _:
            return repr(scheme)
