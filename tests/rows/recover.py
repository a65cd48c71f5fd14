"""The rows of what goes on after an error or an end, and of what lets single items go."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from anystream import Retry, Stream, calls, chain, poll

from .row import INNER_WAIT, Row, in_any_order, square


class Broken(Exception):
    """What nothing but these rows raises, and nothing but these rows catches."""


def fail() -> list[Any]:
    raise Broken


BROKEN = Stream(fail)
"""Fails before its first item."""

SOON = Retry(on=Broken, first=1, jitter=False)

ITS_PURPOSE = {
    "test_a_function_cannot_end_the_stream_by_a_stop": "an error of an item does not end it"
}
WAITS_INSIDE = {"test_closing_ends_a_step_of_another_task": INNER_WAIT}


def flaky(item: Any, failures: int) -> Stream[Any]:
    """One item, at the opening after so many that fail."""
    outcomes = iter([fail] * failures)
    return Stream(lambda: next(outcomes, lambda: [item])())


def counted(n: int) -> Callable[[], int | None]:
    """A function that gives a number some times, and then nothing."""
    results = itertools.repeat(n, n % 3)
    return lambda: next(results, None)


def even(n: int) -> int:
    if n % 2:
        raise Broken
    return n


def negative(error: Exception, n: int) -> int:
    return -n


def half(n: int) -> int:
    return n // 2


def evens(items: Iterable[int]) -> Iterator[int]:
    return (n for n in items if not n % 2)


def mended(items: Iterable[int]) -> Iterator[int]:
    return (-n if n % 2 else n for n in items)


def of_new_keys(
    items: Iterable[int], key: Callable[[int], Any], remember: int | None = None
) -> Iterator[int]:
    """`remember` keys are known, the one that was seen last at the end."""
    known = deque[Any]()
    for item in items:
        is_new = key(item) not in known
        if not is_new:
            known.remove(key(item))
        known.append(key(item))
        if remember is not None and len(known) > remember:
            known.popleft()
        if is_new:
            yield item


def firsts(items: Iterable[int], key: Callable[[int], Any]) -> Iterator[int]:
    return (next(group) for _, group in itertools.groupby(items, key))


def windows(items: Iterable[Any], n: int, step: int, partial: bool) -> Iterator[tuple[Any, ...]]:
    seen: list[Any] = []
    for item in items:
        seen.append(item)
        if len(seen) >= n and (len(seen) - n) % step == 0:
            yield tuple(seen[-n:])
    for start in range(0, len(seen), step):
        if partial and start + n > len(seen):
            yield tuple(seen[start:])


def or_else(items: Iterable[int], value: int) -> Iterator[int]:
    rest = iter(items)
    return itertools.chain([next(rest, value)], rest)


RECOVERING = (
    Row(
        "catch",
        lambda s, f: chain(s, BROKEN).catch(f(lambda error: [50, 51]), Broken),
        lambda xs: itertools.chain(xs, [50, 51]),
        calls=True,
    ),
    Row(
        "catch to a stream",
        lambda s, f: chain(s, BROKEN).catch(lambda error: Stream([5, 6]).map(f(square)), Broken),
        lambda xs: itertools.chain(xs, [25, 36]),
        calls=True,
    ),
    Row("catch nothing", lambda s, f: s.catch(lambda error: [50], Broken)),
    Row("retry", lambda s, f: s.retry(SOON)),
    Row(
        "retry resume",
        lambda s, f: chain([7], s, BROKEN).retry(SOON, resume=f(lambda last: [50, 51])),
        lambda xs: itertools.chain([7], xs, [50, 51]),
        calls=True,
    ),
    Row("repeat", lambda s, f: s.repeat(1)),
    Row("distinct", lambda s, f: s.distinct(), lambda xs: of_new_keys(xs, int)),
    Row(
        "distinct key",
        lambda s, f: s.distinct(f(half), remember=2),
        lambda xs: of_new_keys(xs, half, 2),
        calls=True,
    ),
    Row(
        "dedupe",
        lambda s, f: s.map(half).dedupe(),
        lambda xs: firsts(map(half, xs), int),
    ),
    Row("dedupe key", lambda s, f: s.dedupe(f(half)), lambda xs: firsts(xs, half), calls=True),
    Row(
        "default_if_empty",
        lambda s, f: s.default_if_empty(50),
        lambda xs: or_else(xs, 50),
    ),
    Row(
        "window",
        lambda s, f: s.window(3).map(sum),
        lambda xs: map(sum, windows(xs, 3, 1, False)),
    ),
    Row(
        "window partial",
        lambda s, f: s.window(3, 2, partial=True).map(sum),
        lambda xs: map(sum, windows(xs, 3, 2, True)),
    ),
    Row(
        "map skip",
        lambda s, f: s.map(f(even), on_error="skip"),
        evens,
        calls=True,
        skips=ITS_PURPOSE,
    ),
    Row("map on_error", lambda s, f: s.map(even, on_error=f(negative)), mended, calls=True),
)

RECOVERING_IN_TASKS = (
    Row(
        "catch of a buffer",
        lambda s, f: chain(s.buffer(1), BROKEN).catch(
            f(lambda error: Stream([50, 51]).buffer(0)), Broken
        ),
        lambda xs: itertools.chain(xs, [50, 51]),
        calls=True,
        tasks=True,
        ahead=1,
        skips=WAITS_INSIDE,
    ),
    Row(
        "retry of a buffer",
        lambda s, f: s.buffer(1).retry(SOON),
        tasks=True,
        ahead=1,
        skips=WAITS_INSIDE,
    ),
    Row(
        "retry resume with buffers",
        lambda s, f: chain([7], s.buffer(0), BROKEN).retry(
            SOON, resume=f(lambda last: Stream([50, 51]).buffer(0))
        ),
        lambda xs: itertools.chain([7], xs, [50, 51]),
        calls=True,
        tasks=True,
        skips=WAITS_INSIDE,
    ),
    Row("repeat in a task", lambda s, f: s.repeat(1).buffer(0), tasks=True),
    Row(
        "repeat behind workers",
        lambda s, f: s.repeat(1).map(f(square), concurrency=2).buffer(2),
        lambda xs: map(square, xs),
        calls=True,
        tasks=True,
        ahead=6,
    ),
    Row(
        "map skip concurrent",
        lambda s, f: s.map(f(even), on_error="skip", concurrency=3),
        evens,
        calls=True,
        tasks=True,
        ahead=6,
        skips=ITS_PURPOSE,
    ),
    Row(
        "map on_error unordered",
        lambda s, f: s.map(even, on_error=f(negative), concurrency=3, ordered=False),
        mended,
        calls=True,
        tasks=True,
        check=in_any_order,
        ahead=6,
    ),
)

RECOVERING_INSIDE = (
    Row(
        "repeat for each",
        lambda s, f: s.flat_map(f(lambda n: Stream([n]).repeat(n % 3, pause=1))),
        lambda xs: (n for n in xs for _ in range(n % 3)),
        calls=True,
    ),
    Row(
        "Retry",
        lambda s, f: s.flat_map(f(lambda n: flaky(n, n % 3).retry(SOON))),
        calls=True,
    ),
    Row(
        "calls",
        lambda s, f: s.flat_map(lambda n: calls(f(counted(n)), until=None)),
        lambda xs: (n for n in xs for _ in range(n % 3)),
        calls=True,
    ),
    Row(
        "poll",
        lambda s, f: s.flat_map(lambda n: poll(f(lambda: n), 1, count=n % 3)),
        lambda xs: (n for n in xs for _ in range(n % 3)),
        calls=True,
    ),
)
