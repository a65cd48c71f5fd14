"""From a response to a page: its items, the way to the next one, and what is wrong with either."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias, cast

from ... import _args as check
from ..._core.contracts import MISSING
from .._errors import ItemsNotFound, PageDataError, SchemeNotFound, TruncatedPage, told
from .._urls import origin, same
from . import answers, listing
from .document import STRICT, Document, NotJSON, cut_short
from .failures import ERRORS, check_success, failure, is_report, outlined, reason
from .known import Known
from .page import Asked, Origin, Page, Step, in_words, is_object, lookup
from .schemes import (
    Countable,
    Cursor,
    Function,
    GraphQL,
    NextParams,
    Numbering,
    Scheme,
    check_graphql,
    wanted,
)

Finder: TypeAlias = str | Callable[[Any], Any] | None
"""Where the items are: a path, a function of the body, or None to find the only list."""

Loads: TypeAlias = Callable[[bytes], Any] | None

NO_CONTENT = 204

JUST_THIS = "max_pages=1 if this page is all there is"


class PageReader:
    """Makes pages of the responses of a run; what the first ones have shown holds for all."""

    def __init__(
        self,
        scheme: Scheme | None,
        items: Finder,
        asked: Asked,
        texts: bool,
        loads: Loads,
        known: Known,
    ) -> None:
        self.given = scheme
        self.scheme = scheme or known.scheme  # or the one that was detected last
        self.items = known.items if items is None else items
        self.asked = asked
        self.with_texts = texts
        self.loads = loads
        self.beside = known.beside  # lists that have stood beside that of the items
        self.outline = known.outline  # of the first body that had the list
        self.count = known.told  # how many pages or items there are, as told last
        self.echo = known.echo  # where responses repeat the number that was asked for

    @property
    def known(self) -> Known:
        """What the pages so far have shown, but for what is counted of them."""
        detected = self.scheme if self.given is None else None
        return Known(
            items=self.items if isinstance(self.items, str) else None,
            beside=self.beside,
            outline=self.outline,
            scheme=detected if isinstance(detected, Countable) else None,
            echo=self.echo,
            told=self.count,
        )

    def empty(self, response: Any, step: Step, number: int) -> Page[Any]:
        """In the place of a response that has no body, or says that there is no such page."""
        return self.page([], [], response, None, step, number)

    async def read(self, response: Any, step: Step, number: int) -> Page[Any]:
        """The page. What is wrong with the way to the next one is kept in it, as its `error`."""
        if response.status_code == NO_CONTENT:
            page = self.empty(response, step, number)
            self.check_past(page)
        else:
            page = self.full(response, step, number)
            self.check_echo(page)
        return await self.led_on(page)

    async def led_on(self, page: Page[Any]) -> Page[Any]:
        """The page with the way to the next one."""
        said = answers.Said("unknown")
        following, error = None, None
        try:
            if self.given is not None:
                step: Any = self.given.next(page)
                following = await step if isinstance(self.given, Function) else await awaited(step)
                self.check_place(page, following)
                said = answers.Said("end" if following is None else "more", "", self.given)
            else:
                said = answers.say(page, self.scheme)
                said, following = self.detected(page, said)
            following = absolute(following, page)
            self.learn(page)
            leads_on = page.records or following != page.origin.step
            if not leads_on and not says_more(page, self.given):
                following = None  # it leads to itself, and brings nothing
        except Exception as exc:
            error = exc
        page.origin.known = self.known
        return replace(
            page,
            next=following,
            answer=said.answer,
            sign=said.sign,
            scheme=said.scheme,
            error=error,
        )

    # -- the items ------------------------------------------------------------------------------

    def full(self, response: Any, step: Step, number: int) -> Page[Any]:
        try:
            document = Document(response.content, texts=True) if self.with_texts else None
            data = self.data(response.content) if document is None else document.data
        except ValueError as exc:
            raise self.unreadable(exc, response, number) from exc
        if self.given is not None:
            self.given.check(data, response, number)
        check_graphql(data, response, number)
        check_success(data, response, number)
        found = self.records(data, response, number)
        if not found and (problem := failure(data, self.items, response.request)) is not None:
            raise PageDataError(problem, response, number)
        items = records = found or []
        if document is not None and records:
            items = self.in_text(document, records, response, number)
        page = self.page(items, records, response, data, step, number)
        if found is None:
            self.check_absent(page)
            self.check_past(page)
        elif self.outline is None:
            self.outline = outlined(data, self.items)
        return page

    def data(self, content: bytes) -> Any:
        """The body out of JSON."""
        if self.loads is not None:
            return self.loads(content)
        try:
            return STRICT.decode(content.decode())
        except (ValueError, RecursionError):
            return Document(content).data  # or what is wrong with it

    def unreadable(self, exc: ValueError, response: Any, number: int) -> PageDataError:
        # What a function of the user's raises does not tell, so the body is looked at once more.
        cut = exc.truncated if isinstance(exc, NotJSON) else cut_short(response.content)
        if cut and response.headers.get("content-length") != "0":
            return TruncatedPage(f"the body was cut short ({exc})", response, number)
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        beginning = in_words(response.content[:60].decode("utf-8", "replace"))
        what = f", but {kind}" if kind and "json" not in kind else ""
        hint = "; read it with ndjson()" if "ndjson" in kind or "jsonl" in kind else ""
        problem = f"the body is not JSON{what}, and begins with {beginning} ({exc}){hint}"
        return PageDataError(problem, response, number)

    def in_text(
        self, document: Document, records: list[Any], response: Any, number: int
    ) -> list[str]:
        try:
            return document.texts(records)
        except ValueError as exc:
            raise ItemsNotFound(f"texts=True: {exc}", response, number) from None

    def records(self, data: Any, response: Any, number: int) -> list[Any] | None:
        """The list of the items, or None where it is absent or null."""
        items = self.items
        if items is None:
            items = self.items = self.place(data, response, number)
        found = items(data) if callable(items) else lookup(data, items) if items else data
        if issubclass(type(found), list):
            if self.beside is None:
                lists = [] if data is found else listing.lists(data)
                self.beside = frozenset(path for path in lists if path != items)
            return cast("list[Any]", found)
        if found is None or found is MISSING:
            return None
        where = f"the value at {items!r}" if items else "the body itself"
        if callable(items):
            where = f"what {items!r} returned"
        problem = f"the body has no list of items: {where} is not a list, but {in_words(found)}"
        raise ItemsNotFound(problem, response, number)

    def check_absent(self, page: Page[Any]) -> None:
        """An absent list is an empty page, unless the body shows that something else is wrong."""
        items, data = self.items, page.data
        others = [path for path in listing.filled(data) if path not in (self.beside or ())]
        if not callable(items) and others and page.total != 0:
            raise ItemsNotFound(
                f"the body has no list of items: nothing is at {items!r}, but there"
                f" is a list at {' and at '.join(map(repr, others))}",
                page.response,
                page.number,
            )
        self.check_outline(page)
        parent = items.rpartition(".")[0] if isinstance(items, str) else ""
        if (
            parent
            and page.total != 0
            and lookup(data, parent) is MISSING
            and lookup(data, str(items)) is MISSING
        ):
            problem = f"the body has no list of items: nothing is at {parent!r}, nor at {items!r}"
            raise ItemsNotFound(problem, page.response, page.number)

    def check_outline(self, page: Page[Any]) -> None:
        """Raise if a body without the list is something else than a page."""
        data, outline = page.data, self.outline
        if is_object(data):
            if is_report(data) if outline is None else not outline.fits(data, self.items):
                problem = f"the body has no list of items, and is not like a page: {reason(data)}"
                raise PageDataError(problem, page.response, page.number)
        elif data is not None and not callable(self.items):
            problem = f"the body has no list of items: it is {in_words(data)}"
            raise ItemsNotFound(problem, page.response, page.number)

    def check_past(self, page: Page[Any]) -> None:
        """Raise if the list is absent before the end that an earlier page has told of."""
        scheme = self.scheme
        if self.count is None or not isinstance(scheme, Countable):
            return
        told = scheme.count(page)
        count = self.count if told is None else told
        if scheme.position(page.origin.step) < scheme.start + count:
            raise PageDataError(
                f"there is no list of items, but {scheme!r} finds a count of {count}, so this is"
                " not the end",
                page.response,
                page.number,
            )

    def place(self, data: Any, response: Any, number: int) -> str:
        """Where the items are: where the scheme says, or in the only list."""
        known = None if self.given is None else self.given.items(data)
        if known is not None:
            return known
        at = listing.inner(data)
        if at is not None:
            raise ItemsNotFound(
                "the body is a list with a list beside other values; pass a function that picks the"
                f" items (items=lambda body: body[{at}], in Python), or"
                ' items="" if these are the items',
                response,
                number,
            )
        likely = [""] if isinstance(data, list) else listing.likely(data)
        lists = [path for path in likely if path not in ERRORS]
        if len(lists) == 1:
            return lists[0]
        problem = failure(data, None, response.request)
        if problem is not None:
            raise PageDataError(problem, response, number)
        what = f"{len(lists)} lists: {', '.join(map(repr, lists))}" if lists else "no list"
        raise ItemsNotFound(
            f"the body has {what}; say where the items are with items="
            f"{self.advice(data, lists, response, number)}",
            response,
            number,
        )

    def advice(self, data: Any, lists: list[str], response: Any, number: int) -> str:
        """What to write, if the items are in the longest list."""
        found = {path: cast("list[Any]", lookup(data, path)) for path in lists}
        if not found:
            return ""
        path = max(found, key=lambda each: len(found[each]))
        page = self.page([], found[path], response, data, {}, number, path)
        said = answers.Said("unknown") if self.given is not None else answers.say(page)
        argument = said.advice or (f"next={said.scheme!r}" if said.scheme is not None else "")
        return f", such as items={path!r}{f', {argument}' if argument else ''}"

    # -- the way on -----------------------------------------------------------------------------

    def check_place(self, page: Page[Any], following: Step | None) -> None:
        """Raise where a first page lacks what the given scheme needs, but shows that there is more.

        So a misspelt name is an error, and not the end.
        """
        scheme = self.given
        if following is not None or page.origin.step or page.number > 1 or scheme is None:
            return
        missing = scheme.missing(page)
        if missing is None:
            return
        said = answers.say(page)
        if said.answer == "more":
            instead = said.advice or f"next={said.scheme!r}"
            raise SchemeNotFound(
                f"nothing is at {missing}, but there are more pages, since {said.sign}:"
                f" pass {instead}, or {JUST_THIS}",
                page.response,
                page.number,
            )

    def detected(self, page: Page[Any], said: answers.Said) -> tuple[answers.Said, Step | None]:
        """What the page as a whole says, and the step that follows from it."""
        before = self.scheme
        if not page.records and said.answer == "unknown":
            if isinstance(before, GraphQL):
                before.next(page)  # which raises if there is no connection
            return answers.Said("end", "there are no items", before), None
        if said.scheme is not None and (said.answer == "more" or self.counts(page, said.scheme)):
            self.scheme, self.echo = said.scheme, said.echo
            return said, said.step
        if said.answer == "more":
            raise SchemeNotFound(
                f"there are more pages, since {said.sign}, but nothing says how to ask for them:"
                f" pass {said.advice}, with the API's own parameter{and_start(said.advice)},"
                f" or {JUST_THIS}",
                page.response,
                page.number,
            )
        numbering = before if isinstance(before, Countable) else Numbering()
        if said.answer == "end" or not self.counts(page, numbering):
            return answers.Said("end", said.sign or "nothing leads on", before or said.scheme), None
        if page.response.request.method != "GET":
            problem = f"nothing says whether there are more pages: pass next=, or {JUST_THIS}"
            raise SchemeNotFound(problem, page.response, page.number)
        self.scheme = numbering
        return answers.Said("unknown", "", numbering), numbering.next(page)

    def learn(self, page: Page[Any]) -> None:
        told = self.scheme.count(page) if isinstance(self.scheme, Countable) else None
        if told is not None:
            self.count = told

    def counts(self, page: Page[Any], scheme: Scheme) -> bool:
        """Whether the page is the first one, or was asked for by the number of such a scheme."""
        step = page.origin.step
        return not step or getattr(scheme, "param", None) in step.get("params", {})

    def check_echo(self, page: Page[Any]) -> None:
        """Raise if the page repeats another number than the one that it was asked for with."""
        if self.given is not None or self.echo is None or self.scheme is None:
            return
        said = lookup(page.data, self.echo)
        wanted = page.origin.step.get("params", {})
        if said is not MISSING and wanted and str(said) not in map(str, wanted.values()):
            raise SchemeNotFound(
                f"the API ignores the parameter in {wanted}, since its response says that"
                f" {self.echo!r} is {in_words(said)}: pass next= to say how to ask for the next"
                f" page, or {JUST_THIS}",
                page.response,
                page.number - 1,
            )

    def page(
        self,
        items: list[Any],
        records: list[Any],
        response: Any,
        data: Any,
        step: Step,
        number: int,
        path: str | None = None,
    ) -> Page[Any]:
        given = self.items if isinstance(self.items, str) else path
        known = self.known
        origin = Origin(self.asked, step, range(len(records)), answers.total_of, known, known)
        return Page(items, number, response, data, records, given, origin)


async def awaited(step: Any) -> Step | None:
    """A step that a scheme of the user's may give as a coroutine."""
    return cast("Step | None", step if step is None or isinstance(step, dict) else await step)


def says_more(page: Page[Any], scheme: Scheme | None) -> bool:
    """Whether there is more also where the cursor stays, since `more` says so."""
    return isinstance(scheme, Cursor | NextParams) and wanted(page, scheme.more) is True


def and_start(advice: str) -> str:
    """What to say as well of where an API may begin to count."""
    if advice.startswith("next=PageNumber("):
        return ", and start=0 if it counts from 0"
    return ", and start=1 if it counts from 1" if advice.startswith("next=Offset(") else ""


def absolute(step: Step | None, page: Page[Any]) -> Step | None:
    """The step with a whole URL, spelled as the client spells it, so that loops are noticed."""
    if step is None or "url" not in step:
        return step
    url, here = step["url"], page.response.url
    if is_plain(url, here):
        return step
    try:
        there = here.join(url)
        if there.userinfo != here.userinfo and same(origin(there), origin(here)):
            there = there.copy_with(userinfo=here.userinfo)  # or it would be in the state
    except Exception as exc:
        raise told(exc, url, page.number + 1) from exc
    return cast("Step", {**step, "url": str(there).partition("#")[0]})


PLAIN = re.compile(r"(?:/(?!\.)[A-Za-z0-9_~=%+,:;.-]*)+(?:\?[A-Za-z0-9_~=%+,:;.&/-]*)?")


def is_plain(target: str, url: Any) -> bool:
    """Whether a URL at the same origin is whole, and spelled as every client spells it."""
    base = str(url)
    origin = base[: base.find("/", base.find("://") + 3)]
    return target.startswith(origin) and bool(PLAIN.fullmatch(target, len(origin)))


def checked_finder(value: Any) -> Finder:
    if value is not None and not isinstance(value, str):
        check.called_plain("items", value, " of the body, or a path in it")
    found: Finder = value
    return found
