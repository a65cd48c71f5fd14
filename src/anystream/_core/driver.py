"""Awaiting from inside a synchronous iterator.

A batch is a synchronous iterator, yet its items may come from awaits: the steps of an async
iterator, or an async function given to an operator. `SyncDriver` drives such awaits by hand for as
long as they answer without suspending. When one suspends, the iterator ends, and the awaiting side
continues that very step through `awaited`. Nothing is read ahead, and no task is involved.
"""

import inspect
import types
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from itertools import chain
from typing import Any, TypeAlias, TypeVar, cast

from anyio import get_cancelled_exc_class

from .backends import is_cancelled, unless_foreign
from .contracts import Owner

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Step: TypeAlias = Callable[[], Generator[Any, Any, Any]]
Expose: TypeAlias = Callable[[], None]

STEPPED: Any = (types.CoroutineType, types.GeneratorType)
"""What is awaited by its own steps; `SyncDriver.awaited` gives the second kind."""

EMPTY: Iterator[Any] = iter(())


class SyncDriver:
    """A generator of items that may also yield what its awaits yield to the event loop.

    The two are told apart by `_in_await`, which the generator sets around each await, and which is
    false whenever the generator has ended, in any way. A generator
    inside a generator is what CPython runs fastest here: the values of the awaits never travel in
    exceptions, which driving each awaitable from outside would cost [generator, map-async].
    """

    def __init__(self) -> None:
        # Set here, not in the class: CPython 3.13 stores to such a sixth faster [map-async].
        self._generator: Any = None  # what `run` was given, until `stop`
        self._trap: Any = None
        self._in_await = False
        self._suspends = False  # whether the last await has suspended

    @property
    @abstractmethod
    def owner(self) -> Owner | None:
        """The task that this runs in, which can let a cancelled step clean up."""

    def run(self, generator: Generator[Any, Any, None]) -> Iterator[Any]:
        """The items of `generator` that are there without waiting."""
        self._generator = generator
        return self.ready()

    def stop(self) -> None:
        """Let go of the generator, which refers to this object in turn."""
        self._generator = None

    def ready(self) -> Iterator[Any]:
        for out in self._generator:
            if self._in_await:
                self._trap = out
                self._suspends = True
                self.suspended()
                return
            yield out

    def suspended(self) -> None:
        """Called when a step has suspended: the awaiting side has to await `awaited`."""

    @types.coroutine
    def awaited(self) -> Generator[Any, Any, Iterator[Any]]:
        """Wait for the step that has suspended, or for the next one; what it gives, as a batch.

        A cancellation goes through the step, whose cleanup may await then, and ends the generator.
        On asyncio the step has to be told of it first, and on trio it must not be: what is told,
        and looks, has to find itself cancelled.
        """
        generator, out = self._generator, self._trap
        expose: Expose | None = None
        try:
            if not self._in_await:
                out = next(generator)
                self._suspends = self._in_await
            while self._in_await:
                try:
                    answer = yield out
                except BaseException as exc:
                    expose = expose or self._shelter(exc, early=True)
                    out = generator.throw(exc)
                    expose = expose or self._shelter(exc)
                else:
                    error = None if answer is None else answered(answer)
                    if error is not None:
                        expose = expose or self._shelter(error)
                    out = generator.send(answer)
                    if error is not None and self._in_await:  # a scope inside was cancelled as well
                        expose = expose or self._shelter(error)
        except StopIteration:
            return EMPTY
        finally:
            self._trap = None
            if expose is not None:
                expose()
        return self.after(out)

    def _shelter(self, error: BaseException, early: bool = False) -> Expose | None:
        """Let a step that has been cancelled by `error` await; None if it was not, or is over."""
        return shelter(self.owner, error, early) if self._in_await else None

    def after(self, item: Any) -> Iterator[Any]:
        """The batch that begins with an item that was awaited."""
        return chain((item,), self.ready())


def answered(answer: Any) -> BaseException | None:
    """The error that trio answers an await with; asyncio throws its own into it."""
    return getattr(answer, "error", None)


def shelter(owner: Owner | None, error: BaseException, early: bool = False) -> Expose | None:
    """Let what `error` has cancelled await in `owner`, until what this returns is called."""
    if owner is None or not isinstance(error, get_cancelled_exc_class()):
        return None
    return owner.shelter(early)


@types.coroutine
def sheltered(awaitable: Awaitable[T], owner: Owner) -> Generator[Any, Any, T]:
    """Await `awaitable`, whose cleanup may await when it is cancelled, as that of a step may."""
    steps = iterate(awaitable)
    expose: Expose | None = None
    answer: Any = None
    error: BaseException | None = None
    try:
        trap = steps.send(None)
        while True:
            try:
                answer = yield trap
            except BaseException as exc:
                expose = expose or shelter(owner, exc, early=True)
                trap = steps.throw(exc)
                expose = expose or shelter(owner, exc)
            else:
                error = answered(answer)
                if error is not None:
                    expose = expose or shelter(owner, error)
                trap = steps.send(answer)
                if error is not None:
                    expose = expose or shelter(owner, error)
    except StopIteration as stop:
        return cast("T", stop.value)
    finally:
        del answer, error  # which refer to this frame, once raised
        if expose is not None:
            expose()


class Attempt:
    """An await whose failure may be dealt with, unless it has taken the place of a cancellation.

    A cleanup that fails is raised in the place of the cancellation that it was told of. Who went on
    after such an error would lose the cancellation, which asyncio sends only once.
    """

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told = False

    @property
    def was_cancelled(self) -> bool:
        """Whether it was told of a cancellation of the task, which still holds."""
        return self._told and is_cancelled()

    @types.coroutine
    def wait(self, awaitable: Awaitable[T]) -> Generator[Any, Any, T]:
        """Await `awaitable`; what it gives."""
        steps = iterate(awaitable)
        try:
            trap = steps.send(None)
            while True:
                try:
                    answer = yield trap
                except BaseException as exc:
                    self._note(exc)
                    trap = steps.throw(exc)
                else:
                    self._note(answered(answer))
                    trap = steps.send(answer)
        except StopIteration as stop:
            return cast("T", stop.value)

    def _note(self, error: BaseException | None) -> None:
        if error is not None and isinstance(error, get_cancelled_exc_class()):
            self._told = True


def awaits(function: F) -> F:
    """Let a generator function `yield from` coroutines, as `types.coroutine` does for awaiting."""
    return cast("F", types.coroutine(cast("Any", function)))


def stepper(iterator: AsyncIterator[Any]) -> Step:
    """`iterator.__anext__`, giving what a function that `awaits` can `yield from`."""
    is_stepped = isinstance(iterator, types.AsyncGeneratorType)
    if is_stepped or inspect.iscoroutinefunction(type(iterator).__anext__):
        return cast("Step", iterator.__anext__)

    async def step() -> Any:
        return await iterator.__anext__()

    return cast("Step", step)


def is_awaitable(value: object) -> bool:
    kind = type(value)
    if kind is types.GeneratorType:
        return inspect.isawaitable(value)  # if it is of a function that is a `types.coroutine`
    return hasattr(kind, "__await__")


async def resolved(value: Any, owner: Owner | None = None) -> Any:
    """`value`, awaited if it is an awaitable, as a part of a step of `owner`."""
    if not is_awaitable(value):
        return value
    try:
        return await (value if owner is None else sheltered(value, owner))
    except BaseException as exc:
        unless_foreign(exc, value)
        raise


def iterate(awaitable: Any) -> Generator[Any, Any, Any]:
    """What a function that `awaits` can `yield from` in order to await `awaitable`."""
    if isinstance(awaitable, STEPPED):
        return cast("Generator[Any, Any, Any]", awaitable)
    steps = awaitable.__await__()
    return steps if hasattr(steps, "send") else delegated(steps)


def delegated(steps: Any) -> Generator[Any, Any, Any]:
    """The steps of an awaitable that gives no more than a plain iterator of them."""
    given: Any = yield from cast("Generator[Any, Any, Any]", steps)
    return given
