"""One page: what has come, its items, where in it something is, and where to continue after it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import length_hint
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypedDict,
    TypeVar,
    cast,
)

from ... import _args as check
from ... import _labels as label
from ..._core.contracts import MISSING
from ..._core.driver import EMPTY
from ..._operators.transform import FlattenBase
from .._urls import safe

if TYPE_CHECKING:
    import httpx

T_co = TypeVar("T_co", covariant=True)

VERSION = 2
"""Of the form of a state."""

Answer: TypeAlias = Literal["more", "end", "unknown"]


class Step(TypedDict, total=False):
    """How the request for a page differs from that for the first one.

    A function given as `next=` may return one; it is plain JSON, and part of the `state` of a run.

    Attributes:
        url: the whole request goes there, and the query is that of this URL.
        params: parameters of the query, in the place of those of the same name.
        json: values by the paths at which they are put into the JSON body. With `url` it is the
            whole body.
        headers: headers of the request.
        method: the method.

    >>> from anystream.http import Step
    >>> Step(url="/files/list/continue", json={"cursor": "abc"})
    {'url': '/files/list/continue', 'json': {'cursor': 'abc'}}
    """

    url: str
    params: dict[str, Any]
    json: dict[str, Any]
    headers: dict[str, str]
    method: str


class State(TypedDict):
    """Where to continue; JSON."""

    version: int
    url: str  # as it may be shown
    digest: str  # of all that is asked for
    step: Step | None  # the page to ask for; None is the end
    index: int  # how many of its items have been delivered
    page: int  # its number
    known: dict[str, Any]  # what the pages before have shown


class Knowledge(Protocol):
    """What the pages up to some page have shown."""

    def saved(self) -> dict[str, Any]: ...
    def counting(self, came: int | None, total: int, answer: Answer) -> "Knowledge": ...


class Asked(NamedTuple):
    """What tells one `fetch_all_pages` from another."""

    url: str  # as it may be shown
    digest: str

    def state(self, step: Step | None, index: int, page: int, known: Knowledge) -> State:
        return {
            "version": VERSION,
            "url": self.url,
            "digest": self.digest,
            "step": step,
            "index": index,
            "page": page,
            "known": known.saved(),
        }

    def checked(self, value: Any) -> State:
        """`value` as a state of this."""
        given: Any = value
        if not isinstance(value, Mapping) or {*given} != {*State.__annotations__}:
            raise ValueError(f"resume_from must be the state of a run, got {label.whole(given)}")
        if given["version"] != VERSION:
            raise ValueError(
                f"resume_from must be of version {VERSION}, got {label.whole(given['version'])}"
            )
        if given["digest"] != self.digest:
            raise ValueError(
                f"resume_from must be a state of this request, {self.url!r}, with the same"
                f" parameters, body, next= and items=; it was saved for {label.whole(given['url'])}"
            )
        step: Any = given["step"]
        if step is not None:
            step = checked_step("the step of resume_from", step)
        index = check.integer("index of resume_from", given["index"], 0)
        page = check.integer("page of resume_from", given["page"], 1)
        return cast("State", {**given, "step": step, "index": index, "page": page})


KEYS: dict[str, type] = {"url": str, "params": dict, "json": dict, "headers": dict, "method": str}


def is_step(value: Any) -> bool:
    """Whether a mapping is a step, and not the parameters of one."""
    return (
        bool(value)
        and all(name in KEYS and isinstance(part, KEYS[name]) for name, part in value.items())
        and set(value) != {"method"}
    )


def checked_step(name: str, value: Any) -> Step:
    if not isinstance(value, Mapping) or (value and not is_step(value)):
        raise ValueError(
            f"{name} may have only the keys {', '.join(KEYS)}, got {label.whole(value)}"
        )
    return cast("Step", {**value})


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the response, where something else than a path in the body is meant.

    >>> PageNumber(total_pages=Header("X-WP-TotalPages"))
    PageNumber(total_pages=Header('X-WP-TotalPages'))
    """

    name: str

    def __post_init__(self) -> None:
        name: Any = self.name
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, got {label.whole(name)}")

    def __repr__(self) -> str:
        return f"Header({self.name!r})"


@dataclass(slots=True, eq=False)
class Origin:
    """What a page is needed for beside what it shows to users.

    The run completes it, in its place: to copy a page costs more than all else about it.
    """

    asked: Asked
    step: Step  # that it was asked for with
    places: Sequence[int]  # of its items among the records, and of those that were cut off
    total: Callable[["Page[Any]"], int | None]  # finds the number of all items
    before: Knowledge  # by the pages before it
    known: Knowledge  # and by it as well


@dataclass(frozen=True, slots=True, eq=False)
class Page(Generic[T_co]):
    """One page of a paginated API.

    Attributes:
        items: its items, without those that `dedupe` and `max_items` have dropped.
        number: counted from 1 over the run, and over those that it continues.
        response: the response of the client, read to its end.
        data: its body, out of JSON; None if the status is 204.
        records: all its items out of JSON, also those that were dropped.
        items_path: where in the body the items are, "" for the body itself, or None if a function
            has found them.
        next: how the request for the next page differs, as JSON: a `Step`; None at the end.
        answer: what the page tells of the pages after it: "more", "end", or "unknown" if it tells
            nothing, and pages are read by number.
        sign: what it was told by, in words; "" if `next=` has told.
        scheme: the scheme that has found `next`, or None if there was none to be detected.
        error: what is wrong with the way to the next page. It is raised when that is asked for.

    >>> async def main():
    ...     async with fetch_all_pages("https://api.example.com/users").by_page() as pages:
    ...         async for page in pages:
    ...             print(page.number, len(page.items), page.total, page.state)
    """

    items: list[T_co]
    number: int
    response: "httpx.Response" = field(repr=False)
    data: Any = field(repr=False)
    records: list[Any] = field(repr=False)
    items_path: str | None
    origin: Origin = field(repr=False)
    next: Step | None = None
    answer: Answer = "end"
    sign: str = field(repr=False, default="")
    scheme: object = None
    error: Exception | None = field(repr=False, default=None)

    @property
    def url(self) -> str:
        """The URL from which it came, without credentials."""
        return safe(str(self.response.url))

    @property
    def total(self) -> int | None:
        """The number of all items, if the server tells it."""
        place = getattr(self.scheme, "total", None)
        return self.origin.total(self) if place is None else number_at(self, place)

    @property
    def state(self) -> State:
        """Where to continue after this page, as JSON for `resume_from`."""
        return state_after(self, len(self.items))


def state_after(page: Page[Any], count: int) -> State:
    """Where to continue after this many items of a page."""
    origin = page.origin
    done = origin.places[count] if count < len(origin.places) else len(page.records)
    if done < len(page.records) or page.error is not None or is_first_of_numbered(page):
        return origin.asked.state(origin.step, done, page.number, origin.before)
    return origin.asked.state(page.next, 0, page.number + 1, origin.known)


def is_first_of_numbered(page: Page[Any]) -> bool:
    """Whether it is needed to tell what comes after it, and so is asked for again."""
    probes: Callable[[Page[Any]], bool] | None = getattr(page.scheme, "probes", None)
    is_numbered = page.answer == "unknown" and page.next is not None
    return is_numbered and probes is not None and probes(page)


def only(page: Page[T_co], kept: Sequence[int]) -> Page[T_co]:
    """The page with the items at these indices."""
    places = [page.origin.places[at] for at in kept]
    items = [page.items[at] for at in kept]
    return replace(page, items=items, origin=replace(page.origin, places=places))


def cut(page: Page[T_co], count: int) -> Page[T_co]:
    """The page with its first items; the others tell where to continue after these."""
    return replace(page, items=page.items[:count])


def after(page: Page[T_co], count: int) -> Page[T_co]:
    """The page without its first items."""
    places = page.origin.places[count:]
    return replace(page, items=page.items[count:], origin=replace(page.origin, places=places))


class Position:
    """How far a run has come."""

    def __init__(self, begin: State) -> None:
        self.begin = begin
        self.page: Page[Any] | None = None
        self.items: Iterator[Any] = EMPTY
        self.failed = 0  # items that were taken from there, but could not be delivered

    def state(self, peeked: int) -> State:
        """Where to continue; `peeked` of the items that were taken have not been delivered."""
        if self.page is None:
            return self.begin
        taken = len(self.page.items) - length_hint(self.items)
        return state_after(self.page, taken - self.failed - peeked)


class Items(FlattenBase):
    """The items of the pages; a position counts along, for nothing: the iterator of a list does."""

    any_task = True

    def __init__(self, position: Position, into: Callable[[Any], Any] | None) -> None:
        super().__init__()
        self.position = position
        self.into = into

    def enter(self, item: Page[Any]) -> None:
        items = iter(item.items)
        self.current: Iterator[Any] = items if self.into is None else map(self.made, items)
        self.position.page, self.position.items = item, items

    def made(self, item: Any) -> Any:
        """What `into` makes of an item; one that it refuses is not delivered."""
        try:
            return cast("Callable[[Any], Any]", self.into)(item)
        except BaseException:
            self.position.failed = 1
            raise


Place: TypeAlias = str | Header | Callable[[Page[Any]], Any]
"""Where in a page something is: a path in the body, a header, or a function that finds it."""

LINK = re.compile(r"(.*?)\[([^=\[\]]+)=(.*)\]")


@lru_cache(maxsize=512)
def parts_of(path: str) -> tuple[str, str, str] | None:
    """A key that picks an object out of a list, as `links[rel=next]` does: its three parts."""
    found = LINK.fullmatch(path)
    return None if found is None else (found[1], found[2], found[3])


def lookup(data: Any, path: str) -> Any:
    """What is at a path of keys joined by dots, or MISSING; a key may hold dots itself.

    `links[rel=next].href` looks in a list for the object whose `rel` is, or has among its words,
    `next`.
    """
    if not is_object(data):
        return MISSING
    if path in data:
        return data[path]
    dot = path.find(".")
    if dot < 0 and path[-1:] != "]":
        return MISSING
    while dot >= 0:  # and if nothing is behind it, it is one of the key
        found = lookup(member(data, path[:dot]), path[dot + 1 :])
        if found is not MISSING:
            return found
        dot = path.find(".", dot + 1)
    return member(data, path)


def member(data: dict[str, Any], key: str) -> Any:
    """What an object has under a key, or what the key picks out of a list of it, or MISSING."""
    if key in data:
        return data[key]
    parts = parts_of(key) if key.endswith("]") else None
    return MISSING if parts is None else picked(data.get(parts[0]), parts[1], parts[2])


def picked(found: Any, name: str, value: str) -> Any:
    """The first object of a list whose member `name` is `value`, or a list with that in it."""
    for each in elements(found):
        if is_object(each) and value in words(each.get(name)):
            return each
    return MISSING


def elements(value: Any) -> list[Any]:
    """Those of a list; anything else has none."""
    return value if issubclass(type(value), list) else []


TARGETS = ("href", "url", "uri", "link")
"""Where an object that stands for a link has its target."""


def is_list_of_links(value: Any) -> bool:
    links = elements(value)
    return bool(links) and all(
        is_object(each)
        and not {"rel", "relation"}.isdisjoint(each)
        and not set(TARGETS).isdisjoint(each)
        for each in links
    )


def is_object(value: Any) -> bool:
    return issubclass(type(value), dict)


def words(value: Any) -> list[Any]:
    """The relations of a link: a text of several, or a list."""
    if isinstance(value, str):
        return [value, *value.lower().split()]
    return elements(value) or [value, str(value)]


def find(page: Page[Any], place: Place) -> Any:
    """What is at a place of a page; MISSING if there is nothing."""
    if isinstance(place, str):
        return lookup(page.data, place)
    if isinstance(place, Header):
        return page.response.headers.get(place.name, MISSING)
    return check.unless_awaitable("a function of the page", place(page))


def number_at(page: Page[Any], place: Place | None) -> int | None:
    """The whole number at a place, or None if there is none."""
    return None if place is None else whole(find(page, place))


def whole(value: Any) -> int | None:
    """The whole number that a value is, also as a text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def with_value(data: Any, path: str, value: Any) -> Any:
    """A copy of `data` with `value` at the path, and the objects on the way to it."""
    key, dot, rest = path.partition(".")
    copy: dict[str, Any] = dict(data) if is_object(data) else {}
    copy[key] = with_value(copy.get(key), rest, value) if dot else value
    return copy


def in_words(value: Any, most: int = 80) -> str:
    """A value out of a response as a message may show it."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
