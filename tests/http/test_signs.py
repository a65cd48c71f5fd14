"""What single responses say of more pages, the end or nothing, and runs that bring nothing new."""

import json
import warnings
from typing import Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint
from paged_api import API, number, query

from anystream.http import (
    Cursor,
    Header,
    IncompleteWarning,
    ItemsNotFound,
    LastItem,
    LinkHeader,
    NextParams,
    NextURL,
    Offset,
    Page,
    PageDataError,
    PageNumber,
    PaginationLoop,
    SchemeNotFound,
    fetch_all_pages,
)

HOME = "http://t/things"


async def first_of(body: Any, headers: Any = None, **options: Any) -> Page[Any]:
    async with API(lambda _: (body, headers or {})).client() as client:
        stream = fetch_all_pages(HOME, client=client, **options)
        return await stream.by_page().first()


def around(**members: Any) -> dict[str, Any]:
    return {"items": [{"id": 1}, {"id": 2}], **members}


MORE: list[tuple[Any, Any, str]] = [
    (around(more_things_url="/things?page=1"), {}, "'more_things_url' is '/things?page=1'"),
    (around(has_more="true"), {}, "'has_more' is 'true'"),
    (around(isLast="false"), {}, "'isLast' is 'false'"),
    (around(has_more=1), {}, "'has_more' is 1"),
    (around(meta={"hasNextPage": True}), {}, "'meta.hasNextPage' is true"),
    (around(next={"cursor": "x"}), {}, "'next.cursor' is 'x'"),
    (around(next={"path": "abc"}), {}, "'next.path' is 'abc'"),
    (around(next={"page": 2}), {}, "'next.page' is 2"),
    (around(next={"url": "things2"}), {}, "'next.url' is 'things2'"),
    (around(next_page=2), {}, "'next_page' is 2"),
    (around(total="7"), {}, "'total' is 7, and 2 items have come"),
    (around(meta={"Total-Count": 7}), {}, "'meta.Total-Count' is 7"),
    (around(total_count={"value": 7}), {}, "'total_count.value' is 7"),
    (around(offset="itr5"), {}, "'offset' is 'itr5'"),
    (around(), {"X-Total": "7"}, "the header X-Total is 7"),
    (around(), {"X-Next-Page": "2"}, "the header X-Next-Page is '2'"),
    (around(), {"Link": '</2>; rel="next"'}, "the Link header names '/2'"),
    (around(_links={"next": "/2"}), {}, "'_links.next' is '/2'"),
    (around(state={"next": "/things?page=2"}), {}, "'state.next' is '/things?page=2'"),
    (around(state={"has_more": True}), {}, "'state.has_more' is true"),
    (around(state={"next_cursor": "x"}), {}, "'state.next_cursor' is 'x'"),
    (around(total=2, cursor="x"), {}, "'cursor' is 'x'"),
    (around(total=2, has_more=True), {}, "'has_more' is true"),
    (around(queries={"nextPage": [{"start": 3}]}), {}, "'queries.nextPage' is [{'start': 3}]"),
    (around(links={"next": "/2"}), {"Link": '</2>; rel="first"'}, "'links.next' is '/2'"),
]

END: list[tuple[Any, Any, str]] = [
    (around(next_offset=-1), {}, "'next_offset' is -1"),
    (around(pagination={}), {}, "'pagination' is {}"),
    (around(has_more="false", next="/2"), {}, "'has_more' is 'false'"),
    (around(isLast=True, next_token="x"), {}, "'isLast' is true"),
    (around(next={"href": None}), {}, "'next.href' is None"),
    (around(next={}), {}, "'next' is {}"),
    (around(cursor=""), {}, "'cursor' is ''"),
    (around(total=2), {}, "'total' is 2"),
    (around(total_pages=1), {}, "'total_pages' is 1"),
    (around(page=3, pages=3), {}, "'pages' is 3"),
    (around(page=0, pages=1), {}, "'pages' is 1"),
    (around(), {"Link": '</1>; rel="prev"'}, "the Link header has no next page"),
    (around(), {"Link": '</2>; rel="next"; results="false"'}, "names has no results"),
    (around(more=False), {"Link": '</2>; rel="next"'}, "'more' is false"),
    ({"items": []}, {}, "there are no items"),
    ({"items": []}, {"X-Other": "1"}, "there are no items"),
]

NOTHING: list[Any] = [
    around(),
    around(more="see docs"),
    around(next_steps=None),
    around(next_steps="call us"),
    around(nextSyncToken="x"),
    around(nextSyncLink=f"{HOME}?syncToken=x"),
    around(cursor=True),
    around(cursor=["x"]),
    around(cursor={"a": 1}),
    around(marker=None),
    around(links=[{"rel": "next"}]),
    around(links=[{"rel": ["self"], "href": "/1"}]),
    around(links=[{"rel": 5, "href": "/1"}]),
    around(more_url=5),
    around(next={"path": 5}),
    around(next={"type": "text/html"}),
    around(total=1),
    around(total=-1),
    around(total_pages=0),
    around(count=2),
    around(task={"done": True}),
    around(task={"next": "/tasks?page=2"}),
    around(task={"total": 7}),
    around(task={"more_room": True}),
    around(task={"has_more": True, "steps": [{"id": 1}]}),
    around(task={"next_cursor": "x", "steps": {"items": [{"id": 1}]}, "parts": [{"id": 1}]}),
]


def id_of(case: Any) -> str:
    return str(case)[:60] if isinstance(case, dict) else ""


@pytest.mark.parametrize(("body", "headers", "sign"), MORE, ids=id_of)
async def test_more(body: Any, headers: Any, sign: str) -> None:
    page = await first_of(body, headers)
    assert page.error is not None or (page.answer, page.next is None) == ("more", False)
    shown = page.sign or str(page.error)
    assert sign in shown


@pytest.mark.parametrize(("body", "headers", "sign"), END, ids=id_of)
async def test_the_end(body: Any, headers: Any, sign: str) -> None:
    page = await first_of(body, headers)
    assert (page.answer, page.next, page.error) == ("end", None, None)
    assert sign in page.sign


@pytest.mark.parametrize("body", NOTHING, ids=id_of)
async def test_nothing(body: Any) -> None:
    page = await first_of(body, items="items")
    assert (page.answer, page.sign, page.error) == ("unknown", "", None)
    assert page.next == {"params": {"page": 1}}


async def test_a_link_with_an_anchor_that_is_not_a_url_is_passed_over() -> None:
    page = await first_of(around(), {"Link": '</2>; rel="next"; anchor="http://["'})
    assert page.answer == "unknown"


async def test_signs_inside_of_an_item_are_not_of_the_page() -> None:
    item = {"id": 1, "next": "/2", "has_more": True, "total": 9}
    assert (await first_of({"items": [item], "has_more": False})).answer == "end"
    assert (await first_of({"items": [item]})).answer == "unknown"


async def test_the_signs_nearest_to_the_items_count_first() -> None:
    for near in (True, False):
        found = {"list": [1, 2], "has_more": near}
        page = await first_of({"other": {"has_more": not near}, "found": found})
        assert (page.error is not None) == near


async def test_the_links_of_confluence_with_and_without_the_path_of_their_base() -> None:
    for target, scheme in (
        ("/rest/2", NextURL("_links.next", base="_links.base")),
        ("/wiki/rest/2", NextURL("_links.next")),
    ):
        body = around(_links={"base": "http://t/wiki", "next": target})
        page = await first_of(body)
        assert page.scheme == scheme
        assert page.next == {"url": "http://t/wiki/rest/2"}
    page = await first_of(around(_links={"base": "http://t", "next": "/rest/2"}))
    assert page.next == {"url": "http://t/rest/2"}


# -- schemes that find something else -------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "body", "problem"),
    [
        (NextURL("next"), around(next=5), "'next' should be a URL, got 5"),
        (NextURL("next"), around(next={"rel": "next"}), "'next' should be a URL, got {'rel'"),
        (NextParams("next"), around(next=[1]), r"'next' should hold parameters, got \[1\]"),
        (NextParams("next"), around(next={"a": [1]}), "'next' should hold parameters"),
        (
            LastItem("uid", "after"),
            around(has_more=True),
            "the page has no last item with a usable 'uid'",
        ),
        (
            LastItem("id", "after", add=1),
            {"items": [{"id": "a"}], "has_more": True},
            "a usable 'id'",
        ),
    ],
)
async def test_a_place_that_holds_something_else(scheme: Any, body: Any, problem: str) -> None:
    async with API(lambda _: body).client() as client:
        with pytest.raises(PageDataError, match=problem):
            await fetch_all_pages(HOME, client=client, next=scheme, items="items").drain()


@pytest.mark.parametrize(
    ("link", "method", "sent"),
    [
        ({"href": "/2"}, "POST", b'{"a":1}'),
        ({"href": "/2", "method": "get", "body": {"b": 2}}, "GET", b""),
        ({"href": "/2", "method": "POST", "body": {"b": 2}}, "POST", b'{"b":2}'),
        ({"href": "/2", "method": "POST", "body": {"b": 2}, "merge": True}, "POST", None),
    ],
)
async def test_a_link_with_a_method_and_a_body(link: Any, method: str, sent: bytes | None) -> None:
    api = API(lambda request: around(next=link) if request.url.path == "/things" else {"items": []})
    async with api.client() as client:
        await fetch_all_pages(HOME, client=client, json={"a": 1}, next=NextURL()).drain()
    last = api.requests[-1]
    assert (last.method, last.url.path) == (method, "/2")
    assert last.content.replace(b" ", b"") == (b'{"a":1,"b":2}' if sent is None else sent)


async def test_a_body_that_is_not_an_object_is_not_merged() -> None:
    link = {"href": "/2", "method": "POST", "body": {"b": 2}, "merge": True}
    api = API(lambda request: around(next=link) if request.url.path == "/things" else {"items": []})
    async with api.client() as client:
        await fetch_all_pages(HOME, client=client, json=[1], next=NextURL()).drain()
    assert api.requests[-1].content.replace(b" ", b"") == b'{"b":2}'


async def test_a_link_is_picked_by_a_number() -> None:
    links = [{"page": 1, "url": "/1"}, {"page": 2, "url": "/2"}, 5]
    options: dict[str, Any] = {"items": "items", "next": NextURL("links[page=2].url")}
    page = await first_of(around(links=links), **options)
    assert page.next == {"url": "http://t/2"}
    options["next"] = NextURL("links[page=3].url")
    assert (await first_of(around(links=links), **options)).next is None


async def test_a_list_of_values_is_a_parameter_for_each() -> None:
    api = API(lambda request: [] if "ids" in query(request) else [1])
    async with api.client() as client:
        await fetch_all_pages(HOME, client=client, next=lambda _: {"ids": [1, "b c"]}).first()
        async with fetch_all_pages(HOME, client=client, next=lambda _: {"ids": [1, "b"]}) as items:
            assert [await anext(items), await anext(items, None)] == [1, None]
    assert api.asked[-1].endswith("?ids=1&ids=b")


async def test_the_size_of_a_page_in_the_body() -> None:
    api = API(lambda _: {"items": []})
    async with api.client() as client:
        scheme = PageNumber(body="page", size="paging.size")
        await fetch_all_pages(HOME, client=client, json={}, next=scheme, page_size=5).drain()
        with pytest.raises(ValueError, match="page_size needs a scheme that knows"):
            fetch_all_pages(HOME, client=client, next=Offset(body="a", size=None), page_size=5)
    assert api.requests[0].content.replace(b" ", b"") == b'{"paging":{"size":5},"page":1}'


async def test_the_parent_of_the_items_is_not_there() -> None:
    async with API(lambda _: {"a": {"b": []}}).client() as client:
        with pytest.raises(ItemsNotFound, match=r"nothing is at 'x', nor at 'x.items'"):
            await fetch_all_pages(HOME, client=client, items="x.items").drain()
        assert await fetch_all_pages(HOME, client=client, items="a.items").count() == 0


async def test_a_post_that_says_nothing_is_not_repeated_with_a_number() -> None:
    api = API(lambda _: {"items": [1]})
    async with api.client() as client:
        with pytest.raises(SchemeNotFound, match="nothing says whether there are more pages"):
            await fetch_all_pages(HOME, client=client, json={}).drain()
    assert len(api.requests) == 1


# -- pages that bring nothing new, and totals -----------------------------------------------------


async def test_the_same_items_are_a_loop_also_if_they_change_a_little() -> None:
    def answer(request: httpx.Request) -> Any:
        return {"items": [{"id": 1, "seen": number(request)}, {"id": 2, "seen": 0}]}

    async with API(answer).client() as client:
        stream = fetch_all_pages(HOME, client=client, next=PageNumber())
        with pytest.raises(PaginationLoop, match="has the same items as the page before"):
            await stream.drain()


async def test_pages_at_a_time_that_are_the_same() -> None:
    async with API(lambda _: {"items": [1, 2], "pages": 9}, latency=1).client() as client:
        scheme = PageNumber("pg", total_pages="pages")
        stream = fetch_all_pages(HOME, client=client, next=scheme, concurrency=2)
        with pytest.raises(PaginationLoop, match="has the same items as page"):
            await stream.drain()


@pytest.mark.parametrize("most", [0, 3, 30])
async def test_empty_pages_in_a_row(most: int) -> None:
    api = API(lambda request: {"items": [], "next": f"?page={number(request) + 1}"})
    async with api.client() as client:
        with pytest.raises(PaginationLoop, match=f"max_empty={most} allows no more"):
            await fetch_all_pages(HOME, client=client, max_empty=most).drain()
    assert len(api.requests) == most + 1


async def test_an_empty_page_that_leads_to_itself_is_the_end() -> None:
    """Some servers give the cursor of the last page for ever."""

    def answer(request: httpx.Request) -> Any:
        return {"items": [1] * ("c" not in query(request)), "next": "?c=1"}

    api = API(answer)
    async with api.client() as client:
        assert await fetch_all_pages(HOME, client=client).collect() == [1]
    assert len(api.requests) == 2


@pytest.mark.parametrize("tasks", [1, 3])
async def test_a_total_that_is_more_than_what_came(tasks: int) -> None:
    def answer(request: httpx.Request) -> Any:
        page = number(request)
        return {"items": [page, -page], "total": 5000, "pages": 4}

    scheme = PageNumber(total_pages="pages", total="total")
    async with API(answer).client() as client:
        stream = fetch_all_pages(HOME, client=client, next=scheme, concurrency=tasks)
        with pytest.warns(IncompleteWarning, match="tells of 5000 items in total, but 8 came"):
            assert await stream.count() == 8
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert await stream.take(3).count() == 3
            async with stream as items:
                await anext(items)
                state = items.state
        again = fetch_all_pages(
            HOME, client=client, next=scheme, concurrency=tasks, resume_from=state
        )
        with pytest.warns(IncompleteWarning, match="tells of 5000 items in total, but 8 came"):
            assert await again.count() == 7


@pytest.mark.parametrize("total", ["9" * 5000, "-1", "many"])
async def test_a_total_that_is_no_number_is_none(total: str) -> None:
    for scheme in (PageNumber(total="total"), PageNumber(total=Header("X-Total"))):
        page = await first_of(around(total=total), {"X-Total": total}, next=scheme)
        assert (page.total, len(page.data["items"])) == (None, 2)
    page = await first_of(around(total=total), {"X-Total": total})
    assert len(page.data["items"]) == 2


async def test_a_total_that_has_come_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = await first_of(around(total=2), next=LinkHeader())
        assert page.total == 2
    scheme = Offset(total=Header("X-Total"))
    assert (await first_of(around(), {"X-Total": "2"}, next=scheme)).total == 2


# -- a client that never waits --------------------------------------------------------------------


def ready() -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"items": [number(request)]})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


MANY = 20_000


async def test_another_task_has_its_turn() -> None:
    count = 0
    async with ready() as client, anyio.create_task_group() as tasks:

        async def stop() -> None:
            for _ in range(3):
                await checkpoint()
            tasks.cancel_scope.cancel()

        tasks.start_soon(stop)
        stream = fetch_all_pages(HOME, client=client, next=PageNumber(), max_pages=MANY)
        async with stream as items:
            async for _ in items:
                count += 1
    assert 0 < count < 100


@pytest.mark.real_time
async def test_a_timeout_ends_it() -> None:
    async with ready() as client:
        stream = fetch_all_pages(HOME, client=client, next=PageNumber(), max_pages=MANY)
        with anyio.move_on_after(0.05) as scope:
            await stream.drain()
    assert scope.cancelled_caught


async def test_a_connection_with_items_of_its_own_says_nothing_of_ours() -> None:
    ours = {"nodes": [{"id": 1}], "pageInfo": {"hasNextPage": False, "endCursor": "a"}}
    theirs = {"nodes": [{"id": 9}], "pageInfo": {"hasNextPage": True, "endCursor": "b"}}
    body = {"data": {"theirs": theirs, "ours": ours}}
    page = await first_of(body, items="data.ours.nodes")
    assert (page.answer, page.sign) == ("end", "'data.ours.pageInfo.hasNextPage' is false")
    page = await first_of({"data": {"theirs": theirs}, "items": [{"id": 1}]}, items="items")
    assert page.answer == "unknown"


async def test_a_link_may_say_how_its_target_is_asked_for() -> None:
    """As STAC has it: by POST, with a body of its own or beside that of the run."""

    def answer(request: httpx.Request) -> Any:
        body = json.loads(request.content)
        link = {"rel": "next", "href": HOME, "method": "POST", "merge": True, "body": {"at": 2}}
        items = [{"id": 2}] if "at" in body else [{"id": 1}]
        assert body["limit"] == 1
        return {"items": items, "links": [] if "at" in body else [link]}

    api = API(answer)
    async with api.client() as client:
        stream = fetch_all_pages(HOME, client=client, json={"limit": 1}, items="items")
        assert await stream.collect() == [{"id": 1}, {"id": 2}]
    assert [request.method for request in api.requests] == ["POST", "POST"]


async def test_a_link_of_a_search_by_post_is_asked_for_as_the_error_says() -> None:
    def answer(request: httpx.Request) -> Any:
        last = request.method == "GET"
        return {"items": [{"id": 2 if last else 1}], "links": {"next": None if last else "/2"}}

    api = API(answer)
    async with api.client() as client:
        with pytest.raises(SchemeNotFound, match=r"which is for GET, .* pass next=") as caught:
            await fetch_all_pages(HOME, client=client, json={}).drain()
        assert "next=NextURL(path='links.next', method='GET')" in str(caught.value)
        scheme = NextURL("links.next", method="get")
        stream = fetch_all_pages(HOME, client=client, json={}, next=scheme)
        assert await stream.collect() == [{"id": 1}, {"id": 2}]
    assert [(each.method, each.content) for each in api.requests[1:]] == [
        ("POST", b"{}"),
        ("GET", b""),
    ]


async def test_a_link_header_of_a_search_by_post_is_not_followed() -> None:
    api = API(lambda _: (around(), {"Link": '</2>; rel="next"'}))
    async with api.client() as client:
        with pytest.raises(SchemeNotFound, match=r"which is for GET, .* pass next=LinkHeader\(\)"):
            await fetch_all_pages(HOME, client=client, json={}).drain()
    assert len(api.requests) == 1


async def test_a_connection_that_is_absent_in_mid_run_is_no_end() -> None:
    def answer(request: httpx.Request) -> Any:
        first = {"nodes": [1], "pageInfo": {"hasNextPage": True, "endCursor": "x"}}
        return {
            "data": {
                "issues": None if "after" in json.loads(request.content)["variables"] else first
            }
        }

    got: list[int] = []
    async with API(answer).client() as client:
        body = {
            "query": "query($after: String) { issues(after: $after) { nodes } }",
            "variables": {},
        }
        with pytest.raises(PageDataError):
            async for item in fetch_all_pages(HOME, client=client, method="POST", json=body):
                got.append(item)
    assert got == [1]


async def test_a_body_without_the_list_that_tells_of_no_items_is_an_empty_page() -> None:
    """HAL leaves out what it would embed, and SCIM what stands beside its `schemas`."""
    page = await first_of({"page": {"totalElements": 0}}, items="_embedded.events")
    assert (page.items, page.answer) == ([], "end")
    with pytest.raises(ItemsNotFound):
        await first_of({"page": {"totalElements": 5}}, items="_embedded.events")
    page = await first_of({"schemas": ["urn:a"], "totalResults": 0}, items="Resources")
    assert (page.items, page.answer) == ([], "end")
    for body in ({"schemas": ["urn:a"], "totalResults": 5}, {"schemas": ["urn:a"]}):
        with pytest.raises(ItemsNotFound):
            await first_of(body, items="Resources")


@pytest.mark.parametrize(
    ("key", "param"),
    [
        ("nextPageToken", "pageToken"),
        ("next_page_token", "page_token"),
        ("next-page-token", "page-token"),
        ("NextPageToken", "PageToken"),
        ("page_token", "page_token"),
        ("meta.nextToken", "nextToken"),
        ("next_token", "next_token"),
        ("continuation_token", "continuation_token"),
        ("nextMarker", "marker"),
        ("nextOffset", "offset"),
        ("next_id", "id"),
        ("nextCursor", "cursor"),
    ],
)
async def test_an_advice_is_spelled_as_the_response_is(key: str, param: str) -> None:
    above, _, own = key.rpartition(".")
    shown = {above: {own: "abc"}} if above else {own: "abc"}
    async with API(lambda request: {"items": [{"id": 1}], **shown}).client() as client:
        with pytest.raises(SchemeNotFound) as caught:
            await fetch_all_pages(HOME, client=client).drain()
    advice = (
        f"pass next=Cursor({key!r}, param={param!r}), with the API's own parameter, or max_pages"
    )
    assert advice in str(caught.value)


@pytest.mark.parametrize(("flag", "more"), [({"has_more": True}, ""), ({"isLast": False}, "!")])
async def test_an_advice_names_the_flag_beside_a_cursor(flag: dict[str, bool], more: str) -> None:
    """The cursor may be there on the last page as well, as with TikTok."""

    def answer(request: httpx.Request) -> Any:
        number = int(query(request).get("cursor", 0))
        left = {name: yes == (number < 2) for name, yes in flag.items()}
        return {"data": {"items": [{"id": number}], "cursor": number + 1, **left}}

    async with API(answer).client() as client:
        with pytest.raises(SchemeNotFound) as caught:
            await fetch_all_pages(HOME, client=client).drain()
        place = f"{more}data.{next(iter(flag))}"
        advice = f"Cursor('data.cursor', param='cursor', more={place!r})"
        assert f"pass next={advice}, with the API's own parameter" in str(caught.value)
        scheme = Cursor("data.cursor", param="cursor", more=place)
        assert await fetch_all_pages(HOME, client=client, next=scheme).count() == 3


async def test_the_advice_for_a_header_is_spelled_as_parameters_are() -> None:
    answer = {"items": [{"id": 1}]}, {"X-Next-Page-Token": "abc"}
    async with API(lambda request: answer).client() as client:
        with pytest.raises(
            SchemeNotFound, match=r"HeaderCursor\('X-Next-Page-Token', 'pageToken'\)"
        ):
            await fetch_all_pages(HOME, client=client).drain()


@pytest.mark.parametrize("items", [[], [{"id": 1}]])
async def test_a_page_token_alone_tells_of_more(items: list[Any]) -> None:
    async with API(lambda request: {"items": items, "page_token": "abc"}).client() as client:
        with pytest.raises(SchemeNotFound, match="more pages, since 'page_token' is 'abc'"):
            await fetch_all_pages(HOME, client=client).drain()


@pytest.mark.parametrize("token", [None, ""])
async def test_a_page_token_that_is_empty_is_no_end(token: str | None) -> None:
    """It may be the one that the request has sent."""
    answer = {"items": [{"id": 1}], "page_token": token}
    async with API(lambda request: answer).client() as client:
        with pytest.raises(SchemeNotFound, match="nothing says whether there is another page"):
            await fetch_all_pages(HOME, client=client).drain()
