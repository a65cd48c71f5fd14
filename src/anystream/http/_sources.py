"""What pages come from: one after the other, or several at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any, cast

import anyio

from .._run import Host
from . import _detect as detect
from ._attempts import Fetch
from ._clients import Client
from ._contents import HOW_TO_SAY, Contents, Finder
from ._errors import PageDataError, PageStatusError, PaginationLoop, SchemeNotFound
from ._page import Asked, Page, State, Step
from ._requests import Ask, Requests
from ._schemes import Countable, Numbering, Scheme
from ._urls import safe

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
    asked: Asked
    begin: State
    max_pages: int | None


class Fetching:
    """What the sources of pages share: a run's requests, and the state it begins with."""

    busy = False
    any_task = True  # a page is read to its end, or asked for again

    def __init__(self, reading: Reading) -> None:
        self.client = Client(reading.client)
        self.requests = Requests(reading.ask, self.client)
        self.contents = Contents(
            reading.scheme, reading.items, reading.asked, reading.texts, reading.ask.method
        )
        self.step: Step | None = reading.begin["step"]
        self.skip = reading.begin["index"]  # items of the first page that were delivered before
        self.number = reading.begin["page"]
        self.left = reading.max_pages
        self.closes = reading.client is None

    @property
    def holds(self) -> bool:
        return self.client.own is not None

    def come(self, page: Page[Any]) -> Page[Any]:
        self.number += 1
        if self.left is not None:
            self.left -= 1
        if self.skip:
            page.places = page.places[self.skip :]
            page.items = page.items[self.skip :]
            self.skip = 0
        return page

    async def close(self, host: Host) -> None:
        await self.client.close(host)


class Pages(Fetching):
    """The pages one after the other, one batch each."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self.fetch: Fetch | None = None  # which outlasts a cancelled step
        self.seen = set[int]()  # hashes of what was asked for
        self.last: Page[Any] | None = None
        self.probed: Page[Any] | None = None  # the first page, while its number is not known
        self.repeated = False  # whether the page with the number 1 is that, too

    async def batch(self) -> Iterator[Page[Any]] | None:
        if self.step is None or self.left == 0:
            return None
        if self.last is not None and self.last.error is not None:
            raise self.last.error
        page = await self.following(self.step)
        if self.probed is not None and self.is_first_again(self.probed, page):
            self.repeated = True
            assert page.next is not None
            self.step = page.next
            page = await self.following(self.step)
            self.is_first_again(self.probed, page)
        self.probed, self.repeated = page if is_probe(page) else None, False
        self.last = self.come(page)
        # What is wrong with the way to the next page is an error when that is asked for.
        self.step = page.next if page.error is None else page.step
        return iter((page,))

    async def following(self, step: Step) -> Page[Any]:
        """The page of this step."""
        if self.fetch is None:
            if self.client.given is None:
                await self.requests.ready()
            self.fetch = self.new(step)
        try:
            page = await self.fetch.page()
        except PageStatusError as error:
            if self.probed is None or error.status in (401, 403, 429) or error.status >= 500:
                raise
            raise self.no_numbers("it refuses the parameter") from error
        self.fetch = None
        return page

    def is_first_again(self, first: Page[Any], page: Page[Any]) -> bool:
        """Whether the page with the number 1 is the first one again, and not the second one.

        If pages move while they are read, what is new in it comes now: it may be what has come to
        it from the page after it.
        """
        again = detect.shared(first, page)
        if self.repeated:
            if again and all(again):
                raise self.no_numbers("it gives the same page for each number")
            return False
        if again and all(again):
            return True
        if 2 * sum(again) >= len(again):
            only(page, [not each for each in again])
        return False

    def no_numbers(self, why: str) -> SchemeNotFound:
        first = cast("Page[Any]", self.probed)
        problem = (
            "nothing says whether there is another page, and the API has no parameter"
            f" {Numbering.param!r}, since {why}: {HOW_TO_SAY}"
        )
        return SchemeNotFound(problem, first.url, first.number)

    def new(self, step: Step) -> Fetch:
        """The fetching of this step, unless this run has asked for the same before."""
        fetch = Fetch(self.requests, self.contents, step, self.number)
        key = fetch.key
        if key in self.seen:
            last = cast("Page[Any]", self.last)
            problem = f"it leads to {safe(fetch.url)}, which this run has asked for before"
            raise PaginationLoop(problem, last.url, last.number)
        self.seen.add(key)
        return fetch


class Plan(Fetching):
    """The first page, and then the fetching of each other one: functions, for workers to call."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self.scheme = cast("Countable", reading.scheme)
        self.first: Page[Any] | None = None
        self.count = 0  # how many there are, by the page that has told of most
        self.flying = 0  # pages that are being fetched
        self.landed = anyio.Event()

    async def batch(self) -> Iterator[Callable[[], Any]] | None:
        if self.step is None or self.left == 0:
            return None
        if self.first is None:
            await self.requests.ready()
            fetch = Fetch(self.requests, self.contents, self.step, self.number)
            self.first = page = self.come(await fetch.page())
            return iter((lambda: page,))
        self.check(self.first)
        step = await self.following(self.step, self.first)
        if step is None:
            return None
        number, self.step = self.number, step
        self.number += 1
        if self.left is not None:
            self.left -= 1
        self.flying += 1
        return iter((lambda: self.one(step, number),))

    def check(self, first: Page[Any]) -> None:
        self.learn(first)
        if first.next is not None and not self.count:
            problem = f"concurrency needs to know how many pages there are, and {self.scheme!r}"
            raise PageDataError(f"{problem} finds no number", first.url, first.number)

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
            page = await Fetch(self.requests, self.contents, step, number).page()
            gap = self.scheme.gap(self.first, page)
            if gap is not None:
                raise PageDataError(gap, page.url, number)
            self.learn(page)
        finally:
            self.flying -= 1
            self.landed.set()
            self.landed = anyio.Event()
        return page


def is_probe(page: Page[Any]) -> bool:
    scheme = page.scheme
    return isinstance(scheme, Numbering) and page.next is not None and scheme.probes(page)


def only(page: Page[Any], kept: list[bool]) -> Page[Any]:
    """The page with these of its items."""
    page.items = [*compress(page.items, kept)]
    page.places = [*compress(page.places, kept)]
    return page


def call(fetch: Callable[[], Any]) -> Any:
    return fetch()
