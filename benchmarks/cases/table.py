"""What cases share: a source for each side, its library, and loops that take all the items."""

import builtins
import functools
import itertools
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
)
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import isawaitable, iscoroutinefunction
from types import SimpleNamespace
from typing import Any, cast

from anyio import Event, create_task_group
from anyio.lowlevel import checkpoint
from measure import OURS, Case, Limits, Work

from anystream import Stream, async_range

from . import byhand

Make = Callable[[Any, Any, int], Any]
"""What a side takes its items from: of its source, its library and the number of items."""
NO_LIMITS: Limits = {}


def inc(n: int) -> int:
    return n + 1


def even(n: int) -> bool:
    return n % 2 == 0


def odd(n: int) -> bool:
    return n % 2 == 1


async def numbers(stop: int) -> AsyncGenerator[int, None]:
    """What `range` is as an async generator, the shortest one there is."""
    for n in range(stop):
        yield n


async def waiting(stop: int) -> AsyncGenerator[int, None]:
    """One that waits in each step."""
    for n in range(stop):
        await checkpoint()
        yield n


KINDS: dict[str, tuple[str, Callable[[int], Any]]] = {
    "": ("", range),
    "-ready": (", over a generator that is ready", numbers),
    "-waiting": (", over a generator that waits in each step", waiting),
}
"""What a case reads, by the end of its name."""


async def each(items: Iterable[Any]) -> AsyncGenerator[Any, None]:
    for item in items:
        yield item


def generated(items: Any) -> AsyncIterable[Any]:
    return cast("Any", items) if isinstance(items, AsyncIterable) else each(items)


def stream_of(items: Any) -> Stream[Any]:
    if isinstance(items, range):
        return async_range(items.start, items.stop)
    if isinstance(items, AsyncGenerator):
        return Stream(lambda: cast("AsyncGenerator[Any, None]", items))
    return Stream(items)


@dataclass(frozen=True)
class Fold:
    """A loop over all items in the two ways to write one: `async for` and `for`.

    `ends` says that the call that makes the items has taken them.
    """

    pulled: Callable[[Any], Awaitable[object]]
    plain: Callable[[Any], object] = lambda items: items
    ends: bool = False


async def total(items: AsyncIterable[Any]) -> int:
    result = 0
    async for item in items:
        result += item
    return result


async def last(items: AsyncIterable[Any]) -> object:
    item = None
    async for item in items:  # noqa: B007  # the last one is wanted
        pass
    return item


def plain_total(items: Iterable[Any]) -> int:
    result = 0
    for item in items:
        result += item
    return result


async def result(made: Any) -> object:
    """What a terminal call gives, which may have to be awaited."""
    return await made if isawaitable(made) else made


async def listed_sum(made: Any) -> int:
    """The sum of a list, which does not depend on the order that is free for workers."""
    return sum(await made if isawaitable(made) else [item async for item in made])


TOTAL = Fold(total, plain_total)
TERMINAL = Fold(result, ends=True)
LAST = Fold(last)
LISTED = Fold(listed_sum, ends=True)


def ignoring(make: Callable[[], Any]) -> Callable[..., Any]:
    """A function of whatever there is, that makes this."""

    def call(*_: object) -> Any:
        return make()

    return call


async def in_tasks(child: Callable[[], Coroutine[Any, Any, None]], count: int) -> None:
    async with create_task_group() as group:
        for _ in range(count):
            group.start_soon(child)


async def held(
    count: int,
    make: Callable[[], AbstractAsyncContextManager[Any]],
    look: Callable[[], Any] = lambda: None,
) -> Any:
    """So many open at once, each in a task of its own; what is seen when all have been opened."""
    over = Event()
    opened = 0
    seen: Any = None

    async def hold() -> None:
        nonlocal opened, seen
        async with make():
            opened += 1
            if opened == count:
                for _ in range(20):  # by then the tasks that they have started wait
                    await checkpoint()
                seen = look()
                over.set()
            await over.wait()

    await in_tasks(hold, count)
    return seen


@cache
def peer(name: str) -> Any:
    """The module of a peer, on first use: one that is not installed fails its own side alone."""
    return import_module(name)


def observed(items: Any) -> Any:
    observable = peer("grugstream").Observable
    aiterable = isinstance(items, AsyncIterable)
    return (observable.from_async_iterable if aiterable else observable.from_iterable)(items)


SOURCES: dict[str, Callable[[Any], Any]] = {
    OURS: stream_of,
    "floor": lambda items: items,
    "generators": generated,
    "aiostream": generated,
    "streamable": lambda items: peer("streamable").stream(items),
    "asyncstdlib": lambda items: items,
    "aioitertools": lambda items: items,
    "fpstreams": lambda items: peer("fpstreams").aflow(items),
    "grugstream": lambda items: observed(items),
}
"""What each side reads items from, in the form that is the fastest one for it."""
ORDER = [OURS, "floor", "memory stream", *SOURCES]
"""Of the sides, and what comes first after ours is what `compare` takes."""
STANDARD = SimpleNamespace(**vars(builtins) | vars(itertools))


@cache
def library(side: str) -> Any:
    """Where a side has its functions: most have names and arguments as in the standard library."""
    known = {"floor": STANDARD, "generators": byhand, OURS: None}
    return known[side] if side in known else peer(f"{side}.stream" if side == "aiostream" else side)


class Row:
    """What all sides of a case share: what is read, and the loop that takes it.

    `held` opens ours by `async with`; otherwise it is a bare `async for`.
    """

    def __init__(
        self,
        name: str,
        what: str,
        items: int = 10_000,
        quick: int = 2_000,
        of: Callable[[int], Any] = range,
        fold: Fold = TOTAL,
        held: bool = False,
        **options: Any,  # of the `Case`
    ) -> None:
        self.case = functools.partial(Case, name, what, items=items, quick=quick, **options)
        self.of = of
        self.fold = fold
        self.held = held


Makes = Mapping[str, Make | Work | None]
"""Names may share an entry; a coroutine function is a side by itself, and None is no side."""
Rows = dict[Row, Makes]


def cases(family: str, rows: Rows) -> list[Case]:
    return [case(family, row, makes) for row, makes in rows.items()]


def case(family: str, row: Row, makes: Makes) -> Case:
    by_side = {side: make for names, make in makes.items() for side in names.split(", ")}
    names = [*(side for side in ORDER if side in by_side), *by_side]
    sides = {side: work(side, row, make) for side in names if (make := by_side[side])}
    return row.case(family=family, sides=sides)


def opened(side: str, made: Any) -> AbstractAsyncContextManager[Any]:
    """aiostream has a block of its own; of the others those are closed that can be."""
    if side == OURS:
        return cast("Stream[Any]", made)
    if side == "aiostream":
        return cast("AbstractAsyncContextManager[Any]", made.stream())
    if side == "grugstream":
        made = made.to_async_iterable()
    items = aiter(made)
    return aclosing(items) if hasattr(items, "aclose") else nullcontext(items)


def work(side: str, row: Row, make: Any) -> Work:
    if iscoroutinefunction(make):
        return cast("Work", make)
    fold = row.fold

    def made(n: int) -> Any:
        return make(SOURCES[side](row.of(n)), library(side), n)

    async def plain(n: int) -> object:
        return fold.plain(made(n))

    async def bare(n: int) -> object:
        return await fold.pulled(made(n))

    async def closed(n: int) -> object:
        async with opened(side, made(n)) as items:
            return await fold.pulled(items)

    if side == "floor":
        return plain
    return bare if fold.ends or (side == OURS and not row.held) else closed
