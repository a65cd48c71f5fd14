"""The async generators that a closed one leaves behind: those that it has read.

`async for` does not close what it reads. A client's generators are in a row, whose innermost one
closes the connection. When the outermost one is closed the others become garbage, which the event
loop closes later, and in another task. If one of them belongs to an object that it refers to, as in
most clients, that is as late as the garbage collector looks for circles.
"""

import gc
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from inspect import isasyncgen
from math import nan
from types import (
    AsyncGeneratorType,
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    MethodType,
    NoneType,
)
from typing import Any, TypeAlias

Release: TypeAlias = Callable[[Callable[[], Awaitable[object]]], Awaitable[object]]

OF_EACH = (CodeType, FrameType, FunctionType, MethodType, CellType)  # asyncio ends it by a method
OF_MANY = (dict, list, tuple, str, bytes, int, bool, float, NoneType)
OF_ANY = frozenset((*OF_EACH, *OF_MANY))
"""Types of what generators refer to, which no `async for` reads."""

references: Callable[[object], float] = getattr(sys, "getrefcount", lambda _: nan)
"""How many there are to an object. PyPy counts none, and all of the row is left to it as ever."""


def close_row(
    generator: AsyncGenerator[Any, Any], release: Release, given: object = None
) -> Awaitable[object]:
    """Close a generator, and what that leaves behind, the outermost one first, by `release`.

    What only `given`, which is closed after them, refers to is left behind as well.
    """
    parts: list[object] = gc.get_referents(generator)
    for kind in map(type, parts):
        if kind not in OF_ANY and hasattr(kind, "__aiter__"):  # to ask all, in C, takes longer
            return close_all(generator, release, given)
    return release(generator.aclose)


async def close_all(generator: AsyncGenerator[Any, Any], release: Release, given: object) -> None:
    """The same for one that may read others."""
    parts: list[Any] = [] if given is None else [given]
    row = inner(generator, parts)
    await release(generator.aclose)
    while row and (place := first_orphan(row, parts)) is not None:
        await release(row[place].aclose)
        del row[place]


def inner(generator: AsyncGenerator[Any, Any], parts: list[Any]) -> list[Any]:
    """The generators that a suspended one refers to, and those that these refer to, and so on.

    Objects that may have generators of their own are among them: they are iterated as well. What
    `parts` have as an attribute, and one of the generators as a variable, is one of those.
    """
    row: list[Any] = [generator]
    known = {*map(id, row), *map(id, parts)}
    for outer in row:  # which grows
        attributes = [id(value) for part in parts for value in referents(part)]
        for each in referents(outer):
            is_read = may_be_of_row(each)
            if (is_read or id(each) in attributes) and id(each) not in known:
                (row if is_read else parts).append(each)
                known.add(id(each))
    return row[1:]


def may_be_of_row(value: object) -> bool:
    """Whether it is a generator, or an object that may be iterated by one of its own."""
    kind = type(value)
    return kind is AsyncGeneratorType or (hasattr(kind, "__aiter__") and kind.__dictoffset__ != 0)


def referents(value: object) -> list[Any]:
    """What a generator refers to, or the attributes of an object."""
    if isasyncgen(value):
        return gc.get_referents(value)
    return [*getattr(value, "__dict__", {}).values()]


def first_orphan(row: list[Any], parts: list[Any]) -> int | None:
    """The place of the outermost generator that is garbage, but for `row` and the `parts`."""
    own = count([object()], 0)
    if isasyncgen(row[0]) and count(row, 0) == own:  # as in most rows
        return 0
    inside = Counter(id(each) for one in (*row, *parts) for each in referents(one))
    places = {id(one): place for place, one in enumerate(row)}
    alive = [at for key, at in places.items() if count(row, at) - own != inside[key]]
    reached = {*alive}
    for at in alive:  # which grows by what they refer to
        further = {places[id(each)] for each in referents(row[at]) if id(each) in places} - reached
        alive += further
        reached |= further
    orphans = [at for at, one in enumerate(row) if isasyncgen(one) and at not in reached]
    if len(orphans) < 2:
        return next(iter(orphans), None)
    are_read = {id(each) for one in row if isasyncgen(one) for each in referents(one)}
    return min(orphans, key=lambda at: id(row[at]) in are_read)


def count(objects: list[Any], place: int) -> float:
    """How many references there are to one of `objects`."""
    return references(objects[place])
