"""Guarantees over HTTP that no other test would miss, if the line behind them was removed."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import httpx
import pytest
from paged_api import API, number

from anystream import Retry
from anystream.http import (
    CrossOriginNext,
    Cursor,
    Event,
    GraphQL,
    GraphQLError,
    IncompleteWarning,
    LastItem,
    NextURL,
    Offset,
    PageNumber,
    PaginationLoop,
    RecordSizeError,
    fetch_all_pages,
)
from anystream.http.bodies.events import Decoder
from anystream.net import lines

ENDING = {"items": [1], "next": None}

TWICE = Retry(times=1, first=1, jitter=False)


def leading_to(link: str) -> Any:
    """Two pages; the first one has this link to the second."""

    def answer(request: httpx.Request) -> Any:
        second = number(request) == 2
        return {"items": [2 if second else 1], "next": None if second else link}

    return answer


@pytest.mark.parametrize("redirected", [False, True])
async def test_the_client_signs_no_request_to_another_origin(redirected: bool) -> None:
    def answer(request: httpx.Request) -> Any:
        if redirected and request.url.host == "t" and number(request) == 2:
            return httpx.Response(302, headers={"location": "http://other/?page=2"})
        link = "?page=2" if redirected else "http://other/?page=2"
        return leading_to(link)(request)

    api = API(answer)
    client = api.client(auth=("user", "s3cret"), headers={"x-key": "k"}, follow_redirects=True)
    async with client:
        stream = fetch_all_pages("http://t/", client=client, allow_origins=["http://other"])
        assert await stream.collect() == [1, 2]
    for request in api.requests:
        secrets = {"authorization", "x-key"} & request.headers.keys()
        assert len(secrets) == (0 if request.url.host == "other" else 2)
    assert api.requests[-1].url.host == "other"


@pytest.mark.parametrize("link", ["https://other/?page=2", "https://t:8443/?page=2"])
async def test_https_elsewhere_is_another_origin(link: str) -> None:
    api = API(leading_to(link))
    async with api.client() as client:
        with pytest.raises(CrossOriginNext):
            await fetch_all_pages("http://t/", client=client).drain()
    assert len(api.requests) == 1


def test_a_token_is_hidden_though_its_name_is_escaped() -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    stream = fetch_all_pages("http://t/?api%5Fkey=s3cret&api%20=1", client=client)
    assert repr(stream) == "fetch_all_pages('http://t/?api%5Fkey=***&api%20=1')"


async def test_a_note_on_an_error_of_the_client_shows_no_credentials() -> None:
    def answer(request: httpx.Request) -> Any:
        raise httpx.ConnectError("nobody there")

    async with API(answer).client() as client:
        with pytest.raises(httpx.ConnectError) as caught:
            stream = fetch_all_pages("http://me:s3cret@t/?key=s3cret", client=client, retry=None)
            await stream.drain()
    assert caught.value.__notes__[0] == "while fetching page 1 of http://t/?key=***"


async def test_forbidden_for_a_while_is_a_rate_limit() -> None:
    answers = iter([httpx.Response(403, headers={"retry-after": "7"}), ENDING])
    api = API(lambda request: next(answers))
    async with api.client() as client:
        assert await fetch_all_pages("http://t/", client=client, retry=TWICE).collect() == [1]
    assert api.times == [0, 7]


async def test_the_last_page_is_the_last_one_also_for_who_goes_on_from_there() -> None:
    """A total beyond the items of a page is a sign of more on the first page only."""

    def answer(request: httpx.Request) -> Any:
        return {**leading_to("?page=2")(request), "total": 2}

    async with API(answer).client() as client:
        async with fetch_all_pages("http://t/", client=client).by_page() as pages:
            state = (await anext(pages)).state
        rest = fetch_all_pages("http://t/", client=client, resume_from=state)
        assert await rest.collect() == [2]


async def test_a_loop_is_noticed_however_long() -> None:
    answers = iter([{"items": [1], "next": "/b"}, {"items": [2], "next": "/"}])
    async with API(lambda request: next(answers)).client() as client:
        with pytest.raises(PaginationLoop, match="it leads to http://t/, which this run has asked"):
            await fetch_all_pages("http://t/", client=client).drain()


def cursor_of(page: Any) -> Any:
    return {"cursor": page.data["cursor"]} if page.data["cursor"] else None


STAYS = [
    Cursor("cursor", param="cursor"),
    Cursor("cursor", header="X-Cursor"),
    Cursor("cursor", param="cursor", more="more"),
    cursor_of,
]


@pytest.mark.parametrize("scheme", STAYS)
async def test_a_cursor_may_stay_while_the_server_moves(scheme: Any) -> None:
    """Also past pages without items, if something else says that there is more."""
    middle = [[]] if scheme is STAYS[2] else []
    pages = iter([[1, 2], [3, 4], *middle, [5]])

    def answer(request: httpx.Request) -> Any:
        items = next(pages)
        return {"items": items, "more": items != [5], "cursor": None if items == [5] else "at+/="}

    async with API(answer).client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=scheme)
        assert await stream.collect() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("body", "options", "asked"),
    [
        ({"cursor": "at+/="}, {"next": STAYS[0]}, 3),
        ({"cursor": 7}, {"next": STAYS[0]}, 2),
        ({"cursor": "7"}, {"next": cursor_of}, 2),
        ({"next": "/b?cursor=at"}, {}, 2),
        ({"next": "/b?cursor=at"}, {"next": NextURL("next")}, 2),
    ],
)
async def test_a_link_or_a_number_that_leads_to_itself_is_a_loop_at_once(
    body: Any, options: Any, asked: int
) -> None:
    """A cursor is one as soon as most of the items that it brings are known."""

    def answer(request: httpx.Request) -> Any:
        latest = [0, 10, 11][len(api.requests) - 1]
        return {"items": [{"id": latest - n} for n in range(4)], **body}

    api = API(answer)
    async with api.client() as client:
        with pytest.raises(PaginationLoop):
            await fetch_all_pages("http://t/", client=client, **options).drain()
    assert len(api.requests) == asked


@pytest.mark.parametrize("scheme", [PageNumber(), Offset(), LastItem("id", "after", more=None)])
async def test_an_empty_page_is_the_end_where_nothing_else_says_so(scheme: Any) -> None:
    answers = iter([[{"id": 1}], [{"id": 2}], []])
    async with API(lambda request: next(answers)).client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=scheme)
        assert await stream.collect() == [{"id": 1}, {"id": 2}]


async def test_the_last_item_is_looked_into_though_items_are_texts() -> None:
    answers = iter([{"has_more": True, "items": [{"id": 7}]}, {"has_more": False, "items": []}])
    api = API(lambda request: next(answers))
    async with api.client() as client:
        last = LastItem("id", "after")
        stream = fetch_all_pages("http://t/", client=client, next=last, texts=True)
        assert await stream.collect() == ['{"id": 7}']
    assert api.asked == ["/", "/?after=7"]


async def test_errors_of_graphql_come_before_its_data() -> None:
    body = {"errors": [{"message": "half"}], "data": {"x": {"nodes": [1], "pageInfo": {}}}}
    async with API(lambda request: body).client() as client:
        with pytest.raises(GraphQLError, match="half"):
            await fetch_all_pages("http://t/", client=client, next=GraphQL("data.x")).drain()


async def test_a_slow_page_may_still_tell_of_more() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        page = number(request)
        await anyio.sleep(9 if page == 2 else 1)
        return httpx.Response(200, json={"items": [page], "pages": 4 if page == 2 else 3})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        numbered = PageNumber(total_pages="pages")
        stream = fetch_all_pages("http://t/", client=client, next=numbered, concurrency=2)
        assert await stream.collect() == [1, 2, 3, 4]


async def test_no_more_of_a_line_is_kept_than_allowed() -> None:
    chunks = iter([b"x" * 10, b"x" * 10])

    async def source() -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk
        pytest.fail("the line is too long already")

    with pytest.raises(RecordSizeError, match="longer than 15 bytes"):
        await lines(source, max_line=15).drain()


async def test_an_empty_page_ends_offsets_whatever_the_total() -> None:
    def answer(request: httpx.Request) -> Any:
        return {"items": [] if number(request, "offset", 0) else [1, 2], "total": 9}

    api = API(answer)
    async with api.client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=Offset(total="total"))
        with pytest.warns(IncompleteWarning, match="9 items in total, but 2 came"):
            assert await stream.collect() == [1, 2]
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    "told",
    [[9, None, None], [None, None, 9], [9, 9, 0], [12, None, 9]],
    ids=["on the first page", "on the last one", "on all but the last", "and told again"],
)
@pytest.mark.parametrize("scheme", [PageNumber(), PageNumber(total="total"), None])
async def test_the_total_of_the_last_page_or_the_first(told: list[int | None], scheme: Any) -> None:
    """0 past the end is the number of rows there."""

    def answer(request: httpx.Request) -> Any:
        page = number(request)
        items = [page, -page] if page < 3 else []
        link = {} if page == 3 else {"Link": f'<?page={page + 1}>; rel="next"'}
        return {"items": items, "total": told[page - 1]}, link

    async with API(answer).client() as client:
        with pytest.warns(IncompleteWarning, match="9 items in total, but 4 came"):
            assert await fetch_all_pages("http://t/", client=client, next=scheme).count() == 4


async def test_the_total_of_the_page_that_came_last() -> None:
    def answer(request: httpx.Request) -> Any:
        total = {} if number(request) == 1 else {"total": 9}
        return {"items": [number(request)], "pages": 3, **total}

    scheme = PageNumber(total_pages="pages", total="total")
    async with API(answer).client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=scheme, concurrency=2)
        with pytest.warns(IncompleteWarning, match="9 items in total, but 3 came"):
            assert await stream.count() == 3


async def test_an_empty_first_page_is_asked_for_once_by_several_tasks() -> None:
    api = API(lambda request: {"items": [], "total": 9})
    async with api.client() as client:
        stream = fetch_all_pages(
            "http://t/", client=client, next=Offset(total="total"), concurrency=3, max_pages=5
        )
        with pytest.warns(IncompleteWarning, match="9 items in total, but 0 came"):
            assert await stream.collect() == []
    assert len(api.requests) == 1


@pytest.mark.parametrize(("read", "index"), [(1, 2), (2, 4), (3, 0)])
async def test_the_state_is_a_place_among_all_items_also_those_that_were_dropped(
    read: int, index: int
) -> None:
    items = [{"id": id, "at": at} for at, id in enumerate("aabbcc")]
    async with API(lambda request: {"items": items, "next": None}).client() as client:
        async with fetch_all_pages("http://t/", client=client, dedupe="id") as unique:
            got = [(await anext(unique))["at"] for _ in range(read)]
            state = unique.state
        assert got == [0, 2, 4][:read]
        assert state["index"] == index
        rest = fetch_all_pages("http://t/", client=client, resume_from=state, dedupe="id")
        assert [item["at"] async for item in rest] == [2, 4][read - 1 :]


def test_the_state_of_another_body_is_refused() -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    state = aiter(fetch_all_pages("http://t/", client=client, json={"team": 1})).state
    assert fetch_all_pages("http://t/", client=client, json={"team": 1}, resume_from=state)
    with pytest.raises(
        ValueError, match="with the same parameters, body, next= and items=; it was saved"
    ):
        fetch_all_pages("http://t/", client=client, json={"team": 2}, resume_from=state)


def test_the_id_of_half_an_event_is_forgotten_with_its_connection() -> None:
    decoder = Decoder("http://t/", 100)
    assert decoder.feed(b"id: 1\ndata: a\n\nid: 2\ndata: ha") == [Event("message", "a", "1")]
    decoder.connect()
    assert decoder.feed(b"data: b\n\n") == [Event("message", "b", "1")]
