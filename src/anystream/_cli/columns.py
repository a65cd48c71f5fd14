"""`--select` and `--csv`: parts of items, in the very digits and order that they came in."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from .._records.strict import no_constant
from .endings import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=no_constant)
"""Says where a value ends; numbers may have too many digits to be any."""

BETWEEN = re.compile(r"[ \t\r\n,:]*+")

Shaper: TypeAlias = "Callable[[Sequence[str]], Sequence[str]]"


def lines_of(paths: Sequence[str], *, as_csv: bool) -> Shaper:
    """The function that makes lines of the texts of items."""
    if as_csv:
        return Table(paths).lines
    if not paths:
        return lambda items: items
    return lambda items: [selected(item, paths) for item in items]


def selected(item: str, paths: Sequence[str]) -> str:
    """What is at the path, or an object with what is at each of several ones."""
    found = members(item)
    values = [value_at(found, path) or "null" for path in paths]
    if len(paths) == 1:
        return values[0]
    names = [json.dumps(path, ensure_ascii=False) for path in paths]
    return f"{{{', '.join(map('{}: {}'.format, names, values))}}}"


class Table:
    """Rows of CSV below a header, which is `columns` or else the keys of the first item."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.paths = columns
        self.header: Sequence[str] | None = None
        self.number = 0

    def lines(self, items: Sequence[str]) -> list[str]:
        return [line for item in items for line in self.rows(item)]

    def rows(self, item: str) -> Iterator[str]:
        self.number += 1
        found = self.values(item)
        if self.header is None:
            self.header = self.paths or [*found]
            yield row(cell(json.dumps(key)) for key in self.header)
        for key in found:
            if key not in self.header:
                raise CommandError(
                    f"item {self.number} has {key!r}, which the first item does not have:"
                    " name the columns with --select"
                )
        yield row(cell(found.get(key, "")) for key in self.header)

    def values(self, item: str) -> dict[str, str]:
        found = members(item)
        if self.paths:
            return {path: value_at(found, path) for path in self.paths}
        if not item.lstrip().startswith("{"):
            raise CommandError(
                f"item {self.number} is not an object, so it has no columns: {item:.50}"
            )
        return found


def row(cells: Iterable[str]) -> str:
    file = io.StringIO()
    csv.writer(file).writerow(cells)  # a cell is quoted if it has a character of the line's end
    return file.getvalue().removesuffix("\r\n")


def cell(value: str) -> str:
    """The text of a string, nothing for null, and the JSON of all else."""
    if value.startswith('"'):
        text: str = json.loads(value)
        return text if text.isascii() or is_unicode(text) else value
    return "" if value == "null" else value


def is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a pair of surrogates
        return False
    return True


def value_at(found: dict[str, str], path: str) -> str:
    """The JSON text of what is at a path of keys joined by dots, "" if there is nothing.

    A key may hold dots itself, and that of a list is the number of an item, from 0.
    """
    while path not in found:
        key, dot, path = path.partition(".")
        if not dot or key not in found:
            return ""
        found = members(found[key])
    return found[path]


def members(text: str) -> dict[str, str]:
    """The keys of an object, or the numbers of a list, with the texts of the values."""
    found: dict[str, str] = {}
    at = after_space(text, 0)
    opening = text[at]
    if opening not in "{[":
        return found
    at = after_space(text, at + 1)
    while text[at] not in "]}":
        key = str(len(found))
        if opening == "{":
            key, at = decoded(text, at)
            at = after_space(text, at)
        _, end = decoded(text, at)
        found[key] = text[at:end]
        at = after_space(text, end)
    return found


def decoded(text: str, at: int) -> tuple[Any, int]:
    try:
        return DECODER.raw_decode(text, at)
    except RecursionError:
        raise CommandError(f"an item is nested too deeply: {text:.50}") from None


def after_space(text: str, at: int) -> int:
    """The place behind the white space there, and what stands between two values."""
    match = BETWEEN.match(text, at)
    assert match is not None
    return match.end()
