"""What can be wrong with a page.

::

    StreamError
    └── PaginationError      has the `url` and the `page`
        ├── PageStatusError  the status is 400 or more
        └── PageDataError    the body is no JSON, or has no list of items where it should be
"""

from .._errors import StreamError


class PaginationError(StreamError):
    """A page could not be read. `url` is the page's whole URL, `page` its number."""

    def __init__(self, problem: str, url: str, page: int) -> None:
        super().__init__(f"page {page} of {url}: {problem}")
        self.url = url
        self.page = page


class PageStatusError(PaginationError):
    """The server answered with a `status` of 400 or more."""

    def __init__(self, status: int, reason: str, url: str, page: int) -> None:
        super().__init__(f"status {status} {reason}".rstrip(), url, page)
        self.status = status


class PageDataError(PaginationError):
    """The body is no JSON, or has no list of items where one was expected."""
