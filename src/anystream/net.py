"""Lines and JSON documents out of every source of bytes: sockets, files, the output of processes.

`anystream.http` has the same for the bodies of responses.
"""

from ._records.chunks import ProcessExitError
from ._records.lines import RecordDataError, RecordError, RecordSizeError
from ._sources.records import json_seq, lines, ndjson

__all__ = [
    "ProcessExitError",
    "RecordDataError",
    "RecordError",
    "RecordSizeError",
    "json_seq",
    "lines",
    "ndjson",
]
