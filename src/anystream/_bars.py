"""The bars of all runs that show their progress, and what is shown with them: one display for all.

It is drawn by rich.
"""

import atexit
import sys
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from threading import Lock, RLock, Thread
from time import monotonic

from rich.console import Console, ConsoleRenderable, RenderableType, RenderHook
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.text import Text

INTERVAL = 0.2
"""Seconds between two drawings, each of which takes some milliseconds."""


class CountColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        whole = "" if task.total is None else f"/{task.total:,.10g}"
        return Text(f"{task.completed:,.0f}{whole}", "progress.download")


class RateColumn(ProgressColumn):
    """Items a second: of late, or of the whole run once it is over."""

    def render(self, task: Task) -> Text:
        rate = task.speed
        if task.stop_time is not None and task.elapsed:
            rate = task.completed / task.elapsed
        return Text("" if rate is None else f"{rate:,.{0 if rate >= 100 else 1}f}/s")


class KnownBarColumn(BarColumn):
    """Nothing where the total is not known."""

    def render(self, task: Task) -> ProgressBar:
        bar = super().render(task)
        if task.total is None:
            bar.width = 0
        return bar


class KnownRemainingColumn(TimeRemainingColumn):
    max_refresh = 0  # or the first thing to be seen would stay for a while

    def render(self, task: Task) -> Text:
        if task.total is None or task.stop_time is not None:
            return Text()
        return super().render(task)


def drawn(line: Callable[[], str]) -> Text:
    try:
        return Text(line())
    except Exception:  # which the end of its run raises
        return Text()


class Display(Progress, RenderHook):
    """A display that asks for the counts whenever it draws.

    Its thread draws. Where many bars begin or end at once the event loop does not wait for each.
    """

    def __init__(self) -> None:
        self.counts: dict[TaskID, Callable[[], int]] = {}
        self.lines: list[Callable[[], str]] = []  # whole ones, in the place of a bar
        self.tables: list[Callable[[int], RenderableType]] = []  # below the bars
        self.ended: list[Task] = []  # bars that were taken away, and stay above the others
        self.last_lines: list[Text] = []  # the same of lines
        self.counting = Lock()
        self.ending = Lock()
        self.due = 0.0  # when the event loop may draw
        # Who begins has looked whether it is a terminal.
        self.screen = Console(stderr=True, force_terminal=True)
        super().__init__(
            TextColumn("{task.description}", markup=False),
            KnownBarColumn(),
            CountColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            KnownRemainingColumn(),
            console=self.screen,
            refresh_per_second=1 / INTERVAL,
            transient=True,
            # It would go where the bars are, and that is not where a pipe is read.
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        self.screen.push_render_hook(self)

    def get_renderables(self) -> Iterable[RenderableType]:
        height = self.screen.height
        most = height + 1  # so that rich shows that there are more
        with self.counting:
            for task, count in islice(self.counts.items(), most):
                self.update(task, completed=count())
            lines, tables = [*map(drawn, self.lines[:most])], [*self.tables]
        if tasks := self.tasks[:most]:
            yield self.make_tasks_table(tasks)
        yield from lines
        yield from (table(height) for table in tables)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Print what has ended with whatever is printed, above what continues."""
        with self.ending:
            ended, self.ended = self.ended, []
            lines, self.last_lines = self.last_lines, []
        bars = [self.make_tasks_table(ended)] if ended else []
        return [*bars, *lines, *renderables]

    def refresh(self) -> None:
        """Draw, unless that was done a moment ago: then the thread does so soon."""
        now = monotonic()
        if now >= self.due:
            self.due = now + INTERVAL
            super().refresh()
            if self.ended or self.last_lines:  # where nothing is drawn, as on a dumb terminal
                self.console.print(end="")

    @property
    def empty(self) -> bool:
        return not self.counts and not self.lines and not self.tables

    def add_line(self, line: Callable[[], str]) -> Callable[[], None]:
        with self.counting:
            self.lines.append(line)
        return partial(self.remove_line, line)

    def remove_line(self, line: Callable[[], str]) -> None:
        with self.counting:
            self.lines.remove(line)
        last = Text(line())
        with self.ending:
            self.last_lines.append(last)
        self.refresh()

    def add_table(self, table: Callable[[int], RenderableType]) -> Callable[[], None]:
        with self.counting:
            self.tables.append(table)
        return partial(self.remove_table, table)

    def remove_table(self, table: Callable[[int], RenderableType]) -> None:
        """Take it away, and leave nothing of it."""
        with self.counting:
            self.tables.remove(table)
        self.refresh()

    def add(
        self, description: str, total: float | None, count: Callable[[], int]
    ) -> Callable[[], None]:
        task = self.add_task(description, total=total)
        with self.counting:
            self.counts[task] = count
        return partial(self.remove, task)

    def remove(self, task: TaskID) -> None:
        """Take a bar away; its last state stays, above those that continue."""
        with self.counting:
            count = self.counts.pop(task)
        self.update(task, completed=count())
        self.stop_task(task)
        ended = [each for each in self.tasks if each.id == task]
        self.remove_task(task)
        with self.ending:
            self.ended += ended
        self.refresh()


class Bars:
    """Starts the display with the first bar, and stops it with the last one."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.display: Display | None = None

    def add(
        self, run: object, description: str, total: float | None, count: Callable[[], int]
    ) -> Callable[[], None]:
        """Show one more bar, until what this gives is called or `run` is dropped."""
        return self.begin(run, lambda display: display.add(description, total, count))

    def add_line(self, run: object, line: Callable[[], str]) -> Callable[[], None]:
        """The same with a line that a function gives, for as long as it does."""
        return self.begin(run, lambda display: display.add_line(line))

    def add_table(self, run: object, table: Callable[[int], RenderableType]) -> Callable[[], None]:
        """The same with what a function gives for the height of the terminal, below the bars."""
        return self.begin(run, lambda display: display.add_table(table))

    def say(self, text: str) -> bool:
        """Print `text` above the bars, if there are any."""
        with self.lock:
            if self.display is None:
                return False
            self.display.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return True

    def begin(
        self, run: object, show: Callable[[Display], Callable[[], None]]
    ) -> Callable[[], None]:
        with self.lock:
            if self.display is None:
                self.display = Display()
                self.display.start()
            remove = show(self.display)
        dropped = weakref.finalize(run, self.drop, remove)
        dropped.atexit = False

        def end() -> None:
            if dropped.detach():
                self.remove(remove)

        return end

    def drop(self, remove: Callable[[], None]) -> None:
        """Called by the garbage collector, in any thread, with any locks held."""
        Thread(target=self.remove, args=(remove,)).start()

    def remove(self, remove: Callable[[], None]) -> None:
        with self.lock:
            assert self.display is not None  # since this bar is in it
            try:
                remove()
            finally:
                if self.display.empty:
                    self.stop()

    def stop(self) -> None:
        with self.lock:
            if self.display is not None:
                display, self.display = self.display, None
                display.stop()


BARS = Bars()
atexit.register(BARS.stop)  # for the sake of the cursor
