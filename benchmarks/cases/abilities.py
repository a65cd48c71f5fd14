"""What each library does besides being fast, seen by doing it."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
from measure import OURS, in_words

from . import tasks
from .operators import MAP
from .table import SOURCES, library, opened

LIBRARIES = [
    OURS,
    *("aiostream", "streamable", "asyncstdlib", "aioitertools", "fpstreams", "grugstream"),
]
AT_ONCE = next(case for case in tasks.CASES if case.name == "map-ordered-ready")
MAKES = {side: make for sides, make in MAP.items() for side in sides.split(", ")}


class Seen:
    """A source that waits for its second item, and notes that it has been closed."""

    def __init__(self) -> None:
        self.closed = False

    async def items(self) -> AsyncGenerator[int, None]:
        try:
            yield 0
            await anyio.sleep(0.01)
            yield 1
        finally:
            self.closed = True


async def closes(open_: Callable[[Seen], Any]) -> bool:
    """Whether the source has been closed when its reader has left the block."""
    seen = Seen()
    async with open_(seen) as items:
        await anext(items)
    return seen.closed


async def tells(open_: Callable[[Seen], Any]) -> bool:
    """Whether the step after one that was cancelled has an item or an error, and not the end."""
    async with open_(Seen()) as items:
        await anext(items)
        with anyio.move_on_after(0.001):
            await anext(items)
        try:
            return await anext(items, None) is not None
        except Exception:
            return True


CHECKS = {
    "closes its source": closes,
    "does not take a cancelled step for the end": tells,
}


def abilities() -> list[list[str]]:
    """A table of libraries and checks: yes, no, or what was raised, for each backend."""
    heads = ["library", *CHECKS, "maps in ten tasks"]
    return [heads, ["---"] * len(heads), *(row(side) for side in LIBRARIES)]


def row(side: str) -> list[str]:
    cells = [side]
    for check in (*CHECKS.values(), None):
        found = {backend: seen(side, check, backend) for backend in ("asyncio", "trio")}
        same = len(set(found.values())) == 1
        each = (f"{backend}: {what}" for backend, what in found.items())
        cells.append(found["trio"] if same else "; ".join(each))
    return cells


def seen(side: str, check: Callable[..., Any] | None, backend: str) -> str:
    def open_(source: Seen) -> Any:
        return opened(side, MAKES[side](SOURCES[side](source.items()), library(side), 0))

    async def check_or_map() -> bool:
        with anyio.fail_after(5):
            return await check(open_) if check else await AT_ONCE.sides[side](10) == 45

    if check is None and side not in AT_ONCE.sides:
        return "has no tasks"
    try:
        return "yes" if anyio.run(check_or_map, backend=backend) else "no"
    except (Exception, BaseExceptionGroup) as error:  # of `GeneratorExit`, in one library
        return in_words(error)
