"""Every form of pipeline, cut at every suspension of its reader and before every step of any task.

Every row of the table that has tasks is a form, and beside them stand pipelines of several
operators and sources. What one of these makes of its sources is found out by running it
undisturbed, and its checker says which part of that a reader may have received at a cut.

A plain run of the tests takes two schedules on trio, and one mode for each form. `nox -s sweep`
takes every form through every mode, with ten schedules.
"""

import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import anyio
import pytest
import trio
from rows import (
    ADAPTED,
    IN_TASKS,
    Check,
    Row,
    in_order,
    in_order_of_each,
    same,
    some,
    suspending,
)

from anystream import Stream, StreamInterruptedError, chain, combine_latest, merge, race
from anystream.testing import Cut, TrackedSource, every_cut, every_cut_anywhere
from anystream.testing.sweep import assert_sound
from anystream.testing.tasks import running_tasks

LENGTH = 3
CLEANUP = 0.3

Kind: TypeAlias = Literal["generator", "iterator"]
Mode: TypeAlias = Literal["scope", "native", "step"]


def tens(item: int) -> int:
    """Which source an item has come from."""
    return item // 10


of_each = in_order_of_each(tens)


def until_any(received: list[int], everything: list[int], ended: bool) -> None:
    """Of each source a prefix, and of one all."""
    sources = [[*range(10 * n, 10 * n + LENGTH)] for n in range(2)]
    parts = [[item for item in received if item in source] for source in sources]
    for part, source in zip(parts, sources, strict=True):
        in_order(part, source, False)
    assert not ended or any(part == source for part, source in zip(parts, sources, strict=True))


def of_the_winner(received: list[int], everything: list[int], ended: bool) -> None:
    first = tens(received[0]) * 10 if received else 0
    in_order(received, [*range(first, first + LENGTH)], ended)


def latest(received: list[tuple[int, int]], everything: list[Any], ended: bool) -> None:
    """Some may be dropped, but neither side goes back, and the end is the last of both."""
    assert received == sorted(received)
    assert [row[1] for row in received] == sorted(row[1] for row in received)
    assert not ended or received[-1] == (LENGTH - 1, 10 + LENGTH - 1)


def sampled(received: list[tuple[int, int]], everything: list[Any], ended: bool) -> None:
    """Each item of the first source comes once at most, and then with one not older than before."""
    leading = [row[0] for row in received]
    assert leading == sorted(set(leading))
    assert [row[1] for row in received] == sorted(row[1] for row in received)


def beginning_anew(received: list[int], everything: list[int], ended: bool) -> None:
    """Runs of the second source, of which the last is complete."""
    for before, item in itertools.pairwise([10, *received]):
        assert item in (10, before + 1)
    assert not ended or received[-1] == 10 + LENGTH - 1


@dataclass(frozen=True)
class Form:
    """A pipeline over as many sources as `make` has parameters.

    `behind_tasks` says whether all of its sources run in tasks of their own, so that a cancelled
    step does not come to them. `stops` says whether one of them may end the others.
    """

    name: str
    make: Callable[..., Any]
    check: Check = in_order
    behind_tasks: bool = True
    stops: bool = False
    row: Row | None = None

    def __str__(self) -> str:
        return self.name

    def sources(self, pause: float) -> list[TrackedSource[int]]:
        """Sources of different pace, so that no two of their timers are due at the same time."""
        return [
            TrackedSource(
                range(10 * n, 10 * n + LENGTH), pause=pause * (1 + n / 8), cleanup=CLEANUP
            )
            for n in range(len(inspect.signature(self.make).parameters))
        ]

    async def everything(self) -> list[Any]:
        if self.row is not None:
            return self.row.wanted(range(LENGTH))
        async with self.over(self.sources(0), "iterator") as items:
            return [item async for item in items]

    def over(self, sources: list[TrackedSource[int]], kind: Kind) -> Any:
        return self.make(*(Stream(getattr(source, kind)) for source in sources))


def twice(stream: Stream[int]) -> Stream[int]:
    return Stream([1, 2]).flat_map(lambda _: stream)


add_one = suspending(lambda n: n + 1)

PIPELINES = (
    Form("row", lambda s: s.map(add_one).filter(bool).map(str), behind_tasks=False),
    Form("flat_map", lambda s: twice(s.map(add_one)), behind_tasks=False),
    Form("flat_map that ends early", lambda s: twice(s.take(2)), behind_tasks=False),
    Form("chain", lambda s, t: chain(s, t), behind_tasks=False),
    Form("row in a task", lambda s: s.map(add_one).flat_map(lambda n: [n, -n]).buffer(2)),
    Form("row behind a task", lambda s: s.buffer(2).map(add_one).batched(2)),
    Form("rows everywhere", lambda s: s.map(add_one).buffer(0).map(add_one).buffer(1).map(add_one)),
    Form("take", lambda s: s.buffer(1).take(2)),
    Form("take in a task", lambda s: s.take(2).buffer(1)),
    Form("chain of buffers", lambda s, t: chain(s.buffer(1), [9], t.buffer(0))),
    Form("flat_map of buffers", lambda s: twice(s.buffer(1))),
    Form("flat_map of buffers that end early", lambda s: twice(s.buffer(1).take(2))),
    Form("flat_map of buffers in a task", lambda s: twice(s.buffer(0)).buffer(1)),
    Form("merge 0", lambda s, t: merge(s, t), of_each),
    Form("merge 2", lambda s, t: merge(s, t, buffer=2), of_each),
    Form("merge of a row", lambda s, t: merge(s.map(add_one), [20, 21], t), of_each),
    Form("merge of merges", lambda s, t: merge(merge(s).buffer(1), t), of_each),
    Form("flat_map of merges", lambda s: twice(merge(s, [20], buffer=1)), of_each),
    Form("merge until any of two", lambda s, t: merge(s, t, until="any"), until_any, stops=True),
    Form("race of two", lambda s, t: race(s, t), of_the_winner, stops=True),
    Form("zip of two", lambda s, t: s.zip(t), stops=True),
    Form("zip strict of two", lambda s, t: s.zip(t, strict=True)),
    Form("combine_latest of two", lambda s, t: combine_latest(s, t), latest),
    Form("with_latest_from of two", lambda s, t: s.with_latest_from(t), sampled),
    Form("concurrently of two", lambda s, t: s.concurrently(t), stops=True),
    Form("flat_map of several", lambda s, t: Stream([s, t]).flat_map(same, concurrency=2), of_each),
    Form(
        "switch_map to another", lambda s, t: s.switch_map(lambda _: t), beginning_anew, stops=True
    ),
    Form("map_latest of a buffer", lambda s: s.buffer(1).map_latest(same), some(last=True)),
)


def of_row(row: Row) -> Form:
    return Form(row.name, lambda s: row.over(s), row.check, row.tasks, row=row)


FORMS = (*PIPELINES, *map(of_row, (*IN_TASKS, *ADAPTED)))


class Reading:
    """One reading of a form that is cut somewhere, and the verdict on it."""

    def __init__(self, form: Form, kind: Kind, pause: float, everything: list[Any]) -> None:
        self.form = form
        self.kind = kind
        self.everything = everything
        self.sources = form.sources(pause)
        self.stream = form.over(self.sources, kind)
        self.received: list[Any] = []
        self.ended = self.killed = False
        self.left_at = 0.0
        # At the cut:
        self.cut_at: float | None = None
        self.closing: set[TrackedSource[int]] = set()

    async def cut_by(self, cut: Cut, mode: Mode) -> None:
        cut.on_hit = self.note
        if mode == "step":
            tasks_before = running_tasks()
            await self.read_in_steps(cut)
            await assert_sound(tasks_before)
        else:
            await cut.run(self.read(), mode)
            assert self.ended or cut.cancelled
        self.form.check(self.received, self.everything, self.ended)
        self.check_sources(mode)
        self.check_time()

    async def read(self) -> None:
        try:
            async with self.stream as items:
                async for item in items:
                    self.received.append(item)
                self.ended = True
        finally:
            self.left_at = anyio.current_time()

    async def read_in_steps(self, cut: Cut) -> None:
        """Cut one of the steps and go on, if that was not in a generator that is over then."""
        async with self.stream as items:
            try:
                await cut.collect(items, self.received)
            except StreamInterruptedError:
                assert self.reaches_a_generator, "a cancelled step has killed its source"
            else:
                self.ended = True
        self.left_at = anyio.current_time()

    def note(self) -> None:
        self.cut_at = anyio.current_time()
        self.closing = {s for s in self.sources if s.closes_started > s.closes_finished}

    @property
    def reaches_a_generator(self) -> bool:
        """Whether a cancellation comes to a generator, which Python finalises then."""
        return self.kind == "generator" and not self.form.behind_tasks

    def check_sources(self, mode: Mode) -> None:
        for source in self.sources:
            assert source.closes_started == source.opened, "not closed exactly once"
            cut_short = source.closes_started - source.closes_finished
            assert cut_short <= self.may_be_cut_short(source, mode), "its cleanup was cut short"

    def may_be_cut_short(self, source: TrackedSource[int], mode: Mode) -> int:
        """How many cleanups of a source there is no way to save.

        An interruption comes to whatever waits, be it the cleanup of a generator that has come to
        its own end, or one that Python makes a generator do in the scope that is cancelled. And a
        native cancellation comes to the task, which may be closing something.
        """
        if self.cut_at is None and not self.form.stops:
            return 0
        if self.kind == "generator" and (source.steps % (LENGTH + 1) == 0 or source.opened > 1):
            return 1  # of several runs of one source it is not known which steps were whose
        if self.cut_at is None:
            return 0
        if mode == "native":
            return source in self.closing and not self.form.behind_tasks
        return self.reaches_a_generator

    def check_time(self) -> None:
        """Nothing but cleanup may keep a program that was cancelled."""
        if self.cut_at is not None and not self.ended:
            cleanups = CLEANUP * sum(source.opened for source in self.sources)
            assert self.left_at - self.cut_at < cleanups + 0.001, "it was slow to stop"


def cuts(seeds: int) -> Iterator[tuple[float, Cut]]:
    """Cuts with the pause before each item: on trio one half of the schedules has none."""
    for pause in (0, 1):
        yield from ((pause, cut) for cut in every_cut())
        yield from ((pause, cut) for cut in every_cut_anywhere(range(pause, seeds, 2)))


def modes(form: Form, kind: Kind, thin: bool) -> tuple[Mode, ...]:
    """All that the backend has, or one: each form has another one than its neighbours."""
    on_trio = trio.lowlevel.in_trio_run()
    all_modes: tuple[Mode, ...] = ("scope", "step") if on_trio else ("scope", "step", "native")
    first = FORMS.index(form) + (kind == "generator")
    return (all_modes[first % len(all_modes)],) if thin else all_modes


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", ["generator", "iterator"])
async def test_cut_anywhere(
    form: Form,
    kind: Kind,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    everything = await form.everything()
    seeds, thin = request.config.getoption("seeds"), not request.config.getoption("every_mode")
    points, bad = 0, list[str]()
    for mode in modes(form, kind, thin):
        for pause, cut in cuts(seeds):
            try:
                await Reading(form, kind, pause, everything).cut_by(cut, mode)
            except Exception as error:
                bad.append(f"{mode}, pause {pause}, {cut}: {error!r}")
            points += cut.hit
    record_property("points", points)
    record_property("bad", len(bad))
    assert not bad, f"{len(bad)} of {points} points are bad, such as\n" + "\n".join(bad[:5])
