"""The progress line on standard error: pages, items, their rate, retries, what is left."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from .._recipe import recipe_of
from .._stream import Stream
from .session import to_stderr

if TYPE_CHECKING:
    from .session import Session

T = TypeVar("T")


@dataclass
class Count:
    """What there has been so far. `paused` is in seconds, `total` is None while unknown."""

    pages: int = 0
    items: int = 0
    retries: int = 0
    paused: float = 0.0
    total: int | None = None

    def retried(self, pause: float) -> None:
        self.retries += 1
        self.paused += pause

    def text(self, noun: str, elapsed: float) -> str:
        parts = [f"{self.pages:,} page{'s' * (self.pages != 1)}"] if self.pages else []
        of = f" of {self.total:,}" if self.total is not None else ""
        rate = self.items / elapsed if elapsed > 0 else 0
        parts += [f"{self.items:,}{of} {noun}", f"{rate:,.0f}/s"]
        if self.retries:
            pauses = f"{self.paused:.1f} s of pauses"
            parts.append(f"{self.retries} {'retry' if self.retries == 1 else 'retries'}, {pauses}")
        if self.total is not None and 0 < self.items < self.total:
            parts.append(f"{clock((self.total - self.items) / rate)} left")
        return ", ".join(parts) if rate else ""


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def wanted(asked: bool | None, path: str | None) -> bool:
    """By default only where it is seen, and does not come between lines that are seen as well."""
    if asked is not None:
        return asked
    return sys.stderr is not None and sys.stderr.isatty() and (path is not None or not shown())


def shown() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def line(stream: Stream[T], session: Session, count: Count, noun: str) -> Stream[T]:
    """The stream, with `count` shown while it is open; what the session says comes above it."""
    from .._operators.progress import Shown

    def text(_: int, elapsed: float) -> str:
        return count.text(noun, elapsed)

    session.show = above
    return Stream(recipe_of(stream).also(lambda _: Shown(text, None)))


def above(text: str) -> None:
    from .._bars import BARS

    if not BARS.say(text):
        to_stderr(text)
