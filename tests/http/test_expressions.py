"""APIs that need more than a name: each in few words, read whole, and resumed from anywhere."""

import json
import re
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import StringIO
from typing import Any

import httpx
import msgspec
import orjson
import pytest
from api_shapes import HOME, ITEMS, Answer, asked, body_of, following, part
from paged_api import API
from shapes_cursors import dropbox, elasticsearch, heroku, mediawiki
from shapes_links import LINKS

from anystream import http
from anystream.http import (
    CrossOriginNext,
    Cursor,
    Header,
    Page,
    PageDataError,
    Scheme,
    Step,
    fetch_all_pages,
)

NAMES = {name: getattr(http, name) for name in http.__all__}
IDS = [item["id"] for item in ITEMS]


def scroll(request: Any) -> Any:
    going_on = request.url.path == "/_search/scroll"
    start = int(body_of(request)["scroll_id"]) + 10 if going_on else 0
    return {"_scroll_id": str(start), "hits": {"total": {"value": 25}, "hits": part(start)}}


def plaid(request: Any) -> Any:
    body = body_of(request)
    assert body["client_id"] == "me"
    start = body.get("options", {}).get("offset", 0)
    return {"accounts": [{"id": 0}], "transactions": part(start), "total_transactions": 25}


def plaid_sync(request: Any) -> Any:
    start = int(body_of(request).get("cursor", "0"))
    more = following(start) is not None
    return {"added": part(start), "modified": [], "next_cursor": str(start + 10), "has_more": more}


def cmr(request: Any) -> Any:
    start = int(request.headers.get("CMR-Search-After", 0))
    after = following(start)
    return Answer(part(start), headers={"CMR-Search-After": str(after)} if after else {})


def telegram(request: Any) -> Any:
    offset = asked(request, "offset")
    updates = [{"update_id": 70 + item["id"], **item} for item in ITEMS]
    return {"ok": True, "result": [each for each in updates if each["update_id"] >= offset][:10]}


def quickbooks(request: Any) -> Any:
    found = re.search(r"startposition (\d+)", request.url.params["query"])
    start = int(found[1]) - 1 if found else 0
    return {"QueryResponse": {"Invoice": part(start)} if start < 25 else {}, "time": "now"}


def stac(request: Any) -> Any:
    body = body_of(request)
    assert body["collections"] == ["a"]
    after = following(int(body.get("token", 0)))
    link = {"rel": "next", "href": HOME, "method": "POST", "body": {"token": after}, "merge": True}
    features = part(int(body.get("token", 0)))
    return {"type": "FeatureCollection", "features": features, "links": [link] if after else []}


def of_shape(name: str) -> Callable[[Any], Any]:
    return next(shape.answer for shape in LINKS if shape.name == name)


WIKI = "https://api.test/wiki/rest/things"
RECIPES: dict[str, tuple[Callable[[Any], Any], str, str, Any]] = {
    "Elasticsearch": (
        elasticsearch,
        'next=LastItem("sort", body="search_after", more=None)',
        HOME,
        {"sort": ["id"]},
    ),
    "Elasticsearch's scroll": (
        scroll,
        'next=lambda page: {"url": "/_search/scroll", "json": {"scroll": "1m", "scroll_id":'
        ' page.data["_scroll_id"]}} if page.records else None',
        f"{HOME}/_search?scroll=1m",
        {},
    ),
    "Dropbox": (
        dropbox,
        'next=Cursor("cursor", body="cursor", more="has_more",'
        ' url="/2/files/list_folder/continue")',
        "https://api.test/2/files/list_folder",
        {"path": ""},
    ),
    "Plaid": (
        plaid,
        'next=Offset(body="options.offset", total="total_transactions"), items="transactions"',
        HOME,
        {"client_id": "me"},
    ),
    "Plaid's sync": (
        plaid_sync,
        'next=Cursor("next_cursor", body="cursor", more="has_more"), items="added"',
        HOME,
        {},
    ),
    "NASA's CMR": (
        cmr,
        'next=HeaderCursor("CMR-Search-After", to_header="CMR-Search-After")',
        HOME,
        None,
    ),
    "Heroku": (heroku, 'next=HeaderCursor("Next-Range", to_header="Range")', HOME, None),
    "MediaWiki": (mediawiki, 'next=NextParams("continue")', HOME, None),
    "Telegram": (
        telegram,
        'next=LastItem("update_id", "offset", more=None, add=1)',
        HOME,
        None,
    ),
    "QuickBooks": (
        quickbooks,
        'next=Offset("query", start=1, template="select * from Invoice startposition {}"),'
        ' items="QueryResponse.Invoice"',
        HOME,
        None,
    ),
    "STAC": (stac, 'next=NextURL("links[rel=next]")', HOME, {"collections": ["a"]}),
    "Sentry": (of_shape("Sentry"), "next=LinkHeader()", HOME, None),
    "Confluence": (
        of_shape("Confluence"),
        'next=NextURL("_links.next", base="_links.base")',
        WIKI,
        None,
    ),
}


def api_of(answer: Callable[[Any], Any], library: Any) -> Any:
    """A client of the library for a server that answers so."""

    def handle(request: Any) -> Any:
        given = answer(request)
        given = given if isinstance(given, Answer) else Answer(given)
        content = json.dumps(given.body).encode()
        return library.Response(given.status, headers=given.headers, content=content)

    return library.AsyncClient(transport=library.MockTransport(handle))


def arguments(text: str) -> dict[str, Any]:
    return eval(f"dict({text})", dict(NAMES))


@pytest.mark.parametrize("name", RECIPES)
def test_each_is_short(name: str) -> None:
    tokens = [*tokenize.generate_tokens(StringIO(RECIPES[name][1]).readline)]
    assert len([token for token in tokens if token.string.strip()]) <= 40


@pytest.mark.parametrize("name", RECIPES)
async def test_each_is_read_whole_and_goes_on_from_anywhere(library: Any, name: str) -> None:
    answer, text, url, body = RECIPES[name]

    async def read(count: int | None, state: Any = None) -> tuple[list[int], Any]:
        options = arguments(text) | {"json": body, "resume_from": state}
        got: list[int] = []
        async with fetch_all_pages(url, client=api_of(answer, library), **options) as items:
            while count is None or len(got) < count:
                item = await anext(items, None)
                if item is None:
                    break
                got.append(item["id"])
            return got, json.loads(json.dumps(items.state))

    assert (await read(None))[0] == IDS
    if "lambda" in text:
        return  # a function has no name that a state could remember
    for count in (1, 10, 14, 20, 25):
        got, state = await read(count)
        assert got + (await read(None, state))[0] == IDS


# -- functions and schemes of the user's ----------------------------------------------------------


def following_of(page: Page[Any]) -> int | None:
    return following(page.records[0]["id"] - 1)


def as_url(page: Page[Any]) -> str | None:
    after = following_of(page)
    return after and f"{HOME}?after={after}"  # type: ignore[return-value]


def as_object(page: Page[Any]) -> httpx.URL | None:
    url = as_url(page)
    return httpx.URL(url) if url else None


def as_params(page: Page[Any]) -> dict[str, Any] | None:
    after = following_of(page)
    return {"after": after} if after else {}


def as_step(page: Page[Any]) -> Step | None:
    after = following_of(page)
    return Step(url=HOME, params={"after": after}) if after else None


def as_headers(page: Page[Any]) -> Step | None:
    after = following_of(page)
    return {"headers": {"X-After": str(after)}} if after else None


async def awaited(page: Page[Any]) -> str | None:
    return as_url(page)


@dataclass(frozen=True)
class After(Scheme):
    param: str

    def next(self, page: Page[Any]) -> Step | None:
        after = following_of(page)
        return {"params": {self.param: after}} if after else None


@dataclass(frozen=True)
class AwaitedAfter(After):
    async def next(self, page: Page[Any]) -> Step | None:  # type: ignore[override]
        return super().next(page)


def after(request: Any) -> Any:
    return part(int(request.headers.get("X-After", asked(request, "after"))))


WAYS = [as_url, as_object, as_params, as_step, as_headers, awaited]


@pytest.mark.parametrize("way", [*WAYS, After("after"), AwaitedAfter("after")])
async def test_a_function_or_a_scheme_says_how_to_go_on(library: Any, way: Any) -> None:
    stream = fetch_all_pages(HOME, client=api_of(after, library), next=way)
    assert [item["id"] for item in await stream.collect()] == IDS
    async with stream as items:
        for _ in range(13):
            await anext(items)
        state = json.loads(json.dumps(items.state))
    resumed = fetch_all_pages(HOME, client=api_of(after, library), next=way, resume_from=state)
    assert [item["id"] for item in await resumed.collect()] == IDS[13:]


def test_a_scheme_of_the_users_in_words() -> None:
    assert repr(After("a")) == "After(param='a')"
    with pytest.raises(ValueError, match="page_size needs a scheme that knows the parameter"):
        fetch_all_pages(HOME, client=api_of(after, httpx), next=After("a"), page_size=5)


# -- origins and credentials ----------------------------------------------------------------------


def linking_to(prefix: str) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        start = asked(request, "after")
        url = following(start) and f"{prefix}?after={following(start)}"
        return {"items": part(start), "next": url}

    return answer


@pytest.mark.parametrize("prefix", ["http://api.test/v1/things", "http://internal:8000/v1/things"])
async def test_links_are_read_at_the_origin_of_the_first_page(prefix: str) -> None:
    api = API(linking_to(prefix))
    headers = {"Authorization": "Bearer s3cr3t"}
    async with api.client() as client:
        options = {"client": client, "headers": headers}
        with pytest.raises(CrossOriginNext, match=r"same_origin=True to ask https://api.test"):
            await fetch_all_pages(HOME, **options).drain()
        stream = fetch_all_pages(HOME, **options, same_origin=True)
        assert await stream.map(lambda item: item["id"]).collect() == IDS
    assert {str(request.url.copy_with(query=None)) for request in api.requests} == {HOME}
    assert {request.headers["authorization"] for request in api.requests} == {"Bearer s3cr3t"}


MINE = "Basic bWU6cHc="  # me:pw
HERS = "Basic aGVyOnB3"  # her:pw


@pytest.mark.parametrize(
    ("url", "options", "client", "sent"),
    [
        ("http://me:pw@t/", {}, {}, MINE),
        ("http://t/", {}, {}, None),
        ("http://me:pw@t/", {"headers": {"Authorization": "Bearer x"}}, {}, "Bearer x"),
        ("http://me:pw@t/", {}, {"headers": {"Authorization": "Bearer x"}}, "Bearer x"),
        ("http://me:pw@t/", {}, {"auth": ("her", "pw")}, HERS),
    ],
)
async def test_a_name_in_the_url_holds_for_the_run_and_replaces_nothing(
    url: str, options: Any, client: Any, sent: str | None
) -> None:
    api = API(linking_to("http://evil:pw@t/"))
    async with api.client(**client) as given:
        assert await fetch_all_pages(url, client=given, **options).count() == 25
    assert {request.headers.get("authorization") for request in api.requests} == {sent}
    assert not any(request.url.userinfo for request in api.requests)


@pytest.mark.parametrize("there", ["http://[::1]:18441", "http://[::1]", "https://other:8443"])
async def test_the_origin_that_an_error_proposes_can_be_given(there: str) -> None:
    api = API(linking_to(f"{there}/x"))
    async with api.client() as client:
        with pytest.raises(CrossOriginNext) as caught:
            await fetch_all_pages("http://t/", client=client).drain()
        found = re.search(r"allow_origins=(\['.*?'\])", str(caught.value))
        assert found
        proposed = eval(found[1])
        assert proposed == [there]
        stream = fetch_all_pages("http://t/", client=client, allow_origins=proposed)
        assert await stream.count() == 25


@pytest.mark.parametrize("link", ["javascript:alert(1)//?", "file:///etc/passwd", "ftp://t/?"])
async def test_a_link_to_something_else_than_http(link: str) -> None:
    api = API(lambda _: {"items": [1], "next": link})
    async with api.client() as client:
        with pytest.raises(PageDataError, match=r"its URL is not valid .*not with http: or https:"):
            await fetch_all_pages("http://t/", client=client, next=http.NextURL()).drain()
    assert len(api.requests) == 1


# -- models and other readers --------------------------------------------------------------------


@dataclass
class Thing:
    id: int
    name: str


class ThingStruct(msgspec.Struct):
    id: int
    name: str


def thing(item: dict[str, Any]) -> Thing:
    return Thing(**item)


class Model:
    """What a model of pydantic offers."""

    def __init__(self, id: int) -> None:
        self.id = id

    @classmethod
    def model_validate(cls, item: dict[str, Any]) -> "Model":
        return cls(item["id"])


@pytest.mark.parametrize("into", [thing, partial(msgspec.convert, type=ThingStruct), Model])
async def test_items_as_models(into: Any) -> None:
    async with API(linking_to(HOME)).client() as client:
        stream = fetch_all_pages(HOME, client=client, into=into)
        assert [each.id for each in await stream.collect()] == IDS
        pages = await stream.by_page().collect()
        assert [each.id for page in pages for each in page.items] == IDS
        assert pages[0].records == ITEMS[:10]


async def test_an_item_that_is_not_one_is_an_error_there_and_the_state_is_exact() -> None:
    async with API(lambda _: {"items": [1, 2, "x", 4], "next": None}).client() as client:
        got: list[int] = []
        async with fetch_all_pages(HOME, client=client, into=int) as items:
            with pytest.raises(ValueError, match="invalid literal"):
                async for item in items:
                    got.append(item)  # what came before the error is the question
            state = items.state
        assert got == [1, 2]
        assert state["index"] == 2
        again = fetch_all_pages(HOME, client=client, into=str, resume_from=state)
        assert await again.collect() == ["x", "4"]
        state["index"] = 3
        resumed = fetch_all_pages(HOME, client=client, into=int, resume_from=state)
        assert await resumed.collect() == [4]


async def test_another_reader_of_json() -> None:
    async with API(linking_to(HOME)).client() as client:
        assert await fetch_all_pages(HOME, client=client, loads=orjson.loads).count() == 25
    async with API(lambda _: b'{"items": [NaN], "next": null}').client() as client:
        with pytest.raises(PageDataError, match="NaN is not JSON"):
            await fetch_all_pages(HOME, client=client).drain()
        with pytest.raises(PageDataError, match="is not JSON"):
            await fetch_all_pages(HOME, client=client, loads=orjson.loads).drain()
        (nan,) = await fetch_all_pages(HOME, client=client, loads=json.loads).collect()
        assert nan != nan


READERS = {
    "none": None,
    "json": json.loads,
    "orjson": orjson.loads,
    "msgspec": msgspec.json.decode,
}


@pytest.mark.parametrize("loads", READERS.values(), ids=READERS)
async def test_a_body_that_is_cut_is_asked_for_again_with_any_reader(loads: Any) -> None:
    bodies = [b'{"items": [1, 2', b'{"items": [1, 2], "next": null}']
    async with API(lambda _: bodies.pop(0)).client() as client:
        assert await fetch_all_pages(HOME, client=client, loads=loads).collect() == [1, 2]
    async with API(lambda _: b'{"items": [1, x').client() as client:
        with pytest.raises(PageDataError, match="is not JSON") as raised:
            await fetch_all_pages(HOME, client=client, loads=loads).drain()
    assert type(raised.value) is PageDataError


# -- what is refused at the call ------------------------------------------------------------------


async def later(body: bytes) -> None: ...


BAD: list[tuple[dict[str, Any], str]] = [
    ({"retry_methods": "POST"}, "retry_methods must be a collection of methods such as"),
    ({"retry_methods": [1]}, "retry_methods must be a collection of methods"),
    ({"client": 5}, "client must be an httpx.AsyncClient or have the same interface, got 5"),
    ({"client": httpx.Client()}, "client must be an httpx.AsyncClient"),
    ({"headers": ["a"]}, "headers must be a mapping of str to str"),
    ({"headers": {"a": 1}}, "headers must be a mapping of str to str"),
    ({"headers": "a: b"}, "headers must be a mapping of str to str"),
    ({"params": [("a", 1)]}, "params must be a mapping of names to values"),
    ({"into": 5}, "into must be a plain function of an item, got 5"),
    ({"loads": 5}, "loads must be a plain function from bytes to a value, got 5"),
    ({"loads": later}, "loads must be a plain function from bytes to a value, got <function"),
    ({"into": int, "texts": True}, "texts=True gives the texts as they are, so into must not"),
    ({"loads": int, "texts": True}, "so loads must not be given"),
    ({"max_page_bytes": 0}, "max_page_bytes must be at least 1, got 0"),
    ({"max_empty": -1}, "max_empty must be at least 0, got -1"),
    ({"resume_from": {"step": 1}}, "resume_from must be the state of a run"),
]


@pytest.mark.parametrize(("options", "problem"), BAD)
def test_bad_arguments(options: dict[str, Any], problem: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(problem)):
        fetch_all_pages(HOME, **{"client": httpx.AsyncClient(), **options})


def test_a_url_of_another_type() -> None:
    url: Any = b"http://t/"
    with pytest.raises(TypeError, match=r"base_url must be a str or an httpx.URL, got b'http"):
        fetch_all_pages(url, client=httpx.AsyncClient())


BAD_SCHEMES = [
    "PageNumber(5)",
    "PageNumber(start='1')",
    "PageNumber(total_pages=3)",
    "PageNumber(total=3)",
    "PageNumber(size=3)",
    "PageNumber(body=3)",
    "PageNumber(template='{}{}')",
    "PageNumber(template='x')",
    "Offset(5)",
    "Offset(total=3)",
    "Offset(start=1.5)",
    "Cursor(5, param='a')",
    "Cursor('a', param=5)",
    "Cursor('a')",
    "Cursor('a', param='b', header='c')",
    "Cursor('a', param='b', more=True)",
    "HeaderCursor('a')",
    "HeaderCursor('a', 'b', to_header='c')",
    "HeaderCursor(5, 'b')",
    "NextURL(5)",
    "NextURL(more=5)",
    "NextURL(base=5)",
    "NextParams(5)",
    "NextParams('a', more=5)",
    "LinkHeader(5)",
    "LinkHeader(size=5)",
    "LastItem('a')",
    "LastItem('a', 'b', body='c')",
    "LastItem(5, 'b')",
    "LastItem('a', 'b', more=5)",
    "LastItem('a', 'b', add='1')",
    "GraphQL(5)",
    "GraphQL('a', after=5)",
    "GraphQL('a', size=5)",
    "Header(5)",
]


@pytest.mark.parametrize("text", BAD_SCHEMES)
def test_bad_schemes(text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=r"must|needs"):
        eval(text, dict(NAMES))


def test_what_a_place_may_be() -> None:
    for place in ("a.b", Header("a"), lambda page: page):
        assert Cursor("c", param="c", more=place).more is place
