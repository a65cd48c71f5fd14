"""From a response to a page: its items, and what is wrong with it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from .. import _checks as check
from .._batches import MISSING
from .._steps import is_awaitable
from . import _detect as detect
from ._errors import ItemsNotFound, PageDataError, SchemeNotFound, TruncatedPage, told
from ._json import Document, NotJSON, loads
from ._page import Asked, Page, Step, lookup
from ._schemes import Numbering, Scheme

Finder: TypeAlias = str | Callable[[Any], Any] | None
"""Where the items are: a path, a function of the body, or None to find the only list."""

NO_CONTENT = 204

HOW_TO_SAY = "say how to ask for it with next=, or for this page alone with max_pages=1"


class Contents:
    """Makes pages of the responses of a run; what the first ones have shown holds for all."""

    def __init__(
        self, scheme: Scheme | None, items: Finder, asked: Asked, texts: bool, method: str
    ) -> None:
        self.method = method
        self.scheme = scheme
        self.items = items
        self.asked = asked
        self.texts = texts

    def empty(self, response: Any, step: Step, number: int) -> Page[Any]:
        """In the place of a response that has no body, or says that there is no such page."""
        return self.page([], [], response, None, step, number)

    async def read(self, response: Any, step: Step, number: int) -> Page[Any]:
        """The page. What is wrong with the way to the next one is kept in it, as its `error`."""
        if response.status_code == NO_CONTENT:
            page = self.empty(response, step, number)
        else:
            page = self.full(response, step, number)
        try:
            step_on: Any = self.following(page)
            page.next = absolute(await step_on if is_awaitable(step_on) else step_on, page)
        except Exception as error:
            page.error = error
        page.scheme = self.scheme
        return page

    def full(self, response: Any, step: Step, number: int) -> Page[Any]:
        try:
            document = Document(response.content, texts=True) if self.texts else None
            data = loads(response.content) if document is None else document.data
        except NotJSON as exc:
            kind = TruncatedPage if exc.truncated else PageDataError
            what = "the body was cut short" if exc.truncated else "the body is no JSON"
            raise kind(f"{what} ({exc})", response.url, number) from exc
        if self.scheme is not None:
            self.scheme.check(data, response, number)
        records = self.records(data, response, number)
        items = records
        if document is not None:
            items = self.in_text(document, records, response, number)
        return self.page(items, records, response, data, step, number)

    def in_text(
        self, document: Document, records: list[Any], response: Any, number: int
    ) -> list[str]:
        try:
            return document.texts(records)
        except ValueError as exc:
            raise ItemsNotFound(f"texts=True: {exc}", response.url, number) from None

    def records(self, data: Any, response: Any, number: int) -> list[Any]:
        items = self.items
        if items is None:
            items = self.items = self.place(data, response, number)
        found = items(data) if callable(items) else lookup(data, items) if items else data
        if issubclass(type(found), list):
            return cast("list[Any]", found)
        where = f"the value at {items!r}" if items else "the body itself"
        if callable(items):
            where = f"what {items!r} has found"
        what = "missing" if found is MISSING else f"no list, but {type(found).__name__}"
        problem = f"the body has no list of items: {where} is {what}"
        raise ItemsNotFound(problem, response.url, number)

    def place(self, data: Any, response: Any, number: int) -> str:
        """Where the items are: where the scheme says, or in the only list."""
        known = None if self.scheme is None else self.scheme.items
        if known is not None:
            return known
        lists = detect.lists(data)
        if len(lists) != 1:
            what = f"{len(lists)} lists: {', '.join(map(repr, lists))}" if lists else "no list"
            problem = f"the body has {what}; say where the items are with items="
            raise ItemsNotFound(problem, response.url, number)
        return lists[0]

    def following(self, page: Page[Any]) -> Step | Awaitable[Step | None] | None:
        """The next step, by the scheme that is given or detected."""
        if self.scheme is None:
            self.scheme = detect.scheme(page)
        if self.scheme is not None:
            return self.scheme.next(page)
        numbered = isinstance(page.step.get("params", {}).get(Numbering.param), int)
        sign = "" if page.step and not numbered else detect.more(page)
        if sign:
            raise SchemeNotFound(
                f"there may be more pages, since {sign}, but it does not name the URL of the next"
                f" one: {HOW_TO_SAY}",
                page.url,
                page.number,
            )
        if sign is not None or not page.records:
            return None
        if self.method != "GET":
            problem = f"nothing says whether there is another page: {HOW_TO_SAY}"
            raise SchemeNotFound(problem, page.url, page.number)
        self.scheme = Numbering()
        return self.scheme.next(page)

    def page(
        self,
        items: list[Any],
        records: list[Any],
        response: Any,
        data: Any,
        step: Step,
        number: int,
    ) -> Page[Any]:
        return Page(
            items,
            number,
            response,
            data,
            self.scheme,
            self.items if isinstance(self.items, str) else None,
            step,
            self.asked,
            records,
            range(len(records)),
        )


def absolute(step: Step | None, page: Page[Any]) -> Step | None:
    """The step with a whole URL, spelled as the client spells it, so that loops are noticed."""
    if step is None or "url" not in step:
        return step
    try:
        url = str(page.response.url.join(step["url"]))
    except Exception as exc:
        raise told(exc, step["url"], page.number + 1) from exc
    return {"url": url.partition("#")[0]}


def checked_finder(value: Any) -> Finder:
    if value is not None and not isinstance(value, str):
        check.function("items", value)
    found: Finder = value
    return found
