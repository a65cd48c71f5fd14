"""Streams over HTTP, with httpx or any client that has its face.

Needs `pip install 'anystream[http]'`, unless you pass a client of your own.
"""

from ._errors import PageDataError, PageStatusError, PaginationError
from ._pages import fetch_all_pages

__all__ = ["PageDataError", "PageStatusError", "PaginationError", "fetch_all_pages"]
