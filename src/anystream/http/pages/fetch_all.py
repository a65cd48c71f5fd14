"""`fetch_all_pages`: its arguments, and what is made of them."""

import hashlib
import json as jsonlib
import operator
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload
from urllib.parse import parse_qsl

from ... import _args as check
from ... import _labels as label
from ... import _layouts as layouts
from ..._core.contracts import MISSING
from ..._operators import concurrent, workers
from ..._operators.transform import Tap
from ..._recipe import Recipe, named_call_showing
from ..._records.json import checked_loads
from ..._retry import Retry, checked_retry
from ..._stream import Stream
from .._clients import (
    check_client,
    check_headers,
    check_method,
    is_url,
    method_of,
    need_client,
    pairs_of,
    place,
)
from .._urls import are_texts, checked_origins, safe
from .known import Known, restored
from .page import Asked, Page, Step, lookup
from .reading import Finder, checked_finder
from .requests import Ask
from .schemes import Countable, Scheme, scheme_of
from .sources import AtATime, OneByOne, Reading
from .stream import PageStream, Trim

if TYPE_CHECKING:
    import httpx

M = TypeVar("M")

RETRY = Retry(times=4, first=0.5, cap=60.0)

MAX_BYTES = 64 * 2**20
"""Bytes of an unpacked page by default."""

MAX_EMPTY = 30
"""Pages without items in a row by default."""


@overload
def fetch_all_pages(
    base_url: "str | httpx.URL",
    *,
    client: "httpx.AsyncClient | None" = None,
    next: Scheme | Callable[[Page[Any]], Any] | None = None,
    items: str | Callable[[Any], Any] | None = None,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
    json: Any = None,
    page_size: int | None = None,
    max_items: int | None = None,
    max_pages: int | None = None,
    max_empty: int = MAX_EMPTY,
    max_page_bytes: int = MAX_BYTES,
    prefetch: int = 0,
    concurrency: int = 1,
    ordered: bool = True,
    rate: float | None = None,
    dedupe: str | Callable[[Any], Any] | None = None,
    on_page: Callable[[Page[Any]], object] | None = None,
    retry: Retry | None = RETRY,
    retry_methods: Collection[str] = ("GET", "HEAD"),
    max_retry_after: float = 120.0,
    allow_origins: Collection[str] = (),
    same_origin: bool = False,
    resume_from: Mapping[str, Any] | None = None,
    into: None = None,
    loads: Callable[[bytes], Any] | None = None,
    texts: Literal[False] = False,
) -> PageStream[Any]: ...
@overload
def fetch_all_pages(
    base_url: "str | httpx.URL",
    *,
    client: "httpx.AsyncClient | None" = None,
    next: Scheme | Callable[[Page[Any]], Any] | None = None,
    items: str | Callable[[Any], Any] | None = None,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
    json: Any = None,
    page_size: int | None = None,
    max_items: int | None = None,
    max_pages: int | None = None,
    max_empty: int = MAX_EMPTY,
    max_page_bytes: int = MAX_BYTES,
    prefetch: int = 0,
    concurrency: int = 1,
    ordered: bool = True,
    rate: float | None = None,
    dedupe: str | Callable[[Any], Any] | None = None,
    on_page: Callable[[Page[Any]], object] | None = None,
    retry: Retry | None = RETRY,
    retry_methods: Collection[str] = ("GET", "HEAD"),
    max_retry_after: float = 120.0,
    allow_origins: Collection[str] = (),
    same_origin: bool = False,
    resume_from: Mapping[str, Any] | None = None,
    into: None = None,
    loads: None = None,
    texts: Literal[True],
) -> PageStream[str]: ...
@overload
def fetch_all_pages(
    base_url: "str | httpx.URL",
    *,
    client: "httpx.AsyncClient | None" = None,
    next: Scheme | Callable[[Page[Any]], Any] | None = None,
    items: str | Callable[[Any], Any] | None = None,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
    json: Any = None,
    page_size: int | None = None,
    max_items: int | None = None,
    max_pages: int | None = None,
    max_empty: int = MAX_EMPTY,
    max_page_bytes: int = MAX_BYTES,
    prefetch: int = 0,
    concurrency: int = 1,
    ordered: bool = True,
    rate: float | None = None,
    dedupe: str | Callable[[Any], Any] | None = None,
    on_page: Callable[[Page[Any]], object] | None = None,
    retry: Retry | None = RETRY,
    retry_methods: Collection[str] = ("GET", "HEAD"),
    max_retry_after: float = 120.0,
    allow_origins: Collection[str] = (),
    same_origin: bool = False,
    resume_from: Mapping[str, Any] | None = None,
    into: Callable[[Any], M],
    loads: Callable[[bytes], Any] | None = None,
    texts: Literal[False] = False,
) -> PageStream[M]: ...
@named_call_showing(
    *("next", "items", "method", "page_size", "max_items", "max_pages", "prefetch"),
    *("concurrency", "ordered", "into", "texts"),
    base_url=place,
)
def fetch_all_pages(
    base_url: "str | httpx.URL",
    *,
    client: "httpx.AsyncClient | None" = None,
    next: Scheme | Callable[[Page[Any]], Any] | None = None,
    items: str | Callable[[Any], Any] | None = None,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
    json: Any = None,
    page_size: int | None = None,
    max_items: int | None = None,
    max_pages: int | None = None,
    max_empty: int = MAX_EMPTY,
    max_page_bytes: int = MAX_BYTES,
    prefetch: int = 0,
    concurrency: int = 1,
    ordered: bool = True,
    rate: float | None = None,
    dedupe: str | Callable[[Any], Any] | None = None,
    on_page: Callable[[Page[Any]], object] | None = None,
    retry: Retry | None = RETRY,
    retry_methods: Collection[str] = ("GET", "HEAD"),
    max_retry_after: float = 120.0,
    allow_origins: Collection[str] = (),
    same_origin: bool = False,
    resume_from: Mapping[str, Any] | None = None,
    into: Callable[[Any], Any] | None = None,
    loads: Callable[[bytes], Any] | None = None,
    texts: bool = False,
) -> PageStream[Any]:
    """Every item of a paginated API, for every way from one page to the next.

    Without `next` each response is read for what it says itself:

    - It names the URL of the next page, in its `Link` header or under any name in the body that
      says next: that is followed.
    - It shows that there is more in another way, by a cursor or a total, say. Where its shape shows
      beyond doubt how to ask for the next page, that is done; otherwise a `SchemeNotFound` after
      its items names the `next=` to write.
    - It shows that it is the last one.
    - It says nothing. Then pages are numbered, `?page=1`, `?page=2`, up to an empty one; if the API
      ignores the number, that is a `SchemeNotFound`, too. `max_pages=1` says that one page is all.

    So a run ends complete or with an error.

    `next` says how a page leads to the next one. It is a scheme (`LinkHeader`, `NextURL`,
    `PageNumber`, `Offset`, `Cursor`, `HeaderCursor`, `NextParams`, `LastItem`, `GraphQL`, or a
    `Scheme` of yours), or a function of the `Page`, plain or async. The function returns the URL of
    the next one, a dictionary of parameters, a `Step`, or None at the end.

    `items` says where in the JSON body the list of items is: a path of keys joined by dots, "" for
    the body itself, or a function of the body. Without it the body must be a list, or have just
    one. An absent or null list is an empty page, once its place is known. A body without items that
    reports an error is a `PageDataError`. A run ends where the scheme says so, and never because a
    page is short.

    The next page is asked for when the items of the last one have been taken; with `prefetch`, in a
    task of its own, as many pages ahead. `concurrency` is the number of pages asked for at a time,
    where the scheme tells how many there are (`PageNumber(total_pages=)`, `Offset(total=)`); with
    `ordered=False` they come as they are ready. It begins with one request and grows while all are
    answered. `rate` is the highest number of requests a second.

    Args:
        base_url: the URL of the first page; relative to that of the `client`, if it has one. A name
            and a password in it hold for the whole run, and a number in it is where a scheme that
            counts begins.
        client: an `AsyncClient` of httpx, or of a library with the same interface. It stays open.
            Without one each run opens one of httpx's, which follows redirects, and closes it.
        params, headers, json: for each request, beside what the client and the scheme send.
            A link to the next page is taken as it is, with the parameters of the client added.
        method: by default GET, or POST if there is `json`.
        page_size: how many items a page is to have, if the scheme knows the parameter for it.
        max_items, max_pages: the run ends after this many, at the latest.
        max_empty: more pages without items in a row are a `PaginationLoop`.
        max_page_bytes: a larger body, unpacked, is a `PageSizeError`.
        dedupe: a path in the items, or a plain function of an item (as it is out of JSON): of items
            in which it gives the same, only the first one comes. The last 100,000 are remembered.
        on_page: called with each `Page` before its items come; plain or async.
        retry: how often, and after which pause, a request is made again that has failed in a way
            that may pass: errors of the connection, bodies that were cut short, and the statuses
            408, 429, 5xx, and 403 with the headers of a rate limit. None is never. A pause that the
            server asks for, or a 429, pauses the whole run and does not count as an attempt.
        retry_methods: the methods for which that is done.
        max_retry_after: seconds. A longer pause that the server asks for is a `RetryAfterError`; a
            shorter one is kept to in full. It is also the longest time without any answer.
        allow_origins: origins, such as "https://api.example.com", that the next page or a redirect
            may be at. No headers but harmless ones, no cookies and no auth are sent there.
        same_origin: reads the path and the query of each link at the origin of the first page,
            for APIs behind a proxy that name another one.
        resume_from: the `state` of a run, or of a page, to continue from.
        into: makes of each item what the stream gives: a model of pydantic, a function such as
            `partial(msgspec.convert, type=User)`, or any other plain function.
        loads: reads the body in the place of `json.loads`, such as `orjson.loads`. By default NaN
            and Infinity, which are not JSON, are a `PageDataError`.
        texts: gives each item as its JSON text, character for character but in one line.

    A step raises a `PaginationError` after the items before it. It is a `PageStatusError` for a
    status that is not one of success, and a `PageDataError` (`TruncatedPage`, `PageSizeError`,
    `ItemsNotFound`, `GraphQLError`) for a body that is not as it should be. It is a
    `PaginationLoop` for a page that was asked for before or has the same items as the one before
    it, and a `CrossOriginNext` for one at an origin that is not allowed. `SchemeNotFound` is
    described above. Errors of the client propagate with a note that names the page. If the server
    has told of more items than have come, the end of the run is an `IncompleteWarning`.

    A step that is cancelled may be repeated: it asks for the same page again, or waits on until the
    pause is over. Pages in a task of their own survive the cancellation. A page is in memory as a
    whole; beside that a run keeps a hash for each page.

    Raises `ImportError` if there is no `client` and httpx is not installed, and `TypeError` or
    `ValueError` for arguments of another type, or of no use together.

    >>> async def main():
    ...     async with fetch_all_pages("https://api.example.com/users") as users:
    ...         async for user in users:
    ...             if user["name"] == "Ada":
    ...                 break
    """
    scheme = scheme_of(next)
    finder = checked_finder(items)
    check_method(method)
    verb = method_of(method, json is not None)
    if page_size is not None:
        page_size = check.integer("page_size", page_size, 1)
        if scheme is None:
            raise ValueError(
                "page_size needs a scheme that knows the parameter for it; pass next=, or put the"
                f" API's own parameter in params=, such as params={{'per_page': {page_size}}}"
            )
    need_client("fetch_all_pages", client)
    check_client(client)
    check_headers(headers)
    check_url(base_url)
    for name, flag in (("ordered", ordered), ("same_origin", same_origin), ("texts", texts)):
        check.flag(name, flag)
    maker = checked_into(into, loads, texts)
    given = checked_mapping("params", params)
    every: Step = {} if page_size is None or scheme is None else scheme.sized(page_size)
    ahead = check.integer("prefetch", prefetch, 0)
    tasks = check.integer("concurrency", concurrency, 1)
    limit = None if max_items is None else check.integer("max_items", max_items, 0)
    ask = Ask(
        url=base_url,
        method=verb,
        params=given,
        headers=pairs_of(headers or {}),
        json=json,
        every=every,
        retry=checked_retry(retry) or Retry(times=0),
        retry_methods=checked_methods(retry_methods),
        max_retry_after=check.seconds("max_retry_after", max_retry_after),
        max_page_bytes=check.integer("max_page_bytes", max_page_bytes, 1),
        interval=0.0 if rate is None else 1 / check.positive("rate", rate),
        allowed=checked_origins(allow_origins),
        same_origin=same_origin,
        first=first_step(scheme, base_url, given, json),
    )
    asked = Asked(safe(str(base_url)), digest(ask, scheme, finder))
    # A run that begins behind the first page cannot have all the items that a total counts.
    fresh = Known(came=0 if scheme is None or ask.first == scheme.first() else None)
    begin = (
        asked.state(ask.first, 0, 1, fresh) if resume_from is None else asked.checked(resume_from)
    )
    reading = Reading(
        ask=ask,
        client=client,
        scheme=scheme,
        items=finder,
        texts=texts,
        loads=loads,
        asked=asked,
        begin=begin,
        known=restored(begin["known"]),
        max_pages=None if max_pages is None else check.integer("max_pages", max_pages, 0),
        max_empty=check.integer("max_empty", max_empty, 0),
        tasks=tasks,
    )
    pages = in_tasks(reading, ahead, tasks, ordered)
    key = None if dedupe is None else checked_key(dedupe)
    if key is not None or limit is not None:
        pages = pages.also(lambda _: Trim(key, limit))
    if on_page is not None:
        check.called_function("on_page", on_page, "")
        pages = pages.also(lambda _: Tap(on_page))
    return PageStream(Stream[Any](pages), reading.begin, ordered or tasks == 1, maker)


def in_tasks(reading: Reading, ahead: int, tasks: int, ordered: bool) -> Recipe:
    """The pages, with the tasks that fetch some of them in advance."""
    call = label.Label()
    if tasks > 1:
        if not isinstance(reading.scheme, Countable):
            raise ValueError(
                "concurrency needs a scheme that tells how many pages there are, such as"
                " next=PageNumber(total_pages=...) or next=Offset(total=...), got"
                f" concurrency={tasks!r} and next={reading.scheme!r}"
            )
        plan = Recipe.source(lambda _: AtATime(reading), text=call)
        open_source = workers.mapped(plan, lambda _: operator.call, tasks, ordered, ahead)
        way = layouts.PAGES_IN_ORDER if ordered else layouts.PAGES_AS_READY
        return Recipe.combine(open_source, call, [], way, tasks + ahead, tasks)
    pages = Recipe.source(lambda _: OneByOne(reading), text=call)
    if not ahead:
        return pages
    open_buffer = concurrent.merged([pages], ahead, "wait")
    return Recipe.combine(open_buffer, call, [pages], layouts.PAGES, ahead)


def first_step(scheme: Scheme | None, url: Any, params: Mapping[str, Any], json: Any) -> Step:
    """How the request for the first page differs from what is asked for anyway."""
    if scheme is None:
        return {}
    if not isinstance(scheme, Countable):
        return scheme.first()
    query = dict(parse_qsl(str(url).partition("#")[0].partition("?")[2]))
    return scheme.first_of({**query, **params}, json)


def digest(ask: Ask, scheme: Scheme | None, items: Finder) -> str:
    """What tells this from another request, in a form that shows nothing of it."""
    told = (
        ask.method,
        str(ask.url),
        sorted(ask.params.items()),
        ask.json,
        scheme,
        label.value(items),
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:32]


def checked_methods(methods: Any) -> frozenset[str]:
    if not are_texts(methods):
        raise TypeError(
            "retry_methods must be a collection of methods such as ('GET', 'POST'),"
            f" got {label.whole(methods)}"
        )
    return frozenset(each.upper() for each in methods)


def check_url(url: Any) -> None:
    if not is_url(url):
        raise TypeError(f"base_url must be a str or an httpx.URL, got {label.whole(url)}")


def checked_mapping(name: str, value: Any) -> dict[str, Any]:
    """A dictionary of the mapping; what comes more than once in that is a list."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of names to values, got {label.whole(value)}")
    several: dict[str, list[Any]] = {}
    for key, each in pairs_of(value):
        several.setdefault(key, []).append(each)
    return {key: each if len(each) > 1 else each[0] for key, each in several.items()}


def checked_into(into: Any, loads: Any, texts: bool) -> Callable[[Any], Any] | None:
    """The function that makes an item; a model of pydantic validates."""
    if texts and (into is not None or loads is not None):
        name = "into" if into is not None else "loads"
        raise ValueError(f"texts=True gives the texts as they are, so {name} must not be given")
    checked_loads(loads)
    if into is not None:
        check.called_plain("into", into, " of an item")
    made: Callable[[Any], Any] | None = getattr(into, "model_validate", into)
    return made


def checked_key(dedupe: Any) -> Callable[[Any], Any]:
    if isinstance(dedupe, str):
        return partial(key_at, dedupe)
    check.called_plain("dedupe", dedupe, " of an item, or a path in it")
    found: Callable[[Any], Any] = dedupe
    return found


def key_at(path: str, item: Any) -> Any:
    """What is at the path, hashable; an item without it is like no other."""
    value = lookup(item, path)
    if value is MISSING:
        return object()
    return jsonlib.dumps(value, sort_keys=True)
