"""What a consumer group is read by: the arguments, checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._retry import Retry
from .._stream import Stream
from .errors import StreamPlace
from .links import Connect

RELEASED = "anystream:released"
"""The consumer that messages belong to which were given back."""

AT_ONCE = 86_400_000
"""Milliseconds that a message counts as idle which is to be claimed at once, with any lease."""


@dataclass(frozen=True)
class GroupPlan:
    """How one stream and group is read; `consumer` is None for a name of its own in each run."""

    place: StreamPlace
    connect: Connect
    stream: str
    group: str
    consumer: str | None
    prefetch: int
    lease: float
    attempts: int | None
    dead: str
    start: str
    decode: Callable[[dict[bytes, bytes]], Any]
    retry: Retry
    until: Stream[None] | None = None

    @property
    def lease_ms(self) -> int:
        return round(self.lease * 1000)

    @property
    def most_attempts(self) -> int:
        return 0 if self.attempts is None else self.attempts

    @property
    def patience(self) -> float:
        """Seconds for an answer that does not wait for messages."""
        return max(0.5, min(5.0, self.lease / 3))
