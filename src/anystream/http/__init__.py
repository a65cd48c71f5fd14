"""Streams over HTTP, with httpx or any client with the same interface.

Needs `pip install 'anystream[http]'`, unless you pass a client of your own.
"""

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
