"""The ways to leave a stream that has more to give."""

from typing import Any

import anyio


async def by_a_break(items: Any) -> None:
    async for _ in items:
        break


async def by_an_error(items: Any) -> None:
    await anext(items)
    raise ZeroDivisionError


async def by_a_cancellation(items: Any) -> None:
    await anext(items)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(items)


async def unread(items: Any) -> None:
    pass


WAYS = (by_a_break, by_an_error, by_a_cancellation, unread)
