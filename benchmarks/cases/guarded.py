"""What one writes by hand to keep the promises of a case: the floor with all of them.

A source is read in one task, behind scopes that keep the cancellations of the reader away, and no
more than what is asked for; what comes of its items is in their order, and the tasks end first. No
function sees what the one before it has set in the context of its task, or holds the event loop
without a warning, and what was taken and given is counted. A step of the reader's that is cancelled
loses nothing and may be made again, and no other task may make one meanwhile.
"""

import gc
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing
from contextvars import copy_context
from inspect import CO_ASYNC_GENERATOR
from math import inf
from sys import _getframe as frame  # pyright: ignore[reportPrivateUsage]  # documented
from time import perf_counter as clock
from types import CoroutineType, TracebackType, coroutine
from typing import Any, ClassVar, Self, TypeAlias
from warnings import warn

from anyio import CancelScope

from anystream._core.backends import backend  # the names of which are the backend's own
from anystream._core.contexts import watch_context

from .table import numbers

NOTHING, END = object(), object()
BLOCKING = 0.1
GRACE = 5.0
FAIR = 64
"""Items between two checkpoints of a reader that need not wait."""
COROUTINE: type = CoroutineType
Function: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@coroutine
def watched(body: Coroutine[Any, Any, None], inner: CancelScope) -> Generator[Any, Any, None]:
    """Await `body`, and let it clean up behind a shield once it was cancelled."""
    try:
        trap = body.send(None)
        while True:
            try:
                answer = yield trap
            except BaseException as exc:  # noqa: ASYNC103  # it goes into `body`
                trap = body.throw(exc)
                inner.shield, inner.deadline = True, backend().now() + GRACE
            else:
                trap = body.send(answer)
    except StopIteration:
        return


class Apart:
    """A task, as a group starts it, which only its own end, or `stop`, interrupts."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.outer = CancelScope(shield=True)
        self.done = self.begun = self.stopped = False

    async def run(self) -> None:
        self.begun = True
        if not self.stopped:
            with self.outer, CancelScope() as inner:
                await watched(self.function(), inner)
        self.done = True

    def stop(self) -> None:
        self.stopped = True
        if self.begun and not self.done:
            self.outer.cancel()


class Steps:
    """A block whose items come one step at a time, in the event loop and task that it is of."""

    def __init__(self, take: Callable[[], Any], wait: Callable[[], Awaitable[object]]) -> None:
        self.take, self.wait = take, wait
        self.busy = False
        self.in_a_row = 0

    def begin(self) -> None:
        """Note what the block is of, and refuse one that anyone may end."""
        of = backend()
        self.event_loop, self.task_id = of.event_loop, of.task_id
        self.loop, self.host = of.event_loop(), of.task_id()
        if frame(2).f_code.co_flags & CO_ASYNC_GENERATOR:
            warn("a block inside an async generator", stacklevel=3)

    def unless_elsewhere(self) -> None:
        if self.task_id() != self.host:
            raise RuntimeError("a block is left in the task that has entered it")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self.busy or self.event_loop() is not self.loop:
            raise RuntimeError("one task at a time makes a step, in the event loop of the block")
        self.in_a_row += 1
        if self.in_a_row == FAIR:
            self.in_a_row = 0
            await backend().checkpoint()
        while (item := self.take()) is NOTHING:
            self.in_a_row = 0
            self.busy = True
            try:
                await self.wait()
            finally:
                self.busy = False
        if item is END:
            raise StopAsyncIteration
        return item


class Tasks(Steps):
    """The same of what tasks give, which end by themselves, or are stopped."""

    def __init__(
        self, functions: list[Function], take: Callable[[], Any], wait: Callable[[], Any]
    ) -> None:
        super().__init__(take, wait)
        self.functions = functions
        self.tasks: list[Apart] = []

    def start(self, function: Function) -> None:
        task = Apart(function)
        self.tasks.append(task)
        self.context.copy().run(self.group.start, task, name="by hand")

    async def __aenter__(self) -> Self:
        self.begin()
        self.group, self.context = backend().new_group(), copy_context()
        await self.group.__aenter__()
        for function in self.functions:
            self.start(function)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.unless_elsewhere()
        self.take = lambda: END
        self.group.cancel_scope.shield = True
        for task in self.tasks:
            task.stop()
        await self.group.__aexit__(None, None, None)  # noqa: ASYNC102  # its scope is shielded


Wait = Callable[[Any], Awaitable[Any]]


def rendezvous(source: Any, wait: Wait | None = None) -> Tasks:
    """A task takes an item when one is asked for, which may be no plain `wait`."""
    new, answer = backend().new_slot, backend().answer
    asked, news = new(), new()
    came: list[Any] = []

    async def read() -> None:
        nonlocal asked
        async with aclosing(source):
            await asked
            async for item in source:
                came.append(item)
                answer(news)
                asked = new()
                await asked
        came.append(END)
        answer(news)

    def take() -> Any:
        return came.pop() if came else NOTHING

    async def more() -> None:
        nonlocal news
        news = new()
        answer(asked)
        await (news if wait is None else wait(news))

    return Tasks([read], take, more)


def crew(source: Any, fn: Callable[[Any], Awaitable[Any]], ways: int) -> Tasks:
    """A task gives each item to the one that has waited longest of so many others."""
    new, answer = backend().new_slot, backend().answer
    hungry: deque[Any] = deque()
    slots: deque[list[Any]] = deque()  # of the items that are taken and not read
    asked, news = new(), new()
    taken = given_back = 0

    async def read() -> None:
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

    async def work() -> None:
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
                tasks.start(work)
                return

    def take() -> Any:
        if not slots or not slots[0][1]:
            return NOTHING
        item = slots[0][0]
        if item is not END:
            slots.popleft()
            answer(asked)
        return item

    async def more() -> None:
        nonlocal news
        news = new()
        await news

    tasks = Tasks([read, *[work] * ways], take, more)
    return tasks


def spread(source: Any, fn: Callable[[Any], Any], ways: int, room: int) -> Tasks:
    """Each of so many tasks reads what `fn` makes of an item, at most `room` items at a time."""
    new, answer = backend().new_slot, backend().answer
    asked, news = new(), new()
    hungry: deque[Any] = deque()
    parked: list[Any] = []
    came: deque[Any] = deque()
    left = ways

    async def read() -> None:
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

    async def work() -> None:
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

    def take() -> Any:
        if came:
            return came.popleft()
        return NOTHING if left else END

    async def more() -> None:
        nonlocal news
        news = new()
        for given in parked:
            answer(given)
        parked.clear()
        await news

    return Tasks([read, *[work] * ways], take, more)


def buffered(source: Any, room: int) -> Tasks:
    """A task is at most so many items ahead."""
    new, answer = backend().new_slot, backend().answer
    free, news = new(), new()
    came: deque[Any] = deque()

    async def read() -> None:
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

    def take() -> Any:
        return came.popleft() if came else NOTHING

    async def more() -> None:
        nonlocal news
        news = new()
        answer(free)
        await news

    return Tasks([read], take, more)


async def opened(count: int) -> None:
    """A task that is stopped, and waited for behind a shield."""
    for _ in range(count):
        async with buffered(numbers(1), 1):
            pass


class Alone(Steps):
    """A generator that `make` gives is read in the task of the block, and closed there in time.

    A step that is cancelled ends it, which the next one says. What it reads is closed after it.
    """

    taken: ClassVar[set[Any]] = set()

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__(self.pop, self.step)
        self.make = make
        self.generator: Any = None
        self.came: list[Any] = []
        self.interrupted = False

    async def __aenter__(self) -> Self:
        self.begin()
        self.scope = CancelScope()
        self.scope.__enter__()
        return self

    def pop(self) -> Any:
        return self.came.pop() if self.came else NOTHING

    async def made(self) -> Any:
        made = self.make()
        if hasattr(type(made), "__await__"):
            made = await made
        mark = weakref.ref(made, self.taken.discard)
        if mark in self.taken:
            raise RuntimeError("a generator is read once")
        self.taken.add(mark)
        return made

    async def step(self) -> None:
        if self.interrupted:
            raise RuntimeError("a step was cancelled, which has ended the generator")
        if self.generator is None:
            self.generator = await self.made()
            await backend().checkpoint()
        try:
            self.came.append(await anext(self.generator))
        except StopAsyncIteration:
            self.came.append(END)
        except BaseException:
            self.interrupted = self.generator.ag_frame is None
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.unless_elsewhere()
        self.scope.shield = True
        failures = [] if error is None else [error]
        if self.generator is not None:
            await self.close(failures)  # noqa: ASYNC102  # as above
        if not backend().is_innermost(self.scope):
            raise RuntimeError("a scope was entered after the block, and is left after it")
        self.scope.__exit__(kind, error, at)
        if len(failures) > (error is not None):
            raise BaseExceptionGroup("cleanup", failures)

    async def close(self, failures: list[BaseException]) -> None:
        """Close it, and what it reads, and add the errors of that."""
        inner = [each for each in gc.get_referents(self.generator) if hasattr(each, "__aiter__")]
        for each in (self.generator, *inner):
            try:
                await self.in_time(each.aclose())
            except BaseException as exc:  # noqa: ASYNC103  # they are raised together
                failures.append(exc)

    @coroutine
    def in_time(self, close: Any) -> Generator[Any, Any, None]:
        """Await `close`, whose time begins when it has to wait."""
        try:
            trap = close.send(None)
            self.scope.deadline = backend().now() + GRACE
            while True:
                trap = close.send((yield trap))
        except StopIteration:
            return
        finally:
            self.scope.deadline = inf

    def __del__(self) -> None:
        if self.generator is not None and self.generator.ag_frame is not None:
            warn("a generator was dropped before it was closed", ResourceWarning, stacklevel=2)


async def first_of_generator(count: int) -> int:
    result = 0
    for _ in range(count):
        async with Alone(lambda: numbers(9)) as items:
            result += await anext(items)
    return result
