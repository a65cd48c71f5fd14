"""What the tests that take every row through a guarantee have in common."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import anyio
import pytest
from rows import CASES, IN_A_SEGMENT, ROWS, Function, Row, suspending

from anystream import Stream
from anystream.testing import TrackedSource

ITEMS = [3, 0, 1, 2, 5, 4, 7, 1]
KINDS = ("generator", "iterator")
NOTHING: Any = object()


def the(rows: Iterable[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", [*rows], ids=str)


def each(cases: Iterable[tuple[Row, Function]]) -> pytest.MarkDecorator:
    named = [pytest.param(row, form, id=in_form(row, form)) for row, form in cases]
    return pytest.mark.parametrize(("row", "form"), named)


def in_form(row: Row, form: Function) -> str:
    return f"{row} ({form.__name__})" if row.calls else str(row)


def of_kind(kind: str) -> str:
    return f"{kind} source"


def pausing(*pauses: int | None) -> pytest.MarkDecorator:
    """Sources that sleep before each item; 0 is a checkpoint, None not even that."""
    ids = ["no pause" if pause is None else f"pause {pause}" for pause in pauses]
    return pytest.mark.parametrize("pause", pauses, ids=ids)


EVERY = the(ROWS)
CALLING = the(row for row in ROWS if row.calls)
IN_TASKS = the(row for row in ROWS if row.tasks)
IN_THE_READER = the(row for row in ROWS if not row.tasks)
JOINING = the(row for row in ROWS if row.joins)
BOUNDED = the(row for row in ROWS if row.ahead is not None)
IN_EVERY_FORM = each(CASES)
DIFFERING = [
    (row, form) for row, form in CASES if form is suspending or row in IN_A_SEGMENT or not row.calls
]
IN_FORM = each(DIFFERING)
"""Where the task that calls a function is another one, how it does so makes no difference."""

EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=of_kind)
UNHARMED = pytest.mark.parametrize(
    ("row", "form", "kind"),
    [
        pytest.param(row, form, kind, id=f"{in_form(row, form)}-{of_kind(kind)}")
        for row, form in DIFFERING
        for kind in (KINDS if row.tasks else ("iterator",))
    ],
)
"""Sources that a cancelled step does not kill: behind a task also a generator."""

BACKENDS = pytest.mark.parametrize("name", ["asyncio", "trio"])
ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)


class BlockedSource:
    """An async iterator that gives so many items at once, and then nothing."""

    def __init__(self, items: int) -> None:
        self.items = ITEMS[:items]

    def __aiter__(self) -> AsyncIterator[int]:
        return self.generate()

    async def generate(self) -> AsyncIterator[int]:
        for item in self.items:
            yield item
        await anyio.sleep(1000)


async def first_items(items: AsyncIterator[Any], length: int) -> list[Any]:
    """The first `length` items, or less if it ends before."""
    got: list[Any] = []
    while len(got) < length and (item := await anext(items, NOTHING)) is not NOTHING:
        got.append(item)
    return got


def over(source: TrackedSource[int], kind: str) -> Stream[int]:
    return Stream(getattr(source, kind))


def at_its_own_end(source: TrackedSource[int], kind: str) -> bool:
    """Whether a generator may have been in its `finally` already when it was interrupted."""
    return kind == "generator" and source.steps > len(ITEMS)


def needed(row: Row) -> list[int]:
    """How many items of the source each item of the oracle takes."""
    taken = 0

    def counted() -> Any:
        nonlocal taken
        for item in ITEMS:
            taken += 1
            yield item

    return [taken for _ in row.oracle(counted())]


def before_an_error(row: Row, index: int) -> tuple[list[Any], bool]:
    """What comes before an error in the place of an item, and whether the error does."""

    def failing() -> Any:
        yield from ITEMS[:index]
        raise EOFError

    items: list[Any] = []
    try:
        items.extend(row.oracle(failing()))
    except EOFError:
        return items, True
    return items, False
