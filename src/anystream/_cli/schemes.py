"""What `--next` says, as the scheme of `fetch_all_pages` that it stands for."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass
from typing import Any

from .values import integer

FORMS = """\
link[:REL]            the Link header, the link with rel="next" or that REL
url:PATH              the URL in the body at PATH, whole or relative
cursor:PATH=PARAM     the cursor in the body at PATH, sent as the query's PARAM,
                      or as a field of the JSON body with PARAM = body:FIELD
header:NAME=PARAM     the token in the response's header NAME, sent as PARAM
page[:PARAM[=START]]  page numbers, sent as PARAM (page), from START (1)
offset[:PARAM[=START]]
                      how many items there were so far, sent as PARAM (offset)
last:KEY=PARAM        the KEY of the last item, sent as PARAM, while has_more is true
keyset:KEY=PARAM      the same up to a page without items
graphql:PATH          pageInfo beside the items at PATH, sent as the variable after"""

KINDS = ("link", "url", "cursor", "header", "page", "offset", "last", "keyset", "graphql")


@dataclass(frozen=True)
class Given:
    """A scheme, but for what other options say about it. `text` is what was given."""

    text: str
    kind: str
    place: str = ""
    param: str = ""
    start: int | None = None


def scheme(text: str) -> Given:
    kind, colon, rest = text.partition(":")
    if kind not in KINDS or (colon and not rest):
        known = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
        raise ArgumentTypeError(f"{text!r} must begin with {known}; --help shows the forms")
    if kind in ("link", "page", "offset"):
        name, equals, start = rest.partition("=")
        if equals and (kind == "link" or not name):
            raise ArgumentTypeError(f"{text!r} must be {form(kind)}")
        return Given(text, kind, "", name, integer(0)(start) if equals else None)
    place, equals, param = rest.rpartition("=")
    if kind in ("url", "graphql"):
        place, equals, param = rest, "=", "-"
    if not (place and equals and param.removeprefix("body:")):
        raise ArgumentTypeError(f"{text!r} must be {form(kind)}")
    return Given(text, kind, place, param)


def form(kind: str) -> str:
    """The form of that kind, as the help has it."""
    return next(line.split()[0] for line in FORMS.splitlines() if line.startswith(kind))


def build(
    given: Given,
    *,
    total_pages: Any = None,
    total: Any = None,
    end_statuses: tuple[int, ...] = (),
    page_size: str | None = None,
) -> Any:
    """The scheme, with what other options say; `page_size` is the parameter for how many items."""
    from .. import http

    size = {} if page_size is None else {"size": page_size}
    place, param, start = given.place, given.param, given.start
    match given.kind:
        case "link":
            return http.LinkHeader(param or "next", **size)
        case "url":
            return http.NextURL(place, **size)
        case "cursor":
            where = {"body": param.removeprefix("body:")} if "body:" in param else {"param": param}
            return http.Cursor(place, **where, **size)
        case "header":
            return http.HeaderCursor(place, param, **size)
        case "page":
            return http.PageNumber(
                param or "page",
                1 if start is None else start,
                total_pages=total_pages,
                total=total,
                end_statuses=end_statuses,
                **size,
            )
        case "offset":
            return http.Offset(param or "offset", total=total, start=start or 0, **size)
        case "last":
            return http.LastItem(place, param, **size)
        case "keyset":
            return http.LastItem(place, param, more=None, **size)
        case _:
            return http.GraphQL(place, **size)


def form_of(scheme: Any) -> str:
    """A scheme that was detected, as `--next` has it."""
    from .. import http

    if isinstance(scheme, http.LinkHeader):
        return "link"
    return f"url:{scheme.path}" if isinstance(scheme, http.NextURL) else "page"


def place(text: str) -> Any:
    """A path in the body, or `header:NAME`."""
    from ..http import Header

    name = text.removeprefix("header:")
    return text if name == text else Header(name)
