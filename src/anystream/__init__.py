"""Streams for structured concurrency: the same on asyncio and on trio.

A map of the code: `_sources` begin a stream, `_stream` is its fluent interface, `_operators` change
it, `_terminals` end it and `_bridges` lead to threads and callbacks. Beneath them, `_core` is one
opening of a stream: its tasks, what sits between them, and how all of it is closed. `_records`
finds lines and JSON in bytes, for `net` and `http`.
`asgi`, `http`, `redis`, `testing`, `watch` and `_cli` stand beside; nothing imports them.
"""

from importlib import import_module as _import_module

TYPE_CHECKING = False  # checkers know the name; `typing` takes longer than all else here [import]
if TYPE_CHECKING:
    from ._bridges.from_callback import Push, from_callback
    from ._bridges.from_thread import from_thread
    from ._bridges.to_sync import to_sync
    from ._core.observing import ObservedRun, Observer, observe
    from ._core.run import Run
    from ._core.statistics import RunStatistics, StageStatistics
    from ._errors import (
        BlockingWarning,
        CleanupTimeoutError,
        EmptyStreamError,
        GeneratorWarning,
        NeedsTasksError,
        RemoteError,
        StreamBusyError,
        StreamClosedError,
        StreamConsumedError,
        StreamDeadlockError,
        StreamDepthError,
        StreamError,
        StreamInterruptedError,
        StreamOverflowError,
        WrongOrderError,
        WrongTaskError,
    )
    from ._retry import Retry
    from ._sources.builders import async_range, poll, stream, stream_data, ticker
    from ._sources.calls import calls
    from ._sources.joins import chain, combine_latest, merge, race
    from ._sources.joins import zip as zip
    from ._sources.producers import Sender, producer
    from ._sources.signals import signals
    from ._stream import Stream

del TYPE_CHECKING  # which is not a name of ours

__version__ = "0.1.0"

__all__ = [
    "BlockingWarning",
    "CleanupTimeoutError",
    "EmptyStreamError",
    "GeneratorWarning",
    "NeedsTasksError",
    "ObservedRun",
    "Observer",
    "Push",
    "RemoteError",
    "Retry",
    "Run",
    "RunStatistics",
    "Sender",
    "StageStatistics",
    "Stream",
    "StreamBusyError",
    "StreamClosedError",
    "StreamConsumedError",
    "StreamDeadlockError",
    "StreamDepthError",
    "StreamError",
    "StreamInterruptedError",
    "StreamOverflowError",
    "WrongOrderError",
    "WrongTaskError",
    "async_range",
    "calls",
    "chain",
    "combine_latest",
    "from_callback",
    "from_thread",
    "merge",
    "observe",
    "poll",
    "producer",
    "race",
    "signals",
    "stream",
    "stream_data",
    "ticker",
    "to_sync",
]  # and `zip`, which `from anystream import *` would put in the place of the builtin

_HOMES = {
    "_bridges.from_callback": ("Push", "from_callback"),
    "_bridges.from_thread": ("from_thread",),
    "_bridges.to_sync": ("to_sync",),
    "_core.observing": ("ObservedRun", "Observer", "observe"),
    "_core.run": ("Run",),
    "_core.statistics": ("RunStatistics", "StageStatistics"),
    "_retry": ("Retry",),
    "_sources.builders": ("async_range", "poll", "stream", "stream_data", "ticker"),
    "_sources.calls": ("calls",),
    "_sources.joins": ("chain", "combine_latest", "merge", "race", "zip"),
    "_sources.producers": ("Sender", "producer"),
    "_sources.signals": ("signals",),
    "_stream": ("Stream",),
}
"""Where the names are, but for the errors, which are in `_errors`."""


def __getattr__(name: str) -> object:
    """Import a name when it is asked for, as anyio does."""
    if name not in (*__all__, "zip"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "_errors")
    value: object = getattr(_import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "zip"})
