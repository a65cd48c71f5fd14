"""Several pages at a time, and pages in advance: in virtual time."""

from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from paged_api import API, number, numbered, sliced

from anystream import Retry, Stream, StreamError
from anystream.http import Offset, PageDataError, PageNumber, PageStatusError, fetch_all_pages

PAGES = sliced(list(range(95)), 10)
COUNTED = PageNumber(total_pages="pages")


def offsets(items: list[Any], cap: int) -> Callable[[httpx.Request], Any]:
    def answer(request: httpx.Request) -> Any:
        start = number(request, "offset", 0)
        return {"total": len(items), "items": items[start : start + cap]}

    return answer


@pytest.mark.parametrize(("tasks", "seconds"), [(1, 10), (2, 6), (3, 5), (9, 4), (20, 4)])
async def test_so_many_requests_run_at_a_time(tasks: int, seconds: int) -> None:
    api = API(numbered(PAGES), latency=1)
    async with api.client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=COUNTED, concurrency=tasks)
        assert await stream.collect() == list(range(95))
    assert anyio.current_time() == pytest.approx(seconds)
    assert api.most == {1: 1, 2: 2, 3: 3}.get(tasks, 4)
    assert sorted(map(number, api.requests)) == list(range(1, 11))


async def test_not_in_order_pages_come_as_they_are_ready() -> None:
    def answer(request: httpx.Request) -> Any:
        return numbered(PAGES)(request)

    api = API(answer)

    async def slow(request: httpx.Request) -> httpx.Response:
        page = number(request)
        await anyio.sleep(5 if page == 2 else 1)
        return await API.handle(api, request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(slow)) as client:
        stream = fetch_all_pages(
            "http://t/", client=client, next=COUNTED, concurrency=2, ordered=False
        )
        numbers = [page.number for page in await stream.by_page().collect()]
        async with stream as items:
            with pytest.raises(StreamError, match="no state, since its pages come in any order"):
                _ = items.state
    assert sorted(numbers) == list(range(1, 11))
    assert numbers[:4] == [1, 3, 4, 5]


async def test_offsets_that_the_server_has_shortened() -> None:
    items = list(range(33))
    api = API(offsets(items, cap=7))
    async with api.client() as client:
        stream = fetch_all_pages(
            "http://t/", client=client, next=Offset(total="total"), page_size=10, concurrency=3
        )
        assert await stream.collect() == items
    assert sorted(number(each, "offset") for each in api.requests) == [0, 7, 14, 21, 28]
    assert {number(each, "limit") for each in api.requests} == {10}


async def test_offsets_that_do_not_fit_together_are_an_error() -> None:
    def answer(request: httpx.Request) -> Any:
        return offsets(list(range(33)), cap=5 if number(request, "offset", 0) == 14 else 7)(request)

    api = API(answer)
    got: list[int] = []
    async with api.client() as client:
        offset = Offset(total="total")
        async with fetch_all_pages("http://t/", client=client, next=offset, concurrency=2) as items:
            with pytest.raises(PageDataError, match="5 items, where the first page had 7"):
                async for item in items:
                    got.append(item)
        assert got == list(range(14))
        # One after the other they go on by what has come.
        assert await fetch_all_pages("http://t/", client=client, next=offset).collect() == [
            *range(33)
        ]


@pytest.mark.parametrize("growth", [0, 1, 3])
async def test_a_number_of_pages_that_changes_while_they_come(growth: int) -> None:
    """The page that says so is the last one of those that were known of."""

    def answer(request: httpx.Request) -> Any:
        known = 4 + growth if number(request) >= 4 else 4
        return {"pages": known, "items": [number(request)]}

    api = API(answer, latency=1)
    async with api.client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=COUNTED, concurrency=3)
        assert await stream.collect() == list(range(1, 5 + growth))


async def test_a_number_of_pages_that_shrinks() -> None:
    def answer(request: httpx.Request) -> Any:
        page = number(request)
        return {"pages": 9 if page == 1 else 4, "items": [page] if page <= 4 else []}

    api = API(answer, latency=1)
    async with api.client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=COUNTED, concurrency=2)
        assert await stream.collect() == [1, 2, 3, 4]
    assert len(api.requests) == 9  # what was known first may be true again


async def test_statuses_past_the_end() -> None:
    def answer(request: httpx.Request) -> Any:
        page = number(request)
        return {"pages": 4, "items": [page]} if page <= 3 else 404

    api = API(answer)
    scheme = PageNumber(total_pages="pages", end_statuses=(404,))
    async with api.client() as client:
        for tasks in (1, 2):
            stream = fetch_all_pages("http://t/", client=client, next=scheme, concurrency=tasks)
            assert await stream.collect() == [1, 2, 3]
        with pytest.raises(PageStatusError):  # there must be a first page
            await fetch_all_pages(
                "http://t/", client=client, next=PageNumber(start=4, end_statuses=(404,))
            ).drain()


async def test_a_response_that_does_not_tell_how_many_there_are() -> None:
    api = API(lambda request: {"items": [number(request)]})
    got: list[int] = []
    async with (
        api.client() as client,
        fetch_all_pages("http://t/", client=client, next=COUNTED, concurrency=2) as items,
    ):
        with pytest.raises(PageDataError, match=r"PageNumber\(total_pages='pages'\) finds no"):
            async for item in items:
                got.append(item)
    assert got == [1]


async def test_a_function_that_fails_to_tell_how_many_there_are() -> None:
    scheme = PageNumber(total_pages=lambda page: page.data["count"])
    api = API(numbered(PAGES))
    got: list[int] = []
    async with (
        api.client() as client,
        fetch_all_pages("http://t/", client=client, next=scheme, concurrency=2) as items,
    ):
        with pytest.raises(KeyError, match="count"):
            async for item in items:
                got.append(item)
    assert got == list(range(10))


async def test_no_more_pages_than_wanted() -> None:
    api = API(numbered(PAGES))
    async with api.client() as client:
        for options in ({"concurrency": 4}, {"prefetch": 4}, {}):
            api.requests.clear()
            for limit in (0, 1, 3):
                stream = fetch_all_pages(
                    "http://t/", client=client, next=COUNTED, max_pages=limit, **options
                )
                assert await stream.collect() == list(range(10 * limit))
            assert len(api.requests) == 4


async def test_an_empty_first_page_is_all_there_is() -> None:
    for scheme in (COUNTED, Offset(total="total")):
        api = API(lambda request: {"items": [], "pages": 0, "total": 0})
        async with api.client() as client:
            for tasks in (1, 3):
                stream = fetch_all_pages("http://t/", client=client, next=scheme, concurrency=tasks)
                assert await stream.collect() == []
        assert len(api.requests) == 2


async def test_prefetched_pages_come_while_the_reader_works() -> None:
    api = API(numbered(PAGES), latency=1)
    async with (
        api.client() as client,
        fetch_all_pages("http://t/", client=client, next=COUNTED, prefetch=1) as items,
    ):
        async for item in items:
            if item % 10 == 9:
                await anyio.sleep(1)
                assert len(api.requests) <= item // 10 + 3
    assert anyio.current_time() == pytest.approx(10)


async def test_a_cancelled_step_leaves_prefetched_requests_alone() -> None:
    api = API(numbered(PAGES), latency=1)
    async with (
        api.client() as client,
        fetch_all_pages("http://t/", client=client, next=COUNTED, prefetch=1) as items,
    ):
        got: list[int] = []
        while len(got) < 95:
            with anyio.move_on_after(0.3):
                got.append(await anext(items))
    assert got == list(range(95))
    assert len(api.requests) == 10


async def test_leaving_cancels_the_requests_that_run() -> None:
    api = API(numbered(PAGES), latency=1)
    async with api.client() as client:
        async with fetch_all_pages(
            "http://t/", client=client, next=COUNTED, concurrency=5
        ) as items:
            assert await anext(items) == 0
            await anyio.sleep(0.5)
            assert api.running == 2
        assert api.running == 0
    assert anyio.current_time() == pytest.approx(1.5)


@pytest.mark.parametrize("retry", [None, Retry(2, first=1, jitter=False)])
@pytest.mark.parametrize("answered", [0, 20])
async def test_a_server_that_refuses_all_connections_is_one_error(
    answered: int, retry: Retry | None
) -> None:
    def answer(request: httpx.Request) -> Any:
        if number(request) > answered:
            raise httpx.ConnectError("refused")
        return {"items": [number(request)], "pages": 40}

    api = API(answer, latency=1)
    async with api.client() as client:
        options: dict[str, Any] = {"next": COUNTED, "concurrency": 8, "retry": retry}
        with pytest.raises(httpx.ConnectError) as caught:
            await fetch_all_pages("http://t/", client=client, **options).drain()
    assert f"while fetching page {answered + 1} of http://t/" in caught.value.__notes__[0]
    assert api.most == (8 if answered else 1)


@pytest.mark.parametrize("ordered", [True, False])
async def test_refused_requests_of_many_tasks_are_one_error(ordered: bool) -> None:
    def answer(request: httpx.Request) -> Any:
        raise httpx.ConnectError("refused")

    async with API(answer, latency=1).client() as client:
        urls = Stream([f"http://t/{n}" for n in range(8)])
        with pytest.raises(httpx.ConnectError):
            await urls.map(client.get, concurrency=8, ordered=ordered).drain()
