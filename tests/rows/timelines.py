"""What operators with a clock make of a list of times and items, in a few lines each.

Each of these takes the items with their times, the time of the end, and the arguments of the
operator. It gives the items with the times at which they come out, and the time of the end, for a
reader that always waits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import floor, inf
from typing import Any, TypeAlias

from hypothesis import strategies as st

from anystream import Stream

Timeline: TypeAlias = list[tuple[float, int]]
Outcome: TypeAlias = tuple[list[tuple[float, Any]], float]

# Times in eighths of a second: sums of them are exact, and many fall on one instant.
GAPS = st.lists(st.integers(0, 12).map(lambda eighths: eighths / 8), min_size=1, max_size=20)
SECONDS = st.integers(1, 16).map(lambda eighths: eighths / 8)


@dataclass(frozen=True)
class Reference:
    """What an operator does, said in another way.

    Attributes:
        apply: takes the stream and the arguments.
        wanted: takes the items and the end, and the arguments.
        arguments: what these are drawn from.
    """

    apply: Callable[..., Stream[Any]]
    wanted: Callable[..., Outcome]
    arguments: tuple[st.SearchStrategy[Any], ...] = (SECONDS,)


def timeline(gaps: list[float]) -> tuple[Timeline, float]:
    """Items at their times, and the time of the end."""
    *times, end = accumulate(gaps)
    return [(time, number) for number, time in enumerate(times)], end


def gaps_of(items: Timeline, end: float) -> list[float]:
    """For how long the source sleeps before each item, and before its end."""
    return [after - before for before, after in pairwise([0.0, *(time for time, _ in items), end])]


def whole(out: list[tuple[float, Any]], end: float) -> Outcome:
    """It ends with the source, but behind its items."""
    return out, max(end, out[-1][0] if out else 0)


def asked_later(items: Timeline, end: float, passes: Callable[[float], float]) -> Outcome:
    """Each item that comes at a time passes at another, and until then the source waits."""
    out: list[tuple[float, Any]] = []
    now = 0.0
    *gaps, rest = gaps_of(items, end)
    for gap, (_, item) in zip(gaps, items, strict=True):
        now = passes(now + gap)
        out.append((now, item))
    return out, now + rest


def timed_out(items: Timeline, end: float, seconds: float) -> Outcome:
    out: Timeline = []
    due = seconds
    for time, item in items:
        if time > due:
            return out, due
        out.append((time, item))
        due = time + seconds
    return out, min(end, due)


def until_the_deadline(items: Timeline, end: float, seconds: float) -> Outcome:
    """What was asked for before it has come in time at its very instant."""
    out: Timeline = []
    asked = 0.0
    for time, item in items:
        if asked < seconds and time <= seconds:
            out.append((time, item))
        asked = time
    return out, min(end, seconds)


def with_beats(items: Timeline, end: float, every: float) -> Outcome:
    out: list[tuple[float, Any]] = []
    last = 0.0
    for time, item in [*items, (end, None)]:
        while last + every < time:
            last += every
            out.append((last, "beat"))
        if item is not None:
            out.append((time, item))
        last = time
    return out, end


def delayed(items: Timeline, end: float, seconds: float) -> Outcome:
    return [(time + seconds, item) for time, item in items], end + seconds


def spaced_out(items: Timeline, end: float, seconds: float) -> Outcome:
    opens = -inf

    def passes(came: float) -> float:
        nonlocal opens
        passed = max(came, opens)
        opens = passed + seconds
        return passed

    return asked_later(items, end, passes)


def limited(items: Timeline, end: float, n: int, per: float, burst: int) -> Outcome:
    """A bucket of tokens."""
    tokens, last = float(burst), 0.0

    def passes(came: float) -> float:
        nonlocal tokens, last
        tokens = min(burst, tokens + (came - last) * n / per)
        wait = max(0.0, 1 - tokens) * per / n
        tokens += wait * n / per - 1
        last = came + wait
        return last

    return asked_later(items, end, passes)


def throttled(items: Timeline, end: float, seconds: float) -> Outcome:
    out: Timeline = []
    for time, item in items:
        if not out or time >= out[-1][0] + seconds:
            out.append((time, item))
    return whole(out, end)


def trailing(items: Timeline, end: float, seconds: float, leading: bool = False) -> Outcome:
    out: list[tuple[float, Any]] = []
    opens, held = -inf, None
    for time, item in [*items, (end, None)]:
        while held is not None and (time >= opens or item is None):
            out.append((min(opens, time), held))
            opens, held = opens + seconds, None
        if item is not None and time >= opens:
            opens = time + seconds
            if leading:
                out.append((time, item))
                continue
        held = item
    return whole(out, end)


def trailing_first(items: Timeline, end: float, seconds: float) -> Outcome:
    """Of the items from one opening of the gate to its next, the first."""
    out: Timeline = []
    opens, shut = -inf, False
    for time, item in items:
        if time >= opens:
            opens, shut = (time if not shut or time >= opens + seconds else opens) + seconds, False
        if not shut:
            out.append((min(opens, end), item))
            shut = True
    return whole(out, end)


def on_both_edges(items: Timeline, end: float, seconds: float) -> Outcome:
    return trailing(items, end, seconds, leading=True)


def debounced_each(items: Timeline, end: float, seconds: list[float]) -> Outcome:
    out: Timeline = []
    for number, (time, item) in enumerate(items):
        due = time + seconds[item % len(seconds)]
        if item == items[-1][1]:
            out.append((min(due, end), item))
        elif due <= items[number + 1][0]:
            out.append((due, item))
    return whole(out, end)


def debounced(items: Timeline, end: float, seconds: float, max_wait: float = inf) -> Outcome:
    out: Timeline = []
    first = inf  # when the oldest item came that waits
    for number, (time, item) in enumerate(items):
        first = min(first, time)
        due = min(time + seconds, first + max_wait)
        if item == items[-1][1]:
            out.append((min(due, end), item))
        elif due <= items[number + 1][0]:
            out.append((due, item))
            first = inf
    return whole(out, end)


def sampled(items: Timeline, end: float, interval: float) -> Outcome:
    newest = {floor(time / interval): item for time, item in items}
    return whole([(min((tick + 1) * interval, end), item) for tick, item in newest.items()], end)


def batched_within(items: Timeline, end: float, within: float, n: int) -> Outcome:
    out: list[tuple[float, tuple[int, ...]]] = []
    while items:
        due = items[0][0] + within
        batch = [(time, item) for time, item in items[:n] if time < due]
        given_at = batch[-1][0] if len(batch) == n else min(due, end)
        out.append((given_at, tuple(item for _, item in batch)))
        items = items[len(batch) :]
    return whole(out, end)


def batched_until(items: Timeline, end: float, gaps: list[float], n: int) -> Outcome:
    """A signal comes before an item of the same instant."""
    signals = [(time, -1) for time in accumulate(gaps) if time <= end]
    out: list[tuple[float, tuple[int, ...]]] = []
    batch: list[int] = []
    for time, item in sorted([*signals, *items]):
        if item >= 0:
            batch.append(item)
        if batch and (item < 0 or len(batch) == n):
            out.append((time, tuple(batch)))
            batch = []
    return whole([*out, *([(end, tuple(batch))] if batch else [])], end)


def batched_by_weight(items: Timeline, end: float, weights: list[int], most: int) -> Outcome:
    """A batch comes when it is full, or when an item does not fit, or at the end."""
    out: list[tuple[float, tuple[int, ...]]] = []
    batch: list[int] = []
    total = 0
    for time, item in items:
        weight = weights[item % len(weights)]
        if batch and total + weight > most:
            out.append((time, tuple(batch)))
            batch, total = [], 0
        batch.append(item)
        total += weight
        if total >= most:
            out.append((time, tuple(batch)))
            batch, total = [], 0
    return whole([*out, *([(end, tuple(batch))] if batch else [])], end)


def just_now(items: Timeline, end: float) -> Outcome:
    return [(time, (0.0, item)) for time, item in items], end


def since_the_one_before(items: Timeline, end: float) -> Outcome:
    pairs = zip(items, gaps_of(items, end), strict=False)
    return [(time, (gap, item)) for (time, item), gap in pairs], end


def until(items: Timeline, end: float, trigger: float) -> Outcome:
    return [(time, item) for time, item in items if time < trigger], min(end, trigger)


def since(items: Timeline, end: float, trigger: float) -> Outcome:
    return [(time, item) for time, item in items if time >= trigger], end


def held_up(items: Timeline, end: float, changes: list[float]) -> Outcome:
    """A pause begins at the first change and ends at the second, and so on."""
    times = [*accumulate(changes)]

    def passes(came: float) -> float:
        past = [time for time in times if time <= came]
        return times[len(past)] if len(past) % 2 and len(past) < len(times) else came

    return asked_later(items, end, passes)
