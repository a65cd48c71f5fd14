"""What the routes of the server answer, and what goes wrong on demand."""

import gzip
import json
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from server import Server, serve
from server.items import VALUES, text_of

pytestmark = pytest.mark.real_time

IDS = list(range(1, 26))

Step = dict[str, Any] | str | None
"""What to ask for next: parameters (for POST the body), or a URL."""


@pytest.fixture
async def server() -> AsyncGenerator[Server, None]:
    async with serve() as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncGenerator[httpx.AsyncClient, None]:
    # Certificates take longer to load than a test takes.
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=False) as client:
        yield client


def by_page(response: httpx.Response) -> Step:
    page, total = response.json()["page"], int(response.headers["X-WP-TotalPages"])
    assert response.headers["X-Total"] == str(response.json()["total"])
    return {"page": page + 1} if page < total else None


def by_offset(response: httpx.Response) -> Step:
    body = response.json()
    end = body["offset"] + len(body["items"])
    return {"offset": end} if end < body["total"] else None


def by_field(name: str, param: str, response: httpx.Response) -> Step:
    return {param: token} if (token := response.json()[name]) else None


def by_more(response: httpx.Response) -> Step:
    body = response.json()
    assert body["has_more"] is (body["next_cursor"] is not None)
    return {"start_cursor": body["next_cursor"]} if body["has_more"] else None


def by_url(*path: str, response: httpx.Response) -> Step:
    found = response.json()
    for name in path:
        found = found.get(name, {})
    return found or None


def by_records(response: httpx.Response) -> Step:
    body = response.json()
    assert body["done"] is ("nextRecordsUrl" not in body)
    return body.get("nextRecordsUrl")


def by_link(response: httpx.Response) -> Step:
    return response.links.get("next", {}).get("url")


def by_header(response: httpx.Response) -> Step:
    token = response.headers.get("x-ms-continuationtoken")
    return {"continuationToken": token} if token else None


def by_last(response: httpx.Response) -> Step:
    body = response.json()
    return {"starting_after": body["data"][-1]["id"]} if body["has_more"] else None


def by_keyset(response: httpx.Response) -> Step:
    items = response.json()
    return {"max_id": items[-1]["id"]} if items else None


def by_graphql(response: httpx.Response) -> Step:
    info = response.json()["data"]["repository"]["issues"]["pageInfo"]
    assert info["endCursor"]
    return graphql(info["endCursor"]) if info["hasNextPage"] else None


def graphql(after: str | None, first: int | None = None) -> dict[str, Any]:
    return {"query": "{}", "variables": {"after": after, "first": first}}


FOLLOWED: dict[str, Callable[[httpx.Response], Step]] = {
    "/page": by_page,
    "/offset": by_offset,
    "/cursor": partial(by_field, "next_cursor", "cursor"),
    "/cursor-more": by_more,
    "/next": lambda response: by_url("next", response=response),
    "/odata": lambda response: by_url("@odata.nextLink", response=response),
    "/salesforce": by_records,
    "/hal": lambda response: by_url("_links", "next", "href", response=response),
    "/jsonapi": lambda response: by_url("links", "next", response=response),
    "/link": by_link,
    "/header": by_header,
    "/last": by_last,
    "/graphql": by_graphql,
    "/keyset": by_keyset,
}
POSTED = {"/cursor-more": {}, "/graphql": graphql(None)}


async def pages(
    client: httpx.AsyncClient, path: str, most: int = 10, **params: Any
) -> list[httpx.Response]:
    """Turn the pages as that scheme wants it."""
    found: list[httpx.Response] = []
    url, body = str(httpx.URL(path, params=params)), POSTED.get(path)
    while len(found) < most:
        if body is None:
            response = await client.get(url)
        else:
            response = await client.post(url, json=body)
        assert response.status_code == 200, response.text
        found.append(response)
        step = FOLLOWED[path](response)
        if step is None:
            break
        if isinstance(step, str):
            url = step
        elif body is None:
            url = str(httpx.URL(path, params={**params, **step}))
        else:
            body = step
    return found


def items(response: httpx.Response) -> list[Any]:
    """The only list of objects in the body."""
    [found] = lists(response.json())
    return found


def lists(content: Any) -> list[list[Any]]:
    if isinstance(content, list):
        return [content]
    values = content.values() if isinstance(content, dict) else ()
    return [found for value in values for found in lists(value)]


def ids(responses: list[httpx.Response]) -> list[int]:
    return [item["id"] for response in responses for item in items(response)]


@pytest.mark.parametrize("path", FOLLOWED)
async def test_every_scheme_leads_to_every_item(path: str, client: httpx.AsyncClient) -> None:
    found = await pages(client, path)
    newest_first = path == "/keyset"
    assert ids(found) == IDS[:: -1 if newest_first else 1]
    assert [len(items(page)) for page in found] == [10, 10, 5] + [0] * newest_first
    assert items(found[0])[0]["name"] == f"item {25 if newest_first else 1}"
    assert (
        ids(await pages(client, path, n=3, size=1, x="a b&c"))
        == IDS[:3][:: -1 if newest_first else 1]
    )
    assert not ids(await pages(client, path, n=0))


@pytest.mark.parametrize("path", ["/next", "/odata", "/hal", "/jsonapi", "/link"])
async def test_links_are_absolute_and_name_the_host_that_was_asked(
    path: str, server: Server, client: httpx.AsyncClient
) -> None:
    host = {"Host": "api.test:81"}
    response = await client.get(path, params={"q": "a b"}, headers=host)
    assert FOLLOWED[path](response) == f"http://api.test:81{path}?q=a+b&start=10"
    assert server.received[0].headers["host"] == "api.test:81"


async def test_beyond_the_last_page(client: httpx.AsyncClient) -> None:
    assert items(await client.get("/page?page=4")) == []
    assert (await client.get("/page?page=4&past=404")).status_code == 404
    assert (await client.get("/page?page=4&past=400")).status_code == 400
    assert (await client.get("/page?page=3&past=404")).status_code == 200


async def test_a_limit_may_be_lowered(client: httpx.AsyncClient) -> None:
    body = (await client.get("/offset?limit=20&cap=7")).json()
    assert (body["limit"], len(body["items"])) == (7, 7)
    assert ids(await pages(client, "/offset", limit=20, cap=7)) == IDS


async def test_the_body_of_a_post_says_where(client: httpx.AsyncClient) -> None:
    start = {"start_cursor": "at+20/="}
    assert ids([await client.post("/cursor-more", json=start)]) == IDS[20:]
    assert ids([await client.post("/cursor-more", data=start)]) == IDS[20:]
    assert ids([await client.post("/graphql", json=graphql("at+20/=", 2))]) == [21, 22]
    assert ids([await client.post("/graphql", json={"query": "{}"})]) == IDS[:10]


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/cursor-more", "[]", 400),
        ("POST", "/cursor-more", "{", 400),
        ("POST", "/graphql", "{}", 400),
        ("GET", "/graphql", None, 501),
        ("POST", "/page", "{}", 501),
        ("GET", "/page?page=0", None, 400),
        ("GET", "/page?size=0", None, 400),
        ("GET", "/cursor?cursor=x", None, 400),
        ("GET", "/page?fault=flood", None, 400),
    ],
)
async def test_what_makes_no_sense(
    method: str, target: str, body: str | None, status: int, client: httpx.AsyncClient
) -> None:
    assert (await client.request(method, target, content=body)).status_code == status


async def test_texts_that_would_change(client: httpx.AsyncClient) -> None:
    response = await client.get("/next?n=9&verbatim=1")
    texts = [text_of(number, verbatim=True) for number in range(1, 10)]
    assert all(text in response.text for text in texts)
    for value in VALUES:
        text = f'{{"value": {value}}}'
        assert value in response.text
        parsed = json.loads(text, parse_int=as_float, parse_float=as_float)
        assert json.dumps(parsed, ensure_ascii=False) != text


def as_float(digits: str) -> float:
    """A number as JavaScript reads and writes it."""
    number = float(digits) + 0.0  # no -0.0
    return int(number) if number.is_integer() else number


async def test_what_was_asked_is_recorded(server: Server, client: httpx.AsyncClient) -> None:
    await client.post("/echo?a=1", content=b"\xff", headers={"X-Key": "k"})
    [request] = server.received
    assert (request.method, request.target, request.body) == ("POST", "/echo?a=1", b"\xff")
    assert request.headers["x-key"] == "k"
    assert server.requests == ["/echo?a=1"]


async def test_echo(client: httpx.AsyncClient) -> None:
    body = (await client.put("/echo?a=1", content="text", headers={"X-Key": "k"})).json()
    assert (body["method"], body["target"], body["body"]) == ("PUT", "/echo?a=1", "text")
    assert body["headers"]["x-key"] == "k"


# -- faults -------------------------------------------------------------------------------------


async def test_a_status_comes_on_its_page_as_often_as_it_is_wanted(
    client: httpx.AsyncClient,
) -> None:
    async def statuses(query: str) -> list[int]:
        targets = [f"/page?page={page}&{query}" for page in (1, 2, 2, 2, 3)]
        return [(await client.get(target)).status_code for target in targets]

    assert await statuses("fault=503") == [200, 503, 200, 200, 200]
    assert await statuses("fault=503") == [200, 200, 200, 200, 200]
    assert await statuses("fault=503&run=1") == [200, 503, 200, 200, 200]
    assert await statuses("fault=429&times=2&at=2&run=2") == [200, 429, 429, 200, 200]
    assert await statuses("fault=404&times=0&at=3") == [200, 200, 200, 200, 404]


async def test_a_status_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    now = time.time()
    url = "/page?fault=503&at=1&run="
    assert (await client.get(f"{url}1&retry_after=3")).headers["Retry-After"] == "3"
    date = (await client.get(f"{url}2&retry_after=date:20")).headers["Retry-After"]
    assert date.endswith(" GMT")
    assert parsedate_to_datetime(date).timestamp() >= int(now) + 20
    headers = (await client.get(f"{url}3&ratelimit=20")).headers
    assert headers["X-RateLimit-Remaining"] == "0"
    assert int(headers["X-RateLimit-Reset"]) >= now + 20


async def test_routes_without_pages_count_the_requests(client: httpx.AsyncClient) -> None:
    url = "/echo?fault=503&times=2"
    assert [(await client.get(url)).status_code for _ in range(5)] == [200, 503, 503, 200, 200]


@pytest.mark.parametrize("fault", ["cut", "cut-chunked", "reset"])
async def test_a_connection_that_breaks(fault: str, client: httpx.AsyncClient) -> None:
    url = f"/page?page=2&fault={fault}"
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.get(url)
    assert ids([await client.get(url)]) == IDS[10:20]


async def test_a_compressed_body_without_its_end(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/ndjson?n=500&fault=cut-gzip&at=1") as response:
        raw = b"".join([piece async for piece in response.aiter_raw()])
    assert int(response.headers["Content-Length"]) == len(raw)
    with pytest.raises(EOFError):
        gzip.decompress(raw)
    assert zlib.decompressobj(31).decompress(raw).startswith(b'{"id": 1, "name": "item 1"}\n')


async def test_a_slow_page(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await client.get("/page?page=2&fault=slow&delay=inf", timeout=0.1)
    assert ids([await client.get("/page?page=2&fault=slow&delay=0.01&run=2")]) == IDS[10:20]


@pytest.mark.parametrize("path", FOLLOWED)
async def test_a_loop(path: str, client: httpx.AsyncClient) -> None:
    found = ids(await pages(client, path, most=5, size=5, at=3, fault="loop"))
    back = [*range(11, 16), *range(6, 11)]
    if path in ("/page", "/offset"):  # where the client counts, only the items are old
        assert found == [*IDS[:10], *IDS[5:10], *IDS[15:]]
    elif path == "/last":
        assert found == [*IDS[:10], *IDS[5:10] * 3]
    elif path == "/keyset":
        assert found == [*IDS[:-11:-1], *IDS[-6:-11:-1] * 3]
    else:
        assert found == [*IDS[:10], *(back * 2)[:15]]
    far = await pages(client, path, most=4, size=5, at=3, fault="loop", back=2)
    assert items(far[2 if path in ("/page", "/offset", "/last", "/keyset") else 3]) == items(far[0])


async def test_a_loop_to_the_first_url(server: Server, client: httpx.AsyncClient) -> None:
    await pages(client, "/next", most=3, fault="loop")
    assert server.requests[2] == server.requests[0]


@pytest.mark.parametrize("path", ["/next", "/odata", "/salesforce", "/hal", "/jsonapi", "/link"])
async def test_another_origin(path: str, server: Server, client: httpx.AsyncClient) -> None:
    client.headers["X-Key"] = "secret"
    found = await pages(client, path, fault="origin")
    assert ids(found) == IDS
    assert str(found[2].url).startswith(server.other_url + path)
    assert len(server.requests) == 2
    [request] = server.elsewhere
    assert request.headers["x-key"] == "secret"  # which is httpx's way


async def test_a_redirect_to_another_origin(server: Server, client: httpx.AsyncClient) -> None:
    url = "/page?page=2&fault=redirect-origin&times=0"
    response = await client.get(url)
    assert response.status_code == 302
    assert response.headers["Location"] == server.other_url + url
    assert ids([await client.get(url, follow_redirects=True)]) == IDS[10:20]
    assert server.elsewhere[0].target == url


async def test_what_a_page_can_be_like(client: httpx.AsyncClient) -> None:
    found = await pages(client, "/next", fault="empty")
    assert [len(items(page)) for page in found] == [10, 0, 5]
    totals = [page.json()["count"] for page in await pages(client, "/next", fault="total")]
    assert totals == [25, 30, 30]
    with pytest.raises(json.JSONDecodeError):
        (await client.get("/next?start=10&fault=garbled")).json()
    assert (await client.get("/next?start=10&fault=listless")).json()["results"] == {"id": 0}
    body = (await client.get("/hal?start=10&fault=two")).json()
    assert [*body["_embedded"]] == ["items", "others"]
    assert items(await client.get("/link?start=10&fault=two"))[0]["id"] == 11
    with pytest.raises(UnicodeDecodeError):
        (await client.get("/next?start=10&fault=utf8")).content.decode()
    body = (await client.post("/graphql?at=1&fault=errors", json=graphql(None))).json()
    assert body["errors"]


# -- live bodies --------------------------------------------------------------------------------


async def test_lines_of_each_kind(client: httpx.AsyncClient) -> None:
    records = [text_of(number) for number in range(1, 2002)]
    response = await client.get("/ndjson?n=2001")
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.text.split("\n") == [*records, ""]
    assert (await client.get("/lines?n=2&delay=0.01")).text == "line 1\nline 2\n"
    assert (await client.get("/seq?n=2")).text == f"\x1e{records[0]}\n\x1e{records[1]}\n"
    assert (await client.get("/seq?n=0")).text == ""


async def test_pieces_arrive_one_by_one(server: Server, client: httpx.AsyncClient) -> None:
    received: list[bytes] = []
    with anyio.move_on_after(0.2):
        async with client.stream("GET", "/lines?delay=inf") as response:
            async for piece in response.aiter_raw():
                received.append(piece)
    assert received == [b"line 1\n"]
    assert await server.settled(5)


def event(number: int) -> str:
    return f"id: {number}\ndata: {text_of(number)}\n\n"


async def test_events_go_on_after_the_last_one(client: httpx.AsyncClient) -> None:
    response = await client.get("/events?n=3&retry=10")
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.text == "retry: 10\n" + "".join(map(event, (1, 2, 3)))
    for seen, rest in (("1", [2, 3]), ("2", [3])):
        response = await client.get("/events?n=3", headers={"Last-Event-ID": seen})
        assert response.text == "".join(map(event, rest))
    response = await client.get("/events?n=3", headers={"Last-Event-ID": "3"})
    assert (response.status_code, response.content) == (204, b"")


async def test_events_that_are_cut(client: httpx.AsyncClient) -> None:
    received = ""
    with pytest.raises(httpx.RemoteProtocolError):
        async with client.stream("GET", "/events?n=3&cut=2") as response:
            async for piece in response.aiter_text():
                received += piece
    assert received == event(1) + event(2)
    response = await client.get("/events?n=3&cut=2", headers={"Last-Event-ID": "2"})
    assert response.text == event(3)
