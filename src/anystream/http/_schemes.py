"""How one page leads to the next: the schemes, each a small table of names.

A scheme has no memory: it works the next step out from a page and the step that led to it, so a run
can go on from any step.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from .. import _labels as label
from .._batches import MISSING
from .._steps import resolved
from ._errors import GraphQLError, PageDataError
from ._links import link
from ._page import Page, Place, Step, lookup, number_at


class Scheme(ABC):
    """How one page of an API leads to the next."""

    end_statuses: tuple[int, ...] = ()  # which mean: past the end
    total: Place | None = None
    size: str | None = None

    def first(self) -> Step:
        """What is different in the request for the first page."""
        return {}

    def sized(self, page_size: int) -> Step:
        """What asks for so many items a page, in every request."""
        if self.size is None:
            raise ValueError(
                f"page_size needs a scheme that knows the parameter for it, such as"
                f" {type(self).__name__}(..., size='per_page'), got page_size={page_size!r}"
                f" and {self!r}"
            )
        return {"params": {self.size: page_size}}

    @property
    def items(self) -> str | None:
        """Where the items are, if the scheme knows."""
        return None

    def check(self, data: Any, response: Any, number: int) -> None:  # noqa: B027  # most need not
        """Raise what is wrong with a body that has come with a status of success."""

    @abstractmethod
    def next(self, page: Page[Any]) -> Step | Awaitable[Step | None] | None:
        """What is different in the request for the page after this one; None is the end."""

    def __repr__(self) -> str:
        given = {
            each.name: (getattr(self, each.name), each.default)
            for each in fields(cast("Any", self))
        }
        return str(label.call(type(self).__name__, **label.options(**given)))


class Countable(Scheme):
    """A scheme that can tell all the steps beforehand, once a page has told how many there are."""

    @abstractmethod
    def count(self, page: Page[Any]) -> int | None:
        """How many there are, if the page tells it."""

    @abstractmethod
    def ahead(self, step: Step, first: Page[Any], count: int) -> Step | None:
        """The step after `step`, if there are so many."""

    def gap(self, first: Page[Any], page: Page[Any]) -> str | None:
        """Why pages of fixed steps would not fit together with this one, if they do not."""
        return None


@dataclass(frozen=True, repr=False)
class PageNumber(Countable):
    """Numbered pages: `?page=1`, `?page=2`, ...

    The last page is the one whose number is `total_pages`, a path in the body, a `Header` or a
    function of the `Page`. Where that is not given, or missing, an empty page is the end. So is a
    status in `end_statuses`, for APIs that answer with it past the end, except on the first page.

    `total` is where the number of all items stands, for who wants to know it, and `size` the name
    of the parameter for `page_size`.

    >>> PageNumber("p", total_pages="meta.pages", size="per_page")
    PageNumber(param='p', total_pages='meta.pages', size='per_page')
    """

    param: str = "page"
    start: int = 1
    total_pages: Place | None = None
    total: Place | None = None
    end_statuses: tuple[int, ...] = ()
    size: str | None = None

    def first(self) -> Step:
        return self.at(self.start)

    def at(self, number: int) -> Step:
        return {"params": {self.param: number}}

    def count(self, page: Page[Any]) -> int | None:
        return number_at(page, self.total_pages)

    def ahead(self, step: Step, first: Page[Any], count: int) -> Step | None:
        following = int(parameter(step, self.param)) + 1
        return self.at(following) if following < self.start + count else None

    def next(self, page: Page[Any]) -> Step | None:
        count = self.count(page)
        if count is not None:
            return self.ahead(page.step, page, count)
        return self.at(int(parameter(page.step, self.param)) + 1) if page.records else None


@dataclass(frozen=True, repr=False)
class Numbering(Scheme):
    """`?page=1`, `?page=2`, ... up to an empty page, where nothing says how to go on.

    The first page was asked for without a number, and the API may count from 0 or from 1. So the
    first number is 1, whose page is either the first one again or the second one. A number in the
    URL that was given tells by itself.
    """

    param: str = "page"

    def next(self, page: Page[Any]) -> Step | None:
        if not page.records:
            return None
        given = page.step.get("params", {}).get(self.param)
        if given is None and not self.probes(page):
            given = page.response.url.params[self.param]
        return {"params": {self.param: 1 if given is None else int(given) + 1}}

    def probes(self, page: Page[Any]) -> bool:
        """Whether the page after this one may be the same again."""
        return not page.step and not page.response.url.params.get(self.param, "").isdecimal()


@dataclass(frozen=True, repr=False)
class Offset(Countable):
    """Items counted from the beginning: `?offset=0`, `?offset=100`, ...

    Goes on by as many items as have come, so a server may give fewer than asked for. The end is
    where `total` says, which is a path in the body, a `Header` or a function of the `Page`, or an
    empty page. `size` is the name of the parameter for `page_size`.

    >>> Offset("startAt", size="maxResults", total="total")
    Offset(param='startAt', size='maxResults', total='total')
    """

    param: str = "offset"
    size: str | None = "limit"
    total: Place | None = None
    start: int = 0

    def first(self) -> Step:
        return self.at(self.start)

    def at(self, offset: int) -> Step:
        return {"params": {self.param: offset}}

    def count(self, page: Page[Any]) -> int | None:
        return number_at(page, self.total)

    def ahead(self, step: Step, first: Page[Any], count: int) -> Step | None:
        offset = int(parameter(step, self.param)) + len(first.records)
        return self.at(offset) if first.records and offset < self.start + count else None

    def next(self, page: Page[Any]) -> Step | None:
        count = self.count(page)
        if count is not None:
            return self.ahead(page.step, page, count)
        offset = int(parameter(page.step, self.param)) + len(page.records)
        return self.at(offset) if page.records else None

    def gap(self, first: Page[Any], page: Page[Any]) -> str | None:
        stride, came = len(first.records), len(page.records)
        following = int(parameter(page.step, self.param)) + stride
        last = following >= self.start + (self.count(page) or 0)
        if came == stride or (came < stride and last):
            return None
        return (
            f"it has {came} items, where the first page had {stride}: pages at fixed offsets would"
            " not fit together; use concurrency=1"
        )


@dataclass(frozen=True, repr=False)
class Cursor(Scheme):
    """A cursor in the body of each page, which the next request sends back.

    `path` is where it is; it is sent as the parameter `param`, or put into the JSON body of the
    request at the path `body`. The end is an empty, null or absent cursor, or a false value at the
    path `more`. `size` is the name of the parameter for `page_size`.

    Raises `TypeError` unless just one of `param` and `body` is given.

    >>> Cursor("response_metadata.next_cursor", param="cursor")  # Slack
    Cursor(path='response_metadata.next_cursor', param='cursor')
    >>> Cursor("next_cursor", body="start_cursor", more="has_more")  # Notion
    Cursor(path='next_cursor', body='start_cursor', more='has_more')
    """

    path: str
    param: str | None = None
    body: str | None = None
    more: str | None = None
    size: str | None = None

    def __post_init__(self) -> None:
        if (self.param is None) == (self.body is None):
            raise TypeError(
                "Cursor needs param=, the parameter that sends the cursor, or body=, its path in"
                f" the JSON of the request, and not both; got param={self.param!r} and"
                f" body={self.body!r}"
            )

    def next(self, page: Page[Any]) -> Step | None:
        more = MISSING if self.more is None else lookup(page.data, self.more)
        if more is not MISSING and not more:
            return None
        cursor = lookup(page.data, self.path)
        if cursor is not MISSING and cursor not in (None, ""):
            return sending(cursor, self.param, self.body)
        if more is not MISSING:
            problem = f"{self.more!r} is {more!r}, but there is no cursor at {self.path!r}"
            raise PageDataError(problem, page.url, page.number)
        return None


@dataclass(frozen=True, repr=False)
class HeaderCursor(Scheme):
    """A cursor in a header of each response, which the next request sends as a parameter.

    The end is a response without it.

    >>> HeaderCursor("x-ms-continuationtoken", "continuationToken")  # Azure DevOps
    HeaderCursor(header='x-ms-continuationtoken', param='continuationToken')
    """

    header: str
    param: str
    size: str | None = None

    def next(self, page: Page[Any]) -> Step | None:
        cursor = page.response.headers.get(self.header)
        return {"params": {self.param: cursor}} if cursor else None


@dataclass(frozen=True, repr=False)
class NextURL(Scheme):
    """The URL of the next page in the body; it may be relative. The end is where there is none.

    >>> NextURL("@odata.nextLink")  # Microsoft Graph
    NextURL(path='@odata.nextLink')
    """

    path: str = "next"
    size: str | None = None

    def next(self, page: Page[Any]) -> Step | None:
        target = lookup(page.data, self.path)
        if target is MISSING or target in (None, "", False):
            return None
        if not isinstance(target, str):
            problem = f"{self.path!r} should be a URL, got {target!r}"
            raise PageDataError(problem, page.url, page.number)
        return {"url": target}


@dataclass(frozen=True, repr=False)
class LinkHeader(Scheme):
    """The link with the relation `rel` in the `Link` header (RFC 8288); the end is without one.

    >>> LinkHeader(size="per_page")  # GitHub
    LinkHeader(size='per_page')
    """

    rel: str = "next"
    size: str | None = None

    def next(self, page: Page[Any]) -> Step | None:
        target = link(page.response.headers.get_list("link"), self.rel)
        return None if target is None else {"url": target}


@dataclass(frozen=True, repr=False)
class LastItem(Scheme):
    """What the last item has at the path `key` is sent as `param`, for the items after it.

    The end is a false value at the path `more` in the body. With `more=None`, which is known as
    keyset pagination, it is an empty page.

    >>> LastItem("id", "starting_after")  # Stripe
    LastItem(key='id', param='starting_after')
    >>> LastItem("id", "max_id", more=None)  # Mastodon
    LastItem(key='id', param='max_id', more=None)
    """

    key: str
    param: str
    more: str | None = "has_more"
    size: str | None = None

    def next(self, page: Page[Any]) -> Step | None:
        if self.more is None:
            return self.after_last(page) if page.records else None
        more = lookup(page.data, self.more)
        if more is MISSING:
            problem = f"there is no {self.more!r}, which says whether there are more items"
            raise PageDataError(problem, page.url, page.number)
        return self.after_last(page) if more else None

    def after_last(self, page: Page[Any]) -> Step:
        last = lookup(page.records[-1], self.key) if page.records else MISSING
        if not isinstance(last, (str, int)):
            problem = f"there is no last item with {self.key!r}, to ask for those after it"
            raise PageDataError(problem, page.url, page.number)
        return {"params": {self.param: last}}


@dataclass(frozen=True, repr=False)
class GraphQL(Scheme):
    """A connection of GraphQL, as Relay has it: `pageInfo` with `hasNextPage` and `endCursor`.

    `path` is where the connection is in the response, such as "data.repository.issues". The cursor
    is sent as the variable `after` of the query, and `page_size` as the variable `size`. The items
    are its `nodes`. Errors inside a response of success are a `GraphQLError`.

    >>> GraphQL("data.repository.issues")
    GraphQL(path='data.repository.issues')
    """

    path: str
    after: str = "after"
    size: str | None = "first"

    def sized(self, page_size: int) -> Step:
        return {"json": {f"variables.{self.size}": page_size}}

    @property
    def items(self) -> str:
        return f"{self.path}.nodes"

    def check(self, data: Any, response: Any, number: int) -> None:
        errors = lookup(data, "errors")
        if errors is not MISSING and errors:
            raise GraphQLError(errors, response.url, number)

    def next(self, page: Page[Any]) -> Step | None:
        more = lookup(page.data, f"{self.path}.pageInfo.hasNextPage")
        cursor = lookup(page.data, f"{self.path}.pageInfo.endCursor")
        if more is MISSING or (more and not isinstance(cursor, str)):
            problem = f"{self.path!r} has no pageInfo with hasNextPage and endCursor"
            raise PageDataError(problem, page.url, page.number)
        return {"json": {f"variables.{self.after}": cursor}} if more else None


@dataclass(frozen=True, repr=False)
class Function(Scheme):
    """What a function of the user's says of the next page."""

    fn: Callable[[Page[Any]], Any]

    async def next(self, page: Page[Any]) -> Step | None:
        said = await resolved(self.fn(page))
        if said is None:
            return None
        if isinstance(said, str):
            return {"url": said}
        if isinstance(said, Mapping):
            return {"params": {**said}}
        raise TypeError(
            "next must give the URL of the next page, a dictionary of parameters, or None,"
            f" got {said!r}"
        )

    def __repr__(self) -> str:
        return str(label.value(self.fn))


def parameter(step: Step, name: str) -> str | int:
    return step.get("params", {})[name]


def sending(cursor: Any, param: str | None, body: str | None) -> Step:
    return {"params": {param: cursor}} if param is not None else {"json": {str(body): cursor}}


def scheme_of(value: Any) -> Scheme | None:
    """The scheme that `next=` stands for; None is to detect one."""
    if value is None or isinstance(value, Scheme):
        return value
    if callable(value) and not isinstance(value, type):
        return Function(value)
    raise TypeError(
        "next must be a scheme such as LinkHeader() or PageNumber(), a function of the page,"
        f" or None to detect one, got {value!r}"
    )
