"""APIs that count their pages or items, or say nothing, and those with a single page."""

from typing import Any

from api_shapes import (
    HOME,
    ITEMS,
    Answer,
    Shape,
    asked,
    by_number,
    by_offset,
    following,
    part,
    some,
)

from anystream.http import (
    Cursor,
    Header,
    LastItem,
    LinkHeader,
    NextURL,
    Offset,
    PageNumber,
    Scheme,
)

UNKNOWN = "SchemeNotFound"
PAGE = PageNumber("pg")


def numbers(
    name: str,
    make: Any,
    items: str,
    unaided: str = "complete",
    /,
    *,
    param: str = "page",
    start: int = 1,
    typo: Scheme = PAGE,
) -> Shape:
    best = {"next": PageNumber(param, start)}
    return Shape(name, by_number(make, param, start), items, best, {"next": typo}, unaided)


def offsets(
    name: str,
    make: Any,
    items: str,
    unaided: str = "complete",
    /,
    *,
    param: str = "offset",
    start: int = 0,
) -> Shape:
    best = {"next": Offset(param, start=start)}
    answer = by_offset(make, param, start)
    return Shape(name, answer, items, best, {"next": Offset(f"{param}z", start=start)}, unaided)


def flag(name: str, told: Any) -> Shape:
    """Only a flag, and the last item leads on."""

    def answer(request: Any) -> Any:
        start = asked(request, "after_id")
        return {"items": part(start), **told(following(start) is not None)}

    best = LastItem("id", "after_id", more=None)
    typo = LastItem("id", "afterid", more=None)
    return Shape(name, answer, "items", {"next": best}, {"next": typo}, UNKNOWN)


def ranged(items: list[Any], offset: int) -> Answer:
    last = offset + len(items)
    headers = {"Content-Range": f"{offset}-{last - 1}/25" if items else "*/25"}
    return Answer(items, 206 if last < len(ITEMS) else 200, headers)


def single(name: str, body: Any, items: str, unaided: str = "complete") -> Shape:
    """Five items in one page; what is asked for makes no difference."""
    best = {"max_pages": 1}
    return Shape(name, lambda _: body, items, best, {"max_pages": 1}, unaided, count=5)


def spring(items: list[Any], number: int) -> dict[str, Any]:
    return {
        "content": items,
        "pageable": {"pageNumber": number, "pageSize": 10, "offset": number * 10},
        "first": number == 0,
        "last": number >= 2,
        "totalPages": 3,
        "totalElements": 25,
        "number": number,
        "size": 10,
        "numberOfElements": len(items),
    }


FIVE = ITEMS[:5]

COUNTS = [
    flag("has_more", lambda more: {"has_more": more}),
    flag("isLastPage", lambda more: {"isLastPage": not more}),
    flag("lastPage", lambda more: {"page_info": {"lastPage": not more}}),
    flag("more", lambda more: {"more": more}),
    flag("truncated", lambda more: {"IsTruncated": more}),
    flag("end of list", lambda more: {"endOfList": not more}),
    offsets("total", lambda items, offset: {"total": 25, "items": items}, "items", UNKNOWN),
    offsets(
        "TotalCount", lambda items, offset: {"TotalCount": 25, "Items": items}, "Items", UNKNOWN
    ),
    offsets(
        "a total below",
        lambda items, offset: {"success": True, "result": {"count": 25, "results": items}},
        "result.results",
        UNKNOWN,
    ),
    offsets(
        "X-Total-Count",
        lambda items, offset: Answer(items, headers={"X-Total-Count": "25"}),
        "",
        UNKNOWN,
    ),
    offsets("Content-Range", ranged, "", UNKNOWN),
    offsets(
        "hits.total",
        lambda items, offset: {"hits": {"total": {"value": 25}, "hits": items}},
        "hits.hits",
        UNKNOWN,
        param="from",
    ),
    numbers(
        "total_pages",
        lambda items, number: {"meta": {"total_pages": 3}, "items": items},
        "items",
        UNKNOWN,
        param="p",
    ),
    numbers(
        "pageCount",
        lambda items, number: {"pagination": {"pageCount": 3}, "rows": items},
        "rows",
        UNKNOWN,
        param="p",
    ),
    numbers(
        "X-WP-TotalPages",
        lambda items, number: Answer(items, headers={"X-WP-TotalPages": "3"}),
        "",
        UNKNOWN,
        param="p",
    ),
    numbers("Spring", spring, "content", start=0),
    numbers(
        "a slice of Spring",
        lambda items, number: some(**{**spring(items, number), "totalPages": None}),
        "content",
        start=0,
    ),
    numbers(
        "page",
        lambda items, number: {"items": items, "page": number, "pages": 3},
        "items",
    ),
    numbers(
        "current_page",
        lambda items, number: {"data": items, "current_page": number, "last_page": 3},
        "data",
    ),
    numbers(
        "page from 0",
        lambda items, number: {"items": items, "page": number, "totalPages": 3},
        "items",
        start=0,
    ),
    numbers(
        "page, but the parameter is another one",
        lambda items, number: {"items": items, "page": number, "pages": 3},
        "items",
        UNKNOWN,
        param="p",
    ),
    numbers("page alone", lambda items, number: {"items": items, "page": number}, "items"),
    offsets(
        "offset", lambda items, offset: {"items": items, "offset": offset, "total": 25}, "items"
    ),
    offsets(
        "startAt",
        lambda items, start: {"issues": items, "startAt": start, "maxResults": 10, "total": 25},
        "issues",
        param="startAt",
    ),
    offsets(
        "skip",
        lambda items, skip: {"sys": {"type": "Array"}, "items": items, "skip": skip, "total": 25},
        "items",
        param="skip",
    ),
    offsets(
        "start",
        lambda items, start: {"docs": items, "start": start, "numFound": 25},
        "docs",
        param="start",
    ),
    offsets(
        "startIndex",
        lambda items, start: {"Resources": items, "startIndex": start, "totalResults": 25},
        "Resources",
        param="startIndex",
        start=1,
    ),
    offsets(
        "offset, but the parameter is another one",
        lambda items, offset: {"items": items, "offset": offset, "total": 25},
        "items",
        UNKNOWN,
        param="skip",
    ),
    offsets("offset alone", lambda items, offset: {"items": items, "offset": offset}, "items"),
    numbers("the lesson", lambda items, number: {"items": items}, "items"),
    numbers("a bare list", lambda items, number: items, ""),
    numbers("items from 0", lambda items, number: {"items": items}, "items", start=0),
    numbers("a bare list from 0", lambda items, number: items, "", start=0),
    numbers("null at the end", lambda items, number: {"items": items or None}, "items"),
    numbers("nothing at the end", lambda items, number: {"items": items} if items else {}, "items"),
    offsets("a bare list by offset", lambda items, offset: items, "", UNKNOWN),
    offsets("items by skip", lambda items, skip: {"items": items}, "items", UNKNOWN, param="skip"),
    single("one page of a bare list", FIVE, "", UNKNOWN),
    single("one page of items", {"items": FIVE}, "items", UNKNOWN),
    single("one page with null", {"results": FIVE, "next": None}, "results"),
    single("one page of Linode", {"data": FIVE, "page": 1, "pages": 1, "results": 5}, "data"),
    single("one page with its total", {"items": FIVE, "total": 5}, "items"),
    single("one page with has_more", {"items": FIVE, "has_more": False}, "items"),
    single(
        "one page of Slack",
        {"ok": True, "members": FIVE, "response_metadata": {"next_cursor": ""}},
        "members",
    ),
    single(
        "one page of JSON:API",
        {"jsonapi": {"version": "1.0"}, "data": FIVE, "links": {"self": HOME}},
        "data",
    ),
    single("one page of OData", {"@odata.context": "x", "value": FIVE}, "value"),
    single("one page of Google", {"kind": "drive#fileList", "files": FIVE}, "files"),
    single("one page of FHIR", {"resourceType": "Bundle", "entry": FIVE}, "entry"),
    single(
        "one page of Kubernetes",
        {"kind": "L", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": FIVE},
        "items",
    ),
    single("one page of MediaWiki", {"batchcomplete": "", "query": {"pages": FIVE}}, "query.pages"),
    single(
        "one page with Link",
        Answer(FIVE, headers={"Link": f'<{HOME}>; rel="first", <{HOME}>; rel="last"'}),
        "",
    ),
    single("one page with X-Total-Count", Answer(FIVE, headers={"X-Total-Count": "5"}), ""),
]

MISSPELT = {
    "total": Offset(total="totl"),
    "X-Total-Count": PageNumber(total=Header("X-Totl")),
    "has_more": Cursor("next", param="after_id"),
    "page": NextURL(),
    "offset": LinkHeader(),
}
"""More schemes that do not fit, by the names of shapes."""
