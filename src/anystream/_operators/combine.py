"""Operators that join streams: chain."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .._batches import Recipe, Source, opened
from .._run import Host


class Chain:
    """Sources one after the other; each is closed when it has ended, before the next one starts."""

    def __init__(self, parts: list[Source], host: Host) -> None:
        self.parts = parts
        self.host = host
        self.closes = any(part.closes for part in parts)

    @property
    def holds(self) -> bool:
        return any(part.holds for part in self.parts)

    @property
    def busy(self) -> bool:
        return any(part.busy for part in self.parts)

    async def batch(self) -> Iterator[Any] | None:
        while self.parts:
            batch = await self.parts[0].batch()
            if batch is not None:
                return batch
            await self.host.finish(self.parts.pop(0))
        return None

    async def close(self, host: Host) -> None:
        for part in reversed(self.parts):
            await part.close(host)


def chained(streams: Sequence[Recipe]) -> Callable[[Host], Source]:
    return lambda host: Chain([opened(stream, host) for stream in streams], host)
