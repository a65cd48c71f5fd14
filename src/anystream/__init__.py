"""Streams for structured concurrency: the same on asyncio and on trio.

A map of the code: `_sources` and `_joins` make a stream, `_stream` is its fluent face,
`_operators` change it, `_sinks` end it and `_bridges` lead to threads and callbacks. Beneath,
`_run` is one opening of a stream, with `_mailbox` between its tasks and `_reader` at its end, and
`_batches` is the step that it is made of, over `_origins` and `_steps`.
`http`, `testing` and `_cli` stand beside; nothing imports them.
"""

from ._bridges.from_callback import Push, from_callback
from ._bridges.from_thread import from_thread
from ._bridges.to_sync import to_sync
from ._errors import (
    CleanupTimeoutError,
    EmptyStreamError,
    NeedsTasksError,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamDeadlockError,
    StreamError,
    StreamInterruptedError,
    StreamOverflowError,
    WrongTaskError,
)
from ._joins import chain, combine_latest, merge, race, zip
from ._reader import Run
from ._retry import Retry
from ._sources import async_range, poll, stream, stream_data, ticker
from ._stream import Stream

__version__ = "0.1.0"

__all__ = [
    "CleanupTimeoutError",
    "EmptyStreamError",
    "NeedsTasksError",
    "Push",
    "Retry",
    "Run",
    "Stream",
    "StreamBusyError",
    "StreamClosedError",
    "StreamConsumedError",
    "StreamDeadlockError",
    "StreamError",
    "StreamInterruptedError",
    "StreamOverflowError",
    "WrongTaskError",
    "async_range",
    "chain",
    "combine_latest",
    "from_callback",
    "from_thread",
    "merge",
    "poll",
    "race",
    "stream",
    "stream_data",
    "ticker",
    "to_sync",
    "zip",
]
