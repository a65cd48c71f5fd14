"""One page: what has come, and where in it something is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypedDict, TypeVar, cast

from .. import _checks as check
from .._batches import MISSING
from ._urls import safe

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

VERSION = 1
"""Of the form of a state."""


class Step(TypedDict, total=False):
    """What is different in the request for one page; JSON."""

    url: str
    params: dict[str, str | int]
    json: dict[str, Any]  # values by the path at which they are put into the body


class State(TypedDict):
    """Where to go on; JSON."""

    version: int
    url: str  # as it may be shown
    digest: str  # of all that is asked for
    step: Step | None  # the page to ask for; None is the end
    index: int  # how many of its items have been delivered
    page: int  # its number


class Asked(NamedTuple):
    """What tells one `fetch_all_pages` from another."""

    url: str  # as it may be shown
    digest: str

    def state(self, step: Step | None, index: int, page: int) -> State:
        return {
            "version": VERSION,
            "url": self.url,
            "digest": self.digest,
            "step": step,
            "index": index,
            "page": page,
        }

    def checked(self, value: Any) -> State:
        """`value` as a state of this."""
        given: Any = value
        if not isinstance(value, Mapping) or set(given) != set(self.state(None, 0, 1)):
            raise ValueError(f"resume_from must be the state of a run, got {given!r}")
        if given["version"] != VERSION:
            raise ValueError(f"resume_from must be of version {VERSION}, got {given['version']!r}")
        if given["digest"] != self.digest:
            raise ValueError(
                f"resume_from is the state of {given['url']!r}, and this is {self.url!r}, or its"
                " parameters, body, next= or items= are others"
            )
        step: Any = given["step"]
        if step is not None and not isinstance(step, dict):
            raise ValueError(f"resume_from has a step that is none: {step!r}")
        index = check.integer("index of resume_from", given["index"], 0)
        page = check.integer("page of resume_from", given["page"], 1)
        return self.state(cast("Step | None", step), index, page)


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the response, where something else than a path in the body is meant.

    >>> PageNumber(total_pages=Header("X-WP-TotalPages"))
    PageNumber(total_pages=Header('X-WP-TotalPages'))
    """

    name: str

    def __repr__(self) -> str:
        return f"Header({self.name!r})"


@dataclass(slots=True, eq=False)
class Page(Generic[T]):
    """One page of a paginated API.

    Attributes:
        items: its items, without those that `dedupe` and `max_items` have dropped.
        number: counted from 1 over the run, and over those that it goes on from.
        response: the response of the client, read to its end.
        data: its body, out of JSON; None if the status is 204.
        next: what is different in the request for the next page, as JSON: a dictionary with `url`,
            `params` or `json`; None at the end.
        scheme: the scheme that has found `next`, or None if there was none to be detected.
        items_path: where in the body the items are, "" for the body itself, or None if a function
            has found them.

    >>> async def main():
    ...     async with fetch_all_pages("https://api.example.com/users").by_page() as pages:
    ...         async for page in pages:
    ...             print(page.number, len(page.items), page.total, page.state)
    """

    items: list[T]
    number: int
    response: "httpx.Response" = field(repr=False)
    data: Any = field(repr=False)
    scheme: object
    items_path: str | None
    step: Step = field(repr=False)
    asked: Asked = field(repr=False)
    records: list[Any] = field(repr=False)  # the items out of JSON, also those that were dropped
    # Of our items among the records, and of those behind them that `max_items` has cut off.
    places: Sequence[int] = field(repr=False)
    next: Step | None = None
    error: Exception | None = field(repr=False, default=None)  # why there is no `next`

    @property
    def url(self) -> str:
        """The URL from which it came, without credentials."""
        return safe(str(self.response.url))

    @property
    def total(self) -> int | None:
        """The number of all items, if the server tells it."""
        place = getattr(self.scheme, "total", None)
        if place is not None:
            return number_at(self, place)
        found = (number_at(self, each) for each in TOTALS)
        return next((number for number in found if number is not None), None)

    @property
    def stays(self) -> bool:
        """Whether it is needed to tell what comes after it, and so is asked for again."""
        return getattr(self.scheme, "probes", never)(self) and self.next is not None

    @property
    def state(self) -> State:
        """Where to go on after this page, as JSON for `resume_from`."""
        return state_after(self, len(self.items))


def never(page: Page[Any]) -> bool:
    return False


def state_after(page: Page[Any], count: int) -> State:
    """Where to go on after so many items of a page."""
    done = page.places[count] if count < len(page.places) else len(page.records)
    if done < len(page.records) or page.error is not None or page.stays:
        return page.asked.state(page.step, done, page.number)
    return page.asked.state(page.next, 0, page.number + 1)


TOTALS = (
    Header("X-Total-Count"),
    Header("X-Total"),
    Header("X-WP-Total"),
    "total",
    "total_count",
    "totalCount",
    "total_results",
    "totalResults",
)
"""Where servers tell the number of all items."""

Place: TypeAlias = str | Header | Callable[[Page[Any]], Any]
"""Where in a page something is: a path in the body, a header, or a function that finds it."""


def lookup(data: Any, path: str) -> Any:
    """What is at a path of keys joined by dots, or MISSING; a key may hold dots itself."""
    while issubclass(type(data), dict):
        if path in data:
            return data[path]
        key, _, path = path.partition(".")
        if key not in data:
            return MISSING
        data = data[key]
    return MISSING


def find(page: Page[Any], place: Place) -> Any:
    """What is at a place of a page; MISSING if there is nothing."""
    if isinstance(place, str):
        return lookup(page.data, place)
    if isinstance(place, Header):
        return page.response.headers.get(place.name, MISSING)
    return place(page)


def number_at(page: Page[Any], place: Place | None) -> int | None:
    """The whole number at a place, or None if there is none."""
    value = None if place is None else find(page, place)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def with_value(data: Any, path: str, value: Any) -> Any:
    """A copy of `data` with `value` at the path, and the objects on the way to it."""
    key, dot, rest = path.partition(".")
    copy: dict[str, Any] = dict(data) if issubclass(type(data), dict) else {}
    copy[key] = with_value(copy.get(key), rest, value) if dot else value
    return copy
