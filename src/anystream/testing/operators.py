"""The contract of an operator, as one call for those of a user's own."""

import itertools
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias, TypeVar

import anyio

from .. import _args as check
from .._core.backends import is_native
from .._labels import whole
from .._stream import Stream
from .clock import backend
from .everywhere import cancel_everywhere, chosen
from .leaks import leaving_nothing
from .sources import TrackedSource
from .tasks import current_task

T = TypeVar("T")
R = TypeVar("R")
Operator: TypeAlias = Callable[[Stream[Any]], Stream[Any]]
Check: TypeAlias = Callable[["Case"], Awaitable[None]]

KINDS = ("generator", "iterator")


class SourceFailed(Exception):
    """What a source raises."""


class BlockFailed(Exception):
    """What the block of a reader raises."""


def check_operator(
    operator: Callable[[Stream[T]], Stream[R]],
    items: Iterable[T],
    expected: Iterable[R],
    *,
    pause: float | None = 0,
    backends: Iterable[str] | None = None,
) -> int:
    """Take an operator of your own through what holds for those of the library.

    - Over ``items`` it gives ``expected``, and again when the stream is opened again.
    - The reader may leave after any number of items, and its block may fail: the error of the block
      propagates unchanged.
    - An error of the source, in the place of any item or after the last one, propagates unchanged.
    - A step that is cancelled loses no item.
    - It may be cancelled at each point at which it waits, as ``cancel_everywhere`` does.

    However it ends, the source is closed once and to its end, and nothing is left behind: no task,
    no open generator, no logged error. Each case has an event loop of its own, in virtual time,
    for a generator and for an iterator as the source. Call it from a test that is not async.

    Args:
        operator: takes a stream, and returns one.
        items: what the source yields.
        expected: what comes of it.
        pause: seconds that the source sleeps before each item; 0 is a checkpoint, None does not
            suspend.
        backends: by default every one that is installed.

    Returns:
        How many cases there were.

    Raises:
        AssertionError: if one of them went wrong. It names the case; the cause is its error.
        RuntimeError: in an event loop.
        TypeError: if ``operator`` is not a plain function, ``items``, ``expected`` or ``backends``
            is not an iterable, or ``backends`` is a single name.
        ValueError: if ``pause`` is negative or not finite.

    Example:
        >>> def doubled(numbers: Stream[int]) -> Stream[int]:
        ...     return numbers.map(lambda n: 2 * n)
        >>> check_operator(doubled, [1, 2, 3], [2, 4, 6]) > 50
        True
    """
    __tracebackhide__ = True
    check.called_plain("operator", operator, " of a stream")
    for name, value in (("items", items), ("expected", expected)):
        check.iterable(name, value)
    if pause is not None:
        check.seconds("pause", pause)
    given, wanted = list(items), list(expected)
    names = chosen(backends)
    checks: list[tuple[str, Check, int]] = [
        ("read to its end", Case.reads_all, -1),
        ("with each step cancelled first", Case.cancelled_steps, -1),
        *((f"left after {n} items", Case.leaves, n) for n in range(len(wanted) + 1)),
        *((f"with a block that fails after {n}", Case.fails, n) for n in range(len(wanted) + 1)),
        *(
            (f"with a source that fails after {n}", Case.passes_on, n)
            for n in range(len(given) + 1)
        ),
    ]
    cases = 0
    for name, kind, (text, holds, number) in itertools.product(names, KINDS, checks):
        if holds is Case.cancelled_steps and kind == "generator":
            continue  # which a cancelled step may end, in the task of the reader
        case = Case(operator, given, wanted, kind, pause, number)
        case.run(partial(holds, case), name, text)
        cases += 1
    for kind in KINDS:
        case = Case(operator, given, wanted, kind, pause)
        cases += cancel_everywhere(case.is_cancelled, backends=names)
    return cases


class Case:
    """One opening of an operator over a source, and what has to hold for it."""

    def __init__(
        self,
        operator: Operator,
        items: Sequence[Any],
        expected: list[Any],
        kind: str,
        pause: float | None,
        number: int = -1,
    ) -> None:
        self.operator = operator
        self.items = items
        self.expected = expected
        self.kind = kind
        self.pause = pause
        self.number = number
        self.began: bool = False

    def run(self, check: Callable[[], Awaitable[None]], name: str, text: str) -> None:
        __tracebackhide__ = True
        name, options = backend(name)
        try:
            anyio.run(self.watched, check, backend=name, backend_options=options)
        except Exception as error:
            if not self.began:
                raise
            raise AssertionError(
                f"{text}, over an async {self.kind} on {name}: {type(error).__name__}: {error}"
            ) from error

    async def watched(self, check: Callable[[], Awaitable[None]]) -> None:
        __tracebackhide__ = True
        self.began = True
        await leaving_nothing(check)

    def source(self, error: BaseException | None = None) -> TrackedSource[Any]:
        errors = {} if error is None else {self.number: error}
        return TrackedSource(self.items, pause=self.pause, errors=errors)

    def over(self, source: TrackedSource[Any]) -> Stream[Any]:
        stream = self.operator(Stream(getattr(source, self.kind)))
        assert isinstance(stream, Stream), f"operator must return a stream, got {whole(stream)}"
        return stream

    def is_closed(self, source: TrackedSource[Any]) -> None:
        assert source.open_runs == 0, "the source was left open"
        assert source.closes_started == source.opened, "the source was closed more than once"

    def was_closed(self, source: TrackedSource[Any]) -> None:
        """The same where a generator may have been interrupted in its own `finally`."""
        if self.kind != "generator" or source.steps <= len(self.items):
            self.is_closed(source)

    async def reads_all(self) -> None:
        source = self.source()
        stream = self.over(source)
        for time in ("", " when it was opened again"):
            got = await stream.collect()
            assert got == self.expected, f"it gave {got}{time}, not {self.expected}"
            self.is_closed(source)

    async def leaves(self) -> None:
        source = self.source()
        async with self.over(source) as items:
            await self.take(items)
        self.was_closed(source)

    async def fails(self) -> None:
        source, error = self.source(), BlockFailed()
        with self.raises(error, "block"):
            async with self.over(source) as items:
                await self.take(items)
                raise error
        self.was_closed(source)

    async def take(self, items: Any) -> None:
        for _ in range(self.number):
            await anext(items)

    async def passes_on(self) -> None:
        error = SourceFailed()
        source = self.source(error)
        with self.raises(error, "source", lambda: source.steps > self.number):
            await self.over(source).drain()
        self.is_closed(source)

    @contextmanager
    def raises(
        self, error: Exception, what: str, raised: Callable[[], bool] = lambda: True
    ) -> Generator[None, None, None]:
        """The block raises `error`, unless that was not `raised`."""
        __tracebackhide__ = True
        seen: Exception | None = None
        try:
            yield
        except Exception as exc:
            seen = exc
        wanted = error if raised() else None
        came = "nothing" if seen is None else repr(seen)
        assert seen is wanted, f"{came} was raised instead of the error of the {what}"

    async def cancelled_steps(self) -> None:
        source = self.source()
        got: list[Any] = []
        async with self.over(source) as items:
            cancelled = False
            while True:
                cancelled = not cancelled
                with anyio.CancelScope() as scope:
                    if cancelled:
                        scope.cancel()
                    try:
                        got.append(await anext(items))
                    except StopAsyncIteration:
                        break
        assert got == self.expected, f"it gave {got}, not {self.expected}"
        self.is_closed(source)

    async def is_cancelled(self) -> None:
        source = self.source()
        native = False
        try:
            await self.over(source).drain()
        except BaseException as exc:
            native = is_native(exc)
            raise
        finally:
            if not (native and source.closed_by[-1:] == [current_task()]):  # and so in its cleanup
                self.was_closed(source)
