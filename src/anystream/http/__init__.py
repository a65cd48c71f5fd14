"""Streams over HTTP, with httpx or any client with the same interface.

Needs `pip install 'anystream[http]'`, unless you pass a client of your own.
"""

from importlib import import_module as _import_module

TYPE_CHECKING = False  # as in the package itself
if TYPE_CHECKING:
    from .._records.lines import RecordDataError, RecordError, RecordSizeError
    from ._errors import (
        BodyCutError,
        BodyDataError,
        BodyError,
        BodyStatusError,
        BodyTypeError,
        CrossOriginNext,
        ErrorResponse,
        GraphQLError,
        IncompleteWarning,
        ItemsNotFound,
        PageDataError,
        PageSizeError,
        PageStatusError,
        PaginationError,
        PaginationLoop,
        RetryAfterError,
        SchemeNotFound,
        TruncatedPage,
    )
    from .bodies.events import Comment, Event
    from .bodies.lines import json_seq, lines, ndjson
    from .bodies.sse import sse
    from .pages.fetch_all import fetch_all_pages
    from .pages.page import Header, Page, Step
    from .pages.schemes import (
        Cursor,
        GraphQL,
        HeaderCursor,
        LastItem,
        LinkHeader,
        NextParams,
        NextURL,
        Offset,
        PageNumber,
        Scheme,
    )
    from .pages.stream import PageRun, PageStream

del TYPE_CHECKING

__all__ = [
    "BodyCutError",
    "BodyDataError",
    "BodyError",
    "BodyStatusError",
    "BodyTypeError",
    "Comment",
    "CrossOriginNext",
    "Cursor",
    "ErrorResponse",
    "Event",
    "GraphQL",
    "GraphQLError",
    "Header",
    "HeaderCursor",
    "IncompleteWarning",
    "ItemsNotFound",
    "LastItem",
    "LinkHeader",
    "NextParams",
    "NextURL",
    "Offset",
    "Page",
    "PageDataError",
    "PageNumber",
    "PageRun",
    "PageSizeError",
    "PageStatusError",
    "PageStream",
    "PaginationError",
    "PaginationLoop",
    "RecordDataError",
    "RecordError",
    "RecordSizeError",
    "RetryAfterError",
    "Scheme",
    "SchemeNotFound",
    "Step",
    "TruncatedPage",
    "fetch_all_pages",
    "json_seq",
    "lines",
    "ndjson",
    "sse",
]

_HOMES = {
    ".._records.lines": ("RecordDataError", "RecordError", "RecordSizeError"),
    ".bodies.events": ("Comment", "Event"),
    ".bodies.lines": ("json_seq", "lines", "ndjson"),
    ".bodies.sse": ("sse",),
    ".pages.fetch_all": ("fetch_all_pages",),
    ".pages.page": ("Header", "Page", "Step"),
    ".pages.schemes": (
        *("Cursor", "GraphQL", "HeaderCursor", "LastItem", "LinkHeader", "NextParams", "NextURL"),
        *("Offset", "PageNumber", "Scheme"),
    ),
    ".pages.stream": ("PageRun", "PageStream"),
}
"""Where the names are, but for the errors, which are in `_errors`."""


def __getattr__(name: str) -> object:
    """Import a name when it is asked for: who reads pages needs no events, and begins sooner."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "._errors")
    value: object = getattr(_import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
