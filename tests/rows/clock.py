"""The rows of what looks at the clock, or waits for a trigger, with all that their tests need.

The tests of their timing, of their arguments and of their texts read this table, the contract and
the random programs as well. A new operator is a new row.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from anyio import current_time, sleep
from hypothesis import strategies as st

from anystream import Stream, ticker

from .row import Row, in_batches, plain, second_of, some
from .timelines import (
    SECONDS,
    Reference,
    batched_by_weight,
    batched_until,
    batched_within,
    debounced,
    debounced_each,
    delayed,
    held_up,
    just_now,
    limited,
    on_both_edges,
    sampled,
    since,
    since_the_one_before,
    spaced_out,
    throttled,
    timed_out,
    trailing,
    trailing_first,
    until,
    until_the_deadline,
    with_beats,
)

OneStream: TypeAlias = Callable[[Stream[Any]], Stream[Any]]


@dataclass(frozen=True)
class Seconds:
    """The argument of an operator that is a number of seconds.

    Attributes:
        name: of the argument.
        call: takes the stream and the argument.
        zero: whether it may be zero.
    """

    name: str
    call: Callable[[Stream[Any], Any], Stream[Any]]
    zero: bool = False


@dataclass(frozen=True, kw_only=True)
class ClockRow(Row):
    """An operator that looks at the clock, called in one way.

    Attributes:
        passing: it, letting all items through that come every 0.02 s; None if `apply` does so.
        seconds: its argument in seconds.
        counts: its arguments that are whole numbers of at least 1, and calls that take them.
        written: calls, as its `repr` shows them.
        reference: what it does to the times of items.
        keeps: whether no error of its source is missing behind it.
        sieve: whether it never lets its source wait, and drops items if these come too fast.
        idle: whether it knows how long its reader has waited.
        gives_up: whether it raises `TimeoutError` when its time is over.
    """

    passing: OneStream | None = None
    seconds: Seconds | None = None
    counts: tuple[tuple[str, Callable[[Stream[Any], Any], Stream[Any]]], ...] = ()
    written: tuple[str, ...] = ()
    reference: Reference | None = None
    keeps: bool = True
    sieve: bool = False
    idle: bool = False
    gives_up: bool = False

    @property
    def operator(self) -> str:
        return self.name.split()[0]

    def called(self, stream: Stream[Any], seconds: float) -> Stream[Any]:
        """Over a stream, for so many seconds if it takes them."""
        if self.seconds is not None:
            return self.seconds.call(stream, seconds)
        made: Stream[Any] = self.apply(stream, plain)
        return made

    def lets_all_pass(self, stream: Stream[Any]) -> Stream[Any]:
        made: Stream[Any] = self.passing(stream) if self.passing else self.apply(stream, plain)
        return made


async def on_and_off(changes: list[float]) -> AsyncIterator[bool]:
    for number, seconds in enumerate(changes):
        await sleep(seconds)
        yield number % 2 == 0


def sieve(
    name: str,
    call: Callable[[Stream[Any], Any], Stream[Any]],
    written: tuple[str, ...],
    reference: Reference,
    *,
    argument: str = "seconds",
    zero: bool = True,
    first: bool = False,
) -> ClockRow:
    """An operator that drops what comes too fast, but for the last item or the first."""
    return ClockRow(
        name,
        lambda s, f: call(s, 0.03),
        tasks=True,
        check=some(first=first, last=not first),
        ahead=None,
        passing=lambda s: call(s, 0.005),
        seconds=Seconds(argument, call, zero=zero),
        written=written,
        reference=reference,
        keeps=False,
        sieve=True,
    )


CLOCKED = (
    ClockRow(
        "timeout",
        lambda s, f: s.timeout(1000),
        tasks=True,
        seconds=Seconds("seconds", lambda s, value: s.timeout(value)),
        written=("timeout(1)", "timeout(0.5, on_timeout='end')"),
        reference=Reference(lambda s, value: s.timeout(value, on_timeout="end"), timed_out),
        keeps=False,
        idle=True,
        gives_up=True,
    ),
    ClockRow(
        "deadline",
        lambda s, f: s.deadline(100_000),
        tasks=True,
        seconds=Seconds("seconds", lambda s, value: s.deadline(value)),
        written=("deadline(60)", "deadline(60, on_timeout='end')"),
        reference=Reference(
            lambda s, value: s.deadline(value, on_timeout="end"), until_the_deadline
        ),
        keeps=False,
        idle=True,
        gives_up=True,
    ),
    ClockRow(
        "heartbeat",
        lambda s, f: s.heartbeat(100_000, None),
        tasks=True,
        seconds=Seconds("every", lambda s, value: s.heartbeat(value, "beat")),
        written=("heartbeat(1, 'beat')", "heartbeat(1, always)"),
        reference=Reference(lambda s, value: s.heartbeat(value, "beat"), with_beats),
        idle=True,
    ),
    ClockRow(
        "delay",
        lambda s, f: s.delay(0.5, buffer=2),
        tasks=True,
        ahead=2,
        passing=lambda s: s.delay(0.01),
        seconds=Seconds("seconds", lambda s, value: s.delay(value), zero=True),
        counts=(("buffer", lambda s, value: s.delay(1, buffer=value)),),
        written=("delay(2)", "delay(2, buffer=5)"),
        reference=Reference(lambda s, value: s.delay(value), delayed),
    ),
    ClockRow(
        "delay 0",
        lambda s, f: s.delay(0),
        tasks=True,
        ahead=1024,
        written=("delay(0)",),
    ),
    ClockRow(
        "spaced",
        lambda s, f: s.spaced(0.5),
        passing=lambda s: s.spaced(0.005),
        seconds=Seconds("seconds", lambda s, value: s.spaced(value), zero=True),
        written=("spaced(0.1)",),
        reference=Reference(lambda s, value: s.spaced(value), spaced_out),
    ),
    ClockRow(
        "rate_limit",
        lambda s, f: s.rate_limit(2, burst=2),
        passing=lambda s: s.rate_limit(1, per=0.005, burst=2),
        seconds=Seconds("per", lambda s, value: s.rate_limit(1, per=value)),
        counts=(
            ("n", lambda s, value: s.rate_limit(value)),
            ("burst", lambda s, value: s.rate_limit(1, burst=value)),
        ),
        written=("rate_limit(5)", "rate_limit(5, per=60, burst=2)"),
        reference=Reference(
            lambda s, n, per, burst: s.rate_limit(n, per=per, burst=burst),
            limited,
            (st.integers(1, 4), SECONDS, st.integers(1, 4)),
        ),
    ),
    sieve(
        "throttle",
        lambda s, value: s.throttle(value),
        ("throttle(1)",),
        Reference(lambda s, value: s.throttle(value), throttled),
        first=True,
    ),
    sieve(
        "throttle trailing",
        lambda s, value: s.throttle(value, "trailing"),
        ("throttle(1, 'trailing')",),
        Reference(lambda s, value: s.throttle(value, "trailing"), trailing),
    ),
    sieve(
        "throttle both",
        lambda s, value: s.throttle(value, "both"),
        ("throttle(1, 'both')",),
        Reference(lambda s, value: s.throttle(value, "both"), on_both_edges),
    ),
    sieve(
        "throttle first",
        lambda s, value: s.throttle(value, "both", keep="first"),
        ("throttle(1, 'trailing', keep='first')", "throttle(1, 'both', keep='first')"),
        Reference(lambda s, value: s.throttle(value, "trailing", keep="first"), trailing_first),
        first=True,
    ),
    sieve(
        "debounce",
        lambda s, value: s.debounce(value),
        ("debounce(1)",),
        Reference(lambda s, value: s.debounce(value), debounced),
    ),
    ClockRow(
        "debounce each",
        lambda s, f: s.debounce(lambda n: 0.01 * len(str(n))),
        tasks=True,
        check=some(last=True),
        ahead=None,
        passing=lambda s: s.debounce(lambda _: 0.005),
        written=("debounce(abs)", "debounce(abs, max_wait=3)"),
        reference=Reference(
            lambda s, each: s.debounce(lambda n: each[n % len(each)]),
            debounced_each,
            (st.lists(SECONDS, min_size=1, max_size=5),),
        ),
        keeps=False,
        sieve=True,
    ),
    ClockRow(
        "debounce max_wait",
        lambda s, f: s.debounce(0.03, max_wait=0.05),
        tasks=True,
        check=some(last=True),
        ahead=None,
        passing=lambda s: s.debounce(0.009, max_wait=0.005),
        seconds=Seconds("max_wait", lambda s, value: s.debounce(1, max_wait=value)),
        written=("debounce(1, max_wait=3)",),
        reference=Reference(
            lambda s, value, most: s.debounce(value, max_wait=most), debounced, (SECONDS, SECONDS)
        ),
        keeps=False,
        sieve=True,
    ),
    sieve(
        "sample",
        lambda s, value: s.sample(value),
        ("sample(1)",),
        Reference(lambda s, value: s.sample(value), sampled),
        argument="interval",
        zero=False,
    ),
    ClockRow(
        "batched weight",
        lambda s, f: s.batched(weight=lambda n: 1, max_weight=2),
        lambda xs: in_batches(xs, 2),
        ahead=1,
        passing=lambda s: s.batched(weight=lambda n: 1, max_weight=1).flatten(),
        counts=(("n", lambda s, value: s.batched(value, weight=abs, max_weight=1)),),
        written=("batched(weight=len, max_weight=4)",),
        reference=Reference(
            lambda s, weights, most: s.batched(
                weight=lambda n: weights[n % len(weights)], max_weight=most
            ),
            batched_by_weight,
            (st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(1, 6)),
        ),
    ),
    ClockRow(
        "batched within",
        lambda s, f: s.batched(3, within=0.25).flatten(),
        tasks=True,
        ahead=None,
        passing=lambda s: s.batched(3, within=0.005).flatten(),
        seconds=Seconds("within", lambda s, value: s.batched(3, within=value), zero=True),
        counts=(("n", lambda s, value: s.batched(value, within=1)),),
        written=(
            "batched(2, within=3)",
            "batched(2, within=0)",
            "batched(2, within=3, weight=len, max_weight=4)",
        ),
        reference=Reference(
            lambda s, value, n: s.batched(n, within=value),
            batched_within,
            (SECONDS, st.integers(1, 5)),
        ),
    ),
    ClockRow(
        "batched until",
        lambda s, f: s.batched(3, until=ticker(0.25)).flatten(),
        tasks=True,
        ahead=None,
        joins=lambda s, t: s.batched(2, until=t).flatten(),
        passing=lambda s: s.batched(1, until=[]).flatten(),
        counts=(("n", lambda s, value: s.batched(value, until=[])),),
        written=("batched(until=[1])", "batched(2, until=[1])"),
        reference=Reference(
            lambda s, gaps, n: s.batched(n, until=Stream(lambda: on_and_off(gaps))),
            batched_until,
            (st.lists(SECONDS, max_size=8), st.integers(1, 5)),
        ),
    ),
    ClockRow(
        "timestamp",
        lambda s, f: s.timestamp().map(second_of),
        written=("timestamp()",),
        reference=Reference(
            lambda s: s.timestamp().map(lambda pair: (current_time() - pair[0], pair[1])),
            just_now,
            (),
        ),
    ),
    ClockRow(
        "elapsed",
        lambda s, f: s.elapsed().map(second_of),
        written=("elapsed()",),
        reference=Reference(lambda s: s.elapsed(), since_the_one_before, ()),
    ),
    ClockRow(
        "take_until",
        lambda s, f: s.take_until(100_000),
        tasks=True,
        joins=lambda s, t: s.take_until(t.filter(None).skip(100)),
        seconds=Seconds("trigger", lambda s, value: s.take_until(value), zero=True),
        written=("take_until(5)", "take_until(0.5)"),
        reference=Reference(lambda s, value: s.take_until(value), until),
        keeps=False,
    ),
    ClockRow(
        "skip_until",
        lambda s, f: s.skip_until(0),
        tasks=True,
        joins=lambda s, t: s.skip_until(t),
        seconds=Seconds("trigger", lambda s, value: s.skip_until(value), zero=True),
        written=("skip_until(5)",),
        reference=Reference(lambda s, value: s.skip_until(value), since),
        keeps=False,
    ),
    ClockRow(
        "pause_while",
        lambda s, f: s.pause_while([True, False]),
        tasks=True,
        joins=lambda s, t: s.pause_while(t),
        written=("pause_while([True])",),
        reference=Reference(
            lambda s, changes: s.pause_while(Stream(lambda: on_and_off(changes))),
            held_up,
            (st.lists(SECONDS, max_size=6),),
        ),
    ),
)
