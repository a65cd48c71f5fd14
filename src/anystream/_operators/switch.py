"""Operators in which a new item ends what the last one has started: switch_map, map_latest."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from .._batches import Recipe, Source
from .._host import Host
from .._mailbox import Lane, Mailbox
from .._origins import as_source
from .._pump import Pump
from .._steps import resolved
from .concurrent import leave, merged, transfer

Inner = Callable[[Pump, Lane, Any], Awaitable[None]]
"""What a pump does for one item: it fills the lane, and closes what it has opened."""


def switched(stream: Recipe, inner: Inner) -> Callable[[Host], Source]:
    """A mailbox that is filled by `inner` for the newest item of `stream`.

    The stream has a task of its own: it may be in the middle of a step while something is started
    and stopped here.
    """
    newest = merged([stream], 1, "drop_oldest")

    def origin(host: Host) -> Source:
        box = Mailbox(host.pipeline.new_event)
        pump = Pump(host)
        box.pumps.append(pump)
        pump.start(partial(switch, pump, newest(pump), box.lane(0), inner))
        return box

    return origin


async def switch(pump: Pump, source: Source, lane: Lane, inner: Inner) -> None:
    """The body of a pump: it reads on at once, and each item replaces what the last one began."""
    error: BaseException | None = None
    running: list[Pump] = []
    try:
        while not pump.stopping and (batch := await source.batch()) is not None:
            for item in batch:
                await pump.stop(running)
                if pump.stopping:  # meanwhile
                    break
                running = [Pump(pump)]
                running[0].start(partial(guarded, running[0], lane, inner, item))
        for last in running:
            await last.join()
    except BaseException as exc:
        error = pump.unless_stopped(exc)
    await pump.stop(running)
    await leave(pump, lane, error, source)


async def guarded(pump: Pump, lane: Lane, inner: Inner, item: Any) -> None:
    """The body of the pump for one item."""
    try:
        if not pump.stopping:  # before it has begun
            await inner(pump, lane, item)
    except BaseException as exc:
        error = pump.unless_stopped(exc)
        if error is not None and (pump.told or lane.stopped):
            pump.unheard(error)
        elif error is not None:
            lane.box.fail(error)
    lane.box.add_siblings(pump)


def streaming(fn: Callable[[Any], Any]) -> Inner:
    """The items of the stream that `fn` gives."""

    async def inner(pump: Pump, lane: Lane, item: Any) -> None:
        source = as_source(await resolved(fn(item)), pump, made=True)
        try:
            await transfer(pump, source, lane)
        finally:
            await pump.close(source)

    return inner


def calling(fn: Callable[[Any], Any]) -> Inner:
    """The result of `fn`."""

    async def inner(pump: Pump, lane: Lane, item: Any) -> None:
        result = await resolved(fn(item))
        if lane.takes() or await lane.wait_for_room(pump):
            lane.put(result)

    return inner
