"""What the tests of `catch`, `retry` and `repeat` have in common."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import anyio

from anystream import (
    Retry,
    Stream,
    async_range,
)

WRONG: Any = "nothing of the kind"

SECONDS = {"first": 1.0, "jitter": False}


def steady(times: int | None = 3, **given: Any) -> Retry:
    return Retry(times, **{**SECONDS, **given})


class Log(list[tuple[float, Any]]):
    """What has happened, and how many seconds after the log was begun."""

    def __init__(self) -> None:
        self.start = anyio.current_time()

    def note(self, what: Any) -> None:
        self.append((anyio.current_time() - self.start, what))

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self]


def openings(*makers: Callable[[], Any]) -> Stream[Any]:
    """A stream whose n-th opening gives what the n-th function makes, and the last one for ever."""
    following = itertools.chain(makers, itertools.repeat(makers[-1]))
    return Stream(lambda: next(following)())


def raising(error: BaseException | type[BaseException], *items: Any) -> Callable[[], Iterator[Any]]:
    def make() -> Iterator[Any]:
        yield from items
        raise error

    return make


async def outcome(stream: Stream[Any]) -> tuple[list[Any], BaseException | None]:
    """All items, and the error at their end."""
    got: list[Any] = []
    try:
        async with stream as items:
            async for item in items:
                got.append(item)
    except Exception as error:
        return got, error
    return got, None


async def slow_handler(error: Exception) -> Stream[int]:
    await anyio.sleep(10)
    return async_range(3)
