"""What pages come from: one after the other, or several at a time, and whether each is new."""

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio

from ..._core.contracts import MISSING, Owner, SourceDefaults
from .._clients import Client
from .._errors import (
    IncompleteWarning,
    PageDataError,
    PageStatusError,
    PaginationLoop,
    SchemeNotFound,
)
from .._urls import safe
from . import answers
from .fetcher import Fetch, Fetcher
from .known import Known
from .page import Answer, Asked, Page, State, Step, after, is_first_of_numbered, lookup, only, whole
from .reading import JUST_THIS, Finder, Loads, PageReader
from .requests import Ask, Pacer, Requests
from .schemes import Countable, Scheme

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class Reading:
    """How the pages of one `fetch_all_pages` are read; the same for all runs."""

    ask: Ask
    client: "httpx.AsyncClient | None"
    scheme: Scheme | None
    items: Finder
    texts: bool
    loads: Loads
    asked: Asked
    begin: State
    known: Known  # before that
    max_pages: int | None
    max_empty: int
    tasks: int


class Fetching(SourceDefaults):
    """What the sources of pages share: a run's requests, and the state it begins with."""

    any_task = True  # a page is read to its end, or asked for again

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.client: Client = Client(reading.client)
        self.requests: Requests = Requests(reading.ask, self.client)
        reader = PageReader(
            *(reading.scheme, reading.items, reading.asked, reading.texts, reading.loads),
            reading.known,
        )
        pacer = Pacer(reading.ask.interval, reading.tasks, reading.ask.max_retry_after)
        self.fetcher: Fetcher = Fetcher(self.requests, reader, pacer)
        self.step: Step | None = reading.begin["step"]
        self.skip: int = reading.begin["index"]  # items of it that were delivered
        self.number: int = reading.begin["page"]
        self.left = reading.max_pages
        known = reading.known
        self.came = known.came  # items, unless some were passed over
        # How many there are by the first page, and its URL.
        self.told: tuple[int, str] = known.total, reading.asked.url
        self.answer: Answer = known.answer  # of the last page
        self.newest: Page[Any] | None = None
        self.closes: bool = reading.client is None

    @property
    def holds(self) -> bool:
        return self.client.own is not None

    def come(self, page: Page[Any]) -> list[Page[Any]]:
        """The page as it is delivered; none if the run before has delivered all of its items.

        Such a page is asked for again because it leads on, and counts in that run alone.
        """
        self.number += 1
        origin = page.origin
        origin.before = origin.before.counting(self.came, self.told[0], self.answer)
        self.add(page)
        self.answer = page.answer
        origin.known = origin.known.counting(self.came, self.told[0], self.answer)
        skip, self.skip = self.skip, 0
        leads_on = page.next is not None or page.error is not None
        if leads_on and 0 < skip >= len(page.records):
            return []
        if self.left is not None:
            self.left -= 1
        return [after(page, skip) if skip else page]

    def add(self, page: Page[Any]) -> None:
        """Count the items, and keep the total: many servers tell it on the first page alone."""
        if self.came is None or begins_later(page):
            self.came = None
            return
        self.came += len(page.records)
        if page.number == 1:
            self.told = page.total or 0, page.url
        self.newest = page

    def has_all(self) -> bool:
        """Whether as many items have come as there are by the first page."""
        return 0 < self.told[0] == self.came

    def ended(self) -> None:
        """Warn if the server has told of more items than have come, unless some were before."""
        last, (total, url) = self.newest, self.told
        if last is not None and last.total:  # past the end some count the rows of the page: 0
            total, url = last.total, last.url
        if self.came is None or total <= self.came:
            return
        came, self.came = self.came, None
        warnings.warn(
            f"{url} tells of {total} items in total, but {came} came: the API may give only a part"
            " of them, or count something else",
            IncompleteWarning,
            stacklevel=2,
        )

    async def close(self, owner: Owner) -> None:
        await self.client.close(owner)


MUCH_THE_SAME = "it gives the same items for each number, or most of them"


class OneByOne(Fetching):
    """The pages one after the other, one batch each."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self.fetch: Fetch | None = None  # which outlasts a cancelled step
        self.seen: set[int] = set[int]()  # hashes of what was asked for
        self.asked: int | None = None  # the hash of the last request
        self.again: bool = False  # whether that was the same as the one before
        self.last: Page[Any] | None = None
        self.empty: int = 0  # pages without items in a row
        self.probed: Page[Any] | None = None  # the first page, while its number is not known
        self.repeated: bool = False  # whether the page with the number 1 is that, too

    async def batch(self) -> Iterator[Page[Any]] | None:
        if self.step is None or self.left == 0:
            if self.step is None:
                self.ended()
            return None
        if self.last is not None and self.last.error is not None:
            raise self.last.error
        try:
            page = await self.coming(self.step)
        except (PageStatusError, SchemeNotFound) as error:
            if not self.is_past(error):
                raise
            self.step = None
            return None
        if not page.records and self.has_all():  # some APIs name a next page for ever
            page = replace(page, next=None, answer="end")
        self.check_new(page)
        self.probed, self.repeated = page if is_first_of_numbered(page) else None, False
        self.last = page
        # What is wrong with the way to the next page is an error when that is asked for.
        self.step = page.next if page.error is None else page.origin.step
        return iter(self.come(page))

    async def coming(self, step: Step) -> Page[Any]:
        """The page of this step, or of the one after it where this is the first page again."""
        page = await self.following(step)
        if self.probed is None:
            return page
        if page.next is not None and self.is_first_again(self.probed, page):
            self.repeated = True
            self.step = page.next
            page = await self.following(self.step)
        return self.told_from(self.probed, page)

    async def following(self, step: Step) -> Page[Any]:
        """The page of this step."""
        if self.fetch is None:
            if self.client.given is None:
                await self.requests.ready()
            self.fetch = self.new(step)
        try:
            page = await self.fetch.page()
        except PageStatusError as error:
            if self.probed is None or not refuses(error):
                raise
            raise self.no_numbers(self.probed, "it refuses the parameter") from error
        self.fetch = None
        return page

    def is_past(self, error: PageStatusError | SchemeNotFound) -> bool:
        """Whether there is no page as the one before was the last: all have come, by the total."""
        refused = isinstance(error, SchemeNotFound) or refuses(error)
        return self.answer == "unknown" and refused and self.has_all()

    def new(self, step: Step) -> Fetch:
        """The fetching of this step, unless this run has asked for the same before.

        The last request may be repeated if that may have moved something at the server.
        """
        fetch = Fetch(self.fetcher, step, self.number)
        moves = step.get("method", self.reading.ask.method) != "GET" or sends_cursor(step)
        self.again = fetch.key == self.asked
        if fetch.key in self.seen and not (self.again and moves):
            last = cast("Page[Any]", self.last)
            problem = f"it leads to {safe(fetch.url)}, which this run has asked for before"
            raise PaginationLoop(problem, last.response, last.number)
        self.seen.add(fetch.key)
        self.asked = fetch.key
        return fetch

    def check_new(self, page: Page[Any]) -> None:
        """Raise if the page brings nothing that the one before did not bring."""
        self.empty = 0 if page.records else self.empty + 1
        if self.empty > self.reading.max_empty and page.next is not None:
            problem = (
                f"{self.empty} pages in a row have no items, though each leads to another one;"
                f" max_empty={self.reading.max_empty} allows no more"
            )
            raise PaginationLoop(problem, page.response, page.number)
        if self.last is None or self.probed is not None:
            return
        before = self.last.records
        if same(before, page.records) or (self.again and is_about(before, page.records)):
            raise PaginationLoop(
                "it has the same items as the page before, or most of them: the API may not know"
                " the parameter that asks for the next page",
                page.response,
                page.number,
            )
        if self.last.answer == "unknown" and is_about(before, page.records):
            raise self.no_numbers(self.last)

    # -- where nothing says how to continue ---------------------------------------------------

    def is_first_again(self, first: Page[Any], page: Page[Any]) -> bool:
        """Whether the page with the number 1 is the first one again, and not the second one."""
        return not self.repeated and has_no_other(first.records, page.records)

    def told_from(self, first: Page[Any], page: Page[Any]) -> Page[Any]:
        """The page after the first one, without what has come with that.

        If pages move while they are read, the page with the number 1 may have items that are new:
        they may have come to it from the page after it. What has come is known by all of it there:
        an id may be that of an object which several items are about.
        """
        if not is_about(first.records, page.records):
            return page
        if self.repeated:
            raise self.no_numbers(first)
        return only(page, [at for at, it in enumerate(page.records) if it not in first.records])

    def no_numbers(self, before: Page[Any], why: str = MUCH_THE_SAME) -> SchemeNotFound:
        return SchemeNotFound(
            "nothing says whether there is another page, and the API has no parameter"
            f" {cast('Countable', before.scheme).param!r}, since {why}: pass next= to say how to"
            f" ask for it, or {JUST_THIS}",
            before.response,
            before.number,
        )


class AtATime(Fetching):
    """The first page, and then the fetching of each other one: functions, for workers to call."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self.scheme: Countable = cast("Countable", reading.scheme)
        self.first: Page[Any] | None = None
        self.records: dict[int, list[Any]] = {}  # of the pages that wait for their neighbours
        self.count: int = 0  # how many there are, by the page that has told of most
        self.flying: int = 0  # pages that are being fetched
        self.landed: anyio.Event = anyio.Event()

    async def batch(self) -> Iterator[Callable[[], Any]] | None:
        if self.step is None or self.left == 0:
            return None
        if self.first is None:
            await self.requests.ready()
            fetch = Fetch(self.fetcher, self.step, self.number)
            self.first = first = await fetch.page()
            self.records[first.number] = first.records
            pages = self.come(first)
            return iter([pages.pop] if pages else [])
        self.check(self.first)
        step = await self.following(self.step, self.first)
        if step is None:
            self.ended()
            return None
        number = self.number
        self.step: Step | None = step
        self.number: int = number + 1
        if self.left is not None:
            self.left -= 1
        self.flying += 1
        return iter((lambda: self.one(step, number),))

    def check(self, first: Page[Any]) -> None:
        self.learn(first)
        if first.next is not None and not self.count:
            problem = f"concurrency needs to know how many pages there are, but {self.scheme!r}"
            raise PageDataError(f"{problem} finds no number here", first.response, first.number)

    def learn(self, page: Page[Any]) -> None:
        """Pages come in any order, so one that tells of fewer may be older than the last one."""
        self.count = max(self.count, self.scheme.count(page) or 0)

    async def following(self, step: Step, first: Page[Any]) -> Step | None:
        """The step after `step`. The pages on their way may still say that there are more."""
        while True:
            ahead = self.scheme.ahead(step, first, self.count)
            if ahead is not None or not self.flying:
                return ahead
            await self.landed.wait()

    async def one(self, step: Step, number: int) -> Page[Any]:
        assert self.first is not None
        try:
            page = await Fetch(self.fetcher, step, number).page()
            gap = self.scheme.gap(self.first, page)
            if gap is not None:
                raise PageDataError(gap, page.response, number)
            self.check_new(page)
            self.learn(page)
            self.add(page)
        finally:
            self.flying -= 1
            self.landed.set()
            self.landed = anyio.Event()
        return page

    def check_new(self, page: Page[Any]) -> None:
        """Raise if the page has the items of one beside it."""
        for number in (page.number - 1, page.number + 1):
            if number in self.records and same(self.records[number], page.records):
                raise PaginationLoop(
                    f"it has the same items as page {number}: the API may not know the parameter"
                    " that asks for a page",
                    page.response,
                    page.number,
                )
        self.records[page.number] = page.records
        self.records.pop(page.number - 2 * self.reading.tasks, None)


def begins_later(page: Page[Any]) -> bool:
    """Whether a number in the URL that was given says where the run begins."""
    if page.origin.step:
        return False
    numbers = {getattr(page.scheme, "param", None), *answers.repeated(page)}
    return not numbers.isdisjoint(page.response.url.params)


def refuses(error: PageStatusError) -> bool:
    """Whether a status says that the request is not one that can be answered."""
    return error.status < 500 and error.status not in (401, 403, 429)


def sends_cursor(step: Step) -> bool:
    """Whether a step sends something else than numbers, which may stay while the server moves."""
    parts = (step.get("params", {}), step.get("json", {}), step.get("headers", {}))
    return any(whole(value) is None for part in parts for value in part.values())


# -- whether a page is new ----------------------------------------------------------------------

NAMES = ("id", "_id", "uuid", "guid", "key", "url", "slug", "sha", "ID", "Id")
WRAPPERS = ("node", "data", "attributes", "_source")
IDENTITIES = (*NAMES, *(f"{wrapper}.{name}" for wrapper in WRAPPERS for name in NAMES))
"""What tells one item from another, in the order in which it is looked for."""


def same(records: list[Any], others: list[Any]) -> bool:
    """Whether both hold the same items in the same order, and any at all."""
    if len(records) != len(others) or not records:
        return False
    if records[0] != others[0]:  # nearly always, and then mostly no more is to be looked at
        path = identity_of(records[0])
        if path is None or lookup(records[0], path) != lookup(others[0], path):
            return False
    key = identity(records, others)
    return [*map(key, records)] == [*map(key, others)]


def has_no_other(records: list[Any], others: list[Any]) -> bool:
    """Whether all of the `others`, and there are some, are among `records`."""
    before, after = keys(records, others)
    if not all(map(are_unique, (before, after))):
        return before == after
    return 0 < len(after) == len({*before} & {*after})


def is_about(records: list[Any], others: list[Any]) -> bool:
    """Whether a page is the one of `records` again, though some items have come to it or gone.

    New items push the last ones of a page to the next one, so that may begin with a few of them.
    But it has no more than a half of them, and does not end with the first ones.
    """
    before, after = keys(records, others)
    if not all(map(are_unique, (before, after))):
        return before == after
    common = len({*before} & {*after})
    return 2 * common > max(len(before), len(after)) or is_pushed_down(records, others)


def is_pushed_down(records: list[Any], others: list[Any]) -> bool:
    """Whether the `others` end with the first ones of `records`, behind some that are new."""
    if not records or records[0] not in others:
        return False
    start = others.index(records[0])
    return others[start:] == records[: len(others) - start]


def keys(records: list[Any], others: list[Any]) -> tuple[list[Any], list[Any]]:
    """What the items of both pages are known by."""
    key = identity(records, others)
    return [*map(key, records)], [*map(key, others)]


def identity(records: list[Any], others: list[Any]) -> Callable[[Any], Any]:
    """What the items of two pages are known by.

    That is an id if all have one that no other item of its page has, and otherwise all of the item:
    what repeats within a page names an object which several items are about.
    """
    for path in IDENTITIES:
        if is_identity(path, records) and is_identity(path, others):
            return partial(at, path)
    return whole_text


def is_identity(path: str, items: list[Any]) -> bool:
    """Whether each item has a value there that no other one has."""
    return all(has(item, path) for item in items) and are_unique([at(path, it) for it in items])


def are_unique(values: list[Any]) -> bool:
    return len({*values}) == len(values)


def identity_of(item: Any) -> str | None:
    """The path of the id of an item."""
    return next((path for path in IDENTITIES if has(item, path)), None)


def has(item: Any, path: str) -> bool:
    value = lookup(item, path)
    return value is not MISSING and isinstance(value, str | int) and not isinstance(value, bool)


def at(path: str, item: Any) -> Any:
    return lookup(item, path)


def whole_text(item: Any) -> str:
    return json.dumps(item, sort_keys=True, default=repr)
