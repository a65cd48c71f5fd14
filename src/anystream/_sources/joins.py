"""The functions that make one stream of several: chain, merge, race, zip, combine_latest."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar, overload

from .. import _layouts as layouts
from .._labels import Label
from .._operators import combine, concurrent
from .._recipe import Items, OpenSource, Recipe, named_call, recipe_of
from .._stream import Stream

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


@overload
def chain(a: Items[A], b: Items[B], /) -> Stream[A | B]: ...
@overload
def chain(a: Items[A], b: Items[B], c: Items[C], /) -> Stream[A | B | C]: ...
@overload
def chain(a: Items[A], b: Items[B], c: Items[C], d: Items[D], /) -> Stream[A | B | C | D]: ...
@overload
def chain(*sources: Items[T]) -> Stream[T]: ...
@named_call
def chain(*sources: Items[Any]) -> Stream[Any]:
    """The items of each source, one source after the other; each is closed when it has ended.

    The sources are streams, async iterables or iterables.

    >>> async def main():
    ...     print(await chain("ab", async_range(2)).collect())
    >>> anyio.run(main)
    ['a', 'b', 0, 1]
    """
    return Stream(joined(sources, combine.chained, layouts.IN_TURN, 0))


@overload
def merge(
    a: Items[A], b: Items[B], /, *, buffer: int = 0, until: Literal["all", "any"] = "all"
) -> Stream[A | B]: ...
@overload
def merge(
    a: Items[A],
    b: Items[B],
    c: Items[C],
    /,
    *,
    buffer: int = 0,
    until: Literal["all", "any"] = "all",
) -> Stream[A | B | C]: ...
@overload
def merge(
    a: Items[A],
    b: Items[B],
    c: Items[C],
    d: Items[D],
    /,
    *,
    buffer: int = 0,
    until: Literal["all", "any"] = "all",
) -> Stream[A | B | C | D]: ...
@overload
def merge(
    *sources: Items[T], buffer: int = 0, until: Literal["all", "any"] = "all"
) -> Stream[T]: ...
@named_call
def merge(
    *sources: Items[Any], buffer: int = 0, until: Literal["all", "any"] = "all"
) -> Stream[Any]:
    """The items of all sources as they come, each source in a task of its own.

    The sources are streams, async iterables or iterables. Those that have something are served in
    turn, and no more than `buffer` items of each are read ahead: with 0 a source is asked for an
    item only while a reader waits. Ends when all have ended, or with `until="any"` when the first
    has: the others are stopped then, and what they have given before is still read. An error of
    one of them comes after the items that have come before it, and stops the others.

    Raises `ValueError` if `buffer` is negative, or `until` is none of the two.

    >>> async def main():
    ...     async with merge("abc", async_range(2)) as items:
    ...         print(sorted([str(item) async for item in items]))
    >>> anyio.run(main)
    ['0', '1', 'a', 'b', 'c']
    """
    return Stream(joined(sources, concurrent.merging(buffer, until), layouts.EACH, buffer))


@overload
def race(a: Items[A], b: Items[B], /) -> Stream[A | B]: ...
@overload
def race(a: Items[A], b: Items[B], c: Items[C], /) -> Stream[A | B | C]: ...
@overload
def race(a: Items[A], b: Items[B], c: Items[C], d: Items[D], /) -> Stream[A | B | C | D]: ...
@overload
def race(*sources: Items[T]) -> Stream[T]: ...
@named_call
def race(*sources: Items[Any]) -> Stream[Any]:
    """The items of the source that is the first to give one; the others are closed then.

    The sources are streams, async iterables or iterables. Each runs in a task of its own, from
    the first step on. One that ends without an item is out of the race, and the end comes when all
    are. An error before there is a winner ends the race, and stops the others.

    >>> async def main():
    ...     print(await race(async_range(5, 7, delay=0.1), ticker(60)).collect())
    >>> anyio.run(main)
    [5, 6]
    """
    return Stream(joined(sources, concurrent.racing, layouts.RACING, 0))


@overload
def zip(a: Items[A], b: Items[B], /, *, strict: bool = False) -> Stream[tuple[A, B]]: ...
@overload
def zip(
    a: Items[A], b: Items[B], c: Items[C], /, *, strict: bool = False
) -> Stream[tuple[A, B, C]]: ...
@overload
def zip(
    a: Items[A], b: Items[B], c: Items[C], d: Items[D], /, *, strict: bool = False
) -> Stream[tuple[A, B, C, D]]: ...
@overload
def zip(
    a: Items[A], b: Items[B], c: Items[C], d: Items[D], e: Items[E], /, *, strict: bool = False
) -> Stream[tuple[A, B, C, D, E]]: ...
@overload
def zip(
    a: Items[A],
    b: Items[B],
    c: Items[C],
    d: Items[D],
    e: Items[E],
    f: Items[F],
    /,
    *,
    strict: bool = False,
) -> Stream[tuple[A, B, C, D, E, F]]: ...
@overload
def zip(*sources: Items[T], strict: bool = False) -> Stream[tuple[T, ...]]: ...
@named_call
def zip(*sources: Items[Any], strict: bool = False) -> Stream[Any]:  # its namesake
    """Tuples of an item of each source, which are asked for at the same time.

    The sources are streams, async iterables or iterables. Each runs in a task of its own, and is
    asked for an item only while a reader waits. If none of them ever waits, as plain iterables do
    not, no task is started, and they are asked in their order. The stream ends when one of them
    ends. The others are stopped then, and their items for the incomplete tuple are dropped. With
    `strict` all have to end together, or `ValueError` is raised, as by the builtin `zip`.

    >>> async def main():
    ...     print(await zip("abc", async_range(10)).collect())
    >>> anyio.run(main)
    [('a', 0), ('b', 1), ('c', 2)]
    """
    return Stream(joined(sources, combine.zipping(strict), layouts.ZIPPED, 0))


@overload
def combine_latest(a: Items[A], b: Items[B], /) -> Stream[tuple[A, B]]: ...
@overload
def combine_latest(a: Items[A], b: Items[B], c: Items[C], /) -> Stream[tuple[A, B, C]]: ...
@overload
def combine_latest(
    a: Items[A], b: Items[B], c: Items[C], d: Items[D], /
) -> Stream[tuple[A, B, C, D]]: ...
@overload
def combine_latest(
    a: Items[A], b: Items[B], c: Items[C], d: Items[D], e: Items[E], /
) -> Stream[tuple[A, B, C, D, E]]: ...
@overload
def combine_latest(
    a: Items[A], b: Items[B], c: Items[C], d: Items[D], e: Items[E], f: Items[F], /
) -> Stream[tuple[A, B, C, D, E, F]]: ...
@overload
def combine_latest(*sources: Items[T]) -> Stream[tuple[T, ...]]: ...
@named_call
def combine_latest(*sources: Items[Any]) -> Stream[Any]:
    """Tuples of the latest item of each source, whenever one of them has a new one.

    The sources are streams, async iterables or iterables. Each runs in a task of its own, and is
    asked for an item only while a reader waits. The first tuple comes when each has given an item.
    Ends when all have ended, or when one ends without an item.

    >>> async def main():
    ...     print(await combine_latest("a", async_range(2, delay=0.1)).collect())
    >>> anyio.run(main)
    [('a', 0), ('a', 1)]
    """
    tagged = joined(sources, combine.latest_of, layouts.EACH, 0)
    return Stream(tagged.also(lambda _: combine.Latest(len(sources))))


def joined(
    sources: Iterable[Any],
    make: Callable[[list[Recipe]], OpenSource],
    layout: layouts.Layout,
    bound: int,
) -> Recipe:
    parts = [recipe_of(source) for source in sources]
    return Recipe.combine(make(parts), Label(), parts, layout, bound)
