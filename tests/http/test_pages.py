"""fetch_all_pages against a real server, over real sockets."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import httpx
import pytest

from anystream import EmptyStreamError, StreamError, to_sync
from anystream._cli.server import Server, serve
from anystream.http import PageDataError, PageStatusError, PaginationError, fetch_all_pages
from anystream.http._pages import Pages

pytestmark = pytest.mark.real_time

IDS = list(range(1, 16))


@pytest.fixture
async def server() -> AsyncGenerator[Server, None]:
    async with serve() as server:
        yield server


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
def own_clients(monkeypatch: pytest.MonkeyPatch) -> list[httpx.AsyncClient]:
    """The clients that the streams open for themselves."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made: list[httpx.AsyncClient] = []
    original = httpx.AsyncClient

    def make(**options: Any) -> httpx.AsyncClient:
        made.append(original(**options))
        return made[-1]

    monkeypatch.setattr(httpx, "AsyncClient", make)
    return made


async def ids(stream: Any) -> list[int]:
    return await stream.map(lambda user: user["id"]).collect()


async def test_every_item_of_every_page(server: Server, client: httpx.AsyncClient) -> None:
    users = fetch_all_pages(f"{server.url}/users", client=client)
    assert await ids(users) == IDS
    assert [user["id"] async for user in users] == IDS
    assert server.requests == [f"/users?page={page}" for page in range(1, 7)] * 2
    assert not client.is_closed


async def test_pages_are_asked_for_when_they_are_needed(
    server: Server, client: httpx.AsyncClient
) -> None:
    async with fetch_all_pages(f"{server.url}/users", client=client) as users:
        for _ in range(3):
            await anext(users)
        assert len(server.requests) == 1
        await anext(users)
        assert len(server.requests) == 2


async def test_the_query_of_the_url_and_of_the_client_are_kept(server: Server) -> None:
    async with httpx.AsyncClient(params={"team": "blue", "q": "client"}, trust_env=False) as client:
        url = httpx.URL(f"{server.url}/users?q=a%2Bb%26c&page=7&empty=")
        assert await ids(fetch_all_pages(url, client=client)) == IDS
    sent = [dict(httpx.URL(target).params) for target in server.requests]
    assert sent == [
        {"team": "blue", "q": "a+b&c", "empty": "", "page": str(page)} for page in range(1, 7)
    ]


async def test_a_fragment_is_not_sent(server: Server, client: httpx.AsyncClient) -> None:
    assert await ids(fetch_all_pages(f"{server.url}/users?a=1#top", client=client)) == IDS
    assert server.requests[1] == "/users?a=1&page=2"


async def test_a_url_relative_to_that_of_the_client(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        assert await ids(fetch_all_pages("/users?a=1", client=client)) == IDS
    assert server.requests[0] == "/users?a=1&page=1"


async def test_other_names(server: Server, client: httpx.AsyncClient) -> None:
    url = f"{server.url}/users?param=p&list=people"
    users = fetch_all_pages(url, client=client, page_param="p", items_key="people")
    assert await ids(users) == IDS
    assert "page_param='p', items_key='people'" in repr(users)


@pytest.mark.parametrize(
    ("path", "page", "error", "problem"),
    [
        ("/users/broken", 3, PageStatusError, "status 500 Internal Server Error"),
        ("/users/garbled", 2, PageDataError, "the body is no JSON"),
        ("/users/listless", 2, PageDataError, "the body has no list 'items'"),
        ("/nowhere", 1, PageStatusError, "status 404 Not Found"),
    ],
)
async def test_an_error_names_the_url_and_the_page_after_the_items_before_it(
    server: Server,
    client: httpx.AsyncClient,
    path: str,
    page: int,
    error: type[PaginationError],
    problem: str,
) -> None:
    got: list[int] = []
    with pytest.raises(error, match=problem) as caught:
        async for user in fetch_all_pages(server.url + path, client=client):
            got.append(user["id"])
    assert got == IDS[: 3 * (page - 1)]
    assert caught.value.url == f"{server.url}{path}?page={page}"
    assert caught.value.page == page
    assert f"page {page} of {caught.value.url}" in str(caught.value)
    assert isinstance(caught.value, StreamError)
    if isinstance(caught.value, PageStatusError):
        assert caught.value.status == int(problem.split()[1])


async def test_a_list_instead_of_an_object(server: Server, client: httpx.AsyncClient) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[1, 2])

    transport = httpx.MockTransport(answer)  # the server has no such page
    async with httpx.AsyncClient(transport=transport) as strange:
        with pytest.raises(PageDataError, match="no list 'items'"):
            await fetch_all_pages("http://test/", client=strange).drain()


async def test_an_error_of_the_network_says_which_page(client: httpx.AsyncClient) -> None:
    async with serve() as server:
        url = f"{server.url}/users"
    with pytest.raises(httpx.ConnectError) as caught:
        await fetch_all_pages(url, client=client).drain()
    assert caught.value.__notes__ == [f"while fetching page 1 of {url}?page=1"]


async def test_a_timed_out_step_asks_for_the_same_page_again(
    server: Server, client: httpx.AsyncClient
) -> None:
    async with fetch_all_pages(f"{server.url}/users/slow?delay=0.1", client=client) as users:
        with anyio.move_on_after(0.05) as scope:
            await anext(users)
        assert scope.cancelled_caught
        assert [user["id"] async for user in users] == IDS


def test_a_page_comes_to_a_thread_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anystream._batches.clock", lambda: 0.0)  # no page takes too long

    def answer(request: httpx.Request) -> httpx.Response:
        numbers = range(5) if request.url.params["page"] in "123" else ()
        return httpx.Response(200, json={"items": [*numbers]})

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    sync: Any = to_sync(fetch_all_pages("http://test/", client=client))
    asked = 0
    ask = sync.ask

    def count() -> None:
        nonlocal asked
        asked += 1
        ask()

    sync.ask = count
    with sync as items:
        assert [*items] == [*range(5)] * 3
    assert asked == 4


async def test_several_tasks_may_ask_for_pages_in_turn(
    server: Server, own_clients: list[httpx.AsyncClient]
) -> None:
    pages = Pages(f"{server.url}/users/slow?delay=0.05", None, "page", "items")
    got: list[int] = []

    async def step(patience: float) -> None:
        with anyio.move_on_after(patience):
            for page in await pages.batch() or ():
                got.extend(user["id"] for user in page)

    for _ in range(6):
        for patience in (0.02, 5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(step, patience)
    await own_clients[0].aclose()
    assert pages.any_task
    assert got == IDS
    assert await server.settled(1)


async def leave_at_the_end(users: Any) -> None:
    assert len([user async for user in users]) == len(IDS)


async def leave_early(users: Any) -> None:
    async for user in users:
        if user["name"] == "Grace":
            break


async def leave_unread(users: Any) -> None:
    pass


async def leave_by_an_error(users: Any) -> None:
    await anext(users)
    raise EmptyStreamError


async def leave_by_a_timeout(users: Any) -> None:
    await anext(users)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(users)


@pytest.mark.parametrize(
    "leave", [leave_at_the_end, leave_early, leave_unread, leave_by_an_error, leave_by_a_timeout]
)
async def test_its_own_client_is_closed_however_the_block_is_left(
    server: Server, own_clients: list[httpx.AsyncClient], leave: Any
) -> None:
    try:
        async with fetch_all_pages(f"{server.url}/users") as users:
            await leave(users)
    except EmptyStreamError:
        assert leave is leave_by_an_error
    assert len(own_clients) == (leave is not leave_unread)
    assert all(client.is_closed for client in own_clients)
    assert await server.settled(1)


async def test_its_own_client_is_closed_by_a_terminal_call_and_by_a_cancelled_one(
    server: Server, own_clients: list[httpx.AsyncClient]
) -> None:
    users = fetch_all_pages(f"{server.url}/users")
    assert await ids(users) == IDS
    with anyio.move_on_after(0.05) as scope:
        await fetch_all_pages(f"{server.url}/users/slow?delay=5").drain()
    assert scope.cancelled_caught
    assert [client.is_closed for client in own_clients] == [True, True]
    assert await server.settled(1)


async def test_a_run_that_is_dropped_with_its_client_open_warns(
    server: Server, own_clients: list[httpx.AsyncClient]
) -> None:
    users = aiter(fetch_all_pages(f"{server.url}/users"))
    await anext(users)
    with pytest.warns(ResourceWarning, match="fetch_all_pages.*was dropped"):
        del users
    await own_clients[0].aclose()


def test_without_httpx_the_error_names_the_extra() -> None:
    code = """
import sys
sys.modules["httpx"] = None
from anystream.http import fetch_all_pages
fetch_all_pages("http://test/", client=object())
try:
    fetch_all_pages("http://test/")
except ImportError as error:
    assert "anystream[http]" in str(error), error
else:
    raise AssertionError("no error")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
