"""`Run`, the handle that the user has on an opening of a stream."""

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Literal, NoReturn, TypeVar, overload

from .. import _hints as hints
from .contracts import MISSING, Openable
from .interrupts import protected
from .reader import Reader
from .statistics import RunStatistics

T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D")


class Run(AsyncIterator[T_co]):
    """One opening of a stream: an async iterator over its items, closed by `aclose`.

    You get one from `async with stream as items`, from `async with stream.open() as items`, or
    from `aiter(stream)`. Each step gives the next item. A step that is cancelled may be repeated
    and loses nothing, unless the cancellation went through a source that cannot survive it: then
    the next step raises `StreamInterruptedError`. After its end, or an error, a run stays ended.

    >>> async def main():
    ...     async with async_range(4) as items:
    ...         print(await anext(items), [n async for n in items])
    >>> anyio.run(main)
    0 [1, 2, 3]
    """

    __slots__ = ("__weakref__", "_reader")

    @protected
    def __init__(self, stream: Openable, *, bare: bool = False, grace: float | None = None) -> None:
        self._reader: Reader = Reader(stream, bare=bare, grace=grace)

    async def __aenter__(self) -> "Run[T_co]":
        await self._reader.enter()
        return self

    @protected
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._reader.exit(error)

    def __aiter__(self) -> "Run[T_co]":
        return self

    @protected
    async def __anext__(self) -> T_co:
        reader = self._reader
        while True:
            items: Iterator[T_co] = reader.items
            try:
                for item in items:  # `next` would raise, slowly, at each batch's end [range]
                    return item
            except BaseException as exc:
                await reader.fail_in_batch(exc)
            if await reader.batch() is None:
                raise StopAsyncIteration

    @overload
    async def peek(self) -> T_co: ...
    @overload
    async def peek(self, default: D) -> T_co | D: ...
    async def peek(self, default: Any = MISSING) -> Any:
        """The next item, which stays the next one: as `anext(run)`, and nothing is taken.

        Asked for again, it is the same one, without a wait. Raises `StopAsyncIteration` at the end
        if there is no `default`, and what the next step would raise. A call that is cancelled may
        be repeated, as a step.

        >>> async def main():
        ...     async with async_range(4) as items:
        ...         print(await items.peek(), [n async for n in items], await items.peek(None))
        >>> anyio.run(main)
        0 [0, 1, 2, 3] None
        """
        try:
            return await self._reader.peek(self.__anext__)
        except StopAsyncIteration:
            if default is MISSING:
                raise
            return default

    async def collect(self) -> list[T_co]:
        """The items that are left, as a list; they are lost if one of the steps fails.

        >>> async def main():
        ...     async with async_range(4) as items:
        ...         print(await anext(items), await items.collect())
        >>> anyio.run(main)
        0 [1, 2, 3]
        """
        return [item async for item in self]

    def explain(self, format: Literal["text", "mermaid", "svg"] = "text") -> str:
        """The drawing of `Stream.explain` with the numbers of this moment.

        Each channel says how many items have passed and wait, and how many of its tasks are
        working, held up for lack of room, or idle for lack of items. The last line names the stage
        that holds up the others, from the second call on.

        Raises `ValueError` if `format` is none of the three.

        >>> async def main():
        ...     async with async_range(9).buffer(3) as items:
        ...         print(await anext(items))
        ...         await anyio.sleep(0.01)
        ...         print(items.explain())
        >>> anyio.run(main)
        0
        caller's task  (reads)
          ^ channel    buffer(3): at most 3 items: 3 passed, 2 waiting; 1 task: 1 held up
        task           async_range(9)
        what holds up the others is not known yet
        """
        return self._reader.explain(format)

    def _repr_svg_(self) -> str:
        """The drawing that a notebook shows."""
        return self._reader.explain("svg")

    def statistics(self) -> RunStatistics:
        """What this run is doing now: the numbers of each call with tasks.

        A call takes a few microseconds for each of them and suspends nothing. The first one begins
        to time how long tasks wait, which costs a tenth of a change of tasks. When the run
        closes, the numbers stay as they were, if they were asked for before.

        Raises `WrongTaskError` outside of its event loop while it is open: a thread may ask by
        `anyio.from_thread.run_sync(run.statistics)`.

        >>> async def main():
        ...     async with async_range(9).buffer(3) as items:
        ...         print(await anext(items))
        ...         await anyio.sleep(0.01)
        ...         for stage in items.statistics().stages:
        ...             print(stage.name, stage.passed, stage.read, stage.waiting)
        >>> anyio.run(main)
        0
        buffer(3) 3 1 2
        """
        return self._reader.statistics()

    async def aclose(self) -> None:
        """Close every source, downstream first; a second call does nothing.

        A run that was entered is left as well, together with the last of those that were entered
        after it. Each source has the grace period for it, shielded from cancellation; only an async
        generator in the caller's own task has neither before the block is left, since it may hold
        scopes. Raises what the sources raised: one error as it is, several as an
        `ExceptionGroup`. `StreamBusyError` if another task is waiting in a step.
        """
        await self._reader.aclose()

    def __dir__(self) -> list[str]:
        return hints.without_elsewhere(self, super().__dir__())

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} cannot be copied or pickled; open the stream once more")

    def __repr__(self) -> str:
        return repr(self._reader)

    def __del__(self) -> None:
        self._reader.is_dropped(self)


hints.RUNS.append(Run)


def reader_of(run: Run[T_co]) -> Reader:
    """What `run` reads from, for the parts of the library."""
    return run._reader  # pyright: ignore[reportPrivateUsage]  # hidden from users
