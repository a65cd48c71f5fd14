"""`fetch_all_pages`: its arguments, and what is made of them."""

import hashlib
import json as jsonlib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import _checks as check
from .. import _labels as label
from .. import _stages as stages
from .._batches import MISSING
from .._operators import concurrent, workers
from .._operators.transform import Tap
from .._retry import Retry
from .._stream import Stream, behind, joined, made
from ._clients import need_client
from ._contents import Finder, checked_finder
from ._page import Asked, Page, Step, lookup
from ._paged import PageStream, Trim
from ._requests import Ask
from ._schemes import Countable, Scheme, scheme_of
from ._sources import Pages, Plan, Reading, call
from ._urls import checked_origins, safe

if TYPE_CHECKING:
    import httpx

RETRY = Retry(times=4, first=0.5, cap=60.0)


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
    resume_from: Mapping[str, Any] | None = None,
    texts: bool = False,
) -> PageStream[Any]:
    """Every item of a paginated API, whatever the way from one page to the next.

    `next` says how a page leads to the next one: a scheme (`LinkHeader`, `NextURL`, `PageNumber`,
    `Offset`, `Cursor`, `HeaderCursor`, `LastItem`, `GraphQL`), or a function, plain or async, that
    is given the `Page` and gives the URL of the next one, a dictionary of parameters, or None at
    the end. Without it the scheme is detected, if the response names the URL of the next page: in
    its `Link` header, or in its body as `next`, `links.next`, `_links.next.href`,
    `@odata.nextLink` or `nextRecordsUrl`. A response that shows in another way that there is more
    is a `SchemeNotFound`. A response that says nothing is taken for the first of numbered pages,
    `?page=1`, `?page=2`, up to an empty one; if the API ignores the number, that is a
    `SchemeNotFound` too. `max_pages=1` says that one page is all there is.

    `items` says where in the JSON body the list of items is: a path of keys joined by dots, "" for
    the body itself, or a function of the body. Without it the body must be a list, or have just
    one. A run ends where the scheme says so, and never because a page is short.

    The next page is asked for when the items of the last one have been taken; with `prefetch`, in a
    task of its own, so many pages ahead. `concurrency` is the number of pages asked for at a time,
    where the scheme tells how many there are (`PageNumber(total_pages=)`, `Offset(total=)`); with
    `ordered=False` they come as they are ready. `rate` is the highest number of requests a second.

    Args:
        base_url: the URL of the first page; relative to that of the `client`, if it has one.
        client: an `AsyncClient` of httpx, or of a library with the same face. It stays open.
            Without one each run opens one of httpx's, which follows redirects, and closes it.
        params, headers, json: for each request, beside what the client and the scheme send.
            A link to the next page is taken as it is, with the parameters of the client added.
        method: by default GET, or POST if there is `json`.
        page_size: how many items a page is to have, if the scheme knows the parameter for it.
        max_items, max_pages: the end comes after so many, at the latest.
        dedupe: a path in the items, or a plain function of an item (as it is out of JSON): of items
            in which it gives the same, only the first one comes. The last 100,000 are remembered.
        on_page: called with each `Page` before its items come; plain or async.
        retry: how often, and after which pause, a request is made again that has failed in a way
            that may pass: errors of the connection, bodies that were cut short, and the statuses
            408, 429, 5xx, and 403 with the headers of a rate limit. None is never.
        retry_methods: the methods for which that is done.
        max_retry_after: seconds. A longer pause that the server asks for is a `RetryAfterError`; a
            shorter one is kept to in full.
        allow_origins: origins, such as "https://api.example.com", that the next page or a redirect
            may be at. No headers but harmless ones, no cookies and no auth are sent there.
        resume_from: the `state` of a run, or of a page, to go on from.
        texts: gives each item as its JSON text, character for character but in one line.

    The steps raise a `PaginationError` after the items before it: `PageStatusError` for a status
    that is not one of success, `PageDataError` (`TruncatedPage`, `ItemsNotFound`, `GraphQLError`)
    for a body that is not as it should be, `PaginationLoop` for a page that was asked for before,
    `CrossOriginNext` for one at an origin that is not allowed; and what the client raises, with a
    note that names the page.

    A step that is cancelled may be repeated: it asks for the same page again, or waits on until the
    pause is over. Pages in a task of their own survive the cancellation. All of a page is in memory
    at a time; beside that a run keeps a hash for each page.

    Raises `ImportError` if there is no `client` and httpx is not installed, and `TypeError` or
    `ValueError` for arguments that are nothing of the kind, or of no use together.

    >>> async def main():
    ...     async with fetch_all_pages("https://api.example.com/users") as users:
    ...         async for user in users:
    ...             if user["name"] == "Ada":
    ...                 break
    """
    scheme = scheme_of(next)
    finder = checked_finder(items)
    verb = checked_method(method, json)
    if page_size is not None:
        page_size = check.integer("page_size", page_size, 1)
        if scheme is None:
            raise ValueError(
                "page_size needs next=, a scheme that knows the parameter for it; to detect one,"
                f" write it as params={{'per_page': {page_size}}}, or as the API calls it"
            )
    need_client("fetch_all_pages", client)
    every: Step = {} if page_size is None or scheme is None else scheme.sized(page_size)
    ask = Ask(
        url=base_url,
        method=verb,
        params=dict(params or {}),
        headers=headers,
        json=json,
        every=every,
        retry=checked_retry(retry),
        retry_methods=frozenset(each.upper() for each in retry_methods),
        max_retry_after=check.seconds("max_retry_after", max_retry_after),
        interval=0.0 if rate is None else 1 / check.positive("rate", rate),
        allowed=checked_origins(allow_origins),
    )
    asked = Asked(safe(str(base_url)), digest(ask, scheme, finder))
    first = Step() if scheme is None else scheme.first()
    ahead = check.integer("prefetch", prefetch, 0)
    tasks = check.integer("concurrency", concurrency, 1)
    limit = None if max_items is None else check.integer("max_items", max_items, 0)
    reading = Reading(
        ask=ask,
        client=client,
        scheme=scheme,
        items=finder,
        texts=texts,
        asked=asked,
        begin=asked.state(first, 0, 1) if resume_from is None else asked.checked(resume_from),
        max_pages=None if max_pages is None else check.integer("max_pages", max_pages, 0),
    )
    given = label.options(
        next=(scheme, None),
        items=(items, None),
        method=(verb, "GET"),
        page_size=(page_size, None),
        max_items=(limit, None),
        max_pages=(reading.max_pages, None),
        prefetch=(ahead, 0),
        concurrency=(tasks, 1),
        ordered=(ordered, True),
        texts=(texts, False),
    )
    text = label.call("fetch_all_pages", asked.url, **given)
    pages = in_tasks(reading, text, ahead, tasks, ordered)
    key = None if dedupe is None else checked_key(dedupe)
    if key is not None or limit is not None:
        pages = Stream[Any](behind(pages, lambda _: Trim(key, limit)))
    if on_page is not None:
        check.function("on_page", on_page)
        pages = Stream[Any](behind(pages, lambda _: Tap(on_page)))
    return PageStream(pages, reading.begin, ordered or tasks == 1)


def in_tasks(
    reading: Reading, text: label.Label, ahead: int, tasks: int, ordered: bool
) -> Stream[Any]:
    """The pages, with the tasks that fetch some of them in advance."""
    if tasks > 1:
        if not isinstance(reading.scheme, Countable):
            raise ValueError(
                "concurrency needs a scheme that tells how many pages there are, such as"
                " next=PageNumber(total_pages=...) or next=Offset(total=...), got"
                f" concurrency={tasks!r} and next={reading.scheme!r}"
            )
        plan = made(lambda _: Plan(reading), text)
        origin = workers.mapped(plan, call, tasks, ordered, ahead)
        way = stages.PAGES_IN_ORDER if ordered else stages.PAGES_AS_READY
        return joined(origin, text, [], way, tasks + ahead, tasks)
    pages = made(lambda _: Pages(reading), text)
    if not ahead:
        return pages
    return joined(concurrent.merged([pages], ahead), text, [pages], stages.PAGES, ahead)


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


def checked_method(method: Any, json: Any) -> str:
    if method is None:
        return "GET" if json is None else "POST"
    if not isinstance(method, str) or not method.isalpha():
        raise ValueError(f"method must be an HTTP method such as 'GET' or 'POST', got {method!r}")
    return method.upper()


def checked_retry(retry: Any) -> Retry:
    if retry is None:
        return Retry(times=0)
    if not isinstance(retry, Retry):
        raise TypeError(f"retry must be a Retry or None, got {retry!r}")
    return retry


def checked_key(dedupe: Any) -> Callable[[Any], Any]:
    if isinstance(dedupe, str):
        return partial(key_at, dedupe)
    check.function("dedupe", dedupe)
    found: Callable[[Any], Any] = dedupe
    return found


def key_at(path: str, item: Any) -> Any:
    """What is at the path, hashable; an item without it is like no other."""
    value = lookup(item, path)
    if value is MISSING:
        return object()
    return jsonlib.dumps(value, sort_keys=True)
