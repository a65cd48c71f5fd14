"""What the cases share: items, ways to take them all, and the peers, each in its own best form."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any

from measure import OURS, Case, Version

Make = Callable[..., Any]
"""Builds what a side takes its items from: of their number, and, for a peer, of its module."""
Side = Callable[..., Awaitable[object]]

PEERS = (
    "aiostream",
    "streamable",
    "asyncstdlib",
    "aioitertools",
    "anyio.itertools",
    "reactivex",
    "aiometer",
)
"""Packages whose name is that of their side."""


@cache
def peer(name: str) -> Any:
    """The module of a peer, on first use: one that is not installed fails its own side alone."""
    module = import_module(name)
    if name == "reactivex":
        import_module("reactivex.operators")  # which it does not load by itself
    return module


# -- items -----------------------------------------------------------------------------------------


def inc(n: int) -> int:
    return n + 1


def even(n: int) -> bool:
    return n % 2 == 0


async def ainc(n: int) -> int:
    """An async function that does not wait."""
    return n + 1


async def numbers(stop: int) -> AsyncIterator[int]:
    """What `range` is as an async generator, the shortest one there is."""
    for n in range(stop):
        yield n


async def each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def amap(fn: Callable[[Any], Any], source: AsyncIterable[Any]) -> AsyncIterator[Any]:
    async for item in source:
        yield fn(item)


async def amap_async(fn: Callable[[Any], Any], source: AsyncIterable[Any]) -> AsyncIterator[Any]:
    async for item in source:
        yield await fn(item)


async def afilter(fn: Callable[[Any], Any], source: AsyncIterable[Any]) -> AsyncIterator[Any]:
    async for item in source:
        if fn(item):
            yield item


def nested(depth: int, source: Any, wrap: Callable[[Any], Any]) -> Any:
    """`source` in so many layers."""
    for _ in range(depth):
        source = wrap(source)
    return source


# -- taking all of them ----------------------------------------------------------------------------


async def total(items: AsyncIterable[Any]) -> int:
    result = 0
    async for item in items:
        result += item
    return result


async def tally(items: AsyncIterable[Any]) -> tuple[int, object]:
    """How many there are, and the last one: for those that cannot be added up."""
    number, item = 0, None
    async for item in items:  # noqa: B007  # the last one is used
        number += 1
    return number, comparable(item)


async def listed(items: AsyncIterable[Any]) -> list[Any]:
    return [item async for item in items]


def plain_total(items: Iterable[Any]) -> int:
    result = 0
    for item in items:
        result += item
    return result


def plain_tally(items: Iterable[Any]) -> tuple[int, object]:
    number, item = 0, None
    for item in items:  # noqa: B007
        number += 1
    return number, comparable(item)


def pushed_total(items: Any) -> int:
    result = 0

    def add(item: Any) -> None:
        nonlocal result
        result += item

    items.subscribe(add)
    return result


def pushed_tally(items: Any) -> tuple[int, object]:
    number, last = 0, None

    def keep(item: Any) -> None:
        nonlocal number, last
        number += 1
        last = item

    items.subscribe(keep)
    return number, comparable(last)


def comparable(item: Any) -> object:
    """Some give a tuple where others give a list."""
    return tuple(item) if isinstance(item, list) else item


@dataclass(frozen=True)
class Fold:
    """A loop over all items in the three ways to write one: `async for`, `for` and a callback."""

    pulled: Callable[[Any], Awaitable[object]]
    plain: Callable[[Any], object]
    pushed: Callable[[Any], object]


TOTAL = Fold(total, plain_total, pushed_total)
TALLY = Fold(tally, plain_tally, pushed_tally)


# -- sides -----------------------------------------------------------------------------------------


def sides(fold: Fold, makes: Mapping[str, Make], held: bool = False) -> dict[str, Side]:
    """The sides of a case in which each takes all items of what `makes` has for it.

    Ours is the bare `async for`, and with `held` it stands inside of `async with`. What a peer
    makes has its module as the second argument. A coroutine function is a side by itself.
    """
    return {name: side(name, fold, make, held) for name, make in makes.items()}


def side(name: str, fold: Fold, make: Make, held: bool) -> Side:
    if iscoroutinefunction(make):
        return make
    if name == OURS:
        return in_block(make, fold) if held else bare(make, fold)
    if name == "floor":
        return in_plain_loop(make, fold)
    if name == "reactivex":
        return subscribed(make, fold)
    if name in PEERS:
        return as_peer(name, make, fold)
    return closed(make, fold)


def bare(make: Make, fold: Fold) -> Side:
    async def work(n: int) -> object:
        return await fold.pulled(make(n))

    return work


def in_block(make: Make, fold: Fold) -> Side:
    async def work(n: int) -> object:
        async with make(n) as items:
            return await fold.pulled(items)

    return work


def in_plain_loop(make: Make, fold: Fold) -> Side:
    async def work(n: int) -> object:
        return fold.plain(make(n))

    return work


def closed(make: Make, fold: Fold) -> Side:
    """Async generators of one's own: the last one is closed, as careful people do."""

    async def work(n: int) -> object:
        async with aclosing(make(n)) as items:
            return await fold.pulled(items)

    return work


def subscribed(make: Make, fold: Fold) -> Side:
    """Everything is pushed in one go, and the event loop has no turn: reactivex at its best."""

    async def work(n: int) -> object:
        return fold.pushed(make(n, peer("reactivex")))

    return work


def as_peer(name: str, make: Make, fold: Fold) -> Side:
    """aiostream has a block of its own; of the others those are closed that can be."""

    async def work(n: int) -> object:
        made = make(n, peer(name))
        async with AsyncExitStack() as stack:
            if name == "aiostream":
                made = await stack.enter_async_context(made.stream())
            elif hasattr(made, "aclose"):
                await stack.enter_async_context(aclosing(made))
            return await fold.pulled(made)

    return work


# -- operators -------------------------------------------------------------------------------------

ITEMS, QUICK = 10_000, 2_000


def operator_case(
    name: str,
    what: str,
    makes: Mapping[str, Make],
    fold: Fold = TOTAL,
    held: bool = False,
    limits: Mapping[str, float | Mapping[Version, float]] | None = None,
    items: int = ITEMS,
    quick: int = QUICK,
) -> Case:
    return Case(name, what, "operators", items, sides(fold, makes, held), limits or {}, quick=quick)
