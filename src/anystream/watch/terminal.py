"""The table for terminals, drawn by rich."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from .._operators.progress import stderr
from .runs import WATCH, RunPicture, StagePicture, watching

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("a second", "read", "waiting", "dropped", "tasks", "wait for room", "wait for items")


def table() -> "Table":
    """A table of rich with what is watched: a line for each run, and for each of its stages.

    Raises `ImportError` if rich is not installed.

    >>> from anystream import watch
    >>> print(watch.table().row_count)
    0
    """
    return table_of(WATCH.runs.pictures())


def table_of(runs: list[RunPicture]) -> "Table":
    from rich.table import Table

    made = Table("pipeline", box=None)
    for column in COLUMNS:
        made.add_column(column, justify="right")
    for run in runs:
        add(made, run)
    return made


def fitting(height: int) -> "Table":
    """The table as far as it is seen on a terminal with this number of lines."""
    return table_of(WATCH.runs.pictures(height))


def add(made: "Table", run: RunPicture) -> None:
    from rich.text import Text

    made.add_row(Text(f"{run.name}  {run.age:.0f} s{failures(run)}", "bold"))
    for stage in run.stages:
        style = "yellow" if stage.slow else ""
        slow = "  (slow)" if stage.slow else ""
        name = f"{'  ' * (stage.depth + 1)}{stage.name}{slow}{failures(stage)}"
        dropped = Text(str(stage.dropped), "bold red" if stage.dropped else "")
        made.add_row(Text(name, style), *numbers(stage)[:3], dropped, *numbers(stage)[3:])


def failures(part: RunPicture | StagePicture) -> str:
    """What was dealt with, if anything was."""
    counts = (part.caught, "caught"), (part.retried, "retried")
    return "".join(f"  {count} {word}" for count, word in counts if count)


def numbers(stage: StagePicture) -> list[str]:
    rate = "" if stage.rate is None else f"{stage.rate:,.1f}"
    waiting = f"{stage.waiting}/{stage.bound}"
    counts = stage.tasks, stage.waiting_for_room, stage.waiting_for_items
    return [rate, f"{stage.read:,}", waiting, *map(str, counts)]


def terminal() -> AbstractContextManager[None]:
    """Watch, and show the table on standard error while the block runs, if that is a terminal.

    It stands below the bars of `progress`. What is printed goes where it went.

    Raises `ImportError` if rich is not installed.

    >>> from anystream import watch
    >>> async def main():
    ...     with watch.terminal():
    ...         await async_range(9).buffer(3).drain()
    >>> anyio.run(main)
    """
    return shown()


@contextmanager
def shown() -> Generator[None, None, None]:
    from .._bars import BARS

    with watching():
        stream = stderr()
        if stream is None or not stream.isatty():
            yield
            return
        end = BARS.add_table(WATCH, fitting)
        try:
            yield
        finally:
            end()
