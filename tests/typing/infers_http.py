"""What a user's code infers of `anystream.http`.

Checked by pyright and mypy, never run. A line with an ignore must fail: both report an ignore that
is not needed.
"""

import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Literal, assert_type

import httpx

from anystream import Retry, Stream, StreamError
from anystream.http import (
    BodyCutError,
    BodyDataError,
    BodyError,
    BodyStatusError,
    BodyTypeError,
    Comment,
    CrossOriginNext,
    Cursor,
    ErrorResponse,
    Event,
    GraphQL,
    GraphQLError,
    Header,
    HeaderCursor,
    IncompleteWarning,
    ItemsNotFound,
    LastItem,
    LinkHeader,
    NextParams,
    NextURL,
    Offset,
    Page,
    PageDataError,
    PageNumber,
    PageRun,
    PageSizeError,
    PageStatusError,
    PageStream,
    PaginationError,
    PaginationLoop,
    RecordDataError,
    RecordError,
    RecordSizeError,
    RetryAfterError,
    Scheme,
    SchemeNotFound,
    Step,
    TruncatedPage,
    fetch_all_pages,
    json_seq,
    lines,
    ndjson,
    sse,
)

URL = "https://example.com"


def after(page: Page[Any]) -> str | None:
    return page.url if page.items else None


async def after_later(page: Page[Any]) -> dict[str, int]:
    return {"page": page.number + 1}


async def after_step(page: Page[Any]) -> Step | None:
    return Step(url=page.url, json={"cursor": page.number}, method="POST")


class Own(Scheme):
    def next(self, page: Page[Any]) -> Step | None:
        return {"headers": {"range": "1"}, "params": {"page": page.number}}


class User:
    def __init__(self, data: Any) -> None: ...


def user(data: Any) -> User:
    return User(data)


def users(data: dict[str, Any]) -> list[Any]:
    return [data]


def pages(client: httpx.AsyncClient) -> None:
    assert_type(fetch_all_pages(URL), PageStream[Any])
    assert_type(fetch_all_pages(httpx.URL(URL), client=client), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=after, items=users), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=after_later, items="data.users"), PageStream[Any])
    assert_type(fetch_all_pages(URL, retry=None, on_page=print), PageStream[Any])
    assert_type(fetch_all_pages(URL, retry=Retry(), rate=5, dedupe="id"), PageStream[Any])
    assert_type(fetch_all_pages(URL).by_page(), Stream[Page[Any]])
    assert_type(fetch_all_pages(URL).take(3), Stream[Any])
    assert_type(fetch_all_pages(URL, next=after_step), PageStream[Any])
    assert_type(fetch_all_pages(URL, texts=True), PageStream[str])
    assert_type(fetch_all_pages(URL, texts=False), PageStream[Any])
    assert_type(fetch_all_pages(URL, into=User), PageStream[User])
    assert_type(fetch_all_pages(URL, into=user, loads=bytes.decode), PageStream[User])
    assert_type(fetch_all_pages(URL, into=user).by_page(), Stream[Page[User]])
    assert_type(fetch_all_pages(URL, max_empty=3, max_page_bytes=9), PageStream[Any])
    assert_type(fetch_all_pages(URL, same_origin=True), PageStream[Any])
    fetch_all_pages(URL, texts=True, into=user)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    fetch_all_pages(URL, into="User")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    fetch_all_pages(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    fetch_all_pages(URL, after)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    fetch_all_pages(URL, next="page")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    fetch_all_pages(URL, next=users)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fetch_all_pages(URL, retry=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    fetch_all_pages(URL, client=httpx.Client())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    fetch_all_pages(URL, resume_from="state")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def schemes() -> None:
    assert_type(fetch_all_pages(URL, next=LinkHeader(size="per_page")), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=NextURL("next")), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=PageNumber(total_pages="meta.pages")), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=PageNumber(total=Header("X-Total"))), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=Offset(total=lambda page: page.total)), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=Cursor("next", param="after")), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=HeaderCursor("x-next", "after")), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=LastItem("id", "since")), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=GraphQL("data.users")), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=NextParams("continue")), PageStream[Any])
    assert_type(fetch_all_pages(URL, next=Own()), PageStream[Any])
    assert_type(LastItem("sort", body="search_after", more=None), LastItem)
    assert_type(HeaderCursor("next-range", to_header="range"), HeaderCursor)
    assert_type(PageNumber(body="page.number", template="{}"), PageNumber)
    NextParams()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Scheme()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]
    fetch_all_pages(URL, next=LinkHeader)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    LinkHeader(size=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    NextURL(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PageNumber(total_pages=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Offset(start="0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Cursor()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Cursor("next").path = "after"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    HeaderCursor("x-next")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    LastItem("id")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    GraphQL()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Header(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def opening(items: PageStream[int]) -> None:
    async with items as run:
        assert_type(run, PageRun[int])
        assert_type(await anext(run), int)
        resumable: Mapping[str, Any] = run.state
        assert_type(fetch_all_pages(URL, resume_from=resumable), PageStream[Any])
        assert_type(fetch_all_pages(URL, resume_from=run.state), PageStream[Any])
        assert_type(run.state["index"], int)
    assert_type(items.open(grace=3), PageRun[int])
    async with aclosing(aiter(items)) as closing:
        assert_type(closing, PageRun[int])
    assert_type([item async for item in items], list[int])
    async with items.map(str) as plain:
        print(plain.state)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]


def whole_pages(page: Page[int]) -> None:
    assert_type(page.items, list[int])
    assert_type(page.number, int)
    assert_type(page.response, httpx.Response)
    assert_type(page.items_path, str | None)
    assert_type(page.answer, Literal["more", "end", "unknown"])
    assert_type(page.sign, str)
    assert_type(page.next, Step | None)
    assert_type(page.records, list[Any])
    assert_type(page.error, Exception | None)
    page.number = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert_type(page.url, str)
    assert_type(page.total, int | None)
    assert_type(fetch_all_pages(URL, resume_from=page.state), PageStream[Any])


def number_of(line: bytes) -> int:
    return int(line)


def bodies(response: httpx.Response, request: httpx.Request, client: httpx.AsyncClient) -> None:
    assert_type(lines(URL), Stream[str])
    assert_type(lines(httpx.URL(URL), client=client, method="POST", content=b""), Stream[str])
    assert_type(lines(request, read_timeout=5), Stream[str])
    assert_type(lines(response, max_line=80), Stream[str])
    assert_type(lines(URL, retry=Retry(times=5), max_retry_after=60), Stream[str])
    assert_type(ndjson(URL, retry=None), Stream[Any])
    assert_type(ndjson(URL, json={"a": 1}), Stream[Any])
    assert_type(json_seq(response, max_text=80), Stream[Any])
    assert_type(sse(URL, last_event_id="5", retry=None), Stream[Event])
    assert_type(sse(response).map(Event.json), Stream[Any])
    assert_type(sse(URL, comments=False), Stream[Event])
    assert_type(sse(URL, comments=True), Stream[Event | Comment])
    assert_type(sse(URL, comments=bool(request)), Stream[Event | Comment])
    lines(client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lines(URL, client)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(ndjson(URL, loads=number_of), Stream[int])
    assert_type(json_seq(URL, loads=number_of, max_text=80), Stream[int])
    assert_type(ndjson(URL, loads=json.loads), Stream[Any])
    assert_type(json_seq(URL, loads=None), Stream[Any])
    ndjson(URL, max_text=80)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    json_seq(URL, max_line=80)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    ndjson(URL, loads=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    lines(URL, retry=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    sse(URL, retry=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    sse(URL, last_event_id=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    sse(URL, comments=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


def events(event: Event) -> None:
    assert_type(event.type, str)
    assert_type(event.data, str)
    assert_type(event.id, str)
    assert_type(event.json(), Any)
    assert_type(event.encode(), bytes)
    assert_type(Comment("text").text, str)
    assert_type(Comment().encode(), bytes)
    Event(data=b"")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def refusals(response: ErrorResponse) -> None:
    assert_type(response.status, int)
    assert_type(response.headers, Mapping[str, str])
    assert_type(response.body, bytes)
    assert_type(response.text, str)
    response.status = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def page_errors(items: PageStream[int]) -> None:
    try:
        await items.drain()
    except RetryAfterError as error:
        assert_type(error.retry_after, float | None)
        status: PageStatusError = error
        assert_type(status.status, int)
        assert_type(status.limited, bool)
    except GraphQLError as error:
        assert_type(error.errors, object)
        data: PageDataError = error
    except (TruncatedPage, PageSizeError, ItemsNotFound) as error:
        data = error
        base: PaginationError = data
    except (SchemeNotFound, PaginationLoop, CrossOriginNext) as error:
        base = error
        assert_type(base.url, str)
        assert_type(base.page, int)
        assert_type(base.response, ErrorResponse | None)
        root: StreamError = base
        print(root)
    warning: type[Warning] = IncompleteWarning
    print(warning)


async def body_errors(events: Stream[Event]) -> None:
    try:
        await events.drain()
    except BodyStatusError as error:
        assert_type(error.status, int)
        assert_type(error.url, str)
        assert_type(error.retry_after, float | None)
        assert_type(error.response, ErrorResponse | None)
    except BodyTypeError as error:
        assert_type(error.response, ErrorResponse | None)
        base: BodyError = error
    except BodyCutError as error:
        data: BodyDataError = error
        base = data
        root: StreamError = base
    except RecordDataError as error:
        record: RecordError = error
        assert_type(error.position, int)
    except RecordSizeError as error:
        record = error
        assert_type(record.number, int)
        root = record
        print(root)
