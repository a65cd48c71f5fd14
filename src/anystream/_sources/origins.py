"""What items come from: an iterable, an async iterable, or what makes one of them."""

import inspect
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import ContextDecorator
from functools import partial
from itertools import chain, count, repeat, starmap
from types import AsyncGeneratorType, FunctionType, GeneratorType
from typing import Any, TypeAlias, cast
from weakref import WeakValueDictionary, ref

from .. import _args as check
from .. import _labels as label
from .._core.backends import unless_foreign
from .._core.batches import TimeSlicer
from .._core.contracts import Openable, Owner, Parts, Source, SourceDefaults, nothing
from .._core.driver import EMPTY, SyncDriver, awaits, is_awaitable, resolved, sheltered, stepper
from .._core.opening import unless_too_deep
from .._core.orphans import close_row
from .._core.run import Run, reader_of
from .._errors import StreamConsumedError, StreamInterruptedError
from .of_asyncio import in_bytes, is_process
from .queues import queue_type

KEYS: dict[Any, Any] = {}
VIEWS = frozenset(map(type, (KEYS.keys(), KEYS.values(), KEYS.items())))
PLAIN = VIEWS | {list, range, dict, set, frozenset, deque, str, bytes}
"""What has nothing to close, and whose iterators run no code of the user's."""

ITERABLE = PLAIN | {GeneratorType}
"""What is nothing but an iterable: to ask what else it may be takes as long as to read five items.

A tuple is none: it may be the two ends of a connection.
"""

BARE = ITERABLE | {tuple}
"""What has nothing to close beside itself, as most of what functions make."""

CONTAINERS: tuple[Iterable[Any], ...] = (
    *(list[Any](), tuple[Any, ...](), KEYS, KEYS.keys(), KEYS.values(), KEYS.items()),
    *(set[Any](), frozenset[Any](), deque[Any](), reversed(list[Any]()), count(), repeat(None)),
    *(range(0), range(2**64), "", "\u0100", b"", bytearray()),
)

OF_CONTAINERS = frozenset(type(iter(each)) for each in CONTAINERS)
"""Iterators that run no code of the user's."""


def asked_by(kind: type) -> object:
    """The method by which one of this kind is asked for its iterator."""
    return getattr(kind, "__iter__", None)


INERT = frozenset(map(asked_by, (*map(type, CONTAINERS), *OF_CONTAINERS)))
"""Those that give these. Code of the user's may set context variables, and reset them."""

ENDING_ONCE = OF_CONTAINERS | {GeneratorType}
"""Iterators that are at their end for good."""

ASYNC_GENERATOR: Any = AsyncGeneratorType  # of whatever items


Close: TypeAlias = Callable[[], Awaitable[object]]


def ending_once(items: Iterator[Any]) -> Iterator[Any]:
    """`items`, which is not asked again after its end, where it may start over or block.

    A `for` loop asks no iterator again, and needs no more of it than `__next__`.
    """
    if type(items) in ENDING_ONCE:
        return items
    if not hasattr(items, "__iter__"):
        items = starmap(items.__next__, repeat(()))
    return chain(items)


class FromIterable(SourceDefaults):
    """A plain iterable, in batches of about `QUANTUM` seconds with a checkpoint before each."""

    __slots__ = (
        "_checkpoint",
        "_drawn",
        "_items",
        "_iterable",
        "_over",
        "_release",
        "_slicer",
        "any_task",
        "whole",
    )
    waits = False

    def __init__(self, iterable: Iterable[Any], owner: Owner, made: bool = False) -> None:
        self._checkpoint = owner.backend.checkpoint
        self._iterable: Iterable[Any] | None = iterable  # until it is asked for its iterator
        self._items: Iterator[Any] = EMPTY
        self._drawn: Iterator[Any] = EMPTY
        if hasattr(type(iterable), "__next__"):  # and so it has to be closed even without a step
            self._begin()
        self.any_task = asked_by(type(iterable)) in INERT
        self._release: Close | None = None  # closes what a function has made
        if made and type(iterable) not in BARE:
            self._release = closer(iterable, made)
        self.whole = iterable if type(iterable) is range else None  # to tell what of it was taken
        self._slicer = TimeSlicer()
        self._over = False

    @property
    def holds(self) -> bool:
        return self._release is not None

    @property
    def awaits_in_batch(self) -> bool:
        return False

    async def batch(self) -> Iterator[Any] | None:
        if self._over:
            return None
        await self._checkpoint()
        return self.next_batch()

    def hand_over(self, *, paced: bool) -> Iterator[Any]:
        if paced:
            return self.next_batch()
        if self._iterable is not None:
            self._begin()
        self._over = True
        return self._drawn

    def _begin(self) -> None:
        """Ask for the iterator: the iterable may be another one than when this was opened."""
        assert self._iterable is not None
        self._items = iter(self._iterable)
        self._drawn = ending_once(self._items)
        self._iterable = None

    def next_batch(self) -> Iterator[Any]:
        if self._iterable is not None:
            self._begin()
        self._slicer.start()
        return chain.from_iterable(self.pieces())

    def pieces(self) -> Iterator[Iterable[Any]]:
        self._over = yield from self._slicer.pieces(self._drawn)

    async def close(self, owner: Owner) -> None:
        self._over = True
        items, self._items = self._items, EMPTY
        self._drawn, self._iterable = EMPTY, None
        release, self._release = self._release, None
        if hasattr(items, "close") and isinstance(items, Generator):  # the first is fast
            owner.guard(items.close)  # once more is fine, if it is what was made
        if release is not None:
            await owner.release(release)


class FromAsync(SyncDriver, SourceDefaults):
    """An async iterator: a batch is what it gives without suspending, and ends when it suspends."""

    any_task = False

    def __init__(self, iterable: AsyncIterable[Any], owner: Owner, made: bool = False) -> None:
        super().__init__()
        self._within = owner
        self._checkpoint = owner.backend.checkpoint
        self._iterator: Any = aiter(iterable)
        self._aclose = method(self._iterator, "aclose")
        self._release: Close | None = None  # gives back what the iterator is of
        if self._aclose is None or self._iterator is not iterable:
            self._release = closer(iterable, made) or self.canceller(iterable, made)
        self._given = None if self._release is None else iterable  # which holds generators
        self.closes = self._aclose is not None or self._release is not None
        self._slicer = TimeSlicer()
        self._over = False
        self._killed = False

    def canceller(self, iterable: AsyncIterable[Any], made: bool) -> Close | None:
        """What ends early what a function has made that cannot be closed, as a call of gRPC."""
        if not made or (cancel := method(iterable, "cancel")) is None:
            return None
        return lambda: nothing() if self._over else awaited(cancel())

    def lend(self, iterable: AsyncIterable[Any]) -> None:
        """Close no more than the iterator, since who has given the iterable closes that."""
        self._release = None
        if self._iterator is iterable and not inspect.isasyncgen(iterable):
            self._aclose = None
        self._given = iterable  # whose generators are closed with the iterator

    @property
    def owner(self) -> Owner:
        return self._within

    @property
    def holds(self) -> bool:
        return self._release is not None or (self._aclose is not None and not self.finished())

    @property
    def busy(self) -> bool:
        return self._in_await

    def finished(self) -> bool:
        """Whether Python has finalised the async generator that this is."""
        return getattr(self._iterator, "ag_frame", self) is None

    def batch(self) -> Awaitable[Iterator[Any] | None]:
        if self._generator is not None and self._suspends:  # and so will the next step, most likely
            return self.awaited()
        return self.next_batch()

    async def next_batch(self) -> Iterator[Any] | None:
        """What there is without waiting."""
        if self._killed:
            raise StreamInterruptedError(
                f"a step inside {label.whole(self._iterator)} was cancelled; cancelling it"
                " finalised the generator, so its remaining items are lost. Add .buffer(0) so that"
                " cancellation does not reach it"
            )
        if self._over:
            return None
        try:
            await self._checkpoint()
        except self._within.backend.cancelled as exc:
            if not self._within.stands(exc):
                raise
        return self.hand_over(paced=True) if self._generator is None else self.paced(self.ready())

    def hand_over(self, *, paced: bool) -> Iterator[Any]:
        items = self.run(self.steps())
        return self.paced(items) if paced else items

    def after(self, item: Any) -> Iterator[Any]:
        if self._suspends:
            return iter((item,))
        return self.paced(super().after(item))

    def paced(self, items: Iterator[Any]) -> Iterator[Any]:
        self._slicer.start()
        return chain.from_iterable(self._slicer.pieces(items))

    @awaits
    def steps(self) -> Generator[Any, Any, None]:
        step = stepper(self._iterator)
        while True:
            self._in_await = True
            try:
                item: Any = yield from step()
            except StopAsyncIteration:
                self._in_await = False
                self._over = True
                self.stop()
                return
            except BaseException as exc:
                self._in_await = False
                self.stop()
                unless_foreign(exc, self._iterator)
                self._killed = self.finished()
                raise
            self._in_await = False
            yield item  # outside of the rest, where it costs little to drop [open]

    async def close(self, owner: Owner) -> None:
        self.stop()
        aclose, self._aclose = self._aclose, None
        if aclose is not None and not self.finished():
            if isinstance(self._iterator, ASYNC_GENERATOR):
                release = partial(owner.release, scopes=True)
                await close_row(self._iterator, release, self._given)
            else:
                await owner.release(lambda: awaited(aclose()))
        give_back, self._release, self._given = self._release, None, None
        if give_back is not None:
            await owner.release(give_back)


async def awaited(closed: Any) -> None:
    """Await what a plain or an async function for closing has given."""
    if is_awaitable(closed):
        await closed


def closer(given: Any, made: bool) -> Close | None:
    """What closes an iterable, after its iterator.

    One that a function has `made` is closed by all that it has. One that was handed over belongs to
    the stream only if it can be closed as an async iterator is.
    """
    leave: Any = getattr(type(cast("object", given)), "__aexit__", None)
    if made and leave is not None:
        return lambda: leave(given, None, None, None)
    if (aclose := method(given, "aclose")) is not None:
        return lambda: awaited(aclose())
    if made and (close := method(given, "close")) is not None:
        return lambda: awaited(close())
    return None


def method(value: Any, name: str) -> Callable[[], Any] | None:
    """One by which something is closed; a tuple may have a field of that name."""
    found = getattr(value, name, None)
    return found if callable(found) else None


class Wrapper(SourceDefaults):
    """A source that opens another one in the course of the run."""

    closes: bool = True
    any_task: bool = False
    source: Source | None = None

    @property
    def holds(self) -> bool:
        return self.source is not None and self.source.holds

    @property
    def busy(self) -> bool:
        return self.source is not None and self.source.busy

    def reads(self) -> Iterable[Source]:
        return () if self.source is None else (self.source,)

    def draws_from(self) -> Parts:
        return ((source, None) for source in self.reads())

    async def begin(self, made: Any, owner: Owner) -> None:
        """Open what a function has made; if it is over by now, only to close it again."""
        over = owner.over
        source = self.source_of(made, owner)
        if isinstance(source, Managed):
            await source.enter()  # and only then it is there: else it is made again
            over = owner.over
        self.source = source
        if over:
            await owner.finish(self.source)
            owner.unless_over()

    def source_of(self, made: Any, owner: Owner) -> Source:
        """What a function has made, as a source that closes it."""
        return as_source(made, owner, made=True)

    def close(self, owner: Owner) -> Awaitable[None]:
        return nothing() if self.source is None else self.source.close(owner)


class Deferred(Wrapper):
    """A function that makes the source; it is called when the first batch is asked for."""

    def __init__(self, make: Any, owner: Owner) -> None:
        self.make = make
        self.owner = owner

    def batch(self) -> Awaitable[Iterator[Any] | None]:
        return self.first() if self.source is None else self.source.batch()

    async def first(self) -> Iterator[Any] | None:
        self.owner.unless_over()
        made = self.make()
        if must_await(made):
            made = await resolved(made, self.owner)
        take_over(made)
        once = type(made) is not ASYNC_GENERATOR and reads_once(made)
        if once:
            unless_read(made)
        await self.begin(made, self.owner)
        assert self.source is not None
        if once and self.source.closes:
            readers[id(made)] = self.source
        return await self.source.batch()


class Managed(Wrapper):
    """What an async context manager gives, which is entered by the first batch.

    It is left with what an async generator around it would leave it with: nothing at the end of its
    items, their error, or `GeneratorExit` if they are left early.
    """

    def __init__(self, manager: Any, owner: Owner, outer: tuple[Any, ...] = ()) -> None:
        self.manager = manager
        self.kind: Any = type(cast("object", manager))
        self.managers = (*outer, manager)  # the outer ones have given it
        self.owner = owner
        self.began = False
        self.entered = False
        self.error: BaseException | None = GeneratorExit()

    @property
    def holds(self) -> bool:
        return self.entered

    async def batch(self) -> Iterator[Any] | None:
        if self.source is None:
            await self.enter()
        assert self.source is not None
        batch = None
        if not isinstance(self.error, Exception):
            try:
                batch = await self.source.batch()
            except Exception as exc:
                self.error = exc
        if batch is not None:
            return self.watched(batch)
        if isinstance(self.error, Exception):
            await self.fail(self.error)
        self.error = None  # it is left at its end
        return None

    async def enter(self) -> None:
        if self.began:
            raise StreamInterruptedError(
                f"entering {label.whole(self.manager)} was interrupted, and it cannot be entered"
                " again; to try again, pass a function that makes it"
            )
        self.began = True
        given = await sheltered(self.kind.__aenter__(self.manager), self.owner)
        self.entered = True
        if has_items(self.manager) and not has_items(given):
            given = self.manager
        try:
            self.source = self.given(given)
            if isinstance(self.source, FromAsync):
                self.source.lend(given)
        except BaseException as exc:
            self.error = exc
            await self.close(self.owner)
            raise

    def given(self, value: Any) -> Source:
        """What it gives, as a source, which may be another manager that gives one."""
        if not is_manager(value):
            return as_source(value, self.owner)
        if any(value is each for each in self.managers):
            given = "itself" if value is self.manager else label.whole(value)
            what = method_advice(value) or "an async context manager that gives what is to be read"
            raise TypeError(
                f"expected {label.whole(self.manager)} to give a stream, an async iterable or an"
                f" iterable, got {given}; pass {what}"
            )
        return Managed(value, self.owner, self.managers)

    def watched(self, batch: Iterator[Any]) -> Iterator[Any]:
        """The items; an error among them is dealt with where it can be awaited."""
        try:
            yield from batch
        except Exception as exc:
            self.error = exc

    async def fail(self, error: Exception) -> None:
        """Leave with an error, which the manager may keep to itself, or replace."""
        await self.owner.replace(self.source, error)
        outcome: list[Exception] = [error]

        async def leave() -> None:
            try:
                if await self.leave():
                    outcome.clear()
            except Exception as exc:
                outcome[:] = [exc]

        await self.owner.release(leave, scopes=True)
        try:
            self.owner.raise_collected(outcome[0] if outcome else None)
            if outcome:
                raise outcome[0]
        finally:
            outcome.clear()
            del error  # which refers to this frame, once raised

    async def leave(self) -> bool:
        self.entered = False
        error, self.error = self.error, None
        kind = type(error) if error is not None else None
        traceback = error.__traceback__ if error is not None else None
        try:
            return bool(await self.kind.__aexit__(self.manager, kind, error, traceback))
        finally:
            del error, traceback

    async def close(self, owner: Owner) -> None:
        await super().close(owner)
        if self.entered:
            await owner.release(self.leave, scopes=True)


def is_manager(value: object, made: bool = False) -> bool:
    """Whether it is an async context manager, and nothing else that items may come from.

    What a function has `made` may be both, as a subscription is that has to be entered before it is
    iterated: nobody else can have entered it.
    """
    kind = type(value)
    return (
        hasattr(kind, "__aenter__")
        and not (isinstance(value, (Openable, Run)) if made else has_items(value))
        and not is_of_anyio(value, "Listener", "Process")
    )


def must_await(made: object) -> bool:
    """Whether what a function has made has to be awaited for what is to be read.

    What can be iterated as well, such as a cursor of asyncpg, is iterated as it is, or entered.
    """
    return not hasattr(type(made), "__aiter__") and is_awaitable(made)


async def readable(made: Any) -> Any:
    """What a function has made, as something to be read."""
    return await resolved(made) if must_await(made) else made


def is_maker(value: object) -> bool:
    """Whether it is a function that makes what items come from, and not one of these itself."""
    other = has_items(value) or is_manager(value) or isinstance(value, ContextDecorator)
    return callable(value) and not other


def has_items(value: object) -> bool:
    """Whether it is itself what items come from."""
    return isinstance(value, (Openable, AsyncIterable)) or check.is_iterable(value)


def is_of_anyio(value: object, *names: str) -> bool:
    """Whether it is of one of these classes of anyio's, some of which take long to import."""
    kinds = type(value).__mro__
    return any(
        kind.__name__ in names and kind.__module__.partition(".")[0] == "anyio" for kind in kinds
    )


class Refused(SourceDefaults):
    """What a function has made that cannot be read: it is only closed."""

    closes = True

    def __init__(self, release: Close) -> None:
        self.release = release

    async def batch(self) -> Iterator[Any] | None:
        return None

    async def close(self, owner: Owner) -> None:
        await owner.release(self.release)


def has_refused(made: Any, owner: Owner) -> None:
    """Close what a function has made, and what cannot be read, with what is closed next."""
    if (release := closer(made, True)) is not None:
        owner.has_lost(Refused(release))


def as_source(value: Any, owner: Owner, made: bool = False) -> Source:
    """A stream, or whatever else items may come from, as a source of `owner`.

    What a function of the user's has `made` for it is closed with all that it has.
    """
    if type(value) in ITERABLE:
        return FromIterable(value, owner, made)
    if type(value) is ASYNC_GENERATOR:
        return from_async(value, owner, made)
    if isinstance(value, Openable):
        if not owner.is_opening():
            unless_too_deep(value)
            owner.allow(value)  # what opens together with the rest has been counted
        return owner.open(lambda: owner.open_part(value))
    try:
        return given_source(value, owner, made)
    except BaseException:
        if made:
            has_refused(value, owner)
        raise


def given_source(value: Any, owner: Owner, made: bool) -> Source:
    """The same for what is no stream."""
    if made and is_manager(value, made):
        return Managed(value, owner)
    given = in_bytes(value)
    if issubclass(type(given), AsyncIterable):
        source = from_async(given, owner, made)
        if is_entered(given):
            source.lend(given)
        return source
    if check.is_iterable(value):
        return FromIterable(value, owner, made)
    if (queue := queue_type(value)) is not None:
        return queue(value, owner)
    if is_of_anyio(value, "Listener"):
        from .listeners import FromListener

        return FromListener(value, owner)
    if is_manager(value):
        return Managed(value, owner)
    raise TypeError(f"expected a stream, an async iterable or an iterable, got {advice(value)}")


def from_async(value: AsyncIterable[Any], owner: Owner, made: bool) -> FromAsync:
    source = FromAsync(value, owner, made)
    owner.has_opened(source)
    return source


def is_entered(value: object) -> bool:
    """Whether it is a run that a block has entered, which closes it."""
    run: Any = value
    return isinstance(value, Run) and reader_of(run).opening.task is not None


taken: set[ref[object]] = set()
"""Generators that runs have taken over. A `WeakSet` would take twice as long for each [open]."""


def take_over(value: object) -> None:
    """Raise if `value` is a generator that another run reads or has closed.

    Plain ones may be read by several sources, which take turns: `zip(rows, rows)` gives pairs.
    """
    kind = type(value)
    if kind is not ASYNC_GENERATOR and kind is not GeneratorType:
        return
    mark = ref(value, taken.discard)
    if mark in taken and not takes_turns(value):
        raise consumed(value)
    taken.add(mark)


def takes_turns(value: object) -> bool:
    return isinstance(value, GeneratorType) and value.gi_frame is not None


def consumed(value: object) -> StreamConsumedError:
    return StreamConsumedError(
        f"{label.whole(value)} can be read only once, and has been opened before;"
        " to open the stream again, pass a function that makes it each time"
    )


readers: WeakValueDictionary[int, Source] = WeakValueDictionary()
"""What reads and closes a value that is read only once, by what identifies the value."""


def unless_read(value: object) -> None:
    """Raise if another run reads `value`: the first of them to end would close it for both."""
    reader = readers.get(id(value))
    if reader is not None and reader.holds:
        remedy = "make one stream of it, and share() that among several readers"
        if hasattr(value, "clone"):
            remedy = "give each stream a clone() of it, to share out its items"
        raise StreamConsumedError(
            f"{label.value(value)} is read by another stream, which closes it; {remedy}"
        )


def reads_once(value: object) -> bool:
    """Whether reading an async iterable leaves nothing for another reader."""
    return isinstance(value, AsyncIterator) or is_of_anyio(value, "AsyncFile")


class OneShot:
    """A source that can be read only once: the run that opens it owns it, started or not."""

    def __init__(self, value: Any, open_it: Callable[[Any, Owner], Source]) -> None:
        self.value = value
        self.open_it = open_it
        self.taken = False

    def __call__(self, owner: Owner) -> Source:
        value = self.value
        if self.taken:
            raise consumed(value)
        take_over(value)
        known = type(value) is ASYNC_GENERATOR  # by `take_over`
        if not known:
            unless_read(value)
        self.taken = True
        source = self.open_it(value, owner)
        if not known and source.closes and not isinstance(value, Iterator):
            readers[id(value)] = source
        owner.takes_over(source)
        return source


def opener_of(source: Any) -> Callable[[Owner], Source]:
    """A function that opens `source` for a run."""
    if type(source) is FunctionType:
        return lambda owner: Deferred(source, owner)
    if type(source) is ASYNC_GENERATOR or isinstance(source, Iterator) or reads_once(source):
        return OneShot(source, as_source)
    if has_items(source) or queue_type(source) is not None:
        return lambda owner: as_source(source, owner)
    if is_maker(source):
        return lambda owner: Deferred(source, owner)
    if is_manager(source) or is_of_anyio(source, "Listener"):
        return OneShot(source, as_source)
    raise TypeError(
        "source must be an async iterable, an iterable, or a function that returns one of these,"
        f" got {advice(source)}"
    )


def advice(value: Any) -> str:
    """What was given instead of a source, and what to do with it."""
    given = label.whole(value)
    if inspect.iscoroutine(value):
        value.close()  # which would be never awaited
        name = getattr(value, "__name__", "create")
        return f"{given}; pass the function, {name}, or lambda: {name}(...)"
    if is_awaitable(value):
        return f"{given}; await it, and pass what it gives"
    if is_of_anyio(value, "Process") or is_process(value):
        return f"{given}; its output is read by anystream.net.lines(process)"
    if isinstance(value, ContextDecorator):
        return f"{given}; enter it by `with`, and pass what it gives"
    if type(value).__name__ in ("SimpleQueue", "JoinableQueue", "Queue"):
        return f"{given}; such a queue is read by from_thread(lambda: iter(queue.get, None))"
    what = method_advice(value)
    if not what and hasattr(type(cast("object", value)), "__getitem__"):
        what = "lambda: iter(...) of it, if that gives its items"
    return f"{given}; pass {what}" if what else given


def method_advice(value: object) -> str:
    """Which of its methods give items, as `aiter_lines` of a response and `listen` of Redis do."""
    kind = type(value)
    names = [name for name in dir(kind) if not name.startswith("_")]
    found = inspect.getattr_static
    makers = [name for name in names if inspect.isasyncgenfunction(found(kind, name, None))]
    return f"one of its methods, such as {' or '.join(makers[:2])}" if makers else ""
