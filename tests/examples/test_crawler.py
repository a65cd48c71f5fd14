"""examples/crawler.py: which pages are visited, and how many at a time, in virtual time."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import anyio
import httpx
import pytest

from anystream.testing import cancel_everywhere
from crawler import Page, crawl

HOST = "http://site.test"


class Web:
    """Pages by their paths, whose requests take a second, or as long as `seconds` says."""

    def __init__(
        self, links: Mapping[str, Sequence[str]], seconds: Mapping[str, float] | None = None
    ) -> None:
        self.links = links
        self.seconds = seconds or {}
        self.visits = Counter[str]()
        self.open = 0
        self.most = 0  # that were open at the same time

    async def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        self.visits[path] += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await anyio.sleep(self.seconds.get(path, 1))
        finally:
            self.open -= 1
        return self.response(path, request)

    def response(self, path: str, request: httpx.Request) -> httpx.Response:
        if request.url.host != "site.test":
            raise AssertionError("the crawler has left the site")
        if path == "/broken":
            raise httpx.ConnectError("no connection")
        if path == "/moved":
            return httpx.Response(301, headers={"Location": "/new"})
        if path == "/text":
            return httpx.Response(200, text='<a href="/hidden">')
        if path not in self.links:
            return httpx.Response(404)
        return httpx.Response(200, html="".join(f'<a href="{to}">' for to in self.links[path]))

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer), trust_env=False)


async def visited(web: Web, depth: int = 99, concurrency: int = 8) -> list[Page]:
    async with web.client() as client:
        return await crawl(client, f"{HOST}/", depth, concurrency).collect()


def paths(pages: Sequence[Page]) -> list[str]:
    return [page.link.url.removeprefix(HOST) for page in pages]


async def test_a_site_of_one_page() -> None:
    assert paths(await visited(Web({"/": []}))) == ["/"]


async def test_a_page_that_leads_to_itself() -> None:
    web = Web({"/": ["/", "#top", "", HOST + "/"]})
    assert paths(await visited(web)) == ["/"]
    assert web.visits == {"/": 1}


@pytest.mark.parametrize("concurrency", [1, 2, 5])
@pytest.mark.parametrize("seed", range(3))
async def test_every_page_is_visited_once_and_not_too_many_at_a_time(
    seed: int, concurrency: int
) -> None:
    chance = random.Random(seed)
    names = ["/", *(f"/{number}" for number in range(60))]
    links = {name: chance.sample(names, chance.randint(0, 3)) for name in names}
    web = Web(links, {name: chance.uniform(0, 5) for name in names})
    found = {"/"}
    while not found >= (reached := {*chain.from_iterable(links[name] for name in found)}):
        found |= reached

    pages = await visited(web, concurrency=concurrency)
    assert sorted(paths(pages)) == sorted(found)
    assert web.visits == dict.fromkeys(found, 1)
    assert web.most <= concurrency


async def test_as_many_at_a_time_as_are_allowed() -> None:
    web = Web({"/": [f"/{number}" for number in range(20)]})
    start = anyio.current_time()
    await visited(web, concurrency=5)
    assert web.most == 5
    assert anyio.current_time() - start == pytest.approx(5)  # one, and four times five


async def test_no_link_waits_for_a_slow_page() -> None:
    web = Web({"/": ["/slow", "/1"], "/1": ["/2"], "/2": ["/3"], "/3": []}, {"/slow": 60})
    assert paths(await visited(web)) == ["/", "/1", "/2", "/3", "/slow"]


async def test_links_of_the_last_page_are_visited_too() -> None:
    web = Web({"/": ["/slow", "/1"], "/slow": ["/2"], "/2": ["/3"]}, {"/slow": 60})
    assert paths(await visited(web)) == ["/", "/1", "/slow", "/2", "/3"]


@pytest.mark.parametrize("depth", range(4))
async def test_no_page_is_deeper_than_allowed(depth: int) -> None:
    web = Web({"/": ["/1", "/1#x"], "/1": ["/2", "/"], "/2": ["/3"], "/3": ["/4"]})
    pages = await visited(web, depth)
    assert paths(pages) == ["/", "/1", "/2", "/3"][: depth + 1]
    assert [page.link.depth for page in pages] == [*range(depth + 1)]


async def test_only_links_of_the_same_host_and_of_html_lead_on() -> None:
    links = ["http://other.test/", "https://other.test/", "mailto:a@site.test", "//other.test/x"]
    links += ["http://[", "http://site.test:81/", "/text", "?page=2", "a b"]
    pages = await visited(Web({"/": links, "/?page=2": [], "/a%20b": []}))
    assert sorted((page.link.url, page.status) for page in pages) == [
        (f"{HOST}/", "200"),
        (f"{HOST}/?page=2", "200"),
        (f"{HOST}/a b", "200"),
        (f"{HOST}/text", "200"),
    ]


async def test_what_fails_is_told_and_ends_nothing() -> None:
    pages = await visited(Web({"/": ["/broken", "/missing", "/moved"], "/new": ["/1"], "/1": []}))
    assert {path: page.status for path, page in zip(paths(pages), pages, strict=True)} == {
        "/": "200",
        "/broken": "ConnectError",
        "/missing": "404",
        "/moved": "301",
        "/new": "200",
        "/1": "200",
    }


async def test_leaving_ends_the_requests_that_are_open() -> None:
    web = Web({"/": ["/1", "/2", "/3"]}, {"/2": 60, "/3": 60})
    async with web.client() as client, crawl(client, f"{HOST}/") as pages:
        async for page in pages:
            if page.link.url.endswith("/1"):
                assert web.open == 2
                break
    assert web.open == 0


async def crawl_a_little() -> None:
    web = Web({"/": ["/1", "/2"], "/1": ["/3"], "/3": ["/4"], "/2": []}, {"/2": 2.5})
    try:
        async with web.client() as client, crawl(client, f"{HOST}/") as pages:
            async for _ in pages:
                await anyio.sleep(0.3)
    finally:
        assert web.open == 0


def test_nothing_is_left_open_wherever_it_is_cut_short() -> None:
    assert cancel_everywhere(crawl_a_little) > 10
