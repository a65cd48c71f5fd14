"""When a request is made again, and after which pause: in virtual time."""

import asyncio
import gc
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import anyio
import httpx
import pytest
from paged_api import API

from anystream import Retry
from anystream.http import PageNumber, PageStatusError, RetryAfterError, fetch_all_pages, lines, sse

DONE = {"items": [1, 2], "next": None}
EVENLY = Retry(times=3, first=1, factor=2, cap=3, jitter=False)


def answering(*answers: Any) -> Callable[[httpx.Request], Any]:
    left = iter(answers)

    def answer(request: httpx.Request) -> Any:
        given = next(left)
        if isinstance(given, Exception):
            raise given
        return given

    return answer


async def pauses(answers: Iterable[Any], **options: Any) -> list[float]:
    """The seconds between the requests of a run that gets these answers and ends well."""
    api = API(answering(*answers, DONE))
    async with api.client() as client:
        stream = fetch_all_pages("http://test/", client=client, **{"retry": EVENLY, **options})
        assert await stream.collect() == [1, 2]
    return [round(b - a, 3) for a, b in zip(api.times, api.times[1:], strict=False)]


def refusal(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


async def test_the_pauses_grow_up_to_the_cap() -> None:
    assert await pauses([503, 500, httpx.ConnectError("")]) == [1, 2, 3]


async def test_jitter_draws_each_pause_from_nothing_to_its_length() -> None:
    policy = Retry(times=3, first=1, random=iter([0.5, 0.25, 0]).__next__)
    assert await pauses([503, 503, 503], retry=policy) == [0.5, 0.5, 0]


async def test_each_page_has_attempts_of_its_own() -> None:
    pages: list[Any] = []
    for following in ("/2", "/3", None):
        pages += [503, 503, 503, {"items": [following], "next": following}]
    api = API(answering(*pages))
    async with api.client() as client:
        stream = fetch_all_pages("http://test/", client=client, retry=EVENLY)
        assert await stream.collect() == ["/2", "/3", None]


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": " 7.5 "}, 7.5),
        ({"Retry_After": "0"}, 1),
        ({"Retry_After": "-7"}, 1),
        ({"Retry_After": "soon"}, 1),
        ({"Retry_After": "\u0667"}, 1),
        ({"Retry_After": "Sun, 06 Nov 1994 08:49:37 GMT"}, 1),
        (
            {
                "Retry_After": "Sun, 06 Nov 1994 08:49:57 GMT",
                "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
            },
            20,
        ),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "30"}, 30),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "later"}, 1),
        ({"X_RateLimit_Remaining": "0"}, 1),
        ({"X_RateLimit_Remaining": "5", "X_RateLimit_Reset": "30"}, 1),
    ],
)
async def test_a_pause_that_the_server_asks_for_is_kept_to(
    headers: dict[str, str], pause: float
) -> None:
    given = {
        name: value.encode() if not value.isascii() else value for name, value in headers.items()
    }
    assert await pauses([refusal(429, **given)]) == [pause]  # type: ignore[arg-type]


async def test_a_date_is_kept_to_by_our_clock_if_the_server_does_not_tell_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.5)
    later = formatdate(1_000_000_010, usegmt=True)
    assert await pauses([refusal(503, Retry_After=later)]) == [9.5]
    reset = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1000000020"}
    assert await pauses([refusal(403, **reset)]) == [19.5]


async def test_a_pause_beyond_the_limit_is_refused_and_never_shortened() -> None:
    api = API(answering(refusal(429, Retry_After="121")))
    async with api.client() as client:
        with pytest.raises(RetryAfterError, match="status 429 Too Many Requests; ") as caught:
            await fetch_all_pages("http://test/", client=client).drain()
    assert caught.value.retry_after == 121
    assert not hasattr(caught.value, "__notes__"), "it has answered, and once"
    assert len(api.requests) == 1
    assert await pauses([refusal(429, Retry_After="121")], max_retry_after=121) == [121]


async def test_a_status_that_is_not_worth_it_names_no_pause() -> None:
    api = API(answering(refusal(404, Retry_After="9999")))
    async with api.client() as client:
        with pytest.raises(PageStatusError) as caught:
            await fetch_all_pages("http://test/", client=client).drain()
    assert type(caught.value) is PageStatusError
    assert (caught.value.status, caught.value.retry_after) == (404, 9999)


@pytest.mark.parametrize(
    ("answer", "options", "requests"),
    [
        (503, {"method": "POST"}, 1),
        (503, {"json": {}}, 1),
        (503, {"method": "POST", "retry_methods": ["post"]}, 4),
        (503, {"method": "HEAD"}, 4),
        (503, {"retry": None}, 1),
        (503, {"retry": Retry(times=1)}, 2),
        (503, {"retry": Retry(times=1, on=httpx.TransportError)}, 1),
        (403, {}, 1),
        (501, {}, 4),
        (400, {}, 1),
        (httpx.ReadTimeout(""), {}, 4),
        (httpx.RemoteProtocolError(""), {}, 4),
        (httpx.DecodingError(""), {}, 4),
        (httpx.UnsupportedProtocol(""), {}, 1),
        (httpx.LocalProtocolError(""), {}, 1),
        (RuntimeError("a bug"), {}, 1),
        (b'{"items": [1', {}, 4),
        (b'{"items": 1]', {}, 1),
        (b"", {}, 4),
    ],
)
async def test_what_is_tried_again(answer: Any, options: dict[str, Any], requests: int) -> None:
    api = API(answering(*[answer] * 4))
    async with api.client() as client:
        stream = fetch_all_pages("http://test/", client=client, **{"retry": EVENLY, **options})
        with pytest.raises(Exception):  # noqa: B017, PT011  # which one is not the question
            await stream.drain()
    assert len(api.requests) == requests


async def test_the_hook_hears_of_each_pause() -> None:
    heard: list[Any] = []

    async def hook(number: int, error: Exception, pause: float) -> None:
        await anyio.sleep(0.25)
        heard.append((number, type(error), pause))

    policy = Retry(times=3, first=1, jitter=False, hook=hook)
    # The pause counts from the failure on.
    assert await pauses([503, httpx.ReadError("")], retry=policy) == [1, 2]
    assert heard == [(1, PageStatusError, 1), (2, httpx.ReadError, 2)]


@pytest.mark.parametrize(
    ("answers", "first", "times"),
    [
        ((refusal(503, Retry_After="10"), 503, DONE), 1, [0, 10, 11]),
        ((503, DONE), 10, [0, 10]),
    ],
    ids=["of the server", "of the policy"],
)
async def test_a_cancelled_step_does_not_shorten_the_pause_nor_begin_to_count_anew(
    answers: tuple[Any, ...], first: float, times: list[int]
) -> None:
    heard: list[int] = []
    policy = Retry(2, first=first, jitter=False, hook=lambda number, *_: heard.append(number))
    api = API(answering(*answers))
    async with (
        api.client() as client,
        fetch_all_pages("http://test/", client=client, retry=policy) as items,
    ):
        for _ in range(3):
            with anyio.move_on_after(3) as scope:
                assert await anext(items) == 1
        assert scope.cancelled_caught
        assert await anext(items) == 1
    assert [round(time) for time in api.times] == times
    assert heard == [*range(1, len(times))]


async def test_requests_keep_to_a_rate_over_pages_and_retries() -> None:
    api = API(answering({"items": [1], "next": "/2"}, 503, {"items": [2], "next": "/3"}, DONE))
    policy = Retry(first=0.1, jitter=False)
    async with api.client() as client:
        stream = fetch_all_pages("http://test/", client=client, retry=policy, rate=4)
        assert await stream.collect() == [1, 2, 1, 2]
    assert api.times == pytest.approx([0, 0.25, 0.5, 0.75])


async def test_a_cancelled_step_keeps_its_place_in_the_rate() -> None:
    api = API(answering({"items": [1], "next": "/2"}, DONE))
    async with (
        api.client() as client,
        fetch_all_pages("http://test/", client=client, rate=0.1) as items,
    ):
        assert await anext(items) == 1
        for _ in range(4):
            with anyio.move_on_after(3):
                assert await anext(items) == 1
                break
    assert api.times == pytest.approx([0, 10])


async def test_an_error_leaves_no_cycle_behind() -> None:
    for answer in (503, 404, httpx.UnsupportedProtocol("")):
        api = API(answering(*[answer] * 8))
        async with api.client() as client:
            stream = fetch_all_pages("http://test/", client=client, retry=EVENLY)
            for _ in range(2):  # the first time makes what stays
                gc.collect()
                gc.disable()
                try:
                    with suppress(Exception):
                        await stream.drain()
                    del api.requests[:]
                    kinds = {type(each).__module__ for each in garbage()}
                finally:
                    gc.enable()
            assert not any(kind.startswith("anystream") for kind in kinds), kinds


def garbage() -> list[Any]:
    """What only the garbage collector finds; httpx leaves some of it behind."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return [*gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("read", [fetch_all_pages, lines, sse])
async def test_no_request_is_sent_again_in_the_place_of_a_cancellation(
    read: Callable[..., Any], native: bool, anyio_backend_name: str
) -> None:
    """The error of a client that was cancelled says nothing of the server."""
    sent: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        try:
            await anyio.sleep_forever()
        finally:
            raise httpx.ConnectError("cut off")

    async def run() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            with suppress(httpx.ConnectError):
                await read("http://test/", client=client, retry=EVENLY).drain()

    if native and anyio_backend_name == "trio":
        pytest.skip("trio has no cancellation of tasks")
    if native:
        task = asyncio.create_task(run())
        await anyio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
    else:
        with anyio.move_on_after(0.1):
            await run()
    assert len(sent) == 1


# -- what the client of the user raises ----------------------------------------------------------


async def raise_for_status(response: httpx.Response) -> None:
    """The hook of the client that the documentation of httpx shows."""
    response.raise_for_status()


HOOKED: dict[str, Any] = {"event_hooks": {"response": [raise_for_status]}}


async def test_a_hook_that_raises_for_a_status_takes_no_attempt_away() -> None:
    api = API(
        answering(503, refusal(429, retry_after="7"), {"items": [1], "next": "?p=2"}, 500, DONE)
    )
    async with api.client(**HOOKED) as client:
        stream = fetch_all_pages("http://test/", client=client, retry=EVENLY)
        assert await stream.collect() == [1, 1, 2]
    assert [round(b - a, 3) for a, b in zip(api.times, api.times[1:], strict=False)] == [1, 7, 0, 1]


async def test_a_hook_that_raises_for_a_status_leaves_the_error_as_it_is() -> None:
    async with API(lambda request: 404).client(**HOOKED) as client:
        with pytest.raises(PageStatusError, match="page 1 of http://test/: status 404 Not Found"):
            await fetch_all_pages("http://test/", client=client).drain()


async def test_a_hook_that_raises_for_a_status_leaves_the_end_as_it_is() -> None:
    scheme = PageNumber(end_statuses=(404,))
    async with API(answering([1], [2], 404)).client(**HOOKED) as client:
        assert await fetch_all_pages("http://test/", client=client, next=scheme).collect() == [1, 2]


class Token(httpx.Auth):
    """Gets a token for each page, and raises if there is none."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        (yield httpx.Request("POST", "http://auth/")).raise_for_status()
        yield request


@pytest.mark.parametrize("status", [404, 503])
async def test_the_status_of_another_request_is_none_of_the_page(status: int) -> None:
    pages = iter([[1], [2]])

    def answer(request: httpx.Request) -> Any:
        if request.url.host != "auth":
            return next(pages)
        return status if len(api.requests) > 2 else 204

    api = API(answer)
    async with api.client(auth=Token()) as client:
        stream = fetch_all_pages("http://t/", client=client, next=PageNumber(end_statuses=(404,)))
        with pytest.raises(httpx.HTTPStatusError, match="http://auth/") as caught:
            await stream.drain()
    assert caught.value.__notes__ == ["while fetching page 2 of http://t/?page=2"]


@pytest.mark.parametrize("read", [lines, sse])
async def test_a_hook_that_raises_for_a_status_leaves_the_attempts_to_have_a_body(
    read: Any,
) -> None:
    kind = {"content-type": "text/event-stream"}
    done = httpx.Response(200, headers=kind, content=b"data: 1\n\n")
    api = API(answering(refusal(429, retry_after="7"), 503, done))
    async with api.client(**HOOKED) as client:
        assert await read("http://test/", client=client, retry=EVENLY).take(1).count() == 1
    assert api.times[1] - api.times[0] == pytest.approx(7)
