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
        │   ├── ItemsNotFound    no list of items is where one should be, or two may be meant
        │   └── GraphQLError     it holds errors instead of data
        ├── SchemeNotFound       there are more pages, but nothing says how to ask for them
        ├── PaginationLoop       the next page is one that was asked for before
        └── CrossOriginNext      the next page is at another origin
"""

from typing import TYPE_CHECKING

from .._errors import StreamError
from ._urls import safe

if TYPE_CHECKING:
    from ._refusals import ErrorResponse

__all__ = [
    "BodyCutError",
    "BodyDataError",
    "BodyError",
    "BodyStatusError",
    "BodyTypeError",
    "CrossOriginNext",
    "GraphQLError",
    "ItemsNotFound",
    "PageDataError",
    "PageStatusError",
    "PaginationError",
    "PaginationLoop",
    "RetryAfterError",
    "SchemeNotFound",
    "TruncatedPage",
]


class PaginationError(StreamError):
    """A page could not be had. `url` is its URL without credentials, `page` its number."""

    def __init__(self, problem: str, url: object, page: int) -> None:
        self.url: str = safe(str(url))
        self.page = page
        super().__init__(f"page {page} of {self.url}: {problem}")


class PageStatusError(PaginationError):
    """The server answered with a `status` that is not one of success.

    `retry_after` is the pause that it asks for, in seconds, or None; `limited` says whether the
    headers tell of a rate limit that is used up.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        url: object,
        page: int,
        *,
        retry_after: float | None = None,
        limited: bool = False,
    ) -> None:
        super().__init__(self._problem(f"status {status} {reason}".rstrip()), url, page)
        self.status = status
        self.retry_after = retry_after
        self.limited = limited

    def _problem(self, status: str) -> str:
        return status


class RetryAfterError(PageStatusError):
    """The server asks for a longer pause than `max_retry_after`; no shorter one was tried."""

    def _problem(self, status: str) -> str:
        return f"{status}; it asks for a longer pause than max_retry_after allows"


class PageDataError(PaginationError):
    """The body is no JSON, or lacks what the scheme needs."""


class TruncatedPage(PageDataError):
    """The body was cut short: what there is could be the beginning of a JSON document."""


class ItemsNotFound(PageDataError):
    """There is no list of items where one should be, or there are several that could be meant."""


class GraphQLError(PageDataError):
    """The response holds GraphQL errors. `errors` is their list, as the server has sent it."""

    def __init__(self, errors: object, url: object, page: int) -> None:
        super().__init__(f"GraphQL errors: {errors!r}", url, page)
        self.errors = errors


class SchemeNotFound(PaginationError):
    """The response says that there are more pages, but not in a way that tells how to get them."""


class PaginationLoop(PaginationError):
    """The next page is one that this run has asked for before."""


class CrossOriginNext(PaginationError):
    """The next page is at another origin, which `allow_origins` does not name."""


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
        response: "ErrorResponse | None" = None,
    ) -> None:
        problem = f"status {status} {reason}".rstrip()
        problem = f"{problem}: {said}" if said else problem
        super().__init__(f"{problem}; {hint}" if hint else problem, url)
        self.status = status
        self.retry_after = retry_after
        self.response = response


class BodyTypeError(BodyError):
    """The body is of another content type. `response` is what there was, an `ErrorResponse`."""

    def __init__(self, problem: str, url: str, *, response: "ErrorResponse | None" = None) -> None:
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


def told(error: Exception, url: object, page: int) -> Exception:
    """An error of the client, with the page that it is about."""
    if is_named(error, "InvalidURL"):
        return PageDataError(f"this is no URL ({error})", url, page)
    if is_named(error, "RequestError"):
        error.add_note(f"while fetching page {page} of {safe(str(url))}")
    return error


for name in __all__:  # so that a traceback shows where to import an error from
    globals()[name].__module__ = "anystream.http"
