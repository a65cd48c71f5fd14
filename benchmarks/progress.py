"""The case of a progress that is shown: drawn by rich, on a terminal that nobody sees."""

import io
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from operator import itemgetter

from measure import Case, Figure, compare

from anystream import Stream

LINES = [json.dumps({"id": n, "name": f"item {n}", "tags": ["a", "b"]}) for n in range(1000)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


@contextmanager
def terminal() -> Generator[None, None, None]:
    stderr, sys.stderr = sys.stderr, Terminal()
    try:
        yield
    finally:
        sys.stderr = stderr


def read(items: int) -> Stream[int]:
    """What is read out of so many lines of JSON."""
    return Stream(lambda: (line for _ in range(items // 1000) for line in LINES)).map(json.loads)


async def shown(items: int) -> int:
    with terminal():
        return await read(items).progress("lines", items).map(itemgetter("id")).sum()


async def quiet(items: int) -> int:
    return await read(items).map(itemgetter("id")).sum()


async def measure(backend: str, quick: bool) -> Figure:
    return await compare(shown, quiet, 400_000, 5 if quick else 15)


CASES = (
    Case(
        "progress",
        "json.loads of lines, with a progress that is shown",
        "the same without",
        {(3, 11): 1.03},
        measure,
    ),
)
