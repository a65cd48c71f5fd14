"""APIs whose numbers count something else, or that say something of other things as well."""

from typing import Any

from api_shapes import (
    HOME,
    ITEMS,
    Answer,
    Shape,
    asked,
    body_of,
    by_cursor,
    by_number,
    following,
    part,
    some,
)
from shapes_counts import FIVE, UNKNOWN, numbers, offsets, single
from shapes_links import named

from anystream.http import Cursor, LinkHeader, NextURL, Offset, PageNumber


def is_more(offset: int) -> bool:
    return following(offset) is not None


def beside_cursor(name: str, told: Any) -> Shape:
    """A total that is that of the page, and a cursor, of which nothing says how to send it back."""

    def make(items: list[Any], cursor: str | None) -> Any:
        return some(items=items, next_cursor=cursor, **told(items))

    best = {"next": Cursor("next_cursor", param="cursor")}
    typo = {"next": Cursor("nextcursor", param="cursor")}
    return Shape(name, by_cursor(make, "cursor"), "items", best, typo, UNKNOWN)


def beside(name: str, **others: Any) -> Shape:
    """The URL of the next page, up to null, beside objects about something else."""
    return named(
        name,
        lambda items, url: {"items": items, "next": url, **others},
        "items",
        "next",
        "nxt",
    )


def beside_link(request: Any) -> Answer:
    start = asked(request, "after")
    link = (
        f'<{HOME}?after={start + 10}>; rel="next"' if is_more(start) else f'<{HOME}>; rel="first"'
    )
    return Answer({"items": part(start), "task": {"done": True}}, headers={"Link": link})


def passing_over(place: Any) -> Any:
    """An API that counts what the user may not see, and says where the next page begins."""
    places = [item for pair in zip(ITEMS, [None] * len(ITEMS), strict=True) for item in pair]

    def answer(request: Any) -> Any:
        start = asked(request, "start")
        following = start + 10 if start + 10 < len(places) else None
        return place([item for item in places[start : start + 10] if item], start, following)

    return answer


def bitbucket(items: list[Any], start: int, following: int | None) -> Any:
    last = following is None
    told = {"size": len(items), "limit": 10, "isLastPage": last, "start": start}
    return some(values=items, **told, nextPageStart=following)


def pipedrive(items: list[Any], start: int, following: int | None) -> Any:
    more = following is not None
    pagination = some(start=start, limit=10, more_items_in_collection=more, next_start=following)
    return {"success": True, "data": items, "additional_data": {"pagination": pagination}}


def by_start(name: str, make: Any, items: str, path: str) -> Shape:
    best = {"next": Cursor(path, param="start")}
    typo = {"next": Cursor(f"{path}s", param="start")}
    return Shape(name, passing_over(make), items, best, typo)


def aws(name: str, path: str, body: str) -> Shape:
    """A cursor of a name of its own, in an API of which it is known that some name ends a run."""
    return Shape(
        name,
        by_cursor(lambda items, cursor: some(Found=items, **{path: cursor}), body=body),
        "Found",
        {"next": Cursor(path, body=body)},
        {"next": Cursor(f"{path}s", body=body)},
        UNKNOWN,
        ask={"method": "POST", "json": {}, "headers": {"X-Amz-Target": "Service.List"}},
    )


def by_row(request: Any) -> Any:
    start = body_of(request).get("startRow", 0)
    return {"rows": part(start), "responseAggregationType": "byProperty"}


def not_found_beyond(items: list[Any], number: int) -> Any:
    return {"items": items, "page": number, "totalPages": 3} if items else Answer({}, 404)


def refused_beyond(items: list[Any], number: int) -> Any:
    return {"items": items, "page": number, "total": 25} if items else Answer({}, 404)


def for_ever(make: Any) -> Any:
    """An API that names a next page on each one, also beyond the last."""

    def answer(request: Any) -> Any:
        offset = asked(request, "offset")
        return make(part(offset), f"{HOME}?offset={offset + 10}")

    return answer


def mailgun(items: list[Any], url: str) -> Any:
    return {"items": items, "paging": {"first": HOME, "previous": HOME, "next": url, "last": HOME}}


def ckan(items: list[Any], url: str) -> Any:
    links = {"start": HOME, "next": url}
    return {"success": True, "result": {"total": 25, "records": items, "_links": links}}


MISLEADING = [
    Shape(
        "a total, and nothing beyond",
        by_number(refused_beyond, "page"),
        "items",
        {"next": PageNumber(end_statuses=(404,))},
        {"next": PageNumber("pg")},
    ),
    Shape(
        "Mailgun",
        for_ever(mailgun),
        "items",
        {"next": Offset()},
        {"next": NextURL("paging.nxt")},
    ),
    Shape(
        "CKAN",
        for_ever(ckan),
        "result.records",
        {"next": NextURL("result._links.next")},
        {"next": NextURL("result._links.nxt")},
    ),
    offsets(
        "CouchDB",
        lambda items, skip: {"total_rows": 25, "offset": skip, "rows": items},
        "rows",
        param="skip",
    ),
    offsets(
        "Directus",
        lambda items, _: {"data": items, "meta": {"total_count": 400, "filter_count": 25}},
        "data",
        UNKNOWN,
    ),
    single(
        "one page of DataTables",
        {"draw": 1, "recordsTotal": 400, "recordsFiltered": 5, "data": FIVE},
        "data",
    ),
    single(
        "one page of YouTube",
        {
            "kind": "youtube#videoListResponse",
            "pageInfo": {"totalResults": 1_000_000, "resultsPerPage": 50},
            "items": FIVE,
        },
        "items",
    ),
    single(
        "Elasticsearch that has stopped counting",
        {"_shards": {}, "hits": {"total": {"value": 5, "relation": "gte"}, "hits": FIVE}},
        "hits.hits",
        UNKNOWN,
    ),
    offsets(
        "Oracle",
        lambda items, offset: {
            "items": items,
            "count": len(items),
            "hasMore": is_more(offset),
            "limit": 10,
            "offset": offset,
            "links": [{"rel": "self", "href": HOME}],
        },
        "items",
    ),
    *(
        offsets(
            f"total: {total} beside a flag",
            lambda items, offset, total=total: {
                "items": items,
                "total": len(items) if total == "of the page" else total,
                "more": is_more(offset),
                "offset": offset,
            },
            "items",
        )
        for total in ("of the page", 0, -1, 15)
    ),
    *(
        numbers(
            f"pages: {pages} beside a flag",
            lambda items, number, pages=pages: {
                "page": number,
                "pages": pages,
                "has_next": number < 3,
                "items": items,
            },
            "items",
        )
        for pages in (1, 0, -1)
    ),
    offsets(
        "LinkedIn",
        lambda items, start: {"elements": items, "paging": {"start": start, "count": 10}},
        "elements",
        param="start",
    ),
    *(
        offsets(
            f"{offset} and {count} of the page",
            lambda items, at, offset=offset, count=count: {
                "values": items,
                "meta": {offset: at, count: len(items)},
            },
            "values",
            param=offset,
        )
        for offset, count in (
            ("offset", "count"),
            ("startAt", "itemCount"),
            ("skip", "result_count"),
            ("start", "entry_count"),
        )
    ),
    offsets(
        "a token beside an offset",
        lambda items, offset: some(
            items=items, offset=offset, next_token=f"t{offset}" if is_more(offset) else None
        ),
        "items",
    ),
    beside_cursor("a total of the page beside a cursor", lambda items: {"total": len(items)}),
    beside_cursor("total_count beside a cursor", lambda items: {"total_count": len(items)}),
    beside_cursor("a total below beside a cursor", lambda items: {"meta": {"total": len(items)}}),
    numbers(
        "PocketBase without totals",
        lambda items, number: {
            "page": number,
            "perPage": 10,
            "totalItems": -1,
            "totalPages": -1,
            "items": items,
        },
        "items",
    ),
    numbers("a total of 0", lambda items, number: {"items": items, "total": 0}, "items"),
    numbers("0 pages", lambda items, number: {"items": items, "pages": 0}, "items"),
    numbers("a sum", lambda items, number: {"items": items, "total": 5, "vat": 1}, "items"),
    numbers(
        "a total of something else",
        lambda items, number: {"items": items, "facets": {"color": {"total": 500}}},
        "items",
    ),
    numbers(
        "pages of something else",
        lambda items, number: {"items": items, "contract": {"pages": 1}},
        "items",
    ),
    *(
        numbers(
            f"{name}: 0",
            lambda items, number, name=name: Answer(items, headers={name: "0"}),
            "",
        )
        for name in ("X-Total", "X-Total-Pages")
    ),
    offsets(
        "startIndex from 0",
        lambda items, start: {"found": items, "startIndex": start, "totalResults": 25},
        "found",
        param="startIndex",
    ),
    offsets(
        "startIndex from 0 alone",
        lambda items, start: {"found": items, "startIndex": start},
        "found",
        param="startIndex",
    ),
    offsets(
        "start from 1",
        lambda items, start: {"items": items, "start": start, "total": 25},
        "items",
        param="start",
        start=1,
    ),
    Shape(
        "page from 0, and nothing beyond",
        by_number(not_found_beyond, "page", 0),
        "items",
        {"next": PageNumber(start=0, total_pages="totalPages")},
        {"next": PageNumber("pg", 0, total_pages="totalPages")},
    ),
    numbers(
        "Laravel without links",
        lambda items, number: {
            "data": items,
            "meta": some(
                current_page=number,
                **({"from": number * 10 - 9} if items else {}),
                to=min(number * 10, 25) if items else None,
                total=25,
            ),
        },
        "data",
    ),
    by_start("Bitbucket's data center", bitbucket, "values", "nextPageStart"),
    by_start("Pipedrive", pipedrive, "data", "additional_data.pagination.next_start"),
    beside("the task of the items", task={"id": 5, "done": True}),
    beside("a game that is over", game={"isFinal": True}),
    beside("a plan far below", viewer={"plan": {"trial": {"final": True}}}),
    beside("annotations", metadata={"annotations": {"done": True}}),
    beside("features", features={"more_reactions": False}),
    beside("seats", plan={"has_more_seats": True}),
    beside("pages of an author", author={"posts": {"next": "/author/posts?page=2"}}),
    beside("links of others", included_meta={"links": {"next": "/author/posts?page=2"}}),
    beside("items of others", author={"has_more": True, "posts": FIVE}),
    Shape(
        "a Link header beside a task",
        beside_link,
        "items",
        {"next": LinkHeader()},
        {"next": LinkHeader("nxet")},
    ),
    numbers(
        "a task beside numbers", lambda items, _: {"items": items, "task": {"done": 1 > 0}}, "items"
    ),
    numbers(
        "JSON:API without links",
        lambda items, number: {"jsonapi": {"version": "1.0"}, "data": items},
        "data",
    ),
    Shape(
        "Google's search",
        by_number(
            lambda items, number: {
                "kind": "customsearch#search",
                "queries": some(nextPage=[{"startIndex": 11}] if number < 3 else None),
                "items": items,
            },
            "start",
        ),
        "items",
        {"next": PageNumber("start")},
        {"next": NextURL()},
        UNKNOWN,
    ),
    single(
        "one page of Elasticsearch",
        {"_shards": {"total": 5}, "hits": {"total": {"value": 5}, "hits": FIVE}},
        "hits.hits",
    ),
    single(
        "one page and a licence",
        {"data": {"total": 5, "items": FIVE}, "license": {"total": 50}},
        "data.items",
    ),
    *(
        single(f"one page of {name}", Answer(body, headers=headers), items)
        for name, body, items, headers in (
            ("Okta", FIVE, "", {"x-okta-request-id": "1", "Link": f'<{HOME}>; rel="self"'}),
            ("Shopify", {"orders": FIVE}, "orders", {"x-shopify-api-version": "2026-10"}),
            (
                "Slack without metadata",
                {"ok": True, "users": FIVE},
                "users",
                {"x-slack-req-id": "1"},
            ),
            ("HubSpot's owners", {"results": FIVE}, "results", {"x-hubspot-correlation-id": "1"}),
            (
                "Datadog",
                {"data": FIVE, "meta": {"elapsed": 1, "request_id": "1", "status": "done"}},
                "data",
                {},
            ),
        )
    ),
    Shape(
        "one page of X",
        lambda _: {"data": FIVE, "meta": {"result_count": 5}},
        "data",
        {"max_pages": 1},
        {"max_pages": 1},
        count=5,
        url="https://api.x.com/2/users/1/followers",
    ),
    single(
        "one page of Facebook",
        {"data": FIVE, "paging": {"cursors": {"before": "a", "after": "b"}}},
        "data",
    ),
    beside("a position that stays", offset=0, total=25),
    beside("a number that stays", page=1, total_pages=3),
    beside("replies", has_more_replies=False),
    beside("others like these", moreLikeThis=False, is_next_gen=False),
    aws("DynamoDB's tables", "LastEvaluatedTableName", "ExclusiveStartTableName"),
    aws("DynamoDB's shards", "LastEvaluatedShardId", "ExclusiveStartShardId"),
    aws("CloudWatch's events", "nextForwardToken", "nextToken"),
    aws("Kinesis", "NextShardIterator", "ShardIterator"),
    Shape(
        "Google's Search Console",
        by_row,
        "rows",
        {"next": Offset(body="startRow")},
        {"next": Offset(body="startrow")},
        UNKNOWN,
        url="https://www.googleapis.com/webmasters/v3/query",
        ask={"method": "POST", "json": {}},
    ),
    numbers(
        "a count of results",
        lambda items, number: {"data": items, "meta": {"result_count": len(items)}},
        "data",
    ),
    numbers(
        "num_results of the page",
        lambda items, number: {"items": items, "num_results": len(items), "matches": len(items)},
        "items",
    ),
    numbers(
        "hits of the page",
        lambda items, number: Answer(items, headers={"X-Hits": str(len(items))}),
        "",
    ),
    numbers(
        "the last page, from 0",
        lambda items, number: {"items": items, "page": number, "lastPage": 2},
        "items",
        start=0,
    ),
    numbers(
        "a cursor that is not in use",
        lambda items, number: {"items": items, "page": number, "next_cursor": None},
        "items",
    ),
    offsets(
        "OpenSearch",
        lambda items, start: {"feed": items, "opensearch:startIndex": start},
        "feed",
        param="startIndex",
        start=1,
    ),
    Shape(
        "Gmail",
        by_cursor(lambda items, cursor: some(messages=items, nextPageToken=cursor), "pageToken"),
        "messages",
        {"next": Cursor("nextPageToken", param="pageToken")},
        {"next": Cursor("nextPagToken", param="pageToken")},
        url="https://gmail.googleapis.com/gmail/v1/users/me/messages",
    ),
]
