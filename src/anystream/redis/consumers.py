"""One opening of a group: a source of messages, and the task behind it.

The task is in no group of the reader's. So a cancellation of a step comes to no command: what a
read brings is kept here whether or not anybody waits for it, since the server will not send it
again. The task ends when the source is closed, which waits for that.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from math import inf
from secrets import token_hex
from socket import gethostname
from typing import Any, cast

import anyio
from anyio import CancelScope

from .._core.backends import is_native
from .._core.batches import TimeSlicer
from .._core.contracts import AsyncEvent, Backend, Owner, SourceDefaults
from .._core.owner import until
from .._core.siblings import bare
from .._operators.recover import in_except
from .._retry import Backoff
from .._stream import Stream
from .errors import RedisConnectionError, interrupted, refusal
from .holdings import Holdings
from .memberships import Membership
from .messages import Message
from .plans import GroupPlan


class Consumer(SourceDefaults):
    """A consumer of a group, over as many connections as it takes."""

    closes = True

    def __init__(self, plan: GroupPlan, owner: Owner) -> None:
        self.plan = plan
        self.backend: Backend = owner.backend
        name = plan.consumer or f"{gethostname()}-{token_hex(6)}"
        self.holdings: Holdings = Holdings(plan, name, owner.backend)
        self.slicer: TimeSlicer = TimeSlicer()
        self.backoff: Backoff = Backoff(plan.retry)
        self.has_joined: bool = False  # the group, at least once
        self.is_connected: bool = False
        self.done: AsyncEvent = owner.backend.new_event()
        self.scope: CancelScope | None = None  # of the task
        self.failure: Exception | None = None
        self.has_raised: bool = False
        self.has_ended: bool = False  # for the reader, at the trigger

    @property
    def holds(self) -> bool:
        return self.scope is not None and not self.done.is_set()

    async def batch(self) -> Iterator[Message[Any]] | None:
        holdings = self.holdings
        await self.backend.checkpoint()
        if self.scope is None:
            self.scope = CancelScope()
            self.backend.start_alone(self.live)
        while True:
            if self.failure is not None:
                self.has_raised = True
                raise self.failure
            if holdings.has_some():
                break
            if holdings.stopping.is_set():
                self.has_ended = True
                return None
            await holdings.wait()
        self.slicer.start()
        return chain.from_iterable(self.slicer.pieces(holdings.handed()))

    async def close(self, owner: Owner) -> None:
        if self.scope is None:
            return
        if self.has_ended and not owner.reader_is_over:  # who has messages that are on their way
            owner.takes_over(self)
            self.holdings.linger()
        else:
            await owner.release(self.leave)

    async def leave(self) -> None:
        """Tell the server what it does not know yet, and give back the rest."""
        plan, holdings, scope = self.plan, self.holdings, self.scope
        assert scope is not None
        holdings.stop()
        holdings.closing.set()
        if not self.is_connected and not holdings.outbox.settled:
            scope.cancel()
        try:
            await self.ended()
        finally:
            if not self.done.is_set():
                scope.cancel()
                await until(inf, self.done.wait, shield=True)
        if holdings.outbox.settled and not self.has_raised:
            raise RedisConnectionError(
                f"{plan.place}: closed without a connection, and {holdings.outbox.settled}"
                " messages that were acknowledged will come again",
                plan.stream,
                plan.group,
            ) from self.failure

    async def ended(self) -> None:
        """Wait for the task, for as long as a close may take, and despite asyncio's cancellations.

        No shield keeps these away.
        """
        late: BaseException | None = None
        while not self.done.is_set():
            try:
                await self.done.wait()
            except self.backend.cancelled as exc:
                if not is_native(exc):
                    raise
                late = exc
        if late is not None:
            raise late

    # -- the task ------------------------------------------------------------------------------

    async def live(self) -> None:
        """The whole life of the task; it raises no error."""
        assert self.scope is not None
        try:
            with self.scope:
                async with anyio.create_task_group() as tasks:
                    if self.plan.until is not None:
                        tasks.start_soon(self.until, self.plan.until)
                    await self.connections()
                    tasks.cancel_scope.cancel()
        except Exception as exc:
            self.failure = cast("Exception", bare(exc))
        except self.backend.cancelled:
            self.failure = interrupted(self.plan.place)
            raise
        finally:
            self.done.set()
            self.holdings.news.ring()

    async def until(self, trigger: Stream[None]) -> None:
        """Stop when the trigger has come, which ends this stream."""
        await trigger.drain()
        self.holdings.stop()

    async def connections(self) -> None:
        """One after the other, for as long as the policy allows and nobody has closed this.

        When it is closed without one, a last one is tried if there are acknowledgements to tell.
        """
        is_last = False
        while (error := await self.connection()) is not None:
            try:
                if is_last or not self.has_joined:
                    raise error
                self.backoff.grant(error)
                await self.pause(error)
                is_last = self.holdings.closing.is_set()
                if is_last and not self.holdings.outbox.settled:
                    raise error
            finally:
                del error  # which refers to this frame

    async def connection(self) -> RedisConnectionError | None:
        """One, until this is closed; what has ended it before."""
        try:
            async with self.plan.connect(2) as links:
                member = Membership(self.holdings, *links)
                try:
                    await member.join()
                    self.joined()
                    await member.serve()
                except Exception as exc:
                    self.failure = refusal(exc, self.plan.place)
                    if self.failure is None:
                        raise
                    await self.leave_refused(member)
        except RedisConnectionError as error:
            self.is_connected = False
            return error
        return None

    async def leave_refused(self, member: Membership) -> None:
        """Tell the reader, and leave the group when that has gone: it still handles messages."""
        self.is_connected = True  # also if it has not joined
        self.holdings.news.ring()
        with suppress(Exception):  # the server may refuse this as well
            await member.unblock()
            await self.holdings.closing.wait()
            await member.leave()

    def joined(self) -> None:
        self.is_connected = self.has_joined = True
        self.backoff.reset()

    async def pause(self, error: Exception) -> None:
        pause, hook = self.backoff.pause(), self.plan.retry.hook
        if hook is not None:
            await in_except(error, hook, self.backoff.number, error, pause)
        with anyio.move_on_after(pause):
            await self.holdings.closing.wait()
