"""What a user's code infers of `anystream.redis`.

Checked by pyright and mypy, never run. A line with an ignore must fail: both report an ignore that
is not needed.
"""

from collections.abc import Mapping
from typing import assert_type

from anystream import Stream, StreamError, async_range
from anystream.redis import (
    GroupStream,
    Lag,
    Message,
    RedisConnectionError,
    RedisError,
    RedisRefusedError,
    Sink,
    ack,
    group,
    sink,
)


def number_of(fields: dict[bytes, bytes]) -> int:
    return int(fields[b"n"])


async def save(order: dict[str, str]) -> None: ...


async def convert(number: int) -> dict[str, int]:
    return {"n": number}


async def wrong(order: bytes) -> None: ...


async def check() -> None:
    orders = assert_type(group("orders", group="billing"), GroupStream[dict[str, str]])
    numbers = assert_type(group("orders", group="g", decode=number_of), GroupStream[int])
    assert_type(numbers.take_until(3), GroupStream[int])
    assert_type(numbers.batched(3), Stream[tuple[Message[int], ...]])

    assert_type(await orders.handle(save, concurrency=8), None)
    assert_type(await numbers.handle(convert, into="invoices", on_error="raise"), None)
    await orders.handle(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    async with numbers as messages:
        async for message in messages:
            assert_type(message, Message[int])
            assert_type(message.value, int)
            assert_type(message.id, str)
            assert_type(message.attempt, int)
            assert_type(message.ack(), None)
            assert_type(message.release(after=1), None)
            assert_type(ack(message), None)
    assert_type(await numbers.batched(500, within=0.2).for_each(ack), None)

    lag = assert_type(await orders.lag(), Lag)
    assert_type(lag.behind, int | None)
    assert_type(lag.consumers, Mapping[str, int])

    target = assert_type(sink("orders", maxlen=100), Sink)
    assert_type(await target.send({"a": 1}), None)
    assert_type(await target.aclose(), None)
    await async_range(3).map(lambda n: {"n": n}).into(target)

    error: StreamError = RedisError("no", "orders")
    error = RedisConnectionError("no", "orders", "billing")
    error = RedisRefusedError("no", "orders", "billing")
    assert_type(error, RedisRefusedError)
