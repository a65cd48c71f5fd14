"""APIs that go on by a cursor, of kinds that are known and of others."""

from typing import Any

from api_shapes import (
    Answer,
    Shape,
    asked,
    body_of,
    by_cursor,
    by_url,
    following,
    part,
    some,
)

from anystream.http import Cursor, GraphQL, HeaderCursor, LastItem, NextParams, NextURL, Scheme

UNKNOWN = "SchemeNotFound"


def cursor(
    name: str,
    make: Any,
    items: str,
    best: Scheme,
    typo: Scheme,
    unaided: str = "complete",
    /,
    ask: Any = None,
    **where: str,
) -> Shape:
    aided = {"items": items} if unaided == "ItemsNotFound" else {}
    return Shape(
        name,
        by_cursor(make, **where),
        items,
        {"next": best, **aided},
        {"next": typo, **aided},
        unaided,
        ask=ask or {},
    )


def stripe(request: Any) -> Any:
    start = asked(request, "starting_after")
    more = following(start) is not None
    return {"object": "list", "url": "/v1/things", "has_more": more, "data": part(start)}


def elasticsearch(request: Any) -> Any:
    start = body_of(request).get("search_after", [0])[0]
    hits = [{"_id": item["id"], "sort": [item["id"]], **item} for item in part(start)]
    return {"_shards": {}, "hits": {"total": {"value": 25}, "hits": hits}}


def dropbox(request: Any) -> Any:
    going_on = request.url.path.endswith("/continue")
    start = int(body_of(request)["cursor"]) if going_on else 0
    more = following(start) is not None
    return {"entries": part(start), "cursor": str(start + 10), "has_more": more}


def graphql(request: Any) -> Any:
    after = body_of(request).get("variables", {}).get("after")
    start = int(after or 0)
    info = {"hasNextPage": following(start) is not None, "endCursor": str(start + 10)}
    return {"data": {"repo": {"issues": {"nodes": part(start), "pageInfo": info}}}}


def mediawiki(request: Any) -> Any:
    start = asked(request, "gcmcontinue")
    after = following(start)
    on = {"gcmcontinue": str(after), "continue": "gcmcontinue||"} if after else None
    return some(batchcomplete="", query={"pages": part(start)}, **{"continue": on})


def heroku(request: Any) -> Any:
    given = request.headers.get("Range", "id ..")
    start = int(given.removeprefix("id ]").partition("..")[0]) if "]" in given else 0
    after = following(start)
    headers = some(**{"Next-Range": after and f"id ]{after}.."})
    return Answer(part(start), 206 if after else 200, headers)


def datadog(request: Any) -> Any:
    start = int(body_of(request).get("page", {}).get("cursor") or 0)
    after = following(start)
    meta = {"page": {"after": str(after)}} if after else {"elapsed": 1}
    links = {"next": f"https://api.test/v1/things?page={after}"} if after else {}
    return {"data": part(start), "meta": meta, "links": links}


def post_with_link(request: Any) -> Any:
    start = asked(request, "after") if request.method == "GET" else 0
    after = following(start)
    return {"things": part(start), "next": after and f"https://api.test/v1/things?after={after}"}


def gap(name: str, absent: Any) -> Shape:
    """An empty page in the middle, whose list is missing or null."""

    def answer(request: Any) -> Any:
        start = int(request.url.params.get("pageToken", 0))
        if start == 10:
            return {"kind": "drive#list", **absent, "nextPageToken": "11"}
        start -= start == 11
        after = following(start)
        return some(kind="drive#list", files=part(start), nextPageToken=after and str(after))

    best = Cursor("nextPageToken", param="pageToken")
    return Shape(
        name, answer, "files", {"next": best}, {"next": Cursor("token", param="pageToken")}
    )


def get_link(page: Any) -> Any:
    url = page.data["next"]
    return url and {"url": url, "method": "GET"}


QUERY = "query($after: String) { repo { issues(after: $after) { nodes { id } } } }"
POST: dict[str, Any] = {"json": {}}

CURSORS = [
    cursor(
        "Slack",
        lambda items, after: {
            "ok": True,
            "members": items,
            "response_metadata": {"next_cursor": after or ""},
        },
        "members",
        Cursor("response_metadata.next_cursor", param="cursor"),
        Cursor("response_metadata.nextcursor", param="cursor"),
        param="cursor",
    ),
    cursor(
        "Google",
        lambda items, after: some(kind="drive#fileList", files=items, nextPageToken=after),
        "files",
        Cursor("nextPageToken", param="pageToken"),
        Cursor("next_page_token", param="pageToken"),
        param="pageToken",
    ),
    cursor(
        "Kubernetes",
        lambda items, after: {
            "kind": "PodList",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "1", "continue": after or ""},
            "items": items,
        },
        "items",
        Cursor("metadata.continue", param="continue"),
        Cursor("meta.continue", param="continue"),
        param="continue",
    ),
    cursor(
        "Reddit",
        lambda items, after: {"kind": "Listing", "data": {"children": items, "after": after}},
        "data.children",
        Cursor("data.after", param="after"),
        Cursor("data.afterz", param="after"),
        param="after",
    ),
    cursor(
        "X",
        lambda items, after: {
            "data": items,
            "meta": some(result_count=10, newest_id="1", oldest_id="2", next_token=after),
        },
        "data",
        Cursor("meta.next_token", param="pagination_token"),
        Cursor("meta.nexttoken", param="pagination_token"),
        param="pagination_token",
    ),
    cursor(
        "Notion",
        lambda items, after: {
            "object": "list",
            "results": items,
            "next_cursor": after,
            "has_more": bool(after),
        },
        "results",
        Cursor("next_cursor", body="start_cursor"),
        Cursor("nextcursor", body="start_cursor"),
        body="start_cursor",
        ask=POST,
    ),
    cursor(
        "DynamoDB",
        lambda items, after: some(
            Items=items, ScannedCount=10, Count=10, LastEvaluatedKey=after and {"id": after}
        ),
        "Items",
        Cursor("LastEvaluatedKey", body="ExclusiveStartKey"),
        Cursor("lastEvaluatedKey", body="ExclusiveStartKey"),
        body="ExclusiveStartKey.id",
        ask=POST,
    ),
    cursor(
        "AWS",
        lambda items, after: some(Parameters=items, NextToken=after),
        "Parameters",
        Cursor("NextToken", body="NextToken"),
        Cursor("nextToken", body="NextToken"),
        body="NextToken",
        ask={"json": {}, "headers": {"X-Amz-Target": "AmazonSSM.DescribeParameters"}},
    ),
    cursor(
        "CMR",
        lambda items, after: Answer(
            {"items": items}, headers=some(**{"CMR-Hits": "25", "CMR-Search-After": after})
        ),
        "items",
        HeaderCursor("CMR-Search-After", to_header="CMR-Search-After"),
        HeaderCursor("CMR-Search-Aftre", to_header="CMR-Search-After"),
        header="CMR-Search-After",
    ),
    cursor(
        "Azure DevOps",
        lambda items, after: Answer(
            {"count": len(items), "value": items},
            headers=some(**{"x-ms-continuationtoken": after}),
        ),
        "value",
        HeaderCursor("x-ms-continuationtoken", "continuationToken"),
        HeaderCursor("x-ms-continuation-token", "continuationToken"),
        param="continuationToken",
    ),
    cursor(
        "OpenAI",
        lambda items, after: {
            "object": "list",
            "data": items,
            "first_id": "x",
            "last_id": after,
            "has_more": bool(after),
        },
        "data",
        Cursor("last_id", param="after", more="has_more"),
        Cursor("lastid", param="after", more="has_more"),
        param="after",
    ),
    cursor(
        "Intercom",
        lambda items, after: {
            "type": "list",
            "data": items,
            "total_count": 25,
            "pages": some(type="pages", next=after and {"page": 2, "starting_after": after}),
        },
        "data",
        Cursor("pages.next.starting_after", param="starting_after"),
        Cursor("pages.next.startingafter", param="starting_after"),
        param="starting_after",
    ),
    Shape(
        "Stripe",
        stripe,
        "data",
        {"next": LastItem("id", "starting_after")},
        {"next": LastItem("uid", "starting_after")},
    ),
    Shape(
        "Elasticsearch",
        elasticsearch,
        "hits.hits",
        {"next": LastItem("sort", body="search_after", more=None)},
        {"next": LastItem("srot", body="search_after", more=None)},
        ask={"json": {"sort": ["id"]}},
    ),
    Shape(
        "Dropbox",
        dropbox,
        "entries",
        {"next": Cursor("cursor", body="cursor", more="has_more", url="list_folder/continue")},
        {"next": Cursor("curser", body="cursor", more="has_more", url="list_folder/continue")},
        url="https://api.test/2/files/list_folder",
        ask=POST,
    ),
    Shape(
        "MediaWiki",
        mediawiki,
        "query.pages",
        {"next": NextParams("continue")},
        {"next": NextParams("continues")},
    ),
    Shape(
        "Heroku",
        heroku,
        "",
        {"next": HeaderCursor("Next-Range", to_header="Range")},
        {"next": HeaderCursor("NextRange", to_header="Range")},
    ),
    Shape(
        "Datadog",
        datadog,
        "data",
        {"next": Cursor("meta.page.after", body="page.cursor")},
        {"next": Cursor("meta.page.aftre", body="page.cursor")},
        ask=POST,
    ),
    Shape(
        "GraphQL with a variable",
        graphql,
        "data.repo.issues.nodes",
        {"next": GraphQL("data.repo.issues")},
        {"next": GraphQL("data.repo.issue"), "items": "data.repo.issues.nodes"},
        ask={"json": {"query": QUERY}},
    ),
    Shape(
        "GraphQL without a variable",
        graphql,
        "data.repo.issues.nodes",
        {"next": GraphQL("data.repo.issues")},
        {"next": GraphQL("data.issues"), "items": "data.repo.issues.nodes"},
        UNKNOWN,
        ask={"json": {"query": "query { repo { issues { nodes { id } } } }"}},
    ),
    Shape(
        "POST that names a link for GET",
        post_with_link,
        "things",
        {"next": get_link},
        {"next": Cursor("nxt", body="after")},
        UNKNOWN,
        ask=POST,
    ),
    gap("an empty page without its list", {}),
    gap("an empty page with null", {"files": None}),
    cursor(
        "next_cursor",
        lambda items, after: {"items": items, "next_cursor": after},
        "items",
        Cursor("next_cursor", param="cursor"),
        Cursor("nextcursor", param="cursor"),
        UNKNOWN,
        param="cursor",
    ),
    cursor(
        "nextToken",
        lambda items, after: some(items=items, nextToken=after),
        "items",
        Cursor("nextToken", param="nextToken"),
        Cursor("next_token", param="nextToken"),
        UNKNOWN,
        param="nextToken",
    ),
    cursor(
        "ContinuationToken",
        lambda items, after: {"Items": items, "ContinuationToken": after},
        "Items",
        Cursor("ContinuationToken", param="token"),
        Cursor("continuationToken", param="token"),
        UNKNOWN,
        param="token",
    ),
    cursor(
        "bookmark",
        lambda items, after: {"items": items, "bookmark": after},
        "items",
        Cursor("bookmark", param="bookmark"),
        Cursor("bookmarks", param="bookmark"),
        UNKNOWN,
        param="bookmark",
    ),
    cursor(
        "cursors.after",
        lambda items, after: {
            "items": items,
            "meta": {"cursors": {"before": None, "after": after}},
        },
        "items",
        Cursor("meta.cursors.after", param="after"),
        Cursor("meta.cursor.after", param="after"),
        UNKNOWN,
        param="after",
    ),
    cursor(
        "a header",
        lambda items, after: Answer(items, headers=some(**{"X-Next-Cursor": after})),
        "",
        HeaderCursor("X-Next-Cursor", "cursor"),
        HeaderCursor("X-NextCursor", "cursor"),
        UNKNOWN,
        param="cursor",
    ),
    cursor(
        "a POST search",
        lambda items, after: {"results": items, "paging": {"next_token": after}},
        "results",
        Cursor("paging.next_token", body="token"),
        Cursor("paging.token", body="token"),
        UNKNOWN,
        body="token",
        ask=POST,
    ),
    cursor(
        "two lists",
        lambda items, after: {"files": items, "prefixes": ["a"] * 3, "next_marker": after},
        "files",
        Cursor("next_marker", param="marker"),
        Cursor("nextmarker", param="marker"),
        "ItemsNotFound",
        param="marker",
    ),
    Shape(
        "two lists and a link",
        by_url(lambda items, url: {"files": items, "tags": ["a"], "links": {"next": url}}),
        "files",
        {"next": NextURL("links.next"), "items": "files"},
        {"next": NextURL("link.next"), "items": "files"},
        "ItemsNotFound",
    ),
]
