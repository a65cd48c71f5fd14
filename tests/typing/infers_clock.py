"""What a user's code infers of what has to do with time.

Checked by pyright and mypy, never run. A line with an ignore must fail: both report an ignore that
is not needed.
"""

import asyncio
import threading
from collections.abc import Awaitable
from typing import assert_type

import anyio
from given import numbers, text

from anystream import Stream


def clocks(ints: Stream[int], strings: Stream[str]) -> None:
    assert_type(ints.timeout(1), Stream[int])
    assert_type(ints.timeout(0.5, on_timeout="end"), Stream[int])
    assert_type(ints.deadline(60, on_timeout="raise"), Stream[int])
    assert_type(ints.heartbeat(1, None), Stream[int | None])
    assert_type(ints.heartbeat(1, "beat"), Stream[int | str])
    assert_type(ints.heartbeat(1, 0), Stream[int])
    assert_type(ints.heartbeat(1, lambda: "beat"), Stream[int | str])
    assert_type(ints.heartbeat(1, anyio.current_time), Stream[int | float])
    assert_type(ints.delay(1, buffer=5), Stream[int])
    assert_type(ints.spaced(0.1), Stream[int])
    assert_type(ints.rate_limit(5, per=60, burst=2), Stream[int])
    assert_type(ints.throttle(1).throttle(1, "both"), Stream[int])
    assert_type(ints.debounce(1, max_wait=5), Stream[int])
    assert_type(ints.sample(1), Stream[int])
    assert_type(ints.batched(3), Stream[tuple[int, ...]])
    assert_type(ints.batched(3, within=0.5), Stream[tuple[int, ...]])
    assert_type(strings.batched(weight=len, max_weight=9), Stream[tuple[str, ...]])
    assert_type(ints.timestamp(), Stream[tuple[float, int]])
    assert_type(strings.elapsed(), Stream[tuple[float, str]])
    ints.deadline("soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.delay(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.spaced("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.debounce(1, 5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ints.sample(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.timestamp(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ints.elapsed(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ints.timeout("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.timeout(1, on_timeout="stop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.timeout(1, "end")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ints.heartbeat(1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    ints.rate_limit(0.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.throttle(1, "last")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.batched(weight=len, max_weight=9)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.batched(3, weight=text, max_weight=9)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class HasWait:
    """Nearly an event."""

    def wait(self) -> Awaitable[None]:
        return anyio.sleep(1)


def triggered(ints: Stream[int], event: anyio.Event, native: asyncio.Event) -> None:
    assert_type(ints.take_until(5), Stream[int])
    assert_type(ints.take_until(event).take_until(native), Stream[int])
    assert_type(ints.take_until(text(1)), Stream[int])
    assert_type(ints.take_until(numbers()), Stream[int])
    assert_type(ints.skip_until(ints.map(str)), Stream[int])
    assert_type(ints.skip_until(event), Stream[int])
    assert_type(ints.pause_while(ints.map(str)), Stream[int])
    assert_type(ints.pause_while([True, False]), Stream[int])
    ints.take_until("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.take_until(numbers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.take_until(threading.Event())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.skip_until(HasWait())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.pause_while(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.pause_while(event)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
