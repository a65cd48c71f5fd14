"""`Stream`: the fluent interface. Each method is a line or two and its docstring."""

import builtins
import math
import operator
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from functools import partial
from threading import Lock
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    NamedTuple,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeGuard,
    TypeVar,
    TypeVarTuple,
    cast,
    overload,
)

from . import _args as check
from . import _hints as hints
from . import _labels as label
from . import _layouts as layouts
from . import _terminals
from ._core.backends import backend
from ._core.callers import holders, is_responding
from ._core.channel import OVERFLOWS, Channel
from ._core.contracts import (
    MISSING,
    Backend,
    Openable,
    Owner,
    Source,
    Written,
    needs_tasks,
    written,
)
from ._core.interrupts import protected
from ._core.reader import entered_elsewhere
from ._core.run import Run, reader_of
from ._core.statistics import Picture
from ._errors import NeedsTasksError, WrongOrderError
from ._operators import (
    batching,
    combine,
    concurrent,
    pacing,
    progress,
    recover,
    select,
    share,
    switch,
    timing,
    transform,
    triggers,
    workers,
)
from ._operators.share import Holder
from ._recipe import Items, Maker, OpenSource, Recipe, named_call, recipe_of
from ._retry import Retry, exception_types

if TYPE_CHECKING:
    from asyncio import Queue
    from concurrent.futures import Future
    from queue import Queue as ThreadQueue

    from anyio.abc import Listener
    from typing_extensions import TypeIs

    from ._operators.remote import Plan

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R")
S = TypeVar("S")
E = TypeVar("E", bound=Exception)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
F = TypeVar("F")
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")


class Eventual(Protocol):
    """An event, such as `anyio.Event`."""

    def is_set(self) -> bool: ...
    def wait(self) -> Awaitable[object]: ...


class Less(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


class Greater(Protocol):
    def __gt__(self, other: Any, /) -> bool: ...


class Added(Protocol):
    def __add__(self, other: Any, /) -> Any: ...


class AddedToZero(Added, Protocol):
    def __radd__(self, other: int, /) -> Any: ...


Given: TypeAlias = (
    "Items[T] | Queue[T] | ThreadQueue[T] | Listener[T] | AbstractAsyncContextManager[Items[T]]"
)
MadeOf: TypeAlias = "Given[T] | Awaitable[Given[T]]"
Trigger: TypeAlias = float | Eventual | Awaitable[object] | AsyncIterable[object]
Later: TypeAlias = Items[T] | Awaitable[Items[T]]
Overflow: TypeAlias = Literal["wait", "drop_oldest", "drop_newest", "error"]

FIRST_RUN = Lock()
"""Held by the first opening of a stream, for which several threads may come at a time."""


class Sendable(Protocol[T_contra]):
    """What `into` sends to."""

    async def send(self, item: T_contra, /) -> None: ...
    async def aclose(self) -> None: ...


class Submits(Protocol):
    """What `executor` has to have, as every executor of `concurrent.futures` does.

    A property, since pyright takes no class of executors for a function that makes one otherwise.
    """

    @property
    def submit(self) -> "Callable[..., Future[Any]]": ...


AnyExecutor: TypeAlias = Submits | Callable[[], Submits]
ChunkSize: TypeAlias = int | Literal["auto"]


class Workers(NamedTuple):
    """How a function is called in several tasks."""

    concurrency: int
    ordered: bool
    ahead: int

    @classmethod
    def checked(cls, concurrency: int | None, ordered: bool, ahead: int | None) -> "Workers | None":
        """None if no tasks are needed."""
        check.flag("ordered", ordered)
        count = 1 if concurrency is None else check.integer("concurrency", concurrency, 1)
        if count == 1 and ahead is None:
            return None
        return cls(count, ordered, count if ahead is None else check.integer("ahead", ahead, 0))


def planned(fn: Callable[[Any], Any], executor: Any, *given: Any) -> "Plan":
    """How `fn` is called in an executor; what that needs is imported when one is given."""
    from ._operators.remote import Plan

    return Plan.checked(fn, executor, *given)


def unless_of_executor(chunk: object, attempts: object) -> None:
    """Nothing may be said of an executor where there is none."""
    for name, value in (("chunk", chunk), ("attempts", attempts)):
        if value != 1:
            raise TypeError(f"{name} needs executor, got {name}={label.whole(value)} alone")


def handler_of(on_error: Any) -> Callable[[Exception, Any], Any]:
    """What gives something in the place of a result."""
    if callable(on_error):
        check.handler("on_error", on_error, "to tell errors apart, raise those that are to end it")
        check.result_function("on_error", on_error, "")
        handler: Callable[[Exception, Any], Any] = on_error
        return handler
    check.choice("on_error", on_error, ("raise", "skip"), more=", or a function")
    return transform.skipped


class Stream(Openable, AsyncIterable[T_co], Generic[T_co]):
    """A stream of items: an immutable recipe that can be opened again and again.

    `source` is any async iterable, any iterable, an anyio stream, an `asyncio.Queue` or a
    `queue.Queue`, which end where they are shut down, an anyio listener, which gives the
    connections that come, or an async context manager that gives one of these. Or it is a function,
    plain or async, that returns one of these.

    A list, a queue or a function can be opened many times, also at the same time. An iterator, a
    context manager or a listener can be read only once, so a second opening is a
    `StreamConsumedError`; opening the stream takes it over, and closes it. What a function returns
    is closed with all that it has, after its iterator: with `__aexit__`, else `aclose`, else
    `close`, else, if it is left early, `cancel`. An iterable that was handed over is closed if it
    has `aclose`. A context manager is entered by the first step. It is left with the error of what
    it gave, or with `GeneratorExit` if that was left early.

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

    Raises `TypeError` if `source` is none of these.

    >>> async def main():
    ...     print(await Stream([1, 2, 3]).map(lambda n: n * n).collect())
    >>> anyio.run(main)
    [1, 4, 9]
    """

    __slots__ = ("__weakref__", "_recipe", "_runs")

    def __init__(self, source: "Given[T_co] | Callable[[], MadeOf[T_co]]") -> None:
        self._recipe: Recipe = source if isinstance(source, Recipe) else Recipe.of(source)
        # Those of `async with`, by the task that entered. Other threads look at these as well, and
        # no list in it is ever empty.
        self._runs: dict[int, list[Run[T_co]]] | None = None

    def _then(self, *makers: Maker) -> "Stream[Any]":
        """This stream and a call of the user's, with its operators."""
        return Stream(self._recipe.then(*makers))

    def _also(self, *makers: Maker, call: label.Label | None = None) -> "Stream[Any]":
        """This stream with more operators of the same call, or of a terminal one."""
        return Stream(self._recipe.also(*makers, call=call))

    def _joined(
        self, open_source: OpenSource, layout: layouts.Layout, bound: int, *others: Openable
    ) -> "Stream[Any]":
        """A stream of this one and others, whose source `open_source` makes for each run."""
        call = label.Label(self._recipe.text)
        return Stream(Recipe.combine(open_source, call, [self._recipe, *others], layout, bound))

    def _open(self, owner: Owner) -> Source:
        return self._recipe._open(owner)  # pyright: ignore[reportPrivateUsage]  # each frame counts

    def _needs_tasks(self) -> bool:
        return needs_tasks(self._recipe)

    def _grace(self) -> float | None:
        return self._recipe.grace

    def _depth(self) -> int:
        return self._recipe.depth

    def _written(self) -> Written:
        return written(self._recipe)

    if not TYPE_CHECKING:  # checkers are to report all of these

        def __getattr__(self, name: str) -> Any:
            raise hints.missing(self, name, hints.of_stream(name))

        def __enter__(self) -> Any:
            raise hints.not_sync(self)

        def __exit__(self, *error: object) -> None:
            """Python looks for this first."""

    def __repr__(self) -> str:
        return repr(self._recipe)

    # -- opening ----------------------------------------------------------------------------

    def _run(self, *, bare: bool, grace: float | None) -> Run[T_co]:
        return Run(self, bare=bare, grace=grace)

    @protected
    async def __aenter__(self) -> Run[T_co]:
        run = self._run(bare=False, grace=None)
        holder = await reader_of(run).enter()
        if self._runs is None:
            with FIRST_RUN:
                self._runs = {} if self._runs is None else self._runs
        if holder in self._runs:
            self._runs[holder].append(run)
        else:
            self._runs[holder] = [run]
        return run

    @protected
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened = self._runs or {}
        key = self._task()
        if len(opened) > 1 or key not in opened:
            if min([*opened], default=0) < 0:
                key = self._of_generator(key)
            if key not in opened:
                key = self._of_ended_task(key)
            if key not in opened:
                raise entered_elsewhere(self)
        runs = opened[key]
        run = runs.pop() if len(runs) > 1 else opened.pop(key)[0]
        try:
            await reader_of(run).leave(error)
        except WrongOrderError:
            opened.setdefault(key, []).append(run)  # to be left again
            raise

    def _task(self) -> int:
        """The task that calls this, by the backend of an open run, since to find it is slow."""
        try:
            for runs in (self._runs or {}).values():
                return reader_of(runs[0]).this_task()
        except RuntimeError:  # another backend runs
            pass
        return backend().task_id()

    def _of_generator(self, task: int) -> int:
        """The key of the runs that the generator which calls this has entered, or of `task`.

        An exit stack of a generator may be closed by somebody else.
        """
        runs = self._runs or {}
        for frame in holders():
            if -id(frame) in runs:
                return -id(frame)
        others = [key for key in [*runs] if key < 0]
        return others[0] if len(others) == 1 and task not in runs else task

    def _of_ended_task(self, task: int) -> int:
        """The key of the runs of the one task that has entered and is over, or `task`."""
        runs = self._runs or {}
        last = [(key, reader_of(each[-1]).opening) for key, each in [*runs.items()]]
        ended = [key for key, each in last if each.is_left_behind and not each.is_left]
        return ended[0] if len(ended) == 1 else task

    def __aiter__(self) -> Run[T_co]:
        if needs_tasks(self):
            if is_responding():
                return cast("Run[T_co]", self.as_generator())  # to a framework it is the same
            raise NeedsTasksError(
                f"{self!r} needs tasks, and a bare `async for` has none:"
                " use `async with stream as items`, and `async for item in items` inside it;"
                " what iterates it for you takes `stream.as_generator()`"
            )
        return self._run(bare=True, grace=None)

    def open(self, *, grace: float | None = None) -> Run[T_co]:
        """Open a run, as `async with stream` does, with a grace period of its own.

        After a stop, a failure or a cancellation each source has `grace` seconds to close, shielded
        from cancellation; one that takes longer is cancelled, and a `CleanupTimeoutError` is
        raised. The default is that of the stream: a second, or what `with_grace` says of it and of
        inner streams.

        Raises `ValueError` if `grace` is not positive.

        >>> async def main():
        ...     async with async_range(3).buffer(1).open(grace=5) as items:
        ...         print([n async for n in items])
        >>> anyio.run(main)
        [0, 1, 2]
        """
        seconds = None if grace is None else check.seconds("grace", grace, zero=False)
        return self._run(bare=True, grace=seconds)

    @named_call
    def with_grace(self, seconds: float) -> "Stream[T_co]":
        """The same stream, whose sources have `seconds` to close, however it is opened.

        Of several streams that are joined, the longest period holds for all. That of an inner
        stream, such as one that the function of `flat_map` gives, is known when it opens: from then
        on it holds for the whole run, if it is the longest. `open(grace=)` sets the period of one
        run, whatever its streams say.

        Raises `ValueError` if `seconds` is not positive.

        >>> async def main():
        ...     print(await async_range(3).with_grace(5).collect())
        >>> anyio.run(main)
        [0, 1, 2]
        """
        grace = check.seconds("seconds", seconds, zero=False)
        return Stream(self._recipe.with_grace(grace))

    def named(self, name: str) -> "Stream[T_co]":
        """The same stream, whose last operator is called `name`.

        So are its tasks, its line in `explain` and in `run.statistics()`, and it stands in the
        `repr` and in errors.

        Raises `TypeError` if `name` is not a string, and `ValueError` if it is empty.

        >>> print(async_range(9).map(str, concurrency=2).named("texts").take(3))
        async_range(9).map(str, concurrency=2).named('texts').take(3)
        """
        check.text("name", name)
        if not name:
            raise ValueError("name must not be empty")
        return Stream(self._recipe.named(name))

    def as_generator(self) -> AsyncGenerator[T_co, None]:
        """An async generator over one run, for frameworks that ask for one.

        The run belongs to a task of its own, which opens it with the first step. The source is read
        on demand, as behind `buffer(0)`. So the generator may be left by `break`, closed by any
        task or given up to the garbage collector, and the run closes within its grace period.
        `aclose()`, an error and the end wait for that, and raise what it raises.

        What it cannot do is written in the guide to web frameworks. In your own code use
        `async with stream as items`.

        >>> async def main():
        ...     items = async_range(9).buffer(2).as_generator()
        ...     async for item in items:
        ...         if item == 3:
        ...             break
        ...     await items.aclose()
        ...     print(item)
        >>> anyio.run(main)
        3
        """
        from ._generators import generated

        return generated(self.buffer(0))

    def explain(self, format: Literal["text", "mermaid", "svg"] = "text") -> str:
        """A diagram of this stream: which task does what, and what may wait between them.

        Read from the top, which is the reader, to the sources. Each task has a line with what runs
        there, as you have written it, and each channel one that says how many items may wait in it;
        with `on demand` an item is asked for only while a reader waits. Lines with `+-` fill the
        channel above them or, if there is none, run in the task above them. The last line has the
        number of tasks, or a bound if that is not known before the opening. With the format
        `"mermaid"` it is the same as a flowchart for Mermaid, and with `"svg"` a drawing, which is
        what a notebook shows. `run.explain()` draws an open run, with its numbers.

        Nothing is opened, called or used up. The tasks of inner streams, which functions will give,
        are not counted, and of `concurrency` all are, though each starts only when it is needed.

        Raises `ValueError` if `format` is none of the three, and `StreamDepthError` if there are
        more streams one inside the other, some 200, than Python's recursion limit lets it draw.

        >>> print(merge(ticker(1), async_range(9).map(str)).buffer(64).take(10).explain())
        caller's task  take(10)
          ^ channel    buffer(64): at most 64 items
        task           (reads)
          ^ channel    merge(...): on demand for each
          +- task      ticker(1)
          +- task      async_range(9).map(str)
        3 tasks: open it with `async with` or a terminal call
        """
        return self._drawn(format, None)

    def _drawn(self, format: str, picture: Picture | None) -> str:
        check.choice("format", format, ("text", "mermaid", "svg"))
        from ._explain import explained

        return explained(self, format, picture)

    def _repr_svg_(self) -> str:
        """The drawing that a notebook shows."""
        return self._drawn("svg", None)

    # -- one item at a time -----------------------------------------------------------------

    @overload
    def map(
        self,
        fn: Callable[[T_co], Awaitable[R]],
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> "Stream[R]": ...
    @overload
    def map(
        self,
        fn: Callable[[T_co], R],
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> "Stream[R]": ...
    @overload
    def map(
        self,
        fn: Callable[[T_co], Awaitable[R]],
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        on_error: Callable[[Exception, T_co], Awaitable[S]],
    ) -> "Stream[R | S]": ...
    @overload
    def map(
        self,
        fn: Callable[[T_co], R],
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        on_error: Callable[[Exception, T_co], Awaitable[S]],
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> "Stream[R | S]": ...
    @overload
    def map(
        self,
        fn: Callable[[T_co], Awaitable[R]],
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        on_error: Callable[[Exception, T_co], S],
    ) -> "Stream[R | S]": ...
    @overload
    def map(
        self,
        fn: Callable[[T_co], R],
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        on_error: Callable[[Exception, T_co], S],
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> "Stream[R | S]": ...
    @named_call
    def map(
        self,
        fn: Callable[[T_co], Any],
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        on_error: Literal["raise", "skip"] | Callable[[Exception, T_co], Any] = "raise",
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> "Stream[Any]":
        """The result of `fn(item)` for each item.

        With a `concurrency` of more than 1, or with `ahead`, that many tasks call `fn`, each for
        one item at a time. The results come in the order of the items, or with `ordered=False` as
        they are ready. At most `concurrency` calls run, and no more than `ahead` results wait
        beyond what the running calls will give; by default as many as `concurrency`. So at most
        `concurrency + ahead` items have been taken and not yet read.

        An error of `fn` stops the other calls. In order, it arrives after the results of the items
        before its own, which are waited for; those after it are cancelled and dropped. Leaving
        cancels the calls that run, and each has the grace period for its cleanup.

        With `on_error="skip"` an item for which `fn` raises an `Exception` is dropped, and the
        stream continues. With a function, plain or async, `on_error(error, item)` takes the place
        of the result; what that raises ends the stream.

        With an `executor`, which is anything that has the `submit` of `concurrent.futures`, the
        plain function `fn` is called in its workers: threads, processes or other machines. At most
        `concurrency` calls, which has to be given, are submitted and not finished. A call takes
        what is there of the items, up to `chunk` of them; with `"auto"` that number is found out,
        so that a call takes 0.2 to 2 seconds. At most `(concurrency + ahead) * chunk` items have
        been taken and not yet read. An error comes at its item, and the items after it in the same
        call are not called. Leaving does not stop a call that has begun; its result is dropped.

        `executor` may be a function that makes one: it is called in the run, which shuts down what
        it gives. If a worker dies then, the executor is made anew, and the calls that were lost are
        made again: an item may be called up to `attempts` times. Workers of such a process pool
        ignore Ctrl-C from their first call on.

        Raises `ValueError` if `concurrency`, `chunk` or `attempts` is less than 1, `ahead`
        negative, `on_error` or `chunk` another word, or the executor one of Dask's with
        `pure=True`; `TypeError` if `executor` comes without `concurrency` or with an async `fn`, or
        if `chunk` or `attempts` comes without what it is for.

        >>> async def main():
        ...     print(await async_range(4).map(str).collect())
        ...     double = async_range(4).map(slow_double, concurrency=4)
        ...     print(await double.collect())
        >>> async def slow_double(n):
        ...     await anyio.sleep(0.1 / (n + 1))
        ...     return 2 * n
        >>> anyio.run(main)
        ['0', '1', '2', '3']
        [0, 2, 4, 6]
        >>> print(anyio.run(Stream(["1", "two", "3"]).map(int, on_error="skip").collect))
        [1, 3]
        """
        check.result_function("fn", fn)
        handler = None if on_error == "raise" else handler_of(on_error)
        if executor is not None:
            plan = planned(fn, executor, concurrency, ordered, ahead, chunk, attempts)
            results = self._in_executor(plan._replace(on_error=handler))
            return (
                results._also(lambda _: select.Filter(transform.is_given)) if handler else results
            )
        unless_of_executor(chunk, attempts)
        pool = Workers.checked(concurrency, ordered, ahead)
        if handler is not None:
            return self._map_or(fn, handler, pool)
        if pool is None:
            return self._then(lambda _: transform.Map(fn))
        return self._in_workers(pool, lambda _: fn)

    def _map_or(
        self, fn: Callable[[T_co], Any], handler: Any, pool: "Workers | None"
    ) -> "Stream[Any]":
        mended = partial(transform.forgiving, fn, handler)
        if pool is None:
            return self._then(lambda owner: transform.MapOr(mended(owner)))
        results = self._in_workers(pool, mended)
        return results._also(lambda _: select.Filter(transform.is_given))

    def _in_workers(
        self,
        pool: "Workers",
        bind: Callable[[Owner], Callable[[Any], Any]],
        kind: type[workers.Pool] = workers.Pool,
    ) -> "Stream[Any]":
        open_source = workers.mapped(self._recipe, bind, *pool, kind)
        layout = layouts.IN_ORDER if pool.ordered else layouts.AS_READY
        return self._by(open_source, layout, pool.concurrency + pool.ahead, pool.concurrency)

    def _in_executor(self, plan: "Plan") -> "Stream[Any]":
        from ._operators.remote import mapped

        open_source = mapped(self._recipe.also, plan)
        layout = layouts.REMOTE_IN_ORDER if plan.ordered else layouts.REMOTE_AS_READY
        if plan.chunk is None:  # nobody knows how many items that is
            layout = layout._replace(unit="chunk")
        return self._by(open_source, layout, plan.items, plan.calls)

    def _by(
        self, open_source: OpenSource, layout: layouts.Layout, bound: int, workers: int
    ) -> "Stream[Any]":
        """What several tasks make of this stream."""
        call = label.Label(self._recipe.text)
        return Stream(Recipe.combine(open_source, call, [self._recipe], layout, bound, workers))

    @overload
    def starmap(self: "Stream[tuple[*Ts]]", fn: Callable[[*Ts], Awaitable[R]]) -> "Stream[R]": ...
    @overload
    def starmap(self: "Stream[tuple[*Ts]]", fn: Callable[[*Ts], R]) -> "Stream[R]": ...
    @overload
    def starmap(self: "Stream[Iterable[Any]]", fn: Callable[..., Awaitable[R]]) -> "Stream[R]": ...
    @overload
    def starmap(self: "Stream[Iterable[Any]]", fn: Callable[..., R]) -> "Stream[R]": ...
    @named_call
    def starmap(self: "Stream[Any]", fn: Callable[..., Any]) -> "Stream[Any]":
        """The result of `fn(*item)` for each item.

        >>> async def main():
        ...     print(await Stream([(2, 5), (3, 2)]).starmap(pow).collect())
        >>> anyio.run(main)
        [32, 9]
        """
        check.result_function("fn", fn)
        return self._then(lambda _: transform.StarMap(fn))

    @named_call
    def tap(self, fn: Callable[[T_co], object]) -> "Stream[T_co]":
        """Call `fn(item)` for each item, and pass the item on as it is.

        >>> async def main():
        ...     await Stream("ab").tap(print).drain()
        >>> anyio.run(main)
        a
        b
        """
        check.called_function("fn", fn)
        return self._then(lambda _: transform.Tap(fn))

    @named_call
    def progress(
        self,
        description: str | Callable[[int, float], str] | None = None,
        total: float | None = None,
    ) -> "Stream[T_co]":
        """Show how far the stream is while it is open, and pass the items on as they are.

        Where standard error is a terminal, rich draws a line there: `description`, how many items
        have passed, how many a second, and for how long. With a `total`, the number of items that
        are expected, it also draws a bar and how long the rest will take. A function in the place
        of the description returns the whole line, from the number of items and the seconds since
        the opening; it is called by another thread. Several streams share one display. The line is
        updated until the stream is closed, and keeps its last state. In a notebook it is a line of
        text in the output of the cell. Where standard error is anything else, such as the log of a
        CI job, a line comes every 5 seconds; for neither rich is needed.

        Items are counted as they pass, in C, and the display asks for the count five times a second
        from a thread of its own. What a bare `async for` leaves open is a `ResourceWarning`.

        Raises `ImportError` if there is a terminal and rich is not installed, `TypeError` if
        `description` is neither text nor a function or `total` no number, and `ValueError` if
        `total` is negative or not finite.

        >>> async def main():
        ...     print(await async_range(1000).progress("numbers", total=1000).sum())
        >>> anyio.run(main)
        499500
        """
        if callable(description):
            check.called_plain("description", description)
        elif description is not None:
            check.text("description", description, " or a function")
        if total is not None:
            check.amount("total", total)
        progress.shown()  # or says what is missing
        text = description or ""
        return self._then(lambda _: progress.progress(text, total))

    @named_call
    def enumerate(self, start: int = 0) -> "Stream[tuple[int, T_co]]":
        """Pairs of a count, from `start` on, and the item.

        >>> async def main():
        ...     print(await Stream("ab").enumerate(1).collect())
        >>> anyio.run(main)
        [(1, 'a'), (2, 'b')]
        """
        first = check.integer("start", start)
        return self._then(lambda _: transform.Enumerate(first))

    def pipe(
        self: S, fn: "Callable[Concatenate[S, P], R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """`fn(stream, *args, **kwargs)`: an operator of one's own, in its place in the row.

        It may return anything: a stream, or an awaitable.

        >>> def evens(stream, step):
        ...     return stream.filter(lambda n: n % step == 0)
        >>> async def main():
        ...     print(await async_range(9).pipe(evens, 4).map(str).collect())
        >>> anyio.run(main)
        ['0', '4', '8']
        """
        check.function("fn", fn)
        return fn(self, *args, **kwargs)

    # -- some of the items ------------------------------------------------------------------

    @overload
    def filter(
        self: "Stream[R | None]",
        fn: None,
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> "Stream[R]": ...
    @overload
    def filter(
        self,
        fn: "Callable[[T_co], TypeGuard[R]]",
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> "Stream[R]": ...
    @overload
    def filter(
        self,
        fn: "Callable[[T_co], TypeIs[R]]",
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> "Stream[R]": ...
    @overload
    def filter(
        self,
        fn: Callable[[T_co], object],
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> "Stream[T_co]": ...
    @named_call
    def filter(
        self,
        fn: Callable[[T_co], object] | None,
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        ahead: int | None = None,
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> "Stream[Any]":
        """The items for which `fn(item)` is true; with None, those that are true themselves.

        `concurrency`, `ordered`, `ahead`, `executor`, `chunk` and `attempts` are as for `map`.

        >>> async def main():
        ...     print(await async_range(6).filter(lambda n: n % 2).collect())
        >>> anyio.run(main)
        [1, 3, 5]
        """
        keep = bool if fn is None else fn
        check.called_function("fn", keep)
        if executor is not None:
            plan = planned(keep, executor, concurrency, ordered, ahead, chunk, attempts)
            return self._in_executor(plan._replace(pairs=True))._also(lambda _: select.Kept())
        unless_of_executor(chunk, attempts)
        pool = Workers.checked(concurrency, ordered, ahead)
        if pool is None:
            return self._then(lambda _: select.Filter(keep))
        return self._in_workers(pool, lambda _: keep, workers.Choice)

    @named_call
    def take(self, n: int) -> "Stream[T_co]":
        """The first `n` items; the source is never asked for one more.

        Raises `ValueError` if `n` is negative.

        >>> async def main():
        ...     print(await Stream(itertools.count).take(3).collect())
        >>> anyio.run(main)
        [0, 1, 2]
        """
        n = check.integer("n", n, 0)
        return self._then(lambda _: select.Take(n))

    @named_call
    def skip(self, n: int) -> "Stream[T_co]":
        """All items but the first `n`.

        Raises `ValueError` if `n` is negative.

        >>> async def main():
        ...     print(await async_range(5).skip(3).collect())
        >>> anyio.run(main)
        [3, 4]
        """
        n = check.integer("n", n, 0)
        return self._then(lambda _: select.Skip(n))

    @overload
    def take_while(self, fn: "Callable[[T_co], TypeGuard[R]]") -> "Stream[R]": ...
    @overload
    def take_while(self, fn: "Callable[[T_co], TypeIs[R]]") -> "Stream[R]": ...
    @overload
    def take_while(self, fn: Callable[[T_co], object]) -> "Stream[T_co]": ...
    @named_call
    def take_while(self, fn: Callable[[T_co], object]) -> "Stream[Any]":
        """The items before the first one for which `fn(item)` is false, which is dropped.

        >>> async def main():
        ...     print(await Stream([1, 2, 5, 1]).take_while(lambda n: n < 3).collect())
        >>> anyio.run(main)
        [1, 2]
        """
        check.called_function("fn", fn)
        return self._then(lambda _: select.TakeWhile(fn))

    @named_call
    def skip_while(self, fn: Callable[[T_co], object]) -> "Stream[T_co]":
        """The first item for which `fn(item)` is false, and all after it.

        >>> async def main():
        ...     print(await Stream([1, 2, 5, 1]).skip_while(lambda n: n < 3).collect())
        >>> anyio.run(main)
        [5, 1]
        """
        check.called_function("fn", fn)
        return self._then(lambda _: select.SkipWhile(fn))

    @named_call
    def distinct(
        self, key: Callable[[T_co], Any] | None = None, *, remember: int | None = 100_000
    ) -> "Stream[T_co]":
        """The items that are equal to none before them, or whose `key(item)` is.

        Items, or their keys, have to be hashable. The `remember` keys that were seen last are kept,
        and one that has not been seen for longer is new again; with None all are kept, and memory
        grows with their number. `key` may be plain or async.

        Raises `ValueError` if `remember` is less than 1, and at its step `TypeError` for a key that
        is not hashable.

        >>> async def main():
        ...     print(await Stream("abracadabra").distinct().collect("".join))
        ...     print(await Stream(["Ada", "ada", "Bob"]).distinct(str.lower).collect())
        >>> anyio.run(main)
        abrcd
        ['Ada', 'Bob']
        """
        bound = None if remember is None else check.integer("remember", remember, 1)
        if key is None:
            return self._then(lambda _: select.Filter(select.memory(bound).new))
        check.called_function("key", key)
        return self._then(lambda _: select.New(key, select.memory(bound).new))

    @named_call
    def dedupe(self, key: Callable[[T_co], Any] | None = None) -> "Stream[T_co]":
        """The items that differ from the one before them, or whose `key(item)` does.

        Of equal neighbours the first one comes. `key` may be plain or async.

        >>> async def main():
        ...     print(await Stream("aaabba").dedupe().collect())
        ...     print(await Stream([1, -1, 2]).dedupe(abs).collect())
        >>> anyio.run(main)
        ['a', 'b', 'a']
        [1, 2]
        """
        if key is None:
            return self._then(lambda _: select.Dedupe())
        check.called_function("key", key)
        return self._then(lambda _: select.New(key, select.LastKey().new))

    @named_call
    def default_if_empty(self, value: R) -> "Stream[T_co | R]":
        """The items, or `value` at the end if there was none.

        >>> async def main():
        ...     print(await async_range(3).default_if_empty("none").collect())
        ...     print(await async_range(0).default_if_empty("none").collect())
        >>> anyio.run(main)
        [0, 1, 2]
        ['none']
        """
        return self._then(lambda _: select.DefaultIfEmpty(value))

    @named_call
    def window(self, n: int, step: int = 1, *, partial: bool = False) -> "Stream[tuple[T_co, ...]]":
        """Tuples of `n` consecutive items, one every `step` items.

        With a `step` of more than `n` the items in between are dropped. A tuple comes as soon as
        its last item has come. With `partial` those follow at the end that are cut short by it.

        Raises `ValueError` if `n` or `step` is less than 1.

        >>> async def main():
        ...     print(await async_range(5).window(3).collect())
        ...     print(await async_range(5).window(3, 2, partial=True).collect())
        >>> anyio.run(main)
        [(0, 1, 2), (1, 2, 3), (2, 3, 4)]
        [(0, 1, 2), (2, 3, 4), (4,)]
        """
        size, every = check.integer("n", n, 1), check.integer("step", step, 1)
        check.flag("partial", partial)
        return self._then(lambda _: transform.Window(size, every, partial))

    # -- several items at a time ------------------------------------------------------------

    @overload
    def accumulate(self) -> "Stream[T_co]": ...
    @overload
    def accumulate(self: "Stream[T]", fn: Callable[[T, T], T | Awaitable[T]]) -> "Stream[T]": ...
    @overload
    def accumulate(
        self, fn: Callable[[R, T_co], R | Awaitable[R]], *, initial: R
    ) -> "Stream[R]": ...
    @named_call
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
        check.called_function("fn", fn)
        return self._then(lambda _: transform.Accumulate(fn, initial))

    @named_call
    def batched(
        self,
        n: int | None = None,
        *,
        within: float | None = None,
        weight: Callable[[T_co], float] | None = None,
        max_weight: float | None = None,
        until: Items[object] | None = None,
    ) -> "Stream[tuple[T_co, ...]]":
        """Tuples of `n` items; the last one may be shorter.

        `within` is the number of seconds, from its first item, after which a batch comes though it
        is not full. The stream then runs in a task of its own, which gathers one batch while the
        reader is busy, and no more. An error comes after what has been gathered. With 0 a batch is
        what has come since the last one, at least one item and at most `n`, without waiting for
        more.

        `max_weight` bounds the sum of what the plain function `weight` gives for each item. An item
        that does not fit begins the next batch; one that alone is heavier is a batch of its own.

        `until` is a stream of signals, an async iterable or an iterable. Each of its items ends the
        batch, unless nothing has come since the last one; an item that comes at the very instant is
        for the next batch. The stream and `until` run in tasks of their own, and while the reader
        is busy no more than one batch gathers. Without `n` that has any size.

        Raises `ValueError` if `n` is less than 1, `within` negative, or `max_weight` not positive;
        `TypeError` if there is no bound at all, `weight` without `max_weight` or the reverse, or
        `until` together with any of these three.

        >>> async def main():
        ...     print(await Stream("abcde").batched(2).collect())
        ...     words = Stream(["a", "long", "story"])
        ...     print(await words.batched(weight=len, max_weight=5).collect())
        ...     letters = Stream("ab").chain(Stream("c").tap(lambda _: anyio.sleep(0.2)))
        ...     print(await letters.batched(9, within=0.1).collect())
        >>> anyio.run(main)
        [('a', 'b'), ('c', 'd'), ('e',)]
        [('a', 'long'), ('story',)]
        [('a', 'b'), ('c',)]
        """
        if (weight is None) != (max_weight is None):
            raise TypeError("weight and max_weight belong together: give both or neither")
        if until is not None:
            check.items("until", until)
        if n is None and weight is None and until is None:
            raise TypeError("batched() needs n, weight and max_weight, or until")
        if until is not None and (within, weight) != (None, None):
            raise TypeError("until cannot be combined with within or weight")
        size = math.inf if n is None else check.integer("n", n, 1)
        most = math.inf if max_weight is None else check.positive("max_weight", max_weight)
        if weight is not None:
            check.called_plain("weight", weight)

        def batch() -> batching.Batch:
            return batching.Batch(size, weight, most)

        if until is not None:
            make = triggers.triggered(lambda event: batching.UntilChannel(event, batch()))
            return self._with([until], make, layouts.BATCH_UNTIL, 1)
        if within is None:
            return self._then(lambda _: batching.Batched(batch()))
        time = check.seconds("within", within)
        return self._timed(
            lambda event: batching.BatchChannel(event, batch(), time), layouts.BATCH, 1
        )

    @overload
    def chunk_by(self, key: Callable[[T_co], Awaitable[object]]) -> "Stream[tuple[T_co, ...]]": ...
    @overload
    def chunk_by(self, key: Callable[[T_co], object]) -> "Stream[tuple[T_co, ...]]": ...
    @named_call
    def chunk_by(self, key: Callable[[T_co], object]) -> "Stream[tuple[T_co, ...]]":
        """Tuples of neighbours for which `key(item)` gives the same.

        A tuple comes when an item with another key does, or the stream ends, and so has any length;
        `group_by` gives streams of items that need not be neighbours. An error takes the place of
        the tuple that has gathered.

        Raises `TypeError` if `key` is not a function.

        >>> async def main():
        ...     print(await Stream([1, 3, 2, 4, 5]).chunk_by(lambda n: n % 2).collect())
        >>> anyio.run(main)
        [(1, 3), (2, 4), (5,)]
        """
        check.called_function("key", key)
        return self._then(
            lambda _: transform.Keyed(key),
            lambda _: transform.ChunkBy(),
        )

    @overload
    def split_when(
        self, fn: Callable[[T_co, T_co], Awaitable[object]]
    ) -> "Stream[tuple[T_co, ...]]": ...
    @overload
    def split_when(self, fn: Callable[[T_co, T_co], object]) -> "Stream[tuple[T_co, ...]]": ...
    @named_call
    def split_when(self, fn: Callable[[T_co, T_co], object]) -> "Stream[tuple[T_co, ...]]":
        """Tuples of neighbours, which end where `fn(item, next_item)` is true.

        A tuple comes when the item after it does, or the stream ends, and so has any length. An
        error takes the place of the tuple that has gathered.

        Raises `TypeError` if `fn` is not a function.

        >>> async def main():
        ...     print(await Stream([1, 2, 4, 5, 9]).split_when(lambda a, b: b > a + 1).collect())
        >>> anyio.run(main)
        [(1, 2), (4, 5), (9,)]
        """
        check.called_function("fn", fn)
        return self._then(lambda _: transform.SplitWhen(fn))

    @named_call
    def intersperse(self, separator: S) -> "Stream[T_co | S]":
        """The items, with `separator` between each two of them.

        The separator comes together with the item behind it, so that there is none at the end.

        >>> async def main():
        ...     print(await Stream("abc").intersperse("-").collect())
        >>> anyio.run(main)
        ['a', '-', 'b', '-', 'c']
        """
        return self._then(lambda _: transform.Intersperse(separator))

    @named_call
    def pairwise(self) -> "Stream[tuple[T_co, T_co]]":
        """Pairs of neighbours.

        >>> async def main():
        ...     print(await Stream("abc").pairwise().collect())
        >>> anyio.run(main)
        [('a', 'b'), ('b', 'c')]
        """
        return self._then(lambda _: transform.Pairwise())

    # -- streams of streams -----------------------------------------------------------------

    @named_call
    def flatten(self: "Stream[Items[R]]") -> "Stream[R]":
        """The items of each item, one after the other.

        The items are streams, async iterables or iterables. Each is closed when it has ended,
        before the next one is asked for.

        >>> async def main():
        ...     print(await Stream([[1, 2], [], [3]]).flatten().collect())
        >>> anyio.run(main)
        [1, 2, 3]
        """
        return self._then(transform.Flatten)

    @named_call
    def flat_map(self, fn: Callable[[T_co], Later[R]], *, concurrency: int = 1) -> "Stream[R]":
        """The items of `fn(item)` for each item, one after the other: `map`, then `flatten`.

        With a `concurrency` of more than 1 up to that many of the inner streams are open at a time,
        each in a task of its own, and those that have something are served in turn. Each is asked
        for an item only while a reader waits. An error of one stops the others.

        Raises `ValueError` if `concurrency` is less than 1.

        >>> async def main():
        ...     print(await async_range(4).flat_map(async_range).collect())
        >>> anyio.run(main)
        [0, 0, 1, 0, 1, 2]
        """
        check.function("fn", fn)
        tasks = check.integer("concurrency", concurrency, 1)
        if tasks == 1:
            flatten = partial(transform.Flatten, made=True)
            return self._then(lambda _: transform.ToStreams(fn), flatten)
        open_source = workers.flattened(self._recipe, fn, tasks)
        return self._by(open_source, layouts.EXPANDING, 0, tasks)

    @named_call
    def switch_map(self, fn: Callable[[T_co], Later[R]]) -> "Stream[R]":
        """The items of `fn(item)` for the newest item: the next item cancels the inner stream.

        This stream is read as fast as it comes, in a task of its own, and of items that are there
        at once only the last counts. The old inner stream has closed before the new one begins. An
        inner stream is asked for an item only while a reader waits. If items keep coming faster
        than their inner streams give a first item, nothing comes through: `throttle` the source
        then. The end comes with that of the last inner stream; any error ends it all.

        >>> async def search(text):
        ...     yield f"results for {text}"
        >>> async def main():
        ...     print(await Stream(["a", "ab", "abc"]).switch_map(search).collect())
        >>> anyio.run(main)
        ['results for abc']
        """
        check.function("fn", fn)
        open_source = switch.switched(self._recipe, fn, switch.Streaming)
        return self._joined(open_source, layouts.SWITCHED, 0)

    @overload
    def map_latest(self, fn: Callable[[T_co], Awaitable[R]]) -> "Stream[R]": ...
    @overload
    def map_latest(self, fn: Callable[[T_co], R]) -> "Stream[R]": ...
    @named_call
    def map_latest(self, fn: Callable[[T_co], Any]) -> "Stream[Any]":
        """The result of `fn(item)` for the newest item: the next item cancels the running call.

        This stream is read as fast as it comes, in a task of its own, and of items that are there
        at once only the last counts. A result that nobody has read when the next item comes is
        dropped. The end comes after the last result; any error ends it all.

        >>> async def main():
        ...     print(await Stream(["a", "ab", "abc"]).map_latest(str.upper).collect())
        >>> anyio.run(main)
        ['ABC']
        """
        check.result_function("fn", fn, "switch_map")
        open_source = switch.switched(self._recipe, fn, switch.Calling)
        return self._joined(open_source, layouts.CALLED, 0)

    @named_call
    def on_close(
        self, fn: Callable[[], object] | Callable[[BaseException | None], object]
    ) -> "Stream[T_co]":
        """Call `fn()` once for each run, when this part of it closes, however it is left.

        That is after everything below has closed, and before what is above. An async function has
        the grace period, shielded from cancellation. An error that it raises comes out of the
        block or the terminal call.

        A function that needs an argument is told how it ended, as `__exit__` is: None at the end of
        the source, the error or the cancellation that has ended it, or a `GeneratorExit` if it was
        left before its end. What runs in a task of its own is stopped, and so left, when its reader
        fails or is cancelled.

        Raises `TypeError` if `fn` is not a function, or needs more than one argument.

        >>> async def main():
        ...     async with async_range(9).on_close(lambda: print("closed")) as items:
        ...         print(await anext(items))
        >>> anyio.run(main)
        0
        closed
        """
        told = check.listens("fn", fn)
        return self._then(lambda _: transform.OnClose(fn, told))

    # -- with other streams -----------------------------------------------------------------

    def _with(
        self,
        others: Iterable[Any],
        make: Callable[[list[Recipe]], OpenSource],
        layout: layouts.Layout,
        bound: int,
    ) -> "Stream[Any]":
        parts = [recipe_of(other) for other in others]
        return self._joined(make([self._recipe, *parts]), layout, bound, *parts)

    @overload
    def chain(self, a: Items[A], b: Items[B], /) -> "Stream[T_co | A | B]": ...
    @overload
    def chain(self, a: Items[A], b: Items[B], c: Items[C], /) -> "Stream[T_co | A | B | C]": ...
    @overload
    def chain(self, *others: Items[R]) -> "Stream[T_co | R]": ...
    @named_call
    def chain(self, *others: Items[Any]) -> "Stream[Any]":
        """The items of this stream, then those of the others; each closed when it has ended.

        `others` are streams, async iterables or iterables.

        >>> async def main():
        ...     print(await Stream("ab").chain("cd", async_range(2)).collect())
        >>> anyio.run(main)
        ['a', 'b', 'c', 'd', 0, 1]
        """
        return self._with(others, combine.chained, layouts.IN_TURN, 0)

    @overload
    def merge(
        self, a: Items[A], b: Items[B], /, *, buffer: int = 0, until: Literal["all", "any"] = "all"
    ) -> "Stream[T_co | A | B]": ...
    @overload
    def merge(
        self,
        a: Items[A],
        b: Items[B],
        c: Items[C],
        /,
        *,
        buffer: int = 0,
        until: Literal["all", "any"] = "all",
    ) -> "Stream[T_co | A | B | C]": ...
    @overload
    def merge(
        self, *others: Items[R], buffer: int = 0, until: Literal["all", "any"] = "all"
    ) -> "Stream[T_co | R]": ...
    @named_call
    def merge(
        self, *others: Items[Any], buffer: int = 0, until: Literal["all", "any"] = "all"
    ) -> "Stream[Any]":
        """The items of this stream and of the others as they come; see `anystream.merge`.

        >>> async def main():
        ...     print(sorted(await async_range(2).merge([5, 6]).collect()))
        >>> anyio.run(main)
        [0, 1, 5, 6]
        """
        return self._with(others, concurrent.merging(buffer, until), layouts.EACH, buffer)

    @overload
    def race(self, a: Items[A], b: Items[B], /) -> "Stream[T_co | A | B]": ...
    @overload
    def race(self, a: Items[A], b: Items[B], c: Items[C], /) -> "Stream[T_co | A | B | C]": ...
    @overload
    def race(self, *others: Items[R]) -> "Stream[T_co | R]": ...
    @named_call
    def race(self, *others: Items[Any]) -> "Stream[Any]":
        """The items of whichever stream gives one first; see `anystream.race`.

        >>> async def main():
        ...     print(await async_range(9, delay=1).race(ticker(60)).first())
        >>> anyio.run(main)
        0
        """
        return self._with(others, concurrent.racing, layouts.RACING, 0)

    @overload
    def zip(self, a: Items[A], /, *, strict: bool = False) -> "Stream[tuple[T_co, A]]": ...
    @overload
    def zip(
        self, a: Items[A], b: Items[B], /, *, strict: bool = False
    ) -> "Stream[tuple[T_co, A, B]]": ...
    @overload
    def zip(
        self, a: Items[A], b: Items[B], c: Items[C], /, *, strict: bool = False
    ) -> "Stream[tuple[T_co, A, B, C]]": ...
    @overload
    def zip(
        self, a: Items[A], b: Items[B], c: Items[C], d: Items[D], /, *, strict: bool = False
    ) -> "Stream[tuple[T_co, A, B, C, D]]": ...
    @overload
    def zip(
        self,
        a: Items[A],
        b: Items[B],
        c: Items[C],
        d: Items[D],
        f: Items[F],
        /,
        *,
        strict: bool = False,
    ) -> "Stream[tuple[T_co, A, B, C, D, F]]": ...
    @overload
    def zip(self, *others: Items[Any], strict: bool = False) -> "Stream[tuple[Any, ...]]": ...
    @named_call
    def zip(self, *others: Items[Any], strict: bool = False) -> "Stream[Any]":
        """Tuples of an item of each stream, asked for at the same time; see `anystream.zip`.

        >>> async def main():
        ...     print(await async_range(5).zip("abc").collect())
        >>> anyio.run(main)
        [(0, 'a'), (1, 'b'), (2, 'c')]
        """
        return self._with(others, combine.zipping(strict), layouts.ZIPPED, 0)

    @overload
    def combine_latest(self, a: Items[A], /) -> "Stream[tuple[T_co, A]]": ...
    @overload
    def combine_latest(self, a: Items[A], b: Items[B], /) -> "Stream[tuple[T_co, A, B]]": ...
    @overload
    def combine_latest(
        self, a: Items[A], b: Items[B], c: Items[C], /
    ) -> "Stream[tuple[T_co, A, B, C]]": ...
    @overload
    def combine_latest(
        self, a: Items[A], b: Items[B], c: Items[C], d: Items[D], /
    ) -> "Stream[tuple[T_co, A, B, C, D]]": ...
    @overload
    def combine_latest(
        self, a: Items[A], b: Items[B], c: Items[C], d: Items[D], f: Items[F], /
    ) -> "Stream[tuple[T_co, A, B, C, D, F]]": ...
    @overload
    def combine_latest(self, *others: Items[Any]) -> "Stream[tuple[Any, ...]]": ...
    @named_call
    def combine_latest(self, *others: Items[Any]) -> "Stream[Any]":
        """Tuples of the latest items, whenever there is a new one; see `anystream.combine_latest`.

        >>> async def main():
        ...     print(await Stream(["a"]).combine_latest(async_range(3, delay=0.1)).collect())
        >>> anyio.run(main)
        [('a', 0), ('a', 1), ('a', 2)]
        """
        tagged = self._with(others, combine.latest_of, layouts.EACH, 0)
        return tagged._also(lambda _: combine.Latest(len(others) + 1))

    @overload
    def with_latest_from(self, a: Items[A], /) -> "Stream[tuple[T_co, A]]": ...
    @overload
    def with_latest_from(self, a: Items[A], b: Items[B], /) -> "Stream[tuple[T_co, A, B]]": ...
    @overload
    def with_latest_from(
        self, a: Items[A], b: Items[B], c: Items[C], /
    ) -> "Stream[tuple[T_co, A, B, C]]": ...
    @overload
    def with_latest_from(
        self, a: Items[A], b: Items[B], c: Items[C], d: Items[D], /
    ) -> "Stream[tuple[T_co, A, B, C, D]]": ...
    @overload
    def with_latest_from(
        self, a: Items[A], b: Items[B], c: Items[C], d: Items[D], f: Items[F], /
    ) -> "Stream[tuple[T_co, A, B, C, D, F]]": ...
    @overload
    def with_latest_from(self, *others: Items[Any]) -> "Stream[tuple[Any, ...]]": ...
    @named_call
    def with_latest_from(self, *others: Items[Any]) -> "Stream[Any]":
        """Each item, with the latest item of each of the others; ends with this stream.

        The others are read as fast as they come, in tasks of their own, and keep only their latest
        item. Items of this stream that come before each of the others has given one are dropped.

        >>> async def main():
        ...     keys = async_range(2, delay=0.2)
        ...     print(await keys.with_latest_from(["a", "b"]).collect())
        >>> anyio.run(main)
        [(0, 'b'), (1, 'b')]
        """
        way = layouts.SAMPLED if others else layouts.ALONE
        tagged = self._with(others, sampled_of, way, 0)
        return tagged._also(lambda _: combine.Sampled(len(others) + 1))

    # -- tasks ------------------------------------------------------------------------------

    @named_call
    def buffer(self, size: int, overflow: Overflow = "wait") -> "Stream[T_co]":
        """Run everything up to here in a task of its own, at most `size` items ahead of the reader.

        With 0 it is strictly on demand: an item is asked for only while a reader waits for it.
        Only `collect`, which keeps all of them, waits for up to 64 at a time.
        What runs in a task of its own survives a cancelled step of the reader, and may hold cancel
        scopes and task groups across its yields.

        `overflow` says what happens when `size` items wait and another one comes. `"wait"` lets the
        source wait. With the others it runs on: `"drop_oldest"` and `"drop_newest"` drop an item,
        and `"error"` raises `StreamOverflowError` after those that wait.

        A stream with a buffer needs `async with` or a terminal call. Raises `ValueError` if `size`
        is negative, or 0 with another policy than `"wait"`.

        >>> async def main():
        ...     print(await async_range(3).buffer(2).collect())
        ...     print(await async_range(9).buffer(2, "drop_oldest").collect())
        >>> anyio.run(main)
        [0, 1, 2]
        [7, 8]
        """
        size = checked_size("size", size, overflow)
        open_source = concurrent.merged([self._recipe], size, overflow)
        return self._joined(open_source, layouts.ALONE, size)

    @named_call
    def concurrently(self, background: Items[Any]) -> "Stream[T_co]":
        """This stream, with a background stream that lives and dies with it.

        The background is drained in a task of its own from the opening on, and stopped when this
        stream ends or is left. If it ends first, nothing happens; if it fails, its error is raised
        by the next step.

        >>> async def main():
        ...     beat = ticker(0.2).tap(lambda _: print("beat"))
        ...     await async_range(2, delay=0.25).concurrently(beat).for_each(print)
        >>> anyio.run(main)
        beat
        0
        beat
        1
        """
        other = recipe_of(background)
        return self._joined(concurrent.beside(self._recipe, other), layouts.BESIDE, 0, other)

    # -- time -------------------------------------------------------------------------------

    def _timed(
        self, make: Callable[[Backend], Channel], layout: layouts.Layout, bound: int
    ) -> "Stream[Any]":
        return self._joined(timing.timed(self._recipe, make), layout, bound)

    def _idle_timed(self, make: Callable[[Backend], Channel]) -> "Stream[Any]":
        opens = timing.timed(self._recipe, make, waits_only=True)
        return self._joined(opens, layouts.WAITED_FOR, 0)

    @named_call
    def timeout(
        self, seconds: float, *, on_timeout: Literal["raise", "end"] = "raise"
    ) -> "Stream[T_co]":
        """This stream, which fails when the reader has waited `seconds` for the next item.

        The time is that since the item was asked for, also if the step was cancelled and repeated
        meanwhile. An item that comes at the very instant has come in time. Then the source is
        stopped, and `TimeoutError` raised, or with `on_timeout="end"` the stream ends.

        The source runs in a task of its own, on demand. If it never waits, as a plain iterable does
        not, no task is started. Raises `ValueError` if `seconds` is not positive.

        >>> async def main():
        ...     slow = async_range(2).chain(ticker(3600))
        ...     print(await slow.timeout(0.1, on_timeout="end").collect())
        >>> anyio.run(main)
        [0, 1]
        """
        time = check.seconds("seconds", seconds, zero=False, why="no item is that fast")
        check.choice("on_timeout", on_timeout, ("raise", "end"))
        fails = on_timeout == "raise"
        return self._idle_timed(lambda event: timing.Timeout(event, time, self, fails))

    @named_call
    def deadline(
        self, seconds: float, *, on_timeout: Literal["raise", "end"] = "raise"
    ) -> "Stream[T_co]":
        """This stream, which fails if it has not ended `seconds` after it was opened.

        The reader hears of it in the step that waits then, or in the next one. What has come before
        is read first. Otherwise this is as `timeout`.

        >>> async def main():
        ...     endless = Stream("ab").chain(ticker(3600))
        ...     print(await endless.deadline(0.1, on_timeout="end").collect())
        >>> anyio.run(main)
        ['a', 'b']
        """
        time = check.seconds("seconds", seconds, zero=False, why="no stream is that fast")
        check.choice("on_timeout", on_timeout, ("raise", "end"))
        fails = on_timeout == "raise"
        return self._timed(
            lambda event: timing.Deadline(event, time, self, fails), layouts.ALONE, 0
        )

    @overload
    def heartbeat(self, every: float, value: Callable[[], R]) -> "Stream[T_co | R]": ...
    @overload
    def heartbeat(self, every: float, value: R) -> "Stream[T_co | R]": ...
    @named_call
    def heartbeat(self, every: float, value: Any) -> "Stream[Any]":
        """The items, and `value` whenever the reader has waited `every` seconds for the next one.

        The step of the source continues meanwhile. `value` is the item, or a plain function that
        returns it. The source runs in a task of its own, on demand; none is started if it never
        waits, as a plain iterable does not.

        Raises `ValueError` if `every` is not positive, `TypeError` if `value` is an async function.

        >>> async def main():
        ...     print(await async_range(2, delay=0.15).heartbeat(0.1, "beat").collect())
        >>> anyio.run(main)
        ['beat', 0, 'beat', 1]
        """
        time = check.seconds("every", every, zero=False, why="there would be no end of beats")
        if check.is_async(value):
            raise TypeError(
                "value must be an item or a plain function that returns one, got"
                f" {label.whole(value)}"
            )
        beat: Callable[[], Any] = value if callable(value) else lambda: value
        return self._idle_timed(lambda event: timing.Heartbeat(event, time, beat))

    @named_call
    def delay(self, seconds: float, *, buffer: int = 1024) -> "Stream[T_co]":
        """Every item, `seconds` after it has come; so are the end and an error.

        The source runs in a task of its own, at most `buffer` items ahead; when `buffer` items
        wait for their time, the source waits. Raises `ValueError` if `seconds` is negative or
        `buffer` less than 1.

        >>> async def main():
        ...     start = anyio.current_time()
        ...     await async_range(3).delay(0.1).drain()
        ...     print(round(anyio.current_time() - start, 1))
        >>> anyio.run(main)
        0.1
        """
        time, bound = check.seconds("seconds", seconds), check.integer("buffer", buffer, 1)
        return self._timed(lambda event: timing.Delay(event, time, bound), layouts.ALONE, bound)

    @named_call
    def spaced(self, seconds: float) -> "Stream[T_co]":
        """The items, with at least `seconds` between one and the next; none is dropped.

        The reader's own step waits, and needs no task. If that is cancelled, the item is kept.
        Raises `ValueError` if `seconds` is negative.

        >>> async def main():
        ...     times = async_range(3).spaced(0.1).map(lambda _: anyio.current_time())
        ...     print(await times.pairwise().starmap(lambda a, b: round(b - a, 1)).collect())
        >>> anyio.run(main)
        [0.1, 0.1]
        """
        time = check.seconds("seconds", seconds)
        return self._then(lambda _: pacing.Paced(time, burst=1, grain=0.0))

    @named_call
    def rate_limit(self, n: int, *, per: float = 1.0, burst: int = 1) -> "Stream[T_co]":
        """The items, at most `n` of them in `per` seconds on the average; none is dropped.

        Up to `burst` items come at once after a pause, and then one every `per / n` seconds: the
        generic cell rate algorithm, which is a token bucket without a timer. With a burst of 1 the
        items are evenly spaced. Timers are no finer than a millisecond, so at more than 1,000 items
        a second those of a millisecond come together.

        The reader's own step waits, and needs no task. If that is cancelled, the item is kept.
        Raises `ValueError` if `n` or `burst` is less than 1, or `per` not positive.

        >>> async def main():
        ...     start = anyio.current_time()
        ...     await async_range(7).rate_limit(10, burst=5).drain()
        ...     print(round(anyio.current_time() - start, 1))
        >>> anyio.run(main)
        0.2
        """
        rate, most = check.integer("n", n, 1), check.integer("burst", burst, 1)
        interval = check.seconds("per", per, zero=False) / rate
        grain = pacing.GRAIN if interval < pacing.GRAIN else 0.0
        return self._then(lambda _: pacing.Paced(interval, most, grain))

    @named_call
    def throttle(
        self,
        seconds: float,
        edge: Literal["leading", "trailing", "both"] = "leading",
        *,
        keep: Literal["last", "first"] = "last",
    ) -> "Stream[T_co]":
        """At most one item in `seconds`; the others are dropped.

        An item that comes while the gate is open shuts it for `seconds`. With the `"leading"` edge
        that item comes through, with the `"trailing"` one the last item that came until the end of
        that time, which shuts the gate again, and with `"both"` both. With `keep="first"` the
        trailing item is the first of those that came while the gate was shut. At the end of the
        stream, and before an error, a trailing item comes through at once.

        The source runs in a task of its own, and never waits. If the reader is slower, the newest
        two items that came through wait for it. With 0 seconds every item comes through, and there
        is no task. Raises `ValueError` if `seconds` is negative, `edge` none of the three, or
        `keep="first"` given with the `"leading"` edge, which has none.

        >>> async def main():
        ...     print(await async_range(9).throttle(3600).collect())
        ...     print(await async_range(9).throttle(3600, "both").collect())
        >>> anyio.run(main)
        [0]
        [0, 8]
        """
        time = check.seconds("seconds", seconds)
        check.choice("edge", edge, ("leading", "trailing", "both"))
        check.choice("keep", keep, ("last", "first"))
        if edge == "leading" and keep == "first":
            raise ValueError('keep="first" needs edge="trailing" or "both", got edge="leading"')
        leading, trailing, newest = edge != "trailing", edge != "leading", keep == "last"
        if not time:
            return self._then()
        return self._rate_filtered(
            lambda channel: timing.Throttle(channel, time, leading, trailing, newest)
        )

    @named_call
    def debounce(
        self, seconds: float | Callable[[T_co], float], *, max_wait: float | None = None
    ) -> "Stream[T_co]":
        """An item when none has come after it for `seconds`; the others are dropped.

        `seconds` may be a plain function, which gives the seconds for each item; 0 means at once.

        With `max_wait`, an item comes at most `max_wait` seconds after the first one that waits,
        even if there is no pause. At the end of the stream, and before an error, the last item
        comes at once.

        The source runs in a task of its own, and never waits. If the reader is slower, the newest
        two items that came through wait for it. With 0 seconds every item comes through, and there
        is no task. Raises `ValueError` if `seconds` is negative or `max_wait` not positive.

        >>> async def main():
        ...     pauses = Stream([0, 0, 0.2, 0]).tap(anyio.sleep)
        ...     print(await pauses.enumerate().debounce(0.1).collect())
        >>> anyio.run(main)
        [(1, 0), (3, 0)]
        """
        limit = math.inf if max_wait is None else check.seconds("max_wait", max_wait, zero=False)
        if callable(seconds):
            check.called_plain("seconds", seconds)
            return self._rate_filtered(lambda channel: timing.DebounceEach(channel, seconds, limit))
        time = check.seconds("seconds", seconds)
        if not time:
            return self._then()
        return self._rate_filtered(lambda channel: timing.Debounce(channel, time, limit))

    @named_call
    def sample(self, interval: float) -> "Stream[T_co]":
        """Every `interval` seconds the newest item, if one has come since the last time.

        The first time is one interval after the opening. An item that comes at the very instant is
        for the next time. At the end of the stream, and before an error, the last item comes at
        once.

        The source runs in a task of its own, and never waits. If the reader is slower, the newest
        two items that came through wait for it. Raises `ValueError` if `interval` is not positive.

        >>> async def main():
        ...     pauses = Stream([0, 0, 0.2, 0]).tap(anyio.sleep)
        ...     print(await pauses.enumerate().sample(0.1).collect())
        >>> anyio.run(main)
        [(1, 0), (3, 0)]
        """
        time = check.seconds("interval", interval, zero=False, why="leave sample() out to get all")
        return self._rate_filtered(lambda channel: timing.Sample(channel, time))

    def _rate_filtered(self, make: Callable[[Channel], timing.RateFilter]) -> "Stream[Any]":
        return self._timed(lambda event: timing.RateFiltered(event, make), layouts.NEWEST, 2)

    @named_call
    def timestamp(self) -> "Stream[tuple[float, T_co]]":
        """Pairs of the time at which the item came, by the event loop's clock, and the item.

        >>> async def main():
        ...     print((await Stream("a").timestamp().first())[1])
        >>> anyio.run(main)
        a
        """
        return self._then(lambda _: pacing.Timestamp())

    @named_call
    def elapsed(self) -> "Stream[tuple[float, T_co]]":
        """Pairs of the seconds since the item before came, or since the opening, and the item.

        >>> async def main():
        ...     pairs = async_range(2, delay=0.1).elapsed()
        ...     print(await pairs.starmap(lambda seconds, n: (round(seconds, 1), n)).collect())
        >>> anyio.run(main)
        [(0.1, 0), (0.1, 1)]
        """
        return self._then(lambda _: pacing.Elapsed())

    # -- what something else decides --------------------------------------------------------

    def _triggered(self, trigger: Recipe, channel_type: type[triggers.Triggered]) -> "Stream[T_co]":
        return self._with([trigger], triggers.triggered(channel_type), layouts.TRIGGERED, 0)

    @named_call
    def take_until(self, trigger: Trigger) -> "Stream[T_co]":
        """The items that come before the trigger does.

        `trigger` is a number of seconds since the opening, an event, an awaitable, or a stream, of
        which the first item counts; one that ends without an item never comes. At the trigger the
        source is stopped and the stream ends; an item that comes at the very instant comes too
        late. An error of the trigger is one of the stream.

        The source and the trigger run in tasks of their own, the source on demand. An awaitable can
        be awaited only once: a second opening raises `StreamConsumedError`. When the stream ends
        first the wait is cancelled, and with it an asyncio task that is waited for.

        Raises `TypeError` if `trigger` is none of these, `ValueError` if it is negative.

        >>> async def main():
        ...     endless = Stream("ab").chain(ticker(3600))
        ...     print(await endless.take_until(0.1).collect())
        >>> anyio.run(main)
        ['a', 'b']
        """
        return self._triggered(triggering(trigger), triggers.TakeUntil)

    @named_call
    def skip_until(self, trigger: Trigger) -> "Stream[T_co]":
        """The items that come at the trigger or after it; those before it are dropped.

        `trigger` is as for `take_until`; if it never comes, neither does an item.

        >>> async def main():
        ...     words = Stream("ab").chain(Stream("c").tap(lambda _: anyio.sleep(0.2)))
        ...     print(await words.skip_until(0.1).collect())
        >>> anyio.run(main)
        ['c']
        """
        return self._triggered(triggering(trigger), triggers.SkipUntil)

    @named_call
    def pause_while(self, trigger: Items[object]) -> "Stream[T_co]":
        """The items, but none while the last item of `trigger` is true; none is dropped.

        `trigger` is a stream, an async iterable or an iterable. In a pause at most one item is
        taken, and waits; the source waits with it. The end of the trigger ends a pause, and so does
        an error of the stream, which comes after the item.

        >>> async def main():
        ...     pause = Stream([True]).chain(ticker(0.1, 1).map(lambda _: False))
        ...     print((await async_range(2).pause_while(pause).elapsed().collect())[0][0] >= 0.1)
        >>> anyio.run(main)
        True
        """
        check.items("trigger", trigger)
        return self._triggered(recipe_of(trigger), triggers.PauseWhile)

    # -- several readers --------------------------------------------------------------------

    @named_call
    def share(
        self, buffer: int = 16, overflow: Overflow = "wait", *, replay: int = 0
    ) -> "AbstractAsyncContextManager[Stream[T_co]]":
        """One run of this stream for several readers: `async with stream.share() as shared`.

        `shared` is a stream that can be opened any number of times while the block is open, in any
        task, and each opening is a reader. This stream is opened by the first step of a reader and
        closed with the last reader; the next one opens it again. A reader gets the items from its
        opening on, after the last `replay` items.

        At most `buffer` items wait for each reader, besides those that are replayed. When another
        one comes, `overflow` decides, as in `Stream.buffer`: by default the slowest reader holds up
        all of them, and with `"error"` only the reader that is too slow fails. For a reader with a
        policy of its own, put a `buffer` behind `shared`.

        An error of this stream comes to every reader. Leaving the block ends all readers with
        `StreamClosedError`. If one reader waits while the queue of another is full that is read by
        the same task, all get a `StreamDeadlockError` after a second.

        Raises `ValueError` if `buffer` or `replay` is negative.

        >>> async def main():
        ...     async with async_range(3).share() as shared, shared as a, shared as b:
        ...         print([n async for n in a], [n async for n in b])
        >>> anyio.run(main)
        [0, 1, 2] [0, 1, 2]
        """
        size = checked_size("buffer", buffer, overflow)
        last = check.integer("replay", replay, 0)
        text = label.Label(self._recipe.text)
        owned = Recipe.combine(
            lambda owner: share.Share(owner, self._recipe, size, overflow, last),
            text,
            [self._recipe],
            layouts.DEALT,
            size,
        )
        reader = layouts.BRANCH, text, [self._recipe], size, 0
        return Holder(
            owned,
            lambda distributor: Stream(Recipe.source(distributor.join, text=text, note=reader)),
        )

    @overload
    def partition(
        self, fn: "Callable[[T_co], TypeGuard[R]]", buffer: int = 64, overflow: Overflow = "wait"
    ) -> "AbstractAsyncContextManager[tuple[Stream[R], Stream[T_co]]]": ...
    @overload
    def partition(
        self, fn: "Callable[[T_co], TypeIs[R]]", buffer: int = 64, overflow: Overflow = "wait"
    ) -> "AbstractAsyncContextManager[tuple[Stream[R], Stream[T_co]]]": ...
    @overload
    def partition(
        self, fn: Callable[[T_co], object], buffer: int = 64, overflow: Overflow = "wait"
    ) -> "AbstractAsyncContextManager[tuple[Stream[T_co], Stream[T_co]]]": ...
    @named_call
    def partition(
        self, fn: Callable[[T_co], object], buffer: int = 64, overflow: Overflow = "wait"
    ) -> "AbstractAsyncContextManager[tuple[Stream[Any], Stream[T_co]]]":
        """Two streams: of the items for which `fn(item)` is true, and of the others.

        `async with stream.partition(fn) as (true, false)` gives them, each for one reader. This
        stream is opened by the first step of one of them. At most `buffer` items of each wait, and
        one is in hand; when another one comes, `overflow` decides, as in `Stream.buffer`: by
        default both wait for the reader of the one that is full. When one is left, its items are
        dropped.

        Read each in a task of its own. Suppose that a reader waits for one while the other is full,
        and the full one has the same reader, or has none and only the task of the block could read
        it. Then both get a `StreamDeadlockError` after a second.

        >>> async def main():
        ...     async with async_range(6).partition(lambda n: n % 2) as (odd, even):
        ...         print(await odd.collect(), await even.collect())
        >>> anyio.run(main)
        [1, 3, 5] [0, 2, 4]
        """
        check.called_function("fn", fn)
        size = checked_size("buffer", buffer, overflow)
        text = label.Label(self._recipe.text)
        owned = Recipe.combine(
            lambda owner: share.Partition(owner, self._recipe, fn, size, overflow),
            text,
            [self._recipe],
            layouts.DEALT,
            size,
        )
        reader = layouts.BRANCH, text, [self._recipe], size, 0
        return Holder(
            owned,
            lambda distributor: (
                Stream(Recipe.source(distributor.open_true, text=label.Item(text, 0), note=reader)),
                Stream(
                    Recipe.source(distributor.open_false, text=label.Item(text, 1), note=reader)
                ),
            ),
        )

    @overload
    def group_by(
        self, fn: Callable[[T_co], Awaitable[K]], buffer: int = 64, overflow: Overflow = "wait"
    ) -> "Stream[tuple[K, Stream[T_co]]]": ...
    @overload
    def group_by(
        self, fn: Callable[[T_co], K], buffer: int = 64, overflow: Overflow = "wait"
    ) -> "Stream[tuple[K, Stream[T_co]]]": ...
    @named_call
    def group_by(
        self, fn: Callable[[T_co], Any], buffer: int = 64, overflow: Overflow = "wait"
    ) -> "Stream[tuple[Any, Stream[T_co]]]":
        """Pairs of a key and the stream of the items for which `fn(item)` is that key.

        A pair comes with the first item of its key, and its stream is for one reader. At most
        `buffer` pairs, and as many items of each key, wait to be read, and one is in hand. When
        another item comes, `overflow` decides, as in `Stream.buffer`: by default all wait for the
        reader of the full one. When a group is left, what waits there is dropped, and the next item
        of its key comes in a new pair. Memory grows with the number of groups that have not been
        left.

        A group to which nothing refers any more cannot be read: all of its items are dropped. So a
        `filter` of the pairs chooses groups, and a loop lets go of one by `del group`.

        The groups end with this stream, and what waits in them can be read after that. If this
        stream is closed before its end, a group gives what waits there, and then raises
        `StreamClosedError`.

        Read each group in a task of its own. Suppose that a reader waits while a group is full, and
        the reader of that waits as well, or it has none and only the task of the block could read
        it. Then all get a `StreamDeadlockError` after a second.

        >>> async def main():
        ...     async with async_range(6).group_by(lambda n: n % 2) as groups:
        ...         pairs = [pair async for pair in groups]
        ...         print([(key, await group.collect()) for key, group in pairs])
        >>> anyio.run(main)
        [(0, [0, 2, 4]), (1, [1, 3, 5])]
        """
        check.called_function("fn", fn)
        size = checked_size("buffer", buffer, overflow)
        text = label.Label(self._recipe.text)
        reader = layouts.BRANCH, text, [self._recipe], size, 0

        def stream_of(handle: share.Handle, key: object) -> Stream[T_co]:
            return Stream(Recipe.source(handle.open, text=label.Item(text, key), note=reader))

        def open_source(owner: Owner) -> Source:
            return share.Groups(owner, self._recipe, fn, size, overflow, stream_of).opened()

        return Stream(Recipe.combine(open_source, text, [self._recipe], layouts.GROUPED, size))

    # -- when something fails, or is missing ------------------------------------------------

    @overload
    def catch(self, handler: Callable[[Exception], Awaitable[None] | None]) -> "Stream[T_co]": ...
    @overload
    def catch(
        self, handler: Callable[[Exception], Items[R] | Awaitable[Items[R] | None] | None]
    ) -> "Stream[T_co | R]": ...
    @overload
    def catch(
        self,
        handler: Callable[[E], Awaitable[None] | None],
        types: type[E] | tuple[type[E], ...],
    ) -> "Stream[T_co]": ...
    @overload
    def catch(
        self,
        handler: Callable[[E], Items[R] | Awaitable[Items[R] | None] | None],
        types: type[E] | tuple[type[E], ...],
    ) -> "Stream[T_co | R]": ...
    @named_call
    def catch(
        self,
        handler: Callable[[Any], Any],
        types: type[Exception] | tuple[type[Exception], ...] = Exception,
    ) -> "Stream[Any]":
        """The items up to an error, and then those of `handler(error)`.

        `handler`, plain or async, gives what replaces the rest: a stream, an async iterable, an
        iterable, such as `[value]` for one value, or None for the end. Only errors
        that match `types` are handled; others, and those of the replacement, propagate unchanged.
        Inside `handler`, `sys.exc_info()` is set, as in an `except` block. To try the same source
        again, use `retry`; to skip single items, `map(fn, on_error="skip")`.

        The failed source has closed before `handler` is called. If its cleanup fails as well, that
        and the error are raised as an `ExceptionGroup`. A `handler` that is cancelled is called
        once more by the next step. A replacement may need tasks, which a bare `async for` does not
        have; it raises `NeedsTasksError` then.

        Raises `TypeError` if `types` is neither a class below `Exception` nor a tuple of them.

        >>> async def main():
        ...     texts = Stream(["1", "2", "three", "4"])
        ...     print(await texts.map(int).catch(lambda error: [0], ValueError).collect())
        >>> anyio.run(main)
        [1, 2, 0]
        """
        check.handler("handler", handler, "which errors it is for is said by types")
        exception_types("types", types)
        return self._joined(recover.caught(self._recipe, handler, types), layouts.CAUGHT, 0)

    @overload
    def retry(self, policy: Retry | int = 3) -> "Stream[T_co]": ...
    @overload
    def retry(
        self, policy: Retry | int = 3, *, resume: Callable[[T_co], Later[R]]
    ) -> "Stream[T_co | R]": ...
    @named_call
    def retry(
        self, policy: Retry | int = 3, *, resume: Callable[[T_co], Any] | None = None
    ) -> "Stream[Any]":
        """The items of this stream, which is opened again after an error.

        `policy` says after which errors, how often in a row, and after which pause; a number is
        short for `Retry(times=number)`. After the last attempt its error is raised as it is, with
        a note that says how many there were.

        Items that have come before the error come again, unless `resume` is given: the stream
        continues with `resume(last)`, where `last` is the last item that it has delivered. `resume`
        returns a stream, an async iterable or an iterable; it may be an async function. What fails
        in there is retried as well. As long as no item has come the source itself is opened again.

        The failed source has closed before the pause. If its cleanup fails as well, that and the
        error are raised as an `ExceptionGroup`. A pause that is cancelled continues in the next
        step, and ends when it would have ended. A source that can be read only once cannot be
        opened again, which is a `StreamConsumedError` with the error as its cause.

        Raises `TypeError` if `policy` is neither, `ValueError` if it is a negative number.

        >>> pages = {1: ["a", "b"], 3: ["c"]}
        >>> async def lines(start):
        ...     for line in pages[start]:
        ...         yield f"{start}{line}"
        ...     if start == 1:
        ...         raise ConnectionError
        >>> async def main():
        ...     log = Stream(lambda: lines(1))
        ...     print(await log.retry(5, resume=lambda last: lines(3)).collect())
        >>> anyio.run(main)
        ['1a', '1b', '3c']
        """
        if not isinstance(policy, Retry):
            policy = Retry(times=check.integer("policy", policy, 0, more="a Retry or "))
        if resume is not None:
            check.function("resume", resume)
        way = layouts.REPEATED if resume is None else layouts.RESUMED
        return self._joined(recover.retrying(self._recipe, policy, resume), way, 0)

    @named_call
    def repeat(self, times: int | None = None, *, pause: float = 0.0) -> "Stream[T_co]":
        """The items of this stream again and again, `times` in all, or for ever.

        At its end the source is closed, and opened again after `pause` seconds. A pause that is
        cancelled continues in the next step. Between two rounds lies a checkpoint at least. A
        source that can be read only once is a `StreamConsumedError` in the second round.

        Raises `ValueError` if `times` or `pause` is negative.

        >>> async def main():
        ...     print(await Stream("ab").repeat(3).collect("".join))
        >>> anyio.run(main)
        ababab
        """
        count = None if times is None else check.integer("times", times, 0)
        seconds = check.seconds("pause", pause)
        return self._joined(recover.repeated(self._recipe, count, seconds), layouts.REPEATED, 0)

    # -- terminal calls ---------------------------------------------------------------------

    @overload
    async def collect(self) -> list[T_co]: ...
    @overload
    async def collect(self: "Stream[tuple[K, V]]", into: type[dict[Any, Any]]) -> dict[K, V]: ...
    @overload
    async def collect(self: "Stream[T]", into: Callable[[list[T]], R]) -> R: ...
    async def collect(self, into: Callable[[Any], Any] = list) -> Any:
        """All items, as a list or as `into(items)`: `set`, `dict`, `tuple`, `"".join`, ...

        Since all of them are kept, what is on demand (`buffer(0)`, `merge`, `flat_map`) directly
        before it is asked for up to 64 at a time.

        >>> async def main():
        ...     print(await Stream("abc").enumerate().collect(dict))
        >>> anyio.run(main)
        {0: 'a', 1: 'b', 2: 'c'}
        """
        check.plain("into", into)
        return await _terminals.collect(self, into)

    async def drain(self) -> None:
        """Run to the end for the effects alone.

        >>> anyio.run(Stream("ab").tap(print).drain)
        a
        b
        """
        await _terminals.drain(self)

    async def for_each(
        self,
        fn: Callable[[T_co], object],
        *,
        concurrency: int | None = None,
        executor: "AnyExecutor | None" = None,
        chunk: "ChunkSize" = 1,
        attempts: int = 1,
    ) -> None:
        """Call `fn(item)` for each item; an async function is awaited before the next item.

        With a `concurrency` of more than 1 that many tasks call it, each for one item at a time,
        and an error of one stops the others. `executor`, `chunk` and `attempts` are as for `map`.

        >>> async def main():
        ...     await async_range(2).for_each(print)
        >>> anyio.run(main)
        0
        1
        """
        check.called_function("fn", fn)
        if executor is not None:
            called = self.map(
                fn,
                concurrency=concurrency,
                ordered=False,
                executor=executor,
                chunk=chunk,
                attempts=attempts,
            )
        else:
            unless_of_executor(chunk, attempts)
            pool = Workers.checked(concurrency, ordered=False, ahead=None)
            called = (
                self._then(lambda _: transform.ForEach(fn))
                if pool is None
                else self._in_workers(pool, lambda _: fn, workers.Effects)
            )
        text = called._recipe.text
        assert isinstance(text, label.Label)
        text.call = label.Form("for_each"), (fn,), {}
        await _terminals.drain(called)

    async def into(self, send_stream: "Sendable[T_co]", *, close: bool = True) -> None:
        """Send every item into an anyio stream, such as the send end of a memory object stream.

        `send_stream` is an object send stream, or a byte stream for items of bytes. The next item
        is asked for when the one before it has been sent. However this ends, `send_stream` is
        closed, after the sources, shielded from cancellation and for as long as any cleanup may
        take; unless `close` is false.

        Raises what `send()` raises, such as `BrokenResourceError` when nobody receives any more,
        with the sources closed; and `TypeError` if `send_stream` has no `send()` and `aclose()`.

        >>> async def main():
        ...     send, receive = anyio.create_memory_object_stream(10)
        ...     await async_range(3).into(send)
        ...     print(await Stream(receive).collect())
        >>> anyio.run(main)
        [0, 1, 2]
        """
        if not hasattr(send_stream, "send") or not hasattr(send_stream, "aclose"):
            raise TypeError(
                f"send_stream must have send() and aclose(), got {label.whole(send_stream)}"
            )
        check.flag("close", close)
        await _terminals.into(self, send_stream, close=close)

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
        check.called_function("fn", fn)
        reducing = label.call("reduce", fn)
        totals = self._also(lambda _: transform.Accumulate(fn, initial), call=reducing)
        empty = object()
        total = await _terminals.last(totals, empty)
        if total is empty:
            raise TypeError(f"reduce() of an empty stream without an initial value: {self!r}")
        return total

    @overload
    async def first(self) -> T_co: ...
    @overload
    async def first(self, default: R) -> T_co | R: ...
    async def first(self, default: Any = MISSING) -> Any:
        """The first item; the source is not asked for another one.

        Raises `EmptyStreamError`, a `ValueError`, if there is none and no `default`; `TypeError` if
        that is a function, which may be meant to choose the item: use `filter` for that.

        >>> async def main():
        ...     print(await async_range(5).filter(lambda n: n > 2).first())
        >>> anyio.run(main)
        3
        """
        check.default(default, "first")
        return await _terminals.first(self, default)

    @overload
    async def last(self) -> T_co: ...
    @overload
    async def last(self, default: R) -> T_co | R: ...
    async def last(self, default: Any = MISSING) -> Any:
        """The last item, which means running to the end.

        Raises `EmptyStreamError`, a `ValueError`, if there is none and no `default`; `TypeError` if
        that is a function, which may be meant to choose the item: use `filter` for that.

        >>> async def main():
        ...     print(await async_range(5).last())
        >>> anyio.run(main)
        4
        """
        check.default(default, "last")
        return await _terminals.last(self, default)

    async def count(self) -> int:
        """How many items there are.

        >>> async def main():
        ...     print(await async_range(10).filter(lambda n: n % 3 == 0).count())
        >>> anyio.run(main)
        4
        """
        return await _terminals.number(self)

    @overload
    async def sum(self: "Stream[bool] | Stream[int]") -> int: ...
    @overload
    async def sum(self: "Stream[AddedToZero]") -> T_co | Literal[0]: ...
    @overload
    async def sum(self: "Stream[Added]", start: R) -> T_co | R: ...
    async def sum(self, start: Any = 0) -> Any:
        """The sum of the items and of `start`.

        Floats are added as they come, so how they are rounded may differ from run to run; where
        that matters, use `math.fsum(await stream.collect())`.

        >>> async def main():
        ...     print(await async_range(5).sum())
        >>> anyio.run(main)
        10
        """
        return await _terminals.total(self, start)

    @overload
    async def min(self: "Stream[Less | Greater]", *, key: None = None) -> T_co: ...
    @overload
    async def min(self, *, key: Callable[[T_co], Any]) -> T_co: ...
    @overload
    async def min(self: "Stream[Less | Greater]", *, key: None = None, default: R) -> T_co | R: ...
    @overload
    async def min(self, *, key: Callable[[T_co], Any], default: R) -> T_co | R: ...
    async def min(self, *, key: Callable[[T_co], Any] | None = None, default: Any = MISSING) -> Any:
        """The least item, or the first of those with the least `key(item)`.

        Raises `EmptyStreamError`, a `ValueError`, if there is none and no `default`.

        >>> async def main():
        ...     print(await Stream(["pear", "fig"]).min(key=len))
        >>> anyio.run(main)
        fig
        """
        return await _terminals.extreme(self._keyed("min", key), builtins.min, default)

    @overload
    async def max(self: "Stream[Less | Greater]", *, key: None = None) -> T_co: ...
    @overload
    async def max(self, *, key: Callable[[T_co], Any]) -> T_co: ...
    @overload
    async def max(self: "Stream[Less | Greater]", *, key: None = None, default: R) -> T_co | R: ...
    @overload
    async def max(self, *, key: Callable[[T_co], Any], default: R) -> T_co | R: ...
    async def max(self, *, key: Callable[[T_co], Any] | None = None, default: Any = MISSING) -> Any:
        """The greatest item, or the first of those with the greatest `key(item)`.

        Raises `EmptyStreamError`, a `ValueError`, if there is none and no `default`.

        >>> async def main():
        ...     print(await Stream(["pear", "fig"]).max())
        >>> anyio.run(main)
        pear
        """
        return await _terminals.extreme(self._keyed("max", key), builtins.max, default)

    def _keyed(self, name: str, key: Callable[[T_co], Any] | None) -> "Stream[Any]":
        by: Callable[[T_co], Any] = identity if key is None else key
        check.called_function("key", by)
        call = label.call(name) if key is None else label.call(name, key=key)
        return self._also(lambda _: transform.Keyed(by), call=call)

    async def any(self) -> bool:
        """Whether any item is true; no more items are asked for than it takes to know.

        >>> async def main():
        ...     print(await async_range(5).map(lambda n: n > 3).any())
        >>> anyio.run(main)
        True
        """
        return await _terminals.some(self)

    async def all(self) -> bool:
        """Whether all items are true; no more items are asked for than it takes to know.

        >>> async def main():
        ...     print(await async_range(5).map(lambda n: n > 3).all())
        >>> anyio.run(main)
        False
        """
        return await _terminals.every(self)


hints.tell(name for name in vars(Stream) if not name.startswith("_"))


def identity(item: Any) -> Any:
    return item


def checked_size(name: str, size: int, overflow: str) -> int:
    """Only a queue that can wait may have no place at all."""
    check.choice("overflow", overflow, OVERFLOWS)
    if overflow != "wait" and size == 0:
        raise ValueError(f"{name} must be at least 1, got 0: only overflow='wait' needs no place")
    return check.integer(name, size, 0)


def triggering(trigger: Any) -> Recipe:
    if isinstance(trigger, AsyncIterable):
        return recipe_of(trigger)
    if type(trigger).__module__ in ("threading", "multiprocessing.synchronize"):
        raise TypeError(
            f"trigger must not be an event of threads, got {label.whole(trigger)}; set an"
            " anyio.Event with anyio.from_thread.run_sync, or use poll(event.is_set, 0.1)"
            ".filter(None)"
        )
    return Recipe.source(triggers.signal(trigger), text=label.call("trigger", trigger))


def sampled_of(parts: Sequence[Recipe]) -> Callable[[Owner], Source]:
    lead, *others = (combine.tagged(number, part, number == 0) for number, part in enumerate(parts))
    return combine.sampled(lead, others)
