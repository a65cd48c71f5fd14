"""`explain` of what comes over HTTP, and that this is what is there when it is open."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from insides import opening_of, tasks_of

from anystream import Stream
from anystream._core.channel import Channel
from anystream.http import PageNumber, fetch_all_pages, lines, sse

URL = "https://api.example.com/users"
Make = Callable[[httpx.AsyncClient], Stream[Any]]

DRAWN: dict[str, tuple[Make, str, int, int]] = {
    "prefetch": (
        lambda client: fetch_all_pages(URL, client=client, prefetch=2).take(3),
        """\
caller's task  take(3)
  ^ channel    at most 2 pages
task           fetch_all_pages('https://api.example.com/users', prefetch=2)
1 task: open it with `async with` or a terminal call""",
        2,
        1,
    ),
    "concurrency": (
        lambda client: fetch_all_pages(
            URL, client=client, next=PageNumber(total_pages="pages"), concurrency=3, prefetch=1
        ),
        """\
caller's task  (reads)
  ^ channel    at most 4 pages in work or to be read, in order
3 tasks        fetch_all_pages('https://api.example.com/users', next=PageNumber(total_pages='pages'), prefetch=1, concurrency=3)
3 tasks: open it with `async with` or a terminal call""",  # noqa: E501  # as it is drawn
        4,
        3,
    ),
    "lines": (
        lambda client: lines(URL, client=client).map(str),
        """\
caller's task  map(str)
  ^ channel    at most 8 chunks
task           lines('https://api.example.com/users')
1 task: open it with `async with` or a terminal call""",
        8,
        1,
    ),
    "sse": (
        lambda client: sse(URL, client=client),
        """\
caller's task  (reads)
  ^ channel    at most 8 chunks
task           sse('https://api.example.com/users')
1 task: open it with `async with` or a terminal call""",
        8,
        1,
    ),
}


@pytest.fixture
def client() -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing is asked for")

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("name", DRAWN)
async def test_drawn_as_it_is(name: str, client: httpx.AsyncClient) -> None:
    make, wanted, bound, tasks = DRAWN[name]
    stream = make(client)
    assert stream.explain() == wanted
    async with stream as run:
        channel = opening_of(run).bottom
        assert isinstance(channel, Channel)
        assert [lane.bound for lane in channel.lanes] == [bound]
        assert len(tasks_of(run)) == 1  # and as many workers as are needed
        assert f"{tasks} task" in wanted


def test_pages_one_after_the_other(client: httpx.AsyncClient) -> None:
    pages = fetch_all_pages(URL, client=client)
    for stream in (pages, pages.by_page()):
        assert (
            stream.explain()
            == """\
caller's task  fetch_all_pages('https://api.example.com/users')
no tasks: a bare `async for` will do"""
        )
