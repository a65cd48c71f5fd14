"""The async generators that a closed one leaves behind: those that it has read.

`async for` does not close what it reads. A client's generators are in a row, whose innermost one
closes the connection. When the outermost one is closed the others become garbage, which the event
loop closes later, and in another task.
"""

import gc
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from inspect import isasyncgen
from math import nan
from types import AsyncGeneratorType
from typing import Any, TypeAlias

Generators: TypeAlias = list[AsyncGenerator[Any, Any]]
Release: TypeAlias = Callable[[Callable[[], Awaitable[object]]], Awaitable[object]]

references: Callable[[object], float] = getattr(sys, "getrefcount", lambda _: nan)
"""How many there are to an object. PyPy counts none, and all of the row is left to it as ever."""


def close_row(
    generator: AsyncGenerator[Any, Any], release: Release, given: object = None
) -> Awaitable[object]:
    """Close a generator, and what that leaves behind, the outermost one first, by `release`.

    What only `given`, which is closed after them, refers to is left behind as well.
    """
    if AsyncGeneratorType in map(type, gc.get_referents(generator)):
        return close_all(generator, release, given)
    return release(generator.aclose)


async def close_all(generator: AsyncGenerator[Any, Any], release: Release, given: object) -> None:
    """The same for one that reads others."""
    holders: list[Any] = [given]
    row = inner(generator, holders)
    await release(generator.aclose)
    while row and (place := first_orphan(row, holders)) is not None:
        await release(row[place].aclose)
        del row[place]


def inner(generator: AsyncGenerator[Any, Any], holders: list[Any]) -> Generators:
    """The generators that a suspended one refers to, and those that these refer to, and so on.

    What `holders` have as an attribute, and one of the generators as a variable, is one of them.
    """
    row = [generator]
    for outer in row:  # which grows
        referents = gc.get_referents(outer)
        if AsyncGeneratorType not in map(type, referents):
            continue
        known = {*map(id, row), *map(id, holders)}
        attributes = {*held(holders)}
        for each in referents:
            if id(each) not in known and (isasyncgen(each) or id(each) in attributes):
                (row if isasyncgen(each) else holders).append(each)
                known.add(id(each))
    return row[1:]


def held(holders: list[Any]) -> list[int]:
    """The identities of the attributes of `holders`."""
    return [id(value) for holder in holders for value in getattr(holder, "__dict__", {}).values()]


def first_orphan(row: Generators, holders: list[Any]) -> int | None:
    """The place of the first generator that only `row` and the `holders` refer to."""
    attributes = held(holders)
    for place, generator in enumerate(map(id, row)):
        if count(row, place) - count([object()], 0) == attributes.count(generator):
            return place
    return None


def count(objects: list[Any], place: int) -> float:
    """How many references there are to one of `objects`."""
    return references(objects[place])
