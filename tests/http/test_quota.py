"""A server that allows so many requests a second, in virtual time: few are refused."""

import itertools
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from paged_api import API, number

from anystream import Retry
from anystream.http import PageNumber, PageStatusError, RetryAfterError, fetch_all_pages

PAGES = 40
RATE = 5
PLAIN = Retry(times=4, first=0.5, jitter=False)

Limit = Callable[[list[float]], bool]
"""Whether a request at this moment is allowed, by the times of those that were."""


def fixed_window() -> Limit:
    def allowed(times: list[float]) -> bool:
        now = anyio.current_time()
        return sum(int(time) == int(now) for time in times) < RATE

    return allowed


def sliding_window() -> Limit:
    def allowed(times: list[float]) -> bool:
        now = anyio.current_time()
        return sum(time > now - 1 for time in times) < RATE

    return allowed


def token_bucket() -> Limit:
    tokens, since = float(RATE), 0.0

    def allowed(times: list[float]) -> bool:
        nonlocal tokens, since
        now = anyio.current_time()
        tokens, since = min(RATE, tokens + (now - since) * RATE), now
        if tokens < 1 - 1e-9:
            return False
        tokens -= 1
        return True

    return allowed


def quota(limit: Limit, refused: list[float], **headers: str) -> Callable[[Any], Any]:
    served: list[float] = []

    def answer(request: httpx.Request) -> Any:
        if not limit(served):
            refused.append(anyio.current_time())
            return httpx.Response(429, headers={"Retry-After": "1"} | headers)
        served.append(anyio.current_time())
        page = number(request)
        return {"pages": PAGES, "items": [page] * (page <= PAGES)}

    return answer


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("tasks", [1, 8, 16, 32])
@pytest.mark.parametrize("limit", [fixed_window, sliding_window, token_bucket])
async def test_few_requests_are_refused(
    limit: Callable[[], Limit], tasks: int, ordered: bool
) -> None:
    refused: list[float] = []
    api = API(quota(limit(), refused), latency=0.02)
    async with api.client() as client:
        stream = fetch_all_pages(
            "http://t/",
            client=client,
            next=PageNumber(total_pages="pages"),
            concurrency=tasks,
            ordered=ordered,
        )
        assert sorted(await stream.collect()) == [*range(1, PAGES + 1)]
    assert len(refused) <= len(api.requests) / 10
    assert api.times[-1] < 2 * PAGES / RATE


@pytest.mark.parametrize("seconds", [1, 0.5])
async def test_a_quota_of_few_requests_shows_in_several_refusals(seconds: float) -> None:
    refused: list[float] = []
    api = API(
        quota(lambda times: not times or times[-1] <= anyio.current_time() - seconds, refused)
    )
    async with api.client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=PageNumber(total_pages="pages"))
        assert await stream.count() == PAGES
    assert len(refused) <= 10


@pytest.mark.parametrize("tasks", [1, 8])
@pytest.mark.parametrize("pause", [20, 50])
@pytest.mark.parametrize(
    ("status", "refused"),
    [
        *((503, pages) for pages in ([2], [2, 3], [2, 20], [10, 19], [30])),
        *((429, pages) for pages in ([2], [2, 3], [2, 8], [10], [30], [10, 50])),
    ],
)
async def test_a_pause_costs_what_it_lasts(
    status: int, refused: list[int], pause: int, tasks: int
) -> None:
    """Each request takes 0.1 seconds. A 503 is for no quota, and a single refusal shows none."""
    left = [*refused]

    def answer(request: httpx.Request) -> Any:
        if (page := number(request)) in left:
            left.remove(page)
            return httpx.Response(status, headers={"Retry-After": str(pause)})
        return {"pages": 60, "items": [page]}

    api = API(answer, latency=0.1)
    async with api.client() as client:
        stream = fetch_all_pages(
            "http://t/", client=client, next=PageNumber(total_pages="pages"), concurrency=tasks
        )
        assert await stream.count() == 60
    assert api.times[-1] - api.times[0] <= len(refused) * pause + 20


async def test_rate_holds_after_a_pause() -> None:
    statuses = iter([200, 503])

    def answer(request: httpx.Request) -> Any:
        if next(statuses, 200) == 503:
            return httpx.Response(503, headers={"Retry-After": "20"})
        return {"items": [number(request)], "pages": 60}

    api = API(answer)
    async with api.client() as client:
        stream = fetch_all_pages(
            "http://t/", client=client, next=PageNumber(total_pages="pages"), rate=5
        )
        assert await stream.count() == 60
    pauses = [after - before for before, after in itertools.pairwise(api.times)]
    assert pauses == pytest.approx([0.2, 20, *[0.2] * 58])


async def test_the_time_of_the_reader_is_no_matter_of_the_rate() -> None:
    """It takes its time with the first items, and the server refuses one request after them."""
    left = [10]

    def answer(request: httpx.Request) -> Any:
        if (page := number(request)) in left:
            left.remove(page)
            return httpx.Response(429, headers={"Retry-After": "20"})
        return {"items": [page] * (page < 30)}

    api = API(answer, latency=0.1)
    async with (
        api.client() as client,
        fetch_all_pages("http://t/", client=client, next=PageNumber()) as items,
    ):
        async for page in items:
            await anyio.sleep(60 if page < 10 else 0)
    assert api.times[-1] - api.times[10] < 8


def refusing(times: int, **headers: str) -> Callable[[Any], Any]:
    """Refuses so often, and then has one page."""
    left = times

    def answer(request: httpx.Request) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            return httpx.Response(429, headers=headers)
        return {"items": [1], "has_more": False}

    return answer


async def test_refusals_in_a_row_do_not_use_up_the_attempts() -> None:
    api = API(refusing(20, **{"Retry-After": "1"}))
    async with api.client() as client:
        policy = Retry(times=2, first=0.5, cap=2, jitter=False)
        assert await fetch_all_pages("http://t/", client=client, retry=policy).collect() == [1]
    assert len(api.requests) == 21


async def test_a_failure_between_refusals_uses_one_up() -> None:
    answers = iter([429, 500, 429, 500, 429, 500])
    api = API(lambda _: next(answers))
    async with api.client() as client:
        policy = Retry(times=1, first=0.5, jitter=False)
        with pytest.raises(PageStatusError, match="500"):
            await fetch_all_pages("http://t/", client=client, retry=policy).drain()
    assert len(api.requests) == 4


async def test_a_server_that_refuses_for_ever_is_given_up() -> None:
    api = API(refusing(10**6, **{"Retry-After": "7"}))
    async with api.client() as client:
        with pytest.raises(PageStatusError, match="429") as caught:
            await fetch_all_pages("http://t/", client=client, max_retry_after=60).drain()
    assert "no request for 60 s" in caught.value.__notes__[0]
    assert 30 <= api.times[-1] <= 60


@pytest.mark.parametrize("retry", [None, Retry(times=0), Retry(on=OSError)])
async def test_a_policy_may_want_no_other_attempt(retry: Retry | None) -> None:
    api = API(refusing(1))
    async with api.client() as client:
        with pytest.raises(PageStatusError, match="429"):
            await fetch_all_pages("http://t/", client=client, retry=retry).drain()
    assert len(api.requests) == 1


async def test_a_refused_post_is_not_repeated() -> None:
    api = API(refusing(1, **{"Retry-After": "1"}))
    async with api.client() as client:
        with pytest.raises(PageStatusError, match="429"):
            await fetch_all_pages("http://t/", client=client, json={}).drain()
        assert len(api.requests) == 1
        stream = fetch_all_pages("http://t/", client=client, json={}, retry_methods=["POST"])
        assert await stream.collect() == [1]


async def test_the_error_says_how_long_the_server_asks_for() -> None:
    api = API(refusing(1, **{"Retry-After": "900"}))
    async with api.client() as client:
        with pytest.raises(RetryAfterError) as caught:
            await fetch_all_pages("http://t/", client=client).drain()
    assert caught.value.retry_after == 900
    assert "asks for a pause of 900 s, but max_retry_after allows 120 s" in str(caught.value)


SPENT = {
    "plain": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"},
    "X": {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "30"},
    "IETF": {"RateLimit-Remaining": "0", "RateLimit-Reset": "30"},
    "IETF in one": {"RateLimit": '"default";r=0;t=30'},
    "Discord": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "30.0"},
    "Reddit": {"x-ratelimit-remaining": "0.0", "x-ratelimit-reset": "30"},
}


@pytest.mark.parametrize("name", SPENT)
async def test_the_last_request_of_a_quota_pauses_the_run(name: str) -> None:
    def answer(request: httpx.Request) -> Any:
        page = number(request)
        return {"items": [page], "has_more": page < 2, "next": "?page=2"}, SPENT[name]

    api = API(answer)
    async with api.client() as client:
        assert await fetch_all_pages("http://t/", client=client).collect() == [1, 2]
    assert [round(time) for time in api.times] == [0, 30]


async def test_a_quota_that_is_spent_without_a_reset_is_no_pause() -> None:
    headers = {"X-RateLimit-Remaining": "0"}
    api = API(lambda request: ({"items": [number(request)][: 3 - number(request)]}, headers))
    async with api.client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=PageNumber())
        assert await stream.collect() == [1, 2]
    assert api.times[-1] < 1


async def test_a_quota_that_is_spent_for_too_long_is_an_error_at_the_next_request() -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "500"}
    api = API(lambda request: ({"items": [1], "next": "?page=2"}, headers))
    async with api.client() as client, fetch_all_pages("http://t/", client=client) as items:
        assert await anext(items) == 1
        with pytest.raises(RetryAfterError, match="the rate limit is used up") as caught:
            await anext(items)
    assert caught.value.retry_after == 500
    assert "500 s" in str(caught.value)
    assert len(api.requests) == 1


async def test_a_refusal_holds_for_all_tasks_and_they_go_on_one_by_one() -> None:
    """Nine pages are asked for at a time when the quota is used up."""
    until = 0.0

    def answer(request: httpx.Request) -> Any:
        nonlocal until
        if number(request) == 20 and not until:
            until = anyio.current_time() + 10
        if anyio.current_time() < until:
            return httpx.Response(429, headers={"Retry-After": "10"})
        return {"pages": PAGES, "items": [number(request)]}

    api = API(answer, latency=1)
    async with api.client() as client:
        stream = fetch_all_pages(
            "http://t/", client=client, next=PageNumber(total_pages="pages"), concurrency=16
        )
        assert await stream.collect() == [*range(1, PAGES + 1)]
    paused = next(time for time in api.times if time >= until - 1)
    after = [time for time in api.times if time >= until - 0.5]
    assert paused >= until - 1
    first, second, third = (round(time - after[0], 3) for time in after[:3])
    assert (first, second) == (0, 1)  # and not in a burst
    assert third >= 1  # at the rate of before, if enough were answered before the refusal


async def test_what_was_on_its_way_at_a_refusal_widens_nothing() -> None:
    """Its answer says nothing about the requests after the pause, the first of which is alone."""
    until = 0.0

    async def handle(request: httpx.Request) -> httpx.Response:
        nonlocal until
        times.append(anyio.current_time())
        await anyio.sleep(5 if number(request) in (4, 5, 6) and not until else 1)
        if number(request) == 7 and not until:
            until = anyio.current_time() + 10
            return httpx.Response(429, headers={"Retry-After": "10"})
        return httpx.Response(200, json={"pages": PAGES, "items": [number(request)]})

    times: list[float] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        stream = fetch_all_pages(
            "http://t/", client=client, next=PageNumber(total_pages="pages"), concurrency=8
        )
        assert await stream.collect() == [*range(1, PAGES + 1)]
    after = [round(time - until, 3) for time in times if time >= until - 0.5]
    assert after[0] == 0
    assert after[1] >= 1


async def test_a_step_that_is_cancelled_waits_no_less() -> None:
    api = API(refusing(1, **{"Retry-After": "10"}))
    async with api.client() as client, fetch_all_pages("http://t/", client=client) as items:
        for _ in range(3):
            with anyio.move_on_after(2):
                await anext(items)
        assert await anext(items) == 1
    assert [round(time) for time in api.times] == [0, 10]


async def test_tasks_that_wait_for_a_turn_may_be_cancelled() -> None:
    api = API(lambda request: {"pages": PAGES, "items": [number(request)]}, latency=1)
    async with api.client() as client:
        stream = fetch_all_pages(
            "http://t/", client=client, next=PageNumber(total_pages="pages"), concurrency=32
        )
        async with stream as items:
            assert [await anext(items) for _ in range(3)] == [1, 2, 3]
    assert api.running == 0
