"""APIs that say nothing about their next page: the lesson's own, with nothing but its URL."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from paged_api import API, query, sliced

from anystream import Retry, Stream
from anystream.http import (
    Offset,
    PageDataError,
    PageNumber,
    PageStatusError,
    PaginationLoop,
    SchemeNotFound,
    fetch_all_pages,
)

USERS = [{"id": number, "name": f"user {number}"} for number in range(1, 8)]


def lesson(items: list[Any], size: int = 3, first: int = 1) -> Callable[[httpx.Request], Any]:
    """`?page=`, counted from `first`, gives a list under "items", which is empty at the end."""

    def answer(request: httpx.Request) -> Any:
        page = int(query(request).get("page", first)) - first
        return {"items": items[page * size : (page + 1) * size]}

    return answer


async def read(answer: Any, url: str = "http://t/users", **options: Any) -> tuple[Any, list[str]]:
    """The items or the error after them, and what was asked for."""
    api = API(answer)
    async with api.client() as client:
        return await fetch_all_pages(url, client=client, **options).collect(), api.asked


async def refused(
    answer: Any, url: str = "http://t/users", **options: Any
) -> tuple[list[Any], SchemeNotFound]:
    got: list[Any] = []
    async with API(answer).client() as client:
        with pytest.raises(SchemeNotFound) as caught:
            async for item in fetch_all_pages(url, client=client, **options):
                got.append(item)
    return got, caught.value


@pytest.mark.parametrize(("first", "last"), [(1, 4), (0, 3)])
async def test_the_api_of_the_lesson_with_nothing_but_its_url(first: int, last: int) -> None:
    got, asked = await read(lesson(USERS, first=first))
    assert got == USERS
    assert asked == ["/users", *(f"/users?page={number}" for number in range(1, last + 1))]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("count", [0, 1, 3, 6])
async def test_however_many_there_are(first: int, count: int) -> None:
    """Also where the last page is full, and where there is only one."""
    got, asked = await read(lesson(USERS[:count], first=first))
    assert got == USERS[:count]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("options", [{}, {"prefetch": 2}, {"texts": True}])
async def test_it_goes_on_from_every_place(first: int, options: dict[str, Any]) -> None:
    expected = [json.dumps(user) for user in USERS] if "texts" in options else USERS
    api = API(lesson(USERS, first=first))
    async with api.client() as client:
        stream = fetch_all_pages("http://t/users", client=client, **options)
        for count in range(len(USERS) + 2):
            async with stream as items:
                got = [item async for item in Stream(items).take(count)]
                state = json.loads(json.dumps(items.state))
            resumed = fetch_all_pages("http://t/users", client=client, resume_from=state, **options)
            assert got + await resumed.collect() == expected
        numbers = [page.number for page in await stream.by_page().collect()]
    assert numbers == [1, 2, 3, 4]


# -- totals of the page, and those that only look so --------------------------------------------

SIZE = 3


def told(
    name: str, /, by: str = "page", size: int = SIZE, **more: Any
) -> Callable[[httpx.Request], Any]:
    """Pages that say how many items they have under a name that is for all; `by` is the echo."""

    def answer(request: httpx.Request) -> Any:
        asked = query(request)
        start = int(asked.get("offset", (int(asked.get("page", 1)) - 1) * size))
        places = {"page": start // size + 1, "offset": start}
        items = USERS[start : start + size]
        return {"items": items, name: len(items), **({by: places[by]} if by else {}), **more}

    return answer


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        pytest.param("http://t/users", told("total", per_page=SIZE), id="page"),
        pytest.param("http://t/users", told("totalCount", "offset", limit=SIZE), id="offset"),
        pytest.param("http://t/users?limit=3", told("total", ""), id="limit asked for"),
        pytest.param("http://t/users?page[size]=3", told("total", ""), id="size asked for"),
        pytest.param("http://t/users", told("page_count", size=2, count=30), id="Open Food Facts"),
    ],
)
async def test_a_total_of_the_page_does_not_end_it(url: str, answer: Any) -> None:
    api = API(answer)
    async with api.client() as client:
        stream = fetch_all_pages(url, client=client)
        assert await stream.collect() == USERS
        for count in range(len(USERS)):
            async with stream as items:
                got = [item async for item in Stream(items).take(count)]
                state = json.loads(json.dumps(items.state))
            rest = fetch_all_pages(url, client=client, resume_from=state)
            assert got + await rest.collect() == USERS


def ignoring(request: httpx.Request) -> Any:
    return {"items": USERS[:SIZE], "total": SIZE}


def refusing(request: httpx.Request) -> Any:
    return httpx.Response(400) if "page" in query(request) else ignoring(request)


def ending(request: httpx.Request) -> Any:
    return {"items": [] if "page" in query(request) else USERS[:SIZE], "total": SIZE}


def repeating(request: httpx.Request) -> Any:
    return {**ignoring(request), "page": 1, "limit": SIZE}


@pytest.mark.parametrize("answer", [ignoring, refusing, ending, repeating])
async def test_a_total_that_is_the_size_of_a_page_by_chance(answer: Any) -> None:
    got, asked = await read(answer, "http://t/users?limit=3")
    assert got == USERS[:SIZE]
    assert len(asked) > 1


async def test_a_total_that_is_known_to_be_that_of_the_page() -> None:
    answer = {"deprecations": None, "objects": USERS[:SIZE], "totalResults": SIZE}  # of Weaviate
    got, _ = await refused(lambda request: answer)
    assert got == USERS[:SIZE]


@pytest.mark.parametrize("first", [0, 1])
async def test_a_cancelled_step_doubles_nothing_and_loses_nothing(first: int) -> None:
    api = API(lesson(USERS, first=first), latency=1)
    got: list[Any] = []
    async with api.client() as client, fetch_all_pages("http://t/users", client=client) as items:
        while len(got) < len(USERS):
            with anyio.move_on_after(1.5):
                got.append(await anext(items))
            with anyio.move_on_after(0.5):
                got.append(await anext(items))
    assert got == USERS


async def test_what_one_page_repeats_is_counted_on() -> None:
    """The first page shows that its API takes an offset, and the others show nothing."""

    def answer(request: httpx.Request) -> Any:
        start = int(query(request).get("offset", 0))
        shown = {} if start else {"offset": 0, "total": len(USERS)}
        return {"items": USERS[start : start + 3], **shown}

    got, asked = await read(answer)
    assert got == USERS
    assert asked == ["/users", *(f"/users?offset={start}" for start in (3, 6, 7))]


async def test_a_number_in_the_url_is_where_it_begins() -> None:
    got, asked = await read(lesson(USERS), "http://t/users?page=2&q=x")
    assert got == USERS[3:]
    assert asked == ["/users?page=2&q=x", "/users?q=x&page=3", "/users?q=x&page=4"]


def at_numbers(request: httpx.Request) -> Any:
    """Pages of two by `page`, or items by `offset`, in the query or in the body."""
    sent = {**query(request), **(json.loads(request.content or b"{}").get("at") or {})}
    start = int(sent["offset"]) if "offset" in sent else 2 * int(sent.get("page", 1)) - 2
    if start >= len(USERS):
        return 404
    return {"users": USERS[start : start + 2], "total": len(USERS), "pages": 4}


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize(
    ("given", "scheme"),
    [
        ({"base_url": "http://t/?page=3&x=1"}, PageNumber(total_pages="pages")),
        ({"params": {"page": 3}}, PageNumber(total_pages="pages")),
        ({"json": {"at": {"page": 3}}}, PageNumber(body="at.page", total_pages="pages")),
        ({"base_url": "http://t/?x=1&offset=4"}, Offset(total="total")),
        ({"params": {"offset": "4"}}, Offset(total="total")),
        ({"json": {"at": {"offset": 4}}}, Offset(body="at.offset", total="total")),
    ],
)
async def test_a_number_that_is_given_is_where_a_scheme_begins(
    given: dict[str, Any], scheme: Any, tasks: int
) -> None:
    """What was before is not missed: a total says nothing of a run that begins later."""
    options = {"base_url": "http://t/", "next": scheme, "concurrency": tasks, **given}
    async with API(at_numbers).client() as client:
        assert await fetch_all_pages(client=client, **options).collect() == USERS[4:]


@pytest.mark.parametrize("given", ["", "x", "-"])
async def test_what_is_no_number_is_replaced_by_the_scheme(given: str) -> None:
    got, asked = await read(
        at_numbers, f"http://t/?page={given}", next=PageNumber(total_pages="pages")
    )
    assert got == USERS
    assert asked[0] == "/?page=1"


async def test_the_status_of_the_end_is_an_error_where_the_run_begins() -> None:
    with pytest.raises(PageStatusError, match=r"page 1 of .*page=9: status 404"):
        await read(at_numbers, "http://t/?page=9", next=PageNumber(end_statuses=(404,)))


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("name", "count"), [("offset", None), ("startIndex", None), ("startAt", "total")]
)
async def test_a_position_in_the_url_is_where_it_begins(
    name: str, count: str | None, first: int
) -> None:
    """However the API counts: it repeats where a page begins, and the next one is behind that."""

    def answer(request: httpx.Request) -> Any:
        at = int(query(request).get(name, first))
        shown = {} if count is None else {count: len(USERS)}
        return {"users": USERS[at - first :][:2], name: at, **shown}

    for begin in range(first, first + len(USERS)):
        for url, options in (
            (f"http://t/users?{name}={begin}", {}),
            ("http://t/users", {"params": {name: begin}}),
        ):
            got, asked = await read(answer, url, **options)
            assert got == USERS[begin - first :]
            assert len(asked) == len(set(asked))


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("count", [None, "pages"])
async def test_a_number_in_the_url_that_the_api_repeats(count: str | None, first: int) -> None:
    def answer(request: httpx.Request) -> Any:
        at = int(query(request).get("page", first))
        shown = {} if count is None else {count: 4}
        return {"users": USERS[(at - first) * 2 :][:2], "page": at, **shown}

    for begin in range(first, first + 4):
        got, asked = await read(answer, f"http://t/users?page={begin}")
        assert got == USERS[(begin - first) * 2 :]
        assert len(asked) == len(set(asked))


@pytest.mark.parametrize("name", ["offset", "page"])
async def test_a_run_from_0_asks_for_nothing_beyond_the_end(name: str) -> None:
    def answer(request: httpx.Request) -> Any:
        at = int(query(request).get(name, 0))
        start = at if name == "offset" else at * 3
        told = {"total": len(USERS)} if name == "offset" else {"pages": 3}
        return {"users": USERS[start : start + 3], name: at, **told} if start < 7 else 404

    for url in ("http://t/users", f"http://t/users?{name}=0"):
        got, asked = await read(answer, url)
        assert got == USERS
        assert len(asked) == 3


async def test_a_number_in_the_url_of_an_api_of_a_known_kind() -> None:
    def answer(request: httpx.Request) -> Any:
        at = int(query(request).get("page", 0))
        content = USERS[at * 2 :][:2]
        told = {"number": at, "size": 2, "first": at == 0, "last": at == 3, "totalPages": 4}
        return {"content": content, "numberOfElements": len(content), **told}

    got, asked = await read(answer, "http://t/users?page=2")
    assert got == USERS[4:]
    assert asked == ["/users?page=2", "/users?page=3"]


@pytest.mark.parametrize(
    ("scheme", "told"),
    [
        *((PageNumber(total_pages="told"), told) for told in (-1, 0)),
        *((Offset(total="told"), told) for told in (-1, 0, 2)),
    ],
    ids=str,
)
async def test_a_number_that_is_less_than_what_has_come_is_not_the_end(
    scheme: Any, told: int
) -> None:
    """It counts something else, and the run ends with an empty page."""

    def answer(request: httpx.Request) -> Any:
        page = int(query(request).get("page", 1)) - 1
        at = int(query(request).get("offset", page * 3))
        return {"items": USERS[at : at + 3], "told": told}

    got, asked = await read(answer, next=scheme)
    assert got == USERS
    assert len(asked) == 4


async def test_an_item_that_comes_in_at_the_front_while_pages_are_read() -> None:
    """The page with the number 1 is the first one, but for what has moved."""
    items = [*USERS]
    answers = lesson(items)

    def answer(request: httpx.Request) -> Any:
        if query(request) == {"page": "1"}:
            items.insert(0, {"id": 100})
        return answers(request)

    got, _ = await read(answer)
    assert [each["id"] for each in got] == [1, 2, 3, 100, 3, 4, 5, 6, 7]


async def test_an_item_that_goes_while_pages_are_read_takes_no_other_with_it() -> None:
    items = [*USERS]
    answers = lesson(items)

    def answer(request: httpx.Request) -> Any:
        if query(request) == {"page": "1"}:
            del items[0]
        return answers(request)

    got, _ = await read(answer)
    assert got == USERS


async def test_items_are_known_by_their_ids_whatever_else_changes() -> None:
    calls = 0

    def answer(request: httpx.Request) -> Any:
        nonlocal calls
        calls += 1
        return {"items": [{**each, "price": calls} for each in lesson(USERS)(request)["items"]]}

    got, _ = await read(answer)
    assert [each["id"] for each in got] == [1, 2, 3, 4, 5, 6, 7]


HISTORY: dict[str, list[Any]] = {
    "of 3 objects": [{"id": n % 3, "value": n} for n in range(20)],
    "of 18 objects, each once on a page": [{"id": n % 18, "value": n} for n in range(40)],
    "of requests": [{"url": f"/{n * n % 7}", "status": 200, "at": n} for n in range(30)],
    "of requests at no time": [{"url": f"/{n * n % 7}", "status": 200} for n in range(30)],
    "of one sensor": [{"key": "temp", "value": n} for n in range(20)],
    "of numbers": [n * n % 7 for n in range(30)],
}
"""Items that are about objects, whose ids they have; the last two have no identity at all."""


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("name", HISTORY)
async def test_ids_that_repeat_on_a_page_are_no_identity(name: str, first: int) -> None:
    items = HISTORY[name]
    answer = lesson(items, 10, first=first)
    assert (await read(answer))[0] == items
    assert (await read(answer, next=PageNumber(start=first)))[0] == items


async def test_items_that_are_others_by_all_but_their_ids_are_not_dropped() -> None:
    """The page with the number 1 has 8 ids of the first one, and may be that, moved a little."""
    items = [{"id": n % 12, "value": n} for n in range(20)]
    assert (await read(lesson(items, 10, first=0)))[0] == items


async def test_an_id_beside_one_that_repeats_is_an_identity() -> None:
    def answer(request: httpx.Request) -> Any:
        items = [{"id": 1, "uuid": "a"}, {"id": 1, "uuid": "b"}]
        return {"items": [{**each, "seen": query(request)} for each in items]}

    with pytest.raises(PaginationLoop, match="has the same items as the page before"):
        await read(answer, next=PageNumber())


def feed(new: float, size: int = 10, step: int = -1) -> Callable[[httpx.Request], Any]:
    """The latest items, whatever is asked for: so many are new at each request."""
    numbers = itertools.count()

    def answer(request: httpx.Request) -> Any:
        latest = 1000 + int(next(numbers) * new)
        return {"items": [{"id": latest + step * n} for n in range(size)]}

    return answer


@pytest.mark.parametrize(
    ("new", "step"),
    [(0.3, -1), (0.5, -1), (1, -1), (2, -1), (5, -1), (9, -1), (0.5, 1), (1, 1), (4, 1)],
)
async def test_a_feed_that_ignores_the_number_is_an_error(new: float, step: int) -> None:
    got, error = await refused(feed(new, step=step))
    assert "it gives the same items for each number, or most of them" in str(error)
    assert len(got) == len({item["id"] for item in got})
    assert len(got) <= 20


async def test_a_feed_that_ignores_the_number_in_its_url_is_an_error() -> None:
    got, error = await refused(feed(1), "http://t/users?page=1")
    assert "it gives the same items for each number, or most of them" in str(error)
    assert len(got) == 10


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("size", "new"), [(2, 1), (3, 1), (10, 1), (10, 4), (10, 5)])
async def test_items_that_come_in_all_the_time_are_no_error(
    size: int, new: int, first: int
) -> None:
    items = [{"id": n} for n in range(40)]
    answers, numbers = lesson(items, size, first=first), itertools.count(40)

    def answer(request: httpx.Request) -> Any:
        answered = answers(request)
        if len(items) < 40 + 8 * new:
            items[:0] = [{"id": next(numbers)} for _ in range(new)]
        return answered

    got, _ = await read(answer)
    assert {item["id"] for item in got} >= {*range(40)}


async def test_items_that_are_pushed_to_a_page_of_their_own() -> None:
    items = [{"id": n} for n in range(6)]
    answers = lesson(items)

    def answer(request: httpx.Request) -> Any:
        answered = answers(request)
        if query(request) == {"page": "2"}:
            items.insert(0, {"id": 6})
        return answered

    got, _ = await read(answer)
    assert [item["id"] for item in got] == [0, 1, 2, 3, 4, 5, 5]


@pytest.mark.parametrize("items", [[1, 2], [{"id": 1}], [[1], [2]], ["a", "b"]])
async def test_a_parameter_that_is_ignored_is_an_error_after_the_items(items: list[Any]) -> None:
    got, error = await refused(lambda request: {"items": items})
    assert got == items
    assert "it gives the same items for each number, or most of them" in str(error)
    assert "pass next= to say how to ask for it, or max_pages=1 if this page is all" in str(error)
    assert (await read(lambda request: {"items": items}, max_pages=1))[0] == items


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_parameter_that_is_refused_is_an_error_after_the_items(status: int) -> None:
    got, error = await refused(lambda request: status if query(request) else {"items": [1]})
    assert got == [1]
    assert "it refuses the parameter" in str(error)
    assert isinstance(error.__cause__, PageStatusError)


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_other_errors_come_as_they_are(status: int) -> None:
    with pytest.raises(PageStatusError, match=f"status {status}"):
        await read(lambda request: status if query(request) else {"items": [1]}, retry=None)


async def test_a_failure_on_a_later_page_is_an_error() -> None:
    def answer(request: httpx.Request) -> Any:
        return 404 if query(request).get("page") == "3" else lesson(USERS)(request)

    with pytest.raises(PageStatusError, match=r"page 3 of .*page=3: status 404"):
        await read(answer)


@pytest.mark.parametrize("status", [400, 404, 416])
@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("count", ["total", "pages", None])
async def test_a_page_may_be_refused_once_all_have_come(
    status: int, size: int, first: int, count: str | None
) -> None:
    """Wherever the run was interrupted: what the pages before have shown is in its state."""
    told = {"total": len(USERS), "pages": -(-len(USERS) // size)}

    def answer(request: httpx.Request) -> Any:
        page = int(query(request).get("page", first))
        items = lesson(USERS, size, first)(request)["items"]
        shown = {} if count is None else {count: told[count]}
        return {"page": page, "items": items, **shown} if items else status

    if count is None:  # nothing tells that all have come
        with pytest.raises(PageStatusError):
            await read(answer)
        return
    assert (await read(answer))[0] == USERS
    async with API(answer).client() as client:
        for most in range(1, len(USERS) + 1):
            async with fetch_all_pages("http://t/users", client=client) as users:
                got = [user async for user in Stream(users).take(most)]
                state = json.loads(json.dumps(users.state))
            rest = fetch_all_pages("http://t/users", client=client, resume_from=state)
            assert got + await rest.collect() == USERS


@pytest.mark.parametrize("end", [404, {"users": None}, {}, {"meta": {"tags": ["x"]}}])
async def test_what_the_first_page_shows_holds_after_an_interruption(end: Any) -> None:
    """An offset, a total and a list, of which the other pages show nothing."""

    def answer(request: httpx.Request) -> Any:
        start = int(query(request).get("offset", 0))
        shown = {} if start else {"offset": 0, "total": len(USERS)}
        body = {"users": USERS[start : start + 3], "meta": {"tags": ["x"]}, **shown}
        return body if start < len(USERS) else end

    async with API(answer).client() as client:
        for most in range(len(USERS) + 1):
            async with fetch_all_pages("http://t/users", client=client) as users:
                got = [user async for user in Stream(users).take(most)]
                state = json.loads(json.dumps(users.state))
            rest = fetch_all_pages("http://t/users", client=client, resume_from=state)
            assert got + await rest.collect() == USERS


async def test_a_body_that_is_no_page_is_an_error_after_an_interruption_too() -> None:
    def answer(request: httpx.Request) -> Any:
        if query(request).get("page") == "3":
            return {"maintenance": True}
        return lesson(USERS)(request)

    async with API(answer).client() as client:
        async with fetch_all_pages("http://t/users", client=client) as users:
            assert len([user async for user in Stream(users).take(6)]) == 6
            state = users.state
        rest = fetch_all_pages("http://t/users", client=client, resume_from=state)
        with pytest.raises(PageDataError, match="is not like a page"):
            await rest.collect()


@pytest.mark.parametrize(("status", "total"), [(404, 8), (404, None), (403, 7), (500, 7)])
async def test_a_page_may_not_be_refused_otherwise(status: int, total: int | None) -> None:
    def answer(request: httpx.Request) -> Any:
        page = int(query(request).get("page", 1))
        items = lesson(USERS)(request)["items"]
        return {"page": page, "total": total, "items": items} if items else status

    with pytest.raises(PageStatusError, match=rf"page 4 of .*: status {status}"):
        await read(answer)


async def test_a_next_page_is_believed_until_all_have_come() -> None:
    """An empty page may be one that a filter has emptied."""
    pages = [[], USERS[:3], [], USERS[3:], [], []]

    def answer(request: httpx.Request) -> Any:
        page = int(query(request).get("after", 0))
        return {"total": 7, "items": pages[page], "next": f"?after={page + 1}"}

    got, asked = await read(answer)
    assert got == USERS
    assert len(asked) == 5


async def test_a_failure_that_passes_is_tried_again() -> None:
    failures = iter([503, None, 503, None, 503, None, 503, None, 503, None])

    def answer(request: httpx.Request) -> Any:
        return next(failures) or lesson(USERS)(request)

    got, asked = await read(answer, retry=Retry(first=0.1))
    assert got == USERS
    assert len(asked) == 10


async def test_a_first_page_that_says_more_if_it_is_asked_for_by_number() -> None:
    def answer(request: httpx.Request) -> Any:
        return {"items": USERS, **({"has_more": False} if query(request) else {})}

    got, asked = await read(answer)
    assert got == USERS
    assert asked == ["/users", "/users?page=1"]


async def test_post_is_not_sent_again_to_find_out() -> None:
    api = API(lambda request: {"items": [1]})
    async with api.client() as client:
        stream = fetch_all_pages("http://t/", client=client, json={})
        with pytest.raises(SchemeNotFound, match="nothing says whether there are more pages"):
            await stream.drain()
    assert len(api.requests) == 1


@pytest.mark.parametrize("size", [1, 4])
async def test_the_same_items_in_pages_of_any_size(size: int) -> None:
    assert (await read(lesson(USERS, size)))[0] == USERS
    assert len(sliced(USERS, size)) == -(-7 // size)


async def test_a_list_that_is_missing_before_the_end_is_an_error_after_an_interruption() -> None:
    """How many pages there are stands on the first one alone."""

    def answer(request: httpx.Request) -> Any:
        if query(request)["page"] == "1":
            return {"users": USERS[:3], "pages": 3, "ok": True}
        return {"ok": True}

    scheme = PageNumber(total_pages="pages")
    async with API(answer).client() as client:
        async with fetch_all_pages("http://t/", client=client, next=scheme) as users:
            assert len([user async for user in Stream(users).take(3)]) == 3
            state = users.state
        rest = fetch_all_pages("http://t/", client=client, next=scheme, resume_from=state)
        with pytest.raises(PageDataError, match="finds a count of 3, so this is not the end"):
            await rest.collect()
