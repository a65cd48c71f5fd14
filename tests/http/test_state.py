"""Where a run goes on from: exact in the middle of a page, and of no other request."""

import json
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paged_api import API, linked, number, numbered

from anystream import Stream
from anystream.http import Cursor, LinkHeader, PageNumber, fetch_all_pages, sse

COUNTED = PageNumber(total_pages="pages")
PAGES = [["a", "b", "c"], [], ["d"], ["e", "f"]]
ITEMS = [*"abcdef"]


def again(state: Any) -> Any:
    """The state as it comes out of a file."""
    return json.loads(json.dumps(state))


@pytest.mark.parametrize("options", [{}, {"prefetch": 2}, {"next": COUNTED, "concurrency": 3}])
async def test_what_comes_after_the_state_is_what_has_not_come_before(
    options: dict[str, Any],
) -> None:
    api = API((numbered if "next" in options else linked)(PAGES))
    async with api.client() as client:
        stream = fetch_all_pages("http://t/", client=client, **options)
        for count in range(len(ITEMS) + 2):
            async with stream as items:
                got = [item async for item in Stream(items).take(count)]
                state = again(items.state)
            assert again(items.state) == state  # also after the end
            api.requests.clear()
            rest = await fetch_all_pages(
                "http://t/", client=client, resume_from=state, **options
            ).collect()
            assert got + rest == ITEMS
            assert len(api.requests) <= 4 - (count >= 3) - (count >= 4) * 2
        assert state["step"] is None
        assert rest == []


async def test_a_run_with_a_grace_period_of_its_own_has_a_state_too() -> None:
    api = API(linked(PAGES))
    async with (
        api.client() as client,
        fetch_all_pages("http://t/", client=client).open(grace=5) as items,
    ):
        assert await anext(items) == "a"
        assert (items.state["page"], items.state["index"]) == (1, 1)


async def test_the_state_counts_pages_on() -> None:
    api = API(linked(PAGES))
    async with api.client() as client:
        pages = fetch_all_pages("http://t/", client=client).by_page()
        async with pages as opened:
            second = [page async for page in Stream(opened).take(2)][1]
        resumed = fetch_all_pages("http://t/", client=client, resume_from=again(second.state))
        assert [page.number for page in await resumed.by_page().collect()] == [3, 4]


async def test_the_state_before_and_after_an_error_and_a_cancelled_step() -> None:
    broken = True

    def answer(request: httpx.Request) -> Any:
        return 404 if broken and number(request) == 3 else linked(PAGES)(request)

    api = API(answer, latency=1)
    async with api.client() as client:
        async with fetch_all_pages("http://t/", client=client) as items:
            beginning = again(items.state)
            with anyio.move_on_after(0.5):
                await anext(items)
            assert items.state == beginning
            with pytest.raises(Exception, match="404"):
                async for _ in items:
                    pass
        broken = False
        stream = fetch_all_pages("http://t/", client=client, resume_from=again(items.state))
        assert await stream.collect() == ["d", "e", "f"]
        stream = fetch_all_pages("http://t/", client=client, resume_from=beginning)
        assert await stream.collect() == ITEMS


async def test_an_unclear_way_on_is_unclear_again() -> None:
    api = API(lambda request: {"items": [1, 2], "has_more": True})
    async with api.client() as client:
        state = None
        for expected in ([1, 2], []):
            got: list[int] = []
            async with fetch_all_pages("http://t/", client=client, resume_from=state) as items:
                with pytest.raises(Exception, match="has_more"):
                    async for item in items:
                        got.append(item)
            state = again(items.state)
            assert got == expected


async def run_by_run(client: Any, stop: Any, **options: Any) -> list[list[Any]]:
    """What comes in each of some runs, of which each continues after the one before it."""
    runs: list[list[Any]] = []
    state: Any = None
    for _ in range(6):
        stream = fetch_all_pages("http://t/", client=client, resume_from=state, **options)
        got, state = await stop(stream, state)
        runs.append(got)
        state = again(state)
    return runs


async def to_the_end(stream: Any, _: Any) -> tuple[list[Any], Any]:
    async with stream as items:
        return [item async for item in items], items.state


async def one_page(stream: Any, state: Any) -> tuple[list[Any], Any]:
    async with stream.by_page() as pages:
        async for page in pages:
            return page.items, page.state
    return [], state


def counted_from(first: int, length: int = 8) -> Any:
    """`?page=`, and nothing says how to continue."""

    def answer(request: httpx.Request) -> Any:
        start = 3 * (number(request, default=first) - first)
        return [*range(length)][start : start + 3]

    return answer


@pytest.mark.parametrize(
    ("stop", "options"),
    [
        (to_the_end, {"max_pages": 1}),
        (to_the_end, {"max_pages": 1, "prefetch": 2}),
        (to_the_end, {"max_items": 3}),
        (one_page, {}),
    ],
)
@pytest.mark.parametrize("first", [0, 1])
async def test_a_first_page_that_is_asked_for_again_is_no_page_of_this_run(
    first: int, stop: Any, options: dict[str, Any]
) -> None:
    """It is asked for to tell the page after it, and all of it has come before."""
    shown: list[int] = []
    async with API(counted_from(first)).client() as client:
        runs = await run_by_run(
            client, stop, on_page=lambda page: shown.append(page.number), **options
        )
    assert runs[:4] == [[0, 1, 2], [3, 4, 5], [6, 7], []]
    assert shown[:2] == [1, 2]
    assert shown.count(1) == 1


async def test_a_page_of_which_items_are_left_is_one_of_this_run() -> None:
    async with API(counted_from(1)).client() as client:
        async with fetch_all_pages("http://t/", client=client) as items:
            assert await anext(items) == 0
            state = again(items.state)
        rest = fetch_all_pages("http://t/", client=client, resume_from=state, max_pages=1)
        assert await rest.collect() == [1, 2]


async def test_an_unclear_way_on_is_an_error_of_the_run_that_continues() -> None:
    api = API(lambda request: {"items": [1, 2], "has_more": True})
    async with api.client() as client:
        got, state = await to_the_end(fetch_all_pages("http://t/", client=client, max_pages=1), 0)
        assert got == [1, 2]
        rest = fetch_all_pages("http://t/", client=client, max_pages=1, resume_from=again(state))
        with pytest.raises(Exception, match="has_more"):
            await rest.drain()


@pytest.mark.parametrize("tasks", [1, 3])
async def test_a_page_that_has_shrunk_to_what_was_delivered_only_leads_on(tasks: int) -> None:
    pages = [["a", "b", "c"], ["d"], ["e"]]
    async with API(lambda request: numbered(pages)(request)).client() as client:
        async with fetch_all_pages("http://t/", client=client, next=COUNTED) as items:
            assert [await anext(items), await anext(items)] == ["a", "b"]
            state = again(items.state)
        pages[0] = ["a", "b"]
        rest = fetch_all_pages(
            "http://t/",
            client=client,
            next=COUNTED,
            concurrency=tasks,
            max_pages=1,
            resume_from=state,
        )
        assert [page.items for page in await rest.by_page().collect()] == [["d"]]


async def test_a_page_that_has_become_the_last_one_ends_the_run() -> None:
    more = True
    async with API(lambda _: {"items": [1, 2], "has_more": more}).client() as client:
        _, state = await to_the_end(fetch_all_pages("http://t/", client=client, max_pages=1), 0)
        more = False
        rest = fetch_all_pages("http://t/", client=client, resume_from=again(state))
        got, state = await to_the_end(rest, 0)
    assert (got, state["step"]) == ([], None)


@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=8),
    read=st.integers(0, 50),
    keys=st.integers(1, 30),
    limit=st.none() | st.integers(0, 30),
    prefetch=st.integers(0, 2),
    texts=st.booleans(),
)
def test_any_pages_any_state(
    sizes: list[int], read: int, keys: int, limit: int | None, prefetch: int, texts: bool
) -> None:
    """With `max_items`, and with `dedupe`, which remembers nothing from before the state."""
    numbers = iter(range(100))
    pages = [[{"n": next(numbers)} for _ in range(size)] for size in sizes]
    items = list(range(sum(sizes)))
    api = API(linked(pages))

    def first_of_each(some: list[int]) -> list[int]:
        return sorted({n % keys: n for n in reversed(some)}.values())

    async def take(client: Any, count: int | None, **options: Any) -> tuple[list[int], Any]:
        stream = fetch_all_pages(
            "http://t/",
            client=client,
            prefetch=prefetch,
            dedupe=lambda item: item["n"] % keys,
            texts=texts,
            **options,
        )
        async with stream as opened:
            some = Stream(opened) if count is None else Stream(opened).take(count)
            got = [json.loads(item) if texts else item async for item in some]
        return [item["n"] for item in got], again(opened.state)

    async def main() -> None:
        async with api.client() as client:
            got, state = await take(client, read, max_items=limit)
            wanted = first_of_each(items)
            assert got == wanted[: read if limit is None else min(limit, read)]
            done = state["step"] is None
            position = len(items) if done else sum(sizes[: state["page"] - 1]) + state["index"]
            assert not got or position > got[-1]
            assert len(got) == len(wanted) or position <= wanted[len(got)]
            rest, _ = await take(client, None, resume_from=state)
            assert rest == first_of_each(items[position:])

    anyio.run(main)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://t/other", {}),
        ("http://t/?a=1", {}),
        ("http://t/", {"params": {"a": 1}}),
        ("http://t/", {"method": "POST"}),
        ("http://t/", {"json": {}}),
        ("http://t/", {"next": Cursor("cursor", param="cursor")}),
        ("http://t/", {"items": "data"}),
    ],
)
def test_the_state_of_another_request_is_refused(url: str, options: dict[str, Any]) -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    stream = fetch_all_pages("http://t/", client=client)
    state = again(aiter(stream).state)
    assert fetch_all_pages("http://t/", client=client, resume_from=state, prefetch=3, max_items=1)
    with pytest.raises(
        ValueError,
        match="body, next= and items=; it was saved for 'http://t/'",
    ):
        fetch_all_pages(url, client=client, resume_from=state, **options)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"version": 1}, "resume_from must be of version 2, got 1"),
        ({"known": None}, "resume_from must be the state of a run, got None in it"),
        ({"known": {"came": 1}}, "resume_from must be the state of a run, got {'came': 1} in it"),
        ({"more": 1}, "resume_from must be the state of a run, got {"),
        ({"index": -1}, "index of resume_from must be at least 0, got -1"),
        ({"page": 0}, "page of resume_from must be at least 1, got 0"),
        ({"step": "x"}, "the step of resume_from may have only the keys"),
    ],
)
def test_what_is_no_state_is_refused(change: dict[str, Any], problem: str) -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    state: Any = again(aiter(fetch_all_pages("http://t/", client=client)).state)
    with pytest.raises(ValueError, match=problem):
        fetch_all_pages("http://t/", client=client, resume_from={**state, **change})
    with pytest.raises(ValueError, match="must be the state of a run, got 'x'"):
        fetch_all_pages("http://t/", client=client, resume_from="x")  # type: ignore[arg-type]


def test_the_state_shows_no_credentials() -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    url = "http://user:s3cret@t/?api_key=s3cret&page_token=abc#access_token=s3cret"
    stream = fetch_all_pages(url, client=client, headers={"X": "s3cret"}, next=LinkHeader())
    state = aiter(stream).state
    assert "s3cret" not in json.dumps(state) + repr(stream)
    assert state["url"] == "http://t/?api_key=***&page_token=abc"
    assert repr(stream) == f"fetch_all_pages({state['url']!r}, next=LinkHeader())"


SIGNED = "Basic dXNlcjpodW50ZXIy"  # user:hunter2


@pytest.mark.parametrize("place", ["body", "header"])
@pytest.mark.parametrize(
    "link",
    [
        "?page={}",
        "/people?page={}",
        "https://t/people?page={}",
        "https://user:hunter2@t/people?page={}",
    ],
)
async def test_no_state_has_the_password_that_holds_for_the_whole_run(
    link: str, place: str
) -> None:
    def answer(request: httpx.Request) -> Any:
        page = number(request)
        target = link.format(page + 1) if page < 3 else None
        if place == "body":
            return {"items": [page], "next": target}
        return [page], {"Link": f'<{target}>; rel="next"'} if target else {}

    api = API(answer)
    url = "https://user:hunter2@t/people"
    async with api.client() as client:
        pages = await fetch_all_pages(url, client=client).by_page().collect()
        async with fetch_all_pages(url, client=client) as items:
            assert await anext(items) == 1
            state = again(items.state)
        assert state == pages[0].state
        assert state["step"] == {"url": "https://t/people?page=2"}
        shown = json.dumps([page.state for page in pages])
        assert "hunter2" not in shown
        assert "user" not in shown
        api.requests.clear()
        rest = fetch_all_pages(url, client=client, resume_from=state)
        assert await rest.collect() == [2, 3]
    assert [request.headers["authorization"] for request in api.requests] == [SIGNED] * 2
    assert not any(request.url.userinfo for request in api.requests)


CREDENTIALS = {
    "tokens": "token access_token auth_token id_token refresh_token refreshtoken oauth_token"
    " X-Auth-Token PRIVATE-TOKEN X-Amz-Security-Token bearer jwt assertion client_assertion",
    "keys": "key api_key apikey api-key X-API-Key subscription-key access_key_id AWSAccessKeyId",
    "passwords": "password passwd pass pwd passphrase otp secret client_secret clientSecret",
    "signatures": "signature sig hmac X-Amz-Signature credential credentials X-Amz-Credential",
    "sessions": "session session_id sessionId sid cookie",
    "grants": "auth Authorization code auth_code authorization_code",
}


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_a_parameter_that_is_called_like_a_credential_is_not_shown(kind: str) -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    for name in CREDENTIALS[kind].split():
        for spelt in (name, name.upper(), name.lower(), f"%{ord(name[0]):02x}{name[1:]}"):
            url, hidden = (f"https://t/?a=1&{spelt}={value}&b=2" for value in ("hunter2", "***"))
            stream = fetch_all_pages(url, client=client)
            assert repr(stream) == f"fetch_all_pages({hidden!r})"
            assert aiter(stream).state["url"] == hidden
            assert repr(sse(url, client=client)) == f"sse({hidden!r})"


def test_a_name_may_be_set_off_by_a_capital() -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    for name in ("apiToken", "bearerToken", "accessKey", "secretKey", "appSecret", "userPassword"):
        stream = fetch_all_pages(f"https://t/?{name}=hunter2", client=client)
        assert repr(stream) == f"fetch_all_pages('https://t/?{name}=***')"


OTHERS = {
    "places": "page per_page page_token pageToken next_token continuationToken cursor_key sort_key"
    " group_key order_key primaryKey",
    "words": "country_code zipCode side monkey keyword author passenger significant optional",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_parameter_is_shown(kind: str) -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    for name in OTHERS[kind].split():
        stream = fetch_all_pages(f"https://t/?{name}=value", client=client)
        assert repr(stream) == f"fetch_all_pages('https://t/?{name}=value')"
