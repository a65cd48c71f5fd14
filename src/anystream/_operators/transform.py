"""Operators that make something of the items: map, tap, accumulate, flatten, and kin."""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from itertools import chain, starmap
from types import AsyncGeneratorType, CoroutineType
from typing import Any, cast

from anyio.lowlevel import checkpoint

from .._core.batches import TimeSlicer
from .._core.contracts import MISSING, Openable, Operator, Owner, Source, WaitingOperator
from .._core.driver import EMPTY, Attempt, is_awaitable, resolved
from .._core.locating import locate_in
from .._core.opening import unless_too_deep
from .._labels import whole
from .._sources.of_asyncio import in_bytes
from .._sources.origins import PLAIN, FromAsync, FromIterable, as_source, must_await
from .calls import Call, instead_of, of_user
from .recover import in_except


class Map(Call):
    at_most_one = True
    in_c = True
    gives_result = True

    def refuse(self, result: object) -> None:
        """A plain generator is a result like any other."""
        if isinstance(result, AsyncGeneratorType) and not self._row.flattens(self._place):
            super().refuse(cast("object", result))

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        return map(self.fn, batch)

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        return (result,)


class ForEach(Map):
    """`map` for what the function does."""

    in_c = False
    refuse = Call.refuse

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        fn = self.fn
        for item in batch:
            result = fn(item)
            if type(result) is CoroutineType:
                raise late(cast("Any", result), self.fn)
        yield from ()


class ToStreams(Map):
    """`map` to what is flattened behind it."""

    is_awaited = staticmethod(must_await)

    def refuse(self, result: object) -> None:
        """Async generators are wanted here."""


class MapOr(Map):
    """`map` with what `forgiving` makes: awaitables for some of the items, or nothing at all."""

    in_c = False
    gives_result = False

    def call(self, item: Any) -> Any:
        return resolved(self.fn(item)) if self.awaits else self.fn(item)

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            result = self.fn(item)
            if is_awaitable(result):
                self.awaits = True
                yield from self.awaiting(chain((item,), batch), result)
                return
            if result is not MISSING:
                yield result

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        return () if result is MISSING else (result,)


def forgiving(
    fn: Callable[[Any], Any], on_error: Callable[[Exception, Any], Any], owner: Owner
) -> Callable[[Any], Any]:
    """`fn`, with what `on_error(error, item)` gives in the place of an error, unless it is over."""

    async def awaited(result: Any, item: Any) -> Any:
        attempt = Attempt()
        try:
            return await attempt.wait(resolved(result))
        except Exception as error:
            if attempt.was_cancelled or not owner.recovers():
                raise
            owner.has_caught(error)
            return await resolved(on_error(error, item))

    def call(item: Any) -> Any:
        try:
            result = fn(item)
        except Exception as error:
            owner.has_caught(error)
            result = on_error(error, item)
            return in_except(error, resolved, result) if is_awaitable(result) else result
        return awaited(result, item) if is_awaitable(result) else result

    return instead_of(fn, call)


def skipped(error: Exception, item: Any) -> Any:
    return MISSING


def is_given(result: Any) -> bool:
    return result is not MISSING


class Keyed(Call):
    """Pairs of the function's result and the item."""

    at_most_one = True

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            yield self.fn(item), item

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        return ((result, item),)


class StarMap(Map):
    def call(self, item: Any) -> Any:
        return self.fn(*item)

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        return starmap(self.fn, batch)


def late(result: Coroutine[Any, Any, Any], fn: Callable[..., Any]) -> TypeError:
    """The error for a coroutine that nobody would await, since the first result was none."""
    result.close()
    return TypeError(
        f"{whole(of_user(fn))} returned no awaitable for an earlier item but {whole(result)} for"
        " this one; an async function returns one for each"
    )


class Tap(Call):
    at_most_one = True

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            result = self.fn(item)
            if type(result) is CoroutineType:
                raise late(cast("Any", result), self.fn)
            yield item

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        return (item,)


class Accumulate(Call):
    at_most_one = True

    def __init__(self, fn: Callable[[Any, Any], Any], initial: Any) -> None:
        super().__init__(fn)
        self.initial = self.total = initial

    def head(self) -> Iterable[Any]:
        return () if self.initial is MISSING else (self.initial,)

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return self.first(batch) if self.total is MISSING else super().__call__(batch)

    def first(self, batch: Iterator[Any]) -> Iterator[Any]:
        for self.total in batch:
            yield self.total
            yield from super().__call__(batch)
            return

    def call(self, item: Any) -> Any:
        return self.fn(self.total, item)

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            self.total = self.fn(self.total, item)
            yield self.total

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        self.total = result
        return (result,)


class Enumerate(Operator):
    at_most_one = True

    def __init__(self, start: int) -> None:
        self.count = start

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            self.count += 1
            yield self.count - 1, item


class Intersperse(Operator):
    """A separator before each item but the first; it comes together with the item."""

    def __init__(self, separator: Any) -> None:
        self.separator = separator
        self.begun = False

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            if self.begun:
                yield self.separator
            self.begun = True
            yield item


class Pairwise(Operator):
    at_most_one = True

    def __init__(self) -> None:
        self.last = MISSING

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        if self.last is MISSING:
            for self.last in batch:
                break
        for item in batch:
            pair = self.last, item
            self.last = item
            yield pair


class ChunkBy(Operator):
    """Neighbours with the same key, out of pairs of a key and an item."""

    def __init__(self) -> None:
        self.key: Any = MISSING
        self.items: list[Any] = []

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for key, item in batch:
            if self.items and not (key is self.key or key == self.key):
                yield self.give()
            self.key = key
            self.items.append(item)

    def give(self) -> tuple[Any, ...]:
        items, self.items = tuple(self.items), []
        return items

    def tail(self) -> Iterable[Any]:
        return (self.give(),) if self.items else ()


class SplitWhen(Call):
    """Neighbours, up to where the function says of two of them that they are to be parted."""

    def __init__(self, fn: Callable[[Any, Any], Any]) -> None:
        super().__init__(fn)
        self.items: list[Any] = []

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return super().__call__(batch) if self.items else self.first(batch)

    def first(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            self.items.append(item)
            yield from super().__call__(batch)
            return

    def call(self, item: Any) -> Any:
        return self.fn(self.items[-1], item)

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            yield from self.emit(item, self.call(item))

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        if not result:
            self.items.append(item)
            return ()
        items, self.items = tuple(self.items), [item]
        return (items,)

    def tail(self) -> Iterable[Any]:
        return (tuple(self.items),) if self.items else ()


class Window(Operator):
    """Tuples of the last `size` items, once there are `size`, and then every `step` items."""

    def __init__(self, size: int, step: int, partial: bool) -> None:
        self.size = size
        self.step = step
        self.partial = partial
        self.items = deque[Any](maxlen=size)
        self.left = size  # how many items the next tuple lacks

    @property
    def lacks(self) -> int:
        return self.left

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        items = self.items
        added = map(items.append, batch)
        for _ in added:
            self.left -= 1
            if self.left:
                continue
            self.left = self.step
            yield tuple(items)
            if self.step == 1:
                for _ in added:
                    yield tuple(items)

    def tail(self) -> Iterable[Any]:
        if not self.partial:
            return ()
        items = [*self.items]
        return (tuple(items[-n:]) for n in range(self.size - self.left, 0, -self.step))


class OnClose(Operator):
    """Calls a function when it is closed, and may tell it how its row has ended."""

    closes = True
    leaves_frame = False

    def __init__(self, fn: Callable[..., Any], told: bool) -> None:
        self.fn = fn
        self.told = told  # whether it takes an argument
        self.complete = False

    @property
    def holds(self) -> bool:
        return True

    def tail(self) -> Iterable[Any]:
        self.complete = True
        return ()

    def ending(self) -> BaseException | None:
        if self.complete:
            return None
        return GeneratorExit() if self._row.failure is None else self._row.failure

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return batch

    async def close(self, owner: Owner) -> None:
        await owner.release(self.call)

    async def call(self) -> None:
        try:
            await resolved(self.fn(self.ending()) if self.told else self.fn())
        except Exception as error:
            locate_in(error, self._row.stream, self._place)
            raise


class FlattenBase(WaitingOperator):
    """The items of each item, one after the other; `enter` says what they are."""

    flattens = True

    def __init__(self) -> None:
        self.pace: TimeSlicer = TimeSlicer()
        self.upstream: Iterator[Any] = EMPTY
        self.current: Iterator[Any] = EMPTY  # what comes next
        self.awaits = False  # whether something has to be awaited for more than that
        self.paced = False  # whether that is cut by time already

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        self.upstream = batch
        self.pace.start()
        return self.items()

    def items(self) -> Iterator[Any]:
        return chain.from_iterable(self.pieces())

    def pieces(self) -> Iterator[Iterable[Any]]:
        fresh = False  # whether `current` is new in this batch
        while True:
            if self.paced:  # its batches are short, and one may end within a step
                yield self.current
                self.suspended()
                return
            if not (yield from self.pace.pieces(self.current, fresh)) or self.awaits:
                self.suspended()
                return
            for item in self.upstream:
                self.enter(item)
                fresh = True
                break
            else:
                return

    @property
    def awaits_in_batch(self) -> bool:
        return self.awaits

    @abstractmethod
    def enter(self, item: Any) -> None:
        """Set `current` to the items of this one."""

    async def go_on(self) -> Iterator[Any]:
        await checkpoint()  # in the middle of a long item
        self.pace.start()
        return self.items()


class FlattenLists(FlattenBase):
    """The items of lists, which the operator before has made."""

    def enter(self, item: list[Any]) -> None:
        self.current = iter(item)


class Flatten(FlattenBase):
    """The items of each item, which may be a stream, in the task that steps it."""

    closes = True

    def __init__(self, owner: Owner, made: bool = False) -> None:
        super().__init__()
        self.owner = owner
        self.made = made  # whether a function has made the items
        owner.will_open_more()
        self.inner: Source | None = None
        self.unstarted: Any = None  # the stream that `inner` will make its first step of
        self.drives = False  # whether an item may be an async iterator that its batches drive

    @property
    def holds(self) -> bool:
        return self.inner is not None and self.inner.holds

    @property
    def busy(self) -> bool:
        return self.inner is not None and self.inner.busy

    def reads(self) -> Iterable[Source]:
        return () if self.inner is None else (self.inner,)

    def enter(self, item: Any) -> None:
        if type(item) in PLAIN or (type(item) is tuple and in_bytes(item) is item):
            self.current = iter(item)  # pyright: ignore[reportUnknownArgumentType]
            return
        self.inner = inner = as_source(item, self.owner, self.made)
        if isinstance(inner, FromIterable) and not inner.holds:
            self.current = inner.hand_over(paced=False)  # no need to wait for what is there
            return
        self.awaits = True
        self.unstarted = item
        if isinstance(inner, FromAsync) and self.drives and not self.pace.is_due:
            self.current = inner.hand_over(paced=False)
            return
        self.current, self.paced = EMPTY, True
        self.drives = self.drives or isinstance(inner, FromAsync)

    @property
    def awaits_in_batch(self) -> bool:
        return self.awaits or self.drives

    async def go_on(self) -> Iterator[Any]:
        if not self.awaits:
            return await super().go_on()
        while True:
            assert self.inner is not None
            if self.unstarted is not None:
                self.unless_too_deep()
            if (batch := await self.inner.batch()) is not None:  # here: a row is only so deep
                self.current, self.paced = batch, True
                self.pace.start()
                break
            inner, self.inner = self.inner, None
            self.awaits = self.paced = False
            await self.owner.finish(inner)
            self.owner.unless_over()
            for item in self.upstream:  # here, since a step from the reader down to here costs more
                self.enter(item)
                break
            if not self.paced:
                break
        return self.items()

    def unless_too_deep(self) -> None:
        """A stream in a stream is opened in one step of the outermost, but each has its own."""
        stream, self.unstarted = self.unstarted, None
        if isinstance(stream, Openable):
            unless_too_deep(stream)

    async def close(self, owner: Owner) -> None:
        if self.inner is not None:
            await self.inner.close(owner)
