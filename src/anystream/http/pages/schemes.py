"""How one page leads to the next: the schemes that `next=` takes, each a small table of names.

A scheme has no memory: it works the next step out from a page and the step that led to it, so a run
can continue from any step.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, overload

from ... import _args as check
from ... import _labels as label
from ..._core.contracts import MISSING
from ..._core.driver import resolved
from .._errors import GraphQLError, PageDataError
from .links import link
from .page import (
    TARGETS,
    Header,
    Page,
    Place,
    Step,
    find,
    in_words,
    is_object,
    is_step,
    lookup,
    number_at,
    whole,
)

MORE = "has_more"
FALSE: tuple[object, ...] = (False, None, 0, "", "0", "false", "False", [], {})
EMPTY = (MISSING, None, "", False)


class Scheme(ABC):
    """How one page of an API leads to the next. Subclass it where none of the others fits.

    `next` is all that a scheme needs. It must work the step out from the page alone, so that a run
    can continue from its `state`. A frozen dataclass gives it a `repr`, which the state remembers.

    Attributes:
        size: the name of the parameter for `page_size`, or None.
        total: where the number of all items stands, or None.
        end_statuses: the statuses which mean that a page is past the end.

    >>> from dataclasses import dataclass
    >>> from anystream.http import Scheme
    >>> @dataclass(frozen=True)
    ... class SearchAfter(Scheme):  # Elasticsearch
    ...     def next(self, page):
    ...         hits = page.data["hits"]["hits"]
    ...         return {"json": {"search_after": hits[-1]["sort"]}} if hits else None
    >>> SearchAfter()
    SearchAfter()
    """

    end_statuses: tuple[int, ...] = ()
    total: Place | None = None
    size: str | None = None

    def first(self) -> Step:
        """How the request for the first page differs from what is asked for anyway."""
        return {}

    @abstractmethod
    def next(self, page: Page[Any]) -> Step | Awaitable[Step | None] | None:
        """How the request for the page after this one differs from the first; None is the end."""

    def sized(self, page_size: int) -> Step:
        """What asks for pages of this size, in every request."""
        if self.size is None:
            raise ValueError(
                f"page_size needs a scheme that knows the parameter for it, such as"
                f" {type(self).__name__}(..., size='per_page'), got page_size={page_size!r}"
                f" and {self!r}"
            )
        return {"params": {self.size: page_size}}

    def items(self, data: Any) -> str | None:
        """Where the items are in this body, if the scheme knows."""
        return None

    def check(self, data: Any, response: Any, number: int) -> None:  # noqa: B027  # most need not
        """Raise what is wrong with a body that has come with a status of success."""

    def missing(self, page: Page[Any]) -> str | None:
        """The place, in words, that says how to continue, if it is not in the page at all."""
        return None

    def __repr__(self) -> str:
        return label.instance(self)


class Countable(Scheme):
    """A scheme that counts: it can tell all the steps once a page has told how many there are."""

    param: str
    body: str | None
    template: str | None
    start: int

    def first(self) -> Step:
        return self.at(self.start)

    def first_of(self, params: Mapping[str, Any], json: Any) -> Step:
        """The first step of a run; a number in what is sent anyway is where that begins."""
        given: Step = {"params": {**params}}
        if self.body is not None:
            given = {"json": {self.body: lookup(json, self.body)}}
        number = self.sent(given)
        return self.first() if number is None else self.at(number)

    def at(self, number: int) -> Step:
        value = number if self.template is None else self.template.replace("{}", str(number))
        return sending(value, self.param if self.body is None else None, self.body)

    def sized(self, page_size: int) -> Step:
        if self.body is None or self.size is None:
            return super().sized(page_size)
        return {"json": {self.size: page_size}}

    def position(self, step: Step) -> int:
        """The number that this step has sent, or else that of the first page."""
        number = self.sent(step)
        return self.start if number is None else number

    def sent(self, step: Step) -> int | None:
        """The number that this step has sent."""
        name, part = (self.param, "params") if self.body is None else (self.body, "json")
        value = cast("dict[str, Any]", step.get(part, {})).get(name)
        if value is not None and self.template is not None:
            before, _, behind = self.template.partition("{}")
            value = str(value).removeprefix(before).removesuffix(behind)
        return whole(value)

    def valid(self) -> None:
        for name in ("param", "body", "template", "size"):
            text_or_none(self, name)
        for name in ("total", "total_pages"):
            place_or_none(self, name)
        check_statuses(self.end_statuses)
        check.integer("start", self.start)
        if self.template is not None and self.template.count("{}") != 1:
            raise ValueError(
                f"template must contain {{}} exactly once, got {label.whole(self.template)}"
            )

    @abstractmethod
    def count(self, page: Page[Any]) -> int | None:
        """How many there are, if the page tells it."""

    @abstractmethod
    def stride(self, page: Page[Any]) -> int:
        """By how much the number grows behind this page."""

    def ahead(self, step: Step, first: Page[Any], count: int) -> Step | None:
        """The step after `step`, if there are as many as `count`."""
        return self._onward(self.position(step), self.stride(first), count)

    def _onward(self, number: int, stride: int, count: int) -> Step | None:
        following = number + stride
        return self.at(following) if stride and following < self.start + count else None

    def next(self, page: Page[Any]) -> Step | None:
        number = self.sent(page.origin.step)
        if number is None and self.body is None:  # the URL that was given may have one
            number = whole(page.response.url.params.get(self.param, ""))
        return self.after(self.start if number is None else number, page)

    def after(self, number: int, page: Page[Any]) -> Step | None:
        """The step after `page`, which has this number."""
        count, stride = self.count(page), self.stride(page)
        if count is not None and page.records and number + stride > self.start + count:
            count = None  # which are less than have come, so it counts something else
        if count is None:
            return self.at(number + stride) if page.records else None
        return self._onward(number, stride, count)

    def gap(self, first: Page[Any], page: Page[Any]) -> str | None:
        """Why pages of fixed steps would not fit together with this one, if they do not."""
        return None


@dataclass(frozen=True, repr=False)
class PageNumber(Countable):
    """Numbered pages: `?page=1`, `?page=2`, ...

    The last page is the one whose number is `total_pages`, a path in the body, a `Header` or a
    function of the `Page`. Where that is not given, or missing, an empty page is the end. So is a
    status in `end_statuses`, for APIs that answer with it past the end, except on the first page.
    `start` is the number of the API's first page. A run begins there, or at a number that its URL,
    its parameters or its body have.

    The number is sent as the parameter `param`, or put into the JSON body at the path `body`; with
    `template` it is what the number makes of that text in the place of `{}`. `total` is where the
    number of all items stands, and `size` the name of the parameter for `page_size`.

    Raises `TypeError` or `ValueError` if one of these is of another type.

    >>> PageNumber("p", total_pages="meta.pages", size="per_page")
    PageNumber(param='p', total_pages='meta.pages', size='per_page')
    """

    param: str = "page"
    start: int = 1
    total_pages: Place | None = None
    total: Place | None = None
    end_statuses: tuple[int, ...] = ()
    size: str | None = None
    body: str | None = None
    template: str | None = None

    def __post_init__(self) -> None:
        self.valid()

    def count(self, page: Page[Any]) -> int | None:
        return number_at(page, self.total_pages)

    def stride(self, page: Page[Any]) -> int:
        return 1


@dataclass(frozen=True, repr=False)
class Numbering(PageNumber):
    """`?page=1`, `?page=2`, ... up to an empty page, where nothing says how to continue.

    The first page was asked for without a number, and the API may count from 0 or from 1. So the
    first number is 1, whose page is either the first one again or the second one. A number in the
    URL that was given tells by itself.
    """

    def next(self, page: Page[Any]) -> Step | None:
        return self.at(1) if self.probes(page) else super().next(page)

    def probes(self, page: Page[Any]) -> bool:
        """Whether the page after this one may be the same again."""
        given: str = page.response.url.params.get(self.param, "")
        return not page.origin.step and not (given.isascii() and given.isdecimal())


@dataclass(frozen=True, repr=False)
class Offset(Countable):
    """Items counted from the beginning: `?offset=0`, `?offset=100`, ...

    Continues by as many items as have come, so a server may give fewer than asked for. `start` is
    that of `PageNumber`, for the first item. The end is where `total` says, which is a path in the
    body, a `Header` or a function of the `Page`, or an empty page. `size` is the name of the
    parameter for `page_size`; `body` and `template` are those of `PageNumber`.

    Raises `TypeError` or `ValueError` if one of these is of another type.

    >>> Offset("startAt", size="maxResults", total="total")
    Offset(param='startAt', size='maxResults', total='total')
    >>> Offset("query", start=1, template="select * from Invoice startposition {}")  # QuickBooks
    Offset(param='query', start=1, template='select * from Invoice startposition {}')
    """

    param: str = "offset"
    size: str | None = "limit"
    total: Place | None = None
    start: int = 0
    body: str | None = None
    template: str | None = None

    def __post_init__(self) -> None:
        self.valid()

    def count(self, page: Page[Any]) -> int | None:
        return number_at(page, self.total)

    def stride(self, page: Page[Any]) -> int:
        return len(page.records)

    def gap(self, first: Page[Any], page: Page[Any]) -> str | None:
        stride, came = self.stride(first), self.stride(page)
        following = self.position(page.origin.step) + stride
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

    `path` is where it is. It is sent as the parameter `param` or the header `header`, or put into
    the JSON body of the request at the path `body`. With `url` the following pages are asked for
    there, and a `body` holds nothing else. The end is an empty, null or absent cursor, or a false
    value at `more`. `more` is a path in the body, with `!` before it where true is the end, a
    `Header`, or a function of the `Page`. `size` is the name of the parameter for `page_size`.

    Raises `TypeError` unless just one of `param`, `body` and `header` is given, or if one of these
    is of another type.

    >>> Cursor("response_metadata.next_cursor", param="cursor")  # Slack
    Cursor(path='response_metadata.next_cursor', param='cursor')
    >>> Cursor("next_cursor", body="start_cursor", more="has_more")  # Notion
    Cursor(path='next_cursor', body='start_cursor', more='has_more')
    """

    path: str
    param: str | None = None
    body: str | None = None
    more: Place | None = None
    size: str | None = None
    header: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        check.text("path", self.path)
        for name in ("param", "body", "size", "header", "url"):
            text_or_none(self, name)
        place_or_none(self, "more")
        if [self.param, self.body, self.header].count(None) != 2:
            raise TypeError(
                "Cursor needs exactly one of param= (the parameter that sends the cursor), body="
                " (its path in the JSON of the request) and header=, got"
                f" param={label.whole(self.param)}, body={label.whole(self.body)} and"
                f" header={label.whole(self.header)}"
            )

    def next(self, page: Page[Any]) -> Step | None:
        more = wanted(page, self.more)
        if more is False:
            return None
        cursor = lookup(page.data, self.path)
        if not is_empty(cursor):
            step = sending(cursor, self.param, self.body, self.header)
            return step if self.url is None else {"url": self.url, **step}
        if more:
            problem = f"{self.more!r} says that there is more, but {self.path!r} has no cursor"
            raise PageDataError(problem, page.response, page.number)
        return None

    def missing(self, page: Page[Any]) -> str | None:
        return missing_at(page, self.path)


@dataclass(frozen=True, repr=False)
class HeaderCursor(Scheme):
    """A cursor in a header of each response, sent back as a parameter or as a header.

    The end is a response without it. `size` is the name of the parameter for `page_size`.

    Raises `TypeError` unless just one of `param` and `to_header` is given, or if one of these is of
    another type.

    >>> HeaderCursor("x-ms-continuationtoken", "continuationToken")  # Azure DevOps
    HeaderCursor(header='x-ms-continuationtoken', param='continuationToken')
    >>> HeaderCursor("Next-Range", to_header="Range")  # Heroku
    HeaderCursor(header='Next-Range', to_header='Range')
    """

    header: str
    param: str | None = None
    size: str | None = None
    to_header: str | None = None

    if TYPE_CHECKING:  # just one of the two

        @overload
        def __init__(self, header: str, param: str, size: str | None = None) -> None: ...
        @overload
        def __init__(self, header: str, *, size: str | None = None, to_header: str) -> None: ...
        def __init__(self, *args: Any, **options: Any) -> None: ...

    def __post_init__(self) -> None:
        check.text("header", self.header)
        for name in ("param", "size", "to_header"):
            text_or_none(self, name)
        if (self.param is None) == (self.to_header is None):
            raise TypeError(
                "HeaderCursor needs exactly one of param= (the parameter that sends the cursor) and"
                f" to_header= (the header that does), got param={label.whole(self.param)} and"
                f" to_header={label.whole(self.to_header)}"
            )

    def next(self, page: Page[Any]) -> Step | None:
        cursor = page.response.headers.get(self.header)
        return sending(cursor, self.param, None, self.to_header) if cursor else None

    def missing(self, page: Page[Any]) -> str | None:
        given = self.header in page.response.headers
        return None if given else f"the header {label.whole(self.header)}"


@dataclass(frozen=True, repr=False)
class NextURL(Scheme):
    """The URL of the next page in the body; it may be relative. The end is where there is none.

    `path` may go into a list of links, as `links[rel=next].href` does. With `base`, another path,
    the URL is what stands there and the target behind it. `more` is that of `Cursor`, and `size`
    the name of the parameter for `page_size`. The following pages are asked for with `method`, by
    default that of the run and with its body; a link of a POST search is mostly for GET.

    Raises `TypeError` if one of these is of another type.

    >>> NextURL("@odata.nextLink")  # Microsoft Graph
    NextURL(path='@odata.nextLink')
    >>> NextURL("_links.next", base="_links.base")  # Confluence
    NextURL(path='_links.next', base='_links.base')
    """

    path: str = "next"
    size: str | None = None
    more: Place | None = None
    base: str | None = None
    method: str | None = None

    def __post_init__(self) -> None:
        check.text("path", self.path)
        for name in ("size", "base", "method"):
            text_or_none(self, name)
        place_or_none(self, "more")

    def next(self, page: Page[Any]) -> Step | None:
        if wanted(page, self.more) is False:
            return None
        target = lookup(page.data, self.path)
        if is_empty(target):
            return None
        step = linked(target, page)
        if step is None:
            problem = f"{self.path!r} should be a URL, got {in_words(target)}"
            raise PageDataError(problem, page.response, page.number)
        if self.base is not None:
            step["url"] = f"{lookup(page.data, self.base)}".rstrip("/") + step.get("url", "")
        return step if self.method is None else {**step, "method": self.method.upper()}

    def missing(self, page: Page[Any]) -> str | None:
        return missing_at(page, self.path)


@dataclass(frozen=True, repr=False)
class NextParams(Scheme):
    """An object in the body whose members are the parameters of the next request.

    The end is where there is none, or a false value at `more`, as with `Cursor`.

    Raises `TypeError` if one of these is of another type.

    >>> NextParams("continue")  # MediaWiki
    NextParams(path='continue')
    """

    path: str
    more: Place | None = None

    def __post_init__(self) -> None:
        check.text("path", self.path)
        place_or_none(self, "more")

    def next(self, page: Page[Any]) -> Step | None:
        found = lookup(page.data, self.path)
        if wanted(page, self.more) is False or found is MISSING or not found:
            return None
        if not is_object(found) or not all(map(is_scalar, found.values())):
            problem = f"{self.path!r} should hold parameters, got {in_words(found)}"
            raise PageDataError(problem, page.response, page.number)
        return {"params": {**found}}

    def missing(self, page: Page[Any]) -> str | None:
        return missing_at(page, self.path)


@dataclass(frozen=True, repr=False)
class LinkHeader(Scheme):
    """The link with the relation `rel` in the `Link` header (RFC 8288); the end is without one.

    Raises `TypeError` if `rel` or `size` is not a text.

    >>> LinkHeader(size="per_page")  # GitHub
    LinkHeader(size='per_page')
    """

    rel: str = "next"
    size: str | None = None

    def __post_init__(self) -> None:
        check.text("rel", self.rel)
        text_or_none(self, "size")

    def next(self, page: Page[Any]) -> Step | None:
        target = link(page.response.headers.get_list("link"), self.rel, str(page.response.url))
        return None if target is None else {"url": target}

    def missing(self, page: Page[Any]) -> str | None:
        return f"a Link header with rel={self.rel!r}"


@dataclass(frozen=True, repr=False)
class LastItem(Scheme):
    """What the last item has at the path `key` is sent back, for the items after it.

    It is sent as the parameter `param`, or put into the JSON body at the path `body`; `add` is
    added to it before. The end is a false value at the path `more` in the body. With `more=None`,
    which is known as keyset pagination, it is an empty page.

    Raises `TypeError` unless just one of `param` and `body` is given, or if one of these is of
    another type.

    >>> LastItem("id", "starting_after")  # Stripe
    LastItem(key='id', param='starting_after')
    >>> LastItem("id", "max_id", more=None)  # Mastodon
    LastItem(key='id', param='max_id', more=None)
    >>> LastItem("sort", body="search_after", more=None)  # Elasticsearch
    LastItem(key='sort', more=None, body='search_after')
    >>> LastItem("update_id", "offset", more=None, add=1)  # Telegram
    LastItem(key='update_id', param='offset', more=None, add=1)
    """

    key: str
    param: str | None = None
    more: str | None = MORE
    size: str | None = None
    body: str | None = None
    add: int = 0

    if TYPE_CHECKING:  # just one of the two

        @overload
        def __init__(
            self,
            key: str,
            param: str,
            more: str | None = MORE,
            size: str | None = None,
            *,
            add: int = 0,
        ) -> None: ...
        @overload
        def __init__(
            self,
            key: str,
            *,
            more: str | None = MORE,
            size: str | None = None,
            body: str,
            add: int = 0,
        ) -> None: ...
        def __init__(self, *args: Any, **options: Any) -> None: ...

    def __post_init__(self) -> None:
        check.text("key", self.key)
        for name in ("param", "more", "size", "body"):
            text_or_none(self, name)
        check.integer("add", self.add)
        if (self.param is None) == (self.body is None):
            raise TypeError(
                "LastItem needs exactly one of param= (the parameter that sends the key) and body="
                f" (its path in the JSON of the request), got param={label.whole(self.param)} and"
                f" body={label.whole(self.body)}"
            )

    def next(self, page: Page[Any]) -> Step | None:
        if self.more is None:
            return self.after_last(page) if page.records else None
        more = wanted(page, self.more)
        if more is None:
            problem = f"the page has no {self.more!r}, which says whether there are more items"
            raise PageDataError(problem, page.response, page.number)
        return self.after_last(page) if more else None

    def after_last(self, page: Page[Any]) -> Step:
        last: Any = lookup(page.records[-1], self.key) if page.records else MISSING
        kinds = (str, int) if self.body is None else (str, int, float, list, dict)
        if type(last) not in kinds or (self.add and type(last) is not int):
            problem = f"the page has no last item with a usable {self.key!r} to continue after"
            raise PageDataError(problem, page.response, page.number)
        return sending(last + self.add if self.add else last, self.param, self.body)


@dataclass(frozen=True, repr=False)
class GraphQL(Scheme):
    """A connection of GraphQL, as Relay has it: `pageInfo` with `hasNextPage` and `endCursor`.

    `path` is where the connection is in the response, such as "data.repository.issues". The cursor
    is sent as the variable `after` of the query, and `page_size` as the variable `size`. The items
    are its `nodes`, or without these its `edges`. Errors inside a response of success are a
    `GraphQLError`.

    Raises `TypeError` if one of these is not a text.

    >>> GraphQL("data.repository.issues")
    GraphQL(path='data.repository.issues')
    """

    path: str
    after: str = "after"
    size: str | None = "first"

    def __post_init__(self) -> None:
        check.text("path", self.path)
        check.text("after", self.after)
        text_or_none(self, "size")

    def sized(self, page_size: int) -> Step:
        return {"json": {f"variables.{self.size}": page_size}}

    def items(self, data: Any) -> str:
        with_nodes = lookup(data, f"{self.path}.nodes") is not MISSING
        with_edges = lookup(data, f"{self.path}.edges") is not MISSING
        return f"{self.path}.{'edges' if with_edges and not with_nodes else 'nodes'}"

    def check(self, data: Any, response: Any, number: int) -> None:
        errors = lookup(data, "errors")
        if errors is not MISSING and errors:
            raise GraphQLError(errors, response.url, number)

    def next(self, page: Page[Any]) -> Step | None:
        more = lookup(page.data, f"{self.path}.pageInfo.hasNextPage")
        cursor = lookup(page.data, f"{self.path}.pageInfo.endCursor")
        if more is MISSING or (more and not isinstance(cursor, str)):
            problem = f"{self.path!r} has no pageInfo with hasNextPage and endCursor"
            raise PageDataError(problem, page.response, page.number)
        return {"json": {f"variables.{self.after}": cursor}} if more else None


@dataclass(frozen=True, repr=False)
class Function(Scheme):
    """What a function of the user's says of the next page."""

    fn: Callable[[Page[Any]], Any]

    async def next(self, page: Page[Any]) -> Step | None:
        said = await resolved(self.fn(page))
        if said is None or isinstance(said, Mapping):
            given = cast("Mapping[str, Any] | None", said)
            if not given:
                return None
            return cast("Step", {**given}) if is_step(given) else {"params": {**given}}
        if isinstance(said, str) or hasattr(said, "copy_with"):
            return {"url": str(said)}
        raise TypeError(
            "next must return the URL of the next page, a dictionary of parameters, a Step or None,"
            f" got {label.whole(said)}"
        )

    def __repr__(self) -> str:
        return str(label.value(self.fn))


# -- what the schemes share ---------------------------------------------------------------------


def wanted(page: Page[Any], more: Place | None) -> bool | None:
    """Whether the value at `more` says that there is more, or None if there is none."""
    if more is None:
        return None
    inverted = isinstance(more, str) and more.startswith("!")
    found = find(page, more[1:] if inverted and isinstance(more, str) else more)
    if found is MISSING:
        return None
    return (found not in FALSE) != inverted


def missing_at(page: Page[Any], path: str) -> str | None:
    """The path, in words, if nothing is there."""
    return repr(path) if lookup(page.data, path) is MISSING else None


def is_empty(value: Any) -> bool:
    """Whether a cursor or a URL leads nowhere; the number 0 is a cursor."""
    return any(value is each or value == each is not False for each in EMPTY)


def is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def sending(value: Any, param: str | None, body: str | None, header: str | None = None) -> Step:
    if header is not None:
        return {"headers": {header: str(value)}}
    return {"params": {param: value}} if param is not None else {"json": {str(body): value}}


def linked(target: Any, page: Page[Any]) -> Step | None:
    """The step to the target of a link: a URL, or an object with one, as STAC and HAL have it."""
    if isinstance(target, str):
        return {"url": target}
    if not is_object(target):
        return None
    url = next((target[name] for name in TARGETS if isinstance(target.get(name), str)), None)
    if url is None:
        return None
    step: Step = {"url": url}
    method, body = target.get("method"), target.get("body")
    if isinstance(method, str):
        step["method"] = method.upper()
    if is_object(body) and step.get("method", "GET") != "GET":
        step["json"] = {**(sent(page) if target.get("merge") is True else {}), **body}
    return step


def sent(page: Page[Any]) -> dict[str, Any]:
    """The JSON object that the request for a page has sent."""
    return sent_in(page.response.request)


def sent_in(request: Any) -> dict[str, Any]:
    """The JSON object that a request has sent."""
    with suppress(ValueError, AttributeError):
        body: Any = json.loads(request.content)
        if isinstance(body, dict):
            return cast("dict[str, Any]", body)
    return {}


def check_graphql(data: Any, response: Any, number: int) -> None:
    """Raise the errors in the response to a query of GraphQL, which is a text with braces."""
    errors = lookup(data, "errors")
    if errors is MISSING or not errors:
        return
    query = sent_in(response.request).get("query")
    if isinstance(query, str) and "{" in query:
        raise GraphQLError(errors, response.url, number)


def scheme_of(value: Any) -> Scheme | None:
    """The scheme that `next=` stands for; None is to detect one."""
    if value is None or isinstance(value, Scheme):
        return value
    if callable(value) and not isinstance(value, type):
        check.called_function("next", value, "")
        return Function(value)
    raise TypeError(
        "next must be a scheme such as LinkHeader() or PageNumber(), a function of the page,"
        f" or None to detect one, got {label.whole(value)}"
    )


def text_or_none(scheme: Scheme, name: str) -> None:
    value = getattr(scheme, name)
    if value is not None:
        check.text(name, value)


def check_statuses(statuses: Any) -> None:
    given: Any = statuses
    if not isinstance(statuses, Collection) or not all(isinstance(each, int) for each in given):
        raise TypeError(
            "end_statuses must be a collection of statuses such as (404,), got"
            f" {label.whole(statuses)}"
        )


def place_or_none(scheme: Scheme, name: str) -> None:
    value = getattr(scheme, name, None)
    if value is None or isinstance(value, str | Header):
        return
    if not callable(value):
        raise TypeError(
            f"{name} must be a path in the body, a Header or a function of the page, got"
            f" {label.whole(value)}"
        )
    check.called_plain(name, value, " of the page")
