"""The progress line on standard error: pages, items, their rate, retries, what is left."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from .session import Session


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


@contextmanager
def line(session: Session, count: Count, noun: str) -> Generator[None, None, None]:
    """Show `count` while the block runs; what the session says comes above it."""
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, Task
    from rich.text import Text

    class Counted(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(count.text(noun, task.elapsed or 0))

    def above(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    console = Console(stderr=True, force_terminal=True)
    bar = Progress(Counted(), console=console, redirect_stdout=False, redirect_stderr=False)
    with bar:
        bar.add_task("", total=None)
        before, session.show = session.show, above
        try:
            yield
        finally:
            session.show = before
