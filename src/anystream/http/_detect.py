"""What a response says by itself: how it leads to the next page, and where its items are."""

import json
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from .._batches import MISSING
from ._links import link
from ._page import TOTALS, Header, Page, find, lookup, number_at
from ._schemes import LinkHeader, NextURL, Scheme

URLS = (
    "@odata.nextLink",
    "next",
    "links.next",
    "links.next.href",
    "_links.next.href",
    "nextRecordsUrl",
)
FLAGS = ("has_more", "hasMore", "has_next", "hasNext", "pageInfo.hasNextPage", "more")
CURSORS = (
    "next_cursor",
    "nextCursor",
    "next_page_token",
    "nextPageToken",
    "next_token",
    "nextToken",
    "response_metadata.next_cursor",
    "LastEvaluatedKey",
    Header("x-ms-continuationtoken"),
)
PAGES = ("total_pages", "totalPages", "page_count", "pageCount")
PAGES_HEADERS = (Header("X-WP-TotalPages"), Header("X-Total-Pages"))
IDENTITIES = ("id", "_id", "uuid", "guid", "key", "url", "slug")
"""What tells one item from another, in the order in which it is looked for."""


def scheme(page: Page[Any]) -> Scheme | None:
    """The scheme by which the response names the URL of the next page, if it does."""
    if link(page.response.headers.get_list("link"), "next") is not None:
        return LinkHeader()
    for path in URLS:
        target = lookup(page.data, path)
        if isinstance(target, str) and looks_like_url(target):
            return NextURL(path)
    return None


def looks_like_url(text: str) -> bool:
    return text.startswith(("http://", "https://", "/", "?"))


def more(page: Page[Any]) -> str | None:
    """What in the first page says that there are more, "" if it says that there are none.

    None if nothing in it says either.
    """
    came = len(page.records)
    told = False
    for place in (*FLAGS, *CURSORS, "next", "links.next"):
        value = find(page, place)
        told = told or value is not MISSING
        if value is not MISSING and value:
            return f"{in_words(place)} is {value!r}"
    for place in (*PAGES, *PAGES_HEADERS):
        count = number_at(page, place)
        told = told or count is not None
        if count is not None and count > 1:
            return f"{in_words(place)} is {count}"
    for place in TOTALS:
        count = number_at(page, place)
        told = told or count is not None
        if count is not None and count > came:
            return f"{in_words(place)} is {count}, and {came} items have come"
    return "" if told else None


def shared(page: Page[Any], other: Page[Any]) -> list[bool]:
    """For each item of `other`, whether it is one of `page`."""
    key = identity([*page.records, *other.records])
    known = {key(item) for item in page.records}
    return [key(item) in known for item in other.records]


def identity(items: list[Any]) -> Callable[[Any], Any]:
    """What an item is known by: an id if all of them have one, otherwise all of it."""
    for name in IDENTITIES:
        if all(isinstance(item, dict) and isinstance(item.get(name), str | int) for item in items):
            return itemgetter(name)
    return lambda item: json.dumps(item, sort_keys=True)


def in_words(place: str | Header) -> str:
    return f"the header {place.name}" if isinstance(place, Header) else repr(place)


def lists(data: Any) -> list[str]:
    """The paths of the lists that could be the items: the body itself, or those nearest the top."""
    if issubclass(type(data), list):
        return [""]
    top = dict(members(data))
    found = [key for key, value in top.items() if issubclass(type(value), list)]
    return found or [
        f"{key}.{inner}"
        for key, part in top.items()
        for inner, value in members(part)
        if issubclass(type(value), list)
    ]


def members(data: Any) -> Iterable[tuple[str, Any]]:
    return data.items() if issubclass(type(data), dict) else ()
