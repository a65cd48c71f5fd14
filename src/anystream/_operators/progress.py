"""Shows how far a stream is: progress."""

import operator
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from itertools import compress, repeat
from time import monotonic
from typing import Any, TypeAlias

from .._core.contracts import Operator, Owner, Row
from .._lines import begin, in_notebook

Description: TypeAlias = str | Callable[[int, float], str]
"""What stands before the figures, or a function that gives a line in their place."""


def stderr() -> Any:
    """Standard error as it is; None if there is none, or it is closed."""
    # While another bar is shown rich has something else there, which says it is not a terminal.
    stream: Any = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    return None if stream is None or stream.closed else stream


def shown() -> bool:
    """Whether there is a terminal to draw on. That needs rich."""
    stream = stderr()
    if stream is None or in_notebook() or not stream.isatty():
        return False
    if not find_spec("rich"):
        raise ImportError("progress on a terminal needs rich: pip install 'anystream[cli]'")
    return True


def progress(description: Description, total: float | None) -> Operator:
    if shown():
        return Shown(description, total)
    return Silent() if stderr() is None else Told(description, total)


class Silent(Operator):
    """Passes everything on."""

    leaves_frame = False

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return batch


class Counted(Operator):
    """Counts the items that pass, for a thread that shows how many there are.

    `compress` takes one of `left` for each item that has come, in C.
    """

    closes = True
    leaves_frame = False

    def __init__(self, description: Description, total: float | None) -> None:
        self.left = repeat(True, sys.maxsize)
        self.end = self.begin(description, total, counted(self.left))
        self.over = False

    @abstractmethod
    def begin(
        self, description: Description, total: float | None, count: Callable[[], int]
    ) -> Callable[[], None]:
        """Show it, until what this returns is called or this is dropped."""

    at_most_one = True

    def bind(self, row: Row, place: int) -> None:
        """Does not refer to the segment: if that is dropped, so is this, and its bar goes too."""

    @property
    def holds(self) -> bool:
        return not self.over

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return compress(batch, self.left)

    async def close(self, owner: Owner) -> None:
        self.over = True
        self.end()


class Shown(Counted):
    """On a terminal."""

    def begin(
        self, description: Description, total: float | None, count: Callable[[], int]
    ) -> Callable[[], None]:
        from .._bars import BARS

        if isinstance(description, str):
            return BARS.add(self, description, total, count)
        return BARS.add_line(self, line(description, count))


class Told(Counted):
    """In a notebook or a log, by lines of text."""

    def begin(
        self, description: Description, total: float | None, count: Callable[[], int]
    ) -> Callable[[], None]:
        told = partial(figures, description, total) if isinstance(description, str) else description
        return begin(self, line(told, count))


def figures(description: str, total: float | None, count: int, seconds: float) -> str:
    """`pages: 1,200/3,000 items, 240.0/s, 0:00:05`"""
    whole = "" if total is None else f"/{total:,.10g}"
    rate = count / seconds if seconds else 0.0
    time = timedelta(seconds=int(seconds))
    return f"{description or 'progress'}: {count:,}{whole} items, {rate:,.1f}/s, {time}"


def line(description: Callable[[int, float], str], count: Callable[[], int]) -> Callable[[], str]:
    start = monotonic()
    return lambda: description(count(), monotonic() - start)


def counted(left: "repeat[bool]") -> Callable[[], int]:
    return lambda: sys.maxsize - operator.length_hint(left)
