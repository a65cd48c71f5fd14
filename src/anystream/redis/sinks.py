"""`sink`: the way of items into a stream of the server."""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, ClosedResourceError

from .. import _args as check
from .._core.backends import backend
from .._core.owner import until
from .._core.siblings import bare
from .errors import StreamPlace, interrupted
from .groups import URL, checked_length, checked_name
from .links import Connect, Link, checked_server
from .messages import Raw, flat

if TYPE_CHECKING:
    from .._core.contracts import AsyncEvent, Backend

WINDOW = 1000
"""Entries that were sent and not confirmed, at most."""


class Sink:
    """Sends items into a stream of the server; `sink` makes it, for `into`.

    >>> from anystream import async_range, redis
    >>> async def fill(url):
    ...     numbers = async_range(1000).map(lambda n: {"n": n})
    ...     await numbers.into(redis.sink("numbers", url=url))
    """

    def __init__(
        self,
        connect: Connect,
        place: StreamPlace,
        maxlen: int | None,
        encode: Callable[[Any], Any] | None,
    ) -> None:
        self._connect = connect
        self._place = place
        self._command: list[Any] = [b"XADD", place.stream]
        if maxlen is not None:
            self._command += (b"MAXLEN", b"~", maxlen)
        self._encode = encode
        self._writing: Writing | None = None

    async def send(self, item: Any) -> None:
        """Add an entry; it is on its way when this returns, and there when the sink is closed.

        Waits while 1,000 entries are on their way. Several tasks may send at a time.

        Raises `TypeError` if the item is no mapping of str, bytes and numbers, and
        `RedisConnectionError` or `RedisRefusedError` for an entry before this one: the last 1,000
        at most may be there or not. Raises `anyio.ClosedResourceError` if the sink is closed
        meanwhile.
        """
        if self._encode is None:
            fields = flat("an item", item)
        else:
            fields = flat("the result of encode", self._encode(item))
        if self._writing is None:
            self._writing = Writing(self._connect, self._command, self._place)
        await self._writing.add(fields)

    async def aclose(self) -> None:
        """Wait until all entries are there, and close the connection.

        Raises as `send` does.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing.close()

    def __repr__(self) -> str:
        return f"sink({self._place.stream!r})"


class Writing:
    """The task of a sink, from its first entry on."""

    def __init__(self, connect: Connect, command: list[Any], place: StreamPlace) -> None:
        self.backend: Backend = backend()
        self.connect = connect
        self.command = command
        self.place = place
        self.entries: deque[Raw] = deque()
        self.sent: int = 0  # and not confirmed
        self.changed: AsyncEvent = self.backend.new_event()  # something is to be sent, or the end
        self.room: AsyncEvent = self.backend.new_event()
        self.done: AsyncEvent = self.backend.new_event()
        self.is_over: bool = False
        self.failure: BaseException | None = None
        self.scope: CancelScope = CancelScope()
        self.backend.start_alone(self.live)

    async def add(self, fields: Raw) -> None:
        await self.backend.checkpoint()
        while len(self.entries) + self.sent >= WINDOW and not self.done.is_set():
            if self.room.is_set():  # else others wait for it as well
                self.room = self.backend.new_event()
            await self.room.wait()
        self.unless_failed()
        if self.is_over:
            raise ClosedResourceError
        self.entries.append(fields)
        self.changed.set()

    async def close(self) -> None:
        self.is_over = True
        self.changed.set()
        try:
            await self.done.wait()
        finally:
            self.scope.cancel()
            await until(inf, self.done.wait, shield=True)
        self.unless_failed()

    def unless_failed(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def live(self) -> None:
        """The whole life of the task; it raises no error."""
        try:
            with self.scope:
                async with self.connect(1) as (link,):
                    while not (self.is_over and not self.entries):
                        await self.flush(link)
        except Exception as exc:
            self.failure = bare(exc)
        except self.backend.cancelled:
            self.failure = interrupted(self.place)
            raise
        finally:
            self.done.set()
            self.room.set()

    async def flush(self, link: Link) -> None:
        if not self.entries:
            self.changed = self.backend.new_event()
            await self.changed.wait()
        self.sent = len(self.entries)
        answers = [link.call(*self.command, b"*", *fields) for fields in self.entries]
        self.entries.clear()
        for answer in answers:
            await answer
        self.sent = 0
        self.room.set()


def sink(
    stream: str,
    *,
    maxlen: int | None = None,
    url: str = URL,
    encode: Callable[[Any], Any] | None = None,
) -> Sink:
    """What `into` sends to: a stream of the server, with an entry for each item.

    An item is a mapping of str, bytes and numbers, or what `encode` makes one of. About the newest
    `maxlen` entries are kept; None keeps all. Up to 1,000 entries are on their way at a time; all
    are there when `into` returns. `url` is as for `group`.

    A sink does not connect again: an entry of which no answer has come may be there already.

    Raises `TypeError` and `ValueError` for arguments of another kind, and `ImportError` without
    coredis (`pip install 'anystream[redis]'`).

    >>> from anystream import redis, ticker
    >>> async def fill(url, measure):
    ...     await ticker(1).map(measure).into(redis.sink("measurements", maxlen=100_000, url=url))
    """
    server = checked_server("redis.sink", url)
    place = StreamPlace(server.shown, checked_name("stream", stream))
    longest = checked_length(maxlen)
    if encode is not None:
        check.plain("encode", encode, " of an item")
    return Sink(server.connector(place), place, longest, encode)
