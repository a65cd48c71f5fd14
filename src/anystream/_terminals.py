"""The terminal calls: each opens a run of its own, takes what it needs, and closes it."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, count
from operator import itemgetter
from typing import Any

from ._core.contracts import MISSING, Openable
from ._core.interrupts import protected
from ._core.reader import Reader
from ._core.run import Run, reader_of
from ._errors import EmptyStreamError


@protected
async def consume(
    stream: Openable,
    take: Callable[[Iterator[Any]], object],
    *,
    whole: bool = False,
    kept: bool = False,
    result: Callable[[], Any] | None = None,
) -> Any:
    """Give each batch to `take`, until it returns something true or the stream ends.

    If the `whole` is taken, that calls nothing of the user's, and all may be `kept`. What is made
    of that is the `result`, whose error is one of the run.
    """
    reader = Reader(stream)
    await reader.opening.enter(whole=whole, kept=kept)
    error: BaseException | None = None
    try:
        await reader.consume(take)
        return None if result is None else result()
    except BaseException as exc:
        error = exc
        raise
    finally:  # in the same task for certain, so nothing has to be asked
        await reader.leave(error)
        del error  # which refers to this frame


async def collect(stream: Openable, into: Callable[[Any], Any]) -> Any:
    items: list[Any] = []
    await consume(stream, items.extend, whole=True, kept=True)
    return items if into is list else into(items)


async def drain(stream: Openable) -> None:
    await consume(stream, deque[Any](maxlen=0).extend, whole=True)


async def into(stream: Openable, target: Any, *, close: bool) -> None:
    run: Run[Any] = Run(stream)
    error: BaseException | None = None
    try:
        async with run:
            async for item in run:
                await target.send(item)
    except BaseException as exc:
        error = exc
        raise
    finally:
        if close:
            await reader_of(run).opening.release(target.aclose)
            reader_of(run).opening.raise_collected(error)
        del error  # which refers to this frame


async def number(stream: Openable) -> int:
    counter = count()
    rest = deque[Any](maxlen=0)
    await consume(stream, lambda batch: rest.extend(zip(batch, counter, strict=False)), whole=True)
    return next(counter)


async def total(stream: Openable, start: Any) -> Any:
    def add(batch: Iterator[Any]) -> None:
        nonlocal start
        start = sum(batch, start)

    await consume(stream, add)
    return start


async def first(stream: Openable, default: Any) -> Any:
    found = deque[Any](maxlen=1)

    def take(batch: Iterator[Any]) -> bool:
        for item in batch:
            found.append(item)
            return True
        return False

    return await consume(stream, take, result=lambda: only(found, stream, "first", default))


async def last(stream: Openable, default: Any) -> Any:
    found = deque[Any](maxlen=1)
    return await consume(
        stream, found.extend, whole=True, result=lambda: only(found, stream, "last", default)
    )


async def extreme(stream: Openable, choose: Callable[..., Any], default: Any) -> Any:
    """The least or greatest, by `choose`, of pairs of a key and an item."""
    best: list[Any] = []

    def compare(batch: Iterator[Any]) -> None:
        for pair in batch:
            best[:] = [choose(chain(best, (pair,), batch), key=itemgetter(0))]

    def result() -> Any:
        return only([item for _, item in best], stream, choose.__name__, default)

    return await consume(stream, compare, result=result)


async def some(stream: Openable) -> bool:
    found = False

    def take(batch: Iterator[Any]) -> bool:
        nonlocal found
        found = any(batch)
        return found

    await consume(stream, take)
    return found


async def every(stream: Openable) -> bool:
    failed = False

    def take(batch: Iterator[Any]) -> bool:
        nonlocal failed
        failed = not all(batch)
        return failed

    await consume(stream, take)
    return not failed


def only(found: Any, stream: Openable, name: str, default: Any) -> Any:
    for item in found:
        return item
    if default is MISSING:
        raise EmptyStreamError(f"{name}() of an empty stream without a default: {stream!r}")
    return default
