"""What all operators share that call a function of the user's, be it plain or async."""

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from types import CoroutineType
from typing import Any

from .._batches import WaitingOperator
from .._host import Host
from .._steps import Steps, awaits, is_awaitable, iterate, unless_foreign


class Call(WaitingOperator, Steps):
    """An operator that calls a function for each item; its first result decides how.

    A plain function is then called by `plain`, which is as fast as the builtins make it. An async
    one is awaited where the item is asked for, one at a time and in order. If that is cancelled,
    the item is kept and the function is called with it once more in the next step.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        super().__init__()
        self.fn = fn
        self.awaits: bool | None = None
        self.done = False
        self.item: Any = None
        self.upstream: Iterator[Any]

    @property
    def busy(self) -> bool:
        return self.stepping

    @property
    def host(self) -> Host | None:
        return self.segment.host

    def call(self, item: Any) -> Any:
        return self.fn(item)

    @abstractmethod
    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        """The row's next iterator, for a plain function."""

    @abstractmethod
    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        """What comes out for `item` when the function has given `result`; may set `done`."""

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
            self.awaits = is_awaitable(result)
            if self.awaits:
                yield from self.awaiting(chain((item,), batch), result)
            else:
                yield from self.emit(item, result)
                yield from self.rest(batch) if self.done else self.plain(batch)
            return

    def awaiting(self, items: Iterator[Any], made: Any = None) -> Iterator[Any]:
        self.upstream = items
        return self.run(self.steps(items, made))

    @awaits
    def steps(self, items: Iterator[Any], made: Any) -> Generator[Any, Any, None]:
        try:
            for self.item in items:
                made = self.call(self.item) if made is None else made
                steps: Generator[Any, Any, Any] = made
                if type(made) is not CoroutineType:
                    if not is_awaitable(made):
                        raise TypeError(f"{self.fn!r} gave an awaitable first, and now {made!r}")
                    steps = iterate(made)
                self.stepping = True
                result: Any = yield from steps
                self.stepping = False
                made = None
                yield from self.emit(self.item, result)
                if self.done:
                    yield from self.rest(items)
                    return
        except BaseException as exc:
            unless_foreign(exc, self.fn)
            raise
        finally:
            self.stepping = False

    async def go_on(self) -> Iterator[Any]:
        if not self.stepping:  # the call was cancelled: make it again
            return self.awaiting(chain((self.item,), self.upstream))
        return await self.awaited()

    async def close(self, host: Host) -> None:
        self.stop()
