"""The APIs in the table of docs/http.md, each to its documented shape: 25 items in three pages.

What the table says to write, or nothing, has to give all of them.
"""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from paged_api import API, query

from anystream import http
from anystream.http import fetch_all_pages

COUNT, SIZE = 25, 10
IDS = ("id", "ID", "update_id")

DOCS = Path(__file__).parents[2] / "docs" / "http.md"
ROW = re.compile(r"^\| ([^|]+) \| [^|]+ \| (?:nothing|`([^|]*)`) \|$", re.MULTILINE)

QUERY = (
    "query ($after: String) { connection(after: $after) { nodes { id } pageInfo { endCursor } } }"
)


def page(start: int) -> list[dict[str, Any]]:
    return [{"id": number} for number in range(COUNT)[start : start + SIZE]]


def following(start: int) -> str | None:
    """The cursor of the page after the one that begins there."""
    return f"at+{start + SIZE}/=" if start + SIZE < COUNT else None


def place(cursor: Any) -> int:
    return int(str(cursor).strip("at+/=")) if cursor else 0


def cursor(request: httpx.Request, name: str) -> int:
    return place(query(request).get(name))


def body(request: httpx.Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.content)
    return found


def numbered(request: httpx.Request, first: int = 1) -> int:
    return (int(query(request).get("page", first)) - first) * SIZE


def url(request: httpx.Request, **params: Any) -> str:
    return str(request.url.copy_merge_params(params))


# -- the URL of the next page -------------------------------------------------------------------


def link_header(request: httpx.Request) -> Any:
    start = numbered(request)
    target = url(request, page=start // SIZE + 2)
    headers = {"link": f'<{target}>; rel="next"'} if following(start) else {}
    return page(start), headers


def wordpress(request: httpx.Request) -> Any:
    items, headers = link_header(request)
    return items, {**headers, "x-wp-total": str(COUNT), "x-wp-totalpages": "3"}


def confluence(request: httpx.Request) -> Any:
    start = cursor(request, "cursor")
    links = {"base": "http://t/wiki"}
    if following(start):
        links["next"] = f"/rest/api/content?cursor={start + SIZE}"
    return {"results": page(start), "size": SIZE, "start": start, "_links": links}


def in_body(items: str, name: str, **beside: Any) -> Callable[[httpx.Request], Any]:
    """The URL under a name, or under several with a dot between them."""

    def answer(request: httpx.Request) -> Any:
        start = cursor(request, "after")
        found: Any = url(request, after=start + SIZE) if following(start) else None
        for key in reversed(name.split(".")):
            found = {key: found} if found is not None else {}
        return {items: page(start), **found, **beside}

    return answer


def msgraph(request: httpx.Request) -> Any:
    start = cursor(request, "$skiptoken")
    more = {"@odata.nextLink": f"{request.url.path}?$skiptoken={start + SIZE}"}
    return {"value": page(start), **(more if following(start) else {})}


def salesforce(request: httpx.Request) -> Any:
    start = cursor(request, "after")
    done = following(start) is None
    more = {} if done else {"nextRecordsUrl": f"{request.url.path}?after={start + SIZE}"}
    return {"totalSize": COUNT, "done": done, "records": page(start), **more}


def zendesk(request: httpx.Request) -> Any:
    start = cursor(request, "page[after]")
    more = following(start)
    following_url = f"http://t{request.url.path}?page%5Bafter%5D={start + SIZE}"
    return {
        "users": page(start),
        "meta": {"has_more": bool(more), "after_cursor": str(start + SIZE)},
        "links": {"next": following_url if more else None, "prev": None},
    }


# -- a cursor -----------------------------------------------------------------------------------


def tokens(
    items: str, name: str, param: str, more: str = "", last: Any = None, **beside: Any
) -> Callable[[httpx.Request], Any]:
    """A cursor under a name, with dots between several, sent back as a parameter or in the body."""

    def answer(request: httpx.Request) -> Any:
        if request.method == "POST":
            sent = body(request)
            for key in param.split("."):
                sent = (sent or {}).get(key)
            start = place(sent)
        else:
            start = cursor(request, param)
        found: Any = deepcopy(beside)
        put(found, items, page(start))
        token = following(start) or last
        if token is not None:
            put(found, name, token)
        if more:
            put(found, more, following(start) is not None)
        return found

    return answer


def put(data: dict[str, Any], path: str, value: Any) -> None:
    *parents, key = path.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
    data[key] = value


def graphql(request: httpx.Request) -> Any:
    start = place(body(request).get("variables", {}).get("after"))
    info = {"hasNextPage": following(start) is not None, "endCursor": following(start)}
    return {"data": {"connection": {"nodes": page(start), "pageInfo": info}}}


def airtable(request: httpx.Request) -> Any:
    start = place(query(request).get("offset", "").removeprefix("itr"))
    more = {"offset": f"itr{start + SIZE}"} if following(start) else {}
    records = [{**item, "createdTime": "2026-11-28", "fields": {}} for item in page(start)]
    return {"records": records, **more}


def crossref() -> Callable[[httpx.Request], Any]:
    """The cursor stays the same once `*` has made it, and moves on at the server."""
    start = 0

    def answer(request: httpx.Request) -> Any:
        nonlocal start
        start = {"*": 0, "DnF1ZXJ5VGhlbkZldGNoBg==": start + SIZE}[query(request)["cursor"]]
        cursor = {"next-cursor": "DnF1ZXJ5VGhlbkZldGNoBg==", "query": {"start-index": 0}}
        return {
            "status": "ok",
            "message": {**cursor, "total-results": COUNT, "items": page(start)},
        }

    return answer


def mediawiki(request: httpx.Request) -> Any:
    start = int(query(request).get("apcontinue", "0"))
    more = {"continue": {"apcontinue": str(start + SIZE), "continue": "-||"}}
    return {"query": {"allpages": page(start)}, **(more if following(start) else {})}


def azure_devops(request: httpx.Request) -> Any:
    start = cursor(request, "continuationToken")
    more = following(start)
    headers = {"x-ms-continuationtoken": more} if more else {}
    return {"count": len(page(start)), "value": page(start)}, headers


def heroku(request: httpx.Request) -> Any:
    start = int(request.headers.get("range", "id 0..").split()[1].split(".")[0].lstrip("]"))
    if not following(start):
        return page(start)
    headers = {"next-range": f"id ]{start + SIZE}..; max={SIZE}"}
    return httpx.Response(206, json=page(start), headers=headers)


def cmr(request: httpx.Request) -> Any:
    start = json.loads(request.headers.get("cmr-search-after", "[0]"))[0]
    more = {"cmr-search-after": f"[{start + SIZE}]"} if page(start) else {}
    return {"feed": {"entry": page(start)}}, {"cmr-hits": str(COUNT), **more}


# -- a number, or the last item -----------------------------------------------------------------


def jira(request: httpx.Request) -> Any:
    start = int(query(request).get("startAt", 0))
    return {"startAt": start, "maxResults": SIZE, "total": COUNT, "issues": page(start)}


def elasticsearch_get(request: httpx.Request) -> Any:
    hits = page(int(query(request).get("from", 0)))
    return {"_shards": {}, "hits": {"total": {"value": COUNT}, "hits": hits}}


def search_after(request: httpx.Request) -> Any:
    start = body(request).get("search_after", [-1])[0] + 1
    hits = [{**item, "sort": [item["id"]]} for item in page(start)]
    return {"_shards": {}, "hits": {"total": {"value": COUNT}, "hits": hits}}


def scroll(request: httpx.Request) -> Any:
    """A request that does not say for how long to keep the context is the last one that uses it."""
    going_on = request.url.path == "/_search/scroll"
    sent = body(request)
    if going_on and {*sent} - {"scroll", "scroll_id"}:
        return 400
    if going_on and sent["scroll_id"] == "freed":
        return 404
    start = place(sent["scroll_id"]) if going_on else 0
    kept = "scroll" in query(request) or "scroll" in sent
    hits = {"total": {"value": COUNT}, "hits": page(start)}
    following = f"at+{start + SIZE}/=" if kept else "freed"
    return {"_scroll_id": following, "_shards": {}, "hits": hits}


def algolia(request: httpx.Request) -> Any:
    number = int(query(request).get("page", 0))
    return {"hits": page(number * SIZE), "page": number, "nbPages": 3, "nbHits": COUNT}


def stripe(request: httpx.Request) -> Any:
    start = int(query(request).get("starting_after", -1)) + 1
    more = following(start) is not None
    items = [{"id": str(item["id"])} for item in page(start)]
    return {"object": "list", "url": "/v1/charges", "has_more": more, "data": items}


def openai(request: httpx.Request) -> Any:
    start = int(query(request).get("after", -1)) + 1
    return {"object": "list", **first_and_last(start)}


def anthropic(request: httpx.Request) -> Any:
    return first_and_last(int(query(request).get("after_id", -1)) + 1)


def first_and_last(start: int) -> dict[str, Any]:
    items = [{"id": str(item["id"])} for item in page(start)]
    ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]}
    return {"data": items, **ends, "has_more": following(start) is not None}


def discord(request: httpx.Request) -> Any:
    before = COUNT - int(query(request).get("before", COUNT))
    return [{"id": str(COUNT - 1 - item["id"])} for item in page(before)]


def telegram(request: httpx.Request) -> Any:
    start = int(query(request).get("offset", "0"))
    return {"ok": True, "result": [{"update_id": item["id"]} for item in page(start)]}


def quickbooks(request: httpx.Request) -> Any:
    start = re.search(r"startposition ([0-9]+)", query(request)["query"])
    assert start is not None
    found = page(int(start[1]) - 1)
    return {"QueryResponse": {"Invoice": found} if found else {}, "time": "2026-11-28"}


def plaid(request: httpx.Request) -> Any:
    start = body(request).get("options", {}).get("offset", 0)
    return {"accounts": [], "transactions": page(start), "total_transactions": COUNT}


def plain(request: httpx.Request) -> Any:
    return page(numbered(request))


def auth0(request: httpx.Request) -> Any:
    start = numbered(request, first=0)
    return {"start": start, "limit": SIZE, "length": 10, "total": COUNT, "users": page(start)}


def mailjet(request: httpx.Request) -> Any:
    """The total is that of the page, unless no more than the total is asked for."""
    items = [{"ID": item["id"]} for item in page(int(query(request).get("Offset", 0)))]
    return {"Count": len(items), "Data": items, "Total": len(items)}


def spring(request: httpx.Request) -> Any:
    start = numbered(request, first=0)
    about = {"size": SIZE, "number": start // SIZE, "totalElements": COUNT, "totalPages": 3}
    return {"content": page(start), "page": about}


def world_bank(request: httpx.Request) -> Any:
    start = numbered(request)
    return [{"page": start // SIZE + 1, "pages": 3, "total": COUNT}, page(start) or None]


LIST = {"object": "list"}
POST: dict[str, Any] = {"json": {}}
GRAPHQL: dict[str, Any] = {"json": {"query": QUERY}}

APIS: dict[str, tuple[Callable[[httpx.Request], Any], str, dict[str, Any]]] = {
    "Airtable": (airtable, "/v0/base/table", {}),
    "Algolia": (algolia, "/1/indexes/a", {}),
    "Anthropic": (anthropic, "/v1/models", {}),
    "Asana": (in_body("data", "next_page.uri"), "/api/1.0/tasks", {}),
    "Auth0": (auth0, "/api/v2/users?include_totals=true", {}),
    "AWS, JSON": (
        tokens("Parameters", "NextToken", "NextToken"),
        "/",
        {**POST, "headers": {"X-Amz-Target": "AmazonSSM.DescribeParameters"}},
    ),
    "Azure": (in_body("value", "nextLink"), "/subscriptions", {}),
    "Azure DevOps": (azure_devops, "/_apis/projects", {}),
    "Bluesky": (tokens("feed", "cursor", "cursor"), "/xrpc/app.bsky.feed.getTimeline", {}),
    "Confluence": (confluence, "/wiki/rest/api/content", {}),
    "Crossref": (crossref(), "/works?cursor=*", {}),
    "Discord": (discord, "/api/channels/1/messages", {}),
    "Django REST framework": (in_body("results", "next", count=COUNT), "/users/", {}),
    "Dropbox": (
        tokens("entries", "cursor", "cursor", "has_more", last="at+25/="),
        "/2/files/list_folder",
        {"json": {"path": ""}},
    ),
    "Elasticsearch, GET": (elasticsearch_get, "/items/_search", {}),
    "Elasticsearch, `search_after`": (search_after, "/items/_search", {"json": {"sort": ["id"]}}),
    "Elasticsearch, scroll": (scroll, "/items/_search?scroll=1m", {"json": {"size": SIZE}}),
    "GitHub": (link_header, "/repos/a/b/issues", {}),
    "GitHub, GraphQL": (graphql, "/graphql", GRAPHQL),
    "GitLab": (link_header, "/api/v4/projects", {}),
    "Google": (
        tokens("files", "nextPageToken", "pageToken", kind="drive#fileList"),
        "/drive/v3/files",
        {},
    ),
    "Google, Cloud Storage": (
        tokens("items", "nextPageToken", "pageToken", kind="storage#objects", prefixes=["a/"]),
        "/storage/v1/b/a/o",
        {},
    ),
    "Heroku": (heroku, "/apps", {}),
    "HubSpot": (in_body("results", "paging.next.link"), "/crm/v3/objects/contacts", {}),
    "HubSpot, search": (
        tokens("results", "paging.next.after", "after", total=COUNT),
        "/crm/v3/objects/contacts/search",
        POST,
    ),
    "Intercom": (
        tokens("data", "pages.next.starting_after", "starting_after", pages={"type": "pages"}),
        "/contacts",
        {},
    ),
    "Intercom, search": (
        tokens(
            "data",
            "pages.next.starting_after",
            "pagination.starting_after",
            pages={"type": "pages"},
        ),
        "/contacts/search",
        POST,
    ),
    "Jira, `/search`": (jira, "/rest/api/2/search", {}),
    "Jira, `/search/jql`": (
        tokens("issues", "nextPageToken", "nextPageToken"),
        "/rest/api/3/search/jql?jql=",
        {},
    ),
    "Kubernetes": (
        tokens("items", "metadata.continue", "continue", kind="PodList", apiVersion="v1"),
        "/api/v1/pods",
        {},
    ),
    "Mailjet": (mailjet, "https://api.mailjet.com/v3/REST/contact", {}),
    "MediaWiki": (mediawiki, "/w/api.php?action=query&list=allpages&format=json", {}),
    "Microsoft Graph": (
        msgraph,
        "/v1.0/users",
        {},
    ),
    "NASA CMR": (cmr, "/search/granules.json", {}),
    "Notion": (
        tokens("results", "next_cursor", "start_cursor", "has_more", **LIST),
        "/v1/databases/a/query",
        POST,
    ),
    "OpenAI": (openai, "/v1/files", {}),
    "Plaid, `/transactions/get`": (plaid, "/transactions/get", {"json": {"secret": "s"}}),
    "Plaid, `/transactions/sync`": (
        tokens("added", "next_cursor", "cursor", "has_more", last="at+25/=", removed=[]),
        "/transactions/sync",
        POST,
    ),
    "QuickBooks": (quickbooks, "/v3/company/1/query", {}),
    "Reddit": (tokens("data.children", "data.after", "after", kind="Listing"), "/r/all/new", {}),
    "Salesforce": (salesforce, "/services/data/v62.0/query?q=", {}),
    "Shopify": (link_header, "/admin/api/products.json", {}),
    "Shopify, GraphQL": (graphql, "/admin/api/graphql.json", GRAPHQL),
    "Slack": (
        tokens("members", "response_metadata.next_cursor", "cursor", last="", ok=True),
        "/api/users.list",
        {},
    ),
    "Spring Data": (spring, "/people", {}),
    "Square": (tokens("customers", "cursor", "cursor"), "/v2/customers", {}),
    "Strava": (plain, "/api/v3/athlete/activities", {}),
    "Stripe": (stripe, "/v1/charges", {}),
    "Telegram": (telegram, "/bot1:a/getUpdates", {}),
    "Twitch": (tokens("data", "pagination.cursor", "after"), "/helix/streams", {}),
    "WordPress": (wordpress, "/wp-json/wp/v2/posts", {}),
    "World Bank": (world_bank, "/v2/country?format=json", {}),
    "X": (
        tokens("data", "meta.next_token", "pagination_token", meta={"result_count": SIZE}),
        "/2/users/1/tweets",
        {},
    ),
    "Zendesk": (zendesk, "/api/v2/users", {}),
}


def table() -> str:
    """The rows of the table, without its head."""
    text = DOCS.read_text(encoding="utf-8").partition(
        "\n| API | the next page | write |\n|---|---|---|"
    )
    return text[2].partition("\n\n")[0]


def documented() -> dict[str, str]:
    """The arguments that the page gives for each API, "" for none."""
    return {row[1]: row[2] or "" for row in ROW.finditer(table())}


def test_every_row_of_the_table_is_tried() -> None:
    assert documented().keys() == APIS.keys()
    assert len(APIS) == table().count("\n")


@pytest.mark.parametrize("name", APIS)
async def test_all_items_of_an_api(name: str) -> None:
    answer, path, options = APIS[name]
    names = {each: getattr(http, each) for each in http.__all__}
    given = eval(f"dict({documented()[name]})", names)
    async with API(answer).client() as client:
        items = await fetch_all_pages(
            urljoin("http://t", path), client=client, **options, **given
        ).collect()
    ids = [int(next(item[key] for key in IDS if key in item)) for item in items]
    assert sorted(ids) == [*range(COUNT)]
