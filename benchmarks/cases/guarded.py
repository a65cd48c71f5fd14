"""What one writes by hand to keep the promises of a case with tasks: the floor with all of them.

A source is read in one task, behind scopes that keep the cancellations of the reader away, and no
more than what is asked for; what comes of its items is in their order, and the tasks end first. No
function sees what the one before it has set in the context of its task, or holds the event loop
without a warning, and what was taken and given is counted.
"""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing
from contextvars import copy_context
from time import perf_counter as clock
from types import CoroutineType, coroutine
from typing import Any, TypeAlias
from warnings import warn

from anyio import CancelScope
from anyio.lowlevel import checkpoint

from anystream._core.backends import backend  # the names of which are the backend's own
from anystream._core.contexts import watch_context

from .table import numbers

END = object()
BLOCKING = 0.1
COROUTINE: type = CoroutineType
Function: TypeAlias = Callable[["Start"], Coroutine[Any, Any, None]]
Start: TypeAlias = Callable[[Function], None]
"""What starts another task, in the context of the first ones."""


@coroutine
def watched(body: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    """Await `body`, and be there when it is cancelled."""
    try:
        trap = body.send(None)
        while True:
            try:
                answer = yield trap
            except BaseException as exc:  # noqa: ASYNC103  # it goes into `body`
                trap = body.throw(exc)
            else:
                trap = body.send(answer)
    except StopIteration:
        return


class Apart:
    """A task, as a group starts it, whose function nothing interrupts."""

    def __init__(self, function: Function, start: Start) -> None:
        self.body = function(start)
        self.done = False

    async def run(self) -> None:
        with CancelScope(shield=True), CancelScope():
            await watched(self.body)
        self.done = True


async def results(*functions: Function, of: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    """What comes of that while these run in tasks of their own, which end by themselves."""
    group, context = backend().new_group(), copy_context()

    def start(function: Function) -> None:
        context.copy().run(group.start, Apart(function, start), name="by hand")

    async with group:
        for function in functions:
            start(function)
        async for item in of:
            yield item  # noqa: ASYNC119  # read to its end
        group.cancel_scope.shield = True


Wait = Callable[[Any], Awaitable[Any]]


def rendezvous(source: Any, wait: Wait | None = None) -> AsyncGenerator[Any, None]:
    """A task takes an item when one is asked for, which may be no plain `wait`."""
    new, answer = backend().new_slot, backend().answer
    asked, given = new(), new()

    async def read(_: Start) -> None:
        nonlocal asked
        async with aclosing(source):
            await asked
            async for item in source:
                asked = new()
                answer(given, item)
                await asked
        answer(given, END)

    async def items() -> AsyncGenerator[Any, None]:
        nonlocal given
        while True:
            answer(asked)
            if (item := await (given if wait is None else wait(given))) is END:
                return
            given = new()
            yield item

    return results(read, of=items())


def crew(source: Any, fn: Callable[[Any], Awaitable[Any]], ways: int) -> AsyncGenerator[Any, None]:
    """A task gives each item to the one that has waited longest of so many others."""
    new, answer = backend().new_slot, backend().answer
    hungry: deque[Any] = deque()
    slots: deque[list[Any]] = deque()  # of the items that are taken and not read
    asked, news = new(), new()
    taken = given_back = 0

    async def read(_: Start) -> None:
        nonlocal asked, taken
        async with aclosing(source):
            while True:
                while not hungry or len(slots) == 2 * ways:
                    asked = new()
                    await asked
                if (item := await anext(source, END)) is END:
                    break
                taken += 1
                slots.append(slot := [item, False])
                answer(hungry.popleft(), slot)
        slots.append([END, True])
        for given in hungry:
            answer(given, END)
        answer(news)

    async def work(start: Start) -> None:
        nonlocal given_back
        context_has_changed = watch_context()
        while not slots or slots[-1][0] is not END:
            hungry.append(given := new())
            answer(asked)
            if (slot := await given) is END:
                return
            began = clock()
            result = fn(slot[0])
            if type(result) is COROUTINE or hasattr(type(result), "__await__"):
                result = await result
            elif clock() - began > BLOCKING:
                warn(f"{fn} has held the event loop", stacklevel=2)
            slot[:] = result, True
            given_back += 1
            if slots[0][1]:
                answer(news)
            if context_has_changed():
                start(work)
                return

    async def items() -> AsyncGenerator[Any, None]:
        nonlocal news
        while True:
            while slots and slots[0][1]:
                if slots[0][0] is END:
                    return
                yield slots.popleft()[0]
                answer(asked)
            news = new()
            await news

    return results(read, *[work] * ways, of=items())


def spread(
    source: Any, fn: Callable[[Any], Any], ways: int, room: int
) -> AsyncGenerator[Any, None]:
    """Each of so many tasks reads what `fn` makes of an item, at most `room` items at a time."""
    new, answer = backend().new_slot, backend().answer
    asked, news = new(), new()
    hungry: deque[Any] = deque()
    parked: list[Any] = []
    came: deque[Any] = deque()
    left = ways

    async def read(_: Start) -> None:
        nonlocal asked
        async with aclosing(source):
            while True:
                while not hungry:
                    asked = new()
                    await asked
                if (item := await anext(source, END)) is END:
                    break
                answer(hungry.popleft(), item)
        for given in hungry:
            answer(given, END)
        hungry.clear()
        hungry.append(END)

    async def work(_: Start) -> None:
        nonlocal left
        while END not in hungry:
            hungry.append(given := new())
            answer(asked)
            if (item := await given) is END:
                break
            mine = 0
            async with aclosing(fn(item)) as inner:
                async for part in inner:
                    came.append(part)
                    answer(news)
                    if (mine := mine + 1) == room:
                        parked.append(given := new())
                        await given
                        mine = 0
        left -= 1
        answer(news)

    async def items() -> AsyncGenerator[Any, None]:
        nonlocal news
        while left or came:
            while came:
                yield came.popleft()
            for given in parked:
                answer(given)
            parked.clear()
            if left and not came:
                news = new()
                await news

    return results(read, *[work] * ways, of=items())


def buffered(source: Any, room: int) -> AsyncGenerator[Any, None]:
    """A task is at most so many items ahead."""
    new, answer = backend().new_slot, backend().answer
    free, news = new(), new()
    came: deque[Any] = deque()

    async def read(_: Start) -> None:
        nonlocal free
        async with aclosing(source):
            async for item in source:
                came.append(item)
                answer(news)
                if len(came) == room:
                    free = new()
                    await free
        came.append(END)
        answer(news)

    async def items() -> AsyncGenerator[Any, None]:
        nonlocal news
        while True:
            while came:
                if (item := came.popleft()) is END:
                    return
                yield item
            answer(free)
            news = new()
            await news

    return results(read, of=items())


async def opened(count: int) -> None:
    """A task, woken to stop, and waited for behind a shield."""
    for _ in range(count):
        stop = backend().new_event()

        async def wait(_: Start, stop: Any = stop) -> None:
            await stop.wait()

        async for _ in results(wait, of=stopping(stop)):
            pass


async def stopping(stop: Any) -> AsyncGenerator[Any, None]:
    stop.set()
    return
    yield


async def first_of_generator(count: int) -> int:
    """A scope around all, a checkpoint, and a close behind a shield."""
    result = 0
    for _ in range(count):
        with CancelScope() as scope:
            await checkpoint()
            generator = numbers(9)
            result += await anext(generator)
            scope.shield = True
            await generator.aclose()
    return result
