"""What is found in a response: the items, the way on, and signs that there is more."""

from typing import Any

import pytest
from paged_api import API, number

from anystream.http import (
    Cursor,
    GraphQL,
    Header,
    ItemsNotFound,
    LastItem,
    NextURL,
    Page,
    PageDataError,
    PageNumber,
    SchemeNotFound,
    fetch_all_pages,
)


async def first_page(answer: Any, **options: Any) -> Page[Any]:
    async with API(lambda request: answer).client() as client:
        return await fetch_all_pages("http://t/", client=client, **options).by_page().first()


async def both(answer: Any, **options: Any) -> tuple[list[Any], Exception | None]:
    """The items that come, and the error after them."""
    got: list[Any] = []
    async with API(lambda request: answer).client() as client:
        try:
            async for item in fetch_all_pages("http://t/", client=client, **options):
                got.append(item)
        except Exception as error:
            return got, error
    return got, None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([1, 2], ""),
        ({"items": [1, 2]}, "items"),
        ({"a": 1, "b": {"c": 2}, "users": [1, 2]}, "users"),
        ({"data": {"users": [1, 2], "more": False}}, "data.users"),
        ({"users": [1, 2], "meta": {"tags": []}}, "users"),
        ({"a.b": [1, 2]}, "a.b"),
    ],
)
async def test_the_only_list_is_that_of_the_items(body: Any, path: str) -> None:
    page = await first_page(body)
    assert (page.items, page.items_path) == ([1, 2], path)


@pytest.mark.parametrize(
    ("body", "items", "problem"),
    [
        ({"a": 1}, None, "the body has no list; say where the items are with items="),
        ({"a": [], "b": [1]}, None, "the body has 2 lists: 'a', 'b'; say where"),
        ({"x": {"a": []}, "y": {"b": []}}, None, "the body has 2 lists: 'x.a', 'y.b'; say where"),
        ("text", None, "the body has no list; say"),
        ([{"pages": 3}, [{"a": 1}]], None, "(items=lambda body: body[1], in Python)"),
        ([{"pages": 0}, []], None, "(items=lambda body: body[1], in Python)"),
        (["a", [1], [2]], None, "(items=lambda body: body[1], in Python)"),
        ({"a": [1]}, "b", "nothing is at 'b', but there is a list at 'a'"),
        ({"a": [1]}, "a.b", "nothing is at 'a.b', but there is a list at 'a'"),
        ({"a": {"b": 1}}, "a.b", "the value at 'a.b' is not a list, but 1"),
        ({"a": {"0": 1}}, "a", "the value at 'a' is not a list, but {'0': 1}"),
        ({"a": [1]}, "", "the body itself is not a list, but {'a': [1]}"),
        ({"a": [1]}, lambda data: 7, "what test_no_list_of_items"),
    ],
)
async def test_no_list_of_items(body: Any, items: Any, problem: str) -> None:
    got, error = await both(body, items=items)
    assert got == []
    assert isinstance(error, ItemsNotFound)
    assert problem in str(error) or "what <function" in str(error)


async def test_a_function_finds_the_items() -> None:
    body = {"edges": [{"node": 1}, {"node": 2}], "other": []}
    page = await first_page(body, items=lambda data: [edge["node"] for edge in data["edges"]])
    assert (page.items, page.items_path) == ([1, 2], None)


async def test_texts_are_those_of_a_list_in_the_body() -> None:
    body = b'{"a": [1.50, {"b" :\n 2}], "other": [[1.50]]}'
    page = await first_page(body, items="a", texts=True)
    assert page.items == ["1.50", '{"b" : 2}']
    got, error = await both(body, items=lambda data: data["a"][:1], texts=True)
    assert got == []
    assert isinstance(error, ItemsNotFound)
    assert "texts=True: items must be a list of this document" in str(error)


async def test_the_list_of_the_first_page_is_that_of_all() -> None:
    answers = iter([{"a": [1], "next": "/2"}, {"b": [2]}])
    async with API(lambda request: next(answers)).client() as client:
        with pytest.raises(
            ItemsNotFound, match=r"page 2 of http://t/2: .* at 'a', but there is a list at 'b'"
        ):
            await fetch_all_pages("http://t/", client=client).drain()


@pytest.mark.parametrize(
    ("body", "headers", "scheme"),
    [
        ({"items": [], "next": "http://t/2"}, {}, "NextURL()"),
        ({"items": [], "next": "/2"}, {}, "NextURL()"),
        ({"items": [], "next": "HTTP://T/2"}, {}, "NextURL()"),
        ({"items": [], "next": "?page=2"}, {}, "NextURL()"),
        ({"items": [], "links": {"next": "/2"}}, {}, "NextURL(path='links.next')"),
        ({"items": [], "links": {"next": {"href": "/2"}}}, {}, "NextURL(path='links.next.href')"),
        ({"items": [], "_links": {"next": {"href": "/2"}}}, {}, "NextURL(path='_links.next.href')"),
        ({"value": [], "@odata.nextLink": "/2"}, {}, "NextURL(path='@odata.nextLink')"),
        ({"items": [], "nextRecordsUrl": "/2"}, {}, "NextURL(path='nextRecordsUrl')"),
        ([], {"Link": '</2>; rel="next"'}, "LinkHeader()"),
        ({"items": [], "next": "/2"}, {"Link": '</2>; rel="next"'}, "LinkHeader()"),
        ({"items": [], "next": None}, {}, "None"),
        ({"items": []}, {"Link": '</2>; rel="prev"'}, "None"),
        ({"items": [], "next": "abc"}, {}, "None"),
    ],
)
async def test_the_scheme_that_a_response_shows(
    body: Any, headers: dict[str, str], scheme: str
) -> None:
    page = await first_page((body, headers))
    assert repr(page.scheme) == scheme
    assert page.next == (None if scheme == "None" else page.next)
    assert (page.next is None) == (scheme == "None")


@pytest.mark.parametrize(
    ("body", "headers", "sign"),
    [
        ({"has_more": True}, {}, "'has_more' is true"),
        ({"pageInfo": {"hasNextPage": True}}, {}, "'pageInfo.hasNextPage' is true"),
        ({"next_cursor": "abc"}, {}, "'next_cursor' is 'abc'"),
        ({"response_metadata": {"next_cursor": "abc"}}, {}, "'response_metadata.next_cursor' is"),
        ({"LastEvaluatedKey": {"id": 1}}, {}, "'LastEvaluatedKey' is {'id': 1}"),
        ({"next": 2}, {}, "'next' is 2"),
        ({"next": {"page": 2}}, {}, "'next.page' is 2"),
        ({"total_pages": 2}, {}, "'total_pages' is 2"),
        ({"total": 3}, {}, "'total' is 3, and 2 items have come"),
        ({}, {"X-WP-TotalPages": "2"}, "the header X-WP-TotalPages is 2"),
        ({}, {"X-Total": "3"}, "the header X-Total is 3, and 2 items have come"),
    ],
)
async def test_signs_of_more_pages_without_a_way_to_them(
    body: Any, headers: dict[str, str], sign: str
) -> None:
    got, error = await both(({"items": [1, 2], **body}, headers))
    assert got == [1, 2]
    assert isinstance(error, SchemeNotFound)
    assert f"there are more pages, since {sign}" in str(error)
    assert await both(({"items": [1, 2], **body}, headers), max_pages=1) == ([1, 2], None)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"has_more": False, "next": None, "next_cursor": "", "total": 2, "total_pages": 1}, {}),
        ({"page": 1, "has_more": False}, {}),
        ({"page": 1, "next": None}, {}),
        ({"page": 1, "total_pages": 1}, {}),
        ({"offset": 0, "total": 2}, {}),
        ({"total": "2"}, {"X-Total": "2", "X-WP-TotalPages": "1"}),
    ],
)
async def test_no_sign_of_more_pages(body: Any, headers: dict[str, str]) -> None:
    assert await both(({"items": [1, 2], **body}, headers)) == ([1, 2], None)


@pytest.mark.parametrize(
    ("body", "headers", "scheme", "total"),
    [
        ({}, {}, None, None),
        ({"total": 7}, {}, None, 7),
        ({"total": 7}, {"X-Total-Count": "8"}, None, 8),
        ({"total": 7, "n": {"all": "9"}}, {}, PageNumber(total="n.all"), 9),
        ({"total": 7}, {}, PageNumber(total=Header("X-N")), None),
        ({"total": 7}, {}, PageNumber(total=lambda page: len(page.items)), 2),
        ({"totalCount": True}, {}, None, None),
    ],
)
async def test_the_number_of_all_items(
    body: Any, headers: dict[str, str], scheme: Any, total: int | None
) -> None:
    page = await first_page(({"items": [1, 2], **body}, headers), next=scheme)
    assert page.total == total


async def test_no_content_is_no_items() -> None:
    assert await both(204) == ([], None)
    page = await first_page(204)
    assert page.data is None
    assert await both(204, next=Cursor("c", param="c")) == ([], None)


@pytest.mark.parametrize(
    ("scheme", "body", "problem"),
    [
        (
            Cursor("c", param="c", more="more"),
            {"more": True},
            "'more' says that there is more, but 'c'",
        ),
        (
            Cursor("c", param="c", more="more"),
            {"more": 1, "c": ""},
            "'more' says that there is more, but 'c'",
        ),
        (NextURL("c"), {"c": 7}, "'c' should be a URL, got 7"),
        (LastItem("id", "after"), {}, "the page has no 'has_more'"),
        (
            LastItem("id", "after"),
            {"has_more": True},
            "the page has no last item with a usable 'id'",
        ),
        (LastItem("id", "after", more=None), {}, "the page has no last item with a usable 'id'"),
    ],
)
async def test_what_a_scheme_misses(scheme: Any, body: Any, problem: str) -> None:
    got, error = await both({"items": [{"x": 1}], **body}, next=scheme)
    assert got == [{"x": 1}]
    assert isinstance(error, PageDataError)
    assert problem in str(error)


@pytest.mark.parametrize(
    ("info", "problem"),
    [
        ({}, "'data.x' has no pageInfo with hasNextPage and endCursor"),
        ({"hasNextPage": True}, "'data.x' has no pageInfo"),
        ({"hasNextPage": True, "endCursor": None}, "'data.x' has no pageInfo"),
    ],
)
async def test_what_a_connection_misses(info: Any, problem: str) -> None:
    body = {"data": {"x": {"nodes": [1], "pageInfo": info}}}
    got, error = await both(body, next=GraphQL("data.x"), json={"query": "q"})
    assert got == [1]
    assert isinstance(error, PageDataError)
    assert problem in str(error)


@pytest.mark.parametrize(
    ("scheme", "body"),
    [
        (Cursor("c", param="c"), {}),
        (Cursor("c", param="c"), {"c": None}),
        (Cursor("c", param="c"), {"c": ""}),
        (Cursor("c", param="c", more="more"), {"c": "x", "more": False}),
        (NextURL("c"), {"c": False}),
        (LastItem("id", "after"), {"has_more": False}),
        (lambda page: None, {}),
    ],
)
async def test_ends(scheme: Any, body: Any) -> None:
    assert await both({"items": [1], **body}, next=scheme) == ([1], None)


async def test_a_cursor_of_zero_is_a_cursor() -> None:
    answers = iter([{"items": [1], "c": 0}, {"items": [2]}])
    async with (api := API(lambda request: next(answers))).client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=Cursor("c", param="c"))
        assert await stream.collect() == [1, 2]
    assert api.asked == ["/", "/?c=0"]


async def test_a_function_that_gives_what_it_should_not() -> None:
    got, error = await both({"items": [1]}, next=lambda page: 7)
    assert got == [1]
    assert isinstance(error, TypeError)
    assert "next must return the URL of the next page" in str(error)


async def test_dedupe_by_a_path_that_not_every_item_has() -> None:
    pages = [[{"k": 1}, {"k": [2]}, {}], [{"k": [2]}, {}, {"k": 1}, {"k": "1"}, 7]]
    answers = iter([{"items": pages[0], "next": "/2"}, {"items": pages[1]}])
    async with API(lambda request: next(answers)).client() as client:
        stream = fetch_all_pages("http://t/", client=client, dedupe="k")
        assert await stream.collect() == [*pages[0], {}, {"k": "1"}, 7]


async def test_on_page_hears_of_each_page_before_its_items() -> None:
    heard: list[Any] = []

    async def hear(page: Page[Any]) -> None:
        heard.append(page.number)

    def answer(request: Any) -> Any:
        page = number(request)
        return {"items": [f"x{page}"], "next": f"?page={page + 1}" if page < 3 else None}

    async with API(answer).client() as client:
        for fn in (hear, lambda page: heard.append(page.number)):
            async with fetch_all_pages("http://t/", client=client, on_page=fn) as items:
                async for item in items:
                    heard.append(item)
    assert heard == [1, "x1", 2, "x2", 3, "x3"] * 2


async def test_no_more_items_than_wanted() -> None:
    def answer(request: Any) -> Any:
        page = number(request)
        return {"items": [3 * page + at for at in range(3)], "next": f"?page={page + 1}"}

    async with (api := API(answer)).client() as client:
        for limit, requests in ((0, 0), (2, 1), (3, 1), (4, 2)):
            api.requests.clear()
            stream = fetch_all_pages("http://t/", client=client, max_items=limit)
            assert await stream.count() == limit
            assert len(api.requests) == requests
        pages = await fetch_all_pages("http://t/", client=client, max_items=4).by_page().collect()
        assert [page.items for page in pages] == [[3, 4, 5], [6]]
