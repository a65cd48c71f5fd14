"""fetch_all_pages as a stream: its steps, its own client, and how it is left."""

import subprocess
import sys
from typing import Any

import anyio
import httpx
import leaving
import pytest
from insides import opening_of
from paged_api import API, linked
from server import Server

from anystream import to_sync
from anystream.http import PageNumber, PageStream, fetch_all_pages
from anystream.testing import cancel_everywhere

pytestmark = pytest.mark.real_time

IDS = list(range(1, 16))


def numbered(url: str, **options: Any) -> PageStream[Any]:
    return fetch_all_pages(url, next=PageNumber(), **options)


async def ids(stream: Any) -> list[int]:
    return await stream.map(lambda user: user["id"]).collect()


async def test_pages_are_asked_for_when_they_are_needed(server: Server, client: Any) -> None:
    async with numbered(f"{server.url}/users", client=client) as users:
        for _ in range(3):
            await anext(users)
        assert len(server.requests) == 1
        await anext(users)
        assert len(server.requests) == 2
    assert not client.is_closed


async def test_a_timed_out_step_asks_for_the_same_page_again(server: Server, client: Any) -> None:
    async with numbered(f"{server.url}/users/slow?delay=0.05", client=client) as users:
        with anyio.move_on_after(0.02) as scope:
            await anext(users)
        assert scope.cancelled_caught
        assert [user["id"] async for user in users] == IDS


def test_a_page_comes_to_a_thread_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anystream._core.batches.clock", lambda: 0.0)  # no page takes too long

    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        return httpx.Response(200, json={"items": [*range(5 * page, 5 * page + 5)] * (page < 4)})

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    sync: Any = to_sync(numbered("http://test/", client=client))
    asked = 0
    ask = sync.ask

    def count() -> None:
        nonlocal asked
        asked += 1
        ask()

    sync.ask = count
    with sync as items:
        assert [*items] == [*range(5, 20)]
    assert asked == 4


async def test_several_tasks_may_ask_for_pages_in_turn(
    server: Server, own_clients: list[httpx.AsyncClient]
) -> None:
    """As the workers of `map` do, which step a source that stays suspended nowhere themselves."""
    users = numbered(f"{server.url}/users/slow?delay=0.05").by_page()
    got: list[int] = []
    async with users.open() as pages:
        source: Any = opening_of(pages).top()
        assert source.any_task

        async def step(patience: float) -> None:
            with anyio.move_on_after(patience):
                for page in await source.batch() or ():
                    got.extend(user["id"] for user in page.items)

        for patience in [5, *[0.02, 5] * 6]:  # first the client connects, which nothing cuts
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(step, patience)
    assert got == IDS
    assert await server.settled(1)
    assert [client.is_closed for client in own_clients] == [True]


async def at_the_end(users: Any) -> None:
    assert len([user async for user in users]) == len(IDS)


@pytest.mark.parametrize("leave", [at_the_end, *leaving.WAYS])
async def test_its_own_client_is_closed_however_the_block_is_left(
    server: Server, own_clients: list[httpx.AsyncClient], leave: Any
) -> None:
    try:
        async with numbered(f"{server.url}/users") as users:
            await leave(users)
    except ZeroDivisionError:
        assert leave is leaving.by_an_error
    assert len(own_clients) == (leave is not leaving.unread)
    assert all(client.is_closed for client in own_clients)
    assert await server.settled(1)


async def test_its_own_client_is_closed_by_a_terminal_call_and_by_a_cancelled_one(
    server: Server, own_clients: list[httpx.AsyncClient]
) -> None:
    users = numbered(f"{server.url}/users")
    assert await ids(users) == IDS
    with anyio.move_on_after(0.05) as scope:
        await numbered(f"{server.url}/users/slow?delay=5").drain()
    assert scope.cancelled_caught
    assert [client.is_closed for client in own_clients] == [True, True]
    assert await server.settled(1)


async def test_a_run_that_is_dropped_with_its_client_open_warns(
    server: Server, own_clients: list[httpx.AsyncClient]
) -> None:
    users = aiter(numbered(f"{server.url}/users"))
    await anext(users)
    with pytest.warns(ResourceWarning, match="fetch_all_pages.*was dropped"):
        del users
    await own_clients[0].aclose()


def test_without_httpx_the_error_names_the_extra() -> None:
    code = """
import sys
sys.modules["httpx"] = None
from anystream.http import fetch_all_pages
client = type("Client", (), {"send": None, "build_request": None})
fetch_all_pages("http://test/", client=client)
try:
    fetch_all_pages("http://test/")
except ImportError as error:
    assert "anystream[http]" in str(error), error
else:
    raise AssertionError("no error")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize(
    "options",
    [{}, {"prefetch": 1}, {"next": PageNumber(total_pages="pages"), "concurrency": 2}],
    ids=["one after the other", "in advance", "in parallel"],
)
def test_cancelled_everywhere(options: dict[str, Any]) -> None:
    """Nothing comes twice, nothing is left out, no request goes on."""
    pages = [["a", "b"], [], ["c"]]

    def answer(request: httpx.Request) -> Any:
        return {**linked(pages)(request), "pages": 3}

    async def program() -> None:
        api = API(answer)
        received: list[str] = []
        try:
            async with (
                api.client() as client,
                fetch_all_pages("http://t/", client=client, **options) as items,
            ):
                async for item in items:
                    received.append(item)
                    assert len(received) == items.state["index"] or items.state["page"] > 1
            assert received == ["a", "b", "c"]
        finally:
            assert received == ["a", "b", "c"][: len(received)]
            assert api.running == 0

    assert cancel_everywhere(program) > 5
