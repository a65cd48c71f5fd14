"""What can be wrong with a page, with the way from one to the next, and with a body.

::

    StreamError
    ├── BodyError                has the `url`
    │   ├── BodyStatusError      the status is not the one of such a body
    │   ├── BodyTypeError        the content type is another one
    │   └── BodyDataError        it cannot be unpacked
    │       └── BodyCutError     it ends before its packing does
    └── PaginationError          has the `url` and the `page`
        ├── PageStatusError      the status is not one of success
        │   └── RetryAfterError  the server asks for a longer pause than is allowed
        ├── PageDataError        the body is not what it should be
        │   ├── TruncatedPage    it was cut short
        │   ├── PageSizeError    it is larger than is allowed
        │   ├── ItemsNotFound    no list of items is where one should be, or two may be meant
        │   └── GraphQLError     it holds errors instead of data
        ├── SchemeNotFound       there are more pages, but nothing says how to ask for them
        ├── PaginationLoop       the next page was asked for before, or brings nothing new
        └── CrossOriginNext      the next page is at another origin
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.siblings import add_notes
from .._errors import StreamError
from .._labels import visible, whole
from ._urls import safe

__all__ = [
    "BodyCutError",
    "BodyDataError",
    "BodyError",
    "BodyStatusError",
    "BodyTypeError",
    "CrossOriginNext",
    "ErrorResponse",
    "GraphQLError",
    "IncompleteWarning",
    "ItemsNotFound",
    "PageDataError",
    "PageSizeError",
    "PageStatusError",
    "PaginationError",
    "PaginationLoop",
    "RetryAfterError",
    "SchemeNotFound",
    "TruncatedPage",
]


LIMIT = 65_536
"""Bytes of a body that are kept."""

CHARSET = re.compile(
    r"charset=\"?((?:utf-?(?:8|16|32)|us-ascii|iso-8859-[0-9]+|windows-125[0-8]|shift_jis"
    r"|euc-(?:jp|kr)|gbk|gb2312|gb18030|big5|koi8-[ru]))\"?\s*(?:;|$)",
    re.IGNORECASE | re.ASCII,
)
"""The character sets that are decoded; Python knows others by which a text is not written."""


@dataclass(frozen=True)
class ErrorResponse:
    """A response that holds something else than what was asked for.

    Attributes:
        status: its status.
        headers: its headers, with names in lower case; several of one name stand in one value,
            with commas between them.
        body: the first 64 KiB of its body, unpacked.

    >>> from anystream.http import ErrorResponse
    >>> response = ErrorResponse(429, {"retry-after": "5"}, b'{"error": "slow down"}')
    >>> response.text
    '{"error": "slow down"}'
    """

    __module__ = "anystream.http"

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text, with U+FFFD in the place of bad bytes."""
        charset = CHARSET.search(self.headers.get("content-type", ""))
        return self.body.decode(charset[1] if charset else "utf-8", "replace")


MOST = 2000
"""Characters of a problem that a message may have: a server may send a very long text."""


class PaginationError(StreamError):
    """A page could not be had.

    `url` is its URL without credentials, `page` its number, and `response` what the server has
    answered, if it has: its status, its headers and the first 64 KiB of its body.
    """

    def __init__(self, problem: str, where: Any, page: int) -> None:
        self.url: str = safe(str(getattr(where, "url", where)))
        self.page = page
        self.response: ErrorResponse | None = seen(where)
        text = problem if len(problem) <= MOST else f"{problem[: MOST - 3]}..."
        super().__init__(visible(f"page {page} of {shortened(self.url)}: {text}"))


class PageStatusError(PaginationError):
    """The server answered with a `status` that is not one of success.

    `retry_after` is the pause that it asks for, in seconds, or None; `limited` says whether the
    headers tell of a rate limit that is used up.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        where: Any,
        page: int,
        *,
        retry_after: float | None = None,
        limited: bool = False,
        response: ErrorResponse | None = None,
        more: str = "",
    ) -> None:
        super().__init__(f"status {status} {reason}".rstrip() + more, where, page)
        self.status = status
        self.retry_after = retry_after
        self.limited = limited
        self.response = response


class RetryAfterError(PageStatusError):
    """The server asks for a longer pause than `max_retry_after`; no shorter one was tried."""


class PageDataError(PaginationError):
    """The body is not JSON, says that something went wrong, or lacks what the scheme needs."""


class TruncatedPage(PageDataError):
    """The body was cut short: what there is could be the beginning of a JSON document."""


class PageSizeError(PageDataError):
    """The body, unpacked, is larger than `max_page_bytes`."""


class ItemsNotFound(PageDataError):
    """There is no list of items where one should be, or there are several that could be meant."""


class GraphQLError(PageDataError):
    """The response holds GraphQL errors. `errors` is their list, as the server has sent it."""

    def __init__(self, errors: object, where: Any, page: int) -> None:
        super().__init__(f"GraphQL errors: {whole(errors)}", where, page)
        self.errors = errors


class SchemeNotFound(PaginationError):
    """There may be more pages, but the response does not tell how to get them."""


class PaginationLoop(PaginationError):
    """The next page is one that this run has asked for before, or brings nothing new."""


class CrossOriginNext(PaginationError):
    """The next page is at another origin, which `allow_origins` does not name."""


class IncompleteWarning(UserWarning):
    """At the end of a run the server has told of more items than have come.

    The API may give no more than a part of them, or count something else.

    >>> import warnings
    >>> from anystream.http import IncompleteWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", IncompleteWarning)  # to be sure that nothing is missing
    """


class BodyError(StreamError):
    """The body of a response cannot be read. `url` is where it comes from, without a password."""

    def __init__(self, problem: str, url: str) -> None:
        super().__init__(f"{url}: {problem}")
        self.url = url


class BodyStatusError(BodyError):
    """The server answered with a `status` that comes with no such body.

    `response` is what it answered, an `ErrorResponse`, and `retry_after` the pause that it asks for
    by its headers, in seconds; both may be None.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        url: str,
        *,
        said: str = "",
        hint: str = "",
        retry_after: float | None = None,
        response: ErrorResponse | None = None,
    ) -> None:
        problem = f"status {status} {reason}".rstrip()
        problem = f"{problem}: {said}" if said else problem
        super().__init__(f"{problem}; {hint}" if hint else problem, url)
        self.status = status
        self.retry_after = retry_after
        self.response = response


class BodyTypeError(BodyError):
    """The body is of another content type. `response` is what there was, an `ErrorResponse`."""

    def __init__(self, problem: str, url: str, *, response: ErrorResponse | None = None) -> None:
        super().__init__(problem, url)
        self.response = response


class BodyDataError(BodyError):
    """The body is packed, and cannot be unpacked."""


class BodyCutError(BodyDataError):
    """The body is packed, and ends before its packing does: the rest of it is missing."""


def is_named(error: BaseException, *names: str) -> bool:
    """Whether a client has raised this: the classes themselves are nobody's to import here."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def is_of_the_connection(error: Exception) -> bool:
    """Whether the connection is to blame, and not the request or the program."""
    return is_named(error, "TransportError") and not is_named(
        error, "UnsupportedProtocol", "LocalProtocolError"
    )


def seen(response: Any) -> ErrorResponse | None:
    """What an error keeps of a response that has been read."""
    if not getattr(response, "is_stream_consumed", False):
        return None
    return answer(response, response.content)


def answer(response: Any, body: bytes | bytearray) -> ErrorResponse:
    """What there is of a response, with as much of its body as is kept."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return ErrorResponse(response.status_code, headers, bytes(body[:LIMIT]))


def shortened(url: str, most: int = 500) -> str:
    return url if len(url) <= most else f"{url[: most - 3]}..."


def told(error: Exception, url: object, page: int) -> Exception:
    """An error of the client, with the page that it is about."""
    if is_named(error, "InvalidURL"):
        return PageDataError(f"its URL is not valid ({error})", url, page)
    if isinstance(error, UnicodeEncodeError):  # a cursor with half of a surrogate pair, say
        part = error.object[error.start : error.end]
        return PageDataError(f"its request cannot be sent, since it contains {part!a}", url, page)
    if not isinstance(error, StreamError):
        add_notes(error, f"while fetching page {page} of {safe(str(url))}")
    return error


for name in __all__:  # so that a traceback shows where to import an error from
    globals()[name].__module__ = "anystream.http"
