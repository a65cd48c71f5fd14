"""How a command ends: its exit codes, and what an error is called on one line."""

import re
import sys
from collections.abc import Iterator
from enum import IntEnum
from typing import cast

import anyio

from .._errors import StreamError
from .schemes import form_of
from .values import as_option

WHERE = "while fetching "

ORIGINS = re.compile(r"(?<= )allow_origins=\['([^']*)'\]")
SCHEME = re.compile(r"(?<= )next=([A-Z]\w*\((?:'[^']*'|\w+\('[^']*'\)|[^()'])*\))")
ARGUMENT = re.compile(
    r"(?<= )(max_(?:retry_after|pages|items|empty|page_bytes)|page_size|same_origin"
    r"|(?:next|items|more|concurrency)(?==))(?:=True|(=)(?=[^\s,.;:)])|=?)"
)

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for tab and line feed, and those that turn the direction of a text."""


class Code(IntEnum):
    """What a process says by its exit code."""

    DONE = 0
    DATA = 1
    USAGE = 2
    STATUS = 3
    NETWORK = 4
    CLOSED_PIPE = 141  # what a shell says of one that SIGPIPE has ended


class CommandError(Exception):
    """Something of the command's own went wrong."""

    code = Code.DATA


class UsageError(CommandError):
    """What was asked for cannot be done like this."""

    code = Code.USAGE


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The error, or those of a group: the others have come up while the first was handled."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for each in group.exceptions:
            yield from leaves(each)
    else:
        yield error


def code_of(error: BaseException) -> Code:
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, StreamError):
        return Code.STATUS if isinstance(getattr(error, "status", None), int) else Code.DATA
    return Code.NETWORK if is_network(error) else Code.DATA


def is_network(error: BaseException) -> bool:
    httpx = sys.modules.get("httpx")  # no error of it without it
    if httpx is not None and isinstance(error, httpx.HTTPError):
        return True
    broken = (anyio.BrokenResourceError, ConnectionError, TimeoutError)
    return isinstance(error, broken)


def message(error: BaseException) -> str:
    """One line: where, if a note says so, what, and what else was noted."""
    notes = [one_line(note) for note in getattr(error, "__notes__", ())]
    where = [note.removeprefix(WHERE) for note in notes if note.startswith(WHERE)]
    others = "".join(f" ({note})" for note in notes if not note.startswith(WHERE))
    return ": ".join([*where, bare_message(error)]) + others


def bare_message(error: BaseException) -> str:
    what = one_line(str(error))
    if isinstance(error, StreamError):
        return as_options(what)
    if isinstance(error, CommandError):
        return what
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {what}" if what else type(error).__name__


def as_options(text: str) -> str:
    """The arguments of `fetch_all_pages` in a message, as the options that they come from."""

    def option(match: re.Match[str]) -> str:
        return as_option(match[1]) + (" " if match[2] else "")

    def scheme(match: re.Match[str]) -> str:
        return f"--next {form_of(match[1])}"

    return ARGUMENT.sub(option, ORIGINS.sub(r"--allow-origin \1", SCHEME.sub(scheme, text)))


def causes(error: BaseException) -> Iterator[BaseException]:
    """What has led to this error, the nearest first."""
    seen = {id(error)}
    while True:
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or id(cause) in seen:
            return
        seen.add(id(cause))
        yield cause
        error = cause


def printable(text: str) -> str:
    """The text with its control characters as escapes, so that a terminal does not obey them."""
    return UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    return " ".join(text.split())
