"""Operators that put another source in the place of one that is over: catch, retry, repeat."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from anyio import current_time, sleep_until

from .._core.backends import named
from .._core.contracts import MISSING, Openable, Owner, Parts, Source
from .._core.driver import Attempt, resolved
from .._core.siblings import all_of, attach
from .._retry import Backoff, Retry
from .._sources.origins import Deferred, Wrapper, readable

Types: TypeAlias = type[Exception] | tuple[type[Exception], ...]


class Replaceable(Wrapper):
    """A source that is closed in the middle of the run, and another one opened in its place."""

    def __init__(self, stream: Openable, owner: Owner) -> None:
        self.stream = stream
        self.owner = owner
        self.source = owner.open_part(stream)
        self.opened: Openable | None = stream  # as the source; None: what a function has made
        self.error: Exception | None = None  # that ended the source, until another one is open

    def draws_from(self) -> Parts:
        return ((source, self.opened) for source in self.reads())

    def failed(self, error: BaseException, types: Types, attempt: Attempt | None = None) -> None:
        """Taking an item, or waiting for it, raised `error`: keep it if it is of these types."""
        error = named(error, self.stream)
        self.owner.locate(error, self.source, self.opened)
        cancelled = attempt is not None and attempt.was_cancelled
        try:
            if not isinstance(error, types) or cancelled or not self.owner.recovers():
                raise error
            self.error = error
        finally:
            del error  # which refers to this frame

    async def leave(self, error: Exception | None) -> None:
        """Close the source; what that raises comes together with the `error` that ended it."""
        source, self.source = self.source, None
        await self.owner.replace(source, error)

    async def close(self, owner: Owner) -> None:
        self.error = None  # which refers to this object
        if self.source is not None:  # one frame for each that has replaced another
            await self.source.close(owner)

    def reopen(self) -> Source:
        return self.anew(lambda: self.owner.open_part(self.stream))

    def anew(self, make: Callable[[], Source]) -> Source:
        self.owner.unless_over()
        return self.owner.open(make)


async def in_except(
    error: Exception | None, fn: Callable[..., Any], *args: Any, owner: Owner | None = None
) -> Any:
    """Call `fn`, plain or async, in a step of `owner`, as if an `except` block called it."""
    assert error is not None
    try:
        raise error
    except Exception:
        return await resolved(fn(*args), owner)
    finally:
        del error, args  # which refer to this frame


def unless_all(error: Exception | None, wanted: Callable[[Exception], bool]) -> None:
    """Raise the first of the errors of this instant that is not wanted, if there is one.

    All of them are known once the source is closed.
    """
    assert error is not None
    try:
        for other in all_of(error):
            if not (isinstance(other, Exception) and wanted(other)):
                attach(other, (error,))
                raise other
    finally:
        del error  # which refers to this frame


class Catch(Replaceable):
    """The items of a stream, and after an error those of what a function makes of it."""

    def __init__(
        self,
        stream: Openable,
        handler: Callable[[Any], Any],
        types: Types,
        owner: Owner,
    ) -> None:
        super().__init__(stream, owner)
        owner.will_open_more()
        self.handler = handler
        self.types = types
        self.replaced = False

    async def batch(self) -> Iterator[Any] | None:
        if self.error is None and not self.replaced:
            attempt = Attempt()
            try:
                batch = await attempt.wait(self.current().batch())
            except Exception as error:
                self.failed(error, self.types, attempt)
            else:
                return None if batch is None else self.watched(batch)
        if self.error is not None:
            await self.replace()
        return await self.current().batch()

    def current(self) -> Source:
        assert self.source is not None
        return self.source

    def watched(self, batch: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from batch
        except BaseException as exc:
            self.failed(exc, self.types)

    async def replace(self) -> None:
        """A cancelled call may be repeated: the function is called once more then."""
        await self.leave(self.error)
        self.owner.unless_over()
        unless_all(self.error, lambda error: isinstance(error, self.types))
        made = await in_except(self.error, self.made, self.error, owner=self.owner)
        await self.begin(() if made is None else made, self.owner)
        self.opened = None
        assert self.error is not None
        self.owner.has_caught(self.error)
        self.error, self.replaced = None, True

    async def made(self, error: Exception) -> Any:
        return await readable(self.handler(error))


def caught(
    stream: Openable,
    handler: Callable[[Any], Any],
    types: Types,
) -> Callable[[Owner], Source]:
    return lambda owner: Catch(stream, handler, types, owner)


class Retrying(Replaceable):
    """The items of a stream that is opened again after an error, as a policy says."""

    def __init__(
        self, stream: Openable, policy: Retry, resume: Callable[[Any], Any] | None, owner: Owner
    ) -> None:
        super().__init__(stream, owner)
        assert self.source is not None
        self.closes: bool = self.source.closes or resume is not None
        if resume is not None:
            owner.will_open_more()
        self.policy = policy
        self.resume = resume
        self.last: Any = MISSING  # the item to resume after
        self.delivered = False  # whether there was an item since the last opening
        self.backoff = Backoff(policy)
        # Of the error that is dealt with; all of it outlasts a cancelled step:
        self.pause: float | None = None  # seconds, once it is decided
        self.due: float | None = None  # when the pause is over, once it has begun

    async def batch(self) -> Iterator[Any] | None:
        while True:
            if self.error is not None:
                await self.again()
            assert self.source is not None
            attempt = Attempt()
            try:
                batch = await attempt.wait(self.source.batch())
            except Exception as error:
                self.failed(error, Exception, attempt)
            else:
                return None if batch is None else self.watched(batch)

    def watched(self, batch: Iterator[Any]) -> Iterator[Any]:
        try:
            if self.resume is not None:
                for self.last in batch:
                    self.delivered = True
                    yield self.last
            else:
                for item in batch:
                    self.delivered = True
                    yield item
                    yield from batch
                    break
        except BaseException as exc:
            self.failed(exc, Exception)

    async def again(self) -> None:
        """Open the source again after its pause. A cancelled call may be repeated."""
        if self.pause is None:
            self.pause = self.decide()
        await self.leave(self.error)
        self.owner.unless_over()
        unless_all(self.error, self.backoff.wants)
        if self.due is None:
            hook = self.policy.hook
            if hook is not None:
                number = self.backoff.number
                await in_except(self.error, hook, number, self.error, self.pause, owner=self.owner)
            self.owner.unless_over()
            self.due = current_time() + self.pause
        await sleep_until(self.due)
        try:
            self.source = self.reopen() if self.last is MISSING else self.resumed()
        except Exception as failure:
            raise failure from self.error
        assert self.error is not None
        self.owner.has_retried(self.error)
        self.error = self.pause = self.due = None
        self.delivered = False

    def decide(self) -> float:
        """How many seconds to pause; raises the error if there is no further attempt."""
        assert self.error is not None
        if self.policy.reset and self.delivered:
            self.backoff.reset()
        self.backoff.grant(self.error)
        return self.backoff.pause()

    def resumed(self) -> Source:
        """What `resume` makes, which is called by the first step, so that it is retried as well."""
        resume, last = self.resume, self.last
        assert resume is not None
        self.opened = None
        return self.anew(lambda: Deferred(lambda: resume(last), self.owner))


def retrying(
    stream: Openable, policy: Retry, resume: Callable[[Any], Any] | None
) -> Callable[[Owner], Source]:
    return lambda owner: Retrying(stream, policy, resume, owner)


class Repeat(Replaceable):
    """The items of a stream that is opened again after its end, after a pause."""

    def __init__(self, stream: Openable, times: int | None, pause: float, owner: Owner) -> None:
        super().__init__(stream, owner)
        assert self.source is not None
        self.closes: bool = self.source.closes
        self.any_task = self.source.any_task
        self.left = times
        self.pause = pause
        self.due: float | None = None  # when the pause is over, once it has begun

    async def batch(self) -> Iterator[Any] | None:
        while self.left != 0:
            if self.source is None:
                self.owner.unless_over()
                await self.wait()
                self.source = self.reopen()
            batch = await self.source.batch()
            if batch is not None:
                return batch
            if self.left is not None:
                self.left -= 1
            await self.leave(None)
        return None

    async def wait(self) -> None:
        """Pause, which is a checkpoint at least. A cancelled call may be repeated."""
        if self.due is None:
            self.due = current_time() + self.pause
        await sleep_until(self.due)
        self.due = None


def repeated(stream: Openable, times: int | None, pause: float) -> Callable[[Owner], Source]:
    return lambda owner: Repeat(stream, times, pause, owner)
