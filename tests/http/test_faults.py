"""Everything that can go wrong with a page, with httpx and httpx2, against the loopback server."""

from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketStream
from clients import client_of
from server import Server, serve

from anystream import Retry
from anystream._cli import server as small
from anystream._cli.server.http import Conversation, as_json
from anystream.http import (
    BodyError,
    CrossOriginNext,
    GraphQL,
    GraphQLError,
    ItemsNotFound,
    PageDataError,
    PageNumber,
    PageStatusError,
    PaginationError,
    PaginationLoop,
    RetryAfterError,
    TruncatedPage,
    fetch_all_pages,
    lines,
    sse,
)

pytestmark = pytest.mark.real_time

IDS = list(range(1, 24))
SOON = Retry(times=2, first=0.001)


def users(server: Server, client: Any, fault: str, **options: Any) -> Any:
    url = f"{server.url}/next?n=23&{fault}"
    return fetch_all_pages(url, client=client, **{"items": "results", "retry": SOON, **options})


async def read(stream: Any) -> tuple[list[int], Exception | None]:
    """The ids that have come, and the error after them."""
    got: list[int] = []
    try:
        async for item in stream:
            got.append(item["id"])
    except Exception as error:
        return got, error
    return got, None


@pytest.mark.parametrize(
    "fault",
    [
        "fault=408",
        "fault=429&retry_after=0.01",
        "fault=429&retry_after=date:0",
        "fault=500",
        "fault=503&retry_after=0",
        "fault=403&ratelimit=-1",
        "fault=cut",
        "fault=cut-chunked",
        "fault=cut-gzip",
        "fault=reset",
        "fault=garbled&times=1",
        "fault=503&times=2",
        "fault=reset&at=1",
    ],
)
async def test_what_may_pass_is_tried_again(server: Server, client: Any, fault: str) -> None:
    assert await read(users(server, client, fault)) == (IDS, None)
    failures = 2 if "times=2" in fault else 1
    assert len(server.requests) == 3 + failures


@pytest.mark.parametrize(
    ("fault", "error", "problem"),
    [
        ("fault=404", PageStatusError, "status 404 Not Found"),
        ("fault=403", PageStatusError, "status 403 Forbidden"),
        ("fault=utf8", PageDataError, "the body is not JSON"),
        ("fault=listless", ItemsNotFound, "the value at 'results' is not a list, but {'id': 0}"),
        ("fault=loop", PaginationLoop, "which this run has asked for before"),
        ("fault=loop&at=3&back=2", PaginationLoop, "which this run has asked for before"),
        ("fault=origin", CrossOriginNext, "allow_origins="),
        ("fault=redirect-origin&times=0", PageStatusError, "status 302 Found"),
        ("fault=503&retry_after=121", RetryAfterError, "but max_retry_after allows 120 s"),
        ("fault=403&ratelimit=9999", RetryAfterError, "but max_retry_after allows 120 s"),
    ],
)
async def test_what_will_not_pass_is_an_error_after_the_items_before_it(
    server: Server, client: Any, fault: str, error: type[PaginationError], problem: str
) -> None:
    got, raised = await read(users(server, client, fault))
    # What is wrong with the way to the next page comes after the items of this one.
    later = {PaginationLoop: 1, CrossOriginNext: 1}.get(error, 0) + ("at=3" in fault)
    assert got == IDS[: 10 * (1 + later)]
    assert type(raised) is error
    assert problem in str(raised)
    assert raised.page == 2 + later - (error is PaginationLoop)
    where = server.other_url if error is CrossOriginNext else server.url
    assert raised.url.startswith(f"{where}/next?n=23")
    assert f"page {raised.page} of {raised.url}: " in str(raised)
    assert len(server.requests) == 2 + ("at=3" in fault)


@pytest.mark.parametrize("fault", ["503", "cut", "reset", "garbled"])
async def test_an_error_that_stays_ends_the_stream(
    server: Server, client: Any, library: Any, fault: str
) -> None:
    got, raised = await read(users(server, client, f"fault={fault}&times=0"))
    assert got == IDS[:10]
    kinds = {
        "503": PageStatusError,
        "cut": library.RemoteProtocolError,
        "reset": library.TransportError,
        "garbled": TruncatedPage,
    }
    assert isinstance(raised, kinds[fault])
    assert "retry gave up after 3 attempts" in raised.__notes__
    if fault in ("cut", "reset"):
        assert raised.__notes__[0].startswith(f"while fetching page 2 of {server.url}/next?n=23")
    assert len(server.requests) == 1 + 3


async def test_a_second_list_could_be_meant(server: Server, client: Any) -> None:
    got, raised = await read(users(server, client, "fault=two&at=1", items=None))
    assert got == []
    assert isinstance(raised, ItemsNotFound)
    assert "2 lists: 'results', 'others'" in str(raised)
    assert await read(users(server, client, "fault=two")) == (IDS, None)


async def test_errors_of_graphql(server: Server, client: Any) -> None:
    url = f"{server.url}/graphql?n=23&fault=errors"
    issues = GraphQL("data.repository.issues")
    got, raised = await read(fetch_all_pages(url, client=client, next=issues, json={"query": "q"}))
    assert got == IDS[:10]
    assert isinstance(raised, GraphQLError)
    assert raised.errors == [{"message": "something went wrong", "type": "INTERNAL"}]


async def test_no_server_at_all(client: Any, library: Any) -> None:
    async with serve() as server:
        url = f"{server.url}/users"
    got, raised = await read(fetch_all_pages(url, client=client, retry=None))
    assert got == []
    assert isinstance(raised, library.ConnectError)
    assert raised.__notes__ == [
        f"while fetching page 1 of {url}",
        "retry gave up after 1 attempt",
    ]


def with_secrets(library: Any, **options: Any) -> Any:
    """A client with credentials of every form."""
    return client_of(
        library,
        headers={"Authorization": "Bearer s3cret", "X-API-Key": "s3cret", "X-Team": "s3cret"},
        cookies={"session": "s3cret"},
        auth=("user", "s3cret"),
        follow_redirects=True,
        **options,
    )


@pytest.mark.parametrize("fault", ["origin", "redirect-origin"])
async def test_credentials_do_not_leave_their_origin(
    server: Server, library: Any, fault: str
) -> None:
    """Those of the client, in whatever form, and those of the call."""
    async with with_secrets(library, params={"api_key": "s3cret"}) as client:
        url = f"fault={fault}&times=0"
        for origins in ((), (server.other_url,)):
            got, raised = await read(
                users(
                    server,
                    client,
                    url,
                    allow_origins=origins,
                    headers={"X-Call": "s3cret"},
                )
            )
            assert "s3cret" not in repr(raised) + str(raised)
            assert isinstance(raised, CrossOriginNext) == (not origins)
            assert bool(server.elsewhere) == bool(origins)
    assert "s3cret" in str(server.received[0].headers)
    assert got == IDS
    for request in server.elsewhere:
        assert "s3cret" not in str(request.headers)
        assert {"host", "user-agent", "accept"} <= request.headers.keys()


@pytest.mark.parametrize("times", [1, 0])
async def test_another_numbered_page(server: Server, client: Any, times: int) -> None:
    """A fault on the way with parallel pages."""
    numbered = PageNumber(total_pages="total_pages")
    url = f"{server.url}/page?n=58&fault=503&at=4&times={times}"
    pages = fetch_all_pages(url, client=client, next=numbered, concurrency=3, retry=SOON)
    async with pages as items:
        got, raised = await read(items)
    if times:
        assert (got, raised) == (list(range(1, 59)), None)
    else:
        assert got == list(range(1, 31))
        assert isinstance(raised, PageStatusError)
        assert raised.page == 4


async def test_refusals_at_one_instant_are_one_error(client: Any) -> None:
    waiting = 0
    all_wait = anyio.Event()

    async def refuse(stream: SocketStream) -> None:
        """From the page 21 on, when eight wait for their answers."""
        nonlocal waiting
        talk = Conversation(stream)
        while True:
            page = (await talk.request()).number("page", 1)
            answer = as_json({"pages": 40, "items": [page]})
            if page > 20:
                waiting += 1
                if waiting == 8:
                    all_wait.set()
                await all_wait.wait()
                answer = as_json({"message": "expired"}, 401)
            await talk.send(answer)
            talk.protocol.start_next_cycle()

    async with small.serve(talk=refuse) as server:
        scheme = PageNumber(total_pages="pages")
        pages = fetch_all_pages(server.url, client=client, next=scheme, concurrency=8)
        with pytest.raises(PageStatusError, match="401 Unauthorized: expired") as caught:
            await pages.drain()
    assert (caught.value.page, waiting) == (21, 8)


@pytest.mark.parametrize("path", ["/events", "/ndjson"])
async def test_credentials_of_a_live_body_do_not_leave_their_origin(
    server: Server, library: Any, path: str
) -> None:
    url = f"{server.url}{path}?n=3&fault=redirect-origin&at=1&times=0"
    read: Any = partial(sse, retry=SOON) if path == "/events" else lines
    async with (
        with_secrets(library) as client,
        read(url, client=client, headers={"X-Call": "s3cret"}) as items,
    ):
        assert len([item async for item in items]) == 3
    assert "s3cret" in str(server.received[0].headers)
    assert len(server.elsewhere) >= 1
    for request in server.elsewhere:
        assert "s3cret" not in str(request.headers)
        assert "authorization" not in request.headers  # which would not show it


async def test_a_live_body_behind_too_many_redirects() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": "/"})

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer), follow_redirects=True)
    async with client:
        with pytest.raises(BodyError, match="http://t/: more than 20 redirects"):
            await lines("http://t/", client=client).drain()
