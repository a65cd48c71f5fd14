"""Consumer groups of Redis Streams: a stream of messages, acknowledged when they are handled.

`groups` has the stream that users make, and `consumers` one opening of it: the task that reads,
renews leases and claims what others have left. `messages` is what it gives, `scripts` what the
server runs in one step, `links` the client's connections, and `sinks` the way into a stream.
"""

from .errors import RedisConnectionError, RedisError, RedisRefusedError
from .groups import GroupStream, Lag, group
from .messages import Message, ack
from .sinks import Sink, sink

__all__ = [
    "GroupStream",
    "Lag",
    "Message",
    "RedisConnectionError",
    "RedisError",
    "RedisRefusedError",
    "Sink",
    "ack",
    "group",
    "sink",
]
