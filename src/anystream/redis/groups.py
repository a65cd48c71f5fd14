"""`group`: the messages of a consumer group as a stream, and what is done with them."""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, overload

from anyio import sleep_forever

from .. import _args as check
from .. import _labels as label
from .._core.driver import resolved
from .._operators.calls import unless_unread
from .._recipe import Recipe, named_call, named_call_showing
from .._retry import Retry, checked_retry
from .._sources.calls import calls
from .._stream import Stream
from .consumers import Consumer
from .errors import RedisRefusedError, StreamPlace
from .links import Link, checked_server
from .messages import Message, Raw, flat, texts
from .plans import AT_ONCE, RELEASED, GroupPlan
from .scripts import MOST

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

URL = "redis://localhost:6379"
FIRST = 0.5
"""Seconds of the longest first pause before a connection is made again, if no policy is given."""

OnError: TypeAlias = Literal["release", "raise"] | Callable[[Exception, Message[Any]], Any]


class AnEvent(Protocol):
    """An event, such as `anyio.Event`."""

    def is_set(self) -> bool: ...
    def wait(self) -> Awaitable[object]: ...


@dataclass(frozen=True)
class Lag:
    """How far a group is behind.

    Attributes:
        behind: how many entries were not delivered to the group yet; None if the server does not
            know it, as after entries in the middle were deleted, or before Redis 7.
        pending: how many were delivered and are not acknowledged.
        released: how many of these were given back, and wait for a consumer.
        consumers: how many each consumer has.
        oldest: seconds since the oldest of the pending ones was added; 0 if there are none.

    >>> from anystream.redis import Lag
    >>> print(Lag(behind=1200, pending=64, released=0, consumers={"a": 64}, oldest=3.2).pending)
    64
    """

    behind: int | None
    pending: int
    released: int
    consumers: Mapping[str, int]
    oldest: float


class GroupStream(Stream[Message[T_co]]):
    """The messages of a consumer group, as `group` gives them.

    A `Stream` with three things more: `handle`, which acknowledges, `lag`, and a `take_until` that
    lets what is being handled come to its end. Its operators give ordinary streams.

    >>> from anystream import redis
    >>> async def work(url, charge):
    ...     orders = redis.group("orders", group="billing", url=url)
    ...     print(await orders.lag())
    ...     await orders.handle(charge, concurrency=8)
    """

    __slots__ = ("_plan",)

    def __init__(self, plan: GroupPlan, before: object = None) -> None:
        super().__init__(Recipe(partial(Consumer, plan), None, label.Label(before), tasks=True))
        self._plan = plan

    @named_call
    def take_until(
        self, trigger: float | AnEvent | Awaitable[object] | AsyncIterable[object]
    ) -> "GroupStream[T_co]":
        """The messages that come before the trigger does; what is in hand then may be finished.

        At the trigger nothing more is read, and what nobody has begun to handle is given back:
        another consumer has it at once. The leases are kept and acknowledgements are told until
        all is settled, also behind a buffer, or the run is closed.

        `trigger` is as for `Stream.take_until`, and so is what is raised.

        >>> from signal import SIGTERM
        >>> from anystream import redis, signals
        >>> async def work(url, charge):
        ...     orders = redis.group("orders", group="billing", url=url)
        ...     await orders.take_until(signals(SIGTERM)).handle(charge, concurrency=8)
        """
        until = calls(sleep_forever).take_until(trigger)
        return GroupStream(replace(self._plan, until=until), self._recipe.text)

    async def handle(
        self,
        fn: Callable[[T_co], Any],
        *,
        concurrency: int = 1,
        on_error: OnError = "release",
        into: str | None = None,
        maxlen: int | None = None,
    ) -> None:
        """Call `fn` with the value of each message, and acknowledge those for which it returns.

        `fn` is plain or async; a plain one runs in the event loop. At most `concurrency` calls run
        at a time.

        With `into`, what `fn` returns is the entry of another stream of the same server: a mapping
        of str, bytes or numbers, or None for no entry. The entry and the acknowledgement are one
        step of the server, so each message has one result, however often `fn` is called with it.
        `maxlen` is about how many entries that stream keeps.

        What happens after an `Exception` of `fn` is `on_error`: with "release" the message is given
        back and comes again after the lease, at most `attempts` times, and then it is an entry of
        `dead`. With "raise" the error ends the stream. A function is called with the error and the
        message, and may acknowledge or release it; otherwise it is as with "release".

        A message may be handled more than once: after a crash, after a connection that was lost for
        longer than the lease, and after an error. A cancellation gives back what was not handled.

        Raises `TypeError` and `ValueError` for arguments of another kind, and what a step of the
        stream raises, as `group` says. It returns when the stream ends, as `take_until` does it.

        >>> from anystream import redis
        >>> async def convert(order):
        ...     return {"total": order["total"]}
        >>> async def work(url):
        ...     orders = redis.group("orders", group="billing", url=url)
        ...     await orders.handle(convert, concurrency=8, into="invoices")
        """
        check.called_function("fn", fn)
        check.integer("concurrency", concurrency, 1)
        if callable(on_error):
            check.called_function("on_error", on_error, "")
        else:
            check.choice("on_error", on_error, ("release", "raise"))
        target = None if into is None else checked_name("into", into)
        longest = checked_length(maxlen)
        if maxlen is not None and into is None:
            raise TypeError(f"maxlen needs into, got maxlen={label.whole(maxlen)} alone")
        one = Handler(fn, on_error, target, longest)
        await self.map(one, concurrency=concurrency, ordered=False).drain()

    async def lag(self) -> Lag:
        """How far the group is behind, asked of the server now, by a connection of its own.

        Raises `RedisConnectionError` and `RedisRefusedError`; the latter also if there is no such
        stream or group yet.

        >>> from anystream import redis
        >>> async def look(url):
        ...     print((await redis.group("orders", group="billing", url=url).lag()).behind)
        """
        async with self._plan.connect(1) as (link,):
            return await asked(link, self._plan)


class Handler:
    """One call for each message, and what becomes of it."""

    def __init__(
        self, fn: Callable[[Any], Any], on_error: OnError, into: str | None, maxlen: int | None
    ) -> None:
        self.fn = fn
        self.on_error = on_error
        self.into = into
        self.maxlen = maxlen
        self.__qualname__: str = label.value(fn)  # for `explain` and errors

    async def __call__(self, message: Message[Any]) -> None:
        try:
            fields = await self.result(message)
        except Exception as error:
            if self.on_error == "raise":
                raise
            await self.failed(message, error)
        else:
            if fields is None or self.into is None:
                message.ack()
            else:
                message.source.publish(message, fields, self.into, self.maxlen)

    async def result(self, message: Message[Any]) -> Raw | None:
        made = await resolved(self.fn(message.value))
        unless_unread(made, self.fn)
        if made is None or self.into is None:
            return None
        fields = flat("the result of fn", made)
        if len(fields) > MOST:
            raise ValueError(
                f"the result of fn must have at most {MOST // 2} fields, got {len(fields) // 2}"
            )
        return fields

    async def failed(self, message: Message[Any], error: Exception) -> None:
        if callable(self.on_error):
            await resolved(self.on_error(error, message))
        message.source.has_failed(message, error)


@overload
def group(
    stream: str,
    *,
    group: str,
    consumer: str | None = None,
    url: str = URL,
    prefetch: int = 100,
    lease: float = 30.0,
    attempts: int | None = 5,
    dead: str | None = None,
    start: str = "0",
    decode: None = None,
    retry: Retry | None = None,
) -> GroupStream[dict[str, str]]: ...
@overload
def group(
    stream: str,
    *,
    group: str,
    consumer: str | None = None,
    url: str = URL,
    prefetch: int = 100,
    lease: float = 30.0,
    attempts: int | None = 5,
    dead: str | None = None,
    start: str = "0",
    decode: Callable[[dict[bytes, bytes]], T],
    retry: Retry | None = None,
) -> GroupStream[T]: ...
@named_call_showing("stream", "group", "consumer")
def group(
    stream: str,
    *,
    group: str,
    consumer: str | None = None,
    url: str = URL,
    prefetch: int = 100,
    lease: float = 30.0,
    attempts: int | None = 5,
    dead: str | None = None,
    start: str = "0",
    decode: Callable[[dict[bytes, bytes]], Any] | None = None,
    retry: Retry | None = None,
) -> GroupStream[Any]:
    """The messages of a consumer group of Redis Streams, each to be acknowledged when handled.

    Each message comes to one of the consumers of the group, wherever they run. It comes again, to
    any of them, if it is not acknowledged: nothing is lost when a process is killed. `handle` calls
    a function for each and acknowledges; otherwise call `message.ack()`, or `redis.ack` behind
    operators. Nothing acknowledges a message because it was read.

    Args:
        stream: the key of the stream. It is made, with the group, if it is not there.
        group: the name of the group.
        consumer: a name that no other process has at the same time, such as that of a pod in a
            StatefulSet. After a crash the same name goes on at once with what it had. None is a new
            name for each run, whose messages others take over after the lease.
        url: `redis://user:password@host:port/db`, `rediss://` for TLS, or `unix://path`.
        prefetch: how many messages a run may hold that are not acknowledged. A larger batch never
            fills.
        lease: seconds that a message stays with its consumer without a word from it, at most a
            day. It is renewed for as long as the process and the connection live, so a call may
            take longer.
        attempts: how often a message is delivered, at most; None is without end. A run has one
            message at a time in its last attempt, so that of those that waited in a process that
            was killed only the one that has killed it is dead.
        dead: the stream for those that were tried so often, `stream` with `:dead` behind it if
            None. An entry has the fields of the message and `dead:stream`, `dead:group`, `dead:id`,
            `dead:attempts` and, if a handler has failed last, `dead:error`. It cannot be `stream`.
        start: where a group that is made here begins: "0" with all that is there, "$" with what
            comes from now on, or behind an id.
        decode: makes the value of a message of its fields, which are bytes; by default it is a
            dictionary of str.
        retry: the pauses before a connection that was lost is made again. By default it is tried
            without end, after half a second at most at first, and a third of the lease later.

    A run has a task and two connections of its own, so the stream needs `async with` or a terminal
    call. A cancelled step may be repeated, and loses nothing. Closing tells the server what is
    acknowledged, and gives the rest back to the group.

    The stream needs a server of 6.2 or later, and coredis (`pip install 'anystream[redis]'`). It
    is endless: `take_until` ends it in order.

    Raises `TypeError` and `ValueError` for arguments of another kind, and `ImportError` without
    coredis. A step raises `RedisConnectionError` if the first connection cannot be made, or none
    any more that `retry` allows, and `RedisRefusedError` if the server refuses a command. Closing
    raises `RedisConnectionError` if messages were acknowledged and no connection can be made to say
    so; they come again.

    >>> from anystream import redis
    >>> async def work(url, charge):
    ...     orders = redis.group("orders", group="billing", url=url, prefetch=100, lease=30)
    ...     await orders.handle(charge, concurrency=8)
    """
    server = checked_server("redis.group", url)
    stream = checked_name("stream", stream)
    group = checked_name("group", group)
    start = checked_name("start", start)
    consumer = None if consumer is None else checked_name("consumer", consumer)
    dead = f"{stream}:dead" if dead is None else checked_name("dead", dead)
    if consumer == RELEASED:
        raise ValueError(f"consumer must not be {RELEASED!r}, which has what was given back")
    if dead == stream:
        raise ValueError(
            f"dead must be another stream, or its entries come again, got {label.whole(dead)}"
        )
    if decode is not None:
        check.plain("decode", decode, " of the fields")
    policy = checked_retry(retry)
    seconds = checked_lease(lease)
    place = StreamPlace(server.shown, stream, group)
    return GroupStream(
        GroupPlan(
            place=place,
            connect=server.connector(place),
            stream=stream,
            group=group,
            consumer=consumer,
            prefetch=check.integer("prefetch", prefetch, 1),
            lease=seconds,
            attempts=None if attempts is None else check.integer("attempts", attempts, 1),
            dead=dead,
            start=start,
            decode=texts if decode is None else decode,
            retry=policy or Retry(times=None, first=min(FIRST, seconds / 12), cap=seconds / 3),
        )
    )


def checked_name(name: str, value: Any) -> str:
    """`value` as a plain `str`: the text of a member of an enum is that of its name."""
    check.text(name, value)
    if not value:
        raise ValueError(f"{name} must not be empty")
    return str.__str__(value)


def checked_length(maxlen: Any) -> int | None:
    return None if maxlen is None else check.integer("maxlen", maxlen, 1)


def checked_lease(lease: Any) -> float:
    seconds = check.seconds("lease", lease, zero=False)
    if not 1 <= seconds * 1000 <= AT_ONCE:
        longest = AT_ONCE // 1000
        raise ValueError(
            f"lease must be between 0.001 and {longest:,} seconds, got {label.whole(lease)}"
        )
    return seconds


async def asked(link: Link, plan: GroupPlan) -> Lag:
    groups = await link.call(b"XINFO", b"GROUPS", plan.stream)
    lags = {each[b"name"].decode(): each.get(b"lag") for each in groups}
    if plan.group not in lags:
        raise RedisRefusedError(f"{plan.place}: there is no such group", plan.stream, plan.group)
    pending, oldest, _, consumers = await link.call(b"XPENDING", plan.stream, plan.group)
    seconds, micros = await link.call(b"TIME")
    held = {name.decode(): int(number) for name, number in consumers or ()}
    released = held.pop(RELEASED, 0)
    added = int(oldest.partition(b"-")[0]) / 1000 if oldest is not None else None
    now = int(seconds) + int(micros) / 1e6
    age = 0.0 if added is None else max(0.0, now - added)
    return Lag(lags[plan.group], pending, released, held, age)
