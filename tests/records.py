"""What should come out of bytes, however they are cut into chunks."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from splits import one_by_one

from anystream import Stream
from anystream.net import RecordError


class Case(NamedTuple):
    data: bytes
    items: list[Any]
    error: str = ""  # what the error says behind the source, in front of which the items come


async def told(stream: Stream[Any]) -> tuple[list[Any], str]:
    """The items, and what the error says, if any."""
    items: list[Any] = []
    try:
        await stream.for_each(items.append)
    except RecordError as error:
        return items, re.sub(r" of \[.*?\]: ", ": ", str(error))
    return items, ""


async def is_true(case: Case, read: Callable[[Any], Stream[Any]]) -> None:
    for chunks in ([case.data], one_by_one(case.data), [b"", *one_by_one(case.data), b""]):
        assert await told(read(chunks)) == (case.items, case.error)
