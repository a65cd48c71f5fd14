"""What all operators share that call a function of the user's, plain or async."""

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from .._args import unread
from .._core.backends import unless_foreign
from .._core.contracts import Owner, WaitingOperator
from .._core.driver import SyncDriver, awaits, is_awaitable, iterate
from .._labels import whole


def instead_of(fn: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, which is called in the place of the user's `fn`, and is not to be named."""
    call.__wrapped__ = fn  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
    return call


def of_user(fn: Callable[..., Any]) -> Callable[..., Any]:
    """What to name for a function that is called."""
    return getattr(fn, "__wrapped__", fn)


UNREAD: dict[type, str] = {
    AsyncGeneratorType: "async generators",
    GeneratorType: "generators",
}
"""Results that are nothing until their items are read, in words."""


def unless_unread(result: object, fn: Callable[..., Any]) -> None:
    """Raise `TypeError` for the result of `fn` if that is not read and so has done nothing."""
    given = UNREAD.get(type(result))
    if given is not None:
        raise unread("fn", of_user(fn), given)


class Call(WaitingOperator, SyncDriver):
    """An operator that calls a function for each item; its first result decides how.

    A plain function is then called by `plain`, as fast as the builtins make it [map]. An async
    one is awaited where the item is asked for, one at a time and in order. If that is cancelled,
    the item is kept and the function is called with it once more in the next step.
    """

    in_c: bool = False
    """Whether `plain` gives an iterator of C, which calls the function."""

    gives_result: bool = False
    """Whether what comes out is the result of an async function, for which `emit` is not asked."""

    is_awaited: Callable[[object], bool] = staticmethod(is_awaitable)
    """Whether what the function has returned is awaited."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        super().__init__()
        self.fn = fn
        self.awaits: bool | None = None
        self.done = False
        self.item: Any = None
        self.upstream: Iterator[Any]

    @property
    def busy(self) -> bool:
        return self._in_await

    @property
    def owner(self) -> Owner | None:
        return self._row.owner

    @property
    def function(self) -> object:
        return self.fn if self.in_c else None

    def call(self, item: Any) -> Any:
        return self.fn(item)

    def refuse(self, result: object) -> None:
        """Raise `TypeError` for a first result that nobody would read."""
        unless_unread(result, self.fn)

    @abstractmethod
    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        """The row's next iterator, for a plain function."""

    @abstractmethod
    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        """What comes out for `item` when the function has given `result`; may set `done`."""

    @property
    def awaits_in_batch(self) -> bool:
        return self.awaits is not False

    def rest(self, batch: Iterator[Any]) -> Iterable[Any]:
        """What comes out once the function is `done`: nothing, and that is the end."""
        self.ended()
        return ()

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        if self.awaits is None:
            return self.decide(batch)
        return self.awaiting(batch) if self.awaits else self.plain(batch)

    def decide(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            result = self.call(item)
            self.awaits = self.is_awaited(result)
            if self.awaits:
                yield from self.awaiting(chain((item,), batch), result)
            else:
                self.refuse(result)
                yield from self.emit(item, result)
                yield from self.rest(batch) if self.done else self.plain(batch)
                self.leaves_frame = not self.in_c  # from now on `plain` stands there alone
            return

    def awaiting(self, items: Iterator[Any], made: Any = None) -> Iterator[Any]:
        self.upstream = items
        return self.run(self.steps(items, made))

    @awaits
    def steps(self, items: Iterator[Any], made: Any) -> Generator[Any, Any, None]:
        call = self.fn if type(self).call is Call.call else self.call  # a frame less [map-async]
        try:
            for self.item in items:
                made = call(self.item) if made is None else made
                steps: Generator[Any, Any, Any] = made
                if type(made) is not CoroutineType:
                    if not self.is_awaited(made):
                        raise TypeError(
                            f"{whole(of_user(self.fn))} returned an awaitable for an earlier item"
                            f" but {whole(made)} for this one"
                        )
                    steps = iterate(made)
                self._in_await = True
                result: Any = yield from steps
                self._in_await = False
                made = None
                if self.gives_result:  # an iterator for one item costs a quarter more [map-async]
                    yield result
                    continue
                yield from self.emit(self.item, result)
                if self.done:
                    yield from self.rest(items)
                    return
            self.item = None  # nobody else may refer to it any more
        except BaseException as exc:
            unless_foreign(exc, of_user(self.fn))
            raise
        finally:
            self._in_await = False

    async def go_on(self) -> Iterator[Any]:
        if not self._in_await:  # the call was cancelled: make it again
            return self.awaiting(chain((self.item,), self.upstream))
        return await self.awaited()

    async def close(self, owner: Owner) -> None:
        self.stop()
