"""APIs that are known beyond doubt by the shape of their responses.

Only what a specification or a provider's reference fixes stands here: which field leads to the next
page and how it is sent back, or that nothing more comes where the field is absent.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..._batches import MISSING
from .page import Page, lookup
from .schemes import (
    MORE,
    Cursor,
    GraphQL,
    HeaderCursor,
    LastItem,
    NextParams,
    Scheme,
    sent,
)

GET, POST = "GET", "POST"


class Kind(NamedTuple):
    """How an API of one kind goes on, and what its responses are known by."""

    name: str
    method: str
    known: Callable[[Page[Any]], bool]
    scheme: Callable[[Page[Any]], Scheme]


def at(page: Page[Any], path: str) -> Any:
    """What is at a path of the body; None if there is nothing."""
    found = lookup(page.data, path)
    return None if found is MISSING else found


def has(page: Page[Any], *paths: str) -> bool:
    return all(lookup(page.data, path) is not MISSING for path in paths)


def path_of(page: Page[Any]) -> str:
    return str(page.response.url.path)


def always(scheme: Scheme) -> Callable[[Page[Any]], Scheme]:
    return lambda _: scheme


def is_list_of(page: Page[Any], *fields: str) -> bool:
    """Whether it is one of the lists that Stripe has brought up, with these fields beside it."""
    return at(page, "object") == "list" and has(page, MORE, *fields)


def with_header(page: Page[Any], name: str) -> bool:
    return name in page.response.headers


KINDS = (
    Kind(
        "Google",
        GET,
        lambda page: "#" in str(at(page, "kind")) and has(page, "nextPageToken"),
        always(Cursor("nextPageToken", param="pageToken")),
    ),
    Kind(
        "Kubernetes",
        GET,
        lambda page: has(page, "apiVersion", "kind", "metadata.continue"),
        always(Cursor("metadata.continue", param="continue")),
    ),
    Kind(
        "Reddit",
        GET,
        lambda page: at(page, "kind") == "Listing" and has(page, "data.after"),
        always(Cursor("data.after", param="after")),
    ),
    Kind(
        "Stripe",
        GET,
        lambda page: is_list_of(page, "url", "data") and str(at(page, "url")).startswith("/v"),
        always(LastItem("id", "starting_after")),
    ),
    Kind(
        "Stripe's search",
        GET,
        lambda page: at(page, "object") == "search_result" and has(page, MORE, "next_page"),
        always(Cursor("next_page", param="page", more=MORE)),
    ),
    Kind(
        "OpenAI",
        GET,
        lambda page: is_list_of(page, "first_id", "last_id"),
        always(Cursor("last_id", param="after", more=MORE)),
    ),
    Kind(
        "Anthropic",
        GET,
        lambda page: not has(page, "object") and has(page, MORE, "first_id", "last_id"),
        always(Cursor("last_id", param="after_id", more=MORE)),
    ),
    Kind(
        "Notion",
        GET,
        lambda page: is_list_of(page, "results", "next_cursor"),
        always(Cursor("next_cursor", param="start_cursor", more=MORE)),
    ),
    Kind(
        "Notion",
        POST,
        lambda page: is_list_of(page, "results", "next_cursor"),
        always(Cursor("next_cursor", body="start_cursor", more=MORE)),
    ),
    Kind(
        "Slack",
        GET,
        lambda page: at(page, "ok") is True and has(page, "response_metadata.next_cursor"),
        always(Cursor("response_metadata.next_cursor", param="cursor")),
    ),
    Kind(
        "MediaWiki",
        GET,
        lambda page: has(page, "query", "continue.continue"),
        always(NextParams("continue")),
    ),
    Kind(
        "AT Protocol",
        GET,
        lambda page: "/xrpc/" in path_of(page) and has(page, "cursor"),
        always(Cursor("cursor", param="cursor")),
    ),
    Kind(
        "X",
        GET,
        lambda page: has(page, "meta.result_count", "meta.next_token"),
        always(Cursor("meta.next_token", param="pagination_token")),
    ),
    Kind(
        "Airtable",
        GET,
        lambda page: has(page, "records") and str(at(page, "offset")).startswith("itr"),
        always(Cursor("offset", param="offset")),
    ),
    Kind(
        "Box",
        GET,
        lambda page: has(page, "entries", "limit", "next_marker"),
        always(Cursor("next_marker", param="marker")),
    ),
    Kind(
        "Eventbrite",
        GET,
        lambda page: has(page, "pagination.continuation", "pagination.has_more_items"),
        always(
            Cursor(
                "pagination.continuation", param="continuation", more="pagination.has_more_items"
            )
        ),
    ),
    Kind(
        "Intercom",
        GET,
        lambda page: at(page, "pages.type") == "pages" and has(page, "pages.next.starting_after"),
        always(Cursor("pages.next.starting_after", param="starting_after")),
    ),
    Kind(
        "Nexus",
        GET,
        lambda page: has(page, "items", "continuationToken"),
        always(Cursor("continuationToken", param="continuationToken")),
    ),
    Kind(
        "Azure DevOps",
        GET,
        lambda page: with_header(page, "x-ms-continuationtoken"),
        always(HeaderCursor("x-ms-continuationtoken", "continuationToken")),
    ),
    Kind(
        "Heroku",
        GET,
        lambda page: with_header(page, "next-range"),
        always(HeaderCursor("Next-Range", to_header="Range")),
    ),
    Kind(
        "NASA CMR",
        GET,
        lambda page: with_header(page, "cmr-search-after"),
        always(HeaderCursor("CMR-Search-After", to_header="CMR-Search-After")),
    ),
    Kind(
        "DynamoDB",
        POST,
        lambda page: has(page, "LastEvaluatedKey", "ScannedCount"),
        always(Cursor("LastEvaluatedKey", body="ExclusiveStartKey")),
    ),
    Kind(
        "AWS",
        POST,
        lambda page: "x-amz-target" in page.response.request.headers and has(page, "NextToken"),
        always(Cursor("NextToken", body="NextToken")),
    ),
    Kind(
        "AWS",
        POST,
        lambda page: "x-amz-target" in page.response.request.headers and has(page, "nextToken"),
        always(Cursor("nextToken", body="nextToken")),
    ),
    Kind(
        "Elasticsearch",
        POST,
        lambda page: has(page, "hits.hits", "_shards") and bool(sent(page).get("sort")),
        always(LastItem("sort", body="search_after", more=None)),
    ),
    Kind(
        "Datadog",
        POST,
        lambda page: has(page, "data", "meta.page.after", "links.next"),
        always(Cursor("meta.page.after", body="page.cursor")),
    ),
    Kind(
        "Dropbox",
        POST,
        lambda page: (
            has(page, "entries", "cursor", MORE)
            and path_of(page).removesuffix("/continue").endswith("/list_folder")
        ),
        lambda page: Cursor(
            "cursor",
            body="cursor",
            more=MORE,
            url=f"{path_of(page).removesuffix('/continue')}/continue",
        ),
    ),
)


def known(page: Page[Any]) -> tuple[str, Scheme] | None:
    """The kind of API that a page comes from, and its scheme."""
    method = page.response.request.method
    if method == POST and (scheme := graphql(page)) is not None:
        return "GraphQL", scheme
    for kind in KINDS:
        if kind.method == method and kind.known(page):
            return kind.name, kind.scheme(page)
    return None


def connection(page: Page[Any]) -> str | None:
    """The path of the connection whose nodes or edges the items are, as Relay has it."""
    path = (page.items_path or "").rpartition(".")[0]
    return path if path and has(page, f"{path}.pageInfo.hasNextPage") else None


def graphql(page: Page[Any]) -> GraphQL | None:
    """The scheme of a connection, if the query takes its cursor as a variable."""
    path = connection(page)
    query = str(sent(page).get("query", ""))
    _, _, given = "".join(query.split()).partition("after:$")
    name = given[: next((at for at, char in enumerate(given) if not is_of_name(char)), len(given))]
    return GraphQL(path, name) if path and name else None


def is_of_name(char: str) -> bool:
    return char == "_" or (char.isascii() and char.isalnum())


ENDINGS: tuple[tuple[str, Callable[[Page[Any]], bool]], ...] = (
    ("OData names a next link", lambda page: has(page, "@odata.context")),
    ("OData names a next link", lambda page: has(page, "odata.metadata")),
    (
        "JSON:API names a next link",
        lambda page: has(page, "jsonapi") or "vnd.api+json" in kind_of(page),
    ),
    ("a FHIR bundle names a next link", lambda page: at(page, "resourceType") == "Bundle"),
    (
        "a collection of features names a next link",
        lambda page: at(page, "type") == "FeatureCollection" and has(page, "links"),
    ),
    ("a listing of Google's has a nextPageToken", lambda page: "#" in str(at(page, "kind"))),
    (
        "a list of Kubernetes has a continue token",
        lambda page: has(page, "apiVersion", "kind", "metadata.resourceVersion"),
    ),
    ("the MediaWiki API says how to continue", lambda page: has(page, "batchcomplete")),
    ("DynamoDB gives a LastEvaluatedKey", lambda page: has(page, "ScannedCount")),
    (
        "the X API gives a next_token",
        lambda page: has(page, "meta.result_count", "meta.newest_id", "meta.oldest_id"),
    ),
    (
        "Airtable gives an offset",
        lambda page: all(has_members(item, "id", "createdTime", "fields") for item in page.records),
    ),
    (
        "HubSpot says how to go on in paging",
        lambda page: (
            has(page, "results")
            and all(has_members(item, "properties", "archived") for item in page.records)
        ),
    ),
)
"""What makes the absence of a way on the end, and which responses are known for it."""


def kind_of(page: Page[Any]) -> str:
    return page.response.headers.get("content-type", "")


def has_members(item: Any, *names: str) -> bool:
    return isinstance(item, dict) and all(name in item for name in names)


def ended(page: Page[Any]) -> str | None:
    """Why a page that does not say how to go on is the last one, if its kind says so."""
    if not page.records:
        return None
    return next((why for why, fits in ENDINGS if fits(page)), None)
