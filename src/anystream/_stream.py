"""`Stream`: the fluent face. Each method is a line or two and its docstring."""

import builtins
import operator
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from types import TracebackType
from typing import (
    Any,
    Generic,
    Literal,
    NamedTuple,
    TypeAlias,
    TypeVar,
    TypeVarTuple,
    overload,
)

from anyio import get_current_task

from . import _checks as check
from . import _labels as label
from . import _sinks
from ._batches import MISSING, Operator, Recipe, Segment, Source, needs_tasks
from ._errors import EmptyStreamError, NeedsTasksError, WrongTaskError
from ._operators import combine, concurrent, select, transform
from ._origins import origin
from ._run import Host, Run

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

Items: TypeAlias = AsyncIterable[T] | Iterable[T]
Maker: TypeAlias = Callable[[], Items[T] | Awaitable[Items[T]]]


class Parts(NamedTuple):
    """What a stream is made of: its source and operators, for each run anew, and its text."""

    origin: Callable[[Host], Source]
    row: tuple[Callable[[Host], Operator], ...]
    text: str
    tasks: bool  # whether it needs tasks


class Stream(Recipe, AsyncIterable[T_co], Generic[T_co]):
    """A stream of items: an immutable recipe that can be opened again and again.

    `source` is any async iterable, any iterable, an anyio `ObjectReceiveStream`, or a function
    that returns one of these, plain or async. A list or a function can be opened many times, also
    at the same time. An iterator can be read only once, so a second opening is a
    `StreamConsumedError`; opening the stream takes it over, and closes it.

    Nothing runs until the stream is opened, and a stream can be opened in three ways:

    - `async with stream as items:` opens one run and closes it when the block is left;
    - a terminal call, such as `await stream.collect()`, opens and closes a run by itself;
    - a bare `async for item in stream:` closes on the end, on an error, and on a cancellation
      inside a step. Python tells nobody of a `break`: what the run holds open then is a
      `ResourceWarning`, so use `async with` for streams that hold something.

    Operators (`map`, `take`, ...) return a new stream and run nothing. The functions given to
    them may be plain or async; the first result decides which, and it must be the same each time.
    An async function is awaited for one item at a time; if that is cancelled, the item is kept,
    and the next step calls the function with it once more.

    Raises `TypeError` if `source` is nothing of the kind.

    >>> async def main():
    ...     print(await Stream([1, 2, 3]).map(lambda n: n * n).collect())
    >>> anyio.run(main)
    [1, 4, 9]
    """

    __slots__ = ("_parts", "_runs")

    def __init__(self, source: "Items[T_co] | Maker[T_co] | Parts") -> None:
        if not isinstance(source, Parts):
            tasks = isinstance(source, Recipe) and needs_tasks(source)
            source = Parts(origin(source), (), label.call("Stream", source), tasks)
        self._parts = source
        self._runs: dict[
            int | None, list[Run[T_co]]
        ] = {}  # of `async with`, by the task that entered

    def _then(self, text: str, *makers: Callable[[Host], Operator]) -> "Stream[Any]":
        """This stream with more operators; no text for what the user has not written."""
        origin, row, whole, tasks = self._parts
        return made(origin, f"{whole}.{text}" if text else whole, *row, *makers, tasks=tasks)

    def _segment(self, host: Host) -> Segment:
        return Segment(self._parts.origin(host), [make(host) for make in self._parts.row])

    def _needs_tasks(self) -> bool:
        return self._parts.tasks

    def __repr__(self) -> str:
        return self._parts.text

    # -- opening ----------------------------------------------------------------------------

    async def __aenter__(self) -> Run[T_co]:
        run = Run[T_co](self)
        await run.__aenter__()
        self._runs.setdefault(run.pipeline.task, []).append(run)
        return run

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task = get_current_task().id
        runs = self._runs.get(task)
        if not runs:
            raise WrongTaskError(f"{self!r} was entered in another task, which has to leave it")
        run = runs.pop()
        if not runs:
            del self._runs[task]
        await run.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Run[T_co]:
        if self._parts.tasks:
            raise NeedsTasksError(
                f"{self!r} needs tasks, and a bare `async for` has none:"
                " use `async with stream as items`, and `async for item in items` inside of it"
            )
        return Run[T_co](self, bare=True)

    # -- one item at a time -----------------------------------------------------------------

    @overload
    def map(self, fn: Callable[[T_co], Awaitable[R]]) -> "Stream[R]": ...
    @overload
    def map(self, fn: Callable[[T_co], R]) -> "Stream[R]": ...
    def map(self, fn: Callable[[T_co], Any]) -> "Stream[Any]":
        """The result of `fn(item)` for each item.

        >>> async def main():
        ...     print(await async_range(4).map(str).collect())
        >>> anyio.run(main)
        ['0', '1', '2', '3']
        """
        check.function("fn", fn)
        return self._then(label.call("map", fn), lambda _: transform.Map(fn))

    @overload
    def starmap(self: "Stream[tuple[*Ts]]", fn: Callable[[*Ts], Awaitable[R]]) -> "Stream[R]": ...
    @overload
    def starmap(self: "Stream[tuple[*Ts]]", fn: Callable[[*Ts], R]) -> "Stream[R]": ...
    @overload
    def starmap(self: "Stream[Iterable[Any]]", fn: Callable[..., Awaitable[R]]) -> "Stream[R]": ...
    @overload
    def starmap(self: "Stream[Iterable[Any]]", fn: Callable[..., R]) -> "Stream[R]": ...
    def starmap(self: "Stream[Any]", fn: Callable[..., Any]) -> "Stream[Any]":
        """The result of `fn(*item)` for each item.

        >>> async def main():
        ...     print(await Stream([(2, 5), (3, 2)]).starmap(pow).collect())
        >>> anyio.run(main)
        [32, 9]
        """
        check.function("fn", fn)
        return self._then(label.call("starmap", fn), lambda _: transform.StarMap(fn))

    def tap(self, fn: Callable[[T_co], object]) -> "Stream[T_co]":
        """Call `fn(item)` for each item, and pass the item on as it is.

        >>> async def main():
        ...     await Stream("ab").tap(print).drain()
        >>> anyio.run(main)
        a
        b
        """
        check.function("fn", fn)
        return self._then(label.call("tap", fn), lambda _: transform.Tap(fn))

    def enumerate(self, start: int = 0) -> "Stream[tuple[int, T_co]]":
        """Pairs of a count, from `start` on, and the item.

        >>> async def main():
        ...     print(await Stream("ab").enumerate(1).collect())
        >>> anyio.run(main)
        [(1, 'a'), (2, 'b')]
        """
        first = check.integer("start", start)
        text = label.call("enumerate", *([start] if start else []))
        return self._then(text, lambda _: transform.Enumerate(first))

    # -- some of the items ------------------------------------------------------------------

    def filter(self, fn: Callable[[T_co], object] | None) -> "Stream[T_co]":
        """The items for which `fn(item)` is true; with None, those that are true themselves.

        >>> async def main():
        ...     print(await async_range(6).filter(lambda n: n % 2).collect())
        >>> anyio.run(main)
        [1, 3, 5]
        """
        keep = bool if fn is None else fn
        check.function("fn", keep)
        return self._then(label.call("filter", fn), lambda _: select.Filter(keep))

    def take(self, n: int) -> "Stream[T_co]":
        """The first `n` items; the source is never asked for one more.

        Raises `ValueError` if `n` is negative.

        >>> async def main():
        ...     print(await Stream(itertools.count).take(3).collect())
        >>> anyio.run(main)
        [0, 1, 2]
        """
        n = check.integer("n", n, 0)
        return self._then(label.call("take", n), lambda _: select.Take(n))

    def skip(self, n: int) -> "Stream[T_co]":
        """All items but the first `n`.

        Raises `ValueError` if `n` is negative.

        >>> async def main():
        ...     print(await async_range(5).skip(3).collect())
        >>> anyio.run(main)
        [3, 4]
        """
        n = check.integer("n", n, 0)
        return self._then(label.call("skip", n), lambda _: select.Skip(n))

    def take_while(self, fn: Callable[[T_co], object]) -> "Stream[T_co]":
        """The items before the first one for which `fn(item)` is false, which is dropped.

        >>> async def main():
        ...     print(await Stream([1, 2, 5, 1]).take_while(lambda n: n < 3).collect())
        >>> anyio.run(main)
        [1, 2]
        """
        check.function("fn", fn)
        return self._then(label.call("take_while", fn), lambda _: select.TakeWhile(fn))

    def skip_while(self, fn: Callable[[T_co], object]) -> "Stream[T_co]":
        """The first item for which `fn(item)` is false, and all after it.

        >>> async def main():
        ...     print(await Stream([1, 2, 5, 1]).skip_while(lambda n: n < 3).collect())
        >>> anyio.run(main)
        [5, 1]
        """
        check.function("fn", fn)
        return self._then(label.call("skip_while", fn), lambda _: select.SkipWhile(fn))

    # -- several items at a time ------------------------------------------------------------

    @overload
    def accumulate(self: "Stream[T]") -> "Stream[T]": ...
    @overload
    def accumulate(self: "Stream[T]", fn: Callable[[T, T], T | Awaitable[T]]) -> "Stream[T]": ...
    @overload
    def accumulate(
        self, fn: Callable[[R, T_co], R | Awaitable[R]], *, initial: R
    ) -> "Stream[R]": ...
    def accumulate(
        self, fn: Callable[..., Any] = operator.add, *, initial: Any = MISSING
    ) -> "Stream[Any]":
        """Running totals: `fn(total, item)` for each item, by default their sum.

        The first item is the first total, unless there is an `initial` one, which comes out first.

        >>> async def main():
        ...     print(await async_range(1, 5).accumulate().collect())
        ...     print(await async_range(1, 5).accumulate(operator.mul, initial=10).collect())
        >>> anyio.run(main)
        [1, 3, 6, 10]
        [10, 10, 20, 60, 240]
        """
        check.function("fn", fn)
        args = [] if fn is operator.add else [fn]
        kwargs = {} if initial is MISSING else {"initial": initial}
        text = label.call("accumulate", *args, **kwargs)
        return self._then(text, lambda _: transform.Accumulate(fn, initial))

    def batched(self, n: int) -> "Stream[tuple[T_co, ...]]":
        """Tuples of `n` items; the last one may be shorter.

        Raises `ValueError` if `n` is less than 1.

        >>> async def main():
        ...     print(await Stream("abcde").batched(2).collect())
        >>> anyio.run(main)
        [('a', 'b'), ('c', 'd'), ('e',)]
        """
        n = check.integer("n", n, 1)
        return self._then(label.call("batched", n), lambda _: transform.Batched(n))

    def pairwise(self) -> "Stream[tuple[T_co, T_co]]":
        """Pairs of neighbours.

        >>> async def main():
        ...     print(await Stream("abc").pairwise().collect())
        >>> anyio.run(main)
        [('a', 'b'), ('b', 'c')]
        """
        return self._then("pairwise()", lambda _: transform.Pairwise())

    # -- streams of streams -----------------------------------------------------------------

    def flatten(self: "Stream[AsyncIterable[R]] | Stream[Iterable[R]]") -> "Stream[R]":
        """The items of each item, one after the other.

        The items are streams, async iterables or iterables. Each is closed when it has ended,
        before the next one is asked for.

        >>> async def main():
        ...     print(await Stream([[1, 2], [], [3]]).flatten().collect())
        >>> anyio.run(main)
        [1, 2, 3]
        """
        return self._then("flatten()", transform.Flatten)

    @overload
    def flat_map(self, fn: Callable[[T_co], AsyncIterable[R] | Iterable[R]]) -> "Stream[R]": ...
    @overload
    def flat_map(
        self, fn: Callable[[T_co], Awaitable[AsyncIterable[R] | Iterable[R]]]
    ) -> "Stream[R]": ...
    def flat_map(self, fn: Callable[[T_co], Any]) -> "Stream[Any]":
        """The items of `fn(item)` for each item, one after the other: `map`, then `flatten`.

        >>> async def main():
        ...     print(await async_range(4).flat_map(async_range).collect())
        >>> anyio.run(main)
        [0, 0, 1, 0, 1, 2]
        """
        check.function("fn", fn)
        text = label.call("flat_map", fn)
        return self._then(text, lambda _: transform.Map(fn), transform.Flatten)

    def chain(self, *others: Items[R]) -> "Stream[T_co | R]":
        """The items of this stream, then those of the others; each closed when it has ended.

        `others` may be streams, or whatever `Stream` takes.

        >>> async def main():
        ...     print(await Stream("ab").chain("cd", async_range(2)).collect())
        >>> anyio.run(main)
        ['a', 'b', 'c', 'd', 0, 1]
        """
        parts = [self, *(as_stream(other) for other in others)]
        text = f"{self!r}.{label.call('chain', *others)}"
        return joined(combine.chained(parts), text, parts)

    # -- tasks ------------------------------------------------------------------------------

    def buffer(self, size: int) -> "Stream[T_co]":
        """Run everything up to here in a task of its own, at most `size` items ahead of the reader.

        With 0 it is strictly on demand: an item is asked for only while a reader waits for it.
        What runs in a task of its own survives a cancelled step of the reader, and may hold cancel
        scopes and task groups across its yields.

        A stream with a buffer needs `async with` or a terminal call. Raises `ValueError` if `size`
        is negative.

        >>> async def main():
        ...     print(await async_range(3).buffer(2).collect())
        >>> anyio.run(main)
        [0, 1, 2]
        """
        size = check.integer("size", size, 0)
        text = f"{self!r}.{label.call('buffer', size)}"
        return joined(concurrent.merged([self], size), text, [self], tasks=True)

    def merge(self, *others: Items[R], buffer: int = 0) -> "Stream[T_co | R]":
        """The items of this stream and of the others as they come; see `anystream.merge`.

        >>> async def main():
        ...     print(sorted(await async_range(2).merge([5, 6]).collect()))
        >>> anyio.run(main)
        [0, 1, 5, 6]
        """
        bound = check.integer("buffer", buffer, 0)
        parts = [self, *(as_stream(other) for other in others)]
        call = label.call("merge", *others, **({"buffer": buffer} if buffer else {}))
        return joined(concurrent.merged(parts, bound), f"{self!r}.{call}", parts, tasks=True)

    # -- terminal calls ---------------------------------------------------------------------

    @overload
    async def collect(self) -> list[T_co]: ...
    @overload
    async def collect(self: "Stream[tuple[K, V]]", into: type[dict[Any, Any]]) -> dict[K, V]: ...
    @overload
    async def collect(self: "Stream[T]", into: type[set[Any]]) -> set[T]: ...
    @overload
    async def collect(self: "Stream[T]", into: type[tuple[Any, ...]]) -> tuple[T, ...]: ...
    @overload
    async def collect(self, into: Callable[[Iterable[T_co]], R]) -> R: ...
    async def collect(self, into: Callable[[Any], Any] = list) -> Any:
        """All items, as a list or as `into(items)`: `set`, `dict`, `tuple`, `"".join`, ...

        >>> async def main():
        ...     print(await Stream("abc").enumerate().collect(dict))
        >>> anyio.run(main)
        {0: 'a', 1: 'b', 2: 'c'}
        """
        check.function("into", into)
        return await _sinks.collect(self, into)

    async def drain(self) -> None:
        """Run to the end for the effects alone.

        >>> anyio.run(Stream("ab").tap(print).drain)
        a
        b
        """
        await _sinks.drain(self)

    async def for_each(self, fn: Callable[[T_co], object]) -> None:
        """Call `fn(item)` for each item; an async function is awaited before the next item.

        >>> async def main():
        ...     await async_range(2).for_each(print)
        >>> anyio.run(main)
        0
        1
        """
        await _sinks.drain(self.map(fn))

    @overload
    async def reduce(self: "Stream[T]", fn: Callable[[T, T], T | Awaitable[T]]) -> T: ...
    @overload
    async def reduce(self, fn: Callable[[R, T_co], R | Awaitable[R]], initial: R) -> R: ...
    async def reduce(self, fn: Callable[..., Any], initial: Any = MISSING) -> Any:
        """One value from all items, by `fn(total, item)`; `initial` is the first total.

        Raises `TypeError` if the stream is empty and there is no `initial`, as
        `functools.reduce` does.

        >>> async def main():
        ...     print(await async_range(1, 6).reduce(operator.mul))
        >>> anyio.run(main)
        120
        """
        check.function("fn", fn)
        totals = self._then("", lambda _: transform.Accumulate(fn, initial))
        try:
            return await _sinks.last(totals, MISSING)
        except EmptyStreamError:
            raise TypeError(f"reduce() of {self!r}, which is empty, and no initial value") from None

    @overload
    async def first(self) -> T_co: ...
    @overload
    async def first(self, default: R) -> T_co | R: ...
    async def first(self, default: Any = MISSING) -> Any:
        """The first item; the source is not asked for another one.

        Raises `EmptyStreamError`, a `ValueError`, if there is none and no `default`.

        >>> async def main():
        ...     print(await async_range(5).skip(3).first())
        >>> anyio.run(main)
        3
        """
        return await _sinks.first(self, default)

    @overload
    async def last(self) -> T_co: ...
    @overload
    async def last(self, default: R) -> T_co | R: ...
    async def last(self, default: Any = MISSING) -> Any:
        """The last item, which means running to the end.

        Raises `EmptyStreamError`, a `ValueError`, if there is none and no `default`.

        >>> async def main():
        ...     print(await async_range(5).last())
        >>> anyio.run(main)
        4
        """
        return await _sinks.last(self, default)

    async def count(self) -> int:
        """How many items there are.

        >>> async def main():
        ...     print(await async_range(10).filter(lambda n: n % 3 == 0).count())
        >>> anyio.run(main)
        4
        """
        return await _sinks.number(self)

    @overload
    async def sum(self: "Stream[bool] | Stream[int]") -> int: ...
    @overload
    async def sum(self: "Stream[T]") -> T | Literal[0]: ...
    @overload
    async def sum(self: "Stream[T]", start: R) -> T | R: ...
    async def sum(self, start: Any = 0) -> Any:
        """The sum of the items and of `start`.

        >>> async def main():
        ...     print(await async_range(5).sum())
        >>> anyio.run(main)
        10
        """
        return await _sinks.total(self, start)

    @overload
    async def min(self, *, key: Callable[[T_co], Any] | None = None) -> T_co: ...
    @overload
    async def min(self, *, key: Callable[[T_co], Any] | None = None, default: R) -> T_co | R: ...
    async def min(self, *, key: Callable[[T_co], Any] | None = None, default: Any = MISSING) -> Any:
        """The least item, or the first of those with the least `key(item)`.

        Raises `EmptyStreamError`, a `ValueError`, if there is none and no `default`.

        >>> async def main():
        ...     print(await Stream(["pear", "fig"]).min(key=len))
        >>> anyio.run(main)
        fig
        """
        return await _sinks.extreme(self._keyed(key), builtins.min, default)

    @overload
    async def max(self, *, key: Callable[[T_co], Any] | None = None) -> T_co: ...
    @overload
    async def max(self, *, key: Callable[[T_co], Any] | None = None, default: R) -> T_co | R: ...
    async def max(self, *, key: Callable[[T_co], Any] | None = None, default: Any = MISSING) -> Any:
        """The greatest item, or the first of those with the greatest `key(item)`.

        Raises `EmptyStreamError`, a `ValueError`, if there is none and no `default`.

        >>> async def main():
        ...     print(await Stream(["pear", "fig"]).max())
        >>> anyio.run(main)
        pear
        """
        return await _sinks.extreme(self._keyed(key), builtins.max, default)

    def _keyed(self, key: Callable[[T_co], Any] | None) -> "Stream[Any]":
        by: Callable[[T_co], Any] = identity if key is None else key
        check.function("key", by)
        return self._then("", lambda _: transform.Keyed(by))

    async def any(self) -> bool:
        """Whether any item is true; no more items are asked for than it takes to know.

        >>> async def main():
        ...     print(await async_range(5).map(lambda n: n > 3).any())
        >>> anyio.run(main)
        True
        """
        return await _sinks.some(self)

    async def all(self) -> bool:
        """Whether all items are true; no more items are asked for than it takes to know.

        >>> async def main():
        ...     print(await async_range(5).map(lambda n: n > 3).all())
        >>> anyio.run(main)
        False
        """
        return await _sinks.every(self)


def identity(item: Any) -> Any:
    return item


def as_stream(source: Any) -> Stream[Any]:
    stream: Stream[Any] = source if issubclass(type(source), Stream) else Stream(source)
    return stream


def made(
    origin: Callable[[Host], Source],
    text: str,
    *row: Callable[[Host], Operator],
    tasks: bool = False,
) -> Stream[Any]:
    """A stream whose source is what `origin` makes for each run, written down as `text`."""
    return Stream(Parts(origin, row, text, tasks))


def joined(
    origin: Callable[[Host], Source],
    text: str,
    parts: Iterable[Stream[Any]],
    *,
    tasks: bool = False,
) -> Stream[Any]:
    """A stream of several; it needs tasks if one of its parts does."""
    return made(origin, text, tasks=tasks or any(map(needs_tasks, parts)))
