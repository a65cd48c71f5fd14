"""A program cancelled at each point that it has, in runs of their own."""

import inspect
import itertools
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

import anyio

from .. import _args as check
from .._labels import whole
from .clock import backend
from .leaks import leaving_nothing
from .sweep import MODES, SEEDS, Cut, Mode
from .waits import place_of

S = TypeVar("S", bound=str)
Program: TypeAlias = Callable[[], Coroutine[Any, Any, object]]


def cancel_everywhere(
    program: Program,
    *,
    modes: Iterable[Mode] = MODES,
    anywhere: bool = False,
    seeds: Iterable[int] = SEEDS,
    backends: Iterable[str] | None = None,
) -> int:
    """Run a program once for each point at which it can be cancelled, and cancel it there.

    The points are the suspensions of the program, from the first to the last. Each run is a new
    one, in an event loop of its own and in virtual time. The program should open what it reads,
    read it to its end, and assert in a ``finally`` what must hold even if it was cancelled: that it
    has received what it should, and that its sources are closed. Besides, nothing may be left
    behind (tasks, generators, coroutines, logged errors), nothing may hang, and no cancellation may
    stay pending. The last run of each kind is not cancelled.

    It runs event loops, so call it from a test that is not async.

    Args:
        program: an async function without parameters. It must come to an end when it is left alone.
        modes: ``"scope"`` cancels an anyio scope around the program, ``"native"`` calls the
            ``cancel()`` of its task, which only asyncio has: on trio it is passed over.
        anywhere: whether to cancel before each step of any task, too late for one thing and too
            early for the next, and not only where the program itself waits. On trio, which
            deals the lock by chance, this is done once for each seed.
        seeds: of the schedules on trio, if ``anywhere``.
        backends: by default every one that is installed.

    Returns:
        How many points were swept.

    Raises:
        AssertionError: if a run failed in any way. It names each bad point, by the line
            that waited there, and its error; its cause is the first of these errors.
        RuntimeError: in an event loop.
        TypeError: if ``program`` is no async function, ``backends`` or ``modes`` is a single name
            or not an iterable, ``seeds`` is not an iterable, or ``anywhere`` is not a bool.
        ValueError: if one of the ``modes`` is neither of the two.

    It costs as many runs as there are points, of some milliseconds each.

    Example:
        >>> async def program() -> None:
        ...     source, received = TrackedSource(range(3)), []
        ...     try:
        ...         async with Stream(source.iterator).buffer(2) as items:
        ...             async for item in items:
        ...                 received.append(item)
        ...         assert received == [0, 1, 2]
        ...     finally:
        ...         assert received == list(range(len(received)))
        ...         assert source.open_runs == 0
        >>> cancel_everywhere(program) > 10
        True
    """
    __tracebackhide__ = True
    check.flag("anywhere", anywhere)
    check.iterable("seeds", seeds)
    runs = [
        run
        for kind in _kinds(modes, seeds if anywhere else [0], backends)
        for run in kind.sweep(program, anywhere=anywhere)
    ]
    points = sum(run.cut.hit for run in runs)
    bad = [run for run in runs if run.error is not None]
    if bad:
        lines = [f"{len(bad)} of {len(runs)} runs failed", *map(str, bad)]
        raise AssertionError("\n  ".join(lines)) from bad[0].error
    return points


@dataclass
class _Run:
    kind: "_Kind"
    cut: Cut
    place: str = "not cancelled"
    error: BaseException | None = None

    def __str__(self) -> str:
        error = self.error
        while members := getattr(error, "exceptions", ()):
            error = members[0]
        return f"{self.kind}, {self.place}: {type(error).__name__}: {error}".partition("\n")[0]

    def run(self, program: Program) -> None:
        __tracebackhide__ = True
        name, options = backend(self.kind.backend)

        async def cut() -> None:
            awaitable = begun(program)
            self.cut.on_hit = partial(self.note_place, awaitable)
            await self.cut.run(awaitable, self.kind.mode)

        try:
            with self.kind.schedule():
                anyio.run(leaving_nothing, cut, backend=name, backend_options=options)
        except BaseException as error:  # noqa: ASYNC103  # the loop has ended
            if BaseExceptionGroup("", [error]).subgroup(no_verdicts()) or not self.cut.used:
                raise
            self.error = error

    def note_place(self, awaitable: object) -> None:
        self.place = f"cancelled at point {self.cut.at} ({place_of(awaitable)})"


@dataclass(frozen=True)
class _Kind:
    backend: str
    mode: Mode
    seed: int | None

    def __str__(self) -> str:
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.backend}, {self.mode}{seed}"

    def schedule(self) -> AbstractContextManager[None]:
        """Make every run of a sweep go the same way, from its first step to the cut."""
        if self.seed is None:
            return nullcontext()
        from . import _trio

        return _trio.scheduled(self.seed)

    def sweep(self, program: Program, *, anywhere: bool) -> Iterator[_Run]:
        at, hit = 0, True
        while hit:
            at += 1
            run = _Run(self, Cut(at, anywhere=anywhere))
            run.run(program)
            yield run
            hit = run.cut.hit


def _kinds(
    modes: Iterable[Mode], seeds: Iterable[int], backends: Iterable[str] | None
) -> Iterator[_Kind]:
    for name, mode in itertools.product(chosen(backends), several("modes", modes)):
        check.choice("mode", mode, MODES)
        if name != "trio":
            yield _Kind(name, mode, None)
        elif mode != "native":
            yield from (_Kind(name, mode, seed) for seed in seeds)


def begun(program: Program) -> Coroutine[Any, Any, object]:
    """What a call of the program gives to await."""
    made = program() if callable(program) else None
    if made is None or not inspect.isawaitable(made):
        raise TypeError(
            f"program must be an async function without parameters, got {whole(program)}"
        )
    return made


def chosen(backends: Iterable[str] | None) -> list[str]:
    """The backends to run on, by default every one that is installed."""
    if backends is None:
        return list(anyio.get_available_backends())
    return list(several("backends", backends))


def several(name: str, given: Iterable[S]) -> Iterable[S]:
    if isinstance(given, str):
        raise TypeError(
            f"{name} must be several names, such as [{whole(given)}], got {whole(given)}"
        )
    check.iterable(name, given)
    return given


def no_verdicts() -> tuple[type[BaseException], ...]:
    """What ends the sweep and not only the run that has raised it."""
    import pytest  # which nothing else here needs, and the demo has not

    return KeyboardInterrupt, SystemExit, pytest.exit.Exception, pytest.skip.Exception
