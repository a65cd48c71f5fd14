"""What items come from: an iterable, an async iterable, or a function that makes one of them."""

import inspect
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from itertools import chain
from typing import Any, TypeAlias, cast

from anyio import get_cancelled_exc_class
from anyio.lowlevel import checkpoint

from ._batches import Pace, Recipe, Source, opened
from ._errors import StreamConsumedError, StreamInterruptedError
from ._host import Host
from ._steps import EMPTY, Steps, awaits, resolved, stepper, unless_foreign


class FromIterable:
    """A plain iterable, in batches of about `QUANTUM` seconds with a checkpoint before each."""

    __slots__ = ("given", "items", "over", "pace")
    closes = False
    holds = False
    busy = False
    any_task = True

    def __init__(self, iterable: Iterable[Any], made: bool = False) -> None:
        self.items = iter(iterable)
        self.given = iterable if made else None  # which is ours to close
        self.pace = Pace()
        self.over = False

    async def batch(self) -> Iterator[Any] | None:
        if self.over:
            return None
        await checkpoint()
        self.pace.start()
        return chain.from_iterable(self.pieces())

    def pieces(self) -> Iterator[Iterable[Any]]:
        self.over = yield from self.pace.pieces(self.items)

    async def close(self, host: Host) -> None:
        self.over = True
        items, self.items = self.items, EMPTY
        if isinstance(items, Generator):
            host.guard(items.close)
        given, self.given = self.given, None
        close = getattr(given, "close", None)
        if close is not None and given is not items:
            host.guard(close)


class FromAsync(Steps):
    """An async iterator: a batch is what it gives without suspending, and ends when it suspends."""

    any_task = False

    def __init__(
        self, iterable: AsyncIterable[Any], host: Host | None = None, made: bool = False
    ) -> None:
        super().__init__()
        self.within = host
        self.iterator = aiter(iterable)
        self.aclose = getattr(self.iterator, "aclose", None)
        self.release: Close | None = None  # gives back what the iterator is of
        if self.aclose is None or self.iterator is not iterable:
            self.release = closer(iterable, made)
        self.closes = self.aclose is not None or self.release is not None
        self.pace = Pace()
        self.over = False
        self.killed = False

    @property
    def host(self) -> Host | None:
        return self.within

    @property
    def holds(self) -> bool:
        return self.release is not None or (self.aclose is not None and not self.finished())

    @property
    def busy(self) -> bool:
        return self.stepping

    def finished(self) -> bool:
        """Whether Python has finalised the async generator that this is."""
        return getattr(self.iterator, "ag_frame", self) is None

    def batch(self) -> Awaitable[Iterator[Any] | None]:
        if self.generator is not None and self.waits:  # and so will the next step, most likely
            return self.awaited()
        return self.at_once()

    async def at_once(self) -> Iterator[Any] | None:
        """What there is without waiting."""
        if self.killed:
            raise StreamInterruptedError(
                f"a step inside {self.iterator!r} was cancelled, which finalised the generator, and"
                " the items that it still had are lost; buffer(0) behind it keeps that away from it"
            )
        if self.over:
            return None
        try:
            await checkpoint()
        except get_cancelled_exc_class() as exc:
            if self.within is None or not self.within.stands(exc):
                raise
        return self.paced(self.run(self.steps()) if self.generator is None else self.ready())

    def after(self, item: Any) -> Iterator[Any]:
        if self.waits:
            return iter((item,))
        return self.paced(super().after(item))

    def paced(self, items: Iterator[Any]) -> Iterator[Any]:
        self.pace.start()
        return chain.from_iterable(self.pace.pieces(items))

    @awaits
    def steps(self) -> Generator[Any, Any, None]:
        step = stepper(self.iterator)
        try:
            while True:
                self.stepping = True
                item: Any = yield from step()
                self.stepping = False
                yield item
        except StopAsyncIteration:
            self.over = True
            self.stop()
        except BaseException as exc:
            self.stop()
            unless_foreign(exc, self.iterator)
            self.killed = self.finished()
            raise
        finally:
            self.stepping = False

    async def close(self, host: Host) -> None:
        self.stop()
        aclose, self.aclose = self.aclose, None
        if aclose is not None and not self.finished():
            await host.release(aclose, scopes=inspect.isasyncgen(self.iterator))
        release, self.release = self.release, None
        if release is not None:
            await host.release(release)


Close: TypeAlias = Callable[[], Awaitable[object]]


def closer(given: Any, made: bool) -> Close | None:
    """What closes an iterable, after its iterator.

    One that a function has `made` is closed by all that it has. One that was handed over belongs to
    the stream only if it can be closed as an async iterator is.
    """
    if isinstance(given, Recipe):
        return None  # nothing of it is open
    leave: Any = getattr(type(cast("object", given)), "__aexit__", None)
    if made and leave is not None:
        return lambda: leave(given, None, None, None)
    if (aclose := getattr(given, "aclose", None)) is not None:
        return cast("Close", aclose)
    if made and (close := getattr(given, "close", None)) is not None:
        return lambda: resolved(close())
    return None


class Around:
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

    async def begin(self, made: Any, host: Host) -> None:
        """Open what a function has made; if it is over by now, only to close it again."""
        over = host.over
        try:
            self.source = as_source(made, host, made=True)
        except BaseException:
            if (release := closer(made, True)) is not None:
                await host.release(release)
            raise
        if over:
            await host.finish(self.source)
            host.unless_over()

    async def close(self, host: Host) -> None:
        if self.source is not None:
            await self.source.close(host)


class Deferred(Around):
    """A function that makes the source; it is called when the first batch is asked for."""

    def __init__(self, make: Any, host: Host) -> None:
        self.make = make
        self.host = host

    async def batch(self) -> Iterator[Any] | None:
        if self.source is None:
            await self.begin(await resolved(self.make()), self.host)
            assert self.source is not None
        return await self.source.batch()


def as_source(value: Any, host: Host, made: bool = False) -> Source:
    """A stream, an async iterable or an iterable as a source of `host`.

    What a function of the user's has `made` for it is closed with all that it has.
    """
    if isinstance(value, Recipe):
        return host.pipeline.assembled(lambda: opened(value, host))
    if issubclass(type(value), AsyncIterable):
        source = FromAsync(value, host, made)
        if host.pipeline.opening:  # together with something that may not open
            host.pipeline.halves.append(source)
        return source
    if issubclass(type(value), Iterable):
        return FromIterable(value, made)
    raise TypeError(f"expected a stream, an async iterable or an iterable, got {value!r}")


class OneShot:
    """A source that can be read only once: the run that opens it owns it, started or not."""

    def __init__(self, value: Any, open_it: Callable[[Any, Host], Source]) -> None:
        self.value = value
        self.open_it = open_it
        self.taken = False

    def __call__(self, host: Host) -> Source:
        if self.taken:
            raise StreamConsumedError(
                f"{self.value!r} can be read only once, and was opened before;"
                " give a function that makes it, to open the stream again"
            )
        self.taken = True
        source = self.open_it(self.value, host)
        host.pipeline.owned += (source,)
        return source


def origin(source: Any) -> Callable[[Host], Source]:
    """A function that opens `source` for a run."""
    if isinstance(source, (AsyncIterator, Iterator)):
        return OneShot(source, as_source)
    if isinstance(source, (Recipe, AsyncIterable, Iterable)):
        return lambda host: as_source(source, host)
    if callable(source):
        return lambda host: Deferred(source, host)
    raise TypeError(
        "source must be an async iterable, an iterable, or a function that returns one of these,"
        f" got {source!r}"
    )
