"""Shows how far a stream is, on a terminal and nowhere else: progress."""

import operator
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import compress, repeat
from time import monotonic
from typing import Any, TypeAlias

from .._core.contracts import Operator, Owner, Row

Description: TypeAlias = str | Callable[[int, float], str]
"""What stands before the figures, or a function that gives a line in their place."""


def shown() -> bool:
    """Whether there is a terminal to show something on. It needs rich."""
    # While another bar is shown rich has something else there, which says it is not a terminal.
    stderr = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    if stderr is None or stderr.closed or not stderr.isatty():
        return False
    if not find_spec("rich"):
        raise ImportError("progress on a terminal needs rich: pip install 'anystream[cli]'")
    return True


def progress(description: Description, total: float | None) -> Operator:
    return Shown(description, total) if shown() else Silent()


class Silent(Operator):
    """Passes everything on."""

    leaves_frame = False

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return batch


class Shown(Operator):
    """Counts the items that pass, for a bar that asks from another thread.

    `compress` takes one of `left` for each item that has come, in C.
    """

    closes = True
    leaves_frame = False

    def __init__(self, description: Description, total: float | None) -> None:
        from .._bars import BARS

        self.left = repeat(True, sys.maxsize)
        count = counted(self.left)
        if isinstance(description, str):
            self.end_bar = BARS.add(self, description, total, count)
        else:
            self.end_bar = BARS.add_line(self, line(description, count))
        self.over = False

    def bind(self, row: Row, place: int) -> None:
        """Does not refer to the segment: if that is dropped, so is this, and its bar goes too."""

    @property
    def holds(self) -> bool:
        return not self.over

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return compress(batch, self.left)

    async def close(self, owner: Owner) -> None:
        self.over = True
        self.end_bar()


def line(description: Callable[[int, float], str], count: Callable[[], int]) -> Callable[[], str]:
    start = monotonic()
    return lambda: description(count(), monotonic() - start)


def counted(left: "repeat[bool]") -> Callable[[], int]:
    return lambda: sys.maxsize - operator.length_hint(left)
