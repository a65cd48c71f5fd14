"""Every scheme, with httpx and httpx2, against the loopback server."""

import json
from typing import Any

import pytest
from server import Server

from anystream import Stream
from anystream.http import (
    Cursor,
    GraphQL,
    Header,
    HeaderCursor,
    LastItem,
    LinkHeader,
    NextURL,
    Offset,
    Page,
    PageNumber,
    PageStream,
    fetch_all_pages,
)

pytestmark = pytest.mark.real_time

IDS = list(range(1, 24))


def follow(page: Page[Any]) -> str | None:
    return page.data["next"]  # type: ignore[no-any-return]


async def turn(page: Page[Any]) -> dict[str, str | int] | None:
    return {"page": page.number + 1} if page.number < 3 else None


SCHEMES: dict[str, tuple[str, dict[str, Any]]] = {
    "page": ("/page", {"next": PageNumber(total_pages="total_pages")}),
    "page, by a header": ("/page", {"next": PageNumber(total_pages=Header("X-WP-TotalPages"))}),
    "page, by a function": ("/page", {"next": PageNumber(total_pages=lambda p: 3)}),
    "page, until it is empty": ("/page", {"next": PageNumber()}),
    "page, until it is not found": ("/page?past=404", {"next": PageNumber(end_statuses=(404,))}),
    "page, in parallel": (
        "/page",
        {"next": PageNumber(total_pages="total_pages"), "concurrency": 2},
    ),
    "offset": ("/offset", {"next": Offset(total="total"), "page_size": 10}),
    "offset, until it is empty": ("/offset?cap=7", {"next": Offset(), "page_size": 10}),
    "offset, in parallel": (
        "/offset?cap=7",
        {"next": Offset(total="total"), "page_size": 10, "concurrency": 2},
    ),
    "cursor": ("/cursor", {"next": Cursor("next_cursor", param="cursor")}),
    "cursor, in the body": (
        "/cursor-more",
        {"next": Cursor("next_cursor", body="start_cursor", more="has_more"), "json": {}},
    ),
    "next": ("/next", {}),
    "next, by name": ("/next", {"next": NextURL("next")}),
    "next, by a function": ("/next", {"next": follow}),
    "parameters, by an async function": ("/page", {"next": turn}),
    "odata": ("/odata", {}),
    "salesforce": ("/salesforce", {}),
    "hal": ("/hal", {}),
    "jsonapi": ("/jsonapi", {}),
    "link": ("/link", {}),
    "link, by name": ("/link", {"next": LinkHeader("next")}),
    "header": ("/header", {"next": HeaderCursor("x-ms-continuationtoken", "continuationToken")}),
    "last item": ("/last", {"next": LastItem("id", "starting_after")}),
    "keyset": ("/keyset", {"next": LastItem("id", "max_id", more=None)}),
    "graphql": (
        "/graphql",
        {"next": GraphQL("data.repository.issues"), "json": {"query": "q"}, "page_size": 10},
    ),
}


def users(server: Server, client: Any, name: str, **more: Any) -> PageStream[Any]:
    path, options = SCHEMES[name]
    url = f"{server.url}{path}{'&' if '?' in path else '?'}n={len(IDS)}"
    return fetch_all_pages(url, client=client, **{**options, **more})


async def ids(stream: Stream[Any]) -> list[int]:
    return await stream.map(lambda item: item["id"]).collect()


@pytest.mark.parametrize("name", SCHEMES)
async def test_every_item_of_every_page(server: Server, client: Any, name: str) -> None:
    expected = IDS[::-1] if name == "keyset" else IDS
    assert await ids(users(server, client, name)) == expected
    asked = len(server.requests)
    pages = await users(server, client, name).by_page().collect()
    assert len(server.requests) == 2 * asked
    assert [item["id"] for page in pages for item in page.items] == expected
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert not client.is_closed
    state = json.loads(json.dumps(pages[0].state))
    rest = await ids(users(server, client, name, resume_from=state))
    assert rest == expected[len(pages[0].items) :]


@pytest.mark.parametrize("name", ["page", "cursor, in the body", "link", "graphql", "keyset"])
async def test_pages_in_advance(server: Server, client: Any, name: str) -> None:
    expected = IDS[::-1] if name == "keyset" else IDS
    async with users(server, client, name, prefetch=2) as items:
        async for item in items:
            if item["id"] == expected[11]:
                break
        state = items.state
    assert await ids(users(server, client, name, resume_from=state)) == expected[12:]


@pytest.mark.filterwarnings("ignore::anystream.http.IncompleteWarning")
@pytest.mark.parametrize("name", ["page", "next", "odata", "link"])
async def test_an_empty_page_that_has_a_next_one_is_no_end(
    server: Server, client: Any, name: str
) -> None:
    path, options = SCHEMES[name]
    url = f"{server.url}{path}?n=23&fault=empty"
    assert await ids(fetch_all_pages(url, client=client, **options)) == IDS[:10] + IDS[20:]


@pytest.mark.filterwarnings("ignore::anystream.http.IncompleteWarning")
async def test_a_total_that_changes(server: Server, client: Any) -> None:
    """It grows by five from the second page on, which makes one page more."""
    for options in ({}, {"concurrency": 2}):
        numbered = PageNumber(total_pages="total_pages")
        url = f"{server.url}/page?n=19&size=10&fault=total"
        found = fetch_all_pages(url, client=client, next=numbered, **options)
        assert [len(page.items) for page in await found.by_page().collect()] == [10, 9, 0]


async def test_what_a_page_knows(server: Server, client: Any) -> None:
    url = f"{server.url}/page?n=23"
    pages = await fetch_all_pages(url, client=client, next=PageNumber()).by_page().collect()
    first = pages[0]
    assert (first.number, first.total, first.items_path) == (1, 23, "items")
    assert first.url == f"{url}&page=1"
    assert first.next == {"params": {"page": 2}}
    assert first.data["items"] == first.items
    assert first.response.status_code == 200
    assert repr(first.scheme) == "PageNumber()"
    assert "number=1" in repr(first)
    assert pages[-1].next is None
