"""Awaiting from inside a synchronous iterator.

A batch is a synchronous iterator, yet its items may come from awaits: the steps of an async
iterator, or an async function given to an operator. `Steps` drives such awaits by hand for as long
as they answer without suspending. When one suspends, the iterator ends, and the awaiting side goes
on with that very step through `awaited`. Nothing is read ahead, and no task is involved.
"""

import inspect
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from itertools import chain
from typing import Any, TypeAlias, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
Step: TypeAlias = Callable[[], Generator[Any, Any, Any]]

EMPTY: Iterator[Any] = iter(())


class Steps:
    """A generator of items that may also yield what its awaits yield to the event loop.

    The two are told apart by `stepping`, which the generator sets around each await, and which is
    false whenever the generator has come to its end in whatever way. A generator
    inside a generator is what CPython runs fastest here: the values of the awaits never travel in
    exceptions, which driving each awaitable from outside would cost.
    """

    def __init__(self) -> None:
        # Set here and not in the class: CPython 3.13 stores to such attributes a sixth faster.
        self.generator: Any = None  # what `run` was given, until `stop`
        self.trap: Any = None
        self.stepping = False
        self.waits = False  # whether the last await has suspended

    def run(self, generator: Generator[Any, Any, None]) -> Iterator[Any]:
        """The items of `generator` that are there without waiting."""
        self.generator = generator
        return self.ready()

    def stop(self) -> None:
        """Let go of the generator, which refers to this object in turn."""
        self.generator = None

    def ready(self) -> Iterator[Any]:
        for out in self.generator:
            if self.stepping:
                self.trap = out
                self.waits = True
                self.suspended()
                return
            yield out

    def suspended(self) -> None:
        """Called when a step has suspended: somebody has to await `awaited`."""

    @types.coroutine
    def awaited(self) -> Generator[Any, Any, Iterator[Any]]:
        """Wait for the step that has suspended, or for the next one; what it gives, as a batch.

        A cancellation goes through the step and ends the generator.
        """
        generator, out = self.generator, self.trap
        try:
            if not self.stepping:
                out = next(generator)
                self.waits = self.stepping
            while self.stepping:
                try:
                    answer = yield out
                except BaseException as exc:
                    out = generator.throw(exc)
                else:
                    out = generator.send(answer)
        except StopIteration:
            return EMPTY
        finally:
            self.trap = None
        return self.after(out)

    def after(self, item: Any) -> Iterator[Any]:
        """The batch that begins with an item that was awaited."""
        return chain((item,), self.ready())


def awaits(function: F) -> F:
    """Let a generator function `yield from` coroutines, as `types.coroutine` does for awaiting."""
    return cast("F", types.coroutine(cast("Any", function)))


def stepper(iterator: AsyncIterator[Any]) -> Step:
    """`iterator.__anext__`, giving what a function that `awaits` can `yield from`."""
    if inspect.isasyncgen(iterator) or inspect.iscoroutinefunction(type(iterator).__anext__):
        return cast("Step", iterator.__anext__)

    async def step() -> Any:
        return await iterator.__anext__()

    return cast("Step", step)


def is_awaitable(value: object) -> bool:
    return hasattr(type(value), "__await__")


async def resolved(value: Any) -> Any:
    """`value`, awaited if it is an awaitable."""
    return await value if is_awaitable(value) else value


def iterate(awaitable: Any) -> Generator[Any, Any, Any]:
    """What a function that `awaits` can `yield from` in order to await `awaitable`."""
    steps: Any = awaitable if inspect.iscoroutine(awaitable) else awaitable.__await__()
    return cast("Generator[Any, Any, Any]", steps)
