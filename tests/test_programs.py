"""Random programs over random pipelines: the same on asyncio and trio, with nothing lost.

A `Program` is a pipeline, the steps of those who read it, and a way to be stopped. It is run on
both backends in virtual time, and what has come of it is compared with what lists would give, and
with the other backend: the items, the errors, the time that has passed.

Where the two may differ:

- Things that are due at the same time have no order on trio. Where that decides which item comes
  first (`Program.has_ties`) only what is true of every order is checked, on each by itself.
- A native `Task.cancel()` exists on asyncio only; on trio the program is cancelled in its place. It
  interrupts once, so cleanup that is stepped in the cancelled task may go on there for a while.
- A cancellation at the n-th suspension: how often a reader suspends depends on the order of tasks.

In these cases each of the two must be right by itself. Run more programs with the environment
variable ANYSTREAM_PROGRAMS, which says how many.
"""

import asyncio
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal, TypeAlias

import anyio
import pytest
import trio
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anystream import Stream, chain, combine_latest, merge, race
from anystream import zip as zipped
from anystream.testing import TrackedSource, backend
from anystream.testing._trio import scheduled
from anystream.testing.sweep import assert_sound, drive
from anystream.testing.tasks import running_tasks

EXAMPLES = int(os.environ.get("ANYSTREAM_PROGRAMS", "0"))
GRACE_IS_OVER = "CleanupTimeoutError"
INTERRUPTED = "StreamInterruptedError"

# -- what a program is --------------------------------------------------------------------------


@dataclass(frozen=True)
class Leaf:
    """A source of `size` items, which may fail before the one with the index `fails_at`."""

    kind: Literal["generator", "iterator", "list"] = "generator"
    size: int = 3
    pause: Literal["none", "checkpoint", "sleep"] = "sleep"
    fails_at: int | None = None
    cleanup: float = 0.0
    cleanup_fails: bool = False


@dataclass(frozen=True)
class Op:
    """An operator; `form` is that of its function, which may fail for every fifth item."""

    name: str
    n: int = 1
    form: Literal["plain", "checkpoint", "sleep"] = "plain"
    fails: bool = False
    other: Leaf = Leaf()


@dataclass(frozen=True)
class Join:
    name: str
    parts: tuple["Pipe", ...]


@dataclass(frozen=True)
class Pipe:
    source: Leaf | Join
    row: tuple[Op, ...] = ()


@dataclass(frozen=True)
class Step:
    """What a reader does: "next", or leave by "break", "raise" or "close", or just "sleep".

    With `seconds` a "next" is timed out, and the others happen after a sleep.
    """

    do: Literal["next", "sleep", "break", "raise", "close"] = "next"
    seconds: float = 0.0


LEAVING = ("break", "raise", "close")


@dataclass(frozen=True)
class Program:
    """`readers` have steps of their own, and read on to the end after them if `to_the_end`.

    `goes_on` says whether the readers go on after an error, until they come to the end.
    """

    pipe: Pipe
    readers: tuple[tuple[Step, ...], ...] = ((),)
    to_the_end: bool = True
    goes_on: bool = False
    opening: Literal["with", "open", "bare", "collect"] = "with"
    stop: Literal["", "suspension", "scope", "native"] = ""
    stop_at: float = 0.0
    seed: int = 0

    @property
    def leaves(self) -> list[Leaf]:
        return [*leaves_of(self.pipe)]

    @property
    def ops(self) -> list[Op]:
        return [*ops_of(self.pipe)]

    @property
    def has_ties(self) -> bool:
        """Whether the order of what is due at the same time may show."""
        joined = any(True for _ in joins_of(self.pipe))
        free = joined or any(op.name in FREE for op in self.ops)
        leaves_at_once = not all(
            self.to_the_end or (steps and steps[-1].do in LEAVING) for steps in self.readers
        ) or any(
            step.do in LEAVING and not step.seconds for steps in self.readers for step in steps
        )
        at_once = any(leaf.pause != "sleep" for leaf in self.leaves)
        at_once = at_once or any(
            op.name in BURSTS or (op.name == "take" and not op.n) for op in self.ops
        )
        leaves_at_once = leaves_at_once or len(self.readers) > 1  # who gets an item is open
        return (free and at_once) or leaves_at_once or self.stop in ("suspension", "native")


def leaves_of(pipe: Pipe) -> Iterator[Leaf]:
    if isinstance(pipe.source, Leaf):
        yield pipe.source
    else:
        for part in pipe.source.parts:
            yield from leaves_of(part)
    for op in pipe.row:
        if op.name in WITH_LEAF:
            yield op.other


def ops_of(pipe: Pipe) -> Iterator[Op]:
    if isinstance(pipe.source, Join):
        for part in pipe.source.parts:
            yield from ops_of(part)
    yield from pipe.row


def joins_of(pipe: Pipe) -> Iterator[Join]:
    if isinstance(pipe.source, Join):
        yield pipe.source
        for part in pipe.source.parts:
            yield from joins_of(part)


# -- what it has to give ------------------------------------------------------------------------

Items: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """One way in which a pipeline may run: items in groups, each in order, and the end.

    Unless it is `loose` nothing is left out, so that what a reader has is a prefix of each group.
    At the `ending`, which is the text of an error or None, it has at least what it `must` have.
    """

    groups: tuple[Items, ...]
    ending: str | None
    must: frozenset[int]
    loose: bool = False

    @property
    def one(self) -> Items | None:
        """The items, if they come in this order and none is missing before the end."""
        (items, *others), must = self.groups or ((),), self.must
        return items if not others and not self.loose and must == frozenset(items) else None

    def each(self, fn: Callable[[int], Sequence[int]]) -> "Trace":
        groups = tuple(tuple(out for n in group for out in fn(n)) for group in self.groups)
        return replace(self, groups=groups, must=frozenset(out for n in self.must for out in fn(n)))

    def apart(self, size: int = 1) -> "Trace":
        """The same items in groups of `size`."""
        groups = tuple(
            group[at : at + size] for group in self.groups for at in range(0, len(group), size)
        )
        return replace(self, groups=groups)

    def failing(self, fails: bool, ordered: bool = True) -> "list[Trace]":
        """What comes of it if a function fails for every fifth item."""
        bad = [n for group in self.groups for n in group if fails and fails_for(n)]
        if not bad:
            return [self]
        if self.one is not None and ordered:
            before = tuple(itertools.takewhile(lambda n: not fails_for(n), self.one))
            return [Trace((before,), fn_error(bad[0]), frozenset(before))]
        groups = tuple(tuple(n for n in group if not fails_for(n)) for group in self.groups)
        ways = [Trace(groups, fn_error(n), frozenset(), loose=True) for n in bad]
        if self.ending is not None or not self.must & set(bad):
            ways.append(Trace(groups, self.ending, frozenset(), loose=True))
        return ways

    def allows(self, received: Sequence[int], ending: "str | Unfinished | None") -> bool:
        places = {n: (at, i) for at, group in enumerate(self.groups) for i, n in enumerate(group)}
        reached = [-1] * len(self.groups)
        for n in received:
            if n not in places:
                return False
            group, place = places[n]
            if place <= reached[group] or (not self.loose and place != reached[group] + 1):
                return False
            reached[group] = place
        if isinstance(ending, Unfinished):
            return True
        return ending == self.ending and self.must <= set(received)


class Unfinished:
    """In the place of an ending: the reader has not come to it."""


def exactly(items: Iterable[int], ending: str | None = None) -> Trace:
    group = tuple(items)
    return Trace((group,), ending, frozenset(group))


def fails_for(n: int) -> bool:
    return n % 5 == 3


def fn_error(n: int) -> str:
    return f"ValueError: function {n}"


def leaf_items(number: int, leaf: Leaf) -> Items:
    """Numbers that stay apart from those of other sources, whatever a row makes of them."""
    return tuple(range(1000**number, 1000**number + leaf.size))


def leaf_trace(number: int, leaf: Leaf) -> Trace:
    items = leaf_items(number, leaf)
    if leaf.kind == "generator" and leaf.cleanup_fails:  # Python runs its cleanup in the last step
        return exactly(items[: leaf.fails_at], f"OSError: cleanup {number}")
    if leaf.kind != "list" and leaf.fails_at is not None and leaf.fails_at <= leaf.size:
        return exactly(items[: leaf.fails_at], f"KeyError: 'source {number}'")
    return exactly(items)


def op_traces(op: Op, trace: Trace, other: Trace) -> list[Trace]:
    """The ways in which `op` may go on with one way of what is before it."""
    one, ending, n = trace.one, trace.ending, op.n
    match op.name:
        case "map" | "map in order" | "tap":
            tripled: Callable[[int], Items] = lambda m: (3 * m,) if op.name != "tap" else (m,)  # noqa: E731
            return [way.each(tripled) for way in trace.failing(op.fails)]
        case "map as ready":
            ways = trace.failing(op.fails, ordered=False)
            return [way.apart().each(lambda m: (3 * m,)) for way in ways]
        case "filter" | "filter in order":
            ways = trace.failing(op.fails)
            return [way.each(lambda m: (m,) if m % 3 else ()) for way in ways]
        case "take":
            if one is None:
                cut = [replace(trace, ending=None, must=frozenset())]
                return cut if n == 0 else [*cut, trace]
            return [exactly(one[:n]) if len(one) >= n else trace]
        case "skip":
            if one is None:
                return [replace(trace, must=frozenset(), loose=True)]
            return [exactly(one[n:], ending)]
        case "batched":
            if one is None:
                return [replace(trace, must=trace.must if ending is None else frozenset())]
            return [exactly(one if ending is None else one[: len(one) // n * n], ending)]
        case "flat_map" | "flat_map streams":
            return [way.each(lambda m: (2 * m, 2 * m + 1)) for way in trace.failing(op.fails)]
        case "flat_map at once":
            ways = trace.failing(op.fails, ordered=False)
            pairs = [way.each(lambda m: (2 * m, 2 * m + 1)).apart(2) for way in ways]
            return [w if w.ending is None else replace(w, must=frozenset()) for w in pairs]
        case "switch_map" | "map_latest":
            double = op.name == "switch_map"
            last = trace.one[-1:] if trace.one is not None and ending is None else ()
            loose = replace(trace, loose=True, must=frozenset(last))
            ways = loose.failing(op.fails, ordered=False)
            return [way.each(lambda m: (2 * m, 2 * m + 1) if double else (3 * m,)) for way in ways]
        case "drop_oldest" | "drop_newest":
            kept = () if one is None else one[-n:] if op.name == "drop_oldest" else one[:n]
            return [replace(trace, loose=True, must=frozenset(kept))]
        case "overflow":
            over = replace(trace, ending="StreamOverflowError", must=frozenset())
            return [trace, over]
        case "concurrently":
            if other.ending is None:
                return [trace]
            return [trace, replace(trace, ending=other.ending, must=frozenset())]
        case _:  # "buffer", "on_close"
            return [trace]


def join_traces(name: str, parts: tuple[Trace, ...]) -> list[Trace]:
    groups = tuple(part.groups[0] for part in parts)
    everything = frozenset(itertools.chain(*groups))
    failed = [part for part in parts if part.ending is not None]
    match name:
        case "chain":
            items: list[int] = []
            for part in parts:
                items += part.groups[0]
                if part.ending is not None:
                    return [exactly(items, part.ending)]
            return [exactly(items)]
        case "merge" | "merge ahead":
            if not failed:
                return [Trace(groups, None, everything)]
            return [Trace(groups, part.ending, frozenset(part.groups[0])) for part in failed]
        case "merge until any":
            return [Trace(groups, part.ending, frozenset(part.groups[0])) for part in parts]
        case "race":
            ways = [part for part in parts if part.groups[0] or part.ending is not None]
            return ways or [exactly(())]
        case "zip" | "zip strict":
            rows = [row_number(*row) for row in zip(*groups, strict=False)]
            short = [part for part in parts if len(part.groups[0]) == len(rows)]
            ways = [exactly(rows, part.ending) for part in short]
            if name == "zip strict" and any(len(group) > len(rows) for group in groups):
                error = "ValueError: zip(strict=True)"
                ways = [replace(way, ending=way.ending or error) for way in ways]
            elif name == "zip strict" and failed:
                ways = [way for way in ways if way.ending is not None]
            return ways
        case _:  # "combine_latest", "with_latest_from"
            pairs = [*itertools.product(*groups)]
            apart = tuple((row_number(*pair),) for pair in pairs)
            endings = {part.ending for part in failed}
            if name == "with_latest_from":
                endings.add(parts[0].ending)
                must = frozenset[int]()
            else:
                endings |= set() if failed and all(groups) else {None}
                last = [row_number(*(group[-1] for group in groups))] if all(groups) else []
                must = frozenset(last)
            return [
                Trace(apart, ending, must if ending is None else frozenset(), loose=True)
                for ending in endings
            ]


def row_number(a: int, b: int) -> int:
    return 10**30 * a + b


# -- making it ----------------------------------------------------------------------------------

FREE = {
    "map as ready",
    "flat_map at once",
    "switch_map",
    "map_latest",
    "drop_oldest",
    "drop_newest",
    "overflow",
    "concurrently",
}
"""Operators in which the order of tasks may decide what comes."""

BURSTS = {
    "flat_map",
    "flat_map streams",
    "flat_map at once",
    "switch_map",
    "batched",
    "buffer",
    "map in order",
    "filter in order",
}
"""Operators after which several items may come at the same time."""

IN_TASKS = FREE | {"buffer", "map in order", "filter in order"}
WITH_LEAF = {"flat_map streams", "concurrently"}


class World:
    """A pipeline that has been made, and all that is known about its parts."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.numbers = itertools.count()
        self.sources: dict[int, tuple[Leaf, TrackedSource[Any]]] = {}
        self.closed: list[int] = []  # how often each on_close was called
        self.stream, self.traces = self.pipe(program.pipe)
        self.received: list[int] = []
        self.log: list[str] = []
        self.timed_out = False
        self.raised: str | None = None
        self.seconds = 0.0

    def pipe(self, pipe: Pipe) -> tuple[Stream[Any], list[Trace]]:
        if isinstance(pipe.source, Leaf):
            stream, trace = self.leaf(pipe.source)
            traces = [trace]
        else:
            parts = [self.pipe(part) for part in pipe.source.parts]
            stream = joined(pipe.source.name, [part for part, _ in parts])
            ways = itertools.product(*(part_traces for _, part_traces in parts))
            traces = [out for way in ways for out in join_traces(pipe.source.name, way)]
        for op in pipe.row:
            stream, other = self.op(op, stream)
            traces = [out for trace in traces for out in op_traces(op, trace, other)]
        return stream, traces

    def leaf(self, leaf: Leaf) -> tuple[Stream[Any], Trace]:
        number = next(self.numbers)
        items = leaf_items(number, leaf)
        trace = leaf_trace(number, leaf)
        if leaf.kind == "list":
            return Stream([*items]), trace
        source = TrackedSource(
            items,
            pause={"none": None, "checkpoint": 0, "sleep": 1 + 0.1373 * number}[leaf.pause],
            errors=None if leaf.fails_at is None else {leaf.fails_at: KeyError(f"source {number}")},
            cleanup=leaf.cleanup * (1 + number / 7),
            cleanup_error=OSError(f"cleanup {number}") if leaf.cleanup_fails else None,
        )
        self.sources[number] = leaf, source
        return Stream(getattr(source, leaf.kind)), trace

    def op(self, op: Op, stream: Stream[Any]) -> tuple[Stream[Any], Trace]:
        fn, n = function(op), op.n
        other = exactly(())
        match op.name:
            case "map":
                stream = stream.map(fn(lambda m: 3 * m))
            case "map in order":
                stream = stream.map(fn(lambda m: 3 * m), concurrency=n + 1, ahead=n)
            case "map as ready":
                stream = stream.map(fn(lambda m: 3 * m), concurrency=n + 1, ordered=False)
            case "tap":
                stream = stream.tap(fn(lambda m: m))
            case "filter":
                stream = stream.filter(fn(lambda m: m % 3))
            case "filter in order":
                stream = stream.filter(fn(lambda m: m % 3), concurrency=n + 1)
            case "take":
                stream = stream.take(n)
            case "skip":
                stream = stream.skip(n)
            case "batched":
                stream = stream.batched(n).flatten()
            case "flat_map":
                stream = stream.flat_map(fn(lambda m: [2 * m, 2 * m + 1]))
            case "flat_map streams":
                inner, _ = self.leaf(replace(op.other, size=2, fails_at=None))
                stream = stream.flat_map(
                    fn(lambda m: inner.enumerate().map(lambda i: 2 * m + i[0]))
                )
            case "flat_map at once":
                stream = stream.flat_map(fn(lambda m: [2 * m, 2 * m + 1]), concurrency=n + 1)
            case "switch_map":
                stream = stream.switch_map(fn(lambda m: [2 * m, 2 * m + 1]))
            case "map_latest":
                stream = stream.map_latest(fn(lambda m: 3 * m))
            case "buffer":
                stream = stream.buffer(n)
            case "drop_oldest" | "drop_newest":
                stream = stream.buffer(n, op.name)
            case "overflow":
                stream = stream.buffer(n, "error")
            case "on_close":
                place = len(self.closed)
                self.closed.append(0)

                async def closed() -> None:
                    self.closed[place] += 1
                    await checkpoint()

                stream = stream.on_close(closed)
            case _:
                background, other = self.leaf(op.other)
                stream = stream.concurrently(background)
        return stream, other


def joined(name: str, parts: list[Stream[Any]]) -> Stream[Any]:
    match name:
        case "chain":
            return chain(*parts)
        case "merge":
            return merge(*parts)
        case "merge ahead":
            return merge(*parts, buffer=2)
        case "merge until any":
            return merge(*parts, until="any")
        case "race":
            return race(*parts)
        case "combine_latest":
            return combine_latest(*parts).starmap(row_number)
        case "with_latest_from":
            return parts[0].with_latest_from(*parts[1:]).starmap(row_number)
        case _:
            return zipped(*parts, strict=name == "zip strict").starmap(row_number)


def function(op: Op) -> Callable[[Callable[[int], Any]], Callable[[int], Any]]:
    """Give a function the form that `op` wants."""

    def plain(fn: Callable[[int], Any]) -> Callable[[int], Any]:
        def call(m: int) -> Any:
            if op.fails and fails_for(m):
                raise ValueError(f"function {m}")
            return fn(m)

        return call

    def awaited(fn: Callable[[int], Any]) -> Callable[[int], Any]:
        async def call(m: int) -> Any:
            await anyio.sleep(0.2171 + 0.0613 * (m % 17) if op.form == "sleep" else 0)
            return plain(fn)(m)

        return call

    return plain if op.form == "plain" else awaited


# -- running it ---------------------------------------------------------------------------------


class Left(Exception):
    """Raised by a reader in the block."""


def told(error: BaseException) -> str:
    """What an outcome says of an error: for the library's own ones the type is enough."""
    if isinstance(error, BaseExceptionGroup):
        return " + ".join(sorted(told(inner) for inner in error.exceptions))
    if type(error).__module__.startswith("anystream"):
        return type(error).__name__
    return f"{type(error).__name__}: {re.sub(' at 0x[0-9a-f]+', '', str(error))}".partition(
        ": source "
    )[0]


async def run_steps(world: World, items: Any, steps: Sequence[Step]) -> None:
    """What one reader does; every step of it is logged."""
    program = world.program
    ending = itertools.repeat(Step()) if program.to_the_end else ()
    for step in itertools.chain(steps, ending):
        if step.do != "next":
            await anyio.sleep(step.seconds)
        if step.do == "break":
            return
        if step.do == "raise":
            raise Left
        if step.do == "close":
            await items.aclose()
            return
        if step.do == "next" and await read(world, items, step.seconds):
            return


async def read(world: World, items: Any, seconds: float) -> bool:
    """One item; True if this was the last step."""
    try:
        with anyio.move_on_after(seconds or inf) as scope:
            world.received.append(await anext(items))
            world.log.append(str(world.received[-1]))
    except StopAsyncIteration:
        world.log.append("end")
        return True
    except Exception as error:
        world.log.append(told(error))
        if not world.program.goes_on:
            raise
    if scope.cancelled_caught:
        world.timed_out = True
        world.log.append("timeout")
    return False


async def run_readers(world: World, items: Any) -> None:
    if len(world.program.readers) == 1:
        await run_steps(world, items, world.program.readers[0])
        return
    async with anyio.create_task_group() as group:
        for steps in world.program.readers:
            group.start_soon(run_steps, world, items, steps)


async def run_whole(world: World) -> None:
    program = world.program
    if program.opening == "collect":
        world.received += await world.stream.collect()
        world.log.append("end")
    elif program.opening == "bare":
        async for item in world.stream:
            world.received.append(item)
        world.log.append("end")
    elif program.opening == "open":
        async with world.stream.open(grace=1.5) as items:
            await run_readers(world, items)
    else:
        async with world.stream as items:
            await run_readers(world, items)


async def stopped(world: World) -> None:
    """Run the program, and cancel it as it says."""
    program = world.program
    if program.stop == "native" and not trio.lowlevel.in_trio_run():
        task = asyncio.ensure_future(run_whole(world))
        await asyncio.wait([task], timeout=program.stop_at)
        task.cancel()
        await asyncio.wait([task])
        if task.cancelled():
            world.log.append("cancelled")
        else:
            task.result()
        return
    with anyio.CancelScope() as scope:
        if program.stop == "suspension":
            left = itertools.count(int(program.stop_at), -1)

            def count() -> None:
                if next(left) == 0:
                    scope.cancel()

            await drive(run_whole(world), count)
        else:
            if program.stop:
                scope.deadline = anyio.current_time() + program.stop_at
            await run_whole(world)
    if scope.cancelled_caught:
        world.log.append("cancelled")


async def interpret(world: World) -> None:
    tasks_before = running_tasks()
    started = anyio.current_time()
    try:
        await stopped(world)
    except Exception as error:
        world.raised = told(error)
    world.seconds = anyio.current_time() - started
    await assert_sound(tasks_before)


def outcome(program: Program, name: str) -> World:
    world = World(program)
    run_on, options = backend(name)
    with scheduled(program.seed):
        anyio.run(interpret, world, backend=run_on, backend_options=options)
    return world


# -- the verdict --------------------------------------------------------------------------------


def reaches_a_generator(pipe: Pipe) -> bool:
    """Whether a cancelled step comes to a generator, which Python finalises then."""
    for op in reversed(pipe.row):
        if op.name in IN_TASKS:
            return False
        if op.name == "flat_map streams" and op.other.kind == "generator":
            return True
    if isinstance(pipe.source, Leaf):
        return pipe.source.kind == "generator"
    return pipe.source.name == "chain" and any(map(reaches_a_generator, pipe.source.parts))


def may_come(world: World) -> set[str]:
    """Errors that do not come from the items, but from how the program is read and closed."""
    program = world.program
    errors = {"Left: "}
    for number, (leaf, _) in world.sources.items():
        errors |= {f"OSError: cleanup {number}"} if leaf.cleanup_fails else set()
        errors |= {GRACE_IS_OVER} if leaf.cleanup == inf else set()
    if world.timed_out and reaches_a_generator(program.pipe):
        errors.add(INTERRUPTED)
    if len(program.readers) > 1:
        errors |= {"StreamBusyError", "WrongTaskError", "StreamClosedError"}
    return errors


def check_items(world: World) -> None:
    noise = may_come(world)
    received: list[int] = []
    log = [*world.log]
    if world.program.opening in ("collect", "bare"):
        log = [*map(str, world.received), *([world.raised] if world.raised else log)]
    ending: str | Unfinished | None = Unfinished()
    for entry in log:
        if entry.isdigit():
            received.append(int(entry))
            assert isinstance(ending, Unfinished), "an item came after the end"
        elif isinstance(ending, Unfinished) and entry not in ("timeout", "cancelled"):
            real = set(entry.split(" + ")) - noise
            if entry == "end":
                ending = None
            elif len(real) == 1:
                (ending,) = real
            else:  # what is missing then, is known to be missing
                break
    assert received == world.received
    ways = "\n".join(map(str, world.traces))
    if world.program.opening == "collect" and ending is not None:
        received, ending = [], Unfinished()  # nobody has seen the items
    assert any(way.allows(received, ending) for way in world.traces), f"not among\n{ways}"
    if world.raised is not None:
        endings = {way.ending for way in world.traces}
        unknown = set(world.raised.split(" + ")) - noise - endings
        # What fails while it is stopped, or after the first error, is told at the exit.
        unknown = {text for text in unknown if not text.startswith(("KeyError", "ValueError"))}
        assert not unknown, f"nothing should have raised {unknown}"


def check_sources(world: World) -> None:
    program = world.program
    assert all(times <= 1 for times in world.closed), "on_close was called twice"
    said = " ".join([*world.log, world.raised or ""])
    for number, (leaf, source) in world.sources.items():
        assert source.closes_started == source.opened, f"source {number} is not closed once"
        unfinished = source.closes_started - source.closes_finished
        if leaf.cleanup != inf and program.stop not in ("native", "suspension"):
            if leaf.kind == "iterator":
                assert not unfinished, f"the cleanup of source {number} was cut short"
            elif not reaches_a_generator(program.pipe):
                assert unfinished <= (source.steps > leaf.size or leaf.fails_at is not None), (
                    f"the cleanup of source {number} was cut short"
                )
        early = any(op.name == "take" for op in program.ops) or any(
            join.name not in ("chain", "merge", "merge ahead") for join in joins_of(program.pipe)
        )
        heard = "end" in world.log and not early  # what nobody reads any more may be dropped
        if leaf.cleanup_fails and source.closes_finished and heard and program.stop != "native":
            assert f"cleanup {number}" in said, f"the error in the cleanup of {number} is lost"


def check(program: Program) -> None:
    worlds = [outcome(program, name) for name in ("asyncio", "trio")]
    for world, name in zip(worlds, ("asyncio", "trio"), strict=True):
        try:
            check_items(world)
            check_sources(world)
        except AssertionError as error:
            error.add_note(f"on {name}: {world.log}, raised {world.raised}, {world.seconds} s")
            raise
    if not program.has_ties:
        assert told_of(worlds[0]) == told_of(worlds[1])


def told_of(world: World) -> dict[str, Any]:
    return {
        "log": world.log,
        "raised": world.raised,
        "seconds": round(world.seconds, 6),
        "on_close": world.closed,
        "sources": {
            number: (source.opened, source.closes_started, source.closes_finished)
            for number, (_, source) in world.sources.items()
        },
    }


# -- drawing one --------------------------------------------------------------------------------

FORMS = ("plain", "checkpoint", "sleep")
IN_ORDER = (
    "map",
    "map in order",
    "tap",
    "filter",
    "filter in order",
    "take",
    "skip",
    "batched",
    "flat_map",
    "flat_map streams",
    "buffer",
    "on_close",
)
JOINS = (
    "chain",
    "merge",
    "merge ahead",
    "merge until any",
    "race",
    "zip",
    "zip strict",
    "combine_latest",
    "with_latest_from",
)


@st.composite
def leaves(draw: st.DrawFn, *, sleeping: bool) -> Leaf:
    size = draw(st.integers(0, 4))
    kind = draw(
        st.sampled_from(
            ("generator", "iterator") if sleeping else ("generator", "iterator", "list")
        )
    )
    if kind == "list":
        return Leaf("list", size, "none")
    return Leaf(
        kind,
        size,
        "sleep" if sleeping else draw(st.sampled_from(("none", "checkpoint", "sleep"))),
        draw(st.none() | st.integers(0, size)),
        draw(st.sampled_from((0.0, 0.3, 0.3) if kind == "generator" else (0.0, 0.3, inf))),
        draw(st.sampled_from((False, False, False, True))),
    )


@st.composite
def ops(draw: st.DrawFn, *, names: Sequence[str], sleeping: bool) -> Op:
    name = draw(st.sampled_from(names))
    n = draw(st.integers(1, 3))
    if name in ("buffer", "take"):
        n = draw(st.integers(0, 3))
    form = draw(st.sampled_from(FORMS))
    fails = draw(st.sampled_from((False, False, True)))
    other = draw(leaves(sleeping=sleeping)) if name in WITH_LEAF else Leaf()
    takes_function = name not in (
        "take",
        "skip",
        "batched",
        "buffer",
        "on_close",
        "overflow",
        "drop_oldest",
        "drop_newest",
        "concurrently",
    )
    return Op(name, n, form if takes_function else "plain", fails and takes_function, other)


@st.composite
def pipes(draw: st.DrawFn) -> Pipe:
    sleeping = draw(st.booleans())
    row = st.lists(ops(names=IN_ORDER, sleeping=sleeping), max_size=2).map(tuple)
    part = st.builds(Pipe, leaves(sleeping=sleeping), row)
    source = leaves(sleeping=sleeping) | st.builds(
        Join, st.sampled_from(JOINS), st.tuples(part, part)
    )
    names = (*IN_ORDER, *sorted(FREE))
    rows = st.lists(ops(names=names, sleeping=sleeping), max_size=3).map(tuple)
    return Pipe(draw(source), draw(rows))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    pipe = draw(pipes())
    numbers = itertools.count()

    def seconds(least: int = 0) -> float:
        """No two sums of these are the same, so that no two things are due at the same time."""
        tenths = draw(st.integers(least, 30))
        return round(tenths / 10 + 0.000313 * 2 ** next(numbers), 6) if tenths else 0.0

    def steps() -> tuple[Step, ...]:
        does = draw(st.lists(st.sampled_from(("next", "next", "sleep")), max_size=6))
        drawn = [
            Step("next", seconds()) if do == "next" else Step("sleep", seconds()) for do in does
        ]
        leave = draw(st.sampled_from((None, None, "break", "raise", "close")))
        return (*drawn, Step(leave, seconds())) if leave else tuple(drawn)

    opening = draw(st.sampled_from(("with", "with", "with", "open", "collect", "bare")))
    tasks = any(op.name in IN_TASKS for op in ops_of(pipe)) or any(
        join.name != "chain" for join in joins_of(pipe)
    )
    if opening == "bare" and tasks:
        opening = "with"
    by_steps = opening in ("with", "open")
    readers: list[tuple[Step, ...]] = [steps()] if by_steps else [()]
    if by_steps and tasks and draw(st.sampled_from((False, False, False, True))):
        readers.append(steps())
    stop = draw(st.sampled_from(("", "", "", "suspension", "scope", "native")))
    stop_at = (
        float(draw(st.integers(0, 25))) if stop == "suspension" else seconds(1) if stop else 0.0
    )
    return Program(
        pipe,
        tuple(readers),
        draw(st.booleans()),
        draw(st.booleans()),
        opening,
        stop,
        stop_at,
        draw(st.integers(0, 9)),
    )


@pytest.mark.timeout(0 if EXAMPLES else 60)
@settings(
    max_examples=EXAMPLES or 400,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs())
def test_same_outcome_on_both_backends(program: Program) -> None:
    check(program)
