"""What an error of a page says, and what it leaves behind: the reason, and nothing open."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
import msgspec
import pytest
from clients import Reply, Server
from paged_api import API, number

from anystream import Retry
from anystream.http import (
    CrossOriginNext,
    Cursor,
    ErrorResponse,
    GraphQL,
    GraphQLError,
    ItemsNotFound,
    NextParams,
    NextURL,
    Offset,
    PageDataError,
    PageNumber,
    PageSizeError,
    PageStatusError,
    PaginationError,
    PaginationLoop,
    SchemeNotFound,
    Step,
    fetch_all_pages,
)

JSON = "application/json"


def reply(body: Any, status: int = 200, kind: str = JSON, **headers: str) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(data, status=status, kind=kind, **headers)


async def error_of(library: Any, *replies: Any, url: str = "http://t/", **options: Any) -> Any:
    """The error of a run that gets these replies; nothing is open after it."""
    server = Server(library, replies)
    given = {"retry": None, **options}
    with pytest.raises(PaginationError) as caught:
        await fetch_all_pages(url, client=server.client, **given).drain()
    assert server.open == 0
    return caught.value


STATUSES = [
    *(300, 301, 302, 303, 304, 305, 307, 308),
    *(400, 401, 402, 403, 404, 405, 406, 409, 410, 413, 414, 415, 418, 422, 423, 425, 428, 429),
    *(431, 451, 500, 501, 502, 503, 504, 507, 511, 520, 599),
]


@pytest.mark.parametrize("status", STATUSES)
async def test_every_status_with_its_reason(library: Any, status: int) -> None:
    body = {"message": "page_size must be at most 100"}
    error = await error_of(library, reply(body, status, x_request_id="7"))
    assert isinstance(error, PageStatusError)
    assert f"status {status}" in str(error)
    assert str(error).endswith(": page_size must be at most 100")
    assert isinstance(error.response, ErrorResponse)
    assert (error.status, error.response.status) == (status, status)
    assert error.response.headers["x-request-id"] == "7"
    assert json.loads(error.response.body) == body


REASONS = {
    "message": {"message": "why"},
    "error": {"error": "why"},
    "a nested one": {"error": {"code": 3, "message": "why"}},
    "detail": {"detail": "why"},
    "title": {"type": "about:blank", "title": "why"},
    "errors": {"errors": [{"message": "why"}]},
    "text": "why",
}


@pytest.mark.parametrize("name", REASONS)
async def test_where_a_reason_stands(library: Any, name: str) -> None:
    error = await error_of(library, reply(REASONS[name], 400))
    assert str(error) == "page 1 of http://t/: status 400 Bad Request: why"


async def test_no_secret_and_no_control_character_is_in_a_message(library: Any) -> None:
    body = {"message": "no \x1b[31m\u202e for s3cr3tkey and h1dd3n"}
    error = await error_of(
        library,
        reply(body, 401),
        url="http://t/?api_key=h1dd3n",
        headers={"Authorization": "Bearer s3cr3tkey"},
    )
    assert "s3cr3tkey" not in str(error)
    assert "h1dd3n" not in str(error)
    assert str(error).isprintable()
    assert "***" in str(error)


async def test_a_long_reason_is_shortened(library: Any) -> None:
    error = await error_of(library, reply({"message": "x" * 10_000}, 400))
    assert len(str(error)) < 300
    assert len(error.response.body) > 10_000


async def test_of_a_long_body_its_beginning_is_kept(library: Any) -> None:
    error = await error_of(library, reply(b"x" * 200_000, 500, "text/plain"))
    assert len(error.response.body) == 65_536


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_says_where_to(library: Any, status: int) -> None:
    error = await error_of(library, reply(b"", status, location="/there/?token=s3cr3t"))
    assert str(error).endswith(
        ", to http://t/there/?token=***; a client with follow_redirects=True would follow it"
    )


async def test_redirects_without_end(library: Any) -> None:
    server = Server(library, [reply(b"", 302, location=f"/{n}") for n in range(30)])
    server.client.follow_redirects = True
    with pytest.raises(PageDataError, match="more than 20 redirects"):
        await fetch_all_pages("http://t/", client=server.client).drain()
    assert server.open == 0


async def test_as_many_redirects_as_are_followed(library: Any) -> None:
    redirects = [reply(b"", 302, location=f"/{n}") for n in range(20)]
    server = Server(library, [*redirects, reply({"items": [1], "next": None})])
    server.client.follow_redirects = True
    assert await fetch_all_pages("http://t/", client=server.client).collect() == [1]
    assert server.open == 0


# -- a status of success, and something else ------------------------------------------------------

FAILURES = {
    "ok": ({"ok": False, "error": "missing_scope"}, "ok: false: missing_scope"),
    "success": ({"success": False, "errors": [{"message": "no"}]}, "success: false: no"),
    "ok beside a list": ({"ok": False, "error": "no", "items": [1]}, "ok: false: no"),
    "an error": ({"error": {"message": "slow down"}}, "says 'error': slow down"),
    "errors": ({"errors": [{"title": "no"}, 2]}, "GraphQL|says 'errors': no"),
    "a status": ({"status": "error", "message": "no"}, "status is 'error': no"),
    "no reason": ({"success": False}, "success: false: no reason is given"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_body_that_says_that_it_has_failed(library: Any, name: str) -> None:
    body, problem = FAILURES[name]
    error = await error_of(library, reply(body))
    assert isinstance(error, PageDataError)
    assert any(each in str(error) for each in problem.split("|"))
    assert error.response.status == 200
    assert error.response.headers["content-type"] == JSON


async def test_a_failure_of_a_later_page_comes_after_the_items(library: Any) -> None:
    first, second = {"items": [1], "next": "/2"}, {"error": "gone"}
    server = Server(library, [reply(first), reply(second)])
    got: list[int] = []
    with pytest.raises(PageDataError, match=r"page 2 of http://t/2: .*'error': gone"):
        async for item in fetch_all_pages("http://t/", client=server.client):
            got.append(item)
    assert got == [1]


ALLOWED: dict[str, Any] = {"code": 0, "message": "OK"}
"""What the pages before have beside their items."""

ERRORS_WITHOUT_ITEMS: dict[str, Any] = {
    "error": {"items": [], "error": {"code": 429, "message": "slow down"}},
    "error without a code": {"items": [], "error": {"code": None, "message": "slow down"}},
    "a text": {"items": [], "error": "slow down"},
    "a flag": {"items": [], "error": True, "message": "slow down"},
    "a message of an error": {"items": [], "errorMessage": "slow down"},
    "a flag beside a message": {"items": [], "hasErrors": True, "msg": "slow down"},
    "errors": {"items": [], "errors": [{"message": "slow down"}]},
    "a status": {"items": [], "status": "error", "message": "slow down"},
    "a status in words": {"items": [], "status": "OVER_QUERY_LIMIT", "error_message": "slow down"},
    "a status false": {"items": [], "status": False, "message": "slow down"},
    "a number": {"items": [], "status": 503, "detail": "slow down"},
    "success": {"items": [], "success": "false", "message": "slow down"},
    "a code": {"items": [], "errcode": 45009, "errmsg": "slow down"},
    "a code as a text": {"items": None, "errorCode": "45009", "msg": "slow down"},
    "a code of HTTP": {"items": [], "code": 429, "message": "slow down"},
    "a name": {"items": [], "code": "RateLimitExceeded", "message": "slow down"},
    "a stat": {"stat": "fail", "code": 105, "message": "slow down"},
    "in meta": {"items": [], "meta": {"code": 429}, "message": "slow down"},
    "a search that ended early": {"items": [], "timed_out": True, "message": "slow down"},
    "a search without shards": {
        "items": [],
        "_shards": {"total": 5, "failed": 5},
        "message": "slow down",
    },
    "null, and another code": {"items": None, "code": 10021, "message": "slow down"},
    "no list, and another code": {"code": 10021, "message": "slow down"},
    "a message": {"detail": "slow down"},
    "two members": {"errmsg": "slow down", "request": "7"},
}

FINE_WITHOUT_ITEMS: dict[str, Any] = {
    "nothing": {},
    "null": None,
    "a list": {"items": []},
    "null in the place of the list": {"items": None},
    "no list": {"code": 0, "message": "OK"},
    "no list, and another message": {"code": 0, "message": "no more"},
    "no list, and another good code": {"code": 200, "message": "no more"},
    "no error": {"items": [], "error": None, "errors": [], "fault": {}, "exception": ""},
    "no error in words": {"items": [], "error": "none", "errors": 0.0, "errcode": "0"},
    "an error that is none": {"items": [], "error": {"code": "ok", "message": "", "id": "7"}},
    "success": {"items": [], "status": "success", "success": True, "ok": "true"},
    "numbers": {"items": [], "status": 200, "stat": 0, "result": 1, "error_code": 0},
    "a message": {"items": [], "message": "no such thing"},
    "what was asked for": {"items": [], "status": "failed", "error": "timeout"},
    "a search": {"items": [], "timed_out": False, "_shards": {"failed": 0}},
}


def cursors(*bodies: Any) -> list[Reply]:
    """A page of one item, and then these."""
    return [reply({"items": [1], "next_cursor": "x", **ALLOWED}), *map(reply, bodies)]


@pytest.mark.parametrize("name", ERRORS_WITHOUT_ITEMS)
async def test_an_error_without_items_is_no_end(library: Any, name: str) -> None:
    server = Server(library, cursors(ERRORS_WITHOUT_ITEMS[name]))
    stream = fetch_all_pages("http://t/", client=server.client, next=Cursor("next_cursor", "c"))
    got: list[int] = []
    with pytest.raises(PageDataError, match=r"^page 2 of .*: slow down$"):
        async for item in stream:
            got.append(item)
    assert got == [1]


@pytest.mark.parametrize("name", FINE_WITHOUT_ITEMS)
async def test_a_body_without_items_that_reports_no_error_is_the_end(
    library: Any, name: str
) -> None:
    server = Server(library, cursors(FINE_WITHOUT_ITEMS[name]))
    stream = fetch_all_pages(
        "http://t/",
        client=server.client,
        params={"status": "failed", "error": "timeout"},
        next=Cursor("next_cursor", "c"),
    )
    assert await stream.collect() == [1]


@pytest.mark.parametrize("name", ERRORS_WITHOUT_ITEMS)
async def test_an_error_without_items_is_no_empty_result(library: Any, name: str) -> None:
    """Of the first page, as far as it tells by itself."""
    body = ERRORS_WITHOUT_ITEMS[name]
    error = await error_of(library, reply(body))
    assert isinstance(error, PageDataError)
    if "items" in body and "another" not in name:
        assert str(error).endswith(": slow down")


@pytest.mark.parametrize("body", [{"detail": "slow down"}, {"code": 7, "message": "slow down"}])
async def test_a_message_alone_is_no_empty_result(library: Any, body: Any) -> None:
    """Also where no page before has shown what one looks like."""
    error = await error_of(library, reply(body), items="items")
    assert str(error).endswith("and is not like a page: slow down")


@pytest.mark.parametrize(
    "body",
    [
        {"message": "OK"},
        {"code": 0, "message": "none yet"},
        {"success": True, "message": "none yet"},
        {"kind": "files", "title": "none yet"},
    ],
)
async def test_a_message_that_all_is_well_may_be_an_empty_result(library: Any, body: Any) -> None:
    server = Server(library, [reply(body)])
    stream = fetch_all_pages("http://t/", client=server.client, items="items", max_pages=1)
    assert await stream.collect() == []


async def test_a_body_of_another_type_is_no_empty_result(library: Any) -> None:
    for body in ("slow down", [{"message": "slow down"}], 7):
        error = await error_of(library, reply(body), items="items")
        assert isinstance(error, ItemsNotFound)
        assert "the body has no list of items: " in str(error)
        assert str(body) in str(error)


@pytest.mark.parametrize("holder", [{}, {"after": "y"}, {"message": "slow down"}])
async def test_the_object_that_holds_the_list_is_like_that_of_a_page(
    library: Any, holder: Any
) -> None:
    first = {"data": {"list": [1], "after": "x"}}
    server = Server(library, [reply(first), reply({"data": holder}), reply({"data": {}})])
    stream = fetch_all_pages("http://t/", client=server.client, next=Cursor("data.after", "c"))
    if "message" in holder:
        with pytest.raises(PageDataError, match=r"^page 2 .* is not like a page: "):
            await stream.drain()
    else:
        assert await stream.collect() == [1]


async def test_a_page_with_items_stays_one(library: Any) -> None:
    partial = {"items": [2], "errors": [{"message": "no"}], "timed_out": True, "status": "failed"}
    server = Server(library, cursors(partial))
    stream = fetch_all_pages("http://t/", client=server.client, next=Cursor("next_cursor", "c"))
    assert await stream.collect() == [1, 2]


async def test_an_error_beside_the_list_in_an_object(library: Any) -> None:
    body = {"data": {"list": [], "error": "slow down"}}
    error = await error_of(library, reply(body))
    assert str(error) == "page 1 of http://t/: the server says 'error': slow down"


def counted(second: Any, *, total: Any = 3) -> Callable[[httpx.Request], Any]:
    """Three pages of one item each, the second of which is another response."""

    def answer(request: httpx.Request) -> Any:
        page = number(request)
        return second if page == 2 else {"items": [page], "pages": total}

    return answer


@pytest.mark.parametrize("tasks", [1, 2])
@pytest.mark.parametrize("second", [{}, {"items": None}, {"pages": 3}, 204, None])
async def test_a_page_before_the_last_one_has_a_list(second: Any, tasks: int) -> None:
    scheme = PageNumber(total_pages="pages")
    got: list[int] = []
    async with API(counted(second)).client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=scheme, concurrency=tasks)
        with pytest.raises(PageDataError, match=r"^page 2 .*total_pages='pages'.* count of 3"):
            async with stream as items:
                async for item in items:
                    got.append(item)
    assert got == [1]


@pytest.mark.parametrize("tasks", [1, 2])
@pytest.mark.parametrize("second", [{"items": []}, {"pages": 1}, {"items": None, "pages": 1}])
async def test_a_page_past_the_last_one_has_none(second: Any, tasks: int) -> None:
    """Since it says so, or has an empty list."""
    scheme = PageNumber(total_pages="pages")
    async with API(counted(second, total=2)).client() as client:
        stream = fetch_all_pages("http://t/", client=client, next=scheme, concurrency=tasks)
        assert await stream.collect() == [1]


async def test_the_count_that_a_detected_number_goes_by() -> None:
    def answer(request: httpx.Request) -> Any:
        page = number(request)
        return {} if page == 2 else {"items": [page], "page": page, "total_pages": 3}

    async with API(answer).client() as client:
        with pytest.raises(PageDataError, match="so this is not the end"):
            await fetch_all_pages("http://t/", client=client).drain()


async def test_an_offset_before_the_total() -> None:
    def answer(request: httpx.Request) -> Any:
        start = number(request, "offset", 0)
        return {} if start == 2 else {"items": [start, start + 1], "total": 6}

    async with API(answer).client() as client:
        with pytest.raises(PageDataError, match="so this is not the end"):
            await fetch_all_pages("http://t/", client=client, next=Offset(total="total")).drain()


BODIES = {
    "HTML": (b"<html><title>Log in</title>", "text/html", "not JSON, but text/html, and begins"),
    "NDJSON": (b'{"a": 1}\n{"a": 2}\n', "application/x-ndjson", "read it with ndjson()"),
    "text": (b"Sorry", "text/plain; charset=utf-8", "but text/plain, and begins with 'Sorry'"),
    "no type": (b"\x00\xff", "", "is not JSON, and begins with"),
    "NaN": (b'{"items": [NaN]}', JSON, "is not JSON"),
    "Infinity": (b'{"items": [-Infinity]}', JSON, "is not JSON"),
    "empty": (b"", JSON, "cut short"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_of_another_kind(library: Any, name: str) -> None:
    body, kind, problem = BODIES[name]
    error = await error_of(library, reply(body, kind=kind))
    assert isinstance(error, PageDataError)
    assert problem in str(error)
    assert error.response.body == body


async def test_an_empty_body_that_is_told_is_not_cut_short(library: Any) -> None:
    error = await error_of(library, reply(b"", content_length="0"))
    assert type(error) is PageDataError
    assert "begins with ''" in str(error)


async def test_errors_of_graphql_are_kept(library: Any) -> None:
    error = await error_of(
        library, reply({"errors": [{"message": "no"}]}), json={}, next=GraphQL("data.a")
    )
    assert error.errors == [{"message": "no"}]


QUERIES: dict[str, dict[str, Any]] = {
    "a variable": {
        "json": {"query": "query($after: String) { i(after: $after) { nodes { id } } }"}
    },
    "no variable": {"json": {"query": "{ i { nodes { id } } }"}},
    "another scheme": {
        "json": {"query": "query($after: String) { i(after: $after) { nodes { id } } }"},
        "next": Cursor("data.i.pageInfo.endCursor", body="variables.after"),
        "items": "data.i.nodes",
    },
}


def connection(*nodes: int, more: str | None = None, **beside: Any) -> Reply:
    info = {"hasNextPage": more is not None, "endCursor": more}
    return reply({"data": {"i": {"nodes": nodes, "pageInfo": info}}, **beside})


@pytest.mark.parametrize("name", QUERIES)
async def test_errors_beside_the_items_of_a_query(library: Any, name: str) -> None:
    """Of GraphQL, which is known by the request."""
    errors = [{"message": "forbidden"}]
    error = await error_of(library, connection(1, errors=errors), **QUERIES[name])
    assert isinstance(error, GraphQLError)
    assert error.errors == errors
    server = Server(library, [connection(1, errors=[])])
    stream = fetch_all_pages("http://t/", client=server.client, **QUERIES[name])
    assert await stream.collect() == [1]


@pytest.mark.parametrize("name", ["a variable", "another scheme"])
async def test_errors_of_a_later_page_of_a_query(library: Any, name: str) -> None:
    replies = [connection(1, more="x"), connection(2, more="y", errors=[{"message": "no"}])]
    server = Server(library, replies)
    got: list[int] = []
    with pytest.raises(GraphQLError, match=r"^page 2 of "):
        async for item in fetch_all_pages("http://t/", client=server.client, **QUERIES[name]):
            got.append(item)
    assert got == [1]


@pytest.mark.parametrize("body", [{"query": "shoes"}, {"query": {"match_all": {}}}, {}, []])
async def test_errors_beside_the_items_of_another_search(library: Any, body: Any) -> None:
    server = Server(library, [reply({"items": [1], "errors": ["no"], "next": None})])
    stream = fetch_all_pages("http://t/", client=server.client, json=body, items="items")
    assert await stream.collect() == [1]


# -- a way on that is broken ----------------------------------------------------------------------

IDS = [{"id": 1}, {"id": 2}]

BROKEN: dict[str, tuple[Any, dict[str, Any], str]] = {
    "OpenAI": (
        {"object": "list", "data": IDS, "has_more": True, "first_id": "1", "last_id": None},
        {},
        "'last_id' has no cursor",
    ),
    "Stripe": (
        {"object": "list", "data": [{"n": 1}, {"n": 2}], "has_more": True, "url": "/v1/things"},
        {},
        "no last item with a usable 'id'",
    ),
    "MediaWiki": (
        {"query": {"allpages": IDS}, "continue": {"continue": "-||", "apcontinue": None}},
        {},
        "'continue' should hold parameters",
    ),
    "GraphQL": (
        {"data": {"i": {"nodes": IDS, "pageInfo": {"hasNextPage": True, "endCursor": None}}}},
        QUERIES["a variable"],
        "'data.i' has no pageInfo with hasNextPage and endCursor",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_the_items_come_before_the_error_of_a_detected_way_on(
    library: Any, name: str
) -> None:
    body, options, problem = BROKEN[name]
    server = Server(library, [reply(body), reply(body)])
    got: list[Any] = []
    with pytest.raises(PageDataError, match=problem):
        async for item in fetch_all_pages("http://t/", client=server.client, **options):
            got.append(item)
    assert len(got) == 2
    stream = fetch_all_pages("http://t/", client=server.client, max_pages=1, **options)
    assert await stream.collect() == got


async def test_a_certificate_is_not_asked_for_twice(library: Any) -> None:
    server = Server(library, [library.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")])
    with pytest.raises(library.ConnectError) as caught:
        await fetch_all_pages("https://t/", client=server.client, retry=Retry(times=9)).drain()
    assert len(server.requests) == 1
    assert caught.value.__notes__ == ["while fetching page 1 of https://t/"]


# -- what acts on a terminal --------------------------------------------------------------------

HOSTILE = "\x1b]0;PWNED\x07\x9b31m\x7f\r\n"


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    items: list[int]


def one(**members: Any) -> Reply:
    return reply({"items": [1], **members})


HOSTILES: dict[str, tuple[type[PaginationError], list[Reply], dict[str, Any]]] = {
    "a URL": (PageDataError, [one(next=f"/{HOSTILE}")], {"next": NextURL("next")}),
    "a host": (PageDataError, [one(next=f"http://t{HOSTILE}/")], {}),
    "no HTTP": (PageDataError, [one(next=f"x:{HOSTILE}")], {"next": NextURL("next")}),
    "a header": (PageDataError, [reply([1], link='</\x1b]0;PWNED\x07>; rel="next"')], {}),
    "another origin": (CrossOriginNext, [one(next="http://other/\x9b")], {}),
    "the same URL again": (
        PaginationLoop,
        [one(next="/\x9b"), reply({"items": [2], "next": "/\x9b"})],
        {},
    ),
    "a cursor": (SchemeNotFound, [one(next_cursor=HOSTILE)], {}),
    "parameters": (PageDataError, [one(next=HOSTILE)], {"next": NextParams("next")}),
    "names": (ItemsNotFound, [reply({HOSTILE: [1], "others": [2]})], {}),
    "no list": (ItemsNotFound, [reply({"items": HOSTILE})], {"items": "items"}),
    "a failure": (PageDataError, [reply({"ok": False, "error": HOSTILE})], {}),
    "errors of GraphQL": (
        GraphQLError,
        [reply({"errors": [{"message": HOSTILE}]})],
        {"json": {}, "next": GraphQL("data.a")},
    ),
    "a type": (PageDataError, [reply(b"x", kind="text/html\x1b]0\x07")], {}),
    "no JSON": (PageDataError, [reply(f"<{HOSTILE}".encode())], {}),
    "a model": (
        PageDataError,
        [reply({"items": [1], HOSTILE: 2})],
        {"items": "items", "loads": msgspec.json.Decoder(Thing).decode},
    ),
}


@pytest.mark.parametrize("name", HOSTILES)
async def test_no_message_acts_on_a_terminal(library: Any, name: str) -> None:
    kind, replies, options = HOSTILES[name]
    error = await error_of(library, *replies, **options)
    assert type(error) is kind
    assert str(error).isprintable()
    assert "\\x" in str(error) or "%C2%9B" in str(error)


async def test_no_note_acts_on_a_terminal(library: Any) -> None:
    server = Server(library, [one(next="/\x9b"), library.ReadError("gone")])
    with pytest.raises(library.ReadError) as caught:
        await fetch_all_pages("http://t/", client=server.client, retry=None).drain()
    assert caught.value.__notes__[0] == "while fetching page 2 of http://t/%C2%9B"


# -- sizes --------------------------------------------------------------------------------------


SENDS: dict[str, dict[str, Any]] = {
    "a parameter": {"next": Cursor("next", param="after")},
    "a header": {"next": lambda page: Step(headers={"after": page.data["next"]})},
    "a body": {"next": lambda page: Step(json={"after": page.data["next"]}), "method": "POST"},
    "a link": {"next": NextURL("next")},
}


@pytest.mark.parametrize("name", SENDS)
async def test_half_of_a_surrogate_pair_is_an_error_with_its_page(library: Any, name: str) -> None:
    body = b'{"items": [1], "next": "/p\\ud800"}'
    error = await error_of(library, reply(body), items="items", **SENDS[name])
    assert isinstance(error, PageDataError)
    assert str(error).startswith("page 2 of ")
    assert str(error).endswith(r"its request cannot be sent, since it contains '\ud800'")
    str(error).encode()


async def test_a_long_cursor_gives_a_short_message(library: Any) -> None:
    body = {"items": [1], "next_cursor": "c" * 200_000}
    error = await error_of(library, reply(body))
    assert len(str(error)) < 600
    error = await error_of(library, reply(body), reply(body, 500), next=Cursor("next_cursor", "c"))
    assert len(str(error)) < 800
    body = {"items": [1], "next": "x" * 200_000 + "://"}
    error = await error_of(library, reply(body), next=NextURL("next"))
    assert len(str(error)) < 3000


@cache
def packed_blanks() -> bytes:
    return gzip.compress(b" " * 300_000_000, 9)


async def test_a_small_body_that_unpacks_to_a_very_large_one(library: Any) -> None:
    zeros = packed_blanks()
    assert len(zeros) < 400_000
    bomb = reply(zeros, content_encoding="gzip")
    tracemalloc.start()
    try:
        error = await error_of(library, bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(error, PageSizeError)
    assert "max_page_bytes=67108864" in str(error)
    assert peak < 100 * 2**20


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_stacked_packings(library: Any, times: int) -> None:
    body = json.dumps({"items": [1, 2], "next": None}).encode()
    bomb = b" " * 3_000_000
    for _ in range(times):
        body, bomb = gzip.compress(body), gzip.compress(bomb)
    coding = ", ".join(["gzip"] * times)
    server = Server(library, [reply(body, content_encoding=coding, content_length=str(len(body)))])
    assert await fetch_all_pages("http://t/", client=server.client).collect() == [1, 2]
    error = await error_of(library, reply(bomb, content_encoding=coding), max_page_bytes=1_000_000)
    assert isinstance(error, PageSizeError)


async def test_a_packed_body_that_is_cut_is_asked_for_again(library: Any) -> None:
    body = gzip.compress(json.dumps({"items": [1], "next": None}).encode())
    replies = [reply(each, content_encoding="gzip") for each in (body[:-9], body)]
    server = Server(library, replies)
    assert await fetch_all_pages("http://t/", client=server.client).collect() == [1]
    assert len(server.requests) == 2
    assert server.open == 0


async def test_a_body_in_chunks_over_the_limit(library: Any) -> None:
    chunks = Reply(*[b"[1" + b" " * 1000] * 50, kind=JSON)
    error = await error_of(library, chunks, max_page_bytes=20_000)
    assert isinstance(error, PageSizeError)


async def test_a_body_that_tells_its_length_is_not_read_over_the_limit(library: Any) -> None:
    long = Reply(AssertionError("it is read"), kind=JSON, content_length="20001")
    error = await error_of(library, long, max_page_bytes=20_000)
    assert isinstance(error, PageSizeError)
    fits = reply({"items": [1], "next": None}, content_length="29")
    server = Server(library, [fits])
    stream = fetch_all_pages("http://t/", client=server.client, max_page_bytes=29)
    assert await stream.collect() == [1]
    assert server.open == 0


async def test_a_body_that_is_in_memory_has_the_same_limit() -> None:
    async with API(lambda _: {"items": [1] * 100, "next": None}).client() as client:
        stream = fetch_all_pages("http://t/", client=client, max_page_bytes=100)
        with pytest.raises(PageSizeError):
            await stream.drain()
        assert await fetch_all_pages("http://t/", client=client).count() == 100


async def test_a_body_that_breaks_off_leaves_nothing_open(library: Any) -> None:
    broken = Reply(b'{"items"', library.ReadError("gone"), kind=JSON)
    server = Server(library, [broken])
    with pytest.raises(library.ReadError, match="gone"):
        await fetch_all_pages("http://t/", client=server.client, retry=None).drain()
    assert server.open == 0


async def test_no_list_is_shown_with_what_there_is(library: Any) -> None:
    for body in ({"items": 3}, {"items": {"a": 1}}):
        error = await error_of(library, reply(body), items="items")
        assert isinstance(error, ItemsNotFound)
        assert "is not a list, but" in str(error)
