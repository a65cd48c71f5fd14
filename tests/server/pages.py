"""A route for every way to turn pages, all over the same items.

`?n=` is how many items there are, `?size=` how many a page has, and `?verbatim=1` gives them texts
that are not the same any more when they are parsed and written again.

| route | the next page is found by | as in |
|---|---|---|
| `/page` | `?page=`; `total_pages`, `total`, headers; `?past=404` is for the end | WordPress |
| `/offset` | `?offset=&limit=`, `total`; `?cap=` lowers the limit silently | Jira |
| `/cursor` | `?cursor=`, `next_cursor`, empty at the end | Slack |
| `/cursor-more` | POST: `start_cursor`, `next_cursor`, `has_more` | Notion |
| `/next` | `next`, an absolute URL | Django |
| `/odata` | `@odata.nextLink` | Microsoft Graph |
| `/salesforce` | `nextRecordsUrl`, a relative URL, and `done` | Salesforce |
| `/hal` | `_links.next.href` | HAL |
| `/jsonapi` | `links.next` | JSON:API |
| `/link` | the header `Link` | GitHub |
| `/header` | the header `x-ms-continuationtoken`, `?continuationToken=` | Azure DevOps |
| `/last` | `?starting_after=`, the id of the last item, and `has_more` | Stripe |
| `/graphql` | POST: `after`, `pageInfo` with `endCursor` and `hasNextPage` | GitHub |
| `/keyset` | `?max_id=`, newest first, until a page is empty | Mastodon |
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anystream._cli.server.http import JSON, Answer, Request, as_json

from .asking import fields_of, url_with
from .faults import Fault
from .items import count_of, texts_of

_ITEMS = "@items"
"""Where the texts of the items go: a string that no content of ours has."""


@dataclass(frozen=True)
class ServedPage:
    """The items from `start` on, counted from 0, at most `size` of them."""

    request: Request
    start: int
    size: int
    shown: range  # the numbers of the items
    fault: str | None
    other: str  # the other origin

    @property
    def total(self) -> int:
        return count_of(self.request) + (5 if self.fault == "total" else 0)

    @property
    def next(self) -> int | None:
        """Where the next page begins, if there is one."""
        if self.fault == "loop":
            return _back(self.request, self.start, self.size)
        end = self.start + self.size
        return end if end < count_of(self.request) else None

    @property
    def token(self) -> str | None:
        """The same, as something to send back, with characters that a query has to escape."""
        return None if self.next is None else f"at+{self.next}/="

    @property
    def url(self) -> str | None:
        """The same, as an absolute URL."""
        return None if self.next is None else self.url_at(self.next)

    @property
    def relative_url(self) -> str | None:
        if self.next is None or self.fault == "origin":
            return self.url
        return self.request.target_with(start=self.next or None)

    def url_at(self, start: int) -> str:
        """The URL of the page that begins there. That of the first one says nothing about it."""
        if self.fault == "origin":
            return self.other + self.request.target_with(start=start or None)
        return url_with(self.request, start=start or None)

    def answer(self, content: Any, **headers: str | None) -> Answer:
        """This content, with the texts of the items for `_ITEMS` in it."""
        if self.fault == "two":
            content = _with_second_list(content)
        items = ", ".join(texts_of(self.shown, self.request))
        text = '{"id": 0}' if self.fault == "listless" else f"[{items}]"
        body = json.dumps(content).replace(json.dumps(_ITEMS), text, 1).encode()
        more = [(name.replace("_", "-"), value) for name, value in headers.items() if value]
        return Answer(body, headers=(JSON, *more))


def _back(request: Request, start: int, size: int) -> int:
    """Where the page begins that a loop leads to."""
    return max(0, start - request.number("back", 1) * size)


def _with_second_list(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    found: dict[str, Any] = {name: _with_second_list(value) for name, value in content.items()}  # pyright: ignore[reportUnknownVariableType]
    return {**found, "others": [{"id": 0}]} if _ITEMS in found.values() else found


def _size(request: Request) -> int:
    return request.number("size", 10)


@dataclass(frozen=True)
class Turning:
    """One way to turn pages."""

    content: Callable[[ServedPage], Answer]
    start: Callable[[Request], int]
    size: Callable[[Request], int] = _size
    methods: tuple[str, ...] = ("GET",)
    linked: bool = True  # an answer says what to ask for next, apart from the items
    newest_first: bool = False

    def page(self, request: Request) -> int:
        """Which page is asked for, counted from 1."""
        start, size = self.place(request)
        return start // size + 1

    def place(self, request: Request) -> tuple[int, int]:
        """Where the page begins that is asked for, and how many items it may have."""
        start, size = self.start(request), self.size(request)
        if start < 0 or size < 1:
            raise ValueError(f"no page has {size} items from {start} on")
        return start, size

    def answer(self, request: Request, fault: Fault | None) -> Answer:
        start, size = self.place(request)
        kind, other = (fault.kind, fault.other) if fault else (None, "")
        # Where the items tell what comes next, older ones lead back.
        shown = _back(request, start, size) if kind == "loop" and not self.linked else start
        numbers = range(1, count_of(request) + 1)[:: -1 if self.newest_first else 1]
        count = 0 if kind == "empty" else size
        page = ServedPage(request, start, size, numbers[shown : shown + count], kind, other)
        return self.content(page)


# -- where a request begins ---------------------------------------------------------------------


def _start(request: Request) -> int:
    return request.number("start", 0)


def _start_of_page(request: Request) -> int:
    return (request.number("page", 1) - 1) * _size(request)


def _offset(request: Request) -> int:
    return request.number("offset", 0)


def _limit(request: Request) -> int:
    limit = request.number("limit", _size(request))
    return min(limit, request.number("cap", limit))


def _start_at(token: str | None) -> int:
    return int(token.removeprefix("at+").removesuffix("/=")) if token else 0


def _cursor(request: Request) -> int:
    return _start_at(request.query.get("cursor"))


def _start_cursor(request: Request) -> int:
    return _start_at(fields_of(request).get("start_cursor"))


def _continuation(request: Request) -> int:
    return _start_at(request.query.get("continuationToken"))


def _variables(request: Request) -> dict[str, Any]:
    fields = fields_of(request)
    if "query" not in fields:
        raise ValueError("the body must have a query")
    return fields.get("variables") or {}


def _after(request: Request) -> int:
    return _start_at(_variables(request).get("after"))


def _first(request: Request) -> int:
    return int(_variables(request).get("first") or _size(request))


def _starting_after(request: Request) -> int:
    return request.number("starting_after", 0)


def _below(request: Request) -> int:
    count = count_of(request)
    return count + 1 - request.number("max_id", count + 1)


# -- what is in an answer -----------------------------------------------------------------------


def _by_page(page: ServedPage) -> Answer:
    past = page.request.number("past", 0)
    if past and page.start >= count_of(page.request):
        return as_json({"code": "invalid_page_number"}, past)
    number, pages = page.start // page.size + 1, -(-page.total // page.size)
    content = {"page": number, "total_pages": pages, "total": page.total, "items": _ITEMS}
    return page.answer(content, X_Total=str(page.total), X_WP_TotalPages=str(pages))


def _by_offset(page: ServedPage) -> Answer:
    content = {"offset": page.start, "limit": page.size, "total": page.total, "items": _ITEMS}
    return page.answer(content)


def _by_cursor(page: ServedPage) -> Answer:
    return page.answer({"data": _ITEMS, "next_cursor": page.token or ""})


def _by_cursor_and_more(page: ServedPage) -> Answer:
    more = page.token is not None
    return page.answer({"results": _ITEMS, "next_cursor": page.token, "has_more": more})


def _by_next(page: ServedPage) -> Answer:
    return page.answer({"count": page.total, "next": page.url, "results": _ITEMS})


def _by_odata(page: ServedPage) -> Answer:
    link = {"@odata.nextLink": page.url} if page.url else {}
    return page.answer({"@odata.count": page.total, "value": _ITEMS, **link})


def _by_records(page: ServedPage) -> Answer:
    link = {"nextRecordsUrl": page.relative_url} if page.url else {}
    return page.answer(
        {"totalSize": page.total, "done": page.url is None, "records": _ITEMS, **link}
    )


def _by_hal(page: ServedPage) -> Answer:
    links = {"self": {"href": page.url_at(page.start)}}
    if page.url:
        links["next"] = {"href": page.url}
    return page.answer({"_links": links, "_embedded": {"items": _ITEMS}})


def _by_links(page: ServedPage) -> Answer:
    links = {"self": page.url_at(page.start), "next": page.url}
    return page.answer({"data": _ITEMS, "links": links})


def _by_link_header(page: ServedPage) -> Answer:
    links = [f'<{page.url_at(0)}>; rel="first"']
    if page.url:
        links.append(f'<{page.url}>; rel="next"')
    return page.answer(_ITEMS, Link=", ".join(links))


def _by_token_header(page: ServedPage) -> Answer:
    content = {"count": len(page.shown), "value": _ITEMS}
    return page.answer(content, x_ms_continuationtoken=page.token)


def _by_last_item(page: ServedPage) -> Answer:
    return page.answer({"object": "list", "has_more": page.next is not None, "data": _ITEMS})


def _by_graphql(page: ServedPage) -> Answer:
    end = page.token or f"at+{count_of(page.request)}/="
    info = {"hasNextPage": page.next is not None, "endCursor": end}
    issues = {"totalCount": page.total, "nodes": _ITEMS, "pageInfo": info}
    return page.answer({"data": {"repository": {"issues": issues}}})


def _by_id(page: ServedPage) -> Answer:
    return page.answer(_ITEMS)


SCHEMES: Mapping[str, Turning] = {
    "/page": Turning(_by_page, _start_of_page, linked=False),
    "/offset": Turning(_by_offset, _offset, _limit, linked=False),
    "/cursor": Turning(_by_cursor, _cursor),
    "/cursor-more": Turning(_by_cursor_and_more, _start_cursor, methods=("POST",)),
    "/next": Turning(_by_next, _start),
    "/odata": Turning(_by_odata, _start),
    "/salesforce": Turning(_by_records, _start),
    "/hal": Turning(_by_hal, _start),
    "/jsonapi": Turning(_by_links, _start),
    "/link": Turning(_by_link_header, _start),
    "/header": Turning(_by_token_header, _continuation),
    "/last": Turning(_by_last_item, _starting_after, linked=False),
    "/graphql": Turning(_by_graphql, _after, _first, methods=("POST",)),
    "/keyset": Turning(_by_id, _below, linked=False, newest_first=True),
}
