"""Streams over HTTP, with httpx or any client that has its face.

Needs `pip install 'anystream[http]'`, unless you pass a client of your own.
"""

from .._lines import RecordDataError, RecordError, RecordSizeError
from ._errors import (
    BodyCutError,
    BodyDataError,
    BodyError,
    BodyStatusError,
    BodyTypeError,
    CrossOriginNext,
    GraphQLError,
    ItemsNotFound,
    PageDataError,
    PageStatusError,
    PaginationError,
    PaginationLoop,
    RetryAfterError,
    SchemeNotFound,
    TruncatedPage,
)
from ._page import Header, Page
from ._paged import PageRun, PageStream
from ._pages import fetch_all_pages
from ._refusals import ErrorResponse
from ._schemes import (
    Cursor,
    GraphQL,
    HeaderCursor,
    LastItem,
    LinkHeader,
    NextURL,
    Offset,
    PageNumber,
)
from .bodies.events import Comment, Event
from .bodies.lines import json_seq, lines, ndjson
from .bodies.sse import sse

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
    "ItemsNotFound",
    "LastItem",
    "LinkHeader",
    "NextURL",
    "Offset",
    "Page",
    "PageDataError",
    "PageNumber",
    "PageRun",
    "PageStatusError",
    "PageStream",
    "PaginationError",
    "PaginationLoop",
    "RecordDataError",
    "RecordError",
    "RecordSizeError",
    "RetryAfterError",
    "SchemeNotFound",
    "TruncatedPage",
    "fetch_all_pages",
    "json_seq",
    "lines",
    "ndjson",
    "sse",
]
