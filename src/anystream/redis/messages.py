"""A message, what it is acknowledged with, and the fields of an entry."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Generic, Protocol, TypeVar, cast

from .. import _args as check
from .. import _labels as label
from .._core.contracts import MISSING
from .._core.siblings import add_notes
from .._errors import StreamClosedError

T_co = TypeVar("T_co", covariant=True)

Raw = Sequence[bytes]
"""The fields and values of an entry, by turns."""


class Handling(IntEnum):
    """What has become of a message here."""

    WAITING = 0  # to be read
    HANDED = 1  # to the user
    SETTLED = 2  # acknowledged or given back
    LOST = 3  # to another consumer, while this one could not renew it


WAITING, HANDED, SETTLED, LOST = Handling


class Settles(Protocol):
    """What messages come from."""

    def acknowledge(self, message: "Message[Any]") -> None: ...
    def give_back(self, message: "Message[Any]", after: float) -> None: ...
    def has_failed(self, message: "Message[Any]", error: Exception) -> None: ...
    def publish(
        self, message: "Message[Any]", fields: Raw, target: str, longest: int | None
    ) -> None: ...


class Message(Generic[T_co]):
    """A message of a consumer group, to be acknowledged when it has been handled.

    Attributes:
        id: that of the server, which stays the same however often the message comes: the key by
            which a write elsewhere can be made once.
        attempt: how often the message was delivered, 1 at the first time.

    >>> from anystream import redis
    >>> async def work(url):
    ...     async with redis.group("orders", group="billing", url=url) as messages:
    ...         async for message in messages:
    ...             print(message.id, message.attempt, message.value)
    ...             message.ack()
    """

    __slots__ = ("_decode", "_value", "attempt", "id", "raw", "source", "state")

    def __init__(
        self,
        id: str,
        attempt: int,
        raw: Raw,
        decode: Callable[[dict[bytes, bytes]], T_co],
        source: Settles,
    ) -> None:
        self.id: str = id
        self.attempt: int = attempt
        self.state: Handling = WAITING
        self.raw: Raw = raw
        self.source: Settles = source
        self._decode: Callable[[dict[bytes, bytes]], T_co] = decode
        self._value: Any = MISSING

    @property
    def value(self) -> T_co:
        """What `decode` makes of the fields, when it is asked for first.

        Raises what `decode` raises.
        """
        if self._value is MISSING:
            try:
                self._value = self._decode(dict(pairs(self.raw)))
            except Exception as error:
                add_notes(error, f"the fields of message {self.id} could not be decoded")
                raise
        return cast("T_co", self._value)

    def ack(self) -> None:
        """It is handled: the server is told with the next commands, within 20 ms.

        The first `ack` or `release` counts, and later ones do nothing.

        Raises `StreamClosedError` if the stream has been closed before: the message was given back
        then.
        """
        self.source.acknowledge(self)

    def release(self, after: float = 0.0) -> None:
        """It is not handled: any consumer may have it `after` seconds from now, at most `lease`.

        The delivery counts as an attempt.

        Raises `ValueError` if `after` is negative or longer than the lease, and
        `StreamClosedError` as `ack` does.
        """
        self.source.give_back(self, after)

    def __repr__(self) -> str:
        return f"Message({self.id!r}, attempt={self.attempt})"


def ack(messages: Message[Any] | Iterable[Message[Any]]) -> None:
    """Acknowledge a message, or all of a batch of them.

    It costs nothing: the server is told with the next commands.

    >>> from anystream import redis
    >>> async def write(url):
    ...     orders = redis.group("orders", group="archive", url=url)
    ...     await orders.batched(100, within=0.2).tap(print).for_each(redis.ack)
    """
    if isinstance(messages, Message):
        messages.ack()
        return
    check.iterable("messages", messages)
    for message in messages:
        if not isinstance(cast("object", message), Message):
            raise TypeError(f"messages must be of a consumer group, got {label.whole(message)}")
        message.ack()


def unless_closed(message: Message[Any], closed: bool) -> None:
    """Raise if the stream that a message is from has been closed."""
    if closed:
        raise StreamClosedError(
            f"{message!r} was given back when its stream was closed, and is another consumer's;"
            " acknowledge it before"
        )


def pairs(raw: Raw) -> Iterable[tuple[bytes, bytes]]:
    each = iter(raw)
    return zip(each, each, strict=True)


def texts(fields: dict[bytes, bytes]) -> dict[str, str]:
    """The fields as text; each must be UTF-8."""
    return {name.decode(): value.decode() for name, value in fields.items()}


def flat(name: str, item: Any) -> Raw:
    """The fields of an entry out of a mapping, for the server."""
    if not isinstance(item, Mapping) or not item:
        raise TypeError(
            f"{name} must be a mapping with at least one field, got {label.value(item)}"
        )
    found: list[bytes] = []
    for field, value in cast("Any", item).items():
        found += (as_bytes(name, field), as_bytes(name, value))
    return found


def as_bytes(name: str, value: Any) -> bytes:
    """A number of a class of its own, such as an enum's or NumPy's, is written as a plain one."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", value))
    if isinstance(value, str):
        return str.encode(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value).encode()
    if isinstance(value, float):
        return float.__repr__(value).encode()
    raise TypeError(
        f"{name} must have fields of str, bytes, int or float, got {label.value(value)};"
        " write others as JSON"
    )
