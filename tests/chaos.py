"""Random programs, and what has to hold of any program, whatever it is made of.

    python tests/chaos.py [--backend trio] [--programs 1000] [--first 0] [--eager] [--debug]
                          [--uvloop]

A program is a row of random operators over random sources, opened and left in a random way. What is
asked of it knows no operator: every source that was opened is closed, once, in the task that has
stepped it, and with its cleanup complete; no task is left and nothing hangs; what comes out is what
somebody has raised on purpose; an error of a cleanup is not lost. The number of a program is its
seed.
"""

import argparse
import asyncio
import gc
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from functools import partial
from random import Random
from typing import Any

import anyio
from anyio import get_cancelled_exc_class
from anyio.lowlevel import checkpoint
from rows.clock import CLOCKED, ClockRow
from rows.tasks import relayed, relayed_twice

from anystream import (
    EmptyStreamError,
    NeedsTasksError,
    Retry,
    Stream,
    StreamConsumedError,
    StreamInterruptedError,
    StreamOverflowError,
    chain,
    combine_latest,
    merge,
    race,
    zip,
)
from anystream.testing import Deadlock, backend

LONG = 10_000
"""Seconds, after which a program hangs."""


class Planned(Exception):
    """What a program raises on purpose."""


class Watch:
    """What the sources of one program tell."""

    def __init__(self, unit: float) -> None:
        self.unit = unit  # of time, in seconds
        self.problems: list[str] = []
        self.open: dict[str, int] = {}
        self.of_cleanups: list[Planned] = []
        self.of_steps: list[Planned] = []
        self.may_cut = False  # whether this program is left in a way that may cut a cleanup

    def opened(self, name: str) -> None:
        self.open[name] = self.open.get(name, 0) + 1

    def closed(self, name: str) -> None:
        self.open[name] -= 1
        if self.open[name] < 0:
            self.problems.append(f"{name} was closed twice")


MARK: ContextVar[Any] = ContextVar("MARK")
"""What some functions and sources set: workers begin anew after that."""


class Rows:
    """A source: generators, iterators and lists of the same items, which may wait and fail."""

    def __init__(self, rng: Random, watch: Watch) -> None:
        self.watch = watch
        self.name = f"source {rng.random():.6f}"
        self.count = rng.choice((0, 1, 2, 3, 5, 9))
        self.pauses = [rng.choice((None, None, 0, 1, 1, 3)) for _ in range(self.count)]
        self.fails_at = rng.randrange(self.count + 1) if rng.random() < 0.2 else None
        self.cleanup = rng.choice((None, 0, 0, 0.1, 0.3))
        self.cleanup_fails = rng.random() < 0.1
        self.burst = rng.random() < 0.3

    async def reach(self, index: int) -> None:
        pause = self.pauses[index] if index < self.count else None
        if pause is not None and not (self.burst and index % 3):
            await anyio.sleep(pause * self.watch.unit)
        if index == self.fails_at:
            error = Planned("of a step")
            self.watch.of_steps.append(error)
            raise error

    async def clean(self, task: int, by_itself: bool) -> None:
        if anyio.get_current_task().id != task:
            self.watch.problems.append(f"{self.name} was closed in another task")
        complete = False
        try:
            if self.cleanup is not None:
                await anyio.sleep(self.cleanup * self.watch.unit)
                await checkpoint()
            complete = True
        finally:
            self.watch.closed(self.name)
            if not complete and not by_itself and not self.watch.may_cut:
                self.watch.problems.append(f"the cleanup of {self.name} was cut short")
        if self.cleanup_fails:
            error = Planned("of a cleanup")
            (self.watch.of_steps if by_itself else self.watch.of_cleanups).append(error)
            raise error

    async def generator(self) -> AsyncIterator[int]:
        task = anyio.get_current_task().id
        by_itself = False
        self.watch.opened(self.name)
        if self.burst:
            MARK.set(self.name)
        try:
            for index in range(self.count):
                await self.reach(index)
                yield index
            await self.reach(self.count)
            by_itself = True
        except Planned:
            by_itself = True
            raise
        finally:
            await self.clean(task, by_itself)

    def plain(self) -> Iterator[int]:
        self.watch.opened(self.name)
        try:
            yield from range(self.count)
        finally:
            self.watch.closed(self.name)

    def iterator(self) -> "RowsIterator":
        return RowsIterator(self)

    async def made(self) -> "RowsIterator":
        await checkpoint()
        return RowsIterator(self)


class RowsIterator:
    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.index = 0
        self.open = False
        self.task = 0

    def __aiter__(self) -> "RowsIterator":
        return self

    async def __anext__(self) -> int:
        if not self.open:
            self.open = True
            self.task = anyio.get_current_task().id
            self.rows.watch.opened(self.rows.name)
        await self.rows.reach(self.index)
        if self.index >= self.rows.count:
            raise StopAsyncIteration
        self.index += 1
        return self.index - 1

    async def aclose(self) -> None:
        if self.open:
            self.open = False
            await self.rows.clean(self.task, False)


Operation = Callable[["Program", Stream[Any]], Stream[Any]]


def for_some_time(row: ClockRow) -> Operation:
    return lambda p, s: row.called(s, p.time())


def with_a_clock(keeping: bool) -> dict[str, Operation]:
    return {row.name: for_some_time(row) for row in CLOCKED if row.keeps is keeping}


KEEPING: dict[str, Operation] = {  # no error of a source may be missing behind these
    "map": lambda p, s: s.map(lambda item: item),
    "map async": lambda p, s: s.map(p.slow),
    "map workers": lambda p, s: s.map(p.slow, concurrency=p.rng.choice((1, 2, 3, 9))),
    "map unordered": lambda p, s: s.map(p.slow, concurrency=3, ordered=False),
    "filter": lambda p, s: s.filter(p.slow),
    "tap": lambda p, s: s.tap(p.slow),
    "enumerate": lambda p, s: s.enumerate(),
    "accumulate": lambda p, s: s.accumulate(lambda total, item: item),
    "batched": lambda p, s: s.batched(p.rng.choice((1, 2, 3))),
    "pairwise": lambda p, s: s.pairwise(),
    "intersperse": lambda p, s: s.intersperse(-1),
    "split_when": lambda p, s: s.split_when(lambda a, b: p.rng.random() < 0.3),
    "skip": lambda p, s: s.skip(1),
    "chain": lambda p, s: chain(s, p.source()),
    "merge": lambda p, s: merge(s, p.source(), buffer=p.rng.choice((0, 1, 3))),
    "producer": lambda p, s: relayed(s),
    "producer of tasks": lambda p, s: relayed_twice(s, p.source()),
    "buffer": lambda p, s: s.buffer(p.rng.choice((0, 1, 2, 5))),
    "inside": lambda p, s: Stream(s),
    "grace": lambda p, s: s.with_grace(2),
    **with_a_clock(keeping=True),
}

OTHERS: dict[str, Operation] = {
    "failing": lambda p, s: s.map(p.failing),
    "failing workers": lambda p, s: s.map(p.failing, concurrency=3),
    "skipping": lambda p, s: s.map(p.failing, on_error="skip"),
    "flat_map": lambda p, s: s.flat_map(lambda _: p.source()),
    "flat_map workers": lambda p, s: s.flat_map(lambda _: p.source(), concurrency=2),
    "switch_map": lambda p, s: s.switch_map(lambda _: p.source()),
    "map_latest": lambda p, s: s.map_latest(p.slow),
    "take": lambda p, s: s.take(p.rng.choice((0, 1, 2, 4))),
    "take_while": lambda p, s: s.take_while(lambda _: p.rng.random() < 0.8),
    "take_until stream": lambda p, s: s.take_until(p.source()),
    "race": lambda p, s: race(s, p.source()),
    "zip": lambda p, s: zip(s, p.source()),
    "combine_latest": lambda p, s: combine_latest(s, p.source()),
    "with_latest_from": lambda p, s: s.with_latest_from(p.source()),
    "concurrently": lambda p, s: s.concurrently(p.source()),
    "buffer newest": lambda p, s: s.buffer(1, overflow="drop_oldest"),
    "buffer error": lambda p, s: s.buffer(2, overflow="error"),
    "catch": lambda p, s: s.catch(lambda _: p.source()),
    "retry": lambda p, s: s.retry(Retry(2, first=p.time(), jitter=False, reset=False)),
    "repeat": lambda p, s: s.repeat(2, pause=p.time()),
    **with_a_clock(keeping=False),
}

OPERATIONS = KEEPING | OTHERS
GIVING_UP = {row.name for row in CLOCKED if row.gives_up}


class Program:
    """One of the programs; its number is its seed."""

    def __init__(self, number: int, unit: float = 1) -> None:
        self.rng = Random(number)
        self.watch = Watch(unit)
        self.names = self.rng.choices([*OPERATIONS], k=self.rng.choice((1, 1, 2, 2, 3, 4, 6, 9)))
        self.way = self.rng.choice([*WAYS])
        self.stop = self.rng.choice(("nothing", "break", "error", "timeout", "timeout", "native"))
        self.once = False  # whether a source can be read only once
        self.stream = self.source()
        for name in self.names:
            self.stream = OPERATIONS[name](self, self.stream)

    def __str__(self) -> str:
        return f"{self.stream!r} by {self.way}, left by {self.stop}"

    def time(self) -> float:
        return self.rng.choice((0.2, 0.5, 1, 2)) * self.watch.unit

    def source(self) -> Stream[Any]:
        rows = Rows(self.rng, self.watch)
        kind = self.rng.choice(("generator", "generator", "iterator", "made", "plain", "once"))
        if kind == "once":
            self.once = True
            return Stream(rows.iterator())
        return Stream(getattr(rows, kind))

    async def slow(self, item: Any) -> Any:
        pause = self.rng.choice((None, 0, 0.5))
        if pause is not None:
            MARK.set(item)
            await anyio.sleep(pause * self.watch.unit)
        return item

    async def failing(self, item: Any) -> Any:
        if self.rng.random() < 0.2:
            raise Planned("of a function")
        return await self.slow(item)

    def step(self, taken: int) -> bool:
        """What the body of a loop does with its items; whether it is to break."""
        if taken >= 2 and self.stop == "error":
            raise Planned("of the body")
        return taken >= 2 and self.stop == "break"

    async def run(self) -> BaseException | None:
        """Run it, and give what came out of it."""
        self.watch.may_cut = self.way in CUTTING or self.stop == "native"
        try:
            with anyio.fail_after(LONG):
                if self.stop == "timeout":
                    with anyio.move_on_after(self.time() * self.rng.choice((0.5, 1, 3))):
                        await WAYS[self.way](self)
                elif self.stop == "native":
                    await self.cancelled()
                else:
                    await WAYS[self.way](self)
        except BaseException as exc:
            return exc
        return None

    async def cancelled(self) -> None:
        if get_cancelled_exc_class() is not asyncio.CancelledError:
            with anyio.move_on_after(self.time()):
                await WAYS[self.way](self)
            return
        task = asyncio.ensure_future(WAYS[self.way](self))
        await anyio.sleep(self.time())
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def judge(self, error: BaseException | None, left: list[str]) -> list[str]:
        """What is wrong with it."""
        watch = self.watch
        bare = self.way == "bare"
        problems = watch.problems + [f"left: {task}" for task in left]
        if not (bare and self.stop != "nothing"):
            problems += [f"{name} is open" for name, runs in watch.open.items() if runs > 0]
        problems += [f"{each!r} came out" for each in leaves(error) if not self.is_expected(each)]
        told = {id(each) for each in all_of(error)}
        if not {"catch", "retry"} & {*self.names} and not bare and self.stop != "native":
            lost = [each for each in watch.of_cleanups if id(each) not in told]
            problems += [f"{each!r} was lost" for each in lost]
        whole = self.way == "collect" and self.stop == "nothing" and {*self.names} <= {*KEEPING}
        if whole and watch.of_steps and not any(id(each) in told for each in watch.of_steps):
            problems.append("an error of a source was lost")
        return problems

    def is_expected(self, error: BaseException) -> bool:
        if isinstance(error, (Planned, EmptyStreamError)):
            return True
        if isinstance(error, NeedsTasksError):
            return self.way == "bare"
        if isinstance(error, StreamInterruptedError):
            return self.way in ("bare", "with timeouts for its steps")
        if isinstance(error, StreamOverflowError):
            return "buffer error" in self.names
        if isinstance(error, StreamConsumedError):
            return self.once
        if isinstance(error, TimeoutError):
            return not GIVING_UP.isdisjoint(self.names) and type(error) is TimeoutError
        return False


async def by_collect(program: Program) -> None:
    await program.stream.collect()


async def by_first(program: Program) -> None:
    await program.stream.first()


async def by_block(program: Program) -> None:
    taken = 0
    async with program.stream as items:
        async for _ in items:
            taken += 1
            if program.step(taken):
                break
            if taken % 2:
                await program.slow(None)


async def by_bare(program: Program) -> None:
    taken = 0
    async for _ in program.stream:
        taken += 1
        if program.step(taken):
            break


async def by_steps(program: Program) -> None:
    taken = 0
    async with program.stream as items:
        while taken < 20:
            with anyio.move_on_after(program.time() / 2):
                async for _ in items:
                    break
                else:
                    return
            taken += 1
            if program.step(taken):
                break


async def by_aclose(program: Program) -> None:
    async with program.stream as items:
        async for _ in items:
            break
        await items.aclose()


async def by_readers(program: Program) -> None:
    async def read(items: Any) -> None:
        async for _ in items:
            await program.slow(None)

    async with program.stream.buffer(1) as items, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(read, items)


async def by_share(program: Program) -> None:
    async def read(taken: int) -> None:
        async with shared as items:
            async for _ in items:
                taken += 1
                if program.step(taken):
                    break
                await program.slow(None)

    async with program.stream.share(2) as shared, anyio.create_task_group() as tasks:
        for number in range(2):
            tasks.start_soon(read, number)


WAYS: dict[str, Callable[[Program], Awaitable[None]]] = {
    "collect": by_collect,
    "first": by_first,
    "a block": by_block,
    "bare": by_bare,
    "with timeouts for its steps": by_steps,
    "aclose": by_aclose,
    "two readers": by_readers,
    "share": by_share,
}


CUTTING = ("bare", "with timeouts for its steps", "aclose")
"""Ways in which a generator in the reader's own task has no shield."""


def leaves(error: BaseException | None) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [] if error is None else [error]


def all_of(error: BaseException | None) -> list[BaseException]:
    """All that an error tells of."""
    found: list[BaseException] = []
    more = [] if error is None else [error]
    while more:
        each = more.pop()
        if not any(each is known for known in found):
            found.append(each)
            more += getattr(each, "exceptions", ())
            more += getattr(each, "__siblings__", ())
            more += [other for other in (each.__cause__, each.__context__) if other is not None]
    return found


def outcome(number: int, name: str, options: dict[str, Any], unit: float = 1) -> list[str]:
    """Run a program, and say what is wrong with it."""

    async def main() -> list[str]:
        program = Program(number, unit)
        before = {task.id for task in anyio.get_running_tasks()}
        error = await program.run()
        await checkpoint()
        left = [str(task.name) for task in anyio.get_running_tasks() if task.id not in before]
        problems = program.judge(error, left)
        return [f"{program}: {problem}" for problem in problems]

    try:
        return anyio.run(main, backend=name, backend_options=options)
    except Deadlock as exc:
        return [f"hangs: {exc}"]
    except BaseException as exc:
        return [f"{exc!r} came out of the run"]


def unclean(
    numbers: range, name: str, new_options: Callable[[], dict[str, Any]], unit: float = 1
) -> dict[int, list[str]]:
    """Those of the programs that are not clean, and what is wrong with each."""
    found: dict[int, list[str]] = {}
    noise: list[str] = []
    hook = sys.unraisablehook
    sys.unraisablehook = lambda raised: noise.append(f"{raised.exc_value!r} was unraisable")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # what is never awaited
            warnings.simplefilter("ignore", ResourceWarning)  # bare runs may be left open
            for number in numbers:
                problems = outcome(number, name, new_options(), unit)
                if number % 50 == 49 or number == numbers[-1]:
                    gc.collect()
                problems += noise  # which may be of the programs before
                noise.clear()
                if problems:
                    found[number] = problems
    finally:
        sys.unraisablehook = hook
    return found


def eager_loop(make: Callable[[], asyncio.AbstractEventLoop]) -> asyncio.AbstractEventLoop:
    loop = make()
    factory: Any = vars(asyncio)["eager_task_factory"]
    loop.set_task_factory(factory)
    return loop


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    parser.add_argument("--eager", action="store_true", help="asyncio's eager tasks, since 3.12")
    parser.add_argument("--debug", action="store_true", help="asyncio's debug mode")
    parser.add_argument("--uvloop", action="store_true", help="on uvloop, in real time")
    given = parser.parse_args()

    def new_options() -> dict[str, Any]:
        if given.uvloop:
            return {"use_uvloop": True}
        options = backend(given.backend)[1]
        if given.eager:
            options["loop_factory"] = partial(eager_loop, options["loop_factory"])
        return options | ({"debug": True} if given.debug else {})

    numbers = range(given.first, given.first + given.programs)
    found = unclean(numbers, given.backend, new_options, 0.001 if given.uvloop else 1)
    for number, problems in found.items():
        print(f"{number}: {problems[0]}")
    print(f"{given.programs} programs on {given.backend}, {len(found)} not clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
