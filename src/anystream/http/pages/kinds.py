"""APIs that are known beyond doubt by the shape of their responses.

Only what a specification or a provider's reference fixes stands here: which field leads to the next
page and how it is sent back, or that nothing more comes where the field is absent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..._core.contracts import MISSING
from .page import Page, Place, lookup
from .schemes import (
    MORE,
    Cursor,
    GraphQL,
    HeaderCursor,
    LastItem,
    NextParams,
    Offset,
    PageNumber,
    Scheme,
    sent,
)

GET, POST = "GET", "POST"

ANY = re.compile("")


@dataclass(frozen=True)
class Shape:
    """What a response, and the request for it, are known by."""

    has: tuple[str, ...] = ()  # paths in the body
    values: Mapping[str, object] = field(default_factory=dict[str, object])  # by their paths
    texts: Mapping[str, str] = field(default_factory=dict[str, str])  # patterns for their beginning
    items: tuple[str, ...] = ()  # members of each item
    header: str = ""  # of the response
    asked: str = ""  # a header of the request
    sends: str = ""  # a member of the JSON body of the request
    url: re.Pattern[str] = ANY  # in the host and the path of the URL

    def fits(self, page: Page[Any]) -> bool:
        data, response = page.data, page.response
        for path in self.has:  # most are told apart by the first of them
            if lookup(data, path) is MISSING:
                return False
        return (
            all(lookup(data, path) == value for path, value in self.values.items())
            and all(re.match(start, str(lookup(data, path))) for path, start in self.texts.items())
            and all(
                lookup(item, name) is not MISSING for item in page.records for name in self.items
            )
            and (not self.header or self.header in response.headers)
            and (not self.asked or self.asked in response.request.headers)
            and (not self.sends or bool(sent(page).get(self.sends)))
            and bool(self.url.search(f"{response.url.host}{response.url.path}"))
        )


@dataclass(frozen=True)
class Kind:
    """How an API of one kind continues, and what its responses are known by."""

    name: str
    method: str
    scheme: Scheme
    shape: Shape


OBJECT = "object"  # which says what one is, in the APIs that are like Stripe's
LIST = {OBJECT: "list"}

GOOGLE = re.compile(r"^[a-z0-9.-]+\.googleapis\.com/")
GOOGLE_KIND = r"(?!analytics|books|customsearch|youtubeAnalytics)\w+#"
"""But for those whose pages are counted."""

XRPC = re.compile("/xrpc/")
OF_X = re.compile(r"^api\.(?:x|twitter)\.com/")
OF_MAILJET = Shape(has=("Count", "Data", "Total"), url=re.compile(r"^api\.(?:us\.)?mailjet\.com/"))

SPRING = ("size", "number", "totalElements", "totalPages")
"""What its PagedModel says of a page."""

KINDS = (
    Kind(
        "Google",
        GET,
        Cursor("nextPageToken", param="pageToken"),
        Shape(has=("nextPageToken",), texts={"kind": r"\w+#"}),
    ),
    Kind(
        "Google",
        GET,
        Cursor("nextPageToken", param="pageToken"),
        Shape(has=("nextPageToken",), url=GOOGLE),
    ),
    Kind(
        "Kubernetes",
        GET,
        Cursor("metadata.continue", param="continue"),
        Shape(has=("apiVersion", "kind", "metadata.continue")),
    ),
    Kind(
        "Reddit",
        GET,
        Cursor("data.after", param="after"),
        Shape(has=("data.after",), values={"kind": "Listing"}),
    ),
    Kind(
        "Stripe",
        GET,
        LastItem("id", "starting_after"),
        Shape(has=(MORE, "data"), values=LIST, texts={"url": "/v[0-9]"}),
    ),
    Kind(
        "Stripe's search",
        GET,
        Cursor("next_page", param="page", more=MORE),
        Shape(has=(MORE, "next_page"), values={OBJECT: "search_result"}),
    ),
    Kind(
        "OpenAI",
        GET,
        Cursor("last_id", param="after", more=MORE),
        Shape(has=(MORE, "first_id", "last_id"), values=LIST),
    ),
    Kind(
        "Anthropic",
        GET,
        Cursor("last_id", param="after_id", more=MORE),
        Shape(has=(MORE, "first_id", "last_id"), values={OBJECT: MISSING}),
    ),
    Kind(
        "Notion",
        GET,
        Cursor("next_cursor", param="start_cursor", more=MORE),
        Shape(has=(MORE, "results", "next_cursor"), values=LIST),
    ),
    Kind(
        "Notion",
        POST,
        Cursor("next_cursor", body="start_cursor", more=MORE),
        Shape(has=(MORE, "results", "next_cursor"), values=LIST),
    ),
    Kind(
        "Slack",
        GET,
        Cursor("response_metadata.next_cursor", param="cursor"),
        Shape(has=("response_metadata.next_cursor",), values={"ok": True}),
    ),
    Kind(
        "MediaWiki",
        GET,
        NextParams("continue"),
        Shape(has=("query", "continue.continue")),
    ),
    Kind(
        "the AT Protocol",
        GET,
        Cursor("cursor", param="cursor"),
        Shape(has=("cursor",), url=XRPC),
    ),
    Kind(
        "X",
        GET,
        Cursor("meta.next_token", param="pagination_token"),
        Shape(has=("meta.result_count", "meta.next_token")),
    ),
    Kind(
        "Airtable",
        GET,
        Cursor("offset", param="offset"),
        Shape(has=("records",), texts={"offset": "itr"}),
    ),
    Kind(
        "Box",
        GET,
        Cursor("next_marker", param="marker"),
        Shape(has=("entries", "limit", "next_marker")),
    ),
    Kind(
        "Eventbrite",
        GET,
        Cursor("pagination.continuation", param="continuation", more="pagination.has_more_items"),
        Shape(has=("pagination.continuation", "pagination.has_more_items")),
    ),
    Kind(
        "Intercom",
        GET,
        Cursor("pages.next.starting_after", param="starting_after"),
        Shape(has=("pages.next.starting_after",), values={"pages.type": "pages"}),
    ),
    Kind(
        "Intercom",
        POST,
        Cursor("pages.next.starting_after", body="pagination.starting_after"),
        Shape(has=("pages.next.starting_after",), values={"pages.type": "pages"}),
    ),
    Kind("Mailjet", GET, Offset("Offset"), OF_MAILJET),
    Kind(
        "Nexus",
        GET,
        Cursor("continuationToken", param="continuationToken"),
        Shape(has=("items", "continuationToken")),
    ),
    Kind(
        "Spring",
        GET,
        PageNumber("page", 0, total_pages="totalPages"),
        Shape(has=("content", "number", "size", "first", "last", "numberOfElements")),
    ),
    Kind(
        "Spring",
        GET,
        PageNumber("page", 0, total_pages="page.totalPages"),
        Shape(has=("content", *(f"page.{name}" for name in SPRING))),
    ),
    Kind(
        "Azure DevOps",
        GET,
        HeaderCursor("x-ms-continuationtoken", "continuationToken"),
        Shape(header="x-ms-continuationtoken"),
    ),
    Kind(
        "CouchDB",
        GET,
        Offset("skip", total="total_rows"),
        Shape(has=("total_rows", "offset", "rows")),
    ),
    Kind(
        "Heroku",
        GET,
        HeaderCursor("Next-Range", to_header="Range"),
        Shape(header="next-range"),
    ),
    Kind(
        "NASA's CMR",
        GET,
        HeaderCursor("CMR-Search-After", to_header="CMR-Search-After"),
        Shape(header="cmr-search-after"),
    ),
    Kind(
        "DynamoDB",
        POST,
        Cursor("LastEvaluatedKey", body="ExclusiveStartKey"),
        Shape(has=("LastEvaluatedKey", "ScannedCount")),
    ),
    Kind(
        "AWS",
        POST,
        Cursor("NextToken", body="NextToken"),
        Shape(has=("NextToken",), asked="x-amz-target"),
    ),
    Kind(
        "AWS",
        POST,
        Cursor("nextToken", body="nextToken"),
        Shape(has=("nextToken",), asked="x-amz-target"),
    ),
    Kind(
        "Elasticsearch",
        POST,
        LastItem("sort", body="search_after", more=None),
        Shape(has=("hits.hits", "_shards"), sends="sort"),
    ),
    Kind(
        "Datadog",
        POST,
        Cursor("meta.page.after", body="page.cursor"),
        Shape(has=("data", "meta.page.after", "links.next")),
    ),
    Kind(
        "Dropbox",
        POST,
        Cursor("cursor", body="cursor", more=MORE, url="/2/files/list_folder/continue"),
        Shape(
            has=("entries", "cursor", MORE),
            url=re.compile("^[^/]*/2/files/list_folder(/continue)?$"),
        ),
    ),
)


def known(page: Page[Any]) -> tuple[str, Scheme] | None:
    """The kind of API that a page comes from, and its scheme."""
    method = page.response.request.method
    if method == POST and (scheme := graphql(page)) is not None:
        return "GraphQL", scheme
    for kind in KINDS:
        if kind.method == method and kind.shape.fits(page):
            return kind.name, kind.scheme
    return None


def connection(page: Page[Any]) -> str | None:
    """The path of the connection whose nodes or edges the items are, as Relay has it."""
    path = (page.items_path or "").rpartition(".")[0]
    told = lookup(page.data, f"{path}.pageInfo.hasNextPage") if path else MISSING
    return None if told is MISSING else path


VARIABLE = re.compile(r"\bafter\s*:\s*\$(\w+)")


def graphql(page: Page[Any]) -> GraphQL | None:
    """The scheme of a connection, if the query takes its cursor as a variable."""
    path = connection(page)
    variable = VARIABLE.search(str(sent(page).get("query", "")))
    return GraphQL(path, variable[1]) if path and variable else None


ENDINGS = (
    ("OData names a next link", Shape(has=("@odata.context",))),
    ("OData names a next link", Shape(has=("odata.metadata",))),
    ("JSON:API names a next link", Shape(has=("jsonapi", "links"))),
    ("a FHIR bundle names a next link", Shape(values={"resourceType": "Bundle"})),
    ("a listing of Google has a nextPageToken", Shape(texts={"kind": GOOGLE_KIND})),
    (
        "a listing of Google has a nextPageToken",
        Shape(url=GOOGLE, texts={"kind": f"$|{GOOGLE_KIND}"}),
    ),
    (
        "a list of Kubernetes has a continue token",
        Shape(has=("apiVersion", "kind", "metadata.resourceVersion")),
    ),
    ("MediaWiki says how to continue", Shape(has=("batchcomplete",))),
    (
        "X gives a next_token",
        Shape(has=("meta.result_count", "meta.newest_id", "meta.oldest_id")),
    ),
    ("X gives a next_token", Shape(has=("meta.result_count",), url=OF_X)),
    ("Airtable gives an offset", Shape(has=("records",), items=("id", "createdTime", "fields"))),
    (
        "HubSpot says how to continue in paging",
        Shape(has=("results",), items=("id", "properties", "archived")),
    ),
    (
        "HubSpot says how to continue in paging",
        Shape(has=("results",), header="x-hubspot-correlation-id"),
    ),
    ("the AT Protocol gives a cursor", Shape(url=XRPC)),
    ("Okta names the next page in a Link header", Shape(header="x-okta-request-id")),
    ("Shopify names the next page in a Link header", Shape(header="x-shopify-api-version")),
    ("Slack gives a next_cursor", Shape(values={"ok": True}, header="x-slack-req-id")),
)
"""What makes the absence of a way on the end, and which responses are known for it."""

ENDINGS_OF_ANY = (
    (
        "a collection of features names a next link",
        Shape(has=("links",), values={"type": "FeatureCollection"}),
    ),
    ("DynamoDB gives a LastEvaluatedKey", Shape(has=("ScannedCount",))),
    ("AWS gives a token", Shape(asked="x-amz-target")),
    ("Datadog gives meta.page.after", Shape(has=("data", "meta.elapsed", "meta.request_id"))),
)
"""Those whose answers to a POST are known for it as well."""


def ended(page: Page[Any]) -> str | None:
    """Why a page that does not say how to continue is the last one, if its kind says so."""
    if not page.records:
        return None
    of_post = page.response.request.method == POST
    known = ENDINGS_OF_ANY if of_post else (*ENDINGS_OF_ANY, *ENDINGS)
    return next((why for why, shape in known if shape.fits(page)), None)


FACEBOOK = Shape(has=("data", "paging.cursors"), values={"paging.next": MISSING})
MAILGUN = Shape(
    has=("items", *(f"paging.{name}" for name in ("first", "previous", "next", "last")))
)


def complete(page: Page[Any]) -> str | None:
    """Why a page is the last one though it has a cursor or a link, if its kind says so."""
    if FACEBOOK.fits(page):
        return "Facebook names no next URL in paging"
    if not page.records and MAILGUN.fits(page):
        return "Mailgun ends with an empty page"
    return None


YOUTUBE = Shape(has=("pageInfo.totalResults",), texts={"kind": "youtube#"})
WEAVIATE = Shape(has=("deprecations", "objects", "totalResults"))


def miscounts(page: Page[Any]) -> bool:
    """Whether a total is an estimate or that of the page, as the reference of this kind says."""
    return any(shape.fits(page) for shape in (YOUTUBE, OF_MAILJET, WEAVIATE))


def is_lower_bound(page: Page[Any], place: Place) -> bool:
    """Whether there may be more than the total at this place: Elasticsearch stops counting."""
    above = place.rpartition(".")[0] if isinstance(place, str) else ""
    return bool(above) and lookup(page.data, f"{above}.relation") == "gte"
