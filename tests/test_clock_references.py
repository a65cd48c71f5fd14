"""The operators with a clock against a few lines over lists of times and items."""

from collections.abc import Callable, Iterable
from math import floor, inf
from typing import Any, TypeAlias

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystream import Stream
from anystream.testing import backend

Timeline: TypeAlias = list[tuple[float, int]]

# Times in eighths of a second: sums of them are exact, and many fall on one instant.
GAPS = st.lists(st.integers(0, 12).map(lambda eighths: eighths / 8), min_size=1, max_size=20)
SECONDS = st.integers(1, 16).map(lambda eighths: eighths / 8)


def timeline(gaps: Iterable[float]) -> tuple[Timeline, float]:
    """Items at their times, and the time of the end."""
    now = 0.0
    items: Timeline = []
    for number, gap in enumerate(gaps):
        now += gap
        items.append((now, number))
    return items[:-1], now


def seen(name: str, gaps: list[float], apply: Callable[[Stream[int]], Stream[Any]]) -> Any:
    """The items of the operator with their times, and the time of the end."""

    async def main() -> tuple[list[tuple[float, Any]], float]:
        source = Stream(lambda: spread(gaps))
        async with apply(source) as items:
            start = anyio.current_time()
            got = [(anyio.current_time() - start, item) async for item in items]
            return got, anyio.current_time() - start

    backend_name, options = backend(name)
    return anyio.run(main, backend=backend_name, backend_options=options)


async def spread(gaps: list[float]) -> Any:
    for number, gap in enumerate(gaps[:-1]):
        await anyio.sleep(gap)
        yield number
    await anyio.sleep(gaps[-1])


def agree(
    gaps: list[float],
    apply: Callable[[Stream[int]], Stream[Any]],
    reference: Callable[[Timeline, float], list[tuple[float, Any]]],
) -> None:
    items, end = timeline(gaps)
    wanted = reference(items, end)
    for name in ("asyncio", "trio"):
        got, ended = seen(name, gaps, apply)
        assert got == wanted
        assert ended == max(end, wanted[-1][0] if wanted else 0)


@given(GAPS, SECONDS, st.none() | SECONDS)
def test_debounce(gaps: list[float], seconds: float, max_wait: float | None) -> None:
    def reference(items: Timeline, end: float) -> list[tuple[float, int]]:
        out: list[tuple[float, int]] = []
        first = inf  # when the oldest item came that waits
        for number, (time, item) in enumerate(items):
            first = min(first, time)
            due = min(time + seconds, first + (max_wait or inf))
            if item == items[-1][1]:
                out.append((min(due, end), item))
            elif due <= items[number + 1][0]:
                out.append((due, item))
                first = inf
        return out

    agree(gaps, lambda s: s.debounce(seconds, max_wait=max_wait), reference)


@given(GAPS, SECONDS)
def test_throttle_leading(gaps: list[float], seconds: float) -> None:
    def reference(items: Timeline, end: float) -> list[tuple[float, int]]:
        out: list[tuple[float, int]] = []
        for time, item in items:
            if not out or time >= out[-1][0] + seconds:
                out.append((time, item))
        return out

    agree(gaps, lambda s: s.throttle(seconds), reference)


def trailing(items: Timeline, end: float, seconds: float, leading: bool) -> list[Any]:
    out: list[tuple[float, int]] = []
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
    return out


@given(GAPS, SECONDS, st.booleans())
def test_throttle_trailing(gaps: list[float], seconds: float, both: bool) -> None:
    edge = "both" if both else "trailing"
    agree(
        gaps,
        lambda s: s.throttle(seconds, edge),  # type: ignore[arg-type]
        lambda items, end: trailing(items, end, seconds, both),
    )


@given(GAPS, SECONDS)
def test_sample(gaps: list[float], seconds: float) -> None:
    def reference(items: Timeline, end: float) -> list[tuple[float, int]]:
        newest = {floor(time / seconds): item for time, item in items}
        return [(min((tick + 1) * seconds, end), item) for tick, item in newest.items()]

    agree(gaps, lambda s: s.sample(seconds), reference)


@given(GAPS, SECONDS, st.integers(1, 5))
def test_batched(gaps: list[float], seconds: float, n: int) -> None:
    def reference(items: Timeline, end: float) -> list[tuple[float, tuple[int, ...]]]:
        out: list[tuple[float, tuple[int, ...]]] = []
        while items:
            due = items[0][0] + seconds
            batch = [(time, item) for time, item in items[:n] if time < due]
            given_at = batch[-1][0] if len(batch) == n else min(due, end)
            out.append((given_at, tuple(item for _, item in batch)))
            items = items[len(batch) :]
        return out

    agree(gaps, lambda s: s.batched(n, within=seconds), reference)


@given(GAPS, st.integers(1, 4), SECONDS, st.integers(1, 4))
def test_rate_limit(gaps: list[float], n: int, per: float, burst: int) -> None:
    def reference(items: Timeline, end: float) -> list[tuple[float, int]]:
        out: list[tuple[float, int]] = []
        tokens, last, asked = float(burst), 0.0, 0.0
        for (_, item), gap in zip(items, gaps, strict=False):
            came = asked + gap  # the source waits while the reader does
            tokens = min(burst, tokens + (came - last) * n / per)
            wait = max(0.0, 1 - tokens) * per / n
            tokens = tokens + wait * n / per - 1
            last = asked = came + wait
            out.append((last, item))
        return out

    wanted = reference(*timeline(gaps))
    for name in ("asyncio", "trio"):
        got, _ = seen(name, gaps, lambda s: s.rate_limit(n, per=per, burst=burst))
        assert [item for _, item in got] == [item for _, item in wanted]
        assert [time for time, _ in got] == pytest.approx([time for time, _ in wanted])
