"""What `anystream demo` shows: the results as a table or as JSON."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from .. import __version__
from .demo import Outcome, Result

PLAIN_WIDTH = 100
"""More than the table needs: a file or a pipe has no margin that lines have to be broken at."""

YIELDED_WIDTH = 24


def print_json(results: Sequence[Result]) -> None:
    content = {
        "version": __version__,
        "ok": not any(result.problems for result in results),
        "scenarios": [entry(result) for result in results],
    }
    print(json.dumps(content, indent=2))


def entry(result: Result) -> dict[str, object]:
    return {
        "stream": result.scenario.stream,
        "scenario": result.scenario.words,
        "expected": result.scenario.how,
        "backends": {backend: asdict(each) for backend, each in result.outcomes.items()},
        **({"agree": result.agree} if len(result.outcomes) > 1 else {}),
        "problems": result.problems,
    }


def print_table(results: Sequence[Result]) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    console.print(table(results))
    console.print()
    for result in results:
        for problem in result.problems:
            where = f"{result.scenario.stream}, {result.scenario.words}: "
            console.print(Text(where, "red").append(problem, "default"), soft_wrap=True)
    console.print(verdict(results))


def verdict(results: Sequence[Result]) -> str:
    backends = " and ".join(results[0].outcomes)
    wrong = sum(bool(result.problems) for result in results)
    if wrong:
        return f"{wrong} of {len(results)} scenarios on {backends} went wrong."
    return f"All {len(results)} scenarios on {backends} ended as they should, with nothing open."


def table(results: Sequence[Result]) -> Table:
    narrow = [Column(heading, no_wrap=True) for heading in ("ended", "open", "agree")]
    if len(results[0].outcomes) == 1:
        narrow.pop()
    rows = Table("stream", "yielded", *narrow, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    rows.show_edge = rows.pad_edge = False
    for stream, group in groupby(results, lambda result: result.scenario.stream):
        rows.add_row(Text(stream, "bold"))
        for result in group:
            rows.add_row(*cells(result))
    return rows


def cells(result: Result) -> Iterator[Padding | Text | str]:
    outcomes = result.outcomes.values()
    yield Padding(result.scenario.words, (0, 0, 0, 2))
    yield merged(result, lambda outcome: shortened(outcome.yielded))
    yield marked(
        merged(result, lambda outcome: outcome.ended),
        all(outcome.how == result.scenario.how for outcome in outcomes),
    )
    left = any(outcome.open for outcome in outcomes)
    yield marked("see below" if left else "nothing", not left)
    if len(outcomes) > 1:
        yield marked("yes" if result.agree else "no", result.agree)


def marked(text: str, good: bool) -> Text:
    return Text(text, "green" if good else "red")


def merged(result: Result, say: Callable[[Outcome], str]) -> str:
    """What there is to say of every backend, or of each one if that is not the same."""
    said = {backend: say(outcome) for backend, outcome in result.outcomes.items()}
    first, *others = set(said.values())
    return "\n".join(f"{backend}: {text}" for backend, text in said.items()) if others else first


def shortened(items: Sequence[str]) -> str:
    if not items:
        return "nothing"
    text = " ".join(items)
    return text if len(text) <= YIELDED_WIDTH else f"{items[0]} ... {items[-1]} ({len(items)})"
