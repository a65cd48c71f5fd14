"""What is asked for, and with what: URLs, parameters, bodies, redirects."""

import json
from typing import Any

import httpx
import pytest
from paged_api import API, number, numbered, query

from anystream.http import (
    CrossOriginNext,
    Cursor,
    GraphQL,
    HeaderCursor,
    NextURL,
    Offset,
    PageDataError,
    PageNumber,
    PageStatusError,
    PaginationLoop,
    fetch_all_pages,
)


def pages(count: int, next_of: Any) -> Any:
    """So many pages of one item, each with `next_of(number)` but the last."""

    def answer(request: httpx.Request) -> Any:
        page = number(request, "p")
        return {"items": [page], "next": next_of(page + 1) if page < count else None}

    return answer


async def asked(api: API, url: str = "http://t/", **options: Any) -> list[str]:
    client = options.pop("client", {})
    async with api.client(**client) as opened:
        await fetch_all_pages(url, client=opened, **options).drain()
    return api.asked


async def test_the_url_of_one_page_stays_as_it_is_written() -> None:
    url = "http://t/a%20b?q=a%2Bb+c&empty=&x"
    api = API(lambda request: [])
    async with api.client() as client:
        expected = client.build_request("GET", url).url.raw_path.decode()
    assert await asked(api, url + "#top") == [expected]


@pytest.mark.parametrize(
    "link", ["?p=2&q=a%2Bb%20c", "/x/?p=2&q=a%2Bb%20c", "http://t/x/?p=2&q=a%2Bb%20c"]
)
async def test_a_link_is_followed_as_it_is_written(link: str) -> None:
    api = API(pages(2, lambda page: link))
    assert (await asked(api, "http://t/x/?a=1"))[1] == "/x/?p=2&q=a%2Bb%20c"


@pytest.mark.parametrize("link", ["http://t:port/", "//t:port/"])
@pytest.mark.parametrize("params", [{}, {"key": "k"}])
async def test_a_link_that_is_no_url(link: str, params: dict[str, str]) -> None:
    api = API(lambda request: {"items": [1], "next": link})
    got: list[int] = []
    async with api.client(params=params) as client:
        with pytest.raises(PageDataError, match=f"page 2 of {link}: its URL is not valid"):
            async for item in fetch_all_pages("http://t/", client=client, next=NextURL()):
                got.append(item)
    assert got == [1]


async def test_a_first_url_that_is_none() -> None:
    async with API(lambda request: []).client() as client:
        with pytest.raises(PageDataError, match="page 1 of http://t:port/: its URL is not valid"):
            await fetch_all_pages("http://t:port/", client=client).drain()


async def test_parameters_of_the_client_of_the_url_and_of_the_call() -> None:
    api = API(numbered([[1], [2]]))
    await asked(
        api,
        "http://t/?b=url&c=url&x=a%2Bb",
        client={"params": {"a": "client", "b": "client", "c": "client"}},
        params={"c": "call", "many": [1, 2]},
        next=PageNumber(total_pages="pages"),
    )
    for page, request in enumerate(api.requests, 1):
        assert query(request) == {
            "a": "client",
            "b": "url",
            "c": "call",
            "many": "2",
            "x": "a+b",
            "page": str(page),
        }
        assert request.url.params.get_list("many") == ["1", "2"]


async def test_parameters_of_the_client_are_added_to_a_link() -> None:
    """httpx itself would put them in the place of the query of the link."""
    client = {"params": {"key": "k", "p": "1"}}
    api = API(pages(3, lambda page: f"/?p={page}&x=%2B"))
    assert (await asked(api, client=client))[1:] == ["/?p=2&x=%2B&key=k", "/?p=3&x=%2B&key=k"]
    api = API(
        lambda request: {
            "items": [str(request.url)],
            "next": None if "end" in str(request.url) else "/end",
        }
    )
    assert (await asked(api, client=client))[1:] == ["/end?key=k&p=1"]


async def test_the_fragment_of_a_link_is_nothing_to_the_server() -> None:
    api = API(pages(2, lambda page: f"http://t/?p={page}#top"))
    assert (await asked(api, client={"params": {"key": "k"}}))[1] == "/?p=2&key=k"


@pytest.mark.parametrize("link", ["http://T/", "HTTP://t:80/", "/", "#top"])
async def test_a_loop_is_noticed_however_the_url_is_spelled(link: str) -> None:
    api = API(lambda request: {"items": [1], "next": link})
    got: list[int] = []
    async with api.client() as client:
        with pytest.raises(PaginationLoop):
            async for item in fetch_all_pages("http://t/", client=client, next=NextURL()):
                got.append(item)
    assert got == [1]


async def test_the_base_url_of_the_client() -> None:
    api = API(pages(2, lambda page: f"?p={page}"))
    assert await asked(api, "users?a=1", client={"base_url": "http://t/v1"}) == [
        "/v1/users?a=1",
        "/v1/users?p=2",
    ]


async def test_headers_and_bodies() -> None:
    answers = iter([{"items": [1], "cursor": {"deep": 7}}, {"items": [2]}])
    api = API(lambda request: next(answers))
    body = {"filter": {"a": 1}, "page": {"size": 2}}
    await asked(
        api,
        client={"headers": {"X-Client": "1"}},
        headers={"X-Call": "2"},
        json=body,
        next=Cursor("cursor.deep", body="page.start", size="n"),
        page_size=5,
    )
    assert [request.method for request in api.requests] == ["POST", "POST"]
    assert [json.loads(request.content) for request in api.requests] == [
        body,
        {"filter": {"a": 1}, "page": {"size": 2, "start": 7}},
    ]
    assert body == {"filter": {"a": 1}, "page": {"size": 2}}
    assert query(api.requests[1]) == {"n": "5"}
    assert api.requests[1].headers["x-client"] == "1"
    assert api.requests[1].headers["x-call"] == "2"


@pytest.mark.parametrize("body", [{"query": "q"}, None])
async def test_the_variables_of_graphql(body: Any) -> None:
    info = iter([{"hasNextPage": True, "endCursor": "c"}, {"hasNextPage": False}])
    api = API(
        lambda request: {
            "data": {"x": {"nodes": [request.content.decode()], "pageInfo": next(info)}}
        }
    )
    await asked(api, json=body, method="POST", next=GraphQL("data.x"), page_size=3)
    assert [json.loads(request.content)["variables"] for request in api.requests] == [
        {"first": 3},
        {"first": 3, "after": "c"},
    ]


async def test_the_size_of_a_page_is_a_parameter_of_the_scheme() -> None:
    api = API(numbered([[1]]))
    await asked(api, next=PageNumber(size="per_page", total_pages="pages"), page_size=50)
    assert api.asked == ["/?per_page=50&page=1"]
    api = API(lambda request: [])
    await asked(api, next=Offset("startAt", size="max"), page_size=50)
    assert api.asked == ["/?max=50&startAt=0"]


async def test_names_and_values_are_escaped() -> None:
    answers = iter([{"items": [1], "c": "a/b+ü&"}, {"items": []}])
    api = API(lambda request: next(answers))
    assert (await asked(api, next=Cursor("c", param="näme [1]")))[1] == (
        "/?n%C3%A4me+%5B1%5D=a%2Fb%2B%C3%BC%26"
    )


def redirect(to: str) -> Any:
    def answer(request: httpx.Request) -> Any:
        if request.url.path == "/":
            return httpx.Response(302, headers={"location": to})
        return {"items": [str(request.url)], "next": None}

    return answer


async def test_redirects_are_followed_if_the_client_does() -> None:
    api = API(redirect("/there"))
    async with api.client(follow_redirects=True) as client:
        stream = fetch_all_pages("http://t/", client=client)
        assert await stream.collect() == ["http://t/there"]
        api.answer = redirect("https://t/there")  # safer than before
        assert await stream.collect() == ["https://t/there"]
        api.answer = redirect("/")
        with pytest.raises(PageDataError, match="more than 20 redirects"):
            await stream.drain()
    async with API(redirect("/there")).client() as client:
        with pytest.raises(PageStatusError, match="status 302 Found"):
            await fetch_all_pages("http://t/", client=client).drain()


@pytest.mark.parametrize(
    "link",
    [
        "http://other/",
        "http://t:81/",
        "https://t:8443/",
        "http://t.other/",
        "http://user@other/",
        "//other/",
    ],
)
async def test_what_is_another_origin(link: str) -> None:
    api = API(lambda request: {"items": [1], "next": link})
    got: list[int] = []
    async with api.client() as client:
        with pytest.raises(CrossOriginNext) as caught:
            async for item in fetch_all_pages("http://t/", client=client):
                got.append(item)
    assert got == [1]
    assert "this is not at http://t;" in str(caught.value)
    assert "user" not in str(caught.value)


@pytest.mark.parametrize("link", ["http://t:80/?p=2", "http://T/?p=2", "https://t/?p=2"])
async def test_what_is_the_same_origin(link: str) -> None:
    api = API(pages(2, lambda page: link))
    assert len(await asked(api, client={"headers": {"authorization": "x"}})) == 2
    assert api.requests[1].headers["authorization"] == "x"


async def test_a_secure_origin_is_not_left_for_an_insecure_one() -> None:
    api = API(lambda request: {"items": [], "next": "http://t/2"})
    async with api.client() as client:
        with pytest.raises(CrossOriginNext):
            await fetch_all_pages("https://t/", client=client).drain()


async def test_no_parameters_of_the_client_go_to_another_origin() -> None:
    api = API(pages(2, lambda page: f"http://other:8080/?p={page}"))
    await asked(api, client={"params": {"key": "k"}}, allow_origins=["http://other:8080/"])
    assert str(api.requests[1].url) == "http://other:8080/?p=2"


PAIRS = [("tag", "a"), ("tag", "b"), ("x", "1")]


class Several(dict[str, str]):
    """A mapping as `multidict` has it, whose pairs are more than its keys."""

    def items(self) -> Any:
        return PAIRS


@pytest.mark.parametrize(
    "params",
    [{"tag": ["a", "b"], "x": 1}, httpx.QueryParams(PAIRS), Several(PAIRS)],
    ids=["list", "httpx", "mapping"],
)
async def test_a_parameter_may_have_several_values(params: Any) -> None:
    api = API(numbered([[1], [2]]))
    await asked(api, params=params, next=PageNumber(total_pages="pages"))
    assert api.asked == [f"/?tag=a&tag=b&x=1&page={page}" for page in (1, 2)]


@pytest.mark.parametrize(
    "headers", [PAIRS, httpx.Headers(PAIRS), Several(PAIRS)], ids=["list", "httpx", "mapping"]
)
async def test_a_header_may_have_several_values(headers: Any) -> None:
    answers = iter([([1], {"next": "2"}), [2]])
    api = API(lambda request: next(answers))
    await asked(api, headers=headers, next=HeaderCursor("next", to_header="X"))
    for request, x in zip(api.requests, ("1", "2"), strict=True):
        assert request.headers.get_list("tag") == ["a", "b"]
        assert request.headers.get_list("x") == [x]
